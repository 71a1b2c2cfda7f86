/* SPDX-License-Identifier: MIT */
#include "crypto/keystore.h"

#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static int set_up(void **state)
{
    (void)state;
    return fh_hash_init();
}

/* --- sealed texts ----------------------------------------------------------------------------- */

static struct fh_slice lit(const char *text)
{
    return fh_slice_from(text);
}

struct sealed {
    struct fh_keys keys;
    struct fh_public_key key;
    struct fh_buf text;
};

static void seal(struct sealed *sealed, const char *name, const char *value)
{
    memset(sealed, 0, sizeof(*sealed));
    fh_buf_init(&sealed->text, 1 << 20);
    assert_int_equal(fh_keys_make(&sealed->keys), 0);
    fh_keys_public(&sealed->keys, 0, &sealed->key);
    assert_int_equal(
        fh_sealed_write(&sealed->key, lit(name), lit(value), lit("2026-01-01"), &sealed->text), 0);
}

static void unseal(struct sealed *sealed)
{
    fh_buf_deinit(&sealed->text);
    fh_keys_deinit(&sealed->keys);
}

static void sealed_opens_with_its_key(void **state)
{
    struct sealed sealed;
    struct fh_secret value = {NULL, 0};
    struct fh_error err;
    (void)state;
    seal(&sealed, "TOKEN", "hunter2");
    struct fh_slice text = fh_buf_slice(&sealed.text);
    assert_int_equal(fh_sealed_open(&sealed.keys, text, lit("TOKEN"), &value, &err), 0);
    assert_int_equal(value.len, 7);
    assert_string_equal(value.data, "hunter2");
    fh_secret_deinit(&value);
    assert_null(memmem(text.data, text.len, "hunter2", 7));
    unseal(&sealed);
}

static void sealed_refuses_other_names_keys_and_damage(void **state)
{
    struct sealed sealed;
    struct fh_secret value = {NULL, 0};
    struct fh_keys others = {NULL, 0};
    struct fh_error err;
    (void)state;
    seal(&sealed, "TOKEN", "hunter2");
    struct fh_slice text = fh_buf_slice(&sealed.text);
    assert_int_equal(fh_sealed_open(&sealed.keys, text, lit("OTHER"), &value, &err), FH_E_CONFLICT);
    assert_int_equal(fh_keys_make(&others), 0);
    assert_int_equal(fh_sealed_open(&others, text, lit("TOKEN"), &value, &err), FH_E_NOT_FOUND);
    fh_keys_deinit(&others);
    for (size_t i = 0; i < text.len; i++) {
        char kept = sealed.text.data[i];
        sealed.text.data[i] = kept == 'A' ? 'B' : 'A';
        int rc = fh_sealed_open(&sealed.keys, text, lit("TOKEN"), &value, &err);
        /* the time is not part of the box, and base64's last bits may be free */
        if (rc == 0) {
            assert_string_equal(value.data, "hunter2");
            fh_secret_deinit(&value);
        }
        assert_null(strstr(err.detail, "hunter2"));
        sealed.text.data[i] = kept;
    }
    for (size_t len = 0; len < text.len - 4; len++) {
        assert_true(fh_sealed_open(&sealed.keys, fh_slice_make(text.data, len), lit("TOKEN"),
                                   &value, &err) < 0);
    }
    unseal(&sealed);
}

static void names_are_checked(void **state)
{
    (void)state;
    assert_true(fh_sealed_is_name(lit("a.b_c-1")));
    assert_false(fh_sealed_is_name(lit("")));
    assert_false(fh_sealed_is_name(lit(".hidden")));
    assert_false(fh_sealed_is_name(lit("a/b")));
    assert_false(fh_sealed_is_name(lit("a b")));
}

/* --- key files -------------------------------------------------------------------------------- */

