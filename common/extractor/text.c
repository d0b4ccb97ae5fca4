/* text.c - where converters write. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "common/extract/wire.h"
#include "common/text/charset.h"
#include "common/extractor/extractor.h"

static int64_t began_ns; /* CPU time of the process */

static int64_t
used_ns(void)
{
	struct timespec used;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used))
		return INT64_MAX;
	return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

void
extractor_begin_time(void)
{
	began_ns = used_ns();
}

bool
extractor_is_late(void)
{
	return used_ns() - began_ns > (CV_EXTRACT_CPU_SECS - 1) * INT64_C(1000000000);
}

bool
extractor_text_is_enough(struct extractor_text *t)
{
	return t->is_cut || extractor_is_late();
}

void
extractor_text_add(struct extractor_text *t, struct cv_str utf8)
{
	struct cv_str room = cv_utf8_cut(utf8, t->out->max - t->out->n);

	if (t->is_cut)
		return;
	cv_buf_str(t->out, room);
	t->is_cut = room.n < utf8.n;
}

static char
last(const struct extractor_text *t)
{
	return t->out->n ? t->out->p[t->out->n - 1] : '\n';
}

void
extractor_text_space(struct extractor_text *t)
{
	if (last(t) != ' ' && last(t) != '\n')
		extractor_text_add(t, CV_STR(" "));
}

void
extractor_text_line(struct extractor_text *t)
{
	if (t->is_cut)
		return;
	while (last(t) == ' ')
		t->out->n--;
	if (last(t) != '\n')
		extractor_text_add(t, CV_STR("\n"));
}
