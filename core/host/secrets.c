/* SPDX-License-Identifier: MIT */
#include "host/secrets.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "crypto/keystore.h"
#include "host/config.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_MAX_BYTES = 1 << 20, SEALED_MAX_BYTES = 2 << 20 };

static const char suffix[] = ".sealed";

/* --- keys ------------------------------------------------------------------------------------- */

static struct fh_slice passphrase(void)
{
    const char *text = getenv("FLOWHOST_KEY_PASSPHRASE");
    return fh_slice_from(text ? text : "");
}

static int use_keys(struct fh_secrets *secrets, struct fh_slice text, const char *from,
                    struct fh_error *err)
{
    struct fh_error why = {0, ""};
    struct fh_keys keys = {NULL, 0};
    int rc = fh_keys_read(&keys, text, passphrase(), &why);
    if (rc != 0) {
        const char *hint = rc == FH_E_PERMISSION ? "; set FLOWHOST_KEY_PASSPHRASE" : "";
        return fh_error_set(err, rc, "the key in %s cannot be used: %s%s", from, why.detail, hint);
    }
    fh_keystore_set_keys(secrets->keystore, &keys);
    return 0;
}

/* A key that others can read is none. */
static int check_mode(const char *path, struct stat *info, struct fh_error *err)
{
    if (stat(path, info) != 0) {
        return fh_error_set(err, FH_E_NOT_FOUND,
                            "there is no key file %s: 'flowhost secret init --key %s' makes one",
                            path, path);
    }
    if (info->st_mode & 077) {
        return fh_error_set(err, FH_E_PERMISSION,
                            "the key file %s can be read by others: chmod 600 %s", path, path);
    }
    return 0;
}

static bool is_as_read(const struct fh_secrets *secrets, const struct stat *info)
{
    return info->st_ino == secrets->key_inode && info->st_mtim.tv_sec == secrets->key_time.tv_sec &&
           info->st_mtim.tv_nsec == secrets->key_time.tv_nsec;
}

static int use_key_file(struct fh_secrets *secrets, const char *path, struct fh_error *err)
{
    struct fh_buf text;
    struct stat info;
    int rc = check_mode(path, &info, err);
    if (rc != 0 || is_as_read(secrets, &info)) {
        return rc;
    }
    fh_buf_init(&text, KEY_MAX_BYTES);
    rc = fh_file_read(&text, path, err);
    rc = rc == 0 ? use_keys(secrets, fh_buf_slice(&text), path, err) : rc;
    fh_secret_wipe(text.data, text.len);
    fh_buf_deinit(&text);
    if (rc == 0) {
        secrets->key_inode = info.st_ino;
        secrets->key_time = info.st_mtim;
    }
    return rc;
}

/* Of the setting `data`, without a slash at its end: "data.key". */
static char *default_key_path(const struct fh_config *settings)
{
    const char *data = fh_config_text(settings, "data");
    if (!data || strcmp(data, "temp") == 0) {
        return NULL;
    }
    size_t len = strlen(data);
    while (len > 1 && data[len - 1] == '/') {
        len--;
    }
    char *path = malloc(len + sizeof(".key"));
    if (path) {
        memcpy(path, data, len);
        strcpy(path + len, ".key");
    }
    return path;
}

static int find_keys(struct fh_secrets *secrets, struct fh_error *err)
{
    const char *given = fh_config_text(secrets->settings, "key");
    const char *text = getenv("FLOWHOST_KEY_TEXT");
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char path[PATH_MAX];
    if (given && given[0]) {
        return use_key_file(secrets, given, err);
    }
    if (text && text[0]) {
        return use_keys(secrets, fh_slice_from(text), "FLOWHOST_KEY_TEXT", err);
    }
    snprintf(path, sizeof(path), "%s/flowhost.key", credentials ? credentials : "");
    if (credentials && access(path, F_OK) == 0) {
        return use_key_file(secrets, path, err);
    }
    if (!secrets->key_path) { /* others have it: it stays where it is */
        secrets->key_path = default_key_path(secrets->settings);
    }
    if (secrets->key_path && access(secrets->key_path, F_OK) == 0) {
        return use_key_file(secrets, secrets->key_path, err);
    }
    return 0;
}

