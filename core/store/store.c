/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "base/fault.h"
#include "store/state.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

int fh_store_open(struct fh_store **out, const struct fh_store_config *config, struct fh_error *err)
{
    struct fh_store *store = calloc(1, sizeof(*store));
    if (!store) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for a store");
    }
    pthread_mutex_init(&store->pool_lock, NULL);
    int rc = fh_data_folder_open(&store->folder, config->path, err);
    if (rc != 0) {
        goto out;
    }
    rc = fh_env_open(&store->env, config, err);
    if (rc != 0) {
        goto out;
    }
    rc = fh_data_folder_sync(config->path, err);
    if (rc != 0) {
        goto out;
    }
    rc = fh_commit_start(&store->commit, &store->env, err);
    if (rc != 0) {
        goto out;
    }
    *out = store;
    return 0;
out:
    fh_env_close(&store->env);
    fh_data_folder_close(&store->folder);
    pthread_mutex_destroy(&store->pool_lock);
    free(store);
    return rc;
}

void fh_store_close(struct fh_store *store)
{
    if (!store) {
        return;
    }
    fh_commit_stop(&store->commit);
    fh_snapshot_clear_pool(store);
    fh_env_close(&store->env);
    fh_data_folder_close(&store->folder);
    pthread_mutex_destroy(&store->pool_lock);
    free(store);
}

int fh_store_submit(struct fh_store *store, struct fh_batch *batch, struct fh_loop *loop,
                    fh_store_on_done on_done, void *arg)
{
    int rc = fh_fault("store.submit");
    if (rc != 0) {
        fh_batch_free(batch);
        return rc;
    }
    batch->loop = loop;
    batch->on_done = on_done;
    batch->arg = arg;
    return fh_commit_push(&store->commit, batch);
}

struct waiter {
    sem_t done;
    int rc;
};

static void on_waited(void *arg, int rc)
{
    struct waiter *waiter = arg;
    waiter->rc = rc;
    sem_post(&waiter->done);
}

int fh_store_submit_wait(struct fh_store *store, struct fh_batch *batch)
{
    struct waiter waiter;
    sem_init(&waiter.done, 0, 0);
    int rc = fh_store_submit(store, batch, NULL, on_waited, &waiter);
    if (rc == 0) {
        while (sem_wait(&waiter.done) != 0 && errno == EINTR) {
        }
        rc = waiter.rc;
    }
    sem_destroy(&waiter.done);
    return rc;
}

bool fh_store_is_full(struct fh_store *store)
{
    return store->commit.is_full;
}

bool fh_store_has_failed(struct fh_store *store)
{
    return fh_commit_has_failed(&store->commit);
}

void fh_store_get_stats(struct fh_store *store, struct fh_store_stats *stats)
{
    *stats = (struct fh_store_stats){
        .commits = store->commit.commits,
        .batches = store->commit.batches,
        .bytes = store->commit.bytes,
    };
}
