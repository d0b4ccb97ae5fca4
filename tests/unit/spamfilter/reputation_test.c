/* reputation_test.c - names earn and lose trust, strangers wait once, copies and bursts show. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/text/fold.h"
#include "spamfilter/reputation/bursts.h"
#include "spamfilter/reputation/copies.h"
#include "spamfilter/reputation/greylist.h"
#include "spamfilter/reputation/letters.h"
#include "spamfilter/reputation/trust.h"
#include "tests/unit/check.h"

static struct spam_tally *table;

static int
setup(void **state)
{
	struct spam_tally_options o = {.entries_max = 8192, .keep_secs = 400u * 86400};
	struct cv_err err;

	(void)state;
	return spam_tally_open(&o, NULL, &table, &err) != CV_OK;
}

static int
teardown(void **state)
{
	(void)state;
	spam_tally_close(table);
	return 0;
}

/* ---- trust ---- */

static void
a_name_weighs_by_what_it_did_before(void **state)
{
	static const struct {
		const char *name;
		enum spam_trust_kind kind;
		unsigned good, bad;
		double least, most;
	} rows[] = {
		{"unknown",                       SPAM_TRUST_PROVED,  0,    0,   0,    0   },
		{"two traces say nothing",        SPAM_TRUST_PROVED,  0,    2,   0,    0   },
		{"always good",                   SPAM_TRUST_PROVED,  500,  0,   -1.5, -1.4},
		{"always bad",                    SPAM_TRUST_PROVED,  0,    500, 2.4,  2.5 },
		{"mostly good",                   SPAM_TRUST_PROVED,  100,  10,  -1.5, -0.9},
		{"even",			  SPAM_TRUST_PROVED,  50,   50,  -0.1, 0.1 },
		{"a few bad",                     SPAM_TRUST_PROVED,  0,    5,   0.2,  0.6 },
		{"a claimed name earns nothing",  SPAM_TRUST_CLAIMED, 900,  0,   0,    0   },
		{"but loses",                     SPAM_TRUST_CLAIMED, 0,    900, 1.5,  1.5 },
		{"a network earns little",        SPAM_TRUST_NETWORK, 9000, 0,   -0.5, -0.5},
		{"a linked host earns nothing",   SPAM_TRUST_HOST,    9000, 0,   0,    0   },
		{"a linked host can weigh a lot", SPAM_TRUST_HOST,    0,    300, 2.4,  2.5 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str name = cv_str_z(rows[i].name);
		for (unsigned n = 0; n < rows[i].good; n++)
			spam_trust_note(table, rows[i].kind, name, true, SPAM_TRUST_OWN);
		for (unsigned n = 0; n < rows[i].bad; n++)
			spam_trust_note(table, rows[i].kind, name, false, SPAM_TRUST_OWN);
		uint32_t seen;
		double weight = spam_trust_weight(table, rows[i].kind, name, &seen);
		CHECK(rows[i].name, weight >= rows[i].least && weight <= rows[i].most);
		CHECK(rows[i].name, seen == rows[i].good + rows[i].bad);
	}
	CHECK_END();
}

static void
what_was_proved_counts_apart_from_what_was_claimed(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 50; n++)
		spam_trust_note(
			table, SPAM_TRUST_CLAIMED, CV_STR("bank.example"), false, SPAM_TRUST_OWN);
	assert_true(spam_trust_weight(table, SPAM_TRUST_CLAIMED, CV_STR("bank.example"), NULL) > 1);
	assert_true(spam_trust_weight(table, SPAM_TRUST_PROVED, CV_STR("bank.example"), NULL) == 0);
}

