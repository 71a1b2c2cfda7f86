/* SPDX-License-Identifier: MIT */
/* The program: flowhost.h and nothing else of ours. What it can do, an embedding program can. */
#include "flowhost.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_PROBLEMS = 1, EXIT_USAGE = 2, EXIT_NO_START = 3 };

/* For the signal handler only. NULL while nothing can be stopped. */
static flowhost *volatile running;
static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    int saved = errno;
    flowhost *host = running;
    (void)number;
    is_interrupted = 1;
    if (host) {
        flowhost_stop(host);
    }
    errno = saved;
}

static void on_hangup(int number)
{
    int saved = errno;
    flowhost *host = running;
    (void)number;
    if (host) {
        flowhost_reload(host);
    }
    errno = saved;
}

/* From before the host is opened: from then on there is something to clean up. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int open_host(flowhost **host, flowhost_config *config, flowhost_error *error)
{
    catch_signals();
    int rc = flowhost_open(host, config, error);
    if (rc == 0) {
        running = *host;
        if (is_interrupted) {
            flowhost_stop(*host);
        }
    }
    return rc;
}

/* A signal that comes while the host is being closed finds none. */
static void close_host(flowhost *host)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    running = NULL;
    flowhost_close(host);
}

static int complain(int code, const flowhost_error *error)
{
    size_t len = strlen(error->message);
    const char *end = len > 0 && error->message[len - 1] == '\n' ? "" : "\n";
    const char *prefix = strncmp(error->message, "flowhost: ", 10) == 0 ? "" : "flowhost: ";
    fprintf(stderr, "%s%s%s", prefix, error->message, end);
    return code == FLOWHOST_E_USAGE ? EXIT_USAGE : EXIT_NO_START;
}

static int serve(flowhost_config *config)
{
    struct sigaction reload = {.sa_handler = on_hangup, .sa_flags = SA_RESTART};
    flowhost_error error;
    flowhost *host;
    sigemptyset(&reload.sa_mask);
    sigaction(SIGHUP, &reload, NULL);
    int rc = open_host(&host, config, &error);
    if (rc == 0) {
        rc = flowhost_load(host, flowhost_config_get(config, "dir"), NULL, NULL, &error);
        if (rc >= 0) {
            flowhost_run(host);
        }
        close_host(host);
    }
    return rc < 0 ? complain(rc, &error) : EXIT_DONE;
}

/* Without the slashes at its end. */
static int length_of(const char *dir)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    return (int)len;
}

static void print_problem(void *user, const char *file, int line, const char *message)
{
    const char *dir = user;
    printf("%.*s/%s:%d: %s\n", length_of(dir), dir, file, line, message);
}

/* check, run and open keep nothing behind; but for open with "listen" they serve nothing. */
static void set_private(flowhost_config *config, bool is_served)
{
    if (!flowhost_config_get(config, "data")) {
        flowhost_config_set(config, "data", "temp");
    }
    if (!is_served) {
        flowhost_config_set(config, "listen", "none");
    }
    if (!is_served && !flowhost_config_get(config, "log_level")) {
        flowhost_config_set(config, "log_level", "error");
    }
    flowhost_config_set(config, "watch", "false");
    flowhost_config_set(config, "shards", "1");
}

/* Else it is an option's or the environment's. */
static bool is_of_host_file(const flowhost_error *error)
{
    return strncmp(error->message, "host.lua:", 9) == 0;
}

static int check(flowhost_config *config)
{
    const char *dir = flowhost_config_get(config, "dir");
    flowhost_error error;
    flowhost *host;
    if (!flowhost_config_get(config, "log_level")) {
        flowhost_config_set(config, "log_level", "warn"); /* of what is hardly meant */
    }
    set_private(config, false);
    int rc = open_host(&host, config, &error);
    if (rc == 0) {
        rc = flowhost_load(host, dir, print_problem, (void *)dir, &error);
        close_host(host);
    } else if (rc == FLOWHOST_E_USAGE && is_of_host_file(&error)) {
        printf("%.*s/%s\n", length_of(dir), dir, error.message);
        return EXIT_PROBLEMS;
    }
    if (rc < 0) {
        return complain(rc, &error);
    }
    if (rc == 0 && !is_interrupted) {
        printf("%s: no problems found\n", dir);
    }
    return rc > 0 || is_interrupted ? EXIT_PROBLEMS : EXIT_DONE;
}

struct reply {
    int status; /* 0 until it is there */
    char *body; /* on the heap, NUL-terminated */
};

struct question {
    struct reply reply;
    bool is_given_up; /* the answer, which comes at the latest when the host closes, ends it */
};

static void keep(void *user, int status, const char *body, size_t len)
{
    struct question *question = user;
    if (question->is_given_up) {
        free(question);
        return;
    }
    question->reply = (struct reply){status, malloc(len + 1)};
    if (question->reply.body) {
        memcpy(question->reply.body, body, len);
        question->reply.body[len] = '\0';
    }
}

