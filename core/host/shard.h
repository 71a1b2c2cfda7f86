/* SPDX-License-Identifier: MIT */
/* One shard: a loop, its HTTP server, client and Lua VM. Shard 0 turns on the thread that opened the
 * host; every other one has a thread of its own between start and stop. */
#pragma once

#include "base/error.h"
#include "loop/loop.h"
#include "vm/vm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct fh_config;
struct fh_http;
struct fh_policy;

struct fh_shard {
    struct fh_loop *loop;
    struct fh_client *client;
    struct fh_vm *vm;
    struct fh_http *http;
    pthread_t thread;
    bool has_thread;
    bool is_closed; /* its outside: what is still delivered finds neither listener nor client */
    struct fh_mail drain_mail;
    struct fh_timer drain_timer;
    _Atomic bool is_drain_asked;
    _Atomic int busy; /* runs and requests still worked on; -1 before the first count */
};

enum { FH_SHARDS_MAX = 64 };

/* How many there are to be: setting "shards", else one per processor. */
unsigned fh_shard_count(const struct fh_config *config);

/* Opens loop, client and VM. `context` gives store, shard numbers, peers and components; `policy` is borrowed. */
int fh_shard_open(struct fh_shard *shard, const struct fh_vm_context *context,
                  const struct fh_policy *policy, const struct fh_config *config,
                  struct fh_error *err);

/* Opens the listener: of shard `number` of `count`, which share the port. */
int fh_shard_listen(struct fh_shard *shard, const char *address, unsigned number, unsigned count,
                    const struct fh_config *config, struct fh_error *err);

/* Takes up unfinished runs; on a thread of its own if so asked. */
int fh_shard_start(struct fh_shard *shard, bool own_thread, struct fh_error *err);

/* Stops intake and begins to keep `busy` up to date. Any thread. */
void fh_shard_drain(struct fh_shard *shard);

/* Ends the thread. Nothing of the shard runs afterwards. */
void fh_shard_stop(struct fh_shard *shard);

/* Two parts, so that the store can be closed between the first and the second. */
void fh_shard_close_outside(struct fh_shard *shard);
void fh_shard_close_inside(struct fh_shard *shard);
