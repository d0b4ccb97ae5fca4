/* quota_test.c - limits of accounts and pools hold wherever mail comes in; notices come once. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include "common/store/deliver_impl.h"
#include "common/store/restore.h"

/* A message of SIZE bytes. */
static char *
text_of(size_t size, int number)
{
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	cv_buf_printf(&b, "Subject: so %d\r\n\r\n", number);
	while (b.n + 2 < size)
		cv_buf_c(&b, 'x');
	cv_buf_z(&b, "\r\n");
	return cv_buf_take(&b);
}

static enum cv_status
put(struct kit *k, struct cv_acct *a, size_t size)
{
	static int number;
	struct cv_append item = {0};
	struct cv_spool spool;
	struct cv_mbox *m;
	char *text = text_of(size, number++);
	kit_spool(&spool, text);
	item.message = &spool;
	OK(cv_mbox_open(a, CV_STR("INBOX"), &m, &k->err));
	enum cv_status status = cv_mbox_append(m, &item, 1, &k->t, &k->err);
	cv_mbox_close(m);
	cv_spool_done(&spool);
	free(text);
	return status;
}

static struct cv_acct *
other(struct kit *k, uint64_t number)
{
	struct cv_acct *a;
	OK(cv_acct_open(k->s, KIT_USER(number), true, &a, &k->t, &k->err));
	return a;
}

/* ---- pools ---- */

static void
set_pool(struct kit *k, uint64_t limit_bytes, size_t members)
{
	const cv_acct_id three[] = {KIT_USER(3), KIT_USER(1), KIT_USER(2)};
	struct cv_pool_def def = {.name = CV_STR("agency/stp"),
		.limit_bytes = limit_bytes,
		.members = three,
		.member_count = members};
	cv_pools_set(k->s, &def, 1);
	OK(cv_pools_sum(k->s, &k->err));
}

static struct cv_pool_info
pool(struct kit *k)
{
	struct cv_pool_info info;
	assert_true(cv_pool_named(k->s, CV_STR("agency/stp"), &info));
	return info;
}

static void
test_pool__is_shared_by_append_copy_delivery_and_restore(void **state)
{
	struct kit *k = *state;
	struct cv_acct *b = other(k, 2), *c = other(k, 3), *d = other(k, 4);
	assert_int_equal(put(k, k->a, 4000), CV_OK);
	assert_int_equal(put(k, b, 3000), CV_OK);
	set_pool(k, 10000, 3);
	struct cv_pool_info p = pool(k);
	assert_true(p.is_summed && p.members == 3 && p.used_bytes == 7000 &&
		    p.used_messages == 2);
	assert_int_equal(put(k, c, 4000), CV_OVERQUOTA);
	assert_int_equal(put(k, d, 4000), CV_OK); /* of another agency */
	assert_int_equal(put(k, c, 2500), CV_OK);
	assert_int_equal(pool(k).used_bytes, 9500);

	struct cv_mbox *m, *to;
	uint32_t uid = 1, from, into;
	size_t done;
	OK(cv_mbox_open(k->a, CV_STR("INBOX"), &m, &k->err));
	OK(cv_mbox_open(k->a, CV_STR("Lưu trữ"), &to, &k->err));
	assert_int_equal(cv_mbox_copy(m, &uid, 1, to, false, &from, &into, &done, &k->t, &k->err),
		CV_OVERQUOTA);
	OK(cv_mbox_copy(m, &uid, 1, to, true, &from, &into, &done, &k->t, &k->err));
	assert_int_equal(pool(k).used_bytes, 9500); /* a move needs no room */

	struct cv_deliverer *with;
	struct cv_deliver_rcpt rcpts[2] = {{.acct = KIT_USER(2)}, {.acct = KIT_USER(4)}};
	char *text = text_of(1000, 99);
	OK(cv_deliverer_local(k->s, &with, &k->err));
	kit_deliver(with, "pool-1", text, rcpts, 2);
	assert_true(rcpts[0].result == CV_OVERQUOTA && rcpts[1].result == CV_OK);
	struct cv_probe probe = {.acct = KIT_USER(2), .size_bytes = 1000};
	cv_probe_now(k->s, &probe);
	assert_int_equal(probe.result, CV_OVERQUOTA);

	OK(cv_mbox_remove(to, &into, 1, &done, &k->t, &k->err));
	assert_int_equal(pool(k).used_bytes, 5500);
	kit_deliver(with, "pool-2", text, rcpts, 2);
	assert_int_equal(rcpts[0].result, CV_OK);
	struct cv_restore_options o = {0};
	struct cv_restore_report report;
	assert_int_equal(cv_acct_restore(k->a, &o, &report, &k->t, &k->err), CV_OVERQUOTA);
	set_pool(k, 20000, 3);
	OK(cv_acct_restore(k->a, &o, &report, &k->t, &k->err));
	kit_check_sound(k);
	free(text);
	cv_deliverer_free(with);
	cv_mbox_close(m);
	cv_mbox_close(to);
	cv_acct_close(b);
	cv_acct_close(c);
	cv_acct_close(d);
}

