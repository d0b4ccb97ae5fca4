/* author.c - see author.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/author.h"

#include "common/text/address.h"
#include "common/text/charset.h"
#include "common/text/encoded_word.h"
#include "common/text/fold.h"
#include "spamfilter/mail.h"

#define FROM_MAX   (16u << 10) /* octets of the From fields that are read; more is unreadable */
#define HIDDEN_MAX 20         /* From fields within others that are read */
#define NAME_ROOM  100         /* octets in which the name of a hidden From and its colon stand */

/* ---- fields ---- */

/* "From" with any blanks or controls around it, as some programs read it. */
static bool
is_from(struct cv_str name)
{
	while (name.n && (unsigned char)name.p[0] <= ' ')
		name = cv_str_sub(name, 1, name.n);
	while (name.n && (unsigned char)name.p[name.n - 1] <= ' ')
		name.n--;
	return cv_str_ieq_z(name, "From");
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The From field that a program sees which takes a lone CR, or another control, for a line's end:
 * AT is behind it. */
static bool
is_from_line(struct cv_str rest, struct cv_str *value_out)
{
	size_t colon = cv_str_find(cv_str_sub(rest, 0, NAME_ROOM), ':', 0);

	if (colon == CV_MIN(rest.n, (size_t)NAME_ROOM) || !is_from(cv_str_sub(rest, 0, colon)))
		return false;
	*value_out = cv_str_sub(rest, colon + 1, cv_str_find(rest, '\n', colon));
	return true;
}

/* What is hidden in VALUE: a From behind an octet that may count as a line's end and is none. An LF
 * with a blank behind it folds. */
static bool
find_hidden(struct cv_str value, size_t *from, struct cv_str *value_out)
{
	for (size_t i = *from; i + 1 < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (c != '\r' && c != '\n' && c != '\v' && c != '\f')
			continue;
		if (c == '\r' && value.p[i + 1] == '\n')
			continue;
		if (c == '\n' && is_blank(value.p[i + 1]))
			continue;
		if (is_from_line(cv_str_sub(value, i + 1, value.n), value_out)) {
			*from = i + 1;
			return true;
		}
	}
	return false;
}

/* ---- domains ---- */

/* Lower-case A-labels in the mail's arena; empty when DOMAIN is none. */
static struct cv_str
clean_domain(struct spam_mail *m, struct cv_str domain)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_NAME_MAX + 1);
	struct cv_str out = CV_STR_EMPTY;

	if (domain.n <= CV_DOMAIN_INPUT_MAX && cv_domain_to_ascii(domain, &ascii, NULL) == CV_OK)
		out = cv_arena_str(&m->arena, cv_buf_view(&ascii));
	cv_buf_done(&ascii);
	return out;
}

static bool
has_domain(const struct cv_str *list, size_t count, struct cv_str domain)
{
	for (size_t i = 0; i < count; i++)
		if (cv_str_eq(list[i], domain))
			return true;
	return false;
}

static void
add_domain(struct spam_mail *m, struct cv_str domain, struct spam_author *a)
{
	struct cv_str clean = clean_domain(m, domain);

	if (!clean.n || has_domain(a->domains, a->domain_count, clean))
		return;
	if (a->domain_count == SPAM_AUTHORS_MAX) {
		a->is_excessive = true;
		return;
	}
	a->domains[a->domain_count++] = clean;
}

/* What may stand in a domain as people write it: letters, digits, hyphens, dots, UTF-8. */
static bool
is_domain_byte(unsigned char c)
{
	return c > 127 || cv_is_alpha(c) || cv_is_digit(c) || c == '-' || c == '.';
}

/* The next domain behind an "@" at or after *AT; blanks between count for nothing. */
static bool
next_shown(struct cv_str text, size_t *at, struct cv_str *out)
{
	for (size_t i = cv_str_find(text, '@', *at); i < text.n;
		i = cv_str_find(text, '@', i + 1)) {
		size_t start = i + 1;
		while (start < text.n && is_blank(text.p[start]))
			start++;
		size_t end = start;
		while (end < text.n && is_domain_byte((unsigned char)text.p[end]))
			end++;
		struct cv_str domain = cv_str_sub(text, start, end);
		while (domain.n && domain.p[domain.n - 1] == '.')
			domain.n--;
		if (!domain.n)
			continue;
		*at = CV_MAX(end, i + 1);
		*out = domain;
		return true;
	}
	return false;
}

