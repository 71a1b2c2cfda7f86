/* SPDX-License-Identifier: MIT */
/* Alarms: due at a time of the wall clock, whatever becomes of that clock meanwhile. A step of the
 * clock, forward or back, counts at once. For delays, which no step may change, there is fh_timer.
 * Everything runs on the loop's own thread. */
#pragma once

#include "loop/loop.h"

struct fh_alarms;

/* Field of the struct that owns it. */
struct fh_alarm {
    struct fh_alarms *alarms; /* NULL: not running */
    struct fh_alarm *child;   /* the heap that it stands in: first of those below it */
    struct fh_alarm *next;    /* beside it */
    struct fh_alarm *before;  /* beside it; of a first one the one above */
    int64_t at_ms;
    uint64_t number;
    void (*on_due)(struct fh_alarm *alarm);
};

void fh_alarm_init(struct fh_alarm *alarm, void (*on_due)(struct fh_alarm *alarm));

/* (Re)arms for `at_ms` since 1970 UTC; fires once, in a turn of the loop, never early by the wall
 * clock; at once when that time has passed. Alarms fire in the order of their times. */
void fh_alarm_start(struct fh_loop *loop, struct fh_alarm *alarm, int64_t at_ms);
void fh_alarm_stop(struct fh_alarm *alarm);
bool fh_alarm_is_active(const struct fh_alarm *alarm);

/* --- for loop.c ------------------------------------------------------------------------------- */

/* A loop's alarms as a pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986): it needs no memory beside its members.
 * The first is armed in a timerfd: the kernel keeps it to the wall clock. */
struct fh_alarms {
    struct fh_io io;
    struct fh_alarm *first;
    uint64_t last_number; /* of those of the same time the one started first comes first */
    int fd;
};

int fh_alarms_open(struct fh_alarms *alarms, struct fh_loop *loop);
void fh_alarms_close(struct fh_alarms *alarms, struct fh_loop *loop);
struct fh_alarms *fh_loop_alarms(struct fh_loop *loop);
