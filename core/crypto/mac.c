/* SPDX-License-Identifier: MIT */
#include "crypto/mac.h"

#include <sodium.h>

void fh_mac_make(const unsigned char key[FH_MAC_KEY_BYTES], struct fh_slice bytes,
                 unsigned char out[FH_MAC_BYTES])
{
    crypto_generichash(out, FH_MAC_BYTES, (const unsigned char *)bytes.data, bytes.len, key,
                       FH_MAC_KEY_BYTES);
}

bool fh_mac_is_equal(struct fh_slice a, struct fh_slice b)
{
    return a.len == b.len && (a.len == 0 || sodium_memcmp(a.data, b.data, a.len) == 0);
}
