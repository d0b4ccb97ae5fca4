/* describe.c - see describe.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/describe.h"

static const struct imapd_cmd_row row = {
	"NOTIFY", imapd_cmd_fetch, IMAPD_S_SELECTED, "",
	IMAPD_CMD_NUMBERS | IMAPD_CMD_QUIET | IMAPD_CMD_STREAMS, ""};

void
imapd_describe(struct imapd_conn *c, struct cv_str items, const struct imapd_range *ranges,
	uint32_t count)
{
	struct imapd_cmd *cmd = CV_ARENA_NEW(&c->arena, struct imapd_cmd);
	struct imapd_parse p = {.text = cv_arena_str(&c->arena, items),
		.arena = &c->arena,
		.utf8 = c->utf8,
		.rev2 = c->rev2,
		.uid_only = c->uid_only};

	cmd->row = &row;
	cmd->is_description = true;
	cmd->interrupted = c->cmd;
	cmd->args.fetch = CV_ARENA_NEW(&c->arena, struct imapd_fetch_args);
	/* The items were read once before; ENABLE may have taken away what they name. */
	if (!imapd_parse_fetch_items(&p, cmd->args.fetch))
		*cmd->args.fetch = (struct imapd_fetch_args){.items = IMAPD_ITEM_UID};
	/* As in every FETCH that was not asked for (RFC 7162 3.1, 3.2.4). */
	if (c->condstore)
		cmd->args.fetch->items |= IMAPD_ITEM_MODSEQ;
	if (c->qresync && !c->uid_only)
		cmd->args.fetch->items |= IMAPD_ITEM_UID;
	/* To be told is not to have read (RFC 5465 5.2). */
	for (unsigned i = 0; i < cmd->args.fetch->section_count; i++)
		cmd->args.fetch->sections[i].is_peek = true;
	cmd->args.set.ranges = CV_ARENA_ARRAY(&c->arena, struct imapd_range, count);
	memcpy(cmd->args.set.ranges, ranges, count * sizeof *ranges);
	cmd->args.set.count = count;
	c->cmd = cmd;
}

bool
imapd_describe_ended(struct imapd_conn *c)
{
	struct imapd_cmd *cmd = c->cmd;

	if (!cmd->is_description)
		return false;
	if (cmd->release)
		cmd->release(cmd->step);
	c->cmd = cmd->interrupted;
	if (!c->cmd)
		cv_arena_reset(&c->arena);
	return true;
}
