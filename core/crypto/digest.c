/* SPDX-License-Identifier: MIT */
#include "crypto/digest.h"

#include "crypto/ssl_error.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

const char *const fh_digest_names[] = {"md5", "sha1", "sha256", "sha384", "sha512", NULL};

static const EVP_MD *find(enum fh_digest digest)
{
    switch (digest) {
    case FH_DIGEST_MD5:
        return EVP_md5();
    case FH_DIGEST_SHA1:
        return EVP_sha1();
    case FH_DIGEST_SHA384:
        return EVP_sha384();
    case FH_DIGEST_SHA512:
        return EVP_sha512();
    case FH_DIGEST_SHA256:
    default:
        return EVP_sha256();
    }
}

int fh_digest_make(enum fh_digest digest, struct fh_slice bytes, unsigned char *out, size_t *len,
                   struct fh_error *err)
{
    unsigned made = 0;
    if (EVP_Digest(bytes.data, bytes.len, out, &made, find(digest), NULL) != 1) {
        return fh_ssl_error_unavailable(err, fh_digest_names[digest]);
    }
    *len = made;
    return 0;
}

int fh_digest_hmac(enum fh_digest digest, struct fh_slice key, struct fh_slice bytes,
                   unsigned char *out, size_t *len, struct fh_error *err)
{
    unsigned made = 0;
    if (digest == FH_DIGEST_MD5 || digest == FH_DIGEST_SHA1) {
        return fh_error_set(err, FH_E_INVALID, "no HMAC with %s", fh_digest_names[digest]);
    }
    if (key.len == 0) {
        return fh_error_set(err, FH_E_KEY, "the key is empty");
    }
    if (key.len > INT_MAX) {
        return fh_error_set(err, FH_E_TOO_LARGE, "the key is larger than 2 GiB");
    }
    if (!HMAC(find(digest), key.data, (int)key.len, (const unsigned char *)bytes.data, bytes.len,
              out, &made)) {
        return fh_ssl_error_unavailable(err, fh_digest_names[digest]);
    }
    *len = made;
    return 0;
}
