/* rows_test.c - every row comes back as it was written, cut or changed ones never crash. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/base/rng.h"
#include "common/store/rows.h"

/* Every beginning of VALUE is refused by DECODE. */
#define REFUSES_CUT(buf, decode)                                                                   \
	for (size_t cut_ = 0; cut_ < (buf).n; cut_++)                                              \
	CHECK(#decode, decode(cv_str((buf).p, cut_)) == CV_CORRUPT)

static enum cv_status
head(struct cv_str s)
{
	struct cv_row_head row;
	return cv_row_head_decode(s, &row);
}
static enum cv_status
box(struct cv_str s)
{
	struct cv_row_box row;
	return cv_row_box_decode(s, &row);
}
static enum cv_status
msg(struct cv_str s)
{
	struct cv_row_msg row;
	return cv_row_msg_decode(s, &row);
}
static enum cv_status
page(struct cv_str s)
{
	struct cv_entry entries[CV_PAGE_UIDS];
	uint32_t count;
	return cv_row_page_decode(s, 3, entries, &count);
}

static void
test_rows__come_back_and_are_refused_when_cut(void **state)
{
	(void)state;
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	struct cv_row_head h = {.state = CV_ROW_PURGING,
				   .epoch = 3,
				   .modseq = 1ull << 40,
				   .next_id = 9,
				   .last_uidvalidity = 1800000000,
				   .quota_bytes = 2ull << 30,
				   .has_quota = true,
				   .created_secs = -5},
			   h2;
	cv_row_head_encode(&h, &b);
	assert_int_equal(cv_row_head_decode(cv_buf_view(&b), &h2), CV_OK);
	assert_true(h2.state == h.state && h2.epoch == 3 && h2.modseq == h.modseq && h2.has_quota &&
		    h2.quota_bytes == h.quota_bytes && h2.created_secs == -5 && h2.next_id == 9);
	REFUSES_CUT(b, head);
	cv_buf_reset(&b);
	struct cv_row_box x = {.name = CV_STR("Công văn đến"),
				  .epoch = 1,
				  .uidvalidity = 7,
				  .uidnext = UINT32_MAX,
				  .highest_modseq = 99,
				  .vanished_floor = 5,
				  .exists = 4,
				  .unseen = 3,
				  .deleted = 2,
				  .recent = 1,
				  .recent_from = 6,
				  .size_bytes = 1ull << 41,
				  .use = CV_USE_FLAGGED,
				  .selectable = true,
				  .subscribed = true},
			  x2;
	cv_row_box_encode(&x, &b);
	assert_int_equal(cv_row_box_decode(cv_buf_view(&b), &x2), CV_OK);
	assert_true(cv_str_eq(x.name, x2.name));
	assert_true(x2.uidnext == UINT32_MAX && x2.recent == 1 && x2.recent_from == 6 &&
		    x2.unseen == 3 && x2.deleted == 2 && x2.exists == 4 &&
		    x2.use == CV_USE_FLAGGED && x2.selectable && x2.subscribed &&
		    x2.size_bytes == x.size_bytes && x2.highest_modseq == 99 &&
		    x2.vanished_floor == 5 && x2.uidvalidity == 7);
	REFUSES_CUT(b, box);
	cv_buf_reset(&b);
	struct cv_row_msg m = {.size_bytes = 5,
				  .internal_secs = -1,
				  .saved_secs = 1ull << 33,
				  .internal_zone = -720,
				  .place = CV_SUMMARY_OTHER,
				  .summary_box = 4,
				  .summary_uid = 8,
				  .body = {.n = 24},
				  .delivery_id = CV_STR("id")},
			  m2;
	memset(m.body.bytes, 0xab, 24);
	memset(m.email_id, 1, 16);
	memset(m.thread_id, 2, 16);
	cv_row_msg_encode(&m, &b);
	assert_int_equal(cv_row_msg_decode(cv_buf_view(&b), &m2), CV_OK);
	assert_true(m2.internal_secs == -1 && m2.internal_zone == -720 && m2.summary_uid == 8 &&
		    m2.body.n == 24 && cv_str_eq(m.delivery_id, m2.delivery_id) &&
		    !memcmp(m2.body.bytes, m.body.bytes, 24) &&
		    !memcmp(m2.thread_id, m.thread_id, 16));
	assert_true(b.n < 100);
	REFUSES_CUT(b, msg);
	CHECK_END();
	cv_buf_done(&b);
}

static enum cv_status
removed(struct cv_str s)
{
	struct cv_row_removed row;
	return cv_row_removed_decode(s, &row);
}

static void
test_removed__keeps_the_flags_of_what_went(void **state)
{
	(void)state;
	struct cv_entry in[600] = {0};
	uint32_t uids[600], uid, flags;
	uint64_t keywords;
	for (uint32_t i = 0; i < CV_COUNT(in); i++) {
		uids[i] = 5 + i + i / 3;
		in[i].flags = i / 100 % 32;
		in[i].keywords = i % 50 == 7 ? 1ull << 63 : i > 300 ? 6 : 0;
	}
	struct cv_buf list = CV_BUF_INIT(1u << 20), marks = CV_BUF_INIT(1u << 20),
		      b = CV_BUF_INIT(1u << 20);
	struct cv_row_removed row = {.kind = CV_REMOVED_EXPUNGED, .box = 7, .name = CV_STR("Đến")},
			      got;
	cv_row_removed_encode(&row, &b); /* as written before flags were kept */
	assert_int_equal(cv_row_removed_decode(cv_buf_view(&b), &got), CV_OK);
	assert_int_equal(got.marks.n, 0);
	REFUSES_CUT(b, removed);
	cv_buf_reset(&b);
	cv_uids_encode(uids, CV_COUNT(uids), &list);
	cv_marks_encode(in, CV_COUNT(in), &marks);
	assert_true(marks.n < 200);
	row.uids = cv_buf_view(&list);
	row.marks = cv_buf_view(&marks);
	cv_row_removed_encode(&row, &b);
	assert_int_equal(cv_row_removed_decode(cv_buf_view(&b), &got), CV_OK);
	struct cv_uids_rd u = cv_uids_read(got.uids);
	struct cv_marks_rd m = cv_marks_read(got.marks);
	for (size_t i = 0; i < CV_COUNT(in); i++) {
		assert_true(cv_uids_next(&u, &uid) && cv_marks_next(&m, &flags, &keywords));
		assert_true(uid == uids[i] && flags == in[i].flags && keywords == in[i].keywords);
	}
	assert_false(cv_marks_next(&m, &flags, &keywords));
	assert_false(m.rd.bad);
	m = cv_marks_read(cv_str("\x20", 1)); /* keywords are said to come */
	assert_false(cv_marks_next(&m, &flags, &keywords));
	assert_true(m.rd.bad);
	CHECK_END();
	cv_buf_done(&list);
	cv_buf_done(&marks);
	cv_buf_done(&b);
}

static void
test_page__is_small_and_exact(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned every;       /* every how many UIDs one exists */
		unsigned flag_every;  /* after so many the flags change */
		uint64_t modseq_step; /* 0: random */
		size_t most_bytes;
	} rows[] = {
		{"new mail",                1,   128, 1, 24 },
		{"read mail",               1,   20,  1, 60 },
		{"busy account",            1,   20,  7, 60 },
		{"every other expunged",    2,   128, 1, 200},
		{"flags changed at random", 1,   3,   0, 512},
		{"one",                     128, 1,   1, 24 },
	};
	for (size_t r = 0; r < CV_COUNT(rows); r++) {
		struct cv_entry in[CV_PAGE_UIDS] = {0}, out[CV_PAGE_UIDS];
		uint32_t n = 0, count;
		uint64_t modseq = 1000000;
		for (uint32_t i = 0; i < CV_PAGE_UIDS; i += rows[r].every, n++) {
			modseq += rows[r].modseq_step;
			in[n] = (struct cv_entry){.uid = 3 * CV_PAGE_UIDS + i,
				.flags = n / rows[r].flag_every % 32,
				.modseq = rows[r].modseq_step ? modseq
							      : 1000000 + cv_random_below(5000),
				.keywords = n / rows[r].flag_every % 5 == 4 ? 3 : 0};
		}
		struct cv_buf b = CV_BUF_INIT(1u << 20);
		cv_row_page_encode(in, n, 3, &b);
		CHECK(rows[r].name, !cv_row_page_decode(cv_buf_view(&b), 3, out, &count));
		CHECK(rows[r].name, count == n && !memcmp(in, out, n * sizeof *in));
		CHECK(rows[r].name, b.n <= rows[r].most_bytes);
		for (size_t cut = 0; cut < b.n; cut++)
			CHECK(rows[r].name, page(cv_str(b.p, cut)) == CV_CORRUPT);
		cv_buf_done(&b);
	}
	CHECK_END();
}

