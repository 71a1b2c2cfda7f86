/* SPDX-License-Identifier: MIT */
#include "base/crc32c.h"

#include <string.h>

enum { POLYNOMIAL_REVERSED = 0x82F63B78 };

uint32_t fh_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((uint32_t)POLYNOMIAL_REVERSED & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t len)
{
    const unsigned char *bytes = data;
    uint64_t state = ~crc;
    for (; len >= 8; len -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = _mm_crc32_u64(state, word);
    }
    for (; len > 0; len--, bytes++) {
        state = _mm_crc32_u8((uint32_t)state, *bytes);
    }
    return ~(uint32_t)state;
}

uint32_t fh_crc32c(uint32_t crc, const void *data, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, data, len)
                                            : fh_crc32c_portable(crc, data, len);
}
#else
uint32_t fh_crc32c(uint32_t crc, const void *data, size_t len)
{
    return fh_crc32c_portable(crc, data, len);
}
#endif
