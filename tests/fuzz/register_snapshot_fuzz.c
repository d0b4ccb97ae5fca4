/* fuzz: register */
/* register_snapshot_fuzz.c - any bytes as the register's snapshot, past the checksum: refused, or
 * every look-up stays inside them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/snapshot_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_around(const struct cv_snapshot *s)
{
	struct cv_reg_account a;
	struct cv_reg_agency g;
	struct cv_reg_hit hit;
	struct cv_str name, target;
	cv_acct_no members[4];
	for (size_t i = 0; i < 50 && cv_snapshot_nth(s, i, &a); i++) {
		cv_snapshot_find_address(s, a.address, &hit);
		cv_snapshot_members(s, a.acct, members, 4);
		struct cv_reg_route route;
		struct cv_reg_target other;
		(void)cv_snapshot_route(s, a.acct, &route);
		for (size_t k = 0; k < 5 && cv_snapshot_target(s, a.acct, k, &other); k++)
			cv_snapshot_find_address(s, other.address, &hit);
		(void)cv_snapshot_is_member(s, a.acct, a.acct + 1);
		(void)cv_snapshot_is_poster(s, a.acct, a.acct + 1);
		(void)cv_snapshot_delegated(s, a.acct, a.acct + 1);
		cv_snapshot_may_send_as(s, a.acct + 1, a.given, CV_STR("lamgiang.example"));
	}
	for (size_t i = 0; i < 50 && cv_snapshot_nth_agency(s, i, &g); i++)
		cv_snapshot_agency(s, g.parent, &g);
	for (size_t i = 0; i < 50 && cv_snapshot_nth_domain(s, i, &name, &target); i++)
		cv_snapshot_find(s, CV_STR("hoa"), name, &hit);
	cv_snapshot_find_address(s, CV_STR("a.stp@lamgiang.example"), &hit);
	(void)cv_snapshot_default_domain(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Aligned, as a map is. */
	uint64_t *copy = cv_malloc(size + 8);
	memcpy(copy, data, size);
	struct cv_snapshot *s;
	struct cv_err err;
	if (snap_open_bytes(cv_str((const char *)copy, size), CV_STR_EMPTY, false, &s, &err) ==
	    CV_OK) {
		look_around(s);
		cv_snapshot_unref(s);
	}
	free(copy);
	return 0;
}
