/* SPDX-License-Identifier: MIT */
/* A host inside the test, through flowhost.h alone: short ways to open it, ask it and wait. */
#pragma once

#include "flowhost.h"
#include "host_fixture.h"

#include <stdbool.h>

/* One shard, no listener, a small data file: what a test needs, and what valgrind can map. NULL-terminated pairs
 * of settings win over these. */
static inline int host_try_open(flowhost **host, const char *data, flowhost_error *error,
                                const char *const *settings)
{
    flowhost_config *config = flowhost_config_new();
    flowhost_config_set(config, "data", data);
    flowhost_config_set(config, "listen", "none");
    flowhost_config_set(config, "shards", "1");
    flowhost_config_set(config, "log_level", "off");
    flowhost_config_set(config, "map_size", "16m");
    for (; settings && settings[0]; settings += 2) {
        flowhost_config_set(config, settings[0], settings[1]);
    }
    int rc = flowhost_open(host, config, error);
    flowhost_config_free(config);
    return rc;
}

static inline flowhost *host_open(const char *data)
{
    flowhost_error error = {0, ""};
    flowhost *host;
    if (host_try_open(&host, data, &error, NULL) != 0) {
        fail_msg("%s", error.message);
    }
    return host;
}

static inline void host_load(flowhost *host, const char *dir)
{
    flowhost_error error = {0, ""};
    int rc = flowhost_load(host, dir, NULL, NULL, &error);
    if (rc != 0) {
        fail_msg("%d: %s", rc, error.message);
    }
}

struct reply {
    int status; /* 0 until it is there */
    int count;
    char body[4096];
};

static inline void reply_keep(void *user, int status, const char *body, size_t len)
{
    struct reply *reply = user;
    reply->status = status;
    reply->count++;
    snprintf(reply->body, sizeof(reply->body), "%.*s", (int)len, body);
}

static inline void host_send(flowhost *host, const char *method, const char *path, const char *body,
                             struct reply *reply)
{
    *reply = (struct reply){.status = 0};
    assert_int_equal(flowhost_request(host, method, path, body, strlen(body), reply_keep, reply),
                     0);
}

static inline void host_wait(flowhost *host, const struct reply *reply)
{
    while (reply->status == 0) {
        flowhost_step(host, -1);
    }
    assert_int_equal(reply->count, 1);
}

static inline void host_ask(flowhost *host, const char *method, const char *path, const char *body,
                            struct reply *reply)
{
    host_send(host, method, path, body, reply);
    host_wait(host, reply);
}

static inline void host_run(flowhost *host, const char *flow, const char *input,
                            struct reply *reply)
{
    char path[128];
    snprintf(path, sizeof(path), "/v1/flows/%s/runs", flow);
    host_ask(host, "POST", path, input, reply);
}

#define assert_contains(text, part)                  \
    do {                                             \
        if (!strstr(text, part)) {                   \
            fail_msg("no '%s' in '%s'", part, text); \
        }                                            \
    } while (0)
