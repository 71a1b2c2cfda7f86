/* SPDX-License-Identifier: MIT */
#include "crypto/pkey.h"

#include "crypto/ssl_error.h"

#include <openssl/decoder.h>
#include <openssl/evp.h>

static bool holds(struct fh_slice pem, const char *text)
{
    return pem.len > 0 && memmem(pem.data, pem.len, text, strlen(text)) != NULL;
}

/* What can be said without OpenSSL, which knows "unsupported" only. */
static int check_text(struct fh_slice pem, bool is_private, struct fh_error *err)
{
    if (pem.len > FH_PKEY_PEM_MAX_BYTES) {
        return fh_error_set(err, FH_E_KEY, "a key in PEM form has at most %d bytes",
                            FH_PKEY_PEM_MAX_BYTES);
    }
    if (!holds(pem, "-----BEGIN ")) {
        return fh_error_set(err, FH_E_KEY, "a key in PEM form is expected (-----BEGIN ...)");
    }
    if (holds(pem, "ENCRYPTED")) {
        return fh_error_set(err, FH_E_KEY, "the key is encrypted: give it without its passphrase");
    }
    if (is_private && !holds(pem, "PRIVATE KEY-----")) {
        return fh_error_set(err, FH_E_KEY,
                            "a private key is expected (-----BEGIN PRIVATE KEY-----)");
    }
    return 0;
}

/* No passphrase is ever asked for: the context has no method to. */
static EVP_PKEY *decode(struct fh_slice pem, const char *type)
{
    EVP_PKEY *pkey = NULL;
    const unsigned char *data = (const unsigned char *)pem.data;
    size_t left = pem.len;
    OSSL_DECODER_CTX *context =
        OSSL_DECODER_CTX_new_for_pkey(&pkey, "PEM", NULL, type, 0, NULL, NULL);
    if (context) {
        (void)OSSL_DECODER_from_data(context, &data, &left);
        OSSL_DECODER_CTX_free(context);
    }
    return pkey;
}

int fh_pkey_load(struct evp_pkey_st **out, struct fh_slice pem, enum fh_pkey_kind kind,
                 bool is_private, struct fh_error *err)
{
    int rc = check_text(pem, is_private, err);
    if (rc != 0) {
        return rc;
    }
    const char *type = kind == FH_PKEY_RSA ? "RSA" : "ED25519";
    EVP_PKEY *pkey = decode(pem, type);
    if (!pkey || !EVP_PKEY_is_a(pkey, type)) {
        fh_pkey_free(pkey);
        return fh_ssl_error_set(err, FH_E_KEY,
                                kind == FH_PKEY_RSA ? "not an RSA key, or damaged"
                                                    : "not an Ed25519 key, or damaged");
    }
    int bits = EVP_PKEY_get_bits(pkey);
    if (kind == FH_PKEY_RSA && (bits < FH_PKEY_RSA_MIN_BITS || bits > FH_PKEY_RSA_MAX_BITS)) {
        fh_pkey_free(pkey);
        return fh_error_set(err, FH_E_KEY,
                            "an RSA key of %d to %d bits is expected, this one has %d",
                            FH_PKEY_RSA_MIN_BITS, FH_PKEY_RSA_MAX_BITS, bits);
    }
    *out = pkey;
    return 0;
}

void fh_pkey_free(struct evp_pkey_st *pkey)
{
    EVP_PKEY_free(pkey);
}
