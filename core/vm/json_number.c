/* SPDX-License-Identifier: MIT */
/* strtod and printf are given and asked for digits and an exponent only, never a decimal point, so
 * that the process's locale does not matter. */
#include "vm/json_number.h"

#include "base/error.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD_DIGITS = 19,   /* what always fits into uint64_t */
    EXACT_POWER = 22,   /* 10^22 is the last power of ten that is a double */
    MOST_DIGITS = 800,  /* no halfway point between doubles has more than 768 */
    FAST_DIGITS = 15,   /* any decimal of so many digits survives double and back */
    FAST_DECIMALS = 9,  /* tried without printf */
    LEAST_POSITION = -4 /* smaller numbers are written with an exponent */
};

#define EXPONENT_CLAMP INT64_C(1000000000000000)

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* A number's text taken apart. `digits` is from the first digit to the last, with the point in
 * it; its value is the digits as an integer times 10^exponent. */
struct parts {
    bool negative;
    bool is_integer;
    const char *digits;
    const char *digits_end;
    uint64_t word; /* the digits, while there are at most WORD_DIGITS behind leading zeros */
    int64_t word_digits;
    int64_t exponent;
};

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static const char *take_digits(struct parts *parts, const char *at, const char *end)
{
    uint64_t word = parts->word;
    int64_t count = parts->word_digits;
    for (; is_digit(at, end); at++) {
        if (count < WORD_DIGITS) {
            word = word * 10 + (unsigned)(*at - '0');
        }
        count += word != 0;
    }
    parts->word = word;
    parts->word_digits = count;
    return at;
}

static int take_exponent(struct parts *parts, const char **text, const char *end)
{
    const char *at = *text + 1;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    *text = at;
    if (!is_digit(at, end)) {
        return FH_E_SYNTAX;
    }
    int64_t exponent = 0;
    for (; is_digit(at, end); at++) {
        if (exponent < EXPONENT_CLAMP) {
            exponent = exponent * 10 + (*at - '0');
        }
    }
    parts->exponent += negative ? -exponent : exponent;
    parts->is_integer = false;
    *text = at;
    return 0;
}

static int take_parts(struct parts *parts, const char **text, const char *end)
{
    const char *at = *text;
    parts->negative = *at == '-';
    at += parts->negative;
    parts->digits = at;
    *text = at;
    if (!is_digit(at, end)) {
        return FH_E_SYNTAX;
    }
    at = *at == '0' ? at + 1 : take_digits(parts, at, end);
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        at = take_digits(parts, fraction, end);
        *text = at;
        if (at == fraction) {
            return FH_E_SYNTAX;
        }
        parts->exponent = fraction - at;
        parts->is_integer = false;
    }
    parts->digits_end = at;
    *text = at;
    return at < end && (*at == 'e' || *at == 'E') ? take_exponent(parts, text, end) : 0;
}

/* The rare case: strtod over the significant digits. Of those behind MOST_DIGITS only matters
 * whether one of them is not zero, and a 1 in their place says so. */
static double convert(const struct parts *parts)
{
    char text[MOST_DIGITS + 32];
    int len = 0;
    int64_t exponent = parts->exponent;
    bool rest = false;
    for (const char *at = parts->digits; at < parts->digits_end; at++) {
        if (*at == '.' || (len == 0 && *at == '0')) {
            continue;
        }
        if (len < MOST_DIGITS) {
            text[len++] = *at;
        } else {
            rest = rest || *at != '0';
            exponent++;
        }
    }
    if (rest) {
        text[len++] = '1';
        exponent--;
    }
    exponent = exponent > 100000 ? 100000 : exponent < -100000 ? -100000 : exponent;
    snprintf(text + len, sizeof(text) - (size_t)len, "e%d", (int)exponent);
    return strtod(text, NULL);
}

static double to_real(const struct parts *parts)
{
    if (parts->word == 0) {
        return 0;
    }
    if (parts->word_digits <= WORD_DIGITS) {
        /* Two exact operands and one rounding give the nearest double. */
        if (parts->exponent == 0) {
            return (double)parts->word;
        }
        if (parts->word <= (uint64_t)FH_JSON_EXACT && llabs(parts->exponent) <= EXACT_POWER) {
            double real = (double)parts->word;
            return parts->exponent < 0 ? real / powers[-parts->exponent]
                                       : real * powers[parts->exponent];
        }
    }
    return convert(parts);
}

static bool is_int64(const struct parts *parts)
{
    uint64_t most = (uint64_t)INT64_MAX + parts->negative;
    return parts->is_integer && parts->word_digits <= WORD_DIGITS &&
           parts->word > (uint64_t)FH_JSON_EXACT && parts->word <= most;
}

