/* html.c - see html.h.
 *
 * The stack follows the standard (13.2.6) where it matters to inheritance: void elements, end tags
 * that stop at table cells, formatting elements closed out of order, paragraphs, list items, rows
 * and cells that end by themselves. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/html.h"

#include <stdlib.h>

#include "common/text/charset.h"
#include "common/text/html_token.h"
#include "spamfilter/walk/css.h"
#include "spamfilter/walk/walk.h"

#define TINY_PX   3.0
#define VALUE_MAX (16u << 10) /* octets of an attribute that are read */
#define ASK_EVERY 4096        /* tokens between two looks at the clock */
#define WHITE     0xFFFFFFFFu
#define BLACK     0xFF000000u

/* ---- elements ---- */

enum element_kind {
	E_VOID = 1,       /* has no end */
	E_FORMATTING = 2, /* may be closed out of order */
	E_SPECIAL = 4,    /* stops a search for an ordinary element */
	E_SCOPE = 8,      /* stops every search but one for a table part */
	E_BLOCK = 16,     /* begins a line */
	E_TABLE = 32,     /* part of a table */
	E_SILENT = 64,    /* its text is never shown */
	E_CLOSES_P = 128, /* ends an open p */
	E_SPACE = 256,    /* parts words, no line */
	E_P_STOP = 512,   /* a paragraph around it stays open */
	E_LIST = 1024,    /* the same of a list item */
	E_ROOT = 2048     /* a table: its rows are no business of an outer one */
};
#define E_PARAGRAPH (E_SPECIAL | E_BLOCK | E_CLOSES_P)

