/* look.c - `congvu directory status`, `is-official`, `ldif`, `key`: what is published, and what it
 * needs beside. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "admin/certificate.h"
#include "admin/commands.h"
#include "admin/directory/publish.h"

/* Opens the register and builds the directory; on a fault says so and returns false. */
static bool
open_edition(struct admin_call *call, struct admin_edition *e, int *exit_out)
{
	struct cv_err err = {0};

	enum cv_status status = admin_edition_open(call, e, &err);
	if (status == CV_OK)
		status = admin_edition_build(call, NULL, e, &err);
	*exit_out = status == CV_OK ? EXIT_OK : admin_error(call, EXIT_FAILED, err.text, err.text);
	return status == CV_OK;
}

static const char *
published_folder(struct admin_call *call)
{
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);

	return admin_option(call, "out") ? admin_option(call, "out") : o->directory_dir;
}

/* ---- status (DIR-09) ---- */

static void
show_day(const char *day, char out[11])
{
	snprintf(out, 11, "%.2s/%.2s/%.4s", day + 8, day + 5, day);
}

static json_t *
status_row(const struct admin_unit *u, const json_t *published)
{
	const json_t *p = json_object_get(published, u->code.p ? u->code.p : "");
	json_int_t people = json_integer_value(json_object_get(p, "people"));
	const char *day = json_string_value(json_object_get(p, "updated"));
	bool is_published = people > 0 && day && strlen(day) == 10;
	const char *sum = json_string_value(json_object_get(p, "sha256"));
	bool is_current = is_published && sum && !strcmp(sum, u->digest);
	json_t *row = json_pack("{s:s#, s:s#, s:b, s:b, s:I, s:I}", "code", u->code.p,
		(int)u->code.n, "name", u->name.p, (int)u->name.n, "published", is_published,
		"current", is_current, "people", people, "staff", (json_int_t)u->staff);

	json_object_set_new(row, "updated", is_published ? json_string(day) : json_null());
	return row;
}

static void
print_status(struct admin_call *call, const json_t *rows)
{
	/* clang-format off */
	static const struct admin_column columns[] = {
		{ "name", "agency", "đơn vị" }, { "state", "state", "tình trạng" },
		{ "day", "updated", "cập nhật" }, { "people", "listed", "công khai" },
		{ "staff", "staff", "tổng số" } };
	/* clang-format on */
	json_t *shown = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		bool is_published = json_is_true(json_object_get(row, "published"));
		bool is_current = json_is_true(json_object_get(row, "current"));
		const char *day = json_string_value(json_object_get(row, "updated"));
		char text[11] = "-";
		if (day)
			show_day(day, text);
		const char *state =
			!is_published ? admin_say(call, "not published", "chưa công khai")
			: is_current  ? admin_say(call, "published", "đã công khai")
				     : admin_say(call, "changed since", "có thay đổi chưa xuất");
		json_t *o = json_pack("{s:O, s:s, s:s}", "name", json_object_get(row, "name"),
			"state", state, "day", text);
		admin_set_number(o, "people", admin_number(row, "people"));
		admin_set_number(o, "staff", admin_number(row, "staff"));
		json_array_append_new(shown, o);
	}
	admin_table(call, shown, columns, CV_COUNT(columns));
	json_decref(shown);
}

/* An agency may have told how many people work there, also those without an address; whoever may
 * not ask the store, or finds it away, sees the people with an address. */
static void
take_staff(struct admin_call *call, struct admin_directory *d)
{
	struct cv_err ignored = {0};
	json_t *reply = admin_try(call, ADMIN_STORE, admin_request("agency.list"), &ignored), *row;
	size_t k;

	for (size_t i = 0; reply && i < d->count; i++)
		json_array_foreach(json_object_get(reply, "agencies"), k, row)
		{
			const char *code = json_string_value(json_object_get(row, "code"));
			if (code && cv_str_eq_z(d->units[i].code, code))
				d->units[i].staff = CV_MAX(
					d->units[i].staff, (size_t)admin_number(row, "staff"));
		}
	json_decref(reply);
}

