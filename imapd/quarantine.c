/* quarantine.c - see quarantine.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/quarantine.h"

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/log.h"
#include "common/text/charset.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"
#include "imapd/letter.h"

#define REASON_FIELD  "X-Congvu-Quarantine"
#define VALUE_MAX     2000u
#define LINE_MAX      600u
#define TEACH_MAX     (256u << 10) /* octets of a message that the filter learns from */
#define TEACH_SECS    3

/* ---- what a head says ---- */

/* The field's text on one line of valid UTF-8. */
static struct cv_str
plain(struct cv_str value, struct cv_arena *arena)
{
	struct cv_buf text = CV_BUF_INIT(4 * VALUE_MAX), clean = CV_BUF_INIT(4 * VALUE_MAX);

	cv_words_decode(cv_str_sub(value, 0, VALUE_MAX), CV_STR_EMPTY, &text);
	struct cv_str in = cv_str_trim(cv_buf_view(&text));
	for (size_t pos = 0; pos < in.n && clean.n < LINE_MAX;) {
		size_t at = pos;
		uint32_t c = cv_utf8_next(in, &pos);
		/* Control characters, and those that turn the direction of writing. */
		bool is_bad = c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
			      (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029 ||
			      c == 0x200e || c == 0x200f || c == 0xfeff;
		if (is_bad)
			cv_buf_c(&clean, ' ');
		else if (c == 0xfffd)
			cv_buf_z(&clean, "?");
		else
			cv_buf_str(&clean, cv_str_sub(in, at, pos));
	}
	struct cv_str out = cv_arena_str(arena, cv_buf_view(&clean));
	cv_buf_done(&text);
	cv_buf_done(&clean);
	return out;
}

/* "score=" or "rules=" in REASON, up to the semicolon. */
static struct cv_str
part_of(struct cv_str reason, const char *name)
{
	struct cv_str rest = reason, word;

	while (cv_str_split(&rest, ';', &word)) {
		word = cv_str_trim(word);
		if (cv_str_has_prefix(word, name))
			return cv_str_sub(word, strlen(name), word.n);
	}
	return CV_STR_EMPTY;
}

void
imapd_held_parse(struct cv_str head, struct cv_arena *arena, struct imapd_held *out)
{
	const struct {
		const char *name;
		struct cv_str *out;
	} rows[] = {
		{"Return-Path", &out->sender},
		{REASON_FIELD, &out->reason},
		{"From", &out->from},
		{"Subject", &out->subject},
	};
	struct cv_field f;

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		*rows[i].out = cv_header_find(head, rows[i].name, 0, &f) ? plain(f.value, arena)
									 : CV_STR_EMPTY;
	if (out->sender.n > 1 && out->sender.p[0] == '<')
		out->sender = cv_str_sub(out->sender, 1, cv_str_find(out->sender, '>', 0));
	out->score = part_of(out->reason, "score=");
	out->rules = part_of(out->reason, "rules=");
}

/* ---- reading ---- */

static enum cv_status
append_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct cv_buf *out = arg;

	(void)err;
	cv_buf_str(out, cv_str_sub(bytes, 0, out->max - out->n));
	return CV_OK;
}

static enum cv_status
open_box(struct imapd *d, cv_acct_id acct, struct cv_acct **a_out, struct cv_mbox **m_out,
	struct cv_err *err)
{
	enum cv_status status = cv_acct_open(d->store, acct, false, a_out, NULL, err);

	if (status)
		return status;
	status = cv_quarantine_open(*a_out, m_out, err);
	if (status)
		cv_acct_close(*a_out);
	return status;
}

static void
close_box(struct cv_acct *a, struct cv_mbox *m)
{
	cv_mbox_close(m);
	cv_acct_close(a);
}

struct listing {
	struct imapd_held *items;
	size_t count, max;
};

static bool
on_msg(void *arg, const struct cv_msg *msg)
{
	struct listing *l = arg;

	l->items[l->count++] = (struct imapd_held){.uid = msg->uid,
		.arrived_secs = msg->internal_secs,
		.size_bytes = msg->size_bytes,
		.body = msg->body};
	return l->count < l->max;
}

