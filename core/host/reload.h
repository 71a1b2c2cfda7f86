/* SPDX-License-Identifier: MIT */
/* Keeps the flows folder and what is served the same: when the folder changes (watch.h), or when asked, a thread of its
 * own reads what has changed and the loop hands it to shard 0's VM (event "reload"). One reading at a time; what is
 * asked meanwhile is one more. */
#pragma once

#include "host/files.h"
#include "host/watch.h"

#include <pthread.h>
#include <stdatomic.h>

struct fh_vm;

struct fh_secrets;

/* Zero-initialised field of its owner. */
struct fh_reload {
    struct fh_loop *loop;
    struct fh_vm *vm;
    char *dir;
    struct fh_watch *watch; /* NULL: not watched */
    struct fh_seen seen;    /* at the last reading */
    struct fh_io io;
    int fd; /* eventfd: something was asked for, or the thread has read */
    _Atomic bool is_open;
    _Atomic bool is_asked; /* by fh_reload_ask */
    _Atomic bool has_read;
    bool is_reading;
    bool is_wanted;   /* once more after this reading */
    bool is_explicit; /* what is being read was asked for */
    bool had_problems;
    struct fh_secrets *secrets; /* read again when it is asked for; may be NULL */
    pthread_t reader;
    struct fh_files files; /* the reader's, until it has read */
    struct fh_error err;
    int rc;
};

/* Begins to watch, and reads `dir` for the first time into `files`, whose list of what there is is taken. On failure
 * there is nothing to close. */
int fh_reload_open(struct fh_reload *reload, struct fh_loop *loop, struct fh_vm *vm,
                   const char *dir, bool is_watched, struct fh_files *files, struct fh_error *err);

/* Reads the folder soon. Any thread, also a signal handler. Nothing happens before fh_reload_open. */
void fh_reload_ask(struct fh_reload *reload);

/* Harmless when it is not open. */
void fh_reload_close(struct fh_reload *reload);
