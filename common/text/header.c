/* header.c - walking, finding, unfolding and writing header fields. See header.h.
 *
 * The scanner looks for line feeds and one colon a field, both with memchr; nothing else is touched
 * until somebody asks for the field.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/header.h"

#include "common/text/encoded_word.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The index behind the line that starts at FROM, and whether it ended in CRLF. */
static size_t
line_end(struct cv_str s, size_t from, bool *lone_lf)
{
	const char *lf = memchr(s.p + from, '\n', s.n - from);
	if (!lf)
		return s.n;
	size_t at = (size_t)(lf - s.p);
	if (at == from || s.p[at - 1] != '\r')
		*lone_lf = true;
	return at + 1;
}

/* Where the line [from, end) ends without its line ending. */
static size_t
without_ending(struct cv_str s, size_t from, size_t end)
{
	if (end > from && s.p[end - 1] == '\n')
		end--;
	else
		return end;
	return end > from && s.p[end - 1] == '\r' ? end - 1 : end;
}

void
cv_header_scan_init(struct cv_header_scan *scan, struct cv_str text)
{
	*scan = (struct cv_header_scan){.text = text};
	if (cv_str_has_prefix(text, "From ")) {
		scan->pos = line_end(text, 0, &scan->had_lone_lf);
		scan->had_mbox_line = true;
	}
}

static bool
scan_stop(struct cv_header_scan *scan, enum cv_header_end end, size_t body_at)
{
	scan->end = end;
	scan->body_at = body_at;
	return false;
}

static bool
is_ftext(struct cv_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return name.n > 0;
}

/* The name before COLON. Nearly all are plain; blanks before the colon are obsolete syntax. */
static void
set_name(struct cv_field *f, struct cv_str text, size_t colon)
{
	f->name = cv_str_sub(text, f->start, colon);
	while (f->name.n && is_blank(f->name.p[f->name.n - 1])) {
		f->name.n--;
		f->is_odd = true;
	}
	f->is_odd = f->is_odd || !is_ftext(f->name);
}

bool
cv_header_next(struct cv_header_scan *scan, struct cv_field *out)
{
	struct cv_str s = scan->text;
	if (scan->end)
		return false;
	size_t start = scan->pos;
	if (start == s.n)
		return scan_stop(scan, CV_HEADER_NO_BODY, start);
	if (s.p[start] == '\n' || (s.p[start] == '\r' && start + 1 < s.n && s.p[start + 1] == '\n'))
		return scan_stop(scan, CV_HEADER_BLANK_LINE,
		                 line_end(s, start, &scan->had_lone_lf));

	size_t end = line_end(s, start, &scan->had_lone_lf);
	const char *colon = memchr(s.p + start, ':', end - start);
	if (!colon || is_blank(s.p[start]))
		return scan_stop(scan, CV_HEADER_BAD_LINE, start);
	while (end < s.n && is_blank(s.p[end]) && end <= CV_HEADER_BYTES_MAX)
		end = line_end(s, end, &scan->had_lone_lf);
	if (end > CV_HEADER_BYTES_MAX || scan->fields == CV_HEADER_FIELDS_MAX)
		return scan_stop(scan, CV_HEADER_TOO_LARGE, start);

	size_t colon_at = (size_t)(colon - s.p);
	*out = (struct cv_field){.start = start, .end = end};
	set_name(out, s, colon_at);
	out->value = cv_str_sub(s, colon_at + 1, without_ending(s, colon_at + 1, end));
	scan->pos = end;
	scan->fields++;
	return true;
}

bool
cv_header_find(struct cv_str text, const char *name, size_t nth, struct cv_field *out)
{
	struct cv_header_scan scan;
	struct cv_str want = cv_str_z(name);
	cv_header_scan_init(&scan, text);
	while (cv_header_next(&scan, out))
		if (cv_str_ieq(out->name, want) && nth-- == 0)
			return true;
	return false;
}

size_t
cv_header_count(struct cv_str text, const char *name)
{
	struct cv_header_scan scan;
	struct cv_field field;
	struct cv_str want = cv_str_z(name);
	size_t n = 0;
	cv_header_scan_init(&scan, text);
	while (cv_header_next(&scan, &field))
		n += cv_str_ieq(field.name, want);
	return n;
}

size_t
cv_header_body_at(struct cv_str text)
{
	struct cv_header_scan scan;
	struct cv_field field;
	cv_header_scan_init(&scan, text);
	while (cv_header_next(&scan, &field))
		;
	return scan.body_at;
}

