/* fuzz: smtpd */
/* peer_reply_fuzz.c - answers of other servers: any bytes give an answer, more or an error. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/buf.h"
#include "smtpd/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct smtpd_peer_reply reply;
	struct smtpd_peer_caps caps;
	struct cv_err err;
	size_t used;
	char text[100];

	while (smtpd_peer_reply_parse(in, &reply, &used, &err) == CV_OK) {
		assert(used && used <= in.n && reply.code >= 200 && reply.code < 600);
		smtpd_peer_reply_text(&reply, text, sizeof text);
		assert(strlen(text) < sizeof text);
		smtpd_peer_caps_read(&reply, &caps);
		in = cv_str_sub(in, used, in.n);
	}
	/* The same bytes as a body: what leaves has no lone CR or LF and no line of one dot. */
	struct cv_buf out = CV_BUF_INIT(1u << 24);
	bool line_start = true, after_cr = false;
	smtpd_client_stuff(&out, cv_str((const char *)data, size), &line_start, &after_cr);
	for (size_t i = 0; i < out.n; i++) {
		assert(out.p[i] != '\n' || (i && out.p[i - 1] == '\r'));
		assert(out.p[i] != '\r' || (i + 1 < out.n && out.p[i + 1] == '\n'));
		assert(out.p[i] != '.' || (i && out.p[i - 1] != '\n') || i + 1 == out.n
			|| out.p[i + 1] == '.');
	}
	cv_buf_done(&out);
	return 0;
}
