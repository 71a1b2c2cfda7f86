/* SPDX-License-Identifier: MIT */
/* A request from its first line to the handler: checks that MHD leaves out, body; and what the
 * handler can ask of it. What would make two HTTP parsers disagree about where a request ends
 * (RFC 9112 sections 6.1 to 6.3) is refused, and its connection closed. */
#include "http/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    LEAST_DISCARD_BYTES = 64 * 1024,
    DISCARD_FACTOR = 8, /* how many times max_body_bytes is read and thrown away for a 413 */
};

/* --- pool --------------------------------------------------------------------------------------- */

static struct fh_http_request *take(struct fh_http *http)
{
    struct fh_http_request *request = http->spare;
    if (request) {
        http->spare = request->next_spare;
        http->spare_count--;
        struct fh_buf text = request->text;
        struct fh_buf body = request->body;
        *request = (struct fh_http_request){.text = text, .body = body};
        fh_buf_clear(&request->text);
        fh_buf_clear(&request->body);
    } else {
        request = calloc(1, sizeof(*request));
        if (!request) {
            return NULL;
        }
        fh_buf_init(&request->text, SIZE_MAX / 2);
        fh_buf_init(&request->body, http->max_body_bytes);
    }
    fh_buf_init(&request->out, FH_HTTP_STREAM_BYTES);
    fh_list_init(&request->link);
    request->http = http;
    request->holders = 1;
    return request;
}

static void free_request(struct fh_http_request *request)
{
    fh_buf_deinit(&request->text);
    fh_buf_deinit(&request->body);
    free(request);
}

void fh_http_request_release(struct fh_http_request *request)
{
    struct fh_http *http = request->http;
    if (--request->holders > 0) {
        return;
    }
    fh_buf_deinit(&request->out);
    if (!http || http->spare_count >= FH_HTTP_SPARE_REQUESTS) {
        free_request(request);
        return;
    }
    if (request->text.cap > FH_HTTP_SPARE_BYTES) {
        fh_buf_deinit(&request->text);
    }
    if (request->body.cap > FH_HTTP_SPARE_BYTES) {
        fh_buf_deinit(&request->body);
    }
    request->next_spare = http->spare;
    http->spare = request;
    http->spare_count++;
}

void fh_http_request_free_spares(struct fh_http *http)
{
    while (http->spare) {
        struct fh_http_request *request = http->spare;
        http->spare = request->next_spare;
        free_request(request);
    }
}

/* --- target and headers -------------------------------------------------------------------- */

struct fh_http_peer *fh_http_request_peer(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void *fh_http_request_on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct fh_http_request *request = take(cls);
    struct fh_slice bytes = fh_slice_from(target ? target : "");
    if (request) {
        request->connection = connection;
        request->target = target;
        request->target_len = bytes.len;
        fh_http_target_keep(request, bytes);
    }
    if (target) {
        fh_http_target_hide_query(target);
    }
    return request;
}

struct headers {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    bool is_chunked;
    bool is_bad;
    uint64_t length;
};

static bool is_named(const char *name, size_t len, const char *wanted)
{
    return strncasecmp(name, wanted, len) == 0;
}