/* VALUE as somebody sees it: encoded words decoded, then fullwidth forms made plain. */
static struct cv_str
decode(struct spam_mail *m, struct cv_str value, bool folded)
{
	struct cv_buf text = CV_BUF_INIT(4 * FROM_MAX), plain = CV_BUF_INIT(12 * FROM_MAX);

	cv_words_decode(cv_str_sub(value, 0, FROM_MAX), CV_STR_EMPTY, &text);
	if (folded)
		(void)cv_fold(cv_buf_view(&text), &plain);
	struct cv_str out = cv_arena_str(&m->arena, cv_buf_view(folded ? &plain : &text));
	cv_buf_done(&text);
	cv_buf_done(&plain);
	return out;
}

/* Every host an address reader finds, and whatever follows an "@" anywhere, in the raw text and in
 * the decoded one: a display name counts as much as an address to those who read it. */
static void
add_all(struct spam_mail *m, struct cv_str value, struct spam_author *a)
{
	struct cv_addr_list list;
	struct cv_str raw = cv_str_sub(value, 0, FROM_MAX), domain;
	const struct cv_str texts[] = {raw, decode(m, raw, true)};

	a->is_excessive |= value.n > FROM_MAX;
	cv_addr_list_parse(&m->arena, raw, &list);
	for (size_t i = 0; i < list.n; i++)
		if (list.items[i].host.n)
			add_domain(m, list.items[i].host, a);
	for (size_t i = 0; i < CV_COUNT(texts); i++)
		for (size_t at = 0; next_shown(texts[i], &at, &domain);)
			add_domain(m, domain, a);
}

/* ---- a plain From ---- */

/* The author's own domain, or one of the same family, in the name is nothing strange. */
static bool
is_kin(struct cv_str a, struct cv_str b)
{
	return cv_domain_is_below(a, b) || cv_domain_is_below(b, a);
}

static void
add_shown(struct spam_mail *m, struct cv_str domain, struct spam_author *a)
{
	struct cv_str clean = clean_domain(m, domain);

	if (!clean.n || !cv_domain_is_full(clean) || a->shown_count == SPAM_SHOWN_MAX ||
		has_domain(a->shown, a->shown_count, clean))
		return;
	for (size_t i = 0; i < a->domain_count; i++)
		if (is_kin(clean, a->domains[i]))
			return;
	a->shown[a->shown_count++] = clean;
}

/* Comments stand beside the phrase: some programs show those. */
static void
read_names(
	struct spam_mail *m, struct cv_str value, const struct cv_from *from, struct spam_author *a)
{
	struct cv_str seen = decode(m, value, true), domain;
	struct cv_addr_list list;

	a->name = decode(m, from->items[0].name, false);
	if (!a->name.n) {
		cv_addr_list_parse(&m->arena, value, &list);
		if (list.n == 1)
			a->name = decode(m, list.items[0].name, false);
	}
	for (size_t at = 0; next_shown(seen, &at, &domain);)
		add_shown(m, domain, a);
}

/* Old programs write names in the letters of their country, unencoded. Such octets, where they are
 * no UTF-8, say nothing about the address: they are read as "?", which no domain has. */
static struct cv_str
without_legacy(struct spam_mail *m, struct cv_str value)
{
	if (cv_utf8_valid_prefix(value) == value.n)
		return value;
	char *copy = cv_arena_z(&m->arena, value);
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)copy[i] > 127)
			copy[i] = '?';
	return cv_str(copy, value.n);
}

/* Quoting that the grammar allows and that not every program undoes alike: an address as a local
 * part, a quote within a quoted name that shows addresses. */
