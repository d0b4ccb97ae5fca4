/* verify.c - `congvu directory verify`: is what stands there what was published? Every file against
 * the manifest, the manifest against its signature. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/certificate.h"
#include "admin/commands.h"
#include "admin/directory/publish.h"
#include "admin/progress.h"

/* A folder, or a server. */
struct source {
	const char *dir;
	struct admin_remote *remote;
};

static enum cv_status
fetch(const struct source *s, const char *path, struct cv_buf *out, struct cv_err *err)
{
	char whole[1400];
	struct cv_str text;

	cv_buf_reset(out);
	if (s->remote)
		return admin_remote_get(s->remote, path, out, err);
	snprintf(whole, sizeof whole, "%.1200s/%s", s->dir, path);
	enum cv_status status = admin_file_read(whole, ADMIN_SITE_FILE_MAX, &text, err);
	if (status == CV_OK) {
		cv_buf_str(out, text);
		free((char *)text.p);
	}
	return status;
}

static void
fault(json_t *faults, const char *path, const char *what)
{
	json_array_append_new(faults, json_pack("{s:s, s:s}", "file", path, "fault", what));
}

/* FILE is named by --key, else it is our own. */
static enum cv_status
read_key(struct admin_call *call, struct cv_str *out, struct cv_err *err)
{
	const char *file = admin_option(call, "key");

	*out = CV_STR_EMPTY;
	if (file)
		return admin_file_read(file, 1u << 16, out, err);
	enum cv_status status = admin_edition_key(call, out, err);
	if (status == CV_OK && !out->n)
		status = cv_fail(err, CV_NOT_FOUND,
			"there is no key to check with: name the public one with --key");
	return status;
}

static enum cv_status
check_signature(struct admin_call *call, const struct source *s, struct cv_str manifest,
	json_t *faults, struct cv_err *err)
{
	struct cv_buf signature = CV_BUF_INIT(4096);
	struct cv_str key = CV_STR_EMPTY;

	enum cv_status status = read_key(call, &key, err);
	if (status == CV_OK)
		status = fetch(s, ADMIN_SITE_SIGNATURE, &signature, err);
	if (status == CV_NOT_FOUND && key.n) {
		fault(faults, ADMIN_SITE_SIGNATURE, "missing");
		status = CV_OK;
	} else if (status == CV_OK) {
		status = admin_sign_check(key, manifest, cv_buf_view(&signature), err);
		if (status == CV_DENIED) {
			fault(faults, ADMIN_SITE_SIGNATURE, "not by this key");
			status = CV_OK;
		}
	}
	admin_edition_key_done(&key);
	cv_buf_done(&signature);
	return status;
}

static enum cv_status
check_file(const struct source *s, const json_t *row, struct cv_buf *bytes, json_t *faults,
	struct cv_err *err)
{
	const char *path = json_string_value(json_object_get(row, "path"));
	const char *sum = json_string_value(json_object_get(row, "sha256"));
	char found[65];

	if (!path || !sum || !admin_site_path_is_sound(path)) {
		fault(faults, path ? path : "", "no path of a directory");
		return CV_OK;
	}
	enum cv_status status = fetch(s, path, bytes, err);
	if (status == CV_NOT_FOUND) {
		fault(faults, path, "missing");
		return CV_OK;
	}
	if (status != CV_OK)
		return status;
	admin_sha256(cv_buf_view(bytes), found);
	if (strcmp(found, sum) != 0)
		fault(faults, path, "changed");
	return CV_OK;
}

static enum cv_status
check_all(struct admin_call *call, const struct source *s, json_t *faults, size_t *files_out,
	struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(ADMIN_SITE_FILE_MAX),
		      bytes = CV_BUF_INIT(ADMIN_SITE_FILE_MAX);
	json_t *row;
	size_t i;

	enum cv_status status = fetch(s, ADMIN_SITE_MANIFEST, &text, err);
	if (status == CV_OK)
		status = check_signature(call, s, cv_buf_view(&text), faults, err);
	json_t *manifest = status == CV_OK ? admin_site_manifest(cv_buf_view(&text)) : NULL;
	if (status == CV_OK && !manifest)
		status = cv_fail(err, CV_INVALID, "that is no manifest of a directory");
	const json_t *files = json_object_get(manifest, "files");
	json_array_foreach(files, i, row)
	{
		if (status == CV_OK)
			status = check_file(s, row, &bytes, faults, err);
		admin_progress(call, json_pack("{s:I, s:I}", "done", (json_int_t)i + 1, "total",
					     (json_int_t)json_array_size(files)));
	}
	admin_progress_end(call);
	*files_out = json_array_size(files);
	json_decref(manifest);
	cv_buf_done(&text);
	cv_buf_done(&bytes);
	return status;
}

static int
answer(struct admin_call *call, size_t files, json_t *faults)
{
	bool good = json_array_size(faults) == 0;
	json_t *reply = json_pack(
		       "{s:b, s:I, s:O}", "ok", good, "files", (json_int_t)files, "faults", faults),
	       *row;
	size_t i;

	if (!admin_json(call, reply)) {
		json_array_foreach(faults, i, row)
		{
			admin_put(stdout, json_string_value(json_object_get(row, "file")));
			printf(": %s\n", json_string_value(json_object_get(row, "fault")));
		}
		printf(good ? admin_say(call, "%zu files, all as they were published.\n",
				      "%zu tệp, đúng như khi công bố.\n")
			    : admin_say(call,
				      "%zu files looked at: this is not what was published.\n",
				      "Đã xem %zu tệp: không đúng như khi công bố.\n"),
			files);
	}
	json_decref(reply);
	return good ? EXIT_OK : EXIT_FAILED;
}

static int
run_verify(struct admin_call *call)
{
	struct source s = {.dir = call->word_count ? call->words[0] : NULL};
	struct admin_remote_options options;
	struct cv_err err = {0};
	enum cv_status status = CV_OK;
	size_t files = 0;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	if (!s.dir)
		s.dir = ((const struct admin_options *)cv_conf_get(call->conf, &admin_section))
				->directory_dir;
	if (strstr(s.dir, "://")) {
		admin_edition_remote(call, s.dir, &options);
		status = admin_remote_open(&options, &s.remote, &err);
	}
	json_t *faults = json_array();
	if (status == CV_OK)
		status = check_all(call, &s, faults, &files, &err);
	int exit_code = status == CV_OK ? answer(call, files, faults)
					: admin_error(call,
						  status == CV_TEMPFAIL && s.remote ? EXIT_DOWN
										    : EXIT_FAILED,
						  err.text, err.text);
	json_decref(faults);
	admin_remote_close(s.remote);
	return exit_code;
}

/* clang-format off */
static const struct admin_option verify_options[] = {
	{ "key", "FILE", "the public key (khoa.pem) as it was handed over; else our own",
		"khóa công khai đã nhận; không có thì dùng khóa của máy này" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_directory_verify = {
	.noun = "directory",
	.verb = "verify",
	.words = "[DIR|URL]",
	.words_max = 1,
	.help = "check a published directory: signature, and the sum of every file",
	.help_vi = "kiểm tra danh bạ đã công bố: chữ ký và mã băm của từng tệp",
	.options = verify_options,
	.examples = "  congvu directory verify\n"
		    "  congvu directory verify https://danhba.lamgiang.example/ --key khoa.pem",
	.run = run_verify,
};
