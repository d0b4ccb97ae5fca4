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

/* False: the command is answered. */
static bool
find_target(struct imapd_conn *c, struct imapd_noted_place *out)
{
	struct cv_err err = {0};
	enum cv_status status = imapd_noted_find(c, c->cmd->args.mailbox[0], out, &err);

	if (status == CV_DENIED)
		imapd_done(c, IMAPD_R_NO_PERMISSION);
	else if (status)
		imapd_refuse(c, status, &err);
	return !status;
}

enum cv_step
imapd_cmd_getmetadata(struct imapd_conn *c)
{
	struct imapd_noted_place place;
	uint64_t longest = 0;
	struct cv_err err = {0};

	if (!find_target(c, &place))
		return CV_STEP_DONE;
	enum cv_status status = imapd_noted_load(c, &place, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	imapd_write_metadata(c, &place.noted, c->cmd->args.metadata, &longest, imapd_out(c));
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
	struct imapd_noted_place place;
	struct cv_err err = {0};
	cv_ticket ticket = 0;

	if (!find_target(c, &place))
		return CV_STEP_DONE;
	enum imapd_reply reply =
		take_changes(c, !place.noted.name.n, place.rights & CV_RIGHT_W, &s);
	if (reply == IMAPD_R_OK && s.sets_use && place.owner != c->login.acct)
		reply = IMAPD_R_NO_PERMISSION; /* it is told to the owner alone */
	if (reply != IMAPD_R_OK)
		return imapd_done(c, reply);
	enum cv_status status = cv_notes_set(place.acct, place.noted.box, c->login.acct, s.notes,
		s.count, s.sets_use ? &s.use : NULL, &ticket, &err);
	if (status == CV_LIMIT)
		return imapd_done(c, IMAPD_R_METADATA_TOO_MANY);
	if (status == CV_EXISTS)
		return imapd_done(c, IMAPD_R_USE_TAKEN);
	if (status)
		return imapd_refuse(c, status, &err);
	if (ticket)
		imapd_metadata_changed(c->server, &c->login, place.owner, place.noted.box,
			a->entries, a->count);
	return imapd_done_durable(c, ticket);
}
