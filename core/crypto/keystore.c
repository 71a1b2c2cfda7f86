/* SPDX-License-Identifier: MIT */
#include "crypto/keystore.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { FORMS = 3, PATTERN_MAX_BYTES = 1 << 21 };

struct entry {
    struct entry *next;
    char name[FH_SEALED_NAME_MAX + 1];
    enum fh_keystore_place place;
    struct fh_secret value;
    struct fh_secret forms[FORMS]; /* what is looked for; data NULL: none */
};

struct fh_keystore {
    pthread_rwlock_t lock;
    struct fh_keys keys;
    struct entry *first;
    _Atomic bool has_any;
    unsigned char heads[256]; /* whether any form begins with the byte */
};

int fh_keystore_open(struct fh_keystore **out)
{
    struct fh_keystore *keystore = calloc(1, sizeof(*keystore));
    if (!keystore || sodium_init() < 0) {
        free(keystore);
        return FH_E_NO_MEMORY;
    }
    pthread_rwlock_init(&keystore->lock, NULL);
    *out = keystore;
    return 0;
}

static void free_entry(struct entry *entry)
{
    for (int i = 0; i < FORMS; i++) {
        fh_secret_deinit(&entry->forms[i]);
    }
    fh_secret_deinit(&entry->value);
    free(entry);
}

void fh_keystore_close(struct fh_keystore *keystore)
{
    if (!keystore) {
        return;
    }
    while (keystore->first) {
        struct entry *entry = keystore->first;
        keystore->first = entry->next;
        free_entry(entry);
    }
    fh_keys_deinit(&keystore->keys);
    pthread_rwlock_destroy(&keystore->lock);
    free(keystore);
}

void fh_keystore_set_keys(struct fh_keystore *keystore, struct fh_keys *keys)
{
    pthread_rwlock_wrlock(&keystore->lock);
    fh_keys_deinit(&keystore->keys);
    keystore->keys = *keys;
    *keys = (struct fh_keys){NULL, 0};
    pthread_rwlock_unlock(&keystore->lock);
}

bool fh_keystore_has_key(struct fh_keystore *keystore)
{
    pthread_rwlock_rdlock(&keystore->lock);
    bool has = keystore->keys.count > 0;
    pthread_rwlock_unlock(&keystore->lock);
    return has;
}

int fh_keystore_seal(struct fh_keystore *keystore, struct fh_slice name, struct fh_slice value,
                     struct fh_slice created, struct fh_buf *out)
{
    struct fh_public_key key;
    int rc = FH_E_NOT_FOUND;
    pthread_rwlock_rdlock(&keystore->lock);
    if (keystore->keys.count > 0) {
        fh_keys_public(&keystore->keys, 0, &key);
        rc = 0;
    }
    pthread_rwlock_unlock(&keystore->lock);
    return rc == 0 ? fh_sealed_write(&key, name, value, created, out) : rc;
}

int fh_keystore_renew(struct fh_keystore *keystore, struct fh_slice name, struct fh_slice text,
                      struct fh_slice created, struct fh_buf *out, struct fh_error *err)
{
    struct fh_sealed_header header;
    struct fh_secret value = {NULL, 0};
    struct fh_public_key key;
    bool is_newest = false;
    int rc = fh_sealed_parse(&header, text, err);
    if (rc != 0) {
        return rc;
    }
    pthread_rwlock_rdlock(&keystore->lock);
    if (keystore->keys.count > 0) {
        fh_keys_public(&keystore->keys, 0, &key);
        is_newest = fh_slice_equal(header.key_id, fh_slice_from(key.id));
    }
    if (!is_newest) {
        rc = fh_sealed_open(&keystore->keys, text, name, &value, err);
    }
    pthread_rwlock_unlock(&keystore->lock);
    if (rc == 0 && !is_newest) {
        rc = fh_sealed_write(&key, name, fh_secret_slice(&value), created, out);
    }
    fh_secret_deinit(&value);
    return rc;
}

/* --- what is looked for ----------------------------------------------------------------------- */

