/* opendkim.c - see opendkim.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/opendkim.h"

#include <dlfcn.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sys/types.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <opendkim/dkim.h>
#pragma GCC diagnostic pop

#include "common/base/list.h"

#define FIELD_NAME "DKIM-Signature: "
#define FIELD_MAX  (2u << 20)
#define RECORD_MAX 8192

struct spam_opendkim {
	DKIM *handle;          /* NULL: it could not be made */
	struct cv_link memory; /* everything libopendkim took for this message */
	struct cv_buf field;
	spam_opendkim_key_fn *key;
	void *arg;
	const struct sig_key *public; /* the one it was given last */
	const char *pem;              /* of a signer */
	EVP_PKEY *private;
	bool is_signer, is_dead;
	DKIM_STAT failed; /* why it is dead */
	DKIM_SIGINFO **sigs;
	int count;
};

/* ---- memory: libopendkim forgets some of what it takes ---- */

struct block {
	struct cv_link link;
	max_align_t data[];
};

static void *
take_memory(void *closure, size_t n)
{
	struct cv_link *list = closure;
	struct block *b = malloc(sizeof *b + n);

	if (!b)
		return NULL;
	if (list)
		cv_list_append(list, &b->link);
	else
		cv_list_init(&b->link);
	return b->data;
}

static void
give_memory(void *closure, void *p)
{
	(void)closure;
	if (!p)
		return;
	struct block *b = CV_CONTAINER(p, struct block, data);
	cv_list_remove(&b->link);
	free(b);
}

/* ---- keys ---- */

/* libopendkim reads the key of each message anew, which costs OpenSSL 3 more than the signature
 * does. It asks for that by d2i_PUBKEY_bio() and PEM_read_bio_PrivateKey(). These definitions stand
 * before libcrypto's, so its calls land here and are given the key that was read from the same
 * octets before, held once more. Everybody else, and any other octets, go on to libcrypto. */
static _Thread_local struct spam_opendkim *now;
static EVP_PKEY *(*real_public)(BIO *, EVP_PKEY **);
static EVP_PKEY *(*real_private)(BIO *, EVP_PKEY **, pem_password_cb *, void *);

static void
find_real(void)
{
	*(void **)(void *)&real_public = dlsym(RTLD_NEXT, "d2i_PUBKEY_bio");
	*(void **)(void *)&real_private = dlsym(RTLD_NEXT, "PEM_read_bio_PrivateKey");
	if (!real_public || !real_private)
		cv_die("libcrypto reads no keys");
}

static void
need_real(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, find_real);
}

static bool
holds(BIO *bio, struct cv_str want)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	return want.n && n > 0 && cv_str_eq(cv_str(p, (size_t)n), want);
}

EVP_PKEY *
d2i_PUBKEY_bio(BIO *bio, EVP_PKEY **out)
{
	const struct sig_key *key = now ? now->public : NULL;

	need_real();
	if (!key || out || !holds(bio, key->der) || EVP_PKEY_up_ref(key->key) != 1)
		return real_public(bio, out);
	return key->key;
}

EVP_PKEY *
PEM_read_bio_PrivateKey(BIO *bio, EVP_PKEY **out, pem_password_cb *password, void *arg)
{
	need_real();
	if (!now || !now->private || out || !holds(bio, cv_str_z(now->pem)) ||
		EVP_PKEY_up_ref(now->private) != 1)
		return real_private(bio, out, password, arg);
	return now->private;
}

/* ---- the library, one for the process ---- */

static DKIM_LIB *lib;

static DKIM_CBSTAT
look_up_key(DKIM *handle, DKIM_SIGINFO *sig, u_char *buf, size_t n)
{
	struct spam_opendkim *o = dkim_get_user_context(handle);
	struct cv_buf text = CV_BUF_INIT(RECORD_MAX);
	char name[600];

	snprintf(name, sizeof name, "%s._domainkey.%s", (const char *)dkim_sig_getselector(sig),
		(const char *)dkim_sig_getdomain(sig));
	bool good = o->key(o->arg, name, &text, &o->public) && text.n < n &&
		    !memchr(text.p, '\0', text.n);
	if (good) {
		memcpy(buf, text.p, text.n);
		buf[text.n] = '\0';
	}
	cv_buf_done(&text);
	return good ? DKIM_CBSTAT_CONTINUE : DKIM_CBSTAT_NOTFOUND;
}

