/* init.c - `congvu init`: from an empty folder to a province that can be started.
 *
 * Everything that can be refused is refused before anything is made; the configuration file comes
 * last, so that its being there means the rest is. Nothing is ever overwritten.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/certificate.h"
#include "admin/commands.h"
#include "admin/dkim_keys.h"
#include "admin/init.h"
#include "common/base/clock.h"
#include "common/text/domain.h"

struct plan {
	struct admin_call *call;
	char *base, *conf_path;
	char domain[256], hostname[256];
	struct admin_init_answers answers; /* of who was asked */
	const char *province, *user, *inside;
	bool demo_ports;
	struct admin_owner owner;
	struct cv_buf conf_text;
	char selector[ADMIN_DKIM_SELECTOR_MAX + 4];
	char postmaster[320], password[64];
};

static int
refuse(struct plan *p, const struct cv_err *err)
{
	return admin_error(p->call, EXIT_FAILED, err->text, err->text);
}

/* ---- what is asked for ---- */

/* A domain that was checked, as DNS has it. */
static enum cv_status
to_ascii(const char *word, char out[256], struct cv_err *err)
{
	struct cv_buf ascii = CV_BUF_INIT(255);
	enum cv_status status = cv_domain_to_ascii(cv_str_z(word), &ascii, err);

	if (status == CV_OK)
		snprintf(out, 256, "%s", ascii.p);
	cv_buf_done(&ascii);
	return status;
}

/* Lists in the configuration are parted by blanks, so a path with one could not stand in them. */
static enum cv_status
check_base(const char *base, struct cv_err *err)
{
	static const char *const parts[] = {"mail", "queue", "keys", "register"};
	char path[1200];

	if (strlen(base) > 900 || strpbrk(base, " \t\r\n#"))
		return cv_fail(err, CV_INVALID,
			"the base folder's path is too long or has a blank or # in it");
	for (size_t i = 0; i < CV_COUNT(parts); i++) {
		snprintf(path, sizeof path, "%s/%s", base, parts[i]);
		if (rmdir(path) && errno != ENOENT) /* an empty one is no obstacle */
			return cv_fail(err, CV_EXISTS,
				"%s is there already and will not be overwritten", path);
	}
	return CV_OK;
}

static enum cv_status
choose_conf_path(struct plan *p, struct cv_err *err)
{
	const char *given = p->call->conf_option ? p->call->conf_option : getenv("CONGVU_CONF");

	if (given && *given) {
		p->conf_path = admin_path_absolute(given);
	} else if (!strcmp(p->base, "/var/lib/congvu")) {
		p->conf_path = cv_strdup("/etc/congvu/congvu.conf");
	} else {
		struct cv_buf path = CV_BUF_INIT(1200);
		cv_buf_printf(&path, "%s/congvu.conf", p->base);
		p->conf_path = cv_buf_take(&path);
	}
	if (access(p->conf_path, F_OK) == 0)
		return cv_fail(err, CV_EXISTS, "%s is there already and will not be overwritten",
			p->conf_path);
	return CV_OK;
}

/* What was given as an option or answered; NULL when neither. */
static const char *
given(const struct plan *p, enum admin_init_item item)
{
	const char *option = admin_option(p->call, admin_init_option(item));

	return option ? option : p->answers.text[item];
}

static enum cv_status
read_options(struct plan *p, struct cv_err *err)
{
	const char *base = admin_option(p->call, "base-dir"),
		   *ports = admin_option(p->call, "ports");
	const char *domain = given(p, INIT_DOMAIN), *hostname = given(p, INIT_HOSTNAME);
	char default_name[300];

	if (!domain)
		return cv_fail(err, CV_INVALID, "name the province's domain with --domain");
	if (ports && strcmp(ports, "demo") != 0 && strcmp(ports, "standard") != 0)
		return cv_fail(err, CV_INVALID, "--ports is demo or standard");
	p->demo_ports = ports && !strcmp(ports, "demo");
	p->base = admin_path_absolute(base && *base ? base : "/var/lib/congvu");
	p->province = given(p, INIT_PROVINCE);
	p->inside = given(p, INIT_INSIDE) ? given(p, INIT_INSIDE) : "";
	p->user = given(p, INIT_USER) ? given(p, INIT_USER) : "";
	enum cv_status status = CV_OK;
	for (enum admin_init_item i = 0; i < INIT_ITEMS && status == CV_OK; i++)
		status = given(p, i) ? admin_init_check(i, given(p, i), err) : CV_OK;
	if (status == CV_OK)
		status = to_ascii(domain, p->domain, err);
	snprintf(default_name, sizeof default_name, "mail.%s", p->domain);
	if (status == CV_OK)
		status =
			to_ascii(hostname && *hostname ? hostname : default_name, p->hostname, err);
	if (status == CV_OK)
		status = admin_owner_find(p->user, &p->owner, err);
	if (status == CV_OK)
		status = choose_conf_path(p, err);
	if (status == CV_OK)
		status = check_base(p->base, err);
	return status;
}

