/* snapshot.c - checking a mapped snapshot once, and looking things up in it.
 *
 * The bytes may be anything (a torn disk, a hostile file): check_snapshot() looks at every offset
 * before the first look-up, and after it every index and text is inside the map. See
 * snapshot_format.h for R1 to R4.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/register/snapshot_impl.h"
#include "common/text/address.h"
#include "common/text/domain.h"

static struct cv_str
str_at(const struct cv_snapshot *s, struct snap_ref ref)
{
	return cv_str(s->texts + ref.offset, ref.n);
}

/* ---- the check ---- */

/* The section's start, or NULL when it does not lie in the file. */
static const void *
section(const void *base, uint64_t bytes, const struct snap_range *range, size_t item)
{
	uint64_t size = (uint64_t)range->count * item;
	if (range->offset % 8 || range->offset > bytes || size > bytes - range->offset)
		return NULL;
	return (const char *)base + range->offset;
}

static bool
is_text(const struct snap_header *h, struct snap_ref ref)
{
	return (uint64_t)ref.offset + ref.n <= h->texts.count;
}

static bool
are_texts(const struct snap_header *h, const struct snap_ref *refs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_text(h, refs[i]))
			return false;
	return true;
}

static bool
check_domains(const struct cv_snapshot *s)
{
	for (size_t i = 0; i < s->n_domains; i++) {
		const struct snap_domain *d = &s->domains[i];
		if (!is_text(s->h, d->name) || !is_text(s->h, d->target))
			return false;
		if (i && cv_str_cmp(str_at(s, s->domains[i - 1].name), str_at(s, d->name)) >= 0)
			return false;
	}
	return true;
}

static bool
check_agencies(const struct cv_snapshot *s)
{
	for (size_t i = 0; i < s->n_agencies; i++) {
		const struct snap_agency *g = &s->agencies[i];
		if (!is_text(s->h, g->code) || !are_texts(s->h, g->text, AG_COUNT))
			return false;
		if (i && cv_str_cmp(str_at(s, s->agencies[i - 1].code), str_at(s, g->code)) >= 0)
			return false;
	}
	return true;
}

static bool
check_accounts(const struct cv_snapshot *s)
{
	uint32_t links = s->h->links.count;
	for (size_t i = 0; i < s->n_accounts; i++) {
		const struct snap_account *a = &s->accounts[i];
		if (!are_texts(s->h, a->text, T_COUNT) || a->kind > CV_KIND_APP ||
		    a->state > CV_STATE_RETIRED)
			return false;
		if ((uint64_t)a->members_first + a->members_count > links ||
		    (uint64_t)a->delegates_first + a->delegates_count > links ||
		    (uint64_t)a->readers_first + a->readers_count > links ||
		    (uint64_t)a->stewards_first + a->stewards_count > links)
			return false;
		if (i && s->accounts[i - 1].acct >= a->acct)
			return false;
	}
	for (uint32_t i = 0; i < links; i++)
		if (s->links[i] >= s->n_accounts)
			return false;
	return true;
}

static bool
check_addresses(const struct cv_snapshot *s)
{
	for (size_t i = 0; i < s->n_addresses; i++)
		if (!is_text(s->h, s->addresses[i].key) || s->addresses[i].account >= s->n_accounts)
			return false;
	if (!s->n_slots || (s->n_slots & (s->n_slots - 1)))
		return false;
	size_t empty = 0;
	for (size_t i = 0; i < s->n_slots; i++) {
		if (s->slots[i] > s->n_addresses)
			return false;
		empty += !s->slots[i];
	}
	return empty > 0;
}

static bool
check_routes(const struct cv_snapshot *s)
{
	uint32_t links = s->h->links.count, targets = s->h->targets.count;
	for (size_t i = 0; i < s->n_routes; i++) {
		const struct snap_route *r = &s->routes[i];
		if (!are_texts(s->h, r->text, RT_COUNT) || r->account >= s->n_accounts ||
		    r->post > CV_POST_NOBODY || (i && s->routes[i - 1].account >= r->account))
			return false;
		if ((uint64_t)r->targets_first + r->targets_count > targets ||
		    (uint64_t)r->posters_first + r->posters_count > links)
			return false;
	}
	for (uint32_t i = 0; i < targets; i++)
		if (!is_text(s->h, s->targets[i].address) ||
		    s->targets[i].kind > CV_TARGET_FORWARD)
			return false;
	return true;
}

