/* SPDX-License-Identifier: MIT */
#include "vm/json.h"

#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LUA_TCDATA = 10, OUT_BYTES = 1 << 20 };

static const struct fh_json_limits any_bytes = {.any_bytes = true};

struct fixture {
    lua_State *L;
    struct fh_buf out;
};

static int open_state(void **state)
{
    static struct fixture f;
    f.L = luaL_newstate();
    luaL_openlibs(f.L);
    fh_json_register(f.L);
    fh_json_open(f.L);
    lua_setglobal(f.L, "json");
    fh_buf_init(&f.out, OUT_BYTES);
    *state = &f;
    return 0;
}

static int close_state(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(lua_gettop(f->L), 0);
    lua_close(f->L);
    fh_buf_deinit(&f->out);
    return 0;
}

static void decode(struct fixture *f, struct fh_slice text, const struct fh_json_limits *limits)
{
    struct fh_error err = {.detail = ""};
    int top = lua_gettop(f->L);
    if (fh_json_decode(f->L, text, limits, &err) != 0) {
        fail_msg("%.*s: %s", (int)text.len, text.data, err.detail);
    }
    assert_int_equal(lua_gettop(f->L), top + 1);
}

static void encode(struct fixture *f, const struct fh_json_limits *limits)
{
    struct fh_error err = {.detail = ""};
    int top = lua_gettop(f->L);
    fh_buf_clear(&f->out);
    if (fh_json_encode(f->L, -1, limits, &f->out, &err) != 0) {
        fail_msg("%s", err.detail);
    }
    assert_int_equal(lua_gettop(f->L), top);
}

static void assert_out(struct fixture *f, struct fh_slice expected)
{
    if (!fh_slice_equal(fh_buf_slice(&f->out), expected)) {
        fail_msg("wrote %.*s, not %.*s", (int)f->out.len, f->out.data, (int)expected.len,
                 expected.data);
    }
}

static void assert_becomes(struct fixture *f, const char *text, const char *expected)
{
    decode(f, fh_slice_from(text), NULL);
    encode(f, NULL);
    assert_out(f, fh_slice_from(expected));
    lua_pop(f->L, 1);
}

static void assert_refused(struct fixture *f, struct fh_slice text, int code, const char *detail)
{
    struct fh_error err = {.detail = ""};
    int top = lua_gettop(f->L);
    assert_int_equal(fh_json_decode(f->L, text, NULL, &err), code);
    assert_int_equal(lua_gettop(f->L), top);
    assert_int_equal(err.code, code);
    assert_string_equal(err.detail, detail);
    assert_int_equal(fh_json_decode(f->L, text, NULL, NULL), code);
}

static void evaluate(struct fixture *f, const char *expression)
{
    lua_pushfstring(f->L, "return %s", expression);
    if (luaL_loadstring(f->L, lua_tostring(f->L, -1)) || lua_pcall(f->L, 0, 1, 0)) {
        fail_msg("%s", lua_tostring(f->L, -1));
    }
    lua_remove(f->L, -2);
}

static void run(struct fixture *f, const char *script)
{
    if (luaL_dostring(f->L, script)) {
        fail_msg("%s", lua_tostring(f->L, -1));
    }
}

static void keeps_what_json_can_hold(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "[[],{},[[]],[{}]]",
        "{\"\":{\"a\":[],\"b\":{}}}",
        "[null,null]",
        "{\"a\":null}",
        "0",
        "-0",
        "17",
        "-1.5",
        "9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "0.30000000000000004",
        "1e+308",
        "5e-324",
        "\"\"",
        "\"/\"",
        "\"\\\"\\\\\\b\\f\\n\\r\\t\"",
        "\"\\u0000\\u0001\\u001f\x7f\"",
        "\"\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80 \xe2\x80\xa8\"",
        "{\"a\\u0000\":1,\"a\\u0000b\":2,\"b\":3}",
        "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,"
        "33,"
        "34,35]",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_becomes(f, texts[i], texts[i]);
    }
}

