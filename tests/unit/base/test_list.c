/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include "base/list.h"

struct item {
    int number;
    struct fh_list link;
};

enum { ITEMS = 4 };

static void fill(struct fh_list *head, struct item *items, int first)
{
    fh_list_init(head);
    for (int i = 0; i < ITEMS; i++) {
        items[i].number = first + i;
        fh_list_push(head, &items[i].link);
    }
}

/* Forward and backward, each exactly once. */
static void assert_numbers(const struct fh_list *head, const int *numbers, int count)
{
    const struct fh_list *link = head->next;
    for (int i = 0; i < count; i++, link = link->next) {
        assert_int_equal(FH_LIST_ENTRY(link, const struct item, link)->number, numbers[i]);
        assert_ptr_equal(link->prev->next, link);
    }
    assert_ptr_equal(link, head);
    assert_ptr_equal(head->prev->next, head);
    assert_int_equal(fh_list_is_empty(head), count == 0);
}

static void pushes_at_the_tail(void **state)
{
    (void)state;
    struct fh_list head;
    struct item items[ITEMS];
    fh_list_init(&head);
    assert_numbers(&head, NULL, 0);
    fill(&head, items, 0);
    assert_numbers(&head, (int[]){0, 1, 2, 3}, 4);
}

static void pops_from_anywhere(void **state)
{
    (void)state;
    struct fh_list head;
    struct item items[ITEMS];
    fill(&head, items, 0);
    fh_list_pop(&items[2].link);
    assert_numbers(&head, (int[]){0, 1, 3}, 3);
    fh_list_pop(&items[0].link);
    fh_list_pop(&items[3].link);
    assert_numbers(&head, (int[]){1}, 1);
    fh_list_pop(&items[1].link);
    assert_numbers(&head, NULL, 0);
}

static void popping_twice_does_no_harm(void **state)
{
    (void)state;
    struct fh_list head;
    struct item items[ITEMS];
    fill(&head, items, 0);
    fh_list_pop(&items[1].link);
    fh_list_pop(&items[1].link);
    assert_true(fh_list_is_empty(&items[1].link));
    assert_numbers(&head, (int[]){0, 2, 3}, 3);
    fh_list_push(&head, &items[1].link);
    assert_numbers(&head, (int[]){0, 2, 3, 1}, 4);
}

static void splices(void **state)
{
    (void)state;
    struct fh_list to, from;
    struct item a[ITEMS], b[ITEMS];
    fill(&to, a, 0);
    fill(&from, b, 4);
    fh_list_splice(&to, &from);
    assert_numbers(&to, (int[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
    assert_numbers(&from, NULL, 0);
    fh_list_splice(&to, &from);
    assert_numbers(&to, (int[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
    fh_list_splice(&from, &to);
    assert_numbers(&from, (int[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
    assert_numbers(&to, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushes_at_the_tail),
        cmocka_unit_test(pops_from_anywhere),
        cmocka_unit_test(popping_twice_does_no_harm),
        cmocka_unit_test(splices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
