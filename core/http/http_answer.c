/* SPDX-License-Identifier: MIT */
/* Answers: whole ones, which MHD copies, and streams, which MHD reads from a bounded buffer and
 * suspends the connection while that is empty. Answers given inside the handler are queued at once,
 * later ones are queued on the suspended connection, which is then resumed. */
#include "http/http_internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { STACK_BYTES = 1024, BLOCK_BYTES = 4096, PROBLEM_BYTES = 512 };

/* --- response --------------------------------------------------------------------------------------- */

static bool is_framing(struct fh_slice name)
{
    return (name.len == 14 && strncasecmp(name.data, "content-length", 14) == 0) ||
           (name.len == 17 && strncasecmp(name.data, "transfer-encoding", 17) == 0);
}

static bool has_nul(struct fh_slice text)
{
    return text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
}

/* MHD refuses what would break the head apart (CR, LF, blanks in a name) and takes C strings only.
 * What it refuses is left out: half an answer is better than a header that a flow made of input. */
static void add_header(struct MHD_Response *response, const struct fh_http_header *header)
{
    char text[STACK_BYTES];
    struct fh_slice name = header->name;
    struct fh_slice value = header->value;
    size_t need = name.len + value.len + 2;
    if (is_framing(name) || has_nul(name) || has_nul(value) || value.len == 0) {
        return;
    }
    char *copy = need <= sizeof(text) ? text : malloc(need);
    if (!copy) {
        return;
    }
    memcpy(copy, name.data, name.len);
    copy[name.len] = '\0';
    memcpy(copy + name.len + 1, value.data, value.len);
    copy[need - 1] = '\0';
    if (MHD_add_response_header(response, copy, copy + name.len + 1) == MHD_NO) {
        fh_log(FH_LOG_WARN, "answer header '%.64s' left out: HTTP does not allow it", copy);
    }
    if (copy != text) {
        free(copy);
    }
}

static bool is_oversized(const struct fh_http_header *headers, size_t count)
{
    size_t bytes = 256; /* status line, date, length */
    for (size_t i = 0; i < count && bytes <= FH_HTTP_ANSWER_HEADER_BYTES; i++) {
        bytes += headers[i].name.len + headers[i].value.len + 4;
    }
    return bytes > FH_HTTP_ANSWER_HEADER_BYTES;
}

static void add_headers(struct fh_http_request *request, struct MHD_Response *response,
                        const struct fh_http_header *headers, size_t count)
{
    for (size_t i = 0; response && i < count; i++) {
        add_header(response, &headers[i]);
    }
    if (response && (request->is_last || request->http->is_stopping)) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}

/* Takes `response`, which may be NULL: the connection is cut then. */
static void queue(struct fh_http_request *request, int status, struct MHD_Response *response)
{
    unsigned code = status >= 200 && status <= 999 ? (unsigned)status : 500;
    if (response) {
        request->is_queued = MHD_queue_response(request->connection, code, response) == MHD_YES;
        MHD_destroy_response(response);
    }
    if (request->is_suspended) {
        fh_http_answer_resume(request);
    }
}

void fh_http_answer_resume(struct fh_http_request *request)
{
    request->is_suspended = false;
    MHD_resume_connection(request->connection);
    if (!request->http->is_closing) {
        fh_http_run_soon(request->http);
    }
}

/* Nothing in the arguments needs escaping. */
static int make_problem(struct fh_http_header *type, char text[PROBLEM_BYTES], int status,
                        const char *code, const char *title, const char *detail)
{
    *type = (struct fh_http_header){FH_SLICE_LIT("Content-Type"),
                                    FH_SLICE_LIT("application/problem+json")};
    return snprintf(text, PROBLEM_BYTES,
                    "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\","
                    "\"detail\":\"%s\"}",
                    title, status, code, detail);
}

enum MHD_Result fh_http_answer_problem(struct fh_http_request *request, int status,
                                       const char *code, const char *title, const char *detail)
{
    struct fh_http_header headers[2];
    char text[PROBLEM_BYTES];
    int len = make_problem(&headers[0], text, status, code, title, detail);
    headers[1] = (struct fh_http_header){FH_SLICE_LIT("Connection"), FH_SLICE_LIT("close")};
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY);
    add_headers(request, response, headers, 2);
    request->phase = FH_HTTP_DONE;
    queue(request, status, response);
    return request->is_queued ? MHD_YES : MHD_NO;
}

/* --- whole answers ---------------------------------------------------------------------------------- */

/* The handler's side lets go. */
static void leave(struct fh_http_request *request)
{
    request->phase = FH_HTTP_DONE;
    fh_list_pop(&request->link);
    if (request->body.cap > FH_HTTP_SPARE_BYTES) { /* sending the answer may take long */
        fh_buf_deinit(&request->body);
    }
    if (request->http) {
        request->http->pending--;
    }
    fh_http_request_release(request);
}

