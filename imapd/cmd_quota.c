/* cmd_quota.c - QUOTA (RFC 9208). A mailbox has one root or two: its account's, named "" for one's
 * own and by the address for somebody else's, and that of the pool which the accounts of an agency
 * share, "agency/<code>". Limits are changed with other tools (no QUOTASET). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/store/quota.h"
#include "imapd/cmd_quota.h"
#include "imapd/names.h"

/* One's own has the empty name, that of somebody else the address. */
static struct cv_str
root_of(const struct imapd_place *place)
{
	return place->space == IMAPD_SPACE_OWN ? CV_STR_EMPTY : place->address;
}

static void
write_resource(struct cv_buf *out, bool *is_first, const char *name, uint64_t used, uint64_t limit)
{
	if (!limit)
		return;
	cv_buf_printf(out, "%s%s %llu %llu", *is_first ? "" : " ", name, (unsigned long long)used,
		(unsigned long long)limit);
	*is_first = false;
}

static void
write_quota(struct imapd_conn *c, const struct imapd_place *place)
{
	struct cv_buf *out = imapd_out(c);
	struct cv_quota quota;
	bool is_first = true;

	cv_acct_quota(place->acct, &quota);
	cv_buf_z(out, "* QUOTA ");
	imapd_write_name(out, root_of(place), c->utf8);
	cv_buf_z(out, " (");
	write_resource(out, &is_first, "STORAGE", (quota.used_bytes + 1023) / 1024,
		quota.limit_bytes / 1024);
	write_resource(
		out, &is_first, "MESSAGE", quota.used_messages, quota.limit_messages);
	cv_buf_add(out, ")\r\n", 3);
}

/* Only who is in a pool may know how full it is: of a box that others share nobody else is told. */
static bool
find_pool(struct imapd_conn *c, const struct imapd_place *place, struct cv_pool_info *out)
{
	struct cv_pool_info own;

	return cv_pool_of(c->server->store, cv_acct_number(place->acct), out) &&
	       cv_pool_of(c->server->store, cv_acct_number(c->acct), &own) &&
	       !strcmp(own.name, out->name);
}

static void
write_pool(struct imapd_conn *c, const struct cv_pool_info *pool)
{
	struct cv_buf *out = imapd_out(c);
	bool is_first = true;

	cv_buf_z(out, "* QUOTA ");
	imapd_write_name(out, cv_str_z(pool->name), c->utf8);
	cv_buf_z(out, " (");
	write_resource(out, &is_first, "STORAGE", (pool->used_bytes + 1023) / 1024,
		pool->limit_bytes / 1024);
	cv_buf_add(out, ")\r\n", 3);
}

enum cv_step
imapd_cmd_getquota(struct imapd_conn *c)
{
	struct cv_str root = c->cmd->args.word[0];
	struct imapd_place place;
	struct cv_pool_info pool;
	struct cv_err err = {0};

	if (cv_pool_of(c->server->store, cv_acct_number(c->acct), &pool) &&
		cv_str_eq_z(root, pool.name)) {
		write_pool(c, &pool);
		return imapd_done(c, IMAPD_R_OK);
	}
	enum cv_status status = imapd_place_of_owner(c, root, &place, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	write_quota(c, &place);
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_getquotaroot(struct imapd_conn *c)
{
	struct cv_str name = c->cmd->args.mailbox[0];
	struct imapd_place place;
	struct cv_mbox_info info;
	struct cv_pool_info pool;
	struct cv_err err = {0};

	enum cv_status status = imapd_place(c, name, &place, &err);
	if (!status)
		status = imapd_place_info(c, &place, &info, &err);
	if (status)
		return imapd_refuse(c, status, &err);
	bool has_pool = find_pool(c, &place, &pool);
	cv_buf_z(imapd_out(c), "* QUOTAROOT ");
	imapd_write_name(imapd_out(c), name, c->utf8);
	cv_buf_c(imapd_out(c), ' ');
	imapd_write_name(imapd_out(c), root_of(&place), c->utf8);
	if (has_pool) {
		cv_buf_c(imapd_out(c), ' ');
		imapd_write_name(imapd_out(c), cv_str_z(pool.name), c->utf8);
	}
	cv_buf_z(imapd_out(c), "\r\n");
	write_quota(c, &place);
	if (has_pool)
		write_pool(c, &pool);
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_setquota(struct imapd_conn *c)
{
	return imapd_done(c, IMAPD_R_NO_PERMISSION);
}

/* ---- STATUS DELETED-STORAGE (RFC 9208 4.1.4) ---- */

static bool
add_size(void *arg, const struct cv_msg *msg)
{
	*(uint64_t *)arg += msg->size_bytes;
	return true;
}

uint64_t
imapd_deleted_storage(struct imapd_conn *c, const struct cv_mbox_info *info)
{
	struct imapd_place place;
	struct cv_mbox *m;
	const struct cv_view *v;
	struct cv_err err = {0};
	uint64_t total = 0;

	if (!info->deleted || imapd_place(c, info->name, &place, &err) ||
		imapd_place_mbox(&place, &m, &err))
		return 0;
	if (!cv_mbox_view(m, &v, &err)) {
		uint32_t *uids = cv_malloc((v->exists + 1) * sizeof(*uids));
		size_t count = 0;
		for (uint32_t i = 0; i < v->pages_count; i++)
			for (uint32_t k = 0; k < v->pages[i].page->count; k++) {
				const struct cv_entry *e = &v->pages[i].page->entries[k];
				if (e->flags & CV_FLAG_DELETED)
					uids[count++] = e->uid;
			}
		if (cv_msg_each(m, uids, count, false, add_size, &total, &err))
			cv_log(0, CV_WARN, "quota.not_summed", "error=\"%s\"", err.text);
		free(uids);
		cv_view_unref(v);
	}
	cv_mbox_close(m);
	return total;
}
