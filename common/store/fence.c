/* fence.c - after a bad death no number that anyone may have seen comes to mean something else
 * (S8).
 *
 * Other sessions may see a UID or MODSEQ before it is durable; a crash can take its row away. So
 * the store counts its crashes: the epoch in the system account goes up, durably, before anyone is
 * served. Every head and mailbox row carries the epoch it was written in, and whoever reads it adds
 * one gap for each crash since. That is the same answer every time it is read, so nothing has to be
 * written at start: 12,000 accounts cost one row.
 *
 * cv_acct_may_give() keeps the other half of the bargain: no account hands out half a gap of
 * numbers before the disk has caught up.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/internal.h"

#define SYSTEM_ACCT cv_acct(CV_CLASS_SYSTEM, 1)
#define EPOCH_KEY   CV_STR("fence")

static enum cv_status
read_epoch(struct cv_store *s, uint64_t *version_out, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str key = EPOCH_KEY, value;
	enum cv_status status =
		cv_meta_read(s->engine, SYSTEM_ACCT, &key, 1, &value, &hold, version_out, err);
	s->epoch = 0;
	if (!status && value.p && cv_row_count_decode(value, &s->epoch))
		status = cv_fail(err, CV_CORRUPT, "the fence row is damaged");
	cv_buf_done(&hold);
	return status;
}

static enum cv_status
write_epoch(struct cv_store *s, uint64_t version, struct cv_err *err)
{
	struct cv_buf value = CV_BUF_INIT(64);
	cv_row_count_encode(s->epoch + 1, &value);
	struct cv_put put = {.key = EPOCH_KEY, .value = cv_buf_view(&value)};
	struct cv_batch batch = {.acct = SYSTEM_ACCT, .expect = version, .puts = &put, .count = 1};
	cv_ticket ticket = 0;
	enum cv_status status = cv_meta_commit(s->engine, &batch, 1, &ticket, err);
	cv_buf_done(&value);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "cannot raise the fence: %s",
			cv_status_name(batch.result));
	if (status)
		return status;
	cv_ticket_block(s->engine, ticket);
	s->epoch++;
	return CV_OK;
}

enum cv_status
cv_fence_open(struct cv_store *s, bool crashed, struct cv_err *err)
{
	uint64_t version;
	enum cv_status status = read_epoch(s, &version, err);
	return status || !crashed ? status : write_epoch(s, version, err);
}

static uint32_t
jump32(uint32_t value, uint64_t gaps, uint32_t gap)
{
	uint64_t far = gaps > UINT32_MAX ? UINT32_MAX : value + gaps * gap;
	return (uint32_t)CV_MIN(far, (uint64_t)UINT32_MAX);
}

static uint64_t
gaps_since(const struct cv_store *s, uint64_t epoch)
{
	return s->epoch > epoch ? s->epoch - epoch : 0;
}

void
cv_fence_head(const struct cv_store *s, struct cv_row_head *head)
{
	uint64_t gaps = gaps_since(s, head->epoch);
	head->modseq += gaps * CV_MODSEQ_GAP;
	head->next_id = jump32(head->next_id, gaps, CV_ID_GAP);
	head->last_uidvalidity = jump32(head->last_uidvalidity, gaps, CV_ID_GAP);
	head->epoch = CV_MAX(head->epoch, s->epoch);
}

void
cv_fence_box(const struct cv_store *s, struct cv_row_box *row)
{
	uint64_t gaps = gaps_since(s, row->epoch);
	row->highest_modseq += gaps * CV_MODSEQ_GAP;
	row->uidnext = jump32(row->uidnext, gaps, CV_UID_GAP);
	row->epoch = CV_MAX(row->epoch, s->epoch);
}
