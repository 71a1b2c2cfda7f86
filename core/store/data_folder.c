/* SPDX-License-Identifier: MIT */
#include "store/data_folder.h"

#include "base/buf.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LMDB_LOCK_BYTES = 64 * 1024 };

static int explain(struct fh_error *err, int number, const char *path)
{
    int rc = fh_error_from_errno(number);
    switch (rc) {
    case FH_E_NOT_FOUND:
        return fh_error_set(err, rc,
                            "data folder %s cannot be made: its parent is missing or not a folder; "
                            "make the parent first",
                            path);
    case FH_E_PERMISSION:
        return fh_error_set(err, rc,
                            "data folder %s may not be written by this user; change its owner or "
                            "start as its owner",
                            path);
    case FH_E_DISK_FULL:
        return fh_error_set(err, rc, "no space left for data folder %s; free some and start again",
                            path);
    default:
        return fh_error_set(err, rc, "data folder %s cannot be used: %s; check the disk", path,
                            strerror(number));
    }
}

static int make(const char *path, struct fh_error *err)
{
    if (mkdir(path, 0700) == 0) {
        int rc = fh_file_sync_parent(path);
        return rc == 0 ? 0
                       : fh_error_set(err, rc, "parent of data folder %s cannot be synced", path);
    }
    struct stat status;
    if (errno == EEXIST && stat(path, &status) == 0) {
        return S_ISDIR(status.st_mode)
                   ? 0
                   : fh_error_set(err, FH_E_NOT_FOUND,
                                  "data folder %s is a file; name a folder, or move the file away",
                                  path);
    }
    return explain(err, errno, path);
}

static int open_in(const char *path, const char *name)
{
    struct fh_buf full;
    fh_buf_init(&full, PATH_MAX);
    if (fh_buf_push_format(&full, "%s/%s", path, name) != 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(full.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int number = errno;
    fh_buf_deinit(&full);
    errno = number;
    return fd;
}

static int say_locked(struct fh_error *err, int fd, const char *path)
{
    char text[32] = "";
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
    long pid = len > 0 ? strtol(text, NULL, 10) : 0;
    if (pid <= 0) {
        return fh_error_set(err, FH_E_LOCKED,
                            "data folder %s is in use by another process; stop it first", path);
    }
    return fh_error_set(err, FH_E_LOCKED, "data folder %s is in use by process %ld; stop it first",
                        path, pid);
}

/* A full disk must not keep us from starting, and the pid only helps to word a message. */
static void write_pid(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len) != 0) {
        (void)!ftruncate(fd, 0);
    }
}

static int lock(struct fh_data_folder *folder, const char *path, struct fh_error *err)
{
    int fd = open_in(path, "LOCK");
    if (fd < 0) {
        return explain(err, errno, path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int rc = errno == EWOULDBLOCK ? say_locked(err, fd, path) : explain(err, errno, path);
        close(fd);
        return rc;
    }
    write_pid(fd);
    folder->lock_fd = fd;
    return 0;
}

/* LMDB writes to its lock file through a mapping: a hole in it that a full disk cannot fill would
 * be a SIGBUS. So the blocks are claimed before. Not all file systems can; those go without. */
static int claim_lmdb_lock(const char *path, struct fh_error *err)
{
    int fd = open_in(path, "lock.mdb");
    if (fd < 0) {
        return explain(err, errno, path);
    }
    int rc = 0;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LMDB_LOCK_BYTES) != 0 &&
        fh_error_from_errno(errno) == FH_E_DISK_FULL) {
        rc = explain(err, errno, path);
    }
    close(fd);
    return rc;
}

int fh_data_folder_open(struct fh_data_folder *folder, const char *path, struct fh_error *err)
{
    folder->lock_fd = -1;
    int rc = make(path, err);
    if (rc == 0) {
        rc = lock(folder, path, err);
    }
    if (rc == 0) {
        rc = claim_lmdb_lock(path, err);
    }
    if (rc != 0) {
        fh_data_folder_close(folder);
    }
    return rc;
}

int fh_data_folder_sync(const char *path, struct fh_error *err)
{
    int rc = fh_file_sync_folder(path);
    return rc == 0 ? 0
                   : fh_error_set(err, rc, "data folder %s cannot be synced: %s; check the disk",
                                  path, fh_error_text(rc));
}

void fh_data_folder_close(struct fh_data_folder *folder)
{
    if (folder->lock_fd >= 0) {
        close(folder->lock_fd);
        folder->lock_fd = -1;
    }
}
