/* SPDX-License-Identifier: MIT */
#include "host_fixture.h"

#include "base/list.h"
#include "host/watch.h"

#include <sys/resource.h>

/* A watched folder, on a loop of its own. */
struct world {
    struct folder *folder;
    struct fh_loop *loop;
    struct fh_watch *watch;
    int count; /* of bursts told */
    struct fh_timer timer;
    bool is_due;
    int writes; /* of the endless writer */
    struct fh_timer writer;
};

static void on_change(void *arg)
{
    ((struct world *)arg)->count++;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (folder_setup((void **)&world->folder) != 0 || fh_loop_open(&world->loop, NULL) != 0) {
        return -1;
    }
    *state = world;
    mkdir(folder_path(world->folder, "flows"), 0755);
    const char *root = folder_path(world->folder, "flows");
    if (fh_watch_open(&world->watch, world->loop, root, on_change, world, NULL) != 0) {
        return -1;
    }
    fh_watch_add(world->watch, root);
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    fh_watch_close(world->watch);
    fh_loop_close(world->loop);
    int rc = folder_teardown((void **)&world->folder);
    free(world);
    return rc;
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Waits until one more burst is told. */
static void wait_for_change(struct world *world)
{
    int count = world->count;
    while (world->count == count) {
        fh_loop_run_once(world->loop, -1);
    }
    assert_int_equal(world->count, count + 1);
}

static void on_due(struct fh_timer *timer)
{
    FH_LIST_ENTRY(timer, struct world, timer)->is_due = true;
}

/* What was noted would be told before this timer is due. */
static void assert_quiet(struct world *world)
{
    int count = world->count;
    world->is_due = false;
    fh_timer_init(&world->timer, on_due);
    fh_loop_run_once(world->loop, 0);
    fh_timer_start(world->loop, &world->timer, 2 * FH_WATCH_QUIET_MS);
    while (!world->is_due) {
        fh_loop_run_once(world->loop, -1);
    }
    assert_int_equal(world->count, count);
}

static const char *at(struct world *world, const char *name)
{
    return folder_path(world->folder, name);
}

static void add(struct world *world, const char *name)
{
    fh_watch_add(world->watch, at(world, name));
}

static void a_written_file_is_noticed(void **state)
{
    struct world *world = *state;
    folder_write(world->folder, "flows/a.lua", "1");
    wait_for_change(world);
    folder_write(world->folder, "flows/a.lua", "2");
    wait_for_change(world);
    folder_write(world->folder, "flows/b.rule.json", "{}");
    wait_for_change(world);
    assert_quiet(world);
}

/* As editors save. */
static void a_renamed_file_is_noticed(void **state)
{
    struct world *world = *state;
    folder_write(world->folder, "a.lua.new", "1");
    assert_quiet(world);
    rename(at(world, "a.lua.new"), at(world, "flows/a.lua"));
    wait_for_change(world);
    rename(at(world, "flows/a.lua"), at(world, "flows/b.lua"));
    wait_for_change(world);
    rename(at(world, "flows/b.lua"), at(world, "gone.lua"));
    wait_for_change(world);
}

static void a_removed_file_is_noticed(void **state)
{
    struct world *world = *state;
    folder_write(world->folder, "flows/a.lua", "1");
    wait_for_change(world);
    unlink(at(world, "flows/a.lua"));
    wait_for_change(world);
}

static void rights_and_links_are_noticed(void **state)
{
    struct world *world = *state;
    folder_write(world->folder, "flows/a.lua", "1");
    wait_for_change(world);
    chmod(at(world, "flows/a.lua"), 0600);
    wait_for_change(world);
    assert_int_equal(symlink("a.lua", at(world, "flows/b.lua")), 0);
    wait_for_change(world);
    assert_int_equal(symlink("..", at(world, "flows/a.folder")), 0);
    wait_for_change(world);
    assert_int_equal(symlink("x", at(world, "flows/..data_tmp")), 0);
    assert_quiet(world);
    rename(at(world, "flows/..data_tmp"), at(world, "flows/..data"));
    wait_for_change(world);
}

static void other_names_are_passed_by(void **state)
{
    struct world *world = *state;
    folder_write(world->folder, "flows/.a.lua.swp", "1");
    folder_write(world->folder, "flows/.a.lua", "1");
    mkdir(at(world, "flows/.git"), 0755);
    folder_write(world->folder, "other.lua", "1");
    mkdir(at(world, "other"), 0755);
    assert_quiet(world);
    folder_write(world->folder, "flows/notes.txt", "1");
    wait_for_change(world); /* a new name may be a link to a folder */
    folder_write(world->folder, "flows/notes.txt", "2");
    assert_quiet(world);
}

static void what_is_read_is_passed_by(void **state)
{
    struct world *world = *state;
    char byte;
    folder_write(world->folder, "flows/a.lua", "1");
    wait_for_change(world);
    FILE *file = fopen(at(world, "flows/a.lua"), "r");
    assert_int_equal(fread(&byte, 1, 1, file), 1);
    fclose(file);
    assert_quiet(world);
}

static void a_burst_is_told_once(void **state)
{
    struct world *world = *state;
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "flows/%d.lua", i);
        folder_write(world->folder, name, "1");
    }
    wait_for_change(world);
    assert_quiet(world);
}

