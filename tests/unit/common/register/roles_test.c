/* roles_test.c - every request by every role; an agency's administrator keeps to his agencies; the
 * trail says who changed what from what. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/base/clock.h"
#include "tests/unit/common/register/registry_kit.h"

static const struct cv_registry_who
	nobody = { .name = "unix:khach" },
	operator = { .name = "unix:vanhanh", .role = CV_ROLE_OPERATOR },
	of_stp = { .name = "unix:stp", .role = CV_ROLE_AGENCY, .agency = "stp" },
	of_snv = { .name = "unix:snv", .role = CV_ROLE_AGENCY, .agency = "snv" },
	helpdesk = { .name = "unix:hotro", .role = CV_ROLE_HELPDESK },
	auditor = { .name = "unix:kiemtra", .role = CV_ROLE_AUDITOR };

static enum cv_status
ask_as(const struct cv_registry_who *who, const char *text, json_t **reply, struct cv_err *err)
{
	json_error_t error;
	json_t *request = json_loads(text, 0, &error);
	if (!request)
		fail_msg("%s: %s", text, error.text);
	*reply = NULL;
	err->text[0] = 0;
	enum cv_status status = cv_registry_do_as(registry, who, request, NULL, NULL, reply, err);
	json_decref(request);
	return status;
}

/* What WHO hears; the sentence in SAID (400 bytes) when it was a refusal. */
static enum cv_status
heard(const struct cv_registry_who *who, const char *text, char *said)
{
	json_t *reply;
	struct cv_err err = {0};
	enum cv_status status = ask_as(who, text, &reply, &err);
	if (said)
		snprintf(said, 400, "%s", err.text);
	if (status == CV_DENIED && !json_object_get(reply, "error_vi"))
		fail_msg("%s: no Vietnamese sentence for: %s", text, err.text);
	json_decref(reply);
	return status;
}

static int
province(void **state)
{
	struct cv_registry_rules rules = { .resets_a_month = 30 };
	setup(state);
	cv_registry_set_rules(registry, &rules);
	must("{\"do\": \"agency.add\", \"code\": \"tinh\", \"name\": \"UBND tỉnh\"}");
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\", \"parent\": \"tinh\"}");
	must("{\"do\": \"agency.add\", \"code\": \"stp1\", \"name\": \"Phòng Công chứng số 1\", \"parent\": \"stp\"}");
	must("{\"do\": \"agency.add\", \"code\": \"snv\", \"name\": \"Sở Nội vụ\", \"parent\": \"tinh\"}");
	must("{\"do\": \"account.add\", \"name\": \"Nguyễn Văn Hòa\", \"agency\": \"stp\", \"no_password\": true}");
	must("{\"do\": \"account.add\", \"name\": \"Lê Văn Tám\", \"agency\": \"stp1\", \"no_password\": true}");
	must("{\"do\": \"account.add\", \"name\": \"Trần Thị Bình\", \"agency\": \"snv\", \"no_password\": true}");
	must("{\"do\": \"account.add\", \"kind\": \"role\", \"role\": \"vanthu\", \"agency\": \"stp\"}");
	must("{\"do\": \"account.add\", \"kind\": \"group\", \"address\": \"nhom.stp\", \"agency\": \"stp\", \"name\": \"Nhóm\"}");
	return 0;
}

/* ---- every request by every role ---- */

/* Who may, by hand: o operator, a agency's administrator, h helpdesk, u auditor, n nobody. What is
 * not named here must at least be closed to nobody and open to an operator. */
