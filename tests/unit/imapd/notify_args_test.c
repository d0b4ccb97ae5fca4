/* notify_args_test.c - NOTIFY is read to the letter of RFC 5465 8. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/args.h"

static bool
parse(struct cv_arena *arena, struct cv_str text, struct imapd_args *out)
{
	struct imapd_parse p = {.text = text, .arena = arena};

	*out = (struct imapd_args){0};
	return imapd_parse_args(&p, "notify", out);
}

static void
test_notify__takes_what_the_grammar_allows(void **state)
{
	enum { NEW = IMAPD_EVENT_NEW | IMAPD_EVENT_EXPUNGE };
	static const struct {
		const char *text;
		bool with_status, has_unsupported;
		size_t count;
		unsigned events; /* of the last group */
		const char *described; /* of the first */
	} rows[] = {
		{" NONE", false, false, 0, 0, ""},
		{" SET (personal NONE)", false, false, 1, 0, ""},
		{" set status (Selected (messagenew MESSAGEEXPUNGE))", true, false, 1, NEW, ""},
		{" SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (From)]) MessageExpunge))",
			false, false, 1, NEW, "(UID BODY.PEEK[HEADER.FIELDS (From)])"},
		{" SET (selected-delayed (MessageExpunge MessageNew FlagChange)) (inboxes (MailboxName))",
			false, false, 2, IMAPD_EVENT_NAME, ""},
		{" SET (subtree (a {1}\r\nb) (SubscriptionChange MailboxName))", false, false, 1,
			IMAPD_EVENT_NAME | IMAPD_EVENT_SUBSCRIPTION, ""},
		{" SET (personal (MailboxMetadataChange ServerMetadataChange))", false, false, 1,
			IMAPD_EVENT_METADATA | IMAPD_EVENT_SERVER_METADATA, ""},
		{" SET (personal (AnnotationChange X-Later))", false, true, 1, 0, ""},
	};
	struct imapd_args a;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		if (!parse(&arena, cv_str_z(rows[i].text), &a))
			fail_msg("%s: not understood", rows[i].text);
		const struct imapd_notify_args *n = a.notify;
		if (n->with_status != rows[i].with_status || n->count != rows[i].count ||
			n->has_unsupported != rows[i].has_unsupported ||
			(n->count && n->groups[n->count - 1].events != rows[i].events) ||
			(n->count && !cv_str_eq_z(n->groups[0].described, rows[i].described)))
			fail_msg("%s: read wrongly", rows[i].text);
		cv_arena_done(&arena);
	}
}

static void
test_notify__refuses_the_rest(void **state)
{
	static const char *const bad[] = {"", " SET", " SET ", " SETSTATUS (personal NONE)",
		" SET STATUS", " SET personal NONE", " SET (personal)", " SET (personal ())",
		" SET (personal NONE) ", " SET (personal NONE)(inboxes NONE)", " NONE x",
		" SET (personal (MessageNew))", " SET (personal (MessageExpunge))",
		" SET (personal (FlagChange))", " SET (selected (MailboxName))",
		" SET (selected NONE) (selected NONE)",
		" SET (personal (MessageNew (UID) MessageExpunge))",
		" SET (selected (MessageNew () MessageExpunge))",
		" SET (selected (MessageNew (NONSENSE) MessageExpunge))",
		" SET (selected (MessageNew UID MessageExpunge", " SET (subtree-one a NONE)",
		" SET (selected (MessageNew ALL MessageExpunge)"};
	struct imapd_args a;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(bad); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		if (parse(&arena, cv_str_z(bad[i]), &a))
			fail_msg("%s: taken", bad[i]);
		cv_arena_done(&arena);
	}
}

/* However a command is cut, nothing but the whole of it is taken. */
static void
test_notify__refuses_every_beginning(void **state)
{
	static const char text[] = " SET STATUS (selected (MessageNew (UID) MessageExpunge))"
				   " (mailboxes ({2}\r\na) \"b c\") (FlagChange MessageNew "
				   "MessageExpunge))";
	struct imapd_args a;

	(void)state;
	for (size_t n = 0; n < sizeof text; n++) {
		struct cv_arena arena = CV_ARENA_INIT;
		bool ok = parse(&arena, cv_str(text, n), &a);
		bool ends_group = n == strlen(" SET STATUS (selected (MessageNew (UID) "
					      "MessageExpunge))");
		if (ok != (ends_group || n == sizeof text - 1))
			fail_msg("%zu octets", n);
		cv_arena_done(&arena);
	}
}

static void
test_notify__counts_groups(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf text = CV_BUF_INIT(1u << 16);
	struct imapd_args a;

	(void)state;
	cv_buf_z(&text, " SET");
	for (size_t i = 0; i < IMAPD_GROUPS_MAX; i++)
		cv_buf_z(&text, " (personal NONE)");
	assert_true(parse(&arena, cv_buf_view(&text), &a));
	cv_buf_z(&text, " (personal NONE)");
	assert_false(parse(&arena, cv_buf_view(&text), &a));
	cv_buf_done(&text);
	cv_arena_done(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_notify__takes_what_the_grammar_allows),
		cmocka_unit_test(test_notify__refuses_the_rest),
		cmocka_unit_test(test_notify__refuses_every_beginning),
		cmocka_unit_test(test_notify__counts_groups),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
