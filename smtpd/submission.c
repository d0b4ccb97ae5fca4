/* submission.c - see submission.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/submission.h"

#include "common/base/log.h"
#include "common/policy/mail.h"
#include "common/text/content.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"
#include "smtpd/envelope.h"
#include "smtpd/from_name.h"
#include "smtpd/note.h"

#define SUBJECT_MAX (64u << 10)

/* ---- how much ---- */

static void
decide(struct smtpd_session *s, enum cv_sending_rule rule, struct cv_decision *d)
{
	char until[32];

	smtpd_sending_until(until);
	bool of_account = rule == CV_SENDING_FROZEN || rule == CV_SENDING_SUSPENDED;
	cv_policy_sending(rule, cv_str_z(of_account ? s->login : until), d);
}

/* What the register says of the account now: it may have changed since the log-in. */
static bool
account_of(struct smtpd_session *s, enum cv_reg_kind *kind_out)
{
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	struct cv_reg_account account;
	bool active = cv_snapshot_account(snap, s->acct, &account) &&
		      account.state == CV_STATE_ACTIVE;

	*kind_out = active ? account.kind : CV_KIND_PERSON;
	cv_snapshot_unref(snap);
	return active;
}

bool
smtpd_submission_mail(struct smtpd_session *s, struct cv_decision *d)
{
	enum cv_reg_kind kind;
	enum cv_sending_rule rule = CV_SENDING_SUSPENDED;

	if (!s->authed)
		return true;
	if (account_of(s, &kind))
		rule = smtpd_sending_begin(s->server->sending, s->acct, kind, &s->tx->sending);
	if (rule == CV_SENDING_ALLOWED)
		return true;
	decide(s, rule, d);
	return false;
}

/* The ledger's name of an address: any spelling of it is one correspondent. */
static struct cv_str
ledger_name(struct cv_str address, bool outside, struct cv_buf *key)
{
	if (!outside)
		return CV_STR_EMPTY;
	if (cv_address_key(address, key, NULL) != CV_OK || !key->n)
		return address;
	return cv_buf_view(key);
}

/* D says which domain was probably meant. The log has the domain, never the address. */
static bool
is_misspelt(struct smtpd_session *s, struct cv_str address, struct cv_decision *d)
{
	struct cv_str local, domain;

	smtpd_envelope_split(address, &local, &domain);
	cv_policy_recipient_typo(s->server->policy, domain, d);
	if (d->verdict != CV_MARK)
		return false;
	cv_log(cv_conn_id(s->conn), CV_INFO, "policy.typo", "id=%s account=%s domain=%.*s",
		s->tx->id, s->login, CV_STR_ARGS(domain));
	return true;
}

bool
smtpd_submission_rcpt_warns(struct smtpd_session *s, struct cv_str address, struct cv_decision *d)
{
	return s->authed && !strcmp(s->server->opt->recipient_typos, "warn") &&
	       is_misspelt(s, address, d);
}

bool
smtpd_submission_rcpt(
	struct smtpd_session *s, struct cv_str address, bool outside, struct cv_decision *d)
{
	struct cv_buf key = CV_BUF_INIT(CV_PATH_MAX * 4);

	if (!s->authed)
		return true;
	if (outside && !strcmp(s->server->opt->recipient_typos, "refuse") &&
		is_misspelt(s, address, d)) {
		d->verdict = CV_REFUSE;
		d->smtp_code = 550;
		d->enhanced = "5.1.2";
		return false;
	}
	enum cv_sending_rule rule = smtpd_sending_rcpt(
		&s->tx->sending, ledger_name(address, outside, &key));
	cv_buf_done(&key);
	if (rule == CV_SENDING_ALLOWED)
		return true;
	decide(s, rule, d);
	return false;
}

void
smtpd_submission_rcpt_undo(struct smtpd_tx *tx)
{
	smtpd_sending_rcpt_undo(&tx->sending);
}

