/* url.c - one address, read as browsers read it and written in one form. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/url.h"

#include <arpa/inet.h>
#include <libpsl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "common/text/charset.h"
#include "common/text/content.h"
#include "common/text/domain.h"
#include "common/text/encode.h"
#include "spamfilter/walk/lists.h"


static const psl_ctx_t *suffixes;               /* set before threads start */
static _Atomic(struct spam_lists *) shorteners; /* read-only */

enum cv_status
spam_url_prepare(const char *file, struct cv_err *err)
{
	struct spam_lists *old = atomic_load(&shorteners), *lists;
	enum cv_status status;

	if (!suffixes)
		suffixes = psl_latest(NULL);
	if (!suffixes)
		suffixes = psl_builtin();
	if (old && old->is_built_in && !(file && file[0]))
		return CV_OK; /* built-in lists never change */
	status = spam_lists_read("url-shorteners.txt", file, &lists, err);
	if (status)
		return status;
	lists->older = old;
	atomic_store(&shorteners, lists);
	return CV_OK;
}

/* ---- organisations ---- */

struct cv_str
spam_organisation(struct cv_str host)
{
	char name[SPAM_HOST_MAX + 1];

	if (!suffixes || !host.n || host.n > SPAM_HOST_MAX || host.p[0] == '[')
		return host;
	memcpy(name, host.p, host.n);
	name[host.n] = '\0';
	const char *found = psl_registrable_domain(suffixes, name);
	return found ? cv_str_sub(host, (size_t)(found - name), host.n) : host;
}

bool
spam_is_public_tld(struct cv_str host)
{
	char name[SPAM_HOST_MAX + 1];

	if (!suffixes || !host.n || host.n > SPAM_HOST_MAX)
		return false;
	size_t dot = host.n;
	while (dot && host.p[dot - 1] != '.')
		dot--;
	memcpy(name, host.p + dot, host.n - dot);
	name[host.n - dot] = '\0';
	/* Without the rule "*", which makes every last label a suffix. */
	return psl_is_public_suffix2(suffixes, name, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE);
}

/* ---- schemes ---- */

static bool
is_dropped(unsigned char c)
{
	return c == '\t' || c == '\n' || c == '\r' || c == '\0';
}

/* RAW without what browsers drop: blanks and controls at both ends, tabs and line ends inside. */
static struct cv_str
clean(struct cv_arena *arena, struct cv_str raw)
{
	size_t n = 0;

	raw = cv_str_sub(raw, 0, SPAM_URL_READ_MAX);
	while (raw.n && (unsigned char)raw.p[0] <= ' ')
		raw = cv_str_sub(raw, 1, raw.n);
	while (raw.n && (unsigned char)raw.p[raw.n - 1] <= ' ')
		raw.n--;
	char *out = cv_arena_alloc(arena, raw.n + 1);
	for (size_t i = 0; i < raw.n; i++)
		if (!is_dropped((unsigned char)raw.p[i]))
			out[n++] = raw.p[i];
	return cv_str(out, n);
}

static size_t
scheme_length(struct cv_str s)
{
	size_t n = 0;

	while (n < s.n && n < 40 &&
		(cv_is_alpha((unsigned char)s.p[n]) ||
			(n && (cv_is_digit((unsigned char)s.p[n]) || strchr("+-.*", s.p[n])))))
		n++;
	return n && n < s.n && s.p[n] == ':' ? n : 0;
}

size_t
spam_url_scheme(struct cv_str raw, char *out, size_t n)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < raw.n; i++) {
		unsigned char c = (unsigned char)raw.p[i];
		if (is_dropped(c) || (!used && c <= ' '))
			continue;
		if (c == ':') {
			out[used] = '\0';
			return used;
		}
		if (used + 1 >= n ||
			!(cv_is_alpha(c) || (used && (cv_is_digit(c) || strchr("+-.", c)))))
			break;
		out[used++] = (char)cv_lower(c);
	}
	out[0] = '\0';
	return 0;
}

