/* dkim.c - see dkim.h: streams, the guard before libopendkim, and what signatures are worth. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dkim.h"

#include "common/base/clock.h"
#include "spamfilter/dkim_impl.h"

/* ---- streams ---- */

struct spam_dkim_stream *
dkim_stream_new(void)
{
	return cv_calloc(1, sizeof(struct spam_dkim_stream));
}

struct spam_dkim_stream *
spam_dkim_verifier(struct spam_lookups *lookups)
{
	struct spam_dkim_stream *s = dkim_stream_new();

	s->lookups = lookups;
	return s;
}

void
spam_dkim_stream_free(struct spam_dkim_stream *s)
{
	if (!s)
		return;
	spam_opendkim_free(s->lib);
	for (size_t i = 0; i < s->held_count; i++)
		spam_answer_free(s->held[i]);
	if (s->has_hash)
		sig_body_done(&s->hash);
	cv_arena_done(&s->arena);
	free(s->fields);
	free(s);
}

void
spam_dkim_header(struct spam_dkim_stream *s, struct cv_str name, struct cv_str value)
{
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->fields = cv_realloc(s->fields, s->room * sizeof *s->fields);
	}
	s->fields[s->count++] = (struct sig_field){name, value};
}

static bool
is_signature(const struct sig_field *f)
{
	return cv_str_ieq_z(cv_str_trim(f->name), "DKIM-Signature");
}

/* Why SIG is worth nothing whatever the key says; NULL when it may be worth something. */
static const char *
reject(const struct sig *sig, enum spam_dkim_result *result_out)
{
	int64_t now = cv_wall_secs();

	*result_out = SPAM_DKIM_NEUTRAL;
	if (sig->fault)
		return sig->fault;
	*result_out = SPAM_DKIM_FAIL;
	if (sig->alg == SIG_RSA_SHA1)
		return "rsa-sha1 is no signature any more (RFC 8301)";
	if (sig->expires_secs >= 0 && sig->expires_secs <= now)
		return "signature expired";
	if (sig->signed_secs > now + SIG_SKEW_SECS)
		return "signature from the future";
	return NULL;
}

/* The key that the guard read, held as long as the stream. */
static bool
key_text(void *arg, const char *name, struct cv_buf *text, const struct sig_key **key_out)
{
	struct spam_dkim_stream *s = arg;
	struct spam_answer *hold;
	const struct sig_key *key = sig_key_fetch(s->lookups, name, &hold);

	if (key->state != SIG_KEY_GOOD || s->held_count == CV_COUNT(s->held)) {
		spam_answer_free(hold);
		return false;
	}
	s->held[s->held_count++] = hold;
	cv_buf_str(text, hold->dns->records[0].rdata);
	*key_out = key;
	return true;
}

/* libopendkim gives up a message for one broken signature: it is fed those that the guard let pass,
 * unless one of them covers the others. */
static void
feed_header(struct spam_dkim_stream *s, bool covers_signatures)
{
	size_t next = 0;

	s->lib = spam_opendkim_verifier(key_text, s);
	for (size_t i = 0; i < s->count; i++) {
		bool is_ours = next < s->candidate_count && s->candidates[next].field == i;
		bool is_fed = is_ours ? s->candidates[next].is_fed : !is_signature(&s->fields[i]);
		next += is_ours;
		if (is_fed || covers_signatures)
			spam_opendkim_header(s->lib, &s->fields[i]);
	}
	spam_opendkim_eoh(s->lib);
}

static void
begin_verifying(struct spam_dkim_stream *s)
{
	bool any = false, covers = false;
	enum spam_dkim_result result;

	s->candidates = CV_ARENA_ARRAY(&s->arena, struct dkim_candidate, SPAM_DKIM_SIGNATURES_MAX);
	for (size_t i = 0; i < s->count && s->candidate_count < SPAM_DKIM_SIGNATURES_MAX; i++) {
		if (!is_signature(&s->fields[i]))
			continue;
		struct dkim_candidate *c = &s->candidates[s->candidate_count++];
		c->field = i;
		sig_parse(&s->arena, s->fields[i].value, SIG_DKIM, &c->sig);
		c->is_fed = !reject(&c->sig, &result);
		any |= c->is_fed;
		covers |= c->is_fed && sig_list_has(c->sig.names, "dkim-signature");
	}
	if (any)
		feed_header(s, covers);
}

void
spam_dkim_eoh(struct spam_dkim_stream *s)
{
	if (!s->key) {
		if (!s->candidates)
			begin_verifying(s);
		return;
	}
	if (!s->lib)
		return;
	for (size_t i = 0; i < s->count; i++)
		spam_opendkim_header(s->lib, &s->fields[i]);
	spam_opendkim_eoh(s->lib);
}

