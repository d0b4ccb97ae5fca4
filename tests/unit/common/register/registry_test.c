/* registry_test.c - requests change rows, audit and snapshot together, over a real store. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/kill.h"
#include "common/register/registry.h"
#include "common/register/snapshot_format.h"
#include "common/store/mailbox.h"
#include "tests/unit/check.h"

#include "tests/unit/common/register/registry_kit.h"

/* The address that adding NAME to AGENCY gives. */
static void
added(const char *name, const char *agency, const char *want)
{
	char text[400];
	json_t *reply;
	struct cv_err err = {0};
	snprintf(text, sizeof text,
		"{\"do\":\"account.add\",\"name\":\"%s\",\"agency\":\"%s\",\"no_password\":true}", name, agency);
	if (ask(text, &reply, &err))
		fail_msg("%s: %s", name, err.text);
	assert_string_equal(json_string_value(json_object_get(reply, "address")), want);
	json_decref(reply);
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

static void
two_agencies(void)
{
	must("{\"do\":\"agency.add\",\"agencies\":["
		"{\"code\":\"ubnd\",\"name\":\"UBND tỉnh\",\"type\":\"ubnd\",\"rank\":1},"
		"{\"code\":\"stp\",\"name\":\"Sở Tư pháp\",\"parent\":\"ubnd\",\"type\":\"so\",\"rank\":20},"
		"{\"code\":\"snv\",\"name\":\"Sở Nội vụ\",\"parent\":\"ubnd\",\"type\":\"so\",\"rank\":10}]}");
}

static void
test_registry__a_new_account_is_found_at_once_and_after_a_restart(void **state)
{
	(void)state;
	two_agencies();
	added("Đặng Thị Duyên", "stp", "dtduyen.stp@lamgiang.example");
	assert_int_equal(found("dtduyen.stp@lamgiang.example").found, CV_REG_ACCOUNT);
	close_all();
	open_all();
	struct cv_reg_hit hit = found("dtduyen.stp@lamgiang.example");
	assert_int_equal(hit.found, CV_REG_ACCOUNT);
	assert_int_equal(hit.account.acct, cv_acct(CV_CLASS_USER, 1));
	struct cv_acct *box;
	struct cv_err err;
	cv_ticket ticket;
	assert_int_equal(cv_acct_open(store, hit.account.acct, false, &box, &ticket, &err), CV_OK);
	struct cv_quota q;
	cv_acct_quota(box, &q);
	assert_int_equal(q.limit_bytes, (uint64_t)2 << 30);
	cv_acct_close(box);
	added("Đặng Thị Duyên", "stp", "dtduyen2.stp@lamgiang.example");
}

static void
adr_02_after_nvan2_retires_the_next_is_nvan4(void **state)
{
	(void)state;
	two_agencies();
	added("Nguyễn Văn An", "snv", "nvan.snv@lamgiang.example");
	added("Nguyễn Văn Ân", "snv", "nvan2.snv@lamgiang.example");
	added("Ngô Viết Án", "snv", "nvan3.snv@lamgiang.example");
	added("Nguyễn Văn An", "stp", "nvan.stp@lamgiang.example");
	must("{\"do\":\"account.retire\",\"address\":\"nvan2.snv\",\"reason\":\"nghỉ hưu\"}");
	added("Nguyễn Vĩnh An", "snv", "nvan4.snv@lamgiang.example");
	close_all();
	open_all();
	added("Nguyễn Vĩnh An", "snv", "nvan5.snv@lamgiang.example");
	refused("{\"do\":\"account.add\",\"name\":\"X Y\",\"address\":\"nvan2.snv\"}", CV_EXISTS);
	refused("{\"do\":\"account.resume\",\"address\":\"nvan2.snv\"}", CV_DENIED);
	assert_int_equal(found("nvan2.snv@lamgiang.example").account.state, CV_STATE_RETIRED);
}

static void
adr_04_postmaster_is_refused_without_override_and_reason(void **state)
{
	(void)state;
	two_agencies();
	refused("{\"do\":\"account.add\",\"name\":\"A B\",\"address\":\"postmaster\"}", CV_DENIED);
	refused("{\"do\":\"account.add\",\"name\":\"A B\",\"address\":\"bithu\"}", CV_DENIED);
	refused("{\"do\":\"account.add\",\"name\":\"A B\",\"address\":\"p0stmaster\",\"override\":true}",
		CV_INVALID);
	must("{\"do\":\"account.add\",\"name\":\"A B\",\"address\":\"p0stmaster\",\"override\":true,"
		"\"reason\":\"thử nghiệm\"}");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"name\":\"Quản trị\",\"address\":\"postmaster\"}");
	assert_int_equal(found("postmaster@lamgiang.example").found, CV_REG_ACCOUNT);
}

