/* fuzz: smtpd */
/* xclient_fuzz.c - XCLIENT's attributes: what is taken is fit for header fields and logs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/xclient.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text, size_t room)
{
	size_t n = strnlen(text, room);
	assert(n < room);
	for (size_t i = 0; i < n; i++)
		assert((unsigned char)text[i] > ' ' && (unsigned char)text[i] < 127);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtpd_xclient x;
	/* A copy of its own size, so that reading past the end is seen. */
	char *copy = cv_malloc(CV_MAX(size, (size_t)1));

	if (size)
		memcpy(copy, data, size);
	if (smtpd_xclient_parse(cv_str(copy, size), &x)) {
		assert(x.named && !(x.known & ~x.named) && !(x.later & x.known));
		check_text(x.name, sizeof x.name);
		check_text(x.helo, sizeof x.helo);
		check_text(x.login, sizeof x.login);
		assert(!(x.known & XCLIENT_ADDR) || x.addr.ss_family == AF_INET ||
		       x.addr.ss_family == AF_INET6);
	}
	free(copy);
	return 0;
}
