/* config.c - `congvu config check|show`. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/commands.h"
#include "common/config/check.h"
#include "common/extract/extract.h"
#include "common/net/filter.h"

/* Faults that a value's own limits cannot show. */
static void
check_files(json_t *faults, const char *name, const char *list)
{
	struct cv_str rest = cv_str_z(list), word;

	while (cv_str_split(&rest, ' ', &word)) {
		char path[1024], text[1200];
		if (!word.n)
			continue;
		snprintf(path, sizeof path, "%.*s", CV_STR_ARGS(word));
		if (access(path, R_OK) == 0)
			continue;
		snprintf(text, sizeof text, "%s: %s: %s", name, path, strerror(errno));
		json_array_append_new(faults, json_string(text));
	}
}

static void
add_fault(void *arg, const struct cv_config_fault *f)
{
	char text[1200];

	snprintf(text, sizeof text, "%s%s%s: %s", f->where ? f->where : "", f->where ? ": " : "",
		f->option, f->text);
	json_array_append_new(arg, json_string(text));
}

/* The words of the filters, read by the same parser as smtpd's; host names are looked up. */
static void
check_filters(json_t *faults, const struct cv_conf *conf)
{
	const struct smtpd_options *o = cv_conf_get(conf, &smtpd_section);
	const struct {
		const char *name, *list;
	} rows[] = {
		{"milters",            o->milters           },
		{"milters_mx",         o->milters_mx        },
		{"milters_submission", o->milters_submission},
		{"milters_lmtp",       o->milters_lmtp      },
	};
	struct cv_filter dflt = {.step_secs = o->milter_timeout}, filters[CV_FILTERS_MAX];

	/* A wrong word has been told already. */
	if (!cv_filter_failure_parse(cv_str_z(o->milter_default_action), &dflt.on_failure))
		return;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = {0};
		unsigned count = 0;
		if (!strcmp(rows[i].list, "none"))
			continue;
		char *list = cv_conf_resolve_list(conf, rows[i].list);
		enum cv_status status =
			cv_filters_parse(cv_str_z(list), &dflt, filters, &count, &err);
		for (unsigned n = 0; status == CV_OK && n < count; n++)
			status = cv_filter_resolve(&filters[n], &err);
		free(list);
		if (status == CV_OK)
			continue;
		struct cv_config_fault fault = {
			.section = "smtpd", .option = rows[i].name, .text = err.text};
		(void)cv_conf_text(conf, "smtpd", rows[i].name, &fault.where);
		add_fault(faults, &fault);
	}
}

/* What works without, and not as fully as it could: no fault. */
static void
note_converters(json_t *notes, const struct cv_conf *conf)
{
	const struct imapd_options *imapd = cv_conf_get(conf, &imapd_section);
	const struct spamfilter_options *filter = cv_conf_get(conf, &spamfilter_section);
	bool reads_texts = imapd->index_attachments || filter->secrecy_attachments;
	const char *option = imapd->index_attachments      ? "index_attachments"
			     : filter->secrecy_attachments ? "secrecy_attachments"
							   : "qr_codes";
	struct cv_extract *x = NULL;
	struct cv_err err = {0};
	char text[sizeof err.text + 40];

	if (!reads_texts && !filter->qr_codes)
		return;
	if (cv_extract_start(NULL, 1, 0, &x, &err)) {
		snprintf(text, sizeof text, "%s: %s", option, err.text);
		json_array_append_new(notes, json_string(text));
		return;
	}
	if (reads_texts && !cv_extract_reads_pdf(x)) {
		snprintf(text, sizeof text, "%s: PDF needs the package libpoppler-glib8", option);
		json_array_append_new(notes, json_string(text));
	}
	if (filter->qr_codes && !cv_extract_reads_qr(x))
		json_array_append_new(notes, json_string("qr_codes: needs the package libzbar0"));
	cv_extract_stop(x);
}

static int
run_check(struct admin_call *call)
{
	json_t *faults, *notes, *fault;
	size_t i;

	if (!admin_conf(call))
		return EXIT_CONFIG;
	faults = json_array();
	notes = json_array();
	const struct congvu_options *m = admin_main_options(call);
	check_files(faults, "tls_cert", m->tls_cert);
	check_files(faults, "tls_key", m->tls_key);
	check_files(faults, "tls_client_ca", m->tls_client_ca);
	check_files(faults, "oauth_client_file", m->oauth_client_file);
	check_files(faults, "oauth_ca", m->oauth_ca);
	if (m->oauth_introspection_url[0] && !m->oauth_client_file[0])
		json_array_append_new(faults,
			json_string("oauth_client_file: needed with oauth_introspection_url"));
	(void)cv_config_check(call->conf, NULL, add_fault, faults);
	check_filters(faults, call->conf);
	note_converters(notes, call->conf);
	bool bad = json_array_size(faults) > 0;
	json_t *reply = json_pack("{s:b, s:s, s:o, s:o}", "ok", !bad, "file", call->conf_path,
		"faults", faults, "notes", notes);
	if (!admin_json(call, reply)) {
		json_array_foreach(faults, i, fault)
		{
			puts(json_string_value(fault));
		}
		json_array_foreach(notes, i, fault)
		{
			puts(json_string_value(fault));
		}
		if (!bad)
			printf("%s: %s\n", call->conf_path,
				admin_say(call, "no faults", "không có lỗi"));
	}
	json_decref(reply);
	return bad ? EXIT_CONFIG : EXIT_OK;
}

static int
run_show(struct admin_call *call)
{
	(void)call;
	cv_conf_print_default(stdout, cv_sections, cv_sections_count);
	return EXIT_OK;
}

const struct admin_command admin_config_check = {
	.noun = "config",
	.verb = "check",
	.words = "",
	.help = "check the configuration file and what it names",
	.help_vi = "kiểm tra tệp cấu hình",
	.examples = "  congvu --conf /etc/congvu/congvu.conf config check",
	.run = run_check,
};
const struct admin_command admin_config_show = {
	.noun = "config",
	.verb = "show",
	.words = "",
	.help = "print every option with its default and meaning",
	.help_vi = "in mọi tùy chọn và giá trị mặc định",
	.examples = "  congvu config show > congvu.conf",
	.run = run_show,
};
