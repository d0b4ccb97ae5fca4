/* fuzz: text */
/* Address fields, forgivingly and strictly. What the strict reader accepts the other reads
 * alike. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_groups(const struct cv_addr_list *list)
{
	bool in_group = false;
	for (size_t i = 0; i < list->n; i++) {
		const struct cv_addr *a = &list->items[i];
		assert((a->kind == CV_ADDR_MAILBOX) == (a->host.p != NULL));
		assert(a->kind != CV_ADDR_GROUP_START || !in_group);
		assert(a->kind != CV_ADDR_GROUP_END || in_group);
		if (a->kind != CV_ADDR_MAILBOX)
			in_group = a->kind == CV_ADDR_GROUP_START;
	}
	assert(!in_group || list->is_truncated);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_addr_list list;
	struct cv_from from;
	struct cv_err err;
	cv_addr_list_parse(&arena, in, &list);
	check_groups(&list);
	if (cv_from_strict(&arena, in, &from, &err) == CV_OK) {
		assert(from.n >= 1 && from.n == list.n && !list.is_broken);
		for (size_t i = 0; i < from.n; i++) {
			assert(list.items[i].kind == CV_ADDR_MAILBOX);
			assert(cv_str_eq(list.items[i].host, from.items[i].domain));
		}
	}
	cv_arena_done(&arena);
	return 0;
}
