/* SPDX-License-Identifier: MIT */
/* CRC32C (Castagnoli, RFC 3720 appendix B.4), by the processor's instruction where it has one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over `len` bytes. */
uint32_t fh_crc32c(uint32_t crc, const void *data, size_t len);

/* The table-driven form, for processors without the instruction; also what tests compare with. */
uint32_t fh_crc32c_portable(uint32_t crc, const void *data, size_t len);