static void settles_on_one_form(void **state)
{
    struct fixture *f = *state;
    assert_becomes(f, " \t\r\n[ 1 , 2 ]\n", "[1,2]");
    assert_becomes(f, "{ \"b\" : 1 , \"a\" : { } }", "{\"a\":{},\"b\":1}");
    assert_becomes(f, "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
    assert_becomes(f, "[1.0,1e2,-0.0,9223372036854775808]", "[1,100,-0,9.223372036854776e+18]");
    assert_becomes(f, "\"\\/\\u00e9\\u4F60\\uD83D\\uDE00\"",
                   "\"/\xc3\xa9\xe4\xbd\xa0\xf0\x9f\x98\x80\"");
    /* Bytes decide, not letters, and a prefix comes first. */
    assert_becomes(f, "{\"b\":1,\"\xc3\xa9\":2,\"B\":3,\"ba\":4,\"\":5}",
                   "{\"\":5,\"B\":3,\"b\":1,\"ba\":4,\"\xc3\xa9\":2}");
}

static void gives_lua_the_right_types(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        int type;
    } cases[] = {
        {"null", LUA_TLIGHTUSERDATA},
        {"true", LUA_TBOOLEAN},
        {"\"1\"", LUA_TSTRING},
        {"9007199254740992", LUA_TNUMBER},
        {"9007199254740993", LUA_TCDATA},
        {"-9223372036854775808", LUA_TCDATA},
        {"9223372036854775808", LUA_TNUMBER},
        {"12345678901234567", LUA_TCDATA},
        {"12345678901234567.0", LUA_TNUMBER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(f, fh_slice_from(cases[i].text), NULL);
        assert_int_equal(lua_type(f->L, -1), cases[i].type);
        lua_pop(f->L, 1);
    }
    run(f, "assert(json.decode '9007199254740993' == 9007199254740993LL)\n"
           "assert(json.decode '-9223372036854775808' == -9223372036854775807LL - 1)\n"
           "assert(json.decode '-9007199254740993' == -9007199254740993LL)\n"
           "assert(json.decode '4294967295000000001' == 4294967295000000001LL)\n"
           "assert(1 / json.decode '-0' == -1/0)\n");
}

static void reads_every_escape(void **state)
{
    struct fixture *f = *state;
    decode(f, fh_slice_from("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u007F\\u07ff\\uFFFF\""), NULL);
    size_t len;
    const char *text = lua_tolstring(f->L, -1, &len);
    static const char expected[] = "\"\\/\b\f\n\r\t\0\x7f\xdf\xbf\xef\xbf\xbf";
    assert_int_equal(len, sizeof(expected) - 1);
    assert_memory_equal(text, expected, len);
    lua_pop(f->L, 1);
}

static void reads_long_strings_with_escapes(void **state)
{
    struct fixture *f = *state;
    run(f, "for n = 1, 3000, 7 do\n"
           "    local s = string.rep('a', n) .. '\\n\"' .. string.rep('\\1', n % 300)\n"
           "    local t = { s, s .. 'x', string.rep(s, 2) }\n"
           "    local u = json.decode(json.encode(t))\n"
           "    assert(u[1] == t[1] and u[2] == t[2] and u[3] == t[3])\n"
           "end\n");
}

static const char *const bad_utf8[] = {
    "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xc3",
    "\xc3(",        "\xe0\x9f\xbf", "\xe2\x82",         "\xe2(\xa1",        "\xed\xa0\x80",
    "\xed\xbf\xbf", "\xf0\x9f\x98", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
    "\xfe",         "\xff",
};

static void refuses_or_keeps_invalid_utf8(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(bad_utf8) / sizeof(bad_utf8[0]); i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "[\"12345678\xc3\xa9%s 12345678\"]", bad_utf8[i]);
        struct fh_slice slice = fh_slice_make(text, (size_t)len);
        assert_refused(f, slice, FH_E_SYNTAX,
                       "invalid UTF-8 in a string at line 1 column 12 (byte 12)");
        decode(f, slice, &any_bytes);
        encode(f, &any_bytes);
        assert_out(f, slice);
        lua_pop(f->L, 1);
    }
    lua_pushliteral(f->L, "a\xff\xed\xa0\x80z\xc3\xa9");
    encode(f, NULL);
    assert_out(f, FH_SLICE_LIT("\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xc3\xa9\""));
    lua_pop(f->L, 1);
}

