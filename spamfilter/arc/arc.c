/* arc.c - see arc.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/arc/arc.h"

#include "common/base/clock.h"
#include "common/text/domain.h"
#include "spamfilter/authres.h"

#define CANON_MAX (2u << 20)

enum part { PART_RESULTS, PART_MESSAGE, PART_SEAL, PARTS };

struct set {
	const struct sig_field *part[PARTS];
	struct sig message, seal; /* MESSAGE of the newest only */
};

struct spam_arc {
	struct cv_arena arena;
	struct spam_lookups *lookups;
	const struct sig_field *fields;
	size_t field_count;
	struct set sets[SPAM_ARC_SETS_MAX];
	struct spam_arc_hop hops[SPAM_ARC_SETS_MAX];
	unsigned count;
	const char *fault; /* what broke before the end; NULL while nothing did */
	bool is_temporary;
	bool has_body; /* a body hash is under way */
	char last;
	struct sig_body body;
};

const char *
spam_arc_word(enum spam_arc_result result)
{
	static const char *const words[] = {"none", "pass", "fail"};

	return words[result];
}

/* ---- the sets ---- */

static enum part
part_of(struct cv_str name)
{
	static const char *const names[] = {
		"ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"};

	for (size_t i = 0; i < PARTS; i++)
		if (cv_str_ieq_z(cv_str_trim(name), names[i]))
			return (enum part)i;
	return PARTS;
}

/* 1 to 50, or 0. */
static unsigned
read_instance(struct cv_str s)
{
	uint64_t n;

	if (s.n > 2 || cv_str_u64(s, SPAM_ARC_SETS_MAX, &n) != CV_OK)
		return 0;
	return (unsigned)n;
}

/* "i=N; the rest" of ARC-Authentication-Results: the rest into *REST. */
static unsigned
read_results_instance(struct cv_str value, struct cv_str *rest)
{
	size_t end = cv_str_find(value, ';', 0), equal = cv_str_find(value, '=', 0);

	*rest = cv_str_sub(value, end + 1, value.n);
	if (end == value.n || equal > end ||
		!cv_str_ieq_z(cv_str_trim(cv_str_sub(value, 0, equal)), "i"))
		return 0;
	return read_instance(cv_str_trim(cv_str_sub(value, equal + 1, end)));
}

static unsigned
instance_of(enum part part, struct cv_str value, struct cv_str *rest)
{
	struct sig_tags tags;

	if (part == PART_RESULTS)
		return read_results_instance(value, rest);
	if (!sig_tags_parse(value, &tags))
		return 0;
	return read_instance(sig_tag_value(&tags, "i", CV_STR_EMPTY));
}

static void
break_chain(struct spam_arc *a, const char *why)
{
	if (!a->fault)
		a->fault = why;
}

static void
add_field(struct spam_arc *a, enum part part, const struct sig_field *field)
{
	struct cv_str rest = CV_STR_EMPTY;
	unsigned instance = instance_of(part, field->value, &rest);

	if (!instance) {
		break_chain(a, "a field without a right instance");
		return;
	}
	struct set *set = &a->sets[instance - 1];
	if (set->part[part])
		break_chain(a, "a field twice in one set");
	set->part[part] = field;
	if (part == PART_RESULTS)
		a->hops[instance - 1].results = rest;
	a->count = CV_MAX(a->count, instance);
}

/* Complete, and each says what its place demands (5.2, steps 2 and 3). */
static void
check_set(struct spam_arc *a, unsigned i)
{
	struct set *set = &a->sets[i];

	if (!set->part[PART_RESULTS] || !set->part[PART_MESSAGE] || !set->part[PART_SEAL]) {
		break_chain(a, "a set is not complete");
		return;
	}
	sig_parse(&a->arena, set->part[PART_SEAL]->value, SIG_ARC_SEAL, &set->seal);
	if (set->seal.fault) {
		break_chain(a, set->seal.fault);
		return;
	}
	if (set->seal.alg == SIG_RSA_SHA1)
		break_chain(a, "a seal with rsa-sha1");
	memcpy(a->hops[i].sealer, set->seal.domain, sizeof a->hops[i].sealer);
	if (cv_str_ieq_z(set->seal.cv, "fail"))
		break_chain(a, "the chain had failed before");
	else if (cv_str_ieq_z(set->seal.cv, "none") != (i == 0))
		break_chain(a, "cv= does not fit its place");
}