static const struct element {
	const char *name;
	unsigned kind;
} elements[] = {
	{"a",          E_FORMATTING							},
	{"address",    E_PARAGRAPH							 },
	{"applet",     E_SPECIAL | E_SCOPE | E_P_STOP                                      },
	{"area",       E_VOID							      },
	{"article",    E_PARAGRAPH							 },
	{"aside",      E_PARAGRAPH							 },
	{"b",          E_FORMATTING							},
	{"base",       E_VOID							      },
	{"basefont",   E_VOID							      },
	{"bgsound",    E_VOID							      },
	{"big",        E_FORMATTING							},
	{"blockquote", E_PARAGRAPH							 },
	{"body",       E_SPECIAL | E_BLOCK						 },
	{"br",         E_VOID | E_BLOCK						    },
	{"button",     E_SPECIAL | E_P_STOP						},
	{"caption",    E_SPECIAL | E_SCOPE | E_BLOCK | E_P_STOP                            },
	{"center",     E_PARAGRAPH							 },
	{"code",       E_FORMATTING							},
	{"col",        E_VOID							      },
	{"dd",         E_PARAGRAPH							 },
	{"details",    E_PARAGRAPH							 },
	{"dialog",     E_PARAGRAPH							 },
	{"dir",        E_PARAGRAPH | E_LIST						},
	{"div",        E_PARAGRAPH | E_LIST						},
	{"dl",         E_PARAGRAPH							 },
	{"dt",         E_PARAGRAPH							 },
	{"em",         E_FORMATTING							},
	{"embed",      E_VOID							      },
	{"fieldset",   E_PARAGRAPH							 },
	{"figure",     E_PARAGRAPH							 },
	{"font",       E_FORMATTING							},
	{"footer",     E_PARAGRAPH							 },
	{"form",       E_PARAGRAPH							 },
	{"frame",      E_VOID							      },
	{"h1",         E_PARAGRAPH							 },
	{"h2",         E_PARAGRAPH							 },
	{"h3",         E_PARAGRAPH							 },
	{"h4",         E_PARAGRAPH							 },
	{"h5",         E_PARAGRAPH							 },
	{"h6",         E_PARAGRAPH							 },
	{"head",       E_SPECIAL | E_SILENT						},
	{"header",     E_PARAGRAPH							 },
	{"hr",         E_VOID | E_BLOCK | E_CLOSES_P                                       },
	{"html",       E_SPECIAL | E_SCOPE						 },
	{"i",          E_FORMATTING							},
	{"iframe",     E_SILENT							    },
	{"img",        E_VOID							      },
	{"input",      E_VOID							      },
	{"li",         E_PARAGRAPH							 },
	{"link",       E_VOID							      },
	{"main",       E_PARAGRAPH							 },
	{"marquee",    E_SPECIAL | E_SCOPE | E_P_STOP                                      },
	{"menu",       E_PARAGRAPH | E_LIST						},
	{"meta",       E_VOID							      },
	{"nav",        E_PARAGRAPH							 },
	{"nobr",       E_FORMATTING							},
	{"noembed",    E_SILENT							    },
	{"noframes",   E_SILENT							    },
	{"object",     E_SPECIAL | E_SCOPE | E_P_STOP                                      },
	{"ol",         E_PARAGRAPH | E_LIST						},
	{"option",     E_SPACE							     },
	{"p",          E_PARAGRAPH							 },
	{"param",      E_VOID							      },
	{"pre",        E_PARAGRAPH							 },
	{"s",          E_FORMATTING							},
	{"script",     E_SILENT							    },
	{"section",    E_PARAGRAPH							 },
	{"small",      E_FORMATTING							},
	{"source",     E_VOID							      },
	{"strike",     E_FORMATTING							},
	{"strong",     E_FORMATTING							},
	{"style",      E_SILENT							    },
	{"summary",    E_PARAGRAPH							 },
	{"table",      E_SPECIAL | E_SCOPE | E_BLOCK | E_TABLE | E_P_STOP | E_LIST | E_ROOT},
	{"tbody",      E_SPECIAL | E_TABLE						 },
	{"td",         E_SPECIAL | E_SCOPE | E_SPACE | E_TABLE | E_P_STOP | E_LIST         },
	{"template",   E_SPECIAL | E_SCOPE | E_SILENT | E_P_STOP                           },
	{"tfoot",      E_SPECIAL | E_TABLE						 },
	{"th",         E_SPECIAL | E_SCOPE | E_SPACE | E_TABLE | E_P_STOP | E_LIST         },
	{"thead",      E_SPECIAL | E_TABLE						 },
	{"title",      E_SILENT							    },
	{"tr",         E_SPECIAL | E_BLOCK | E_TABLE                                       },
	{"track",      E_VOID							      },
	{"tt",         E_FORMATTING							},
	{"u",          E_FORMATTING							},
	{"ul",         E_PARAGRAPH | E_LIST						},
	{"wbr",        E_VOID							      },
};
#define UNKNOWN CV_COUNT(elements)

static size_t
element_index(struct cv_str name)
{
	size_t low = 0, high = CV_COUNT(elements);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = cv_str_cmp(name, cv_str_z(elements[mid].name));
		if (!order)
			return mid;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return UNKNOWN;
}

static unsigned
kind_of(size_t index)
{
	return index < UNKNOWN ? elements[index].kind : 0;
}

static bool
is_named(size_t index, const char *name)
{
	return index < UNKNOWN && !strcmp(elements[index].name, name);
}

/* ---- the stack ---- */

/* How text inside an element looks. */
struct look {
	bool is_gone;      /* display none and its like: nothing below brings it back */
	bool is_invisible; /* visibility: an element below may be visible again */
	bool is_silent;    /* script, title, ... */
	bool knows_back;   /* BACKGROUND is known: no picture is behind */
	double font_px;
	uint32_t color, background;
};

struct open_element {
	size_t index;
	uint64_t hash; /* of the name, for unknown ones */
	struct look look;
};

struct reader {
	struct spam_html *h;
	struct cv_html_scan scan;
	struct spam_css_sheet sheet;
	struct open_element stack[SPAM_HTML_DEPTH_MAX];
	size_t depth;
	unsigned open_count[UNKNOWN + 1]; /* by element */
	struct cv_buf value;              /* scratch */
	struct cv_buf base, href, shown, whole, action;
	bool in_link, link_has_picture, link_is_hidden;
	bool in_form, form_has_password;
	bool in_style;
	unsigned links, tokens;
};

