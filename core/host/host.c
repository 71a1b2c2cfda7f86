/* SPDX-License-Identifier: MIT */
/* flowhost.h over the shards: the order in which things open and close, and nothing else.
 *
 *   open:  settings ─► store ─► shards (loop, client, VM)
 *   load:  files ─► every VM ─► listeners ─► threads, unfinished runs
 *   close: threads ─► listeners, clients ─► store (last commits) ─► VMs, loops */
#include "flowhost.h"

#include "base/log.h"
#include "client/policy.h"
#include "crypto/hash.h"
#include "host/access.h"
#include "host/command.h"
#include "host/config.h"
#include "host/files.h"
#include "host/reload.h"
#include "host/secrets.h"
#include "host/shard.h"
#include "host/temp_folder.h"
#include "http/http.h"
#include "loop/offload.h"
#include "store/store.h"
#include "vm/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DRAIN_STEP_MS = 20, MAX_PASSWORDS = 64 };

struct component {
    struct fh_native native;
    flowhost_component fn;
    void *user;
};

struct flowhost_config {
    struct fh_config given;
};

struct flowhost {
    struct fh_config settings;
    struct fh_store *store;
    struct fh_shard *shards;
    struct fh_vm **vms;
    unsigned shard_count;
    const struct fh_native *natives;
    struct fh_reload reload;
    struct fh_secrets secrets;
    struct fh_policy *policy;
    struct fh_offload *offload;
    char temp_folder[FH_TEMP_FOLDER_BYTES];
    bool is_loaded;
    bool has_access; /* at the start: a user or a token */
    bool has_note;
    _Atomic int stops;
};

static int fail(flowhost_error *error, int code, const char *message)
{
    if (error) {
        error->code = code;
        snprintf(error->message, sizeof(error->message), "%s", message);
    }
    return code;
}

static int fail_with(flowhost_error *error, int code, const struct fh_error *err)
{
    return fail(error, err->code == FH_E_NO_MEMORY ? FLOWHOST_E_MEMORY : code, err->detail);
}

const char *flowhost_version(void)
{
    return FH_VERSION;
}

/* --- configuration ---------------------------------------------------------------------------- */

flowhost_config *flowhost_config_new(void)
{
    return calloc(1, sizeof(flowhost_config));
}

void flowhost_config_free(flowhost_config *config)
{
    if (config) {
        fh_config_deinit(&config->given);
        free(config);
    }
}

int flowhost_config_set(flowhost_config *config, const char *name, const char *value)
{
    return fh_config_put(&config->given, name, value) == 0 ? 0 : FLOWHOST_E_MEMORY;
}

const char *flowhost_config_get(const flowhost_config *config, const char *name)
{
    return fh_config_text(&config->given, name);
}

static void put(void *arg, const char *name, const char *value)
{
    fh_config_put(arg, name, value);
}

static int open_setup_vm(struct fh_vm **vm, struct fh_error *err)
{
    struct fh_vm_context context = {.clock = &fh_clock_system};
    return fh_vm_open(vm, &context, err);
}

int flowhost_config_parse(flowhost_config *config, int argc, char **argv, flowhost_error *error)
{
    struct fh_error err = {0, ""};
    struct fh_vm *vm = NULL;
    struct fh_config answer;
    fh_config_init(&answer);
    int rc = open_setup_vm(&vm, &err);
    if (rc == 0) {
        rc = fh_setup_arguments(vm, argc - 1, argv + 1, put, &answer, &err);
    }
    if (rc != 0) {
        rc = fail_with(error, FLOWHOST_E_USAGE, &err);
    } else if (fh_config_text(&answer, "usage")) {
        rc = fail(error, FLOWHOST_E_USAGE, fh_config_text(&answer, "usage"));
    } else if (fh_config_text(&answer, "text")) {
        fputs(fh_config_text(&answer, "text"), stdout);
        rc = 1;
    }
    for (size_t i = 0; rc == 0 && i < answer.count; i++) {
        rc = flowhost_config_set(config, answer.pairs[i].name, answer.pairs[i].value.data);
    }
    fh_config_deinit(&answer);
    fh_vm_close(vm);
    return rc;
}

