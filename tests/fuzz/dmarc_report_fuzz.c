/* fuzz: spamfilter */
/* DMARC reports of others: XML, gzip, zip or mail never yield more than a report whose records have
 * addresses and counts. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_err err = {0};
	json_t *report, *record;
	size_t i;

	if (spam_report_read(cv_str((const char *)data, size), &report, &err) != CV_OK) {
		assert(err.text[0]);
		return 0;
	}
	assert(json_string_length(json_object_get(report, "domain")));
	assert(json_is_integer(json_object_get(report, "begin")));
	assert(json_array_size(json_object_get(report, "records")) <= SPAM_REPORT_RECORDS_MAX);
	json_array_foreach(json_object_get(report, "records"), i, record)
	{
		assert(json_string_length(json_object_get(record, "ip")));
		assert(json_integer_value(json_object_get(record, "count")) >= 0);
	}
	json_decref(report);
	return 0;
}
