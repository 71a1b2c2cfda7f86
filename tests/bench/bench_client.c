/* SPDX-License-Identifier: MIT */
/* Calls a second of core/client against a keep-alive responder in a second thread.
 *   gcc -O2 -D_GNU_SOURCE -Icore tests/bench/bench_client.c core/client/[a-z]*.c core/loop/loop.c \
 *       core/base/[a-z]*.c -lcurl -lev -lpthread -o bench_client
 *   ./bench_client [seconds for each figure] [post]
 *   strace -c -f ./bench_client 1
 * "per core" divides by the processor time of the client's thread alone. */
#include "client/client.h"

#include "loop/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* --- responder -------------------------------------------------------------------------------- */

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: 17\r\n\r\n{\"ok\":true,\"n\":1}";

static void serve(int epoll_fd, int fd)
{
    char text[8192];
    ssize_t got = read(fd, text, sizeof(text));
    if (got > 0 && write(fd, answer, sizeof(answer) - 1) > 0) {
        return;
    }
    if (got == 0 || errno != EAGAIN) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        close(fd);
    }
}

static void *respond(void *arg)
{
    int listen_fd = *(int *)arg;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listen_fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event);
    for (;;) {
        struct epoll_event ready[64];
        int count = epoll_wait(epoll_fd, ready, 64, -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd != listen_fd) {
                serve(epoll_fd, ready[i].data.fd);
                continue;
            }
            int one = 1;
            event.data.fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event);
        }
    }
    return NULL;
}

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 256) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        perror("listen");
        exit(1);
    }
    *port = ntohs(address.sin_port);
    return fd;
}

/* --- caller ----------------------------------------------------------------------------------- */

struct bench {
    struct fh_loop *loop;
    struct fh_client *client;
    struct fh_client_request request;
    long done;
    int under_way;
    bool is_over;
};

static void start(struct bench *bench);

static void on_done(void *arg, const struct fh_client_response *response)
{
    struct bench *bench = arg;
    if (response->rc != 0) {
        fprintf(stderr, "%s\n", response->detail);
        exit(1);
    }
    bench->done++;
    bench->under_way--;
    if (!bench->is_over) {
        start(bench);
    }
}

static void start(struct bench *bench)
{
    if (fh_client_start(bench->client, &bench->request, on_done, bench, NULL) != 0) {
        exit(1);
    }
    bench->under_way++;
}

static double seconds(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void measure(struct bench *bench, int concurrency, double duration)
{
    bench->is_over = false;
    for (int i = 0; i < concurrency; i++) {
        start(bench);
    }
    for (long warm = bench->done + 1000; bench->done < warm;) {
        fh_loop_run_once(bench->loop, -1);
    }
    long before = bench->done;
    double from = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    while (seconds(CLOCK_MONOTONIC) < from + duration) {
        fh_loop_run_once(bench->loop, -1);
    }
    double calls = (double)(bench->done - before);
    from = seconds(CLOCK_MONOTONIC) - from;
    cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    printf("concurrency %3d: %7.0f calls/s, %7.0f per core\n", concurrency, calls / from,
           calls / cpu);
    bench->is_over = true;
    while (bench->under_way > 0) {
        fh_loop_run_once(bench->loop, -1);
    }
}

int main(int argc, char **argv)
{
    int port;
    int listen_fd = listen_somewhere(&port);
    pthread_t thread;
    pthread_create(&thread, NULL, respond, &listen_fd);

    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/path?x=1", port);
    struct fh_client_header header = {FH_SLICE_LIT("Content-Type"),
                                      FH_SLICE_LIT("application/json")};
    struct bench bench = {
        .request = {.method = FH_SLICE_LIT("GET"), .url = fh_slice_from(url), .timeout_ms = 30000}};
    if (argc > 2 && strcmp(argv[2], "post") == 0) {
        bench.request.method = FH_SLICE_LIT("POST");
        bench.request.headers = &header;
        bench.request.header_count = 1;
        bench.request.body = FH_SLICE_LIT("{\"a\":1,\"b\":[1,2,3]}");
        bench.request.has_body = true;
    }
    struct fh_client_config config = {.user_agent = "flowhost/bench"};
    if (fh_loop_open(&bench.loop, NULL) != 0 ||
        fh_client_open(&bench.client, bench.loop, &config, NULL) != 0) {
        return 1;
    }
    double duration = argc > 1 ? atof(argv[1]) : 3;
    measure(&bench, 1, duration);
    measure(&bench, 16, duration);
    measure(&bench, 64, duration);
    printf("calls in all: %ld\n", bench.done);
    fh_client_close(bench.client);
    fh_loop_close(bench.loop);
    return 0;
}
