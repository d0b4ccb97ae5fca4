/* css.c - see css.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/css.h"

#include <stdlib.h>

#include "common/text/charset.h"
#include "common/text/encode.h"

#define CLASSES_MAX    12
#define OFFSCREEN_PX   -500
#define SMALLEST_ALPHA 0x14u /* of 255 */

/* ---- octets ---- */

/* TEXT in small letters without comments, escapes undone: "d\69splay" is "display". */
static void
normalise(struct cv_str text, struct cv_buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		struct cv_str rest = cv_str_sub(text, i, text.n);
		if (cv_str_has_prefix(rest, "/*")) {
			i += cv_str_search(cv_str_sub(rest, 2, rest.n), CV_STR("*/")) + 3;
		} else if (cv_str_has_prefix(rest, "<!--") || cv_str_has_prefix(rest, "-->")) {
			i += rest.p[0] == '<' ? 3 : 2;
		} else if (rest.p[0] == '\\' && rest.n > 1) {
			uint32_t cp = 0;
			size_t n = 1;
			for (int d; n < rest.n && n < 7; n++, cp = cp * 16 + (uint32_t)d)
				if ((d = cv_hex_digit((unsigned char)rest.p[n])) < 0)
					break;
			if (n == 1) {
				cv_buf_c(out, (char)cv_lower((unsigned char)rest.p[1]));
				i++;
				continue;
			}
			if (cp < 0x80)
				cv_buf_c(out, (char)cv_lower((unsigned char)cp));
			else
				cv_utf8_put(out, cp);
			i += n - (n < rest.n && rest.p[n] == ' ' ? 0 : 1);
		} else {
			cv_buf_c(out, (char)cv_lower((unsigned char)rest.p[0]));
		}
	}
}

/* Decimal, without the locale; *REST_OUT is what stands behind it. */
static bool
read_number(struct cv_str s, double *out, struct cv_str *rest_out)
{
	double value = 0, scale = 1;
	bool negative = s.n && s.p[0] == '-', any = false, point = false;
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+');

	for (; i < s.n && (cv_is_digit((unsigned char)s.p[i]) || (s.p[i] == '.' && !point)); i++) {
		if (s.p[i] == '.') {
			point = true;
			continue;
		}
		any = true;
		if (point)
			scale /= 10;
		value = point ? value + scale * (s.p[i] - '0') : value * 10 + (s.p[i] - '0');
		if (value > 1e9)
			value = 1e9;
	}
	*out = negative ? -value : value;
	*rest_out = cv_str_sub(s, i, s.n);
	return any;
}

/* A length in pixels; *RELATIVE: a multiple of the parent's. */
static bool
read_length(struct cv_str s, double *px, bool *relative)
{
	static const struct {
		const char *unit;
		double factor;
		bool relative;
	} units[] = {
		{"px",  1,      false},
		{"pt",  1.3333, false},
		{"pc",  16,     false},
		{"cm",  37.8,   false},
		{"mm",  3.78,   false},
		{"in",  96,     false},
		{"rem", 16,     false},
		{"em",  1,      true },
		{"ex",  0.5,    true },
		{"%",   0.01,   true },
		{"vw",  10,     false},
		{"vh",  8,      false},
	};
	struct cv_str unit;

	*relative = false;
	if (!read_number(s, px, &unit))
		return false;
	for (size_t i = 0; i < CV_COUNT(units); i++)
		if (cv_str_has_prefix(unit, units[i].unit)) {
			*px *= units[i].factor;
			*relative = units[i].relative;
			return true;
		}
	return true; /* a bare number: pixels */
}

/* ---- colours ---- */