static void
test_uids__come_back_in_order(void **state)
{
	(void)state;
	static const uint32_t lists[][6] = {
		{1,  2,  3,    4,    5,           6          },
		{1,  3,  5,    7,    9,           11         },
		{10, 11, 1000, 1001, 4294967294u, 4294967295u},
	};
	for (size_t l = 0; l < CV_COUNT(lists); l++) {
		struct cv_buf b = CV_BUF_INIT(1000);
		cv_uids_encode(lists[l], 6, &b);
		struct cv_uids_rd r = cv_uids_read(cv_buf_view(&b));
		uint32_t uid;
		for (size_t i = 0; i < 6; i++) {
			assert_true(cv_uids_next(&r, &uid));
			assert_int_equal(uid, lists[l][i]);
		}
		assert_false(cv_uids_next(&r, &uid));
		assert_false(r.rd.bad);
		cv_buf_done(&b);
	}
}

static void
test_keys__sort_as_their_numbers(void **state)
{
	(void)state;
	static const uint32_t numbers[] = {0, 1, 127, 128, 255, 256, 65535, 65536, UINT32_MAX};
	for (size_t i = 1; i < CV_COUNT(numbers); i++) {
		struct cv_buf a = CV_BUF_INIT(64), b = CV_BUF_INIT(64);
		uint32_t box_out, uid_out;
		cv_key_uid(&a, 'M', 5, numbers[i - 1]);
		cv_key_uid(&b, 'M', 5, numbers[i]);
		assert_true(cv_str_cmp(cv_buf_view(&a), cv_buf_view(&b)) < 0);
		assert_true(cv_key_read_uid(cv_buf_view(&b), 'M', &box_out, &uid_out));
		assert_true(box_out == 5 && uid_out == numbers[i]);
		assert_false(cv_key_read_uid(cv_buf_view(&b), 'F', &box_out, &uid_out));
		cv_buf_done(&a);
		cv_buf_done(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows__come_back_and_are_refused_when_cut),
		cmocka_unit_test(test_removed__keeps_the_flags_of_what_went),
		cmocka_unit_test(test_page__is_small_and_exact),
		cmocka_unit_test(test_uids__come_back_in_order),
		cmocka_unit_test(test_keys__sort_as_their_numbers),
	};
	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
