/* model.c - accounts, agencies, domains and addresses in memory, and the bytes of their rows. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/model.h"

#define ROW_VERSION 1

const struct reg_text_row reg_texts[T_COUNT] = {
	[T_ADDRESS]      = { "address",      320 },
	[T_NAME]         = { "name",         200 },
	[T_SURNAME]      = { "surname",      60 },
	[T_MIDDLE]       = { "middle",       100 },
	[T_GIVEN]        = { "given",        60 },
	[T_TITLE]        = { "title",        200 },
	[T_AGENCY]       = { "agency",       12 },
	[T_DEPARTMENT]   = { "department",   200 },
	[T_PHONE_OFFICE] = { "phone_office", 40 },
	[T_PHONE_MOBILE] = { "phone_mobile", 40 },
	[T_LETTER]       = { "letter",       100 },
	[T_STAFF_ID]     = { "staff_id",     40 },
};
const struct reg_text_row reg_agency_texts[AG_COUNT] = {
	[AG_NAME]     = { "name",     200 },
	[AG_PARENT]   = { "parent",   12 },
	[AG_TYPE]     = { "type",     20 },
	[AG_ADDRESS]  = { "address",  320 },
	[AG_PHONE]    = { "phone",    40 },
	[AG_WEBSITE]  = { "website",  200 },
	[AG_LOCATION] = { "location", 300 },
};
const char *const reg_kind_words[] = {
	[CV_KIND_PERSON] = "person", [CV_KIND_AGENCY] = "agency", [CV_KIND_ROLE] = "role",
	[CV_KIND_GROUP] = "group", [CV_KIND_APP] = "app", NULL,
};
const char *const reg_state_words[] = {
	[CV_STATE_ACTIVE] = "active", [CV_STATE_SUSPENDED] = "suspended",
	[CV_STATE_RETIRED] = "retired", NULL,
};

/* ---- things ---- */

struct reg_account *
reg_account_new(void)
{
	struct reg_account *a = cv_calloc(1, sizeof *a);
	for (size_t i = 0; i < T_COUNT; i++)
		a->text[i] = cv_strdup("");
	return a;
}

static struct reg_list
list_copy(const struct reg_list *l)
{
	struct reg_list copy = { .n = l->n };
	if (l->n) {
		copy.items = cv_malloc(l->n * sizeof *l->items);
		memcpy(copy.items, l->items, l->n * sizeof *l->items);
	}
	return copy;
}

struct reg_account *
reg_account_copy(const struct reg_account *a)
{
	struct reg_account *copy = cv_malloc(sizeof *copy);
	*copy = *a;
	for (size_t i = 0; i < T_COUNT; i++)
		copy->text[i] = cv_strdup(a->text[i]);
	copy->members = list_copy(&a->members);
	copy->delegates = list_copy(&a->delegates);
	copy->readers = list_copy(&a->readers);
	copy->stewards = list_copy(&a->stewards);
	copy->posters = list_copy(&a->posters);
	reg_routing_copy(copy, a);
	copy->devices = reg_devices_copy(&a->devices);
	return copy;
}

void
reg_account_free(struct reg_account *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < T_COUNT; i++)
		free(a->text[i]);
	free(a->members.items);
	free(a->delegates.items);
	free(a->readers.items);
	free(a->stewards.items);
	free(a->posters.items);
	reg_routing_free(a);
	reg_devices_done(&a->devices);
	cv_wipe(&a->secret, sizeof a->secret);
	free(a);
}

void
reg_account_set(struct reg_account *a, enum reg_text which, struct cv_str text)
{
	char *copy = cv_str_dup(text);
	free(a->text[which]);
	a->text[which] = copy;
}

struct reg_agency *
reg_agency_new(struct cv_str code)
{
	struct reg_agency *g = cv_calloc(1, sizeof *g);
	g->code = cv_str_dup(code);
	for (size_t i = 0; i < AG_COUNT; i++)
		g->text[i] = cv_strdup("");
	g->cluster = cv_strdup("");
	return g;
}

void
reg_agency_free(struct reg_agency *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < AG_COUNT; i++)
		free(g->text[i]);
	free(g->cluster);
	free(g->code);
	free(g);
}

void
reg_agency_set(struct reg_agency *g, enum reg_agency_text which, struct cv_str text)
{
	char *copy = cv_str_dup(text);
	free(g->text[which]);
	g->text[which] = copy;
}

void
reg_agency_set_cluster(struct reg_agency *g, struct cv_str text)
{
	char *copy = cv_str_dup(text);
	free(g->cluster);
	g->cluster = copy;
}

bool
reg_list_has(const struct reg_list *l, uint64_t item)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i] == item)
			return true;
	return false;
}

void
reg_list_add(struct reg_list *l, uint64_t item)
{
	if (reg_list_has(l, item))
		return;
	l->items = cv_realloc(l->items, (l->n + 1) * sizeof *l->items);
	l->items[l->n++] = item;
}

