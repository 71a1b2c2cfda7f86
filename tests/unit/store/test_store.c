/* SPDX-License-Identifier: MIT */
#include "store_fixture.h"

#include "base/buf.h"
#include "base/log.h"
#include "store/envelope.h"

#include <lmdb.h>
#include <pthread.h>

static int setup_open(void **state)
{
    return fixture_setup(state) == 0 && fixture_open(*state, 0, NULL) == 0 ? 0 : -1;
}

static void puts_gets_and_deletes(void **state)
{
    struct fixture *fixture = *state;
    assert_true(is_absent(fixture->store, "a"));
    assert_int_equal(put_text(fixture->store, "a", "one"), 0);
    assert_true(has_text(fixture->store, "a", "one"));
    assert_int_equal(put_text(fixture->store, "a", ""), 0);
    assert_true(has_text(fixture->store, "a", ""));

    struct fh_batch *batch = batch_make();
    fh_batch_put(batch, FH_TABLE_RUNS, FH_SLICE_LIT("b"), FH_SLICE_LIT("two"));
    fh_batch_del(batch, FH_TABLE_RUNS, FH_SLICE_LIT("a"));
    fh_batch_del(batch, FH_TABLE_RUNS, FH_SLICE_LIT("never there"));
    fh_batch_put(batch, FH_TABLE_RUNS, FH_SLICE_LIT("b"), FH_SLICE_LIT("three"));
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
    assert_true(is_absent(fixture->store, "a"));
    assert_true(has_text(fixture->store, "b", "three"));

    fixture_reopen(fixture);
    assert_true(has_text(fixture->store, "b", "three"));
    assert_true(is_absent(fixture->store, "a"));
}

static void keeps_large_values(void **state)
{
    struct fixture *fixture = *state;
    size_t len = 3 << 20;
    char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(i * 7 + i / 4096);
    }
    assert_int_equal(put_wait(fixture->store, "big", fh_slice_make(bytes, len)), 0);
    struct fh_snapshot *snapshot;
    struct fh_slice value;
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    assert_int_equal(fh_snapshot_get(snapshot, FH_TABLE_RUNS, FH_SLICE_LIT("big"), &value, NULL),
                     0);
    assert_true(fh_slice_equal(value, fh_slice_make(bytes, len)));
    fh_snapshot_close(snapshot);
    free(bytes);
}

static void refuses_bad_keys(void **state)
{
    (void)state;
    char key[FH_KEY_MAX_BYTES + 1] = {1};
    struct fh_slice none = fh_slice_make(NULL, 0);
    struct fh_batch *batch = batch_make();
    assert_int_equal(fh_batch_put(batch, FH_TABLE_RUNS, none, none), FH_E_INVALID);
    assert_int_equal(fh_batch_del(batch, FH_TABLE_RUNS, fh_slice_make(key, sizeof(key))),
                     FH_E_INVALID);
    assert_int_equal(fh_batch_put(batch, FH_TABLE_COUNT, FH_SLICE_LIT("k"), none), FH_E_INVALID);
    assert_int_equal(fh_batch_put(batch, FH_TABLE_RUNS, fh_slice_make(key, FH_KEY_MAX_BYTES), none),
                     0);
    fh_batch_free(batch);
    fh_batch_free(NULL);
}

static void keeps_tables_apart(void **state)
{
    struct fixture *fixture = *state;
    struct fh_batch *batch = batch_make();
    for (int i = FH_TABLE_META + 1; i < FH_TABLE_COUNT; i++) {
        char digit = (char)('a' + i);
        fh_batch_put(batch, (enum fh_table)i, FH_SLICE_LIT("k"), fh_slice_make(&digit, 1));
    }
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
    struct fh_snapshot *snapshot;
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    for (int i = FH_TABLE_META + 1; i < FH_TABLE_COUNT; i++) {
        struct fh_slice value;
        char digit = (char)('a' + i);
        assert_int_equal(
            fh_snapshot_get(snapshot, (enum fh_table)i, FH_SLICE_LIT("k"), &value, NULL), 0);
        assert_true(fh_slice_equal(value, fh_slice_make(&digit, 1)));
    }
    fh_snapshot_close(snapshot);
}

/* --- scan ------------------------------------------------------------------------------------- */

struct visited {
    struct fh_buf keys; /* joined by spaces */
    int stop_at;        /* 0: never */
    int answer;
    int count;
    int damaged;
};

