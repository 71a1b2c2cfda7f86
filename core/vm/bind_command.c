/* SPDX-License-Identifier: MIT */
/* core.command: what a command of the command line can do beside core.client. Its vm serves nothing, so these may block.
 *
 *   is_local                             requests go to a host of this process, not over HTTP
 *   ask(method, path, body, token)       one to it; event "call"(token, nil, status, {}, body)
 *   finish(exit_code)                    the command is over
 *   read(path) -> text | nil, code, detail
 *   create(path, text, is_private) -> true | nil, code, detail    whole or not at all; never replaces (base/file.h)
 *   read_secret(prompt) -> text | nil, code, detail        the first line of stdin; a terminal does not show it, and a
 *                                                          signal ends the question (CANCELLED)
 *   replace(path, text, is_private) -> true | nil, code, detail    whole or not at all; the file may be there
 *   remove(path) -> true | nil, code, detail             is_private(path) -> boolean: nobody else can read it
 *   list(folder) -> { name, ... } | nil, code, detail      folders end in "/"; hidden ones are left out
 *   exists(path) -> boolean              make_folder(path) -> true | nil, code, detail    also when it is there
 *   backup(folder, path) -> damaged, detail | nil, code, detail            (store/store.h)
 *   restore(path, folder, may_be_damaged) -> damaged, detail | nil, code, detail */
#include "base/file.h"
#include "loop/loop.h"
#include "store/store.h"
#include "vm/bind.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum {
    MAX_FILE_BYTES = 1 << 30,
    NEW_FOLDER_MODE = 0777,
    NEW_FILE_MODE = 0666,
    PRIVATE_MODE = 0600
};

/* --- requests to a host of this process ------------------------------------------------------- */

/* Delivered by the loop, never from within ask. Outlives the vm when the host answers later. */
struct question {
    struct fh_mail mail;
    struct fh_list link;
    struct fh_vm *vm; /* NULL: it has been closed */
    double token;
    int status; /* 0: no memory for the body */
    char *body;
    size_t len;
};

static int push_answer(lua_State *L, void *arg)
{
    const struct question *question = arg;
    lua_pushnumber(L, question->token);
    if (question->status == 0) {
        lua_pushstring(L, fh_error_name(FH_E_NO_MEMORY));
        lua_pushliteral(L, "no memory for the answer");
        return 3;
    }
    lua_pushnil(L);
    lua_pushinteger(L, question->status);
    lua_newtable(L);
    lua_pushlstring(L, question->body, question->len);
    return 5;
}

static void deliver(struct fh_mail *mail)
{
    struct question *question = FH_LIST_ENTRY(mail, struct question, mail);
    fh_list_pop(&question->link);
    if (question->vm) {
        fh_vm_emit(question->vm, FH_EVENT_CALL, push_answer, question);
    }
    free(question->body);
    free(question);
}

static void on_answer(void *arg, int status, struct fh_slice body)
{
    struct question *question = arg;
    if (!question->vm) {
        free(question);
        return;
    }
    question->body = malloc(body.len + 1);
    if (question->body) {
        question->status = status;
        question->len = body.len;
        memcpy(question->body, body.len > 0 ? body.data : "", body.len);
    }
    fh_loop_post(question->vm->context.loop, &question->mail);
}

static int ask(lua_State *L)
{
    struct fh_vm *vm = fh_vm_of(L);
    struct fh_slice method = fh_bind_slice(L, 1);
    struct fh_slice path = fh_bind_slice(L, 2);
    struct fh_slice body = fh_bind_slice(L, 3);
    double token = luaL_checknumber(L, 4);
    luaL_argcheck(L, vm->context.host, 1, "there is no host in this process");
    struct question *question = calloc(1, sizeof(*question));
    if (!question) {
        return luaL_error(L, "no memory for a request");
    }
    *question = (struct question){.mail.deliver = deliver, .vm = vm, .token = token};
    fh_list_init(&question->link);
    fh_list_push(&vm->questions, &question->link);
    fh_vm_request(vm->context.host, method, path, body, on_answer, question);
    return 0;
}

