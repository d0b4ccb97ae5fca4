/* mailbox_kit.h - what the mailbox tests share: a store of their own, messages, deliveries. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef MAILBOX_KIT_H
#define MAILBOX_KIT_H

#include "tests/unit/check.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/store/deliver.h"
#include "common/store/internal.h"

#define KIT_USER(n) cv_acct(CV_CLASS_USER, (n))

struct kit {
	char dir[128];
	struct cv_store *s;
	struct cv_acct *a; /* KIT_USER(1), when opened */
	struct cv_arena arena;
	struct cv_err err;
	cv_ticket t;
};

#define OK(call)                                                                                   \
	do {                                                                                       \
		enum cv_status status_ = (call);                                                   \
		if (status_)                                                                       \
			print_error("%s:%d: %s: %s (%s)\n", __FILE__, __LINE__, #call,             \
				cv_status_name(status_), k->err.text);                             \
		assert_int_equal(status_, CV_OK);                                                  \
	} while (0)

static inline int
kit_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void
kit_remove_tree(const char *dir)
{
	(void)nftw(dir, kit_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
kit_open_store(struct kit *k)
{
	struct cv_store_options o = {
		.engine = {.dir = k->dir, .cache_bytes = 8u << 20}
	};
	OK(cv_store_open(&o, &k->s, &k->err));
}

static inline void
kit_open(struct kit *k)
{
	kit_open_store(k);
	OK(cv_acct_open(k->s, KIT_USER(1), true, &k->a, &k->t, &k->err));
}

static inline void
kit_close(struct kit *k)
{
	cv_acct_close(k->a);
	cv_store_close(k->s);
	k->a = NULL;
	k->s = NULL;
}

static inline int
kit_setup(void **state)
{
	struct kit *k = cv_calloc(1, sizeof *k);
	const char *tmp = getenv("TMPDIR");
	snprintf(k->dir, sizeof k->dir, "%s/congvu-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(k->dir));
	kit_open(k);
	*state = k;
	return 0;
}

static inline int
kit_teardown(void **state)
{
	struct kit *k = *state;
	if (k->s)
		kit_close(k);
	kit_remove_tree(k->dir);
	cv_arena_done(&k->arena);
	free(k);
	return 0;
}

static inline struct cv_mbox *
kit_mbox(struct kit *k, const char *name)
{
	struct cv_mbox *m;
	OK(cv_mbox_open(k->a, cv_str_z(name), &m, &k->err));
	return m;
}

static inline void
kit_spool(struct cv_spool *s, const char *text)
{
	struct cv_err err;
	cv_spool_init(s, "/tmp");
	assert_int_equal(cv_spool_write(s, cv_str_z(text), &err), CV_OK);
}

static inline char *
kit_text(int number)
{
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	cv_buf_printf(&b,
		"From: Nguyen Van An <an@lamgiang.example>\r\nTo: <b@lamgiang.example>\r\n"
		"Subject: Cong van so %d\r\nMessage-ID: <m%d@lamgiang.example>\r\n"
		"Date: Sun, 22 Nov 2026 08:00:00 +0700\r\n\r\nNoi dung so %d.\r\n",
		number, number, number);
	return cv_buf_take(&b);
}

static inline uint32_t
kit_append_flags(struct kit *k, struct cv_mbox *m, int number, uint32_t flags)
{
	struct cv_append item = {.internal_secs = 1800000000 + number, .internal_zone = 420};
	struct cv_spool spool;
	char *text = kit_text(number);
	kit_spool(&spool, text);
	item.message = &spool;
	item.flags.flags = flags;
	OK(cv_mbox_append(m, &item, 1, &k->t, &k->err));
	cv_spool_done(&spool);
	free(text);
	return item.uid;
}

static inline uint32_t
kit_append(struct kit *k, struct cv_mbox *m, int number)
{
	return kit_append_flags(k, m, number, 0);
}

static inline struct cv_mbox_info
kit_info(struct kit *k, const char *name)
{
	struct cv_mbox_info info;
	OK(cv_mbox_info(k->a, cv_str_z(name), &k->arena, &info, &k->err));
	return info;
}

static inline enum cv_status
kit_store(struct kit *k, struct cv_mbox *m, uint32_t uid, enum cv_store_op op, uint32_t flags)
{
	struct cv_flag_change change = {.flags = flags};
	uint32_t failed[1];
	size_t failed_count;
	uint64_t modseq;
	return cv_mbox_store(m, &uid, 1, op, &change, UINT64_MAX, failed, &failed_count, &modseq,
		&k->t, &k->err);
}

/* ---- deliveries that wait for their answer ---- */
struct kit_wait {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
};

static inline void
kit_delivered(struct cv_delivery *d)
{
	struct kit_wait *w = d->arg;
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static inline void
kit_deliver(struct cv_deliverer *with, const char *id, const char *text,
	struct cv_deliver_rcpt *rcpts, size_t count)
{
	struct kit_wait w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	struct cv_spool spool;
	kit_spool(&spool, text);
	struct cv_delivery d = {.id = cv_str_z(id),
		.prefix = CV_STR("Return-Path: <a@b.example>\r\n"),
		.message = &spool,
		.rcpts = rcpts,
		.rcpt_count = count,
		.done = kit_delivered,
		.arg = &w};
	cv_deliver(with, &d);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.wake, &w.lock);
	pthread_mutex_unlock(&w.lock);
	cv_spool_done(&spool);
}

static inline void
kit_print_fault(void *arg, const char *text)
{
	(void)arg;
	print_error("fault: %s\n", text);
}

static inline void
kit_check_sound(struct kit *k)
{
	struct cv_check_report r;
	OK(cv_store_check(k->s, false, true, kit_print_fault, NULL, &r, &k->err));
	uint64_t faults = r.dangling_rows + r.wrong_body_counts + r.orphan_bodies +
			  r.wrong_mailbox_counts + r.wrong_quotas + r.bad_bodies + r.bad_rows +
			  r.uid_faults;
	assert_true(faults == 0);
}

#endif
