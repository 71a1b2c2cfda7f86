/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/error.h"

#include <errno.h>

struct row {
    int code;
    const char *name;
};

static const struct row rows[] = {
#define ROW(symbol, value, name, text, retryable) {symbol, name},
    FH_ERROR_LIST(ROW)
#undef ROW
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

/* Codes and names are stored in journals and spoken by the API: each stands for one thing. */
static void codes_and_names_are_distinct(void **state)
{
    (void)state;
    for (int i = 0; i < ROW_COUNT; i++) {
        assert_true(rows[i].code < 0);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(rows[i].code, rows[j].code);
            assert_string_not_equal(rows[i].name, rows[j].name);
        }
    }
}

static void names_codes(void **state)
{
    (void)state;
    for (int i = 0; i < ROW_COUNT; i++) {
        assert_string_equal(fh_error_name(rows[i].code), rows[i].name);
        assert_true(strlen(fh_error_text(rows[i].code)) > 0);
    }
    assert_string_equal(fh_error_name(0), "OK");
    assert_string_equal(fh_error_text(0), "no error");
    assert_string_equal(fh_error_name(-9999), "UNKNOWN");
    assert_string_equal(fh_error_name(7), "UNKNOWN");
    assert_string_equal(fh_error_text(7), "unknown error");
}

static void knows_what_may_be_tried_again(void **state)
{
    (void)state;
    assert_true(fh_error_is_retryable(FH_E_NETWORK));
    assert_true(fh_error_is_retryable(FH_E_TIMEOUT));
    assert_true(fh_error_is_retryable(FH_E_DISK_FULL));
    assert_false(fh_error_is_retryable(FH_E_INVALID));
    assert_false(fh_error_is_retryable(0));
    assert_false(fh_error_is_retryable(-9999));
}

static void keeps_code_and_sentence(void **state)
{
    (void)state;
    struct fh_error err = {0, ""};
    assert_int_equal(fh_error_set(&err, FH_E_LOCKED, "the folder %s is taken by %d", "data", 7),
                     FH_E_LOCKED);
    assert_int_equal(err.code, FH_E_LOCKED);
    assert_string_equal(err.detail, "the folder data is taken by 7");
    assert_int_equal(fh_error_set(NULL, FH_E_IO, "nobody asks %d", 1), FH_E_IO);
}

static void cuts_long_sentences(void **state)
{
    (void)state;
    struct fh_error err;
    char text[1000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    fh_error_set(&err, FH_E_IO, "%s", text);
    assert_int_equal(strlen(err.detail), sizeof(err.detail) - 1);
}

static void translates_errno(void **state)
{
    (void)state;
    assert_int_equal(fh_error_from_errno(0), 0);
    assert_int_equal(fh_error_from_errno(ENOSPC), FH_E_DISK_FULL);
    assert_int_equal(fh_error_from_errno(EDQUOT), FH_E_DISK_FULL);
    assert_int_equal(fh_error_from_errno(ENOMEM), FH_E_NO_MEMORY);
    assert_int_equal(fh_error_from_errno(EACCES), FH_E_PERMISSION);
    assert_int_equal(fh_error_from_errno(EPERM), FH_E_PERMISSION);
    assert_int_equal(fh_error_from_errno(EROFS), FH_E_PERMISSION);
    assert_int_equal(fh_error_from_errno(ENOENT), FH_E_NOT_FOUND);
    assert_int_equal(fh_error_from_errno(ENOTDIR), FH_E_NOT_FOUND);
    assert_int_equal(fh_error_from_errno(EADDRINUSE), FH_E_ADDRESS_IN_USE);
    assert_int_equal(fh_error_from_errno(EINVAL), FH_E_INVALID);
    assert_int_equal(fh_error_from_errno(EIO), FH_E_IO);
    assert_int_equal(fh_error_from_errno(EXDEV), FH_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_and_names_are_distinct),  cmocka_unit_test(names_codes),
        cmocka_unit_test(knows_what_may_be_tried_again), cmocka_unit_test(keeps_code_and_sentence),
        cmocka_unit_test(cuts_long_sentences),           cmocka_unit_test(translates_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
