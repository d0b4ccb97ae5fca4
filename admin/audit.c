/* audit.c - `congvu audit ...`: who did what (SEC-02), proof that nobody changed it, and its
 * export. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/files.h"
#include "common/base/buf.h"

#define PAGE 2000

/* ---- what is asked for ---- */

static json_t *
list_request(struct admin_call *call, int limit)
{
	static const char *const words[] = {
		"actor", "action", "object", "result", "since", "until"};
	json_t *request = admin_request("audit.list");

	for (size_t i = 0; i < CV_COUNT(words); i++)
		admin_set(request, words[i], admin_option(call, words[i]));
	json_object_set_new(request, "limit", json_integer(limit));
	return request;
}

/* What changed, in one line: "{}" and nothing to people who read. */
static json_t *
shown(const json_t *event)
{
	char what[200 + sizeof "…"] = "";
	const json_t *detail = json_object_get(event, "detail");
	char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;

	/* A cut in the middle of a letter would not be UTF-8. */
	size_t n = text ? strlen(text) : 0, cut = CV_MIN(n, (size_t)199);
	while (cut < n && cut && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--;
	if (text)
		snprintf(what, sizeof what, "%.*s%s", (int)cut, text, cut < n ? "…" : "");
	free(text);
	json_t *row = json_copy((json_t *)(uintptr_t)event);
	json_t *said = json_string(what);
	json_object_set_new(row, "what", said ? said : json_string("..."));
	char number[24];
	snprintf(number, sizeof number, "%lld", (long long)admin_number(event, "n"));
	admin_set(row, "n", number);
	return row;
}

static int
run_list(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{"n",       "NO.",        "SỐ"           },
		{"time",    "TIME (UTC)", "LÚC (UTC)"     },
		{"actor",   "WHO",        "AI"             },
		{"address", "FROM",       "TỪ"           },
		{"action",  "ACT",        "VIỆC"         },
		{"object",  "OBJECT",     "ĐỐI TƯỢNG"},
		{"result",  "RESULT",     "KẾT QUẢ"    },
		{"what",    "WHAT",       "NỘI DUNG"     },
	};
	json_t *request = list_request(call, 100);
	int exit_code;

	admin_set(request, "limit", admin_option(call, "limit"));
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);

	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		json_t *rows = json_array(), *event;
		size_t i;
		json_array_foreach(json_object_get(reply, "events"), i, event)
			json_array_append_new(rows, shown(event));
		admin_table(call, rows, columns, CV_COUNT(columns));
		json_decref(rows);
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- verify ---- */

/* "NUMBER:HASH", as `audit verify` and the export's state file print it. */
static bool
set_anchor(json_t *request, const char *anchor)
{
	const char *colon = strchr(anchor, ':');
	char number[24];

	if (!colon || colon - anchor >= (ptrdiff_t)sizeof number || strlen(colon + 1) != 64)
		return false;
	snprintf(number, sizeof number, "%.*s", (int)(colon - anchor), anchor);
	admin_set(request, "number", number);
	admin_set(request, "hash", colon + 1);
	return true;
}

static int
run_verify(struct admin_call *call)
{
	json_t *request = admin_request("audit.verify");
	const char *anchor = admin_option(call, "anchor");
	int exit_code;

	if (anchor && !set_anchor(request, anchor)) {
		json_decref(request);
		return admin_error(call, EXIT_USAGE,
			"--anchor is NUMBER:HASH, as this command prints it",
			"--anchor có dạng SỐ:MÃ_BĂM như lệnh này in ra");
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, request, &exit_code);
	if (!reply)
		return exit_code;
	if (!admin_json(call, reply)) {
		printf(admin_say(call, "%lld events, none changed, from %s to %s (UTC).\n",
			       "%lld sự kiện, không bị sửa, từ %s đến %s (UTC).\n"),
			(long long)admin_number(reply, "events"), admin_str(reply, "first_time"),
			admin_str(reply, "last_time"));
		printf(admin_say(call,
			       "Keep this elsewhere; with --anchor it proves later that nothing "
			       "was "
			       "rewritten:\n  %lld:%s\n",
			       "Hãy lưu dòng này ở nơi khác; với --anchor nó chứng minh về sau "
			       "rằng "
			       "không có gì bị viết lại:\n  %lld:%s\n"),
			(long long)admin_number(reply, "last"), admin_str(reply, "hash"));
	}
	json_decref(reply);
	return EXIT_OK;
}

