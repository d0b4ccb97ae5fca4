/* addr_list.c - address fields of header blocks, forgivingly, for ENVELOPE. See address.h.
 *
 * One pass over the tokens of the field. While an address is being read its texts gather in four
 * scratch buffers; at its end they are copied to the arena. `name` gathers everything outside angle
 * brackets, because only a later "<" tells that what looked like an address was a name.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"

enum token { T_END, T_WORD, T_LITERAL, T_SPECIAL };

/* What the next token belongs to. */
enum place { IN_LOCAL, IN_HOST, IN_ROUTE, BEHIND };

struct lister {
	struct cv_arena *arena;
	struct cv_addr_list *list;
	size_t cap;
	const char *p, *end;
	bool gap;            /* blanks or a comment before the current token */
	char special;        /* of T_SPECIAL */
	struct cv_buf word;  /* of T_WORD and T_LITERAL */
	struct cv_buf name, local, host, adl, comment;
	enum place place;
	bool in_angle, had_angle, had_at, has_local, in_group;
	bool after_word, name_after_word; /* two words with no dot between take a blank */
};

static bool
is_control(unsigned char c)
{
	return c < ' ' || c == 127;
}

/* Passes a comment, whose text becomes l->comment. */
static void
skip_comment(struct lister *l)
{
	size_t depth = 0;
	cv_buf_reset(&l->comment);
	for (; l->p < l->end; l->p++) {
		char c = *l->p;
		if (c == '(' && depth++ == 0)
			continue;
		if (c == ')' && --depth == 0) {
			l->p++;
			return;
		}
		if (depth > CV_COMMENT_NEST_MAX)
			l->list->is_broken = true;
		if (c == '\\' && l->end - l->p > 1)
			c = *++l->p;
		if (!is_control((unsigned char)c))
			cv_buf_c(&l->comment, c);
	}
	l->list->is_broken = true;
}

static void
skip_space(struct lister *l)
{
	l->gap = false;
	while (l->p < l->end) {
		if (*l->p == '(')
			skip_comment(l);
		else if (*l->p == ' ' || is_control((unsigned char)*l->p))
			l->p++;
		else
			return;
		l->gap = true;
	}
}

/* A quoted string, or a domain literal with its brackets, into l->word. */
static void
take_enclosed(struct lister *l, char close)
{
	bool quoted = close == '"';
	if (!quoted)
		cv_buf_c(&l->word, *l->p);
	for (l->p++; l->p < l->end; l->p++) {
		char c = *l->p;
		if (c == close) {
			if (!quoted)
				cv_buf_c(&l->word, c);
			l->p++;
			return;
		}
		if (c == '\\' && l->end - l->p > 1)
			c = *++l->p;
		if (!is_control((unsigned char)c) || (c == '\t' && quoted))
			cv_buf_c(&l->word, c == '\t' ? ' ' : c);
	}
	l->list->is_broken = true;
}

static bool
is_word_byte(unsigned char c)
{
	return c > ' ' && c != 127 && !strchr("()<>@,;:\\\".[]", c);
}

static enum token
next_token(struct lister *l)
{
	skip_space(l);
	cv_buf_reset(&l->word);
	if (l->p == l->end)
		return T_END;
	if (*l->p == '"') {
		take_enclosed(l, '"');
		return T_WORD;
	}
	if (*l->p == '[') {
		take_enclosed(l, ']');
		return T_LITERAL;
	}
	const char *start = l->p;
	while (l->p < l->end && is_word_byte((unsigned char)*l->p))
		l->p++;
	if (l->p > start) {
		cv_buf_add(&l->word, start, (size_t)(l->p - start));
		return T_WORD;
	}
	l->special = *l->p++;
	return T_SPECIAL;
}

static struct cv_str
keep(struct lister *l, const struct cv_buf *b)
{
	return cv_arena_str(l->arena, cv_buf_view(b));
}

static void
start_address(struct lister *l)
{
	cv_buf_reset(&l->name);
	cv_buf_reset(&l->local);
	cv_buf_reset(&l->host);
	cv_buf_reset(&l->adl);
	cv_buf_reset(&l->comment);
	l->place = IN_LOCAL;
	l->in_angle = l->had_angle = l->had_at = l->has_local = false;
	l->after_word = l->name_after_word = false;
}

/* NULL, and the end of the work, when there are too many. */
static struct cv_addr *
add_item(struct lister *l, enum cv_addr_kind kind)
{
	struct cv_addr_list *list = l->list;
	if (list->n == CV_ADDR_COUNT_MAX) {
		list->is_truncated = true;
		l->p = l->end;
		return NULL;
	}
	if (list->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 4;
		struct cv_addr *items = CV_ARENA_ARRAY(l->arena, struct cv_addr, cap);
		if (list->n)
			memcpy(items, list->items, list->n * sizeof(*items));
		list->items = items;
		l->cap = cap;
	}
	struct cv_addr *item = &list->items[list->n++];
	*item = (struct cv_addr){.kind = kind};
	return item;
}