void
spam_dkim_body(struct spam_dkim_stream *s, struct cv_str bytes)
{
	if (!bytes.n)
		return;
	if (s->lib)
		spam_opendkim_body(s->lib, bytes);
	if (s->has_hash)
		sig_body_add(&s->hash, bytes);
	s->last = bytes.p[bytes.n - 1];
	s->has_body = true;
}

void
spam_dkim_end(struct spam_dkim_stream *s)
{
	assert(!s->ended);
	s->ended = true;
	/* A body that does not end in CRLF cannot be signed, and MTAs will complete it. */
	if (s->has_body && s->last != '\n')
		spam_dkim_body(s, s->last == '\r' ? CV_STR("\n") : CV_STR("\r\n"));
	if (s->lib)
		spam_opendkim_end(s->lib);
}

/* ---- what the signatures are worth ---- */

const char *
spam_dkim_word(enum spam_dkim_result result)
{
	static const char *const words[] = {
		"none", "pass", "fail", "policy", "neutral", "temperror", "permerror"};

	return words[result];
}

static void
decide(struct spam_dkim_signature *out, enum spam_dkim_result result, const char *why)
{
	out->result = result;
	out->why = why;
}

static bool
check_key(const struct sig_key *key, const struct sig *sig, struct spam_dkim_signature *out)
{
	if (key->state == SIG_KEY_TEMPFAIL)
		decide(out, SPAM_DKIM_TEMPERROR, sig_key_words(key->state));
	else if (key->state == SIG_KEY_SMALL)
		decide(out, SPAM_DKIM_FAIL, sig_key_words(key->state));
	else if (key->state != SIG_KEY_GOOD)
		decide(out, SPAM_DKIM_PERMERROR, sig_key_words(key->state));
	else if (key->is_ed25519 != (sig->alg == SIG_ED25519_SHA256))
		decide(out, SPAM_DKIM_PERMERROR, "key of another type");
	else if (key->is_strict && sig->identity.n && !cv_str_ieq_z(sig->identity, sig->domain))
		decide(out, SPAM_DKIM_PERMERROR, "key only for d= itself");
	else
		return true;
	return false;
}

/* The guard found nothing wrong: libopendkim decides. */
static void
ask_library(struct spam_dkim_stream *s, const struct dkim_candidate *c, const struct sig_key *key,
	struct spam_dkim_signature *out)
{
	const char *why;

	switch (spam_opendkim_opinion(s->lib, &c->sig, &why)) {
	case SPAM_OPENDKIM_GOOD:
		if (key->is_test)
			decide(out, SPAM_DKIM_NEUTRAL, "test key");
		else
			decide(out, SPAM_DKIM_PASS, "");
		break;
	case SPAM_OPENDKIM_PARTLY:
		decide(out, SPAM_DKIM_NEUTRAL, "l= leaves part of the body unsigned");
		break;
	case SPAM_OPENDKIM_BODY:
		decide(out, SPAM_DKIM_FAIL, "body hash does not match");
		break;
	case SPAM_OPENDKIM_SHORT:
		decide(out, SPAM_DKIM_FAIL, "l= longer than the body");
		break;
	case SPAM_OPENDKIM_BAD:
		decide(out, SPAM_DKIM_FAIL, why);
	}
}

static void
judge(struct spam_dkim_stream *s, const struct dkim_candidate *c, struct spam_dkim_signature *out)
{
	struct spam_answer *hold;
	char name[600];

	out->why = reject(&c->sig, &out->result);
	if (out->why)
		return;
	snprintf(name, sizeof name, "%s._domainkey.%s", c->sig.selector, c->sig.domain);
	const struct sig_key *key = sig_key_fetch(s->lookups, name, &hold);
	if (check_key(key, &c->sig, out))
		ask_library(s, c, key, out);
	spam_answer_free(hold);
}

static void
describe(const struct sig *sig, struct spam_dkim_signature *out)
{
	*out = (struct spam_dkim_signature){.why = ""};
	snprintf(out->domain, sizeof out->domain, "%s", sig->domain);
	snprintf(out->selector, sizeof out->selector, "%s", sig->selector);
	snprintf(out->alg, sizeof out->alg, "%.*s", (int)CV_MIN(sig->alg_text.n, 31),
		sig->alg_text.n ? sig->alg_text.p : "");
	snprintf(out->b, sizeof out->b, "%.*s", (int)CV_MIN(sig->signature_text.n, 8),
		sig->signature_text.n ? sig->signature_text.p : "");
	for (char *c = out->alg; *c; c++)
		*c = (char)cv_lower((unsigned char)*c);
}

size_t
spam_dkim_signatures(
	struct spam_dkim_stream *s, struct spam_dkim_signature out[SPAM_DKIM_SIGNATURES_MAX])
{
	assert(s->ended && !s->key);
	for (size_t i = 0; i < s->candidate_count; i++) {
		describe(&s->candidates[i].sig, &out[i]);
		judge(s, &s->candidates[i], &out[i]);
	}
	return s->candidate_count;
}