/* ---- export ---- */

struct export
{
	struct admin_call *call;
	bool is_syslog;
	int fd;
	bool is_datagram, is_stream; /* of a log server; else a file */
	char hostname[256];
	unsigned long long count;
	const char *state_path;
};

/* Facility 13 "log audit"; notice, or warning for what was refused (RFC 5424). */
static void
put_syslog(struct export *x, const json_t *event, const char *json, struct cv_buf *out)
{
	bool is_refused = strcmp(admin_str(event, "result"), "ok") != 0;

	cv_buf_printf(out, "<%d>1 %s %s congvu - audit - \xef\xbb\xbf%s",
		13 * 8 + (is_refused ? 4 : 5), admin_str(event, "time"), x->hostname, json);
}

static enum cv_status
write_all(int fd, struct cv_str bytes, struct cv_err *err)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return cv_fail_errno(err, CV_TEMPFAIL, errno, "writing the export");
		bytes = cv_str_sub(bytes, (size_t)n, bytes.n);
	}
	return CV_OK;
}

static enum cv_status
export_event(struct export *x, const json_t *event, struct cv_err *err)
{
	struct cv_buf line = CV_BUF_INIT(256u << 10), framed = CV_BUF_INIT(256u << 10);
	char *json = json_dumps(event, JSON_COMPACT);

	if (x->is_syslog)
		put_syslog(x, event, json, &line);
	else
		cv_buf_z(&line, json);
	free(json);
	if (x->is_stream) /* octet counting, RFC 6587 3.4.1 */
		cv_buf_printf(&framed, "%zu ", line.n);
	cv_buf_str(&framed, cv_buf_view(&line));
	if (!x->is_stream && !x->is_datagram)
		cv_buf_c(&framed, '\n');
	enum cv_status status =
		framed.full || line.full
			? cv_fail(err, CV_LIMIT, "event %lld is too long to be exported",
				  (long long)admin_number(event, "n"))
			: write_all(x->fd, cv_buf_view(&framed), err);
	cv_buf_done(&line);
	cv_buf_done(&framed);
	x->count += status == CV_OK;
	return status;
}

static enum cv_status
connect_stream(struct export *x, const char *host_port, struct cv_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	const char *colon = strrchr(host_port, ':');
	char host[256];

	if (!colon || colon - host_port >= (ptrdiff_t)sizeof host)
		return cv_fail(err, CV_INVALID, "--to tcp: needs HOST:PORT");
	snprintf(host, sizeof host, "%.*s", (int)(colon - host_port), host_port);
	int why = getaddrinfo(host, colon + 1, &hints, &found);
	if (why)
		return cv_fail(err, CV_NOT_FOUND, "%s: %s", host_port, gai_strerror(why));
	for (struct addrinfo *a = found; a && x->fd < 0; a = a->ai_next) {
		x->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct timeval limit = {.tv_sec = 30};
		if (x->fd >= 0)
			(void)setsockopt(x->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
		if (x->fd >= 0 && connect(x->fd, a->ai_addr, a->ai_addrlen)) {
			close(x->fd);
			x->fd = -1;
		}
	}
	freeaddrinfo(found);
	x->is_stream = true;
	return x->fd < 0 ? cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot reach %s", host_port)
			 : CV_OK;
}

static enum cv_status
connect_local(struct export *x, const char *path, struct cv_err *err)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof to.sun_path)
		return cv_fail(err, CV_LIMIT, "the path %.80s... is too long", path);
	memcpy(to.sun_path, path, strlen(path));
	x->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	x->is_datagram = true;
	if (x->fd < 0 || connect(x->fd, (struct sockaddr *)&to, sizeof to))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot reach %s", path);
	return CV_OK;
}

