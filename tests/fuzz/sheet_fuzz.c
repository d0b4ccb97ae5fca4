/* fuzz: admin */
/* Books: behind 'z' a whole file, behind 'o' the content of an ODS, behind 'w', 's', 'b', 'f' the
 * sheet, texts, workbook, formats of an XLSX. Twice the same outcome; cells are UTF-8 in bounds. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/sheet/sheet_impl.h"
#include "common/text/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORKBOOK                                                                                   \
	"<workbook xmlns:r='r'><sheets><sheet name='A' r:id='r1'/></sheets></workbook>"
#define RELATIONS "<Relationships><Relationship Id='r1' Target='sheet.xml'/></Relationships>"
#define STYLES                                                                                     \
	"<styleSheet><numFmts><numFmt numFmtId='170' formatCode='0000000000'/>"                    \
	"<numFmt numFmtId='171' formatCode='dd/mm/yyyy'/></numFmts><cellXfs><xf numFmtId='0'/>"    \
	"<xf numFmtId='170'/><xf numFmtId='171'/></cellXfs></styleSheet>"
#define STRINGS "<sst><si><t>STT</t></si><si><r><t>a</t></r><r><t>b</t></r></si></sst>"
#define CELLS   "<worksheet><sheetData><row r='1'><c r='A1'><v>1</v></c></row></sheetData></worksheet>"

static void
add(struct sheet_members *m, const char *path, struct cv_str bytes)
{
	struct cv_buf *b = cv_calloc(1, sizeof *b);

	cv_buf_init(b, bytes.n + 1);
	cv_buf_str(b, bytes);
	cv_map_put(&m->by_name, cv_str_z(path), b);
}

static enum cv_status
read_book(struct cv_arena *arena, char kind, struct cv_str in, struct admin_sheet *out)
{
	static const struct {
		char kind;
		const char *path, *text;
	} parts[] = {
		{ 'b', "xl/workbook.xml", WORKBOOK }, { 'r', "xl/_rels/workbook.xml.rels", RELATIONS },
		{ 'f', "xl/styles.xml", STYLES }, { 's', "xl/sharedStrings.xml", STRINGS },
		{ 'w', "xl/sheet.xml", CELLS },
	};
	struct sheet_members m;
	struct sheet_grid g = { .arena = arena };
	struct cv_err err;
	enum cv_status status;

	if (kind == 'z')
		return admin_sheet_read(arena, in, CV_STR(""), out, &err);
	cv_map_init(&m.by_name);
	if (kind == 'o') {
		add(&m, "content.xml", in);
		status = sheet_read_ods(&m, CV_STR(""), &g, &out->name, &err);
	} else {
		for (size_t i = 0; i < CV_COUNT(parts); i++)
			add(&m, parts[i].path,
				parts[i].kind == kind ? in : cv_str_z(parts[i].text));
		status = sheet_read_xlsx(&m, CV_STR(""), &g, &out->name, &err);
	}
	sheet_members_done(&m);
	out->rows = g.rows;
	out->n = g.n;
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_arena arena = CV_ARENA_INIT;
	struct admin_sheet first = { 0 }, again = { 0 };
	struct cv_buf a = CV_BUF_INIT(256u << 20), b = CV_BUF_INIT(256u << 20);

	if (!size || size > 1u << 20)
		return 0;
	enum cv_status status = read_book(&arena, in.p[0], cv_str_sub(in, 1, in.n), &first);
	assert(read_book(&arena, in.p[0], cv_str_sub(in, 1, in.n), &again) == status);
	if (status == CV_OK) {
		assert(first.n <= ADMIN_SHEET_ROWS_MAX);
		for (size_t i = 0; i < first.n; i++)
			assert(first.rows[i].n <= ADMIN_SHEET_COLUMNS_MAX);
		admin_sheet_put_csv(&first, &a);
		admin_sheet_put_csv(&again, &b);
		assert(cv_str_eq(cv_buf_view(&a), cv_buf_view(&b)));
		assert(cv_utf8_is_valid(cv_buf_view(&a)));
	}
	cv_buf_done(&a);
	cv_buf_done(&b);
	cv_arena_done(&arena);
	return 0;
}
