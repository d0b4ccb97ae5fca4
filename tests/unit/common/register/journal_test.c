/* journal_test.c - acts of any size happen wholly or not at all, also when the process is killed in
 * the middle, and are taken back and done again. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "tests/unit/common/register/registry_kit.h"

#define UNITS 2600 /* with a long location each, so that an act is several batches */

/* A request that adds N units. */
static char *
many_units(unsigned n, const char *more)
{
	json_t *list = json_array();
	char code[16], name[64], location[300];
	memset(location, 'x', sizeof location - 1);
	location[sizeof location - 1] = 0;
	for (unsigned i = 0; i < n; i++) {
		snprintf(code, sizeof code, "u%u", i);
		snprintf(name, sizeof name, "Đơn vị số %u", i);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "code", code, "name",
			name, "location", location, "parent", i ? "u0" : ""));
	}
	json_t *o = json_pack("{s:s, s:o, s:b}", "do", "agency.add", "agencies", list, "update", 1);
	if (*more)
		json_object_set_new(o, more, json_true());
	char *text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static json_int_t
number_of(const char *request, const char *key)
{
	json_t *reply;
	struct cv_err err = {0};
	if (ask(request, &reply, &err))
		fail_msg("%s: %s", request, err.text);
	json_t *v = json_object_get(reply, key);
	json_int_t n = json_is_array(v) ? (json_int_t)json_array_size(v) : json_integer_value(v);
	json_decref(reply);
	return n;
}

static json_int_t
units(void)
{
	return number_of("{\"do\": \"agency.list\"}", "agencies");
}

static json_int_t
acts(void)
{
	return number_of("{\"do\": \"undo.list\"}", "acts");
}

static enum cv_status
undo(json_int_t id, json_t **reply, struct cv_err *err)
{
	char text[80];
	snprintf(text, sizeof text, "{\"do\": \"undo\", \"id\": %lld}", (long long)id);
	return ask(text, reply, err);
}

/* Takes act ID back; the number of the act that did it. */
static json_int_t
undone(json_int_t id)
{
	json_t *reply;
	struct cv_err err = {0};
	if (undo(id, &reply, &err))
		fail_msg("undo %lld: %s", (long long)id, err.text);
	json_int_t act = json_integer_value(json_object_get(reply, "act"));
	json_decref(reply);
	return act;
}

/* That undoing ID is refused and names a row of KIND called NAME. */
static void
undo_refused(json_int_t id, const char *kind, const char *name)
{
	json_t *reply, *row;
	struct cv_err err = {0};
	size_t i;
	bool found = false;
	assert_int_equal(undo(id, &reply, &err), CV_CONFLICT);
	assert_non_null(json_object_get(reply, "error_vi"));
	json_array_foreach(json_object_get(reply, "rows"), i, row)
		found |= !strcmp(json_string_value(json_object_get(row, "kind")), kind) &&
			!strcmp(json_string_value(json_object_get(row, "name")), name);
	if (!found)
		fail_msg("%s: %s %s is not named", err.text, kind, name);
	json_decref(reply);
}

static const char *const list =
	"{\"do\": \"import\", \"allow_weak\": true, \"csv\": \"Họ và tên,Đơn vị,Mật khẩu\\n"
	"Nguyễn Văn Hòa,stp,matkhau1\\nTrần Thị Bình,stp,matkhau2\\nLê Văn Tám,stp,matkhau3\\n\"}";

static void
test_journal__a_list_is_one_act_taken_back_and_done_again(void **state)
{
	(void)state;
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\"}");
	json_int_t act = number_of(list, "act");
	assert_int_equal(number_of("{\"do\": \"account.list\"}", "total"), 3);
	const struct cv_snapshot *s = cv_register_get(reg);
	uint64_t generation = cv_snapshot_generation(s);
	cv_snapshot_unref(s);
	json_int_t back = undone(act);
	s = cv_register_get(reg);
	assert_int_equal(cv_snapshot_accounts(s), 0);
	assert_int_equal(cv_snapshot_generation(s), generation + 1); /* published once */
	cv_snapshot_unref(s);
	assert_int_equal(number_of("{\"do\": \"account.list\"}", "total"), 0);
	undone(back);
	assert_int_equal(number_of("{\"do\": \"account.list\"}", "total"), 3);
	/* With the numbers and passwords they had: the list changes nothing. */
	json_t *reply;
	struct cv_err err = {0};
	assert_int_equal(ask(list, &reply, &err), CV_OK);
	assert_int_equal(json_integer_value(json_object_get(reply, "unchanged")), 3);
	json_decref(reply);
	/* The next person gets a number of his own. */
	assert_int_equal(number_of("{\"do\": \"account.add\", \"name\": \"Lý Văn Tư\", \"agency\": \"stp\"}",
	                           "number"), 4);
	close_all();
	open_all();
	assert_int_equal(number_of("{\"do\": \"account.list\"}", "total"), 4);
	assert_int_equal(acts(), 3);
}