static const struct scheme {
	const char *word, *means; /* means NULL: not an address on the web */
	unsigned flags;
	const char *port;
} schemes[] = {
	{"http",  "http",  0,                 "80" },
	{"https", "https", 0,                 "443"},
	{"ftp",   "ftp",   0,                 "21" },
	{"ftps",  "ftp",   0,                 "990"},
	{"ws",    "http",  0,                 "80" },
	{"wss",   "https", 0,                 "443"},
	{"hxxp",  "http",  SPAM_URL_DEFANGED, "80" },
	{"hxxps", "https", SPAM_URL_DEFANGED, "443"},
	{"h**p",  "http",  SPAM_URL_DEFANGED, "80" },
	{"h**ps", "https", SPAM_URL_DEFANGED, "443"},
	{"htxp",  "http",  SPAM_URL_DEFANGED, "80" },
	{"htxps", "https", SPAM_URL_DEFANGED, "443"},
	{"hxtp",  "http",  SPAM_URL_DEFANGED, "80" },
	{"hxtps", "https", SPAM_URL_DEFANGED, "443"},
	{"meow",  "http",  SPAM_URL_DEFANGED, "80" },
	{"meows", "https", SPAM_URL_DEFANGED, "443"},
	{"fxp",   "ftp",   SPAM_URL_DEFANGED, "21" },
};

static bool
is_slash(char c)
{
	return c == '/' || c == '\\';
}

/* Cuts the scheme and its slashes off *S. */
static const struct scheme *
take_scheme(struct cv_str *s, unsigned *flags)
{
	size_t n = scheme_length(*s), at = 0;

	if (!n) {
		if (s->n > 2 && is_slash(s->p[0]) && is_slash(s->p[1])) {
			*s = cv_str_sub(*s, 2, s->n);
			return &schemes[1];
		}
		*flags |= SPAM_URL_NO_SCHEME;
		return &schemes[0];
	}
	const struct scheme *scheme = NULL;
	for (size_t i = 0; i < CV_COUNT(schemes) && !scheme; i++)
		if (cv_str_ieq_z(cv_str_sub(*s, 0, n), schemes[i].word))
			scheme = &schemes[i];
	if (!scheme) {
		/* "x.example:8080/": a host with a port, no scheme. */
		if (n + 1 < s->n && cv_is_digit((unsigned char)s->p[n + 1]) &&
			memchr(s->p, '.', n)) {
			*flags |= SPAM_URL_NO_SCHEME;
			return &schemes[0];
		}
		return NULL;
	}
	for (at = n + 1; at < s->n && is_slash(s->p[at]); at++)
		;
	*s = cv_str_sub(*s, at, s->n);
	*flags |= scheme->flags;
	return scheme;
}

/* ---- hosts ---- */

/* Undoes %xx. */
static void
put_decoded(struct cv_str s, struct cv_buf *out, bool *changed)
{
	for (size_t i = 0; i < s.n; i++) {
		int high =
			i + 2 < s.n && s.p[i] == '%' ? cv_hex_digit((unsigned char)s.p[i + 1]) : -1;
		int low = high >= 0 ? cv_hex_digit((unsigned char)s.p[i + 2]) : -1;
		if (low < 0) {
			cv_buf_c(out, s.p[i]);
			continue;
		}
		cv_buf_c(out, (char)(high * 16 + low));
		*changed = true;
		i += 2;
	}
}

static const char *const dots[] = {
	"[.]", "(.)", "{.}", "[dot]", "(dot)", "{dot}", "[cham]", "(cham)", "[:]", "\\."};

/* "evil[.]example" and the like written out. */
static void
put_refanged(struct cv_str s, struct cv_buf *out, unsigned *flags)
{
	for (size_t i = 0; i < s.n;) {
		size_t taken = 0, which = 0;
		for (; which < CV_COUNT(dots) && !taken; which++)
			if (cv_str_has_iprefix(cv_str_sub(s, i, s.n), dots[which]))
				taken = strlen(dots[which]);
		if (!taken) {
			cv_buf_c(out, s.p[i++]);
			continue;
		}
		cv_buf_c(out, !strcmp(dots[which - 1], "[:]") ? ':' : '.');
		*flags |= SPAM_URL_DEFANGED;
		i += taken;
	}
}

/* What IDNA's mapping drops: soft hyphen, zero-width characters, variation selectors. */
static bool
is_ignored(uint32_t cp)
{
	return cp == 0xAD || cp == 0x34F || (cp >= 0x200B && cp <= 0x200F) ||
	       (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2060 && cp <= 0x2064) ||
	       (cp >= 0x2066 && cp <= 0x2069) || (cp >= 0xFE00 && cp <= 0xFE0F) || cp == 0xFEFF;
}

/* Small letters, compatibility forms as plain ones, all kinds of dots as dots. */
static void
put_mapped(struct cv_str s, struct cv_buf *out)
{
	size_t n = 0;
	uint8_t *mapped = u8_casefold((const uint8_t *)s.p, s.n, NULL, UNINORM_NFKC, NULL, &n);
	struct cv_str all = mapped ? cv_str((const char *)mapped, n) : s;

	for (size_t i = 0; i < all.n;) {
		uint32_t cp = cv_utf8_next(all, &i);
		if (cp == 0x3002 || cp == 0xFF0E || cp == 0xFF61)
			cp = '.';
		if (!is_ignored(cp))
			cv_utf8_put(out, cp);
	}
	free(mapped);
}

