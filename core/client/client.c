/* SPDX-License-Identifier: MIT */
/* The multi handle on the loop. curl is entered from three places only: a ready descriptor, the
 * timer, and the hook before the loop sleeps, which sends off what was started in this turn.
 * curl's callbacks just note what it wants; on_done runs after curl has been left. */
#include "client/client.h"

#include "client/call.h"
#include "client/client_sockets.h"
#include "loop/loop.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POOLED = 128 };

struct fh_client {
    struct fh_loop *loop;
    CURLM *multi;
    struct fh_client_sockets sockets;
    struct fh_hook hook;
    struct fh_timer timer;
    long wanted_ms;         /* until curl wants to run: 0 now, -1 not at all */
    bool is_timer_stale;    /* wanted_ms has changed since the timer was set */
    struct fh_list active;  /* in the multi handle */
    struct fh_list refused; /* requests that cannot be made: told by the hook */
    struct fh_list pool;
    unsigned active_count;
    unsigned pool_count;
    unsigned max_idle;
    unsigned long long ended_count; /* tells the hook that on_done ran */
    char *user_agent;
    const struct fh_policy *policy;
    bool is_closing;
};

/* --- the end of a call ------------------------------------------------------------------------ */

/* curl's limit, looked at when a call returns its connection, counts the busy ones of the other
 * calls too: it has to move along with them. */
static void limit_idle(struct fh_client *client)
{
    long others = client->active_count > 0 ? (long)client->active_count - 1 : 0;
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, others + (long)client->max_idle);
}

static void detach(struct fh_call *call)
{
    struct fh_client *client = call->client;
    if (call->is_in_multi) {
        curl_multi_remove_handle(client->multi, call->easy);
        call->is_in_multi = false;
        client->active_count--;
        limit_idle(client);
    }
    fh_timer_stop(client->loop, &call->deadline);
    fh_list_pop(&call->link);
}

static void release(struct fh_call *call)
{
    struct fh_client *client = call->client;
    fh_call_clear(call);
    if (client->is_closing || client->pool_count >= MAX_POOLED) {
        fh_call_free(call);
        return;
    }
    fh_list_push(&client->pool, &call->link);
    client->pool_count++;
}

static void end(struct fh_call *call)
{
    struct fh_client_response response;
    detach(call);
    fh_call_get_response(call, &response);
    call->is_ending = true;
    call->client->ended_count++;
    call->on_done(call->arg, &response);
    release(call);
}

void fh_call_cancel(struct fh_call *call)
{
    if (!call->is_ending) {
        detach(call);
        release(call);
    }
}

static void on_deadline(struct fh_timer *timer)
{
    struct fh_call *call = FH_LIST_ENTRY(timer, struct fh_call, deadline);
    fh_call_set_timed_out(call);
    end(call);
}

/* --- driving curl ----------------------------------------------------------------------------- */

static void end_completed(struct fh_client *client)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));) {
        struct fh_call *call = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        fh_call_set_result(call, message->data.result);
        end(call);
    }
}

static void act(struct fh_client *client, curl_socket_t fd, int bits)
{
    int running;
    curl_multi_socket_action(client->multi, fd, bits, &running);
    end_completed(client);
}

static void on_ready(struct fh_client_sockets *sockets, curl_socket_t fd, int bits)
{
    act(FH_LIST_ENTRY(sockets, struct fh_client, sockets), fd, bits);
}

static void on_due(struct fh_timer *timer)
{
    act(FH_LIST_ENTRY(timer, struct fh_client, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *multi, long wait_ms, void *arg)
{
    (void)multi;
    struct fh_client *client = arg;
    client->wanted_ms = wait_ms;
    client->is_timer_stale = true;
    return 0;
}

static void set_timer(struct fh_client *client)
{
    if (!client->is_timer_stale) {
        return;
    }
    client->is_timer_stale = false;
    if (client->wanted_ms > 0) {
        fh_timer_start(client->loop, &client->timer, client->wanted_ms);
    } else {
        fh_timer_stop(client->loop, &client->timer);
    }
}

/* What on_done starts meanwhile waits for the next turn. */
static void end_refused(struct fh_client *client)
{
    struct fh_list refused;
    fh_list_init(&refused);
    fh_list_splice(&refused, &client->refused);
    while (!fh_list_is_empty(&refused)) {
        end(FH_LIST_ENTRY(refused.next, struct fh_call, link));
    }
}

static void before_sleep(struct fh_hook *hook)
{
    struct fh_client *client = FH_LIST_ENTRY(hook, struct fh_client, hook);
    unsigned long long ended_before = client->ended_count;
    if (client->wanted_ms == 0) {
        client->wanted_ms = -1;
        act(client, CURL_SOCKET_TIMEOUT, 0);
    }
    end_refused(client);
    set_timer(client);
    /* Other hooks may have run before on_done gave their owners something to flush. */
    if (client->wanted_ms == 0 || client->ended_count != ended_before) {
        fh_loop_wake(client->loop);
    }
}

/* --- open, close, start ----------------------------------------------------------------------- */

static int set_limits(struct fh_client *client, const struct fh_client_config *config)
{
    unsigned total = config->max_connections ? config->max_connections : 1024;
    unsigned per_host = config->max_connections_per_host ? config->max_connections_per_host : 256;
    client->max_idle = config->max_idle_connections ? config->max_idle_connections : 256;
    int bad = 0;
    bad |= curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, fh_client_sockets_on_poll);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, &client->sockets);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)total);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)per_host);
    limit_idle(client);
    return bad ? FH_E_USAGE : 0;
}