static bool
find_sections(struct cv_snapshot *s, const void *base, uint64_t bytes)
{
	const struct snap_header *h = s->h;
	s->texts = section(base, bytes, &h->texts, 1);
	s->domains = section(base, bytes, &h->domains, sizeof *s->domains);
	s->agencies = section(base, bytes, &h->agencies, sizeof *s->agencies);
	s->accounts = section(base, bytes, &h->accounts, sizeof *s->accounts);
	s->addresses = section(base, bytes, &h->addresses, sizeof *s->addresses);
	s->slots = section(base, bytes, &h->slots, sizeof *s->slots);
	s->links = section(base, bytes, &h->links, sizeof *s->links);
	s->routes = section(base, bytes, &h->routes, sizeof *s->routes);
	s->targets = section(base, bytes, &h->targets, sizeof *s->targets);
	if (!s->texts || !s->domains || !s->agencies || !s->accounts || !s->addresses ||
	    !s->slots || !s->links || !s->routes || !s->targets)
		return false;
	s->n_routes = h->routes.count;
	s->n_domains = h->domains.count;
	s->n_agencies = h->agencies.count;
	s->n_accounts = h->accounts.count;
	s->n_addresses = h->addresses.count;
	s->n_slots = h->slots.count;
	return true;
}

static enum cv_status
check_snapshot(struct cv_snapshot *s, struct cv_str file, bool check_digest, struct cv_err *err)
{
	const struct snap_header *h = (const void *)file.p;
	if (file.n < sizeof *h || memcmp(h->magic, SNAP_MAGIC, sizeof h->magic) ||
	    h->order != SNAP_ORDER || h->header_bytes != sizeof *h || h->file_bytes != file.n)
		return cv_fail(err, CV_CORRUPT, "the register's snapshot is not one of this release");
	uint8_t digest[32];
	if (check_digest) {
		snap_digest(file.p, file.n, offsetof(struct snap_header, sha256), digest);
		if (memcmp(digest, h->sha256, sizeof digest))
			return cv_fail(err, CV_CORRUPT,
			               "the register's snapshot fails its checksum");
	}
	s->h = h;
	if (!find_sections(s, file.p, file.n) || !is_text(h, h->default_domain) ||
	    !check_domains(s) || !check_agencies(s) || !check_accounts(s) || !check_addresses(s) ||
	    !check_routes(s))
		return cv_fail(err, CV_CORRUPT, "the register's snapshot is damaged");
	return CV_OK;
}

static bool
check_devices(struct cv_snapshot *s)
{
	for (size_t i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->devices[i], *last = i ? d - 1 : NULL;
		if (!memchr(d->name, 0, sizeof d->name) ||
		    (last && (last->acct > d->acct ||
		              (last->acct == d->acct && last->number >= d->number))))
			return false;
	}
	for (size_t i = 0; i < s->n_certificates; i++) {
		const struct snap_certificate *c = &s->certificates[i];
		if (c->device >= s->n_devices ||
		    (i && memcmp(c[-1].sha256, c->sha256, sizeof c->sha256) >= 0))
			return false;
	}
	return true;
}

