/* seen_test.c - what one reader of a mailbox has seen the others have not. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/seen.h"
#include "tests/unit/common/store/mailbox_kit.h"

#define PERSON(n) ((cv_acct_id)CV_CLASS_USER << CV_ACCT_CLASS_SHIFT | (n))

static const struct cv_viewer AN = {.person = PERSON(7), .marks_common = true};
static const struct cv_viewer BINH = {.person = PERSON(8), .marks_common = true};
static const struct cv_viewer DELEGATE = {.person = PERSON(9)};

static enum cv_status
store_as(struct kit *k, struct cv_mbox *m, const struct cv_viewer *v, uint32_t uid,
	enum cv_store_op op, uint32_t flags)
{
	struct cv_flag_change change = {.flags = flags};
	uint32_t failed[1];
	size_t failed_count;
	uint64_t modseq;
	return cv_mbox_store_as(m, v, &uid, 1, op, &change, UINT64_MAX, failed, &failed_count,
		&modseq, &k->t, &k->err);
}

/* The flags of UID as V sees them; 99 when it is not there. */
static uint32_t
flags_as(struct kit *k, struct cv_mbox *m, const struct cv_viewer *v, uint32_t uid)
{
	const struct cv_view *view;
	OK(cv_mbox_view_as(m, v, &view, &k->err));
	const struct cv_entry *e = cv_view_uid(view, uid);
	uint32_t flags = e ? e->flags : 99;
	cv_view_unref(view);
	return flags;
}

static struct cv_mbox_info
info_as(struct kit *k, const struct cv_viewer *v, const char *name)
{
	struct cv_mbox_info info;
	OK(cv_mbox_info_as(k->a, v, cv_str_z(name), &k->arena, &info, &k->err));
	return info;
}

static void
enter(struct kit *k, struct cv_mbox *m, const struct cv_viewer *v)
{
	uint32_t first, next;
	OK(cv_mbox_enter_as(m, v, true, &first, &next, &k->t, &k->err));
}

static void
test_what_one_has_seen_the_other_has_not(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 3; i++)
		kit_append(k, m, i);
	enter(k, m, &AN);
	enter(k, m, &BINH);
	OK(store_as(k, m, &AN, 2, CV_STORE_ADD, CV_FLAG_SEEN | CV_FLAG_FLAGGED));
	assert_int_equal(flags_as(k, m, &AN, 2), CV_FLAG_SEEN | CV_FLAG_FLAGGED);
	assert_int_equal(flags_as(k, m, &BINH, 2), CV_FLAG_FLAGGED);
	assert_int_equal(info_as(k, &AN, "INBOX").unseen, 2);
	assert_int_equal(info_as(k, &BINH, "INBOX").unseen, 3);
	assert_int_equal(info_as(k, NULL, "INBOX").unseen, 2); /* somebody has seen it */
	OK(store_as(k, m, &AN, 2, CV_STORE_REMOVE, CV_FLAG_SEEN));
	assert_int_equal(flags_as(k, m, &AN, 2), CV_FLAG_FLAGGED);
	assert_int_equal(info_as(k, NULL, "INBOX").unseen, 2); /* and that stays so */
	OK(store_as(k, m, &BINH, 3, CV_STORE_SET, CV_FLAG_SEEN));
	OK(store_as(k, m, &AN, 3, CV_STORE_SET, CV_FLAG_ANSWERED));
	assert_int_equal(flags_as(k, m, &BINH, 3), CV_FLAG_SEEN | CV_FLAG_ANSWERED);
	assert_int_equal(flags_as(k, m, &AN, 3), CV_FLAG_ANSWERED);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_a_delegate_marks_nothing_for_the_owner(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	kit_append(k, m, 1);
	kit_append_flags(k, m, 2, CV_FLAG_SEEN);
	OK(store_as(k, m, &DELEGATE, 1, CV_STORE_ADD, CV_FLAG_SEEN));
	assert_int_equal(flags_as(k, m, NULL, 1), 0);
	assert_int_equal(flags_as(k, m, &DELEGATE, 1), CV_FLAG_SEEN);
	/* What the owner had seen when the delegate came. */
	assert_int_equal(flags_as(k, m, &DELEGATE, 2), CV_FLAG_SEEN);
	OK(kit_store(k, m, 2, CV_STORE_REMOVE, CV_FLAG_SEEN));
	assert_int_equal(flags_as(k, m, &DELEGATE, 2), CV_FLAG_SEEN);
	cv_mbox_close(m);
}

