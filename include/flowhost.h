/* SPDX-License-Identifier: MIT */
/* libflowhost: a durable workflow host inside a C program.
 *
 *     flowhost_config *config = flowhost_config_new();
 *     flowhost_config_set(config, "data", "/var/lib/shop");
 *     flowhost *host;
 *     flowhost_error error;
 *     if (flowhost_open(&host, config, &error) == 0) {
 *         flowhost_register(host, "charge_card", charge_card, shop);
 *         flowhost_load(host, "flows", NULL, NULL, &error);
 *         flowhost_run(host);
 *         flowhost_close(host);
 *     }
 *     flowhost_config_free(config);
 *
 * One host may be open per data folder. All functions are called on the thread that opened the host, except those
 * marked "any thread". Callbacks run on the host's threads and must not block. Functions return 0 or a negative
 * FLOWHOST_E_* and fill `error` (which may be NULL) with a sentence.
 *
 * The signal SIGRTMIN+7 belongs to the host, which sets its handler and unblocks it on its threads: it ends flows that
 * compute too long (setting "cpu_limit"). Leave it alone. After fork only the parent may use the host. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FLOWHOST_API __attribute__((visibility("default")))
#else
#define FLOWHOST_API
#endif

typedef struct flowhost flowhost;
typedef struct flowhost_config flowhost_config;
typedef struct flowhost_call flowhost_call;

enum {
    FLOWHOST_E_USAGE = -1, /* wrong option or setting */
    FLOWHOST_E_START = -2, /* data folder, port, listen rule */
    FLOWHOST_E_MEMORY = -3,
    FLOWHOST_E_FOLDER = -4 /* the flows folder cannot be read */
};

typedef struct flowhost_error {
    int code;
    char message[512];
} flowhost_error;

/* --- configuration ------------------------------------------------------------------------------- */

FLOWHOST_API flowhost_config *flowhost_config_new(void);
FLOWHOST_API void flowhost_config_free(flowhost_config *config);

/* A setting by name, as in the reference ("listen", "data", "shards", ...). The host's defaults, host.lua and the
 * environment give way to it. "listen" = "none" serves no HTTP; "data" = "temp" keeps nothing behind. */
FLOWHOST_API int flowhost_config_set(flowhost_config *config, const char *name, const char *value);

/* What was set, or NULL. */
FLOWHOST_API const char *flowhost_config_get(const flowhost_config *config, const char *name);

/* Reads the words of flowhost's own command line. Sets "command" and its arguments ("dir", "flow", "input"; else "arguments"). 1: it
 * was
 * a question such as --help and has been answered on stdout; FLOWHOST_E_USAGE: `error` says what is wrong. */
FLOWHOST_API int flowhost_config_parse(flowhost_config *config, int argc, char **argv,
                                       flowhost_error *error);

/* --- the host -------------------------------------------------------------------------------------- */

/* Opens the store and the shards. host.lua of the folder in setting "dir", if given, is taken into account.
 * `config` may be freed afterwards. */
FLOWHOST_API int flowhost_open(flowhost **host, const flowhost_config *config,
                               flowhost_error *error);

/* A file that cannot be used; `line` begins at 1. */
typedef void (*flowhost_on_problem)(void *user, const char *file, int line, const char *message);

/* Loads the flows of a folder (NULL: none), takes up unfinished runs and begins to serve. Once per host. Returns the
 * number of problems found, each of which was reported; the other files are served. */
FLOWHOST_API int flowhost_load(flowhost *host, const char *dir, flowhost_on_problem on_problem,
                               void *user, flowhost_error *error);

/* Reads the folder of flowhost_load again: what has changed is served as soon as it is stored. With setting "watch" (the
 * default) a change is noticed without it. Problems are in the log and in GET /v1/flows. Any thread, also a signal
 * handler; it returns at once. */
FLOWHOST_API void flowhost_reload(flowhost *host);

/* Turns until flowhost_stop; running work then has the time of setting "drain_timeout" to end. */
FLOWHOST_API int flowhost_run(flowhost *host);

/* For a program with a loop of its own: handles what is ready, waiting up to `wait_ms` (-1: as long as it takes) for
 * something. */
FLOWHOST_API int flowhost_step(flowhost *host, int wait_ms);

/* A descriptor that is readable when flowhost_step has something to do; call it at least every second as well, for
 * timers. -1: not to be had. */
FLOWHOST_API int flowhost_fd(flowhost *host);

/* Ends flowhost_run: the first call lets running work end, the second does not. Any thread, also a signal handler. */
FLOWHOST_API void flowhost_stop(flowhost *host);

/* Closes everything. Unfinished durable runs go on when the data folder is opened again. Calls of components must have
 * been finished. `host` may be NULL. */
FLOWHOST_API void flowhost_close(flowhost *host);

/* `body` is JSON or text of `len` bytes, valid during the call. */
typedef void (*flowhost_on_answer)(void *user, int status, const char *body, size_t len);

/* A request to the host's own HTTP API without a connection: start runs ("POST", "/v1/flows/NAME/runs"), read, recover
 * or cancel them. `on_answer` runs once, during this call or later, on this thread. */
FLOWHOST_API int flowhost_request(flowhost *host, const char *method, const char *path,
                                  const char *body, size_t len, flowhost_on_answer on_answer,
                                  void *user);

/* Runs the tests (NAME_test.lua) of the flows folder in setting "dir", those whose name contains setting "filter" if it is
 * set: in memory, without network and data folder, on a clock of their own. Prints to stdout. Needs no host. Returns how
 * many failed; none found is a failure too. */
FLOWHOST_API int flowhost_test(const flowhost_config *config, flowhost_error *error);

/* Runs a command of the command line that flowhost_config_parse has read, other than serve, check, run and test: it
 * prints to stdout and stderr, and may take as long as its requests. `host` NULL: it asks the host that the command names, over
 * HTTP; else it asks `host`. Sets the exit code: 0, 1 problem, 4 host not reached. */
FLOWHOST_API int flowhost_command(flowhost *host, const flowhost_config *config, int *exit_code,
                                  flowhost_error *error);

/* --- components in C --------------------------------------------------------------------------------- */

/* A component that flows call by name: ctx.component(NAME, input). `input` is JSON, valid during the call. It sees to it
 * that flowhost_call_return or flowhost_call_fail is called exactly once for `call`, now or later. It runs on a shard's
 * thread. A run whose process dies before the result is recorded calls it again. */
typedef void (*flowhost_component)(void *user, const char *input, size_t len, flowhost_call *call);

/* Before flowhost_load; FLOWHOST_E_USAGE afterwards. `name` is copied. */
FLOWHOST_API int flowhost_register(flowhost *host, const char *name, flowhost_component component,
                                   void *user);

/* Any thread; `call` is gone afterwards. The result is JSON. The error's code is a name such as "CARD_DECLINED"
 * (NULL: "COMPONENT_FAILED"), its message may be NULL. */
FLOWHOST_API void flowhost_call_return(flowhost_call *call, const char *json, size_t len);
FLOWHOST_API void flowhost_call_fail(flowhost_call *call, const char *code, const char *message);

FLOWHOST_API const char *flowhost_version(void);

#ifdef __cplusplus
}
#endif
