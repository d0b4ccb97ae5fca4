/* list.c - `congvu backup list`, `show`, `status`. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/backup.h"
#include "admin/backup/commands.h"
#include "common/base/clock.h"

/* ---- list ---- */

static json_t *
describe(struct backup *b, struct backup_target *t, const char *name)
{
	struct backup_manifest m;
	struct cv_err err = {0};
	json_t *row = json_pack("{s:s}", "backup", name);
	if (backup_manifest_get(b, t, name, &m, NULL, &err)) {
		json_object_set_new(row, "fault", json_string(err.text));
		json_object_set_new(row, "when", json_string("?"));
	} else {
		json_object_set_new(row, "time", json_integer((json_int_t)m.time_secs));
		json_object_set_new(row, "when", admin_moment(m.time_secs));
		json_object_set_new(row, "host", json_string(m.host));
		json_object_set_new(row, "files", json_integer((json_int_t)m.file_count_said));
		json_object_set_new(row, "bytes", json_integer((json_int_t)m.bytes));
		json_object_set_new(row, "new_bytes", json_integer((json_int_t)m.new_bytes));
		admin_set_number(row, "mb", (json_int_t)(m.bytes >> 20));
		admin_set_number(row, "new_mb", (json_int_t)(m.new_bytes >> 20));
	}
	backup_manifest_done(&m);
	return row;
}

static int
run_list(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{"backup", "backup", "bản sao lưu"},
		{"when",   "made",   "lúc"          },
		{"mb",     "MB",     "MB"            },
		{"new_mb", "new MB", "MB mới"      },
		{"host",   "host",   "máy"          },
		{"fault",  "fault",  "lỗi"         },
	};
	struct backup b;
	struct backup_target *t;
	struct backup_names n;
	struct cv_err err = {0};
	int exit_code;
	if (!backup_begin(call, 0, &b, &exit_code))
		return exit_code;
	const struct backup_place *place = backup_choose(&b);
	if (!place || backup_open_target(&b, place, false, &t, &err)) {
		exit_code = place ? backup_fail(&b, &err) : EXIT_FAILED;
		backup_end(&b);
		return exit_code;
	}
	json_t *rows = json_array();
	enum cv_status status = backup_manifests(t, &n, &err);
	for (size_t i = 0; !status && i < n.count; i++)
		json_array_append_new(rows, describe(&b, t, n.names[i]));
	if (status)
		exit_code = backup_fail(&b, &err);
	else {
		json_t *reply = json_pack(
			"{s:b, s:s, s:O}", "ok", 1, "target", place->name, "backups", rows);
		if (!admin_json(call, reply))
			admin_table(call, rows, columns, CV_COUNT(columns));
		json_decref(reply);
	}
	backup_names_done(&n);
	json_decref(rows);
	backup_target_close(t);
	backup_end(&b);
	return exit_code;
}