bool
reg_list_del(struct reg_list *l, uint64_t item)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->items[i] != item)
			continue;
		memmove(&l->items[i], &l->items[i + 1], (l->n - i - 1) * sizeof *l->items);
		l->n--;
		return true;
	}
	return false;
}

/* ---- the model ---- */

void
reg_model_init(struct reg_model *m, const char *default_domain)
{
	*m = (struct reg_model){ .next_number = 1, .default_domain = cv_strdup(default_domain) };
	cv_map_init(&m->addresses);
	cv_map_init(&m->agencies);
	cv_map_init(&m->closed);
	cv_map_init(&m->domains);
	cv_map_init(&m->admins);
	reg_docs_init(&m->docs);
}

static void
domain_free(struct reg_domain *d)
{
	if (!d)
		return;
	free(d->name);
	free(d->target);
	free(d);
}

void
reg_model_done(struct reg_model *m)
{
	struct cv_str key;
	void *value;
	for (size_t i = 0; i < m->count; i++)
		reg_account_free(m->accounts[i]);
	free(m->accounts);
	for (size_t pos = 0; cv_map_each(&m->addresses, &pos, &key, &value);)
		free(value);
	for (size_t pos = 0; cv_map_each(&m->agencies, &pos, &key, &value);)
		reg_agency_free(value);
	for (size_t pos = 0; cv_map_each(&m->closed, &pos, &key, &value);)
		free(value);
	for (size_t pos = 0; cv_map_each(&m->domains, &pos, &key, &value);)
		domain_free(value);
	cv_map_done(&m->addresses);
	cv_map_done(&m->agencies);
	cv_map_done(&m->closed);
	cv_map_done(&m->domains);
	for (size_t pos = 0; cv_map_each(&m->admins, &pos, &key, &value);)
		reg_admin_free(value);
	cv_map_done(&m->admins);
	reg_docs_done(&m->docs);
	free(m->default_domain);
	*m = (struct reg_model){0};
}

