/* tls.c - OpenSSL contexts: certificates, what is allowed, ticket keys, reload.
 *
 * A generation of certificates has one context, whose call-backs choose among the chains by the
 * name that the client asks for (tls_chains.c).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/base/str.h"
#include "common/net/tls_context.h"

#define TICKET_SECS (12 * 3600) /* a key makes tickets so long, and is accepted so long again */

/* TLS 1.2: forward secrecy, ECDSA before RSA, nothing with SHA-1. Servers of mail programs stop at
 * the authenticated suites. */
#define SUITES_AEAD                                                                                \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                             \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"   \
	"ECDHE-RSA-CHACHA20-POLY1305"
/* CBC at the end for old mail servers, whose other choice would be clear text. */
#define SUITES_CBC                                                                                 \
	":ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:"            \
	"ECDHE-RSA-AES256-SHA384"
/* Going out, to whatever is there. */
#define SUITES_OLD                                                                                 \
	":ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA"

struct ticket_key {
	unsigned char name[16], aes[32], hmac[32];
	int64_t made_ms; /* monotonic; 0: none */
};

struct cv_tls_server {
	pthread_mutex_t lock; /* over the next lines */
	struct cv_tls_server_options options; /* copies */
	struct cv_tls_set *set;
	struct ticket_key keys[2]; /* the one in use, the one before */
};

struct cv_tls_client {
	SSL_CTX *ctx;
	enum cv_tls_check check;
};

enum cv_status
cv_tls_fail(struct cv_err *err, enum cv_status status, const char *what)
{
	char text[160] = "no reason given";
	unsigned long code = ERR_get_error();
	if (code)
		ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return cv_fail(err, status, "%s: %s", what, text);
}

/* ---- session tickets ---- */

static void
make_key(struct ticket_key *k, int64_t now_ms)
{
	cv_random(k->name, sizeof(k->name));
	cv_random(k->aes, sizeof(k->aes));
	cv_random(k->hmac, sizeof(k->hmac));
	k->made_ms = now_ms;
}

static void
rotate_keys(struct cv_tls_server *t)
{
	int64_t now_ms = cv_mono_ms() + 1;
	if (t->keys[0].made_ms && now_ms - t->keys[0].made_ms < TICKET_SECS * 1000)
		return;
	t->keys[1] = t->keys[0];
	/* A key nobody used for two periods is not one to accept. */
	if (t->keys[1].made_ms && now_ms - t->keys[1].made_ms >= 2 * TICKET_SECS * 1000)
		cv_wipe(&t->keys[1], sizeof(t->keys[1]));
	make_key(&t->keys[0], now_ms);
}

/* The key to make a ticket with, or the one called NAME; 0 none, 1 the current one, 2 the old
 * one. */
static int
take_key(struct cv_tls_server *t, const unsigned char *name, struct ticket_key *out)
{
	int found = 0;
	pthread_mutex_lock(&t->lock);
	rotate_keys(t);
	for (int i = 0; i < 2 && !found; i++)
		if (t->keys[i].made_ms && (!name || !memcmp(name, t->keys[i].name, 16)))
			found = i + 1;
	if (found)
		*out = t->keys[found - 1];
	pthread_mutex_unlock(&t->lock);
	return found;
}

static int
on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
          EVP_MAC_CTX *mac, int make)
{
	struct cv_tls_server *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key key;
	int which = take_key(t, make ? NULL : name, &key);
	if (!which)
		return 0;
	if (make) {
		memcpy(name, key.name, sizeof(key.name));
		cv_random(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
	}
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.hmac, sizeof(key.hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end()};
	int ok = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv, make) == 1 &&
	         EVP_MAC_CTX_set_params(mac, params) == 1;
	cv_wipe(&key, sizeof(key));
	return ok ? which : -1;
}

/* ---- what servers and clients share ---- */

static bool
set_rules(SSL_CTX *ctx, const char *suites)
{
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Mail commands have ends of their own, so a missing close_notify is just an end. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_read_ahead(ctx, 1); /* one system call a record instead of two */
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, suites) == 1;
}

/* Lets the handshake go on; SSL_get_verify_result() keeps what was found. */
static int
accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

/* ---- servers ---- */

/* ARG is the one name we speak, of static life. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
        unsigned in_len, void *arg)
{
	const char *ours = arg;
	size_t want = strlen(ours);
	(void)ssl;
	for (unsigned i = 0; i + 1 <= in_len && i + 1 + in[i] <= in_len; i += 1u + in[i]) {
		if (in[i] != want || memcmp(in + i + 1, ours, want))
			continue;
		*out = in + i + 1;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A resumed session shows no certificate: the ticket keeps what its first handshake showed. */
