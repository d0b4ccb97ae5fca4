/* sending.c - see sending.h: accounts in memory, their limits, freezing.
 *
 * An account is read from its rows when it first sends and stays in memory: some 400 bytes, one for
 * each mailbox at most. Locks: one a shard of accounts, and the keeper's; the keeper's may be taken
 * under a shard's, not the other way round.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "smtpd/sending_internal.h"
#include "smtpd/server.h"

static const struct smtpd_options *
opt_of(const struct smtpd_sending *s)
{
	return *s->o.opt;
}

/* ---- rows ---- */

static cv_acct_id
rows_of(cv_acct_no acct)
{
	return cv_acct(CV_CLASS_STATS, acct & SMTPD_SENDING_NUMBER_MASK);
}

static enum cv_status
commit_rows(struct smtpd_sending *s, cv_acct_no acct, const struct cv_put *puts, size_t count,
            struct cv_err *err)
{
	struct cv_batch batch = {.acct = rows_of(acct), .expect = CV_VERSION_ANY, .puts = puts,
		.count = count};
	cv_ticket ticket;
	enum cv_status status = cv_meta_commit(s->o.engine, &batch, 1, &ticket, err);

	if (status == CV_OK && batch.result != CV_OK)
		status = cv_fail(err, batch.result, "the ledger's rows could not be written: %s",
			cv_status_name(batch.result));
	if (status == CV_OK)
		sending_note_ticket(s, ticket);
	return status;
}

static void
complain(cv_acct_no acct, const struct cv_err *err)
{
	cv_log(0, CV_ERROR, "sending.unwritten", "account=%llu error=\"%s\"",
		(unsigned long long)(acct & SMTPD_SENDING_NUMBER_MASK), err->text);
}

void
sending_write_counts(struct smtpd_sending *s, const struct sending_account *a)
{
	struct cv_buf row = CV_BUF_INIT(1024);
	struct cv_err err = {0};

	smtpd_sending_counts_encode(&a->counts, &row);
	struct cv_put put = {CV_STR("D"), cv_buf_view(&row)};
	/* Mail goes on: the counts in memory hold. */
	if (commit_rows(s, a->acct, &put, 1, &err) != CV_OK)
		complain(a->acct, &err);
	cv_buf_done(&row);
}

void
sending_write_freeze(struct smtpd_sending *s, const struct sending_account *a)
{
	struct cv_buf row = CV_BUF_INIT(1024), counts = CV_BUF_INIT(1024);
	struct cv_err err = {0};

	smtpd_freeze_encode(&a->freeze, &row);
	smtpd_sending_counts_encode(&a->counts, &counts);
	struct cv_put puts[] = {
		{CV_STR("F"), a->freeze.since_secs ? cv_buf_view(&row) : CV_STR_EMPTY},
		{CV_STR("D"), cv_buf_view(&counts)},
	};
	if (commit_rows(s, a->acct, puts, CV_COUNT(puts), &err) != CV_OK)
		complain(a->acct, &err);
	cv_buf_done(&row);
	cv_buf_done(&counts);
}

static struct sending_account *
load(struct smtpd_sending *s, cv_acct_no acct)
{
	static const struct cv_str keys[] = {{"D", 1}, {"F", 1}, {"L", 1}};
	struct sending_account *a = cv_calloc(1, sizeof *a);
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str rows[CV_COUNT(keys)];
	struct cv_err err = {0};
	enum cv_status status;

	a->acct = acct;
	smtpd_limits_clear(&a->own);
	status = cv_meta_read(
		s->o.engine, rows_of(acct), keys, CV_COUNT(keys), rows, &hold, NULL, &err);
	/* A damaged row is as good as none; what it said is counted anew. */
	if (status == CV_OK && rows[0].p)
		status = smtpd_sending_counts_decode(rows[0], &a->counts);
	if (status == CV_OK && rows[1].p)
		status = smtpd_freeze_decode(rows[1], &a->freeze);
	if (status == CV_OK && rows[2].p)
		status = smtpd_limits_decode(rows[2], &a->own);
	if (status != CV_OK)
		cv_log(0, CV_ERROR, "sending.unreadable", "account=%llu status=%s",
			(unsigned long long)(acct & SMTPD_SENDING_NUMBER_MASK),
			cv_status_name(status));
	cv_buf_done(&hold);
	return a;
}

