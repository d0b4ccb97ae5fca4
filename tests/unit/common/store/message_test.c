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

static void
test_store__sets_adds_removes_and_skips_what_is_set(void **state)
{
	struct kit *k = *state;
	enum { SEEN = CV_FLAG_SEEN, DRAFT = CV_FLAG_DRAFT, FLAGGED = CV_FLAG_FLAGGED };
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	kit_append_flags(k, m, 1, CV_FLAG_DRAFT);
	static const struct {
		const char *name;
		enum cv_store_op op;
		uint32_t flags, want;
		bool changes;
	} rows[] = {
		{"add",              CV_STORE_ADD,    SEEN,     SEEN | DRAFT, true },
		{"add again",        CV_STORE_ADD,    SEEN,     SEEN | DRAFT, false},
		{"remove",           CV_STORE_REMOVE, DRAFT,    SEEN,         true },
		{"remove again",     CV_STORE_REMOVE, DRAFT,    SEEN,         false},
		{"set",              CV_STORE_SET,    FLAGGED,  FLAGGED,      true },
		{"set again",        CV_STORE_SET,    FLAGGED,  FLAGGED,      false},
		{"set unknown bits", CV_STORE_SET,    1u << 20, 0,            true },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_flag_change change = {.flags = rows[i].flags};
		uint32_t uids[] = {1, 77}, failed[2];
		size_t failed_count;
		uint64_t modseq, before = kit_info(k, "INBOX").highest_modseq;
		OK(cv_mbox_store(m, uids, 2, rows[i].op, &change, UINT64_MAX, failed, &failed_count,
			&modseq, &k->t, &k->err));
		const struct cv_view *v = view_of(k, m);
		CHECK(rows[i].name, cv_view_uid(v, 1)->flags == rows[i].want);
		CHECK(rows[i].name, (modseq != 0) == rows[i].changes);
		CHECK(rows[i].name,
			!modseq || (modseq > before && cv_view_uid(v, 1)->modseq == modseq &&
					   v->highest_modseq == modseq));
		cv_view_unref(v);
	}
	CHECK_END();
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_store__leaves_alone_what_changed_since(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 3; i++)
		kit_append(k, m, i);
	uint64_t then = kit_info(k, "INBOX").highest_modseq;
	OK(kit_store(k, m, 2, CV_STORE_ADD, CV_FLAG_FLAGGED));
	struct cv_flag_change change = {.flags = CV_FLAG_SEEN};
	uint32_t uids[] = {1, 2, 3}, failed[3];
	size_t failed_count;
	uint64_t modseq;
	OK(cv_mbox_store(m, uids, 3, CV_STORE_ADD, &change, then, failed, &failed_count, &modseq,
		&k->t, &k->err));
	assert_int_equal(failed_count, 1);
	assert_int_equal(failed[0], 2);
	const struct cv_view *v = view_of(k, m);
	assert_int_equal(cv_view_uid(v, 1)->flags, CV_FLAG_SEEN);
	assert_int_equal(cv_view_uid(v, 2)->flags, CV_FLAG_FLAGGED);
	cv_view_unref(v);
	cv_mbox_close(m);
}

static enum cv_status
store_keyword(struct kit *k, struct cv_mbox *m, uint32_t uid, enum cv_store_op op, const char *name)
{
	struct cv_str word = cv_str_z(name);
	struct cv_flag_change change = {.keywords = &word, .keyword_count = 1};
	uint32_t failed[1];
	size_t failed_count;
	uint64_t modseq;
	return cv_mbox_store(m, &uid, 1, op, &change, UINT64_MAX, failed, &failed_count, &modseq,
		&k->t, &k->err);
}

