/* SPDX-License-Identifier: MIT */
/* Depth first over raw tables. Whatever a level still needs is on the Lua stack: keys of an object
 * too, since their bytes are sorted by pointers and a finalizer may change any table meanwhile.
 * A level fails with the stack as it is; fh_json_encode restores it. */
#include "vm/json.h"
#include "vm/json_lua.h"
#include "vm/json_number.h"
#include "vm/json_place.h"
#include "vm/json_text.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SMALL_OBJECT = 24, /* members kept on the Lua stack while they are sorted */
    SMALL_DEPTH = 64,  /* not below this depth, for the Lua stack is bounded */
    LEVEL_SLOTS = 2 * SMALL_OBJECT + 10,
};

struct member {
    struct fh_slice key;
    int slot; /* of the key: on the Lua stack, or in the list of keys of a large object */
};

struct encoder {
    lua_State *L;
    struct fh_buf *out;
    const void *array_mt;
    int depth;
    int max_depth;
    bool any_bytes;
    bool pretty;
    struct fh_error *err;
};

static int encode_value(struct encoder *e, int index, const struct fh_json_place *place);

static int fail(struct encoder *e, int code, const struct fh_json_place *place, const char *what)
{
    char text[FH_JSON_PLACE_BYTES] = "";
    if (fh_json_place_write(place, text) == 0) {
        snprintf(text, sizeof(text), "the value");
    }
    return fh_error_set(e->err, code, "%s %s", text, what);
}

static int fail_invalid(struct encoder *e, const struct fh_json_place *place, const char *what)
{
    return fail(e, FH_E_INVALID, place, what);
}

static inline int push(struct encoder *e, const char *data, size_t len)
{
    struct fh_buf *out = e->out;
    if (out->cap - out->len < len) {
        return fh_buf_push(out, data, len);
    }
    memcpy(out->data + out->len, data, len);
    out->len += len;
    return 0;
}

static inline int push_byte(struct encoder *e, char byte)
{
    struct fh_buf *out = e->out;
    if (out->cap == out->len) {
        return fh_buf_push_byte(out, byte);
    }
    out->data[out->len++] = byte;
    return 0;
}

/* The byte that does not stand for itself. */
static int encode_special(struct encoder *e, unsigned char byte)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    static const char hex[] = "0123456789abcdef";
    if (byte >= 0x80) {
        return push(e, "\xef\xbf\xbd", 3);
    }
    const char *found = byte ? strchr(from, byte) : NULL;
    if (found) {
        char text[2] = {'\\', to[found - from]};
        return push(e, text, sizeof(text));
    }
    char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    return push(e, text, sizeof(text));
}

static int encode_string(struct encoder *e, struct fh_slice string)
{
    const char *at = string.data;
    const char *end = at + string.len;
    int rc = push_byte(e, '"');
    while (rc == 0) {
        const char *stop = fh_json_text_run(at, end, e->any_bytes);
        rc = push(e, at, (size_t)(stop - at));
        if (rc != 0 || stop == end) {
            break;
        }
        rc = encode_special(e, (unsigned char)*stop);
        at = stop + 1;
    }
    return rc == 0 ? push_byte(e, '"') : rc;
}

static int encode_number(struct encoder *e, int index, const struct fh_json_place *place)
{
    double number = lua_tonumber(e->L, index);
    char text[FH_JSON_NUMBER_CHARS];
    if (!isfinite(number)) {
        return fail_invalid(e, place, isnan(number) ? "is not a number (nan)" : "is infinite");
    }
    return push(e, text, (size_t)fh_json_number_encode(number, text));
}

static int encode_cdata(struct encoder *e, int index, const struct fh_json_place *place)
{
    fh_json_lua_push_digits(e->L, index);
    struct fh_slice digits = {.data = NULL};
    digits.data = lua_tolstring(e->L, -1, &digits.len);
    if (!digits.data) {
        return fail_invalid(e, place, "is a cdata other than int64 and uint64");
    }
    int rc = push(e, digits.data, digits.len);
    lua_pop(e->L, 1);
    return rc;
}

/* Line break and indent of a pretty text. */
static int push_line(struct encoder *e)
{
    int rc = push_byte(e, '\n');
    for (int i = 0; rc == 0 && i < e->depth; i++) {
        rc = push(e, "  ", 2);
    }
    return rc;
}

