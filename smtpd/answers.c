/* answers.c - see answers.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/answers.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/net/pool.h"
#include "common/text/header.h"
#include "smtpd/envelope.h"
#include "smtpd/filters.h"
#include "smtpd/outbound.h"
#include "smtpd/own_mail.h"

#define ANSWERS_ACCT cv_acct(CV_CLASS_SYSTEM, 0x61776179)
#define SWEEP_ROWS   500u
#define SWEEP_MS     (10 * 60 * 1000)
#define ROWS_MAX     100000u /* a day of that many strangers is no correspondence */
#define ADDRESSES_MAX 200u
#define LIFE_SECS    86400u
#define SENDERS      2u     /* threads */
#define JOBS_MAX     256u   /* messages whose answers wait for a thread */

/* ---- who is answered ---- */

bool
smtpd_answers_is_person(struct cv_str sender)
{
	static const char *const starts[] = { "owner-", "mailer-daemon", "postmaster", "listserv",
		"majordomo", "noreply", "no-reply", "no_reply", "donotreply", "do-not-reply",
		"bounce", "srs0=", "srs1=", "srs0+", "srs0-", "prvs=", "khongtraloi", "msprvs1=" };
	static const char *const ends[] = { "-request", "-owner", "-bounces", "-bounce", "-admin",
		"+bounces", "-noreply", ".noreply", "-no-reply" };
	struct cv_str local, domain;

	smtpd_envelope_split(sender, &local, &domain);
	if (!local.n || !domain.n)
		return false;
	for (size_t i = 0; i < CV_COUNT(starts); i++)
		if (cv_str_has_iprefix(local, starts[i]))
			return false;
	for (size_t i = 0; i < CV_COUNT(ends); i++) {
		size_t n = strlen(ends[i]);
		if (local.n > n && cv_str_ieq_z(cv_str_sub(local, local.n - n, local.n), ends[i]))
			return false;
	}
	return true;
}

/* RFC 3834 2, RFC 2369, RFC 2919, and what our filter says. */
static bool
speaks_against(struct cv_str name, struct cv_str value)
{
	if (cv_str_has_iprefix(name, "List-") || cv_str_ieq_z(name, "X-Congvu-Policy"))
		return true;
	if (cv_str_ieq_z(name, "X-Congvu-Verdict"))
		return !cv_str_has_iprefix(value, "pass");
	if (cv_str_ieq_z(name, "Auto-Submitted"))
		return !cv_str_ieq_z(cv_str_sub(value, 0, cv_str_find(value, ';', 0)), "no");
	if (cv_str_ieq_z(name, "Precedence"))
		return cv_str_ieq_z(value, "bulk") || cv_str_ieq_z(value, "list") ||
			cv_str_ieq_z(value, "junk");
	if (cv_str_ieq_z(name, "X-Auto-Response-Suppress"))
		return cv_str_isearch(value, CV_STR("all")) < value.n ||
			cv_str_isearch(value, CV_STR("oof")) < value.n ||
			cv_str_isearch(value, CV_STR("autoreply")) < value.n;
	if (cv_str_ieq_z(name, "X-Spam-Flag"))
		return cv_str_has_iprefix(value, "yes");
	if (cv_str_ieq_z(name, "Content-Type"))
		return cv_str_has_iprefix(value, "multipart/report");
	return false;
}

void
smtpd_answers_look(struct cv_str header, struct smtpd_answers_facts *out)
{
	struct cv_header_scan scan;
	struct cv_field f;

	*out = (struct smtpd_answers_facts){ .is_personal = true };
	cv_header_scan_init(&scan, header);
	while (cv_header_next(&scan, &f)) {
		struct cv_str value = cv_str_trim(f.value);
		if (speaks_against(f.name, value))
			out->is_personal = false;
		else if (cv_str_ieq_z(f.name, "Message-ID"))
			out->message_id = f.value;
		else if (cv_str_ieq_z(f.name, "References") ||
			(cv_str_ieq_z(f.name, "In-Reply-To") && !out->references.n))
			out->references = f.value;
		else if (cv_str_ieq_z(f.name, "Subject"))
			out->subject = f.value;
	}
}

