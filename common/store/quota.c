/* quota.c - see quota.h. The table of pools has a lock of its own, the last one taken; the values
 * of a member change only under its account's lock. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/quota.h"

#include "common/base/log.h"
#include "common/store/internal.h"

#define PERCENT_DOWN 10u /* below its mark use must fall for a notice to be due again */

const unsigned cv_quota_percent[CV_QUOTA_LEVELS] = {0, 75, 90};

/* ---- limits ---- */

void
cv_acct_count(struct cv_acct *a, const struct cv_row_box *row, int sign)
{
	if (row->use == CV_USE_QUARANTINE)
		return;
	if (sign < 0) {
		a->used_bytes -= row->size_bytes;
		a->used_messages -= row->exists;
	} else {
		a->used_bytes += row->size_bytes;
		a->used_messages += row->exists;
	}
}

uint64_t
cv_acct_quota_limit(const struct cv_acct *a)
{
	return a->head.has_quota ? a->head.quota_bytes : a->store->default_quota_bytes;
}

void
cv_acct_quota(struct cv_acct *a, struct cv_quota *out)
{
	pthread_mutex_lock(&a->lock);
	*out = (struct cv_quota){
		.used_bytes = a->used_bytes,
		.used_messages = a->used_messages,
		.limit_bytes = cv_acct_quota_limit(a),
		.limit_messages = a->store->max_messages,
	};
	pthread_mutex_unlock(&a->lock);
}

static enum cv_status
set_quota(struct cv_acct *a, uint64_t limit_bytes, cv_ticket *ticket_out, struct cv_err *err)
{
	struct cv_row_head head = a->head;
	head.has_quota = true;
	head.quota_bytes = limit_bytes;
	struct cv_writer w = CV_WRITER_INIT;
	cv_acct_put_head(&head, &w);
	enum cv_status status = cv_acct_commit(a, &w, ticket_out, err);
	if (!status)
		a->head = head;
	cv_writer_done(&w);
	return status;
}

enum cv_status
cv_acct_set_quota(
	struct cv_acct *a, uint64_t limit_bytes, cv_ticket *ticket_out, struct cv_err *err)
{
	if (limit_bytes > (uint64_t)1 << 60)
		return cv_fail(err, CV_LIMIT, "the quota is too large");
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	for (int i = 0; i < CV_TRIES; i++) {
		status = cv_acct_fresh(a, err);
		if (!status)
			status = set_quota(a, limit_bytes, ticket_out, err);
		if (status != CV_CONFLICT && status != CV_UNKNOWN)
			break;
	}
	if (!status)
		cv_quota_changed(a);
	cv_acct_unlock(a);
	return status;
}

/* ---- pools ---- */

struct pool {
	char *name;
	uint64_t limit_bytes, used_bytes, used_messages;
	size_t members, unknown; /* unknown: not summed yet */
};
struct member {
	cv_acct_id id;
	struct pool *pool;
	uint64_t bytes, messages; /* what it adds to the pool's use */
	bool known;
};
struct cv_pools {
	struct pool *list;
	size_t count;
	struct member *members; /* by id, ascending */
	size_t member_count;
};

static int
by_id(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->pool > y->pool) - (x->pool < y->pool);
}

