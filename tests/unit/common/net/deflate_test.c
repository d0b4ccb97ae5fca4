/* deflate_test.c - what is packed comes out again, however it is cut; at rest nothing is lost. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/net/deflate.h"

/* Feeds IN in pieces of CUT with ROOM for the output each time; rests wherever that is possible. */
static enum cv_status
unpack(struct cv_unpack *u, struct cv_str in, size_t cut, size_t room, bool rests,
	struct cv_buf *out)
{
	char piece[4096];
	struct cv_err err;
	enum cv_status status = CV_OK;

	assert_true(room <= sizeof(piece));
	for (size_t at = 0; !status && (at < in.n || u->may_have_more);) {
		size_t used, got;
		status = cv_unpack_bytes(
			u, cv_str_sub(in, at, at + cut), &used, piece, room, &got, &err);
		at += used;
		cv_buf_add(out, piece, got);
		if (rests)
			cv_unpack_rest(u);
	}
	return status;
}

static void
fill(struct cv_buf *text, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++)
		cv_buf_printf(text, "* %u FETCH (UID %u FLAGS (\\Seen) MODSEQ (%u))\r\n", i, i * 3,
			i * 7919 % 104729);
}

static void
test_deflate__gives_back_what_went_in(void **state)
{
	static const size_t cuts[] = {1, 2, 3, 7, 100, 100000}, rooms[] = {1, 5, 64, 4096};
	struct cv_pack pack = {0};
	(void)state;

	for (size_t c = 0; c < CV_COUNT(cuts); c++) {
		for (size_t r = 0; r < CV_COUNT(rooms) * 2; r++) {
			struct cv_buf text = CV_BUF_INIT(1u << 20), packed = CV_BUF_INIT(1u << 20),
				      out = CV_BUF_INIT(1u << 20);
			struct cv_unpack u = {0};
			fill(&text, 700);
			for (size_t at = 0; at < text.n; at += 10000)
				cv_pack_chunk(&pack,
					cv_str_sub(cv_buf_view(&text), at, at + 10000), &packed);
			assert_true(packed.n < text.n / 2);
			assert_int_equal(unpack(&u, cv_buf_view(&packed), cuts[c],
						 rooms[r / 2], r % 2, &out),
				CV_OK);
			assert_int_equal(out.n, text.n);
			assert_memory_equal(out.p, text.p, text.n);
			/* Flushed: between two answers nothing but history is kept. */
			cv_unpack_rest(&u);
			assert_null(u.stream);
			cv_unpack_done(&u);
			cv_buf_done(&text);
			cv_buf_done(&packed);
			cv_buf_done(&out);
		}
	}
	cv_pack_done(&pack);
}

static void
test_deflate__ends_broken_and_empty_streams(void **state)
{
	struct cv_unpack u = {0};
	struct cv_buf out = CV_BUF_INIT(1u << 20), noise = CV_BUF_INIT(1u << 20);
	(void)state;

	assert_int_equal(unpack(&u, CV_STR("\xff\xff\xff\xff"), 1, 64, true, &out), CV_INVALID);
	cv_unpack_done(&u);
	assert_int_equal(unpack(&u, cv_str("\x03\x00", 2), 1, 64, true, &out), CV_EOF);
	cv_unpack_done(&u);
	/* Stored blocks of nothing, for as long as one likes. */
	for (unsigned i = 0; i < 20000; i++)
		cv_buf_add(&noise, "\0\0\0\xff\xff", 5);
	assert_int_equal(unpack(&u, cv_buf_view(&noise), 1000, 64, false, &out), CV_INVALID);
	assert_int_equal(out.n, 0);
	cv_unpack_done(&u);
	cv_buf_done(&noise);
	cv_buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deflate__gives_back_what_went_in),
		cmocka_unit_test(test_deflate__ends_broken_and_empty_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