static void
open_library(void)
{
	unsigned bits = SIG_KEY_BITS_MIN;
	uint64_t skew = SIG_SKEW_SECS;

	lib = dkim_init(take_memory, give_memory);
	if (!lib ||
		dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits) !=
			DKIM_STAT_OK ||
		dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &skew, sizeof skew) !=
			DKIM_STAT_OK ||
		dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_SIGNHDRS,
			(void *)(uintptr_t)spam_dkim_signed_fields,
			sizeof(u_char **)) != DKIM_STAT_OK ||
		dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_OVERSIGNHDRS,
			(void *)(uintptr_t)spam_dkim_oversigned,
			sizeof(u_char **)) != DKIM_STAT_OK ||
		dkim_set_key_lookup(lib, look_up_key) != DKIM_STAT_OK)
		cv_die("libopendkim does not start");
}

/* ---- handles ---- */

static struct spam_opendkim *
handle_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct spam_opendkim *o = cv_calloc(1, sizeof *o);

	pthread_once(&once, open_library);
	cv_list_init(&o->memory);
	cv_buf_init(&o->field, FIELD_MAX);
	return o;
}

static struct spam_opendkim *
handle_ready(struct spam_opendkim *o, DKIM_STAT status)
{
	if (o->handle) {
		dkim_set_user_context(o->handle, o);
	} else {
		o->is_dead = true;
		o->failed = status;
	}
	return o;
}

struct spam_opendkim *
spam_opendkim_verifier(spam_opendkim_key_fn *key, void *arg)
{
	struct spam_opendkim *o = handle_new();
	DKIM_STAT status = DKIM_STAT_INTERNAL;

	o->key = key;
	o->arg = arg;
	o->handle = dkim_verify(lib, (const u_char *)"-", &o->memory, &status);
	return handle_ready(o, status);
}

struct spam_opendkim *
spam_opendkim_signer(const char *pem, EVP_PKEY *private, const char *selector, const char *domain)
{
	struct spam_opendkim *o = handle_new();
	DKIM_STAT status = DKIM_STAT_INTERNAL;
	dkim_sigkey_t key = (dkim_sigkey_t)(uintptr_t)pem; /* copied, not changed */

	o->is_signer = true;
	o->pem = pem;
	o->private = private;
	now = o;
	o->handle = dkim_sign(lib, (const u_char *)"-", &o->memory, key, (const u_char *)selector,
		(const u_char *)domain, DKIM_CANON_RELAXED, DKIM_CANON_RELAXED, DKIM_SIGN_RSASHA256,
		-1, &status);
	now = NULL;
	return handle_ready(o, status);
}

void
spam_opendkim_free(struct spam_opendkim *o)
{
	if (!o)
		return;
	if (o->handle)
		dkim_free(o->handle);
	CV_LIST_EACH (link, next, &o->memory)
		give_memory(NULL, CV_CONTAINER(link, struct block, link)->data);
	cv_buf_done(&o->field);
	free(o);
}

static void
note(struct spam_opendkim *o, DKIM_STAT status)
{
	if (status == DKIM_STAT_OK || o->is_dead)
		return;
	o->is_dead = true;
	o->failed = status;
}

void
spam_opendkim_header(struct spam_opendkim *o, const struct sig_field *field)
{
	if (o->is_dead)
		return;
	cv_buf_reset(&o->field);
	sig_canon_field(field, false, SIZE_MAX, SIZE_MAX, &o->field);
	if (o->field.full)
		note(o, DKIM_STAT_NORESOURCE);
	else /* what DKIM cannot take as a field is no field to a verifier elsewhere either */
		(void)dkim_header(o->handle, (u_char *)o->field.p, o->field.n);
}

void
spam_opendkim_eoh(struct spam_opendkim *o)
{
	now = o;
	if (!o->is_dead)
		note(o, dkim_eoh(o->handle)); /* asks for keys already */
	now = NULL;
}

void
spam_opendkim_body(struct spam_opendkim *o, struct cv_str bytes)
{
	if (!o->is_dead)
		note(o, dkim_body(o->handle, (u_char *)(uintptr_t)bytes.p, bytes.n));
}

