/* SPDX-License-Identifier: MIT */
#include "host/files.h"

#include "base/buf.h"
#include "base/clock.h"

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

bool fh_files_is_wanted(const char *name)
{
    return name[0] != '.' && (ends_with(name, ".lua") || ends_with(name, ".json"));
}

static int fail(struct fh_error *err, const char *what, const char *path)
{
    int number = errno;
    return fh_error_set(err, fh_error_from_errno(number), "cannot read the %s %s: %s", what, path,
                        strerror(number));
}

static int put(struct fh_pair **list, size_t *count, size_t *cap, const char *path,
               struct fh_slice value)
{
    if (*count == *cap) {
        size_t new_cap = *cap ? *cap * 2 : 64;
        struct fh_pair *pairs = realloc(*list, new_cap * sizeof(*pairs));
        if (!pairs) {
            return FH_E_NO_MEMORY;
        }
        *list = pairs;
        *cap = new_cap;
    }
    char *own_path = strdup(path);
    if (!own_path) {
        return FH_E_NO_MEMORY;
    }
    struct fh_pair *pair = &(*list)[(*count)++];
    pair->name = own_path;
    pair->value = value;
    return 0;
}

/* What is wrong with one file or folder below the root; the others are still read. */
static int note(struct fh_files *files, const char *path, const char *sentence,
                struct fh_error *err)
{
    char *own = strdup(sentence);
    int rc = own ? put(&files->problems, &files->problem_count, &files->problem_cap, path,
                       fh_slice_from(own))
                 : FH_E_NO_MEMORY;
    if (rc != 0) {
        free(own);
        return fh_error_set(err, rc, "no memory for the files of the flows folder");
    }
    return 0;
}

static int note_errno(struct fh_files *files, const char *path, const char *what,
                      struct fh_error *err)
{
    struct fh_error problem;
    fh_error_set(&problem, FH_E_IO, "the %s cannot be read: %s", what, strerror(errno));
    return note(files, path, problem.detail, err);
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

static int refuse(struct fh_files *files, const char *path, int rc, struct fh_error *err)
{
    struct fh_error problem;
    if (rc == FH_E_IO) {
        return note_errno(files, path, "file", err);
    }
    if (rc != FH_E_TOO_LARGE) {
        return fh_error_set(err, rc, "cannot take the file %s: %s", path, fh_error_text(rc));
    }
    fh_error_set(&problem, rc, "the file is larger than %d MiB", FH_FILES_MAX_BYTES >> 20);
    return note(files, path, problem.detail, err);
}

/* `full` is the path to open, `path` the one below the folder. */
static int read_file(struct fh_files *files, const char *full, const char *path,
                     struct fh_error *err)
{
    struct fh_buf content;
    FILE *stream = fopen(full, "re");
    if (!stream) {
        return note_errno(files, path, "file", err);
    }
    fh_buf_init(&content, FH_FILES_MAX_BYTES);
    int rc = read_stream(stream, &content);
    int number = errno;
    fclose(stream);
    if (rc == 0) {
        rc = put(&files->pairs, &files->count, &files->cap, path, fh_buf_slice(&content));
    }
    if (rc != 0) {
        fh_buf_deinit(&content);
        errno = number;
        return refuse(files, path, rc, err);
    }
    return 0;
}

/* What is being read, how, and from where. */
struct reading {
    struct fh_files *files;
    const char *root;
    const struct fh_files_how *how;
    struct fh_error *err;
};

/* A folder being read, within the one above it. */
struct place {
    const struct place *above;
    const char *path; /* below the root; "" is the root */
    int depth;
    dev_t device;
    ino_t inode;
};

static bool is_inside_itself(const struct place *place)
{
    for (const struct place *above = place->above; above; above = above->above) {
        if (above->device == place->device && above->inode == place->inode) {
            return true;
        }
    }
    return false;
}

static int see(const struct reading *reading, const char *path, const struct stat *info)
{
    int rc = fh_seen_add(&reading->files->seen, path, info);
    return rc == 0 ? 0 : fh_error_set(reading->err, rc, "no memory for the list of files");
}

/* A file that cannot be read is looked at again the next time. */
static int read_changed(const struct reading *reading, const char *full, const char *path,
                        const struct stat *info)
{
    struct fh_files *files = reading->files;
    const struct fh_seen *before = reading->how->before;
    if (files->seen.count == FH_FILES_MAX_COUNT) {
        return fh_error_set(reading->err, FH_E_TOO_LARGE,
                            "cannot take the file %s: at most %d files", full, FH_FILES_MAX_COUNT);
    }
    if (before && fh_seen_is_same(fh_seen_find(before, path), info)) {
        return see(reading, path, info);
    }
    size_t problems = files->problem_count;
    int rc = read_file(files, full, path, reading->err);
    return rc == 0 ? see(reading, path, files->problem_count > problems ? NULL : info) : rc;
}

/* Whether there is anything of that name, be it a link to nothing. */
static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 || errno != ENOENT;
}

static int read_folder(const struct reading *reading, struct place *place);