/* RFC 3834 2: only who is named in To or Cc was written to. */
static bool
is_named(const struct cv_snapshot *snap, struct cv_str header, cv_acct_no acct)
{
	static const char *const names[] = { "To", "Cc", "Resent-To", "Resent-Cc" };
	struct cv_arena arena = CV_ARENA_INIT;
	bool found = false;

	for (size_t i = 0; i < CV_COUNT(names) && !found; i++) {
		struct cv_field f;
		struct cv_addr_list list;
		if (!cv_header_find(header, names[i], 0, &f))
			continue;
		cv_addr_list_parse(&arena, f.value, &list);
		for (size_t k = 0; k < CV_MIN(list.n, ADDRESSES_MAX) && !found; k++) {
			struct cv_reg_hit hit;
			if (list.items[k].kind != CV_ADDR_MAILBOX)
				continue;
			cv_snapshot_find(snap, list.items[k].mailbox, list.items[k].host, &hit);
			found = hit.found == CV_REG_ACCOUNT && hit.account.acct == acct;
		}
	}
	cv_arena_done(&arena);
	return found;
}

/* ---- once in a while ---- */

/* Rows of each kind: a letter, and the hash of box and sender. */
static const struct {
	char row;
	int64_t pause_secs;
} kinds[] = {
	[SMTPD_ANSWER_ABSENCE] = { 'A', 7 * 86400 },
	[SMTPD_ANSWER_RECEIPT] = { 'B', 86400 },
};

static void
row_key(const struct smtpd_answer *a, struct cv_str sender, struct cv_buf *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct cv_buf text = CV_BUF_INIT(1000);
	unsigned n = 0;

	cv_buf_be64(&text, a->acct);
	for (size_t i = 0; i < sender.n; i++)
		cv_buf_c(&text, (char)cv_lower((unsigned char)sender.p[i]));
	if (!EVP_Digest(text.p, text.n, digest, &n, EVP_sha256(), NULL))
		cv_die("SHA-256 is not to be had");
	cv_buf_c(out, kinds[a->kind].row);
	cv_buf_add(out, digest, 16);
	cv_buf_done(&text);
}

static int64_t
read_until(struct cv_str value)
{
	struct cv_rd r = cv_rd(value);
	int64_t until = (int64_t)cv_rd_be64(&r);

	return r.bad ? 0 : until;
}

struct sweep {
	struct cv_arena arena;
	struct cv_put puts[SWEEP_ROWS + 1];
	size_t count, rows;
	int64_t now;
};

static bool
sweep_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct sweep *w = arg;

	w->rows++;
	if (read_until(value) <= w->now && w->count < SWEEP_ROWS)
		w->puts[w->count++] = (struct cv_put){ cv_arena_str(&w->arena, key), { NULL, 0 } };
	return w->rows <= ROWS_MAX;
}

/* Rows there are, about, and when they are counted and swept next: one daemon has one queue. */
static atomic_size_t rows_kept;
static atomic_llong next_sweep_ms;

static enum cv_status
sweep(struct cv_engine *e, struct sweep *w, struct cv_err *err)
{
	long long now = cv_mono_ms(), next = atomic_load(&next_sweep_ms);

	/* Who comes first does it; the others go by the last count. */
	if (now < next ||
		!atomic_compare_exchange_strong(&next_sweep_ms, &next, now + SWEEP_MS))
		return CV_OK;
	enum cv_status status =
		cv_meta_scan(e, ANSWERS_ACCT, CV_STR("A"), CV_STR("C"), 0, sweep_row, w, err);
	atomic_store(&rows_kept, w->rows - w->count);
	return status;
}

/* Notes that SENDER gets an answer now; false when he had one lately. Rows whose time is over go in
 * the same commit. */
static bool
may_answer(struct cv_engine *e, const struct smtpd_answer *a, struct cv_str sender)
{
	struct cv_buf key = CV_BUF_INIT(64), hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_buf row = CV_BUF_INIT(16);
	struct sweep *w = cv_calloc(1, sizeof *w);
	struct cv_err err = { 0 };
	struct cv_str k, value;
	uint64_t version = 0;
	cv_ticket ticket;

	w->arena = (struct cv_arena)CV_ARENA_INIT;
	w->now = cv_wall_secs();
	row_key(a, sender, &key);
	k = cv_buf_view(&key);
	enum cv_status status = cv_meta_read(e, ANSWERS_ACCT, &k, 1, &value, &hold, &version, &err);
	bool may = status == CV_OK && (!value.p || read_until(value) <= w->now);
	if (may)
		status = sweep(e, w, &err);
	if (may && status == CV_OK && atomic_fetch_add(&rows_kept, 1) < ROWS_MAX) {
		cv_buf_be64(&row, (uint64_t)(w->now + kinds[a->kind].pause_secs));
		size_t n = 0;
		for (size_t i = 0; i < w->count; i++) /* one put a key */
			if (!cv_str_eq(w->puts[i].key, k))
				w->puts[n++] = w->puts[i];
		w->puts[n++] = (struct cv_put){ k, cv_buf_view(&row) };
		/* Two messages at the same moment: one of them changes the version first. */
		struct cv_batch batch = { .acct = ANSWERS_ACCT, .expect = version, .puts = w->puts,
			.count = n };
		status = cv_meta_commit(e, &batch, 1, &ticket, &err);
		may = status == CV_OK && batch.result == CV_OK;
	} else {
		may = false;
	}
	if (status != CV_OK)
		cv_log(0, CV_ERROR, "answer.failed", "error=\"%s\"", err.text);
	cv_arena_done(&w->arena);
	free(w);
	cv_buf_done(&key);
	cv_buf_done(&hold);
	cv_buf_done(&row);
	return may;
}

