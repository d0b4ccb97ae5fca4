/* worker.c - one document in a process of its own; see extractor.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/extract/wire.h"
#include "common/sandbox/confine.h"
#include "common/sandbox/walls.h"
#include "common/extractor/extractor.h"

static void
limit(__rlimit_resource_t what, rlim_t value)
{
	struct rlimit l = {value, value};

	if (setrlimit(what, &l))
		_exit(73);
}

static void
write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t wrote = write(fd, at, n);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			_exit(74);
		at += wrote;
		n -= (size_t)wrote;
	}
}

static void
read_all(int fd, struct cv_buf *document)
{
	for (;;) {
		char *room = cv_buf_room(document, 64u << 10);
		if (!room)
			return;
		ssize_t n = read(fd, room, 64u << 10);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		document->n += (size_t)n;
	}
}

static void
answer(int fd, enum cv_extract_outcome outcome, struct cv_str text)
{
	struct cv_buf head = CV_BUF_INIT(CV_EXTRACT_HEAD);

	cv_buf_c(&head, (char)outcome);
	cv_buf_be32(&head, (uint32_t)text.n);
	write_all(fd, head.p, head.n);
	write_all(fd, text.p, text.n);
}

/* What it has at its start, by which limits on memory are counted. */
static rlim_t memory_at_start;

void
extractor_measure(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (!f || fscanf(f, "%lu", &pages) != 1)
		pages = (1ul << 30) / 4096;
	if (f)
		fclose(f);
	memory_at_start = pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

void
extractor_work(int fd)
{
	struct cv_buf document = CV_BUF_INIT(CV_EXTRACT_DOCUMENT_MAX + (128u << 10)),
		      text = CV_BUF_INIT(CV_EXTRACT_TEXT_MAX);
	struct extractor_text t = {.out = &text};
	struct cv_err err = {0};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || dup2(fd, 0) < 0 ||
		close_range(CV_SANDBOX_SANITIZED ? 3 : 1, ~0u, 0))
		_exit(70);
	limit(RLIMIT_CPU, CV_EXTRACT_CPU_SECS);
	limit(RLIMIT_FSIZE, 0);
	if (!CV_SANDBOX_SANITIZED) { /* whose shadow is larger than any limit */
		limit(RLIMIT_AS, memory_at_start + CV_EXTRACT_MEMORY);
		limit(RLIMIT_NOFILE, 1);
	}
	if (cv_confine(CV_CONFINE_WORKER, &err))
		_exit(75);
	write_all(0, &(char){CV_EXTRACT_STARTED}, 1);
	read_all(0, &document);
	enum cv_extract_outcome outcome = CV_EXTRACT_TOO_LARGE;
	/* Only poppler and libzbar (its charsets) look for files. */
	if (!extractor_is_pdf(cv_buf_view(&document)) &&
		!extractor_is_picture(cv_buf_view(&document)) && cv_confine_files(&err))
		_exit(75);
	if (document.n <= CV_EXTRACT_DOCUMENT_MAX)
		outcome = extractor_convert(cv_buf_view(&document), &t);
	answer(0, outcome, cv_buf_view(&text));
	_exit(0);
}