static void
test_pool__is_what_its_accounts_hold_after_a_start_and_a_change(void **state)
{
	struct kit *k = *state;
	struct cv_acct *b = other(k, 2);
	struct cv_pool_info p;
	assert_int_equal(put(k, k->a, 1000), CV_OK);
	assert_int_equal(put(k, b, 2000), CV_OK);
	cv_acct_close(b);
	kit_close(k);
	kit_open_store(k); /* no account is in memory */
	set_pool(k, 5000, 3);
	assert_true(pool(k).used_bytes == 3000 && pool(k).is_summed);
	k->a = other(k, 1);
	set_pool(k, 5000, 2); /* account 2 leaves the agency */
	assert_int_equal(pool(k).used_bytes, 1000);
	assert_false(cv_pool_of(k->s, KIT_USER(2), &p));
	b = other(k, 2);
	assert_int_equal(put(k, b, 9000), CV_OK);
	set_pool(k, 20000, 3); /* and comes back */
	assert_int_equal(pool(k).used_bytes, 12000);
	OK(cv_mbox_create(k->a, CV_STR("x"), CV_USE_NONE, NULL, &k->t, &k->err));
	struct cv_mbox *x = kit_mbox(k, "x");
	kit_append(k, x, 1);
	assert_true(pool(k).used_bytes > 12000);
	cv_mbox_close(x);
	OK(cv_mbox_delete(k->a, CV_STR("x"), &k->t, &k->err));
	assert_int_equal(pool(k).used_bytes, 12000);
	kit_check_sound(k);
	cv_acct_close(b);
	OK(cv_acct_purge(k->s, KIT_USER(2), &k->t, &k->err));
	assert_int_equal(pool(k).used_bytes, 1000);
	kit_check_sound(k);
	cv_pools_set(k->s, NULL, 0);
	assert_false(cv_pool_of(k->s, KIT_USER(1), &p));
}

static void
test_store_check__finds_a_pool_that_is_wrong(void **state)
{
	struct kit *k = *state;
	struct cv_check_report r;
	assert_int_equal(put(k, k->a, 1000), CV_OK);
	set_pool(k, 5000, 3);
	k->a->used_bytes += 7; /* as if a change had passed it by */
	OK(cv_store_check(k->s, true, false, NULL, NULL, &r, &k->err));
	assert_int_equal(r.wrong_quotas, 1);
	k->a->used_bytes -= 7;
	OK(cv_store_check(k->s, true, false, NULL, NULL, &r, &k->err));
	kit_check_sound(k);
}

static void
test_quota__limits_messages(void **state)
{
	struct kit *k = *state;
	struct cv_store_options o = {.engine = {.dir = k->dir}, .max_messages = 3};
	kit_close(k);
	OK(cv_store_open(&o, &k->s, &k->err));
	k->a = other(k, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put(k, k->a, 100), CV_OK);
	assert_int_equal(put(k, k->a, 100), CV_OVERQUOTA);
	struct cv_quota q;
	cv_acct_quota(k->a, &q);
	assert_true(q.limit_messages == 3 && q.used_messages == 3);
}

/* ---- notices ---- */

static unsigned told;
static bool is_busy;

static bool
on_quota(void *arg, cv_acct_id id)
{
	(void)arg;
	assert_int_equal(id, KIT_USER(1));
	told++;
	return !is_busy;
}

static enum cv_quota_level
due(struct kit *k)
{
	enum cv_quota_level level;
	OK(cv_quota_due(k->a, &level, &k->t, &k->err));
	return level;
}

static enum cv_status
notify(struct kit *k, enum cv_quota_level level)
{
	struct cv_spool spool;
	kit_spool(&spool, "Subject: notice\r\n\r\n.\r\n");
	enum cv_status status = cv_quota_put_notice(k->a, level, &spool, &k->t, &k->err);
	cv_spool_done(&spool);
	return status;
}