static void
test_keywords__are_64_names_without_case(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	kit_append(k, m, 1);
	for (int i = 0; i < CV_KEYWORDS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof name, "Key%d", i);
		OK(store_keyword(k, m, 1, CV_STORE_ADD, name));
	}
	assert_int_equal(store_keyword(k, m, 1, CV_STORE_ADD, "One-more"), CV_LIMIT);
	assert_int_equal(store_keyword(k, m, 1, CV_STORE_ADD, "bad word"), CV_INVALID);
	assert_int_equal(store_keyword(k, m, 1, CV_STORE_ADD, "\\Seen"), CV_INVALID);
	OK(store_keyword(k, m, 1, CV_STORE_REMOVE, "never-seen"));
	OK(store_keyword(k, m, 1, CV_STORE_REMOVE, "kEY63"));
	cv_mbox_close(m);
	kit_close(k);
	kit_open(k);
	m = kit_mbox(k, "INBOX");
	const struct cv_view *v = view_of(k, m);
	assert_int_equal(v->keywords->count, CV_KEYWORDS_MAX);
	assert_string_equal(v->keywords->names[63], "Key63");
	assert_true(cv_view_uid(v, 1)->keywords == UINT64_MAX >> 1);
	cv_view_unref(v);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_view__stays_as_it_was_and_shares_untouched_pages(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 300; i++)
		kit_append(k, m, i);
	const struct cv_view *old = view_of(k, m);
	assert_int_equal(old->pages_count, 3);
	OK(kit_store(k, m, 200, CV_STORE_ADD, CV_FLAG_DELETED));
	size_t removed;
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	assert_int_equal(removed, 1);
	const struct cv_view *now = view_of(k, m);
	assert_int_equal(old->exists, 300);
	assert_int_equal(now->exists, 299);
	assert_non_null(cv_view_uid(old, 200));
	assert_null(cv_view_uid(now, 200));
	assert_ptr_equal(old->pages[0].page, now->pages[0].page);
	assert_ptr_not_equal(old->pages[1].page, now->pages[1].page);
	assert_ptr_equal(old->pages[2].page, now->pages[2].page);
	assert_int_equal(now->pages[2].first_seq, old->pages[2].first_seq - 1);
	for (uint32_t seq = 1; seq <= now->exists; seq++)
		assert_int_equal(cv_view_seq(now, seq)->uid, seq < 200 ? seq : seq + 1);
	assert_int_equal(cv_view_seq_at(now, 200), 200);
	cv_view_unref(old);
	cv_view_unref(now);
	cv_mbox_close(m);
}

struct counting {
	struct cv_watch watch;
	int calls;
};

static void
count_call(struct cv_watch *w)
{
	CV_CONTAINER(w, struct counting, watch)->calls++;
}

static void
test_watch__is_called_after_each_change_until_taken_off(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct counting c = {.watch.fn = count_call};
	kit_append(k, m, 1);
	cv_mbox_watch(m, &c.watch);
	kit_append(k, m, 2);
	assert_int_equal(c.calls, 1);
	OK(kit_store(k, m, 1, CV_STORE_ADD, CV_FLAG_SEEN));
	OK(kit_store(k, m, 1, CV_STORE_ADD, CV_FLAG_SEEN)); /* changes nothing */
	assert_int_equal(c.calls, 2);
	cv_mbox_unwatch(m, &c.watch);
	kit_append(k, m, 3);
	assert_int_equal(c.calls, 2);
	cv_mbox_close(m);
}

