/* SPDX-License-Identifier: MIT */
#include "host/files.h"

#include "base/buf.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static int fail(struct fh_error *err, const char *what, const char *path)
{
    int number = errno;
    return fh_error_set(err, fh_error_from_errno(number), "cannot read the %s %s: %s", what, path,
                        strerror(number));
}

static int add(struct fh_files *files, const char *path, struct fh_buf *content)
{
    if (files->count == files->cap) {
        size_t cap = files->cap ? files->cap * 2 : 64;
        struct fh_pair *pairs = realloc(files->pairs, cap * sizeof(*pairs));
        if (!pairs) {
            return FH_E_NO_MEMORY;
        }
        files->pairs = pairs;
        files->cap = cap;
    }
    char *own_path = strdup(path);
    if (!own_path) {
        return FH_E_NO_MEMORY;
    }
    struct fh_pair *pair = &files->pairs[files->count++];
    pair->name = own_path;
    pair->value = fh_buf_slice(content);
    return 0;
}

static int read_stream(FILE *stream, struct fh_buf *content)
{
    char block[65536];
    size_t got;
    int rc = 0;
    while (rc == 0 && (got = fread(block, 1, sizeof(block), stream)) > 0) {
        rc = fh_buf_push(content, block, got);
    }
    return rc == 0 && ferror(stream) ? FH_E_IO : rc;
}

/* `full` is the path to open, `path` the one below the folder. */
static int read_file(struct fh_files *files, const char *full, const char *path,
                     struct fh_error *err)
{
    struct fh_buf content;
    fh_buf_init(&content, FH_FILES_MAX_BYTES);
    FILE *stream = fopen(full, "re");
    if (!stream) {
        return fail(err, "file", full);
    }
    int rc = read_stream(stream, &content);
    fclose(stream);
    if (rc == 0 && files->count == FH_FILES_MAX_COUNT) {
        rc = FH_E_TOO_LARGE;
    }
    if (rc == 0) {
        rc = add(files, path, &content);
    }
    if (rc != 0) {
        fh_buf_deinit(&content);
        fh_error_set(err, rc, "cannot take the file %s: %s (at most %d files of %d MiB)", full,
                     fh_error_text(rc), FH_FILES_MAX_COUNT, FH_FILES_MAX_BYTES >> 20);
    }
    return rc;
}

static int read_folder(struct fh_files *files, const char *root, const char *below, int depth,
                       struct fh_error *err);

static int read_entry(struct fh_files *files, const char *root, const char *below, const char *name,
                      int depth, struct fh_error *err)
{
    char path[PATH_MAX];
    char full[PATH_MAX];
    struct stat info;
    int path_len = snprintf(path, sizeof(path), "%s%s%s", below, below[0] ? "/" : "", name);
    int full_len = snprintf(full, sizeof(full), "%s/%s", root, path);
    if (path_len >= (int)sizeof(path) || full_len >= (int)sizeof(full)) {
        return fh_error_set(err, FH_E_TOO_LARGE, "the path %s/%s is too long", below, name);
    }
    if (stat(full, &info) != 0) {
        return fail(err, "file", full);
    }
    if (S_ISDIR(info.st_mode)) {
        return read_folder(files, root, path, depth + 1, err);
    }
    if (S_ISREG(info.st_mode) && (ends_with(name, ".lua") || ends_with(name, ".json"))) {
        return read_file(files, full, path, err);
    }
    return 0;
}

static int read_folder(struct fh_files *files, const char *root, const char *below, int depth,
                       struct fh_error *err)
{
    char full[PATH_MAX];
    snprintf(full, sizeof(full), "%s%s%s", root, below[0] ? "/" : "", below);
    if (depth > FH_FILES_MAX_DEPTH) {
        return fh_error_set(err, FH_E_TOO_LARGE, "the folder %s lies deeper than %d folders", full,
                            FH_FILES_MAX_DEPTH);
    }
    DIR *folder = opendir(full);
    if (!folder) {
        return fail(err, "flows folder", full);
    }
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            rc = read_entry(files, root, below, entry->d_name, depth, err);
        }
    }
    closedir(folder);
    return rc;
}

int fh_files_read(struct fh_files *files, const char *dir, struct fh_error *err)
{
    *files = (struct fh_files){NULL, 0, 0};
    int rc = read_folder(files, dir, "", 0, err);
    if (rc != 0) {
        fh_files_deinit(files);
    }
    return rc;
}

void fh_files_deinit(struct fh_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free((void *)files->pairs[i].name);
        free((void *)files->pairs[i].value.data);
    }
    free(files->pairs);
    *files = (struct fh_files){NULL, 0, 0};
}

struct fh_slice fh_files_get(const struct fh_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->pairs[i].name, path) == 0) {
            struct fh_slice content = files->pairs[i].value;
            return content.data ? content : FH_SLICE_LIT("");
        }
    }
    return (struct fh_slice){NULL, 0};
}