static const struct {
	const char *request, *may;
} rights[] = {
	{ "absence.set", "oa" },       { "account.add", "oa" },      { "account.list", "oahu" },
	{ "account.passwd", "oah" },   { "account.retire", "oa" },   { "account.set", "oa" },
	{ "account.show", "oahu" },    { "account.suspend", "oa" },  { "account.unlock", "oah" },
	{ "admin.add", "o" },          { "admin.list", "oau" },      { "admin.remove", "o" },
	{ "admin.whoami", "oahun" },   { "agency.add", "o" },        { "agency.list", "oahu" },
	{ "alias.add", "oa" },         { "delegate.add", "oa" },     { "device.add", "oa" },
	{ "domain.add", "o" },         { "domain.list", "oahu" },    { "forward.add", "oa" },
	{ "group.member", "oa" },      { "import", "oa" },           { "mailbox.readers", "oau" },
	{ "mailbox.restore", "oa" },   { "policy.note", "o" },       { "quota.report", "oahu" },
	{ "quota.set", "o" },          { "role.hold", "oa" },        { "undo", "oa" },
	{ "password.issue", "oah" },   { "dated.cancel", "oa" },     { "dated.list", "oau" },
	{ "undo.list", "oau" },        { "undo.show", "oau" },       { "dated.run", "o" },
};

static const char *
may_by_hand(const char *request)
{
	for (size_t i = 0; i < CV_COUNT(rights); i++)
		if (!strcmp(rights[i].request, request))
			return rights[i].may;
	return NULL;
}

static void
try_request(const char *name, unsigned right, const char *about)
{
	static const struct {
		char letter;
		const struct cv_registry_who *who;
	} all[] = { { 'o', &operator }, { 'a', &of_stp }, { 'h', &helpdesk }, { 'u', &auditor },
		{ 'n', &nobody } };
	const char *by_hand = may_by_hand(name);
	char text[120], row[120], said[400]; /* a row names itself shortly */
	snprintf(text, sizeof text, "{\"do\": \"%s\", \"dry_run\": true}", name);
	for (size_t i = 0; i < CV_COUNT(all); i++) {
		bool may = by_hand ? strchr(by_hand, all[i].letter) != NULL
		                   : right == REG_ANYONE || (right & all[i].who->role) != 0;
		/* Nothing named: what an agency's administrator asks concerns the whole. */
		bool is_whole = all[i].letter == 'a' && right != REG_ANYONE &&
			!(about && (!strcmp(about, "self") || !strncmp(about, "inner:", 6)));
		enum cv_status status = heard(all[i].who, text, said);
		snprintf(row, sizeof row, "%s by %.20s: %.60s", name, all[i].who->name, said);
		CHECK(row, (status == CV_DENIED) == (!may || is_whole));
		if (all[i].letter == 'n' && !may)
			CHECK(row, strstr(said, "congvu admin add unix:khach") != NULL);
		if (may && is_whole)
			CHECK(row, strstr(said, "concerns more than stp") != NULL);
	}
	CHECK(name, !(right & ~(unsigned)REG_ANYONE) && (right & CV_ROLE_OPERATOR));
}

static void
ops_04_every_request_is_tried_by_every_role(void **state)
{
	(void)state;
	const char *name, *about;
	unsigned right;
	size_t n = 0, known = 0;
	for (; cv_registry_nth_request(n, &name, &right, &about); n++) {
		try_request(name, right, about);
		known += may_by_hand(name) != NULL;
	}
	CHECK_END();
	assert_true(n >= 40);
	assert_int_equal(known, CV_COUNT(rights));
}

/* ---- one agency ---- */

