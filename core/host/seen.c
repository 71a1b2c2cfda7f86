/* SPDX-License-Identifier: MIT */
#include "host/seen.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Times of files are as coarse as their file system has them, up to this. */
enum { COARSE_US = 2000000 };

int fh_seen_add(struct fh_seen *seen, const char *path, const struct stat *info)
{
    if (seen->count == seen->cap) {
        size_t cap = seen->cap ? seen->cap * 2 : 64;
        struct fh_seen_file *files = realloc(seen->files, cap * sizeof(*files));
        if (!files) {
            return FH_E_NO_MEMORY;
        }
        seen->files = files;
        seen->cap = cap;
    }
    struct fh_seen_file file = {.path = strdup(path)};
    if (!file.path) {
        return FH_E_NO_MEMORY;
    }
    if (info) {
        int64_t changed_us = (int64_t)info->st_ctim.tv_sec * 1000000 + info->st_ctim.tv_nsec / 1000;
        file.is_certain = changed_us + COARSE_US < seen->began_us;
        file.device = info->st_dev;
        file.inode = info->st_ino;
        file.size = info->st_size;
        file.changed = info->st_ctim;
        file.modified = info->st_mtim;
    }
    seen->files[seen->count++] = file;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct fh_seen_file *)a)->path, ((const struct fh_seen_file *)b)->path);
}

void fh_seen_sort(struct fh_seen *seen)
{
    if (seen->count > 0) {
        qsort(seen->files, seen->count, sizeof(*seen->files), compare);
    }
}

const struct fh_seen_file *fh_seen_find(const struct fh_seen *seen, const char *path)
{
    struct fh_seen_file key = {.path = (char *)path};
    return seen->count > 0 ? bsearch(&key, seen->files, seen->count, sizeof(*seen->files), compare)
                           : NULL;
}

static bool is_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool fh_seen_is_same(const struct fh_seen_file *file, const struct stat *info)
{
    return file && file->is_certain && file->device == info->st_dev &&
           file->inode == info->st_ino && file->size == info->st_size &&
           is_equal(file->changed, info->st_ctim) && is_equal(file->modified, info->st_mtim);
}

void fh_seen_deinit(struct fh_seen *seen)
{
    for (size_t i = 0; i < seen->count; i++) {
        free(seen->files[i].path);
    }
    free(seen->files);
    *seen = (struct fh_seen){.files = NULL};
}
