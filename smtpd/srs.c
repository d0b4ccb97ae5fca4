/* srs.c - see srs.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/srs.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/text/address.h"
#include "common/text/encode.h"

#define HASH_CHARS 8u /* of 5 bits */
#define DAY_SPAN   1024
#define FILE_MAX   4096u
#define SECRET_MIN 16u

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* ---- pieces ---- */

static bool
is_separator(char c)
{
	return c == '=' || c == '+' || c == '-';
}

bool
smtpd_srs_is(struct cv_str local)
{
	return local.n > 5 && cv_str_has_iprefix(local, "SRS") &&
	       (local.p[3] == '0' || local.p[3] == '1') && is_separator(local.p[4]);
}

static int
base32_digit(char c)
{
	unsigned char low = (unsigned char)cv_lower((unsigned char)c);

	if (low >= 'a' && low <= 'z')
		return low - 'a';
	return c >= '2' && c <= '7' ? 26 + c - '2' : -1;
}

/* The hash of TEXT in any case. */
static void
make_hash(struct cv_str key, struct cv_str text, char out[HASH_CHARS])
{
	unsigned char low[512], mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	uint64_t bits = 0;

	assert(text.n <= sizeof low);
	for (size_t i = 0; i < text.n; i++)
		low[i] = (unsigned char)cv_lower((unsigned char)text.p[i]);
	if (!HMAC(EVP_sha256(), key.p, (int)key.n, low, text.n, mac, &n) || n < 8)
		cv_die("HMAC is not to be had");
	for (size_t i = 0; i < 5; i++)
		bits = bits << 8 | mac[i];
	for (size_t i = 0; i < HASH_CHARS; i++)
		out[i] = base32[bits >> (5 * (HASH_CHARS - 1 - i)) & 31];
}

static bool
hash_fits(const struct smtpd_srs_keys *k, struct cv_str hash, struct cv_str text)
{
	char given[HASH_CHARS], want[HASH_CHARS];
	bool fits = false;

	if (hash.n != HASH_CHARS || text.n > 512)
		return false;
	for (size_t i = 0; i < HASH_CHARS; i++) {
		int digit = base32_digit(hash.p[i]);
		if (digit < 0)
			return false;
		given[i] = base32[digit];
	}
	for (size_t i = 0; i < k->n; i++) {
		make_hash(k->keys[i], text, want);
		fits |= !CRYPTO_memcmp(given, want, HASH_CHARS);
	}
	return fits;
}

/* Dots, letters, digits and the other atext: what may stand in a local part without quotes. */
static bool
is_plain(struct cv_str local)
{
	for (size_t i = 0; i < local.n; i++) {
		unsigned char c = (unsigned char)local.p[i];
		if (c <= ' ' || c > 126 || strchr("\"\\@<>()[],;:", c))
			return false;
	}
	return local.n > 0;
}

static struct cv_str
local_of(struct cv_str address, struct cv_str *domain)
{
	size_t at = address.n;

	while (at && address.p[at - 1] != '@')
		at--;
	*domain = cv_str_sub(address, at, address.n);
	return cv_str_sub(address, 0, at ? at - 1 : 0);
}

/* "word=" off the front of *REST. */
static bool
take_word(struct cv_str *rest, struct cv_str *word)
{
	size_t at = cv_str_find(*rest, '=', 0);

	if (at >= rest->n || !at)
		return false;
	*word = cv_str_sub(*rest, 0, at);
	*rest = cv_str_sub(*rest, at + 1, rest->n);
	return true;
}

/* ---- forward ---- */

/* What is signed in an SRS0 address. */
static void
write_first(struct cv_str local, struct cv_str domain, int64_t today, struct cv_buf *out)
{
	unsigned day = (unsigned)(today % DAY_SPAN);

	cv_buf_c(out, base32[day >> 5]);
	cv_buf_c(out, base32[day & 31]);
	cv_buf_c(out, '=');
	cv_buf_str(out, domain);
	cv_buf_c(out, '=');
	cv_buf_str(out, local);
}

