/* SPDX-License-Identifier: MIT */
/* Growing byte buffer with a cap given at init. The embedding struct owns it.
 * A push that would pass the cap leaves the buffer as it was and returns FH_E_TOO_LARGE. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

struct fh_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max_bytes;
};

void fh_buf_init(struct fh_buf *buf, size_t max_bytes);
void fh_buf_deinit(struct fh_buf *buf);

/* Makes room for `extra` more bytes. 0, FH_E_TOO_LARGE or FH_E_NO_MEMORY. */
int fh_buf_reserve(struct fh_buf *buf, size_t extra);
int fh_buf_push(struct fh_buf *buf, const void *data, size_t len);
int fh_buf_push_slice(struct fh_buf *buf, struct fh_slice bytes);
int fh_buf_push_byte(struct fh_buf *buf, char byte);
int fh_buf_push_format(struct fh_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets the content, keeps the memory. */
static inline void fh_buf_clear(struct fh_buf *buf)
{
    buf->len = 0;
}

static inline struct fh_slice fh_buf_slice(const struct fh_buf *buf)
{
    return fh_slice_make(buf->data, buf->len);
}