/* Status 0: a signal came first, or there was no memory. */
static struct reply ask(flowhost *host, const char *method, const char *path, const char *body)
{
    struct reply reply = {0, NULL};
    struct question *question = calloc(1, sizeof(*question));
    if (question && flowhost_request(host, method, path, body, strlen(body), keep, question) == 0) {
        while (question->reply.status == 0 && !is_interrupted) {
            flowhost_step(host, -1);
        }
        reply = question->reply;
        question->is_given_up = reply.status == 0;
        question = question->is_given_up ? NULL : question;
    }
    free(question);
    return reply;
}

static void print(const struct reply *reply)
{
    size_t len = reply->body ? strlen(reply->body) : 0;
    printf("%s%s", len > 0 ? reply->body : "", len > 0 && reply->body[len - 1] == '\n' ? "" : "\n");
}

/* The steps of the only run there is. */
static void print_steps(flowhost *host)
{
    static const char id_field[] = "\"id\":\"";
    char path[128];
    struct reply list = ask(host, "GET", "/v1/runs?limit=1", "");
    const char *id = list.body ? strstr(list.body, id_field) : NULL;
    if (id) {
        snprintf(path, sizeof(path), "/v1/runs/%.26s/steps?format=text", id + strlen(id_field));
        struct reply steps = ask(host, "GET", path, "");
        putchar('\n');
        print(&steps);
        free(steps.body);
    }
    free(list.body);
}

static int run_flow(flowhost *host, flowhost_config *config)
{
    char path[512];
    snprintf(path, sizeof(path), "/v1/flows/%s/runs", flowhost_config_get(config, "flow"));
    struct reply result = ask(host, "POST", path, flowhost_config_get(config, "input"));
    if (is_interrupted) {
        fprintf(stderr, "flowhost: ended by a signal\n");
        free(result.body);
        return EXIT_PROBLEMS;
    }
    bool is_good = result.status >= 200 && result.status < 300;
    int code = is_good ? EXIT_DONE : EXIT_PROBLEMS;
    print(&result);
    print_steps(host);
    free(result.body);
    return code;
}

static int run(flowhost_config *config)
{
    const char *dir = flowhost_config_get(config, "dir");
    flowhost_error error;
    flowhost *host;
    set_private(config, false);
    flowhost_config_set(config, "record_all", "true");
    int rc = open_host(&host, config, &error);
    if (rc == 0) {
        rc = flowhost_load(host, dir, NULL, NULL, &error);
        int code = rc < 0 ? complain(rc, &error) : run_flow(host, config);
        close_host(host);
        return code;
    }
    return complain(rc, &error);
}

static int test(flowhost_config *config)
{
    flowhost_error error;
    int rc = flowhost_test(config, &error);
    if (rc < 0) {
        return complain(rc, &error);
    }
    return rc > 0 ? EXIT_PROBLEMS : EXIT_DONE;
}

static int command(flowhost *host, flowhost_config *config)
{
    flowhost_error error;
    int code = EXIT_PROBLEMS;
    int rc = flowhost_command(host, config, &code, &error);
    return rc < 0 ? complain(rc, &error) : code;
}

/* On a data folder: of a host that only opens it, or through the one that has it open and says where it listens. */
static int command_on_data(flowhost_config *config)
{
    char note[4096];
    flowhost_error error;
    flowhost *host;
    snprintf(note, sizeof(note), "%s/API", flowhost_config_get(config, "data"));
    flowhost_config_set(config, "log_level", "error");
    set_private(config, false);
    int rc = open_host(&host, config, &error);
    if (rc < 0) {
        return access(note, R_OK) == 0 ? command(NULL, config) : complain(rc, &error);
    }
    int code = command(host, config);
    close_host(host);
    return code;
}

/* A host for a run that was exported; with "listen" it serves it until a signal. */
static int open_run(flowhost_config *config)
{
    bool is_served = flowhost_config_get(config, "listen") != NULL;
    flowhost_error error;
    flowhost *host;
    set_private(config, is_served);
    int rc = open_host(&host, config, &error);
    if (rc < 0) {
        return complain(rc, &error);
    }
    rc = flowhost_load(host, NULL, NULL, NULL, &error);
    int code = rc < 0 ? complain(rc, &error) : command(host, config);
    if (is_served && code == EXIT_DONE) {
        flowhost_run(host);
    }
    close_host(host);
    return code;
}

int main(int argc, char **argv)
{
    flowhost_error error;
    flowhost_config *config = flowhost_config_new();
    if (!config) {
        return EXIT_NO_START;
    }
    int rc = flowhost_config_parse(config, argc, argv, &error);
    int code = EXIT_DONE;
    if (rc < 0) {
        code = complain(rc, &error);
    } else if (rc == 0) {
        const char *name = flowhost_config_get(config, "command");
        if (strcmp(name, "serve") == 0) {
            code = serve(config);
        } else if (strcmp(name, "check") == 0) {
            code = check(config);
        } else if (strcmp(name, "run") == 0) {
            code = run(config);
        } else if (strcmp(name, "test") == 0) {
            code = test(config);
        } else if (strcmp(name, "open") == 0) {
            code = open_run(config);
        } else if (strcmp(name, "version") == 0) {
            printf("flowhost %s\n", flowhost_version());
        } else if (flowhost_config_get(config, "data")) {
            code = command_on_data(config);
        } else {
            code = command(NULL, config);
        }
    }
    flowhost_config_free(config);
    return code;
}
