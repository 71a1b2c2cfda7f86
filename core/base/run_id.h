/* SPDX-License-Identifier: MIT */
/* Run ids: 128 bits, big-endian: 48 bits of wall milliseconds, 8 bits of partition, 72 random
 * bits. As bytes they sort by time; as text they are 26 characters of Crockford base32
 * (crockford.com/base32.html), which sort the same way. */
#pragma once

#include "base/random.h"
#include "base/slice.h"

#include <stdint.h>

enum { FH_RUN_ID_BYTES = 16, FH_RUN_ID_CHARS = 26, FH_PARTITIONS = 64 };

void fh_run_id_make(unsigned char id[FH_RUN_ID_BYTES], int64_t wall_ms, unsigned partition,
                    struct fh_random *random);
void fh_run_id_encode(const unsigned char id[FH_RUN_ID_BYTES], char text[FH_RUN_ID_CHARS]);

/* Accepts lower case and Crockford's aliases (o, i, l). 0 or FH_E_INVALID. */
int fh_run_id_decode(struct fh_slice text, unsigned char id[FH_RUN_ID_BYTES]);

static inline unsigned fh_run_id_partition(const unsigned char id[FH_RUN_ID_BYTES])
{
    return id[6] % FH_PARTITIONS;
}