static void
test_remove__takes_what_is_asked_for_marked_or_not(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 6; i++)
		kit_append_flags(k, m, i, i % 2 ? CV_FLAG_DELETED : 0);
	uint64_t then = kit_info(k, "INBOX").highest_modseq;
	static const uint32_t asked[] = {1, 2, 4, 99}, want[] = {1, 2, 4};
	uint32_t *gone;
	size_t removed, gone_count;
	OK(cv_mbox_remove(m, NULL, 0, &removed, &k->t, &k->err));
	assert_int_equal(removed, 0);
	OK(cv_mbox_remove(m, asked, 4, &removed, &k->t, &k->err));
	assert_int_equal(removed, 3);
	OK(cv_mbox_vanished(m, then, &k->arena, &gone, &gone_count, &k->err));
	assert_int_equal(gone_count, 3);
	assert_memory_equal(gone, want, sizeof want);
	OK(cv_mbox_remove(m, asked, 4, &removed, &k->t, &k->err));
	assert_int_equal(removed, 0);
	assert_int_equal(kit_info(k, "INBOX").exists, 3);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_expunge__takes_only_what_is_marked_and_asked_for(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 10; i++)
		kit_append_flags(k, m, i, i % 2 ? CV_FLAG_DELETED : 0);
	uint64_t then = kit_info(k, "INBOX").highest_modseq;
	uint32_t asked[] = {1, 2, 3, 99}, *gone;
	size_t removed, gone_count;
	OK(cv_mbox_expunge(m, asked, 4, &removed, &k->t, &k->err));
	assert_int_equal(removed, 2);
	uint64_t between = kit_info(k, "INBOX").highest_modseq;
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	assert_int_equal(removed, 3);
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	assert_int_equal(removed, 0);
	OK(cv_mbox_vanished(m, then, &k->arena, &gone, &gone_count, &k->err));
	static const uint32_t want[] = {1, 3, 5, 7, 9};
	assert_int_equal(gone_count, 5);
	assert_memory_equal(gone, want, sizeof want);
	OK(cv_mbox_vanished(m, between, &k->arena, &gone, &gone_count, &k->err));
	assert_int_equal(gone_count, 3);
	OK(cv_mbox_vanished(m, UINT64_MAX, &k->arena, &gone, &gone_count, &k->err));
	assert_int_equal(gone_count, 0);
	m->row.vanished_floor = then + 1; /* as the reaper leaves it after trimming */
	assert_int_equal(
		cv_mbox_vanished(m, then, &k->arena, &gone, &gone_count, &k->err), CV_NOT_FOUND);
	struct cv_mbox_info info = kit_info(k, "INBOX");
	assert_int_equal(info.exists, 5);
	assert_int_equal(info.deleted, 0);
	assert_int_equal(kit_append(k, m, 11), 11); /* UIDs never come back */
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_copy__and_move_keep_flags_keywords_and_dates(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *dst;
	OK(cv_mbox_create(k->a, CV_STR("dst"), CV_USE_NONE, NULL, &k->t, &k->err));
	dst = kit_mbox(k, "dst");
	for (int i = 1; i <= 5; i++)
		kit_append_flags(k, m, i, CV_FLAG_FLAGGED);
	OK(store_keyword(k, m, 2, CV_STORE_ADD, "first"));
	OK(store_keyword(k, m, 2, CV_STORE_ADD, "second"));
	OK(store_keyword(k, m, 3, CV_STORE_ADD, "second"));
	uint32_t uids[] = {2, 3, 8}, from[3], to[3];
	size_t done;
	OK(cv_mbox_copy(m, uids, 3, dst, false, from, to, &done, &k->t, &k->err));
	assert_int_equal(done, 2);
	assert_int_equal(from[1], 3);
	assert_int_equal(to[1], 2);
	OK(cv_mbox_copy(m, uids, 3, dst, true, from, to, &done, &k->t, &k->err));
	assert_int_equal(done, 2);
	assert_int_equal(to[0], 3);
	assert_int_equal(kit_info(k, "INBOX").exists, 3);
	assert_int_equal(kit_info(k, "dst").exists, 4);
	const struct cv_view *v = view_of(k, dst);
	assert_int_equal(v->keywords->count, 2);
	for (uint32_t uid = 1; uid <= 4; uid++) {
		const char *const *names = (const char *const *)v->keywords->names;
		uint64_t second = strcmp(names[0], "second") ? 2 : 1;
		assert_int_equal(cv_view_uid(v, uid)->flags, CV_FLAG_FLAGGED);
		assert_true(cv_view_uid(v, uid)->keywords == (uid % 2 ? 3 : second));
	}
	cv_view_unref(v);
	/* within one mailbox */
	uint32_t same[] = {1};
	OK(cv_mbox_copy(m, same, 1, m, true, from, to, &done, &k->t, &k->err));
	assert_int_equal(to[0], 6);
	OK(cv_mbox_copy(m, to, 1, m, false, from, to, &done, &k->t, &k->err));
	assert_int_equal(to[0], 7);
	static struct seen s;
	memset(&s, 0, sizeof s);
	uint32_t all[] = {1, 2, 3, 4};
	OK(cv_msg_each(dst, all, 4, true, see, &s, &k->err));
	assert_int_equal(s.count, 4);
	assert_int_equal(s.summaries, 4);
	cv_mbox_close(m);
	cv_mbox_close(dst);
	kit_check_sound(k);
	/* what was moved away goes after an hour, bodies and summaries of the copies stay */
	OK(cv_store_reap(k->s, cv_wall_secs() + 7200, &k->err));
	kit_check_sound(k);
	dst = kit_mbox(k, "dst");
	memset(&s, 0, sizeof s);
	OK(cv_msg_each(dst, all, 4, true, see, &s, &k->err));
	assert_int_equal(s.summaries, 4);
	cv_mbox_close(dst);
}

