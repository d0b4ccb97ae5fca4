/* dns.c - `congvu dns show|check`: what must stand in DNS for our domains, and what does. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/dns_ask.h"
#include "admin/files.h"
#include "common/text/domain.h"

#define LOOKUP_SECS 10
#define FETCH_SECS  20
#define POLICY_MAX  (64u << 10)

/* ---- which domains ---- */

/* The domain named, or all of ours. NULL after printing the error. */
static json_t *
choose_domains(struct admin_call *call, int *exit_out)
{
	struct cv_buf ascii = CV_BUF_INIT(255);
	struct cv_err err = {0};
	json_t *names = json_array(), *one;
	size_t i;

	if (call->word_count) {
		*exit_out = EXIT_USAGE;
		if (cv_domain_to_ascii(cv_str_z(call->words[0]), &ascii, &err) == CV_OK &&
			cv_domain_is_full(cv_buf_view(&ascii))) {
			json_array_append_new(names, json_string(ascii.p));
			cv_buf_done(&ascii);
			return names;
		}
		cv_buf_done(&ascii);
		json_decref(names);
		admin_error(call, EXIT_USAGE, "that is not a whole domain name",
			"đó không phải là tên miền đầy đủ");
		return NULL;
	}
	json_t *reply = admin_ask(call, ADMIN_STORE, admin_request("domain.list"), exit_out);
	if (!reply) {
		json_decref(names);
		return NULL;
	}
	json_array_foreach(json_object_get(reply, "domains"), i, one)
		json_array_append(names, json_object_get(one, "domain"));
	json_decref(reply);
	return names;
}

/* ---- show ---- */

static json_t *
record_json(const struct admin_call *call, const struct admin_dns_record *r)
{
	struct cv_buf line = CV_BUF_INIT(8000);

	admin_dns_zone_line(r, &line);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s%, s:s}", "name", r->name, "type",
		admin_dns_type_name(r->type), "value", r->value, "zone", line.p,
		line.n ? line.n - 1 : 0, "why", admin_dns_why(r->kind, call->vietnamese));
	cv_buf_done(&line);
	return o;
}

static void
print_set(const struct admin_call *call, const char *domain, const struct admin_dns_set *set)
{
	struct cv_buf line = CV_BUF_INIT(8000);
	int last = -1;
	bool is_signed = false;

	printf("; %s\n", domain);
	for (size_t i = 0; i < set->count; i++) {
		const struct admin_dns_record *r = &set->records[i];
		if ((int)r->kind != last)
			printf("\n; %s\n", admin_dns_why(r->kind, call->vietnamese));
		last = (int)r->kind;
		is_signed |= r->kind == ADMIN_DNS_DKIM;
		cv_buf_reset(&line);
		admin_dns_zone_line(r, &line);
		fputs(line.p, stdout);
	}
	if (!is_signed)
		printf(admin_say(call,
			       "\n; DKIM: there is no key yet: congvu dkim keygen %s\n",
			       "\n; DKIM: chưa có khóa: congvu dkim keygen %s\n"),
			domain);
	printf(admin_say(call,
		       "\n; CAA, with the name of your authority: who may issue certificates (RFC 8659)\n"
		       "; %s. IN CAA 0 issue \"authority.example\"\n",
		       "\n; CAA: nơi được cấp chứng thư, thay bằng tên nhà cung cấp (RFC 8659)\n"
		       "; %s. IN CAA 0 issue \"authority.example\"\n"),
		domain);
	printf("\n; %s\n; https://mta-sts.%s/.well-known/mta-sts.txt\n",
		admin_say(call, "the MTA-STS policy, to be served as text/plain at",
			"chính sách MTA-STS, đặt dạng text/plain tại"), domain);
	struct cv_str rest = cv_str_z(set->policy), text;
	while (cv_str_split(&rest, '\n', &text))
		if (text.n)
			printf(";   %.*s\n", CV_STR_ARGS(cv_str_trim(text)));
	putchar('\n');
	cv_buf_done(&line);
}

/* DIR/mta-sts.<domain>/.well-known/mta-sts.txt: what a web server takes as it is. */
static enum cv_status
write_policy(const char *dir, const char *domain, const struct admin_dns_set *set,
	struct cv_err *err)
{
	char folder[1400], path[1500];

	snprintf(folder, sizeof folder, "%.1000s/mta-sts.%s/.well-known", dir, domain);
	snprintf(path, sizeof path, "%s/mta-sts.txt", folder);
	enum cv_status status = admin_folder_make(folder, 0755, ADMIN_OWNER_SELF, err);
	if (status == CV_OK)
		status = admin_file_replace(
			path, 0644, cv_str_z(set->policy), ADMIN_OWNER_SELF, err);
	return status;
}