/* --- folder ----------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static char *find_folder(const struct fh_config *settings)
{
    const char *given = fh_config_text(settings, "secrets");
    const char *dir = fh_config_text(settings, "dir");
    char path[PATH_MAX];
    if (given && given[0]) {
        return strdup(given);
    }
    snprintf(path, sizeof(path), "%s/secrets", dir ? dir : "");
    if (dir && !is_folder(path)) {
        snprintf(path, sizeof(path), "%s/../secrets", dir);
    }
    return dir && is_folder(path) ? strdup(path) : NULL;
}

/* One that cannot be opened leaves none of its name. */
static void take_file(struct fh_secrets *secrets, const char *file_name, size_t name_len)
{
    char path[PATH_MAX];
    struct fh_error err = {0, ""};
    struct fh_buf text;
    fh_buf_init(&text, SEALED_MAX_BYTES);
    snprintf(path, sizeof(path), "%s/%s", secrets->folder, file_name);
    int rc = fh_file_read(&text, path, &err);
    if (rc == 0) {
        rc = fh_keystore_take(secrets->keystore, FH_KEYSTORE_FOLDER,
                              fh_slice_make(file_name, name_len), fh_buf_slice(&text), &err);
    }
    if (rc != 0) {
        fh_log(FH_LOG_ERROR, "secret %s cannot be opened: %s", path, err.detail);
    }
    fh_buf_deinit(&text);
}

static void read_folder(struct fh_secrets *secrets)
{
    DIR *dir = secrets->folder ? opendir(secrets->folder) : NULL;
    struct dirent *entry;
    if (secrets->keystore) {
        fh_keystore_clear(secrets->keystore, FH_KEYSTORE_FOLDER);
    }
    if (!dir) {
        if (secrets->folder) {
            fh_log(FH_LOG_ERROR, "the secrets folder %s cannot be read", secrets->folder);
        }
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        size_t name_len = len > sizeof(suffix) - 1 ? len - (sizeof(suffix) - 1) : 0;
        if (name_len > 0 && strcmp(entry->d_name + name_len, suffix) == 0 &&
            fh_sealed_is_name(fh_slice_make(entry->d_name, name_len))) {
            take_file(secrets, entry->d_name, name_len);
        }
    }
    closedir(dir);
}

void fh_secrets_reload(struct fh_secrets *secrets)
{
    struct fh_error err = {0, ""};
    if (find_keys(secrets, &err) != 0) {
        fh_log(FH_LOG_ERROR, "the former keys stay: %s", err.detail);
    }
    read_folder(secrets);
}

/* --- open, close ------------------------------------------------------------------------------ */

static bool filter_line(void *arg, struct fh_slice line, struct fh_buf *out)
{
    return fh_keystore_redact(arg, line, false, out);
}

int fh_secrets_open(struct fh_secrets *secrets, const struct fh_config *settings,
                    struct fh_error *err)
{
    int rc = fh_keystore_open(&secrets->keystore);
    if (rc != 0) {
        return fh_error_set(err, rc, "no memory for a keystore");
    }
    secrets->settings = settings;
    rc = find_keys(secrets, err);
    if (rc == 0) {
        fh_log_set_filter(filter_line, secrets->keystore);
        secrets->folder = find_folder(settings);
        read_folder(secrets);
    }
    return rc;
}

void fh_secrets_close(struct fh_secrets *secrets)
{
    fh_log_set_filter(NULL, NULL);
    fh_keystore_close(secrets->keystore);
    free(secrets->folder);
    free(secrets->key_path);
}