static int
answer_status(struct admin_call *call, struct admin_edition *e, const json_t *manifest)
{
	const json_t *published = json_object_get(manifest, "agencies");
	const char *generated = json_string_value(json_object_get(manifest, "generated"));
	json_t *rows = json_array(), *missing = json_array();
	bool only_missing = admin_option(call, "missing");

	for (size_t i = 0; i < e->d.count; i++) {
		json_t *row = status_row(&e->d.units[i], published);
		bool is_published = json_is_true(json_object_get(row, "published"));
		if (!is_published)
			json_array_append(missing, row);
		if (!only_missing || !is_published)
			json_array_append(rows, row);
		json_decref(row);
	}
	size_t behind = json_array_size(missing);
	json_t *reply = json_pack("{s:b, s:O, s:I, s:I, s:s*}", "ok", 1, "agencies", rows, "total",
		(json_int_t)e->d.count, "not_published", (json_int_t)behind, "generated",
		generated);
	if (!admin_json(call, reply)) {
		char day[11] = "-";
		print_status(call, rows);
		if (generated && strlen(generated) == 10)
			show_day(generated, day);
		printf(admin_say(call, "\n%zu of %zu agencies are published; last written %s.\n",
			       "\n%zu/%zu đơn vị đã công khai; xuất lần cuối ngày %s.\n"),
			e->d.count - behind, e->d.count, day);
		json_t *row;
		size_t i;
		json_array_foreach(missing, i, row)
		{
			admin_put(stdout, json_string_value(json_object_get(row, "name")));
			puts(admin_say(call, ": not published", ": chưa công khai"));
		}
	}
	json_decref(reply);
	json_decref(rows);
	json_decref(missing);
	return EXIT_OK;
}

static int
run_status(struct admin_call *call)
{
	struct admin_edition e;
	struct cv_err err = {0};
	json_t *manifest = NULL;
	int exit_code;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	if (open_edition(call, &e, &exit_code)) {
		if (admin_folder_manifest(published_folder(call), &manifest, &err) != CV_OK)
			exit_code = admin_error(call, EXIT_FAILED, err.text, err.text);
		else
			admin_site_date(&e.d, manifest);
		take_staff(call, &e.d);
		if (exit_code == EXIT_OK)
			exit_code = answer_status(call, &e, manifest);
		json_decref(manifest);
	}
	admin_edition_close(&e);
	return exit_code;
}

