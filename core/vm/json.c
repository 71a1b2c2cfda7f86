/* SPDX-License-Identifier: MIT */
/* What the JSON codec keeps in the registry, and its Lua module. */
#include "vm/json.h"

#include "vm/json_lua.h"
#include "vm/json_number.h"

#include <lauxlib.h>

enum {
    OUTPUT_BYTES = 64 << 20,     /* of one json.encode */
    KEPT_OUTPUT_BYTES = 1 << 20, /* of memory between two of them */
    DIGITS_CHARS = 24
};

/* Their addresses are the keys of the registry. */
static const char array_key = 'a';
static const char int64_key = 'i';
static const char digits_key = 'd';
static const char buffer_key = 'b';

static const char helpers[] =
    "local ffi = require 'ffi'\n"
    "local int64, uint64 = ffi.typeof 'int64_t', ffi.typeof 'uint64_t'\n"
    "local istype, tostring, sub = ffi.istype, tostring, string.sub\n"
    "local function make(high, low) return int64(high) * 4294967296LL + int64(low) end\n"
    "local function digits(v)\n"
    "    if istype(int64, v) then return sub(tostring(v), 1, -3) end\n"
    "    if istype(uint64, v) then return sub(tostring(v), 1, -4) end\n"
    "end\n"
    "return make, digits\n";

