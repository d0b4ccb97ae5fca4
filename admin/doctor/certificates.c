/* certificates.c - the files of tls_cert and tls_key: dates, names, chain, key. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "admin/doctor/doctor.h"
#include "common/base/clock.h"

#define CHAIN_MAX 10
#define WARN_DAYS 30
#define BAD_DAYS  7

struct chain {
	X509 *leaf;
	STACK_OF(X509) * more;
};

static void
chain_done(struct chain *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->more, X509_free);
}

static bool
chain_read(const char *path, struct chain *c)
{
	BIO *file = BIO_new_file(path, "r");
	X509 *one;

	*c = (struct chain){.more = sk_X509_new_null()};
	c->leaf = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
	while (c->leaf && sk_X509_num(c->more) < CHAIN_MAX &&
		(one = PEM_read_bio_X509(file, NULL, NULL, NULL)))
		if (!sk_X509_push(c->more, one))
			X509_free(one);
	BIO_free(file);
	ERR_clear_error();
	return c->leaf != NULL;
}

static int64_t
secs_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

static void
check_dates(struct doctor_job *j, const char *path, const X509 *cert)
{
	int64_t now = cv_wall_secs(), begin = secs_of(X509_get0_notBefore(cert)),
		end = secs_of(X509_get0_notAfter(cert)), days = (end - now) / 86400;
	json_t *day = admin_day(end);
	enum doctor_state state = now < begin || days < BAD_DAYS ? DOCTOR_BAD
				  : days < WARN_DAYS		 ? DOCTOR_WARN
								 : DOCTOR_OK;

	if (now < begin)
		doctor_find(j, "dates", state, path, "%s",
			admin_say(j->d->call, "not valid yet", "chưa đến ngày có hiệu lực"));
	else
		doctor_find(j, "dates", state, path,
			admin_say(j->d->call, "until %s, %lld days", "đến %s, còn %lld ngày"),
			json_string_value(day), (long long)(end < now ? -1 : days));
	json_decref(day);
}

static int
verify(const struct chain *c, const char *ca, const char **why_out)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int ok = 0;

	X509_STORE_set_default_paths(store);
	if (ca)
		(void)!X509_STORE_load_file(store, ca);
	*why_out = "OpenSSL";
	if (ctx && X509_STORE_CTX_init(ctx, store, c->leaf, c->more)) {
		ok = X509_verify_cert(ctx) == 1;
		*why_out = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return ok;
}

/* Complete when it leads to a root of the system; with an authority of our own others warn. */
static void
check_chain(struct doctor_job *j, const char *path, const struct chain *c)
{
	const char *why;
	char ca[1200];

	if (verify(c, NULL, &why)) {
		doctor_find(j, "chain", DOCTOR_OK, path, "%s", "");
		return;
	}
	snprintf(ca, sizeof ca, "%s/ca.pem", j->d->main->keys_dir);
	const char *ours;
	if (verify(c, ca, &ours) || X509_NAME_cmp(X509_get_subject_name(c->leaf),
					    X509_get_issuer_name(c->leaf)) == 0)
		doctor_find(j, "own-authority", DOCTOR_WARN, path, "%s", why);
	else
		doctor_find(j, "chain", DOCTOR_BAD, path, "%s", why);
}

static void
check_names(struct doctor_job *j, const char *path, X509 *cert)
{
	const char *host = j->d->main->hostname;

	doctor_say(j, "name", X509_check_host(cert, host, 0, 0, NULL) == 1, path, "%s", host);
}

static void
check_key(struct doctor_job *j, const char *cert_path, X509 *cert, const char *key_path)
{
	char none[] = "";
	BIO *file = BIO_new_file(key_path, "r");
	EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, NULL, none) : NULL;

	BIO_free(file);
	if (!key)
		doctor_find(j, "key", DOCTOR_NOTE, key_path, "%s",
			admin_say(j->d->call, "cannot be read by this user",
				"người dùng này không đọc được"));
	else
		doctor_say(j, "key", X509_check_private_key(cert, key) == 1, cert_path, "%s",
			key_path);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static bool
next_word(struct cv_str *rest, char **out)
{
	struct cv_str word;

	while (cv_str_split(rest, ' ', &word)) {
		if (!word.n)
			continue;
		*out = cv_str_dup(word);
		return true;
	}
	*out = NULL;
	return false;
}

void
doctor_certificates(struct doctor_job *j)
{
	char *certs = cv_conf_resolve_list(j->d->conf, j->d->main->tls_cert);
	char *keys = cv_conf_resolve_list(j->d->conf, j->d->main->tls_key);
	struct cv_str cert_rest = cv_str_z(certs), key_rest = cv_str_z(keys);
	char *cert, *key;
	bool any = false;

	while (next_word(&cert_rest, &cert)) {
		struct chain c;
		any = true;
		next_word(&key_rest, &key);
		bool read = chain_read(cert, &c);
		doctor_say(j, "read", read, cert, "%s", "");
		if (read) {
			check_dates(j, cert, c.leaf);
			check_names(j, cert, c.leaf);
			check_chain(j, cert, &c);
			if (key)
				check_key(j, cert, c.leaf, key);
		}
		chain_done(&c);
		free(cert);
		free(key);
	}
	if (!any)
		doctor_find(j, "read", DOCTOR_BAD, "tls_cert", "%s", "");
	free(certs);
	free(keys);
}