static void
test_copy__to_another_account_counts_its_bodies(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *dst;
	struct cv_acct *other;
	OK(cv_acct_open(k->s, KIT_USER(2), true, &other, &k->t, &k->err));
	OK(cv_mbox_open(other, CV_STR("INBOX"), &dst, &k->err));
	uint32_t uids[] = {1, 2}, from[2], to[2];
	size_t done;
	kit_append(k, m, 1);
	kit_append(k, m, 2);
	OK(cv_mbox_copy(m, uids, 2, dst, false, from, to, &done, &k->t, &k->err));
	kit_check_sound(k);
	OK(cv_mbox_copy(m, uids, 2, dst, true, from, to, &done, &k->t, &k->err));
	assert_int_equal(done, 2);
	kit_check_sound(k);
	static struct seen s;
	memset(&s, 0, sizeof s);
	uint32_t all[] = {1, 2, 3, 4};
	OK(cv_msg_each(dst, all, 4, true, see, &s, &k->err));
	assert_int_equal(s.summaries, 4);
	OK(cv_store_reap(k->s, cv_wall_secs() + 7200, &k->err));
	kit_check_sound(k);
	cv_mbox_close(dst);
	cv_acct_close(other);
	cv_mbox_close(m);
}

static void
test_copy__of_many_messages_is_one_act(void **state)
{
	struct kit *k = *state;
	enum { MANY = 9000 }; /* rows of more than one batch */
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *dst;
	OK(cv_mbox_create(k->a, CV_STR("dst"), CV_USE_NONE, NULL, &k->t, &k->err));
	dst = kit_mbox(k, "dst");
	kit_append(k, m, 1);
	uint32_t *uids = cv_calloc(3 * MANY, sizeof *uids);
	size_t done, have = 1;
	uids[0] = 1;
	for (; have < MANY; have += done) { /* doubles */
		OK(cv_mbox_copy(m, uids, CV_MIN(have, MANY - have), m, false, uids + MANY,
			uids + 2 * MANY, &done, &k->t, &k->err));
		memcpy(uids + have, uids + 2 * MANY, done * sizeof *uids);
		cv_ticket_block(
			cv_store_engine(k->s), k->t); /* as a client does, by waiting for OK */
	}
	OK(cv_mbox_copy(
		m, uids, MANY, dst, true, uids + MANY, uids + 2 * MANY, &done, &k->t, &k->err));
	assert_int_equal(done, MANY);
	assert_int_equal(kit_info(k, "INBOX").exists, 0);
	assert_int_equal(kit_info(k, "dst").exists, MANY);
	free(uids);
	cv_mbox_close(m);
	cv_mbox_close(dst);
	kit_check_sound(k);
	OK(cv_store_reap(k->s, cv_wall_secs() + 7200, &k->err));
	kit_check_sound(k);
}

