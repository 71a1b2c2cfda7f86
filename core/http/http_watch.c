/* SPDX-License-Identifier: MIT */
/* The caller of a stream. MHD does not look at the socket of a suspended connection, so that a stream with nothing to
 * say would not learn that nobody listens any more: the loop looks instead. */
#include "http/http_internal.h"

#include <errno.h>
#include <sys/socket.h>

/* More bytes are the next request: behind them an end cannot be seen, and a write will have to find out. */
static void on_ready(struct fh_io *io, int events)
{
    (void)events;
    struct fh_http_request *request = FH_LIST_ENTRY(io, struct fh_http_request, watch);
    char byte;
    ssize_t got = recv(io->watcher.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    fh_io_stop(request->http->loop, io);
    if (got <= 0) {
        request->is_gone = true;
        if (request->is_suspended) {
            fh_http_answer_resume(request);
        }
    }
}

void fh_http_watch_start(struct fh_http_request *request)
{
    if (request->is_watched || request->is_last || request->http->is_closing) {
        return;
    }
    request->is_watched = true;
    fh_io_init(
        &request->watch,
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
        on_ready);
    fh_io_start(request->http->loop, &request->watch, FH_IO_READ);
}

/* While the socket is open yet. */
void fh_http_watch_stop(struct fh_http_request *request)
{
    if (request->is_watched) {
        fh_io_stop(request->http->loop, &request->watch);
    }
}
