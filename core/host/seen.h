/* SPDX-License-Identifier: MIT */
/* The files of a folder as they were when it was last read: path and what tells one content from
 * another without reading it. So a reload reads only what has changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct fh_seen_file {
    char *path;
    bool is_certain; /* else it may change once more without its stamp telling */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    struct timespec modified;
};

/* Zero-initialise. Paths are on the heap. */
struct fh_seen {
    struct fh_seen_file *files;
    size_t count;
    size_t cap;
    int64_t began_us; /* when the reading began, wall clock */
};

/* Before fh_seen_sort; `info` NULL: it could not be read. 0 or FH_E_NO_MEMORY. */
int fh_seen_add(struct fh_seen *seen, const char *path, const struct stat *info);

/* By path: for what follows. */
void fh_seen_sort(struct fh_seen *seen);

/* NULL when there was none of that path. */
const struct fh_seen_file *fh_seen_find(const struct fh_seen *seen, const char *path);

/* Whether the file is certainly what it was. `file` may be NULL. */
bool fh_seen_is_same(const struct fh_seen_file *file, const struct stat *info);

void fh_seen_deinit(struct fh_seen *seen);
