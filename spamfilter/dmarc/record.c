/* record.c - see record.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/record.h"

#include <stdio.h>

#include "common/text/address.h"

const char *
spam_dmarc_policy_word(enum spam_dmarc_policy policy)
{
	static const char *const words[] = {"none", "quarantine", "reject"};

	return words[policy];
}

/* WSP of the grammar: no line ends. */
static struct cv_str
trim(struct cv_str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* ---- report addresses ---- */

static int
hex_digit(char c)
{
	if (cv_is_digit((unsigned char)c))
		return c - '0';
	unsigned char l = cv_lower((unsigned char)c);
	return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* False when an escape is broken or OUT would overflow. */
static bool
decode_percent(struct cv_str in, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		int c = (unsigned char)in.p[i];
		if (c == '%') {
			int high = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
			int low = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		if (c <= ' ' || c > '~' || n + 1 >= room)
			return false;
		out[n++] = (char)c;
	}
	out[n] = 0;
	return n > 0;
}

/* "!" digits and k, m, g or t at the end of a URI: what RFC 7489 wrote, and RFC 9989 calls
 * obsolete. Cuts it off; false when it is malformed, which breaks the URI. */
static bool
take_limit(struct cv_str *uri, uint64_t *out)
{
	static const char units[] = "kmgt";
	size_t at = cv_str_find(*uri, '!', 0);
	struct cv_str text = cv_str_sub(*uri, at + 1, uri->n);
	uint64_t factor = 1;

	*out = 0;
	if (at == uri->n)
		return true;
	for (size_t i = 0; text.n && units[i]; i++)
		if (cv_lower((unsigned char)text.p[text.n - 1]) == (unsigned char)units[i])
			factor = (uint64_t)1 << (10 * (i + 1));
	if (factor > 1)
		text.n--;
	*uri = cv_str_sub(*uri, 0, at);
	if (cv_str_u64(text, UINT32_MAX, out) != CV_OK)
		return false;
	*out = *out > UINT64_MAX / factor ? UINT64_MAX : *out * factor;
	return true;
}

/* mailto: with exactly one address and nothing of fields behind it. */
static bool
parse_uri(struct cv_str uri, struct spam_dmarc_uri *out)
{
	char text[SPAM_DMARC_URI_MAX + 1];
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_NAME_MAX + 1);
	struct cv_path path;

	if (!take_limit(&uri, &out->limit_bytes) || !cv_str_has_iprefix(uri, "mailto:"))
		return false;
	uri = cv_str_sub(uri, 7, cv_str_find(uri, '?', 0));
	if (!decode_percent(uri, text, sizeof text) ||
		cv_address_split(cv_str_z(text), 0, &path, NULL) != CV_OK || path.is_literal ||
		path.is_quoted || cv_domain_to_ascii(path.domain, &ascii, NULL) != CV_OK) {
		cv_buf_done(&ascii);
		return false;
	}
	int n = snprintf(out->address, sizeof out->address, "%.*s@%.*s", CV_STR_ARGS(path.local),
		CV_STR_ARGS(cv_buf_view(&ascii)));
	cv_buf_done(&ascii);
	return n > 0 && (size_t)n < sizeof out->address;
}

/* Something of the form scheme:rest counts as a URI, whether or not we can use its scheme. */
static bool
is_uri(struct cv_str uri)
{
	size_t colon = cv_str_find(uri, ':', 0);

	if (!colon || colon + 1 >= uri.n || !cv_is_alpha((unsigned char)uri.p[0]))
		return false;
	for (size_t i = 0; i < colon; i++)
		if (!cv_is_alpha((unsigned char)uri.p[i]) &&
			!cv_is_digit((unsigned char)uri.p[i]) && !strchr("+-.", uri.p[i]))
			return false;
	for (size_t i = colon; i < uri.n; i++)
		if ((unsigned char)uri.p[i] <= ' ' || (unsigned char)uri.p[i] > '~')
			return false;
	return true;
}

/* How many well-formed URIs stand in VALUE; those that can be used go to OUT. */
static size_t
parse_uris(struct cv_str value, struct spam_dmarc_uri *out, size_t *count_out)
{
	struct cv_str rest = value, one;
	struct spam_dmarc_uri uri;
	size_t good = 0;

	while (cv_str_split(&rest, ',', &one)) {
		one = trim(one);
		bool is_ours = parse_uri(one, &uri);
		if (!is_ours && (cv_str_has_iprefix(one, "mailto:") || !is_uri(one)))
			continue;
		good++;
		if (is_ours && out && *count_out < SPAM_DMARC_URIS_MAX)
			out[(*count_out)++] = uri;
	}
	return good;
}

/* ---- tags ---- */

struct reading {
	struct spam_dmarc_record *r;
	bool bad_policy; /* sp or np that cannot be read */
	bool has_rua;
};

static bool
parse_policy(struct cv_str value, enum spam_dmarc_policy *out)
{
	for (int p = SPAM_DMARC_P_NONE; p <= SPAM_DMARC_P_REJECT; p++) {
		if (cv_str_ieq_z(value, spam_dmarc_policy_word((enum spam_dmarc_policy)p))) {
			*out = (enum spam_dmarc_policy)p;
			return true;
		}
	}
	return false;
}

static void
tag_p(struct reading *g, struct cv_str value)
{
	g->r->has_p = parse_policy(value, &g->r->p);
}

static void
tag_sp(struct reading *g, struct cv_str value)
{
	g->r->has_sp = parse_policy(value, &g->r->sp);
	g->bad_policy |= !g->r->has_sp;
}

static void
tag_np(struct reading *g, struct cv_str value)
{
	g->r->has_np = parse_policy(value, &g->r->np);
	g->bad_policy |= !g->r->has_np;
}

static void
tag_adkim(struct reading *g, struct cv_str value)
{
	g->r->strict_dkim = cv_str_ieq_z(value, "s");
}

static void
tag_aspf(struct reading *g, struct cv_str value)
{
	g->r->strict_spf = cv_str_ieq_z(value, "s");
}

static void
tag_t(struct reading *g, struct cv_str value)
{
	g->r->is_testing = cv_str_ieq_z(value, "y");
}

static void
tag_psd(struct reading *g, struct cv_str value)
{
	if (cv_str_ieq_z(value, "y"))
		g->r->psd = SPAM_DMARC_PSD_Y;
	else if (cv_str_ieq_z(value, "n"))
		g->r->psd = SPAM_DMARC_PSD_N;
}

static void
tag_rua(struct reading *g, struct cv_str value)
{
	g->has_rua = parse_uris(value, g->r->rua, &g->r->rua_count) > 0;
}

static void
tag_ruf(struct reading *g, struct cv_str value)
{
	g->r->has_ruf = parse_uris(value, NULL, NULL) > 0;
}

/* 0 and 1 exclude each other, and each value stands once (4.8). */
static void
tag_fo(struct reading *g, struct cv_str value)
{
	struct cv_str rest = value, one;
	unsigned fo = 0;

	while (cv_str_split(&rest, ':', &one)) {
		one = trim(one);
		unsigned bit = cv_str_ieq_z(one, "0")   ? SPAM_DMARC_FO_0
			       : cv_str_ieq_z(one, "1") ? SPAM_DMARC_FO_1
			       : cv_str_ieq_z(one, "d") ? SPAM_DMARC_FO_D
			       : cv_str_ieq_z(one, "s") ? SPAM_DMARC_FO_S
							: 0u;
		if (!bit || (fo & bit))
			return;
		fo |= bit;
	}
	if ((fo & SPAM_DMARC_FO_0) && (fo & SPAM_DMARC_FO_1))
		return;
	g->r->fo = fo;
}

static void
tag_pct(struct reading *g, struct cv_str value)
{
	uint64_t n;

	if (cv_str_u64(value, 100, &n) == CV_OK)
		g->r->percent = (unsigned)n;
}

static const struct {
	const char *name;
	void (*take)(struct reading *g, struct cv_str value);
} tags[] = {
	{"p",     tag_p    },
	{"sp",    tag_sp   },
	{"np",    tag_np   },
	{"adkim", tag_adkim},
	{"aspf",  tag_aspf },
	{"t",     tag_t    },
	{"psd",   tag_psd  },
	{"rua",   tag_rua  },
	{"ruf",   tag_ruf  },
	{"fo",    tag_fo   },
	{"pct",   tag_pct  },
};

/* Printable octets between semicolons, with something behind the "=". */
static bool
split_tag(struct cv_str text, struct cv_str *name_out, struct cv_str *value_out)
{
	size_t equals = cv_str_find(text, '=', 0);

	if (equals >= text.n)
		return false;
	*name_out = trim(cv_str_sub(text, 0, equals));
	*value_out = trim(cv_str_sub(text, equals + 1, text.n));
	for (size_t i = 0; i < value_out->n; i++)
		if ((unsigned char)value_out->p[i] < ' ' || (unsigned char)value_out->p[i] > '~')
			return false;
	return name_out->n && value_out->n;
}

/* 4.10.1: without a usable policy a record that asks for reports is p=none, and any other asks for
 * nothing. */
static void
settle(struct reading *g)
{
	struct spam_dmarc_record *r = g->r;

	r->is_usable = r->has_p && !g->bad_policy;
	if (!r->is_usable) {
		r->is_usable = g->has_rua;
		r->p = r->sp = r->np = SPAM_DMARC_P_NONE;
		r->has_sp = r->has_np = false;
		return;
	}
	if (!r->has_sp)
		r->sp = r->p;
	if (!r->has_np)
		r->np = r->sp;
}

bool
spam_dmarc_record_parse(struct cv_str text, struct spam_dmarc_record *out)
{
	struct cv_str rest = text, one, name, value;
	struct reading g = {.r = out};
	unsigned seen = 0;

	*out = (struct spam_dmarc_record){.fo = SPAM_DMARC_FO_0, .percent = 100};
	if (text.n > SPAM_DMARC_RECORD_MAX || !cv_str_split(&rest, ';', &one))
		return false;
	/* The version comes first, in exactly these letters, with nothing before it. */
	if (!one.n || !cv_is_alpha((unsigned char)one.p[0]) || !split_tag(one, &name, &value) ||
		!cv_str_ieq_z(name, "v") || !cv_str_eq_z(value, "DMARC1"))
		return false;
	while (cv_str_split(&rest, ';', &one)) {
		if (!split_tag(trim(one), &name, &value))
			continue;
		for (size_t i = 0; i < CV_COUNT(tags); i++) {
			if (!cv_str_ieq_z(name, tags[i].name) || (seen & 1u << i))
				continue;
			seen |= 1u << i;
			tags[i].take(&g, value);
		}
	}
	settle(&g);
	return true;
}
