/* SPDX-License-Identifier: MIT */
#include "loop/offload.h"

#include "base/list.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { NICENESS = 10 };

struct fh_offload {
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct fh_job *head;
    struct fh_job *tail;
    unsigned waiting;
    unsigned max_jobs;
    bool is_closing;
};

static void deliver(struct fh_mail *mail)
{
    struct fh_job *job = FH_LIST_ENTRY(mail, struct fh_job, mail);
    job->done(job);
}

/* Of the first job; NULL: the module closes. */
static struct fh_job *take(struct fh_offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    while (!offload->head && !offload->is_closing) {
        pthread_cond_wait(&offload->changed, &offload->lock);
    }
    struct fh_job *job = offload->is_closing ? NULL : offload->head;
    if (job) {
        offload->head = job->next;
        offload->waiting--;
    }
    pthread_mutex_unlock(&offload->lock);
    return job;
}

static void *turn(void *arg)
{
    struct fh_offload *offload = arg;
    struct fh_job *job;
    (void)setpriority(PRIO_PROCESS, 0, NICENESS); /* on Linux of this thread alone */
    while ((job = take(offload)) != NULL) {
        job->work(job);
        fh_loop_post(job->loop, &job->mail);
    }
    return NULL;
}

/* New threads inherit the mask. */
static int start_thread(struct fh_offload *offload)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int number = pthread_create(&offload->thread, NULL, turn, offload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number;
}

static void destroy(struct fh_offload *offload)
{
    pthread_cond_destroy(&offload->changed);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
}

int fh_offload_open(struct fh_offload **out, unsigned max_jobs, struct fh_error *err)
{
    struct fh_offload *offload = calloc(1, sizeof(*offload));
    if (!offload) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for a worker");
    }
    offload->max_jobs = max_jobs;
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->changed, NULL);
    int number = start_thread(offload);
    if (number != 0) {
        destroy(offload);
        return fh_error_set(err, FH_E_NO_MEMORY, "cannot start a thread: %s", strerror(number));
    }
    *out = offload;
    return 0;
}

void fh_offload_close(struct fh_offload *offload)
{
    if (!offload) {
        return;
    }
    pthread_mutex_lock(&offload->lock);
    offload->is_closing = true;
    pthread_cond_signal(&offload->changed);
    pthread_mutex_unlock(&offload->lock);
    pthread_join(offload->thread, NULL);
    while (offload->head) {
        struct fh_job *job = offload->head;
        offload->head = job->next;
        job->is_dropped = true;
        fh_loop_post(job->loop, &job->mail);
    }
    destroy(offload);
}

int fh_offload_submit(struct fh_offload *offload, struct fh_loop *loop, struct fh_job *job)
{
    int rc = 0;
    job->mail = (struct fh_mail){.deliver = deliver};
    job->loop = loop;
    job->next = NULL;
    job->is_dropped = false;
    pthread_mutex_lock(&offload->lock);
    if (offload->waiting == offload->max_jobs) {
        rc = FH_E_TOO_LARGE;
    } else {
        if (offload->head) {
            offload->tail->next = job;
        } else {
            offload->head = job;
        }
        offload->tail = job;
        offload->waiting++;
        pthread_cond_signal(&offload->changed);
    }
    pthread_mutex_unlock(&offload->lock);
    return rc;
}
