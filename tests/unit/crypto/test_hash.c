/* SPDX-License-Identifier: MIT */
#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void to_hex(const unsigned char *bytes, size_t len, char *text)
{
    for (size_t i = 0; i < len; i++) {
        sprintf(text + 2 * i, "%02x", bytes[i]);
    }
}

static void assert_sha256(struct fh_slice bytes, const char *expected)
{
    unsigned char hash[FH_SHA256_BYTES];
    char text[2 * FH_SHA256_BYTES + 1];
    fh_hash_sha256(bytes, hash);
    to_hex(hash, sizeof(hash), text);
    assert_string_equal(text, expected);
}

static void may_be_initialised_again(void **state)
{
    (void)state;
    assert_int_equal(fh_hash_init(), 0);
    assert_int_equal(fh_hash_init(), 0);
}

/* FIPS 180-2, appendix B, and the empty message. */
static void gives_the_standards_hashes(void **state)
{
    (void)state;
    assert_sha256(FH_SLICE_LIT(""),
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_sha256(fh_slice_make(NULL, 0),
                  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_sha256(FH_SLICE_LIT("abc"),
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_sha256(FH_SLICE_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    assert_sha256(fh_slice_make(million, 1000000),
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

/* Stored in journals: the same bytes have the same short hash for ever. SipHash-2-4 with a key of
 * zeros, computed by another implementation. */
static void short_hashes_do_not_change(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *hash;
    } cases[] = {
        {"", "d70077739d4b921e"},
        {"a", "49a293cd6008c296"},
        {"abcdefg", "780065e3e997b1a3"},
        {"abcdefgh", "9321e2cc72a15be6"},
        {"{\"phone\":\"13800000000\"}", "cb815df2484cd768"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char hash[FH_HASH64_BYTES];
        char text[2 * FH_HASH64_BYTES + 1];
        fh_hash_short(fh_slice_from(cases[i].bytes), hash);
        to_hex(hash, sizeof(hash), text);
        assert_string_equal(text, cases[i].hash);
    }
}

static void short_hashes_tell_texts_apart(void **state)
{
    (void)state;
    unsigned char a[FH_HASH64_BYTES], b[FH_HASH64_BYTES];
    fh_hash_short(FH_SLICE_LIT("[1,2]"), a);
    fh_hash_short(FH_SLICE_LIT("[1,3]"), b);
    assert_memory_not_equal(a, b, sizeof(a));
    fh_hash_short(FH_SLICE_LIT("[1,2]\0"), b);
    assert_memory_not_equal(a, b, sizeof(a));
}

static int setup(void **state)
{
    (void)state;
    return fh_hash_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(may_be_initialised_again),
        cmocka_unit_test(gives_the_standards_hashes),
        cmocka_unit_test(short_hashes_do_not_change),
        cmocka_unit_test(short_hashes_tell_texts_apart),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
