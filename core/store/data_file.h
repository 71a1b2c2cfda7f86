/* SPDX-License-Identifier: MIT */
/* A data file opened only to read it: of a folder that another process may have open, or one of its own (a backup).
 * It is not changed, and the folder not locked. */
#pragma once

#include "base/error.h"
#include "store/store.h"

#include <lmdb.h>

/* `path` is a folder with data.mdb, or the file itself. A folder must not be open in this process. Every error has a
 * sentence in `err`: FH_E_NOT_FOUND, FH_E_PERMISSION, FH_E_CORRUPT, FH_E_NEWER_FORMAT, ... */
int fh_data_file_open(MDB_env **out, const char *path, bool is_folder, struct fh_error *err);

/* Looks at every value. */
int fh_data_file_check(const char *path, struct fh_store_check *check, struct fh_error *err);
