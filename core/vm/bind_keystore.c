/* SPDX-License-Identifier: MIT */
/* core.keystore: secrets by name, whose bytes Lua does not get; and what commands do with keys and sealed texts.
 *
 *   has(name) -> boolean       has_any() -> boolean: there is something to redact
 *   redact(text) -> text       each value replaced by "[secret NAME]"     redact_json(text) -> text
 *   seal(name, value, created) -> sealed text | nil, code, detail          by the host's newest key
 *   renew(name, sealed, created) -> sealed by the newest key | false: it is by that | nil, code, detail
 *   ensure_key() -> false: there is one | path of the one that was made | nil, code, detail
 *   take(name, sealed) -> true | nil, code, detail       from the store: opened and kept      drop(name)
 *
 *   make_keys(old text, passphrase) -> key file text, public text | nil, code, detail      a new key comes first
 *   check_keys(text, passphrase) -> public text | nil, code, detail         is_locked(text) -> boolean
 *   seal_for(public text, name, value, created) -> sealed | nil, code, detail
 *   reseal(key text, passphrase, name, sealed, created) -> sealed | nil, code, detail       for the newest key
 *   parse(sealed) -> name, key id, created | nil, code, detail              public_id(public text) -> id | nil, ... */
#include "base/file.h"
#include "crypto/keystore.h"

#include "vm/bind.h"

enum { TEXT_MAX_BYTES = 1 << 20, REDACTED_MAX_BYTES = 256 << 20, KEY_FILE_MODE = 0600 };

static struct fh_keystore *keystore_of(lua_State *L)
{
    return fh_vm_of(L)->context.keystore;
}

static int has(lua_State *L)
{
    struct fh_keystore *keystore = keystore_of(L);
    lua_pushboolean(L, keystore && fh_keystore_has(keystore, fh_bind_slice(L, 1)));
    return 1;
}

static int has_any(lua_State *L)
{
    struct fh_keystore *keystore = keystore_of(L);
    lua_pushboolean(L, keystore && fh_keystore_has_any(keystore));
    return 1;
}

static int redact_as(lua_State *L, bool is_json)
{
    struct fh_keystore *keystore = keystore_of(L);
    struct fh_slice text = fh_bind_slice(L, 1);
    struct fh_buf out;
    lua_settop(L, 1);
    if (!keystore || !fh_keystore_has_any(keystore)) {
        return 1;
    }
    fh_buf_init(&out, REDACTED_MAX_BYTES);
    bool is_found = fh_keystore_redact(keystore, text, is_json, &out);
    if (is_found) {
        /* out of memory here loses the buffer, nothing else */
        fh_bind_push_slice(L, fh_buf_slice(&out));
    }
    fh_buf_deinit(&out);
    return 1;
}

static int redact(lua_State *L)
{
    return redact_as(L, false);
}

static int redact_json(lua_State *L)
{
    return redact_as(L, true);
}

/* Pushes the buffer's text, or nil, code, detail; frees the buffer. */
static int push_text(lua_State *L, int rc, struct fh_buf *text, const struct fh_error *err)
{
    if (rc != 0) {
        fh_buf_deinit(text);
        return fh_bind_fail(L, rc, err->detail);
    }
    fh_bind_push_slice(L, fh_buf_slice(text));
    fh_secret_wipe(text->data, text->len);
    fh_buf_deinit(text);
    return 1;
}

static int fail_name(lua_State *L)
{
    return fh_bind_fail(L, FH_E_INVALID,
                        "a secret's name has letters, digits and . _ - only, at most 128");
}

static int seal(lua_State *L)
{
    struct fh_keystore *keystore = keystore_of(L);
    struct fh_error err = {0, ""};
    struct fh_slice name = fh_bind_slice(L, 1);
    struct fh_slice value = fh_bind_slice(L, 2);
    struct fh_slice created = fh_bind_slice(L, 3);
    struct fh_buf text;
    if (!fh_sealed_is_name(name)) {
        return fail_name(L);
    }
    fh_buf_init(&text, TEXT_MAX_BYTES);
    int rc = keystore ? fh_keystore_seal(keystore, name, value, created, &text) : FH_E_NOT_FOUND;
    if (rc == FH_E_NOT_FOUND) {
        fh_error_set(&err, rc, "the host has no key to seal with");
    }
    return push_text(L, rc, &text, &err);
}

