/* macro.c - see macro.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/macro.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/base/clock.h"
#include "common/net/dns.h"

#define EXPANDED_MAX (64u << 10)
#define DELIMITERS   ".-+,/_="
#define LETTERS      "slodiphvcrt"
#define LETTERS_EXP  "crt" /* only in the text of an explanation */
#define LABELS_MAX   512

/* One "%{...}" taken apart. */
struct macro {
	char letter;   /* lower case */
	bool escape;   /* the letter was upper case: URL-escape the result */
	unsigned keep; /* rightmost labels kept; 0: all */
	bool reverse;
	struct cv_str delimiters;
};

/* Reads the macro at *AT (behind "%{") and moves *AT behind "}". */
static bool
macro_read(struct cv_str text, size_t *at, struct macro *out)
{
	size_t i = *at;
	bool has_digits = false;

	*out = (struct macro){0};
	if (i >= text.n || !cv_is_alpha((unsigned char)text.p[i]))
		return false;
	out->letter = (char)cv_lower((unsigned char)text.p[i]);
	out->escape = out->letter != text.p[i];
	if (!strchr(LETTERS, out->letter))
		return false;
	for (i++; i < text.n && cv_is_digit((unsigned char)text.p[i]); i++) {
		has_digits = true;
		if (out->keep < 10000)
			out->keep = out->keep * 10 + (unsigned)(text.p[i] - '0');
	}
	if (has_digits && !out->keep)
		return false;
	if (i < text.n && (text.p[i] == 'r' || text.p[i] == 'R')) {
		out->reverse = true;
		i++;
	}
	size_t first = i;
	while (i < text.n && text.p[i] && strchr(DELIMITERS, text.p[i]))
		i++;
	out->delimiters = cv_str_sub(text, first, i);
	if (i >= text.n || text.p[i] != '}')
		return false;
	*at = i + 1;
	return true;
}

/* toplabel: letters, digits and inner hyphens, not all digits. */
static bool
is_toplabel(struct cv_str s)
{
	bool other = false;

	if (!s.n || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (cv_is_alpha(c) || c == '-')
			other = true;
		else if (!cv_is_digit(c))
			return false;
	}
	return other;
}

/* domain-end: "." toplabel ["."], where LITERAL is what follows the last macro. */
static bool
is_domain_end(struct cv_str literal)
{
	if (literal.n && literal.p[literal.n - 1] == '.')
		literal.n--;
	for (size_t i = literal.n; i > 0; i--)
		if (literal.p[i - 1] == '.')
			return is_toplabel(cv_str_sub(literal, i, literal.n));
	return false;
}

enum cv_status
spf_macro_check(struct cv_str text, enum spf_text kind, unsigned *macros, struct cv_err *err)
{
	size_t literal_at = 0;

	for (size_t i = 0; i < text.n;) {
		unsigned char c = (unsigned char)text.p[i];
		if ((c < 0x21 && !(c == ' ' && kind == SPF_EXPLANATION)) || c > 0x7e)
			return cv_fail(err, CV_INVALID, "a byte that no SPF record may hold");
		i++;
		if (c != '%')
			continue;
		char next = i < text.n ? text.p[i] : '\0';
		i++;
		if (next == '%' || next == '_' || next == '-') {
			literal_at = i;
			continue;
		}
		struct macro m;
		if (next != '{' || !macro_read(text, &i, &m))
			return cv_fail(err, CV_INVALID, "a macro that breaks the grammar");
		if (kind == SPF_DOMAIN_SPEC && strchr(LETTERS_EXP, m.letter))
			return cv_fail(
				err, CV_INVALID, "macro %%{%c} outside an explanation", m.letter);
		if (macros && ++*macros > SPF_MACROS_MAX)
			return cv_fail(err, CV_LIMIT, "more than %d macros", SPF_MACROS_MAX);
		literal_at = i;
	}
	if (kind != SPF_DOMAIN_SPEC)
		return CV_OK;
	if (!text.n)
		return cv_fail(err, CV_INVALID, "an empty domain");
	/* The end is a macro, or a dot and a top label. */
	if (literal_at == text.n || is_domain_end(cv_str_sub(text, literal_at, text.n)))
		return CV_OK;
	return cv_fail(err, CV_INVALID, "a domain that does not end in a top label");
}

/* ---- expansion ---- */

