/* SPDX-License-Identifier: MIT */
/* A shop with a workflow host inside: two components in C, one of which answers from a thread of its own. It runs the
 * flows named on the command line and prints what they return.
 *
 *     embed DATA FLOWS NAME INPUT [NAME INPUT ...] */
#include <flowhost.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shop {
    int receipts; /* the host's thread's own */
    pthread_t carrier;
    int has_carrier;
    flowhost_call *parcel;
};

static void charge_card(void *user, const char *input, size_t len, flowhost_call *call)
{
    struct shop *shop = user;
    char text[64], result[64];
    int cents = 0;
    snprintf(text, sizeof(text), "%.*s", (int)len, input);
    sscanf(text, "{\"cents\":%d}", &cents);
    if (cents > 1000) {
        flowhost_call_fail(call, "CARD_DECLINED", "there is not that much on the card");
        return;
    }
    snprintf(result, sizeof(result), "{\"number\":%d,\"cents\":%d}", ++shop->receipts, cents);
    flowhost_call_return(call, result, strlen(result));
}

static void *carry(void *arg)
{
    static const char result[] = "{\"number\":\"P-1\"}";
    struct shop *shop = arg;
    flowhost_call_return(shop->parcel, result, strlen(result));
    return NULL;
}

static void ship(void *user, const char *input, size_t len, flowhost_call *call)
{
    struct shop *shop = user;
    (void)input, (void)len;
    shop->parcel = call;
    if (shop->has_carrier || pthread_create(&shop->carrier, NULL, carry, shop) != 0) {
        flowhost_call_fail(call, "NO_CARRIER", "the only carrier is under way");
        return;
    }
    shop->has_carrier = 1;
}

struct reply {
    int status;
    char body[1024];
};

static void keep(void *user, int status, const char *body, size_t len)
{
    struct reply *reply = user;
    reply->status = status;
    snprintf(reply->body, sizeof(reply->body), "%.*s", (int)len, body);
}

static int run(flowhost *host, const char *flow, const char *input)
{
    struct reply reply = {0, ""};
    char path[256];
    snprintf(path, sizeof(path), "/v1/flows/%s/runs", flow);
    if (flowhost_request(host, "POST", path, input, strlen(input), keep, &reply) != 0) {
        return 1;
    }
    while (reply.status == 0) {
        flowhost_step(host, -1);
    }
    printf("%s: %d %s\n", flow, reply.status, reply.body);
    return reply.status == 200 ? 0 : 1;
}

static void print_problem(void *user, const char *file, int line, const char *message)
{
    (void)user;
    printf("%s:%d: %s\n", file, line, message);
}

static int serve(flowhost *host, int argc, char **argv)
{
    struct shop shop = {0};
    flowhost_error error;
    int failed = 0;
    flowhost_register(host, "charge", charge_card, &shop);
    flowhost_register(host, "ship", ship, &shop);
    if (flowhost_load(host, argv[2], print_problem, NULL, &error) != 0) {
        printf("cannot load %s\n", argv[2]);
        return 1;
    }
    for (int i = 3; i + 1 < argc; i += 2) {
        failed |= run(host, argv[i], argv[i + 1]);
    }
    if (shop.has_carrier) {
        pthread_join(shop.carrier, NULL);
    }
    return failed;
}

int main(int argc, char **argv)
{
    flowhost *host;
    flowhost_error error;
    int code = 1;
    if (argc < 3) {
        fprintf(stderr, "usage: embed DATA FLOWS NAME INPUT [NAME INPUT ...]\n");
        return 2;
    }
    flowhost_config *config = flowhost_config_new();
    flowhost_config_set(config, "data", argv[1]);
    flowhost_config_set(config, "listen", "none");
    flowhost_config_set(config, "shards", "2");
    flowhost_config_set(config, "map_size", "64m");
    printf("flowhost %s\n", flowhost_version());
    if (flowhost_open(&host, config, &error) == 0) {
        code = serve(host, argc, argv);
        flowhost_close(host);
    } else {
        printf("cannot open: %s\n", error.message);
    }
    flowhost_config_free(config);
    return code;
}