static const struct look plain_look = {
	.knows_back = true, .font_px = 16, .color = BLACK, .background = WHITE};

static const struct look *
top_look(const struct reader *r)
{
	return r->depth ? &r->stack[r->depth - 1].look : &plain_look;
}

static bool
is_hidden(const struct look *l)
{
	return l->is_gone || l->is_invisible || l->font_px < TINY_PX ||
	       (l->knows_back && !spam_css_can_be_read(l->color, l->background));
}

static void
push(struct reader *r, size_t index, uint64_t hash, const struct look *look)
{
	if (r->depth == SPAM_HTML_DEPTH_MAX) {
		r->h->facts |= SPAM_FACT(LIMITS);
		return;
	}
	r->stack[r->depth++] = (struct open_element){index, hash, *look};
	r->open_count[index]++;
}

static void
truncate_to(struct reader *r, size_t depth)
{
	while (r->depth > depth)
		r->open_count[r->stack[--r->depth].index]--;
}

static bool
is_same(const struct open_element *e, size_t index, uint64_t hash)
{
	return e->index == index && (index < UNKNOWN || e->hash == hash);
}

/* Closes the innermost element of that name, as far as its end tag can be seen from here. */
static void
pop_to(struct reader *r, size_t index, uint64_t hash)
{
	unsigned kind = kind_of(index);

	if (!r->open_count[index])
		return;
	for (size_t i = r->depth; i--;) {
		const struct open_element *e = &r->stack[i];
		if (is_same(e, index, hash)) {
			bool out_of_order = false;
			for (size_t k = i + 1; k < r->depth; k++)
				out_of_order |= (kind_of(r->stack[k].index) & E_SPECIAL) != 0;
			if ((kind & E_FORMATTING) && out_of_order) {
				memmove(&r->stack[i], &r->stack[i + 1],
					(r->depth - i - 1) * sizeof r->stack[0]);
				r->depth--;
				r->open_count[index]--;
			} else {
				truncate_to(r, i);
			}
			return;
		}
		unsigned stop = kind & E_TABLE                      ? 0
				: kind & (E_SPECIAL | E_FORMATTING) ? E_SCOPE
								    : E_SPECIAL;
		if (kind_of(e->index) & stop)
			return;
		if ((kind & E_TABLE) && is_named(e->index, "table") && !is_named(index, "table"))
			return;
	}
}

/* Closes an open NAME unless an element of kind STOPS lies between. */
static void
close_implied(struct reader *r, const char *name, unsigned stops)
{
	size_t index = element_index(cv_str_z(name));

	if (!r->open_count[index])
		return;
	for (size_t i = r->depth; i--;) {
		if (r->stack[i].index == index) {
			truncate_to(r, i);
			return;
		}
		if (kind_of(r->stack[i].index) & stops)
			return;
	}
}

/* What a start tag ends by itself (13.2.6.4.7 and the table modes). */
static const struct {
	const char *start, *ends;
	unsigned stops;
} implied_ends[] = {
	{"li",     "li",     E_LIST },
	{"dt",     "dt",     E_LIST },
	{"dt",     "dd",     E_LIST },
	{"dd",     "dt",     E_LIST },
	{"dd",     "dd",     E_LIST },
	{"td",     "td",     E_TABLE},
	{"td",     "th",     E_TABLE},
	{"th",     "td",     E_TABLE},
	{"th",     "th",     E_TABLE},
	{"tr",     "tr",     E_ROOT },
	{"body",   "head",   0      },
	{"option", "option", E_SCOPE},
};

static void
close_for(struct reader *r, size_t index)
{
	if (kind_of(index) & E_CLOSES_P)
		close_implied(r, "p", E_P_STOP);
	for (size_t i = 0; index < UNKNOWN && i < CV_COUNT(implied_ends); i++)
		if (is_named(index, implied_ends[i].start))
			close_implied(r, implied_ends[i].ends, implied_ends[i].stops);
}

/* ---- text ---- */

