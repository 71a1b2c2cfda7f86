/* SPDX-License-Identifier: MIT */
#include "loop_fixture.h"

#include "loop/offload.h"

enum { MAX_JOBS = 3 };

/* Waits in `work` until the gate is opened, so that others queue up behind it. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_entered;
    bool is_open;
};

struct task {
    struct fh_job job;
    struct gate *gate; /* may be NULL */
    pthread_t worked_on;
    pthread_t done_on;
    int result;
    int done;
    int *order;
};

static void work(struct fh_job *job)
{
    struct task *task = FH_LIST_ENTRY(job, struct task, job);
    struct gate *gate = task->gate;
    if (gate) {
        pthread_mutex_lock(&gate->lock);
        gate->is_entered = true;
        pthread_cond_broadcast(&gate->changed);
        while (!gate->is_open) {
            pthread_cond_wait(&gate->changed, &gate->lock);
        }
        pthread_mutex_unlock(&gate->lock);
    }
    task->worked_on = pthread_self();
    task->result += 7;
}

static void on_done(struct fh_job *job)
{
    struct task *task = FH_LIST_ENTRY(job, struct task, job);
    task->done_on = pthread_self();
    task->done = ++*task->order;
}

static struct task task_make(struct gate *gate, int *order)
{
    return (struct task){.job = {.work = work, .done = on_done}, .gate = gate, .order = order};
}

static void gate_enter(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_entered) {
        pthread_cond_wait(&gate->changed, &gate->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static struct fh_offload *open_offload(void)
{
    struct fh_offload *offload;
    assert_int_equal(fh_offload_open(&offload, MAX_JOBS, NULL), 0);
    return offload;
}

static void works_elsewhere_and_tells_here(void **state)
{
    struct fh_offload *offload = open_offload();
    int order = 0;
    struct task task = task_make(NULL, &order);
    assert_int_equal(fh_offload_submit(offload, *state, &task.job), 0);
    while (order == 0) {
        fh_loop_run_once(*state, -1);
    }
    assert_int_equal(task.result, 7);
    assert_false(task.job.is_dropped);
    assert_false(pthread_equal(task.worked_on, pthread_self()));
    assert_true(pthread_equal(task.done_on, pthread_self()));
    fh_offload_close(offload);
}

static void keeps_the_order_and_refuses_what_is_too_much(void **state)
{
    struct fh_offload *offload = open_offload();
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
    int order = 0;
    struct task first = task_make(&gate, &order);
    struct task others[MAX_JOBS + 1];
    assert_int_equal(fh_offload_submit(offload, *state, &first.job), 0);
    gate_enter(&gate);
    for (int i = 0; i < MAX_JOBS + 1; i++) {
        others[i] = task_make(NULL, &order);
        int rc = fh_offload_submit(offload, *state, &others[i].job);
        assert_int_equal(rc, i < MAX_JOBS ? 0 : FH_E_TOO_LARGE);
    }
    gate_open(&gate);
    while (order < MAX_JOBS + 1) {
        fh_loop_run_once(*state, -1);
    }
    assert_int_equal(first.done, 1);
    for (int i = 0; i < MAX_JOBS; i++) {
        assert_int_equal(others[i].done, i + 2);
    }
    assert_int_equal(others[MAX_JOBS].done, 0);
    fh_offload_close(offload);
}

static void *open_later(void *arg)
{
    gate_open(arg);
    return NULL;
}

/* The job at work may or may not find the gate open before close is called: those behind it are dropped or done, but
 * told in any case. */
static void close_tells_all(void **state)
{
    struct fh_offload *offload = open_offload();
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
    int order = 0;
    struct task tasks[MAX_JOBS + 1];
    pthread_t opener;
    for (int i = 0; i < MAX_JOBS + 1; i++) {
        tasks[i] = task_make(i == 0 ? &gate : NULL, &order);
        assert_int_equal(fh_offload_submit(offload, *state, &tasks[i].job), 0);
        if (i == 0) {
            gate_enter(&gate);
        }
    }
    assert_int_equal(pthread_create(&opener, NULL, open_later, &gate), 0);
    fh_offload_close(offload);
    pthread_join(opener, NULL);
    assert_int_equal(order, 0);
    while (order < MAX_JOBS + 1) {
        fh_loop_run_once(*state, -1);
    }
    assert_false(tasks[0].job.is_dropped);
    for (int i = 0; i < MAX_JOBS + 1; i++) {
        assert_int_equal(tasks[i].result, tasks[i].job.is_dropped ? 0 : 7);
    }
}

static void close_of_none_is_allowed(void **state)
{
    (void)state;
    fh_offload_close(NULL);
    fh_offload_close(open_offload());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(works_elsewhere_and_tells_here),
        WITH_LOOP(keeps_the_order_and_refuses_what_is_too_much),
        WITH_LOOP(close_tells_all),
        cmocka_unit_test(close_of_none_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
