/* SPDX-License-Identifier: MIT */
/* Alarms of the wall clock. That the kernel reacts when the clock is stepped cannot be tried here: it is everybody's. */
#include "loop_fixture.h"

#include "base/list.h"
#include "base/random.h"
#include "loop/alarm.h"

#include <poll.h>

struct bell {
    struct fh_alarm alarm;
    struct fh_loop *loop;
    int64_t at_ms;
    int count;
    int order; /* of all bells, the how manieth came this one */
    int *came;
};

static int64_t now_ms(void)
{
    return fh_clock_wall_ms(&fh_clock_system);
}

static void bell_on_due(struct fh_alarm *alarm)
{
    struct bell *bell = FH_LIST_ENTRY(alarm, struct bell, alarm);
    assert_true(now_ms() >= bell->at_ms);
    assert_false(fh_alarm_is_active(alarm));
    bell->count++;
    bell->order = ++*bell->came;
}

static void bell_init(struct bell *bell, struct fh_loop *loop, int *came)
{
    *bell = (struct bell){.loop = loop, .came = came};
    fh_alarm_init(&bell->alarm, bell_on_due);
}

static void bell_start(struct bell *bell, int64_t at_ms)
{
    bell->at_ms = at_ms;
    fh_alarm_start(bell->loop, &bell->alarm, at_ms);
}

static void turn_until(struct fh_loop *loop, const int *came, int count)
{
    while (*came < count) {
        fh_loop_run_once(loop, -1);
    }
}

static void it_is_never_early(void **state)
{
    static const int64_t delays_ms[] = {0, 1, 2, 3, 5, 10, 17, 1, 0};
    int came = 0;
    struct bell bell;
    bell_init(&bell, *state, &came);
    for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
        bell_start(&bell, now_ms() + delays_ms[i]);
        assert_true(fh_alarm_is_active(&bell.alarm));
        turn_until(*state, &came, (int)i + 1);
        assert_false(fh_alarm_is_active(&bell.alarm));
    }
}

static void the_past_is_due_at_once(void **state)
{
    static const int64_t times_ms[] = {1, 0, -1, INT64_MIN, 1700000000000};
    int came = 0;
    struct bell bell;
    bell_init(&bell, *state, &came);
    for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
        bell_start(&bell, times_ms[i]);
        assert_int_equal(bell.count, i); /* not from within start */
        turn_until(*state, &came, (int)i + 1);
    }
}

static void they_come_in_the_order_of_their_times(void **state)
{
    enum { COUNT = 50 };
    static struct bell bells[COUNT];
    int came = 0;
    int64_t base_ms = now_ms() + 3;
    for (int i = 0; i < COUNT; i++) {
        bell_init(&bells[i], *state, &came);
        bell_start(&bells[i], base_ms + i * 29 % COUNT);
    }
    turn_until(*state, &came, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(bells[i].count, 1);
        assert_int_equal(bells[i].order, i * 29 % COUNT + 1);
    }
}

static void of_one_time_the_first_started_is_first(void **state)
{
    struct bell bells[3];
    int came = 0;
    int64_t at_ms = now_ms() + 2;
    for (int i = 0; i < 3; i++) {
        bell_init(&bells[i], *state, &came);
        bell_start(&bells[i], at_ms);
    }
    turn_until(*state, &came, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bells[i].order, i + 1);
    }
}

static void a_stopped_one_does_not_come(void **state)
{
    struct bell stopped, other;
    int came = 0;
    bell_init(&stopped, *state, &came);
    bell_init(&other, *state, &came);
    fh_alarm_stop(&stopped.alarm);
    bell_start(&stopped, now_ms() + 1);
    bell_start(&other, now_ms() + 4);
    fh_alarm_stop(&stopped.alarm);
    fh_alarm_stop(&stopped.alarm);
    turn_until(*state, &came, 1);
    assert_int_equal(stopped.count, 0);
}

static void a_started_one_is_armed_anew(void **state)
{
    struct bell bell, other;
    int came = 0;
    bell_init(&bell, *state, &came);
    bell_init(&other, *state, &came);
    bell_start(&bell, now_ms() + 1);
    bell_start(&bell, now_ms() + 3600000);
    bell_start(&other, now_ms() + 4);
    turn_until(*state, &came, 1);
    assert_int_equal(bell.count, 0);
    bell_start(&bell, now_ms());
    turn_until(*state, &came, 2);
    assert_int_equal(bell.count, 1);
}

