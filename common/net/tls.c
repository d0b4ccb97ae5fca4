/* tls.c - OpenSSL contexts: certificates, what is allowed, ticket keys, reload.
 *
 * Certificates for other host names than the first one's get contexts of their own, chosen by SNI;
 * an ECDSA and an RSA certificate for the same name share one, and ECDSA is preferred.
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

#define CERTS_MAX 64
#define TICKET_SECS (12 * 3600) /* a key makes tickets so long, and is accepted so long again */

/* TLS 1.2: forward secrecy and ECDSA before RSA. CBC at the end for old mail servers, whose other
 * choice would be clear text. */
static const char tls12_ciphers[] =
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:"
	"ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA:"
	"ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:"
	"ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA";

struct ticket_key {
	unsigned char name[16], aes[32], hmac[32];
	int64_t made_ms; /* monotonic; 0: none */
};

struct cv_tls_server {
	char *cert_files, *key_files, *client_ca, *alpn;
	pthread_mutex_t lock; /* over the next lines */
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
set_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Mail commands have ends of their own, so a missing close_notify is just an end. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_read_ahead(ctx, 1); /* one system call a record instead of two */
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, tls12_ciphers) == 1;
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

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
        unsigned in_len, void *arg)
{
	const struct cv_tls_server *t = arg;
	size_t want = strlen(t->alpn);
	(void)ssl;
	for (unsigned i = 0; i + 1 <= in_len && i + 1 + in[i] <= in_len; i += 1u + in[i]) {
		if (in[i] != want || memcmp(in + i + 1, t->alpn, want))
			continue;
		*out = in + i + 1;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	const struct cv_tls_set *set = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;
	if (!name)
		return SSL_TLSEXT_ERR_NOACK;
	for (unsigned i = 0; i < set->count; i++) {
		X509 *cert = SSL_CTX_get0_certificate(set->ctx[i]);
		if (cert && X509_check_host(cert, name, 0, 0, NULL) == 1) {
			if (i)
				SSL_set_SSL_CTX(ssl, set->ctx[i]);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK; /* an unknown name is served with the default, as SMTP peers
				      * expect */
}

static SSL_CTX *
new_server_ctx(struct cv_tls_server *t, struct cv_tls_set *set, struct cv_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx || !set_rules(ctx)) {
		SSL_CTX_free(ctx);
		(void)cv_tls_fail(err, CV_TEMPFAIL, "cannot make a TLS context");
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, set);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"congvu", 6);
	if (t->alpn)
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, t);
	if (!t->client_ca)
		return ctx;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(t->client_ca);
	if (!names || SSL_CTX_load_verify_file(ctx, t->client_ca) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		SSL_CTX_free(ctx);
		(void)cv_tls_fail(err, CV_INVALID, t->client_ca);
		return NULL;
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	return ctx;
}

static X509 *
read_first_cert(const char *path, struct cv_err *err)
{
	BIO *bio = BIO_new_file(path, "r");
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	if (!cert)
		(void)cv_tls_fail(err, CV_INVALID, path);
	return cert;
}

static bool
first_name(X509 *cert, char *out, size_t n)
{
	bool found = false;
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		if (g->type != GEN_DNS)
			continue;
		found = (size_t)ASN1_STRING_length(g->d.dNSName) < n;
		if (found)
			snprintf(out, n, "%.*s", ASN1_STRING_length(g->d.dNSName),
			         (const char *)ASN1_STRING_get0_data(g->d.dNSName));
	}
	GENERAL_NAMES_free(names);
	return found || X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out,
	                                          (int)n) > 0;
}

/* The context that already serves CERT's name with a key of another kind, or SET->count. */
static unsigned
find_place(const struct cv_tls_set *set, X509 *cert, const int types[])
{
	char name[256];
	if (!first_name(cert, name, sizeof(name)))
		return set->count;
	for (unsigned i = 0; i < set->count; i++) {
		X509 *other = SSL_CTX_get0_certificate(set->ctx[i]);
		int type = EVP_PKEY_get_base_id(X509_get0_pubkey(cert));
		if (types[i] != type && X509_check_host(other, name, 0, 0, NULL) == 1)
			return i;
	}
	return set->count;
}

static enum cv_status
add_pair(struct cv_tls_server *t, struct cv_tls_set *set, int types[], const char *cert_file,
         const char *key_file, struct cv_err *err)
{
	X509 *cert = read_first_cert(cert_file, err);
	if (!cert)
		return CV_INVALID;
	int type = EVP_PKEY_get_base_id(X509_get0_pubkey(cert));
	unsigned i = find_place(set, cert, types);
	X509_free(cert);
	if (i == set->count) {
		SSL_CTX *ctx = new_server_ctx(t, set, err);
		if (!ctx)
			return CV_INVALID;
		types[i] = type;
		set->ctx[set->count++] = ctx;
	}
	if (SSL_CTX_use_certificate_chain_file(set->ctx[i], cert_file) != 1)
		return cv_tls_fail(err, CV_INVALID, cert_file);
	if (SSL_CTX_use_PrivateKey_file(set->ctx[i], key_file, SSL_FILETYPE_PEM) != 1)
		return cv_tls_fail(err, CV_INVALID, key_file);
	if (SSL_CTX_check_private_key(set->ctx[i]) != 1)
		return cv_tls_fail(err, CV_INVALID, "certificate and key do not belong together");
	return CV_OK;
}

