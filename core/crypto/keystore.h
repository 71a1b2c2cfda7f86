/* SPDX-License-Identifier: MIT */
/* The opened secrets of a process, by name, and the keys that open sealed ones. Shared by all shards; any thread.
 * Values lie in guarded memory and are handed out as copies.
 *
 * Two places have secrets of one name: what was set by API (FH_KEYSTORE_STORE) comes before the secrets folder. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "crypto/sealed.h"
#include "crypto/secret.h"

#include <stdbool.h>

enum fh_keystore_place { FH_KEYSTORE_STORE, FH_KEYSTORE_FOLDER, FH_KEYSTORE_PLACES };

struct fh_keystore;

int fh_keystore_open(struct fh_keystore **out);
void fh_keystore_close(struct fh_keystore *keystore);

/* Takes the keys over. */
void fh_keystore_set_keys(struct fh_keystore *keystore, struct fh_keys *keys);

bool fh_keystore_has_key(struct fh_keystore *keystore);

/* Seals by the newest key. FH_E_NOT_FOUND: there is none. */
int fh_keystore_seal(struct fh_keystore *keystore, struct fh_slice name, struct fh_slice value,
                     struct fh_slice created, struct fh_buf *out);

/* Seals a sealed text of that name anew, by the newest key; nothing is appended when it is by that already. As
 * fh_sealed_open. */
int fh_keystore_renew(struct fh_keystore *keystore, struct fh_slice name, struct fh_slice text,
                      struct fh_slice created, struct fh_buf *out, struct fh_error *err);

/* Opens a sealed text of that name and keeps its value. As fh_sealed_open. */
int fh_keystore_take(struct fh_keystore *keystore, enum fh_keystore_place place,
                     struct fh_slice name, struct fh_slice text, struct fh_error *err);

/* Keeps a copy of a value. 0 or FH_E_NO_MEMORY. */
int fh_keystore_put(struct fh_keystore *keystore, enum fh_keystore_place place,
                    struct fh_slice name, struct fh_slice value);
void fh_keystore_remove(struct fh_keystore *keystore, enum fh_keystore_place place,
                        struct fh_slice name);
void fh_keystore_clear(struct fh_keystore *keystore, enum fh_keystore_place place);

bool fh_keystore_has(struct fh_keystore *keystore, struct fh_slice name);

/* A copy for the caller to free. 0, FH_E_NOT_FOUND, FH_E_NO_MEMORY. */
int fh_keystore_get(struct fh_keystore *keystore, struct fh_slice name, struct fh_secret *out);

/* Whether any secret is here that is redacted: one of FH_REDACT_MIN_BYTES at least. Cheap. */
enum { FH_REDACT_MIN_BYTES = 6 };
bool fh_keystore_has_any(const struct fh_keystore *keystore);

/* Appends the text with "[secret NAME]" in place of each value, as it is, as JSON writes it and in base64. Of JSON
 * (is_json) only inside of strings. false: nothing was found, nothing appended. */
bool fh_keystore_redact(struct fh_keystore *keystore, struct fh_slice text, bool is_json,
                        struct fh_buf *out);
