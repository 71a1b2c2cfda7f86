/* SPDX-License-Identifier: MIT */
#include "crypto/sealed.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64 = sodium_base64_VARIANT_ORIGINAL, LINE_CHARS = 76, TEXT_MAX_BYTES = 1 << 20 };

#define KEY_HEAD    "flowhost-key 1"
#define LOCKED_HEAD "flowhost-key 1 locked"
#define PUBLIC_HEAD "flowhost-public 1"
#define SEALED_HEAD "flowhost-sealed 1"

bool fh_sealed_is_name(struct fh_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_alnum && c != '_' && c != '-' && (c != '.' || i == 0)) {
            return false;
        }
    }
    return name.len > 0 && name.len <= FH_SEALED_NAME_MAX;
}

/* --- text ------------------------------------------------------------------------------------- */

/* The next line without its end; false at the end of the text. */
static bool next_line(struct fh_slice *text, struct fh_slice *line)
{
    if (text->len == 0) {
        return false;
    }
    const char *end = memchr(text->data, '\n', text->len);
    size_t len = end ? (size_t)(end - text->data) : text->len;
    *line = fh_slice_make(text->data, len);
    size_t step = end ? len + 1 : len;
    *text = fh_slice_make(text->data + step, text->len - step);
    if (line->len > 0 && line->data[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

static bool take_head(struct fh_slice *text, const char *head)
{
    struct fh_slice line;
    return next_line(text, &line) && fh_slice_equal(line, fh_slice_from(head));
}

/* What stands behind `word` in a line; data NULL when it begins otherwise. */
static struct fh_slice behind(struct fh_slice line, const char *word)
{
    size_t len = strlen(word);
    if (line.len < len || memcmp(line.data, word, len) != 0) {
        return fh_slice_make(NULL, 0);
    }
    return fh_slice_make(line.data + len, line.len - len);
}

static int push_base64(struct fh_buf *out, const unsigned char *bytes, size_t len)
{
    size_t chars = sodium_base64_encoded_len(len, BASE64);
    char *text = malloc(chars);
    if (!text) {
        return FH_E_NO_MEMORY;
    }
    sodium_bin2base64(text, chars, bytes, len, BASE64);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at + 1 < chars; at += LINE_CHARS) {
        size_t left = chars - 1 - at;
        rc = fh_buf_push(out, text + at, left < LINE_CHARS ? left : LINE_CHARS);
        rc = rc == 0 ? fh_buf_push_byte(out, '\n') : rc;
    }
    sodium_memzero(text, chars);
    free(text);
    return rc;
}

/* Bytes of base64 with line breaks in it, into guarded memory. FH_E_SYNTAX for anything else. */
static int read_base64(struct fh_secret *out, struct fh_slice text)
{
    const char *end = NULL;
    int rc = text.len > TEXT_MAX_BYTES ? FH_E_TOO_LARGE : fh_secret_init(out, text);
    if (rc != 0) {
        return rc;
    }
    if (sodium_base642bin((unsigned char *)out->data, out->len, text.data, text.len, "\r\n",
                          &out->len, &end, BASE64) != 0 ||
        end != text.data + text.len) {
        fh_secret_deinit(out);
        return FH_E_SYNTAX;
    }
    return 0;
}

/* --- keys ------------------------------------------------------------------------------------- */

void fh_keys_deinit(struct fh_keys *keys)
{
    sodium_free(keys->secret);
    *keys = (struct fh_keys){NULL, 0};
}

/* Room for one more, at the front or at the end. */
static unsigned char *grow(struct fh_keys *keys, bool is_first)
{
    unsigned char *more = sodium_malloc((keys->count + 1) * FH_SEALED_KEY_BYTES);
    if (!more) {
        return NULL;
    }
    if (keys->count > 0) {
        memcpy(more + (is_first ? FH_SEALED_KEY_BYTES : 0), keys->secret,
               keys->count * FH_SEALED_KEY_BYTES);
    }
    unsigned char *place = is_first ? more : more + keys->count * FH_SEALED_KEY_BYTES;
    sodium_free(keys->secret);
    keys->secret = more;
    keys->count++;
    return place;
}

int fh_keys_make(struct fh_keys *keys)
{
    if (keys->count >= FH_SEALED_KEYS_MAX) {
        return FH_E_TOO_LARGE;
    }
    unsigned char *place = grow(keys, true);
    if (!place) {
        return FH_E_NO_MEMORY;
    }
    randombytes_buf(place, FH_SEALED_KEY_BYTES);
    return 0;
}

static void set_id(struct fh_public_key *key)
{
    unsigned char hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof(hash), key->bytes, sizeof(key->bytes), NULL, 0);
    sodium_bin2hex(key->id, sizeof(key->id), hash, FH_SEALED_ID_CHARS / 2);
}

void fh_keys_public(const struct fh_keys *keys, size_t index, struct fh_public_key *out)
{
    crypto_scalarmult_base(out->bytes, keys->secret + index * FH_SEALED_KEY_BYTES);
    set_id(out);
}

static int no_key_file(struct fh_error *err)
{
    return fh_error_set(err, FH_E_SYNTAX, "it is no key file of flowhost");
}

/* "key BASE64" lines. */
static int read_key_lines(struct fh_keys *keys, struct fh_slice text, struct fh_error *err)
{
    struct fh_slice line;
    while (next_line(&text, &line)) {
        struct fh_slice encoded = behind(line, "key ");
        struct fh_secret bytes = {NULL, 0};
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        bool is_key = encoded.data && read_base64(&bytes, encoded) == 0 &&
                      bytes.len == FH_SEALED_KEY_BYTES && keys->count < FH_SEALED_KEYS_MAX;
        unsigned char *place = is_key ? grow(keys, false) : NULL;
        if (place) {
            memcpy(place, bytes.data, FH_SEALED_KEY_BYTES);
        }
        fh_secret_deinit(&bytes);
        if (!place) {
            return no_key_file(err);
        }
    }
    return keys->count > 0 ? 0 : no_key_file(err);
}

enum {
    SALT = crypto_pwhash_SALTBYTES,
    NONCE = crypto_secretbox_NONCEBYTES,
    LOCK_BYTES = SALT + NONCE + crypto_secretbox_MACBYTES
};

static int derive(unsigned char key[crypto_secretbox_KEYBYTES], struct fh_slice passphrase,
                  const unsigned char *salt)
{
    return crypto_pwhash(key, crypto_secretbox_KEYBYTES, passphrase.data, passphrase.len, salt,
                         crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE,
                         crypto_pwhash_ALG_ARGON2ID13) == 0
               ? 0
               : FH_E_NO_MEMORY;
}

bool fh_keys_is_locked(struct fh_slice text)
{
    return take_head(&text, LOCKED_HEAD);
}

/* Opens the box in place: what is left of `box` are the key lines. */
static int unlock(struct fh_secret *box, struct fh_slice passphrase, struct fh_slice *lines,
                  struct fh_error *err)
{
    unsigned char key[crypto_secretbox_KEYBYTES];
    unsigned char *bytes = (unsigned char *)box->data;
    if (box->len < LOCK_BYTES) {
        return no_key_file(err);
    }
    if (passphrase.len == 0) {
        return fh_error_set(err, FH_E_PERMISSION,
                            "it is locked: a passphrase is needed (FLOWHOST_KEY_PASSPHRASE)");
    }
    if (derive(key, passphrase, bytes) != 0) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory to unlock it");
    }
    int bad = crypto_secretbox_open_easy(bytes + SALT + NONCE, bytes + SALT + NONCE,
                                         box->len - SALT - NONCE, bytes + SALT, key);
    sodium_memzero(key, sizeof(key));
    if (bad) {
        return fh_error_set(err, FH_E_PERMISSION, "the passphrase is wrong");
    }
    *lines = fh_slice_make(box->data + SALT + NONCE, box->len - LOCK_BYTES);
    return 0;
}

