/* registry.c - opening the register, the table of requests, publishing snapshots. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/options/sections.h"
#include "common/register/journal.h"
#include "common/register/snapshot_format.h"
#include "common/text/domain.h"

/* ---- loading ---- */

struct loading {
	struct cv_registry *r;
	bool is_bad, has_key;
	char bad_key;
};

static bool
load_link(struct cv_registry *r, struct cv_str key)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_account *owner = reg_model_find(&r->model, cv_rd_be64(&rd));
	uint64_t other = cv_rd_be64(&rd);
	if (rd.bad || !owner)
		return false;
	reg_list_add(reg_list_of(owner, key.p[0]), other);
	return true;
}

static bool
load_route(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_account *a = reg_model_find(&r->model, cv_rd_be64(&rd));
	return a && !reg_route_decode(value, reg_route_of(a));
}

static bool
load_target(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_account *a = reg_model_find(&r->model, cv_rd_be64(&rd));
	unsigned kind = cv_rd_u8(&rd);
	struct reg_target t = {0};
	if (rd.bad || !a || kind > CV_TARGET_FORWARD || reg_target_decode(value, &t))
		return false;
	t.kind = (enum cv_reg_target_kind)kind;
	t.address = cv_str_dup(cv_rd_take(&rd, cv_rd_left(&rd)));
	reg_target_put(a, &t);
	free(t.address);
	free(t.reason);
	return true;
}

static bool
load_account(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_account *a = reg_account_new();
	a->acct = cv_rd_be64(&rd);
	if (rd.bad || reg_account_decode(value, a)) {
		reg_account_free(a);
		return false;
	}
	reg_model_add(&r->model, a);
	return true;
}

static bool
load_secret(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_account *a = reg_model_find(&r->model, cv_rd_be64(&rd));
	return a && !reg_secret_decode(value, &a->secret);
}

static bool
load_device(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	struct reg_account *a = reg_model_find(&r->model, cv_rd_be64(&rd));
	struct reg_device d = { .number = cv_rd_be32(&rd) };
	bool ok = a && !rd.bad && !reg_device_decode(value, &d);
	if (ok)
		reg_devices_put(&a->devices, &d);
	cv_wipe(&d, sizeof d);
	return ok;
}

static bool
load_doc(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct cv_rd rd = cv_rd(cv_str_sub(key, 1, key.n));
	uint64_t a = cv_rd_be64(&rd), b = cv_rd_be64(&rd);
	json_t *body = rd.bad ? NULL : json_loadb(value.p, value.n, 0, NULL);
	if (!json_is_object(body)) {
		json_decref(body);
		return false;
	}
	reg_doc_put(&r->model.docs, key.p[0], a, b, body);
	return true;
}

static bool
load_agency(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct reg_agency *g = reg_agency_new(cv_str_sub(key, 1, key.n));
	if (reg_agency_decode(value, g)) {
		reg_agency_free(g);
		return false;
	}
	reg_model_put_agency(&r->model, g);
	return true;
}

static bool
load_admin(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct reg_admin *a = cv_calloc(1, sizeof *a);
	a->name = cv_str_dup(cv_str_sub(key, 1, key.n));
	if (reg_admin_decode(value, a)) {
		reg_admin_free(a);
		return false;
	}
	reg_admin_free(cv_map_put(&r->model.admins, cv_str_z(a->name), a));
	return true;
}

static bool
load_address(struct cv_registry *r, struct cv_str key, struct cv_str value)
{
	struct reg_address a;
	if (reg_address_decode(value, &a))
		return false;
	reg_model_put_address(&r->model, cv_str_sub(key, 1, key.n), &a);
	return true;
}

static void
load_closed(struct cv_registry *r, struct cv_str code, struct cv_str value)
{
	char *successor = cv_str_dup(cv_str_sub(value, CV_MIN(value.n, (size_t)1), value.n));
	reg_model_close_code(&r->model, code, successor);
	free(successor);
}

static bool
load_counter(struct cv_registry *r, struct cv_str value)
{
	struct cv_rd rd = cv_rd(value);
	r->model.next_number = cv_rd_be64(&rd);
	return !rd.bad;
}

