/* SPDX-License-Identifier: MIT */
/* What an open store consists of. */
#pragma once

#include "store/commit.h"
#include "store/data_folder.h"
#include "store/env.h"

struct fh_store {
    struct fh_data_folder folder;
    struct fh_env env;
    struct fh_commit commit;
    pthread_mutex_t pool_lock;
    struct fh_snapshot *pool; /* under pool_lock: snapshots at rest, with their reader slot */
    unsigned pooled;
};

/* Frees the snapshots at rest. */
void fh_snapshot_clear_pool(struct fh_store *store);
