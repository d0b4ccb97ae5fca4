/* snapshot_write.c - the model as the two files that readers map. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/rng.h"
#include "common/register/snapshot_format.h"

struct builder {
	const struct reg_model *m;
	struct cv_buf texts, domains, agencies, accounts, addresses, links, routes, targets;
	struct cv_map pool;    /* text -> offset + 1 in texts */
	uint32_t *slots;
	size_t slot_count, link_count;
	uint64_t seed;
};

void
snap_digest(const void *p, size_t n, size_t hole, uint8_t out[32])
{
	static const uint8_t zero[32];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ||
	    !EVP_DigestUpdate(ctx, p, hole) || !EVP_DigestUpdate(ctx, zero, sizeof zero) ||
	    !EVP_DigestUpdate(ctx, (const char *)p + hole + 32, n - hole - 32) ||
	    !EVP_DigestFinal_ex(ctx, out, NULL))
		cv_die("SHA-256 is not to be had");
	EVP_MD_CTX_free(ctx);
}

static struct snap_ref
text(struct builder *b, const char *z)
{
	size_t n = strlen(z);
	if (!n)
		return (struct snap_ref){0};
	struct cv_str s = cv_str(z, n);
	uintptr_t at = (uintptr_t)cv_map_get(&b->pool, s);
	if (!at) {
		at = b->texts.n + 1;
		cv_buf_str(&b->texts, s);
		cv_map_put(&b->pool, s, (void *)at);
	}
	return (struct snap_ref){ (uint32_t)(at - 1), (uint32_t)n };
}

/* ---- sorted lists out of the maps ---- */

static int
by_key(const void *a, const void *b)
{
	return cv_str_cmp(*(const struct cv_str *)a, *(const struct cv_str *)b);
}

static struct cv_str *
sorted_keys(const struct cv_map *map, size_t *count_out)
{
	struct cv_str *keys = cv_calloc(map->used + 1, sizeof *keys);
	size_t n = 0;
	void *value;
	for (size_t pos = 0; cv_map_each(map, &pos, &keys[n], &value);)
		n++;
	qsort(keys, n, sizeof *keys, by_key);
	*count_out = n;
	return keys;
}

static void
build_domains(struct builder *b)
{
	size_t n;
	struct cv_str *keys = sorted_keys(&b->m->domains, &n);
	for (size_t i = 0; i < n; i++) {
		const struct reg_domain *d = cv_map_get(&b->m->domains, keys[i]);
		struct snap_domain record = { text(b, d->name), text(b, d->target) };
		cv_buf_add(&b->domains, &record, sizeof record);
	}
	free(keys);
}

static void
build_agencies(struct builder *b)
{
	size_t n;
	struct cv_str *keys = sorted_keys(&b->m->agencies, &n);
	for (size_t i = 0; i < n; i++) {
		const struct reg_agency *g = cv_map_get(&b->m->agencies, keys[i]);
		struct snap_agency record = { .code = text(b, g->code), .rank = g->rank };
		for (size_t j = 0; j < AG_COUNT; j++)
			record.text[j] = text(b, g->text[j]);
		cv_buf_add(&b->agencies, &record, sizeof record);
	}
	free(keys);
}

static uint32_t
account_index(const struct reg_model *m, uint64_t acct)
{
	size_t low = 0, high = m->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (m->accounts[mid]->acct < acct)
			low = mid + 1;
		else
			high = mid;
	}
	return low < m->count && m->accounts[low]->acct == acct ? (uint32_t)low : UINT32_MAX;
}

static uint32_t
build_links(struct builder *b, const struct reg_list *list)
{
	uint32_t added = 0;
	for (size_t i = 0; i < list->n; i++) {
		uint32_t index = account_index(b->m, list->items[i]);
		if (index == UINT32_MAX)
			continue;
		cv_buf_add(&b->links, &index, sizeof index);
		added++;
	}
	b->link_count += added;
	return added;
}

static bool
is_routed(const struct reg_account *a)
{
	return a->route || a->target_count || a->posters.n;
}