int fh_json_number_decode(const char **at, const char *end, struct fh_json_number *number)
{
    struct parts parts = {.is_integer = true};
    int rc = take_parts(&parts, at, end);
    if (rc != 0) {
        return rc;
    }
    number->is_integer = is_int64(&parts);
    if (number->is_integer) {
        number->integer = (int64_t)(parts.negative ? 0 - parts.word : parts.word);
        return 0;
    }
    double real = to_real(&parts);
    number->real = parts.negative ? -real : real;
    return isinf(real) ? FH_E_TOO_LARGE : 0;
}

/* Significant digits without zeros at either end, and the power of ten of the first of them. */
struct digits {
    char text[24];
    int len;
    int position;
};

static int write_integer(uint64_t value, char *text)
{
    char reverse[24];
    int len = 0;
    do {
        reverse[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (int i = 0; i < len; i++) {
        text[i] = reverse[len - 1 - i];
    }
    return len;
}

static void strip_zeros(struct digits *digits)
{
    while (digits->len > 1 && digits->text[digits->len - 1] == '0') {
        digits->len--;
    }
}

/* Prices, percentages, seconds: few decimals. The division is exact but for one rounding, as when
 * reading, so what it confirms reads back the same; 15 digits make it the shortest. */
static bool find_few_decimals(double real, struct digits *digits)
{
    if (real < powers[0] / powers[-LEAST_POSITION]) {
        return false;
    }
    for (int decimals = 1; decimals <= FAST_DECIMALS; decimals++) {
        double scaled = real * powers[decimals];
        if (scaled >= powers[FAST_DIGITS] - 1) {
            return false;
        }
        int64_t rounded = (int64_t)(scaled + 0.5);
        if ((double)rounded / powers[decimals] == real) {
            digits->len = write_integer((uint64_t)rounded, digits->text);
            digits->position = digits->len - 1 - decimals;
            strip_zeros(digits);
            return true;
        }
    }
    return false;
}

/* printf's "d.ddde+xx" with `count` digits, whatever the locale has for the point. */
static void print_digits(double real, int count, struct digits *digits)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*e", count - 1, real);
    digits->len = 0;
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            digits->text[digits->len++] = *at;
        }
    }
    digits->position = (int)strtol(at + 1, NULL, 10);
}

static double read_digits(const struct digits *digits)
{
    struct parts parts = {
        .digits = digits->text,
        .digits_end = digits->text + digits->len,
        .exponent = digits->position - digits->len + 1,
    };
    take_digits(&parts, parts.digits, parts.digits_end);
    return to_real(&parts);
}

static void find_digits(double real, struct digits *digits)
{
    if (find_few_decimals(real, digits)) {
        return;
    }
    /* Below DBL_MIN a double has less than 15 digits' worth of bits. */
    for (int count = real < DBL_MIN ? 1 : FAST_DIGITS; count <= 17; count++) {
        print_digits(real, count, digits);
        if (count == 17 || read_digits(digits) == real) {
            break;
        }
    }
    strip_zeros(digits);
}

/* 0.00012 or 12.5; never called for integers. */
static int write_with_point(const struct digits *digits, char *text)
{
    int len = 0;
    if (digits->position < 0) {
        text[len++] = '0';
        text[len++] = '.';
        for (int i = digits->position + 1; i < 0; i++) {
            text[len++] = '0';
        }
        memcpy(text + len, digits->text, (size_t)digits->len);
        return len + digits->len;
    }
    int whole = digits->position + 1;
    memcpy(text, digits->text, (size_t)whole);
    text[whole] = '.';
    memcpy(text + whole + 1, digits->text + whole, (size_t)(digits->len - whole));
    return digits->len + 1;
}

static int write_with_exponent(const struct digits *digits, char *text)
{
    int len = 0;
    text[len++] = digits->text[0];
    if (digits->len > 1) {
        text[len++] = '.';
        memcpy(text + len, digits->text + 1, (size_t)digits->len - 1);
        len += digits->len - 1;
    }
    text[len++] = 'e';
    text[len++] = digits->position < 0 ? '-' : '+';
    return len + write_integer((uint64_t)abs(digits->position), text + len);
}

int fh_json_number_encode(double real, char text[FH_JSON_NUMBER_CHARS])
{
    int len = 0;
    if (signbit(real)) {
        text[len++] = '-';
        real = -real;
    }
    if (real <= (double)FH_JSON_EXACT) {
        uint64_t whole = (uint64_t)real;
        if ((double)whole == real) {
            return len + write_integer(whole, text + len);
        }
    }
    struct digits digits = {.len = 0};
    find_digits(real, &digits);
    bool point = digits.position >= LEAST_POSITION && real < (double)FH_JSON_EXACT;
    return len + (point ? write_with_point(&digits, text + len)
                        : write_with_exponent(&digits, text + len));
}
