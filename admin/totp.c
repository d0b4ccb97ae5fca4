/* totp.c - `congvu account totp enrol|confirm|remove|status`: the second factor (ACC-04). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin/commands.h"
#include "admin/qr.h"

/* ---- enrol ---- */

static void
put(const struct cv_buf *text)
{
	fwrite(text->p, 1, text->n, stdout);
	fputc('\n', stdout);
}

static int
print_svg(struct admin_call *call, const char *uri)
{
	struct cv_buf out = CV_BUF_INIT(1u << 20);
	struct cv_err err = {0};

	enum cv_status status = admin_qr_svg(cv_str_z(uri),
		admin_say(call, "Set up the authenticator app", "Cài ứng dụng xác thực"), &out,
		&err);
	if (!status)
		put(&out);
	cv_wipe(out.p, out.n);
	cv_buf_done(&out);
	return status ? admin_error(call, EXIT_FAILED, err.text, err.text) : EXIT_OK;
}

static int
print_secret(struct admin_call *call, const json_t *reply)
{
	struct cv_buf out = CV_BUF_INIT(1u << 16);
	struct cv_err err = {0};
	const char *uri = admin_str(reply, "uri");

	if (admin_option(call, "svg"))
		return print_svg(call, uri);
	if (!admin_qr_terminal(cv_str_z(uri), &out, &err))
		put(&out);
	cv_wipe(out.p, out.n);
	cv_buf_done(&out);
	printf("%s: %s\n%s\n",
		admin_say(call, "Secret (shown once)", "Mã bí mật (chỉ hiện một lần)"),
		admin_str(reply, "secret"), uri);
	printf("%s: congvu account totp confirm %s --code NNNNNN\n",
		admin_say(call, "Scan it with an authenticator app, then",
			"Quét bằng ứng dụng xác thực, sau đó chạy"),
		admin_str(reply, "address"));
	return EXIT_OK;
}

static void
print_codes(struct admin_call *call, const json_t *reply)
{
	json_t *code;
	size_t i;

	printf("%s\n", admin_say(call,
		"On. Recovery codes, each for one time; shown once, keep them on paper:",
		"Đã bật. Mã khôi phục, mỗi mã dùng một lần; chỉ hiện một lần, hãy ghi ra giấy:"));
	json_array_foreach(json_object_get(reply, "codes"), i, code)
		printf("  %s\n", json_string_value(code));
}

static void
print_state(struct admin_call *call, const json_t *reply)
{
	printf("%s: %s\n", admin_str(reply, "address"), admin_str(reply, "state"));
	if (json_object_get(reply, "codes_left"))
		printf("%s: %lld\n", admin_say(call, "recovery codes left", "mã khôi phục còn lại"),
			(long long)admin_number(reply, "codes_left"));
}

static int
answer(struct admin_call *call, const char *verb, const json_t *reply)
{
	if (admin_json(call, reply))
		return EXIT_OK;
	if (json_object_get(reply, "uri"))
		return print_secret(call, reply);
	if (!strcmp(verb, "confirm") && json_object_get(reply, "codes"))
		print_codes(call, reply);
	else
		print_state(call, reply);
	return EXIT_OK;
}

static int
run_totp(struct admin_call *call)
{
	static const char *const verbs[] = {"enrol", "confirm", "remove", "status"};
	const char *verb = call->words[0], *code = admin_option(call, "code");
	char what[60] = "";
	int exit_code;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verb, verbs[i]))
			snprintf(what, sizeof(what), "account.totp.%s", verb);
	if (!what[0])
		return admin_error(call, EXIT_USAGE, "say enrol, confirm, remove or status ADDRESS",
			"dùng enrol, confirm, remove hoặc status ĐỊA_CHỈ");
	if (!strcmp(verb, "confirm") && !code)
		return admin_error(call, EXIT_USAGE, "--code is the first code of the app",
			"--code là mã đầu tiên mà ứng dụng hiện");
	if (!strcmp(verb, "remove")) {
		exit_code = admin_confirm(call, "The second factor of this account is removed.",
			"Sẽ gỡ xác thực hai lớp của tài khoản này.", call->words[1]);
		if (exit_code)
			return exit_code;
	}
	json_t *request = admin_request(what);
	admin_set(request, "address", call->words[1]);
	admin_set(request, "code", code);
	admin_set(request, "reason", admin_option(call, "reason"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	exit_code = answer(call, verb, reply);
	json_decref(reply);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "code", "NNNNNN", "confirm: the first code of the app", "confirm: mã đầu tiên ứng dụng hiện" },
	{ "svg", NULL, "enrol: the QR code as SVG, for paper", "enrol: mã QR dạng SVG để in" },
	{ "reason", "TEXT", "kept in the audit trail", "lý do, lưu vào nhật ký" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_account_totp = {
	.noun = "account",
	.verb = "totp",
	.words = "enrol|confirm|remove|status ADDRESS",
	.words_min = 2,
	.words_max = 2,
	.help = "a second factor (TOTP): a code of six digits from an authenticator app",
	.help_vi = "xác thực hai lớp (TOTP): mã 6 chữ số từ ứng dụng trên điện thoại",
	.options = options,
	.examples = "  congvu account totp enrol dtduyen.stp@lamgiang.example\n"
		    "  congvu account totp confirm dtduyen.stp@lamgiang.example --code 123456",
	.run = run_totp,
};
