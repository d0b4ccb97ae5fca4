/* people_kit.h - registry_kit.h on any day: the clock is moved, requests give their answers.
 *
 * For one test program: everything here is static. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef PEOPLE_KIT_H
#define PEOPLE_KIT_H

#include "common/base/clock.h"
#include "common/text/calendar.h"
#include "common/text/date.h"
#include "tests/unit/common/register/registry_kit.h"

static int64_t shifted;

/* The wall clock stands SECS behind the beginning of the day DAYS from today. */
static inline void
go_to(int days, int64_t secs)
{
	int64_t real = cv_wall_secs() - shifted;
	int64_t want = cv_calendar_midnight(cv_calendar_day(real) + days) + secs - real;
	cv_clock_shift(want - shifted);
	shifted = want;
}

static inline const char *
day(int days)
{
	static char text[20];
	struct cv_buf out = CV_BUF_INIT(20);
	int64_t today = cv_calendar_day(cv_wall_secs() - shifted);
	int64_t midnight = cv_calendar_midnight(today + days);
	cv_date_write_iso_day(&out, cv_date_at(midnight, CV_ZONE_VIETNAM));
	snprintf(text, sizeof text, "%s", out.p);
	cv_buf_done(&out);
	return text;
}

static inline json_t *
answer_to(const char *text)
{
	json_t *reply;
	struct cv_err err = {0};
	if (ask(text, &reply, &err))
		fail_msg("%s: %s", text, err.text);
	return reply;
}

static inline json_int_t
number_in(json_t *reply, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(reply, key));
	json_decref(reply);
	return n;
}

static inline bool
state_is(const char *address, const char *want)
{
	char text[200];
	snprintf(text, sizeof text, "{\"do\":\"account.show\",\"address\":\"%s\"}", address);
	json_t *reply = answer_to(text);
	json_t *account = json_object_get(reply, "account");
	bool same = !strcmp(json_string_value(json_object_get(account, "state")), want);
	json_decref(reply);
	return same;
}

/* The clock stands at the beginning of the day YEAR-MONTH-DAY, SECS on. */
static inline void
go_to_date(int year, int month, int day_of_month, int64_t secs)
{
	int64_t want = cv_calendar_midnight(cv_days_from_civil(year, month, day_of_month)) + secs;
	int64_t by = want - cv_wall_secs();
	cv_clock_shift(by);
	shifted += by;
}

/* The same by somebody with a role; refused() and must() in one. */
static inline enum cv_status
ask_as(enum cv_admin_role role, const char *agency, const char *text, json_t **reply,
       struct cv_err *err)
{
	struct cv_registry_who who = { .name = "unix:qt", .role = role };
	snprintf(who.agency, sizeof who.agency, "%s", agency);
	json_t *request = json_loads(text, 0, NULL);
	assert_non_null(request);
	*reply = NULL;
	enum cv_status status = cv_registry_do_as(registry, &who, request, NULL, NULL, reply, err);
	json_decref(request);
	return status;
}

static inline void
as_role(enum cv_admin_role role, const char *agency, const char *text, enum cv_status want)
{
	struct cv_err err = {0};
	json_t *reply;
	enum cv_status got = ask_as(role, agency, text, &reply, &err);
	json_decref(reply);
	if (got != want)
		fail_msg("%s: %s, %s", text, cv_status_name(got), err.text);
}

static inline json_int_t
run_due(void)
{
	return number_in(answer_to("{\"do\":\"dated.run\"}"), "done");
}

static inline void
make_people(void)
{
	must("{\"do\":\"agency.add\",\"code\":\"stp\",\"name\":\"Sở Tư pháp\"}");
	must("{\"do\":\"account.add\",\"name\":\"Đặng Thị Duyên\",\"agency\":\"stp\"}");
	must("{\"do\":\"account.add\",\"name\":\"Nguyễn Văn Hòa\",\"agency\":\"stp\"}");
}

static inline int
start(void **state)
{
	cv_clock_shift(-shifted);
	shifted = 0;
	return setup(state);
}

#endif
