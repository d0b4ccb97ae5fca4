/* record.c - see record.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/record.h"

#include <arpa/inet.h>

#include "spamfilter/spf/macro.h"

enum domain_rule { DOMAIN_NONE, DOMAIN_MAY, DOMAIN_MUST, DOMAIN_IS_IP4, DOMAIN_IS_IP6 };

static const struct mechanism_row {
	const char *name;
	enum spf_mechanism mechanism;
	enum domain_rule domain;
	bool has_cidr4, has_cidr6;
} mechanism_rows[] = {
	{"all",     SPF_ALL,     DOMAIN_NONE,   false, false},
	{"include", SPF_INCLUDE, DOMAIN_MUST,   false, false},
	{"a",       SPF_A,       DOMAIN_MAY,    true,  true },
	{"mx",      SPF_MX,      DOMAIN_MAY,    true,  true },
	{"ptr",     SPF_PTR,     DOMAIN_MAY,    false, false},
	{"ip4",     SPF_IP4,     DOMAIN_IS_IP4, true,  false},
	{"ip6",     SPF_IP6,     DOMAIN_IS_IP6, false, true },
	{"exists",  SPF_EXISTS,  DOMAIN_MUST,   false, false},
};

struct reading {
	struct cv_arena *arena;
	struct spf_record *record;
	size_t room;
	unsigned macros;
	bool has_redirect, has_exp, has_all;
	struct cv_err *err;
};

bool
spf_record_is(struct cv_str text)
{
	return cv_str_has_iprefix(text, "v=spf1") && (text.n == 6 || text.p[6] == ' ');
}

/* "0", or digits without a leading zero, at most MAX. */
static bool
read_length(struct cv_str s, unsigned max, unsigned *out)
{
	uint64_t value;

	if (!s.n || s.n > 3 || (s.n > 1 && s.p[0] == '0') || cv_str_u64(s, max, &value) != CV_OK)
		return false;
	*out = (unsigned)value;
	return true;
}

/* CIDR: "", "/24", "//64" or "/24//64", as the mechanism allows. */
static bool
read_cidr(struct cv_str cidr, const struct mechanism_row *row, struct spf_term *term)
{
	if (row->domain == DOMAIN_IS_IP6)
		return !cidr.n || (cidr.p[0] == '/' && read_length(cv_str_sub(cidr, 1, cidr.n), 128,
							       &term->cidr6));
	size_t two = cv_str_search(cidr, CV_STR("//"));
	struct cv_str four = cv_str_sub(cidr, 0, two), six = cv_str_sub(cidr, two, cidr.n);

	if (four.n &&
		(!row->has_cidr4 || !read_length(cv_str_sub(four, 1, four.n), 32, &term->cidr4)))
		return false;
	return !six.n ||
	       (row->has_cidr6 && read_length(cv_str_sub(six, 2, six.n), 128, &term->cidr6));
}

/* Where the CIDR part of S starts: the first slash of the digits and slashes at its end. */
static size_t
cidr_at(struct cv_str s)
{
	size_t at = s.n;

	for (size_t i = s.n; i > 0; i--) {
		unsigned char c = (unsigned char)s.p[i - 1];
		if (c == '/')
			at = i - 1;
		else if (!cv_is_digit(c))
			break;
	}
	return at;
}

static bool
read_ip(struct cv_str s, int family, unsigned char *out)
{
	char text[INET6_ADDRSTRLEN + 1];

	if (!s.n || s.n >= sizeof text || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(family, text, out) == 1;
}

static bool
is_name(struct cv_str s)
{
	if (!s.n || !cv_is_alpha((unsigned char)s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c) && !(c && strchr("-_.", c)))
			return false;
	}
	return true;
}

static enum cv_status
add_term(struct reading *r, const struct spf_term *term)
{
	struct spf_record *rec = r->record;

	if (r->has_all) /* checked, but never reached */
		return CV_OK;
	assert(rec->count < r->room);
	rec->terms[rec->count++] = *term;
	r->has_all = term->mechanism == SPF_ALL;
	return CV_OK;
}

/* REST is what follows the mechanism's name: nothing, ":...", or a CIDR. */
static enum cv_status
read_mechanism(
	struct reading *r, const struct mechanism_row *row, char qualifier, struct cv_str rest)
{
	struct spf_term term = {
		.mechanism = row->mechanism, .qualifier = qualifier, .cidr4 = 32, .cidr6 = 128};
	bool has_argument = rest.n && rest.p[0] == ':';
	size_t cidr = row->has_cidr4 || row->has_cidr6 ? cidr_at(rest) : rest.n;
	struct cv_str argument = has_argument ? cv_str_sub(rest, 1, cidr) : CV_STR_EMPTY;

