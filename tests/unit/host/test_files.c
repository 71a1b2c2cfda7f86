/* SPDX-License-Identifier: MIT */
#include "host_fixture.h"

#include "host/files.h"

static void read_all(struct fh_files *files, const char *dir)
{
    struct fh_error err = {0, ""};
    if (fh_files_read(files, dir, &err) != 0) {
        fail_msg("%s", err.detail);
    }
}

static bool holds(const struct fh_files *files, const char *path, const char *text)
{
    struct fh_slice content = fh_files_get(files, path);
    return content.data && fh_slice_equal(content, fh_slice_from(text));
}

/* One file or folder is left out, with a sentence; the good one beside it is read. */
static void assert_problem(const char *dir, const char *path, const char *what)
{
    struct fh_files files;
    read_all(&files, dir);
    assert_int_equal(files.problem_count, 1);
    assert_string_equal(files.problems[0].name, path);
    if (!strstr(files.problems[0].value.data, what)) {
        fail_msg("'%s' does not name '%s'", files.problems[0].value.data, what);
    }
    assert_int_equal(files.count, 1);
    assert_true(holds(&files, "good.lua", "good"));
    fh_files_deinit(&files);
    assert_int_equal(files.problem_count, 0);
}

/* Refused with a code and a sentence that names `what`; nothing is left behind. */
static void assert_refused(const char *dir, int code, const char *what)
{
    struct fh_error err = {0, ""};
    struct fh_files files;
    assert_int_equal(fh_files_read(&files, dir, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.detail, what)) {
        fail_msg("'%s' does not name '%s'", err.detail, what);
    }
    assert_int_equal(files.count, 0);
    assert_null(files.pairs);
    assert_int_equal(fh_files_read(&files, dir, NULL), code);
}

static void reads_lua_and_json_by_path(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    folder_write(folder, "a.lua", "return 1");
    folder_write(folder, "b.json", "{}");
    folder_write(folder, "sub/deep/c.lua", "return 3");
    folder_write(folder, "sub/a.lua", "return 4");
    folder_write(folder, "empty.lua", "");
    folder_write(folder, "readme.md", "x");
    folder_write(folder, "lua", "x");
    folder_write(folder, "sub/a.lua~", "x");
    folder_write(folder, "a.LUA", "x");
    folder_write(folder, "a.luac", "x");
    read_all(&files, folder->root);
    assert_int_equal(files.count, 5);
    assert_true(holds(&files, "a.lua", "return 1"));
    assert_true(holds(&files, "b.json", "{}"));
    assert_true(holds(&files, "sub/deep/c.lua", "return 3"));
    assert_true(holds(&files, "sub/a.lua", "return 4"));
    assert_true(holds(&files, "empty.lua", ""));
    assert_null(fh_files_get(&files, "readme.md").data);
    assert_null(fh_files_get(&files, "c.lua").data);
    assert_null(fh_files_get(&files, "").data);
    fh_files_deinit(&files);
    fh_files_deinit(&files);
}

static void an_empty_folder_has_no_files(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    read_all(&files, folder->root);
    assert_int_equal(files.count, 0);
    fh_files_deinit(&files);
}

static void passes_dot_names_by(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    folder_write(folder, ".hidden.lua", "x");
    folder_write(folder, ".git/a.lua", "x");
    folder_write(folder, ".lua", "x");
    folder_write(folder, "a.lua", "y");
    read_all(&files, folder->root);
    assert_int_equal(files.count, 1);
    assert_true(holds(&files, "a.lua", "y"));
    fh_files_deinit(&files);
}

static void keeps_any_bytes(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    size_t len = 200001; /* several blocks and a rest */
    char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(i * 13 + i / 65536);
    }
    folder_write_bytes(folder, "a.json", bytes, len);
    read_all(&files, folder->root);
    assert_true(fh_slice_equal(fh_files_get(&files, "a.json"), fh_slice_make(bytes, len)));
    fh_files_deinit(&files);
    free(bytes);
}

static void make_deep(const struct folder *folder, int depth)
{
    char name[256] = "";
    for (int i = 0; i < depth; i++) {
        strcat(name, "d/");
    }
    strcat(name, "a.lua");
    folder_write(folder, name, "deep");
}

static void goes_sixteen_folders_deep(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    make_deep(folder, FH_FILES_MAX_DEPTH);
    read_all(&files, folder->root);
    assert_int_equal(files.count, 1);
    assert_true(holds(&files, "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/a.lua", "deep"));
    fh_files_deinit(&files);
    make_deep(folder, FH_FILES_MAX_DEPTH + 1);
    read_all(&files, folder->root);
    assert_int_equal(files.count, 1);
    assert_int_equal(files.problem_count, 1);
    assert_string_equal(files.problems[0].name, "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d");
    assert_non_null(strstr(files.problems[0].value.data, "deeper than 16 folders"));
    fh_files_deinit(&files);
}

