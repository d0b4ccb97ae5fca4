/* reorganise_test.c - plans over a real register: what they decide, refuse, and change. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/register/registry.h"
#include "tests/unit/common/register/registry_kit.h"

/* Three communes, two of them of one name; a department; the old province's domain. */
static int
setup_province(void **state)
{
	setup(state);
	must("{\"do\":\"domain.add\",\"domain\":\"trason.example\"}");
	must("{\"do\":\"agency.add\",\"agencies\":["
		"{\"code\":\"ubnd\",\"name\":\"UBND tỉnh\",\"type\":\"ubnd\",\"rank\":1},"
		"{\"code\":\"xtanlap\",\"name\":\"Xã Tân Lập\",\"parent\":\"ubnd\",\"type\":\"xa\",\"mailbox\":true},"
		"{\"code\":\"xtanlap2\",\"name\":\"Xã Tân Lập\",\"parent\":\"ubnd\",\"type\":\"xa\","
		"\"address\":\"xtanlap2@trason.example\",\"mailbox\":true},"
		"{\"code\":\"xbinhhai\",\"name\":\"Xã Bình Hải\",\"parent\":\"ubnd\",\"type\":\"xa\",\"mailbox\":true},"
		"{\"code\":\"trambinh\",\"name\":\"Trạm Bình Hải\",\"parent\":\"xbinhhai\",\"type\":\"dvsn\"},"
		"{\"code\":\"stnmt\",\"name\":\"Sở Tài nguyên\",\"parent\":\"ubnd\",\"type\":\"so\"}]}");
	static const char *const people[][3] = {
		{ "Nguyễn Văn An", "xtanlap", "" },
		{ "Nguyễn Văn An", "xtanlap", "" },
		{ "Nguyễn Văn An", "xtanlap2", "nvan.xtanlap2@trason.example" },
		{ "Lê Thị Hoa", "xtanlap2", "lthoa.xtanlap2@trason.example" },
		{ "Lê Thị Hoa", "xbinhhai", "" },
		{ "Trần Văn Bình", "trambinh", "" },
		{ "Đặng Thị Duyên", "stnmt", "" },
	};
	for (size_t i = 0; i < CV_COUNT(people); i++) {
		char text[400];
		snprintf(text, sizeof text,
			"{\"do\":\"account.add\",\"name\":\"%s\",\"agency\":\"%s\","
			"\"address\":\"%s\",\"no_password\":true}",
			people[i][0], people[i][1], people[i][2]);
		must(text);
	}
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"vanthu\",\"agency\":\"xtanlap\","
		"\"name\":\"Văn thư Xã Tân Lập\"}");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"address\":\"vanthu.xtanlap2@trason.example\","
		"\"agency\":\"xtanlap2\",\"name\":\"Văn thư Xã Tân Lập\"}");
	must("{\"do\":\"role.hold\",\"role\":\"vanthu.xtanlap2@trason.example\","
		"\"holder\":\"lthoa.xtanlap2@trason.example\"}");
	return 0;
}

static struct cv_reg_hit
found(const char *address)
{
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_hit hit;
	cv_snapshot_find_address(s, cv_str_z(address), &hit);
	cv_snapshot_unref(s);
	return hit;
}

static uint64_t
number_of(const char *address)
{
	return found(address).account.acct & 0xffffff;
}

static json_t *
plan(const char *acts, const char *more)
{
	char text[8000];
	json_t *reply;
	struct cv_err err = {0};
	snprintf(text, sizeof text, "{\"do\":\"reorganise.apply\",\"title\":\"Nghị quyết 1\",\"acts\":[%s]%s}",
		acts, more);
	if (ask(text, &reply, &err))
		fail_msg("%s: %s", acts, err.text);
	return reply;
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "(none)";
}

#define MERGE "{\"act\":\"merge\",\"line\":3,\"from\":[\"xtanlap\",\"xtanlap2\",\"xbinhhai\"]," \
	"\"into\":\"xtanlap\",\"name\":\"Xã Tân Lập\",\"old_boxes\":\"read\",\"holders\":\"all\"}"
