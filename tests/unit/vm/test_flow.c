/* SPDX-License-Identifier: MIT */
/* core.flow.resume: what a coroutine yields, returns and raises; its processor time and its memory. */
#include "vm_fixture.h"

#include "base/log.h"

enum { MIB = 1 << 20, MEMORY_MAX_BYTES = 48 * MIB, CPU_LIMIT_MS = 30, CPU_PLENTY_MS = 600 * 1000 };

static int setup_with(void **state, int64_t cpu_limit_ms)
{
    *state = bench_open(MEMORY_MAX_BYTES, cpu_limit_ms);
    bench_do(
        *state,
        "resume = core.flow.resume\n"
        "create = coroutine.create\n"
        "function run(code)\n"
        "  local fn = assert(loadstring(code))\n"
        "  require 'jit'.off(fn, true) -- as the loader does: hooks do not fire in compiled code\n"
        "  return resume(create(fn))\n"
        "end");
    return 0;
}

static int limits_setup(void **state)
{
    return setup_with(state, CPU_LIMIT_MS);
}

/* However slow the machine (or valgrind) is, it is the memory that ends a flow. */
static int memory_setup(void **state)
{
    return setup_with(state, CPU_PLENTY_MS);
}

#define WITH_LIMITS(test) cmocka_unit_test_setup_teardown(test, limits_setup, bench_teardown)
#define WITH_MEMORY(test) cmocka_unit_test_setup_teardown(test, memory_setup, bench_teardown)

/* The VM as C left it: no hook, no flow running, nothing charged to anybody. */
static void assert_engine_works(struct bench *bench)
{
    assert_false(bench->vm->is_in_flow);
    assert_null(lua_gethook(bench->vm->L));
    bench_do(bench, "local t = {}\n"
                    "for i = 1, 1e6 do t[i % 100] = i end\n"
                    "assert(select('#', resume(create(function() return 1 end))) == 2)\n"
                    "assert(#('x'):rep(8 * 2 ^ 20) == 8 * 2 ^ 20)");
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
}

/* --- values ----------------------------------------------------------------------------------- */

static void brings_what_is_yielded_and_returned(void **state)
{
    bench_do(
        *state,
        "local co = create(function(a, b)\n"
        "  local c, d = coroutine.yield(a + b, nil, 'x')\n"
        "  local e = select('#', coroutine.yield())\n"
        "  return c, d, e, nil\n"
        "end)\n"
        "local function list(...) return { n = select('#', ...), ... } end\n"
        "local one = list(resume(co, 3, 4))\n"
        "assert(one.n == 4 and one[1] == 'yield' and one[2] == 7 and one[3] == nil and one[4] == "
        "'x')\n"
        "local two = list(resume(co, 'c', false))\n"
        "assert(two.n == 1 and two[1] == 'yield')\n"
        "local three = list(resume(co, nil, nil))\n"
        "assert(three.n == 5 and three[1] == 'end' and three[2] == 'c' and three[3] == false)\n"
        "assert(three[4] == 2 and three[5] == nil)");
    assert_engine_works(*state);
}

static void takes_and_brings_many_values(void **state)
{
    bench_do(*state, "local many = {} for i = 1, 3000 do many[i] = i end\n"
                     "local co = create(function(...)\n"
                     "  assert(select('#', ...) == 3000)\n"
                     "  assert(select('#', coroutine.yield(...)) == 3000)\n"
                     "  return unpack(many)\n"
                     "end)\n"
                     "assert(select('#', resume(co, unpack(many))) == 3001)\n"
                     "local how, first = resume(co, unpack(many))\n"
                     "assert(how == 'end' and first == 1)");
}

static void errors_keep_their_value(void **state)
{
    bench_do(*state,
             "local function check(value)\n"
             "  local how, got, code, more = resume(create(function() error(value, 0) end))\n"
             "  assert(how == 'error' and got == value and code == nil and more == nil)\n"
             "end\n"
             "check 'text' check(42) check(nil) check(false) check {} check(print) "
             "check(create(print))\n"
             "check(setmetatable({}, { __tostring = error }))");
    assert_engine_works(*state);
}

static void an_ended_coroutine_is_refused(void **state)
{
    bench_do(*state, "local ended = create(function() return 1 end)\n"
                     "resume(ended)\n"
                     "assert(not pcall(resume, ended)) assert(not pcall(resume, ended, 1, 2))\n"
                     "local failed = create(function() error 'x' end)\n"
                     "resume(failed)\n"
                     "assert(not pcall(resume, failed)) assert(not pcall(resume, failed, 1, 2))\n"
                     "local itself\n"
                     "itself = create(function() return pcall(resume, itself) end)\n"
                     "local how, ok = resume(itself)\n"
                     "assert(how == 'end' and not ok)\n"
                     "assert(not pcall(resume)) assert(not pcall(resume, 'x')) assert(not "
                     "pcall(resume, print))");
    assert_engine_works(*state);
}

