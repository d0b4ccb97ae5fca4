/* bounce.c - see bounce.h: composes with libetpan's MIME writer, and queues. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/bounce.h"

#include "smtpd/envelope.h"
#include "smtpd/outbound.h"
#include "smtpd/transport.h"

#include <libetpan/libetpan.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"
#include "smtpd/note.h"
#include "smtpd/srs.h"

#define HEADER_MAX  (64u << 10)      /* of the original, sent back */
#define FULL_MAX    (10u << 20)      /* larger messages come back as their header */
#define TEXT_MAX    (1u << 20)
#define SHOWN_RCPTS 100u             /* described for people; machines get all */

/* ---- for people ---- */

static const struct {
	const char *subject, *head_vi, *head_en;
} actions[] = {
	[SMTPD_REPORT_FAILED] = { "Thư không gửi được / Undelivered mail",
		"Thư của anh/chị KHÔNG đến được người nhận sau đây:",
		"Your message was NOT delivered to:" },
	[SMTPD_REPORT_DELAYED] = { "Thư chưa gửi được, đang gửi lại / Delayed mail",
		"Thư của anh/chị CHƯA đến được người nhận sau đây; hệ thống vẫn đang gửi lại, "
		"anh/chị không cần gửi lại:",
		"Your message has NOT YET been delivered to the following; we go on trying, there is no "
		"need to send it again:" },
	[SMTPD_REPORT_RELAYED] = { "Thư đã chuyển tiếp / Relayed mail",
		"Thư đã được chuyển cho máy chủ của người nhận; máy chủ đó không báo phát:",
		"Your message was handed to the recipient's server, which does not confirm delivery:" },
	[SMTPD_REPORT_DELIVERED] = { "Thư đã đến / Delivered mail",
		"Thư đã đến hộp thư của:", "Your message was delivered to the mailbox of:" },
};

static enum smtpd_report_action
main_action(const struct smtpd_report *r)
{
	enum smtpd_report_action action = r->rcpts[0].action;

	for (size_t i = 1; i < r->count; i++)
		action = CV_MIN(action, r->rcpts[i].action);
	return action;
}

static void
write_rcpts(const struct smtpd_report *r, enum smtpd_report_action action, bool vietnamese,
	struct cv_buf *out)
{
	size_t shown = 0, all = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct smtpd_report_rcpt *rcpt = &r->rcpts[i];
		const struct smtpd_cause *cause = smtpd_bounce_cause(rcpt);
		if (rcpt->action != action || all++ >= SHOWN_RCPTS)
			continue;
		shown++;
		cv_buf_printf(out, "  <%.*s>\r\n", CV_STR_ARGS(rcpt->rcpt->address));
		if (action == SMTPD_REPORT_RELAYED || action == SMTPD_REPORT_DELIVERED)
			continue;
		if (rcpt->expired)
			cv_buf_printf(out, "    %s\r\n",
				vietnamese ? "Đã hết thời hạn gửi lại."
					   : "The time for trying again is over.");
		cv_buf_printf(out, "    %s %s\r\n", vietnamese ? "Lý do:" : "Why:",
			vietnamese ? cause->vi : cause->en);
		if (action == SMTPD_REPORT_FAILED)
			cv_buf_printf(out, "    %s %s\r\n",
				vietnamese ? "Nên làm gì:" : "What to do:",
				vietnamese ? cause->next_vi : cause->next_en);
		cv_buf_printf(out, "    %s %s%s%s\r\n", vietnamese ? "Trả lời:" : "Answer:",
			rcpt->outcome->text, rcpt->peer[0] ? " - " : "", rcpt->peer);
	}
	if (all > shown)
		cv_buf_printf(out, vietnamese ? "  và %zu người nhận khác\r\n"
			: "  and %zu more recipients\r\n", all - shown);
}

static void
write_language(const struct smtpd_report *r, bool vietnamese, struct cv_buf *out)
{
	for (int action = SMTPD_REPORT_FAILED; action <= SMTPD_REPORT_DELIVERED; action++) {
		bool any = false;
		for (size_t i = 0; i < r->count; i++)
			any |= (int)r->rcpts[i].action == action;
		if (!any)
			continue;
		cv_buf_printf(out, "%s\r\n\r\n", vietnamese ? actions[action].head_vi
			: actions[action].head_en);
		write_rcpts(r, (enum smtpd_report_action)action, vietnamese, out);
		cv_buf_z(out, "\r\n");
	}
	struct cv_date sent = cv_date_at(r->msg->arrived_secs, CV_ZONE_VIETNAM);
	cv_buf_z(out, vietnamese ? "Thư được gửi lúc " : "The message was sent at ");
	cv_date_write_vn_time(out, sent);
	cv_buf_z(out, vietnamese ? " (giờ Việt Nam)" : " (Vietnam time)");
	cv_buf_printf(out, vietnamese
		? ". Nếu cần giúp đỡ, hãy chuyển tiếp thông báo này cho postmaster@%s.\r\n"
		: ". For help, forward this report to postmaster@%s.\r\n", r->hostname);
}

