/* SPDX-License-Identifier: MIT */
/* What a store's data file costs in resident memory while it grows: runs as the engine writes them (a row, two chunks of a
 * journal, both indexes; two batches a run), 256 at a time, then all of them read once. Build in the root of the tree, run
 * with a folder on the disk in question:
 *
 *     gcc -std=gnu11 -O2 -D_GNU_SOURCE -Icore -o bench_memory tests/bench/bench_memory.c \
 *         core/store/[a-z]*.c core/loop/[a-z]*.c core/base/[a-z]*.c -lev -llmdb -lpthread
 *     ./bench_memory FOLDER [runs]
 */
#include "base/log.h"
#include "base/random.h"
#include "base/run_id.h"
#include "store/store.h"

#include "loop/loop.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    OUTSTANDING = 256,
    ROW_BYTES = 250,
    CHUNK_BYTES = 150,
    REPORTS = 10,
    FLOW_BYTES = 8,
    STATUS_BYTES = 8
};

struct bench {
    struct fh_store *store;
    struct fh_loop *loop;
    struct fh_random random;
    uint64_t wanted;
    uint64_t begun;
    uint64_t ended;
    int64_t start_us;
    int64_t report_us;
};

/* A run on its way. */
struct run {
    struct bench *bench;
    unsigned char id[FH_RUN_ID_BYTES];
    bool is_begun;
};

static const char value[1024];

static void fail(const char *what, int rc)
{
    fprintf(stderr, "%s failed: %s\n", what, fh_error_name(rc));
    exit(1);
}

static long kib_of(const char *name)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = atol(line + strlen(name) + 1);
        }
    }
    if (file) {
        fclose(file);
    }
    return kib;
}

static void print_memory(const char *when, double rate)
{
    printf("%-12s %8.0f/s   resident %4ld MiB: %4ld of files, %3ld own\n", when, rate,
           kib_of("VmRSS") / 1024, kib_of("RssFile") / 1024, kib_of("RssAnon") / 1024);
    fflush(stdout);
}

static struct fh_slice prefixed(char *out, const char *prefix, size_t prefix_len,
                                const struct run *run, const char *suffix, size_t suffix_len)
{
    memcpy(out, prefix, prefix_len);
    memcpy(out + prefix_len, run->id, FH_RUN_ID_BYTES);
    memcpy(out + prefix_len + FH_RUN_ID_BYTES, suffix, suffix_len);
    return fh_slice_make(out, prefix_len + FH_RUN_ID_BYTES + suffix_len);
}

static void put(struct fh_batch *batch, enum fh_table table, struct fh_slice key, size_t len)
{
    int rc = fh_batch_put(batch, table, key, fh_slice_make(value, len));
    if (rc != 0) {
        fail("a put", rc);
    }
}

static void begin(struct run *run);

static void on_done(void *arg, int rc);

static void write_run(struct run *run)
{
    char key[64];
    struct fh_batch *batch;
    const char *status = run->is_begun ? "success\0" : "running\0";
    if (fh_batch_new(&batch) != 0) {
        fail("a batch", FH_E_NO_MEMORY);
    }
    put(batch, FH_TABLE_RUNS, prefixed(key, "", 0, run, "", 0), ROW_BYTES);
    put(batch, FH_TABLE_JOURNAL,
        prefixed(key, "", 0, run, run->is_begun ? "\0\0\0\1" : "\0\0\0\0", 4), CHUNK_BYTES);
    put(batch, FH_TABLE_BY_FLOW, prefixed(key, "an/flow\0", FLOW_BYTES, run, "", 0), 10);
    put(batch, FH_TABLE_BY_STATUS, prefixed(key, status, STATUS_BYTES, run, "", 0), 10);
    if (run->is_begun) {
        fh_batch_del(batch, FH_TABLE_BY_STATUS,
                     prefixed(key, "running\0", STATUS_BYTES, run, "", 0));
    }
    int rc = fh_store_submit(run->bench->store, batch, run->bench->loop, on_done, run);
    if (rc != 0) {
        fail("a submit", rc);
    }
}

static void report(struct bench *bench)
{
    if (bench->ended % (bench->wanted / REPORTS) == 0) {
        char when[32];
        int64_t now_us = fh_clock_mono_us(&fh_clock_system);
        snprintf(when, sizeof(when), "%llu runs", (unsigned long long)bench->ended);
        print_memory(when,
                     (double)(bench->wanted / REPORTS) * 1e6 / (double)(now_us - bench->report_us));
        bench->report_us = now_us;
    }
}

static void on_done(void *arg, int rc)
{
    struct run *run = arg;
    if (rc != 0) {
        fail("a batch", rc);
    }
    if (!run->is_begun) {
        run->is_begun = true;
        write_run(run);
        return;
    }
    run->bench->ended++;
    report(run->bench);
    begin(run);
}

static void begin(struct run *run)
{
    struct bench *bench = run->bench;
    if (bench->begun < bench->wanted) {
        bench->begun++;
        run->is_begun = false;
        fh_run_id_make(run->id, fh_clock_wall_ms(&fh_clock_system), (unsigned)bench->begun % 64,
                       &bench->random);
        write_run(run);
    }
}

static int count_one(void *arg, struct fh_slice key, struct fh_slice bytes, int rc)
{
    (void)key, (void)bytes;
    ++*(uint64_t *)arg;
    return rc;
}

/* In pages, as a list is read. */
static uint64_t read_all(struct bench *bench, enum fh_table table)
{
    struct fh_snapshot *snapshot;
    uint64_t count = 0;
    unsigned char from[2] = {0};
    for (int first = 0; first < 256; first++) {
        from[0] = (unsigned char)first;
        struct fh_scan scan = {.table = table, .prefix = fh_slice_make((char *)from, 1)};
        if (fh_snapshot_open(&snapshot, bench->store) != 0 ||
            fh_snapshot_scan(snapshot, &scan, count_one, &count) != 0) {
            fail("a scan", FH_E_IO);
        }
        fh_snapshot_close(snapshot);
    }
    return count;
}

int main(int argc, char **argv)
{
    struct fh_error err;
    struct bench bench = {.wanted = argc > 2 ? (uint64_t)atoll(argv[2]) : 500000};
    struct fh_store_config config = {.path = argc > 1 ? argv[1] : ""};
    static struct run runs[OUTSTANDING];
    if (argc < 2 || bench.wanted < OUTSTANDING) {
        fprintf(stderr, "usage: %s FOLDER [runs]\n", argv[0]);
        return 2;
    }
    if (fh_store_open(&bench.store, &config, &err) != 0 || fh_loop_open(&bench.loop, &err) != 0) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    print_memory("open", 0);
    bench.start_us = bench.report_us = fh_clock_mono_us(&fh_clock_system);
    for (int i = 0; i < OUTSTANDING; i++) {
        runs[i].bench = &bench;
        begin(&runs[i]);
    }
    while (bench.ended < bench.wanted) {
        fh_loop_run_once(bench.loop, -1);
    }
    double took_s = (double)(fh_clock_mono_us(&fh_clock_system) - bench.start_us) / 1e6;
    print_memory("all", (double)bench.wanted / took_s);
    int64_t read_us = fh_clock_mono_us(&fh_clock_system);
    uint64_t count = read_all(&bench, FH_TABLE_RUNS) + read_all(&bench, FH_TABLE_JOURNAL);
    print_memory("read",
                 (double)count * 1e6 / (double)(fh_clock_mono_us(&fh_clock_system) - read_us));
    fh_store_close(bench.store);
    fh_loop_close(bench.loop);
    return 0;
}