static void
ops_04_an_agencys_administrator_is_refused_in_another_agency(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *text;
		bool may;
	} rows[] = {
		{ "{\"do\": \"account.show\", \"address\": \"nvhoa.stp\"}", true },
		{ "{\"do\": \"account.show\", \"address\": \"lvtam.stp1\"}", true },
		{ "{\"do\": \"account.show\", \"address\": \"ttbinh.snv\"}", false },
		{ "{\"do\": \"account.set\", \"address\": \"nvhoa.stp\", \"title\": \"Chuyên viên\"}", true },
		{ "{\"do\": \"account.set\", \"address\": \"ttbinh.snv\", \"title\": \"Giám đốc\"}", false },
		{ "{\"do\": \"account.set\", \"address\": \"nvhoa.stp\", \"agency\": \"stp1\"}", true },
		{ "{\"do\": \"account.set\", \"address\": \"nvhoa.stp\", \"agency\": \"snv\"}", false },
		{ "{\"do\": \"account.add\", \"name\": \"Võ Văn Kiệt\", \"agency\": \"stp1\"}", true },
		{ "{\"do\": \"account.add\", \"name\": \"Võ Văn Kiệt\", \"agency\": \"snv\"}", false },
		{ "{\"do\": \"account.add\", \"name\": \"Võ Văn Kiệt\", \"address\": \"vvkiet.tinh\"}", false },
		{ "{\"do\": \"account.add\", \"name\": \"Võ Văn Kiệt\", \"agency\": \"stp\", \"address\": \"vvkiet.snv\"}", false },
		{ "{\"do\": \"account.add\", \"name\": \"Võ Văn Kiệt\", \"agency\": \"stp\", \"address\": \"kiet.stp\"}", true },
		{ "{\"do\": \"account.add\", \"name\": \"Võ Văn Kiệt\", \"agency\": \"stp\", \"quota\": \"90G\"}", false },
		{ "{\"do\": \"account.passwd\", \"address\": \"lvtam.stp1\"}", true },
		{ "{\"do\": \"account.passwd\", \"address\": \"ttbinh.snv\"}", false },
		{ "{\"do\": \"account.passwd\", \"address\": \"nvhoa.stp\", \"password\": \"12345678\", \"allow_weak\": true}", false },
		{ "{\"do\": \"account.retire\", \"address\": \"ttbinh.snv\"}", false },
		{ "{\"do\": \"alias.add\", \"address\": \"nvhoa.stp\", \"alias\": \"hoa.stp\"}", true },
		{ "{\"do\": \"alias.add\", \"address\": \"nvhoa.stp\", \"alias\": \"chutich\"}", false },
		{ "{\"do\": \"alias.add\", \"address\": \"nvhoa.stp\", \"alias\": \"hoa.snv\"}", false },
		{ "{\"do\": \"delegate.add\", \"owner\": \"nvhoa.stp\", \"delegate\": \"lvtam.stp1\"}", true },
		{ "{\"do\": \"delegate.add\", \"owner\": \"ttbinh.snv\", \"delegate\": \"nvhoa.stp\"}", false },
		{ "{\"do\": \"delegate.add\", \"owner\": \"nvhoa.stp\", \"delegate\": \"ttbinh.snv\"}", false },
		{ "{\"do\": \"role.hold\", \"role\": \"vanthu.stp\", \"holder\": \"nvhoa.stp\"}", true },
		{ "{\"do\": \"role.hold\", \"role\": \"vanthu.stp\", \"holder\": \"ttbinh.snv\"}", false },
		{ "{\"do\": \"forward.add\", \"from\": \"ttbinh.snv\", \"to\": \"nvhoa.stp\"}", false },
		{ "{\"do\": \"forward.list\"}", false },
		{ "{\"do\": \"mailbox.checks\", \"account\": \"ttbinh.snv\"}", false },
		{ "{\"do\": \"quota.set\", \"address\": \"nvhoa.stp\", \"quota\": \"90G\"}", false },
		{ "{\"do\": \"agency.add\", \"code\": \"stp2\", \"name\": \"Phòng 2\", \"parent\": \"stp\"}", false },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char text[400], said[400];
		snprintf(text, sizeof text, "%.*s, \"dry_run\": true}",
		         (int)strlen(rows[i].text) - 1, rows[i].text);
		enum cv_status status = heard(&of_stp, text, said);
		if ((status == CV_OK) != rows[i].may)
			print_error("%s: %s\n", rows[i].text, said);
		CHECK(rows[i].text, (status == CV_OK) == rows[i].may);
		CHECK(rows[i].text, rows[i].may || status == CV_DENIED);
		CHECK(rows[i].text, heard(&operator, text, NULL) == CV_OK);
	}
	CHECK_END();
}

