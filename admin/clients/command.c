/* command.c - `congvu clients publish`, `show`, `sheet`: set-up files for mail programs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/clients/clients.h"
#include "admin/commands.h"
#include "admin/files.h"
#include "admin/qr.h"

#define SHEETS_MAX (256u << 20)

struct room {
	struct cv_register *reg;
	const struct cv_snapshot *snapshot;
	struct admin_clients c;
};

static enum cv_status
open_room(struct admin_call *call, struct room *r, struct cv_err *err)
{
	const char *dir = admin_main_options(call)->register_dir;

	*r = (struct room){.reg = NULL};
	enum cv_status status = cv_register_open(dir, false, &r->reg, err);
	if (status != CV_OK)
		return status;
	r->snapshot = cv_register_get(r->reg);
	if (!cv_snapshot_generation(r->snapshot))
		return cv_fail(err, CV_NOT_FOUND, "there is no register below %s yet", dir);
	admin_clients_init(call, r->snapshot, &r->c);
	if (!r->c.smtp.port || !(r->c.imap.port || r->c.pop3.port))
		return cv_fail(err, CV_INVALID,
			"no ports for staff are configured: listen_submissions, listen_imaps");
	return CV_OK;
}

static void
close_room(struct room *r)
{
	admin_clients_done(&r->c);
	if (r->snapshot)
		cv_snapshot_unref(r->snapshot);
	if (r->reg)
		cv_register_close(r->reg);
}

static bool
is_user(const struct cv_reg_account *a)
{
	return a->kind != CV_KIND_GROUP && a->kind != CV_KIND_APP && a->state == CV_STATE_ACTIVE;
}

static enum cv_status
find_user(const struct room *r, const char *address, struct admin_client_user *out,
	struct cv_err *err)
{
	struct cv_reg_hit hit;

	cv_snapshot_find_address(r->snapshot, cv_str_z(address), &hit);
	if (hit.found != CV_REG_ACCOUNT || !is_user(&hit.account))
		return cv_fail(err, CV_NOT_FOUND, "nobody can log in as '%s'", address);
	*out = (struct admin_client_user){hit.account.display_name, hit.account.address};
	return CV_OK;
}

/* ---- publish ---- */

static enum cv_status
put_file(const char *dir, const char *name, struct cv_buf *text, struct cv_err *err)
{
	char path[1400], folder[1400];

	snprintf(path, sizeof path, "%.1100s/%s", dir, name);
	snprintf(folder, sizeof folder, "%s", path);
	*strrchr(folder, '/') = '\0';
	enum cv_status status = admin_folder_make(folder, 0755, ADMIN_OWNER_SELF, err);
	if (status == CV_OK)
		status = admin_file_replace(path, 0644, cv_buf_view(text), ADMIN_OWNER_SELF, err);
	cv_buf_reset(text);
	return status;
}

static enum cv_status
publish(struct admin_call *call, const struct room *r, const char *dir, struct cv_err *err)
{
	const struct admin_client_user nobody = {.name = CV_STR_EMPTY};
	struct cv_buf text = CV_BUF_INIT(1u << 20), is_signed = CV_BUF_INIT(1u << 20);

	admin_clients_autoconfig(&r->c, &text);
	enum cv_status status = put_file(dir, "mail/config-v1.1.xml", &text, err);
	admin_clients_autoconfig(&r->c, &text);
	if (status == CV_OK)
		status = put_file(dir, ".well-known/autoconfig/mail/config-v1.1.xml", &text, err);
	admin_clients_autodiscover(&r->c, &text);
	if (status == CV_OK)
		status = put_file(dir, "autodiscover/autodiscover.xml", &text, err);
	admin_clients_profile(&r->c, &nobody, &text);
	if (status == CV_OK && admin_option(call, "sign"))
		status = admin_clients_sign(call, cv_buf_view(&text), &is_signed, err);
	if (status == CV_OK)
		status = put_file(
			dir, "mail/congvu.mobileconfig", is_signed.n ? &is_signed : &text, err);
	cv_buf_done(&text);
	cv_buf_done(&is_signed);
	return status;
}

