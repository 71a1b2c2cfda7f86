/* SPDX-License-Identifier: MIT */
/* Mailbox, turning, stopping, hook. Descriptors and timers: test_watch.c. */
#include "loop_fixture.h"

#include <signal.h>
#include <sys/time.h>

/* --- mailbox ---------------------------------------------------------------------------------- */

enum { SENDERS = 4, LETTERS = 5000 };

struct letter {
    struct fh_mail mail;
    struct sender *sender;
    int number;
};

struct sender {
    struct fh_loop *loop;
    pthread_t thread;
    struct letter letters[LETTERS];
    int received;
    bool is_out_of_order;
};

static void on_letter(struct fh_mail *mail)
{
    struct letter *letter = FH_LIST_ENTRY(mail, struct letter, mail);
    struct sender *sender = letter->sender;
    sender->is_out_of_order |= letter->number != sender->received;
    sender->received++;
}

static void *send_letters(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < LETTERS; i++) {
        sender->letters[i] = (struct letter){{NULL, on_letter}, sender, i};
        fh_loop_post(sender->loop, &sender->letters[i].mail);
    }
    return NULL;
}

static int count_received(const struct sender *senders)
{
    int count = 0;
    for (int i = 0; i < SENDERS; i++) {
        count += senders[i].received;
    }
    return count;
}

static void mail_of_each_thread_keeps_its_order(void **state)
{
    struct sender *senders = calloc(SENDERS, sizeof(*senders));
    for (int i = 0; i < SENDERS; i++) {
        senders[i].loop = *state;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_letters, &senders[i]), 0);
    }
    while (count_received(senders) < SENDERS * LETTERS) {
        fh_loop_run_once(*state, -1);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].received, LETTERS);
        assert_false(senders[i].is_out_of_order);
    }
    free(senders);
}

static void mail_is_delivered_by_the_next_turn(void **state)
{
    struct note note = NOTE_INIT;
    fh_loop_post(*state, &note.mail);
    assert_int_equal(note.count, 0);
    fh_loop_run_once(*state, 0);
    assert_int_equal(note.count, 1);
    fh_loop_post(*state, &note.mail);
    fh_loop_run_once(*state, -1);
    assert_int_equal(note.count, 2);
}

struct chain {
    struct fh_mail mail;
    struct fh_loop *loop;
    int left;
};

static void on_chain(struct fh_mail *mail)
{
    struct chain *chain = FH_LIST_ENTRY(mail, struct chain, mail);
    if (--chain->left > 0) {
        fh_loop_post(chain->loop, mail);
    }
}

static void delivery_may_post(void **state)
{
    struct chain chain = {{NULL, on_chain}, *state, 10};
    fh_loop_post(*state, &chain.mail);
    while (chain.left > 0) {
        fh_loop_run_once(*state, -1);
    }
}

static void on_heap_letter(struct fh_mail *mail)
{
    struct letter *letter = FH_LIST_ENTRY(mail, struct letter, mail);
    letter->sender->received++;
    free(letter);
}

static void close_delivers_what_is_left(void **state)
{
    (void)state;
    struct fh_loop *loop;
    struct sender *sender = calloc(1, sizeof(*sender));
    assert_int_equal(fh_loop_open(&loop, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct letter *letter = malloc(sizeof(*letter));
        *letter = (struct letter){{NULL, on_heap_letter}, sender, i};
        fh_loop_post(loop, &letter->mail);
    }
    fh_loop_close(loop);
    assert_int_equal(sender->received, 3);
    free(sender);
    fh_loop_close(NULL);
}

/* What a delivery posts is mail that is left, too. */
static void close_delivers_what_deliveries_post(void **state)
{
    (void)state;
    struct fh_loop *loop;
    assert_int_equal(fh_loop_open(&loop, NULL), 0);
    struct chain chain = {{NULL, on_chain}, loop, 3};
    fh_loop_post(loop, &chain.mail);
    fh_loop_close(loop);
    assert_int_equal(chain.left, 0);
}

/* --- turning ---------------------------------------------------------------------------------- */

static void a_turn_without_waiting_returns(void **state)
{
    struct alarm alarm;
    alarm_init(&alarm, *state);
    alarm_start(&alarm, 3600000);
    for (int i = 0; i < 3; i++) {
        fh_loop_run_once(*state, 0);
    }
    assert_int_equal(alarm.count, 0);
    fh_timer_stop(*state, &alarm.timer);
}

static void a_turn_waits_as_long_as_told(void **state)
{
    for (int wait_ms = 1; wait_ms < 20; wait_ms += 6) {
        int64_t start_us = fh_clock_mono_us(&fh_clock_system);
        fh_loop_run_once(*state, wait_ms);
        assert_true(fh_clock_mono_us(&fh_clock_system) - start_us >= wait_ms * 1000);
    }
}

static void a_turn_ends_with_what_it_waited_for(void **state)
{
    struct note note = NOTE_INIT;
    int64_t start_us = fh_clock_mono_us(&fh_clock_system);
    fh_loop_post(*state, &note.mail);
    fh_loop_run_once(*state, 3600000);
    assert_int_equal(note.count, 1);
    assert_true(fh_clock_mono_us(&fh_clock_system) - start_us < 3600000000);
}

static void waking_makes_the_next_sleep_short(void **state)
{
    fh_loop_wake(*state);
    fh_loop_run_once(*state, -1);
    fh_loop_wake(*state);
    fh_loop_wake(*state);
    fh_loop_run_once(*state, -1);

    /* And only the next one. */
    int64_t start_us = fh_clock_mono_us(&fh_clock_system);
    fh_loop_run_once(*state, 5);
    assert_true(fh_clock_mono_us(&fh_clock_system) - start_us >= 5000);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void *stop_loop(void *loop)
{
    fh_loop_stop(loop);
    return NULL;
}

static void another_thread_stops_it(void **state)
{
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_loop, *state), 0);
        fh_loop_run(*state);
        pthread_join(thread, NULL);
    }
}