/* clang-format off */
static const struct admin_option status_options[] = {
	{ "out", "DIR", "look into this folder instead of the configured one", "xem thư mục này" },
	{ "missing", NULL, "only those that are not published", "chỉ các đơn vị chưa công khai" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_directory_status = {
	.noun = "directory",
	.verb = "status",
	.words = "",
	.help = "who is published, since when, and how many of its people",
	.help_vi = "đơn vị nào đã công khai danh bạ, từ ngày nào, bao nhiêu người",
	.options = status_options,
	.examples = "  congvu directory status\n  congvu directory status --missing --json",
	.run = run_status,
};

/* ---- is-official (DIR-08) ---- */

static int
run_is_official(struct admin_call *call)
{
	struct admin_edition e;
	struct cv_reg_hit hit;
	struct cv_reg_agency agency;
	struct cv_err err = {0};
	struct cv_str name = CV_STR_EMPTY;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	if (admin_edition_open(call, &e, &err) != CV_OK) {
		admin_edition_close(&e);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	cv_snapshot_find_address(e.snapshot, cv_str_trim(cv_str_z(call->words[0])), &hit);
	/* A retired address is nobody's any more; nothing but the agency is told. */
	bool is_official = (hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP) &&
			   hit.account.state != CV_STATE_RETIRED;
	if (is_official && hit.account.agency.n &&
		cv_snapshot_agency(e.snapshot, hit.account.agency, &agency))
		name = agency.name;
	json_t *reply = json_pack("{s:b, s:b, s:s#}", "ok", 1, "official", is_official, "agency",
		name.p ? name.p : "", (int)name.n);
	if (!admin_json(call, reply) && !is_official)
		puts(admin_say(call, "No: this is no official address.",
			"Không: đây không phải địa chỉ công vụ."));
	else if (!call->json)
		printf(admin_say(call, "Yes: %.*s\n", "Đúng: %.*s\n"), CV_STR_ARGS(name));
	json_decref(reply);
	admin_edition_close(&e);
	return is_official ? EXIT_OK : EXIT_FAILED;
}

const struct admin_command admin_directory_is_official = {
	.noun = "directory",
	.verb = "is-official",
	.words = "ADDRESS",
	.words_min = 1,
	.words_max = 1,
	.help = "whether an address is official, and of which agency; nothing else is told",
	.help_vi = "địa chỉ có phải địa chỉ công vụ không, của đơn vị nào",
	.examples = "  congvu directory is-official vanthu.stp@lamgiang.example",
	.run = run_is_official,
};

/* ---- ldif (DIR-10) ---- */

static int
run_ldif(struct admin_call *call)
{
	struct admin_edition e;
	struct cv_buf text = CV_BUF_INIT(ADMIN_SITE_FILE_MAX),
		      changes = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);
	struct cv_str old = CV_STR_EMPTY;
	struct cv_err err = {0};
	const char *since = admin_option(call, "since");
	int exit_code;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	if (open_edition(call, &e, &exit_code)) {
		enum cv_status status = CV_OK;
		admin_ldif(&e.d, &text);
		if (since)
			status = admin_file_read(since, ADMIN_SITE_FILE_MAX, &old, &err);
		if (since && status == CV_OK)
			status = admin_ldif_changes(old, cv_buf_view(&text), &changes, &err);
		struct cv_str out = cv_buf_view(since ? &changes : &text);
		if (status != CV_OK)
			exit_code = admin_error(call, EXIT_FAILED, err.text, err.text);
		else if (fwrite(out.p, 1, out.n, stdout) != out.n)
			exit_code = admin_error(call, EXIT_FAILED, "the output cannot be written",
				"không ghi được kết quả");
	}
	free((char *)old.p);
	cv_buf_done(&text);
	cv_buf_done(&changes);
	admin_edition_close(&e);
	return exit_code;
}

/* clang-format off */
static const struct admin_option ldif_options[] = {
	{ "since", "FILE", "only what changed since this earlier file, for ldapmodify",
		"chỉ phần thay đổi so với tệp cũ này, dùng cho ldapmodify" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_directory_ldif = {
	.noun = "directory",
	.verb = "ldif",
	.words = "",
	.help = "the directory for OpenLDAP, whole or as changes",
	.help_vi = "danh bạ cho OpenLDAP, toàn bộ hoặc phần thay đổi",
	.options = ldif_options,
	.examples =
		"  congvu directory ldif > danhba.ldif && slapadd -l danhba.ldif\n"
		"  congvu directory ldif --since danhba.ldif | ldapmodify -Y EXTERNAL -H ldapi:///",
	.run = run_ldif,
};

/* ---- key ---- */

static enum cv_status
make_key(struct admin_call *call, const char *path, struct cv_err *err)
{
	struct cv_buf pem = CV_BUF_INIT(1u << 16);
	struct admin_owner owner = ADMIN_OWNER_SELF;

	enum cv_status status = admin_owner_find(admin_main_options(call)->user, &owner, err);
	if (status == CV_OK)
		status = admin_key_make(ADMIN_KEY_ED25519, 0, &pem, err);
	if (status == CV_OK)
		status = admin_file_new(path, 0600, cv_buf_view(&pem), owner, err);
	cv_wipe(pem.p, pem.n);
	cv_buf_done(&pem);
	return status == CV_EXISTS ? CV_OK : status; /* then the one that is there is told of */
}

static int
run_key(struct admin_call *call)
{
	struct cv_buf public_key = CV_BUF_INIT(1u << 16);
	struct cv_str pem = CV_STR_EMPTY;
	struct cv_err err = {0};
	char path[1200], fingerprint[65] = "";

	if (!admin_conf(call))
		return EXIT_CONFIG;
	admin_edition_key_path(call, path);
	bool is_new = access(path, F_OK) != 0;
	enum cv_status status = is_new ? make_key(call, path, &err) : CV_OK;
	if (status == CV_OK)
		status = admin_edition_key(call, &pem, &err);
	if (status == CV_OK)
		status = admin_sign_public(pem, &public_key, &err);
	admin_edition_key_done(&pem);
	if (status != CV_OK) {
		cv_buf_done(&public_key);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	admin_sha256(cv_buf_view(&public_key), fingerprint);
	json_t *reply = json_pack("{s:b, s:b, s:s, s:s#, s:s}", "ok", 1, "new", is_new, "path",
		path, "public", public_key.p, (int)public_key.n, "sha256", fingerprint);
	if (!admin_json(call, reply))
		printf(admin_say(call,
			       "The directory is signed with %s.\nGive this to those who check it "
			       "(it is published as khoa.pem; its SHA-256 is %s):\n\n%.*s",
			       "Danh bạ được ký bằng %s.\nGửi khóa công khai này cho nơi kiểm tra "
			       "(cũng là tệp khoa.pem; SHA-256 %s):\n\n%.*s"),
			path, fingerprint, (int)public_key.n, public_key.p);
	json_decref(reply);
	cv_buf_done(&public_key);
	return EXIT_OK;
}

const struct admin_command admin_directory_key = {
	.noun = "directory",
	.verb = "key",
	.words = "",
	.help = "make the key that signs the directory (once), and show its public half",
	.help_vi = "tạo khóa ký danh bạ (một lần) và cho xem khóa công khai",
	.examples = "  congvu directory key",
	.run = run_key,
};
