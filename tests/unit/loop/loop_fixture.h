/* SPDX-License-Identifier: MIT */
/* What the tests of the loop share: an open loop, mail that counts, a descriptor that tells. */
#pragma once

#include "base/list.h"
#include "loop/loop.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static inline int loop_setup(void **state)
{
    return fh_loop_open((struct fh_loop **)state, NULL);
}

static inline int loop_teardown(void **state)
{
    fh_loop_close(*state);
    return 0;
}

#define WITH_LOOP(test) cmocka_unit_test_setup_teardown(test, loop_setup, loop_teardown)

/* Mail that counts its deliveries. */
struct note {
    struct fh_mail mail;
    int count;
};

static inline void note_deliver(struct fh_mail *mail)
{
    FH_LIST_ENTRY(mail, struct note, mail)->count++;
}

#define NOTE_INIT ((struct note){.mail = {NULL, note_deliver}, .count = 0})

/* One end of a pair of sockets on the loop, the other in the test's hand. */
struct line {
    struct fh_io io;
    struct fh_loop *loop;
    int fds[2]; /* [0] is watched */
    int events; /* of the last call */
    int count;
};

static inline void line_on_ready(struct fh_io *io, int events)
{
    struct line *line = FH_LIST_ENTRY(io, struct line, io);
    char byte;
    line->events = events;
    line->count++;
    if (events & FH_IO_READ) {
        assert_int_equal(read(line->fds[0], &byte, 1), 1);
    }
}

static inline void line_open(struct line *line, struct fh_loop *loop)
{
    *line = (struct line){.loop = loop};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line->fds), 0);
    fh_io_init(&line->io, line->fds[0], line_on_ready);
}

static inline void line_close(struct line *line)
{
    fh_io_stop(line->loop, &line->io);
    close(line->fds[0]);
    close(line->fds[1]);
}

static inline void line_send(struct line *line)
{
    assert_int_equal(write(line->fds[1], "x", 1), 1);
}

/* A timer that notes when it was due and when it came. */
struct alarm {
    struct fh_timer timer;
    struct fh_loop *loop;
    int64_t due_us;
    int64_t came_us; /* 0: not yet */
    int count;
};

static inline void alarm_on_due(struct fh_timer *timer)
{
    struct alarm *alarm = FH_LIST_ENTRY(timer, struct alarm, timer);
    alarm->came_us = fh_clock_mono_us(&fh_clock_system);
    alarm->count++;
}

static inline void alarm_init(struct alarm *alarm, struct fh_loop *loop)
{
    *alarm = (struct alarm){.loop = loop};
    fh_timer_init(&alarm->timer, alarm_on_due);
}

static inline void alarm_start(struct alarm *alarm, int64_t delay_ms)
{
    alarm->due_us = fh_clock_mono_us(&fh_clock_system) + delay_ms * 1000;
    fh_timer_start(alarm->loop, &alarm->timer, delay_ms);
}

static inline void alarm_wait(struct alarm *alarm)
{
    int count = alarm->count;
    while (alarm->count == count) {
        fh_loop_run_once(alarm->loop, -1);
    }
}
