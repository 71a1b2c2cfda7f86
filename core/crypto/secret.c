/* SPDX-License-Identifier: MIT */
#include "crypto/secret.h"

#include "base/error.h"

#include <sodium.h>
#include <string.h>

int fh_secret_init(struct fh_secret *secret, struct fh_slice bytes)
{
    char *data = sodium_malloc(bytes.len + 1);
    if (!data) {
        return FH_E_NO_MEMORY;
    }
    if (bytes.len > 0) {
        memcpy(data, bytes.data, bytes.len);
    }
    data[bytes.len] = '\0';
    *secret = (struct fh_secret){data, bytes.len};
    return 0;
}

void fh_secret_deinit(struct fh_secret *secret)
{
    sodium_free(secret->data);
    *secret = (struct fh_secret){NULL, 0};
}

void fh_secret_wipe(void *bytes, size_t len)
{
    if (bytes) {
        sodium_memzero(bytes, len);
    }
}
