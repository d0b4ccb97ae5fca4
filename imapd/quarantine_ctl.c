/* quarantine_ctl.c - see quarantine_ctl.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/quarantine_ctl.h"

#include "common/text/encode.h"
#include "imapd/digest.h"
#include "imapd/quarantine.h"

struct job {
	struct imapd *d;
	struct imapd_actor actor;
	const json_t *request;
	struct cv_arena arena;
	cv_acct_no acct; /* 0: none named */
	const char *address;
};

static const char *
word(const struct job *j, const char *key)
{
	return json_string_value(json_object_get(j->request, key));
}

/* The account that the request names, or CV_OK and acct 0 when it names none. */
static enum cv_status
find_account(struct job *j, bool is_needed, struct cv_err *err)
{
	const char *name = word(j, "account");
	struct cv_reg_hit hit = {.found = CV_REG_NONE};

	if (!name)
		return is_needed ? cv_fail(err, CV_INVALID, "field 'account' is missing") : CV_OK;
	const struct cv_snapshot *s = cv_register_get(j->d->reg);
	struct cv_str whole = cv_str_z(name);
	if (cv_str_find(whole, '@', 0) == whole.n)
		whole = cv_arena_printf(&j->arena, "%s@%.*s", name,
			CV_STR_ARGS(cv_snapshot_default_domain(s)));
	cv_snapshot_find_address(s, whole, &hit);
	bool is_box = hit.found == CV_REG_ACCOUNT;
	if (is_box) {
		j->acct = hit.account.acct;
		j->address = cv_arena_z(&j->arena, hit.account.address);
	}
	cv_snapshot_unref(s);
	return is_box ? CV_OK : cv_fail(err, CV_NOT_FOUND, "there is no account %s", name);
}

static enum cv_status
note(struct job *j, const char *action, uint32_t item, struct cv_err *err)
{
	const char *agency = word(j, "agency");
	json_t *detail = json_object();

	if (item)
		json_object_set_new(detail, "item", json_integer(item));
	enum cv_status status = imapd_held_audit(j->d, &j->actor, action,
		j->address ? j->address : agency ? agency : "all", detail, err);
	json_decref(detail);
	return status;
}

/* ---- facts ---- */

static json_t *
facts(const struct imapd_held *h, struct cv_str address)
{
	return json_pack("{s:s% s:i s:I s:I s:I s:b s:s% s:s% s:s% s:s%}", "account", address.p,
		address.n, "item", (int)h->uid, "arrived", (json_int_t)h->arrived_secs, "expires",
		(json_int_t)h->expires_secs, "size", (json_int_t)h->size_bytes, "told", h->is_told,
		"sender", h->sender.n ? h->sender.p : "", h->sender.n, "score",
		h->score.n ? h->score.p : "", h->score.n, "rules", h->rules.n ? h->rules.p : "",
		h->rules.n, "reason", h->reason.n ? h->reason.p : "", h->reason.n);
}

struct listing {
	struct job *j;
	json_t *items;
	uint64_t total;
	size_t left;
};

static enum cv_status
add_account(struct listing *l, cv_acct_no acct, struct cv_str address, struct cv_err *err)
{
	struct cv_quarantine_counts counts;
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_held *items;
	size_t n;
	enum cv_status status = cv_quarantine_count(l->j->d->store, acct, &counts, err);

	if (status || !counts.messages)
		return status;
	l->total += counts.messages;
	const struct imapd_held_choice all = {.max = l->left};
	status = imapd_held_list(l->j->d, acct, &all, &arena, &items, &n, err);
	for (size_t i = 0; !status && i < n; i++)
		json_array_append_new(l->items, facts(&items[i], address));
	l->left -= status ? 0 : n;
	cv_arena_done(&arena);
	return status;
}

/* All accounts, or those of AGENCY and its own box. */
static enum cv_status
add_accounts(struct listing *l, const char *agency, struct cv_err *err)
{
	const struct cv_snapshot *s = cv_register_get(l->j->d->reg);
	enum cv_status status = CV_OK;
	struct cv_reg_agency unit;
	struct cv_reg_account a;

	if (agency && !cv_snapshot_agency(s, cv_str_z(agency), &unit))
		status = cv_fail(err, CV_NOT_FOUND, "there is no agency %s", agency);
	for (size_t i = 0; !status && i < cv_snapshot_accounts(s); i++)
		if (cv_snapshot_nth(s, i, &a) && a.kind != CV_KIND_GROUP &&
			(!agency || cv_str_eq_z(a.agency, agency)))
			status = add_account(l, a.acct, a.address, err);
	cv_snapshot_unref(s);
	return status;
}

