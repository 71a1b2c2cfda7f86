/* SPDX-License-Identifier: MIT */
#include "store/env.h"

#include "store/envelope.h"
#include "store/pages.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEFAULT_READERS = 126 };
static const size_t DEFAULT_MAP_BYTES = (size_t)64 << 30;

/* A disk that fills up in the middle of a write gives LMDB a short count, which it reports as EIO.
 * Then errno is not EIO, and the next write would have said ENOSPC: the disk is full, not broken. */
static int code_of_errno(int number)
{
    if (number == EFBIG || (number == EIO && errno != EIO)) {
        return FH_E_DISK_FULL;
    }
    return fh_error_from_errno(number);
}

int fh_env_code(int lmdb_rc)
{
    switch (lmdb_rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return FH_E_NOT_FOUND;
    case MDB_MAP_FULL:
        return FH_E_DISK_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
        return FH_E_CORRUPT;
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
        return FH_E_TOO_LARGE;
    case MDB_BAD_VALSIZE:
        return FH_E_INVALID;
    default:
        return lmdb_rc > 0 ? code_of_errno(lmdb_rc) : FH_E_IO;
    }
}

static int explain(struct fh_error *err, int lmdb_rc, const char *path)
{
    int rc = fh_env_code(lmdb_rc);
    switch (rc) {
    case FH_E_CORRUPT:
        return fh_error_set(err, rc,
                            "data file %s/data.mdb is damaged or not a store (%s); restore a "
                            "backup, or name another folder",
                            path, mdb_strerror(lmdb_rc));
    case FH_E_PERMISSION:
        return fh_error_set(err, rc,
                            "data file %s/data.mdb may not be written by this user; change its "
                            "owner or start as its owner",
                            path);
    case FH_E_DISK_FULL:
        return fh_error_set(err, rc,
                            "no space left to make the tables of %s/data.mdb; free some, or allow "
                            "a larger data file",
                            path);
    case FH_E_NO_MEMORY:
        return fh_error_set(err, rc,
                            "no address space to map %s/data.mdb; allow a smaller data file, or "
                            "raise the limit (ulimit -v)",
                            path);
    default:
        return fh_error_set(err, rc, "data file %s/data.mdb cannot be opened: %s; check the disk",
                            path, mdb_strerror(lmdb_rc));
    }
}

/* 0 or a code of LMDB. */
static int make_env(struct fh_env *env, const struct fh_store_config *config)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t map_bytes = config->map_bytes ? config->map_bytes : DEFAULT_MAP_BYTES;
    unsigned readers = config->max_readers ? config->max_readers : DEFAULT_READERS;
    int dead;
    int rc = mdb_env_create(&env->lmdb);
    if (rc == 0) {
        rc = mdb_env_set_mapsize(env->lmdb, (map_bytes + page - 1) / page * page);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(env->lmdb, FH_TABLE_COUNT);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(env->lmdb, readers);
    }
    if (rc == 0) {
        /* Snapshots may be opened on any thread, and several on one: no thread-local slots. */
        rc = mdb_env_open(env->lmdb, config->path, MDB_NOTLS, 0600);
    }
    return rc == 0 ? mdb_reader_check(env->lmdb, &dead) : rc;
}

int fh_env_check_format(struct fh_slice stored, const char *noun, const char *path,
                        struct fh_error *err)
{
    struct fh_slice text;
    if (stored.len > 0 && (unsigned char)stored.data[0] > FH_STORE_FORMAT) {
        return fh_error_set(err, FH_E_NEWER_FORMAT,
                            "%s %s was written by a newer version; start that version", noun, path);
    }
    int rc = fh_envelope_decode(&text, FH_TABLE_META, FH_ENV_FORMAT_KEY, stored, err);
    if (rc != 0) {
        return rc;
    }
    char number[16];
    snprintf(number, sizeof(number), "%.*s", (int)text.len, text.data);
    long format = strtol(number, NULL, 10);
    if (format > FH_STORE_FORMAT) {
        return fh_error_set(err, FH_E_NEWER_FORMAT,
                            "%s %s has format %ld, we know up to %d; start the version that wrote "
                            "it, or a newer one",
                            noun, path, format, FH_STORE_FORMAT);
    }
    return format == FH_STORE_FORMAT
               ? 0
               : fh_error_set(err, FH_E_CORRUPT,
                              "%s %s has the unknown format \"%s\"; restore a backup", noun, path,
                              number);
}

/* MDB_NOTFOUND: a table is missing. */
static int open_tables(struct fh_env *env, MDB_txn *txn, unsigned flags)
{
    int rc = 0;
    for (int i = 0; i < FH_TABLE_COUNT && rc == 0; i++) {
        rc = mdb_dbi_open(txn, fh_envelope_table_name((enum fh_table)i), flags, &env->tables[i]);
    }
    return rc;
}

/* Without a write, so that a full disk can still be read. *is_complete false: tables are missing,
 * with nothing in the file, or some that a later version of this format added. */