static void write_again(struct fh_timer *timer)
{
    struct world *world = FH_LIST_ENTRY(timer, struct world, writer);
    folder_write(world->folder, "flows/a.lua", "1");
    world->writes++;
    fh_timer_start(world->loop, timer, FH_WATCH_QUIET_MS / 5);
}

/* A file that is written without end keeps nobody from being told. */
static void an_endless_burst_is_told(void **state)
{
    struct world *world = *state;
    fh_timer_init(&world->writer, write_again);
    write_again(&world->writer);
    wait_for_change(world);
    wait_for_change(world);
    assert_true(world->writes > 2);
    fh_timer_stop(world->loop, &world->writer);
}

static void a_folder_that_was_added_is_watched(void **state)
{
    struct world *world = *state;
    mkdir(at(world, "flows/sub"), 0755);
    wait_for_change(world);
    add(world, "flows/sub");
    add(world, "flows/sub");
    assert_quiet(world);
    folder_write(world->folder, "flows/sub/a.lua", "1");
    wait_for_change(world);
    rename(at(world, "flows/sub"), at(world, "flows/renamed"));
    wait_for_change(world);
    add(world, "flows/renamed");
    folder_write(world->folder, "flows/renamed/a.lua", "2");
    wait_for_change(world);
    unlink(at(world, "flows/renamed/a.lua"));
    rmdir(at(world, "flows/renamed"));
    wait_for_change(world);
    assert_quiet(world);
}

/* It is not the folder's any more. */
static void a_folder_that_was_moved_away_is_not_watched(void **state)
{
    struct world *world = *state;
    mkdir(at(world, "flows/sub"), 0755);
    wait_for_change(world);
    add(world, "flows/sub");
    rename(at(world, "flows/sub"), at(world, "sub"));
    wait_for_change(world);
    folder_write(world->folder, "sub/a.lua", "1");
    assert_quiet(world);
}

static void the_root_may_go_and_come_back(void **state)
{
    struct world *world = *state;
    rmdir(at(world, "flows"));
    wait_for_change(world);
    add(world, "flows"); /* it is not there: nothing happens */
    mkdir(at(world, "flows"), 0755);
    wait_for_change(world);
    add(world, "flows");
    folder_write(world->folder, "flows/a.lua", "1");
    wait_for_change(world);
    mkdir(at(world, "next"), 0755);
    rename(at(world, "flows"), at(world, "before"));
    rename(at(world, "next"), at(world, "flows"));
    wait_for_change(world);
    add(world, "flows");
    folder_write(world->folder, "flows/b.lua", "1");
    wait_for_change(world);
    folder_write(world->folder, "before/a.lua", "2");
    assert_quiet(world);
}

/* A path that ends in a slash, one without a folder in it, and the working folder. */
static void any_way_to_name_the_root_will_do(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"top/", "top", "./top//", "top/."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char before[4096];
        assert_non_null(getcwd(before, sizeof(before)));
        assert_int_equal(chdir(world->folder->root), 0);
        fh_watch_close(world->watch);
        mkdir("top", 0755);
        assert_int_equal(
            fh_watch_open(&world->watch, world->loop, names[i], on_change, world, NULL), 0);
        fh_watch_add(world->watch, names[i]);
        folder_write(world->folder, "top/a.lua", "1");
        wait_for_change(world);
        unlink("top/a.lua");
        rmdir("top");
        wait_for_change(world);
        mkdir("top", 0755);
        wait_for_change(world);
        assert_int_equal(chdir(before), 0);
    }
}

static void no_descriptor_is_an_error(void **state)
{
    struct world *world = *state;
    struct fh_watch *watch;
    struct fh_error err = {0, ""};
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = fh_watch_open(&watch, world->loop, "/", on_change, world, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(rc, FH_E_IO);
    assert_non_null(strstr(err.detail, "max_user_instances"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(a_written_file_is_noticed),
        WITH_WORLD(a_renamed_file_is_noticed),
        WITH_WORLD(a_removed_file_is_noticed),
        WITH_WORLD(rights_and_links_are_noticed),
        WITH_WORLD(other_names_are_passed_by),
        WITH_WORLD(what_is_read_is_passed_by),
        WITH_WORLD(a_burst_is_told_once),
        WITH_WORLD(an_endless_burst_is_told),
        WITH_WORLD(a_folder_that_was_added_is_watched),
        WITH_WORLD(a_folder_that_was_moved_away_is_not_watched),
        WITH_WORLD(the_root_may_go_and_come_back),
        WITH_WORLD(any_way_to_name_the_root_will_do),
        WITH_WORLD(no_descriptor_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