/* The place of the first member at or after ID. */
static size_t
place_of(const struct cv_pools *p, cv_acct_id id)
{
	size_t low = 0, high = p->member_count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (p->members[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct member *
find_member(const struct cv_pools *p, cv_acct_id id)
{
	size_t at = p ? place_of(p, id) : 0;
	return p && at < p->member_count && p->members[at].id == id ? &p->members[at] : NULL;
}

static void
free_pools(struct cv_pools *p)
{
	for (size_t i = 0; p && i < p->count; i++)
		free(p->list[i].name);
	if (p) {
		free(p->list);
		free(p->members);
	}
	free(p);
}

void
cv_pools_free(struct cv_store *s)
{
	free_pools(s->pools);
	s->pools = NULL;
}

static struct cv_pools *
make_pools(const struct cv_pool_def *defs, size_t count)
{
	struct cv_pools *p = cv_calloc(1, sizeof *p);
	size_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += defs[i].member_count;
	p->list = cv_calloc(count + 1, sizeof *p->list);
	p->members = cv_calloc(total + 1, sizeof *p->members);
	p->count = count;
	for (size_t i = 0; i < count; i++) {
		p->list[i] = (struct pool){.name = cv_str_dup(defs[i].name),
			.limit_bytes = defs[i].limit_bytes};
		for (size_t k = 0; k < defs[i].member_count; k++)
			p->members[p->member_count++] =
				(struct member){.id = defs[i].members[k], .pool = &p->list[i]};
	}
	if (total)
		qsort(p->members, p->member_count, sizeof *p->members, by_id);
	size_t n = 0;
	for (size_t i = 0; i < p->member_count; i++)
		if (!n || p->members[n - 1].id != p->members[i].id)
			p->members[n++] = p->members[i];
	p->member_count = n;
	for (size_t i = 0; i < n; i++) {
		p->members[i].pool->members++;
		p->members[i].pool->unknown++;
	}
	return p;
}

/* The table's lock is held. */
static void
set_member(struct member *m, uint64_t bytes, uint64_t messages)
{
	m->pool->used_bytes += bytes - m->bytes;
	m->pool->used_messages += messages - m->messages;
	m->bytes = bytes;
	m->messages = messages;
	if (!m->known)
		m->pool->unknown--;
	m->known = true;
}

void
cv_pools_set(struct cv_store *s, const struct cv_pool_def *defs, size_t count)
{
	struct cv_pools *fresh = count ? make_pools(defs, count) : NULL;
	pthread_mutex_lock(&s->pools_lock);
	for (size_t i = 0; fresh && i < fresh->member_count; i++) {
		const struct member *old = find_member(s->pools, fresh->members[i].id);
		if (old && old->known)
			set_member(&fresh->members[i], old->bytes, old->messages);
	}
	struct cv_pools *old = s->pools;
	s->pools = fresh;
	atomic_store(&s->has_pools, fresh != NULL);
	pthread_mutex_unlock(&s->pools_lock);
	free_pools(old);
	cv_reaper_wake(s);
}

static void
describe(const struct pool *p, struct cv_pool_info *out)
{
	*out = (struct cv_pool_info){
		.used_bytes = p->used_bytes,
		.used_messages = p->used_messages,
		.limit_bytes = p->limit_bytes,
		.members = p->members,
		.is_summed = !p->unknown,
	};
	snprintf(out->name, sizeof out->name, "%s", p->name);
}

bool
cv_pool_of(struct cv_store *s, cv_acct_id id, struct cv_pool_info *out)
{
	if (!atomic_load_explicit(&s->has_pools, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&s->pools_lock);
	const struct member *m = find_member(s->pools, id);
	if (m)
		describe(m->pool, out);
	pthread_mutex_unlock(&s->pools_lock);
	return m != NULL;
}

bool
cv_pool_named(struct cv_store *s, struct cv_str name, struct cv_pool_info *out)
{
	bool found = false;
	pthread_mutex_lock(&s->pools_lock);
	for (size_t i = 0; s->pools && i < s->pools->count && !found; i++) {
		found = cv_str_eq_z(name, s->pools->list[i].name);
		if (found)
			describe(&s->pools->list[i], out);
	}
	pthread_mutex_unlock(&s->pools_lock);
	return found;
}

bool
cv_acct_has_room(const struct cv_acct *a, uint64_t size_bytes, uint64_t messages)
{
	const struct cv_store *s = a->store;
	uint64_t limit = cv_acct_quota_limit(a);
	if (limit && (a->used_bytes > limit || size_bytes > limit - a->used_bytes))
		return false;
	if (s->max_messages && a->used_messages + messages > s->max_messages)
		return false;
	struct cv_pool_info pool;
	if (!cv_pool_of(a->store, a->id, &pool) || !pool.is_summed || !pool.limit_bytes)
		return true;
	return pool.used_bytes <= pool.limit_bytes &&
	       size_bytes <= pool.limit_bytes - pool.used_bytes;
}

/* ---- summing ---- */

static bool
add_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct member *sum = arg;
	struct cv_row_box row;
	uint32_t box, number;
	/* Subscribed names without a mailbox have keys of the same letter. */
	if (cv_key_read_uid(key, 'B', &box, &number) || cv_row_box_decode(value, &row))
		return true; /* what is damaged, `store check` tells */
	if (row.use == CV_USE_QUARANTINE)
		return true;
	sum->bytes += row.size_bytes;
	sum->messages += row.exists;
	return true;
}

/* What A holds; its lock is held. It is not taken into memory, where others are in use. */
static enum cv_status
read_use(struct cv_acct *a, struct member *sum, struct cv_err *err)
{
	*sum = (struct member){0};
	if (!a->loaded)
		return cv_meta_scan(a->store->engine, a->id, CV_STR("B"), CV_STR("C"), 0, add_row,
			sum, err);
	sum->bytes = a->used_bytes;
	sum->messages = a->used_messages;
	return CV_OK;
}

static enum cv_status
sum_one(struct cv_store *s, cv_acct_id id, struct cv_err *err)
{
	struct cv_acct *a = cv_acct_find_or_add(s, id);
	struct member sum;
	pthread_mutex_lock(&a->lock);
	enum cv_status status = read_use(a, &sum, err);
	if (!status) {
		pthread_mutex_lock(&s->pools_lock);
		struct member *m = find_member(s->pools, id);
		if (m)
			set_member(m, sum.bytes, sum.messages);
		pthread_mutex_unlock(&s->pools_lock);
	}
	pthread_mutex_unlock(&a->lock);
	cv_acct_close(a);
	return status;
}

/* The limit of an account that is not in memory. */
static enum cv_status
read_limit(const struct cv_acct *a, uint64_t *limit_out, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str key = CV_STR("H"), value;
	struct cv_row_head head;
	*limit_out = a->store->default_quota_bytes;
	enum cv_status status =
		cv_meta_read(a->store->engine, a->id, &key, 1, &value, &hold, NULL, err);
	if (!status && value.p && !cv_row_head_decode(value, &head) && head.has_quota)
		*limit_out = head.quota_bytes;
	cv_buf_done(&hold);
	return status;
}

enum cv_status
cv_quota_used(struct cv_store *s, cv_acct_id id, struct cv_quota *out, struct cv_err *err)
{
	struct cv_acct *a = cv_acct_find_or_add(s, id);
	struct member sum;
	*out = (struct cv_quota){.limit_messages = s->max_messages};
	pthread_mutex_lock(&a->lock);
	enum cv_status status = read_use(a, &sum, err);
	if (!status && a->loaded)
		out->limit_bytes = cv_acct_quota_limit(a);
	else if (!status)
		status = read_limit(a, &out->limit_bytes, err);
	pthread_mutex_unlock(&a->lock);
	cv_acct_close(a);
	out->used_bytes = sum.bytes;
	out->used_messages = sum.messages;
	return status;
}

/* The first member at or after ID that is not summed; 0: none. */
static cv_acct_id
next_unknown(struct cv_store *s, cv_acct_id id)
{
	cv_acct_id found = 0;
	pthread_mutex_lock(&s->pools_lock);
	size_t i = s->pools ? place_of(s->pools, id) : 0;
	for (; s->pools && i < s->pools->member_count && !found; i++)
		if (!s->pools->members[i].known)
			found = s->pools->members[i].id;
	pthread_mutex_unlock(&s->pools_lock);
	return found;
}

enum cv_status
cv_pools_sum(struct cv_store *s, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	cv_acct_id id = 0;
	while (!cv_reaper_is_ending(s) && (id = next_unknown(s, id))) {
		enum cv_status one = sum_one(s, id, err);
		status = one ? one : status; /* the others are summed all the same */
		id++;
	}
	return status;
}

bool
cv_pool_is_wrong(const struct cv_acct *a, uint64_t *bytes_out)
{
	struct cv_store *s = a->store;
	pthread_mutex_lock(&s->pools_lock);
	const struct member *m = find_member(s->pools, a->id);
	bool wrong = m && m->known &&
		     (m->bytes != a->used_bytes || m->messages != a->used_messages);
	*bytes_out = m ? m->bytes : 0;
	pthread_mutex_unlock(&s->pools_lock);
	return wrong;
}

/* ---- notices ---- */

static unsigned
percent(uint64_t used, uint64_t limit)
{
	if (!limit)
		return 0;
	return used >= limit ? 100 : (unsigned)((double)used * 100 / (double)limit);
}

/* What the level is, coming from the one that was told. */
static enum cv_quota_level
level_of(const struct cv_acct *a)
{
	unsigned bytes = percent(a->used_bytes, cv_acct_quota_limit(a));
	unsigned messages = percent(a->used_messages, a->store->max_messages);
	unsigned now = CV_MAX(bytes, messages);
	unsigned level = CV_MIN(a->head.notice, CV_QUOTA_LEVELS - 1u); /* a row may say anything */
	while (level + 1 < CV_QUOTA_LEVELS && now >= cv_quota_percent[level + 1])
		level++;
	while (level && now + PERCENT_DOWN < cv_quota_percent[level])
		level--;
	return (enum cv_quota_level)level;
}

void
cv_quota_changed(struct cv_acct *a)
{
	struct cv_store *s = a->store;
	if (atomic_load_explicit(&s->has_pools, memory_order_relaxed)) {
		pthread_mutex_lock(&s->pools_lock);
		struct member *m = find_member(s->pools, a->id);
		if (m)
			set_member(m, a->used_bytes, a->used_messages);
		pthread_mutex_unlock(&s->pools_lock);
	}
	cv_quota_fn *on_quota = atomic_load_explicit(&s->on_quota, memory_order_acquire);
	if (!on_quota || a->notice_asked || level_of(a) == a->head.notice)
		return;
	a->notice_asked = on_quota(s->on_quota_arg, a->id);
}

void
cv_quota_watch(struct cv_store *s, cv_quota_fn *fn, void *arg)
{
	s->on_quota_arg = arg;
	atomic_store_explicit(&s->on_quota, fn, memory_order_release);
}

static enum cv_status
write_level(struct cv_acct *a, enum cv_quota_level level, cv_ticket *ticket_out,
	struct cv_err *err)
{
	struct cv_writer w = CV_WRITER_INIT;
	struct cv_row_head head = a->head;
	head.notice = (uint8_t)level;
	cv_acct_put_head(&head, &w);
	enum cv_status status = cv_acct_commit(a, &w, ticket_out, err);
	if (!status)
		a->head = head;
	cv_writer_done(&w);
	return status;
}

enum cv_status
cv_quota_due(struct cv_acct *a, enum cv_quota_level *level_out, cv_ticket *ticket_out,
	struct cv_err *err)
{
	*level_out = CV_QUOTA_FINE;
	*ticket_out = 0;
	enum cv_status status = cv_acct_lock(a, err);
	if (status)
		return status;
	a->notice_asked = false; /* whatever comes of it: the next change asks again */
	for (int i = 0; i < CV_TRIES; i++) {
		status = cv_acct_fresh(a, err);
		if (status)
			break;
		enum cv_quota_level level = level_of(a);
		if (level >= a->head.notice) {
			*level_out = level > a->head.notice ? level : CV_QUOTA_FINE;
			break;
		}
		status = write_level(a, level, ticket_out, err);
		if (status != CV_CONFLICT && status != CV_UNKNOWN)
			break;
	}
	cv_acct_unlock(a);
	return status;
}

bool
cv_quota_is_due(const struct cv_acct *a, enum cv_quota_level level)
{
	return level > a->head.notice && level_of(a) >= level;
}
