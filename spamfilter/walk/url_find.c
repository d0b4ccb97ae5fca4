/* url_find.c - addresses in running text, and addresses inside addresses. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/encode.h"
#include "spamfilter/walk/url.h"

#define HOST_READ_MAX    300
#define INNER_BASE64_MAX 4096

/* Last labels that make a bare word a host without "www." or a path behind it. Others, .zip or .la,
 * are more often file names and ends of sentences without a blank. */
static const char *const plain_tlds[] = {"com", "net", "org", "info", "biz", "vn", "top", "xyz",
	"online", "site", "shop", "store", "club", "icu", "vip", "live", "app", "dev", "page",
	"link", "click", "win", "bet", "cc", "ru", "cn", "io", "co", "asia", "gov", "edu",
	"example", "web", "pro", "life", "world", "fun", "space", "website", "cloud", "us", "eu",
	"uk"};

/* ---- what ends an address ---- */

/* Blanks, quotes and brackets of Unicode that people put around addresses. */
static bool
is_stop(uint32_t cp)
{
	return cp <= ' ' || cp == 0x7f || cp == '<' || cp == '>' || cp == '"' || cp == '`' ||
	       cp == '|' || cp == '^' || (cp >= 0x80 && cp <= 0xA0) || cp == 0xAB || cp == 0xBB ||
	       (cp >= 0x2000 && cp <= 0x200A) || (cp >= 0x2010 && cp <= 0x203A) ||
	       (cp >= 0x3000 && cp <= 0x3001) || (cp >= 0x3008 && cp <= 0x3011) || cp == 0xFF08 ||
	       cp == 0xFF09 || cp == 0xFF0C || cp == 0xFFFD || cp == 0x2205F;
}

/* The next run of octets that could hold an address; false at the end. */
static bool
next_word(struct cv_str text, size_t *pos, size_t *from, size_t *to)
{
	size_t at = *pos;

	for (;;) {
		size_t here = at;
		if (at >= text.n)
			return false;
		uint32_t cp = cv_utf8_next(text, &at);
		if (!is_stop(cp)) {
			*from = here;
			break;
		}
	}
	*to = at;
	while (at < text.n && at - *from < SPAM_URL_READ_MAX) {
		uint32_t cp = cv_utf8_next(text, &at);
		if (is_stop(cp))
			break;
		*to = at;
	}
	return true;
}

/* Without what belongs to the sentence: marks at the end, a bracket that was opened before. */
static struct cv_str
trim_end(struct cv_str s)
{
	static const char pairs[] = ")(][}{";
	size_t closed_more[3] = {0}; /* than opened, of each pair; counted once */
	bool counted = false;

	while (s.n) {
		char c = s.p[s.n - 1];
		if (strchr(".,;:!?'*_~", c)) {
			s.n--;
			continue;
		}
		const char *pair = strchr(pairs, c);
		if (!pair || !*pair || (pair - pairs) % 2)
			return s;
		for (size_t k = 0; k < 3 && !counted; k++) {
			size_t opened = 0, closed = 0;
			for (size_t i = 0; i < s.n; i++) {
				opened += s.p[i] == pairs[2 * k + 1];
				closed += s.p[i] == pairs[2 * k];
			}
			closed_more[k] = closed > opened ? closed - opened : 0;
		}
		counted = true;
		size_t kind = (size_t)(pair - pairs) / 2;
		if (!closed_more[kind])
			return s;
		closed_more[kind]--;
		s.n--;
	}
	return s;
}

/* ---- the two kinds ---- */

/* Where the scheme that ends at COLON begins in WORD; COLON itself when it is none. */
static size_t
scheme_start(struct cv_str word, size_t colon)
{
	static const char *const names[] = {"https", "http", "hxxps", "hxxp", "h**ps", "h**p",
		"htxps", "htxp", "hxtps", "hxtp", "meows", "meow", "ftps", "ftp", "fxp"};

	for (size_t i = 0; i < CV_COUNT(names); i++) {
		size_t n = strlen(names[i]);
		if (n <= colon && cv_str_ieq_z(cv_str_sub(word, colon - n, colon), names[i]))
			return colon - n;
	}
	return colon;
}

/* The start of the next scheme://, "hxxp[:]//" too, in WORD from FROM on; word.n when none. */
static size_t
find_scheme(struct cv_str word, size_t from, size_t *behind)
{
	for (size_t i = from; i + 2 < word.n; i++) {
		size_t colon = i, after = i + 1;
		if (word.p[i] == '[' && word.p[i + 1] == ':' && word.p[i + 2] == ']')
			after = i + 3;
		else if (word.p[i] != ':')
			continue;
		if (after + 1 >= word.n || word.p[after] != '/' || word.p[after + 1] != '/')
			continue;
		size_t start = scheme_start(word, colon);
		if (start == colon)
			continue;
		*behind = after + 2;
		return start;
	}
	return word.n;
}