struct reg_account *
reg_model_find(const struct reg_model *m, uint64_t acct)
{
	size_t low = 0, high = m->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (m->accounts[mid]->acct == acct)
			return m->accounts[mid];
		if (m->accounts[mid]->acct < acct)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void
reg_model_add(struct reg_model *m, struct reg_account *a)
{
	assert(!m->count || m->accounts[m->count - 1]->acct < a->acct);
	if (m->count == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 64;
		m->accounts = cv_realloc(m->accounts, m->cap * sizeof(struct reg_account *));
	}
	m->accounts[m->count++] = a;
}

void
reg_model_put_address(struct reg_model *m, struct cv_str key, const struct reg_address *a)
{
	struct reg_address *copy = cv_malloc(sizeof *copy);
	*copy = *a;
	free(cv_map_put(&m->addresses, key, copy));
}

void
reg_model_put_agency(struct reg_model *m, struct reg_agency *g)
{
	reg_agency_free(cv_map_put(&m->agencies, cv_str_z(g->code), g));
}

void
reg_model_close_code(struct reg_model *m, struct cv_str code, const char *successor)
{
	if (successor)
		free(cv_map_put(&m->closed, code, cv_strdup(successor)));
	else
		free(cv_map_del(&m->closed, code));
}

void
reg_model_put_domain(struct reg_model *m, struct cv_str name, struct cv_str target)
{
	struct reg_domain *d = cv_malloc(sizeof *d);
	*d = (struct reg_domain){ cv_str_dup(name), cv_str_dup(target) };
	domain_free(cv_map_put(&m->domains, name, d));
}

/* ---- rows ---- */

enum { FLAG_LISTED = 1, FLAG_CONSENT = 2, FLAG_MUST_CHANGE = 4 };

void
reg_account_encode(const struct reg_account *a, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_c(out, (char)a->kind);
	cv_buf_c(out, (char)a->state);
	cv_buf_c(out,
	         (char)((a->listed ? FLAG_LISTED : 0) | (a->mobile_consent ? FLAG_CONSENT : 0) |
	                (a->must_change ? FLAG_MUST_CHANGE : 0)));
	cv_buf_varint(out, a->rank);
	cv_buf_varint(out, a->quota_bytes);
	cv_buf_be64(out, (uint64_t)a->created_secs);
	cv_buf_be64(out, (uint64_t)a->state_secs);
	cv_buf_varint(out, T_COUNT);
	for (size_t i = 0; i < T_COUNT; i++)
		cv_buf_bytes(out, cv_str_z(a->text[i]));
}

enum cv_status
reg_account_decode(struct cv_str row, struct reg_account *a)
{
	struct cv_rd r = cv_rd(row);
	if (cv_rd_u8(&r) != ROW_VERSION)
		return CV_CORRUPT;
	unsigned kind = cv_rd_u8(&r), state = cv_rd_u8(&r), flags = cv_rd_u8(&r);
	if (kind > CV_KIND_APP || state > CV_STATE_RETIRED)
		return CV_CORRUPT;
	a->kind = (enum cv_reg_kind)kind;
	a->state = (enum cv_reg_state)state;
	a->listed = flags & FLAG_LISTED;
	a->mobile_consent = flags & FLAG_CONSENT;
	a->must_change = flags & FLAG_MUST_CHANGE;
	a->rank = (uint32_t)cv_rd_varint(&r);
	a->quota_bytes = cv_rd_varint(&r);
	a->created_secs = (int64_t)cv_rd_be64(&r);
	a->state_secs = (int64_t)cv_rd_be64(&r);
	uint64_t count = cv_rd_varint(&r);
	for (uint64_t i = 0; i < count && !r.bad; i++) {
		struct cv_str text = cv_rd_bytes(&r);
		/* Rows of a later release may hold more. */
		if (i < T_COUNT)
			reg_account_set(a, (enum reg_text)i, text);
	}
	return r.bad ? CV_CORRUPT : CV_OK;
}

void
reg_secret_encode(const struct reg_secret *s, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_be32(out, s->version);
	cv_buf_be32(out, s->iterations);
	cv_buf_be64(out, (uint64_t)s->changed_secs);
	cv_buf_be64(out, (uint64_t)s->expires_secs);
	cv_buf_add(out, s->salt, sizeof s->salt);
	cv_buf_add(out, s->stored_key, sizeof s->stored_key);
	cv_buf_add(out, s->server_key, sizeof s->server_key);
	cv_buf_bytes(out, cv_str_z(s->argon));
}

enum cv_status
reg_secret_decode(struct cv_str row, struct reg_secret *s)
{
	struct cv_rd r = cv_rd(row);
	if (cv_rd_u8(&r) != ROW_VERSION)
		return CV_CORRUPT;
	s->version = cv_rd_be32(&r);
	s->iterations = cv_rd_be32(&r);
	s->changed_secs = (int64_t)cv_rd_be64(&r);
	s->expires_secs = (int64_t)cv_rd_be64(&r);
	cv_rd_copy(&r, s->salt, sizeof s->salt);
	cv_rd_copy(&r, s->stored_key, sizeof s->stored_key);
	cv_rd_copy(&r, s->server_key, sizeof s->server_key);
	struct cv_str argon = cv_rd_bytes(&r);
	if (r.bad || argon.n >= sizeof s->argon)
		return CV_CORRUPT;
	memset(s->argon, 0, sizeof s->argon);
	if (argon.n)
		memcpy(s->argon, argon.p, argon.n);
	return CV_OK;
}

void
reg_agency_encode(const struct reg_agency *g, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_varint(out, g->rank);
	cv_buf_varint(out, AG_COUNT);
	for (size_t i = 0; i < AG_COUNT; i++)
		cv_buf_bytes(out, cv_str_z(g->text[i]));
	cv_buf_varint(out, g->pool_bytes);
	cv_buf_varint(out, g->staff);
	cv_buf_bytes(out, cv_str_z(g->cluster));
}

enum cv_status
reg_agency_decode(struct cv_str row, struct reg_agency *g)
{
	struct cv_rd r = cv_rd(row);
	if (cv_rd_u8(&r) != ROW_VERSION)
		return CV_CORRUPT;
	g->rank = (uint32_t)cv_rd_varint(&r);
	uint64_t count = cv_rd_varint(&r);
	for (uint64_t i = 0; i < count && !r.bad; i++) {
		struct cv_str text = cv_rd_bytes(&r);
		if (i < AG_COUNT)
			reg_agency_set(g, (enum reg_agency_text)i, text);
	}
	g->pool_bytes = !r.bad && cv_rd_left(&r) ? cv_rd_varint(&r) : 0;
	if (!r.bad && cv_rd_left(&r)) {
		g->staff = (uint32_t)cv_rd_varint(&r);
		reg_agency_set_cluster(g, cv_rd_bytes(&r));
	}
	return r.bad ? CV_CORRUPT : CV_OK;
}

void
reg_address_encode(const struct reg_address *a, struct cv_buf *out)
{
	cv_buf_c(out, (char)a->type);
	cv_buf_be64(out, a->acct);
	cv_buf_be64(out, (uint64_t)a->since_secs);
	if (a->until_secs)
		cv_buf_be64(out, (uint64_t)a->until_secs);
}

enum cv_status
reg_address_decode(struct cv_str row, struct reg_address *a)
{
	struct cv_rd r = cv_rd(row);
	unsigned type = cv_rd_u8(&r);
	a->acct = cv_rd_be64(&r);
	a->since_secs = (int64_t)cv_rd_be64(&r);
	a->until_secs = !r.bad && cv_rd_left(&r) ? (int64_t)cv_rd_be64(&r) : 0;
	if (r.bad || type < REG_PRIMARY || type > REG_HISTORY)
		return CV_CORRUPT;
	a->type = (enum reg_address_type)type;
	return CV_OK;
}

struct reg_account *
reg_account_of_row(struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_account *a = value.p ? reg_account_new() : NULL;
	if (!a)
		return NULL;
	a->acct = cv_rd_be64(&rd);
	if (!reg_account_decode(value, a))
		return a;
	reg_account_free(a);
	return NULL;
}
