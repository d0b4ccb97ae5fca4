/* judge_test.c - a whole server judges a message: with room and time, and without. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "common/base/clock.h"
#include "spamfilter/judge.h"
#include "spamfilter/tool/explain.h"
#include "tests/unit/check.h"

static char folder[] = "/tmp/congvu-judge-XXXXXX";

static int
setup(void **state)
{
	(void)state;
	return !mkdtemp(folder);
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f))
		fail_msg("cannot write %s", path);
}

/* A server on the options of LINES, with no DNS. */
static struct spam_server *
open_server(const char *lines)
{
	char conf[100], text[1000], why_not[256];
	struct spam_server *s = NULL;
	struct cv_err err;

	snprintf(conf, sizeof conf, "%s/congvu.conf", folder);
	snprintf(text, sizeof text,
		"[congvu]\nbase_dir = %s\nsandbox = no\ndefault_domain = lamgiang.example\n"
		"[spamfilter]\n%s",
		folder, lines);
	write_file(conf, text);
	if (spam_server_open_tool(conf, true, NULL, 0, &s, why_not, &err))
		fail_msg("%s", err.text);
	return s;
}

static const char letter[] = "From: <a@out.test>\r\nTo: <b@lamgiang.example>\r\nSubject: hello\r\n"
			     "Date: Mon, 23 Nov 2026 08:00:00 +0700\r\n\r\ntext\r\n";
static const char forged[] = "From: <ct@lamgiang.example>\r\nSubject: hello\r\n\r\ntext\r\n";

static json_t *
explain(struct spam_server *s, const char *message)
{
	struct spam_asked asked = {.client = "192.0.2.9"};
	json_t *answer = NULL;
	struct cv_err err;

	if (spam_explain(s, cv_str_z(message), &asked, &answer, &err))
		fail_msg("%s", err.text);
	return answer;
}

static bool
has_rule(const json_t *answer, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(answer, "rules"), i, row)
		if (!strcmp(json_string_value(json_object_get(row, "name")), name))
			return true;
	return false;
}

static bool
is_text(const json_t *o, const char *key, const char *want)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && !strcmp(text, want);
}

static void
test_room__without_any_the_message_is_put_off_or_passes(void **state)
{
	static const struct {
		const char *name, *action, *verdict;
	} rows[] = {
		{"put off", "tempfail", "refuse"},
		{"passes",  "accept",   "pass"  },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char lines[200];
		snprintf(lines, sizeof lines,
			"examined_max = 1\nmessage_secs = 1\noverload_action = %s\n",
			rows[i].action);
		struct spam_server *s = open_server(lines);
		json_t *answer = explain(s, letter);
		CHECK("with room", is_text(answer, "verdict", "pass"));
		json_decref(answer);
		assert_true(spam_room_take(&s->room, 1, cv_mono_ms()));
		answer = explain(s, letter);
		CHECK(rows[i].name, is_text(answer, "verdict", rows[i].verdict));
		CHECK(rows[i].name, has_rule(answer, "no-room"));
		const json_t *refusal = json_object_get(answer, "refusal");
		CHECK(rows[i].name, !refusal || (is_text(refusal, "rule", "LIMIT.busy") &&
							is_text(refusal, "enhanced", "4.3.2")));
		json_decref(answer);
		answer = explain(s, forged);
		CHECK("what is forbidden stays so", has_rule(answer, "forged-domain") &&
			is_text(json_object_get(answer, "refusal"), "rule", "POL-06.forged-own"));
		json_decref(answer);
		spam_room_give(&s->room);
		CHECK("room is given back", spam_room_taken(&s->room) == 0);
		spam_server_close(s);
	}
	CHECK_END();
}

/* Looking at it has cost too much as soon as it begins. */
static void
test_budget__what_vouches_or_forbids_is_looked_at_all_the_same(void **state)
{
	struct spam_server *s = open_server("");
	struct spamfilter_options options = *s->opt;
	static const char advertising[] =
		"From: <a@out.test>\r\nSubject: [QC] hello\r\n\r\ntext\r\n";

	(void)state;
	json_t *answer = explain(s, advertising);
	CHECK("in time", has_rule(answer, "advertising-label") && !has_rule(answer, "too-costly"));
	json_decref(answer);
	options.message_cpu_ms = 0;
	s->opt = &options;
	answer = explain(s, advertising);
	CHECK("the rest is left out", !has_rule(answer, "advertising-label"));
	CHECK("and that is told", has_rule(answer, "too-costly"));
	CHECK("by a defined verdict", is_text(answer, "verdict", "junk"));
	json_decref(answer);
	answer = explain(s, forged);
	CHECK("forbidden all the same", has_rule(answer, "forged-domain") &&
						is_text(answer, "verdict", "refuse"));
	json_decref(answer);
	spam_server_close(s);
	CHECK_END();
}

/* A header of more than a megabyte is refused by its own rule, and nothing else is looked at. */
static void
test_header__too_large_is_the_only_finding(void **state)
{
	struct spam_server *s = open_server("");
	struct cv_buf text = CV_BUF_INIT(4u << 20);

	(void)state;
	for (int i = 0; i < 20000; i++)
		cv_buf_z(&text, "X-Padding: 0123456789012345678901234567890123456789012345678\r\n");
	cv_buf_z(&text, forged);
	json_t *answer = explain(s, text.p);
	CHECK("refused", is_text(json_object_get(answer, "refusal"), "rule", "LIMIT.header"));
	CHECK("alone", json_array_size(json_object_get(answer, "rules")) == 1 &&
			has_rule(answer, "header-too-large"));
	json_decref(answer);
	spam_server_close(s);
	cv_buf_done(&text);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room__without_any_the_message_is_put_off_or_passes),
		cmocka_unit_test(test_budget__what_vouches_or_forbids_is_looked_at_all_the_same),
		cmocka_unit_test(test_header__too_large_is_the_only_finding),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
