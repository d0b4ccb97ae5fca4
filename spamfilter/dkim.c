/* dkim.c - see dkim.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dkim.h"

#include <sys/types.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <opendkim/dkim.h>
#pragma GCC diagnostic pop

#include "common/base/clock.h"
#include "common/base/list.h"
#include "spamfilter/ed25519.h"

#define FIELD_NAME "DKIM-Signature: "
#define KEYS_MS    12000 /* a filter must answer before its MTA gives up */

struct spam_dkim {
	DKIM_LIB *lib;
	struct cv_resolver *resolver;
};

struct spam_dkim_stream {
	struct spam_dkim *owner;
	DKIM *handle;
	struct cv_link memory; /* everything libopendkim took for this message */
	struct cv_buf field;
	struct spam_ed25519 *ed;                        /* signs instead of HANDLE */
	uint64_t failed_keys[SPAM_DKIM_SIGNATURES_MAX]; /* hashes of names DNS could not answer */
	size_t failed_count;
	int64_t deadline_ms; /* for all look-ups of keys */
	bool is_signer, is_dead, ended;
	DKIM_STAT failed; /* why it is dead */
	char tail[2];     /* the last two octets of the body */
	size_t body_bytes;
};

/* ---- memory: libopendkim forgets some (64 octets for each ed25519 signature) ---- */

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

/* ---- keys from DNS ---- */

static void
key_name(DKIM_SIGINFO *sig, char *out, size_t n)
{
	snprintf(out, n, "%s._domainkey.%s", (const char *)dkim_sig_getselector(sig),
		(const char *)dkim_sig_getdomain(sig));
}

/* A failure of DNS is remembered here: libopendkim would give up the whole message for it. */
static DKIM_CBSTAT
look_up_key(DKIM *handle, DKIM_SIGINFO *sig, u_char *buf, size_t n)
{
	struct spam_dkim_stream *s = dkim_get_user_context(handle);
	char name[600];
	DKIM_CBSTAT result = DKIM_CBSTAT_NOTFOUND;
	struct cv_dns_answer *a = NULL;

	key_name(sig, name, sizeof name);
	if (cv_mono_ms() < s->deadline_ms)
		a = cv_resolve_wait(s->owner->resolver, name, CV_DNS_TXT);
	if (!a || a->state == CV_DNS_TEMPFAIL || a->state == CV_DNS_BOGUS) {
		if (s->failed_count < SPAM_DKIM_SIGNATURES_MAX)
			s->failed_keys[s->failed_count++] = cv_hash(name, strlen(name), 0);
	} else if (a->count == 1 && a->records[0].rdata.n < n &&
		   !memchr(a->records[0].rdata.p, '\0', a->records[0].rdata.n)) {
		/* Several records: what they mean is undefined (RFC 6376 3.6.2.2), so no key. */
		memcpy(buf, a->records[0].rdata.p, a->records[0].rdata.n);
		buf[a->records[0].rdata.n] = '\0';
		result = DKIM_CBSTAT_CONTINUE;
	}
	if (a)
		cv_dns_answer_free(a);
	return result;
}

/* Each signature costs a look-up and a verification: a message may not ask for any number. */
static DKIM_CBSTAT
leave_out_many(DKIM *handle, DKIM_SIGINFO **sigs, int count)
{
	(void)handle;
	for (int i = SPAM_DKIM_SIGNATURES_MAX; i < count; i++)
		dkim_sig_ignore(sigs[i]);
	return DKIM_CBSTAT_CONTINUE;
}

/* ---- the library ---- */

static const char *const signed_fields[] = {"From", "Sender", "Reply-To", "To", "Cc", "Subject",
	"Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
	"Resent-From", "Resent-To", "Resent-Date", NULL};
/* Named once more than they occur, so that nobody adds one. */
static const char *const oversigned[] = {
	"From", "To", "Cc", "Subject", "Date", "Reply-To", "MIME-Version", "Content-Type", NULL};

static bool
set_options(DKIM_LIB *lib)
{
	unsigned bits = SPAM_DKIM_KEY_BITS_MIN;
	const char *const *names = signed_fields, *const *over = oversigned;

	return dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits) ==
		       DKIM_STAT_OK &&
	       dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_SIGNHDRS, (void *)(uintptr_t)names,
		       sizeof(u_char **)) == DKIM_STAT_OK &&
	       dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_OVERSIGNHDRS, (void *)(uintptr_t)over,
		       sizeof(u_char **)) == DKIM_STAT_OK &&
	       dkim_set_key_lookup(lib, look_up_key) == DKIM_STAT_OK &&
	       dkim_set_prescreen(lib, leave_out_many) == DKIM_STAT_OK;
}

