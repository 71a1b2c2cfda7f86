/* SPDX-License-Identifier: MIT */
/* One thread for work that would hold up a loop. Jobs run in order of arrival; what comes of one is delivered to the
 * loop that gave it. At most FH_OFFLOAD_MAX wait. */
#pragma once

#include "base/error.h"
#include "loop/loop.h"

enum { FH_OFFLOAD_MAX = 256 };

struct fh_offload;

/* First field of the job's own struct. `work` runs on the thread, then `done` on the loop, which owns the job. */
struct fh_job {
    struct fh_mail mail;
    struct fh_job *next;
    struct fh_loop *loop;
    void (*work)(struct fh_job *job);
    void (*done)(struct fh_job *job);
};

int fh_offload_open(struct fh_offload **out, struct fh_error *err);

/* The job at work is ended first, those that wait are not begun; all are delivered: their loops must still be open. */
void fh_offload_close(struct fh_offload *offload);

/* Any thread. 0, or FH_E_TOO_LARGE when too many wait: then the job is still the caller's. */
int fh_offload_submit(struct fh_offload *offload, struct fh_loop *loop, struct fh_job *job);