int fh_keys_read(struct fh_keys *keys, struct fh_slice text, struct fh_slice passphrase,
                 struct fh_error *err)
{
    struct fh_slice rest = text;
    *keys = (struct fh_keys){NULL, 0};
    int rc;
    if (fh_keys_is_locked(text)) {
        struct fh_secret box = {NULL, 0};
        struct fh_slice lines = {NULL, 0};
        take_head(&rest, LOCKED_HEAD);
        rc =
            read_base64(&box, rest) == 0 ? unlock(&box, passphrase, &lines, err) : no_key_file(err);
        rc = rc == 0 ? read_key_lines(keys, lines, err) : rc;
        fh_secret_deinit(&box);
    } else {
        rc = take_head(&rest, KEY_HEAD) ? read_key_lines(keys, rest, err) : no_key_file(err);
    }
    if (rc != 0) {
        fh_keys_deinit(keys);
    }
    return rc;
}

static int push_key_lines(const struct fh_keys *keys, struct fh_buf *out)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < keys->count; i++) {
        rc = fh_buf_push_slice(out, FH_SLICE_LIT("key "));
        rc = rc == 0 ? push_base64(out, keys->secret + i * FH_SEALED_KEY_BYTES, FH_SEALED_KEY_BYTES)
                     : rc;
    }
    return rc;
}

