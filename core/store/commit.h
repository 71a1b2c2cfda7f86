/* SPDX-License-Identifier: MIT */
/* The commit thread: takes the queue, commits it in as few transactions as it can, tells each
 * submitter's loop once a transaction, and keeps what a full disk turned away.
 *
 *     submit ─► queue ─► [a transaction over all] ─► done ─► one mail a loop
 *                          │ disk full                ▲
 *                          ├─ intake ─ FH_E_DISK_FULL ┤
 *                          └─ others ─► held ─────────┘ again with each arrival and each 250 ms
 *
 * A transaction that fails for another reason than a full disk or a broken one is tried again
 * batch by batch, so that only the batch that cannot be applied fails. While batches are held,
 * intake fails at once: what running work waits for goes first. Every 250 ms the held ones are
 * also tried one by one, so that one which never fits does not hold up the rest. Two batches that
 * touch the same key, or rows of the same run, never overtake each other. */
#pragma once

#include "store/apply.h"

#include <pthread.h>
#include <stdatomic.h>

enum { FH_COMMIT_MARKS = 1 << 16 };

struct fh_commit {
    struct fh_env *env;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t bell;
    struct fh_batch_list queue; /* under lock, as all to the empty line */
    bool is_asleep;
    bool is_stopping;
    int failed; /* 0, or what every batch from now on gets */

    struct fh_batch_list held; /* the thread's own, as all to the empty line */
    int64_t retry_at_us;       /* while full: when to try the probe and each held batch */
    struct fh_batch *probe;    /* a write that changes nothing */
    uint64_t marks[FH_COMMIT_MARKS / 64]; /* what held batches touch, as a set of hashes */

    _Atomic bool is_full; /* written by the thread only, as the counters */
    _Atomic uint64_t commits;
    _Atomic uint64_t batches;
    _Atomic uint64_t bytes;
};

int fh_commit_start(struct fh_commit *commit, struct fh_env *env, struct fh_error *err);

/* Takes the batch, or frees it and returns FH_E_CLOSED or the sticky failure. */
int fh_commit_push(struct fh_commit *commit, struct fh_batch *batch);

bool fh_commit_has_failed(struct fh_commit *commit);

/* Finishes what is queued (see fh_store_close) and ends the thread. */
void fh_commit_stop(struct fh_commit *commit);