static bool
is_zero_width(uint32_t cp)
{
	return cp == 0xAD || cp == 0x34F || cp == 0x61C || cp == 0x180E ||
	       (cp >= 0x200B && cp <= 0x200F) || (cp >= 0x202A && cp <= 0x202E) ||
	       (cp >= 0x2060 && cp <= 0x206F) || cp == 0xFEFF || (cp >= 0xFE00 && cp <= 0xFE0F) ||
	       (cp >= 0xE0000 && cp <= 0xE007F) || cp == 0x3164 || cp == 0x115F || cp == 0x1160;
}

static bool
is_letter(uint32_t cp)
{
	return cp < 0x80 ? cv_is_alpha((unsigned char)cp) : cp >= 0xC0 && cp < 0x2000;
}

static bool
is_space(uint32_t cp)
{
	return cp <= ' ' || cp == 0x7F || cp == 0xA0 || cp == 0x1680 ||
	       (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F ||
	       cp == 0x205F || cp == 0x3000;
}

void
spam_text_put(struct cv_str text, bool keep_lines, struct cv_buf *out, unsigned *zero_width)
{
	uint32_t last = 0; /* the last character put, for what stands between letters */
	bool had_zero = false;

	for (size_t i = 0; i < text.n && !out->full;) {
		unsigned char c = (unsigned char)text.p[i];
		uint32_t cp = c < 0x80 ? (i++, c) : cv_utf8_next(text, &i);
		if (cp >= 0x80 && is_zero_width(cp)) {
			had_zero |= is_letter(last);
			continue;
		}
		if (had_zero && is_letter(cp))
			++*zero_width;
		had_zero = false;
		last = cp;
		if (is_space(cp)) {
			bool line = keep_lines && cp == '\n';
			if (out->n && (out->p[out->n - 1] == '\n'))
				continue;
			if (out->n && out->p[out->n - 1] == ' ') {
				if (line)
					out->p[out->n - 1] = '\n';
				continue;
			}
			cv_buf_c(out, line ? '\n' : ' ');
		} else if (cp < 0x80) {
			cv_buf_c(out, (char)cp);
		} else {
			cv_utf8_put(out, cp);
		}
	}
}

static uint64_t
count_letters(struct cv_str text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		n += cv_is_alpha(c) || cv_is_digit(c) || c >= 0xC0;
	}
	return n;
}

static void
break_line(struct reader *r)
{
	struct cv_buf *out = is_hidden(top_look(r)) ? r->h->hidden : r->h->visible;

	if (out->n && out->p[out->n - 1] != '\n')
		cv_buf_c(out, '\n');
}

static void
put_text(struct reader *r, const struct cv_html_token *t)
{
	struct spam_html *h = r->h;
	const struct look *look = top_look(r);
	bool hidden = is_hidden(look);
	unsigned ignored = 0;

	if (look->is_silent)
		return;
	struct cv_buf *out = hidden ? h->hidden : h->visible;
	size_t from = out->n;
	if (t->is_raw || !memchr(t->text.p, '&', t->text.n)) {
		spam_text_put(t->text, false, out, hidden ? &ignored : &h->zero_width);
	} else {
		cv_buf_reset(&r->value);
		cv_html_decode(cv_str_sub(t->text, 0, r->value.max), false, &r->value);
		spam_text_put(
			cv_buf_view(&r->value), false, out, hidden ? &ignored : &h->zero_width);
	}
	struct cv_str added = cv_str_sub(cv_buf_view(out), from, out->n);
	uint64_t letters = count_letters(added);
	if (hidden)
		h->hidden_letters += letters;
	else
		h->visible_letters += letters;
	if (r->in_link && !hidden)
		cv_buf_str(&r->shown, cv_utf8_cut(added, r->shown.max - r->shown.n));
}

/* ---- attributes ---- */

/* The attribute NAME of TAG, decoded, in R->value; false when it is not there. */
static bool
find_attribute(struct reader *r, const struct cv_html_token *tag, const char *name)
{
	struct cv_str rest = tag->attributes, key, value;

	while (cv_html_attribute(&rest, &key, &value))
		if (cv_str_ieq_z(key, name)) {
			cv_buf_reset(&r->value);
			cv_html_decode(cv_str_sub(value, 0, VALUE_MAX), true, &r->value);
			return true;
		}
	return false;
}

