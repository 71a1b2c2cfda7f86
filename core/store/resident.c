/* SPDX-License-Identifier: MIT */
#include "store/resident.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOOKS_PER_LIMIT = 6 };

/* Pages of files, ours and others', that are mapped and present; -1 when the kernel does not tell. */
static int64_t count_resident(const struct fh_resident *resident)
{
    char text[128];
    long long pages;
    ssize_t len = pread(resident->statm_fd, text, sizeof(text) - 1, 0);
    if (len <= 0) {
        return -1;
    }
    text[len] = '\0';
    /* size resident shared ... */
    return sscanf(text, "%*d %*d %lld", &pages) == 1
               ? (int64_t)pages * (int64_t)resident->page_bytes
               : -1;
}

void fh_resident_open(struct fh_resident *resident, void *map, size_t map_bytes, size_t limit_bytes)
{
    *resident = (struct fh_resident){
        .map = map,
        .map_bytes = map_bytes,
        .limit_bytes = limit_bytes ? limit_bytes : FH_RESIDENT_LIMIT_BYTES,
        .page_bytes = (size_t)sysconf(_SC_PAGESIZE),
        .statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC),
    };
    resident->floor_bytes = count_resident(resident);
}

void fh_resident_close(struct fh_resident *resident)
{
    if (resident->statm_fd >= 0) {
        close(resident->statm_fd);
    }
}

static void look(struct fh_resident *resident)
{
    int64_t bytes = count_resident(resident);
    if (bytes >= 0 && bytes - resident->floor_bytes < (int64_t)resident->limit_bytes) {
        return;
    }
    madvise(resident->map, resident->map_bytes, MADV_DONTNEED);
    resident->floor_bytes = count_resident(resident);
}

void fh_resident_touch(struct fh_resident *resident, size_t bytes)
{
    uint64_t enough = resident->limit_bytes / LOOKS_PER_LIMIT;
    if (!resident->map) {
        return;
    }
    if (atomic_fetch_add(&resident->touched_bytes, bytes) + bytes >= enough &&
        atomic_exchange(&resident->touched_bytes, 0) >= enough) {
        look(resident);
    }
}
