/* SPDX-License-Identifier: MIT */
/* flowhost_command: commands of the command line, asking a host of this process or one that is not there. */
#include "embed_fixture.h"

/* The exit code of the words; what they print is of no interest. */
static int run_words(flowhost *host, char **words)
{
    flowhost_error error = {0, ""};
    flowhost_config *config = flowhost_config_new();
    int count = 0;
    int exit_code = -1;
    while (words[count]) {
        count++;
    }
    int rc = flowhost_config_parse(config, count, words, &error);
    if (rc == 0) {
        rc = flowhost_command(host, config, &exit_code, &error);
    }
    if (rc != 0) {
        fail_msg("%d: %s", rc, error.message);
    }
    flowhost_config_free(config);
    return exit_code;
}

static void put_path(char path[512], const struct folder *folder, const char *name)
{
    snprintf(path, 512, "%s/%s", folder->root, name);
}

#define RUN(host, ...) run_words(host, (char *[]){(char *)"flowhost", __VA_ARGS__, NULL})

static void asks_the_host_of_this_process(void **state)
{
    struct folder *folder = *state;
    struct reply reply;
    char id[27];
    char bundle[512];
    put_path(bundle, folder, "run.json");
    folder_write(folder, "flows/one.lua", "return function(ctx) return ctx.uuid() end");
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, folder_path(folder, "flows"));
    host_run(host, "one", "null", &reply);
    assert_int_equal(reply.status, 200);
    host_ask(host, "GET", "/v1/runs?limit=1", "", &reply);
    snprintf(id, sizeof(id), "%.26s", strstr(reply.body, "\"id\":\"") + 6);
    assert_int_equal(RUN(host, (char *)"run-show", id), 0);
    assert_int_equal(RUN(host, (char *)"run-show", (char *)"x"), 1);
    assert_int_equal(RUN(host, (char *)"export", id, bundle), 0);
    assert_int_equal(RUN(host, (char *)"import", bundle), 1);
    flowhost_close(host);

    host = host_open(folder_path(folder, "other"));
    host_load(host, NULL);
    assert_int_equal(RUN(host, (char *)"run-show", id), 1);
    assert_int_equal(RUN(host, (char *)"import", bundle), 0);
    assert_int_equal(RUN(host, (char *)"run-show", id), 0);
    flowhost_close(host);
}

static void backs_up_the_host_of_this_process(void **state)
{
    struct folder *folder = *state;
    char backup[512];
    char data[512];
    put_path(backup, folder, "backup");
    put_path(data, folder, "restored");
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, NULL);
    assert_int_equal(RUN(host, (char *)"backup", backup), 0);
    assert_int_equal(RUN(host, (char *)"backup", backup), 1);
    assert_int_equal(RUN(NULL, (char *)"restore", backup, (char *)"--data", data), 0);
    flowhost_close(host);
    host = host_open(data);
    flowhost_close(host);
}

/* Its requests are still answered when it is gone. */
static void ends_with_the_host(void **state)
{
    struct folder *folder = *state;
    flowhost *host = host_open(folder_path(folder, "data"));
    host_load(host, NULL);
    flowhost_stop(host);
    assert_int_equal(RUN(host, (char *)"runs"), 1);
    flowhost_close(host);
}

static void says_that_no_host_is_there(void **state)
{
    (void)state;
    assert_int_equal(RUN(NULL, (char *)"runs", (char *)"--host", (char *)"127.0.0.1:9"), 4);
}

static void needs_words_that_were_read(void **state)
{
    (void)state;
    flowhost_error error = {0, ""};
    int exit_code = -1;
    flowhost_config *config = flowhost_config_new();
    assert_int_equal(flowhost_command(NULL, config, &exit_code, &error), FLOWHOST_E_USAGE);
    assert_contains(error.message, "flowhost_config_parse");
    flowhost_config_set(config, "command", "nonsense");
    flowhost_config_set(config, "arguments", "{}");
    assert_int_equal(flowhost_command(NULL, config, &exit_code, &error), FLOWHOST_E_USAGE);
    assert_contains(error.message, "nonsense");
    flowhost_config_set(config, "command", "why");
    flowhost_config_set(config, "arguments", "{");
    assert_int_equal(flowhost_command(NULL, config, &exit_code, NULL), FLOWHOST_E_USAGE);
    flowhost_config_free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asks_the_host_of_this_process),
        TEST(backs_up_the_host_of_this_process),
        TEST(ends_with_the_host),
        TEST(says_that_no_host_is_there),
        TEST(needs_words_that_were_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
