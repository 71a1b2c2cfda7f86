/* SPDX-License-Identifier: MIT */
#include "crypto/rsa.h"

#include "crypto/ssl_error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

enum { PKCS1_OVERHEAD = 11, OAEP_OVERHEAD = 2 * 32 + 2 };

static bool set_padding(EVP_PKEY_CTX *context, enum fh_rsa_padding padding)
{
    if (padding == FH_RSA_PKCS1) {
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
    }
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0;
}

static int encrypt_with(EVP_PKEY *pkey, enum fh_rsa_padding padding, struct fh_slice text,
                        unsigned char *out, size_t *len, struct fh_error *err)
{
    size_t most = (size_t)EVP_PKEY_get_size(pkey) -
                  (padding == FH_RSA_PKCS1 ? PKCS1_OVERHEAD : OAEP_OVERHEAD);
    if (text.len > most) {
        return fh_error_set(err, FH_E_TOO_LARGE,
                            "a text of at most %zu bytes fits this key, this one has %zu", most,
                            text.len);
    }
    int rc = 0;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    *len = FH_PKEY_MAX_BYTES;
    if (!context || EVP_PKEY_encrypt_init(context) <= 0 || !set_padding(context, padding) ||
        EVP_PKEY_encrypt(context, out, len, (const unsigned char *)(text.data ? text.data : ""),
                         text.len) <= 0) {
        rc = fh_ssl_error_set(err, FH_E_KEY, "this key cannot encrypt");
    }
    EVP_PKEY_CTX_free(context);
    return rc;
}

int fh_rsa_encrypt(struct fh_slice pem, enum fh_rsa_padding padding, struct fh_slice text,
                   unsigned char *out, size_t *len, struct fh_error *err)
{
    EVP_PKEY *pkey = NULL;
    int rc = fh_pkey_load(&pkey, pem, FH_PKEY_RSA, false, err);
    if (rc == 0) {
        rc = encrypt_with(pkey, padding, text, out, len, err);
        fh_pkey_free(pkey);
    }
    return rc;
}

static int decrypt_with(EVP_PKEY *pkey, enum fh_rsa_padding padding, struct fh_slice bytes,
                        unsigned char *out, size_t *len, struct fh_error *err)
{
    int rc = 0;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    *len = FH_PKEY_MAX_BYTES;
    if (!context || EVP_PKEY_decrypt_init(context) <= 0 || !set_padding(context, padding)) {
        rc = fh_ssl_error_set(err, FH_E_KEY, "this key cannot decrypt");
    } else if (EVP_PKEY_decrypt(context, out, len, (const unsigned char *)bytes.data, bytes.len) <=
               0) {
        OPENSSL_cleanse(out, FH_PKEY_MAX_BYTES);
        *len = 0;
        rc = fh_ssl_error_set(err, FH_E_DECRYPT, fh_error_text(FH_E_DECRYPT));
    }
    EVP_PKEY_CTX_free(context);
    return rc;
}

int fh_rsa_decrypt(struct fh_slice pem, enum fh_rsa_padding padding, struct fh_slice bytes,
                   unsigned char *out, size_t *len, struct fh_error *err)
{
    EVP_PKEY *pkey = NULL;
    int rc = fh_pkey_load(&pkey, pem, FH_PKEY_RSA, true, err);
    if (rc == 0) {
        rc = decrypt_with(pkey, padding, bytes, out, len, err);
        fh_pkey_free(pkey);
    }
    return rc;
}