static void
build_route(struct builder *b, const struct reg_account *a, uint32_t index)
{
	struct snap_route record = { .account = index };
	for (size_t i = 0; i < RT_COUNT; i++)
		record.text[i] = a->route ? text(b, a->route->text[i]) : (struct snap_ref){0};
	for (size_t i = 0; a->route && i < RM_COUNT; i++)
		record.secs[i] = a->route->secs[i];
	record.post = a->route ? (uint32_t)a->route->post : CV_POST_STAFF;
	record.targets_first = (uint32_t)(b->targets.n / sizeof(struct snap_target));
	record.targets_count = (uint32_t)a->target_count;
	for (size_t i = 0; i < a->target_count; i++) {
		const struct reg_target *t = &a->targets[i];
		struct snap_target target = { text(b, t->address), t->until_secs,
			(uint32_t)t->kind, t->keep };
		cv_buf_add(&b->targets, &target, sizeof target);
	}
	record.posters_first = (uint32_t)b->link_count;
	record.posters_count = build_links(b, &a->posters);
	cv_buf_add(&b->routes, &record, sizeof record);
}

static void
build_accounts(struct builder *b)
{
	for (size_t i = 0; i < b->m->count; i++) {
		const struct reg_account *a = b->m->accounts[i];
		struct snap_account record = {
			.acct = a->acct,
			.quota_bytes = a->quota_bytes,
			.created_secs = a->created_secs,
			.rank = a->rank,
			.kind = (uint8_t)a->kind,
			.state = (uint8_t)a->state,
			.flags = (uint8_t)((a->listed ? SNAP_LISTED : 0) |
			                   (a->mobile_consent ? SNAP_CONSENT : 0) |
			                   (a->must_change ? SNAP_MUST_CHANGE : 0) |
			                   (is_routed(a) ? SNAP_ROUTED : 0)),
		};
		for (size_t j = 0; j < T_COUNT; j++)
			record.text[j] = text(b, a->text[j]);
		record.members_first = (uint32_t)b->link_count;
		record.members_count = build_links(b, &a->members);
		record.delegates_first = (uint32_t)b->link_count;
		record.delegates_count = build_links(b, &a->delegates);
		record.readers_first = (uint32_t)b->link_count;
		record.readers_count = build_links(b, &a->readers);
		record.stewards_first = (uint32_t)b->link_count;
		record.stewards_count = build_links(b, &a->stewards);
		cv_buf_add(&b->accounts, &record, sizeof record);
		if (is_routed(a))
			build_route(b, a, (uint32_t)i);
	}
}

static void
put_slot(struct builder *b, struct cv_str key, uint32_t index)
{
	size_t i = cv_hash(key.p, key.n, b->seed) & (b->slot_count - 1);
	while (b->slots[i])
		i = (i + 1) & (b->slot_count - 1);
	b->slots[i] = index + 1;
}

static bool
is_in_alias_domain(const struct reg_model *m, struct cv_str key)
{
	size_t at = key.n;
	while (at && key.p[at - 1] != '@')
		at--;
	const struct reg_domain *d = cv_map_get(&m->domains, cv_str_sub(key, at, key.n));
	return d && *d->target;
}

static void
build_addresses(struct builder *b)
{
	b->slot_count = 16;
	while (b->slot_count < b->m->addresses.used * 2 + 1)
		b->slot_count *= 2;
	b->slots = cv_calloc(b->slot_count, sizeof *b->slots);
	struct cv_str key;
	void *value;
	uint32_t count = 0;
	for (size_t pos = 0; cv_map_each(&b->m->addresses, &pos, &key, &value);) {
		const struct reg_address *a = value;
		uint32_t index = account_index(b->m, a->acct);
		bool is_over = a->type == REG_HISTORY;
		char copy[512];
		if (index == UINT32_MAX || key.n >= sizeof copy ||
		    (is_over && !is_in_alias_domain(b->m, key)))
			continue;
		memcpy(copy, key.p, key.n);
		copy[key.n] = 0;
		struct snap_address record = { text(b, copy), index,
			is_over ? SNAP_BARRED : a->type == REG_ALIAS ? SNAP_ALIAS : SNAP_PRIMARY };
		cv_buf_add(&b->addresses, &record, sizeof record);
		put_slot(b, key, count++);
	}
}

