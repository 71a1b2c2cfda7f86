/* SPDX-License-Identifier: MIT */
/* What the files of core/http share; nobody else includes this. libmicrohttpd (MHD) calls back only
 * from inside MHD_run, which only http.c calls, never from a handler: everything else just marks
 * connections as resumed and asks for a run. */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "http/http.h"
#include "loop/loop.h"

#include <microhttpd.h>

enum {
    FH_HTTP_SPARE_REQUESTS = 64,     /* kept for reuse */
    FH_HTTP_SPARE_BYTES = 16 * 1024, /* a kept request's buffers are at most this large */
    FH_HTTP_STREAM_BYTES = 1024 * 1024,
    FH_HTTP_ANSWER_HEADER_BYTES = 8 * 1024,
    FH_HTTP_LINGERERS = 256,
};

struct fh_http {
    struct fh_loop *loop;
    struct MHD_Daemon *daemon;
    fh_http_handler handler;
    void *arg;
    size_t max_body_bytes;
    size_t max_header_bytes;
    unsigned max_connections;
    unsigned idle_timeout_s;
    unsigned port;
    unsigned connections;
    unsigned pending;
    unsigned unsent; /* handed to the handler and not completed */
    uint64_t handed; /* requests ever given to the handler */
    struct fh_io io;
    struct fh_hook hook;
    struct fh_timer timer;
    bool must_run;
    bool is_running; /* inside MHD_run */
    bool is_stopping;
    bool is_closing;
    struct fh_list open;      /* requests the handler's side holds */
    struct fh_list peers;     /* connections */
    struct fh_list lingerers; /* sockets of refused requests, see http_linger.c */
    unsigned lingering;
    struct fh_http_request *spare;
    unsigned spare_count;
};

enum { FH_HTTP_ADDRESS_BYTES = 46 }; /* of text, with its NUL */

/* A connection; owned by MHD as its socket context. */
struct fh_http_peer {
    struct fh_list link;
    int fd;
    bool is_known;        /* has had a request before */
    bool is_busy;         /* a whole request is in and not yet answered */
    int64_t receiving_ms; /* when a request was first seen coming in; 0: not seen yet */
    uint64_t received;    /* bytes of its body so far */
};

/*  RECEIVING ─► HANDED ─► DONE                   fh_http_respond
 *      │           └────► STREAMING ─► DONE      fh_http_stream_start ... fh_http_stream_end
 *      └────► DONE                               refused
 * Independently of it the connection can end at any time: `connection` is NULL then. */
enum fh_http_phase {
    FH_HTTP_RECEIVING,
    FH_HTTP_HANDED,
    FH_HTTP_STREAMING,
    FH_HTTP_DONE,
};

/* Held by up to three: MHD until the request is completed, the handler's side until it has
 * answered, MHD's response while it reads from the stream. The last one frees it. */
struct fh_http_request {
    struct fh_http *http; /* NULL once the server is closed */
    struct MHD_Connection *connection;
    struct fh_http_request *next_spare;
    struct fh_list link; /* in http->open */
    unsigned holders;
    enum fh_http_phase phase;
    bool has_begun; /* the headers were looked at */
    bool is_unsent; /* counted in http->unsent */
    bool is_suspended;
    bool is_queued; /* MHD has a response */
    bool is_refused;
    bool is_loopback;
    char address[FH_HTTP_ADDRESS_BYTES];
    bool is_last; /* the caller will send no more on this connection */
    bool has_bad_target;
    const char *target; /* where MHD keeps it, up to its query */
    size_t target_len;  /* with the query */
    bool is_out_of_memory;
    uint64_t received; /* body bytes, also those thrown away */
    char method[24];
    struct fh_buf text; /* path and query */
    struct fh_slice path;
    struct fh_slice query; /* raw */
    struct fh_buf body;
    struct fh_buf out; /* the stream's bytes that MHD has not taken yet, from out_taken */
    size_t out_taken;
    struct fh_io watch; /* of a stream's caller */
    bool is_watched;    /* once begun; it may have been given up since */
    bool is_gone;       /* the caller, as the watch has seen */
    void (*on_closed)(void *arg);
    void (*on_room)(void *arg); /* once, when half the stream's buffer is free */
    void *stream_arg;
};

/* http.c: MHD_run before the loop sleeps; any number of calls cost one run. */
void fh_http_run_soon(struct fh_http *http);

/* http_address.c: a listening socket. */
int fh_http_address_listen(int *fd, unsigned *port, const struct fh_http_config *config,
                           struct fh_error *err);
bool fh_http_address_is_loopback(const struct sockaddr *address);
void fh_http_address_format(const struct sockaddr *address, char out[FH_HTTP_ADDRESS_BYTES]);

/* http_request.c: MHD's callbacks, in the order of a request's life. */
void *fh_http_request_on_target(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result fh_http_request_on_access(void *cls, struct MHD_Connection *connection,
                                          const char *url, const char *method, const char *version,
                                          const char *data, size_t *size, void **context);
void fh_http_request_on_completed(void *cls, struct MHD_Connection *connection, void **context,
                                  enum MHD_RequestTerminationCode code);
struct fh_http_peer *fh_http_request_peer(struct MHD_Connection *connection); /* NULL: no memory */
void fh_http_request_release(struct fh_http_request *request);
void fh_http_request_free_spares(struct fh_http *http);

/* http_target.c: copies path and query into the request; then takes the query away from MHD. */
void fh_http_target_keep(struct fh_http_request *request, struct fh_slice target);
void fh_http_target_hide_query(const char *target);

/* http_answer.c: an error document (RFC 9457) for a request the handler does not get to see. MHD_NO
 * when it cannot be sent. */
enum MHD_Result fh_http_answer_problem(struct fh_http_request *request, int status,
                                       const char *code, const char *title, const char *detail);
void fh_http_answer_resume(struct fh_http_request *request);

/* http_watch.c: notices that the caller of a suspended stream goes away. */
void fh_http_watch_start(struct fh_http_request *request);
void fh_http_watch_stop(struct fh_http_request *request);

/* http_linger.c: keeps the socket of a connection that MHD is about to close. */
void fh_http_linger_start(struct fh_http *http, struct MHD_Connection *connection);
void fh_http_linger_stop_all(struct fh_http *http);
