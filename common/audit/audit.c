/* audit.c - the hash chain of events.
 *
 * Event N is one row of JSON text whose "prev" is the SHA-256 of the text of event N - 1, so
 * changing, dropping or inserting a row breaks the link behind it, and the head row gives away a
 * cut end. Events are written under one lock together with the change they tell of.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/sha.h>

#include "common/audit/audit_impl.h"
#include "common/base/clock.h"

#define EVENT_BYTES_MAX (64u << 10)
#define WALK_ROWS 500

static const struct cv_str head_key = { "H", 1 };

static void
hex(const uint8_t hash[32], char out[65])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static void
event_key(uint64_t number, struct cv_buf *out)
{
	cv_buf_c(out, 'E');
	cv_buf_be64(out, number);
}

static enum cv_status
read_head(struct cv_audit *a, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX + 1);
	struct cv_str value;
	enum cv_status status = cv_meta_read(cv_store_engine(a->store), AUDIT_CHAIN_ACCT, &head_key,
	                                     1, &value, &hold, NULL, err);
	if (!status) {
		a->next = 1;
		memset(a->last_hash, 0, sizeof a->last_hash);
	}
	if (!status && value.p) {
		struct cv_rd r = cv_rd(value);
		a->next = cv_rd_be64(&r);
		struct cv_str hash = cv_rd_take(&r, sizeof a->last_hash);
		if (r.bad || !a->next)
			status = cv_fail(err, CV_CORRUPT, "the head of the audit trail is damaged");
		else
			memcpy(a->last_hash, hash.p, sizeof a->last_hash);
	}
	cv_buf_done(&hold);
	a->is_stale = status != CV_OK;
	return status;
}

enum cv_status
cv_audit_open(struct cv_store *s, struct cv_audit **out, struct cv_err *err)
{
	struct cv_audit *a = cv_calloc(1, sizeof *a);
	a->store = s;
	pthread_mutex_init(&a->chain_lock, NULL);
	pthread_mutex_init(&a->count_lock, NULL);
	pthread_mutex_init(&a->flush_lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	cv_map_init(&a->pending);
	enum cv_status status = read_head(a, err);
	if (!status)
		status = audit_counters_start(a, err);
	if (status) {
		cv_audit_close(a);
		return status;
	}
	*out = a;
	return CV_OK;
}

void
cv_audit_close(struct cv_audit *a)
{
	if (!a)
		return;
	audit_counters_stop(a);
	cv_map_done(&a->pending);
	pthread_cond_destroy(&a->wake);
	pthread_mutex_destroy(&a->flush_lock);
	pthread_mutex_destroy(&a->count_lock);
	pthread_mutex_destroy(&a->chain_lock);
	free(a);
}

/* ---- writing ---- */

static void
add_text(json_t *object, const char *name, const char *value)
{
	/* Bad UTF-8 from a peer must not lose the event. */
	if (value && json_object_set_new(object, name, json_string(value)))
		json_object_set_new(object, name, json_string("(not UTF-8)"));
}

/* The text of event NUMBER, to be freed. */
static char *
event_text(const struct cv_audit *a, const struct cv_audit_event *e, uint64_t number)
{
	char time[40], prev[65];
	int64_t ms = cv_wall_ms();
	time_t secs = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&secs, &tm);
	size_t n = strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(time + n, sizeof time - n, ".%03dZ", (int)(ms % 1000));
	hex(a->last_hash, prev);
	json_t *o = json_object();
	json_object_set_new(o, "n", json_integer((json_int_t)number));
	add_text(o, "time", time);
	add_text(o, "actor", e->actor ? e->actor : "system");
	add_text(o, "address", e->address);
	if (e->port)
		json_object_set_new(o, "port", json_integer((json_int_t)e->port));
	add_text(o, "action", e->action);
	add_text(o, "object", e->object);
	add_text(o, "result", e->result ? e->result : "ok");
	if (e->detail)
		json_object_set(o, "detail", e->detail);
	add_text(o, "prev", prev);
	char *text = json_dumps(o, JSON_COMPACT);
	if (text && strlen(text) > EVENT_BYTES_MAX) {
		free(text);
		json_object_set_new(o, "detail", json_string("(too large)"));
		text = json_dumps(o, JSON_COMPACT);
	}
	json_decref(o);
	if (!text)
		cv_die("an audit event could not be written as JSON");
	return text;
}