/* One primary address a person by the template, one an agency; a list again changes nothing. */
static void
adr_01_one_primary_address_by_the_template_and_one_per_agency(void **state)
{
	(void)state;
	two_agencies();
	added("Đặng Thị Duyên", "stp", "dtduyen.stp@lamgiang.example");
	must("{\"do\":\"account.add\",\"kind\":\"agency\",\"agency\":\"stp\",\"name\":\"Sở Tư pháp\"}");
	assert_int_equal(found("stp@lamgiang.example").account.kind, CV_KIND_AGENCY);
	refused("{\"do\":\"account.add\",\"kind\":\"agency\",\"agency\":\"stp\",\"name\":\"Sở Tư pháp\"}",
		CV_EXISTS);
	must("{\"do\":\"import\",\"csv\":\"Họ và tên,Mã đơn vị\\nĐặng Thị Duyên,stp\\n\"}");
	assert_int_equal(found("dtduyen2.stp@lamgiang.example").found, CV_REG_NONE);
}

/* The people whose names break other systems, and parts that are said apart. */
static void
adr_03_edge_people_get_the_addresses_they_should(void **state)
{
	(void)state;
	two_agencies();
	static const struct { const char *name, *want; } rows[] = {
		{ "Ông Mai Xuân", "omxuan.stp" }, { "Đoàn Văn Nỉ", "dvni.stp" }, { "Ngô Toàn", "ntoan.stp" },
		{ "Rơ Mah H'Bia", "rmhbia.stp" }, { "Y Bhiu Niê", "nybhiu.stp" },
		{ "Nguyễn Hoàng Bảo Trâm Anh", "nhbtanh.stp" }, { "Nguyễn Văn An", "nvan.stp" },
		{ "Nguyễn Văn An", "nvan2.stp" }, { "Nguyễn Văn An", "nvan3.stp" },
		{ "Tra\xcc\x82\xcc\x80n Thi\xcc\xa3 Thuy\xcc\x81", "ttthuy.stp" }, { "Trần Thị Thúy", "ttthuy2.stp" },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char want[100];
		snprintf(want, sizeof want, "%s@lamgiang.example", rows[i].want);
		added(rows[i].name, "stp", want);
	}
	/* Surname and given name said apart. */
	must("{\"do\":\"account.add\",\"surname\":\"Rơ Mah\",\"middle\":\"\",\"given\":\"H'Bia\",\"agency\":\"snv\"}");
	assert_int_equal(found("rmhbia.snv@lamgiang.example").found, CV_REG_ACCOUNT);
	/* And an address that was chosen. */
	must("{\"do\":\"account.add\",\"name\":\"Siu Black\",\"address\":\"siublack.snv\"}");
	assert_int_equal(found("siublack.snv@lamgiang.example").found, CV_REG_ACCOUNT);
}

/* Each kind with what is its own: log-ins for people and applications alone. */
static void
adr_05_five_kinds_two_clerks_one_box_two_logins(void **state)
{
	(void)state;
	two_agencies();
	added("Lê Thị Hoa", "stp", "lthoa.stp@lamgiang.example");
	added("Trần Văn Bình", "stp", "tvbinh.stp@lamgiang.example");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"vanthu\",\"agency\":\"stp\"}");
	must("{\"do\":\"account.add\",\"kind\":\"agency\",\"agency\":\"stp\",\"name\":\"Sở Tư pháp\"}");
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"address\":\"toanso.stp\",\"name\":\"Toàn sở\"}");
	must("{\"do\":\"account.add\",\"kind\":\"app\",\"address\":\"qlvb.stp\",\"name\":\"QLVB\"}");
	static const struct { const char *address; enum cv_reg_kind kind; bool logs_in; } rows[] = {
		{ "lthoa.stp", CV_KIND_PERSON, true }, { "stp", CV_KIND_AGENCY, false },
		{ "vanthu.stp", CV_KIND_ROLE, false }, { "toanso.stp", CV_KIND_GROUP, false },
		{ "qlvb.stp", CV_KIND_APP, true },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char address[100], request[200];
		snprintf(address, sizeof address, "%s@lamgiang.example", rows[i].address);
		assert_int_equal(found(address).account.kind, rows[i].kind);
		snprintf(request, sizeof request, "{\"do\":\"account.passwd\",\"address\":\"%s\"}",
			rows[i].address);
		if (rows[i].logs_in)
			must(request);
		else
			refused(request, CV_DENIED);
	}
	/* Two clerks, one box: each may send as it with a log-in of his own. */
	must("{\"do\":\"role.hold\",\"role\":\"vanthu.stp\",\"holder\":\"lthoa.stp\"}");
	must("{\"do\":\"role.hold\",\"role\":\"vanthu.stp\",\"holder\":\"tvbinh.stp\"}");
	struct cv_reg_hit hoa = found("lthoa.stp@lamgiang.example");
	struct cv_reg_hit binh = found("tvbinh.stp@lamgiang.example");
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_str domain = CV_STR("lamgiang.example");
	assert_true(cv_snapshot_may_send_as(s, hoa.account.acct, CV_STR("vanthu.stp"), domain));
	assert_true(cv_snapshot_may_send_as(s, binh.account.acct, CV_STR("vanthu.stp"), domain));
	cv_snapshot_unref(s);
}

