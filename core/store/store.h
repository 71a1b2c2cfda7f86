/* SPDX-License-Identifier: MIT */
/* The store: ordered byte tables (tables.h) over one LMDB environment.
 *
 * Writing: all threads submit batches; one commit thread takes whatever is queued, applies it in
 * one write transaction, commits (fsync) and then tells each submitter on its own loop. A batch is
 * atomic and may carry conditions on the state before it.
 *
 *     submit ─► queue ─► [commit thread: conditions, puts, fsync] ─► mail to the submitter's loop
 *
 * Reading: a snapshot (MVCC) is opened, used and closed within one call; slices read from it die
 * with it. Reading never waits for writing.
 *
 * A stored value is: format byte (FH_STORE_FORMAT), the bytes, CRC32C (little-endian) over table
 * number, key, format and bytes. A value that fails the check gives FH_E_CORRUPT with table and
 * key in hex; others are unaffected.
 *
 * Disk full (ENOSPC, EDQUOT or the map's end): batches marked `is_intake` fail at once with
 * FH_E_DISK_FULL; the others are held, in order, and tried again until there is space (every
 * 250 ms, or when another batch arrives). A failed fsync fails the batches of that transaction
 * with FH_E_IO and every later batch too: only a restart can tell what the disk holds.
 *
 * Nothing above may assume LMDB. Fault points: store.submit, store.begin, store.apply,
 * store.commit (an error action there is what mdb_txn_commit would have returned: DISK_FULL or
 * IO), store.committed, store.notify. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "store/tables.h"

#include <stdbool.h>
#include <stdint.h>

struct fh_loop;
struct fh_store;
struct fh_batch;
struct fh_snapshot;

enum { FH_STORE_FORMAT = 1, FH_KEY_MAX_BYTES = 511 };

struct fh_store_config {
    const char *path; /* folder; made (0700) when missing, its parent must exist */
    size_t
        map_bytes; /* the data file's largest size; 0: 64 GiB (sparse, costs address space only) */
    unsigned max_readers; /* snapshots open at one time; 0: 126 */
    size_t
        resident_bytes; /* so much of the data file may count as the process's memory; 0: 48 MiB */
};

/* One process per folder: a lock file with our pid is held. Errors come with a sentence that says
 * what to do: FH_E_LOCKED (names the other pid), FH_E_PERMISSION, FH_E_NOT_FOUND, FH_E_DISK_FULL,
 * FH_E_CORRUPT (not an LMDB file, or a damaged one), FH_E_NEWER_FORMAT (meta "format" is newer). */
int fh_store_open(struct fh_store **out, const struct fh_store_config *config,
                  struct fh_error *err);

/* Commits what is queued (unless the disk is full or failed: then those batches fail with
 * FH_E_CLOSED), stops the commit thread, closes. Mail already posted must still be delivered by
 * its loop. */
void fh_store_close(struct fh_store *store);

/* --- writing ---------------------------------------------------------------------------------- */

/* Operations are copied in and applied in order after all conditions held. Each returns 0,
 * FH_E_NO_MEMORY, FH_E_INVALID (empty or over-long key). After an error free the batch. */
int fh_batch_new(struct fh_batch **out);
void fh_batch_free(struct fh_batch *batch);
int fh_batch_put(struct fh_batch *batch, enum fh_table table, struct fh_slice key,
                 struct fh_slice value);
int fh_batch_del(struct fh_batch *batch, enum fh_table table, struct fh_slice key);
int fh_batch_expect_absent(struct fh_batch *batch, enum fh_table table, struct fh_slice key);
int fh_batch_expect_value(struct fh_batch *batch, enum fh_table table, struct fh_slice key,
                          struct fh_slice value);
void fh_batch_set_intake(struct fh_batch *batch);

/* rc: 0 durable; FH_E_CONFLICT a condition did not hold, nothing of the batch was written;
 * FH_E_DISK_FULL, FH_E_IO, FH_E_CLOSED: nothing of it was written. */
typedef void (*fh_store_on_done)(void *arg, int rc);

/* Takes the batch. `on_done` runs once, later, on `loop`'s thread. Any thread. 0, or FH_E_CLOSED /
 * FH_E_IO at once (then the batch is freed and on_done does not run). */
int fh_store_submit(struct fh_store *store, struct fh_batch *batch, struct fh_loop *loop,
                    fh_store_on_done on_done, void *arg);

/* The same, waiting for the end. Not on a loop thread that serves. */
int fh_store_submit_wait(struct fh_store *store, struct fh_batch *batch);

/* True while the last attempt to commit met a full disk. Any thread. */
bool fh_store_is_full(struct fh_store *store);

/* True once writing has failed: every later batch fails, only a restart helps. Any thread. */
bool fh_store_has_failed(struct fh_store *store);

/* Time of the oldest batch still waiting etc. is not kept; these are counters since open. */
struct fh_store_stats {
    uint64_t commits;
    uint64_t batches;
    uint64_t bytes;
};
void fh_store_get_stats(struct fh_store *store, struct fh_store_stats *stats);

/* --- reading ---------------------------------------------------------------------------------- */

int fh_snapshot_open(struct fh_snapshot **out, struct fh_store *store);
void fh_snapshot_close(struct fh_snapshot *snapshot);

/* The value stays valid until the snapshot is closed. 0, FH_E_NOT_FOUND, FH_E_CORRUPT. */
int fh_snapshot_get(struct fh_snapshot *snapshot, enum fh_table table, struct fh_slice key,
                    struct fh_slice *value, struct fh_error *err);

/* Return 0 to go on, anything else to end the scan (it becomes the scan's result if negative). `rc` is 0,
 * or FH_E_CORRUPT for a damaged value (value is empty then; err_detail names it). */
typedef int (*fh_scan_visit)(void *arg, struct fh_slice key, struct fh_slice value, int rc);

struct fh_scan {
    enum fh_table table;
    struct fh_slice prefix; /* only keys that begin with it */
    struct fh_slice after;  /* begin behind this key (before it when reverse); empty: at the edge */
    bool reverse;
};
int fh_snapshot_scan(struct fh_snapshot *snapshot, const struct fh_scan *scan, fh_scan_visit visit,
                     void *arg);

/* --- backup ----------------------------------------------------------------------------------- */

/* What the values of a data file are like. */
struct fh_store_check {
    unsigned long long values;
    unsigned long long damaged;
    struct fh_error first; /* the first damaged one; detail is empty when there is none */
};

/* A consistent, compact copy of the data file in the new file `path`, made while everything goes on, whole or not at
 * all (base/file.h). Every value of the copy is looked at: damaged ones are in it as they are, and counted. Pages that
 * are freed meanwhile are not used again before it ends. */
int fh_store_backup(struct fh_store *store, const char *path, struct fh_store_check *check,
                    struct fh_error *err);

/* The same of a folder that another process has open, or none: it is neither locked nor changed. Not for a folder that
 * this process has open, which would lose its locks. FH_E_NOT_FOUND: there is no data. */
int fh_store_backup_folder(const char *folder, const char *path, struct fh_store_check *check,
                           struct fh_error *err);

/* Puts the backup `path` into `folder`, which is made when missing, must hold no data and is locked meanwhile; whole or
 * not at all. FH_E_CORRUPT when it is not a whole data file or, unless `may_be_damaged`, values in it are damaged. */
int fh_store_restore(const char *path, const char *folder, bool may_be_damaged,
                     struct fh_store_check *check, struct fh_error *err);
