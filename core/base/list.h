/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list with a sentinel head. Links are fields of the struct that owns
 * them; a link that is not in a list points at itself after fh_list_init or fh_list_pop. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fh_list {
    struct fh_list *prev;
    struct fh_list *next;
};

#define FH_LIST_ENTRY(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

static inline void fh_list_init(struct fh_list *link)
{
    link->prev = link;
    link->next = link;
}

static inline bool fh_list_is_empty(const struct fh_list *head)
{
    return head->next == head;
}

/* Appends `link` at the tail of `head`. */
static inline void fh_list_push(struct fh_list *head, struct fh_list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Takes `link` out of whatever list it is in; harmless when it is in none. */
static inline void fh_list_pop(struct fh_list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    fh_list_init(link);
}

/* Moves every element of `from` to the tail of `to`. */
static inline void fh_list_splice(struct fh_list *to, struct fh_list *from)
{
    if (!fh_list_is_empty(from)) {
        from->next->prev = to->prev;
        from->prev->next = to;
        to->prev->next = from->next;
        to->prev = from->prev;
        fh_list_init(from);
    }
}
