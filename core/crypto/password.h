/* SPDX-License-Identifier: MIT */
/* Passwords by Argon2id (libsodium's crypto_pwhash_str, OWASP's least cost: 19 MiB, 2 passes), and tokens: 32 random
 * bytes, of which only a hash is kept. Hashing a password takes some 20 ms: not on a loop's thread. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

enum {
    FH_PASSWORD_HASH_BYTES = 128, /* text, NUL-terminated */
    FH_PASSWORD_MAX_BYTES = 1024,
    FH_TOKEN_CHARS = 46, /* "fh_" and 43 of base64url */
    FH_TOKEN_HASH_BYTES = 32
};

/* 0 or FH_E_NO_MEMORY. */
int fh_password_hash(struct fh_slice password, char out[FH_PASSWORD_HASH_BYTES]);

/* `hash` is NUL-terminated text; anything else than a hash is never right. */
bool fh_password_is_right(struct fh_slice password, const char *hash);

void fh_token_make(char out[FH_TOKEN_CHARS + 1]);
void fh_token_hash(struct fh_slice token, unsigned char out[FH_TOKEN_HASH_BYTES]);
