/* SPDX-License-Identifier: MIT */
#include "host_fixture.h"

#include "host/seen.h"

static const int64_t second_us = 1000000;

static struct stat stat_of(struct folder *folder, const char *name)
{
    struct stat info;
    assert_int_equal(stat(folder_path(folder, name), &info), 0);
    return info;
}

static int64_t changed_us(const struct stat *info)
{
    return (int64_t)info->st_ctim.tv_sec * second_us + info->st_ctim.tv_nsec / 1000;
}

static void finds_by_path(void **state)
{
    struct folder *folder = *state;
    struct fh_seen seen = {.files = NULL};
    char name[32];
    assert_null(fh_seen_find(&seen, "a.lua"));
    folder_write(folder, "a.lua", "1");
    struct stat info = stat_of(folder, "a.lua");
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "%d.lua", i * 37 % 300);
        assert_int_equal(fh_seen_add(&seen, name, &info), 0);
    }
    fh_seen_sort(&seen);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "%d.lua", i);
        assert_string_equal(fh_seen_find(&seen, name)->path, name);
    }
    assert_null(fh_seen_find(&seen, "300.lua"));
    assert_null(fh_seen_find(&seen, ""));
    fh_seen_deinit(&seen);
    fh_seen_deinit(&seen);
}

static void tells_a_changed_file(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "a.lua", "1");
    struct stat info = stat_of(folder, "a.lua");
    struct fh_seen seen = {.began_us = changed_us(&info) + 10 * second_us};
    fh_seen_add(&seen, "a.lua", &info);
    assert_true(fh_seen_is_same(fh_seen_find(&seen, "a.lua"), &info));
    assert_false(fh_seen_is_same(NULL, &info));
    struct stat other = info;
    other.st_size++;
    assert_false(fh_seen_is_same(fh_seen_find(&seen, "a.lua"), &other));
    other = info;
    other.st_ctim.tv_nsec ^= 1;
    assert_false(fh_seen_is_same(fh_seen_find(&seen, "a.lua"), &other));
    other = info;
    other.st_mtim.tv_sec--;
    assert_false(fh_seen_is_same(fh_seen_find(&seen, "a.lua"), &other));
    folder_write(folder, "b.lua", "1");
    rename(folder_path(folder, "b.lua"), folder_path(folder, "a.lua"));
    other = stat_of(folder, "a.lua");
    assert_false(fh_seen_is_same(fh_seen_find(&seen, "a.lua"), &other));
    fh_seen_deinit(&seen);
}

/* A file system may give two contents the same times, if they were written close together; and the clock of a file
 * system elsewhere may be ahead. */
static void a_fresh_file_is_not_certain(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "a.lua", "1");
    struct stat info = stat_of(folder, "a.lua");
    for (int seconds = -5; seconds < 2; seconds++) {
        struct fh_seen seen = {.began_us = changed_us(&info) + seconds * second_us};
        fh_seen_add(&seen, "a.lua", &info);
        assert_false(fh_seen_is_same(fh_seen_find(&seen, "a.lua"), &info));
        fh_seen_deinit(&seen);
    }
}

static void what_could_not_be_read_is_never_the_same(void **state)
{
    struct folder *folder = *state;
    struct fh_seen seen = {.began_us = INT64_MAX};
    folder_write(folder, "a.lua", "1");
    struct stat info = stat_of(folder, "a.lua");
    fh_seen_add(&seen, "a.lua", NULL);
    assert_false(fh_seen_is_same(fh_seen_find(&seen, "a.lua"), &info));
    fh_seen_deinit(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(finds_by_path),
        WITH_FOLDER(tells_a_changed_file),
        WITH_FOLDER(a_fresh_file_is_not_certain),
        WITH_FOLDER(what_could_not_be_read_is_never_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
