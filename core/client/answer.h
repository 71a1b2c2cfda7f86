/* SPDX-License-Identifier: MIT */
/* What one call has received so far: the head of the latest answer (its lines as they came, one
 * buffer, and where names and values lie in it) and the body. Owned by its call; knows no curl. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "client/client.h"

#include <stdbool.h>
#include <stddef.h>

enum { FH_ANSWER_HEAD_MAX_BYTES = 256 * 1024 };

struct fh_answer {
    struct fh_buf head;    /* lines of header fields, without the status line */
    struct fh_buf fields;  /* struct field each, see answer.c */
    struct fh_buf headers; /* struct fh_client_header each, made by fh_answer_get_headers */
    struct fh_buf body;
    int status;
    bool is_in_head;
    bool is_bodyless; /* set by the owner: answers to HEAD announce a length that never comes */
    bool is_followed; /* set by the owner: bodies of 3xx answers are thrown away, not kept */
};

void fh_answer_init(struct fh_answer *answer);
void fh_answer_deinit(struct fh_answer *answer);

/* Ready for the next call; memory beyond what a usual answer needs is given back. */
void fh_answer_clear(struct fh_answer *answer, size_t max_bytes);

/* One line as received, line end included. A status line starts over, so that only the final
 * answer stays; trailers are ignored. 0, or FH_E_TOO_LARGE (head, or body as announced by
 * Content-Length) or FH_E_NO_MEMORY with a sentence in `err`. */
int fh_answer_push_line(struct fh_answer *answer, struct fh_slice line, struct fh_error *err);
int fh_answer_push_body(struct fh_answer *answer, struct fh_slice bytes, struct fh_error *err);

/* The fields as an array that lives until the next clear or deinit. 0 or FH_E_NO_MEMORY. */
int fh_answer_get_headers(struct fh_answer *answer, const struct fh_client_header **headers,
                          size_t *count);