/* Rows come in key order: accounts before all that names them. */
static bool
load_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct loading *l = arg;
	bool ok = key.n > 0;
	switch (ok ? key.p[0] : 0) {
	case 'A':
		ok = load_account(l->r, key, value);
		break;
	case 'C':
		ok = load_counter(l->r, value);
		break;
	case 'D':
		reg_model_put_domain(&l->r->model, cv_str_sub(key, 1, key.n), value);
		break;
	case 'B':
	case 'E':
	case 'F':
	case 'H':
	case 'I':
	case 'X':
	case 'Y':
	case 'Z':
		ok = load_doc(l->r, key, value);
		break;
	case 'G':
		ok = load_agency(l->r, key, value);
		break;
	case 'K':
		l->has_key = value.n == sizeof l->r->dummy_key;
		if (l->has_key)
			memcpy(l->r->dummy_key, value.p, value.n);
		break;
	case 'L':
	case 'M':
	case 'O':
	case 'U':
	case 'V':
		ok = load_link(l->r, key);
		break;
	case 'N':
		ok = load_address(l->r, key, value);
		break;
	case 'P':
		ok = load_secret(l->r, key, value);
		break;
	case 'Q':
		ok = load_route(l->r, key, value);
		break;
	case 'R':
		ok = load_admin(l->r, key, value);
		break;
	case 'T':
		ok = load_target(l->r, key, value);
		break;
	case 'W':
		ok = load_device(l->r, key, value);
		break;
	case '$':
		load_closed(l->r, cv_str_sub(key, 1, key.n), value);
		break;
	default:
		break; /* rows of a later release */
	}
	if (!ok) {
		l->is_bad = true;
		l->bad_key = key.n ? key.p[0] : '?';
	}
	return ok;
}

enum cv_status
reg_scan_rows(struct cv_registry *r, cv_row_fn *fn, void *arg, struct cv_err *err)
{
	struct cv_engine *e = cv_store_engine(r->store);
	enum cv_status status = cv_meta_scan(e, REG_ACCT, CV_STR_EMPTY, CV_STR("J"), 0, fn, arg,
	                                     err);
	return status ? status : cv_meta_scan(e, REG_ACCT, CV_STR("K"), CV_STR_EMPTY, 0, fn, arg,
	                                      err);
}

static enum cv_status
load(struct cv_registry *r, bool *has_key_out, struct cv_err *err)
{
	char *default_domain = cv_strdup(r->model.default_domain);
	reg_model_done(&r->model);
	reg_model_init(&r->model, default_domain);
	free(default_domain);
	r->is_stale = true;
	struct cv_engine *e = cv_store_engine(r->store);
	cv_acct_id acct = REG_ACCT;
	struct loading l = { .r = r };
	enum cv_status status = cv_meta_versions(e, &acct, 1, &r->version, err);
	if (!status)
		status = reg_journal_recover(r, err);
	if (!status)
		status = reg_scan_rows(r, load_row, &l, err);
	if (!status && l.is_bad)
		status = cv_fail(err, CV_CORRUPT, "a row '%c' of the register is damaged",
		                 l.bad_key);
	r->is_stale = status != CV_OK;
	if (has_key_out)
		*has_key_out = l.has_key;
	return status;
}

/* ---- publishing ---- */

static enum cv_status
map_generation(struct cv_registry *r, struct cv_err *err)
{
	char path[1100];
	snprintf(path, sizeof path, "%s/%s", r->dir, SNAP_GEN_FILE);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		goto failed;
	/* Only ever grown: readers have it mapped. */
	if (st.st_size < (off_t)sizeof(uint64_t) && ftruncate(fd, sizeof(uint64_t)))
		goto failed;
	void *map = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto failed;
	close(fd);
	r->gen = map;
	return CV_OK;
failed:
	if (fd >= 0)
		close(fd);
	return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", path);
}

