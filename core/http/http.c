/* SPDX-License-Identifier: MIT */
/* The server: opens and closes MHD's daemon and drives it from the loop. MHD has its own epoll
 * descriptor, which the loop watches; beyond that MHD must be run when a connection was resumed and
 * when it says that it has work left, else that work waits for the next unrelated event. Those runs
 * are gathered in the hook before the loop sleeps. */
#include "http/http.h"

#include "http/http_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TICK_MS = 1000, /* idle connections wake the loop no more often */
    SLOWEST_BYTES_PER_SECOND =
        1024, /* a body may take as long as this rate needs, and the timeout */
};

void fh_http_run_soon(struct fh_http *http)
{
    http->must_run = true;
    fh_loop_wake(http->loop);
}

static void run_daemon(struct fh_http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    http->must_run = false;
    http->is_running = true;
    MHD_run(http->daemon);
    http->is_running = false;
    bool is_timed = MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES;
    if (http->must_run || (is_timed && wait_ms == 0)) {
        fh_http_run_soon(http);
    }
    if (is_timed && !fh_timer_is_active(&http->timer)) {
        /* Deadlines only ever move on, so a timer that runs is early enough. */
        fh_timer_start(http->loop, &http->timer, wait_ms > TICK_MS ? (int64_t)wait_ms : TICK_MS);
    }
}

static void on_ready(struct fh_io *io, int events)
{
    (void)events;
    run_daemon(FH_LIST_ENTRY(io, struct fh_http, io));
}

static void before_sleep(struct fh_hook *hook)
{
    struct fh_http *http = FH_LIST_ENTRY(hook, struct fh_http, hook);
    uint64_t handed = http->handed;
    if (http->must_run) {
        run_daemon(http);
    }
    if (http->handed != handed) {
        /* What the handler gathered may wait for a hook that has already run in this turn. */
        fh_loop_wake(http->loop);
    }
}

/* MHD's timeout starts anew with every byte; a request that trickles in is cut here. */
static void cut_if_slow(struct fh_http *http, struct fh_http_peer *peer, int64_t now_ms)
{
    int64_t allowed_ms = (int64_t)http->idle_timeout_s * 1000 +
                         (int64_t)(peer->received / SLOWEST_BYTES_PER_SECOND) * 1000;
    if (peer->is_busy) {
        return;
    }
    if (peer->receiving_ms == 0) {
        peer->receiving_ms = now_ms;
    } else if (now_ms - peer->receiving_ms > allowed_ms) {
        shutdown(peer->fd, SHUT_RDWR);
    }
}

static void on_tick(struct fh_timer *timer)
{
    struct fh_http *http = FH_LIST_ENTRY(timer, struct fh_http, timer);
    int64_t now_ms = fh_clock_mono_us(&fh_clock_system) / 1000;
    for (struct fh_list *link = http->peers.next; http->idle_timeout_s > 0 && link != &http->peers;
         link = link->next) {
        cut_if_slow(http, FH_LIST_ENTRY(link, struct fh_http_peer, link), now_ms);
    }
    run_daemon(http);
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t len)
{
    (void)address, (void)len;
    struct fh_http *http = cls;
    return http->connections < http->max_connections ? MHD_YES : MHD_NO;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct fh_http *http = cls;
    struct fh_http_peer *peer = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        http->connections++;
        *context = peer = calloc(1, sizeof(*peer));
        if (peer) {
            peer->fd =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
            fh_list_push(&http->peers, &peer->link);
        }
        return;
    }
    http->connections--;
    /* If MHD stopped accepting for lack of descriptors, only its next run starts again. */
    http->must_run = true;
    if (peer) {
        fh_list_pop(&peer->link);
        free(peer);
    }
}

