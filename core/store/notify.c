/* SPDX-License-Identifier: MIT */
#include "store/notify.h"

#include "base/fault.h"
#include "base/list.h"

static void finish(struct fh_batch *batch)
{
    fh_store_on_done on_done = batch->on_done;
    void *arg = batch->arg;
    int rc = batch->rc;
    fh_batch_free(batch); /* first, so that a batch made in on_done takes the same memory */
    on_done(arg, rc);
}

static void deliver(struct fh_mail *mail)
{
    struct fh_batch *batch = FH_LIST_ENTRY(mail, struct fh_batch, mail);
    while (batch) {
        struct fh_batch *next = batch->next;
        finish(batch);
        batch = next;
    }
}

struct carriers {
    struct fh_mail *head; /* the mail of each loop's first batch, linked by `next` until posted */
    struct fh_batch *latest;
};

static struct fh_batch *find_carrier(struct carriers *carriers, const struct fh_loop *loop)
{
    if (carriers->latest && carriers->latest->loop == loop) {
        return carriers->latest;
    }
    for (struct fh_mail *mail = carriers->head; mail; mail = mail->next) {
        struct fh_batch *carrier = FH_LIST_ENTRY(mail, struct fh_batch, mail);
        if (carrier->loop == loop) {
            return carrier;
        }
    }
    return NULL;
}

/* Chains the batch behind the first one of its loop. */
static void gather(struct carriers *carriers, struct fh_batch *batch)
{
    struct fh_batch *carrier = find_carrier(carriers, batch->loop);
    batch->next = NULL;
    if (carrier) {
        carrier->last_of_loop->next = batch;
    } else {
        carrier = batch;
        carrier->mail = (struct fh_mail){.next = carriers->head, .deliver = deliver};
        carriers->head = &carrier->mail;
    }
    carrier->last_of_loop = batch;
    carriers->latest = carrier;
}

void fh_notify_batches(struct fh_batch_list *done)
{
    struct carriers carriers = {0};
    struct fh_batch *batch;
    if (!done->head) {
        return;
    }
    (void)fh_fault("store.notify");
    while ((batch = fh_batch_list_pop(done))) {
        if (batch->loop) {
            gather(&carriers, batch);
        } else {
            finish(batch);
        }
    }
    while (carriers.head) {
        struct fh_mail *mail = carriers.head;
        carriers.head = mail->next;
        fh_loop_post(FH_LIST_ENTRY(mail, struct fh_batch, mail)->loop, mail);
    }
}
