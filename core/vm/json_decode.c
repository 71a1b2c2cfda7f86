/* SPDX-License-Identifier: MIT */
/* Recursive descent over RFC 8259. The members of an array or object are gathered on the Lua stack
 * first, so that small tables are made with their final size.
 * The Lua stack: two slots of the decoder (the array metatable and scratch memory, both nil until
 * needed), then the values under construction. */
#include "vm/json.h"
#include "vm/json_lua.h"
#include "vm/json_number.h"
#include "vm/json_text.h"

#include <stdio.h>
#include <string.h>

enum {
    GATHERED_SLOTS = 32,  /* held back per level before its table is made */
    GATHERING_DEPTH = 64, /* deeper levels make their table with the first member */
    LEVEL_SLOTS = GATHERED_SLOTS + 8,
    SCRATCH_BYTES = 256,
    BOM_BYTES = 3
};

struct decoder {
    lua_State *L;
    const char *at;
    const char *begin;
    const char *end;
    int depth;
    int max_depth;
    bool any_bytes;
    int array_slot;
    int scratch_slot;
    size_t scratch_bytes;
    struct fh_error *err;
};

static int decode_value(struct decoder *d);

/* Fills in "MESSAGE at line L column C (byte B)". Columns count characters, not bytes. */
static int fail_with(struct decoder *d, int code, const char *at, const char *message)
{
    int line = 1;
    int column = 1;
    for (const char *p = d->begin; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xc0) != 0x80) {
            column++;
        }
    }
    return fh_error_set(d->err, code, "%s at line %d column %d (byte %zu)", message, line, column,
                        (size_t)(at - d->begin));
}

static int fail(struct decoder *d, const char *at, const char *message)
{
    return fail_with(d, FH_E_SYNTAX, at, message);
}

static int fail_expected(struct decoder *d, const char *expected)
{
    char message[160];
    if (d->at >= d->end) {
        snprintf(message, sizeof(message), "expected %s but found the end of the text", expected);
    } else if (*d->at > ' ' && *d->at <= '~') {
        snprintf(message, sizeof(message), "expected %s but found '%c'", expected, *d->at);
    } else {
        snprintf(message, sizeof(message), "expected %s but found byte 0x%02x", expected,
                 (unsigned char)*d->at);
    }
    return fail(d, d->at, message);
}

static inline void skip_space(struct decoder *d)
{
    while (d->at < d->end &&
           (*d->at == ' ' || *d->at == '\n' || *d->at == '\r' || *d->at == '\t')) {
        d->at++;
    }
}

static inline bool take(struct decoder *d, char byte)
{
    bool found = d->at < d->end && *d->at == byte;
    d->at += found;
    return found;
}

static int fail_string_byte(struct decoder *d, const char *quote)
{
    char message[96];
    unsigned char byte = d->at < d->end ? (unsigned char)*d->at : 0;
    if (d->at >= d->end) {
        return fail(d, quote, "string without closing quote");
    }
    if (byte >= 0x80) {
        return fail(d, d->at, "invalid UTF-8 in a string");
    }
    snprintf(message, sizeof(message), "control character in a string, write it as \\u%04x", byte);
    return fail(d, d->at, message);
}

/* Memory for unescaping, owned by the Lua stack so that nothing leaks when Lua throws. */
static char *scratch(struct decoder *d, size_t need_bytes)
{
    if (need_bytes > d->scratch_bytes) {
        size_t bytes = need_bytes > SIZE_MAX / 2 ? need_bytes : need_bytes * 2;
        lua_newuserdata(d->L, bytes);
        lua_replace(d->L, d->scratch_slot);
        d->scratch_bytes = bytes;
    }
    return lua_touserdata(d->L, d->scratch_slot);
}

/* From the opening quote to the closing one, escapes and all: never shorter than what it means. */
static size_t measure_string(const char *quote, const char *end)
{
    const char *at = quote + 1;
    while (at < end && *at != '"') {
        at += *at == '\\' && end - at > 1 ? 2 : 1;
    }
    return (size_t)(at - quote);
}

