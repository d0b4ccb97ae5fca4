/* fuzz: imapd */
/* imap_search_fuzz.c - a search program and a message, divided by the first empty line; the judge
 * must answer, and whole or in pieces alike. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum imapd_verdict
judge(struct imapd_search *search, struct cv_str message, const struct cv_summary *summary,
	size_t piece)
{
	static const struct cv_entry entry = {.uid = 7, .flags = CV_FLAG_SEEN, .modseq = 9};
	static const struct cv_keywords keywords = {1, 1, {"x"}};
	struct cv_msg msg = {.uid = 7, .size_bytes = message.n};
	struct imapd_finder *finder = imapd_finder_new(search);
	struct imapd_relevancy relevancy;

	imapd_finder_reset(finder);
	for (size_t at = 0; at < message.n; at += piece)
		imapd_finder_feed(finder, cv_str_sub(message, at, at + piece));
	imapd_finder_finish(finder);
	struct imapd_candidate c = {.seq = 1,
		.entry = &entry,
		.keywords = &keywords,
		.has = 15,
		.msg = &msg,
		.summary = summary,
		.header = imapd_finder_header(finder),
		.in_header = imapd_finder_in_header(finder),
		.in_body = imapd_finder_in_body(finder),
		.header_scores = imapd_finder_header_scores(finder),
		.body_scores = imapd_finder_body_scores(finder),
		.relevancy = &relevancy};
	enum imapd_verdict verdict = imapd_search_judge(search, &c);
	imapd_finder_free(finder);
	assert(verdict != IMAPD_YES || (imapd_relevancy_score(&relevancy) >= 1 &&
					       imapd_relevancy_score(&relevancy) <= 100));
	return verdict;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str bytes = cv_str((const char *)data, size);
	size_t at = cv_str_search(bytes, CV_STR("\n\n"));
	struct cv_arena arena = CV_ARENA_INIT;
	struct imapd_parse p = {.text = cv_str_sub(bytes, 0, at), .arena = &arena};
	struct cv_str message = cv_str_sub(bytes, at + 2, bytes.n);
	struct cv_summary summary;
	struct imapd_search *search;

	if (imapd_parse_search(&p, &search)) {
		cv_summary_build(&arena, message, &summary);
		enum imapd_verdict whole = judge(search, message, &summary, SIZE_MAX / 2);
		assert(whole != IMAPD_MAYBE);
		assert(whole == judge(search, message, &summary, 1));
	}
	cv_arena_done(&arena);
	return 0;
}