static void
write_text(const struct smtpd_report *r, struct cv_buf *out)
{
	cv_buf_printf(out, "Thông báo tự động của hệ thống thư công vụ %s (%s).\r\n\r\n", r->province,
		r->hostname);
	write_language(r, true, out);
	cv_buf_z(out, "\r\n-- English --\r\n\r\n");
	write_language(r, false, out);
}

/* ---- for machines (RFC 3464 2) ---- */

/* TEXT as ASCII on one line; what is not becomes "?". */
static void
write_ascii(struct cv_buf *out, const char *name, const char *type, struct cv_str text)
{
	struct cv_buf value = CV_BUF_INIT(2000);

	cv_buf_z(&value, type);
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c >= 0x80 && c < 0xc0)
			continue; /* the rest of a letter */
		cv_buf_c(&value, c < 32 || c > 126 ? '?' : (char)c);
	}
	cv_header_fold_tokens(out, name, cv_buf_view(&value));
	cv_buf_done(&value);
}

/* An address in a status field: as it is, or as utf-8-addr-xtext (RFC 6533 3). */
static void
write_address(struct cv_buf *out, const char *name, struct cv_str address)
{
	bool ascii = true;

	for (size_t i = 0; i < address.n; i++)
		ascii &= (unsigned char)address.p[i] < 128;
	if (ascii) {
		write_ascii(out, name, "rfc822; ", address);
		return;
	}
	cv_buf_printf(out, "%s: utf-8; ", name);
	for (size_t i = 0; i < address.n;) {
		unsigned char c = (unsigned char)address.p[i];
		size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		uint32_t letter = c < 0x80 ? c : c & (0x7fu >> n);
		for (size_t k = 1; k < n && i + k < address.n; k++)
			letter = letter << 6 | ((unsigned char)address.p[i + k] & 0x3fu);
		if (letter > 32 && letter < 127 && letter != '+' && letter != '=' && letter != '\\')
			cv_buf_c(out, (char)letter);
		else
			cv_buf_printf(out, "\\x{%X}", letter);
		i += n;
	}
	cv_buf_z(out, "\r\n");
}

/* ORCPT as it came, "rfc822;xtext", decoded. */
static void
write_original(struct cv_buf *out, struct cv_str orcpt)
{
	struct cv_buf text = CV_BUF_INIT(1000);
	size_t at = cv_str_find(orcpt, ';', 0);

	if (at < orcpt.n && cv_xtext_decode(cv_str_sub(orcpt, at + 1, orcpt.n), &text) == CV_OK) {
		char type[64];
		snprintf(type, sizeof type, "%.*s; ",
			CV_STR_ARGS(cv_str_sub(orcpt, 0, CV_MIN(at, 40u))));
		write_ascii(out, "Original-Recipient", type, cv_buf_view(&text));
	}
	cv_buf_done(&text);
}

static void
write_date(struct cv_buf *out, const char *name, int64_t secs)
{
	cv_buf_printf(out, "%s: ", name);
	cv_date_write_mail(out, cv_date_at(secs, CV_ZONE_VIETNAM));
	cv_buf_z(out, "\r\n");
}

static void
write_status(const struct smtpd_report *r, struct cv_buf *out)
{
	static const char *const words[] = { "failed", "delayed", "relayed", "delivered" };

	cv_buf_printf(out, "Reporting-MTA: dns; %s\r\n", r->hostname);
	if (r->msg->envid.n) {
		struct cv_buf envid = CV_BUF_INIT(200);
		if (cv_xtext_decode(r->msg->envid, &envid) == CV_OK)
			write_ascii(out, "Original-Envelope-Id", "", cv_buf_view(&envid));
		cv_buf_done(&envid);
	}
	write_date(out, "Arrival-Date", r->msg->arrived_secs);
	for (size_t i = 0; i < r->count; i++) {
		const struct smtpd_report_rcpt *rcpt = &r->rcpts[i];
		const struct smtpd_outcome *o = rcpt->outcome;
		cv_buf_z(out, "\r\n");
		write_original(out, rcpt->rcpt->orcpt);
		write_address(out, "Final-Recipient", rcpt->rcpt->address);
		cv_buf_printf(out, "Action: %s\r\n", words[rcpt->action]);
		/* What failed for good is told so, also when its last try was a passing failure. */
		cv_buf_printf(out, "Status: %c%s\r\n",
			rcpt->action == SMTPD_REPORT_FAILED ? '5' : o->status[0],
			rcpt->expired && !o->by_peer ? ".4.7" : o->status + 1);
		if (rcpt->peer[0])
			cv_buf_printf(out, "Remote-MTA: dns; %s\r\n", rcpt->peer);
		write_ascii(out, "Diagnostic-Code", o->by_peer ? "smtp; " : "X-congvu; ",
			cv_str_z(o->text));
		write_date(out, "Last-Attempt-Date", r->now_secs);
		if (rcpt->action == SMTPD_REPORT_DELAYED)
			write_date(out, "Will-Retry-Until", cv_queue_expires(r->msg));
	}
}

