/* SPDX-License-Identifier: MIT */
/* Process log on stderr, one line an event, as text or JSON. Any thread; a line is one write(2).
 * Line breaks and other control characters are escaped, bytes that are not UTF-8 become U+FFFD, what
 * would pass 64 KiB is cut.
 * Level and form are process-wide: the only state here. */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

enum fh_log_level { FH_LOG_DEBUG, FH_LOG_INFO, FH_LOG_WARN, FH_LOG_ERROR, FH_LOG_OFF };
enum fh_log_form { FH_LOG_TEXT, FH_LOG_JSON };

void fh_log_set(enum fh_log_level level, enum fh_log_form form);
bool fh_log_is_on(enum fh_log_level level);

/* "debug" | "info" | "warn" | "error" | "off"; -1 for anything else. */
int fh_log_level_from(struct fh_slice name);

void fh_log(enum fh_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What every line passes: appends what is to be written instead and returns true, or returns false. NULL: none. Set
 * while no other thread writes. */
typedef bool (*fh_log_filter)(void *arg, struct fh_slice line, struct fh_buf *out);
void fh_log_set_filter(fh_log_filter filter, void *arg);

/* A line with fields: `fields` are `count` name/value pairs. */
struct fh_log_field {
    const char *name;
    struct fh_slice value;
};
void fh_log_fields(enum fh_log_level level, struct fh_slice message,
                   const struct fh_log_field *fields, int count);
