/* target.c - see target.h: reading the settings, trying again, limits of speed. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/target.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/files.h"
#include "common/base/clock.h"
#include "common/base/kill.h"

#define TRIES         5u
#define FIRST_WAIT_MS 500u

/* ---- settings ---- */

static bool
copy_text(struct cv_str text, char *out, size_t room)
{
	if (!text.n || text.n >= room || memchr(text.p, '\0', text.n))
		return false;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return true;
}

static bool
set(struct backup_place *p, struct cv_str key, struct cv_str value)
{
	const struct {
		const char *key;
		char *out;
		size_t room;
	} texts[] = {
		{"region",      p->region,      sizeof p->region     },
		{"credentials", p->credentials, sizeof p->credentials},
		{"key",         p->key,         sizeof p->key        },
		{"known-hosts", p->known_hosts, sizeof p->known_hosts},
		{"ca",          p->ca,          sizeof p->ca         },
	};
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		if (cv_str_eq_z(key, texts[i].key))
			return copy_text(value, texts[i].out, texts[i].room);
	if (cv_str_eq_z(key, "append-only")) {
		p->append_only = cv_str_eq_z(value, "yes");
		return p->append_only || cv_str_eq_z(value, "no");
	}
	return false;
}

static bool
is_name(struct cv_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!cv_is_alpha((unsigned char)name.p[i]) &&
			!cv_is_digit((unsigned char)name.p[i]) && name.p[i] != '-')
			return false;
	return name.n > 0 && name.n < BACKUP_TARGET_MAX;
}

enum cv_status
backup_place_parse(struct cv_str text, struct backup_place *out, struct cv_err *err)
{
	struct cv_str rest = text, word, name;
	*out = (struct backup_place){.region = "us-east-1"};
	if (!cv_str_split(&rest, ',', &word) || !cv_str_split(&word, '=', &name) ||
		!is_name(name) || !copy_text(name, out->name, sizeof out->name) ||
		!copy_text(word, out->url, sizeof out->url))
		return cv_fail(err, CV_INVALID,
			"backup_targets: '%.*s' is not NAME=URL[,setting=value]...",
			CV_STR_ARGS(text));
	if (!cv_str_has_prefix(word, "file:/") && !cv_str_has_prefix(word, "s3+http") &&
		!cv_str_has_prefix(word, "sftp://"))
		return cv_fail(err, CV_INVALID,
			"backup_targets: %s: an address begins with file:/, s3+https:// or sftp://",
			out->name);
	while (rest.n) {
		struct cv_str value, key;
		cv_str_split(&rest, ',', &value);
		cv_str_split(&value, '=', &key);
		if (!set(out, key, value))
			return cv_fail(err, CV_INVALID,
				"backup_targets: %s: '%.*s' is no setting, or has no such value",
				out->name, CV_STR_ARGS(key));
	}
	return CV_OK;
}

enum cv_status
backup_read_secret_file(const char *path, char **out, struct cv_err *err)
{
	struct stat st;
	struct cv_str text, line, rest;
	*out = NULL;
	if (!path[0] || stat(path, &st))
		return cv_fail_errno(err, CV_NOT_FOUND, path[0] ? errno : ENOENT,
			"cannot read the credentials '%s'", path);
	if (st.st_mode & 077)
		return cv_fail(err, CV_DENIED, "%s can be read by others: chmod 600 it", path);
	enum cv_status status = admin_file_read(path, 64u << 10, &text, err);
	if (status)
		return status;
	rest = text;
	cv_str_split(&rest, '\n', &line);
	*out = cv_str_dup(cv_str_trim(line));
	cv_wipe((char *)(uintptr_t)text.p, text.n);
	free((char *)(uintptr_t)text.p);
	return CV_OK;
}

/* ---- calls ---- */

enum cv_status
backup_target_open(const struct backup_place *place, struct backup_target **out, struct cv_err *err)
{
	struct cv_str url = cv_str_z(place->url);
	enum cv_status status = cv_str_has_prefix(url, "file:")
					? backup_folder_open(place, out, err)
				: cv_str_has_prefix(url, "s3+") ? backup_s3_open(place, out, err)
								: backup_sftp_open(place, out, err);
	if (!status)
		(*out)->place = *place;
	return status;
}

void
backup_target_close(struct backup_target *t)
{
	if (t)
		t->ops->close(t);
}

/* Sleeps so long that N octets stay within the limit of speed. */
static void
slow_down(struct backup_target *t, uint64_t n)
{
	int64_t now = cv_mono_ms();
	if (!t->place.bytes_per_sec)
		return;
	if (t->slow_ms > now)
		usleep((useconds_t)(CV_MIN(t->slow_ms - now, 600000) * 1000));
	t->slow_ms = CV_MAX(t->slow_ms, now) + (int64_t)(n * 1000 / t->place.bytes_per_sec);
}

bool
backup_again(enum cv_status status, unsigned *tries)
{
	if (status != CV_TEMPFAIL || ++*tries >= TRIES)
		return false;
	usleep((FIRST_WAIT_MS << (*tries - 1)) * 1000);
	return true;
}

enum cv_status
backup_target_put(
	struct backup_target *t, const char *name, struct cv_str bytes, struct cv_err *err)
{
	enum cv_status status;
	unsigned tries = 0;
	slow_down(t, bytes.n);
	CV_KILL_POINT("backup.put_object");
	do
		status = t->ops->put(t, name, bytes, err);
	while (backup_again(status, &tries));
	CV_KILL_POINT("backup.object_put");
	return status;
}

enum cv_status
backup_target_get(struct backup_target *t, const char *name, uint64_t from, uint64_t n,
	struct cv_buf *out, struct cv_err *err)
{
	enum cv_status status;
	unsigned tries = 0;
	size_t before = out->n;
	do {
		out->n = before;
		status = t->ops->get(t, name, from, n, out, err);
	} while (backup_again(status, &tries));
	if (!status && n && out->n - before != n)
		return cv_fail(err, CV_CORRUPT, "%s is shorter than it was", name);
	return status;
}

struct counted {
	backup_list_fn *fn;
	void *arg;
	uint64_t count;
};

static bool
count_name(void *arg, struct cv_str name, uint64_t size)
{
	struct counted *c = arg;
	return ++c->count <= BACKUP_NAMES_MAX && c->fn(c->arg, name, size);
}

enum cv_status
backup_target_list(struct backup_target *t, const char *prefix, backup_list_fn *fn, void *arg,
	struct cv_err *err)
{
	struct counted c = {.fn = fn, .arg = arg};
	enum cv_status status = t->ops->list(t, prefix, count_name, &c, err);
	if (!status && c.count > BACKUP_NAMES_MAX)
		return cv_fail(err, CV_LIMIT,
			"target %s holds more than %u objects below %s: its list is not whole",
			t->place.name, BACKUP_NAMES_MAX, prefix);
	return status;
}

enum cv_status
backup_target_remove(struct backup_target *t, const char *name, struct cv_err *err)
{
	enum cv_status status;
	unsigned tries = 0;
	if (t->place.append_only)
		return cv_fail(err, CV_DENIED, "target %s is append-only: nothing is removed",
			t->place.name);
	do
		status = t->ops->remove(t, name, err);
	while (backup_again(status, &tries));
	return status == CV_NOT_FOUND ? CV_OK : status;
}
