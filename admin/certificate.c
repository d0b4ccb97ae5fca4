/* certificate.c - see certificate.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "common/base/rng.h"
#include "common/text/encode.h"

#define CA_DAYS     3650
#define SERVER_DAYS 825 /* what Apple's clients take at most from an authority of one's own */

static enum cv_status
fail(struct cv_err *err, const char *what)
{
	char text[200];
	unsigned long code = ERR_get_error();

	ERR_error_string_n(code, text, sizeof text);
	ERR_clear_error();
	return cv_fail(err, CV_TEMPFAIL, "OpenSSL cannot %s: %s", what, text);
}

static enum cv_status
take_bio(BIO *bio, struct cv_buf *out, struct cv_err *err)
{
	char *p = NULL;
	long n = BIO_get_mem_data(bio, &p);

	cv_buf_add(out, p, n > 0 ? (size_t)n : 0);
	BIO_free(bio);
	return out->full ? cv_fail(err, CV_LIMIT, "a key is larger than expected") : CV_OK;
}

static enum cv_status
key_pem(EVP_PKEY *key, struct cv_buf *out, struct cv_err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
		BIO_free(bio);
		return fail(err, "write a key");
	}
	return take_bio(bio, out, err);
}

static enum cv_status
cert_pem(X509 *cert, struct cv_buf *out, struct cv_err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || !PEM_write_bio_X509(bio, cert)) {
		BIO_free(bio);
		return fail(err, "write a certificate");
	}
	return take_bio(bio, out, err);
}

/* ---- certificates ---- */

static bool
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
	return ok;
}

/* 127 random bits: never zero, never negative. */
static bool
set_serial(X509 *cert)
{
	unsigned char bytes[16];

	cv_random(bytes, sizeof bytes);
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
	BIGNUM *bn = BN_bin2bn(bytes, sizeof bytes, NULL);
	bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	return ok;
}

static bool
set_name(X509 *cert, const char *organisation, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);
	struct cv_str o = cv_str_z(organisation);

	/* X.520 allows 64 letters each; a longer host name stands in the alternative names alone.
	 */
	if (!X509_NAME_add_entry_by_txt(
		    name, "C", MBSTRING_UTF8, (const unsigned char *)"VN", -1, -1, 0))
		return false;
	if (o.n && o.n <= 64 &&
		!X509_NAME_add_entry_by_txt(
			name, "O", MBSTRING_UTF8, (const unsigned char *)organisation, -1, -1, 0))
		return false;
	if (strlen(common_name) > 64)
		return true;
	return X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
}

struct extension {
	int nid;
	const char *value;
};

/* A certificate for KEY, signed by ISSUER_KEY; ISSUER NULL: by itself. */
static X509 *
make_cert(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *organisation,
	const char *common_name, long days, const struct extension *extensions, size_t count)
{
	X509 *cert = X509_new();
	bool ok = cert && X509_set_version(cert, 2) && set_serial(cert) &&
		  X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
		  X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400) &&
		  set_name(cert, organisation, common_name) && X509_set_pubkey(cert, key);

	if (ok)
		ok = X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
	for (size_t i = 0; ok && i < count; i++)
		ok = add_extension(
			cert, issuer ? issuer : cert, extensions[i].nid, extensions[i].value);
	if (ok && X509_sign(cert, issuer_key, EVP_sha256()))
		return cert;
	X509_free(cert);
	return NULL;
}

static X509 *
make_ca(EVP_PKEY *key, const char *organisation, const char *hostname)
{
	/* clang-format off */
	static const struct extension rows[] = {
		{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
		{ NID_key_usage, "critical,keyCertSign,cRLSign" },
		{ NID_subject_key_identifier, "hash" },
	};
	/* clang-format on */
	char name[65];

	/* One authority per machine: equal names with different keys confuse clients. */
	snprintf(name, sizeof name, "congvu CA %s", hostname);
	return make_cert(key, NULL, key, organisation, name, CA_DAYS, rows, CV_COUNT(rows));
}

static X509 *
make_server(
	EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, const char *organisation, const char *hostname)
{
	char names[400];
	/* clang-format off */
	const struct extension rows[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth" },
		{ NID_subject_alt_name, names },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
	};
	/* clang-format on */

	snprintf(names, sizeof names, "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", hostname);
	return make_cert(
		key, ca, ca_key, organisation, hostname, SERVER_DAYS, rows, CV_COUNT(rows));
}

static enum cv_status
put_file(const char *dir, const char *name, mode_t mode, struct cv_buf *bytes,
	struct admin_owner owner, struct cv_err *err)
{
	char path[1200];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return admin_file_new(path, mode, cv_buf_view(bytes), owner, err);
}

static enum cv_status
write_all(const char *dir, X509 *ca, EVP_PKEY *ca_key, X509 *server, EVP_PKEY *server_key,
	struct admin_owner owner, struct cv_err *err)
{
	struct cv_buf ca_text = CV_BUF_INIT(16384), chain = CV_BUF_INIT(32768);
	struct cv_buf secret = CV_BUF_INIT(16384), ca_secret = CV_BUF_INIT(16384);
	enum cv_status status = cert_pem(ca, &ca_text, err);

	if (status == CV_OK)
		status = cert_pem(server, &chain, err);
	if (status == CV_OK)
		status = key_pem(server_key, &secret, err);
	if (status == CV_OK)
		status = key_pem(ca_key, &ca_secret, err);
	cv_buf_str(&chain, cv_buf_view(&ca_text));
	if (status == CV_OK)
		status = put_file(dir, "ca.key", 0600, &ca_secret, ADMIN_OWNER_SELF, err);
	if (status == CV_OK)
		status = put_file(dir, "ca.pem", 0644, &ca_text, ADMIN_OWNER_SELF, err);
	if (status == CV_OK)
		status = put_file(dir, "server.key", 0600, &secret, owner, err);
	if (status == CV_OK)
		status = put_file(dir, "server.pem", 0644, &chain, owner, err);
	cv_wipe(secret.p, secret.n);
	cv_wipe(ca_secret.p, ca_secret.n);
	cv_buf_done(&secret);
	cv_buf_done(&ca_secret);
	cv_buf_done(&ca_text);
	cv_buf_done(&chain);
	return status;
}

enum cv_status
admin_certificate_make(const char *dir, const char *hostname, const char *organisation,
	struct admin_owner owner, struct cv_err *err)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *server_key = EVP_EC_gen("P-256");
	X509 *ca = NULL, *server = NULL;
	enum cv_status status;

	if (ca_key && server_key)
		ca = make_ca(ca_key, organisation, hostname);
	if (ca)
		server = make_server(server_key, ca, ca_key, organisation, hostname);
	if (server)
		status = write_all(dir, ca, ca_key, server, server_key, owner, err);
	else
		status = fail(err, "make a certificate");
	X509_free(ca);
	X509_free(server);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(server_key);
	return status;
}

