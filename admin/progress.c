/* progress.c - see progress.h. One bar a process, on standard error. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/progress.h"

#include <unistd.h>

#include "admin/admin.h"
#include "common/base/clock.h"

#define BAR_COLUMNS 30

static int64_t started_ms, drawn_ms;
static bool drawn;

void
admin_progress(void *arg, json_t *note)
{
	const struct admin_call *call = arg;
	json_int_t done = json_integer_value(json_object_get(note, "done"));
	json_int_t total = json_integer_value(json_object_get(note, "total"));
	json_decref(note);
	int64_t now = cv_mono_ms();

	if (call->json || !isatty(STDERR_FILENO) || total <= 0)
		return;
	if (!started_ms)
		started_ms = now;
	if (drawn && now - drawn_ms < 100 && done < total)
		return;
	drawn_ms = now;
	drawn = true;

	char bar[BAR_COLUMNS + 1];
	int filled = (int)(done * BAR_COLUMNS / total);
	memset(bar, ' ', BAR_COLUMNS);
	memset(bar, '=', (size_t)CV_MIN(CV_MAX(filled, 0), BAR_COLUMNS));
	bar[BAR_COLUMNS] = '\0';
	double secs = (double)(now - started_ms) / 1000.0;
	double rate = secs > 0.1 ? (double)done / secs : 0;
	fprintf(stderr, "\r[%s] %lld/%lld  %.0f/s  %s %.0f s ", bar, (long long)done,
		(long long)total, rate, admin_say(call, "left", "còn"),
		rate > 0 ? (double)(total - done) / rate : 0.0);
	fflush(stderr);
}

void
admin_progress_end(struct admin_call *call)
{
	(void)call;
	if (drawn)
		fprintf(stderr, "\r\033[K");
	drawn = false;
	started_ms = 0;
}