/* An address as it leads, with base href. */
static struct cv_str
resolve(struct reader *r, struct cv_str href)
{
	char scheme[32];

	href = cv_str_trim(href);
	if (!r->base.n || !href.n || href.p[0] == '#' ||
		spam_url_scheme(href, scheme, sizeof scheme) || cv_str_has_prefix(href, "//"))
		return href;
	struct cv_str base = cv_buf_view(&r->base);
	size_t host = cv_str_search(base, CV_STR("//")) + 2;
	size_t slash = cv_str_find(base, '/', host), last = base.n;
	if (href.p[0] != '/')
		while (last > slash && base.p[last - 1] != '/')
			last--;
	cv_buf_reset(&r->whole);
	cv_buf_str(&r->whole, cv_str_sub(base, 0, href.p[0] == '/' ? slash : last));
	if (href.p[0] != '/' && r->whole.n && r->whole.p[r->whole.n - 1] != '/')
		cv_buf_c(&r->whole, '/');
	cv_buf_str(&r->whole, href);
	return cv_buf_view(&r->whole);
}

static void
tell_link(struct reader *r, enum spam_url_source source, struct cv_str raw, struct cv_str shown,
	unsigned flags)
{
	char scheme[32];
	struct cv_str whole = resolve(r, raw);
	size_t n = spam_url_scheme(whole, scheme, sizeof scheme);

	if (n && (!strcmp(scheme, "javascript") || !strcmp(scheme, "vbscript")))
		r->h->facts |= SPAM_FACT(HTML_SCRIPT);
	if (n && !strcmp(scheme, "data") && source != SPAM_URL_IMAGE)
		r->h->facts |= SPAM_FACT(HTML_DATA_URL);
	if (!whole.n || ++r->links > SPAM_HTML_LINKS_MAX)
		return;
	struct spam_html_link link = {source, whole, shown, flags};
	r->h->link(r->h->ctx, &link);
}

static void
end_link(struct reader *r)
{
	if (!r->in_link)
		return;
	r->in_link = false;
	bool seen = r->shown.n || r->link_has_picture;
	tell_link(r, SPAM_URL_LINK, cv_buf_view(&r->href), cv_str_trim(cv_buf_view(&r->shown)),
		r->link_is_hidden || !seen ? SPAM_URL_HIDDEN : 0);
}

static void
end_form(struct reader *r)
{
	if (!r->in_form)
		return;
	r->in_form = false;
	if (r->action.n)
		tell_link(r, SPAM_URL_FORM, cv_buf_view(&r->action), CV_STR_EMPTY,
			r->form_has_password ? SPAM_URL_PASSWORD : 0);
}

/* ---- looks ---- */

static void
merge_color_attribute(struct cv_str value, bool is_background, struct spam_css *css)
{
	uint32_t color;

	if (!spam_css_color(value, &color))
		return;
	css->set |= is_background ? SPAM_CSS_BACKGROUND : SPAM_CSS_COLOR;
	if (is_background)
		css->background = color;
	else
		css->color = color;
}

static void
apply_css(struct look *l, const struct spam_css *css)
{
	if ((css->set & SPAM_CSS_DISPLAY) && css->is_none)
		l->is_gone = true;
	if ((css->set & SPAM_CSS_ZERO) && css->is_zero && css->is_clipped)
		l->is_gone = true;
	if (css->is_offscreen || css->is_transparent)
		l->is_gone = true;
	if (css->set & SPAM_CSS_VISIBILITY)
		l->is_invisible = css->is_invisible;
	if (css->set & SPAM_CSS_FONT)
		l->font_px = css->is_relative ? l->font_px * css->font_px : css->font_px;
	if (css->set & SPAM_CSS_COLOR)
		l->color = css->color;
	if (css->set & SPAM_CSS_BACKGROUND) {
		l->knows_back = !css->has_picture;
		l->background = css->background;
	}
}

