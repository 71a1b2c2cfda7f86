/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* A long message leaves room for the fields, long fields for what closes the line. */
enum {
    LINE_MAX_BYTES = 65536,
    FIELDS_END_BYTES = LINE_MAX_BYTES - 64,
    MESSAGE_END_BYTES = LINE_MAX_BYTES - 4096,
    FORMATTED_MAX_BYTES = 4096
};

static _Atomic int log_level = FH_LOG_INFO;
static _Atomic int log_form = FH_LOG_TEXT;
static fh_log_filter log_filter;
static void *log_filter_arg;

static const char quoted[] = "\"\\";
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

/* Bytes of the UTF-8 sequence at the head of `text`; 0 when it is not one. */
static size_t sequence_len(struct fh_slice text)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)text.data[0];
    size_t len = lead < 0x80   ? 1
                 : lead < 0xC2 ? 0
                 : lead < 0xE0 ? 2
                 : lead < 0xF0 ? 3
                 : lead < 0xF5 ? 4
                               : 0;
    unsigned code = len > 1 ? lead & (0x7FU >> len) : lead;
    if (len > text.len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        unsigned char next = (unsigned char)text.data[i];
        if ((next & 0xC0) != 0x80) {
            return 0;
        }
        code = code << 6 | (next & 0x3FU);
    }
    bool is_surrogate = code >= 0xD800 && code < 0xE000;
    return len > 0 && (code < least[len] || code > 0x10FFFF || is_surrogate) ? 0 : len;
}

/* `special` are the characters that get a backslash. Cut where the line has reached `end_bytes`. */
static void push_escaped(struct fh_buf *line, struct fh_slice text, const char *special,
                         size_t end_bytes)
{
    while (text.len > 0 && line->len < end_bytes) {
        unsigned char byte = (unsigned char)text.data[0];
        size_t len = sequence_len(text);
        if (byte == '\n') {
            fh_buf_push(line, "\\n", 2);
        } else if (byte < 0x20 || byte == 0x7F) {
            fh_buf_push_format(line, "\\u%04x", byte);
        } else if (len == 0) {
            fh_buf_push(line, "\xEF\xBF\xBD", 3); /* U+FFFD */
        } else {
            if (strchr(special, byte)) {
                fh_buf_push_byte(line, '\\');
            }
            fh_buf_push(line, text.data, len);
        }
        len = len > 0 ? len : 1;
        text = fh_slice_make(text.data + len, text.len - len);
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

/* One field between `before`, `middle` and `after`; none at all when its name does not fit. */
static void push_field(struct fh_buf *line, const struct fh_log_field *field, const char *before,
                       const char *middle, const char *after)
{
    size_t start = line->len;
    if (start >= FIELDS_END_BYTES) {
        return;
    }
    fh_buf_push_slice(line, fh_slice_from(before));
    push_escaped(line, fh_slice_from(field->name), quoted, FIELDS_END_BYTES);
    fh_buf_push_slice(line, fh_slice_from(middle));
    if (line->len >= FIELDS_END_BYTES) {
        line->len = start;
        return;
    }
    push_escaped(line, field->value, quoted, FIELDS_END_BYTES);
    fh_buf_push_slice(line, fh_slice_from(after));
}

static void push_text(struct fh_buf *line, enum fh_log_level level, struct fh_slice message,
                      const struct fh_log_field *fields, int count)
{
    push_time(line);
    fh_buf_push_format(line, " %-5s ", level_names[level]);
    push_escaped(line, message, "", MESSAGE_END_BYTES);
    for (int i = 0; i < count; i++) {
        push_field(line, &fields[i], " ", "=\"", "\"");
    }
}

static void push_json(struct fh_buf *line, enum fh_log_level level, struct fh_slice message,
                      const struct fh_log_field *fields, int count)
{
    fh_buf_push(line, "{\"time\":\"", 9);
    push_time(line);
    fh_buf_push_format(line, "\",\"level\":\"%s\",\"message\":\"", level_names[level]);
    push_escaped(line, message, quoted, MESSAGE_END_BYTES);
    fh_buf_push_byte(line, '"');
    for (int i = 0; i < count; i++) {
        push_field(line, &fields[i], ",\"", "\":\"", "\"");
    }
    fh_buf_push_byte(line, '}');
}

void fh_log_set_filter(fh_log_filter filter, void *arg)
{
    log_filter = filter;
    log_filter_arg = arg;
}

static void write_line(const struct fh_buf *line)
{
    struct fh_buf filtered;
    fh_buf_init(&filtered, 2 * (size_t)LINE_MAX_BYTES);
    bool is_filtered = log_filter && log_filter(log_filter_arg, fh_buf_slice(line), &filtered);
    const struct fh_buf *out = is_filtered ? &filtered : line;
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(STDERR_FILENO, out->data, out->len);
    (void)written;
    fh_buf_deinit(&filtered);
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
        write_line(&line);
    }
    fh_buf_deinit(&line);
}

void fh_log(enum fh_log_level level, const char *format, ...)
{
    if (!fh_log_is_on(level)) {
        return;
    }
    char message[FORMATTED_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    fh_log_fields(level, fh_slice_from(message), NULL, 0);
}
