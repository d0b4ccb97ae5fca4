/* restore_test.c - what was removed comes back within the restore window, once, and as it was. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include "common/store/restore.h"

struct seen {
	uint32_t uids[400], flags[400];
	int64_t until[400];
	size_t count, boxes, summaries;
	uint32_t only; /* choose this UID; 0: all */
	char mailbox[100];
};

static bool
see(void *arg, const struct cv_restorable *r)
{
	struct seen *s = arg;
	if (!r->msg) {
		s->boxes++;
		return true;
	}
	if (s->count < CV_COUNT(s->uids)) {
		s->uids[s->count] = r->msg->uid;
		s->flags[s->count] = r->flags;
		s->until[s->count] = r->until_secs;
	}
	s->count++;
	s->summaries += r->msg->summary.n > 0;
	snprintf(s->mailbox, sizeof s->mailbox, "%.*s", CV_STR_ARGS(r->mailbox));
	return !s->only || s->only == r->msg->uid;
}

static struct seen
list(struct kit *k)
{
	struct seen s = {0};
	struct cv_restore_options o = {
		.dry_run = true, .with_summary = true, .want = see, .arg = &s};
	struct cv_restore_report r;
	OK(cv_acct_restore(k->a, &o, &r, &k->t, &k->err));
	assert_int_equal(r.messages, s.count);
	return s;
}

static struct cv_restore_report
restore(struct kit *k, struct cv_restore_options o)
{
	struct cv_restore_report r;
	OK(cv_acct_restore(k->a, &o, &r, &k->t, &k->err));
	return r;
}

static size_t
expunge(struct kit *k, struct cv_mbox *m)
{
	size_t removed;
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	return removed;
}

struct one {
	struct cv_msg msg;
	bool has_summary;
};

static bool
take_one(void *arg, const struct cv_msg *msg)
{
	struct one *o = arg;
	o->msg = *msg;
	o->has_summary = msg->summary.n > 0;
	return true;
}

static struct one
message(struct kit *k, struct cv_mbox *m, uint32_t uid)
{
	struct one o = {0};
	OK(cv_msg_each(m, &uid, 1, true, take_one, &o, &k->err));
	return o;
}

static enum cv_status
count_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	*(size_t *)arg += bytes.n;
	return CV_OK;
}

static uint64_t
bodies(struct kit *k)
{
	struct cv_check_report r;
	OK(cv_store_check(k->s, false, true, kit_print_fault, NULL, &r, &k->err));
	return r.bodies;
}

/* ---- expunged messages ---- */

static void
test_restore__brings_back_what_was_expunged_as_it_was(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_str words[] = {CV_STR("$Forwarded"), CV_STR("khẩn"), CV_STR("Urgent")};
	kit_append_flags(k, m, 1, CV_FLAG_SEEN | CV_FLAG_FLAGGED);
	kit_append_flags(k, m, 2, 0);
	kit_append_flags(k, m, 3, CV_FLAG_ANSWERED);
	struct cv_flag_change change = {.flags = CV_FLAG_DELETED, .keywords = words,
		.keyword_count = 1};
	uint32_t uids[] = {1, 3}, failed[2];
	size_t failed_count;
	uint64_t modseq;
	OK(cv_mbox_store(m, uids, 2, CV_STORE_ADD, &change, UINT64_MAX, failed, &failed_count,
		&modseq, &k->t, &k->err));
	struct one before = message(k, m, 1);
	assert_int_equal(expunge(k, m), 2);
	struct cv_mbox_info gone = kit_info(k, "INBOX");

	struct seen s = list(k);
	assert_int_equal(s.count, 2);
	assert_true(s.uids[0] == 1 && s.uids[1] == 3 && s.summaries == 2);
	assert_int_equal(s.flags[0], CV_FLAG_SEEN | CV_FLAG_FLAGGED | CV_FLAG_DELETED);
	assert_true(s.until[0] >= cv_wall_secs() + 14 * 86400 - 5);
	assert_int_equal(kit_info(k, "INBOX").exists, 1); /* looking changes nothing */

	struct cv_restore_report r = restore(k, (struct cv_restore_options){0});
	assert_true(r.messages == 2 && r.size_bytes > 200 && !r.mailboxes && !r.without_row);
	struct cv_mbox_info back = kit_info(k, "INBOX");
	assert_true(back.exists == 3 && back.deleted == 0 && back.uidnext == gone.uidnext + 2);
	assert_true(back.uidvalidity == gone.uidvalidity &&
		    back.highest_modseq > gone.highest_modseq);
	const struct cv_view *v;
	OK(cv_mbox_view(m, &v, &k->err));
	const struct cv_entry *e = cv_view_uid(v, 4);
	assert_int_equal(e->flags, CV_FLAG_SEEN | CV_FLAG_FLAGGED);
	assert_int_equal(e->keywords, 1);
	assert_string_equal(v->keywords->names[0], "$Forwarded");
	assert_int_equal(cv_view_uid(v, 5)->flags, CV_FLAG_ANSWERED);
	cv_view_unref(v);
	struct one after = message(k, m, 4);
	assert_true(after.has_summary && after.msg.size_bytes == before.msg.size_bytes);
	assert_int_equal(after.msg.internal_secs, before.msg.internal_secs);
	assert_int_equal(after.msg.internal_zone, 420);
	assert_memory_equal(after.msg.email_id, before.msg.email_id, 16);
	assert_memory_equal(after.msg.thread_id, before.msg.thread_id, 16);
	size_t bytes = 0;
	OK(cv_msg_read(m, &after.msg.body, 0, UINT64_MAX, count_bytes, &bytes, &k->err));
	assert_int_equal(bytes, after.msg.size_bytes);
	kit_check_sound(k);

	assert_int_equal(list(k).count, 0); /* once is enough */
	assert_int_equal(restore(k, (struct cv_restore_options){0}).messages, 0);
	assert_int_equal(kit_info(k, "INBOX").exists, 3);
	/* The reaper leaves what came back alone, and its summary. */
	OK(cv_store_reap(k->s, cv_wall_secs() + 15 * 86400, &k->err));
	assert_int_equal(bodies(k), 3);
	assert_true(message(k, m, 4).has_summary);
	cv_mbox_close(m);
}

