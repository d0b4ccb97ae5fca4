/* args_test.c - arguments are read as the grammar of RFC 3501 says, and nothing else is. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/args.h"

static bool
parse(struct cv_arena *arena, const char *grammar, struct cv_str text, struct imapd_args *args,
	const char **fault)
{
	struct imapd_parse p = {.text = text, .arena = arena};
	*args = (struct imapd_args){0};
	bool ok = imapd_parse_args(&p, grammar, args);
	*fault = p.fault;
	return ok;
}

/* As a client speaks that enabled UTF8=ACCEPT or IMAP4rev2. */
static void
test_args__change_with_what_is_enabled(void **state)
{
	static const struct {
		const char *grammar, *text;
		bool utf8, no_charset, rev2, ok, is_bad_name;
	} rows[] = {
		{"mailbox", " \"H\xe1\xbb\x8dp\"", false, false, false, true, true},
		{"mailbox", " \"H\xe1\xbb\x8dp\"", true, false, false, true, false},
		{"mailbox", " \"a & b\"", false, false, false, true, true},
		{"mailbox", " \"a & b\"", true, false, false, true, false},
		{"mailbox", " \"\xff\"", true, false, false, true, true},
		{"list", " \"\" \"H\xe1\xbb\x8d*\"", true, false, false, true, false},
		{"search", " CHARSET UTF-8 ALL", false, false, false, true, false},
		{"search", " CHARSET UTF-8 ALL", true, true, false, false, false},
		{"set fetch", " 1 RFC822", false, false, false, true, false},
		{"set fetch", " 1 RFC822", true, false, true, false, false},
		{"set fetch", " 1 RFC822.SIZE", true, false, true, true, false},
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_args args = {0};
		struct imapd_parse p = {.text = cv_str_z(rows[i].text),
			.arena = &arena,
			.utf8 = rows[i].utf8,
			.no_charset = rows[i].no_charset,
			.rev2 = rows[i].rev2};
		bool ok = imapd_parse_args(&p, rows[i].grammar, &args);
		if (ok != rows[i].ok || args.is_bad_name != rows[i].is_bad_name)
			fail_msg("row %zu: %s", i, rows[i].text);
		cv_arena_done(&arena);
	}
}

static void
test_args__have_no_message_numbers_under_uidonly(void **state)
{
	static const struct {
		const char *grammar, *text;
		bool ok;
	} rows[] = {
		{"search", " 1", false},
		{"search", " *", false},
		{"search", " OR SEEN (NOT 1:2)", false},
		{"search", " UID 1 $", true},
		{"sort", " (DATE) UTF-8 3", false},
		{"thread", " REFS UTF-8 UID 3", true},
		{"mailbox ?select", " a (QRESYNC (1 2 1:9))", true},
		{"mailbox ?select", " a (QRESYNC (1 2 1:9 (1 1)))", false},
		{"mailbox ?select", " a (QRESYNC (1 2 (1 1)))", false},
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_args args = {0};
		struct imapd_parse p = {
			.text = cv_str_z(rows[i].text), .arena = &arena, .uid_only = true};
		bool ok = imapd_parse_args(&p, rows[i].grammar, &args);
		if (ok != rows[i].ok || p.has_numbers == ok)
			fail_msg("row %zu: %s", i, rows[i].text);
		cv_arena_done(&arena);
	}
}