static void
test_append__of_several_is_all_or_none(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_append items[40];
	struct cv_spool spools[40];
	struct cv_str bad = CV_STR("not a keyword");
	char *text = kit_text(1);
	for (size_t i = 0; i < 40; i++) {
		kit_spool(&spools[i], text);
		items[i] = (struct cv_append){.message = &spools[i]};
	}
	items[39].flags = (struct cv_flag_change){.keywords = &bad, .keyword_count = 1};
	assert_int_equal(cv_mbox_append(m, items, 40, &k->t, &k->err), CV_INVALID);
	assert_int_equal(kit_info(k, "INBOX").exists, 0);
	kit_check_sound(k);
	items[39].flags.keyword_count = 0;
	OK(cv_mbox_append(m, items, 40, &k->t, &k->err));
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(items[i].uid, i + 1);
		cv_spool_done(&spools[i]);
	}
	free(text);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_recent__goes_to_one_session(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	uint32_t first, next;
	kit_append(k, m, 1);
	kit_append(k, m, 2);
	OK(cv_mbox_claim_recent(m, &first, &next, &k->t, &k->err));
	assert_int_equal(first, 1);
	assert_int_equal(next, 3);
	OK(cv_mbox_claim_recent(m, &first, &next, &k->t, &k->err));
	assert_int_equal(first, 3);
	assert_int_equal(next, 3);
	kit_append(k, m, 3);
	assert_int_equal(kit_info(k, "INBOX").recent, 1);
	OK(cv_mbox_claim_recent(m, &first, &next, &k->t, &k->err));
	assert_int_equal(first, 3);
	assert_int_equal(next, 4);
	cv_mbox_close(m);
}

static void
test_reaper__takes_bodies_after_the_restore_window(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_check_report r;
	size_t removed;
	int64_t now = cv_wall_secs();
	for (int i = 1; i <= 4; i++)
		kit_append_flags(k, m, i, i % 2 ? CV_FLAG_DELETED : 0);
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	OK(cv_store_reap(k->s, now + 13 * 86400, &k->err));
	OK(cv_store_check(k->s, false, true, kit_print_fault, NULL, &r, &k->err));
	assert_int_equal(r.bodies, 4);
	OK(cv_store_reap(k->s, now + 15 * 86400, &k->err));
	OK(cv_store_check(k->s, false, true, kit_print_fault, NULL, &r, &k->err));
	assert_int_equal(r.bodies, 2);
	OK(cv_mbox_create(k->a, CV_STR("gone"), CV_USE_NONE, NULL, &k->t, &k->err));
	struct cv_mbox *gone = kit_mbox(k, "gone");
	kit_append(k, gone, 9);
	OK(cv_mbox_delete(k->a, CV_STR("gone"), &k->t, &k->err));
	cv_mbox_close(gone);
	kit_check_sound(k);
	OK(cv_store_reap(k->s, now + 15 * 86400, &k->err));
	OK(cv_store_check(k->s, false, true, kit_print_fault, NULL, &r, &k->err));
	assert_int_equal(r.bodies, 2);
	kit_check_sound(k);
	cv_mbox_close(m);
}

