/* SPDX-License-Identifier: MIT */
#include "vm/vm.h"

#include "base/buf.h"
#include "base/log.h"
#include "crypto/hash.h"
#include "vm/bind.h"
#include "vm/embedded.h"
#include "vm/json.h"

#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_CPU_LIMIT_MS = 1000, PAUSE_SMALL = 300, PAUSE_LARGE = 120 };
static const size_t default_memory_max_bytes = (size_t)512 << 20;
/* What the engine may use beyond a flow's cap, so that a memory bomb cannot break the host's own code. */
static const size_t engine_reserve_bytes = (size_t)64 << 20;

static const char vm_key = 'v';

static const char *const event_names[] = {
#define FH_EVENT_NAME(symbol, name) name,
    FH_EVENT_LIST(FH_EVENT_NAME)
#undef FH_EVENT_NAME
        NULL, /* the end, for luaL_checkoption */
};

/* Most of what runs make is dead when they end: while little is used, collecting seldom saves marking.
 * When much of the cap is used, what is dead must not grow into the cap. */
static void set_pause(struct fh_vm *vm, bool is_large)
{
    vm->is_large = is_large;
    lua_gc(vm->L, LUA_GCSETPAUSE, is_large ? PAUSE_LARGE : PAUSE_SMALL);
}

static void watch_size(struct fh_vm *vm)
{
    size_t max = vm->context.memory_max_bytes;
    if (vm->is_large ? vm->used_bytes < max / 16 : vm->used_bytes > max / 8) {
        set_pause(vm, !vm->is_large);
    }
}

/* LuaJIT's own allocator, counted and capped. */
static void *allocate(void *arg, void *old, size_t old_bytes, size_t new_bytes)
{
    struct fh_vm *vm = arg;
    if (!old) {
        old_bytes = 0;
    }
    if (new_bytes == 0) {
        vm->used_bytes -= old_bytes;
        watch_size(vm);
        return vm->allocate(vm->allocate_arg, old, old_bytes, 0);
    }
    size_t cap = vm->context.memory_max_bytes + (vm->is_in_flow ? 0 : engine_reserve_bytes);
    if (new_bytes > old_bytes && vm->used_bytes - old_bytes + new_bytes > cap) {
        vm->was_refused = true;
        return NULL;
    }
    void *block = vm->allocate(vm->allocate_arg, old, old_bytes, new_bytes);
    if (block) {
        vm->used_bytes += new_bytes - old_bytes;
        watch_size(vm);
    }
    return block;
}

struct fh_vm *fh_vm_of(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&vm_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
    struct fh_vm *vm = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return vm;
}

int fh_bind_fail(lua_State *L, int code, const char *detail)
{
    lua_pushnil(L);
    lua_pushstring(L, fh_error_name(code));
    lua_pushstring(L, detail && detail[0] ? detail : fh_error_text(code));
    return 3;
}