static void
test_journal__an_act_taken_back_is_not_taken_back_twice(void **state)
{
	(void)state;
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\"}");
	json_int_t act = number_of(list, "act"), back = undone(act);
	json_t *reply;
	struct cv_err err = {0};
	assert_int_equal(undo(act, &reply, &err), CV_EXISTS);
	undone(undone(back)); /* done again, and taken back again */
	assert_int_equal(number_of("{\"do\": \"account.list\"}", "total"), 0);
	refused("{\"do\": \"undo\", \"id\": 99}", CV_NOT_FOUND);
	refused("{\"do\": \"undo.show\"}", CV_NOT_FOUND);
}

static void
test_journal__rows_changed_since_refuse_and_are_named(void **state)
{
	(void)state;
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\"}");
	json_int_t act = number_of(list, "act");
	must("{\"do\": \"account.set\", \"address\": \"ttbinh.stp\", \"phone_office\": \"0271\"}");
	undo_refused(act, "account", "ttbinh.stp@lamgiang.example");
	must("{\"do\": \"account.set\", \"address\": \"ttbinh.stp\", \"phone_office\": \"\"}");
	must("{\"do\": \"account.passwd\", \"address\": \"nvhoa.stp\"}");
	undo_refused(act, "password", "nvhoa.stp@lamgiang.example");
	assert_int_equal(number_of("{\"do\": \"account.list\"}", "total"), 3);
}

static void
test_journal__what_was_added_since_keeps_what_it_needs(void **state)
{
	(void)state;
	char *text = many_units(3, "");
	json_int_t act = number_of(text, "act");
	free(text);
	must("{\"do\": \"account.add\", \"name\": \"Lê Văn Tám\", \"agency\": \"u2\"}");
	undo_refused(act, "account", "lvtam.u2@lamgiang.example");
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\"}");
	act = number_of(list, "act");
	must("{\"do\": \"account.add\", \"kind\": \"group\", \"address\": \"nhom\", \"name\": \"Nhóm\"}");
	must("{\"do\": \"group.member\", \"group\": \"nhom\", \"member\": \"nvhoa.stp\"}");
	undo_refused(act, "member", "nhom@lamgiang.example - nvhoa.stp@lamgiang.example");
	must("{\"do\": \"group.member\", \"group\": \"nhom\", \"member\": \"nvhoa.stp\", \"remove\": true}");
	must("{\"do\": \"alias.add\", \"address\": \"nvhoa.stp\", \"alias\": \"hoa\"}");
	undo_refused(act, "address", "hoa@lamgiang.example");
	close_all();
	open_all();
}

static void
test_journal__shows_rows_before_and_after_without_secrets(void **state)
{
	(void)state;
	must("{\"do\": \"agency.add\", \"code\": \"stp\", \"name\": \"Sở Tư pháp\"}");
	json_int_t first = number_of(list, "act");
	json_int_t act = number_of("{\"do\": \"quota.set\", \"agency\": \"stp\", \"quota\": \"3G\"}",
	                           "act");
	json_t *reply;
	struct cv_err err = {0};
	char text[100];
	snprintf(text, sizeof text, "{\"do\": \"undo.show\", \"id\": %lld}", (long long)act);
	assert_int_equal(ask(text, &reply, &err), CV_OK);
	assert_int_equal(json_integer_value(json_object_get(reply, "total")), 3);
	json_t *row = json_array_get(json_object_get(reply, "rows"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "change")), "changed");
	json_t *before = json_object_get(row, "before"), *after = json_object_get(row, "after");
	assert_int_equal(json_object_size(before), 1);
	assert_int_equal(json_integer_value(json_object_get(before, "quota")), (json_int_t)2 << 30);
	assert_int_equal(json_integer_value(json_object_get(after, "quota")), (json_int_t)3 << 30);
	json_decref(reply);
	snprintf(text, sizeof text, "{\"do\": \"undo.show\", \"id\": %lld}", (long long)first);
	assert_int_equal(ask(text, &reply, &err), CV_OK);
	char *dump = json_dumps(reply, 0);
	assert_null(strstr(dump, "argon"));
	assert_non_null(strstr(dump, "nvhoa.stp@lamgiang.example"));
	free(dump);
	json_decref(reply);
	/* Boxes follow: the store knows the quota again. */
	undone(act);
	assert_int_equal(ask("{\"do\": \"quota.list\", \"address\": \"nvhoa.stp\"}", &reply, &err),
	                 CV_OK);
	row = json_array_get(json_object_get(reply, "accounts"), 0);
	assert_int_equal(json_integer_value(json_object_get(row, "limit")), (json_int_t)2 << 30);
	json_decref(reply);
}

