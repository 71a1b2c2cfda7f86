/* SPDX-License-Identifier: MIT */
/* A folder of a test's own, files in it, and its removal. */
#pragma once

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char root[64];
};

static inline int folder_setup(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    const char *temp = getenv("TMPDIR");
    snprintf(folder->root, sizeof(folder->root), "%.40s/fh_host_XXXXXX", temp ? temp : "/tmp");
    *state = folder;
    return mkdtemp(folder->root) ? 0 : -1;
}

static inline int folder_remove_entry(const char *path, const struct stat *info, int type,
                                      struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static inline int folder_teardown(void **state)
{
    struct folder *folder = *state;
    int rc = nftw(folder->root, folder_remove_entry, 32, FTW_DEPTH | FTW_PHYS);
    free(folder);
    return rc;
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

/* `name` below the folder. Static, for a few calls. */
static inline const char *folder_path(const struct folder *folder, const char *name)
{
    static char paths[4][512];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder->root, name);
    return path;
}

/* Makes the folders on the way. */
static inline void folder_write_bytes(const struct folder *folder, const char *name,
                                      const void *bytes, size_t len)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder->root, name);
    for (char *slash = path + strlen(folder->root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static inline void folder_write(const struct folder *folder, const char *name, const char *text)
{
    folder_write_bytes(folder, name, text, strlen(text));
}