static void
test_notice__is_asked_for_again_when_nobody_took_it(void **state)
{
	struct kit *k = *state;
	cv_quota_watch(k->s, on_quota, NULL);
	told = 0;
	OK(cv_acct_set_quota(k->a, 100000, &k->t, &k->err));
	is_busy = true;
	assert_int_equal(put(k, k->a, 80000), CV_OK);
	is_busy = false;
	assert_int_equal(told, 1);
	assert_int_equal(put(k, k->a, 100), CV_OK);
	assert_int_equal(put(k, k->a, 100), CV_OK);
	assert_int_equal(told, 2);
	assert_int_equal(due(k), CV_QUOTA_WARN);
}

static void
test_notice__of_a_level_that_is_none_is_put_right(void **state)
{
	struct kit *k = *state;
	struct cv_writer w = CV_WRITER_INIT;
	k->a->head.notice = 200;
	cv_acct_put_head(&k->a->head, &w);
	OK(cv_acct_commit(k->a, &w, &k->t, &k->err));
	cv_writer_done(&w);
	kit_close(k);
	kit_open(k);
	assert_int_equal(k->a->head.notice, 200);
	assert_int_equal(due(k), CV_QUOTA_FINE);
	assert_int_equal(k->a->head.notice, CV_QUOTA_FINE);
}

static void
test_notice__comes_once_and_again_only_after_use_fell(void **state)
{
	struct kit *k = *state;
	cv_quota_watch(k->s, on_quota, NULL);
	told = 0;
	OK(cv_acct_set_quota(k->a, 100000, &k->t, &k->err));
	assert_int_equal(put(k, k->a, 74000), CV_OK);
	assert_true(told == 0 && due(k) == CV_QUOTA_FINE);
	assert_int_equal(put(k, k->a, 2000), CV_OK);
	assert_int_equal(told, 1);
	assert_int_equal(put(k, k->a, 100), CV_OK);
	assert_int_equal(told, 1); /* somebody is on the way */
	assert_int_equal(due(k), CV_QUOTA_WARN);
	assert_int_equal(notify(k, CV_QUOTA_WARN), CV_OK);
	assert_int_equal(notify(k, CV_QUOTA_WARN), CV_EXISTS);
	assert_int_equal(due(k), CV_QUOTA_FINE);
	kit_close(k); /* what was told is not forgotten */
	kit_open(k);
	cv_quota_watch(k->s, on_quota, NULL);
	told = 0;
	assert_int_equal(put(k, k->a, 14000), CV_OK);
	assert_int_equal(due(k), CV_QUOTA_FULL_SOON);
	assert_int_equal(told, 1);
	assert_int_equal(put(k, k->a, 9000), CV_OK);
	assert_int_equal(notify(k, CV_QUOTA_FULL_SOON), CV_OK); /* into a full box */
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	size_t done;
	uint32_t uid = 5; /* 14,000: down to 85 per cent */
	OK(cv_mbox_remove(m, &uid, 1, &done, &k->t, &k->err));
	assert_int_equal(due(k), CV_QUOTA_FINE);
	assert_int_equal(put(k, k->a, 14000), CV_OK);
	assert_int_equal(due(k), CV_QUOTA_FINE); /* it did not fall far enough */
	uid = 1; /* 74,000 */
	OK(cv_mbox_remove(m, &uid, 1, &done, &k->t, &k->err));
	assert_int_equal(due(k), CV_QUOTA_FINE);
	assert_int_equal(k->a->head.notice, CV_QUOTA_FINE);
	assert_int_equal(put(k, k->a, 60000), CV_OK);
	assert_int_equal(due(k), CV_QUOTA_WARN);
	OK(cv_acct_set_quota(k->a, 1000000, &k->t, &k->err)); /* more room instead */
	assert_int_equal(due(k), CV_QUOTA_FINE);
	assert_int_equal(notify(k, CV_QUOTA_WARN), CV_EXISTS);
	kit_check_sound(k);
	cv_mbox_close(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pool__is_shared_by_append_copy_delivery_and_restore),
		TEST(test_pool__is_what_its_accounts_hold_after_a_start_and_a_change),
		TEST(test_store_check__finds_a_pool_that_is_wrong),
		TEST(test_quota__limits_messages),
		TEST(test_notice__is_asked_for_again_when_nobody_took_it),
		TEST(test_notice__of_a_level_that_is_none_is_put_right),
		TEST(test_notice__comes_once_and_again_only_after_use_fell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