static void
adr_05_role_boxes_have_holders_and_no_password(void **state)
{
	(void)state;
	two_agencies();
	added("Lê Thị Hoa", "stp", "lthoa.stp@lamgiang.example");
	added("Trần Văn Bình", "stp", "tvbinh.stp@lamgiang.example");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"vanthu\",\"agency\":\"stp\","
		"\"name\":\"Văn thư Sở Tư pháp\"}");
	must("{\"do\":\"account.add\",\"kind\":\"agency\",\"agency\":\"stp\",\"name\":\"Sở Tư pháp\"}");
	refused("{\"do\":\"account.passwd\",\"address\":\"vanthu.stp\"}", CV_DENIED);
	must("{\"do\":\"role.hold\",\"role\":\"vanthu.stp\",\"holder\":\"lthoa.stp\"}");
	must("{\"do\":\"role.hold\",\"role\":\"vanthu.stp\",\"holder\":\"tvbinh.stp\"}");
	refused("{\"do\":\"role.hold\",\"role\":\"lthoa.stp\",\"holder\":\"tvbinh.stp\"}", CV_INVALID);
	must("{\"do\":\"role.release\",\"role\":\"vanthu.stp\",\"holder\":\"tvbinh.stp\"}");
	must("{\"do\":\"delegate.add\",\"owner\":\"lthoa.stp\",\"delegate\":\"tvbinh.stp\"}");
	close_all();
	open_all();
	struct cv_reg_hit hoa = found("lthoa.stp@lamgiang.example");
	struct cv_reg_hit binh = found("tvbinh.stp@lamgiang.example");
	struct cv_str domain = CV_STR("lamgiang.example");
	const struct cv_snapshot *s = cv_register_get(reg);
	assert_true(cv_snapshot_may_send_as(s, hoa.account.acct, CV_STR("vanthu.stp"), domain));
	assert_false(cv_snapshot_may_send_as(s, binh.account.acct, CV_STR("vanthu.stp"), domain));
	assert_true(cv_snapshot_may_send_as(s, binh.account.acct, CV_STR("lthoa.stp"), domain));
	assert_false(cv_snapshot_may_send_as(s, hoa.account.acct, CV_STR("tvbinh.stp"), domain));
	cv_snapshot_unref(s);
	/* What is given replaces what was; the whole box includes sending. */
	refused("{\"do\":\"delegate.add\",\"owner\":\"lthoa.stp\",\"delegate\":\"tvbinh.stp\","
		"\"rights\":\"read,write\"}", CV_INVALID);
	static const struct { const char *request; unsigned how; bool sends; } rows[] = {
		{ "{\"do\":\"delegate.add\",\"owner\":\"lthoa.stp\",\"delegate\":\"tvbinh.stp\","
		  "\"rights\":\"read\"}", CV_DELEGATED_READ, false },
		{ "{\"do\":\"delegate.add\",\"owner\":\"lthoa.stp\",\"delegate\":\"tvbinh.stp\","
		  "\"rights\":\"read, send-as\"}", CV_DELEGATED_READ | CV_DELEGATED_SEND_AS, true },
		{ "{\"do\":\"delegate.add\",\"owner\":\"lthoa.stp\",\"delegate\":\"tvbinh.stp\","
		  "\"rights\":\"full\"}", CV_DELEGATED_FULL, true },
		{ "{\"do\":\"delegate.del\",\"owner\":\"lthoa.stp\",\"delegate\":\"tvbinh.stp\"}",
		  0, false },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		cv_acct_no list[4];
		must(rows[i].request);
		close_all();
		open_all();
		s = cv_register_get(reg);
		assert_int_equal(cv_snapshot_delegated(s, hoa.account.acct, binh.account.acct),
			rows[i].how);
		assert_int_equal(
			cv_snapshot_delegations(s, binh.account.acct, list, 4), !!rows[i].how);
		assert_int_equal(
			cv_snapshot_may_send_as(s, binh.account.acct, CV_STR("lthoa.stp"), domain),
			rows[i].sends);
		cv_snapshot_unref(s);
	}
	assert_int_equal(found("stp@lamgiang.example").account.kind, CV_KIND_AGENCY);
	assert_int_equal(found("stp@lamgiang.example").account.quota_bytes, (uint64_t)10 << 30);
}

