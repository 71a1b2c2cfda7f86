/* SPDX-License-Identifier: MIT */
/* Alarms: due at a time of the wall clock, whatever becomes of that clock meanwhile. A step of the
 * clock, forward or back, counts at once. For delays, which no step may change, there is fh_timer.
 * Everything runs on the loop's own thread. */
#pragma once

#include "base/list.h"
#include "loop/loop.h"

/* Field of the struct that owns it. */
struct fh_alarm {
    struct fh_list link;
    int64_t at_ms;
    void (*on_due)(struct fh_alarm *alarm);
};

void fh_alarm_init(struct fh_alarm *alarm, void (*on_due)(struct fh_alarm *alarm));

/* (Re)arms for `at_ms` since 1970 UTC; fires once, in a turn of the loop, never early by the wall
 * clock; at once when that time has passed. Alarms fire in the order of their times. */
void fh_alarm_start(struct fh_loop *loop, struct fh_alarm *alarm, int64_t at_ms);
void fh_alarm_stop(struct fh_alarm *alarm);
bool fh_alarm_is_active(const struct fh_alarm *alarm);

/* --- for loop.c ------------------------------------------------------------------------------- */

/* A loop's alarms, the first one armed in a timerfd: the kernel keeps it to the wall clock. */
struct fh_alarms {
    struct fh_io io;
    struct fh_list waiting; /* by at_ms */
    int fd;
};

int fh_alarms_open(struct fh_alarms *alarms, struct fh_loop *loop);
void fh_alarms_close(struct fh_alarms *alarms, struct fh_loop *loop);
struct fh_alarms *fh_loop_alarms(struct fh_loop *loop);