static void refuses_or_keeps_lone_surrogates(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        const char *bytes;
        const char *detail;
    } cases[] = {
        {"\"\\ud800\"", "\xed\xa0\x80", "column 2 (byte 1)"},
        {"\"x\\uDFFF\"", "x\xed\xbf\xbf", "column 3 (byte 2)"},
        {"\"\\ud83dx\"", "\xed\xa0\xbdx", "column 2 (byte 1)"},
        {"\"\\ud83d\\n\"", "\xed\xa0\xbd\n", "column 2 (byte 1)"},
        {"\"\\ude00\\ud83d\"", "\xed\xb8\x80\xed\xa0\xbd", "column 2 (byte 1)"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xed\xa0\xbd\xf0\x9f\x98\x80", "column 2 (byte 1)"},
        {"\"\\ud83d\\u0041\"",
         "\xed\xa0\xbd"
         "A",
         "column 2 (byte 1)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char detail[96];
        snprintf(detail, sizeof(detail), "surrogate without its other half at line 1 %s",
                 cases[i].detail);
        assert_refused(f, fh_slice_from(cases[i].text), FH_E_SYNTAX, detail);
        decode(f, fh_slice_from(cases[i].text), &any_bytes);
        assert_string_equal(lua_tostring(f->L, -1), cases[i].bytes);
        lua_pop(f->L, 1);
    }
}

static void says_what_is_wrong_and_where(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        const char *detail;
    } cases[] = {
        {"", "expected a value but found the end of the text at line 1 column 1 (byte 0)"},
        {" \n ", "expected a value but found the end of the text at line 2 column 2 (byte 3)"},
        {"\xef\xbb\xbf{}",
         "byte order mark before the JSON, save it without one at line 1 column 1 (byte 0)"},
        {"nul", "expected a value but found 'n' at line 1 column 1 (byte 0)"},
        {"NaN", "expected a value but found 'N' at line 1 column 1 (byte 0)"},
        {"-Infinity", "expected a digit but found 'I' at line 1 column 2 (byte 1)"},
        {"True", "expected a value but found 'T' at line 1 column 1 (byte 0)"},
        {"truex", "expected the end of the text but found 'x' at line 1 column 5 (byte 4)"},
        {"'a'", "expected a value but found ''' at line 1 column 1 (byte 0)"},
        {"\x01", "expected a value but found byte 0x01 at line 1 column 1 (byte 0)"},
        {"{} {}", "expected the end of the text but found '{' at line 1 column 4 (byte 3)"},
        {"[1,\n 2 // x\n]", "expected ',' or ']' but found '/' at line 2 column 4 (byte 7)"},
        {"[", "expected a value but found the end of the text at line 1 column 2 (byte 1)"},
        {"[1", "expected ',' or ']' but found the end of the text at line 1 column 3 (byte 2)"},
        {"[1,]", "expected a value but found ']' at line 1 column 4 (byte 3)"},
        {"[,1]", "expected a value but found ',' at line 1 column 2 (byte 1)"},
        {"[1}", "expected ',' or ']' but found '}' at line 1 column 3 (byte 2)"},
        {"]", "expected a value but found ']' at line 1 column 1 (byte 0)"},
        {"{", "expected a key in double quotes but found the end of the text at line 1 column 2 "
              "(byte 1)"},
        {"{1:2}", "expected a key in double quotes but found '1' at line 1 column 2 (byte 1)"},
        {"{a:2}", "expected a key in double quotes but found 'a' at line 1 column 2 (byte 1)"},
        {"{\"a\" 1}", "expected ':' but found '1' at line 1 column 6 (byte 5)"},
        {"{\"a\":}", "expected a value but found '}' at line 1 column 6 (byte 5)"},
        {"{\"a\":1,}", "expected a key in double quotes but found '}' at line 1 column 8 (byte 7)"},
        {"{\"a\":1,\"b\":true]", "expected ',' or '}' but found ']' at line 1 column 16 (byte 15)"},
        {"{\"a\":1 \"b\":2}", "expected ',' or '}' but found '\"' at line 1 column 8 (byte 7)"},
        {"01", "expected the end of the text but found '1' at line 1 column 2 (byte 1)"},
        {"+1", "expected a value but found '+' at line 1 column 1 (byte 0)"},
        {".5", "expected a value but found '.' at line 1 column 1 (byte 0)"},
        {"[1.]", "expected a digit but found ']' at line 1 column 4 (byte 3)"},
        {"[1e]", "expected a digit but found ']' at line 1 column 4 (byte 3)"},
        {"-", "expected a digit but found the end of the text at line 1 column 2 (byte 1)"},
        {"[0,1e999]", "number out of range at line 1 column 4 (byte 3)"},
        {"[\"abc", "string without closing quote at line 1 column 2 (byte 1)"},
        {"\"abc\\", "unknown escape in a string at line 1 column 5 (byte 4)"},
        {"\"abc\\\"", "string without closing quote at line 1 column 1 (byte 0)"},
        {"\"\\x41\"", "unknown escape in a string at line 1 column 2 (byte 1)"},
        {"\"\\u12g4\"", "expected four hexadecimal digits behind \\u at line 1 column 2 (byte 1)"},
        {"\"\\u12\"", "expected four hexadecimal digits behind \\u at line 1 column 2 (byte 1)"},
        {"\"\\u12", "expected four hexadecimal digits behind \\u at line 1 column 2 (byte 1)"},
        {"\"a\tb\"",
         "control character in a string, write it as \\u0009 at line 1 column 3 (byte 2)"},
        {"\"12345678\n\"",
         "control character in a string, write it as \\u000a at line 1 column 10 (byte 9)"},
        {"{\"\xe4\xbd\xa0\":\"\xc3\xa9\" x}",
         "expected ',' or '}' but found 'x' at line 1 column 10 (byte 12)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_refused(f, fh_slice_from(cases[i].text), FH_E_SYNTAX, cases[i].detail);
    }
    assert_refused(f, FH_SLICE_LIT("[1]\0"), FH_E_SYNTAX,
                   "expected the end of the text but found byte 0x00 at line 1 column 4 (byte 3)");
    assert_refused(
        f, FH_SLICE_LIT("\"\0\""), FH_E_SYNTAX,
        "control character in a string, write it as \\u0000 at line 1 column 2 (byte 1)");
    assert_refused(f, FH_SLICE_LIT("\"\\\0\""), FH_E_SYNTAX,
                   "unknown escape in a string at line 1 column 2 (byte 1)");
}

/* Whatever is cut off, it is no JSON; run under AddressSanitizer. */
static void refuses_every_prefix(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "[{\"k\\u00e9\":[1.5e+10,-0,true,false,null,\"\\ud83d\\ude00\xe4\xbd\xa0\"]},{},[]]";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        char *copy = test_malloc(len + 1);
        memcpy(copy + 1, text, len);
        assert_int_equal(fh_json_decode(f->L, fh_slice_make(copy + 1, len), NULL, NULL),
                         FH_E_SYNTAX);
        test_free(copy);
    }
    decode(f, fh_slice_from(text), NULL);
    lua_pop(f->L, 1);
}

