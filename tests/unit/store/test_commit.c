/* SPDX-License-Identifier: MIT */
/* The commit thread: order, conditions within one transaction, several loops, full and broken
 * disks, the end. Fault plans are read from the environment, so those tests run in a child. */
#include "store_fixture.h"

#include "base/log.h"

#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static int setup_open(void **state)
{
    return fixture_setup(state) == 0 && fixture_open(*state, 0, NULL) == 0 ? 0 : -1;
}

enum { SMALL_MAP_BYTES = 1 << 20, VALUE_BYTES = 12000, LARGE_BYTES = 100000 };

static int setup_small(void **state)
{
    int rc = fixture_setup(state);
    return rc == 0 ? fixture_open(*state, SMALL_MAP_BYTES, NULL) : rc;
}

/* --- another process that keeps the writer waiting ---------------------------------------------- */

struct plug {
    pid_t pid;
    int leave;
};

static void hold_write_lock(const char *path, int ready, int leave)
{
    MDB_env *env;
    MDB_txn *txn;
    char byte = 0;
    CHECK(mdb_env_create(&env) == 0);
    CHECK(mdb_env_open(env, path, 0, 0600) == 0);
    CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0);
    CHECK(write(ready, &byte, 1) == 1);
    CHECK(read(leave, &byte, 1) == 0);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    _exit(0);
}

/* Until plug_pull nothing is committed, so that batches gather in the queue. Opens the store. */
static void plug_store(struct fixture *fixture, struct plug *plug)
{
    int ready[2], leave[2];
    char byte = 0;
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    fixture_close(fixture);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(leave, O_CLOEXEC), 0);
    plug->pid = fork();
    if (plug->pid == 0) {
        close(leave[1]);
        hold_write_lock(fixture->path, ready[1], leave[0]);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    close(leave[0]);
    plug->leave = leave[1];
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
}

static void plug_pull(const struct plug *plug)
{
    int status = -1;
    close(plug->leave);
    assert_int_equal(waitpid(plug->pid, &status, 0), plug->pid);
    assert_int_equal(status, 0);
}

/* --- order and conditions ----------------------------------------------------------------------- */

struct sequence {
    int next;
};

struct numbered {
    struct sequence *sequence;
    int number;
    int rc;
};

static void on_numbered(void *arg, int rc)
{
    struct numbered *numbered = arg;
    assert_int_equal(numbered->number, numbered->sequence->next++);
    numbered->rc = rc;
}

enum { MANY = 1000 };

static void tells_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct sequence sequence = {0};
    struct numbered *numbered = calloc(MANY, sizeof(*numbered));
    for (int i = 0; i < MANY; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        numbered[i] = (struct numbered){&sequence, i, -1};
        assert_int_equal(fh_store_submit(fixture->store, batch_put("k", fh_slice_from(text)),
                                         fixture->loop, on_numbered, &numbered[i]),
                         0);
    }
    while (sequence.next < MANY) {
        fh_loop_run_once(fixture->loop, -1);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(numbered[i].rc, 0);
    }
    assert_true(has_text(fixture->store, "k", "999"));
    free(numbered);
}

enum { PAIRS = 20 };

static struct fh_batch *make_racer(int pair, const char *text)
{
    char key[8];
    snprintf(key, sizeof(key), "p%d", pair);
    struct fh_batch *batch = batch_put(key, fh_slice_from(text));
    fh_batch_expect_absent(batch, FH_TABLE_RUNS, fh_slice_from(key));
    return batch;
}

