/* SPDX-License-Identifier: MIT */
/* Hashes by libsodium: SHA-256 names stored content, a 64-bit SipHash with a fixed key tells a
 * step's arguments apart (not a secret, not for authentication). */
#pragma once

#include "base/slice.h"

enum { FH_SHA256_BYTES = 32, FH_HASH64_BYTES = 8 };

/* Call once per process before anything else here; harmless when repeated. 0 or FH_E_INVALID. */
int fh_hash_init(void);

void fh_hash_sha256(struct fh_slice bytes, unsigned char out[FH_SHA256_BYTES]);
void fh_hash_short(struct fh_slice bytes, unsigned char out[FH_HASH64_BYTES]);
