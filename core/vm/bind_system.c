/* SPDX-License-Identifier: MIT */
/* core.system: ids, hashes, random bytes, base64, log, fault points.
 *
 *   run_id(partition) -> 26 characters, 16 bytes     id_bytes(text) -> 16 bytes | nil
 *   id_text(bytes) -> 26 characters                  partition(bytes) -> number
 *   sha256(bytes) -> 32 bytes                        hash64(bytes) -> 16 hex characters
 *   hex(bytes) -> text                               random(n) -> n bytes
 *   base64_encode(bytes) -> text                     base64_decode(text) -> bytes | nil; either alphabet
 *   base64url_encode(bytes) -> text without padding
 *   mac(key, bytes) -> 32 bytes                      key: 32 bytes; who has it made this
 *   equal(a, b) -> boolean                           in a time that tells nothing of where they differ
 *   log(level, message, fields)                      level "debug"|"info"|"warn"|"error"; fields { name, value, ... }
 *   log_is_on(level) -> boolean                      fault(name) -> error code name or nil; debug builds only
 *   u32(number) -> 4 bytes, big-endian               shard, shards, version
 *   u64(number) -> 8 bytes, big-endian               from_u64(bytes) -> number; whole ones of 0 to 2^53
 *   write_file(path, bytes) -> true | nil, reason    whole or not, durable, with the folders that are missing above it;
 *                                                    blocks */
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/run_id.h"
#include "crypto/hash.h"
#include "crypto/mac.h"
#include "vm/bind.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#ifndef FH_VERSION
#define FH_VERSION "0.0.0"
#endif

enum { MAX_FIELDS = 16, MAX_RANDOM_BYTES = 65536 };

static void push_hex(lua_State *L, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < len; i++) {
        luaL_addchar(&out, digits[bytes[i] >> 4]);
        luaL_addchar(&out, digits[bytes[i] & 15]);
    }
    luaL_pushresult(&out);
}

static int run_id(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    unsigned char id[FH_RUN_ID_BYTES];
    char text[FH_RUN_ID_CHARS];
    fh_run_id_make(id, fh_clock_wall_ms(vm->context.clock), (unsigned)luaL_checkinteger(L, 1),
                   &vm->random);
    fh_run_id_encode(id, text);
    lua_pushlstring(L, text, sizeof(text));
    lua_pushlstring(L, (const char *)id, sizeof(id));
    return 2;
}

static int id_bytes(lua_State *L)
{
    unsigned char id[FH_RUN_ID_BYTES];
    if (fh_run_id_decode(fh_bind_slice(L, 1), id) != 0) {
        return 0;
    }
    lua_pushlstring(L, (const char *)id, sizeof(id));
    return 1;
}

static const unsigned char *check_id(lua_State *L)
{
    struct fh_slice bytes = fh_bind_slice(L, 1);
    luaL_argcheck(L, bytes.len == FH_RUN_ID_BYTES, 1, "not the 16 bytes of a run id");
    return (const unsigned char *)bytes.data;
}

static int id_text(lua_State *L)
{
    char text[FH_RUN_ID_CHARS];
    fh_run_id_encode(check_id(L), text);
    lua_pushlstring(L, text, sizeof(text));
    return 1;
}

static int partition(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)fh_run_id_partition(check_id(L)));
    return 1;
}

static int sha256(lua_State *L)
{
    unsigned char hash[FH_SHA256_BYTES];
    fh_hash_sha256(fh_bind_slice(L, 1), hash);
    lua_pushlstring(L, (const char *)hash, sizeof(hash));
    return 1;
}

static int hash64(lua_State *L)
{
    unsigned char hash[FH_HASH64_BYTES];
    fh_hash_short(fh_bind_slice(L, 1), hash);
    push_hex(L, hash, sizeof(hash));
    return 1;
}

static int hex(lua_State *L)
{
    struct fh_slice bytes = fh_bind_slice(L, 1);
    push_hex(L, (const unsigned char *)bytes.data, bytes.len);
    return 1;
}