/* ---- folders and keys ---- */

static enum cv_status
make_folders(const struct plan *p, struct cv_err *err)
{
	/* clang-format off */
	static const struct {
		const char *name;
		mode_t mode;
	} rows[] = { { "", 0755 }, { "/run", 0755 }, { "/mail", 0700 }, { "/queue", 0700 },
		{ "/stats", 0700 }, { "/register", 0755 }, { "/keys", 0755 }, { "/directory",
			0755 } };
	/* clang-format on */
	char path[1200];
	enum cv_status status = CV_OK;

	for (size_t i = 0; status == CV_OK && i < CV_COUNT(rows); i++) {
		snprintf(path, sizeof path, "%.1000s%s", p->base, rows[i].name);
		status = admin_folder_make(path, rows[i].mode, p->owner, err);
	}
	return status;
}

static enum cv_status
make_keys(struct plan *p, struct cv_err *err)
{
	char path[1200];
	const char *organisation = p->province ? p->province : p->domain;

	snprintf(path, sizeof path, "%.1000s/keys", p->base);
	enum cv_status status =
		admin_certificate_make(path, p->hostname, organisation, p->owner, err);
	if (status != CV_OK)
		return status;
	return admin_dkim_make(
		path, p->domain, "", ADMIN_DKIM_BITS, false, p->owner, p->selector, err);
}

/* ---- the configuration ---- */

static const struct cv_option *
find_row(const struct cv_section *section, const char *name)
{
	for (size_t i = 0; i < section->count; i++)
		if (!strcmp(section->options[i].name, name))
			return &section->options[i];
	cv_die("no option %s in [%s]", name, section->name);
}

/* NAME = VALUE below its sentences. */
static void
put_always(
	struct cv_buf *out, const struct cv_section *section, const char *name, const char *value)
{
	const struct cv_option *row = find_row(section, name);

	cv_buf_printf(out, "\n# %s\n# %s\n%s = %s\n", row->help, row->help_vi, name, value);
}

/* The same, unless that is the default. */
static void
put_option(
	struct cv_buf *out, const struct cv_section *section, const char *name, const char *value)
{
	if (strcmp(find_row(section, name)->dflt, value) != 0)
		put_always(out, section, name, value);
}

/* High ports, and room for a load program that sends as one of the staff. */
static void
put_demo(struct cv_buf *out)
{
	/* clang-format off */
	static const struct {
		const struct cv_section *section;
		const char *name, *value;
	} rows[] = {
		{ &smtpd_section, "listen_mx", "127.0.0.1:2525 [::1]:2525" },
		{ &smtpd_section, "listen_submission", "127.0.0.1:2587 [::1]:2587" },
		{ &smtpd_section, "listen_submissions", "127.0.0.1:2465 [::1]:2465" },
		{ &smtpd_section, "send_messages_day", "1000000" },
		{ &smtpd_section, "send_rcpts_day", "10000000" },
		{ &smtpd_section, "rate_messages_account", "0" },
		{ &smtpd_section, "rate_rcpts_account", "0" },
		{ &imapd_section, "listen_imap", "127.0.0.1:2143 [::1]:2143" },
		{ &imapd_section, "listen_imaps", "127.0.0.1:2993 [::1]:2993" },
		{ &imapd_section, "listen_pop3", "127.0.0.1:2110 [::1]:2110" },
		{ &imapd_section, "listen_pop3s", "127.0.0.1:2995 [::1]:2995" },
	};
	/* clang-format on */
	const struct cv_section *last = NULL;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (rows[i].section != last)
			cv_buf_printf(out, "\n[%s]\n", rows[i].section->name);
		last = rows[i].section;
		put_option(out, rows[i].section, rows[i].name, rows[i].value);
	}
}

