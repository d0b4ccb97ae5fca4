/* import_rows.c - see import_rows.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/import_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "admin/csv.h"
#include "admin/office/office.h"

#define FILE_BYTES_MAX (256u << 20)
#define EXTRA          3 /* columns behind the list's own */

/* ---- rows, whatever the format ---- */

struct sink {
	struct cv_buf *csv;            /* or */
	struct admin_doc *doc;
	struct admin_doc_table *table;
	size_t width;                  /* columns of the list */
};

static size_t
width_of(const json_t *reply, const char *key)
{
	size_t width = 1, i, k;
	json_t *row, *line;

	json_array_foreach(json_object_get(reply, "header"), i, line)
		width = CV_MAX(width, json_array_size(line));
	json_array_foreach(json_object_get(reply, key), i, row)
		json_array_foreach(json_object_get(row, "lines"), k, line)
			width = CV_MAX(width, json_array_size(line));
	return width;
}

static struct cv_str
text_of(const json_t *value)
{
	return cv_str(json_string_value(value) ? json_string_value(value) : "",
		json_string_length(value));
}

/* A line of a cell is lost in XLSX: there it is a blank. */
static struct admin_value
one_line(struct admin_doc *d, struct cv_str text)
{
	char *copy = cv_strndup(text.p, text.n);

	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)copy[i] < ' ')
			copy[i] = ' ';
	struct admin_value v = admin_text(cv_arena_str(&d->arena, cv_str(copy, text.n)));
	free(copy);
	return v;
}

static void
put_line(const struct sink *s, const json_t *cells, const char *const extra[EXTRA])
{
	struct admin_value values[ADMIN_DOC_COLUMNS_MAX];

	for (size_t i = 0; i < s->width + EXTRA; i++) {
		struct cv_str text = i < s->width ? text_of(json_array_get(cells, i))
						  : cv_str_z(extra[i - s->width]);
		if (s->csv)
			admin_csv_put(s->csv, text, i + 1 == s->width + EXTRA);
		else
			values[i] = one_line(s->doc, text);
	}
	if (s->doc)
		admin_doc_row(s->doc, s->table, values, false);
}

static void
put_rows(const struct admin_call *call, const struct sink *s, const json_t *rows)
{
	static const char *const nothing[EXTRA] = { "", "", "" };
	const json_t *group = NULL;
	size_t i, k;
	json_t *row, *line;

	json_array_foreach(rows, i, row)
	{
		const json_t *own = json_object_get(row, "group");
		char number[24];
		if (own && !json_equal(own, group))
			put_line(s, own, nothing);
		group = own;
		snprintf(number, sizeof number, "%lld", (long long)admin_number(row, "row"));
		const json_t *advice = json_object_get(row, "proposal");
		const json_t *why =
			json_object_get(row, call->vietnamese ? "reason_vi" : "reason");
		const char *extra[EXTRA] = { json_string_value(why),
			json_string_value(advice ? advice : json_object_get(row, "after")),
			number };
		for (size_t e = 0; e < EXTRA; e++)
			extra[e] = extra[e] ? extra[e] : "";
		json_array_foreach(json_object_get(row, "lines"), k, line)
			put_line(s, line, k ? nothing : extra);
	}
}

static void
titles_of(const struct admin_call *call, const char *key, const char *out[EXTRA])
{
	bool is_rejected = !strcmp(key, "rejected");

	out[0] = is_rejected ? admin_say(call, "Reason", "Lý do bị loại")
			     : admin_say(call, "Repaired", "Nội dung đã sửa");
	out[1] = is_rejected ? admin_say(call, "Proposal", "Đề xuất sửa")
			     : admin_say(call, "Now", "Sau khi sửa");
	out[2] = admin_say(call, "Row in the list", "Dòng trong danh sách gốc");
}

/* ---- formats ---- */

static void
fill_csv(const struct admin_call *call, const char *key, const json_t *reply, struct cv_buf *out)
{
	static const char *const nothing[EXTRA] = { "", "", "" };
	const json_t *header = json_object_get(reply, "header");
	struct sink s = { .csv = out, .width = width_of(reply, key) };
	const char *titles[EXTRA];

	titles_of(call, key, titles);
	cv_buf_z(out, "\xef\xbb\xbf");
	for (size_t i = 0; i < json_array_size(header); i++)
		put_line(&s, json_array_get(header, i), i ? nothing : titles);
	put_rows(call, &s, json_object_get(reply, key));
}