static enum cv_status
check_secrets(struct cv_snapshot *s, struct cv_str file, bool check_digest, struct cv_err *err)
{
	const struct snap_secret_header *h = (const void *)file.p;
	if (file.n < sizeof *h || memcmp(h->magic, SNAP_SECRET_MAGIC, sizeof h->magic) ||
	    h->order != SNAP_ORDER || h->header_bytes != sizeof *h || h->file_bytes != file.n)
		return cv_fail(err, CV_CORRUPT, "the register's secrets are not of this release");
	uint8_t digest[32];
	if (check_digest) {
		snap_digest(file.p, file.n, offsetof(struct snap_secret_header, sha256), digest);
		if (memcmp(digest, h->sha256, sizeof digest))
			return cv_fail(err, CV_CORRUPT,
			               "the register's secrets fail their checksum");
	}
	s->secrets = section(file.p, file.n, &h->secrets, sizeof *s->secrets);
	s->n_secrets = s->secrets ? h->secrets.count : 0;
	bool ok = s->secrets != NULL;
	for (size_t i = 0; ok && i < s->n_secrets; i++)
		ok = memchr(s->secrets[i].argon, 0, REG_ARGON_MAX) &&
			(!i || s->secrets[i - 1].acct < s->secrets[i].acct);
	s->devices = section(file.p, file.n, &h->devices, sizeof *s->devices);
	s->n_devices = s->devices ? h->devices.count : 0;
	s->certificates = section(file.p, file.n, &h->certificates, sizeof *s->certificates);
	s->n_certificates = s->certificates ? h->certificates.count : 0;
	if (!ok || !s->devices || !s->certificates || !check_devices(s))
		return cv_fail(err, CV_CORRUPT, "the register's secrets are damaged");
	s->sh = h;
	return CV_OK;
}

/* ---- opening ---- */

enum cv_status
snap_open_bytes(struct cv_str snap, struct cv_str secret, bool check_digest,
                struct cv_snapshot **out, struct cv_err *err)
{
	struct cv_snapshot *s = cv_calloc(1, sizeof *s);
	s->refs = 1;
	enum cv_status status = check_snapshot(s, snap, check_digest, err);
	if (!status && secret.p)
		status = check_secrets(s, secret, check_digest, err);
	if (status) {
		free(s);
		return status;
	}
	*out = s;
	return CV_OK;
}

static enum cv_status
map_file(const char *dir, const char *name, void **map_out, size_t *bytes_out, struct cv_err *err)
{
	char path[1100];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_TEMPFAIL, errno,
			"cannot read %s", path);
	struct stat st;
	enum cv_status status = CV_OK;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > SNAP_BYTES_MAX) {
		status = cv_fail(err, CV_CORRUPT, "%s is not a file of the register", path);
	} else {
		*bytes_out = (size_t)st.st_size;
		*map_out = mmap(NULL, *bytes_out, PROT_READ, MAP_SHARED, fd, 0);
		if (*map_out == MAP_FAILED) {
			*map_out = NULL;
			status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot map %s", path);
		}
	}
	close(fd);
	return status;
}

static void
snap_free(struct cv_snapshot *s)
{
	if (s->map)
		munmap(s->map, s->map_bytes);
	if (s->secret_map)
		munmap(s->secret_map, s->secret_map_bytes);
	snap_reverse_free(atomic_load(&s->reverse));
	free(s);
}

enum cv_status
snap_open_dir(const char *dir, bool with_secrets, struct cv_snapshot **out, struct cv_err *err)
{
	struct cv_snapshot *s = cv_calloc(1, sizeof *s);
	s->refs = 1;
	/* The snapshot first: its secrets are then at least as new (R4). */
	enum cv_status status = map_file(dir, SNAP_FILE, &s->map, &s->map_bytes, err);
	if (!status)
		status = check_snapshot(s, cv_str(s->map, s->map_bytes), true, err);
	else if (status == CV_NOT_FOUND) {
		*out = s;
		return CV_OK;
	}
	if (!status && with_secrets) {
		status = map_file(dir, SNAP_SECRET_FILE, &s->secret_map, &s->secret_map_bytes, err);
		if (!status)
			status = check_secrets(s, cv_str(s->secret_map, s->secret_map_bytes), true,
			                       err);
	}
	if (status) {
		snap_free(s);
		return status;
	}
	*out = s;
	return CV_OK;
}

void
snap_ref(const struct cv_snapshot *s)
{
	atomic_fetch_add_explicit(&((struct cv_snapshot *)(uintptr_t)s)->refs, 1,
	                          memory_order_relaxed);
}

void
cv_snapshot_unref(const struct cv_snapshot *s)
{
	struct cv_snapshot *own = (struct cv_snapshot *)(uintptr_t)s;
	if (own && atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) == 1)
		snap_free(own);
}

uint64_t
cv_snapshot_generation(const struct cv_snapshot *s)
{
	return s->h ? s->h->generation : 0;
}

