/* engine_lease.c - leases: rows of the system account, taken and renewed by compare and set. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <inttypes.h>

#include "common/base/clock.h"
#include "common/store/engine_impl.h"

#define LEASE_ACCT cv_acct(CV_CLASS_SYSTEM, 1)
#define LEASE_NAME_MAX 200u
#define LEASE_TRIES 100

/* A lease row: until (8, Unix milliseconds), holder. */
static enum cv_status
check_holder(struct cv_str row, struct cv_str holder, struct cv_err *err)
{
	if (!row.p)
		return CV_OK;
	struct cv_rd r = cv_rd(row);
	int64_t until = (int64_t)cv_rd_be64(&r);
	struct cv_str other = cv_rd_take(&r, cv_rd_left(&r));
	if (until <= cv_wall_ms() || cv_str_eq(other, holder))
		return CV_OK;
	return cv_fail(err, CV_DENIED, "held by %.*s for another %" PRId64 " ms",
	               CV_STR_ARGS(other), until - cv_wall_ms());
}

static enum cv_status
try_once(struct cv_engine *e, struct cv_str key, struct cv_str holder, unsigned secs,
         struct cv_err *err)
{
	struct cv_buf hold = CV_BUF_INIT(CV_VALUE_MAX + 1024), row = CV_BUF_INIT(CV_VALUE_MAX);
	struct cv_str value;
	struct cv_batch batch = {.acct = LEASE_ACCT, .count = 1};
	cv_ticket ticket;
	enum cv_status status =
		cv_meta_read(e, LEASE_ACCT, &key, 1, &value, &hold, &batch.expect, err);
	if (!status)
		status = check_holder(value, holder, err);
	if (!status) {
		cv_buf_be64(&row, (uint64_t)(cv_wall_ms() + (int64_t)secs * 1000));
		cv_buf_str(&row, holder);
		struct cv_put put = {key, cv_buf_view(&row)};
		batch.puts = &put;
		status = cv_meta_commit(e, &batch, 1, &ticket, err);
		status = status ? status : batch.result;
	}
	cv_buf_done(&row);
	cv_buf_done(&hold);
	return status;
}

enum cv_status
cv_meta_lease(struct cv_engine *e, struct cv_str name, struct cv_str holder, unsigned secs,
              struct cv_err *err)
{
	char memory[1 + LEASE_NAME_MAX];
	if (!name.n || name.n > LEASE_NAME_MAX || holder.n > LEASE_NAME_MAX)
		return cv_fail(err, CV_INVALID, "the name of a lease has 1 to %u bytes",
			LEASE_NAME_MAX);
	memory[0] = 'L';
	memcpy(memory + 1, name.p, name.n);
	enum cv_status status = CV_CONFLICT;
	for (int i = 0; status == CV_CONFLICT && i < LEASE_TRIES; i++)
		status = try_once(e, cv_str(memory, name.n + 1), holder, secs, err);
	if (status == CV_CONFLICT)
		return cv_fail(err, CV_RETRY, "too many want the lease %.*s at once",
			CV_STR_ARGS(name));
	return status;
}