static void
ops_04_a_list_of_people_adds_to_no_other_agency(void **state)
{
	(void)state;
	json_t *reply;
	struct cv_err err = {0};
	/* The third moves a colleague of another agency by his staff number. */
	must("{\"do\": \"account.set\", \"address\": \"ttbinh.snv\", \"staff_id\": \"77\"}");
	assert_int_equal(ask_as(&of_stp,
		"{\"do\": \"import\", \"csv\": \"Họ và tên,Mã đơn vị,Mã cán bộ\\nĐỗ Văn Một,stp,1\\n"
		"Đỗ Văn Hai,snv,2\\nTrần Thị Bình,stp,77\\n\"}", &reply, &err), CV_OK);
	assert_int_equal(json_integer_value(json_object_get(reply, "added")), 1);
	assert_int_equal(json_array_size(json_object_get(reply, "rejected")), 2);
	json_decref(reply);
	/* What he did he may take back; others' acts he does not see. */
	assert_int_equal(heard(&of_snv, "{\"do\": \"undo\", \"id\": 1}", NULL), CV_NOT_FOUND);
	assert_int_equal(heard(&of_stp, "{\"do\": \"undo\", \"id\": 1}", NULL), CV_OK);
}

static size_t
listed(const struct cv_registry_who *who, const char *request, const char *list)
{
	json_t *reply;
	struct cv_err err = {0};
	if (ask_as(who, request, &reply, &err))
		fail_msg("%s by %s: %s", request, who->name, err.text);
	size_t n = json_array_size(json_object_get(reply, list));
	json_decref(reply);
	return n;
}

static void
int_04_lists_show_an_administrator_his_own_agencies_only(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *request, *list;
		size_t stp, snv, all;
	} rows[] = {
		{ "{\"do\": \"account.list\"}",                       "accounts", 4, 1, 5 },
		{ "{\"do\": \"account.list\", \"agency\": \"snv\"}",  "accounts", 0, 1, 1 },
		{ "{\"do\": \"account.list\", \"find\": \"binh\"}",   "accounts", 0, 1, 1 },
		{ "{\"do\": \"agency.list\"}",                        "agencies", 2, 1, 4 },
		{ "{\"do\": \"agency.list\", \"parent\": \"tinh\"}",  "agencies", 1, 1, 2 },
		{ "{\"do\": \"quota.list\"}",                         "accounts", 3, 1, 4 },
		{ "{\"do\": \"quota.report\"}",                       "agencies", 2, 1, 3 },
		{ "{\"do\": \"admin.list\"}",                         "admins",   1, 0, 2 },
	};
	/* clang-format on */

	must("{\"do\": \"admin.add\", \"admin\": \"unix:vanhanh\", \"role\": \"operator\"}");
	must("{\"do\": \"admin.add\", \"admin\": \"unix:stp\", \"role\": \"agency\", \"agency\": \"stp1\"}");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		CHECK(rows[i].request, listed(&of_stp, rows[i].request, rows[i].list) ==
			rows[i].stp);
		CHECK(rows[i].request, listed(&of_snv, rows[i].request, rows[i].list) ==
			rows[i].snv);
		CHECK(rows[i].request, listed(&auditor, rows[i].request, rows[i].list) ==
			rows[i].all);
	}
	CHECK_END();
}

/* ---- administrators ---- */

