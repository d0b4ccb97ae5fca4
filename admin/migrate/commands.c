/* commands.c - `congvu migrate imap|maildir|mbox|export` (MIG-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "admin/commands.h"
#include "admin/csv.h"
#include "admin/files.h"
#include "admin/migrate/export.h"
#include "admin/migrate/list_file.h"

#define PARALLEL_DEFAULT 4u
#define PARALLEL_MAX     32u
#define TRIES            5u

/* ---- options ---- */

static int
usage(struct admin_call *call, const char *en, const char *vi)
{
	return admin_error(call, EXIT_USAGE, en, vi);
}

static bool
read_number(struct admin_call *call, const char *name, uint64_t max, uint64_t *out)
{
	const char *text = admin_option(call, name);

	return !text || cv_str_u64(cv_str_z(text), max, out) == CV_OK;
}

/* The port goes with the security unless one is given. Plain words are for loopback alone. */
static int
read_server(struct admin_call *call, struct migrate_server *out)
{
	const char *security = admin_option(call, "security");
	uint64_t port = 0;

	*out = (struct migrate_server){
		.host = admin_option(call, "host"),
		.name = admin_option(call, "server-name"),
		.ca_file = admin_option(call, "ca"),
		.master = admin_option(call, "master"),
	};
	if (!out->host)
		return usage(
			call, "name the old server with --host", "hãy nêu máy chủ cũ bằng --host");
	if (security && !strcmp(security, "starttls"))
		out->security = MIGRATE_STARTTLS;
	else if (security && !strcmp(security, "plain"))
		out->security = MIGRATE_PLAIN;
	else if (security && strcmp(security, "tls") != 0)
		return usage(call, "--security is tls, starttls or plain",
			"--security là tls, starttls hoặc plain");
	bool is_here = !strcmp(out->host, "localhost") || !strncmp(out->host, "127.", 4) ||
		       !strcmp(out->host, "::1");
	if (out->security == MIGRATE_PLAIN && !is_here)
		return usage(call,
			"passwords do not go over a network in clear: use tls or starttls",
			"không gửi mật khẩu ở dạng rõ qua mạng: dùng tls hoặc starttls");
	if (!read_number(call, "port", 65535, &port))
		return usage(
			call, "--port is a number up to 65535", "--port là số không quá 65535");
	out->port = (uint16_t)(port ? port : out->security == MIGRATE_TLS ? 993 : 143);
	return EXIT_OK;
}

/* One password for all, of the master user, instead of a column of the list. */
static int
take_master_password(struct admin_call *call, struct migrate_accounts *list)
{
	const char *path = admin_option(call, "password-file");
	struct cv_str text;
	struct cv_err err = {0};

	if (!path)
		return EXIT_OK;
	if (admin_file_read(path, 1000, &text, &err) != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	struct cv_str word = cv_str_trim(text);
	for (size_t i = 0; i < list->n; i++) {
		free(list->items[i].password);
		list->items[i].password = cv_str_dup(word);
	}
	cv_wipe((void *)(uintptr_t)text.p, text.n);
	free((void *)(uintptr_t)text.p);
	return EXIT_OK;
}

/* ---- what came of it ---- */

static json_t *
account_json(const struct migrate_account *a)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "user", a->user,
		"address", a->address, "done", a->error[0] == '\0', "error", a->error, "folders",
		(json_int_t)a->folders, "found", (json_int_t)a->found, "copied",
		(json_int_t)a->copied, "there", (json_int_t)a->there, "bytes", (json_int_t)a->bytes,
		"skipped", (json_int_t)a->skipped_count, "skipped_messages", a->skipped);
}

static void
print_row(const struct admin_call *call, const struct migrate_account *a)
{
	size_t i;
	json_t *skip;

	if (a->error[0]) {
		fprintf(stderr, "%s: ", a->address);
		admin_put(stderr, a->error);
		fputc('\n', stderr);
	}
	json_array_foreach(a->skipped, i, skip)
	{
		if (i == 5) {
			fprintf(stderr,
				admin_say(call, "%s: ... %llu more were left out\n",
					"%s: ... còn %llu thư khác bị bỏ qua\n"),
				a->address, (unsigned long long)(a->skipped_count - i));
			break;
		}
		fprintf(stderr, "%s: ", a->address);
		admin_put(stderr, json_string_value(json_object_get(skip, "folder")));
		fprintf(stderr, " %s: ", json_string_value(json_object_get(skip, "key")));
		admin_put(stderr, json_string_value(json_object_get(skip, "why")));
		fputc('\n', stderr);
	}
}