static enum cv_status
open_target(struct export *x, struct cv_err *err)
{
	const char *path = admin_option(x->call, "output"), *to = admin_option(x->call, "to");

	x->fd = -1;
	if (to && !strncmp(to, "tcp:", 4))
		return connect_stream(x, to + 4, err);
	if (to && !strncmp(to, "unix:", 5))
		return connect_local(x, to + 5, err);
	if (to)
		return cv_fail(err, CV_INVALID, "--to is tcp:HOST:PORT or unix:/dev/log");
	if (!path || !strcmp(path, "-")) {
		x->fd = dup(STDOUT_FILENO);
		return CV_OK;
	}
	x->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return x->fd < 0 ? cv_fail_errno(err, CV_DENIED, errno, "cannot write %s", path) : CV_OK;
}

/* Where the last export ended, "NUMBER:HASH"; "" for the first. */
static enum cv_status
read_state(const struct export *x, char out[100], struct cv_err *err)
{
	struct cv_str text;

	out[0] = '\0';
	if (!x->state_path)
		return CV_OK;
	enum cv_status status = admin_file_read(x->state_path, 99, &text, err);
	if (status == CV_NOT_FOUND)
		return CV_OK;
	if (status != CV_OK)
		return status;
	struct cv_str line = cv_str_trim(text);
	snprintf(out, 100, "%.*s", CV_STR_ARGS(line));
	free((void *)(uintptr_t)text.p);
	return CV_OK;
}

/* The state is written only when what it stands for is on disk: an event may come twice, never
 * not at all. */
static enum cv_status
write_state(const struct export *x, unsigned long long number, const char *hash, struct cv_err *err)
{
	char line[120];
	struct stat st;

	if (!x->is_stream && !x->is_datagram && !fstat(x->fd, &st) && S_ISREG(st.st_mode) &&
		fsync(x->fd))
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "syncing the export");
	if (!x->state_path)
		return CV_OK;
	int n = snprintf(line, sizeof line, "%llu:%s\n", number, hash);
	return admin_file_replace(
		x->state_path, 0600, cv_str(line, (size_t)n), ADMIN_OWNER_SELF, err);
}

static int
fail(struct admin_call *call, const struct cv_err *err)
{
	return admin_error(call, EXIT_FAILED, err->text, err->text);
}

/* All pages after event AFTER and up to LAST. */
static int
export_pages(struct export *x, json_int_t after, json_int_t last)
{
	struct cv_err err = {0};
	int exit_code = EXIT_OK;
	bool more = after < last;

	while (more && exit_code == EXIT_OK) {
		json_t *request = list_request(x->call, PAGE), *event;
		size_t i;
		json_object_set_new(request, "after", json_integer(after));
		json_t *reply = admin_ask(x->call, ADMIN_STORE, request, &exit_code);
		if (!reply)
			return exit_code;
		json_array_foreach(json_object_get(reply, "events"), i,
			event) if (exit_code == EXIT_OK && admin_number(event, "n") <= last &&
				   export_event(x, event, &err) != CV_OK) exit_code =
			fail(x->call, &err);
		after = admin_number(reply, "after");
		more = json_is_true(json_object_get(reply, "more")) && after < last;
		json_decref(reply);
	}
	return exit_code;
}

/* Verified first, from the anchor of the last export on: a trail that was changed is not carried
 * on as if it were whole. */
static int
export_all(struct export *x)
{
	struct cv_err err = {0};
	char anchor[100];
	int exit_code;
	json_t *request = admin_request("audit.verify");

	if (read_state(x, anchor, &err) != CV_OK || (anchor[0] && !set_anchor(request, anchor))) {
		json_decref(request);
		return err.text[0] ? fail(x->call, &err)
				   : admin_error(x->call, EXIT_FAILED,
					     "the state file holds no NUMBER:HASH",
					     "tệp trạng thái không có dạng SỐ:MÃ_BĂM");
	}
	json_t *proof = admin_ask(x->call, ADMIN_STORE, request, &exit_code);
	if (!proof)
		return exit_code;
	json_int_t last = admin_number(proof, "last");
	exit_code = export_pages(x, anchor[0] ? strtoll(anchor, NULL, 10) : 0, last);
	if (exit_code == EXIT_OK &&
		write_state(x, (unsigned long long)last, admin_str(proof, "hash"), &err) != CV_OK)
		exit_code = fail(x->call, &err);
	json_decref(proof);
	return exit_code;
}

