/* slips.c - `congvu account slips`: first passwords for many, as sheets to print and cut (ACC-03).
 *
 * Passwords are chosen here, PEOPLE_AT_ONCE at a time, and are in the file before the register
 * learns of them: whatever ends this program, what is in force is on paper, in a file whose name
 * ends in .part until the agency is done.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/files.h"
#include "admin/progress.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/register/password.h"
#include "common/text/encode.h"

#define HOURS_DFLT   6
#define HOURS_MAX    (24 * 31)
#define A_PAGE       8 /* two columns, four rows */
#define PEOPLE_AT_ONCE 64 /* of one request; whole pages */
#define LIST_BYTES   (4u << 20)
#define SHEET_BYTES  (64u << 20)

/* clang-format off */
static const char style[] =
	"@page{size:A4;margin:8mm}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;font:10pt/1.3 'DejaVu Sans',Arial,sans-serif;color:#000;background:#fff}\n"
	".to{display:grid;grid-template-columns:1fr 1fr;grid-template-rows:repeat(4,1fr);\n"
	"width:194mm;height:279mm;break-after:page;overflow:hidden}\n"
	".to:last-child{break-after:auto}\n"
	".phieu{border:1px dashed #555;padding:3mm 4mm;overflow:hidden}\n"
	"h2{font-size:11.5pt;margin:0 0 1mm}\n"
	"p{margin:0 0 1mm}\n"
	".nho{font-size:8pt}\n"
	"code{font:bold 13pt 'DejaVu Sans Mono',monospace;white-space:nowrap}\n"
	"@media screen{body{margin:1em auto;width:194mm}}\n";
/* clang-format on */

struct slips {
	struct admin_call *call;
	const char *hostname;
	unsigned hours;
	char stamp[32];      /* 20261123-1530, for names of files */
	json_t *agencies;    /* code -> [account] */
	struct cv_map names; /* code -> name of the agency */
	json_t *reply;       /* "sheets": [{"agency", "slips", "file"}] */
	size_t made, total;
};

/* ---- which accounts ---- */

/* Addresses of the file, one a line; "#" begins a comment. */
static bool
read_list(const struct admin_call *call, struct cv_map *out, struct cv_str *text)
{
	struct cv_err err = { 0 };

	if (admin_file_read(admin_option(call, "list"), LIST_BYTES, text, &err) != CV_OK) {
		admin_error(call, EXIT_FAILED, err.text, err.text);
		return false;
	}
	struct cv_str rest = *text, line;
	while (cv_str_split(&rest, '\n', &line)) {
		line = cv_str_trim(cv_str_sub(line, 0, cv_str_find(line, '#', 0)));
		if (line.n)
			cv_map_put(out, line, (void *)text);
	}
	return true;
}

static bool
is_chosen(const struct slips *s, const json_t *account, struct cv_map *listed)
{
	const char *address = json_string_value(json_object_get(account, "address"));
	const char *only = admin_option(s->call, "agency");
	const char *agency = json_string_value(json_object_get(account, "agency"));

	if (strcmp(json_string_value(json_object_get(account, "kind")), "person") != 0 ||
		strcmp(json_string_value(json_object_get(account, "state")), "active") != 0)
		return false;
	if (only && strcmp(only, agency) != 0)
		return false;
	if (admin_option(s->call, "list") && !cv_map_del(listed, cv_str_z(address)))
		return false;
	return !json_is_true(json_object_get(account, "has_password")) ||
	       admin_option(s->call, "replace");
}

static void
take_account(struct slips *s, json_t *account)
{
	const char *code = json_string_value(json_object_get(account, "agency"));
	json_t *list = json_object_get(s->agencies, code[0] ? code : "khac");

	if (!list) {
		list = json_array();
		json_object_set_new(s->agencies, code[0] ? code : "khac", list);
	}
	json_array_append(list, account);
	s->total++;
}

