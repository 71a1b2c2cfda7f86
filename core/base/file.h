/* SPDX-License-Identifier: MIT */
/* Whole files: read at once, or made so that a name never stands for half of one.
 *
 *     open ─► PATH.part, locked by its writer ─► write ... ─► commit: fsync, rename, fsync of the folder
 *
 * A file that exists is never replaced but by fh_file_replace. What a killed writer left as PATH.part is written anew by the next one.
 * Fault points: file.written, file.synced, file.renamed. Blocks: not for a loop's thread that serves. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#include <sys/types.h>

/* Embedded or on the stack; commit or abort ends it. */
struct fh_new_file {
    int fd;           /* of the part: may be written to directly */
    const char *path; /* borrowed */
    struct fh_buf part;
};

/* `mode` is of the file, before umask. Errors come with a sentence that says what to do: FH_E_CONFLICT (it exists),
 * FH_E_LOCKED (another process writes it), FH_E_NOT_FOUND, FH_E_PERMISSION, FH_E_DISK_FULL, FH_E_IO. */
int fh_new_file_open(struct fh_new_file *file, const char *path, mode_t mode, struct fh_error *err);
int fh_new_file_write(struct fh_new_file *file, struct fh_slice bytes, struct fh_error *err);

/* After an error nothing of it is left but, perhaps, the file itself, whole. */
int fh_new_file_commit(struct fh_new_file *file, struct fh_error *err);
void fh_new_file_abort(struct fh_new_file *file);

/* The sentence for `rc` about the file, as the calls above give it: for those who write to `fd` themselves. */
int fh_new_file_explain(const struct fh_new_file *file, int rc, const char *why,
                        struct fh_error *err);

/* All of it in one: open, write, commit. */
int fh_file_create(const char *path, mode_t mode, struct fh_slice bytes, struct fh_error *err);

/* The same for a file that may be there: then it is replaced in one step, and never half. */
int fh_file_replace(const char *path, mode_t mode, struct fh_slice bytes, struct fh_error *err);

/* Appends the file to `out`, whose cap bounds it. */
int fh_file_read(struct fh_buf *out, const char *path, struct fh_error *err);

/* Makes the names in a folder durable; in the folder of `path`. 0 or FH_E_*. */
int fh_file_sync_folder(const char *path);
int fh_file_sync_parent(const char *path);
