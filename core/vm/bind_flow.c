/* SPDX-License-Identifier: MIT */
/* core.flow: running a flow's coroutine under its limits.
 *
 *   resume(co, ...) -> "yield", values ... | "end", values ... | "error", value, code
 *   resume_more(co, ...)      the same, on what the last resume left of the processor time
 *   is_over_budget() -> boolean   what is being run has used its time up and is being ended
 *   line() -> "file:line"     the innermost line of the flow's own that is being run, "" when there is none
 *
 * `code` is "CPU_LIMIT" or "MEMORY_LIMIT" when a limit ended it (budget.h, vm.c), else nil. The dead
 * coroutine keeps its stack for a traceback. */
#include "vm/bind.h"

enum { MAX_FRAMES = 20 };

/* A flow over budget may have ended well (rc 0) when a pcall caught the error and no instruction came after that. */
static int push_error(lua_State *L, lua_State *co, int rc, const char *code)
{
    lua_settop(L, 0);
    lua_pushliteral(L, "error");
    if (rc == 0 || rc == LUA_YIELD) {
        lua_settop(co, 0);
        lua_pushstring(L, code);
    } else {
        lua_xmove(co, L, 1);
    }
    if (code) {
        lua_pushstring(L, code);
    } else {
        lua_pushnil(L);
    }
    return 3;
}

/* lua_resume itself does not look: it would call whatever lies on the stack of an ended one. */
static bool can_resume(lua_State *co)
{
    lua_Debug frame;
    return lua_status(co) == LUA_YIELD ||
           (lua_status(co) == 0 && lua_gettop(co) == 1 && !lua_getstack(co, 0, &frame));
}

static int resume_with(lua_State *L, void (*start)(struct fh_budget *budget))
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argcheck(L, co, 1, "coroutine expected");
    luaL_argcheck(L, can_resume(co), 1, "the coroutine has ended");
    struct fh_vm *vm = fh_vm_of(L);
    int count = lua_gettop(L) - 1;
    if (!lua_checkstack(co, count + 1)) {
        return luaL_error(L, "too many arguments to resume");
    }
    lua_xmove(L, co, count);
    vm->is_in_flow = true;
    start(&vm->budget);
    int rc = lua_resume(co, count);
    fh_budget_stop(&vm->budget);
    vm->is_in_flow = false;
    if (vm->budget.is_over) {
        return push_error(L, co, rc, "CPU_LIMIT");
    }
    if (rc == LUA_ERRMEM) {
        return push_error(L, co, rc, "MEMORY_LIMIT");
    }
    if (rc != 0 && rc != LUA_YIELD) {
        return push_error(L, co, rc, NULL);
    }
    int results = lua_gettop(co);
    luaL_checkstack(L, results + 1, "too many results");
    lua_pushstring(L, rc == LUA_YIELD ? "yield" : "end");
    lua_xmove(co, L, results);
    return results + 1;
}

static int resume(lua_State *L)
{
    return resume_with(L, fh_budget_start);
}

static int resume_more(lua_State *L)
{
    return resume_with(L, fh_budget_continue);
}

/* Chunks of the Lua library are named "@flowhost/..."; those of flows by their path in the folder. */
static bool is_flow_source(const char *source)
{
    return source[0] == '@' && strncmp(source + 1, "flowhost/", 9) != 0;
}

static int line(lua_State *L)
{
    lua_Debug frame;
    for (int level = 1; level < MAX_FRAMES && lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sl", &frame);
        if (is_flow_source(frame.source)) {
            lua_pushfstring(L, "%s:%d", frame.source + 1, frame.currentline);
            return 1;
        }
    }
    lua_pushliteral(L, "");
    return 1;
}

static int is_over_budget(lua_State *L)
{
    lua_pushboolean(L, fh_vm_of(L)->budget.is_over);
    return 1;
}

void fh_vm_leave_thread(struct fh_vm *vm)
{
    fh_budget_deinit(&vm->budget);
}

void fh_bind_flow_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"resume", resume},
                                         {"resume_more", resume_more},
                                         {"line", line},
                                         {"is_over_budget", is_over_budget},
                                         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
