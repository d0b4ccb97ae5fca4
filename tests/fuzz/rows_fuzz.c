/* fuzz: store */
/* Rows of the store: the first byte chooses the kind. What decodes must encode to something that
 * decodes to the same. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_page(struct cv_str in)
{
	struct cv_entry a[CV_PAGE_UIDS], b[CV_PAGE_UIDS];
	uint32_t n, m;
	if (cv_row_page_decode(in, 7, a, &n))
		return;
	struct cv_buf again = CV_BUF_INIT(1u << 20);
	cv_row_page_encode(a, n, 7, &again);
	assert(!cv_row_page_decode(cv_buf_view(&again), 7, b, &m) && n == m);
	for (uint32_t i = 0; i < n; i++) {
		assert(a[i].uid / CV_PAGE_UIDS == 7 && (!i || a[i].uid > a[i - 1].uid));
		assert(a[i].uid == b[i].uid && a[i].flags == b[i].flags &&
			a[i].modseq == b[i].modseq && a[i].keywords == b[i].keywords);
	}
	cv_buf_done(&again);
}

static void
try_msg(struct cv_str in)
{
	struct cv_row_msg row, same;
	if (cv_row_msg_decode(in, &row))
		return;
	struct cv_buf again = CV_BUF_INIT(1u << 20);
	cv_row_msg_encode(&row, &again);
	assert(!cv_row_msg_decode(cv_buf_view(&again), &same));
	assert(row.size_bytes == same.size_bytes && row.body.n == same.body.n);
	cv_buf_done(&again);
}

static void
try_box(struct cv_str in)
{
	struct cv_row_box row, same;
	if (cv_row_box_decode(in, &row))
		return;
	struct cv_buf again = CV_BUF_INIT(1u << 20);
	cv_row_box_encode(&row, &again);
	assert(!cv_row_box_decode(cv_buf_view(&again), &same));
	assert(cv_str_eq(row.name, same.name) && row.uidnext == same.uidnext);
	cv_buf_done(&again);
}

static void
try_uids(struct cv_str in)
{
	struct cv_uids_rd r = cv_uids_read(in);
	uint32_t uid, last = 0;
	for (size_t n = 0; n < 100000 && cv_uids_next(&r, &uid); n++) {
		assert(!n || uid > last);
		last = uid;
	}
}

static void
try_marks(struct cv_str in)
{
	struct cv_marks_rd r = cv_marks_read(in);
	uint32_t flags;
	uint64_t keywords;
	for (size_t n = 0; n < 100000 && cv_marks_next(&r, &flags, &keywords); n++)
		assert(flags < 32);
}

static void
try_note(struct cv_str in)
{
	struct cv_str name, value, same_name, same_value;
	if (cv_row_note_decode(in, &name, &value))
		return;
	struct cv_buf again = CV_BUF_INIT(1u << 20);
	cv_row_note_encode(name, value, &again);
	assert(!cv_row_note_decode(cv_buf_view(&again), &same_name, &same_value));
	assert(cv_str_eq(name, same_name) && cv_str_eq(value, same_value));
	cv_buf_done(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct cv_str in = cv_str((const char *)data + 1, size - 1);
	struct cv_row_head head;
	struct cv_row_removed removed;
	struct cv_row_delivery delivery;
	struct cv_str names[CV_KEYWORDS_MAX];
	size_t count;
	uint64_t accounts;
	switch (data[0] % 10) {
	case 0:
		try_page(in);
		break;
	case 1:
		try_msg(in);
		break;
	case 2:
		try_box(in);
		break;
	case 3:
		try_uids(in);
		break;
	case 4:
		(void)!cv_row_head_decode(in, &head);
		break;
	case 5:
		if (!cv_row_removed_decode(in, &removed)) {
			try_uids(removed.uids);
			try_marks(removed.marks);
		}
		break;
	case 6:
		(void)!cv_row_delivery_decode(in, &delivery);
		break;
	case 7:
		(void)!cv_row_keywords_decode(in, names, &count);
		break;
	case 9:
		try_note(in);
		break;
	default:
		(void)!cv_row_count_decode(in, &accounts);
	}
	return 0;
}
