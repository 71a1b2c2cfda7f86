/* SPDX-License-Identifier: MIT */
/* Signatures by OpenSSL: RSA over SHA-256 with PSS (salt as long as the hash; any salt is taken when checking) or PKCS#1
 * v1.5 padding, and Ed25519. Any thread; signing by RSA takes about a millisecond with 2048 bits. */
#pragma once

#include "crypto/pkey.h"

enum fh_sign_scheme { FH_SIGN_PSS, FH_SIGN_PKCS1, FH_SIGN_ED25519 };

/* `out` has room for FH_PKEY_MAX_BYTES. 0, FH_E_KEY or FH_E_NO_MEMORY. */
int fh_sign_make(struct fh_slice pem, enum fh_sign_scheme scheme, struct fh_slice text,
                 unsigned char *out, size_t *len, struct fh_error *err);

/* Whether the signature is of this text by the owner of the key. 0, FH_E_KEY or FH_E_NO_MEMORY. */
int fh_sign_check(struct fh_slice pem, enum fh_sign_scheme scheme, struct fh_slice text,
                  struct fh_slice signature, bool *is_good, struct fh_error *err);
