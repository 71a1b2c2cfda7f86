/* SPDX-License-Identifier: MIT */
#include "client/client_sockets.h"

#include "base/list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fh_client_socket {
    struct fh_io io;
    struct fh_client_sockets *owner;
    int fd;
    int events;         /* watched now */
    bool is_used;       /* curl wants events; otherwise a resting connection */
    bool is_connection; /* not a descriptor of the resolver */
};

void fh_client_sockets_init(struct fh_client_sockets *sockets, struct fh_loop *loop,
                            void (*on_ready)(struct fh_client_sockets *sockets, curl_socket_t fd,
                                             int bits))
{
    *sockets = (struct fh_client_sockets){.loop = loop, .on_ready = on_ready};
}

static struct fh_client_socket *find(struct fh_client_sockets *sockets, int fd)
{
    return (size_t)fd < sockets->count ? sockets->by_fd[fd] : NULL;
}

static void watch(struct fh_client_socket *socket, int events)
{
    socket->events = events;
    fh_io_start(socket->owner->loop, &socket->io, events);
}

static void forget(struct fh_client_socket *socket)
{
    fh_io_stop(socket->owner->loop, &socket->io);
    socket->owner->by_fd[socket->fd] = NULL;
    free(socket);
}

void fh_client_sockets_deinit(struct fh_client_sockets *sockets)
{
    for (size_t fd = 0; fd < sockets->count; fd++) {
        if (sockets->by_fd[fd]) {
            forget(sockets->by_fd[fd]);
        }
    }
    free(sockets->by_fd);
    sockets->by_fd = NULL;
    sockets->count = 0;
}

/* `socket` may be gone once curl has been told. */
static void on_io(struct fh_io *io, int events)
{
    struct fh_client_socket *socket = FH_LIST_ENTRY(io, struct fh_client_socket, io);
    struct fh_client_sockets *sockets = socket->owner;
    if (!socket->is_used) {
        /* The peer closed a resting connection; curl finds out when it next wants it. */
        socket->events = 0;
        fh_io_stop(sockets->loop, io);
        return;
    }
    sockets->on_ready(sockets, socket->fd,
                      (events & FH_IO_READ ? CURL_CSELECT_IN : 0) |
                          (events & FH_IO_WRITE ? CURL_CSELECT_OUT : 0));
}

static bool make_room(struct fh_client_sockets *sockets, int fd)
{
    size_t count = sockets->count ? sockets->count : 64;
    while (count <= (size_t)fd) {
        count *= 2;
    }
    if (count == sockets->count) {
        return true;
    }
    struct fh_client_socket **by_fd =
        realloc(sockets->by_fd, count * sizeof(struct fh_client_socket *));
    if (!by_fd) {
        return false;
    }
    memset(by_fd + sockets->count, 0, (count - sockets->count) * sizeof(struct fh_client_socket *));
    sockets->by_fd = by_fd;
    sockets->count = count;
    return true;
}

static bool is_inet(int fd)
{
    int domain = 0;
    socklen_t len = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

static struct fh_client_socket *add(struct fh_client_sockets *sockets, int fd)
{
    struct fh_client_socket *socket = calloc(1, sizeof(*socket));
    if (!socket || !make_room(sockets, fd)) {
        free(socket);
        return NULL;
    }
    socket->owner = sockets;
    socket->fd = fd;
    socket->is_connection = is_inet(fd);
    fh_io_init(&socket->io, fd, on_io);
    sockets->by_fd[fd] = socket;
    return socket;
}

/* Only what is watched for reading alone is surely connected, hence ours to close later. */
static void rest(struct fh_client_socket *socket)
{
    if (socket->is_connection && socket->events == FH_IO_READ) {
        socket->is_used = false;
    } else {
        forget(socket);
    }
}

int fh_client_sockets_on_poll(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    (void)easy, (void)unused;
    struct fh_client_sockets *sockets = arg;
    struct fh_client_socket *socket = find(sockets, fd);
    if (what == CURL_POLL_REMOVE) {
        if (socket) {
            rest(socket);
        }
        return 0;
    }
    if (!socket && !(socket = add(sockets, fd))) {
        return 0; /* the call runs into its timeout; -1 would end every later call, too */
    }
    socket->is_used = true;
    watch(socket,
          (what & CURL_POLL_IN ? FH_IO_READ : 0) | (what & CURL_POLL_OUT ? FH_IO_WRITE : 0));
    return 0;
}

curl_socket_t fh_client_sockets_on_open(void *arg, curlsocktype purpose,
                                        struct curl_sockaddr *address)
{
    (void)purpose;
    struct fh_client_sockets *sockets = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);
    if (fd < 0) {
        sockets->open_errno = errno;
        return CURL_SOCKET_BAD;
    }
    struct fh_client_socket *stale = find(sockets, fd);
    if (stale) {
        /* The number of an attempt closed silently: curl believes that we watch it. */
        fh_io_stop(sockets->loop, &stale->io);
        fh_io_init(&stale->io, fd, on_io);
        if (stale->events != 0) {
            watch(stale, stale->events);
        }
    }
    return fd;
}

int fh_client_sockets_on_close(void *arg, curl_socket_t fd)
{
    struct fh_client_socket *socket = find(arg, fd);
    if (socket) {
        forget(socket);
    }
    return close(fd);
}