/* READABLE: as people write it, for %{c}; else IPv6 in nibbles, for %{i}. */
static void
put_client(const struct sockaddr_storage *client, bool readable, struct cv_buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (client->ss_family != AF_INET6) {
		const struct sockaddr_in *in4 = (const void *)client;
		cv_buf_z(out, inet_ntop(AF_INET, &in4->sin_addr, text, sizeof text));
		return;
	}
	const struct in6_addr *in6 =
		&((const struct sockaddr_in6 *)(const void *)client)->sin6_addr;
	const unsigned char *ip = in6->s6_addr;
	if (readable) {
		cv_buf_z(out, inet_ntop(AF_INET6, in6, text, sizeof text));
		return;
	}
	for (size_t i = 0; i < 16; i++)
		cv_buf_printf(out, "%s%X.%X", i ? "." : "", ip[i] >> 4, ip[i] & 15u);
}

static void
put_value(char letter, const struct spf_macro_values *v, struct cv_buf *out)
{
	switch (letter) {
	case 's':
		cv_buf_str(out, v->local);
		cv_buf_c(out, '@');
		cv_buf_str(out, v->domain);
		break;
	case 'l':
		cv_buf_str(out, v->local);
		break;
	case 'o':
		cv_buf_str(out, v->domain);
		break;
	case 'd':
		cv_buf_str(out, v->current);
		break;
	case 'i':
		put_client(&v->client, false, out);
		break;
	case 'p':
		cv_buf_z(out, v->validated ? v->validated(v->arg) : "unknown");
		break;
	case 'v':
		cv_buf_z(out, v->client.ss_family == AF_INET6 ? "ip6" : "in-addr");
		break;
	case 'h':
		cv_buf_str(out, v->helo);
		break;
	case 'c':
		put_client(&v->client, true, out);
		break;
	case 'r':
		cv_buf_str(out, v->receiver.n ? v->receiver : CV_STR("unknown"));
		break;
	default:
		cv_buf_printf(out, "%lld", (long long)cv_wall_secs()); /* %{t} */
		break;
	}
}

static void
put_escaped(struct cv_str s, bool escape, struct cv_buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!escape || cv_is_alpha(c) || cv_is_digit(c) || (c && strchr("-._~", c)))
			cv_buf_c(out, (char)c);
		else
			cv_buf_printf(out, "%%%02X", c);
	}
}

/* Splits at delimiters, reverses, keeps the rightmost labels, joins with dots. */
static void
put_transformed(struct cv_str value, const struct macro *m, struct cv_buf *out)
{
	struct cv_str labels[LABELS_MAX];
	size_t count = 0, from = 0;
	struct cv_str delimiters = m->delimiters.n ? m->delimiters : CV_STR(".");

	for (size_t i = 0; i <= value.n && count < LABELS_MAX; i++) {
		if (i < value.n && cv_str_find(delimiters, value.p[i], 0) == delimiters.n)
			continue;
		labels[count++] = cv_str_sub(value, from, i);
		from = i + 1;
	}
	size_t skip = m->keep && m->keep < count ? count - m->keep : 0;
	for (size_t i = skip; i < count; i++) {
		if (i > skip)
			cv_buf_c(out, '.');
		put_escaped(labels[m->reverse ? count - 1 - i : i], m->escape, out);
	}
}

enum cv_status
spf_macro_expand(struct cv_str text, const struct spf_macro_values *v, struct cv_buf *out)
{
	struct cv_buf value = CV_BUF_INIT(EXPANDED_MAX);

	for (size_t i = 0; i < text.n;) {
		char c = text.p[i++];
		if (c != '%') {
			cv_buf_c(out, c);
			continue;
		}
		char next = text.p[i++];
		if (next == '%')
			cv_buf_c(out, '%');
		else if (next == '_')
			cv_buf_c(out, ' ');
		else if (next == '-')
			cv_buf_z(out, "%20");
		else {
			struct macro m;
			bool good = macro_read(text, &i, &m);
			assert(good); /* checked before */
			cv_buf_reset(&value);
			put_value(m.letter, v, &value);
			put_transformed(cv_buf_view(&value), &m, out);
		}
	}
	bool full = out->full || value.full;
	cv_buf_done(&value);
	return full ? CV_LIMIT : CV_OK;
}

bool
spf_macro_domain(struct cv_str spec, const struct spf_macro_values *v, char out[256])
{
	struct cv_buf text = CV_BUF_INIT(EXPANDED_MAX);
	bool good = spf_macro_expand(spec, v, &text) == CV_OK;
	struct cv_str name = cv_buf_view(&text);

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	while (name.n > CV_DNS_NAME_MAX) {
		size_t dot = cv_str_find(name, '.', 0);
		name = dot < name.n ? cv_str_sub(name, dot + 1, name.n) : CV_STR_EMPTY;
	}
	good = good && name.n && cv_dns_name_clean(name, out) && out[0];
	cv_buf_done(&text);
	return good;
}
