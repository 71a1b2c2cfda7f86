/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Stands in for stderr: a pipe in packet mode, where each write(2) of up to 4096 bytes is read back
 * by one read(2). A packet takes a page. */
struct capture {
    int saved;
    int pipe[2];
};

enum { LOG_TEXT_BYTES = 1 << 20 };

static struct capture capture_begin(void)
{
    struct capture capture;
    assert_int_equal(pipe2(capture.pipe, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
    assert_true(fcntl(capture.pipe[1], F_SETPIPE_SZ, LOG_TEXT_BYTES) >= LOG_TEXT_BYTES);
    capture.saved = dup(STDERR_FILENO);
    dup2(capture.pipe[1], STDERR_FILENO);
    close(capture.pipe[1]);
    return capture;
}

/* Everything that was written, as one text, and by how many writes. Static. */
static const char *capture_end(struct capture capture, int *writes)
{
    static char text[LOG_TEXT_BYTES];
    size_t len = 0;
    ssize_t got;
    dup2(capture.saved, STDERR_FILENO);
    close(capture.saved);
    for (*writes = 0; (got = read(capture.pipe[0], text + len, sizeof(text) - 1 - len)) > 0;) {
        len += (size_t)got;
        ++*writes;
    }
    close(capture.pipe[0]);
    text[len] = '\0';
    return text;
}

static const char *log_one(enum fh_log_level level, struct fh_slice message,
                           const struct fh_log_field *fields, int count)
{
    int writes;
    struct capture capture = capture_begin();
    fh_log_fields(level, message, fields, count);
    return capture_end(capture, &writes);
}

/* "2026-01-31T23:59:59.123Z": checks it and returns what follows. */
static const char *skip_time(const char *text)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        assert_true(shape[i] == 'd' ? is_digit : text[i] == shape[i]);
    }
    return text + sizeof(shape) - 1;
}

static const char *past(const char *text, const char *expected)
{
    assert_memory_equal(text, expected, strlen(expected));
    return text + strlen(expected);
}

/* A JSON string at `text` -> its bytes in `out` (all escapes below U+0080); returns what follows. */
static const char *read_string(const char *text, char *out)
{
    text = past(text, "\"");
    for (; *text != '"'; text++) {
        assert_true((unsigned char)*text >= 0x20);
        if (*text != '\\') {
            *out++ = *text;
        } else if (*++text == 'u') {
            char digits[5] = {text[1], text[2], text[3], text[4], '\0'};
            char *end;
            long code = strtol(digits, &end, 16);
            assert_true(end == digits + 4 && code < 0x80);
            *out++ = (char)code;
            text += 4;
        } else {
            assert_non_null(strchr("\"\\n", *text));
            *out++ = *text == 'n' ? '\n' : *text;
        }
    }
    *out = '\0';
    return text + 1;
}

/* Its time, level and message are checked; what follows the message is returned. */
static const char *read_head(const char *line, const char *level, char *message)
{
    char got[32];
    line = skip_time(past(line, "{\"time\":\""));
    line = read_string(past(line, "\",\"level\":"), got);
    assert_string_equal(got, level);
    return read_string(past(line, ",\"message\":"), message);
}

static void writes_text(void **state)
{
    (void)state;
    const struct fh_log_field fields[] = {{"run", FH_SLICE_LIT("01A")},
                                          {"text", FH_SLICE_LIT("a b")}};
    fh_log_set(FH_LOG_DEBUG, FH_LOG_TEXT);
    assert_string_equal(skip_time(log_one(FH_LOG_INFO, FH_SLICE_LIT("all well"), NULL, 0)),
                        " info  all well\n");
    assert_string_equal(skip_time(log_one(FH_LOG_ERROR, FH_SLICE_LIT(""), fields, 2)),
                        " error  run=\"01A\" text=\"a b\"\n");
}

static void writes_json(void **state)
{
    (void)state;
    const struct fh_log_field fields[] = {{"run", FH_SLICE_LIT("01A")}, {"none", {NULL, 0}}};
    char message[64];
    fh_log_set(FH_LOG_DEBUG, FH_LOG_JSON);
    const char *rest =
        read_head(log_one(FH_LOG_WARN, FH_SLICE_LIT("all well"), NULL, 0), "warn", message);
    assert_string_equal(message, "all well");
    assert_string_equal(rest, "}\n");
    rest = read_head(log_one(FH_LOG_DEBUG, FH_SLICE_LIT("m"), fields, 2), "debug", message);
    assert_string_equal(rest, ",\"run\":\"01A\",\"none\":\"\"}\n");
}