/* The same of an SRS1 address: the first rewriter and what it had written, its separator first. */
static bool
write_second(struct cv_str local, struct cv_str domain, struct cv_buf *out)
{
	struct cv_str hash, first, rest = cv_str_sub(local, 5, local.n);

	if (local.p[3] == '0') {
		cv_buf_str(out, domain);
		cv_buf_c(out, '=');
		cv_buf_str(out, cv_str_sub(local, 4, local.n));
		return true;
	}
	if (!take_word(&rest, &hash) || !take_word(&rest, &first))
		return false;
	cv_buf_str(out, first);
	cv_buf_c(out, '=');
	cv_buf_str(out, rest);
	return true;
}

enum cv_status
smtpd_srs_forward(const struct smtpd_srs_keys *k, struct cv_str sender, struct cv_str domain,
	int64_t today, struct cv_buf *out)
{
	struct cv_buf text = CV_BUF_INIT(512);
	struct cv_str from, local = local_of(sender, &from);
	char hash[HASH_CHARS];
	bool again = smtpd_srs_is(local);

	/* In a domain "=" would end it too early on the way back. */
	bool ok = k->n && is_plain(local) && is_plain(from) &&
		  cv_str_find(from, '=', 0) == from.n && today >= 0;
	if (ok && again)
		ok = write_second(local, from, &text);
	else if (ok)
		write_first(local, from, today, &text);
	ok = ok && !text.full && 5 + HASH_CHARS + 1 + text.n <= CV_LOCAL_MAX;
	if (ok) {
		make_hash(k->keys[0], cv_buf_view(&text), hash);
		cv_buf_printf(out, "SRS%c=%.*s=%.*s@%.*s", again ? '1' : '0', (int)HASH_CHARS,
			hash, (int)text.n, text.p, CV_STR_ARGS(domain));
	}
	cv_buf_done(&text);
	return ok && !out->full ? CV_OK : CV_LIMIT;
}

/* ---- reverse ---- */

static enum cv_status
check_day(struct cv_str day, int64_t today, unsigned valid_days)
{
	int high = day.n == 2 ? base32_digit(day.p[0]) : -1;
	int low = day.n == 2 ? base32_digit(day.p[1]) : -1;

	if (high < 0 || low < 0)
		return CV_INVALID;
	int64_t age = (today - (high << 5 | low)) % DAY_SPAN;
	age += age < 0 ? DAY_SPAN : 0;
	/* One day in the future: clocks and midnights. */
	return age <= valid_days || age == DAY_SPAN - 1 ? CV_OK : CV_DENIED;
}

static enum cv_status
reverse_first(struct cv_str rest, int64_t today, unsigned valid_days, struct cv_buf *out)
{
	struct cv_str day, domain;

	if (!take_word(&rest, &day) || !take_word(&rest, &domain) || !rest.n)
		return CV_INVALID;
	enum cv_status status = check_day(day, today, valid_days);
	if (status != CV_OK)
		return status;
	cv_buf_str(out, rest);
	cv_buf_c(out, '@');
	cv_buf_str(out, domain);
	return CV_OK;
}

/* Its day is the first rewriter's to judge. */
static enum cv_status
reverse_second(struct cv_str rest, struct cv_buf *out)
{
	struct cv_str first;

	if (!take_word(&rest, &first) || rest.n < 2 || !is_separator(rest.p[0]))
		return CV_INVALID;
	cv_buf_z(out, "SRS0");
	cv_buf_str(out, rest);
	cv_buf_c(out, '@');
	cv_buf_str(out, first);
	return CV_OK;
}

enum cv_status
smtpd_srs_reverse(const struct smtpd_srs_keys *k, struct cv_str local, int64_t today,
	unsigned valid_days, struct cv_buf *out)
{
	struct cv_str hash, rest;
	struct cv_buf address = CV_BUF_INIT(600);

	if (!smtpd_srs_is(local) || !is_plain(local))
		return CV_INVALID;
	rest = cv_str_sub(local, 5, local.n);
	if (!take_word(&rest, &hash) || !hash_fits(k, hash, rest))
		return CV_INVALID;
	enum cv_status status = local.p[3] == '0'
		? reverse_first(rest, today, valid_days, &address)
		: reverse_second(rest, &address);
	/* It was signed, but it becomes an envelope: only what is an address at all. */
	if (status == CV_OK && !cv_address_is_valid(cv_buf_view(&address), 0))
		status = CV_INVALID;
	if (status == CV_OK)
		cv_buf_str(out, cv_buf_view(&address));
	cv_buf_done(&address);
	return status;
}

/* ---- the secret's file ---- */

