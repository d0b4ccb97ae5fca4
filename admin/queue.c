/* queue.c - `congvu queue ...`: mail on its way out, as smtpd sees it. Asked over
 * its socket only. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "admin/commands.h"
#include "common/base/clock.h"

#define LIST_DEFAULT 100
#define LIST_MAX     10000

/* ---- for people ---- */

/* "2026-11-22 17:45" in the province's time. */
static void
format_time(json_int_t secs, char out[32])
{
	time_t t = (time_t)secs;
	struct tm tm;

	if (!secs || !localtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M", &tm))
		snprintf(out, 32, "-");
}

static void
format_size(json_int_t bytes, char out[32])
{
	static const char *const units[] = {"B", "K", "M", "G", "T"};
	double n = (double)bytes;
	size_t u = 0;

	while (n >= 1024 && u + 1 < CV_COUNT(units)) {
		n /= 1024;
		u++;
	}
	snprintf(out, 32, u && n < 10 ? "%.1f%s" : "%.0f%s", n, units[u]);
}

static void
use_time_zone(struct admin_call *call)
{
	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
}

/* A row of the list: the first recipient stands for all. */
static json_t *
list_row(const struct admin_call *call, const json_t *msg)
{
	const json_t *rcpts = json_object_get(msg, "recipients"), *first = json_array_get(rcpts, 0);
	size_t count = json_array_size(rcpts), held = 0, i;
	json_t *r;
	char arrived[32], next[32], size[32], to[400];
	const char *sender = admin_str(msg, "sender");

	json_array_foreach(rcpts, i, r)
	{
		held += !strcmp(admin_str(r, "state"), "held");
	}
	format_time(admin_number(msg, "arrived"), arrived);
	format_time(admin_number(first, "next"), next);
	format_size(admin_number(msg, "size"), size);
	if (count > 1)
		snprintf(to, sizeof to, "%s +%zu", admin_str(first, "address"), count - 1);
	else
		snprintf(to, sizeof to, "%s", admin_str(first, "address"));
	bool is_sending = !strcmp(admin_str(first, "state"), "sending");
	const char *state = is_sending ? admin_say(call, "sending", "đang gửi") : next;
	if (!strcmp(admin_str(first, "state"), "scheduled"))
		state = admin_say(call, "scheduled", "hẹn giờ");
	if (count && held == count)
		state = admin_say(call, "held", "đang giữ");
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "id", admin_str(msg, "id"),
		"arrived", arrived, "size", size, "sender", sender[0] ? sender : "<>", "to", to,
		"next", state, "tries", admin_number(first, "attempts"), "why",
		admin_str(first, "last_reply"));
}

static void
print_list(const struct admin_call *call, const json_t *reply)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "id", "ID", "MÃ" },
		{ "arrived", "ARRIVED", "ĐẾN LÚC" },
		{ "size", "SIZE", "CỠ" },
		{ "sender", "FROM", "NGƯỜI GỬI" },
		{ "to", "TO", "NGƯỜI NHẬN" },
		{ "next", "NEXT TRY", "LẦN GỬI TỚI" },
		{ "tries", "TRIES", "ĐÃ THỬ" },
		{ "why", "LAST ANSWER", "TRẢ LỜI GẦN NHẤT" },
	};
	/* clang-format on */
	json_t *rows = json_array(), *msg;
	size_t i;

	json_array_foreach(json_object_get(reply, "messages"), i, msg)
		json_array_append_new(rows, list_row(call, msg));
	if (json_array_size(rows))
		admin_table(call, rows, columns, CV_COUNT(columns));
	else
		puts(admin_say(call, "The queue is empty.", "Hàng đợi trống."));
	if (json_is_true(json_object_get(reply, "more")))
		printf(admin_say(call, "There are more: --after %s\n", "Còn nữa: --after %s\n"),
			admin_str(reply, "next"));
	json_decref(rows);
}

static void
print_line(const struct admin_call *call, const char *en, const char *vi, const char *text)
{
	const char *title = admin_say(call, en, vi);
	size_t width = admin_width(title);

	printf("%s%*s", title, (int)(width < 14 ? 14 - width : 1), "");
	admin_put(stdout, text);
	putchar('\n');
}

