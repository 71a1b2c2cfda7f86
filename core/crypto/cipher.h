/* SPDX-License-Identifier: MIT */
/* AES by OpenSSL. A key has 16, 24 or 32 bytes. Any thread.
 *
 * CBC is for partners who ask for it, in the form of ps-go: PKCS#7 padding, the first 16 bytes of the key as IV. The same
 * text gives the same bytes, and nothing tells whether they were changed on the way.
 * GCM is for everything else. What is sealed: nonce (12 bytes), ciphertext, tag (16 bytes). A nonce must never come
 * twice with a key; random ones are good for 2^32 texts. `aad` is not part of it, but must be the same to open it.
 *
 * Errors: FH_E_KEY (its length), FH_E_TOO_LARGE (text above FH_CIPHER_MAX_BYTES), FH_E_DECRYPT (one message, whatever the
 * reason; `out` is wiped), FH_E_NO_MEMORY. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum {
    FH_CIPHER_BLOCK_BYTES = 16,
    FH_CIPHER_NONCE_BYTES = 12,
    FH_CIPHER_TAG_BYTES = 16,
    FH_CIPHER_SEAL_BYTES = FH_CIPHER_NONCE_BYTES + FH_CIPHER_TAG_BYTES, /* more than the text */
    FH_CIPHER_MAX_BYTES = 16 << 20,
};

/* `out` has room for text.len + FH_CIPHER_BLOCK_BYTES. */
int fh_cipher_encrypt(struct fh_slice key, struct fh_slice text, unsigned char *out, size_t *len,
                      struct fh_error *err);

/* `out` has room for bytes.len + FH_CIPHER_BLOCK_BYTES. */
int fh_cipher_decrypt(struct fh_slice key, struct fh_slice bytes, unsigned char *out, size_t *len,
                      struct fh_error *err);

/* `out` has room for text.len + FH_CIPHER_SEAL_BYTES. */
int fh_cipher_seal(struct fh_slice key, const unsigned char nonce[FH_CIPHER_NONCE_BYTES],
                   struct fh_slice text, struct fh_slice aad, unsigned char *out, size_t *len,
                   struct fh_error *err);

/* `out` has room for sealed.len. */
int fh_cipher_open(struct fh_slice key, struct fh_slice sealed, struct fh_slice aad,
                   unsigned char *out, size_t *len, struct fh_error *err);
