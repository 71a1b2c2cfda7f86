/* SPDX-License-Identifier: MIT */
/* Keeps the part of the data file that counts as this process's memory small. LMDB maps the file; each page that is read
 * through the map, with its neighbours, stays mapped and counts, for ever. Once that has grown by `limit_bytes` the whole
 * map is given back to the kernel: the pages stay in its cache, and a pointer into the map stays valid, for the next
 * look at a page maps it again. Any thread. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FH_RESIDENT_LIMIT_BYTES = 48 << 20,
    FH_RESIDENT_TOUCH_BYTES =
        64 << 10, /* what one look at a page may map: Linux maps neighbours that it has */
};

struct fh_resident {
    char *map; /* NULL: unknown, nothing is ever given back */
    size_t map_bytes;
    size_t limit_bytes;
    size_t page_bytes;
    int statm_fd;
    _Atomic int64_t floor_bytes;    /* resident pages of files when the map was given back last */
    _Atomic uint64_t touched_bytes; /* at most, since somebody looked */
};

/* `map` and `map_bytes` as LMDB has them; `limit_bytes` 0: FH_RESIDENT_LIMIT_BYTES. */
void fh_resident_open(struct fh_resident *resident, void *map, size_t map_bytes,
                      size_t limit_bytes);
void fh_resident_close(struct fh_resident *resident);

/* So much of the map may have been mapped by what was just done; looks how much there is now and then. */
void fh_resident_touch(struct fh_resident *resident, size_t bytes);
