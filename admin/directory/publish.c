/* publish.c - `congvu directory publish`: from the register's snapshot to pages that anyone can
 * serve. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/publish.h"

#include <stdlib.h>
#include <unistd.h>

#include "admin/certificate.h"
#include "admin/commands.h"
#include "admin/progress.h"

static enum cv_status
build(struct admin_call *call, const char *dir, struct admin_edition *e, struct admin_site *site,
	struct cv_err *err)
{
	struct cv_str key = CV_STR_EMPTY;
	json_t *old = NULL;

	enum cv_status status = admin_edition_build(call, admin_option(call, "agency"), e, err);
	if (status == CV_OK)
		status = admin_folder_manifest(dir, &old, err);
	if (status == CV_OK)
		status = admin_edition_key(call, &key, err);
	if (status == CV_OK) {
		admin_site_date(&e->d, old);
		status = admin_site_build(&e->d, old, key, site, err);
	}
	admin_edition_key_done(&key);
	json_decref(old);
	return status;
}

static enum cv_status
push(struct admin_call *call, const char *url, const struct admin_site *site,
	struct admin_published *out, struct cv_err *err)
{
	struct admin_remote_options options;

	admin_edition_remote(call, url, &options);
	enum cv_status status = admin_push(site, &options, admin_progress, call, out, err);
	admin_progress_end(call);
	return status;
}

/* ---- is there anything to do? ---- */

/* What the last complete publication was made of: beside the folder, for no reader. */
static void
state_path(const char *dir, char out[1400])
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	snprintf(out, 1400, "%.*s.state", (int)CV_MIN(n, (size_t)1300), dir);
}

/* One line that differs when the register, the day, the options, the key or the program does. */
static void
describe(struct admin_call *call, const struct admin_edition *e, const char *url, char out[65])
{
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	const struct congvu_options *m = admin_main_options(call);
	const char *agency = admin_option(call, "agency");
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	struct cv_str key = CV_STR_EMPTY;
	struct cv_err ignored = {0};
	char day[11];

	admin_edition_day(call, day);
	if (admin_edition_key(call, &key, &ignored) != CV_OK)
		key = CV_STR_EMPTY;
	cv_buf_printf(&text, CV_VERSION " %llu %s\n%s\n%s\n%s\n%s\n%s\n%d %d %d\n",
		(unsigned long long)cv_snapshot_generation(e->snapshot), day, m->province,
		agency ? agency : "", o->directory_url, o->directory_hidden, url ? url : "",
		o->directory_english, o->directory_coded, o->directory_traps);
	cv_buf_str(&text, key);
	admin_sha256(cv_buf_view(&text), out);
	cv_wipe(text.p, text.n);
	cv_buf_done(&text);
	admin_edition_key_done(&key);
}

static bool
is_done_already(const char *dir, const char *state)
{
	char path[1400];
	struct cv_str text;
	struct cv_err ignored = {0};
	json_t *manifest;

	state_path(dir, path);
	if (admin_file_read(path, 1000, &text, &ignored) != CV_OK)
		return false;
	bool same = cv_str_eq_z(cv_str_trim(text), state);
	free((char *)text.p);
	if (!same || admin_folder_manifest(dir, &manifest, &ignored) != CV_OK)
		return false;
	same = manifest != NULL;
	json_decref(manifest);
	return same;
}

static int
say_unchanged(struct admin_call *call, const char *dir)
{
	json_t *reply = json_pack("{s:b, s:s, s:b}", "ok", 1, "folder", dir, "unchanged", 1);

	if (!admin_json(call, reply))
		puts(admin_say(call, "Nothing changed since the last publication.",
			"Không có gì thay đổi từ lần xuất trước."));
	json_decref(reply);
	return EXIT_OK;
}

/* ---- the command ---- */

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

struct place {
	const char *dir, *url; /* url NULL: not pushed */
	bool is_ours; /* the configured folder */
};

static void
choose_place(struct admin_call *call, struct place *p)
{
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	const char *out = admin_option(call, "out");

	p->dir = out ? out : o->directory_dir;
	p->url = admin_option(call, "push");
	if (!p->url && !out && o->directory_push[0])
		p->url = o->directory_push;
	/* Whoever may write there may publish. */
	p->is_ours = !out && geteuid() == 0;
}

/* Root works on the folder as whom it belongs to: the service's user, or the owner of a folder that
 * --out names. */
static enum cv_status
act_as_owner(
	struct admin_call *call, const struct place *p, bool *switched_out, struct cv_err *err)
{
	return p->is_ours ? admin_act_as(admin_main_options(call)->user, switched_out, err)
			  : admin_act_as_owner_of(p->dir, switched_out, err);
}