static enum cv_status
fill(struct imapd *d, struct cv_mbox *m, const struct cv_view *v, struct imapd_held *item,
	struct cv_arena *arena, struct cv_err *err)
{
	const struct cv_entry *e = cv_view_uid(v, item->uid);
	struct cv_buf head = CV_BUF_INIT(IMAPD_HELD_HEAD_MAX);

	item->uidvalidity = v->uidvalidity;
	item->is_told = e && e->flags & CV_FLAG_SEEN;
	item->expires_secs = item->arrived_secs + cv_quarantine_keep_secs(d->store);
	enum cv_status status = cv_msg_read(
		m, &item->body, 0, CV_MIN(item->size_bytes, (uint64_t)IMAPD_HELD_HEAD_MAX),
		append_bytes, &head, err);
	if (!status)
		imapd_held_parse(cv_buf_view(&head), arena, item);
	cv_buf_done(&head);
	return status;
}

static enum cv_status
list_box(struct imapd *d, struct cv_mbox *m, const struct imapd_held_choice *choice,
	struct listing *l, struct cv_arena *arena, struct cv_err *err)
{
	const struct cv_view *v;
	enum cv_status status = cv_mbox_view(m, &v, err);

	if (status)
		return status;
	size_t n = 0;
	uint32_t *uids = CV_ARENA_ARRAY(arena, uint32_t, CV_MIN((size_t)v->exists, l->max) + 1);
	for (uint32_t i = 1; i <= v->exists && n < l->max; i++) {
		const struct cv_entry *e = cv_view_seq(v, i);
		if ((!choice->uid || e->uid == choice->uid) &&
			!(choice->untold && e->flags & CV_FLAG_SEEN))
			uids[n++] = e->uid;
	}
	l->items = CV_ARENA_ARRAY(arena, struct imapd_held, n + 1);
	if (n)
		status = cv_msg_each(m, uids, n, false, on_msg, l, err);
	for (size_t i = 0; !status && i < l->count; i++)
		status = fill(d, m, v, &l->items[i], arena, err);
	cv_view_unref(v);
	return status;
}

enum cv_status
imapd_held_list(struct imapd *d, cv_acct_id acct, const struct imapd_held_choice *choice,
	struct cv_arena *arena, struct imapd_held **out, size_t *count_out, struct cv_err *err)
{
	struct listing l = {.max = choice->max};
	struct cv_acct *a;
	struct cv_mbox *m;

	*count_out = 0;
	*out = NULL;
	enum cv_status status = open_box(d, acct, &a, &m, err);
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status;
	status = l.max ? list_box(d, m, choice, &l, arena, err) : CV_OK;
	close_box(a, m);
	*out = l.items;
	*count_out = l.count;
	return status;
}

enum cv_status
imapd_held_read(struct imapd *d, cv_acct_id acct, const struct imapd_held *item,
	struct cv_buf *out, struct cv_err *err)
{
	struct cv_acct *a;
	struct cv_mbox *m;
	enum cv_status status = open_box(d, acct, &a, &m, err);

	if (status)
		return status;
	status = cv_msg_read(m, &item->body, 0, CV_MIN(item->size_bytes, (uint64_t)out->max),
		append_bytes, out, err);
	close_box(a, m);
	return status;
}

/* ---- acting ---- */

enum cv_status
imapd_held_audit(struct imapd *d, const struct imapd_actor *actor, const char *action,
	const char *object, json_t *detail, struct cv_err *err)
{
	const struct cv_audit_event event = {.actor = actor->name,
		.address = actor->address,
		.port = actor->port,
		.action = action,
		.object = object,
		.result = "ok",
		.detail = detail};
	cv_ticket ticket = 0;
	enum cv_status status = cv_audit_write(d->audit, &event, &ticket, err);

	if (!status)
		cv_ticket_block(d->engine, ticket);
	return status;
}

struct act {
	struct imapd *d;
	cv_acct_id acct;
	const struct imapd_actor *actor;
	struct cv_arena arena;
	struct imapd_held *item;
	char address[320];
};

