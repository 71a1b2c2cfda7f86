/* SPDX-License-Identifier: MIT */
/* A server for wrk that answers a constant. From the root of the tree:
 *
 *     gcc -O2 -D_GNU_SOURCE -Icore tests/bench/bench_http.c core/http/[a-z]*.c core/loop/[a-z]*.c \
 *         core/base/[a-z]*.c -lmicrohttpd -lev -lpthread -o /tmp/bench_http
 *     /tmp/bench_http 127.0.0.1:8090 [now | later]
 *     wrk -t1 -c64 -d5 http://127.0.0.1:8090/
 *
 * "now" answers inside the handler; "later" gathers requests and answers them before the loop
 * sleeps, as the engine does after a commit. */
#include "http/http.h"
#include "loop/loop.h"

#include <stdio.h>
#include <stdlib.h>

enum { GATHERED_MAX = 1024 };

struct bench {
    struct fh_hook hook;
    bool is_later;
    unsigned count;
    struct fh_http_request *gathered[GATHERED_MAX];
};

static void answer(struct fh_http_request *request)
{
    static const struct fh_http_header TYPE = {FH_SLICE_LIT("Content-Type"),
                                               FH_SLICE_LIT("application/json")};
    fh_http_respond(request, 200, &TYPE, 1, FH_SLICE_LIT("{\"code\":200,\"msg\":\"success\"}"));
}

static void on_request(void *arg, struct fh_http_request *request)
{
    struct bench *bench = arg;
    if (bench->is_later && bench->count < GATHERED_MAX) {
        bench->gathered[bench->count++] = request;
    } else {
        answer(request);
    }
}

static void before_sleep(struct fh_hook *hook)
{
    struct bench *bench = (struct bench *)hook;
    unsigned count = bench->count;
    bench->count = 0;
    for (unsigned i = 0; i < count; i++) {
        answer(bench->gathered[i]);
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {.is_later = argc > 2 && argv[2][0] == 'l'};
    struct fh_http_config config = {
        .address = argc > 1 ? argv[1] : "127.0.0.1:8090",
        .max_body_bytes = 1 << 20,
        .max_header_bytes = 16 * 1024,
        .max_connections = 10000,
        .idle_timeout_s = 60,
        .handler = on_request,
        .arg = &bench,
    };
    struct fh_loop *loop;
    struct fh_http *http;
    struct fh_error err;
    if (fh_loop_open(&loop, &err) != 0 || fh_http_open(&http, loop, &config, &err) != 0) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    fh_hook_init(&bench.hook, before_sleep);
    fh_hook_start(loop, &bench.hook);
    fh_loop_run(loop);
    return 0;
}
