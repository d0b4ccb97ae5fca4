/* thread_test.c - messages come into the trees that RFC 5256 3 builds. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/thread.h"
#include "tests/unit/check.h"

#define MESSAGES_MAX 8
#define REFS_MAX     4

/* A message of a table: its id, what it refers to, when it was sent, its subject. */
struct mail {
	uint64_t id;
	uint64_t refs[REFS_MAX]; /* up to the first 0 */
	int64_t secs;
	const char *subject;
	bool is_reply;
};

static void
expect(const char *name, enum imapd_thread_how how, const struct mail *mails, size_t count,
	const char *expected)
{
	struct imapd_threaded items[MESSAGES_MAX] = {0};
	struct cv_buf out = CV_BUF_INIT(10000);

	for (size_t i = 0; i < count; i++) {
		size_t refs = 0;
		while (refs < REFS_MAX && mails[i].refs[refs])
			refs++;
		items[i] = (struct imapd_threaded){
			.number = (uint32_t)i + 1,
			.message_id = mails[i].id,
			.refs = mails[i].refs,
			.ref_count = refs,
			.sent_secs = mails[i].secs,
			.subject = cv_str_z(mails[i].subject),
			.is_reply = mails[i].is_reply,
		};
	}
	imapd_thread_write(how, items, count, &out);
	if (!cv_str_eq_z(cv_buf_view(&out), expected))
		fail_msg("%s: %.*s instead of %s", name, CV_STR_ARGS(cv_buf_view(&out)), expected);
	cv_buf_done(&out);
}

static const struct {
	const char *name;
	struct mail mails[MESSAGES_MAX];
	size_t count;
	const char *references, *refs, *ordered;
} rows[] = {
	{ "a reply stands below its parent",
	  { { 1, { 0 }, 10, "a", false }, { 2, { 1 }, 20, "a", true } }, 2,
	  " (1 2)", " (1 2)", " (1 2)" },
	{ "a reply that came first, too",
	  { { 2, { 1 }, 20, "a", true }, { 1, { 0 }, 10, "a", false } }, 2,
	  " (2 1)", " (2 1)", " (2 1)" },
	{ "two replies part the thread, in the order of their dates",
	  { { 1, { 0 }, 10, "a", false }, { 2, { 1 }, 30, "a", true }, { 3, { 1 }, 20, "a", true } },
	  3, " (1 (3)(2))", " (1 (3)(2))", " (1 (3)(2))" },
	{ "a parent that is not here leaves its only child alone",
	  { { 2, { 1 }, 10, "a", true } }, 1, " (1)", " (1)", " (1)" },
	{ "and holds several together",
	  { { 2, { 1 }, 20, "b", true }, { 3, { 1 }, 10, "c", true } }, 2,
	  " ((2)(1))", " ((2)(1))", " (2)(1)" },
	{ "a place in the middle gives way",
	  { { 1, { 0 }, 10, "a", false }, { 3, { 1, 2 }, 30, "a", true } }, 2,
	  " (1 2)", " (1 2)", " (1 2)" },
	{ "references in a circle are not followed",
	  { { 1, { 2 }, 10, "a", false }, { 2, { 1 }, 20, "b", false } }, 2,
	  " (2 1)", " (2 1)", " (1)(2)" },
	{ "a message that refers to itself stands alone",
	  { { 1, { 1 }, 10, "a", false } }, 1, " (1)", " (1)", " (1)" },
	{ "a second message of the same id is one by itself",
	  { { 1, { 0 }, 10, "a", false }, { 1, { 0 }, 20, "b", false }, { 2, { 1 }, 30, "c", true } },
	  3, " (1 3)(2)", " (2)(1 3)", " (1)(2)(3)" },
	{ "messages without id are not the same message",
	  { { 0, { 0 }, 10, "a", false }, { 0, { 0 }, 20, "b", false } }, 2,
	  " (1)(2)", " (1)(2)", " (1)(2)" },
	{ "its own word on its parent counts",
	  { { 1, { 0 }, 10, "a", false }, { 2, { 0 }, 20, "b", false },
	    { 4, { 1, 3 }, 40, "c", false }, { 3, { 2 }, 30, "d", false } }, 4,
	  " (1)(2 4 3)", " (1)(2 4 3)", " (1)(2)(4)(3)" },
	{ "a reply by subject joins the message it answers",
	  { { 2, { 0 }, 20, "a", true }, { 1, { 0 }, 10, "a", false } }, 2,
	  " (2 1)", " (2)(1)", " (2 1)" },
	{ "two of the same subject stand side by side",
	  { { 1, { 0 }, 10, "a", false }, { 2, { 0 }, 20, "a", false } }, 2,
	  " ((1)(2))", " (1)(2)", " (1 2)" },
	{ "and a third one joins them",
	  { { 1, { 0 }, 10, "a", false }, { 2, { 0 }, 20, "a", false },
	    { 3, { 0 }, 30, "a", true } }, 3,
	  " ((1)(2)(3))", " (1)(2)(3)", " (1 (2)(3))" },
	{ "threads whose beginnings are not here are one by their subject",
	  { { 2, { 1 }, 10, "a", true }, { 3, { 1 }, 20, "a", true }, { 5, { 4 }, 30, "a", true },
	    { 6, { 4 }, 40, "a", true } }, 4,
	  " ((1)(2)(3)(4))", " ((1)(2))((3)(4))", " (1 (2)(3)(4))" },
	{ "no subject is no reason to join",
	  { { 1, { 0 }, 10, "", false }, { 2, { 0 }, 20, "", true } }, 2,
	  " (1)(2)", " (1)(2)", " (1 2)" },
	{ "REFS puts the thread with the newest message last",
	  { { 1, { 0 }, 10, "a", false }, { 2, { 0 }, 20, "b", false }, { 3, { 1 }, 30, "a", true } },
	  3, " (1 3)(2)", " (2)(1 3)", " (1 3)(2)" },
	{ "nothing gives nothing", { { 0, { 0 }, 0, "", false } }, 0, "", "", "" },
};

