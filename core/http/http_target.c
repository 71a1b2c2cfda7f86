/* SPDX-License-Identifier: MIT */
/* The target of a request: its path, decoded once, and its query, decoded when somebody asks. */
#include "http/http_internal.h"

#include <stdlib.h>
#include <strings.h>

enum { STACK_BYTES = 1024 };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at text[i] stands for; -1 when it is none. */
static int escaped_byte(struct fh_slice text, size_t i)
{
    if (text.len - i < 3 || hex_digit(text.data[i + 1]) < 0 || hex_digit(text.data[i + 2]) < 0) {
        return -1;
    }
    return hex_digit(text.data[i + 1]) << 4 | hex_digit(text.data[i + 2]);
}

/* Into `out`, which has room for raw.len bytes; false when an escape is broken or stands for NUL. */
static bool decode_path(struct fh_slice raw, char *out, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int byte = (unsigned char)raw.data[i];
        if (byte == '%') {
            byte = escaped_byte(raw, i);
            if (byte <= 0) {
                return false;
            }
            i += 2;
        }
        out[(*len)++] = (char)byte;
    }
    return true;
}

/* A broken escape is left as it is. Returns the length. */
static size_t decode_query(struct fh_slice raw, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        int byte = raw.data[i] == '%' ? escaped_byte(raw, i) : -1;
        if (byte >= 0) {
            out[len++] = (char)byte;
            i += 2;
        } else {
            out[len++] = raw.data[i];
            if (raw.data[i] == '+') {
                out[len - 1] = ' ';
            }
        }
    }
    return len;
}

/* "http://host/path?query", which servers must accept (RFC 9112 section 3.2.2), is cut to its path. */
static struct fh_slice skip_authority(struct fh_slice target)
{
    size_t skip = 0;
    if (target.len >= 7 && strncasecmp(target.data, "http://", 7) == 0) {
        skip = 7;
    } else if (target.len >= 8 && strncasecmp(target.data, "https://", 8) == 0) {
        skip = 8;
    }
    if (skip == 0) {
        return target;
    }
    while (skip < target.len && target.data[skip] != '/' && target.data[skip] != '?') {
        skip++;
    }
    return fh_slice_make(target.data + skip, target.len - skip);
}

void fh_http_target_keep(struct fh_http_request *request, struct fh_slice target)
{
    target = skip_authority(target);
    const char *mark = target.len ? memchr(target.data, '?', target.len) : NULL;
    struct fh_slice path =
        fh_slice_make(target.data, mark ? (size_t)(mark - target.data) : target.len);
    struct fh_slice query = fh_slice_make("", 0);
    if (mark) {
        query = fh_slice_make(mark + 1, target.len - path.len - 1);
    }
    if (path.len == 0) {
        path = FH_SLICE_LIT("/");
    }
    request->has_bad_target = target.len && memchr(target.data, ' ', target.len) != NULL;
    if (fh_buf_reserve(&request->text, path.len + query.len) != 0) {
        request->is_out_of_memory = true;
        return;
    }
    char *out = request->text.data;
    size_t len;
    if (!decode_path(path, out, &len)) {
        memcpy(out, path.data, path.len);
        len = path.len;
    }
    request->path = fh_slice_make(out, len);
    memcpy(out + len, query.data, query.len);
    request->query = fh_slice_make(out + len, query.len);
}

/* MHD would now make a record of each query argument, and when the connection's memory does not hold
 * them all it never answers: the caller waits until the connection times out. So we keep the query
 * and leave MHD an empty one; `target` is its read buffer, which is writable. */
void fh_http_target_hide_query(const char *target)
{
    char *mark = strchr((char *)(uintptr_t)target, '?');
    if (mark) {
        mark[1] = '\0';
    }
}

static void visit_pair(struct fh_slice pair, char *out, fh_http_visit visit, void *arg)
{
    const char *equals = memchr(pair.data, '=', pair.len);
    size_t name_len = equals ? (size_t)(equals - pair.data) : pair.len;
    struct fh_slice raw = fh_slice_make("", 0);
    if (equals) {
        raw = fh_slice_make(equals + 1, pair.len - name_len - 1);
    }
    struct fh_slice name =
        fh_slice_make(out, decode_query(fh_slice_make(pair.data, name_len), out));
    struct fh_slice value = fh_slice_make(out + name.len, decode_query(raw, out + name.len));
    visit(arg, name, value);
}

void fh_http_request_each_query(struct fh_http_request *request, fh_http_visit visit, void *arg)
{
    char stack[STACK_BYTES];
    struct fh_slice rest = request->query;
    char *out = rest.len <= sizeof(stack) ? stack : malloc(rest.len);
    while (out && rest.len > 0) {
        const char *amper = memchr(rest.data, '&', rest.len);
        struct fh_slice pair =
            fh_slice_make(rest.data, amper ? (size_t)(amper - rest.data) : rest.len);
        size_t used = pair.len + (amper ? 1 : 0);
        rest = fh_slice_make(rest.data + used, rest.len - used);
        if (pair.len > 0) {
            visit_pair(pair, out, visit, arg);
        }
    }
    if (out != stack) {
        free(out);
    }
}