static void formats(void **state)
{
    (void)state;
    int writes;
    fh_log_set(FH_LOG_INFO, FH_LOG_TEXT);
    struct capture capture = capture_begin();
    fh_log(FH_LOG_WARN, "%s is %d", "answer", 42);
    assert_string_equal(skip_time(capture_end(capture, &writes)), " warn  answer is 42\n");
    assert_int_equal(writes, 1);
}

static void json_gives_each_byte_back(void **state)
{
    (void)state;
    char bytes[0x80], back[0x80];
    for (int i = 0; i < 0x7F; i++) {
        bytes[i] = (char)(i + 1);
    }
    struct fh_slice all = fh_slice_make(bytes, 0x7F);
    fh_log_set(FH_LOG_INFO, FH_LOG_JSON);
    assert_string_equal(read_head(log_one(FH_LOG_INFO, all, NULL, 0), "info", back), "}\n");
    assert_memory_equal(back, bytes, 0x7F);

    bytes[0x7F] = '\0';
    const struct fh_log_field field = {bytes, all};
    const char *rest = read_head(log_one(FH_LOG_INFO, all, &field, 1), "info", back);
    rest = read_string(past(rest, ","), back);
    assert_string_equal(back, bytes);
    assert_string_equal(read_string(past(rest, ":"), back), "}\n");
    assert_string_equal(back, bytes);
}

/* A message out of a flow cannot look like a line of ours. */
static void text_has_no_foreign_lines(void **state)
{
    (void)state;
    fh_log_set(FH_LOG_INFO, FH_LOG_TEXT);
    const char *line = log_one(FH_LOG_INFO, FH_SLICE_LIT("a\nb\r\033[2J\0\"\\"), NULL, 0);
    assert_string_equal(skip_time(line), " info  a\\nb\\u000d\\u001b[2J\\u0000\"\\\n");
    const struct fh_log_field field = {"f", FH_SLICE_LIT("x\" y=\"z\\\n")};
    line = log_one(FH_LOG_INFO, FH_SLICE_LIT("m"), &field, 1);
    assert_string_equal(skip_time(line), " info  m f=\"x\\\" y=\\\"z\\\\\\n\"\n");
}

#define BAD "\xEF\xBF\xBD"

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *written;
    } cases[] = {
        {"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xF4\x8F\xBF\xBF", NULL},
        {"\x80", BAD},
        {"\xC0\xAF", BAD BAD},
        {"\xC3", BAD},
        {"\xC3(", BAD "("},
        {"\xE0\x9F\xBF", BAD BAD BAD},
        {"\xED\xA0\x80", BAD BAD BAD},
        {"\xF0\x8F\xBF\xBF", BAD BAD BAD BAD},
        {"\xF4\x90\x80\x80", BAD BAD BAD BAD},
        {"\xF8\x88\x80\x80\x80", BAD BAD BAD BAD BAD},
        {"\xFF\xFE", BAD BAD},
        {"\xE2\x82", BAD BAD},
    };
    fh_log_set(FH_LOG_INFO, FH_LOG_JSON);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char message[64];
        read_head(log_one(FH_LOG_INFO, fh_slice_from(cases[i].given), NULL, 0), "info", message);
        assert_string_equal(message, cases[i].written ? cases[i].written : cases[i].given);
    }
}

/* A message of 1 MiB leaves its fields; the line ends, whatever character stood at the cut. */
static void cuts_long_lines(void **state)
{
    (void)state;
    static const char *const fillings[] = {
        "x", "\n", "\x01", "\"", "\xC3\xA9", "\xF0\x9F\x98\x80", "\xFF"};
    static char message[LOG_TEXT_BYTES];
    size_t len = 1 << 20;
    char *text = malloc(len);
    fh_log_set(FH_LOG_INFO, FH_LOG_JSON);
    for (size_t i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++) {
        size_t step = strlen(fillings[i]);
        for (size_t at = 0; at + step <= len; at += step) {
            memcpy(text + at, fillings[i], step);
        }
        const struct fh_log_field fields[] = {{"run", FH_SLICE_LIT("01A")},
                                              {"long", fh_slice_make(text, len)},
                                              {"lost", FH_SLICE_LIT("x")}};
        const char *line = log_one(FH_LOG_INFO, fh_slice_make(text, len), fields, 3);
        assert_true(strlen(line) <= 65536);
        const char *rest = read_head(line, "info", message);
        rest = past(rest, ",\"run\":\"01A\",\"long\":");
        assert_string_equal(read_string(rest, message), "}\n");
    }
    free(text);
}

