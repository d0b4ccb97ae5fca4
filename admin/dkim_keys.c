/* dkim_keys.c - see dkim_keys.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/dkim_keys.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

#define PATH_BYTES     1200
#define ED_MARK        "-ed"
#define ED_SUFFIX      ".ed25519.pem"
#define RSA_SUFFIX     ".pem"
#define RECORDS_MAX    200
#define TXT_STRING_MAX 255

struct place {
	char folder[PATH_BYTES];
	struct admin_owner owner;
};

static enum cv_status
check_selector(const char *selector, struct cv_err *err)
{
	struct cv_str s = cv_str_z(selector);
	bool ok = s.n && s.n <= ADMIN_DKIM_SELECTOR_MAX && s.p[0] != '-' && s.p[s.n - 1] != '-' &&
		  !cv_str_has_suffix(s, ED_MARK);

	for (size_t i = 0; ok && i < s.n; i++)
		ok = s.p[i] == '-' || cv_is_digit((unsigned char)s.p[i]) ||
		     (s.p[i] >= 'a' && s.p[i] <= 'z');
	return ok ? CV_OK
		  : cv_fail(err, CV_INVALID,
			    "'%.100s' is no selector: a-z, 0-9 and -, at most %d, not ending in "
			    "-ed",
			    selector, ADMIN_DKIM_SELECTOR_MAX);
}

static enum cv_status
find_place(const char *keys_dir, const char *domain, struct admin_owner owner, struct place *out,
	struct cv_err *err)
{
	int n = snprintf(out->folder, sizeof out->folder, "%s/dkim/%s", keys_dir, domain);

	out->owner = owner;
	if (n < 0 || (size_t)n > sizeof out->folder - 100)
		return cv_fail(err, CV_LIMIT, "the path of the keys is too long");
	return CV_OK;
}

static void
key_path(const struct place *p, const char *selector, enum admin_key kind, char out[PATH_BYTES])
{
	if (kind == ADMIN_KEY_RSA)
		snprintf(out, PATH_BYTES, "%.1000s/%s%s", p->folder, selector, RSA_SUFFIX);
	else
		snprintf(
			out, PATH_BYTES, "%.1000s/%s%s%s", p->folder, selector, ED_MARK, ED_SUFFIX);
}

static bool
pair_exists(const struct place *p, const char *selector)
{
	char rsa[PATH_BYTES], ed[PATH_BYTES];

	key_path(p, selector, ADMIN_KEY_RSA, rsa);
	key_path(p, selector, ADMIN_KEY_ED25519, ed);
	return access(rsa, F_OK) == 0 || access(ed, F_OK) == 0;
}

static enum cv_status
choose_selector(const struct place *p, char out[ADMIN_DKIM_SELECTOR_MAX + 4], struct cv_err *err)
{
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;

	gmtime_r(&now, &tm);
	for (char letter = 'a'; letter <= 'z'; letter++) {
		snprintf(out, ADMIN_DKIM_SELECTOR_MAX + 4, "s%d%c", tm.tm_year + 1900, letter);
		if (!pair_exists(p, out))
			return CV_OK;
	}
	return cv_fail(
		err, CV_LIMIT, "all selectors of the year are used: name one with --selector");
}

static enum cv_status
write_key(const struct place *p, const char *selector, enum admin_key kind, unsigned bits,
	struct cv_err *err)
{
	struct cv_buf pem = CV_BUF_INIT(65536);
	char path[PATH_BYTES];
	enum cv_status status = admin_key_make(kind, bits, &pem, err);

	key_path(p, selector, kind, path);
	if (status == CV_OK)
		status = admin_file_new(path, 0600, cv_buf_view(&pem), p->owner, err);
	cv_wipe(pem.p, pem.n);
	cv_buf_done(&pem);
	return status;
}

static enum cv_status
write_pair(const struct place *p, const char *selector, unsigned bits, struct cv_err *err)
{
	char path[PATH_BYTES];
	enum cv_status status = write_key(p, selector, ADMIN_KEY_RSA, bits, err);

	if (status != CV_OK)
		return status;
	status = write_key(p, selector, ADMIN_KEY_ED25519, 0, err);
	if (status != CV_OK) { /* half a pair would only be in the way */
		key_path(p, selector, ADMIN_KEY_RSA, path);
		unlink(path);
	}
	return status;
}

static enum cv_status
write_current(const struct place *p, const char *selector, struct cv_err *err)
{
	char path[PATH_BYTES], text[200];

	snprintf(path, sizeof path, "%.1000s/current", p->folder);
	snprintf(text, sizeof text, "%s\n%s%s\n", selector, selector, ED_MARK);
	return admin_file_replace(path, 0644, cv_str_z(text), p->owner, err);
}

/* "" when there is none. */
static enum cv_status
read_current(const struct place *p, struct cv_str *out, struct cv_err *err)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%.1000s/current", p->folder);
	enum cv_status status = admin_file_read(path, 65536, out, err);
	if (status != CV_NOT_FOUND)
		return status;
	*out = cv_str(cv_strdup(""), 0);
	return CV_OK;
}

static bool
lists(struct cv_str current, const char *selector)
{
	struct cv_str line;

	while (cv_str_split(&current, '\n', &line))
		if (cv_str_eq_z(cv_str_trim(line), selector))
			return true;
	return false;
}

