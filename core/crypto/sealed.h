/* SPDX-License-Identifier: MIT */
/* Sealed values as text, and the keys that seal and open them. The formats are in docs/formats.md.
 *
 *   host.pub       anyone who has it can seal (X25519, libsodium's crypto_box_seal)
 *   key file       the host's secret keys, newest first; under a passphrase if so wished (Argon2id, secretbox)
 *   NAME.sealed    header lines, then the box; the name lies in the box, too: a renamed file does not open
 *
 * Messages name what is wrong, never bytes of keys or values. Any thread. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "crypto/secret.h"

#include <stdbool.h>

enum {
    FH_SEALED_KEY_BYTES = 32,
    FH_SEALED_ID_CHARS = 16,
    FH_SEALED_NAME_MAX = 128,
    FH_SEALED_VALUE_MAX = 256 * 1024,
    FH_SEALED_KEYS_MAX = 64
};

struct fh_public_key {
    unsigned char bytes[FH_SEALED_KEY_BYTES];
    char id[FH_SEALED_ID_CHARS + 1]; /* hex of the hash's first 8 bytes */
};

/* Secret keys, newest first, in guarded memory. Zeroed: none. */
struct fh_keys {
    unsigned char *secret; /* count times FH_SEALED_KEY_BYTES */
    size_t count;
};

/* Letters, digits and . _ -, at most FH_SEALED_NAME_MAX of them, none hidden. */
bool fh_sealed_is_name(struct fh_slice name);

/* A new key becomes the first. 0, FH_E_NO_MEMORY, FH_E_TOO_LARGE. */
int fh_keys_make(struct fh_keys *keys);
void fh_keys_deinit(struct fh_keys *keys);

/* Whether the text of a key file is under a passphrase. */
bool fh_keys_is_locked(struct fh_slice text);

/* FH_E_SYNTAX: no key file. FH_E_PERMISSION: the passphrase is wrong. Locked text takes a tenth of a second and 64 MiB. */
int fh_keys_read(struct fh_keys *keys, struct fh_slice text, struct fh_slice passphrase,
                 struct fh_error *err);

/* Appends the file's text; without a passphrase (len 0) it is not locked. */
int fh_keys_write(const struct fh_keys *keys, struct fh_slice passphrase, struct fh_buf *out);

/* Of the key at `index`. */
void fh_keys_public(const struct fh_keys *keys, size_t index, struct fh_public_key *out);

int fh_public_read(struct fh_public_key *key, struct fh_slice text, struct fh_error *err);
int fh_public_write(const struct fh_public_key *key, struct fh_buf *out);

/* Appends the text of a sealed value; `created` is a time as text. */
int fh_sealed_write(const struct fh_public_key *key, struct fh_slice name, struct fh_slice value,
                    struct fh_slice created, struct fh_buf *out);

/* The lines above the box; slices of the text. */
struct fh_sealed_header {
    struct fh_slice name;
    struct fh_slice key_id;
    struct fh_slice created;
    struct fh_slice box; /* base64 */
};

int fh_sealed_parse(struct fh_sealed_header *header, struct fh_slice text, struct fh_error *err);

/* Opens a sealed text, which must be of this name. FH_E_SYNTAX, FH_E_NOT_FOUND (none of the keys), FH_E_CORRUPT,
 * FH_E_CONFLICT (sealed under another name). */
int fh_sealed_open(const struct fh_keys *keys, struct fh_slice text, struct fh_slice name,
                   struct fh_secret *out, struct fh_error *err);
