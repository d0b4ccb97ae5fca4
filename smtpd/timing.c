/* timing.c - see timing.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/timing.h"

#include "common/base/clock.h"
#include "common/text/date.h"
#include "smtpd/session.h"

/* ---- grammar ---- */

/* 1 to 9 digits. */
static bool
read_digits(struct cv_str digits, int64_t *out)
{
	uint64_t n;

	if (!digits.n || digits.n > 9 || cv_str_u64(digits, 999999999, &n) != CV_OK)
		return false;
	*out = (int64_t)n;
	return true;
}

bool
smtpd_by_parse(struct cv_str value, int64_t *secs_out, enum cv_queue_by *mode_out, bool *trace_out)
{
	size_t semicolon = cv_str_find(value, ';', 0);
	struct cv_str time = cv_str_sub(value, 0, semicolon);
	struct cv_str mode = cv_str_sub(value, CV_MIN(semicolon + 1, value.n), value.n);
	bool negative = time.n && time.p[0] == '-';

	if (time.n && (time.p[0] == '-' || time.p[0] == '+'))
		time = cv_str_sub(time, 1, time.n);
	if (!read_digits(time, secs_out) || !mode.n || mode.n > 2)
		return false;
	if (negative)
		*secs_out = -*secs_out;
	unsigned char letter = cv_lower((unsigned char)mode.p[0]);
	*mode_out = letter == 'r' ? CV_BY_RETURN : CV_BY_NOTIFY;
	*trace_out = mode.n == 2;
	if ((letter != 'r' && letter != 'n')
		|| (mode.n == 2 && cv_lower((unsigned char)mode.p[1]) != 't'))
		return false;
	return *mode_out == CV_BY_NOTIFY || *secs_out > 0;
}

bool
smtpd_holdfor_parse(struct cv_str value, int64_t *secs_out)
{
	return value.n && value.p[0] != '0' && read_digits(value, secs_out);
}

bool
smtpd_holduntil_parse(struct cv_str value, int64_t *at_secs_out)
{
	struct cv_date date;

	/* The reader takes a blank and a day alone as well, which the RFC does not. */
	if (value.n < sizeof "2026-11-22T08:00:00Z" - 1 || value.p[10] != 'T'
		|| cv_date_parse_iso(value, 0, &date) != CV_OK)
		return false;
	*at_secs_out = date.unix_secs;
	return true;
}

bool
smtpd_priority_parse(struct cv_str value, int8_t *priority_out)
{
	bool negative = value.n && value.p[0] == '-';
	struct cv_str digit = cv_str_sub(value, negative, value.n);

	if (digit.n != 1 || !cv_is_digit((unsigned char)digit.p[0]))
		return false;
	*priority_out = (int8_t)(negative ? '0' - digit.p[0] : digit.p[0] - '0');
	return !negative || *priority_out;
}

/* ---- what a listener takes ---- */

/* LMTP delivers at once or not at all, and its RFCs do not name DELIVERBY. */
static bool
offers_by(const struct smtpd_session *s)
{
	return s->kind != SMTPD_LMTP;
}

/* RFC 4865 4: for submission alone. */
static bool
offers_hold(const struct smtpd_session *s)
{
	return s->kind == SMTPD_SUBMISSION && s->server->opt->future_release_max > 0;
}

/* How urgent mail of this client may be. Less urgent than usual anybody may be. */
static int8_t
highest_priority(const struct smtpd_session *s)
{
	if (cv_netset_has(s->server->priority_from, cv_conn_peer(s->conn)))
		return CV_QUEUE_PRIORITY_MAX;
	return s->kind == SMTPD_SUBMISSION && s->authed ? (int8_t)s->server->opt->priority_max : 0;
}

static enum smtpd_timing_result
take_by(struct smtpd_timing *t, struct cv_str value, int64_t now)
{
	int64_t secs;

	if (!smtpd_by_parse(value, &secs, &t->by_mode, &t->by_trace))
		return SMTPD_TIMING_BAD;
	t->by_secs = now + secs;
	return t->by_mode == CV_BY_RETURN && secs < SMTPD_BY_MIN_SECS ? SMTPD_TIMING_SHORT
								      : SMTPD_TIMING_TAKEN;
}

/* HOLDFOR and HOLDUNTIL together are one too many. */
static enum smtpd_timing_result
take_hold(struct smtpd_session *s, struct cv_str value, bool until, int64_t now)
{
	struct smtpd_timing *t = &s->tx->timing;
	int64_t secs;

	bool good = until ? smtpd_holduntil_parse(value, &secs)
			  : smtpd_holdfor_parse(value, &secs);
	if (!good || t->hold_secs)
		return SMTPD_TIMING_BAD;
	t->hold_secs = until ? secs : now + secs;
	if (t->hold_secs <= now)
		return SMTPD_TIMING_BAD;
	return t->hold_secs - now > (int64_t)s->server->opt->future_release_max
		? SMTPD_TIMING_FAR : SMTPD_TIMING_TAKEN;
}

static enum smtpd_timing_result
take_priority(struct smtpd_session *s, struct cv_str value)
{
	struct smtpd_timing *t = &s->tx->timing;

	if (!smtpd_priority_parse(value, &t->asked_priority))
		return SMTPD_TIMING_BAD;
	t->priority = CV_MIN(t->asked_priority, highest_priority(s));
	return SMTPD_TIMING_TAKEN;
}

enum smtpd_timing_result
smtpd_timing_param(struct smtpd_session *s, struct cv_str name, struct cv_str value,
	bool has_value)
{
	int64_t now = cv_wall_secs();
	bool until = cv_str_ieq_z(name, "HOLDUNTIL");

	if (cv_str_ieq_z(name, "BY") && offers_by(s))
		return has_value ? take_by(&s->tx->timing, value, now) : SMTPD_TIMING_BAD;
	if ((until || cv_str_ieq_z(name, "HOLDFOR")) && offers_hold(s))
		return has_value ? take_hold(s, value, until, now) : SMTPD_TIMING_BAD;
	if (cv_str_ieq_z(name, "MT-PRIORITY"))
		return has_value ? take_priority(s, value) : SMTPD_TIMING_BAD;
	return SMTPD_TIMING_OTHER;
}

/* What is to be delivered by a time cannot stand still until that time. */
bool
smtpd_timing_fits(const struct smtpd_timing *t)
{
	return !t->hold_secs || t->by_mode == CV_BY_NONE
		|| t->by_secs - t->hold_secs >= SMTPD_BY_MIN_SECS;
}

void
smtpd_timing_offer(struct smtpd_session *s, struct cv_buf *out)
{
	if (offers_by(s))
		cv_buf_printf(out, "250-DELIVERBY %d\r\n", SMTPD_BY_MIN_SECS);
	if (offers_hold(s)) {
		int64_t max = (int64_t)s->server->opt->future_release_max;
		cv_buf_printf(out, "250-FUTURERELEASE %lld ", (long long)max);
		struct cv_civil c;
		cv_date_civil(cv_date_at(cv_wall_secs() + max, 0), &c);
		cv_buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ\r\n", c.year, c.month, c.day,
			c.hour, c.minute, c.second);
	}
	cv_buf_z(out, "250-MT-PRIORITY MIXER\r\n");
}