static void nested_text(struct fixture *f, int depth, const char *open, const char *close)
{
    fh_buf_clear(&f->out);
    for (int i = 0; i < depth; i++) {
        fh_buf_push(&f->out, open, strlen(open));
    }
    fh_buf_push_byte(&f->out, '1');
    for (int i = 0; i < depth; i++) {
        fh_buf_push(&f->out, close, strlen(close));
    }
}

static void assert_depth(struct fixture *f, const char *open, const char *close, int max_depth)
{
    struct fh_json_limits limits = {.max_depth = max_depth};
    int depth = max_depth ? max_depth : FH_JSON_DEPTH;
    struct fh_error err;
    nested_text(f, depth, open, close);
    decode(f, fh_buf_slice(&f->out), &limits);
    encode(f, &limits);
    lua_pop(f->L, 1);

    nested_text(f, depth + 1, open, close);
    struct fh_slice text = fh_buf_slice(&f->out);
    assert_int_equal(fh_json_decode(f->L, text, &limits, &err), FH_E_TOO_LARGE);
    assert_non_null(strstr(err.detail, "nested deeper than"));

    struct fh_json_limits more = {.max_depth = depth + 1};
    if (depth < FH_JSON_DEPTH_MOST) {
        decode(f, text, &more);
        fh_buf_clear(&f->out);
        assert_int_equal(fh_json_encode(f->L, -1, &limits, &f->out, &err), FH_E_TOO_LARGE);
        assert_non_null(strstr(err.detail, " is nested deeper than"));
        assert_int_equal(f->out.len, 0);
        lua_pop(f->L, 1);
    }
}

