/* SPDX-License-Identifier: MIT */
#include "loop/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

static struct fh_alarm *first_of(const struct fh_alarms *alarms)
{
    return FH_LIST_ENTRY(alarms->waiting.next, struct fh_alarm, link);
}

/* A zero would disarm: what lies before the epoch is as due as its first nanosecond. */
static void arm_first(const struct fh_alarms *alarms)
{
    struct itimerspec when = {.it_value = {0, 0}};
    if (!fh_list_is_empty(&alarms->waiting)) {
        int64_t at_ms = first_of(alarms)->at_ms > 0 ? first_of(alarms)->at_ms : 0;
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
    struct fh_list due;
    fh_list_init(&due);
    while (!fh_list_is_empty(&alarms->waiting) && first_of(alarms)->at_ms <= now_ms) {
        struct fh_alarm *alarm = first_of(alarms);
        fh_list_pop(&alarm->link);
        fh_list_push(&due, &alarm->link);
    }
    while (!fh_list_is_empty(&due)) {
        struct fh_alarm *alarm = FH_LIST_ENTRY(due.next, struct fh_alarm, link);
        fh_list_pop(&alarm->link);
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
    fh_list_init(&alarms->waiting);
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
    fh_list_init(&alarm->link);
    alarm->on_due = on_due;
}

/* New ones mostly come last: the place is looked for from the end. */
void fh_alarm_start(struct fh_loop *loop, struct fh_alarm *alarm, int64_t at_ms)
{
    struct fh_alarms *alarms = fh_loop_alarms(loop);
    fh_alarm_stop(alarm);
    alarm->at_ms = at_ms;
    struct fh_list *after = alarms->waiting.prev;
    while (after != &alarms->waiting &&
           FH_LIST_ENTRY(after, struct fh_alarm, link)->at_ms > at_ms) {
        after = after->prev;
    }
    fh_list_push(after->next, &alarm->link);
    if (after == &alarms->waiting) {
        arm_first(alarms);
    }
}

/* The timerfd rings once for nothing if this was the first. */
void fh_alarm_stop(struct fh_alarm *alarm)
{
    fh_list_pop(&alarm->link);
}

bool fh_alarm_is_active(const struct fh_alarm *alarm)
{
    return !fh_list_is_empty(&alarm->link);
}
