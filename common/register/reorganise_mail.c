/* reorganise_mail.c - reorganise.mail: the mail of boxes that a plan did not keep is copied into
 * those that it kept.
 *
 * "vanthu.xa2" of a unit that was merged has its mail under "Hộp cũ/vanthu.xa2@.../INBOX" of the
 * kept box then. The old box keeps its own, so that a rollback finds it, and bodies are stored once
 * for both. What was copied is not copied again: a copy goes on behind as many messages as are
 * there, so it can be asked for as often as one likes, after a stop or for late mail.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/journal.h"
#include "common/register/reorganise.h"

#define FOLDER   "Hộp cũ"
#define AT_ONCE  500u
#define PAIRS_MAX 20000u

struct pair {
	uint64_t from, to;
	const char *old, *kept; /* addresses: of the old box before the act, of the kept one now */
	size_t messages;
};
struct mail_job {
	struct pair *pairs;
	size_t count, messages;
	uint64_t act;
};

/* ---- which boxes ---- */

/* Whose the first address OLD of account ACCT became; 0: it stayed his. */
static uint64_t
taken_over_by(const struct cv_map *rows, struct reg_call *c, const char *old, uint64_t acct)
{
	const struct reg_entry *e = cv_map_get(rows, cv_arena_printf(&c->arena, "N%s", old));
	struct reg_address address;
	if (!e || !e->new.p || reg_address_decode(e->new, &address) || address.acct == acct)
		return 0;
	return address.acct;
}

static bool
is_asked_for(struct reg_call *c, const char *old)
{
	json_t *boxes = json_object_get(c->request, "boxes"), *one;
	size_t i;
	json_array_foreach(boxes, i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), old))
			return true;
	return !json_is_array(boxes);
}

static void
find_pair(struct reg_call *c, struct mail_job *job, const struct cv_map *rows,
          const struct reg_entry *e)
{
	struct reg_account *a = e->key.p[0] == 'A' ? reg_account_of_row(e->key, e->old) : NULL;
	const struct reg_account *to = NULL;
	bool is_box = a && (a->kind == CV_KIND_ROLE || a->kind == CV_KIND_AGENCY);
	if (is_box && is_asked_for(c, a->text[T_ADDRESS]))
		to = reg_model_find(&c->r->model,
			taken_over_by(rows, c, a->text[T_ADDRESS], a->acct));
	if (to && job->count < PAIRS_MAX)
		job->pairs[job->count++] = (struct pair){ .from = a->acct, .to = to->acct,
			.old = cv_arena_z(&c->arena, cv_str_z(a->text[T_ADDRESS])),
			.kept = cv_arena_z(&c->arena, cv_str_z(to->text[T_ADDRESS])) };
	reg_account_free(a);
}

/* ---- copying ---- */

static enum cv_status
copy_some(struct cv_mbox *src, const struct cv_view *view, uint32_t first_seq, struct cv_mbox *dst,
          cv_ticket *ticket, size_t *done_out, struct cv_err *err)
{
	uint32_t uids[AT_ONCE], from[AT_ONCE], to[AT_ONCE];
	size_t n = 0;
	for (uint32_t seq = first_seq; seq <= view->exists && n < AT_ONCE; seq++)
		uids[n++] = cv_view_seq(view, seq)->uid;
	return cv_mbox_copy(src, uids, n, dst, false, from, to, done_out, ticket, err);
}

/* All of SRC that DST has not got yet. */
static enum cv_status
copy_mailbox(struct reg_call *c, struct cv_mbox *src, struct cv_mbox *dst, size_t *copied,
             struct cv_err *err)
{
	const struct cv_view *have, *view;
	cv_ticket ticket = 0;
	enum cv_status status = cv_mbox_view(dst, &have, err);
	if (status)
		return status;
	uint32_t seq = have->exists + 1;
	cv_view_unref(have);
	status = cv_mbox_view(src, &view, err);
	if (status)
		return status;
	while (!status && seq <= view->exists) {
		size_t done = 0;
		status = copy_some(src, view, seq, dst, &ticket, &done, err);
		*copied += done;
		seq += AT_ONCE;
	}
	cv_view_unref(view);
	if (ticket)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	return status;
}

static enum cv_status
open_target(struct cv_acct *to, struct cv_str name, struct cv_mbox **out, struct cv_err *err)
{
	uint64_t id;
	cv_ticket unused;
	enum cv_status status = cv_mbox_create(to, name, CV_USE_NONE, &id, &unused, err);
	if (status && status != CV_EXISTS)
		return status;
	return cv_mbox_open(to, name, out, err);
}