/* The newest signature over the message (step 4): its tags, and the body on its way. */
static void
begin_message(struct spam_arc *a)
{
	struct set *newest = &a->sets[a->count - 1];
	struct sig *sig = &newest->message;

	sig_parse(&a->arena, newest->part[PART_MESSAGE]->value, SIG_ARC_MESSAGE, sig);
	if (sig->fault)
		break_chain(a, sig->fault);
	else if (sig->alg == SIG_RSA_SHA1)
		break_chain(a, "a signature with rsa-sha1");
	else if (!sig_list_has(sig->names, "from"))
		break_chain(a, "From is not signed");
	else if (sig_list_has(sig->names, "arc-seal"))
		break_chain(a, "a signature over a seal");
	if (a->fault)
		return;
	sig_body_init(&a->body, sig->relaxed_body, sig->limit);
	a->has_body = true;
}

struct spam_arc *
spam_arc_begin(struct spam_lookups *lookups, const struct sig_field *fields, size_t count)
{
	struct spam_arc *a = NULL;

	for (size_t i = 0; i < count; i++) {
		enum part part = part_of(fields[i].name);
		if (part == PARTS)
			continue;
		if (!a) {
			a = cv_calloc(1, sizeof *a);
			a->lookups = lookups;
			a->fields = fields;
			a->field_count = count;
		}
		add_field(a, part, &fields[i]);
	}
	for (unsigned i = 0; a && i < a->count && !a->fault; i++)
		check_set(a, i);
	if (a && !a->fault)
		begin_message(a);
	return a;
}

void
spam_arc_body(struct spam_arc *a, struct cv_str bytes)
{
	if (!a->has_body || !bytes.n)
		return;
	sig_body_add(&a->body, bytes);
	a->last = bytes.p[bytes.n - 1];
}

void
spam_arc_free(struct spam_arc *a)
{
	if (!a)
		return;
	if (a->has_body)
		sig_body_done(&a->body);
	cv_arena_done(&a->arena);
	free(a);
}

/* ---- signatures ---- */

/* Whether SIG is right for HASH, by the key DNS has for it. */
static void
verify(struct spam_arc *a, const struct sig *sig, const unsigned char hash[SIG_HASH_BYTES],
	const char *why)
{
	struct spam_answer *hold;
	char name[600];

	snprintf(name, sizeof name, "%s._domainkey.%s", sig->selector, sig->domain);
	const struct sig_key *key = sig_key_fetch(a->lookups, name, &hold);
	if (key->state != SIG_KEY_GOOD) {
		a->is_temporary = key->state == SIG_KEY_TEMPFAIL;
		break_chain(a, sig_key_words(key->state));
	} else if (key->is_test) {
		break_chain(a, "test key");
	} else if (key->is_ed25519 != (sig->alg == SIG_ED25519_SHA256)) {
		break_chain(a, "key of another type");
	} else if (!sig_key_verify(key, hash, sig->signature)) {
		break_chain(a, why);
	}
	spam_answer_free(hold);
}