static const struct {
	const char *name;
	uint32_t rgb;
} colors[] = {
	{"white",       0xFFFFFF},
	{"black",       0x000000},
	{"red",         0xFF0000},
	{"green",       0x008000},
	{"blue",        0x0000FF},
	{"yellow",      0xFFFF00},
	{"gray",        0x808080},
	{"grey",        0x808080},
	{"silver",      0xC0C0C0},
	{"navy",        0x000080},
	{"maroon",      0x800000},
	{"olive",       0x808000},
	{"purple",      0x800080},
	{"teal",        0x008080},
	{"lime",        0x00FF00},
	{"aqua",        0x00FFFF},
	{"cyan",        0x00FFFF},
	{"fuchsia",     0xFF00FF},
	{"magenta",     0xFF00FF},
	{"orange",      0xFFA500},
	{"snow",        0xFFFAFA},
	{"ivory",       0xFFFFF0},
	{"whitesmoke",  0xF5F5F5},
	{"ghostwhite",  0xF8F8FF},
	{"floralwhite", 0xFFFAF0},
	{"azure",       0xF0FFFF},
	{"mintcream",   0xF5FFFA},
	{"lightgray",   0xD3D3D3},
	{"lightgrey",   0xD3D3D3},
	{"darkgray",    0xA9A9A9},
	{"darkgrey",    0xA9A9A9},
	{"gainsboro",   0xDCDCDC},
	{"beige",       0xF5F5DC},
	{"linen",       0xFAF0E6},
	{"seashell",    0xFFF5EE},
	{"honeydew",    0xF0FFF0},
	{"aliceblue",   0xF0F8FF},
	{"lavender",    0xE6E6FA},
	{"pink",        0xFFC0CB},
	{"brown",       0xA52A2A},
	{"gold",        0xFFD700},
	{"darkblue",    0x00008B},
	{"darkred",     0x8B0000},
	{"darkgreen",   0x006400},
};

static bool
read_hex_color(struct cv_str s, uint32_t *out)
{
	uint32_t v[8];

	if (s.n != 3 && s.n != 4 && s.n != 6 && s.n != 8)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int digit = cv_hex_digit((unsigned char)s.p[i]);
		if (digit < 0)
			return false;
		v[i] = (uint32_t)digit;
	}
	if (s.n <= 4) {
		uint32_t alpha = s.n == 4 ? v[3] * 17 : 255;
		*out = alpha << 24 | v[0] * 17 << 16 | v[1] * 17 << 8 | v[2] * 17;
		return true;
	}
	uint32_t alpha = s.n == 8 ? v[6] * 16 + v[7] : 255;
	*out = alpha << 24 | (v[0] * 16 + v[1]) << 16 | (v[2] * 16 + v[3]) << 8 |
	       (v[4] * 16 + v[5]);
	return true;
}

static uint32_t
to_octet(double v)
{
	return v <= 0 ? 0 : v >= 255 ? 255 : (uint32_t)v;
}

/* The arguments of rgb(), rgba(), hsl(): hsl is known only where it is black, white or gray. */
static bool
read_color_call(struct cv_str args, bool is_hsl, uint32_t *out)
{
	double v[4] = {0, 0, 0, 1};
	size_t n = 0;

	while (args.n && n < 4) {
		struct cv_str rest;
		if (strchr(" ,/\t\n)", args.p[0])) {
			args = cv_str_sub(args, 1, args.n);
			continue;
		}
		if (!read_number(args, &v[n], &rest))
			return false;
		if (rest.n && rest.p[0] == '%' && n == 3)
			v[n] /= 100;
		else if (rest.n && rest.p[0] == '%' && (!is_hsl || n == 2))
			v[n] *= 2.55;
		n++;
		args = rest;
		while (args.n && !strchr(" ,/)", args.p[0]))
			args = cv_str_sub(args, 1, args.n);
	}
	if (n < 3)
		return false;
	if (is_hsl)
		v[0] = v[1] = v[2];
	*out = to_octet(v[3] * 255) << 24 | to_octet(v[0]) << 16 | to_octet(v[1]) << 8 |
	       to_octet(v[2]);
	return true;
}