/* What the sender asked for beyond the usual. */
static void
print_wishes(const struct admin_call *call, const json_t *msg)
{
	char when[32], text[80];

	if (admin_number(msg, "not_before")) {
		format_time(admin_number(msg, "not_before"), when);
		print_line(call, "Not before", "Hẹn gửi lúc", when);
	}
	if (admin_number(msg, "deliver_by")) {
		bool returns = !strcmp(admin_str(msg, "deliver_by_mode"), "return");
		format_time(admin_number(msg, "deliver_by"), when);
		snprintf(text, sizeof text, "%s (%s)", when,
			returns ? admin_say(call, "else returned", "quá hạn thì trả lại")
				: admin_say(call, "else a notice", "quá hạn thì báo"));
		print_line(call, "Deliver by", "Phát trước", text);
	}
	if (admin_number(msg, "priority")) {
		snprintf(text, sizeof text, "%+d", (int)admin_number(msg, "priority"));
		print_line(call, "Priority", "Mức ưu tiên", text);
	}
}

static const char *
state_word(const struct admin_call *call, const char *state)
{
	static const char *const words[][3] = {
		{"waiting",   "waiting",   "đang chờ"},
		{"held",      "held",      "đang giữ"},
		{"scheduled", "scheduled", "hẹn giờ"},
		{"sending",   "sending",   "đang gửi"}
	};

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (!strcmp(state, words[i][0]))
			return admin_say(call, words[i][1], words[i][2]);
	return state;
}

static void
print_message(const struct admin_call *call, const json_t *msg)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "address", "TO", "NGƯỜI NHẬN" },
		{ "state", "STATE", "TRẠNG THÁI" },
		{ "when", "NEXT TRY", "LẦN GỬI TỚI" },
		{ "attempts", "TRIES", "ĐÃ THỬ" },
		{ "last_reply", "LAST ANSWER", "TRẢ LỜI GẦN NHẤT" },
	};
	/* clang-format on */
	char text[32];
	json_t *r, *rcpts = json_object_get(msg, "recipients");
	size_t i;

	print_line(call, "Id", "Mã", admin_str(msg, "id"));
	print_line(call, "From", "Người gửi",
		admin_str(msg, "sender")[0] ? admin_str(msg, "sender") : "<>");
	print_line(call, "Account", "Tài khoản", admin_str(msg, "account"));
	format_size(admin_number(msg, "size"), text);
	print_line(call, "Size", "Cỡ", text);
	format_time(admin_number(msg, "arrived"), text);
	print_line(call, "Arrived", "Đến lúc", text);
	format_time(admin_number(msg, "expires"), text);
	print_line(call, "Given up at", "Hạn gửi", text);
	print_wishes(call, msg);
	putchar('\n');
	json_array_foreach(rcpts, i, r)
	{
		format_time(admin_number(r, "next"), text);
		json_object_set_new(r, "when", json_string(text));
		json_object_set_new(
			r, "state", json_string(state_word(call, admin_str(r, "state"))));
	}
	admin_table(call, rcpts, columns, CV_COUNT(columns));
}

/* ---- commands ---- */

static bool
take_limit(struct admin_call *call, json_t *request)
{
	const char *text = admin_option(call, "limit");
	uint64_t limit = LIST_DEFAULT;

	if (text && (cv_str_u64(cv_str_z(text), LIST_MAX, &limit) != CV_OK || !limit)) {
		admin_error(call, EXIT_USAGE, "--limit takes 1 to 10000",
			"--limit nhận từ 1 đến 10000");
		return false;
	}
	json_object_set_new(request, "limit", json_integer((json_int_t)limit));
	return true;
}

/* A number with a unit, "2h" or "5M"; false, said, when it is none. */
static bool
take_number(struct admin_call *call, json_t *request, const char *option, const char *key,
	const char *units, const json_int_t *factors)
{
	const char *text = admin_option(call, option);
	struct cv_str s = cv_str_z(text);
	json_int_t factor = 1;
	uint64_t n;

	if (!text)
		return true;
	const char *unit = s.n > 1 ? strchr(units, s.p[s.n - 1]) : NULL;
	if (unit) {
		factor = factors[unit - units];
		s = cv_str_sub(s, 0, s.n - 1);
	}
	if (cv_str_u64(s, 1u << 31, &n) != CV_OK) {
		char en[100], vi[100];
		snprintf(en, sizeof en, "--%s takes a number with a unit of %s", option, units);
		snprintf(vi, sizeof vi, "--%s nhận một số kèm đơn vị %s", option, units);
		admin_error(call, EXIT_USAGE, en, vi);
		return false;
	}
	json_object_set_new(request, key, json_integer((json_int_t)n * factor));
	return true;
}

static bool
take_filter(struct admin_call *call, json_t *request)
{
	static const char *const names[] = {"sender", "recipient", "domain", "state", "account"};
	static const json_int_t secs[] = {1, 60, 3600, 86400, 604800};
	static const json_int_t bytes[] = {1 << 10, 1 << 20, 1 << 30};

	for (size_t i = 0; i < CV_COUNT(names); i++)
		admin_set(request, names[i], admin_option(call, names[i]));
	return take_number(call, request, "older", "older", "smhdw", secs) &&
	       take_number(call, request, "size", "larger", "KMG", bytes);
}

