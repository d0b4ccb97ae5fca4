/* fuzz: options */
/* conf_fuzz.c - any bytes as a configuration file: an error or a whole configuration. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/buf.h"
#include "common/options/sections.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_err err = {0};
	struct cv_conf *c = NULL;
	/* Files of the machine stay closed: an include ends the input. */
	if (memmem(data, size, "include", 7))
		return 0;
	enum cv_status status = cv_conf_parse(cv_str((const char *)data, size), "fuzz", cv_sections,
		cv_sections_count, &c, &err);
	assert((status == CV_OK) == (c != NULL));
	if (c) {
		const struct smtpd_options *s = cv_conf_get(c, &smtpd_section);
		assert(s->workers <= 256 && strlen(s->smarthost) <= 255);
	}
	cv_conf_free(c);
	return 0;
}
