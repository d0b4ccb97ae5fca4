/* cmd_metadata.c - GETMETADATA and SETMETADATA (RFC 5464 4.2, 4.3).
 *
 * Entries of a mailbox may be read and set by who sees it in LIST and may do something with its
 * mail (3.3); shared ones are set by who may change flags, private ones are each person's own. The
 * server's shared entries are the operator's, its private ones the person's.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"
#include "imapd/metadata.h"
#include "imapd/names.h"
#include "imapd/rights.h"

#define WITH_MAIL (CV_RIGHT_R | CV_RIGHT_S | CV_RIGHT_W | CV_RIGHT_I | CV_RIGHT_P)

/* What the command's mailbox name means: number, name and special use, and what one may do there.
 * False: it is answered. */
static bool
find_target(struct imapd_conn *c, struct imapd_noted *out, uint32_t *rights_out)
{
	struct cv_str name = c->cmd->args.mailbox[0];
	struct cv_mbox_info info;
	struct cv_err err = {0};

	*out = (struct imapd_noted){0};
	*rights_out = 0;
	if (!name.n)
		return true;
	enum cv_status status = imapd_rights_on(c, c->acct, name, &info, rights_out, &err);
	if (!status && (!info.id || !imapd_may_know(*rights_out)))
		status = CV_NOT_FOUND;
	if (status) {
		imapd_refuse(c, status, &err);
		return false;
	}
	if (!(*rights_out & CV_RIGHT_L) || !(*rights_out & WITH_MAIL)) {
		imapd_done(c, IMAPD_R_NO_PERMISSION);
		return false;
	}
	*out = (struct imapd_noted){.name = info.name, .box = info.id, .use = info.use};
	return true;
}

enum cv_step
imapd_cmd_getmetadata(struct imapd_conn *c)
{
	struct imapd_noted noted;
	uint32_t rights;
	struct cv_note *notes;
	uint64_t longest = 0;
	struct cv_err err = {0};

	if (!find_target(c, &noted, &rights))
		return CV_STEP_DONE;
	enum cv_status status = cv_notes_get(c->acct, noted.box, c->login.acct, &c->arena, &notes,
		&noted.note_count, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	noted.notes = notes;
	imapd_write_metadata(c, &noted, c->cmd->args.metadata, &longest, imapd_out(c));
	if (longest)
		c->cmd->code = cv_arena_printf(&c->arena, "METADATA LONGENTRIES %llu",
			(unsigned long long)longest);
	return imapd_done(c, IMAPD_R_OK);
}

/* ---- SETMETADATA ---- */

struct setting {
	struct cv_note *notes;
	size_t count;
	enum cv_special_use use;
	bool sets_use;
};

/* "\Sent" or NIL; a mailbox has one use here. */
static bool
take_use(struct cv_str value, enum cv_special_use *out)
{
	*out = value.n ? imapd_use_of(value) : CV_USE_NONE;
	return !value.n || *out != CV_USE_NONE;
}

/* Parts the notes from what is none. The reply that refuses it, or OK. */
static enum imapd_reply
take_changes(const struct imapd_conn *c, bool is_server, bool may_share, struct setting *s)
{
	const struct imapd_metadata_args *a = c->cmd->args.metadata;

	for (size_t i = 0; i < a->count; i++) {
		const struct cv_note *entry = &a->entries[i];
		if (entry->value.n > CV_NOTE_VALUE_MAX)
			return IMAPD_R_METADATA_SIZE;
		if (!may_share && !cv_note_is_private(entry->name))
			return IMAPD_R_NO_PERMISSION;
		if (!cv_str_ieq_z(entry->name, "/private/specialuse")) {
			s->notes[s->count++] = *entry;
			continue;
		}
		if (is_server)
			return IMAPD_R_INVALID;
		if (!take_use(entry->value, &s->use))
			return IMAPD_R_USE_UNKNOWN;
		s->sets_use = true;
	}
	return IMAPD_R_OK;
}

enum cv_step
imapd_cmd_setmetadata(struct imapd_conn *c)
{
	const struct imapd_metadata_args *a = c->cmd->args.metadata;
	struct setting s = {.notes = CV_ARENA_ARRAY(&c->arena, struct cv_note, a->count)};
	struct imapd_noted noted;
	uint32_t rights;
	struct cv_err err = {0};
	cv_ticket ticket = 0;

	if (!find_target(c, &noted, &rights))
		return CV_STEP_DONE;
	enum imapd_reply reply = take_changes(c, !noted.name.n, rights & CV_RIGHT_W, &s);
	if (reply != IMAPD_R_OK)
		return imapd_done(c, reply);
	enum cv_status status = cv_notes_set(c->acct, noted.box, c->login.acct, s.notes, s.count,
		s.sets_use ? &s.use : NULL, &ticket, &err);
	if (status == CV_LIMIT)
		return imapd_done(c, IMAPD_R_METADATA_TOO_MANY);
	if (status == CV_EXISTS)
		return imapd_done(c, IMAPD_R_USE_TAKEN);
	if (status)
		return imapd_refuse(c, status, &err);
	if (ticket)
		imapd_metadata_changed(
			c->server, &c->login, c->login.acct, noted.box, a->entries, a->count);
	return imapd_done_durable(c, ticket);
}