static void
test_who_comes_later_has_seen_what_somebody_had(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 3; i++)
		kit_append(k, m, i);
	OK(store_as(k, m, &AN, 1, CV_STORE_ADD, CV_FLAG_SEEN));
	assert_int_equal(info_as(k, &BINH, "INBOX").unseen, 2);
	enter(k, m, &BINH);
	OK(store_as(k, m, &AN, 2, CV_STORE_ADD, CV_FLAG_SEEN));
	assert_int_equal(info_as(k, &BINH, "INBOX").unseen, 2);
	assert_int_equal(flags_as(k, m, &BINH, 2), 0);
	cv_mbox_close(m);
}

static void
test_a_change_of_one_has_a_modseq_for_all(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	const struct cv_view *before, *after;
	for (int i = 1; i <= 300; i++)
		kit_append(k, m, i);
	enter(k, m, &AN);
	enter(k, m, &BINH);
	OK(cv_mbox_view_as(m, &BINH, &before, &k->err));
	OK(store_as(k, m, &AN, 2, CV_STORE_ADD, CV_FLAG_SEEN));
	OK(cv_mbox_view_as(m, &BINH, &after, &k->err));
	assert_true(cv_view_uid(after, 2)->modseq > cv_view_uid(before, 2)->modseq);
	assert_int_equal(cv_view_uid(after, 2)->modseq, after->highest_modseq);
	/* Only the page of the message is another. */
	assert_int_equal(after->pages_count, 3);
	assert_ptr_not_equal(after->pages[0].page, before->pages[0].page);
	assert_ptr_equal(after->pages[1].page, before->pages[1].page);
	cv_view_unref(before);
	cv_view_unref(after);
	/* Setting what is set changes nothing. */
	uint64_t modseq = info_as(k, NULL, "INBOX").highest_modseq;
	OK(store_as(k, m, &AN, 2, CV_STORE_ADD, CV_FLAG_SEEN));
	assert_int_equal(info_as(k, NULL, "INBOX").highest_modseq, modseq);
	cv_mbox_view_done(m, &BINH);
	cv_mbox_close(m);
}

static void
reopen(struct kit *k)
{
	kit_close(k);
	kit_open(k);
}

