/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 65536 };

int fh_file_sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fh_error_from_errno(errno);
    }
    int rc = fsync(fd) == 0 || errno == EINVAL ? 0 : fh_error_from_errno(errno);
    close(fd);
    return rc;
}

int fh_file_sync_parent(const char *path)
{
    struct fh_buf parent;
    fh_buf_init(&parent, PATH_MAX);
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    int rc = fh_buf_push_format(&parent, "%.*s", len ? (int)len : 1, len ? path : ".");
    if (rc == 0) {
        rc = fh_file_sync_folder(parent.data);
    }
    fh_buf_deinit(&parent);
    return rc;
}

/* --- a new file ------------------------------------------------------------------------------- */

static int explain(const char *path, int rc, const char *why, struct fh_error *err)
{
    switch (rc) {
    case FH_E_CONFLICT:
        return fh_error_set(err, rc, "file %s exists; name another file, or remove it", path);
    case FH_E_LOCKED:
        return fh_error_set(err, rc,
                            "file %s is being written by another process; wait for it, or name "
                            "another file",
                            path);
    case FH_E_NOT_FOUND:
        return fh_error_set(err, rc, "file %s cannot be made: its folder is missing; make it first",
                            path);
    case FH_E_PERMISSION:
        return fh_error_set(err, rc,
                            "file %s cannot be made: its folder may not be written by this user; "
                            "name another",
                            path);
    case FH_E_DISK_FULL:
        return fh_error_set(err, rc, "no space left for file %s; free some, or name another disk",
                            path);
    default:
        return fh_error_set(err, rc, "file %s cannot be written: %s; check the disk", path, why);
    }
}

int fh_new_file_explain(const struct fh_new_file *file, int rc, const char *why,
                        struct fh_error *err)
{
    return explain(file->path, rc, why, err);
}

/* Between open and flock another writer may have given the part its final name. */
static bool is_still_named(int fd, const char *part)
{
    struct stat ours;
    struct stat named;
    return fstat(fd, &ours) == 0 && lstat(part, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

/* 0 or FH_E_*; the error number in errno. */
static int take_part(struct fh_new_file *file, mode_t mode)
{
    file->fd = open(file->part.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
    if (file->fd < 0) {
        return fh_error_from_errno(errno);
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? FH_E_LOCKED : fh_error_from_errno(errno);
    }
    if (!is_still_named(file->fd, file->part.data)) {
        return FH_E_LOCKED;
    }
    return ftruncate(file->fd, 0) == 0 ? 0 : fh_error_from_errno(errno);
}

/* Leaves a part that is not ours alone. */
static void forget(struct fh_new_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
    fh_buf_deinit(&file->part);
}

int fh_new_file_open(struct fh_new_file *file, const char *path, mode_t mode, struct fh_error *err)
{
    struct stat status;
    *file = (struct fh_new_file){.fd = -1, .path = path};
    fh_buf_init(&file->part, PATH_MAX);
    if (lstat(path, &status) == 0) {
        return explain(path, FH_E_CONFLICT, "", err);
    }
    int rc = fh_buf_push_format(&file->part, "%s.part", path);
    if (rc != 0) {
        return explain(path, rc, fh_error_text(rc), err);
    }
    rc = take_part(file, mode);
    if (rc != 0) {
        rc = explain(path, rc, strerror(errno), err);
        forget(file);
    }
    return rc;
}

int fh_new_file_write(struct fh_new_file *file, struct fh_slice bytes, struct fh_error *err)
{
    while (bytes.len > 0) {
        ssize_t done = write(file->fd, bytes.data, bytes.len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return explain(file->path, fh_error_from_errno(errno), strerror(errno), err);
        }
        bytes = fh_slice_make(bytes.data + done, bytes.len - (size_t)done);
    }
    return 0;
}

/* 0 or errno. Some file systems cannot refuse to replace in the same step. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return errno;
    }
    return access(to, F_OK) == 0 ? EEXIST : rename(from, to) == 0 ? 0 : errno;
}

static int finish(struct fh_new_file *file, const char **why)
{
    int rc = fh_fault("file.written");
    if (rc == 0 && fsync(file->fd) != 0) {
        *why = strerror(errno);
        return fh_error_from_errno(errno);
    }
    if (rc == 0) {
        rc = fh_fault("file.synced");
    }
    if (rc == 0) {
        int number = rename_new(file->part.data, file->path);
        *why = strerror(number);
        rc = number == EEXIST ? FH_E_CONFLICT : number == 0 ? 0 : fh_error_from_errno(number);
    }
    return rc;
}

int fh_new_file_commit(struct fh_new_file *file, struct fh_error *err)
{
    const char *why = "";
    int rc = finish(file, &why);
    if (rc != 0) {
        rc = explain(file->path, rc, *why ? why : fh_error_text(rc), err);
        fh_new_file_abort(file);
        return rc;
    }
    rc = fh_fault("file.renamed");
    if (rc == 0) {
        rc = fh_file_sync_parent(file->path);
    }
    forget(file);
    return rc == 0 ? 0 : explain(file->path, rc, fh_error_text(rc), err);
}

void fh_new_file_abort(struct fh_new_file *file)
{
    if (file->fd >= 0) {
        unlink(file->part.data);
    }
    forget(file);
}

int fh_file_create(const char *path, mode_t mode, struct fh_slice bytes, struct fh_error *err)
{
    struct fh_new_file file;
    int rc = fh_new_file_open(&file, path, mode, err);
    if (rc != 0) {
        return rc;
    }
    rc = fh_new_file_write(&file, bytes, err);
    if (rc != 0) {
        fh_new_file_abort(&file);
        return rc;
    }
    return fh_new_file_commit(&file, err);
}

int fh_file_replace(const char *path, mode_t mode, struct fh_slice bytes, struct fh_error *err)
{
    struct fh_new_file file = {.fd = -1, .path = path};
    fh_buf_init(&file.part, PATH_MAX);
    int rc = fh_buf_push_format(&file.part, "%s.part", path);
    rc = rc == 0 ? take_part(&file, mode) : rc;
    if (rc != 0) {
        forget(&file);
        return explain(path, rc, fh_error_text(rc), err);
    }
    rc = fh_new_file_write(&file, bytes, err);
    if (rc == 0 && (fsync(file.fd) != 0 || rename(file.part.data, path) != 0)) {
        rc = explain(path, fh_error_from_errno(errno), strerror(errno), err);
    }
    if (rc != 0) {
        fh_new_file_abort(&file);
        return rc;
    }
    forget(&file);
    rc = fh_file_sync_parent(path);
    return rc == 0 ? 0 : explain(path, rc, fh_error_text(rc), err);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_all(struct fh_buf *out, int fd)
{
    for (;;) {
        int rc = fh_buf_reserve(out, BLOCK_BYTES);
        if (rc != 0) {
            return rc;
        }
        ssize_t got = read(fd, out->data + out->len, BLOCK_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0 ? 0 : fh_error_from_errno(errno);
        }
        out->len += (size_t)got;
    }
}

int fh_file_read(struct fh_buf *out, const char *path, struct fh_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int rc = fh_error_from_errno(errno);
        return fh_error_set(err, rc, "file %s cannot be read: %s", path, strerror(errno));
    }
    int rc = read_all(out, fd);
    if (rc == FH_E_TOO_LARGE) {
        fh_error_set(err, rc, "file %s is larger than %zu bytes", path, out->max_bytes);
    } else if (rc != 0) {
        fh_error_set(err, rc, "file %s cannot be read: %s", path, fh_error_text(rc));
    }
    close(fd);
    return rc;
}
