/* tls_chains.c - a server's certificates: reading them, and which of them serve a name.
 *
 * A name is served by one chain for each kind of key that has it, so that a client that knows ECDSA
 * gets ECDSA and any other gets RSA of the same name, whatever files the two stand in.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/net/tls_context.h"

#define KINDS_MAX 4u /* of keys */

/* ---- reading ---- */

static enum cv_status
read_key(const char *path, struct cv_tls_chain *c, struct cv_err *err)
{
	BIO *bio = BIO_new_file(path, "r");
	c->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return c->key ? CV_OK : cv_tls_fail(err, CV_INVALID, path);
}

static enum cv_status
read_chain(const char *path, struct cv_tls_chain *c, struct cv_err *err)
{
	BIO *bio = BIO_new_file(path, "r");
	X509 *next;
	c->cert = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
	c->above = sk_X509_new_null();
	while (c->cert && c->above && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		sk_X509_push(c->above, next);
	BIO_free(bio);
	if (!c->cert || !c->above)
		return cv_tls_fail(err, CV_INVALID, path);
	/* The reader ends at the end of the file; anything else is a broken certificate. */
	unsigned long why = ERR_peek_last_error();
	if (why && ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
		return cv_tls_fail(err, CV_INVALID, path);
	ERR_clear_error();
	return CV_OK;
}

static enum cv_status
add_pair(struct cv_tls_set *set, const char *cert_file, const char *key_file, struct cv_err *err)
{
	if (set->count == CV_TLS_CHAINS_MAX)
		return cv_fail(err, CV_LIMIT, "more than %u certificates", CV_TLS_CHAINS_MAX);
	struct cv_tls_chain *c = &set->chains[set->count++];
	enum cv_status status = read_chain(cert_file, c, err);
	if (!status)
		status = read_key(key_file, c, err);
	if (!status && X509_check_private_key(c->cert, c->key) != 1) {
		ERR_clear_error();
		status = cv_fail(err, CV_INVALID, "%s: the key in %s does not belong to it",
			cert_file, key_file);
	}
	return status;
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

enum cv_status
cv_tls_chains_load(struct cv_tls_set *set, const char *cert_files, const char *key_files,
                   struct cv_err *err)
{
	struct cv_str certs = cv_str_z(cert_files), keys = cv_str_z(key_files);
	enum cv_status status = CV_OK;
	ERR_clear_error();
	for (bool last = false; !status && !last;) {
		char *cert = next_word(&certs), *key = next_word(&keys);
		last = !cert && !key;
		if (last && !set->count)
			status = cv_fail(err, CV_INVALID, "no certificate files");
		else if (!last && (!cert || !key))
			status = cv_fail(err, CV_INVALID,
			                 "as many key files as certificate files needed");
		else if (!last)
			status = add_pair(set, cert, key, err);
		free(cert);
		free(key);
	}
	return status;
}

void
cv_tls_chains_free(struct cv_tls_set *set)
{
	for (unsigned i = 0; i < set->count; i++) {
		X509_free(set->chains[i].cert);
		sk_X509_pop_free(set->chains[i].above, X509_free);
		EVP_PKEY_free(set->chains[i].key);
	}
	set->count = 0;
}

/* ---- choosing ---- */

/* One place for each kind of key, by index of the chain + 1. */
struct choice {
	unsigned chain[KINDS_MAX];
	int kind[KINDS_MAX];
	unsigned count;
};

static void
offer(const struct cv_tls_set *set, unsigned i, struct choice *c)
{
	int kind = EVP_PKEY_get_base_id(set->chains[i].key);
	for (unsigned j = 0; j < c->count; j++)
		if (c->kind[j] == kind)
			return;
	if (c->count < KINDS_MAX) {
		c->kind[c->count] = kind;
		c->chain[c->count++] = i;
	}
}

/* Chains that have NAME, exactly before by wildcard. */
static void
choose(const struct cv_tls_set *set, const char *name, struct choice *c)
{
	static const unsigned flags[] = { X509_CHECK_FLAG_NO_WILDCARDS,
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS };
	for (size_t f = 0; f < CV_COUNT(flags); f++)
		for (unsigned i = 0; i < set->count; i++)
			if (X509_check_host(set->chains[i].cert, name, 0, flags[f], NULL) == 1)
				offer(set, i, c);
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

enum cv_status
cv_tls_chains_set_default(struct cv_tls_set *set, struct cv_err *err)
{
	char name[256];
	struct choice c = {0};
	offer(set, 0, &c);
	if (first_name(set->chains[0].cert, name, sizeof(name)))
		choose(set, name[0] == '*' ? name + 1 : name, &c);
	/* "*.example" is no name to look for: others that are written so are its fellows. */
	for (unsigned i = 1; name[0] == '*' && i < set->count; i++) {
		char other[256];
		if (first_name(set->chains[i].cert, other, sizeof(other)) && !strcmp(other, name))
			offer(set, i, &c);
	}
	for (unsigned i = 0; i < c.count; i++) {
		const struct cv_tls_chain *chain = &set->chains[c.chain[i]];
		if (SSL_CTX_use_cert_and_key(
			    set->ctx, chain->cert, chain->key, chain->above, 1) != 1)
			return cv_tls_fail(err, CV_INVALID, "a certificate cannot be used");
	}
	return CV_OK;
}

int
cv_tls_on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct choice c = {0};
	(void)alert;
	if (name)
		choose(arg, name, &c);
	/* An unknown name is served with the default, as SMTP peers expect. */
	return c.count ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

int
cv_tls_on_certificate(SSL *ssl, void *arg)
{
	const struct cv_tls_set *set = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct choice c = {0};
	if (name && set->count > 1)
		choose(set, name, &c);
	if (!c.count)
		return 1;
	SSL_certs_clear(ssl);
	for (unsigned i = 0; i < c.count; i++) {
		const struct cv_tls_chain *chain = &set->chains[c.chain[i]];
		if (SSL_use_cert_and_key(ssl, chain->cert, chain->key, chain->above, 1) != 1)
			return 0;
	}
	return 1;
}
