/* smime.c - see smime.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/smime/smime.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/base/arena.h"
#include "common/text/encode.h"
#include "common/text/mime.h"

#define CHAIN_DEPTH 8

struct spam_smime {
	X509_STORE *roots; /* NULL: nobody is trusted */
};

const char *
spam_smime_word(enum spam_smime_result result)
{
	static const char *const words[] = {"none", "pass", "fail", "policy", "neutral"};

	return words[result];
}

enum cv_status
spam_smime_new(const char *trust_file, struct spam_smime **out, struct cv_err *err)
{
	X509_STORE *roots = NULL;

	if (trust_file && trust_file[0]) {
		roots = X509_STORE_new();
		if (!roots || X509_STORE_load_file(roots, trust_file) != 1) {
			X509_STORE_free(roots);
			ERR_clear_error();
			return cv_fail(err, CV_INVALID, "%s: no certificates in PEM", trust_file);
		}
	}
	*out = cv_calloc(1, sizeof **out);
	(*out)->roots = roots;
	return CV_OK;
}

void
spam_smime_free(struct spam_smime *s)
{
	if (!s)
		return;
	X509_STORE_free(s->roots);
	free(s);
}

/* ---- what is signed, and the signature ---- */

struct signed_mail {
	struct cv_arena arena;
	struct cv_str content; /* detached: the octets that were signed; p NULL: inside DER */
	struct cv_buf der;
};

static bool
has_type(struct cv_str type, const char *want)
{
	type = cv_str_trim(type);
	return cv_str_has_iprefix(type, want) &&
	       (type.n == strlen(want) || strchr("; \t\r\n", type.p[strlen(want)]));
}

bool
spam_smime_is_signed(struct cv_str type)
{
	return has_type(type, "multipart/signed") || has_type(type, "application/pkcs7-mime") ||
	       has_type(type, "application/x-pkcs7-mime");
}

static void
decode(struct cv_str body, enum cv_mime_encoding encoding, struct cv_buf *out)
{
	struct cv_base64_reader reader = {0};

	if (encoding != CV_MIME_BASE64) {
		cv_buf_str(out, body);
		return;
	}
	cv_base64_read(&reader, body, out);
	cv_base64_read_end(&reader, out);
}

/* The tree of the message, whose header is only what matters here; *SKIP_OUT is its length. */
static const struct cv_mime_tree *
scan(struct signed_mail *s, struct cv_str type, struct cv_str encoding, struct cv_str body,
	size_t *skip_out)
{
	struct cv_buf header = CV_BUF_INIT(64u << 10);
	struct cv_mime_scan *m = cv_mime_begin(&s->arena);

	cv_buf_z(&header, "Content-Type: ");
	cv_buf_str(&header, cv_str_trim(type));
	cv_buf_z(&header, "\r\nContent-Transfer-Encoding: ");
	cv_buf_str(&header, encoding.n ? cv_str_trim(encoding) : CV_STR("7bit"));
	cv_buf_z(&header, "\r\n\r\n");
	*skip_out = header.n;
	cv_mime_only_parts(m);
	cv_mime_feed(m, cv_buf_view(&header));
	cv_mime_feed(m, body);
	cv_buf_done(&header);
	return cv_mime_finish(m);
}

static bool
is_signature(const struct cv_mime_place *at)
{
	return cv_str_ieq_z(at->type, "application") &&
	       (cv_str_ieq_z(at->subtype, "pkcs7-signature") ||
		       cv_str_ieq_z(at->subtype, "x-pkcs7-signature"));
}

/* False when there is nothing signed: another protocol (PGP), encryption, or a broken structure. */
static bool
find(struct signed_mail *s, struct cv_str type, struct cv_str encoding, struct cv_str body,
	struct spam_smime_answer *out)
{
	size_t skip;
	const struct cv_mime_tree *tree = scan(s, type, encoding, body, &skip);
	const struct cv_mime_part *top = &tree->parts[0];

