/* SPDX-License-Identifier: MIT */
/* Who may call, as far as it is decided before Lua runs: the listen rule, and the note by which commands of who owns the
 * data folder reach the host that has it open.
 *
 * The note is DATA/API, mode 0600, { "url", "token" }: the token is made anew at each start, lives in memory only, and
 * is admin. Who can read the folder could change the store anyway. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct fh_config;
struct fh_store;

/* The listen rule: without a user or token only this machine may be listened to. A folder without data has neither, so
 * that is refused before anything is made. */
int fh_access_check_early(const struct fh_config *settings, struct fh_error *err);

/* The rule, now that the store can tell; puts setting "owner_token". */
int fh_access_begin(struct fh_store *store, struct fh_config *settings, bool *has_any,
                    struct fh_error *err);

/* `address` is where the host listens. A failure is logged: only commands with --data miss it. */
void fh_access_write_note(const char *folder, const char *address, const char *token);
void fh_access_remove_note(const char *folder);
