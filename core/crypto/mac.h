/* SPDX-License-Identifier: MIT */
/* Tells whether bytes come from who holds a key: keyed BLAKE2b-256 by libsodium, and the compare that
 * goes with it. Any thread, after fh_hash_init. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

enum { FH_MAC_KEY_BYTES = 32, FH_MAC_BYTES = 32 };

void fh_mac_make(const unsigned char key[FH_MAC_KEY_BYTES], struct fh_slice bytes,
                 unsigned char out[FH_MAC_BYTES]);

/* The time it takes depends on the lengths alone. */
bool fh_mac_is_equal(struct fh_slice a, struct fh_slice b);
