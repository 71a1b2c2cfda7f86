/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char folder[64];
    char path[96];
    char part[128];
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    snprintf(place->folder, sizeof(place->folder), "/tmp/fh_file_XXXXXX");
    if (!place || !mkdtemp(place->folder)) {
        return -1;
    }
    snprintf(place->path, sizeof(place->path), "%s/file", place->folder);
    snprintf(place->part, sizeof(place->part), "%s.part", place->path);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    unlink(place->part);
    unlink(place->path);
    int rc = rmdir(place->folder);
    free(place);
    return rc;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void assert_content(const char *path, const char *text)
{
    struct fh_buf buf;
    fh_buf_init(&buf, 1 << 20);
    assert_int_equal(fh_file_read(&buf, path, NULL), 0);
    assert_true(fh_slice_equal(fh_buf_slice(&buf), fh_slice_from(text)));
    fh_buf_deinit(&buf);
}

static void makes_whole_files(void **state)
{
    struct place *place = *state;
    struct stat status;
    assert_int_equal(fh_file_create(place->path, 0600, FH_SLICE_LIT("whole"), NULL), 0);
    assert_content(place->path, "whole");
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_false(is_there(place->part));
}

static void never_replaces(void **state)
{
    struct place *place = *state;
    struct fh_error err = {0};
    assert_int_equal(fh_file_create(place->path, 0600, FH_SLICE_LIT("first"), NULL), 0);
    assert_int_equal(fh_file_create(place->path, 0600, FH_SLICE_LIT("second"), &err),
                     FH_E_CONFLICT);
    assert_non_null(strstr(err.detail, "exists; name another file"));
    assert_content(place->path, "first");
    assert_false(is_there(place->part));
}

/* It came while ours grew. */
static void never_replaces_what_came_meanwhile(void **state)
{
    struct place *place = *state;
    struct fh_new_file file;
    assert_int_equal(fh_new_file_open(&file, place->path, 0600, NULL), 0);
    assert_int_equal(fh_new_file_write(&file, FH_SLICE_LIT("ours"), NULL), 0);
    int fd = open(place->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "theirs", 6), 6);
    close(fd);
    assert_int_equal(fh_new_file_commit(&file, NULL), FH_E_CONFLICT);
    assert_content(place->path, "theirs");
    assert_false(is_there(place->part));
}

static void an_aborted_one_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct fh_new_file file;
    assert_int_equal(fh_new_file_open(&file, place->path, 0600, NULL), 0);
    assert_int_equal(fh_new_file_write(&file, FH_SLICE_LIT("half"), NULL), 0);
    assert_true(is_there(place->part));
    assert_false(is_there(place->path));
    fh_new_file_abort(&file);
    assert_false(is_there(place->part));
    fh_new_file_abort(&file);
}

static void one_writer_at_a_time(void **state)
{
    struct place *place = *state;
    struct fh_new_file file;
    struct fh_new_file other;
    struct fh_error err = {0};
    assert_int_equal(fh_new_file_open(&file, place->path, 0600, NULL), 0);
    assert_int_equal(fh_new_file_write(&file, FH_SLICE_LIT("first"), NULL), 0);
    assert_int_equal(fh_new_file_open(&other, place->path, 0600, &err), FH_E_LOCKED);
    assert_non_null(strstr(err.detail, "being written by another process"));
    assert_int_equal(fh_new_file_commit(&file, NULL), 0);
    assert_content(place->path, "first");
}

static void writes_anew_what_a_killed_one_left(void **state)
{
    struct place *place = *state;
    pid_t pid = fork();
    if (pid == 0) {
        struct fh_new_file file;
        int rc = fh_new_file_open(&file, place->path, 0600, NULL);
        rc = rc == 0 ? fh_new_file_write(&file, FH_SLICE_LIT("a long half of a file"), NULL) : rc;
        _exit(rc == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(is_there(place->part));
    assert_int_equal(fh_file_create(place->path, 0600, FH_SLICE_LIT("whole"), NULL), 0);
    assert_content(place->path, "whole");
    assert_false(is_there(place->part));
}

static void follows_no_link(void **state)
{
    struct place *place = *state;
    assert_int_equal(symlink("/etc/passwd", place->part), 0);
    assert_int_not_equal(fh_file_create(place->path, 0600, FH_SLICE_LIT("x"), NULL), 0);
    assert_int_equal(unlink(place->part), 0);
    assert_int_equal(symlink("nowhere", place->path), 0);
    assert_int_equal(fh_file_create(place->path, 0600, FH_SLICE_LIT("x"), NULL), FH_E_CONFLICT);
}

static void says_what_to_do(void **state)
{
    (void)state;
    struct fh_error err = {0};
    assert_int_equal(fh_file_create("/nowhere/at/all", 0600, FH_SLICE_LIT("x"), &err),
                     FH_E_NOT_FOUND);
    assert_non_null(strstr(err.detail, "/nowhere/at/all"));
    assert_non_null(strstr(err.detail, "make it first"));
    assert_int_equal(fh_file_create("/dev/full/x", 0600, FH_SLICE_LIT("x"), &err), FH_E_NOT_FOUND);
    struct fh_new_file full = {.fd = open("/dev/full", O_WRONLY | O_CLOEXEC), .path = "f"};
    assert_int_equal(fh_new_file_write(&full, FH_SLICE_LIT("x"), &err), FH_E_DISK_FULL);
    assert_non_null(strstr(err.detail, "no space left for file f"));
    close(full.fd);
}

static void reads_up_to_the_cap(void **state)
{
    struct place *place = *state;
    struct fh_error err = {0};
    struct fh_buf buf;
    char *text = malloc(200000);
    memset(text, 'x', 200000);
    assert_int_equal(fh_file_create(place->path, 0600, fh_slice_make(text, 200000), NULL), 0);
    free(text);
    fh_buf_init(&buf, 1 << 20);
    assert_int_equal(fh_file_read(&buf, place->path, NULL), 0);
    assert_int_equal(buf.len, 200000);
    fh_buf_deinit(&buf);
    fh_buf_init(&buf, 100000);
    assert_int_equal(fh_file_read(&buf, place->path, &err), FH_E_TOO_LARGE);
    assert_non_null(strstr(err.detail, "larger than 100000 bytes"));
    fh_buf_deinit(&buf);
    assert_int_equal(fh_file_read(&buf, "/nowhere", &err), FH_E_NOT_FOUND);
    assert_non_null(strstr(err.detail, "/nowhere"));
    assert_int_equal(fh_file_read(&buf, "/tmp", &err), FH_E_IO);
    fh_buf_deinit(&buf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_whole_files),
        TEST(never_replaces),
        TEST(never_replaces_what_came_meanwhile),
        TEST(an_aborted_one_leaves_nothing),
        TEST(one_writer_at_a_time),
        TEST(writes_anew_what_a_killed_one_left),
        TEST(follows_no_link),
        TEST(says_what_to_do),
        TEST(reads_up_to_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
