/* token.c - see token.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/token.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text/encode.h"

#define KEY_BYTES   32u
#define MAC_BYTES   32u
#define FILE_MAX    8192u
#define PURPOSE     "congvu quarantine link 1"

struct key {
	uint32_t number;
	int64_t made_secs;
	unsigned char bytes[KEY_BYTES];
};
struct imapd_tokens {
	pthread_mutex_t lock;
	char path[1100], fresh[1110], dir[1000];
	struct key keys[IMAPD_TOKEN_KEYS_MAX]; /* the newest last */
	size_t count;
};

/* ---- the file ---- */

static bool
read_key(struct cv_str line, struct key *out)
{
	struct cv_str number, made;
	struct cv_buf raw = CV_BUF_INIT(KEY_BYTES);
	uint64_t n, secs;

	bool good = cv_str_split(&line, ' ', &number) && cv_str_split(&line, ' ', &made) &&
		    !cv_str_u64(number, UINT32_MAX, &n) && !cv_str_u64(made, INT64_MAX, &secs) &&
		    !cv_hex_decode(line, &raw) && raw.n == KEY_BYTES;
	if (good) {
		out->number = (uint32_t)n;
		out->made_secs = (int64_t)secs;
		memcpy(out->bytes, raw.p, KEY_BYTES);
		OPENSSL_cleanse(raw.p, raw.n);
	}
	cv_buf_done(&raw);
	return good;
}

