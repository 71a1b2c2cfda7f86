/* SPDX-License-Identifier: MIT */
#include "crypto/cipher.h"

#include "crypto_fixture.h"

#define KEY FH_SLICE_LIT("0123456789abcdef")

/* printf hello | openssl enc -aes-128-cbc -K 30313233343536373839616263646566 -iv (the same) */
static void encrypts_as_openssl_does(void **state)
{
    (void)state;
    unsigned char out[5 + FH_CIPHER_BLOCK_BYTES];
    size_t len = 0;
    assert_int_equal(fh_cipher_encrypt(KEY, FH_SLICE_LIT("hello"), out, &len, NULL), 0);
    assert_hex(out, len, "30e7cbb71cd9d18812e3ee5c3f294563");
}

static void decrypts_what_it_encrypted(void **state)
{
    (void)state;
    static const size_t keys[] = {16, 24, 32};
    char text[100];
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < 3; i++) {
        struct fh_slice key = fh_slice_make("0123456789abcdefghijklmnopqrstuv", keys[i]);
        for (size_t size = 0; size <= sizeof(text); size++) {
            unsigned char secret[sizeof(text) + FH_CIPHER_BLOCK_BYTES];
            unsigned char plain[sizeof(secret) + FH_CIPHER_BLOCK_BYTES];
            size_t len = 0;
            size_t plain_len = 0;
            assert_int_equal(fh_cipher_encrypt(key, fh_slice_make(text, size), secret, &len, NULL),
                             0);
            assert_int_equal(len, (size / 16 + 1) * 16);
            assert_int_equal(
                fh_cipher_decrypt(key, fh_slice_make(secret, len), plain, &plain_len, NULL), 0);
            assert_int_equal(plain_len, size);
            assert_memory_equal(plain, text, size);
        }
    }
}

static void refuses_what_it_cannot_decrypt(void **state)
{
    (void)state;
    static const struct fh_slice cases[] = {
        FH_SLICE_LIT(""),                 /* not even padding */
        FH_SLICE_LIT("0123456789abcde"),  /* no whole block */
        FH_SLICE_LIT("0123456789abcdef"), /* padding that cannot be */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned char out[64];
        size_t len = 1;
        struct fh_error err = {0, ""};
        int rc = fh_cipher_decrypt(KEY, cases[i], out, &len, &err);
        assert_int_equal(rc, FH_E_DECRYPT);
        assert_string_equal(err.detail, "cannot be decrypted with this key");
        assert_int_equal(len, 0);
    }
}

static void names_the_length_of_a_wrong_key(void **state)
{
    (void)state;
    unsigned char out[64];
    size_t len;
    struct fh_error err = {0, ""};
    int rc = fh_cipher_encrypt(FH_SLICE_LIT("secret word"), FH_SLICE_LIT("x"), out, &len, &err);
    assert_error(rc, &err, FH_E_KEY, "has 11");
    assert_null(strstr(err.detail, "secret"));
    rc = fh_cipher_open(fh_slice_make(NULL, 0), FH_SLICE_LIT("x"), FH_SLICE_LIT(""), out, &len,
                        &err);
    assert_error(rc, &err, FH_E_KEY, "has 0");
    rc = fh_cipher_seal(KEY, (const unsigned char *)"0123456789ab",
                        fh_slice_make("", FH_CIPHER_MAX_BYTES + 1), FH_SLICE_LIT(""), out, &len,
                        &err);
    assert_error(rc, &err, FH_E_TOO_LARGE, "16777216");
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test case 4; also in NIST's GCM vectors. */
struct vector {
    unsigned char key[16], nonce[12], text[60], aad[20];
};

static void get_vector(struct vector *vector)
{
    from_hex("feffe9928665731c6d6a8f9467308308", vector->key);
    from_hex("cafebabefacedbaddecaf888", vector->nonce);
    from_hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e"
        "2449a6b525b16aedf5aa0de657ba637b39",
        vector->text);
    from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2", vector->aad);
}

#define SLICE(array) fh_slice_make(array, sizeof(array))

static void seals_as_the_standard_says(void **state)
{
    (void)state;
    struct vector vector;
    unsigned char out[sizeof(vector.text) + FH_CIPHER_SEAL_BYTES];
    size_t len = 0;
    get_vector(&vector);
    assert_int_equal(fh_cipher_seal(SLICE(vector.key), vector.nonce, SLICE(vector.text),
                                    SLICE(vector.aad), out, &len, NULL),
                     0);
    assert_hex(
        out, len,
        "cafebabefacedbaddecaf888"
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f"
        "6a5aac84aa051ba30b396a0aac973d58e091"
        "5bc94fbc3221a5db94fae95ae7121a47");
    unsigned char plain[sizeof(out)];
    assert_int_equal(
        fh_cipher_open(SLICE(vector.key), SLICE(out), SLICE(vector.aad), plain, &len, NULL), 0);
    assert_int_equal(len, sizeof(vector.text));
    assert_memory_equal(plain, vector.text, len);
}

static void seals_nothing(void **state)
{
    (void)state;
    unsigned char out[FH_CIPHER_SEAL_BYTES];
    unsigned char plain[FH_CIPHER_SEAL_BYTES];
    size_t len = 0;
    struct fh_slice none = {NULL, 0};
    assert_int_equal(
        fh_cipher_seal(KEY, (const unsigned char *)"0123456789ab", none, none, out, &len, NULL), 0);
    assert_int_equal(len, FH_CIPHER_SEAL_BYTES);
    assert_int_equal(fh_cipher_open(KEY, SLICE(out), none, plain, &len, NULL), 0);
    assert_int_equal(len, 0);
}

/* Each bit of nonce, text and tag; each shorter piece; each bit of the additional data. */
static void refuses_what_was_changed(void **state)
{
    (void)state;
    unsigned char sealed[9 + FH_CIPHER_SEAL_BYTES];
    unsigned char aad[] = "order 17";
    unsigned char plain[sizeof(sealed)];
    size_t len = 0;
    assert_int_equal(fh_cipher_seal(KEY, (const unsigned char *)"0123456789ab",
                                    FH_SLICE_LIT("some text"), SLICE(aad), sealed, &len, NULL),
                     0);
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        memset(plain, 'p', sizeof(plain));
        assert_int_equal(fh_cipher_open(KEY, SLICE(sealed), SLICE(aad), plain, &len, NULL),
                         FH_E_DECRYPT);
        assert_int_not_equal(plain[0], 's'); /* nothing is left of what did not hold */
        sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    for (size_t size = 0; size < sizeof(sealed); size++) {
        assert_int_equal(
            fh_cipher_open(KEY, fh_slice_make(sealed, size), SLICE(aad), plain, &len, NULL),
            FH_E_DECRYPT);
    }
    for (size_t bit = 0; bit < 8 * sizeof(aad); bit++) {
        aad[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(fh_cipher_open(KEY, SLICE(sealed), SLICE(aad), plain, &len, NULL),
                         FH_E_DECRYPT);
        aad[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_int_equal(fh_cipher_open(KEY, SLICE(sealed), SLICE(aad), plain, &len, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encrypts_as_openssl_does),
        cmocka_unit_test(decrypts_what_it_encrypted),
        cmocka_unit_test(refuses_what_it_cannot_decrypt),
        cmocka_unit_test(names_the_length_of_a_wrong_key),
        cmocka_unit_test(seals_as_the_standard_says),
        cmocka_unit_test(seals_nothing),
        cmocka_unit_test(refuses_what_was_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
