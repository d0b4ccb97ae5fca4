/* fuzz: smtpd */
/* TLS-RPT: records name only places that can be used; reports in JSON, gzipped or in mail never do
 * more than fill a summary that fits into a row. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/text/address.h"
#include "smtpd/tlsrpt_record.h"
#include "smtpd/tlsrpt_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_record(struct cv_str in)
{
	struct smtpd_tlsrpt_record r;
	bool is_one;

	if (!smtpd_tlsrpt_record(in, &r, &is_one))
		return;
	assert(is_one && r.count > 0 && r.count <= SMTPD_TLSRPT_URIS_MAX);
	for (size_t i = 0; i < r.count; i++) {
		struct smtpd_tlsrpt_https https;
		assert(!strpbrk(r.uris[i].text, "\r\n "));
		if (r.uris[i].is_mail)
			assert(cv_address_is_valid(cv_str_z(r.uris[i].text), 0));
		else
			assert(smtpd_tlsrpt_https(r.uris[i].text, &https) && https.port);
	}
}

static void
check_summary(enum cv_status status, json_t **summary_at)
{
	json_t *summary = *summary_at;

	if (status != CV_OK)
		return;
	char *text = json_dumps(summary, JSON_COMPACT);
	assert(text && strlen(text) < 60000);
	assert(json_is_string(json_object_get(summary, "organization")));
	assert(json_is_string(json_object_get(summary, "report_id")));
	assert(json_is_integer(json_object_get(summary, "from")));
	free(text);
	json_decref(summary);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	struct cv_err err;
	json_t *summary = NULL;

	check_record(in);
	check_summary(smtpd_tlsrpt_read(in, &summary, &err), &summary);
	check_summary(smtpd_tlsrpt_read_mail(in, &summary, &err), &summary);
	if (smtpd_tlsrpt_unpack(in, &text, &err) == CV_OK)
		check_summary(smtpd_tlsrpt_read(cv_buf_view(&text), &summary, &err), &summary);
	cv_buf_done(&text);
	return 0;
}
