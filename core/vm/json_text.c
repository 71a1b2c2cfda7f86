/* SPDX-License-Identifier: MIT */
#include "vm/json_text.h"

/* Four hexadecimal digits, or -1. */
static int read_hex4(const char *at, const char *end)
{
    if (end - at < 4) {
        return -1;
    }
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static char *write_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xe0 | code >> 12);
        } else {
            *out++ = (char)(0xf0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (code & 0x3f));
    return out;
}

/* \uXXXX, together with a second one when they are a surrogate pair. */
static const char *unescape_unicode(const char **at, const char *end, bool any_bytes, char **out)
{
    int code = read_hex4(*at + 2, end);
    if (code < 0) {
        return "expected four hexadecimal digits behind \\u";
    }
    const char *next = *at + 6;
    if (code >= 0xd800 && code <= 0xdbff && end - next >= 2 && next[0] == '\\' && next[1] == 'u') {
        int low = read_hex4(next + 2, end);
        if (low >= 0xdc00 && low <= 0xdfff) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            next += 6;
        }
    }
    if (code >= 0xd800 && code <= 0xdfff && !any_bytes) {
        return "surrogate without its other half";
    }
    *out = write_utf8(*out, (unsigned)code);
    *at = next;
    return NULL;
}

const char *fh_json_text_unescape(const char **at, const char *end, bool any_bytes, char **out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char kind = end - *at >= 2 ? (*at)[1] : '\0';
    if (kind == 'u') {
        return unescape_unicode(at, end, any_bytes, out);
    }
    const char *found = kind ? strchr(from, kind) : NULL;
    if (!found) {
        return "unknown escape in a string";
    }
    *(*out)++ = to[found - from];
    *at += 2;
    return NULL;
}
