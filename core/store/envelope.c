/* SPDX-License-Identifier: MIT */
#include "store/envelope.h"

#include "base/crc32c.h"
#include "store/store.h"

#include <stdint.h>
#include <stdio.h>

enum { CRC_BYTES = 4, HEX_KEY_BYTES = 96 };

static const char *const table_names[] = {
#define FH_TABLE_NAME(symbol, name) [symbol] = (name),
    FH_TABLE_LIST(FH_TABLE_NAME)
#undef FH_TABLE_NAME
};

const char *fh_envelope_table_name(enum fh_table table)
{
    return table_names[table];
}

/* `body` begins with the format byte. */
static uint32_t crc_of(enum fh_table table, struct fh_slice key, struct fh_slice body)
{
    unsigned char number = (unsigned char)table;
    uint32_t crc = fh_crc32c(0, &number, 1);
    crc = fh_crc32c(crc, key.data, key.len);
    return fh_crc32c(crc, body.data, body.len);
}

static void put_u32(char *out, uint32_t number)
{
    for (int i = 0; i < CRC_BYTES; i++) {
        out[i] = (char)(number >> (8 * i));
    }
}

static uint32_t get_u32(const char *in)
{
    uint32_t number = 0;
    for (int i = 0; i < CRC_BYTES; i++) {
        number |= (uint32_t)(unsigned char)in[i] << (8 * i);
    }
    return number;
}

void fh_envelope_encode(char *out, enum fh_table table, struct fh_slice key, struct fh_slice value)
{
    out[0] = FH_STORE_FORMAT;
    if (value.len > 0) {
        memcpy(out + 1, value.data, value.len);
    }
    put_u32(out + 1 + value.len, crc_of(table, key, fh_slice_make(out, 1 + value.len)));
}

void fh_envelope_key_hex(char out[FH_ENVELOPE_HEX_CHARS], struct fh_slice key)
{
    static const char digits[] = "0123456789abcdef";
    size_t shown = key.len < HEX_KEY_BYTES ? key.len : HEX_KEY_BYTES;
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = (unsigned char)key.data[i];
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    strcpy(out + 2 * shown, shown < key.len ? "..." : "");
}

static int corrupt(enum fh_table table, struct fh_slice key, const char *why, struct fh_error *err)
{
    if (err) {
        char hex[FH_ENVELOPE_HEX_CHARS];
        fh_envelope_key_hex(hex, key);
        fh_error_set(err, FH_E_CORRUPT, "value in table %s under key %s is damaged: %s",
                     fh_envelope_table_name(table), hex, why);
    }
    return FH_E_CORRUPT;
}

int fh_envelope_decode(struct fh_slice *value, enum fh_table table, struct fh_slice key,
                       struct fh_slice stored, struct fh_error *err)
{
    *value = fh_slice_make(NULL, 0);
    if (stored.len < FH_ENVELOPE_EXTRA_BYTES) {
        return corrupt(table, key, "too short", err);
    }
    struct fh_slice body = fh_slice_make(stored.data, stored.len - CRC_BYTES);
    if (get_u32(body.data + body.len) != crc_of(table, key, body)) {
        return corrupt(table, key, "its checksum does not match", err);
    }
    if (body.data[0] != FH_STORE_FORMAT) {
        return corrupt(table, key, "its format byte is unknown", err);
    }
    *value = fh_slice_make(body.data + 1, body.len - 1);
    return 0;
}