/* --- open ------------------------------------------------------------------------------------- */

static bool is_argument(const char *name)
{
    return strcmp(name, "command") == 0 || strcmp(name, "dir") == 0 || strcmp(name, "flow") == 0 ||
           strcmp(name, "input") == 0 || strcmp(name, "arguments") == 0;
}

/* host.lua alone; the other files are read by flowhost_load. */
static int read_host_file(const char *dir, struct fh_files *files, struct fh_slice *text,
                          struct fh_error *err)
{
    *text = (struct fh_slice){NULL, 0};
    *files = (struct fh_files){.pairs = NULL};
    int rc = dir ? fh_files_read_one(files, dir, "host.lua", err) : 0;
    if (rc == 0) {
        *text = fh_files_get(files, "host.lua");
    }
    return rc;
}

static int resolve_settings(struct fh_config *settings, const struct fh_config *given,
                            flowhost_error *error)
{
    struct fh_error err = {0, ""};
    struct fh_vm *vm = NULL;
    struct fh_files files;
    struct fh_slice host_file;
    struct fh_config words;
    fh_config_init(&words);
    const char *dir = fh_config_text(given, "dir");
    if (read_host_file(dir, &files, &host_file, &err) != 0) {
        return fail_with(error, FLOWHOST_E_FOLDER, &err);
    }
    for (size_t i = 0; i < given->count; i++) {
        if (!is_argument(given->pairs[i].name)) {
            fh_config_put(&words, given->pairs[i].name, given->pairs[i].value.data);
        }
    }
    int rc = open_setup_vm(&vm, &err);
    if (rc == 0) {
        rc = fh_setup_settings(vm, words.pairs, words.count, environ, host_file, put, settings,
                               &err);
    }
    if (rc != 0) {
        rc = fail_with(error, FLOWHOST_E_USAGE, &err);
    } else if (fh_config_text(settings, "problem")) {
        rc = fail(error, FLOWHOST_E_USAGE, fh_config_text(settings, "problem"));
    } else if (dir && fh_config_put(settings, "dir", dir) != 0) {
        rc = fail(error, FLOWHOST_E_MEMORY, "out of memory");
    }
    fh_vm_close(vm);
    fh_config_deinit(&words);
    fh_files_deinit(&files);
    return rc;
}

static void set_log(const struct fh_config *settings)
{
    bool is_json = strcmp(fh_config_text(settings, "log"), "json") == 0;
    int level = fh_log_level_from(fh_slice_from(fh_config_text(settings, "log_level")));
    fh_log_set((enum fh_log_level)level, is_json ? FH_LOG_JSON : FH_LOG_TEXT);
}

static int check_shards(const struct fh_config *settings, struct fh_error *err)
{
    const char *count = fh_config_text(settings, "shards");
    if (fh_config_number(settings, "shards") <= FH_SHARDS_MAX) {
        return 0;
    }
    return fh_error_set(err, FH_E_INVALID, "shards = '%s': there can be at most %d", count,
                        FH_SHARDS_MAX);
}

static const char *data_folder(const flowhost *host)
{
    return host->temp_folder[0] ? host->temp_folder : fh_config_text(&host->settings, "data");
}

static int open_store(flowhost *host, struct fh_error *err)
{
    if (strcmp(fh_config_text(&host->settings, "data"), "temp") == 0) {
        int rc = fh_temp_folder_make(host->temp_folder, err);
        if (rc != 0) {
            host->temp_folder[0] = '\0';
            return rc;
        }
    }
    struct fh_store_config config = {
        .path = data_folder(host),
        .map_bytes = fh_config_number(&host->settings, "map_size"),
    };
    return fh_store_open(&host->store, &config, err);
}

static int open_access(flowhost *host, struct fh_error *err)
{
    int rc = fh_access_check_early(&host->settings, err);
    rc = rc == 0 ? open_store(host, err) : rc;
    if (rc == 0) {
        rc = fh_access_begin(host->store, &host->settings, &host->has_access, err);
    }
    return rc == 0 ? fh_offload_open(&host->offload, MAX_PASSWORDS, err) : rc;
}

