/* registry_alias.c - alias.note, alias.report: how much mail comes for old addresses (MIG-02).
 *
 * Counts only, by alias and day, from inside or outside: smtpd hands them over. They are rows of an
 * account of their own, so that they neither disturb the register nor stand in its journal:
 *   U + alias + NUL + number of the 32 days   last use, then inside and outside of each day
 * An alias keeps the last BLOCKS_KEPT of them: each new one takes the place of an old one, and what
 * is old of aliases that nobody uses any more goes once in BLOCK_DAYS and at a start. The end of an
 * alias is proposed here, never done.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/register/registry_impl.h"

#define USE_ACCT     cv_acct(CV_CLASS_REGISTER, 2)
#define BLOCK_DAYS   32u
#define BLOCKS_KEPT  27u   /* over two years */
#define ALIAS_MAX    400u
#define ROWS_MAX     5000u
#define ROWS_A_BATCH 1000u
#define LIST_MAX     100000u
#define PARENTS_MAX  16u

struct block {
	int64_t last_secs;
	uint32_t inside[BLOCK_DAYS], outside[BLOCK_DAYS];
};

static void
encode(const struct block *b, struct cv_buf *out)
{
	cv_buf_be64(out, (uint64_t)b->last_secs);
	for (size_t i = 0; i < BLOCK_DAYS; i++) {
		cv_buf_be32(out, b->inside[i]);
		cv_buf_be32(out, b->outside[i]);
	}
}

static bool
decode(struct cv_str row, struct block *b)
{
	struct cv_rd r = cv_rd(row);
	b->last_secs = (int64_t)cv_rd_be64(&r);
	for (size_t i = 0; i < BLOCK_DAYS; i++) {
		b->inside[i] = cv_rd_be32(&r);
		b->outside[i] = cv_rd_be32(&r);
	}
	return !r.bad;
}

static struct cv_str
row_key(struct cv_arena *arena, struct cv_str alias, uint32_t block)
{
	struct cv_buf key = CV_BUF_INIT(ALIAS_MAX + 16);
	cv_buf_c(&key, 'U');
	cv_buf_str(&key, alias);
	cv_buf_c(&key, 0);
	cv_buf_be32(&key, block);
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return copy;
}

static uint32_t
today(void)
{
	return (uint32_t)((cv_wall_secs() + 7 * 3600) / 86400);
}

/* ---- noting ---- */

struct note {
	struct cv_str alias;
	uint32_t day, inside, outside;
	int64_t last_secs;
};

static uint32_t
count_of(const json_t *row, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(row, key));
	return n < 0 ? 0 : (uint32_t)CV_MIN(n, (json_int_t)UINT32_MAX);
}

/* Only addresses of ours, of a day that can be, so that no peer makes rows. */
static bool
read_note(struct reg_call *c, json_t *row, struct note *n)
{
	json_t *alias = json_object_get(row, "alias");
	n->alias = cv_str(json_string_value(alias), json_string_length(alias));
	n->day = count_of(row, "day");
	n->inside = count_of(row, "inside");
	n->outside = count_of(row, "outside");
	n->last_secs = (int64_t)json_integer_value(json_object_get(row, "last"));
	size_t at = n->alias.n;
	while (at && n->alias.p[at - 1] != '@')
		at--;
	return at > 1 && n->alias.n <= ALIAS_MAX && !memchr(n->alias.p, 0, n->alias.n) &&
		n->day <= today() + 1 && n->day + 400 > today() &&
		cv_map_get(&c->r->model.domains, cv_str_sub(n->alias, at, n->alias.n));
}