static void
test_roles__are_given_kept_and_taken_away(void **state)
{
	(void)state;
	struct cv_registry_who who;
	must("{\"do\": \"admin.add\", \"admin\": \"ttbinh.snv\", \"role\": \"operator\"}");
	must("{\"do\": \"admin.add\", \"admin\": \"nvhoa.stp\", \"role\": \"agency\", \"agency\": \"stp\"}");
	refused("{\"do\": \"admin.add\", \"admin\": \"nvhoa.stp\", \"role\": \"king\"}", CV_INVALID);
	refused("{\"do\": \"admin.add\", \"admin\": \"nvhoa.stp\", \"role\": \"agency\"}", CV_INVALID);
	refused("{\"do\": \"admin.add\", \"admin\": \"nvhoa.stp\", \"role\": \"agency\","
	        " \"agency\": \"xyz\"}", CV_NOT_FOUND);
	refused("{\"do\": \"admin.add\", \"admin\": \"nobody.stp\", \"role\": \"auditor\"}",
	        CV_NOT_FOUND);
	refused("{\"do\": \"admin.add\", \"admin\": \"vanthu.stp\", \"role\": \"auditor\"}", CV_INVALID);
	close_all();
	open_all();
	cv_registry_who_account(registry, "nvhoa.stp@lamgiang.example", &who);
	assert_int_equal(who.role, CV_ROLE_AGENCY);
	assert_string_equal(who.agency, "stp");
	cv_registry_who_account(registry, "lvtam.stp1@lamgiang.example", &who);
	assert_int_equal(who.role, CV_ROLE_NONE);
	/* Root and the user of the service are operators without a row. */
	cv_registry_who_unix(registry, 0, &who);
	assert_int_equal(who.role, CV_ROLE_OPERATOR);
	assert_string_equal(who.name, "unix:root");
	cv_registry_who_unix(registry, geteuid(), &who);
	assert_int_equal(who.role, CV_ROLE_OPERATOR);
	cv_registry_who_unix(registry, 12345, &who);
	assert_int_equal(who.role, CV_ROLE_NONE);
	assert_string_equal(who.name, "unix:12345");
	/* The last operator is neither removed nor made less. */
	refused("{\"do\": \"admin.remove\", \"admin\": \"ttbinh.snv\"}", CV_DENIED);
	refused("{\"do\": \"admin.add\", \"admin\": \"ttbinh.snv\", \"role\": \"auditor\"}", CV_DENIED);
	must("{\"do\": \"admin.add\", \"admin\": \"unix:binh\", \"role\": \"operator\"}");
	must("{\"do\": \"admin.remove\", \"admin\": \"ttbinh.snv\"}");
	refused("{\"do\": \"admin.remove\", \"admin\": \"unix:binh\"}", CV_DENIED);
	must("{\"do\": \"admin.remove\", \"admin\": \"nvhoa.stp\"}");
	refused("{\"do\": \"admin.remove\", \"admin\": \"nvhoa.stp\"}", CV_NOT_FOUND);
}

static void
test_roles__nobody_below_an_operator_changes_an_administrators_account(void **state)
{
	(void)state;
	struct cv_registry_who self;
	must("{\"do\": \"admin.add\", \"admin\": \"nvhoa.stp\", \"role\": \"agency\", \"agency\": \"stp\"}");
	static const char *const passwd =
		"{\"do\": \"account.passwd\", \"address\": \"nvhoa.stp\"}";
	assert_int_equal(heard(&helpdesk, passwd, NULL), CV_DENIED);
	assert_int_equal(heard(&of_stp, passwd, NULL), CV_DENIED);
	assert_int_equal(heard(&of_stp, "{\"do\": \"forward.add\", \"from\": \"nvhoa.stp\","
		" \"to\": \"lvtam.stp1\"}", NULL), CV_DENIED);
	assert_int_equal(heard(&helpdesk, "{\"do\": \"account.show\", \"address\": \"nvhoa.stp\"}",
	                       NULL), CV_OK);
	assert_int_equal(heard(&helpdesk,
		"{\"do\": \"account.passwd\", \"address\": \"lvtam.stp1\"}", NULL), CV_OK);
	cv_registry_who_account(registry, "nvhoa.stp@lamgiang.example", &self);
	assert_int_equal(heard(&self, passwd, NULL), CV_OK);
	assert_int_equal(heard(&operator, passwd, NULL), CV_OK);
}

