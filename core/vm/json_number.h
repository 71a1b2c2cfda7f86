/* SPDX-License-Identifier: MIT */
/* Numbers of JSON as text and back, exactly, whatever LC_NUMERIC says. No Lua here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FH_JSON_NUMBER_CHARS = 32 };

/* 2^53: up to here every integer is a double. */
#define FH_JSON_EXACT (INT64_C(1) << 53)

struct fh_json_number {
    bool is_integer; /* `integer` holds it: beyond 2^53 but within int64; else `real` does */
    int64_t integer;
    double real;
};

/* Reads the number that starts at `*at` with a minus or a digit and moves `*at` behind it.
 * FH_E_SYNTAX: `*at` is where a digit is missing. FH_E_TOO_LARGE: no double is that large. */
int fh_json_number_decode(const char **at, const char *end, struct fh_json_number *number);

/* Writes a finite double with the fewest digits that read back as the same double and returns the
 * length. Up to 2^53 integers have no point; above, all numbers have an exponent, so that they read
 * back as doubles and not as int64. */
int fh_json_number_encode(double real, char text[FH_JSON_NUMBER_CHARS]);
