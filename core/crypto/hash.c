/* SPDX-License-Identifier: MIT */
#include "crypto/hash.h"

#include "base/error.h"

#include <sodium.h>

int fh_hash_init(void)
{
    return sodium_init() < 0 ? FH_E_INVALID : 0;
}

void fh_hash_sha256(struct fh_slice bytes, unsigned char out[FH_SHA256_BYTES])
{
    crypto_hash_sha256(out, (const unsigned char *)bytes.data, bytes.len);
}

void fh_hash_short(struct fh_slice bytes, unsigned char out[FH_HASH64_BYTES])
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = {0};
    crypto_shorthash(out, (const unsigned char *)bytes.data, bytes.len, key);
}
