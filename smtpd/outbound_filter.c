/* outbound_filter.c - see outbound_filter.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/outbound_filter.h"

#include "common/base/clock.h"

static struct cv_str
text_of(json_t *request, const char *key)
{
	return cv_str_z(json_string_value(json_object_get(request, key)));
}

static enum cv_status
read_state(json_t *request, struct smtpd_queue_filter *out, struct cv_err *err)
{
	struct cv_str state = text_of(request, "state");

	out->by_state = state.n > 0;
	if (!state.n || cv_str_eq_z(state, "waiting"))
		return CV_OK;
	out->state = CV_Q_HELD;
	if (cv_str_eq_z(state, "held"))
		return CV_OK;
	return cv_fail(err, CV_INVALID, "\"state\" is \"waiting\" or \"held\"");
}

enum cv_status
smtpd_queue_filter_read(json_t *request, struct smtpd_queue_filter *out, struct cv_err *err)
{
	struct cv_str after = text_of(request, "after");
	json_int_t older = json_integer_value(json_object_get(request, "older"));
	json_int_t larger = json_integer_value(json_object_get(request, "larger"));

	*out = (struct smtpd_queue_filter){
		.sender = text_of(request, "sender"),
		.account = text_of(request, "account"),
		.recipient = text_of(request, "recipient"),
		.domain = text_of(request, "domain"),
		.larger = larger > 0 ? (uint64_t)larger : 0,
		.arrived_until = older > 0 ? cv_wall_secs() - older : 0,
		.state = CV_Q_WAITING,
		.only_outside = json_is_true(json_object_get(request, "outside")),
	};
	if (older < 0 || larger < 0)
		return cv_fail(err, CV_INVALID, "\"older\" and \"larger\" are no less than 0");
	if (after.n && !cv_queue_id_parse(after, &out->after))
		return cv_fail(err, CV_INVALID, "\"after\" is no queue id");
	return read_state(request, out, err);
}

static bool
has_part(struct cv_str whole, struct cv_str part)
{
	return !part.n || cv_str_isearch(whole, part) < whole.n;
}

static bool
is_at(struct cv_str address, struct cv_str domain)
{
	if (!domain.n)
		return true;
	return address.n > domain.n && address.p[address.n - domain.n - 1] == '@'
	       && cv_str_ieq(cv_str_sub(address, address.n - domain.n, address.n), domain);
}

bool
smtpd_queue_filter_takes_rcpt(const struct smtpd_queue_filter *f, const struct cv_queue_rcpt *rcpt)
{
	return has_part(rcpt->address, f->recipient) && is_at(rcpt->address, f->domain)
	       && (!f->only_outside || !rcpt->local_acct)
	       && (!f->by_state || rcpt->state == f->state);
}

bool
smtpd_queue_filter_takes(const struct smtpd_queue_filter *f, const struct cv_queue_msg *msg)
{
	if (msg->id <= f->after || !has_part(msg->sender, f->sender)
		|| (f->account.n && !cv_str_ieq(msg->auth_account, f->account))
		|| (f->arrived_until && msg->arrived_secs > f->arrived_until)
		|| msg->size_bytes < f->larger)
		return false;
	for (size_t i = 0; i < msg->rcpt_count; i++)
		if (smtpd_queue_filter_takes_rcpt(f, &msg->rcpts[i]))
			return true;
	return false;
}
