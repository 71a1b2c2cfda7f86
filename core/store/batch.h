/* SPDX-License-Identifier: MIT */
/* A batch inside the store: its operations as records in one buffer, ready for the table (the
 * submitter's thread made the envelopes), and what is needed to report its end. */
#pragma once

#include "loop/loop.h"
#include "store/store.h"

enum fh_op_kind { FH_OP_PUT, FH_OP_DEL, FH_OP_EXPECT_ABSENT, FH_OP_EXPECT_VALUE };

struct fh_op {
    enum fh_op_kind kind;
    enum fh_table table;
    struct fh_slice key;
    struct fh_slice value; /* with envelope; empty for FH_OP_DEL and FH_OP_EXPECT_ABSENT */
};

struct fh_batch {
    struct fh_batch *next; /* in whatever fh_batch_list it stands */
    struct fh_buf ops;
    unsigned op_count;
    bool has_conditions;
    bool is_intake;
    int rc;
    struct fh_loop *loop; /* NULL: on_done runs on the commit thread (fh_store_submit_wait) */
    fh_store_on_done on_done;
    void *arg;
    struct fh_mail mail; /* used by the first batch of a loop in a round, for all of them */
    struct fh_batch *last_of_loop; /* likewise */
};

/* Reads the record at `*at` (0 to begin) and moves `*at` on; false behind the last. */
bool fh_batch_next(const struct fh_batch *batch, size_t *at, struct fh_op *op);

/* Singly linked, first in first out. Zero-initialise. A batch is in one list at a time. */
struct fh_batch_list {
    struct fh_batch *head;
    struct fh_batch *tail;
};

static inline void fh_batch_list_push(struct fh_batch_list *list, struct fh_batch *batch)
{
    batch->next = NULL;
    if (list->head) {
        list->tail->next = batch;
    } else {
        list->head = batch;
    }
    list->tail = batch;
}

/* NULL when empty. */
static inline struct fh_batch *fh_batch_list_pop(struct fh_batch_list *list)
{
    struct fh_batch *batch = list->head;
    if (batch) {
        list->head = batch->next;
    }
    return batch;
}

/* Empties `from` to the end of `to`. */
static inline void fh_batch_list_splice(struct fh_batch_list *to, struct fh_batch_list *from)
{
    if (!from->head) {
        return;
    }
    if (to->head) {
        to->tail->next = from->head;
    } else {
        to->head = from->head;
    }
    to->tail = from->tail;
    from->head = NULL;
}
