/* ed25519.c - see ed25519.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/ed25519.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/text/encode.h"

#define HASH_BYTES 32
#define SIGNED_MAX (2u << 20)
#define FOLD_AT    70

struct stored_field {
	struct cv_str name;      /* lower case */
	struct cv_str canonical; /* "name:value", without a line end */
	bool used;
};

struct spam_ed25519 {
	struct cv_arena arena;
	EVP_PKEY *key;
	EVP_MD_CTX *body_hash;
	char *selector, *domain;
	struct stored_field *fields;
	size_t count, room;
	/* the body, relaxed, on its way to the hash */
	unsigned char held[4096];
	size_t held_bytes;
	uint64_t empty_lines; /* not yet known to be inside the body */
	bool has_blank, has_cr, in_line, has_content;
};

enum cv_status
spam_ed25519_new(const char *pem, const char *selector, const char *domain,
	struct spam_ed25519 **out, struct cv_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return cv_fail(err, CV_INVALID, "no ed25519 private key");
	}
	struct spam_ed25519 *s = cv_calloc(1, sizeof *s);
	s->key = key;
	s->selector = cv_arena_z(&s->arena, cv_str_z(selector));
	s->domain = cv_arena_z(&s->arena, cv_str_z(domain));
	s->body_hash = EVP_MD_CTX_new();
	if (!s->body_hash || EVP_DigestInit_ex(s->body_hash, EVP_sha256(), NULL) != 1)
		cv_die("no memory for a digest");
	*out = s;
	return CV_OK;
}

void
spam_ed25519_free(struct spam_ed25519 *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->body_hash);
	EVP_PKEY_free(s->key);
	cv_arena_done(&s->arena);
	free(s->fields);
	free(s);
}

/* ---- header ---- */

/* Relaxed: unfolded, runs of blanks as one, none at the ends (RFC 6376 3.4.2). */
static void
put_relaxed(struct cv_buf *out, struct cv_str value)
{
	bool blank = false, any = false;

	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		if (c == '\r' || c == '\n')
			continue;
		if (c == ' ' || c == '\t') {
			blank = true;
			continue;
		}
		if (blank && any)
			cv_buf_c(out, ' ');
		blank = false;
		any = true;
		cv_buf_c(out, c);
	}
}

void
spam_ed25519_header(struct spam_ed25519 *s, struct cv_str name, struct cv_str value)
{
	struct cv_buf text = CV_BUF_INIT(SIGNED_MAX);

	for (size_t i = 0; i < name.n; i++)
		cv_buf_c(&text, (char)cv_lower((unsigned char)name.p[i]));
	cv_buf_c(&text, ':');
	put_relaxed(&text, value);
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 32;
		s->fields = cv_realloc(s->fields, s->room * sizeof *s->fields);
	}
	struct cv_str canonical = cv_arena_str(&s->arena, cv_buf_view(&text));
	s->fields[s->count++] = (struct stored_field){
		.name = cv_str_sub(canonical, 0, name.n), .canonical = canonical};
	cv_buf_done(&text);
}

/* The last field NAME not yet signed, or NULL. */
static struct stored_field *
take_field(struct spam_ed25519 *s, const char *name)
{
	for (size_t i = s->count; i > 0; i--) {
		struct stored_field *f = &s->fields[i - 1];
		if (!f->used && cv_str_ieq_z(f->name, name)) {
			f->used = true;
			return f;
		}
	}
	return NULL;
}