/* The attributes of TAG that change how text looks, and those that run scripts. */
static struct look
look_of(struct reader *r, const struct cv_html_token *tag, size_t index)
{
	struct look look = *top_look(r);
	struct spam_css css = {0}, own = {0};
	struct cv_str rest = tag->attributes, name, value, classes = CV_STR_EMPTY,
		      id = CV_STR_EMPTY;
	bool has_style = false;

	while (cv_html_attribute(&rest, &name, &value)) {
		value = cv_str_sub(value, 0, VALUE_MAX);
		if (cv_str_ieq_z(name, "class")) {
			classes = value;
		} else if (cv_str_ieq_z(name, "id")) {
			id = value;
		} else if (cv_str_ieq_z(name, "style") && !has_style) {
			has_style = true;
			cv_buf_reset(&r->value);
			cv_html_decode(value, true, &r->value);
			spam_css_declarations(cv_buf_view(&r->value), &own);
		} else if (cv_str_ieq_z(name, "hidden")) {
			css.set |= SPAM_CSS_DISPLAY;
			css.is_none = true;
		} else if (cv_str_ieq_z(name, "bgcolor")) {
			merge_color_attribute(value, true, &css);
		} else if (cv_str_ieq_z(name, "background")) {
			css.set |= SPAM_CSS_BACKGROUND;
			css.has_picture = true;
		} else if ((cv_str_ieq_z(name, "color") && is_named(index, "font")) ||
			   (cv_str_ieq_z(name, "text") && is_named(index, "body"))) {
			merge_color_attribute(value, false, &css);
		} else if (name.n > 4 && cv_str_has_iprefix(name, "on")) {
			r->h->facts |= SPAM_FACT(HTML_SCRIPT);
		}
	}
	spam_css_sheet_apply(&r->sheet, tag->name, classes, id, &css);
	spam_css_merge(&css, &own);
	/* Links are blue unless they say otherwise. */
	if (is_named(index, "a") && look.color != 0 && !(css.set & SPAM_CSS_COLOR))
		look.color = 0xFF0000EE;
	apply_css(&look, &css);
	look.is_silent |= (kind_of(index) & E_SILENT) != 0;
	return look;
}

/* ---- elements that mean something ---- */

static void
see_picture(struct reader *r, const struct cv_html_token *tag, const struct look *look)
{
	struct spam_html *h = r->h;
	bool is_tiny = is_hidden(look), is_remote = false;
	unsigned ignored = 0;

	h->pictures++;
	r->link_has_picture |= !is_tiny;
	static const char *const sizes[] = {"width", "height"};
	for (size_t i = 0; i < CV_COUNT(sizes); i++)
		if (find_attribute(r, tag, sizes[i]) && r->value.n &&
			(cv_str_eq_z(cv_buf_view(&r->value), "0") ||
				cv_str_eq_z(cv_buf_view(&r->value), "1") ||
				cv_str_eq_z(cv_buf_view(&r->value), "1px")))
			is_tiny = true;
	if (find_attribute(r, tag, "src")) {
		struct cv_str src = cv_str_trim(cv_buf_view(&r->value));
		is_remote = cv_str_has_iprefix(src, "http") || cv_str_has_prefix(src, "//");
		tell_link(r, SPAM_URL_IMAGE, src, CV_STR_EMPTY, is_tiny ? SPAM_URL_HIDDEN : 0);
	}
	if (is_remote)
		h->facts |= SPAM_FACT(REMOTE_IMAGE) | (is_tiny ? SPAM_FACT(TRACKER) : 0);
	/* People who have pictures off read this instead. */
	if (!is_tiny && !look->is_silent && find_attribute(r, tag, "alt") && r->value.n) {
		cv_buf_c(h->visible, ' ');
		spam_text_put(cv_buf_view(&r->value), false, h->visible, &ignored);
		cv_buf_c(h->visible, ' ');
	}
}

