/* SPDX-License-Identifier: MIT */
#include "host/listen_rule.h"

#include "store/store.h"

#include <string.h>

static bool is_loopback(const char *address)
{
    size_t digits = strspn(address, "0123456789.");
    return (strncmp(address, "127.", 4) == 0 && (address[digits] == ':' || !address[digits])) ||
           strncmp(address, "[::1]", 5) == 0 || strncmp(address, "localhost:", 10) == 0;
}

static int stop_at_first(void *arg, struct fh_slice key, struct fh_slice value, int rc)
{
    (void)key;
    (void)value;
    (void)rc;
    *(bool *)arg = true;
    return 1;
}

bool fh_listen_rule_has_accounts(struct fh_store *store)
{
    static const enum fh_table tables[] = {FH_TABLE_TOKENS, FH_TABLE_USERS};
    struct fh_snapshot *snapshot;
    bool has = false;
    if (fh_snapshot_open(&snapshot, store) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct fh_scan scan = {.table = tables[i]};
        fh_snapshot_scan(snapshot, &scan, stop_at_first, &has);
    }
    fh_snapshot_close(snapshot);
    return has;
}

int fh_listen_rule_check(const char *address, struct fh_store *store, struct fh_error *err)
{
    if (strcmp(address, "none") == 0 || is_loopback(address) ||
        (store && fh_listen_rule_has_accounts(store))) {
        return 0;
    }
    return fh_error_set(err, FH_E_INVALID,
                        "refusing to listen on %s: there is no token yet, so everybody who can "
                        "reach it would be admin; 'flowhost token create --role admin' makes one, "
                        "or listen on 127.0.0.1",
                        address);
}
