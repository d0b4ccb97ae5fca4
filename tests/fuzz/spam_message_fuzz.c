/* fuzz: spamfilter */
/* spam_message_fuzz.c - any bytes as a message through all that looks at one before anybody vouches
 * for it: content, authors, Authentication-Results, DKIM verification and signing. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "spamfilter/authres.h"
#include "spamfilter/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A key for nothing but this: "s._domainkey.a.test" of the zone below. */
static const char ed25519_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	"-----END PRIVATE KEY-----\n";
static const char zone[] = "$TTL 300\ns._domainkey.a.test. TXT \"v=DKIM1; k=ed25519; "
			   "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"\n";

static struct spam_dns *dns;
static struct spam_dkim_key *key;

static void
open_keys(void)
{
	char path[] = "/tmp/congvu-dkim-fuzz-XXXXXX";
	struct cv_resolver_options o = {.zone_file = path};
	struct cv_resolver *resolver;
	struct cv_err err;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, zone, sizeof zone - 1) != sizeof zone - 1)
		abort();
	close(fd);
	if (cv_resolver_new(&o, &resolver, &err) ||
		spam_dkim_key_read(ed25519_pem, SPAM_ED25519_SHA256, &key, &err))
		abort();
	dns = spam_dns_new(resolver);
	unlink(path);
}

/* SIGNATURE on top, unless it is empty. */
static void
run_stream(struct spam_dkim_stream *s, const struct spam_mail *m, struct cv_str signature,
	struct cv_str body)
{
	if (signature.n)
		spam_dkim_header(s, CV_STR("DKIM-Signature"), signature);
	for (size_t i = 0; i < m->field_count; i++)
		spam_dkim_header(s, m->fields[i].name, m->fields[i].value);
	spam_dkim_eoh(s);
	for (size_t at = 0; at < body.n; at += 7)
		spam_dkim_body(s, cv_str_sub(body, at, at + 7));
	spam_dkim_end(s);
}

/* CR and LF in pairs only, no other control octets. Lone LF is a fold in fields. */
static bool
has_clean_lines(struct cv_str s, bool is_body)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' && !strchr("\t\r\n", s.p[i]))
			return false;
		if (s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n'))
			return false;
		if (is_body && s.p[i] == '\n' && (!i || s.p[i - 1] != '\r'))
			return false;
	}
	return true;
}

/* A message as RFC 5322 has it, as far as canonical forms go: of the rest every implementation
 * thinks something else. */
static bool
is_canonical(struct spam_mail *m, struct cv_str body)
{
	struct spam_author author;

	for (size_t i = 0; i < m->field_count; i++)
		if (!has_clean_lines(m->fields[i].value, false))
			return false;
	spam_author_read(m, &author);
	return author.is_plain && has_clean_lines(body, true);
}

/* Whatever is signed verifies. */
static void
run_dkim(struct spam_mail *m, struct cv_str body)
{
	struct spam_dkim_signature sigs[SPAM_DKIM_SIGNATURES_MAX];
	struct cv_buf value = CV_BUF_INIT(64u << 10);
	struct spam_lookups lookups;
	struct cv_err err;
	struct spam_dkim_stream *s = spam_dkim_signer(key, "s", "a.test");

	spam_lookups_start(&lookups, dns);
	run_stream(s, m, CV_STR_EMPTY, body);
	cv_buf_c(&value, ' ');
	enum cv_status status = spam_dkim_signature_write(s, &value, &err);
	spam_dkim_stream_free(s);
	assert(!memchr(value.p, '\r', value.n) && !memchr(value.p, '\0', value.n));
	s = spam_dkim_verifier(&lookups);
	run_stream(s, m, status ? CV_STR_EMPTY : cv_buf_view(&value), body);
	size_t count = spam_dkim_signatures(s, sigs);
	assert(status || !is_canonical(m, body) || (count && sigs[0].result == SPAM_DKIM_PASS));
	spam_dkim_stream_free(s);
	spam_lookups_end(&lookups);
	cv_buf_done(&value);
}

static void
run_content(struct spam_mail *m, struct cv_str body)
{
	struct cv_content *c = cv_content_new();
	struct spam_author author;

	for (size_t i = 0; i < m->field_count; i++)
		cv_content_header(c, m->fields[i].name, m->fields[i].value);
	cv_content_eoh(c);
	for (size_t at = 0; at < body.n; at += 13)
		cv_content_body(c, cv_str_sub(body, at, at + 13));
	cv_content_end(c);
	assert(cv_content_text(c).n <= CV_CONTENT_TEXT_MAX);
	cv_content_free(c);
	spam_author_read(m, &author);
	assert(author.domain_count <= SPAM_AUTHORS_MAX);
	assert(!author.is_plain || author.domain_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str message = cv_str((const char *)data, size);
	struct spam_header_field fields[100];
	struct spam_mail m = {.fields = fields};
	struct cv_header_scan scan;
	struct cv_field field;

	if (!dns)
		open_keys();
	cv_header_scan_init(&scan, message);
	while (m.field_count < CV_COUNT(fields) && cv_header_next(&scan, &field)) {
		/* libmilter's texts end in NUL, so none is inside */
		if (memchr(field.value.p, '\0', field.value.n) ||
			memchr(field.name.p, '\0', field.name.n))
			continue;
		(void)spam_authres_is_from(field.value, "mail.a.test");
		fields[m.field_count++] = (struct spam_header_field){field.name, field.value};
	}
	size_t body_at = cv_header_body_at(message);
	struct cv_str body = cv_str_sub(message, body_at, message.n);
	run_content(&m, body);
	run_dkim(&m, body);
	cv_arena_done(&m.arena);
	return 0;
}
