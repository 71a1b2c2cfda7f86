/* SPDX-License-Identifier: MIT */
/* The flows folder as a list of files: every .lua and .json below it, by path with '/', except
 * below names that begin with '.'. Links are followed; a folder is entered at most 16 deep and not
 * again inside itself. What cannot be read is left out and listed among the problems. */
#pragma once

#include "base/error.h"
#include "host/seen.h"
#include "vm/setup.h"

enum { FH_FILES_MAX_BYTES = 16 << 20, FH_FILES_MAX_COUNT = 20000, FH_FILES_MAX_DEPTH = 16 };

struct fh_files {
    struct fh_pair *pairs; /* path and content, both on the heap */
    size_t count;
    size_t cap;
    struct fh_pair *problems; /* path and NUL-terminated sentence, both on the heap */
    size_t problem_count;
    size_t problem_cap;
    size_t folder_count; /* entered so far */
    struct fh_seen seen; /* all files, also those that were not read; sorted */
};

/* How a folder is read again. All may be left out. */
struct fh_files_how {
    const struct fh_seen *before; /* files that certainly are what they were are not read */
    void (*on_folder)(void *arg, const char *path); /* before a folder is looked into */
    void *arg;
};

/* The folder itself cannot be read or holds too much: FH_E_NOT_FOUND, FH_E_PERMISSION, FH_E_TOO_LARGE, FH_E_IO with a
 * sentence, and nothing to free. */
int fh_files_read(struct fh_files *files, const char *dir, struct fh_error *err);

/* The same, on any thread. */
int fh_files_read_how(struct fh_files *files, const char *dir, const struct fh_files_how *how,
                      struct fh_error *err);

/* The file `name` of the folder and no other; a list of none when there is no such file. One that cannot be read is an
 * error, as is a folder that cannot. */
int fh_files_read_one(struct fh_files *files, const char *dir, const char *name,
                      struct fh_error *err);
void fh_files_deinit(struct fh_files *files);

/* Whether a file of this name (without folders) is one of the folder's. */
bool fh_files_is_wanted(const char *name);

/* data is NULL when there is none of that path. */
struct fh_slice fh_files_get(const struct fh_files *files, const char *path);
