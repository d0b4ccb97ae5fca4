/* key.c - `congvu backup key`: makes the keys of backups.
 *
 * The public half and the key that signs stay in keys_dir; the half that opens backups goes into
 * the file that --out names, wrapped by a passphrase, and nowhere else. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "admin/backup/backup.h"
#include "admin/backup/commands.h"
#include "admin/files.h"
#include "admin/qr.h"

#define PASSPHRASE_MIN 12u

static enum cv_status
write_keys(struct backup *b, const struct backup_secret *secret, const uint8_t *sign,
	struct cv_str wrapped, const char *out, struct cv_err *err)
{
	char path[1200], hex[2 * BACKUP_SIGN_SECRET + 1];
	struct admin_owner owner;
	struct cv_buf text = CV_BUF_INIT(4096);
	/* The operator's file first: keys nobody can open with are worse than none. */
	enum cv_status status = admin_owner_find(b->main->user, &owner, err);
	if (!status)
		status = admin_file_new(out, 0600, wrapped, ADMIN_OWNER_SELF, err);
	if (!status)
		status = admin_folder_make(b->main->keys_dir, 0750, owner, err);
	backup_hex(sign, BACKUP_SIGN_SECRET, hex);
	snprintf(path, sizeof path, "%s/" BACKUP_SIGN_FILE, b->main->keys_dir);
	if (!status)
		status = admin_file_new(path, 0600, cv_str_z(hex), owner, err);
	backup_public_print(&secret->pub, &text);
	snprintf(path, sizeof path, "%s/" BACKUP_PUBLIC_FILE, b->main->keys_dir);
	if (!status)
		status = admin_file_new(path, 0640, cv_buf_view(&text), owner, err);
	cv_buf_done(&text);
	cv_wipe(hex, sizeof hex);
	return status;
}

static enum cv_status
make_keys(struct backup *b, const char *out, struct cv_err *err)
{
	struct backup_secret secret;
	uint8_t sign[BACKUP_SIGN_SECRET];
	struct cv_buf wrapped = CV_BUF_INIT(8192);
	char *passphrase = NULL;
	const char *file = admin_option(b->call, "passphrase-file");
	enum cv_status status = CV_OK;
	if (file)
		status = backup_read_secret_file(file, &passphrase, err);
	else if (!(passphrase = admin_read_password(b->call)))
		status = cv_fail(err, CV_INVALID, "no passphrase was given");
	if (!status && strlen(passphrase) < PASSPHRASE_MIN)
		status = cv_fail(
			err, CV_INVALID, "a passphrase has at least %u characters", PASSPHRASE_MIN);
	if (!status) {
		backup_keys_make(&secret, sign);
		backup_secret_print(&secret, cv_str_z(passphrase), &wrapped);
		status = write_keys(b, &secret, sign, cv_buf_view(&wrapped), out, err);
	}
	if (passphrase)
		cv_wipe(passphrase, strlen(passphrase));
	free(passphrase);
	backup_secret_wipe(&secret);
	cv_wipe(sign, sizeof sign);
	cv_wipe(wrapped.p, wrapped.n);
	cv_buf_done(&wrapped);
	return status;
}

/* The key file as text and as a code, to be printed: it is wrapped, so paper may hold it. */
static int
show_key(struct admin_call *call, const char *path)
{
	struct cv_str text;
	struct cv_err err = {0};
	struct cv_buf code = CV_BUF_INIT(256u << 10);
	enum cv_status status = admin_file_read(path, 4096, &text, &err);
	if (!status) {
		status = admin_qr_terminal(text, &code, &err);
		if (!status && call->json) {
			json_t *reply = json_pack(
				"{s:b, s:s, s:s}", "ok", 1, "text", text.p, "code", code.p);
			admin_json(call, reply);
			json_decref(reply);
		} else if (!status)
			printf("%s\n%s", code.p, text.p);
		free((char *)(uintptr_t)text.p);
	}
	cv_buf_done(&code);
	return status ? admin_error(call, EXIT_FAILED, err.text, err.text) : EXIT_OK;
}

static int
run_key(struct admin_call *call)
{
	struct backup b;
	struct cv_err err = {0};
	int exit_code;
	const char *out = admin_option(call, "out");
	if (admin_option(call, "show"))
		return show_key(call, admin_option(call, "show"));
	if (!backup_begin(call, BACKUP_AS_ROOT, &b, &exit_code))
		return exit_code;
	enum cv_status status = CV_OK;
	if (!out)
		status = cv_fail(&err, CV_INVALID,
			"say where the operator's key goes: --out FILE, on a stick that you keep");
	else if (b.has_public)
		status = cv_fail(&err, CV_EXISTS,
			"this server has a key already; for another move %s/" BACKUP_PUBLIC_FILE
			" and " BACKUP_SIGN_FILE " away and begin new targets",
			b.main->keys_dir);
	if (!status)
		status = make_keys(&b, out, &err);
	if (status)
		exit_code = backup_fail(&b, &err);
	else {
		json_t *reply = json_pack("{s:b, s:s}", "ok", 1, "key", out);
		if (!admin_json(call, reply))
			printf(admin_say(call,
				       "%s opens every backup from now on. Copy it twice, print it "
				       "(it is text), keep the passphrase apart, and remove it "
				       "from "
				       "this machine.\n",
				       "%s là khóa mở mọi bản sao lưu từ nay. Hãy chép ra hai nơi, "
				       "in "
				       "ra giấy, cất mật khẩu ở nơi khác và xóa khỏi máy này.\n"),
				out);
		json_decref(reply);
	}
	backup_end(&b);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "out", "FILE", "where the operator's key goes; must not exist", "tệp khóa của người vận hành" },
	{ "show", "FILE", "print a key file, as text and as a QR code, to be kept on paper",
		"in tệp khóa dạng chữ và mã QR để cất trên giấy" },
	{ "passphrase-file", "FILE", "its passphrase, instead of a question", "tệp chứa mật khẩu khóa" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_backup_key = {
	.noun = "backup",
	.verb = "key",
	.words = "",
	.help = "make the keys of backups: the server seals, the operator alone opens",
	.help_vi = "tạo khóa sao lưu: máy chủ chỉ khóa, chỉ người vận hành mở được",
	.options = options,
	.examples = "  congvu backup key --out /media/stick/congvu-backup.key",
	.run = run_key,
};
