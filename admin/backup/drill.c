/* drill.c - `congvu backup drill`: proves that a backup can be restored, and writes that down
 * (BAK-02: a drill every six months).
 *
 * Everything is restored into a scratch folder, where nothing listens. There the store is recovered
 * and checked, every body read; the boxes of some accounts chosen by chance are compared with what
 * the service has now. The record is a file in backup/drills and an event in the audit trail. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "admin/backup/commands.h"
#include "admin/backup/restore.h"
#include "admin/files.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "common/store/mailbox.h"

#define SAMPLE 10 /* accounts */

/* ---- some boxes, beside what the service has ---- */

struct comparing {
	struct backup *b;
	struct cv_store *store;
	struct cv_map live;
	uint64_t same, gone, unread;
};

static bool
compare_message(void *arg, const struct cv_msg *msg)
{
	struct comparing *c = arg;
	struct cv_blob_stat stat;
	struct cv_err ignored;
	char row[100];
	if (cv_blob_stat(cv_store_engine(c->store), &msg->body, &stat, &ignored)) {
		c->unread++;
		return true;
	}
	backup_hex(stat.sha256, 32, row);
	snprintf(row + 64, sizeof row - 64, " %lld", (long long)msg->internal_secs);
	if (cv_map_get(&c->live, cv_str_z(row)))
		c->same++;
	else
		c->gone++; /* removed or moved since, by its owner */
	return true;
}

static void
compare_inbox(struct comparing *c, cv_acct_id acct)
{
	struct cv_acct *a;
	struct cv_mbox *m;
	const struct cv_view *view;
	struct cv_err ignored;
	if (cv_acct_open(c->store, acct, false, &a, NULL, &ignored))
		return;
	if (!cv_mbox_open(a, CV_STR("INBOX"), &m, &ignored)) {
		if (!cv_mbox_view(m, &view, &ignored)) {
			uint32_t *uids = cv_malloc((view->exists + 1) * sizeof *uids);
			for (uint32_t i = 0; i < view->exists; i++)
				uids[i] = cv_view_seq(view, i + 1)->uid;
			(void)!cv_msg_each(
				m, uids, view->exists, false, compare_message, c, &ignored);
			free(uids);
			cv_view_unref(view);
		}
		cv_mbox_close(m);
	}
	cv_acct_close(a);
}

static void
compare_account(struct comparing *c, const char *address)
{
	struct cv_err ignored;
	json_t *request = admin_request("backup.contents"), *text;
	size_t i;
	admin_set(request, "account", address);
	admin_set(request, "mailbox", "INBOX");
	json_t *reply = admin_try(c->b->call, ADMIN_STORE, request, &ignored);
	const char *acct = json_string_value(json_object_get(reply, "acct"));
	cv_map_init(&c->live);
	json_array_foreach(json_object_get(reply, "messages"), i, text)(void)
		cv_map_put(&c->live, cv_str_z(json_string_value(text)), c);
	if (acct)
		compare_inbox(c, strtoull(acct, NULL, 16));
	cv_map_done(&c->live);
	json_decref(reply);
}

/* Accounts by chance; a service that does not run is not compared with. */
static void
compare(struct backup *b, struct cv_store *s, json_t *record)
{
	struct comparing c = {.b = b, .store = s};
	struct cv_err ignored;
	json_t *request = admin_request("account.list");
	json_object_set_new(request, "limit", json_integer(1));
	json_t *reply = admin_try(b->call, ADMIN_STORE, request, &ignored);
	uint64_t total = (uint64_t)CV_MAX(admin_number(reply, "total"), (json_int_t)0);
	json_decref(reply);
	unsigned n = 0;
	for (; n < SAMPLE && total; n++) {
		request = admin_request("account.list");
		json_object_set_new(request, "limit", json_integer(1));
		json_object_set_new(
			request, "offset", json_integer((json_int_t)cv_random_below(total)));
		reply = admin_try(b->call, ADMIN_STORE, request, &ignored);
		const char *address = json_string_value(json_object_get(
			json_array_get(json_object_get(reply, "accounts"), 0), "address"));
		if (address)
			compare_account(&c, address);
		json_decref(reply);
	}
	json_object_set_new(record, "compared_accounts", json_integer(n));
	json_object_set_new(record, "same", json_integer((json_int_t)c.same));
	json_object_set_new(record, "removed_since", json_integer((json_int_t)c.gone));
	json_object_set_new(record, "unreadable", json_integer((json_int_t)c.unread));
}

