/* SPDX-License-Identifier: MIT */
#include "host/access.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/random.h"
#include "host/config.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_BYTES = 32, NOTE_MODE = 0600, MAX_NOTE_BYTES = 1024 };

static int on_row(void *arg, struct fh_slice key, struct fh_slice value, int rc)
{
    (void)key;
    (void)value;
    (void)rc;
    *(bool *)arg = true;
    return 1;
}

static int look(struct fh_store *store, bool *has_any, struct fh_error *err)
{
    const struct fh_scan users = {.table = FH_TABLE_USERS};
    const struct fh_scan tokens = {.table = FH_TABLE_TOKENS};
    struct fh_snapshot *snapshot;
    *has_any = false;
    int rc = fh_snapshot_open(&snapshot, store);
    if (rc == 0) {
        rc = fh_snapshot_scan(snapshot, &users, on_row, has_any);
        rc = rc == 0 ? fh_snapshot_scan(snapshot, &tokens, on_row, has_any) : rc;
        fh_snapshot_close(snapshot);
    }
    if (rc != 0) {
        fh_error_set(err, rc, "the store cannot be read: %s", fh_error_text(rc));
    }
    return rc;
}

static bool has_data_in(const char *folder)
{
    struct fh_buf path;
    fh_buf_init(&path, PATH_MAX);
    bool has_data =
        fh_buf_push_format(&path, "%s/data.mdb", folder) != 0 || access(path.data, F_OK) == 0;
    fh_buf_deinit(&path);
    return has_data;
}

static bool is_loopback(const char *address)
{
    size_t digits = strspn(address, "0123456789.");
    return (strncmp(address, "127.", 4) == 0 && (address[digits] == ':' || !address[digits])) ||
           strncmp(address, "[::1]", 5) == 0 || strncmp(address, "localhost:", 10) == 0;
}

static int check_listen(const char *address, bool has_any, struct fh_error *err)
{
    if (has_any || strcmp(address, "none") == 0 || is_loopback(address)) {
        return 0;
    }
    return fh_error_set(err, FH_E_INVALID,
                        "refusing to listen on %s: there is no token or user yet, so nobody could "
                        "be told from anybody; make one with flowhost token create --role admin "
                        "--data DIR, or listen on 127.0.0.1",
                        address);
}

static int make_token(struct fh_config *settings)
{
    struct fh_random random = {.left_bytes = 0};
    unsigned char bytes[TOKEN_BYTES];
    char text[3 + 2 * TOKEN_BYTES + 1] = "fh_";
    fh_random_fill(&random, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(text + 3 + 2 * i, 3, "%02x", bytes[i]);
    }
    return fh_config_put(settings, "owner_token", text);
}

int fh_access_check_early(const struct fh_config *settings, struct fh_error *err)
{
    bool may_have = has_data_in(fh_config_text(settings, "data"));
    return check_listen(fh_config_text(settings, "listen"), may_have, err);
}

int fh_access_begin(struct fh_store *store, struct fh_config *settings, bool *has_any,
                    struct fh_error *err)
{
    int rc = look(store, has_any, err);
    if (rc == 0) {
        rc = check_listen(fh_config_text(settings, "listen"), *has_any, err);
    }
    if (rc == 0 && make_token(settings) != 0) {
        rc = fh_error_set(err, FH_E_NO_MEMORY, "out of memory");
    }
    return rc;
}

static int push_path(struct fh_buf *path, const char *folder)
{
    fh_buf_init(path, PATH_MAX);
    return fh_buf_push_format(path, "%s/API", folder);
}

/* "0.0.0.0:80" and ":80" are reached on the loopback. */
static int push_note(struct fh_buf *note, const char *address, const char *token)
{
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : strlen(address);
    bool is_any = len == 0 || strncmp(address, "0.0.0.0:", 8) == 0;
    bool is_any_v6 = strncmp(address, "[::]:", 5) == 0;
    const char *name = is_any ? "127.0.0.1" : is_any_v6 ? "[::1]" : address;
    int name_len = (int)(is_any || is_any_v6 ? strlen(name) : len);
    fh_buf_init(note, MAX_NOTE_BYTES);
    return fh_buf_push_format(note, "{\"url\":\"http://%.*s%s\",\"token\":\"%s\"}\n", name_len,
                              name, colon ? colon : "", token);
}

/* Not durable: it holds as long as this process. */
static int write_file(const char *path, struct fh_slice text)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, NOTE_MODE);
    if (fd < 0) {
        return fh_error_from_errno(errno);
    }
    ssize_t written = write(fd, text.data, text.len);
    close(fd);
    return written == (ssize_t)text.len ? 0 : FH_E_IO;
}

void fh_access_write_note(const char *folder, const char *address, const char *token)
{
    struct fh_buf path;
    struct fh_buf note = {.data = NULL};
    int rc = push_path(&path, folder);
    if (rc == 0) {
        rc = push_note(&note, address, token);
    }
    if (rc == 0) {
        rc = write_file(path.data, fh_buf_slice(&note));
    }
    if (rc != 0) {
        fh_log(FH_LOG_WARN, "%s/API cannot be written (%s): commands with --data do not find us",
               folder, fh_error_text(rc));
    }
    fh_buf_deinit(&note);
    fh_buf_deinit(&path);
}

void fh_access_remove_note(const char *folder)
{
    struct fh_buf path;
    if (push_path(&path, folder) == 0) {
        unlink(path.data);
    }
    fh_buf_deinit(&path);
}
