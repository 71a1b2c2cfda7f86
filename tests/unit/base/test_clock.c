/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/clock.h"

#include <time.h>

static void the_manual_clock_stands(void **state)
{
    (void)state;
    struct fh_clock_manual manual;
    fh_clock_manual_init(&manual, 1700000000123456);
    const struct fh_clock *clock = &manual.clock;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(clock->wall_us(clock), 1700000000123456);
        assert_int_equal(fh_clock_wall_ms(clock), 1700000000123);
        assert_int_equal(fh_clock_mono_us(clock), 1700000000123456);
    }
    manual.now_us += 544;
    assert_int_equal(fh_clock_wall_ms(clock), 1700000000124);
}

static void two_manual_clocks_differ(void **state)
{
    (void)state;
    struct fh_clock_manual a, b;
    fh_clock_manual_init(&a, 1000);
    fh_clock_manual_init(&b, 2000);
    a.now_us = 5000;
    assert_int_equal(fh_clock_wall_ms(&a.clock), 5);
    assert_int_equal(fh_clock_wall_ms(&b.clock), 2);
}

static void the_system_clock_is_the_kernels(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int64_t now_us = fh_clock_mono_us(&fh_clock_system);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(now_us >= before.tv_sec * 1000000 + before.tv_nsec / 1000);
    assert_true(now_us <= after.tv_sec * 1000000 + after.tv_nsec / 1000);
    /* Milliseconds, not seconds or microseconds: after 2020 and before 2300. */
    assert_true(fh_clock_wall_ms(&fh_clock_system) > 1577836800000);
    assert_true(fh_clock_wall_ms(&fh_clock_system) < 10413792000000);
}

static void monotonic_time_does_not_run_backwards(void **state)
{
    (void)state;
    int64_t last_us = fh_clock_mono_us(&fh_clock_system);
    for (int i = 0; i < 10000; i++) {
        int64_t now_us = fh_clock_mono_us(&fh_clock_system);
        assert_true(now_us >= last_us);
        last_us = now_us;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_clock_stands),
        cmocka_unit_test(two_manual_clocks_differ),
        cmocka_unit_test(the_system_clock_is_the_kernels),
        cmocka_unit_test(monotonic_time_does_not_run_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