static void
test_compacting__gives_back_the_room_of_bodies_that_were_reaped(void **state)
{
	struct kit *k = *state;
	struct cv_store_options o = {.engine = {.dir = k->dir, .volume_bytes = 64u << 10}};
	struct cv_engine_stats before, after;
	uint64_t freed;
	size_t removed;
	kit_close(k);
	OK(cv_store_open(&o, &k->s, &k->err));
	OK(cv_acct_open(k->s, KIT_USER(1), false, &k->a, &k->t, &k->err));
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 1; i <= 400; i++)
		kit_append_flags(k, m, i, i % 4 ? CV_FLAG_DELETED : 0);
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	cv_mbox_close(m);
	OK(cv_store_compact(k->s, &freed, &k->err));
	assert_int_equal(freed, 0); /* all can be restored yet */
	OK(cv_store_reap(k->s, cv_wall_secs() + 15 * 86400, &k->err));
	cv_engine_stats(cv_store_engine(k->s), &before);
	OK(cv_store_compact(k->s, &freed, &k->err));
	assert_true(freed > before.blob_bytes / 4);
	kit_check_sound(k); /* opens every volume */
	cv_engine_stats(cv_store_engine(k->s), &after);
	assert_true(after.blob_bytes <= before.blob_bytes - freed);
}

static void
test_deliver__finds_folders_by_name_and_use(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	OK(cv_deliverer_local(k->s, &d, &k->err));
	static const struct {
		const char *folder, *lands_in;
	} rows[] = {
		{"",          "INBOX"      },
		{"\\Junk",    "Thư rác"  },
		{"\\Nothing", "INBOX"      },
		{"new/one",   "new/one"    },
		{"bad//name", "INBOX"      },
		{"inbox",     "INBOX"      },
		{"\\trash",   "Thùng rác"},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char id[32], *text = kit_text((int)i);
		struct cv_deliver_rcpt rcpt = {.acct = KIT_USER(1),
			.folder = cv_str_z(rows[i].folder),
			.flags = CV_FLAG_SEEN};
		snprintf(id, sizeof id, "folder-%zu", i);
		uint32_t before = 0;
		struct cv_mbox_info info;
		if (!cv_mbox_info(k->a, cv_str_z(rows[i].lands_in), &k->arena, &info, NULL))
			before = info.exists;
		kit_deliver(d, id, text, &rcpt, 1);
		free(text);
		CHECK(rows[i].folder, rcpt.result == CV_OK);
		CHECK(rows[i].folder, kit_info(k, rows[i].lands_in).exists == before + 1);
		CHECK(rows[i].folder, kit_info(k, rows[i].lands_in).unseen == 0);
	}
	CHECK_END();
	cv_deliverer_free(d);
	kit_check_sound(k);
}

static void
test_deliver__answers_each_recipient_for_itself(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	struct cv_acct *full;
	OK(cv_deliverer_local(k->s, &d, &k->err));
	OK(cv_acct_open(k->s, KIT_USER(2), true, &full, &k->t, &k->err));
	OK(cv_acct_set_quota(full, 10, &k->t, &k->err));
	cv_acct_close(full);
	struct cv_deliver_rcpt rcpts[] = {
		{.acct = KIT_USER(9)},
		{.acct = KIT_USER(2)},
		{.acct = KIT_USER(1)},
		{.acct = KIT_USER(1)},
	};
	char *text = kit_text(1);
	kit_deliver(d, "mixed", text, rcpts, 4);
	assert_int_equal(rcpts[0].result, CV_NOT_FOUND);
	assert_int_equal(rcpts[1].result, CV_OVERQUOTA);
	assert_int_equal(rcpts[2].result, CV_OK);
	assert_int_equal(rcpts[3].result, CV_OK);
	assert_true(rcpts[2].duplicate != rcpts[3].duplicate);
	assert_int_equal(kit_info(k, "INBOX").exists, 1);
	kit_check_sound(k);
	struct cv_deliver_rcpt none = {.acct = KIT_USER(9)};
	kit_deliver(d, "nobody", text, &none, 1);
	assert_int_equal(none.result, CV_NOT_FOUND);
	none.acct = KIT_USER(2);
	kit_deliver(d, "nobody", text, &none, 1);
	assert_int_equal(none.result, CV_OVERQUOTA);
	kit_check_sound(k);
	free(text);
	cv_deliverer_free(d);
}

