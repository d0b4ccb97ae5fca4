/* registry_change.c - reading a request's fields, recording a change's rows, committing them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/register/registry_impl.h"
#include "common/text/address.h"
#include "common/text/charset.h"

/* ---- fields ---- */

/* NFC; blanks (U+00A0 too) at the ends dropped and runs of them made one. */
enum cv_status
reg_clean(struct cv_arena *arena, struct cv_str text, struct cv_str *out)
{
	struct cv_buf nfc = CV_BUF_INIT(REG_TEXT_MAX * 4);
	if (!cv_utf8_is_valid(text))
		return CV_INVALID;
	if (text.n > REG_TEXT_MAX * 2 || cv_utf8_nfc(text, &nfc) != CV_OK) {
		cv_buf_done(&nfc);
		return CV_LIMIT;
	}
	size_t n = 0;
	bool pending = false;
	for (size_t i = 0; i < nfc.n; i++) {
		unsigned char c = (unsigned char)nfc.p[i];
		bool is_nbsp = c == 0xc2 && i + 1 < nfc.n && (unsigned char)nfc.p[i + 1] == 0xa0;
		if (c <= ' ' || c == 0x7f || is_nbsp) {
			pending = n > 0;
			i += is_nbsp;
			continue;
		}
		if (pending)
			nfc.p[n++] = ' ';
		pending = false;
		nfc.p[n++] = (char)c;
	}
	*out = cv_arena_str(arena, cv_str(nfc.p, n));
	cv_buf_done(&nfc);
	return CV_OK;
}

enum cv_status
reg_field(struct reg_call *c, json_t *object, const char *name, size_t max_bytes,
          struct cv_str *out, struct cv_err *err)
{
	json_t *value = json_object_get(object, name);
	*out = CV_STR("");
	if (!value || json_is_null(value))
		return CV_OK;
	if (!json_is_string(value))
		return cv_fail(err, CV_INVALID, "field '%s' must be a text", name);
	struct cv_str raw = cv_str(json_string_value(value), json_string_length(value));
	enum cv_status status = reg_clean(&c->arena, raw, out);
	if (status == CV_INVALID)
		return cv_fail(err, CV_INVALID, "field '%s' is not valid UTF-8", name);
	if (status || out->n > max_bytes)
		return cv_fail(err, CV_LIMIT, "field '%s' is longer than %zu bytes", name,
		               max_bytes);
	return CV_OK;
}

bool
reg_flag(json_t *object, const char *name, bool dflt)
{
	json_t *value = json_object_get(object, name);
	return json_is_boolean(value) ? json_boolean_value(value) : dflt;
}

/* ---- rows ---- */

void
reg_put(struct reg_call *c, struct cv_str key, struct cv_str value)
{
	if (c->put_count == c->put_cap) {
		c->put_cap = c->put_cap ? c->put_cap * 2 : 16;
		c->puts = cv_realloc(c->puts, c->put_cap * sizeof *c->puts);
	}
	c->puts[c->put_count++] = (struct cv_put){ cv_arena_str(&c->arena, key),
		value.p ? cv_arena_str(&c->arena, value) : CV_STR_EMPTY };
	c->was_changed = true;
}