static void
old_deeds_fade_by_half_in_thirty_days(void **state)
{
	struct cv_str name = CV_STR("was-bad.example");
	uint32_t seen;

	(void)state;
	for (unsigned n = 0; n < 64; n++)
		spam_trust_note(table, SPAM_TRUST_PROVED, name, false, SPAM_TRUST_OWN);
	double before = spam_trust_weight(table, SPAM_TRUST_PROVED, name, &seen);
	assert_int_equal(seen, 64);
	cv_clock_shift(60 * 86400);
	double after = spam_trust_weight(table, SPAM_TRUST_PROVED, name, &seen);
	assert_int_equal(seen, 16);
	assert_true(after < before && after > 0);
	spam_trust_note(table, SPAM_TRUST_PROVED, name, true, SPAM_TRUST_LEARNED);
	(void)spam_trust_weight(table, SPAM_TRUST_PROVED, name, &seen);
	assert_int_equal(seen, 26);
	cv_clock_shift(-60 * 86400);
}

/* ---- greylist ---- */

static enum spam_greylist_answer
knock(const char *network, const char *sender)
{
	struct spam_greylist_ask ask = {
		cv_str_z(network), cv_str_z(sender), CV_STR("a@lamgiang.example"), 300, 86400};
	uint32_t left;

	enum spam_greylist_answer answer = spam_greylist_look(table, &ask, &left);
	CHECK("looking changes nothing", spam_greylist_look(table, &ask, NULL) == answer);
	spam_greylist_note(table, &ask);
	CHECK("left", (left > 0) == (answer == SPAM_GREYLIST_WAIT) && left <= 300);
	return answer;
}

static void
a_stranger_waits_once(void **state)
{
	(void)state;
	assert_int_equal(knock("192.0.2.0/24", "x@y.example"), SPAM_GREYLIST_WAIT);
	cv_clock_shift(100);
	assert_int_equal(knock("192.0.2.0/24", "x@y.example"), SPAM_GREYLIST_WAIT);
	cv_clock_shift(200);
	assert_int_equal(knock("192.0.2.0/24", "x@y.example"), SPAM_GREYLIST_RETURNED);
	cv_clock_shift(20 * 86400);
	assert_int_equal(knock("192.0.2.0/24", "x@y.example"), SPAM_GREYLIST_RETURNED);
	assert_int_equal(knock("192.0.2.0/24", "z@y.example"), SPAM_GREYLIST_WAIT);
	assert_int_equal(knock("198.51.100.0/24", "x@y.example"), SPAM_GREYLIST_WAIT);
	CHECK_END();
}

static void
who_comes_back_too_late_begins_anew(void **state)
{
	(void)state;
	assert_int_equal(knock("192.0.2.0/24", "late@y.example"), SPAM_GREYLIST_WAIT);
	cv_clock_shift(86400 + 10);
	assert_int_equal(knock("192.0.2.0/24", "late@y.example"), SPAM_GREYLIST_WAIT);
	cv_clock_shift(301);
	assert_int_equal(knock("192.0.2.0/24", "late@y.example"), SPAM_GREYLIST_RETURNED);
	CHECK_END();
}

static void
a_network_from_which_several_returned_waits_no_more(void **state)
{
	char sender[40];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < SPAM_GREYLIST_NETWORK_OK; i++) {
			snprintf(sender, sizeof sender, "s%u@mta.example", i);
			CHECK(sender,
				knock("203.0.113.0/24", sender) ==
					(round ? SPAM_GREYLIST_RETURNED : SPAM_GREYLIST_WAIT));
		}
		cv_clock_shift(400);
	}
	CHECK("new", knock("203.0.113.0/24", "new@mta.example") == SPAM_GREYLIST_RETURNED);
	CHECK_END();
}

/* ---- copies ---- */

static const char letter[] =
	"Cơ hội vàng cho mọi người làm việc tại nhà, thu nhập ổn định mỗi tháng, không cần vốn, "
	"chỉ cần điện thoại và vài phút mỗi ngày, đăng ký ngay hôm nay để nhận quà tặng hấp dẫn "
	"từ chương trình, số lượng có hạn nên hãy nhanh tay kẻo lỡ mất dịp may hiếm có này";

