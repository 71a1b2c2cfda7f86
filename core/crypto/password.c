/* SPDX-License-Identifier: MIT */
#include "crypto/password.h"

#include "base/error.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { PASSES = 2, MEMORY_BYTES = 19 * 1024 * 1024 };

_Static_assert(FH_PASSWORD_HASH_BYTES == crypto_pwhash_argon2id_STRBYTES, "size of a hash");

struct fh_password {
    char *text; /* guarded; such memory is not aligned, so the struct is not in it */
    size_t len;
};

struct fh_password *fh_password_new(struct fh_slice text)
{
    struct fh_password *password = malloc(sizeof(*password));
    char *guarded = sodium_malloc(text.len + 1);
    if (!password || !guarded) {
        sodium_free(guarded);
        free(password);
        return NULL;
    }
    memcpy(guarded, text.len > 0 ? text.data : "", text.len);
    *password = (struct fh_password){guarded, text.len};
    return password;
}

void fh_password_free(struct fh_password *password)
{
    if (password) {
        sodium_free(password->text);
        free(password);
    }
}

int fh_password_hash(const struct fh_password *password, char out[FH_PASSWORD_HASH_BYTES])
{
    int rc = crypto_pwhash_argon2id_str(out, password->text, password->len, PASSES, MEMORY_BYTES);
    return rc == 0 ? 0 : FH_E_NO_MEMORY;
}

bool fh_password_verify(const struct fh_password *password, const char *hash)
{
    return crypto_pwhash_argon2id_str_verify(hash, password->text, password->len) == 0;
}