#define DOMAIN "{\"act\":\"domain\",\"line\":9,\"domain\":\"trason.example\"," \
	"\"alias_of\":\"lamgiang.example\"}"
#define RENAME "{\"act\":\"rename\",\"line\":12,\"unit\":\"stnmt\",\"code\":\"snnmt\"," \
	"\"name\":\"Sở Nông nghiệp và Môi trường\"}"

static void
mig_01_a_merger_gives_everybody_one_new_address_and_keeps_the_old(void **state)
{
	(void)state;
	uint64_t an = number_of("nvan.xtanlap2@trason.example");
	uint64_t hoa = number_of("lthoa.xtanlap2@trason.example");
	uint64_t clerk = number_of("vanthu.xtanlap");
	(void)clerk;
	json_t *reply = plan(MERGE "," DOMAIN "," RENAME, "");
	assert_int_equal(json_array_size(json_object_get(reply, "problems")), 0);
	json_decref(reply);
	static const struct { const char *address, *primary; bool by_alias; } rows[] = {
		{ "nvan.xtanlap@lamgiang.example", "nvan.xtanlap@lamgiang.example", false },
		{ "nvan2.xtanlap@lamgiang.example", "nvan2.xtanlap@lamgiang.example", false },
		{ "nvan.xtanlap2@trason.example", "nvan3.xtanlap@lamgiang.example", true },
		{ "lthoa.xtanlap2@trason.example", "lthoa.xtanlap@lamgiang.example", true },
		{ "lthoa.xtanlap@lamgiang.example", "lthoa.xtanlap@lamgiang.example", false },
		{ "lthoa.xbinhhai@lamgiang.example", "lthoa2.xtanlap@lamgiang.example", true },
		{ "tvbinh.trambinh@lamgiang.example", "tvbinh.trambinh@lamgiang.example", false },
		{ "dtduyen.stnmt@lamgiang.example", "dtduyen.snnmt@lamgiang.example", true },
		{ "vanthu.xtanlap2@trason.example", "vanthu.xtanlap@lamgiang.example", true },
		{ "luu-vanthu.xtanlap2@lamgiang.example", "luu-vanthu.xtanlap2@lamgiang.example", false },
		{ "xtanlap2@trason.example", "xtanlap@lamgiang.example", true },
		{ "xbinhhai@lamgiang.example", "xtanlap@lamgiang.example", true },
		/* The whole domain is an alias now. */
		{ "dtduyen.snnmt@trason.example", "dtduyen.snnmt@lamgiang.example", true },
	};
	for (int again = 0; again < 2; again++) {
		unsigned failed = 0;
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			struct cv_reg_hit hit = found(rows[i].address);
			if (hit.found != CV_REG_ACCOUNT ||
			    !cv_str_eq_z(hit.account.address, rows[i].primary) ||
			    hit.by_alias != rows[i].by_alias) {
				print_error("%s: %.*s\n", rows[i].address,
					CV_STR_ARGS(hit.account.address));
				failed++;
			}
		}
		assert_int_equal(failed, 0);
		close_all();
		open_all();
	}
	/* The same people behind them. */
	assert_int_equal(number_of("nvan3.xtanlap@lamgiang.example"), an);
	assert_int_equal(number_of("lthoa.xtanlap@lamgiang.example"), hoa);
	/* Who kept the old clerk's box keeps the new one. */
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_agency g;
	assert_true(cv_snapshot_is_member(s, found("vanthu.xtanlap@lamgiang.example").account.acct,
		found("lthoa.xtanlap@lamgiang.example").account.acct));
	assert_false(cv_snapshot_agency(s, CV_STR("xtanlap2"), &g));
	assert_false(cv_snapshot_agency(s, CV_STR("stnmt"), &g));
	assert_true(cv_snapshot_agency(s, CV_STR("trambinh"), &g));
	assert_true(cv_str_eq_z(g.parent, "xtanlap"));
	assert_true(cv_snapshot_agency(s, CV_STR("snnmt"), &g));
	assert_true(cv_str_eq_z(g.name, "Sở Nông nghiệp và Môi trường"));
	cv_snapshot_unref(s);
	/* Codes are never given again. */
	refused("{\"do\":\"agency.add\",\"code\":\"stnmt\",\"name\":\"Sở khác\"}", CV_EXISTS);
}