/* Snapshots of all times are numbered upwards, whatever the clock did. */
static uint64_t
last_generation(struct cv_registry *r)
{
	struct cv_snapshot *s;
	struct cv_err err;
	uint64_t last = 0;
	if (!snap_open_dir(r->dir, false, &s, &err)) {
		last = cv_snapshot_generation(s);
		cv_snapshot_unref(s);
	}
	return last ? last : (uint64_t)cv_wall_ms();
}

static enum cv_status
publish(struct cv_registry *r, bool is_forced, struct cv_err *err)
{
	pthread_mutex_lock(&r->publish_lock);
	pthread_mutex_lock(&r->lock);
	uint64_t changes = r->changes;
	cv_ticket ticket = r->ticket;
	/* Who waited here while another published may find the work done. */
	bool is_done = !is_forced && r->published >= changes;
	struct cv_buf snap = CV_BUF_INIT(SNAP_BYTES_MAX), secret = CV_BUF_INIT(SNAP_BYTES_MAX);
	enum cv_status status = CV_OK;
	if (!is_done && r->is_stale)
		status = load(r, NULL, err);
	if (!is_done && !status)
		snap_build(&r->model, r->generation + 1, r->dummy_key, &snap, &secret);
	pthread_mutex_unlock(&r->lock);
	if (!is_done && !status) {
		/* No reader may see what a power cut could take back. */
		cv_ticket_block(cv_store_engine(r->store), ticket);
		status = snap_write(r->dir, cv_buf_view(&snap), cv_buf_view(&secret), err);
	}
	if (!is_done && !status) {
		r->generation++;
		r->published = changes;
		atomic_fetch_add_explicit(r->gen, 1, memory_order_release);
	}
	cv_wipe(secret.p, secret.n);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
	pthread_mutex_unlock(&r->publish_lock);
	return status;
}

enum cv_status
cv_registry_publish(struct cv_registry *r, struct cv_err *err)
{
	return publish(r, true, err);
}

/* ---- opening ---- */


/* A stop between an account's commit and the making of its box leaves it without: made now. */
static enum cv_status
make_missing_boxes(struct reg_call *c, struct cv_err *err)
{
	const struct reg_model *m = &c->r->model;
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && i < m->count; i += 1000) {
		size_t n = CV_MIN(m->count - i, (size_t)1000);
		cv_acct_id accts[1000];
		uint64_t versions[1000];
		for (size_t j = 0; j < n; j++)
			accts[j] = m->accounts[i + j]->acct;
		status = cv_meta_versions(cv_store_engine(c->r->store), accts, n, versions, err);
		for (size_t j = 0; !status && j < n; j++)
			if (!versions[j] && m->accounts[i + j]->state != CV_STATE_RETIRED)
				reg_want_box(c, m->accounts[i + j], true);
	}
	return status ? status : reg_make_boxes(c, err);
}

/* The key of fake salts and the default domain are there from the first start on. */
static enum cv_status
make_basics(struct reg_call *c, bool has_key, struct cv_err *err)
{
	struct cv_registry *r = c->r;
	struct cv_str domain = cv_str_z(r->model.default_domain);
	if (!has_key) {
		cv_random(r->dummy_key, sizeof r->dummy_key);
		reg_put(c, CV_STR("K"), cv_str((const char *)r->dummy_key, sizeof r->dummy_key));
	}
	if (!cv_map_get(&r->model.domains, domain)) {
		struct cv_str key = cv_arena_printf(&c->arena, "D%s", r->model.default_domain);
		reg_put(c, key, CV_STR(""));
		reg_model_put_domain(&r->model, domain, CV_STR(""));
	}
	return c->put_count ? reg_commit(c, "register.init", r->model.default_domain, NULL, err)
	                    : CV_OK;
}

static void
call_done(struct reg_call *c)
{
	free(c->puts);
	free(c->boxes);
	json_decref(c->before);
	cv_arena_done(&c->arena);
}

/* What was opened for a time and is over (SEC-07) stands in no snapshot. */
static enum cv_status
expire_at_start(struct reg_call *c, struct cv_err *err)
{
	c->request = c->reply = json_object();
	enum cv_status status = reg_breakglass_expire(c, err);
	json_decref(c->reply);
	c->request = c->reply = NULL;
	return status;
}