void fh_bind_class(lua_State *L, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(L, name);
    luaL_register(L, NULL, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

/* core.on(event, fn) */
static int on_register(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    int event = luaL_checkoption(L, 1, NULL, event_names);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_unref(L, LUA_REGISTRYINDEX, vm->handlers[event]);
    vm->handlers[event] = LUA_NOREF;
    lua_settop(L, 2);
    vm->handlers[event] = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* --- library ---------------------------------------------------------------------------------- */

#ifdef FH_LUA_TREE
/* The tree's text under the embedded file's chunk name, so that a stack trace reads the same. */
static int load_from_tree(lua_State *L, const struct fh_embedded *file, const char *chunkname)
{
    char path[512];
    struct fh_buf text;
    char block[4096];
    size_t got;
    fh_buf_init(&text, 16 << 20);
    snprintf(path, sizeof(path), "%s/%s", FH_LUA_TREE, file->name);
    FILE *stream = fopen(path, "re");
    while (stream && (got = fread(block, 1, sizeof(block), stream)) > 0) {
        fh_buf_push(&text, block, got);
    }
    if (stream) {
        fclose(stream);
    }
    int rc = stream ? luaL_loadbuffer(L, text.data, text.len, chunkname) : -1;
    fh_buf_deinit(&text);
    return rc;
}
#endif

static int load_embedded(lua_State *L, const struct fh_embedded *file)
{
    char chunkname[160];
    snprintf(chunkname, sizeof(chunkname), "@%s", file->name);
#ifdef FH_LUA_TREE
    int rc = load_from_tree(L, file, chunkname);
    if (rc >= 0) {
        return rc;
    }
#endif
    return luaL_loadbuffer(L, (const char *)file->data, file->len, chunkname);
}

static const struct fh_embedded *find_embedded(const char *name)
{
    for (size_t i = 0; i < fh_embedded_count; i++) {
        if (strcmp(fh_embedded_files[i].name, name) == 0) {
            return &fh_embedded_files[i];
        }
    }
    return NULL;
}

/* package.loaders: module "a.b" is the embedded file a/b.lua or a/b/init.lua. */
static int search_embedded(lua_State *L)
{
    const char *path = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
    const struct fh_embedded *file = find_embedded(lua_pushfstring(L, "%s.lua", path));
    if (!file) {
        file = find_embedded(lua_pushfstring(L, "%s/init.lua", path));
    }
    if (!file) {
        lua_pushfstring(L, "\n\tno module '%s' in the program", path);
        return 1;
    }
    if (load_embedded(L, file) != 0) {
        return lua_error(L);
    }
    if (strncmp(file->name, "flowhost/flow/", 14) == 0) {
        /* What flows call to loop for them must be interruptible as they are. */
        luaJIT_setmode(L, -1, LUAJIT_MODE_ALLFUNC | LUAJIT_MODE_OFF);
    }
    return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction open)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, open);
    lua_setfield(L, -2, name);
    lua_pop(L, 2);
}

/* The program needs no path: what is not inside it is not found. */
static void set_loaders(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_createtable(L, 2, 0);
    lua_getfield(L, -2, "loaders");
    lua_rawgeti(L, -1, 1); /* package.preload */
    lua_rawseti(L, -3, 1);
    lua_pop(L, 1);
    lua_pushcfunction(L, search_embedded);
    lua_rawseti(L, -2, 2);
    lua_setfield(L, -2, "loaders");
    lua_pop(L, 1);
}

/* Of the Lua modules that are linked in: LPeg and LuaExpat. For the engine; flows cannot require them. */
int luaopen_lpeg(lua_State *L);
int luaopen_lxp(lua_State *L);

static int open_core(lua_State *L)
{
    static const struct {
        const char *name;
        void (*open)(lua_State *L);
    } parts[] = {
        {"http", fh_bind_http_open},       {"store", fh_bind_store_open},
        {"client", fh_bind_client_open},   {"timer", fh_bind_timer_open},
        {"system", fh_bind_system_open},   {"shard", fh_bind_shard_open},
        {"native", fh_bind_native_open},   {"flow", fh_bind_flow_open},
        {"command", fh_bind_command_open}, {"keystore", fh_bind_keystore_open},
        {"access", fh_bind_access_open},   {"crypto", fh_bind_crypto_open},
    };
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        parts[i].open(L);
        lua_setfield(L, -2, parts[i].name);
    }
    fh_json_open(L);
    lua_setfield(L, -2, "json");
    lua_pushcfunction(L, on_register);
    lua_setfield(L, -2, "on");
    return 1;
}

/* Runs the event's handler: [frame] -> handler(arguments) -> take. */
struct frame {
    struct fh_vm *vm;
    enum fh_event event;
    fh_vm_push push;
    fh_vm_take take;
    void *arg;
};

static int run_frame(lua_State *L)
{
    struct frame *frame = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, frame->vm->handlers[frame->event]);
    int count = frame->push ? frame->push(L, frame->arg) : 0;
    lua_call(L, count, frame->take ? 1 : 0);
    if (frame->take) {
        frame->take(L, lua_gettop(L), frame->arg);
    }
    return 0;
}

static int set_up(lua_State *L)
{
    struct fh_vm *vm = lua_touserdata(L, 1);
    lua_pushlightuserdata(L, (void *)&vm_key);
    lua_pushlightuserdata(L, vm);
    lua_rawset(L, LUA_REGISTRYINDEX);
    luaL_openlibs(L);
    fh_json_register(L);
    set_loaders(L);
    preload(L, "flowhost.core", open_core);
    preload(L, "lpeg", luaopen_lpeg);
    preload(L, "lxp", luaopen_lxp);
    lua_pushcfunction(L, run_frame);
    vm->trampoline = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "flowhost.boot");
    lua_call(L, 1, 0);
    return 0;
}

/* --- open, close ------------------------------------------------------------------------------ */

