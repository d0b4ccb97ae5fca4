/* incident.c - `congvu incident ...`: incidents of security, their clocks and their reports
 * (SEC-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"

static void
set_moment(json_t *row, const char *key, json_int_t secs)
{
	json_object_set_new(row, key, admin_moment(secs));
}

/* What is due next, or that all is done. */
static void
set_next(const struct admin_call *call, json_t *row, const json_t *incident)
{
	size_t i;
	json_t *clock;

	json_array_foreach(json_object_get(incident, "clocks"), i, clock)
	{
		if (json_object_get(clock, "at"))
			continue;
		admin_set(row, "next", admin_str(clock, "step"));
		set_moment(row, "due", admin_number(clock, "due"));
		admin_set(row, "late",
			json_is_true(json_object_get(clock, "late"))
				? admin_say(call, "OVERDUE", "QUÁ HẠN")
				: "");
		return;
	}
	admin_set(row, "next", "-");
	admin_set(row, "due", "-");
}

static void
print_list(const struct admin_call *call, const json_t *reply)
{
	static const struct admin_column columns[] = {
		{"no",       "NO.",       "SỐ"          },
		{"known_at", "KNOWN",     "BIẾT LÚC"   },
		{"kind",     "KIND",      "LOẠI"        },
		{"severity", "SEVERITY",  "MỨC"         },
		{"agency",   "UNIT",      "ĐƠN VỊ"    },
		{"state",    "STATE",     "TÌNH TRẠNG" },
		{"next",     "NEXT STEP", "BƯỚC TIẾP"},
		{"due",      "DUE",       "HẠN"         },
		{"late",     "",          ""              },
		{"what",     "WHAT",      "NỘI DUNG"    },
	};
	json_t *rows = json_array(), *incident;
	size_t i;

	json_array_foreach(json_object_get(reply, "incidents"), i, incident)
	{
		json_t *row = json_copy(incident);
		admin_set_number(row, "no", admin_number(incident, "number"));
		set_moment(row, "known_at", admin_number(incident, "known"));
		set_next(call, row, incident);
		json_array_append_new(rows, row);
	}
	admin_table(call, rows, columns, CV_COUNT(columns));
	json_decref(rows);
}

static void
print_one(const struct admin_call *call, const json_t *incident)
{
	static const struct admin_column columns[] = {
		{"step",    "STEP", "BƯỚC"      },
		{"due_at",  "DUE",  "HẠN"        },
		{"made",    "MADE", "ĐÃ LÀM"    },
		{"by",      "BY",   "NGƯỜI LÀM"},
		{"is_late", "",     ""             },
		{"note",    "NOTE", "GHI CHÚ"     },
	};
	json_t *rows = json_array(), *clock;
	size_t i;

	printf("%lld  %s, %s, %s\n", (long long)admin_number(incident, "number"),
		admin_str(incident, "kind"), admin_str(incident, "severity"),
		admin_str(incident, "state"));
	admin_put(stdout, admin_str(incident, "what"));
	fputs("\n\n", stdout);
	json_array_foreach(json_object_get(incident, "clocks"), i, clock)
	{
		json_t *row = json_copy(clock);
		set_moment(row, "due_at", admin_number(clock, "due"));
		set_moment(row, "made", admin_number(clock, "at"));
		admin_set(row, "is_late",
			json_is_true(json_object_get(clock, "late"))
				? admin_say(call, "LATE", "TRỄ")
				: "");
		json_array_append_new(rows, row);
	}
	admin_table(call, rows, columns, CV_COUNT(columns));
	json_decref(rows);
	if (json_object_get(incident, "lesson")) {
		printf("\n%s: ", admin_say(call, "Lesson", "Bài học"));
		admin_put(stdout, admin_str(incident, "lesson"));
		putchar('\n');
	}
}