enum cv_status
spam_dkim_new(struct cv_resolver *resolver, struct spam_dkim **out, struct cv_err *err)
{
	struct spam_dkim *d = cv_calloc(1, sizeof *d);

	d->resolver = resolver;
	d->lib = dkim_init(take_memory, give_memory);
	if (!d->lib || !set_options(d->lib)) {
		spam_dkim_free(d);
		return cv_fail(err, CV_TEMPFAIL, "libopendkim does not start");
	}
	*out = d;
	return CV_OK;
}

void
spam_dkim_free(struct spam_dkim *d)
{
	if (!d)
		return;
	if (d->lib)
		dkim_close(d->lib);
	free(d);
}

/* ---- streams ---- */

static struct spam_dkim_stream *
stream_new(struct spam_dkim *d)
{
	struct spam_dkim_stream *s = cv_calloc(1, sizeof *s);

	s->owner = d;
	s->deadline_ms = cv_mono_ms() + KEYS_MS;
	cv_list_init(&s->memory);
	cv_buf_init(&s->field, 2u << 20);
	return s;
}

static struct spam_dkim_stream *
stream_ready(struct spam_dkim_stream *s, DKIM_STAT status)
{
	if (!s->handle) {
		s->is_dead = true;
		s->failed = status;
	} else {
		dkim_set_user_context(s->handle, s);
	}
	return s;
}

struct spam_dkim_stream *
spam_dkim_verifier(struct spam_dkim *d, const char *id)
{
	struct spam_dkim_stream *s = stream_new(d);
	DKIM_STAT status = DKIM_STAT_INTERNAL;

	s->handle = dkim_verify(d->lib, (const u_char *)id, &s->memory, &status);
	return stream_ready(s, status);
}

struct spam_dkim_stream *
spam_dkim_signer(struct spam_dkim *d, const char *id, const char *pem, const char *selector,
	const char *domain, enum spam_dkim_alg alg)
{
	struct spam_dkim_stream *s = stream_new(d);
	DKIM_STAT status = DKIM_STAT_INTERNAL;
	dkim_sigkey_t key = (dkim_sigkey_t)(uintptr_t)pem; /* copied, not changed */

	s->is_signer = true;
	if (alg == SPAM_ED25519_SHA256) {
		s->is_dead = spam_ed25519_new(pem, selector, domain, &s->ed, NULL) != CV_OK;
		s->failed = DKIM_STAT_INVALID;
		return s;
	}
	s->handle = dkim_sign(d->lib, (const u_char *)id, &s->memory, key, (const u_char *)selector,
		(const u_char *)domain, DKIM_CANON_RELAXED, DKIM_CANON_RELAXED, DKIM_SIGN_RSASHA256,
		-1, &status);
	return stream_ready(s, status);
}

void
spam_dkim_stream_free(struct spam_dkim_stream *s)
{
	if (!s)
		return;
	if (s->handle)
		dkim_free(s->handle);
	CV_LIST_EACH (link, next, &s->memory)
		give_memory(NULL, CV_CONTAINER(link, struct block, link)->data);
	cv_buf_done(&s->field);
	spam_ed25519_free(s->ed);
	free(s);
}

static void
note(struct spam_dkim_stream *s, DKIM_STAT status)
{
	if (status == DKIM_STAT_OK || s->is_dead)
		return;
	s->is_dead = true;
	s->failed = status;
}

void
spam_dkim_header(struct spam_dkim_stream *s, struct cv_str name, struct cv_str value)
{
	if (s->is_dead)
		return;
	if (s->ed) {
		spam_ed25519_header(s->ed, name, value);
		return;
	}
	cv_buf_reset(&s->field);
	cv_buf_str(&s->field, name);
	cv_buf_c(&s->field, ':');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '\n' && (!i || value.p[i - 1] != '\r'))
			cv_buf_c(&s->field, '\r');
		cv_buf_c(&s->field, value.p[i]);
	}
	if (s->field.full)
		note(s, DKIM_STAT_NORESOURCE);
	else /* what DKIM cannot take as a field is no field to a verifier elsewhere either */
		(void)dkim_header(s->handle, (u_char *)s->field.p, s->field.n);
}

void
spam_dkim_eoh(struct spam_dkim_stream *s)
{
	if (!s->is_dead && s->handle)
		note(s, dkim_eoh(s->handle));
}

