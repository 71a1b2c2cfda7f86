/* SPDX-License-Identifier: MIT */
#include "store/batch.h"

#include "store/envelope.h"

#include <stdlib.h>

enum {
    FIRST_BYTES = 1000, /* one allocation for a usual batch, of a size malloc keeps at hand */
    MAX_BYTES = 1 << 30
};

struct op_head {
    uint32_t value_len; /* with envelope */
    uint16_t key_len;
    uint8_t kind;
    uint8_t table;
};

int fh_batch_new(struct fh_batch **out)
{
    struct fh_batch *batch = calloc(1, sizeof(*batch));
    if (!batch) {
        return FH_E_NO_MEMORY;
    }
    fh_buf_init(&batch->ops, MAX_BYTES);
    int rc = fh_buf_reserve(&batch->ops, FIRST_BYTES);
    if (rc != 0) {
        free(batch);
        return rc;
    }
    *out = batch;
    return 0;
}

void fh_batch_free(struct fh_batch *batch)
{
    if (batch) {
        fh_buf_deinit(&batch->ops);
        free(batch);
    }
}

/* Reserves first: a batch that ran out of memory holds no half record. */
static int push(struct fh_batch *batch, const struct fh_op *op)
{
    bool has_value = op->kind == FH_OP_PUT || op->kind == FH_OP_EXPECT_VALUE;
    if (op->key.len == 0 || op->key.len > FH_KEY_MAX_BYTES ||
        (unsigned)op->table >= FH_TABLE_COUNT) {
        return FH_E_INVALID;
    }
    if (op->value.len > MAX_BYTES) {
        return FH_E_TOO_LARGE;
    }
    size_t value_len = has_value ? op->value.len + FH_ENVELOPE_EXTRA_BYTES : 0;
    struct op_head head = {(uint32_t)value_len, (uint16_t)op->key.len, (uint8_t)op->kind,
                           (uint8_t)op->table};
    int rc = fh_buf_reserve(&batch->ops, sizeof(head) + op->key.len + value_len);
    if (rc != 0) {
        return rc;
    }
    fh_buf_push(&batch->ops, &head, sizeof(head));
    fh_buf_push_slice(&batch->ops, op->key);
    if (has_value) {
        fh_envelope_encode(batch->ops.data + batch->ops.len, op->table, op->key, op->value);
        batch->ops.len += value_len;
    }
    batch->op_count++;
    return 0;
}

int fh_batch_put(struct fh_batch *batch, enum fh_table table, struct fh_slice key,
                 struct fh_slice value)
{
    return push(batch, &(struct fh_op){FH_OP_PUT, table, key, value});
}

int fh_batch_del(struct fh_batch *batch, enum fh_table table, struct fh_slice key)
{
    return push(batch, &(struct fh_op){.kind = FH_OP_DEL, .table = table, .key = key});
}

int fh_batch_expect_absent(struct fh_batch *batch, enum fh_table table, struct fh_slice key)
{
    batch->has_conditions = true;
    return push(batch, &(struct fh_op){.kind = FH_OP_EXPECT_ABSENT, .table = table, .key = key});
}

int fh_batch_expect_value(struct fh_batch *batch, enum fh_table table, struct fh_slice key,
                          struct fh_slice value)
{
    batch->has_conditions = true;
    return push(batch, &(struct fh_op){FH_OP_EXPECT_VALUE, table, key, value});
}

void fh_batch_set_intake(struct fh_batch *batch)
{
    batch->is_intake = true;
}

bool fh_batch_next(const struct fh_batch *batch, size_t *at, struct fh_op *op)
{
    if (*at >= batch->ops.len) {
        return false;
    }
    struct op_head head;
    const char *record = batch->ops.data + *at;
    memcpy(&head, record, sizeof(head));
    op->kind = (enum fh_op_kind)head.kind;
    op->table = (enum fh_table)head.table;
    op->key = fh_slice_make(record + sizeof(head), head.key_len);
    op->value = fh_slice_make(op->key.data + head.key_len, head.value_len);
    *at += sizeof(head) + head.key_len + head.value_len;
    return true;
}
