/* csv.c - splitting a file into rows and cells. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/csv.h"

#include "common/base/buf.h"
#include "common/text/charset.h"

/* ---- bytes to UTF-8 ---- */

static enum cv_status
decode(struct cv_arena *arena, struct cv_str bytes, const char *charset, struct cv_str *out,
       struct cv_err *err)
{
	if (bytes.n > CSV_BYTES_MAX)
		return cv_fail(err, CV_LIMIT, "the file is larger than %u MB", CSV_BYTES_MAX >> 20);
	if (cv_str_has_prefix(bytes, "\xef\xbb\xbf"))
		bytes = cv_str_sub(bytes, 3, bytes.n);
	bool is_utf16 = bytes.n >= 2 &&
	                (!memcmp(bytes.p, "\xff\xfe", 2) || !memcmp(bytes.p, "\xfe\xff", 2));
	if (!*charset && is_utf16)
		charset = "UTF-16";
	if (!*charset || cv_str_ieq_z(cv_str_z(charset), "utf-8")) {
		if (!cv_utf8_is_valid(bytes))
			return cv_fail(err, CV_INVALID, "the file is not UTF-8: save it as UTF-8, or declare its "
				"charset (TCVN3, VNI, windows-1258)");
		*out = bytes;
		return CV_OK;
	}
	if (!cv_charset_known(cv_str_z(charset)))
		return cv_fail(err, CV_NOT_FOUND, "no charset '%s'", charset);
	struct cv_buf text = CV_BUF_INIT((size_t)CSV_BYTES_MAX * CV_CHARSET_GROWTH);
	enum cv_status status = cv_charset_to_utf8(cv_str_z(charset), bytes, &text);
	if (status)
		status = cv_fail(err, status, "the file cannot be read as %s", charset);
	else
		*out = cv_arena_str(arena, cv_buf_view(&text));
	cv_buf_done(&text);
	if (!status && cv_str_search(*out, CV_STR("\xef\xbf\xbd")) < out->n)
		return cv_fail(err, CV_INVALID, "the file has bytes that %s does not know",
		               charset);
	return status;
}

/* The separator that stands most often outside quotes in the first lines. */
static char
sniff(struct cv_str text)
{
	static const char candidates[] = ",;\t";
	size_t counts[3] = {0}, lines = 0;
	bool quoted = false;
	for (size_t i = 0; i < text.n && lines < 30; i++) {
		const char *at = text.p[i] ? strchr(candidates, text.p[i]) : NULL;
		if (text.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && at)
			counts[at - candidates]++;
		else if (!quoted && text.p[i] == '\n')
			lines++;
	}
	size_t best = counts[1] > counts[0] ? 1 : 0;
	return candidates[counts[2] > counts[best] ? 2 : best];
}

/* ---- rows ---- */

struct reader {
	struct cv_arena *arena;
	struct cv_str text;
	size_t pos;
	char separator;
};

/* One cell; *ended_row tells that a line end or the end of the text followed. */
static enum cv_status
read_cell(struct reader *r, struct cv_buf *hold, struct cv_str *out, bool *ended_row,
          struct cv_err *err)
{
	struct cv_str t = r->text;
	size_t start = r->pos;
	bool is_quoted = start < t.n && t.p[start] == '"';
	cv_buf_reset(hold);
	if (is_quoted) {
		for (r->pos++;; r->pos++) {
			if (r->pos >= t.n)
				return cv_fail(err, CV_INVALID, "a quote is not closed");
			if (t.p[r->pos] == '"' && (r->pos + 1 >= t.n || t.p[r->pos + 1] != '"'))
				break;
			r->pos += t.p[r->pos] == '"';
			cv_buf_c(hold, t.p[r->pos]);
		}
		r->pos++;
	}
	/* What follows a closing quote belongs to the cell: many programs write so. */
	size_t from = r->pos;
	while (r->pos < t.n && t.p[r->pos] != r->separator && t.p[r->pos] != '\n')
		r->pos++;
	size_t to = r->pos;
	*ended_row = r->pos >= t.n || t.p[r->pos] == '\n';
	if (*ended_row && to > from && t.p[to - 1] == '\r')
		to--;
	r->pos += r->pos < t.n;
	if (!is_quoted) {
		*out = cv_str_sub(t, from, to);
	} else {
		cv_buf_str(hold, cv_str_sub(t, from, to));
		*out = cv_arena_str(r->arena, cv_buf_view(hold));
	}
	if (out->n > CSV_CELL_BYTES_MAX || hold->full)
		return cv_fail(err, CV_LIMIT, "a cell is larger than %u bytes", CSV_CELL_BYTES_MAX);
	return CV_OK;
}

static enum cv_status
read_row(struct reader *r, struct cv_buf *hold, struct csv_row *out, struct cv_err *err)
{
	struct cv_str cells[CSV_CELLS_MAX];
	bool ended = false;
	size_t n = 0;
	while (!ended) {
		if (n == CSV_CELLS_MAX)
			return cv_fail(err, CV_LIMIT, "more than %d cells in a row", CSV_CELLS_MAX);
		enum cv_status status = read_cell(r, hold, &cells[n++], &ended, err);
		if (status)
			return status;
	}
	out->n = n;
	out->cells = CV_ARENA_ARRAY(r->arena, struct cv_str, n);
	memcpy(out->cells, cells, n * sizeof *cells);
	return CV_OK;
}

enum cv_status
csv_read(struct cv_arena *arena, struct cv_str bytes, const char *charset, struct csv *out,
         struct cv_err *err)
{
	struct reader r = { .arena = arena };
	*out = (struct csv){0};
	enum cv_status status = decode(arena, bytes, charset, &r.text, err);
	if (status)
		return status;
	r.separator = out->separator = sniff(r.text);
	struct cv_buf hold = CV_BUF_INIT(CSV_CELL_BYTES_MAX + 1);
	struct csv_row *rows = NULL;
	size_t cap = 0;
	while (!status && r.pos < r.text.n) {
		if (out->n == CSV_ROWS_MAX) {
			status = cv_fail(err, CV_LIMIT, "more than %d rows", CSV_ROWS_MAX);
			break;
		}
		if (!rows || out->n == cap) {
			cap = cap ? cap * 2 : 256;
			rows = cv_realloc(rows, cap * sizeof *rows);
		}
		struct cv_err why = {0};
		status = read_row(&r, &hold, &rows[out->n], &why);
		if (status)
			(void)cv_fail(err, status, "row %zu: %s", out->n + 1, why.text);
		else
			out->n++;
	}
	if (!status && rows && out->n) {
		out->rows = CV_ARENA_ARRAY(arena, struct csv_row, out->n);
		memcpy(out->rows, rows, out->n * sizeof *rows);
	}
	free(rows);
	cv_buf_done(&hold);
	return status;
}
