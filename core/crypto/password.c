/* SPDX-License-Identifier: MIT */
#include "crypto/password.h"

#include "base/error.h"

#include <sodium.h>
#include <string.h>

enum { PASSES = 2, MEMORY_BYTES = 19 * 1024 * 1024, RANDOM_BYTES = 32 };

int fh_password_hash(struct fh_slice password, char out[FH_PASSWORD_HASH_BYTES])
{
    char text[crypto_pwhash_STRBYTES];
    _Static_assert(crypto_pwhash_STRBYTES <= FH_PASSWORD_HASH_BYTES, "hashes fit");
    if (crypto_pwhash_str(text, password.data, password.len, PASSES, MEMORY_BYTES) != 0) {
        return FH_E_NO_MEMORY;
    }
    memcpy(out, text, sizeof(text));
    return 0;
}

bool fh_password_is_right(struct fh_slice password, const char *hash)
{
    char text[crypto_pwhash_STRBYTES] = "";
    strncpy(text, hash, sizeof(text) - 1);
    return crypto_pwhash_str_verify(text, password.data, password.len) == 0;
}

void fh_token_make(char out[FH_TOKEN_CHARS + 1])
{
    unsigned char bytes[RANDOM_BYTES];
    randombytes_buf(bytes, sizeof(bytes));
    memcpy(out, "fh_", 3);
    sodium_bin2base64(out + 3, FH_TOKEN_CHARS + 1 - 3, bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof(bytes));
}

void fh_token_hash(struct fh_slice token, unsigned char out[FH_TOKEN_HASH_BYTES])
{
    crypto_generichash(out, FH_TOKEN_HASH_BYTES, (const unsigned char *)token.data, token.len, NULL,
                       0);
}
