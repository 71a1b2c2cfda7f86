/* SPDX-License-Identifier: MIT */
/* Runs a command of the command line to its end: a vm of its own, on the loop of a host of this process or, without one,
 * on a loop and with an HTTP client of its own. */
#pragma once

#include "base/error.h"
#include "vm/vm.h"

#include <stdatomic.h>

struct fh_command {
    const char *name;
    const char *arguments; /* JSON */
    /* of a host of this process, else NULL */
    struct fh_vm *host;
    struct fh_loop *loop;
    struct fh_store *store;
    struct fh_offload *offload;
    const _Atomic int *stops; /* more than 0: it was told to stop, and so is the command */
};

/* 0 and the exit code; 1 when it was stopped. */
int fh_command_run(const struct fh_command *command, int *exit_code, struct fh_error *err);
