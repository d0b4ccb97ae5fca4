/* policy_allow.c - `congvu policy allow add|list|remove`: services that may write to official
 * addresses (POL-03): a line each in signup_allow_file, with a last day and a reason.
 *
 * Each change is a row of the audit trail before it is a line of the file; then the filter reads
 * the file again. Comments in it stay. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/files.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/policy/mail.h"

#define FILE_BYTES_MAX (4u << 20)
#define DAY_SECS       86400
#define SOON_DAYS      30

/* The file's path; NULL after saying that none is configured. */
static const char *
allow_path(struct admin_call *call)
{
	const struct spamfilter_options *o;

	if (!admin_conf(call))
		return NULL;
	o = cv_conf_get(call->conf, &spamfilter_section);
	if (o->signup_allow_file[0])
		return o->signup_allow_file;
	admin_error(call, EXIT_CONFIG, "set signup_allow_file in [spamfilter] first",
		"hãy đặt signup_allow_file trong [spamfilter] trước");
	return NULL;
}

/* What is there; nothing when there is no file yet. */
static bool
read_all(struct admin_call *call, const char *path, struct cv_str *out)
{
	struct cv_err err;
	enum cv_status status = admin_file_read(path, FILE_BYTES_MAX, out, &err);

	if (status == CV_NOT_FOUND)
		*out = CV_STR_EMPTY;
	else if (status)
		admin_error(call, EXIT_FAILED, err.text, err.text);
	return status == CV_OK || status == CV_NOT_FOUND;
}

static bool
is_same_sender(struct cv_str line, const char *sender)
{
	struct cv_str rest = cv_str_trim(line), who = CV_STR_EMPTY;

	return rest.n && rest.p[0] != '#' && cv_str_split(&rest, ' ', &who) &&
	       cv_str_ieq_z(who, sender);
}

/* OLD without the lines of SENDER, and NEW_LINE (may be NULL) at its end. */
static bool
edit(struct cv_str old, const char *sender, const char *new_line, struct cv_buf *out)
{
	struct cv_str line;
	bool found = false;

	while (cv_str_split(&old, '\n', &line)) {
		if (is_same_sender(line, sender)) {
			found = true;
			continue;
		}
		if (!line.n && !old.n)
			continue;
		cv_buf_str(out, line);
		cv_buf_c(out, '\n');
	}
	if (new_line)
		cv_buf_printf(out, "%s\n", new_line);
	return found;
}

static json_t *
note_request(const char *action, const char *sender, const char *until, const char *reason)
{
	json_t *request = admin_request("policy.note");

	admin_set(request, "action", action);
	admin_set(request, "object", sender);
	admin_set(request, "until", until);
	admin_set(request, "reason", reason);
	return request;
}

/* Audit, file, filter. */
static int
carry_out(struct admin_call *call, const char *path, struct cv_buf *text, json_t *note)
{
	int exit_code = EXIT_OK;
	struct admin_owner owner;
	struct cv_err err;
	json_t *reply = admin_ask(call, ADMIN_STORE, note, &exit_code);

	if (!reply)
		return exit_code;
	json_decref(reply);
	enum cv_status status = admin_owner_find(admin_main_options(call)->user, &owner, &err);
	if (status == CV_DENIED)
		owner = ADMIN_OWNER_SELF;
	if (status == CV_OK || status == CV_DENIED)
		status = admin_file_replace(path, 0644, cv_buf_view(text), owner, &err);
	if (status)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	reply = admin_try(call, ADMIN_SPAMFILTER, admin_request("reload"), &err);
	if (!reply && !call->json)
		fprintf(stderr, "%s: %s\n",
			admin_say(call, "the filter does not know yet", "bộ lọc chưa nạp lại"),
			err.text);
	json_decref(reply);
	return EXIT_OK;
}

static int
answer(struct admin_call *call, const char *sender, const char *en, const char *vi)
{
	json_t *reply = json_pack("{s:b, s:s}", "ok", 1, "sender", sender);

	if (!admin_json(call, reply))
		printf("%s %s\n", admin_say(call, en, vi), sender);
	json_decref(reply);
	return EXIT_OK;
}

static int
run_add(struct admin_call *call)
{
	const char *path = allow_path(call), *sender = call->words[1];
	const char *until = admin_option(call, "until"), *reason = admin_option(call, "reason");
	struct cv_buf text = CV_BUF_INIT(FILE_BYTES_MAX), line = CV_BUF_INIT(1000);
	struct cv_policy_allowed read;
	struct cv_str old;
	struct cv_err err;
	int exit_code;

	if (!path)
		return EXIT_CONFIG;
	if (!until || !reason || !reason[0])
		return admin_error(call, EXIT_USAGE, "--until and --reason are needed (POL-03)",
			"cần có --until và --reason (POL-03)");
	cv_buf_printf(&line, "%s %s %s", sender, until, reason);
	if (strpbrk(sender, " \t\r\n#") || strpbrk(reason, "\r\n") || line.full)
		exit_code = admin_error(call, EXIT_USAGE, "no blanks, line ends or '#' here",
			"không được có khoảng trắng, xuống dòng hoặc dấu #");
	else if (cv_policy_allowed_parse(cv_buf_view(&line), &read, &err))
		exit_code = admin_error(call, EXIT_USAGE, err.text, err.text);
	else if (read.until_secs <= cv_wall_secs())
		exit_code = admin_error(call, EXIT_USAGE, "that day is over",
			"ngày đó đã qua");
	else if (!read_all(call, path, &old))
		exit_code = EXIT_FAILED;
	else {
		edit(old, sender, line.p, &text);
		free((void *)(uintptr_t)old.p);
		exit_code = carry_out(
			call, path, &text, note_request("allow.add", sender, until, reason));
		if (exit_code == EXIT_OK)
			exit_code = answer(call, sender, "Allowed:", "Đã cho phép:");
	}
	cv_buf_done(&text);
	cv_buf_done(&line);
	return exit_code;
}