static int
run_export(struct admin_call *call)
{
	const char *format = admin_option(call, "format");
	struct export x = {.call = call, .state_path = admin_option(call, "state")};
	struct cv_err err = {0};

	x.is_syslog = admin_option(call, "to") || (format && !strcmp(format, "syslog"));
	if (format && strcmp(format, "syslog") != 0 && strcmp(format, "jsonl") != 0)
		return admin_error(call, EXIT_USAGE, "--format is jsonl or syslog",
			"--format là jsonl hoặc syslog");
	if (!admin_conf(call))
		return EXIT_CONFIG;
	snprintf(x.hostname, sizeof x.hostname, "%s", admin_main_options(call)->hostname);
	int exit_code = open_target(&x, &err) == CV_OK ? export_all(&x) : fail(call, &err);
	if (x.fd >= 0)
		close(x.fd);
	if (exit_code == EXIT_OK && !call->json && isatty(STDERR_FILENO))
		fprintf(stderr, admin_say(call, "%llu events.\n", "%llu sự kiện.\n"), x.count);
	return exit_code;
}

/* ---- rows ---- */

/* clang-format off */
#define FILTERS \
	{ "actor", "TEXT", "who did it: a part of the name", "người thực hiện (một phần tên)" }, \
	{ "action", "TEXT", "what was done, from its beginning: account., account.retire", \
		"việc đã làm, tính từ đầu: account., account.retire" }, \
	{ "object", "TEXT", "to whom or what: a part", "đối tượng (một phần)" }, \
	{ "result", "TEXT", "ok, denied, ...", "kết quả: ok, denied, ..." }, \
	{ "since", "TIME", "from then on: 2026-11-22", "từ ngày: 2026-11-22" }, \
	{ "until", "TIME", "until then", "đến ngày" }
static const struct admin_option list_options[] = {
	FILTERS,
	{ "limit", "N", "the latest so many; 100 unless told, 2000 at most",
		"số sự kiện gần nhất; mặc định 100, nhiều nhất 2000" },
	{ 0 }
};
static const struct admin_option verify_options[] = {
	{ "anchor", "NUMBER:HASH", "an event and its hash, kept elsewhere since: must still be the same",
		"số sự kiện và mã băm đã lưu ở nơi khác: phải còn nguyên" },
	{ 0 }
};
static const struct admin_option export_options[] = {
	FILTERS,
	{ "format", "FORMAT", "jsonl (a JSON object a line, the default) or syslog (RFC 5424)",
		"jsonl (mỗi dòng một đối tượng JSON, mặc định) hoặc syslog (RFC 5424)" },
	{ "output", "FILE", "append to this file instead of standard output", "ghi tiếp vào tệp này" },
	{ "to", "SERVER", "send to a log server: tcp:HOST:PORT (RFC 6587) or unix:/dev/log",
		"gửi tới máy chủ nhật ký: tcp:MÁY:CỔNG hoặc unix:/dev/log" },
	{ "state", "FILE", "remember there how far it came, and go on from there the next time",
		"ghi nhớ vị trí đã xuất và lần sau xuất tiếp từ đó" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_audit_list = {
	.noun = "audit",
	.verb = "list",
	.words = "",
	.help = "show who did what, the latest last",
	.help_vi = "xem ai đã làm gì, mới nhất ở cuối",
	.options = list_options,
	.examples = "  congvu audit list --since 2026-11-01 --action account.\n"
		    "  congvu audit list --object nthoa.stp --json",
	.run = run_list,
};
const struct admin_command admin_audit_verify = {
	.noun = "audit",
	.verb = "verify",
	.words = "",
	.help = "prove that no event was changed, taken out or put in",
	.help_vi = "chứng minh không sự kiện nào bị sửa, bỏ hay chèn",
	.options = verify_options,
	.examples = "  congvu audit verify\n  congvu audit verify --anchor 1042:9f86d0...",
	.run = run_verify,
};
const struct admin_command admin_audit_export = {
	.noun = "audit",
	.verb = "export",
	.words = "",
	.help = "write events for other systems, after proving them",
	.help_vi = "xuất sự kiện cho hệ thống khác, sau khi kiểm chứng",
	.options = export_options,
	.examples = "  congvu audit export --since 2026-10-01 --until 2026-10-31 --output "
		    "audit-2026-10.jsonl\n"
		    "  congvu audit export --to tcp:siem.lamgiang.example:514 --state "
		    "/var/lib/congvu/audit.sent",
	.run = run_export,
};
