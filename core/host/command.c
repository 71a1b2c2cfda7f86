/* SPDX-License-Identifier: MIT */
#include "host/command.h"

#include "client/client.h"
#include "loop/loop.h"
#include "vm/setup.h"

static int turn(const struct fh_command *command, struct fh_vm *vm, struct fh_loop *loop,
                int *exit_code, struct fh_error *err)
{
    int rc = fh_setup_command(vm, command->name, command->arguments, err);
    while (rc == 0 && (*exit_code = fh_setup_exit_code(vm)) < 0) {
        if (command->stops && *command->stops > 0) {
            *exit_code = 1;
            break;
        }
        fh_loop_run_once(loop, -1);
    }
    return rc;
}

int fh_command_run(const struct fh_command *command, int *exit_code, struct fh_error *err)
{
    struct fh_client_config config = {.user_agent = "flowhost"};
    struct fh_vm_context context = {
        .clock = &fh_clock_system,
        .loop = command->loop,
        .store = command->store,
        .offload = command->offload,
        .host = command->host,
    };
    struct fh_vm *vm = NULL;
    int rc = 0;
    if (!command->host) {
        rc = fh_loop_open(&context.loop, err);
        rc = rc == 0 ? fh_client_open(&context.client, context.loop, &config, err) : rc;
    }
    if (rc == 0) {
        rc = fh_vm_open(&vm, &context, err);
    }
    if (rc == 0) {
        rc = turn(command, vm, context.loop, exit_code, err);
        fh_vm_mute(vm);
    }
    if (context.client) {
        fh_client_close(context.client);
    }
    fh_vm_close(vm);
    if (!command->host) {
        fh_loop_close(context.loop);
    }
    return rc;
}
