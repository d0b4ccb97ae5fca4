/* import_read.c - which column of a staff list is what.
 *
 * The header may stand anywhere in the first rows and be two rows high with merged cells
 * ("Điện thoại" above "Cơ quan" and "Di động"). Rows with one text alone group those below them.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/buf.h"
#include "common/register/import.h"
#include "common/text/fold.h"

#define HEADER_ROWS_MAX 20
#define WORDS_BYTES_MAX 400

static const struct {
	const char *words; /* folded, letters and digits with single blanks */
	enum import_field field;
} headings[] = {
	{ "stt", IM_NUMBER }, { "tt", IM_NUMBER }, { "so tt", IM_NUMBER }, { "so thu tu", IM_NUMBER },
	{ "ho va ten", IM_NAME }, { "ho ten", IM_NAME }, { "ho va ten can bo", IM_NAME },
	{ "ho ten can bo", IM_NAME }, { "full name", IM_NAME }, { "name", IM_NAME },
	{ "ho", IM_SURNAME }, { "surname", IM_SURNAME },
	{ "ho dem", IM_SURNAME_MIDDLE }, { "ho va dem", IM_SURNAME_MIDDLE },
	{ "ho lot", IM_SURNAME_MIDDLE }, { "ho va ten dem", IM_SURNAME_MIDDLE },
	{ "ho ten dem", IM_SURNAME_MIDDLE }, { "ho va chu dem", IM_SURNAME_MIDDLE },
	{ "ten dem", IM_MIDDLE }, { "chu dem", IM_MIDDLE }, { "dem", IM_MIDDLE }, { "middle", IM_MIDDLE },
	{ "ten", IM_GIVEN }, { "given", IM_GIVEN },
	{ "chuc vu", IM_TITLE }, { "chuc danh", IM_TITLE }, { "chuc vu chuc danh", IM_TITLE },
	{ "title", IM_TITLE },
	{ "ma don vi", IM_AGENCY }, { "ma co quan", IM_AGENCY }, { "don vi", IM_AGENCY },
	{ "co quan", IM_AGENCY }, { "don vi cong tac", IM_AGENCY }, { "co quan don vi", IM_AGENCY },
	{ "ten don vi", IM_AGENCY }, { "agency", IM_AGENCY }, { "unit", IM_AGENCY },
	{ "phong", IM_DEPARTMENT }, { "phong ban", IM_DEPARTMENT }, { "bo phan", IM_DEPARTMENT },
	{ "phong chuyen mon", IM_DEPARTMENT }, { "department", IM_DEPARTMENT },
	{ "dien thoai", IM_PHONE }, { "so dien thoai", IM_PHONE }, { "dt", IM_PHONE }, { "phone", IM_PHONE },
	{ "dien thoai co quan", IM_PHONE_OFFICE }, { "dt co quan", IM_PHONE_OFFICE },
	{ "so dien thoai co quan", IM_PHONE_OFFICE }, { "may ban", IM_PHONE_OFFICE },
	{ "dien thoai may ban", IM_PHONE_OFFICE }, { "dien thoai co dinh", IM_PHONE_OFFICE },
	{ "phone office", IM_PHONE_OFFICE },
	{ "di dong", IM_PHONE_MOBILE }, { "dien thoai di dong", IM_PHONE_MOBILE },
	{ "dt di dong", IM_PHONE_MOBILE }, { "so di dong", IM_PHONE_MOBILE },
	{ "so dien thoai di dong", IM_PHONE_MOBILE }, { "mobile", IM_PHONE_MOBILE },
	{ "phone mobile", IM_PHONE_MOBILE },
	{ "thu dien tu", IM_EMAIL }, { "dia chi thu dien tu", IM_EMAIL }, { "email", IM_EMAIL },
	{ "e mail", IM_EMAIL }, { "dia chi email", IM_EMAIL }, { "hop thu", IM_EMAIL },
	{ "thu dien tu cong vu", IM_EMAIL }, { "email cong vu", IM_EMAIL }, { "address", IM_EMAIL },
	{ "ma can bo", IM_STAFF_ID }, { "ma nhan vien", IM_STAFF_ID }, { "ma cbccvc", IM_STAFF_ID },
	{ "ma so", IM_STAFF_ID }, { "staff id", IM_STAFF_ID },
	{ "dong y cong khai di dong", IM_CONSENT }, { "cong khai di dong", IM_CONSENT },
	{ "mat khau", IM_PASSWORD }, { "password", IM_PASSWORD },
};

