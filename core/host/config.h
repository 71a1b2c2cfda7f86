/* SPDX-License-Identifier: MIT */
/* Settings as names and texts. Owned by whoever made it. */
#pragma once

#include "base/error.h"
#include "vm/setup.h"

#include <stdint.h>

struct fh_config {
    struct fh_pair *pairs; /* names and values are on the heap */
    size_t count;
    size_t cap;
};

void fh_config_init(struct fh_config *config);
void fh_config_deinit(struct fh_config *config);

/* Replaces an earlier value. 0 or FH_E_NO_MEMORY. */
int fh_config_put(struct fh_config *config, const char *name, const char *value);

/* NULL when not set. */
const char *fh_config_text(const struct fh_config *config, const char *name);

/* 0 when not set. */
uint64_t fh_config_number(const struct fh_config *config, const char *name);

/* Of a number of seconds, rounded; at most 10^9 seconds. */
int64_t fh_config_ms(const struct fh_config *config, const char *name);
