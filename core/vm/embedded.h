/* SPDX-License-Identifier: MIT */
/* The Lua library inside the program: generated at build time by tools/embed.lua into embedded.c
 * of the build folder. Read-only, any thread. */
#pragma once

#include <stddef.h>

struct fh_embedded {
    const char *name;          /* as below lua/: "flowhost/engine/run.lua"; "argparse.lua" */
    const unsigned char *data; /* the file's bytes; a NUL follows them */
    size_t len;                /* without that NUL */
};

/* Sorted by name (strcmp), so that bsearch finds. */
extern const struct fh_embedded fh_embedded_files[];
extern const size_t fh_embedded_count;
