/* fuzz: smtpd */
/* Values of BY, HOLDFOR, HOLDUNTIL and MT-PRIORITY, and the parameter lists they stand in: what is
 * taken is within its bounds.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/params.h"
#include "smtpd/timing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_value(struct cv_str value)
{
	int64_t secs;
	enum cv_queue_by mode;
	bool trace;
	int8_t priority;

	if (smtpd_by_parse(value, &secs, &mode, &trace))
		assert(secs >= -999999999 && secs <= 999999999
			&& (mode == CV_BY_NOTIFY || (mode == CV_BY_RETURN && secs > 0)));
	if (smtpd_holdfor_parse(value, &secs))
		assert(secs >= 1 && secs <= 999999999);
	if (smtpd_holduntil_parse(value, &secs))
		assert(value.n >= 20);
	if (smtpd_priority_parse(value, &priority))
		assert(priority >= -CV_QUEUE_PRIORITY_MAX && priority <= CV_QUEUE_PRIORITY_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str rest = cv_str((const char *)data, size), name, value;
	bool has_value, bad;

	check_value(rest);
	while (smtpd_param_next(&rest, &name, &value, &has_value, &bad)) {
		assert(name.n && (!has_value || value.n));
		check_value(value);
	}
	return 0;
}
