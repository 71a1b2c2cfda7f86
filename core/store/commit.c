/* SPDX-License-Identifier: MIT */
/* Everything here but fh_commit_start, fh_commit_push and fh_commit_stop runs on the commit thread. */
#include "store/commit.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/run_id.h"
#include "store/notify.h"

#include <signal.h>
#include <time.h>

enum {
    RETRY_US = 250 * 1000,
    /* Bounds how long the first batch of a long queue waits for the last. */
    TRANSACTION_OPS = 16384,
    TRANSACTION_BYTES = 32 << 20
};

/* --- transactions ----------------------------------------------------------------------------- */

static void set_failed(struct fh_commit *commit)
{
    pthread_mutex_lock(&commit->lock);
    bool is_first = commit->failed == 0;
    commit->failed = FH_E_IO;
    pthread_mutex_unlock(&commit->lock);
    if (is_first) {
        const char *path = "";
        mdb_env_get_path(commit->env->lmdb, &path);
        fh_log(FH_LOG_ERROR,
               "writing to data folder %s failed; every write is refused from now on: check the "
               "disk, then restart",
               path);
    }
}

/* What happened while the held and the fresh batches were gone through once. */
struct pass {
    struct fh_batch_list done;
    bool tries_each; /* whether what failed together is tried one by one */
    bool met_full;
    bool has_committed;
};

/* 0: committed, each batch has its rc. */
static int attempt(struct fh_commit *commit, struct pass *pass, const struct fh_batch_list *list)
{
    struct fh_apply_counts counts;
    int rc = commit->failed ? commit->failed : fh_apply_batches(commit->env, list, &counts);
    if (rc == 0) {
        pass->has_committed = true;
        commit->commits++;
        commit->batches += counts.batches;
        commit->bytes += counts.bytes;
        fh_resident_touch(&commit->env->resident,
                          counts.batches * FH_RESIDENT_TOUCH_BYTES + counts.bytes);
    } else if (rc == FH_E_IO) {
        set_failed(commit);
    }
    return rc;
}

static int attempt_one(struct fh_commit *commit, struct pass *pass, struct fh_batch *batch)
{
    struct fh_batch_list list = {0};
    fh_batch_list_push(&list, batch);
    return attempt(commit, pass, &list);
}

/* --- full disk -------------------------------------------------------------------------------- */

/* Rows of one run have the run id first: they keep their order also over several tables. */
static uint32_t mark_of(const struct fh_op *op)
{
    unsigned char table = (unsigned char)op->table;
    if ((op->table == FH_TABLE_RUNS || op->table == FH_TABLE_JOURNAL) &&
        op->key.len >= FH_RUN_ID_BYTES) {
        return fh_crc32c(0, op->key.data, FH_RUN_ID_BYTES) % FH_COMMIT_MARKS;
    }
    return fh_crc32c(fh_crc32c(0, &table, 1), op->key.data, op->key.len) % FH_COMMIT_MARKS;
}

static void hold(struct fh_commit *commit, struct fh_batch *batch)
{
    struct fh_op op;
    for (size_t at = 0; fh_batch_next(batch, &at, &op);) {
        uint32_t mark = mark_of(&op);
        commit->marks[mark / 64] |= (uint64_t)1 << (mark % 64);
    }
    fh_batch_list_push(&commit->held, batch);
}

static bool must_wait(const struct fh_commit *commit, const struct fh_batch *batch)
{
    struct fh_op op;
    for (size_t at = 0; fh_batch_next(batch, &at, &op);) {
        uint32_t mark = mark_of(&op);
        if (commit->marks[mark / 64] >> (mark % 64) & 1) {
            return true;
        }
    }
    return false;
}