/* ---- sending ---- */

struct smtpd_answers {
	struct smtpd_server *server;
	pthread_mutex_t lock;
	struct cv_pool *pool;      /* NULL once stopped */
	atomic_bool stop;
};

/* What of a message is needed after it. */
struct job {
	struct cv_arena arena;
	struct smtpd_answers *all;
	struct cv_str sender, message_id, references, subject, delivery_id;
	struct smtpd_answer answers[SMTPD_ANSWERS_MAX];
	size_t count;
};

static enum cv_status
send_answer(struct job *j, const struct smtpd_answers_text *t, struct cv_err *err)
{
	struct cv_buf out = CV_BUF_INIT(64u << 10);
	char *to = cv_str_dup(t->to), *from = cv_str_dup(t->from);

	smtpd_answers_compose(t, &out);
	struct smtpd_own_mail m = { .sender = "", .author = from, .rcpt = to,
		.text = cv_buf_view(&out), .life_secs = LIFE_SECS, .id = t->id };
	enum cv_status status = out.full
		? cv_fail(err, CV_LIMIT, "the answer is too long")
		: smtpd_own_mail_send(j->all->server, &m, &j->all->stop, err);
	free(to);
	free(from);
	cv_buf_done(&out);
	return status;
}

/* What stands in the answer ONE of A; texts for outside when SENDER is not ours. */
static void
fill_text(const struct smtpd_answer *one, const struct cv_reg_hit *sender,
	const struct cv_reg_route *route, struct smtpd_answers_text *t)
{
	bool outside = sender->found == CV_REG_NOT_OURS && route->absence_outside.n;

	t->is_receipt = one->kind == SMTPD_ANSWER_RECEIPT;
	if (!t->is_receipt) {
		t->vi = outside ? route->absence_outside : route->absence_vi;
		t->en = outside ? CV_STR_EMPTY : route->absence_en;
	}
}

static void
answer_for(struct job *j, const struct cv_snapshot *snap, const struct cv_reg_hit *sender,
	const struct smtpd_answer *one)
{
	struct smtpd_server *server = j->all->server;
	struct cv_reg_account a;
	struct cv_reg_route route = { 0 };
	struct cv_err err = { 0 };
	char id[40];

	if (!cv_snapshot_account(snap, one->acct, &a) ||
		(sender->found == CV_REG_ACCOUNT && sender->account.acct == one->acct) ||
		(!cv_snapshot_route(snap, one->acct, &route) &&
			one->kind == SMTPD_ANSWER_ABSENCE) ||
		!may_answer(cv_queue_engine(server->queue), one, j->sender))
		return;
	snprintf(id, sizeof id, "a%llx%08llx", (unsigned long long)cv_wall_ms(),
		(unsigned long long)cv_random_u64() & 0xffffffff);
	struct smtpd_answers_text t = { .from_name = a.display_name, .from = a.address,
		.to = j->sender, .subject = j->subject, .message_id = j->message_id,
		.references = j->references, .delivery_id = j->delivery_id,
		.id = id, .hostname = server->main->hostname, .now_secs = cv_wall_secs() };
	fill_text(one, sender, &route, &t);
	if (send_answer(j, &t, &err) != CV_OK)
		cv_log(0, CV_ERROR, "answer.failed", "id=%s account=%.*s error=\"%s\"", id,
			CV_STR_ARGS(a.address), err.text);
	else
		cv_log(0, CV_INFO, "answer.sent", "id=%s account=%.*s kind=%s", id,
			CV_STR_ARGS(a.address), t.is_receipt ? "receipt" : "absence");
}

