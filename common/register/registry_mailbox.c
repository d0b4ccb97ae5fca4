/* registry_mailbox.c - what administrators do with an account's mail: restore what was removed.
 *
 * The register only says whose account it is; the rest runs without its lock. Whoever looks at or
 * restores another's mail leaves an event in the audit trail, without subjects. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include "common/base/clock.h"
#include "common/register/registry_impl.h"
#include "common/store/restore.h"
#include "common/text/encoded_word.h"
#include "common/text/fold.h"
#include "common/text/header.h"
#include "common/text/summary.h"

#define UID_RANGES_MAX 1000u
#define LIST_DEFAULT   1000u
#define LIST_MAX       10000u
#define TEXT_SHOWN     200u /* bytes of a sender or subject in a list */

struct uid_range {
	uint32_t first, last;
};
struct restore_job {
	cv_acct_id acct;
	char *address; /* in the arena */
	struct cv_restore_options options;
	struct cv_str mailbox, to, from, subject; /* the last two folded */
	struct uid_range *uids;
	size_t uid_count;
	bool is_list;
	json_t *rows;
	size_t row_count, row_max;
	struct cv_buf decoded;
};

/* ---- what is asked for ---- */

/* "7", "7:9" or "7:*", as IMAP writes them. */
static bool
read_range(struct cv_str word, struct uid_range *out)
{
	size_t colon = cv_str_find(word, ':', 0);
	struct cv_str first = cv_str_sub(word, 0, colon);
	struct cv_str last = colon < word.n ? cv_str_sub(word, colon + 1, word.n) : first;
	uint64_t a, b;
	if (cv_str_u64(first, UINT32_MAX, &a) || !a)
		return false;
	if (cv_str_eq_z(last, "*"))
		b = UINT32_MAX;
	else if (cv_str_u64(last, UINT32_MAX, &b) || !b)
		return false;
	*out = (struct uid_range){(uint32_t)CV_MIN(a, b), (uint32_t)CV_MAX(a, b)};
	return true;
}

static enum cv_status
read_uids(struct reg_call *c, struct restore_job *job, struct cv_err *err)
{
	struct cv_str text;
	enum cv_status status = reg_field(c, c->request, "uid", 20000, &text, err);
	if (status || !text.n)
		return status;
	job->uids = CV_ARENA_ARRAY(&c->arena, struct uid_range, UID_RANGES_MAX);
	for (size_t at = 0; at <= text.n;) {
		size_t end = cv_str_find(text, ',', at);
		if (job->uid_count == UID_RANGES_MAX)
			return cv_fail(err, CV_LIMIT, "field 'uid' has more than %u ranges",
				UID_RANGES_MAX);
		if (!read_range(cv_str_sub(text, at, end), &job->uids[job->uid_count++]))
			return cv_fail(err, CV_INVALID, "field 'uid' must be UIDs such as 7,12:19");
		at = end + 1;
	}
	return CV_OK;
}

static enum cv_status
folded_field(struct reg_call *c, const char *name, struct cv_str *out, struct cv_err *err)
{
	struct cv_str text;
	struct cv_buf folded = CV_BUF_INIT(4096);
	enum cv_status status = reg_field(c, c->request, name, 1000, &text, err);
	if (!status && text.n) {
		cv_fold(text, &folded);
		*out = cv_arena_str(&c->arena, cv_buf_view(&folded));
	}
	cv_buf_done(&folded);
	return status;
}

static enum cv_status
read_fields(struct reg_call *c, struct restore_job *job, struct cv_err *err)
{
	bool given;
	uint64_t limit = LIST_DEFAULT;
	enum cv_status status = reg_field(c, c->request, "mailbox", 4000, &job->mailbox, err);
	if (!status)
		status = reg_field(c, c->request, "to", 4000, &job->to, err);
	if (!status)
		status = folded_field(c, "from", &job->from, err);
	if (!status)
		status = folded_field(c, "subject", &job->subject, err);
	if (!status)
		status = read_uids(c, job, err);
	if (!status)
		status = reg_time(c, "since", false, &job->options.since_secs, &given, err);
	if (!status)
		status = reg_time(c, "until", true, &job->options.before_secs, &given, err);
	if (!status)
		status = reg_number(c->request, "limit", LIST_MAX, &limit, &given, err);
	job->row_max = limit;
	job->is_list = reg_flag(c->request, "list", false);
	return status;
}