/* ---- DKIM ---- */

enum cv_status
admin_key_make(enum admin_key kind, unsigned rsa_bits, struct cv_buf *pem_out, struct cv_err *err)
{
	EVP_PKEY *key = kind == ADMIN_KEY_RSA ? EVP_RSA_gen(rsa_bits)
					      : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!key)
		return fail(err, "make a key");
	enum cv_status status = key_pem(key, pem_out, err);
	EVP_PKEY_free(key);
	return status;
}

static enum cv_status
public_half(EVP_PKEY *key, enum admin_key kind, struct cv_buf *base64_out, struct cv_err *err)
{
	if (kind == ADMIN_KEY_ED25519) {
		unsigned char raw[32];
		size_t n = sizeof raw;
		if (!EVP_PKEY_get_raw_public_key(key, raw, &n))
			return fail(err, "read a public key");
		cv_base64_encode(cv_str((const char *)raw, n), base64_out);
		return CV_OK;
	}
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	if (n <= 0)
		return fail(err, "read a public key");
	cv_base64_encode(cv_str((const char *)der, (size_t)n), base64_out);
	OPENSSL_free(der);
	return CV_OK;
}

enum cv_status
admin_key_public(
	struct cv_str pem, enum admin_key *kind_out, struct cv_buf *base64_out, struct cv_err *err)
{
	char no_passphrase[] = ""; /* else OpenSSL asks on the terminal */
	BIO *bio = BIO_new_mem_buf(pem.p, (int)CV_MIN(pem.n, (size_t)1 << 20));
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase) : NULL;

	BIO_free(bio);
	if (!key)
		return fail(err, "read a private key");
	int id = EVP_PKEY_get_base_id(key);
	enum cv_status status = CV_OK;
	if (id == EVP_PKEY_RSA)
		*kind_out = ADMIN_KEY_RSA;
	else if (id == EVP_PKEY_ED25519)
		*kind_out = ADMIN_KEY_ED25519;
	else
		status = cv_fail(err, CV_INVALID, "the key is neither RSA nor ed25519");
	if (status == CV_OK)
		status = public_half(key, *kind_out, base64_out, err);
	EVP_PKEY_free(key);
	return status;
}

/* ---- digests ---- */

void
admin_sha256(struct cv_str bytes, char hex_out[65])
{
	unsigned char digest[32];

	if (!EVP_Digest(bytes.p ? bytes.p : "", bytes.n, digest, NULL, EVP_sha256(), NULL))
		cv_die("SHA-256 is not available");
	struct cv_buf hex = CV_BUF_INIT(64);
	cv_hex_encode(cv_str((const char *)digest, sizeof digest), &hex);
	memcpy(hex_out, hex.p, 64);
	hex_out[64] = '\0';
	cv_buf_done(&hex);
}

enum cv_status
admin_key_digest(const char *path, char hex_out[65], struct cv_err *err)
{
	BIO *file = BIO_new_file(path, "r");
	X509 *cert = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = cert ? X509_get_pubkey(cert) : NULL;
	unsigned char *der = NULL;

	if (file && !cert && BIO_reset(file) == 0)
		key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
	int n = key ? i2d_PUBKEY(key, &der) : -1;
	ERR_clear_error();
	if (n > 0)
		admin_sha256(cv_str((const char *)der, (size_t)n), hex_out);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(file);
	return n > 0 ? CV_OK
		     : cv_fail(err, CV_INVALID, "%s holds neither a certificate nor a key", path);
}