static enum cv_status
start(struct cv_registry *r, struct cv_err *err)
{
	bool has_key = false;
	if (mkdir(r->dir, 0750) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make the folder %s", r->dir);
	enum cv_status status = map_generation(r, err);
	if (!status)
		status = load(r, &has_key, err);
	struct reg_call c = { .r = r, .actor = "system" };
	if (!status)
		status = make_basics(&c, has_key, err);
	if (!status)
		status = reg_journal_expire(r, 0, err);
	if (!status)
		status = expire_at_start(&c, err);
	if (!status)
		status = make_missing_boxes(&c, err);
	call_done(&c);
	if (status)
		return status;
	reg_tell_pools(r);
	r->generation = last_generation(r);
	return publish(r, true, err);
}

void
cv_registry_set_rules(struct cv_registry *r, const struct cv_registry_rules *rules)
{
	pthread_mutex_lock(&r->lock);
	r->rules = *rules;
	const struct {
		unsigned *value, dflt;
	} rows[] = {
		{ &r->rules.keep_months, 6 },   { &r->rules.keep_months_leader, 12 },
		{ &r->rules.warn_days, 30 },    { &r->rules.off_days, 45 },
		{ &r->rules.withdraw_days, 90 },{ &r->rules.review_months, 6 },
		{ &r->rules.review_days, 30 },  { &r->rules.issue_days, 2 },
		{ &r->rules.resets_a_month, 3 },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!*rows[i].value)
			*rows[i].value = rows[i].dflt;
	pthread_mutex_unlock(&r->lock);
}

void
cv_registry_rules_from(const struct congvu_options *common, const struct admin_options *admin,
                       struct cv_registry_rules *out)
{
	*out = (struct cv_registry_rules){
		.keep_months = (unsigned)admin->keep_after_leaving,
		.keep_months_leader = (unsigned)admin->keep_after_leaving_leader,
		.warn_days = (unsigned)admin->unused_warn_days,
		.off_days = (unsigned)admin->unused_off_days,
		.withdraw_days = (unsigned)admin->unused_withdraw_days,
		.review_months = (unsigned)admin->review_months,
		.review_days = (unsigned)admin->review_days,
		.issue_days = (unsigned)admin->issue_days,
		.requests_required = !strcmp(admin->account_requests, "required"),
		.resets_a_month = (unsigned)admin->resets_a_month,
		.admin_second_required = !strcmp(admin->admin_second_factor, "required"),
		.admin_password_months = (unsigned)admin->admin_password_months,
	};
	snprintf(out->rules_version, sizeof out->rules_version, "%s", admin->rules_version);
	snprintf(out->holidays_file, sizeof out->holidays_file, "%s", common->holidays_file);
	snprintf(out->working_hours, sizeof out->working_hours, "%s", common->working_hours);
}

enum cv_status
cv_registry_open(const struct cv_registry_options *o, struct cv_registry **out, struct cv_err *err)
{
	struct cv_registry *r = cv_calloc(1, sizeof *r);
	r->store = o->store;
	r->audit = o->audit;
	r->dir = cv_strdup(o->dir);
	r->more_reserved = cv_strdup(o->reserved_local_parts ? o->reserved_local_parts : "");
	r->quota_default = o->quota_default;
	r->quota_leader = o->quota_leader ? o->quota_leader : o->quota_default;
	r->quota_agency = o->quota_agency;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->publish_lock, NULL);
	cv_registry_set_rules(r, &o->rules);
	reg_model_init(&r->model, "");
	enum cv_status status = CV_OK;
	const char *word = o->address_template ? o->address_template : "initials";
	if (cv_name_template_parse(word, &r->name_template))
		status = cv_fail(err, CV_INVALID,
			"address_template: '%s' is none of initials, flat, given", word);
	struct cv_buf domain = CV_BUF_INIT(300);
	if (!status)
		status = cv_domain_to_ascii(cv_str_z(o->default_domain), &domain, err);
	if (!status) {
		free(r->model.default_domain);
		r->model.default_domain = cv_str_dup(cv_buf_view(&domain));
		status = start(r, err);
	}
	cv_buf_done(&domain);
	if (status) {
		r->published = r->changes; /* nothing to say */
		cv_registry_close(r);
		return status;
	}
	*out = r;
	return CV_OK;
}

