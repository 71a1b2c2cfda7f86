/* SPDX-License-Identifier: MIT */
#include "host_fixture.h"

#include "host/config.h"

static void is_empty_at_first(void **state)
{
    (void)state;
    struct fh_config config;
    fh_config_init(&config);
    assert_null(fh_config_text(&config, "data"));
    assert_int_equal(fh_config_number(&config, "data"), 0);
    assert_int_equal(fh_config_ms(&config, "data"), 0);
    fh_config_deinit(&config);
}

static void keeps_copies(void **state)
{
    (void)state;
    struct fh_config config;
    char name[] = "data", value[] = "/var/lib/shop";
    fh_config_init(&config);
    assert_int_equal(fh_config_put(&config, name, value), 0);
    memset(name, 'x', sizeof(name) - 1);
    memset(value, 'x', sizeof(value) - 1);
    assert_string_equal(fh_config_text(&config, "data"), "/var/lib/shop");
    assert_null(fh_config_text(&config, "xxxx"));
    fh_config_deinit(&config);
    assert_null(fh_config_text(&config, "data"));
}

static void the_last_value_stands(void **state)
{
    (void)state;
    struct fh_config config;
    fh_config_init(&config);
    fh_config_put(&config, "log", "text");
    fh_config_put(&config, "data", "");
    fh_config_put(&config, "log", "json");
    assert_int_equal(config.count, 2);
    assert_string_equal(fh_config_text(&config, "log"), "json");
    assert_string_equal(fh_config_text(&config, "data"), "");
    /* A value may be put back as itself. */
    fh_config_put(&config, "log", fh_config_text(&config, "log"));
    assert_string_equal(fh_config_text(&config, "log"), "json");
    fh_config_deinit(&config);
}

static void holds_many(void **state)
{
    (void)state;
    struct fh_config config;
    char name[16], value[16];
    fh_config_init(&config);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "name%d", i);
        snprintf(value, sizeof(value), "%d", i * 3);
        assert_int_equal(fh_config_put(&config, name, value), 0);
    }
    assert_int_equal(config.count, 500);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "name%d", i);
        assert_int_equal(fh_config_number(&config, name), i * 3);
        assert_string_equal(config.pairs[i].name, name);
    }
    fh_config_deinit(&config);
}

static void reads_numbers_and_times(void **state)
{
    (void)state;
    struct fh_config config;
    fh_config_init(&config);
    fh_config_put(&config, "size", "68719476736");
    fh_config_put(&config, "largest", "18446744073709551615");
    fh_config_put(&config, "seconds", "1.5");
    fh_config_put(&config, "short", "0.001");
    fh_config_put(&config, "hour", "3600");
    assert_int_equal(fh_config_number(&config, "size"), 68719476736);
    assert_true(fh_config_number(&config, "largest") == UINT64_MAX);
    assert_int_equal(fh_config_ms(&config, "seconds"), 1500);
    assert_int_equal(fh_config_ms(&config, "short"), 1);
    assert_int_equal(fh_config_ms(&config, "hour"), 3600000);
    fh_config_deinit(&config);
}

static int64_t ms_of(const char *text)
{
    struct fh_config config;
    fh_config_init(&config);
    fh_config_put(&config, "time", text);
    int64_t ms = fh_config_ms(&config, "time");
    fh_config_deinit(&config);
    return ms;
}

/* 0.29 * 1000 is 289.999... in binary: a time is rounded, not cut. */
static void rounds_times(void **state)
{
    (void)state;
    char text[16];
    for (int ms = 0; ms < 3000; ms++) {
        snprintf(text, sizeof(text), "%d.%03d", ms / 1000, ms % 1000);
        assert_int_equal(ms_of(text), ms);
    }
    assert_int_equal(ms_of("0"), 0);
    assert_int_equal(ms_of("7."), 7000);
    assert_int_equal(ms_of(".5"), 500);
    assert_int_equal(ms_of("1.25"), 1250);
    assert_int_equal(ms_of("0.0004"), 0);
    assert_int_equal(ms_of("0.0005"), 1);
    assert_int_equal(ms_of("0.00049999"), 0);
    assert_int_equal(ms_of("1.9999"), 2000);
}

/* Whatever tonumber takes and tostring writes. */
static void bounds_times(void **state)
{
    (void)state;
    static const int64_t max_ms = INT64_C(1000000000000);
    assert_int_equal(ms_of("1e-05"), 0);
    assert_int_equal(ms_of("1.5e-07"), 0);
    assert_int_equal(ms_of("999999999"), max_ms - 1000);
    assert_int_equal(ms_of("1000000000"), max_ms);
    assert_int_equal(ms_of("99999999999999"), max_ms);
    assert_int_equal(ms_of("99999999999999.5"), max_ms);
    assert_int_equal(ms_of("1e+15"), max_ms);
    assert_int_equal(ms_of("1.5e+300"), max_ms);
    assert_int_equal(ms_of("inf"), max_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_empty_at_first),
        cmocka_unit_test(keeps_copies),
        cmocka_unit_test(the_last_value_stands),
        cmocka_unit_test(holds_many),
        cmocka_unit_test(reads_numbers_and_times),
        cmocka_unit_test(rounds_times),
        cmocka_unit_test(bounds_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
