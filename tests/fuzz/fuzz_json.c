/* SPDX-License-Identifier: MIT */
/* What decodes must encode to a text that decodes to the same text again, in both modes; the
 * strict mode never writes invalid UTF-8, which the second decoding would refuse. */
#include "vm/json.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { OUT_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int rc, const char *step, const struct fh_error *err)
{
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", step, err->detail);
        abort();
    }
}

static void check(lua_State *L, struct fh_slice text, const struct fh_json_limits *limits)
{
    struct fh_error err = {.detail = ""};
    struct fh_buf first;
    struct fh_buf second;
    if (fh_json_decode(L, text, limits, &err) != 0) {
        return;
    }
    fh_buf_init(&first, OUT_BYTES);
    fh_buf_init(&second, OUT_BYTES);
    expect(fh_json_encode(L, -1, limits, &first, &err), "first encoding", &err);
    expect(fh_json_decode(L, fh_buf_slice(&first), limits, &err), "second decoding", &err);
    expect(fh_json_encode(L, -1, limits, &second, &err), "second encoding", &err);
    if (!fh_slice_equal(fh_buf_slice(&first), fh_buf_slice(&second))) {
        fprintf(stderr, "%.*s\n%.*s\n", (int)first.len, first.data, (int)second.len, second.data);
        abort();
    }
    fh_buf_deinit(&first);
    fh_buf_deinit(&second);
    lua_settop(L, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    fh_json_register(L);
    struct fh_slice text = fh_slice_make(data, size);
    check(L, text, NULL);
    check(L, text, &(struct fh_json_limits){.any_bytes = true});
    check(L, text, &(struct fh_json_limits){.max_depth = FH_JSON_DEPTH_MOST, .pretty = true});
    lua_close(L);
    return 0;
}