static void
test_it_outlives_the_process_and_expunges(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	size_t removed;
	for (int i = 1; i <= 10; i++)
		kit_append(k, m, i);
	enter(k, m, &AN);
	for (uint32_t uid = 1; uid <= 10; uid += 2)
		OK(store_as(k, m, &AN, uid, CV_STORE_ADD, CV_FLAG_SEEN));
	cv_mbox_close(m);
	reopen(k);
	m = kit_mbox(k, "INBOX");
	assert_int_equal(info_as(k, &AN, "INBOX").unseen, 5);
	uint32_t gone[] = {1, 2, 3};
	OK(cv_mbox_remove(m, gone, 3, &removed, &k->t, &k->err));
	assert_int_equal(info_as(k, &AN, "INBOX").unseen, 4);
	kit_append(k, m, 11);
	assert_int_equal(info_as(k, &AN, "INBOX").unseen, 5);
	cv_mbox_close(m);
	reopen(k);
	m = kit_mbox(k, "INBOX");
	assert_int_equal(info_as(k, &AN, "INBOX").unseen, 5);
	assert_int_equal(flags_as(k, m, &AN, 5), CV_FLAG_SEEN);
	assert_int_equal(flags_as(k, m, &AN, 11), 0);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_recent_is_a_persons_own(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	uint32_t first, next;
	kit_append(k, m, 1);
	OK(cv_mbox_enter_as(m, &AN, true, &first, &next, &k->t, &k->err));
	assert_int_equal(first, 1);
	assert_int_equal(next, 2);
	OK(cv_mbox_enter_as(m, &AN, true, &first, &next, &k->t, &k->err));
	assert_int_equal(first, next);
	OK(cv_mbox_enter_as(m, &BINH, true, &first, &next, &k->t, &k->err));
	assert_int_equal(first, 1);
	kit_append(k, m, 2);
	assert_int_equal(info_as(k, &AN, "INBOX").recent, 1);
	cv_mbox_close(m);
}

static void
copy(struct kit *k, struct cv_mbox *from, const struct cv_viewer *v, uint32_t uid,
	struct cv_mbox *to, const struct cv_viewer *w, bool move)
{
	uint32_t a[1], b[1];
	size_t done;
	OK(cv_mbox_copy_as(from, v, &uid, 1, to, w, move, a, b, &done, &k->t, &k->err));
	assert_int_equal(done, 1);
}

static void
test_filing_keeps_what_each_has_seen(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 3; i++)
		kit_append(k, m, i);
	enter(k, m, &AN);
	enter(k, m, &BINH);
	OK(store_as(k, m, &AN, 1, CV_STORE_ADD, CV_FLAG_SEEN));
	OK(store_as(k, m, &BINH, 2, CV_STORE_ADD, CV_FLAG_SEEN));
	OK(cv_mbox_create(k->a, CV_STR("Hồ sơ"), CV_USE_NONE, NULL, &k->t, &k->err));
	struct cv_mbox *to = kit_mbox(k, "Hồ sơ");
	copy(k, m, &AN, 1, to, &AN, true);
	copy(k, m, &AN, 2, to, &AN, false);
	assert_int_equal(flags_as(k, to, &AN, 1), CV_FLAG_SEEN);
	assert_int_equal(flags_as(k, to, &BINH, 1), 0);
	assert_int_equal(flags_as(k, to, &AN, 2), 0);
	assert_int_equal(flags_as(k, to, &BINH, 2), CV_FLAG_SEEN);
	assert_int_equal(info_as(k, &BINH, "Hồ sơ").unseen, 1);
	/* Also within one mailbox. */
	copy(k, to, &AN, 1, to, &AN, true);
	assert_int_equal(flags_as(k, to, &AN, 3), CV_FLAG_SEEN);
	assert_int_equal(info_as(k, &AN, "Hồ sơ").unseen, 1);
	assert_int_equal(info_as(k, &BINH, "Hồ sơ").unseen, 1);
	cv_mbox_close(to);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_filing_into_a_large_mailbox_of_many_readers_works(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *to = kit_mbox(k, "Lưu trữ");
	uint32_t uids[256], from[256], there[256];
	size_t done;
	for (uint32_t i = 0; i < CV_COUNT(uids); i++) {
		kit_append_flags(k, m, (int)i, i % 2 ? CV_FLAG_SEEN : 0);
		uids[i] = i + 1;
	}
	for (uint32_t chunk = 1; chunk <= 70; chunk++) { /* every second one of each is seen */
		OK(cv_mbox_copy(m, uids, CV_COUNT(uids), to, false, from, there, &done, &k->t,
			&k->err));
		cv_ticket_block(k->s->engine, k->t);
		to->row.uidnext = chunk * CV_SEEN_CHUNK;
		cv_box_drop_view(to);
	}
	for (uint64_t i = 0; i < CV_SEEN_CARRY_MAX; i++)
		enter(k, m, &(struct cv_viewer){.person = PERSON(100 + i)});
	enter(k, to, &(struct cv_viewer){.person = PERSON(100)});
	OK(store_as(k, m, &(struct cv_viewer){.person = PERSON(100)}, 1, CV_STORE_ADD,
		CV_FLAG_SEEN));
	OK(cv_mbox_copy(m, uids, 2, to, true, from, there, &done, &k->t, &k->err));
	assert_int_equal(done, 2);
	for (uint64_t i = 0; i < CV_SEEN_CARRY_MAX; i++) {
		const struct cv_viewer v = {.person = PERSON(100 + i)};
		assert_int_equal(flags_as(k, to, &v, there[0]), i ? 0 : CV_FLAG_SEEN);
		assert_int_equal(flags_as(k, to, &v, there[1]), CV_FLAG_SEEN);
	}
	cv_mbox_close(m);
	cv_mbox_close(to);
	kit_check_sound(k);
}

static void
test_not_everybody_who_ever_looked_stays_in_memory(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	size_t kept = 0;
	for (int i = 1; i <= 3; i++)
		kit_append(k, m, i);
	for (uint64_t i = 0; i < 3 * CV_SEEN_KEPT_MAX; i++) {
		const struct cv_viewer v = {.person = PERSON(100 + i)};
		enter(k, m, &v);
		OK(store_as(k, m, &v, 1 + (uint32_t)i % 2, CV_STORE_ADD, CV_FLAG_SEEN));
	}
	for (const struct cv_seen *s = m->seens; s; s = s->next)
		kept += s->is_read;
	assert_true(kept > 0 && kept <= CV_SEEN_KEPT_MAX);
	for (uint64_t i = 0; i < 3 * CV_SEEN_KEPT_MAX; i++) {
		const struct cv_viewer v = {.person = PERSON(100 + i)};
		assert_int_equal(info_as(k, &v, "INBOX").unseen, 2);
		assert_int_equal(flags_as(k, m, &v, 1), i % 2 ? 0 : CV_FLAG_SEEN);
		cv_mbox_view_done(m, &v);
	}
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_appending_as_seen_is_for_who_appends(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_append item = {.internal_secs = 1800000000, .flags = {.flags = CV_FLAG_SEEN}};
	struct cv_spool spool;
	enter(k, m, &BINH);
	kit_spool(&spool, "Subject: x\r\n\r\ny\r\n");
	item.message = &spool;
	OK(cv_mbox_append_as(m, &AN, &item, 1, &k->t, &k->err));
	cv_spool_done(&spool);
	assert_int_equal(flags_as(k, m, &AN, item.uid), CV_FLAG_SEEN);
	assert_int_equal(flags_as(k, m, &BINH, item.uid), 0);
	cv_mbox_close(m);
}

static bool
count_row(void *arg, struct cv_str key, struct cv_str value)
{
	size_t *n = arg;
	(void)key;
	n[0]++;
	n[1] += value.n;
	return true;
}

static void
person_rows(struct kit *k, size_t n[2])
{
	n[0] = n[1] = 0;
	OK(cv_meta_scan(k->s->engine, KIT_USER(1), CV_STR("P"), CV_STR("Q"), 0, count_row, n,
		&k->err));
}

static void
test_rows_are_short_and_go_with_the_messages(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	size_t rows[2], removed;
	uint32_t failed[64], uids[64];
	struct cv_flag_change seen = {.flags = CV_FLAG_SEEN};
	uint64_t modseq;
	size_t failed_count;
	for (uint32_t i = 0; i < 60; i++)
		uids[i] = kit_append(k, m, (int)i);
	enter(k, m, &AN);
	OK(cv_mbox_remove(m, uids + 20, 5, &removed, &k->t, &k->err));
	OK(cv_mbox_store_as(m, &AN, uids, 60, CV_STORE_ADD, &seen, UINT64_MAX, failed,
		&failed_count, &modseq, &k->t, &k->err));
	person_rows(k, rows);
	assert_int_equal(rows[0], 2);
	assert_in_range(rows[1], 5, 12); /* one run, the hole left out */
	assert_int_equal(info_as(k, &AN, "INBOX").unseen, 0);
	OK(cv_mbox_remove(m, uids, 60, &removed, &k->t, &k->err));
	kit_append(k, m, 61);
	OK(store_as(k, m, &AN, 61, CV_STORE_ADD, CV_FLAG_SEEN));
	OK(store_as(k, m, &AN, 61, CV_STORE_REMOVE, CV_FLAG_SEEN));
	person_rows(k, rows);
	assert_int_equal(rows[0], 1); /* the head alone */
	cv_mbox_close(m);
	OK(cv_mbox_create(k->a, CV_STR("X"), CV_USE_NONE, NULL, &k->t, &k->err));
	m = kit_mbox(k, "X");
	enter(k, m, &AN);
	cv_mbox_close(m);
	OK(cv_mbox_delete(k->a, CV_STR("X"), &k->t, &k->err));
	OK(cv_store_reap(k->s, cv_wall_secs() + 400 * 86400, &k->err));
	person_rows(k, rows);
	assert_int_equal(rows[0], 1);
}

static void
test_chunk_rows_come_back_as_they_were(void **state)
{
	(void)state;
	static const uint64_t words[] = {0, 1, UINT64_MAX, 0x8000000000000001, 0xaaaaaaaaaaaaaaaa};
	for (size_t i = 0; i < CV_COUNT(words) * CV_COUNT(words); i++) {
		struct cv_seen_chunk chunk = {0}, back = {0};
		struct cv_buf out = CV_BUF_INIT(1000);
		for (size_t w = 0; w < CV_SEEN_WORDS; w++)
			chunk.bits[w] = words[(w % 2 ? i : i / CV_COUNT(words)) % CV_COUNT(words)];
		cv_row_chunk_encode(&chunk, &out);
		assert_true(out.n <= sizeof chunk.bits + 2);
		assert_int_equal(cv_row_chunk_decode(cv_buf_view(&out), &back), CV_OK);
		assert_memory_equal(chunk.bits, back.bits, sizeof chunk.bits);
		/* Cut short or longer, it is refused or reads as something; never past its end. */
		for (size_t n = 0; n < out.n; n++)
			(void)!cv_row_chunk_decode(cv_str(out.p, n), &back);
		cv_buf_done(&out);
	}
	struct cv_seen_chunk back;
	assert_int_equal(
		cv_row_chunk_decode(CV_STR("\x01\x00\xff\xff\x03\x00"), &back), CV_CORRUPT);
	assert_int_equal(cv_row_chunk_decode(CV_STR("\x01\x02"), &back), CV_CORRUPT);
}

#define WITH_KIT(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_KIT(test_what_one_has_seen_the_other_has_not),
		WITH_KIT(test_a_delegate_marks_nothing_for_the_owner),
		WITH_KIT(test_who_comes_later_has_seen_what_somebody_had),
		WITH_KIT(test_a_change_of_one_has_a_modseq_for_all),
		WITH_KIT(test_it_outlives_the_process_and_expunges),
		WITH_KIT(test_recent_is_a_persons_own),
		WITH_KIT(test_filing_keeps_what_each_has_seen),
		WITH_KIT(test_not_everybody_who_ever_looked_stays_in_memory),
		WITH_KIT(test_filing_into_a_large_mailbox_of_many_readers_works),
		WITH_KIT(test_appending_as_seen_is_for_who_appends),
		WITH_KIT(test_rows_are_short_and_go_with_the_messages),
		cmocka_unit_test(test_chunk_rows_come_back_as_they_were),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
