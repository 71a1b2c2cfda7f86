/* SPDX-License-Identifier: MIT */
/* What the data file costs in memory. */
#include "store/resident.h"

#include "store/pages.h"
#include "store/state.h"
#include "store_fixture.h"

enum {
    LIMIT_BYTES = 4 << 20,
    SLACK_BYTES = 4 << 20, /* between two looks; and what else of the program is mapped meanwhile */
    ROWS = 40000,
    ROWS_PER_BATCH = 500,
    VALUE_BYTES = 500,
};

static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %*d %ld", &pages), 1);
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static void open_limited(struct fixture *fixture)
{
    struct fh_store_config config = {
        .path = fixture->path, .map_bytes = 256 << 20, .resident_bytes = LIMIT_BYTES};
    assert_int_equal(fh_store_open(&fixture->store, &config, NULL), 0);
    assert_non_null(fixture->store->env.resident.map);
}

static struct fh_slice key_of(char key[16], int row)
{
    snprintf(key, 16, "%08d", row);
    return fh_slice_make(key, 8);
}

static void write_rows(struct fixture *fixture)
{
    static char value[VALUE_BYTES];
    char key[16];
    memset(value, 'v', sizeof(value));
    for (int row = 0; row < ROWS;) {
        struct fh_batch *batch;
        assert_int_equal(fh_batch_new(&batch), 0);
        for (int i = 0; i < ROWS_PER_BATCH; i++, row++) {
            assert_int_equal(fh_batch_put(batch, FH_TABLE_RUNS, key_of(key, row),
                                          fh_slice_make(value, sizeof(value))),
                             0);
        }
        assert_int_equal(fh_store_submit_wait(fixture->store, batch), 0);
    }
}

static void assert_file_is_larger(const struct fixture *fixture)
{
    struct stat status;
    assert_int_equal(stat(fixture->file, &status), 0);
    assert_true(status.st_size > 2 * (LIMIT_BYTES + SLACK_BYTES));
}

static void writing_gives_pages_back(void **state)
{
    struct fixture *fixture = *state;
    open_limited(fixture);
    int64_t before = resident_bytes();
    write_rows(fixture);
    assert_file_is_larger(fixture);
    assert_true(resident_bytes() - before < LIMIT_BYTES + SLACK_BYTES);
}

static int look_at(void *arg, struct fh_slice key, struct fh_slice value, int rc)
{
    (void)key;
    ++*(int *)arg;
    assert_int_equal(rc, 0);
    assert_int_equal(value.len, VALUE_BYTES);
    assert_int_equal(value.data[VALUE_BYTES - 1], 'v');
    return 0;
}

static void scan_rows(struct fixture *fixture, int from, int *count)
{
    char key[16];
    struct fh_snapshot *snapshot;
    struct fh_scan scan = {.table = FH_TABLE_RUNS, .prefix = key_of(key, from)};
    scan.prefix.len -= 3; /* a thousand */
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    assert_int_equal(fh_snapshot_scan(snapshot, &scan, look_at, count), 0);
    fh_snapshot_close(snapshot);
}

static void reading_gives_pages_back(void **state)
{
    struct fixture *fixture = *state;
    char key[16];
    int count = 0;
    open_limited(fixture);
    write_rows(fixture);
    fixture_close(fixture);
    open_limited(fixture);
    int64_t before = resident_bytes();
    for (int row = 0; row < ROWS; row += 1000) {
        scan_rows(fixture, row, &count);
    }
    assert_int_equal(count, ROWS);
    assert_true(resident_bytes() - before < LIMIT_BYTES + SLACK_BYTES);
    for (int i = 0; i < ROWS; i++) {
        struct fh_snapshot *snapshot;
        struct fh_slice value;
        assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
        assert_int_equal(
            fh_snapshot_get(snapshot, FH_TABLE_RUNS, key_of(key, i * 7919 % ROWS), &value, NULL),
            0);
        fh_snapshot_close(snapshot);
    }
    assert_true(resident_bytes() - before < LIMIT_BYTES + SLACK_BYTES);
}

/* Also one that the kernel does not tell the size of. */
static void what_was_read_stays_valid(void **state)
{
    struct fixture *fixture = *state;
    char key[16];
    struct fh_snapshot *snapshot;
    struct fh_slice value;
    open_limited(fixture);
    write_rows(fixture);
    struct fh_resident *resident = &fixture->store->env.resident;
    fh_resident_close(resident);
    resident->statm_fd = -1;
    assert_int_equal(fh_snapshot_open(&snapshot, fixture->store), 0);
    assert_int_equal(fh_snapshot_get(snapshot, FH_TABLE_RUNS, key_of(key, ROWS / 2), &value, NULL),
                     0);
    int64_t before = resident_bytes();
    fh_resident_touch(resident, LIMIT_BYTES);
    assert_true(resident_bytes() < before);
    int count = 0;
    look_at(&count, key_of(key, ROWS / 2), value, 0);
    fh_snapshot_close(snapshot);
}

static void a_backup_gives_pages_back(void **state)
{
    struct fh_store_check check;
    struct fixture *fixture = *state;
    char path[128];
    open_limited(fixture);
    int64_t before = resident_bytes();
    write_rows(fixture);
    snprintf(path, sizeof(path), "%s/backup", fixture->root);
    assert_int_equal(fh_store_backup(fixture->store, path, &check, NULL), 0);
    assert_true(resident_bytes() - before < LIMIT_BYTES + SLACK_BYTES);
}

static void only_a_map_is_taken_for_one(void **state)
{
    (void)state;
    enum { PAGE = 4096 };
    char *pages = aligned_alloc(PAGE, 4 * PAGE);
    memset(pages, 0, 4 * PAGE);
    assert_null(fh_pages_find_map(pages + 3 * PAGE + 100, PAGE)); /* no leaf */
    pages[3 * PAGE + 10] = 2;
    assert_null(fh_pages_find_map(pages + 3 * PAGE + 100, PAGE)); /* page 0 */
    pages[3 * PAGE] = 3;
    assert_null(fh_pages_find_map(pages + 3 * PAGE + 100, PAGE)); /* no magic */
    memcpy(pages + 16, "\xDE\xC0\xEF\xBE", 4);
    assert_ptr_equal(fh_pages_find_map(pages + 3 * PAGE + 100, PAGE), pages);
    free(pages);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_STORE(writing_gives_pages_back),          WITH_STORE(reading_gives_pages_back),
        WITH_STORE(what_was_read_stays_valid),         WITH_STORE(a_backup_gives_pages_back),
        cmocka_unit_test(only_a_map_is_taken_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