static int open_shards(flowhost *host, struct fh_error *err)
{
    unsigned count = fh_shard_count(&host->settings);
    host->shards = calloc(count, sizeof(*host->shards));
    host->vms = calloc(count, sizeof(struct fh_vm *));
    if (!host->shards || !host->vms) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for %u shards", count);
    }
    host->shard_count = count;
    int rc =
        fh_policy_new(&host->policy, fh_slice_from(fh_config_text(&host->settings, "net_allow")),
                      fh_slice_from(fh_config_text(&host->settings, "net_deny")), err);
    for (unsigned i = 0; rc == 0 && i < count; i++) {
        struct fh_vm_context context = {
            .clock = &fh_clock_system,
            .store = host->store,
            .keystore = host->secrets.keystore,
            .key_path = host->secrets.key_path,
            .offload = host->offload,
            .peers = host->vms,
            .shard = i,
            .shards = count,
            .natives = &host->natives,
            .memory_max_bytes = fh_config_number(&host->settings, "memory_limit"),
            .cpu_limit_ms = fh_config_ms(&host->settings, "cpu_limit"),
        };
        rc = fh_shard_open(&host->shards[i], &context, host->policy, &host->settings, err);
        host->vms[i] = host->shards[i].vm;
    }
    return rc;
}

int flowhost_open(flowhost **out, const flowhost_config *config, flowhost_error *error)
{
    struct fh_error err = {0, ""};
    *out = NULL;
    flowhost *host = calloc(1, sizeof(*host));
    if (!host || fh_hash_init() != 0) {
        free(host);
        return fail(error, FLOWHOST_E_MEMORY, "out of memory");
    }
    int rc = resolve_settings(&host->settings, &config->given, error);
    if (rc != 0) {
        flowhost_close(host);
        return rc;
    }
    set_log(&host->settings);
    if (check_shards(&host->settings, &err) != 0) {
        flowhost_close(host);
        return fail_with(error, FLOWHOST_E_USAGE, &err);
    }
    if (open_access(host, &err) != 0 ||
        fh_secrets_open(&host->secrets, &host->settings, &err) != 0 ||
        open_shards(host, &err) != 0) {
        flowhost_close(host);
        return fail_with(error, FLOWHOST_E_START, &err);
    }
    *out = host;
    return 0;
}

/* --- components ------------------------------------------------------------------------------- */

static void call_component(void *user, struct fh_slice input, struct fh_call_native *call)
{
    const struct component *component = user;
    component->fn(component->user, input.data, input.len, (flowhost_call *)call);
}

int flowhost_register(flowhost *host, const char *name, flowhost_component fn, void *user)
{
    size_t len = strlen(name) + 1;
    if (host->is_loaded) {
        return FLOWHOST_E_USAGE;
    }
    struct component *component = malloc(sizeof(*component) + len);
    if (!component) {
        return FLOWHOST_E_MEMORY;
    }
    char *own_name = memcpy(component + 1, name, len);
    *component = (struct component){
        .native = {.next = host->natives, .name = own_name, .fn = call_component},
        .fn = fn,
        .user = user,
    };
    component->native.user = component;
    host->natives = &component->native;
    return 0;
}

void flowhost_call_return(flowhost_call *call, const char *json, size_t len)
{
    fh_native_finish((struct fh_call_native *)call, NULL, fh_slice_make(json, len));
}

void flowhost_call_fail(flowhost_call *call, const char *code, const char *message)
{
    fh_native_finish((struct fh_call_native *)call, code ? code : "COMPONENT_FAILED",
                     fh_slice_from(message));
}

/* --- load ------------------------------------------------------------------------------------- */

struct report {
    flowhost_on_problem on_problem;
    void *user;
};

static void on_problem(void *arg, const char *file, int line, const char *message)
{
    const struct report *report = arg;
    if (report->on_problem) {
        report->on_problem(report->user, file, line, message);
    } else {
        fh_log(FH_LOG_ERROR, "%s:%d: %s (this file is not served)", file, line, message);
    }
}

