/* SPDX-License-Identifier: MIT */
/* Stands in for libFuzzer in ordinary builds: feeds each file of the given folder (and an empty
 * input) to the fuzz target once, so that what was found stays found. */
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    /* Exactly as large as the input: reading past it is then seen by AddressSanitizer. */
    uint8_t *data = malloc(size ? size : 1);
    int rc = -1;
    if (data && fread(data, 1, size, file) == size) {
        rc = LLVMFuzzerTestOneInput(data, size);
    } else {
        perror(path);
    }
    free(data);
    fclose(file);
    return rc;
}

int main(int argc, char **argv)
{
    int files = 0;
    int bad = LLVMFuzzerTestOneInput((const uint8_t *)"", 0) != 0;
    DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        files++;
        bad += replay_file(argv[1], entry->d_name) != 0;
    }
    if (folder) {
        closedir(folder);
    }
    printf("%d inputs replayed, %d failed\n", files + 1, bad);
    return bad != 0;
}