void
smtpd_submission_rcpt_refused(struct smtpd_session *s)
{
	enum cv_reg_kind kind;

	if (s->authed && account_of(s, &kind))
		smtpd_sending_rcpt_refused(s->server->sending, s->acct, kind);
}

/* ---- refusing a message ---- */

static bool
refuse(struct smtpd_session *s, const struct cv_decision *d)
{
	smtpd_note_refused(s, d->smtp_code, d->enhanced, d->rule);
	atomic_fetch_add(&s->server->counters.refused, 1);
	smtpd_reply_decision(cv_conn_out(s->conn), d, s->tx->smtputf8);
	return true;
}

static bool
is_refusal(const struct cv_decision *d)
{
	return d->verdict == CV_REFUSE || d->verdict == CV_DEFER;
}

bool
smtpd_submission_count_refuses(struct smtpd_session *s)
{
	struct cv_decision d;

	if (!s->authed)
		return false;
	enum cv_sending_rule rule = smtpd_sending_commit(&s->tx->sending);
	if (rule == CV_SENDING_ALLOWED)
		return false;
	decide(s, rule, &d);
	return refuse(s, &d);
}

/* ---- what it says ---- */

/* ACC-08: who acts for another box stands in the log, once a box. *LAST is the box named before. */
static void
note_box(struct smtpd_session *s, const struct cv_reg_hit *box, cv_acct_no *last)
{
	if (box->found != CV_REG_ACCOUNT || box->account.acct == s->acct ||
		box->account.acct == *last)
		return;
	*last = box->account.acct;
	cv_log(cv_conn_id(s->conn), CV_INFO, "send.on_behalf", "id=%s account=%s box=%.*s",
		s->tx->id, s->login, CV_STR_ARGS(box->account.address));
}

static void
note_boxes(struct smtpd_session *s, const struct cv_snapshot *snap, struct cv_str header)
{
	struct cv_header_scan scan;
	struct cv_field field;
	struct cv_from from;
	struct cv_reg_hit box;
	cv_acct_no last = 0;

	if (s->tx->sender.n) {
		cv_snapshot_find_address(snap, s->tx->sender, &box);
		note_box(s, &box, &last);
	}
	cv_header_scan_init(&scan, header);
	while (cv_header_next(&scan, &field)) {
		if (!cv_str_ieq_z(field.name, "From") ||
			cv_from_strict(&s->tx->arena, field.value, &from, NULL))
			continue;
		for (size_t i = 0; i < from.n; i++) {
			cv_snapshot_find(snap, from.items[i].local, from.items[i].domain, &box);
			note_box(s, &box, &last);
		}
	}
}

static void
judge_identity(struct smtpd_session *s, struct cv_str header, struct cv_decision *d)
{
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);

	cv_policy_header_from(
		s->server->policy, snap, s->acct, header, !s->tx->sender.n, d);
	if (!is_refusal(d))
		note_boxes(s, snap, header);
	cv_snapshot_unref(snap);
}

/* Subject, names of files, first text: what the filter looks at too, but a filter may be off. */
static void
judge_secrecy(struct smtpd_session *s, struct cv_str message, struct cv_decision *d)
{
	struct cv_content *c = cv_content_new();
	struct cv_buf subject = CV_BUF_INIT(SUBJECT_MAX);
	struct cv_header_scan scan;
	struct cv_field field;
	const struct cv_str *files;

	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &field)) {
		if (!cv_str_ieq_z(field.name, "Subject") || subject.n >= SUBJECT_MAX / 2)
			continue;
		cv_words_decode(
			cv_str_sub(field.value, 0, SUBJECT_MAX / 8), CV_STR_EMPTY, &subject);
		cv_buf_c(&subject, '\n');
	}
	cv_content_message(c, message);
	cv_content_end(c);
	size_t count = cv_content_files(c, &files);
	cv_policy_secrecy(s->server->policy, cv_buf_view(&subject), files, count,
		cv_content_text(c), d);
	cv_content_free(c);
	cv_buf_done(&subject);
}