	if (!has_argument && cidr)
		return cv_fail(r->err, CV_INVALID, "something odd behind %s", row->name);
	if (!read_cidr(cv_str_sub(rest, cidr, rest.n), row, &term))
		return cv_fail(r->err, CV_INVALID, "a bad prefix length in %s", row->name);
	switch (row->domain) {
	case DOMAIN_NONE:
		if (has_argument)
			return cv_fail(r->err, CV_INVALID, "%s takes no argument", row->name);
		break;
	case DOMAIN_IS_IP4:
	case DOMAIN_IS_IP6:
		if (!has_argument ||
			!read_ip(argument, row->domain == DOMAIN_IS_IP4 ? AF_INET : AF_INET6,
				term.ip))
			return cv_fail(r->err, CV_INVALID, "a bad address in %s", row->name);
		break;
	case DOMAIN_MUST:
	case DOMAIN_MAY:
		if (!has_argument && row->domain == DOMAIN_MAY)
			break;
		enum cv_status status =
			spf_macro_check(argument, SPF_DOMAIN_SPEC, &r->macros, r->err);
		if (status)
			return status;
		term.domain = argument;
		break;
	}
	return add_term(r, &term);
}

static enum cv_status
read_modifier(struct reading *r, struct cv_str name, struct cv_str value)
{
	bool redirect = cv_str_ieq_z(name, "redirect"), exp = cv_str_ieq_z(name, "exp");
	bool *seen = redirect ? &r->has_redirect : &r->has_exp;

	if (!redirect && !exp)
		return spf_macro_check(value, SPF_MACRO_STRING, &r->macros, r->err);
	if (*seen)
		return cv_fail(r->err, CV_INVALID, "%s given twice", redirect ? "redirect" : "exp");
	*seen = true;
	if (redirect)
		r->record->redirect = value;
	else
		r->record->exp = value;
	return spf_macro_check(value, SPF_DOMAIN_SPEC, &r->macros, r->err);
}

static enum cv_status
read_term(struct reading *r, struct cv_str word)
{
	size_t name_end = 0;

	while (name_end < word.n && word.p[name_end] && !strchr(":/=", word.p[name_end]))
		name_end++;
	if (name_end < word.n && word.p[name_end] == '=') {
		if (!is_name(cv_str_sub(word, 0, name_end)))
			return cv_fail(r->err, CV_INVALID, "a bad modifier name");
		return read_modifier(
			r, cv_str_sub(word, 0, name_end), cv_str_sub(word, name_end + 1, word.n));
	}
	char qualifier = '+';
	struct cv_str name = cv_str_sub(word, 0, name_end);
	if (name.n && name.p[0] && strchr("+-?~", name.p[0])) {
		qualifier = name.p[0];
		name = cv_str_sub(name, 1, name.n);
	}
	for (size_t i = 0; i < CV_COUNT(mechanism_rows); i++)
		if (cv_str_ieq_z(name, mechanism_rows[i].name))
			return read_mechanism(r, &mechanism_rows[i], qualifier,
				cv_str_sub(word, name_end, word.n));
	return cv_fail(r->err, CV_INVALID, "an unknown mechanism");
}

enum cv_status
spf_record_parse(
	struct cv_arena *arena, struct cv_str text, struct spf_record *out, struct cv_err *err)
{
	struct reading r = {.arena = arena, .record = out, .err = err};
	struct cv_str rest, word;

	*out = (struct spf_record){0};
	if (text.n > SPF_RECORD_BYTES_MAX)
		return cv_fail(
			err, CV_LIMIT, "a record of more than %d octets", SPF_RECORD_BYTES_MAX);
	if (!spf_record_is(text))
		return cv_fail(err, CV_INVALID, "no SPF record");
	rest = cv_str_sub(text, 6, text.n);
	r.room = rest.n / 2 + 1; /* a term takes a blank and at least a letter */
	out->terms = CV_ARENA_ARRAY(arena, struct spf_term, r.room);
	while (cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		enum cv_status status = read_term(&r, word);
		if (status)
			return status;
	}
	if (r.has_all)
		out->redirect = CV_STR_EMPTY;
	return CV_OK;
}