void fh_bind_command_forget_all(struct fh_vm *vm)
{
    while (!fh_list_is_empty(&vm->questions)) {
        struct question *question = FH_LIST_ENTRY(vm->questions.next, struct question, link);
        question->vm = NULL;
        fh_list_pop(&question->link);
    }
}

/* --- files ------------------------------------------------------------------------------------ */

static int fail(lua_State *L, const struct fh_error *err)
{
    return fh_bind_fail(L, err->code, err->detail);
}

static int done(lua_State *L, int rc, const struct fh_error *err)
{
    if (rc != 0) {
        return fail(L, err);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int push_file(lua_State *L)
{
    const struct fh_buf *text = lua_touserdata(L, 1);
    lua_pushlstring(L, text->data ? text->data : "", text->len);
    return 1;
}

/* The text is pushed protected, so that it is freed when Lua has no room for it. */
static int read_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct fh_error err;
    struct fh_buf text;
    fh_buf_init(&text, MAX_FILE_BYTES);
    int rc = fh_file_read(&text, path, &err);
    if (rc == 0) {
        lua_pushcfunction(L, push_file);
        lua_pushlightuserdata(L, &text);
        rc = lua_pcall(L, 1, 1, 0) == 0 ? 0 : FH_E_NO_MEMORY;
        fh_error_set(&err, rc, "no memory for file %s", path);
    }
    fh_buf_deinit(&text);
    return rc == 0 ? 1 : fail(L, &err);
}

static int create(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct fh_slice text = fh_bind_slice(L, 2);
    mode_t mode = lua_toboolean(L, 3) ? PRIVATE_MODE : NEW_FILE_MODE;
    struct fh_error err;
    return done(L, fh_file_create(path, mode, text, &err), &err);
}

enum { MAX_SECRET_BYTES = 1024 };

/* False when a signal is there first. `signals` -1: none is waited for. */
static bool has_input(int signals)
{
    struct pollfd both[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = signals, .events = POLLIN}};
    while (poll(both, 2, -1) < 0 && errno == EINTR) {
    }
    return both[1].revents == 0;
}

/* The length, FH_E_TOO_LARGE or FH_E_CANCELLED. */
static ssize_t read_line(char *line, size_t size, int signals)
{
    size_t len = 0;
    for (; len < size; len++) {
        if (!has_input(signals)) {
            return FH_E_CANCELLED;
        }
        if (read(STDIN_FILENO, line + len, 1) != 1 || line[len] == '\n') {
            return (ssize_t)len;
        }
    }
    return FH_E_TOO_LARGE;
}

/* The prompt is shown to terminals only. A signal has its effect when the terminal is as it was before. */
static ssize_t ask_line(const char *prompt, char *line, size_t size)
{
    struct termios before;
    sigset_t ending;
    sigset_t mask;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        return read_line(line, size, -1);
    }
    sigemptyset(&ending);
    sigaddset(&ending, SIGHUP);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGQUIT);
    sigaddset(&ending, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ending, &mask);
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    ssize_t len = read_line(line, size, signals);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    if (signals >= 0) {
        close(signals);
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return len;
}

static int read_secret(lua_State *L)
{
    char line[MAX_SECRET_BYTES + 1];
    ssize_t len = ask_line(luaL_checkstring(L, 1), line, sizeof(line));
    if (len > 0) {
        lua_pushlstring(L, line, (size_t)len);
    }
    explicit_bzero(line, sizeof(line));
    if (len > 0) {
        return 1;
    }
    return len == 0 ? fh_bind_fail(L, FH_E_NOT_FOUND, "write it to stdin, as one line")
                    : fh_bind_fail(L, (int)len,
                                   len == FH_E_CANCELLED ? "ended by a signal"
                                                         : "it has more than 1024 bytes");
}

static int replace(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct fh_slice text = fh_bind_slice(L, 2);
    mode_t mode = lua_toboolean(L, 3) ? PRIVATE_MODE : NEW_FILE_MODE;
    struct fh_error err;
    return done(L, fh_file_replace(path, mode, text, &err), &err);
}

static int remove_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct fh_error err;
    int rc = 0;
    if (unlink(path) != 0) {
        rc = fh_error_set(&err, fh_error_from_errno(errno), "file %s cannot be removed: %s", path,
                          strerror(errno));
    }
    return done(L, rc, &err);
}