static void
check_message(struct spam_arc *a)
{
	const struct set *newest = &a->sets[a->count - 1];
	const struct sig *sig = &newest->message;
	unsigned char hash[SIG_HASH_BYTES];

	if (a->last == '\r')
		spam_arc_body(a, CV_STR("\n"));
	sig_body_end(&a->body, hash);
	if (memcmp(hash, sig->body_hash, SIG_HASH_BYTES) != 0)
		break_chain(a, "body hash does not match");
	else if (sig->limit != UINT64_MAX && sig->limit != a->body.total)
		break_chain(a, "l= is not the body's length");
	else if (sig->expires_secs >= 0 && sig->expires_secs <= cv_wall_secs())
		break_chain(a, "signature expired");
	else if (!sig_header_hash(sig, a->fields, a->field_count, newest->part[PART_MESSAGE], hash))
		break_chain(a, "too much is signed");
	else
		verify(a, sig, hash, "signature over the message does not match");
}

static void
add_canonical(EVP_MD_CTX *md, const struct sig_field *f, const struct sig *cut, const char *end)
{
	struct cv_buf text = CV_BUF_INIT(CANON_MAX);

	sig_canon_field(
		f, true, cut ? cut->cut_from : SIZE_MAX, cut ? cut->cut_to : SIZE_MAX, &text);
	cv_buf_z(&text, end);
	if (EVP_DigestUpdate(md, text.p, text.n) != 1)
		cv_die("a digest failed");
	cv_buf_done(&text);
}

/* Each seal covers all sets up to its own (5.1.1), its own signature left out. */
static void
check_seals(struct spam_arc *a)
{
	EVP_MD_CTX *all = EVP_MD_CTX_new(), *one = EVP_MD_CTX_new();
	unsigned char hash[SIG_HASH_BYTES];

	if (!all || !one || EVP_DigestInit_ex2(all, sig_sha256(), NULL) != 1)
		cv_die("no memory for a digest");
	for (unsigned i = 0; i < a->count && !a->fault; i++) {
		const struct set *set = &a->sets[i];
		add_canonical(all, set->part[PART_RESULTS], NULL, "\r\n");
		add_canonical(all, set->part[PART_MESSAGE], NULL, "\r\n");
		if (EVP_MD_CTX_copy_ex(one, all) != 1)
			cv_die("no memory for a digest");
		add_canonical(one, set->part[PART_SEAL], &set->seal, "");
		if (EVP_DigestFinal_ex(one, hash, NULL) != 1)
			cv_die("a digest failed");
		verify(a, &set->seal, hash, "a seal does not match");
		add_canonical(all, set->part[PART_SEAL], NULL, "\r\n");
	}
	EVP_MD_CTX_free(all);
	EVP_MD_CTX_free(one);
}

void
spam_arc_end(struct spam_arc *a, struct spam_arc_answer *out)
{
	if (!a->fault)
		check_message(a);
	if (!a->fault)
		check_seals(a);
	*out = (struct spam_arc_answer){
		.result = a->fault ? SPAM_ARC_FAIL : SPAM_ARC_PASS,
		.is_temporary = a->is_temporary,
		.why = a->fault ? a->fault : "",
		.count = a->count,
		.hops = a->hops,
	};
}

/* ---- trust ---- */

static bool
is_trusted(const char *sealer, struct cv_str trusted)
{
	size_t from = 0;

	for (size_t i = 0; i <= trusted.n; i++) {
		if (i < trusted.n && !strchr(" ,\t\n", trusted.p[i]))
			continue;
		struct cv_str name = cv_str_sub(trusted, from, i);
		if (name.n && cv_domain_is_below(cv_str_z(sealer), name))
			return true;
		from = i + 1;
	}
	return false;
}

const struct spam_arc_hop *
spam_arc_vouching(const struct spam_arc_answer *a, struct cv_str trusted, struct cv_str author)
{
	if (a->result != SPAM_ARC_PASS || !author.n)
		return NULL;
	for (unsigned i = a->count; i > 0 && is_trusted(a->hops[i - 1].sealer, trusted); i--)
		if (spam_authres_has_pass(a->hops[i - 1].results, "dmarc", "header.from", author))
			return &a->hops[i - 1];
	return NULL;
}
