/* args_fetch.c - the items of FETCH: macros, BODY[section]<partial>, BINARY, RFC822 and its kin. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/envelope.h"
#include "imapd/args.h"

/* Room for one more of N things of SIZE bytes: the array doubles at each power of two. */
static void *
room_for_one(struct cv_arena *arena, void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array;
	void *grown = cv_arena_array(arena, n ? 2 * n : 1, size);
	if (n)
		memcpy(grown, array, n * size);
	return grown;
}

enum section_kind { BODY, BODY_PEEK, BINARY, BINARY_PEEK, BINARY_SIZE };

static struct imapd_section *
add_section(struct imapd_parse *p, struct imapd_fetch_args *f)
{
	if (f->section_count == IMAPD_SECTIONS_MAX) {
		imapd_fault(p, "too many sections");
		return NULL;
	}
	f->sections = room_for_one(p->arena, f->sections, f->section_count, sizeof(*f->sections));
	return &f->sections[f->section_count++];
}

/* The names of HEADER.FIELDS, and the label that gives them back. */
static bool
parse_fields(struct imapd_parse *p, struct imapd_section *s, struct cv_buf *label)
{
	if (!imapd_parse_sp(p) || !imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	cv_buf_add(label, " (", 2);
	do {
		struct cv_str name;
		if (s->name_count == IMAPD_FIELDS_MAX)
			return imapd_fault(p, "too many field names");
		if (!imapd_parse_astring(p, &name))
			return false;
		if (s->name_count)
			cv_buf_c(label, ' ');
		bool is_atom = name.n > 0;
		for (size_t i = 0; i < name.n; i++)
			is_atom &= imapd_is_atom_char((unsigned char)name.p[i]);
		if (is_atom)
			cv_buf_str(label, name);
		else
			cv_imap_string(label, name);
		s->names = room_for_one(p->arena, s->names, s->name_count, sizeof(*s->names));
		s->names[s->name_count++] = name;
	} while (imapd_take(p, ' '));
	cv_buf_c(label, ')');
	return imapd_need(p, ')', "a parenthesis is missing");
}

/* "1.2", then optionally HEADER, HEADER.FIELDS, TEXT or MIME. */
static bool
parse_path(struct imapd_parse *p, struct imapd_section *s, struct cv_buf *label)
{
	size_t from = p->pos;
	uint64_t number;
	bool has_numbers = false, has_word = true;

	while (cv_is_digit(imapd_peek(p))) {
		if (!imapd_parse_number(p, UINT32_MAX, &number))
			return false;
		if (number == 0)
			return imapd_fault(p, "parts are numbered from 1");
		has_numbers = true;
		has_word = false;
		if (!imapd_take(p, '.'))
			break;
		has_word = true;
	}
	size_t numbers_end = p->pos;
	if (!has_word || imapd_peek(p) == ']' || s->is_binary) {
		if (has_numbers && has_word)
			return imapd_fault(p, "a part number is missing");
		s->path = cv_str(p->text.p + from, p->pos - from);
		cv_buf_str(label, s->path);
		return true;
	}
	const char *word = NULL;
	if (imapd_take_word(p, "HEADER.FIELDS.NOT"))
		word = "HEADER.FIELDS.NOT", s->is_fields = s->is_except = true;
	else if (imapd_take_word(p, "HEADER.FIELDS"))
		word = "HEADER.FIELDS", s->is_fields = true;
	else if (imapd_take_word(p, "HEADER"))
		word = "HEADER";
	else if (imapd_take_word(p, "TEXT"))
		word = "TEXT";
	else if (has_numbers && imapd_take_word(p, "MIME"))
		word = "MIME";
	else
		return imapd_fault(p, "an unknown section");

	s->path = cv_str(p->text.p + from, numbers_end - from + (s->is_fields ? 6 : strlen(word)));
	cv_buf_add(label, p->text.p + from, numbers_end - from);
	cv_buf_z(label, word);
	return !s->is_fields || parse_fields(p, s, label);
}

static bool
parse_partial(struct imapd_parse *p, struct imapd_section *s, struct cv_buf *label)
{
	if (!imapd_take(p, '<'))
		return true;
	if (!imapd_parse_number(p, UINT32_MAX, &s->first) ||
		!imapd_need(p, '.', "a partial has no length") ||
		!imapd_parse_number(p, UINT32_MAX, &s->length) ||
		!imapd_need(p, '>', "a partial does not end"))
		return false;
	if (s->length == 0)
		return imapd_fault(p, "a partial of nothing");
	s->is_partial = true;
	cv_buf_c(label, '<');
	cv_buf_u64(label, s->first);
	cv_buf_c(label, '>');
	return true;
}

/* Behind "BODY[", "BINARY.SIZE[" and the like. */
static bool
parse_section(struct imapd_parse *p, struct imapd_fetch_args *f, enum section_kind kind)
{
	struct imapd_section *s = add_section(p, f);
	if (!s)
		return false;
	struct cv_buf label = CV_BUF_INIT(1u << 20);
	s->is_size = kind == BINARY_SIZE;
	s->is_binary = s->is_size || kind == BINARY || kind == BINARY_PEEK;
	s->is_peek = s->is_size || kind == BINARY_PEEK || kind == BODY_PEEK;
	cv_buf_z(&label, s->is_size ? "BINARY.SIZE[" : s->is_binary ? "BINARY[" : "BODY[");
	bool ok = parse_path(p, s, &label) && imapd_need(p, ']', "a section does not end");
	if (ok) {
		cv_buf_c(&label, ']');
		ok = s->is_size || parse_partial(p, s, &label);
	}
	if (ok)
		s->label = cv_arena_str(p->arena, cv_buf_view(&label));
	cv_buf_done(&label);
	return ok;
}

static bool
add_old_section(struct imapd_parse *p, struct imapd_fetch_args *f, const char *label,
	const char *path, bool is_peek)
{
	struct imapd_section *s = add_section(p, f);
	if (!s)
		return false;
	s->label = cv_str_z(label);
	s->path = cv_str_z(path);
	s->is_peek = is_peek;
	return true;
}

static bool
parse_item(struct imapd_parse *p, struct imapd_fetch_args *f)
{
	static const struct {
		const char *word;
		unsigned item;
	} rows[] = {
		{"FLAGS",         IMAPD_ITEM_FLAGS        },
		{"UID",           IMAPD_ITEM_UID          },
		{"ENVELOPE",      IMAPD_ITEM_ENVELOPE     },
		{"BODYSTRUCTURE", IMAPD_ITEM_BODYSTRUCTURE},
		{"INTERNALDATE",  IMAPD_ITEM_INTERNALDATE },
		{"RFC822.SIZE",   IMAPD_ITEM_SIZE         },
		{"MODSEQ",        IMAPD_ITEM_MODSEQ       },
		{"EMAILID",       IMAPD_ITEM_EMAILID      },
		{"THREADID",      IMAPD_ITEM_THREADID     },
		{"SAVEDATE",      IMAPD_ITEM_SAVEDATE     },
	};

	static const struct {
		const char *prefix;
		enum section_kind kind;
	} sections[] = {
		{"BODY[",        BODY       },
		{"BODY.PEEK[",   BODY_PEEK  },
		{"BINARY[",      BINARY     },
		{"BINARY.PEEK[", BINARY_PEEK},
		{"BINARY.SIZE[", BINARY_SIZE},
	};

	for (size_t i = 0; i < CV_COUNT(sections); i++)
		if (imapd_take_prefix(p, sections[i].prefix))
			return parse_section(p, f, sections[i].kind);
	if (imapd_take_word(p, "BODY")) {
		f->items |= IMAPD_ITEM_BODY;
		return true;
	}
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (imapd_take_word(p, rows[i].word)) {
			f->items |= rows[i].item;
			return true;
		}
	}
	if (imapd_take_word(p, "PREVIEW")) {
		/* It is always at hand, so LAZY (RFC 8970 3.1) changes nothing. */
		imapd_take_prefix(p, " (LAZY)");
		f->items |= IMAPD_ITEM_PREVIEW;
		return true;
	}
	if (p->rev2) /* RFC 9051 has no RFC822 and its kin */
		return imapd_fault(p, "an unknown item of FETCH");
	if (imapd_take_word(p, "RFC822.HEADER"))
		return add_old_section(p, f, "RFC822.HEADER", "HEADER", true);
	if (imapd_take_word(p, "RFC822.TEXT"))
		return add_old_section(p, f, "RFC822.TEXT", "TEXT", false);
	if (imapd_take_word(p, "RFC822"))
		return add_old_section(p, f, "RFC822", "", false);
	return imapd_fault(p, "an unknown item of FETCH");
}