/* ---- the message: libetpan ---- */

static bool
has_high(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return true;
	return false;
}

/* libetpan frees what it is given with free(). */
static char *
owned(struct cv_str s)
{
	return cv_strndup(s.p ? s.p : "", s.n);
}

static void *
need(void *p)
{
	if (!p)
		cv_die("out of memory while composing a report");
	return p;
}

static struct mailmime *
single(const char *type, int encoding, struct cv_str body)
{
	struct mailmime_content *content = need(mailmime_content_new_with_str(type));
	struct mailmime_fields *fields = need(mailmime_fields_new_encoding(encoding));
	struct mailmime_data *data = need(mailmime_data_new(MAILMIME_DATA_TEXT, encoding, 0, body.p,
		body.n, NULL));

	/* Made by hand: message/rfc822 goes in as bytes, never parsed. */
	return need(mailmime_new(MAILMIME_SINGLE, NULL, 0, fields, content, data, NULL, NULL, NULL,
		NULL, NULL));
}

static void
set_param(struct mailmime_content *content, const char *name, const char *value)
{
	for (clistiter *i = clist_begin(content->ct_parameters); i; i = clist_next(i)) {
		struct mailmime_parameter *p = clist_content(i);
		if (!strcasecmp(p->pa_name, name)) {
			free(p->pa_value);
			p->pa_value = cv_strdup(value);
			return;
		}
	}
	struct mailmime_parameter *p =
		need(mailmime_parameter_new(cv_strdup(name), cv_strdup(value)));
	if (clist_append(content->ct_parameters, p))
		cv_die("out of memory while composing a report");
}

static void
add_field(struct mailimf_fields *fields, const char *name, struct cv_str value)
{
	struct mailimf_optional_field *optional =
		need(mailimf_optional_field_new(cv_strdup(name), owned(value)));
	struct mailimf_field *field = need(mailimf_field_new(MAILIMF_FIELD_OPTIONAL_FIELD, NULL,
		NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
		NULL, NULL, NULL, NULL, NULL, NULL, optional));

	if (mailimf_fields_add(fields, field) != MAILIMF_NO_ERROR)
		cv_die("out of memory while composing a report");
}

