/* SPDX-License-Identifier: MIT */
#include "loop/offload.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct fh_offload {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wakeup;
    struct fh_job *first;
    struct fh_job **last;
    unsigned count;
    bool is_closing;
};

static void deliver(struct fh_mail *mail)
{
    struct fh_job *job = (struct fh_job *)mail;
    job->done(job);
}

static void send_back(struct fh_job *job)
{
    job->mail.deliver = deliver;
    fh_loop_post(job->loop, &job->mail);
}

/* With the lock held. NULL when there is nothing to do any more. */
static struct fh_job *take(struct fh_offload *offload)
{
    while (!offload->first && !offload->is_closing) {
        pthread_cond_wait(&offload->wakeup, &offload->lock);
    }
    struct fh_job *job = offload->first;
    if (job) {
        offload->first = job->next;
        offload->last = offload->first ? offload->last : &offload->first;
        offload->count--;
    }
    return job;
}

static void *run(void *arg)
{
    struct fh_offload *offload = arg;
    pthread_mutex_lock(&offload->lock);
    for (struct fh_job *job; (job = take(offload)) != NULL;) {
        bool is_wanted = !offload->is_closing;
        pthread_mutex_unlock(&offload->lock);
        if (is_wanted) {
            job->work(job);
        }
        send_back(job);
        pthread_mutex_lock(&offload->lock);
    }
    pthread_mutex_unlock(&offload->lock);
    return NULL;
}

static int start(struct fh_offload *offload)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loops' threads */
    int number = pthread_create(&offload->thread, NULL, run, offload);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number;
}

int fh_offload_open(struct fh_offload **out, struct fh_error *err)
{
    struct fh_offload *offload = calloc(1, sizeof(*offload));
    if (!offload) {
        return fh_error_set(err, FH_E_NO_MEMORY, "no memory for a thread");
    }
    offload->last = &offload->first;
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->wakeup, NULL);
    if (start(offload) != 0) {
        pthread_cond_destroy(&offload->wakeup);
        pthread_mutex_destroy(&offload->lock);
        free(offload);
        return fh_error_set(err, FH_E_NO_MEMORY, "no thread could be started");
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
    pthread_cond_signal(&offload->wakeup);
    pthread_mutex_unlock(&offload->lock);
    pthread_join(offload->thread, NULL);
    pthread_cond_destroy(&offload->wakeup);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
}

int fh_offload_submit(struct fh_offload *offload, struct fh_loop *loop, struct fh_job *job)
{
    int rc = FH_E_TOO_LARGE;
    job->loop = loop;
    job->next = NULL;
    pthread_mutex_lock(&offload->lock);
    if (offload->count < FH_OFFLOAD_MAX && !offload->is_closing) {
        *offload->last = job;
        offload->last = &job->next;
        offload->count++;
        rc = 0;
        pthread_cond_signal(&offload->wakeup);
    }
    pthread_mutex_unlock(&offload->lock);
    return rc;
}
