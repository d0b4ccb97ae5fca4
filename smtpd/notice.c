/* notice.c - see notice.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/notice.h"

#include "common/base/clock.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"
#include "smtpd/outbound.h"

#define MAIL_MAX (256u << 10)

/* One who is told. */
struct reader {
	cv_acct_id acct;    /* 0: outside the province */
	struct cv_str address;
	bool is_owner;
};
#define READERS_MAX 3

/* ---- the header ---- */

static void
write_header(const struct smtpd_server *server, const struct smtpd_notice *n,
             const struct reader *r, struct cv_buf *out)
{
	const char *hostname = server->main->hostname;
	struct cv_buf value = CV_BUF_INIT(2000);

	cv_buf_z(out, "Date: ");
	cv_date_write_mail(out, cv_date_at(cv_wall_secs(), CV_ZONE_VIETNAM));
	cv_buf_z(out, "\r\n");
	cv_phrase_encode(CV_STR("Hệ thống thư công vụ"), &value);
	cv_buf_printf(&value, " <MAILER-DAEMON@%s>", hostname);
	cv_header_fold_tokens(out, "From", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_buf_printf(&value, "<%.*s>", CV_STR_ARGS(r->address));
	cv_header_fold_tokens(out, "To", cv_buf_view(&value));
	cv_header_fold(out, "Subject", n->subject);
	cv_buf_printf(out,
		"Message-ID: <%s.notice@%s>\r\nAuto-Submitted: auto-generated\r\n"
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		n->id, hostname);
	cv_buf_done(&value);
}

/* ---- the readers ---- */

/* Adds the box of ADDRESS, unless it is there already. */
static void
add_reader(const struct cv_snapshot *snap, struct reader *readers, size_t *count,
           struct cv_str address)
{
	struct cv_reg_hit hit;

	if (!address.n)
		return;
	cv_snapshot_find_address(snap, address, &hit);
	struct reader r = {.address = address};
	if (hit.found == CV_REG_ACCOUNT && hit.account.state != CV_STATE_RETIRED) {
		r.acct = hit.account.acct;
		r.address = hit.account.address;
	} else if (hit.found != CV_REG_NOT_OURS) {
		return;
	}
	for (size_t i = 0; i < *count; i++)
		if (r.acct ? readers[i].acct == r.acct
			   : cv_str_ieq(readers[i].address, r.address))
			return;
	readers[(*count)++] = r;
}

static size_t
find_readers(const struct cv_snapshot *snap, const struct cv_reg_account *account,
             struct reader readers[READERS_MAX], struct cv_arena *arena)
{
	struct cv_reg_agency agency;
	size_t count = 0;

	add_reader(snap, readers, &count, account->address);
	for (size_t i = 0; i < count; i++)
		readers[i].is_owner = true;
	if (account->agency.n && cv_snapshot_agency(snap, account->agency, &agency))
		add_reader(snap, readers, &count, agency.address);
	add_reader(snap, readers, &count,
		cv_arena_printf(arena, "postmaster@%.*s",
			CV_STR_ARGS(cv_snapshot_default_domain(snap))));
	return count;
}

static enum cv_status
put_notice(struct smtpd_server *server, const struct smtpd_notice *n, const struct reader *r,
           struct cv_err *err)
{
	int64_t now = cv_wall_secs();
	struct cv_buf mail = CV_BUF_INIT(MAIL_MAX);
	struct cv_spool spool;
	cv_ticket ticket;

	struct cv_queue_rcpt rcpt = {.address = r->address, .notify = CV_NOTIFY_NEVER,
		.local_acct = r->acct, .next_secs = now};
	struct cv_queue_msg msg = {
		.delivery_id = cv_str_z(n->id),
		.sender = CV_STR_EMPTY,
		.arrived_secs = now,
		.expires_secs = now + server->opt->queue_life,
		.rcpt_count = 1,
		.rcpts = &rcpt,
	};
	write_header(server, n, r, &mail);
	cv_qp_encode(r->is_owner ? n->for_owner : n->for_others, &mail);
	cv_spool_init(&spool, server->spool_dir);
	enum cv_status status = mail.full
					? cv_fail(err, CV_LIMIT, "the notice is too long")
					: cv_spool_write(&spool, cv_buf_view(&mail), err);
	if (status == CV_OK)
		status = cv_queue_put(server->queue, &msg,
			r->acct ? CV_STR("Return-Path: <>\r\n") : CV_STR_EMPTY, &spool, &ticket,
			err);
	cv_spool_done(&spool);
	cv_buf_done(&mail);
	if (status == CV_OK)
		cv_ticket_block(cv_queue_engine(server->queue), ticket);
	return status;
}

enum cv_status
smtpd_notice_put(struct smtpd_server *server, const struct cv_snapshot *snap,
                 const struct cv_reg_account *account, const struct smtpd_notice *notice,
                 size_t *told_out, struct cv_err *err)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct reader readers[READERS_MAX] = {{0}};
	enum cv_status status = CV_OK;
	size_t count = find_readers(snap, account, readers, &arena);

	for (size_t i = 0; i < count && status == CV_OK; i++)
		status = put_notice(server, notice, &readers[i], err);
	if (told_out)
		*told_out = count;
	cv_arena_done(&arena);
	if (server->outbound)
		smtpd_outbound_kick(server->outbound);
	return status;
}
