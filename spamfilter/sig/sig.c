/* sig.c - see sig.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/sig/sig.h"

#include "common/net/dns.h"
#include "common/text/domain.h"

#define SIGNED_MAX (2u << 20)

/* ---- reading ---- */

static bool
read_domain(struct cv_str s, char out[256])
{
	struct cv_buf text = CV_BUF_INIT(255);
	bool good = s.n && cv_domain_to_ascii(s, &text, NULL) == CV_OK &&
		    cv_dns_name_clean(cv_buf_view(&text), out) && out[0];

	cv_buf_done(&text);
	if (!good)
		out[0] = '\0';
	return good;
}

static enum sig_alg
read_alg(struct cv_str s)
{
	static const char *const names[] = {"rsa-sha256", "ed25519-sha256", "rsa-sha1"};

	for (size_t i = 0; i < CV_COUNT(names); i++)
		if (cv_str_ieq_z(s, names[i]))
			return (enum sig_alg)i;
	return SIG_ALG_UNKNOWN;
}

static bool
read_form(struct cv_str s, bool *relaxed)
{
	*relaxed = cv_str_ieq_z(s, "relaxed");
	return *relaxed || cv_str_ieq_z(s, "simple");
}

/* "header" or "header/body"; both are simple when nothing is said. */
static bool
read_canon(struct cv_str s, struct sig *out)
{
	size_t slash = cv_str_find(s, '/', 0);

	return read_form(cv_str_sub(s, 0, slash), &out->relaxed_header) &&
	       (slash == s.n || read_form(cv_str_sub(s, slash + 1, s.n), &out->relaxed_body));
}

static bool
read_time(const struct sig_tags *tags, const char *name, int64_t *out)
{
	const struct sig_tag *tag = sig_tag_find(tags, name);
	uint64_t n;

	*out = -1;
	if (!tag)
		return true;
	if (tag->value.n > 12 || cv_str_u64(tag->value, INT64_MAX, &n) != CV_OK)
		return false;
	*out = (int64_t)n;
	return true;
}

/* i=: [local-part] "@" a domain that is d= or below it. */
static const char *
read_identity(const struct sig_tags *tags, struct sig *out)
{
	const struct sig_tag *tag = sig_tag_find(tags, "i");
	char domain[256];
	size_t at;

	if (!tag)
		return NULL;
	for (at = tag->value.n; at && tag->value.p[at - 1] != '@'; at--)
		;
	if (!at || !read_domain(cv_str_sub(tag->value, at, tag->value.n), domain))
		return "i= is no address";
	if (!cv_domain_is_below(cv_str_z(domain), cv_str_z(out->domain)))
		return "i= is not of d=";
	out->identity = cv_str_sub(tag->value, at, tag->value.n);
	return NULL;
}

/* What a signature over a message has and a seal has not. */
static const char *
read_message_tags(
	struct cv_arena *arena, const struct sig_tags *tags, bool is_dkim, struct sig *out)
{
	const struct sig_tag *h = sig_tag_find(tags, "h"), *l = sig_tag_find(tags, "l");
	struct cv_str hash = sig_base64(arena, sig_tag_value(tags, "bh", CV_STR_EMPTY));

	if (!h || !h->value.n)
		return "h= is missing";
	out->names = h->value;
	if (is_dkim && !sig_list_has(h->value, "from"))
		return "From is not signed";
	if (!read_canon(sig_tag_value(tags, "c", CV_STR("simple")), out))
		return "c= names no canonical form";
	if (!sig_tag_find(tags, "bh"))
		return "bh= is missing";
	if (out->alg != SIG_RSA_SHA1 && hash.n != SIG_HASH_BYTES)
		return "bh= is no hash";
	if (hash.n >= SIG_HASH_BYTES)
		memcpy(out->body_hash, hash.p, SIG_HASH_BYTES);
	if (l && (l->value.n > 18 || cv_str_u64(l->value, INT64_MAX, &out->limit) != CV_OK))
		return "l= is no number";
	if (!sig_list_has(sig_tag_value(tags, "q", CV_STR("dns/txt")), "dns/txt"))
		return "q= names no way to the key";
	if (!read_time(tags, "t", &out->signed_secs))
		return "t= is no time";
	if (!read_time(tags, "x", &out->expires_secs) ||
		(out->expires_secs >= 0 && out->expires_secs <= out->signed_secs))
		return "x= is no time after t=";
	return is_dkim ? read_identity(tags, out) : NULL;
}