/* ---- domains ---- */

static const struct snap_domain *
find_domain(const struct cv_snapshot *s, struct cv_str name)
{
	size_t low = 0, high = s->n_domains;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = cv_str_cmp(str_at(s, s->domains[mid].name), name);
		if (!order)
			return &s->domains[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool
is_plain(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] > 0x7e || s.p[i] == '"' ||
		    s.p[i] == '\\')
			return false;
	return true;
}

/* DOMAIN in lower-case A-labels, or false when it is none. */
static bool
domain_key(struct cv_str domain, struct cv_buf *out)
{
	if (!domain.n || domain.n > CV_DOMAIN_INPUT_MAX)
		return false;
	if (!is_plain(domain))
		return cv_domain_to_ascii(domain, out, NULL) == CV_OK;
	if (domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n > CV_DOMAIN_MAX)
		return false;
	char *room = cv_buf_room(out, domain.n);
	for (size_t i = 0; i < domain.n; i++)
		room[i] = (char)cv_lower((unsigned char)domain.p[i]);
	out->n += domain.n;
	return true;
}

static const struct snap_domain *
our_domain(const struct cv_snapshot *s, struct cv_str domain)
{
	struct cv_buf key = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	const struct snap_domain *d = NULL;
	if (s->n_domains && domain_key(domain, &key))
		d = find_domain(s, cv_buf_view(&key));
	cv_buf_done(&key);
	return d;
}

bool
cv_snapshot_has_domain(const struct cv_snapshot *s, struct cv_str domain)
{
	return our_domain(s, domain) != NULL;
}

struct cv_str
cv_snapshot_default_domain(const struct cv_snapshot *s)
{
	return s->h ? str_at(s, s->h->default_domain) : CV_STR("");
}

size_t
cv_snapshot_domains(const struct cv_snapshot *s)
{
	return s->n_domains;
}

bool
cv_snapshot_nth_domain(const struct cv_snapshot *s, size_t n, struct cv_str *name_out,
                       struct cv_str *target_out)
{
	if (n >= s->n_domains)
		return false;
	*name_out = str_at(s, s->domains[n].name);
	*target_out = str_at(s, s->domains[n].target);
	return true;
}

/* ---- addresses ---- */

static void
fill_account(const struct cv_snapshot *s, const struct snap_account *a, struct cv_reg_account *out)
{
	*out = (struct cv_reg_account){
		.acct = a->acct,
		.kind = (enum cv_reg_kind)a->kind,
		.state = (enum cv_reg_state)a->state,
		.address = str_at(s, a->text[T_ADDRESS]),
		.display_name = str_at(s, a->text[T_NAME]),
		.surname = str_at(s, a->text[T_SURNAME]),
		.middle = str_at(s, a->text[T_MIDDLE]),
		.given = str_at(s, a->text[T_GIVEN]),
		.title = str_at(s, a->text[T_TITLE]),
		.rank = a->rank,
		.agency = str_at(s, a->text[T_AGENCY]),
		.department = str_at(s, a->text[T_DEPARTMENT]),
		.phone_office = str_at(s, a->text[T_PHONE_OFFICE]),
		.phone_mobile = str_at(s, a->text[T_PHONE_MOBILE]),
		.mobile_consent = a->flags & SNAP_CONSENT,
		.listed = a->flags & SNAP_LISTED,
		.quota_bytes = a->quota_bytes,
		.must_change_password = a->flags & SNAP_MUST_CHANGE,
		.has_route = a->flags & SNAP_ROUTED,
		.created_secs = a->created_secs,
	};
}

static const struct snap_address *
find_key(const struct cv_snapshot *s, struct cv_str key)
{
	size_t i = cv_hash(key.p, key.n, s->h->hash_seed) & (s->n_slots - 1);
	for (; s->slots[i]; i = (i + 1) & (s->n_slots - 1)) {
		const struct snap_address *a = &s->addresses[s->slots[i] - 1];
		if (cv_str_eq(str_at(s, a->key), key))
			return a;
	}
	return NULL;
}