static int on_visit(void *arg, struct fh_slice key, struct fh_slice value, int rc)
{
    struct visited *visited = arg;
    fh_buf_push_format(&visited->keys, "%s%.*s", visited->count ? " " : "", (int)key.len, key.data);
    visited->count++;
    if (rc == 0) {
        assert_true(fh_slice_equal(key, value));
    } else {
        assert_int_equal(rc, FH_E_CORRUPT);
        assert_int_equal(value.len, 0);
        visited->damaged++;
    }
    return visited->count == visited->stop_at ? visited->answer : 0;
}

static int scan(struct fixture *fixture, struct visited *visited, const char *prefix,
                const char *after, bool reverse)
{
    struct fh_snapshot *snapshot;
    struct fh_scan scan = {FH_TABLE_RUNS, fh_slice_from(prefix), fh_slice_from(after), reverse};
    fh_buf_init(&visited->keys, 1 << 16);
    fh_buf_reserve(&visited->keys, 1);
    visited->count = 0;
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    int rc = fh_snapshot_scan(snapshot, &scan, on_visit, visited);
    fh_snapshot_close(snapshot);
    fh_buf_push_byte(&visited->keys, '\0');
    return rc;
}

static void assert_scan(struct fixture *fixture, const char *prefix, const char *after,
                        bool reverse, const char *expected)
{
    struct visited visited = {0};
    assert_int_equal(scan(fixture, &visited, prefix, after, reverse), 0);
    assert_string_equal(visited.keys.data, expected);
    fh_buf_deinit(&visited.keys);
}

static void put_rows(struct fixture *fixture, const char *const *keys)
{
    struct fh_batch *batch = batch_make();
    for (; *keys; keys++) {
        fh_batch_put(batch, FH_TABLE_RUNS, fh_slice_from(*keys), fh_slice_from(*keys));
    }
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
}

static const char *const rows[] = {"a",  "b", "b1",    "b2",        "b2x",
                                   "b3", "c", "d\xff", "d\xff\xff", NULL};

static void scans_forward(void **state)
{
    struct fixture *fixture = *state;
    assert_scan(fixture, "", "", false, "");
    put_rows(fixture, rows);
    assert_scan(fixture, "", "", false, "a b b1 b2 b2x b3 c d\xff d\xff\xff");
    assert_scan(fixture, "b", "", false, "b b1 b2 b2x b3");
    assert_scan(fixture, "b2", "", false, "b2 b2x");
    assert_scan(fixture, "b", "b1", false, "b2 b2x b3");
    assert_scan(fixture, "b", "b11", false, "b2 b2x b3");
    assert_scan(fixture, "b", "a", false, "b b1 b2 b2x b3");
    assert_scan(fixture, "b", "b", false, "b1 b2 b2x b3");
    assert_scan(fixture, "b", "b3", false, "");
    assert_scan(fixture, "b", "c", false, "");
    assert_scan(fixture, "", "c", false, "d\xff d\xff\xff");
    assert_scan(fixture, "", "d\xff\xff", false, "");
    assert_scan(fixture, "x", "", false, "");
}

static void scans_in_reverse(void **state)
{
    struct fixture *fixture = *state;
    assert_scan(fixture, "", "", true, "");
    put_rows(fixture, rows);
    assert_scan(fixture, "", "", true, "d\xff\xff d\xff c b3 b2x b2 b1 b a");
    assert_scan(fixture, "b", "", true, "b3 b2x b2 b1 b");
    assert_scan(fixture, "b", "b2x", true, "b2 b1 b");
    assert_scan(fixture, "b", "b2y", true, "b2x b2 b1 b");
    assert_scan(fixture, "b", "c", true, "b3 b2x b2 b1 b");
    assert_scan(fixture, "b", "z", true, "b3 b2x b2 b1 b");
    assert_scan(fixture, "b", "b", true, "");
    assert_scan(fixture, "b", "a", true, "");
    assert_scan(fixture, "", "b1", true, "b a");
    assert_scan(fixture, "", "a", true, "");
    assert_scan(fixture, "d\xff", "", true, "d\xff\xff d\xff");
    assert_scan(fixture, "\xff", "", true, "");
    assert_scan(fixture, "d", "d\xff\xff", true, "d\xff");
    assert_scan(fixture, "0", "", true, "");
}

static void ends_a_scan_when_told(void **state)
{
    struct fixture *fixture = *state;
    put_rows(fixture, rows);
    struct visited visited = {.stop_at = 2, .answer = 1};
    assert_int_equal(scan(fixture, &visited, "", "", false), 0);
    assert_string_equal(visited.keys.data, "a b");
    fh_buf_deinit(&visited.keys);
    visited.answer = FH_E_CANCELLED;
    assert_int_equal(scan(fixture, &visited, "", "", false), FH_E_CANCELLED);
    fh_buf_deinit(&visited.keys);
}

/* --- conditions ------------------------------------------------------------------------------- */

