/* SPDX-License-Identifier: MIT */
/* The processor time a flow may take between two waits: the shard thread's own time, not the wall's.
 *
 * While a flow runs, a timer on the thread's processor clock ticks eight times per limit, as a
 * signal (FH_BUDGET_SIGNAL) to that very thread. A tick that finds the flow over its limit sets a
 * count hook, which raises at every instruction until the flow is dead: no pcall can outlive it. So a
 * flow within its limit pays nothing, and a thread that runs no flow gets no signal but one more.
 * The first tick may come at once, so the ninth ends the flow: between 1 and 9/8 of the limit, and
 * the C function it is in comes to its end first.
 * The hook does not fire in compiled code: flows are interpreted (see flow/source.lua and vm.c). */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct lua_State;

/* The process's only use of it is this one; threads that run a VM must not block it. */
#define FH_BUDGET_SIGNAL (SIGRTMIN + 7)

struct fh_budget {
    struct lua_State *L;
    int64_t limit_ms;
    bool has_timer;
    bool has_warned;
    timer_t timer;
    pthread_t thread; /* whose clock the timer counts */
    volatile sig_atomic_t is_running;
    volatile sig_atomic_t is_ticking;
    volatile sig_atomic_t ticks; /* of the flow that runs */
    volatile sig_atomic_t is_hooked;
    bool is_over; /* the hook has fired: the flow is being thrown out */
};

/* In memory that stays where it is until fh_budget_deinit. */
void fh_budget_init(struct fh_budget *budget, struct lua_State *L, int64_t limit_ms);

/* On the thread that started it last, or when that one has ended: a tick on its way there would find no budget. So too
 * before another thread starts it. */
void fh_budget_deinit(struct fh_budget *budget);

/* Around each resume, on the thread that resumes. */
void fh_budget_start(struct fh_budget *budget);

/* Instead of start: goes on with the time that the last one left. */
void fh_budget_continue(struct fh_budget *budget);
void fh_budget_stop(struct fh_budget *budget);
