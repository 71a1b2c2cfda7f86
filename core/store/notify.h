/* SPDX-License-Identifier: MIT */
/* Tells submitters how their batches ended. Commit thread only. */
#pragma once

#include "store/batch.h"

/* Empties the list: one mail for each loop, which runs on_done of its batches in the list's order
 * and frees them. Needs no memory: the first batch of a loop is the mail. */
void fh_notify_batches(struct fh_batch_list *done);