/* ---- choosing ---- */

/* Every field NAME of HEADERS decoded, one after the other. */
static void
field_text(struct restore_job *job, struct cv_str headers, const char *name)
{
	struct cv_header_scan scan;
	struct cv_field field;
	cv_buf_reset(&job->decoded);
	cv_header_scan_init(&scan, headers);
	while (cv_header_next(&scan, &field)) {
		if (!cv_str_ieq_z(field.name, name))
			continue;
		if (job->decoded.n)
			cv_buf_c(&job->decoded, ' ');
		cv_words_decode(field.value, CV_STR_EMPTY, &job->decoded);
	}
}

static bool
has_text(struct restore_job *job, struct cv_str headers, const char *name, struct cv_str folded)
{
	if (!folded.n)
		return true;
	field_text(job, headers, name);
	return cv_fold_contains(cv_buf_view(&job->decoded), folded);
}

static bool
has_uid(const struct restore_job *job, uint32_t uid)
{
	bool found = !job->uid_count;
	for (size_t i = 0; i < job->uid_count && !found; i++)
		found = uid >= job->uids[i].first && uid <= job->uids[i].last;
	return found;
}

/* The beginning of what field_text() found, cut between characters. */
static json_t *
shown(struct restore_job *job, struct cv_str headers, const char *name)
{
	field_text(job, headers, name);
	struct cv_str s = cv_buf_view(&job->decoded);
	while (s.n && s.p[0] == ' ')
		s = cv_str_sub(s, 1, s.n);
	if (s.n > TEXT_SHOWN) {
		s.n = TEXT_SHOWN;
		while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	json_t *text = json_stringn(s.p ? s.p : "", s.n);
	return text ? text : json_string("?");
}

static void
add_row(struct restore_job *job, const struct cv_restorable *r, struct cv_str headers)
{
	if (job->row_count++ >= job->row_max)
		return;
	json_t *row = json_pack("{s:s%, s:b, s:I, s:I}", "mailbox", r->mailbox.p, r->mailbox.n,
		"mailbox_deleted", r->is_box, "deleted", (json_int_t)r->removed_secs, "until",
		(json_int_t)r->until_secs);
	if (r->msg) {
		json_object_set_new(row, "uid", json_integer(r->msg->uid));
		json_object_set_new(row, "size", json_integer((json_int_t)r->msg->size_bytes));
		json_object_set_new(row, "received", json_integer(r->msg->internal_secs));
		json_object_set_new(row, "seen", json_boolean(r->flags & CV_FLAG_SEEN));
		json_object_set_new(row, "from", shown(job, headers, "From"));
		json_object_set_new(row, "subject", shown(job, headers, "Subject"));
	}
	json_array_append_new(job->rows, row);
}

static bool
want(void *arg, const struct cv_restorable *r)
{
	struct restore_job *job = arg;
	struct cv_summary summary = {0};
	bool chooses = job->uid_count || job->from.n || job->subject.n;
	if (!r->msg) { /* an empty mailbox has no message to choose */
		if (!chooses && job->is_list)
			add_row(job, r, CV_STR_EMPTY);
		return !chooses;
	}
	if (!has_uid(job, r->msg->uid))
		return false;
	if (r->msg->summary.n && cv_summary_decode(r->msg->summary, &summary))
		summary = (struct cv_summary){0};
	if (!has_text(job, summary.headers, "From", job->from) ||
		!has_text(job, summary.headers, "Subject", job->subject))
		return false;
	if (job->is_list)
		add_row(job, r, summary.headers);
	return true;
}

/* ---- doing it ---- */

static enum cv_status
audit(struct reg_call *c, const struct restore_job *job, const struct cv_restore_report *report,
	struct cv_err *err)
{
	cv_ticket ticket;
	json_t *detail = json_pack("{s:I, s:I, s:I, s:s%, s:s%}", "messages",
		(json_int_t)report->messages, "bytes", (json_int_t)report->size_bytes, "mailboxes",
		(json_int_t)report->mailboxes, "mailbox", job->mailbox.p ? job->mailbox.p : "",
		job->mailbox.n, "to", job->to.p ? job->to.p : "", job->to.n);
	struct cv_audit_event event = {.actor = c->actor,
		.action = job->is_list ? "mailbox.list_removed" : "mailbox.restore",
		.object = job->address,
		.result = "ok",
		.detail = detail};
	enum cv_status status = cv_audit_write(c->r->audit, &event, &ticket, err);
	json_decref(detail);
	if (!status)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	return status;
}

static void
fill_reply(struct reg_call *c, struct restore_job *job, const struct cv_restore_report *report)
{
	json_t *reply = c->reply;
	json_object_set_new(reply, "account", json_string(job->address));
	json_object_set_new(reply, "messages", json_integer((json_int_t)report->messages));
	json_object_set_new(reply, "bytes", json_integer((json_int_t)report->size_bytes));
	json_object_set_new(reply, "mailboxes_made", json_integer((json_int_t)report->mailboxes));
	json_object_set_new(reply, "damaged", json_integer((json_int_t)report->without_row));
	if (!job->is_list)
		return;
	json_object_set(reply, "removed", job->rows);
	json_object_set_new(reply, "more", json_boolean(job->row_count > job->row_max));
}

static enum cv_status
run_restore(struct reg_call *c, struct cv_err *err)
{
	struct restore_job *job = c->after_arg;
	struct cv_restore_report report = {0};
	struct cv_acct *box;
	cv_ticket ticket = 0;
	job->rows = json_array();
	job->decoded = CV_BUF_INIT(1u << 20);
	enum cv_status status = cv_acct_open(c->r->store, job->acct, false, &box, NULL, err);
	if (!status) {
		status = cv_acct_restore(box, &job->options, &report, &ticket, err);
		cv_acct_close(box);
	}
	if (ticket)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	/* What came back before a failure is in the trail too. */
	if (job->is_list ? !status : report.messages || report.mailboxes) {
		struct cv_err second;
		enum cv_status written = audit(c, job, &report, status ? &second : err);
		status = status ? status : written;
	}
	if (!status)
		fill_reply(c, job, &report);
	json_decref(job->rows);
	cv_buf_done(&job->decoded);
	return status;
}

/* {"account", "mailbox"?, "since"?, "until"?, "from"?, "subject"?, "uid"?, "to"?, "list"?,
 *  "dry_run"?, "limit"?} -> {"account", "messages", "bytes", "mailboxes_made", "damaged",
 *  "removed"?: [{"mailbox", "mailbox_deleted", "deleted", "until", "uid", "size", "received",
 *  "seen", "from", "subject"}], "more"?} */
enum cv_status
reg_mailbox_restore(struct reg_call *c, struct cv_err *err)
{
	struct restore_job *job = CV_ARENA_NEW(&c->arena, struct restore_job);
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "account", &a, err);
	if (!status)
		status = read_fields(c, job, err);
	if (status)
		return status;
	job->acct = a->acct;
	job->address = (char *)(uintptr_t)cv_arena_str(&c->arena,
		cv_str(a->text[T_ADDRESS], strlen(a->text[T_ADDRESS]) + 1)).p;
	if (job->mailbox.n)
		job->options.mailbox = job->mailbox;
	if (job->to.n)
		job->options.to = job->to;
	job->options.dry_run = job->is_list || c->is_dry;
	job->options.with_summary = job->is_list || job->from.n || job->subject.n;
	job->options.want = want;
	job->options.arg = job;
	c->after = run_restore;
	c->after_arg = job;
	return CV_OK;
}