static void key_files_keep_all_keys(void **state)
{
    struct fh_keys keys = {NULL, 0};
    struct fh_keys read = {NULL, 0};
    struct fh_public_key first, second;
    struct fh_buf text;
    struct fh_error err;
    (void)state;
    fh_buf_init(&text, 1 << 16);
    assert_int_equal(fh_keys_make(&keys), 0);
    fh_keys_public(&keys, 0, &first);
    assert_int_equal(fh_keys_make(&keys), 0);
    assert_int_equal(fh_keys_write(&keys, lit(""), &text), 0);
    assert_int_equal(fh_keys_read(&read, fh_buf_slice(&text), lit(""), &err), 0);
    assert_int_equal(read.count, 2);
    fh_keys_public(&read, 1, &second);
    assert_string_equal(first.id, second.id);
    fh_keys_deinit(&keys);
    fh_keys_deinit(&read);
    fh_buf_deinit(&text);
}

static void locked_key_files_need_their_passphrase(void **state)
{
    struct fh_keys keys = {NULL, 0};
    struct fh_keys read = {NULL, 0};
    struct fh_buf text;
    struct fh_error err;
    (void)state;
    fh_buf_init(&text, 1 << 16);
    assert_int_equal(fh_keys_make(&keys), 0);
    assert_int_equal(fh_keys_write(&keys, lit("open"), &text), 0);
    struct fh_slice locked = fh_buf_slice(&text);
    assert_true(fh_keys_is_locked(locked));
    assert_int_equal(fh_keys_read(&read, locked, lit(""), &err), FH_E_PERMISSION);
    assert_int_equal(fh_keys_read(&read, locked, lit("wrong"), &err), FH_E_PERMISSION);
    assert_int_equal(fh_keys_read(&read, locked, lit("open"), &err), 0);
    assert_memory_equal(read.secret, keys.secret, FH_SEALED_KEY_BYTES);
    assert_int_equal(fh_keys_read(&(struct fh_keys){NULL, 0}, lit("x"), lit(""), &err),
                     FH_E_SYNTAX);
    fh_keys_deinit(&keys);
    fh_keys_deinit(&read);
    fh_buf_deinit(&text);
}

/* --- the keystore ----------------------------------------------------------------------------- */

static void the_store_comes_before_the_folder(void **state)
{
    struct fh_keystore *keystore;
    struct fh_secret value;
    (void)state;
    assert_int_equal(fh_keystore_open(&keystore), 0);
    assert_false(fh_keystore_has(keystore, lit("a")));
    assert_int_equal(fh_keystore_get(keystore, lit("a"), &value), FH_E_NOT_FOUND);
    assert_int_equal(fh_keystore_put(keystore, FH_KEYSTORE_FOLDER, lit("a"), lit("folder")), 0);
    assert_int_equal(fh_keystore_put(keystore, FH_KEYSTORE_STORE, lit("a"), lit("store")), 0);
    assert_int_equal(fh_keystore_get(keystore, lit("a"), &value), 0);
    assert_string_equal(value.data, "store");
    fh_secret_deinit(&value);
    fh_keystore_remove(keystore, FH_KEYSTORE_STORE, lit("a"));
    assert_int_equal(fh_keystore_get(keystore, lit("a"), &value), 0);
    assert_string_equal(value.data, "folder");
    fh_secret_deinit(&value);
    fh_keystore_clear(keystore, FH_KEYSTORE_FOLDER);
    assert_false(fh_keystore_has(keystore, lit("a")));
    fh_keystore_close(keystore);
}