static int
run_publish(struct admin_call *call)
{
	const char *dir = admin_option(call, "out");
	struct cv_err err = {0};
	struct room r;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	if (!dir)
		return admin_error(
			call, EXIT_USAGE, "say where with --out", "chỉ nơi ghi bằng --out");
	enum cv_status status = open_room(call, &r, &err);
	if (status == CV_OK)
		status = publish(call, &r, dir, &err);
	json_t *reply = json_pack(
		"{s:b, s:s, s:I}", "ok", 1, "folder", dir, "domains", (json_int_t)r.c.domain_count);
	int exit_code =
		status == CV_OK ? EXIT_OK : admin_error(call, EXIT_FAILED, err.text, err.text);
	if (status == CV_OK && !admin_json(call, reply))
		printf(admin_say(call,
			       "Written to %s: serve it as https://autoconfig.%.*s/ and "
			       "https://autodiscover.%.*s/ (conf/web/ has examples).\n",
			       "Đã ghi vào %s: đưa lên https://autoconfig.%.*s/ và "
			       "https://autodiscover.%.*s/ (xem mẫu trong conf/web/).\n"),
			dir, CV_STR_ARGS(r.c.domain), CV_STR_ARGS(r.c.domain));
	json_decref(reply);
	close_room(&r);
	return exit_code;
}

