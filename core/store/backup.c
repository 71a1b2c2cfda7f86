/* SPDX-License-Identifier: MIT */
/* The copy grows under a name of its own beside `path` and gets that name when it is whole. */
#include "base/log.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int explain(struct fh_error *err, int rc, const char *path, const char *why)
{
    switch (rc) {
    case FH_E_CONFLICT:
        return fh_error_set(err, rc, "backup %s exists; name another file, or remove it", path);
    case FH_E_NOT_FOUND:
        return fh_error_set(err, rc,
                            "backup %s cannot be made: its folder is missing; make it first", path);
    case FH_E_PERMISSION:
        return fh_error_set(err, rc,
                            "backup %s cannot be made: its folder may not be written by "
                            "this user; name another",
                            path);
    case FH_E_DISK_FULL:
        return fh_error_set(err, rc, "no space left for backup %s; free some, or name another disk",
                            path);
    default:
        return fh_error_set(err, rc, "backup %s failed: %s; check the disk", path, why);
    }
}

/* 0 or a code of LMDB. A page that nothing refers to makes the compact copy fail; the plain one
 * takes it along. */
static int copy(MDB_env *lmdb, int fd)
{
    errno = 0;
    int rc = mdb_env_copyfd2(lmdb, fd, MDB_CP_COMPACT);
    if (rc == MDB_INCOMPATIBLE && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0) {
        fh_log(FH_LOG_WARN, "the data file has lost pages; the backup holds them too");
        rc = mdb_env_copyfd2(lmdb, fd, 0);
    }
    return rc != 0 || fsync(fd) == 0 ? rc : errno;
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

static int copy_as(struct fh_store *store, char *name, const char *path, struct fh_error *err)
{
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        return explain(err, fh_error_from_errno(errno), path, strerror(errno));
    }
    int rc = copy(store->env.lmdb, fd);
    fh_resident_touch(&store->env.resident, SIZE_MAX / 4); /* it was all looked at */
    int number = close(fd) == 0 ? 0 : errno;
    rc = rc == 0 ? number : rc;
    if (rc == 0) {
        rc = rename_new(name, path);
    }
    if (rc != 0) {
        unlink(name);
        return explain(err, rc == EEXIST ? FH_E_CONFLICT : fh_env_code(rc), path, mdb_strerror(rc));
    }
    rc = fh_data_folder_sync_parent(path);
    return rc == 0 ? 0 : explain(err, rc, path, fh_error_text(rc));
}

int fh_store_backup(struct fh_store *store, const char *path, struct fh_error *err)
{
    struct fh_buf name;
    if (access(path, F_OK) == 0) {
        return explain(err, FH_E_CONFLICT, path, "");
    }
    fh_buf_init(&name, PATH_MAX);
    int rc = fh_buf_push_format(&name, "%s.XXXXXX", path);
    if (rc == 0) {
        rc = copy_as(store, name.data, path, err);
    } else {
        rc = explain(err, rc, path, fh_error_text(rc));
    }
    fh_buf_deinit(&name);
    return rc;
}