/* Wherever the name of the next field begins: it is there as a whole, or not at all. */
static void cuts_at_any_byte(void **state)
{
    (void)state;
    static char text[5000], got[LOG_TEXT_BYTES];
    memset(text, 'x', sizeof(text));
    char *long_text = malloc(1 << 17);
    memset(long_text, 'y', 1 << 17);
    fh_log_set(FH_LOG_INFO, FH_LOG_JSON);
    for (size_t len = 3800; len < 4200; len++) {
        const struct fh_log_field fields[] = {{"first", fh_slice_make(text, len)},
                                              {"a name of some length", FH_SLICE_LIT("a value")},
                                              {"third", FH_SLICE_LIT("z")}};
        const char *rest = read_head(
            log_one(FH_LOG_INFO, fh_slice_make(long_text, 1 << 17), fields, 3), "info", got);
        while (*rest == ',') {
            rest = read_string(rest + 1, got);
            rest = read_string(past(rest, ":"), got);
        }
        assert_string_equal(rest, "}\n");
    }
    free(long_text);
}

static void leaves_out_what_is_below_the_level(void **state)
{
    (void)state;
    int writes;
    for (int level = FH_LOG_DEBUG; level <= FH_LOG_OFF; level++) {
        fh_log_set((enum fh_log_level)level, FH_LOG_TEXT);
        struct capture capture = capture_begin();
        for (int one = FH_LOG_DEBUG; one <= FH_LOG_OFF; one++) {
            fh_log((enum fh_log_level)one, "x");
            fh_log_fields((enum fh_log_level)one, FH_SLICE_LIT("x"), NULL, 0);
            assert_int_equal(fh_log_is_on((enum fh_log_level)one),
                             one >= level && one < FH_LOG_OFF);
        }
        capture_end(capture, &writes);
        assert_int_equal(writes, 2 * (FH_LOG_OFF - level));
    }
}

static void reads_level_names(void **state)
{
    (void)state;
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("debug")), FH_LOG_DEBUG);
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("info")), FH_LOG_INFO);
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("warn")), FH_LOG_WARN);
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("error")), FH_LOG_ERROR);
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("off")), FH_LOG_OFF);
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("INFO")), -1);
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("inf")), -1);
    assert_int_equal(fh_log_level_from(FH_SLICE_LIT("")), -1);
}

enum { THREADS = 4, LINES = 60 };

static void *log_lines(void *arg)
{
    const struct fh_log_field field = {"thread", fh_slice_from(arg)};
    for (int i = 0; i < LINES; i++) {
        fh_log_fields(FH_LOG_INFO, FH_SLICE_LIT("a line of some length to be torn apart"), &field,
                      1);
    }
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static char names[THREADS][2] = {"0", "1", "2", "3"};
    pthread_t threads[THREADS];
    int writes, counts[THREADS] = {0};
    fh_log_set(FH_LOG_INFO, FH_LOG_TEXT);
    struct capture capture = capture_begin();
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    const char *text = capture_end(capture, &writes);
    assert_int_equal(writes, THREADS * LINES);
    for (int i = 0; i < THREADS * LINES; i++) {
        text = past(skip_time(text), " info  a line of some length to be torn apart thread=\"");
        assert_true(*text >= '0' && *text < '0' + THREADS);
        counts[*text - '0']++;
        text = past(text + 1, "\"\n");
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(counts[i], LINES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_text),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(formats),
        cmocka_unit_test(json_gives_each_byte_back),
        cmocka_unit_test(text_has_no_foreign_lines),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(cuts_long_lines),
        cmocka_unit_test(cuts_at_any_byte),
        cmocka_unit_test(leaves_out_what_is_below_the_level),
        cmocka_unit_test(reads_level_names),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
