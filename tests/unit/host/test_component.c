/* SPDX-License-Identifier: MIT */
/* flowhost.h: components in C, and closing while they or runs are under way. */
#include "embed_fixture.h"

#include <pthread.h>

enum { MAX_CALLS = 8 };

/* A component that notes what it is called with; how it answers is the test's choice. */
struct component {
    const char *result; /* JSON; NULL: fail with `code` */
    const char *code;   /* NULL as well: keep the call for later */
    const char *message;
    int count;
    char input[256];
    flowhost_call *calls[MAX_CALLS]; /* those kept */
    int kept;
};

static void on_call(void *user, const char *input, size_t len, flowhost_call *call)
{
    struct component *component = user;
    component->count++;
    snprintf(component->input, sizeof(component->input), "%.*s", (int)len, input);
    if (component->result) {
        flowhost_call_return(call, component->result, strlen(component->result));
    } else if (component->code) {
        flowhost_call_fail(call, component->code, component->message);
    } else {
        assert_true(component->kept < MAX_CALLS);
        component->calls[component->kept++] = call;
    }
}

static const char call_flow[] = "return function(ctx, input)\n"
                                "  return { got = ctx.component('charge', input) }\n"
                                "end\n";

static const char catch_flow[] = "return function(ctx, input)\n"
                                 "  local ok, err = pcall(ctx.component, 'charge', input)\n"
                                 "  return { ok = ok, code = err.code, message = err.message }\n"
                                 "end\n";

static flowhost *open_with(struct folder *folder, struct component *component)
{
    folder_write(folder, "flows/call.lua", call_flow);
    folder_write(folder, "flows/catch.lua", catch_flow);
    flowhost *host = host_open(folder_path(folder, "data"));
    assert_int_equal(flowhost_register(host, "charge", on_call, component), 0);
    host_load(host, folder_path(folder, "flows"));
    return host;
}

static void returns_at_once(void **state)
{
    struct component component = {.result = "{\"paid\":[],\"n\":9007199254740993}"};
    struct reply reply;
    flowhost *host = open_with(*state, &component);
    host_run(host, "call", "{\"cents\":250}", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "{\"got\":{\"n\":9007199254740993,\"paid\":[]}}");
    assert_string_equal(component.input, "{\"cents\":250}");
    host_run(host, "call", "", &reply);
    assert_string_equal(component.input, "null");
    assert_int_equal(component.count, 2);
    flowhost_close(host);
}

static void *finish_later(void *arg)
{
    flowhost_call_return(arg, "\"later\"", 7);
    return NULL;
}