static void a_stop_before_the_run_counts(void **state)
{
    fh_loop_stop(*state);
    fh_loop_run(*state);
    fh_loop_stop(*state);
    fh_loop_stop(*state);
    fh_loop_run(*state);
}

static void on_mail_stop(struct fh_mail *mail)
{
    struct chain *chain = FH_LIST_ENTRY(mail, struct chain, mail);
    chain->left = 0;
    fh_loop_stop(chain->loop);
}

/* One stop ends one run. */
static void it_runs_again_after_a_stop(void **state)
{
    fh_loop_stop(*state);
    fh_loop_run(*state);
    struct chain chain = {{NULL, on_mail_stop}, *state, 1};
    fh_loop_post(*state, &chain.mail);
    fh_loop_run(*state);
    assert_int_equal(chain.left, 0);
}

static struct fh_loop *signalled;

static void on_signal(int number)
{
    (void)number;
    fh_loop_stop(signalled);
}

static void a_signal_handler_stops_it(void **state)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
    struct itimerval soon = {.it_value = {.tv_usec = 2000}};
    signalled = *state;
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, &before);
    for (int i = 0; i < 5; i++) {
        setitimer(ITIMER_REAL, &soon, NULL);
        fh_loop_run(*state);
    }
    raise(SIGALRM);
    fh_loop_run(*state);
    sigaction(SIGALRM, &before, NULL);
    signalled = NULL;
}

/* --- hook ------------------------------------------------------------------------------------- */

struct counter {
    struct fh_hook hook;
    struct fh_loop *loop;
    struct note note;
    int count;
    int wakes; /* how often to wake the loop yet */
    bool posts;
};

static void on_sleep(struct fh_hook *hook)
{
    struct counter *counter = FH_LIST_ENTRY(hook, struct counter, hook);
    counter->count++;
    if (counter->wakes > 0) {
        counter->wakes--;
        fh_loop_wake(counter->loop);
    }
    if (counter->posts) {
        counter->posts = false;
        fh_loop_post(counter->loop, &counter->note.mail);
    }
}

static void counter_start(struct counter *counter, struct fh_loop *loop)
{
    *counter = (struct counter){.loop = loop, .note = NOTE_INIT};
    fh_hook_init(&counter->hook, on_sleep);
    fh_hook_start(loop, &counter->hook);
}

static void the_hook_runs_before_each_sleep(void **state)
{
    struct counter counter;
    counter_start(&counter, *state);
    for (int i = 1; i <= 3; i++) {
        fh_loop_run_once(*state, 0);
        assert_int_equal(counter.count, i);
    }
    fh_hook_stop(*state, &counter.hook);
    fh_loop_run_once(*state, 0);
    assert_int_equal(counter.count, 3);
}

static void the_hook_may_wake(void **state)
{
    struct counter counter;
    counter_start(&counter, *state);
    counter.wakes = 1;
    fh_loop_run_once(*state, -1);
    assert_int_equal(counter.wakes, 0);
    fh_hook_stop(*state, &counter.hook);
}

static void the_hook_may_start_work(void **state)
{
    struct counter counter;
    counter_start(&counter, *state);
    counter.posts = true;
    fh_loop_run_once(*state, -1);
    assert_int_equal(counter.note.count, 1);
    fh_hook_stop(*state, &counter.hook);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOOP(mail_of_each_thread_keeps_its_order),
        WITH_LOOP(mail_is_delivered_by_the_next_turn),
        WITH_LOOP(delivery_may_post),
        cmocka_unit_test(close_delivers_what_is_left),
        cmocka_unit_test(close_delivers_what_deliveries_post),
        WITH_LOOP(a_turn_without_waiting_returns),
        WITH_LOOP(a_turn_waits_as_long_as_told),
        WITH_LOOP(a_turn_ends_with_what_it_waited_for),
        WITH_LOOP(waking_makes_the_next_sleep_short),
        WITH_LOOP(another_thread_stops_it),
        WITH_LOOP(a_stop_before_the_run_counts),
        WITH_LOOP(it_runs_again_after_a_stop),
        WITH_LOOP(a_signal_handler_stops_it),
        WITH_LOOP(the_hook_runs_before_each_sleep),
        WITH_LOOP(the_hook_may_wake),
        WITH_LOOP(the_hook_may_start_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
