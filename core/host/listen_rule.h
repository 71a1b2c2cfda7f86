/* SPDX-License-Identifier: MIT */
/* Where a host may listen: beyond this machine only when there is a token or a user, for without one every caller is
 * admin. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct fh_store;

/* Whether the store has a token or a user. */
bool fh_listen_rule_has_accounts(struct fh_store *store);

/* `address` is the setting "listen". 0 or FH_E_INVALID with a sentence. Without a store (NULL): as for one that is empty. */
int fh_listen_rule_check(const char *address, struct fh_store *store, struct fh_error *err);
