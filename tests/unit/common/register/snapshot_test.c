/* snapshot_test.c - what is written is found again; what is damaged is refused. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/register/snapshot_format.h"
#include "common/store/engine.h"

#define BASE ((uint64_t)CV_CLASS_USER << CV_ACCT_CLASS_SHIFT)

static const uint8_t dummy[32] = { 1, 2, 3 };

static struct reg_account *
add(struct reg_model *m, unsigned n, enum cv_reg_kind kind, const char *address, const char *name)
{
	struct reg_account *a = reg_account_new();
	a->acct = BASE + n;
	a->kind = kind;
	a->quota_bytes = 1000 + n;
	a->listed = true;
	reg_account_set(a, T_ADDRESS, cv_str_z(address));
	reg_account_set(a, T_NAME, cv_str_z(name));
	reg_account_set(a, T_AGENCY, CV_STR("stp"));
	reg_model_add(m, a);
	reg_model_put_address(m, cv_str_z(address),
	                      &(struct reg_address){ .type = REG_PRIMARY, .acct = a->acct });
	return a;
}

/* Duyên, Hoa (suspended), the clerk's box held by Duyên, a group, a retired person. */
static void
small_province(struct reg_model *m)
{
	reg_model_init(m, "lamgiang.example");
	reg_model_put_domain(m, CV_STR("lamgiang.example"), CV_STR(""));
	reg_model_put_domain(m, CV_STR("trason.example"), CV_STR("lamgiang.example"));
	reg_model_put_domain(m, CV_STR("trial.example"), CV_STR(""));
	struct reg_agency *g = reg_agency_new(CV_STR("stp"));
	reg_agency_set(g, AG_NAME, CV_STR("Sở Tư pháp"));
	g->rank = 5;
	reg_model_put_agency(m, g);
	struct reg_account *duyen = add(m, 1, CV_KIND_PERSON, "dtduyen.stp@lamgiang.example",
		"Đặng Thị Duyên");
	duyen->secret.version = 3;
	snprintf(duyen->secret.argon, sizeof duyen->secret.argon, "$argon2id$x");
	struct reg_account *hoa = add(m, 2, CV_KIND_PERSON, "nvhoa.stp@lamgiang.example",
		"Nguyễn Văn Hoà");
	hoa->state = CV_STATE_SUSPENDED;
	reg_list_add(&hoa->delegates, BASE + 1);
	struct reg_account *clerk = add(m, 3, CV_KIND_ROLE, "vanthu.stp@lamgiang.example",
	                                "Văn thư");
	reg_list_add(&clerk->members, BASE + 1);
	struct reg_account *group = add(m, 5, CV_KIND_GROUP, "tatca.stp@lamgiang.example",
	                                "Tất cả");
	reg_list_add(&group->members, BASE + 1);
	reg_list_add(&group->members, BASE + 2);
	reg_list_add(&group->members, BASE + 99); /* nobody */
	reg_list_add(&group->posters, BASE + 1);
	reg_route_of(group)->post = CV_POST_NAMED;
	reg_route_set(group->route, RT_OWNER, CV_STR("dtduyen.stp@lamgiang.example"));
	reg_target_put(group, &(struct reg_target){ .kind = CV_TARGET_MEMBER, .until_secs = 5,
		.address = (char[]){ "x@far.example" } });
	struct reg_account *gone = add(m, 8, CV_KIND_PERSON, "lvcu.stp@lamgiang.example",
	                               "Lê Văn Cũ");
	gone->state = CV_STATE_RETIRED;
	add(m, 9, CV_KIND_ROLE, "postmaster@lamgiang.example", "Quản trị thư");
	reg_model_put_address(m, CV_STR("duyen@lamgiang.example"),
		&(struct reg_address){ .type = REG_ALIAS, .acct = BASE + 1 });
	reg_model_put_address(m, CV_STR("old@lamgiang.example"),
		&(struct reg_address){ .type = REG_HISTORY, .acct = BASE + 8 });
	/* From before trason.example became an alias: the same local part meant somebody else. */
	reg_model_put_address(m, CV_STR("lvcu.stp@trason.example"),
		&(struct reg_address){ .type = REG_ALIAS, .acct = BASE + 1 });
	reg_model_put_address(m, CV_STR("cu@lamgiang.example"),
		&(struct reg_address){ .type = REG_ALIAS, .acct = BASE + 1 });
	reg_model_put_address(m, CV_STR("cu@trason.example"),
		&(struct reg_address){ .type = REG_HISTORY, .acct = BASE + 8 });
}