/* Opening bracket or comma before a member, and the line it stands on. */
static int open_member(struct encoder *e, char bracket, bool first)
{
    int rc = push_byte(e, first ? bracket : ',');
    return rc == 0 && e->pretty ? push_line(e) : rc;
}

static int close_table(struct encoder *e, char bracket)
{
    e->depth--;
    int rc = e->pretty ? push_line(e) : 0;
    return rc == 0 ? push_byte(e, bracket) : rc;
}

/* What the keys of a table are, all of them, so that a message does not depend on their order, which
 * the process draws at random. */
struct keys {
    int other_type; /* the lowest type besides string and number, or 0 */
    bool has_names;
    bool has_numbers;
    bool has_odd; /* a number that is no index, the least of which is: */
    double odd;
    double count;
    double most;
};

static void survey_number(struct keys *keys, double number)
{
    bool is_index = number >= 1 && number <= INT_MAX && number == (double)(int)number;
    keys->has_numbers = true;
    keys->count++;
    keys->most = number > keys->most ? number : keys->most;
    if (!is_index && (!keys->has_odd || number < keys->odd)) {
        keys->has_odd = true;
        keys->odd = number;
    }
}

static struct keys survey(lua_State *L, int table)
{
    struct keys keys = {.count = 0};
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        int type = lua_type(L, -2);
        if (type == LUA_TNUMBER) {
            survey_number(&keys, lua_tonumber(L, -2));
        } else if (type == LUA_TSTRING) {
            keys.has_names = true;
        } else if (keys.other_type == 0 || type < keys.other_type) {
            keys.other_type = type;
        }
    }
    return keys;
}

/* Fails when the keys at hand are not those of an array; else returns `rc`. */
static int fail_keys(struct encoder *e, int rc, int table, const struct fh_json_place *place)
{
    struct keys keys = survey(e->L, table);
    char what[96];
    if (keys.other_type != 0) {
        snprintf(what, sizeof(what), "has a %s as a key", lua_typename(e->L, keys.other_type));
    } else if (keys.has_names) {
        snprintf(what, sizeof(what), "%s",
                 keys.has_numbers ? "has both numbers and names as keys"
                                  : "is marked as a list but has names as keys");
    } else if (keys.has_odd) {
        snprintf(what, sizeof(what), "has the key %.14g, and a list has the keys 1 to n only",
                 keys.odd);
    } else if (keys.most != keys.count) {
        snprintf(what, sizeof(what), "is a list with holes: %.0f values up to the key %.0f",
                 keys.count, keys.most);
    } else {
        return rc;
    }
    return fail_invalid(e, place, what);
}

/* The number of members of the array whose members before `next` were met in order, the key on top
 * of the stack being another one. Pops that key and its value. Nothing is written twice: nested
 * arrays that are out of order would cost 2^depth. */
static int count_unordered(struct encoder *e, int table, int next,
                           const struct fh_json_place *place, int *count)
{
    lua_State *L = e->L;
    double most = 0;
    int found = next - 1;
    do {
        lua_pop(L, 1);
        double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        if (!(key >= next && key <= INT_MAX) || key != (int)key) {
            return fail_keys(e, FH_E_INVALID, table, place);
        }
        most = key > most ? key : most;
        found++;
    } while (lua_next(L, table));
    if (most != found) {
        return fail_keys(e, FH_E_INVALID, table, place);
    }
    *count = found;
    return 0;
}

/* The first key and value are on top of the stack. */
static int encode_array(struct encoder *e, int table, const struct fh_json_place *up)
{
    lua_State *L = e->L;
    struct fh_json_place place = {.up = up, .index = 1};
    int key = lua_gettop(L) - 1;
    int rc = 0;
    for (; lua_type(L, key) == LUA_TNUMBER && lua_tonumber(L, key) == place.index; place.index++) {
        rc = open_member(e, '[', place.index == 1);
        rc = rc == 0 ? encode_value(e, key + 1, &place) : rc;
        if (rc != 0) {
            return fail_keys(e, rc, table, up);
        }
        lua_settop(L, key);
        if (!lua_next(L, table)) {
            return close_table(e, ']');
        }
    }
    int count = 0;
    rc = count_unordered(e, table, place.index, up, &count);
    for (; rc == 0 && place.index <= count; place.index++) {
        rc = open_member(e, '[', place.index == 1);
        lua_rawgeti(L, table, place.index);
        rc = rc == 0 ? encode_value(e, key, &place) : rc;
        lua_settop(L, key - 1);
    }
    return rc == 0 ? close_table(e, ']') : rc;
}

