/* text.c - text parts: charsets, HTML, what is visible; texts made fit for matching. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/charset_guess.h"
#include "common/text/fold.h"
#include "common/text/lookalike.h"
#include "spamfilter/walk/html.h"
#include "spamfilter/walk/walk_impl.h"

#define META_SEEN 2048 /* octets in which a meta element may name the charset */

/* ---- matching ---- */

static bool
is_latin(uint32_t cp)
{
	return (cp < 0x80 && cv_is_alpha((unsigned char)cp)) || (cp >= 0xC0 && cp < 0x250) ||
	       (cp >= 0x1E00 && cp <= 0x1EFF);
}

static bool
is_styled(uint32_t cp)
{
	return cp >= 0x1D400 || (cp >= 0x24B6 && cp <= 0x24E9);
}

static bool
ends_word(uint32_t cp)
{
	return cp < 0x80 ? !cv_is_alpha((unsigned char)cp) && !cv_is_digit((unsigned char)cp)
			 : cp == 0xA0 || (cp >= 0x2000 && cp <= 0x206F) || cp == 0x3000;
}

/* WORD with letters of other scripts as the Latin ones they are taken for, if it has Latin ones. */
static void
put_word(struct cv_str word, struct cv_buf *out, unsigned *mixed)
{
	bool latin = false, other = false;

	for (size_t i = 0; i < word.n;) {
		uint32_t cp = cv_utf8_next(word, &i);
		latin |= is_latin(cp) || is_styled(cp);
		other |= cp >= 0x250 && cv_lookalike_latin(cp);
	}
	if (!other || !latin) {
		cv_buf_str(out, word);
		return;
	}
	++*mixed;
	for (size_t i = 0; i < word.n;) {
		uint32_t cp = cv_utf8_next(word, &i);
		char as = cp >= 0x250 ? cv_lookalike_latin(cp) : 0;
		if (as)
			cv_buf_c(out, as);
		else
			cv_utf8_put(out, cp);
	}
}

void
spam_walk_fold(struct cv_str text, struct cv_buf *out, unsigned *mixed)
{
	struct cv_buf plain = CV_BUF_INIT(text.n * 2 + 64);

	for (size_t i = 0; i < text.n;) {
		size_t from = i, to = i;
		bool high = false;
		while (i < text.n) {
			uint32_t cp = (unsigned char)text.p[i] < 0x80 ? (unsigned char)text.p[i++]
								      : cv_utf8_next(text, &i);
			high |= cp >= 0x250;
			if (ends_word(cp))
				break;
			to = i;
		}
		if (high)
			put_word(cv_str_sub(text, from, to), &plain, mixed);
		else
			cv_buf_str(&plain, cv_str_sub(text, from, to));
		cv_buf_str(&plain, cv_str_sub(text, to, i));
	}
	(void)cv_fold(cv_buf_view(&plain), out); /* OUT has room for three times as much */
	cv_buf_done(&plain);
}

/* ---- charsets ---- */

/* The charset that a meta element at the head of HTML names. */
static struct cv_str
meta_charset(struct cv_str html)
{
	struct cv_str head = cv_str_sub(html, 0, META_SEEN);
	size_t at = cv_str_isearch(head, CV_STR("charset="));
	if (at == head.n)
		return CV_STR_EMPTY;
	struct cv_str rest = cv_str_sub(head, at + 8, head.n);
	while (rest.n && strchr("\"' ", rest.p[0]))
		rest = cv_str_sub(rest, 1, rest.n);
	size_t n = 0;
	while (n < rest.n && n < CV_CHARSET_NAME_MAX &&
		(cv_is_alpha((unsigned char)rest.p[n]) || cv_is_digit((unsigned char)rest.p[n]) ||
			(rest.p[n] && strchr("-_:.", rest.p[n]))))
		n++;
	return cv_str_sub(rest, 0, n);
}

static bool
has_high(struct cv_str octets)
{
	for (size_t i = 0; i < octets.n; i++)
		if ((unsigned char)octets.p[i] >= 0x80)
			return true;
	return false;
}

/* OCTETS as UTF-8 in OUT, by their label or by what they read as. */
static void
decode(struct spam_text *t, struct cv_str label, struct cv_str octets, struct cv_buf *out)
{
	struct cv_str declared = label.n ? label : t->is_html ? meta_charset(octets) : label;
	const char *guess = has_high(octets) ? cv_charset_guess(declared, octets) : NULL;

	t->charset = declared;
	if (guess) {
		t->is_mislabelled = declared.n > 0;
		t->charset = cv_str_z(guess);
	}
	/* An unknown charset still yields its ASCII. */
	(void)cv_charset_to_utf8(t->charset, octets, out);
	/* Longer than the buffer once decoded: what surely fits. */
	if (out->full) {
		cv_buf_reset(out);
		(void)cv_charset_to_utf8(
			t->charset, cv_str_sub(octets, 0, out->max / (CV_CHARSET_GROWTH * 2)), out);
	}
}

