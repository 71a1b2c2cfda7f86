/* SPDX-License-Identifier: MIT */
/* What the host asks Lua beside serving: the command line, its commands, the settings, the flows folder. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>

struct fh_vm;

struct fh_pair {
    const char *name;
    struct fh_slice value;
};

/* Called for each name and value of the answer. */
typedef void (*fh_setup_set)(void *arg, const char *name, const char *value);

/* Words of the command line -> settings, or "text" / "usage" to print. */
int fh_setup_arguments(struct fh_vm *vm, int count, char *const *words, fh_setup_set set, void *arg,
                       struct fh_error *err);

/* Settings given by the program, over the environment ("NAME=value", NULL-terminated; NULL: empty), over host.lua's text (data NULL: there is
 * none), over the defaults -> all settings, or "problem". */
int fh_setup_settings(struct fh_vm *vm, const struct fh_pair *given, size_t count,
                      char *const *environment, struct fh_slice host_file, fh_setup_set set,
                      void *arg, struct fh_error *err);

typedef void (*fh_setup_on_problem)(void *arg, const char *file, int line, const char *message);

/* Loads the flows folder into a shard's vm. Returns how many problems were reported, or a negative code. */
int fh_setup_load(struct fh_vm *vm, const struct fh_pair *files, size_t file_count,
                  const struct fh_pair *settings, size_t setting_count,
                  fh_setup_on_problem on_problem, void *arg, struct fh_error *err);

/* Runs the tests of the flows folder in memory and prints to stdout; `settings` with "dir" and "filter". Returns how many
 * failed, or a negative code. */
int fh_setup_test(struct fh_vm *vm, const struct fh_pair *files, size_t file_count,
                  const struct fh_pair *settings, size_t setting_count, struct fh_error *err);

/* Begins a command of the command line (lua/flowhost/cli/commands) in a vm of its own; `arguments` is JSON.
 * FH_E_USAGE: it is none. `err` must be given. */
int fh_setup_command(struct fh_vm *vm, const char *name, const char *arguments,
                     struct fh_error *err);

/* Of that command: -1 until it has ended; turn the vm's loop. */
int fh_setup_exit_code(const struct fh_vm *vm);

/* What has changed in the folder since it was loaded or last reloaded. */
struct fh_setup_change {
    const struct fh_pair *files; /* new or changed */
    size_t file_count;
    const char **removed;
    size_t removed_count;
    const struct fh_pair *problems; /* of what cannot be read: path and NUL-terminated sentence */
    size_t problem_count;
    bool is_asked; /* by somebody who wants to read in the log what came of it */
};

/* For shard 0's vm, which tells the others. What comes of it is in the log. */
int fh_setup_reload(struct fh_vm *vm, const struct fh_setup_change *change, struct fh_error *err);

/* Takes up unfinished runs. */
int fh_setup_start(struct fh_vm *vm, struct fh_error *err);

/* Stops intake; returns how many runs are still being worked on. */
int fh_setup_drain(struct fh_vm *vm);