bool
spam_css_color(struct cv_str text, uint32_t *out)
{
	char low[40];
	size_t n = 0;

	text = cv_str_trim(text);
	if (text.n && text.p[0] == '#')
		return read_hex_color(cv_str_sub(text, 1, text.n), out);
	for (; n < text.n && n < sizeof low - 1; n++)
		low[n] = (char)cv_lower((unsigned char)text.p[n]);
	struct cv_str word = cv_str(low, n);
	if (cv_str_eq_z(word, "transparent")) {
		*out = 0;
		return true;
	}
	for (size_t i = 0; i < CV_COUNT(colors); i++)
		if (cv_str_eq_z(word, colors[i].name)) {
			*out = 0xFF000000 | colors[i].rgb;
			return true;
		}
	size_t open = cv_str_find(word, '(', 0);
	if (cv_str_has_prefix(word, "rgb") && open < n)
		return read_color_call(cv_str_sub(word, open + 1, n), false, out);
	if (cv_str_has_prefix(word, "hsl") && open < n)
		return read_color_call(cv_str_sub(word, open + 1, n), true, out);
	return read_hex_color(word, out);
}

bool
spam_css_can_be_read(uint32_t color, uint32_t background)
{
	if (color >> 24 < SMALLEST_ALPHA)
		return false;
	for (int shift = 0; shift < 24; shift += 8) {
		int a = (int)(color >> shift & 255), b = (int)(background >> shift & 255);
		if (abs(a - b) > 14)
			return true;
	}
	return false;
}

/* ---- declarations ---- */

static void
set_font(struct cv_str value, struct spam_css *out)
{
	static const struct {
		const char *word;
		double px;
	} words[] = {
		{"xx-small", 9 },
	{"x-small",  10},
	{"small",    13},
	{"medium",   16},
	{"large",    18},
		{"x-large",  24},
	{"xx-large", 32}
	};
	bool relative;
	double px;

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (cv_str_eq_z(value, words[i].word)) {
			out->set |= SPAM_CSS_FONT;
			out->font_px = words[i].px;
			out->is_relative = false;
		}
	if (!read_length(value, &px, &relative))
		return;
	out->set |= SPAM_CSS_FONT;
	out->font_px = px;
	out->is_relative = relative;
}

static void
set_background(struct cv_str value, struct spam_css *out)
{
	struct cv_str word = CV_STR_EMPTY;
	uint32_t color;

	if (cv_str_search(value, CV_STR("url(")) < value.n ||
		cv_str_search(value, CV_STR("gradient")) < value.n) {
		out->set |= SPAM_CSS_BACKGROUND;
		out->has_picture = true;
		return;
	}
	if (!spam_css_color(value, &color)) {
		while (cv_str_split(&value, ' ', &word))
			if (word.n && spam_css_color(word, &color))
				break;
		if (!word.n || !spam_css_color(word, &color))
			return;
	}
	if (color >> 24 < SMALLEST_ALPHA)
		return; /* what is behind shines through */
	out->set |= SPAM_CSS_BACKGROUND;
	out->has_picture = false;
	out->background = color;
}

static void
set_size(struct cv_str value, struct spam_css *out)
{
	bool relative;
	double px;

	if (!read_length(value, &px, &relative))
		return;
	out->set |= SPAM_CSS_ZERO;
	out->is_zero |= px < 1;
}

static void
set_offset(struct cv_str value, struct spam_css *out)
{
	bool relative;
	double px;

	if (read_length(value, &px, &relative) && (px <= OFFSCREEN_PX || (relative && px <= -5))) {
		out->set |= SPAM_CSS_OFFSCREEN;
		out->is_offscreen = true;
	}
}

static void
set_opacity(struct cv_str value, struct spam_css *out)
{
	struct cv_str rest;
	double v;

	if (!read_number(value, &v, &rest))
		return;
	out->set |= SPAM_CSS_OPACITY;
	out->is_transparent = v * (rest.n && rest.p[0] == '%' ? 0.01 : 1) < 0.06;
}