static struct spam_sketch
sketch_of(const char *before, const char *text)
{
	struct cv_buf whole = CV_BUF_INIT(64u << 10), folded = CV_BUF_INIT(64u << 10);
	struct spam_sketch sketch;

	cv_buf_z(&whole, before);
	cv_buf_z(&whole, text);
	assert_int_equal(cv_fold(cv_buf_view(&whole), &folded), CV_OK);
	spam_sketch(cv_buf_view(&folded), &sketch);
	cv_buf_done(&whole);
	cv_buf_done(&folded);
	return sketch;
}

static void
seen(const struct spam_sketch *sketch, struct spam_copies *out)
{
	spam_copies_note(table, sketch);
	spam_copies_look(table, sketch, out);
}

static void
copies_are_known_though_each_greets_another(void **state)
{
	static const char *const greetings[] = {
		"Kính gửi chị Hoa, ", "Kính gửi anh Bình, ", "Chào bạn 4711: ", ""};
	struct spam_sketch sketch;
	struct spam_copies copies = {0};

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		sketch = sketch_of(greetings[i % 4], letter);
		seen(&sketch, &copies);
	}
	assert_in_range(copies.seen, 36, 40);
	sketch =
		sketch_of("", "Kính mời các đồng chí dự họp giao ban tháng mười hai tại hội trường "
			      "lớn của Ủy ban nhân dân tỉnh vào tám giờ sáng thứ hai tuần tới");
	seen(&sketch, &copies);
	assert_int_equal(copies.seen, 1);
	sketch = sketch_of("", "Chào bạn");
	seen(&sketch, &copies);
	assert_int_equal(copies.seen, 0);
	cv_clock_shift(SPAM_COPIES_SECS + 1);
	sketch = sketch_of("", letter);
	seen(&sketch, &copies);
	assert_int_equal(copies.seen, 1);
}

static void
copies_of_what_people_called_spam_are_known(void **state)
{
	struct spam_sketch sketch = sketch_of("Thưa ông Tuấn, ", letter);
	struct spam_copies copies;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		spam_copies_learn(table, &sketch, 7, true); /* one person, again and again */
	spam_copies_learn(table, &sketch, 8, true);
	sketch = sketch_of("Thưa bà Lan, ", letter);
	seen(&sketch, &copies);
	assert_int_equal(copies.spam, 2);
	assert_int_equal(copies.ham, 0);
}

/* ---- bursts ---- */

static void
an_account_that_sends_too_much_is_frozen_for_a_while(void **state)
{
	struct spam_burst_limits limits = {200, 5, 600, 3600};
	struct cv_str login = CV_STR("nvhoa.snv");
	uint32_t left;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(
			spam_burst_note(table, &limits, login, 10, false), SPAM_BURST_NONE);
	assert_int_equal(spam_burst_note(table, &limits, login, 1, false), SPAM_BURST_BEGINS);
	assert_int_equal(spam_burst_note(table, &limits, login, 1, false), SPAM_BURST_FROZEN);
	assert_true(spam_burst_is_frozen(table, login, &left));
	assert_in_range(left, 3590, 3600);
	assert_false(spam_burst_is_frozen(table, CV_STR("other"), &left));
	cv_clock_shift(3601);
	assert_false(spam_burst_is_frozen(table, login, &left));
	assert_int_equal(spam_burst_note(table, &limits, login, 200, false), SPAM_BURST_NONE);
}