static int compare(const void *left, const void *right)
{
    const struct fh_slice *a = &((const struct member *)left)->key;
    const struct fh_slice *b = &((const struct member *)right)->key;
    int order = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static void sort_few(struct member *members, int count)
{
    for (int i = 1; i < count; i++) {
        struct member member = members[i];
        int at = i;
        for (; at > 0 && compare(&members[at - 1], &member) > 0; at--) {
            members[at] = members[at - 1];
        }
        members[at] = member;
    }
}

static int read_member(struct encoder *e, int table, int key, const struct fh_json_place *place,
                       struct member *member)
{
    if (lua_type(e->L, key) != LUA_TSTRING) {
        return fail_keys(e, FH_E_INVALID, table, place);
    }
    member->key.data = lua_tolstring(e->L, key, &member->key.len);
    return 0;
}

static int encode_member(struct encoder *e, const struct member *member, int value, bool first,
                         const struct fh_json_place *up)
{
    struct fh_json_place place = {.up = up, .key = member->key};
    int rc = open_member(e, '{', first);
    rc = rc == 0 ? encode_string(e, member->key) : rc;
    rc = rc == 0 ? push(e, ": ", e->pretty ? 2 : 1) : rc;
    return rc == 0 ? encode_value(e, value, &place) : rc;
}

/* Keys go to a list and are sorted by it, values are looked up again. The first key is on top. */
static int encode_large_object(struct encoder *e, int table, const struct fh_json_place *place)
{
    lua_State *L = e->L;
    int key = lua_gettop(L);
    int count = 1;
    lua_pushvalue(L, key);
    for (; lua_next(L, table); count++) {
        lua_pop(L, 1);
    }
    struct member *members = lua_newuserdata(L, (size_t)count * sizeof(*members));
    lua_createtable(L, count, 0);
    int keys = lua_gettop(L);
    lua_pushnil(L);
    int found = 0;
    while (found < count && lua_next(L, table)) {
        lua_pop(L, 1);
        int rc = read_member(e, table, keys + 1, place, &members[found]);
        if (rc != 0) {
            return rc;
        }
        members[found].slot = found + 1;
        found++;
        lua_pushvalue(L, -1);
        lua_rawseti(L, keys, found);
    }
    lua_settop(L, keys);
    qsort(members, (size_t)found, sizeof(*members), compare);
    for (int i = 0; i < found; i++) {
        lua_rawgeti(L, keys, members[i].slot);
        lua_rawget(L, table);
        int rc = encode_member(e, &members[i], keys + 1, i == 0, place);
        if (rc != 0) {
            return rc;
        }
        lua_settop(L, keys);
    }
    lua_settop(L, key - 1);
    return close_table(e, '}');
}

/* The first key and value are on top of the stack. */
static int encode_object(struct encoder *e, int table, const struct fh_json_place *place)
{
    lua_State *L = e->L;
    struct member members[SMALL_OBJECT];
    int base = lua_gettop(L) - 2;
    int most = e->depth <= SMALL_DEPTH ? SMALL_OBJECT : 0;
    int count = 0;
    do {
        int key = lua_gettop(L) - 1;
        if (count == most) {
            lua_settop(L, base + 1);
            return encode_large_object(e, table, place);
        }
        int rc = read_member(e, table, key, place, &members[count]);
        if (rc != 0) {
            return rc;
        }
        members[count++].slot = key;
        lua_pushvalue(L, key);
    } while (lua_next(L, table));
    sort_few(members, count);
    for (int i = 0; i < count; i++) {
        int rc = encode_member(e, &members[i], members[i].slot + 1, i == 0, place);
        if (rc != 0) {
            return rc;
        }
    }
    lua_settop(L, base);
    return close_table(e, '}');
}

static bool is_marked(struct encoder *e, int table)
{
    if (!lua_getmetatable(e->L, table)) {
        return false;
    }
    if (!e->array_mt) {
        fh_json_push_array_metatable(e->L);
        e->array_mt = lua_topointer(e->L, -1);
        lua_pop(e->L, 1);
    }
    bool marked = lua_topointer(e->L, -1) == e->array_mt;
    lua_pop(e->L, 1);
    return marked;
}

static int encode_table(struct encoder *e, int table, const struct fh_json_place *place)
{
    lua_State *L = e->L;
    if (e->depth >= e->max_depth) {
        char what[64];
        snprintf(what, sizeof(what), "is nested deeper than %d: a cycle?", e->max_depth);
        return fail(e, FH_E_TOO_LARGE, place, what);
    }
    if (!lua_checkstack(L, LEVEL_SLOTS)) {
        return fail(e, FH_E_TOO_LARGE, place, "is nested too deep for the Lua stack");
    }
    bool marked = is_marked(e, table);
    lua_pushnil(L);
    if (!lua_next(L, table)) {
        return push(e, marked ? "[]" : "{}", 2);
    }
    e->depth++;
    return marked || lua_type(L, -2) == LUA_TNUMBER ? encode_array(e, table, place)
                                                    : encode_object(e, table, place);
}

static int fail_type(struct encoder *e, int type, const struct fh_json_place *place)
{
    char what[32];
    snprintf(what, sizeof(what), "is a %s", lua_typename(e->L, type));
    return fail_invalid(e, place, what);
}

/* The value at the absolute `index`; leaves the stack as it was unless it fails. */
static int encode_value(struct encoder *e, int index, const struct fh_json_place *place)
{
    struct fh_slice string = {.data = NULL};
    int type = lua_type(e->L, index);
    switch (type) {
    case LUA_TSTRING:
        string.data = lua_tolstring(e->L, index, &string.len);
        return encode_string(e, string);
    case LUA_TNUMBER:
        return encode_number(e, index, place);
    case LUA_TTABLE:
        return encode_table(e, index, place);
    case LUA_TBOOLEAN:
        return lua_toboolean(e->L, index) ? push(e, "true", 4) : push(e, "false", 5);
    case FH_JSON_TCDATA:
        return encode_cdata(e, index, place);
    case LUA_TLIGHTUSERDATA:
        return lua_touserdata(e->L, index) ? fail_type(e, type, place) : push(e, "null", 4);
    case LUA_TNIL:
    case LUA_TNONE:
        return push(e, "null", 4);
    default:
        return fail_type(e, type, place);
    }
}

/* Failures of the buffer come without words. */
static int fail_output(struct encoder *e, int rc)
{
    if (e->err->code != 0) {
        return rc;
    }
    switch (rc) {
    case FH_E_TOO_LARGE:
        return fh_error_set(e->err, rc, "the JSON is larger than %zu bytes", e->out->max_bytes);
    case FH_E_NO_MEMORY:
        return fh_error_set(e->err, rc, "out of memory while writing JSON");
    default:
        return fh_error_set(e->err, rc, "the value changed while it was written as JSON");
    }
}

/* The values at first..last with commas between them. */
static int encode_range(struct encoder *e, int first, int last)
{
    static const struct fh_json_place root = {.up = NULL};
    if (!lua_checkstack(e->L, LEVEL_SLOTS)) {
        return fail(e, FH_E_TOO_LARGE, &root, "finds no room on the Lua stack");
    }
    int rc = 0;
    for (int index = first; rc == 0 && index <= last; index++) {
        rc = index > first ? push_byte(e, ',') : 0;
        if (rc == 0) {
            rc = encode_value(e, index, &root);
        }
    }
    return rc;
}

int fh_json_encode_range(lua_State *L, int first, int last, const struct fh_json_limits *limits,
                         struct fh_buf *out, struct fh_error *err)
{
    int top = lua_gettop(L);
    size_t start = out->len;
    struct fh_error own_err;
    own_err.code = 0;
    struct encoder e = {
        .L = L,
        .out = out,
        .max_depth = fh_json_lua_depth(limits),
        .any_bytes = limits && limits->any_bytes,
        .pretty = limits && limits->pretty,
        .err = err ? err : &own_err,
    };
    e.err->code = 0;
    int rc = encode_range(&e, first, last);
    if (rc != 0) {
        out->len = start;
        fail_output(&e, rc);
    }
    lua_settop(L, top);
    return rc;
}

int fh_json_encode(lua_State *L, int index, const struct fh_json_limits *limits, struct fh_buf *out,
                   struct fh_error *err)
{
    bool is_absolute = index > 0 || index <= LUA_REGISTRYINDEX;
    int absolute = is_absolute ? index : lua_gettop(L) + index + 1;
    return fh_json_encode_range(L, absolute, absolute, limits, out, err);
}