static enum cv_status
load(struct imapd_tokens *t, struct cv_err *err)
{
	char text[FILE_MAX];
	struct stat st;
	struct cv_str line;
	int fd = open(t->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return CV_OK;
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot read %s", t->path);
	ssize_t n = read(fd, text, sizeof(text));
	bool is_ours = !fstat(fd, &st) && !(st.st_mode & 077);
	close(fd);
	if (n < 0 || n == (ssize_t)sizeof(text))
		return cv_fail(err, CV_CORRUPT, "%s cannot be read", t->path);
	if (!is_ours)
		return cv_fail(err, CV_DENIED, "%s can be read by others (mode 0600)", t->path);
	for (struct cv_str rest = cv_str(text, (size_t)n); cv_str_split(&rest, '\n', &line);) {
		if (!line.n)
			continue;
		if (t->count == IMAPD_TOKEN_KEYS_MAX || !read_key(line, &t->keys[t->count]))
			return cv_fail(err, CV_CORRUPT, "%s is damaged", t->path);
		t->count++;
	}
	OPENSSL_cleanse(text, sizeof(text));
	return CV_OK;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return true;
}

static enum cv_status
save(struct imapd_tokens *t, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(FILE_MAX);

	for (size_t i = 0; i < t->count; i++) {
		cv_buf_printf(
			&text, "%u %lld ", t->keys[i].number, (long long)t->keys[i].made_secs);
		cv_hex_encode(cv_str((const char *)t->keys[i].bytes, KEY_BYTES), &text);
		cv_buf_c(&text, '\n');
	}
	(void)unlink(t->fresh);
	int fd = open(t->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0 && write_all(fd, text.p, text.n) && !fsync(fd);
	if (fd >= 0)
		close(fd);
	good = good && !rename(t->fresh, t->path);
	int errnum = errno;
	OPENSSL_cleanse(text.p, text.n);
	cv_buf_done(&text);
	int dir = good ? open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir >= 0) {
		good = !fsync(dir);
		errnum = errno;
		close(dir);
	}
	return good ? CV_OK : cv_fail_errno(err, CV_TEMPFAIL, errnum, "cannot write %s", t->path);
}

/* A key follows the newest when that is too old; those that nothing needs go. The lock is held. */
static enum cv_status
rotate(struct imapd_tokens *t, int64_t life_secs, int64_t now, struct cv_err *err)
{
	const struct key *newest = t->count ? &t->keys[t->count - 1] : NULL;
	struct imapd_tokens before = *t;
	size_t kept = 0;

	if (newest && now - newest->made_secs < IMAPD_TOKEN_ROTATE_SECS)
		return CV_OK;
	uint32_t number = newest ? newest->number + 1 : 1;
	for (size_t i = 0; i < t->count; i++)
		if (now - t->keys[i].made_secs < 2 * IMAPD_TOKEN_ROTATE_SECS + life_secs)
			t->keys[kept++] = t->keys[i];
	while (kept >= IMAPD_TOKEN_KEYS_MAX) {
		kept--;
		memmove(t->keys, t->keys + 1, kept * sizeof(t->keys[0]));
	}
	struct key *k = &t->keys[kept];
	*k = (struct key){.number = number, .made_secs = now};
	t->count = kept + 1;
	enum cv_status status = RAND_priv_bytes(k->bytes, KEY_BYTES) == 1
					? save(t, err)
					: cv_fail(err, CV_TEMPFAIL, "no random octets");
	if (status) {
		memcpy(t->keys, before.keys, sizeof(t->keys));
		t->count = before.count;
	}
	OPENSSL_cleanse(before.keys, sizeof(before.keys));
	return status;
}

enum cv_status
imapd_tokens_open(
	const char *dir, int64_t now_secs, struct imapd_tokens **out, struct cv_err *err)
{
	struct imapd_tokens *t = cv_calloc(1, sizeof *t);

	*out = t;
	pthread_mutex_init(&t->lock, NULL);
	snprintf(t->dir, sizeof(t->dir), "%s", dir);
	snprintf(t->path, sizeof(t->path), "%s/tokens", t->dir);
	snprintf(t->fresh, sizeof(t->fresh), "%s.new", t->path);
	enum cv_status status = CV_OK;
	if (mkdir(dir, 0700) && errno != EEXIST)
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", dir);
	if (!status)
		status = load(t, err);
	if (!status)
		status = rotate(t, 0, now_secs, err);
	if (status) {
		imapd_tokens_close(t);
		*out = NULL;
	}
	return status;
}

void
imapd_tokens_close(struct imapd_tokens *t)
{
	if (!t)
		return;
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- tokens ---- */

/* Number of the key, account, UIDVALIDITY, UID, end. */
#define BODY_BYTES (4u + 8u + 4u + 4u + 8u)

static void
sign(const struct key *k, const char *body, unsigned char mac[MAC_BYTES])
{
	unsigned n = MAC_BYTES;
	unsigned char text[sizeof(PURPOSE) + BODY_BYTES];

	memcpy(text, PURPOSE, sizeof(PURPOSE));
	memcpy(text + sizeof(PURPOSE), body, BODY_BYTES);
	if (!HMAC(EVP_sha256(), k->bytes, KEY_BYTES, text, sizeof(text), mac, &n))
		cv_die("HMAC-SHA256 failed");
}

enum cv_status
imapd_token_write(struct imapd_tokens *t, const struct imapd_token *token, int64_t life_secs,
	int64_t now_secs, struct cv_buf *out, struct cv_err *err)
{
	unsigned char mac[MAC_BYTES];
	struct cv_buf body = CV_BUF_INIT(BODY_BYTES + MAC_BYTES);

	pthread_mutex_lock(&t->lock);
	enum cv_status status = rotate(t, life_secs, now_secs, err);
	if (!status) {
		const struct key *k = &t->keys[t->count - 1];
		cv_buf_be32(&body, k->number);
		cv_buf_be64(&body, token->acct);
		cv_buf_be32(&body, token->uidvalidity);
		cv_buf_be32(&body, token->uid);
		cv_buf_be64(&body, (uint64_t)token->expires_secs);
		sign(k, body.p, mac);
		cv_buf_add(&body, mac, sizeof(mac));
		cv_base64url_encode(cv_buf_view(&body), out);
	}
	pthread_mutex_unlock(&t->lock);
	cv_buf_done(&body);
	return status;
}

static bool
is_signed(struct imapd_tokens *t, struct cv_str body)
{
	struct cv_rd r = cv_rd(body);
	uint32_t number = cv_rd_be32(&r);
	unsigned char mac[MAC_BYTES];
	bool good = false;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++)
		if (t->keys[i].number == number) {
			sign(&t->keys[i], body.p, mac);
			good = !CRYPTO_memcmp(mac, body.p + BODY_BYTES, MAC_BYTES);
		}
	pthread_mutex_unlock(&t->lock);
	return good;
}

enum cv_status
imapd_token_read(struct imapd_tokens *t, struct cv_str text, int64_t now_secs,
	struct imapd_token *out, struct cv_err *err)
{
	struct cv_buf raw = CV_BUF_INIT(BODY_BYTES + MAC_BYTES);
	enum cv_status status = CV_INVALID;

	if (text.n <= IMAPD_TOKEN_TEXT && !cv_base64url_decode(text, &raw) &&
		raw.n == BODY_BYTES + MAC_BYTES && is_signed(t, cv_buf_view(&raw))) {
		struct cv_rd r = cv_rd(cv_buf_view(&raw));
		(void)cv_rd_be32(&r);
		out->acct = cv_rd_be64(&r);
		out->uidvalidity = cv_rd_be32(&r);
		out->uid = cv_rd_be32(&r);
		out->expires_secs = (int64_t)cv_rd_be64(&r);
		status = out->expires_secs > now_secs ? CV_OK : CV_DENIED;
	}
	cv_buf_done(&raw);
	if (status == CV_INVALID)
		return cv_fail(err, status, "this is no link of ours");
	return status ? cv_fail(err, status, "the link has expired") : CV_OK;
}
