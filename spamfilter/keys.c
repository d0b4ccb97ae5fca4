/* keys.c - see keys.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/net/dns.h"

#define LOOK_AGAIN_MS 10000
#define DOMAINS_MAX   1000 /* remembered; only folders that exist are */
#define FILE_MAX      (64u << 10)

/* What a domain's files looked like, and what was read from them. */
struct domain_keys {
	struct spam_key_set *set; /* NULL: nothing signs */
	int64_t looked_ms;
	uint64_t stamp;
};

struct spam_keys {
	char *dir;
	pthread_mutex_t lock;
	struct cv_map domains;
};

struct spam_keys *
spam_keys_new(const char *keys_dir)
{
	struct spam_keys *k = cv_calloc(1, sizeof *k);

	k->dir = cv_strdup(keys_dir ? keys_dir : "");
	pthread_mutex_init(&k->lock, NULL);
	cv_map_init(&k->domains);
	return k;
}

static void
set_unref(struct spam_key_set *set)
{
	if (!set || --set->refs)
		return;
	for (size_t i = 0; i < set->count; i++)
		spam_dkim_key_free(set->keys[i].key);
	free(set);
}

void
spam_keys_free(struct spam_keys *k)
{
	size_t pos = 0;
	struct cv_str name;
	void *value;

	if (!k)
		return;
	while (cv_map_each(&k->domains, &pos, &name, &value)) {
		set_unref(((struct domain_keys *)value)->set);
		free(value);
	}
	cv_map_done(&k->domains);
	pthread_mutex_destroy(&k->lock);
	free(k->dir);
	free(k);
}

/* ---- files ---- */

/* The file as text, on the heap; NULL when it is absent, empty, too large or unreadable. */
static char *
read_file(const char *path)
{
	struct cv_buf text = CV_BUF_INIT(FILE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd < 0) {
		if (errno != ENOENT)
			cv_log(0, CV_WARN, "dkim.key", "file=%s error=\"%s\"", path,
				strerror(errno));
		return NULL;
	}
	for (char *room; (room = cv_buf_room(&text, 4096)) && (n = read(fd, room, 4096)) > 0;) {
		text.n += (size_t)n;
		text.p[text.n] = '\0';
	}
	close(fd);
	if (n || !text.n || strlen(text.p) != text.n) {
		cv_log(0, CV_WARN, "dkim.key", "file=%s error=\"empty, too large or no text\"",
			path);
		if (text.p)
			cv_wipe(text.p, text.n);
		cv_buf_done(&text);
		return NULL;
	}
	return cv_buf_take(&text);
}

static uint64_t
stamp_of(const char *path, uint64_t seed)
{
	struct stat st;

	if (stat(path, &st))
		return cv_hash("absent", 6, seed);
	struct {
		int64_t secs, nanos, size;
		uint64_t inode;
	} facts = {st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_size, st.st_ino};
	return cv_hash(&facts, sizeof facts, seed);
}

static bool
is_selector(struct cv_str s)
{
	char clean[256];

	return s.n < sizeof clean && cv_dns_name_clean(s, clean) && !memchr(s.p, '/', s.n) && s.n &&
	       s.p[0] != '.';
}

static void
read_key(struct spam_key_set *set, const char *folder, struct cv_str selector, bool is_ed)
{
	char path[1600];
	struct spam_key *key = &set->keys[CV_MIN(set->count, SPAM_KEYS_MAX - 1)];
	struct cv_err err;

	snprintf(path, sizeof path, "%s/%.*s%s", folder, CV_STR_ARGS(selector),
		is_ed ? ".ed25519.pem" : ".pem");
	char *pem = set->count < SPAM_KEYS_MAX ? read_file(path) : NULL;
	if (!pem)
		return;
	enum cv_status status = spam_dkim_key_read(
		pem, is_ed ? SPAM_ED25519_SHA256 : SPAM_RSA_SHA256, &key->key, &err);
	cv_wipe(pem, strlen(pem));
	free(pem);
	if (status) {
		cv_log(0, CV_WARN, "dkim.key", "file=%s error=\"%s\"", path, err.text);
		return;
	}
	snprintf(key->selector, sizeof key->selector, "%.*s", CV_STR_ARGS(selector));
	key->alg = is_ed ? SPAM_ED25519_SHA256 : SPAM_RSA_SHA256;
	set->count++;
}