static void
see_input(struct reader *r, const struct cv_html_token *tag)
{
	if (find_attribute(r, tag, "type") &&
		cv_str_ieq_z(cv_str_trim(cv_buf_view(&r->value)), "password")) {
		r->h->facts |= SPAM_FACT(HTML_PASSWORD);
		r->h->passwords++;
		r->form_has_password = true;
	}
	if (find_attribute(r, tag, "formaction"))
		tell_link(r, SPAM_URL_FORM, cv_buf_view(&r->value), CV_STR_EMPTY, 0);
}

static void
see_meta(struct reader *r, const struct cv_html_token *tag)
{
	if (!find_attribute(r, tag, "http-equiv") ||
		!cv_str_ieq_z(cv_str_trim(cv_buf_view(&r->value)), "refresh") ||
		!find_attribute(r, tag, "content"))
		return;
	struct cv_str content = cv_buf_view(&r->value);
	size_t url = cv_str_isearch(content, CV_STR("url"));
	if (url == content.n)
		return;
	size_t equals = cv_str_find(content, '=', url);
	struct cv_str target = cv_str_trim(cv_str_sub(content, equals + 1, content.n));
	if (target.n && (target.p[0] == '"' || target.p[0] == '\''))
		target = cv_str_sub(target, 1, cv_str_find(target, target.p[0], 1));
	r->h->facts |= SPAM_FACT(HTML_REFRESH);
	tell_link(r, SPAM_URL_FRAME, target, CV_STR_EMPTY, 0);
}

static void
see_base(struct reader *r, const struct cv_html_token *tag)
{
	if (r->base.n || !find_attribute(r, tag, "href"))
		return;
	struct cv_str href = cv_str_trim(cv_buf_view(&r->value));
	if (cv_str_search(href, CV_STR("//")) == href.n)
		return;
	r->h->facts |= SPAM_FACT(HTML_BASE);
	cv_buf_str(&r->base, cv_str_sub(href, 0, r->base.max));
	tell_link(r, SPAM_URL_FRAME, href, CV_STR_EMPTY, 0);
}

static void
see_form(struct reader *r, const struct cv_html_token *tag)
{
	end_form(r);
	r->in_form = true;
	r->form_has_password = false;
	r->h->forms++;
	r->h->facts |= SPAM_FACT(HTML_FORM);
	cv_buf_reset(&r->action);
	if (find_attribute(r, tag, "action"))
		cv_buf_str(&r->action, cv_str_sub(cv_buf_view(&r->value), 0, r->action.max));
}

/* A frame or object: what it shows is fetched from elsewhere. */
static void
see_frame(struct reader *r, const struct cv_html_token *tag)
{
	static const char *const sources[] = {"src", "data", "srcdoc", "codebase"};

	for (size_t i = 0; i < CV_COUNT(sources); i++)
		if (find_attribute(r, tag, sources[i])) {
			r->h->facts |= SPAM_FACT(HTML_FRAME);
			if (strcmp(sources[i], "srcdoc"))
				tell_link(
					r, SPAM_URL_FRAME, cv_buf_view(&r->value), CV_STR_EMPTY, 0);
		}
}

static void
begin_link(struct reader *r, const struct cv_html_token *tag, const struct look *look)
{
	end_link(r);
	if (!find_attribute(r, tag, "href"))
		return;
	r->in_link = true;
	r->link_has_picture = false;
	r->link_is_hidden = is_hidden(look);
	cv_buf_reset(&r->shown);
	cv_buf_reset(&r->href);
	cv_buf_str(&r->href, cv_str_sub(cv_buf_view(&r->value), 0, r->href.max));
}

static void
see_element(
	struct reader *r, const struct cv_html_token *tag, size_t index, const struct look *look)
{
	const char *name = index < UNKNOWN ? elements[index].name : "";