/* What was named and is no active person's address, or has a password already. */
static int
refuse_unknown(const struct slips *s, const struct cv_map *listed)
{
	struct cv_str key;
	void *value;
	size_t pos = 0;
	char text[400];

	if (!cv_map_each(listed, &pos, &key, &value))
		return EXIT_OK;
	snprintf(text, sizeof text, "%.*s", (int)CV_MIN(key.n, 300), key.p);
	char en[600], vi[600];
	snprintf(en, sizeof en, "no active person has the address %s (write it whole)", text);
	snprintf(vi, sizeof vi,
		"không có cá nhân đang hoạt động với địa chỉ %s (ghi đủ địa chỉ)", text);
	return admin_error(s->call, EXIT_FAILED, en, vi);
}

static int
choose(struct slips *s)
{
	struct cv_map listed;
	struct cv_str text = CV_STR_EMPTY;
	json_t *request = admin_request("account.list"), *account;
	size_t i;
	int exit_code = EXIT_FAILED;

	cv_map_init(&listed);
	if (admin_option(s->call, "list") && !read_list(s->call, &listed, &text)) {
		json_decref(request);
		cv_map_done(&listed);
		return EXIT_FAILED;
	}
	admin_set(request, "kind", "person");
	admin_set(request, "agency", admin_option(s->call, "agency"));
	json_t *reply = admin_ask(s->call, ADMIN_STORE, request, &exit_code);
	json_array_foreach(json_object_get(reply, "accounts"), i, account)
		if (is_chosen(s, account, &listed))
			take_account(s, account);
	if (reply)
		exit_code = refuse_unknown(s, &listed);
	json_decref(reply);
	cv_map_done(&listed);
	free((char *)text.p);
	return exit_code;
}

static int
name_agencies(struct slips *s)
{
	int exit_code;
	json_t *reply = admin_ask(s->call, ADMIN_STORE, admin_request("agency.list"), &exit_code);
	json_t *agency;
	size_t i;

	json_array_foreach(json_object_get(reply, "agencies"), i, agency)
		cv_map_put(&s->names,
			cv_str_z(json_string_value(json_object_get(agency, "code"))),
			json_incref(json_object_get(agency, "name")));
	json_decref(reply);
	return exit_code;
}

/* ---- a sheet ---- */

static void
put(struct cv_buf *out, const char *before, const char *text, const char *after)
{
	cv_buf_z(out, before);
	cv_html_escape(cv_str_z(text ? text : ""), out);
	cv_buf_z(out, after);
}

static const char *
agency_name(const struct slips *s, const char *code)
{
	const json_t *name = cv_map_get(&s->names, cv_str_z(code));

	return name ? json_string_value(name) : code;
}

static void
put_slip(const struct slips *s, const json_t *account, const char *password, struct cv_buf *out)
{
	time_t until = (time_t)(cv_wall_secs() + (int64_t)s->hours * 3600);
	struct tm tm;
	char text[32] = "";

	if (localtime_r(&until, &tm))
		(void)!strftime(text, sizeof text, "%H:%M %d/%m/%Y", &tm);
	put(out, "<section class=phieu>\n<h2>", json_string_value(json_object_get(account, "name")),
		"</h2>\n");
	put(out, "<p>", agency_name(s, json_string_value(json_object_get(account, "agency"))),
		"</p>\n");
	put(out, "<p>Địa chỉ: <b>", json_string_value(json_object_get(account, "address")),
		"</b></p>\n");
	put(out, "<p>Mật khẩu lần đầu: <code>", password, "</code></p>\n");
	put(out, "<p>Phải đổi trước <b>", text, "</b>; quá giờ đó tài khoản bị khóa.</p>\n");
	put(out, "<p class=nho>Đăng nhập bằng chương trình thư: tên đăng nhập là cả địa chỉ; thư đến "
		 "(IMAP) và thư đi (SMTP) đều là máy chủ ", s->hostname,
		", cổng 993 và 465, bảo mật SSL/TLS.</p>\n");
	cv_buf_z(out, "<p class=nho>Đổi mật khẩu: gặp quản trị thư của đơn vị, tự gõ mật khẩu mới "
		      "(ít nhất 14 ký tự, đủ chữ hoa, chữ thường, số, dấu). Không đưa phiếu này cho "
		      "ai khác; hủy phiếu sau khi đổi.</p>\n</section>\n");
}

