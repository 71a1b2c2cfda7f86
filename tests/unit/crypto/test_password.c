/* SPDX-License-Identifier: MIT */
#include "crypto/password.h"

#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool verify(const char *text, const char *hash)
{
    struct fh_password *password = fh_password_new(fh_slice_from(text));
    bool is_equal = fh_password_verify(password, hash);
    fh_password_free(password);
    return is_equal;
}

static void hash(struct fh_slice text, char out[FH_PASSWORD_HASH_BYTES])
{
    struct fh_password *password = fh_password_new(text);
    assert_int_equal(fh_password_hash(password, out), 0);
    fh_password_free(password);
}

static void a_hash_knows_its_password_only(void **state)
{
    (void)state;
    char stored[FH_PASSWORD_HASH_BYTES];
    hash(FH_SLICE_LIT("correct horse"), stored);
    assert_true(verify("correct horse", stored));
    assert_false(verify("correct hors", stored));
    assert_false(verify("correct horse ", stored));
    assert_false(verify("", stored));
}

static void a_hash_says_its_parameters_and_has_a_salt(void **state)
{
    (void)state;
    char a[FH_PASSWORD_HASH_BYTES];
    char b[FH_PASSWORD_HASH_BYTES];
    hash(FH_SLICE_LIT("x"), a);
    hash(FH_SLICE_LIT("x"), b);
    assert_int_equal(strncmp(a, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    assert_string_not_equal(a, b);
}

static void takes_an_empty_password_and_bytes(void **state)
{
    (void)state;
    char stored[FH_PASSWORD_HASH_BYTES];
    hash(fh_slice_make(NULL, 0), stored);
    assert_true(verify("", stored));
    assert_false(verify("x", stored));
    hash(FH_SLICE_LIT("a\0b"), stored);
    assert_false(verify("a", stored));
}

static void what_is_no_hash_never_verifies(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "$argon2id$v=19$m=19456,t=2,p=1$",
                                        "$argon2i$v=19$m=8,t=1,p=1$AA$AA"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(verify("x", texts[i]));
    }
}

static int setup(void **state)
{
    (void)state;
    return fh_hash_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_knows_its_password_only),
        cmocka_unit_test(a_hash_says_its_parameters_and_has_a_salt),
        cmocka_unit_test(takes_an_empty_password_and_bytes),
        cmocka_unit_test(what_is_no_hash_never_verifies),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