/* The stack of what failed is still there for a traceback. */
static void a_failed_coroutine_keeps_its_stack(void **state)
{
    bench_do(*state, "local function deep() error 'x' end\n"
                     "local co = create(function() deep() return 1 end)\n"
                     "resume(co)\n"
                     "assert(debug.traceback(co):find \"in function 'deep'\")");
}

/* --- processor time --------------------------------------------------------------------------- */

static void assert_cpu_limit(struct bench *bench, const char *code)
{
    char text[1024];
    snprintf(text, sizeof(text), "how, value, code = run [==[%s]==]", code);
    bench_do(bench, text);
    assert_string_equal(bench_get(bench, "how"), "error");
    assert_string_equal(bench_get(bench, "code"), "CPU_LIMIT");
    assert_engine_works(bench);
}

static void ends_a_loop(void **state)
{
    assert_cpu_limit(*state, "while true do end");
    assert_cpu_limit(*state, "local function f() return f() end return f()");
    assert_cpu_limit(
        *state, "local t = setmetatable({}, { __index = function(t, k) while true do end end })\n"
                "return t.x");
    assert_cpu_limit(*state, "table.sort({ 3, 2, 1 }, function() while true do end end)");
    assert_cpu_limit(*state, "string.gsub('xx', 'x', function() while true do end end)");
    assert_cpu_limit(*state, "for _ in function() return 1 end do end");
}

static void ends_a_loop_behind_pcall(void **state)
{
    assert_cpu_limit(*state, "while true do pcall(function() while true do end end) end");
    assert_cpu_limit(*state, "pcall(pcall, pcall, function() while true do end end)\n"
                             "while true do end");
    assert_cpu_limit(*state, "xpcall(function() while true do end end, function(e) return e end)\n"
                             "while true do end");
}

/* No instruction follows the pcall that caught it: the coroutine ends as if all was well. */
static void ends_a_loop_in_a_last_pcall(void **state)
{
    assert_cpu_limit(*state, "return pcall(function() while true do end end)");
    assert_cpu_limit(*state, "return pcall(pcall, function() while true do end end)");
    assert_cpu_limit(*state, "return xpcall(function() while true do end end, function() end)");
    assert_cpu_limit(*state, "return select(3, pcall(function() while true do end end))");
    assert_cpu_limit(*state, "return coroutine.yield(pcall(function() while true do end end))");
}

static void ends_a_loop_in_a_coroutine(void **state)
{
    assert_cpu_limit(*state, "local w = coroutine.wrap(function() while true do end end) w()");
    assert_cpu_limit(*state, "local w = coroutine.wrap(function() while true do end end)\n"
                             "while true do pcall(w) end");
    assert_cpu_limit(*state,
                     "while true do\n"
                     "  coroutine.resume(coroutine.create(function() while true do end end))\n"
                     "end");
    assert_cpu_limit(
        *state, "local w = coroutine.wrap(function() while true do coroutine.yield() end end)\n"
                "while true do w() end");
    assert_cpu_limit(*state,
                     "return coroutine.resume(coroutine.create(function() while true do end end))");
}

/* The flow that was thrown out has spent its own time, not that of the next one. */
static void the_next_resume_has_all_its_time(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "function work() local n = 0 for i = 1, 15000 do n = n + i end return n end");
    for (int i = 0; i < 10; i++) {
        bench_do(bench, "how, value, code = run 'while true do end'\n"
                        "assert(code == 'CPU_LIMIT')\n"
                        "how, value, code = resume(create(work))\n"
                        "assert(how == 'end', value)");
    }
}

/* Each wait brings new time: a flow that yields may run for ever. */
static void each_yield_begins_anew(void **state)
{
    struct bench *bench = *state;
    int64_t start_us = fh_clock_mono_us(&fh_clock_system);
    bench_do(bench, "co = create(function()\n"
                    "  local n = 0\n"
                    "  while true do for i = 1, 10000 do n = n + i end coroutine.yield(n) end\n"
                    "end)");
    while (fh_clock_mono_us(&fh_clock_system) - start_us < 5 * CPU_LIMIT_MS * 1000) {
        bench_do(bench, "how, value = resume(co) assert(how == 'yield', value)");
    }
}

static void the_engine_itself_has_no_limit(void **state)
{
    struct bench *bench = *state;
    bench_do(bench,
             "run 'while true do end'\n"
             "local engine = function() local n = 0 for i = 1, 2e7 do n = n + i % 3 end end\n"
             "require 'jit'.off(engine)\n"
             "engine()");
}

/* --- memory ----------------------------------------------------------------------------------- */