/* Appends a section at a multiple of eight. */
static struct snap_range
section(struct cv_buf *out, const void *p, size_t bytes, size_t count)
{
	while (out->n % 8)
		cv_buf_c(out, 0);
	struct snap_range range = { out->n, (uint32_t)count, 0 };
	cv_buf_add(out, p, bytes);
	return range;
}

static void
assemble(struct builder *b, struct snap_header *h, struct cv_buf *out)
{
	cv_buf_add(out, h, sizeof *h);
	h->domains = section(out, b->domains.p, b->domains.n,
	                     b->domains.n / sizeof(struct snap_domain));
	h->agencies = section(out, b->agencies.p, b->agencies.n,
		b->agencies.n / sizeof(struct snap_agency));
	h->accounts = section(out, b->accounts.p, b->accounts.n,
		b->accounts.n / sizeof(struct snap_account));
	h->addresses = section(out, b->addresses.p, b->addresses.n,
		b->addresses.n / sizeof(struct snap_address));
	h->slots = section(out, b->slots, b->slot_count * sizeof *b->slots, b->slot_count);
	h->links = section(out, b->links.p, b->links.n, b->link_count);
	h->routes = section(out, b->routes.p, b->routes.n,
	                    b->routes.n / sizeof(struct snap_route));
	h->targets = section(out, b->targets.p, b->targets.n,
	                     b->targets.n / sizeof(struct snap_target));
	h->texts = section(out, b->texts.p, b->texts.n, b->texts.n);
	if (out->full)
		cv_die("the register is larger than %u bytes", SNAP_BYTES_MAX);
	h->file_bytes = out->n;
	memcpy(out->p, h, sizeof *h);
	snap_digest(out->p, out->n, offsetof(struct snap_header, sha256), h->sha256);
	memcpy(out->p, h, sizeof *h);
}