/* Cuts WORD where another address is glued to it with a comma or the like. */
static struct cv_str
cut_glued(struct cv_str word, size_t from)
{
	size_t behind;

	for (size_t at = from; at < word.n;) {
		size_t start = find_scheme(word, at, &behind);
		if (start == word.n)
			break;
		if (start && strchr(",;)]}'", word.p[start - 1]))
			return cv_str_sub(word, 0, start);
		at = behind;
	}
	return word;
}

static bool
is_plain_tld(struct cv_str tld)
{
	for (size_t i = 0; i < CV_COUNT(plain_tlds); i++)
		if (cv_str_ieq_z(tld, plain_tlds[i]))
			return true;
	return false;
}

/* "bidv-vn.top/login", "www.x.example", "x.example": HOST is what stands before a slash. */
static bool
is_bare_host(struct cv_str word)
{
	size_t end = 0;

	while (end < word.n && !strchr("/:?#\\", word.p[end]))
		end++;
	struct cv_str host = trim_end(cv_str_sub(word, 0, end));
	size_t dot = host.n, labels = 1;
	if (!host.n || host.n > HOST_READ_MAX || memchr(host.p, '@', host.n))
		return false;
	for (size_t i = 0; i < host.n; i++) {
		unsigned char c = (unsigned char)host.p[i];
		if (c == '.') {
			if (!i || host.p[i - 1] == '.')
				return false;
			dot = i;
			labels++;
		} else if (!cv_is_alpha(c) && !cv_is_digit(c) && c < 0x80 &&
			   !strchr("-_[](){}", c)) {
			return false;
		}
	}
	if (labels < 2)
		return false;
	if (cv_str_has_iprefix(host, "www.") && labels > 2)
		return true;
	struct cv_str tld = cv_str_sub(host, dot + 1, host.n);
	bool has_path = end < word.n && word.p[end] == '/';
	for (size_t i = 0; i < tld.n; i++)
		if (!cv_is_alpha((unsigned char)tld.p[i]))
			return false;
	if (tld.n < 2)
		return false;
	return has_path ? spam_is_public_tld(tld) || is_plain_tld(tld)
			: dot >= 3 && is_plain_tld(tld);
}

static bool
find_in_word(struct cv_str word, size_t at, struct cv_str *raw, size_t *next)
{
	size_t behind = 0, start = find_scheme(word, at, &behind);

	if (start < word.n) {
		struct cv_str found = cut_glued(cv_str_sub(word, start, word.n), behind - start);
		*next = start + found.n;
		found = trim_end(found);
		if (found.n > behind - start) {
			*raw = found;
			return true;
		}
		return false;
	}
	*next = word.n;
	while (at < word.n && strchr("([{'*_-.,:;!", word.p[at]) && word.p[at])
		at++;
	/* "Web:abc.example" */
	struct cv_str rest = cv_str_sub(word, at, word.n);
	if (memchr(rest.p, '@', rest.n))
		return false;
	if (is_bare_host(rest)) {
		*raw = trim_end(rest);
		return true;
	}
	size_t colon = cv_str_find(rest, ':', 0);
	if (colon < rest.n && is_bare_host(cv_str_sub(rest, colon + 1, rest.n))) {
		*raw = trim_end(cv_str_sub(rest, colon + 1, rest.n));
		return true;
	}
	return false;
}

bool
spam_url_next(struct cv_str text, size_t *pos, struct cv_str *raw_out)
{
	size_t from, to;

	while (next_word(text, pos, &from, &to)) {
		struct cv_str word = cv_str_sub(text, from, to);
		size_t next = word.n;
		/* Most words have no dot and no slash. */
		bool may = memchr(word.p, '.', word.n) || memchr(word.p, '/', word.n);
		bool found = may && find_in_word(word, 0, raw_out, &next);
		*pos = from + CV_MAX(next, 1);
		if (found)
			return true;
	}
	*pos = text.n;
	return false;
}

/* ---- addresses inside addresses ---- */

