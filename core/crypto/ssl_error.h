/* SPDX-License-Identifier: MIT */
/* Inside core/crypto: what OpenSSL's calls leave behind when they fail, translated once. */
#pragma once

#include "base/error.h"

/* Empties the thread's queue of OpenSSL errors, whose texts go nowhere. Fills `err` (may be NULL) with `code` and `text`,
 * or with FH_E_NO_MEMORY when that was the reason; returns the code. */
int fh_ssl_error_set(struct fh_error *err, int code, const char *text);

/* A step that no argument makes fail: memory, or an algorithm that this OpenSSL is built or configured without. */
int fh_ssl_error_unavailable(struct fh_error *err, const char *what);
