/* SPDX-License-Identifier: MIT */
/* The LMDB environment of a store with its tables opened, and the one translation of its codes. */
#pragma once

#include "store/resident.h"
#include "store/store.h"

#include <lmdb.h>

#define FH_ENV_FORMAT_KEY FH_SLICE_LIT("format") /* of table meta */

struct fh_env {
    MDB_env *lmdb;
    MDB_dbi tables[FH_TABLE_COUNT];
    struct fh_resident resident;
};

/* Opens or makes data.mdb in the (locked) folder, its tables and the meta row "format". Every
 * error has a sentence in `err`. */
int fh_env_open(struct fh_env *env, const struct fh_store_config *config, struct fh_error *err);
void fh_env_close(struct fh_env *env);

/* What the meta row "format" holds: 0, FH_E_NEWER_FORMAT or FH_E_CORRUPT with a sentence about `noun` `path`. */
int fh_env_check_format(struct fh_slice stored, const char *noun, const char *path,
                        struct fh_error *err);

/* 0 or FH_E_*. Set errno to 0 before a call of LMDB that writes, see env.c. */
int fh_env_code(int lmdb_rc);

static inline MDB_val fh_env_val(struct fh_slice bytes)
{
    return (MDB_val){.mv_size = bytes.len, .mv_data = (void *)bytes.data};
}

static inline struct fh_slice fh_env_slice(MDB_val val)
{
    return fh_slice_make(val.mv_data, val.mv_size);
}