/* All are queued while the writer waits: two transactions take them all. */
static void conditions_see_the_batch_before(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcomes[PAIRS][2];
    struct fh_store_stats stats;
    struct plug plug;
    plug_store(fixture, &plug);
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(submit(fixture, make_racer(i, "first"), &outcomes[i][0]), 0);
        assert_int_equal(submit(fixture, make_racer(i, "second"), &outcomes[i][1]), 0);
    }
    plug_pull(&plug);
    for (int i = 0; i < PAIRS; i++) {
        char key[8];
        snprintf(key, sizeof(key), "p%d", i);
        assert_int_equal(wait_for(fixture, &outcomes[i][0]), 0);
        assert_int_equal(wait_for(fixture, &outcomes[i][1]), FH_E_CONFLICT);
        assert_true(has_text(fixture->store, key, "first"));
    }
    fh_store_get_stats(fixture->store, &stats);
    assert_in_range(stats.commits, 1, 2);
    assert_int_equal(stats.batches, PAIRS);
}

/* --- two loops ---------------------------------------------------------------------------------- */

enum { PER_SHARD = 500, IN_FLIGHT = 20 };

struct shard {
    struct fh_store *store;
    struct fh_loop *loop;
    pthread_t thread;
    char name;
    int submitted;
    int done;
    int wrong;
};

static void submit_next(struct shard *shard);

static void on_shard_done(void *arg, int rc)
{
    struct shard *shard = arg;
    shard->wrong += rc != 0 || !pthread_equal(pthread_self(), shard->thread);
    shard->done++;
    if (shard->submitted < PER_SHARD) {
        submit_next(shard);
    } else if (shard->done == PER_SHARD) {
        fh_loop_stop(shard->loop);
    }
}

static void submit_next(struct shard *shard)
{
    char key[16];
    snprintf(key, sizeof(key), "%c%d", shard->name, shard->submitted++);
    int rc = fh_store_submit(shard->store, batch_put(key, FH_SLICE_LIT("v")), shard->loop,
                             on_shard_done, shard);
    shard->wrong += rc != 0;
}

static void *run_shard(void *arg)
{
    struct shard *shard = arg;
    shard->thread = pthread_self();
    for (int i = 0; i < IN_FLIGHT; i++) {
        submit_next(shard);
    }
    fh_loop_run(shard->loop);
    return NULL;
}