/* Walks the selectors of CURRENT: hashes their files into *STAMP, or reads them into SET. */
static void
walk_selectors(const char *folder, const char *current, struct spam_key_set *set, uint64_t *stamp)
{
	struct cv_str rest = cv_str_z(current), line;
	char path[1600];

	while (cv_str_split(&rest, '\n', &line)) {
		struct cv_str selector = cv_str_trim(line);
		if (!is_selector(selector))
			continue;
		for (int ed = 0; ed < 2; ed++) {
			snprintf(path, sizeof path, "%s/%.*s%s", folder, CV_STR_ARGS(selector),
				ed ? ".ed25519.pem" : ".pem");
			if (stamp)
				*stamp = stamp_of(path, *stamp);
			else
				read_key(set, folder, selector, ed);
		}
	}
}

/* Looks at DOMAIN's folder again; reads it when something changed. */
static void
look(struct spam_keys *k, const char *domain, struct domain_keys *d)
{
	char folder[1200], path[1300];

	snprintf(folder, sizeof folder, "%s/dkim/%s", k->dir, domain);
	snprintf(path, sizeof path, "%s/current", folder);
	uint64_t stamp = stamp_of(path, 1);
	char *current = read_file(path);
	if (current)
		walk_selectors(folder, current, NULL, &stamp);
	d->looked_ms = cv_mono_ms();
	if (stamp != d->stamp) {
		d->stamp = stamp;
		set_unref(d->set);
		d->set = NULL;
		if (current) {
			d->set = cv_calloc(1, sizeof *d->set);
			d->set->refs = 1;
			walk_selectors(folder, current, d->set, NULL);
			cv_log(0, CV_INFO, "dkim.keys", "domain=%s keys=%zu", domain,
				d->set->count);
		}
	}
	free(current);
}

static bool
has_folder(const struct spam_keys *k, const char *domain)
{
	char folder[1200];
	struct stat st;

	snprintf(folder, sizeof folder, "%s/dkim/%s", k->dir, domain);
	return !stat(folder, &st) && S_ISDIR(st.st_mode);
}

const struct spam_key_set *
spam_keys_get(struct spam_keys *k, const char *domain)
{
	struct spam_key_set *set = NULL;
	char clean[256];

	if (!k->dir[0] || strchr(domain, '/') || domain[0] == '.' ||
		!cv_dns_name_clean(cv_str_z(domain), clean))
		return NULL;
	pthread_mutex_lock(&k->lock);
	struct domain_keys *d = cv_map_get(&k->domains, cv_str_z(clean));
	if (!d && k->domains.used < DOMAINS_MAX && has_folder(k, clean)) {
		d = cv_calloc(1, sizeof *d);
		d->looked_ms = -LOOK_AGAIN_MS;
		cv_map_put(&k->domains, cv_str_z(clean), d);
	}
	if (d && cv_mono_ms() - d->looked_ms >= LOOK_AGAIN_MS)
		look(k, clean, d);
	if (d && d->set && d->set->count) {
		set = d->set;
		set->refs++;
	}
	pthread_mutex_unlock(&k->lock);
	return set;
}

void
spam_keys_unref(struct spam_keys *k, const struct spam_key_set *set)
{
	pthread_mutex_lock(&k->lock);
	set_unref((struct spam_key_set *)(uintptr_t)set);
	pthread_mutex_unlock(&k->lock);
}

void
spam_keys_refresh(struct spam_keys *k)
{
	size_t pos = 0;
	struct cv_str name;
	void *value;

	pthread_mutex_lock(&k->lock);
	while (cv_map_each(&k->domains, &pos, &name, &value))
		((struct domain_keys *)value)->looked_ms = -LOOK_AGAIN_MS;
	pthread_mutex_unlock(&k->lock);
}