static void
spam_in_a_row_freezes_whatever_the_recipients(void **state)
{
	struct spam_burst_limits limits = {0, 5, 600, 3600};
	struct cv_str login = CV_STR("stolen.stp");
	uint32_t left;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(spam_burst_note(table, &limits, login, 1, true), SPAM_BURST_NONE);
		assert_int_equal(
			spam_burst_note(table, &limits, login, 900, false), SPAM_BURST_NONE);
	}
	assert_int_equal(spam_burst_note(table, &limits, login, 1, true), SPAM_BURST_BEGINS);
	assert_true(spam_burst_release(table, login));
	assert_false(spam_burst_is_frozen(table, login, &left));
	assert_false(spam_burst_release(table, login));
	assert_int_equal(spam_burst_note(table, &limits, login, 1, true), SPAM_BURST_NONE);
}

static void
a_slow_sender_is_never_frozen(void **state)
{
	struct spam_burst_limits limits = {200, 5, 600, 3600};

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(spam_burst_note(table, &limits, CV_STR("steady"), 100, i % 3 == 0),
			SPAM_BURST_NONE);
		cv_clock_shift(400);
	}
}

/* ---- letters ---- */

static void
whom_we_wrote_to_is_known_in_any_case(void **state)
{
	(void)state;
	spam_letters_wrote(table, CV_STR("hoa.snv@lamgiang.example"), CV_STR("Dan@Mail.example"));
	assert_int_equal(spam_letters_known(table, CV_STR("HOA.snv@lamgiang.example"),
				 CV_STR("dan@mail.EXAMPLE")),
		1);
	assert_int_equal(spam_letters_known(table, CV_STR("binh.stp@lamgiang.example"),
				 CV_STR("dan@mail.example")),
		0);
	assert_int_equal(
		spam_letters_known(table, CV_STR("hoa.snv@lamgiang.example"), CV_STR("")), 0);
}

static void
answers_refer_to_what_left_here(void **state)
{
	static const struct {
		const char *field;
		bool answers;
	} rows[] = {
		{"<a1@lamgiang.example>",                                     true },
		{" <a1@lamgiang.example>\r\n",                                true },
		{"<x@other.example>\r\n <a1@lamgiang.example> <y@z.example>", true },
		{"<A1@lamgiang.example>",                                     false},
		{"a1@lamgiang.example",                                       false},
		{"<>",							false},
		{"<<<>>>",						    false},
		{"",							  false},
		{"<a1@lamgiang.example",                                      false},
		{"a1@lamgiang.example>",                                      false},
	};

	(void)state;
	struct cv_str hoa = CV_STR("hoa.snv@lamgiang.example");
	spam_letters_sent(table, hoa, CV_STR(" <a1@lamgiang.example>\r\n"));
	spam_letters_sent(table, hoa, CV_STR(""));
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].field,
			spam_letters_answers(table, CV_STR("Hoa.SNV@lamgiang.example"),
				cv_str_z(rows[i].field)) == rows[i].answers);
	/* Who got one letter cannot name it in mail to everybody. */
	assert_false(spam_letters_answers(table, CV_STR("binh.stp@lamgiang.example"),
		CV_STR("<a1@lamgiang.example>")));
	assert_false(spam_letters_answers(table, CV_STR(""), CV_STR("<a1@lamgiang.example>")));
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_weighs_by_what_it_did_before),
		cmocka_unit_test(what_was_proved_counts_apart_from_what_was_claimed),
		cmocka_unit_test(old_deeds_fade_by_half_in_thirty_days),
		cmocka_unit_test(a_stranger_waits_once),
		cmocka_unit_test(who_comes_back_too_late_begins_anew),
		cmocka_unit_test(a_network_from_which_several_returned_waits_no_more),
		cmocka_unit_test(copies_are_known_though_each_greets_another),
		cmocka_unit_test(copies_of_what_people_called_spam_are_known),
		cmocka_unit_test(an_account_that_sends_too_much_is_frozen_for_a_while),
		cmocka_unit_test(spam_in_a_row_freezes_whatever_the_recipients),
		cmocka_unit_test(a_slow_sender_is_never_frozen),
		cmocka_unit_test(whom_we_wrote_to_is_known_in_any_case),
		cmocka_unit_test(answers_refer_to_what_left_here),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