/* ---- the drill ---- */

static enum cv_status
restore_and_check(struct backup *b, struct backup_target *t, const struct backup_manifest *m,
	const char *dir, json_t *record, struct cv_err *err)
{
	char mail[1300], base[1300], queue[1300], stats[1300], conf[1300];
	struct backup_reader *r = NULL;
	struct cv_store *s;
	uint64_t bytes = 0;
	int64_t begin = cv_mono_ms();
	snprintf(mail, sizeof mail, "%s/mail", dir);
	snprintf(base, sizeof base, "%s/base", dir);
	snprintf(queue, sizeof queue, "%s/queue", dir);
	snprintf(stats, sizeof stats, "%s/stats", dir);
	snprintf(conf, sizeof conf, "%s/files", dir);
	const struct backup_roots roots = {mail, queue, stats, base, conf};
	enum cv_status status = backup_reader_open(b, t, m, &r, err);
	if (!status)
		status = backup_restore_files(r, &roots, b->call, &bytes, err);
	backup_reader_close(r);
	json_object_set_new(record, "bytes", json_integer((json_int_t)bytes));
	json_object_set_new(record, "restore_ms", json_integer((json_int_t)(cv_mono_ms() - begin)));
	if (!status)
		status = backup_open_copy(b, mail, NULL, NULL, &s, err);
	if (status)
		return status;
	status = backup_check_store(s, true, record, err);
	if (!status)
		compare(b, s, record);
	cv_store_close(s);
	return status;
}

static void
write_record(struct backup *b, json_t *record)
{
	char path[1400], stamp[32];
	struct tm tm;
	time_t now = (time_t)cv_wall_secs();
	struct cv_err err = {0};
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	char *text = json_dumps(record, JSON_INDENT(1));
	snprintf(path, sizeof path, "%s/drills", b->dir);
	enum cv_status status = admin_folder_make(path, 0750, ADMIN_OWNER_SELF, &err);
	snprintf(path, sizeof path, "%s/drills/%s.json", b->dir, stamp);
	if (!status && text)
		status = admin_file_replace(path, 0640, cv_str_z(text), ADMIN_OWNER_SELF, &err);
	if (status)
		fprintf(stderr, "congvu: %s\n", err.text);
	free(text);
	json_object_set_new(record, "record", json_string(path));
	json_t *request = admin_request("backup.note");
	json_object_set_new(request, "what", json_string("drill"));
	json_object_set(request, "detail", record);
	json_decref(admin_try(b->call, ADMIN_STORE, request, &err));
}

static void
keep_status(struct backup *b, const json_t *record)
{
	json_t *status = backup_status_load(b), *drill = json_object();
	static const char *const keys[] = {"time", "ok", "target", "manifest", "took_ms"};
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		json_object_set(drill, keys[i], json_object_get(record, keys[i]));
	json_object_set_new(status, "drill", drill);
	backup_status_save(b, status);
	json_decref(status);
}

