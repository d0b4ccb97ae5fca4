/* registry_audit.c - audit.list, audit.verify: who did what (SEC-02), and that it was not changed.
 * it.
 *
 * Both read the chain without the register's lock. The trail may hold millions of events: a list
 * is one page of at most LIST_MAX, found by number, and looks at no more than LOOK_MAX of them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/registry_impl.h"
#include "common/text/date.h"

#define LIST_DEFAULT 100u
#define LIST_MAX     2000u
#define LOOK_MAX     200000u /* events that one request looks at before it answers with `next` */
#define WINDOW       2000u   /* of the search from the end */
#define NOTE_EVERY   20000u  /* events between two notes of progress */

/* ---- what is looked for ---- */

struct filter {
	struct cv_str actor, action, object, result; /* empty: any */
	char since[32], until[32];                   /* "2026-11-22T01:00:00", or "" */
};

/* Times stand in events as UTC texts of one form, so that they compare as such. */
static enum cv_status
read_moment(struct reg_call *c, const char *name, bool is_end, char out[32], struct cv_err *err)
{
	int64_t secs;
	bool given;
	struct tm tm;
	enum cv_status status = reg_time(c, name, is_end, &secs, &given, err);
	time_t at = (time_t)secs;
	out[0] = '\0';
	if (!status && given && gmtime_r(&at, &tm))
		strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	return status;
}

static enum cv_status
read_filter(struct reg_call *c, struct filter *f, struct cv_err *err)
{
	const struct {
		const char *name;
		struct cv_str *out;
	} words[] = {
		{"actor",  &f->actor },
		{"action", &f->action},
		{"object", &f->object},
		{"result", &f->result},
	};
	enum cv_status status = read_moment(c, "since", false, f->since, err);
	if (!status)
		status = read_moment(c, "until", true, f->until, err);
	for (size_t i = 0; !status && i < CV_COUNT(words); i++)
		status = reg_field(c, c->request, words[i].name, 400, words[i].out, err);
	return status;
}

static bool
holds(const json_t *event, const char *name, struct cv_str part)
{
	const char *text = json_string_value(json_object_get(event, name));
	return !part.n || (text && memmem(text, strlen(text), part.p, part.n));
}

static bool
fits(const struct filter *f, const json_t *event)
{
	const char *time = json_string_value(json_object_get(event, "time"));
	const char *action = json_string_value(json_object_get(event, "action"));
	return time && (!f->since[0] || strcmp(time, f->since) >= 0) &&
	       (!f->until[0] || strcmp(time, f->until) < 0) &&
	       (!f->action.n || (action && cv_str_has_prefix(cv_str_z(action), f->action.p))) &&
	       holds(event, "actor", f->actor) && holds(event, "object", f->object) &&
	       holds(event, "result", f->result);
}

/* ---- list ---- */

struct page {
	struct cv_audit *audit;
	struct filter filter;
	json_t *events; /* ascending */
	size_t limit;
	uint64_t until;        /* events from this number on are not looked at */
	uint64_t looked, next; /* the first that was not looked at */
};

static bool
on_listed(void *arg, uint64_t number, struct cv_str text)
{
	struct page *p = arg;
	if (number >= p->until || json_array_size(p->events) >= p->limit || p->looked >= LOOK_MAX)
		return false;
	json_t *event = json_loadb(text.p, text.n, 0, NULL);
	p->looked++;
	p->next = number + 1;
	if (event && fits(&p->filter, event))
		json_array_append(p->events, event);
	json_decref(event);
	return true;
}

/* Newest first: windows from the end backwards, until the page is full. */
static enum cv_status
list_latest(struct page *p, uint64_t last, struct cv_err *err)
{
	json_t *all = json_array();
	size_t limit = p->limit;
	enum cv_status status = CV_OK;
	uint64_t from = last + 1;
	p->limit = WINDOW;
	while (!status && from > 1 && json_array_size(all) < limit && p->looked < LOOK_MAX) {
		p->until = from;
		from = from > WINDOW ? from - WINDOW : 1;
		p->events = json_array();
		status = cv_audit_walk(p->audit, from, on_listed, p, err);
		json_array_extend(p->events, all);
		json_decref(all);
		all = p->events;
	}
	while (json_array_size(all) > limit)
		json_array_remove(all, 0);
	p->events = all;
	p->next = last + 1;
	return status;
}

static enum cv_status
list_after(struct reg_call *c, struct cv_err *err)
{
	struct page *p = c->after_arg;
	struct cv_audit_head head = cv_audit_head(p->audit);
	uint64_t after = 0;
	bool given;
	enum cv_status status =
		reg_number(c->request, "after", UINT64_MAX - 1, &after, &given, err);
	p->until = head.last + 1;
	p->next = after + 1;
	if (!status && given && after < head.last) {
		p->events = json_array();
		status = cv_audit_walk(p->audit, after + 1, on_listed, p, err);
	} else if (!status && !given) {
		status = list_latest(p, head.last, err);
	}
	if (status) {
		json_decref(p->events);
		return status;
	}
	json_object_set_new(c->reply, "events", p->events ? p->events : json_array());
	json_object_set_new(c->reply, "after", json_integer((json_int_t)p->next - 1));
	json_object_set_new(c->reply, "more", json_boolean(p->next <= head.last));
	json_object_set_new(c->reply, "last", json_integer((json_int_t)head.last));
	return CV_OK;
}