static void
set_clip(struct cv_str value, struct spam_css *out)
{
	/* rect(0 0 0 0), rect(1px, 1px, 1px, 1px), inset(50%), inset(100%) */
	if (cv_str_search(value, CV_STR("inset(50%")) < value.n ||
		cv_str_search(value, CV_STR("inset(100%")) < value.n ||
		cv_str_search(value, CV_STR("circle(0")) < value.n ||
		cv_str_has_prefix(value, "rect(0") || cv_str_has_prefix(value, "rect(1px")) {
		out->set |= SPAM_CSS_OPACITY;
		out->is_transparent = true;
	}
}

static void
set_transform(struct cv_str value, struct spam_css *out)
{
	if (cv_str_search(value, CV_STR("scale(0)")) < value.n ||
		cv_str_search(value, CV_STR("scale(0,")) < value.n ||
		cv_str_search(value, CV_STR("scale(0.0")) < value.n ||
		cv_str_search(value, CV_STR("translatex(-9")) < value.n ||
		cv_str_search(value, CV_STR("translate(-9")) < value.n) {
		out->set |= SPAM_CSS_OFFSCREEN;
		out->is_offscreen = true;
	}
}

static void
set_display(struct cv_str value, struct spam_css *out)
{
	out->set |= SPAM_CSS_DISPLAY;
	out->is_none = cv_str_eq_z(value, "none");
}

static void
set_visibility(struct cv_str value, struct spam_css *out)
{
	out->set |= SPAM_CSS_VISIBILITY;
	out->is_invisible = cv_str_eq_z(value, "hidden") || cv_str_eq_z(value, "collapse");
}

static void
set_color(struct cv_str value, struct spam_css *out)
{
	uint32_t color;

	if (!spam_css_color(value, &color))
		return;
	out->set |= SPAM_CSS_COLOR;
	out->color = color;
}

static void
set_overflow(struct cv_str value, struct spam_css *out)
{
	out->set |= SPAM_CSS_OVERFLOW;
	out->is_clipped = cv_str_eq_z(value, "hidden") || cv_str_eq_z(value, "clip");
}

/* "font: 0/0 a", "font: bold 1px serif": the first length is the size. */
static void
set_font_whole(struct cv_str value, struct spam_css *out)
{
	struct cv_str word;

	while (cv_str_split(&value, ' ', &word))
		if (word.n && (cv_is_digit((unsigned char)word.p[0]) || word.p[0] == '.')) {
			word.n = cv_str_find(word, '/', 0);
			/* 400 and the like are weights. */
			if (word.n != 3 || !cv_str_has_suffix(word, "00")) {
				set_font(word, out);
				return;
			}
		}
}

static const struct {
	const char *name;
	void (*set)(struct cv_str value, struct spam_css *out);
} properties[] = {
	{"display",          set_display   },
	{"visibility",       set_visibility},
	{"font-size",        set_font      },
	{"font",             set_font_whole},
	{"color",            set_color     },
	{"background",       set_background},
	{"background-color", set_background},
	{"background-image", set_background},
	{"height",           set_size      },
	{"max-height",       set_size      },
	{"width",            set_size      },
	{"max-width",        set_size      },
	{"overflow",         set_overflow  },
	{"overflow-y",       set_overflow  },
	{"left",             set_offset    },
	{"right",            set_offset    },
	{"top",              set_offset    },
	{"margin-left",      set_offset    },
	{"margin-top",       set_offset    },
	{"text-indent",      set_offset    },
	{"opacity",          set_opacity   },
	{"clip",             set_clip      },
	{"clip-path",        set_clip      },
	{"transform",        set_transform },
};

/* Where the value that starts at AT ends: at a ";" that is in no quotes and no brackets. */
static size_t
value_end(struct cv_str s, size_t at)
{
	unsigned depth = 0;
	char quote = 0;

	for (; at < s.n; at++) {
		char c = s.p[at];
		if (quote)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth -= depth > 0;
		else if (c == ';' && !depth)
			break;
	}
	return at;
}