static void
put_percent_decoded(struct cv_str s, struct cv_buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		int high =
			i + 2 < s.n && s.p[i] == '%' ? cv_hex_digit((unsigned char)s.p[i + 1]) : -1;
		int low = high >= 0 ? cv_hex_digit((unsigned char)s.p[i + 2]) : -1;
		cv_buf_c(out, low >= 0 ? (char)(high * 16 + low) : s.p[i]);
		i += low >= 0 ? 2 : 0;
	}
}

static bool
starts_url(struct cv_str s)
{
	return cv_str_has_iprefix(s, "http://") || cv_str_has_iprefix(s, "https://") ||
	       cv_str_has_iprefix(s, "http:/") || cv_str_has_iprefix(s, "https:/") ||
	       cv_str_has_prefix(s, "//") || cv_str_has_iprefix(s, "www.");
}

static bool
take_inner(struct cv_arena *arena, struct cv_str s, struct spam_url *out)
{
	if (!starts_url(s) || !spam_url_parse(arena, s, out) || out->flags & SPAM_URL_BROKEN ||
		!memchr(out->host.p, '.', out->host.n))
		return false;
	out->source = SPAM_URL_INNER;
	return true;
}

/* A parameter's value: plain, percent-encoded up to three times, base64, or Proofpoint's u=. */
static bool
try_value(struct cv_arena *arena, struct cv_str value, struct spam_url *out)
{
	struct cv_buf a = CV_BUF_INIT(SPAM_URL_READ_MAX), b = CV_BUF_INIT(SPAM_URL_READ_MAX);
	bool found = false;

	cv_buf_str(&a, value);
	for (int i = 0; i < 4 && !found; i++) {
		found = take_inner(arena, cv_buf_view(&a), out);
		cv_buf_reset(&b);
		put_percent_decoded(cv_buf_view(&a), &b);
		struct cv_buf swap = a;
		a = b;
		b = swap;
	}
	if (!found && (cv_str_has_prefix(value, "aHR0c") || cv_str_has_prefix(value, "d3d3L"))) {
		struct cv_base64_reader r = {0};
		cv_buf_reset(&a);
		cv_base64_read(&r, cv_str_sub(value, 0, INNER_BASE64_MAX), &a);
		cv_base64_read_end(&r, &a);
		found = take_inner(arena, cv_buf_view(&a), out);
	}
	if (!found &&
		(cv_str_has_prefix(value, "https-3A__") || cv_str_has_prefix(value, "http-3A__"))) {
		cv_buf_reset(&a);
		for (size_t i = 0; i < value.n; i++)
			cv_buf_c(&a, value.p[i] == '-'   ? '%'
				     : value.p[i] == '_' ? '/'
							 : value.p[i]);
		cv_buf_reset(&b);
		put_percent_decoded(cv_buf_view(&a), &b);
		found = take_inner(arena, cv_buf_view(&b), out);
	}
	cv_buf_done(&a);
	cv_buf_done(&b);
	return found;
}

/* An address in the path: /https://x.example/, /amp/s/x.example/, /v3/__https://x.example__;. */
static bool
try_path(struct cv_arena *arena, struct cv_str path, struct spam_url *out)
{
	size_t at = cv_str_isearch(path, CV_STR("http"));
	struct cv_buf text = CV_BUF_INIT(SPAM_URL_READ_MAX);
	bool found = false;

	if (at < path.n) {
		struct cv_str rest = cv_str_sub(path, at, path.n);
		rest.n = cv_str_search(rest, CV_STR("__;"));
		put_percent_decoded(rest, &text);
		found = take_inner(arena, cv_buf_view(&text), out);
	}
	at = cv_str_search(path, CV_STR("/amp/s/"));
	if (!found && at < path.n) {
		cv_buf_reset(&text);
		cv_buf_z(&text, "https://");
		cv_buf_str(&text, cv_str_sub(path, at + 7, path.n));
		found = take_inner(arena, cv_buf_view(&text), out);
	}
	cv_buf_done(&text);
	return found;
}

bool
spam_url_inner(struct cv_arena *arena, const struct spam_url *url, struct spam_url *out)
{
	size_t host = cv_str_search(url->url, CV_STR("://"));
	size_t slash = cv_str_find(url->url, '/', host + 3);
	size_t question = cv_str_find(url->url, '?', slash);
	struct cv_str query = cv_str_sub(url->url, question + 1, url->url.n), pair, word;

	while (query.n && cv_str_split(&query, '&', &pair)) {
		word = cv_str_sub(pair, cv_str_find(pair, '=', 0) + 1, pair.n);
		if (try_value(arena, word.n ? word : pair, out))
			return true;
	}
	return try_path(arena, cv_str_sub(url->url, slash, question), out);
}