static void push_registered(lua_State *L, const char *key)
{
    lua_pushlightuserdata(L, (void *)key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

/* Moves the top of the stack into the registry. */
static void register_as(lua_State *L, const char *key)
{
    lua_pushlightuserdata(L, (void *)key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

static int collect_buffer(lua_State *L)
{
    fh_buf_deinit(lua_touserdata(L, 1));
    return 0;
}

void fh_json_register(lua_State *L)
{
    lua_newtable(L);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    register_as(L, &array_key);

    lua_newtable(L);
    lua_pushcfunction(L, collect_buffer);
    lua_setfield(L, -2, "__gc");
    register_as(L, &buffer_key);

    if (luaL_loadbuffer(L, helpers, sizeof(helpers) - 1, "=json.c") != 0) {
        lua_error(L);
    }
    lua_call(L, 0, 2);
    register_as(L, &digits_key);
    register_as(L, &int64_key);
}

void fh_json_push_array_metatable(lua_State *L)
{
    push_registered(L, &array_key);
}

int fh_json_lua_depth(const struct fh_json_limits *limits)
{
    int depth = limits && limits->max_depth > 0 ? limits->max_depth : FH_JSON_DEPTH;
    return depth < FH_JSON_DEPTH_MOST ? depth : FH_JSON_DEPTH_MOST;
}

void fh_json_lua_push_int64(lua_State *L, int64_t value)
{
    uint32_t low = (uint32_t)value;
    push_registered(L, &int64_key);
    lua_pushnumber(L, (double)((value - low) / (INT64_C(1) << 32)));
    lua_pushnumber(L, (double)low);
    lua_call(L, 2, 1);
}

void fh_json_lua_push_digits(lua_State *L, int index)
{
    push_registered(L, &digits_key);
    lua_pushvalue(L, index);
    lua_call(L, 1, 1);
}

/* Whether encode would take the table at `index` for an array. */
static bool is_array(lua_State *L, int index)
{
    if (lua_getmetatable(L, index)) {
        fh_json_push_array_metatable(L);
        bool marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        if (marked) {
            return true;
        }
    }
    double count = 0;
    double most = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        if (!(key >= 1) || key > (double)FH_JSON_EXACT || key != (double)(int64_t)key) {
            lua_pop(L, 1);
            return false;
        }
        count++;
        most = key > most ? key : most;
    }
    return count > 0 && most == count;
}

static int lua_is_array(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushboolean(L, lua_istable(L, 1) && is_array(L, 1));
    return 1;
}

static int lua_array(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    fh_json_push_array_metatable(L);
    if (lua_getmetatable(L, 1) && !lua_rawequal(L, -1, 2)) {
        return luaL_argerror(L, 1, "the table has another metatable");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int fail(lua_State *L, const char *message)
{
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

/* The options at stack index 2, which may be nil; NULL or what is wrong with them. */
static const char *read_options(lua_State *L, struct fh_json_limits *limits)
{
    *limits = (struct fh_json_limits){.max_depth = 0};
    if (lua_isnil(L, 2)) {
        return NULL;
    }
    if (!lua_istable(L, 2)) {
        return "options must be a table";
    }
    lua_pushliteral(L, "any_bytes");
    lua_rawget(L, 2);
    limits->any_bytes = lua_toboolean(L, -1);
    lua_pushliteral(L, "pretty");
    lua_rawget(L, 2);
    limits->pretty = lua_toboolean(L, -1);
    lua_pushliteral(L, "max_depth");
    lua_rawget(L, 2);
    double depth = lua_isnil(L, -1) ? FH_JSON_DEPTH : lua_tonumber(L, -1);
    lua_settop(L, 2);
    if (!(depth >= 1 && depth <= FH_JSON_DEPTH_MOST)) {
        return "max_depth must be a number from 1 to 512";
    }
    limits->max_depth = (int)depth;
    return NULL;
}

static int lua_decode(lua_State *L)
{
    struct fh_json_limits limits;
    struct fh_error err = {.code = 0};
    lua_settop(L, 2);
    const char *wrong = read_options(L, &limits);
    if (!wrong && lua_type(L, 1) != LUA_TSTRING) {
        wrong = "the JSON to decode must be a string";
    }
    if (wrong) {
        return fail(L, wrong);
    }
    struct fh_slice text = {.data = NULL};
    text.data = lua_tolstring(L, 1, &text.len);
    return fh_json_decode(L, text, &limits, &err) == 0 ? 1 : fail(L, err.detail);
}

/* Pushes the output buffer and takes it out of its place, the upvalue: when Lua throws, or a
 * finalizer encodes meanwhile, this one is the collector's and the next call makes another. */
static struct fh_buf *take_buffer(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    struct fh_buf *buf = lua_touserdata(L, -1);
    if (buf) {
        lua_pushnil(L);
        lua_replace(L, lua_upvalueindex(1));
        return buf;
    }
    lua_pop(L, 1);
    buf = lua_newuserdata(L, sizeof(*buf));
    fh_buf_init(buf, OUTPUT_BYTES);
    push_registered(L, &buffer_key);
    lua_setmetatable(L, -2);
    return buf;
}

/* Puts the buffer at `index` back. */
static void return_buffer(lua_State *L, int index)
{
    struct fh_buf *buf = lua_touserdata(L, index);
    fh_buf_clear(buf);
    if (buf->cap > KEPT_OUTPUT_BYTES) {
        fh_buf_deinit(buf);
    }
    lua_pushvalue(L, index);
    lua_replace(L, lua_upvalueindex(1));
}

static int lua_encode(lua_State *L)
{
    struct fh_json_limits limits;
    struct fh_error err = {.code = 0};
    lua_settop(L, 2);
    const char *wrong = read_options(L, &limits);
    if (wrong) {
        return fail(L, wrong);
    }
    struct fh_buf *buf = take_buffer(L);
    int rc = fh_json_encode(L, 1, &limits, buf, &err);
    if (rc == 0) {
        lua_pushlstring(L, buf->data, buf->len);
    } else {
        fail(L, err.detail);
    }
    return_buffer(L, 3);
    return rc == 0 ? 1 : 2;
}

/* How the engine keeps its documents: every byte as it is, room for a few levels around a value. */
static const struct fh_json_limits stored = {.max_depth = FH_JSON_DEPTH + 32, .any_bytes = true};

static int lua_decode_stored(lua_State *L)
{
    struct fh_error err = {.code = 0};
    struct fh_slice text = {.data = NULL};
    text.data = luaL_checklstring(L, 1, &text.len);
    return fh_json_decode(L, text, &stored, &err) == 0 ? 1 : fail(L, err.detail);
}

static int lua_encode_stored(lua_State *L)
{
    struct fh_error err = {.code = 0};
    lua_settop(L, 1);
    struct fh_buf *buf = take_buffer(L);
    int rc = fh_json_encode(L, 1, &stored, buf, &err);
    if (rc == 0) {
        lua_pushlstring(L, buf->data, buf->len);
    } else {
        fail(L, err.detail);
    }
    return_buffer(L, 2);
    return rc == 0 ? 1 : 2;
}

/* "[" the values at 1..last, then `text` (data NULL: none) "]". */
static int list_into(lua_State *L, int last, struct fh_slice text, struct fh_buf *buf,
                     struct fh_error *err)
{
    int rc = fh_buf_push_byte(buf, '[');
    if (rc == 0) {
        rc = fh_json_encode_range(L, 1, last, &stored, buf, err);
    }
    if (rc == 0 && text.data && last > 0) {
        rc = fh_buf_push_byte(buf, ',');
    }
    if (rc == 0 && (rc = fh_buf_push_slice(buf, text)) == 0) {
        rc = fh_buf_push_byte(buf, ']');
    }
    return rc;
}

static int push_list(lua_State *L, int last, struct fh_slice text)
{
    struct fh_error err = {.code = 0, .detail = "the JSON is too large"};
    int count = lua_gettop(L);
    struct fh_buf *buf = take_buffer(L);
    int rc = list_into(L, last, text, buf, &err);
    if (rc == 0) {
        lua_pushlstring(L, buf->data, buf->len);
    } else {
        fail(L, err.detail);
    }
    return_buffer(L, count + 1);
    return rc == 0 ? 1 : 2;
}

static int lua_list(lua_State *L)
{
    return push_list(L, lua_gettop(L), (struct fh_slice){NULL, 0});
}

static int lua_join(lua_State *L)
{
    struct fh_slice text = {NULL, 0};
    int count = lua_gettop(L);
    luaL_checktype(L, count, LUA_TSTRING);
    text.data = lua_tolstring(L, count, &text.len);
    return push_list(L, count - 1, text);
}

int fh_json_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"decode", lua_decode},
                                         {"decode_stored", lua_decode_stored},
                                         {"array", lua_array},
                                         {"is_array", lua_is_array},
                                         {NULL, NULL}};
    /* Each has an output buffer of its own as upvalue. */
    static const luaL_Reg encoders[] = {{"encode", lua_encode},
                                        {"encode_stored", lua_encode_stored},
                                        {"list", lua_list},
                                        {"join", lua_join},
                                        {NULL, NULL}};
    lua_createtable(L, 0, 12);
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushcfunction(L, function->func);
        lua_setfield(L, -2, function->name);
    }
    for (const luaL_Reg *encoder = encoders; encoder->name; encoder++) {
        lua_pushnil(L);
        lua_pushcclosure(L, encoder->func, 1);
        lua_setfield(L, -2, encoder->name);
    }
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    fh_json_push_array_metatable(L);
    lua_setfield(L, -2, "array_mt");
    return 1;
}