/* MHD has seen to it that the first one is digits and fits; a further one is refused anyway. */
static uint64_t parse_length(const char *value, size_t len)
{
    uint64_t length = 0;
    for (size_t i = 0; i < len; i++) {
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    return length;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    struct headers *headers = cls;
    if (name_len == 0) {
        headers->is_bad = true;
    } else if (name_len == 4 && is_named(name, name_len, "host")) {
        headers->hosts++;
    } else if (name_len == 14 && is_named(name, name_len, "content-length")) {
        if (headers->lengths++ == 0) {
            headers->length = parse_length(value, value_len);
        }
    } else if (name_len == 17 && is_named(name, name_len, "transfer-encoding")) {
        headers->encodings++;
        headers->is_chunked = value_len == 7 && strncasecmp(value, "chunked", 7) == 0;
    }
    return MHD_YES;
}

static enum MHD_Result refuse(struct fh_http_request *request, int status, const char *code,
                              const char *title, const char *detail)
{
    request->is_refused = true;
    return fh_http_answer_problem(request, status, code, title, detail);
}

static enum MHD_Result refuse_malformed(struct fh_http_request *request, const char *detail)
{
    return refuse(request, 400, "MALFORMED", "Bad Request", detail);
}

static enum MHD_Result refuse_size(struct fh_http_request *request, int status, const char *code,
                                   const char *title, const char *what, size_t max)
{
    char detail[128];
    snprintf(detail, sizeof(detail), "%s more than %zu bytes, which this server does not take",
             what, max);
    return refuse(request, status, code, title, detail);
}

static enum MHD_Result refuse_body(struct fh_http_request *request)
{
    return refuse_size(request, 413, "BODY_TOO_LARGE", "Payload Too Large", "the body has",
                       request->http->max_body_bytes);
}

static enum MHD_Result refuse_for_memory(struct fh_http_request *request)
{
    return refuse(request, 503, "NO_MEMORY", "Service Unavailable",
                  "no memory for this request; try again later");
}

/* A NUL byte in the target makes it end early for us. The version follows its true end. */
static bool has_nul_in_target(const struct fh_http_request *request, const char *version)
{
    uintptr_t gap = (uintptr_t)version - (uintptr_t)request->target;
    return gap > request->target_len + 1 && gap <= request->http->max_header_bytes;
}

static enum MHD_Result check_framing(struct fh_http_request *request, const struct headers *headers,
                                     bool is_1_0)
{
    if (headers->is_bad || request->has_bad_target) {
        return refuse_malformed(request,
                                "the target has a blank or a NUL byte, or a header has no name");
    }
    if (headers->hosts > 1 || (headers->hosts == 0 && !is_1_0)) {
        return refuse_malformed(request, "exactly one Host header is needed");
    }
    if (headers->lengths > 1 || headers->encodings > 1 ||
        (headers->encodings > 0 && (headers->lengths > 0 || !headers->is_chunked || is_1_0))) {
        return refuse_malformed(request, "the length of the body is not clear; send one "
                                         "Content-Length, or Transfer-Encoding: chunked");
    }
    return MHD_YES;
}

static bool has_long_headers(const struct fh_http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info && info->header_size > request->http->max_header_bytes;
}

/* The headers are in. Whatever is answered here closes the connection. */
static enum MHD_Result begin(struct fh_http_request *request, const char *method,
                             const char *version)
{
    struct headers headers = {0};
    struct fh_http_peer *peer = fh_http_request_peer(request->connection);
    size_t method_len = strlen(method);
    request->has_begun = true;
    if (peer) {
        peer->receiving_ms = 0;
    }
    MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, on_header, &headers);
    request->has_bad_target |= has_nul_in_target(request, version);
    enum MHD_Result result = check_framing(request, &headers, strcmp(version, "HTTP/1.0") == 0);
    if (request->is_refused || result == MHD_NO) {
        return result;
    }
    if (has_long_headers(request)) {
        return refuse_size(request, 431, "HEADERS_TOO_LARGE", "Request Header Fields Too Large",
                           "the request line and headers have", request->http->max_header_bytes);
    }
    if (method_len >= sizeof(request->method)) {
        return refuse(request, 501, "UNKNOWN_METHOD", "Not Implemented", "no such method");
    }
    memcpy(request->method, method, method_len + 1);
    if (headers.length > request->http->max_body_bytes) {
        return refuse_body(request);
    }
    if (request->is_out_of_memory || fh_buf_reserve(&request->body, headers.length) != 0) {
        return refuse_for_memory(request);
    }
    return MHD_YES;
}

/* --- body ------------------------------------------------------------------------------------------- */

/* A response cannot be queued here, so the rest of a body that is too large is read and dropped. */
static enum MHD_Result gather(struct fh_http_request *request, const char *data, size_t size)
{
    uint64_t max = request->http->max_body_bytes;
    struct fh_http_peer *peer = fh_http_request_peer(request->connection);
    request->received += size;
    if (peer) {
        peer->received = request->received;
    }
    if (request->received > max) {
        fh_buf_deinit(&request->body);
        return request->received > max * DISCARD_FACTOR + LEAST_DISCARD_BYTES ? MHD_NO : MHD_YES;
    }
    if (fh_buf_push(&request->body, data, size) != 0) {
        request->is_out_of_memory = true;
    }
    return MHD_YES;
}

static void note_caller(struct fh_http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    request->is_loopback = fh_http_address_is_loopback(info->client_addr);
    fh_http_address_format(info->client_addr, request->address);
}

/* MHD takes a short read for the end of what there is, and so overlooks an end of stream that came
 * together with the request: it would keep the connection until it times out. */
