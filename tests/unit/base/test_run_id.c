/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/error.h"
#include "base/run_id.h"

static void encode(const unsigned char *id, char text[FH_RUN_ID_CHARS + 1])
{
    fh_run_id_encode(id, text);
    text[FH_RUN_ID_CHARS] = '\0';
}

static int decode(const char *text, unsigned char *id)
{
    return fh_run_id_decode(fh_slice_from(text), id);
}

static void has_the_layout_of_the_header(void **state)
{
    (void)state;
    struct fh_random random = {0};
    unsigned char a[FH_RUN_ID_BYTES], b[FH_RUN_ID_BYTES];
    fh_run_id_make(a, 0x010203040506, 63, &random);
    fh_run_id_make(b, 0x010203040506, 63, &random);
    assert_memory_equal(a, "\x01\x02\x03\x04\x05\x06\x3F", 7);
    assert_memory_equal(b, a, 7);
    assert_memory_not_equal(b + 7, a + 7, FH_RUN_ID_BYTES - 7);
    assert_int_equal(fh_run_id_partition(a), 63);
    fh_run_id_make(a, 1, FH_PARTITIONS + 5, &random);
    assert_int_equal(fh_run_id_partition(a), 5);
}

/* A foreign id may hold any byte where the partition stands. */
static void any_id_has_a_partition(void **state)
{
    (void)state;
    unsigned char id[FH_RUN_ID_BYTES] = {0};
    for (int byte = 0; byte < 256; byte++) {
        id[6] = (unsigned char)byte;
        assert_true(fh_run_id_partition(id) < FH_PARTITIONS);
    }
}

static void has_known_texts(void **state)
{
    (void)state;
    unsigned char id[FH_RUN_ID_BYTES] = {0};
    char text[FH_RUN_ID_CHARS + 1];
    encode(id, text);
    assert_string_equal(text, "00000000000000000000000000");
    id[FH_RUN_ID_BYTES - 1] = 1;
    encode(id, text);
    assert_string_equal(text, "00000000000000000000000001");
    id[FH_RUN_ID_BYTES - 1] = 0xFF;
    encode(id, text);
    assert_string_equal(text, "0000000000000000000000007Z");
    memset(id, 0xFF, sizeof(id));
    encode(id, text);
    assert_string_equal(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
}

static void texts_go_there_and_back(void **state)
{
    (void)state;
    struct fh_random random = {0};
    for (int i = 0; i < 1000; i++) {
        unsigned char id[FH_RUN_ID_BYTES], back[FH_RUN_ID_BYTES];
        char text[FH_RUN_ID_CHARS + 1];
        fh_random_fill(&random, id, sizeof(id));
        encode(id, text);
        assert_int_equal(decode(text, back), 0);
        assert_memory_equal(back, id, sizeof(id));
    }
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void texts_sort_as_bytes_do(void **state)
{
    (void)state;
    struct fh_random random = {0};
    for (int i = 0; i < 1000; i++) {
        unsigned char a[FH_RUN_ID_BYTES], b[FH_RUN_ID_BYTES];
        char text_a[FH_RUN_ID_CHARS + 1], text_b[FH_RUN_ID_CHARS + 1];
        fh_random_fill(&random, a, sizeof(a));
        memcpy(b, a, sizeof(b));
        fh_random_fill(&random, b + i % FH_RUN_ID_BYTES, 1);
        encode(a, text_a);
        encode(b, text_b);
        assert_int_equal(sign(strcmp(text_a, text_b)), sign(memcmp(a, b, sizeof(a))));
    }
}

static void later_ids_sort_behind(void **state)
{
    (void)state;
    static const int64_t times_ms[] = {
        0, 1, 255, 256, 1700000000000, 1700000000001, (1LL << 48) - 1};
    struct fh_random random = {0};
    unsigned char last[FH_RUN_ID_BYTES], id[FH_RUN_ID_BYTES];
    fh_run_id_make(last, times_ms[0], 63, &random);
    for (size_t i = 1; i < sizeof(times_ms) / sizeof(times_ms[0]); i++) {
        fh_run_id_make(id, times_ms[i], 0, &random);
        assert_true(memcmp(last, id, sizeof(id)) < 0);
        fh_run_id_make(last, times_ms[i], 63, &random);
    }
}

static void reads_what_people_type(void **state)
{
    (void)state;
    unsigned char typed[FH_RUN_ID_BYTES], id[FH_RUN_ID_BYTES];
    assert_int_equal(decode("01ABCDEFGHJKMNPQRSTVWXYZ01", id), 0);
    assert_int_equal(decode("01abcdefghjkmnpqrstvwxyz01", typed), 0);
    assert_memory_equal(typed, id, sizeof(id));
    assert_int_equal(decode("OiABCDEFGHJKMNPQRSTVWXYZoL", typed), 0);
    assert_memory_equal(typed, id, sizeof(id));
    assert_int_equal(decode("olABCDEFGHJKMNPQRSTVWXYZOI", typed), 0);
    assert_memory_equal(typed, id, sizeof(id));
}

static void refuses_bad_texts(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "0000000000000000000000000",   /* 25 */
        "000000000000000000000000000", /* 27 */
        "80000000000000000000000000",  /* 2^128 */
        "ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "0000000000000000000000000U",
        "0000000000000000000000000u",
        "U0000000000000000000000000",
        "0000000000000-000000000000",
        " 0000000000000000000000000",
        "0000000000000000000000000\xC3",
        "0000000000000000000000000/",
    };
    unsigned char id[FH_RUN_ID_BYTES];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(decode(bad[i], id), FH_E_INVALID);
    }
    struct fh_slice with_nul = fh_slice_make("0000000000000\000000000000000", FH_RUN_ID_CHARS);
    assert_int_equal(fh_run_id_decode(with_nul, id), FH_E_INVALID);
    assert_int_equal(fh_run_id_decode(fh_slice_from(NULL), id), FH_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_the_layout_of_the_header),
        cmocka_unit_test(any_id_has_a_partition),
        cmocka_unit_test(has_known_texts),
        cmocka_unit_test(texts_go_there_and_back),
        cmocka_unit_test(texts_sort_as_bytes_do),
        cmocka_unit_test(later_ids_sort_behind),
        cmocka_unit_test(reads_what_people_type),
        cmocka_unit_test(refuses_bad_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