/* TEXT with words of old charsets that were turned into UTF-8 letter by letter put right. */
static void
mend(struct spam_text *t, struct cv_buf *text)
{
	struct cv_buf out = CV_BUF_INIT(text->max);
	const char *charset = NULL;

	if (!has_high(cv_buf_view(text)))
		return;
	if (cv_charset_mend(cv_buf_view(text), &out, &charset) && charset && !out.full) {
		struct cv_buf swap = *text;
		*text = out;
		out = swap;
		t->is_mislabelled = true;
		t->charset = cv_str_z(charset);
	}
	cv_buf_done(&out);
}

/* ---- HTML ---- */

struct html_link_context {
	struct spam_walk *w;
	uint32_t part;
};

static void
see_link(void *ctx, const struct spam_html_link *link)
{
	struct html_link_context *c = ctx;
	char scheme[16];

	/* Relative references lead nowhere in a mail. */
	if (!spam_url_scheme(link->raw, scheme, sizeof scheme) &&
		!cv_str_has_prefix(cv_str_trim(link->raw), "//") &&
		!cv_str_has_iprefix(cv_str_trim(link->raw), "www."))
		return;
	spam_walk_add_url(c->w, c->part, link->source, link->raw, link->shown, link->flags);
}

static bool
has_time(void *ctx)
{
	return spam_walk_has_time(((struct html_link_context *)ctx)->w);
}

static void
read_html(struct spam_walk *w, uint32_t part, struct cv_str utf8, struct cv_buf *visible,
	struct cv_buf *hidden, uint64_t *facts)
{
	struct html_link_context context = {w, part};
	struct spam_html h = {.visible = visible,
		.hidden = hidden,
		.link = see_link,
		.go_on = has_time,
		.ctx = &context};

	spam_html_read(utf8, &h);
	*facts = h.facts;
	w->hidden_letters += h.hidden_letters;
	w->zero_width += h.zero_width;
	w->pictures += h.pictures;
	if (visible->full || hidden->full)
		w->facts |= SPAM_FACT(LIMITS);
}

/* ---- one part ---- */

static bool
is_html_part(const struct cv_mime_part *p, struct cv_str octets)
{
	if (cv_str_eq_z(p->at.subtype, "html") || cv_str_eq_z(p->at.subtype, "xhtml+xml"))
		return true;
	/* Some programs label HTML as plain text, and some readers show it as HTML. */
	struct cv_str head = cv_str_trim(cv_str_sub(octets, 0, 64));
	return cv_str_has_iprefix(head, "<!doctype html") || cv_str_has_iprefix(head, "<html");
}

static void
append(struct spam_walk *w, struct cv_buf *all, struct cv_str text)
{
	if (!text.n)
		return;
	if (all->n && all->n < all->max)
		cv_buf_c(all, '\n');
	struct cv_str fits = cv_utf8_cut(text, all->max - all->n);
	cv_buf_str(all, fits);
	if (fits.n < text.n)
		w->facts |= SPAM_FACT(LIMITS);
}

uint64_t
spam_walk_read_text(struct spam_walk *w, uint32_t part, const struct cv_mime_part *p,
	struct cv_str octets, bool is_attachment)
{
	struct cv_buf utf8 = CV_BUF_INIT(octets.n * 2 + 4096);
	struct cv_buf visible = CV_BUF_INIT(SPAM_WALK_TEXT_MAX);
	struct cv_buf hidden = CV_BUF_INIT(SPAM_WALK_HIDDEN_MAX);
	uint64_t facts = 0;

	if (w->text_count == SPAM_WALK_TEXTS_MAX) {
		w->facts |= SPAM_FACT(LIMITS);
		return 0;
	}
	struct spam_text *t = &w->texts[w->text_count++];
	*t = (struct spam_text){
		.part = part, .is_html = is_html_part(p, octets), .is_attachment = is_attachment};
	decode(t, p->at.charset, octets, &utf8);
	if (t->is_html) {
		read_html(w, part, cv_buf_view(&utf8), &visible, &hidden, &facts);
		if (!is_attachment)
			w->facts |= facts;
	} else {
		spam_text_put(cv_buf_view(&utf8), true, &visible, &w->zero_width);
		if (visible.full)
			w->facts |= SPAM_FACT(LIMITS);
	}
	mend(t, &visible);
	if (t->is_mislabelled)
		w->facts |= SPAM_FACT(MISLABELLED);
	t->charset = cv_arena_str(&w->arena, t->charset);
	t->visible = cv_arena_str(&w->arena, cv_str_trim(cv_buf_view(&visible)));
	t->hidden = cv_arena_str(&w->arena, cv_str_trim(cv_buf_view(&hidden)));
	spam_walk_add_urls_of(w, part, SPAM_URL_TEXT, t->visible);
	if (!is_attachment) {
		append(w, &w->visible, t->visible);
		append(w, &w->hidden, t->hidden);
	}
	cv_buf_done(&utf8);
	cv_buf_done(&visible);
	cv_buf_done(&hidden);
	return facts;
}