/* `rc` is how the transaction ended that the batch was part of. */
static void settle(struct fh_commit *commit, struct pass *pass, struct fh_batch *batch, int rc,
                   bool was_alone)
{
    bool is_full = rc == FH_E_DISK_FULL;
    if (!(is_full && batch->is_intake) && !was_alone && rc != FH_E_IO) {
        if (must_wait(commit, batch) || !pass->tries_each) {
            rc = FH_E_DISK_FULL;
        } else {
            rc = attempt_one(commit, pass, batch);
        }
    }
    if (rc == FH_E_DISK_FULL && !batch->is_intake) {
        hold(commit, batch);
        return;
    }
    batch->rc = rc == 0 ? batch->rc : rc;
    pass->met_full |= rc == FH_E_DISK_FULL;
    fh_batch_list_push(&pass->done, batch);
}

static void settle_each(struct fh_commit *commit, struct pass *pass, struct fh_batch_list *list,
                        int rc)
{
    bool is_alone = list->head && !list->head->next;
    bool was_tried = !commit->held.head;
    struct fh_batch *batch;
    while ((batch = fh_batch_list_pop(list))) {
        settle(commit, pass, batch, commit->failed ? commit->failed : rc, is_alone && was_tried);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static void set_full(struct fh_commit *commit, bool is_full)
{
    if (commit->is_full != is_full) {
        commit->is_full = is_full;
        fh_log(is_full ? FH_LOG_WARN : FH_LOG_INFO, "%s",
               is_full ? "no space left for the data folder; new work is refused until there is: "
                         "free some, or allow a larger data file"
                       : "there is space for the data folder again");
    }
}

static void take_transaction(struct fh_batch_list *from, struct fh_batch_list *to)
{
    size_t ops = 0;
    size_t bytes = 0;
    while (from->head && ops < TRANSACTION_OPS && bytes < TRANSACTION_BYTES) {
        struct fh_batch *batch = fh_batch_list_pop(from);
        ops += batch->op_count;
        bytes += batch->ops.len;
        fh_batch_list_push(to, batch);
    }
}

static bool is_still_full(const struct fh_commit *commit, const struct pass *pass)
{
    return commit->held.head || pass->met_full ||
           (commit->is_full && !pass->has_committed && !commit->failed);
}

static void commit_list(struct fh_commit *commit, struct fh_batch_list *list, struct pass *pass)
{
    while (list->head) {
        struct fh_batch_list some = {0};
        take_transaction(list, &some);
        /* Behind held batches nothing may go untested: see must_wait. */
        int rc = commit->held.head ? FH_E_DISK_FULL : attempt(commit, pass, &some);
        if (rc == 0) {
            fh_batch_list_splice(&pass->done, &some);
        } else {
            settle_each(commit, pass, &some, rc);
        }
        /* Before the mail: who hears of the end also sees the state that belongs to it. */
        set_full(commit, is_still_full(commit, pass) || (commit->is_full && list->head));
        fh_notify_batches(&pass->done);
    }
}

/* Held batches first, then the new ones. While the disk is full, the probe goes before them: it
 * finds out whether there is space when only intake would ask, and the pages that a transaction
 * frees become usable one commit later, which it brings about. */
static void run_round(struct fh_commit *commit, struct fh_batch_list *fresh)
{
    int64_t now_us = fh_clock_mono_us(&fh_clock_system);
    bool is_due = !commit->is_full || now_us >= commit->retry_at_us;
    struct pass pass = {.tries_each = is_due};
    struct fh_batch_list held = {0};
    if (commit->is_full && is_due) {
        (void)attempt_one(commit, &pass, commit->probe);
    }
    fh_batch_list_splice(&held, &commit->held);
    memset(commit->marks, 0, held.head ? sizeof(commit->marks) : 0);
    commit_list(commit, &held, &pass);
    pass.tries_each = true;
    commit_list(commit, fresh, &pass);
    if (is_due) {
        commit->retry_at_us = now_us + RETRY_US;
    }
    set_full(commit, is_still_full(commit, &pass));
}

static void fail_held(struct fh_commit *commit, int rc)
{
    struct fh_batch_list done = {0};
    fh_batch_list_splice(&done, &commit->held);
    for (struct fh_batch *batch = done.head; batch; batch = batch->next) {
        batch->rc = rc;
    }
    fh_notify_batches(&done);
}

static bool is_retry_due(const struct fh_commit *commit)
{
    return commit->is_full && fh_clock_mono_us(&fh_clock_system) >= commit->retry_at_us;
}

static void sleep_until_rung(struct fh_commit *commit)
{
    commit->is_asleep = true;
    if (commit->is_full) {
        struct timespec until = {commit->retry_at_us / 1000000,
                                 commit->retry_at_us % 1000000 * 1000};
        pthread_cond_timedwait(&commit->bell, &commit->lock, &until);
    } else {
        pthread_cond_wait(&commit->bell, &commit->lock);
    }
    commit->is_asleep = false;
}

/* Waits for something to do; false when this is the last. */
static bool take_queue(struct fh_commit *commit, struct fh_batch_list *fresh)
{
    pthread_mutex_lock(&commit->lock);
    while (!commit->queue.head && !commit->is_stopping && !is_retry_due(commit)) {
        sleep_until_rung(commit);
    }
    fh_batch_list_splice(fresh, &commit->queue);
    bool goes_on = !commit->is_stopping;
    pthread_mutex_unlock(&commit->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct fh_commit *commit = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are for the program's own threads */
    bool goes_on = true;
    while (goes_on) {
        struct fh_batch_list fresh = {0};
        goes_on = take_queue(commit, &fresh);
        run_round(commit, &fresh);
    }
    fail_held(commit, FH_E_CLOSED);
    return NULL;
}

/* --- from other threads ----------------------------------------------------------------------- */

static int make_probe(struct fh_batch **out)
{
    struct fh_batch *probe = NULL;
    char digit = '0' + FH_STORE_FORMAT;
    int rc = fh_batch_new(&probe);
    if (rc == 0) {
        rc = fh_batch_put(probe, FH_TABLE_META, FH_SLICE_LIT("format"), fh_slice_make(&digit, 1));
    }
    *out = probe;
    return rc;
}

static int start_thread(struct fh_commit *commit)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loops' threads */
    int rc = pthread_create(&commit->thread, NULL, run, commit);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : FH_E_NO_MEMORY;
}

int fh_commit_start(struct fh_commit *commit, struct fh_env *env, struct fh_error *err)
{
    pthread_condattr_t monotonic;
    commit->env = env;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&commit->bell, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&commit->lock, NULL);
    int rc = make_probe(&commit->probe);
    if (rc == 0) {
        rc = start_thread(commit);
    }
    if (rc != 0) {
        fh_batch_free(commit->probe);
        pthread_cond_destroy(&commit->bell);
        pthread_mutex_destroy(&commit->lock);
        return fh_error_set(err, rc,
                            "cannot start the commit thread; raise the limit of threads "
                            "or memory");
    }
    return 0;
}

int fh_commit_push(struct fh_commit *commit, struct fh_batch *batch)
{
    pthread_mutex_lock(&commit->lock);
    int rc = commit->failed ? commit->failed : commit->is_stopping ? FH_E_CLOSED : 0;
    bool rings = rc == 0 && commit->is_asleep;
    if (rc == 0) {
        fh_batch_list_push(&commit->queue, batch);
    }
    if (rings) {
        commit->is_asleep = false; /* one signal wakes it, the next submitters need none */
        pthread_cond_signal(&commit->bell);
    }
    pthread_mutex_unlock(&commit->lock);
    if (rc != 0) {
        fh_batch_free(batch);
    }
    return rc;
}

bool fh_commit_has_failed(struct fh_commit *commit)
{
    pthread_mutex_lock(&commit->lock);
    bool has_failed = commit->failed != 0;
    pthread_mutex_unlock(&commit->lock);
    return has_failed;
}

void fh_commit_stop(struct fh_commit *commit)
{
    pthread_mutex_lock(&commit->lock);
    commit->is_stopping = true;
    pthread_cond_signal(&commit->bell);
    pthread_mutex_unlock(&commit->lock);
    pthread_join(commit->thread, NULL);
    fh_batch_free(commit->probe);
    pthread_cond_destroy(&commit->bell);
    pthread_mutex_destroy(&commit->lock);
}
