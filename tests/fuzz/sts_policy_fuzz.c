/* fuzz: smtpd */
/* MTA-STS policies and records: what is taken has all it needs, and names only what it may. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/tlspolicy_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct smtpd_sts_policy p = SMTPD_STS_POLICY_INIT;
	struct cv_err err;
	char id[SMTPD_STS_ID_MAX + 1];
	bool is_sts;

	if (smtpd_sts_parse(in, &p, &err) == CV_OK) {
		struct cv_str rest = cv_buf_view(&p.mx), name;
		size_t names = 0;
		assert(p.mode != SMTPD_STS_ABSENT && p.max_age_secs <= SMTPD_STS_AGE_MAX);
		while (cv_str_split(&rest, '\n', &name)) {
			char host[300];
			if (!name.n)
				continue;
			assert(name.n < sizeof host && ++names <= SMTPD_STS_MX_MAX);
			memcpy(host, name.p, name.n);
			host[name.n] = '\0';
			bool any = host[0] == '*';
			if (any)
				host[0] = 'x';
			assert(smtpd_sts_has_host(&p, host));
		}
		assert(names || p.mode == SMTPD_STS_NONE);
		assert(!smtpd_sts_has_host(&p, ""));
	}
	smtpd_sts_policy_done(&p);
	if (smtpd_sts_record(in, id, &is_sts))
		assert(is_sts && id[0] && strlen(id) <= SMTPD_STS_ID_MAX);
	return 0;
}
