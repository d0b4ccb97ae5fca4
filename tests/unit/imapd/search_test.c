/* search_test.c - search keys judge a message rightly, from little knowledge or much. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/search.h"
#include "tests/unit/imapd/views.h"

static const char message[] =
	"From: =?UTF-8?B?xJDhurduZyBUaOG7iyBEdXnDqm4=?= <dtduyen@lamgiang.example>\r\n"
	"To: <nvhoa@lamgiang.example>\r\n"
	"Subject: =?UTF-8?Q?H=E1=BB=8Dp_giao_ban_th=C3=A1ng_11?=\r\n"
	"Date: Fri, 20 Nov 2026 23:30:00 +0700\r\n"
	"X-Rare: =?windows-1258?Q?v=F9=F2ng?=\r\n"
	"Message-ID: <1@lamgiang.example>\r\n"
	"MIME-Version: 1.0\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n"
	"\r\n"
	"preamble hidden\r\n"
	"--b\r\n"
	"Content-Type: text/plain; charset=utf-8\r\n"
	"Content-Transfer-Encoding: base64\r\n"
	"\r\n"
	"S8OtbmggZ+G7rWkgY8OhYyDEkeG7k25nIGNow60=\r\n" /* Kính gửi các đồng chí */
	"--b\r\n"
	"Content-Type: text/html; charset=utf-8\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n"
	"\r\n"
	"<p>B=C3=A1o c=C3=A1=\r\no</p>\r\n" /* Báo cáo, broken softly */
	"--b\r\n"
	"Content-Type: application/pdf; name=\"=?UTF-8?Q?K=E1=BA=BF_ho=E1=BA=A1ch.pdf?=\"\r\n"
	"\r\n"
	"secretbinary\r\n"
	"--b--\r\n";

static bool
parse(struct cv_arena *arena, const char *text, struct imapd_search **out)
{
	struct imapd_parse p = {.text = cv_str_z(text), .arena = arena};
	return imapd_parse_search(&p, out) && imapd_at_end(&p);
}

/* Judges message 2 of 3 as SEARCH does, step by step, and all at once: both must agree. */
static enum imapd_verdict
judge(struct cv_arena *arena, struct imapd_search *search)
{
	static const struct cv_entry entries[] = {
		{5, 0,			      10, 0},
		{7, CV_FLAG_SEEN | CV_FLAG_FLAGGED, 20, 2},
		{9, 0,                              30, 0}
	};
	static const struct cv_keywords keywords = {
		1, 2, {"$one", "$Two"}
	};
	struct cv_view *view = view_of(arena, entries, 3, NULL);
	struct cv_summary summary;
	struct cv_msg msg = {.uid = 7,
		.size_bytes = sizeof(message) - 1,
		.internal_secs = 1795196400, /* 2026-11-21 00:20 +0700 */
		.internal_zone = 420};
	struct cv_str text = cv_str(message, sizeof(message) - 1);

	imapd_search_bind(search, view, NULL, 0, arena);
	struct imapd_candidate c = {.seq = 2,
		.entry = cv_view_seq(view, 2),
		.keywords = &keywords,
		.now_secs = msg.internal_secs + 100};
	enum imapd_verdict early = imapd_search_judge(search, &c);
	c.has = IMAPD_NEED_CORE;
	c.msg = &msg;
	if (early == IMAPD_MAYBE)
		early = imapd_search_judge(search, &c);
	cv_summary_build(arena, text, &summary);
	c.has |= IMAPD_NEED_SUMMARY;
	c.summary = &summary;
	if (early == IMAPD_MAYBE)
		early = imapd_search_judge(search, &c);
	struct imapd_finder *finder = imapd_finder_new(search);
	for (int round = 0; round < 2; round++) { /* whole, and byte by byte */
		imapd_finder_reset(finder);
		for (size_t at = 0; at < text.n; at += round ? 1 : text.n)
			imapd_finder_feed(finder, cv_str_sub(text, at, round ? at + 1 : text.n));
		imapd_finder_finish(finder);
		c.has |= IMAPD_NEED_HEADER | IMAPD_NEED_BODY;
		c.header = imapd_finder_header(finder);
		c.in_header = imapd_finder_in_header(finder);
		c.in_body = imapd_finder_in_body(finder);
		c.header_scores = imapd_finder_header_scores(finder);
		c.body_scores = imapd_finder_body_scores(finder);
		enum imapd_verdict late = imapd_search_judge(search, &c);
		assert_int_not_equal(late, IMAPD_MAYBE);
		if (early != IMAPD_MAYBE)
			assert_int_equal(early, late);
		early = late;
	}
	imapd_finder_free(finder);
	return early;
}

