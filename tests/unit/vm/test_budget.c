/* SPDX-License-Identifier: MIT */
/* The timer behind a flow's processor time: long calls of C, several VMs, several threads. What it ends: test_flow.c. */
#include "vm_fixture.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { CPU_LIMIT_MS = 30, MEMORY_MAX_BYTES = 256 << 20 };

static struct bench *open_limited(void)
{
    struct bench *bench = bench_open(MEMORY_MAX_BYTES, CPU_LIMIT_MS);
    bench_do(bench, "resume, create = core.flow.resume, coroutine.create\n"
                    "function flow(code)\n"
                    "  local fn = assert(loadstring(code))\n"
                    "  require 'jit'.off(fn, true)\n"
                    "  return create(fn)\n"
                    "end\n"
                    "function is_ended(co)\n"
                    "  local how, value, code = resume(co)\n"
                    "  return how == 'error' and code == 'CPU_LIMIT'\n"
                    "end\n"
                    "function ends_a_loop() return is_ended(flow 'while true do end') end");
    return bench;
}

/* On any thread: cmocka's own assertions are for the test's. */
static bool ends_a_loop(struct bench *bench)
{
    lua_State *L = bench->vm->L;
    lua_getglobal(L, "ends_a_loop");
    bool is_so = lua_pcall(L, 0, 1, 0) == 0 && lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_so && !lua_gethook(L);
}

static int64_t thread_cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void ends_a_loop_of_long_c_calls(void **state)
{
    static const char *const loops[] = {
        "while true do local _ = ('x'):rep(64 * 2 ^ 20):find('y', 1, true) end",
        "while true do pcall(string.rep, 'x', 16 * 2 ^ 20) end",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.concat(t) end",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        struct bench *bench = open_limited();
        char code[256];
        snprintf(code, sizeof(code), "assert(is_ended(flow [==[%s]==]))", loops[i]);
        int64_t start_us = thread_cpu_us();
        bench_do(bench, code);
        assert_true(thread_cpu_us() - start_us >= CPU_LIMIT_MS * 1000);
        bench_close(bench);
    }
}

/* Nobody is ended before his time: what the engine and earlier flows computed is not his. */
static void never_ends_a_flow_early(void **state)
{
    struct bench *bench = open_limited();
    (void)state;
    for (int i = 0; i < 5; i++) {
        bench_do(bench, "local t = {} for i = 1, 1e5 do t[i % 10] = tostring(i) end");
        int64_t start_us = thread_cpu_us();
        assert_true(ends_a_loop(bench));
        assert_true(thread_cpu_us() - start_us >= CPU_LIMIT_MS * 1000);
    }
    bench_close(bench);
}

static void each_vm_of_a_thread_has_its_own(void **state)
{
    struct bench *one = open_limited();
    struct bench *two = open_limited();
    (void)state;
    bench_do(one, "co = create(function() while true do coroutine.yield(1) end end)");
    for (int i = 0; i < 3; i++) {
        bench_do(one, "assert(resume(co) == 'yield')");
        assert_true(ends_a_loop(two));
        assert_null(lua_gethook(one->vm->L));
        bench_do(one, "assert(resume(co) == 'yield')");
        assert_true(ends_a_loop(one));
    }
    bench_close(two);
    assert_true(ends_a_loop(one));
    bench_close(one);
}

struct worker {
    struct bench *bench;
    pthread_t thread;
    bool is_good;
};

/* With all signals blocked, as a shard's thread begins. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    worker->is_good = ends_a_loop(worker->bench) && ends_a_loop(worker->bench);
    return NULL;
}

static void a_vm_may_go_to_another_thread(void **state)
{
    struct worker worker = {.bench = open_limited()};
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(ends_a_loop(worker.bench));
        fh_vm_leave_thread(worker.bench->vm);
        assert_int_equal(pthread_create(&worker.thread, NULL, work, &worker), 0);
        pthread_join(worker.thread, NULL);
        assert_true(worker.is_good);
    }
    bench_close(worker.bench);
}

static void threads_do_not_count_for_each_other(void **state)
{
    struct worker workers[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        workers[i] = (struct worker){.bench = open_limited()};
        assert_true(ends_a_loop(workers[i].bench));
        fh_vm_leave_thread(workers[i].bench->vm);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].is_good);
        bench_close(workers[i].bench);
    }
}

/* A tick still on its way must find no budget that is gone. */
static void opens_and_closes_between_ticks(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct bench *bench = bench_open(MEMORY_MAX_BYTES, 1);
        bench_do(bench, "local fn = function() while true do end end\n"
                        "require 'jit'.off(fn) core.flow.resume(coroutine.create(fn))");
        bench_close(bench);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_a_loop_of_long_c_calls),
        cmocka_unit_test(never_ends_a_flow_early),
        cmocka_unit_test(each_vm_of_a_thread_has_its_own),
        cmocka_unit_test(a_vm_may_go_to_another_thread),
        cmocka_unit_test(threads_do_not_count_for_each_other),
        cmocka_unit_test(opens_and_closes_between_ticks),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