static void
test_registry__aliases_groups_and_alias_domains_resolve(void **state)
{
	(void)state;
	two_agencies();
	must("{\"do\":\"domain.add\",\"domain\":\"trason.example\",\"alias_of\":\"lamgiang.example\"}");
	must("{\"do\":\"domain.add\",\"domain\":\"Trial.Example\"}");
	must("{\"do\":\"domain.add\",\"domain\":\"trial.example\"}");
	refused("{\"do\":\"domain.add\",\"domain\":\"x.example\",\"alias_of\":\"trason.example\"}",
		CV_INVALID);
	refused("{\"do\":\"domain.add\",\"domain\":\"nodots\"}", CV_INVALID);
	added("Lê Thị Hoa", "stp", "lthoa.stp@lamgiang.example");
	must("{\"do\":\"account.add\",\"name\":\"Trial\",\"address\":\"test@trial.example\","
		"\"password\":\"test\",\"allow_weak\":true}");
	refused("{\"do\":\"account.add\",\"name\":\"Trial\",\"address\":\"test@other.example\"}",
		CV_INVALID);
	must("{\"do\":\"alias.add\",\"address\":\"lthoa.stp\",\"alias\":\"hoa@trason.example\"}");
	refused("{\"do\":\"alias.add\",\"address\":\"test@trial.example\",\"alias\":\"hoa\"}", CV_EXISTS);
	assert_true(found("hoa@lamgiang.example").by_alias);
	must("{\"do\":\"alias.del\",\"alias\":\"hoa\"}");
	assert_int_equal(found("hoa@lamgiang.example").found, CV_REG_NONE);
	refused("{\"do\":\"alias.add\",\"address\":\"test@trial.example\",\"alias\":\"hoa@lamgiang.example\"}",
		CV_EXISTS);
	must("{\"do\":\"account.add\",\"kind\":\"group\",\"name\":\"Toàn sở\",\"address\":\"toanso.stp\"}");
	must("{\"do\":\"group.member\",\"group\":\"toanso.stp\",\"member\":\"lthoa.stp\"}");
	struct cv_reg_hit group = found("toanso.stp@trason.example");
	assert_int_equal(group.found, CV_REG_GROUP);
	const struct cv_snapshot *s = cv_register_get(reg);
	cv_acct_no member = 0;
	assert_int_equal(cv_snapshot_members(s, group.account.acct, &member, 1), 1);
	assert_int_equal(member, found("lthoa.stp@lamgiang.example").account.acct);
	cv_snapshot_unref(s);
}

