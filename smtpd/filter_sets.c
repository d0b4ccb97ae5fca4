/* filter_sets.c - the filters of each kind of listener, as the options name them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/filters.h"

/* The list for KIND: its own, or the one for all. */
static const char *
list_of(const struct smtpd_options *opt, enum smtpd_kind kind)
{
	const char *own = kind == SMTPD_MX           ? opt->milters_mx
			  : kind == SMTPD_SUBMISSION ? opt->milters_submission
						     : opt->milters_lmtp;

	return own[0] ? own : opt->milters;
}

enum cv_status
smtpd_filters_load(struct cv_net *net, const struct cv_conf *conf, const char *spool_dir,
	struct smtpd_milters *sets_out[SMTPD_KINDS], struct cv_err *err)
{
	const struct congvu_options *main = cv_conf_get(conf, &congvu_section);
	const struct smtpd_options *opt = cv_conf_get(conf, &smtpd_section);
	enum cv_status status = CV_OK;

	for (unsigned i = 0; i < SMTPD_KINDS; i++)
		sets_out[i] = NULL;
	for (unsigned i = 0; i < SMTPD_KINDS && status == CV_OK; i++) {
		const char *list = list_of(opt, (enum smtpd_kind)i);
		if (!strcmp(list, "none"))
			continue;
		char *words = cv_conf_resolve_list(conf, list);
		struct smtpd_milters_options o = {
			.filters = words,
			.default_action = opt->milter_default_action,
			.timeout_secs = opt->milter_timeout,
			.hostname = main->hostname,
			.spool_dir = spool_dir,
		};
		status = smtpd_milters_new(net, &o, &sets_out[i], err);
		free(words);
	}
	if (status != CV_OK)
		smtpd_filters_free(sets_out);
	return status;
}

void
smtpd_filters_free(struct smtpd_milters *sets[SMTPD_KINDS])
{
	for (unsigned i = 0; i < SMTPD_KINDS; i++) {
		smtpd_milters_free(sets[i]);
		sets[i] = NULL;
	}
}

unsigned
smtpd_filters_most(const struct smtpd_options *opt)
{
	unsigned most = 0;

	for (unsigned i = 0; i < SMTPD_KINDS; i++) {
		struct cv_str rest = cv_str_z(list_of(opt, (enum smtpd_kind)i)), word;
		unsigned n = 0;
		while (cv_str_split(&rest, ' ', &word))
			n += word.n > 0;
		most = CV_MAX(most, n);
	}
	return most;
}
