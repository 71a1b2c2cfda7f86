/* SPDX-License-Identifier: MIT */
/* Passwords: argon2id by libsodium, with what OWASP names as the least (19 MiB, two passes, one lane): about 25 ms of a
 * processor, so never on a loop's thread (loop/offload.h). A hash is text that says its own parameters: hashes of other
 * parameters still verify. Any thread, after fh_hash_init. */
#pragma once

#include "base/slice.h"

#include <stdbool.h>

enum { FH_PASSWORD_HASH_BYTES = 128 };

/* A password in guarded memory. */
struct fh_password;

/* Copies it; NULL: no memory. The caller wipes his own. */
struct fh_password *fh_password_new(struct fh_slice text);
void fh_password_free(struct fh_password *password); /* wipes; may be NULL */

/* NUL-terminated. 0 or FH_E_NO_MEMORY. */
int fh_password_hash(const struct fh_password *password, char out[FH_PASSWORD_HASH_BYTES]);

/* In a time that tells nothing of where they differ. `hash` is NUL-terminated; false also when it is none. */
bool fh_password_verify(const struct fh_password *password, const char *hash);
