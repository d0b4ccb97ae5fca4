/* sending_limits.c - see sending_limits.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/sending_limits.h"

const char *const smtpd_limit_names[SMTPD_LIMIT_COUNT] = {
	"messages", "recipients", "first-time", "burst", "refused"};

enum smtpd_limit
smtpd_limit_named(struct cv_str name)
{
	for (int i = 0; i < SMTPD_LIMIT_COUNT; i++)
		if (cv_str_eq_z(name, smtpd_limit_names[i]))
			return (enum smtpd_limit)i;
	return SMTPD_LIMIT_COUNT;
}

const char *
smtpd_limit_class(enum cv_reg_kind kind)
{
	static const char *const names[] = {
		[CV_KIND_PERSON] = "person",
		[CV_KIND_AGENCY] = "agency",
		[CV_KIND_ROLE] = "role",
		[CV_KIND_GROUP] = "group",
		[CV_KIND_APP] = "app",
	};

	return (size_t)kind < CV_COUNT(names) ? names[kind] : "person";
}

void
smtpd_limits_clear(struct smtpd_limits *l)
{
	for (int i = 0; i < SMTPD_LIMIT_COUNT; i++)
		l->n[i] = SMTPD_LIMIT_UNSET;
}

/* One word of the list: class.limit=number (common/config/check.c has refused others). */
static bool
read_word(struct cv_str word, struct cv_str *class_out, enum smtpd_limit *limit_out,
          uint64_t *number_out)
{
	size_t dot = cv_str_find(word, '.', 0), equals = cv_str_find(word, '=', 0);

	if (dot >= equals || equals >= word.n)
		return false;
	*class_out = cv_str_sub(word, 0, dot);
	*limit_out = smtpd_limit_named(cv_str_sub(word, dot + 1, equals));
	return *limit_out < SMTPD_LIMIT_COUNT &&
	       cv_str_u64(cv_str_sub(word, equals + 1, word.n), SMTPD_LIMIT_MAX, number_out) ==
		       CV_OK;
}

void
smtpd_limits_of(const struct smtpd_options *opt, enum cv_reg_kind kind,
                const struct smtpd_limits *own, struct smtpd_limits *out)
{
	struct cv_str rest = cv_str_z(opt->send_classes), word, class_;
	enum smtpd_limit limit;
	uint64_t number;

	*out = (struct smtpd_limits){.n = {
		[SMTPD_LIMIT_MESSAGES] = (uint32_t)opt->send_messages_day,
		[SMTPD_LIMIT_RCPTS] = (uint32_t)opt->send_rcpts_day,
		[SMTPD_LIMIT_FIRST_TIME] = (uint32_t)opt->send_first_time_day,
		[SMTPD_LIMIT_BURST] = (uint32_t)opt->send_burst,
		[SMTPD_LIMIT_REFUSED] = (uint32_t)opt->send_burst_refused,
	}};
	while (cv_str_split(&rest, ' ', &word))
		if (read_word(word, &class_, &limit, &number) &&
			cv_str_eq_z(class_, smtpd_limit_class(kind)))
			out->n[limit] = (uint32_t)number;
	for (int i = 0; i < SMTPD_LIMIT_COUNT; i++)
		if (own->n[i] != SMTPD_LIMIT_UNSET)
			out->n[i] = own->n[i];
}