/* clang-format off */
static const struct admin_option target_options[] = {
	{ "target", "NAME", "which of backup_targets; without it the first", "nơi lưu nào" },
	{ 0 }
};
static const struct admin_option show_options[] = {
	{ "target", "NAME", "which of backup_targets; without it the first", "nơi lưu nào" },
	{ "key", "FILE", "the operator's key", "tệp khóa của người vận hành" },
	{ "passphrase-file", "FILE", "its passphrase, instead of a question", "tệp chứa mật khẩu khóa" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_backup_list = {
	.noun = "backup",
	.verb = "list",
	.words = "",
	.help = "list the backups of a target",
	.help_vi = "liệt kê các bản sao lưu",
	.options = target_options,
	.examples = "  congvu backup list --target disk",
	.run = run_list,
};

/* ---- show ---- */

static int
run_show(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{"path",      "file",   "tệp"},
		{"size_text", "octets", "byte" },
	};
	struct backup b;
	struct backup_target *t;
	struct backup_manifest m;
	struct cv_err err = {0};
	int exit_code;
	if (!backup_begin(call, BACKUP_OPENS, &b, &exit_code))
		return exit_code;
	const struct backup_place *place = backup_choose(&b);
	if (!place || backup_open_target(&b, place, false, &t, &err)) {
		exit_code = place ? backup_fail(&b, &err) : EXIT_FAILED;
		backup_end(&b);
		return exit_code;
	}
	if (backup_find(&b, t, call->word_count ? call->words[0] : NULL, &m, &err))
		exit_code = backup_fail(&b, &err);
	else {
		json_t *rows = json_array();
		for (uint32_t i = 0; i < m.file_count; i++) {
			json_t *row = json_pack("{s:s, s:I}", "path", m.files[i].path, "size",
				(json_int_t)m.files[i].size);
			admin_set_number(row, "size_text", (json_int_t)m.files[i].size);
			json_array_append_new(rows, row);
		}
		json_t *reply = json_pack("{s:b, s:s, s:I, s:s, s:s, s:s, s:I, s:o}", "ok", 1,
			"backup", m.name, "time", (json_int_t)m.time_secs, "host", m.host,
			"version", m.version, "previous", m.previous, "packs",
			(json_int_t)m.pack_count, "files", rows);
		if (!admin_json(call, reply))
			admin_table(call, rows, columns, CV_COUNT(columns));
		json_decref(reply);
	}
	backup_manifest_done(&m);
	backup_target_close(t);
	backup_end(&b);
	return exit_code;
}

const struct admin_command admin_backup_show = {
	.noun = "backup",
	.verb = "show",
	.words = "[BACKUP]",
	.words_max = 1,
	.help = "what a backup holds (with the operator's key)",
	.help_vi = "nội dung một bản sao lưu (cần khóa của người vận hành)",
	.options = show_options,
	.examples = "  congvu backup show latest --key backup.key",
	.run = run_show,
};

/* ---- status ---- */

static int
run_status(struct admin_call *call)
{
	static const struct admin_column columns[] = {
		{"target",      "target",    "nơi lưu"               },
		{"good_at",     "last good", "lần tốt gần nhất"},
		{"count",       "backups",   "số bản"              },
		{"verified_at", "verified",  "kiểm tra"              },
		{"faults",      "faults",    "lỗi"                   },
		{"error",       "error",     "lỗi gần nhất"      },
	};
	struct backup b;
	int exit_code;
	const char *name;
	json_t *row;
	if (!backup_begin(call, 0, &b, &exit_code))
		return exit_code;
	json_t *status = backup_status_load(&b), *rows = json_array();
	for (unsigned i = 0; i < b.place_count; i++)
		(void)backup_status_target(status, &b.places[i]);
	json_object_set_new(status, "ok", json_true());
	json_object_set_new(status, "has_key", json_boolean(b.has_public && b.has_sign));
	if (!admin_json(call, status)) {
		json_object_foreach(json_object_get(status, "targets"), name, row)
		{
			json_t *line = json_pack("{s:s, s:O?}", "target", name, "error",
				json_object_get(row, "error"));
			json_object_set_new(
				line, "good_at", admin_moment(admin_number(row, "good")));
			json_object_set_new(
				line, "verified_at", admin_moment(admin_number(row, "verified")));
			admin_set_number(line, "count", admin_number(row, "backups"));
			admin_set_number(line, "faults", admin_number(row, "verify_faults"));
			json_array_append_new(rows, line);
		}
		admin_table(call, rows, columns, CV_COUNT(columns));
		json_t *drill = json_object_get(status, "drill");
		json_t *when = admin_moment(admin_number(drill, "time"));
		printf(admin_say(call, "last drill: %s\n", "diễn tập gần nhất: %s\n"),
			json_string_value(when));
		json_decref(when);
	}
	json_decref(rows);
	json_decref(status);
	backup_end(&b);
	return EXIT_OK;
}

const struct admin_command admin_backup_status = {
	.noun = "backup",
	.verb = "status",
	.words = "",
	.help = "when each target was last written and verified, when a restore was last drilled",
	.help_vi = "lần sao lưu, kiểm tra và diễn tập khôi phục gần nhất",
	.examples = "  congvu backup status --json",
	.run = run_status,
};