static bool
parse_macro(struct imapd_parse *p, struct imapd_fetch_args *f)
{
	unsigned fast = IMAPD_ITEM_FLAGS | IMAPD_ITEM_INTERNALDATE | IMAPD_ITEM_SIZE;

	if (imapd_take_word(p, "ALL"))
		f->items = fast | IMAPD_ITEM_ENVELOPE;
	else if (imapd_take_word(p, "FULL"))
		f->items = fast | IMAPD_ITEM_ENVELOPE | IMAPD_ITEM_BODY;
	else if (imapd_take_word(p, "FAST"))
		f->items = fast;
	return f->items != 0;
}

/* "(CHANGEDSINCE n VANISHED PARTIAL 1:10)" */
static bool
parse_modifiers(struct imapd_parse *p, struct imapd_fetch_args *f)
{
	if (!imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	do {
		if (imapd_take_word(p, "VANISHED")) {
			f->vanished = true;
			continue;
		}
		if (imapd_take_prefix(p, "PARTIAL ")) {
			if (!imapd_parse_partial(p, &f->partial))
				return false;
			continue;
		}
		if (!imapd_take_prefix(p, "CHANGEDSINCE "))
			return imapd_fault(p, "an unknown option of FETCH");
		if (!imapd_parse_number(p, INT64_MAX, &f->changed_since))
			return false;
		f->has_changed_since = true;
		f->items |= IMAPD_ITEM_MODSEQ;
	} while (imapd_take(p, ' '));
	if (f->vanished && !f->has_changed_since)
		return imapd_fault(p, "VANISHED needs CHANGEDSINCE");
	return imapd_need(p, ')', "a parenthesis is missing");
}

bool
imapd_parse_fetch_items(struct imapd_parse *p, struct imapd_fetch_args *f)
{
	if (!imapd_need(p, '(', "items in parentheses were expected"))
		return false;
	do {
		if (!parse_item(p, f))
			return false;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

bool
imapd_parse_fetch(struct imapd_parse *p, struct imapd_args *args)
{
	struct imapd_fetch_args *f = args->fetch = CV_ARENA_NEW(p->arena, struct imapd_fetch_args);

	if (imapd_peek(p) == '(') {
		if (!imapd_parse_fetch_items(p, f))
			return false;
	} else if (!parse_macro(p, f) && !parse_item(p, f)) {
		return false;
	}
	return !imapd_take(p, ' ') || parse_modifiers(p, f);
}