static void
put_head(const struct slips *s, const char *code, struct cv_buf *out)
{
	put(out, "<!DOCTYPE html>\n<html lang=\"vi\">\n<head>\n<meta charset=\"utf-8\">\n"
		 "<meta name=\"robots\" content=\"noindex\">\n<title>Phiếu mật khẩu: ",
		agency_name(s, code), "</title>\n<style>\n");
	cv_buf_z(out, style);
	cv_buf_z(out, "</style>\n</head>\n<body>\n");
}

/* ---- making them ---- */

static bool
write_piece(FILE *f, struct cv_buf *piece)
{
	bool well = !piece->full && fwrite(piece->p, 1, piece->n, f) == piece->n && !fflush(f);

	cv_wipe(piece->p, piece->n);
	cv_buf_reset(piece);
	return well;
}

static void
wipe_passwords(json_t *rows)
{
	json_t *row;
	size_t i;

	/* jansson keeps its own copies; they are ours to wipe. */
	json_array_foreach(rows, i, row)
	{
		const json_t *password = json_object_get(row, "password");
		cv_wipe((char *)(uintptr_t)json_string_value(password),
			json_string_length(password));
	}
}

/* Slips of COUNT of the ACCOUNTS from AT on, and what the register is to learn. */
static json_t *
put_slips(const struct slips *s, const json_t *accounts, size_t at, size_t count,
	struct cv_buf *piece)
{
	json_t *rows = json_array();
	char password[24];

	for (size_t i = at; i < at + count; i++) {
		const json_t *account = json_array_get(accounts, i);
		if (i % A_PAGE == 0)
			cv_buf_z(piece, i ? "</div>\n<div class=to>\n" : "<div class=to>\n");
		password_make(password);
		put_slip(s, account, password, piece);
		json_array_append_new(rows,
			json_pack("{s:O, s:s}", "address", json_object_get(account, "address"),
				"password", password));
	}
	cv_wipe(password, sizeof password);
	return rows;
}

static int
make_slips(struct slips *s, const json_t *accounts, size_t at, FILE *f, struct cv_buf *piece)
{
	size_t count = CV_MIN(json_array_size(accounts) - at, (size_t)PEOPLE_AT_ONCE);
	json_t *rows = put_slips(s, accounts, at, count, piece);
	int exit_code = EXIT_OK;

	if (!write_piece(f, piece) || fdatasync(fileno(f)))
		exit_code = admin_error(s->call, EXIT_FAILED, "the sheet could not be written",
			"không ghi được phiếu");
	json_t *reply = exit_code != EXIT_OK ? NULL
		: admin_ask(s->call, ADMIN_STORE,
			json_pack("{s:s, s:O, s:i}", "do", "password.issue", "accounts", rows,
				"expires_hours", (int)s->hours), &exit_code);
	wipe_passwords(rows);
	json_decref(rows);
	if (!reply)
		return exit_code;
	json_decref(reply);
	s->made += count;
	admin_progress(s->call, json_pack("{s:I, s:I}", "done", (json_int_t)s->made, "total",
					(json_int_t)s->total));
	return EXIT_OK;
}

static int
fill_sheet(struct slips *s, const char *code, const json_t *accounts, FILE *f)
{
	struct cv_buf piece = CV_BUF_INIT(SHEET_BYTES);
	int exit_code = EXIT_OK;

	put_head(s, code, &piece);
	for (size_t at = 0; at < json_array_size(accounts) && exit_code == EXIT_OK;
		at += PEOPLE_AT_ONCE)
		exit_code = make_slips(s, accounts, at, f, &piece);
	cv_buf_z(&piece, "</div>\n</body>\n</html>\n");
	if (!write_piece(f, &piece) && exit_code == EXIT_OK)
		exit_code = admin_error(s->call, EXIT_FAILED, "the sheet could not be written",
			"không ghi được phiếu");
	cv_buf_done(&piece);
	return exit_code;
}