static struct cv_snapshot *
built(struct cv_buf *snap, struct cv_buf *secret)
{
	struct reg_model m;
	small_province(&m);
	cv_buf_init(snap, SNAP_BYTES_MAX);
	cv_buf_init(secret, SNAP_BYTES_MAX);
	snap_build(&m, 7, dummy, snap, secret);
	reg_model_done(&m);
	struct cv_err err = {0};
	struct cv_snapshot *s = NULL;
	if (snap_open_bytes(cv_buf_view(snap), cv_buf_view(secret), true, &s, &err))
		fail_msg("%s", err.text);
	return s;
}

static void
test_find__answers_for_every_way_to_write_an_address(void **state)
{
	(void)state;
	static const struct {
		const char *address;
		enum cv_reg_found found;
		unsigned acct;
		bool by_alias;
	} rows[] = {
		{ "dtduyen.stp@lamgiang.example",      CV_REG_ACCOUNT,  1, false },
		{ "DTDuyen.STP@LamGiang.Example",      CV_REG_ACCOUNT,  1, false },
		{ "dtduyen.stp@lamgiang.example.",     CV_REG_ACCOUNT,  1, false },
		{ "\"dtduyen.stp\"@lamgiang.example",  CV_REG_ACCOUNT,  1, false },
		{ "dtduyen.stp@trason.example",        CV_REG_ACCOUNT,  1, true },
		{ "duyen@lamgiang.example",            CV_REG_ACCOUNT,  1, true },
		{ "lvcu.stp@trason.example",          CV_REG_ACCOUNT,  1, true },
		{ "cu@trason.example",                 CV_REG_NONE,     0, false },
		{ "nvhoa.stp@lamgiang.example",        CV_REG_ACCOUNT,  2, false },
		{ "lvcu.stp@lamgiang.example",         CV_REG_ACCOUNT,  8, false },
		{ "tatca.stp@trason.example",          CV_REG_GROUP,    5, true },
		{ "Postmaster@trial.example",          CV_REG_ACCOUNT,  9, false },
		{ "dtduyen.stp@trial.example",         CV_REG_NONE,     0, false },
		{ "old@lamgiang.example",              CV_REG_NONE,     0, false },
		{ "nobody@lamgiang.example",           CV_REG_NONE,     0, false },
		{ "@lamgiang.example",                 CV_REG_NONE,     0, false },
		{ "a@b@lamgiang.example",              CV_REG_NONE,     0, false },
		{ "dtduyen.stp@gmail.com",             CV_REG_NOT_OURS, 0, false },
		{ "dtduyen.stp",                       CV_REG_NOT_OURS, 0, false },
		{ "dtduyen.stp@",                      CV_REG_NOT_OURS, 0, false },
		{ "",                                  CV_REG_NOT_OURS, 0, false },
	};
	struct cv_buf snap, secret;
	struct cv_snapshot *s = built(&snap, &secret);
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(s, cv_str_z(rows[i].address), &hit);
		uint64_t want = rows[i].acct ? BASE + rows[i].acct : 0;
		if (hit.found != rows[i].found || hit.account.acct != want ||
		    hit.by_alias != rows[i].by_alias) {
			print_error("%s: found %d acct %llx alias %d\n", rows[i].address, hit.found,
				(unsigned long long)hit.account.acct, hit.by_alias);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	cv_snapshot_unref(s);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
}

static void
test_snapshot__gives_back_what_the_model_held(void **state)
{
	(void)state;
	struct cv_buf snap, secret;
	struct cv_snapshot *s = built(&snap, &secret);
	assert_int_equal(cv_snapshot_generation(s), 7);
	assert_int_equal(cv_snapshot_accounts(s), 6);
	assert_int_equal(cv_snapshot_domains(s), 3);
	assert_true(cv_snapshot_has_domain(s, CV_STR("TRASON.example")));
	assert_false(cv_snapshot_has_domain(s, CV_STR("example")));
	assert_true(cv_str_eq_z(cv_snapshot_default_domain(s), "lamgiang.example"));
	struct cv_reg_account a;
	assert_true(cv_snapshot_account(s, BASE + 1, &a));
	assert_true(cv_str_eq_z(a.display_name, "Đặng Thị Duyên"));
	assert_int_equal(a.quota_bytes, 1001);
	assert_true(a.listed);
	assert_false(cv_snapshot_account(s, BASE + 4, &a));
	struct cv_reg_agency g;
	assert_true(cv_snapshot_agency(s, CV_STR("stp"), &g));
	assert_true(cv_str_eq_z(g.name, "Sở Tư pháp"));
	assert_false(cv_snapshot_agency(s, CV_STR("snv"), &g));
	cv_acct_no members[1];
	assert_int_equal(cv_snapshot_members(s, BASE + 5, members, 1), 2);
	assert_int_equal(members[0], BASE + 1);
	struct cv_reg_route route;
	struct cv_reg_target target;
	assert_true(cv_snapshot_route(s, BASE + 5, &route));
	assert_int_equal(route.post, CV_POST_NAMED);
	assert_true(cv_snapshot_target(s, BASE + 5, 0, &target));
	assert_int_equal(target.until_secs, 5);
	assert_true(cv_snapshot_is_poster(s, BASE + 5, BASE + 1));
	assert_false(cv_snapshot_route(s, BASE + 1, &route));
	const struct snap_secret *found;
	assert_true(cv_snapshot_secret(s, BASE + 1, &found));
	assert_int_equal(found->version, 3);
	assert_false(cv_snapshot_secret(s, BASE + 2, &found));
	assert_memory_equal(cv_snapshot_dummy_key(s), dummy, 32);
	cv_snapshot_unref(s);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
}

static void
test_ADR_05__holders_and_delegates_may_send_as(void **state)
{
	(void)state;
	static const struct {
		unsigned acct;
		const char *local;
		bool want;
	} rows[] = {
		{ 1, "dtduyen.stp", true },  { 1, "duyen", true },       { 1, "vanthu.stp", true },
		{ 1, "tatca.stp", false },   { 2, "vanthu.stp", false }, { 2, "dtduyen.stp", false },
		{ 1, "nvhoa.stp", false /* delegated, but suspended */ }, { 8, "lvcu.stp", false },
		{ 1, "nobody", false },
	};
	struct cv_buf snap, secret;
	struct cv_snapshot *s = built(&snap, &secret);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_snapshot_may_send_as(s, BASE + rows[i].acct, cv_str_z(rows[i].local),
				CV_STR("trason.example")) != rows[i].want)
			fail_msg("%u as %s", rows[i].acct, rows[i].local);
	cv_snapshot_unref(s);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
}

