/* SPDX-License-Identifier: MIT */
/* The replaceable clock: the system's in a host, a manual one in tests. Whoever needs time is
 * handed a `const struct fh_clock *`; nothing calls clock_gettime elsewhere. */
#pragma once

#include <stdint.h>

struct fh_clock {
    int64_t (*wall_us)(const struct fh_clock *clock); /* microseconds since 1970 UTC */
    int64_t (*mono_us)(const struct fh_clock *clock); /* never runs backwards */
};

extern const struct fh_clock fh_clock_system;

/* Advances only when a test says so. Use `&manual.clock`. */
struct fh_clock_manual {
    struct fh_clock clock;
    int64_t now_us;
};

void fh_clock_manual_init(struct fh_clock_manual *manual, int64_t now_us);

static inline int64_t fh_clock_wall_ms(const struct fh_clock *clock)
{
    return clock->wall_us(clock) / 1000;
}

static inline int64_t fh_clock_mono_us(const struct fh_clock *clock)
{
    return clock->mono_us(clock);
}