static void follows_links(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    folder_write(folder, "flows/a.lua", "a");
    folder_write(folder, "shared/b.lua", "b");
    assert_int_equal(symlink("../shared", folder_path(folder, "flows/more")), 0);
    assert_int_equal(symlink("a.lua", folder_path(folder, "flows/c.lua")), 0);
    read_all(&files, folder_path(folder, "flows"));
    assert_int_equal(files.count, 3);
    assert_true(holds(&files, "more/b.lua", "b"));
    assert_true(holds(&files, "c.lua", "a"));
    fh_files_deinit(&files);
}

/* A folder that contains itself is read once. */
static void ends_in_a_loop_of_links(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "good.lua", "good");
    assert_int_equal(symlink(".", folder_path(folder, "self")), 0);
    assert_problem(folder->root, "self", "a folder that it lies in");
    unlink(folder_path(folder, "self"));
    assert_int_equal(mkdir(folder_path(folder, "sub"), 0755), 0);
    assert_int_equal(symlink("..", folder_path(folder, "sub/up")), 0);
    assert_problem(folder->root, "sub/up", "a folder that it lies in");
}

static void leaves_out_a_link_to_itself(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "good.lua", "good");
    assert_int_equal(symlink("a.lua", folder_path(folder, "a.lua")), 0);
    assert_problem(folder->root, "a.lua", strerror(ELOOP));
}

static void leaves_out_a_link_to_nothing(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "good.lua", "good");
    assert_int_equal(symlink("gone.lua", folder_path(folder, "a.lua")), 0);
    assert_problem(folder->root, "a.lua", strerror(ENOENT));
}

static void refuses_a_missing_folder(void **state)
{
    struct folder *folder = *state;
    assert_refused(folder_path(folder, "none"), FH_E_NOT_FOUND, "/none");
    folder_write(folder, "file", "x");
    assert_refused(folder_path(folder, "file"), FH_E_NOT_FOUND, "/file");
}

/* A device of that name is no file. */
static void passes_other_kinds_by(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    assert_int_equal(mkfifo(folder_path(folder, "pipe.lua"), 0600), 0);
    assert_int_equal(symlink("/dev/zero", folder_path(folder, "zero.lua")), 0);
    read_all(&files, folder->root);
    assert_int_equal(files.count, 0);
    fh_files_deinit(&files);
}

static void leaves_out_too_large_a_file(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    folder_write(folder, "a.json", "");
    assert_int_equal(truncate(folder_path(folder, "a.json"), FH_FILES_MAX_BYTES), 0);
    read_all(&files, folder->root);
    assert_int_equal(fh_files_get(&files, "a.json").len, FH_FILES_MAX_BYTES);
    fh_files_deinit(&files);
    assert_int_equal(truncate(folder_path(folder, "a.json"), FH_FILES_MAX_BYTES + 1), 0);
    folder_write(folder, "good.lua", "good");
    assert_problem(folder->root, "a.json", "larger than 16 MiB");
}

static void refuses_too_many_files(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    char name[32];
    for (int i = 0; i < FH_FILES_MAX_COUNT; i++) {
        snprintf(name, sizeof(name), "%d.lua", i);
        folder_write(folder, name, "");
    }
    read_all(&files, folder->root);
    assert_int_equal(files.count, FH_FILES_MAX_COUNT);
    fh_files_deinit(&files);
    folder_write(folder, "one more.lua", "");
    assert_refused(folder->root, FH_E_TOO_LARGE, "20000 files");
}

/* As an ordinary user, since root may read everything. */
static void become_user(bool is_user)
{
    static const uid_t nobody = 65534;
    if (getuid() == 0) {
        assert_int_equal(seteuid(is_user ? nobody : 0), 0);
    }
}

static void leaves_out_what_it_may_not_read(void **state)
{
    struct folder *folder = *state;
    folder_write(folder, "good.lua", "good");
    folder_write(folder, "sub/a.lua", "a");
    chmod(folder->root, 0755);
    chmod(folder_path(folder, "sub/a.lua"), 0);
    become_user(true);
    assert_problem(folder->root, "sub/a.lua", strerror(EACCES));
    become_user(false);
    chmod(folder_path(folder, "sub/a.lua"), 0644);
    chmod(folder_path(folder, "sub"), 0);
    become_user(true);
    assert_problem(folder->root, "sub", strerror(EACCES));
    become_user(false);
    chmod(folder_path(folder, "sub"), 0);
    chmod(folder->root, 0);
    become_user(true);
    assert_refused(folder->root, FH_E_PERMISSION, folder->root);
    become_user(false);
    chmod(folder->root, 0755);
    chmod(folder_path(folder, "sub"), 0755);
}

/* --- again ------------------------------------------------------------------------------------ */

/* As if all of it had been written long ago. */
static void grow_old(struct fh_seen *seen)
{
    for (size_t i = 0; i < seen->count; i++) {
        seen->files[i].is_certain = true;
    }
}

static void read_again(struct fh_files *files, const char *dir, const struct fh_seen *before)
{
    struct fh_error err = {0, ""};
    struct fh_files_how how = {.before = before};
    if (fh_files_read_how(files, dir, &how, &err) != 0) {
        fail_msg("%s", err.detail);
    }
}

