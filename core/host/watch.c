/* SPDX-License-Identifier: MIT */
#include "host/watch.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "host/files.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

static const uint32_t names_mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
static const uint32_t folder_mask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                    IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF |
                                    IN_ONLYDIR;
static const uint32_t above_mask = IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;

struct fh_watch {
    struct fh_loop *loop;
    struct fh_io io;
    struct fh_timer quiet;
    int fd;
    int above;        /* descriptor of the folder above the root, where the root can be replaced */
    char *parent;     /* its path */
    char *name;       /* the root's name in it */
    int64_t began_ms; /* of the burst; 0: there is none */
    void (*on_change)(void *arg);
    void *arg;
    _Atomic bool is_partial;
};

static int64_t now_ms(void)
{
    return fh_clock_mono_us(&fh_clock_system) / 1000;
}

static void on_quiet(struct fh_timer *timer)
{
    struct fh_watch *watch = FH_LIST_ENTRY(timer, struct fh_watch, quiet);
    watch->began_ms = 0;
    watch->on_change(watch->arg);
}

static void note_change(struct fh_watch *watch)
{
    int64_t now = now_ms();
    if (watch->began_ms == 0) {
        watch->began_ms = now;
    }
    int64_t left = watch->began_ms + FH_WATCH_LONGEST_MS - now;
    int64_t wait = left < FH_WATCH_QUIET_MS ? left : FH_WATCH_QUIET_MS;
    fh_timer_start(watch->loop, &watch->quiet, wait > 0 ? wait : 0);
}

/* Names that begin with a dot are not the folder's, but "..data" is how mounted configuration is replaced: a link of that
 * name, through which all files are reached. Any other name may be, or have been, a link to a folder. */
static bool is_relevant(const struct fh_watch *watch, const struct inotify_event *event)
{
    const char *name = event->len > 0 ? event->name : "";
    if (event->wd == watch->above) {
        return strcmp(name, watch->name) == 0;
    }
    if (event->mask & IN_IGNORED) {
        return false;
    }
    if ((event->mask & IN_Q_OVERFLOW) || name[0] == '\0' || strcmp(name, "..data") == 0) {
        return true;
    }
    return fh_files_is_wanted(name) ||
           (name[0] != '.' && (event->mask & (names_mask | IN_ISDIR)) != 0);
}

/* A folder that is moved away is watched no more; if it is moved to another place below the root, it is found there. */
static void take(struct fh_watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_MOVE_SELF) {
        inotify_rm_watch(watch->fd, event->wd);
    }
    if (is_relevant(watch, event)) {
        note_change(watch);
    }
}

static void on_ready(struct fh_io *io, int events)
{
    struct fh_watch *watch = FH_LIST_ENTRY(io, struct fh_watch, io);
    _Alignas(struct inotify_event) char block[8192];
    ssize_t got;
    (void)events;
    while ((got = read(watch->fd, block, sizeof(block))) > 0) {
        for (char *at = block; at < block + got;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            take(watch, event);
            at += sizeof(*event) + event->len;
        }
    }
}

static void warn(struct fh_watch *watch, const char *path)
{
    int number = errno;
    if (number == ENOENT || number == ENOTDIR || number == EACCES) {
        return; /* it is gone, or cannot be read either, which is reported */
    }
    if (!atomic_exchange(&watch->is_partial, true)) {
        fh_log(FH_LOG_WARN,
               "changes below %s are not noticed: %s; raise fs.inotify.max_user_watches, or send "
               "SIGHUP after a change",
               path, number == ENOSPC ? "there are no more watches" : strerror(number));
    }
}

static int add(struct fh_watch *watch, const char *path, uint32_t mask)
{
    int descriptor = inotify_add_watch(watch->fd, path, mask);
    if (fh_fault("host.watch") != 0) {
        descriptor = -1;
        errno = ENOSPC;
    }
    if (descriptor < 0) {
        warn(watch, path);
    }
    return descriptor;
}

void fh_watch_add(struct fh_watch *watch, const char *path)
{
    add(watch, path, folder_mask);
}

/* "a/b/" -> "a", "b"; "b" -> ".", "b". Of "." and "..", which have no name, the resolved path. */
static int split(struct fh_watch *watch, const char *dir)
{
    char resolved[PATH_MAX];
    char path[PATH_MAX];
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    snprintf(path, sizeof(path), "%.*s", (int)len, dir);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if ((strcmp(name, ".") == 0 || strcmp(name, "..") == 0) && realpath(path, resolved)) {
        snprintf(path, sizeof(path), "%s", resolved);
        slash = strrchr(path, '/');
        name = slash + 1;
    }
    watch->name = strdup(name);
    watch->parent =
        !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    return watch->name && watch->parent ? 0 : FH_E_NO_MEMORY;
}

static void destroy(struct fh_watch *watch)
{
    if (watch->fd >= 0) {
        close(watch->fd);
    }
    free(watch->name);
    free(watch->parent);
    free(watch);
}

int fh_watch_open(struct fh_watch **out, struct fh_loop *loop, const char *dir,
                  void (*on_change)(void *arg), void *arg, struct fh_error *err)
{
    struct fh_watch *watch = calloc(1, sizeof(*watch));
    if (!watch) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory to watch %s", dir);
    }
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        const char *why = errno == EMFILE ? "fs.inotify.max_user_instances, or of open files, "
                                            "is reached"
                                          : strerror(errno);
        destroy(watch);
        return fh_error_set(err, FH_E_IO, "%s", why);
    }
    if (split(watch, dir) != 0) {
        destroy(watch);
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory to watch %s", dir);
    }
    watch->loop = loop;
    watch->on_change = on_change;
    watch->arg = arg;
    watch->above = add(watch, watch->parent, above_mask);
    fh_io_init(&watch->io, watch->fd, on_ready);
    fh_io_start(loop, &watch->io, FH_IO_READ);
    fh_timer_init(&watch->quiet, on_quiet);
    *out = watch;
    return 0;
}

void fh_watch_close(struct fh_watch *watch)
{
    if (!watch) {
        return;
    }
    fh_timer_stop(watch->loop, &watch->quiet);
    fh_io_stop(watch->loop, &watch->io);
    destroy(watch);
}
