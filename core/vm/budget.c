/* SPDX-License-Identifier: MIT */
#include "vm/budget.h"

#include "base/log.h"
#include "vm/bind.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICKS = 8 };

static void on_count(lua_State *L, lua_Debug *ar)
{
    struct fh_budget *budget = &fh_vm_of(L)->budget;
    budget->is_over = true;
    lua_getinfo(L, "Sl", ar); /* luaL_error would name the caller's line */
    lua_pushfstring(L, "%s:%d: CPU_LIMIT: ran longer than %d ms without waiting for anything",
                    ar->source + (ar->source[0] == '@'), ar->currentline, (int)budget->limit_ms);
    lua_error(L);
}

/* One tick; the next one is asked for only while a flow runs. */
static void tick(struct fh_budget *budget)
{
    int64_t ns = budget->limit_ms * 1000000 / TICKS;
    struct itimerspec next = {.it_value = {ns / 1000000000, ns % 1000000000}};
    budget->is_ticking = true;
    timer_settime(budget->timer, 0, &next, NULL);
}

static void on_tick(struct fh_budget *budget)
{
    if (!budget->is_running) {
        budget->is_ticking = false;
        return;
    }
    budget->ticks = budget->ticks + 1;
    if (budget->ticks > TICKS) {
        budget->is_hooked = true;
        /* LuaJIT skips what it believes to be set. A tick in the middle of its own change of hooks or
         * of the compiler's state would be lost: the next one sets all anew. */
        lua_sethook(budget->L, NULL, 0, 0);
        lua_sethook(budget->L, on_count, LUA_MASKCOUNT, 1);
    }
    tick(budget);
}

/* Between any two machine instructions of the thread: only what POSIX and LuaJIT (lua_sethook) allow there. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)number, (void)context;
    if (info->si_code == SI_TIMER) {
        on_tick(info->si_value.sival_ptr);
    }
    errno = saved;
}

static void catch_signal(void)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigset_t own;
    sigemptyset(&action.sa_mask);
    sigaction(FH_BUDGET_SIGNAL, &action, NULL);
    sigemptyset(&own);
    sigaddset(&own, FH_BUDGET_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL);
}

static void open_timer(struct fh_budget *budget)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = FH_BUDGET_SIGNAL};
    event.sigev_value.sival_ptr = budget;
    event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
    fh_budget_deinit(budget);
    catch_signal();
    budget->thread = pthread_self();
    budget->has_timer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &budget->timer) == 0;
    if (!budget->has_timer && !budget->has_warned) {
        budget->has_warned = true;
        fh_log(FH_LOG_WARN, "no timer for cpu_limit: %s; flows run without it", strerror(errno));
    }
}

void fh_budget_init(struct fh_budget *budget, struct lua_State *L, int64_t limit_ms)
{
    *budget = (struct fh_budget){.L = L, .limit_ms = limit_ms};
}

void fh_budget_deinit(struct fh_budget *budget)
{
    if (budget->has_timer) {
        timer_delete(budget->timer);
    }
    budget->has_timer = false;
    budget->is_ticking = false;
}

void fh_budget_start(struct fh_budget *budget)
{
    budget->ticks = 0;
    fh_budget_continue(budget);
}

void fh_budget_continue(struct fh_budget *budget)
{
    budget->is_over = false;
    if (!budget->has_timer || !pthread_equal(budget->thread, pthread_self())) {
        open_timer(budget);
    }
    budget->is_running = true;
    if (!budget->is_ticking && budget->has_timer) {
        tick(budget);
    }
}

void fh_budget_stop(struct fh_budget *budget)
{
    budget->is_running = false;
    if (budget->is_hooked) {
        budget->is_hooked = false;
        lua_sethook(budget->L, NULL, 0, 0);
    }
}