/* ---- accounts ---- */

static struct sending_shard *
shard_of(struct smtpd_sending *s, cv_acct_no acct)
{
	return &s->shards[acct % SMTPD_SENDING_SHARDS];
}

/* ACCT as it is now, under its shard's lock: sending_unlock() follows. */
struct sending_account *
sending_lock(struct smtpd_sending *s, cv_acct_no acct)
{
	struct sending_shard *shard = shard_of(s, acct);
	struct cv_str key = cv_str((const char *)&acct, sizeof acct);

	pthread_mutex_lock(&shard->lock);
	struct sending_account *a = cv_map_get(&shard->accounts, key);
	if (!a) {
		a = load(s, acct);
		cv_map_put(&shard->accounts, key, a);
	}
	return a;
}

void
sending_unlock(struct smtpd_sending *s, const struct sending_account *a)
{
	pthread_mutex_unlock(&shard_of(s, a->acct)->lock);
}

static void
local_time(int64_t secs, struct tm *out)
{
	time_t t = (time_t)secs;

	if (!localtime_r(&t, out))
		memset(out, 0, sizeof *out);
}

/* Brings day and window to the present. */
static void
move_on(struct smtpd_sending *s, struct sending_account *a)
{
	int64_t now = cv_wall_secs();
	struct smtpd_sending_counts *c = &a->counts;
	struct tm tm;

	if (now < a->day_from_secs || now >= a->day_until_secs) {
		local_time(now, &tm);
		a->day_from_secs = now - tm.tm_hour * 3600 - tm.tm_min * 60 - tm.tm_sec;
		a->day_until_secs = a->day_from_secs + 86400;
		uint32_t day = (uint32_t)((tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 +
					  tm.tm_mday);
		if (c->day != day)
			c->messages = c->rcpts = c->outside = c->first_time = c->refused = 0;
		c->day = day;
	}
	smtpd_sending_window_move(c, now, opt_of(s)->send_burst_window);
}

void
smtpd_sending_until(char out[32])
{
	struct tm tm;
	int64_t now = cv_wall_secs();

	local_time(now, &tm);
	/* No day of the province's is shorter or longer than a day. */
	local_time(now + 86400, &tm);
	if (!strftime(out, 32, "00:00 %d/%m/%Y", &tm))
		out[0] = '\0';
}

/* ---- freezing ---- */

/* The account's address for the log, or its number. */
static void
name_account(struct smtpd_sending *s, cv_acct_no acct, char out[320])
{
	const struct cv_snapshot *snap = s->server ? cv_register_get(s->server->reg) : NULL;
	struct cv_reg_account account;

	if (snap && cv_snapshot_account(snap, acct, &account))
		snprintf(out, 320, "%.*s", CV_STR_ARGS(account.address));
	else
		snprintf(out, 320, "%llu",
			(unsigned long long)(acct & SMTPD_SENDING_NUMBER_MASK));
	if (snap)
		cv_snapshot_unref(snap);
}

static void
freeze_locked(struct smtpd_sending *s, struct sending_account *a, const char *by,
              const char *reason)
{
	char name[320];

	a->freeze = (struct smtpd_freeze){.since_secs = cv_wall_secs()};
	snprintf(a->freeze.by, sizeof a->freeze.by, "%s", by);
	snprintf(a->freeze.reason, sizeof a->freeze.reason, "%s", reason);
	atomic_fetch_add(&s->frozen, 1);
	sending_write_freeze(s, a);
	CV_KILL_POINT("sending.frozen");
	name_account(s, a->acct, name);
	cv_log(0, CV_WARN, "sending.frozen", "account=%s by=%s messages=%u outside=%u", name,
		by, a->counts.messages, a->counts.outside);
	sending_add_job(s, a->acct);
}

/* Freezes A when its window holds more than its limits allow. */
static bool
freeze_if_burst(struct smtpd_sending *s, struct sending_account *a,
                const struct smtpd_limits *limits)
{
	uint64_t outside, refused;
	char reason[SMTPD_SENDING_REASON_MAX];

	smtpd_sending_window_sum(&a->counts, &outside, &refused);
	outside += a->open_outside;
	bool burst = limits->n[SMTPD_LIMIT_BURST] && outside > limits->n[SMTPD_LIMIT_BURST];
	bool guesses =
		limits->n[SMTPD_LIMIT_REFUSED] && refused > limits->n[SMTPD_LIMIT_REFUSED];
	if (!burst && !guesses)
		return false;
	snprintf(reason, sizeof reason, "%llu %s recipients within %u seconds",
		(unsigned long long)(burst ? outside : refused), burst ? "outside" : "refused",
		opt_of(s)->send_burst_window);
	freeze_locked(s, a, burst ? "burst" : "refused", reason);
	return true;
}

bool
smtpd_sending_freeze(
	struct smtpd_sending *s, cv_acct_no acct, const char *by, const char *reason)
{
	struct sending_account *a = sending_lock(s, acct);
	bool fresh = !a->freeze.since_secs;

	if (fresh) {
		move_on(s, a);
		freeze_locked(s, a, by, reason);
	}
	sending_unlock(s, a);
	return fresh;
}

bool
smtpd_sending_release(struct smtpd_sending *s, cv_acct_no acct)
{
	struct sending_account *a = sending_lock(s, acct);
	bool was = a->freeze.since_secs != 0;

	if (was) {
		a->freeze = (struct smtpd_freeze){0};
		memset(a->counts.burst, 0, sizeof a->counts.burst);
		memset(a->counts.burst_refused, 0, sizeof a->counts.burst_refused);
		atomic_fetch_sub(&s->frozen, 1);
		sending_write_freeze(s, a);
	}
	sending_unlock(s, a);
	return was;
}

bool
smtpd_sending_any_frozen(struct smtpd_sending *s)
{
	return atomic_load(&s->frozen) > 0;
}

bool
smtpd_sending_is_frozen(struct smtpd_sending *s, cv_acct_no acct)
{
	if (!smtpd_sending_any_frozen(s))
		return false;
	struct sending_account *a = sending_lock(s, acct);
	bool frozen = a->freeze.since_secs != 0;
	sending_unlock(s, a);
	return frozen;
}

/* ---- a transaction ---- */

/* Would HAVE and one more pass the limit? */
static bool
is_over(const struct smtpd_limits *l, enum smtpd_limit which, uint64_t have)
{
	return l->n[which] && have >= l->n[which];
}

enum cv_sending_rule
smtpd_sending_begin(struct smtpd_sending *s, cv_acct_no acct, enum cv_reg_kind kind,
                    struct smtpd_sending_tx *tx)
{
	struct sending_account *a = sending_lock(s, acct);
	enum cv_sending_rule rule = CV_SENDING_ALLOWED;
	struct smtpd_limits limits;

	move_on(s, a);
	smtpd_limits_of(opt_of(s), kind, &a->own, &limits);
	if (a->freeze.since_secs)
		rule = CV_SENDING_FROZEN;
	else if (is_over(&limits, SMTPD_LIMIT_MESSAGES,
			 (uint64_t)a->counts.messages + a->open_messages))
		rule = CV_SENDING_MESSAGES;
	else if (is_over(&limits, SMTPD_LIMIT_RCPTS, (uint64_t)a->counts.rcpts + a->open_rcpts))
		rule = CV_SENDING_RCPTS;
	if (rule == CV_SENDING_ALLOWED) {
		*tx = (struct smtpd_sending_tx){.sending = s, .acct = acct, .kind = kind};
		a->open_messages++;
	}
	sending_unlock(s, a);
	return rule;
}

/* The rows of the pages that HASHES are on, in PAGES by page; HOLD keeps them. */
static enum cv_status
read_pages(struct smtpd_sending *s, cv_acct_no acct, const uint64_t *hashes, size_t count,
           struct cv_str pages[SMTPD_SENDING_PAGES], struct cv_buf *hold, struct cv_err *err)
{
	char names[SMTPD_SENDING_PAGES][2];
	struct cv_str keys[SMTPD_SENDING_PAGES] = {{0}}, values[SMTPD_SENDING_PAGES];
	unsigned place[SMTPD_SENDING_PAGES];
	uint64_t asked = 0;
	size_t n = 0;

	memset(pages, 0, SMTPD_SENDING_PAGES * sizeof *pages);
	for (size_t i = 0; i < count; i++) {
		unsigned page = smtpd_known_page(hashes[i]);
		if (asked >> page & 1)
			continue;
		asked |= (uint64_t)1 << page;
		names[n][0] = 'K';
		names[n][1] = (char)page;
		keys[n] = cv_str(names[n], 2);
		place[n++] = page;
	}
	enum cv_status status =
		cv_meta_read(s->o.engine, rows_of(acct), keys, n, values, hold, NULL, err);
	for (size_t i = 0; status == CV_OK && i < n; i++)
		pages[place[i]] = values[i];
	return status;
}

static bool
is_known(struct smtpd_sending *s, cv_acct_no acct, uint64_t hash)
{
	struct cv_str pages[SMTPD_SENDING_PAGES];
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_err err = {0};
	/* When the rows cannot be read nobody is called new. */
	bool known = read_pages(s, acct, &hash, 1, pages, &hold, &err) != CV_OK ||
		     smtpd_known_has(pages[smtpd_known_page(hash)], hash);

	cv_buf_done(&hold);
	return known;
}

static bool
tx_has(const struct smtpd_sending_tx *tx, uint64_t hash)
{
	for (size_t i = 0; i < tx->count; i++)
		if (tx->hashes[i] == hash)
			return true;
	return false;
}

static void
tx_add(struct smtpd_sending_tx *tx, uint64_t hash)
{
	if (tx->count == tx->room) {
		tx->room = tx->room ? tx->room * 2 : 8;
		tx->hashes = cv_realloc(tx->hashes, tx->room * sizeof *tx->hashes);
	}
	tx->hashes[tx->count++] = hash;
}

enum cv_sending_rule
smtpd_sending_rcpt(struct smtpd_sending_tx *tx, struct cv_str outside)
{
	struct smtpd_sending *s = tx->sending;
	uint64_t hash = 0;
	bool fresh = false, repeated = true;
	enum cv_sending_rule rule = CV_SENDING_ALLOWED;
	struct smtpd_limits limits;

	if (!s)
		return CV_SENDING_ALLOWED;
	if (outside.n) {
		hash = smtpd_known_hash(s->key, tx->acct, outside);
		repeated = tx_has(tx, hash);
		fresh = !repeated && !is_known(s, tx->acct, hash);
	}
	struct sending_account *a = sending_lock(s, tx->acct);
	move_on(s, a);
	smtpd_limits_of(opt_of(s), tx->kind, &a->own, &limits);
	if (a->freeze.since_secs)
		rule = CV_SENDING_FROZEN;
	else if (is_over(&limits, SMTPD_LIMIT_RCPTS, (uint64_t)a->counts.rcpts + a->open_rcpts))
		rule = CV_SENDING_RCPTS;
	else if (fresh && is_over(&limits, SMTPD_LIMIT_FIRST_TIME,
				  (uint64_t)a->counts.first_time + a->open_first_time))
		rule = CV_SENDING_FIRST_TIME;
	if (rule == CV_SENDING_ALLOWED) {
		a->open_rcpts++;
		tx->rcpts++;
		a->open_outside += outside.n > 0;
		tx->outside += outside.n > 0;
		a->open_first_time += fresh;
		tx->first_time += fresh;
		if (outside.n && freeze_if_burst(s, a, &limits))
			rule = CV_SENDING_FROZEN;
	}
	sending_unlock(s, a);
	if (rule == CV_SENDING_ALLOWED) {
		tx->last_hashed = !repeated;
		tx->last_fresh = fresh;
		tx->last_outside = outside.n > 0;
		if (!repeated)
			tx_add(tx, hash);
	}
	return rule;
}

void
smtpd_sending_rcpt_undo(struct smtpd_sending_tx *tx)
{
	struct smtpd_sending *s = tx->sending;

	if (!s || !tx->rcpts)
		return;
	struct sending_account *a = sending_lock(s, tx->acct);
	a->open_rcpts--;
	tx->rcpts--;
	if (tx->last_outside) {
		a->open_outside--;
		tx->outside--;
	}
	if (tx->last_fresh) {
		a->open_first_time--;
		tx->first_time--;
	}
	sending_unlock(s, a);
	tx->count -= tx->last_hashed;
	tx->last_hashed = tx->last_fresh = tx->last_outside = false;
}

void
smtpd_sending_rcpt_refused(struct smtpd_sending *s, cv_acct_no acct, enum cv_reg_kind kind)
{
	struct sending_account *a = sending_lock(s, acct);
	struct smtpd_limits limits;

	move_on(s, a);
	a->counts.refused++;
	smtpd_sending_window_add(&a->counts, 0, 1);
	smtpd_limits_of(opt_of(s), kind, &a->own, &limits);
	if (!a->freeze.since_secs && !freeze_if_burst(s, a, &limits))
		sending_write_counts(s, a);
	sending_unlock(s, a);
}

/* Puts the transaction's outside recipients among the known ones, and the counts beside them. */
static enum cv_status
write_all(struct smtpd_sending *s, const struct sending_account *a,
          const struct smtpd_sending_tx *tx, struct cv_err *err)
{
	struct cv_str pages[SMTPD_SENDING_PAGES] = {{0}};
	char names[SMTPD_SENDING_PAGES][2];
	bool changed[SMTPD_SENDING_PAGES] = {false};
	struct cv_put puts[SMTPD_SENDING_PAGES + 1];
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf hold = CV_BUF_INIT(CV_BATCH_MAX), row = CV_BUF_INIT(4096);
	size_t n = 0;
	enum cv_status status = CV_OK;

	if (tx->count)
		status = read_pages(s, tx->acct, tx->hashes, tx->count, pages, &hold, err);
	for (size_t i = 0; status == CV_OK && i < tx->count; i++) {
		unsigned page = smtpd_known_page(tx->hashes[i]);
		cv_buf_reset(&row);
		if (!smtpd_known_add(pages[page], tx->hashes[i], &row))
			continue;
		pages[page] = cv_arena_str(&arena, cv_buf_view(&row));
		changed[page] = true;
	}
	for (unsigned page = 0; page < SMTPD_SENDING_PAGES; page++) {
		if (!changed[page])
			continue;
		names[n][0] = 'K';
		names[n][1] = (char)page;
		puts[n] = (struct cv_put){cv_str(names[n], 2), pages[page]};
		n++;
	}
	cv_buf_reset(&row);
	smtpd_sending_counts_encode(&a->counts, &row);
	puts[n++] = (struct cv_put){CV_STR("D"), cv_buf_view(&row)};
	if (status == CV_OK)
		status = commit_rows(s, tx->acct, puts, n, err);
	cv_buf_done(&hold);
	cv_buf_done(&row);
	cv_arena_done(&arena);
	return status;
}

static void
give_back(struct sending_account *a, const struct smtpd_sending_tx *tx)
{
	a->open_messages--;
	a->open_rcpts -= tx->rcpts;
	a->open_outside -= tx->outside;
	a->open_first_time -= tx->first_time;
}

static void
tx_forget(struct smtpd_sending_tx *tx)
{
	free(tx->hashes);
	*tx = (struct smtpd_sending_tx){0};
}

enum cv_sending_rule
smtpd_sending_commit(struct smtpd_sending_tx *tx)
{
	struct smtpd_sending *s = tx->sending;
	struct cv_err err = {0};

	if (!s)
		return CV_SENDING_ALLOWED;
	struct sending_account *a = sending_lock(s, tx->acct);
	move_on(s, a);
	give_back(a, tx);
	bool frozen = a->freeze.since_secs != 0;
	if (!frozen) {
		a->counts.messages++;
		a->counts.rcpts += tx->rcpts;
		a->counts.outside += tx->outside;
		a->counts.first_time += tx->first_time;
		smtpd_sending_window_add(&a->counts, tx->outside, 0);
		/* Mail inside the province changes counts alone: the keeper writes them soon. */
		if (!tx->count)
			sending_add_dirty(s, a);
		else if (write_all(s, a, tx, &err) != CV_OK)
			complain(a->acct, &err);
	}
	sending_unlock(s, a);
	tx_forget(tx);
	return frozen ? CV_SENDING_FROZEN : CV_SENDING_ALLOWED;
}

void
smtpd_sending_end(struct smtpd_sending_tx *tx)
{
	if (!tx->sending)
		return;
	struct sending_account *a = sending_lock(tx->sending, tx->acct);
	give_back(a, tx);
	sending_unlock(tx->sending, a);
	tx_forget(tx);
}

/* ---- looking and setting ---- */

enum cv_status
smtpd_sending_set_limits(struct smtpd_sending *s, cv_acct_no acct, const struct smtpd_limits *own,
                         struct cv_err *err)
{
	struct sending_account *a = sending_lock(s, acct);
	struct cv_buf row = CV_BUF_INIT(256);
	bool any = false;

	smtpd_limits_encode(own, &row);
	for (int i = 0; i < SMTPD_LIMIT_COUNT; i++)
		any |= own->n[i] != SMTPD_LIMIT_UNSET;
	struct cv_put put = {CV_STR("L"), any ? cv_buf_view(&row) : CV_STR_EMPTY};
	enum cv_status status = commit_rows(s, acct, &put, 1, err);
	if (status == CV_OK)
		a->own = *own;
	sending_unlock(s, a);
	cv_buf_done(&row);
	return status;
}

void
smtpd_sending_look(struct smtpd_sending *s, cv_acct_no acct, struct smtpd_sending_view *out)
{
	struct sending_account *a = sending_lock(s, acct);

	move_on(s, a);
	*out = (struct smtpd_sending_view){.counts = a->counts, .freeze = a->freeze, .own = a->own};
	smtpd_sending_window_sum(&a->counts, &out->burst, &out->burst_refused);
	sending_unlock(s, a);
}

struct each_call {
	bool (*fn)(void *arg, cv_acct_no acct);
	void *arg;
};

static bool
each_acct(void *arg, cv_acct_id acct, uint64_t version)
{
	struct each_call *call = arg;

	(void)version;
	return call->fn(call->arg, cv_acct(CV_CLASS_USER, acct & SMTPD_SENDING_NUMBER_MASK));
}

enum cv_status
smtpd_sending_each(struct smtpd_sending *s, bool (*fn)(void *arg, cv_acct_no acct), void *arg,
                   struct cv_err *err)
{
	struct each_call call = {fn, arg};

	return cv_meta_accts(s->o.engine, CV_CLASS_STATS, each_acct, &call, err);
}