static enum cv_status
fill_xlsx(const struct admin_call *call, const char *key, const json_t *reply,
	struct cv_buf *out, struct cv_err *err)
{
	static const char *const nothing[EXTRA] = { "", "", "" };
	const json_t *header = json_object_get(reply, "header");
	size_t width = width_of(reply, key);
	struct admin_doc_column columns[ADMIN_DOC_COLUMNS_MAX] = { 0 };
	const char *titles[EXTRA];

	if (width + EXTRA > ADMIN_DOC_COLUMNS_MAX)
		return cv_fail(err, CV_LIMIT,
			"the list has more than %d columns: name a file of rows that ends in .csv",
			ADMIN_DOC_COLUMNS_MAX - EXTRA);
	titles_of(call, key, titles);
	bool is_rejected = !strcmp(key, "rejected");
	const char *caption = is_rejected ? admin_say(call, "Refused rows", "Các dòng bị loại")
					  : admin_say(call, "Repaired rows", "Các dòng đã sửa");
	struct admin_doc *d = admin_doc_new(call->vietnamese, 0, caption, "");
	for (size_t i = 0; i < width + EXTRA; i++) {
		const json_t *first = json_array_get(header, 0);
		struct admin_value title = one_line(d, i < width
			? text_of(json_array_get(first, i)) : cv_str_z(titles[i - width]));
		columns[i] = (struct admin_doc_column){ .key = "column", .kind = ADMIN_TEXT,
			.title = cv_arena_z(&d->arena, title.text), .width = 18 };
	}
	struct sink s = { .doc = d, .width = width,
		.table = admin_doc_table(d, key, "", columns, width + EXTRA) };
	for (size_t i = 1; i < json_array_size(header); i++)
		put_line(&s, json_array_get(header, i), nothing);
	put_rows(call, &s, json_object_get(reply, key));
	enum cv_status status = admin_doc_write(d, ADMIN_FORMAT_XLSX, out, err);
	admin_doc_free(d);
	return status;
}

/* ---- files ---- */

int
admin_row_files_open(const struct admin_call *call, struct admin_row_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *path = admin_option(call, files[i].option);
		/* Names, telephones and addresses: for the one who imports. */
		int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
		files[i].f = fd >= 0 ? fdopen(fd, "wb") : NULL;
		if (!path || files[i].f)
			continue;
		char text[1200];
		snprintf(text, sizeof text, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		admin_row_files_close(files, count);
		return admin_error(call, EXIT_FAILED, text, text);
	}
	return EXIT_OK;
}

void
admin_row_files_close(struct admin_row_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (files[i].f)
			fclose(files[i].f);
		files[i].f = NULL;
	}
}

static enum cv_status
write_one(const struct admin_call *call, struct admin_row_file *file, const json_t *reply,
	struct cv_err *err)
{
	struct cv_buf out = CV_BUF_INIT(FILE_BYTES_MAX);
	enum cv_status status = CV_OK;

	if (cv_str_has_isuffix(cv_str_z(admin_option(call, file->option)), ".xlsx"))
		status = fill_xlsx(call, file->key, reply, &out, err);
	else
		fill_csv(call, file->key, reply, &out);
	if (status == CV_OK && out.full)
		status = cv_fail(err, CV_LIMIT, "the file of rows would be too large");
	bool failed = fwrite(out.p, 1, out.n, file->f) != out.n;
	failed = fclose(file->f) != 0 || failed;
	file->f = NULL;
	cv_buf_done(&out);
	if (status == CV_OK && failed)
		status = cv_fail_errno(err, CV_TEMPFAIL, errno, "the file of rows was not written");
	return status;
}

int
admin_row_files_write(const struct admin_call *call, struct admin_row_file *files, size_t count,
	const json_t *reply)
{
	struct cv_err err = { 0 };
	int exit_code = EXIT_OK;

	for (size_t i = 0; i < count; i++)
		if (files[i].f && write_one(call, &files[i], reply, &err) != CV_OK)
			exit_code = admin_error(call, EXIT_FAILED, err.text,
				"không ghi được tệp các dòng bị loại hoặc đã sửa");
	return exit_code;
}
