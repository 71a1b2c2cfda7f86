/* SPDX-License-Identifier: MIT */
/* Inside core/crypto: keys of RSA and Ed25519 from PEM text. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

enum fh_pkey_kind { FH_PKEY_RSA, FH_PKEY_ED25519 };

enum {
    FH_PKEY_PEM_MAX_BYTES = 16 << 10,
    FH_PKEY_RSA_MIN_BITS = 1024,
    FH_PKEY_RSA_MAX_BITS = 8192, /* a private operation takes some 50 ms */
    FH_PKEY_MAX_BYTES = FH_PKEY_RSA_MAX_BITS / 8,
};

/* The first key in `pem`: PKCS#8 or SubjectPublicKeyInfo, and PKCS#1 for RSA; not encrypted by a passphrase. A private key
 * does as a public one. FH_E_KEY says what is wrong with it, but nothing of what it holds; FH_E_NO_MEMORY. */
int fh_pkey_load(struct evp_pkey_st **out, struct fh_slice pem, enum fh_pkey_kind kind,
                 bool is_private, struct fh_error *err);

/* Wipes it. NULL does nothing. */
void fh_pkey_free(struct evp_pkey_st *pkey);
