/* canon.c - see canon.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/sig/canon.h"

#include <pthread.h>

static EVP_MD *sha256;

static void
fetch_sha256(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		cv_die("no SHA-256");
}

const EVP_MD *
sig_sha256(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch_sha256);
	return sha256;
}

/* ---- fields ---- */

/* Unfolded, runs of blanks as one, none at the ends (3.4.2). */
static void
put_relaxed(struct cv_buf *out, struct cv_str s, bool *blank, bool *any)
{
	for (size_t i = 0; i < s.n;) {
		size_t from = i;
		while (i < s.n && s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r' &&
			s.p[i] != '\n')
			i++;
		if (i > from) {
			if (*blank && *any)
				cv_buf_c(out, ' ');
			*blank = false;
			*any = true;
			cv_buf_add(out, s.p + from, i - from);
		}
		for (; i < s.n &&
			(s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\r' || s.p[i] == '\n');
			i++)
			*blank |= s.p[i] == ' ' || s.p[i] == '\t';
	}
}

static void
put_simple(struct cv_buf *out, struct cv_str s)
{
	for (size_t at = 0; at < s.n;) {
		size_t end = cv_str_find(s, '\n', at);
		cv_buf_str(out, cv_str_sub(s, at, end));
		if (end < s.n)
			cv_buf_z(out, end && s.p[end - 1] == '\r' ? "\n" : "\r\n");
		at = end + 1;
	}
}

void
sig_canon_field(const struct sig_field *field, bool relaxed, size_t cut_from, size_t cut_to,
	struct cv_buf *out)
{
	struct cv_str first = cv_str_sub(field->value, 0, cut_from);
	struct cv_str second = cv_str_sub(field->value, cut_to, field->value.n);
	struct cv_str name = field->name;
	bool blank = false, any = false;

	if (!relaxed) {
		cv_buf_str(out, name);
		cv_buf_c(out, ':');
		put_simple(out, first);
		put_simple(out, second);
		return;
	}
	name = cv_str_trim(name);
	for (size_t i = 0; i < name.n; i++)
		cv_buf_c(out, (char)cv_lower((unsigned char)name.p[i]));
	cv_buf_c(out, ':');
	put_relaxed(out, first, &blank, &any);
	put_relaxed(out, second, &blank, &any);
}

/* ---- bodies ---- */

void
sig_body_init(struct sig_body *b, bool relaxed, uint64_t limit)
{
	*b = (struct sig_body){.relaxed = relaxed, .limit = limit, .md = EVP_MD_CTX_new()};
	if (!b->md || EVP_DigestInit_ex2(b->md, sig_sha256(), NULL) != 1)
		cv_die("no memory for a digest");
}

void
sig_body_done(struct sig_body *b)
{
	EVP_MD_CTX_free(b->md);
	b->md = NULL;
}

static void
flush(struct sig_body *b)
{
	if (b->held_bytes && EVP_DigestUpdate(b->md, b->held, b->held_bytes) != 1)
		cv_die("a digest failed");
	b->held_bytes = 0;
}

/* Canonical octets: hashed as far as the limit goes. */
static void
put(struct sig_body *b, const char *p, size_t n)
{
	uint64_t left = b->limit > b->total ? b->limit - b->total : 0;

	b->total += n;
	n = (size_t)CV_MIN((uint64_t)n, left);
	if (n > sizeof b->held - b->held_bytes)
		flush(b);
	if (n > sizeof b->held) {
		if (EVP_DigestUpdate(b->md, p, n) != 1)
			cv_die("a digest failed");
		return;
	}
	memcpy(b->held + b->held_bytes, p, n);
	b->held_bytes += n;
}

/* Octets that stay: what was held back before them stays too. */
static void
put_text(struct sig_body *b, const char *p, size_t n)
{
	for (; b->empty_lines; b->empty_lines--)
		put(b, "\r\n", 2);
	if (b->has_blank)
		put(b, " ", 1);
	b->has_blank = false;
	b->in_line = b->has_content = true;
	put(b, p, n);
}

static bool
is_special(const struct sig_body *b, char c)
{
	return c == '\r' || (b->relaxed && (c == ' ' || c == '\t'));
}

void
sig_body_add(struct sig_body *b, struct cv_str s)
{
	for (size_t i = 0; i < s.n;) {
		if (b->has_cr) {
			b->has_cr = false;
			if (s.p[i] == '\n') {
				/* a line's end; blanks before it go */
				b->has_blank = b->in_line = false;
				b->empty_lines++;
				i++;
				continue;
			}
			put_text(b, "\r", 1);
		}
		size_t from = i;
		while (i < s.n && !is_special(b, s.p[i]))
			i++;
		if (i > from)
			put_text(b, s.p + from, i - from);
		if (i < s.n) {
			b->has_cr = s.p[i] == '\r';
			b->has_blank |= !b->has_cr;
			i++;
		}
	}
}

/* An empty body is a CRLF to the simple form and nothing to the relaxed one (3.4.3, 3.4.4). */
void
sig_body_end(struct sig_body *b, unsigned char hash[SIG_HASH_BYTES])
{
	if (b->has_cr)
		put_text(b, "\r", 1);
	if (b->has_content || !b->relaxed)
		put(b, "\r\n", 2);
	flush(b);
	if (EVP_DigestFinal_ex(b->md, hash, NULL) != 1)
		cv_die("a digest failed");
}