/* Two puts, the event and the head, in BATCH; memory in HOLD and TEXT. */
struct link {
	char *text;
	uint8_t hash[32];
	struct cv_buf hold;
	struct cv_put puts[2];
	struct cv_batch batch;
};

static void
link_make(const struct cv_audit *a, const struct cv_audit_event *e, struct link *l)
{
	*l = (struct link){ .text = event_text(a, e, a->next), .hold = CV_BUF_INIT(256) };
	SHA256((const unsigned char *)l->text, strlen(l->text), l->hash);
	event_key(a->next, &l->hold);
	size_t key_n = l->hold.n;
	cv_buf_be64(&l->hold, a->next + 1);
	cv_buf_add(&l->hold, l->hash, sizeof l->hash);
	l->puts[0] = (struct cv_put){ cv_str(l->hold.p, key_n), cv_str_z(l->text) };
	l->puts[1] = (struct cv_put){ head_key, cv_str(l->hold.p + key_n, l->hold.n - key_n) };
	l->batch = (struct cv_batch){ .acct = AUDIT_CHAIN_ACCT, .expect = CV_VERSION_ANY,
		.puts = l->puts, .count = 2 };
}

static void
link_done(struct link *l)
{
	free(l->text);
	cv_buf_done(&l->hold);
}

static void
link_advance(struct cv_audit *a, const struct link *l)
{
	a->next++;
	memcpy(a->last_hash, l->hash, sizeof a->last_hash);
}

/* CV_CONFLICT when one of BATCHES expects a version that is gone already, so that nothing is
 * written for a change that cannot happen. */
static enum cv_status
check_versions(struct cv_audit *a, struct cv_batch *batches, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t version;
		if (batches[i].expect == CV_VERSION_ANY)
			continue;
		enum cv_status status = cv_meta_versions(cv_store_engine(a->store),
		                                         &batches[i].acct, 1, &version, err);
		if (status)
			return status;
		if (version != batches[i].expect) {
			batches[i].result = CV_CONFLICT;
			return cv_fail(err, CV_CONFLICT, "the account changed meanwhile");
		}
	}
	return CV_OK;
}

static enum cv_status
first_failure(const struct cv_batch *batches, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++)
		if (batches[i].result)
			return cv_fail(err, batches[i].result, "the change was not made: %s",
				cv_status_name(batches[i].result));
	return CV_OK;
}

/* The change failed after its event was committed (somebody was faster than check_versions()): the
 * chain says so, since it takes nothing back. */
static enum cv_status
write_undone(struct cv_audit *a, const struct cv_audit_event *event, cv_ticket *ticket_out,
             struct cv_err *err)
{
	struct cv_audit_event undone = *event;
	undone.result = "not-done";
	undone.detail = json_pack("{s:I}", "instead_of", (json_int_t)(a->next - 1));
	struct link l;
	link_make(a, &undone, &l);
	enum cv_status status = cv_meta_commit(cv_store_engine(a->store), &l.batch, 1, ticket_out,
	                                       err);
	if (!status && !l.batch.result)
		link_advance(a, &l);
	else
		a->is_stale = true;
	link_done(&l);
	json_decref(undone.detail);
	return status;
}

static enum cv_status
commit_locked(struct cv_audit *a, const struct cv_audit_event *event, struct cv_batch *batches,
              size_t count, cv_ticket *ticket_out, struct cv_err *err)
{
	enum cv_status status = a->is_stale ? read_head(a, err) : CV_OK;
	if (!status)
		status = check_versions(a, batches, count, err);
	if (status)
		return status;
	struct link l;
	link_make(a, event, &l);
	struct cv_batch *all = cv_calloc(count + 1, sizeof *all);
	if (count)
		memcpy(all, batches, count * sizeof *all);
	all[count] = l.batch;
	status = cv_meta_commit(cv_store_engine(a->store), all, count + 1, ticket_out, err);
	if (count)
		memcpy(batches, all, count * sizeof *all);
	enum cv_status event_status = all[count].result;
	free(all);
	if (status || event_status)
		a->is_stale = true;
	else
		link_advance(a, &l);
	link_done(&l);
	if (status)
		return status;
	status = first_failure(batches, count, err);
	if (status && !event_status) {
		/* The caller hears why his change failed; a second failure here shows in the
		 * log. */
		struct cv_err second;
		cv_ticket ticket;
		(void)!write_undone(a, event, &ticket, &second);
		return status;
	}
	if (!status && event_status)
		return cv_fail(err, CV_TEMPFAIL, "the audit event was not written: %s",
			cv_status_name(event_status));
	return status;
}