static uint32_t
plus(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static enum cv_status
add_notes(struct reg_call *c, const struct note *notes, size_t n, struct cv_err *err)
{
	struct cv_engine *e = cv_store_engine(c->r->store);
	struct cv_str *keys = CV_ARENA_ARRAY(&c->arena, struct cv_str, n + 1);
	struct cv_str *values = CV_ARENA_ARRAY(&c->arena, struct cv_str, n + 1);
	struct cv_put *puts = CV_ARENA_ARRAY(&c->arena, struct cv_put, 2 * n + 1);
	struct cv_buf hold = CV_BUF_INIT(CV_BATCH_MAX);
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		keys[i] = row_key(&c->arena, notes[i].alias, notes[i].day / BLOCK_DAYS);
	enum cv_status status = cv_meta_read(e, USE_ACCT, keys, n, values, &hold, NULL, err);
	for (size_t i = 0; !status && i < n; i++) {
		struct block b = {0};
		struct cv_buf row = CV_BUF_INIT(1024);
		uint32_t day = notes[i].day % BLOCK_DAYS, block = notes[i].day / BLOCK_DAYS;
		if (!values[i].p || !decode(values[i], &b))
			b = (struct block){0};
		if (!values[i].p)
			puts[count++] = (struct cv_put){
				row_key(&c->arena, notes[i].alias, block - BLOCKS_KEPT),
				CV_STR_EMPTY };
		b.inside[day] = plus(b.inside[day], notes[i].inside);
		b.outside[day] = plus(b.outside[day], notes[i].outside);
		b.last_secs = CV_MAX(b.last_secs, notes[i].last_secs);
		encode(&b, &row);
		puts[count++] = (struct cv_put){ keys[i],
			cv_arena_str(&c->arena, cv_buf_view(&row)) };
		cv_buf_done(&row);
	}
	cv_buf_done(&hold);
	struct cv_batch batch = { .acct = USE_ACCT, .expect = CV_VERSION_ANY, .puts = puts,
		.count = count };
	cv_ticket ticket;
	if (!status && count)
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
	if (!status && count && batch.result)
		status = cv_fail(err, batch.result, "the use of aliases was not written");
	return status;
}

struct sweep {
	struct reg_call *c;
	uint32_t before; /* blocks before it go */
	struct cv_put puts[ROWS_A_BATCH];
	size_t count;
};

static bool
sweep_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct sweep *s = arg;
	struct cv_rd rd = cv_rd(cv_str_sub(key, key.n < 4 ? 0 : key.n - 4, key.n));
	(void)value;
	if (cv_rd_be32(&rd) < s->before)
		s->puts[s->count++].key = cv_arena_str(&s->c->arena, key);
	return s->count < ROWS_A_BATCH;
}

static enum cv_status
sweep(struct reg_call *c, struct cv_err *err)
{
	struct cv_registry *r = c->r;
	uint32_t block = today() / BLOCK_DAYS;
	if (r->alias_sweep == block || c->is_dry)
		return CV_OK;
	struct cv_engine *e = cv_store_engine(r->store);
	struct sweep *s = CV_ARENA_NEW(&c->arena, struct sweep);
	struct cv_str from = CV_STR_EMPTY; /* all before it was looked at */
	enum cv_status status = CV_OK;
	s->c = c;
	s->before = block - BLOCKS_KEPT + 1;
	do {
		s->count = 0;
		status = cv_meta_scan(e, USE_ACCT, from, CV_STR_EMPTY, 0, sweep_row, s, err);
		if (status || !s->count)
			break;
		struct cv_batch batch = { .acct = USE_ACCT, .expect = CV_VERSION_ANY,
			.puts = s->puts, .count = s->count };
		cv_ticket ticket;
		from = s->puts[s->count - 1].key;
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
		if (!status && batch.result)
			status = cv_fail(err, batch.result, "old use of aliases was not removed");
	} while (!status && s->count == ROWS_A_BATCH);
	if (!status)
		r->alias_sweep = block;
	return status;
}

/* {"rows": [{"alias", "day", "inside", "outside", "last"}]} -> {"rows": how many were taken}: each
 * alias and day once. */
enum cv_status
reg_alias_note(struct reg_call *c, struct cv_err *err)
{
	json_t *rows = json_object_get(c->request, "rows"), *row;
	size_t i, n = 0, taken = 0;
	if (!json_is_array(rows) || json_array_size(rows) > ROWS_MAX)
		return cv_fail(err, CV_INVALID, "field 'rows' is a list of at most %u", ROWS_MAX);
	struct note *notes = CV_ARENA_ARRAY(&c->arena, struct note, ROWS_A_BATCH);
	enum cv_status status = sweep(c, err);
	if (status)
		return status;
	json_array_foreach(rows, i, row) {
		if (read_note(c, row, &notes[n]))
			n++;
		if (n < ROWS_A_BATCH && i + 1 < json_array_size(rows))
			continue;
		status = c->is_dry ? CV_OK : add_notes(c, notes, n, err);
		if (status)
			return status;
		taken += n;
		n = 0;
	}
	json_object_set_new(c->reply, "rows", json_integer((json_int_t)taken));
	return CV_OK;
}

/* ---- reporting ---- */

struct sum {
	uint64_t inside, outside, total;
	int64_t last_secs;
};
struct report {
	struct reg_call *c;
	struct cv_str domain, agency;
	uint32_t from_day;
	struct cv_map sums; /* alias -> struct sum */
};