static void checks_conditions(void **state)
{
    struct fixture *fixture = *state;
    struct fh_slice key = FH_SLICE_LIT("k");
    struct fh_batch *batch = batch_put("k", FH_SLICE_LIT("1"));
    fh_batch_expect_value(batch, FH_TABLE_RUNS, key, FH_SLICE_LIT("0"));
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), FH_E_CONFLICT);
    assert_true(is_absent(fixture->store, "k"));

    batch = batch_put("k", FH_SLICE_LIT("1"));
    fh_batch_expect_absent(batch, FH_TABLE_RUNS, key);
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);

    /* nothing of it is written: neither what stands before nor behind the condition */
    batch = batch_put("other", FH_SLICE_LIT("1"));
    fh_batch_expect_absent(batch, FH_TABLE_RUNS, key);
    fh_batch_put(batch, FH_TABLE_RUNS, key, FH_SLICE_LIT("2"));
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), FH_E_CONFLICT);
    assert_true(is_absent(fixture->store, "other"));
    assert_true(has_text(fixture->store, "k", "1"));

    batch = batch_put("k", FH_SLICE_LIT("2"));
    fh_batch_expect_value(batch, FH_TABLE_RUNS, key, FH_SLICE_LIT("1"));
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
    assert_true(has_text(fixture->store, "k", "2"));
}

/* --- readers ---------------------------------------------------------------------------------- */

static bool sees(struct fh_snapshot *snapshot, const char *text)
{
    struct fh_slice value;
    return fh_snapshot_get(snapshot, FH_TABLE_RUNS, FH_SLICE_LIT("k"), &value, NULL) == 0 &&
           fh_slice_equal(value, fh_slice_from(text));
}

static void snapshots_do_not_change(void **state)
{
    struct fixture *fixture = *state;
    struct fh_snapshot *old, *mid, *now;
    put_text(fixture->store, "k", "1");
    assert_int_equal(fh_snapshot_open(&old, fixture->store), 0);
    put_text(fixture->store, "k", "2");
    assert_int_equal(fh_snapshot_open(&mid, fixture->store), 0);
    put_text(fixture->store, "k", "3");
    assert_true(sees(old, "1"));
    assert_true(sees(mid, "2"));
    fh_snapshot_close(mid);
    put_text(fixture->store, "k", "4");
    assert_int_equal(fh_snapshot_open(&now, fixture->store), 0);
    assert_true(sees(now, "4"));
    assert_true(sees(old, "1"));
    fh_snapshot_close(now);
    fh_snapshot_close(old);
    fh_snapshot_close(NULL);
}

static void bounds_open_snapshots(void **state)
{
    struct fixture *fixture = *state;
    enum { READERS = 20 };
    struct fh_snapshot *open[READERS + 1];
    struct fh_store_config config = {
        .path = fixture->path, .map_bytes = 1 << 20, .max_readers = READERS};
    assert_int_equal(fh_store_open(&fixture->store, &config, NULL), 0);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(fh_snapshot_open(&open[i], fixture->store), 0);
    }
    assert_int_equal(fh_snapshot_open(&open[READERS], fixture->store), FH_E_TOO_LARGE);
    fh_snapshot_close(open[0]);
    assert_int_equal(fh_snapshot_open(&open[0], fixture->store), 0);
    for (int i = 0; i < READERS; i++) {
        fh_snapshot_close(open[i]);
    }
    assert_int_equal(fh_snapshot_open(&open[0], fixture->store), 0);
    fh_snapshot_close(open[0]);
}

enum { WRITES = 300 };

static void *write_pairs(void *arg)
{
    struct fixture *fixture = arg;
    for (int i = 0; i < WRITES; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        struct fh_batch *batch = batch_put("left", fh_slice_from(text));
        fh_batch_put(batch, FH_TABLE_JOURNAL, FH_SLICE_LIT("right"), fh_slice_from(text));
        fh_store_submit_wait(fixture->store, batch);
    }
    return NULL;
}

/* Both rows of a pair are always equal, whatever the writer is doing. */
static void readers_see_whole_batches(void **state)
{
    struct fixture *fixture = *state;
    pthread_t writer;
    bool is_last = false;
    assert_int_equal(pthread_create(&writer, NULL, write_pairs, fixture), 0);
    while (!is_last) {
        struct fh_snapshot *snapshot;
        struct fh_slice left, right;
        assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
        int rc = fh_snapshot_get(snapshot, FH_TABLE_RUNS, FH_SLICE_LIT("left"), &left, NULL);
        assert_int_equal(
            fh_snapshot_get(snapshot, FH_TABLE_JOURNAL, FH_SLICE_LIT("right"), &right, NULL), rc);
        assert_true(fh_slice_equal(left, right));
        is_last = fh_slice_equal(left, FH_SLICE_LIT("299"));
        fh_snapshot_close(snapshot);
    }
    pthread_join(writer, NULL);
}