	if (top->at.kind != CV_MIME_MULTIPART) {
		struct cv_str kind = cv_mime_param(&s->arena, &top->params, "smime-type");
		if (!cv_str_ieq_z(top->at.type, "application") ||
			(kind.n && !cv_str_ieq_z(kind, "signed-data")))
			return false;
		out->part = "1";
		decode(body, top->at.encoding, &s->der);
		return true;
	}
	if (top->child_count != 2 || !cv_str_ieq_z(top->at.subtype, "signed"))
		return false;
	const struct cv_mime_place *first = &tree->parts[top->first_child].at;
	const struct cv_mime_place *second =
		&tree->parts[tree->parts[top->first_child].next_sibling].at;
	if (!is_signature(second) || first->header_offset < skip)
		return false;
	out->part = "2";
	s->content = cv_str_sub(
		body, first->header_offset - skip, first->body_offset + first->body_bytes - skip);
	if (second->body_bytes <= 2 * SPAM_SMIME_SIGNATURE_MAX)
		decode(cv_str_sub(body, second->body_offset - skip,
			       second->body_offset + second->body_bytes - skip),
			second->encoding, &s->der);
	return true;
}

/* ---- certificates ---- */

static void
decide(struct spam_smime_answer *out, enum spam_smime_result result, const char *why)
{
	out->result = result;
	out->why = why;
}

static void
copy_printable(const char *text, size_t length, char *out, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < length && k + 1 < n; i++)
		out[k++] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	out[k] = '\0';
}

static void
describe(X509 *cert, struct spam_smime_answer *out)
{
	STACK_OF(OPENSSL_STRING) *addresses = X509_get1_email(cert);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	if (sk_OPENSSL_STRING_num(addresses) > 0) {
		const char *first = sk_OPENSSL_STRING_value(addresses, 0);
		copy_printable(first, strlen(first), out->signer, sizeof out->signer);
	}
	X509_email_free(addresses);
	struct cv_buf hex = CV_BUF_INIT(sizeof out->serial - 1);
	cv_hex_encode(cv_str((const char *)ASN1_STRING_get0_data(serial),
			      (size_t)CV_MIN(ASN1_STRING_length(serial), 39)),
		&hex);
	snprintf(out->serial, sizeof out->serial, "%s", hex.n ? hex.p : "");
	cv_buf_done(&hex);
	if (bio && X509_NAME_print_ex(bio, X509_get_issuer_name(cert), 0, XN_FLAG_RFC2253) > 0) {
		long n = BIO_get_mem_data(bio, &text);
		copy_printable(text, (size_t)n, out->issuer, sizeof out->issuer);
	}
	BIO_free(bio);
}

static bool
is_of(X509 *cert, struct cv_str author)
{
	STACK_OF(OPENSSL_STRING) *addresses = X509_get1_email(cert);
	bool found = false;

	for (int i = 0; i < sk_OPENSSL_STRING_num(addresses); i++)
		found |= cv_str_ieq_z(author, sk_OPENSSL_STRING_value(addresses, i));
	X509_email_free(addresses);
	return found;
}

/* NULL when CERT leads to a root, else why not. */
static const char *
distrust(const struct spam_smime *s, X509 *cert, STACK_OF(X509) * others)
{
	if (!s->roots)
		return "no roots are trusted here";
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *why = NULL;
	if (!ctx || X509_STORE_CTX_init(ctx, s->roots, cert, others) != 1 ||
		X509_STORE_CTX_set_default(ctx, "smime_sign") != 1)
		cv_die("no memory for certificates");
	X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(ctx), CHAIN_DEPTH);
	if (X509_verify_cert(ctx) != 1) {
		int code = X509_STORE_CTX_get_error(ctx);
		why = code == X509_V_ERR_CERT_HAS_EXPIRED     ? "certificate expired"
		      : code == X509_V_ERR_CERT_NOT_YET_VALID ? "certificate not yet valid"
		      : code == X509_V_ERR_INVALID_PURPOSE    ? "certificate not for mail"
							      : "certificate not trusted";
	}
	X509_STORE_CTX_free(ctx);
	return why;
}

/* ---- the check ---- */