static struct cv_str
number_key(struct reg_call *c, char kind, uint64_t n)
{
	struct cv_buf key = CV_BUF_INIT(16);
	cv_buf_c(&key, kind);
	cv_buf_be64(&key, n);
	struct cv_str copy = cv_arena_str(&c->arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return copy;
}

void
reg_save_account(struct reg_call *c, const struct reg_account *a)
{
	struct cv_buf row = CV_BUF_INIT(CV_VALUE_MAX);
	reg_account_encode(a, &row);
	reg_put(c, number_key(c, 'A', a->acct), cv_buf_view(&row));
	cv_buf_done(&row);
}

void
reg_save_secret(struct reg_call *c, const struct reg_account *a)
{
	struct cv_buf row = CV_BUF_INIT(4096);
	reg_secret_encode(&a->secret, &row);
	reg_put(c, number_key(c, 'P', a->acct), cv_buf_view(&row));
	cv_wipe(row.p, row.n);
	cv_buf_done(&row);
}

void
reg_save_device(struct reg_call *c, const struct reg_account *a, uint32_t number)
{
	const struct reg_device *d = reg_devices_find(&a->devices, number);
	struct cv_buf key = CV_BUF_INIT(16), row = CV_BUF_INIT(1024);
	cv_buf_c(&key, 'W');
	cv_buf_be64(&key, a->acct);
	cv_buf_be32(&key, number);
	if (d)
		reg_device_encode(d, &row);
	reg_put(c, cv_buf_view(&key), d ? cv_buf_view(&row) : CV_STR_EMPTY);
	if (row.p)
		cv_wipe(row.p, row.n);
	cv_buf_done(&key);
	cv_buf_done(&row);
}

void
reg_save_counter(struct reg_call *c)
{
	struct cv_buf row = CV_BUF_INIT(16);
	cv_buf_be64(&row, c->r->model.next_number);
	reg_put(c, CV_STR("C"), cv_buf_view(&row));
	cv_buf_done(&row);
}

void
reg_save_address(struct reg_call *c, struct cv_str key, enum reg_address_type type, uint64_t acct)
{
	reg_save_address_until(c, key, type, acct, 0);
}

void
reg_save_address_until(struct reg_call *c, struct cv_str key, enum reg_address_type type,
                       uint64_t acct, int64_t until_secs)
{
	struct reg_address a = { .type = type, .acct = acct, .since_secs = cv_wall_secs(),
		.until_secs = until_secs };
	struct cv_buf row = CV_BUF_INIT(64);
	reg_address_encode(&a, &row);
	reg_put(c, cv_arena_printf(&c->arena, "N%.*s", CV_STR_ARGS(key)), cv_buf_view(&row));
	cv_buf_done(&row);
	reg_model_put_address(&c->r->model, key, &a);
}

void
reg_save_agency(struct reg_call *c, const struct reg_agency *g)
{
	struct cv_buf row = CV_BUF_INIT(CV_VALUE_MAX);
	reg_agency_encode(g, &row);
	reg_put(c, cv_arena_printf(&c->arena, "G%s", g->code), cv_buf_view(&row));
	cv_buf_done(&row);
}

void
reg_save_doc(struct reg_call *c, char kind, uint64_t a, uint64_t b, json_t *body)
{
	struct cv_buf key = CV_BUF_INIT(32);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	cv_buf_c(&key, kind);
	cv_buf_be64(&key, a);
	cv_buf_be64(&key, b);
	reg_put(c, cv_buf_view(&key), text ? cv_str_z(text) : CV_STR_EMPTY);
	free(text);
	cv_buf_done(&key);
	reg_doc_put(&c->r->model.docs, kind, a, b, body);
}

void
reg_save_link(struct reg_call *c, char kind, uint64_t owner, uint64_t other, bool is_there)
{
	struct cv_buf key = CV_BUF_INIT(32);
	cv_buf_c(&key, kind);
	cv_buf_be64(&key, owner);
	cv_buf_be64(&key, other);
	reg_put(c, cv_buf_view(&key), is_there ? CV_STR("1") : CV_STR_EMPTY);
	cv_buf_done(&key);
}

enum cv_status
reg_commit(struct reg_call *c, const char *action, const char *object, json_t *detail,
           struct cv_err *err)
{
	struct cv_registry *r = c->r;
	if (c->is_dry) {
		json_decref(detail);
		c->put_count = 0;
		c->box_count = 0;
		return CV_OK;
	}
	detail = reg_event_detail(c, action, object, detail);
	struct cv_audit_event event = { .actor = c->actor, .action = action, .object = object,
		.result = "ok", .detail = detail };
	struct cv_batch batch = { .acct = REG_ACCT, .expect = r->version, .puts = c->puts,
		.count = c->put_count };
	enum cv_status status = cv_audit_commit(r->audit, &event, &batch, 1, &r->ticket, err);
	json_decref(detail);
	if (status) {
		r->is_stale = true;
		return status;
	}
	r->version = batch.version;
	r->changes++;
	c->put_count = 0;
	c->was_committed = true;
	return CV_OK;
}

enum cv_status
reg_refuse(struct reg_call *c, enum cv_status status, const char *en, const char *vi,
           struct cv_err *err)
{
	json_object_set_new(c->reply, "error_vi", json_string(vi));
	return cv_fail(err, status, "%s", en);
}

/* ---- boxes ---- */

void
reg_want_box(struct reg_call *c, const struct reg_account *a, bool set_quota)
{
	if (a->kind == CV_KIND_GROUP)
		return;
	if (c->box_count == c->box_cap) {
		c->box_cap = c->box_cap ? c->box_cap * 2 : 16;
		c->boxes = cv_realloc(c->boxes, c->box_cap * sizeof *c->boxes);
	}
	c->boxes[c->box_count++] = (struct reg_box){ a->acct, a->quota_bytes, set_quota };
}

enum cv_status
reg_make_boxes(struct reg_call *c, struct cv_err *err)
{
	cv_ticket last = 0;
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && i < c->box_count; i++) {
		struct cv_acct *box;
		cv_ticket ticket = 0;
		status = cv_acct_open(c->r->store, c->boxes[i].acct, true, &box, &ticket, err);
		if (status)
			break;
		last = CV_MAX(last, ticket);
		struct cv_quota now;
		cv_acct_quota(box, &now);
		if (c->boxes[i].set_quota && now.limit_bytes != c->boxes[i].quota_bytes) {
			status = cv_acct_set_quota(box, c->boxes[i].quota_bytes, &ticket, err);
			last = CV_MAX(last, ticket);
		}
		cv_acct_close(box);
	}
	c->box_count = 0;
	if (last)
		cv_ticket_block(cv_store_engine(c->r->store), last);
	return status;
}

