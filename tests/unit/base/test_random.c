/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/random.h"

#include <stdbool.h>

enum { DRAWS = 1000, DRAW_BYTES = 16 };

/* 128 random bits do not meet again in the life of this test, nor of the sun. */
static void draws_differ(void **state)
{
    (void)state;
    static unsigned char draws[DRAWS][DRAW_BYTES];
    struct fh_random random = {0};
    for (int i = 0; i < DRAWS; i++) {
        fh_random_fill(&random, draws[i], DRAW_BYTES);
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(draws[i], draws[j], DRAW_BYTES);
        }
    }
}

static bool has_run_of_zeros(const unsigned char *bytes, size_t len)
{
    size_t zeros = 0;
    for (size_t i = 0; i < len && zeros < 8; i++) {
        zeros = bytes[i] == 0 ? zeros + 1 : 0;
    }
    return zeros == 8;
}

/* Just what was asked for is written, all of it, whatever is left of the block. */
static void fills_any_length(void **state)
{
    (void)state;
    static unsigned char out[3 * FH_RANDOM_BLOCK_BYTES + 2];
    struct fh_random random = {0};
    for (size_t len = 0; len <= 3 * FH_RANDOM_BLOCK_BYTES; len += 61) {
        memset(out, 0, sizeof(out));
        fh_random_fill(&random, out + 1, len);
        assert_int_equal(out[0], 0);
        assert_int_equal(out[len + 1], 0);
        assert_false(has_run_of_zeros(out + 1, len));
    }
}

/* What was handed out is not kept: a core dump does not tell old ids. */
static void forgets_what_it_gave(void **state)
{
    (void)state;
    unsigned char out[DRAW_BYTES];
    static const unsigned char zeros[DRAW_BYTES];
    struct fh_random random = {0};
    fh_random_fill(&random, out, sizeof(out));
    assert_memory_equal(random.block + random.left_bytes, zeros, sizeof(out));
    assert_int_equal(random.left_bytes, FH_RANDOM_BLOCK_BYTES - sizeof(out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_differ),
        cmocka_unit_test(fills_any_length),
        cmocka_unit_test(forgets_what_it_gave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