static bool
take_wish(struct admin_call *call, struct admin_dns_wish *wish)
{
	const char *mode = admin_option(call, "sts-mode");

	*wish = (struct admin_dns_wish){.sts_mode = mode ? mode : "testing",
		.next_cert = admin_option(call, "next-cert")};
	if (!mode || !strcmp(mode, "testing") || !strcmp(mode, "enforce") || !strcmp(mode, "none"))
		return true;
	admin_error(call, EXIT_USAGE, "--sts-mode takes testing, enforce or none",
		"--sts-mode nhận testing, enforce hoặc none");
	return false;
}

static enum cv_status
show_one(struct admin_call *call, const struct admin_dns_wish *wish, json_t *list,
	struct cv_err *err)
{
	const char *dir = admin_option(call, "write-policy");
	struct admin_dns_set set;
	enum cv_status status = admin_dns_make(call->conf, wish, &set, err);

	if (status != CV_OK)
		return status;
	if (dir)
		status = write_policy(dir, wish->domain, &set, err);
	json_t *records = json_array();
	for (size_t i = 0; i < set.count; i++)
		json_array_append_new(records, record_json(call, &set.records[i]));
	json_array_append_new(list,
		json_pack("{s:s, s:o, s:s, s:s}", "domain", wish->domain, "records", records,
			"sts_policy", set.policy, "sts_id", set.policy_id));
	if (!call->json && status == CV_OK)
		print_set(call, wish->domain, &set);
	admin_dns_done(&set);
	return status;
}

static int
run_show(struct admin_call *call)
{
	struct admin_dns_wish wish;
	struct cv_err err = {0};
	int exit_code;
	size_t i;
	json_t *name;

	if (!take_wish(call, &wish))
		return EXIT_USAGE;
	if (!admin_conf(call))
		return EXIT_CONFIG;
	json_t *names = choose_domains(call, &exit_code);
	if (!names)
		return exit_code;
	json_t *list = json_array();
	enum cv_status status = CV_OK;
	json_array_foreach(names, i, name)
		if (status == CV_OK) {
			wish.domain = json_string_value(name);
			wish.without_host = i > 0 && !call->json;
			status = show_one(call, &wish, list, &err);
		}
	json_t *reply = json_pack("{s:b, s:o}", "ok", 1, "domains", list);
	if (status == CV_OK)
		admin_json(call, reply);
	json_decref(reply);
	json_decref(names);
	return status == CV_OK ? EXIT_OK : admin_error(call, EXIT_FAILED, err.text, err.text);
}

/* ---- check ---- */

/* What a peer's DNS says is text of others: it may be no UTF-8. */
static json_t *
found_text(const struct cv_buf *found)
{
	json_t *j = json_stringn(found->p ? found->p : "", found->n);

	return j ? j : json_string("(not UTF-8)");
}

static void
add_policy_check(struct admin_call *call, struct cv_resolver *resolver, const char *domain,
	const struct admin_dns_set *set, json_t *rows, bool *bad_out)
{
	struct cv_buf found = CV_BUF_INIT(POLICY_MAX + 1000);
	char url[400];
	enum cv_status status = admin_dns_fetch_policy(resolver,
		cv_conf_get(call->conf, &smtpd_section), domain, FETCH_SECS, &found);
	bool same = status == CV_OK && cv_str_eq_z(cv_buf_view(&found), set->policy);
	const char *verdict = same ? "ok" : status == CV_OK ? "different" : "missing";

	snprintf(url, sizeof url, "https://mta-sts.%s/.well-known/mta-sts.txt", domain);
	*bad_out |= strcmp(verdict, "ok") != 0;
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "name", url,
		"type", "HTTPS", "state", verdict, "want", set->policy, "found",
		found_text(&found), "why", admin_dns_why(ADMIN_DNS_STS_HOST, call->vietnamese)));
	cv_buf_done(&found);
}

static enum cv_status
check_one(struct admin_call *call, struct cv_resolver *resolver, const struct admin_dns_wish *wish,
	json_t *rows, bool *bad_out, struct cv_err *err)
{
	struct admin_dns_set set;
	enum cv_status status = admin_dns_make(call->conf, wish, &set, err);

	if (status != CV_OK)
		return status;
	struct admin_dns_found *found = cv_calloc(set.count + 1, sizeof *found);
	admin_dns_compare(resolver, &set, found);
	for (size_t i = 0; i < set.count; i++) {
		const struct admin_dns_record *r = &set.records[i];
		*bad_out |= found[i].state != ADMIN_DNS_OK && found[i].state != ADMIN_DNS_UNSIGNED
			&& r->kind != ADMIN_DNS_AUTOCONFIG;
		json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "name",
			r->name, "type", admin_dns_type_name(r->type), "state",
			admin_dns_state_name(found[i].state), "want", r->value, "found",
			found_text(&found[i].text), "why",
			admin_dns_why(r->kind, call->vietnamese)));
	}
	admin_dns_found_done(found, set.count);
	free(found);
	add_policy_check(call, resolver, wish->domain, &set, rows, bad_out);
	admin_dns_done(&set);
	return CV_OK;
}