/* ---- looking up ---- */

enum cv_status
reg_address_key(struct reg_call *c, struct cv_str address, struct cv_str *key_out,
                struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	if (cv_str_find(address, '@', 0) == address.n)
		address = cv_arena_printf(&c->arena, "%.*s@%s", CV_STR_ARGS(address),
		                          m->default_domain);
	struct cv_buf key = CV_BUF_INIT(1024);
	enum cv_status status = cv_address_key(address, &key, err);
	if (status) {
		cv_buf_done(&key);
		return status;
	}
	struct cv_str whole = cv_arena_str(&c->arena, cv_buf_view(&key));
	cv_buf_done(&key);
	size_t at = whole.n;
	while (whole.p[at - 1] != '@')
		at--;
	struct cv_str domain = cv_str_sub(whole, at, whole.n);
	const struct reg_domain *d = cv_map_get(&m->domains, domain);
	if (!d)
		return cv_fail(err, CV_INVALID, "the domain %.*s is not one of ours; add it first",
			CV_STR_ARGS(domain));
	*key_out = whole;
	/* What was an address before its domain became an alias stays what it was. */
	if (*d->target && !cv_map_get(&m->addresses, whole))
		*key_out = cv_arena_printf(&c->arena, "%.*s%s",
			CV_STR_ARGS(cv_str_sub(whole, 0, at)), d->target);
	return CV_OK;
}

enum cv_status
reg_account_of(struct reg_call *c, struct cv_str address, struct reg_account **out,
               struct cv_err *err)
{
	struct cv_str key;
	enum cv_status status = reg_address_key(c, address, &key, err);
	if (status)
		return status;
	const struct reg_address *a = cv_map_get(&c->r->model.addresses, key);
	*out = a && a->type != REG_HISTORY ? reg_model_find(&c->r->model, a->acct) : NULL;
	if (!*out)
		return cv_fail(err, CV_NOT_FOUND, "no account %.*s", CV_STR_ARGS(key));
	return CV_OK;
}

enum cv_status
reg_account_field(struct reg_call *c, const char *name, struct reg_account **out,
                  struct cv_err *err)
{
	struct cv_str address;
	enum cv_status status = reg_field(c, c->request, name, 320, &address, err);
	if (status)
		return status;
	if (!address.n)
		return cv_fail(err, CV_INVALID, "field '%s' must name an address", name);
	return reg_account_of(c, address, out, err);
}

struct reg_agency *
reg_find_agency(const struct cv_registry *r, struct cv_str code)
{
	return cv_map_get(&r->model.agencies, code);
}
