/* quarantine_test.c - what is held is out of every client's reach, bounded, and sound (SPM-02). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include "common/store/feed.h"
#include "common/store/quarantine.h"
#include "common/store/quota.h"
#include "common/store/restore.h"

static enum cv_status
hold(struct kit *k, const char *id, size_t size)
{
	struct cv_deliverer *d;
	struct cv_deliver_rcpt rcpt = {
		.acct = KIT_USER(1), .folder = CV_STR(CV_QUARANTINE_FOLDER)};
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	cv_buf_z(&text, "Subject: thu\r\n\r\n");
	while (text.n + 2 < size)
		cv_buf_c(&text, 'x');
	cv_buf_z(&text, "\r\n");
	OK(cv_deliverer_local(k->s, &d, &k->err));
	kit_deliver(d, id, text.p, &rcpt, 1);
	cv_deliverer_free(d);
	cv_buf_done(&text);
	return rcpt.result;
}

static struct cv_quarantine_counts
held(struct kit *k)
{
	struct cv_quarantine_counts c;
	OK(cv_quarantine_count(k->s, KIT_USER(1), &c, &k->err));
	return c;
}

static void
test_quarantine__is_in_no_list_and_under_no_name(void **state)
{
	struct kit *k = *state;
	struct cv_mbox_info *list, info;
	struct cv_mbox *m;
	size_t count;
	static const char *const names[] = {
		"\1quarantine", "quarantine", "\\Quarantine", "INBOX/\1quarantine"};
	OK(cv_mbox_list(k->a, &k->arena, &list, &count, &k->err));
	size_t before = count;
	assert_int_equal(hold(k, "q-1", 500), CV_OK);
	OK(cv_mbox_list(k->a, &k->arena, &list, &count, &k->err));
	assert_int_equal(count, before);
	for (size_t i = 0; i < count; i++) {
		assert_int_not_equal(list[i].use, CV_USE_QUARANTINE);
		assert_int_not_equal((unsigned char)list[i].name.p[0], 1);
	}
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		struct cv_str name = cv_str_z(names[i]);
		assert_int_not_equal(cv_mbox_open(k->a, name, &m, &k->err), CV_OK);
		assert_int_not_equal(cv_mbox_info(k->a, name, &k->arena, &info, &k->err), CV_OK);
		assert_int_not_equal(cv_mbox_delete(k->a, name, &k->t, &k->err), CV_OK);
		assert_int_not_equal(
			cv_mbox_rename(k->a, name, CV_STR("Lấy ra"), &k->t, &k->err), CV_OK);
	}
	assert_int_equal(held(k).messages, 1);
	assert_int_equal(kit_info(k, "INBOX").exists, 0);
	kit_check_sound(k);
}

static void
test_quarantine__takes_mail_over_the_quota_and_is_no_part_of_it(void **state)
{
	struct kit *k = *state;
	struct cv_quota q;
	OK(cv_acct_set_quota(k->a, 1000, &k->t, &k->err));
	assert_int_equal(hold(k, "q-1", 5000), CV_OK);
	cv_acct_quota(k->a, &q);
	assert_int_equal(q.used_bytes, 0);
	assert_int_equal(q.used_messages, 0);
	assert_true(held(k).size_bytes >= 5000);
	kit_close(k);
	kit_open(k); /* the same by its rows */
	cv_acct_quota(k->a, &q);
	assert_int_equal(q.used_bytes, 0);
	cv_acct_close(k->a);
	OK(cv_quota_used(k->s, KIT_USER(1), &q, &k->err));
	assert_int_equal(q.used_bytes, 0);
	OK(cv_acct_open(k->s, KIT_USER(1), false, &k->a, NULL, &k->err));
	assert_int_equal(held(k).messages, 1);
	kit_check_sound(k);
}

static void
test_quarantine__takes_a_delivery_once(void **state)
{
	struct kit *k = *state;
	assert_int_equal(hold(k, "q-1", 500), CV_OK);
	assert_int_equal(hold(k, "q-1", 500), CV_OK);
	assert_int_equal(held(k).messages, 1);
}

