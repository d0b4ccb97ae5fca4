/* css.h - as much of CSS as tells whether a reader sees a text.
 *
 * Declarations of style attributes and rules of style elements with simple selectors (element,
 * class, id, element.class); of longer selectors the last part counts. Rules inside @media count
 * only for "all" and "screen" alone: the others are for telephones and printers. Private to the
 * folder; one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CSS_H
#define SPAM_CSS_H

#include "common/base/buf.h"
#include "common/base/map.h"

#define SPAM_CSS_ATTRIBUTE_MAX (8u << 10)  /* octets of a style attribute that are read */
#define SPAM_CSS_SHEET_MAX     (256u << 10) /* octets of all style elements of a text */
#define SPAM_CSS_RULES_MAX     2000

enum spam_css_property {
	SPAM_CSS_DISPLAY    = 1u << 0,
	SPAM_CSS_VISIBILITY = 1u << 1,
	SPAM_CSS_FONT       = 1u << 2,
	SPAM_CSS_COLOR      = 1u << 3,
	SPAM_CSS_BACKGROUND = 1u << 4,
	SPAM_CSS_ZERO       = 1u << 5, /* a width or height */
	SPAM_CSS_OVERFLOW   = 1u << 6,
	SPAM_CSS_OFFSCREEN  = 1u << 7,
	SPAM_CSS_OPACITY    = 1u << 8,
};

/* What declarations said; a property counts when its bit is in SET. */
struct spam_css {
	unsigned set;
	bool is_none;           /* display: none */
	bool is_invisible;      /* visibility: hidden, collapse */
	bool is_zero;           /* no width or no height */
	bool is_clipped;        /* overflow: hidden */
	bool is_offscreen;
	bool is_transparent;    /* opacity near 0, clipped to nothing */
	bool has_picture;       /* a background picture: its colour is not known */
	bool is_relative;       /* FONT_PX is a multiple of the parent's */
	double font_px;
	uint32_t color, background; /* 0xAARRGGBB */
};

/* Reads the text of a style attribute (entities decoded). */
void spam_css_declarations(struct cv_str text, struct spam_css *out);
/* B where it says something, else A. */
void spam_css_merge(struct spam_css *a, const struct spam_css *b);
/* "#fff", "red", "rgb(0, 0, 0)", and "fff" as attributes of HTML allow. False when none. */
bool spam_css_color(struct cv_str text, uint32_t *out);
/* Whether text of COLOR can be told from BACKGROUND. */
bool spam_css_can_be_read(uint32_t color, uint32_t background);

struct spam_css_sheet {
	struct cv_map rules; /* "p", ".c", "p.c", "#i" -> struct spam_css */
	unsigned count;
	size_t bytes;
};

void spam_css_sheet_init(struct spam_css_sheet *s);
void spam_css_sheet_done(struct spam_css_sheet *s);
/* Adds the rules of a style element. */
void spam_css_sheet_read(struct spam_css_sheet *s, struct cv_str text);
/* Merges what rules say about an element into OUT. CLASSES and ID as attributes have them. */
void spam_css_sheet_apply(const struct spam_css_sheet *s, struct cv_str element,
	struct cv_str classes, struct cv_str id, struct spam_css *out);

#endif
