/* SPDX-License-Identifier: MIT */
/* flowhost.h: settings, open, load, turning and stopping. Components and runs: test_component.c. */
#include "embed_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

static void assert_no_open(const char *data, const char *name, const char *value, int code,
                           const char *what)
{
    const char *const settings[] = {name, value, NULL};
    flowhost_error error = {0, ""};
    flowhost *host = (flowhost *)&error;
    assert_int_equal(host_try_open(&host, data, &error, settings), code);
    assert_null(host);
    assert_int_equal(error.code, code);
    assert_contains(error.message, what);
    assert_int_equal(host_try_open(&host, data, NULL, settings), code);
}

/* --- settings --------------------------------------------------------------------------------- */

static void a_config_keeps_what_was_set(void **state)
{
    (void)state;
    flowhost_config *config = flowhost_config_new();
    assert_null(flowhost_config_get(config, "data"));
    assert_int_equal(flowhost_config_set(config, "data", "here"), 0);
    assert_int_equal(flowhost_config_set(config, "data", "there"), 0);
    assert_string_equal(flowhost_config_get(config, "data"), "there");
    flowhost_config_free(config);
    flowhost_config_free(NULL);
}

static void refuses_bad_settings(void **state)
{
    struct folder *folder = *state;
    const char *data = folder_path(folder, "data");
    assert_no_open(data, "colour", "red", FLOWHOST_E_USAGE, "colour");
    assert_no_open(data, "shards", "many", FLOWHOST_E_USAGE, "shards = 'many'");
    assert_no_open(data, "log_level", "loud", FLOWHOST_E_USAGE, "debug, error, info, off, warn");
    assert_no_open(data, "cpu_limit", "-1", FLOWHOST_E_USAGE, "cpu_limit");
    assert_no_open(data, "cpu_limit", "0", FLOWHOST_E_USAGE, "cpu_limit = '0' is too little");
    assert_no_open(data, "memory_limit", "0", FLOWHOST_E_USAGE, "memory_limit");
    assert_no_open(data, "shards", "65", FLOWHOST_E_USAGE,
                   "shards = '65': there can be at most 64");
    assert_no_open(data, "max_body", "", FLOWHOST_E_USAGE, "max_body");
    assert_no_open(data, "data", "", FLOWHOST_E_USAGE, "data");
    assert_no_open(data, "listen", "127.0.0.1", FLOWHOST_E_USAGE, "ADDRESS:PORT");
    assert_no_open(data, "listen", "127.0.0.1:x", FLOWHOST_E_USAGE, "listen = '127.0.0.1:x'");
    assert_no_open(data, "dir", folder_path(folder, "none"), FLOWHOST_E_FOLDER, "/none");
    /* Nothing was made. */
    assert_int_equal(access(data, F_OK), -1);
}

static void refuses_to_be_open_to_others(void **state)
{
    struct folder *folder = *state;
    const char *data = folder_path(folder, "data");
    assert_no_open(data, "listen", "0.0.0.0:0", FLOWHOST_E_START, "no token");
    assert_no_open(data, "listen", "192.0.2.1:80", FLOWHOST_E_START, "192.0.2.1:80");
    assert_no_open(data, "listen", "localhost.example.com:80", FLOWHOST_E_START, "no token");
}

static void host_file_settings_count(void **state)
{
    struct folder *folder = *state;
    const char *data = folder_path(folder, "data");
    const char *dir = folder_path(folder, "flows");
    folder_write(folder, "flows/host.lua", "return { shards = 1,\n  colour = 'red' }");
    assert_no_open(data, "dir", dir, FLOWHOST_E_USAGE, "colour");
    folder_write(folder, "flows/host.lua", "return {\n  shards = \n}");
    assert_no_open(data, "dir", dir, FLOWHOST_E_USAGE, "host.lua:3:");
    folder_write(folder, "flows/host.lua", "return {\n  data = nowhere.at_all }");
    assert_no_open(data, "dir", dir, FLOWHOST_E_USAGE, "host.lua:2:");
    folder_write(folder, "flows/host.lua", "return 7");
    assert_no_open(data, "dir", dir, FLOWHOST_E_USAGE, "must return a table");
}

