/* SPDX-License-Identifier: MIT */
#include "loop/alarm.h"

#include "base/list.h"

#include <sys/timerfd.h>
#include <unistd.h>

static bool is_before(const struct fh_alarm *a, const struct fh_alarm *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->number < b->number;
}

/* --- the heap: each comes before all below it ------------------------------------------------- */

/* Either may be NULL. */
static struct fh_alarm *meld(struct fh_alarm *a, struct fh_alarm *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    struct fh_alarm *above = is_before(b, a) ? b : a;
    struct fh_alarm *below = above == a ? b : a;
    below->next = above->child;
    if (below->next) {
        below->next->before = below;
    }
    below->before = above;
    above->child = below;
    return above;
}

/* One of a list of neighbours: pairs from the first to the last, then all of these from the last to the first. */
static struct fh_alarm *meld_all(struct fh_alarm *list)
{
    struct fh_alarm *pairs = NULL; /* the last pair first, linked by next */
    while (list) {
        struct fh_alarm *a = list;
        struct fh_alarm *b = a->next;
        list = b ? b->next : NULL;
        a->next = a->before = NULL;
        if (b) {
            b->next = b->before = NULL;
        }
        struct fh_alarm *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct fh_alarm *whole = NULL;
    while (pairs) {
        struct fh_alarm *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        whole = meld(whole, pair);
    }
    return whole;
}

static void take_out(struct fh_alarms *alarms, struct fh_alarm *alarm)
{
    struct fh_alarm *below = meld_all(alarm->child);
    if (alarm == alarms->first) {
        alarms->first = below;
    } else {
        if (alarm->before->child == alarm) {
            alarm->before->child = alarm->next;
        } else {
            alarm->before->next = alarm->next;
        }
        if (alarm->next) {
            alarm->next->before = alarm->before;
        }
        alarms->first = meld(alarms->first, below);
    }
    alarm->alarms = NULL;
    alarm->child = alarm->next = alarm->before = NULL;
}

/* --- the timerfd ------------------------------------------------------------------------------ */

/* A zero would disarm: what lies before the epoch is as due as its first nanosecond. */
static void arm_first(const struct fh_alarms *alarms)
{
    struct itimerspec when = {.it_value = {0, 0}};
    if (alarms->first) {
        int64_t at_ms = alarms->first->at_ms > 0 ? alarms->first->at_ms : 0;
        when.it_value.tv_sec = (time_t)(at_ms / 1000);
        when.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000 + (at_ms == 0);
    }
    timerfd_settime(alarms->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The clock may have been set back since the kernel rang: it is asked again. Alarms that are started
 * meanwhile and due as well have their turn in the next one, lest they starve the loop. */
static void on_ring(struct fh_io *io, int events)
{
    (void)events;
    struct fh_alarms *alarms = FH_LIST_ENTRY(io, struct fh_alarms, io);
    uint64_t count;
    ssize_t ignored = read(alarms->fd, &count, sizeof(count));
    (void)ignored;
    int64_t now_ms = fh_clock_wall_ms(&fh_clock_system);
    uint64_t last_number = alarms->last_number;
    while (alarms->first && alarms->first->at_ms <= now_ms &&
           alarms->first->number <= last_number) {
        struct fh_alarm *alarm = alarms->first;
        take_out(alarms, alarm);
        alarm->on_due(alarm);
    }
    arm_first(alarms);
}

int fh_alarms_open(struct fh_alarms *alarms, struct fh_loop *loop)
{
    alarms->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (alarms->fd < 0) {
        return FH_E_IO;
    }
    alarms->first = NULL;
    alarms->last_number = 0;
    fh_io_init(&alarms->io, alarms->fd, on_ring);
    fh_io_start(loop, &alarms->io, FH_IO_READ);
    return 0;
}

void fh_alarms_close(struct fh_alarms *alarms, struct fh_loop *loop)
{
    fh_io_stop(loop, &alarms->io);
    close(alarms->fd);
}

void fh_alarm_init(struct fh_alarm *alarm, void (*on_due)(struct fh_alarm *alarm))
{
    *alarm = (struct fh_alarm){.on_due = on_due};
}

void fh_alarm_start(struct fh_loop *loop, struct fh_alarm *alarm, int64_t at_ms)
{
    struct fh_alarms *alarms = fh_loop_alarms(loop);
    fh_alarm_stop(alarm);
    alarm->alarms = alarms;
    alarm->at_ms = at_ms;
    alarm->number = ++alarms->last_number;
    alarms->first = meld(alarms->first, alarm);
    if (alarms->first == alarm) {
        arm_first(alarms);
    }
}

/* The timerfd rings once for nothing if this was the first. */
void fh_alarm_stop(struct fh_alarm *alarm)
{
    if (alarm->alarms) {
        take_out(alarm->alarms, alarm);
    }
}

bool fh_alarm_is_active(const struct fh_alarm *alarm)
{
    return alarm->alarms != NULL;
}