static void what_a_former_key_has_sealed_is_renewed(void **state)
{
    struct sealed sealed;
    struct fh_keystore *keystore;
    struct fh_error err;
    struct fh_buf text, again;
    (void)state;
    seal(&sealed, "a", "hunter2");
    fh_buf_init(&text, 1 << 16);
    fh_buf_init(&again, 1 << 16);
    struct fh_slice old = fh_buf_slice(&sealed.text);
    assert_int_equal(fh_keystore_open(&keystore), 0);
    assert_int_equal(fh_keystore_renew(keystore, lit("a"), old, lit("now"), &text, &err),
                     FH_E_NOT_FOUND);
    assert_int_equal(fh_keys_make(&sealed.keys), 0); /* it comes before the former one */
    fh_keystore_set_keys(keystore, &sealed.keys);
    assert_int_equal(fh_keystore_renew(keystore, lit("b"), old, lit("now"), &text, &err),
                     FH_E_CONFLICT);
    assert_int_equal(fh_keystore_renew(keystore, lit("a"), lit("x"), lit("now"), &text, &err),
                     FH_E_SYNTAX);
    assert_int_equal(text.len, 0);
    assert_int_equal(fh_keystore_renew(keystore, lit("a"), old, lit("now"), &text, &err), 0);
    assert_int_equal(
        fh_keystore_renew(keystore, lit("a"), fh_buf_slice(&text), lit("now"), &again, &err), 0);
    assert_int_equal(again.len, 0);
    assert_int_equal(
        fh_keystore_take(keystore, FH_KEYSTORE_STORE, lit("a"), fh_buf_slice(&text), &err), 0);
    fh_buf_deinit(&text);
    fh_keystore_close(keystore);
    unseal(&sealed);
}

static void check_redacted(struct fh_keystore *keystore, const char *text, bool is_json,
                           const char *expected)
{
    struct fh_buf out;
    fh_buf_init(&out, 1 << 16);
    bool is_found = fh_keystore_redact(keystore, lit(text), is_json, &out);
    if (expected) {
        assert_true(is_found);
        assert_int_equal(out.len, strlen(expected));
        assert_memory_equal(out.data, expected, out.len);
    } else {
        assert_false(is_found);
        assert_int_equal(out.len, 0);
    }
    fh_buf_deinit(&out);
}

static void values_are_redacted_in_every_form(void **state)
{
    struct fh_keystore *keystore;
    (void)state;
    assert_int_equal(fh_keystore_open(&keystore), 0);
    assert_false(fh_keystore_has_any(keystore));
    assert_int_equal(fh_keystore_put(keystore, FH_KEYSTORE_STORE, lit("short"), lit("12345")), 0);
    assert_false(fh_keystore_has_any(keystore));
    assert_int_equal(fh_keystore_put(keystore, FH_KEYSTORE_STORE, lit("t"), lit("line\n\"two\"")),
                     0);
    assert_int_equal(fh_keystore_put(keystore, FH_KEYSTORE_STORE, lit("pin"), lit("123456")), 0);
    assert_true(fh_keystore_has_any(keystore));
    check_redacted(keystore, "nothing 12345", false, NULL);
    check_redacted(keystore, "a 123456 b 123456", false, "a [secret pin] b [secret pin]");
    check_redacted(keystore, "line\n\"two\"", false, "[secret t]");
    check_redacted(keystore, "{\"a\":\"x line\\n\\\"two\\\" y\"}", true,
                   "{\"a\":\"x [secret t] y\"}");
    check_redacted(keystore, "bGluZQoidHdvIg==", false, "[secret t]");
    check_redacted(keystore, "{\"n\":91234567,\"s\":\"91234567\"}", true,
                   "{\"n\":91234567,\"s\":\"9[secret pin]7\"}");
    check_redacted(keystore, "{\"a\":\"q\\\"\",\"n\":123456}", true, NULL);
    fh_keystore_close(keystore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_opens_with_its_key),
        cmocka_unit_test(sealed_refuses_other_names_keys_and_damage),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(key_files_keep_all_keys),
        cmocka_unit_test(locked_key_files_need_their_passphrase),
        cmocka_unit_test(the_store_comes_before_the_folder),
        cmocka_unit_test(what_a_former_key_has_sealed_is_renewed),
        cmocka_unit_test(values_are_redacted_in_every_form),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