void
spam_dkim_body(struct spam_dkim_stream *s, struct cv_str bytes)
{
	if (s->is_dead || !bytes.n)
		return;
	s->tail[0] = bytes.n > 1 ? bytes.p[bytes.n - 2] : s->tail[1];
	s->tail[1] = bytes.p[bytes.n - 1];
	s->body_bytes += bytes.n;
	if (s->ed)
		spam_ed25519_body(s->ed, bytes);
	else
		note(s, dkim_body(s->handle, (u_char *)(uintptr_t)bytes.p, bytes.n));
}

void
spam_dkim_end(struct spam_dkim_stream *s)
{
	assert(!s->ended);
	s->ended = true;
	/* A body that does not end in CRLF cannot be signed, and MTAs will complete it. */
	if (s->body_bytes && !(s->tail[0] == '\r' && s->tail[1] == '\n'))
		spam_dkim_body(s, s->tail[1] == '\r' ? CV_STR("\n") : CV_STR("\r\n"));
	if (s->is_dead || s->ed)
		return;
	DKIM_STAT status = dkim_eom(s->handle, NULL);
	if (s->is_signer)
		note(s, status);
}

enum cv_status
spam_dkim_signature_write(struct spam_dkim_stream *s, struct cv_buf *out, struct cv_err *err)
{
	u_char *text;
	size_t n;

	assert(s->ended && s->is_signer);
	if (s->ed && !s->is_dead)
		return spam_ed25519_write(s->ed, signed_fields, oversigned, out, err);
	if (!s->is_dead)
		note(s, dkim_getsighdr_d(s->handle, sizeof FIELD_NAME - 1, &text, &n));
	if (s->is_dead) {
		const char *why = s->handle ? dkim_geterror(s->handle) : NULL;
		return cv_fail(err, CV_INVALID, "%s (%s)", dkim_getresultstr(s->failed),
			why ? why : "no more is known");
	}
	for (size_t i = 0; i < n && text[i]; i++)
		if (text[i] != '\r')
			cv_buf_c(out, (char)text[i]);
	return CV_OK;
}

/* ---- what the signatures are worth ---- */

const char *
spam_dkim_word(enum spam_dkim_result result)
{
	static const char *const words[] = {
		"none", "pass", "fail", "policy", "neutral", "temperror", "permerror"};

	return words[result];
}

static const struct {
	int error;
	enum spam_dkim_result result;
	const char *why;
} error_rows[] = {
	{DKIM_SIGERROR_BADSIG,         SPAM_DKIM_FAIL,      "signature does not match" },
	{DKIM_SIGERROR_EXPIRED,        SPAM_DKIM_FAIL,      "signature expired"        },
	{DKIM_SIGERROR_FUTURE,         SPAM_DKIM_FAIL,      "signature from the future"},
	{DKIM_SIGERROR_KEYFAIL,        SPAM_DKIM_TEMPERROR, "key could not be fetched" },
	{DKIM_SIGERROR_NOKEY,          SPAM_DKIM_PERMERROR, "no key for signature"     },
	{DKIM_SIGERROR_DNSSYNTAX,      SPAM_DKIM_PERMERROR, "key record malformed"     },
	{DKIM_SIGERROR_KEYREVOKED,     SPAM_DKIM_PERMERROR, "key revoked"              },
	{DKIM_SIGERROR_KEYDECODE,      SPAM_DKIM_PERMERROR, "key cannot be decoded"    },
	{DKIM_SIGERROR_KEYTOOSMALL,    SPAM_DKIM_FAIL,      "key below 1024 bits"      },
	{DKIM_SIGERROR_KEYTYPEUNKNOWN, SPAM_DKIM_PERMERROR, "key of unknown type"      },
	{DKIM_SIGERROR_TOOLARGE_L,     SPAM_DKIM_FAIL,      "l= longer than the body"  },
};

static bool
is_failed_key(const struct spam_dkim_stream *s, DKIM_SIGINFO *sig)
{
	char name[600];

	key_name(sig, name, sizeof name);
	for (size_t i = 0; i < s->failed_count; i++)
		if (s->failed_keys[i] == cv_hash(name, strlen(name), 0))
			return true;
	return false;
}