void
cv_registry_close(struct cv_registry *r)
{
	if (!r)
		return;
	struct cv_err err;
	if (r->published < r->changes && publish(r, false, &err))
		cv_log(0, CV_WARN, "register.publish", "error=\"%s\"", err.text);
	if (r->gen)
		munmap(r->gen, sizeof(uint64_t));
	reg_model_done(&r->model);
	reg_journal_done(&r->journal);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->publish_lock);
	cv_wipe(r->dummy_key, sizeof r->dummy_key);
	free(r->dir);
	free(r->more_reserved);
	free(r);
}

/* ---- requests ---- */

/* RIGHT: which roles may (registry.h). ABOUT: what the request is about, for those whose role is
 * not the whole province's, and for "before" in the audit trail; a list of
 *   account:FIELD   the account whose address stands there
 *   agency:FIELD    the agency of that code
 *   address:FIELD   an address to be given out
 *   request:FIELD   the agency of the request of that number
 * where a field may be absent when "?" follows, as long as one of them is there; or
 *   self            the handler looks itself: reg_in_scope()
 *   inner:FIELD     a request that is to be done later: its own row says
 *   NULL            the whole province: no agency's administrator, and nothing to compare */
static const struct {
	const char *name;
	reg_handler *run;
	unsigned right;
	const char *about;
} requests[] = {
	{ "absence.clear",   reg_absence_clear,   REG_AGENCY, "account:address" },
	{ "absence.set",     reg_absence_set,     REG_AGENCY, "account:address" },
	{ "account.add",     reg_account_add,     REG_AGENCY, "agency:agency,address:address" },
	{ "account.end",     reg_account_end,     REG_OPERATOR, "account:address" },
	{ "account.expire",  reg_account_expire,  REG_AGENCY, "account:address,account:owner?" },
	{ "account.leave",   reg_account_leave,   REG_AGENCY, "account:address" },
	{ "account.list",    reg_account_list,    REG_READ, "self" },
	{ "account.merge",   reg_account_merge,   REG_OPERATOR, NULL },
	{ "account.merge.mail", reg_merge_mail,      REG_OPERATOR, NULL },
	{ "account.passwd",  reg_account_passwd,  REG_HELPDESK, "account:address" },
	{ "account.rename",  reg_account_rename,  REG_AGENCY, "account:address,address:new_address?" },
	{ "account.resume",  reg_account_resume,  REG_AGENCY, "account:address" },
	{ "account.retire",  reg_account_retire,  REG_AGENCY, "account:address" },
	{ "account.return",  reg_account_return,  REG_AGENCY, "account:address" },
	{ "account.second",  reg_account_second,  REG_AGENCY, "account:address,agency:agency" },
	{ "account.set",     reg_account_change,  REG_AGENCY, "account:address,agency:agency?" },
	{ "account.show",    reg_account_show,    REG_READ, "account:address" },
	{ "account.suspend", reg_account_suspend, REG_AGENCY, "account:address" },
	{ "account.totp.confirm", reg_totp_confirm,   REG_READ, "self" },
	{ "account.totp.enrol", reg_totp_enrol,       REG_READ, "self" },
	{ "account.totp.recover", reg_totp_recover,   REG_OPERATOR, NULL },
	{ "account.totp.remove", reg_totp_remove,     REG_READ, "self" },
	{ "account.totp.status", reg_totp_status,     REG_READ, "self" },
	{ "account.trail",   reg_account_trail,   REG_READ, "account:address" },
	{ "account.transfer", reg_account_transfer,REG_AGENCY, "account:address,agency:agency" },
	{ "account.unlock",  reg_account_unlock,  REG_HELPDESK, "account:address" },
	{ "admin.add",       reg_admin_add,       REG_OPERATOR, NULL },
	{ "admin.list",      reg_admin_list,      REG_AGENCY | REG_AUDIT, "self" },
	{ "admin.remove",    reg_admin_remove,    REG_OPERATOR, NULL },
	{ "admin.whoami",    reg_admin_whoami,    REG_ANYONE, NULL },
	{ "agency.add",      reg_agency_add,      REG_OPERATOR, "agency:code" },
	{ "agency.list",     reg_agency_list,     REG_READ, "self" },
	{ "alias.add",       reg_alias_add,       REG_AGENCY, "account:address,address:alias" },
	{ "alias.del",       reg_alias_del,       REG_AGENCY, "account:alias" },
	{ "alias.note",      reg_alias_note,      REG_OPERATOR, NULL },
	{ "alias.report",    reg_alias_report,    REG_READ, "self" },
	{ "audit.list",      reg_audit_list,      REG_AUDIT, NULL },
	{ "audit.verify",    reg_audit_verify,    REG_AUDIT, NULL },
	{ "backup.contents", reg_backup_contents, REG_OPERATOR, NULL },
	{ "backup.copy",     reg_backup_copy,     REG_OPERATOR, NULL },
	{ "backup.done",     reg_backup_done,     REG_OPERATOR, NULL },
	{ "backup.note",     reg_backup_note,     REG_OPERATOR, NULL },
	{ "backup.put",      reg_backup_put,      REG_OPERATOR, NULL },
	{ "breakglass.approve", reg_breakglass_approve,REG_AUDIT, NULL },
	{ "breakglass.deny",   reg_breakglass_deny,   REG_AUDIT, NULL },
	{ "breakglass.end",    reg_breakglass_end,    REG_AUDIT, NULL },
	{ "breakglass.expire", reg_breakglass_expire, REG_OPERATOR, NULL },
	{ "breakglass.list",   reg_breakglass_list,   REG_AUDIT, NULL },
	{ "breakglass.request", reg_breakglass_request,REG_AUDIT, NULL },
	{ "dated.add",       reg_dated_add,       REG_AGENCY, "inner:request" },
	{ "dated.cancel",    reg_dated_cancel,    REG_AGENCY, "self" },
	{ "dated.list",      reg_dated_list,      REG_AGENCY | REG_AUDIT, "self" },
	{ "dated.run",       reg_dated_run,       REG_OPERATOR, NULL },
	{ "delegate.add",    reg_delegate_add,    REG_AGENCY, "account:owner,account:delegate" },
	{ "delegate.del",    reg_delegate_del,    REG_AGENCY, "account:owner" },
	{ "device.add",      reg_device_add,      REG_AGENCY, "account:address" },
	{ "device.list",     reg_device_list,     REG_READ, "account:address" },
	{ "device.revoke",   reg_device_revoke,   REG_HELPDESK, "account:address" },
	{ "domain.add",      reg_domain_add,      REG_OPERATOR, NULL },
	{ "domain.list",     reg_domain_list,     REG_READ, "self" },
	{ "dormant.exempt",  reg_dormant_exempt,  REG_AGENCY, "account:address" },
	{ "dormant.list",    reg_dormant_list,    REG_READ, "self" },
	{ "dormant.run",     reg_dormant_run,     REG_OPERATOR, NULL },
	{ "expiry.list",     reg_expiry_list,     REG_READ, "self" },
	{ "expiry.told",     reg_expiry_told,     REG_OPERATOR, NULL },
	{ "forward.add",     reg_forward_add,     REG_AGENCY, "account:from" },
	{ "forward.del",     reg_forward_del,     REG_AGENCY, "account:from" },
	{ "forward.list",    reg_forward_list,    REG_READ, "account:from" },
	{ "group.member",    reg_group_member,    REG_AGENCY, "account:group" },
	{ "group.poster",    reg_group_poster,    REG_AGENCY, "account:group" },
	{ "group.set",       reg_group_set,       REG_AGENCY, "account:group" },
	{ "import",          reg_import,          REG_AGENCY, "self" },
	{ "incident.close",  reg_incident_close,  REG_OPERATOR, NULL },
	{ "incident.list",   reg_incident_list,   REG_AUDIT, NULL },
	{ "incident.open",   reg_incident_open,   REG_OPERATOR, NULL },
	{ "incident.step",   reg_incident_step,   REG_OPERATOR, NULL },
	{ "mailbox.checks",  reg_mailbox_checks,  REG_READ, "account:account" },
	{ "mailbox.readers", reg_mailbox_readers, REG_AGENCY | REG_AUDIT, "account:account" },
	{ "mailbox.restore", reg_mailbox_restore, REG_AGENCY, "account:account" },
	{ "message.fate",    reg_message_fate,    REG_READ, "account:account" },
	{ "password.issue",  reg_password_issue,  REG_HELPDESK, "self" },
	{ "policy.note",     reg_policy_note,     REG_OPERATOR, NULL },
	{ "purge.do",        reg_purge_do,        REG_OPERATOR, "account:address" },
	{ "purge.list",      reg_purge_list,      REG_READ, "agency:agency?" },
	{ "quota.list",      reg_quota_list,      REG_READ, "self" },
	{ "quota.report",    reg_quota_report,    REG_READ, "self" },
	{ "quota.set",       reg_quota_set,       REG_OPERATOR, "account:address?,agency:agency?" },
	{ "reorganise.apply", reg_reorganise_apply,REG_OPERATOR, NULL },
	{ "reorganise.mail", reg_reorganise_mail,REG_OPERATOR, NULL },
	{ "reorganise.rollback", reg_reorganise_rollback,REG_OPERATOR, NULL },
	{ "report.checks",   reg_report_checks,   REG_AGENCY | REG_AUDIT, "agency:agency?" },
	{ "report.response", reg_report_response, REG_AGENCY | REG_AUDIT, "agency:agency?" },
	{ "report.use",      reg_report_use,      REG_AGENCY | REG_AUDIT, "agency:agency?" },
	{ "request.add",     reg_request_add,     REG_AGENCY, "agency:agency" },
	{ "request.approve", reg_request_approve, REG_AGENCY, "request:number" },
	{ "request.issue",   reg_request_issue,   REG_OPERATOR, "request:number" },
	{ "request.list",    reg_request_list,    REG_READ, "self" },
	{ "request.reject",  reg_request_reject,  REG_AGENCY, "request:number" },
	{ "request.show",    reg_request_show,    REG_READ, "request:number" },
	{ "review.confirm",  reg_review_confirm,  REG_AGENCY, "agency:agency" },
	{ "review.list",     reg_review_list,     REG_READ, "self" },
	{ "review.start",    reg_review_start,    REG_OPERATOR, NULL },
	{ "review.status",   reg_review_status,   REG_READ, "self" },
	{ "role.change",     reg_role_change,     REG_AGENCY, "account:role,account:holder" },
	{ "role.history",    reg_role_history,    REG_READ, "account:role" },
	{ "role.hold",       reg_role_hold,       REG_AGENCY, "account:role,account:holder" },
	{ "role.release",    reg_role_release,    REG_AGENCY, "account:role" },
	{ "rules.accept",    reg_rules_accept,    REG_HELPDESK, "account:address" },
	{ "rules.list",      reg_rules_list,      REG_READ, "self" },
	{ "undo",            reg_undo,            REG_AGENCY, "self" },
	{ "undo.list",       reg_undo_list,       REG_AGENCY | REG_AUDIT, "self" },
	{ "undo.show",       reg_undo_show,       REG_AGENCY | REG_AUDIT, "self" },
	{ "use.import",      reg_use_import,      REG_OPERATOR, NULL },
};