static void
test_args__of_limits_and_notes(void **state)
{
	/* clang-format off */
	static const struct {
		const char *grammar, *text;
		bool ok;
	} rows[] = {
		{"batches", " 500", true},
		{"batches", " 500 1:2", true},
		{"batches", " 500 2:1", true},
		{"batches", " 0", false},
		{"batches", " 500 0:1", false},
		{"batches", " 500 1", false},
		{"batches", " 500 1:*", false},
		{"batches", " 500 1:2,3:4", false},
		{"batches", " 4294967296", false},
		{"search", " UIDAFTER 1", true},
		{"search", " UIDBEFORE 4294967295", true},
		{"search", " UIDAFTER 0", false},
		{"search", " UIDAFTER $", false},
		{"search", " UIDBEFORE 1:2", false},
		{"getmetadata", " \"\" /shared/comment", true},
		{"getmetadata", " a (/shared/comment \"/private/a b\")", true},
		{"getmetadata", " (MAXSIZE 9 DEPTH 1) a /private", true},
		{"getmetadata", " a (DEPTH infinity) (/private /shared)", true},
		{"getmetadata", " a (MAXSIZE 1) /private/a", true},
		{"getmetadata", " a", false},
		{"getmetadata", " a ()", false},
		{"getmetadata", " a /other", false},
		{"getmetadata", " a (DEPTH 2) /private/a", false},
		{"getmetadata", " a (DEPTH 1)", false},
		{"getmetadata", " a (MAXSIZE) /private/a", false},
		{"getmetadata", " (DEPTH 1) (DEPTH 1) a /private/a", false},
		{"setmetadata", " a (/private/a NIL)", true},
		{"setmetadata", " \"\" (/private/a \"x\" /shared/b {3}\r\na b)", true},
		{"setmetadata", " a (/private/a ~{2}\r\nab)", true},
		{"setmetadata", " a (/private/a ~{2+}\r\nab)", true},
		{"setmetadata", " a (/private/a ~\"x\")", false},
		{"setmetadata", " a (/private/a ~{3}\r\nab)", false},
		{"setmetadata", " a (/private/a x)", false},
		{"setmetadata", " a (/private/a)", false},
		{"setmetadata", " a ()", false},
		{"setmetadata", " a (/private \"x\")", false},
		{"setmetadata", " a /private/a \"x\"", false},
		{"list", " \"\" * RETURN (METADATA (/shared/a))", true},
		{"list", " \"\" * RETURN (METADATA (/shared/a) CHILDREN)", true},
		{"list", " \"\" * RETURN (METADATA)", false},
		{"list", " \"\" * RETURN (METADATA ())", false},
	};
	/* clang-format on */
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_args args;
		const char *fault;
		bool ok = parse(&arena, rows[i].grammar, cv_str_z(rows[i].text), &args, &fault);
		if (ok != rows[i].ok || (!ok && !fault))
			fail_msg("row %zu: %s", i, rows[i].text);
		cv_arena_done(&arena);
	}
}

