/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 65536, MESSAGE_MAX_BYTES = 4096 };

static _Atomic int log_level = FH_LOG_INFO;
static _Atomic int log_form = FH_LOG_TEXT;

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void fh_log_set(enum fh_log_level level, enum fh_log_form form)
{
    log_level = (int)level;
    log_form = (int)form;
}

bool fh_log_is_on(enum fh_log_level level)
{
    return (int)level >= log_level && level < FH_LOG_OFF;
}

int fh_log_level_from(struct fh_slice name)
{
    for (int i = 0; i <= FH_LOG_OFF; i++) {
        if (fh_slice_equal(name, fh_slice_from(level_names[i]))) {
            return i;
        }
    }
    return -1;
}

static void push_escaped(struct fh_buf *line, struct fh_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte == '"' || byte == '\\') {
            fh_buf_push_format(line, "\\%c", byte);
        } else if (byte == '\n') {
            fh_buf_push(line, "\\n", 2);
        } else if (byte < 0x20) {
            fh_buf_push_format(line, "\\u%04x", byte);
        } else {
            fh_buf_push_byte(line, (char)byte);
        }
    }
}

static void push_time(struct fh_buf *line)
{
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    fh_buf_push_format(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                       ts.tv_nsec / 1000000);
}

static void push_text(struct fh_buf *line, enum fh_log_level level, struct fh_slice message,
                      const struct fh_log_field *fields, int count)
{
    push_time(line);
    fh_buf_push_format(line, " %-5s ", level_names[level]);
    fh_buf_push_slice(line, message);
    for (int i = 0; i < count; i++) {
        fh_buf_push_format(line, " %s=\"", fields[i].name);
        push_escaped(line, fields[i].value);
        fh_buf_push_byte(line, '"');
    }
}

static void push_json(struct fh_buf *line, enum fh_log_level level, struct fh_slice message,
                      const struct fh_log_field *fields, int count)
{
    fh_buf_push(line, "{\"time\":\"", 9);
    push_time(line);
    fh_buf_push_format(line, "\",\"level\":\"%s\",\"message\":\"", level_names[level]);
    push_escaped(line, message);
    for (int i = 0; i < count; i++) {
        fh_buf_push_format(line, "\",\"%s\":\"", fields[i].name);
        push_escaped(line, fields[i].value);
    }
    fh_buf_push(line, "\"}", 2);
}

void fh_log_fields(enum fh_log_level level, struct fh_slice message,
                   const struct fh_log_field *fields, int count)
{
    if (!fh_log_is_on(level)) {
        return;
    }
    struct fh_buf line;
    fh_buf_init(&line, LINE_MAX_BYTES);
    if (log_form == FH_LOG_JSON) {
        push_json(&line, level, message, fields, count);
    } else {
        push_text(&line, level, message, fields, count);
    }
    if (fh_buf_push_byte(&line, '\n') == 0) {
        /* A log that cannot be written has nowhere to say so. */
        ssize_t written = write(STDERR_FILENO, line.data, line.len);
        (void)written;
    }
    fh_buf_deinit(&line);
}

void fh_log(enum fh_log_level level, const char *format, ...)
{
    if (!fh_log_is_on(level)) {
        return;
    }
    char message[MESSAGE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    fh_log_fields(level, fh_slice_from(message), NULL, 0);
}
