/* SPDX-License-Identifier: MIT */
/* Sockets of refused requests. A request refused before its body is in makes MHD close the socket
 * while the caller still sends; the kernel then resets the connection and the caller never reads
 * why. So the socket is kept open a while longer, and what still arrives is thrown away until the
 * caller has closed, too much came, or time ran out. */
#include "http/http_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, READ_BYTES = 16 * 1024, MOST_BYTES = 64 * 1024 * 1024 };

struct lingerer {
    struct fh_http *http;
    struct fh_list link;
    struct fh_io io;
    struct fh_timer timer;
    int fd;
    size_t left_bytes;
};

static void end(struct lingerer *lingerer)
{
    fh_io_stop(lingerer->http->loop, &lingerer->io);
    fh_timer_stop(lingerer->http->loop, &lingerer->timer);
    fh_list_pop(&lingerer->link);
    lingerer->http->lingering--;
    close(lingerer->fd);
    free(lingerer);
}

static void on_due(struct fh_timer *timer)
{
    end(FH_LIST_ENTRY(timer, struct lingerer, timer));
}

static void on_ready(struct fh_io *io, int events)
{
    (void)events;
    struct lingerer *lingerer = FH_LIST_ENTRY(io, struct lingerer, io);
    char waste[READ_BYTES];
    ssize_t got = recv(lingerer->fd, waste, sizeof(waste), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || (size_t)got >= lingerer->left_bytes) {
        end(lingerer);
        return;
    }
    lingerer->left_bytes -= (size_t)got;
}

void fh_http_linger_start(struct fh_http *http, struct MHD_Connection *connection)
{
    if (http->is_closing || http->lingering >= FH_HTTP_LINGERERS) {
        return;
    }
    struct lingerer *lingerer = calloc(1, sizeof(*lingerer));
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (!lingerer || (lingerer->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        free(lingerer);
        return;
    }
    lingerer->http = http;
    lingerer->left_bytes = MOST_BYTES;
    fh_list_push(&http->lingerers, &lingerer->link);
    http->lingering++;
    fh_io_init(&lingerer->io, lingerer->fd, on_ready);
    fh_io_start(http->loop, &lingerer->io, FH_IO_READ);
    fh_timer_init(&lingerer->timer, on_due);
    fh_timer_start(http->loop, &lingerer->timer, PATIENCE_MS);
}

void fh_http_linger_stop_all(struct fh_http *http)
{
    while (!fh_list_is_empty(&http->lingerers)) {
        end(FH_LIST_ENTRY(http->lingerers.next, struct lingerer, link));
    }
}
