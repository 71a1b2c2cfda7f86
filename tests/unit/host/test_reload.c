/* SPDX-License-Identifier: MIT */
#include "embed_fixture.h"

#include <pthread.h>
#include <signal.h>

static flowhost *open_world(struct folder *folder, const char *watch)
{
    const char *const settings[] = {"watch", watch, NULL};
    flowhost_error error = {0, ""};
    flowhost *host;
    if (host_try_open(&host, folder_path(folder, "data"), &error, settings) != 0) {
        fail_msg("%s", error.message);
    }
    return host;
}

static void write_flow(struct folder *folder, const char *name, const char *word)
{
    char path[128];
    char text[128];
    snprintf(path, sizeof(path), "flows/%s", name);
    snprintf(text, sizeof(text), "return function() return '%s' end", word);
    folder_write(folder, path, text);
}

static bool answers(flowhost *host, const char *flow, const char *word)
{
    struct reply reply;
    host_run(host, flow, "null", &reply);
    return strstr(reply.body, word) != NULL;
}

/* Until the flow answers so. */
static void wait_for(flowhost *host, const char *flow, const char *word)
{
    while (!answers(host, flow, word)) {
        flowhost_step(host, 10);
    }
}

static void a_saved_file_is_served(void **state)
{
    struct folder *folder = *state;
    flowhost *host = open_world(folder, "true");
    write_flow(folder, "a.lua", "one");
    host_load(host, folder_path(folder, "flows"));
    assert_true(answers(host, "a", "one"));
    write_flow(folder, "a.lua", "two");
    wait_for(host, "a", "two");
    write_flow(folder, "sub/b.lua", "three");
    wait_for(host, "sub/b", "three");
    write_flow(folder, "sub/b.lua", "four");
    wait_for(host, "sub/b", "four");
    unlink(folder_path(folder, "flows/a.lua"));
    wait_for(host, "a", "NO_FLOW");
    flowhost_close(host);
}

static void without_watch_it_is_served_when_asked_for(void **state)
{
    struct folder *folder = *state;
    flowhost *host = open_world(folder, "false");
    write_flow(folder, "a.lua", "one");
    host_load(host, folder_path(folder, "flows"));
    write_flow(folder, "a.lua", "two");
    assert_true(answers(host, "a", "one"));
    flowhost_reload(host);
    wait_for(host, "a", "two");
    flowhost_close(host);
}

static void a_folder_that_is_gone_is_served_as_before(void **state)
{
    struct folder *folder = *state;
    flowhost *host = open_world(folder, "true");
    write_flow(folder, "a.lua", "one");
    host_load(host, folder_path(folder, "flows"));
    rename(folder_path(folder, "flows"), folder_path(folder, "away"));
    flowhost_reload(host);
    for (int i = 0; i < 20; i++) {
        flowhost_step(host, 10);
    }
    assert_true(answers(host, "a", "one"));
    write_flow(folder, "a.lua", "two");
    wait_for(host, "a", "two");
    flowhost_close(host);
}

static flowhost *asked;

static void on_signal(int number)
{
    (void)number;
    flowhost_reload(asked);
}

static void *ask_from_thread(void *host)
{
    flowhost_reload(host);
    return NULL;
}

static void any_thread_and_a_signal_handler_may_ask(void **state)
{
    struct folder *folder = *state;
    pthread_t thread;
    asked = open_world(folder, "false");
    write_flow(folder, "a.lua", "one");
    flowhost_reload(asked); /* harmless: nothing is loaded yet */
    host_load(asked, folder_path(folder, "flows"));
    signal(SIGUSR1, on_signal);
    write_flow(folder, "a.lua", "two");
    raise(SIGUSR1);
    wait_for(asked, "a", "two");
    write_flow(folder, "a.lua", "three");
    pthread_create(&thread, NULL, ask_from_thread, asked);
    wait_for(asked, "a", "three");
    pthread_join(thread, NULL);
    signal(SIGUSR1, SIG_DFL);
    flowhost_close(asked);
}

static void a_host_without_a_folder_has_nothing_to_reload(void **state)
{
    struct folder *folder = *state;
    flowhost *host = open_world(folder, "true");
    host_load(host, NULL);
    flowhost_reload(host);
    flowhost_step(host, 0);
    flowhost_close(host);
}

/* Whatever is under way then. */
static void it_may_be_closed_at_any_moment(void **state)
{
    struct folder *folder = *state;
    write_flow(folder, "a.lua", "one");
    for (int steps = 0; steps < 8; steps++) {
        flowhost *host = open_world(folder, "true");
        host_load(host, folder_path(folder, "flows"));
        write_flow(folder, "a.lua", steps % 2 ? "one" : "two");
        flowhost_reload(host);
        flowhost_reload(host);
        for (int i = 0; i < steps; i++) {
            flowhost_step(host, 0);
        }
        flowhost_close(host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(a_saved_file_is_served),
        WITH_FOLDER(without_watch_it_is_served_when_asked_for),
        WITH_FOLDER(a_folder_that_is_gone_is_served_as_before),
        WITH_FOLDER(any_thread_and_a_signal_handler_may_ask),
        WITH_FOLDER(a_host_without_a_folder_has_nothing_to_reload),
        WITH_FOLDER(it_may_be_closed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
