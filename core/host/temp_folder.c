/* SPDX-License-Identifier: MIT */
#include "host/temp_folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int fh_temp_folder_make(char path[FH_TEMP_FOLDER_BYTES], struct fh_error *err)
{
    const char *base = getenv("TMPDIR");
    int len = snprintf(path, FH_TEMP_FOLDER_BYTES, "%s/flowhost-XXXXXX", base ? base : "/tmp");
    if (len >= FH_TEMP_FOLDER_BYTES) {
        return fh_error_set(err, FH_E_TOO_LARGE, "TMPDIR is longer than %d characters",
                            FH_TEMP_FOLDER_BYTES);
    }
    if (!mkdtemp(path)) {
        int number = errno;
        return fh_error_set(err, fh_error_from_errno(number),
                            "cannot make the temporary folder %s: %s", path, strerror(number));
    }
    return 0;
}

void fh_temp_folder_remove(const char *path)
{
    char file[PATH_MAX];
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL) {
        if (snprintf(file, sizeof(file), "%s/%s", path, entry->d_name) < (int)sizeof(file)) {
            unlink(file);
        }
    }
    if (folder) {
        closedir(folder);
    }
    rmdir(path);
}
