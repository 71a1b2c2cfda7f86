/* SPDX-License-Identifier: MIT */
/* How a value stands on disk: format byte, the bytes, CRC32C little-endian over one byte of table
 * number, the key, the format byte and the bytes. Thus a value that a fault moved to another key
 * or table is found out too. Table numbers are part of the format: append to tables.h only. */
#pragma once

#include "base/error.h"
#include "base/slice.h"
#include "store/tables.h"

enum { FH_ENVELOPE_EXTRA_BYTES = 5 };

/* Writes value.len + FH_ENVELOPE_EXTRA_BYTES bytes to `out`. */
void fh_envelope_encode(char *out, enum fh_table table, struct fh_slice key, struct fh_slice value);

/* `value` borrows from `stored`, and is empty after an error. 0, or FH_E_CORRUPT with table and
 * key in `err`. */
int fh_envelope_decode(struct fh_slice *value, enum fh_table table, struct fh_slice key,
                       struct fh_slice stored, struct fh_error *err);

const char *fh_envelope_table_name(enum fh_table table);

enum { FH_ENVELOPE_HEX_CHARS = 2 * 96 + 4 };

/* The key in hex for messages, cut with "..." behind 96 bytes. */
void fh_envelope_key_hex(char out[FH_ENVELOPE_HEX_CHARS], struct fh_slice key);