/* The stopped store is let go of first: while it is open, root acts as the daemons' user, and the
 * sheets are the caller's. */
static FILE *
open_sheet(struct slips *s, const char *path)
{
	if (s->call->local)
		admin_local_close(s->call->local);
	s->call->local = NULL;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!f) {
		char text[1400];
		snprintf(text, sizeof text, "%s: %s", path, strerror(errno));
		admin_error(s->call, EXIT_FAILED, text, text);
		if (fd >= 0)
			close(fd);
	}
	return f;
}

static int
make_sheet(struct slips *s, const char *code, const json_t *accounts)
{
	char path[1200], part[1210];

	snprintf(path, sizeof path, "%s/%s-%s.html", admin_option(s->call, "output"), code,
		s->stamp);
	snprintf(part, sizeof part, "%s.part", path);
	FILE *f = open_sheet(s, part);
	if (!f)
		return EXIT_FAILED;
	int exit_code = fill_sheet(s, code, accounts, f);
	bool failed = fsync(fileno(f)) != 0;
	failed = fclose(f) != 0 || failed;
	if (s->call->local)
		admin_local_close(s->call->local);
	s->call->local = NULL;
	if (!failed && exit_code == EXIT_OK && rename(part, path))
		failed = true;
	if (failed)
		return admin_error(s->call, EXIT_FAILED, strerror(errno), strerror(errno));
	if (exit_code == EXIT_OK)
		json_array_append_new(json_object_get(s->reply, "sheets"),
			json_pack("{s:s, s:I, s:s}", "agency", code, "slips",
				(json_int_t)json_array_size(accounts), "file", path));
	else
		fprintf(stderr, "%s\n", part); /* all that is in force is in it */
	return exit_code;
}

static int
make_sheets(struct slips *s)
{
	struct cv_err err = { 0 };
	const char *code;
	json_t *accounts;
	int exit_code = EXIT_OK;
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;

	setenv("TZ", admin_main_options(s->call)->time_zone, 1);
	tzset();
	if (localtime_r(&now, &tm))
		(void)!strftime(s->stamp, sizeof s->stamp, "%Y%m%d-%H%M%S", &tm);
	if (s->call->local)
		admin_local_close(s->call->local);
	s->call->local = NULL;
	if (admin_folder_make(admin_option(s->call, "output"), 0700, ADMIN_OWNER_SELF, &err))
		return admin_error(s->call, EXIT_FAILED, err.text, err.text);
	json_object_foreach(s->agencies, code, accounts)
	{
		exit_code = make_sheet(s, code, accounts);
		if (exit_code != EXIT_OK)
			break;
	}
	admin_progress_end(s->call);
	return exit_code;
}

/* ---- the command ---- */

/* Replacing is typed out: whoever has a password of their own loses it. */
static int
confirm(const struct slips *s)
{
	char en[300], vi[300];
	const char *agency = admin_option(s->call, "agency");

	if (!admin_option(s->call, "replace") || admin_option(s->call, "dry-run"))
		return EXIT_OK;
	snprintf(en, sizeof en, "The passwords of %zu people are replaced; theirs stop working.",
		s->total);
	snprintf(vi, sizeof vi,
		"Mật khẩu của %zu người bị thay; mật khẩu đang dùng của họ mất hiệu lực.", s->total);
	return admin_confirm(s->call, en, vi, agency ? agency : NULL);
}

static int
tell(struct slips *s)
{
	size_t i;
	json_t *sheet;

	json_object_set_new(s->reply, "slips",
		json_integer((json_int_t)(admin_option(s->call, "dry-run") ? s->total : s->made)));
	if (admin_json(s->call, s->reply))
		return EXIT_OK;
	json_array_foreach(json_object_get(s->reply, "sheets"), i, sheet)
	{
		const char *file = json_string_value(json_object_get(sheet, "file"));
		printf("%-12s %5lld  %s\n", json_string_value(json_object_get(sheet, "agency")),
			(long long)admin_number(sheet, "slips"), file ? file : "");
	}
	printf(admin_option(s->call, "dry-run")
			? admin_say(s->call, "%zu people would get a first password\n",
				  "%zu người sẽ được cấp mật khẩu lần đầu\n")
			: admin_say(s->call, "%zu first passwords were made\n",
				  "đã cấp %zu mật khẩu lần đầu\n"),
		admin_option(s->call, "dry-run") ? s->total : s->made);
	return EXIT_OK;
}

