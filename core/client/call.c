/* SPDX-License-Identifier: MIT */
#include "client/call.h"

#include "client/curl_error.h"
#include "client/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_BYTES = 64 * 1024 };

/* --- what curl calls -------------------------------------------------------------------------- */

/* A 303 asks for a GET; curl sends the custom method without its body instead. */
static void obey_see_other(struct fh_call *call)
{
    struct fh_answer *answer = &call->answer;
    if (!answer->is_in_head && answer->is_followed && answer->status == 303) {
        curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, NULL);
    }
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct fh_call *call = arg;
    size_t len = size * count;
    if (fh_answer_push_line(&call->answer, fh_slice_make(data, len), &call->failure) != 0) {
        return 0;
    }
    obey_see_other(call);
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct fh_call *call = arg;
    size_t len = size * count;
    int rc = fh_answer_push_body(&call->answer, fh_slice_make(data, len), &call->failure);
    return rc == 0 ? len : CURL_WRITEFUNC_ERROR;
}

/* Each address that a name stands for, before it is connected to; also those of redirects. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fh_call *call = arg;
    if (!fh_policy_allows(call->policy, &address->addr, &call->refusal)) {
        return CURL_SOCKET_BAD;
    }
    return fh_client_sockets_on_open(call->sockets, purpose, address);
}

/* --- the handle ------------------------------------------------------------------------------- */

/* Options that stay as they are for all calls. */
static int set_constants(struct fh_call *call, const char *user_agent)
{
    CURL *easy = call->easy;
    int bad = 0;
    bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    bad |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_text);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    bad |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    bad |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, fh_client_sockets_on_close);
    bad |= curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->sockets);
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Otherwise giving up a call blocks the loop until its getaddrinfo is back. */
    bad |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    bad |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    bad |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    bad |= curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    bad |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (user_agent) {
        bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, user_agent);
    }
    return bad ? FH_E_NO_MEMORY : 0;
}

struct fh_call *fh_call_new(struct fh_client *client, struct fh_client_sockets *sockets,
                            const char *user_agent, const struct fh_policy *policy)
{
    struct fh_call *call = calloc(1, sizeof(*call));
    if (!call) {
        return NULL;
    }
    fh_list_init(&call->link);
    fh_buf_init(&call->request, SIZE_MAX);
    fh_answer_init(&call->answer);
    call->client = client;
    call->sockets = sockets;
    call->policy = policy;
    call->easy = curl_easy_init();
    if (!call->easy || set_constants(call, user_agent) != 0) {
        fh_call_free(call);
        return NULL;
    }
    return call;
}

void fh_call_free(struct fh_call *call)
{
    curl_easy_cleanup(call->easy);
    fh_buf_deinit(&call->request);
    fh_answer_deinit(&call->answer);
    free(call);
}

void fh_call_clear(struct fh_call *call)
{
    if (call->request.data) {
        explicit_bzero(call->request.data, call->request.len);
    }
    fh_buf_clear(&call->request);
    if (call->request.cap > KEEP_BYTES) {
        fh_buf_deinit(&call->request);
    }
    fh_answer_clear(&call->answer, 0);
    call->failure.code = 0;
    call->refusal.code = 0;
    call->is_ending = false;
}

/* --- the result ------------------------------------------------------------------------------- */

static const char *peer_of(struct fh_call *call, char text[300])
{
    CURLU *url = curl_url();
    char *effective = NULL;
    char *host = NULL;
    char *port = NULL;
    curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &effective);
    if (url && effective && curl_url_set(url, CURLUPART_URL, effective, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        snprintf(text, 300, "%.280s:%s", host, port);
    } else {
        snprintf(text, 300, "the peer");
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return text;
}

static int take_errno(struct fh_call *call)
{
    long number = call->sockets->open_errno;
    call->sockets->open_errno = 0;
    if (number == 0) {
        curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    }
    return (int)number;
}

void fh_call_set_result(struct fh_call *call, CURLcode result)
{
    if (result == CURLE_OK || call->failure.code != 0) {
        return;
    }
    if (result == CURLE_COULDNT_CONNECT && call->refusal.code != 0) {
        call->failure = call->refusal;
        return;
    }
    char peer[300];
    struct fh_curl_failure failure = {
        .curl = result,
        .peer = peer_of(call, peer),
        .more = call->curl_text,
        .system_errno = result == CURLE_COULDNT_CONNECT ? take_errno(call) : 0,
        .connect_limit_ms = call->connect_timeout_ms,
        .is_answered = call->answer.status != 0,
    };
    fh_curl_error_set(&call->failure, &failure);
}

void fh_call_set_timed_out(struct fh_call *call)
{
    char peer[300];
    fh_error_set(&call->failure, FH_E_TIMEOUT,
                 "no answer from %s within %lld ms (timeout of the whole call)",
                 peer_of(call, peer), (long long)call->timeout_ms);
}

void fh_call_get_response(struct fh_call *call, struct fh_client_response *response)
{
    *response = (struct fh_client_response){.rc = 0};
    if (call->failure.code == 0 &&
        fh_answer_get_headers(&call->answer, &response->headers, &response->header_count) != 0) {
        fh_error_set(&call->failure, FH_E_NO_MEMORY, "no memory for the answer's headers");
    }
    if (call->failure.code != 0) {
        response->rc = call->failure.code;
        response->detail = call->failure.detail;
        return;
    }
    response->status = call->answer.status;
    response->body = fh_buf_slice(&call->answer.body);
}
