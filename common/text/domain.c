/* domain.c - domain names and address literals. See domain.h.
 *
 * Names of plain ASCII, nearly all, never reach libidn2. What libidn2 answers is checked again by
 * the rules for ASCII names, because its mapping can produce dots and worse.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/domain.h"

#include <arpa/inet.h>
#include <idn2.h>

#define IP_TEXT_MAX 45 /* of an IPv6 address with an IPv4 tail */

static bool
is_let_dig(unsigned char c)
{
	return cv_is_alpha(c) || cv_is_digit(c);
}

static bool
is_ascii(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

static struct cv_str
without_last_dot(struct cv_str s)
{
	return s.n && s.p[s.n - 1] == '.' ? cv_str_sub(s, 0, s.n - 1) : s;
}

static bool
is_ldh_label(struct cv_str label)
{
	if (label.n < 1 || label.n > CV_LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!is_let_dig((unsigned char)label.p[i]) && label.p[i] != '-')
			return false;
	return label.p[0] != '-' && label.p[label.n - 1] != '-';
}

static bool
is_ldh_name(struct cv_str name)
{
	if (name.n < 1 || name.n > CV_DOMAIN_NAME_MAX)
		return false;
	for (size_t start = 0; start <= name.n;) {
		size_t dot = cv_str_find(name, '.', start);
		if (!is_ldh_label(cv_str_sub(name, start, dot)))
			return false;
		start = dot + 1;
	}
	return true;
}

/* IDNA's mapping takes these for dots; in an address they would hide where a label ends. */
static bool
has_foreign_dot(struct cv_str s)
{
	return cv_str_search(s, CV_STR("\u3002")) < s.n ||
	       cv_str_search(s, CV_STR("\uff0e")) < s.n || cv_str_search(s, CV_STR("\uff61")) < s.n;
}

/* Appends one label in its A-form; *why says why not. */
static bool
add_a_label(struct cv_str label, struct cv_buf *out, const char **why)
{
	if (is_ascii(label)) {
		for (size_t i = 0; i < label.n; i++)
			cv_buf_c(out, (char)cv_lower((unsigned char)label.p[i]));
		*why = "a label is no host name";
		return is_ldh_label(label);
	}
	char in[CV_DOMAIN_INPUT_MAX + 1], *ascii = NULL;
	if (label.n >= sizeof(in) || memchr(label.p, 0, label.n) || has_foreign_dot(label)) {
		*why = "a label is too long or has bytes that names do not have";
		return false;
	}
	memcpy(in, label.p, label.n);
	in[label.n] = 0;
	int rc = idn2_to_ascii_8z(in, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	bool ok = rc == IDN2_OK && is_ldh_label(cv_str_z(ascii));
	*why = rc == IDN2_OK ? "the ASCII form of a label is no host name" : idn2_strerror(rc);
	if (ok)
		cv_buf_z(out, ascii);
	idn2_free(ascii);
	return ok;
}

/* Appends NAME in A-labels, a host name without a last dot. Each label is taken by itself: those
 * of ASCII stand as they are, whatever libidn2 thinks of them. */
static bool
add_a_labels(struct cv_str name, struct cv_buf *out, const char **why)
{
	size_t n_before = out->n;
	bool ok = name.n <= CV_DOMAIN_INPUT_MAX;
	*why = "it is too long";
	for (size_t start = 0; ok && start <= name.n;) {
		size_t dot = cv_str_find(name, '.', start);
		if (start)
			cv_buf_c(out, '.');
		ok = add_a_label(cv_str_sub(name, start, dot), out, why);
		start = dot + 1;
	}
	if (ok && (out->full || out->n - n_before > CV_DOMAIN_NAME_MAX)) {
		*why = "it is too long";
		ok = false;
	}
	if (!ok)
		out->n = n_before;
	return ok;
}

bool
cv_domain_is_valid(struct cv_str domain, bool allow_utf8)
{
	if (is_ascii(domain))
		return is_ldh_name(domain);
	const char *why;
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	bool valid = allow_utf8 && add_a_labels(domain, &ascii, &why);
	cv_buf_done(&ascii);
	return valid;
}

bool
cv_domain_is_full(struct cv_str domain)
{
	if (!cv_domain_is_valid(domain, true))
		return false;
	size_t at = domain.n;
	while (at && domain.p[at - 1] != '.')
		at--;
	for (size_t i = at; i < domain.n; i++)
		if (!cv_is_digit((unsigned char)domain.p[i]))
			return at > 0;
	return false;
}

static enum cv_status
lower_ascii(struct cv_str name, struct cv_buf *out, struct cv_err *err)
{
	if (name.n < 1 || name.n > CV_DOMAIN_NAME_MAX)
		return cv_fail(err, CV_INVALID, "a domain name has 1 to 253 octets");
	size_t label = 0;
	for (size_t i = 0; i <= name.n; i++, label++) {
		bool end = i == name.n || name.p[i] == '.';
		if (!end && (name.p[i] <= ' ' || name.p[i] > '~'))
			return cv_fail(err, CV_INVALID,
			               "a domain name has no blanks or control bytes");
		if (!end)
			continue;
		if (label < 1 || label > CV_LABEL_MAX)
			return cv_fail(err, CV_INVALID,
			               "a label of a domain name has 1 to 63 octets");
		label = (size_t)-1;
	}
	char *q = cv_buf_room(out, name.n);
	if (!q)
		return cv_fail(err, CV_LIMIT, "no room for a domain name");
	for (size_t i = 0; i < name.n; i++)
		q[i] = (char)cv_lower((unsigned char)name.p[i]);
	out->n += name.n;
	return CV_OK;
}

enum cv_status
cv_domain_to_ascii(struct cv_str domain, struct cv_buf *out, struct cv_err *err)
{
	domain = without_last_dot(domain);
	if (is_ascii(domain))
		return lower_ascii(domain, out, err);
	const char *why;
	if (!add_a_labels(domain, out, &why))
		return cv_fail(err, out->full ? CV_LIMIT : CV_INVALID,
		               "not an internationalised domain name: %s", why);
	return CV_OK;
}

/* Appends one label for people. */
static void
show_label(struct cv_str label, struct cv_buf *out)
{
	char in[CV_LABEL_MAX + 1], *utf8 = NULL;
	if (!cv_str_has_iprefix(label, "xn--") || label.n > CV_LABEL_MAX || !is_ldh_label(label)) {
		cv_buf_str(out, label);
		return;
	}
	memcpy(in, label.p, label.n);
	in[label.n] = 0;
	/* Shown only if it leads back to the same A-label. */
	const char *why;
	struct cv_buf back = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	int rc = idn2_to_unicode_8z8z(in, &utf8, IDN2_NONTRANSITIONAL);
	if (rc == IDN2_OK && !strchr(utf8, '.') && add_a_label(cv_str_z(utf8), &back, &why) &&
	    cv_str_ieq(label, cv_buf_view(&back)))
		cv_buf_z(out, utf8);
	else
		cv_buf_str(out, label);
	cv_buf_done(&back);
	idn2_free(utf8);
}

void
cv_domain_to_unicode(struct cv_str domain, struct cv_buf *out)
{
	domain = without_last_dot(domain);
	for (size_t start = 0; start <= domain.n;) {
		size_t dot = cv_str_find(domain, '.', start);
		show_label(cv_str_sub(domain, start, dot), out);
		if (dot < domain.n)
			cv_buf_c(out, '.');
		start = dot + 1;
	}
}

bool
cv_domain_eq(struct cv_str a, struct cv_str b)
{
	a = without_last_dot(a);
	b = without_last_dot(b);
	if (cv_str_ieq(a, b))
		return true;
	if (is_ascii(a) && is_ascii(b))
		return false;
	struct cv_buf x = CV_BUF_INIT(CV_DOMAIN_NAME_MAX), y = CV_BUF_INIT(CV_DOMAIN_NAME_MAX);
	bool same = cv_domain_to_ascii(a, &x, NULL) == CV_OK &&
	            cv_domain_to_ascii(b, &y, NULL) == CV_OK &&
	            cv_str_eq(cv_buf_view(&x), cv_buf_view(&y));
	cv_buf_done(&x);
	cv_buf_done(&y);
	return same;
}

bool
cv_domain_is_below(struct cv_str domain, struct cv_str parent)
{
	domain = without_last_dot(domain);
	parent = without_last_dot(parent);
	if (!parent.n || domain.n < parent.n)
		return false;
	size_t at = domain.n - parent.n;
	return cv_str_ieq(cv_str_sub(domain, at, domain.n), parent) &&
	       (at == 0 || domain.p[at - 1] == '.');
}

struct cv_str
cv_domain_parent(struct cv_str domain)
{
	size_t dot = cv_str_find(domain, '.', 0);
	return cv_str_sub(domain, CV_MIN(dot + 1, domain.n), domain.n);
}

static bool
parse_ip(struct cv_str in, int family, struct cv_literal *out)
{
	char text[IP_TEXT_MAX + 1];
	if (!in.n || in.n >= sizeof(text) || memchr(in.p, 0, in.n))
		return false;
	memcpy(text, in.p, in.n);
	text[in.n] = 0;
	struct cv_literal literal = {
		.kind = family == AF_INET ? CV_LITERAL_IPV4 : CV_LITERAL_IPV6,
	};
	if (inet_pton(family, text, literal.ip) != 1)
		return false;
	*out = literal;
	return true;
}

bool
cv_ip_parse(struct cv_str in, struct cv_literal *out)
{
	return parse_ip(in, AF_INET, out) || parse_ip(in, AF_INET6, out);
}

/* Standardized-tag ":" 1*dcontent; dcontent is printable without "[", "\" and "]". */
static bool
parse_general(struct cv_str in, struct cv_literal *out)
{
	size_t colon = cv_str_find(in, ':', 0);
	if (colon < 1 || colon + 1 >= in.n || !is_let_dig((unsigned char)in.p[colon - 1]))
		return false;
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (i < colon ? !is_let_dig(c) && c != '-'
		              : c <= ' ' || c > '~' || (c >= '[' && c <= ']'))
			return false;
	}
	*out = (struct cv_literal){
		.kind = CV_LITERAL_GENERAL,
		.tag = cv_str_sub(in, 0, colon),
		.content = cv_str_sub(in, colon + 1, in.n),
	};
	return true;
}

bool
cv_literal_parse(struct cv_str in, struct cv_literal *out)
{
	if (in.n < 3 || in.n > CV_DOMAIN_MAX || in.p[0] != '[' || in.p[in.n - 1] != ']')
		return false;
	in = cv_str_sub(in, 1, in.n - 1);
	if (cv_str_has_iprefix(in, "IPv6:"))
		return parse_ip(cv_str_sub(in, 5, in.n), AF_INET6, out);
	return parse_ip(in, AF_INET, out) || parse_general(in, out);
}