static void
job_free(struct job *j)
{
	cv_arena_done(&j->arena);
	free(j);
}

static void
run(void *arg)
{
	struct job *j = arg;
	struct smtpd_server *server = j->all->server;
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_reg_hit sender;

	cv_snapshot_find_address(snap, j->sender, &sender);
	if (sender.found == CV_REG_ACCOUNT || sender.found == CV_REG_NOT_OURS)
		for (size_t i = 0; i < j->count; i++)
			answer_for(j, snap, &sender, &j->answers[i]);
	cv_snapshot_unref(snap);
	smtpd_outbound_kick(server->outbound);
	job_free(j);
}

static bool
start(struct smtpd_answers *a, struct job *j)
{
	pthread_mutex_lock(&a->lock);
	bool started = a->pool && cv_pool_run(a->pool, run, j) == CV_OK;
	pthread_mutex_unlock(&a->lock);
	return started;
}

/* Receipts go to strangers whose address somebody vouches for: who forges a sender must not make us
 * write to him. */
static bool
may_have_receipt(struct smtpd_session *s, const struct cv_snapshot *snap, struct cv_str header)
{
	struct cv_reg_hit hit;

	cv_snapshot_find_address(snap, s->tx->sender, &hit);
	return hit.found == CV_REG_NOT_OURS &&
		(smtpd_filters_said(s->server, header, CV_STR("spf=pass")) ||
			smtpd_filters_said(s->server, header, CV_STR("dmarc=pass")));
}

static void
choose(struct smtpd_session *s, struct cv_str header, struct job *j)
{
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);

	for (size_t i = 0; i < s->tx->answer_count; i++) {
		const struct smtpd_answer *a = &s->tx->answers[i];
		if (is_named(snap, header, a->acct) && (a->kind == SMTPD_ANSWER_ABSENCE ||
			may_have_receipt(s, snap, header)))
			j->answers[j->count++] = *a;
	}
	cv_snapshot_unref(snap);
}

void
smtpd_answers_give(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	struct smtpd_answers_facts facts;
	struct cv_str message;
	struct cv_err err = { 0 };

	if (!tx->answer_count || tx->place != CV_Q_INBOX || tx->held ||
		!smtpd_answers_is_person(tx->sender) ||
		cv_spool_map(&tx->message, &message, &err) != CV_OK)
		return;
	struct cv_str header = cv_str_sub(message, 0, cv_header_body_at(message));
	smtpd_answers_look(header, &facts);
	struct job *j = cv_calloc(1, sizeof *j);
	j->arena = (struct cv_arena)CV_ARENA_INIT;
	j->all = s->server->answers;
	if (facts.is_personal)
		choose(s, header, j);
	j->sender = cv_arena_str(&j->arena, tx->sender);
	j->message_id = cv_arena_str(&j->arena, cv_str_sub(facts.message_id, 0, 1000));
	j->references = cv_arena_str(&j->arena, cv_str_sub(facts.references, 0, 8000));
	j->subject = cv_arena_str(&j->arena, cv_str_sub(facts.subject, 0, 1000));
	j->delivery_id = cv_arena_str(&j->arena, cv_str_z(tx->id));
	cv_spool_unmap(&tx->message, message);
	if (!j->count) {
		job_free(j);
	} else if (!start(s->server->answers, j)) {
		cv_log(cv_conn_id(s->conn), CV_WARN, "answer.too_many", "id=%s", tx->id);
		job_free(j);
	}
}

enum cv_status
smtpd_answers_new(struct smtpd_server *server, struct smtpd_answers **out, struct cv_err *err)
{
	struct smtpd_answers *a = cv_calloc(1, sizeof *a);

	a->server = server;
	pthread_mutex_init(&a->lock, NULL);
	enum cv_status status = cv_pool_new("answers", SENDERS, JOBS_MAX, &a->pool, err);
	if (status == CV_OK)
		*out = a;
	else
		smtpd_answers_free(a);
	return status;
}

void
smtpd_answers_stop(struct smtpd_answers *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	struct cv_pool *pool = a->pool;
	a->pool = NULL;
	pthread_mutex_unlock(&a->lock);
	atomic_store(&a->stop, true);
	if (pool)
		cv_pool_free(pool);
}

void
smtpd_answers_free(struct smtpd_answers *a)
{
	if (!a)
		return;
	smtpd_answers_stop(a);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