static void tells_each_on_its_loop(void **state)
{
    struct fixture *fixture = *state;
    struct shard shards[2] = {{.name = 'a'}, {.name = 'b'}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        shards[i].store = fixture->store;
        assert_int_equal(fh_loop_open(&shards[i].loop, NULL), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, run_shard, &shards[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        fh_loop_close(shards[i].loop);
        assert_int_equal(shards[i].done, PER_SHARD);
        assert_int_equal(shards[i].wrong, 0);
    }
    assert_true(has_text(fixture->store, "a499", "v"));
    assert_true(has_text(fixture->store, "b499", "v"));
}

/* --- the end ------------------------------------------------------------------------------------ */

static void close_commits_what_is_queued(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcomes[50];
    for (int i = 0; i < 50; i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(submit(fixture, batch_put(key, FH_SLICE_LIT("v")), &outcomes[i]), 0);
    }
    fixture_close(fixture);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(wait_for(fixture, &outcomes[i]), 0);
    }
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    assert_true(has_text(fixture->store, "k0", "v"));
    assert_true(has_text(fixture->store, "k49", "v"));
}

static void a_closed_loop_gets_its_mail(void **state)
{
    struct fixture *fixture = *state;
    struct outcome outcome;
    assert_int_equal(submit(fixture, batch_put("k", FH_SLICE_LIT("v")), &outcome), 0);
    fixture_close(fixture);
    fh_loop_close(fixture->loop);
    fixture->loop = NULL;
    assert_true(outcome.is_done);
    assert_int_equal(outcome.rc, 0);
}

/* --- full ---------------------------------------------------------------------------------------- */

static struct fh_batch *make_large(const char *key, size_t value_bytes)
{
    char *value = calloc(1, value_bytes);
    struct fh_batch *batch = batch_put(key, fh_slice_make(value, value_bytes));
    free(value);
    return batch;
}

static struct fh_batch *make_intake(const char *key, size_t value_bytes)
{
    struct fh_batch *batch = make_large(key, value_bytes);
    fh_batch_set_intake(batch);
    return batch;
}

/* Fills the map with intake; returns how many rows ("f0", ...) went in. */
static int fill_up(struct fixture *fixture)
{
    int count = 0;
    int rc = 0;
    while (rc == 0) {
        char key[16];
        snprintf(key, sizeof(key), "f%d", count++);
        rc = fh_store_submit_wait(fixture->store, make_intake(key, VALUE_BYTES));
    }
    assert_int_equal(rc, FH_E_DISK_FULL);
    return count - 1;
}

static void free_rows(struct fixture *fixture, int from, int to)
{
    struct fh_batch *batch = batch_make();
    for (int i = from; i < to; i++) {
        char key[16];
        snprintf(key, sizeof(key), "f%d", i);
        fh_batch_del(batch, FH_TABLE_RUNS, fh_slice_from(key));
    }
    assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
}

static void full_map_holds_all_but_intake(void **state)
{
    struct fixture *fixture = *state;
    struct outcome held[3], intake;
    int rows = fill_up(fixture);
    assert_int_equal(submit(fixture, make_large("held", LARGE_BYTES), &held[0]), 0);
    assert_int_equal(submit(fixture, make_large("other", LARGE_BYTES), &held[1]), 0);
    assert_int_equal(submit(fixture, batch_put("held", FH_SLICE_LIT("newer")), &held[2]), 0);
    assert_int_equal(submit(fixture, make_intake("intake", LARGE_BYTES), &intake), 0);
    assert_int_equal(wait_for(fixture, &intake), FH_E_DISK_FULL);
    assert_true(fh_store_is_full(fixture->store));
    for (int i = 0; i < 3; i++) {
        assert_false(held[i].is_done);
    }
    assert_true(is_absent(fixture->store, "held"));
    free_rows(fixture, 0, rows / 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_for(fixture, &held[i]), 0);
    }
    assert_false(fh_store_is_full(fixture->store));
    assert_true(has_text(fixture->store, "held", "newer"));
    assert_true(is_absent(fixture->store, "intake"));
    assert_int_equal(fh_store_submit_wait(fixture->store, make_intake("intake", VALUE_BYTES)), 0);
}

static void a_giant_does_not_block_others(void **state)
{
    struct fixture *fixture = *state;
    struct outcome giant, behind, large, intake;
    struct fh_batch *batch = make_large("giant", 2 * SMALL_MAP_BYTES);
    assert_int_equal(submit(fixture, batch, &giant), 0);
    assert_int_equal(submit(fixture, batch_put("giant", FH_SLICE_LIT("newer")), &behind), 0);
    assert_int_equal(submit(fixture, make_large("large", VALUE_BYTES), &large), 0);
    assert_int_equal(wait_for(fixture, &large), 0);
    assert_int_equal(put_text(fixture->store, "small", "v"), 0);
    assert_int_equal(submit(fixture, make_intake("intake", 1), &intake), 0);
    assert_int_equal(wait_for(fixture, &intake), FH_E_DISK_FULL);
    assert_false(giant.is_done);
    assert_false(behind.is_done);
    assert_true(fh_store_is_full(fixture->store));
    fixture_close(fixture);
    assert_int_equal(wait_for(fixture, &giant), FH_E_CLOSED);
    assert_int_equal(wait_for(fixture, &behind), FH_E_CLOSED);
    fixture_reopen(fixture);
    assert_true(is_absent(fixture->store, "giant"));
    assert_true(has_text(fixture->store, "small", "v"));
}