/* Folded words of CELL with single blanks. */
static void
words_of(struct cv_str cell, struct cv_buf *out)
{
	struct cv_buf folded = CV_BUF_INIT(WORDS_BYTES_MAX * 4);
	(void)cv_fold(cv_str_sub(cell, 0, WORDS_BYTES_MAX), &folded);
	for (size_t i = 0; i < folded.n; i++) {
		unsigned char c = (unsigned char)folded.p[i];
		if ((c >= 'a' && c <= 'z') || cv_is_digit(c))
			cv_buf_c(out, (char)c);
		else if (out->n && out->p[out->n - 1] != ' ')
			cv_buf_c(out, ' ');
	}
	while (out->n && out->p[out->n - 1] == ' ')
		out->p[--out->n] = 0;
	cv_buf_done(&folded);
}

static enum import_field
heading(struct cv_str words)
{
	for (size_t i = 0; words.n && i < CV_COUNT(headings); i++)
		if (cv_str_eq_z(words, headings[i].words))
			return headings[i].field;
	return IM_NONE;
}

static struct cv_str
cell(const struct csv_row *row, size_t i)
{
	return i < row->n ? row->cells[i] : CV_STR("");
}

static bool
is_blank(struct cv_str s)
{
	return cv_str_trim(s).n == 0;
}

/* Fills COLUMNS from one header row, or two when BELOW is not NULL. Returns how many are known. */
static size_t
map_columns(const struct csv_row *top, const struct csv_row *below, enum import_field *columns)
{
	size_t known = 0;
	struct cv_str spanning = CV_STR("");
	for (size_t i = 0; i < CSV_CELLS_MAX; i++) {
		struct cv_str upper = cell(top, i), lower = below ? cell(below, i) : CV_STR("");
		if (cv_str_eq(upper, lower))
			lower = CV_STR("");
		if (!is_blank(upper))
			spanning = upper;
		struct cv_buf whole = CV_BUF_INIT(WORDS_BYTES_MAX * 8),
			      sub = CV_BUF_INIT(WORDS_BYTES_MAX * 8);
		words_of(is_blank(lower) ? upper : spanning, &whole);
		words_of(lower, &sub);
		enum import_field field = IM_NONE;
		if (sub.n) {
			if (whole.n)
				cv_buf_c(&whole, ' ');
			cv_buf_str(&whole, cv_buf_view(&sub));
			field = heading(cv_buf_view(&whole));
			if (field == IM_NONE)
				field = heading(cv_buf_view(&sub));
		} else {
			field = heading(cv_buf_view(&whole));
		}
		columns[i] = field;
		for (size_t j = 0; j < i && field != IM_NONE; j++)
			if (columns[j] == field)
				columns[i] = IM_NONE; /* the first of two counts */
		known += columns[i] != IM_NONE;
		cv_buf_done(&whole);
		cv_buf_done(&sub);
	}
	return known;
}

static bool
has_column(const enum import_field *columns, enum import_field field)
{
	for (size_t i = 0; i < CSV_CELLS_MAX; i++)
		if (columns[i] == field)
			return true;
	return false;
}

static bool
names_people(const enum import_field *columns)
{
	return has_column(columns, IM_NAME) || has_column(columns, IM_GIVEN);
}