reg_handler *
reg_find_request(json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "do"));
	for (size_t i = 0; name && i < CV_COUNT(requests); i++)
		if (!strcmp(name, requests[i].name))
			return requests[i].run;
	return NULL;
}

bool
cv_registry_nth_request(size_t n, const char **name, unsigned *right, const char **about)
{
	if (n >= CV_COUNT(requests))
		return false;
	*name = requests[n].name;
	*right = requests[n].right;
	*about = requests[n].about;
	return true;
}

/* The number of the request's row. */
static bool
find_row(json_t *request, size_t *n)
{
	const char *name = json_string_value(json_object_get(request, "do"));
	for (*n = 0; name && *n < CV_COUNT(requests); ++*n)
		if (!strcmp(name, requests[*n].name))
			return true;
	return false;
}

enum cv_status
reg_authorise_named(struct reg_call *c, json_t *request, struct cv_err *err)
{
	size_t n;
	if (!find_row(request, &n))
		return cv_fail(err, CV_NOT_FOUND, "the register knows no such request");
	return reg_authorise(c, request, requests[n].right, requests[n].about, err);
}

enum cv_status
reg_run(struct reg_call *c, struct cv_err *err)
{
	size_t n;
	if (!find_row(c->request, &n))
		return cv_fail(err, CV_NOT_FOUND, "the register knows no such request");
	enum cv_status status = reg_authorise(c, c->request, requests[n].right, requests[n].about,
	                                      err);
	if (!status)
		reg_note_before(c, requests[n].right, requests[n].about);
	return status ? status : requests[n].run(c, err);
}