static int
run_remove(struct admin_call *call)
{
	const char *path = allow_path(call), *sender = call->words[1];
	struct cv_buf text = CV_BUF_INIT(FILE_BYTES_MAX);
	struct cv_str old;
	int exit_code;

	if (!path)
		return EXIT_CONFIG;
	if (!read_all(call, path, &old))
		return EXIT_FAILED;
	if (!edit(old, sender, NULL, &text))
		exit_code = admin_error(call, EXIT_FAILED, "that sender is not on the list",
			"nơi gửi này không có trong danh sách");
	else
		exit_code = carry_out(call, path, &text,
			note_request("allow.remove", sender, NULL, admin_option(call, "reason")));
	free((void *)(uintptr_t)old.p);
	cv_buf_done(&text);
	return exit_code ? exit_code : answer(call, sender, "No longer allowed:", "Đã gỡ:");
}

/* ---- the list ---- */

static json_t *
row_of(const struct admin_call *call, const struct cv_policy_allowed *a, int64_t now)
{
	int64_t days = (a->until_secs - now) / DAY_SECS;
	const char *state = now >= a->until_secs ? admin_say(call, "EXPIRED", "HẾT HẠN")
			    : days < SOON_DAYS	  ? admin_say(call, "expires soon", "sắp hết hạn")
						  : admin_say(call, "active", "hiệu lực");
	json_t *row = json_object();

	json_object_set_new(row, "sender", json_stringn(a->who.p, a->who.n));
	json_object_set_new(row, "last_day", admin_day(a->until_secs - 1));
	json_object_set_new(row, "until", json_integer((json_int_t)a->until_secs));
	json_object_set_new(row, "expired", json_boolean(now >= a->until_secs));
	json_object_set_new(row, "state", json_string(state));
	json_t *reason = json_stringn(a->reason.p, a->reason.n);
	json_object_set_new(row, "reason", reason ? reason : json_string("?"));
	return row;
}

static int
run_list(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{"sender",   "Sender",   "Nơi gửi"   },
		{"last_day", "Last day", "Ngày cuối" },
		{"state",    "State",    "Tình trạng"},
		{"reason",   "Reason",   "Lý do"     },
	};
	const char *path = allow_path(call);
	json_t *rows = json_array();
	struct cv_str text, line;
	int64_t now = cv_wall_secs();
	unsigned faults = 0;

	if (!path || !read_all(call, path, &text)) {
		json_decref(rows);
		return path ? EXIT_FAILED : EXIT_CONFIG;
	}
	for (struct cv_str rest = text; cv_str_split(&rest, '\n', &line);) {
		struct cv_policy_allowed read;
		struct cv_err err;
		line = cv_str_trim(line);
		if (!line.n || line.p[0] == '#')
			continue;
		if (cv_policy_allowed_parse(line, &read, &err)) {
			faults++;
			continue;
		}
		json_array_append_new(rows, row_of(call, &read, now));
	}
	json_t *reply = json_pack("{s:b, s:o, s:i}", "ok", 1, "allowed", rows, "faults", faults);
	if (!admin_json(call, reply))
		admin_table(call, rows, columns, CV_COUNT(columns));
	if (faults && !call->json)
		fprintf(stderr, "%u %s\n", faults,
			admin_say(call, "lines cannot be read", "dòng không đọc được"));
	json_decref(reply);
	free((void *)(uintptr_t)text.p);
	return faults ? EXIT_PARTLY : EXIT_OK;
}

static int
run_allow(struct admin_call *call)
{
	const struct {
		const char *verb;
		unsigned words;
		int (*run)(struct admin_call *call);
	} verbs[] = {
		{"add",    2, run_add   },
		{"list",   1, run_list  },
		{"remove", 2, run_remove},
	};

	for (size_t i = 0; i < CV_COUNT(verbs); i++)
		if (!strcmp(call->words[0], verbs[i].verb) && call->word_count == verbs[i].words)
			return verbs[i].run(call);
	return admin_error(call, EXIT_USAGE, "say add SENDER, list or remove SENDER",
		"dùng add NƠI_GỬI, list hoặc remove NƠI_GỬI");
}

const struct admin_command admin_policy_allow = {
	.noun = "policy",
	.verb = "allow",
	.words = "add|list|remove [DOMAIN|ADDRESS]",
	.words_min = 1,
	.words_max = 2,
	.help = "services that may write to official addresses without being counted (POL-03); the "
		"list names those that have expired too",
	.help_vi = "dịch vụ được phép gửi tới địa chỉ công vụ mà không bị thống kê (POL-03)",
	.options =
		(const struct admin_option[]){
			{"until",  "DAY",  "the last day, such as 2027-06-30", "ngày cuối, ví dụ 2027-06-30"},
			{"reason", "TEXT", "why; kept in the audit trail", "lý do; lưu vào nhật ký kiểm toán"},
			{NULL,     NULL,   NULL,                               NULL                         },
		},
	.examples = "  congvu policy allow add hoadon.example --until 2027-06-30 --reason \"CV 12/STC\"\n"
		    "  congvu policy allow list --json\n"
		    "  congvu policy allow remove hoadon.example",
	.run = run_allow,
};