/* A second header row has only headings, and no name below the column of names. */
static bool
is_second_header(const struct csv_row *top, const struct csv_row *below,
                 const enum import_field *columns)
{
	size_t headings_found = 0;
	for (size_t i = 0; i < below->n && i < CSV_CELLS_MAX; i++) {
		/* A heading merged over both rows may stand in both. */
		if (is_blank(below->cells[i]) || cv_str_eq(below->cells[i], cell(top, i)))
			continue;
		struct cv_buf words = CV_BUF_INIT(WORDS_BYTES_MAX * 8);
		words_of(below->cells[i], &words);
		bool is_heading = heading(cv_buf_view(&words)) != IM_NONE;
		cv_buf_done(&words);
		if (!is_heading || columns[i] == IM_NAME || columns[i] == IM_NUMBER)
			return false;
		headings_found++;
	}
	return headings_found > 0;
}

static bool
is_digits(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!cv_is_digit((unsigned char)s.p[i]) && s.p[i] != '.')
			return false;
	return s.n > 0;
}

/* One text by itself, maybe with a Roman number or letter before it. */
static bool
is_group(const struct csv_row *row, const enum import_field *columns, struct cv_str *text_out)
{
	size_t texts = 0;
	for (size_t i = 0; i < row->n && i < CSV_CELLS_MAX; i++) {
		struct cv_str s = cv_str_trim(row->cells[i]);
		if (!s.n)
			continue;
		if (columns[i] == IM_NUMBER && is_digits(s))
			return false;
		if (columns[i] == IM_NUMBER && s.n <= 4)
			continue;
		texts++;
		*text_out = s;
	}
	return texts == 1;
}

static bool
fill(const struct csv_row *row, const enum import_field *columns, struct import_row *out)
{
	bool any = false;
	for (size_t i = 0; i < IM_COUNT; i++)
		out->raw[i] = CV_STR("");
	for (size_t i = 0; i < row->n && i < CSV_CELLS_MAX; i++) {
		any = any || !is_blank(row->cells[i]);
		if (columns[i] != IM_NONE)
			out->raw[columns[i]] = row->cells[i];
	}
	return any;
}

enum cv_status
import_read(struct cv_arena *arena, const struct csv *csv, struct import_rows *out,
            struct cv_err *err)
{
	enum import_field columns[CSV_CELLS_MAX];
	size_t at = 0;
	for (; at < csv->n && at < HEADER_ROWS_MAX; at++)
		if (map_columns(&csv->rows[at], NULL, columns) >= 1 && names_people(columns))
			break;
	if (at == csv->n || at == HEADER_ROWS_MAX)
		return cv_fail(err, CV_INVALID,
			"no header row with 'Họ và tên' among the first %d rows", HEADER_ROWS_MAX);
	size_t first = at + 1;
	if (first < csv->n && is_second_header(&csv->rows[at], &csv->rows[first], columns))
		map_columns(&csv->rows[at], &csv->rows[first++], columns);
	*out = (struct import_rows){ .rows = CV_ARENA_ARRAY(arena, struct import_row, csv->n + 1) };
	out->header = at + 1;
	out->header_rows = first - at;
	for (size_t i = 0; i < CSV_CELLS_MAX; i++)
		if (columns[i] != IM_NONE)
			out->has[columns[i]] = true;
	struct cv_str group = CV_STR("");
	size_t group_number = 0;
	for (size_t i = first; i < csv->n; i++) {
		struct import_row *row = &out->rows[out->n];
		struct cv_str text;
		if (!fill(&csv->rows[i], columns, row))
			continue;
		if (is_group(&csv->rows[i], columns, &text) &&
		    (out->has[IM_TITLE] || out->has[IM_NUMBER])) {
			group = text;
			group_number = i + 1;
			continue;
		}
		row->number = i + 1;
		row->group = group;
		row->group_number = group_number;
		out->n++;
	}
	return CV_OK;
}