/* The address read so far, if there is any, becomes an item. */
static void
finish_address(struct lister *l)
{
	struct cv_addr *item = NULL;
	if (l->had_angle || l->had_at || l->has_local)
		item = add_item(l, CV_ADDR_MAILBOX);
	if (item) {
		if (l->had_angle && l->name.n)
			item->name = keep(l, &l->name);
		else if (l->comment.n)
			item->name = keep(l, &l->comment);
		if (l->adl.n)
			item->adl = keep(l, &l->adl);
		item->mailbox = keep(l, &l->local);
		item->host = keep(l, &l->host);
		if (l->in_angle || !l->has_local || !l->host.n)
			l->list->is_broken = true;
	}
	start_address(l);
}

static void
begin_group(struct lister *l)
{
	struct cv_addr *item = add_item(l, CV_ADDR_GROUP_START);
	if (item)
		item->mailbox = keep(l, &l->name);
	l->in_group = true;
	start_address(l);
}

static void
end_group(struct lister *l)
{
	finish_address(l);
	if (l->in_group)
		(void)add_item(l, CV_ADDR_GROUP_END);
	else
		l->list->is_broken = true;
	l->in_group = false;
}

/* Everything before "<" may turn out to be a name; blanks in it count as one. */
static void
add_to_name(struct lister *l, struct cv_str text, bool is_word)
{
	if (l->had_angle)
		return;
	if (l->name.n && (l->gap || (is_word && l->name_after_word)))
		cv_buf_c(&l->name, ' ');
	cv_buf_str(&l->name, text);
	l->name_after_word = is_word;
}

/* Where the text of an address goes now, or NULL behind it. */
static struct cv_buf *
current(struct lister *l)
{
	switch (l->place) {
	case IN_LOCAL:
		return &l->local;
	case IN_HOST:
		return &l->host;
	case IN_ROUTE:
		return &l->adl;
	case BEHIND:
		break;
	}
	return NULL;
}

static void
handle_word(struct lister *l)
{
	struct cv_str word = cv_buf_view(&l->word);
	add_to_name(l, word, true);
	if (l->place == IN_HOST && l->after_word)
		l->place = BEHIND;
	if (l->place == IN_LOCAL && l->after_word)
		cv_buf_c(&l->local, ' ');
	l->has_local = l->has_local || l->place == IN_LOCAL; /* even if it is "" */
	if (current(l))
		cv_buf_str(current(l), word);
	else
		l->list->is_broken = true;
	l->after_word = true;
}

static void
handle_at(struct lister *l)
{
	if (l->place == IN_ROUTE || (l->place == IN_LOCAL && l->in_angle && !l->local.n)) {
		l->place = IN_ROUTE;
		cv_buf_c(&l->adl, '@');
	} else if (l->place == IN_LOCAL) {
		l->place = IN_HOST;
		l->had_at = true;
	} else {
		l->place = BEHIND;
		l->list->is_broken = true;
	}
}

static void
handle_open(struct lister *l)
{
	if (l->had_angle) {
		l->list->is_broken = true;
		return;
	}
	cv_buf_reset(&l->local);
	cv_buf_reset(&l->host);
	l->place = IN_LOCAL;
	l->in_angle = l->had_angle = true;
	l->had_at = l->has_local = false;
}

static void
handle_close(struct lister *l)
{
	if (!l->in_angle || l->place == IN_ROUTE)
		l->list->is_broken = true;
	l->in_angle = false;
	l->place = BEHIND;
}

static void
handle_colon(struct lister *l)
{
	if (l->place == IN_ROUTE) {
		l->place = IN_LOCAL;
		l->after_word = false;
	} else if (!l->had_angle && !l->had_at && !l->in_group) {
		begin_group(l);
	} else {
		l->list->is_broken = true;
	}
}

static void
handle_special(struct lister *l)
{
	char c = l->special;
	if (c == '.' || c == '@') {
		l->after_word = false;
		add_to_name(l, cv_str(&l->special, 1), false);
	}
	switch (c) {
	case '.':
		if (current(l))
			cv_buf_c(current(l), '.');
		return;
	case '@':
		handle_at(l);
		return;
	case '<':
		handle_open(l);
		l->after_word = false;
		return;
	case '>':
		handle_close(l);
		return;
	case ':':
		handle_colon(l);
		return;
	case ',':
		if (l->place == IN_ROUTE)
			cv_buf_c(&l->adl, ',');
		else
			finish_address(l);
		return;
	case ';':
		end_group(l);
		return;
	default:
		l->list->is_broken = true;
	}
}

void
cv_addr_list_parse(struct cv_arena *arena, struct cv_str value, struct cv_addr_list *out)
{
	*out = (struct cv_addr_list){.is_truncated = value.n > CV_ADDR_FIELD_MAX};
	value.n = CV_MIN(value.n, CV_ADDR_FIELD_MAX);
	struct lister l = {.arena = arena, .list = out, .p = value.p, .end = value.p};
	if (value.n)
		l.end += value.n;
	struct cv_buf *scratch[] = {&l.word, &l.name, &l.local, &l.host, &l.adl, &l.comment};
	for (size_t i = 0; i < CV_COUNT(scratch); i++)
		cv_buf_init(scratch[i], value.n * 2 + 1);

	for (enum token token; (token = next_token(&l)) != T_END;) {
		if (token == T_SPECIAL)
			handle_special(&l);
		else
			handle_word(&l);
	}
	finish_address(&l);
	if (l.in_group) {
		out->is_broken = true;
		(void)add_item(&l, CV_ADDR_GROUP_END);
	}
	for (size_t i = 0; i < CV_COUNT(scratch); i++)
		cv_buf_done(scratch[i]);
}
