/* SPDX-License-Identifier: MIT */
/* One shard's event loop on libev: descriptors, one-shot timers, a hook before each sleep, and the
 * mailbox through which other threads reach it. Everything but fh_loop_post and fh_loop_stop runs
 * on the loop's own thread. An idle loop sleeps without waking. */
#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct fh_loop;

int fh_loop_open(struct fh_loop **out, struct fh_error *err);

/* Messages still in the mailbox, and what their delivery posts, are delivered first, so that their
 * owners can free them. */
void fh_loop_close(struct fh_loop *loop);

/* Turns until fh_loop_stop. */
void fh_loop_run(struct fh_loop *loop);

/* Handles what is ready; when nothing is, waits up to `wait_ms` (0: not at all, -1: as long as it takes). */
void fh_loop_run_once(struct fh_loop *loop, int wait_ms);

/* Makes fh_loop_run return. Any thread, also a signal handler. */
void fh_loop_stop(struct fh_loop *loop);

/* Readable when fh_loop_run_once has something to do (timers excepted), now and then also when it has not; -1 when /proc
 * is not mounted. The first call handles what is ready. */
int fh_loop_get_fd(struct fh_loop *loop);

/* --- mailbox ---------------------------------------------------------------------------------- */

/* Embedded in the message's own struct; `deliver` runs on the receiving loop and owns the message. */
struct fh_mail {
    struct fh_mail *next;
    void (*deliver)(struct fh_mail *mail);
};

/* Any thread. Order of one sender is kept. `deliver` runs on the loop's thread. */
void fh_loop_post(struct fh_loop *loop, struct fh_mail *mail);

/* --- descriptors ------------------------------------------------------------------------------ */

enum { FH_IO_READ = EV_READ, FH_IO_WRITE = EV_WRITE };

/* Field of the struct that owns it. */
struct fh_io {
    ev_io watcher;
    void (*on_ready)(struct fh_io *io, int events);
};

void fh_io_init(struct fh_io *io, int fd, void (*on_ready)(struct fh_io *io, int events));

/* Starts, or changes what is watched; `events` is FH_IO_READ and/or FH_IO_WRITE. Costs no system
 * call when nothing changed. */
void fh_io_start(struct fh_loop *loop, struct fh_io *io, int events);
void fh_io_stop(struct fh_loop *loop, struct fh_io *io);

/* --- timers (of the wall clock: alarm.h) ------------------------------------------------------ */

struct fh_timer {
    ev_timer watcher;
    void (*on_due)(struct fh_timer *timer);
};

void fh_timer_init(struct fh_timer *timer, void (*on_due)(struct fh_timer *timer));

/* (Re)arms for `delay_ms` from now; fires once, never early. */
void fh_timer_start(struct fh_loop *loop, struct fh_timer *timer, int64_t delay_ms);
void fh_timer_stop(struct fh_loop *loop, struct fh_timer *timer);
bool fh_timer_is_active(const struct fh_timer *timer);

/* --- hook ------------------------------------------------------------------------------------- */

/* Runs each time just before the loop would sleep: the place to flush what was gathered. It may
 * start work; the loop then does not sleep if fh_loop_wake was called. */
struct fh_hook {
    ev_prepare watcher;
    void (*before_sleep)(struct fh_hook *hook);
};

void fh_hook_init(struct fh_hook *hook, void (*before_sleep)(struct fh_hook *hook));
void fh_hook_start(struct fh_loop *loop, struct fh_hook *hook);
void fh_hook_stop(struct fh_loop *loop, struct fh_hook *hook);

/* The coming sleep, if any, lasts no time. Own thread only (other threads post). */
void fh_loop_wake(struct fh_loop *loop);
