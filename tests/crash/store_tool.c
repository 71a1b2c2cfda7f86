/* SPDX-License-Identifier: MIT */
/* What the crash suite sees and does to a data folder whose host is dead, past the host's own code:
 *
 *     store_tool dump FOLDER                     each line: table, key and stored value in hex
 *     store_tool damage FOLDER TABLE KEY_HEX     flips a bit in the middle of that value
 *
 * Tables are databases of the LMDB environment; a stored value is as in store/store.h. */
#include "store/tables.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_BYTES = 1 << 30, KEY_MAX_BYTES = 511 };

static const char *const table_names[] = {
#define TABLE_NAME(symbol, name) [symbol] = (name),
    FH_TABLE_LIST(TABLE_NAME)
#undef TABLE_NAME
};

static void check(int rc, const char *what)
{
    if (rc != 0) {
        fprintf(stderr, "store_tool: %s: %s\n", what, mdb_strerror(rc));
        exit(1);
    }
}

static MDB_env *open_folder(const char *path, unsigned flags)
{
    MDB_env *env;
    check(mdb_env_create(&env), "new environment");
    check(mdb_env_set_maxdbs(env, FH_TABLE_COUNT), "count of tables");
    check(mdb_env_set_mapsize(env, MAP_BYTES), "size of the map");
    check(mdb_env_open(env, path, flags | MDB_NOLOCK, 0600), path);
    return env;
}

static void print_hex(MDB_val bytes)
{
    const unsigned char *data = bytes.mv_data;
    for (size_t i = 0; i < bytes.mv_size; i++) {
        printf("%02x", data[i]);
    }
}

static void dump_table(MDB_txn *txn, const char *name)
{
    MDB_dbi table;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    int rc = mdb_dbi_open(txn, name, 0, &table);
    if (rc == MDB_NOTFOUND) {
        return;
    }
    check(rc, name);
    check(mdb_cursor_open(txn, table, &cursor), name);
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        printf("%s ", name);
        print_hex(key);
        printf(" ");
        print_hex(value);
        printf("\n");
    }
    check(rc == MDB_NOTFOUND ? 0 : rc, name);
    mdb_cursor_close(cursor);
}

static void dump(const char *path)
{
    MDB_env *env = open_folder(path, MDB_RDONLY);
    MDB_txn *txn;
    check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), path);
    for (int i = 0; i < FH_TABLE_COUNT; i++) {
        dump_table(txn, table_names[i]);
    }
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

static size_t parse_hex(const char *text, unsigned char *out)
{
    size_t len = strlen(text) / 2;
    unsigned byte;
    for (size_t i = 0; i < len && i < KEY_MAX_BYTES; i++) {
        check(sscanf(text + 2 * i, "%2x", &byte) == 1 ? 0 : MDB_BAD_VALSIZE, text);
        out[i] = (unsigned char)byte;
    }
    return len;
}

static void damage(const char *path, const char *name, const char *key_hex)
{
    unsigned char key_bytes[KEY_MAX_BYTES];
    MDB_env *env = open_folder(path, 0);
    MDB_txn *txn;
    MDB_dbi table;
    MDB_val key = {parse_hex(key_hex, key_bytes), key_bytes};
    MDB_val value;
    check(mdb_txn_begin(env, NULL, 0, &txn), path);
    check(mdb_dbi_open(txn, name, 0, &table), name);
    check(mdb_get(txn, table, &key, &value), key_hex);
    unsigned char *copy = malloc(value.mv_size);
    check(copy ? 0 : MDB_MAP_FULL, "no memory");
    memcpy(copy, value.mv_data, value.mv_size);
    copy[value.mv_size / 2] ^= 0x10;
    value.mv_data = copy;
    check(mdb_put(txn, table, &key, &value, 0), key_hex);
    check(mdb_txn_commit(txn), path);
    free(copy);
    mdb_env_close(env);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "dump") == 0) {
        dump(argv[2]);
    } else if (argc == 5 && strcmp(argv[1], "damage") == 0) {
        damage(argv[2], argv[3], argv[4]);
    } else {
        fprintf(stderr, "usage: store_tool dump FOLDER | damage FOLDER TABLE KEY_HEX\n");
        return 2;
    }
    return 0;
}
