/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct row {
    int code;
    const char *name;
    const char *text;
    bool retryable;
};

static const struct row rows[] = {
#define FH_ERROR_ROW(symbol, value, name, text, retryable) {symbol, name, text, retryable},
    FH_ERROR_LIST(FH_ERROR_ROW)
#undef FH_ERROR_ROW
};

static const struct row *find(int code)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].code == code) {
            return &rows[i];
        }
    }
    return NULL;
}

const char *fh_error_name(int code)
{
    const struct row *row = find(code);
    return code == 0 ? "OK" : row ? row->name : "UNKNOWN";
}

const char *fh_error_text(int code)
{
    const struct row *row = find(code);
    return code == 0 ? "no error" : row ? row->text : "unknown error";
}

bool fh_error_is_retryable(int code)
{
    const struct row *row = find(code);
    return row && row->retryable;
}

int fh_error_set(struct fh_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->detail, sizeof(err->detail), format, args);
        va_end(args);
    }
    return code;
}

int fh_error_from_errno(int number)
{
    switch (number) {
    case 0:
        return 0;
    case ENOSPC:
    case EDQUOT:
        return FH_E_DISK_FULL;
    case ENOMEM:
        return FH_E_NO_MEMORY;
    case EACCES:
    case EPERM:
    case EROFS:
        return FH_E_PERMISSION;
    case ENOENT:
    case ENOTDIR:
        return FH_E_NOT_FOUND;
    case EADDRINUSE:
        return FH_E_ADDRESS_IN_USE;
    case EINVAL:
        return FH_E_INVALID;
    default:
        return FH_E_IO;
    }
}
