/* list_file.c - the list of accounts to be brought over: old name or path, password, new address.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <sys/stat.h>

#include "admin/csv.h"
#include "admin/files.h"
#include "admin/migrate/list_file.h"

#define LIST_BYTES_MAX (16u << 20)

enum column { C_USER, C_PASSWORD, C_ADDRESS, COLUMNS };

/* Headings, in Vietnamese and English, without regard to case. */
static const char *const headings[COLUMNS][5] = {
	[C_USER] = {"user",          "path",              "tài khoản", "đường dẫn", "Đường dẫn"},
	[C_PASSWORD] = {"password",      "mật khẩu",      NULL          },
	[C_ADDRESS] = {"address", "địa chỉ", "Địa chỉ",           "thư điện tử",                  NULL                          },
};

static bool
is_heading(struct cv_str field, enum column c)
{
	struct cv_str word = cv_str_trim(field);

	for (size_t i = 0; i < CV_COUNT(headings[c]) && headings[c][i]; i++)
		if (cv_str_ieq(word, cv_str_z(headings[c][i])))
			return true;
	return false;
}

static enum cv_status
find_columns(const struct cv_str *fields, size_t n, int at[COLUMNS], struct cv_err *err)
{
	for (int c = 0; c < COLUMNS; c++) {
		at[c] = -1;
		for (size_t i = 0; i < n; i++)
			if (is_heading(fields[i], (enum column)c))
				at[c] = (int)i;
	}
	if (at[C_USER] < 0 || at[C_ADDRESS] < 0)
		return cv_fail(err, CV_INVALID,
			"the first line of the list must name the columns: user (or path), "
			"address, and "
			"password where each has his own");
	return CV_OK;
}

static enum cv_status
add_account(struct migrate_accounts *out, const struct cv_str *fields, size_t n,
	const int at[COLUMNS], size_t row, struct cv_err *err)
{
	struct cv_str text[COLUMNS] = {{0}};

	for (int c = 0; c < COLUMNS; c++)
		if (at[c] >= 0 && (size_t)at[c] < n)
			text[c] = c == C_PASSWORD ? fields[at[c]] : cv_str_trim(fields[at[c]]);
	if (!text[C_USER].n || !text[C_ADDRESS].n)
		return cv_fail(err, CV_INVALID, "line %zu: user and address are both needed", row);
	if (cv_str_find(text[C_ADDRESS], '/', 0) < text[C_ADDRESS].n || text[C_ADDRESS].p[0] == '.')
		return cv_fail(err, CV_INVALID,
			"line %zu: an address has no '/' and does not begin with a dot", row);
	if (out->n == out->cap) {
		out->cap = out->cap ? out->cap * 2 : 64;
		out->items = cv_realloc(out->items, out->cap * sizeof *out->items);
	}
	out->items[out->n++] = (struct migrate_account){
		.user = cv_str_dup(text[C_USER]),
		.password = cv_str_dup(text[C_PASSWORD]),
		.address = cv_str_dup(text[C_ADDRESS]),
		.row = row,
		.skipped = json_array(),
	};
	return CV_OK;
}

static enum cv_status
read_rows(struct cv_str text, struct migrate_accounts *out, bool *has_passwords, struct cv_err *err)
{
	struct admin_csv csv;
	struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
	int at[COLUMNS];
	size_t n;
	struct cv_arena arena = CV_ARENA_INIT;

	admin_csv_init(&csv, text);
	enum cv_status status = admin_csv_next(&csv, &arena, fields, &n, err);
	if (status == CV_EOF)
		status = cv_fail(err, CV_INVALID, "the list is empty");
	if (status == CV_OK)
		status = find_columns(fields, n, at, err);
	*has_passwords = status == CV_OK && at[C_PASSWORD] >= 0;
	while (status == CV_OK) {
		status = admin_csv_next(&csv, &arena, fields, &n, err);
		if (status == CV_OK)
			status = add_account(out, fields, n, at, csv.line, err);
	}
	cv_arena_done(&arena);
	return status == CV_EOF ? CV_OK : status;
}

enum cv_status
migrate_list_read(const char *path, struct migrate_accounts *out, struct cv_err *err)
{
	struct cv_str text;
	struct stat st;
	bool has_passwords = false;
	enum cv_status status = admin_file_read(path, LIST_BYTES_MAX, &text, err);

	*out = (struct migrate_accounts){0};
	if (status != CV_OK)
		return status;
	status = read_rows(text, out, &has_passwords, err);
	if (status == CV_OK && has_passwords && !stat(path, &st) && (st.st_mode & 077))
		status = cv_fail(err, CV_DENIED,
			"%s holds passwords and others can read it: chmod 600 %s", path, path);
	cv_wipe((void *)(uintptr_t)text.p, text.n);
	free((void *)(uintptr_t)text.p);
	return status;
}

void
migrate_list_free(struct migrate_accounts *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct migrate_account *a = &list->items[i];
		cv_wipe(a->password, strlen(a->password));
		free(a->user);
		free(a->password);
		free(a->address);
		json_decref(a->skipped);
	}
	free(list->items);
	*list = (struct migrate_accounts){0};
}