static void refuses_data_it_cannot_use(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "file", "x");
    assert_no_open(folder_path(folder, "file"), NULL, NULL, FLOWHOST_E_START, "/file");
    assert_no_open(folder_path(folder, "file/below"), NULL, NULL, FLOWHOST_E_START, "/file/below");
    assert_no_open(folder_path(folder, "data"), "map_size", "1", FLOWHOST_E_START, "");
}

static void a_folder_belongs_to_one_host(void **state)
{
    struct folder *folder = *state;
    const char *data = folder_path(folder, "data");
    flowhost *host = host_open(data);
    assert_no_open(data, NULL, NULL, FLOWHOST_E_START, "data");
    flowhost_close(host);
    host = host_open(data);
    flowhost_close(host);
    flowhost_close(NULL);
}

static void temporary_data_goes_with_the_host(void **state)
{
    struct folder *folder = *state;
    setenv("TMPDIR", folder->root, 1);
    flowhost *host = host_open("temp");
    host_load(host, NULL);
    flowhost_close(host);
    assert_no_open("temp", "listen", "0.0.0.0:1", FLOWHOST_E_START, "no token");
    unsetenv("TMPDIR");
    assert_int_equal(rmdir(folder->root), 0);
    assert_int_equal(mkdir(folder->root, 0755), 0);
}

/* --- load ------------------------------------------------------------------------------------- */

struct problems {
    int count;
    char file[8][64];
    int line[8];
    char message[8][256];
};

static void on_problem(void *user, const char *file, int line, const char *message)
{
    struct problems *problems = user;
    int i = problems->count++;
    assert_true(i < 8);
    snprintf(problems->file[i], sizeof(problems->file[i]), "%s", file);
    problems->line[i] = line;
    snprintf(problems->message[i], sizeof(problems->message[i]), "%s", message);
}

static int find_problem(const struct problems *problems, const char *file)
{
    for (int i = 0; i < problems->count; i++) {
        if (strcmp(problems->file[i], file) == 0) {
            return i;
        }
    }
    fail_msg("no problem of %s", file);
    return -1;
}

static void reports_each_problem_and_serves_the_rest(void **state)
{
    struct folder *folder = *state;
    struct problems problems = {0};
    struct reply reply;
    flowhost_error error = {0, ""};
    folder_write(folder, "flows/good.lua", "return function() return 'fine' end");
    folder_write(folder, "flows/broken.lua", "return function()\n  return 1 +\nend");
    folder_write(folder, "flows/none.lua", "local x = 1");
    folder_write(folder, "flows/raises.lua", "local a = 1\nerror 'not today'");
    flowhost *host = host_open(folder_path(folder, "data"));
    assert_int_equal(
        flowhost_load(host, folder_path(folder, "flows"), on_problem, &problems, &error), 3);
    assert_int_equal(problems.count, 3);
    assert_int_equal(problems.line[find_problem(&problems, "broken.lua")], 3);
    int raises = find_problem(&problems, "raises.lua");
    assert_int_equal(problems.line[raises], 2);
    assert_contains(problems.message[raises], "not today");
    find_problem(&problems, "none.lua");
    host_run(host, "good", "null", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "\"fine\"");
    host_run(host, "broken", "null", &reply);
    assert_int_equal(reply.status, 404);
    flowhost_close(host);
}