void
spam_opendkim_end(struct spam_opendkim *o)
{
	if (o->is_dead)
		return;
	now = o;
	DKIM_STAT status = dkim_eom(o->handle, NULL);
	now = NULL;
	if (o->is_signer)
		note(o, status);
	else if (dkim_getsiglist(o->handle, &o->sigs, &o->count) != DKIM_STAT_OK)
		o->count = 0;
}

/* ---- opinions ---- */

static bool
has_tag(DKIM_SIGINFO *info, const char *tag, struct cv_str want)
{
	const u_char *value = dkim_sig_gettagvalue(info, false, (u_char *)(uintptr_t)tag);
	struct cv_arena arena = CV_ARENA_INIT;
	bool same = value && cv_str_ieq(sig_without_blanks(&arena, cv_str_z((const char *)value)),
				     sig_without_blanks(&arena, want));

	cv_arena_done(&arena);
	return same;
}

/* Ours among its: by what each signature has alone, and by whose it says it is: the b= of a good
 * one may be copied into a field that names another domain. */
static DKIM_SIGINFO *
find(const struct spam_opendkim *o, const struct sig *sig)
{
	for (int i = 0; i < o->count; i++)
		if (has_tag(o->sigs[i], "b", sig->signature_text) &&
			has_tag(o->sigs[i], "d", sig->domain_text) &&
			has_tag(o->sigs[i], "s", sig->selector_text) &&
			has_tag(o->sigs[i], "h", sig->names) &&
			has_tag(o->sigs[i], "a", sig->alg_text))
			return o->sigs[i];
	return NULL;
}

enum spam_opendkim_opinion
spam_opendkim_opinion(struct spam_opendkim *o, const struct sig *sig, const char **why_out)
{
	ssize_t body = 0, hashed = 0, limit = 0;
	DKIM_SIGINFO *info = find(o, sig);

	*why_out = "signature does not match";
	if (!info) {
		*why_out = "no signature to libopendkim";
		return SPAM_OPENDKIM_BAD;
	}
	/* eom stops at the first that passes */
	now = o;
	if (!o->is_dead && !(dkim_sig_getflags(info) & DKIM_SIGFLAG_PROCESSED))
		(void)dkim_sig_process(o->handle, info);
	now = NULL;
	int error = dkim_sig_geterror(info);
	if (dkim_sig_getcanonlen(o->handle, info, &body, &hashed, &limit) != DKIM_STAT_OK)
		return SPAM_OPENDKIM_BAD;
	if (error == DKIM_SIGERROR_TOOLARGE_L || (limit >= 0 && limit > body))
		return SPAM_OPENDKIM_SHORT;
	if (dkim_sig_getbh(info) == DKIM_SIGBH_MISMATCH)
		return SPAM_OPENDKIM_BODY;
	if ((dkim_sig_getflags(info) & DKIM_SIGFLAG_PASSED) &&
		dkim_sig_getbh(info) == DKIM_SIGBH_MATCH)
		return limit >= 0 && limit < body ? SPAM_OPENDKIM_PARTLY : SPAM_OPENDKIM_GOOD;
	if (error != DKIM_SIGERROR_BADSIG && error != DKIM_SIGERROR_OK &&
		error != DKIM_SIGERROR_UNKNOWN && dkim_sig_geterrorstr(error))
		*why_out = dkim_sig_geterrorstr(error);
	return SPAM_OPENDKIM_BAD;
}

enum cv_status
spam_opendkim_write(struct spam_opendkim *o, struct cv_buf *out, struct cv_err *err)
{
	u_char *text;
	size_t n;

	assert(o->is_signer);
	if (!o->is_dead)
		note(o, dkim_getsighdr_d(o->handle, sizeof FIELD_NAME - 1, &text, &n));
	if (o->is_dead) {
		const char *why = o->handle ? dkim_geterror(o->handle) : NULL;
		return cv_fail(err, CV_INVALID, "%s (%s)", dkim_getresultstr(o->failed),
			why ? why : "no more is known");
	}
	for (size_t i = 0; i < n && text[i]; i++)
		if (text[i] != '\r')
			cv_buf_c(out, (char)text[i]);
	return CV_OK;
}
