/* SPDX-License-Identifier: MIT */
#include "loop/loop.h"

#include "base/list.h"
#include "loop/alarm.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fh_loop {
    struct ev_loop *ev;
    ev_async bell;     /* rung when the mailbox or `stopping` changes */
    ev_idle nosleep;   /* active for one iteration after fh_loop_wake */
    ev_timer patience; /* bounds fh_loop_run_once */
    pthread_mutex_t lock;
    struct fh_mail *head; /* under lock */
    struct fh_mail **tail;
    _Atomic bool stopping;
    int epoll_fd; /* -1 until asked for */
    /* For who watches epoll_fd instead of turning us: an eventfd in that epoll, which says so when there is something to
     * do that the epoll does not know of, such as mail, a wake, a descriptor to be added. */
    _Atomic int outer_fd; /* -1 until epoll_fd is asked for */
    struct fh_io outer;
    struct fh_hook clear_outer;
    struct fh_alarms alarms;
};

static void ring_outer(struct fh_loop *loop)
{
    int fd = loop->outer_fd;
    if (fd >= 0) {
        eventfd_write(fd, 1);
    }
}

static void ring(struct fh_loop *loop)
{
    ev_async_send(loop->ev, &loop->bell);
    ring_outer(loop);
}

static void deliver_mail(struct fh_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct fh_mail *mail = loop->head;
    loop->head = NULL;
    loop->tail = &loop->head;
    pthread_mutex_unlock(&loop->lock);
    while (mail) {
        struct fh_mail *next = mail->next;
        mail->deliver(mail);
        mail = next;
    }
}

static void on_bell(struct ev_loop *ev, ev_async *bell, int events)
{
    (void)events;
    struct fh_loop *loop = FH_LIST_ENTRY(bell, struct fh_loop, bell);
    deliver_mail(loop);
    if (loop->stopping) {
        ev_break(ev, EVBREAK_ALL);
    }
}

static void on_nosleep(struct ev_loop *ev, ev_idle *idle, int events)
{
    (void)events;
    ev_idle_stop(ev, idle);
}

static void on_patience(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev, (void)timer, (void)events;
}

static void on_outer(struct fh_io *io, int events)
{
    (void)io, (void)events;
}

/* Before the turn, not in on_outer: what this turn's callbacks ring for is for the next one. */
static void clear_outer(struct fh_hook *hook)
{
    struct fh_loop *loop = FH_LIST_ENTRY(hook, struct fh_loop, clear_outer);
    eventfd_t count;
    eventfd_read(loop->outer_fd, &count);
}

static int watch_outer(struct fh_loop *loop)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        return FH_E_IO;
    }
    fh_io_init(&loop->outer, fd, on_outer);
    fh_io_start(loop, &loop->outer, FH_IO_READ);
    fh_hook_init(&loop->clear_outer, clear_outer);
    fh_hook_start(loop, &loop->clear_outer);
    loop->outer_fd = fd;
    return 0;
}

static void unwatch_outer(struct fh_loop *loop)
{
    int fd = loop->outer_fd;
    loop->outer_fd = -1;
    fh_hook_stop(loop, &loop->clear_outer);
    fh_io_stop(loop, &loop->outer);
    close(fd);
}

int fh_loop_open(struct fh_loop **out, struct fh_error *err)
{
    struct fh_loop *loop = calloc(1, sizeof(*loop));
    if (!loop) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for an event loop");
    }
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!loop->ev) {
        free(loop);
        return fh_error_set(err, FH_E_IO,
                            "cannot open an event loop (epoll): too many open files?");
    }
    pthread_mutex_init(&loop->lock, NULL);
    loop->tail = &loop->head;
    loop->epoll_fd = -1;
    loop->outer_fd = -1;
    if (fh_alarms_open(&loop->alarms, loop) != 0) {
        pthread_mutex_destroy(&loop->lock);
        ev_loop_destroy(loop->ev);
        free(loop);
        return fh_error_set(err, FH_E_IO, "cannot open a timer: too many open files?");
    }
    ev_async_init(&loop->bell, on_bell);
    ev_async_start(loop->ev, &loop->bell);
    ev_idle_init(&loop->nosleep, on_nosleep);
    ev_timer_init(&loop->patience, on_patience, 0., 0.);
    *out = loop;
    return 0;
}

void fh_loop_close(struct fh_loop *loop)
{
    if (!loop) {
        return;
    }
    while (loop->head) {
        deliver_mail(loop);
    }
    if (loop->outer_fd >= 0) {
        unwatch_outer(loop);
    }
    fh_alarms_close(&loop->alarms, loop);
    ev_async_stop(loop->ev, &loop->bell);
    ev_idle_stop(loop->ev, &loop->nosleep);
    ev_loop_destroy(loop->ev);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

struct fh_alarms *fh_loop_alarms(struct fh_loop *loop)
{
    return &loop->alarms;
}

void fh_loop_run(struct fh_loop *loop)
{
    if (!loop->stopping) {
        ev_run(loop->ev, 0);
    }
    loop->stopping = false;
}

void fh_loop_run_once(struct fh_loop *loop, int wait_ms)
{
    if (wait_ms > 0) {
        ev_now_update(loop->ev);
        ev_timer_set(&loop->patience, wait_ms / 1000., 0.);
        ev_timer_start(loop->ev, &loop->patience);
    }
    ev_run(loop->ev, wait_ms == 0 ? EVRUN_NOWAIT : EVRUN_ONCE);
    ev_timer_stop(loop->ev, &loop->patience);
}

void fh_loop_stop(struct fh_loop *loop)
{
    loop->stopping = true;
    ring(loop);
}

static bool epoll_watches(int epoll_fd, int fd)
{
    char line[256];
    snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", epoll_fd);
    FILE *file = fopen(line, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof(line), file)) {
        int watched;
        found = sscanf(line, "tfd: %d", &watched) == 1 && watched == fd;
    }
    if (file) {
        fclose(file);
    }
    return found;
}