static void starts_beside_files_it_cannot_read(void **state)
{
    struct folder *folder = *state;
    struct problems problems = {0};
    struct reply reply;
    flowhost_error error = {0, ""};
    const char *const settings[] = {"dir", folder_path(folder, "flows"), NULL};
    flowhost *host;
    folder_write(folder, "flows/good.lua", "return function() return 'fine' end");
    folder_write(folder, "flows/broken.lua", "return 1 +");
    assert_int_equal(symlink("nowhere.lua", folder_path(folder, "flows/gone.lua")), 0);
    assert_int_equal(host_try_open(&host, folder_path(folder, "data"), &error, settings), 0);
    assert_int_equal(
        flowhost_load(host, folder_path(folder, "flows"), on_problem, &problems, &error), 2);
    assert_int_equal(problems.count, 2);
    assert_int_equal(problems.line[find_problem(&problems, "gone.lua")], 1);
    assert_contains(problems.message[find_problem(&problems, "gone.lua")], strerror(ENOENT));
    host_run(host, "good", "null", &reply);
    assert_int_equal(reply.status, 200);
    flowhost_close(host);
    /* But not with settings that are not those meant. */
    assert_int_equal(symlink("nowhere.lua", folder_path(folder, "flows/host.lua")), 0);
    assert_no_open(folder_path(folder, "data"), "dir", folder_path(folder, "flows"),
                   FLOWHOST_E_FOLDER, "flows/host.lua");
}

static void loads_once(void **state)
{
    struct folder *folder = *state;
    flowhost_error error = {0, ""};
    flowhost *host = host_open(folder_path(folder, "data"));
    assert_int_equal(flowhost_load(host, folder_path(folder, "none"), NULL, NULL, &error),
                     FLOWHOST_E_FOLDER);
    assert_contains(error.message, "/none");
    host_load(host, NULL);
    assert_int_equal(flowhost_load(host, NULL, NULL, NULL, &error), FLOWHOST_E_USAGE);
    assert_contains(error.message, "loaded already");
    flowhost_close(host);
}

static void says_when_it_cannot_listen(void **state)
{
    struct folder *folder = *state;
    static const char *const addresses[] = {"127.0.0.1:99999", "127.example.com:80"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        const char *const settings[] = {"listen", addresses[i], NULL};
        flowhost_error error = {0, ""};
        flowhost *host;
        if (host_try_open(&host, folder_path(folder, "data"), &error, settings) == 0) {
            assert_int_equal(flowhost_load(host, NULL, NULL, NULL, &error), FLOWHOST_E_START);
            flowhost_close(host);
        }
        assert_int_equal(error.code, FLOWHOST_E_START);
        assert_contains(error.message, addresses[i]);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static void answers_requests(void **state)
{
    struct folder *folder = *state;
    struct reply reply;
    folder_write(folder, "flows/echo.lua",
                 "return function(ctx, input) return { got = input } end");
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, folder_path(folder, "flows"));
    host_ask(host, "GET", "/healthz", "", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "ok\n");
    host_ask(host, "GET", "/nowhere", "", &reply);
    assert_int_equal(reply.status, 404);
    host_ask(host, "DELETE", "/healthz", "", &reply);
    assert_int_equal(reply.status, 405);
    host_run(host, "echo", "{\"a\":[]", &reply);
    assert_int_equal(reply.status, 400);
    host_run(host, "echo", "{\"a\":[]}", &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "{\"got\":{\"a\":[]}}");
    host_ask(host, "GET", "/v1/runs?limit=5&flow=echo", "", &reply);
    assert_int_equal(reply.status, 200);
    assert_contains(reply.body, "\"status\":\"succeeded\"");
    flowhost_close(host);
}

struct chain {
    flowhost *host;
    struct reply second;
};

static void on_first(void *user, int status, const char *body, size_t len)
{
    struct chain *chain = user;
    (void)body, (void)len;
    assert_int_equal(status, 200);
    host_send(chain->host, "POST", "/v1/flows/echo/runs", "2", &chain->second);
}

static void an_answer_may_ask_again(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "flows/echo.lua",
                 "return function(ctx, input) return { got = input } end");
    struct chain chain = {.host = host_open(folder_path(folder, "data"))};
    host_load(chain.host, folder_path(folder, "flows"));
    assert_int_equal(
        flowhost_request(chain.host, "POST", "/v1/flows/echo/runs", "1", 1, on_first, &chain), 0);
    host_wait(chain.host, &chain.second);
    assert_string_equal(chain.second.body, "{\"got\":2}");
    flowhost_close(chain.host);
}