static void
mig_01_a_dry_run_tells_all_and_changes_nothing(void **state)
{
	(void)state;
	json_t *reply = plan(MERGE "," DOMAIN, ",\"dry_run\":true");
	json_t *people = json_object_get(reply, "people"), *one;
	size_t i, collisions = 0;
	assert_int_equal(json_array_size(people), 5);
	json_array_foreach(people, i, one) {
		json_t *collision = json_object_get(one, "collision");
		if (!collision)
			continue;
		collisions++;
		assert_true(json_string_length(json_object_get(collision, "wanted")) > 0);
	}
	assert_int_equal(collisions, 2);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(reply, "counts"),
		"boxes_closed")), 3);
	assert_int_equal(found("nvan.xtanlap2@trason.example").by_alias, false);
	/* What was shown is what is done, or it is not done. */
	char more[200];
	snprintf(more, sizeof more, ",\"expect\":\"%s\"", text_of(reply, "fingerprint"));
	json_decref(reply);
	must("{\"do\":\"account.add\",\"name\":\"Vũ Thị Mai\",\"agency\":\"xbinhhai\","
		"\"no_password\":true}");
	char text[4000];
	snprintf(text, sizeof text, "{\"do\":\"reorganise.apply\",\"acts\":[%s]%s}",
		MERGE "," DOMAIN, more);
	refused(text, CV_CONFLICT);
	assert_int_equal(found("nvan.xtanlap2@trason.example").by_alias, false);
}