static void
test_registry__a_refused_request_changes_nothing(void **state)
{
	(void)state;
	two_agencies();
	static const struct {
		const char *text;
		enum cv_status want;
	} rows[] = {
		{ "{\"do\":\"no.such\"}", CV_NOT_FOUND },
		{ "{}", CV_NOT_FOUND },
		{ "{\"do\":\"account.add\"}", CV_INVALID },
		{ "{\"do\":\"account.add\",\"name\":\"Lê Hoa\"}", CV_INVALID },
		{ "{\"do\":\"account.add\",\"name\":\"Lê Hoa\",\"agency\":\"xyz\"}", CV_NOT_FOUND },
		{ "{\"do\":\"account.add\",\"name\":7,\"agency\":\"stp\"}", CV_INVALID },
		{ "{\"do\":\"account.add\",\"name\":\"…\",\"agency\":\"stp\"}", CV_INVALID },
		{ "{\"do\":\"account.add\",\"name\":\"Lê Hoa\",\"agency\":\"stp\",\"kind\":\"king\"}", CV_INVALID },
		{ "{\"do\":\"account.add\",\"name\":\"Lê Hoa\",\"agency\":\"stp\",\"password\":\"Abc@12345\"}",
			CV_INVALID },
		{ "{\"do\":\"account.add\",\"name\":\"Lê Hoa\",\"agency\":\"stp\",\"quota\":-1}", CV_INVALID },
		{ "{\"do\":\"account.add\",\"name\":\"Lê Hoa\",\"address\":\"a b@lamgiang.example\"}", CV_INVALID },
		{ "{\"do\":\"account.suspend\",\"address\":\"ghost\"}", CV_NOT_FOUND },
		{ "{\"do\":\"agency.add\",\"code\":\"Quá dài\",\"name\":\"x\"}", CV_INVALID },
		{ "{\"do\":\"agency.add\",\"code\":\"abc\"}", CV_INVALID },
		{ "{\"do\":\"agency.add\",\"code\":\"stp\",\"name\":\"Khác\"}", CV_EXISTS },
		{ "{\"do\":\"agency.add\",\"code\":\"ubnd\",\"parent\":\"stp\",\"update\":true}", CV_INVALID },
		{ "{\"do\":\"agency.add\",\"agencies\":[{\"code\":\"a\",\"name\":\"A\"},{\"code\":\"?\"}]}",
			CV_INVALID },
	};
	const struct cv_snapshot *s = cv_register_get(reg);
	uint64_t before = cv_snapshot_generation(s);
	cv_snapshot_unref(s);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		refused(rows[i].text, rows[i].want);
	s = cv_register_get(reg);
	assert_int_equal(cv_snapshot_generation(s), before);
	assert_int_equal(cv_snapshot_accounts(s), 0);
	assert_int_equal(cv_snapshot_agencies(s), 3);
	cv_snapshot_unref(s);
	added("Lê Hoa", "stp", "lhoa.stp@lamgiang.example");
}

static bool
count_event(void *arg, uint64_t number, struct cv_str json)
{
	(void)number;
	unsigned *secrets = arg;
	secrets[0]++;
	secrets[1] += cv_str_search(json, CV_STR("Secret-Word")) < json.n;
	return true;
}

static size_t
accounts_now(void)
{
	json_t *reply;
	struct cv_err err = {0};
	assert_int_equal(ask("{\"do\": \"account.list\"}", &reply, &err), CV_OK);
	size_t n = (size_t)json_integer_value(json_object_get(reply, "total"));
	json_decref(reply);
	return n;
}

static void
test_registry__a_dry_run_of_any_request_changes_nothing(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"{\"do\": \"domain.add\", \"domain\": \"moi.example\", \"dry_run\": true}",
		"{\"do\": \"agency.add\", \"code\": \"snv\", \"name\": \"Sở Nội vụ\", \"mailbox\": true,"
		" \"dry_run\": true}",
		"{\"do\": \"account.add\", \"name\": \"Lê Văn Tám\", \"agency\": \"stp\", \"dry_run\": true}",
		"{\"do\": \"account.retire\", \"address\": \"nvhoa.stp\", \"dry_run\": true}",
		"{\"do\": \"account.passwd\", \"address\": \"nvhoa.stp\", \"dry_run\": true}",
		"{\"do\": \"alias.add\", \"address\": \"nvhoa.stp\", \"alias\": \"hoa\", \"dry_run\": true}",
	};
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\"}");
	must("{\"do\": \"account.add\", \"name\": \"Nguyễn Văn Hoà\", \"agency\": \"stp\"}");
	size_t before = accounts_now();
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		json_t *reply;
		struct cv_err err = {0};
		enum cv_status status = ask(rows[i], &reply, &err);
		CHECK(rows[i], status == CV_OK);
		CHECK(rows[i], json_is_true(json_object_get(reply, "dry_run")));
		CHECK(rows[i], !json_object_get(reply, "password"));
		json_decref(reply);
	}
	CHECK_END();
	assert_int_equal(accounts_now(), before);
	refused("{\"do\": \"account.show\", \"address\": \"lvtam.stp\"}", CV_NOT_FOUND);
	refused("{\"do\": \"account.show\", \"address\": \"hoa\"}", CV_NOT_FOUND);
	/* The same may then be done in earnest. */
	must("{\"do\": \"alias.add\", \"address\": \"nvhoa.stp\", \"alias\": \"hoa\"}");
	must("{\"do\": \"account.retire\", \"address\": \"nvhoa.stp\"}");
}

