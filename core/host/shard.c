/* SPDX-License-Identifier: MIT */
#include "host/shard.h"

#include "base/list.h"
#include "base/log.h"
#include "client/client.h"
#include "host/config.h"
#include "http/http.h"

#include <signal.h>
#include <unistd.h>

enum { DRAIN_COUNT_MS = 20 };

unsigned fh_shard_count(const struct fh_config *settings)
{
    uint64_t count = fh_config_number(settings, "shards");
    if (count == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        count = cores > 0 ? (uint64_t)cores : 1;
    }
    return count > FH_SHARDS_MAX ? FH_SHARDS_MAX
                                 : (unsigned)count; /* of the machine's processors */
}

int fh_shard_open(struct fh_shard *shard, const struct fh_vm_context *context,
                  const struct fh_policy *policy, const struct fh_config *config,
                  struct fh_error *err)
{
    struct fh_client_config client = {
        .policy = policy,
        .max_connections = (unsigned)fh_config_number(config, "max_outgoing"),
        .user_agent = "flowhost",
    };
    struct fh_vm_context own = *context;
    shard->busy = -1;
    int rc = fh_loop_open(&shard->loop, err);
    if (rc == 0) {
        rc = fh_client_open(&shard->client, shard->loop, &client, err);
    }
    if (rc == 0) {
        own.loop = shard->loop;
        own.client = shard->client;
        rc = fh_vm_open(&shard->vm, &own, err);
    }
    return rc;
}

int fh_shard_listen(struct fh_shard *shard, const char *address, unsigned number, unsigned count,
                    const struct fh_config *config, struct fh_error *err)
{
    struct fh_http_config http = {
        .address = address,
        .reuse_port = count > 1,
        .claim_port = number == 0,
        .max_body_bytes = fh_config_number(config, "max_body"),
        .max_header_bytes = fh_config_number(config, "max_header"),
        .max_connections = (unsigned)fh_config_number(config, "max_connections"),
        .idle_timeout_s = (unsigned)(fh_config_ms(config, "idle_timeout") / 1000),
        .handler = fh_vm_on_http,
        .arg = shard->vm,
    };
    return fh_http_open(&shard->http, shard->loop, &http, err);
}

/* Signals are for the thread that opened the host. */
static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* the budget of flows unblocks its own */
}

static void *turn(void *arg)
{
    struct fh_shard *shard = arg;
    struct fh_error err;
    block_signals();
    if (fh_setup_start(shard->vm, &err) != 0) {
        fh_log(FH_LOG_ERROR, "unfinished runs could not be taken up: %s", err.detail);
    }
    fh_loop_run(shard->loop);
    return NULL;
}

int fh_shard_start(struct fh_shard *shard, bool own_thread, struct fh_error *err)
{
    if (!own_thread) {
        return fh_setup_start(shard->vm, err);
    }
    fh_vm_leave_thread(shard->vm);
    int number = pthread_create(&shard->thread, NULL, turn, shard);
    if (number != 0) {
        return fh_error_set(err, FH_E_NO_MEMORY, "cannot start a thread: %s", strerror(number));
    }
    shard->has_thread = true;
    return 0;
}

static void count_busy(struct fh_timer *timer)
{
    struct fh_shard *shard = FH_LIST_ENTRY(timer, struct fh_shard, drain_timer);
    int busy = fh_setup_drain(shard->vm);
    if (shard->http) {
        busy += (int)fh_http_get_unsent(shard->http);
    }
    shard->busy = busy;
    fh_timer_start(shard->loop, timer, DRAIN_COUNT_MS);
}

/* A host that closes at once delivers this mail when only the loop is left. */
static void on_drain(struct fh_mail *mail)
{
    struct fh_shard *shard = FH_LIST_ENTRY(mail, struct fh_shard, drain_mail);
    if (shard->is_closed) {
        return;
    }
    if (shard->http) {
        fh_http_stop_listening(shard->http);
    }
    fh_timer_init(&shard->drain_timer, count_busy);
    count_busy(&shard->drain_timer);
}

void fh_shard_drain(struct fh_shard *shard)
{
    if (!atomic_exchange(&shard->is_drain_asked, true)) {
        shard->drain_mail.deliver = on_drain;
        fh_loop_post(shard->loop, &shard->drain_mail);
    }
}

void fh_shard_stop(struct fh_shard *shard)
{
    if (shard->has_thread) {
        fh_loop_stop(shard->loop);
        pthread_join(shard->thread, NULL);
        shard->has_thread = false;
    }
}

void fh_shard_close_outside(struct fh_shard *shard)
{
    shard->is_closed = true;
    if (shard->vm) {
        fh_vm_mute(shard->vm);
    }
    if (shard->is_drain_asked && shard->busy >= 0) {
        fh_timer_stop(shard->loop, &shard->drain_timer);
    }
    if (shard->http) {
        fh_http_close(shard->http);
        shard->http = NULL;
    }
    if (shard->client) {
        fh_client_close(shard->client);
        shard->client = NULL;
    }
}

void fh_shard_close_inside(struct fh_shard *shard)
{
    if (shard->loop) {
        fh_loop_run_once(shard->loop, 0);
    }
    fh_vm_close(shard->vm);
    fh_loop_close(shard->loop);
}
