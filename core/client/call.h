/* SPDX-License-Identifier: MIT */
/* One call: an easy handle with the buffers that go with it. Made once and used for many calls
 * (the client keeps a pool): every option that depends on the request is set anew each time. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "client/answer.h"
#include "client/client.h"
#include "client/client_sockets.h"
#include "loop/loop.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct fh_call {
    struct fh_list link; /* of the client: under way, failed early, or pooled */
    struct fh_client *client;
    struct fh_client_sockets *sockets;
    CURL *easy;
    fh_client_on_done on_done;
    void *arg;
    struct fh_timer deadline; /* of the whole call: curl forgets it while a call is queued */
    int64_t timeout_ms;
    int64_t connect_timeout_ms;
    bool is_in_multi;
    bool is_ending;        /* on_done is running */
    struct fh_buf request; /* copies of what curl borrows */
    struct fh_answer answer;
    struct fh_error failure; /* code 0: none so far */
    struct fh_error refusal; /* of the last address that the policy refused */
    const struct fh_policy *policy;
    char curl_text[CURL_ERROR_SIZE];
};

/* The easy handle refers to `sockets` for as long as its connections live, which is until
 * curl_multi_cleanup. NULL without memory. */
struct fh_call *fh_call_new(struct fh_client *client, struct fh_client_sockets *sockets,
                            const char *user_agent, const struct fh_policy *policy);
void fh_call_free(struct fh_call *call);

/* In call_request.c. Sets up the handle. 0 (a request that cannot be made leaves its reason in call->failure),
 * FH_E_INVALID for headers that would break the request, or FH_E_NO_MEMORY. */
int fh_call_request_set(struct fh_call *call, const struct fh_client_request *request);

/* Forgets request and answer, wipes credentials. */
void fh_call_clear(struct fh_call *call);

/* Translates curl's result into call->failure, unless a reason is there already. */
void fh_call_set_result(struct fh_call *call, CURLcode result);
void fh_call_set_timed_out(struct fh_call *call);

/* What on_done gets; borrowed from the call. */
void fh_call_get_response(struct fh_call *call, struct fh_client_response *response);