/* RFC 8617 4.1.3: a seal that names fields, or has no word on the chain, is broken. */
static const char *
read_seal_tags(const struct sig_tags *tags, struct sig *out)
{
	if (sig_tag_find(tags, "h"))
		return "h= in a seal";
	out->cv = sig_tag_value(tags, "cv", CV_STR_EMPTY);
	if (!cv_str_ieq_z(out->cv, "none") && !cv_str_ieq_z(out->cv, "pass") &&
		!cv_str_ieq_z(out->cv, "fail"))
		return "cv= is missing or unknown";
	return read_time(tags, "t", &out->signed_secs) ? NULL : "t= is no time";
}

static const char *
read_tags(struct cv_arena *arena, const struct sig_tags *tags, enum sig_kind kind, struct sig *out)
{
	const struct sig_tag *b = sig_tag_find(tags, "b");

	out->domain_text = sig_tag_value(tags, "d", CV_STR_EMPTY);
	out->selector_text = sig_tag_value(tags, "s", CV_STR_EMPTY);
	bool has_domain = read_domain(out->domain_text, out->domain);
	bool has_selector = read_domain(out->selector_text, out->selector);
	out->alg_text = sig_tag_value(tags, "a", CV_STR_EMPTY);
	out->alg = read_alg(out->alg_text);
	if (b) {
		out->signature_text = sig_without_blanks(arena, b->value);
		out->cut_from = b->from;
		out->cut_to = b->to;
	}
	if (kind == SIG_DKIM && !cv_str_eq_z(sig_tag_value(tags, "v", CV_STR_EMPTY), "1"))
		return "v= is not 1";
	if (!out->alg_text.n)
		return "a= is missing";
	if (out->alg == SIG_ALG_UNKNOWN)
		return "unknown algorithm";
	if (!has_domain)
		return "d= is no domain";
	if (!has_selector)
		return "s= is no selector";
	const char *fault = kind == SIG_ARC_SEAL
				    ? read_seal_tags(tags, out)
				    : read_message_tags(arena, tags, kind == SIG_DKIM, out);
	if (fault)
		return fault;
	if (!b)
		return "b= is missing";
	out->signature = sig_base64(arena, b->value);
	return out->signature.p ? NULL : "b= is no base64";
}

void
sig_parse(struct cv_arena *arena, struct cv_str value, enum sig_kind kind, struct sig *out)
{
	struct sig_tags tags;

	*out = (struct sig){
		.limit = UINT64_MAX, .signed_secs = -1, .expires_secs = -1, .alg = SIG_ALG_UNKNOWN};
	out->fault = sig_tags_parse(value, &tags) ? read_tags(arena, &tags, kind, out)
						  : "no list of tags";
}

/* ---- what is signed ---- */

/* The last field NAME that USED does not name yet, or NULL. A signature is none of its own. */
static const struct sig_field *
take_field(const struct sig_field *fields, size_t count, const struct sig_field *self,
	struct cv_str name, unsigned char *used)
{
	for (size_t i = count; i > 0; i--) {
		if (used[(i - 1) / 8] & (1u << ((i - 1) % 8)))
			continue;
		if (&fields[i - 1] == self || !cv_str_ieq(cv_str_trim(fields[i - 1].name), name))
			continue;
		used[(i - 1) / 8] |= (unsigned char)(1u << ((i - 1) % 8));
		return &fields[i - 1];
	}
	return NULL;
}

bool
sig_header_hash(const struct sig *sig, const struct sig_field *fields, size_t count,
	const struct sig_field *self, unsigned char hash[SIG_HASH_BYTES])
{
	struct cv_buf data = CV_BUF_INIT(SIGNED_MAX);
	unsigned char *used = cv_calloc(count / 8 + 1, 1);
	struct cv_str names = sig->names, name;
	size_t named = 0;

	while (cv_str_split(&names, ':', &name) && named++ < SIG_NAMES_MAX) {
		const struct sig_field *f =
			take_field(fields, count, self, cv_str_trim(name), used);
		if (!f)
			continue;
		sig_canon_field(f, sig->relaxed_header, SIZE_MAX, SIZE_MAX, &data);
		cv_buf_z(&data, "\r\n");
	}
	sig_canon_field(self, sig->relaxed_header, sig->cut_from, sig->cut_to, &data);
	bool good = !data.full && named <= SIG_NAMES_MAX &&
		    EVP_Digest(data.p, data.n, hash, NULL, sig_sha256(), NULL) == 1;
	free(used);
	cv_buf_done(&data);
	return good;
}
