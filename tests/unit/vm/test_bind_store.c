/* SPDX-License-Identifier: MIT */
/* core.store: what Lua reads, also when there is no memory for it. */
#include "vm_fixture.h"

#include "store/store.h"

#include <ftw.h>
#include <unistd.h>

enum { VALUE_BYTES = 1 << 20, MAX_READERS = 4 };

struct shelf {
    char root[64];
    struct fh_store *store;
    struct bench *bench;
};

static void put(struct fh_store *store, const char *key, struct fh_slice value)
{
    struct fh_batch *batch;
    assert_int_equal(fh_batch_new(&batch), 0);
    assert_int_equal(fh_batch_put(batch, FH_TABLE_RUNS, fh_slice_from(key), value), 0);
    assert_int_equal(fh_store_submit_wait(store, batch), 0);
}

static int shelf_setup(void **state)
{
    struct shelf *shelf = calloc(1, sizeof(*shelf));
    const char *temp = getenv("TMPDIR");
    char path[96];
    snprintf(shelf->root, sizeof(shelf->root), "%.40s/fh_vm_XXXXXX", temp ? temp : "/tmp");
    if (!mkdtemp(shelf->root)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/data", shelf->root);
    struct fh_store_config config = {
        .path = path, .map_bytes = 64 << 20, .max_readers = MAX_READERS};
    assert_int_equal(fh_store_open(&shelf->store, &config, NULL), 0);
    shelf->bench = bench_open(0, 0);
    shelf->bench->vm->context.store = shelf->store;
    *state = shelf;
    return 0;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int shelf_teardown(void **state)
{
    struct shelf *shelf = *state;
    bench_close(shelf->bench);
    fh_store_close(shelf->store);
    int rc = nftw(shelf->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(shelf);
    return rc;
}

#define WITH_SHELF(test) cmocka_unit_test_setup_teardown(test, shelf_setup, shelf_teardown)

static void reads_what_is_there(void **state)
{
    struct shelf *shelf = *state;
    put(shelf->store, "a1", fh_slice_from("one"));
    put(shelf->store, "a2", fh_slice_from(""));
    put(shelf->store, "b", fh_slice_from("three"));
    bench_do(shelf->bench,
             "local store, runs = core.store, core.store.tables.runs\n"
             "assert(store.get(runs, 'a1') == 'one' and store.get(runs, 'a2') == '')\n"
             "assert(select('#', store.get(runs, 'c')) == 1 and store.get(runs, 'c') == nil)\n"
             "local keys, values, count = store.scan(runs, { prefix = 'a' })\n"
             "assert(count == 2 and #keys == 2 and #values == 2)\n"
             "assert(keys[1] == 'a1' and values[1] == 'one' and values[2] == '')\n"
             "keys, values, count = store.scan(runs, { reverse = true, limit = 1 })\n"
             "assert(count == 1 and keys[1] == 'b' and values[1] == 'three' and not keys[2])\n"
             "keys, values, count = store.scan(runs, { prefix = 'x' })\n"
             "assert(count == 0 and not next(keys) and not next(values))");
}

static void scans_many_rows(void **state)
{
    struct shelf *shelf = *state;
    char key[16];
    struct fh_batch *batch;
    assert_int_equal(fh_batch_new(&batch), 0);
    for (int i = 1; i <= 1200; i++) {
        snprintf(key, sizeof(key), "%04d", i);
        fh_batch_put(batch, FH_TABLE_RUNS, fh_slice_from(key), fh_slice_from(key));
    }
    assert_int_equal(fh_store_submit_wait(shelf->store, batch), 0);
    bench_do(shelf->bench,
             "local runs = core.store.tables.runs\n"
             "local keys, values, count = core.store.scan(runs, {})\n"
             "assert(count == 1000 and #keys == 1000)\n"
             "keys, values, count = core.store.scan(runs, { limit = 5000 })\n"
             "assert(count == 1200)\n"
             "for i = 1, 1200 do assert(tonumber(keys[i]) == i and keys[i] == values[i]) end");
}

/* More often than there are readers; what is lost otherwise, the sanitizer or valgrind finds. */
static void keeps_nothing_open_without_memory(void **state)
{
    struct shelf *shelf = *state;
    struct fh_vm *vm = shelf->bench->vm;
    char *bytes = calloc(1, VALUE_BYTES);
    put(shelf->store, "large", fh_slice_make(bytes, VALUE_BYTES));
    free(bytes);
    bench_do(shelf->bench, "runs = core.store.tables.runs\n"
                           "function fails(fn, ...)\n"
                           "  local ok, why = pcall(fn, ...)\n"
                           "  assert(not ok and why:find 'not enough memory', why)\n"
                           "end");
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    size_t max = vm->context.memory_max_bytes;
    vm->context.memory_max_bytes = vm->used_bytes + VALUE_BYTES / 2;
    vm->is_in_flow = true; /* no reserve */
    for (int i = 0; i < 4 * MAX_READERS; i++) {
        bench_do(shelf->bench, "fails(core.store.get, runs, 'large')\n"
                               "fails(core.store.scan, runs, {})");
    }
    vm->is_in_flow = false;
    vm->context.memory_max_bytes = max;
    bench_do(shelf->bench, "assert(#core.store.get(runs, 'large') == 2 ^ 20)\n"
                           "assert(select(3, core.store.scan(runs, {})) == 1)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SHELF(reads_what_is_there),
        WITH_SHELF(scans_many_rows),
        WITH_SHELF(keeps_nothing_open_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