static void
test_roles__a_request_put_off_needs_the_right_of_what_it_will_do(void **state)
{
	(void)state;
	char text[300];
	long long at = (long long)cv_wall_secs() + 86400;
	snprintf(text, sizeof text, "{\"do\": \"dated.add\", \"at\": %lld, \"request\":"
		" {\"do\": \"account.retire\", \"address\": \"ttbinh.snv\"}}", at);
	assert_int_equal(heard(&of_stp, text, NULL), CV_DENIED);
	assert_int_equal(heard(&helpdesk, text, NULL), CV_DENIED);
	assert_int_equal(heard(&of_snv, text, NULL), CV_OK);
	snprintf(text, sizeof text, "{\"do\": \"dated.add\", \"at\": %lld, \"request\":"
		" {\"do\": \"domain.add\", \"domain\": \"x.example\"}}", at);
	assert_int_equal(heard(&of_snv, text, NULL), CV_DENIED);
}

/* The number of the newest. */
static json_int_t
last_act(void)
{
	json_t *request = json_pack("{s:s}", "do", "dated.list"), *reply = NULL, *act;
	struct cv_err err = {0};
	size_t i;
	json_int_t last = 0;
	assert_int_equal(cv_registry_do_as(registry, &operator, request, NULL, NULL, &reply, &err),
		CV_OK);
	json_array_foreach(json_object_get(reply, "acts"), i, act)
		last = CV_MAX(last, json_integer_value(json_object_get(act, "number")));
	json_decref(reply);
	json_decref(request);
	return last;
}

static json_int_t
acts_of(const struct cv_registry_who *who)
{
	json_t *request = json_pack("{s:s}", "do", "dated.list"), *reply = NULL;
	struct cv_err err = {0};
	assert_int_equal(cv_registry_do_as(registry, who, request, NULL, NULL, &reply, &err),
		CV_OK);
	json_int_t n = json_integer_value(json_object_get(reply, "total"));
	json_decref(reply);
	json_decref(request);
	return n;
}

static void
test_roles__who_administers_an_agency_sees_and_cancels_its_acts_alone(void **state)
{
	(void)state;
	char text[300];
	long long at = (long long)cv_wall_secs() + 2 * 86400;
	json_int_t before = acts_of(&operator), stp = acts_of(&of_stp), snv = acts_of(&of_snv);
	snprintf(text, sizeof text, "{\"do\": \"dated.add\", \"at\": %lld, \"request\":"
		" {\"do\": \"account.suspend\", \"address\": \"lvtam.stp1\"}}", at);
	assert_int_equal(heard(&operator, text, NULL), CV_OK);
	assert_int_equal(acts_of(&operator), before + 1);
	assert_int_equal(acts_of(&auditor), before + 1);
	assert_int_equal(acts_of(&of_stp), stp + 1); /* of the agency below */
	assert_int_equal(acts_of(&of_snv), snv);
	json_int_t number = last_act();
	snprintf(text, sizeof text, "{\"do\": \"dated.cancel\", \"number\": %lld}",
		(long long)number);
	assert_int_equal(heard(&of_snv, text, NULL), CV_DENIED);
	assert_int_equal(heard(&auditor, text, NULL), CV_DENIED);
	assert_int_equal(heard(&of_stp, text, NULL), CV_OK);
	assert_int_equal(acts_of(&operator), before);
}

/* ---- the trail ---- */

struct seen {
	json_t *last;
};

static bool
note_event(void *arg, uint64_t number, struct cv_str json)
{
	struct seen *s = arg;
	(void)number;
	json_decref(s->last);
	s->last = json_loadb(json.p, json.n, 0, NULL);
	return true;
}

static json_t *
last_event(void)
{
	struct seen s = {0};
	struct cv_err err = {0};
	if (cv_audit_walk(audit, 1, note_event, &s, &err))
		fail_msg("%s", err.text);
	return s.last;
}

/* The last event's value at PATH, "detail.before.title", as text; to be freed. */
static char *
event_value(const char *path)
{
	json_t *event = last_event();
	const json_t *v = event;
	struct cv_str rest = cv_str_z(path), word;
	char key[60];
	while (cv_str_split(&rest, '.', &word)) {
		snprintf(key, sizeof key, "%.*s", CV_STR_ARGS(word));
		v = json_object_get(v, key);
	}
	char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : cv_strdup("absent");
	json_decref(event);
	return text;
}