/* The way of a program with a loop of its own: it sleeps on our descriptor and nowhere else. */
static void its_descriptor_is_enough(void **state)
{
    struct folder *folder = *state;
    struct reply replies[8];
    folder_write(
        folder, "flows/echo.lua",
        "return function(ctx, input) ctx.step('s', function() return 1 end) return input end");
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, folder_path(folder, "flows"));
    struct pollfd watched = {.fd = flowhost_fd(host), .events = POLLIN};
    assert_true(watched.fd >= 0);
    for (int i = 0; i < 8; i++) {
        host_send(host, "POST", "/v1/flows/echo/runs", "1", &replies[i]);
        while (replies[i].status == 0) {
            assert_int_equal(poll(&watched, 1, -1), 1);
            flowhost_step(host, 0);
        }
        assert_int_equal(replies[i].status, 200);
    }
    flowhost_close(host);
}

/* --- stop ------------------------------------------------------------------------------------- */

static void *stop(void *host)
{
    flowhost_stop(host);
    return NULL;
}

static void stops_from_another_thread(void **state)
{
    struct folder *folder = *state;
    pthread_t thread;
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, NULL);
    assert_int_equal(pthread_create(&thread, NULL, stop, host), 0);
    assert_int_equal(flowhost_run(host), 0);
    pthread_join(thread, NULL);
    flowhost_close(host);
}

static void a_stop_before_the_run_counts(void **state)
{
    struct folder *folder = *state;
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, NULL);
    flowhost_stop(host);
    assert_int_equal(flowhost_run(host), 0);
    flowhost_close(host);
}

static void write_nap(const struct folder *folder, const char *durable, const char *seconds)
{
    char text[160];
    snprintf(text, sizeof(text),
             "return { durable = '%s', run = function(ctx) ctx.sleep(%s) return 'rested' end }",
             durable, seconds);
    folder_write(folder, "flows/nap.lua", text);
}

static void running_work_may_end(void **state)
{
    struct folder *folder = *state;
    struct reply reply, late;
    write_nap(folder, "never", "0.05");
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, folder_path(folder, "flows"));
    host_send(host, "POST", "/v1/flows/nap/runs", "null", &reply);
    assert_int_equal(reply.status, 0);
    flowhost_stop(host);
    flowhost_run(host);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "\"rested\"");
    host_ask(host, "POST", "/v1/flows/nap/runs", "null", &late);
    assert_int_equal(late.status, 503);
    flowhost_close(host);
}

/* A durable run that only sleeps goes on with the next host. Its caller is told that this one closes. */
static void sleeping_runs_hold_nobody_up(void **state)
{
    struct folder *folder = *state;
    struct reply reply;
    write_nap(folder, "always", "3600");
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, folder_path(folder, "flows"));
    host_send(host, "POST", "/v1/flows/nap/runs", "null", &reply);
    flowhost_stop(host);
    flowhost_run(host);
    flowhost_close(host);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 503);
    assert_contains(reply.body, "\"CLOSED\"");
}

static void a_second_stop_leaves_at_once(void **state)
{
    struct folder *folder = *state;
    struct reply reply;
    write_nap(folder, "never", "3600");
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, folder_path(folder, "flows"));
    host_send(host, "POST", "/v1/flows/nap/runs", "null", &reply);
    flowhost_stop(host);
    flowhost_stop(host);
    flowhost_run(host);
    flowhost_close(host);
    assert_int_equal(reply.count, 1);
    assert_int_equal(reply.status, 503);
}

/* --- several ---------------------------------------------------------------------------------- */