static void returns_from_another_thread(void **state)
{
    struct component component = {.result = NULL};
    flowhost *host = open_with(*state, &component);
    struct reply replies[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        host_send(host, "POST", "/v1/flows/call/runs", "1", &replies[i]);
    }
    while (component.kept < 4) {
        flowhost_step(host, -1);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, finish_later, component.calls[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        host_wait(host, &replies[i]);
        assert_string_equal(replies[i].body, "{\"got\":\"later\"}");
        pthread_join(threads[i], NULL);
    }
    flowhost_close(host);
}

static void fails_with_a_code(void **state)
{
    struct component component = {.code = "CARD_DECLINED", .message = "no money on it"};
    struct reply reply;
    flowhost *host = open_with(*state, &component);
    host_run(host, "catch", "1", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body,
                        "{\"code\":\"CARD_DECLINED\",\"message\":\"no money on it\",\"ok\":false}");
    host_run(host, "call", "1", &reply);
    assert_int_equal(reply.status, 500);
    assert_contains(reply.body, "\"CARD_DECLINED\"");
    assert_contains(reply.body, "suspended");
    flowhost_close(host);
}

static void fail_without_words(void *user, const char *input, size_t len, flowhost_call *call)
{
    (void)user, (void)input, (void)len;
    flowhost_call_fail(call, NULL, NULL);
}

static void a_failure_without_code_has_one(void **state)
{
    struct folder *folder = *state;
    struct reply reply;
    folder_write(folder, "flows/catch.lua",
                 "return function(ctx)\n"
                 "  local ok, why = pcall(ctx.component, 'mute', 1)\n"
                 "  return { ok = ok, code = why.code, message = why.message }\n"
                 "end");
    flowhost *host = host_open(folder_path(folder, "data"));
    assert_int_equal(flowhost_register(host, "mute", fail_without_words, NULL), 0);
    host_load(host, folder_path(folder, "flows"));
    host_run(host, "catch", "1", &reply);
    assert_string_equal(reply.body,
                        "{\"code\":\"COMPONENT_FAILED\",\"message\":\"\",\"ok\":false}");
    assert_int_equal(flowhost_register(host, "late", fail_without_words, NULL), FLOWHOST_E_USAGE);
    flowhost_close(host);
}

/* What is no JSON is the component's failure, not the host's. */
static void its_result_must_be_json(void **state)
{
    static const char *const bad[] = {"{", "", "{}x", "nil", "[1,]"};
    struct component component = {.result = ""};
    struct reply reply;
    flowhost *host = open_with(*state, &component);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        component.result = bad[i];
        host_run(host, "catch", "1", &reply);
        assert_int_equal(reply.status, 200);
        assert_contains(reply.body, "\"code\":\"NOT_JSON\"");
        assert_contains(reply.body, "charge");
    }
    component.result = "null";
    host_run(host, "call", "1", &reply);
    assert_string_equal(reply.body, "{}");
    flowhost_close(host);
}

static void an_unknown_component_is_named(void **state)
{
    struct folder *folder = *state;
    struct component component = {.result = "1"};
    struct reply reply;
    folder_write(folder, "flows/other.lua",
                 "return function(ctx) return ctx.component('refund', 1) end");
    flowhost *host = open_with(folder, &component);
    host_run(host, "other", "1", &reply);
    assert_int_equal(reply.status, 500);
    assert_contains(reply.body, "refund");
    assert_int_equal(component.count, 0);
    flowhost_close(host);
}

static const char *find_id(const char *body, char id[27])
{
    const char *at = strstr(body, "\"id\":\"");
    assert_non_null(at);
    snprintf(id, 27, "%.26s", at + 6);
    return id;
}

/* A run whose component was called, and whose process ended before it returned, calls it again. */
static void unfinished_runs_go_on_with_the_next_host(void **state)
{
    struct folder *folder = *state;
    struct component component = {.result = NULL};
    struct reply reply;
    char id[27], path[64];
    flowhost *host = open_with(folder, &component);
    host_send(host, "POST", "/v1/flows/call/runs", "\"first\"", &reply);
    while (component.kept < 1) {
        flowhost_step(host, -1);
    }
    struct reply list;
    host_ask(host, "GET", "/v1/runs", "", &list);
    assert_contains(list.body, "\"status\":\"running\"");
    find_id(list.body, id);
    flowhost_call_return(component.calls[0], "\"too late\"", 10);
    flowhost_close(host);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 503);

    component.result = "\"again\"";
    host = open_with(folder, &component);
    snprintf(path, sizeof(path), "/v1/runs/%s", id);
    do {
        flowhost_step(host, 1);
        host_ask(host, "GET", path, "", &reply);
        assert_int_equal(reply.status, 200);
    } while (strstr(reply.body, "\"status\":\"running\""));
    assert_contains(reply.body, "\"status\":\"succeeded\"");
    assert_contains(reply.body, "{\"got\":\"again\"}");
    assert_int_equal(component.count, 2);
    assert_string_equal(component.input, "\"first\"");
    flowhost_close(host);
}