static bool
is_in(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

/* Writes h= into NAMES and what is hashed for it into DATA. */
static void
choose_fields(struct spam_ed25519 *s, const char *const *fields, const char *const *oversigned,
	struct cv_buf *names, struct cv_buf *data)
{
	size_t column = 2;

	for (const char *const *name = fields; *name; name++) {
		struct stored_field *f;
		do {
			f = take_field(s, *name);
			if (!f && !is_in(oversigned, *name))
				break;
			if (column + strlen(*name) > FOLD_AT) {
				cv_buf_z(names, "\n\t ");
				column = 9;
			}
			column += strlen(*name) + 1;
			cv_buf_printf(names, "%s:", *name);
			if (f)
				cv_buf_printf(
					data, "%.*s\r\n", (int)f->canonical.n, f->canonical.p);
		} while (f);
	}
	if (names->n)
		names->p[--names->n] = '\0';
}

/* ---- body ---- */

static void
flush(struct spam_ed25519 *s)
{
	if (EVP_DigestUpdate(s->body_hash, s->held, s->held_bytes) != 1)
		cv_die("a digest failed");
	s->held_bytes = 0;
}

static void
hash_octet(struct spam_ed25519 *s, char c)
{
	if (s->held_bytes == sizeof s->held)
		flush(s);
	s->held[s->held_bytes++] = (unsigned char)c;
}

static void
hash_line_end(struct spam_ed25519 *s)
{
	hash_octet(s, '\r');
	hash_octet(s, '\n');
}

/* An octet that stays: what was held back before it stays too. */
static void
take_octet(struct spam_ed25519 *s, char c)
{
	for (; s->empty_lines; s->empty_lines--)
		hash_line_end(s);
	if (s->has_blank)
		hash_octet(s, ' ');
	s->has_blank = false;
	s->in_line = s->has_content = true;
	hash_octet(s, c);
}

void
spam_ed25519_body(struct spam_ed25519 *s, struct cv_str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];
		if (s->has_cr && c == '\n') {
			s->has_cr = s->has_blank = s->in_line = false;
			s->empty_lines++;
			continue;
		}
		if (s->has_cr) /* a CR by itself is an octet like others */
			take_octet(s, '\r');
		s->has_cr = c == '\r';
		if (c == ' ' || c == '\t')
			s->has_blank = true;
		else if (c != '\r')
			take_octet(s, c);
	}
}

/* ---- the signature ---- */

static void
put_base64(struct cv_buf *out, const unsigned char *bytes, size_t n)
{
	cv_base64_encode(cv_str((const char *)bytes, n), out);
}

static void
hash_body(struct spam_ed25519 *s, unsigned char hash[HASH_BYTES])
{
	if (s->has_content)
		hash_line_end(s);
	flush(s);
	if (EVP_DigestFinal_ex(s->body_hash, hash, NULL) != 1)
		cv_die("a digest failed");
}

static bool
sign(struct spam_ed25519 *s, struct cv_str data, unsigned char signature[64])
{
	unsigned char hash[HASH_BYTES];
	size_t n = 64;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_Digest(data.p, data.n, hash, NULL, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->key) == 1 &&
		    EVP_DigestSign(ctx, signature, &n, hash, sizeof hash) == 1 && n == 64;

	EVP_MD_CTX_free(ctx);
	return good;
}

enum cv_status
spam_ed25519_write(struct spam_ed25519 *s, const char *const *fields, const char *const *oversigned,
	struct cv_buf *out, struct cv_err *err)
{
	struct cv_buf names = CV_BUF_INIT(64u << 10), data = CV_BUF_INIT(SIGNED_MAX);
	struct cv_buf value = CV_BUF_INIT(64u << 10);
	unsigned char hash[HASH_BYTES], signature[64];

	choose_fields(s, fields, oversigned, &names, &data);
	hash_body(s, hash);
	cv_buf_printf(&value,
		"v=1; a=ed25519-sha256; c=relaxed/relaxed; d=%s;\n\ts=%s; t=%lld;\n\tbh=",
		s->domain, s->selector, (long long)cv_wall_secs());
	put_base64(&value, hash, sizeof hash);
	cv_buf_z(&value, ";\n\th=");
	cv_buf_str(&value, cv_buf_view(&names));
	cv_buf_z(&value, ";\n\tb=");
	cv_buf_z(&data, "dkim-signature:");
	put_relaxed(&data, cv_buf_view(&value));
	bool good =
		!names.full && !data.full && !value.full && sign(s, cv_buf_view(&data), signature);
	if (good) {
		cv_buf_str(out, cv_buf_view(&value));
		put_base64(out, signature, 45); /* whole groups: no padding inside */
		cv_buf_z(out, "\n\t ");
		put_base64(out, signature + 45, sizeof signature - 45);
	}
	cv_buf_done(&names);
	cv_buf_done(&data);
	cv_buf_done(&value);
	return good ? CV_OK : cv_fail(err, CV_INVALID, "cannot be signed with ed25519");
}
