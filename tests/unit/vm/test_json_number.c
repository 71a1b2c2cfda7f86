/* SPDX-License-Identifier: MIT */
#include "vm/json_number.h"

#include "base/error.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed ^ *seed >> 29;
}

static uint64_t bits_of(double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    return bits;
}

/* Reads all of `text`, or stops where an error is. */
static int read_text(const char *text, struct fh_json_number *number, size_t *used)
{
    const char *at = text;
    int rc = fh_json_number_decode(&at, text + strlen(text), number);
    *used = (size_t)(at - text);
    return rc;
}

static void assert_reads(const char *text, double expected)
{
    struct fh_json_number number;
    size_t used;
    assert_int_equal(read_text(text, &number, &used), 0);
    assert_int_equal(used, strlen(text));
    assert_false(number.is_integer);
    if (bits_of(number.real) != bits_of(expected)) {
        fail_msg("%s is read as %a, not %a", text, number.real, expected);
    }
}

static const char *write_text(double real, char text[FH_JSON_NUMBER_CHARS + 1])
{
    int len = fh_json_number_encode(real, text);
    assert_in_range(len, 1, FH_JSON_NUMBER_CHARS);
    text[len] = '\0';
    return text;
}

static void reads_integers_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t integer;
    } cases[] = {
        {"9007199254740993", INT64_C(9007199254740993)},
        {"-9007199254740993", -INT64_C(9007199254740993)},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775807", -INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"1000000000000000000", INT64_C(1000000000000000000)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_json_number number;
        size_t used;
        assert_int_equal(read_text(cases[i].text, &number, &used), 0);
        assert_int_equal(used, strlen(cases[i].text));
        assert_true(number.is_integer);
        assert_true(number.integer == cases[i].integer);
    }
}

static void reads_doubles(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double real;
    } cases[] = {
        {"0", 0.0},
        {"-0", -0.0},
        {"-0.0", -0.0},
        {"-0e5", -0.0},
        {"0e999999999999999999999", 0.0},
        {"1e-999999999999999999999", 0.0},
        {"-1e-400", -0.0},
        {"9007199254740992", 0x1p53},
        {"-9007199254740992", -0x1p53},
        {"9223372036854775808", 0x1p63},
        {"-9223372036854775809", -0x1p63},
        {"18446744073709551615", 0x1p64},
        {"18446744073709551616", 0x1p64},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"1E5", 1e5},
        {"1e+5", 1e5},
        {"1e05", 1e5},
        {"12.5e-1", 1.25},
        {"0.1", 0.1},
        {"0.30000000000000004", 0.1 + 0.2},
        {"9007199254740993.0", 0x1p53},
        {"9007199254740993.0000000000000000000000000000000000000000001", 0x1p53 + 2},
        {"1e308", 1e308},
        {"1.7976931348623157e308", 0x1.fffffffffffffp1023},
        {"5e-324", 0x1p-1074},
        {"2.4703282292062327e-324", 0.0},
        {"2.4703282292062328e-324", 0x1p-1074},
        {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
        {"2.2250738585072014e-308", 0x1p-1022},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_reads(cases[i].text, cases[i].real);
    }
}

static void reads_very_long_numbers(void **state)
{
    (void)state;
    char text[5000] = "0.";
    memset(text + 2, '0', 4000);
    strcpy(text + 4002, "1e4001");
    assert_reads(text, 1);

    memset(text, '0', 4000);
    text[0] = '1';
    strcpy(text + 4000, "e-3999");
    assert_reads(text, 1);

    /* Halfway between 1 and the next double, and a digit far behind that decides. */
    strcpy(text, "1.00000000000000011102230246251565404236316680908203125");
    assert_reads(text, 1);
    size_t len = strlen(text);
    memset(text + len, '0', 2000);
    strcpy(text + len + 2000, "1");
    assert_reads(text, 1 + 0x1p-52);
}

static void reads_as_strtod_does(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char text[96];
        int digits = 1 + (int)(next_random(&seed) % 40);
        int point = (int)(next_random(&seed) % 40);
        int len = 0;
        text[len++] = (char)('1' + next_random(&seed) % 9);
        for (int i = 1; i < digits; i++) {
            if (i == point) {
                text[len++] = '.';
            }
            text[len++] = (char)('0' + next_random(&seed) % 10);
        }
        snprintf(text + len, sizeof(text) - (size_t)len, "e%d",
                 (int)(next_random(&seed) % 640) - 340);
        double expected = strtod(text, NULL);
        if (!isinf(expected)) {
            assert_reads(text, expected);
        }
    }
}

