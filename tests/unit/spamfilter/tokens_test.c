/* tokens_test.c - what the classifier sees of a message, however it is written and however it came.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/header.h"
#include "spamfilter/classify/tokens.h"
#include "tests/unit/check.h"

static struct spam_tokens
tokens_of(struct cv_arena *arena, const struct spam_token_how *how, const char *text)
{
	struct spam_tokens out;

	spam_tokens_read(arena, how, cv_str_z(text), &out);
	return out;
}

static size_t
shared(const struct spam_tokens *a, const struct spam_tokens *b)
{
	size_t n = 0;

	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++)
			n += a->hashes[i] == b->hashes[k];
	return n;
}

static bool
is_same(const struct spam_tokens *a, const struct spam_tokens *b)
{
	return a->count == b->count && shared(a, b) == a->count;
}

#define TEXT(charset, cte)                                                                         \
	"From: a@b.example\r\nMessage-ID: <1@b.example>\r\nContent-Type: text/plain; "             \
	"charset=" charset "\r\nContent-Transfer-Encoding: " cte "\r\n\r\n"

/* SPM-03: one text, however it is coded; only tokens of the coding itself differ. */
static void
test_SPM_03__words_are_the_same_in_every_charset(void **state)
{
	/* clang-format off */
	static const struct {
		const char *name, *message;
	} rows[] = {
		{ "UTF-8", TEXT("utf-8", "8bit") "Việt Nam khuyến mãi lớn\r\n" },
		{ "base64", TEXT("utf-8", "base64") "Vmnhu4d0IE5hbSBraHV54bq/biBtw6NpIGzhu5tuDQo=\r\n" },
		{ "windows-1258", TEXT("windows-1258", "8bit")
		  "Vi\xea\xf2t Nam khuy\xea\xecn ma\xdei l\xf5\xecn\r\n" },
		{ "NFD", TEXT("utf-8", "8bit")
		  "Vie\u0302\u0323t Nam khuye\u0302\u0301n ma\u0303i lo\u031b\u0301n\r\n" },
		{ "parted by what nobody sees", TEXT("utf-8", "8bit")
		  "Vi\u200bệt N\u00adam kh\u200d\u2060uyến m\ufeffãi lớn\r\n" },
		{ "in capitals", TEXT("utf-8", "8bit") "VIỆT NAM KHUYẾN MÃI LỚN\r\n" },
	};
	/* clang-format on */
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_token_how how = {.seed = 5};
	struct spam_tokens first = tokens_of(&arena, &how, rows[0].message);

	(void)state;
	assert_true(first.count > 20);
	for (size_t i = 1; i < CV_COUNT(rows); i++) {
		struct spam_tokens t = tokens_of(&arena, &how, rows[i].message);
		size_t n = shared(&first, &t);
		CHECK(rows[i].name, n + 2 >= first.count && n + 2 >= t.count);
	}
	cv_arena_done(&arena);
	CHECK_END();
}

static void
test_words__are_folded_and_unfolded(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_token_how how = {.seed = 5};
	struct spam_tokens marked =
		tokens_of(&arena, &how, TEXT("utf-8", "8bit") "khuyến mãi lớn\r\n");
	struct spam_tokens bare =
		tokens_of(&arena, &how, TEXT("utf-8", "8bit") "khuyen mai lon\r\n");
	struct spam_tokens none = tokens_of(&arena, &how, TEXT("utf-8", "8bit") "\r\n");

	(void)state;
	/* Three words with their marks more, three folded words and two pairs alike. */
	assert_int_equal(marked.count, bare.count + 3);
	assert_int_equal(shared(&marked, &bare), bare.count);
	assert_int_equal(shared(&bare, &none) + 6, bare.count); /* and how many words there are */
	cv_arena_done(&arena);
}