struct smtpd_srs {
	pthread_mutex_t lock;
	char file[1100];
	unsigned valid_days;
	struct timespec seen;      /* the file's time when it was read */
	char text[FILE_MAX + 1];
	struct smtpd_srs_keys keys;
};

struct smtpd_srs *
smtpd_srs_new(const char *file, unsigned valid_days)
{
	struct smtpd_srs *s = cv_calloc(1, sizeof *s);

	pthread_mutex_init(&s->lock, NULL);
	snprintf(s->file, sizeof s->file, "%s", file);
	s->valid_days = valid_days;
	return s;
}

void
smtpd_srs_free(struct smtpd_srs *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	cv_wipe(s->text, sizeof s->text);
	free(s);
}

/* A secret of our own, whole in its place or not at all. */
static bool
make_file(struct smtpd_srs *s)
{
	struct cv_buf text = CV_BUF_INIT(200);
	char tmp[1110], secret[24];
	bool ok = false;

	cv_random(secret, sizeof secret);
	cv_hex_encode(cv_str(secret, sizeof secret), &text);
	cv_buf_c(&text, '\n');
	snprintf(tmp, sizeof tmp, "%s.new", s->file);
	unlink(tmp);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		ok = write(fd, text.p, text.n) == (ssize_t)text.n && !fsync(fd);
		ok = !close(fd) && ok;
		/* Another may have been quicker: its secret stays. */
		ok = ok && (!link(tmp, s->file) || errno == EEXIST);
		unlink(tmp);
	}
	cv_wipe(secret, sizeof secret);
	cv_buf_done(&text);
	if (ok)
		cv_log(0, CV_INFO, "srs.made", "file=%s", s->file);
	return ok;
}

static void
read_keys(struct smtpd_srs *s)
{
	struct cv_str rest = cv_str_z(s->text), line;

	s->keys.n = 0;
	while (cv_str_split(&rest, '\n', &line)) {
		line = cv_str_trim(line);
		if (line.n >= SECRET_MIN && line.p[0] != '#' && s->keys.n < SMTPD_SRS_KEYS_MAX)
			s->keys.keys[s->keys.n++] = line;
	}
}

/* Under the lock: the keys are the file's. */
static bool
refresh(struct smtpd_srs *s)
{
	struct stat st;

	if (stat(s->file, &st) && !(errno == ENOENT && make_file(s) && !stat(s->file, &st))) {
		cv_log(0, CV_ERROR, "srs.unreadable", "file=%s error=\"%s\"", s->file,
			strerror(errno));
		return s->keys.n > 0; /* those read before still hold */
	}
	if (s->keys.n && st.st_mtim.tv_sec == s->seen.tv_sec &&
		st.st_mtim.tv_nsec == s->seen.tv_nsec)
		return true;
	int fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read(fd, s->text, FILE_MAX) : -1;
	if (fd >= 0)
		close(fd);
	s->text[n > 0 ? n : 0] = 0;
	s->seen = st.st_mtim;
	read_keys(s);
	if (!s->keys.n)
		cv_log(0, CV_ERROR, "srs.unreadable", "file=%s error=\"no secret of %u letters\"",
			s->file, SECRET_MIN);
	return s->keys.n > 0;
}

void
smtpd_srs_prepare(struct smtpd_srs *s)
{
	pthread_mutex_lock(&s->lock);
	(void)refresh(s); /* what fails here is logged, and fails again where it matters */
	pthread_mutex_unlock(&s->lock);
}

enum cv_status
smtpd_srs_rewrite(
	struct smtpd_srs *s, struct cv_str sender, struct cv_str domain, struct cv_buf *out)
{
	pthread_mutex_lock(&s->lock);
	enum cv_status status = refresh(s)
		? smtpd_srs_forward(&s->keys, sender, domain, cv_wall_secs() / 86400, out)
		: CV_TEMPFAIL;
	pthread_mutex_unlock(&s->lock);
	return status;
}

enum cv_status
smtpd_srs_restore(struct smtpd_srs *s, struct cv_str local, struct cv_buf *out)
{
	pthread_mutex_lock(&s->lock);
	enum cv_status status = refresh(s) ? smtpd_srs_reverse(&s->keys, local,
		cv_wall_secs() / 86400, s->valid_days, out) : CV_TEMPFAIL;
	pthread_mutex_unlock(&s->lock);
	return status;
}
