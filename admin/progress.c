/* progress.c - see progress.h. One bar a process, on standard error.
 *
 * The rate is that of the last seconds, not of the whole run: work that begins fast and goes on
 * slowly would promise too much. It is kept as a moving mean over notes about a second apart. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "admin/admin.h"
#include "common/base/clock.h"

#define BAR_COLUMNS 30
#define REDRAW_MS   100
#define MEASURE_MS  1000
#define WEIGHT      0.3 /* of the newest second in the mean */

static int64_t drawn_ms, measured_ms;
static json_int_t measured_done;
static double rate; /* a second; 0: not known yet */
static bool drawn;

void
admin_progress_rate(double *mean, double per_second)
{
	*mean = *mean > 0 ? *mean * (1 - WEIGHT) + per_second * WEIGHT : per_second;
}

void
admin_progress_line(const struct admin_call *call, const char *what, json_int_t done,
	json_int_t total, double per_second, unsigned columns, char *out, size_t n)
{
	char bar[BAR_COLUMNS + 1], left[40] = "";
	double wait = per_second > 0 ? (double)(total - done) / per_second : 0;
	long long secs = (long long)(wait + 0.5);
	int filled = (int)((double)done / (double)total * BAR_COLUMNS);

	memset(bar, ' ', BAR_COLUMNS);
	memset(bar, '=', (size_t)CV_MIN(CV_MAX(filled, 0), BAR_COLUMNS));
	bar[BAR_COLUMNS] = '\0';
	if (per_second > 0)
		snprintf(left, sizeof left, "%s %lld:%02lld", admin_say(call, "left", "còn"),
			secs / 60, secs % 60);
	/* A narrow terminal loses the bar first: a line that wraps cannot be drawn over. */
	if (columns >= 80)
		snprintf(out, n, "%s[%s] %lld/%lld  %.0f/s  %s", what, bar, (long long)done,
			(long long)total, per_second, left);
	else
		snprintf(out, n, "%lld%%  %.0f/s  %s", (long long)(done * 100 / total), per_second,
			left);
}

static unsigned
columns_of_terminal(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

static void
measure(json_int_t done, int64_t now)
{
	if (!measured_ms || done < measured_done) { /* the first, or of a new part */
		measured_ms = now;
		measured_done = done;
		rate = 0;
		return;
	}
	if (now - measured_ms < MEASURE_MS && rate > 0)
		return;
	double secs = (double)(now - measured_ms) / 1000.0;
	if (secs < 0.2)
		return;
	admin_progress_rate(&rate, (double)(done - measured_done) / secs);
	measured_ms = now;
	measured_done = done;
}

void
admin_progress(void *arg, json_t *note)
{
	const struct admin_call *call = arg;
	json_int_t done = json_integer_value(json_object_get(note, "done"));
	json_int_t total = json_integer_value(json_object_get(note, "total"));
	const char *text = json_string_value(json_object_get(note, "what"));
	char what[60] = "", line[256];
	int64_t now = cv_mono_ms();

	if (text)
		snprintf(what, sizeof what, "%.40s ", text);
	json_decref(note);
	if (call->json || !isatty(STDERR_FILENO) || total <= 0)
		return;
	measure(done, now);
	if (drawn && now - drawn_ms < REDRAW_MS && done < total)
		return;
	drawn_ms = now;
	drawn = true;
	admin_progress_line(
		call, what, done, total, rate, columns_of_terminal(), line, sizeof line);
	fputc('\r', stderr);
	admin_put(stderr, line);
	fputs("\033[K", stderr);
	fflush(stderr);
}

void
admin_progress_end(struct admin_call *call)
{
	(void)call;
	if (drawn)
		fprintf(stderr, "\r\033[K");
	drawn = false;
	measured_ms = 0;
	rate = 0;
}