static bool is_half_closed(const struct fh_http_peer *peer)
{
    char byte;
    return recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static enum MHD_Result hand_over(struct fh_http_request *request)
{
    struct fh_http *http = request->http;
    struct fh_http_peer *peer = fh_http_request_peer(request->connection);
    if (peer) {
        peer->is_busy = true;
        request->is_last = !peer->is_known && is_half_closed(peer);
        peer->is_known = true;
    }
    note_caller(request);
    request->phase = FH_HTTP_HANDED;
    request->holders++;
    fh_list_push(&http->open, &request->link);
    http->pending++;
    http->unsent++;
    request->is_unsent = true;
    http->handed++;
    http->handler(http->arg, request);
    if (request->is_queued) {
        return MHD_YES;
    }
    if (request->phase != FH_HTTP_HANDED) { /* answered, but MHD did not take it */
        return MHD_NO;
    }
    request->is_suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

static enum MHD_Result finish(struct fh_http_request *request)
{
    if (request->phase != FH_HTTP_RECEIVING) { /* resumed without an answer: it could not be made */
        return MHD_NO;
    }
    if (request->received > request->http->max_body_bytes) {
        return refuse_body(request);
    }
    if (request->is_out_of_memory) {
        return refuse_for_memory(request);
    }
    return hand_over(request);
}

enum MHD_Result fh_http_request_on_access(void *cls, struct MHD_Connection *connection,
                                          const char *url, const char *method, const char *version,
                                          const char *data, size_t *size, void **context)
{
    (void)cls, (void)connection, (void)url;
    struct fh_http_request *request = *context;
    if (!request) { /* no memory */
        return MHD_NO;
    }
    if (!request->has_begun) {
        return begin(request, method, version);
    }
    if (*size > 0) {
        size_t len = *size;
        *size = 0;
        return gather(request, data, len);
    }
    return finish(request);
}

/* --- end -------------------------------------------------------------------------------------------- */

static bool has_unread(struct MHD_Connection *connection)
{
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    int waiting = 0;
    return ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

static void close_stream(struct fh_http_request *request)
{
    fh_buf_deinit(&request->out);
    request->out_taken = 0;
    if (request->phase == FH_HTTP_STREAMING && request->on_closed) {
        request->on_closed(request->stream_arg);
    }
}

void fh_http_request_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                                  enum MHD_RequestTerminationCode code)
{
    struct fh_http *http = cls;
    struct fh_http_request *request = *context;
    struct fh_http_peer *peer = fh_http_request_peer(connection);
    if (peer) {
        peer->is_busy = false;
        peer->receiving_ms = 0;
        peer->received = 0;
    }
    if (!request) {
        return;
    }
    *context = NULL;
    http->unsent -= request->is_unsent ? 1 : 0;
    if (request->is_refused ||
        (code == MHD_REQUEST_TERMINATED_WITH_ERROR && has_unread(connection))) {
        fh_http_linger_start(http, connection);
    }
    fh_http_watch_stop(request);
    request->connection = NULL;
    request->is_suspended = false;
    close_stream(request);
    fh_http_request_release(request);
}

/* --- what the handler asks -------------------------------------------------------------------------- */

struct fh_slice fh_http_request_method(const struct fh_http_request *request)
{
    return fh_slice_from(request->method);
}

struct fh_slice fh_http_request_path(const struct fh_http_request *request)
{
    return request->path;
}

struct fh_slice fh_http_request_body(const struct fh_http_request *request)
{
    return fh_buf_slice(&request->body);
}

const char *fh_http_request_address(const struct fh_http_request *request)
{
    return request->address;
}

bool fh_http_request_is_loopback(const struct fh_http_request *request)
{
    return request->is_loopback;
}

/* MHD leaves the blanks behind a value. */
static struct fh_slice trimmed(const char *value, size_t len)
{
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
        len--;
    }
    return fh_slice_make(value ? value : "", len);
}

struct fh_slice fh_http_request_header(const struct fh_http_request *request, const char *name)
{
    const char *value = NULL;
    size_t len = 0;
    if (!request->connection ||
        MHD_lookup_connection_value_n(request->connection, MHD_HEADER_KIND, name, strlen(name),
                                      &value, &len) == MHD_NO) {
        return fh_slice_make(NULL, 0);
    }
    return trimmed(value, len);
}

struct visit {
    fh_http_visit visit;
    void *arg;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    struct visit *visit = cls;
    visit->visit(visit->arg, fh_slice_make(name, name_len), trimmed(value, value_len));
    return MHD_YES;
}

void fh_http_request_each_header(struct fh_http_request *request, fh_http_visit visit, void *arg)
{
    struct visit context = {visit, arg};
    if (request->connection) {
        MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, visit_header, &context);
    }
}
