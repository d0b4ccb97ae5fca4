/* csv.c - see csv.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/csv.h"

static char
guess_separator(struct cv_str text)
{
	static const char candidates[] = ",;\t";
	size_t best = 0, counts[3] = {0};

	for (size_t i = 0; i < text.n && text.p[i] != '\n'; i++) {
		const char *at = text.p[i] ? strchr(candidates, text.p[i]) : NULL;
		if (at && *at)
			counts[at - candidates]++;
	}
	for (size_t i = 1; i < CV_COUNT(counts); i++)
		if (counts[i] > counts[best])
			best = i;
	return candidates[best];
}

void
admin_csv_init(struct admin_csv *c, struct cv_str text)
{
	if (cv_str_has_prefix(text, "\xef\xbb\xbf"))
		text = cv_str_sub(text, 3, text.n);
	*c = (struct admin_csv){.text = text, .separator = guess_separator(text)};
}

static bool
at_line_end(const struct admin_csv *c)
{
	return c->pos >= c->text.n || c->text.p[c->pos] == '\n' ||
	       (c->text.p[c->pos] == '\r' &&
		       (c->pos + 1 == c->text.n || c->text.p[c->pos + 1] == '\n'));
}

static enum cv_status
quoted_field(struct admin_csv *c, struct cv_arena *arena, unsigned *newlines, struct cv_str *out,
	struct cv_err *err)
{
	size_t start = ++c->pos, n = 0;
	const char *p = c->text.p;

	for (; c->pos < c->text.n; c->pos++) {
		if (p[c->pos] == '"' && (c->pos + 1 >= c->text.n || p[c->pos + 1] != '"'))
			break;
		c->pos += p[c->pos] == '"';
		n++;
	}
	if (c->pos >= c->text.n)
		return cv_fail(err, CV_INVALID, "line %u: a quote does not end", c->line);
	char *copy = cv_arena_alloc(arena, n + 1);
	for (size_t i = start, k = 0; k < n; i++, k++) {
		i += p[i] == '"';
		copy[k] = p[i];
		*newlines += p[i] == '\n';
	}
	c->pos++;
	*out = cv_str(copy, n);
	if (!at_line_end(c) && p[c->pos] != c->separator)
		return cv_fail(err, CV_INVALID, "line %u: text behind a closing quote", c->line);
	return CV_OK;
}

static struct cv_str
plain_field(struct admin_csv *c, struct cv_arena *arena)
{
	size_t start = c->pos;

	while (!at_line_end(c) && c->text.p[c->pos] != c->separator)
		c->pos++;
	return cv_arena_str(arena, cv_str_sub(c->text, start, c->pos));
}

/* One line, empty or not. */
static enum cv_status
read_row(struct admin_csv *c, struct cv_arena *arena, struct cv_str *fields, size_t *count_out,
	unsigned *newlines, struct cv_err *err)
{
	size_t n = 0;

	for (;;) {
		if (n == ADMIN_CSV_COLUMNS_MAX)
			return cv_fail(err, CV_LIMIT, "line %u: more than %d columns", c->line,
				ADMIN_CSV_COLUMNS_MAX);
		enum cv_status status = CV_OK;
		if (c->pos < c->text.n && c->text.p[c->pos] == '"')
			status = quoted_field(c, arena, newlines, &fields[n], err);
		else
			fields[n] = plain_field(c, arena);
		if (status != CV_OK)
			return status;
		n++;
		if (at_line_end(c))
			break;
		c->pos++; /* the separator */
	}
	if (c->pos < c->text.n && c->text.p[c->pos] == '\r')
		c->pos++;
	if (c->pos < c->text.n)
		c->pos++;
	*count_out = n;
	return CV_OK;
}

enum cv_status
admin_csv_next(struct admin_csv *c, struct cv_arena *arena,
	struct cv_str fields_out[ADMIN_CSV_COLUMNS_MAX], size_t *count_out, struct cv_err *err)
{
	unsigned newlines = 0;

	while (c->pos < c->text.n) {
		c->line += 1 + newlines;
		newlines = 0;
		enum cv_status status = read_row(c, arena, fields_out, count_out, &newlines, err);
		if (status != CV_OK)
			return status;
		bool is_empty = true;
		for (size_t i = 0; i < *count_out; i++)
			is_empty = is_empty && !cv_str_trim(fields_out[i]).n;
		if (is_empty)
			continue;
		c->line += newlines;
		return CV_OK;
	}
	return CV_EOF;
}

void
admin_csv_put(struct cv_buf *out, struct cv_str field, bool is_last)
{
	bool must_quote = false;
	bool is_formula = field.n && field.p[0] && strchr("=+-@\t\r", field.p[0]) != NULL;

	for (size_t i = 0; i < field.n; i++)
		must_quote = must_quote || (field.p[i] && strchr(",;\"\r\n\t", field.p[i]));
	if (must_quote || is_formula)
		cv_buf_c(out, '"');
	if (is_formula)
		cv_buf_c(out, ' ');
	for (size_t i = 0; i < field.n; i++) {
		if (field.p[i] == '"')
			cv_buf_c(out, '"');
		cv_buf_c(out, field.p[i]);
	}
	if (must_quote || is_formula)
		cv_buf_c(out, '"');
	cv_buf_z(out, is_last ? "\r\n" : ",");
}