static void assert_memory_limit(struct bench *bench, const char *code)
{
    char text[1024];
    snprintf(text, sizeof(text), "how, value, code = run [==[%s]==] value = nil", code);
    bench_do(bench, text);
    assert_string_equal(bench_get(bench, "how"), "error");
    assert_string_equal(bench_get(bench, "code"), "MEMORY_LIMIT");
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
    assert_true(bench->vm->used_bytes < MEMORY_MAX_BYTES / 2);
    assert_engine_works(bench);
}

static void ends_a_memory_bomb(void **state)
{
    bench_do(*state, "collectgarbage 'stop'");
    assert_memory_limit(*state, "local s = 'x' while true do s = s .. s end");
    assert_memory_limit(*state, "return ('x'):rep(100 * 2 ^ 20)");
    assert_memory_limit(*state,
                        "local t = {} while true do t[#t + 1] = ('x'):rep(2 ^ 20) .. #t end");
    assert_memory_limit(*state, "local t = require 'table.new' (2 ^ 24, 0)");
}

/* Between two coroutines of a flow it is an error like others, which the outer one may catch. */
static void a_bomb_in_a_coroutine_is_an_error(void **state)
{
    bench_do(
        *state,
        "how, value = run [[local w = coroutine.wrap(function() return ('x'):rep(2 ^ 30) end)\n"
        "  local ok, err = pcall(w)\n"
        "  return not ok and err:find 'not enough memory' ~= nil]]\n"
        "assert(how == 'end' and value == true)");
    assert_engine_works(*state);
}

/* Full to the brim, with the bomb still held: the engine has a reserve of its own. */
static void the_engine_works_while_a_flow_holds_all(void **state)
{
    struct bench *bench = *state;
    bench_do(bench, "held = {}\n"
                    "core.on('mail', function(...) log = ('y'):rep(2 ^ 20) .. #held end)\n"
                    "how, value, code = resume(create(function()\n"
                    "  while true do held[#held + 1] = ('x'):rep(2 ^ 18) .. #held end\n"
                    "end))");
    assert_string_equal(bench_get(bench, "code"), "MEMORY_LIMIT");
    assert_true(bench->vm->used_bytes > MEMORY_MAX_BYTES - MIB);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_MAIL, NULL, NULL, NULL, NULL), 0);
    }
    bench_do(bench, "held = nil");
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
    assert_engine_works(bench);
}

/* Beyond the reserve the gate says so, and the VM lives. */
static void a_bomb_in_the_engine_is_an_error(void **state)
{
    struct bench *bench = *state;
    struct fh_error err = {0, ""};
    bench_do(bench, "core.on('mail', function() local s = 'x' while true do s = s .. s end end)");
    assert_int_equal(fh_vm_call(bench->vm, FH_EVENT_MAIL, NULL, NULL, NULL, &err),
                     FH_E_MEMORY_LIMIT);
    assert_non_null(strstr(err.detail, "not enough memory"));
    lua_gc(bench->vm->L, LUA_GCCOLLECT, 0);
    assert_engine_works(bench);
}

/* What the cap counts is what LuaJIT has: neither drifts off while memory grows and shrinks. */
static void counts_what_is_used(void **state)
{
    struct bench *bench = *state;
    lua_State *L = bench->vm->L;
    size_t off_bytes = 0;
    for (int i = 0; i < 5; i++) {
        bench_do(bench,
                 "run 'local t = {} while true do t[#t + 1] = (\"x\"):rep(2 ^ 18) .. #t end'\n"
                 "local t = {} for i = 1, 1e5 do t[i] = { i } end\n"
                 "for i = 1, 100 do create(function() end) end");
        lua_gc(L, LUA_GCCOLLECT, 0);
        lua_gc(L, LUA_GCCOLLECT, 0);
        size_t count_bytes =
            (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
        size_t now_off_bytes = bench->vm->used_bytes - count_bytes;
        assert_true(i == 0 || now_off_bytes == off_bytes);
        off_bytes = now_off_bytes;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LIMITS(brings_what_is_yielded_and_returned),
        WITH_LIMITS(takes_and_brings_many_values),
        WITH_LIMITS(errors_keep_their_value),
        WITH_LIMITS(an_ended_coroutine_is_refused),
        WITH_LIMITS(a_failed_coroutine_keeps_its_stack),
        WITH_LIMITS(ends_a_loop),
        WITH_LIMITS(ends_a_loop_behind_pcall),
        WITH_LIMITS(ends_a_loop_in_a_last_pcall),
        WITH_LIMITS(ends_a_loop_in_a_coroutine),
        WITH_LIMITS(the_next_resume_has_all_its_time),
        WITH_LIMITS(each_yield_begins_anew),
        WITH_LIMITS(the_engine_itself_has_no_limit),
        WITH_MEMORY(ends_a_memory_bomb),
        WITH_MEMORY(a_bomb_in_a_coroutine_is_an_error),
        WITH_MEMORY(the_engine_works_while_a_flow_holds_all),
        WITH_MEMORY(a_bomb_in_the_engine_is_an_error),
        WITH_MEMORY(counts_what_is_used),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
