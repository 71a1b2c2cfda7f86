/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/buf.h"
#include "base/error.h"

static void assert_holds(const struct fh_buf *buf, struct fh_slice bytes)
{
    assert_true(fh_slice_equal(fh_buf_slice(buf), bytes));
}

static void slices_compare_by_bytes(void **state)
{
    (void)state;
    struct fh_slice none = fh_slice_from(NULL);
    assert_int_equal(none.len, 0);
    assert_true(fh_slice_equal(none, FH_SLICE_LIT("")));
    assert_true(fh_slice_equal(fh_slice_from("ab"), FH_SLICE_LIT("ab")));
    assert_false(fh_slice_equal(FH_SLICE_LIT("ab"), FH_SLICE_LIT("ac")));
    assert_false(fh_slice_equal(FH_SLICE_LIT("ab"), FH_SLICE_LIT("abc")));
    assert_false(fh_slice_equal(FH_SLICE_LIT("a\0b"), FH_SLICE_LIT("a\0c")));
}

static void pushes_in_order(void **state)
{
    (void)state;
    struct fh_buf buf;
    fh_buf_init(&buf, 1000);
    assert_holds(&buf, FH_SLICE_LIT(""));
    assert_int_equal(fh_buf_push(&buf, NULL, 0), 0);
    assert_int_equal(fh_buf_push(&buf, "a\0b", 3), 0);
    assert_int_equal(fh_buf_push_slice(&buf, FH_SLICE_LIT("")), 0);
    assert_int_equal(fh_buf_push_slice(&buf, FH_SLICE_LIT("cd")), 0);
    assert_int_equal(fh_buf_push_byte(&buf, '\0'), 0);
    assert_int_equal(fh_buf_push_format(&buf, "%d-%s", 42, "x"), 0);
    assert_holds(&buf, FH_SLICE_LIT("a\0bcd\00042-x"));
    fh_buf_deinit(&buf);
}

static void clears_and_is_used_again(void **state)
{
    (void)state;
    struct fh_buf buf;
    fh_buf_init(&buf, 1000);
    assert_int_equal(fh_buf_push(&buf, "abc", 3), 0);
    const char *memory = buf.data;
    fh_buf_clear(&buf);
    assert_holds(&buf, FH_SLICE_LIT(""));
    assert_int_equal(fh_buf_push(&buf, "de", 2), 0);
    assert_ptr_equal(buf.data, memory);
    assert_holds(&buf, FH_SLICE_LIT("de"));

    fh_buf_deinit(&buf);
    assert_null(buf.data);
    assert_int_equal(fh_buf_push(&buf, "f", 1), 0);
    assert_holds(&buf, FH_SLICE_LIT("f"));
    fh_buf_deinit(&buf);
}

/* Each cap, also the odd ones below the first allocation, is reached to the byte and not passed. */
static void keeps_its_cap(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 300; cap++) {
        struct fh_buf buf;
        fh_buf_init(&buf, cap);
        for (size_t i = 0; i < cap; i++) {
            assert_int_equal(fh_buf_push_byte(&buf, (char)i), 0);
        }
        assert_int_equal(fh_buf_push_byte(&buf, 'x'), FH_E_TOO_LARGE);
        assert_int_equal(buf.len, cap);
        assert_true(buf.cap <= cap);
        for (size_t i = 0; i < cap; i++) {
            assert_int_equal(buf.data[i], (char)i);
        }
        fh_buf_deinit(&buf);
    }
}

static void a_refused_push_changes_nothing(void **state)
{
    (void)state;
    struct fh_buf buf;
    fh_buf_init(&buf, 8);
    assert_int_equal(fh_buf_push(&buf, "abcde", 5), 0);
    assert_int_equal(fh_buf_push(&buf, "fghi", 4), FH_E_TOO_LARGE);
    assert_int_equal(fh_buf_push_format(&buf, "%s", "fghi"), FH_E_TOO_LARGE);
    assert_int_equal(fh_buf_reserve(&buf, SIZE_MAX), FH_E_TOO_LARGE);
    assert_int_equal(fh_buf_reserve(&buf, SIZE_MAX - 5), FH_E_TOO_LARGE);
    assert_holds(&buf, FH_SLICE_LIT("abcde"));
    assert_int_equal(fh_buf_push(&buf, "fgh", 3), 0);
    assert_holds(&buf, FH_SLICE_LIT("abcdefgh"));
    fh_buf_deinit(&buf);
}

static void formats_up_to_the_cap(void **state)
{
    (void)state;
    struct fh_buf buf;
    fh_buf_init(&buf, 8);
    assert_int_equal(fh_buf_push_format(&buf, "%s", "abcdefgh"), 0);
    assert_holds(&buf, FH_SLICE_LIT("abcdefgh"));
    assert_int_equal(fh_buf_push_format(&buf, "%s", ""), 0);
    assert_int_equal(fh_buf_push_format(&buf, "%d", 1), FH_E_TOO_LARGE);
    assert_holds(&buf, FH_SLICE_LIT("abcdefgh"));
    fh_buf_deinit(&buf);
}

static void reserved_room_is_used(void **state)
{
    (void)state;
    struct fh_buf buf;
    fh_buf_init(&buf, 1 << 20);
    assert_int_equal(fh_buf_reserve(&buf, 1000), 0);
    assert_true(buf.cap >= 1000);
    const char *memory = buf.data;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(fh_buf_push_byte(&buf, 'x'), 0);
    }
    assert_ptr_equal(buf.data, memory);
    fh_buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_by_bytes),        cmocka_unit_test(pushes_in_order),
        cmocka_unit_test(clears_and_is_used_again),       cmocka_unit_test(keeps_its_cap),
        cmocka_unit_test(a_refused_push_changes_nothing), cmocka_unit_test(formats_up_to_the_cap),
        cmocka_unit_test(reserved_room_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
