/* texts_make.c - see texts_make.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/texts_make.h"

#include "common/base/log.h"
#include "common/extract/gather.h"
#include "imapd/texts_file.h"

static bool
keep_text(void *arg, enum cv_extract_outcome outcome, struct cv_str text)
{
	struct imapd_texts_made *made = arg;
	size_t room = made->texts.max - CV_MIN(made->texts.max, made->texts.n + 8);

	text = cv_str_sub(text, 0, room);
	made->documents++;
	made->without += outcome != CV_EXTRACT_TEXT;
	made->is_final &= cv_extract_is_final(outcome);
	made->is_away |= outcome == CV_EXTRACT_AWAY;
	if (text.n)
		cv_buf_bytes(&made->texts, text);
	if (outcome != CV_EXTRACT_TEXT)
		cv_log(0, CV_DEBUG, "attachment.no_text", "outcome=%s",
			cv_extract_outcome_name(outcome));
	return !made->is_away;
}

struct feeding {
	struct cv_gather *gather;
	const atomic_bool *stop;
};

static enum cv_status
on_bytes(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct feeding *f = arg;

	if (atomic_load_explicit(f->stop, memory_order_relaxed))
		return cv_fail(err, CV_TEMPFAIL, "told to stop");
	cv_gather_feed(f->gather, bytes);
	return CV_OK;
}

enum cv_status
imapd_texts_gather(struct cv_engine *engine, struct cv_extract *extract, const struct cv_msg *msg,
	const atomic_bool *stop, struct imapd_texts_made *made, struct cv_err *err)
{
	struct cv_gather_options o = {.extract = extract,
		.documents_max = IMAPD_TEXTS_DOCUMENTS_MAX,
		.within_ms = IMAPD_TEXTS_WITHIN_MS,
		.fn = keep_text,
		.arg = made};
	struct feeding f = {cv_gather_begin(&o), stop};

	*made = (struct imapd_texts_made){.texts = CV_BUF_INIT(IMAPD_TEXTS_MAX), .is_final = true};
	enum cv_status status =
		cv_blob_read(engine, &msg->body, 0, msg->size_bytes, on_bytes, &f, err);
	(void)cv_gather_end(f.gather);
	if (!status && atomic_load(stop))
		status = cv_fail(err, CV_TEMPFAIL, "told to stop");
	return status;
}