static void
test_restore__chooses_by_mailbox_time_and_message(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *trash = kit_mbox(k, "Thùng rác");
	for (int i = 1; i <= 4; i++)
		kit_append_flags(k, i == 4 ? trash : m, i, CV_FLAG_DELETED);
	expunge(k, m);
	expunge(k, trash);
	int64_t now = cv_wall_secs();
	struct seen s = {.only = 2};
	struct cv_restore_options o = {.before_secs = now - 60};
	assert_int_equal(restore(k, o).messages, 0);
	o = (struct cv_restore_options){.since_secs = now + 60};
	assert_int_equal(restore(k, o).messages, 0);
	o = (struct cv_restore_options){.mailbox = CV_STR("Thùng rác"), .dry_run = true};
	assert_int_equal(restore(k, o).messages, 1);
	o = (struct cv_restore_options){.mailbox = CV_STR("inbox"), .want = see, .arg = &s,
		.to = CV_STR("Khôi phục/2026"), .since_secs = now - 60, .before_secs = now + 60};
	struct cv_restore_report r = restore(k, o);
	assert_true(r.messages == 1 && r.mailboxes == 1);
	assert_int_equal(kit_info(k, "Khôi phục/2026").exists, 1);
	assert_int_equal(kit_info(k, "INBOX").exists, 0);
	s = list(k);
	assert_true(s.count == 3 && s.uids[0] == 1 && s.uids[1] == 3);
	/* A mailbox that got another name gets its messages there. */
	OK(cv_mbox_create(k->a, CV_STR("cũ"), CV_USE_NONE, NULL, &k->t, &k->err));
	struct cv_mbox *old = kit_mbox(k, "cũ");
	kit_append_flags(k, old, 9, CV_FLAG_DELETED);
	expunge(k, old);
	OK(cv_mbox_rename(k->a, CV_STR("cũ"), CV_STR("mới"), &k->t, &k->err));
	o = (struct cv_restore_options){.mailbox = CV_STR("mới")};
	assert_int_equal(restore(k, o).messages, 1);
	assert_int_equal(kit_info(k, "mới").exists, 1);
	kit_check_sound(k);
	cv_mbox_close(m);
	cv_mbox_close(trash);
	cv_mbox_close(old);
}

static void
test_restore__leaves_moved_messages_where_they_went(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *trash = kit_mbox(k, "Thùng rác");
	uint32_t uid = kit_append(k, m, 1), from, to;
	size_t done;
	OK(cv_mbox_copy(m, &uid, 1, trash, true, &from, &to, &done, &k->t, &k->err));
	assert_int_equal(list(k).count, 0);
	OK(cv_mbox_remove(trash, &to, 1, &done, &k->t, &k->err)); /* what POP3 deletes is kept */
	assert_int_equal(list(k).count, 1);
	assert_int_equal(restore(k, (struct cv_restore_options){0}).messages, 1);
	assert_int_equal(kit_info(k, "Thùng rác").exists, 1);
	kit_check_sound(k);
	cv_mbox_close(m);
	cv_mbox_close(trash);
}

