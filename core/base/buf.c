/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP = 64 };

void fh_buf_init(struct fh_buf *buf, size_t max_bytes)
{
    *buf = (struct fh_buf){.max_bytes = max_bytes};
}

void fh_buf_deinit(struct fh_buf *buf)
{
    free(buf->data);
    fh_buf_init(buf, buf->max_bytes);
}

int fh_buf_reserve(struct fh_buf *buf, size_t extra)
{
    if (extra <= buf->cap - buf->len) {
        return 0;
    }
    if (extra > buf->max_bytes || buf->len > buf->max_bytes - extra) {
        return FH_E_TOO_LARGE;
    }
    size_t need = buf->len + extra;
    size_t first = buf->max_bytes < FIRST_CAP ? buf->max_bytes : FIRST_CAP;
    size_t cap = buf->cap ? buf->cap : first;
    while (cap < need) {
        cap = cap > buf->max_bytes / 2 ? buf->max_bytes : cap * 2;
    }
    char *data = realloc(buf->data, cap + 1); /* for the NUL of fh_buf_push_format */
    if (!data) {
        return FH_E_NO_MEMORY;
    }
    buf->data = data;
    buf->cap = cap;
    return 0;
}

int fh_buf_push(struct fh_buf *buf, const void *data, size_t len)
{
    int rc = fh_buf_reserve(buf, len);
    if (rc == 0 && len > 0) {
        memcpy(buf->data + buf->len, data, len);
        buf->len += len;
    }
    return rc;
}

int fh_buf_push_slice(struct fh_buf *buf, struct fh_slice bytes)
{
    return fh_buf_push(buf, bytes.data, bytes.len);
}

int fh_buf_push_byte(struct fh_buf *buf, char byte)
{
    return fh_buf_push(buf, &byte, 1);
}

int fh_buf_push_format(struct fh_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int need = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (need <= 0) {
        return need == 0 ? 0 : FH_E_INVALID;
    }
    int rc = fh_buf_reserve(buf, (size_t)need);
    if (rc != 0) {
        return rc;
    }
    va_start(args, format);
    vsnprintf(buf->data + buf->len, (size_t)need + 1, format, args);
    va_end(args);
    buf->len += (size_t)need;
    return 0;
}