static void
test_links__are_found_from_the_member_too(void **state)
{
	(void)state;
	struct reg_model m;
	struct cv_buf snap = CV_BUF_INIT(SNAP_BYTES_MAX), secret = CV_BUF_INIT(SNAP_BYTES_MAX);
	struct cv_err err = {0};
	struct cv_snapshot *s;
	cv_acct_no list[8];

	small_province(&m);
	struct reg_account *outer = add(&m, 10, CV_KIND_GROUP, "khoi@lamgiang.example", "Khối");
	struct reg_account *loop = add(&m, 11, CV_KIND_GROUP, "vong@lamgiang.example", "Vòng");
	reg_list_add(&outer->members, BASE + 5);
	reg_list_add(&outer->members, BASE + 11);
	reg_list_add(&loop->members, BASE + 10); /* the register allows none; a file may have it */
	reg_list_add(&loop->members, BASE + 3);  /* who holds the box is not in the group for it */
	snap_build(&m, 7, dummy, &snap, &secret);
	reg_model_done(&m);
	assert_int_equal(snap_open_bytes(cv_buf_view(&snap), cv_buf_view(&secret), true, &s, &err),
		CV_OK);
	assert_int_equal(cv_snapshot_memberships(s, BASE + 1, list, 8), 2);
	assert_true(list[0] == BASE + 3 && list[1] == BASE + 5);
	assert_int_equal(cv_snapshot_memberships(s, BASE + 1, list, 1), 2);
	assert_int_equal(cv_snapshot_memberships(s, BASE + 8, list, 8), 0);
	assert_int_equal(cv_snapshot_memberships(s, BASE + 99, list, 8), 0);
	assert_int_equal(cv_snapshot_all_memberships(s, BASE + 1, list, 8), 4);
	assert_true(list[0] == BASE + 3 && list[1] == BASE + 5 && list[2] == BASE + 10 &&
		list[3] == BASE + 11);
	assert_int_equal(cv_snapshot_all_memberships(s, BASE + 1, list, 1), 1);
	assert_int_equal(cv_snapshot_all_memberships(s, BASE + 8, list, 8), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_true(cv_snapshot_is_member(s, i ? BASE + 10 : BASE + 3, BASE + 1));
	assert_int_equal(cv_snapshot_delegations(s, BASE + 1, list, 8), 1);
	assert_true(list[0] == BASE + 2);
	assert_int_equal(cv_snapshot_delegations(s, BASE + 2, list, 8), 0);
	cv_snapshot_unref(s);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
}

static void
test_snapshot__refuses_every_flipped_byte_and_every_cut(void **state)
{
	(void)state;
	struct cv_buf snap, secret;
	cv_snapshot_unref(built(&snap, &secret));
	struct cv_snapshot *s;
	struct cv_err err;
	for (size_t i = 0; i < snap.n; i++) {
		snap.p[i] = (char)(snap.p[i] ^ 0x40);
		assert_int_equal(snap_open_bytes(cv_buf_view(&snap), CV_STR_EMPTY, true, &s, &err),
			CV_CORRUPT);
		snap.p[i] = (char)(snap.p[i] ^ 0x40);
	}
	for (size_t n = 0; n < snap.n; n += 7)
		assert_int_equal(snap_open_bytes(cv_str(snap.p, n), CV_STR_EMPTY, true, &s, &err),
			CV_CORRUPT);
	for (size_t i = 0; i < secret.n; i++) {
		secret.p[i] = (char)(secret.p[i] ^ 1);
		assert_int_equal(snap_open_bytes(cv_buf_view(&snap), cv_buf_view(&secret), true, &s,
		                                 &err),
		                 CV_CORRUPT);
		secret.p[i] = (char)(secret.p[i] ^ 1);
	}
	cv_buf_done(&snap);
	cv_buf_done(&secret);
}

/* Past the checksum a damaged file is either refused or answers without leaving its bytes; the
 * sanitizer watches. */
static void
test_snapshot__lookups_stay_inside_a_hostile_file(void **state)
{
	(void)state;
	struct cv_buf snap, secret;
	cv_snapshot_unref(built(&snap, &secret));
	unsigned accepted = 0;
	for (size_t i = 0; i < snap.n; i++) {
		for (unsigned bit = 0; bit < 8; bit += 7) {
			char *copy = cv_malloc(snap.n);
			memcpy(copy, snap.p, snap.n);
			copy[i] = (char)(copy[i] ^ (1 << bit));
			struct cv_snapshot *s;
			struct cv_err err;
			if (snap_open_bytes(cv_str(copy, snap.n), CV_STR_EMPTY, false, &s, &err) ==
			    CV_OK) {
				struct cv_reg_hit hit;
				accepted++;
				cv_snapshot_find_address(s, CV_STR("duyen@trason.example"), &hit);
				cv_snapshot_may_send_as(s, BASE + 1, CV_STR("vanthu.stp"),
				                        CV_STR("trason.example"));
				cv_snapshot_unref(s);
			}
			free(copy);
		}
	}
	assert_true(accepted > 0);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
}

static void
test_register__maps_the_newest_and_keeps_it_when_the_next_is_bad(void **state)
{
	(void)state;
	char dir[] = "/tmp/cv_register_XXXXXX", path[200];
	assert_non_null(mkdtemp(dir));
	struct cv_err err = {0};
	struct cv_register *r;
	assert_int_equal(cv_register_open(dir, true, &r, &err), CV_OK);
	const struct cv_snapshot *s = cv_register_get(r);
	struct cv_reg_hit hit;
	cv_snapshot_find_address(s, CV_STR("a@lamgiang.example"), &hit);
	assert_int_equal(hit.found, CV_REG_NOT_OURS);
	assert_int_equal(cv_snapshot_generation(s), 0);
	cv_snapshot_unref(s);

	struct cv_buf snap, secret;
	cv_snapshot_unref(built(&snap, &secret));
	assert_int_equal(snap_write(dir, cv_buf_view(&snap), cv_buf_view(&secret), &err), CV_OK);
	struct stat st;
	snprintf(path, sizeof path, "%s/register.secret", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	cv_register_refresh(r);
	s = cv_register_get(r);
	assert_int_equal(cv_snapshot_generation(s), 7);

	snap.p[snap.n - 1] = (char)(snap.p[snap.n - 1] ^ 1);
	assert_int_equal(snap_write(dir, cv_buf_view(&snap), cv_buf_view(&secret), &err), CV_OK);
	cv_register_refresh(r);
	const struct cv_snapshot *again = cv_register_get(r);
	assert_ptr_equal(again, s);
	cv_snapshot_unref(again);
	cv_snapshot_unref(s);
	struct cv_register *other;
	assert_int_equal(cv_register_open(dir, false, &other, &err), CV_CORRUPT);
	cv_register_close(r);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
	unlink(path);
	snprintf(path, sizeof path, "%s/register.snap", dir);
	unlink(path);
	rmdir(dir);
}

/* IMP-06: 12,077 people in less than 10 MB, checked and ready in a few milliseconds. The limit here
 * is loose because sanitizers and neighbours slow the machine; the figure is printed. */
static void
test_IMP_06__a_whole_province_fits_and_loads_quickly(void **state)
{
	(void)state;
	struct reg_model m;
	reg_model_init(&m, "lamgiang.example");
	reg_model_put_domain(&m, CV_STR("lamgiang.example"), CV_STR(""));
	for (unsigned n = 1; n <= 12077; n++) {
		char address[64], name[64];
		snprintf(address, sizeof address, "nv%u.stp@lamgiang.example", n);
		snprintf(name, sizeof name, "Nguyễn Văn Số %u", n);
		struct reg_account *a = add(&m, n, CV_KIND_PERSON, address, name);
		reg_account_set(a, T_TITLE, CV_STR("Chuyên viên chính"));
		reg_account_set(a, T_DEPARTMENT, CV_STR("Phòng Văn hóa - Xã hội"));
		reg_account_set(a, T_PHONE_OFFICE, CV_STR("0275 3 822 100"));
		a->secret.version = 1;
	}
	struct cv_buf snap = CV_BUF_INIT(SNAP_BYTES_MAX), secret = CV_BUF_INIT(SNAP_BYTES_MAX);
	int64_t start = cv_mono_us();
	snap_build(&m, 1, dummy, &snap, &secret);
	int64_t built_us = cv_mono_us() - start;
	assert_true(snap.n + secret.n < 10u << 20);
	struct cv_snapshot *s;
	struct cv_err err = {0};
	start = cv_mono_us();
	assert_int_equal(snap_open_bytes(cv_buf_view(&snap), cv_buf_view(&secret), true, &s, &err),
		CV_OK);
	int64_t opened_us = cv_mono_us() - start;
	print_message("build %lld us, open %lld us, %zu + %zu bytes\n", (long long)built_us,
		(long long)opened_us, snap.n, secret.n);
	assert_true(opened_us < 500000);
	struct cv_reg_hit hit;
	cv_snapshot_find_address(s, CV_STR("nv12077.stp@lamgiang.example"), &hit);
	assert_int_equal(hit.account.acct, BASE + 12077);
	cv_snapshot_unref(s);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
	reg_model_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find__answers_for_every_way_to_write_an_address),
		cmocka_unit_test(test_snapshot__gives_back_what_the_model_held),
		cmocka_unit_test(test_ADR_05__holders_and_delegates_may_send_as),
		cmocka_unit_test(test_links__are_found_from_the_member_too),
		cmocka_unit_test(test_snapshot__refuses_every_flipped_byte_and_every_cut),
		cmocka_unit_test(test_snapshot__lookups_stay_inside_a_hostile_file),
		cmocka_unit_test(test_register__maps_the_newest_and_keeps_it_when_the_next_is_bad),
		cmocka_unit_test(test_IMP_06__a_whole_province_fits_and_loads_quickly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