void
reg_call_begin(struct reg_call *inner, const struct reg_call *outer, const char *actor,
               json_t *request)
{
	*inner = (struct reg_call){ .r = outer->r, .actor = actor, .who = outer->who,
		.request = request,
		.reply = json_object(), .progress = outer->progress, .arg = outer->arg,
		.is_dry = outer->is_dry, .as_of = outer->as_of };
}

void
reg_call_end(struct reg_call *inner)
{
	json_decref(inner->reply);
	call_done(inner);
}

enum cv_status
reg_reload(struct reg_call *c, struct cv_err *err)
{
	return load(c->r, NULL, err);
}

static enum cv_status
run_locked(struct reg_call *c, struct cv_err *err)
{
	struct cv_registry *r = c->r;
	enum cv_status status = r->is_stale ? load(r, NULL, err) : CV_OK;
	bool is_put_off = false;
	if (!status && json_object_get(c->request, "on"))
		status = reg_when(c, &is_put_off, err);
	if (!status && !is_put_off)
		status = reg_run(c, err);
	/* A dry run or a refusal half way: the rows know better. A failure here shows at the next
	 * request, which loads again. */
	if (c->was_changed && (status || !c->was_committed || c->put_count)) {
		struct cv_err second;
		(void)!load(r, NULL, &second);
	}
	return status;
}