/* What a component returned is recorded: recovering the run does not call it again. */
static void recorded_results_stand(void **state)
{
    struct folder *folder = *state;
    struct component component = {.result = "41"};
    struct reply reply;
    char id[27], path[64];
    folder_write(folder, "flows/twice.lua",
                 "return function(ctx)\n"
                 "  local n = ctx.component('charge', 1)\n"
                 "  return n + ctx.component('refund', 1)\n"
                 "end\n");
    struct component refund = {.code = "DOWN", .message = "not now"};
    folder_write(folder, "flows/call.lua", call_flow);
    flowhost *host = host_open(folder_path(folder, "data"));
    flowhost_register(host, "charge", on_call, &component);
    flowhost_register(host, "refund", on_call, &refund);
    host_load(host, folder_path(folder, "flows"));
    host_run(host, "twice", "null", &reply);
    assert_int_equal(reply.status, 500);
    host_ask(host, "GET", "/v1/runs?status=suspended", "", &reply);
    snprintf(path, sizeof(path), "/v1/runs/%s/recover", find_id(reply.body, id));
    refund.result = "1";
    host_ask(host, "POST", path, "", &reply);
    assert_true(reply.status == 200 || reply.status == 202);
    snprintf(path, sizeof(path), "/v1/runs/%s", id);
    do {
        flowhost_step(host, 1);
        host_ask(host, "GET", path, "", &reply);
    } while (strstr(reply.body, "\"status\":\"running\""));
    assert_contains(reply.body, "\"output\":42");
    assert_int_equal(component.count, 1);
    assert_int_equal(refund.count, 2);
    flowhost_close(host);
}

/* In any state of a run: asleep, in its first commit, before its first turn. */
static void closes_with_runs_under_way(void **state)
{
    struct folder *folder = *state;
    struct component component = {.result = "1"};
    folder_write(folder, "flows/nap.lua", "return function(ctx) ctx.sleep(3600) end");
    folder_write(folder, "flows/brief.lua",
                 "return { durable = 'never', run = function(ctx) ctx.sleep(3600) end }");
    for (int steps = 0; steps < 4; steps++) {
        struct reply replies[6];
        static const char *const paths[] = {"/v1/flows/nap/runs", "/v1/flows/brief/runs",
                                            "/v1/flows/call/runs"};
        flowhost *host = open_with(folder, &component);
        for (int i = 0; i < 6; i++) {
            host_send(host, "POST", paths[i % 3], "1", &replies[i]);
        }
        for (int i = 0; i < steps; i++) {
            flowhost_step(host, 0);
        }
        flowhost_close(host);
        for (int i = 0; i < 6; i++) {
            assert_int_equal(replies[i].count, 1);
            assert_true(replies[i].status == 503 || (i % 3 == 2 && replies[i].status == 200));
        }
    }
}

/* A run that was cancelled has nobody left to hear the component's result. */
static void a_cancelled_run_ignores_its_component(void **state)
{
    struct component component = {.result = NULL};
    struct reply reply, list;
    char id[27], path[64];
    flowhost *host = open_with(*state, &component);
    host_send(host, "POST", "/v1/flows/call/runs", "1", &reply);
    while (component.kept < 1) {
        flowhost_step(host, -1);
    }
    host_ask(host, "GET", "/v1/runs", "", &list);
    snprintf(path, sizeof(path), "/v1/runs/%s/cancel", find_id(list.body, id));
    host_ask(host, "POST", path, "", &list);
    host_wait(host, &reply);
    assert_int_equal(reply.status, 409);
    flowhost_call_return(component.calls[0], "1", 1);
    component.result = "2";
    host_run(host, "call", "2", &list);
    assert_string_equal(list.body, "{\"got\":2}");
    flowhost_close(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(returns_at_once),
        WITH_FOLDER(returns_from_another_thread),
        WITH_FOLDER(fails_with_a_code),
        WITH_FOLDER(a_failure_without_code_has_one),
        WITH_FOLDER(its_result_must_be_json),
        WITH_FOLDER(an_unknown_component_is_named),
        WITH_FOLDER(unfinished_runs_go_on_with_the_next_host),
        WITH_FOLDER(recorded_results_stand),
        WITH_FOLDER(closes_with_runs_under_way),
        WITH_FOLDER(a_cancelled_run_ignores_its_component),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