/* Whether a label has letters of scripts that do not go together. */
static bool
is_mixed(struct cv_str label)
{
	const uc_script_t *first = NULL;

	for (size_t i = 0; i < label.n;) {
		const uc_script_t *script = uc_script(cv_utf8_next(label, &i));
		if (!script || !strcmp(script->name, "Common") ||
			!strcmp(script->name, "Inherited"))
			continue;
		if (first && first != script &&
			(!strcmp(first->name, "Latin") || !strcmp(script->name, "Latin") ||
				!strcmp(first->name, "Cyrillic") || !strcmp(first->name, "Greek")))
			return true;
		first = script;
	}
	return false;
}

/* The number a part of an IPv4 address stands for (WHATWG: 0x hex, 0 octal); false when none. */
static bool
read_part(struct cv_str s, uint64_t *out, bool *odd)
{
	unsigned base = 10;

	if (!s.n)
		return false;
	if (s.n >= 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x') {
		base = 16;
		s = cv_str_sub(s, 2, s.n);
	} else if (s.n >= 2 && s.p[0] == '0') {
		base = 8;
		s = cv_str_sub(s, 1, s.n);
	}
	*odd |= base != 10;
	*out = 0;
	for (size_t i = 0; i < s.n; i++) {
		int digit = cv_hex_digit((unsigned char)s.p[i]);
		if (digit < 0 || (unsigned)digit >= base)
			return false;
		*out = *out * base + (unsigned)digit;
		if (*out > UINT32_MAX)
			*out = (uint64_t)UINT32_MAX + 1;
	}
	return true;
}

