/* target_sftp.c - a folder on another machine, by SFTP with libcurl.
 *
 * The server's key must stand in a known-hosts file, ours is a private key: no passwords. An object
 * is sent under the name with ".part" behind it and renamed; one that ends in ".part" is no object.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <inttypes.h>
#include <unistd.h>

#include "admin/backup/curl.h"
#include "admin/backup/target.h"

#define PART       ".part"
#define LIST_BYTES (64u << 20)

struct sftp {
	struct backup_target target;
	struct backup_curl c;
	char base[1100]; /* the URL, ending in '/' */
	char path[1100]; /* of the folder on the server, ending in '/' */
	char public_key[1200];
};

static struct sftp *
sftp_of(struct backup_target *t)
{
	return CV_CONTAINER(t, struct sftp, target);
}

static void
begin(struct sftp *s, const char *name)
{
	char url[2200];
	const struct backup_place *p = &s->target.place;
	snprintf(url, sizeof url, "%s%s", s->base, name);
	backup_curl_reset(&s->c, url);
	curl_easy_setopt(s->c.curl, CURLOPT_PROTOCOLS_STR, "sftp");
	curl_easy_setopt(s->c.curl, CURLOPT_SSH_AUTH_TYPES, (long)CURLSSH_AUTH_PUBLICKEY);
	curl_easy_setopt(s->c.curl, CURLOPT_SSH_PRIVATE_KEYFILE, p->key);
	if (s->public_key[0])
		curl_easy_setopt(s->c.curl, CURLOPT_SSH_PUBLIC_KEYFILE, s->public_key);
	curl_easy_setopt(s->c.curl, CURLOPT_SSH_KNOWNHOSTS, p->known_hosts);
}

static enum cv_status
put(struct backup_target *t, const char *name, struct cv_str bytes, struct cv_err *err)
{
	struct sftp *s = sftp_of(t);
	struct cv_buf answer = CV_BUF_INIT(1u << 20);
	char part[300], move[2600];
	snprintf(part, sizeof part, "%s" PART, name);
	snprintf(move, sizeof move, "rename \"%s%s\" \"%s%s\"", s->path, part, s->path, name);
	begin(s, part);
	backup_curl_upload(&s->c, bytes);
	struct curl_slist *after = curl_slist_append(NULL, move);
	curl_easy_setopt(s->c.curl, CURLOPT_POSTQUOTE, after);
	curl_easy_setopt(s->c.curl, CURLOPT_FTP_CREATE_MISSING_DIRS, 1L);
	enum cv_status status = backup_curl_run(&s->c, &answer, "writing by SFTP", err);
	curl_slist_free_all(after);
	cv_buf_done(&answer);
	return status == CV_NOT_FOUND
		       ? cv_fail(err, CV_TEMPFAIL, "the folder of target %s is gone", t->place.name)
		       : status;
}

static enum cv_status
get(struct backup_target *t, const char *name, uint64_t from, uint64_t n, struct cv_buf *out,
	struct cv_err *err)
{
	struct sftp *s = sftp_of(t);
	char range[64];
	begin(s, name);
	snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, from, from + n - 1);
	if (n)
		curl_easy_setopt(s->c.curl, CURLOPT_RANGE, range);
	return backup_curl_run(&s->c, out, "reading by SFTP", err);
}

/* "-rw------- 1 user group 1234 Nov 23 05:00 name", as OpenSSH writes it. */
static bool
read_line(struct cv_str line, bool *is_folder, uint64_t *size, struct cv_str *name)
{
	struct cv_str word = CV_STR_EMPTY;
	unsigned field = 0;
	line = cv_str_trim(line);
	*is_folder = line.n && line.p[0] == 'd';
	while (line.n) {
		cv_str_split(&line, ' ', &word);
		if (!word.n)
			continue;
		if (field == 4 && cv_str_u64(word, INT64_MAX, size))
			return false;
		field++;
	}
	*name = word;
	return field == 9 && word.n && word.n < 200 && word.p[0] != '.';
}

