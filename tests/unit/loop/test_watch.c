/* SPDX-License-Identifier: MIT */
/* Descriptors, timers, and the descriptor by which a foreign loop watches ours. */
#include "loop_fixture.h"

/* --- descriptors ------------------------------------------------------------------------------ */

static void tells_what_can_be_read(void **state)
{
    struct line line;
    line_open(&line, *state);
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    assert_int_equal(line.count, 0);
    line_send(&line);
    fh_loop_run_once(*state, -1);
    assert_int_equal(line.count, 1);
    assert_int_equal(line.events, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    assert_int_equal(line.count, 1);
    line_close(&line);
}

/* Level triggered: what was not read is told again. */
static void tells_again(void **state)
{
    struct line line;
    line_open(&line, *state);
    fh_io_start(*state, &line.io, FH_IO_READ);
    line_send(&line);
    line_send(&line);
    fh_loop_run_once(*state, -1);
    fh_loop_run_once(*state, -1);
    assert_int_equal(line.count, 2);
    line_close(&line);
}

static void changes_what_is_watched(void **state)
{
    struct line line;
    line_open(&line, *state);
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    assert_int_equal(line.count, 0);

    fh_io_start(*state, &line.io, FH_IO_WRITE);
    fh_loop_run_once(*state, -1);
    assert_int_equal(line.events, FH_IO_WRITE);
    line_send(&line);
    fh_loop_run_once(*state, -1);
    assert_int_equal(line.events, FH_IO_WRITE);

    fh_io_start(*state, &line.io, FH_IO_READ | FH_IO_WRITE);
    fh_loop_run_once(*state, -1);
    assert_int_equal(line.events, FH_IO_READ | FH_IO_WRITE);

    int count = line.count;
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    assert_int_equal(line.count, count);
    line_close(&line);
}

static void stops_watching(void **state)
{
    struct line line;
    line_open(&line, *state);
    fh_io_stop(*state, &line.io);
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    line_send(&line);
    fh_io_stop(*state, &line.io);
    fh_loop_run_once(*state, 0);
    assert_int_equal(line.count, 0);
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_loop_run_once(*state, -1);
    assert_int_equal(line.count, 1);
    line_close(&line);
}

struct pair {
    struct fh_io io;
    struct line *other;
};

static void stop_other(struct fh_io *io, int events)
{
    (void)events;
    struct pair *pair = FH_LIST_ENTRY(io, struct pair, io);
    fh_io_stop(pair->other->loop, &pair->other->io);
    fh_io_stop(pair->other->loop, io);
}

/* Both are ready in the same turn: who was stopped meanwhile is not called. */
static void one_may_stop_the_other(void **state)
{
    struct line line, second;
    line_open(&line, *state);
    line_open(&second, *state);
    struct pair pairs[] = {{.other = &line}, {.other = &line}};
    fh_io_init(&pairs[0].io, second.fds[0], stop_other);
    fh_io_init(&pairs[1].io, second.fds[1], stop_other);
    fh_io_start(*state, &pairs[0].io, FH_IO_WRITE);
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_io_start(*state, &pairs[1].io, FH_IO_WRITE);
    line_send(&line);
    fh_loop_run_once(*state, -1);
    assert_true(line.count <= 1);
    int count = line.count;
    line_send(&line);
    fh_loop_run_once(*state, 0);
    assert_int_equal(line.count, count);
    line_close(&line);
    line_close(&second);
}

/* The kernel hands out the lowest free number: the next socket bears the last one's. */
static void a_number_may_come_again(void **state)
{
    int last = -1;
    for (int i = 0; i < 5; i++) {
        struct line line;
        line_open(&line, *state);
        assert_true(last < 0 || line.fds[0] == last);
        last = line.fds[0];
        fh_io_start(*state, &line.io, FH_IO_READ);
        line_send(&line);
        fh_loop_run_once(*state, -1);
        assert_int_equal(line.count, 1);
        line_close(&line);
    }
}

static void tells_the_end_of_the_peer(void **state)
{
    struct line line;
    line_open(&line, *state);
    struct pair pair = {.other = &line};
    fh_io_init(&pair.io, line.fds[0], stop_other);
    fh_io_start(*state, &pair.io, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    shutdown(line.fds[1], SHUT_RDWR);
    fh_loop_run_once(*state, -1);
    assert_false(ev_is_active(&pair.io.watcher));
    line_close(&line);
}

/* --- timers ----------------------------------------------------------------------------------- */

static void timers_are_never_early(void **state)
{
    static const int64_t delays_ms[] = {0, 1, 2, 3, 5, 10, 17, 1, 0};
    struct alarm alarm;
    alarm_init(&alarm, *state);
    for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
        alarm_start(&alarm, delays_ms[i]);
        assert_true(fh_timer_is_active(&alarm.timer));
        alarm_wait(&alarm);
        assert_true(alarm.came_us >= alarm.due_us);
        assert_false(fh_timer_is_active(&alarm.timer));
    }
}

struct slow {
    struct fh_mail mail;
    struct alarm *alarm;
};

static void work_then_start(struct fh_mail *mail)
{
    struct slow *slow = FH_LIST_ENTRY(mail, struct slow, mail);
    int64_t end_us = fh_clock_mono_us(&fh_clock_system) + 10000;
    while (fh_clock_mono_us(&fh_clock_system) < end_us) {
    }
    alarm_start(slow->alarm, 3);
}

/* The loop's cached time is old when a callback has worked for long. */
static void a_slow_turn_makes_no_timer_early(void **state)
{
    struct alarm alarm;
    alarm_init(&alarm, *state);
    struct slow slow = {{NULL, work_then_start}, &alarm};
    for (int i = 0; i < 3; i++) {
        fh_loop_post(*state, &slow.mail);
        alarm_wait(&alarm);
        assert_true(alarm.came_us >= alarm.due_us);
    }
}

static void many_timers_come_in_their_order(void **state)
{
    enum { COUNT = 50 };
    static struct alarm alarms[COUNT];
    for (int i = 0; i < COUNT; i++) {
        alarm_init(&alarms[i], *state);
        alarm_start(&alarms[i], i * 29 % COUNT / 5 * 2);
    }
    for (int i = 0; i < COUNT; i++) {
        while (alarms[i].count == 0) {
            fh_loop_run_once(*state, -1);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(alarms[i].count, 1);
        assert_true(alarms[i].came_us >= alarms[i].due_us);
        for (int j = 0; j < COUNT; j++) {
            bool is_later = alarms[j].due_us - alarms[i].due_us >= 2000;
            assert_true(!is_later || alarms[j].came_us >= alarms[i].came_us);
        }
    }
}

static void a_stopped_timer_does_not_come(void **state)
{
    struct alarm stopped, other;
    alarm_init(&stopped, *state);
    alarm_init(&other, *state);
    fh_timer_stop(*state, &stopped.timer);
    alarm_start(&stopped, 1);
    alarm_start(&other, 4);
    fh_timer_stop(*state, &stopped.timer);
    assert_false(fh_timer_is_active(&stopped.timer));
    alarm_wait(&other);
    assert_int_equal(stopped.count, 0);
}

static void a_started_timer_is_armed_anew(void **state)
{
    struct alarm alarm, other;
    alarm_init(&alarm, *state);
    alarm_init(&other, *state);
    alarm_start(&alarm, 1);
    alarm_start(&alarm, 3600000);
    alarm_start(&other, 4);
    alarm_wait(&other);
    assert_int_equal(alarm.count, 0);
    alarm_start(&alarm, 0);
    alarm_wait(&alarm);
    assert_int_equal(alarm.count, 1);
}

static void start_again(struct fh_timer *timer)
{
    struct alarm *alarm = FH_LIST_ENTRY(timer, struct alarm, timer);
    if (++alarm->count < 5) {
        fh_timer_start(alarm->loop, timer, 1);
    }
}

static void a_timer_may_start_itself_again(void **state)
{
    struct alarm alarm;
    alarm_init(&alarm, *state);
    fh_timer_init(&alarm.timer, start_again);
    alarm_start(&alarm, 1);
    while (fh_timer_is_active(&alarm.timer)) {
        fh_loop_run_once(*state, -1);
    }
    assert_int_equal(alarm.count, 5);
}

static void far_timers_do_not_overflow(void **state)
{
    struct alarm alarm, other;
    alarm_init(&alarm, *state);
    alarm_init(&other, *state);
    fh_timer_start(*state, &alarm.timer, INT64_C(100) * 365 * 86400 * 1000);
    alarm_start(&other, 1);
    alarm_wait(&other);
    assert_int_equal(alarm.count, 0);
    fh_timer_stop(*state, &alarm.timer);
}

/* --- the loop's own descriptor ---------------------------------------------------------------- */

static bool is_readable(int fd, int wait_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return poll(&watched, 1, wait_ms) == 1;
}

/* Handles everything there is. */
static void settle(struct fh_loop *loop, int fd)
{
    for (int i = 0; i < 10 && is_readable(fd, 0); i++) {
        fh_loop_run_once(loop, 0);
    }
    assert_false(is_readable(fd, 0));
}

static void its_descriptor_stays_the_same(void **state)
{
    int fd = fh_loop_get_fd(*state);
    assert_true(fd >= 0);
    assert_int_equal(fh_loop_get_fd(*state), fd);
    settle(*state, fd);
}

static void its_descriptor_tells_of_descriptors(void **state)
{
    struct line line;
    int fd = fh_loop_get_fd(*state);
    line_open(&line, *state);
    fh_io_start(*state, &line.io, FH_IO_READ);
    fh_loop_run_once(*state, 0);
    settle(*state, fd);
    line_send(&line);
    assert_true(is_readable(fd, -1));
    settle(*state, fd);
    assert_int_equal(line.count, 1);
    line_close(&line);
}

static void *post_note(void *arg)
{
    struct slow *post = arg;
    fh_loop_post(post->alarm->loop, &post->mail);
    return NULL;
}

static void on_post(struct fh_mail *mail)
{
    FH_LIST_ENTRY(mail, struct slow, mail)->alarm->count++;
}

/* The loop is not turning when another thread posts: who waits for the descriptor is told. */
static void its_descriptor_tells_of_mail(void **state)
{
    struct alarm counter = {.loop = *state};
    struct slow post = {{NULL, on_post}, &counter};
    int fd = fh_loop_get_fd(*state);
    settle(*state, fd);
    for (int i = 1; i <= 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_note, &post), 0);
        assert_true(is_readable(fd, -1));
        pthread_join(thread, NULL);
        settle(*state, fd);
        assert_int_equal(counter.count, i);
    }
}