static int push_locked(const struct fh_buf *lines, struct fh_slice passphrase, struct fh_buf *out)
{
    unsigned char key[crypto_secretbox_KEYBYTES];
    unsigned char *box = malloc(LOCK_BYTES + lines->len);
    if (!box) {
        return FH_E_NO_MEMORY;
    }
    randombytes_buf(box, SALT + NONCE);
    int rc = derive(key, passphrase, box);
    if (rc == 0) {
        crypto_secretbox_easy(box + SALT + NONCE, (const unsigned char *)lines->data, lines->len,
                              box + SALT, key);
        rc = push_base64(out, box, LOCK_BYTES + lines->len);
    }
    sodium_memzero(key, sizeof(key));
    free(box);
    return rc;
}

int fh_keys_write(const struct fh_keys *keys, struct fh_slice passphrase, struct fh_buf *out)
{
    struct fh_buf lines;
    fh_buf_init(&lines, TEXT_MAX_BYTES);
    bool is_locked = passphrase.len > 0;
    int rc = fh_buf_push_format(out, "%s\n", is_locked ? LOCKED_HEAD : KEY_HEAD);
    if (rc == 0 && !is_locked) {
        rc = push_key_lines(keys, out);
    } else if (rc == 0) {
        rc = fh_buf_reserve(&lines, keys->count * 64); /* so that it does not move */
        rc = rc == 0 ? push_key_lines(keys, &lines) : rc;
        rc = rc == 0 ? push_locked(&lines, passphrase, out) : rc;
    }
    fh_secret_wipe(lines.data, lines.len);
    fh_buf_deinit(&lines);
    return rc;
}

int fh_public_read(struct fh_public_key *key, struct fh_slice text, struct fh_error *err)
{
    struct fh_slice line;
    struct fh_secret bytes = {NULL, 0};
    bool is_good = take_head(&text, PUBLIC_HEAD) && next_line(&text, &line) &&
                   read_base64(&bytes, line) == 0 && bytes.len == FH_SEALED_KEY_BYTES;
    if (is_good) {
        memcpy(key->bytes, bytes.data, FH_SEALED_KEY_BYTES);
        set_id(key);
    }
    fh_secret_deinit(&bytes);
    return is_good ? 0 : fh_error_set(err, FH_E_SYNTAX, "it is no public key of flowhost");
}

int fh_public_write(const struct fh_public_key *key, struct fh_buf *out)
{
    int rc = fh_buf_push_slice(out, FH_SLICE_LIT(PUBLIC_HEAD "\n"));
    return rc == 0 ? push_base64(out, key->bytes, sizeof(key->bytes)) : rc;
}

/* --- sealed values ---------------------------------------------------------------------------- */

int fh_sealed_write(const struct fh_public_key *key, struct fh_slice name, struct fh_slice value,
                    struct fh_slice created, struct fh_buf *out)
{
    size_t len = name.len + 1 + value.len;
    if (value.len > FH_SEALED_VALUE_MAX) {
        return FH_E_TOO_LARGE;
    }
    unsigned char *plain = sodium_malloc(len);
    unsigned char *box = malloc(len + crypto_box_SEALBYTES);
    int rc = plain && box ? 0 : FH_E_NO_MEMORY;
    if (rc == 0) {
        memcpy(plain, name.data, name.len);
        plain[name.len] = '\0';
        if (value.len > 0) {
            memcpy(plain + name.len + 1, value.data, value.len);
        }
        rc = crypto_box_seal(box, plain, len, key->bytes) == 0 ? 0 : FH_E_INVALID;
    }
    if (rc == 0) {
        rc = fh_buf_push_format(out, SEALED_HEAD "\nname: %.*s\nkey: %s\ncreated: %.*s\n\n",
                                (int)name.len, name.data, key->id, (int)created.len, created.data);
        rc = rc == 0 ? push_base64(out, box, len + crypto_box_SEALBYTES) : rc;
    }
    free(box);
    sodium_free(plain);
    return rc;
}

