/* SPDX-License-Identifier: MIT */
#include "crypto/mac.h"

#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void make_key(unsigned char key[FH_MAC_KEY_BYTES])
{
    for (int i = 0; i < FH_MAC_KEY_BYTES; i++) {
        key[i] = (unsigned char)i;
    }
}

static void assert_mac(struct fh_slice bytes, const char *expected)
{
    unsigned char key[FH_MAC_KEY_BYTES], code[FH_MAC_BYTES];
    char text[2 * FH_MAC_BYTES + 1];
    make_key(key);
    fh_mac_make(key, bytes, code);
    for (int i = 0; i < FH_MAC_BYTES; i++) {
        sprintf(text + 2 * i, "%02x", code[i]);
    }
    assert_string_equal(text, expected);
}

/* Links that were sent out carry these: they do not change. Computed by another implementation of BLAKE2b. */
static void gives_the_standards_codes(void **state)
{
    (void)state;
    char *thousand = malloc(1000);
    memset(thousand, 'a', 1000);
    assert_mac(fh_slice_make(NULL, 0),
               "4e51e7a913fc80137da52880fecca175bf81e117d5c68126dc2774033517ea0d");
    assert_mac(FH_SLICE_LIT("abc"),
               "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
    assert_mac(fh_slice_make(thousand, 1000),
               "7fb8eb2f015f5d87a2633639d81269fc6bcfa8bb10a1298f449242a72dcb143a");
    free(thousand);
}

static void another_key_gives_another_code(void **state)
{
    (void)state;
    unsigned char key[FH_MAC_KEY_BYTES], a[FH_MAC_BYTES], b[FH_MAC_BYTES];
    make_key(key);
    fh_mac_make(key, FH_SLICE_LIT("abc"), a);
    key[31] ^= 1;
    fh_mac_make(key, FH_SLICE_LIT("abc"), b);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void compares_bytes_and_lengths(void **state)
{
    (void)state;
    assert_true(fh_mac_is_equal(FH_SLICE_LIT("abc"), FH_SLICE_LIT("abc")));
    assert_true(fh_mac_is_equal(FH_SLICE_LIT(""), fh_slice_make(NULL, 0)));
    assert_false(fh_mac_is_equal(FH_SLICE_LIT("abc"), FH_SLICE_LIT("abd")));
    assert_false(fh_mac_is_equal(FH_SLICE_LIT("bbc"), FH_SLICE_LIT("abc")));
    assert_false(fh_mac_is_equal(FH_SLICE_LIT("abc"), FH_SLICE_LIT("ab")));
    assert_false(fh_mac_is_equal(FH_SLICE_LIT("a\0b"), FH_SLICE_LIT("a\0c")));
}

static int setup(void **state)
{
    (void)state;
    return fh_hash_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_standards_codes),
        cmocka_unit_test(another_key_gives_another_code),
        cmocka_unit_test(compares_bytes_and_lengths),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