static void
print_checks(const struct admin_call *call, const json_t *rows)
{
	static const struct {
		const char *state, *en, *vi;
	} words[] = {{"ok", "ok", "đúng"}, {"missing", "MISSING", "THIẾU"},
		{"different", "DIFFERENT", "KHÁC"},
		{"unsigned", "ok, but the zone is not signed", "đúng, nhưng vùng chưa có DNSSEC"},
		{"failed", "FAILED: DNS does not answer", "LỖI: DNS không trả lời"}};
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *state = json_string_value(json_object_get(row, "state"));
		const char *word = state;
		for (size_t k = 0; k < CV_COUNT(words); k++)
			if (!strcmp(words[k].state, state))
				word = admin_say(call, words[k].en, words[k].vi);
		printf("%s %s: %s\n", json_string_value(json_object_get(row, "name")),
			json_string_value(json_object_get(row, "type")), word);
		if (!strcmp(state, "ok") || !strcmp(state, "unsigned"))
			continue;
		printf("    %s\n    %s: %s\n    %s: ",
			json_string_value(json_object_get(row, "why")),
			admin_say(call, "wanted", "cần"),
			json_string_value(json_object_get(row, "want")),
			admin_say(call, "found", "thấy"));
		admin_put(stdout, json_string_value(json_object_get(row, "found")));
		putchar('\n');
	}
}

static int
run_check(struct admin_call *call)
{
	struct admin_dns_wish wish;
	struct cv_resolver *resolver;
	struct cv_err err = {0};
	int exit_code;
	size_t i;
	json_t *name;
	bool bad = false;

	if (!take_wish(call, &wish))
		return EXIT_USAGE;
	if (!admin_conf(call))
		return EXIT_CONFIG;
	const struct congvu_options *m = admin_main_options(call);
	struct cv_resolver_options o = {
		.zone_file = m->dns_zone_file[0] ? m->dns_zone_file : NULL,
		.forwarders = m->dns_forwarders[0] ? m->dns_forwarders : NULL,
		.trust_anchor = m->dns_trust_anchor[0] ? m->dns_trust_anchor : NULL,
		.timeout_secs = LOOKUP_SECS,
	};
	json_t *names = choose_domains(call, &exit_code);
	if (!names)
		return exit_code;
	if (cv_resolver_new(&o, &resolver, &err) != CV_OK) {
		json_decref(names);
		return admin_error(call, EXIT_CONFIG, err.text, err.text);
	}
	json_t *rows = json_array();
	enum cv_status status = CV_OK;
	json_array_foreach(names, i, name)
		if (status == CV_OK) {
			wish.domain = json_string_value(name);
			wish.without_host = i > 0;
			status = check_one(call, resolver, &wish, rows, &bad, &err);
		}
	cv_resolver_free(resolver);
	json_t *reply = json_pack("{s:b, s:o}", "ok", !bad, "records", rows);
	if (status == CV_OK && !admin_json(call, reply))
		print_checks(call, rows);
	json_decref(reply);
	json_decref(names);
	if (status != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	return bad ? EXIT_PARTLY : EXIT_OK;
}

/* clang-format off */
static const struct admin_option show_options[] = {
	{ "sts-mode", "MODE", "mode of the MTA-STS policy: testing (unless told), enforce or none",
		"chế độ chính sách MTA-STS: testing (mặc định), enforce hoặc none" },
	{ "next-cert", "FILE", "a certificate or key to come: its TLSA record must be there before it",
		"chứng thư hoặc khóa sắp dùng: bản ghi TLSA phải có trước" },
	{ "write-policy", "DIR", "write the policy below DIR, as a web server wants it",
		"ghi tệp chính sách vào thư mục này cho máy chủ web" },
	{ 0 }
};
static const struct admin_option check_options[] = {
	{ "sts-mode", "MODE", "mode of the MTA-STS policy that is published",
		"chế độ chính sách MTA-STS đã công bố" },
	{ "next-cert", "FILE", "a certificate or key to come", "chứng thư hoặc khóa sắp dùng" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_dns_show = {
	.noun = "dns",
	.verb = "show",
	.words = "[DOMAIN]",
	.words_max = 1,
	.help = "print every DNS record that our domains need",
	.help_vi = "in mọi bản ghi DNS cần có cho các tên miền",
	.options = show_options,
	.examples = "  congvu dns show lamgiang.example\n"
		    "  congvu dns show --sts-mode enforce --write-policy /var/www",
	.run = run_show,
};
const struct admin_command admin_dns_check = {
	.noun = "dns",
	.verb = "check",
	.words = "[DOMAIN]",
	.words_max = 1,
	.help = "compare DNS with what our domains need",
	.help_vi = "so sánh DNS với những gì cần có",
	.options = check_options,
	.examples = "  congvu dns check\n  congvu dns check lamgiang.example --json",
	.run = run_check,
};