static enum cv_status
do_list(struct job *j, json_t **reply_out, struct cv_err *err)
{
	json_int_t limit = json_integer_value(json_object_get(j->request, "limit"));
	struct listing l = {.j = j, .items = json_array(), .left = IMAPD_HELD_LIST_MAX};

	if (limit > 0 && limit < (json_int_t)l.left)
		l.left = (size_t)limit;
	enum cv_status status = find_account(j, false, err);
	if (!status)
		status = note(j, "quarantine.list", 0, err);
	if (!status && j->acct)
		status = add_account(&l, j->acct, cv_str_z(j->address), err);
	else if (!status)
		status = add_accounts(&l, word(j, "agency"), err);
	if (status) {
		json_decref(l.items);
		return status;
	}
	*reply_out = json_pack("{s:o s:I}", "items", l.items, "total", (json_int_t)l.total);
	return CV_OK;
}

/* ---- one item ---- */

static enum cv_status
find_item(struct job *j, uint32_t *uid_out, struct cv_err *err)
{
	json_int_t item = json_integer_value(json_object_get(j->request, "item"));
	enum cv_status status = find_account(j, true, err);

	if (!status && (item <= 0 || item > UINT32_MAX))
		status = cv_fail(err, CV_INVALID, "field 'item' is missing or no number");
	*uid_out = (uint32_t)item;
	return status;
}

static enum cv_status
put_body(struct job *j, const struct imapd_held *h, json_t *reply, struct cv_err *err)
{
	struct cv_buf body = CV_BUF_INIT(IMAPD_HELD_SHOW_MAX);
	struct cv_buf text = CV_BUF_INIT(CV_BASE64_SIZE(IMAPD_HELD_SHOW_MAX));
	enum cv_status status = imapd_held_read(j->d, j->acct, h, &body, err);

	if (!status) {
		cv_base64_encode(cv_buf_view(&body), &text);
		json_object_set_new(
			reply, "message", json_stringn(text.n ? text.p : "", text.n));
		json_object_set_new(reply, "is_whole", json_boolean(body.n == h->size_bytes));
	}
	cv_buf_done(&body);
	cv_buf_done(&text);
	return status;
}

static enum cv_status
do_show(struct job *j, json_t **reply_out, struct cv_err *err)
{
	bool body = json_is_true(json_object_get(j->request, "body"));
	struct imapd_held *h;
	size_t n = 0;
	uint32_t uid;
	enum cv_status status = find_item(j, &uid, err);
	const struct imapd_held_choice one = {.uid = uid, .max = 1};

	if (!status)
		status = note(j, body ? "quarantine.read" : "quarantine.show", uid, err);
	if (!status)
		status = imapd_held_list(j->d, j->acct, &one, &j->arena, &h, &n, err);
	if (!status && !n)
		status = cv_fail(err, CV_NOT_FOUND, "there is no such message in quarantine");
	if (status)
		return status;
	json_t *reply = facts(h, cv_str_z(j->address));
	if (body)
		status = put_body(j, h, reply, err);
	if (status)
		json_decref(reply);
	else
		*reply_out = reply;
	return status;
}

static enum cv_status
do_act(struct job *j, bool releases, json_t **reply_out, struct cv_err *err)
{
	uint32_t uid;
	enum cv_status status = find_item(j, &uid, err);

	if (!status)
		status = releases ? imapd_held_release(j->d, j->acct, uid, 0, &j->actor, err)
				  : imapd_held_delete(j->d, j->acct, uid, 0, &j->actor, err);
	if (!status)
		*reply_out = json_pack("{s:s s:i}", "account", j->address, "item", (int)uid);
	return status;
}

static enum cv_status
do_digest(struct job *j, json_t **reply_out, struct cv_err *err)
{
	uint64_t told = 0;
	enum cv_status status = find_account(j, false, err);

	if (!status)
		status = note(j, "quarantine.digest", 0, err);
	if (!status)
		status = imapd_digest_send(j->d, j->acct, &told, err);
	if (!status)
		*reply_out = json_pack("{s:I}", "told", (json_int_t)told);
	return status;
}

enum cv_status
imapd_quarantine_do(struct imapd *d, const char *actor, const json_t *request, json_t **reply_out,
	struct cv_err *err)
{
	struct job j = {.d = d, .actor = {.name = actor}, .request = request};
	const char *what =
		json_string_value(json_object_get(request, "do")) + strlen("quarantine.");
	enum cv_status status;

	if (!strcmp(what, "list"))
		status = do_list(&j, reply_out, err);
	else if (!strcmp(what, "show"))
		status = do_show(&j, reply_out, err);
	else if (!strcmp(what, "release") || !strcmp(what, "delete"))
		status = do_act(&j, what[0] == 'r', reply_out, err);
	else if (!strcmp(what, "digest"))
		status = do_digest(&j, reply_out, err);
	else
		status = cv_fail(err, CV_INVALID, "unknown request quarantine.%s", what);
	cv_arena_done(&j.arena);
	return status;
}
