/* SPDX-License-Identifier: MIT */
/* Killed at every fault point under a stream of batches: what was reported done is there whole,
 * every other batch is there whole or not at all. */
#include "store_fixture.h"

#include "base/log.h"

#ifdef FH_FAULTS

#include <fcntl.h>
#include <signal.h>

enum { IN_FLIGHT = 16, ROWS_PER_BATCH = 3, BATCHES = 4000 };

static const enum fh_table tables[ROWS_PER_BATCH] = {FH_TABLE_RUNS, FH_TABLE_JOURNAL,
                                                     FH_TABLE_BY_FLOW};

static struct fh_slice key_of(uint32_t number, unsigned char key[4])
{
    for (int i = 0; i < 4; i++) {
        key[i] = (unsigned char)(number >> (24 - 8 * i));
    }
    return fh_slice_make(key, 4);
}

static struct fh_slice value_of(uint32_t number, int row, char value[600])
{
    size_t len = 20 + (number * 37 + (uint32_t)row * 101) % 500;
    memset(value, (int)(number + (uint32_t)row), len);
    return fh_slice_make(value, len);
}

/* --- the child that dies ------------------------------------------------------------------------ */

struct stream {
    struct fh_store *store;
    struct fh_loop *loop;
    int report;
    uint32_t next;
    uint32_t done;
};

static void submit_next(struct stream *stream);

struct sent {
    struct stream *stream;
    uint32_t number;
};

static void on_done(void *arg, int rc)
{
    struct sent sent = *(struct sent *)arg;
    free(arg);
    CHECK(rc == 0);
    CHECK(write(sent.stream->report, &sent.number, sizeof(sent.number)) == sizeof(sent.number));
    sent.stream->done++;
    submit_next(sent.stream);
}

static void submit_next(struct stream *stream)
{
    unsigned char key[4];
    char value[600];
    if (stream->next == BATCHES) {
        return;
    }
    struct fh_batch *batch = batch_make();
    struct sent *sent = malloc(sizeof(*sent));
    *sent = (struct sent){stream, stream->next++};
    for (int row = 0; row < ROWS_PER_BATCH; row++) {
        CHECK(fh_batch_put(batch, tables[row], key_of(sent->number, key),
                           value_of(sent->number, row, value)) == 0);
    }
    CHECK(fh_store_submit(stream->store, batch, stream->loop, on_done, sent) == 0);
}

static void stream_until_killed(struct fixture *fixture, const char *fault, int report)
{
    struct stream stream = {.report = report};
    struct fh_store_config config = {.path = fixture->path, .map_bytes = 64 << 20};
    CHECK(setenv("FLOWHOST_FAULT", fault, 1) == 0);
    CHECK(fh_loop_open(&stream.loop, NULL) == 0);
    CHECK(fh_store_open(&stream.store, &config, NULL) == 0);
    for (int i = 0; i < IN_FLIGHT; i++) {
        submit_next(&stream);
    }
    while (stream.done < BATCHES) {
        fh_loop_run_once(stream.loop, -1);
    }
    _exit(0);
}

/* --- what it leaves ------------------------------------------------------------------------------ */

/* Marks what was reported; returns how many. */
static int run_and_kill(struct fixture *fixture, const char *fault, bool *was_reported)
{
    int report[2];
    int status = 0;
    int count = 0;
    uint32_t number;
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(report[0]);
        stream_until_killed(fixture, fault, report[1]);
    }
    close(report[1]);
    while (read(report[0], &number, sizeof(number)) == sizeof(number)) {
        was_reported[number] = true;
        count++;
    }
    close(report[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return count;
}

static int count_rows_of(struct fh_snapshot *snapshot, uint32_t number)
{
    int found = 0;
    for (int row = 0; row < ROWS_PER_BATCH; row++) {
        unsigned char key[4];
        char bytes[600];
        struct fh_slice value;
        int rc = fh_snapshot_get(snapshot, tables[row], key_of(number, key), &value, NULL);
        assert_true(rc == 0 || rc == FH_E_NOT_FOUND);
        if (rc == 0) {
            assert_true(fh_slice_equal(value, value_of(number, row, bytes)));
            found++;
        }
    }
    return found;
}

static void check_rows(struct fixture *fixture, const bool *was_reported)
{
    struct fh_snapshot *snapshot;
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    for (uint32_t number = 0; number < BATCHES; number++) {
        int found = count_rows_of(snapshot, number);
        assert_true(found == ROWS_PER_BATCH || (found == 0 && !was_reported[number]));
    }
    fh_snapshot_close(snapshot);
}

static void check_kill(const char *point, int passage)
{
    void *state;
    char fault[64];
    bool *was_reported = calloc(BATCHES, sizeof(*was_reported));
    assert_int_equal(fixture_setup(&state), 0);
    struct fixture *fixture = state;
    snprintf(fault, sizeof(fault), "%s:kill:%d", point, passage);
    int count = run_and_kill(fixture, fault, was_reported);
    assert_true(passage == 1 || count > 0);
    assert_int_equal(fixture_open(fixture, 0, NULL), 0);
    check_rows(fixture, was_reported);
    assert_int_equal(put_text(fixture->store, "after the crash", "v"), 0);
    free(was_reported);
    assert_int_equal(fixture_teardown(&state), 0);
}

static void check_point(const char *point)
{
    static const int passages[] = {1, 40, 120};
    for (size_t i = 0; i < sizeof(passages) / sizeof(passages[0]); i++) {
        check_kill(point, passages[i]);
    }
}

static void killed_at_submit(void **state)
{
    (void)state;
    check_point("store.submit");
}

static void killed_at_begin(void **state)
{
    (void)state;
    check_point("store.begin");
}

static void killed_at_apply(void **state)
{
    (void)state;
    check_point("store.apply");
}

static void killed_at_commit(void **state)
{
    (void)state;
    check_point("store.commit");
}

static void killed_when_committed(void **state)
{
    (void)state;
    check_point("store.committed");
}

static void killed_at_notify(void **state)
{
    (void)state;
    check_point("store.notify");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_submit),      cmocka_unit_test(killed_at_begin),
        cmocka_unit_test(killed_at_apply),       cmocka_unit_test(killed_at_commit),
        cmocka_unit_test(killed_when_committed), cmocka_unit_test(killed_at_notify),
    };
    fh_log_set(FH_LOG_OFF, FH_LOG_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0; /* without fault points there is nowhere to be killed */
}
#endif