/* Rows of one run keep their order over tables, whatever fits. */
static void a_run_keeps_its_order(void **state)
{
    struct fixture *fixture = *state;
    struct outcome giant, behind;
    struct fh_batch *batch = make_large("run-16-bytes-abc", 2 * SMALL_MAP_BYTES);
    assert_int_equal(submit(fixture, batch, &giant), 0);
    batch = batch_make();
    fh_batch_put(batch, FH_TABLE_JOURNAL, FH_SLICE_LIT("run-16-bytes-abc0001"), FH_SLICE_LIT("v"));
    assert_int_equal(submit(fixture, batch, &behind), 0);
    assert_int_equal(put_text(fixture->store, "run-16-bytes-xyz", "v"), 0);
    assert_false(behind.is_done);
    fixture_close(fixture);
    assert_int_equal(wait_for(fixture, &giant), FH_E_CLOSED);
    assert_int_equal(wait_for(fixture, &behind), FH_E_CLOSED);
}

static void intake_comes_back_by_itself(void **state)
{
    struct fixture *fixture = *state;
    int rows = fill_up(fixture);
    free_rows(fixture, 0, rows);
    int rc;
    do {
        rc = fh_store_submit_wait(fixture->store, make_intake("intake", VALUE_BYTES));
    } while (rc == FH_E_DISK_FULL);
    assert_int_equal(rc, 0);
    assert_false(fh_store_is_full(fixture->store));
}

