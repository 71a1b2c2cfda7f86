/* SPDX-License-Identifier: MIT */
/* The bytes of JSON strings, for the decoder and the encoder. No Lua here. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Length (2..4) of the well-formed UTF-8 sequence that starts with the byte >= 0x80 at `at`, or 0:
 * Unicode 15, table 3-7, hence neither surrogates nor overlong forms. */
static inline size_t fh_json_text_utf8(const unsigned char *at, const unsigned char *end)
{
    unsigned char lead = at[0];
    size_t left = (size_t)(end - at);
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < len) {
        return 0;
    }
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

/* A set high bit in each of eight bytes that is a quote, a backslash, a control character or, with
 * `ascii`, not ASCII. Only the lowest set bit is exact (a borrow may add others above it). */
static inline uint64_t fh_json_text_special(uint64_t word, bool ascii)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    uint64_t quote = word ^ (ones * '"');
    uint64_t slash = word ^ (ones * '\\');
    uint64_t found = ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
    found |= (word - ones * 0x20) & ~word;
    return (ascii ? found | word : found) & tops;
}

static inline bool fh_json_text_is_plain(unsigned char byte, bool ascii)
{
    return byte >= 0x20 && byte != '"' && byte != '\\' && (byte < 0x80 || !ascii);
}

/* The end of the bytes from `at` that stand for themselves in a JSON string: up to a quote, a
 * backslash, a control character or, unless `any_bytes`, a byte that is not well-formed UTF-8. */
static inline const char *fh_json_text_run(const char *text, const char *text_end, bool any_bytes)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = (const unsigned char *)text_end;
    for (;;) {
        while (end - at >= 8) {
            uint64_t word;
            memcpy(&word, at, sizeof(word));
            uint64_t special = fh_json_text_special(le64toh(word), !any_bytes);
            if (special != 0) {
                at += __builtin_ctzll(special) / 8;
                break;
            }
            at += 8;
        }
        while (at < end && fh_json_text_is_plain(*at, !any_bytes)) {
            at++;
        }
        if (at == end || *at < 0x80) {
            return (const char *)at;
        }
        while (at < end && *at >= 0x80) {
            size_t len = fh_json_text_utf8(at, end);
            if (len == 0) {
                return (const char *)at;
            }
            at += len;
        }
    }
}

/* Writes what the escape at `*at` stands for behind `*out` (never more bytes than the escape has) and
 * moves both on. With `any_bytes` a lone surrogate gives its three bytes. NULL, or what is wrong. */
const char *fh_json_text_unescape(const char **at, const char *end, bool any_bytes, char **out);