static void
test_deliver__forgets_ids_after_seven_days(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	OK(cv_deliverer_local(k->s, &d, &k->err));
	struct cv_deliver_rcpt rcpt = {.acct = KIT_USER(1)};
	char *text = kit_text(1);
	kit_deliver(d, "week", text, &rcpt, 1);
	OK(cv_store_reap(k->s, cv_wall_secs() + 6 * 86400, &k->err));
	kit_deliver(d, "week", text, &rcpt, 1);
	assert_true(rcpt.duplicate);
	OK(cv_store_reap(k->s, cv_wall_secs() + 8 * 86400, &k->err));
	kit_deliver(d, "week", text, &rcpt, 1);
	assert_false(rcpt.duplicate);
	assert_int_equal(kit_info(k, "INBOX").exists, 2);
	free(text);
	cv_deliverer_free(d);
	kit_check_sound(k);
}

/* Somebody else writes into the account, as another process may on a shared engine: the next change
 * meets a conflict, reads the account again and goes through. */
static void
test_history__is_trimmed_and_conflicts_are_survived(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	const struct cv_view *before = NULL;
	struct cv_writer w = CV_WRITER_INIT;
	uint32_t *gone;
	size_t count;
	kit_append(k, m, 1);
	before = view_of(k, m);
	for (uint32_t i = 1; i <= CV_VANISHED_ROWS + 100; i++) {
		uint32_t uid = 1000 + i;
		cv_key_modseq(cv_writer_key(&w), m->id, 10 + i);
		cv_uids_encode(&uid, 1, cv_writer_value(&w));
		cv_writer_end(&w);
	}
	struct cv_batch b = {.acct = KIT_USER(1),
		.expect = CV_VERSION_ANY,
		.puts = cv_writer_puts(&w),
		.count = w.count};
	OK(cv_meta_commit(k->s->engine, &b, 1, &k->t, &k->err));
	cv_writer_done(&w);
	OK(kit_store(k, m, 1, CV_STORE_ADD, CV_FLAG_FLAGGED)); /* conflict inside */
	OK(cv_mbox_vanished(m, 0, &k->arena, &gone, &count, &k->err));
	assert_int_equal(count, CV_VANISHED_ROWS + 100);
	OK(cv_store_reap(k->s, cv_wall_secs(), &k->err));
	assert_int_equal(cv_mbox_vanished(m, 0, &k->arena, &gone, &count, &k->err), CV_NOT_FOUND);
	uint64_t floor = m->row.vanished_floor;
	assert_true(floor == 10 + CV_VANISHED_ROWS / 2 + 100);
	OK(cv_mbox_vanished(m, floor, &k->arena, &gone, &count, &k->err));
	assert_int_equal(count, CV_VANISHED_ROWS / 2);
	const struct cv_view *now = view_of(k, m);
	assert_int_equal(before->pages[0].page->entries[0].flags, 0);
	assert_int_equal(now->pages[0].page->entries[0].flags, CV_FLAG_FLAGGED);
	cv_view_unref(before);
	cv_view_unref(now);
	cv_mbox_close(m);
}

/* Every commit meets a full disk. */
static void
fail_commits(bool on)
{
	if (on)
		setenv("CONGVU_FAIL", "commit:ENOSPC:1:0", 1);
	else
		unsetenv("CONGVU_FAIL");
	cv_kill_reload();
}