static void
mig_01_what_a_plan_leaves_open_is_refused_with_the_line_to_write(void **state)
{
	(void)state;
	must("{\"do\":\"account.set\",\"address\":\"nvan.xtanlap\",\"title\":\"Chủ tịch UBND xã\"}");
	must("{\"do\":\"account.set\",\"address\":\"lthoa.xbinhhai\",\"title\":\"Chủ tịch UBND xã\"}");
	static const struct { const char *acts, *propose; } rows[] = {
		{ "{\"act\":\"merge\",\"from\":[\"xtanlap\",\"xbinhhai\"],\"into\":\"xmoi\","
		  "\"old_boxes\":\"read\",\"holders\":\"all\",\"boxes_of\":\"xtanlap\"}", "tên = ..." },
		{ "{\"act\":\"merge\",\"from\":[\"xtanlap\",\"xbinhhai\"],\"into\":\"xmoi\",\"name\":\"Xã Mới\","
		  "\"old_boxes\":\"read\",\"holders\":\"all\",\"head\":\"none\"}", "giữ hộp của = ..." },
		{ "{\"act\":\"merge\",\"from\":[\"xtanlap\",\"xbinhhai\"],\"into\":\"xtanlap\","
		  "\"holders\":\"all\",\"head\":\"none\"}", "hộp cũ = để đọc" },
		{ "{\"act\":\"merge\",\"from\":[\"xtanlap\",\"xbinhhai\"],\"into\":\"xtanlap\","
		  "\"old_boxes\":\"read\",\"head\":\"none\"}", "người giữ hộp = tất cả" },
		{ "{\"act\":\"merge\",\"from\":[\"xtanlap\",\"xbinhhai\"],\"into\":\"xtanlap\","
		  "\"old_boxes\":\"read\",\"holders\":\"all\"}", "đứng đầu = nvan.xtanlap@lamgiang.example" },
		{ "{\"act\":\"dissolve\",\"unit\":\"stnmt\"}", "chuyển về = ..." },
		{ "{\"act\":\"rename\",\"unit\":\"stnmt\"}", "tên mới = ..." },
		/* MIG-04: two communes of one name are told apart by their codes. */
		{ "{\"act\":\"rename\",\"unit\":\"Xã Tân Lập\",\"name\":\"Xã Khác\"}", "xtanlap2" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		json_t *reply = plan(rows[i].acts, ",\"dry_run\":true");
		json_t *problems = json_object_get(reply, "problems"), *one;
		size_t k;
		bool is_there = false;
		json_array_foreach(problems, k, one)
			is_there |= strstr(text_of(one, "propose"), rows[i].propose) != NULL;
		if (!is_there || json_array_size(problems) != 1)
			fail_msg("row %zu: %zu problems, not %s", i, json_array_size(problems),
				rows[i].propose);
		json_decref(reply);
		char text[2000];
		snprintf(text, sizeof text, "{\"do\":\"reorganise.apply\",\"acts\":[%s]}",
			rows[i].acts);
		refused(text, CV_INVALID);
	}
}

static json_int_t
act_of(json_t *reply)
{
	json_int_t act = json_integer_value(json_object_get(reply, "act"));
	json_decref(reply);
	assert_true(act > 0);
	return act;
}

static json_t *
back(json_int_t act, const char *more)
{
	char text[200];
	json_t *reply;
	struct cv_err err = {0};
	snprintf(text, sizeof text, "{\"do\":\"reorganise.rollback\",\"id\":%lld%s}",
		(long long)act, more);
	if (ask(text, &reply, &err))
		fail_msg("%s: %s", text, err.text);
	return reply;
}

static void
mig_01_administrators_of_closed_units_follow_as_the_plan_says(void **state)
{
	(void)state;
	static const struct { const char *word, *name, *agency; } rows[] = {
		{ "all", "lthoa2.xtanlap@lamgiang.example", "xtanlap" }, { "keep", NULL, NULL },
	};
	must("{\"do\":\"admin.add\",\"admin\":\"lthoa.xbinhhai\",\"role\":\"agency\","
		"\"agency\":\"xbinhhai\"}");
	json_t *reply = plan(MERGE "," DOMAIN, ",\"dry_run\":true");
	json_t *open = json_array_get(json_object_get(reply, "problems"), 0);
	assert_string_equal(text_of(open, "propose"), "quản trị = giữ nguyên");
	json_decref(reply);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char more[60];
		struct cv_err err = {0};
		snprintf(more, sizeof more, ",\"admins\":\"%s\"", rows[i].word);
		json_int_t act = act_of(plan(MERGE "," DOMAIN, more));
		assert_int_equal(ask("{\"do\":\"admin.list\"}", &reply, &err), CV_OK);
		json_t *one = json_array_get(json_object_get(reply, "admins"), 0);
		size_t left = json_array_size(json_object_get(reply, "admins"));
		assert_int_equal(left, rows[i].name != NULL);
		if (rows[i].name) {
			assert_string_equal(text_of(one, "admin"), rows[i].name);
			assert_string_equal(text_of(one, "agency"), rows[i].agency);
		}
		json_decref(reply);
		json_decref(back(act, ""));
		assert_int_equal(ask("{\"do\":\"admin.list\"}", &reply, &err), CV_OK);
		one = json_array_get(json_object_get(reply, "admins"), 0);
		assert_string_equal(text_of(one, "admin"), "lthoa.xbinhhai@lamgiang.example");
		assert_string_equal(text_of(one, "agency"), "xbinhhai");
		json_decref(reply);
	}
}

static void
mig_04_communes_of_one_name_live_beside_each_other(void **state)
{
	(void)state;
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_agency a, b;
	assert_true(cv_snapshot_agency(s, CV_STR("xtanlap"), &a));
	assert_true(cv_snapshot_agency(s, CV_STR("xtanlap2"), &b));
	assert_true(cv_str_eq(a.name, b.name));
	cv_snapshot_unref(s);
	/* One of them takes another name: the other stays. */
	json_decref(plan("{\"act\":\"rename\",\"unit\":\"xtanlap2\",\"name\":\"Xã Tân Lập Đông\"}", ""));
	s = cv_register_get(reg);
	assert_true(cv_snapshot_agency(s, CV_STR("xtanlap"), &a));
	assert_true(cv_str_eq_z(a.name, "Xã Tân Lập"));
	assert_true(cv_snapshot_agency(s, CV_STR("xtanlap2"), &b));
	assert_true(cv_str_eq_z(b.name, "Xã Tân Lập Đông"));
	cv_snapshot_unref(s);
	/* The box is called after it, the address stays. */
	assert_true(cv_str_eq_z(found("vanthu.xtanlap2@trason.example").account.display_name,
		"Văn thư Xã Tân Lập Đông"));
}