static int renew(lua_State *L)
{
    struct fh_keystore *keystore = keystore_of(L);
    struct fh_error err = {0, ""};
    struct fh_slice name = fh_bind_slice(L, 1);
    struct fh_slice sealed = fh_bind_slice(L, 2);
    struct fh_slice created = fh_bind_slice(L, 3);
    struct fh_buf text;
    fh_buf_init(&text, TEXT_MAX_BYTES);
    int rc =
        keystore ? fh_keystore_renew(keystore, name, sealed, created, &text, &err) : FH_E_NOT_FOUND;
    if (rc == 0 && text.len == 0) {
        lua_pushboolean(L, 0);
        fh_buf_deinit(&text);
        return 1;
    }
    return push_text(L, rc, &text, &err);
}

static int make_key_file(struct fh_keystore *keystore, const char *path, struct fh_error *err)
{
    struct fh_keys keys = {NULL, 0};
    struct fh_buf text;
    fh_buf_init(&text, TEXT_MAX_BYTES);
    int rc = fh_keys_make(&keys);
    rc = rc == 0 ? fh_keys_write(&keys, fh_slice_make("", 0), &text) : rc;
    rc = rc == 0 ? fh_file_create(path, KEY_FILE_MODE, fh_buf_slice(&text), err) : rc;
    if (rc == 0) {
        fh_keystore_set_keys(keystore, &keys);
    }
    fh_keys_deinit(&keys);
    fh_secret_wipe(text.data, text.len);
    fh_buf_deinit(&text);
    return rc;
}