static void
compose_conf(struct plan *p)
{
	struct cv_buf *out = &p->conf_text;
	const struct cv_section *main = &congvu_section;
	char cert[1200], key[1200], day[32];
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(day, sizeof day, "%Y-%m-%d", &tm);
	snprintf(cert, sizeof cert, "%.1000s/keys/server.pem", p->base);
	snprintf(key, sizeof key, "%.1000s/keys/server.key", p->base);
	cv_buf_printf(out,
		"# congvu.conf of %s, made by `congvu init` on %s.\n"
		"# What is not here has its default: `congvu config show` lists every option, and\n"
		"# `congvu config check` checks this file. / Những gì không ghi ở đây dùng giá trị "
		"mặc định.\n"
		"\n[congvu]\n",
		p->hostname, day);
	put_always(out, main, "base_dir", p->base);
	put_always(out, main, "hostname", p->hostname);
	if (p->province)
		put_always(out, main, "province", p->province);
	put_always(out, main, "default_domain", p->domain);
	put_always(out, main, "official_suffixes", p->domain);
	if (p->inside[0]) {
		char networks[1100];
		const char *here = find_row(main, "inside_networks")->dflt;
		snprintf(networks, sizeof networks, "%s %s", here, p->inside);
		put_always(out, main, "inside_networks", networks);
	}
	put_option(out, main, "user", p->user);
	put_option(out, main, "tls_cert", cert);
	put_option(out, main, "tls_key", key);
	if (p->demo_ports)
		put_demo(out);
}

static enum cv_status
load_conf(struct plan *p, struct cv_err *err)
{
	struct admin_call *call = p->call;

	compose_conf(p);
	snprintf(call->conf_path, sizeof call->conf_path, "%s", p->conf_path);
	return cv_conf_parse(cv_buf_view(&p->conf_text), p->conf_path, cv_sections,
		cv_sections_count, &call->conf, err);
}

static enum cv_status
write_conf(const struct plan *p, struct cv_err *err)
{
	struct cv_str path = cv_str_z(p->conf_path);
	size_t slash = path.n;

	while (slash > 1 && path.p[slash - 1] != '/')
		slash--;
	char *folder = cv_str_dup(cv_str_sub(path, 0, slash));
	enum cv_status status = admin_folder_make(folder, 0755, ADMIN_OWNER_SELF, err);
	free(folder);
	if (status != CV_OK)
		return status;
	return admin_file_new(
		p->conf_path, 0644, cv_buf_view(&p->conf_text), ADMIN_OWNER_SELF, err);
}

/* ---- the register ---- */

static enum cv_status
ask(struct plan *p, json_t *request, json_t **reply_out, struct cv_err *err)
{
	*reply_out = admin_try(p->call, ADMIN_STORE, request, err);
	return *reply_out ? CV_OK : err->code;
}

static enum cv_status
add_alias(struct plan *p, const char *local, struct cv_err *err)
{
	char alias[300];
	json_t *reply;

	snprintf(alias, sizeof alias, "%s@%s", local, p->domain);
	enum cv_status status = ask(p,
		json_pack("{s:s, s:s, s:s, s:b, s:s}", "do", "alias.add", "alias", alias, "address",
			p->postmaster, "override", 1, "reason", "congvu init"),
		&reply, err);
	if (status == CV_OK)
		json_decref(reply);
	return status;
}

/* RFC 5321 wants a postmaster and RFC 2142 an abuse address; `congvu dns show` asks others to send
 * reports on DMARC and TLS to the other two. The account is an application's: it
 * has a password of its own, no person's name, and does not stand in the directory. */
static enum cv_status
fill_register(struct plan *p, struct cv_err *err)
{
	json_t *reply, *request = admin_request("domain.add");

	snprintf(p->postmaster, sizeof p->postmaster, "postmaster@%s", p->domain);
	admin_set(request, "domain", p->domain);
	enum cv_status status = ask(p, request, &reply, err);
	if (status != CV_OK)
		return status;
	json_decref(reply);
	status = ask(p,
		json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:s}", "do", "account.add", "kind", "app",
			"address", p->postmaster, "name", "Postmaster", "listed", 0, "override", 1,
			"reason", "congvu init"),
		&reply, err);
	if (status != CV_OK)
		return status;
	const char *password = json_string_value(json_object_get(reply, "password"));
	snprintf(p->password, sizeof p->password, "%s", password ? password : "");
	json_decref(reply);
	static const char *const aliases[] = {"abuse", "dmarc", "tlsrpt"};
	for (size_t i = 0; i < CV_COUNT(aliases) && status == CV_OK; i++)
		status = add_alias(p, aliases[i], err);
	return status;
}

static enum cv_status
build(struct plan *p, struct cv_err *err)
{
	enum cv_status status = load_conf(p, err);

	if (status == CV_OK)
		status = make_folders(p, err);
	if (status == CV_OK)
		status = make_keys(p, err);
	if (status == CV_OK)
		status = fill_register(p, err);
	if (p->call->local) { /* gives root's rights back, too */
		admin_local_close(p->call->local);
		p->call->local = NULL;
	}
	if (status == CV_OK)
		status = write_conf(p, err);
	return status;
}