static void
test_trees(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		expect(rows[i].name, IMAPD_THREAD_REFERENCES, rows[i].mails, rows[i].count,
			rows[i].references);
		expect(rows[i].name, IMAPD_THREAD_REFS, rows[i].mails, rows[i].count,
			rows[i].refs);
		expect(rows[i].name, IMAPD_THREAD_ORDEREDSUBJECT, rows[i].mails, rows[i].count,
			rows[i].ordered);
	}
}

/* Replies to replies, newest first, are the worst order for looking out for circles. */
static void
test_a_long_chain_costs_neither_stack_nor_patience(void **state)
{
	enum { DEEP = 100000 };
	struct imapd_threaded *items = cv_calloc(DEEP, sizeof *items);
	uint64_t *refs = cv_calloc(DEEP, sizeof *refs);
	struct cv_buf out = CV_BUF_INIT(1u << 24);

	(void)state;
	for (uint32_t backwards = 0; backwards < 2; backwards++) {
		for (uint32_t i = 0; i < DEEP; i++) {
			uint64_t id = backwards ? DEEP - i : i + 1;
			refs[i] = id - 1;
			items[i] = (struct imapd_threaded){.number = i + 1, .message_id = id,
				.refs = &refs[i], .ref_count = id > 1, .sent_secs = (int64_t)id};
		}
		cv_buf_reset(&out);
		imapd_thread_write(IMAPD_THREAD_REFERENCES, items, DEEP, &out);
		assert_true(out.n > DEEP * 2);
		assert_true(cv_str_has_prefix(
			cv_buf_view(&out), backwards ? " (100000 99999 " : " (1 2 3 "));
	}
	free(items);
	free(refs);
	cv_buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_a_long_chain_costs_neither_stack_nor_patience),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