static void
test_restore__brings_back_thousands_in_batches(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	enum { N = 1300 };
	struct cv_append items[100];
	struct cv_spool spool;
	char *text = kit_text(1);
	for (int round = 0; round < N / 100; round++) {
		kit_spool(&spool, text);
		for (size_t i = 0; i < CV_COUNT(items); i++)
			items[i] = (struct cv_append){.message = &spool,
				.flags = {.flags = i % 3 ? CV_FLAG_SEEN : 0}};
		OK(cv_mbox_append(m, items, CV_COUNT(items), &k->t, &k->err));
		cv_spool_done(&spool);
	}
	free(text);
	uint32_t *uids = cv_calloc(N, sizeof *uids);
	for (uint32_t i = 0; i < N; i++)
		uids[i] = i + 1;
	size_t removed;
	uint32_t unseen = kit_info(k, "INBOX").unseen;
	OK(cv_mbox_remove(m, uids, N, &removed, &k->t, &k->err));
	assert_int_equal(removed, N);
	struct seen s = {.only = 700}; /* one out of the middle of a list */
	struct cv_restore_options o = {.want = see, .arg = &s};
	assert_int_equal(restore(k, o).messages, 1);
	assert_int_equal(restore(k, (struct cv_restore_options){0}).messages, N - 1);
	assert_int_equal(kit_info(k, "INBOX").exists, N);
	assert_int_equal(kit_info(k, "INBOX").unseen, unseen);
	assert_int_equal(list(k).count, 0);
	kit_check_sound(k);
	free(uids);
	cv_mbox_close(m);
}

static void
test_restore__is_refused_whole_when_the_quota_is_short(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_restore_options o = {0};
	struct cv_restore_report r;
	for (int i = 1; i <= 3; i++)
		kit_append_flags(k, m, i, i < 3 ? CV_FLAG_DELETED : 0);
	struct cv_quota q;
	cv_acct_quota(k->a, &q);
	uint64_t one = q.used_bytes / 3;
	expunge(k, m);
	OK(cv_acct_set_quota(k->a, 2 * one + one / 2, &k->t, &k->err));
	assert_int_equal(cv_acct_restore(k->a, &o, &r, &k->t, &k->err), CV_OVERQUOTA);
	assert_non_null(strstr(k->err.text, "2 messages of"));
	assert_true(r.messages == 0 && kit_info(k, "INBOX").exists == 1);
	OK(cv_acct_set_quota(k->a, 3 * one + 3, &k->t, &k->err));
	assert_int_equal(restore(k, o).messages, 2);
	kit_check_sound(k);
	cv_mbox_close(m);
}

/* ---- deleted mailboxes ---- */

static void
test_restore__brings_back_deleted_mailboxes_with_their_messages(void **state)
{
	struct kit *k = *state;
	struct cv_str word = CV_STR("Important");
	OK(cv_mbox_create(k->a, CV_STR("Dự án/Cầu"), CV_USE_NONE, NULL, &k->t, &k->err));
	OK(cv_mbox_create(k->a, CV_STR("Trống"), CV_USE_NONE, NULL, &k->t, &k->err));
	struct cv_mbox *m = kit_mbox(k, "Dự án/Cầu");
	for (int i = 1; i <= 300; i++)
		kit_append_flags(k, m, i, i % 10 ? CV_FLAG_SEEN : 0);
	struct cv_flag_change change = {.keywords = &word, .keyword_count = 1};
	uint32_t uid = 7, first = 1, failed[1];
	size_t failed_count, removed;
	uint64_t modseq;
	OK(cv_mbox_store(m, &uid, 1, CV_STORE_ADD, &change, UINT64_MAX, failed, &failed_count,
		&modseq, &k->t, &k->err));
	OK(cv_mbox_remove(m, &first, 1, &removed, &k->t, &k->err)); /* gone before the mailbox */
	uint64_t id = cv_mbox_id(m);
	cv_mbox_close(m);
	OK(cv_mbox_delete(k->a, CV_STR("Dự án/Cầu"), &k->t, &k->err));
	OK(cv_mbox_delete(k->a, CV_STR("Trống"), &k->t, &k->err));
	kit_close(k); /* nothing of it is in memory */
	kit_open(k);
	struct seen s = list(k);
	assert_true(s.count == 300 && s.boxes == 1);

	struct seen some = {.only = 200};
	struct cv_restore_options o = {.want = see, .arg = &some, .to = CV_STR("INBOX")};
	struct cv_restore_report r = restore(k, o);
	assert_int_equal(r.messages, 1);
	s = list(k);
	assert_true(s.count == 299 && s.boxes == 1); /* an empty one keeps its name */
	r = restore(k, (struct cv_restore_options){0});
	assert_int_equal(r.messages, 299);
	assert_int_equal(r.mailboxes, 2);
	assert_int_equal(kit_info(k, "Trống").exists, 0);
	struct cv_mbox_info info = kit_info(k, "Dự án/Cầu");
	assert_true(info.exists == 299 && info.unseen == 29 && info.id != id);
	m = kit_mbox(k, "Dự án/Cầu");
	const struct cv_view *v;
	OK(cv_mbox_view(m, &v, &k->err));
	unsigned marked = 0;
	for (uint32_t i = 1; i <= v->exists; i++)
		marked += cv_view_seq(v, i)->keywords != 0;
	assert_int_equal(marked, 1);
	assert_string_equal(v->keywords->names[0], "Important");
	cv_view_unref(v);
	assert_int_equal(list(k).count + list(k).boxes, 0);
	kit_check_sound(k);
	OK(cv_store_reap(k->s, cv_wall_secs() + 15 * 86400, &k->err));
	assert_int_equal(bodies(k), 300);
	kit_check_sound(k);
	cv_mbox_close(m);
}

