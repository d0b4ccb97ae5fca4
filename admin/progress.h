/* progress.h - a bar with rate and remaining time while a terminal looks on; silent otherwise. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_PROGRESS_H
#define ADMIN_PROGRESS_H

#include <jansson.h>

struct admin_call;

/* NOTE is {"done": n, "total": m, "what": "..."} and is taken over; ARG is the admin_call. */
void admin_progress(void *arg, json_t *note);
/* Takes what was done in the last second into the MEAN rate. */
void admin_progress_rate(double *mean, double per_second);
/* The line for a terminal of COLUMNS: bar, count, rate, remaining time. */
void admin_progress_line(const struct admin_call *call, const char *what, json_int_t done,
	json_int_t total, double per_second, unsigned columns, char *out, size_t n);
/* Clears the line. */
void admin_progress_end(struct admin_call *call);

#endif