static enum cv_status
find_item(struct act *t, uint32_t uid, uint32_t uidvalidity, struct cv_err *err)
{
	const struct cv_snapshot *s = cv_register_get(t->d->reg);
	struct cv_reg_account account;
	size_t count;

	snprintf(t->address, sizeof(t->address), "%llx", (unsigned long long)t->acct);
	if (cv_snapshot_account(s, t->acct, &account))
		snprintf(t->address, sizeof(t->address), "%.*s", CV_STR_ARGS(account.address));
	cv_snapshot_unref(s);
	const struct imapd_held_choice one = {.uid = uid, .max = 1};
	enum cv_status status =
		imapd_held_list(t->d, t->acct, &one, &t->arena, &t->item, &count, err);
	if (!status && (!uid || !count || (uidvalidity && t->item->uidvalidity != uidvalidity)))
		status = cv_fail(err, CV_NOT_FOUND,
			"there is no such message in quarantine: it was released or deleted");
	return status;
}

static enum cv_status
note(struct act *t, const char *action, struct cv_err *err)
{
	json_t *detail = json_pack("{s:I, s:s%, s:I}", "item", (json_int_t)t->item->uid, "sender",
		t->item->sender.n ? t->item->sender.p : "", t->item->sender.n, "arrived",
		(json_int_t)t->item->arrived_secs);
	enum cv_status status =
		imapd_held_audit(t->d, t->actor, action, t->address, detail, err);

	json_decref(detail);
	return status;
}

static enum cv_status
remove_item(struct act *t, struct cv_err *err)
{
	struct cv_acct *a;
	struct cv_mbox *m;
	size_t removed;
	cv_ticket ticket = 0;
	enum cv_status status = open_box(t->d, t->acct, &a, &m, err);

	if (status)
		return status;
	status = cv_mbox_remove(m, &t->item->uid, 1, &removed, &ticket, err);
	close_box(a, m);
	if (!status && ticket)
		cv_ticket_block(t->d->engine, ticket);
	return status;
}

/* The message without its Return-Path line, which stands before our field. */
struct copying {
	struct cv_spool *spool;
	uint64_t skip;
};

static enum cv_status
copy_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct copying *c = arg;
	size_t skip = (size_t)CV_MIN(c->skip, (uint64_t)bytes.n);

	c->skip -= skip;
	return bytes.n > skip ? cv_spool_write(c->spool, cv_str_sub(bytes, skip, bytes.n), err)
			      : CV_OK;
}

static enum cv_status
copy_message(struct act *t, struct cv_spool *spool, struct cv_buf *prefix, struct cv_err *err)
{
	struct copying c = {.spool = spool};
	struct cv_acct *a;
	struct cv_mbox *m;
	struct cv_buf head = CV_BUF_INIT(VALUE_MAX);
	enum cv_status status = open_box(t->d, t->acct, &a, &m, err);

	if (status)
		return status;
	status = cv_msg_read(m, &t->item->body, 0,
		CV_MIN(t->item->size_bytes, (uint64_t)VALUE_MAX), append_bytes, &head, err);
	size_t end = cv_str_search(cv_buf_view(&head), CV_STR("\r\n"));
	if (!status && cv_str_has_prefix(cv_buf_view(&head), "Return-Path:") && end < head.n) {
		c.skip = end + 2;
		cv_buf_str(prefix, cv_str_sub(cv_buf_view(&head), 0, end + 2));
	}
	cv_buf_printf(prefix, "X-Congvu-Released: by %s; ", t->actor->name);
	cv_date_write_mail(prefix, cv_date_at(cv_wall_secs(), CV_ZONE_VIETNAM));
	cv_buf_z(prefix, "\r\n");
	if (!status)
		status = cv_msg_read(m, &t->item->body, 0, UINT64_MAX, copy_bytes, &c, err);
	cv_buf_done(&head);
	close_box(a, m);
	return status;
}

static enum cv_status
deliver(struct act *t, struct cv_err *err)
{
	struct cv_buf prefix = CV_BUF_INIT(2 * VALUE_MAX);
	struct cv_spool spool;
	char id[CV_DELIVERY_ID_MAX + 1];

	snprintf(id, sizeof(id), "release.%u.%u", t->item->uidvalidity, t->item->uid);
	cv_spool_init(&spool, cv_store_spool_dir(t->d->store));
	enum cv_status status = copy_message(t, &spool, &prefix, err);
	if (!status)
		status = imapd_put(t->d, t->acct, CV_STR_EMPTY, cv_str_z(id), cv_buf_view(&prefix),
			&spool, NULL, err);
	cv_spool_done(&spool);
	cv_buf_done(&prefix);
	return status;
}