static int is_private(lua_State *L)
{
    struct stat status;
    lua_pushboolean(L, stat(luaL_checkstring(L, 1), &status) == 0 && (status.st_mode & 077) == 0);
    return 1;
}

static bool is_folder(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    int len = snprintf(path, sizeof(path), "%s/%s", folder, name);
    return len < (int)sizeof(path) && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static const char folder_class[] = "flowhost.folder";

/* Pushing may throw: the open folder lies in a userdata that closes it then. */
static int list_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_newtable(L);
    DIR **folder = lua_newuserdata(L, sizeof(DIR *));
    *folder = NULL;
    luaL_getmetatable(L, folder_class);
    lua_setmetatable(L, -2);
    *folder = opendir(path);
    if (!*folder) {
        int number = errno;
        lua_pushfstring(L, "cannot read the folder %s: %s", path, strerror(number));
        return fh_bind_fail(L, fh_error_from_errno(number), lua_tostring(L, -1));
    }
    struct dirent *entry;
    int count = 0;
    while ((entry = readdir(*folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            lua_pushfstring(L, "%s%s", entry->d_name, is_folder(path, entry->d_name) ? "/" : "");
            lua_rawseti(L, 2, ++count);
        }
    }
    closedir(*folder);
    *folder = NULL;
    lua_pop(L, 1);
    return 1;
}

static int folder_gc(lua_State *L)
{
    DIR **folder = luaL_checkudata(L, 1, folder_class);
    if (*folder) {
        closedir(*folder);
        *folder = NULL;
    }
    return 0;
}

static int exists(lua_State *L)
{
    struct stat status;
    lua_pushboolean(L, lstat(luaL_checkstring(L, 1), &status) == 0);
    return 1;
}

static int make_folder(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct fh_error err;
    struct stat status;
    int rc = 0;
    if (mkdir(path, NEW_FOLDER_MODE) != 0) {
        int number = errno;
        bool is_there = number == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
        rc = is_there ? 0
                      : fh_error_set(&err, fh_error_from_errno(number),
                                     "folder %s cannot be made: %s", path, strerror(number));
    }
    return done(L, rc, &err);
}

/* --- the store -------------------------------------------------------------------------------- */

static int tell_check(lua_State *L, int rc, const struct fh_store_check *check,
                      const struct fh_error *err)
{
    if (rc != 0) {
        return fail(L, err);
    }
    lua_pushnumber(L, (double)check->damaged);
    lua_pushstring(L, check->first.detail);
    return 2;
}

static int backup(lua_State *L)
{
    struct fh_store *store = fh_vm_of(L)->context.store;
    const char *folder = luaL_checkstring(L, 1);
    const char *path = luaL_checkstring(L, 2);
    struct fh_store_check check;
    struct fh_error err;
    int rc = store ? fh_store_backup(store, path, &check, &err)
                   : fh_store_backup_folder(folder, path, &check, &err);
    return tell_check(L, rc, &check, &err);
}

static int restore(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const char *folder = luaL_checkstring(L, 2);
    struct fh_store_check check;
    struct fh_error err;
    int rc = fh_store_restore(path, folder, lua_toboolean(L, 3), &check, &err);
    return tell_check(L, rc, &check, &err);
}

/* --- end ------------------------------------------------------------------------------------- */

static int finish(lua_State *L)
{
    fh_vm_of(L)->exit_code = (int)luaL_checkinteger(L, 1);
    return 0;
}

void fh_bind_command_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"ask", ask},
                                         {"finish", finish},
                                         {"read", read_file},
                                         {"create", create},
                                         {"exists", exists},
                                         {"make_folder", make_folder},
                                         {"list", list_folder},
                                         {"backup", backup},
                                         {"restore", restore},
                                         {"replace", replace},
                                         {"remove", remove_file},
                                         {"is_private", is_private},
                                         {"read_secret", read_secret},
                                         {NULL, NULL}};
    static const luaL_Reg folder_methods[] = {{"__gc", folder_gc}, {NULL, NULL}};
    fh_bind_class(L, folder_class, folder_methods);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    lua_pushboolean(L, fh_vm_of(L)->context.host != NULL);
    lua_setfield(L, -2, "is_local");
}