static int find_epoll_of(int fd)
{
    DIR *folder = opendir("/proc/self/fd");
    int found = -1;
    for (struct dirent *entry; folder && found < 0 && (entry = readdir(folder));) {
        int candidate = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && epoll_watches(candidate, fd)) {
            found = candidate;
        }
    }
    if (folder) {
        closedir(folder);
    }
    return found;
}

/* libev does not tell its epoll descriptor; the kernel does: it is the one that watches ours. Mail is
 * delivered because its sender may have looked for outer_fd before it was there. */
int fh_loop_get_fd(struct fh_loop *loop)
{
    if (loop->epoll_fd < 0 && watch_outer(loop) == 0) {
        fh_loop_run_once(loop, 0);
        deliver_mail(loop);
        loop->epoll_fd = find_epoll_of(loop->outer_fd);
        if (loop->epoll_fd < 0) {
            unwatch_outer(loop);
        }
    }
    return loop->epoll_fd;
}

void fh_loop_post(struct fh_loop *loop, struct fh_mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool was_empty = loop->head == NULL;
    *loop->tail = mail;
    loop->tail = &mail->next;
    if (was_empty) {
        ring(loop); /* under the lock: once the mail is taken, its owner may close the loop */
    }
    pthread_mutex_unlock(&loop->lock);
}

static void on_io(struct ev_loop *ev, ev_io *watcher, int events)
{
    (void)ev;
    struct fh_io *io = FH_LIST_ENTRY(watcher, struct fh_io, watcher);
    io->on_ready(io, events & (EV_READ | EV_WRITE));
}

void fh_io_init(struct fh_io *io, int fd, void (*on_ready)(struct fh_io *io, int events))
{
    ev_io_init(&io->watcher, on_io, fd, 0);
    io->on_ready = on_ready;
}

void fh_io_start(struct fh_loop *loop, struct fh_io *io, int events)
{
    bool is_active = ev_is_active(&io->watcher);
    if (is_active && (io->watcher.events & (EV_READ | EV_WRITE)) == events) {
        return;
    }
    ev_io_stop(loop->ev, &io->watcher);
    if (is_active) {
        ev_io_modify(&io->watcher, events); /* unlike ev_io_set: no forced system call */
    } else {
        ev_io_set(&io->watcher, io->watcher.fd, events);
    }
    ev_io_start(loop->ev, &io->watcher);
    ring_outer(loop);
}

void fh_io_stop(struct fh_loop *loop, struct fh_io *io)
{
    ev_io_stop(loop->ev, &io->watcher);
}

static void on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
    (void)ev, (void)events;
    struct fh_timer *timer = FH_LIST_ENTRY(watcher, struct fh_timer, watcher);
    timer->on_due(timer);
}

void fh_timer_init(struct fh_timer *timer, void (*on_due)(struct fh_timer *timer))
{
    ev_timer_init(&timer->watcher, on_timer, 0., 0.);
    timer->on_due = on_due;
}

void fh_timer_start(struct fh_loop *loop, struct fh_timer *timer, int64_t delay_ms)
{
    ev_timer_stop(loop->ev, &timer->watcher);
    /* libev counts from its cached time, which may lag by as long as this turn has lasted. */
    ev_now_update(loop->ev);
    ev_timer_set(&timer->watcher, (double)delay_ms / 1000., 0.);
    ev_timer_start(loop->ev, &timer->watcher);
}

void fh_timer_stop(struct fh_loop *loop, struct fh_timer *timer)
{
    ev_timer_stop(loop->ev, &timer->watcher);
}

bool fh_timer_is_active(const struct fh_timer *timer)
{
    return ev_is_active(&timer->watcher);
}

static void on_prepare(struct ev_loop *ev, ev_prepare *watcher, int events)
{
    (void)ev, (void)events;
    struct fh_hook *hook = FH_LIST_ENTRY(watcher, struct fh_hook, watcher);
    hook->before_sleep(hook);
}

void fh_hook_init(struct fh_hook *hook, void (*before_sleep)(struct fh_hook *hook))
{
    ev_prepare_init(&hook->watcher, on_prepare);
    hook->before_sleep = before_sleep;
}

/* Hooks do not keep a loop alive, nor do they need to: the bell does. */
void fh_hook_start(struct fh_loop *loop, struct fh_hook *hook)
{
    ev_prepare_start(loop->ev, &hook->watcher);
}

void fh_hook_stop(struct fh_loop *loop, struct fh_hook *hook)
{
    ev_prepare_stop(loop->ev, &hook->watcher);
}

void fh_loop_wake(struct fh_loop *loop)
{
    ev_idle_start(loop->ev, &loop->nosleep);
    ring_outer(loop);
}