static int
on_ticket_made(SSL *ssl, void *arg)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n;
	(void)arg;
	return !cv_tls_end_point(ssl, hash, &n) ||
	       SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), hash, n) == 1;
}

static SSL_TICKET_RETURN
on_ticket_taken(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_n,
                SSL_TICKET_STATUS status, void *arg)
{
	(void)ssl;
	(void)session;
	(void)name;
	(void)name_n;
	(void)arg;
	switch (status) {
	case SSL_TICKET_SUCCESS:
		return SSL_TICKET_RETURN_USE;
	case SSL_TICKET_SUCCESS_RENEW:
		return SSL_TICKET_RETURN_USE_RENEW;
	default:
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
}

/* Revocation lists among the authorities are there to be looked at. */
static void
heed_revocations(SSL_CTX *ctx)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++)
		if (X509_OBJECT_get_type(sk_X509_OBJECT_value(objects, i)) == X509_LU_CRL)
			X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}

static enum cv_status
ask_for_certificates(SSL_CTX *ctx, const char *client_ca, struct cv_err *err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(client_ca);
	if (!names || SSL_CTX_load_verify_file(ctx, client_ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return cv_tls_fail(err, CV_INVALID, client_ca);
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	heed_revocations(ctx);
	return CV_OK;
}

static enum cv_status
make_ctx(struct cv_tls_server *t, const struct cv_tls_server_options *o, struct cv_tls_set *set,
         struct cv_err *err)
{
	SSL_CTX *ctx = set->ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx || !set_rules(ctx, o->is_modern ? SUITES_AEAD : SUITES_AEAD SUITES_CBC))
		return cv_tls_fail(err, CV_TEMPFAIL, "cannot make a TLS context");
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_timeout(ctx, TICKET_SECS);
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, on_ticket_taken, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, cv_tls_on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, set);
	SSL_CTX_set_cert_cb(ctx, cv_tls_on_certificate, set);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"congvu", 6);
	if (set->alpn[0])
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, set->alpn);
	return o->client_ca ? ask_for_certificates(ctx, o->client_ca, err) : CV_OK;
}

static enum cv_status
load_set(struct cv_tls_server *t, const struct cv_tls_server_options *o,
         struct cv_tls_set **set_out, struct cv_err *err)
{
	struct cv_tls_set *set = cv_calloc(1, sizeof(*set));
	atomic_init(&set->refs, 1);
	snprintf(set->alpn, sizeof(set->alpn), "%s", o->alpn ? o->alpn : "");
	enum cv_status status = cv_tls_chains_load(set, o->cert_files ? o->cert_files : "",
		o->key_files ? o->key_files : "", err);
	if (!status)
		status = make_ctx(t, o, set, err);
	if (!status)
		status = cv_tls_chains_set_default(set, err);
	if (status)
		cv_tls_set_unref(set);
	else
		*set_out = set;
	return status;
}

static char *
copy_of(const char *text)
{
	return text ? cv_strdup(text) : NULL;
}

static struct cv_tls_server_options
copy_options(const struct cv_tls_server_options *o)
{
	return (struct cv_tls_server_options){
		.cert_files = copy_of(o->cert_files), .key_files = copy_of(o->key_files),
		.client_ca = copy_of(o->client_ca), .alpn = copy_of(o->alpn),
		.is_modern = o->is_modern,
	};
}

static void
free_options(struct cv_tls_server_options *o)
{
	free((char *)(uintptr_t)o->cert_files);
	free((char *)(uintptr_t)o->key_files);
	free((char *)(uintptr_t)o->client_ca);
	free((char *)(uintptr_t)o->alpn);
}

enum cv_status
cv_tls_server_new(const struct cv_tls_server_options *o, struct cv_tls_server **out,
                  struct cv_err *err)
{
	struct cv_tls_server *t = cv_calloc(1, sizeof(*t));
	pthread_mutex_init(&t->lock, NULL);
	enum cv_status status = cv_tls_server_configure(t, o, err);
	if (status)
		cv_tls_server_free(t);
	else
		*out = t;
	return status;
}

