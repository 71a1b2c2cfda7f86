/* SPDX-License-Identifier: MIT */
/* Batches a second of one durable put each, keys in time order, at 1, 64 and 256 outstanding on one
 * loop. Build in the root of the tree, run with a folder on the disk in question:
 *
 *     gcc -std=gnu11 -O2 -D_GNU_SOURCE -Icore -o bench_store tests/bench/bench_store.c \
 *         core/store/[a-z]*.c core/loop/[a-z]*.c core/base/[a-z]*.c -lev -llmdb -lpthread
 *     ./bench_store FOLDER [seconds] [bytes of a value]
 */
#include "base/log.h"
#include "store/store.h"

#include "loop/loop.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
    struct fh_store *store;
    struct fh_loop *loop;
    uint64_t next_key;
    uint64_t done;
    unsigned outstanding;
    int64_t until_us;
    struct fh_slice value;
};

static void submit(struct bench *bench);

static void on_done(void *arg, int rc)
{
    struct bench *bench = arg;
    if (rc != 0) {
        fprintf(stderr, "batch failed: %s\n", fh_error_name(rc));
        exit(1);
    }
    bench->done++;
    bench->outstanding--;
    if (fh_clock_mono_us(&fh_clock_system) < bench->until_us) {
        submit(bench);
    }
}

static void submit(struct bench *bench)
{
    struct fh_batch *batch;
    unsigned char key[16] = {0};
    uint64_t number = bench->next_key++;
    for (int i = 0; i < 8; i++) {
        key[i] = (unsigned char)(number >> (56 - 8 * i));
    }
    if (fh_batch_new(&batch) != 0 ||
        fh_batch_put(batch, FH_TABLE_RUNS, fh_slice_make(key, sizeof(key)), bench->value) != 0 ||
        fh_store_submit(bench->store, batch, bench->loop, on_done, bench) != 0) {
        exit(1);
    }
    bench->outstanding++;
}

static void measure(struct bench *bench, unsigned outstanding, int64_t seconds)
{
    struct fh_store_stats before, after;
    fh_store_get_stats(bench->store, &before);
    bench->done = 0;
    int64_t start_us = fh_clock_mono_us(&fh_clock_system);
    bench->until_us = start_us + seconds * 1000000;
    for (unsigned i = 0; i < outstanding; i++) {
        submit(bench);
    }
    while (bench->outstanding > 0) {
        fh_loop_run_once(bench->loop, -1);
    }
    double took = (double)(fh_clock_mono_us(&fh_clock_system) - start_us) / 1e6;
    fh_store_get_stats(bench->store, &after);
    double commits = (double)(after.commits - before.commits);
    printf("%3u outstanding: %7.0f batches/s, %5.0f commits/s, %5.1f batches a commit\n",
           outstanding, (double)bench->done / took, commits / took, (double)bench->done / commits);
}

int main(int argc, char **argv)
{
    struct fh_error err;
    struct bench bench = {0};
    int64_t seconds = argc > 2 ? atoi(argv[2]) : 3;
    size_t len = argc > 3 ? (size_t)atoi(argv[3]) : 200;
    char *value = calloc(1, len + 1);
    if (argc < 2 || !value) {
        fprintf(stderr, "usage: %s FOLDER [seconds] [bytes of a value]\n", argv[0]);
        return 2;
    }
    bench.value = fh_slice_make(value, len);
    struct fh_store_config config = {.path = argv[1]};
    if (fh_store_open(&bench.store, &config, &err) != 0 || fh_loop_open(&bench.loop, &err) != 0) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    measure(&bench, 1, seconds);
    measure(&bench, 64, seconds);
    measure(&bench, 256, seconds);
    fh_store_close(bench.store);
    fh_loop_close(bench.loop);
    free(value);
    return 0;
}