static int
run_list(struct admin_call *call)
{
	json_t *request = admin_request("queue.list");
	int exit_code;

	admin_set(request, "after", admin_option(call, "after"));
	if (!take_filter(call, request) || !take_limit(call, request)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	use_time_zone(call);
	if (!admin_json(call, reply))
		print_list(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_show(struct admin_call *call)
{
	json_t *request = admin_request("queue.show");
	int exit_code;

	admin_set(request, "id", call->words[0]);
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	use_time_zone(call);
	if (!admin_json(call, reply))
		print_message(call, json_object_get(reply, "message"));
	json_decref(reply);
	return EXIT_OK;
}

static int
run_stats(struct admin_call *call)
{
	/* clang-format off */
	static const struct {
		const char *key, *en, *vi;
	} rows[] = {
		{ "messages", "Messages", "Số thư" },
		{ "recipients", "Recipients", "Người nhận" },
		{ "held", "Held", "Đang giữ" },
		{ "sending", "Being sent", "Đang gửi" },
		{ "connections", "Connections", "Kết nối" },
	};
	/* clang-format on */
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "name", "DESTINATION", "NƠI NHẬN" },
		{ "tls", "TLS", "TLS" },
		{ "jobs", "WAITING", "ĐANG CHỜ" },
		{ "connections", "CONNECTIONS", "KẾT NỐI" },
		{ "down_secs", "DOWN FOR (S)", "NGỪNG (GIÂY)" },
		{ "why", "WHY", "LÝ DO" },
	};
	/* clang-format on */
	int exit_code;
	char text[32];
	json_t *reply = admin_ask(call, ADMIN_SMTPD, admin_request("queue.stats"), &exit_code);

	if (!reply)
		return exit_code;
	use_time_zone(call);
	if (!admin_json(call, reply)) {
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			snprintf(text, sizeof text, "%lld",
				(long long)admin_number(reply, rows[i].key));
			print_line(call, rows[i].en, rows[i].vi, text);
		}
		format_size(admin_number(reply, "bytes"), text);
		print_line(call, "Size", "Dung lượng", text);
		format_time(admin_number(reply, "oldest"), text);
		print_line(call, "Oldest", "Cũ nhất", text);
		json_t *destinations = json_object_get(reply, "destinations");
		if (json_array_size(destinations)) {
			putchar('\n');
			admin_table(call, destinations, columns, CV_COUNT(columns));
		}
	}
	json_decref(reply);
	return EXIT_OK;
}

static void
print_summary(const struct admin_call *call, const json_t *reply)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "domain", "DESTINATION", "NƠI NHẬN" },
		{ "waiting", "WAITING", "ĐANG CHỜ" },
		{ "held", "HELD", "ĐANG GIỮ" },
		{ "5m", "<5M", "<5P" },
		{ "30m", "<30M", "<30P" },
		{ "2h", "<2H", "<2G" },
		{ "12h", "<12H", "<12G" },
		{ "1d", "<1D", "<1N" },
		{ "older", "OLDER", "LÂU HƠN" },
		{ "when", "NEXT TRY", "LẦN GỬI TỚI" },
		{ "last_reply", "LAST ANSWER", "TRẢ LỜI GẦN NHẤT" },
	};
	/* clang-format on */
	json_t *domains = json_object_get(reply, "domains"), *d;
	size_t i;
	char text[32];

	json_array_foreach(domains, i, d)
	{
		json_object_update(d, json_object_get(d, "ages"));
		format_time(admin_number(d, "next"), text);
		json_object_set_new(d, "when", json_string(text));
	}
	if (json_array_size(domains))
		admin_table(call, domains, columns, CV_COUNT(columns));
	else
		puts(admin_say(call, "The queue is empty.", "Hàng đợi trống."));
	if ((size_t)admin_number(reply, "total") > json_array_size(domains))
		printf(admin_say(call, "%lld destinations in all\n", "tổng cộng %lld nơi nhận\n"),
			(long long)admin_number(reply, "total"));
}