static int
by_fingerprint(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

static void
build_devices(const struct reg_model *m, struct snap_secret_header *h, struct cv_buf *out)
{
	struct cv_buf devices = CV_BUF_INIT(SNAP_BYTES_MAX), certs = CV_BUF_INIT(SNAP_BYTES_MAX);
	uint32_t count = 0;
	for (size_t i = 0; i < m->count; i++) {
		const struct reg_devices *l = &m->accounts[i]->devices;
		for (size_t j = 0; j < l->n; j++, count++) {
			const struct reg_device *d = &l->items[j];
			struct snap_device record = {
				.acct = m->accounts[i]->acct, .created_secs = d->created_secs,
				.number = d->number, .type = (uint8_t)d->type, .scope = d->scope,
			};
			struct snap_certificate cert = { .device = count };
			memcpy(record.check, d->check, sizeof record.check);
			memcpy(record.stored_key, d->stored_key, sizeof record.stored_key);
			memcpy(record.server_key, d->server_key, sizeof record.server_key);
			memcpy(record.name, d->name, sizeof d->name);
			cv_buf_add(&devices, &record, sizeof record);
			memcpy(cert.sha256, d->check, sizeof cert.sha256);
			if (d->type == REG_CERTIFICATE)
				cv_buf_add(&certs, &cert, sizeof cert);
			cv_wipe(&record, sizeof record);
		}
	}
	size_t n = certs.n / sizeof(struct snap_certificate);
	if (n)
		qsort(certs.p, n, sizeof(struct snap_certificate), by_fingerprint);
	h->devices = section(out, devices.p, devices.n, count);
	h->certificates = section(out, certs.p, certs.n, n);
	if (devices.p)
		cv_wipe(devices.p, devices.n);
	cv_buf_done(&devices);
	cv_buf_done(&certs);
}

static void
build_secrets(const struct reg_model *m, uint64_t generation, const uint8_t dummy_key[32],
              struct cv_buf *out)
{
	struct snap_secret_header h = {
		.order = SNAP_ORDER, .header_bytes = sizeof h, .generation = generation,
	};
	memcpy(h.magic, SNAP_SECRET_MAGIC, sizeof h.magic);
	memcpy(h.dummy_key, dummy_key, sizeof h.dummy_key);
	h.secrets.offset = sizeof h;
	cv_buf_add(out, &h, sizeof h);
	for (size_t i = 0; i < m->count; i++) {
		const struct reg_secret *s = &m->accounts[i]->secret;
		if (!s->version)
			continue;
		struct snap_secret record = {
			.acct = m->accounts[i]->acct,
			.changed_secs = s->changed_secs,
			.expires_secs = s->expires_secs,
			.version = s->version,
			.iterations = s->iterations,
		};
		memcpy(record.salt, s->salt, sizeof record.salt);
		memcpy(record.stored_key, s->stored_key, sizeof record.stored_key);
		memcpy(record.server_key, s->server_key, sizeof record.server_key);
		memcpy(record.argon, s->argon, sizeof record.argon);
		record.has_totp = reg_second_secret(&m->docs, record.acct, record.totp);
		cv_buf_add(out, &record, sizeof record);
		h.secrets.count++;
		cv_wipe(&record, sizeof record);
	}
	build_devices(m, &h, out);
	if (out->full)
		cv_die("the register is larger than %u bytes", SNAP_BYTES_MAX);
	h.file_bytes = out->n;
	memcpy(out->p, &h, sizeof h);
	snap_digest(out->p, out->n, offsetof(struct snap_secret_header, sha256), h.sha256);
	memcpy(out->p, &h, sizeof h);
}

void
snap_build(const struct reg_model *m, uint64_t generation, const uint8_t dummy_key[32],
           struct cv_buf *snap, struct cv_buf *secret)
{
	struct builder b = { .m = m, .seed = cv_random_u64() };
	struct cv_buf *parts[] = { &b.texts, &b.domains, &b.agencies, &b.accounts, &b.addresses,
		&b.links, &b.routes, &b.targets };
	for (size_t i = 0; i < CV_COUNT(parts); i++)
		cv_buf_init(parts[i], SNAP_BYTES_MAX);
	cv_map_init(&b.pool);
	struct snap_header h = {
		.order = SNAP_ORDER, .header_bytes = sizeof h, .generation = generation,
		.hash_seed = b.seed, .written_secs = cv_wall_secs(),
	};
	memcpy(h.magic, SNAP_MAGIC, sizeof h.magic);
	build_domains(&b);
	build_agencies(&b);
	build_accounts(&b);
	build_addresses(&b);
	h.default_domain = text(&b, m->default_domain);
	assemble(&b, &h, snap);
	for (size_t i = 0; i < CV_COUNT(parts); i++)
		cv_buf_done(parts[i]);
	cv_map_done(&b.pool);
	free(b.slots);
	build_secrets(m, generation, dummy_key, secret);
}

/* ---- files ---- */

static enum cv_status
write_all(int fd, struct cv_str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return CV_TEMPFAIL;
		bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
	}
	return CV_OK;
}

static enum cv_status
write_file(int dir_fd, const char *dir, const char *name, mode_t mode, struct cv_str bytes,
           struct cv_err *err)
{
	char tmp[64];
	snprintf(tmp, sizeof tmp, "%s.tmp", name);
	unlinkat(dir_fd, tmp, 0);
	int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot write %s/%s", dir, tmp);
	/* The umask of whoever started us does not loosen or tighten this. */
	bool ok = !fchmod(fd, mode) && !write_all(fd, bytes);
	errno = ok ? cv_fail_point("register.sync") : errno;
	ok = ok && !errno && !fsync(fd);
	int saved = errno;
	close(fd);
	if (ok) {
		CV_KILL_POINT("register.rename");
		if (!renameat(dir_fd, tmp, dir_fd, name))
			return CV_OK;
		saved = errno;
	}
	unlinkat(dir_fd, tmp, 0);
	return cv_fail_errno(err, CV_TEMPFAIL, saved, "cannot write %s/%s", dir, name);
}

enum cv_status
snap_write(const char *dir, struct cv_str snap, struct cv_str secret, struct cv_err *err)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot open %s", dir);
	enum cv_status status = write_file(dir_fd, dir, SNAP_SECRET_FILE, 0600, secret, err);
	if (!status)
		status = write_file(dir_fd, dir, SNAP_FILE, 0640, snap, err);
	if (!status && fsync(dir_fd))
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot sync %s", dir);
	close(dir_fd);
	return status;
}
