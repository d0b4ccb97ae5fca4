/* list.h - a doubly linked list whose links live inside the things linked. Not thread-safe. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_LIST_H
#define CV_LIST_H

#include "common/base/base.h"

struct cv_link {
	/* A head that is empty, and a link that is free, point at themselves. */
	struct cv_link *prev, *next;
};

static inline void
cv_list_init(struct cv_link *l)
{
	l->prev = l->next = l;
}
static inline bool
cv_list_is_empty(const struct cv_link *head)
{
	return head->next == head;
}
static inline void
cv_list_append(struct cv_link *head, struct cv_link *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}
static inline void
cv_list_prepend(struct cv_link *head, struct cv_link *l)
{
	l->next = head->next;
	l->prev = head;
	head->next->prev = l;
	head->next = l;
}
/* Unlinks L; harmless on a link that was initialised and is free. */
static inline void
cv_list_remove(struct cv_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	cv_list_init(l);
}
/* The first link unlinked, or NULL. */
static inline struct cv_link *
cv_list_pop(struct cv_link *head)
{
	struct cv_link *l = head->next;
	if (l == head)
		return NULL;
	/* The analyzer takes a link that was popped and freed for the one popped next. */
	cv_list_remove(l); /* NOLINT(clang-analyzer-unix.Malloc) */
	return l;
}
/* Walks HEAD; IT may be removed in the body. */
/* NOLINTBEGIN(bugprone-macro-parentheses): IT and NEXT_ are names to declare. */
#define CV_LIST_EACH(it, next_, head)                                                              \
	for (struct cv_link *it = (head)->next, *next_ = it->next; it != (head);                   \
		it = next_, next_ = it->next)
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
