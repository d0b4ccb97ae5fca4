/* kill.c - reading CONGVU_KILL and CONGVU_FAIL, and counting passes. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/kill.h"

#ifdef CV_KILL_POINTS

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/str.h"

#define POINTS_MAX 8

struct point {
	struct cv_str name; /* into the copy of the environment's text */
	int errnum;         /* 0: kill */
	uint64_t first;     /* the pass that acts, counted from 1 */
	uint64_t last;
	_Atomic uint64_t passes;
};

struct points {
	char *text;
	size_t n;
	struct point point[POINTS_MAX];
};

atomic_bool cv_kill_armed;
static struct points kills, fails;

static const struct {
	const char *name;
	int errnum;
} errors[] = {
	{"EIO",        EIO       },
	{"ENOSPC",     ENOSPC    },
	{"EDQUOT",     EDQUOT    },
	{"EROFS",      EROFS     },
	{"EINTR",      EINTR     },
	{"ENOMEM",     ENOMEM    },
	{"EMFILE",     EMFILE    },
	{"EACCES",     EACCES    },
	{"EAGAIN",     EAGAIN    },
	{"EPIPE",      EPIPE     },
	{"ECONNRESET", ECONNRESET},
	{"ETIMEDOUT",  ETIMEDOUT },
};

static int
parse_error(struct cv_str word)
{
	uint64_t number;
	for (size_t i = 0; i < CV_COUNT(errors); i++)
		if (cv_str_eq_z(word, errors[i].name))
			return errors[i].errnum;
	return cv_str_u64(word, 4095, &number) ? 0 : (int)number;
}

/* "name:count" for a kill, "name:errno:count[:times]" for a failure. */
static bool
parse_point(struct point *p, struct cv_str spec, bool is_kill)
{
	struct cv_str word;
	uint64_t times = 1;
	*p = (struct point){0};
	if (!cv_str_split(&spec, ':', &p->name) || !p->name.n)
		return false;
	if (!is_kill) {
		if (!cv_str_split(&spec, ':', &word))
			return false;
		p->errnum = parse_error(word);
		if (!p->errnum)
			return false;
	}
	if (!cv_str_split(&spec, ':', &word) || cv_str_u64(word, UINT32_MAX, &p->first) ||
		!p->first)
		return false;
	if (!is_kill && cv_str_split(&spec, ':', &word) && cv_str_u64(word, UINT32_MAX, &times))
		return false;
	p->last = times ? p->first + times - 1 : UINT64_MAX;
	return !spec.p;
}

static void
load(struct points *points, const char *variable, bool is_kill)
{
	const char *text = getenv(variable);
	free(points->text);
	points->text = text && *text ? cv_strdup(text) : NULL;
	points->n = 0;
	struct cv_str rest = cv_str_z(points->text), spec;
	while (cv_str_split(&rest, ',', &spec)) {
		if (points->n == POINTS_MAX ||
			!parse_point(&points->point[points->n], spec, is_kill))
			cv_die("%s=\"%s\" cannot be read", variable, text);
		points->n++;
	}
}

/* Counts a pass of NAME and answers the point that acts on it, or NULL. */
static const struct point *
pass(struct points *points, const char *name)
{
	const struct point *acting = NULL;
	for (size_t i = 0; i < points->n; i++) {
		struct point *p = &points->point[i];
		if (!cv_str_eq_z(p->name, name))
			continue;
		uint64_t now = atomic_fetch_add(&p->passes, 1) + 1;
		if (now >= p->first && now <= p->last)
			acting = p;
	}
	return acting;
}

void
cv_kill_pass(const char *name)
{
	if (pass(&kills, name))
		kill(getpid(), SIGKILL);
}

int
cv_fail_pass(const char *name)
{
	const struct point *p = pass(&fails, name);
	return p ? p->errnum : 0;
}

void
cv_kill_reload(void)
{
	load(&kills, "CONGVU_KILL", true);
	load(&fails, "CONGVU_FAIL", false);
	atomic_store(&cv_kill_armed, kills.n || fails.n);
}

__attribute__((constructor)) static void
read_environment(void)
{
	cv_kill_reload();
}

#else

/* ISO C wants a declaration in every file. */
typedef int cv_kill_nothing;

#endif
