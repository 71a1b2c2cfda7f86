/* SPDX-License-Identifier: MIT */
/* Bytes of a secret in guarded memory (sodium_malloc): between inaccessible pages, not swapped where the
 * system allows it, wiped when freed. Owned by whoever has it. */
#pragma once

#include "base/slice.h"

struct fh_secret {
    char *data; /* NUL behind them; NULL: none */
    size_t len;
};

/* A copy. 0 or FH_E_NO_MEMORY. */
int fh_secret_init(struct fh_secret *secret, struct fh_slice bytes);
void fh_secret_deinit(struct fh_secret *secret);

static inline struct fh_slice fh_secret_slice(const struct fh_secret *secret)
{
    return fh_slice_make(secret->data, secret->len);
}

/* Wipes memory that a secret went through. */
void fh_secret_wipe(void *bytes, size_t len);
