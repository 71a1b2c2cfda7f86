/* SPDX-License-Identifier: MIT */
/* Tells when something below a folder may have changed (inotify on the loop): a flow's file saved,
 * renamed, removed, a folder that came or went, the root itself replaced. What it was is not told:
 * who is told looks.
 *
 * The folders are not found by it: whoever walks them calls fh_watch_add for each, before looking
 * into it, at the first time and each time something has changed. Watches of folders that are gone
 * end by themselves. */
#pragma once

#include "base/error.h"
#include "loop/loop.h"

struct fh_watch;

enum {
    FH_WATCH_QUIET_MS = 50,   /* a burst has ended when there was nothing for so long */
    FH_WATCH_LONGEST_MS = 500 /* or when it has lasted so long */
};

/* `on_change` runs on the loop once a burst of changes has ended. FH_E_IO when the system has no more watches to give.
 */
int fh_watch_open(struct fh_watch **out, struct fh_loop *loop, const char *dir,
                  void (*on_change)(void *arg), void *arg, struct fh_error *err);

/* Watches a folder; nothing new when it is watched already. Any thread, until fh_watch_close. What cannot be watched is
 * said once in the log. */
void fh_watch_add(struct fh_watch *watch, const char *path);

void fh_watch_close(struct fh_watch *watch);
