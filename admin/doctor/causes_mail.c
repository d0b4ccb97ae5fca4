/* causes_mail.c - finders that look at single messages: the trace, the queue, quarantine, and where
 * in a box a message is now. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/doctor/diagnose.h"

#define SHOWN 3u

static bool
is_event(const json_t *r, const char *name)
{
	return !strcmp(diagnose_text(r, "e"), name);
}

static int64_t
secs_of(const json_t *r)
{
	return admin_number(r, "t") / 1000;
}

/* "22/11/2026 08:00, <to>: reply", separated by "; ". */
static void
say_event(const json_t *r, struct cv_buf *facts)
{
	char when[40];
	const char *to = diagnose_text(r, "to"), *reply = diagnose_text(r, "reply");

	cv_buf_printf(facts, "%s%s", facts->n ? "; " : "", diagnose_time(secs_of(r), when));
	if (to[0])
		cv_buf_printf(facts, ", %s", to);
	if (reply[0])
		cv_buf_printf(facts, ": %.200s", reply);
}

/* Says the newest SHOWN events that TAKES; how many there are. */
static size_t
say_events(const struct diagnosis *d, bool (*takes)(const json_t *r, const void *arg),
	const void *arg, struct cv_buf *facts)
{
	size_t count = 0;

	for (size_t i = json_array_size(d->events); i-- > 0;) {
		const json_t *r = json_array_get(d->events, i);
		if (takes(r, arg) && count++ < SHOWN)
			say_event(r, facts);
	}
	if (count > SHOWN)
		cv_buf_printf(facts, "; +%zu", count - SHOWN);
	return count;
}

/* ---- refused by us ---- */

static bool
is_reply(const json_t *r)
{
	return is_event(r, "rcpt") || is_event(r, "end");
}

static bool
is_refusal(const json_t *r, CV_UNUSED const void *arg)
{
	const char *reply = diagnose_text(r, "reply");

	return is_reply(r) && reply[0] == '5';
}

bool
find_policy(const struct diagnosis *d, const void *arg, struct cv_buf *facts)
{
	return say_events(d, is_refusal, arg, facts) > 0;
}

static bool
is_greylisted(const json_t *r, CV_UNUSED const void *arg)
{
	const char *reply = diagnose_text(r, "reply");

	return is_reply(r) && reply[0] == '4' && strstr(reply, "greylist");
}

bool
find_greylisted(const struct diagnosis *d, const void *arg, struct cv_buf *facts)
{
	return say_events(d, is_greylisted, arg, facts) > 0;
}

/* ---- where the filter put it ---- */

static bool
has_verdict(const json_t *r, const void *arg)
{
	return (is_event(r, "filter") && !strcmp(diagnose_text(r, "verdict"), arg)) ||
	       (is_event(r, "box") && !strcmp(diagnose_text(r, "place"), arg));
}

bool
find_verdict(const struct diagnosis *d, const void *arg, struct cv_buf *facts)
{
	return say_events(d, has_verdict, arg, facts) > 0;
}

bool
find_quarantined(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	const json_t *one;
	char when[40], until[40];
	size_t i, count = json_array_size(d->quarantine);

	json_array_foreach(d->quarantine, i, one)
	{
		if (i >= SHOWN)
			break;
		cv_buf_printf(facts, "%s%s: %s, %s %s", i ? "; " : "",
			diagnose_time(admin_number(one, "arrived"), when),
			diagnose_text(one, "sender"), admin_say(d->call, "until", "giữ đến"),
			diagnose_time(admin_number(one, "expires"), until));
	}
	if (count > SHOWN)
		cv_buf_printf(facts, "; +%zu", count - SHOWN);
	return count > 0;
}

/* ---- in the queue ---- */

static bool
say_queue(const struct diagnosis *d, const char *state, struct cv_buf *facts)
{
	const json_t *m, *r;
	size_t i, k, count = 0;
	char next[40];

	json_array_foreach(d->queue, i, m)
	{
		json_array_foreach(json_object_get(m, "recipients"), k, r)
		{
			if (strcmp(diagnose_text(r, "state"), state) != 0 || count++ >= SHOWN)
				continue;
			cv_buf_printf(facts, "%s%s → %s, %s %s: %.160s", facts->n ? "; " : "",
				diagnose_text(m, "id"), diagnose_text(r, "address"),
				admin_say(d->call, "next try", "thử lại"),
				diagnose_time(admin_number(r, "next"), next),
				diagnose_text(r, "last_reply"));
		}
	}
	if (count > SHOWN)
		cv_buf_printf(facts, "; +%zu", count - SHOWN);
	return count > 0;
}