static void far_ones_do_not_come(void **state)
{
    struct bell far, farther, other;
    int came = 0;
    bell_init(&far, *state, &came);
    bell_init(&farther, *state, &came);
    bell_init(&other, *state, &came);
    bell_start(&farther, INT64_MAX);
    bell_start(&far, now_ms() + INT64_C(1000) * 365 * 86400 * 1000);
    for (int i = 0; i < 3; i++) {
        fh_loop_run_once(*state, 0);
    }
    assert_int_equal(came, 0);
    bell_start(&other, now_ms() + 1);
    turn_until(*state, &came, 1);
    assert_int_equal(other.count, 1);
    fh_alarm_stop(&far.alarm);
    fh_alarm_stop(&farther.alarm);
}

static void start_again(struct fh_alarm *alarm)
{
    struct bell *bell = FH_LIST_ENTRY(alarm, struct bell, alarm);
    bell->count++;
    if (bell->count < 5) {
        fh_alarm_start(bell->loop, alarm, 0);
    }
}

/* What is due at once again has its turn in another turn of the loop. */
static void one_may_start_itself_again(void **state)
{
    struct bell bell = {.loop = *state};
    fh_alarm_init(&bell.alarm, start_again);
    fh_alarm_start(*state, &bell.alarm, 0);
    for (int i = 1; i <= 5; i++) {
        fh_loop_run_once(*state, -1);
        assert_int_equal(bell.count, i);
    }
}

struct stopper {
    struct fh_alarm alarm;
    struct bell *other;
};

static void stop_other(struct fh_alarm *alarm)
{
    struct bell *other = FH_LIST_ENTRY(alarm, struct stopper, alarm)->other;
    fh_alarm_stop(&other->alarm);
    ++*other->came;
}

static void one_may_stop_another_that_is_due(void **state)
{
    struct bell bell;
    int came = 0;
    bell_init(&bell, *state, &came);
    struct stopper stopper = {.other = &bell};
    fh_alarm_init(&stopper.alarm, stop_other);
    fh_alarm_start(*state, &stopper.alarm, 1);
    bell_start(&bell, 2);
    turn_until(*state, &came, 1);
    fh_loop_run_once(*state, 0);
    assert_int_equal(bell.count, 0);
}

/* An outer loop that watches ours hears of alarms, unlike of timers. */
enum { MANY = 20000 };

static void many_come_in_order_whichever_are_stopped(void **state)
{
    static struct bell bells[MANY];
    struct fh_random random = {0};
    int came = 0, stopped = 0;
    int64_t begin_ms = now_ms() - 1000000;
    for (int i = 0; i < MANY; i++) {
        uint16_t back;
        fh_random_fill(&random, &back, sizeof(back));
        bell_init(&bells[i], *state, &came);
        bell_start(&bells[i], begin_ms + back % 5000);
    }
    for (int i = 0; i < MANY; i += 3) {
        fh_alarm_stop(&bells[i].alarm);
        stopped++;
    }
    turn_until(*state, &came, MANY - stopped);
    static const struct bell *by_order[MANY + 1];
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(bells[i].count, i % 3 == 0 ? 0 : 1);
        by_order[bells[i].order] = &bells[i];
    }
    for (int i = 2; i <= MANY - stopped; i++) {
        assert_true(by_order[i - 1]->at_ms <= by_order[i]->at_ms);
    }
}

static void the_loops_descriptor_tells_of_them(void **state)
{
    struct bell bell;
    int came = 0;
    struct pollfd watched = {.fd = fh_loop_get_fd(*state), .events = POLLIN};
    bell_init(&bell, *state, &came);
    bell_start(&bell, now_ms() + 5);
    while (came == 0) {
        assert_int_equal(poll(&watched, 1, -1), 1);
        fh_loop_run_once(*state, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(it_is_never_early),
        WITH_LOOP(the_past_is_due_at_once),
        WITH_LOOP(they_come_in_the_order_of_their_times),
        WITH_LOOP(of_one_time_the_first_started_is_first),
        WITH_LOOP(a_stopped_one_does_not_come),
        WITH_LOOP(a_started_one_is_armed_anew),
        WITH_LOOP(far_ones_do_not_come),
        WITH_LOOP(one_may_start_itself_again),
        WITH_LOOP(one_may_stop_another_that_is_due),
        WITH_LOOP(many_come_in_order_whichever_are_stopped),
        WITH_LOOP(the_loops_descriptor_tells_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