static void
test_SEC_02__each_change_is_in_the_audit_trail_without_secrets(void **state)
{
	(void)state;
	two_agencies();
	must("{\"do\":\"account.add\",\"name\":\"Lê Hoa\",\"agency\":\"stp\",\"letter\":\"12/CV-STP\","
		"\"password\":\"Long Secret-Word 12\"}");
	must("{\"do\":\"account.suspend\",\"address\":\"lhoa.stp\"}");
	must("{\"do\":\"account.suspend\",\"address\":\"lhoa.stp\"}"); /* nothing changes: no
								        * event */
	assert_int_equal(found("lhoa.stp@lamgiang.example").account.state, CV_STATE_SUSPENDED);
	must("{\"do\":\"account.resume\",\"address\":\"lhoa.stp\"}");
	unsigned seen[2] = {0};
	struct cv_err err = {0};
	assert_int_equal(cv_audit_walk(audit, 1, count_event, seen, &err), CV_OK);
	assert_int_equal(seen[0], 1 /* init */ + 1 + 3);
	assert_int_equal(seen[1], 0);
}

static bool
find_note(void *arg, uint64_t number, struct cv_str json)
{
	unsigned *seen = arg;
	(void)number;
	*seen += cv_str_search(json, CV_STR("policy.allow.add")) < json.n &&
		cv_str_search(json, CV_STR("hoadon.example")) < json.n &&
		cv_str_search(json, CV_STR("12/STC")) < json.n;
	return true;
}

static void
test_POL_03__changes_of_the_allow_list_are_in_the_audit_trail(void **state)
{
	(void)state;
	must("{\"do\":\"policy.note\",\"action\":\"allow.add\",\"object\":\"hoadon.example\","
	     "\"until\":\"2027-06-30\",\"reason\":\"CV 12/STC\"}");
	must("{\"do\":\"policy.note\",\"action\":\"allow.remove\",\"object\":\"x.example\"}");
	refused("{\"do\":\"policy.note\",\"action\":\"else\",\"object\":\"x.example\"}", CV_INVALID);
	refused("{\"do\":\"policy.note\",\"action\":\"allow.add\"}", CV_INVALID);
	unsigned seen = 0;
	struct cv_err err = {0};
	assert_int_equal(cv_audit_walk(audit, 1, find_note, &seen, &err), CV_OK);
	assert_int_equal(seen, 1);
}

static void
test_registry__accounts_are_listed_by_filter_and_shown_whole(void **state)
{
	(void)state;
	two_agencies();
	added("Nguyễn Văn Hoà", "stp", "nvhoa.stp@lamgiang.example");
	added("Nguyễn Văn Hóa", "snv", "nvhoa.snv@lamgiang.example");
	added("Lê Văn Bình", "snv", "lvbinh.snv@lamgiang.example");
	must("{\"do\":\"account.set\",\"address\":\"lvbinh.snv\",\"title\":\"Phó Giám đốc\","
		"\"phone_office\":\"0275 3 822 100\",\"quota\":5368709120}");
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "{\"do\":\"account.list\"}", 3 },
		{ "{\"do\":\"account.list\",\"agency\":\"snv\"}", 2 },
		{ "{\"do\":\"account.list\",\"query\":\"nguyen van hoa\"}", 2 },
		{ "{\"do\":\"account.list\",\"query\":\"Bình\",\"state\":\"active\"}", 1 },
		{ "{\"do\":\"account.list\",\"kind\":\"role\"}", 0 },
	};
	json_t *reply;
	struct cv_err err;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		assert_int_equal(ask(rows[i].text, &reply, &err), CV_OK);
		assert_int_equal(json_integer_value(json_object_get(reply, "total")), rows[i].want);
		json_decref(reply);
	}
	assert_int_equal(ask("{\"do\":\"account.show\",\"address\":\"LVBinh.snv@lamgiang.example\"}", &reply,
		&err), CV_OK);
	json_t *a = json_object_get(reply, "account");
	assert_string_equal(json_string_value(json_object_get(a, "surname")), "Lê");
	assert_int_equal(json_integer_value(json_object_get(a, "rank")), 22);
	assert_int_equal(json_integer_value(json_object_get(a, "quota")), 5368709120);
	assert_int_equal(json_integer_value(json_object_get(a, "used_bytes")), 0);
	json_decref(reply);
}