static void bounds_the_depth(void **state)
{
    struct fixture *f = *state;
    static const int depths[] = {0, 1, 63, 64, 65, 128, FH_JSON_DEPTH_MOST};
    for (size_t i = 1; i < sizeof(depths) / sizeof(depths[0]); i++) {
        assert_depth(f, "[0,", "]", depths[i] > 9 ? depths[i] : 0);
        assert_depth(f, "{\"a\":0,\"key\":", "}", depths[i] > 9 ? depths[i] : 0);
    }
    decode(f, FH_SLICE_LIT("1"), &(struct fh_json_limits){.max_depth = 1});
    lua_pop(f->L, 1);
    struct fh_error err;
    assert_int_equal(fh_json_decode(f->L, FH_SLICE_LIT("[\n[]]"),
                                    &(struct fh_json_limits){.max_depth = 1}, &err),
                     FH_E_TOO_LARGE);
    assert_string_equal(err.detail, "nested deeper than 1 at line 2 column 1 (byte 2)");
}

static void holds_wide_levels_at_the_greatest_depth(void **state)
{
    struct fixture *f = *state;
    char wide[600] = "{";
    for (char i = 0; i < 23; i++) {
        snprintf(wide + strlen(wide), 24, "\"k%d\":0,", i);
    }
    strcat(wide, "\"z\":");
    struct fh_json_limits limits = {.max_depth = FH_JSON_DEPTH_MOST};
    nested_text(f, FH_JSON_DEPTH_MOST, wide, "}");
    decode(f, fh_buf_slice(&f->out), &limits);
    encode(f, &limits);
    lua_pop(f->L, 1);
}

static void bounds_the_size(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "{\"a\":[1,2.5,\"x\\n\",true,null,{}],\"b\":9007199254740993}";
    decode(f, fh_slice_from(text), NULL);
    for (size_t cap = 0; cap < sizeof(text); cap++) {
        struct fh_buf out;
        struct fh_error err = {.detail = ""};
        fh_buf_init(&out, cap + 1);
        assert_int_equal(fh_buf_push_byte(&out, '>'), 0);
        int rc = fh_json_encode(f->L, 1, NULL, &out, &err);
        if (cap == sizeof(text) - 1) {
            assert_int_equal(rc, 0);
            assert_true(fh_slice_equal(fh_slice_make(out.data + 1, cap), fh_slice_from(text)));
        } else {
            char detail[64];
            snprintf(detail, sizeof(detail), "the JSON is larger than %zu bytes", cap + 1);
            assert_int_equal(rc, FH_E_TOO_LARGE);
            assert_string_equal(err.detail, detail);
            assert_int_equal(out.len, 1);
        }
        assert_int_equal(lua_gettop(f->L), 1);
        fh_buf_deinit(&out);
    }
    lua_pop(f->L, 1);
}

