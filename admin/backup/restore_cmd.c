/* restore_cmd.c - `congvu backup restore`: a message, a mailbox, an account, or everything. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/commands.h"
#include "admin/backup/restore.h"
#include "common/base/clock.h"

static void
tell_all(struct backup *b, const json_t *reply)
{
	struct admin_call *call = b->call;
	printf(admin_say(call, "%lld MB, %lld accounts, %lld messages, %lld faults, %.1f s\n",
		       "%lld MB, %lld tài khoản, %lld thư, %lld lỗi, %.1f giây\n"),
		(long long)(admin_number(reply, "bytes") >> 20),
		(long long)admin_number(reply, "accounts"),
		(long long)admin_number(reply, "messages"),
		(long long)admin_number(reply, "faults"),
		(double)admin_number(reply, "took_ms") / 1000.0);
	printf(admin_say(call,
		       "The queue of that day lies in %s: what it holds may have been sent since. "
		       "Look with `congvu queue adopt %s --dry-run`.\n",
		       "Hàng đợi của ngày đó nằm ở %s; thư trong đó có thể đã gửi. Xem trước bằng "
		       "`congvu queue adopt %s --dry-run`.\n"),
		json_string_value(json_object_get(reply, "queue")),
		json_string_value(json_object_get(reply, "queue")));
	if (admin_number(reply, "aside"))
		printf(admin_say(call,
			       "%lld files of the backup lie in %s, since this machine has others "
			       "under their names: keys that are wanted (DKIM, say) are to be put "
			       "in place by hand before the service starts.\n",
			       "%lld tệp của bản sao lưu nằm ở %s vì máy này đã có tệp cùng tên: khóa "
			       "cũ cần dùng (ví dụ DKIM) phải được chép vào chỗ trước khi khởi động.\n"),
			(long long)admin_number(reply, "aside"),
			json_string_value(json_object_get(reply, "aside_dir")));
}

static void
tell_box(struct backup *b, const json_t *reply)
{
	struct admin_call *call = b->call;
	bool dry = admin_option(call, "dry-run") != NULL;
	printf(admin_say(call, "%s: %lld messages %s, %lld MB; %lld were there already\n",
		       "%s: %lld thư %s, %lld MB; %lld thư đã có sẵn\n"),
		json_string_value(json_object_get(reply, "account")),
		(long long)admin_number(reply, "messages"),
		dry ? admin_say(call, "would come back", "sẽ được khôi phục")
		    : admin_say(call, "came back", "đã khôi phục"),
		(long long)(admin_number(reply, "bytes") >> 20),
		(long long)admin_number(reply, "there"));
}

static enum cv_status
restore(struct backup *b, const struct backup_place *place, json_t *reply, struct cv_err *err)
{
	const char *account = admin_option(b->call, "account");
	struct backup_target *t;
	struct backup_manifest m;
	enum cv_status status = backup_open_target(b, place, false, &t, err);
	if (status)
		return status;
	status = backup_find(b, t, admin_option(b->call, "backup"), &m, err);
	if (!status) {
		json_object_set_new(reply, "backup", json_string(m.name));
		status = account ? backup_restore_box(b, t, &m, account, reply, err)
				 : backup_restore_all(b, t, &m, reply, err);
	}
	backup_manifest_done(&m);
	backup_target_close(t);
	return status;
}

/* The new machine's first event, where it has a register to write it into. */
static int
end(struct backup *b, json_t *reply, bool all)
{
	if (!admin_json(b->call, reply)) {
		if (all)
			tell_all(b, reply);
		else
			tell_box(b, reply);
	}
	return admin_number(reply, "faults") ? EXIT_PARTLY : EXIT_OK;
}

static int
run_restore(struct admin_call *call)
{
	struct backup b;
	struct cv_err err = {0};
	int exit_code;
	bool all = admin_option(call, "all") != NULL;
	if (all == (admin_option(call, "account") != NULL))
		return admin_error(call, EXIT_USAGE,
			"say what to restore: --account ADDRESS or --all",
			"cho biết khôi phục gì: --account ĐỊA-CHỈ hoặc --all");
	if (!backup_begin(call, BACKUP_OPENS | (all ? 0 : BACKUP_LOCKS), &b, &exit_code))
		return exit_code;
	const struct backup_place *place = backup_choose(&b);
	if (!place) {
		backup_end(&b);
		return EXIT_FAILED;
	}
	json_t *reply = json_pack("{s:b, s:s}", "ok", 1, "target", place->name);
	if (all && !admin_option(call, "dry-run"))
		exit_code =
			admin_confirm(call, "everything is written to where the configuration says",
				"toàn bộ dữ liệu được ghi vào nơi cấu hình chỉ định", NULL);
	if (exit_code == EXIT_OK)
		exit_code = restore(&b, place, reply, &err) ? backup_fail(&b, &err)
							    : end(&b, reply, all);
	json_decref(reply);
	backup_end(&b);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "key", "FILE", "the operator's key", "tệp khóa của người vận hành" },
	{ "passphrase-file", "FILE", "its passphrase, instead of a question", "tệp chứa mật khẩu khóa" },
	{ "target", "NAME", "from which of backup_targets; without it the first", "lấy từ nơi lưu nào" },
	{ "backup", "WHICH", "a name, a day (the last backup of it or before), or latest",
		"tên bản, ngày (bản cuối ngày đó), hoặc latest" },
	{ "account", "ADDRESS", "mail of this account, into the running service", "thư của tài khoản này" },
	{ "mailbox", "NAME", "only this folder of it", "chỉ thư mục này" },
	{ "message", "MESSAGE-ID", "only the message with this Message-ID", "chỉ thư có Message-ID này" },
	{ "into", "FOLDER", "below this folder instead of where it was; `Khôi phục` is a good name",
		"đặt vào thư mục này thay vì chỗ cũ" },
	{ "all", NULL, "everything, to an empty machine", "toàn bộ, lên máy trống" },
	{ "to", "DIR", "with --all: below DIR instead of the configured folders",
		"với --all: ghi vào DIR" },
	{ "check-bodies", NULL, "with --all: read every body once more", "với --all: đọc lại từng thư" },
	ADMIN_DRY_RUN,
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_backup_restore = {
	.noun = "backup",
	.verb = "restore",
	.words = "",
	.help = "bring back a message, a mailbox, an account, or everything",
	.help_vi = "khôi phục một thư, một thư mục, một tài khoản hoặc toàn bộ",
	.options = options,
	.examples = "  congvu backup restore --key stick.key --account nvhoa.snv --mailbox INBOX "
		    "--backup 2026-11-20 --into 'Khôi phục'\n"
		    "  congvu backup restore --key stick.key --all --yes",
	.run = run_restore,
};