/* What judges and what learns later must see the same. */
static void
test_fields__that_a_filter_or_mailbox_adds_change_nothing(void **state)
{
	static const char plain[] = "From: a@b.example\r\nSubject: x\r\n\r\ntext\r\n";
	static const char stored[] =
		"Return-Path: <a@b.example>\r\nDelivered-To: c@d.example\r\n"
		"X-Congvu-Verdict: junk; score=9\r\nX-Spam-Status: Yes\r\n"
		"Authentication-Results: mx.d.example; spf=pass; dkim=fail reason=\"x; y\";\r\n"
		" dmarc=none\r\n"
		"Authentication-Results: mx.d.example; spf=fail\r\n"
		"Authentication-Results: other.example; spf=softfail\r\n"
		"Received: from b.example (b.example [192.0.2.1])\r\n\tby mx.d.example with ESMTP; "
		"x\r\n"
		"From: a@b.example\r\nSubject: x\r\n\r\ntext\r\n";
	struct spam_token_how judging = {.own_hosts = {"mx.d.example"},
		.has_results = true,
		.spf = "pass",
		.dkim = "fail",
		.dmarc = "none"};
	struct spam_token_how learning = {.own_hosts = {"mx.d.example"}};
	struct spam_token_how other = {
		.own_hosts = {"mx.d.example"}, .has_results = true, .spf = "fail"};
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_tokens a = tokens_of(&arena, &judging, plain);
	struct spam_tokens b = tokens_of(&arena, &learning, stored);
	struct spam_tokens c = tokens_of(&arena, &other, plain);

	(void)state;
	assert_true(is_same(&a, &b));
	assert_false(is_same(&a, &c));
	cv_arena_done(&arena);
}

static void
test_tokens__do_not_depend_on_how_the_body_came(void **state)
{
	static const char text[] =
		"From: =?utf-8?Q?C=C3=B4ng_ty?= <a@b.example>\r\nSubject: KHUYEN MAI!!!\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=e\r\n\r\n--e\r\n"
		"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Bấm <a "
		"href=\"http://u@203.0.113.9:8080/dang-nhap.php?x=1\">vào đây</a></p>\r\n--e\r\n"
		"Content-Type: application/pdf; name=\"hoa don.pdf.exe\"\r\n\r\nxxx\r\n--e--\r\n";
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_token_how how = {.seed = 9};
	struct spam_tokens whole = tokens_of(&arena, &how, text), pieces;

	(void)state;
	for (size_t piece = 1; piece < 9; piece += 3) {
		struct spam_tokenizer *t = spam_tokenizer_new(&arena, &how);
		struct cv_header_scan scan;
		struct cv_field field;
		cv_header_scan_init(&scan, cv_str_z(text));
		while (cv_header_next(&scan, &field))
			spam_tokenizer_field(t, field.name, field.value);
		struct cv_str body = cv_str_sub(cv_str_z(text), scan.body_at, sizeof text - 1);
		for (size_t at = 0; at < body.n; at += piece)
			spam_tokenizer_body(t, cv_str_sub(body, at, at + piece));
		spam_tokenizer_end(t, &pieces);
		CHECK("in pieces", is_same(&whole, &pieces));
	}
	cv_arena_done(&arena);
	CHECK_END();
}

static void
test_tokens__are_bounded(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf text = CV_BUF_INIT(8u << 20);
	struct spam_token_how how = {.with_gaps = true};
	struct spam_tokens t;

	(void)state;
	cv_buf_z(&text, "From: a@b.example\r\n");
	for (unsigned i = 0; i < 2000; i++)
		cv_buf_printf(&text, "X-Field-%u: %u\r\n", i, i);
	cv_buf_z(&text, "\r\n");
	for (unsigned i = 0; i < 200000; i++)
		cv_buf_printf(
			&text, "w%cx%uế http://h%u.example/p%u\r\n", (char)('a' + i % 26), i, i, i);
	spam_tokens_read(&arena, &how, cv_buf_view(&text), &t);
	assert_true(t.count <= SPAM_TOKENS_MAX && t.count > SPAM_TOKENS_WORDS_MAX);
	cv_buf_done(&text);
	cv_arena_done(&arena);
}

static void
test_seed__makes_other_hashes(void **state)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_token_how one = {.seed = 1}, two = {.seed = 2};
	struct spam_tokens a = tokens_of(&arena, &one, "Subject: x\r\n\r\nxin chào các bạn\r\n");
	struct spam_tokens b = tokens_of(&arena, &two, "Subject: x\r\n\r\nxin chào các bạn\r\n");

	(void)state;
	assert_int_equal(a.count, b.count);
	assert_int_equal(shared(&a, &b), 0);
	cv_arena_done(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SPM_03__words_are_the_same_in_every_charset),
		cmocka_unit_test(test_words__are_folded_and_unfolded),
		cmocka_unit_test(test_fields__that_a_filter_or_mailbox_adds_change_nothing),
		cmocka_unit_test(test_tokens__do_not_depend_on_how_the_body_came),
		cmocka_unit_test(test_tokens__are_bounded),
		cmocka_unit_test(test_seed__makes_other_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