static void names_what_json_cannot_hold(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *expression;
        const char *detail;
    } cases[] = {
        {"print", "the value is a function"},
        {"newproxy()", "the value is a userdata"},
        {"coroutine.create(print)", "the value is a thread"},
        {"0/0", "the value is not a number (nan)"},
        {"{ -1/0 }", "[1] is infinite"},
        {"{ data = { list = { 1, 2, print } } }", "data.list[3] is a function"},
        {"{ data = { [3] = print, [2] = 2, [1] = 1 } }", "data[3] is a function"},
        {"{ ['a b'] = { ['1x'] = { _y1 = print } } }", "[\"a b\"][\"1x\"]._y1 is a function"},
        {"{ ['\\n\\127'] = print }", "[\"??\"] is a function"},
        {"{ [('k'):rep(99)] = print }",
         ".kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk... is a function" + 1},
        {"{ [('\xc3\xa9'):rep(20) .. 'x'] = print }",
         "[\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
         "\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9...\"] is a "
         "function"},
        {"{ require 'ffi'.new 'int[2]' }", "[1] is a cdata other than int64 and uint64"},
        {"{ a = require 'ffi'.new('int32_t', 1) }", "a is a cdata other than int64 and uint64"},
        {"{ nil, 2 }", "the value is a list with holes: 1 values up to the key 2"},
        {"{ x = { 1, nil, 3 } }", "x is a list with holes: 2 values up to the key 3"},
        {"{ [1e9] = 1 }", "the value is a list with holes: 1 values up to the key 1000000000"},
        {"{ 1, 2, x = 3 }", "the value has both numbers and names as keys"},
        {"{ x = 3, [5] = 1 }", "the value has both numbers and names as keys"},
        {"{ [0] = 1 }", "the value has the key 0, and a list has the keys 1 to n only"},
        {"{ 1, [1.5] = 1 }", "the value has the key 1.5, and a list has the keys 1 to n only"},
        {"{ [-1] = 1 }", "the value has the key -1, and a list has the keys 1 to n only"},
        {"{ [1e300] = 1 }", "the value has the key 1e+300, and a list has the keys 1 to n only"},
        {"{ 1, [2.5] = 1, [1.5] = 1, [3.5] = 1 }",
         "the value has the key 1.5, and a list has the keys 1 to n only"},
        {"{ [true] = 1 }", "the value has a boolean as a key"},
        {"{ x = 1, 1, [print] = 1, [true] = 1, [newproxy()] = 1 }",
         "the value has a boolean as a key"},
        {"{ [1] = print, x = 1, y = 2 }", "the value has both numbers and names as keys"},
        {"{ a = { { print, [1.5] = 1 } } }",
         "a[1] has the key 1.5, and a list has the keys 1 to n only"},
        {"{ a = { [1] = { print }, b = 1 } }", "a has both numbers and names as keys"},
        {"{ 1, [print] = 1 }", "the value has a function as a key"},
        {"json.array { x = 1 }", "the value is marked as a list but has names as keys"},
        {"json.array { 1, nil, 3 }", "the value is a list with holes: 2 values up to the key 3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fh_error err = {.detail = ""};
        evaluate(f, cases[i].expression);
        fh_buf_clear(&f->out);
        assert_int_equal(fh_json_encode(f->L, -1, NULL, &f->out, &err), FH_E_INVALID);
        assert_int_equal(fh_json_encode(f->L, -1, NULL, &f->out, NULL), FH_E_INVALID);
        assert_string_equal(err.detail, cases[i].detail);
        assert_int_equal(f->out.len, 0);
        assert_int_equal(lua_gettop(f->L), 1);
        lua_pop(f->L, 1);
    }
}

static void ends_in_cycles(void **state)
{
    struct fixture *f = *state;
    run(f,
        "local list, names, both = {}, {}, { 0 }\n"
        "list[1], names.a, both[2] = list, names, { x = both }\n"
        "for _, value in ipairs { list, names, both } do\n"
        "    local text, message = json.encode(value)\n"
        "    assert(text == nil and message:find('is nested deeper than 128: a cycle?', 1, true))\n"
        "end\n");
}