static void
test_quarantine__loses_its_oldest_past_the_limits_and_counts_them(void **state)
{
	struct kit *k = *state;
	struct cv_quarantine_limits limits = {.max_messages = 3};
	uint32_t dropped;
	char id[16];
	cv_quarantine_limit(k->s, &limits);
	for (int i = 0; i < 8; i++) {
		snprintf(id, sizeof(id), "q-%d", i);
		assert_int_equal(hold(k, id, 1000), CV_OK);
		assert_true(held(k).messages <= 3);
	}
	struct cv_mbox *m;
	const struct cv_view *v;
	OK(cv_quarantine_open(k->a, &m, &k->err));
	OK(cv_mbox_view(m, &v, &k->err));
	assert_int_equal(v->exists, 3);
	assert_int_equal(cv_view_seq(v, 1)->uid, 6);
	cv_view_unref(v);
	OK(cv_quarantine_dropped(k->a, false, &dropped, &k->err));
	assert_int_equal(dropped, 5);
	limits = (struct cv_quarantine_limits){.max_bytes = 2500};
	cv_quarantine_limit(k->s, &limits);
	assert_int_equal(hold(k, "q-8", 1000), CV_OK); /* four of a thousand: two go */
	assert_int_equal(held(k).messages, 2);
	OK(cv_quarantine_dropped(k->a, true, &dropped, &k->err));
	assert_int_equal(dropped, 7);
	OK(cv_quarantine_dropped(k->a, false, &dropped, &k->err));
	assert_int_equal(dropped, 0);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_quarantine__goes_with_time_and_cannot_be_restored(void **state)
{
	struct kit *k = *state;
	struct cv_restore_options o = {0};
	struct cv_restore_report report;
	assert_int_equal(hold(k, "q-1", 1000), CV_OK);
	OK(cv_store_reap(k->s, cv_wall_secs() + 29 * 86400, &k->err));
	assert_int_equal(held(k).messages, 1);
	OK(cv_store_reap(k->s, cv_wall_secs() + 31 * 86400, &k->err));
	assert_int_equal(held(k).messages, 0);
	OK(cv_acct_restore(k->a, &o, &report, &k->t, &k->err));
	assert_int_equal(report.messages, 0);
	o.to = CV_STR("INBOX");
	OK(cv_acct_restore(k->a, &o, &report, &k->t, &k->err));
	assert_int_equal(report.messages, 0);
	kit_check_sound(k);
	OK(cv_store_reap(k->s, cv_wall_secs() + 60 * 86400, &k->err));
	kit_check_sound(k);
}

static unsigned calls;
static void
on_feed(struct cv_feed_watch *w)
{
	(void)w;
	calls++;
}

static void
test_quarantine__is_told_to_no_watcher(void **state)
{
	struct kit *k = *state;
	struct cv_feed_watch w = {.fn = on_feed, .wants = CV_FEED_ALL};
	uint64_t place;
	calls = 0;
	cv_feed_watch(k->a, &w, &place);
	assert_int_equal(hold(k, "q-1", 1000), CV_OK);
	assert_int_equal(calls, 0);
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	assert_int_equal(kit_append(k, m, 1), 1);
	assert_int_not_equal(calls, 0);
	cv_feed_unwatch(k->a, &w);
	cv_mbox_close(m);
}

static void
test_deliver__to_a_use_nobody_knows_is_the_inbox(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	struct cv_deliver_rcpt rcpt = {.acct = KIT_USER(1), .folder = CV_STR("\\Nonsense")};
	char *text = kit_text(1);
	OK(cv_mbox_create(k->a, CV_STR("A trước INBOX"), CV_USE_NONE, NULL, &k->t, &k->err));
	OK(cv_deliverer_local(k->s, &d, &k->err));
	kit_deliver(d, "n-1", text, &rcpt, 1);
	assert_int_equal(rcpt.result, CV_OK);
	assert_int_equal(kit_info(k, "INBOX").exists, 1);
	cv_deliverer_free(d);
	free(text);
}

static void
test_deliver__makes_another_junk_folder_for_who_has_none(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	struct cv_deliver_rcpt rcpt = {.acct = KIT_USER(1), .folder = CV_STR("\\Junk")};
	char *text = kit_text(1);
	OK(cv_mbox_delete(k->a, CV_STR("Thư rác"), &k->t, &k->err));
	OK(cv_deliverer_local(k->s, &d, &k->err));
	kit_deliver(d, "j-1", text, &rcpt, 1);
	kit_deliver(d, "j-2", text, &rcpt, 1);
	assert_int_equal(rcpt.result, CV_OK);
	struct cv_mbox_info junk = kit_info(k, "Thư rác");
	assert_true(junk.exists == 2 && junk.use == CV_USE_JUNK);
	assert_int_equal(kit_info(k, "INBOX").exists, 0);
	kit_check_sound(k);
	cv_deliverer_free(d);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_quarantine__is_in_no_list_and_under_no_name),
		TEST(test_quarantine__takes_mail_over_the_quota_and_is_no_part_of_it),
		TEST(test_quarantine__takes_a_delivery_once),
		TEST(test_quarantine__loses_its_oldest_past_the_limits_and_counts_them),
		TEST(test_quarantine__goes_with_time_and_cannot_be_restored),
		TEST(test_quarantine__is_told_to_no_watcher),
		TEST(test_deliver__to_a_use_nobody_knows_is_the_inbox),
		TEST(test_deliver__makes_another_junk_folder_for_who_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