static void send_whole(struct fh_http_request *request, int status,
                       const struct fh_http_header *headers, size_t count, struct fh_slice body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
    add_headers(request, response, headers, count);
    queue(request, status, response);
}

static void send_oversized(struct fh_http_request *request)
{
    struct fh_http_header type;
    char text[PROBLEM_BYTES];
    fh_log(FH_LOG_WARN, "answer headers larger than %d bytes: 500 sent instead; send fewer",
           FH_HTTP_ANSWER_HEADER_BYTES);
    int len = make_problem(&type, text, 500, "ANSWER_HEADERS_TOO_LARGE", "Internal Server Error",
                           "the headers of the answer are too large");
    send_whole(request, 500, &type, 1, fh_slice_make(text, (size_t)len));
}

void fh_http_respond(struct fh_http_request *request, int status,
                     const struct fh_http_header *headers, size_t count, struct fh_slice body)
{
    if (request->connection && !request->http->is_closing) {
        if (is_oversized(headers, count)) {
            send_oversized(request);
        } else {
            send_whole(request, status, headers, count, body);
        }
    }
    leave(request);
}

/* --- streams ---------------------------------------------------------------------------------------- */

/* What is written in there is behind what was just taken. */
static void tell_room(struct fh_http_request *request)
{
    void (*on_room)(void *arg) = request->on_room;
    if (on_room && request->out.len - request->out_taken <= FH_HTTP_STREAM_BYTES / 2) {
        request->on_room = NULL;
        on_room(request->stream_arg);
    }
}

static ssize_t read_stream(void *cls, uint64_t position, char *out, size_t max)
{
    (void)position;
    struct fh_http_request *request = cls;
    size_t waiting = request->out.len - request->out_taken;
    if (waiting > 0) {
        size_t len = waiting < max ? waiting : max;
        memcpy(out, request->out.data + request->out_taken, len);
        request->out_taken += len;
        tell_room(request);
        return (ssize_t)len;
    }
    if (request->phase == FH_HTTP_DONE) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (request->is_gone) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    request->is_suspended = true;
    MHD_suspend_connection(request->connection);
    fh_http_watch_start(request);
    return 0;
}

static void on_response_freed(void *cls)
{
    fh_http_request_release(cls);
}

void fh_http_stream_start(struct fh_http_request *request, int status,
                          const struct fh_http_header *headers, size_t count,
                          void (*on_closed)(void *arg), void *arg)
{
    request->phase = FH_HTTP_STREAMING;
    request->on_closed = on_closed;
    request->stream_arg = arg;
    if (!request->connection || request->http->is_closing) {
        return;
    }
    struct MHD_Response *response = NULL;
    if (is_oversized(headers, count)) {
        fh_log(FH_LOG_WARN, "stream headers larger than %d bytes: connection cut; send fewer",
               FH_HTTP_ANSWER_HEADER_BYTES);
    } else {
        response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream,
                                                     request, on_response_freed);
    }
    if (response) {
        request->holders++;
    }
    add_headers(request, response, headers, count);
    queue(request, status, response);
}

/* Makes room for `extra` bytes; moves what waits only when that is little or there is no other way. */
static void forget_taken(struct fh_http_request *request, size_t extra)
{
    struct fh_buf *out = &request->out;
    size_t waiting = out->len - request->out_taken;
    if (request->out_taken > 0 &&
        (request->out_taken >= waiting || extra > FH_HTTP_STREAM_BYTES - out->len)) {
        memmove(out->data, out->data + request->out_taken, waiting);
        out->len = waiting;
        request->out_taken = 0;
    }
}

int fh_http_stream_write(struct fh_http_request *request, struct fh_slice bytes)
{
    struct fh_buf *out = &request->out;
    if (!request->connection) {
        return FH_E_CLOSED;
    }
    size_t waiting = out->len - request->out_taken;
    if (bytes.len > FH_HTTP_STREAM_BYTES - waiting) {
        return FH_E_TOO_LARGE;
    }
    forget_taken(request, bytes.len);
    int rc = fh_buf_push_slice(out, bytes);
    if (rc == 0 && bytes.len > 0 && request->is_suspended) {
        fh_http_answer_resume(request);
    }
    return rc;
}

void fh_http_stream_await_room(struct fh_http_request *request, void (*on_room)(void *arg))
{
    request->on_room = on_room;
}

void fh_http_stream_end(struct fh_http_request *request)
{
    request->phase = FH_HTTP_DONE;
    request->on_room = NULL;
    if (request->is_suspended) {
        fh_http_answer_resume(request);
    }
    leave(request);
}