static void writes_lists_of_any_layout(void **state)
{
    struct fixture *f = *state;
    /* Hash parts, mixed parts and the work of a hostile script: linear, not 2^100. */
    run(f, "assert(json.encode { [3] = 3, [2] = 2, [1] = 1 } == '[1,2,3]')\n"
           "assert(json.encode { 1, 2, [4] = 4, [3] = 3 } == '[1,2,3,4]')\n"
           "local t = {}\n"
           "for i = 1000, 1, -1 do t[i] = i end\n"
           "local u = json.decode(json.encode(t))\n"
           "assert(#u == 1000 and u[1] == 1 and u[1000] == 1000)\n"
           "local deep = 0\n"
           "for _ = 1, 100 do deep = { [1] = deep, [3] = 3, [2] = 2 } end\n"
           "assert(#json.encode(deep) == 601)\n");
}

static void writes_large_objects_sorted(void **state)
{
    struct fixture *f = *state;
    run(f, "for n = 20, 300, 7 do\n"
           "    local t, keys = {}, {}\n"
           "    for i = 1, n do keys[i] = ('%s%d'):format(('k'):rep(i % 5), i * 7919 % 1000); "
           "t[keys[i]] = i end\n"
           "    table.sort(keys)\n"
           "    for i, key in ipairs(keys) do keys[i] = ('%q:%d'):format(key, t[key]) end\n"
           "    assert(json.encode(t) == '{' .. table.concat(keys, ',') .. '}')\n"
           "    t[5] = 1\n"
           "    assert(not json.encode(t))\n"
           "    t[5], t[true] = nil, 1\n"
           "    assert(not json.encode(t))\n"
           "end\n");
}

static void writes_pretty(void **state)
{
    struct fixture *f = *state;
    struct fh_json_limits pretty = {.pretty = true};
    decode(f, FH_SLICE_LIT("{\"b\":[1,{\"x\":null}],\"a\":{},\"c\":[]}"), NULL);
    encode(f, &pretty);
    assert_out(f, FH_SLICE_LIT("{\n  \"a\": {},\n  \"b\": [\n    1,\n    {\n      \"x\": null\n    "
                               "}\n  ],\n  \"c\": []\n}"));
    decode(f, fh_buf_slice(&f->out), NULL);
    lua_pop(f->L, 2);
}

static void ignores_metamethods(void **state)
{
    struct fixture *f = *state;
    run(f, "local mt = { __index = error, __len = error, __pairs = error, __tostring = error,\n"
           "    __metatable = 1 }\n"
           "assert(json.encode { setmetatable({ a = 1 }, mt), setmetatable({}, mt) } == "
           "'[{\"a\":1},{}]')\n");
}

static void offers_a_lua_module(void **state)
{
    struct fixture *f = *state;
    run(f,
        "assert(json.encode(json.decode '[]') == '[]' and json.encode {} == '{}')\n"
        "assert(json.encode(nil) == 'null' and json.encode() == 'null')\n"
        "assert(json.decode 'null' == json.null and json.decode '[null]'[1] == json.null)\n"
        "assert(json.encode { a = json.null } == '{\"a\":null}')\n"
        "assert(json.encode(5LL) == '5' and json.encode(-9223372036854775807LL - 1) == "
        "'-9223372036854775808')\n"
        "assert(json.encode(18446744073709551615ULL) == '18446744073709551615')\n"
        "local list = json.array { 1 }\n"
        "assert(json.encode(list) == '[1]'); list[1] = nil; assert(json.encode(list) == '[]')\n"
        "assert(json.array(list) == list and json.encode(json.array()) == '[]')\n"
        "assert(json.is_array(list) and json.is_array { 1, 2 } and json.is_array { [2] = 1, [1] = "
        "1 })\n"
        "assert(not json.is_array {} and not json.is_array { x = 1 } and not json.is_array { nil, "
        "2 })\n"
        "assert(not json.is_array { 1, x = 1 } and not json.is_array 'x' and not json.is_array())\n"
        "assert(getmetatable(list) == false and not pcall(setmetatable, list, {}))\n"
        "assert(json.encode(setmetatable({}, json.array_mt)) == '[]')\n"
        "assert(not pcall(json.array, 1) and not pcall(json.array, setmetatable({}, {})))\n"
        "assert(json.encode({ 1, { a = 2 } }, { pretty = true }) == '[\\n  1,\\n  {\\n    \"a\": "
        "2\\n  }\\n]')\n"
        "assert(json.encode('\\255', { any_bytes = true }) == '\"\\255\"')\n"
        "assert(json.decode('\"\\255\"', { any_bytes = true }) == '\\255')\n");
    run(f,
        "local function refused(message, value, found)\n"
        "    assert(value == nil and found == message, found)\n"
        "end\n"
        "refused('the JSON to decode must be a string', json.decode(5))\n"
        "refused('the JSON to decode must be a string', json.decode())\n"
        "refused('options must be a table', json.decode('1', 5))\n"
        "refused('options must be a table', json.encode('1', 'x'))\n"
        "for _, depth in ipairs { 0, -1, 513, 0/0, 'x', {} } do\n"
        "    refused('max_depth must be a number from 1 to 512', json.encode(1, { max_depth = "
        "depth }))\n"
        "end\n"
        "refused('nested deeper than 1 at line 1 column 2 (byte 1)', json.decode('[[]]', { "
        "max_depth = 1 }))\n"
        "refused('[1] is nested deeper than 1: a cycle?', json.encode({ {} }, { max_depth = 1 }))\n"
        "refused('the value is a function', json.encode(print))\n");
}