static int
run_summary(struct admin_call *call)
{
	json_t *request = admin_request("queue.summary");
	int exit_code;

	if (!take_limit(call, request)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	use_time_zone(call);
	if (!admin_json(call, reply))
		print_summary(call, reply);
	json_decref(reply);
	return EXIT_OK;
}

/* Does the command say which messages, other than by an id? */
static bool
has_filter(const struct admin_call *call)
{
	static const char *const names[] = {
		"sender", "account", "recipient", "domain", "state", "older", "size"};

	for (size_t i = 0; i < CV_COUNT(names); i++)
		if (admin_option(call, names[i]))
			return true;
	return false;
}

/* One message by its id, all that the filters choose, or with --all the whole queue. */
static int
change(struct admin_call *call, const char *what, bool is_dangerous)
{
	bool all = admin_option(call, "all") || (!call->word_count && has_filter(call));
	int exit_code = EXIT_OK;

	if (all == (call->word_count > 0))
		return admin_error(call, EXIT_USAGE,
			"name one message, choose some (--domain, --sender, ...), or say --all",
			"chỉ một thư theo mã, chọn bằng --domain, --sender, ..., hoặc dùng --all");
	bool dry_run = admin_option(call, "dry-run") != NULL;
	if (is_dangerous && !dry_run)
		exit_code = admin_confirm(call,
			"this cannot be undone (--dry-run shows what it would do)",
			"thao tác này không hoàn tác được (--dry-run để xem trước)", NULL);
	if (exit_code)
		return exit_code;
	json_t *request = admin_request(what);
	if (all)
		json_object_set_new(request, "all", json_true());
	else
		admin_set(request, "id", call->words[0]);
	if (dry_run)
		json_object_set_new(request, "dry_run", json_true());
	if (!take_filter(call, request)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	json_int_t busy = admin_number(reply, "busy");
	if (!admin_json(call, reply)) {
		printf(dry_run ? admin_say(call, "%lld messages, %lld recipients would change",
					 "%lld thư, %lld người nhận sẽ thay đổi")
			       : admin_say(call, "%lld messages, %lld recipients changed",
					 "%lld thư, %lld người nhận đã thay đổi"),
			(long long)admin_number(reply, "messages"),
			(long long)admin_number(reply, "recipients"));
		if (busy)
			printf(admin_say(call, "; %lld are being sent at this moment",
				       "; %lld đang được gửi"),
				(long long)busy);
		putchar('\n');
	}
	json_decref(reply);
	return busy ? EXIT_PARTLY : EXIT_OK;
}

static int
run_retry(struct admin_call *call)
{
	return change(call, "queue.retry", false);
}

static int
run_hold(struct admin_call *call)
{
	return change(call, "queue.hold", false);
}

static int
run_release(struct admin_call *call)
{
	return change(call, "queue.release", false);
}

static int
run_delete(struct admin_call *call)
{
	return change(call, "queue.delete", true);
}

static int
run_bounce(struct admin_call *call)
{
	return change(call, "queue.bounce", true);
}

/* clang-format off */
#define FILTERS \
	{ "sender", "TEXT", "whose sender has TEXT in it", "người gửi có chứa chữ này" }, \
	{ "account", "NAME", "that this account submitted", "do tài khoản này gửi" }, \
	{ "recipient", "TEXT", "recipients that have TEXT in them", "người nhận có chứa chữ này" }, \
	{ "domain", "DOMAIN", "recipients at DOMAIN", "người nhận thuộc tên miền này" }, \
	{ "state", "STATE", "recipients that are waiting or held", "người nhận đang chờ (waiting) hoặc đang giữ (held)" }, \
	{ "older", "TIME", "that came longer ago: 30m, 2h, 1d", "đến trước khoảng này: 30m, 2h, 1d" }, \
	{ "size", "BYTES", "of at least so much: 500K, 5M", "cỡ ít nhất: 500K, 5M" }
#define CHOOSING \
	{ "all", NULL, "all messages; without it the next options choose which", "mọi thư; nếu không, các tùy chọn sau chọn thư nào" }, \
	FILTERS, \
	{ "dry-run", NULL, "only count what would change", "chỉ đếm, không thay đổi" }

static const struct admin_option list_options[] = {
	FILTERS,
	{ "limit", "N", "at most so many; 100 unless told", "nhiều nhất bấy nhiêu, mặc định 100" },
	{ "after", "ID", "behind this message", "sau thư này" },
	{ 0 }
};
static const struct admin_option summary_options[] = {
	{ "limit", "N", "at most so many domains; 100 unless told", "nhiều nhất bấy nhiêu tên miền, mặc định 100" },
	{ 0 }
};
/* clang-format on */
static const struct admin_option change_options[] = {CHOOSING, {0}};
/* clang-format off */
static const struct admin_option danger_options[] = {
	CHOOSING,
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_queue_list = {
	.noun = "queue",
	.verb = "list",
	.words = "",
	.help = "list mail that waits to be sent",
	.help_vi = "liệt kê thư đang chờ gửi",
	.options = list_options,
	.examples = "  congvu queue list\n  congvu queue list --recipient @moj.example --json",
	.run = run_list,
};
const struct admin_command admin_queue_show = {
	.noun = "queue",
	.verb = "show",
	.words = "ID",
	.words_min = 1,
	.words_max = 1,
	.help = "show one message with all its recipients",
	.help_vi = "xem một thư và mọi người nhận",
	.examples = "  congvu queue show 1a2b3c4d5e",
	.run = run_show,
};
const struct admin_command admin_queue_retry = {
	.noun = "queue",
	.verb = "retry",
	.words = "[ID]",
	.words_max = 1,
	.help = "try to send now",
	.help_vi = "gửi lại ngay",
	.options = change_options,
	.examples = "  congvu queue retry --all\n  congvu queue retry 1a2b3c4d5e",
	.run = run_retry,
};
const struct admin_command admin_queue_hold = {
	.noun = "queue",
	.verb = "hold",
	.words = "[ID]",
	.words_max = 1,
	.help = "keep mail until it is released",
	.help_vi = "giữ thư lại",
	.options = change_options,
	.examples = "  congvu queue hold --all --sender nvan.stp@lamgiang.example",
	.run = run_hold,
};
const struct admin_command admin_queue_release = {
	.noun = "queue",
	.verb = "release",
	.words = "[ID]",
	.words_max = 1,
	.help = "let held mail go",
	.help_vi = "thả thư đang giữ",
	.options = change_options,
	.examples = "  congvu queue release 1a2b3c4d5e",
	.run = run_release,
};
const struct admin_command admin_queue_delete = {
	.noun = "queue",
	.verb = "delete",
	.words = "[ID]",
	.words_max = 1,
	.help = "throw mail away; nobody is told",
	.help_vi = "xóa thư, không báo cho ai",
	.options = danger_options,
	.examples = "  congvu queue delete 1a2b3c4d5e --yes",
	.run = run_delete,
};
const struct admin_command admin_queue_bounce = {
	.noun = "queue",
	.verb = "bounce",
	.words = "[ID]",
	.words_max = 1,
	.help = "return mail to its sender now",
	.help_vi = "trả thư về người gửi ngay",
	.options = danger_options,
	.examples = "  congvu queue bounce 1a2b3c4d5e --yes",
	.run = run_bounce,
};
const struct admin_command admin_queue_stats = {
	.noun = "queue",
	.verb = "stats",
	.words = "",
	.help = "count what waits, by destination",
	.help_vi = "thống kê hàng đợi theo nơi nhận",
	.examples = "  congvu queue stats --json",
	.run = run_stats,
};
const struct admin_command admin_queue_summary = {
	.noun = "queue",
	.verb = "summary",
	.words = "",
	.help = "what waits, by destination and age, with the last answer",
	.help_vi = "thư đang chờ theo nơi nhận và thời gian, kèm trả lời gần nhất",
	.options = summary_options,
	.examples = "  congvu queue summary\n  congvu queue summary --limit 10 --json",
	.run = run_summary,
};

static int
run_adopt(struct admin_call *call)
{
	json_t *request = admin_request("queue.adopt");
	int exit_code;

	admin_set(request, "dir", call->words[0]);
	if (admin_option(call, "dry-run"))
		json_object_set_new(request, "dry_run", json_true());
	json_t *reply = admin_ask(call, ADMIN_SMTPD, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply))
		printf(admin_say(call, "%lld messages, %lld recipients%s\n",
			       "%lld thư, %lld người nhận%s\n"),
			(long long)admin_number(reply, "messages"),
			(long long)admin_number(reply, "recipients"),
			admin_option(call, "dry-run")
				? admin_say(call, " would be taken over", " sẽ được tiếp nhận")
				: admin_say(call, " taken over", " đã tiếp nhận"));
	json_decref(reply);
	return EXIT_OK;
}

/* clang-format off */
static const struct admin_option adopt_options[] = {
	{ "dry-run", NULL, "only count what would move", "chỉ đếm, không chuyển" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_queue_adopt = {
	.noun = "queue",
	.verb = "adopt",
	.words = "FOLDER",
	.words_min = 1,
	.words_max = 1,
	.help = "take over the mail in the queue folder of a node that died; refused while its "
		"lease runs",
	.help_vi = "tiếp nhận thư trong hàng đợi của máy đã hỏng; từ chối khi máy đó còn hoạt động",
	.options = adopt_options,
	.examples = "  congvu queue adopt /srv/mail2/queue --dry-run\n  congvu queue adopt "
		    "/srv/mail2/queue",
	.run = run_adopt,
};
