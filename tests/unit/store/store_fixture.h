/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: a folder of their own, a loop, short ways to put and get. */
#pragma once

#include "loop/loop.h"
#include "store/store.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* For child processes, where an assert of cmocka would run the other tests again. */
#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1);                                                               \
        }                                                                           \
    } while (0)

struct fixture {
    char root[64];
    char path[96];  /* the store's folder, in `root` */
    char file[128]; /* its data file */
    struct fh_store *store;
    struct fh_loop *loop;
};

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const char *temp = getenv("TMPDIR");
    snprintf(fixture->root, sizeof(fixture->root), "%.40s/fh_store_XXXXXX", temp ? temp : "/tmp");
    if (!mkdtemp(fixture->root) || fh_loop_open(&fixture->loop, NULL) != 0) {
        return -1;
    }
    snprintf(fixture->path, sizeof(fixture->path), "%s/data", fixture->root);
    snprintf(fixture->file, sizeof(fixture->file), "%s/data.mdb", fixture->path);
    *state = fixture;
    return 0;
}

static inline int fixture_remove(const char *path, const struct stat *status, int type,
                                 struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fh_store_close(fixture->store);
    fh_loop_close(fixture->loop);
    int rc = nftw(fixture->root, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return rc;
}

/* `map_bytes` 0: 64 MiB. */
static inline int fixture_open(struct fixture *fixture, size_t map_bytes, struct fh_error *err)
{
    struct fh_store_config config = {.path = fixture->path,
                                     .map_bytes = map_bytes ? map_bytes : 64 << 20};
    return fh_store_open(&fixture->store, &config, err);
}

static inline void fixture_close(struct fixture *fixture)
{
    fh_store_close(fixture->store);
    fixture->store = NULL;
}

static inline void fixture_reopen(struct fixture *fixture)
{
    struct fh_error err = {0};
    fixture_close(fixture);
    int rc = fixture_open(fixture, 0, &err);
    if (rc != 0) {
        fail_msg("%s", err.detail);
    }
}

static inline struct fh_batch *batch_make(void)
{
    struct fh_batch *batch = NULL;
    return fh_batch_new(&batch) == 0 ? batch : NULL;
}

static inline struct fh_batch *batch_put(const char *key, struct fh_slice value)
{
    struct fh_batch *batch = batch_make();
    int rc = fh_batch_put(batch, FH_TABLE_RUNS, fh_slice_from(key), value);
    return rc == 0 ? batch : NULL;
}

static inline int put_wait(struct fh_store *store, const char *key, struct fh_slice value)
{
    return fh_store_submit_wait(store, batch_put(key, value));
}

static inline int put_text(struct fh_store *store, const char *key, const char *text)
{
    return put_wait(store, key, fh_slice_from(text));
}

/* 0 and *has_text: the row is there with just that text; else what fh_snapshot_get says. */
static inline int get_text(struct fh_store *store, const char *key, const char *text,
                           bool *has_text)
{
    struct fh_snapshot *snapshot;
    struct fh_slice value;
    int rc = fh_snapshot_open(&snapshot, store);
    if (rc == 0) {
        rc = fh_snapshot_get(snapshot, FH_TABLE_RUNS, fh_slice_from(key), &value, NULL);
        *has_text = rc == 0 && fh_slice_equal(value, fh_slice_from(text));
        fh_snapshot_close(snapshot);
    }
    return rc;
}

static inline bool has_text(struct fh_store *store, const char *key, const char *text)
{
    bool is_so = false;
    return get_text(store, key, text, &is_so) == 0 && is_so;
}

static inline bool is_absent(struct fh_store *store, const char *key)
{
    bool is_so = false;
    return get_text(store, key, "", &is_so) == FH_E_NOT_FOUND;
}

/* How a submitted batch ended. */
struct outcome {
    bool is_done;
    int rc;
};

static inline void on_outcome(void *arg, int rc)
{
    *(struct outcome *)arg = (struct outcome){true, rc};
}

static inline int submit(struct fixture *fixture, struct fh_batch *batch, struct outcome *outcome)
{
    outcome->is_done = false;
    return fh_store_submit(fixture->store, batch, fixture->loop, on_outcome, outcome);
}

static inline int wait_for(struct fixture *fixture, const struct outcome *outcome)
{
    while (!outcome->is_done) {
        fh_loop_run_once(fixture->loop, -1);
    }
    return outcome->rc;
}

/* Runs `body` in a child, which CHECKs; true when it came to its end. A store or loop of the
 * parent must not be open but for the fixture's loop, which the child does not touch. */
static inline bool runs_in_child(void (*body)(struct fixture *fixture), struct fixture *fixture)
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture own = *fixture;
        CHECK(fh_loop_open(&own.loop, NULL) == 0);
        body(&own);
        fh_loop_close(own.loop);
        _exit(0);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