static void
test_full_disk__refuses_and_loses_nothing(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_deliverer *d;
	struct cv_deliver_rcpt rcpts[2] = {{.acct = KIT_USER(1)}, {.acct = KIT_USER(9)}};
	char *text = kit_text(1);
	struct cv_spool spool;
	kit_spool(&spool, text);
	struct cv_append item = {.message = &spool};
	uint32_t uid = kit_append_flags(k, m, 1, CV_FLAG_DELETED), from, to;
	size_t n;
	OK(cv_deliverer_local(k->s, &d, &k->err));
	fail_commits(true);
	kit_deliver(d, "full", text, rcpts, 2);
	assert_int_equal(rcpts[0].result, CV_FULL);
	assert_int_equal(rcpts[1].result, CV_NOT_FOUND);
	assert_int_equal(cv_mbox_append(m, &item, 1, &k->t, &k->err), CV_FULL);
	assert_int_equal(kit_store(k, m, uid, CV_STORE_ADD, CV_FLAG_SEEN), CV_FULL);
	assert_int_equal(cv_mbox_expunge(m, NULL, 0, &n, &k->t, &k->err), CV_FULL);
	assert_int_equal(
		cv_mbox_copy(m, &uid, 1, m, false, &from, &to, &n, &k->t, &k->err), CV_FULL);
	assert_int_equal(
		cv_mbox_create(k->a, CV_STR("x"), CV_USE_NONE, NULL, &k->t, &k->err), CV_FULL);
	fail_commits(false);
	assert_int_equal(kit_info(k, "INBOX").exists, 1);
	kit_check_sound(k);
	kit_deliver(d, "full", text, rcpts, 1);
	assert_int_equal(rcpts[0].result, CV_OK);
	assert_false(rcpts[0].duplicate);
	assert_int_equal(kit_info(k, "INBOX").exists, 2);
	kit_check_sound(k);
	free(text);
	cv_spool_done(&spool);
	cv_deliverer_free(d);
	cv_mbox_close(m);
}

static void
test_summary__can_be_built_again_from_the_body(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	static struct seen s;
	memset(&s, 0, sizeof s);
	uint32_t uid = kit_append(k, m, 1);
	OK(cv_msg_each(m, &uid, 1, true, see, &s, &k->err));
	struct cv_buf again = CV_BUF_INIT(CV_SUMMARY_MAX);
	OK(cv_intake_rebuild(k->s, &s.body, &again, &k->err));
	struct cv_summary summary;
	assert_int_equal(cv_summary_decode(cv_buf_view(&again), &summary), CV_OK);
	assert_true(summary.size_bytes == s.size_bytes);
	cv_buf_done(&again);
	cv_mbox_close(m);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_append__gives_the_message_uid_size_summary_and_body),
		TEST(test_append__of_several_is_all_or_none),
		TEST(test_msg_each__serves_rows_and_summaries_in_order),
		TEST(test_store__sets_adds_removes_and_skips_what_is_set),
		TEST(test_store__leaves_alone_what_changed_since),
		TEST(test_keywords__are_64_names_without_case),
		TEST(test_view__stays_as_it_was_and_shares_untouched_pages),
		TEST(test_watch__is_called_after_each_change_until_taken_off),
		TEST(test_remove__takes_what_is_asked_for_marked_or_not),
		TEST(test_expunge__takes_only_what_is_marked_and_asked_for),
		TEST(test_copy__and_move_keep_flags_keywords_and_dates),
		TEST(test_copy__to_another_account_counts_its_bodies),
		TEST(test_copy__of_many_messages_is_one_act),
		TEST(test_recent__goes_to_one_session),
		TEST(test_reaper__takes_bodies_after_the_restore_window),
		TEST(test_compacting__gives_back_the_room_of_bodies_that_were_reaped),
		TEST(test_deliver__stores_once_and_reaches_every_account),
		TEST(test_deliver__finds_folders_by_name_and_use),
		TEST(test_deliver__answers_each_recipient_for_itself),
		TEST(test_deliver__forgets_ids_after_seven_days),
		TEST(test_history__is_trimmed_and_conflicts_are_survived),
		TEST(test_full_disk__refuses_and_loses_nothing),
		TEST(test_summary__can_be_built_again_from_the_body),
	};
	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
