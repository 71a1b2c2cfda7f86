/* SPDX-License-Identifier: MIT */
/* Key files, public keys and sealed values: any text is refused or read, nothing else. */
#include "crypto/hash.h"
#include "crypto/sealed.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fh_slice text = fh_slice_make((const char *)data, size);
    struct fh_keys keys = {NULL, 0};
    struct fh_public_key key;
    struct fh_sealed_header header;
    struct fh_secret value = {NULL, 0};
    struct fh_error err = {0, ""};
    fh_hash_init();
    fh_public_read(&key, text, &err);
    fh_sealed_parse(&header, text, &err);
    if (!fh_keys_is_locked(text) && fh_keys_read(&keys, text, fh_slice_make("", 0), &err) == 0) {
        fh_sealed_open(&keys, text, fh_slice_make("A", 1), &value, &err);
    }
    fh_keys_deinit(&keys);
    if (fh_keys_make(&keys) == 0) {
        fh_sealed_open(&keys, text, fh_slice_make("A", 1), &value, &err);
    }
    fh_secret_deinit(&value);
    fh_keys_deinit(&keys);
    return 0;
}
