/* SPDX-License-Identifier: MIT */
#include "store/apply.h"

#include "base/fault.h"
#include "base/log.h"
#include "store/envelope.h"

#include <errno.h>

static int compare(const struct fh_op *op, struct fh_slice stored)
{
    if (fh_slice_equal(stored, op->value)) {
        return 0;
    }
    struct fh_slice value;
    struct fh_error err;
    int rc = fh_envelope_decode(&value, op->table, op->key, stored, &err);
    if (rc != 0) {
        fh_log(FH_LOG_ERROR, "%s", err.detail);
    }
    return rc == 0 ? FH_E_CONFLICT : rc;
}

/* Returns the failure of the transaction; the answer of the condition goes to `verdict`. */
static int check_condition(MDB_txn *txn, const struct fh_env *env, const struct fh_op *op,
                           int *verdict)
{
    MDB_val key = fh_env_val(op->key);
    MDB_val stored;
    int rc = mdb_get(txn, env->tables[op->table], &key, &stored);
    if (rc == MDB_NOTFOUND) {
        *verdict = op->kind == FH_OP_EXPECT_ABSENT ? 0 : FH_E_CONFLICT;
        return 0;
    }
    if (rc == 0) {
        *verdict =
            op->kind == FH_OP_EXPECT_ABSENT ? FH_E_CONFLICT : compare(op, fh_env_slice(stored));
    }
    return fh_env_code(rc);
}

static int check_conditions(MDB_txn *txn, const struct fh_env *env, struct fh_batch *batch)
{
    struct fh_op op;
    int rc = 0;
    for (size_t at = 0; rc == 0 && batch->rc == 0 && fh_batch_next(batch, &at, &op);) {
        if (op.kind == FH_OP_EXPECT_ABSENT || op.kind == FH_OP_EXPECT_VALUE) {
            rc = check_condition(txn, env, &op, &batch->rc);
        }
    }
    return rc;
}

static int write_op(MDB_txn *txn, const struct fh_env *env, const struct fh_op *op)
{
    MDB_val key = fh_env_val(op->key);
    MDB_val value = fh_env_val(op->value);
    int rc = 0;
    errno = 0;
    if (op->kind == FH_OP_PUT) {
        rc = mdb_put(txn, env->tables[op->table], &key, &value, 0);
    } else if (op->kind == FH_OP_DEL) {
        rc = mdb_del(txn, env->tables[op->table], &key, NULL);
    }
    return rc == MDB_NOTFOUND ? 0 : fh_env_code(rc);
}

static int apply(MDB_txn *txn, const struct fh_env *env, struct fh_batch *batch,
                 struct fh_apply_counts *counts)
{
    struct fh_op op;
    batch->rc = 0;
    int rc = batch->has_conditions ? check_conditions(txn, env, batch) : 0;
    if (rc != 0 || batch->rc != 0) {
        return rc;
    }
    for (size_t at = 0; rc == 0 && fh_batch_next(batch, &at, &op);) {
        rc = write_op(txn, env, &op);
        if (op.kind == FH_OP_PUT) {
            counts->bytes += op.key.len + op.value.len - FH_ENVELOPE_EXTRA_BYTES;
        }
    }
    counts->batches++;
    return rc == 0 ? fh_fault("store.apply") : rc;
}

static int commit(MDB_txn *txn)
{
    int rc = fh_fault("store.commit");
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    errno = 0;
    return fh_env_code(mdb_txn_commit(txn));
}

int fh_apply_batches(const struct fh_env *env, const struct fh_batch_list *list,
                     struct fh_apply_counts *counts)
{
    MDB_txn *txn;
    *counts = (struct fh_apply_counts){0};
    int rc = fh_fault("store.begin");
    if (rc == 0) {
        rc = fh_env_code(mdb_txn_begin(env->lmdb, NULL, 0, &txn));
    }
    if (rc != 0) {
        return rc;
    }
    for (struct fh_batch *batch = list->head; batch && rc == 0; batch = batch->next) {
        rc = apply(txn, env, batch, counts);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = commit(txn);
    if (rc == 0) {
        (void)fh_fault("store.committed");
    }
    return rc;
}
