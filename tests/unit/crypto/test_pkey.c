/* SPDX-License-Identifier: MIT */
#include "crypto/pkey.h"

#include "crypto_fixture.h"
#include "keys.h"

static int load(const char *pem, enum fh_pkey_kind kind, bool is_private, struct fh_error *err)
{
    struct evp_pkey_st *pkey = NULL;
    int rc = fh_pkey_load(&pkey, fh_slice_from(pem), kind, is_private, err);
    fh_pkey_free(pkey);
    return rc;
}

static void loads_each_form(void **state)
{
    (void)state;
    static const struct {
        const char *pem;
        enum fh_pkey_kind kind;
        bool is_private;
    } cases[] = {
        {key_rsa_pkcs1, FH_PKEY_RSA, true},    {key_rsa_pkcs8, FH_PKEY_RSA, true},
        {key_rsa_public, FH_PKEY_RSA, false},  {key_rsa_public_pkcs1, FH_PKEY_RSA, false},
        {key_ed25519, FH_PKEY_ED25519, true},  {key_ed25519_public, FH_PKEY_ED25519, false},
        {key_rsa_pkcs1, FH_PKEY_RSA, false},   {key_rsa_pkcs8, FH_PKEY_RSA, false},
        {key_ed25519, FH_PKEY_ED25519, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_error err = {0, ""};
        if (load(cases[i].pem, cases[i].kind, cases[i].is_private, &err) != 0) {
            fail_msg("%zu: %s", i, err.detail);
        }
    }
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *pem;
        enum fh_pkey_kind kind;
        bool is_private;
        const char *part;
    } cases[] = {
        {"", FH_PKEY_RSA, false, "PEM form is expected"},
        {"a secret word", FH_PKEY_RSA, false, "PEM form is expected"},
        {key_rsa_public, FH_PKEY_RSA, true, "a private key is expected"},
        {key_rsa_public_pkcs1, FH_PKEY_RSA, true, "a private key is expected"},
        {key_ed25519_public, FH_PKEY_ED25519, true, "a private key is expected"},
        {key_rsa_encrypted, FH_PKEY_RSA, true, "without its passphrase"},
        {key_rsa_512, FH_PKEY_RSA, true, "this one has 512"},
        {key_ed25519, FH_PKEY_RSA, true, "not an RSA key"},
        {key_rsa_pkcs1, FH_PKEY_ED25519, true, "not an Ed25519 key"},
        {key_ec_p256, FH_PKEY_RSA, true, "not an RSA key"},
        {key_ec_p256, FH_PKEY_ED25519, false, "not an Ed25519 key"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", FH_PKEY_RSA, true,
         "or damaged"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_error err = {0, ""};
        int rc = load(cases[i].pem, cases[i].kind, cases[i].is_private, &err);
        assert_error(rc, &err, FH_E_KEY, cases[i].part);
        assert_null(strstr(err.detail, "secret word"));
    }
}

static void refuses_what_is_too_large(void **state)
{
    (void)state;
    struct fh_error err = {0, ""};
    char *large = malloc(FH_PKEY_PEM_MAX_BYTES + 1);
    struct evp_pkey_st *pkey = NULL;
    memset(large, '\n', FH_PKEY_PEM_MAX_BYTES + 1);
    memcpy(large, key_rsa_pkcs1, sizeof(key_rsa_pkcs1) - 1);
    int rc = fh_pkey_load(&pkey, fh_slice_make(large, FH_PKEY_PEM_MAX_BYTES + 1), FH_PKEY_RSA, true,
                          &err);
    assert_error(rc, &err, FH_E_KEY, "at most 16384 bytes");
    rc = fh_pkey_load(&pkey, fh_slice_make(large, FH_PKEY_PEM_MAX_BYTES), FH_PKEY_RSA, true, &err);
    assert_int_equal(rc, 0);
    fh_pkey_free(pkey);
    free(large);
}

/* Cut anywhere: never a key, never a question for a passphrase. */
static void refuses_pieces(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(key_rsa_pkcs1) - 40; size += 7) {
        struct evp_pkey_st *pkey = NULL;
        assert_int_equal(
            fh_pkey_load(&pkey, fh_slice_make(key_rsa_pkcs1, size), FH_PKEY_RSA, true, NULL),
            FH_E_KEY);
        assert_null(pkey);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_each_form),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(refuses_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
