/* SPDX-License-Identifier: MIT */
/* A backup is a data file of its own: compact, and checked before it gets its name. */
#include "base/file.h"
#include "base/log.h"
#include "store/data_file.h"
#include "store/state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20, PRIVATE_MODE = 0600 };

/* 0 or a code of LMDB. A page that nothing refers to makes the compact copy fail; the plain one
 * takes it along. */
static int copy_env(MDB_env *lmdb, int fd)
{
    errno = 0;
    int rc = mdb_env_copyfd2(lmdb, fd, MDB_CP_COMPACT);
    if (rc == MDB_INCOMPATIBLE && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0) {
        fh_log(FH_LOG_WARN, "the data file has lost pages; the backup holds them too");
        rc = mdb_env_copyfd2(lmdb, fd, 0);
    }
    return rc;
}

static int back_up(MDB_env *lmdb, const char *path, struct fh_store_check *check,
                   struct fh_error *err)
{
    struct fh_new_file file;
    int rc = fh_new_file_open(&file, path, PRIVATE_MODE, err);
    if (rc != 0) {
        return rc;
    }
    int lmdb_rc = copy_env(lmdb, file.fd);
    if (lmdb_rc != 0) {
        rc = fh_new_file_explain(&file, fh_env_code(lmdb_rc), mdb_strerror(lmdb_rc), err);
    } else {
        rc = fh_data_file_check(file.part.data, check, err);
    }
    if (rc != 0) {
        fh_new_file_abort(&file);
        return rc;
    }
    return fh_new_file_commit(&file, err);
}

int fh_store_backup(struct fh_store *store, const char *path, struct fh_store_check *check,
                    struct fh_error *err)
{
    int rc = back_up(store->env.lmdb, path, check, err);
    fh_resident_touch(&store->env.resident, SIZE_MAX / 4); /* it was all looked at */
    return rc;
}

int fh_store_backup_folder(const char *folder, const char *path, struct fh_store_check *check,
                           struct fh_error *err)
{
    MDB_env *lmdb;
    int rc = fh_data_file_open(&lmdb, folder, true, err);
    if (rc != 0) {
        return rc;
    }
    rc = back_up(lmdb, path, check, err);
    mdb_env_close(lmdb);
    return rc;
}

/* --- restore ---------------------------------------------------------------------------------- */

static int copy_file(struct fh_new_file *to, FILE *from, char *block, struct fh_error *err)
{
    size_t got;
    int rc = 0;
    while (rc == 0 && (got = fread(block, 1, BLOCK_BYTES, from)) > 0) {
        rc = fh_new_file_write(to, fh_slice_make(block, got), err);
    }
    if (rc == 0 && ferror(from)) {
        rc = fh_error_set(err, FH_E_IO, "the backup cannot be read; check its disk");
    }
    return rc;
}

static int put_into(const char *path, const char *data_file, struct fh_error *err)
{
    struct fh_new_file file;
    int rc = fh_new_file_open(&file, data_file, PRIVATE_MODE, err);
    if (rc != 0) {
        return rc;
    }
    FILE *from = fopen(path, "re");
    char *block = malloc(BLOCK_BYTES);
    if (from && block) {
        rc = copy_file(&file, from, block, err);
    } else {
        rc = fh_error_set(err, FH_E_NO_MEMORY, "no memory to restore %s", path);
    }
    free(block);
    if (from) {
        fclose(from);
    }
    if (rc != 0) {
        fh_new_file_abort(&file);
        return rc;
    }
    return fh_new_file_commit(&file, err);
}

/* The folder is ours. */
static int fill_folder(const char *path, const char *folder, struct fh_error *err)
{
    struct fh_buf data_file;
    fh_buf_init(&data_file, PATH_MAX);
    int rc = fh_buf_push_format(&data_file, "%s/data.mdb", folder);
    if (rc != 0) {
        return fh_error_set(err, rc, "path of data folder %s is too long; name a shorter one",
                            folder);
    }
    if (access(data_file.data, F_OK) == 0) {
        rc = fh_error_set(err, FH_E_CONFLICT,
                          "data folder %s holds data already; name another with --data, or move it "
                          "away",
                          folder);
    } else {
        rc = put_into(path, data_file.data, err);
    }
    fh_buf_deinit(&data_file);
    return rc;
}

int fh_store_restore(const char *path, const char *folder, bool may_be_damaged,
                     struct fh_store_check *check, struct fh_error *err)
{
    struct fh_data_folder lock;
    int rc = fh_data_file_check(path, check, err);
    if (rc == 0 && check->damaged > 0 && !may_be_damaged) {
        return fh_error_set(err, FH_E_CORRUPT, "%llu of %llu values in %s are damaged; %s",
                            check->damaged, check->values, path, check->first.detail);
    }
    if (rc == 0) {
        rc = fh_data_folder_open(&lock, folder, err);
    }
    if (rc == 0) {
        rc = fill_folder(path, folder, err);
        fh_data_folder_close(&lock);
    }
    return rc;
}