/* The file is written on this thread: it happens once. */
static int ensure_key(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_keystore *keystore = keystore_of(L);
    const char *path = fh_vm_of(L)->context.key_path;
    if (keystore && fh_keystore_has_key(keystore)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    if (!keystore || !path) {
        return fh_bind_fail(L, FH_E_NOT_FOUND, "the host has no key, and no place for one");
    }
    int rc = make_key_file(keystore, path, &err);
    if (rc != 0) {
        return fh_bind_fail(L, rc, err.detail);
    }
    lua_pushstring(L, path);
    return 1;
}

static int take(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_keystore *keystore = keystore_of(L);
    int rc = keystore ? fh_keystore_take(keystore, FH_KEYSTORE_STORE, fh_bind_slice(L, 1),
                                         fh_bind_slice(L, 2), &err)
                      : FH_E_NOT_FOUND;
    if (rc != 0) {
        return fh_bind_fail(L, rc, err.detail);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int drop(lua_State *L)
{
    struct fh_keystore *keystore = keystore_of(L);
    struct fh_slice name = fh_bind_slice(L, 1);
    if (keystore) {
        fh_keystore_remove(keystore, FH_KEYSTORE_STORE, name);
    }
    return 0;
}

/* --- for commands ----------------------------------------------------------------------------- */

static struct fh_slice optional(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? fh_slice_make("", 0) : fh_bind_slice(L, index);
}

static int make_keys(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_keys keys = {NULL, 0};
    struct fh_public_key key;
    struct fh_buf text, public_text;
    struct fh_slice old = optional(L, 1);
    struct fh_slice passphrase = optional(L, 2);
    fh_buf_init(&text, TEXT_MAX_BYTES);
    fh_buf_init(&public_text, TEXT_MAX_BYTES);
    int rc = old.len > 0 ? fh_keys_read(&keys, old, passphrase, &err) : 0;
    rc = rc == 0 ? fh_keys_make(&keys) : rc;
    if (rc == 0) {
        fh_keys_public(&keys, 0, &key);
        rc = fh_keys_write(&keys, passphrase, &text);
        rc = rc == 0 ? fh_public_write(&key, &public_text) : rc;
    }
    fh_keys_deinit(&keys);
    int count = push_text(L, rc, &text, &err);
    if (rc == 0) {
        fh_bind_push_slice(L, fh_buf_slice(&public_text));
        count = 2;
    }
    fh_buf_deinit(&public_text);
    return count;
}

static int check_keys(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_keys keys = {NULL, 0};
    struct fh_public_key key;
    struct fh_buf text;
    fh_buf_init(&text, TEXT_MAX_BYTES);
    int rc = fh_keys_read(&keys, fh_bind_slice(L, 1), optional(L, 2), &err);
    if (rc == 0) {
        fh_keys_public(&keys, 0, &key);
        rc = fh_public_write(&key, &text);
    }
    fh_keys_deinit(&keys);
    return push_text(L, rc, &text, &err);
}

static int is_locked(lua_State *L)
{
    lua_pushboolean(L, fh_keys_is_locked(fh_bind_slice(L, 1)));
    return 1;
}

static int seal_for(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_public_key key;
    struct fh_slice name = fh_bind_slice(L, 2);
    struct fh_slice value = fh_bind_slice(L, 3);
    struct fh_slice created = fh_bind_slice(L, 4);
    struct fh_buf text;
    if (!fh_sealed_is_name(name)) {
        return fail_name(L);
    }
    fh_buf_init(&text, TEXT_MAX_BYTES);
    int rc = fh_public_read(&key, fh_bind_slice(L, 1), &err);
    rc = rc == 0 ? fh_sealed_write(&key, name, value, created, &text) : rc;
    return push_text(L, rc, &text, &err);
}

static int reseal(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_keys keys = {NULL, 0};
    struct fh_secret value = {NULL, 0};
    struct fh_public_key key;
    struct fh_slice name = fh_bind_slice(L, 3);
    struct fh_slice sealed = fh_bind_slice(L, 4);
    struct fh_slice created = fh_bind_slice(L, 5);
    struct fh_buf text;
    fh_buf_init(&text, TEXT_MAX_BYTES);
    int rc = fh_keys_read(&keys, fh_bind_slice(L, 1), optional(L, 2), &err);
    rc = rc == 0 ? fh_sealed_open(&keys, sealed, name, &value, &err) : rc;
    if (rc == 0) {
        fh_keys_public(&keys, 0, &key);
        rc = fh_sealed_write(&key, name, fh_secret_slice(&value), created, &text);
    }
    fh_secret_deinit(&value);
    fh_keys_deinit(&keys);
    return push_text(L, rc, &text, &err);
}

static int parse(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_sealed_header header;
    int rc = fh_sealed_parse(&header, fh_bind_slice(L, 1), &err);
    if (rc != 0) {
        return fh_bind_fail(L, rc, err.detail);
    }
    fh_bind_push_slice(L, header.name);
    fh_bind_push_slice(L, header.key_id);
    fh_bind_push_slice(L, header.created);
    return 3;
}

static int public_id(lua_State *L)
{
    struct fh_error err = {0, ""};
    struct fh_public_key key;
    int rc = fh_public_read(&key, fh_bind_slice(L, 1), &err);
    if (rc != 0) {
        return fh_bind_fail(L, rc, err.detail);
    }
    lua_pushstring(L, key.id);
    return 1;
}

void fh_bind_keystore_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"has", has},
                                         {"has_any", has_any},
                                         {"redact", redact},
                                         {"redact_json", redact_json},
                                         {"seal", seal},
                                         {"renew", renew},
                                         {"ensure_key", ensure_key},
                                         {"take", take},
                                         {"drop", drop},
                                         {"make_keys", make_keys},
                                         {"check_keys", check_keys},
                                         {"is_locked", is_locked},
                                         {"seal_for", seal_for},
                                         {"reseal", reseal},
                                         {"parse", parse},
                                         {"public_id", public_id},
                                         {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
}
