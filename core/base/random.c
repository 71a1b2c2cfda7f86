/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void fill_from_kernel(unsigned char *out, size_t len)
{
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno != EINTR) {
            abort(); /* the kernel has no entropy source: no id or key would be safe */
        }
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        }
    }
}

void fh_random_fill(struct fh_random *random, void *out, size_t len)
{
    if (len > sizeof(random->block)) {
        fill_from_kernel(out, len);
        return;
    }
    if (random->left_bytes < len) {
        fill_from_kernel(random->block, sizeof(random->block));
        random->left_bytes = sizeof(random->block);
    }
    unsigned char *from = random->block + random->left_bytes - len;
    memcpy(out, from, len);
    memset(from, 0, len);
    random->left_bytes -= len;
}