static int load_all(flowhost *host, const struct fh_files *files, struct report *report,
                    struct fh_error *err)
{
    int problems = 0;
    int unread = (int)files->problem_count;
    for (int i = 0; i < unread; i++) {
        on_problem(report, files->problems[i].name, 1, files->problems[i].value.data);
    }
    for (unsigned i = 0; i < host->shard_count; i++) {
        int rc = fh_setup_load(host->vms[i], files->pairs, files->count, host->settings.pairs,
                               host->settings.count, i == 0 ? on_problem : NULL, report, err);
        if (rc < 0) {
            return rc;
        }
        problems = i == 0 ? rc : problems;
    }
    return problems + unread;
}

/* Whether host.lua of the folder was asked for the settings: then a reload asks it for env. */
static int note_host_file(flowhost *host, const char *dir)
{
    const char *asked = fh_config_text(&host->settings, "dir");
    bool is_same = dir && asked && strcmp(dir, asked) == 0;
    return fh_config_put(&host->settings, "has_host_file", is_same ? "true" : "false");
}

static int read_all(flowhost *host, const char *dir, struct fh_files *files, struct fh_error *err)
{
    if (!dir) {
        return 0;
    }
    bool is_watched = strcmp(fh_config_text(&host->settings, "watch"), "true") == 0;
    host->reload.secrets = &host->secrets;
    return fh_reload_open(&host->reload, host->shards[0].loop, host->vms[0], dir, is_watched, files,
                          err);
}

/* With port 0 the first shard's free port becomes everybody's. */
static int listen_all(flowhost *host, struct fh_error *err)
{
    const char *address = fh_config_text(&host->settings, "listen");
    char known[128];
    if (strcmp(address, "none") == 0) {
        return 0;
    }
    for (unsigned i = 0; i < host->shard_count; i++) {
        int rc =
            fh_shard_listen(&host->shards[i], address, i, host->shard_count, &host->settings, err);
        if (rc != 0) {
            return rc;
        }
        if (i == 0) {
            const char *colon = strrchr(address, ':');
            snprintf(known, sizeof(known), "%.*s:%u", (int)(colon - address), address,
                     fh_http_get_port(host->shards[i].http));
            address = known;
        }
    }
    fh_log(FH_LOG_INFO, "listening on %s with %u shard%s", known, host->shard_count,
           host->shard_count == 1 ? "" : "s");
    if (!host->has_access) {
        fh_log(FH_LOG_WARN, "there are no tokens: every caller on this machine is admin");
    }
    fh_access_write_note(data_folder(host), known, fh_config_text(&host->settings, "owner_token"));
    host->has_note = true;
    return 0;
}

int flowhost_load(flowhost *host, const char *dir, flowhost_on_problem report_problem, void *user,
                  flowhost_error *error)
{
    struct fh_error err = {0, ""};
    struct fh_files files = {.pairs = NULL};
    struct report report = {report_problem, user};
    if (host->is_loaded) {
        return fail(error, FLOWHOST_E_USAGE, "the host is loaded already");
    }
    if (note_host_file(host, dir) != 0) {
        return fail(error, FLOWHOST_E_MEMORY, "out of memory");
    }
    if (read_all(host, dir, &files, &err) != 0) {
        return fail_with(error, FLOWHOST_E_FOLDER, &err);
    }
    host->is_loaded = true;
    int problems = load_all(host, &files, &report, &err);
    fh_files_deinit(&files);
    int rc = problems < 0 ? problems : listen_all(host, &err);
    for (unsigned i = host->shard_count; rc == 0 && i > 0; i--) {
        rc = fh_shard_start(&host->shards[i - 1], i > 1, &err);
    }
    return rc == 0 ? problems : fail_with(error, FLOWHOST_E_START, &err);
}

void flowhost_reload(flowhost *host)
{
    fh_reload_ask(&host->reload);
}

/* --- run -------------------------------------------------------------------------------------- */

void flowhost_stop(flowhost *host)
{
    atomic_fetch_add(&host->stops, 1);
    fh_loop_stop(host->shards[0].loop);
}

