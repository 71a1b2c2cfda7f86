/* SPDX-License-Identifier: MIT */
#include "vm/json_place.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 44 };

static bool is_name(struct fh_slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }
    return key.len > 0;
}

/* Cut at a character, and with what could spoil a log line shown as '?'. */
static void show_key(struct fh_slice key, char text[KEY_BYTES])
{
    size_t len = key.len < KEY_BYTES - 4 ? key.len : KEY_BYTES - 4;
    while (len < key.len && len > 0 && ((unsigned char)key.data[len] & 0xc0) == 0x80) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)key.data[i];
        text[i] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    strcpy(text + len, len < key.len ? "..." : "");
}

static size_t write_steps(const struct fh_json_place *place, char text[FH_JSON_PLACE_BYTES],
                          size_t len)
{
    char key[KEY_BYTES];
    char step[KEY_BYTES + 16];
    if (!place || !place->up) {
        return len;
    }
    len = write_steps(place->up, text, len);
    if (place->index != 0) {
        snprintf(step, sizeof(step), "[%d]", place->index);
    } else {
        show_key(place->key, key);
        snprintf(step, sizeof(step), is_name(place->key) ? ".%s" : "[\"%s\"]", key);
    }
    size_t step_len = strlen(step);
    size_t skipped = len == 0 && step[0] == '.';
    if (len + step_len + sizeof("...") > FH_JSON_PLACE_BYTES) {
        if (text[len - 1] != '.') {
            memcpy(text + len, "...", sizeof("..."));
            len += 3;
        }
        return len;
    }
    memcpy(text + len, step + skipped, step_len - skipped + 1);
    return len + step_len - skipped;
}

size_t fh_json_place_write(const struct fh_json_place *place, char text[FH_JSON_PLACE_BYTES])
{
    text[0] = '\0';
    return write_steps(place, text, 0);
}