static void
test_search__judges_by_every_key(void **state)
{
	static const struct {
		const char *keys;
		bool want;
	} rows[] = {
		{"ALL",				true },
		{"2",				  true },
		{"1,3",				false},
		{"2:*",				true },
		{"UID 7",			      true },
		{"UID 8:9",			    false},
		{"SEEN",			       true },
		{"UNSEEN",			     false},
		{"FLAGGED DELETED",                    false},
		{"UNDELETED",                          true },
		{"NEW",				false},
		{"OLD",				true },
		{"RECENT",			     false},
		{"KEYWORD $two",                       true },
		{"KEYWORD $one",                       false},
		{"UNKEYWORD $x",                       true },
		{"NOT SEEN",                           false},
		{"NOT (SEEN DELETED)",                 true },
		{"OR DELETED SEEN",                    true },
		{"OR (DELETED) NOT SEEN",              false},
		{"MODSEQ 20",                          true },
		{"MODSEQ 21",                          false},
		{"LARGER 100",                         true },
		{"SMALLER 100",                        false},
		{"ON 21-Nov-2026",                     true },
		{"SINCE 21-Nov-2026",                  true },
		{"BEFORE 21-Nov-2026",                 false},
		{"SENTON 20-Nov-2026",                 true },
		{"SENTSINCE 21-Nov-2026",              false},
		{"SENTBEFORE 21-Nov-2026",             true },
		{"YOUNGER 100",                        true },
		{"YOUNGER 99",                         false},
		{"OLDER 100",                          true },
		{"OLDER 101",                          false},
		{"SUBJECT \"hop giao ban\"",           true },
		{"SUBJECT \"HOP GIAO\"",               true },
		{"SUBJECT {10}\r\nHọp giao",         true },
		{"SUBJECT {12}\r\nHọp giao b",       true },
		{"SUBJECT hopgiao",                    false},
		{"FUZZY SUBJECT \"giao hop\"",         true },
		{"SUBJECT \"giao hop\"",               false},
		{"FUZZY (SUBJECT \"giao hop\" SEEN)",  true },
		{"FUZZY FROM \"hong nga\"",            false},
		{"FUZZY FROM \"rang thi\"",            true },
		{"FUZZY HEADER X-Rare vung",           true },
		{"FUZZY BODY \"gui cac dongg chi\"",   true },
		{"FUZZY BODY \"hop giao ban\"",        false},
		{"FUZZY TEXT \"ban giao hop\"",        true },
		{"FUZZY SENTON 22-Nov-2026",           true },
		{"FUZZY SENTON 22-Dec-2026",           false},
		{"FUZZY FUZZY NOT BODY xuan",          true },
		{"FROM \"dang thi\"",                  true },
		{"FROM dtduyen",                       true },
		{"TO dtduyen",                         false},
		{"TO nvhoa",                           true },
		{"CC \"\"",			    false},
		{"HEADER Message-ID \"\"",             true },
		{"HEADER X-Rare vung",                 true },
		{"HEADER X-Rare \"\"",                 true },
		{"HEADER X-None \"\"",                 false},
		{"BODY \"kinh gui\"",                  true },
		{"BODY \"dong chi\"",                  true },
		{"BODY \"bao cao\"",                   true },
		{"BODY \"giao ban\"",                  false},
		{"TEXT \"giao ban\"",                  true },
		{"TEXT \"kinh gui\"",                  true },
		{"BODY secretbinary",                  false},
		{"BODY \"ke hoach\"",                  true },
		{"TEXT nothing",                       false},
		{"TEXT \"kinh gui\" TEXT \"bao cao\"", true },
		{"TEXT \"kinh gui\" TEXT nothing",     false},
		{"NOT BODY nothing",                   true },
		{"OR BODY nothing SUBJECT hop",        true },
		{"CHARSET UTF-8 SUBJECT {5}\r\nhọp", true },
		{"TEXT \"\"",                          true },
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_search *search;
		if (!parse(&arena, rows[i].keys, &search))
			fail_msg("%s: not understood", rows[i].keys);
		enum imapd_verdict got = judge(&arena, search);
		if (got != (rows[i].want ? IMAPD_YES : IMAPD_NO))
			fail_msg("%s: %d", rows[i].keys, got);
		cv_arena_done(&arena);
	}
}

