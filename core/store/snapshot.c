/* SPDX-License-Identifier: MIT */
/* A closed snapshot rests in the store's pool with its transaction reset: the next one skips the
 * search for a reader slot and its lock. */
#include "base/log.h"
#include "store/envelope.h"
#include "store/state.h"

#include <stdlib.h>

enum { POOL_MAX = 16 };

struct fh_snapshot {
    struct fh_store *store;
    MDB_txn *txn;
    struct fh_snapshot *next;
    size_t touched_bytes; /* of the map, at most */
};

static struct fh_snapshot *pop_pooled(struct fh_store *store)
{
    pthread_mutex_lock(&store->pool_lock);
    struct fh_snapshot *snapshot = store->pool;
    if (snapshot) {
        store->pool = snapshot->next;
        store->pooled--;
    }
    pthread_mutex_unlock(&store->pool_lock);
    return snapshot;
}

static void end(struct fh_snapshot *snapshot)
{
    mdb_txn_abort(snapshot->txn);
    free(snapshot);
}

static int begin(struct fh_snapshot **out, struct fh_store *store)
{
    struct fh_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot) {
        return FH_E_NO_MEMORY;
    }
    int rc = mdb_txn_begin(store->env.lmdb, NULL, MDB_RDONLY, &snapshot->txn);
    if (rc != 0) {
        free(snapshot);
        return fh_env_code(rc);
    }
    snapshot->store = store;
    *out = snapshot;
    return 0;
}

int fh_snapshot_open(struct fh_snapshot **out, struct fh_store *store)
{
    struct fh_snapshot *snapshot = pop_pooled(store);
    if (!snapshot) {
        return begin(out, store);
    }
    int rc = mdb_txn_renew(snapshot->txn);
    if (rc != 0) {
        end(snapshot);
        return fh_env_code(rc);
    }
    *out = snapshot;
    return 0;
}

void fh_snapshot_close(struct fh_snapshot *snapshot)
{
    if (!snapshot) {
        return;
    }
    struct fh_store *store = snapshot->store;
    mdb_txn_reset(snapshot->txn);
    fh_resident_touch(&store->env.resident, snapshot->touched_bytes);
    snapshot->touched_bytes = 0;
    pthread_mutex_lock(&store->pool_lock);
    bool is_kept = store->pooled < POOL_MAX;
    if (is_kept) {
        snapshot->next = store->pool;
        store->pool = snapshot;
        store->pooled++;
    }
    pthread_mutex_unlock(&store->pool_lock);
    if (!is_kept) {
        end(snapshot);
    }
}

void fh_snapshot_clear_pool(struct fh_store *store)
{
    struct fh_snapshot *snapshot;
    while ((snapshot = pop_pooled(store))) {
        end(snapshot);
    }
}

static int explain(struct fh_error *err, int lmdb_rc, enum fh_table table, struct fh_slice key)
{
    int rc = fh_env_code(lmdb_rc);
    if (err) {
        char hex[FH_ENVELOPE_HEX_CHARS];
        fh_envelope_key_hex(hex, key);
        fh_error_set(err, rc, "table %s cannot be read at key %s: %s",
                     fh_envelope_table_name(table), hex, mdb_strerror(lmdb_rc));
    }
    return rc;
}

int fh_snapshot_get(struct fh_snapshot *snapshot, enum fh_table table, struct fh_slice key,
                    struct fh_slice *value, struct fh_error *err)
{
    MDB_val lmdb_key = fh_env_val(key);
    MDB_val stored;
    *value = fh_slice_make(NULL, 0);
    if (key.len == 0 || key.len > FH_KEY_MAX_BYTES) {
        return fh_error_set(err, FH_E_NOT_FOUND, "no key is empty or longer than %d bytes",
                            FH_KEY_MAX_BYTES);
    }
    snapshot->touched_bytes += FH_RESIDENT_TOUCH_BYTES;
    int rc = mdb_get(snapshot->txn, snapshot->store->env.tables[table], &lmdb_key, &stored);
    if (rc != 0) {
        return explain(err, rc, table, key);
    }
    return fh_envelope_decode(value, table, key, fh_env_slice(stored), err);
}

/* --- scan ------------------------------------------------------------------------------------- */

static int order(struct fh_slice a, struct fh_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int sign = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return sign != 0 ? sign : (a.len > b.len) - (a.len < b.len);
}