static void
mig_01_a_part_of_a_unit_becomes_a_unit(void **state)
{
	(void)state;
	must("{\"do\":\"account.set\",\"address\":\"nvan2.xtanlap\",\"department\":\"Phòng Kinh tế\"}");
	json_t *reply = plan("{\"act\":\"split\",\"unit\":\"xtanlap\",\"into\":\"kttanlap\","
		"\"name\":\"Trung tâm Kinh tế\",\"type\":\"dvsn\",\"parent\":\"xtanlap\","
		"\"departments\":[\"phong kinh te\"],\"new_boxes\":[\"agency\",\"vanthu\"]},"
		"{\"act\":\"move\",\"unit\":\"trambinh\",\"parent\":\"kttanlap\"},"
		"{\"act\":\"title\",\"of\":\"nvan2.xtanlap\",\"title\":\"Giám đốc\"},"
		"{\"act\":\"address\",\"of\":\"nvan.xtanlap\",\"new\":\"an.xtanlap\"}", "");
	json_decref(reply);
	struct cv_reg_hit hit = found("nvan2.xtanlap@lamgiang.example");
	assert_true(cv_str_eq_z(hit.account.address, "nvan2.kttanlap@lamgiang.example"));
	assert_true(cv_str_eq_z(hit.account.title, "Giám đốc"));
	assert_int_equal(hit.account.rank, 20);
	assert_int_equal(found("vanthu.kttanlap@lamgiang.example").found, CV_REG_ACCOUNT);
	assert_true(cv_str_eq_z(found("nvan.xtanlap@lamgiang.example").account.address,
		"an.xtanlap@lamgiang.example"));
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_agency g;
	assert_true(cv_snapshot_agency(s, CV_STR("kttanlap"), &g));
	assert_true(cv_str_eq_z(g.address, "kttanlap@lamgiang.example"));
	assert_true(cv_snapshot_agency(s, CV_STR("trambinh"), &g));
	assert_true(cv_str_eq_z(g.parent, "kttanlap"));
	cv_snapshot_unref(s);
}

static void
mig_01_a_rollback_gives_everything_back_and_loses_no_address(void **state)
{
	(void)state;
	json_int_t act = act_of(plan(MERGE "," DOMAIN "," RENAME, ""));
	json_decref(back(act, ""));
	static const struct { const char *address, *primary; } rows[] = {
		{ "nvan.xtanlap2@trason.example", "nvan.xtanlap2@trason.example" },
		{ "nvan3.xtanlap@lamgiang.example", "nvan.xtanlap2@trason.example" },
		{ "lthoa.xbinhhai@lamgiang.example", "lthoa.xbinhhai@lamgiang.example" },
		{ "lthoa2.xtanlap@lamgiang.example", "lthoa.xbinhhai@lamgiang.example" },
		{ "dtduyen.snnmt@lamgiang.example", "dtduyen.stnmt@lamgiang.example" },
		{ "vanthu.xtanlap2@trason.example", "vanthu.xtanlap2@trason.example" },
		{ "xbinhhai@lamgiang.example", "xbinhhai@lamgiang.example" },
	};
	for (int again = 0; again < 2; again++) {
		unsigned failed = 0;
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			struct cv_reg_hit hit = found(rows[i].address);
			if (hit.found != CV_REG_ACCOUNT ||
			    !cv_str_eq_z(hit.account.address, rows[i].primary)) {
				print_error("%s: %.*s\n", rows[i].address,
					CV_STR_ARGS(hit.account.address));
				failed++;
			}
		}
		assert_int_equal(failed, 0);
		close_all();
		open_all();
	}
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_agency g;
	assert_true(cv_snapshot_agency(s, CV_STR("xtanlap2"), &g));
	assert_false(cv_snapshot_agency(s, CV_STR("snnmt"), &g));
	assert_true(cv_snapshot_agency(s, CV_STR("trambinh"), &g));
	assert_true(cv_str_eq_z(g.parent, "xbinhhai"));
	cv_snapshot_unref(s);
	/* It can be done again, with the same addresses. */
	json_decref(plan(MERGE "," DOMAIN "," RENAME, ""));
	assert_true(cv_str_eq_z(found("nvan.xtanlap2@trason.example").account.address,
		"nvan3.xtanlap@lamgiang.example"));
}