void
cv_header_unfold(struct cv_str value, struct cv_buf *out)
{
	value = cv_str_trim(value);
	for (size_t i = 0; i < value.n; i++) {
		size_t run = i;
		while (i < value.n && value.p[i] != '\n' && value.p[i] != '\r' && value.p[i])
			i++;
		cv_buf_add(out, value.p + run, i - run);
		if (i == value.n)
			return;
		if (value.p[i] == '\r' && i + 1 < value.n && value.p[i + 1] == '\n')
			i++;
		/* A line ending goes when a blank follows; all else becomes a blank. */
		if (value.p[i] != '\n' || !is_blank(value.p[i + 1]))
			cv_buf_c(out, ' ');
	}
}

/* ---- message ids ---- */

/* The index behind the comment or quoted string at AT, or AT when it does not end soon: an opening
 * byte alone is ordinary text, and looking for its partner must not cost the square of the
 * field. */
static size_t
skip_aside(struct cv_str s, size_t at)
{
	bool quoted = s.p[at] == '"';
	size_t end = CV_MIN(s.n, at + CV_MSGID_ASIDE_MAX), depth = 1;
	for (size_t i = at + 1; i < end; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (quoted ? s.p[i] == '"' : s.p[i] == ')')
			depth--;
		else if (!quoted && s.p[i] == '(')
			depth++;
		if (!depth)
			return i + 1;
	}
	return at;
}

/* The index of the ">" of the id that starts behind AT, or AT when there is no id. */
static size_t
id_end(struct cv_str s, size_t at)
{
	size_t i = at + 1;
	while (i < s.n && s.p[i] != '>' && s.p[i] != '<' && (unsigned char)s.p[i] > ' ' &&
	       s.p[i] != 127)
		i++;
	return i < s.n && s.p[i] == '>' && i > at + 1 ? i : at;
}

bool
cv_msgid_next(struct cv_str *rest, struct cv_str *id_out)
{
	struct cv_str s = *rest;
	for (size_t at = 0, next; at < s.n; at = CV_MAX(next, at + 1)) {
		next = at;
		if (s.p[at] == '(' || s.p[at] == '"')
			next = skip_aside(s, at);
		if (s.p[at] != '<')
			continue;
		size_t end = id_end(s, at);
		if (end == at)
			continue;
		*id_out = cv_str_sub(s, at + 1, end);
		*rest = cv_str_sub(s, end + 1, s.n);
		return true;
	}
	*rest = CV_STR_EMPTY;
	return false;
}

/* ---- writing ---- */

/* Writes fields line by line; a line ending goes before a blank. */
struct folder {
	struct cv_buf *out;
	size_t column;
};

static void
put(struct folder *f, struct cv_str s)
{
	cv_buf_str(f->out, s);
	f->column += s.n;
}

static void
start_field(struct folder *f, const char *name)
{
	put(f, cv_str_z(name));
	put(f, CV_STR(":"));
}

/* Appends the words of VALUE, each with the blanks before it, on as few lines as may be. */
static void
put_folded(struct folder *f, struct cv_str value)
{
	bool first = true;
	for (size_t at = 0; at < value.n;) {
		size_t word = at;
		while (word < value.n && is_blank(value.p[word]))
			word++;
		size_t end = word;
		while (end < value.n && !is_blank(value.p[end]))
			end++;
		/* The first word stays with the name: a line of nothing but blanks is forbidden. */
		size_t width = (first ? 1 : 0) + end - at;
		if (!first && f->column + width > CV_FOLD_COLUMNS && word < value.n && word > at) {
			cv_buf_z(f->out, "\r\n");
			f->column = 0;
		}
		if (first)
			put(f, CV_STR(" "));
		put(f, cv_str_sub(value, at, end));
		first = false;
		at = end;
	}
}

/* VALUE with blanks for the bytes that could end a line, at neither end a blank. */
static struct cv_str
tame(struct cv_str value, struct cv_buf *scratch)
{
	cv_buf_str(scratch, value);
	for (size_t i = 0; i < scratch->n; i++)
		if (scratch->p[i] == '\r' || scratch->p[i] == '\n' || !scratch->p[i])
			scratch->p[i] = ' ';
	return cv_str_trim(cv_buf_view(scratch));
}

void
cv_header_fold_tokens(struct cv_buf *out, const char *name, struct cv_str value)
{
	struct cv_buf scratch = CV_BUF_INIT(value.n + 1);
	struct folder f = {.out = out};
	start_field(&f, name);
	put_folded(&f, tame(value, &scratch));
	cv_buf_z(out, "\r\n");
	cv_buf_done(&scratch);
}

void
cv_header_fold(struct cv_buf *out, const char *name, struct cv_str value)
{
	/* An encoded word carries at least 15 octets of at most 3 * value.n, in 75 and a blank. */
	struct cv_buf coded = CV_BUF_INIT(value.n * 20 + CV_FOLD_COLUMNS);
	cv_words_encode(value, &coded);
	cv_header_fold_tokens(out, name, cv_buf_view(&coded));
	cv_buf_done(&coded);
}
