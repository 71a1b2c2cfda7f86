/* SPDX-License-Identifier: MIT */
#include "crypto/sign.h"

#include "crypto/ssl_error.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>

static enum fh_pkey_kind kind_of(enum fh_sign_scheme scheme)
{
    return scheme == FH_SIGN_ED25519 ? FH_PKEY_ED25519 : FH_PKEY_RSA;
}

/* Ed25519 hashes by itself. */
static const EVP_MD *hash_of(enum fh_sign_scheme scheme)
{
    return scheme == FH_SIGN_ED25519 ? NULL : EVP_sha256();
}

static bool set_padding(EVP_PKEY_CTX *context, enum fh_sign_scheme scheme, int salt)
{
    switch (scheme) {
    case FH_SIGN_PSS:
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt) > 0;
    case FH_SIGN_PKCS1:
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
    case FH_SIGN_ED25519:
    default:
        return true;
    }
}

/* OpenSSL wants a pointer to bytes also when there are none. */
static const unsigned char *bytes_of(struct fh_slice slice)
{
    return (const unsigned char *)(slice.data ? slice.data : "");
}

int fh_sign_make(struct fh_slice pem, enum fh_sign_scheme scheme, struct fh_slice text,
                 unsigned char *out, size_t *len, struct fh_error *err)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = NULL; /* part of state */
    int rc = fh_pkey_load(&pkey, pem, kind_of(scheme), true, err);
    if (rc != 0) {
        return rc;
    }
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    *len = FH_PKEY_MAX_BYTES;
    if (!state || EVP_DigestSignInit(state, &context, hash_of(scheme), NULL, pkey) != 1 ||
        !set_padding(context, scheme, RSA_PSS_SALTLEN_DIGEST) ||
        EVP_DigestSign(state, out, len, bytes_of(text), text.len) != 1) {
        rc = fh_ssl_error_set(err, FH_E_KEY, "this key cannot sign");
    }
    EVP_MD_CTX_free(state);
    fh_pkey_free(pkey);
    return rc;
}

int fh_sign_check(struct fh_slice pem, enum fh_sign_scheme scheme, struct fh_slice text,
                  struct fh_slice signature, bool *is_good, struct fh_error *err)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = NULL; /* part of state */
    int rc = fh_pkey_load(&pkey, pem, kind_of(scheme), false, err);
    if (rc != 0) {
        return rc;
    }
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    *is_good = false;
    if (!state || EVP_DigestVerifyInit(state, &context, hash_of(scheme), NULL, pkey) != 1 ||
        !set_padding(context, scheme, RSA_PSS_SALTLEN_AUTO)) {
        rc = fh_ssl_error_set(err, FH_E_KEY, "this key cannot check signatures");
    } else {
        *is_good = EVP_DigestVerify(state, bytes_of(signature), signature.len, bytes_of(text),
                                    text.len) == 1;
        (void)fh_ssl_error_set(NULL, 0, ""); /* a bad signature leaves errors behind */
    }
    EVP_MD_CTX_free(state);
    fh_pkey_free(pkey);
    return rc;
}