static bool
is_tricky(const struct cv_from *from, struct cv_str value, const struct spam_author *a)
{
	for (size_t i = 0; i < from->n; i++)
		for (size_t k = 0; k < from->items[i].local.n; k++)
			if (strchr("@<>,;:\\\"", from->items[i].local.p[k]) && k &&
				k + 1 < from->items[i].local.n)
				return true;
	return a->shown_count && cv_str_search(value, CV_STR("\\\"")) < value.n;
}

static bool
read_plain(struct spam_mail *m, struct cv_str value, struct spam_author *a)
{
	struct cv_from from;
	struct cv_err err = {0};

	value = cv_str_trim(value);
	if (value.n > FROM_MAX) {
		a->why = "From is too long";
		return false;
	}
	value = without_legacy(m, value);
	if (cv_from_strict(&m->arena, value, &from, &err) != CV_OK) {
		a->why = cv_arena_z(&m->arena, cv_str_z(err.text));
		return false;
	}
	struct cv_str domain = clean_domain(m, from.items[0].domain);
	if (!domain.n || !cv_domain_is_full(domain)) { /* a literal, a single label */
		a->why = "From has no domain that can be asked";
		return false;
	}
	a->is_plain = true;
	a->local = from.items[0].local;
	a->domain = domain;
	for (size_t i = 0; i < from.n; i++)
		add_domain(m, from.items[i].domain, a);
	read_names(m, value, &from, a);
	if (is_tricky(&from, value, a)) {
		a->why = "From is quoted so that programs differ";
		return false;
	}
	return true;
}

/* ---- the whole ---- */

struct gathered {
	struct cv_str first; /* value */
	size_t count, hidden;
	bool is_odd; /* some is written so that not every program sees it */
};

/* What is hidden may lie within what is hidden before it, and a header has room for a hundred
 * thousand of them: after some it is enough to know that there are more. */
static void
gather_hidden(struct spam_mail *m, struct cv_str field, struct gathered *g, struct spam_author *a)
{
	struct cv_str hidden;

	for (size_t at = 0; find_hidden(field, &at, &hidden);) {
		g->count++;
		g->is_odd = true;
		if (g->hidden++ == HIDDEN_MAX) {
			a->is_excessive = true;
			return;
		}
		add_all(m, hidden, a);
	}
}

/* Domains of all fields go to A as they come, for the case that none is plain. */
static void
gather(struct spam_mail *m, struct gathered *g, struct spam_author *a)
{
	*g = (struct gathered){.first = CV_STR_EMPTY};
	for (size_t i = 0; i < m->field_count; i++) {
		const struct spam_header_field *f = &m->fields[i];
		if (is_from(f->name)) {
			if (!g->count++)
				g->first = f->value;
			g->is_odd |= f->name.n != 4;
			add_all(m, f->value, a);
		}
		if (g->hidden <= HIDDEN_MAX)
			gather_hidden(m, f->value, g, a);
	}
}

static void
classify(struct spam_mail *m, const struct gathered *g, struct spam_author *a)
{
	struct spam_author plain = {.why = ""};

	if (!g->count || (g->count == 1 && !g->is_odd && !cv_str_trim(g->first).n)) {
		a->form = SPAM_AUTHOR_MISSING;
		a->why = g->count ? "From is empty" : "no From";
	} else if (g->count > 1) {
		a->form = SPAM_AUTHOR_SEVERAL;
		a->why = "several From fields";
	} else if (g->is_odd) {
		a->form = SPAM_AUTHOR_UNREADABLE;
		a->why = "From is written oddly";
	} else if (!read_plain(m, g->first, &plain)) {
		a->form = SPAM_AUTHOR_UNREADABLE;
		a->why = plain.why;
	} else {
		*a = plain;
		if (plain.domain_count > 1) {
			a->form = SPAM_AUTHOR_SEVERAL;
			a->why = "authors of several domains";
		}
	}
}

void
spam_author_read(struct spam_mail *m, struct spam_author *out)
{
	struct gathered g;

	*out = (struct spam_author){.why = ""};
	gather(m, &g, out);
	classify(m, &g, out);
}
