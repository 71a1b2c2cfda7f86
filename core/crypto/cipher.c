/* SPDX-License-Identifier: MIT */
#include "crypto/cipher.h"

#include "crypto/ssl_error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum mode { CBC, GCM };

static const EVP_CIPHER *find(enum mode mode, size_t key_bytes)
{
    switch (key_bytes) {
    case 16:
        return mode == CBC ? EVP_aes_128_cbc() : EVP_aes_128_gcm();
    case 24:
        return mode == CBC ? EVP_aes_192_cbc() : EVP_aes_192_gcm();
    case 32:
        return mode == CBC ? EVP_aes_256_cbc() : EVP_aes_256_gcm();
    default:
        return NULL;
    }
}

static int check(struct fh_slice key, struct fh_slice text, struct fh_error *err)
{
    if (!find(CBC, key.len)) {
        return fh_error_set(err, FH_E_KEY,
                            "a key of 16, 24 or 32 bytes is expected, this one has %zu", key.len);
    }
    if (text.len > FH_CIPHER_MAX_BYTES) {
        return fh_error_set(err, FH_E_TOO_LARGE, "at most %d bytes", FH_CIPHER_MAX_BYTES);
    }
    return 0;
}

/* One cipher from its begin to its end; *out moves on. OpenSSL's result: 1 when all went well. */
struct pass {
    EVP_CIPHER_CTX *context;
    unsigned char *out;
};

static int begin(struct pass *pass, enum mode mode, struct fh_slice key, const void *iv,
                 bool is_encrypting)
{
    pass->context = EVP_CIPHER_CTX_new();
    return pass->context && EVP_CipherInit_ex(pass->context, find(mode, key.len), NULL,
                                              (const unsigned char *)key.data, iv, is_encrypting);
}

/* An update without input is skipped: with no output either it would end GCM's text. */
static int add(struct pass *pass, struct fh_slice bytes, bool is_aad)
{
    int made = 0;
    if (bytes.len == 0) {
        return 1;
    }
    if (!EVP_CipherUpdate(pass->context, is_aad ? NULL : pass->out, &made,
                          (const unsigned char *)bytes.data, (int)bytes.len)) {
        return 0;
    }
    pass->out += is_aad ? 0 : made;
    return 1;
}

static int finish(struct pass *pass)
{
    int made = 0;
    int ok = EVP_CipherFinal_ex(pass->context, pass->out, &made);
    pass->out += ok == 1 ? made : 0;
    return ok;
}

static int refuse(struct fh_error *err, unsigned char *out, size_t bytes)
{
    OPENSSL_cleanse(out, bytes);
    return fh_ssl_error_set(err, FH_E_DECRYPT, fh_error_text(FH_E_DECRYPT));
}

int fh_cipher_encrypt(struct fh_slice key, struct fh_slice text, unsigned char *out, size_t *len,
                      struct fh_error *err)
{
    struct pass pass = {NULL, out};
    int rc = check(key, text, err);
    if (rc != 0) {
        return rc;
    }
    if (!begin(&pass, CBC, key, key.data, true) || !add(&pass, text, false) || !finish(&pass)) {
        rc = fh_ssl_error_unavailable(err, "AES-CBC");
    }
    EVP_CIPHER_CTX_free(pass.context);
    *len = (size_t)(pass.out - out);
    return rc;
}

int fh_cipher_decrypt(struct fh_slice key, struct fh_slice bytes, unsigned char *out, size_t *len,
                      struct fh_error *err)
{
    struct pass pass = {NULL, out};
    int rc = check(key, bytes, err);
    if (rc != 0) {
        return rc;
    }
    if (!begin(&pass, CBC, key, key.data, false)) {
        rc = fh_ssl_error_unavailable(err, "AES-CBC");
    } else if (!add(&pass, bytes, false) || !finish(&pass)) {
        rc = refuse(err, out, bytes.len);
    }
    EVP_CIPHER_CTX_free(pass.context);
    *len = (size_t)(pass.out - out);
    return rc;
}

int fh_cipher_seal(struct fh_slice key, const unsigned char nonce[FH_CIPHER_NONCE_BYTES],
                   struct fh_slice text, struct fh_slice aad, unsigned char *out, size_t *len,
                   struct fh_error *err)
{
    struct pass pass = {NULL, out + FH_CIPHER_NONCE_BYTES};
    int rc = check(key, text, err);
    rc = rc == 0 ? check(key, aad, err) : rc;
    if (rc != 0) {
        return rc;
    }
    memcpy(out, nonce, FH_CIPHER_NONCE_BYTES);
    if (!begin(&pass, GCM, key, nonce, true) || !add(&pass, aad, true) ||
        !add(&pass, text, false) || !finish(&pass) ||
        !EVP_CIPHER_CTX_ctrl(pass.context, EVP_CTRL_AEAD_GET_TAG, FH_CIPHER_TAG_BYTES, pass.out)) {
        rc = fh_ssl_error_unavailable(err, "AES-GCM");
    }
    EVP_CIPHER_CTX_free(pass.context);
    *len = text.len + FH_CIPHER_SEAL_BYTES;
    return rc;
}

int fh_cipher_open(struct fh_slice key, struct fh_slice sealed, struct fh_slice aad,
                   unsigned char *out, size_t *len, struct fh_error *err)
{
    struct pass pass = {NULL, out};
    int rc = check(key, sealed, err);
    rc = rc == 0 ? check(key, aad, err) : rc;
    if (rc != 0) {
        return rc;
    }
    if (sealed.len < FH_CIPHER_SEAL_BYTES) {
        return refuse(err, out, 0);
    }
    struct fh_slice text = {sealed.data + FH_CIPHER_NONCE_BYTES, sealed.len - FH_CIPHER_SEAL_BYTES};
    unsigned char tag[FH_CIPHER_TAG_BYTES];
    memcpy(tag, text.data + text.len, sizeof(tag));
    if (!begin(&pass, GCM, key, sealed.data, false) ||
        !EVP_CIPHER_CTX_ctrl(pass.context, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag)) {
        rc = fh_ssl_error_unavailable(err, "AES-GCM");
    } else if (!add(&pass, aad, true) || !add(&pass, text, false) || !finish(&pass)) {
        rc = refuse(err, out, text.len);
    }
    EVP_CIPHER_CTX_free(pass.context);
    *len = (size_t)(pass.out - out);
    return rc;
}