static enum cv_status
copy_box(struct reg_call *c, struct pair *p, struct cv_acct *from, struct cv_acct *to,
         struct cv_err *err)
{
	struct cv_mbox_info *list;
	size_t count;
	char sep = cv_store_separator(c->r->store);
	enum cv_status status = cv_mbox_list(from, &c->arena, &list, &count, err);
	for (size_t i = 0; !status && i < count; i++) {
		struct cv_mbox *src, *dst = NULL;
		if (!list[i].exists)
			continue;
		/* An address has no separator that a mailbox could not have. */
		struct cv_str name = cv_arena_printf(&c->arena, FOLDER "%c%s%c%.*s", sep, p->old,
			sep, CV_STR_ARGS(list[i].name));
		status = cv_mbox_open(from, list[i].name, &src, err);
		if (status)
			break;
		status = open_target(to, name, &dst, err);
		if (!status)
			status = copy_mailbox(c, src, dst, &p->messages, err);
		if (dst)
			cv_mbox_close(dst);
		cv_mbox_close(src);
	}
	return status;
}

static enum cv_status
copy_pair(struct reg_call *c, struct pair *p, struct cv_err *err)
{
	struct cv_acct *from, *to = NULL;
	cv_ticket unused;
	enum cv_status status = cv_acct_open(c->r->store, p->from, false, &from, &unused, err);
	if (status)
		return status == CV_NOT_FOUND ? CV_OK : status; /* nothing ever came */
	status = cv_acct_open(c->r->store, p->to, true, &to, &unused, err);
	if (!status)
		status = copy_box(c, p, from, to, err);
	if (to)
		cv_acct_close(to);
	cv_acct_close(from);
	return status;
}

static enum cv_status
audit(struct reg_call *c, const struct mail_job *job, struct cv_err *err)
{
	char object[40];
	cv_ticket ticket;
	snprintf(object, sizeof object, "act %llu", (unsigned long long)job->act);
	json_t *detail = json_pack("{s:I, s:I}", "boxes", (json_int_t)job->count, "messages",
		(json_int_t)job->messages);
	struct cv_audit_event event = { .actor = c->actor, .action = "reorganise.mail",
		.object = object, .result = "ok", .detail = detail };
	enum cv_status status = cv_audit_write(c->r->audit, &event, &ticket, err);
	json_decref(detail);
	if (!status)
		cv_ticket_block(cv_store_engine(c->r->store), ticket);
	return status;
}

static enum cv_status
run_mail(struct reg_call *c, struct cv_err *err)
{
	struct mail_job *job = c->after_arg;
	json_t *boxes = json_array();
	enum cv_status status = CV_OK;
	for (size_t i = 0; i < job->count && !status; i++) {
		struct pair *p = &job->pairs[i];
		status = c->is_dry ? CV_OK : copy_pair(c, p, err);
		job->messages += p->messages;
		json_array_append_new(boxes, json_pack("{s:s, s:s, s:I}", "box", p->old, "into",
			p->kept, "messages", (json_int_t)p->messages));
		if (c->progress)
			c->progress(c->arg, json_pack("{s:I, s:I}", "done", (json_int_t)i + 1,
				"total", (json_int_t)job->count));
	}
	json_object_set_new(c->reply, "boxes", boxes);
	json_object_set_new(c->reply, "messages", json_integer((json_int_t)job->messages));
	if (status || c->is_dry)
		return status;
	return audit(c, job, err);
}

/* {"id": act of a reorganisation, "boxes"?: old addresses; all without, "dry_run"?} -> {"boxes":
 * [{"box", "into", "messages"}], "messages": copied now} */
enum cv_status
reg_reorganise_mail(struct reg_call *c, struct cv_err *err)
{
	struct mail_job *job = CV_ARENA_NEW(&c->arena, struct mail_job);
	struct reg_entry *entries;
	struct cv_map rows;
	size_t count;
	bool given;
	enum cv_status status = reg_number(c->request, "id", INT64_MAX, &job->act, &given, err);
	if (status)
		return status;
	const struct reg_act *act = reg_journal_find(&c->r->journal, job->act);
	if (!act || strcmp(act->action, "reorganise.apply") ||
	    reg_journal_undone_by(&c->r->journal, job->act))
		return cv_fail(err, CV_NOT_FOUND, "act %llu is no reorganisation that stands",
			(unsigned long long)job->act);
	status = reg_journal_entries(c, act, &entries, &count, err);
	if (status)
		return status;
	cv_map_init(&rows);
	for (size_t i = 0; i < count; i++)
		cv_map_put(&rows, entries[i].key, &entries[i]);
	job->pairs = CV_ARENA_ARRAY(&c->arena, struct pair, CV_MIN(count, (size_t)PAIRS_MAX) + 1);
	for (size_t i = 0; i < count; i++)
		find_pair(c, job, &rows, &entries[i]);
	cv_map_done(&rows);
	c->after = run_mail;
	c->after_arg = job;
	return CV_OK;
}
