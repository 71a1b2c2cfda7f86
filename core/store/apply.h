/* SPDX-License-Identifier: MIT */
/* One write transaction over a list of batches: all of them durable, or nothing written. */
#pragma once

#include "store/batch.h"
#include "store/env.h"

struct fh_apply_counts {
    uint64_t batches;
    uint64_t bytes;
};

/* Checks and applies the batches in order and commits. On 0 each batch's rc is set: 0, or
 * FH_E_CONFLICT / FH_E_CORRUPT (a value it compares with is damaged) when it was left out, and
 * `counts` has what was written. On an error nothing was written and no rc means anything. */
int fh_apply_batches(const struct fh_env *env, const struct fh_batch_list *list,
                     struct fh_apply_counts *counts);