static enum cv_status
write_folder(struct admin_call *call, const struct place *p, const struct admin_site *site,
	struct admin_published *out, struct cv_err *err)
{
	bool switched;
	enum cv_status status = act_as_owner(call, p, &switched, err);

	if (status == CV_OK)
		status = admin_folder_publish(p->dir, site, ADMIN_OWNER_SELF, out, err);
	if (switched)
		admin_act_as_self();
	return status;
}

static bool
is_done_as_owner(struct admin_call *call, const struct place *p, const char *state)
{
	bool switched;
	struct cv_err ignored = {0};
	bool is_done = act_as_owner(call, p, &switched, &ignored) == CV_OK &&
		       is_done_already(p->dir, state);

	if (switched)
		admin_act_as_self();
	return is_done;
}

static void
note_state(struct admin_call *call, const struct place *p, const char *state)
{
	char path[1400];
	bool switched;
	struct cv_err ignored = {0};

	state_path(p->dir, path);
	/* Without it the next run does a little more than it need. */
	if (act_as_owner(call, p, &switched, &ignored) == CV_OK)
		(void)(admin_file_replace(path, 0600, cv_str_z(state), ADMIN_OWNER_SELF,
			       &ignored) == CV_OK);
	if (switched)
		admin_act_as_self();
}

static int
publish(struct admin_call *call, const struct place *p, struct admin_edition *e)
{
	struct admin_site site = {0};
	struct admin_published folder = {0}, pushed = {0};
	struct cv_err err = {0};
	char state[65];

	describe(call, e, p->url, state);
	if (admin_option(call, "if-changed") && is_done_as_owner(call, p, state))
		return say_unchanged(call, p->dir);
	enum cv_status status = build(call, p->dir, e, &site, &err);
	if (status == CV_OK)
		status = write_folder(call, p, &site, &folder, &err);
	if (status == CV_OK && p->url)
		status = push(call, p->url, &site, &pushed, &err);
	if (status == CV_OK) {
		note_state(call, p, state);
		answer(call, p->dir, &e->d, &folder, p->url, &pushed);
	}
	admin_site_done(&site);
	return status == CV_OK ? EXIT_OK
			       : admin_error(call,
					 status == CV_TEMPFAIL && p->url ? EXIT_DOWN : EXIT_FAILED,
					 err.text, err.text);
}

static int
run_publish(struct admin_call *call)
{
	struct admin_edition e;
	struct place place;
	struct cv_err err = {0};

	if (!admin_conf(call))
		return EXIT_CONFIG;
	choose_place(call, &place);
	if (admin_option(call, "agency") && !admin_option(call, "out"))
		return admin_error(call, EXIT_USAGE,
			"--agency makes a directory of its own: say where with --out",
			"--agency tạo danh bạ riêng: chỉ nơi ghi bằng --out");
	int exit_code = admin_edition_open(call, &e, &err) == CV_OK
				? publish(call, &place, &e)
				: admin_error(call, EXIT_FAILED, err.text, err.text);
	admin_edition_close(&e);
	return exit_code;
}

/* clang-format off */
static const struct admin_option publish_options[] = {
	{ "out", "DIR", "write here instead of the configured folder", "ghi vào thư mục này" },
	{ "push", "URL", "send what changed below this https, http (WebDAV or PUT) or sftp address",
		"đẩy các tệp thay đổi lên địa chỉ https, http hoặc sftp này" },
	{ "agency", "CODE", "a directory of this unit and those below it, with --out",
		"danh bạ riêng của đơn vị này và các đơn vị trực thuộc, kèm --out" },
	{ "if-changed", NULL, "do nothing when register, options and day are those of the last time",
		"không làm gì nếu sổ đăng ký, tùy chọn và ngày không đổi" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_directory_publish = {
	.noun = "directory",
	.verb = "publish",
	.words = "",
	.help = "write the public directory: pages, CSV, JSON, vCard, LDIF",
	.help_vi = "xuất danh bạ công khai: trang web, CSV, JSON, vCard, LDIF",
	.options = publish_options,
	.examples =
		"  congvu directory publish\n"
		"  congvu directory publish --if-changed\n"
		"  congvu directory publish --out /var/www/danhba\n"
		"  congvu directory publish --push https://congthongtin.lamgiang.example/danhba/\n"
		"  congvu directory publish --push sftp://web.lamgiang.example/srv/danhba/",
	.run = run_publish,
};