/* The role that the administrator NAME has now, "none", or "none" of nobody. */
static void
role_is(const char *name, enum cv_admin_role role)
{
	struct cv_registry_who who;
	cv_registry_who_account(registry, name, &who);
	CHECK(name, who.role == role);
}

static size_t
admins_now(void)
{
	json_t *reply;
	struct cv_err err = {0};
	if (ask("{\"do\": \"admin.list\"}", &reply, &err))
		fail_msg("%s", err.text);
	size_t n = json_array_size(json_object_get(reply, "admins"));
	json_decref(reply);
	return n;
}

#define BINH "ttbinh.snv@lamgiang.example"

static void
ops_04_a_role_follows_its_account_and_ends_with_the_agency(void **state)
{
	(void)state;
	size_t before = admins_now();
	must("{\"do\": \"account.add\", \"name\": \"Trần Thị Bình\", \"agency\": \"snv\", \"address\": \"binh.cu\", \"no_password\": true}");
	must("{\"do\": \"admin.add\", \"admin\": \"ttbinh.snv\", \"role\": \"agency\", \"agency\": \"snv\"}");
	must("{\"do\": \"account.rename\", \"address\": \"ttbinh.snv\", \"name\": \"Trần Thị Bảy\"}");
	role_is(BINH, CV_ROLE_NONE);
	role_is("ttbay.snv@lamgiang.example", CV_ROLE_AGENCY);
	/* The account ends in another one of the same person: its role goes there. */
	must("{\"do\": \"account.merge\", \"address\": \"ttbay.snv\", \"into\": \"binh.cu\"}");
	role_is("ttbay.snv@lamgiang.example", CV_ROLE_NONE);
	role_is("binh.cu@lamgiang.example", CV_ROLE_AGENCY);
	assert_int_equal(admins_now(), before + 1);
	/* To the agency's own room it stays, to another agency it does not. */
	must("{\"do\": \"agency.add\", \"code\": \"snv1\", \"name\": \"Phòng\", \"parent\": \"snv\"}");
	must("{\"do\": \"account.transfer\", \"address\": \"binh.cu\", \"agency\": \"snv1\", \"new_address\": \"binh.snv1\"}");
	role_is("binh.snv1@lamgiang.example", CV_ROLE_AGENCY);
	must("{\"do\": \"account.transfer\", \"address\": \"binh.snv1\", \"agency\": \"stp\", \"new_address\": \"binh.stp\"}");
	role_is("binh.stp@lamgiang.example", CV_ROLE_NONE);
	role_is("binh.snv1@lamgiang.example", CV_ROLE_NONE);
	assert_int_equal(admins_now(), before);
	char *action = event_value("action"), *was = event_value("detail.before.agency");
	CHECK(action, !strcmp(action, "\"admin.remove\""));
	CHECK(was, !strcmp(was, "\"snv\""));
	free(action);
	free(was);
	/* What is no agency's is not ended by leaving one; account.set moves people, too. */
	must("{\"do\": \"admin.add\", \"admin\": \"binh.stp\", \"role\": \"helpdesk\"}");
	must("{\"do\": \"account.set\", \"address\": \"binh.stp\", \"agency\": \"snv\"}");
	role_is("binh.stp@lamgiang.example", CV_ROLE_HELPDESK);
	must("{\"do\": \"admin.add\", \"admin\": \"binh.stp\", \"role\": \"agency\", \"agency\": \"snv\"}");
	must("{\"do\": \"account.set\", \"address\": \"binh.stp\", \"agency\": \"stp\"}");
	role_is("binh.stp@lamgiang.example", CV_ROLE_NONE);
	CHECK_END();
}

