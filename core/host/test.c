/* SPDX-License-Identifier: MIT */
/* flowhost_test: the files of a folder, a VM without store, loop and client, and nothing else of a host. */
#include "flowhost.h"

#include "base/clock.h"
#include "crypto/hash.h"
#include "host/config.h"
#include "host/files.h"
#include "vm/setup.h"
#include "vm/vm.h"

#include <stdio.h>
#include <string.h>

static void put(void *arg, const char *name, const char *value)
{
    fh_config_put(arg, name, value);
}

/* host.lua's, as it reads in an empty environment: a test means the same on every machine. */
static int read_settings(struct fh_config *settings, const struct fh_files *files,
                         struct fh_error *err)
{
    struct fh_vm_context context = {.clock = &fh_clock_system};
    struct fh_vm *vm = NULL;
    int rc = fh_vm_open(&vm, &context, err);
    if (rc == 0) {
        rc = fh_setup_settings(vm, NULL, 0, NULL, fh_files_get(files, "host.lua"), put, settings,
                               err);
    }
    fh_vm_close(vm);
    if (rc == 0 && fh_config_text(settings, "problem")) {
        rc = fh_error_set(err, FH_E_INVALID, "%s", fh_config_text(settings, "problem"));
    }
    return rc;
}

static int run_tests(const struct fh_files *files, const struct fh_config *settings,
                     struct fh_error *err)
{
    struct fh_vm_context context = {
        .clock = &fh_clock_system,
        .memory_max_bytes = fh_config_number(settings, "memory_limit"),
        .cpu_limit_ms = fh_config_ms(settings, "cpu_limit"),
    };
    struct fh_vm *vm = NULL;
    int rc = fh_vm_open(&vm, &context, err);
    if (rc == 0) {
        rc = fh_setup_test(vm, files->pairs, files->count, settings->pairs, settings->count, err);
    }
    fh_vm_close(vm);
    fflush(stdout);
    return rc;
}

/* Files that cannot be read. */
static int print_problems(const struct fh_files *files, const char *dir)
{
    for (size_t i = 0; i < files->problem_count; i++) {
        printf("%s/%s:1: %s\n", dir, files->problems[i].name, files->problems[i].value.data);
    }
    return (int)files->problem_count;
}

int flowhost_test(const flowhost_config *config, flowhost_error *error)
{
    const char *given = flowhost_config_get(config, "dir");
    const char *dir = given ? given : ".";
    const char *filter = flowhost_config_get(config, "filter");
    struct fh_error err = {0, ""};
    struct fh_files files = {.pairs = NULL};
    struct fh_config settings;
    fh_config_init(&settings);
    int code = FLOWHOST_E_FOLDER;
    int rc = fh_files_read(&files, dir, &err);
    if (rc == 0) {
        code = FLOWHOST_E_USAGE;
        rc = read_settings(&settings, &files, &err);
    }
    if (rc == 0) {
        fh_config_put(&settings, "dir", dir);
        if (filter) {
            fh_config_put(&settings, "filter", filter);
        }
        code = FLOWHOST_E_START;
        rc = fh_hash_init() == 0 ? run_tests(&files, &settings, &err) : FLOWHOST_E_MEMORY;
    }
    if (rc < 0 && error) {
        error->code = code;
        snprintf(error->message, sizeof(error->message), "%s", err.detail);
    }
    if (rc >= 0) {
        rc += print_problems(&files, dir);
    }
    fh_config_deinit(&settings);
    fh_files_deinit(&files);
    return rc < 0 ? code : rc;
}