/* A string with escapes or a bad byte; d->at is at the first of them. */
static int decode_escaped(struct decoder *d, const char *quote)
{
    char small[SCRATCH_BYTES];
    size_t need = measure_string(quote, d->end);
    char *text = need <= sizeof(small) ? small : scratch(d, need);
    char *out = text;
    const char *run = quote + 1;
    for (;;) {
        memcpy(out, run, (size_t)(d->at - run));
        out += d->at - run;
        if (take(d, '"')) {
            lua_pushlstring(d->L, text, (size_t)(out - text));
            return 0;
        }
        if (d->at >= d->end || *d->at != '\\') {
            return fail_string_byte(d, quote);
        }
        const char *wrong = fh_json_text_unescape(&d->at, d->end, d->any_bytes, &out);
        if (wrong) {
            return fail(d, d->at, wrong);
        }
        run = d->at;
        d->at = fh_json_text_run(run, d->end, d->any_bytes);
    }
}

/* Pushes the string whose opening quote is at d->at. */
static int decode_string(struct decoder *d)
{
    const char *quote = d->at;
    d->at = fh_json_text_run(quote + 1, d->end, d->any_bytes);
    if (d->at < d->end && *d->at == '"') {
        lua_pushlstring(d->L, quote + 1, (size_t)(d->at - quote - 1));
        d->at++;
        return 0;
    }
    return decode_escaped(d, quote);
}

static int decode_number(struct decoder *d)
{
    const char *begin = d->at;
    struct fh_json_number number;
    int rc = fh_json_number_decode(&d->at, d->end, &number);
    if (rc == FH_E_TOO_LARGE) {
        return fail(d, begin, "number out of range");
    }
    if (rc != 0) {
        return fail_expected(d, "a digit");
    }
    if (number.is_integer) {
        fh_json_lua_push_int64(d->L, number.integer);
    } else {
        lua_pushnumber(d->L, number.real);
    }
    return 0;
}

static int enter(struct decoder *d)
{
    if (d->depth >= d->max_depth) {
        char message[64];
        snprintf(message, sizeof(message), "nested deeper than %d", d->max_depth);
        return fail_with(d, FH_E_TOO_LARGE, d->at, message);
    }
    if (!lua_checkstack(d->L, LEVEL_SLOTS)) {
        return fail_with(d, FH_E_TOO_LARGE, d->at, "nested too deep for the Lua stack");
    }
    d->depth++;
    d->at++;
    skip_space(d);
    return 0;
}

static int gathered_slots(const struct decoder *d)
{
    return d->depth <= GATHERING_DEPTH ? GATHERED_SLOTS : 2;
}

static void push_array_metatable(struct decoder *d)
{
    if (lua_isnil(d->L, d->array_slot)) {
        fh_json_push_array_metatable(d->L);
        lua_replace(d->L, d->array_slot);
    }
    lua_pushvalue(d->L, d->array_slot);
}

/* Replaces the values above `base` by an array of them, made for `size` members. */
static void make_array(struct decoder *d, int base, int size)
{
    lua_State *L = d->L;
    int count = lua_gettop(L) - base;
    lua_createtable(L, size, 0);
    push_array_metatable(d);
    lua_setmetatable(L, -2);
    if (count > 0) {
        lua_insert(L, base + 1);
    }
    for (; count > 0; count--) {
        lua_rawseti(L, base + 1, count);
    }
}

static int decode_array(struct decoder *d)
{
    int rc = enter(d);
    if (rc != 0) {
        return rc;
    }
    lua_State *L = d->L;
    int base = lua_gettop(L);
    int gathered = gathered_slots(d);
    int count = 0;
    if (!take(d, ']')) {
        do {
            skip_space(d);
            rc = decode_value(d);
            if (rc != 0) {
                return rc;
            }
            count++;
            if (count > gathered) {
                lua_rawseti(L, base + 1, count);
            } else if (count == gathered) {
                make_array(d, base, count * 2);
            }
            skip_space(d);
        } while (take(d, ','));
        if (!take(d, ']')) {
            return fail_expected(d, "',' or ']'");
        }
    }
    if (count < gathered) {
        make_array(d, base, count);
    }
    d->depth--;
    return 0;
}