/* The address key of LOCAL at DOMAIN (one of ours, normalised). */
static bool
address_key(struct cv_str local, struct cv_str domain, struct cv_buf *out)
{
	if (!local.n || local.n > CV_LOCAL_MAX * 4)
		return false;
	if (!is_plain(local)) {
		struct cv_buf whole = CV_BUF_INIT(1024);
		cv_buf_str(&whole, local);
		cv_buf_c(&whole, '@');
		cv_buf_str(&whole, domain);
		bool ok = cv_address_key(cv_buf_view(&whole), out, NULL) == CV_OK;
		cv_buf_done(&whole);
		return ok;
	}
	char *room = cv_buf_room(out, local.n);
	for (size_t i = 0; i < local.n; i++)
		room[i] = (char)cv_lower((unsigned char)local.p[i]);
	out->n += local.n;
	cv_buf_c(out, '@');
	cv_buf_str(out, domain);
	return true;
}

/* Mail to postmaster of any of our domains finds the province's postmaster (RFC 5321 4.5.1). */
static const struct snap_address *
find_postmaster(const struct cv_snapshot *s, struct cv_str local)
{
	if (!cv_str_ieq_z(local, "postmaster"))
		return NULL;
	struct cv_buf key = CV_BUF_INIT(1024);
	cv_buf_z(&key, "postmaster@");
	cv_buf_str(&key, cv_snapshot_default_domain(s));
	const struct snap_address *a = find_key(s, cv_buf_view(&key));
	cv_buf_done(&key);
	return a;
}

static const struct snap_address *
find_in_domain(const struct cv_snapshot *s, struct cv_str local, struct cv_str domain)
{
	struct cv_buf key = CV_BUF_INIT(2048);
	const struct snap_address *a = NULL;
	if (address_key(local, domain, &key))
		a = find_key(s, cv_buf_view(&key));
	cv_buf_done(&key);
	return a;
}

void
cv_snapshot_find(const struct cv_snapshot *s, struct cv_str local, struct cv_str domain,
                 struct cv_reg_hit *out)
{
	memset(out, 0, sizeof *out);
	const struct snap_domain *d = our_domain(s, domain);
	if (!d) {
		out->found = CV_REG_NOT_OURS;
		return;
	}
	/* What was an address there before the domain became an alias stays that person's. */
	const struct snap_address *a = find_in_domain(s, local, str_at(s, d->name));
	bool is_own = a != NULL;
	if (!a && d->target.n)
		a = find_in_domain(s, local, str_at(s, d->target));
	if (!a)
		a = find_postmaster(s, local);
	if (!a || a->kind == SNAP_BARRED)
		return; /* CV_REG_NONE */
	out->key = str_at(s, a->key);
	if (!is_own && d->target.n)
		out->alias_domain = str_at(s, d->name);
	fill_account(s, &s->accounts[a->account], &out->account);
	out->found = out->account.kind == CV_KIND_GROUP ? CV_REG_GROUP : CV_REG_ACCOUNT;
	out->by_alias = a->kind == SNAP_ALIAS || d->target.n;
}

void
cv_snapshot_find_address(const struct cv_snapshot *s, struct cv_str address, struct cv_reg_hit *out)
{
	size_t at = address.n;
	while (at && address.p[at - 1] != '@')
		at--;
	if (!at) {
		*out = (struct cv_reg_hit){0};
		out->found = CV_REG_NOT_OURS;
		return;
	}
	cv_snapshot_find(s, cv_str_sub(address, 0, at - 1), cv_str_sub(address, at, address.n),
	                 out);
}

/* ---- accounts ---- */

const struct snap_account *
snap_find_account(const struct cv_snapshot *s, cv_acct_no acct)
{
	size_t low = 0, high = s->n_accounts;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->accounts[mid].acct == acct)
			return &s->accounts[mid];
		if (s->accounts[mid].acct < acct)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool
cv_snapshot_account(const struct cv_snapshot *s, cv_acct_no acct, struct cv_reg_account *out)
{
	const struct snap_account *a = snap_find_account(s, acct);
	if (a)
		fill_account(s, a, out);
	return a != NULL;
}