static bool
add_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct report *r = arg;
	struct block b;
	if (key.n < 7 || key.p[0] != 'U' || !decode(value, &b))
		return true;
	struct cv_str alias = cv_str_sub(key, 1, key.n - 5);
	struct cv_rd rd = cv_rd(cv_str_sub(key, key.n - 4, key.n));
	uint32_t first = cv_rd_be32(&rd) * BLOCK_DAYS;
	struct sum *sum = cv_map_get(&r->sums, alias);
	if (!sum) {
		sum = CV_ARENA_NEW(&r->c->arena, struct sum);
		cv_map_put(&r->sums, alias, sum);
	}
	for (uint32_t i = 0; i < BLOCK_DAYS; i++) {
		bool is_within = first + i >= r->from_day;
		sum->inside += is_within ? b.inside[i] : 0;
		sum->outside += is_within ? b.outside[i] : 0;
		sum->total += (uint64_t)b.inside[i] + b.outside[i];
	}
	sum->last_secs = CV_MAX(sum->last_secs, b.last_secs);
	return true;
}

/* A belongs to the agency that is asked for, or to one below it. */
static bool
is_of_agency(const struct report *r, const struct reg_account *a)
{
	struct cv_str code = cv_str_z(a->text[T_AGENCY]);
	if (!reg_in_scope(r->c, a->text[T_AGENCY]))
		return false;
	for (unsigned depth = 0; r->agency.n && depth < PARENTS_MAX && code.n; depth++) {
		const struct reg_agency *g = reg_find_agency(r->c->r, code);
		if (cv_str_eq(code, r->agency))
			return true;
		code = g ? cv_str_z(g->text[AG_PARENT]) : CV_STR_EMPTY;
	}
	return !r->agency.n;
}

static struct cv_str
domain_of(struct cv_str key)
{
	size_t at = key.n;
	while (at && key.p[at - 1] != '@')
		at--;
	return cv_str_sub(key, at, key.n);
}

static json_t *
alias_json(const struct reg_account *a, struct cv_str alias, const struct reg_address *row,
           const struct sum *sum)
{
	static const struct sum none;
	sum = sum ? sum : &none;
	bool is_over = row && row->until_secs && row->until_secs <= cv_wall_secs();
	return json_pack("{s:s%, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}",
		"alias", alias.p, alias.n, "address", a->text[T_ADDRESS], "name", a->text[T_NAME],
		"kind", reg_kind_words[a->kind], "agency", a->text[T_AGENCY], "since",
		(json_int_t)(row ? row->since_secs : 0), "until",
		(json_int_t)(row ? row->until_secs : 0), "inside", (json_int_t)sum->inside,
		"outside", (json_int_t)sum->outside, "total", (json_int_t)sum->total, "last",
		(json_int_t)sum->last_secs, "by_domain", row == NULL, "propose_end", is_over);
}

/* Whose an address without a row of its own is: of an alias domain's. */
static const struct reg_account *
owner_by_domain(struct report *r, struct cv_str alias)
{
	struct reg_account *a;
	struct cv_err none;
	return reg_account_of(r->c, alias, &a, &none) ? NULL : a;
}

static int
by_use(const void *x, const void *y)
{
	const json_t *a = *(json_t *const *)x, *b = *(json_t *const *)y;
	json_int_t m = json_integer_value(json_object_get(a, "inside")) +
		json_integer_value(json_object_get(a, "outside"));
	json_int_t n = json_integer_value(json_object_get(b, "inside")) +
		json_integer_value(json_object_get(b, "outside"));
	if (m != n)
		return m > n ? -1 : 1;
	return strcmp(json_string_value(json_object_get(a, "alias")),
		json_string_value(json_object_get(b, "alias")));
}

static json_t *
all_aliases(struct report *r)
{
	const struct reg_model *m = &r->c->r->model;
	json_t *list = json_array();
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&m->addresses, &pos, &key, &value);) {
		const struct reg_address *row = value;
		const struct reg_account *a = row->type == REG_ALIAS ? reg_model_find(m, row->acct)
			: NULL;
		if (a && is_of_agency(r, a) &&
		    (!r->domain.n || cv_str_eq(r->domain, domain_of(key))))
			json_array_append_new(list,
				alias_json(a, key, row, cv_map_get(&r->sums, key)));
	}
	for (size_t pos = 0; cv_map_each(&r->sums, &pos, &key, &value);) {
		const struct reg_domain *d = cv_map_get(&m->domains, domain_of(key));
		const struct reg_account *a = d && *d->target && !cv_map_get(&m->addresses, key)
			? owner_by_domain(r, key) : NULL;
		if (a && is_of_agency(r, a) &&
		    (!r->domain.n || cv_str_eq(r->domain, domain_of(key))))
			json_array_append_new(list, alias_json(a, key, NULL, value));
	}
	return list;
}

