/* SPDX-License-Identifier: MIT */
#include "vm/setup.h"

#include "vm/bind.h"

struct ask {
    const struct fh_pair *pairs; /* given settings, or files */
    size_t pair_count;
    const struct fh_pair *settings;
    size_t setting_count;
    char *const *words; /* of the command line, or the environment */
    int word_count;
    struct fh_slice host_file;
    fh_setup_set set;
    fh_setup_on_problem on_problem;
    void *arg;
    int result;
};

static void push_pairs(lua_State *L, const struct fh_pair *pairs, size_t count)
{
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        fh_bind_push_slice(L, pairs[i].value);
        lua_setfield(L, -2, pairs[i].name);
    }
}

static void push_environment(lua_State *L, char *const *environment)
{
    lua_newtable(L);
    for (; environment && *environment; environment++) {
        const char *equals = strchr(*environment, '=');
        if (equals) {
            lua_pushlstring(L, *environment, (size_t)(equals - *environment));
            lua_pushstring(L, equals + 1);
            lua_rawset(L, -3);
        }
    }
}

/* Each text field of the answer. */
static void take_settings(lua_State *L, int index, void *arg)
{
    struct ask *ask = arg;
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING) {
            ask->set(ask->arg, lua_tostring(L, -2), lua_tostring(L, -1));
        }
    }
}

static int push_arguments(lua_State *L, void *arg)
{
    const struct ask *ask = arg;
    lua_pushliteral(L, "arguments");
    lua_createtable(L, ask->word_count, 0);
    for (int i = 0; i < ask->word_count; i++) {
        lua_pushstring(L, ask->words[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 2;
}

int fh_setup_arguments(struct fh_vm *vm, int count, char *const *words, fh_setup_set set, void *arg,
                       struct fh_error *err)
{
    struct ask ask = {.words = words, .word_count = count, .set = set, .arg = arg};
    return fh_vm_call(vm, FH_EVENT_SETUP, push_arguments, take_settings, &ask, err);
}

static int push_settings(lua_State *L, void *arg)
{
    const struct ask *ask = arg;
    lua_pushliteral(L, "settings");
    lua_createtable(L, 0, 3);
    push_pairs(L, ask->pairs, ask->pair_count);
    lua_setfield(L, -2, "given");
    push_environment(L, ask->words);
    lua_setfield(L, -2, "environment");
    if (ask->host_file.data) {
        fh_bind_push_slice(L, ask->host_file);
        lua_setfield(L, -2, "host_file");
    }
    return 2;
}

int fh_setup_settings(struct fh_vm *vm, const struct fh_pair *given, size_t count,
                      char *const *environment, struct fh_slice host_file, fh_setup_set set,
                      void *arg, struct fh_error *err)
{
    struct ask ask = {.pairs = given, .pair_count = count, .words = environment};
    ask.host_file = host_file;
    ask.set = set;
    ask.arg = arg;
    return fh_vm_call(vm, FH_EVENT_SETUP, push_settings, take_settings, &ask, err);
}

static int push_load(lua_State *L, void *arg)
{
    const struct ask *ask = arg;
    push_pairs(L, ask->pairs, ask->pair_count);
    push_pairs(L, ask->settings, ask->setting_count);
    return 2;
}

static void take_problems(lua_State *L, int index, void *arg)
{
    struct ask *ask = arg;
    luaL_checktype(L, index, LUA_TTABLE);
    ask->result = (int)lua_objlen(L, index);
    for (int i = 1; ask->on_problem && i <= ask->result; i++) {
        lua_rawgeti(L, index, i);
        lua_getfield(L, -1, "file");
        lua_getfield(L, -2, "line");
        lua_getfield(L, -3, "message");
        ask->on_problem(ask->arg, luaL_optstring(L, -3, "?"), (int)lua_tointeger(L, -2),
                        luaL_optstring(L, -1, "?"));
        lua_settop(L, index);
    }
}

int fh_setup_load(struct fh_vm *vm, const struct fh_pair *files, size_t file_count,
                  const struct fh_pair *settings, size_t setting_count,
                  fh_setup_on_problem on_problem, void *arg, struct fh_error *err)
{
    struct ask ask = {.pairs = files, .pair_count = file_count};
    ask.settings = settings;
    ask.setting_count = setting_count;
    ask.on_problem = on_problem;
    ask.arg = arg;
    int rc = fh_vm_call(vm, FH_EVENT_LOAD, push_load, take_problems, &ask, err);
    return rc < 0 ? rc : ask.result;
}

static int push_change(lua_State *L, void *arg)
{
    const struct fh_setup_change *change = arg;
    push_pairs(L, change->files, change->file_count);
    lua_createtable(L, (int)change->removed_count, 0);
    for (size_t i = 0; i < change->removed_count; i++) {
        lua_pushstring(L, change->removed[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    push_pairs(L, change->problems, change->problem_count);
    lua_pushboolean(L, change->is_asked);
    return 4;
}

int fh_setup_reload(struct fh_vm *vm, const struct fh_setup_change *change, struct fh_error *err)
{
    return fh_vm_call(vm, FH_EVENT_RELOAD, push_change, NULL, (void *)change, err);
}

struct command {
    const char *name;
    const char *arguments;
    struct fh_error *err; /* code 0 unless Lua refuses it */
};

static int push_command(lua_State *L, void *arg)
{
    const struct command *command = arg;
    lua_pushstring(L, command->name);
    lua_pushstring(L, command->arguments);
    return 2;
}

static void take_refusal(lua_State *L, int index, void *arg)
{
    struct command *command = arg;
    if (!lua_isnil(L, index)) {
        fh_error_set(command->err, FH_E_USAGE, "%s", luaL_checkstring(L, index));
    }
}

int fh_setup_command(struct fh_vm *vm, const char *name, const char *arguments,
                     struct fh_error *err)
{
    struct command command = {name, arguments, err};
    err->code = 0;
    int rc = fh_vm_call(vm, FH_EVENT_COMMAND, push_command, take_refusal, &command, err);
    return rc == 0 ? err->code : rc;
}

int fh_setup_exit_code(const struct fh_vm *vm)
{
    return vm->exit_code;
}

int fh_setup_start(struct fh_vm *vm, struct fh_error *err)
{
    return fh_vm_call(vm, FH_EVENT_START, NULL, NULL, NULL, err);
}

static void take_count(lua_State *L, int index, void *arg)
{
    ((struct ask *)arg)->result = (int)lua_tointeger(L, index);
}

int fh_setup_test(struct fh_vm *vm, const struct fh_pair *files, size_t file_count,
                  const struct fh_pair *settings, size_t setting_count, struct fh_error *err)
{
    struct ask ask = {.pairs = files, .pair_count = file_count};
    ask.settings = settings;
    ask.setting_count = setting_count;
    int rc = fh_vm_call(vm, FH_EVENT_TEST, push_load, take_count, &ask, err);
    return rc < 0 ? rc : ask.result;
}

int fh_setup_drain(struct fh_vm *vm)
{
    struct ask ask = {0};
    return fh_vm_call(vm, FH_EVENT_DRAIN, NULL, take_count, &ask, NULL) == 0 ? ask.result : 0;
}