static void
test_search__finds_text_across_windows(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_search *search;
	struct cv_buf text = CV_BUF_INIT(1 << 20);
	(void)state;

	assert_true(parse(&arena, "BODY \"needle in a haystack\"", &search));
	struct imapd_finder *finder = imapd_finder_new(search);
	for (size_t at = 65000; at < 66200; at += 7) {
		cv_buf_reset(&text);
		cv_buf_z(&text, "Content-Type: text/plain\r\n\r\n");
		while (text.n < at)
			cv_buf_z(&text, (at & 1) ? "x" : "x y\r\n");
		cv_buf_z(&text, "Needle in a HAYSTACK");
		while (text.n < 200000)
			cv_buf_z(&text, "z");
		imapd_finder_reset(finder);
		imapd_finder_feed(finder, cv_buf_view(&text));
		imapd_finder_finish(finder);
		if (!imapd_finder_in_body(finder)[0])
			fail_msg("not found at %zu", at);
	}
	imapd_finder_free(finder);
	cv_buf_done(&text);
	cv_arena_done(&arena);
}

/* RFC 5267 4.3: numbers and "$" mean the messages that they meant when the search was made. */
static void
test_search__settles_what_numbers_mean(void **state)
{
	static const struct cv_entry before[] = {
		{5, 0, 10, 0},
		{7, 0, 20, 0},
		{9, 0, 30, 0}
	};
	static const struct cv_entry after[] = {
		{7,  0, 20, 0},
		{9,  0, 30, 0},
		{12, 0, 40, 0}
	};
	static const struct {
		const char *keys, *want; /* a letter for each message of `after` */
	} rows[] = {
		{"1:2",         "ynn"},
		{"1:*",         "yyn"},
		{"3",           "nyn"},
		{"NOT 1",       "yyy"},
		{"$",           "nyn"},
		{"UID $",       "nyn"},
		{"UID 8:*",     "nyy"},
		{"OR 2 UID 12", "yny"},
	};
	static const uint32_t saved[] = {5, 9};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT, later = CV_ARENA_INIT;
		struct imapd_search *search;
		assert_true(parse(&arena, rows[i].keys, &search));
		imapd_search_settle(search, view_of(&arena, before, 3, NULL), saved, 2, &arena);
		for (int round = 0; round < 2; round++) { /* each time it is bound anew */
			struct cv_view *view = view_of(&later, after, 3, NULL);
			imapd_search_bind(search, view, NULL, 0, &later);
			for (uint32_t seq = 1; seq <= 3; seq++) {
				struct imapd_candidate c = {
					.seq = seq, .entry = cv_view_seq(view, seq)};
				bool is = imapd_search_judge(search, &c) == IMAPD_YES;
				if (is != (rows[i].want[seq - 1] == 'y'))
					fail_msg("%s: %u", rows[i].keys, seq);
			}
			cv_arena_reset(&later);
		}
		cv_arena_done(&later);
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search__judges_by_every_key),
		cmocka_unit_test(test_search__settles_what_numbers_mean),
		cmocka_unit_test(test_search__finds_text_across_windows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