/* The next word of *REST in a C string, or NULL. The caller frees it. */
static char *
next_word(struct cv_str *rest)
{
	struct cv_str word;
	*rest = cv_str_trim(*rest);
	if (!rest->n)
		return NULL;
	cv_str_split(rest, ' ', &word);
	return cv_str_dup(word);
}

static enum cv_status
load_set(struct cv_tls_server *t, struct cv_tls_set **set_out, struct cv_err *err)
{
	struct cv_tls_set *set = cv_calloc(1, sizeof(*set) + CERTS_MAX * sizeof(set->ctx[0]));
	struct cv_str certs = cv_str_z(t->cert_files), keys = cv_str_z(t->key_files);
	int types[CERTS_MAX] = {0};
	enum cv_status status = CV_OK;
	unsigned pairs = 0;

	atomic_init(&set->refs, 1);
	ERR_clear_error();
	while (!status) {
		char *cert = next_word(&certs), *key = next_word(&keys);
		bool last = !cert && !key;
		if (last && !pairs)
			status = cv_fail(err, CV_INVALID, "no certificate files");
		else if (!last && (!cert || !key))
			status = cv_fail(err, CV_INVALID,
			                 "as many key files as certificate files needed");
		else if (!last && pairs++ == CERTS_MAX)
			status = cv_fail(err, CV_LIMIT, "more than %d certificates", CERTS_MAX);
		else if (!last)
			status = add_pair(t, set, types, cert, key, err);
		free(cert);
		free(key);
		if (last)
			break;
	}
	if (status)
		cv_tls_set_unref(set);
	else
		*set_out = set;
	return status;
}

enum cv_status
cv_tls_server_new(const struct cv_tls_server_options *o, struct cv_tls_server **out,
                  struct cv_err *err)
{
	struct cv_tls_server *t = cv_calloc(1, sizeof(*t));
	t->cert_files = cv_strdup(o->cert_files ? o->cert_files : "");
	t->key_files = cv_strdup(o->key_files ? o->key_files : "");
	t->client_ca = o->client_ca ? cv_strdup(o->client_ca) : NULL;
	t->alpn = o->alpn ? cv_strdup(o->alpn) : NULL;
	pthread_mutex_init(&t->lock, NULL);
	enum cv_status status = load_set(t, &t->set, err);
	if (status)
		cv_tls_server_free(t);
	else
		*out = t;
	return status;
}

enum cv_status
cv_tls_server_reload(struct cv_tls_server *t, struct cv_err *err)
{
	struct cv_tls_set *set = NULL, *old;
	enum cv_status status = load_set(t, &set, err);
	if (status)
		return status;
	pthread_mutex_lock(&t->lock);
	old = t->set;
	t->set = set;
	pthread_mutex_unlock(&t->lock);
	cv_tls_set_unref(old);
	return CV_OK;
}

enum cv_status
cv_tls_server_replace(struct cv_tls_server *t, const char *cert_files, const char *key_files,
                      struct cv_err *err)
{
	char *certs = t->cert_files, *keys = t->key_files;
	t->cert_files = cv_strdup(cert_files);
	t->key_files = cv_strdup(key_files);
	enum cv_status status = cv_tls_server_reload(t, err);
	if (status) {
		free(t->cert_files);
		free(t->key_files);
		t->cert_files = certs;
		t->key_files = keys;
		return status;
	}
	free(certs);
	free(keys);
	return CV_OK;
}

void
cv_tls_server_free(struct cv_tls_server *t)
{
	if (!t)
		return;
	cv_tls_set_unref(t->set);
	cv_wipe(t->keys, sizeof(t->keys));
	pthread_mutex_destroy(&t->lock);
	free(t->cert_files);
	free(t->key_files);
	free(t->client_ca);
	free(t->alpn);
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
	for (unsigned i = 0; i < set->count; i++)
		SSL_CTX_free(set->ctx[i]);
	free(set);
}

/* ---- clients ---- */

enum cv_status
cv_tls_client_new(const char *ca_file, enum cv_tls_check check, struct cv_tls_client **out,
                  struct cv_err *err)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || !set_rules(ctx) || SSL_CTX_dane_enable(ctx) != 1) {
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
