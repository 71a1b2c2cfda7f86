/* SPDX-License-Identifier: MIT */
/* Where in a value the encoder of JSON is, for its messages. */
#pragma once

#include "base/slice.h"

enum { FH_JSON_PLACE_BYTES = 200 };

/* A list through the C stack, from the value up to the root, which is all zero. */
struct fh_json_place {
    const struct fh_json_place *up;
    struct fh_slice key; /* of an object, or else */
    int index;           /* of an array, when not 0 */
};

/* "data.list[3]", cut with "..." when it is too long; empty for the root. Returns the length. */
size_t fh_json_place_write(const struct fh_json_place *place, char text[FH_JSON_PLACE_BYTES]);