static void
mig_01_what_changed_since_stops_a_rollback_or_stays(void **state)
{
	(void)state;
	json_int_t act = act_of(plan(MERGE "," DOMAIN "," RENAME, ""));
	must("{\"do\":\"account.set\",\"address\":\"dtduyen.snnmt\",\"phone_office\":\"0269 3111222\"}");
	must("{\"do\":\"account.add\",\"name\":\"Vũ Thị Mai\",\"agency\":\"snnmt\",\"no_password\":true}");
	char text[200];
	snprintf(text, sizeof text, "{\"do\":\"reorganise.rollback\",\"id\":%lld}", (long long)act);
	refused(text, CV_CONFLICT);
	json_t *reply = back(act, ",\"dry_run\":true"), *rows = json_object_get(reply, "rows");
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(text_of(json_array_get(rows, 0), "name"),
		"dtduyen.snnmt@lamgiang.example");
	assert_string_equal(text_of(json_array_get(rows, 1), "name"), "snnmt");
	json_decref(reply);
	json_decref(back(act, ",\"keep_changed\":true"));
	struct cv_reg_hit duyen = found("dtduyen.snnmt@lamgiang.example");
	assert_true(cv_str_eq_z(duyen.account.address, "dtduyen.stnmt@lamgiang.example"));
	assert_true(cv_str_eq_z(duyen.account.agency, "stnmt"));
	assert_true(cv_str_eq_z(duyen.account.phone_office, "0269 3111222"));
	struct cv_reg_hit mai = found("vtmai.snnmt@lamgiang.example");
	assert_true(cv_str_eq_z(mai.account.agency, "snnmt"));
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_agency g;
	assert_true(cv_snapshot_agency(s, CV_STR("snnmt"), &g));
	assert_true(cv_snapshot_agency(s, CV_STR("stnmt"), &g));
	cv_snapshot_unref(s);
	refused(text, CV_EXISTS);
}

static void
mig_01_a_plan_for_a_later_day_is_carried_out_then(void **state)
{
	(void)state;
	char text[2000];
	json_t *reply;
	struct cv_err err = {0};
	snprintf(text, sizeof text, "{\"do\":\"dated.add\",\"at\":%lld,\"request\":{\"do\":"
		"\"reorganise.apply\",\"title\":\"NQ 1\",\"acts\":[%s]}}",
		(long long)cv_wall_secs() + 86400, MERGE "," DOMAIN "," RENAME);
	must(text);
	must("{\"do\":\"dated.run\"}");
	assert_false(found("dtduyen.stnmt@lamgiang.example").by_alias);
	cv_clock_shift(86401);
	if (ask("{\"do\":\"dated.run\"}", &reply, &err))
		fail_msg("%s", err.text);
	assert_int_equal(json_integer_value(json_object_get(reply, "done")), 1);
	json_decref(reply);
	assert_true(found("dtduyen.stnmt@lamgiang.example").by_alias);
	assert_true(found("nvan.xtanlap2@trason.example").by_alias);
	if (ask("{\"do\":\"undo.list\"}", &reply, &err))
		fail_msg("%s", err.text);
	json_t *act = json_array_get(json_object_get(reply, "acts"), 0);
	assert_string_equal(text_of(act, "action"), "reorganise.apply");
	json_int_t id = json_integer_value(json_object_get(act, "id"));
	json_decref(reply);
	/* `undo` would take addresses away that people have written to since. */
	snprintf(text, sizeof text, "{\"do\":\"undo\",\"id\":%lld}", (long long)id);
	refused(text, CV_DENIED);
	json_decref(back(id, ""));
	assert_false(found("dtduyen.stnmt@lamgiang.example").by_alias);
	must("{\"do\":\"dated.run\"}");
	assert_false(found("dtduyen.stnmt@lamgiang.example").by_alias);
	cv_clock_shift(-86401);
}

