/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/list.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t system_wall_us(const struct fh_clock *clock)
{
    (void)clock;
    return read_us(CLOCK_REALTIME);
}

static int64_t system_mono_us(const struct fh_clock *clock)
{
    (void)clock;
    return read_us(CLOCK_MONOTONIC);
}

const struct fh_clock fh_clock_system = {system_wall_us, system_mono_us};

static int64_t manual_us(const struct fh_clock *clock)
{
    return FH_LIST_ENTRY(clock, const struct fh_clock_manual, clock)->now_us;
}

void fh_clock_manual_init(struct fh_clock_manual *manual, int64_t now_us)
{
    *manual = (struct fh_clock_manual){{manual_us, manual_us}, now_us};
}
