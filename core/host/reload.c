/* SPDX-License-Identifier: MIT */
#include "host/reload.h"

#include "base/list.h"
#include "base/log.h"
#include "host/secrets.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void add_watch(void *arg, const char *path)
{
    struct fh_reload *reload = arg;
    if (reload->watch) {
        fh_watch_add(reload->watch, path);
    }
}

static int read_folder(struct fh_reload *reload)
{
    struct fh_files_how how = {&reload->seen, add_watch, reload};
    return fh_files_read_how(&reload->files, reload->dir, &how, &reload->err);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void *work(void *arg)
{
    struct fh_reload *reload = arg;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    reload->rc = read_folder(reload);
    reload->has_read = true;
    eventfd_write(reload->fd, 1);
    return NULL;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void begin(struct fh_reload *reload)
{
    if (reload->is_reading) {
        reload->is_wanted = true;
        return;
    }
    reload->is_wanted = false;
    int number = pthread_create(&reload->reader, NULL, work, reload);
    if (number != 0) {
        fh_log(FH_LOG_ERROR, "the flows folder is not read again, no thread: %s", strerror(number));
        return;
    }
    reload->is_reading = true;
}

/* Paths that were there before and are not now. NULL: no memory. */
static const char **find_removed(const struct fh_seen *before, const struct fh_seen *now,
                                 size_t *count)
{
    const char **paths = calloc(before->count + 1, sizeof(*paths));
    *count = 0;
    for (size_t i = 0; paths && i < before->count; i++) {
        if (!fh_seen_find(now, before->files[i].path)) {
            paths[(*count)++] = before->files[i].path;
        }
    }
    return paths;
}

static int hand_over(struct fh_reload *reload)
{
    struct fh_files *files = &reload->files;
    struct fh_setup_change change = {
        .files = files->pairs,
        .file_count = files->count,
        .problems = files->problems,
        .problem_count = files->problem_count,
        .is_asked = reload->is_explicit,
    };
    change.removed = find_removed(&reload->seen, &files->seen, &change.removed_count);
    if (!change.removed) {
        return fh_error_set(&reload->err, FH_E_NO_MEMORY, "out of memory");
    }
    size_t changes = change.file_count + change.removed_count + change.problem_count;
    int rc = 0;
    if (changes > 0 || reload->had_problems || change.is_asked) {
        rc = fh_setup_reload(reload->vm, &change, &reload->err);
    }
    reload->had_problems = change.problem_count > 0;
    free(change.removed);
    return rc;
}

static void finish(struct fh_reload *reload)
{
    pthread_join(reload->reader, NULL);
    reload->is_reading = false;
    reload->has_read = false;
    int rc = reload->rc == 0 ? hand_over(reload) : reload->rc;
    if (rc != 0) {
        fh_log(FH_LOG_ERROR, "reload: %s (what was loaded before stays)", reload->err.detail);
    }
    if (reload->rc == 0) {
        fh_seen_deinit(&reload->seen);
        reload->seen = reload->files.seen;
        reload->files.seen = (struct fh_seen){.files = NULL};
    }
    fh_files_deinit(&reload->files);
    reload->is_explicit = false;
    if (reload->is_wanted) {
        begin(reload);
    }
}

static void on_bell(struct fh_io *io, int events)
{
    struct fh_reload *reload = FH_LIST_ENTRY(io, struct fh_reload, io);
    eventfd_t count;
    (void)events;
    eventfd_read(reload->fd, &count);
    if (reload->has_read) {
        finish(reload);
    }
    if (atomic_exchange(&reload->is_asked, false)) {
        if (reload->secrets) {
            fh_secrets_reload(reload->secrets);
        }
        begin(reload);
        reload->is_explicit = true;
    }
}

static void on_change(void *arg)
{
    begin(arg);
}

/* --- open, ask, close ------------------------------------------------------------------------- */

static void watch(struct fh_reload *reload)
{
    struct fh_error err;
    if (fh_watch_open(&reload->watch, reload->loop, reload->dir, on_change, reload, &err) != 0) {
        fh_log(FH_LOG_WARN,
               "changes of the flows folder are not noticed: %s; send SIGHUP after one",
               err.detail);
        reload->watch = NULL;
    }
}

int fh_reload_open(struct fh_reload *reload, struct fh_loop *loop, struct fh_vm *vm,
                   const char *dir, bool is_watched, struct fh_files *files, struct fh_error *err)
{
    reload->loop = loop;
    reload->vm = vm;
    reload->dir = strdup(dir);
    reload->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!reload->dir || reload->fd < 0) {
        free(reload->dir);
        if (reload->fd >= 0) {
            close(reload->fd);
        }
        return fh_error_set(err, FH_E_IO, "no descriptor or memory for reloads");
    }
    fh_io_init(&reload->io, reload->fd, on_bell);
    fh_io_start(loop, &reload->io, FH_IO_READ);
    reload->is_open = true;
    if (is_watched) {
        watch(reload);
    }
    int rc = read_folder(reload);
    if (rc != 0) {
        *err = reload->err;
        fh_reload_close(reload);
        return rc;
    }
    *files = reload->files;
    reload->had_problems = files->problem_count > 0;
    reload->seen = files->seen;
    files->seen = (struct fh_seen){.files = NULL};
    reload->files = (struct fh_files){.pairs = NULL};
    return 0;
}

void fh_reload_ask(struct fh_reload *reload)
{
    reload->is_asked = true;
    if (reload->is_open) {
        eventfd_write(reload->fd, 1);
    }
}

void fh_reload_close(struct fh_reload *reload)
{
    if (!atomic_exchange(&reload->is_open, false)) {
        return;
    }
    if (reload->is_reading) {
        pthread_join(reload->reader, NULL);
        reload->is_reading = false;
    }
    fh_watch_close(reload->watch);
    reload->watch = NULL;
    fh_io_stop(reload->loop, &reload->io);
    close(reload->fd);
    fh_files_deinit(&reload->files);
    fh_seen_deinit(&reload->seen);
    free(reload->dir);
}
