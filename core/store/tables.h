/* SPDX-License-Identifier: MIT */
/* Every table of the store, its key and what its value holds. Keys are bytes in sort order; `run`
 * is the 16 bytes of a run id, numbers are big-endian. Values are JSON documents of the engine
 * unless said otherwise; the store adds a format byte and a CRC32C to each (store.h). The owner,
 * the only module that writes a table, stands last. */
#pragma once

/* X(symbol, name) */
#define FH_TABLE_LIST(X)                                                                          \
    X(FH_TABLE_META, "meta")         /* name -> text                                  store */    \
    X(FH_TABLE_BLOBS, "blobs")       /* 32 bytes SHA-256 -> the bytes          engine/release */  \
    X(FH_TABLE_RELEASES, "releases") /* 32 bytes root hash -> tree             engine/release */  \
    X(FH_TABLE_ACTIVE, "active")     /* name -> root hash in force             engine/release */  \
    X(FH_TABLE_RUNS, "runs")         /* run -> row                             engine/rows  */    \
    X(FH_TABLE_JOURNAL, "journal")   /* run + u32 chunk -> entries             engine/rows  */    \
    X(FH_TABLE_BY_FLOW, "runs_by_flow")     /* flow 00 run -> status           engine/rows  */    \
    X(FH_TABLE_BY_STATUS, "runs_by_status") /* status 00 run -> flow           engine/rows  */    \
    X(FH_TABLE_IDEMPOTENCY, "idempotency")  /* flow 00 key -> run, input hash  engine/rows  */    \
    X(FH_TABLE_ALARMS, "alarms") /* partition + u64 due + run + tag -> what   engine/alarms */    \
    X(FH_TABLE_BY_TAG, "runs_by_tag")    /* name 00 value 00 run -> flow          engine/rows  */ \
    X(FH_TABLE_AUDIT, "audit")           /* u64 ms + 8 random bytes -> entry      engine/audit */ \
    X(FH_TABLE_DOCUMENTS, "documents")   /* kind 00 u64 id -> document       engine/documents */  \
    X(FH_TABLE_SECRETS, "secrets")       /* name -> sealed value              engine/secrets */   \
    X(FH_TABLE_USERS, "users")           /* name -> user                      engine/access */    \
    X(FH_TABLE_TOKENS, "tokens")         /* 32 bytes hash -> token or session engine/access */    \
    X(FH_TABLE_APPS, "apps")             /* name -> app                       engine/access */    \
    X(FH_TABLE_ACTIVITIES, "activities") /* name -> activity            engine/activities */      \
    X(FH_TABLE_TASKS, "tasks")           /* run + task id -> open task  engine/task_rows */       \
    X(FH_TABLE_QUEUES, "queues") /* queue 00 u64 ms + run + task id -> input engine/task_rows */

enum fh_table {
#define FH_TABLE_ENUM(symbol, name) symbol,
    FH_TABLE_LIST(FH_TABLE_ENUM)
#undef FH_TABLE_ENUM
        FH_TABLE_COUNT
};
