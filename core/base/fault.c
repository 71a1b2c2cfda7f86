/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#ifdef FH_FAULTS
#include "base/error.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PLANS = 8 };

/* One process is armed at most once, before it starts; the counters, one for each point of the
 * variable, are this file's only state. */
static _Atomic unsigned passages[MAX_PLANS];

struct plan {
    int index;
    int code; /* 0: kill */
    unsigned at;
    bool once;
    const char *path; /* up to the comma; acts while this file exists */
    size_t path_len;
};

static int code_of(const char *name, size_t len)
{
#define FH_FAULT_CODE(symbol, value, text_name, text, retryable)          \
    if (strlen(text_name) == len && strncmp(text_name, name, len) == 0) { \
        return symbol;                                                    \
    }
    FH_ERROR_LIST(FH_FAULT_CODE)
#undef FH_FAULT_CODE
    return 0;
}

static bool find_plan(const char *spec, const char *name, struct plan *plan)
{
    size_t len = strlen(name);
    int index = -1;
    for (const char *at = spec; at && *at; at = strchr(at, ',')) {
        at += *at == ',';
        index++;
        if (strncmp(at, name, len) != 0 || !strchr(":,", at[len])) {
            continue;
        }
        *plan = (struct plan){.index = index % MAX_PLANS, .at = 1};
        if (at[len] != ':') {
            return true;
        }
        const char *action = at + len + 1;
        size_t action_len = strcspn(action, ":,");
        plan->code = code_of(action, action_len);
        const char *when = action + action_len + (action[action_len] == ':');
        if (*when == '@') {
            plan->path = when + 1;
            plan->path_len = strcspn(plan->path, ",");
        } else if (*when && *when != ',') {
            char *end;
            plan->at = (unsigned)strtoul(when, &end, 10);
            plan->once = *end == '!';
        }
        return true;
    }
    return false;
}

static bool is_due(const struct plan *plan)
{
    if (plan->path) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%.*s", (int)plan->path_len, plan->path);
        return access(path, F_OK) == 0;
    }
    unsigned n = atomic_fetch_add(&passages[plan->index], 1) + 1;
    return n >= plan->at && (plan->code == 0 || !plan->once || n == plan->at);
}

int fh_fault(const char *name)
{
    struct plan plan;
    const char *spec = getenv("FLOWHOST_FAULT");
    if (!spec || !find_plan(spec, name, &plan)) {
        return 0;
    }
    if (!is_due(&plan)) {
        return 0;
    }
    if (plan.code == 0) {
        kill(getpid(), SIGKILL);
        pause();
    }
    return plan.code;
}
#else
typedef int fh_fault_is_off;
#endif
