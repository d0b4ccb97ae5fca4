/* verdict.c - see verdict.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/verdict.h"

#include "common/base/log.h"
#include "common/store/quarantine.h"
#include "common/text/header.h"
#include "smtpd/held_notice.h"
#include "smtpd/stats.h"

#define VERDICT_FIELD "X-Congvu-Verdict"
#define REASON_FIELD  "X-Congvu-Quarantine"
#define REASON_MAX    900u

enum cv_queue_place
smtpd_verdict_read(struct cv_str value)
{
	struct cv_str word = cv_str_trim(cv_str_sub(value, 0, cv_str_find(value, ';', 0)));

	if (cv_str_ieq_z(word, "junk"))
		return CV_Q_JUNK;
	return cv_str_ieq_z(word, "quarantine") ? CV_Q_QUARANTINE : CV_Q_INBOX;
}

struct cv_str
smtpd_place_folder(enum cv_queue_place place)
{
	static const char *const folders[] = {
		[CV_Q_INBOX] = "", [CV_Q_JUNK] = "\\Junk", [CV_Q_QUARANTINE] = CV_QUARANTINE_FOLDER};

	return cv_str_z(folders[place]);
}

/* What staff submit is nobody's to judge but an operator's. */
static void
hold(struct smtpd_session *s)
{
	s->tx->place = CV_Q_INBOX;
	s->tx->held = true;
	atomic_fetch_add(&smtpd_stats.placed[SMTPD_PLACED_HELD], 1);
	cv_log(cv_conn_id(s->conn), CV_WARN, "msg.held", "id=%s by=filter account=%s reason=%.*s",
		s->tx->id, s->login, CV_STR_ARGS(s->tx->reason));
	smtpd_held_tell(s);
}

static void
settle(struct smtpd_session *s, enum cv_queue_place place, struct cv_str reason)
{
	struct smtpd_tx *tx = s->tx;
	static const char *const events[] = {
		[CV_Q_JUNK] = "junk", [CV_Q_QUARANTINE] = "quarantine"};

	tx->place = place;
	tx->reason = cv_arena_str(&tx->arena, cv_str_sub(reason, 0, REASON_MAX));
	if (place == CV_Q_QUARANTINE && s->authed) {
		hold(s);
		return;
	}
	if (place == CV_Q_INBOX)
		return;
	atomic_fetch_add(&smtpd_stats.placed[place == CV_Q_JUNK ? SMTPD_PLACED_JUNK
								: SMTPD_PLACED_QUARANTINE],
		1);
	cv_log(cv_conn_id(s->conn), CV_INFO, "msg.placed", "id=%s in=%s reason=%.*s", tx->id,
		events[place], CV_STR_ARGS(tx->reason));
}

void
smtpd_verdict_take(struct smtpd_session *s, const struct smtpd_milter_changes *changes)
{
	struct cv_str verdict = cv_str_trim(cv_str_z(changes->verdict ? changes->verdict : ""));
	enum cv_queue_place place = smtpd_verdict_read(verdict);
	bool asked = changes->quarantine && place != CV_Q_QUARANTINE;

	if (asked)
		settle(s, CV_Q_QUARANTINE, cv_str_z(changes->quarantine));
	else if (place != CV_Q_INBOX || changes->quarantine)
		settle(s, place, verdict);
}

void
smtpd_verdict_relayed(struct smtpd_session *s)
{
	struct cv_str message;
	struct cv_field f;

	if (s->kind != SMTPD_LMTP || !s->server->opt->lmtp_verdicts ||
		cv_spool_map(&s->tx->message, &message, NULL) != CV_OK)
		return;
	if (cv_header_find(message, VERDICT_FIELD, 0, &f)) {
		struct cv_buf value = CV_BUF_INIT(REASON_MAX * 8);
		cv_header_unfold(cv_str_sub(f.value, 0, REASON_MAX), &value);
		enum cv_queue_place place = smtpd_verdict_read(cv_buf_view(&value));
		if (place != CV_Q_INBOX)
			settle(s, place, cv_str_trim(cv_buf_view(&value)));
		cv_buf_done(&value);
	}
	cv_spool_unmap(&s->tx->message, message);
}

/* ---- nothing is dropped (SPM-02) ---- */

static bool
has_public_box(const struct smtpd_session *s)
{
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	struct cv_reg_account a;
	bool found = false;

	for (size_t i = 0; i < s->tx->boxes.n && !found; i++)
		found = cv_snapshot_account(snap, s->tx->boxes.ids[i], &a) &&
			(a.kind == CV_KIND_AGENCY || a.kind == CV_KIND_ROLE);
	cv_snapshot_unref(snap);
	return found;
}

bool
smtpd_verdict_rescues(struct smtpd_session *s)
{
	if (s->authed || !has_public_box(s))
		return false;
	s->tx->discarded = false;
	settle(s, CV_Q_QUARANTINE, CV_STR("a filter wanted it dropped"));
	return true;
}

void
smtpd_verdict_note_boxes(struct smtpd_session *s, struct smtpd_kept *out)
{
	const struct smtpd_boxes *b = &s->tx->boxes;

	*out = (struct smtpd_kept){0};
	if (s->authed || !has_public_box(s))
		return;
	out->ids = CV_ARENA_ARRAY(&s->tx->arena, cv_acct_id, b->n);
	memcpy(out->ids, b->ids, b->n * sizeof *b->ids);
	out->n = b->n;
}

bool
smtpd_verdict_rescues_from(struct smtpd_session *s, const struct smtpd_kept *kept)
{
	for (size_t i = 0; i < kept->n; i++)
		(void)smtpd_boxes_add(&s->tx->boxes, kept->ids[i]);
	if (kept->n)
		settle(s, CV_Q_QUARANTINE, CV_STR("a filter took out every recipient"));
	return kept->n > 0;
}

/* ---- what does not go on ---- */

void
smtpd_verdict_keep_home(struct smtpd_session *s)
{
	struct smtpd_tx *tx = s->tx;
	size_t kept = 0;

	if (tx->place == CV_Q_INBOX)
		return;
	for (size_t i = 0; i < tx->out_count; i++) {
		const struct smtpd_out *out = &tx->outs[i];
		if (!out->is_forward) {
			tx->outs[kept++] = *out;
			continue;
		}
		(void)smtpd_boxes_add(&tx->boxes, out->by);
		cv_log(cv_conn_id(s->conn), CV_INFO, "route.kept", "id=%s by=%.*s to=%.*s", tx->id,
			CV_STR_ARGS(out->by_address), CV_STR_ARGS(out->address));
	}
	tx->out_count = kept;
}

/* ---- the reason, for the owner ---- */

void
smtpd_verdict_write(struct smtpd_session *s)
{
	if (s->tx->place == CV_Q_QUARANTINE)
		cv_header_fold(&s->tx->return_path, REASON_FIELD, s->tx->reason);
}
