/* SPDX-License-Identifier: MIT */
/* An HTTP peer for tests: one thread accepts, one thread serves each connection with blocking
 * calls. What it answers is up to the path, see peer_answers; every request it has read, and
 * nothing else, is reported to the test's loop by mail. */
#pragma once

#include "base/list.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_MAX_CONNECTIONS = 512, PEER_REQUEST_BYTES = 256 * 1024 };

struct peer {
    struct fh_loop *loop;
    int listen_fd;
    int port;
    int seen; /* requests read; loop's thread */
    pthread_t acceptor;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    int connections;
    int fds[PEER_MAX_CONNECTIONS];
    pthread_t threads[PEER_MAX_CONNECTIONS];
    int waiting;                      /* requests for /barrier */
    int barrier;                      /* how many of them go on together */
    char request[PEER_REQUEST_BYTES]; /* the latest */
};

struct peer_answer {
    const char *path;
    const char *bytes;
    size_t len;
    bool then_close;
};

#define PEER_ANSWER(path, text, then_close)      \
    {                                            \
        path, text, sizeof(text) - 1, then_close \
    }
#define PEER_OK "HTTP/1.1 200 OK\r\n"

static const struct peer_answer peer_answers[] = {
    PEER_ANSWER("/hello", PEER_OK "Content-Length: 5\r\nX-A: 1\r\nx-a:  2 \r\n\r\nhello", false),
    PEER_ANSWER("/bye", PEER_OK "Content-Length: 3\r\n\r\nbye", true),
    PEER_ANSWER("/cut", PEER_OK "Content-Length: 100\r\n\r\nhalf", true),
    PEER_ANSWER("/cut-chunk", PEER_OK "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf", true),
    PEER_ANSWER("/empty", "", true),
    PEER_ANSWER("/garbage", "what is this?\r\n\r\n", true),
    PEER_ANSWER("/until-close", PEER_OK "\r\nall of it", true),
    PEER_ANSWER("/announced", PEER_OK "Content-Length: 1000\r\n\r\n", false),
    PEER_ANSWER("/chunked",
                PEER_OK "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
                        "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nX-T: late\r\n\r\n",
                false),
    PEER_ANSWER("/gzip",
                PEER_OK "Content-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"
                        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00"
                        "\x86\xa6\x10\x36\x05\x00\x00\x00",
                false),
    PEER_ANSWER("/bad-gzip", PEER_OK "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
                false),
    PEER_ANSWER("/moved",
                "HTTP/1.1 302 Found\r\nLocation: /hello\r\nX-Old: 1\r\nContent-Length: 2\r\n\r\nno",
                false),
    PEER_ANSWER("/other", "HTTP/1.1 303 See Other\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n",
                false),
    PEER_ANSWER("/round", "HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n",
                false),
    PEER_ANSWER("/to-file",
                "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
                false),
    PEER_ANSWER("/early",
                "HTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n" PEER_OK
                "Content-Length: 2\r\nX-Fold: a\r\n  b\r\nX-Empty:\r\n\r\nok",
                false),
    PEER_ANSWER("/204", "HTTP/1.1 204 No Content\r\n\r\n", false),
    PEER_ANSWER("/head", PEER_OK "Content-Length: 99999999\r\n\r\n", false),
    PEER_ANSWER("/404", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", false),
    PEER_ANSWER("/half", PEER_OK "Content-Length: 100\r\n\r\nhalf", false),
    PEER_ANSWER("/once", PEER_OK "Content-Length: 4\r\n\r\nonce", false),
    PEER_ANSWER("/barrier", PEER_OK "Content-Length: 2\r\n\r\nok", false),
};

struct peer_mail {
    struct fh_mail mail;
    struct peer *peer;
};

static inline void peer_on_mail(struct fh_mail *mail)
{
    struct peer_mail *message = FH_LIST_ENTRY(mail, struct peer_mail, mail);
    message->peer->seen++;
    free(message);
}

static inline void peer_report(struct peer *peer)
{
    struct peer_mail *message = malloc(sizeof(*message));
    *message = (struct peer_mail){{NULL, peer_on_mail}, peer};
    fh_loop_post(peer->loop, &message->mail);
}

static inline bool peer_is_tls(const char *text)
{
    return text[0] == 0x16; /* a handshake record, RFC 8446 §5.1 */
}

static inline bool peer_is_whole(const char *text, size_t len)
{
    if (peer_is_tls(text)) {
        return true;
    }
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\nContent-Length:");
    size_t body = end && length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return end && len >= (size_t)(end + 4 - text) + body;
}

/* False when the client has closed. */
static inline bool peer_read(int fd, char *text)
{
    size_t len = 0;
    text[0] = '\0';
    while (!peer_is_whole(text, len)) {
        ssize_t got = read(fd, text + len, PEER_REQUEST_BYTES - 1 - len);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        text[len] = '\0';
    }
    return true;
}

static inline bool peer_write(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static inline const struct peer_answer *peer_find(const char *request)
{
    const char *path = strchr(request, ' ') + 1;
    size_t len = strcspn(path, " ?");
    for (size_t i = 0; i < sizeof(peer_answers) / sizeof(peer_answers[0]); i++) {
        if (strlen(peer_answers[i].path) == len && memcmp(path, peer_answers[i].path, len) == 0) {
            return &peer_answers[i];
        }
    }
    return NULL;
}

static inline void peer_wait_barrier(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    peer->waiting++;
    pthread_cond_broadcast(&peer->changed);
    while (peer->waiting < peer->barrier) {
        pthread_cond_wait(&peer->changed, &peer->lock);
    }
    pthread_mutex_unlock(&peer->lock);
}

static inline bool peer_stream(int fd, bool is_head)
{
    static const char head[] = PEER_OK "Transfer-Encoding: chunked\r\n\r\n";
    char chunk[] = "400\r\n0123456789abcdef\r\n";
    char block[5 + 1024 + 2];
    memset(block, 'x', sizeof(block));
    memcpy(block, chunk, 5);
    memcpy(block + sizeof(block) - 2, "\r\n", 2);
    bool is_open = peer_write(fd, head, sizeof(head) - 1);
    while (is_open && !is_head) {
        is_open = peer_write(fd, block, sizeof(block)); /* until the client has enough */
    }
    return is_open;
}

static inline bool peer_long_head(int fd)
{
    char line[1024];
    memset(line, 'h', sizeof(line));
    memcpy(line, "X-Long: ", 8);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    bool is_open = peer_write(fd, PEER_OK, sizeof(PEER_OK) - 1);
    while (is_open) {
        is_open = peer_write(fd, line, sizeof(line));
    }
    return false;
}

/* False ends the connection. */
static inline bool peer_answer_one(struct peer *peer, int fd, const char *request, int nth)
{
    if (peer_is_tls(request)) {
        peer_write(fd, "HTTP/1.1 400 No TLS\r\n\r\n", 24);
        return false;
    }
    const struct peer_answer *answer = peer_find(request);
    if (strncmp(strchr(request, ' ') + 1, "/endless ", 9) == 0) {
        return peer_stream(fd, false);
    }
    if (strncmp(strchr(request, ' ') + 1, "/long-head ", 11) == 0) {
        return peer_long_head(fd);
    }
    if (!answer) {
        return true; /* hangs: the client hears nothing */
    }
    if (strcmp(answer->path, "/barrier") == 0) {
        peer_wait_barrier(peer);
    }
    if (strcmp(answer->path, "/once") == 0 && nth > 1) {
        return false;
    }
    return peer_write(fd, answer->bytes, answer->len) && !answer->then_close;
}

struct peer_connection {
    struct peer *peer;
    int index;
};

static inline void *peer_serve(void *arg)
{
    struct peer_connection connection = *(struct peer_connection *)arg;
    struct peer *peer = connection.peer;
    free(arg);
    int fd = peer->fds[connection.index];
    char *text = malloc(PEER_REQUEST_BYTES);
    for (int nth = 1; peer_read(fd, text); nth++) {
        pthread_mutex_lock(&peer->lock);
        memcpy(peer->request, text, strlen(text) + 1);
        pthread_mutex_unlock(&peer->lock);
        peer_report(peer);
        if (!peer_answer_one(peer, fd, text, nth)) {
            break;
        }
    }
    free(text);
    shutdown(fd, SHUT_RDWR); /* closed by peer_stop, so that its number stays ours */
    return NULL;
}

static inline void *peer_accept(void *arg)
{
    struct peer *peer = arg;
    for (int fd; (fd = accept(peer->listen_fd, NULL, NULL)) >= 0;) {
        pthread_mutex_lock(&peer->lock);
        struct peer_connection *connection = malloc(sizeof(*connection));
        *connection = (struct peer_connection){peer, peer->connections};
        peer->fds[peer->connections] = fd;
        pthread_create(&peer->threads[peer->connections], NULL, peer_serve, connection);
        peer->connections++;
        pthread_mutex_unlock(&peer->lock);
    }
    return NULL;
}

static inline int peer_bind(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        abort();
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static inline struct peer *peer_start(struct fh_loop *loop)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    peer->loop = loop;
    peer->listen_fd = peer_bind(&peer->port);
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->changed, NULL);
    if (listen(peer->listen_fd, PEER_MAX_CONNECTIONS) != 0 ||
        pthread_create(&peer->acceptor, NULL, peer_accept, peer) != 0) {
        abort();
    }
    return peer;
}

static inline int peer_connections(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    int connections = peer->connections;
    pthread_mutex_unlock(&peer->lock);
    return connections;
}

static inline bool peer_has_seen(struct peer *peer, const char *text)
{
    pthread_mutex_lock(&peer->lock);
    bool has = strstr(peer->request, text) != NULL;
    pthread_mutex_unlock(&peer->lock);
    return has;
}

/* Before the loop is closed, which frees the mail still under way. */
static inline void peer_stop(struct peer *peer)
{
    shutdown(peer->listen_fd, SHUT_RDWR);
    pthread_join(peer->acceptor, NULL);
    close(peer->listen_fd);
    for (int i = 0; i < peer->connections; i++) {
        shutdown(peer->fds[i], SHUT_RDWR);
        pthread_join(peer->threads[i], NULL);
        close(peer->fds[i]);
    }
}

/* After the loop is closed. */
static inline void peer_free(struct peer *peer)
{
    pthread_cond_destroy(&peer->changed);
    pthread_mutex_destroy(&peer->lock);
    free(peer);
}