/* S is normalised. */
static void
read_declarations(struct cv_str s, struct spam_css *out)
{
	for (size_t at = 0; at < s.n;) {
		size_t end = value_end(s, at);
		struct cv_str one = cv_str_sub(s, at, end);
		size_t colon = cv_str_find(one, ':', 0);
		struct cv_str name = cv_str_trim(cv_str_sub(one, 0, colon));
		struct cv_str value = cv_str_trim(cv_str_sub(one, colon + 1, one.n));
		value = cv_str_trim(cv_str_sub(value, 0, cv_str_find(value, '!', 0)));
		for (size_t i = 0; i < CV_COUNT(properties); i++)
			if (cv_str_eq_z(name, properties[i].name))
				properties[i].set(value, out);
		at = end + 1;
	}
}

void
spam_css_declarations(struct cv_str text, struct spam_css *out)
{
	struct cv_buf plain = CV_BUF_INIT(SPAM_CSS_ATTRIBUTE_MAX * 2);

	*out = (struct spam_css){0};
	normalise(cv_str_sub(text, 0, SPAM_CSS_ATTRIBUTE_MAX), &plain);
	read_declarations(cv_buf_view(&plain), out);
	cv_buf_done(&plain);
}

void
spam_css_merge(struct spam_css *a, const struct spam_css *b)
{
	a->set |= b->set;
	if (b->set & SPAM_CSS_DISPLAY)
		a->is_none = b->is_none;
	if (b->set & SPAM_CSS_VISIBILITY)
		a->is_invisible = b->is_invisible;
	if (b->set & SPAM_CSS_FONT) {
		a->font_px = b->font_px;
		a->is_relative = b->is_relative;
	}
	if (b->set & SPAM_CSS_COLOR)
		a->color = b->color;
	if (b->set & SPAM_CSS_BACKGROUND) {
		a->background = b->background;
		a->has_picture = b->has_picture;
	}
	if (b->set & SPAM_CSS_ZERO)
		a->is_zero = b->is_zero;
	if (b->set & SPAM_CSS_OVERFLOW)
		a->is_clipped = b->is_clipped;
	if (b->set & SPAM_CSS_OFFSCREEN)
		a->is_offscreen = b->is_offscreen;
	if (b->set & SPAM_CSS_OPACITY)
		a->is_transparent = b->is_transparent;
}

/* ---- sheets ---- */

void
spam_css_sheet_init(struct spam_css_sheet *s)
{
	*s = (struct spam_css_sheet){0};
	cv_map_init(&s->rules);
}

void
spam_css_sheet_done(struct spam_css_sheet *s)
{
	struct cv_str key;
	size_t pos = 0;
	void *value;

	while (cv_map_each(&s->rules, &pos, &key, &value))
		free(value);
	cv_map_done(&s->rules);
}

/* The last part of a selector without ":first-child" and "[x=y]"; empty when it is of no use. A
 * rule for a:hover is none for what is seen. */
static struct cv_str
last_part(struct cv_str selector)
{
	selector = cv_str_trim(selector);
	size_t from = selector.n;
	while (from && !strchr(" >+~\t\r\n", selector.p[from - 1]))
		from--;
	struct cv_str part = cv_str_sub(selector, from, selector.n);
	for (size_t i = 0; i < part.n; i++)
		if (part.p[i] == ':' || part.p[i] == '[')
			return CV_STR_EMPTY;
	/* ".a.b": an element with both; the last one stands for it. */
	size_t dot = part.n;
	while (dot && part.p[dot - 1] != '.' && part.p[dot - 1] != '#')
		dot--;
	struct cv_str head = cv_str_sub(part, 0, dot ? dot - 1 : 0);
	if (memchr(head.p ? head.p : "", '.', head.n) || memchr(head.p ? head.p : "", '#', head.n))
		return cv_str_sub(part, dot - 1, part.n);
	return part;
}