static void two_hosts_do_not_meet(void **state)
{
    struct folder *folder = *state;
    struct reply reply;
    flowhost *hosts[2];
    folder_write(folder, "a/name.lua", "return function() return 'a' end");
    folder_write(folder, "b/name.lua", "return function() return 'b' end");
    hosts[0] = host_open(folder_path(folder, "data a"));
    hosts[1] = host_open(folder_path(folder, "data b"));
    host_load(hosts[0], folder_path(folder, "a"));
    host_load(hosts[1], folder_path(folder, "b"));
    host_run(hosts[0], "name", "null", &reply);
    assert_string_equal(reply.body, "\"a\"");
    host_run(hosts[1], "name", "null", &reply);
    assert_string_equal(reply.body, "\"b\"");
    host_ask(hosts[1], "GET", "/v1/runs", "", &reply);
    const char *first = strstr(reply.body, "\"id\":");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\"id\":"));
    flowhost_close(hosts[0]);
    host_run(hosts[1], "name", "null", &reply);
    assert_string_equal(reply.body, "\"b\"");
    flowhost_close(hosts[1]);
}

static void several_shards_open_and_close(void **state)
{
    struct folder *folder = *state;
    static const char *const settings[] = {"shards", "4", "listen", "127.0.0.1:0", NULL};
    flowhost_error error = {0, ""};
    flowhost *host;
    struct reply reply;
    folder_write(folder, "flows/echo.lua", "return function(ctx, input) return input end");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(host_try_open(&host, folder_path(folder, "data"), &error, settings), 0);
        host_load(host, folder_path(folder, "flows"));
        host_run(host, "echo", "7", &reply);
        assert_string_equal(reply.body, "7");
        if (i > 0) {
            flowhost_stop(host);
            flowhost_run(host);
        }
        flowhost_close(host);
    }
}

/* The mail that asks for the drain is then delivered while the host closes. */
static void without_time_to_drain_it_closes_at_once(void **state)
{
    struct folder *folder = *state;
    const char *const settings[] = {"listen",        "127.0.0.1:0", "shards", "2",
                                    "drain_timeout", "0",           NULL};
    flowhost_error error = {0, ""};
    for (int i = 0; i < 3; i++) {
        flowhost *host;
        assert_int_equal(host_try_open(&host, folder_path(folder, "data"), &error, settings), 0);
        host_load(host, NULL);
        flowhost_stop(host);
        flowhost_run(host);
        flowhost_close(host);
    }
}

static void has_a_version(void **state)
{
    (void)state;
    int major, minor, patch;
    assert_int_equal(sscanf(flowhost_version(), "%d.%d.%d", &major, &minor, &patch), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_config_keeps_what_was_set),
        WITH_FOLDER(refuses_bad_settings),
        WITH_FOLDER(refuses_to_be_open_to_others),
        WITH_FOLDER(host_file_settings_count),
        WITH_FOLDER(refuses_data_it_cannot_use),
        WITH_FOLDER(a_folder_belongs_to_one_host),
        WITH_FOLDER(temporary_data_goes_with_the_host),
        WITH_FOLDER(reports_each_problem_and_serves_the_rest),
        WITH_FOLDER(starts_beside_files_it_cannot_read),
        WITH_FOLDER(loads_once),
        WITH_FOLDER(says_when_it_cannot_listen),
        WITH_FOLDER(answers_requests),
        WITH_FOLDER(an_answer_may_ask_again),
        WITH_FOLDER(its_descriptor_is_enough),
        WITH_FOLDER(stops_from_another_thread),
        WITH_FOLDER(a_stop_before_the_run_counts),
        WITH_FOLDER(running_work_may_end),
        WITH_FOLDER(sleeping_runs_hold_nobody_up),
        WITH_FOLDER(a_second_stop_leaves_at_once),
        WITH_FOLDER(two_hosts_do_not_meet),
        WITH_FOLDER(several_shards_open_and_close),
        WITH_FOLDER(without_time_to_drain_it_closes_at_once),
        cmocka_unit_test(has_a_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