	if (!strcmp(name, "a"))
		begin_link(r, tag, look);
	else if (!strcmp(name, "area") && find_attribute(r, tag, "href"))
		tell_link(r, SPAM_URL_LINK, cv_buf_view(&r->value), CV_STR_EMPTY, 0);
	else if (!strcmp(name, "img"))
		see_picture(r, tag, look);
	else if (!strcmp(name, "form"))
		see_form(r, tag);
	else if (!strcmp(name, "input") || !strcmp(name, "button"))
		see_input(r, tag);
	else if (!strcmp(name, "meta"))
		see_meta(r, tag);
	else if (!strcmp(name, "base"))
		see_base(r, tag);
	else if (!strcmp(name, "iframe") || !strcmp(name, "frame") || !strcmp(name, "object") ||
		 !strcmp(name, "embed") || !strcmp(name, "applet"))
		see_frame(r, tag);
	else if (!strcmp(name, "script")) {
		r->h->facts |= SPAM_FACT(HTML_SCRIPT);
		if (find_attribute(r, tag, "src"))
			tell_link(r, SPAM_URL_FRAME, cv_buf_view(&r->value), CV_STR_EMPTY, 0);
	} else if (!strcmp(name, "td") || !strcmp(name, "table") || !strcmp(name, "body")) {
		if (find_attribute(r, tag, "background"))
			tell_link(r, SPAM_URL_IMAGE, cv_buf_view(&r->value), CV_STR_EMPTY, 0);
	}
}

/* ---- tokens ---- */

static void
start_tag(struct reader *r, const struct cv_html_token *tag)
{
	size_t index = element_index(tag->name);
	unsigned kind = kind_of(index), ignored = 0;

	close_for(r, index);
	struct look look = look_of(r, tag, index);
	if (kind & E_BLOCK)
		break_line(r);
	else if (kind & E_SPACE)
		spam_text_put(CV_STR(" "), false, r->h->visible, &ignored);
	see_element(r, tag, index, &look);
	r->in_style = is_named(index, "style");
	if (!(kind & E_VOID)) /* "<x/>" is as open as "<x>" */
		push(r, index, index == UNKNOWN ? cv_hash(tag->name.p, tag->name.n, 0) : 0, &look);
}

static void
end_tag(struct reader *r, const struct cv_html_token *tag)
{
	size_t index = element_index(tag->name);
	unsigned kind = kind_of(index);

	if (is_named(index, "a"))
		end_link(r);
	if (is_named(index, "form"))
		end_form(r);
	pop_to(r, index, index == UNKNOWN ? cv_hash(tag->name.p, tag->name.n, 0) : 0);
	if (kind & E_BLOCK)
		break_line(r);
}

static void
reader_done(struct reader *r)
{
	struct cv_buf *all[] = {&r->value, &r->base, &r->href, &r->shown, &r->whole, &r->action};

	for (size_t i = 0; i < CV_COUNT(all); i++)
		cv_buf_done(all[i]);
	spam_css_sheet_done(&r->sheet);
}

void
spam_html_read(struct cv_str html, struct spam_html *h)
{
	struct reader *r = cv_calloc(1, sizeof *r);
	struct cv_html_token t;

	r->h = h;
	r->value = CV_BUF_INIT(1u << 20);
	r->base = CV_BUF_INIT(SPAM_URL_MAX);
	r->href = CV_BUF_INIT(SPAM_URL_READ_MAX);
	r->action = CV_BUF_INIT(SPAM_URL_READ_MAX);
	r->whole = CV_BUF_INIT(SPAM_URL_READ_MAX * 2 + SPAM_URL_MAX);
	r->shown = CV_BUF_INIT(SPAM_HTML_SHOWN_MAX);
	spam_css_sheet_init(&r->sheet);
	cv_html_scan_init(&r->scan, html);
	while (cv_html_next(&r->scan, &t)) {
		if (t.kind == CV_HTML_TEXT && r->in_style)
			spam_css_sheet_read(&r->sheet, t.text);
		else if (t.kind == CV_HTML_TEXT)
			put_text(r, &t);
		else if (t.kind == CV_HTML_START)
			start_tag(r, &t);
		else if (t.kind == CV_HTML_END)
			end_tag(r, &t);
		if (t.kind != CV_HTML_START)
			r->in_style = false;
		if (++r->tokens % ASK_EVERY == 0 && h->go_on && !h->go_on(h->ctx)) {
			h->stopped = true;
			break;
		}
	}
	end_link(r);
	end_form(r);
	reader_done(r);
	free(r);
}
