/* dkim.c - see dkim.h: streams, and what signatures are worth. */
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

size_t
dkim_stream_body(struct spam_dkim_stream *s, bool relaxed, uint64_t limit)
{
	for (size_t i = 0; i < s->body_count; i++)
		if (s->bodies[i].hash.relaxed == relaxed && s->bodies[i].hash.limit == limit)
			return i;
	assert(s->body_count < CV_COUNT(s->bodies));
	sig_body_init(&s->bodies[s->body_count].hash, relaxed, limit);
	return s->body_count++;
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
	for (size_t i = 0; i < s->body_count; i++)
		sig_body_done(&s->bodies[i].hash);
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

static void
add_candidate(struct spam_dkim_stream *s, size_t field)
{
	struct dkim_candidate *c = &s->candidates[s->candidate_count++];

	c->field = field;
	sig_parse(&s->arena, s->fields[field].value, SIG_DKIM, &c->sig);
	if (!c->sig.fault && c->sig.alg != SIG_RSA_SHA1)
		c->body = dkim_stream_body(s, c->sig.relaxed_body, c->sig.limit);
}

void
spam_dkim_eoh(struct spam_dkim_stream *s)
{
	if (s->key || s->candidates)
		return;
	s->candidates = CV_ARENA_ARRAY(&s->arena, struct dkim_candidate, SPAM_DKIM_SIGNATURES_MAX);
	for (size_t i = 0; i < s->count && s->candidate_count < SPAM_DKIM_SIGNATURES_MAX; i++)
		if (cv_str_ieq_z(cv_str_trim(s->fields[i].name), "DKIM-Signature"))
			add_candidate(s, i);
}

void
spam_dkim_body(struct spam_dkim_stream *s, struct cv_str bytes)
{
	if (!bytes.n)
		return;
	for (size_t i = 0; i < s->body_count; i++)
		sig_body_add(&s->bodies[i].hash, bytes);
	s->last = bytes.p[bytes.n - 1];
}

void
spam_dkim_end(struct spam_dkim_stream *s)
{
	assert(!s->ended);
	s->ended = true;
	/* MTAs complete a last line: half a line end is one. */
	if (s->last == '\r')
		spam_dkim_body(s, CV_STR("\n"));
	for (size_t i = 0; i < s->body_count; i++)
		sig_body_end(&s->bodies[i].hash, s->bodies[i].value);
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

/* What can be said without the key. False when that is all there is to say. */
static bool
check_signature(const struct spam_dkim_stream *s, const struct dkim_candidate *c,
	struct spam_dkim_signature *out)
{
	const struct sig *sig = &c->sig;
	int64_t now = cv_wall_secs();

	if (sig->fault)
		decide(out, SPAM_DKIM_NEUTRAL, sig->fault);
	else if (sig->alg == SIG_RSA_SHA1)
		decide(out, SPAM_DKIM_FAIL, "rsa-sha1 is no signature any more (RFC 8301)");
	else if (sig->expires_secs >= 0 && sig->expires_secs <= now)
		decide(out, SPAM_DKIM_FAIL, "signature expired");
	else if (sig->signed_secs > now + SIG_SKEW_SECS)
		decide(out, SPAM_DKIM_FAIL, "signature from the future");
	else if (sig->limit != UINT64_MAX && sig->limit > s->bodies[c->body].hash.total)
		decide(out, SPAM_DKIM_FAIL, "l= longer than the body");
	else if (memcmp(sig->body_hash, s->bodies[c->body].value, SIG_HASH_BYTES) != 0)
		decide(out, SPAM_DKIM_FAIL, "body hash does not match");
	else
		return true;
	return false;
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

static void
check_hash(struct spam_dkim_stream *s, const struct dkim_candidate *c, const struct sig_key *key,
	struct spam_dkim_signature *out)
{
	unsigned char hash[SIG_HASH_BYTES];

	if (!sig_header_hash(&c->sig, s->fields, s->count, &s->fields[c->field], hash))
		decide(out, SPAM_DKIM_NEUTRAL, "too much is signed");
	else if (!sig_key_verify(key, hash, c->sig.signature))
		decide(out, SPAM_DKIM_FAIL, "signature does not match");
	else if (c->sig.limit < s->bodies[c->body].hash.total)
		decide(out, SPAM_DKIM_NEUTRAL, "l= leaves part of the body unsigned");
	else if (key->is_test)
		decide(out, SPAM_DKIM_NEUTRAL, "test key");
	else
		decide(out, SPAM_DKIM_PASS, "");
}

static void
judge(struct spam_dkim_stream *s, const struct dkim_candidate *c, struct spam_dkim_signature *out)
{
	struct spam_answer *hold;
	char name[600];

	if (!check_signature(s, c, out))
		return;
	snprintf(name, sizeof name, "%s._domainkey.%s", c->sig.selector, c->sig.domain);
	const struct sig_key *key = sig_key_fetch(s->lookups, name, &hold);
	if (check_key(key, &c->sig, out))
		check_hash(s, c, key, out);
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