/* --- damaged values --------------------------------------------------------------------------- */

/* Changes the store's file behind its back. */
static void put_raw(struct fixture *fixture, const char *table, struct fh_slice key,
                    struct fh_slice stored)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {key.len, (void *)key.data};
    MDB_val v = {stored.len, (void *)stored.data};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
    assert_int_equal(mdb_env_open(env, fixture->path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void assert_damaged(struct fixture *fixture, const char *key, const char *detail)
{
    struct fh_snapshot *snapshot;
    struct fh_slice value;
    struct fh_error err;
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    assert_int_equal(fh_snapshot_get(snapshot, FH_TABLE_RUNS, fh_slice_from(key), &value, &err),
                     FH_E_CORRUPT);
    assert_int_equal(value.len, 0);
    assert_non_null(strstr(err.detail, detail));
    assert_int_equal(fh_snapshot_get(snapshot, FH_TABLE_RUNS, fh_slice_from(key), &value, NULL),
                     FH_E_CORRUPT);
    fh_snapshot_close(snapshot);
}

static void reports_damaged_values(void **state)
{
    struct fixture *fixture = *state;
    char moved[FH_ENVELOPE_EXTRA_BYTES + 1], newer[FH_ENVELOPE_EXTRA_BYTES + 1];
    static const char *const keys[] = {"a", "b", "c", "d", "e", NULL};
    put_rows(fixture, keys);
    fixture_close(fixture);
    fh_envelope_encode(moved, FH_TABLE_RUNS, FH_SLICE_LIT("a"), FH_SLICE_LIT("a"));
    memcpy(newer, moved, sizeof(newer));
    newer[0]++;
    put_raw(fixture, "runs", FH_SLICE_LIT("b"), FH_SLICE_LIT("garbage and more"));
    put_raw(fixture, "runs", FH_SLICE_LIT("c"), FH_SLICE_LIT("tiny"));
    put_raw(fixture, "runs", FH_SLICE_LIT("d"), fh_slice_make(moved, sizeof(moved)));
    put_raw(fixture, "runs", FH_SLICE_LIT("e"), fh_slice_make(newer, sizeof(newer)));
    fixture_reopen(fixture);
    assert_damaged(fixture, "b", "table runs under key 62 is damaged");
    assert_damaged(fixture, "c", "table runs under key 63 is damaged: too short");
    assert_damaged(fixture, "d", "table runs under key 64 is damaged");
    assert_damaged(fixture, "e", "table runs under key 65 is damaged");
    assert_true(has_text(fixture->store, "a", "a"));

    struct visited visited = {0};
    assert_int_equal(scan(fixture, &visited, "", "", false), 0);
    assert_string_equal(visited.keys.data, "a b c d e");
    assert_int_equal(visited.damaged, 4);
    fh_buf_deinit(&visited.keys);

    struct fh_batch *batch = batch_put("b", FH_SLICE_LIT("new"));
    fh_batch_expect_value(batch, FH_TABLE_RUNS, FH_SLICE_LIT("b"), FH_SLICE_LIT("b"));
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), FH_E_CORRUPT);
    assert_int_equal(put_text(fixture->store, "b", "new"), 0);
    assert_true(has_text(fixture->store, "b", "new"));
}

static void counts(void **state)
{
    struct fixture *fixture = *state;
    struct fh_store_stats stats;
    fh_store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.commits + stats.batches + stats.bytes, 0);
    put_text(fixture->store, "key", "value");
    put_text(fixture->store, "key", "value");
    fh_store_get_stats(fixture->store, &stats);
    assert_int_equal(stats.commits, 2);
    assert_int_equal(stats.batches, 2);
    assert_int_equal(stats.bytes, 16);
}

#define OPENED(test) cmocka_unit_test_setup_teardown(test, setup_open, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPENED(puts_gets_and_deletes),
        OPENED(keeps_large_values),
        cmocka_unit_test(refuses_bad_keys),
        OPENED(keeps_tables_apart),
        OPENED(scans_forward),
        OPENED(scans_in_reverse),
        OPENED(ends_a_scan_when_told),
        OPENED(checks_conditions),
        OPENED(snapshots_do_not_change),
        cmocka_unit_test_setup_teardown(bounds_open_snapshots, fixture_setup, fixture_teardown),
        OPENED(readers_see_whole_batches),
        OPENED(reports_damaged_values),
        OPENED(counts),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