static void stops_at_what_is_no_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t used;
        int rc;
    } cases[] = {
        {"-", 1, FH_E_SYNTAX},
        {"-x", 1, FH_E_SYNTAX},
        {"1.", 2, FH_E_SYNTAX},
        {"1.e5", 2, FH_E_SYNTAX},
        {"1e", 2, FH_E_SYNTAX},
        {"1e+", 3, FH_E_SYNTAX},
        {"1e-x", 3, FH_E_SYNTAX},
        {"01", 1, 0},
        {"0x10", 1, 0},
        {"1_000", 1, 0},
        {"1.5.5", 3, 0},
        {"1e999", 5, FH_E_TOO_LARGE},
        {"-1e309", 6, FH_E_TOO_LARGE},
        {"1e99999999999999999999", 22, FH_E_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_json_number number;
        size_t used;
        assert_int_equal(read_text(cases[i].text, &number, &used), cases[i].rc);
        assert_int_equal(used, cases[i].used);
    }
}

static void writes_doubles(void **state)
{
    (void)state;
    static const struct {
        double real;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {1e15, "1000000000000000"},
        {0x1p53 - 1, "9007199254740991"},
        {0x1p53, "9007199254740992"},
        {0x1p53 + 2, "9.007199254740994e+15"},
        {1e16, "1e+16"},
        {-1e17, "-1e+17"},
        {0x1p63, "9.223372036854776e+18"},
        {0x1p64, "1.8446744073709552e+19"},
        {1.5, "1.5"},
        {-19.99, "-19.99"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {100.25, "100.25"},
        {0.05, "0.05"},
        {1e-4, "0.0001"},
        {1.25e-4, "0.000125"},
        {9.9e-5, "9.9e-5"},
        {1e-5, "1e-5"},
        {1700000000.123456, "1700000000.123456"},
        {4503599627370495.5, "4503599627370495.5"},
        {1e300, "1e+300"},
        {1.5e-300, "1.5e-300"},
        {5e-324, "5e-324"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {-0x1.fffffffffffffp1023, "-1.7976931348623157e+308"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[FH_JSON_NUMBER_CHARS + 1];
        assert_string_equal(write_text(cases[i].real, text), cases[i].text);
    }
}

static int count_digits(const char *text)
{
    int count = 0;
    int zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text >= '1' && *text <= '9') {
            count += zeros + 1;
            zeros = 0;
        } else if (*text == '0' && count > 0) {
            zeros++;
        }
    }
    return count;
}

/* Reads back the same, and no number of fewer digits does. */
static void assert_shortest(double real)
{
    char text[FH_JSON_NUMBER_CHARS + 1];
    char shorter[64];
    write_text(real, text);
    assert_reads(text, real);
    int digits = count_digits(text);
    if (digits > 1 && digits <= 17) {
        snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, real);
        if (strtod(shorter, NULL) == real) {
            fail_msg("%s is longer than %s", text, shorter);
        }
    }
}

static void writes_the_shortest_that_reads_back(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int round = 0; round < 20000; round++) {
        uint64_t bits = next_random(&seed);
        double real;
        memcpy(&real, &bits, sizeof(real));
        if (isfinite(real)) {
            assert_shortest(real);
        }
        /* What people have: few decimals, and sums of such. */
        double price = (double)(next_random(&seed) % 100000000) / 1000;
        assert_shortest(price);
        assert_shortest(price * 1.1);
        assert_shortest((double)(next_random(&seed) % 1000) * 0x1p-1074);
    }
}

static void ignores_the_locale(void **state)
{
    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        skip();
    }
    char text[FH_JSON_NUMBER_CHARS + 1];
    assert_string_equal(write_text(0.1 + 0.2, text), "0.30000000000000004");
    assert_reads("0.30000000000000004", 0.1 + 0.2);
    assert_reads("123456789012345678901234567890.5", 123456789012345678901234567890.5);
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_integers_exactly),
        cmocka_unit_test(reads_doubles),
        cmocka_unit_test(reads_very_long_numbers),
        cmocka_unit_test(reads_as_strtod_does),
        cmocka_unit_test(stops_at_what_is_no_number),
        cmocka_unit_test(writes_doubles),
        cmocka_unit_test(writes_the_shortest_that_reads_back),
        cmocka_unit_test(ignores_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
