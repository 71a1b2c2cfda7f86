/* SPDX-License-Identifier: MIT */
#include "crypto/sign.h"

#include "crypto_fixture.h"
#include "keys.h"

struct pair {
    enum fh_sign_scheme scheme;
    const char *private_key;
    const char *public_key;
};

static const struct pair pairs[] = {
    {FH_SIGN_PSS, key_rsa_pkcs8, key_rsa_public},
    {FH_SIGN_PKCS1, key_rsa_pkcs1, key_rsa_public_pkcs1},
    {FH_SIGN_ED25519, key_ed25519, key_ed25519_public},
};

enum { PAIRS = sizeof(pairs) / sizeof(pairs[0]) };

static bool is_good(const struct pair *pair, struct fh_slice text, struct fh_slice signature)
{
    bool good = true;
    assert_int_equal(
        fh_sign_check(fh_slice_from(pair->public_key), pair->scheme, text, signature, &good, NULL),
        0);
    return good;
}

static struct fh_slice sign(const struct pair *pair, struct fh_slice text, unsigned char *out)
{
    size_t len = 0;
    assert_int_equal(
        fh_sign_make(fh_slice_from(pair->private_key), pair->scheme, text, out, &len, NULL), 0);
    return fh_slice_make(out, len);
}

static void checks_what_it_signed(void **state)
{
    (void)state;
    for (int i = 0; i < PAIRS; i++) {
        unsigned char out[FH_PKEY_MAX_BYTES];
        assert_true(
            is_good(&pairs[i], FH_SLICE_LIT("text"), sign(&pairs[i], FH_SLICE_LIT("text"), out)));
        struct fh_slice none = {NULL, 0};
        assert_true(is_good(&pairs[i], none, sign(&pairs[i], none, out)));
    }
}

static void refuses_what_was_changed(void **state)
{
    (void)state;
    for (int i = 0; i < PAIRS; i++) {
        unsigned char out[FH_PKEY_MAX_BYTES];
        struct fh_slice signature = sign(&pairs[i], FH_SLICE_LIT("text"), out);
        assert_false(is_good(&pairs[i], FH_SLICE_LIT("texT"), signature));
        assert_false(is_good(&pairs[i], FH_SLICE_LIT("text"), fh_slice_make(NULL, 0)));
        assert_false(is_good(&pairs[i], FH_SLICE_LIT("text"),
                             fh_slice_make(signature.data, signature.len - 1)));
        for (size_t bit = 0; bit < 8 * signature.len; bit += 5) {
            out[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_false(is_good(&pairs[i], FH_SLICE_LIT("text"), signature));
            out[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    }
}

static void tells_paddings_and_keys_apart(void **state)
{
    (void)state;
    unsigned char out[FH_PKEY_MAX_BYTES];
    struct fh_slice signature = sign(&pairs[0], FH_SLICE_LIT("text"), out);
    const struct pair other_padding = {FH_SIGN_PKCS1, NULL, key_rsa_public};
    const struct pair other_key = {FH_SIGN_PSS, NULL, key_rsa_other};
    assert_false(is_good(&other_padding, FH_SLICE_LIT("text"), signature));
    assert_false(is_good(&other_key, FH_SLICE_LIT("text"), signature));
}

/* RFC 8032, 7.1, test 1: the empty text. */
static void signs_as_the_standard_says(void **state)
{
    (void)state;
    unsigned char out[FH_PKEY_MAX_BYTES];
    struct fh_slice signature = sign(&pairs[2], FH_SLICE_LIT(""), out);
    assert_hex(
        out, signature.len,
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e"
        "39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
}

static void needs_a_key_of_its_kind(void **state)
{
    (void)state;
    unsigned char out[FH_PKEY_MAX_BYTES];
    size_t len = 0;
    bool good;
    struct fh_error err = {0, ""};
    int rc = fh_sign_make(fh_slice_from(key_rsa_public), FH_SIGN_PSS, FH_SLICE_LIT("x"), out, &len,
                          &err);
    assert_error(rc, &err, FH_E_KEY, "private");
    rc = fh_sign_check(fh_slice_from(key_rsa_public), FH_SIGN_ED25519, FH_SLICE_LIT("x"),
                       FH_SLICE_LIT("y"), &good, &err);
    assert_error(rc, &err, FH_E_KEY, "Ed25519");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_what_it_signed),
        cmocka_unit_test(refuses_what_was_changed),
        cmocka_unit_test(tells_paddings_and_keys_apart),
        cmocka_unit_test(signs_as_the_standard_says),
        cmocka_unit_test(needs_a_key_of_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