static void free_pool(struct fh_client *client)
{
    while (!fh_list_is_empty(&client->pool)) {
        struct fh_call *call = FH_LIST_ENTRY(client->pool.next, struct fh_call, link);
        fh_list_pop(&call->link);
        fh_call_free(call);
    }
}

int fh_client_open(struct fh_client **out, struct fh_loop *loop,
                   const struct fh_client_config *config, struct fh_error *err)
{
    struct fh_client *client = calloc(1, sizeof(*client));
    if (!client || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(client);
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for an HTTP client");
    }
    client->loop = loop;
    client->wanted_ms = -1;
    fh_list_init(&client->active);
    fh_list_init(&client->refused);
    fh_list_init(&client->pool);
    fh_timer_init(&client->timer, on_due);
    fh_hook_init(&client->hook, before_sleep);
    fh_client_sockets_init(&client->sockets, loop, on_ready);
    client->policy = config->policy;
    client->user_agent = config->user_agent ? strdup(config->user_agent) : NULL;
    client->multi = curl_multi_init();
    fh_hook_start(loop, &client->hook);
    if (!client->multi || (config->user_agent && !client->user_agent)) {
        fh_client_close(client);
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for an HTTP client");
    }
    if (set_limits(client, config) != 0) {
        fh_client_close(client);
        return fh_error_set(err, FH_E_USAGE, "libcurl refuses its options: is it too old?");
    }
    *out = client;
    return 0;
}

static void end_all(struct fh_list *calls)
{
    while (!fh_list_is_empty(calls)) {
        struct fh_call *call = FH_LIST_ENTRY(calls->next, struct fh_call, link);
        fh_error_set(&call->failure, FH_E_CANCELLED, "the HTTP client is closing");
        end(call);
    }
}

void fh_client_close(struct fh_client *client)
{
    client->is_closing = true;
    end_all(&client->refused);
    end_all(&client->active);
    free_pool(client);
    curl_multi_cleanup(client->multi);
    fh_client_sockets_deinit(&client->sockets);
    fh_timer_stop(client->loop, &client->timer);
    fh_hook_stop(client->loop, &client->hook);
    free(client->user_agent);
    free(client);
    curl_global_cleanup();
}

static struct fh_call *take(struct fh_client *client)
{
    if (fh_list_is_empty(&client->pool)) {
        struct fh_call *call =
            fh_call_new(client, &client->sockets, client->user_agent, client->policy);
        if (call) {
            fh_timer_init(&call->deadline, on_deadline);
        }
        return call;
    }
    /* The latest one: its memory is warm. */
    struct fh_call *call = FH_LIST_ENTRY(client->pool.prev, struct fh_call, link);
    fh_list_pop(&call->link);
    client->pool_count--;
    return call;
}

static int attach(struct fh_client *client, struct fh_call *call)
{
    if (call->failure.code != 0) {
        fh_list_push(&client->refused, &call->link);
        fh_loop_wake(client->loop);
        return 0;
    }
    client->active_count++;
    limit_idle(client);
    if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
        client->active_count--;
        return FH_E_NO_MEMORY;
    }
    call->is_in_multi = true;
    fh_list_push(&client->active, &call->link);
    if (call->timeout_ms > 0) {
        fh_timer_start(client->loop, &call->deadline, call->timeout_ms);
    }
    return 0;
}

int fh_client_start(struct fh_client *client, const struct fh_client_request *request,
                    fh_client_on_done on_done, void *arg, struct fh_call **out)
{
    if (client->is_closing) {
        return FH_E_CLOSED;
    }
    struct fh_call *call = take(client);
    if (!call) {
        return FH_E_NO_MEMORY;
    }
    call->on_done = on_done;
    call->arg = arg;
    int rc = fh_call_request_set(call, request);
    if (rc == 0) {
        rc = attach(client, call);
    }
    if (rc != 0) {
        release(call);
        return rc;
    }
    if (out) {
        *out = call;
    }
    return 0;
}