enum cv_status
cv_tls_server_configure(struct cv_tls_server *t, const struct cv_tls_server_options *o,
                        struct cv_err *err)
{
	struct cv_tls_set *set = NULL, *old;
	enum cv_status status = load_set(t, o, &set, err);
	if (status)
		return status;
	struct cv_tls_server_options copy = copy_options(o);
	pthread_mutex_lock(&t->lock);
	struct cv_tls_server_options old_options = t->options;
	t->options = copy;
	old = t->set;
	t->set = set;
	/* A ticket keeps what was found about its client's certificate; the new authorities and
	 * revocation lists may find otherwise. */
	if (o->client_ca || old_options.client_ca)
		cv_wipe(t->keys, sizeof(t->keys));
	pthread_mutex_unlock(&t->lock);
	free_options(&old_options);
	cv_tls_set_unref(old);
	return CV_OK;
}

enum cv_status
cv_tls_server_reload(struct cv_tls_server *t, struct cv_err *err)
{
	pthread_mutex_lock(&t->lock);
	struct cv_tls_server_options o = copy_options(&t->options);
	pthread_mutex_unlock(&t->lock);
	enum cv_status status = cv_tls_server_configure(t, &o, err);
	free_options(&o);
	return status;
}

void
cv_tls_server_free(struct cv_tls_server *t)
{
	if (!t)
		return;
	cv_tls_set_unref(t->set);
	cv_wipe(t->keys, sizeof(t->keys));
	pthread_mutex_destroy(&t->lock);
	free_options(&t->options);
	free(t);
}

struct cv_tls_set *
cv_tls_server_set(struct cv_tls_server *t)
{
	pthread_mutex_lock(&t->lock);
	struct cv_tls_set *set = t->set;
	atomic_fetch_add(&set->refs, 1);
	pthread_mutex_unlock(&t->lock);
	return set;
}

void
cv_tls_set_unref(struct cv_tls_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	SSL_CTX_free(set->ctx);
	cv_tls_chains_free(set);
	free(set);
}

/* ---- clients ---- */

enum cv_status
cv_tls_client_new(const char *ca_file, enum cv_tls_check check, struct cv_tls_client **out,
                  struct cv_err *err)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || !set_rules(ctx, SUITES_AEAD SUITES_CBC SUITES_OLD) ||
	    SSL_CTX_dane_enable(ctx) != 1) {
		SSL_CTX_free(ctx);
		return cv_tls_fail(err, CV_TEMPFAIL, "cannot make a TLS context");
	}
	if ((ca_file ? SSL_CTX_load_verify_file(ctx, ca_file)
	             : SSL_CTX_set_default_verify_paths(ctx)) != 1) {
		SSL_CTX_free(ctx);
		return cv_tls_fail(err, CV_INVALID,
		                   ca_file ? ca_file : "the system's certificates");
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, check == CV_TLS_VERIFY_NAME ? NULL : accept_any);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	struct cv_tls_client *t = cv_calloc(1, sizeof(*t));
	*t = (struct cv_tls_client){.ctx = ctx, .check = check};
	*out = t;
	return CV_OK;
}

void
cv_tls_client_free(struct cv_tls_client *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

SSL_CTX *
cv_tls_client_ctx(struct cv_tls_client *t)
{
	return t->ctx;
}

enum cv_tls_check
cv_tls_client_check(const struct cv_tls_client *t)
{
	return t->check;
}

/* ---- TLSA ---- */

bool
cv_tls_tlsa_read(struct cv_str rdata, struct cv_tls_tlsa *out)
{
	if (rdata.n < 4)
		return false;
	*out = (struct cv_tls_tlsa){.usage = (uint8_t)rdata.p[0],
	                            .selector = (uint8_t)rdata.p[1],
	                            .matching = (uint8_t)rdata.p[2],
	                            .data = cv_str_sub(rdata, 3, rdata.n)};
	return true;
}

/* A whole certificate or key, as matching type Full(0) has it. */
static bool
is_whole(const struct cv_tls_tlsa *t)
{
	const unsigned char *p = (const unsigned char *)t->data.p, *end = p + t->data.n;
	bool good;
	if (t->selector == 0) {
		X509 *cert = d2i_X509(NULL, &p, (long)t->data.n);
		good = cert != NULL;
		X509_free(cert);
	} else {
		EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)t->data.n);
		good = key != NULL;
		EVP_PKEY_free(key);
	}
	ERR_clear_error();
	return good && p == end;
}

bool
cv_tls_tlsa_is_usable(const struct cv_tls_tlsa *t)
{
	if ((t->usage != 2 && t->usage != 3) || t->selector > 1)
		return false;
	switch (t->matching) {
	case 0:
		return is_whole(t);
	case 1:
		return t->data.n == 32;
	case 2:
		return t->data.n == 64;
	default:
		return false;
	}
}