enum cv_status
cv_audit_commit(struct cv_audit *a, const struct cv_audit_event *event, struct cv_batch *batches,
                size_t count, cv_ticket *ticket_out, struct cv_err *err)
{
	pthread_mutex_lock(&a->chain_lock);
	enum cv_status status = commit_locked(a, event, batches, count, ticket_out, err);
	pthread_mutex_unlock(&a->chain_lock);
	return status;
}

enum cv_status
cv_audit_write(struct cv_audit *a, const struct cv_audit_event *event, cv_ticket *ticket_out,
               struct cv_err *err)
{
	return cv_audit_commit(a, event, NULL, 0, ticket_out, err);
}

/* ---- walking ---- */

struct walk {
	bool (*fn)(void *arg, uint64_t number, struct cv_str json);
	void *arg;
	uint64_t want;          /* number of the next event */
	uint64_t first;         /* events before it are checked, not shown */
	uint8_t hash[32];       /* of the event before */
	bool has_hash, is_broken, was_stopped;
	unsigned rows;
};

static bool
fits(const struct walk *w, struct cv_str text)
{
	json_error_t error;
	json_t *o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	char want[65];
	hex(w->hash, want);
	const char *prev = json_string_value(json_object_get(o, "prev"));
	bool ok = json_integer_value(json_object_get(o, "n")) == (json_int_t)w->want && prev &&
		(!w->has_hash || !strcmp(prev, want));
	json_decref(o);
	return ok;
}

static bool
on_event(void *arg, struct cv_str key, struct cv_str value)
{
	struct walk *w = arg;
	struct cv_rd r = cv_rd(cv_str_sub(key, 1, key.n));
	w->rows++;
	if (cv_rd_be64(&r) != w->want || r.bad || !fits(w, value)) {
		w->is_broken = true;
		return false;
	}
	SHA256((const unsigned char *)value.p, value.n, w->hash);
	w->has_hash = true;
	w->want++;
	if (w->want > w->first && !w->fn(w->arg, w->want - 1, value)) {
		w->was_stopped = true;
		return false;
	}
	return true;
}

static enum cv_status
walk_rows(struct cv_audit *a, struct walk *w, struct cv_err *err)
{
	struct cv_buf from = CV_BUF_INIT(64);
	enum cv_status status;
	do {
		w->rows = 0;
		cv_buf_reset(&from);
		event_key(w->want, &from);
		status = cv_meta_scan(cv_store_engine(a->store), AUDIT_CHAIN_ACCT,
		                      cv_buf_view(&from), CV_STR("F"), WALK_ROWS, on_event, w, err);
	} while (!status && !w->is_broken && !w->was_stopped && w->rows == WALK_ROWS);
	cv_buf_done(&from);
	return status;
}

enum cv_status
cv_audit_walk(struct cv_audit *a, uint64_t first, bool (*fn)(void *arg, uint64_t number,
              struct cv_str json), void *arg, struct cv_err *err)
{
	struct walk w = { .fn = fn, .arg = arg, .first = CV_MAX(first, (uint64_t)1) };
	/* The one before FIRST gives the hash that FIRST must hold. */
	w.want = w.first > 1 ? w.first - 1 : 1;
	w.has_hash = w.want == 1;
	pthread_mutex_lock(&a->chain_lock);
	uint64_t end = a->next;
	uint8_t last[32];
	memcpy(last, a->last_hash, sizeof last);
	pthread_mutex_unlock(&a->chain_lock);
	enum cv_status status = walk_rows(a, &w, err);
	if (status || w.was_stopped)
		return status;
	/* Events written since END was read are fine; a chain that ends before it is not. */
	bool is_cut = w.want < end || (w.want == end && w.has_hash && memcmp(w.hash, last, 32));
	if (w.is_broken || is_cut)
		return cv_fail(err, CV_CORRUPT, "audit event %llu does not fit the chain",
			(unsigned long long)w.want);
	return CV_OK;
}

struct cv_audit_head
cv_audit_head(struct cv_audit *a)
{
	struct cv_audit_head head;
	pthread_mutex_lock(&a->chain_lock);
	head.last = a->next - 1;
	hex(a->last_hash, head.hash);
	pthread_mutex_unlock(&a->chain_lock);
	return head;
}

void
cv_audit_hash(struct cv_str text, char hex_out[65])
{
	uint8_t hash[32];
	SHA256((const unsigned char *)text.p, text.n, hash);
	hex(hash, hex_out);
}
