/* SPDX-License-Identifier: MIT */
/* Which addresses calls may go to, judged once names are resolved. Immutable after it was made; any thread.
 *
 * Refused unless allowed: link-local addresses and those at which clouds tell machines their credentials. `deny` adds to
 * these, `allow` takes from the built-in ones. A network of `deny` wins over one of `allow`. An IPv4 address in IPv6
 * clothes (::ffff:1.2.3.4, 64:ff9b::1.2.3.4) is judged as the IPv4 address. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <sys/socket.h>

struct fh_policy;

/* Lists of networks such as "10.0.0.0/8, fd00::/8", separated by commas or blanks; empty: none.
 * FH_E_INVALID names the one that cannot be read. */
int fh_policy_new(struct fh_policy **out, struct fh_slice allow, struct fh_slice deny,
                  struct fh_error *err);
void fh_policy_free(struct fh_policy *policy);

/* Whether a call may go there; if not, `err` says why (FH_E_REFUSED). `policy` may be NULL: everywhere. */
bool fh_policy_allows(const struct fh_policy *policy, const struct sockaddr *address,
                      struct fh_error *err);
