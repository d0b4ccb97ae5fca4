/* progress.h - a bar with rate and remaining time while a terminal looks on; silent otherwise. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_PROGRESS_H
#define ADMIN_PROGRESS_H

#include <jansson.h>

struct admin_call;

/* NOTE is {"done": n, "total": m, "what": "..."} and is taken over; ARG is the admin_call. */
void admin_progress(void *arg, json_t *note);
/* Clears the line. */
void admin_progress_end(struct admin_call *call);

#endif
