/* SPDX-License-Identifier: MIT */
/* flowhost_test: what it returns. What tests can do is tried in tests/lua/testing. */
#include "flowhost.h"
#include "host_fixture.h"

#define HEAD   "local test = require 'flowhost.test' "
#define PASSES "test.case('good', function() test.equal(test.run('a', 2).output, 4) end) "
#define FAILS  "test.case('bad', function() error('no') end) "

static int test_folder(const char *dir, const char *filter, flowhost_error *error)
{
    flowhost_config *config = flowhost_config_new();
    flowhost_config_set(config, "dir", dir);
    if (filter) {
        flowhost_config_set(config, "filter", filter);
    }
    int rc = flowhost_test(config, error);
    flowhost_config_free(config);
    return rc;
}

static void counts_what_failed(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "a.lua", "return function(ctx, n) return n * 2 end");
    folder_write(folder, "a_test.lua", HEAD PASSES);
    assert_int_equal(test_folder(folder->root, NULL, NULL), 0);
    folder_write(folder, "a_test.lua", HEAD PASSES FAILS FAILS);
    assert_int_equal(test_folder(folder->root, NULL, NULL), 2);
    assert_int_equal(test_folder(folder->root, "good", NULL), 0);
}

static void fails_when_there_is_none(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "a.lua", "return print");
    assert_int_equal(test_folder(folder->root, NULL, NULL), 1);
}

static void counts_files_that_cannot_be_read(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "a.lua", "return function(ctx, n) return n * 2 end");
    folder_write(folder, "a_test.lua", HEAD PASSES);
    assert_int_equal(symlink("gone.lua", folder_path(folder, "b.lua")), 0);
    assert_int_equal(test_folder(folder->root, NULL, NULL), 1);
}

static void refuses_a_folder_and_settings_that_cannot_be(void **state)
{
    struct folder *folder = *state;
    flowhost_error error = {0, ""};
    assert_int_equal(test_folder(folder_path(folder, "none"), NULL, &error), FLOWHOST_E_FOLDER);
    assert_int_equal(error.code, FLOWHOST_E_FOLDER);
    assert_non_null(strstr(error.message, "none"));
    folder_write(folder, "host.lua", "return { shards = 'many' }");
    assert_int_equal(test_folder(folder->root, NULL, &error), FLOWHOST_E_USAGE);
    assert_non_null(strstr(error.message, "host.lua:1: shards"));
    assert_int_equal(test_folder(folder->root, NULL, NULL), FLOWHOST_E_USAGE);
}

static void takes_the_limits_of_the_folder(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "host.lua",
                 "return { cpu_limit = 0.02, env = { A = os.getenv 'PATH' or 'x' } }");
    folder_write(folder, "a.lua", "return function(ctx) while ctx.env.A == 'x' do end end");
    folder_write(
        folder, "a_test.lua",
        HEAD "test.case('c', function() test.equal(test.run('a').error.code, 'CPU_LIMIT') end)");
    assert_int_equal(test_folder(folder->root, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(counts_what_failed),
        WITH_FOLDER(fails_when_there_is_none),
        WITH_FOLDER(counts_files_that_cannot_be_read),
        WITH_FOLDER(refuses_a_folder_and_settings_that_cannot_be),
        WITH_FOLDER(takes_the_limits_of_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
