/* access.c - see access.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/access.h"

#include <stdlib.h>

#include "common/audit/access.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define SEEN_MAX 10000u /* messages marked by one command that are noted */

static void
note_visit(struct imapd_conn *c, bool is_strong)
{
	cv_access_visit(c->server->access, c->session->owner.acct, c->login.acct, cv_wall_secs(),
		is_strong);
}

void
imapd_note_select(struct imapd_conn *c)
{
	if (c->session->owner.is_other) {
		free(c->box);
		c->box = cv_strdup(c->session->owner.address);
	}
	if (cv_str_eq_z(cv_str_z(c->session->owner.mailbox), "INBOX"))
		note_visit(c, false);
}

static void
note_opening(struct imapd_conn *c, const struct cv_msg *msg)
{
	struct cv_opening o = {.owner = c->session->owner.acct,
		.person = c->login.acct,
		.box = (uint32_t)cv_mbox_id(c->session->mbox),
		.uid = msg->uid,
		.secs = cv_wall_secs()};

	memcpy(o.email_id, msg->email_id, sizeof(o.email_id));
	cv_access_opened(c->server->access, &o);
}

/* "", "TEXT", "2.1" show a body; "HEADER" and "1.MIME" do not. */
static bool
shows_body(const struct imapd_section *s)
{
	size_t dot = s->path.n;

	while (dot && s->path.p[dot - 1] != '.')
		dot--;
	struct cv_str last = cv_str_sub(s->path, dot, s->path.n);
	return !s->is_size && !cv_str_ieq_z(last, "HEADER") && !cv_str_ieq_z(last, "MIME");
}

void
imapd_note_fetch(
	struct imapd_conn *c, const struct imapd_fetch_args *args, const struct cv_msg *msg)
{
	bool shows = false;

	for (unsigned i = 0; i < args->section_count && !shows; i++)
		shows = shows_body(&args->sections[i]);
	if (!shows)
		return;
	note_visit(c, true);
	if (c->session->owner.is_other)
		note_opening(c, msg);
}

static bool
on_seen(void *arg, const struct cv_msg *msg)
{
	note_opening(arg, msg);
	return true;
}

void
imapd_note_seen(struct imapd_conn *c, const uint32_t *uids, size_t count)
{
	struct cv_err err = {0};

	if (!count)
		return;
	note_visit(c, true);
	if (!c->session->owner.is_other)
		return;
	if (cv_msg_each(c->session->mbox, uids, CV_MIN(count, (size_t)SEEN_MAX), false, on_seen, c,
		    &err))
		cv_log(cv_conn_id(c->conn), CV_WARN, "access.not_noted", "error=\"%s\"", err.text);
}