static int
run_all(struct slips *s)
{
	const char *code;
	json_t *accounts;
	int exit_code = choose(s);

	if (exit_code == EXIT_OK)
		exit_code = name_agencies(s);
	if (exit_code == EXIT_OK)
		exit_code = confirm(s);
	if (exit_code != EXIT_OK)
		return exit_code;
	if (!admin_option(s->call, "dry-run")) {
		exit_code = make_sheets(s);
		int told = tell(s);
		return exit_code ? exit_code : told;
	}
	json_object_set_new(s->reply, "dry_run", json_true());
	json_object_foreach(s->agencies, code, accounts)
		json_array_append_new(json_object_get(s->reply, "sheets"),
			json_pack("{s:s, s:I}", "agency", code, "slips",
				(json_int_t)json_array_size(accounts)));
	return tell(s);
}

static int
run_slips(struct admin_call *call)
{
	const char *hours_text = admin_option(call, "hours");
	uint64_t hours = HOURS_DFLT;
	int ways = !!admin_option(call, "agency") + !!admin_option(call, "all") +
		   !!admin_option(call, "list");
	struct cv_str key;
	void *name;

	if (ways != 1)
		return admin_error(call, EXIT_USAGE, "name one of --agency, --list and --all",
			"hãy chọn một trong --agency, --list và --all");
	if (!admin_option(call, "output") && !admin_option(call, "dry-run"))
		return admin_error(call, EXIT_USAGE, "--output names the folder of the sheets",
			"--output chỉ thư mục ghi phiếu");
	if (hours_text &&
		(cv_str_u64(cv_str_z(hours_text), HOURS_MAX, &hours) != CV_OK || !hours))
		return admin_error(call, EXIT_USAGE, "--hours takes 1 to 744",
			"--hours nhận giá trị từ 1 đến 744");
	if (!admin_conf(call))
		return EXIT_CONFIG;
	struct slips s = { .call = call, .hostname = admin_main_options(call)->hostname,
		.hours = (unsigned)hours, .agencies = json_object(),
		.reply = json_pack("{s:b, s:[]}", "ok", 1, "sheets") };
	cv_map_init(&s.names);
	int exit_code = run_all(&s);
	for (size_t pos = 0; cv_map_each(&s.names, &pos, &key, &name);)
		json_decref(name);
	cv_map_done(&s.names);
	json_decref(s.agencies);
	json_decref(s.reply);
	return exit_code;
}

/* clang-format off */
static const struct admin_option slips_options[] = {
	{ "agency", "CODE", "people of this agency", "cán bộ của đơn vị này" },
	{ "list", "FILE", "people with these addresses, one a line", "cán bộ có địa chỉ trong tệp, mỗi dòng một địa chỉ" },
	{ "all", NULL, "everybody", "tất cả" },
	{ "output", "FOLDER", "where the sheets go, one an agency", "thư mục ghi phiếu, mỗi đơn vị một tệp" },
	{ "hours", "N", "how long the passwords work, 6 unless told", "thời hạn của mật khẩu, mặc định 6 giờ" },
	{ "replace", NULL, "also people who have a password: theirs stops working", "cả người đã có mật khẩu: mật khẩu cũ mất hiệu lực" },
	ADMIN_DRY_RUN,
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_account_slips = {
	.noun = "account",
	.verb = "slips",
	.words = "",
	.help = "make first passwords for people who have none, as sheets to print and cut",
	.help_vi = "cấp mật khẩu lần đầu cho người chưa có, in thành phiếu để cắt",
	.options = slips_options,
	.examples = "  congvu account slips --agency stp --output phieu --dry-run\n"
		    "  congvu account slips --all --output phieu --hours 48",
	.run = run_slips,
};
