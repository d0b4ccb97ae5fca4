/* dkim_sign.c - writing signatures, relaxed/relaxed: RSA by libopendkim, ed25519 by OpenSSL alone,
 * because libopendkim forgets a key for each of these (docs/adr/0021). See dkim.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/base/clock.h"
#include "common/text/encode.h"
#include "spamfilter/dkim_impl.h"

#define SIGNED_MAX    (2u << 20)
#define SIGNATURE_MAX (SIG_KEY_BITS_MAX / 8)
#define FOLD_AT       70

struct spam_dkim_key {
	EVP_PKEY *key;
	char *pem; /* of RSA: libopendkim wants it */
	enum spam_dkim_alg alg;
};

const char *const spam_dkim_signed_fields[] = {"From", "Sender", "Reply-To", "To", "Cc", "Subject",
	"Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
	"Resent-From", "Resent-To", "Resent-Date", NULL};
/* Named once more than they occur, so that nobody adds one. */
const char *const spam_dkim_oversigned[] = {
	"From", "To", "Cc", "Subject", "Date", "Reply-To", "MIME-Version", "Content-Type", NULL};

/* ---- keys ---- */

enum cv_status
spam_dkim_key_read(
	const char *pem, enum spam_dkim_alg alg, struct spam_dkim_key **out, struct cv_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	int want = alg == SPAM_RSA_SHA256 ? EVP_PKEY_RSA : EVP_PKEY_ED25519;
	int bits = key ? EVP_PKEY_get_bits(key) : 0;

	BIO_free(bio);
	if (!key || EVP_PKEY_get_base_id(key) != want ||
		(alg == SPAM_RSA_SHA256 && (bits < SIG_KEY_BITS_MIN || bits > SIG_KEY_BITS_MAX))) {
		EVP_PKEY_free(key);
		return cv_fail(err, CV_INVALID, "no %s private key",
			alg == SPAM_RSA_SHA256 ? "RSA" : "ed25519");
	}
	*out = cv_calloc(1, sizeof **out);
	(*out)->alg = alg;
	(*out)->key = key;
	if (alg == SPAM_RSA_SHA256)
		(*out)->pem = cv_strdup(pem);
	return CV_OK;
}

void
spam_dkim_key_free(struct spam_dkim_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->key);
	if (key->pem)
		cv_wipe(key->pem, strlen(key->pem));
	free(key->pem);
	free(key);
}

struct spam_dkim_stream *
spam_dkim_signer(const struct spam_dkim_key *key, const char *selector, const char *domain)
{
	struct spam_dkim_stream *s = dkim_stream_new();

	s->key = key;
	s->selector = cv_arena_z(&s->arena, cv_str_z(selector));
	s->domain = cv_arena_z(&s->arena, cv_str_z(domain));
	if (key->alg == SPAM_RSA_SHA256) {
		s->lib = spam_opendkim_signer(key->pem, key->key, s->selector, s->domain);
	} else {
		sig_body_init(&s->hash, true, UINT64_MAX);
		s->has_hash = true;
	}
	return s;
}

/* ---- the signature ---- */

static bool
is_in(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

/* Writes the names for h= into OUT: each as often as it occurs, some once more. */
static void
write_names(const struct spam_dkim_stream *s, struct cv_buf *out)
{
	size_t column = 2;

	for (const char *const *name = spam_dkim_signed_fields; *name; name++) {
		size_t times = is_in(spam_dkim_oversigned, *name);
		for (size_t i = 0; i < s->count; i++)
			times += cv_str_ieq_z(cv_str_trim(s->fields[i].name), *name);
		for (; times; times--) {
			if (column + strlen(*name) > FOLD_AT) {
				cv_buf_z(out, "\n\t ");
				column = 9;
			}
			column += strlen(*name) + 1;
			cv_buf_printf(out, "%s:", *name);
		}
	}
	if (out->n)
		out->p[--out->n] = '\0';
}

static void
write_base64(const unsigned char *bytes, size_t n, struct cv_buf *out)
{
	for (size_t at = 0; at < n; at += 48) { /* whole groups: no padding inside */
		cv_buf_z(out, at ? "\n\t " : "");
		cv_base64_encode(cv_str((const char *)bytes + at, CV_MIN(n - at, 48)), out);
	}
}

static bool
sign_ed25519(EVP_PKEY *key, const unsigned char *hash, unsigned char *signature, size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestSign(ctx, signature, n, hash, SIG_HASH_BYTES) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

/* All of the field but b='s value. */
static void
write_tags(struct spam_dkim_stream *s, struct cv_str names, struct cv_buf *out)
{
	unsigned char hash[SIG_HASH_BYTES];

	sig_body_end(&s->hash, hash);
	cv_buf_printf(out,
		"v=1; a=ed25519-sha256; c=relaxed/relaxed; d=%s;\n\ts=%s; t=%lld;\n\tbh=",
		s->domain, s->selector, (long long)cv_wall_secs());
	cv_base64_encode(cv_str((const char *)hash, SIG_HASH_BYTES), out);
	cv_buf_z(out, ";\n\th=");
	cv_buf_str(out, names);
	cv_buf_z(out, ";\n\tb=");
}

static enum cv_status
write_ed25519(struct spam_dkim_stream *s, struct cv_buf *out, struct cv_err *err)
{
	struct cv_buf names = CV_BUF_INIT(64u << 10), value = CV_BUF_INIT(128u << 10);
	unsigned char hash[SIG_HASH_BYTES], signature[SIGNATURE_MAX];
	size_t n = sizeof signature;

	write_names(s, &names);
	write_tags(s, cv_buf_view(&names), &value);
	struct sig sig = {.relaxed_header = true, .names = cv_buf_view(&names)};
	struct sig_field self = {CV_STR("DKIM-Signature"), cv_buf_view(&value)};
	sig.cut_from = sig.cut_to = value.n;
	bool good = !names.full && !value.full &&
		    sig_header_hash(&sig, s->fields, s->count, &self, hash) &&
		    sign_ed25519(s->key->key, hash, signature, &n);
	if (good) {
		cv_buf_str(out, cv_buf_view(&value));
		write_base64(signature, n, out);
	}
	cv_buf_done(&names);
	cv_buf_done(&value);
	return good ? CV_OK : cv_fail(err, CV_INVALID, "the message cannot be signed");
}

enum cv_status
spam_dkim_signature_write(struct spam_dkim_stream *s, struct cv_buf *out, struct cv_err *err)
{
	assert(s->ended && s->key);
	return s->lib ? spam_opendkim_write(s->lib, out, err) : write_ed25519(s, out, err);
}