size_t
cv_snapshot_members(const struct cv_snapshot *s, cv_acct_no acct, cv_acct_no *out, size_t max)
{
	const struct snap_account *a = snap_find_account(s, acct);
	if (!a)
		return 0;
	for (size_t i = 0; i < a->members_count && i < max; i++)
		out[i] = s->accounts[s->links[a->members_first + i]].acct;
	return a->members_count;
}

/* ---- routes ---- */

static const struct snap_route *
find_route(const struct cv_snapshot *s, const struct snap_account *a)
{
	if (!a || !(a->flags & SNAP_ROUTED))
		return NULL;
	size_t index = (size_t)(a - s->accounts), low = 0, high = s->n_routes;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->routes[mid].account == index)
			return &s->routes[mid];
		if (s->routes[mid].account < index)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool
cv_snapshot_route(const struct cv_snapshot *s, cv_acct_no acct, struct cv_reg_route *out)
{
	const struct snap_route *r = find_route(s, snap_find_account(s, acct));
	*out = (struct cv_reg_route){ .post = CV_POST_STAFF };
	if (!r)
		return false;
	*out = (struct cv_reg_route){
		.post = (enum cv_reg_post)r->post,
		.owner = str_at(s, r->text[RT_OWNER]),
		.successor = str_at(s, r->text[RT_SUCCESSOR]),
		.notice_until_secs = r->secs[RM_NOTICE_UNTIL],
		.forward_until_secs = r->secs[RM_FORWARD_UNTIL],
		.absence_from_secs = r->secs[RM_ABSENCE_FROM],
		.absence_until_secs = r->secs[RM_ABSENCE_UNTIL],
		.absence_vi = str_at(s, r->text[RT_ABSENCE_VI]),
		.absence_en = str_at(s, r->text[RT_ABSENCE_EN]),
		.absence_outside = str_at(s, r->text[RT_ABSENCE_OUTSIDE]),
		.targets = r->targets_count,
	};
	return true;
}

bool
cv_snapshot_target(const struct cv_snapshot *s, cv_acct_no acct, size_t n,
                   struct cv_reg_target *out)
{
	const struct snap_route *r = find_route(s, snap_find_account(s, acct));
	if (!r || n >= r->targets_count)
		return false;
	const struct snap_target *t = &s->targets[r->targets_first + n];
	*out = (struct cv_reg_target){ (enum cv_reg_target_kind)t->kind, str_at(s, t->address),
		t->until_secs, t->keep != 0 };
	return true;
}

#define NEST_MAX 10 /* groups in groups; the register allows no loop, a damaged file might */

#define LOOKS_MAX 200000

static bool
is_member(const struct cv_snapshot *s, const struct snap_account *group, cv_acct_no acct,
          unsigned depth, size_t *looks)
{
	for (uint32_t i = 0; i < group->members_count && ++*looks <= LOOKS_MAX; i++) {
		const struct snap_account *m = &s->accounts[s->links[group->members_first + i]];
		if (m->acct == acct || (m->kind == CV_KIND_GROUP && depth < NEST_MAX &&
		                        is_member(s, m, acct, depth + 1, looks)))
			return true;
	}
	return false;
}

bool
cv_snapshot_is_member(const struct cv_snapshot *s, cv_acct_no group, cv_acct_no acct)
{
	const struct snap_account *a = snap_find_account(s, group);
	size_t looks = 0;
	return a && is_member(s, a, acct, 0, &looks);
}

static bool
has_link(const struct cv_snapshot *s, uint32_t first, uint32_t count, cv_acct_no acct)
{
	for (uint32_t i = 0; i < count; i++)
		if (s->accounts[s->links[first + i]].acct == acct)
			return true;
	return false;
}

bool
cv_snapshot_is_poster(const struct cv_snapshot *s, cv_acct_no group, cv_acct_no acct)
{
	const struct snap_route *r = find_route(s, snap_find_account(s, group));
	return r && has_link(s, r->posters_first, r->posters_count, acct);
}

