/* SPDX-License-Identifier: MIT */
/* C components: functions of the embedding program that flows call by name. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

struct fh_call_native;

/* Runs on the shard's thread and must not block it. Sees to it that fh_native_finish is called
 * exactly once, now or later. `input` is JSON, valid during the call. */
typedef void (*fh_native_fn)(void *user, struct fh_slice input, struct fh_call_native *call);

struct fh_native {
    const struct fh_native *next;
    const char *name;
    fh_native_fn fn;
    void *user;
};

/* Any thread. `bytes` is the result as JSON, or the error's message when `code` is given. `call` is
 * gone afterwards. 0, or FH_E_NO_MEMORY (then the call is finished with that error). */
int fh_native_finish(struct fh_call_native *call, const char *code, struct fh_slice bytes);