/* Exit code: partly when an account or a message was left out. */
static int
report(struct admin_call *call, const struct migrate_account *accounts, size_t n, bool dry_run)
{
	uint64_t found = 0, copied = 0, there = 0, skipped = 0, bytes = 0;
	size_t failed = 0;
	json_t *rows = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct migrate_account *a = &accounts[i];
		found += a->found, copied += a->copied, there += a->there;
		skipped += a->skipped_count, bytes += a->bytes;
		failed += a->error[0] != '\0';
		json_array_append_new(rows, account_json(a));
		if (!call->json)
			print_row(call, a);
	}
	json_t *reply = json_pack("{s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "ok",
		!failed, "dry_run", dry_run, "accounts", (json_int_t)n, "failed",
		(json_int_t)failed, "found", (json_int_t)found, "copied", (json_int_t)copied,
		"there", (json_int_t)there, "skipped", (json_int_t)skipped, "bytes",
		(json_int_t)bytes, "results", rows);
	if (!admin_json(call, reply))
		printf(dry_run ? admin_say(call,
					 "%zu accounts, %zu failed: %llu messages, %llu of them "
					 "here "
					 "already; %llu MB would be copied\n",
					 "%zu tài khoản, %zu lỗi: %llu thư, trong đó %llu đã có; "
					 "sẽ chép "
					 "%llu MB\n")
			       : admin_say(call,
					 "%zu accounts, %zu failed: %llu messages, %llu were here "
					 "already; %llu MB in %llu messages copied, %llu left "
					 "out\n",
					 "%zu tài khoản, %zu lỗi: %llu thư, %llu đã có sẵn; đã "
					 "chép %llu MB "
					 "trong %llu thư, bỏ qua %llu\n"),
			n, failed, (unsigned long long)found, (unsigned long long)there,
			(unsigned long long)(bytes >> 20), (unsigned long long)copied,
			(unsigned long long)skipped);
	json_decref(reply);
	return failed || skipped ? EXIT_PARTLY : EXIT_OK;
}

/* ---- bringing over ---- */

static enum cv_status
open_imap(const struct migrate_run *run, const struct migrate_account *a,
	struct migrate_source **out, struct cv_err *err)
{
	return migrate_imap_open(run->server, a->user, a->password, out, err);
}

static enum cv_status
open_maildir(const struct migrate_run *run, const struct migrate_account *a,
	struct migrate_source **out, struct cv_err *err)
{
	(void)run;
	return migrate_maildir_open(a->user, out, err);
}

static enum cv_status
open_mbox(const struct migrate_run *run, const struct migrate_account *a,
	struct migrate_source **out, struct cv_err *err)
{
	(void)run;
	return migrate_mbox_open(a->user, out, err);
}

