/* fence.c - after a bad death no number that anyone may have seen comes to mean something else
 * (S8).
 *
 * Other sessions may see a UID or MODSEQ before it is durable; a crash can take its row away. So
 * the store counts its crashes: the epoch in the system account goes up, durably, before anyone is
 * served. Every head and mailbox row carries the epoch it was written in, and whoever reads it adds
 * one gap for each crash since. That is the same answer every time it is read, so nothing has to be
 * written at start: 12,000 accounts cost one row.
 *
 * A store brought back from a backup is another case: numbers were handed out for days that these
 * rows know nothing of, flags changed, messages went. No gap mends that for a client that asks what
 * changed since; a new UIDVALIDITY does (RFC 9051 section 2.3.1.1). A second row says in which
 * epoch that happened and from which UIDVALIDITY on: it is larger than any given before, and
 * whoever reads a mailbox row of an earlier epoch puts it in place of the row's own.
 *
 * cv_acct_may_give() keeps the other half of the bargain: no account hands out half a gap of
 * numbers before the disk has caught up.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/store/internal.h"

#define SYSTEM_ACCT cv_acct(CV_CLASS_SYSTEM, 1)
#define EPOCH_KEY   CV_STR("fence")
#define BACK_KEY    CV_STR("fence.restored")

static enum cv_status
read_epoch(struct cv_store *s, uint64_t *version_out, struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str keys[2] = {EPOCH_KEY, BACK_KEY}, values[2];
	enum cv_status status =
		cv_meta_read(s->engine, SYSTEM_ACCT, keys, 2, values, &hold, version_out, err);
	s->epoch = 0;
	if (!status && values[0].p && cv_row_count_decode(values[0], &s->epoch))
		status = cv_fail(err, CV_CORRUPT, "the fence row is damaged");
	if (!status && values[1].p) {
		struct cv_rd r = cv_rd(values[1]);
		s->restored_epoch = cv_rd_be64(&r);
		s->restored_uidvalidity = cv_rd_be32(&r);
		if (r.bad)
			status = cv_fail(err, CV_CORRUPT, "the fence row is damaged");
	}
	cv_buf_done(&hold);
	return status;
}

/* With UIDVALIDITY the new epoch is one of a store brought back. */
static enum cv_status
write_epoch(struct cv_store *s, uint64_t version, uint32_t uidvalidity, struct cv_err *err)
{
	struct cv_buf value = CV_BUF_INIT(64), back = CV_BUF_INIT(64);
	cv_row_count_encode(s->epoch + 1, &value);
	cv_buf_be64(&back, s->epoch + 1);
	cv_buf_be32(&back, uidvalidity);
	struct cv_put puts[2] = {
		{.key = EPOCH_KEY, .value = cv_buf_view(&value)},
		{.key = BACK_KEY, .value = cv_buf_view(&back)},
	};
	struct cv_batch batch = {.acct = SYSTEM_ACCT, .expect = version, .puts = puts,
		.count = uidvalidity ? 2 : 1};
	cv_ticket ticket = 0;
	enum cv_status status = cv_meta_commit(s->engine, &batch, 1, &ticket, err);
	cv_buf_done(&value);
	cv_buf_done(&back);
	if (!status && batch.result)
		status = cv_fail(err, batch.result, "cannot raise the fence: %s",
			cv_status_name(batch.result));
	if (status)
		return status;
	cv_ticket_block(s->engine, ticket);
	s->epoch++;
	if (uidvalidity) {
		s->restored_epoch = s->epoch;
		s->restored_uidvalidity = uidvalidity;
	}
	return CV_OK;
}

enum cv_status
cv_fence_open(struct cv_store *s, bool crashed, struct cv_err *err)
{
	uint64_t version;
	enum cv_status status = read_epoch(s, &version, err);
	return status || !crashed ? status : write_epoch(s, version, 0, err);
}

/* UIDVALIDITYs are given by the clock (cv_acct_new_uidvalidity), an epoch's gap ahead of it. */
enum cv_status
cv_store_restored(struct cv_store *s, struct cv_err *err)
{
	uint64_t version;
	enum cv_status status = read_epoch(s, &version, err);
	uint64_t now = (uint64_t)cv_wall_secs() + (s->epoch + 2) * CV_ID_GAP;
	uint64_t next = CV_MAX(now, (uint64_t)s->restored_uidvalidity + CV_ID_GAP);
	return status ? status : write_epoch(s, version,
		(uint32_t)CV_MIN(next, (uint64_t)UINT32_MAX), err);
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
	if (head->epoch < s->restored_epoch)
		head->last_uidvalidity = CV_MAX(head->last_uidvalidity, s->restored_uidvalidity);
	head->epoch = CV_MAX(head->epoch, s->epoch);
}

void
cv_fence_box(const struct cv_store *s, struct cv_row_box *row)
{
	uint64_t gaps = gaps_since(s, row->epoch);
	row->highest_modseq += gaps * CV_MODSEQ_GAP;
	row->uidnext = jump32(row->uidnext, gaps, CV_UID_GAP);
	if (row->epoch < s->restored_epoch)
		row->uidvalidity = CV_MAX(row->uidvalidity + 1, s->restored_uidvalidity);
	row->epoch = CV_MAX(row->epoch, s->epoch);
}