static void
ops_04_an_operator_who_is_gone_is_not_the_last_one(void **state)
{
	(void)state;
	must("{\"do\": \"admin.add\", \"admin\": \"nvhoa.stp\", \"role\": \"operator\"}");
	must("{\"do\": \"admin.add\", \"admin\": \"ttbinh.snv\", \"role\": \"operator\"}");
	must("{\"do\": \"account.retire\", \"address\": \"ttbinh.snv\"}");
	refused("{\"do\": \"admin.remove\", \"admin\": \"nvhoa.stp\"}", CV_DENIED);
	refused("{\"do\": \"admin.add\", \"admin\": \"nvhoa.stp\", \"role\": \"auditor\"}", CV_DENIED);
	must("{\"do\": \"admin.remove\", \"admin\": \"ttbinh.snv@lamgiang.example\"}");
	must("{\"do\": \"admin.add\", \"admin\": \"unix:nam\", \"role\": \"operator\"}");
	must("{\"do\": \"admin.remove\", \"admin\": \"nvhoa.stp\"}");
}

static void
sec_02_each_change_is_kept_with_before_and_after_who_and_role(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *request, *path, *want;
	} rows[] = {
		{ "{\"do\": \"account.set\", \"address\": \"nvhoa.stp\", \"title\": \"Phó Giám đốc\"}", "actor", "\"unix:stp\"" },
		{ "", "detail.role", "\"agency\"" },
		{ "", "detail.before.title", "\"\"" },
		{ "", "detail.after.title", "\"Phó Giám đốc\"" },
		{ "", "detail.before.address", "absent" },
		{ "{\"do\": \"alias.add\", \"address\": \"nvhoa.stp\", \"alias\": \"hoa.stp\"}", "detail.before.aliases", "[]" },
		{ "", "detail.after.aliases", "[\"hoa.stp@lamgiang.example\"]" },
		{ "{\"do\": \"account.suspend\", \"address\": \"nvhoa.stp\"}", "detail.before.state", "\"active\"" },
		{ "", "detail.after.state", "\"suspended\"" },
		{ "{\"do\": \"role.hold\", \"role\": \"vanthu.stp\", \"holder\": \"lvtam.stp1\"}", "detail.after.members", "[\"lvtam.stp1@lamgiang.example\"]" },
		{ "{\"do\": \"account.add\", \"name\": \"Võ Văn Kiệt\", \"agency\": \"stp1\"}", "detail.after.address", "\"vvkiet.stp1@lamgiang.example\"" },
		{ "", "detail.before", "absent" },
		{ "{\"do\": \"group.set\", \"group\": \"nhom.stp\", \"post\": \"members\"}", "detail.after.post", "\"members\"" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (*rows[i].request && heard(&of_stp, rows[i].request, NULL))
			fail_msg("%s", rows[i].request);
		char *got = event_value(rows[i].path), name[300];
		snprintf(name, sizeof name, "%s %s: %s", rows[i].request, rows[i].path, got);
		CHECK(name, !strcmp(got, rows[i].want));
		free(got);
	}
	CHECK_END();
	/* A password is no value of the trail. */
	must("{\"do\": \"account.passwd\", \"address\": \"lvtam.stp1\", \"password\": \"Rat-Bi-Mat-2026!x\"}");
	char *event = event_value("detail");
	assert_null(strstr(event, "Rat-Bi-Mat"));
	assert_null(strstr(event, "argon"));
	assert_non_null(strstr(event, "password_changed"));
	free(event);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, province, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ops_04_every_request_is_tried_by_every_role),
		TEST(ops_04_an_agencys_administrator_is_refused_in_another_agency),
		TEST(ops_04_a_list_of_people_adds_to_no_other_agency),
		TEST(int_04_lists_show_an_administrator_his_own_agencies_only),
		TEST(test_roles__are_given_kept_and_taken_away),
		TEST(test_roles__nobody_below_an_operator_changes_an_administrators_account),
		TEST(test_roles__a_request_put_off_needs_the_right_of_what_it_will_do),
		TEST(test_roles__who_administers_an_agency_sees_and_cancels_its_acts_alone),
		TEST(ops_04_a_role_follows_its_account_and_ends_with_the_agency),
		TEST(ops_04_an_operator_who_is_gone_is_not_the_last_one),
		TEST(sec_02_each_change_is_kept_with_before_and_after_who_and_role),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
