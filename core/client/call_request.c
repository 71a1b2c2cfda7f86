/* SPDX-License-Identifier: MIT */
/* From a request to the options of the easy handle: what is refused, what is copied, what is set.
 * Every option that depends on the request is set each time, whatever the call before was. */
#include "client/call.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

enum {
    DEFAULT_MAX_BYTES = 8 * 1024 * 1024,
    DEFAULT_CONNECT_MS = 10000,
    OWN_HEADERS = 2, /* see push_own_headers */
    OWN_HEADERS_BYTES = sizeof("Expect:") + sizeof("Content-Type:"),
};

/* --- checks ----------------------------------------------------------------------------------- */

/* RFC 9110 §5.6.2: what methods and header names are made of. */
static bool is_token(struct fh_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_alnum && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c))) {
            return false;
        }
    }
    return text.len > 0;
}

static bool has_any(struct fh_slice text, struct fh_slice unwanted)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr(unwanted.data, text.data[i], unwanted.len)) {
            return true;
        }
    }
    return false;
}

static bool is_header_safe(const struct fh_client_header *header)
{
    return is_token(header->name) && !has_any(header->value, FH_SLICE_LIT("\r\n\0"));
}

static bool has_prefix(struct fh_slice text, struct fh_slice prefix)
{
    return text.len > prefix.len && strncasecmp(text.data, prefix.data, prefix.len) == 0;
}

static int check_url(struct fh_slice url, struct fh_error *err)
{
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.data[i];
        if (c <= ' ' || c == 0x7f) {
            return fh_error_set(err, FH_E_INVALID,
                                "the url has a %s at byte %zu, percent-encode it",
                                c == ' ' ? "space" : "control character", i);
        }
    }
    if (!has_prefix(url, FH_SLICE_LIT("http://")) && !has_prefix(url, FH_SLICE_LIT("https://"))) {
        return fh_error_set(err, FH_E_INVALID, "the url must begin with http:// or https://");
    }
    return 0;
}

static int check(const struct fh_client_request *request, struct fh_error *err)
{
    if (!is_token(request->method)) {
        return fh_error_set(err, FH_E_INVALID, "the method is not a word such as GET or POST");
    }
    if (request->has_body && fh_slice_equal(request->method, FH_SLICE_LIT("HEAD"))) {
        return fh_error_set(err, FH_E_INVALID, "a HEAD request cannot have a body, drop it");
    }
    if (has_any(request->user, FH_SLICE_LIT("\0")) ||
        has_any(request->password, FH_SLICE_LIT("\0"))) {
        return fh_error_set(err, FH_E_INVALID, "user or password has a NUL byte");
    }
    return check_url(request->url, err);
}

/* --- the request ------------------------------------------------------------------------------ */

static bool is_name(struct fh_slice name, const char *text)
{
    return name.len == strlen(text) && strncasecmp(name.data, text, name.len) == 0;
}

/* Headers that say how the body is sent are the client's own affair. */
static bool is_framing(struct fh_slice name)
{
    return is_name(name, "content-length") || is_name(name, "transfer-encoding") ||
           is_name(name, "expect");
}

static size_t count_bytes(const struct fh_client_request *request)
{
    size_t total = (request->header_count + OWN_HEADERS) * sizeof(struct curl_slist);
    total += OWN_HEADERS_BYTES;
    for (size_t i = 0; i < request->header_count; i++) {
        total += request->headers[i].name.len + request->headers[i].value.len + 3;
    }
    total += request->tls_ca.len + request->tls_cert.len + request->tls_key.len + 3;
    return total + request->method.len + request->url.len + request->body.len + request->user.len +
           request->password.len + 5;
}

/* Room was reserved for all that is copied, so what it returns stays where it is. */
static char *copy(struct fh_call *call, struct fh_slice bytes)
{
    char *at = call->request.data + call->request.len;
    fh_buf_push_slice(&call->request, bytes);
    fh_buf_push_byte(&call->request, '\0');
    return at;
}