static int read_tables(struct fh_env *env, const char *path, bool *is_complete,
                       struct fh_error *err)
{
    MDB_txn *txn;
    MDB_stat roots = {0};
    MDB_val stored;
    MDB_val key = fh_env_val(FH_ENV_FORMAT_KEY);
    *is_complete = false;
    int rc = mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return explain(err, rc, path);
    }
    rc = mdb_dbi_open(txn, fh_envelope_table_name(FH_TABLE_META), 0, &env->tables[FH_TABLE_META]);
    if (rc == 0) {
        rc = mdb_get(txn, env->tables[FH_TABLE_META], &key, &stored);
    }
    if (rc == MDB_NOTFOUND) {
        MDB_dbi main;
        rc = mdb_dbi_open(txn, NULL, 0, &main);
        rc = rc == 0 ? mdb_stat(txn, main, &roots) : rc;
        rc = rc == 0 && roots.ms_entries > 0 ? MDB_INVALID : rc;
        rc = rc == 0 ? 0 : explain(err, rc, path);
    } else if (rc != 0) {
        rc = explain(err, rc, path);
    } else {
        rc = fh_env_check_format(fh_env_slice(stored), "data folder", path, err);
        int missing = rc == 0 ? open_tables(env, txn, 0) : 0;
        *is_complete = rc == 0 && missing == 0;
        rc = missing == 0 || missing == MDB_NOTFOUND ? rc : explain(err, missing, path);
    }
    if (*is_complete) {
        mdb_txn_commit(txn); /* an abort would close the tables again */
    } else {
        mdb_txn_abort(txn);
    }
    return rc;
}

static int create_tables(struct fh_env *env, const char *path, struct fh_error *err)
{
    MDB_txn *txn = NULL;
    char bytes[1 + FH_ENVELOPE_EXTRA_BYTES];
    _Static_assert(FH_STORE_FORMAT < 10, "the format is written as one digit");
    char text[] = {'0' + FH_STORE_FORMAT};
    MDB_val key = fh_env_val(FH_ENV_FORMAT_KEY);
    MDB_val stored = {sizeof(bytes), bytes};
    fh_envelope_encode(bytes, FH_TABLE_META, FH_ENV_FORMAT_KEY, fh_slice_make(text, 1));
    errno = 0;
    int rc = mdb_txn_begin(env->lmdb, NULL, 0, &txn);
    if (rc == 0) {
        rc = open_tables(env, txn, MDB_CREATE);
    }
    if (rc == 0) {
        rc = mdb_put(txn, env->tables[FH_TABLE_META], &key, &stored, 0);
    }
    if (rc == 0) {
        rc = mdb_txn_commit(txn);
        txn = NULL;
    }
    if (txn) {
        mdb_txn_abort(txn);
    }
    return rc == 0 ? 0 : explain(err, rc, path);
}

/* Without the map's address all works, it only counts as memory. */
static void open_resident(struct fh_env *env, size_t limit_bytes)
{
    MDB_txn *txn;
    MDB_val stored;
    MDB_stat stat;
    MDB_envinfo info;
    MDB_val key = fh_env_val(FH_SLICE_LIT("format"));
    void *map = NULL;
    mdb_env_info(env->lmdb, &info);
    if (mdb_txn_begin(env->lmdb, NULL, MDB_RDONLY, &txn) == 0) {
        if (mdb_get(txn, env->tables[FH_TABLE_META], &key, &stored) == 0 &&
            mdb_env_stat(env->lmdb, &stat) == 0) {
            map = fh_pages_find_map(stored.mv_data, stat.ms_psize);
        }
        mdb_txn_abort(txn);
    }
    fh_resident_open(&env->resident, map, info.me_mapsize, limit_bytes);
}

int fh_env_open(struct fh_env *env, const struct fh_store_config *config, struct fh_error *err)
{
    struct fh_buf file;
    bool is_complete = false;
    env->lmdb = NULL;
    env->resident = (struct fh_resident){.statm_fd = -1};
    fh_buf_init(&file, PATH_MAX);
    int rc = fh_buf_push_format(&file, "%s/data.mdb", config->path);
    if (rc != 0) {
        return fh_error_set(err, rc, "path of data folder %s is too long; name a shorter one",
                            config->path);
    }
    rc = fh_pages_check(file.data, err);
    if (rc != 0) {
        goto out;
    }
    rc = make_env(env, config);
    if (rc != 0) {
        rc = explain(err, rc, config->path);
        goto out;
    }
    rc = read_tables(env, config->path, &is_complete, err);
    if (rc == 0 && !is_complete) {
        rc = create_tables(env, config->path, err);
    }
    if (rc == 0) {
        open_resident(env, config->resident_bytes);
    }
out:
    fh_buf_deinit(&file);
    if (rc != 0) {
        fh_env_close(env);
    }
    return rc;
}

void fh_env_close(struct fh_env *env)
{
    if (env->lmdb) {
        fh_resident_close(&env->resident);
        mdb_env_close(env->lmdb);
        env->lmdb = NULL;
    }
}
