/* SPDX-License-Identifier: MIT */
#include "crypto/ssl_error.h"

#include <openssl/err.h>

int fh_ssl_error_set(struct fh_error *err, int code, const char *text)
{
    unsigned long number;
    bool is_memory = false;
    while ((number = ERR_get_error()) != 0) {
        is_memory = is_memory || ERR_GET_REASON(number) == ERR_R_MALLOC_FAILURE;
    }
    if (is_memory) {
        return fh_error_set(err, FH_E_NO_MEMORY, "%s", fh_error_text(FH_E_NO_MEMORY));
    }
    return fh_error_set(err, code, "%s", text);
}

int fh_ssl_error_unavailable(struct fh_error *err, const char *what)
{
    int code = fh_ssl_error_set(err, FH_E_INVALID, what);
    return code == FH_E_INVALID
               ? fh_error_set(err, code, "%s is not available in this machine's OpenSSL", what)
               : code;
}