static struct fh_slice trim(struct fh_slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = fh_slice_make(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* curl takes "Name;" for a header without value; "Name:" would remove it. */
static char *copy_header(struct fh_call *call, const struct fh_client_header *header)
{
    char *at = call->request.data + call->request.len;
    struct fh_slice value = trim(header->value);
    fh_buf_push_slice(&call->request, header->name);
    if (value.len == 0) {
        copy(call, FH_SLICE_LIT(";"));
    } else {
        fh_buf_push_slice(&call->request, FH_SLICE_LIT(": "));
        copy(call, value);
    }
    return at;
}

/* A list in curl's form, its nodes and texts in the call's buffer. */
struct header_list {
    struct curl_slist *first;
    struct curl_slist *nodes;
    size_t count;
};

static void push_header(struct header_list *list, char *text)
{
    struct curl_slist *node = &list->nodes[list->count];
    *node = (struct curl_slist){.data = text};
    if (list->count > 0) {
        list->nodes[list->count - 1].next = node;
    }
    list->first = list->nodes;
    list->count++;
}

/* Without these curl waits for "100 Continue" and calls every body a web form. */
static void push_own_headers(struct header_list *list, struct fh_call *call, bool has_type)
{
    push_header(list, copy(call, FH_SLICE_LIT("Expect:")));
    if (!has_type) {
        push_header(list, copy(call, FH_SLICE_LIT("Content-Type:")));
    }
}

static struct curl_slist *copy_headers(struct fh_call *call,
                                       const struct fh_client_request *request, bool sends_body)
{
    struct header_list list = {.nodes = (void *)call->request.data};
    bool has_type = false;
    call->request.len = (request->header_count + OWN_HEADERS) * sizeof(struct curl_slist);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct fh_client_header *header = &request->headers[i];
        has_type = has_type || is_name(header->name, "content-type");
        if (!is_framing(header->name)) {
            push_header(&list, copy_header(call, header));
        }
    }
    if (sends_body) {
        push_own_headers(&list, call, has_type);
    }
    return list.first;
}

/* These carry "Content-Length: 0" when they have no body. */
static bool sends_body(const struct fh_client_request *request)
{
    return request->has_body || fh_slice_equal(request->method, FH_SLICE_LIT("POST")) ||
           fh_slice_equal(request->method, FH_SLICE_LIT("PUT")) ||
           fh_slice_equal(request->method, FH_SLICE_LIT("PATCH"));
}

static int set_method(struct fh_call *call, const struct fh_client_request *request)
{
    struct fh_slice method = request->method;
    bool is_post = fh_slice_equal(method, FH_SLICE_LIT("POST"));
    bool is_head = fh_slice_equal(method, FH_SLICE_LIT("HEAD"));
    bool is_get = fh_slice_equal(method, FH_SLICE_LIT("GET")) && !request->has_body;
    struct fh_slice body = request->has_body ? request->body : FH_SLICE_LIT("");
    CURL *easy = call->easy;
    int bad = 0;
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* undoes the others */
    if (is_head) {
        bad |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (sends_body(request)) {
        bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        bad |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, copy(call, body));
    }
    bool is_custom = !is_get && !is_head && !is_post;
    bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, is_custom ? copy(call, method) : NULL);
    /* 301 and 302 turn a POST into a GET, as in browsers; other methods keep their body. */
    bad |= curl_easy_setopt(easy, CURLOPT_POSTREDIR,
                            is_post ? 0L : (long)(CURL_REDIR_POST_301 | CURL_REDIR_POST_302));
    call->answer.is_bodyless = is_head;
    return bad;
}

static long bounded_ms(int64_t ms)
{
    return ms > INT_MAX ? INT_MAX : (long)ms;
}

static int set_user(struct fh_call *call, const struct fh_client_request *request)
{
    bool has_user = request->user.data != NULL;
    int bad =
        curl_easy_setopt(call->easy, CURLOPT_USERNAME, has_user ? copy(call, request->user) : NULL);
    return bad | curl_easy_setopt(call->easy, CURLOPT_PASSWORD,
                                  has_user ? copy(call, request->password) : NULL);
}

/* curl gets the place in the call's own buffer, which outlives the transfer. */
static CURLcode set_blob(struct fh_call *call, CURLoption option, struct fh_slice pem)
{
    struct curl_blob blob = {.len = pem.len, .flags = CURL_BLOB_NOCOPY};
    if (!pem.data) {
        return curl_easy_setopt(call->easy, option, NULL);
    }
    blob.data = copy(call, pem);
    return curl_easy_setopt(call->easy, option, &blob);
}

static int set_tls(struct fh_call *call, const struct fh_client_request *request)
{
    int bad = set_blob(call, CURLOPT_CAINFO_BLOB, request->tls_ca);
    bad |= set_blob(call, CURLOPT_SSLCERT_BLOB, request->tls_cert);
    return bad | set_blob(call, CURLOPT_SSLKEY_BLOB, request->tls_key);
}

static int set_options(struct fh_call *call, const struct fh_client_request *request)
{
    CURL *easy = call->easy;
    struct curl_slist *headers = copy_headers(call, request, sends_body(request));
    int bad = 0;
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    bad |= curl_easy_setopt(easy, CURLOPT_URL, copy(call, request->url));
    bad |= set_method(call, request);
    bad |= set_user(call, request);
    bad |= set_tls(call, request);
    bad |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, bounded_ms(call->connect_timeout_ms));
    bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->max_redirects > 0 ? 1L : 0L);
    bad |= curl_easy_setopt(easy, CURLOPT_MAXREDIRS,
                            request->max_redirects > INT_MAX ? -1L : (long)request->max_redirects);
    return bad ? FH_E_NO_MEMORY : 0;
}

int fh_call_request_set(struct fh_call *call, const struct fh_client_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_header_safe(&request->headers[i])) {
            return FH_E_INVALID;
        }
    }
    fh_answer_clear(&call->answer, request->max_bytes ? request->max_bytes : DEFAULT_MAX_BYTES);
    call->answer.is_followed = request->max_redirects > 0;
    call->timeout_ms = request->timeout_ms;
    call->connect_timeout_ms =
        request->connect_timeout_ms > 0 ? request->connect_timeout_ms : DEFAULT_CONNECT_MS;
    call->curl_text[0] = '\0';
    call->failure.code = 0;
    if (check(request, &call->failure) != 0) {
        return 0;
    }
    int rc = fh_buf_reserve(&call->request, count_bytes(request));
    return rc == 0 ? set_options(call, request) : FH_E_NO_MEMORY;
}
