/* SPDX-License-Identifier: MIT */
/* The flows folder as a list of files: every .lua and .json below it, by path with '/', except
 * below names that begin with '.'. Links are followed; a folder is entered at most 16 deep. */
#pragma once

#include "base/error.h"
#include "vm/setup.h"

enum { FH_FILES_MAX_BYTES = 16 << 20, FH_FILES_MAX_COUNT = 20000, FH_FILES_MAX_DEPTH = 16 };

struct fh_files {
    struct fh_pair *pairs; /* path and content, both on the heap */
    size_t count;
    size_t cap;
};

/* FH_E_NOT_FOUND, FH_E_PERMISSION, FH_E_TOO_LARGE, FH_E_IO with a sentence. */
int fh_files_read(struct fh_files *files, const char *dir, struct fh_error *err);
void fh_files_deinit(struct fh_files *files);

/* data is NULL when there is none of that path. */
struct fh_slice fh_files_get(const struct fh_files *files, const char *path);
