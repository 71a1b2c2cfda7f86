/* SPDX-License-Identifier: MIT */
#include "crypto/digest.h"

#include "crypto_fixture.h"

/* RFC 1321 A.5, FIPS 180-2 appendices. */
static void gives_the_standards_hashes(void **state)
{
    (void)state;
    static const char *const of_abc[FH_DIGEST_COUNT] = {
        "900150983cd24fb0d6963f7d28e17f72",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134"
        "c825a7",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3"
        "feebbd454d4423643ce80e2a9ac94fa54ca49f",
    };
    for (int digest = 0; digest < FH_DIGEST_COUNT; digest++) {
        unsigned char out[FH_DIGEST_MAX_BYTES];
        size_t len = 0;
        assert_int_equal(
            fh_digest_make((enum fh_digest)digest, FH_SLICE_LIT("abc"), out, &len, NULL), 0);
        assert_hex(out, len, of_abc[digest]);
    }
}

static void hashes_nothing(void **state)
{
    (void)state;
    unsigned char out[FH_DIGEST_MAX_BYTES];
    size_t len = 0;
    assert_int_equal(fh_digest_make(FH_DIGEST_MD5, fh_slice_make(NULL, 0), out, &len, NULL), 0);
    assert_hex(out, len, "d41d8cd98f00b204e9800998ecf8427e");
}

/* RFC 4231, test case 2. */
static void makes_the_standards_codes(void **state)
{
    (void)state;
    static const struct {
        enum fh_digest digest;
        const char *code;
    } cases[] = {
        {FH_DIGEST_SHA256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {FH_DIGEST_SHA384,
         "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca"
         "5e69e2c78b3239ecfab21649"},
        {FH_DIGEST_SHA512,
         "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75"
         "c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char out[FH_DIGEST_MAX_BYTES];
        size_t len = 0;
        assert_int_equal(fh_digest_hmac(cases[i].digest, FH_SLICE_LIT("Jefe"),
                                        FH_SLICE_LIT("what do ya want for nothing?"), out, &len,
                                        NULL),
                         0);
        assert_hex(out, len, cases[i].code);
    }
}

static void refuses_weak_codes(void **state)
{
    (void)state;
    unsigned char out[FH_DIGEST_MAX_BYTES];
    size_t len = 0;
    struct fh_error err = {0, ""};
    int rc = fh_digest_hmac(FH_DIGEST_SHA256, FH_SLICE_LIT(""), FH_SLICE_LIT("x"), out, &len, &err);
    assert_error(rc, &err, FH_E_KEY, "empty");
    rc = fh_digest_hmac(FH_DIGEST_SHA1, FH_SLICE_LIT("k"), FH_SLICE_LIT("x"), out, &len, &err);
    assert_error(rc, &err, FH_E_INVALID, "sha1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_standards_hashes),
        cmocka_unit_test(hashes_nothing),
        cmocka_unit_test(makes_the_standards_codes),
        cmocka_unit_test(refuses_weak_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
