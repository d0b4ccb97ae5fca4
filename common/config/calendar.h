/* calendar.h - the calendar that the configuration asks for, by holidays_file and working_hours
 * (OPS-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CONFIG_CALENDAR_H
#define CV_CONFIG_CALENDAR_H

#include "common/text/calendar.h"

/* Reads PATH ("": the list that comes with the program) and makes a calendar of it, which is the
 * caller's until cv_calendar_free(). CV_TEMPFAIL when the file cannot be read, CV_INVALID naming
 * file and line. */
CV_MUST_CHECK enum cv_status cv_calendar_load(const char *path, const char *hours,
                                              struct cv_calendar **out, struct cv_err *err);

#endif
