/* key.c - see key.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/sig/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "spamfilter/sig/canon.h"
#include "spamfilter/sig/tags.h"

#define RECORD_MAX    8192
#define EXPONENT_BITS 64
#define ED25519_BYTES 32
#define SIGNATURE_MAX (SIG_KEY_BITS_MAX / 8)

const char *
sig_key_words(enum sig_key_state state)
{
	static const char *const words[] = {
		[SIG_KEY_GOOD] = "",
		[SIG_KEY_TEMPFAIL] = "key could not be fetched",
		[SIG_KEY_ABSENT] = "no key for signature",
		[SIG_KEY_SEVERAL] = "several key records",
		[SIG_KEY_MALFORMED] = "key record malformed",
		[SIG_KEY_REVOKED] = "key revoked",
		[SIG_KEY_UNFIT] = "key not for this use",
		[SIG_KEY_UNKNOWN] = "key of another type",
		[SIG_KEY_UNDECODABLE] = "key cannot be decoded",
		[SIG_KEY_SMALL] = "key below 1024 bits",
		[SIG_KEY_LARGE] = "key above 4096 bits",
	};

	return words[state];
}

/* ---- reading ---- */

static enum sig_key_state
check_rsa(EVP_PKEY *key)
{
	BIGNUM *e = NULL;

	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return SIG_KEY_UNDECODABLE;
	int bits = BN_num_bits(e);
	bool is_odd = BN_is_odd(e);
	BN_free(e);
	if (bits > EXPONENT_BITS || bits < 2 || !is_odd)
		return SIG_KEY_UNDECODABLE;
	if (EVP_PKEY_get_bits(key) < SIG_KEY_BITS_MIN)
		return SIG_KEY_SMALL;
	return EVP_PKEY_get_bits(key) > SIG_KEY_BITS_MAX ? SIG_KEY_LARGE : SIG_KEY_GOOD;
}

/* A SubjectPublicKeyInfo, as everybody publishes it, or the RSAPublicKey that RFC 6376 speaks of.
 */
static enum sig_key_state
read_rsa(struct cv_str der, EVP_PKEY **out)
{
	const unsigned char *p = (const unsigned char *)der.p;
	/* What cannot be in bounds is not even decoded. */
	if (der.n > 1200)
		return SIG_KEY_LARGE;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)der.n);

	if (!key) {
		p = (const unsigned char *)der.p;
		key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)der.n);
	}
	if (!key || p != (const unsigned char *)der.p + der.n) {
		EVP_PKEY_free(key);
		return SIG_KEY_UNDECODABLE;
	}
	enum sig_key_state state = check_rsa(key);
	if (state == SIG_KEY_GOOD)
		*out = key;
	else
		EVP_PKEY_free(key);
	return state;
}

static enum sig_key_state
read_ed25519(struct cv_str raw, EVP_PKEY **out)
{
	if (raw.n == ED25519_BYTES)
		*out = EVP_PKEY_new_raw_public_key(
			EVP_PKEY_ED25519, NULL, (const unsigned char *)raw.p, raw.n);
	return *out ? SIG_KEY_GOOD : SIG_KEY_UNDECODABLE;
}