static bool has_prefix(MDB_val key, struct fh_slice prefix)
{
    return key.mv_size >= prefix.len &&
           (prefix.len == 0 || memcmp(key.mv_data, prefix.data, prefix.len) == 0);
}

static int seek_forward(MDB_cursor *cursor, const struct fh_scan *scan, MDB_val *key,
                        MDB_val *stored)
{
    bool is_behind = scan->after.len > 0 && order(scan->after, scan->prefix) >= 0;
    struct fh_slice from = is_behind ? scan->after : scan->prefix;
    if (from.len == 0) {
        return mdb_cursor_get(cursor, key, stored, MDB_FIRST);
    }
    *key = fh_env_val(from);
    int rc = mdb_cursor_get(cursor, key, stored, MDB_SET_RANGE);
    if (rc == 0 && is_behind && fh_slice_equal(fh_env_slice(*key), from)) {
        rc = mdb_cursor_get(cursor, key, stored, MDB_NEXT);
    }
    return rc;
}

/* Writes the least bytes above every key with the prefix to `out`; empty when there are none. */
static struct fh_slice end_of_prefix(struct fh_slice prefix, char out[FH_KEY_MAX_BYTES])
{
    size_t len = prefix.len;
    while (len > 0 && (unsigned char)prefix.data[len - 1] == 0xff) {
        len--;
    }
    if (len > 0) {
        memcpy(out, prefix.data, len);
        out[len - 1]++;
    }
    return fh_slice_make(out, len);
}

static int seek_reverse(MDB_cursor *cursor, const struct fh_scan *scan, MDB_val *key,
                        MDB_val *stored)
{
    char bytes[FH_KEY_MAX_BYTES];
    struct fh_slice until = end_of_prefix(scan->prefix, bytes);
    if (scan->after.len > 0 && (until.len == 0 || order(scan->after, until) < 0)) {
        until = scan->after;
    }
    if (until.len > 0) {
        *key = fh_env_val(until);
        int rc = mdb_cursor_get(cursor, key, stored, MDB_SET_RANGE);
        if (rc != MDB_NOTFOUND) {
            return rc == 0 ? mdb_cursor_get(cursor, key, stored, MDB_PREV) : rc;
        }
    }
    return mdb_cursor_get(cursor, key, stored, MDB_LAST);
}

static int visit_one(const struct fh_scan *scan, MDB_val key, MDB_val stored, fh_scan_visit visit,
                     void *arg)
{
    struct fh_slice value;
    struct fh_error err;
    struct fh_slice name = fh_env_slice(key);
    int rc = fh_envelope_decode(&value, scan->table, name, fh_env_slice(stored), &err);
    if (rc != 0) {
        fh_log(FH_LOG_ERROR, "%s", err.detail);
    }
    return visit(arg, name, value, rc);
}

static int scan_all(MDB_cursor *cursor, const struct fh_scan *scan, fh_scan_visit visit, void *arg,
                    size_t *touched_bytes)
{
    MDB_val key;
    MDB_val stored;
    MDB_cursor_op step = scan->reverse ? MDB_PREV : MDB_NEXT;
    int rc = scan->reverse ? seek_reverse(cursor, scan, &key, &stored)
                           : seek_forward(cursor, scan, &key, &stored);
    while (rc == 0 && has_prefix(key, scan->prefix)) {
        *touched_bytes += key.mv_size + stored.mv_size;
        int answer = visit_one(scan, key, stored, visit, arg);
        if (answer != 0) {
            return answer < 0 ? answer : 0;
        }
        rc = mdb_cursor_get(cursor, &key, &stored, step);
    }
    return rc == MDB_NOTFOUND ? 0 : fh_env_code(rc);
}

int fh_snapshot_scan(struct fh_snapshot *snapshot, const struct fh_scan *scan, fh_scan_visit visit,
                     void *arg)
{
    MDB_cursor *cursor;
    if (scan->prefix.len > FH_KEY_MAX_BYTES || scan->after.len > FH_KEY_MAX_BYTES) {
        return FH_E_INVALID;
    }
    int rc = mdb_cursor_open(snapshot->txn, snapshot->store->env.tables[scan->table], &cursor);
    if (rc != 0) {
        return fh_env_code(rc);
    }
    snapshot->touched_bytes += FH_RESIDENT_TOUCH_BYTES;
    rc = scan_all(cursor, scan, visit, arg, &snapshot->touched_bytes);
    mdb_cursor_close(cursor);
    return rc;
}