static void
test_args__tells_good_from_bad(void **state)
{
	/* clang-format off */
	static const struct {
		const char *grammar, *text;
		bool ok;
	} rows[] = {
		{"", "", true},
		{"", " x", false},
		{"mailbox", " INBOX", true},
		{"mailbox", "INBOX", false},
		{"mailbox", " \"a b\"", true},
		{"mailbox", " a b", false},
		{"mailbox", " {3}\r\na b", true},
		{"mailbox", " {4}\r\na b", false},
		{"mailbox", " \"a", false},
		{"mailbox", " \"a\\x\"", false},
		{"mailbox ?select", " a (CONDSTORE)", true},
		{"mailbox ?select", " a (QRESYNC (1 2))", true},
		{"mailbox ?select", " a (QRESYNC (1 2 1:9))", true},
		{"mailbox ?select", " a (CONDSTORE QRESYNC (1 2 1:9 (1,5 7,9)))", true},
		{"mailbox ?select", " a (QRESYNC (1 2 (1,5 7,9)))", true},
		{"mailbox ?select", " a (QRESYNC (1))", false},
		{"mailbox ?select", " a (QRESYNC (1 2 ))", false},
		{"mailbox ?select", " a (QRESYNC (1 2 $))", false},
		{"mailbox ?select", " a (QRESYNC (1 2 1:9 (1,5)))", false},
		{"mailbox ?select", " a (QRESYNC)", false},
		{"mailbox ?create", " a (USE (\\Sent))", true},
		{"mailbox ?create", " a (USE (\\Sent \\Junk))", false},
		{"mailbox ?create", " a (USE (\\Nonsense))", false},
		{"mailbox mailbox", " a b", true},
		{"mailbox mailbox", " a", false},
		{"word word", " joe \"p w\"", true},
		{"word word", " joe p]w", true},
		{"atom ?initial", " PLAIN =", true},
		{"atom ?initial", " PLAIN", true},
		{"id", " NIL", true},
		{"id", " (\"name\" \"x\" \"os\" NIL)", true},
		{"id", " (\"name\")", false},
		{"names", " CONDSTORE X", true},
		{"set", " 1", true},
		{"set", " 1:*,5,7:3", true},
		{"set", " 0", false},
		{"set", " 1:", false},
		{"set", " ,1", false},
		{"set", " 4294967296", false},
		{"set fetch", " 1 FLAGS", true},
		{"set fetch", " 1 ALL", true},
		{"set fetch", " 1 (FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODY BODYSTRUCTURE)", true},
		{"set fetch", " 1 (ALL)", false},
		{"set fetch", " 1 BODY[]", true},
		{"set fetch", " 1 BODY[]<0.100>", true},
		{"set fetch", " 1 BODY[]<0>", false},
		{"set fetch", " 1 BODY[]<0.0>", false},
		{"set fetch", " 1 BODY.PEEK[1.2.HEADER.FIELDS.NOT (From \"To\")]<5.9>", true},
		{"set fetch", " 1 BODY[1.2.MIME]", true},
		{"set fetch", " 1 BODY[MIME]", false},
		{"set fetch", " 1 BODY[1.]", false},
		{"set fetch", " 1 BODY[0]", false},
		{"set fetch", " 1 BODY[HEADER.FIELDS]", false},
		{"set fetch", " 1 BODY[HEADER.FIELDS ()]", false},
		{"set fetch", " 1 (RFC822 RFC822.HEADER RFC822.TEXT)", true},
		{"set fetch", " 1 (BINARY[] BINARY.PEEK[1.2]<0.5> BINARY.SIZE[1])", true},
		{"set fetch", " 1 BINARY[1.]", false},
		{"set fetch", " 1 BINARY[1.HEADER]", false},
		{"set fetch", " 1 BINARY[TEXT]", false},
		{"set fetch", " 1 BINARY.SIZE[1]<0.5>", false},
		{"set fetch", " 1 BINARY", false},
		{"set fetch", " 1 FLAGS (CHANGEDSINCE 5)", true},
		{"set fetch", " 1 FLAGS (CHANGEDSINCE)", false},
		{"set fetch", " 1 ()", false},
		{"set fetch", " 1 NONSENSE", false},
		{"set store", " 1 FLAGS (\\Seen $x)", true},
		{"set store", " 1 +FLAGS.SILENT \\Seen \\Deleted", true},
		{"set store", " 1 -FLAGS ()", true},
		{"set store", " 1 FLAGS (\\Recent)", false},
		{"set store", " 1 FLAGS (\\Foo)", false},
		{"set store", " 1 (UNCHANGEDSINCE 12) FLAGS ()", true},
		{"set store", " 1 (UNCHANGEDSINCE x) FLAGS ()", false},
		{"search", " ALL", true},
		{"search", " 1:5 UNSEEN (OR FROM a TO b) NOT SUBJECT \"x y\"", true},
		{"search", " RETURN (MIN MAX COUNT ALL) CHARSET UTF-8 TEXT {2}\r\nab", true},
		{"search", " RETURN () ALL", true},
		{"search", " SINCE 1-Feb-2026 BEFORE \"02-Mar-2026\" LARGER 5", true},
		{"search", " SINCE 31-Feb-2026", false},
		{"search", " MODSEQ 5 MODSEQ \"/flags/\\\\Seen\" all 6", true},
		{"search", " OR ALL", false},
		{"search", " (ALL", false},
		{"search", " NONSENSE", false},
		{"search", " UID 1:* KEYWORD $x UNKEYWORD y OLDER 60", true},
		{"mailbox append", " x CATENATE (URL \"/x/;UID=1\" URL a)", true},
		{"mailbox append", " x (\\Seen) CATENATE (URL a) CATENATE (URL b)", true},
		{"mailbox append", " x CATENATE ()", false},
		{"mailbox append", " x CATENATE (URL)", false},
		{"mailbox append", " x CATENATE (URL a", false},
		{"mailbox append", " x CATENATE (TEXT \"a\")", false},
		{"mailbox append", " x CATENATE (TEXT {1}\r\n)", false}, /* no message came */
		{"list", " \"\" *", true},
		{"list", " \"\" \"\"", true},
		{"list", " (SUBSCRIBED RECURSIVEMATCH) \"\" (a* b%) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))",
		 true},
		{"list", " (RECURSIVEMATCH) \"\" *", false},
		{"list", " \"\" * RETURN (NONSENSE)", false},
		{"lsub", " \"\" %", true},
		{"mailbox status", " a (MESSAGES UIDNEXT HIGHESTMODSEQ)", true},
		{"mailbox status", " a ()", false},
	};
	/* clang-format on */
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_args args;
		const char *fault;
		if (parse(&arena, rows[i].grammar, cv_str_z(rows[i].text), &args, &fault) !=
			rows[i].ok)
			fail_msg("%s <-%s: %s", rows[i].grammar, rows[i].text,
				fault ? fault : "was taken");
		/* Every beginning of it must be answered too, without a fall. */
		for (size_t n = 0; n < strlen(rows[i].text); n++) {
			char *part = cv_strndup(rows[i].text, n);
			(void)parse(&arena, rows[i].grammar, cv_str(part, n), &args, &fault);
			free(part);
		}
		cv_arena_done(&arena);
	}
}

