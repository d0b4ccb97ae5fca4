/* trace.c - `congvu trace`: the course of a message from the connection to the box, or to whatever
 * became of it. Reads what smtpd wrote down (common/audit/trace.h), also while smtpd is down. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "admin/commands.h"
#include "common/audit/trace.h"
#include "common/base/clock.h"

#define MESSAGES_DEFAULT 50
#define MESSAGES_MAX     1000
#define LINES_MAX        200000

struct tracing {
	struct admin_call *call;
	json_t *messages; /* id -> list of records, in the order found */
	size_t lines;
};

/* ---- one record as a sentence ---- */

/* "{peer}" in a sentence stands for that field. */
static void
fill(char *out, size_t n, const char *sentence, const json_t *r)
{
	size_t used = 0;

	for (const char *p = sentence; *p && used + 1 < n; p++) {
		const char *end = *p == '{' ? strchr(p, '}') : NULL;
		char key[32];
		if (!end || (size_t)(end - p) > sizeof key) {
			out[used++] = *p;
			continue;
		}
		snprintf(key, sizeof key, "%.*s", (int)(end - p - 1), p + 1);
		int got = snprintf(out + used, n - used, "%s", admin_str(r, key));
		used = CV_MIN(used + (size_t)CV_MAX(got, 0), n - 1);
		p = end;
		if (!got && p[1] == ' ' && used && strchr(" (", out[used - 1]))
			p++; /* a field that is not there leaves one blank, not two */
	}
	out[used] = '\0';
}

/* clang-format off */
static const struct {
	const char *event, *key, *value; /* KEY "": any; VALUE NULL: when KEY is there */
	const char *en, *vi;
} sentences[] = {
	{ "mail", "account", NULL,
		"{account} began a message from <{from}> at {peer} ({port}, {tls}, log-in {mech}, connection {conn})",
		"{account} bắt đầu gửi thư từ <{from}>, máy {peer} (cổng {port}, {tls}, đăng nhập {mech}, kết nối {conn})" },
	{ "mail", "tls", NULL,
		"{peer} ({helo}) began a message from <{from}> ({port}, {tls}, connection {conn})",
		"Máy {peer} ({helo}) bắt đầu chuyển thư từ <{from}> (cổng {port}, {tls}, kết nối {conn})" },
	{ "mail", "", NULL,
		"{peer} ({helo}) began a message from <{from}> ({port}, no TLS, connection {conn})",
		"Máy {peer} ({helo}) bắt đầu chuyển thư từ <{from}> (cổng {port}, không mã hóa, kết nối {conn})" },
	{ "rcpt", "reply", "250",
		"recipient <{to}> accepted", "Chấp nhận người nhận <{to}>" },
	{ "rcpt", "", NULL,
		"recipient <{to}> refused: {reply}", "Từ chối người nhận <{to}>: {reply}" },
	{ "data", "", NULL,
		"the whole message is here, {size} bytes, Message-ID <{mid}>",
		"Đã nhận đủ thư, {size} byte, Message-ID <{mid}>" },
	{ "filter", "verdict", "pass",
		"the filters let it pass ({ms} ms)", "Bộ lọc cho qua ({ms} ms)" },
	{ "filter", "", NULL,
		"the filters said {verdict} ({ms} ms)", "Bộ lọc kết luận: {verdict} ({ms} ms)" },
	{ "box", "place", NULL,
		"box <{to}>: {result}, put into {place} by the filter's verdict", "Hộp thư <{to}>: {result}, bộ lọc xếp vào {place}" },
	{ "box", "", NULL,
		"box <{to}>: {result}", "Hộp thư <{to}>: {result}" },
	{ "queue", "held", NULL,
		"kept in the queue as {q} until an operator decides ({held})",
		"Giữ trong hàng đợi với mã {q}, chờ quản trị quyết định ({held})" },
	{ "queue", "", NULL,
		"put into the queue as {q}, {rcpts} recipients", "Vào hàng đợi với mã {q}, {rcpts} người nhận" },
	{ "end", "reply", "250",
		"answered: taken ({ms} ms after the data)", "Đã trả lời: nhận thư ({ms} ms sau khi đủ dữ liệu)" },
	{ "end", "", NULL,
		"answered: refused, {reply}", "Đã trả lời: từ chối, {reply}" },
	{ "out", "fate", "sent",
		"<{to}> handed to {host} ({tls}): {reply}", "Đã giao thư cho <{to}> tại {host} ({tls}): {reply}" },
	{ "out", "fate", "deferred",
		"<{to}> could not be sent now ({host} {status}): {reply}; next try {next}",
		"Chưa gửi được cho <{to}> ({host} {status}): {reply}; thử lại lúc {next}" },
	{ "out", "fate", "expired",
		"<{to}> given up, time is over: {reply}", "Hết hạn gửi cho <{to}>: {reply}" },
	{ "out", "", NULL,
		"<{to}> failed for good ({host} {status}): {reply}", "Không gửi được cho <{to}> ({host} {status}): {reply}" },
	{ "report", "", NULL,
		"a report goes to <{to}> as message {child}", "Gửi thông báo cho <{to}>, là thư {child}" },
	{ "queue.hold", "", NULL, "an operator held <{to}>", "Quản trị giữ lại thư cho <{to}>" },
	{ "queue.release", "", NULL, "an operator released <{to}>", "Quản trị thả thư cho <{to}>" },
	{ "queue.retry", "", NULL, "an operator asked to try <{to}> now", "Quản trị yêu cầu gửi lại cho <{to}>" },
	{ "queue.delete", "", NULL, "an operator deleted <{to}>", "Quản trị xóa thư cho <{to}>" },
	{ "queue.bounce", "", NULL, "an operator returned <{to}> to its sender", "Quản trị trả lại thư cho <{to}>" },
	{ "adopt", "", NULL, "taken over from another node's queue as {q}", "Tiếp nhận từ hàng đợi của máy khác, mã {q}" },
};
/* clang-format on */

