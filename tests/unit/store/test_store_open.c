/* SPDX-License-Identifier: MIT */
/* Opening: what is refused, and with which sentence. */
#include "store_fixture.h"

#include "base/log.h"
#include "store/envelope.h"

#include <fcntl.h>
#include <lmdb.h>

static void assert_refused(struct fixture *fixture, int code, const char *detail)
{
    struct fh_error err = {0};
    assert_int_equal(fixture_open(fixture, 0, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.detail, detail)) {
        fail_msg("\"%s\" lacks \"%s\"", err.detail, detail);
    }
    assert_null(fixture->store);
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *path, char **data)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    *data = malloc((size_t)status.st_size);
    assert_int_equal(fread(*data, 1, (size_t)status.st_size, file), status.st_size);
    fclose(file);
    return (size_t)status.st_size;
}

static void makes_a_private_folder(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(stat(fixture->file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void takes_an_empty_file_for_fresh(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    write_file(fixture->file, "", 0);
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    assert_int_equal(put_text(fixture->store, "k", "v"), 0);
    fixture_reopen(fixture);
    assert_true(has_text(fixture->store, "k", "v"));
}

static void refuses_without_parent(void **state)
{
    struct fixture *fixture = *state;
    snprintf(fixture->path, sizeof(fixture->path), "%s/no/data", fixture->root);
    assert_refused(fixture, FH_E_NOT_FOUND, "make the parent first");
}

static void refuses_a_file_for_folder(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture->path, "x", 1);
    assert_refused(fixture, FH_E_NOT_FOUND, "is a file");
}

static void try_as_stranger(struct fixture *fixture)
{
    struct fh_error err = {0};
    CHECK(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
    CHECK(fixture_open(fixture, 0, &err) == FH_E_PERMISSION);
    CHECK(strstr(err.detail, "may not be written by this user"));
}

static void refuses_without_permission(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(chmod(fixture->root, 0500), 0);
    assert_true(runs_in_child(try_as_stranger, fixture));
    assert_int_equal(chmod(fixture->root, 0755), 0);
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    fixture_close(fixture);
    assert_int_equal(chmod(fixture->path, 0500), 0);
    assert_int_equal(chmod(fixture->file, 0400), 0);
    char lock[sizeof(fixture->path) + 8];
    snprintf(lock, sizeof(lock), "%s/LOCK", fixture->path);
    assert_int_equal(chmod(lock, 0400), 0);
    assert_true(runs_in_child(try_as_stranger, fixture));
    assert_int_equal(chmod(fixture->path, 0700), 0);
}

static void refuses_a_second_process(void **state)
{
    struct fixture *fixture = *state;
    int ready[2], leave[2];
    char byte = 0;
    char expected[64];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(leave[1]);
        CHECK(fixture_open(fixture, 0, NULL) == 0);
        CHECK(write(ready[1], &byte, 1) == 1);
        CHECK(read(leave[0], &byte, 1) == 0);
        fixture_close(fixture);
        _exit(0);
    }
    close(leave[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(expected, sizeof(expected), "in use by process %ld; stop it first", (long)pid);
    assert_refused(fixture, FH_E_LOCKED, expected);
    close(leave[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    struct fh_store *first = fixture->store;
    fixture->store = NULL;
    assert_refused(fixture, FH_E_LOCKED, "stop it first");
    fixture->store = first;
}

/* --- foreign, damaged and truncated files ------------------------------------------------------ */

static void refuses_other_files(void **state)
{
    struct fixture *fixture = *state;
    char noise[3 * 4096];
    memset(noise, 'x', sizeof(noise));
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    write_file(fixture->file, noise, 10);
    assert_refused(fixture, FH_E_CORRUPT, "restore a backup");
    write_file(fixture->file, noise, sizeof(noise));
    assert_refused(fixture, FH_E_CORRUPT, "restore a backup");
}

static void refuses_another_lmdb_version(void **state)
{
    struct fixture *fixture = *state;
    char *data;
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    fixture_close(fixture);
    size_t len = read_file(fixture->file, &data);
    data[20] = 9; /* mm_version of both metas */
    data[4096 + 20] = 9;
    write_file(fixture->file, data, len);
    free(data);
    assert_refused(fixture, FH_E_CORRUPT, "restore a backup");
}

/* Puts under `key` of the table (NULL: no such put) in a file that need not be a store's. */
static void write_lmdb(struct fixture *fixture, const char *table, struct fh_slice key,
                       struct fh_slice stored)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {key.len, (void *)key.data};
    MDB_val v = {stored.len, (void *)stored.data};
    (void)mkdir(fixture->path, 0700);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
    assert_int_equal(mdb_env_open(env, fixture->path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, table, MDB_CREATE, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void refuses_the_lmdb_file_of_others(void **state)
{
    struct fixture *fixture = *state;
    write_lmdb(fixture, "theirs", FH_SLICE_LIT("k"), FH_SLICE_LIT("v"));
    assert_refused(fixture, FH_E_CORRUPT, "not a store");
}

static void write_format(struct fixture *fixture, struct fh_slice text)
{
    char stored[64];
    fh_envelope_encode(stored, FH_TABLE_META, FH_SLICE_LIT("format"), text);
    write_lmdb(fixture, "meta", FH_SLICE_LIT("format"),
               fh_slice_make(stored, text.len + FH_ENVELOPE_EXTRA_BYTES));
}

static void refuses_a_newer_format(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    fixture_close(fixture);
    write_format(fixture, FH_SLICE_LIT("2"));
    assert_refused(fixture, FH_E_NEWER_FORMAT, "has format 2, we know up to 1");
    write_format(fixture, FH_SLICE_LIT("?"));
    assert_refused(fixture, FH_E_CORRUPT, "unknown format \"?\"");
    write_lmdb(fixture, "meta", FH_SLICE_LIT("format"), FH_SLICE_LIT("\x02 of the future"));
    assert_refused(fixture, FH_E_NEWER_FORMAT, "newer version");
    write_lmdb(fixture, "meta", FH_SLICE_LIT("format"), FH_SLICE_LIT("\x01 rubbish"));
    assert_refused(fixture, FH_E_CORRUPT, "table meta");
    write_format(fixture, FH_SLICE_LIT("1"));
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
}

enum { ROWS = 200 };

static void key_of(int i, char key[8])
{
    snprintf(key, 8, "k%03d", i);
}

static void fill(struct fixture *fixture, size_t value_bytes)
{
    char *value = calloc(1, value_bytes);
    struct fh_batch *batch = batch_make();
    for (int i = 0; i < ROWS; i++) {
        char key[8];
        key_of(i, key);
        memset(value, i, value_bytes);
        fh_batch_put(batch, FH_TABLE_RUNS, fh_slice_from(key), fh_slice_make(value, value_bytes));
    }
    free(value);
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
}

static int on_count(void *arg, struct fh_slice key, struct fh_slice value, int rc)
{
    (void)key, (void)value;
    assert_int_equal(rc, 0);
    ++*(int *)arg;
    return 0;
}

static int count_rows(struct fixture *fixture)
{
    struct fh_snapshot *snapshot;
    struct fh_scan scan = {.table = FH_TABLE_RUNS};
    int count = 0;
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    assert_int_equal(fh_snapshot_scan(snapshot, &scan, on_count, &count), 0);
    fh_snapshot_close(snapshot);
    return count;
}

/* A file cut anywhere is refused, or all it held is there; nothing crashes. */
static void survives_any_truncation(void **state)
{
    struct fixture *fixture = *state;
    char *data;
    int refused = 0;
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    fill(fixture, 300);
    assert_int_equal(put_text(fixture->store, "zz", "v"), 0);
    fill(fixture, 301);
    fixture_close(fixture);
    size_t len = read_file(fixture->file, &data);
    for (size_t cut = 1; cut < len; cut += 1021) {
        write_file(fixture->file, data, cut);
        struct fh_error err = {0};
        int rc = fixture_open(fixture, 0, &err);
        if (rc == 0) {
            assert_int_equal(count_rows(fixture), ROWS + 1);
            assert_int_equal(put_text(fixture->store, "k000", "still writes"), 0);
            fixture_close(fixture);
        } else {
            assert_int_equal(rc, FH_E_CORRUPT);
            assert_non_null(strstr(err.detail, "restore a backup"));
            refused++;
        }
    }
    assert_true(refused > 0);
    free(data);
}

/* LMDB itself leaves such files: pages taken and freed in one transaction are not written. */
static void accepts_a_file_short_of_free_pages(void **state)
{
    struct fixture *fixture = *state;
    char *data;
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    fill(fixture, 300);
    assert_int_equal(put_text(fixture->store, "zz", ""), 0);
    fixture_close(fixture);
    size_t len = read_file(fixture->file, &data);
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    char *big = calloc(1, 1 << 20);
    assert_int_equal(put_wait(fixture->store, "yy", fh_slice_make(big, 1 << 20)), 0);
    free(big);
    struct fh_batch *batch = batch_make();
    fh_batch_del(batch, FH_TABLE_RUNS, FH_SLICE_LIT("yy"));
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(put_text(fixture->store, "zz", ""), 0);
    }
    fixture_close(fixture);
    free(data);
    /* All that lies behind the old end but the last few commits is free; cut a page at a time. */
    size_t full = read_file(fixture->file, &data);
    size_t cut = full;
    struct fh_error err = {0};
    while (cut > len && fixture_open(fixture, 0, &err) == 0) {
        assert_int_equal(count_rows(fixture), ROWS + 1);
        fixture_close(fixture);
        cut -= 4096;
        write_file(fixture->file, data, cut);
    }
    free(data);
    assert_true(full - cut > 100 * 4096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_a_private_folder),
        TEST(takes_an_empty_file_for_fresh),
        TEST(refuses_without_parent),
        TEST(refuses_a_file_for_folder),
        TEST(refuses_without_permission),
        TEST(refuses_a_second_process),
        TEST(refuses_other_files),
        TEST(refuses_another_lmdb_version),
        TEST(refuses_the_lmdb_file_of_others),
        TEST(refuses_a_newer_format),
        TEST(survives_any_truncation),
        TEST(accepts_a_file_short_of_free_pages),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
