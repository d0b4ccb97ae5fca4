/* progress.c - see progress.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/progress.h"

#include "common/base/clock.h"

static int64_t
interval_ms(struct imapd_conn *c)
{
	return 1000 * (int64_t)imapd_config(c->server)->imapd->progress_interval;
}

void
imapd_progress_park(struct imapd_conn *c)
{
	struct imapd_cmd *cmd = c->cmd;

	if (!cmd || (cmd->row->flags & IMAPD_CMD_STREAMS) || !(c->state & IMAPD_S_IN))
		return;
	if (!cmd->parked_ms) {
		if (!interval_ms(c))
			return;
		cmd->parked_ms = cv_mono_ms();
		cmd->tell_ms = cmd->parked_ms + interval_ms(c);
	}
	cmd->has_timer = true;
	cv_conn_set_deadline_at(c->conn, cmd->tell_ms);
}

bool
imapd_progress_was_timer(struct imapd_conn *c)
{
	const struct imapd_options *o = imapd_config(c->server)->imapd;

	return c->cmd && c->cmd->has_timer &&
	       cv_mono_ms() - c->cmd->parked_ms < 1000 * (int64_t)o->idle_timeout;
}

static bool
is_quotable(struct cv_str tag)
{
	return cv_str_find(tag, ']', 0) == tag.n; /* RFC 9585 4 */
}

void
imapd_progress_tell(struct imapd_conn *c)
{
	struct imapd_cmd *cmd = c->cmd;
	struct cv_buf *out = imapd_out(c);

	if (!cmd || !cmd->has_timer)
		return;
	cmd->has_timer = false;
	int64_t now = cv_mono_ms();
	if (now < cmd->tell_ms)
		return;
	/* from now, so that a client that was long out of turn hears of it once */
	cmd->tell_ms = now + CV_MAX(interval_ms(c), 1000);
	cv_buf_z(out, "* OK [INPROGRESS (");
	if (is_quotable(cmd->tag))
		cv_buf_printf(out, "\"%.*s\" ", CV_STR_ARGS(cmd->tag));
	else
		cv_buf_z(out, "NIL ");
	if (cmd->goal)
		cv_buf_printf(out, "%u %u", CV_MIN(cmd->done, cmd->goal - 1), cmd->goal);
	else
		cv_buf_z(out, "NIL NIL");
	cv_buf_z(out, ")] Still working / Dang xu ly\r\n");
}