static bool
is_digits(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!cv_is_digit((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

enum numeric { NOT_NUMERIC, NUMERIC, NUMERIC_BAD };

/* HOST as an IPv4 address in any of the forms browsers take. */
static enum numeric
read_ipv4(struct cv_str host, char out[INET_ADDRSTRLEN], bool *odd)
{
	struct cv_str rest = host, part, parts[4];
	uint64_t value = 0, number;
	size_t n = 0;
	bool is_odd = false, last_is_number = false;

	while (cv_str_split(&rest, '.', &part)) {
		bool ignored = false;
		last_is_number = is_digits(part) || read_part(part, &number, &ignored);
		if (n < 4)
			parts[n] = part;
		n++;
	}
	if (!last_is_number)
		return NOT_NUMERIC;
	if (n > 4)
		return NUMERIC_BAD;
	for (size_t i = 0; i < n; i++) {
		if (!read_part(parts[i], &number, &is_odd))
			return NUMERIC_BAD;
		bool is_last = i + 1 == n;
		uint64_t max = is_last ? (UINT64_C(1) << (8 * (5 - n))) - 1 : 255;
		if (number > max)
			return NUMERIC_BAD;
		value |= is_last ? number : number << (8 * (3 - i));
	}
	*odd |= is_odd || n != 4;
	snprintf(out, INET_ADDRSTRLEN, "%u.%u.%u.%u", (unsigned)(value >> 24 & 255),
		(unsigned)(value >> 16 & 255), (unsigned)(value >> 8 & 255),
		(unsigned)(value & 255));
	return NUMERIC;
}

/* HOST between brackets. */
static bool
read_ipv6(struct cv_str host, struct cv_buf *out)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a;

	host = cv_str_sub(host, 1, host.n);
	host.n = cv_str_find(host, ']', 0);
	host.n = cv_str_find(host, '%', 0); /* a zone */
	if (host.n >= sizeof text)
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (inet_pton(AF_INET6, text, &a) != 1)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(&a))
		cv_buf_printf(out, "%u.%u.%u.%u", a.s6_addr[12], a.s6_addr[13], a.s6_addr[14],
			a.s6_addr[15]);
	else if (inet_ntop(AF_INET6, &a, text, sizeof text))
		cv_buf_printf(out, "[%s]", text);
	return true;
}

/* NAME, mapped, in A-labels. */
static bool
read_name(struct cv_str name, struct cv_buf *out, unsigned *flags)
{
	struct cv_str rest = name, label;
	struct cv_err err;

	if (!name.n || name.n > CV_DOMAIN_INPUT_MAX)
		return false;
	while (cv_str_split(&rest, '.', &label)) {
		if (!label.n)
			return false;
		bool ascii = true;
		for (size_t i = 0; i < label.n; i++) {
			unsigned char c = (unsigned char)label.p[i];
			ascii &= c < 0x80;
			if (c <= ' ' || c == 0x7f || strchr("<>\"'`{}|^()[],;:/\\?#@&=+*!~$%", c))
				return false;
		}
		if (!ascii || cv_str_has_prefix(label, "xn--"))
			*flags |= SPAM_URL_PUNYCODE;
		if (!ascii && is_mixed(label))
			*flags |= SPAM_URL_MIXED;
	}
	if (*flags & SPAM_URL_PUNYCODE && !(*flags & SPAM_URL_MIXED)) {
		struct cv_buf unicode = CV_BUF_INIT(4096);
		cv_domain_to_unicode(name, &unicode);
		rest = cv_buf_view(&unicode);
		while (cv_str_split(&rest, '.', &label))
			if (is_mixed(label))
				*flags |= SPAM_URL_MIXED;
		cv_buf_done(&unicode);
	}
	return cv_domain_to_ascii(name, out, &err) == CV_OK && out->n <= SPAM_HOST_MAX;
}

/* RAW, the host as it was written, to OUT->host. */
static void
read_host(struct cv_arena *arena, struct cv_str raw, struct spam_url *out)
{
	struct cv_buf plain = CV_BUF_INIT(SPAM_URL_READ_MAX * 2), mapped = CV_BUF_INIT(64u << 10),
		      host = CV_BUF_INIT(1024);
	char ip[INET_ADDRSTRLEN];
	bool odd = false, changed = false;
	enum numeric numeric = NOT_NUMERIC;

	put_refanged(raw, &plain, &out->flags);
	struct cv_buf decoded = CV_BUF_INIT(SPAM_URL_READ_MAX * 2);
	put_decoded(cv_buf_view(&plain), &decoded, &changed);
	if (changed)
		out->flags |= SPAM_URL_ENCODED;
	put_mapped(cv_buf_view(&decoded), &mapped);
	struct cv_str name = cv_buf_view(&mapped);
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n && name.p[0] == '[') {
		if (read_ipv6(name, &host))
			out->flags |= SPAM_URL_IP;
	} else {
		numeric = read_ipv4(name, ip, &odd);
		if (numeric == NUMERIC) {
			cv_buf_z(&host, ip);
			out->flags |= SPAM_URL_IP | (odd ? SPAM_URL_IP_ODD : 0);
		} else if (numeric == NOT_NUMERIC && !read_name(name, &host, &out->flags)) {
			cv_buf_reset(&host);
		}
	}
	if (!host.n) {
		out->flags |= SPAM_URL_BROKEN;
		cv_buf_str(&host, cv_utf8_cut(name, SPAM_HOST_MAX));
	}
	out->host = cv_arena_str(arena, cv_buf_view(&host));
	out->organisation = out->flags & (SPAM_URL_IP | SPAM_URL_BROKEN)
				    ? out->host
				    : spam_organisation(out->host);
	cv_buf_done(&plain);
	cv_buf_done(&decoded);
	cv_buf_done(&mapped);
	cv_buf_done(&host);
}

/* ---- paths ---- */

static bool
is_unreserved(unsigned char c)
{
	return cv_is_alpha(c) || cv_is_digit(c) || strchr("-._~", c);
}

/* %41 as A, what must be encoded encoded, digits of hex in capitals. */
static void
put_path(struct cv_str s, bool is_path, struct cv_buf *out, unsigned *flags)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		int high = i + 2 < s.n && c == '%' ? cv_hex_digit((unsigned char)s.p[i + 1]) : -1;
		int low = high >= 0 ? cv_hex_digit((unsigned char)s.p[i + 2]) : -1;
		if (low >= 0) {
			c = (unsigned char)(high * 16 + low);
			i += 2;
			if (c && is_unreserved(c)) {
				*flags |= SPAM_URL_ENCODED;
				cv_buf_c(out, (char)c);
				continue;
			}
		} else if (c == '\\' && is_path) {
			c = '/';
		}
		if (low < 0 && c > ' ' && c < 0x7f && !strchr("\"<>`{}|^", c)) {
			cv_buf_c(out, (char)c);
			continue;
		}
		cv_buf_c(out, '%');
		cv_buf_c(out, hex[c >> 4]);
		cv_buf_c(out, hex[c & 15]);
	}
}