static json_t *
alias_report(const char *more)
{
	char text[300];
	json_t *reply;
	struct cv_err err = {0};
	snprintf(text, sizeof text, "{\"do\":\"alias.report\"%s}", more);
	if (ask(text, &reply, &err))
		fail_msg("%s: %s", text, err.text);
	return reply;
}

static void
note_use(const char *alias, int64_t day, unsigned inside, unsigned outside)
{
	char text[400];
	snprintf(text, sizeof text,
		"{\"do\":\"alias.note\",\"rows\":[{\"alias\":\"%s\",\"day\":%lld,\"inside\":%u,\"outside\":%u,\"last\":%lld}]}", alias, (long long)day, inside, outside,
		(long long)day * 86400);
	must(text);
}

static void
mig_02_the_use_of_old_addresses_is_added_up_and_their_end_proposed(void **state)
{
	(void)state;
	int64_t today = (cv_wall_secs() + 7 * 3600) / 86400;
	json_decref(plan(MERGE "," DOMAIN "," RENAME, ""));
	note_use("dtduyen.stnmt@lamgiang.example", today, 2, 3);
	note_use("dtduyen.stnmt@lamgiang.example", today, 0, 1);
	note_use("dtduyen.stnmt@lamgiang.example", today - 40, 0, 9);
	note_use("dtduyen.snnmt@trason.example", today, 0, 1);
	note_use("x@elsewhere.example", today, 1, 1);
	note_use("lthoa.xbinhhai@lamgiang.example", today - 401, 1, 1);
	json_t *reply = alias_report(""), *list = json_object_get(reply, "aliases");
	assert_int_equal(json_array_size(list), 2);
	json_t *one = json_array_get(list, 0);
	assert_string_equal(text_of(one, "alias"), "dtduyen.stnmt@lamgiang.example");
	assert_string_equal(text_of(one, "address"), "dtduyen.snnmt@lamgiang.example");
	assert_int_equal(json_integer_value(json_object_get(one, "inside")), 2);
	assert_int_equal(json_integer_value(json_object_get(one, "outside")), 4);
	assert_int_equal(json_integer_value(json_object_get(one, "total")), 15);
	one = json_array_get(json_object_get(reply, "domains"), 0);
	assert_int_equal(json_integer_value(json_object_get(one, "outside")), 1);
	json_decref(reply);
	reply = alias_report(",\"agency\":\"ubnd\",\"domain\":\"trason.example\",\"only\":\"all\"");
	list = json_object_get(reply, "aliases");
	assert_int_equal(json_array_size(list), 5);
	json_decref(reply);
	reply = alias_report(",\"only\":\"over\"");
	assert_int_equal(json_array_size(json_object_get(reply, "aliases")), 0);
	json_decref(reply);
	/* 24 months later all ends are proposed, and none has come. */
	cv_clock_shift((int64_t)740 * 86400);
	reply = alias_report(",\"only\":\"over\"");
	assert_int_equal(json_array_size(json_object_get(reply, "aliases")), 7);
	json_decref(reply);
	assert_true(found("dtduyen.stnmt@lamgiang.example").by_alias);
	cv_clock_shift(-(int64_t)740 * 86400);
	refused("{\"do\":\"alias.report\",\"only\":\"some\"}", CV_INVALID);
}

static bool
count_use(void *arg, struct cv_str key, struct cv_str value)
{
	size_t *n = arg;
	(void)value;
	*n += key.n > 0;
	return true;
}

static size_t
use_rows(void)
{
	struct cv_err err = {0};
	size_t n = 0;
	assert_int_equal(cv_meta_scan(cv_store_engine(store), cv_acct(CV_CLASS_REGISTER, 2),
				 CV_STR_EMPTY, CV_STR_EMPTY, 0, count_use, &n, &err), CV_OK);
	return n;
}