/* What each alias domain still brings. */
static json_t *
domains_json(struct report *r)
{
	const struct reg_model *m = &r->c->r->model;
	json_t *list = json_array();
	struct cv_str key, alias;
	void *value, *sum;
	for (size_t pos = 0; cv_map_each(&m->domains, &pos, &key, &value);) {
		const struct reg_domain *d = value;
		struct sum all = {0};
		json_int_t used = 0;
		if (!reg_in_scope(r->c, "")) /* they are the whole province's */
			break;
		for (size_t i = 0; *d->target && cv_map_each(&r->sums, &i, &alias, &sum);) {
			const struct sum *one = sum;
			if (!cv_str_eq(domain_of(alias), key))
				continue;
			all.inside += one->inside;
			all.outside += one->outside;
			all.last_secs = CV_MAX(all.last_secs, one->last_secs);
			used += one->inside + one->outside > 0;
		}
		if (*d->target)
			json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}",
				"domain", d->name, "alias_of", d->target, "inside",
				(json_int_t)all.inside, "outside", (json_int_t)all.outside,
				"addresses", used, "last", (json_int_t)all.last_secs));
	}
	return list;
}

static bool
is_wanted(const json_t *one, const char *only)
{
	bool is_used = json_integer_value(json_object_get(one, "inside")) +
		json_integer_value(json_object_get(one, "outside")) > 0;
	if (!strcmp(only, "unused"))
		return !is_used;
	if (!strcmp(only, "over"))
		return json_is_true(json_object_get(one, "propose_end"));
	return is_used || !strcmp(only, "all");
}

static void
reply_aliases(struct reg_call *c, json_t *all, const char *only, uint64_t limit)
{
	size_t n = 0, count = json_array_size(all);
	json_t **list = CV_ARENA_ARRAY(&c->arena, json_t *, count + 1), *out = json_array();
	for (size_t i = 0; i < count; i++)
		if (is_wanted(json_array_get(all, i), only))
			list[n++] = json_array_get(all, i);
	if (n)
		qsort(list, n, sizeof(json_t *), by_use);
	for (size_t i = 0; i < n && i < limit; i++)
		json_array_append(out, list[i]);
	json_object_set_new(c->reply, "total", json_integer((json_int_t)n));
	json_object_set_new(c->reply, "of", json_integer((json_int_t)count));
	json_object_set_new(c->reply, "aliases", out);
}

/* {"days"? = 30, "domain"?, "agency"?, "only"? = "used" | "unused" | "over" | "all", "limit"?}
 * -> {"total", "of": all aliases, "aliases": [{"alias", "address", "name", "kind", "agency",
 *  "since", "until", "inside", "outside": in these days, "total", "last", "by_domain",
 *  "propose_end"}],
 *  "domains": [{"domain", "alias_of", "inside", "outside", "addresses", "last"}]} */
enum cv_status
reg_alias_report(struct reg_call *c, struct cv_err *err)
{
	static const char *const words[] = { "used", "unused", "over", "all" };
	struct report r = { .c = c };
	struct cv_str only;
	uint64_t days = 30, limit = LIST_MAX;
	bool given, is_word = false;
	enum cv_status status = reg_number(c->request, "days", 800, &days, &given, err);
	status = status ? status : reg_number(c->request, "limit", LIST_MAX, &limit, &given, err);
	status = status ? status : reg_field(c, c->request, "domain", 300, &r.domain, err);
	status = status ? status : reg_field(c, c->request, "agency", 12, &r.agency, err);
	status = status ? status : reg_field(c, c->request, "only", 20, &only, err);
	if (status)
		return status;
	const char *word = only.n ? cv_arena_z(&c->arena, only) : words[0];
	for (size_t i = 0; i < CV_COUNT(words); i++)
		is_word |= !strcmp(word, words[i]);
	if (!is_word)
		return cv_fail(err, CV_INVALID, "field 'only' is used, unused, over or all");
	if (r.agency.n && !reg_find_agency(c->r, r.agency))
		return cv_fail(err, CV_NOT_FOUND, "no agency '%.*s'", CV_STR_ARGS(r.agency));
	r.from_day = today() - (uint32_t)days + 1;
	cv_map_init(&r.sums);
	status = cv_meta_scan(cv_store_engine(c->r->store), USE_ACCT, CV_STR_EMPTY, CV_STR_EMPTY, 0,
		add_row, &r, err);
	if (!status) {
		json_t *all = all_aliases(&r);
		reply_aliases(c, all, word, limit);
		json_decref(all);
		json_object_set_new(c->reply, "domains", domains_json(&r));
	}
	cv_map_done(&r.sums);
	return status;
}