/* The value as JSON strings have it; not made when that is the value itself. */
static int make_json_form(struct fh_secret *form, struct fh_slice value)
{
    struct fh_buf text;
    fh_buf_init(&text, PATTERN_MAX_BYTES);
    int rc = fh_buf_reserve(&text, value.len * 6 + 1);
    for (size_t i = 0; rc == 0 && i < value.len; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        const char *short_form = byte == '\n'   ? "\\n"
                                 : byte == '\r' ? "\\r"
                                 : byte == '\t' ? "\\t"
                                 : byte == '"'  ? "\\\""
                                 : byte == '\\' ? "\\\\"
                                                : NULL;
        if (short_form) {
            fh_buf_push(&text, short_form, 2);
        } else if (byte < 0x20) {
            fh_buf_push_format(&text, "\\u%04x", byte);
        } else {
            fh_buf_push_byte(&text, (char)byte);
        }
    }
    if (rc == 0 && text.len != value.len) {
        rc = fh_secret_init(form, fh_buf_slice(&text));
    }
    fh_secret_wipe(text.data, text.len);
    fh_buf_deinit(&text);
    return rc;
}

static int make_base64_form(struct fh_secret *form, struct fh_slice value)
{
    size_t chars = sodium_base64_encoded_len(value.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(chars);
    if (!text) {
        return FH_E_NO_MEMORY;
    }
    sodium_bin2base64(text, chars, (const unsigned char *)value.data, value.len,
                      sodium_base64_VARIANT_ORIGINAL);
    int rc = fh_secret_init(form, fh_slice_make(text, chars - 1));
    sodium_memzero(text, chars);
    free(text);
    return rc;
}

static int make_forms(struct entry *entry)
{
    struct fh_slice value = fh_secret_slice(&entry->value);
    if (value.len < FH_REDACT_MIN_BYTES) {
        return 0;
    }
    int rc = fh_secret_init(&entry->forms[0], value);
    rc = rc == 0 ? make_json_form(&entry->forms[1], value) : rc;
    return rc == 0 ? make_base64_form(&entry->forms[2], value) : rc;
}

/* With the lock held for writing. */
static void note_heads(struct fh_keystore *keystore)
{
    bool has_any = false;
    memset(keystore->heads, 0, sizeof(keystore->heads));
    for (const struct entry *entry = keystore->first; entry; entry = entry->next) {
        for (int i = 0; i < FORMS; i++) {
            if (entry->forms[i].data) {
                keystore->heads[(unsigned char)entry->forms[i].data[0]] = 1;
                has_any = true;
            }
        }
    }
    keystore->has_any = has_any;
}

/* --- values ----------------------------------------------------------------------------------- */

static struct entry **find(struct fh_keystore *keystore, enum fh_keystore_place place,
                           struct fh_slice name)
{
    struct entry **at = &keystore->first;
    while (*at && ((*at)->place != place || !fh_slice_equal(name, fh_slice_from((*at)->name)))) {
        at = &(*at)->next;
    }
    return at;
}

static void unlink_entry(struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    free_entry(entry);
}

int fh_keystore_put(struct fh_keystore *keystore, enum fh_keystore_place place,
                    struct fh_slice name, struct fh_slice value)
{
    struct entry *entry = name.len <= FH_SEALED_NAME_MAX ? calloc(1, sizeof(*entry)) : NULL;
    if (!entry) {
        return FH_E_NO_MEMORY;
    }
    memcpy(entry->name, name.data, name.len);
    entry->place = place;
    if (fh_secret_init(&entry->value, value) != 0 || make_forms(entry) != 0) {
        free_entry(entry);
        return FH_E_NO_MEMORY;
    }
    pthread_rwlock_wrlock(&keystore->lock);
    struct entry **at = find(keystore, place, name);
    if (*at) {
        unlink_entry(at);
    }
    entry->next = keystore->first;
    keystore->first = entry;
    note_heads(keystore);
    pthread_rwlock_unlock(&keystore->lock);
    return 0;
}

int fh_keystore_take(struct fh_keystore *keystore, enum fh_keystore_place place,
                     struct fh_slice name, struct fh_slice text, struct fh_error *err)
{
    struct fh_secret value = {NULL, 0};
    pthread_rwlock_rdlock(&keystore->lock);
    int rc = fh_sealed_open(&keystore->keys, text, name, &value, err);
    pthread_rwlock_unlock(&keystore->lock);
    if (rc == 0) {
        rc = fh_keystore_put(keystore, place, name, fh_secret_slice(&value));
        fh_secret_deinit(&value);
    }
    return rc;
}

void fh_keystore_remove(struct fh_keystore *keystore, enum fh_keystore_place place,
                        struct fh_slice name)
{
    pthread_rwlock_wrlock(&keystore->lock);
    struct entry **at = find(keystore, place, name);
    if (*at) {
        unlink_entry(at);
        note_heads(keystore);
    }
    pthread_rwlock_unlock(&keystore->lock);
}

void fh_keystore_clear(struct fh_keystore *keystore, enum fh_keystore_place place)
{
    pthread_rwlock_wrlock(&keystore->lock);
    struct entry **at = &keystore->first;
    while (*at) {
        if ((*at)->place == place) {
            unlink_entry(at);
        } else {
            at = &(*at)->next;
        }
    }
    note_heads(keystore);
    pthread_rwlock_unlock(&keystore->lock);
}

/* With the lock held. NULL when there is none. */
static const struct entry *lookup(struct fh_keystore *keystore, struct fh_slice name)
{
    for (int place = 0; place < FH_KEYSTORE_PLACES; place++) {
        struct entry *entry = *find(keystore, (enum fh_keystore_place)place, name);
        if (entry) {
            return entry;
        }
    }
    return NULL;
}

bool fh_keystore_has(struct fh_keystore *keystore, struct fh_slice name)
{
    pthread_rwlock_rdlock(&keystore->lock);
    bool has = lookup(keystore, name) != NULL;
    pthread_rwlock_unlock(&keystore->lock);
    return has;
}

int fh_keystore_get(struct fh_keystore *keystore, struct fh_slice name, struct fh_secret *out)
{
    pthread_rwlock_rdlock(&keystore->lock);
    const struct entry *entry = lookup(keystore, name);
    int rc = entry ? fh_secret_init(out, fh_secret_slice(&entry->value)) : FH_E_NOT_FOUND;
    pthread_rwlock_unlock(&keystore->lock);
    return rc;
}

/* --- redaction -------------------------------------------------------------------------------- */

bool fh_keystore_has_any(const struct fh_keystore *keystore)
{
    return keystore->has_any;
}

/* The longest form at the head of the text; its length, 0 when there is none. */
static size_t match(const struct fh_keystore *keystore, struct fh_slice text, const char **name)
{
    size_t longest = 0;
    for (const struct entry *entry = keystore->first; entry; entry = entry->next) {
        for (int i = 0; i < FORMS; i++) {
            const struct fh_secret *form = &entry->forms[i];
            if (form->data && form->len > longest && form->len <= text.len &&
                memcmp(form->data, text.data, form->len) == 0) {
                longest = form->len;
                *name = entry->name;
            }
        }
    }
    return longest;
}

static void redact(const struct fh_keystore *keystore, struct fh_slice text, bool is_json,
                   struct fh_buf *out, bool *is_found)
{
    bool is_inside = !is_json;
    size_t copied = 0;
    for (size_t at = 0; at < text.len;) {
        unsigned char byte = (unsigned char)text.data[at];
        const char *name = NULL;
        struct fh_slice rest = fh_slice_make(text.data + at, text.len - at);
        size_t len = is_inside && keystore->heads[byte] ? match(keystore, rest, &name) : 0;
        if (len > 0) {
            fh_buf_push(out, text.data + copied, at - copied);
            fh_buf_push_format(out, "[secret %s]", name);
            at += len;
            copied = at;
            *is_found = true;
        } else if (is_json && byte == '\\' && is_inside) {
            at += 2;
        } else {
            is_inside = is_json && byte == '"' ? !is_inside : is_inside;
            at++;
        }
    }
    if (*is_found && copied < text.len) {
        fh_buf_push(out, text.data + copied, text.len - copied);
    }
}

bool fh_keystore_redact(struct fh_keystore *keystore, struct fh_slice text, bool is_json,
                        struct fh_buf *out)
{
    bool is_found = false;
    if (!keystore->has_any) {
        return false;
    }
    pthread_rwlock_rdlock(&keystore->lock);
    redact(keystore, text, is_json, out, &is_found);
    pthread_rwlock_unlock(&keystore->lock);
    return is_found;
}