static void
print_result(struct plan *p)
{
	struct admin_call *call = p->call;
	char ca[1200];

	snprintf(ca, sizeof ca, "%.1000s/keys/ca.pem", p->base);
	json_t *reply = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ok", 1, "conf",
		p->conf_path, "base_dir", p->base, "domain", p->domain, "hostname", p->hostname,
		"ca", ca, "dkim_selector", p->selector, "postmaster", p->postmaster, "password",
		p->password);
	if (!admin_json(call, reply)) {
		printf("%-14s %s\n", admin_say(call, "Configuration", "Cấu hình"), p->conf_path);
		printf("%-14s %s\n", admin_say(call, "Data", "Dữ liệu"), p->base);
		printf("%-14s %s\n", admin_say(call, "Authority", "Chứng thư gốc"), ca);
		printf("%-14s %s  %s: %s\n", "Postmaster", p->postmaster,
			admin_say(call, "password (shown once)", "mật khẩu (chỉ hiện một lần)"),
			p->password);
		if (!p->inside[0] && !p->demo_ports)
			printf("\n%s\n", admin_say(call,
						 "Staff log in with their own password from this "
						 "machine alone: name the "
						 "province's networks in inside_networks.",
						 "Cán bộ chỉ đăng nhập bằng mật khẩu chính từ máy "
						 "này: hãy khai báo mạng "
						 "nội bộ của tỉnh trong inside_networks."));
		printf("\n%s\n  congvu --conf %s dkim show %s\n  congvu --conf %s serve\n",
			admin_say(call,
				"Next: put the DKIM records into DNS, then start the service",
				"Tiếp theo: thêm bản ghi DKIM vào DNS rồi khởi động dịch vụ"),
			p->conf_path, p->domain, p->conf_path);
	}
	json_decref(reply);
}

static int
run_init(struct admin_call *call)
{
	struct plan plan = {
		.call = call, .owner = ADMIN_OWNER_SELF, .conf_text = CV_BUF_INIT(65536)};
	struct cv_err err = {0};
	int exit_code = EXIT_OK;

	/* Without --domain a person at a terminal is asked; a script hears what is missing. */
	if (!admin_option(call, "domain") && !call->json && isatty(STDIN_FILENO) &&
		isatty(STDERR_FILENO) && !admin_init_ask(call, &plan.answers))
		exit_code = admin_error(call, EXIT_USAGE, "not all questions were answered",
			"chưa trả lời đủ câu hỏi");
	enum cv_status status = exit_code ? CV_INVALID : read_options(&plan, &err);
	if (status == CV_OK)
		status = build(&plan, &err);
	if (status == CV_OK)
		print_result(&plan);
	else if (!exit_code)
		exit_code = refuse(&plan, &err);
	for (size_t i = 0; i < INIT_ITEMS; i++)
		free(plan.answers.text[i]);
	cv_wipe(plan.password, sizeof plan.password);
	cv_buf_done(&plan.conf_text);
	free(plan.base);
	free(plan.conf_path);
	return exit_code;
}

/* clang-format off */
static const struct admin_option init_options[] = {
	{ "base-dir", "DIR", "where all data goes; /var/lib/congvu unless told",
		"thư mục dữ liệu, mặc định /var/lib/congvu" },
	{ "domain", "DOMAIN", "the province's mail domain", "tên miền thư của tỉnh" },
	{ "province", "NAME", "the province's name, for people", "tên tỉnh" },
	{ "hostname", "NAME", "this server's name in DNS; mail.DOMAIN unless told",
		"tên máy chủ trong DNS, mặc định mail.TÊN_MIỀN" },
	{ "ports", "SET", "standard (25, 587, 465, 143, 993, 110, 995) or demo (2525, 2587, ... on loopback)",
		"standard (25, 587, 465, 143, 993, 110, 995) hoặc demo (2525, 2587, ... nội máy)" },
	{ "inside", "NETWORKS", "the province's own networks, such as \"10.20.0.0/16 10.30.0.0/16\": from "
		"elsewhere staff need app passwords, certificates or tokens",
		"mạng nội bộ của tỉnh; từ nơi khác cán bộ cần mật khẩu ứng dụng, chứng thư hoặc mã truy cập" },
	{ "user", "NAME", "Unix user the daemons run as", "người dùng hệ thống chạy dịch vụ" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_init = {
	.noun = "init",
	.words = "",
	.help = "make folders, keys, certificate, configuration and the first account",
	.help_vi = "tạo thư mục, khóa, chứng thư, cấu hình và tài khoản đầu tiên",
	.options = init_options,
	.examples = "  congvu init      (asks five questions)\n"
		    "  congvu init --domain lamgiang.example --province \"Tỉnh Lam Giang\" --user "
		    "congvu\n"
		    "  congvu init --domain lamgiang.example --inside \"10.20.0.0/16\"\n"
		    "  congvu init --base-dir run/demo --domain lamgiang.example --ports demo",
	.run = run_init,
};
