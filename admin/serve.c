/* serve.c - `congvu serve` and `congvu status`: the supervisor, and what it supervises. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/schedule/schedule.h"
#include "admin/supervise.h"
#include "common/base/log.h"

static int
run_serve(struct admin_call *call)
{
	struct cv_err err = {0};

	if (!admin_conf(call))
		return EXIT_CONFIG;
	cv_program_start("serve", admin_main_options(call));
	int exit_code = admin_supervise(call->conf_path, call->conf, &err);
	if (exit_code)
		admin_error(call, EXIT_FAILED, err.text, err.text);
	return exit_code;
}

static void
print_counts(json_t *detail)
{
	const char *key;
	json_t *value;

	json_object_foreach(detail, key, value)
	{
		if (json_is_integer(value))
			printf("  %-20s %lld\n", key, (long long)json_integer_value(value));
	}
}

/* What a person wants to know first. */
static void
print_health(const struct admin_call *call, const json_t *all)
{
	static const char *const programs[] = {"imapd", "smtpd", "spamfilter"};
	const json_t *smtpd = json_object_get(json_object_get(all, "smtpd"), "detail");
	bool well = true;

	for (size_t i = 0; i < CV_COUNT(programs); i++) {
		if (json_is_true(json_object_get(json_object_get(all, programs[i]), "running")))
			continue;
		well = false;
		printf(admin_say(call, "%s does not run.\n", "%s không chạy.\n"), programs[i]);
	}
	json_t *why = json_object_get(smtpd, "not_ready"), *line;
	size_t i;
	json_array_foreach(why, i, line)
	{
		well = false;
		printf("smtpd: %s\n", json_string_value(line));
	}
	json_t *schedule = json_object_get(all, "schedule");
	json_array_foreach(json_object_get(schedule, "failing"), i, line)
	{
		well = false;
		printf(admin_say(call, "The job %s failed %lld times in a row: ",
			       "Việc %s lỗi %lld lần liên tiếp: "),
			json_string_value(json_object_get(line, "job")),
			(long long)admin_number(line, "failures"));
		admin_put(stdout, json_string_value(json_object_get(line, "error")));
		putchar('\n');
	}
	if (well)
		puts(admin_say(call, "All is well.", "Mọi dịch vụ hoạt động bình thường."));
	json_int_t waiting = json_integer_value(json_object_get(smtpd, "queue_messages"));
	if (waiting)
		printf(admin_say(call, "%lld messages wait to be sent.\n",
			       "%lld thư đang chờ gửi.\n"), (long long)waiting);
	putchar('\n');
}

static int
run_status(struct admin_call *call)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum admin_service service;
	} rows[] = {
		{ "imapd",      ADMIN_STORE      },
		{ "smtpd",      ADMIN_SMTPD      },
		{ "spamfilter", ADMIN_SPAMFILTER },
	};
	/* clang-format on */
	json_t *all = json_object();
	unsigned up = 0;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = {0};
		json_t *reply = admin_try(call, rows[i].service, admin_request("status"), &err);
		bool running = reply && !call->local;
		up += running;
		json_object_set_new(all, rows[i].name,
			json_pack("{s:b, s:o?}", "running", running ? 1 : 0, "detail", reply));
	}
	json_t *schedule = admin_schedule_status(call);
	if (schedule)
		json_object_set_new(all, "schedule", schedule);
	if (!admin_json(call, all)) {
		print_health(call, all);
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			json_t *one = json_object_get(all, rows[i].name);
			printf("%-12s %s\n", rows[i].name,
				json_is_true(json_object_get(one, "running"))
					? admin_say(call, "running", "đang chạy")
					: admin_say(call, "stopped", "đã dừng"));
			print_counts(json_object_get(one, "detail"));
		}
	}
	json_decref(all);
	return up == CV_COUNT(rows) ? EXIT_OK : EXIT_DOWN;
}

const struct admin_command admin_serve = {
	.noun = "serve",
	.words = "",
	.help = "run the mail service: bind ports, start the daemons, restart what dies",
	.help_vi = "chạy dịch vụ thư: mở cổng, khởi động và giám sát các tiến trình",
	.examples = "  congvu --conf /etc/congvu/congvu.conf serve",
	.run = run_serve,
};
const struct admin_command admin_status = {
	.noun = "status",
	.words = "",
	.help = "show which daemons run and what they count; exit code 69 when one is down",
	.help_vi = "xem tình trạng các tiến trình",
	.examples = "  congvu status --json",
	.run = run_status,
};