static int random_bytes(lua_State *L)
{
    lua_Integer len = luaL_checkinteger(L, 1);
    luaL_argcheck(L, len >= 0 && len <= MAX_RANDOM_BYTES, 1, "0 to 65536 bytes");
    void *bytes = lua_newuserdata(L, (size_t)len + 1);
    fh_random_fill(&fh_vm_of(L)->random, bytes, (size_t)len);
    lua_pushlstring(L, bytes, (size_t)len);
    return 1;
}

static void push_base64(lua_State *L, struct fh_slice in, const char digits[static 64],
                        bool is_padded)
{
    const unsigned char *bytes = (const unsigned char *)in.data;
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < in.len; i += 3) {
        size_t have = in.len - i < 3 ? in.len - i : 3;
        unsigned bits = (unsigned)bytes[i] << 16;
        bits |= have > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        bits |= have > 2 ? bytes[i + 2] : 0;
        for (size_t digit = 0; digit < 4; digit++) {
            if (digit <= have) {
                luaL_addchar(&out, digits[(bits >> (18 - 6 * digit)) & 63]);
            } else if (is_padded) {
                luaL_addchar(&out, '=');
            }
        }
    }
    luaL_pushresult(&out);
}

static int base64_encode(lua_State *L)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    push_base64(L, fh_bind_slice(L, 1), digits, true);
    return 1;
}

static int base64url_encode(lua_State *L)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    push_base64(L, fh_bind_slice(L, 1), digits, false);
    return 1;
}

/* Standard and url alphabets, padding optional, white space ignored. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int base64_decode(lua_State *L)
{
    struct fh_slice in = fh_bind_slice(L, 1);
    while (in.len > 0 && (in.data[in.len - 1] == '=' || is_space(in.data[in.len - 1]))) {
        in.len--;
    }
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    unsigned bits = 0;
    int have = 0;
    size_t digits = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (is_space(in.data[i])) {
            continue;
        }
        int value = base64_value(in.data[i]);
        if (value < 0) {
            return 0;
        }
        bits = (bits << 6) | (unsigned)value;
        digits++;
        have += 6;
        if (have >= 8) {
            have -= 8;
            luaL_addchar(&out, (char)(bits >> have));
        }
    }
    if (digits % 4 == 1) {
        return 0;
    }
    luaL_pushresult(&out);
    return 1;
}

static int mac(lua_State *L)
{
    unsigned char code[FH_MAC_BYTES];
    struct fh_slice key = fh_bind_slice(L, 1);
    luaL_argcheck(L, key.len == FH_MAC_KEY_BYTES, 1, "a key has 32 bytes");
    fh_mac_make((const unsigned char *)key.data, fh_bind_slice(L, 2), code);
    lua_pushlstring(L, (const char *)code, sizeof(code));
    return 1;
}

static int equal(lua_State *L)
{
    lua_pushboolean(L, fh_mac_is_equal(fh_bind_slice(L, 1), fh_bind_slice(L, 2)));
    return 1;
}

static enum fh_log_level check_level(lua_State *L)
{
    int level = fh_log_level_from(fh_bind_slice(L, 1));
    luaL_argcheck(L, level >= 0 && level < FH_LOG_OFF, 1, "no such log level");
    return (enum fh_log_level)level;
}

static int log_line(lua_State *L)
{
    struct fh_log_field fields[MAX_FIELDS];
    int count = 0;
    enum fh_log_level level = check_level(L);
    if (lua_istable(L, 3)) {
        int pairs = (int)lua_objlen(L, 3) / 2;
        for (; count < pairs && count < MAX_FIELDS; count++) {
            lua_rawgeti(L, 3, 2 * count + 1);
            lua_rawgeti(L, 3, 2 * count + 2);
            luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 3,
                          "log fields are strings");
            fields[count].name = lua_tostring(L, -2);
            fields[count].value = fh_bind_slice(L, -1);
            lua_pop(L, 2); /* the table holds them */
        }
    }
    fh_log_fields(level, fh_bind_slice(L, 2), fields, count);
    return 0;
}

