/* SPDX-License-Identifier: MIT */
#include "store/data_file.h"

#include "store/env.h"
#include "store/envelope.h"
#include "store/pages.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

/* A host that writes meanwhile may show us a file that it is just making longer. */
enum { PAGE_TRIES = 10 };

static int explain(struct fh_error *err, int lmdb_rc, const char *path)
{
    int rc = fh_env_code(lmdb_rc);
    switch (rc) {
    case FH_E_CORRUPT:
        return fh_error_set(err, rc, "file %s is damaged or not a store (%s); take another backup",
                            path, mdb_strerror(lmdb_rc));
    case FH_E_NOT_FOUND:
        return fh_error_set(err, rc, "there is no file %s; name the right one", path);
    case FH_E_PERMISSION:
        return fh_error_set(err, rc, "file %s may not be read by this user; do it as its owner",
                            path);
    default:
        return fh_error_set(err, rc, "file %s cannot be read: %s", path, mdb_strerror(lmdb_rc));
    }
}

static int check_pages(const char *path, struct fh_error *err)
{
    int rc = 0;
    for (int i = 0; i < PAGE_TRIES; i++) {
        rc = fh_pages_check(path, err);
        if (rc != FH_E_CORRUPT) {
            break;
        }
    }
    return rc;
}

/* 0 or a code of LMDB. */
static int read_format(MDB_env *env, const char *path, int *rc, struct fh_error *err)
{
    MDB_txn *txn;
    MDB_dbi meta;
    MDB_val stored;
    MDB_val key = fh_env_val(FH_ENV_FORMAT_KEY);
    int lmdb_rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (lmdb_rc != 0) {
        return lmdb_rc;
    }
    lmdb_rc = mdb_dbi_open(txn, fh_envelope_table_name(FH_TABLE_META), 0, &meta);
    if (lmdb_rc == 0) {
        lmdb_rc = mdb_get(txn, meta, &key, &stored);
    }
    if (lmdb_rc == 0) {
        *rc = fh_env_check_format(fh_env_slice(stored), "file", path, err);
    }
    mdb_txn_abort(txn);
    return lmdb_rc == MDB_NOTFOUND ? MDB_INVALID : lmdb_rc;
}

static int open_env(MDB_env **env, const char *path, bool is_folder)
{
    unsigned flags = MDB_RDONLY | MDB_NOTLS | (is_folder ? 0 : MDB_NOSUBDIR | MDB_NOLOCK);
    int rc = mdb_env_create(env);
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(*env, FH_TABLE_COUNT);
    }
    return rc == 0 ? mdb_env_open(*env, path, flags, 0600) : rc;
}

/* 0 or a code of LMDB, which would take an empty file for one that it can begin. */
static int look(const char *file)
{
    struct stat status;
    if (stat(file, &status) != 0 || access(file, R_OK) != 0) {
        return errno;
    }
    return S_ISREG(status.st_mode) && status.st_size > 0 ? 0 : MDB_INVALID;
}

int fh_data_file_open(MDB_env **out, const char *path, bool is_folder, struct fh_error *err)
{
    struct fh_buf file;
    MDB_env *env = NULL;
    fh_buf_init(&file, PATH_MAX);
    int rc = fh_buf_push_format(&file, "%s%s", path, is_folder ? "/data.mdb" : "");
    if (rc != 0) {
        return fh_error_set(err, rc, "path %s is too long; name a shorter one", path);
    }
    int lmdb_rc = look(file.data);
    rc = lmdb_rc == 0 ? check_pages(file.data, err) : 0;
    if (rc == 0 && lmdb_rc == 0) {
        lmdb_rc = open_env(&env, path, is_folder);
    }
    if (rc == 0 && lmdb_rc == 0) {
        lmdb_rc = read_format(env, file.data, &rc, err);
    }
    if (lmdb_rc != 0) {
        rc = explain(err, lmdb_rc, file.data);
    }
    if (rc != 0 && env) {
        mdb_env_close(env);
    }
    fh_buf_deinit(&file);
    *out = rc == 0 ? env : NULL;
    return rc;
}

/* --- check ------------------------------------------------------------------------------------ */

static void check_value(enum fh_table table, MDB_val key, MDB_val stored,
                        struct fh_store_check *check)
{
    struct fh_slice value;
    struct fh_error err;
    check->values++;
    if (fh_envelope_decode(&value, table, fh_env_slice(key), fh_env_slice(stored), &err) != 0) {
        check->first = check->damaged == 0 ? err : check->first;
        check->damaged++;
    }
}

/* 0 or a code of LMDB. A table that a later version added may be missing. */
static int check_table(MDB_txn *txn, enum fh_table table, struct fh_store_check *check)
{
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val stored;
    int rc = mdb_dbi_open(txn, fh_envelope_table_name(table), 0, &dbi);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    rc = mdb_cursor_open(txn, dbi, &cursor);
    if (rc != 0) {
        return rc;
    }
    while ((rc = mdb_cursor_get(cursor, &key, &stored, MDB_NEXT)) == 0) {
        check_value(table, key, stored, check);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int fh_data_file_check(const char *path, struct fh_store_check *check, struct fh_error *err)
{
    MDB_env *env;
    MDB_txn *txn = NULL;
    *check = (struct fh_store_check){0};
    int rc = fh_data_file_open(&env, path, false, err);
    if (rc != 0) {
        return rc;
    }
    rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    for (int table = 0; rc == 0 && table < FH_TABLE_COUNT; table++) {
        rc = check_table(txn, (enum fh_table)table, check);
    }
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return rc == 0 ? 0 : explain(err, rc, path);
}