bool
find_waiting(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	return say_queue(d, "waiting", facts);
}

bool
find_held(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	return say_queue(d, "held", facts);
}

/* ---- what others answered ---- */

static bool
fits_status(const char *status, const char *pattern)
{
	size_t n = strlen(pattern);

	return pattern[n - 1] == 'x' ? !strncmp(status, pattern, n - 1) : !strcmp(status, pattern);
}

static bool
fits(const json_t *r, const void *arg)
{
	const struct diagnose_out *o = arg;
	struct cv_str reply = cv_str_z(diagnose_text(r, "reply"));
	const char *fate = diagnose_text(r, "fate");

	if (!is_event(r, "out") || !strcmp(fate, "sent") ||
		!strcmp(diagnose_text(r, "host"), "store"))
		return false;
	for (size_t i = 0; i < CV_COUNT(o->status) && o->status[i]; i++)
		if (fits_status(diagnose_text(r, "status"), o->status[i]))
			return true;
	for (size_t i = 0; i < CV_COUNT(o->words) && o->words[i]; i++)
		if (cv_str_isearch(reply, cv_str_z(o->words[i])) < reply.n)
			return true;
	return false;
}

bool
find_out(const struct diagnosis *d, const void *arg, struct cv_buf *facts)
{
	return say_events(d, fits, arg, facts) > 0;
}

/* ---- our own boxes ---- */

static bool
is_bad_box(const json_t *r, CV_UNUSED const void *arg)
{
	const char *result = diagnose_text(r, "result");

	return is_event(r, "box") && strcmp(result, "delivered") != 0 &&
	       strcmp(result, "delivered before") != 0 && strncmp(result, "group", 5) != 0;
}

bool
find_undelivered(const struct diagnosis *d, const void *arg, struct cv_buf *facts)
{
	return say_events(d, is_bad_box, arg, facts) > 0;
}

static bool
is_delivered(const json_t *r, const void *arg)
{
	const struct diagnosis *d = arg;
	bool is_box = is_event(r, "box") && !strncmp(diagnose_text(r, "result"), "delivered", 9);
	bool is_sent = is_event(r, "out") && !strcmp(diagnose_text(r, "fate"), "sent");

	return (is_box || is_sent) && (d->mid[0] || !strcmp(diagnose_text(r, "to"), d->address));
}

bool
find_delivered(const struct diagnosis *d, CV_UNUSED const void *arg, struct cv_buf *facts)
{
	return say_events(d, is_delivered, d, facts) > 0;
}

/* Where the message is now: ARG is "unread", "read", "moved", "junk", "trash", "removed" or
 * "gone". */
bool
find_fate(const struct diagnosis *d, const void *arg, struct cv_buf *facts)
{
	const json_t *f;
	size_t i;
	char when[40], until[40];

	json_array_foreach(d->fates, i, f)
	{
		const json_t *found = json_object_get(f, "found");
		const json_t *removed = json_object_get(f, "removed");
		const char *use = diagnose_text(found, "use"),
			   *mailbox = diagnose_text(found, "mailbox");
		bool seen = json_is_true(json_object_get(found, "seen"));
		bool inbox = !strcmp(mailbox, "INBOX");
		const char *what = found && !strcmp(use, "junk")  ? "junk"
				   : found && !strcmp(use, "trash") ? "trash"
				   : found && !inbox		    ? "moved"
				   : found && seen		    ? "read"
				   : found			    ? "unread"
				   : removed			    ? "removed"
								    : "gone";
		if (strcmp(what, arg) != 0)
			continue;
		cv_buf_printf(facts, "%s%s", facts->n ? "; " : "", diagnose_text(f, "address"));
		if (found && !inbox)
			cv_buf_printf(facts, ": %s", mailbox);
		if (removed)
			cv_buf_printf(facts, ": %s, %s, %s %s", diagnose_text(removed, "mailbox"),
				diagnose_time(admin_number(removed, "time"), when),
				admin_say(d->call, "restorable until", "còn lấy lại được đến"),
				diagnose_time(admin_number(removed, "until"), until));
	}
	return facts->n > 0;
}

bool
find_nothing_known(
	const struct diagnosis *d, CV_UNUSED const void *arg, CV_UNUSED struct cv_buf *facts)
{
	return d->mid[0] && !json_array_size(d->events);
}
