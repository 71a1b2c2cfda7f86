/* SPDX-License-Identifier: MIT */
/* The descriptors curl works with, watched by the shard's loop. Watching goes on, for reading,
 * while a connection rests between two calls: curl comes back to it at once as a rule, and so
 * no epoll_ctl is spent. Rules of libcurl 7.88 that shape this:
 * - a connection is closed through our callback, even long after its easy handle is gone;
 * - one that never got connected is closed silently, and its number may at once belong to the
 *   next attempt without curl saying so: hence the callback that opens sockets;
 * - descriptors of the resolver are closed silently after CURL_POLL_REMOVE. */
#pragma once

#include "loop/loop.h"

#include <curl/curl.h>
#include <stddef.h>

struct fh_client_socket;

/* Field of its owner. */
struct fh_client_sockets {
    struct fh_loop *loop;
    struct fh_client_socket **by_fd;
    size_t count;
    int open_errno; /* why a socket could not be opened lately, or 0 */
    /* `bits` as curl_multi_socket_action wants them; called from the loop. */
    void (*on_ready)(struct fh_client_sockets *sockets, curl_socket_t fd, int bits);
};

void fh_client_sockets_init(struct fh_client_sockets *sockets, struct fh_loop *loop,
                            void (*on_ready)(struct fh_client_sockets *sockets, curl_socket_t fd,
                                             int bits));

/* After curl_multi_cleanup. */
void fh_client_sockets_deinit(struct fh_client_sockets *sockets);

/* For CURLMOPT_SOCKETFUNCTION and CURLOPT_{OPEN,CLOSE}SOCKETFUNCTION; `arg` is the struct. */
int fh_client_sockets_on_poll(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused);
curl_socket_t fh_client_sockets_on_open(void *arg, curlsocktype purpose,
                                        struct curl_sockaddr *address);
int fh_client_sockets_on_close(void *arg, curl_socket_t fd);