int fh_vm_open(struct fh_vm **out, const struct fh_vm_context *context, struct fh_error *err)
{
    struct fh_vm *vm = fh_hash_init() == 0 ? calloc(1, sizeof(*vm)) : NULL;
    if (!vm) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for a Lua state");
    }
    vm->context = *context;
    if (vm->context.memory_max_bytes == 0) {
        vm->context.memory_max_bytes = default_memory_max_bytes;
    }
    if (vm->context.cpu_limit_ms == 0) {
        vm->context.cpu_limit_ms = DEFAULT_CPU_LIMIT_MS;
    }
    fh_list_init(&vm->timers);
    fh_list_init(&vm->questions);
    vm->exit_code = -1;
    for (int i = 0; i < FH_EVENT_COUNT; i++) {
        vm->handlers[i] = LUA_NOREF;
    }
    vm->L = luaL_newstate();
    if (!vm->L) {
        free(vm);
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for a Lua state");
    }
    vm->allocate = lua_getallocf(vm->L, &vm->allocate_arg);
    vm->used_bytes = (size_t)lua_gc(vm->L, LUA_GCCOUNT, 0) * 1024;
    lua_setallocf(vm->L, allocate, vm);
    set_pause(vm, false);
    fh_budget_init(&vm->budget, vm->L, vm->context.cpu_limit_ms);
    int rc = lua_cpcall(vm->L, set_up, vm);
    if (rc != 0) {
        fh_error_set(err, FH_E_LUA, "the Lua library does not load: %s", lua_tostring(vm->L, -1));
        fh_vm_close(vm);
        return FH_E_LUA;
    }
    *out = vm;
    return 0;
}

void fh_vm_mute(struct fh_vm *vm)
{
    vm->is_muted = true;
    fh_bind_timer_stop_all(vm);
}

void fh_vm_close(struct fh_vm *vm)
{
    if (!vm) {
        return;
    }
    fh_bind_timer_stop_all(vm);
    fh_bind_command_forget_all(vm);
    fh_budget_deinit(&vm->budget);
    lua_setallocf(vm->L, vm->allocate, vm->allocate_arg);
    lua_close(vm->L);
    free(vm);
}

/* --- the gate --------------------------------------------------------------------------------- */

static int traceback(lua_State *L)
{
    if (lua_isstring(L, 1)) {
        luaL_traceback(L, L, lua_tostring(L, 1), 1);
    }
    return 1;
}

/* LuaJIT does not collect when an allocation fails: what earlier runs left would be counted against
 * the next flow. So it is cleared away between two events, when the cap comes near or was met. */
static void make_room(struct fh_vm *vm)
{
    size_t max = vm->context.memory_max_bytes;
    if (vm->kept_bytes > vm->used_bytes) {
        vm->kept_bytes = vm->used_bytes;
    }
    bool is_near = vm->used_bytes > max / 2 && vm->used_bytes > vm->kept_bytes + max / 8;
    if ((is_near || vm->was_refused) && !vm->is_in_flow) {
        vm->was_refused = false;
        lua_gc(vm->L, LUA_GCCOLLECT, 0);
        vm->kept_bytes = vm->used_bytes;
    }
}

int fh_vm_call(struct fh_vm *vm, enum fh_event event, fh_vm_push push, fh_vm_take take, void *arg,
               struct fh_error *err)
{
    if (vm->handlers[event] == LUA_NOREF) {
        return fh_error_set(err, FH_E_NOT_FOUND, "no handler for '%s'", event_names[event]);
    }
    struct frame frame = {vm, event, push, take, arg};
    lua_State *L = vm->L;
    int top = lua_gettop(L);
    lua_pushcfunction(L, traceback);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->trampoline);
    lua_pushlightuserdata(L, &frame);
    int rc = lua_pcall(L, 1, 0, top + 1);
    if (rc != 0) {
        const char *message = lua_tostring(L, -1);
        rc = fh_error_set(err, rc == LUA_ERRMEM ? FH_E_MEMORY_LIMIT : FH_E_LUA, "%s",
                          message ? message : "error object without a message");
    }
    lua_settop(L, top);
    make_room(vm);
    return rc;
}

void fh_vm_emit(struct fh_vm *vm, enum fh_event event, fh_vm_push push, void *arg)
{
    struct fh_error err;
    if (vm->is_muted) {
        return;
    }
    if (fh_vm_call(vm, event, push, NULL, arg, &err) != 0) {
        fh_log(FH_LOG_ERROR, "handler of '%s' failed: %s", event_names[event], err.detail);
    }
}