static void reads_only_what_has_changed(void **state)
{
    struct folder *folder = *state;
    struct fh_files first, second;
    folder_write(folder, "a.lua", "a");
    folder_write(folder, "sub/b.lua", "b");
    folder_write(folder, "sub/c.lua", "c");
    read_all(&first, folder->root);
    grow_old(&first.seen);
    read_again(&second, folder->root, &first.seen);
    assert_int_equal(second.count, 0);
    assert_int_equal(second.seen.count, 3);
    fh_files_deinit(&second);
    folder_write(folder, "sub/b.lua", "longer");
    folder_write(folder, "new.lua", "new");
    unlink(folder_path(folder, "sub/c.lua"));
    read_again(&second, folder->root, &first.seen);
    assert_int_equal(second.count, 2);
    assert_true(holds(&second, "sub/b.lua", "longer"));
    assert_true(holds(&second, "new.lua", "new"));
    assert_int_equal(second.seen.count, 3);
    assert_null(fh_seen_find(&second.seen, "sub/c.lua"));
    fh_files_deinit(&first);
    fh_files_deinit(&second);
}

/* Two contents of one length, written within the same tick of the file system. */
static void reads_a_fresh_file_again(void **state)
{
    struct folder *folder = *state;
    struct fh_files first, second;
    folder_write(folder, "a.lua", "a");
    read_all(&first, folder->root);
    folder_write(folder, "a.lua", "b");
    read_again(&second, folder->root, &first.seen);
    assert_true(holds(&second, "a.lua", "b"));
    fh_files_deinit(&first);
    fh_files_deinit(&second);
}

static void tries_again_what_it_could_not_read(void **state)
{
    struct folder *folder = *state;
    struct fh_files first, second;
    folder_write(folder, "a.lua", "");
    assert_int_equal(truncate(folder_path(folder, "a.lua"), FH_FILES_MAX_BYTES + 1), 0);
    read_all(&first, folder->root);
    assert_int_equal(first.problem_count, 1);
    assert_int_equal(first.seen.count, 1);
    grow_old(&first.seen);
    read_again(&second, folder->root, &first.seen);
    assert_int_equal(second.problem_count, 1);
    fh_files_deinit(&first);
    fh_files_deinit(&second);
}

static void note_folder(void *arg, const char *path)
{
    strcat(arg, path + strlen(path) - 4);
}

static void tells_of_each_folder_before_it_looks_into_it(void **state)
{
    struct folder *folder = *state;
    struct fh_files files;
    char folders[64] = "";
    struct fh_files_how how = {.on_folder = note_folder, .arg = folders};
    folder_write(folder, "root/one_/two_/a.lua", "a");
    folder_write(folder, "root/.git/a.lua", "a");
    assert_int_equal(fh_files_read_how(&files, folder_path(folder, "root"), &how, NULL), 0);
    assert_string_equal(folders, "rootone_two_");
    fh_files_deinit(&files);
}

/* --- one file --------------------------------------------------------------------------------- */

static void reads_one_file_alone(void **state)
{
    struct folder *folder = *state;
    struct fh_error err = {0, ""};
    struct fh_files files;
    assert_int_equal(fh_files_read_one(&files, folder->root, "a.lua", &err), 0);
    assert_int_equal(files.count, 0);
    folder_write(folder, "a.lua", "a");
    folder_write(folder, "b.lua", "b");
    assert_int_equal(symlink("gone.lua", folder_path(folder, "gone.lua")), 0);
    assert_int_equal(fh_files_read_one(&files, folder->root, "a.lua", &err), 0);
    assert_int_equal(files.count, 1);
    assert_true(holds(&files, "a.lua", "a"));
    fh_files_deinit(&files);
    assert_int_equal(fh_files_read_one(&files, folder->root, "gone.lua", &err), FH_E_IO);
    assert_non_null(strstr(err.detail, "/gone.lua"));
    assert_int_equal(fh_files_read_one(&files, folder_path(folder, "none"), "a.lua", &err),
                     FH_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(reads_lua_and_json_by_path),
        WITH_FOLDER(an_empty_folder_has_no_files),
        WITH_FOLDER(passes_dot_names_by),
        WITH_FOLDER(keeps_any_bytes),
        WITH_FOLDER(goes_sixteen_folders_deep),
        WITH_FOLDER(follows_links),
        WITH_FOLDER(ends_in_a_loop_of_links),
        WITH_FOLDER(leaves_out_a_link_to_itself),
        WITH_FOLDER(leaves_out_a_link_to_nothing),
        WITH_FOLDER(refuses_a_missing_folder),
        WITH_FOLDER(passes_other_kinds_by),
        WITH_FOLDER(leaves_out_too_large_a_file),
        WITH_FOLDER(refuses_too_many_files),
        WITH_FOLDER(leaves_out_what_it_may_not_read),
        WITH_FOLDER(reads_one_file_alone),
        WITH_FOLDER(reads_only_what_has_changed),
        WITH_FOLDER(reads_a_fresh_file_again),
        WITH_FOLDER(tries_again_what_it_could_not_read),
        WITH_FOLDER(tells_of_each_folder_before_it_looks_into_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
