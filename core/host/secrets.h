/* SPDX-License-Identifier: MIT */
/* The host's keys and its secrets folder: where they lie, and how they come into the keystore.
 *
 *   keys      --key FILE · FLOWHOST_KEY_TEXT · $CREDENTIALS_DIRECTORY/flowhost.key · DATA.key beside the data folder,
 *             which is made when a secret is to be sealed and there is none. Passphrase: FLOWHOST_KEY_PASSPHRASE
 *   sealed    NAME.sealed of the secrets folder: the setting, else DIR/secrets, else DIR/../secrets */
#pragma once

#include "base/error.h"

#include <sys/types.h>
#include <time.h>

struct fh_config;
struct fh_keystore;

/* Zero-initialised field of its owner. */
struct fh_secrets {
    struct fh_keystore *keystore;
    char *folder;   /* NULL: there is none */
    char *key_path; /* of a key that is to be made; NULL: nowhere */
    const struct fh_config *settings;
    /* of the key file as it was read: what is as it was is not read again */
    ino_t key_inode;
    struct timespec key_time;
};

/* Reads keys and folder; keeps `settings`. A key that cannot be used is an error with one sentence; a sealed file that
 * cannot be opened is logged. */
int fh_secrets_open(struct fh_secrets *secrets, const struct fh_config *settings,
                    struct fh_error *err);

/* Reads keys and folder again. A key that cannot be used is logged, the former ones stay. */
void fh_secrets_reload(struct fh_secrets *secrets);
void fh_secrets_close(struct fh_secrets *secrets);
