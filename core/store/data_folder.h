/* SPDX-License-Identifier: MIT */
/* The store's folder: made when missing, and locked by us as long as it is open. The lock is an
 * flock on <path>/LOCK, which ends with the process however it ends; the pid in it is for people. */
#pragma once

#include "base/error.h"

struct fh_data_folder {
    int lock_fd;
};

/* Every error has a sentence in `err`. */
int fh_data_folder_open(struct fh_data_folder *folder, const char *path, struct fh_error *err);
void fh_data_folder_close(struct fh_data_folder *folder);

/* Makes the names of the files in the folder durable. */
int fh_data_folder_sync(const char *path, struct fh_error *err);
