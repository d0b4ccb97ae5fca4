/* publish.c - `congvu directory publish`: from the register's snapshot to pages that anyone can
 * serve.
 *
 * Works without any daemon: the snapshot is a file. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/publish.h"

#include <time.h>

#include "admin/commands.h"
#include "admin/progress.h"
#include "common/base/clock.h"

static void
today(const char *time_zone, char out[11])
{
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;

	setenv("TZ", time_zone, 1);
	tzset();
	localtime_r(&now, &tm);
	strftime(out, 11, "%Y-%m-%d", &tm);
}

static enum cv_status
build(struct admin_call *call, const char *dir, struct admin_directory *d, struct admin_site *site,
	struct cv_err *err)
{
	const struct congvu_options *m = admin_main_options(call);
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	const char *agency = admin_option(call, "agency");
	char day[11];
	struct cv_register *r;
	json_t *old = NULL;

	today(m->time_zone, day);
	enum cv_status status = cv_register_open(m->register_dir, false, &r, err);
	if (status != CV_OK)
		return status;
	const struct cv_snapshot *s = cv_register_get(r);
	if (!cv_snapshot_generation(s))
		status = cv_fail(
			err, CV_NOT_FOUND, "there is no register below %s yet", m->register_dir);
	if (status == CV_OK)
		status = admin_directory_build(
			s, cv_str_z(m->province), cv_str_z(agency), day, d, err);
	if (status == CV_OK)
		status = admin_folder_manifest(dir, &old, err);
	if (status == CV_OK) {
		admin_site_date(d, old);
		admin_site_build(d, agency ? "" : o->directory_url, site);
	}
	json_decref(old);
	cv_snapshot_unref(s);
	cv_register_close(r);
	return status;
}

static enum cv_status
push(struct admin_call *call, const char *url, const struct admin_site *site,
	struct admin_published *out, struct cv_err *err)
{
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	const struct admin_push_options options = {.url = url,
		.auth_file = o->directory_push_auth,
		.ca_file = o->directory_push_ca,
		.allow_plain_http = o->directory_push_plain};

	enum cv_status status = admin_push(site, &options, admin_progress, call, out, err);
	admin_progress_end(call);
	return status;
}

static void
answer(struct admin_call *call, const char *dir, const struct admin_directory *d,
	const struct admin_published *folder, const char *url, const struct admin_published *pushed)
{
	json_t *reply = json_pack("{s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "folder",
		dir, "day", d->day, "agencies", (json_int_t)d->count, "people",
		(json_int_t)d->people, "files", (json_int_t)folder->files, "changed",
		(json_int_t)folder->changed, "without_agency", (json_int_t)d->homeless);

	if (url)
		json_object_set_new(reply, "push",
			json_pack("{s:s, s:I, s:I}", "url", url, "sent",
				(json_int_t)pushed->changed, "deleted",
				(json_int_t)pushed->removed));
	if (!admin_json(call, reply)) {
		printf(admin_say(call, "%zu agencies, %zu people: %zu files, %zu changed, in %s\n",
			       "%zu đơn vị, %zu người: %zu tệp, %zu tệp thay đổi, tại %s\n"),
			d->count, d->people, folder->files, folder->changed, dir);
		if (d->homeless)
			printf(admin_say(call,
				       "%zu listed accounts belong to no agency and were left "
				       "out\n",
				       "%zu tài khoản không thuộc đơn vị nào nên không đưa vào "
				       "danh bạ\n"),
				d->homeless);
		if (url)
			printf(admin_say(call, "Sent %zu files to %s, deleted %zu there\n",
				       "Đã gửi %zu tệp tới %s, xóa %zu tệp ở đó\n"),
				pushed->changed, url, pushed->removed);
	}
	json_decref(reply);
}

static int
run_publish(struct admin_call *call)
{
	struct admin_directory d = {0};
	struct admin_site site = {0};
	struct admin_published folder = {0}, pushed = {0};
	struct admin_owner owner = ADMIN_OWNER_SELF;
	struct cv_err err = {0};

	if (!admin_conf(call))
		return EXIT_CONFIG;
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	const char *dir = admin_option(call, "out") ? admin_option(call, "out") : o->directory_dir;
	const char *url = admin_option(call, "push") ? admin_option(call, "push")
			  : o->directory_push[0] && !admin_option(call, "out") ? o->directory_push
									       : NULL;
	if (admin_option(call, "agency") && !admin_option(call, "out"))
		return admin_error(call, EXIT_USAGE,
			"--agency makes a directory of its own: say where with --out",
			"--agency tạo danh bạ riêng: chỉ nơi ghi bằng --out");
	if (!admin_option(call, "out") &&
		admin_owner_find(admin_main_options(call)->user, &owner, &err) != CV_OK)
		owner = ADMIN_OWNER_SELF; /* whoever may write there may publish */

	enum cv_status status = build(call, dir, &d, &site, &err);
	if (status == CV_OK)
		status = admin_folder_publish(dir, &site, owner, &folder, &err);
	if (status == CV_OK && url)
		status = push(call, url, &site, &pushed, &err);
	if (status == CV_OK)
		answer(call, dir, &d, &folder, url, &pushed);
	admin_site_done(&site);
	admin_directory_done(&d);
	return status == CV_OK
		       ? EXIT_OK
		       : admin_error(call, status == CV_TEMPFAIL && url ? EXIT_DOWN : EXIT_FAILED,
				 err.text, err.text);
}

/* clang-format off */
static const struct admin_option publish_options[] = {
	{ "out", "DIR", "write here instead of the configured folder", "ghi vào thư mục này" },
	{ "push", "URL", "PUT what changed below this http(s) address",
		"đẩy các tệp thay đổi lên địa chỉ http(s) này" },
	{ "agency", "CODE", "a directory of this unit and those below it, with --out",
		"danh bạ riêng của đơn vị này và các đơn vị trực thuộc, kèm --out" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_directory_publish = {
	.noun = "directory",
	.verb = "publish",
	.words = "",
	.help = "write the public directory: pages, CSV, JSON",
	.help_vi = "xuất danh bạ công khai: trang web, CSV, JSON",
	.options = publish_options,
	.examples =
		"  congvu directory publish\n"
		"  congvu directory publish --out /var/www/danhba\n"
		"  congvu directory publish --push https://congthongtin.lamgiang.example/danhba/",
	.run = run_publish,
};