static void
test_args__names_mailboxes_in_utf8(void **state)
{
	static const struct {
		const char *wire, *want;
	} rows[] = {
		{" inbox",               "INBOX"    },
		{" \"Th&AbA- r&AOE-c\"", "Thư rác"},
		{" \"Thu&AxsA-\"",       NULL       }, /* padding bits set */
		{" \"&AbA",              NULL       },
		{" \"a&b\"",             NULL       },
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_args args;
		const char *fault;
		bool ok = parse(&arena, "mailbox", cv_str_z(rows[i].wire), &args, &fault);
		if (rows[i].want) {
			assert_true(ok);
			assert_false(args.is_bad_name);
			assert_true(cv_str_eq_z(args.mailbox[0], rows[i].want));
		} else {
			assert_true(!ok || args.is_bad_name);
		}
		cv_arena_done(&arena);
	}
}

static void
test_args__gives_sections_back_as_labels(void **state)
{
	static const struct {
		const char *text, *path, *label;
	} rows[] = {
		{" 1 BODY[]",			       "",         "BODY[]"      },
		{" 1 body.peek[1.2]<3.9>",                  "1.2",      "BODY[1.2]<3>"},
		{" 1 BODY[header]",                         "header",   "BODY[HEADER]"},
		{" 1 BODY[2.header.fields (From \"X y\")]", "2.header",
		 "BODY[2.HEADER.FIELDS (From \"X y\")]"                               },
		{" 1 RFC822.TEXT",                          "TEXT",     "RFC822.TEXT" },
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_args args;
		const char *fault;
		assert_true(parse(&arena, "set fetch", cv_str_z(rows[i].text), &args, &fault));
		assert_int_equal(args.fetch->section_count, 1);
		struct cv_str label = args.fetch->sections[0].label,
			      path = args.fetch->sections[0].path;
		if (!cv_str_eq_z(label, rows[i].label) || !cv_str_eq_z(path, rows[i].path))
			fail_msg("%s: %.*s / %.*s", rows[i].text, CV_STR_ARGS(label),
				CV_STR_ARGS(path));
		cv_arena_done(&arena);
	}
}

static void
test_args__limits_what_a_peer_can_grow(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf text = CV_BUF_INIT(1 << 20);
	struct imapd_args args;
	const char *fault;
	(void)state;

	cv_buf_z(&text, " 1");
	for (int i = 0; i < IMAPD_SET_MAX; i++)
		cv_buf_z(&text, ",1");
	assert_false(parse(&arena, "set", cv_buf_view(&text), &args, &fault));
	cv_buf_reset(&text);
	cv_buf_c(&text, ' ');
	for (int i = 0; i < IMAPD_SEARCH_DEPTH_MAX + 1; i++)
		cv_buf_z(&text, "NOT ");
	cv_buf_z(&text, "ALL");
	assert_false(parse(&arena, "search", cv_buf_view(&text), &args, &fault));
	assert_string_equal(fault, "search keys are nested too deeply");
	cv_buf_reset(&text);
	for (int i = 0; i < IMAPD_SEARCH_NODES_MAX + 1; i++)
		cv_buf_z(&text, " ALL");
	assert_false(parse(&arena, "search", cv_buf_view(&text), &args, &fault));
	assert_string_equal(fault, "the search has too many keys");
	cv_buf_reset(&text);
	cv_buf_z(&text, " 1 (UID");
	for (int i = 0; i < IMAPD_SECTIONS_MAX + 1; i++)
		cv_buf_z(&text, " BODY[]");
	cv_buf_z(&text, ")");
	assert_false(parse(&arena, "set fetch", cv_buf_view(&text), &args, &fault));
	assert_string_equal(fault, "too many sections");
	cv_buf_done(&text);
	cv_arena_done(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args__change_with_what_is_enabled),
		cmocka_unit_test(test_args__have_no_message_numbers_under_uidonly),
		cmocka_unit_test(test_args__of_limits_and_notes),
		cmocka_unit_test(test_args__tells_good_from_bad),
		cmocka_unit_test(test_args__names_mailboxes_in_utf8),
		cmocka_unit_test(test_args__gives_sections_back_as_labels),
		cmocka_unit_test(test_args__limits_what_a_peer_can_grow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