static void
test_journal__acts_expire_after_thirty_days(void **state)
{
	(void)state;
	char *text = many_units(UNITS, "");
	json_int_t act = number_of(text, "act");
	free(text);
	cv_clock_shift((int64_t)29 * 86400);
	assert_int_equal(acts(), 1);
	cv_clock_shift((int64_t)2 * 86400);
	assert_int_equal(acts(), 0);
	json_t *reply;
	struct cv_err err = {0};
	assert_int_equal(undo(act, &reply, &err), CV_NOT_FOUND);
	/* The rows of the journal go with the next act or start. */
	close_all();
	open_all();
	cv_clock_shift((int64_t)-31 * 86400);
	assert_int_equal(acts(), 0);
	assert_int_equal(units(), UNITS);
}

static void
test_journal__a_dry_run_of_a_large_act_changes_nothing(void **state)
{
	(void)state;
	char *text = many_units(UNITS, "dry_run");
	assert_int_equal(number_of(text, "changed"), UNITS);
	free(text);
	assert_int_equal(units(), 0);
	assert_int_equal(acts(), 0);
}

#ifdef CV_KILL_POINTS

/* A child sends REQUEST and is killed at WHERE. */
static void
die_at(const char *where, const char *request)
{
	int how;
	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		setenv("CONGVU_KILL", where, 1);
		cv_kill_reload();
		open_all();
		json_t *reply;
		struct cv_err err = {0};
		_exit(ask(request, &reply, &err) == CV_OK ? 0 : 1);
	}
	waitpid(child, &how, 0);
	if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGKILL)
		fail_msg("%s: not killed there (%d)", where, how);
}

/* Every point of an act, with what must be seen afterwards. Before it is switched on nothing has
 * happened, from then on everything. */
static const struct {
	const char *where;
	bool done;
} points[] = {
	{ "journal.staged:1", false }, { "journal.staged:2", false }, { "journal.on:1", true },
	{ "journal.rolled:1", true },  { "journal.rolled:2", true },  { "journal.done:1", true },
};

static void
test_journal__kill_9_leaves_all_of_an_act_or_nothing(void **state)
{
	(void)state;
	char *text = many_units(UNITS, "");
	for (size_t i = 0; i < CV_COUNT(points); i++) {
		close_all();
		die_at(points[i].where, text);
		open_all();
		json_int_t n = units(), m = acts();
		CHECK(points[i].where, n == (points[i].done ? UNITS : 0));
		CHECK(points[i].where, m == (points[i].done ? 1 : 0));
		/* The same request once more brings the rest, or finds all there. */
		must(text);
		CHECK(points[i].where, units() == UNITS);
		CHECK(points[i].where, acts() == 1);
		teardown(state);
		setup(state);
	}
	free(text);
	CHECK_END();
}

static void
test_journal__kill_9_in_the_middle_of_undo_leaves_all_or_nothing(void **state)
{
	(void)state;
	char *text = many_units(UNITS, ""), request[80];
	json_int_t act = number_of(text, "act");
	free(text);
	for (size_t i = 0; i < CV_COUNT(points); i++) {
		snprintf(request, sizeof request, "{\"do\": \"undo\", \"id\": %lld}",
		         (long long)act);
		close_all();
		die_at(points[i].where, request);
		open_all();
		CHECK(points[i].where, units() == (points[i].done ? 0 : UNITS));
		if (!points[i].done)
			continue;
		/* Done again, for the next point. */
		json_t *reply;
		struct cv_err err = {0};
		assert_int_equal(ask("{\"do\": \"undo.list\"}", &reply, &err), CV_OK);
		json_t *last = json_array_get(json_object_get(reply, "acts"), 0);
		act = undone(json_integer_value(json_object_get(last, "id")));
		json_decref(reply);
		CHECK(points[i].where, units() == UNITS);
	}
	CHECK_END();
}

#endif

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_journal__a_list_is_one_act_taken_back_and_done_again),
		TEST(test_journal__an_act_taken_back_is_not_taken_back_twice),
		TEST(test_journal__rows_changed_since_refuse_and_are_named),
		TEST(test_journal__what_was_added_since_keeps_what_it_needs),
		TEST(test_journal__shows_rows_before_and_after_without_secrets),
		TEST(test_journal__acts_expire_after_thirty_days),
		TEST(test_journal__a_dry_run_of_a_large_act_changes_nothing),
#ifdef CV_KILL_POINTS
		TEST(test_journal__kill_9_leaves_all_of_an_act_or_nothing),
		TEST(test_journal__kill_9_in_the_middle_of_undo_leaves_all_or_nothing),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
