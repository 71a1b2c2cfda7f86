/* SPDX-License-Identifier: MIT */
/* The target of a request, whatever it holds: path and query stay within what came, decoded names and values within the
 * query. */
#include "http/http_internal.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t bytes;
    unsigned sum; /* reads every byte */
};

static void add(struct seen *seen, struct fh_slice text)
{
    seen->bytes += text.len;
    for (size_t i = 0; i < text.len; i++) {
        seen->sum += (unsigned char)text.data[i];
    }
}

static void on_pair(void *arg, struct fh_slice name, struct fh_slice value)
{
    add(arg, name);
    add(arg, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_http_request request = {.phase = FH_HTTP_RECEIVING};
    struct seen seen = {0, 0};
    fh_buf_init(&request.text, SIZE_MAX / 2);
    fh_http_target_keep(&request, fh_slice_make((const char *)data, size));
    if (request.path.len == 0 || request.path.len + request.query.len > size + 1) {
        abort();
    }
    fh_http_request_each_query(&request, on_pair, &seen);
    if (seen.bytes > request.query.len) {
        abort();
    }
    add(&seen, request.path);
    fh_buf_deinit(&request.text);
    return 0;
}