/* ---- the end of the window ---- */

static void
test_restore__ends_with_the_window_and_so_do_shared_bodies(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	struct cv_acct *b;
	struct cv_deliver_rcpt rcpts[2] = {{.acct = KIT_USER(1)}, {.acct = KIT_USER(2)}};
	char *text = kit_text(1);
	size_t removed;
	OK(cv_acct_open(k->s, KIT_USER(2), true, &b, &k->t, &k->err));
	OK(cv_deliverer_local(k->s, &d, &k->err));
	kit_deliver(d, "shared-1", text, rcpts, 2);
	assert_int_equal(bodies(k), 1);
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *other;
	OK(cv_mbox_open(b, CV_STR("INBOX"), &other, &k->err));
	uint32_t uid = 1;
	OK(cv_mbox_remove(m, &uid, 1, &removed, &k->t, &k->err));
	int64_t now = cv_wall_secs();
	cv_clock_shift(10 * 86400); /* the other one ten days later */
	OK(cv_mbox_remove(other, &uid, 1, &removed, &k->t, &k->err));
	cv_clock_shift(-10 * 86400);
	OK(cv_store_reap(k->s, now + 13 * 86400, &k->err));
	assert_true(list(k).count == 1 && bodies(k) == 1);
	OK(cv_store_reap(k->s, now + 15 * 86400, &k->err));
	assert_int_equal(list(k).count, 0); /* its time is over */
	assert_int_equal(bodies(k), 1);     /* not that of the other account */
	k->a = (cv_acct_close(k->a), b);
	assert_int_equal(list(k).count, 1);
	cv_clock_shift(25 * 86400); /* over, though no reaper came by yet */
	assert_int_equal(list(k).count, 0);
	assert_int_equal(restore(k, (struct cv_restore_options){0}).messages, 0);
	cv_clock_shift(-25 * 86400);
	OK(cv_store_reap(k->s, now + 25 * 86400, &k->err));
	assert_int_equal(bodies(k), 0);
	kit_check_sound(k);
	free(text);
	cv_deliverer_free(d);
	cv_mbox_close(m);
	cv_mbox_close(other);
}

static void
test_restore__keeps_a_shared_body_for_who_restored_it(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *trash = kit_mbox(k, "Thùng rác");
	uint32_t uid = kit_append(k, m, 1), from, to;
	size_t done;
	OK(cv_mbox_copy(m, &uid, 1, trash, false, &from, &to, &done, &k->t, &k->err));
	OK(cv_mbox_remove(m, &uid, 1, &done, &k->t, &k->err));
	OK(cv_mbox_remove(trash, &to, 1, &done, &k->t, &k->err));
	struct cv_restore_options o = {.mailbox = CV_STR("Thùng rác")};
	assert_int_equal(restore(k, o).messages, 1);
	OK(cv_store_reap(k->s, cv_wall_secs() + 15 * 86400, &k->err));
	assert_int_equal(bodies(k), 1);
	assert_true(message(k, trash, 2).has_summary); /* which was the first one's */
	kit_check_sound(k);
	OK(cv_mbox_remove(trash, (uint32_t[]){2}, 1, &done, &k->t, &k->err));
	OK(cv_store_reap(k->s, cv_wall_secs() + 15 * 86400, &k->err));
	assert_int_equal(bodies(k), 0);
	kit_check_sound(k);
	cv_mbox_close(m);
	cv_mbox_close(trash);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_restore__brings_back_what_was_expunged_as_it_was),
		TEST(test_restore__chooses_by_mailbox_time_and_message),
		TEST(test_restore__leaves_moved_messages_where_they_went),
		TEST(test_restore__brings_back_thousands_in_batches),
		TEST(test_restore__is_refused_whole_when_the_quota_is_short),
		TEST(test_restore__brings_back_deleted_mailboxes_with_their_messages),
		TEST(test_restore__ends_with_the_window_and_so_do_shared_bodies),
		TEST(test_restore__keeps_a_shared_body_for_who_restored_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
