/* sections.c - the five tables, and where their file is found. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/options/sections.h"

#define CV_OPT_STRUCT struct congvu_options
CV_OPTIONS_DEFINE(congvu, CONGVU_OPTIONS);
#undef CV_OPT_STRUCT
#define CV_OPT_STRUCT struct smtpd_options
CV_OPTIONS_DEFINE(smtpd, SMTPD_OPTIONS);
#undef CV_OPT_STRUCT
#define CV_OPT_STRUCT struct imapd_options
CV_OPTIONS_DEFINE(imapd, IMAPD_OPTIONS);
#undef CV_OPT_STRUCT
#define CV_OPT_STRUCT struct spamfilter_options
CV_OPTIONS_DEFINE(spamfilter, SPAMFILTER_OPTIONS);
#undef CV_OPT_STRUCT
#define CV_OPT_STRUCT struct admin_options
CV_OPTIONS_DEFINE(admin, ADMIN_OPTIONS);

const struct cv_section *const cv_sections[] = {
	&congvu_section, &smtpd_section, &imapd_section, &spamfilter_section, &admin_section,
};
const size_t cv_sections_count = CV_COUNT(cv_sections);

const char *
cv_conf_path(const char *option)
{
	if (option && *option)
		return option;
	const char *from_env = getenv("CONGVU_CONF");
	return from_env && *from_env ? from_env : "/etc/congvu/congvu.conf";
}

enum cv_level
cv_log_level_named(const char *word)
{
	static const char *const words[] = {
		[CV_ERROR] = "error", [CV_WARN] = "warn", [CV_INFO] = "info", [CV_DEBUG] = "debug"};

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (!strcmp(word, words[i]))
			return (enum cv_level)i;
	return CV_INFO;
}

void
cv_program_start(const char *program, const struct congvu_options *options)
{
	setenv("TZ", options->time_zone, 1);
	tzset();
	cv_log_json(!strcmp(options->log_format, "json"));
	cv_log_init(program, cv_log_level_named(options->log_level),
		options->log_file[0] ? options->log_file : NULL);
}

void
cv_program_log(const struct congvu_options *options)
{
	cv_log_level(cv_log_level_named(options->log_level));
	cv_log_json(!strcmp(options->log_format, "json"));
}

enum cv_status
cv_conf_open(const char *option, struct cv_conf **out, struct cv_err *err)
{
	return cv_conf_load(cv_conf_path(option), cv_sections, cv_sections_count, out, err);
}