static struct mailimf_fields *
make_header(const struct smtpd_report *r)
{
	struct mailimf_fields *fields = need(mailimf_fields_new_empty());
	struct cv_buf value = CV_BUF_INIT(2000);

	cv_date_write_mail(&value, cv_date_at(r->now_secs, CV_ZONE_VIETNAM));
	add_field(fields, "Date", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_phrase_encode(CV_STR("Hệ thống thư công vụ"), &value);
	cv_buf_printf(&value, " <MAILER-DAEMON@%s>", r->hostname);
	add_field(fields, "From", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_buf_printf(&value, "<%.*s>", CV_STR_ARGS(r->msg->sender));
	add_field(fields, "To", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_words_encode(cv_str_z(actions[main_action(r)].subject), &value);
	add_field(fields, "Subject", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_buf_printf(&value, "<%s.report@%s>", r->id, r->hostname);
	add_field(fields, "Message-ID", cv_buf_view(&value));
	add_field(fields, "Auto-Submitted", CV_STR("auto-replied"));
	cv_buf_done(&value);
	return fields;
}

static struct mailmime *
make_tree(const struct smtpd_report *r, struct cv_str text, struct cv_str status)
{
	char boundary[80];
	struct mailmime *message = need(mailmime_new_message_data(NULL));
	struct mailmime *report = need(mailmime_multiple_new("multipart/report"));
	const char *type = r->is_full ? "message/rfc822" : "text/rfc822-headers";
	int encoding = has_high(r->original) ? MAILMIME_MECHANISM_8BIT : MAILMIME_MECHANISM_7BIT;
	struct mailmime *parts[] = {
		single("text/plain", MAILMIME_MECHANISM_QUOTED_PRINTABLE, text),
		single("message/delivery-status", MAILMIME_MECHANISM_7BIT, status),
		single(type, encoding, r->original),
	};

	set_param(parts[0]->mm_content_type, "charset", "utf-8");
	set_param(report->mm_content_type, "report-type", "delivery-status");
	/* Our own: theirs is made of the time and a weak random number. */
	snprintf(boundary, sizeof boundary, "=_%s_%016llx", r->id,
		(unsigned long long)cv_random_u64());
	set_param(report->mm_content_type, "boundary", boundary);
	for (size_t i = 0; i < CV_COUNT(parts); i++)
		if (mailmime_add_part(report, parts[i]) != MAILIMF_NO_ERROR)
			cv_die("out of memory while composing a report");
	if (mailmime_add_part(message, report) != MAILIMF_NO_ERROR)
		cv_die("out of memory while composing a report");
	mailmime_set_imf_fields(message, make_header(r));
	return message;
}

enum cv_status
smtpd_bounce_compose(const struct smtpd_report *r, struct cv_buf *out, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(TEXT_MAX), status = CV_BUF_INIT(TEXT_MAX * 16);
	MMAPString *bytes = need(mmap_string_new(""));
	int column = 0;

	write_text(r, &text);
	write_status(r, &status);
	struct mailmime *message = make_tree(r, cv_buf_view(&text), cv_buf_view(&status));
	int result = mailmime_write_mem(bytes, &column, message);
	mailmime_free(message);
	if (result == MAILIMF_NO_ERROR) {
		cv_buf_add(out, bytes->str, bytes->len);
		cv_buf_z(out, "\r\n");
	}
	bool full = out->full || text.full || status.full;
	mmap_string_free(bytes);
	cv_buf_done(&text);
	cv_buf_done(&status);
	if (result != MAILIMF_NO_ERROR)
		return cv_fail(err, CV_TEMPFAIL, "a report could not be composed (%d)", result);
	return full ? cv_fail(err, CV_LIMIT, "a report is too large") : CV_OK;
}

/* ---- sending ---- */

static enum cv_status
take_original(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_buf_str(arg, bytes);
	return CV_OK;
}

/* Whole, or as much of its beginning as holds the header; cut at the end of the header. */
static enum cv_status
read_original(struct smtpd_server *server, const struct cv_queue_msg *msg, bool full,
	struct cv_buf *out, struct cv_err *err)
{
	uint64_t most = full ? msg->size_bytes : CV_MIN(msg->size_bytes, (uint64_t)HEADER_MAX);
	enum cv_status status =
		cv_queue_read_at(server->queue, msg, 0, most, take_original, out, err);

	if (status != CV_OK || full || !out->n)
		return status;
	out->n = CV_MIN(cv_header_body_at(cv_buf_view(out)), out->n);
	return CV_OK;
}

static enum cv_status
put_report(struct smtpd_server *server, const struct cv_queue_msg *msg, struct cv_str report,
	cv_acct_id local_acct, const char *id, struct cv_err *err)
{
	int64_t now = cv_wall_secs();
	struct cv_queue_rcpt rcpt = { .address = msg->sender, .notify = CV_NOTIFY_NEVER,
		.local_acct = local_acct, .next_secs = now };
	struct cv_queue_msg out = {
		.delivery_id = cv_str_z(id),
		.sender = CV_STR_EMPTY,
		.smtputf8 = has_high(msg->sender),
		.require_tls = msg->require_tls,
		.body_kind = has_high(report) ? CV_BODY_8BITMIME : CV_BODY_7BIT,
		.arrived_secs = now,
		.expires_secs = now + server->opt->queue_life,
		.rcpt_count = 1,
		.rcpts = &rcpt,
	};
	struct cv_spool spool;
	cv_ticket ticket;

	cv_spool_init(&spool, server->spool_dir);
	enum cv_status status = cv_spool_write(&spool, report, err);
	if (status == CV_OK)
		status = cv_queue_put(server->queue, &out,
			local_acct ? CV_STR("Return-Path: <>\r\n") : CV_STR_EMPTY, &spool, &ticket,
			err);
	cv_spool_done(&spool);
	return status;
}

static bool
is_ours(struct smtpd_server *server, struct cv_str domain)
{
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_reg_hit hit;

	cv_snapshot_find(snap, CV_STR("postmaster"), domain, &hit);
	cv_snapshot_unref(snap);
	return hit.found != CV_REG_NOT_OURS;
}

/* Whose the sender is. False: nobody's, there is no one to tell. */
static bool
find_sender(struct smtpd_server *server, struct cv_str sender, cv_acct_id *local_out)
{
	const struct cv_snapshot *snap = cv_register_get(server->reg);
	struct cv_reg_hit hit;

	cv_snapshot_find_address(snap, sender, &hit);
	*local_out = hit.found == CV_REG_ACCOUNT ? hit.account.acct : 0;
	struct smtpd_transport old;
	struct cv_str local, domain;
	smtpd_envelope_split(sender, &local, &domain);
	bool known = hit.found == CV_REG_NOT_OURS
		|| (hit.found == CV_REG_NONE
			&& smtpd_outbound_split(server->outbound, domain, &old))
		|| (hit.found == CV_REG_ACCOUNT && hit.account.state != CV_STATE_RETIRED);
	cv_snapshot_unref(snap);
	return known;
}

static enum cv_status
compose_and_put(struct smtpd_server *server, struct smtpd_report *r, bool full,
	cv_acct_id local_acct, struct cv_err *err)
{
	struct cv_buf original = CV_BUF_INIT(FULL_MAX + HEADER_MAX),
		      report = CV_BUF_INIT(64u << 20);

	r->is_full = full;
	enum cv_status status = read_original(server, r->msg, full, &original, err);
	r->original = cv_buf_view(&original);
	if (status == CV_OK)
		status = smtpd_bounce_compose(r, &report, err);
	if (status == CV_OK)
		status = put_report(server, r->msg, cv_buf_view(&report), local_acct, r->id, err);
	cv_buf_done(&original);
	cv_buf_done(&report);
	return status;
}

static enum cv_status
report_to_sender(struct smtpd_server *server, const struct cv_queue_msg *msg,
	const struct smtpd_report_rcpt *rcpts, size_t count, bool *queued_out, struct cv_err *err)
{
	char id[40];
	cv_acct_id local_acct;
	struct smtpd_report r = {
		.hostname = server->main->hostname,
		.province = server->main->province,
		.msg = msg,
		.rcpts = rcpts,
		.count = count,
		.now_secs = cv_wall_secs(),
		.id = id,
	};

	if (!find_sender(server, msg->sender, &local_acct)) {
		cv_log(0, CV_WARN, "report.dropped", "id=%.*s to=%.*s why=no-such-sender",
			CV_STR_ARGS(msg->delivery_id), CV_STR_ARGS(msg->sender));
		return CV_OK;
	}
	snprintf(id, sizeof id, "r%llx%08llx", (unsigned long long)cv_wall_ms(),
		(unsigned long long)cv_random_u64() & 0xffffffff);
	/* RFC 8689 5: what had to be protected comes back without its text. */
	bool full = msg->ret_full && !msg->require_tls
		&& main_action(&r) == SMTPD_REPORT_FAILED && msg->size_bytes <= FULL_MAX;
	enum cv_status status = compose_and_put(server, &r, full, local_acct, err);
	/* A report without the original is better than none that blocks the queue for ever. */
	if (status == CV_CORRUPT || status == CV_LIMIT) {
		r.original = CV_STR_EMPTY;
		status = compose_and_put(server, &r, false, local_acct, err);
	}
	if (status != CV_OK)
		return status;
	*queued_out = true;
	smtpd_note_report(server, msg, id);
	cv_log(0, CV_INFO, "report.queued", "id=%s about=%.*s to=%.*s", id,
		CV_STR_ARGS(msg->delivery_id), CV_STR_ARGS(msg->sender));
	return CV_OK;
}

/* What we forwarded under a rewritten sender came from somebody else: he is told, as he would be
 * had the next server sent the report to that sender (srs.h). */
enum cv_status
smtpd_bounce_send(struct smtpd_server *server, const struct cv_queue_msg *msg,
	const struct smtpd_report_rcpt *rcpts, size_t count, bool *queued_out, struct cv_err *err)
{
	struct cv_queue_msg restored = *msg;
	struct cv_buf first = CV_BUF_INIT(CV_PATH_MAX * 2);
	struct cv_str local, domain;

	*queued_out = false;
	if (!msg->sender.n)
		return CV_OK;
	smtpd_envelope_split(msg->sender, &local, &domain);
	if (smtpd_srs_is(local) && is_ours(server, domain)
		&& smtpd_srs_restore(server->srs, local, &first) == CV_OK)
		restored.sender = cv_buf_view(&first);
	enum cv_status status = report_to_sender(server, &restored, rcpts, count, queued_out, err);
	cv_buf_done(&first);
	return status;
}