static void
add_rule(struct spam_css_sheet *s, struct cv_str selectors, const struct spam_css *css)
{
	struct cv_str selector;

	while (cv_str_split(&selectors, ',', &selector)) {
		struct cv_str key = last_part(selector);
		if (!key.n || key.n > 100 || s->count >= SPAM_CSS_RULES_MAX)
			continue;
		struct spam_css *rule = cv_map_get(&s->rules, key);
		if (!rule) {
			rule = cv_calloc(1, sizeof *rule);
			(void)cv_map_put(&s->rules, key, rule);
			s->count++;
		}
		spam_css_merge(rule, css);
	}
}

/* "@media all" and "@media screen" hold here, "@media print" and any with a width do not. */
static bool
holds(struct cv_str prelude)
{
	struct cv_str what = cv_str_trim(cv_str_sub(prelude, 6, prelude.n));

	return cv_str_has_prefix(prelude, "@media") &&
	       (cv_str_eq_z(what, "all") || cv_str_eq_z(what, "screen") ||
		       cv_str_eq_z(what, "only screen"));
}

static size_t
block_end(struct cv_str s, size_t at)
{
	unsigned depth = 1;

	for (; at < s.n && depth; at++)
		depth = s.p[at] == '{' ? depth + 1 : s.p[at] == '}' ? depth - 1 : depth;
	return at;
}

static void
read_sheet(struct spam_css_sheet *s, struct cv_str text)
{
	for (size_t at = 0; at < text.n;) {
		size_t open = at;
		while (open < text.n && !strchr("{};", text.p[open]))
			open++;
		struct cv_str prelude = cv_str_trim(cv_str_sub(text, at, open));
		if (open == text.n)
			return;
		if (text.p[open] != '{') { /* @import, or the end of an @media that holds */
			at = open + 1;
			continue;
		}
		if (prelude.n && prelude.p[0] == '@') {
			at = holds(prelude) ? open + 1 : block_end(text, open + 1);
			continue;
		}
		size_t end = cv_str_find(text, '}', open);
		struct spam_css css = {0};
		read_declarations(cv_str_sub(text, open + 1, end), &css);
		if (css.set)
			add_rule(s, prelude, &css);
		at = end + 1;
	}
}

void
spam_css_sheet_read(struct spam_css_sheet *s, struct cv_str text)
{
	struct cv_buf plain = CV_BUF_INIT(SPAM_CSS_SHEET_MAX * 2);

	text = cv_str_sub(text, 0, SPAM_CSS_SHEET_MAX - s->bytes);
	s->bytes += text.n;
	normalise(text, &plain);
	read_sheet(s, cv_buf_view(&plain));
	cv_buf_done(&plain);
}

static void
apply_key(const struct spam_css_sheet *s, struct cv_str element, char mark, struct cv_str name,
	struct spam_css *out)
{
	char key[160];
	size_t n = element.n;

	if (element.n + name.n + 1 > sizeof key)
		return;
	memcpy(key, element.p ? element.p : "", element.n);
	if (mark)
		key[n++] = mark;
	for (size_t i = 0; i < name.n; i++)
		key[n++] = (char)cv_lower((unsigned char)name.p[i]);
	const struct spam_css *rule = cv_map_get(&s->rules, cv_str(key, n));
	if (rule)
		spam_css_merge(out, rule);
}

void
spam_css_sheet_apply(const struct spam_css_sheet *s, struct cv_str element, struct cv_str classes,
	struct cv_str id, struct spam_css *out)
{
	struct cv_str word;
	unsigned n = 0;

	if (!s->count)
		return;
	apply_key(s, CV_STR("*"), '\0', CV_STR_EMPTY, out);
	apply_key(s, element, '\0', CV_STR_EMPTY, out);
	while (classes.n && n < CLASSES_MAX && cv_str_split(&classes, ' ', &word)) {
		word = cv_str_trim(word);
		if (!word.n)
			continue;
		n++;
		apply_key(s, CV_STR_EMPTY, '.', word, out);
		apply_key(s, element, '.', word, out);
	}
	if (id.n) {
		apply_key(s, CV_STR_EMPTY, '#', id, out);
		apply_key(s, element, '#', id, out);
	}
}
