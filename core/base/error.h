/* SPDX-License-Identifier: MIT */
/* The one list of error codes. Functions return 0 or a negative FH_E_*; detail goes to a
 * struct fh_error that the caller passes (it may be NULL). Foreign codes (errno, LMDB, curl,
 * MHD) are translated in the directory that owns the library. */
#pragma once

#include <stdbool.h>

/* X(symbol, value, name shown to users and used in JSON, text, retryable) */
#define FH_ERROR_LIST(X)                                                                     \
    X(FH_E_NO_MEMORY, -1, "NO_MEMORY", "out of memory", false)                               \
    X(FH_E_INVALID, -2, "INVALID", "invalid argument", false)                                \
    X(FH_E_TOO_LARGE, -3, "TOO_LARGE", "larger than the limit", false)                       \
    X(FH_E_NOT_FOUND, -4, "NOT_FOUND", "not found", false)                                   \
    X(FH_E_CONFLICT, -5, "CONFLICT", "a condition of the batch does not hold", false)        \
    X(FH_E_CORRUPT, -6, "CORRUPT", "stored value is damaged", false)                         \
    X(FH_E_DISK_FULL, -7, "DISK_FULL", "no space left for the data folder", true)            \
    X(FH_E_IO, -8, "IO", "input or output error", false)                                     \
    X(FH_E_LOCKED, -9, "LOCKED", "in use by another process", false)                         \
    X(FH_E_NEWER_FORMAT, -10, "NEWER_FORMAT", "written by a newer version", false)           \
    X(FH_E_PERMISSION, -11, "PERMISSION", "permission denied", false)                        \
    X(FH_E_ADDRESS_IN_USE, -12, "ADDRESS_IN_USE", "address already in use", false)           \
    X(FH_E_NETWORK, -13, "NETWORK", "connection failed", true)                               \
    X(FH_E_TIMEOUT, -14, "TIMEOUT", "time ran out", true)                                    \
    X(FH_E_CANCELLED, -15, "CANCELLED", "cancelled", false)                                  \
    X(FH_E_SYNTAX, -16, "SYNTAX", "cannot be parsed", false)                                 \
    X(FH_E_LUA, -17, "LUA_ERROR", "error in a Lua script", false)                            \
    X(FH_E_CPU_LIMIT, -18, "CPU_LIMIT", "ran longer than the processor time allowed", false) \
    X(FH_E_MEMORY_LIMIT, -19, "MEMORY_LIMIT", "needed more memory than allowed", false)      \
    X(FH_E_CLOSED, -20, "CLOSED", "closing down", false)                                     \
    X(FH_E_USAGE, -21, "USAGE", "wrong usage", false)                                        \
    X(FH_E_TLS, -22, "TLS", "TLS handshake failed", false)                                   \
    X(FH_E_REFUSED, -23, "NETWORK_REFUSED", "the network policy refuses the address", false) \
    X(FH_E_KEY, -30, "KEY_INVALID", "not a usable key", false)                               \
    X(FH_E_DECRYPT, -31, "DECRYPT_FAILED", "cannot be decrypted with this key", false)

enum {
#define FH_ERROR_ENUM(symbol, value, name, text, retryable) symbol = (value),
    FH_ERROR_LIST(FH_ERROR_ENUM)
#undef FH_ERROR_ENUM
};

struct fh_error {
    int code;
    char detail[480];
};

/* The stable name, e.g. "DISK_FULL"; "OK" for 0, "UNKNOWN" for a foreign number. */
const char *fh_error_name(int code);
const char *fh_error_text(int code);
bool fh_error_is_retryable(int code);

/* Fills `err` (may be NULL) and returns `code`, so that `return fh_error_set(...)` reads well. */
int fh_error_set(struct fh_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Translates an errno value; ENOSPC and EDQUOT give FH_E_DISK_FULL. */
int fh_error_from_errno(int number);
