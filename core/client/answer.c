/* SPDX-License-Identifier: MIT */
#include "client/answer.h"

#include <stdint.h>
#include <strings.h>

enum { KEEP_BYTES = 64 * 1024 };

/* Offsets into the head, which may move while it grows. */
struct field {
    uint32_t name;
    uint32_t name_len;
    uint32_t value;
    uint32_t value_len;
};

void fh_answer_init(struct fh_answer *answer)
{
    *answer = (struct fh_answer){.status = 0};
    fh_buf_init(&answer->head, FH_ANSWER_HEAD_MAX_BYTES);
    fh_buf_init(&answer->fields, SIZE_MAX);
    fh_buf_init(&answer->headers, SIZE_MAX);
    fh_buf_init(&answer->body, 0);
}

void fh_answer_deinit(struct fh_answer *answer)
{
    fh_buf_deinit(&answer->head);
    fh_buf_deinit(&answer->fields);
    fh_buf_deinit(&answer->headers);
    fh_buf_deinit(&answer->body);
}

static void shrink(struct fh_buf *buf)
{
    fh_buf_clear(buf);
    if (buf->cap > KEEP_BYTES) {
        fh_buf_deinit(buf);
    }
}

void fh_answer_clear(struct fh_answer *answer, size_t max_bytes)
{
    shrink(&answer->head);
    shrink(&answer->fields);
    shrink(&answer->headers);
    shrink(&answer->body);
    if (answer->body.cap > max_bytes) {
        fh_buf_deinit(&answer->body); /* its room must not exceed its cap */
    }
    answer->body.max_bytes = max_bytes;
    answer->status = 0;
    answer->is_in_head = false;
    answer->is_bodyless = false;
    answer->is_followed = false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct fh_slice trim(struct fh_slice text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = fh_slice_make(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

static struct field *last_field(struct fh_answer *answer)
{
    return (struct field *)(void *)(answer->fields.data + answer->fields.len) - 1;
}

static int push_field(struct fh_answer *answer, struct fh_slice line)
{
    const char *colon = memchr(line.data, ':', line.len);
    if (!colon) {
        return 0;
    }
    struct fh_slice name = trim(fh_slice_make(line.data, (size_t)(colon - line.data)));
    struct fh_slice value =
        trim(fh_slice_make(colon + 1, line.len - (size_t)(colon + 1 - line.data)));
    struct field field = {(uint32_t)answer->head.len, (uint32_t)name.len,
                          (uint32_t)(answer->head.len + name.len + 1), (uint32_t)value.len};
    int rc = fh_buf_reserve(&answer->head, name.len + 1 + value.len);
    if (rc == 0) {
        rc = fh_buf_push(&answer->fields, &field, sizeof(field));
    }
    if (rc == 0) {
        fh_buf_push_slice(&answer->head, name);
        fh_buf_push_byte(&answer->head, ':');
        fh_buf_push_slice(&answer->head, value);
    }
    return rc;
}

/* A folded line (RFC 9112 §5.2) goes on with the value before it, which is the head's end. */
static int push_fold(struct fh_answer *answer, struct fh_slice line)
{
    struct fh_slice more = trim(line);
    int rc = fh_buf_reserve(&answer->head, more.len + 1);
    if (rc == 0) {
        fh_buf_push_byte(&answer->head, ' ');
        fh_buf_push_slice(&answer->head, more);
        last_field(answer)->value_len += (uint32_t)more.len + 1;
    }
    return rc;
}

static bool find_value(struct fh_answer *answer, struct fh_slice name, struct fh_slice *value)
{
    const struct field *fields = (const void *)answer->fields.data;
    for (size_t i = 0; i < answer->fields.len / sizeof(*fields); i++) {
        if (fields[i].name_len == name.len &&
            strncasecmp(answer->head.data + fields[i].name, name.data, name.len) == 0) {
            *value = fh_slice_make(answer->head.data + fields[i].value, fields[i].value_len);
            return true;
        }
    }
    return false;
}

static size_t decimal(struct fh_slice text)
{
    size_t number = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        number = number > SIZE_MAX / 16 ? number : number * 10 + (size_t)(text.data[i] - '0');
    }
    return number;
}

static int body_too_large(struct fh_answer *answer, struct fh_error *err)
{
    return fh_error_set(err, FH_E_TOO_LARGE, "the answer's body is larger than %zu bytes",
                        answer->body.max_bytes);
}

/* Refuses a body by its announced length, unless there will be none or it is compressed (the
 * limit counts bytes after decompression). */
static int end_head(struct fh_answer *answer, struct fh_error *err)
{
    struct fh_slice length;
    struct fh_slice encoding;
    int status = answer->status;
    answer->is_in_head = false;
    if (answer->is_bodyless || status < 200 || status == 204 || status == 304 ||
        (answer->is_followed && status >= 300 && status < 400) ||
        find_value(answer, FH_SLICE_LIT("content-encoding"), &encoding) ||
        !find_value(answer, FH_SLICE_LIT("content-length"), &length) ||
        decimal(length) <= answer->body.max_bytes) {
        return 0;
    }
    return body_too_large(answer, err);
}

static void start_head(struct fh_answer *answer, struct fh_slice line)
{
    fh_buf_clear(&answer->head);
    fh_buf_clear(&answer->fields);
    fh_buf_clear(&answer->body);
    const char *space = memchr(line.data, ' ', line.len);
    size_t at = space ? (size_t)(space + 1 - line.data) : line.len;
    answer->status = (int)decimal(fh_slice_make(line.data + at, line.len - at));
    answer->is_in_head = true;
}

int fh_answer_push_line(struct fh_answer *answer, struct fh_slice line, struct fh_error *err)
{
    int rc = 0;
    if (!answer->is_in_head) {
        if (line.len >= 5 && memcmp(line.data, "HTTP/", 5) == 0) {
            start_head(answer, line);
        }
        return 0;
    }
    if (trim(line).len == 0) {
        return end_head(answer, err);
    }
    if (is_blank(line.data[0]) && answer->fields.len > 0) {
        rc = push_fold(answer, line);
    } else {
        rc = push_field(answer, line);
    }
    if (rc == FH_E_TOO_LARGE) {
        fh_error_set(err, rc, "the answer's headers are larger than %d bytes",
                     FH_ANSWER_HEAD_MAX_BYTES);
    } else if (rc != 0) {
        fh_error_set(err, rc, "no memory for the answer's headers");
    }
    return rc;
}

int fh_answer_push_body(struct fh_answer *answer, struct fh_slice bytes, struct fh_error *err)
{
    int rc = fh_buf_push_slice(&answer->body, bytes);
    if (rc == FH_E_TOO_LARGE) {
        return body_too_large(answer, err);
    }
    return rc == 0 ? 0 : fh_error_set(err, rc, "no memory for the answer's body");
}

int fh_answer_get_headers(struct fh_answer *answer, const struct fh_client_header **headers,
                          size_t *count)
{
    const struct field *fields = (const void *)answer->fields.data;
    size_t total = answer->fields.len / sizeof(*fields);
    fh_buf_clear(&answer->headers);
    int rc = fh_buf_reserve(&answer->headers, total * sizeof(**headers));
    for (size_t i = 0; rc == 0 && i < total; i++) {
        struct fh_client_header header = {
            fh_slice_make(answer->head.data + fields[i].name, fields[i].name_len),
            fh_slice_make(answer->head.data + fields[i].value, fields[i].value_len)};
        rc = fh_buf_push(&answer->headers, &header, sizeof(header));
    }
    *headers = (const void *)answer->headers.data;
    *count = rc == 0 ? total : 0;
    return rc;
}