enum cv_status
cv_registry_do(struct cv_registry *r, const char *actor, json_t *request,
               void (*progress)(void *arg, json_t *note), void *arg, json_t **reply_out,
               struct cv_err *err)
{
	struct cv_registry_who who = { .role = CV_ROLE_OPERATOR };
	snprintf(who.name, sizeof who.name, "%s", actor);
	return cv_registry_do_as(r, &who, request, progress, arg, reply_out, err);
}

enum cv_status
cv_registry_do_as(struct cv_registry *r, const struct cv_registry_who *who, json_t *request,
                  void (*progress)(void *arg, json_t *note), void *arg, json_t **reply_out,
                  struct cv_err *err)
{
	struct reg_call c = { .r = r, .actor = who->name, .who = who, .request = request,
		.reply = json_object(), .progress = progress, .arg = arg,
		.is_dry = reg_flag(request, "dry_run", false) };
	enum cv_status status = reg_issue_prepare(&c, err);
	pthread_mutex_lock(&r->lock);
	if (!status)
		status = run_locked(&c, err);
	if (c.was_committed)
		reg_tell_pools(r);
	pthread_mutex_unlock(&r->lock);
	reg_issue_done(&c);
	if (!status && !c.is_dry)
		status = reg_make_boxes(&c, err);
	if (!status && c.is_dry) {
		json_object_set_new(c.reply, "dry_run", json_true());
		json_object_del(c.reply, "password"); /* of no account */
	}
	if (!status && c.after)
		status = c.after(&c, err);
	/* What was committed before a failure is published too. */
	if (c.was_committed) {
		struct cv_err second;
		enum cv_status published = publish(r, false, status ? &second : err);
		status = status ? status : published;
	}
	call_done(&c);
	*reply_out = c.reply;
	if (status && !json_object_get(c.reply, "error_vi")) {
		json_decref(c.reply);
		*reply_out = NULL;
	}
	return status;
}