/* A wrong catch teaches the filter (SPM-05). Best effort: who released waits for it, so not long,
 * and a filter that is away, or is none of ours, changes nothing. */
static void
teach(struct act *t, struct cv_str message)
{
	struct cv_buf text = CV_BUF_INIT(CV_BASE64_SIZE(TEACH_MAX));
	struct cv_err err = {0};
	char path[1200];
	json_t *reply = NULL;

	snprintf(path, sizeof(path), "%s/spamfilter.ctl",
		imapd_config(t->d)->common->run_dir);
	cv_base64_encode(message, &text);
	json_t *request = json_pack("{s:s s:s s:s s:I s:s%}", "do", "classifier.train", "class",
		"ham", "address", t->address, "teacher", (json_int_t)t->acct, "message",
		text.n ? text.p : "", text.n);
	if (request && cv_ctl_ask(path, request, TEACH_SECS, NULL, NULL, &reply, &err))
		cv_log(0, CV_DEBUG, "quarantine.untaught", "error=\"%s\"", err.text);
	json_decref(reply);
	json_decref(request);
	cv_buf_done(&text);
}

enum cv_status
imapd_held_release(struct imapd *d, cv_acct_id acct, uint32_t uid, uint32_t uidvalidity,
	const struct imapd_actor *actor, struct cv_err *err)
{
	struct act t = {.d = d, .acct = acct, .actor = actor};
	struct cv_buf message = CV_BUF_INIT(TEACH_MAX);
	enum cv_status status = find_item(&t, uid, uidvalidity, err);

	if (!status)
		status = note(&t, "quarantine.release", err);
	if (!status)
		status = imapd_held_read(d, acct, t.item, &message, err);
	if (!status)
		status = deliver(&t, err);
	CV_KILL_POINT("quarantine.released");
	if (!status)
		status = remove_item(&t, err);
	if (!status) {
		cv_log(0, CV_INFO, "quarantine.released", "account=%s item=%u by=%s", t.address,
			uid, actor->name);
		teach(&t, cv_buf_view(&message));
	}
	cv_buf_done(&message);
	cv_arena_done(&t.arena);
	return status;
}

enum cv_status
imapd_held_delete(struct imapd *d, cv_acct_id acct, uint32_t uid, uint32_t uidvalidity,
	const struct imapd_actor *actor, struct cv_err *err)
{
	struct act t = {.d = d, .acct = acct, .actor = actor};
	enum cv_status status = find_item(&t, uid, uidvalidity, err);

	if (!status)
		status = note(&t, "quarantine.delete", err);
	if (!status)
		status = remove_item(&t, err);
	if (!status)
		cv_log(0, CV_INFO, "quarantine.deleted", "account=%s item=%u by=%s", t.address,
			uid, actor->name);
	cv_arena_done(&t.arena);
	return status;
}

enum cv_status
imapd_held_told(struct imapd *d, cv_acct_id acct, const struct imapd_held *items, size_t count,
	struct cv_err *err)
{
	const struct cv_flag_change seen = {.flags = CV_FLAG_SEEN};
	uint32_t *uids = cv_calloc(2 * count + 1, sizeof *uids);
	size_t failed;
	uint64_t modseq;
	cv_ticket ticket = 0;
	struct cv_acct *a;
	struct cv_mbox *m;
	enum cv_status status = open_box(d, acct, &a, &m, err);

	for (size_t i = 0; i < count; i++)
		uids[i] = items[i].uid;
	if (!status) {
		status = cv_mbox_store(m, uids, count, CV_STORE_ADD, &seen, UINT64_MAX,
			uids + count, &failed, &modseq, &ticket, err);
		close_box(a, m);
	}
	if (!status && ticket)
		cv_ticket_block(d->engine, ticket);
	free(uids);
	return status;
}

void
imapd_held_configure(struct imapd *d, const struct imapd_config *config)
{
	const struct imapd_options *o = config->imapd;
	const struct cv_quarantine_limits limits = {
		.max_messages = (uint32_t)o->quarantine_messages,
		.max_bytes = o->quarantine_size,
		.keep_secs = (int64_t)o->quarantine_keep};

	cv_quarantine_limit(d->store, &limits);
}