int flowhost_step(flowhost *host, int wait_ms)
{
    fh_loop_run_once(host->shards[0].loop, wait_ms);
    return 0;
}

int flowhost_fd(flowhost *host)
{
    return fh_loop_get_fd(host->shards[0].loop);
}

static int count_busy(const flowhost *host)
{
    int busy = 0;
    for (unsigned i = 0; i < host->shard_count; i++) {
        int own = host->shards[i].busy;
        busy += own < 0 ? 1 : own;
    }
    return busy;
}

static void drain(flowhost *host)
{
    int64_t end_us =
        fh_clock_mono_us(&fh_clock_system) + fh_config_ms(&host->settings, "drain_timeout") * 1000;
    fh_log(FH_LOG_INFO, "closing down: no new runs; a second signal leaves at once");
    for (unsigned i = 0; i < host->shard_count; i++) {
        fh_shard_drain(&host->shards[i]);
    }
    while (count_busy(host) > 0 && host->stops < 2 && fh_clock_mono_us(&fh_clock_system) < end_us) {
        fh_loop_run_once(host->shards[0].loop, DRAIN_STEP_MS);
    }
}

int flowhost_run(flowhost *host)
{
    fh_loop_run(host->shards[0].loop);
    drain(host);
    return 0;
}

struct answer {
    flowhost_on_answer on_answer;
    void *user;
};

static void on_local_answer(void *arg, int status, struct fh_slice body)
{
    struct answer answer = *(struct answer *)arg;
    free(arg);
    answer.on_answer(answer.user, status, body.data, body.len);
}

int flowhost_request(flowhost *host, const char *method, const char *path, const char *body,
                     size_t len, flowhost_on_answer on_answer, void *user)
{
    struct answer *answer = malloc(sizeof(*answer));
    if (!answer) {
        return FLOWHOST_E_MEMORY;
    }
    *answer = (struct answer){on_answer, user};
    fh_vm_request(host->vms[0], fh_slice_from(method), fh_slice_from(path),
                  fh_slice_make(body, len), on_local_answer, answer);
    return 0;
}

/* --- commands --------------------------------------------------------------------------------- */

int flowhost_command(flowhost *host, const flowhost_config *config, int *exit_code,
                     flowhost_error *error)
{
    struct fh_error err = {0, ""};
    struct fh_command command = {
        .name = flowhost_config_get(config, "command"),
        .arguments = flowhost_config_get(config, "arguments"),
    };
    if (!command.name || !command.arguments) {
        return fail(error, FLOWHOST_E_USAGE, "no command that flowhost_config_parse has read");
    }
    if (host) {
        command.host = host->vms[0];
        command.loop = host->shards[0].loop;
        command.store = host->store;
        command.offload = host->offload;
        command.stops = &host->stops;
    }
    int rc = fh_command_run(&command, exit_code, &err);
    if (rc != 0) {
        return fail_with(error, rc == FH_E_USAGE ? FLOWHOST_E_USAGE : FLOWHOST_E_START, &err);
    }
    return 0;
}

/* --- close ------------------------------------------------------------------------------------ */

void flowhost_close(flowhost *host)
{
    if (!host) {
        return;
    }
    fh_reload_close(&host->reload);
    for (unsigned i = 0; i < host->shard_count; i++) {
        fh_shard_stop(&host->shards[i]);
    }
    if (host->has_note) {
        fh_access_remove_note(data_folder(host));
    }
    fh_offload_close(host->offload);
    for (unsigned i = 0; i < host->shard_count; i++) {
        fh_shard_close_outside(&host->shards[i]);
    }
    fh_store_close(host->store);
    for (unsigned i = 0; i < host->shard_count; i++) {
        fh_shard_close_inside(&host->shards[i]);
    }
    fh_secrets_close(&host->secrets);
    fh_policy_free(host->policy);
    while (host->natives) {
        struct component *component = (struct component *)host->natives;
        host->natives = component->native.next;
        free(component);
    }
    if (host->temp_folder[0]) {
        fh_temp_folder_remove(host->temp_folder);
    }
    free(host->vms);
    free(host->shards);
    fh_config_deinit(&host->settings);
    free(host);
}
