/* SPDX-License-Identifier: MIT */
/* Hashes and HMAC that partners ask for, by OpenSSL. MD5 and SHA-1 are broken as signatures; they are here for protocols
 * that cannot be changed, and not for HMAC. Any thread. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum fh_digest {
    FH_DIGEST_MD5,
    FH_DIGEST_SHA1,
    FH_DIGEST_SHA256,
    FH_DIGEST_SHA384,
    FH_DIGEST_SHA512,
    FH_DIGEST_COUNT,
};

enum { FH_DIGEST_MAX_BYTES = 64 };

/* NULL-terminated, in the order of the enum: "md5", "sha1" ... */
extern const char *const fh_digest_names[];

/* `out` has room for FH_DIGEST_MAX_BYTES; *len bytes of it are the hash. 0, FH_E_INVALID (not in this OpenSSL) or
 * FH_E_NO_MEMORY. */
int fh_digest_make(enum fh_digest digest, struct fh_slice bytes, unsigned char *out, size_t *len,
                   struct fh_error *err);

/* As above; FH_E_KEY: the key is empty. FH_E_INVALID with MD5 and SHA-1. */
int fh_digest_hmac(enum fh_digest digest, struct fh_slice key, struct fh_slice bytes,
                   unsigned char *out, size_t *len, struct fh_error *err);