static void
mig_02_the_use_of_an_alias_nobody_writes_to_any_more_is_forgotten(void **state)
{
	(void)state;
	int64_t today = (cv_wall_secs() + 7 * 3600) / 86400;
	for (unsigned i = 0; i < 30; i++) {
		char alias[100];
		snprintf(alias, sizeof alias, "a%u@lamgiang.example", i);
		note_use(alias, today, 1, 1);
	}
	assert_int_equal(use_rows(), 30);
	cv_clock_shift((int64_t)800 * 86400);
	note_use("b@lamgiang.example", today + 800, 1, 1);
	assert_int_equal(use_rows(), 31); /* over two years are kept */
	cv_clock_shift((int64_t)100 * 86400);
	note_use("b@lamgiang.example", today + 900, 1, 1);
	assert_int_equal(use_rows(), 2);
	cv_clock_shift(-(int64_t)900 * 86400);
}

static void
ask_as(const char *name, enum cv_admin_role role, const char *text)
{
	struct cv_registry_who who = { .role = role };
	struct cv_err err = {0};
	json_t *reply, *request = json_loads(text, 0, NULL);
	snprintf(who.name, sizeof who.name, "%s", name);
	if (cv_registry_do_as(registry, &who, request, NULL, NULL, &reply, &err))
		fail_msg("%s: %s", text, err.text);
	json_decref(request);
	json_decref(reply);
}

static void
sec_07_a_merger_gives_who_reads_for_a_day_no_other_box(void **state)
{
	(void)state;
	json_t *reply;
	struct cv_err err = {0};
	must("{\"do\":\"admin.add\",\"admin\":\"unix:an\",\"role\":\"auditor\"}");
	must("{\"do\":\"admin.add\",\"admin\":\"unix:ba\",\"role\":\"operator\"}");
	must("{\"do\":\"delegate.add\",\"owner\":\"vanthu.xtanlap2@trason.example\","
		"\"delegate\":\"lthoa.xbinhhai\",\"rights\":\"read\"}");
	ask_as("unix:an", CV_ROLE_AUDITOR, "{\"do\":\"breakglass.request\",\"account\":"
		"\"vanthu.xtanlap2@trason.example\",\"reader\":\"dtduyen.stnmt\",\"reason\":\"x\","
		"\"letter\":\"1\"}");
	ask_as("unix:ba", CV_ROLE_OPERATOR, "{\"do\":\"breakglass.approve\",\"number\":1}");
	json_decref(plan(MERGE "," DOMAIN, ""));
	assert_int_equal(ask("{\"do\":\"account.show\",\"address\":\"vanthu.xtanlap\"}",
		&reply, &err), CV_OK);
	const json_t *account = json_object_get(reply, "account");
	char *readers = json_dumps(json_object_get(account, "delegated"), 0);
	assert_non_null(strstr(readers, "lthoa"));
	assert_null(strstr(readers, "dtduyen"));
	free(readers);
	json_decref(reply);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup_province, teardown)
		T(mig_01_a_merger_gives_everybody_one_new_address_and_keeps_the_old),
		T(mig_01_a_dry_run_tells_all_and_changes_nothing),
		T(mig_01_what_a_plan_leaves_open_is_refused_with_the_line_to_write),
		T(mig_01_administrators_of_closed_units_follow_as_the_plan_says),
		T(sec_07_a_merger_gives_who_reads_for_a_day_no_other_box),
		T(mig_04_communes_of_one_name_live_beside_each_other),
		T(mig_01_a_part_of_a_unit_becomes_a_unit),
		T(mig_01_a_rollback_gives_everything_back_and_loses_no_address),
		T(mig_01_what_changed_since_stops_a_rollback_or_stays),
		T(mig_01_a_plan_for_a_later_day_is_carried_out_then),
		T(mig_02_the_use_of_old_addresses_is_added_up_and_their_end_proposed),
		T(mig_02_the_use_of_an_alias_nobody_writes_to_any_more_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
