/* fuzz: store */
/* Rows of access control lists, and changes of them: up to the first line end the row, then an
 * identifier as somebody writes it, then the rights. What is applied to a good row makes a good row
 * that has the change. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/acl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_any(void *arg, struct cv_str id)
{
	(void)arg;
	return id.n & 1;
}

static void
try_change(struct cv_str row, struct cv_str given, struct cv_str rights, struct cv_arena *arena)
{
	struct cv_acl_change change = {0};
	struct cv_buf out = CV_BUF_INIT(2 * CV_ACL_ROW_MAX);
	struct cv_buf again = CV_BUF_INIT(2 * CV_ACL_ROW_MAX);
	struct cv_err err;
	uint32_t have = 0;

	if (cv_acl_id_parse(given, CV_STR("tinh.example"), arena, &change.id, &change.is_negative,
		    &err) ||
		!cv_acl_parse_change(rights, &change))
		return;
	if (!cv_acl_apply(row, &change, &out, &err)) {
		struct cv_str next = cv_buf_view(&out);
		assert(cv_acl_is_valid(next));
		cv_acl_find(next, change.id, change.is_negative, &have);
		assert(change.op != CV_ACL_SET || have == change.rights);
		assert(change.op != CV_ACL_ADD || (have & change.rights) == change.rights);
		assert(change.op != CV_ACL_REMOVE || !(have & change.rights));
		assert(!cv_acl_apply(next, &change, &again, &err));
		assert(cv_str_eq(next, cv_buf_view(&again)));
	}
	cv_buf_done(&out);
	cv_buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str rest = cv_str((const char *)data, size), row, given;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_acl acl;

	cv_str_split(&rest, '\n', &row);
	cv_str_split(&rest, '\n', &given);
	bool is_valid = cv_acl_is_valid(row);
	assert(is_valid == !cv_acl_decode(row, &arena, &acl));
	cv_acl_rights(row, 0, is_any, NULL);
	if (is_valid) {
		struct cv_buf again = CV_BUF_INIT(2 * CV_ACL_ROW_MAX);
		cv_acl_encode(&acl, &again);
		assert(cv_acl_is_valid(cv_buf_view(&again)));
		cv_buf_done(&again);
		try_change(row, given, rest, &arena);
	}
	cv_arena_done(&arena);
	return 0;
}