/* Replaces the keys and values above `base` by an object of them, made for `size` members. */
static void make_object(struct decoder *d, int base, int size)
{
    lua_State *L = d->L;
    int table = lua_gettop(L) + 1;
    lua_createtable(L, 0, size);
    /* In the order of the text, because the last of equal keys wins. */
    for (int slot = base + 1; slot < table; slot += 2) {
        lua_pushvalue(L, slot);
        lua_pushvalue(L, slot + 1);
        lua_rawset(L, table);
    }
    if (table > base + 1) {
        lua_replace(L, base + 1);
        lua_settop(L, base + 1);
    }
}

static int decode_member(struct decoder *d)
{
    if (d->at >= d->end || *d->at != '"') {
        return fail_expected(d, "a key in double quotes");
    }
    int rc = decode_string(d);
    if (rc != 0) {
        return rc;
    }
    skip_space(d);
    if (!take(d, ':')) {
        return fail_expected(d, "':'");
    }
    skip_space(d);
    return decode_value(d);
}

static int decode_object(struct decoder *d)
{
    int rc = enter(d);
    if (rc != 0) {
        return rc;
    }
    lua_State *L = d->L;
    int base = lua_gettop(L);
    int gathered = gathered_slots(d) / 2;
    int count = 0;
    if (!take(d, '}')) {
        do {
            skip_space(d);
            rc = decode_member(d);
            if (rc != 0) {
                return rc;
            }
            count++;
            if (count > gathered) {
                lua_rawset(L, base + 1);
            } else if (count == gathered) {
                make_object(d, base, count * 2);
            }
            skip_space(d);
        } while (take(d, ','));
        if (!take(d, '}')) {
            return fail_expected(d, "',' or '}'");
        }
    }
    if (count < gathered) {
        make_object(d, base, count);
    }
    d->depth--;
    return 0;
}

static int decode_word(struct decoder *d)
{
    static const struct fh_slice words[] = {
        {"true", 4},
        {"false", 5},
        {"null", 4},
    };
    size_t left = (size_t)(d->end - d->at);
    for (int i = 0; i < 3; i++) {
        if (left >= words[i].len && memcmp(d->at, words[i].data, words[i].len) == 0) {
            d->at += words[i].len;
            if (i == 2) {
                lua_pushlightuserdata(d->L, NULL);
            } else {
                lua_pushboolean(d->L, i == 0);
            }
            return 0;
        }
    }
    return fail_expected(d, "a value");
}

static int decode_value(struct decoder *d)
{
    switch (d->at < d->end ? *d->at : '\0') {
    case '"':
        return decode_string(d);
    case '{':
        return decode_object(d);
    case '[':
        return decode_array(d);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return decode_number(d);
    default:
        return decode_word(d);
    }
}

static int decode_text(struct decoder *d)
{
    if (d->end - d->at >= BOM_BYTES && memcmp(d->at, "\xef\xbb\xbf", BOM_BYTES) == 0) {
        return fail(d, d->at, "byte order mark before the JSON, save it without one");
    }
    skip_space(d);
    int rc = decode_value(d);
    if (rc != 0) {
        return rc;
    }
    skip_space(d);
    return d->at == d->end ? 0 : fail_expected(d, "the end of the text");
}

int fh_json_decode(lua_State *L, struct fh_slice text, const struct fh_json_limits *limits,
                   struct fh_error *err)
{
    int top = lua_gettop(L);
    if (!lua_checkstack(L, LEVEL_SLOTS)) {
        return fh_error_set(err, FH_E_TOO_LARGE, "no room on the Lua stack");
    }
    lua_pushnil(L);
    lua_pushnil(L);
    const char *begin = text.len > 0 ? text.data : "";
    struct decoder d = {
        .L = L,
        .at = begin,
        .begin = begin,
        .end = begin + text.len,
        .max_depth = fh_json_lua_depth(limits),
        .any_bytes = limits && limits->any_bytes,
        .array_slot = top + 1,
        .scratch_slot = top + 2,
        .err = err,
    };
    int rc = decode_text(&d);
    if (rc == 0) {
        lua_replace(L, top + 1);
    }
    lua_settop(L, rc == 0 ? top + 1 : top);
    return rc;
}