/* {"after"?, "since"?, "until"?, "actor"?, "action"?, "object"?, "result"?, "limit"?}
 * -> {"events", "after", "more", "last"}. Without "after" the latest that fit. */
enum cv_status
reg_audit_list(struct reg_call *c, struct cv_err *err)
{
	struct page *p = CV_ARENA_ARRAY(&c->arena, struct page, 1);
	uint64_t limit = LIST_DEFAULT;
	bool given;
	*p = (struct page){.audit = c->r->audit};
	enum cv_status status = read_filter(c, &p->filter, err);
	if (!status)
		status = reg_number(c->request, "limit", LIST_MAX, &limit, &given, err);
	p->limit = limit;
	c->after = list_after;
	c->after_arg = p;
	return status;
}

/* ---- verify ---- */

struct proof {
	struct reg_call *call;
	uint64_t from, number; /* `number`: the event whose hash is known from elsewhere, or 0 */
	char hash[65];
	uint64_t events;
	char first_time[40], last_time[40];
	bool is_other; /* that event is not the one */
	uint64_t last;
};

static void
copy_time(struct cv_str text, char out[40])
{
	json_t *event = json_loadb(text.p, text.n, 0, NULL);
	const char *time = json_string_value(json_object_get(event, "time"));
	snprintf(out, 40, "%s", time ? time : "");
	json_decref(event);
}

static bool
on_proved(void *arg, uint64_t number, struct cv_str text)
{
	struct proof *p = arg;
	char hash[65];
	if (!p->events++)
		copy_time(text, p->first_time);
	if (number == p->last)
		copy_time(text, p->last_time);
	if (number == p->number) {
		cv_audit_hash(text, hash);
		p->is_other = strcmp(hash, p->hash) != 0;
	}
	if (p->call->progress && p->events % NOTE_EVERY == 0)
		p->call->progress(
			p->call->arg, json_pack("{s:I, s:I}", "done", (json_int_t)p->events,
					      "total", (json_int_t)(p->last - p->from + 1)));
	return !p->is_other;
}

static enum cv_status
verify_after(struct reg_call *c, struct cv_err *err)
{
	struct proof *p = c->after_arg;
	struct cv_audit_head head = cv_audit_head(c->r->audit);
	p->last = head.last;
	enum cv_status status = cv_audit_walk(c->r->audit, p->from, on_proved, p, err);
	if (!status && (p->is_other || p->number > head.last))
		status = cv_fail(err, CV_CORRUPT,
			"audit event %llu is not the one whose hash was kept: the trail was "
			"rewritten "
			"up to there",
			(unsigned long long)p->number);
	if (status)
		return status;
	json_object_set_new(c->reply, "events", json_integer((json_int_t)p->events));
	json_object_set_new(c->reply, "last", json_integer((json_int_t)head.last));
	json_object_set_new(c->reply, "hash", json_string(head.hash));
	json_object_set_new(c->reply, "first_time", json_string(p->first_time));
	json_object_set_new(c->reply, "last_time", json_string(p->last_time));
	return CV_OK;
}

/* {"from"?, "number"?, "hash"?} -> {"events", "last", "hash", "first_time", "last_time"};
 * CV_CORRUPT with the number of the first event that does not fit. */
enum cv_status
reg_audit_verify(struct reg_call *c, struct cv_err *err)
{
	struct proof *p = CV_ARENA_ARRAY(&c->arena, struct proof, 1);
	struct cv_str hash;
	bool given;
	*p = (struct proof){.call = c, .from = 1};
	enum cv_status status =
		reg_number(c->request, "from", UINT64_MAX - 1, &p->from, &given, err);
	if (!status)
		status = reg_number(c->request, "number", UINT64_MAX - 1, &p->number, &given, err);
	if (!status)
		status = reg_field(c, c->request, "hash", 64, &hash, err);
	if (!status && (p->number != 0) != (hash.n == 64))
		status = cv_fail(
			err, CV_INVALID, "fields 'number' and 'hash' (64 hex digits) go together");
	if (status)
		return status;
	for (size_t i = 0; i < hash.n; i++)
		p->hash[i] = (char)cv_lower((unsigned char)hash.p[i]);
	p->from = CV_MAX(p->from, (uint64_t)1);
	if (p->number)
		p->from = CV_MIN(p->from, p->number);
	c->after = verify_after;
	c->after_arg = p;
	return CV_OK;
}