/* Takes "." and ".." out of the path that starts at AT. */
static void
remove_dots(struct cv_buf *out, size_t at)
{
	struct cv_str rest = cv_str(out->p + at + 1, out->n - at - 1), part;
	size_t to = at + 1;

	while (cv_str_split(&rest, '/', &part)) {
		bool is_last = !rest.p;
		if (cv_str_eq_z(part, ".."))
			for (to -= to > at + 1; to > at + 1 && out->p[to - 1] != '/'; to--)
				;
		if (cv_str_eq_z(part, "..") || cv_str_eq_z(part, "."))
			continue;
		memmove(out->p + to, part.p, part.n);
		to += part.n;
		if (!is_last)
			out->p[to++] = '/';
	}
	out->n = to;
	out->p[to] = '\0';
}

/* The port behind the host in *HOST, cut off it; empty when there is none. */
static struct cv_str
take_port(struct cv_str *host)
{
	size_t colon = host->n;

	while (colon && cv_is_digit((unsigned char)host->p[colon - 1]))
		colon--;
	if (!colon || host->p[colon - 1] != ':')
		return CV_STR_EMPTY;
	struct cv_str port = cv_str_sub(*host, colon, host->n);
	*host = cv_str_sub(*host, 0, colon - 1);
	while (port.n > 1 && port.p[0] == '0')
		port = cv_str_sub(port, 1, port.n);
	return port;
}

static bool
is_shortener(struct cv_str host)
{
	const struct spam_lists *lists = atomic_load(&shorteners);

	for (; host.n; host = cv_domain_parent(host))
		if (spam_lists_has(lists, "", host))
			return true;
	return false;
}

static void
write_url(struct cv_arena *arena, const struct scheme *scheme, struct cv_str port,
	struct cv_str rest, struct spam_url *out)
{
	struct cv_buf url = CV_BUF_INIT(SPAM_URL_READ_MAX * 4);
	size_t query = cv_str_find(rest, '?', 0);

	cv_buf_printf(&url, "%s://%.*s", scheme->means, CV_STR_ARGS(out->host));
	if (port.n && !cv_str_eq_z(port, scheme->port)) {
		out->flags |= SPAM_URL_PORT;
		cv_buf_printf(&url, ":%.*s", (int)CV_MIN(port.n, 5), port.p);
	}
	size_t path_at = url.n;
	cv_buf_c(&url, '/');
	struct cv_str path = cv_str_sub(rest, 0, query);
	if (path.n && is_slash(path.p[0]))
		path = cv_str_sub(path, 1, path.n);
	put_path(path, true, &url, &out->flags);
	remove_dots(&url, path_at);
	put_path(cv_str_sub(rest, query, rest.n), false, &url, &out->flags);
	if (cv_has_token(cv_str_sub(cv_buf_view(&url), path_at, url.n)))
		out->flags |= SPAM_URL_TOKEN;
	if (url.n > SPAM_URL_MAX)
		out->flags |= SPAM_URL_CUT;
	out->url = cv_arena_str(arena, cv_str_sub(cv_buf_view(&url), 0, SPAM_URL_MAX));
	cv_buf_done(&url);
}

bool
spam_url_parse(struct cv_arena *arena, struct cv_str raw, struct spam_url *out)
{
	struct cv_str s = clean(arena, raw);
	size_t end = 0, at;

	*out = (struct spam_url){.count = 1};
	const struct scheme *scheme = take_scheme(&s, &out->flags);
	if (!scheme || !s.n)
		return false;
	while (end < s.n && !strchr("/\\?#", s.p[end]))
		end++;
	struct cv_str authority = cv_str_sub(s, 0, end), rest = cv_str_sub(s, end, s.n);
	for (at = authority.n; at && authority.p[at - 1] != '@'; at--)
		;
	if (at) {
		out->flags |= SPAM_URL_USERINFO;
		authority = cv_str_sub(authority, at, authority.n);
	}
	if (out->flags & SPAM_URL_NO_SCHEME &&
		(out->flags & SPAM_URL_USERINFO || !memchr(authority.p, '.', authority.n)))
		return false;
	struct cv_str port = take_port(&authority);
	if (!authority.n)
		return false;
	read_host(arena, authority, out);
	if (!out->host.n || (out->flags & SPAM_URL_NO_SCHEME && out->flags & SPAM_URL_BROKEN))
		return false;
	if (!(out->flags & SPAM_URL_BROKEN) && is_shortener(out->host))
		out->flags |= SPAM_URL_SHORTENER;
	rest = cv_str_sub(rest, 0, cv_str_find(rest, '#', 0));
	write_url(arena, scheme, port, rest, out);
	return true;
}
