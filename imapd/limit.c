/* limit.c - see limit.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/limit.h"

static uint32_t
message_limit(struct imapd_conn *c)
{
	return (uint32_t)imapd_config(c->server)->imapd->message_limit;
}

void
imapd_write_limit_capability(struct imapd_conn *c, struct cv_buf *out)
{
	uint32_t limit = message_limit(c);

	if (limit)
		cv_buf_printf(out, " MESSAGELIMIT=%u", limit);
}

/* "MESSAGELIMIT 1000 23221" */
static struct cv_str
code_of(struct imapd_conn *c, uint32_t limit, uint32_t lowest_uid)
{
	return cv_arena_printf(&c->arena, "MESSAGELIMIT %u %u", limit, lowest_uid);
}

uint32_t
imapd_limit_ranges(struct imapd_conn *c, struct imapd_range *ranges, uint32_t count)
{
	uint32_t limit = message_limit(c);

	if (!limit || imapd_ranges_total(ranges, count) <= limit)
		return count;
	const struct imapd_partial highest = {
		.is_given = true, .from_end = true, .first = 1, .last = limit};
	count = imapd_ranges_cut(ranges, count, &highest);
	c->cmd->limit_code =
		code_of(c, limit, cv_view_seq(c->session->view, ranges[0].from)->uid);
	return count;
}

uint32_t
imapd_limit_uids(struct imapd_conn *c, const uint32_t *uids, uint32_t count)
{
	uint32_t limit = message_limit(c);

	if (!limit || count <= limit)
		return count;
	c->cmd->limit_code = code_of(c, limit, uids[count - limit]);
	return limit;
}

/* Whether every message set that all of SEARCH depends on has SEQ. */
static bool
is_looked_at(const struct imapd_search *search, uint32_t seq)
{
	for (uint32_t i = 1; i < search->nodes[0].end; i = search->nodes[i].end) {
		const struct imapd_search_node *node = &search->nodes[i];
		bool is_set = node->key == IMAPD_KEY_SEQS || node->key == IMAPD_KEY_UIDS;
		if (is_set && !imapd_ranges_have(node->ranges, node->range_count, seq))
			return false;
	}
	return true;
}

uint32_t
imapd_limit_search(struct imapd_conn *c, const struct imapd_search *search)
{
	const struct cv_view *view = c->session->view;
	uint32_t limit = message_limit(c), seen = 0, lowest = 1;

	if (!limit || view->exists <= limit)
		return 1;
	for (uint32_t seq = view->exists; seq; seq--) {
		if (!is_looked_at(search, seq))
			continue;
		if (seen++ == limit) {
			c->cmd->limit_code = code_of(c, limit, cv_view_seq(view, lowest)->uid);
			return lowest;
		}
		lowest = seq;
	}
	return 1;
}

bool
imapd_limit_refuses(struct imapd_conn *c, const uint32_t *uids, size_t count)
{
	uint32_t limit = message_limit(c);

	if (!limit || count <= limit)
		return false;
	c->cmd->code = uids ? code_of(c, limit, uids[count - limit])
			    : cv_arena_printf(&c->arena, "MESSAGELIMIT %u", limit);
	imapd_done(c, IMAPD_R_MESSAGE_LIMIT);
	return true;
}

bool
imapd_limit_refuses_partial(struct imapd_conn *c, const struct imapd_partial *partial)
{
	uint32_t limit = message_limit(c);

	if (!limit || !partial->is_given || partial->last - partial->first < limit)
		return false;
	c->cmd->code = cv_arena_printf(&c->arena, "MESSAGELIMIT %u", limit);
	imapd_done(c, IMAPD_R_MESSAGE_LIMIT);
	return true;
}

void
imapd_choose_code(struct imapd_conn *c)
{
	struct imapd_cmd *cmd = c->cmd;
	bool has_numbers = !cmd->is_uid && (cmd->row->flags & IMAPD_CMD_NUMBERS);

	if (cmd->reply == IMAPD_R_OK && !cmd->code.n && has_numbers && c->session &&
		c->session->fresh)
		cmd->code = CV_STR("EXPUNGEISSUED");
	if (!cmd->limit_code.n || !imapd_reply_is_ok(cmd->reply))
		return;
	if (!cmd->code.n) {
		cmd->code = cmd->limit_code;
		return;
	}
	cv_buf_printf(imapd_out(c), "* NO [%.*s] Only the newest messages\r\n",
		CV_STR_ARGS(cmd->limit_code));
}