/* Sends REQUEST with the options named in KEYS; prints the incident that comes back. */
static int
change(struct admin_call *call, json_t *request, const char *const *keys)
{
	int exit_code;

	for (; *keys; keys++)
		admin_set(request, *keys, admin_option(call, *keys));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_one(call, json_object_get(reply, "incident"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_open(struct admin_call *call)
{
	static const char *const keys[] = {"kind", "severity", "agency", "known", NULL};
	json_t *request = admin_request("incident.open");

	admin_set(request, "what", call->words[0]);
	return change(call, request, keys);
}

static int
run_step(struct admin_call *call)
{
	static const char *const keys[] = {"note", "at", NULL};
	json_t *request = admin_request("incident.step");

	admin_set(request, "number", call->words[0]);
	admin_set(request, "step", call->words[1]);
	return change(call, request, keys);
}

static int
run_close(struct admin_call *call)
{
	static const char *const keys[] = {"lesson", NULL};
	json_t *request = admin_request("incident.close");

	admin_set(request, "number", call->words[0]);
	return change(call, request, keys);
}

static int
run_list(struct admin_call *call)
{
	json_t *request = admin_request("incident.list");
	int exit_code;

	admin_set(request, "state", admin_option(call, "state"));
	if (admin_option(call, "overdue"))
		json_object_set_new(request, "overdue", json_true());
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_list(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_show(struct admin_call *call)
{
	json_t *request = admin_request("incident.list");
	int exit_code;

	admin_set(request, "number", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		print_one(call, json_array_get(json_object_get(reply, "incidents"), 0));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option open_options[] = {
	{ "kind", "KIND", "account, phishing, malware, leak, personal-data, outage or other",
		"account (tài khoản bị chiếm), phishing (lừa đảo), malware (mã độc), leak (lộ dữ liệu), "
		"personal-data (dữ liệu cá nhân), outage (ngừng dịch vụ), other" },
	{ "severity", "LEVEL", "low, medium, high or critical", "low, medium, high hoặc critical" },
	{ "agency", "CODE", "unit concerned", "đơn vị liên quan" },
	{ "known", "TIME", "when it became known, now unless told: 2026-11-22",
		"thời điểm biết sự cố, mặc định là bây giờ" },
	{ 0 }
};
static const struct admin_option list_options[] = {
	{ "state", "STATE", "open or closed", "open (đang mở) hoặc closed (đã đóng)" },
	{ "overdue", NULL, "only those with a step past its time", "chỉ sự cố có bước quá hạn" },
	{ 0 }
};
static const struct admin_option step_options[] = {
	{ "note", "TEXT", "to whom, number of the letter", "báo cho ai, số văn bản" },
	{ "at", "TIME", "when it was made, now unless told", "thời điểm đã làm, mặc định là bây giờ" },
	{ 0 }
};
static const struct admin_option close_options[] = {
	{ "lesson", "TEXT", "what is done so that it does not happen again",
		"biện pháp để sự cố không lặp lại" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_incident_open = {
	.noun = "incident",
	.verb = "open",
	.words = "TEXT",
	.words_min = 1,
	.words_max = 1,
	.help = "enter an incident of security; its clocks run from when it became known: at once, "
		"24 hours, 72 hours",
	.help_vi = "ghi sổ một sự cố an toàn thông tin; tính hạn báo cáo: ngay, 24 giờ, 72 giờ",
	.options = open_options,
	.examples =
		"  congvu incident open \"Một tài khoản bị chiếm, gửi 1.200 thư\" --kind account "
		"--severity high --agency stp",
	.run = run_open,
};
const struct admin_command admin_incident_list = {
	.noun = "incident",
	.verb = "list",
	.words = "",
	.help = "list incidents with the step that is due next",
	.help_vi = "liệt kê sự cố và bước sắp đến hạn",
	.options = list_options,
	.examples = "  congvu incident list --overdue",
	.run = run_list,
};
const struct admin_command admin_incident_show = {
	.noun = "incident",
	.verb = "show",
	.words = "NUMBER",
	.words_min = 1,
	.words_max = 1,
	.help = "show one incident with its clocks",
	.help_vi = "xem một sự cố và các mốc thời hạn",
	.examples = "  congvu incident show 3",
	.run = run_show,
};
const struct admin_command admin_incident_step = {
	.noun = "incident",
	.verb = "step",
	.words = "NUMBER notify|initial|full",
	.words_min = 2,
	.words_max = 2,
	.help = "enter that somebody was told, or a report was sent",
	.help_vi =
		"ghi đã báo ngay (notify), đã gửi báo cáo ban đầu (initial), báo cáo đầy đủ (full)",
	.options = step_options,
	.examples = "  congvu incident step 3 initial --note \"Công văn 12/BC-STTTT\"",
	.run = run_step,
};
const struct admin_command admin_incident_close = {
	.noun = "incident",
	.verb = "close",
	.words = "NUMBER",
	.words_min = 1,
	.words_max = 1,
	.help = "close an incident whose reports were all made",
	.help_vi = "đóng sự cố đã báo cáo đủ",
	.options = close_options,
	.examples = "  congvu incident close 3 --lesson \"Bật xác thực hai lớp cho cả đơn vị\"",
	.run = run_close,
};
