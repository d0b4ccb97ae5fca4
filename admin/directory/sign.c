/* sign.c - the manifest's signature: ed25519 (RFC 8032) over its octets, as `openssl pkeyutl
 * -rawin` makes and checks it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "admin/directory/site.h"

static EVP_PKEY *
read_key(struct cv_str pem, bool is_private)
{
	char no_passphrase[] = ""; /* else OpenSSL asks on the terminal */
	BIO *bio = BIO_new_mem_buf(pem.p, (int)CV_MIN(pem.n, (size_t)1 << 16));
	EVP_PKEY *key = !bio         ? NULL
			: is_private ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase)
				     : PEM_read_bio_PUBKEY(bio, NULL, NULL, no_passphrase);

	BIO_free(bio);
	ERR_clear_error();
	if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

static enum cv_status
private_key(struct cv_str pem, EVP_PKEY **out, struct cv_err *err)
{
	*out = read_key(pem, true);
	return *out ? CV_OK
		    : cv_fail(err, CV_INVALID,
			      "the key of the directory is no private ed25519 key in PEM "
			      "(`congvu directory key` makes one)");
}

enum cv_status
admin_sign(struct cv_str key_pem, struct cv_str bytes,
	unsigned char signature_out[ADMIN_SIGNATURE_BYTES], struct cv_err *err)
{
	EVP_PKEY *key;
	size_t n = ADMIN_SIGNATURE_BYTES;
	enum cv_status status = private_key(key_pem, &key, err);

	if (status != CV_OK)
		return status;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
		EVP_DigestSign(
			context, signature_out, &n, (const unsigned char *)bytes.p, bytes.n) != 1 ||
		n != ADMIN_SIGNATURE_BYTES)
		status = cv_fail(err, CV_TEMPFAIL, "OpenSSL cannot sign the manifest");
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return status;
}

enum cv_status
admin_sign_public(struct cv_str key_pem, struct cv_buf *pem_out, struct cv_err *err)
{
	EVP_PKEY *key;
	char *text;
	enum cv_status status = private_key(key_pem, &key, err);

	if (status != CV_OK)
		return status;
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio && PEM_write_bio_PUBKEY(bio, key) == 1) {
		long n = BIO_get_mem_data(bio, &text);
		cv_buf_add(pem_out, text, (size_t)n);
	} else {
		status = cv_fail(err, CV_TEMPFAIL, "OpenSSL cannot write a public key");
	}
	BIO_free(bio);
	EVP_PKEY_free(key);
	return status;
}

enum cv_status
admin_sign_check(
	struct cv_str key_pem, struct cv_str bytes, struct cv_str signature, struct cv_err *err)
{
	EVP_PKEY *key = read_key(key_pem, false);

	if (!key)
		key = read_key(key_pem, true);
	if (!key)
		return cv_fail(err, CV_INVALID, "that is no ed25519 key in PEM");
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
		    EVP_DigestVerify(context, (const unsigned char *)signature.p, signature.n,
			    (const unsigned char *)bytes.p, bytes.n) == 1;
	ERR_clear_error();
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return good ? CV_OK : cv_fail(err, CV_DENIED, "the manifest is not signed by this key");
}
