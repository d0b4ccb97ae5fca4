/* fuzz: text */
/* Summaries: built from any message they store and read back; any bytes read as a stored one are
 * refused or walk without harm.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/charset.h"
#include "common/text/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const struct cv_summary *s)
{
	static const char *const paths[] = { "", "1", "1.1", "2.HEADER", "1.2.MIME" };
	struct cv_mime_places places = cv_summary_places(s);
	struct cv_mime_place place;
	struct cv_mime_section section;
	struct cv_buf out = CV_BUF_INIT(1 << 20);
	struct cv_str names[] = { CV_STR("subject"), CV_STR("to") };
	while (cv_mime_places_next(&places, &place))
		;
	for (size_t i = 0; i < CV_COUNT(paths); i++)
		(void)!cv_mime_section(cv_summary_places(s), cv_str_z(paths[i]), &section);
	(void)!cv_summary_fields(s, names, CV_COUNT(names), &out);
	cv_buf_done(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_buf stored = CV_BUF_INIT(CV_SUMMARY_MAX);
	struct cv_summary built, read;

	cv_summary_build(&arena, in, &built);
	cv_summary_encode(&built, &stored);
	assert(!stored.full);
	enum cv_status status = cv_summary_decode(cv_buf_view(&stored), &read);
	assert(status == CV_OK);
	assert(read.size_bytes == size && read.sent_secs == built.sent_secs);
	assert(read.sent_zone_mins == built.sent_zone_mins && read.flags == built.flags);
	assert(cv_str_eq(read.preview, built.preview) &&
	       cv_str_eq(read.references, built.references));
	assert(cv_utf8_is_valid(read.preview) && cv_utf8_is_valid(read.base_subject));
	walk(&read);
	if (cv_summary_decode(in, &read) == CV_OK)
		walk(&read);
	cv_buf_done(&stored);
	cv_arena_done(&arena);
	return 0;
}