bool
cv_snapshot_may_send_as(const struct cv_snapshot *s, cv_acct_no acct, struct cv_str local,
                        struct cv_str domain)
{
	struct cv_reg_hit hit;
	cv_snapshot_find(s, local, domain, &hit);
	if (hit.found != CV_REG_ACCOUNT || hit.account.state != CV_STATE_ACTIVE)
		return false;
	if (hit.account.acct == acct)
		return true;
	const struct snap_account *a = snap_find_account(s, hit.account.acct);
	if (!a)
		return false;
	bool is_shared = a->kind == CV_KIND_ROLE || a->kind == CV_KIND_AGENCY;
	return (is_shared && has_link(s, a->members_first, a->members_count, acct)) ||
		has_link(s, a->delegates_first, a->delegates_count, acct) ||
		has_link(s, a->stewards_first, a->stewards_count, acct);
}

unsigned
cv_snapshot_delegated(const struct cv_snapshot *s, cv_acct_no owner, cv_acct_no acct)
{
	const struct snap_account *a = snap_find_account(s, owner);
	unsigned how = 0;

	if (a && has_link(s, a->delegates_first, a->delegates_count, acct))
		how |= CV_DELEGATED_SEND_AS;
	if (a && has_link(s, a->readers_first, a->readers_count, acct))
		how |= CV_DELEGATED_READ;
	if (a && has_link(s, a->stewards_first, a->stewards_count, acct))
		how |= CV_DELEGATED_FULL;
	return how;
}

size_t
cv_snapshot_accounts(const struct cv_snapshot *s)
{
	return s->n_accounts;
}

bool
cv_snapshot_nth(const struct cv_snapshot *s, size_t n, struct cv_reg_account *out)
{
	if (n >= s->n_accounts)
		return false;
	fill_account(s, &s->accounts[n], out);
	return true;
}

/* ---- agencies ---- */

size_t
cv_snapshot_agencies(const struct cv_snapshot *s)
{
	return s->n_agencies;
}

bool
cv_snapshot_nth_agency(const struct cv_snapshot *s, size_t n, struct cv_reg_agency *out)
{
	if (n >= s->n_agencies)
		return false;
	const struct snap_agency *g = &s->agencies[n];
	*out = (struct cv_reg_agency){
		.code = str_at(s, g->code),
		.name = str_at(s, g->text[AG_NAME]),
		.parent = str_at(s, g->text[AG_PARENT]),
		.type = str_at(s, g->text[AG_TYPE]),
		.rank = g->rank,
		.address = str_at(s, g->text[AG_ADDRESS]),
		.phone = str_at(s, g->text[AG_PHONE]),
		.website = str_at(s, g->text[AG_WEBSITE]),
		.location = str_at(s, g->text[AG_LOCATION]),
	};
	return true;
}

bool
cv_snapshot_agency(const struct cv_snapshot *s, struct cv_str code, struct cv_reg_agency *out)
{
	size_t low = 0, high = s->n_agencies;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = cv_str_cmp(str_at(s, s->agencies[mid].code), code);
		if (!order)
			return cv_snapshot_nth_agency(s, mid, out);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* ---- secrets ---- */

bool
cv_snapshot_secret(const struct cv_snapshot *s, cv_acct_no acct, const struct snap_secret **out)
{
	size_t low = 0, high = s->n_secrets;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->secrets[mid].acct == acct) {
			*out = &s->secrets[mid];
			return true;
		}
		if (s->secrets[mid].acct < acct)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

size_t
cv_snapshot_devices(const struct cv_snapshot *s, cv_acct_no acct, const struct snap_device **out)
{
	size_t low = 0, high = s->n_devices, n = 0;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (s->devices[mid].acct < acct)
			low = mid + 1;
		else
			high = mid;
	}
	while (low + n < s->n_devices && s->devices[low + n].acct == acct)
		n++;
	*out = n ? &s->devices[low] : NULL;
	return n;
}

const struct snap_device *
cv_snapshot_certificate(const struct cv_snapshot *s, const uint8_t sha256[32])
{
	size_t low = 0, high = s->n_certificates;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = memcmp(s->certificates[mid].sha256, sha256, 32);
		if (!order)
			return &s->devices[s->certificates[mid].device];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const uint8_t *
cv_snapshot_dummy_key(const struct cv_snapshot *s)
{
	return s->sh ? s->sh->dummy_key : NULL;
}