/* http_request.c decodes: MHD's url ends at a NUL byte. */
static size_t leave_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct fh_http *http, int fd)
{
    /* Headers, MHD's records of them, and the head of the answer share this memory. MHD zeroes all
     * of it with each request, so no more than needed. */
    size_t memory =
        http->max_header_bytes + http->max_header_bytes / 2 + FH_HTTP_ANSWER_HEADER_BYTES;
    /* Strictness -1 is the one that refuses blanks between a header's name and its colon. What 1
     * would check is checked in http_request.c, where it can be answered properly. */
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, http, fh_http_request_on_access,
        http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
        MHD_OPTION_CONNECTION_LIMIT, http->max_connections + 64, MHD_OPTION_CONNECTION_TIMEOUT,
        http->idle_timeout_s, MHD_OPTION_STRICT_FOR_CLIENT, -1, MHD_OPTION_URI_LOG_CALLBACK,
        fh_http_request_on_target, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, fh_http_request_on_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
}

static void init(struct fh_http *http, struct fh_loop *loop, const struct fh_http_config *config)
{
    http->loop = loop;
    http->handler = config->handler;
    http->arg = config->arg;
    http->max_body_bytes = config->max_body_bytes;
    http->max_header_bytes = config->max_header_bytes;
    http->max_connections = config->max_connections;
    http->idle_timeout_s = config->idle_timeout_s;
    fh_list_init(&http->open);
    fh_list_init(&http->peers);
    fh_list_init(&http->lingerers);
}

int fh_http_open(struct fh_http **out, struct fh_loop *loop, const struct fh_http_config *config,
                 struct fh_error *err)
{
    int fd;
    struct fh_http *http = calloc(1, sizeof(*http));
    if (!http) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for an HTTP server");
    }
    init(http, loop, config);
    int rc = fh_http_address_listen(&fd, &http->port, config, err);
    if (rc != 0) {
        goto out;
    }
    http->daemon = start_daemon(http, fd);
    if (!http->daemon) { /* whether it has closed `fd` cannot be known; a leak beats closing twice */
        rc = fh_error_set(err, FH_E_IO, "cannot start the HTTP server on %s: too many open files?",
                          config->address);
        goto out;
    }
    fh_io_init(&http->io, MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
               on_ready);
    fh_io_start(loop, &http->io, FH_IO_READ);
    fh_hook_init(&http->hook, before_sleep);
    fh_hook_start(loop, &http->hook);
    fh_timer_init(&http->timer, on_tick);
    fh_http_run_soon(http);
    *out = http;
out:
    if (rc != 0) {
        free(http);
    }
    return rc;
}

void fh_http_stop_listening(struct fh_http *http)
{
    if (!http->is_stopping) {
        http->is_stopping = true;
        close(MHD_quiesce_daemon(http->daemon));
    }
}

static void resume_open(struct fh_http *http)
{
    for (struct fh_list *link = http->open.next; link != &http->open; link = link->next) {
        struct fh_http_request *request = FH_LIST_ENTRY(link, struct fh_http_request, link);
        if (request->is_suspended) {
            fh_http_answer_resume(request);
        }
    }
}

void fh_http_close(struct fh_http *http)
{
    if (!http) {
        return;
    }
    assert(!http->is_running);
    http->is_closing = true;
    fh_io_stop(http->loop, &http->io);
    fh_hook_stop(http->loop, &http->hook);
    fh_timer_stop(http->loop, &http->timer);
    resume_open(http); /* MHD refuses to stop with suspended connections */
    MHD_stop_daemon(http->daemon);
    fh_http_linger_stop_all(http);
    while (!fh_list_is_empty(&http->open)) {
        struct fh_list *link = http->open.next;
        fh_list_pop(link);
        FH_LIST_ENTRY(link, struct fh_http_request, link)->http = NULL;
    }
    fh_http_request_free_spares(http);
    free(http);
}

unsigned fh_http_get_port(const struct fh_http *http)
{
    return http->port;
}

unsigned fh_http_get_pending(const struct fh_http *http)
{
    return http->pending;
}

unsigned fh_http_get_unsent(const struct fh_http *http)
{
    return http->unsent;
}
