/* profile.c - Apple's configuration profiles: a property list, by wish signed with CMS. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/certificate.h"
#include "admin/clients/clients.h"
#include "common/text/encode.h"

static void
put_text(struct cv_buf *out, const char *key, struct cv_str text)
{
	if (!text.n)
		return;
	cv_buf_printf(out, "<key>%s</key><string>", key);
	cv_html_escape(text, out);
	cv_buf_z(out, "</string>\n");
}

static void
put_true(struct cv_buf *out, const char *key)
{
	cv_buf_printf(out, "<key>%s</key><true/>\n", key);
}

/* The same text always has the same UUID, so that a newer profile takes the place of an older. */
static void
put_identity(struct cv_buf *out, const struct admin_clients *c, const char *what,
	const struct admin_client_user *user)
{
	struct cv_buf name = CV_BUF_INIT(2000);
	char hex[65];

	cv_buf_printf(&name, "%.*s congvu %s %.*s", CV_STR_ARGS(c->domain), what,
		CV_STR_ARGS(user->address));
	admin_sha256(cv_buf_view(&name), hex);
	cv_buf_done(&name);
	cv_buf_printf(out,
		"<key>PayloadUUID</key><string>%.8s-%.4s-5%.3s-8%.3s-%.12s</string>\n"
		"<key>PayloadIdentifier</key><string>%.*s.congvu.%s</string>\n"
		"<key>PayloadVersion</key><integer>1</integer>\n",
		hex, hex + 8, hex + 12, hex + 15, hex + 18, CV_STR_ARGS(c->domain), what);
}

static void
put_port(struct cv_buf *out, const char *side, const struct admin_clients *c,
	struct admin_service_port at, const struct admin_client_user *user)
{
	char key[64];

	snprintf(key, sizeof key, "%sMailServerHostName", side);
	put_text(out, key, c->hostname);
	snprintf(key, sizeof key, "%sMailServerUsername", side);
	put_text(out, key, user->address);
	cv_buf_printf(out,
		"<key>%sMailServerPortNumber</key><integer>%u</integer>\n"
		"<key>%sMailServerUseSSL</key><true/>\n"
		"<key>%sMailServerAuthentication</key><string>EmailAuthPassword</string>\n",
		side, at.port, side, side);
}

void
admin_clients_profile(
	const struct admin_clients *c, const struct admin_client_user *user, struct cv_buf *out)
{
	struct cv_buf title = CV_BUF_INIT(4000);

	cv_buf_printf(&title, "Thư điện tử công vụ – %.*s", CV_STR_ARGS(c->province));
	cv_buf_z(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist "
		      "version=\"1.0\">\n<dict>\n"
		      "<key>PayloadType</key><string>Configuration</string>\n");
	put_identity(out, c, "profile", user);
	put_text(out, "PayloadDisplayName", cv_buf_view(&title));
	put_text(out, "PayloadOrganization", c->province);
	cv_buf_z(out, "<key>PayloadContent</key>\n<array>\n<dict>\n"
		      "<key>PayloadType</key><string>com.apple.mail.managed</string>\n");
	put_identity(out, c, "mail", user);
	put_text(out, "PayloadDisplayName", cv_buf_view(&title));
	put_text(out, "EmailAccountDescription", cv_buf_view(&title));
	put_text(out, "EmailAccountName", user->name);
	put_text(out, "EmailAddress", user->address);
	cv_buf_printf(out, "<key>EmailAccountType</key><string>%s</string>\n",
		c->imap.port ? "EmailTypeIMAP" : "EmailTypePOP");
	put_port(out, "Incoming", c, c->imap.port ? c->imap : c->pop3, user);
	put_port(out, "Outgoing", c, c->smtp, user);
	put_true(out, "OutgoingPasswordSameAsIncomingPassword");
	cv_buf_z(out, "</dict>\n</array>\n</dict>\n</plist>\n");
	cv_buf_done(&title);
}

/* ---- signing ---- */

/* The first path of a list option. */
static void
first_path(const char *list, char out[1200])
{
	struct cv_str rest = cv_str_z(list), word = CV_STR_EMPTY;

	while (!word.n && cv_str_split(&rest, ' ', &word))
		;
	snprintf(out, 1200, "%.*s", (int)CV_MIN(word.n, (size_t)1100), word.p ? word.p : "");
}

/* The server's certificate and what stands behind it in its file. */
static X509 *
read_chain(const char *path, STACK_OF(X509) * others)
{
	BIO *file = BIO_new_file(path, "r");
	X509 *own = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL, *next;

	while (own && (next = PEM_read_bio_X509(file, NULL, NULL, NULL)))
		if (!sk_X509_push(others, next)) {
			X509_free(next);
			break;
		}
	BIO_free(file);
	ERR_clear_error();
	return own;
}

static EVP_PKEY *
read_key(const char *path)
{
	char no_passphrase[] = "";
	BIO *file = BIO_new_file(path, "r");
	EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, NULL, no_passphrase) : NULL;

	BIO_free(file);
	ERR_clear_error();
	return key;
}

static bool
put_der(CMS_ContentInfo *cms, struct cv_buf *out)
{
	unsigned char *der = NULL;
	int n = cms ? i2d_CMS_ContentInfo(cms, &der) : -1;

	if (n > 0)
		cv_buf_add(out, der, (size_t)n);
	OPENSSL_free(der);
	return n > 0;
}

enum cv_status
admin_clients_sign(
	struct admin_call *call, struct cv_str profile, struct cv_buf *out, struct cv_err *err)
{
	const struct congvu_options *m = admin_main_options(call);
	char cert_path[1200], key_path[1200];

	first_path(m->tls_cert, cert_path);
	first_path(m->tls_key, key_path);
	STACK_OF(X509) *others = sk_X509_new_null();
	X509 *cert = others && cert_path[0] ? read_chain(cert_path, others) : NULL;
	EVP_PKEY *key = key_path[0] ? read_key(key_path) : NULL;
	BIO *content = BIO_new_mem_buf(profile.p, (int)profile.n);
	CMS_ContentInfo *cms =
		cert && key && content ? CMS_sign(cert, key, others, content, CMS_BINARY) : NULL;
	enum cv_status status =
		put_der(cms, out)
			? CV_OK
			: cv_fail(err, CV_INVALID,
				  "a profile is signed with the first of tls_cert and tls_key, and "
				  "these cannot be used");
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(others, X509_free);
	return status;
}