static int read_entry(const struct reading *reading, const struct place *place, const char *name)
{
    char path[PATH_MAX];
    char full[PATH_MAX];
    struct stat info;
    struct fh_files *files = reading->files;
    int path_len =
        snprintf(path, sizeof(path), "%s%s%s", place->path, place->path[0] ? "/" : "", name);
    int full_len = snprintf(full, sizeof(full), "%s/%s", reading->root, path);
    if (path_len >= (int)sizeof(path) || full_len >= (int)sizeof(full)) {
        return note(files, path, "the path is too long", reading->err);
    }
    if (stat(full, &info) != 0) {
        int number = errno;
        if (!exists(full)) {
            return 0; /* gone since it was listed */
        }
        errno = number;
        return note_errno(files, path, "file", reading->err);
    }
    if (S_ISDIR(info.st_mode)) {
        struct place below = {place, path, place->depth + 1, info.st_dev, info.st_ino};
        return read_folder(reading, &below);
    }
    if (S_ISREG(info.st_mode) && fh_files_is_wanted(name)) {
        return read_changed(reading, full, path, &info);
    }
    return 0;
}

static int read_entries(const struct reading *reading, const struct place *place, DIR *folder)
{
    int rc = 0;
    struct dirent *entry;
    if (++reading->files->folder_count > FH_FILES_MAX_COUNT) {
        return fh_error_set(reading->err, FH_E_TOO_LARGE, "there are more than %d folders below %s",
                            FH_FILES_MAX_COUNT, reading->root);
    }
    while (rc == 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            rc = read_entry(reading, place, entry->d_name);
        }
    }
    return rc;
}

static void enter(const struct reading *reading, const char *full)
{
    if (reading->how->on_folder) {
        reading->how->on_folder(reading->how->arg, full);
    }
}

static int read_folder(const struct reading *reading, struct place *place)
{
    char full[PATH_MAX];
    struct fh_error problem;
    struct fh_files *files = reading->files;
    if (is_inside_itself(place)) {
        return note(files, place->path, "the link leads to a folder that it lies in", reading->err);
    }
    if (place->depth > FH_FILES_MAX_DEPTH) {
        fh_error_set(&problem, FH_E_TOO_LARGE, "the folder lies deeper than %d folders",
                     FH_FILES_MAX_DEPTH);
        return note(files, place->path, problem.detail, reading->err);
    }
    if (snprintf(full, sizeof(full), "%s/%s", reading->root, place->path) >= (int)sizeof(full)) {
        return note(files, place->path, "the path is too long", reading->err);
    }
    enter(reading, full);
    DIR *folder = opendir(full);
    if (!folder) {
        return note_errno(files, place->path, "folder", reading->err);
    }
    int rc = read_entries(reading, place, folder);
    closedir(folder);
    return rc;
}

int fh_files_read_how(struct fh_files *files, const char *dir, const struct fh_files_how *how,
                      struct fh_error *err)
{
    struct stat info;
    struct reading reading = {files, dir, how, err};
    *files = (struct fh_files){.seen.began_us = fh_clock_wall_ms(&fh_clock_system) * 1000};
    enter(&reading, dir);
    DIR *folder = opendir(dir);
    if (!folder || fstat(dirfd(folder), &info) != 0) {
        int rc = fail(err, "flows folder", dir);
        if (folder) {
            closedir(folder);
        }
        return rc;
    }
    struct place root = {NULL, "", 0, info.st_dev, info.st_ino};
    int rc = read_entries(&reading, &root, folder);
    closedir(folder);
    fh_seen_sort(&files->seen);
    if (rc != 0) {
        fh_files_deinit(files);
    }
    return rc;
}

int fh_files_read(struct fh_files *files, const char *dir, struct fh_error *err)
{
    static const struct fh_files_how whole = {.before = NULL};
    return fh_files_read_how(files, dir, &whole, err);
}

int fh_files_read_one(struct fh_files *files, const char *dir, const char *name,
                      struct fh_error *err)
{
    char full[PATH_MAX];
    *files = (struct fh_files){.pairs = NULL};
    DIR *folder = opendir(dir);
    if (!folder) {
        return fail(err, "flows folder", dir);
    }
    closedir(folder);
    if (snprintf(full, sizeof(full), "%s/%s", dir, name) >= (int)sizeof(full)) {
        return fh_error_set(err, FH_E_TOO_LARGE, "the path %s/%s is too long", dir, name);
    }
    if (!exists(full)) {
        return 0;
    }
    int rc = read_file(files, full, name, err);
    if (rc == 0 && files->problem_count > 0) {
        rc = fh_error_set(err, FH_E_IO, "%s: %s", full, files->problems[0].value.data);
    }
    if (rc != 0) {
        fh_files_deinit(files);
    }
    return rc;
}

static void free_pairs(struct fh_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)pairs[i].name);
        free((void *)pairs[i].value.data);
    }
    free(pairs);
}

void fh_files_deinit(struct fh_files *files)
{
    free_pairs(files->pairs, files->count);
    free_pairs(files->problems, files->problem_count);
    fh_seen_deinit(&files->seen);
    *files = (struct fh_files){.pairs = NULL};
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