/* POL-04: no copy. Large messages are in a file that has no name; its room is given back. */
static void
forget_message(struct smtpd_tx *tx, struct cv_str *message)
{
	cv_spool_unmap(&tx->message, *message);
	if (tx->message.mem.p)
		cv_wipe(tx->message.mem.p, tx->message.mem.cap);
	cv_spool_reset(&tx->message);
	*message = CV_STR_EMPTY;
}

/* Answers that go to free mail are allowed, but seen: the domain, never the address. */
static void
note_reply_to(struct smtpd_session *s, struct cv_str header)
{
	struct cv_field field;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_addr_list list;

	if (!cv_header_find(header, "Reply-To", 0, &field))
		return;
	cv_addr_list_parse(&arena, field.value, &list);
	for (size_t i = 0; i < list.n && i < 10; i++)
		if (cv_policy_is_free_mail(s->server->policy, list.items[i].host)) {
			cv_log(cv_conn_id(s->conn), CV_INFO, "policy.reply_to",
				"id=%s account=%s domain=%.*s", s->tx->id, s->login,
				CV_STR_ARGS(list.items[i].host));
			break;
		}
	cv_arena_done(&arena);
}

/* What it answers, for the response clock (DOC-02): the newest references, as hashes. */
static void
note_references(struct smtpd_session *s, struct cv_str header)
{
	static const char *const names[] = {"In-Reply-To", "References"};
	struct cv_sent_note *note = CV_ARENA_NEW(&s->tx->arena, struct cv_sent_note);
	struct cv_field field;
	struct cv_str id;

	*note = (struct cv_sent_note){.acct = s->acct};
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		if (!cv_header_find(header, names[i], 0, &field))
			continue;
		struct cv_str rest = field.value;
		while (note->ref_count < CV_SENT_REFS_MAX && cv_msgid_next(&rest, &id))
			cv_sent_hash(id, note->refs[note->ref_count++]);
	}
	s->tx->sent = note;
}

bool
smtpd_submission_refuses(struct smtpd_session *s, struct cv_str *message, size_t body_at)
{
	struct cv_decision d;

	if (!s->authed)
		return false;
	judge_identity(s, cv_str_sub(*message, 0, body_at), &d);
	if (!is_refusal(&d))
		judge_secrecy(s, *message, &d);
	if (!is_refusal(&d)) {
		note_reply_to(s, cv_str_sub(*message, 0, body_at));
		note_references(s, cv_str_sub(*message, 0, body_at));
		return false;
	}
	forget_message(s->tx, message);
	return refuse(s, &d);
}

/* ---- names ---- */

static bool
name_of(void *arg, struct cv_str local, struct cv_str domain, struct cv_buf *name_out)
{
	struct cv_reg_hit hit;

	cv_snapshot_find(arg, local, domain, &hit);
	if (hit.found == CV_REG_ACCOUNT)
		cv_buf_str(name_out, hit.account.display_name);
	return hit.found == CV_REG_ACCOUNT;
}

bool
smtpd_submission_edit(struct smtpd_session *s, struct cv_str header, size_t *start_out,
                      size_t *end_out, struct cv_buf *out)
{
	if (!s->authed || strcmp(s->server->opt->display_name, "register") != 0)
		return false;
	const struct cv_snapshot *snap = cv_register_get(s->server->reg);
	/* The look-up only reads. */
	bool edit = smtpd_from_name_edit(
		header, name_of, (void *)(uintptr_t)snap, start_out, end_out, out);
	cv_snapshot_unref(snap);
	if (edit)
		cv_log(cv_conn_id(s->conn), CV_DEBUG, "from.renamed", "id=%s account=%s",
			s->tx->id, s->login);
	return edit;
}
