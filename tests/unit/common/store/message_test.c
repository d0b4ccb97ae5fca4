/* message_test.c - append, flags, expunge, copy, move, reading: what a session sees of messages. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include "common/text/summary.h"

static const struct cv_view *
view_of(struct kit *k, struct cv_mbox *m)
{
	const struct cv_view *v;
	OK(cv_mbox_view(m, &v, &k->err));
	return v;
}

static void
test_append__gives_the_message_uid_size_summary_and_body(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "inbox");
	assert_int_equal(kit_append_flags(k, m, 1, CV_FLAG_SEEN), 1);
	assert_int_equal(kit_append(k, m, 2), 2);
	const struct cv_view *v = view_of(k, m);
	assert_int_equal(v->exists, 2);
	assert_int_equal(v->uidnext, 3);
	assert_int_equal(cv_view_seq(v, 1)->flags, CV_FLAG_SEEN);
	assert_null(cv_view_seq(v, 3));
	assert_null(cv_view_uid(v, 3));
	assert_int_equal(cv_view_seq_at(v, 3), 3);
	cv_view_unref(v);
	struct cv_mbox_info info = kit_info(k, "INBOX");
	assert_int_equal(info.exists, 2);
	assert_int_equal(info.unseen, 1);
	assert_int_equal(info.recent, 2);
	cv_mbox_close(m);
}

struct seen {
	struct kit *k;
	uint32_t uids[3000];
	size_t count, summaries;
	struct cv_blob_ref body;
	uint64_t size_bytes;
	uint8_t thread_id[16];
};

static bool
see(void *arg, const struct cv_msg *msg)
{
	struct seen *s = arg;
	s->uids[s->count++] = msg->uid;
	struct cv_summary summary;
	if (msg->summary.p && !cv_summary_decode(msg->summary, &summary) && summary.envelope.n)
		s->summaries++;
	s->body = msg->body;
	s->size_bytes = msg->size_bytes;
	memcpy(s->thread_id, msg->thread_id, sizeof s->thread_id);
	return s->count < CV_COUNT(s->uids);
}

static enum cv_status
collect(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_buf_str(arg, bytes);
	return CV_OK;
}

static void
test_msg_each__serves_rows_and_summaries_in_order(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	uint32_t uids[300];
	for (int i = 0; i < 300; i++)
		uids[i] = kit_append(k, m, i + 1);
	static struct seen s;
	memset(&s, 0, sizeof s);
	OK(cv_msg_each(m, uids, 300, true, see, &s, &k->err));
	assert_int_equal(s.count, 300);
	assert_int_equal(s.summaries, 300);
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(s.uids[i], i + 1);
	uint32_t scattered[] = {1, 100, 250, 900};
	memset(&s, 0, sizeof s);
	OK(cv_msg_each(m, scattered, 4, true, see, &s, &k->err));
	assert_int_equal(s.count, 3);
	assert_int_equal(s.summaries, 3);
	struct cv_buf body = CV_BUF_INIT(1u << 20);
	OK(cv_msg_read(m, &s.body, 0, UINT64_MAX, collect, &body, &k->err));
	char *want = kit_text(250);
	assert_true(cv_str_eq_z(cv_buf_view(&body), want));
	assert_true(body.n == s.size_bytes);
	free(want);
	cv_buf_done(&body);
	cv_mbox_close(m);
}

static void
test_deliver__stores_once_and_reaches_every_account(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	OK(cv_deliverer_local(k->s, &d, &k->err));
	struct cv_deliver_rcpt rcpts[50];
	for (uint64_t i = 0; i < 50; i++) {
		struct cv_acct *a;
		OK(cv_acct_open(k->s, KIT_USER(i + 1), true, &a, &k->t, &k->err));
		cv_acct_close(a);
		rcpts[i] = (struct cv_deliver_rcpt){.acct = KIT_USER(50 - i), .result = CV_AGAIN};
	}
	char *text = kit_text(7);
	kit_deliver(d, "msg-1", text, rcpts, 50);
	for (size_t i = 0; i < 50; i++) {
		assert_int_equal(rcpts[i].result, CV_OK);
		assert_false(rcpts[i].duplicate);
	}
	kit_deliver(d, "msg-1", text, rcpts, 50);
	for (size_t i = 0; i < 50; i++) {
		assert_int_equal(rcpts[i].result, CV_OK);
		assert_true(rcpts[i].duplicate);
	}
	free(text);
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	const struct cv_view *v = view_of(k, m);
	assert_int_equal(v->exists, 1);
	cv_view_unref(v);
	static struct seen s;
	memset(&s, 0, sizeof s);
	uint32_t uid = 1;
	OK(cv_msg_each(m, &uid, 1, true, see, &s, &k->err));
	assert_int_equal(s.summaries, 1);
	cv_mbox_close(m);
	cv_deliverer_free(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_append__gives_the_message_uid_size_summary_and_body, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
			test_msg_each__serves_rows_and_summaries_in_order, kit_setup, kit_teardown),
		cmocka_unit_test_setup_teardown(
			test_deliver__stores_once_and_reaches_every_account, kit_setup, kit_teardown),
	};
	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
