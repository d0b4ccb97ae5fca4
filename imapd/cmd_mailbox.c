/* cmd_mailbox.c - CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"
#include "imapd/names.h"
#include "imapd/notify.h"
#include "imapd/rights.h"

static enum cv_step
done_or_refuse(
	struct imapd_conn *c, enum cv_status status, cv_ticket ticket, const struct cv_err *err)
{
	return status ? imapd_refuse(c, status, err) : imapd_done_durable(c, ticket);
}

/* "name/" says that the name will have children (RFC 3501 6.3.3); it means the name. */
static struct cv_str
without_separator(struct imapd_conn *c, struct cv_str name)
{
	char separator = cv_store_separator(c->server->store);
	return name.n > 1 && name.p[name.n - 1] == separator ? cv_str(name.p, name.n - 1) : name;
}

/* RFC 9051 6.3.4, 6.3.6: the name as it is kept, with the one that the client knows it by. Told
 * once the change is durable. */
static void
tell_name(struct imapd_conn *c, const struct imapd_place *place, struct cv_str old_name)
{
	struct cv_mbox_info info;
	struct cv_buf line = CV_BUF_INIT(16u << 10);

	if (!imapd_place_info(c, place, &info, NULL)) {
		imapd_write_list(c, &info, old_name, &line);
		c->cmd->untagged = cv_arena_str(&c->arena, cv_buf_view(&line));
	}
	cv_buf_done(&line);
}

/* Where a mailbox of that name may be made: not at the levels above others' boxes. */
static enum cv_status
find_new(struct imapd_conn *c, struct cv_str name, struct imapd_place *out, struct cv_err *err)
{
	enum cv_status status = imapd_place_new(c, name, out, err);

	if (!status && (!out->name.n || (out->space == IMAPD_SPACE_OWN && out->is_reserved)))
		status = cv_fail(err, CV_DENIED, "the name stands for boxes of others");
	return status;
}

enum cv_step
imapd_cmd_create(struct imapd_conn *c)
{
	struct cv_str name = without_separator(c, c->cmd->args.mailbox[0]);
	enum cv_special_use use = c->cmd->args.use;
	struct imapd_place place;
	struct cv_mbox_info info;
	struct cv_err err = {0};
	cv_ticket ticket = 0;
	uint64_t id;
	char objectid[IMAPD_OBJECTID_MAX];

	enum cv_status status = find_new(c, name, &place, &err);
	if (!status && !imapd_may_create(c, &place))
		return imapd_done(c, IMAPD_R_NO_PERMISSION);
	if (!status && use != CV_USE_NONE && place.space != IMAPD_SPACE_OWN)
		return imapd_done(c, IMAPD_R_USE_TAKEN); /* in their session it is not told */
	if (!status)
		status = cv_mbox_create(place.acct, place.name, use, &id, &ticket, &err);
	/* Two things may exist already: the name, or another mailbox of that use (RFC 6154). */
	if (status == CV_EXISTS && use != CV_USE_NONE &&
		cv_mbox_info(place.acct, place.name, &c->arena, &info, NULL) == CV_NOT_FOUND)
		return imapd_done(c, IMAPD_R_USE_TAKEN);
	if (!status)
		c->cmd->code = cv_arena_printf(
			&c->arena, "MAILBOXID (%s)",
			imapd_mailbox_id(id,
				place.space == IMAPD_SPACE_OWN ? 0 : place.owner, objectid));
	struct cv_str given = without_separator(c, c->cmd->args.given[0]);
	if (!status && c->rev2 && !cv_str_eq(given, name))
		tell_name(c, &place, given);
	return done_or_refuse(c, status, ticket, &err);
}

static bool
stands_for_children(struct imapd_conn *c, const struct imapd_place *place)
{
	struct cv_mbox_info info;

	return place->name.n && !cv_mbox_info(place->acct, place->name, &c->arena, &info, NULL) &&
	       !info.selectable && info.has_children;
}

enum cv_step
imapd_cmd_delete(struct imapd_conn *c)
{
	struct imapd_place place;
	struct cv_err err = {0};
	cv_ticket ticket = 0;
	struct cv_mbox *mbox;
	bool is_selected = false;

	enum cv_status status = imapd_place(c, c->cmd->args.mailbox[0], &place, &err);
	if (!status && !place.name.n)
		status = cv_fail(&err, CV_DENIED, "the name stands for a box of somebody");
	if (!status && c->session && !imapd_place_mbox(&place, &mbox, NULL)) {
		is_selected = mbox == c->session->mbox;
		cv_mbox_close(mbox);
	}
	if (!status)
		status = cv_mbox_delete(place.acct, place.name, &ticket, &err);
	/* Deleting the mailbox one is in means leaving it; one that stays stays selected. */
	if (!status && is_selected)
		imapd_conn_enter(c, IMAPD_S_AUTH);
	if (status == CV_DENIED && stands_for_children(c, &place))
		return imapd_done(c, IMAPD_R_HAS_CHILDREN);
	return done_or_refuse(c, status, ticket, &err);
}

enum cv_step
imapd_cmd_rename(struct imapd_conn *c)
{
	const struct imapd_args *a = &c->cmd->args;
	struct imapd_place from, to;
	struct cv_err err = {0};
	cv_ticket ticket = 0;

	enum cv_status status = imapd_place(c, a->mailbox[0], &from, &err);
	if (!status)
		status = find_new(c, without_separator(c, a->mailbox[1]), &to, &err);
	if (!status && (!from.name.n || from.acct != to.acct))
		status = cv_fail(&err, CV_DENIED, "a mailbox stays its owner's");
	/* INBOX of somebody else is where their mail comes in: it is not emptied by its name. */
	if (!status && from.space != IMAPD_SPACE_OWN && cv_str_eq_z(from.name, "INBOX"))
		status = cv_fail(&err, CV_DENIED, "the inbox of others keeps its name");
	if (!status && !imapd_may_create(c, &to))
		return imapd_done(c, IMAPD_R_NO_PERMISSION);
	if (!status)
		status = cv_mbox_rename(from.acct, from.name, to.name, &ticket, &err);
	if (!status && c->rev2)
		tell_name(c, &to, a->mailbox[0]);
	return done_or_refuse(c, status, ticket, &err);
}

/* Subscriptions are the person's own, under the name that the client knows. */
static enum cv_step
subscribe(struct imapd_conn *c, bool on)
{
	struct cv_str name = without_separator(c, c->cmd->args.mailbox[0]);
	struct imapd_place place;
	struct cv_err err = {0};
	cv_ticket ticket = 0;

	if (!imapd_place(c, name, &place, NULL))
		name = imapd_place_name(c, &place, place.name);
	enum cv_status status = cv_mbox_subscribe(c->acct, name, on, &ticket, &err);
	imapd_notify_others_changed(c);
	return done_or_refuse(c, status, ticket, &err);
}

enum cv_step
imapd_cmd_subscribe(struct imapd_conn *c)
{
	return subscribe(c, true);
}

enum cv_step
imapd_cmd_unsubscribe(struct imapd_conn *c)
{
	return subscribe(c, false);
}
