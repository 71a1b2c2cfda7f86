/* SPDX-License-Identifier: MIT */
/* Random bytes of the kernel, drawn in blocks so that ids do not cost a system call each. */
#pragma once

#include <stddef.h>

enum { FH_RANDOM_BLOCK_BYTES = 1024 };

/* Owned by one thread. Zero-initialise. */
struct fh_random {
    unsigned char block[FH_RANDOM_BLOCK_BYTES];
    size_t left_bytes;
};

void fh_random_fill(struct fh_random *random, void *out, size_t len);
