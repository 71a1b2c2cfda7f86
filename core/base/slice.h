/* SPDX-License-Identifier: MIT */
/* Borrowed bytes: a pointer and a length. Never owns, never NUL-terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct fh_slice {
    const char *data;
    size_t len;
};

#define FH_SLICE_LIT(text) ((struct fh_slice){"" text, sizeof(text) - 1})

static inline struct fh_slice fh_slice_make(const void *data, size_t len)
{
    return (struct fh_slice){(const char *)data, len};
}

/* `text` may be NULL, which gives the empty slice. */
static inline struct fh_slice fh_slice_from(const char *text)
{
    return (struct fh_slice){text, text ? strlen(text) : 0};
}

static inline bool fh_slice_equal(struct fh_slice a, struct fh_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
