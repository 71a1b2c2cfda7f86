/* SPDX-License-Identifier: MIT */
/* What the tests of core/crypto share. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Bytes of pairs of hex digits; how many. */
static inline size_t from_hex(const char *text, unsigned char *out)
{
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
        out[i] = (unsigned char)byte;
    }
    return len;
}

static inline void assert_hex(const unsigned char *bytes, size_t len, const char *expected)
{
    char *text = calloc(2 * len + 1, 1);
    for (size_t i = 0; i < len; i++) {
        sprintf(text + 2 * i, "%02x", bytes[i]);
    }
    assert_string_equal(text, expected);
    free(text);
}

static inline void assert_error(int rc, const struct fh_error *err, int code, const char *part)
{
    assert_int_equal(rc, code);
    assert_int_equal(err->code, code);
    if (!strstr(err->detail, part)) {
        fail_msg("'%s' does not say '%s'", err->detail, part);
    }
}