static enum cv_status
walk(struct sftp *s, const char *folder, struct cv_str above, backup_list_fn *fn, void *arg,
	bool *stop, struct cv_err *err)
{
	struct cv_buf lines = CV_BUF_INIT(LIST_BYTES);
	enum cv_status status;
	unsigned tries = 0;
	do {
		cv_buf_reset(&lines);
		begin(s, folder);
		status = backup_curl_run(&s->c, &lines, "listing by SFTP", err);
	} while (backup_again(status, &tries));
	if (status == CV_NOT_FOUND)
		status = CV_OK;
	struct cv_str rest = cv_buf_view(&lines), line, name;
	while (!status && !*stop && rest.n && cv_str_split(&rest, '\n', &line)) {
		char full[300], below[600];
		bool is_folder;
		uint64_t size = 0;
		if (!read_line(line, &is_folder, &size, &name))
			continue;
		snprintf(full, sizeof full, "%.*s%.*s", (int)above.n, above.p ? above.p : "",
			(int)name.n, name.p);
		if (!is_folder && !cv_str_has_suffix(name, PART))
			*stop = !fn(arg, cv_str_z(full), size);
		else if (is_folder && !above.n) {
			snprintf(below, sizeof below, "%s%.*s/", folder, (int)name.n, name.p);
			snprintf(full, sizeof full, "%.*s/", (int)name.n, name.p);
			status = walk(s, below, cv_str_z(full), fn, arg, stop, err);
		}
	}
	cv_buf_done(&lines);
	return status;
}

static enum cv_status
list(struct backup_target *t, const char *prefix, backup_list_fn *fn, void *arg, struct cv_err *err)
{
	bool stop = false;
	return walk(sftp_of(t), prefix, CV_STR_EMPTY, fn, arg, &stop, err);
}

static enum cv_status
remove_object(struct backup_target *t, const char *name, struct cv_err *err)
{
	struct sftp *s = sftp_of(t);
	struct cv_buf answer = CV_BUF_INIT(LIST_BYTES);
	char line[1600];
	snprintf(line, sizeof line, "rm \"%s%s\"", s->path, name);
	begin(s, "");
	struct curl_slist *quote = curl_slist_append(NULL, line);
	curl_easy_setopt(s->c.curl, CURLOPT_QUOTE, quote);
	curl_easy_setopt(s->c.curl, CURLOPT_NOBODY, 1L);
	enum cv_status status = backup_curl_run(&s->c, &answer, "removing by SFTP", err);
	curl_slist_free_all(quote);
	cv_buf_done(&answer);
	return status;
}

static void
close_sftp(struct backup_target *t)
{
	backup_curl_close(&sftp_of(t)->c);
	free(sftp_of(t));
}

static const struct backup_target_ops ops = {
	.put = put, .get = get, .list = list, .remove = remove_object, .close = close_sftp};

enum cv_status
backup_sftp_open(const struct backup_place *place, struct backup_target **out, struct cv_err *err)
{
	struct sftp *s = cv_calloc(1, sizeof *s);
	const char *host = place->url + strlen("sftp://"), *path = strchr(host, '/');
	s->target.ops = &ops;
	s->target.place = *place;
	enum cv_status status = CV_OK;
	if (!path || strlen(place->url) > 900 || strchr(place->url, '"'))
		status = cv_fail(err, CV_INVALID, "target %s: write sftp://user@host[:port]/dir",
			place->name);
	else if (!place->known_hosts[0] || access(place->known_hosts, R_OK))
		status = cv_fail(err, CV_DENIED,
			"target %s: known-hosts=FILE with the server's key is missing",
			place->name);
	else if (!place->key[0] || access(place->key, R_OK))
		status = cv_fail(err, CV_DENIED, "target %s: key=FILE, a private key, is missing",
			place->name);
	if (!status) {
		const char *end = place->url[strlen(place->url) - 1] == '/' ? "" : "/";
		snprintf(s->base, sizeof s->base, "%s%s", place->url, end);
		snprintf(s->path, sizeof s->path, "%s%s", path, end);
		snprintf(s->public_key, sizeof s->public_key, "%s.pub", place->key);
		if (access(s->public_key, R_OK))
			s->public_key[0] = '\0';
		status = backup_curl_open(&s->c, err);
	}
	if (status) {
		close_sftp(&s->target);
		return status;
	}
	*out = &s->target;
	return CV_OK;
}
