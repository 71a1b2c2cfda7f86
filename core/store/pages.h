/* SPDX-License-Identifier: MIT */
/* Looks at an LMDB data file before it is mapped: reading a page behind the end of a truncated
 * file through the mapping would be a SIGBUS.
 *
 * LMDB leaves a file shorter than its last page number says when the last pages were freed in the
 * transaction that took them. So a short file is walked from its roots: it is good when no page
 * in use lies behind the end. A file of full length is not walked. */
#pragma once

#include "base/error.h"

#include <stddef.h>

/* 0 (also for a missing or empty file), FH_E_CORRUPT, FH_E_IO, FH_E_PERMISSION, FH_E_NO_MEMORY;
 * `err` tells what to do. A file that is not of LMDB passes: LMDB itself refuses it. */
int fh_pages_check(const char *data_file, struct fh_error *err);

/* Where the file is mapped, by the address of a small value that was read from the map; NULL when it does not look as
 * it should. LMDB does not tell. */
void *fh_pages_find_map(const void *value, size_t page_bytes);
