/* SPDX-License-Identifier: MIT */
/* Backup beside a host and in it, restore, and what both refuse. */
#include "store_fixture.h"

#include <fcntl.h>
#include <lmdb.h>

enum { ROWS = 200, VALUE_BYTES = 5000 };

struct places {
    char backup[96];
    char part[112];
    char other[96]; /* a folder to restore to */
    char other_file[112];
};

static struct places places_of(const struct fixture *fixture)
{
    struct places places;
    snprintf(places.backup, sizeof(places.backup), "%s/backup", fixture->root);
    snprintf(places.part, sizeof(places.part), "%s.part", places.backup);
    snprintf(places.other, sizeof(places.other), "%s/other", fixture->root);
    snprintf(places.other_file, sizeof(places.other_file), "%s/data.mdb", places.other);
    return places;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static int fill(struct fh_store *store)
{
    char key[16];
    char *value = malloc(VALUE_BYTES);
    int rc = 0;
    for (int i = 0; rc == 0 && i < ROWS; i++) {
        memset(value, 'a' + i % 26, VALUE_BYTES);
        snprintf(key, sizeof(key), "row %03d", i);
        rc = put_wait(store, key, fh_slice_make(value, VALUE_BYTES));
    }
    free(value);
    return rc;
}

static int count(void *arg, struct fh_slice key, struct fh_slice value, int rc)
{
    (void)key;
    *(int *)arg += rc == 0 && value.len == VALUE_BYTES;
    return 0;
}

static int count_rows(struct fh_store *store)
{
    struct fh_snapshot *snapshot;
    struct fh_scan scan = {.table = FH_TABLE_RUNS, .prefix = FH_SLICE_LIT("row ")};
    int rows = 0;
    assert_int_equal(fh_snapshot_open(&snapshot, store), 0);
    assert_int_equal(fh_snapshot_scan(snapshot, &scan, count, &rows), 0);
    fh_snapshot_close(snapshot);
    return rows;
}

static void open_filled(struct fixture *fixture)
{
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    assert_int_equal(fill(fixture->store), 0);
}

/* Opens what was restored in place of the fixture's own. */
static void open_other(struct fixture *fixture)
{
    struct places places = places_of(fixture);
    struct fh_error err = {0};
    snprintf(fixture->path, sizeof(fixture->path), "%s", places.other);
    if (fixture_open(fixture, 0, &err) != 0) {
        fail_msg("%s", err.detail);
    }
}

static void backs_up_an_open_store(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    open_filled(fixture);
    assert_int_equal(fh_store_backup(fixture->store, places.backup, &check, &err), 0);
    assert_int_equal(check.values, ROWS + 1);
    assert_int_equal(check.damaged, 0);
    assert_int_equal(put_text(fixture->store, "later", "v"), 0);
    assert_int_equal(fh_store_backup(fixture->store, places.backup, &check, &err), FH_E_CONFLICT);
    assert_non_null(strstr(err.detail, "exists; name another file"));
    assert_int_equal(fh_store_backup(fixture->store, "/nowhere/at/all", &check, &err),
                     FH_E_NOT_FOUND);
    fixture_close(fixture);
    assert_int_equal(fh_store_restore(places.backup, places.other, false, &check, &err), 0);
    assert_int_equal(check.values, ROWS + 1);
    open_other(fixture);
    assert_int_equal(count_rows(fixture->store), ROWS);
    assert_true(is_absent(fixture->store, "later"));
    assert_int_equal(put_text(fixture->store, "later", "v"), 0);
}

/* Holds the folder open, and writes to it as long as it is asked to. */
static void keep_writing(struct fixture *fixture, int ready, int leave)
{
    char byte = 0;
    struct fh_store *store;
    struct fh_store_config config = {.path = fixture->path, .map_bytes = 64 << 20};
    CHECK(fh_store_open(&store, &config, NULL) == 0);
    CHECK(fill(store) == 0);
    CHECK(write(ready, &byte, 1) == 1);
    CHECK(fcntl(leave, F_SETFL, O_NONBLOCK) == 0);
    while (read(leave, &byte, 1) != 0) {
        CHECK(put_text(store, "busy", "v") == 0);
    }
    fh_store_close(store);
    _exit(0);
}

static void backs_up_beside_the_host(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    int ready[2], leave[2], status = -1;
    char byte;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(leave[1]);
        keep_writing(fixture, ready[1], leave[0]);
    }
    close(leave[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    for (int i = 0; i < 20; i++) {
        (void)unlink(places.backup);
        if (fh_store_backup_folder(fixture->path, places.backup, &check, &err) != 0) {
            fail_msg("%s", err.detail);
        }
        assert_int_equal(check.damaged, 0);
        assert_in_range(check.values, ROWS + 1, ROWS + 2);
    }
    close(leave[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(fh_store_restore(places.backup, places.other, false, &check, &err), 0);
    open_other(fixture);
    assert_int_equal(count_rows(fixture->store), ROWS);
}

static void backs_up_a_folder_at_rest(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    open_filled(fixture);
    fixture_close(fixture);
    assert_int_equal(fh_store_backup_folder(fixture->path, places.backup, &check, &err), 0);
    assert_int_equal(check.values, ROWS + 1);
    fixture_reopen(fixture);
    assert_int_equal(count_rows(fixture->store), ROWS);
}

static void refuses_to_back_up_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    assert_int_equal(fh_store_backup_folder(fixture->path, places.backup, &check, &err),
                     FH_E_NOT_FOUND);
    assert_non_null(strstr(err.detail, fixture->file));
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_int_equal(close(open(fixture->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    assert_int_equal(fh_store_backup_folder(fixture->path, places.backup, &check, &err),
                     FH_E_CORRUPT);
    assert_false(is_there(places.backup));
    assert_false(is_there(places.part));
}

/* --- damage ----------------------------------------------------------------------------------- */

/* Flips a bit in a value of the file at rest, as LMDB sees it. */
static void damage(const char *file, const char *key)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {strlen(key), (void *)key};
    MDB_val v;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, FH_TABLE_COUNT), 0);
    assert_int_equal(mdb_env_open(env, file, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "runs", 0, &dbi), 0);
    assert_int_equal(mdb_get(txn, dbi, &k, &v), 0);
    char *copy = malloc(v.mv_size);
    memcpy(copy, v.mv_data, v.mv_size);
    copy[v.mv_size / 2] ^= 1;
    v.mv_data = copy;
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    free(copy);
    mdb_env_close(env);
}

static void tells_of_damaged_values(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    open_filled(fixture);
    fixture_close(fixture);
    damage(fixture->file, "row 007");
    assert_int_equal(fh_store_backup_folder(fixture->path, places.backup, &check, &err), 0);
    assert_int_equal(check.damaged, 1);
    assert_non_null(strstr(check.first.detail, "table runs"));
    assert_int_equal(fh_store_restore(places.backup, places.other, false, &check, &err),
                     FH_E_CORRUPT);
    assert_non_null(strstr(err.detail, "1 of 201 values"));
    assert_false(is_there(places.other));
    assert_int_equal(fh_store_restore(places.backup, places.other, true, &check, &err), 0);
    assert_int_equal(check.damaged, 1);
    open_other(fixture);
    assert_int_equal(count_rows(fixture->store), ROWS - 1);
}

static void refuses_to_restore_other_files(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    char noise[3 * 4096];
    memset(noise, 'x', sizeof(noise));
    for (size_t len = 0; len <= sizeof(noise); len += 4096) {
        int fd = open(places.backup, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, noise, len), len);
        close(fd);
        assert_int_equal(fh_store_restore(places.backup, places.other, false, &check, &err),
                         FH_E_CORRUPT);
        assert_non_null(strstr(err.detail, places.backup));
    }
    assert_int_equal(unlink(places.backup), 0);
    assert_int_equal(fh_store_restore(places.backup, places.other, false, &check, &err),
                     FH_E_NOT_FOUND);
    assert_int_not_equal(fh_store_restore(fixture->root, places.other, false, &check, &err), 0);
    assert_false(is_there(places.other));
}

static void refuses_a_truncated_backup(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    struct stat status;
    open_filled(fixture);
    assert_int_equal(fh_store_backup(fixture->store, places.backup, &check, &err), 0);
    fixture_close(fixture);
    assert_int_equal(stat(places.backup, &status), 0);
    for (off_t cut = status.st_size - 1; cut > 0; cut -= status.st_size / 8) {
        assert_int_equal(truncate(places.backup, cut), 0);
        assert_int_equal(fh_store_restore(places.backup, places.other, false, &check, &err),
                         FH_E_CORRUPT);
    }
    assert_false(is_there(places.other));
}

static void never_restores_over_data(void **state)
{
    struct fixture *fixture = *state;
    struct places places = places_of(fixture);
    struct fh_store_check check;
    struct fh_error err = {0};
    open_filled(fixture);
    assert_int_equal(fh_store_backup(fixture->store, places.backup, &check, &err), 0);
    assert_int_equal(put_text(fixture->store, "later", "v"), 0);
    assert_int_equal(fh_store_restore(places.backup, fixture->path, false, &check, &err),
                     FH_E_LOCKED);
    fixture_close(fixture);
    assert_int_equal(fh_store_restore(places.backup, fixture->path, false, &check, &err),
                     FH_E_CONFLICT);
    assert_non_null(strstr(err.detail, "holds data already"));
    fixture_reopen(fixture);
    assert_true(has_text(fixture->store, "later", "v"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(backs_up_an_open_store),     TEST(backs_up_beside_the_host),
        TEST(backs_up_a_folder_at_rest),  TEST(refuses_to_back_up_nothing),
        TEST(tells_of_damaged_values),    TEST(refuses_to_restore_other_files),
        TEST(refuses_a_truncated_backup), TEST(never_restores_over_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