static void its_descriptor_tells_of_a_wake(void **state)
{
    int fd = fh_loop_get_fd(*state);
    settle(*state, fd);
    fh_loop_wake(*state);
    assert_true(is_readable(fd, 0));
    settle(*state, fd);
}

static void its_descriptor_tells_of_a_stop(void **state)
{
    int fd = fh_loop_get_fd(*state);
    settle(*state, fd);
    fh_loop_stop(*state);
    assert_true(is_readable(fd, 0));
    fh_loop_run(*state);
}

struct starter {
    struct fh_mail mail;
    struct line *line;
};

static void start_line(struct fh_mail *mail)
{
    struct line *line = FH_LIST_ENTRY(mail, struct starter, mail)->line;
    fh_io_start(line->loop, &line->io, FH_IO_READ);
}

/* What a turn began to watch, and what is begun between two turns, is watched before the next. */
static void its_descriptor_tells_of_new_descriptors(void **state)
{
    struct line line;
    int fd = fh_loop_get_fd(*state);
    line_open(&line, *state);
    struct starter starter = {{NULL, start_line}, &line};
    fh_loop_post(*state, &starter.mail);
    settle(*state, fd);
    line_send(&line);
    assert_true(is_readable(fd, -1));
    settle(*state, fd);
    assert_int_equal(line.count, 1);
    fh_io_stop(*state, &line.io);
    settle(*state, fd);

    fh_io_start(*state, &line.io, FH_IO_READ);
    line_send(&line);
    assert_true(is_readable(fd, 0));
    settle(*state, fd);
    assert_int_equal(line.count, 2);
    line_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(tells_what_can_be_read),
        WITH_LOOP(tells_again),
        WITH_LOOP(changes_what_is_watched),
        WITH_LOOP(stops_watching),
        WITH_LOOP(one_may_stop_the_other),
        WITH_LOOP(a_number_may_come_again),
        WITH_LOOP(tells_the_end_of_the_peer),
        WITH_LOOP(timers_are_never_early),
        WITH_LOOP(a_slow_turn_makes_no_timer_early),
        WITH_LOOP(many_timers_come_in_their_order),
        WITH_LOOP(a_stopped_timer_does_not_come),
        WITH_LOOP(a_started_timer_is_armed_anew),
        WITH_LOOP(a_timer_may_start_itself_again),
        WITH_LOOP(far_timers_do_not_overflow),
        WITH_LOOP(its_descriptor_stays_the_same),
        WITH_LOOP(its_descriptor_tells_of_descriptors),
        WITH_LOOP(its_descriptor_tells_of_mail),
        WITH_LOOP(its_descriptor_tells_of_a_wake),
        WITH_LOOP(its_descriptor_tells_of_a_stop),
        WITH_LOOP(its_descriptor_tells_of_new_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
