/* SPDX-License-Identifier: MIT */
/* RSA encryption of one block by OpenSSL. Any thread; a private operation takes about a millisecond with 2048 bits.
 *
 * PKCS#1 v1.5 is for partners who ask for it: it is the padding that attacks are known for, so whoever decrypts what
 * strangers send must not tell them apart by the error. OAEP is with SHA-256 in both places. */
#pragma once

#include "crypto/pkey.h"

enum fh_rsa_padding { FH_RSA_PKCS1, FH_RSA_OAEP };

/* `out` has room for FH_PKEY_MAX_BYTES. 0; FH_E_KEY; FH_E_TOO_LARGE: the text does not fit one block. */
int fh_rsa_encrypt(struct fh_slice pem, enum fh_rsa_padding padding, struct fh_slice text,
                   unsigned char *out, size_t *len, struct fh_error *err);

/* As above. FH_E_DECRYPT: one message, whatever the reason. An OpenSSL from 3.2 on gives random bytes instead when
 * PKCS#1 v1.5 padding is wrong. */
int fh_rsa_decrypt(struct fh_slice pem, enum fh_rsa_padding padding, struct fh_slice bytes,
                   unsigned char *out, size_t *len, struct fh_error *err);