static void reuses_and_bounds_the_output_of_lua(void **state)
{
    struct fixture *f = *state;
    run(f,
        "local big = ('x'):rep(3 * 2^20)\n"
        "for _ = 1, 3 do assert(#json.encode(big) == 3 * 2^20 + 2 and json.encode(1) == '1') end\n"
        "local huge, message = json.encode { big, big, big, big, big, big, big, big, big, big, "
        "big,\n"
        "    big, big, big, big, big, big, big, big, big, big, big }\n"
        "assert(huge == nil and message == 'the JSON is larger than 67108864 bytes')\n"
        "assert(json.encode { 1 } == '[1]')\n");
}

/* A finalizer may encode while we do, and may change the very table. */
static void survives_finalizers(void **state)
{
    struct fixture *f = *state;
    run(f, "local runs, victim = 0, {}\n"
           "local function litter()\n"
           "    getmetatable(newproxy(true)).__gc = function()\n"
           "        runs = runs + 1\n"
           "        assert(json.encode { runs, { a = 1 } } == '[' .. runs .. ',{\"a\":1}]')\n"
           "        for key in pairs(victim) do victim[key] = nil end\n"
           "    end\n"
           "end\n"
           "collectgarbage('setpause', 10)\n"
           "for i = 1, 300 do\n"
           "    for _ = 1, 10 do litter() end\n"
           "    for k = 1, 60 do victim['key' .. k .. '_' .. i] = { k, 9007199254740993LL } end\n"
           "    local text = json.encode { victim, victim }\n"
           "    assert(text and json.decode(text))\n"
           "end\n"
           "assert(runs > 0)\n"
           "collectgarbage('setpause', 200)\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_state, close_state)
        TEST(keeps_what_json_can_hold),
        TEST(settles_on_one_form),
        TEST(gives_lua_the_right_types),
        TEST(reads_every_escape),
        TEST(reads_long_strings_with_escapes),
        TEST(refuses_or_keeps_invalid_utf8),
        TEST(refuses_or_keeps_lone_surrogates),
        TEST(says_what_is_wrong_and_where),
        TEST(refuses_every_prefix),
        TEST(bounds_the_depth),
        TEST(holds_wide_levels_at_the_greatest_depth),
        TEST(bounds_the_size),
        TEST(names_what_json_cannot_hold),
        TEST(ends_in_cycles),
        TEST(writes_lists_of_any_layout),
        TEST(writes_large_objects_sorted),
        TEST(writes_pretty),
        TEST(ignores_metamethods),
        TEST(offers_a_lua_module),
        TEST(reuses_and_bounds_the_output_of_lua),
        TEST(survives_finalizers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