static int log_is_on(lua_State *L)
{
    lua_pushboolean(L, fh_log_is_on(check_level(L)));
    return 1;
}

#ifdef FH_FAULTS
static int fault(lua_State *L)
{
    int rc = fh_fault(luaL_checkstring(L, 1));
    if (rc == 0) {
        return 0;
    }
    lua_pushstring(L, fh_error_name(rc));
    return 1;
}
#endif

static int u32(lua_State *L)
{
    uint32_t number = (uint32_t)luaL_checknumber(L, 1);
    const char bytes[4] = {(char)(number >> 24), (char)(number >> 16), (char)(number >> 8),
                           (char)number};
    lua_pushlstring(L, bytes, sizeof(bytes));
    return 1;
}

static const double exact_max = 9007199254740992.; /* 2^53: whole numbers of a double end here */

static int u64(lua_State *L)
{
    double number = luaL_checknumber(L, 1);
    luaL_argcheck(L, number >= 0 && number <= exact_max && number == floor(number), 1,
                  "a whole number from 0 to 2^53");
    uint64_t bits = (uint64_t)number;
    char bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(bits >> (56 - 8 * i));
    }
    lua_pushlstring(L, bytes, sizeof(bytes));
    return 1;
}

static int from_u64(lua_State *L)
{
    struct fh_slice bytes = fh_bind_slice(L, 1);
    luaL_argcheck(L, bytes.len == 8, 1, "not 8 bytes");
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++) {
        bits = bits << 8 | (unsigned char)bytes.data[i];
    }
    luaL_argcheck(L, bits <= (uint64_t)exact_max, 1, "more than 2^53");
    lua_pushnumber(L, (double)bits);
    return 1;
}

/* Of a file: its folder and those above it. */
static int make_folders(lua_State *L, const char *path)
{
    enum { NEW_FOLDER_MODE = 0700 };
    for (const char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
        lua_pushlstring(L, path, (size_t)(end - path));
        int rc = mkdir(lua_tostring(L, -1), NEW_FOLDER_MODE);
        lua_pop(L, 1);
        if (rc != 0 && errno != EEXIST) {
            return -1;
        }
    }
    return 0;
}

static int write_file(lua_State *L)
{
    enum { NEW_FILE_MODE = 0600 };
    const char *path = luaL_checkstring(L, 1);
    struct fh_slice bytes = fh_bind_slice(L, 2);
    luaL_argcheck(L, path[0] != '\0', 1, "a path");
    if (make_folders(L, path) != 0) {
        lua_pushnil(L);
        lua_pushstring(L, strerror(errno));
        return 2;
    }
    struct fh_error err;
    if (fh_file_replace(path, NEW_FILE_MODE, bytes, &err) != 0) {
        lua_pushnil(L);
        lua_pushstring(L, err.detail);
        return 2;
    }
    lua_pushboolean(L, 1);
    return 1;
}

void fh_bind_system_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run_id", run_id},
                                         {"id_bytes", id_bytes},
                                         {"id_text", id_text},
                                         {"partition", partition},
                                         {"sha256", sha256},
                                         {"hash64", hash64},
                                         {"hex", hex},
                                         {"random", random_bytes},
                                         {"base64_encode", base64_encode},
                                         {"base64url_encode", base64url_encode},
                                         {"base64_decode", base64_decode},
                                         {"log", log_line},
                                         {"log_is_on", log_is_on},
#ifdef FH_FAULTS
                                         {"fault", fault},
#endif
                                         {"u32", u32},
                                         {"u64", u64},
                                         {"from_u64", from_u64},
                                         {"mac", mac},
                                         {"write_file", write_file},
                                         {"equal", equal},
                                         {NULL, NULL}};
    struct fh_vm *vm = fh_vm_of(L);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    lua_pushinteger(L, (lua_Integer)vm->context.shard);
    lua_setfield(L, -2, "shard");
    lua_pushinteger(L, (lua_Integer)(vm->context.shards ? vm->context.shards : 1));
    lua_setfield(L, -2, "shards");
    lua_pushliteral(L, FH_VERSION);
    lua_setfield(L, -2, "version");
}