static enum sig_key_state
read_record(struct cv_arena *arena, struct cv_str text, struct sig_key *out)
{
	struct sig_tags tags;

	if (text.n > RECORD_MAX || !sig_tags_parse(text, &tags))
		return SIG_KEY_MALFORMED;
	const struct sig_tag *v = sig_tag_find(&tags, "v"), *p = sig_tag_find(&tags, "p");
	if (!p || (v && (v != &tags.tag[0] || !cv_str_eq_z(v->value, "DKIM1"))))
		return SIG_KEY_MALFORMED;
	if (!p->value.n)
		return SIG_KEY_REVOKED;
	struct cv_str use = sig_tag_value(&tags, "s", CV_STR("*"));
	struct cv_str hashes = sig_tag_value(&tags, "h", CV_STR("sha256"));
	if ((!sig_list_has(use, "*") && !sig_list_has(use, "email")) ||
		!sig_list_has(hashes, "sha256"))
		return SIG_KEY_UNFIT;
	struct cv_str kind = sig_tag_value(&tags, "k", CV_STR("rsa"));
	struct cv_str flags = sig_tag_value(&tags, "t", CV_STR(""));
	out->is_test = sig_list_has(flags, "y");
	out->is_strict = sig_list_has(flags, "s");
	out->is_ed25519 = cv_str_eq_z(kind, "ed25519");
	if (!out->is_ed25519 && !cv_str_eq_z(kind, "rsa"))
		return SIG_KEY_UNKNOWN;
	struct cv_str bytes = sig_base64(arena, p->value);
	if (!bytes.p)
		return SIG_KEY_UNDECODABLE;
	if (out->is_ed25519)
		return read_ed25519(bytes, &out->key);
	enum sig_key_state state = read_rsa(bytes, &out->key);
	if (state == SIG_KEY_GOOD)
		out->der = cv_str(cv_str_dup(bytes), bytes.n);
	return state;
}

static void
give_back(struct spam_parsed *p)
{
	sig_key_free(CV_CONTAINER(p, struct sig_key, parsed));
}

void
sig_key_free(struct sig_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->key);
	free((char *)(uintptr_t)key->der.p);
	free(key);
}

struct sig_key *
sig_key_parse(struct cv_str record)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct sig_key *key = cv_calloc(1, sizeof *key);

	key->parsed.give_back = give_back;
	key->state = read_record(&arena, record, key);
	cv_arena_done(&arena);
	return key;
}

/* What needs no reading, by its state. */
static const struct sig_key *
stateless(enum sig_key_state state)
{
	static const struct sig_key keys[] = {
		[SIG_KEY_TEMPFAIL] = {.state = SIG_KEY_TEMPFAIL},
		[SIG_KEY_ABSENT] = {.state = SIG_KEY_ABSENT},
		[SIG_KEY_SEVERAL] = {.state = SIG_KEY_SEVERAL},
	};

	return &keys[state];
}

const struct sig_key *
sig_key_fetch(struct spam_lookups *lookups, const char *name, struct spam_answer **hold)
{
	struct spam_answer *a = *hold = spam_ask(lookups, name, CV_DNS_TXT);

	if (a->dns->state == CV_DNS_TEMPFAIL || a->dns->state == CV_DNS_BOGUS)
		return stateless(SIG_KEY_TEMPFAIL);
	if (!a->dns->count)
		return stateless(SIG_KEY_ABSENT);
	if (a->dns->count > 1)
		return stateless(SIG_KEY_SEVERAL);
	struct spam_parsed *kept = atomic_load(&a->parsed);
	if (!kept)
		kept = spam_answer_keep(a, &sig_key_parse(a->dns->records[0].rdata)->parsed);
	return CV_CONTAINER(kept, struct sig_key, parsed);
}

/* ---- verifying ---- */

static bool
verify_rsa(EVP_PKEY *key, const unsigned char hash[SIG_HASH_BYTES], struct cv_str signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool good = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
		    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(ctx, sig_sha256()) == 1 &&
		    EVP_PKEY_verify(ctx, (const unsigned char *)signature.p, signature.n, hash,
			    SIG_HASH_BYTES) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

static bool
verify_ed25519(EVP_PKEY *key, const unsigned char hash[SIG_HASH_BYTES], struct cv_str signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n, hash,
			    SIG_HASH_BYTES) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

bool
sig_key_verify(const struct sig_key *key, const unsigned char hash[32], struct cv_str signature)
{
	assert(key->state == SIG_KEY_GOOD);
	if (!signature.n || signature.n > SIGNATURE_MAX)
		return false;
	return key->is_ed25519 ? verify_ed25519(key->key, hash, signature)
			       : verify_rsa(key->key, hash, signature);
}