/* The change is in the rows; its snapshot follows with the next that can be written. */
static void
test_registry__a_snapshot_that_cannot_be_written_is_said_and_made_up_for(void **state)
{
	(void)state;
	two_agencies();
	setenv("CONGVU_FAIL", "register.sync:EIO:1:1", 1);
	cv_kill_reload();
	refused("{\"do\":\"account.add\",\"name\":\"Lê Hoa\",\"agency\":\"stp\",\"no_password\":true}",
		CV_TEMPFAIL);
	unsetenv("CONGVU_FAIL");
	cv_kill_reload();
	assert_int_equal(found("lhoa.stp@lamgiang.example").found, CV_REG_NONE);
	added("Lê Bình", "stp", "lbinh.stp@lamgiang.example");
	assert_int_equal(found("lhoa.stp@lamgiang.example").found, CV_REG_ACCOUNT);
	assert_int_equal(found("lbinh.stp@lamgiang.example").found, CV_REG_ACCOUNT);
}

/* ---- devices ---- */

/* Number of devices that the readers' snapshot has for ADDRESS, and the first of them. */
static size_t
devices_of(const char *address, struct snap_device *first)
{
	const struct cv_snapshot *s = cv_register_get(reg);
	struct cv_reg_hit hit;
	const struct snap_device *d;
	cv_snapshot_find_address(s, cv_str_z(address), &hit);
	size_t n = cv_snapshot_devices(s, hit.account.acct, &d);
	if (n)
		*first = *d;
	cv_snapshot_unref(s);
	return n;
}

static void
three_people(void)
{
	two_agencies();
	added("Nguyễn Hoa", "stp", "nhoa.stp@lamgiang.example");
	added("Lê Bình", "stp", "lbinh.stp@lamgiang.example");
	must("{\"do\":\"account.add\",\"kind\":\"role\",\"role\":\"vanthu\",\"agency\":\"stp\"}");
}

static void
test_ACC_05__devices_are_added_listed_revoked_and_kept(void **state)
{
	(void)state;
	static const char hoa[] = "nhoa.stp@lamgiang.example";
	struct snap_device d;
	json_t *reply;
	struct cv_err err;
	three_people();
	assert_int_equal(ask("{\"do\":\"device.add\",\"address\":\"nhoa.stp\",\"name\":\"Điện thoại\","
		"\"scope\":\"send\"}", &reply, &err), CV_OK);
	const char *made = json_string_value(json_object_get(reply, "password"));
	assert_non_null(made);
	assert_true(strlen(made) >= 16);
	assert_int_equal(devices_of(hoa, &d), 1);
	assert_string_equal(d.name, "Điện thoại");
	assert_int_equal(d.scope, REG_MAY_SEND);
	/* What readers check is the password that was shown; the account had no salt before. */
	const struct cv_snapshot *snap = cv_register_get(reg);
	const struct snap_secret *secret;
	uint8_t check[32];
	assert_true(cv_snapshot_secret(snap, d.acct, &secret));
	reg_app_password_check(secret->salt, cv_str_z(made), check);
	assert_memory_equal(check, d.check, 32);
	assert_int_equal(secret->argon[0], 0);
	cv_snapshot_unref(snap);
	json_decref(reply);

	must("{\"do\":\"account.passwd\",\"address\":\"nhoa.stp\"}");
	must("{\"do\":\"device.add\",\"address\":\"nhoa.stp\",\"name\":\"Máy tính\"}");
	close_all();
	open_all();
	struct snap_device again;
	assert_int_equal(devices_of(hoa, &again), 2);
	assert_memory_equal(&again, &d, sizeof d);
	must("{\"do\":\"device.revoke\",\"address\":\"nhoa.stp\",\"number\":1}");
	assert_int_equal(devices_of(hoa, &again), 1);
	assert_string_equal(again.name, "Máy tính");
	must("{\"do\":\"device.revoke\",\"address\":\"nhoa.stp\",\"all\":true}");
	assert_int_equal(devices_of(hoa, &again), 0);
	close_all();
	open_all();
	assert_int_equal(devices_of(hoa, &again), 0);
	/* What the trail says of device 1 or 2 is said of no later one. */
	for (json_int_t want = 3; want <= 4; want++) {
		assert_int_equal(ask("{\"do\":\"device.add\",\"address\":\"nhoa.stp\",\"name\":\"Mới\"}",
			&reply, &err), CV_OK);
		assert_int_equal(json_integer_value(json_object_get(reply, "number")), want);
		json_decref(reply);
		must("{\"do\":\"device.revoke\",\"address\":\"nhoa.stp\",\"all\":true}");
	}
}

