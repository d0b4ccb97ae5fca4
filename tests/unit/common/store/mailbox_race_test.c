/* mailbox_race_test.c - several threads deliver, flag, expunge, copy and read in the same accounts;
 * afterwards nothing is lost, nothing is there twice, and `store check` finds no fault. Run it
 * under ThreadSanitizer too. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include <stdatomic.h>

#include "common/base/rng.h"

#define ACCOUNTS   4
#define DELIVERERS 2
#define EACH       120

static struct kit *kit;
static atomic_bool stop;
static atomic_uint removed_by_flag[ACCOUNTS];

static struct cv_mbox *
open_box(unsigned account, const char *name)
{
	struct kit *k = kit;
	struct cv_acct *a;
	struct cv_mbox *m;
	OK(cv_acct_open(k->s, KIT_USER(account + 1), false, &a, NULL, NULL));
	OK(cv_mbox_open(a, cv_str_z(name), &m, NULL));
	cv_acct_close(a);
	return m;
}

static void *
deliver_all(void *arg)
{
	struct kit *k = kit;
	unsigned number = *(unsigned *)arg;
	struct cv_deliverer *d;
	char *text = kit_text((int)number);
	OK(cv_deliverer_local(k->s, &d, NULL));
	for (int i = 0; i < EACH; i++) {
		char id[40];
		struct cv_deliver_rcpt rcpts[ACCOUNTS];
		snprintf(id, sizeof id, "race-%u-%d", number, i);
		for (uint64_t n = 0; n < ACCOUNTS; n++)
			rcpts[n] = (struct cv_deliver_rcpt){
				.acct = KIT_USER(1 + (n + number) % ACCOUNTS)};
		kit_deliver(d, id, text, rcpts, ACCOUNTS);
		for (size_t n = 0; n < ACCOUNTS; n++)
			assert_int_equal(rcpts[n].result, CV_OK);
	}
	free(text);
	cv_deliverer_free(d);
	return NULL;
}

static void *
flag_and_expunge(void *arg)
{
	unsigned account = *(unsigned *)arg % ACCOUNTS;
	struct cv_mbox *m = open_box(account, "INBOX");
	struct kit *k = kit;
	while (!atomic_load(&stop)) {
		const struct cv_view *v;
		struct cv_err err;
		struct cv_flag_change change = {.flags = CV_FLAG_DELETED};
		uint32_t failed[1];
		size_t failed_count, removed;
		uint64_t modseq;
		cv_ticket t;
		OK(cv_mbox_view(m, &v, &err));
		if (v->exists) {
			uint32_t uid =
				cv_view_seq(v, 1 + (uint32_t)cv_random_below(v->exists))->uid;
			OK(cv_mbox_store(m, &uid, 1, CV_STORE_ADD, &change, UINT64_MAX, failed,
				&failed_count, &modseq, &t, &err));
			OK(cv_mbox_expunge(m, &uid, 1, &removed, &t, &err));
			atomic_fetch_add(&removed_by_flag[account], removed);
		}
		cv_view_unref(v);
		usleep(2000);
	}
	cv_mbox_close(m);
	return NULL;
}

static void *
copy_and_move(void *arg)
{
	unsigned account = *(unsigned *)arg % ACCOUNTS;
	struct cv_mbox *m = open_box(account, "INBOX"), *dst = open_box(account, "dst");
	struct kit *k = kit;
	while (!atomic_load(&stop)) {
		const struct cv_view *v;
		struct cv_err err;
		size_t done;
		cv_ticket t;
		uint32_t from[1], to[1];
		OK(cv_mbox_view(m, &v, &err));
		if (v->exists) {
			uint32_t uid =
				cv_view_seq(v, 1 + (uint32_t)cv_random_below(v->exists))->uid;
			OK(cv_mbox_copy(m, &uid, 1, dst, true, from, to, &done, &t, &err));
		}
		cv_view_unref(v);
		usleep(3000);
	}
	cv_mbox_close(m);
	cv_mbox_close(dst);
	return NULL;
}

static bool
see(void *arg, const struct cv_msg *msg)
{
	*(uint64_t *)arg += msg->size_bytes + msg->summary.n;
	return true;
}

static void *
read_views(void *arg)
{
	unsigned account = *(unsigned *)arg % ACCOUNTS;
	struct cv_mbox *m = open_box(account, "INBOX");
	struct kit *k = kit;
	uint64_t sum = 0;
	while (!atomic_load(&stop)) {
		const struct cv_view *v;
		struct cv_err err;
		uint32_t uids[64], n = 0, last = 0;
		OK(cv_mbox_view(m, &v, &err));
		for (uint32_t seq = 1; seq <= v->exists; seq++) {
			const struct cv_entry *e = cv_view_seq(v, seq);
			assert_true(e->uid > last && e->uid < v->uidnext &&
				    e->modseq <= v->highest_modseq);
			last = e->uid;
			if (n < CV_COUNT(uids))
				uids[n++] = e->uid;
		}
		OK(cv_msg_each(m, uids, n, true, see, &sum, &err));
		cv_view_unref(v);
	}
	cv_mbox_close(m);
	return NULL;
}

static void *
check_often(void *arg)
{
	struct kit *k = kit;
	(void)arg;
	while (!atomic_load(&stop)) {
		struct cv_check_report r;
		struct cv_err err;
		OK(cv_store_check(k->s, false, false, kit_print_fault, NULL, &r, &err));
		assert_true(!r.dangling_rows && !r.wrong_body_counts && !r.orphan_bodies &&
			    !r.wrong_mailbox_counts && !r.wrong_quotas && !r.uid_faults &&
			    !r.bad_rows);
		usleep(100000);
	}
	return NULL;
}

static void
test_threads__in_the_same_accounts_lose_and_double_nothing(void **state)
{
	struct kit *k = kit = *state;
	static const struct {
		void *(*fn)(void *arg);
		bool waited_for;
	} rows[] = {
		{deliver_all,      true },
		{deliver_all,      true },
		{flag_and_expunge, false},
		{flag_and_expunge, false},
		{copy_and_move,    false},
		{copy_and_move,    false},
		{read_views,       false},
		{check_often,      false},
	};
	pthread_t threads[CV_COUNT(rows)];
	unsigned numbers[CV_COUNT(rows)];
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		struct cv_acct *a;
		OK(cv_acct_open(k->s, KIT_USER(i + 1), true, &a, &k->t, &k->err));
		OK(cv_mbox_create(a, CV_STR("dst"), CV_USE_NONE, NULL, &k->t, &k->err));
		cv_acct_close(a);
	}
	for (unsigned i = 0; i < CV_COUNT(rows); i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, rows[i].fn, &numbers[i]), 0);
	}
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (rows[i].waited_for)
			pthread_join(threads[i], NULL);
	atomic_store(&stop, true);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!rows[i].waited_for)
			pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		struct cv_acct *a;
		struct cv_quota q;
		OK(cv_acct_open(k->s, KIT_USER(i + 1), false, &a, NULL, &k->err));
		cv_acct_quota(a, &q);
		assert_int_equal(q.used_messages + removed_by_flag[i], DELIVERERS * EACH);
		cv_acct_close(a);
	}
	kit_check_sound(k);
	OK(cv_store_reap(k->s, cv_wall_secs() + 30 * 86400, &k->err));
	kit_check_sound(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_threads__in_the_same_accounts_lose_and_double_nothing, kit_setup,
			kit_teardown),
	};
	return cmocka_run_group_tests_name("mailbox race", tests, NULL, NULL);
}
