/* SPDX-License-Identifier: MIT */
/* PEM text as a key, then as what is decrypted and checked: any bytes are refused or used, nothing is asked for. A key that
 * was read signs what it then checks. */
#include "crypto/rsa.h"
#include "crypto/sign.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_scheme(struct fh_slice pem, enum fh_sign_scheme scheme)
{
    unsigned char out[FH_PKEY_MAX_BYTES];
    size_t len = 0;
    bool is_good = false;
    struct fh_slice text = FH_SLICE_LIT("text");
    struct fh_error err = {0, ""};
    if (fh_sign_make(pem, scheme, text, out, &len, &err) != 0) {
        fh_sign_check(pem, scheme, text, pem, &is_good, &err);
        return;
    }
    int rc = fh_sign_check(pem, scheme, text, fh_slice_make(out, len), &is_good, &err);
    if (len > sizeof(out) || rc != 0) {
        fprintf(stderr, "a key signs, but cannot check: %s\n", err.detail);
        abort();
    }
}

static void try_block(struct fh_slice pem, enum fh_rsa_padding padding)
{
    unsigned char out[FH_PKEY_MAX_BYTES];
    unsigned char plain[FH_PKEY_MAX_BYTES];
    size_t len = 0;
    if (fh_rsa_encrypt(pem, padding, FH_SLICE_LIT("text"), out, &len, NULL) == 0) {
        fh_rsa_decrypt(pem, padding, fh_slice_make(out, len), plain, &len, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_slice pem = fh_slice_make(data, size);
    try_scheme(pem, FH_SIGN_PSS);
    try_scheme(pem, FH_SIGN_PKCS1);
    try_scheme(pem, FH_SIGN_ED25519);
    try_block(pem, FH_RSA_PKCS1);
    try_block(pem, FH_RSA_OAEP);
    return 0;
}