static void
test_ACC_05__what_is_no_device_is_refused(void **state)
{
	(void)state;
#define PRINT "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
#define ADD "{\"do\":\"device.add\",\"address\":\"nhoa.stp\",\"name\":\"a\""
	static const struct {
		const char *request;
		enum cv_status want;
	} rows[] = {
		{ "{\"do\":\"device.add\",\"address\":\"nhoa.stp\"}", CV_INVALID },
		{ "{\"do\":\"device.add\",\"address\":\"ai.stp\",\"name\":\"a\"}", CV_NOT_FOUND },
		{ "{\"do\":\"device.add\",\"address\":\"vanthu.stp\",\"name\":\"a\"}", CV_DENIED },
		{ ADD ",\"type\":\"token\"}", CV_INVALID },
		{ ADD ",\"scope\":\"all\"}", CV_INVALID },
		{ ADD ",\"type\":\"certificate\"}", CV_INVALID },
		{ ADD ",\"type\":\"certificate\",\"fingerprint\":\"12\"}", CV_INVALID },
		{ ADD ",\"type\":\"certificate\",\"fingerprint\":\"x" PRINT "\"}", CV_INVALID },
		{ "{\"do\":\"device.revoke\",\"address\":\"nhoa.stp\",\"number\":9}", CV_NOT_FOUND },
		{ "{\"do\":\"device.revoke\",\"address\":\"nhoa.stp\"}", CV_NOT_FOUND },
		{ "{\"do\":\"account.unlock\",\"address\":\"ai.stp\"}", CV_NOT_FOUND },
	};
	struct snap_device d;
	three_people();
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		refused(rows[i].request, rows[i].want);
	assert_int_equal(devices_of("nhoa.stp@lamgiang.example", &d), 0);

	/* A certificate is one account's. */
	must(ADD ",\"type\":\"certificate\",\"fingerprint\":\"" PRINT "\"}");
	refused("{\"do\":\"device.add\",\"address\":\"lbinh.stp\",\"name\":\"b\",\"type\":\"certificate\","
		"\"fingerprint\":\"" PRINT "\"}", CV_EXISTS);
	refused(ADD "}", CV_EXISTS); /* the name */
	const struct cv_snapshot *s = cv_register_get(reg);
	uint8_t sha256[32];
	for (size_t i = 0; i < 32; i++)
		sha256[i] = (uint8_t)((2 * i % 16) << 4 | (2 * i + 1) % 16);
	const struct snap_device *found = cv_snapshot_certificate(s, sha256);
	assert_non_null(found);
	assert_string_equal(found->name, "a");
	sha256[31] ^= 1;
	assert_null(cv_snapshot_certificate(s, sha256));
	cv_snapshot_unref(s);

	char text[200];
	for (unsigned i = 1; i < REG_DEVICES_MAX; i++) {
		snprintf(text, sizeof text, "{\"do\":\"device.add\",\"address\":\"nhoa.stp\",\"name\":\"d%u\"}", i);
		must(text);
	}
	refused("{\"do\":\"device.add\",\"address\":\"nhoa.stp\",\"name\":\"one more\"}", CV_LIMIT);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_registry__a_new_account_is_found_at_once_and_after_a_restart),
		TEST(adr_02_after_nvan2_retires_the_next_is_nvan4),
		TEST(adr_04_postmaster_is_refused_without_override_and_reason),
		TEST(adr_01_one_primary_address_by_the_template_and_one_per_agency),
		TEST(adr_03_edge_people_get_the_addresses_they_should),
		TEST(adr_05_five_kinds_two_clerks_one_box_two_logins),
		TEST(adr_05_role_boxes_have_holders_and_no_password),
		TEST(test_registry__aliases_groups_and_alias_domains_resolve),
		TEST(test_registry__a_refused_request_changes_nothing),
		TEST(test_registry__a_dry_run_of_any_request_changes_nothing),
		TEST(test_SEC_02__each_change_is_in_the_audit_trail_without_secrets),
		TEST(test_POL_03__changes_of_the_allow_list_are_in_the_audit_trail),
		TEST(test_registry__accounts_are_listed_by_filter_and_shown_whole),
		TEST(test_registry__a_snapshot_that_cannot_be_written_is_said_and_made_up_for),
		TEST(test_ACC_05__devices_are_added_listed_revoked_and_kept),
		TEST(test_ACC_05__what_is_no_device_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
