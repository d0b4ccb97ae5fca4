/* esearch_args_test.c - ESEARCH, CANCELUPDATE and UPDATE are read to the letter of RFC 7377 and
 * 5267. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/args.h"

static bool
parse(struct cv_arena *arena, const char *grammar, struct cv_str text, struct imapd_args *out)
{
	struct imapd_parse p = {.text = text, .arena = arena};

	*out = (struct imapd_args){0};
	return imapd_parse_args(&p, grammar, out);
}

static void
test_esearch__takes_sources_results_and_keys(void **state)
{
	static const struct {
		const char *text;
		size_t sources;
		bool is_selected_alone;
		unsigned returns;
		const char *described, *program;
	} rows[] = {
		{" ALL", 0, true, IMAPD_RETURN_ALL, "", "ALL"},
		{" IN (selected) RETURN () 1:3", 1, true, IMAPD_RETURN_ALL, "", "1:3"},
		{" in (PERSONAL subtree (a b)) UNSEEN", 2, false, IMAPD_RETURN_ALL, "", "UNSEEN"},
		{" RETURN (UPDATE COUNT) ALL", 0, true, IMAPD_RETURN_UPDATE | IMAPD_RETURN_COUNT, "",
			"ALL"},
		{" RETURN (UPDATE (UID FLAGS) CONTEXT) ALL", 0, true,
			IMAPD_RETURN_UPDATE | IMAPD_RETURN_CONTEXT, "(UID FLAGS)", "ALL"},
		{" RETURN (UPDATE(ENVELOPE)) CHARSET UTF-8 TEXT x", 0, true, IMAPD_RETURN_UPDATE,
			"(ENVELOPE)", "CHARSET UTF-8 TEXT x"},
		{" RETURN (SAVE) $", 0, true, IMAPD_RETURN_SAVE, "", "$"},
		{" IN (mailboxes INBOX) RETURN (RELEVANCY) FUZZY ALL", 1, false,
			IMAPD_RETURN_RELEVANCY, "", "FUZZY ALL"},
	};
	struct imapd_args a;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		if (!parse(&arena, "esearch", cv_str_z(rows[i].text), &a))
			fail_msg("%s: not understood", rows[i].text);
		if (a.esearch->count != rows[i].sources ||
			a.esearch->is_selected_alone != rows[i].is_selected_alone ||
			!a.search->is_extended || a.search->returns != rows[i].returns ||
			!cv_str_eq_z(a.search->described, rows[i].described) ||
			!cv_str_eq_z(a.search->program, rows[i].program))
			fail_msg("%s: read wrongly", rows[i].text);
		cv_arena_done(&arena);
	}
}

static void
test_esearch__refuses_the_rest(void **state)
{
	static const char *const bad[] = {"", " ", " IN ALL", " IN () ALL", " IN (selected)",
		" IN (selected)ALL", " IN (selected-delayed) ALL", " IN (personal (x y)) ALL",
		" IN (personal,inboxes) ALL", " RETURN (UPDATE ()) ALL",
		" RETURN (UPDATE (NONSENSE)) ALL", " RETURN (UPDATE (UID) ALL",
		" RETURN (RELEVANCY) ALL", " RETURN (ALL PARTIAL 1:2) ALL",
		" IN (personal) RETURN (SAVE) ALL", " IN (personal) $", " IN (personal) NOT UID $",
		" IN (personal) IN (personal) ALL"};
	struct imapd_args a;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(bad); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		if (parse(&arena, "esearch", cv_str_z(bad[i]), &a))
			fail_msg("%s: taken", bad[i]);
		cv_arena_done(&arena);
	}
}

/* However a command is cut, nothing but the whole of it is taken. */
static void
test_esearch__refuses_every_beginning(void **state)
{
	static const char text[] = " IN (personal mailboxes (a {1}\r\nb) selected) RETURN (UPDATE "
				   "(UID) COUNT) CHARSET UTF-8 SUBJECT \"x y\"";
	struct imapd_args a;

	(void)state;
	for (size_t n = 0; n < sizeof text; n++) {
		struct cv_arena arena = CV_ARENA_INIT;
		if (parse(&arena, "esearch", cv_str(text, n), &a) != (n == sizeof text - 1))
			fail_msg("%zu octets", n);
		cv_arena_done(&arena);
	}
}

static void
test_cancelupdate__takes_tags(void **state)
{
	static const struct {
		const char *text;
		size_t tags; /* 0: refused */
	} rows[] = {
		{" \"a1\"", 1},
		{" \"a1\" \"b \\\\2\" {1}\r\nc", 3},
		{"", 0},
		{" ", 0},
		{" a1", 0},
		{" \"a1", 0},
		{" \"a1\" ", 0},
		{" \"a1\"\"b2\"", 0},
	};
	struct imapd_args a;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		bool ok = parse(&arena, "tags", cv_str_z(rows[i].text), &a);
		if (ok != (rows[i].tags > 0) || (ok && a.name_count != rows[i].tags))
			fail_msg("%s", rows[i].text);
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_esearch__takes_sources_results_and_keys),
		cmocka_unit_test(test_esearch__refuses_the_rest),
		cmocka_unit_test(test_esearch__refuses_every_beginning),
		cmocka_unit_test(test_cancelupdate__takes_tags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
