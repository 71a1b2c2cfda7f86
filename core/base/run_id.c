/* SPDX-License-Identifier: MIT */
#include "base/run_id.h"

#include "base/error.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void fh_run_id_make(unsigned char id[FH_RUN_ID_BYTES], int64_t wall_ms, unsigned partition,
                    struct fh_random *random)
{
    for (int i = 0; i < 6; i++) {
        id[i] = (unsigned char)(wall_ms >> (40 - 8 * i));
    }
    id[6] = (unsigned char)(partition % FH_PARTITIONS);
    fh_random_fill(random, id + 7, FH_RUN_ID_BYTES - 7);
}

/* 26 characters hold 130 bits: the first one carries only the top 3 of the 128. */
void fh_run_id_encode(const unsigned char id[FH_RUN_ID_BYTES], char text[FH_RUN_ID_CHARS])
{
    unsigned bits = 0;
    int have = 2;
    int out = 0;
    for (int i = 0; i < FH_RUN_ID_BYTES; i++) {
        bits = (bits << 8) | id[i];
        for (have += 8; have >= 5; have -= 5) {
            text[out++] = alphabet[(bits >> (have - 5)) & 31];
        }
    }
}

static int digit_of(char c)
{
    if (c >= 'a' && c <= 'z') {
        c = (char)(c - 'a' + 'A');
    }
    c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

int fh_run_id_decode(struct fh_slice text, unsigned char id[FH_RUN_ID_BYTES])
{
    if (text.len != FH_RUN_ID_CHARS || digit_of(text.data[0]) > 7) {
        return FH_E_INVALID;
    }
    unsigned bits = 0;
    int have = -2;
    int out = 0;
    for (int i = 0; i < FH_RUN_ID_CHARS; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0) {
            return FH_E_INVALID;
        }
        bits = (bits << 5) | (unsigned)digit;
        have += 5;
        if (have >= 8) {
            have -= 8;
            id[out++] = (unsigned char)(bits >> have);
        }
    }
    return 0;
}