static enum cv_status
drill(struct backup *b, const struct backup_place *place, json_t *record, struct cv_err *err)
{
	char dir[1200];
	struct backup_target *t;
	struct backup_manifest m;
	struct cv_err ignored;
	const char *at = admin_option(b->call, "in");
	snprintf(dir, sizeof dir, "%s/congvu-drill", at ? at : b->dir);
	enum cv_status status = backup_remove_tree(dir, err);
	if (!status)
		status = backup_open_target(b, place, false, &t, err);
	if (status)
		return status;
	status = backup_find(b, t, admin_option(b->call, "backup"), &m, err);
	if (!status) {
		json_object_set_new(record, "manifest", json_string(m.name));
		status = restore_and_check(b, t, &m, dir, record, err);
	}
	backup_manifest_done(&m);
	backup_target_close(t);
	if (backup_remove_tree(dir, &ignored))
		fprintf(stderr, "congvu: %s\n", ignored.text);
	return status;
}

static void
tell(struct admin_call *call, const json_t *r)
{
	printf(admin_say(call,
		       "%s: %s; %lld messages in %lld accounts, %lld faults; %lld of the sample "
		       "are "
		       "in the service, %lld were removed since; %.1f s\n",
		       "%s: %s; %lld thư của %lld tài khoản, %lld lỗi; mẫu: %lld thư còn trong hệ "
		       "thống, %lld đã bị xóa sau đó; %.1f giây\n"),
		json_string_value(json_object_get(r, "manifest")),
		json_is_true(json_object_get(r, "ok")) ? admin_say(call, "passed", "Đạt")
						       : admin_say(call, "FAILED", "KHÔNG ĐẠT"),
		(long long)admin_number(r, "messages"), (long long)admin_number(r, "accounts"),
		(long long)admin_number(r, "faults"), (long long)admin_number(r, "same"),
		(long long)admin_number(r, "removed_since"),
		(double)admin_number(r, "took_ms") / 1000.0);
}

static int
run_drill(struct admin_call *call)
{
	struct backup b;
	struct cv_err err = {0};
	int exit_code;
	if (!backup_begin(call, BACKUP_OPENS | BACKUP_LOCKS, &b, &exit_code))
		return exit_code;
	const struct backup_place *place = backup_choose(&b);
	if (!place) {
		backup_end(&b);
		return EXIT_FAILED;
	}
	int64_t begin = cv_mono_ms();
	json_t *record = json_pack("{s:I, s:s, s:b}", "time", (json_int_t)cv_wall_secs(), "target",
		place->name, "ok", 0);
	enum cv_status status = drill(&b, place, record, &err);
	bool ok = !status && !admin_number(record, "faults") && !admin_number(record, "unreadable");
	json_object_set_new(record, "ok", json_boolean(ok));
	json_object_set_new(record, "took_ms", json_integer((json_int_t)(cv_mono_ms() - begin)));
	if (status)
		json_object_set_new(record, "error", json_string(err.text));
	write_record(&b, record);
	keep_status(&b, record);
	if (status)
		exit_code = backup_fail(&b, &err);
	else {
		if (!admin_json(call, record))
			tell(call, record);
		exit_code = ok ? EXIT_OK : EXIT_FAILED;
	}
	json_decref(record);
	backup_end(&b);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "key", "FILE", "the operator's key", "tệp khóa của người vận hành" },
	{ "passphrase-file", "FILE", "its passphrase, instead of a question", "tệp chứa mật khẩu khóa" },
	{ "target", "NAME", "from which of backup_targets; without it the first", "lấy từ nơi lưu nào" },
	{ "backup", "WHICH", "a name, a day, or latest", "tên bản, ngày, hoặc latest" },
	{ "in", "DIR", "where the scratch folder goes; without it <base_dir>/backup",
		"nơi đặt thư mục tạm" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_backup_drill = {
	.noun = "backup",
	.verb = "drill",
	.words = "",
	.help = "restore a backup into a scratch folder, check it, write a record",
	.help_vi = "diễn tập khôi phục vào thư mục tạm, kiểm tra và lập biên bản",
	.options = options,
	.examples = "  congvu backup drill --key stick.key --target s3",
	.run = run_drill,
};
