/* arrivals.c - see arrivals.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/arrivals.h"

#include "common/audit/answers.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/text/address.h"
#include "common/text/header.h"
#include "common/text/summary.h"

static bool
has_word(struct cv_str header, const char *field, const char *word)
{
	struct cv_field f;

	return cv_header_find(header, field, 0, &f) &&
	       (!*word || cv_str_isearch(f.value, cv_str_z(word)) < f.value.n);
}

/* A program wrote it, or it went to many: nobody waits for an answer. */
static bool
is_automatic(struct cv_str header)
{
	struct cv_field f;

	if (cv_header_find(header, "Auto-Submitted", 0, &f) &&
		!cv_str_has_iprefix(cv_str_trim(f.value), "no"))
		return true;
	return has_word(header, "Return-Path", "<>") || has_word(header, "Precedence", "bulk") ||
	       has_word(header, "Precedence", "list") || has_word(header, "Precedence", "junk") ||
	       has_word(header, "List-Id", "") || has_word(header, "List-Unsubscribe", "");
}

static bool
is_from_outside(const struct cv_snapshot *snap, struct cv_str header)
{
	struct cv_field f;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_addr_list list;
	bool outside = false;

	if (cv_header_find(header, "From", 0, &f)) {
		cv_addr_list_parse(&arena, f.value, &list);
		outside = list.n && list.items[0].host.n &&
			  !cv_snapshot_has_domain(snap, list.items[0].host);
	}
	cv_arena_done(&arena);
	return outside;
}

static bool
is_office(const struct cv_snapshot *snap, cv_acct_id acct)
{
	struct cv_reg_account account;

	return cv_snapshot_account(snap, acct, &account) &&
	       (account.kind == CV_KIND_AGENCY || account.kind == CV_KIND_ROLE);
}

static void
say(const char *what, const struct cv_err *err)
{
	cv_log(0, CV_WARN, "answers.not_noted", "what=%s error=\"%s\"", what, err->text);
}

static void
on_delivered(void *arg, const struct cv_delivered *got)
{
	struct imapd *d = arg;
	struct cv_summary summary;
	struct cv_err err;

	cv_audit_count(d->audit, got->acct, CV_COUNT_RECEIVED, 1);
	if (got->is_junk)
		return;
	const struct cv_snapshot *snap = cv_register_get(d->reg);
	if (is_office(snap, got->acct) && !cv_summary_decode(got->summary, &summary) &&
		!is_automatic(summary.headers) && is_from_outside(snap, summary.headers)) {
		struct cv_arrival_note note = {.box = got->acct,
			.secs = got->secs,
			.mailbox = got->mailbox,
			.uid = got->uid};
		memcpy(note.email_id, got->email_id, sizeof note.email_id);
		if (summary.message_id.n)
			cv_sent_hash(summary.message_id, note.message);
		if (cv_answers_arrived(d->store, &note, &err))
			say("arrival", &err);
	}
	cv_snapshot_unref(snap);
}

static void
on_sent(void *arg, const struct cv_sent_note *note)
{
	struct imapd *d = arg;
	struct cv_err err;

	cv_audit_count(d->audit, note->acct, CV_COUNT_SENT, 1);
	if (cv_answers_sent(d->store, note->refs, note->ref_count, cv_wall_secs(), &err))
		say("answer", &err);
}

void
imapd_arrivals_start(struct imapd *d)
{
	d->watch = (struct cv_store_watch){on_delivered, on_sent, d};
	cv_store_set_watch(d->store, &d->watch);
}

void
imapd_note_answered(struct imapd_conn *c, const uint32_t *uids, size_t count)
{
	struct cv_err err;
	const struct cv_snapshot *snap = cv_register_get(c->server->reg);
	bool office = is_office(snap, c->session->owner.acct);

	cv_snapshot_unref(snap);
	if (office && cv_answers_flagged(c->server->store, c->session->owner.acct,
			      (uint32_t)cv_mbox_id(c->session->mbox), uids, count, cv_wall_secs(),
			      &err))
		say("flag", &err);
}