static void
say_record(const struct admin_call *call, const json_t *r, char *out, size_t n)
{
	const char *event = admin_str(r, "e");

	for (size_t i = 0; i < CV_COUNT(sentences); i++) {
		const char *value = admin_str(r, sentences[i].key);
		if (strcmp(sentences[i].event, event))
			continue;
		if (sentences[i].key[0] && !value[0])
			continue;
		if (sentences[i].value && strcmp(value, sentences[i].value))
			continue;
		fill(out, n, admin_say(call, sentences[i].en, sentences[i].vi), r);
		return;
	}
	snprintf(out, n, "%s", event);
}

static void
format_ms(json_int_t ms, char out[40])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char base[32];

	if (!localtime_r(&t, &tm) || !strftime(base, sizeof base, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(base, sizeof base, "-");
	snprintf(out, 40, "%s.%03d", base, (int)(ms % 1000));
}

static void
print_record(const struct admin_call *call, json_t *r)
{
	char when[40], next[40], line[2000];
	const char *due = admin_str(r, "next");
	uint64_t secs;

	if (due[0] && cv_str_u64(cv_str_z(due), INT64_MAX / 2000, &secs) == CV_OK) {
		format_ms((json_int_t)secs * 1000, next);
		next[19] = '\0';
		json_object_set_new(r, "next", json_string(next));
	}
	format_ms(json_integer_value(json_object_get(r, "t")), when);
	say_record(call, r, line, sizeof line);
	printf("  %s  ", when);
	admin_put(stdout, line);
	putchar('\n');
}

/* ---- gathering ---- */

static bool
take(void *arg, struct cv_str line)
{
	struct tracing *t = arg;
	json_t *r = json_loadb(line.p, line.n, 0, NULL);
	const char *id = r ? admin_str(r, "m") : "";

	if (!id[0]) {
		json_decref(r);
		return true;
	}
	json_t *list = json_object_get(t->messages, id);
	if (!list) {
		list = json_array();
		json_object_set_new(t->messages, id, list);
	}
	json_array_append_new(list, r);
	return ++t->lines < LINES_MAX;
}

/* "2h", "3d", or "2026-11-22", "2026-11-22 08:00", in the province's time. False: neither. */
static bool
read_time(const char *text, int64_t *ms_out)
{
	static const char *const formats[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",
		"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
	static const struct {
		char unit;
		int64_t secs;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	struct cv_str s = cv_str_z(text);
	uint64_t n;

	for (size_t i = 0; s.n > 1 && i < CV_COUNT(units); i++)
		if (s.p[s.n - 1] == units[i].unit
			&& cv_str_u64(cv_str_sub(s, 0, s.n - 1), 100000000, &n) == CV_OK) {
			*ms_out = cv_wall_ms() - (int64_t)n * units[i].secs * 1000;
			return true;
		}
	for (size_t i = 0; i < CV_COUNT(formats); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, formats[i], &tm);
		if (end && !*end) {
			*ms_out = (int64_t)mktime(&tm) * 1000;
			return true;
		}
	}
	return false;
}

static bool
take_times(struct admin_call *call, struct cv_trace_query *q)
{
	const char *since = admin_option(call, "since"), *until = admin_option(call, "until");

	if ((since && !read_time(since, &q->since_ms))
		|| (until && !read_time(until, &q->until_ms))) {
		admin_error(call, EXIT_USAGE,
			"--since and --until take \"2h\", \"3d\", \"2026-11-22\" or \"2026-11-22 08:00\"",
			"--since và --until nhận dạng \"2h\", \"3d\", \"2026-11-22\" hoặc \"2026-11-22 08:00\"");
		return false;
	}
	return true;
}

/* What a person pastes: brackets around an address or a Message-ID mean nothing. */
static struct cv_str
bare(const char *word)
{
	struct cv_str s = cv_str_trim(cv_str_z(word));

	if (s.n > 2 && s.p[0] == '<' && s.p[s.n - 1] == '>')
		s = cv_str_sub(s, 1, s.n - 1);
	return s;
}

static void
print_all(const struct admin_call *call, const struct tracing *t, bool more)
{
	const char *id;
	json_t *list, *r;
	size_t i;

	json_object_foreach(t->messages, id, list)
	{
		printf("%s %s\n", admin_say(call, "Message", "Thư"), id);
		json_array_foreach(list, i, r)
			print_record(call, r);
	}
	if (!json_object_size(t->messages))
		puts(admin_say(call, "Nothing is known of it.", "Không có thông tin về thư này."));
	if (more || t->lines >= LINES_MAX)
		puts(admin_say(call, "There are more: narrow it with --since and --until.",
			"Còn nữa: giới hạn bằng --since và --until."));
}

static int
run_trace(struct admin_call *call)
{
	char dir[1100];
	struct cv_err err = {0};
	struct cv_trace_query q = {.term = bare(call->words[0]), .messages_max = MESSAGES_DEFAULT};
	struct tracing t = {.call = call};
	const char *limit = admin_option(call, "limit");
	uint64_t most = MESSAGES_DEFAULT;
	bool more;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
	if (!take_times(call, &q))
		return EXIT_USAGE;
	if (limit && (cv_str_u64(cv_str_z(limit), MESSAGES_MAX, &most) != CV_OK || !most))
		return admin_error(call, EXIT_USAGE, "--limit takes 1 to 1000",
			"--limit nhận từ 1 đến 1000");
	q.messages_max = most;
	/* The last half second is still in smtpd's memory; one that is down has none. */
	json_decref(admin_try(call, ADMIN_SMTPD, admin_request("trace.flush"), &err));
	err = (struct cv_err){0};
	snprintf(dir, sizeof dir, "%s/trace", admin_main_options(call)->queue_dir);
	t.messages = json_object();
	enum cv_status status = cv_trace_search(dir, &q, take, &t, &more, &err);
	if (status != CV_OK) {
		json_decref(t.messages);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	size_t found = json_object_size(t.messages);
	json_t *reply = json_pack("{s:b, s:O, s:b}", "ok", 1, "messages", t.messages, "more",
		more || t.lines >= LINES_MAX);
	if (!admin_json(call, reply))
		print_all(call, &t, more);
	json_decref(reply);
	json_decref(t.messages);
	return found ? EXIT_OK : EXIT_FAILED;
}

/* clang-format off */
static const struct admin_option trace_options[] = {
	{ "since", "TIME", "from then on: 2h, 3d, 2026-11-22, \"2026-11-22 08:00\"",
		"từ lúc này: 2h, 3d, 2026-11-22, \"2026-11-22 08:00\"" },
	{ "until", "TIME", "until then", "đến lúc này" },
	{ "limit", "N", "at most so many messages; 50 unless told", "nhiều nhất bấy nhiêu thư, mặc định 50" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_trace = {
	.noun = "trace",
	.words = "MESSAGE-ID|ADDRESS|ID",
	.words_min = 1,
	.words_max = 1,
	.help = "tell what became of a message, from the connection to the box or the bounce",
	.help_vi = "xem đường đi của một thư, từ lúc kết nối đến hộp thư hoặc thông báo lỗi",
	.options = trace_options,
	.examples = "  congvu trace nva.stp@lamgiang.example --since 2h\n"
		    "  congvu --lang vi trace '<20261122.1@moj.example>'",
	.run = run_trace,
};
