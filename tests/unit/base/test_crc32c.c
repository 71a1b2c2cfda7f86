/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/crc32c.h"

/* The vectors are those of RFC 3720, appendix B.4, which prints each sum's bytes lowest first. */
static void assert_crc(const void *data, size_t len, uint32_t crc)
{
    assert_int_equal(fh_crc32c(0, data, len), crc);
    assert_int_equal(fh_crc32c_portable(0, data, len), crc);
}

static void gives_the_sums_of_the_rfc(void **state)
{
    (void)state;
    unsigned char bytes[32];
    memset(bytes, 0, sizeof(bytes));
    assert_crc(bytes, sizeof(bytes), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_crc(bytes, sizeof(bytes), 0x62A8AB43);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)i;
    }
    assert_crc(bytes, sizeof(bytes), 0x46DD794E);
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(31 - i);
    }
    assert_crc(bytes, sizeof(bytes), 0x113FDB5C);
}

/* An iSCSI SCSI Read (10) command. */
static void gives_the_sum_of_the_rfcs_command(void **state)
{
    (void)state;
    static const unsigned char command[48] = {
        [0] = 0x01,  [1] = 0xC0,  [16] = 0x14, [22] = 0x04,
        [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
    };
    assert_crc(command, sizeof(command), 0xD9963A56);
}

static void gives_the_check_value(void **state)
{
    (void)state;
    assert_crc("123456789", 9, 0xE3069283);
    assert_crc("", 0, 0);
    assert_crc(NULL, 0, 0);
    assert_crc("a", 1, 0xC1D04330);
}

static void goes_on_where_it_left(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 9; cut++) {
        uint32_t crc = fh_crc32c(0, "123456789", cut);
        assert_int_equal(fh_crc32c(crc, &"123456789"[cut], 9 - cut), 0xE3069283);
    }
}

/* Each length and alignment round the instruction's eight bytes. */
static void both_forms_agree(void **state)
{
    (void)state;
    unsigned char bytes[256];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(i * 37 + 11);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof(bytes); len++) {
            assert_int_equal(fh_crc32c(7, bytes + from, len),
                             fh_crc32c_portable(7, bytes + from, len));
        }
    }
}

static void sees_each_flipped_bit(void **state)
{
    (void)state;
    unsigned char bytes[64] = {0};
    uint32_t good = fh_crc32c(0, bytes, sizeof(bytes));
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_not_equal(fh_crc32c(0, bytes, sizeof(bytes)), good);
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_sums_of_the_rfc),
        cmocka_unit_test(gives_the_sum_of_the_rfcs_command),
        cmocka_unit_test(gives_the_check_value),
        cmocka_unit_test(goes_on_where_it_left),
        cmocka_unit_test(both_forms_agree),
        cmocka_unit_test(sees_each_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