static bool
has_weak_digest(CMS_ContentInfo *cms)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(cms);

	for (int i = 0; i < sk_CMS_SignerInfo_num(infos); i++) {
		X509_ALGOR *digest = NULL;
		const ASN1_OBJECT *name = NULL;
		CMS_SignerInfo_get0_algs(
			sk_CMS_SignerInfo_value(infos, i), NULL, NULL, &digest, NULL);
		if (digest)
			X509_ALGOR_get0(&name, NULL, NULL, digest);
		int nid = name ? OBJ_obj2nid(name) : NID_undef;
		if (nid == NID_md5 || nid == NID_sha1 || nid == NID_undef)
			return true;
	}
	return false;
}

/* The signature itself is right: whose is it? */
static void
check_signer(const struct spam_smime *s, CMS_ContentInfo *cms, struct cv_str author,
	struct spam_smime_answer *out)
{
	STACK_OF(X509) *signers = CMS_get0_signers(cms), *others = CMS_get1_certs(cms);
	X509 *cert = sk_X509_num(signers) > 0 ? sk_X509_value(signers, 0) : NULL;

	if (!cert) {
		decide(out, SPAM_SMIME_NEUTRAL, "no certificate of the signer");
	} else {
		describe(cert, out);
		const char *why = distrust(s, cert, others);
		if (why)
			decide(out, SPAM_SMIME_POLICY, why);
		else if (has_weak_digest(cms))
			decide(out, SPAM_SMIME_POLICY, "weak digest");
		else if (!is_of(cert, author))
			decide(out, SPAM_SMIME_POLICY, "certificate not of the author");
		else
			decide(out, SPAM_SMIME_PASS, "");
	}
	sk_X509_free(signers);
	sk_X509_pop_free(others, X509_free);
}

static bool
is_bounded(CMS_ContentInfo *cms)
{
	STACK_OF(X509) *certs = CMS_get1_certs(cms);
	int count = sk_X509_num(certs), signers = sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms));

	sk_X509_pop_free(certs, X509_free);
	return count <= SPAM_SMIME_CERTS_MAX && signers > 0 && signers <= SPAM_SMIME_SIGNERS_MAX;
}

static void
check_cms(const struct spam_smime *s, CMS_ContentInfo *cms, struct cv_str content,
	struct cv_str author, struct spam_smime_answer *out)
{
	/* The octets are as they were signed: lines end in CRLF already. */
	const unsigned flags = CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY;
	BIO *in = content.p ? BIO_new_mem_buf(content.p, (int)content.n) : NULL;
	BIO *nowhere = BIO_new(BIO_s_null());

	if (!content.p != !CMS_is_detached(cms))
		decide(out, SPAM_SMIME_NEUTRAL, "content in the wrong place");
	else if (CMS_verify(cms, NULL, NULL, in, nowhere, flags) != 1)
		decide(out, SPAM_SMIME_FAIL, "signature does not match");
	else
		check_signer(s, cms, author, out);
	BIO_free(in);
	BIO_free(nowhere);
}

void
spam_smime_check(const struct spam_smime *s, struct cv_str type, struct cv_str encoding,
	struct cv_str body, struct cv_str author, struct spam_smime_answer *out)
{
	struct signed_mail mail = {.der = CV_BUF_INIT(SPAM_SMIME_OPAQUE_MAX)};

	*out = (struct spam_smime_answer){.why = "", .part = ""};
	if (spam_smime_is_signed(type) && body.n <= INT32_MAX &&
		find(&mail, type, encoding, body, out)) {
		const unsigned char *p = (const unsigned char *)mail.der.p;
		CMS_ContentInfo *cms = mail.der.n && !mail.der.full
					       ? d2i_CMS_ContentInfo(NULL, &p, (long)mail.der.n)
					       : NULL;
		bool is_opaque = !mail.content.p;
		if (cms && is_opaque && OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
			decide(out, SPAM_SMIME_NONE, "");
		else if (!cms || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
			decide(out, SPAM_SMIME_NEUTRAL, "signature cannot be read");
		else if (!is_bounded(cms))
			decide(out, SPAM_SMIME_NEUTRAL, "too many signers or certificates");
		else
			check_cms(s, cms, mail.content, author, out);
		CMS_ContentInfo_free(cms);
		ERR_clear_error();
	}
	cv_buf_done(&mail.der);
	cv_arena_done(&mail.arena);
}
