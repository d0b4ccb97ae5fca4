/* cmd_status.c - STATUS, and its items for LIST-STATUS. Counts come from memory. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/cmd_quota.h"
#include "imapd/names.h"

void
imapd_write_status(struct imapd_conn *c, const struct cv_mbox_info *info, unsigned items)
{
	const struct {
		unsigned item;
		const char *word;
		uint64_t value;
	} rows[] = {
		{IMAPD_STATUS_MESSAGES,      "MESSAGES ",      info->exists        },
		{IMAPD_STATUS_RECENT,        "RECENT ",        info->recent        },
		{IMAPD_STATUS_UIDNEXT,       "UIDNEXT ",       info->uidnext       },
		{IMAPD_STATUS_UIDVALIDITY,   "UIDVALIDITY ",   info->uidvalidity   },
		{IMAPD_STATUS_UNSEEN,        "UNSEEN ",        info->unseen        },
		{IMAPD_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ ", info->highest_modseq},
		{IMAPD_STATUS_SIZE,          "SIZE ",          info->size_bytes    },
		{IMAPD_STATUS_DELETED,       "DELETED ",       info->deleted       },
		{IMAPD_STATUS_APPENDLIMIT,   "APPENDLIMIT ",
			imapd_config(c->server)->imapd->max_append},
	};
	struct cv_buf *out = imapd_out(c);
	bool is_first = true;

	cv_buf_z(out, "* STATUS ");
	imapd_write_name(out, info->name, c->utf8);
	cv_buf_add(out, " (", 2);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (!(items & rows[i].item))
			continue;
		if (!is_first)
			cv_buf_c(out, ' ');
		is_first = false;
		cv_buf_z(out, rows[i].word);
		cv_buf_u64(out, rows[i].value);
	}
	if (items & IMAPD_STATUS_DELETED_STORAGE) {
		cv_buf_printf(out, "%sDELETED-STORAGE %llu", is_first ? "" : " ",
			(unsigned long long)imapd_deleted_storage(c, info));
		is_first = false;
	}
	if (items & IMAPD_STATUS_MAILBOXID) {
		char id[IMAPD_OBJECTID_MAX];
		cv_buf_printf(out, "%sMAILBOXID (%s)", is_first ? "" : " ",
			imapd_mailbox_id(info->id, imapd_other_of(c, info->name), id));
	}
	cv_buf_add(out, ")\r\n", 3);
}

enum cv_step
imapd_cmd_status(struct imapd_conn *c)
{
	const struct imapd_args *a = &c->cmd->args;
	struct imapd_place place;
	struct cv_mbox_info info;
	struct cv_err err = {0};

	enum cv_status status = imapd_place(c, a->mailbox[0], &place, &err);
	if (!status)
		status = imapd_place_info(c, &place, &info, &err);
	if (!status && (!info.selectable || !info.id))
		status = CV_NOT_FOUND;
	if (status)
		return imapd_refuse(c, status, &err);
	if (a->status_items & IMAPD_STATUS_HIGHESTMODSEQ)
		imapd_know_modseq(c);
	imapd_write_status(c, &info, a->status_items);
	return imapd_done(c, IMAPD_R_OK);
}