/* clang-format off */
static const struct admin_option publish_options[] = {
	{ "out", "DIR", "folder of the web server", "thư mục của máy chủ web" },
	{ "sign", NULL, "sign Apple's profile with the server's certificate",
		"ký hồ sơ của Apple bằng chứng thư máy chủ" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_clients_publish = {
	.noun = "clients",
	.verb = "publish",
	.words = "",
	.help = "write what Thunderbird, Outlook and iPhones look for when an account is set up",
	.help_vi = "xuất tệp tự cấu hình cho Thunderbird, Outlook, iPhone",
	.options = publish_options,
	.examples = "  congvu clients publish --out /var/www/autoconfig --sign",
	.run = run_publish,
};

/* ---- show ---- */

static void
set_service(
	json_t *reply, const char *key, const struct admin_clients *c, struct admin_service_port at)
{
	if (at.port)
		json_object_set_new(reply, key,
			json_pack("{s:s#, s:i, s:s}", "host", c->hostname.p, (int)c->hostname.n,
				"port", (int)at.port, "security",
				at.is_tls ? "SSL/TLS" : "STARTTLS"));
}

static void
print_service(const struct admin_call *call, const json_t *reply, const char *key, const char *en,
	const char *vi)
{
	const json_t *o = json_object_get(reply, key);

	if (o)
		printf("%-16s %s, %s %lld, %s\n", admin_say(call, en, vi),
			json_string_value(json_object_get(o, "host")),
			admin_say(call, "port", "cổng"), (long long)admin_number(o, "port"),
			json_string_value(json_object_get(o, "security")));
}

static enum cv_status
print_code(const struct admin_call *call, const struct room *r,
	const struct admin_client_user *user, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(4000), code = CV_BUF_INIT(1u << 20);

	admin_clients_qr_text(&r->c, user, &text);
	enum cv_status status = admin_qr_terminal(cv_buf_view(&text), &code, err);
	if (status == CV_OK)
		printf("\n%.*s%s\n", (int)code.n, code.p,
			admin_say(call, "For Thunderbird on Android: import settings, scan.",
				"Dùng cho Thunderbird trên Android: Nhập cài đặt, quét mã."));
	cv_buf_done(&text);
	cv_buf_done(&code);
	return status;
}

static enum cv_status
show(struct admin_call *call, const struct room *r, struct cv_err *err)
{
	struct admin_client_user user = {.name = CV_STR_EMPTY};
	enum cv_status status = CV_OK;

	if (call->word_count)
		status = find_user(r, call->words[0], &user, err);
	if (status != CV_OK)
		return status;
	if (admin_option(call, "profile")) {
		struct cv_buf text = CV_BUF_INIT(1u << 20);
		admin_clients_profile(&r->c, &user, &text);
		fwrite(text.p, 1, text.n, stdout);
		cv_buf_done(&text);
		return CV_OK;
	}
	json_t *reply = json_pack("{s:b, s:s#}", "ok", 1, "user_name",
		user.address.p ? user.address.p : "", (int)user.address.n);
	set_service(reply, "imap", &r->c, r->c.imap);
	set_service(reply, "smtp", &r->c, r->c.smtp);
	set_service(reply, "pop3", &r->c, r->c.pop3);
	if (!admin_json(call, reply)) {
		print_service(call, reply, "imap", "IMAP", "Nhận thư (IMAP)");
		print_service(call, reply, "smtp", "SMTP", "Gửi thư (SMTP)");
		print_service(call, reply, "pop3", "POP3", "Nhận thư (POP3)");
		if (user.address.n)
			status = print_code(call, r, &user, err);
	}
	json_decref(reply);
	return status;
}

static int
run_show(struct admin_call *call)
{
	struct cv_err err = {0};
	struct room r;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	enum cv_status status = open_room(call, &r, &err);
	if (status == CV_OK)
		status = show(call, &r, &err);
	close_room(&r);
	return status == CV_OK ? EXIT_OK : admin_error(call, EXIT_FAILED, err.text, err.text);
}

/* clang-format off */
static const struct admin_option show_options[] = {
	{ "profile", NULL, "print the profile for iPhone, iPad and Mac instead",
		"in hồ sơ cấu hình cho iPhone, iPad, Mac" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_clients_show = {
	.noun = "clients",
	.verb = "show",
	.words = "[ADDRESS]",
	.words_max = 1,
	.help = "servers and ports for mail programs; for one person with a QR code",
	.help_vi = "máy chủ và cổng cho chương trình thư; kèm mã QR của một người",
	.options = show_options,
	.examples = "  congvu clients show\n  congvu clients show nthoa.stp@lamgiang.example",
	.run = run_show,
};

/* ---- sheet ---- */

static size_t
users_of_agency(const struct room *r, struct cv_str code, struct admin_client_user *out)
{
	struct cv_reg_account a;
	size_t n = 0;

	for (size_t i = 0; i < cv_snapshot_accounts(r->snapshot); i++)
		if (cv_snapshot_nth(r->snapshot, i, &a) && a.kind == CV_KIND_PERSON &&
			is_user(&a) && cv_str_eq(a.agency, code))
			out[n++] = (struct admin_client_user){a.display_name, a.address};
	return n;
}

static enum cv_status
choose_users(struct admin_call *call, const struct room *r, struct admin_client_user *users,
	size_t *count_out, struct cv_err *err)
{
	const char *agency = admin_option(call, "agency");
	enum cv_status status = CV_OK;

	*count_out = 0;
	if (agency)
		*count_out = users_of_agency(r, cv_str_z(agency), users);
	if (agency && !*count_out)
		return cv_fail(err, CV_NOT_FOUND, "nobody works at '%s'", agency);
	for (unsigned i = 0; status == CV_OK && i < call->word_count; i++)
		status = find_user(r, call->words[i], &users[(*count_out)++], err);
	return status;
}

static int
run_sheet(struct admin_call *call)
{
	const char *path = admin_option(call, "out");
	struct cv_buf text = CV_BUF_INIT(SHEETS_MAX);
	struct admin_client_user *users = NULL;
	struct cv_err err = {0};
	struct room r;
	size_t count = 0;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	if (!path || (!call->word_count && !admin_option(call, "agency")))
		return admin_error(call, EXIT_USAGE,
			"name addresses or --agency, and a new file with --out",
			"nêu địa chỉ hoặc --agency, và tệp mới bằng --out");
	enum cv_status status = open_room(call, &r, &err);
	if (status == CV_OK) {
		users = cv_calloc(
			cv_snapshot_accounts(r.snapshot) + ADMIN_WORDS_MAX, sizeof *users);
		status = choose_users(call, &r, users, &count, &err);
	}
	if (status == CV_OK)
		status = admin_clients_sheets(&r.c, users, count, &text, &err);
	if (status == CV_OK)
		status = admin_file_replace(path, 0600, cv_buf_view(&text), ADMIN_OWNER_SELF, &err);
	json_t *reply =
		json_pack("{s:b, s:s, s:I}", "ok", 1, "file", path, "sheets", (json_int_t)count);
	if (status == CV_OK && !admin_json(call, reply))
		printf(admin_say(call, "%zu sheets in %s\n", "%zu phiếu trong %s\n"), count, path);
	json_decref(reply);
	free(users);
	cv_buf_done(&text);
	close_room(&r);
	return status == CV_OK ? EXIT_OK : admin_error(call, EXIT_FAILED, err.text, err.text);
}

/* clang-format off */
static const struct admin_option sheet_options[] = {
	{ "agency", "CODE", "a sheet for everybody of this unit", "phiếu cho mọi người của đơn vị này" },
	{ "out", "FILE", "the page to print", "tệp để in" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_clients_sheet = {
	.noun = "clients",
	.verb = "sheet",
	.words = "[ADDRESS...]",
	.words_max = ADMIN_WORDS_MAX,
	.help = "set-up sheets to print: servers, steps, QR codes; no password on them",
	.help_vi = "phiếu cài đặt để in: máy chủ, các bước, mã QR; không ghi mật khẩu",
	.options = sheet_options,
	.examples = "  congvu clients sheet --agency stp --out stp.html\n"
		    "  congvu clients sheet nthoa.stp@lamgiang.example --out phieu.html",
	.run = run_sheet,
};
