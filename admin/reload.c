/* reload.c - `congvu reload` and `congvu drain`: the daemons read their configuration again, or
 * stop when the mail under way is in. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

/* clang-format off */
static const struct {
	const char *name;
	enum admin_service service;
} programs[] = {
	{ "imapd",      ADMIN_STORE      },
	{ "smtpd",      ADMIN_SMTPD      },
	{ "spamfilter", ADMIN_SPAMFILTER },
};
/* clang-format on */

static void
print_names(const char *title, const json_t *names)
{
	json_t *name;
	size_t i;

	if (!json_array_size(names))
		return;
	printf("  %s", title);
	json_array_foreach(names, i, name)
		printf(" %s", json_string_value(name));
	putchar('\n');
}

/* The exit code for one program. */
static int
reload_one(struct admin_call *call, size_t i, json_t *all)
{
	struct cv_err err = {0};
	json_t *reply = admin_try(call, programs[i].service, admin_request("reload"), &err);

	if (!reply) {
		json_object_set_new(all, programs[i].name,
			json_pack("{s:b, s:s, s:s}", "ok", 0, "error", err.text, "error_vi",
				call->error_vi[0] ? call->error_vi : err.text));
		if (!call->json)
			fprintf(stderr, "%s: %s\n", programs[i].name,
				admin_say(call, err.text,
					call->error_vi[0] ? call->error_vi : err.text));
		call->error_vi[0] = '\0';
		return err.code == CV_TEMPFAIL ? EXIT_DOWN : EXIT_CONFIG;
	}
	if (!call->json) {
		bool same = !json_array_size(json_object_get(reply, "changed"));
		printf("%s: %s\n", programs[i].name,
			same ? admin_say(call, "read again", "đã đọc lại")
			     : admin_say(call, "read again, changed", "đã đọc lại, có thay đổi"));
		print_names(admin_say(call, "in force now:", "có hiệu lực ngay:"),
			json_object_get(reply, "changed"));
		print_names(admin_say(call, "after a restart:", "cần khởi động lại:"),
			json_object_get(reply, "restart"));
	}
	json_object_set_new(all, programs[i].name, reply);
	return EXIT_OK;
}

static int
run_reload(struct admin_call *call)
{
	const char *only = call->word_count ? call->words[0] : NULL;
	json_t *all = json_object();
	int exit_code = EXIT_OK;
	bool known = !only;

	if (!admin_conf(call)) {
		json_decref(all);
		return EXIT_CONFIG;
	}
	for (size_t i = 0; i < CV_COUNT(programs); i++) {
		if (only && strcmp(only, programs[i].name))
			continue;
		known = true;
		int one = reload_one(call, i, all);
		exit_code = one ? one : exit_code;
	}
	if (!known) {
		json_decref(all);
		return admin_error(call, EXIT_USAGE, "name imapd, smtpd or spamfilter",
			"hãy chỉ imapd, smtpd hoặc spamfilter");
	}
	admin_json(call, all);
	json_decref(all);
	return exit_code;
}

static int
run_drain(struct admin_call *call)
{
	int exit_code;
	json_t *reply = admin_ask(call, ADMIN_SMTPD, admin_request("drain"), &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(admin_say(call, "smtpd takes no new mail; %lld sessions have %lld s to end\n",
			       "smtpd không nhận thư mới; %lld phiên có %lld giây để kết thúc\n"),
			(long long)json_integer_value(json_object_get(reply, "sessions")),
			(long long)json_integer_value(json_object_get(reply, "drain_timeout")));
	json_decref(reply);
	return EXIT_OK;
}

const struct admin_command admin_reload = {
	.noun = "reload",
	.words = "[PROGRAM]",
	.words_max = 1,
	.help = "read configuration and certificates again; a fault keeps the old and is named",
	.help_vi = "đọc lại cấu hình và chứng thư; nếu có lỗi thì giữ cấu hình cũ và báo lỗi",
	.examples = "  congvu reload\n  congvu reload smtpd --json",
	.run = run_reload,
};
const struct admin_command admin_drain = {
	.noun = "drain",
	.words = "",
	.help = "let smtpd finish the messages under way and stop; under `congvu serve` it starts anew",
	.help_vi = "để smtpd nhận xong thư đang đến rồi dừng; dưới `congvu serve` nó tự khởi động lại",
	.examples = "  congvu drain",
	.run = run_drain,
};