static void
explain_failure(
	const struct spam_dkim_stream *s, DKIM_SIGINFO *sig, struct spam_dkim_signature *out)
{
	int error = dkim_sig_geterror(sig);
	unsigned flags = dkim_sig_getflags(sig);

	if (error == DKIM_SIGERROR_NOKEY && is_failed_key(s, sig))
		error = DKIM_SIGERROR_KEYFAIL;
	if (error == DKIM_SIGERROR_BADSIG && dkim_sig_getbh(sig) == DKIM_SIGBH_MISMATCH)
		error = DKIM_SIGERROR_OK;
	out->result = SPAM_DKIM_PERMERROR;
	for (size_t i = 0; i < CV_COUNT(error_rows); i++) {
		if (error_rows[i].error == error) {
			out->result = error_rows[i].result;
			out->why = error_rows[i].why;
			return;
		}
	}
	if (error == DKIM_SIGERROR_OK || error == DKIM_SIGERROR_UNKNOWN) {
		out->result = SPAM_DKIM_FAIL;
		out->why =
			(flags & DKIM_SIGFLAG_PASSED) || dkim_sig_getbh(sig) == DKIM_SIGBH_MISMATCH
				? "body hash does not match"
				: "signature could not be verified";
		return;
	}
	const char *text = dkim_sig_geterrorstr(error);
	out->why = text ? text : "broken signature";
}

/* What the library passes is not all worth a pass. */
static void
judge_passed(DKIM *handle, DKIM_SIGINFO *sig, struct spam_dkim_signature *out)
{
	ssize_t body = 0, hashed = 0, limit = 0;
	unsigned bits = 0;
	dkim_alg_t alg = DKIM_SIGN_UNKNOWN;

	(void)dkim_sig_getsignalg(sig, &alg);
	(void)dkim_sig_getkeysize(sig, &bits);
	out->result = SPAM_DKIM_FAIL;
	if (alg != DKIM_SIGN_RSASHA256 && alg != DKIM_SIGN_ED25519SHA256)
		out->why = "rsa-sha1 is no signature any more (RFC 8301)";
	else if (alg == DKIM_SIGN_RSASHA256 && bits < SPAM_DKIM_KEY_BITS_MIN)
		out->why = "key below 1024 bits";
	else if (dkim_sig_getcanonlen(handle, sig, &body, &hashed, &limit) != DKIM_STAT_OK) {
		out->why = "length of the signed body unknown";
	} else if (limit >= 0 && limit < body) {
		out->result = SPAM_DKIM_NEUTRAL;
		out->why = "l= leaves part of the body unsigned";
	} else if (dkim_sig_getflags(sig) & DKIM_SIGFLAG_TESTKEY) {
		out->result = SPAM_DKIM_NEUTRAL;
		out->why = "test key";
	} else {
		out->result = SPAM_DKIM_PASS;
		out->why = "";
	}
}

static void
copy_lower(char *out, size_t n, const u_char *text)
{
	snprintf(out, n, "%s", text ? (const char *)text : "");
	for (char *c = out; *c; c++)
		*c = (char)cv_lower((unsigned char)*c);
}

static void
describe(struct spam_dkim_stream *s, DKIM_SIGINFO *sig, struct spam_dkim_signature *out)
{
	size_t n = 8;

	*out = (struct spam_dkim_signature){.why = ""};
	copy_lower(out->domain, sizeof out->domain, dkim_sig_getdomain(sig));
	copy_lower(out->selector, sizeof out->selector, dkim_sig_getselector(sig));
	copy_lower(out->alg, sizeof out->alg,
		dkim_sig_gettagvalue(sig, false, (u_char *)(uintptr_t) "a"));
	if (dkim_get_sigsubstring(s->handle, sig, out->b, &n) != DKIM_STAT_OK || n >= sizeof out->b)
		n = 0;
	out->b[n] = '\0';
	if (dkim_sig_getflags(sig) & DKIM_SIGFLAG_PASSED && dkim_sig_getbh(sig) == DKIM_SIGBH_MATCH)
		judge_passed(s->handle, sig, out);
	else
		explain_failure(s, sig, out);
}

size_t
spam_dkim_signatures(
	struct spam_dkim_stream *s, struct spam_dkim_signature out[SPAM_DKIM_SIGNATURES_MAX])
{
	DKIM_SIGINFO **sigs = NULL;
	int count = 0;

	assert(s->ended && !s->is_signer);
	if (!s->handle || dkim_getsiglist(s->handle, &sigs, &count) != DKIM_STAT_OK)
		return 0;
	if (count > SPAM_DKIM_SIGNATURES_MAX)
		count = SPAM_DKIM_SIGNATURES_MAX;
	for (int i = 0; i < count; i++) {
		/* eom stops at the first that passes */
		if (!s->is_dead && !(dkim_sig_getflags(sigs[i]) & DKIM_SIGFLAG_PROCESSED))
			(void)dkim_sig_process(s->handle, sigs[i]);
		describe(s, sigs[i], &out[i]);
	}
	return (size_t)count;
}
