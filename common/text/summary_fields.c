/* summary_fields.c - which header fields a summary holds, and answering from them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/summary.h"

#include "common/text/summary_internal.h"

/* What mail programs ask for in lists. A change here changes what stored summaries can answer:
 * raise CV_SUMMARY_VERSION with it. Ordered by length. */
static const char *const cached[] = {
	"To", "Cc", "Bcc",
	"From", "Date",
	"Sender", "List-Id", "Subject",
	"Autocrypt", "List-Post", "Precedence", "Importance", "Priority",
	"Reply-To", "X-Mailer", "References", "X-Priority", "Message-ID",
	"Return-Path", "In-Reply-To", "Newsgroups", "X-Spam-Flag", "Chat-Version", "Content-Type",
	"Delivered-To", "MIME-Version", "Auto-Submitted", "BIMI-Location", "Mail-Reply-To",
	"BIMI-Indicator", "DKIM-Signature", "List-Unsubscribe", "Mail-Followup-To", "X-Original-To",
	"X-MS-Has-Attach", "X-K9mail-Identity", "X-MSMail-Priority", "X-Draft-Info", "X-Identity-Key",
	"Content-Disposition", "Authentication-Results", "Content-Description",
	"X-Bimi-Indicator-Hash", "List-Unsubscribe-Post", "Followup-To", "Content-Transfer-Encoding",
	"Disposition-Notification-To", "X-Uniform-Type-Identifier", "X-Universally-Unique-Identifier",
};

#define NAME_MAX 32

bool
cv_summary_has_field(struct cv_str name)
{
	if (name.n < 2 || name.n > NAME_MAX)
		return false;
	unsigned char first = cv_lower((unsigned char)name.p[0]);
	for (size_t i = 0; i < CV_COUNT(cached); i++)
		if (cv_lower((unsigned char)cached[i][0]) == first && cv_str_ieq_z(name, cached[i]))
			return true;
	return false;
}

void
cv_summary_cache_fields(struct cv_str header, struct cv_buf *out)
{
	struct cv_header_scan scan;
	struct cv_field f;
	cv_header_scan_init(&scan, header);
	while (cv_header_next(&scan, &f)) {
		if (!cv_summary_has_field(f.name)) /* a blank before the colon does not matter */
			continue;
		struct cv_str raw = cv_str_sub(header, f.start, f.end);
		cv_buf_str(out, raw);
		if (!cv_str_has_suffix(raw, "\n"))
			cv_buf_z(out, "\r\n");
	}
}

static bool
is_named(struct cv_str name, const struct cv_str *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].n == name.n && cv_str_ieq(names[i], name))
			return true;
	return false;
}

void
cv_header_pick(struct cv_str header, const struct cv_str *names, size_t count, bool except,
               struct cv_buf *out)
{
	struct cv_header_scan scan;
	struct cv_field f;
	cv_header_scan_init(&scan, header);
	while (cv_header_next(&scan, &f)) {
		if (is_named(f.name, names, count) == except)
			continue;
		struct cv_str raw = cv_str_sub(header, f.start, f.end);
		cv_buf_str(out, raw);
		if (!cv_str_has_suffix(raw, "\n"))
			cv_buf_z(out, "\r\n");
	}
	cv_buf_z(out, "\r\n");
}

enum cv_status
cv_summary_fields(const struct cv_summary *summary, const struct cv_str *names, size_t count,
                  struct cv_buf *out)
{
	if (summary->missing & CV_SUMMARY_HEADERS)
		return CV_NOT_FOUND;
	for (size_t i = 0; i < count; i++)
		if (!cv_summary_has_field(names[i]))
			return CV_NOT_FOUND;
	size_t start = out->n;
	cv_header_pick(summary->headers, names, count, false, out);
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	return CV_OK;
}
