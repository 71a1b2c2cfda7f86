/* SPDX-License-Identifier: MIT */
/* Work that takes too long for a loop's thread: one worker thread does it, the outcome comes back by the loop's mailbox.
 *
 *     submit ─► queue (bounded) ─► [worker: work] ─► mail ─► [the submitter's loop: done]
 *
 * The worker gives way to the loops (nice 10). `work` sees nothing but its job; what both sides use is handed over with
 * it: the job belongs to the worker from submit until `done`. */
#pragma once

#include "loop/loop.h"

struct fh_offload;

/* Embedded in the struct of who asks; set `work` and `done`, the rest is the module's. */
struct fh_job {
    void (*work)(struct fh_job *job); /* on the worker's thread */
    void (*done)(struct fh_job *job); /* on the loop's thread, once; owns the job */
    bool is_dropped;                  /* in `done`: the host closed before it was its turn */
    struct fh_mail mail;
    struct fh_loop *loop;
    struct fh_job *next;
};

/* At most `max_jobs` wait (the one at work not counted). Starts the thread, with all signals blocked. */
int fh_offload_open(struct fh_offload **out, unsigned max_jobs, struct fh_error *err);

/* The job at work ends, those that wait are dropped; the mail of both is posted when this returns, so close before the
 * loops. `offload` may be NULL. */
void fh_offload_close(struct fh_offload *offload);

/* Any thread. 0, or FH_E_TOO_LARGE: as many wait as may (done does not run then). */
int fh_offload_submit(struct fh_offload *offload, struct fh_loop *loop, struct fh_job *job);