enum cv_status
admin_dkim_make(const char *keys_dir, const char *domain, const char *selector, unsigned bits,
	bool activate, struct admin_owner owner, char chosen_out[ADMIN_DKIM_SELECTOR_MAX + 4],
	struct cv_err *err)
{
	struct place place;
	struct cv_str current = CV_STR_EMPTY;
	enum cv_status status = find_place(keys_dir, domain, owner, &place, err);

	if (status == CV_OK && selector[0])
		status = check_selector(selector, err);
	if (status == CV_OK)
		status = admin_folder_make(place.folder, 0750, owner, err);
	if (status == CV_OK && selector[0])
		snprintf(chosen_out, ADMIN_DKIM_SELECTOR_MAX + 4, "%s", selector);
	else if (status == CV_OK)
		status = choose_selector(&place, chosen_out, err);
	if (status == CV_OK)
		status = read_current(&place, &current, err);
	if (status != CV_OK)
		return status;
	bool is_there = pair_exists(&place, chosen_out);
	if (is_there && !activate)
		status = cv_fail(err, CV_EXISTS,
			"%s has keys named %s already; --activate signs with them", domain,
			chosen_out);
	else if (!is_there)
		status = write_pair(&place, chosen_out, bits, err);
	if (status == CV_OK && (activate || !current.n))
		status = write_current(&place, chosen_out, err);
	free((char *)current.p);
	return status;
}

/* ---- records ---- */

/* The selector that file NAME holds the key of; false for other files. */
static bool
selector_of(const char *name, char out[ADMIN_DKIM_SELECTOR_MAX + 4])
{
	struct cv_str s = cv_str_z(name);

	if (cv_str_has_suffix(s, ED_SUFFIX))
		s.n -= strlen(ED_SUFFIX);
	else if (cv_str_has_suffix(s, RSA_SUFFIX))
		s.n -= strlen(RSA_SUFFIX);
	else
		return false;
	if (!s.n || s.n >= ADMIN_DKIM_SELECTOR_MAX + 4)
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

static enum cv_status
read_record(
	const struct place *p, const char *name, struct admin_dkim_record *r, struct cv_err *err)
{
	char path[PATH_BYTES + 300];
	struct cv_str pem;
	struct cv_buf key = CV_BUF_INIT(16384), value = CV_BUF_INIT(20000);

	snprintf(path, sizeof path, "%s/%s", p->folder, name);
	enum cv_status status = admin_file_read(path, 65536, &pem, err);
	if (status != CV_OK)
		return status;
	status = admin_key_public(pem, &r->kind, &key, err);
	cv_wipe((char *)pem.p, pem.n);
	free((char *)pem.p);
	cv_buf_printf(&value, "v=DKIM1; k=%s; p=%s", r->kind == ADMIN_KEY_RSA ? "rsa" : "ed25519",
		key.p ? key.p : "");
	cv_buf_done(&key);
	r->value = cv_buf_take(&value);
	if (status != CV_OK) {
		free(r->value);
		r->value = NULL;
	}
	return status;
}

static int
by_selector(const void *a, const void *b)
{
	return strcmp(((const struct admin_dkim_record *)a)->selector,
		((const struct admin_dkim_record *)b)->selector);
}

enum cv_status
admin_dkim_records(const char *keys_dir, const char *domain, struct admin_dkim_record **out,
	size_t *count_out, struct cv_err *err)
{
	struct place place;
	struct cv_str current = CV_STR_EMPTY;
	enum cv_status status = find_place(keys_dir, domain, ADMIN_OWNER_SELF, &place, err);

	if (status != CV_OK)
		return status;
	DIR *dir = opendir(place.folder);
	if (!dir)
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_TEMPFAIL, errno,
			"no DKIM keys of %s: cannot open %s", domain, place.folder);
	status = read_current(&place, &current, err);
	struct admin_dkim_record *list = cv_calloc(RECORDS_MAX, sizeof *list);
	size_t n = 0;
	for (struct dirent *e; status == CV_OK && n < RECORDS_MAX && (e = readdir(dir));) {
		if (!selector_of(e->d_name, list[n].selector))
			continue;
		list[n].is_current = lists(current, list[n].selector);
		status = read_record(&place, e->d_name, &list[n], err);
		n += status == CV_OK;
	}
	closedir(dir);
	free((char *)current.p);
	if (status == CV_OK && !n)
		status =
			cv_fail(err, CV_NOT_FOUND, "no DKIM keys of %s below %s", domain, keys_dir);
	if (status != CV_OK) {
		admin_dkim_records_free(list, n);
		return status;
	}
	qsort(list, n, sizeof *list, by_selector);
	*out = list;
	*count_out = n;
	return CV_OK;
}

void
admin_dkim_records_free(struct admin_dkim_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(records[i].value);
	free(records);
}

void
admin_dkim_zone_line(const struct admin_dkim_record *r, const char *domain, struct cv_buf *out)
{
	struct cv_str rest = cv_str_z(r->value);

	cv_buf_printf(out, "%s._domainkey.%s. IN TXT (", r->selector, domain);
	while (rest.n) {
		struct cv_str piece = cv_str_sub(rest, 0, TXT_STRING_MAX);
		rest = cv_str_sub(rest, piece.n, rest.n);
		cv_buf_z(out, " \"");
		cv_buf_str(out, piece);
		cv_buf_c(out, '"');
	}
	cv_buf_z(out, " )\n");
}
