/* engine_lost.c - E4: which bodies that rows name did the crash take?
 *
 * Only volumes whose tail was looked through at this open can have lost any, and only behind the
 * end that was known durable. Count rows lie in the order of the bodies, so one short scan a volume
 * finds those that name a place where there is no whole record now.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/engine_impl.h"

struct search {
	const struct cv_blob_tail *tail;
	size_t next; /* of tail->places: both are ascending */
	cv_acct_id acct;
	cv_lost_fn *fn;
	void *arg;
	bool stopped;
};

static bool
look_at(void *arg, struct cv_str key, struct cv_str value)
{
	struct search *s = arg;
	(void)value;
	struct cv_rd r = cv_rd(cv_str_sub(key, 1, key.n));
	uint64_t at = (uint64_t)cv_rd_u8(&r) << 32;
	at |= cv_rd_be32(&r);
	if (r.bad || cv_rd_left(&r))
		return true; /* not a count row of ours */
	while (s->next < s->tail->count && s->tail->places[s->next] < at)
		s->next++;
	if (s->next < s->tail->count && s->tail->places[s->next] == at)
		return true;
	s->stopped = !s->fn(s->arg, s->acct, key);
	return !s->stopped;
}

enum cv_status
cv_engine_lost_bodies(struct cv_engine *e, cv_lost_fn *fn, void *arg, struct cv_err *err)
{
	struct cv_blobs *blobs = cv_engine_blobs(e);
	const struct cv_blob_tail *tail;
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && blobs && (tail = blobs->ops->tail(blobs, i)); i++) {
		struct cv_buf from = CV_BUF_INIT(16);
		struct search s = {.tail = tail, .acct = cv_acct(CV_CLASS_BODY, tail->volume),
			.fn = fn, .arg = arg};
		cv_buf_c(&from, 'C');
		cv_buf_c(&from, (char)(tail->from >> 32));
		cv_buf_be32(&from, (uint32_t)tail->from);
		status = cv_meta_scan(e, s.acct, cv_buf_view(&from), CV_STR("D"), 0, look_at, &s,
		                      err);
		cv_buf_done(&from);
		if (s.stopped)
			break;
	}
	return status;
}