static int
run_accounts(struct admin_call *call, struct migrate_run *run, struct migrate_accounts *list)
{
	char journals[1200];
	uint64_t parallel = PARALLEL_DEFAULT, rate = 0;

	if (!read_number(call, "parallel", PARALLEL_MAX, &parallel) ||
		!read_number(call, "rate", 10000000, &rate))
		return usage(call, "--parallel is a number up to 32, --rate of kilobytes a second",
			"--parallel là số không quá 32, --rate là số KB mỗi giây");
	if (!admin_conf(call))
		return EXIT_CONFIG;
	snprintf(journals, sizeof journals, "%.1000s/migrate", admin_main_options(call)->base_dir);
	struct cv_err err = {0};
	if (admin_owner_find(admin_main_options(call)->user, &run->owner, &err) != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	run->call = call;
	run->journal_dir = journals;
	run->below = admin_option(call, "below");
	run->dry_run = admin_option(call, "dry-run") != NULL;
	run->bytes_per_sec = rate * 1024;
	run->tries = TRIES;
	run->accounts = list->items;
	run->count = list->n;
	migrate_run_all(run, (unsigned)CV_MAX(parallel, (uint64_t)1));
	return report(call, list->items, list->n, run->dry_run);
}

/* A label is a folder's name: of the old server, or of the kind of files. */
static void
name_label(char out[300], const char *host)
{
	snprintf(out, 300, "%.250s", host);
	for (char *p = out; *p; p++)
		if (*p == '/' || *p == '.' || *p == ':')
			*p = '-';
}

static int
run_imap(struct admin_call *call)
{
	struct migrate_server server;
	struct migrate_accounts list;
	struct cv_err err = {0};
	char label[300];
	int exit_code = read_server(call, &server);

	if (exit_code != EXIT_OK)
		return exit_code;
	if (migrate_list_read(call->words[0], &list, &err) != CV_OK) {
		migrate_list_free(&list);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	name_label(label, server.host);
	struct migrate_run run = {.server = &server, .open = open_imap, .label = label};
	exit_code = take_master_password(call, &list);
	if (exit_code == EXIT_OK)
		exit_code = run_accounts(call, &run, &list);
	migrate_list_free(&list);
	return exit_code;
}

/* One account by ADDRESS PATH, or many by --list. */
static int
run_files(struct admin_call *call, struct migrate_run *run)
{
	struct migrate_accounts list = {0};
	struct cv_err err = {0};
	const char *path = admin_option(call, "list");

	if ((path != NULL) == (call->word_count == 2))
		return usage(call, "give ADDRESS and PATH, or --list FILE",
			"hãy nêu ĐỊA_CHỈ và ĐƯỜNG_DẪN, hoặc --list TỆP");
	if (path && migrate_list_read(path, &list, &err) != CV_OK) {
		migrate_list_free(&list);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	if (!path) {
		list.items = cv_calloc(1, sizeof *list.items);
		list.items[list.n++] = (struct migrate_account){
			.address = cv_strdup(call->words[0]),
			.user = admin_path_absolute(call->words[1]),
			.password = cv_strdup(""),
			.skipped = json_array(),
		};
	}
	int exit_code = run_accounts(call, run, &list);
	migrate_list_free(&list);
	return exit_code;
}

static int
run_maildir(struct admin_call *call)
{
	struct migrate_run run = {.open = open_maildir, .label = "maildir"};

	return run_files(call, &run);
}

static int
run_mbox(struct admin_call *call)
{
	struct migrate_run run = {.open = open_mbox, .label = "mbox"};

	return run_files(call, &run);
}

/* ---- taking out ---- */

static enum cv_status
export_account(const struct migrate_server *server, struct migrate_account *a, bool is_mbox,
	const char *dir, struct cv_err *err)
{
	struct migrate_source *from;
	struct migrate_sink to;
	char path[2000];
	enum cv_status status = migrate_imap_open(server, a->user, a->password, &from, err);

	if (status != CV_OK)
		return status;
	snprintf(path, sizeof path, "%.1500s/%.320s", dir, a->address);
	migrate_sink_open(&to, is_mbox, path);
	status = migrate_export(from, &to, a, err);
	migrate_sink_close(&to);
	from->ops->close(from);
	return status;
}

static int
run_export(struct admin_call *call)
{
	const char *format = admin_option(call, "format"), *dir = admin_option(call, "output");
	struct migrate_server server;
	struct migrate_accounts list;
	struct cv_err err = {0};
	int exit_code = read_server(call, &server);

	if (exit_code != EXIT_OK)
		return exit_code;
	if (!dir || (format && strcmp(format, "maildir") != 0 && strcmp(format, "mbox") != 0))
		return usage(call, "name a folder with --output; --format is maildir or mbox",
			"hãy nêu thư mục bằng --output; --format là maildir hoặc mbox");
	if (migrate_list_read(call->words[0], &list, &err) != CV_OK) {
		migrate_list_free(&list);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	exit_code = take_master_password(call, &list);
	for (size_t i = 0; i < list.n && exit_code == EXIT_OK; i++) {
		struct migrate_account *a = &list.items[i];
		if (export_account(&server, a, format && !strcmp(format, "mbox"), dir, &err) !=
			CV_OK)
			snprintf(a->error, sizeof a->error, "%s", err.text);
	}
	if (exit_code == EXIT_OK)
		exit_code = report(call, list.items, list.n, false);
	migrate_list_free(&list);
	return exit_code;
}

/* ---- rows ---- */

/* clang-format off */
#define SERVER_OPTIONS \
	{ "host", "NAME", "the IMAP server", "máy chủ IMAP" }, \
	{ "server-name", "NAME", "name on its certificate, when --host is an address", \
		"tên trên chứng thư, khi --host là địa chỉ IP" }, \
	{ "port", "N", "993 with tls, 143 else, unless told", "mặc định 993 với tls, còn lại 143" }, \
	{ "security", "KIND", "tls (the default), starttls, or plain on this machine alone", \
		"tls (mặc định), starttls, hoặc plain chỉ trên chính máy này" }, \
	{ "ca", "FILE", "authority of its certificate, when it is not a public one", \
		"chứng thư gốc của máy chủ nếu không phải loại công cộng" }, \
	{ "master", "USER", "log in as USER*MASTER with the master's password", \
		"đăng nhập bằng người dùng tổng (USER*MASTER)" }, \
	{ "password-file", "FILE", "one password for all, such as the master's", \
		"một mật khẩu chung cho tất cả, ví dụ của người dùng tổng" }
#define RUN_OPTIONS \
	{ "parallel", "N", "so many accounts at a time; 4 unless told, 32 at most", \
		"số tài khoản chép cùng lúc; mặc định 4, nhiều nhất 32" }, \
	{ "rate", "KB", "at most so many kilobytes a second, all together", "tốc độ tối đa, KB mỗi giây" }, \
	{ "below", "FOLDER", "put everything below this folder, \"Hộp thư cũ\" say", \
		"đưa tất cả vào dưới thư mục này, ví dụ \"Hộp thư cũ\"" }, \
	ADMIN_DRY_RUN
static const struct admin_option imap_options[] = { SERVER_OPTIONS, RUN_OPTIONS, { 0 } };
static const struct admin_option file_options[] = {
	{ "list", "FILE", "many accounts: a CSV file with columns path and address",
		"nhiều tài khoản: tệp CSV có cột path và address" },
	RUN_OPTIONS,
	{ 0 }
};
static const struct admin_option export_options[] = {
	SERVER_OPTIONS,
	{ "output", "FOLDER", "where to write, a folder an account", "nơi ghi, mỗi tài khoản một thư mục" },
	{ "format", "KIND", "maildir (the default) or mbox", "maildir (mặc định) hoặc mbox" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_migrate_imap = {
	.noun = "migrate",
	.verb = "imap",
	.words = "LIST",
	.words_min = 1,
	.words_max = 1,
	.help = "bring boxes over from another IMAP server: folders, flags, dates; run it again "
		"and only "
		"what is new comes",
	.help_vi = "kéo hộp thư từ máy chủ IMAP khác: thư mục, cờ, ngày; chạy lại chỉ chép thư mới",
	.options = imap_options,
	.examples =
		"  congvu migrate imap accounts.csv --host mail.trason.example --dry-run\n"
		"  congvu migrate imap accounts.csv --host mail.trason.example --parallel 8 --rate "
		"4000\n"
		"  (accounts.csv, chmod 600: user,password,address)",
	.run = run_imap,
};
const struct admin_command admin_migrate_maildir = {
	.noun = "migrate",
	.verb = "maildir",
	.words = "[ADDRESS PATH]",
	.words_max = 2,
	.help = "bring a Maildir, or a tree of them, into a box",
	.help_vi = "chép Maildir (hoặc cây Maildir) vào hộp thư",
	.options = file_options,
	.examples = "  congvu migrate maildir nva.stp /srv/old/nva/Maildir",
	.run = run_maildir,
};
const struct admin_command admin_migrate_mbox = {
	.noun = "migrate",
	.verb = "mbox",
	.words = "[ADDRESS PATH]",
	.words_max = 2,
	.help = "bring an mbox file, or a tree of them, into a box",
	.help_vi = "chép tệp mbox (hoặc cây tệp mbox) vào hộp thư",
	.options = file_options,
	.examples = "  congvu migrate mbox nva.stp /srv/old/nva.mbox --below \"Hộp thư cũ\"",
	.run = run_mbox,
};
const struct admin_command admin_migrate_export = {
	.noun = "migrate",
	.verb = "export",
	.words = "LIST",
	.words_min = 1,
	.words_max = 1,
	.help = "write boxes of an IMAP server, this one or another, to files, with their owners' "
		"passwords",
	.help_vi = "xuất hộp thư từ máy chủ IMAP (này hoặc khác) ra tệp, bằng mật khẩu của chủ hộp",
	.options = export_options,
	.examples = "  congvu migrate export accounts.csv --host mail.lamgiang.example --output "
		    "/srv/export --format mbox",
	.run = run_export,
};