/* The limit cuts a write short in the middle, as a disk does that fills up. */
static void a_short_write_is_a_full_disk(void **state)
{
    struct fixture *fixture = *state;
    struct outcome held, intake;
    struct rlimit before, limit;
    struct stat status;
    assert_int_equal(put_wait(fixture->store, "k", FH_SLICE_LIT("v")), 0);
    assert_int_equal(stat(fixture->file, &status), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 1000; room < 60000; room += 20000) {
        limit = (struct rlimit){(rlim_t)status.st_size + room, before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(submit(fixture, make_large("held", 200000), &held), 0);
        assert_int_equal(submit(fixture, make_intake("intake", 200000), &intake), 0);
        assert_int_equal(wait_for(fixture, &intake), FH_E_DISK_FULL);
        assert_false(held.is_done);
        assert_true(fh_store_is_full(fixture->store));
        assert_true(is_absent(fixture->store, "held"));
        assert_true(has_text(fixture->store, "k", "v"));
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(wait_for(fixture, &held), 0);
        assert_false(fh_store_is_full(fixture->store));

        fixture_close(fixture); /* for a file as short as before */
        assert_int_equal(unlink(fixture->file), 0);
        assert_int_equal(fixture_open(fixture, 0, NULL), 0);
        assert_int_equal(put_wait(fixture->store, "k", FH_SLICE_LIT("v")), 0);
    }
    signal(SIGXFSZ, SIG_DFL);
}

/* --- faults -------------------------------------------------------------------------------------- */

#ifdef FH_FAULTS
static void open_with(struct fixture *fixture, const char *fault)
{
    CHECK(setenv("FLOWHOST_FAULT", fault, 1) == 0);
    CHECK(fixture_open(fixture, 0, NULL) == 0);
}

static void meet_full_once(struct fixture *fixture)
{
    struct outcome held;
    open_with(fixture, "store.commit:DISK_FULL:2!");
    CHECK(put_text(fixture->store, "before", "v") == 0);
    CHECK(submit(fixture, batch_put("held", FH_SLICE_LIT("v")), &held) == 0);
    CHECK(wait_for(fixture, &held) == 0);
    CHECK(!fh_store_is_full(fixture->store));
    CHECK(has_text(fixture->store, "held", "v"));
    fixture_close(fixture);
}

static void meet_full_for_good(struct fixture *fixture)
{
    struct outcome held, intake;
    open_with(fixture, "store.commit:DISK_FULL:2");
    CHECK(put_text(fixture->store, "before", "v") == 0);
    CHECK(submit(fixture, batch_put("still held", FH_SLICE_LIT("v")), &held) == 0);
    CHECK(submit(fixture, make_intake("intake", 1), &intake) == 0);
    CHECK(wait_for(fixture, &intake) == FH_E_DISK_FULL);
    CHECK(fh_store_is_full(fixture->store));
    CHECK(!held.is_done);
    CHECK(has_text(fixture->store, "before", "v"));
    CHECK(is_absent(fixture->store, "still held"));
    fixture_close(fixture);
    CHECK(wait_for(fixture, &held) == FH_E_CLOSED);
}

static void fail_with(struct fixture *fixture, const char *fault)
{
    struct outcome first, second;
    open_with(fixture, fault);
    CHECK(put_text(fixture->store, "before", "v") == 0);
    CHECK(submit(fixture, batch_put("lost", FH_SLICE_LIT("v")), &first) == 0);
    CHECK(wait_for(fixture, &first) == FH_E_IO);
    CHECK(submit(fixture, batch_put("lost", FH_SLICE_LIT("v")), &second) == FH_E_IO);
    CHECK(put_text(fixture->store, "lost", "v") == FH_E_IO);
    CHECK(!second.is_done);
    CHECK(!fh_store_is_full(fixture->store));
    CHECK(has_text(fixture->store, "before", "v"));
    CHECK(is_absent(fixture->store, "lost"));
    fixture_close(fixture);
}

static void fail_commit(struct fixture *fixture)
{
    fail_with(fixture, "store.commit:IO:2!");
}

static void fail_begin(struct fixture *fixture)
{
    fail_with(fixture, "store.begin:IO:2!");
}

/* What else goes wrong fails the batch that met it, alone. */
static void fail_one(struct fixture *fixture)
{
    struct outcome outcomes[10];
    int failed = 0;
    open_with(fixture, "store.apply:NO_MEMORY:4");
    for (int i = 0; i < 10; i++) {
        CHECK(submit(fixture, batch_put("k", FH_SLICE_LIT("v")), &outcomes[i]) == 0);
    }
    for (int i = 0; i < 10; i++) {
        failed += wait_for(fixture, &outcomes[i]) == FH_E_NO_MEMORY;
    }
    CHECK(failed > 0);
    fixture_close(fixture);
}

static void fail_submit(struct fixture *fixture)
{
    struct outcome outcome;
    open_with(fixture, "store.submit:IO:1!");
    CHECK(submit(fixture, batch_put("k", FH_SLICE_LIT("v")), &outcome) == FH_E_IO);
    CHECK(put_text(fixture->store, "k", "v") == 0);
    CHECK(!outcome.is_done);
    fixture_close(fixture);
}

static void faults_are_as_real(void **state)
{
    struct fixture *fixture = *state;
    assert_true(runs_in_child(meet_full_once, fixture));
    assert_true(runs_in_child(meet_full_for_good, fixture));
    assert_true(runs_in_child(fail_commit, fixture));
    assert_true(runs_in_child(fail_begin, fixture));
    assert_true(runs_in_child(fail_one, fixture));
    assert_true(runs_in_child(fail_submit, fixture));
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    assert_true(has_text(fixture->store, "before", "v"));
    assert_true(has_text(fixture->store, "held", "v"));
    assert_true(is_absent(fixture->store, "still held"));
    assert_true(is_absent(fixture->store, "lost"));
    assert_true(is_absent(fixture->store, "intake"));
}
#else
static void faults_are_as_real(void **state)
{
    (void)state;
    skip();
}
#endif

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tells_in_order, setup_open),
        TEST(conditions_see_the_batch_before, fixture_setup),
        TEST(tells_each_on_its_loop, setup_open),
        TEST(close_commits_what_is_queued, setup_open),
        TEST(a_closed_loop_gets_its_mail, setup_open),
        TEST(full_map_holds_all_but_intake, setup_small),
        TEST(a_giant_does_not_block_others, setup_small),
        TEST(a_run_keeps_its_order, setup_small),
        TEST(intake_comes_back_by_itself, setup_small),
        TEST(a_short_write_is_a_full_disk, setup_open),
        TEST(faults_are_as_real, fixture_setup),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