int fh_sealed_parse(struct fh_sealed_header *header, struct fh_slice text, struct fh_error *err)
{
    struct fh_slice line;
    *header = (struct fh_sealed_header){.box = {NULL, 0}};
    if (!take_head(&text, SEALED_HEAD)) {
        return fh_error_set(err, FH_E_SYNTAX, "it is no sealed value of flowhost");
    }
    while (next_line(&text, &line) && line.len > 0) {
        struct fh_slice name = behind(line, "name: ");
        struct fh_slice key_id = behind(line, "key: ");
        struct fh_slice created = behind(line, "created: ");
        header->name = name.data ? name : header->name;
        header->key_id = key_id.data ? key_id : header->key_id;
        header->created = created.data ? created : header->created;
    }
    header->box = text;
    if (!fh_sealed_is_name(header->name) || header->key_id.len != FH_SEALED_ID_CHARS ||
        text.len == 0) {
        return fh_error_set(err, FH_E_SYNTAX, "its head is damaged: name and key are needed");
    }
    return 0;
}

static int find_key(const struct fh_keys *keys, struct fh_slice id, struct fh_public_key *out)
{
    for (size_t i = 0; i < keys->count; i++) {
        fh_keys_public(keys, i, out);
        if (fh_slice_equal(id, fh_slice_from(out->id))) {
            return (int)i;
        }
    }
    return -1;
}

/* The box holds "NAME\0VALUE". */
static int take_value(struct fh_slice plain, struct fh_slice name, struct fh_secret *out,
                      struct fh_error *err)
{
    bool is_same = plain.len > name.len && memcmp(plain.data, name.data, name.len) == 0 &&
                   plain.data[name.len] == '\0';
    if (!is_same) {
        return fh_error_set(err, FH_E_CONFLICT,
                            "it was sealed under another name: seal it again as '%.*s'",
                            (int)name.len, name.data);
    }
    if (fh_secret_init(out, fh_slice_make(plain.data + name.len + 1, plain.len - name.len - 1)) !=
        0) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for its value");
    }
    return 0;
}

int fh_sealed_open(const struct fh_keys *keys, struct fh_slice text, struct fh_slice name,
                   struct fh_secret *out, struct fh_error *err)
{
    struct fh_sealed_header header;
    struct fh_public_key key;
    struct fh_secret box = {NULL, 0};
    int rc = fh_sealed_parse(&header, text, err);
    if (rc != 0) {
        return rc;
    }
    int index = find_key(keys, header.key_id, &key);
    if (index < 0) {
        return fh_error_set(err, FH_E_NOT_FOUND, "it is sealed for the key %.*s, which is not here",
                            (int)header.key_id.len, header.key_id.data);
    }
    if (read_base64(&box, header.box) != 0) {
        return fh_error_set(err, FH_E_SYNTAX, "its box is not base64");
    }
    unsigned char *bytes = (unsigned char *)box.data;
    struct fh_secret plain = {NULL, 0};
    rc = box.len > crypto_box_SEALBYTES ? fh_secret_init(&plain, fh_secret_slice(&box))
                                        : FH_E_CORRUPT;
    if (rc == 0 && crypto_box_seal_open((unsigned char *)plain.data, bytes, box.len, key.bytes,
                                        keys->secret + (size_t)index * FH_SEALED_KEY_BYTES) != 0) {
        rc = FH_E_CORRUPT;
    }
    rc = rc == 0
             ? take_value(fh_slice_make(plain.data, box.len - crypto_box_SEALBYTES), name, out, err)
         : rc == FH_E_CORRUPT
             ? fh_error_set(err, FH_E_CORRUPT, "its box does not open: it is damaged")
             : rc;
    fh_secret_deinit(&plain);
    fh_secret_deinit(&box);
    return rc;
}
