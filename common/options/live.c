/* live.c - see live.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/options/live.h"

#include "common/options/value.h"

#define NAMES_MAX (64u << 10)

void
cv_live_diff_init(struct cv_live_diff *d)
{
	cv_buf_init(&d->changed, NAMES_MAX);
	cv_buf_init(&d->fixed, NAMES_MAX);
}

void
cv_live_diff_done(struct cv_live_diff *d)
{
	cv_buf_done(&d->changed);
	cv_buf_done(&d->fixed);
}

static size_t
value_bytes(enum cv_opt_kind kind)
{
	switch (kind) {
	case CV_OPT_size:
		return sizeof(cv_opt_size);
	case CV_OPT_secs:
		return sizeof(cv_opt_secs);
	case CV_OPT_num:
		return sizeof(cv_opt_num);
	case CV_OPT_flag:
		return sizeof(cv_opt_flag);
	default:
		return sizeof(char *);
	}
}

static bool
is_same(const struct cv_option *o, const char *a, const char *b)
{
	if (!cv_opt_is_text(o->kind))
		return !memcmp(a + o->offset, b + o->offset, value_bytes(o->kind));
	const char *text_a, *text_b;
	memcpy(&text_a, a + o->offset, sizeof text_a);
	memcpy(&text_b, b + o->offset, sizeof text_b);
	return !strcmp(text_a, text_b);
}

static bool
is_fixed(const char *const *fixed, const char *name)
{
	for (; *fixed; fixed++) {
		size_t n = strlen(*fixed);
		bool whole = n && (*fixed)[n - 1] != '*';
		if (whole ? !strcmp(*fixed, name) : !strncmp(*fixed, name, n - 1))
			return true;
	}
	return false;
}

static void
add_name(struct cv_buf *names, const char *name)
{
	if (names->n)
		cv_buf_c(names, ' ');
	cv_buf_z(names, name);
}

bool
cv_live_compare(const struct cv_conf *now, struct cv_conf *next,
                const struct cv_section *const *sections, size_t count, const char *const *fixed,
                struct cv_live_diff *out)
{
	for (size_t s = 0; s < count; s++) {
		const char *a = cv_conf_get(now, sections[s]);
		/* NEXT is not in force yet: its structs are still ours to change. */
		char *b = (char *)(uintptr_t)cv_conf_get(next, sections[s]);
		for (size_t i = 0; i < sections[s]->count; i++) {
			const struct cv_option *o = &sections[s]->options[i];
			char name[128];
			if (is_same(o, a, b))
				continue;
			snprintf(name, sizeof name, "%s.%s", sections[s]->name, o->name);
			if (is_fixed(fixed, name)) {
				memcpy(b + o->offset, a + o->offset, value_bytes(o->kind));
				add_name(&out->fixed, name);
			} else {
				add_name(&out->changed, name);
			}
		}
	}
	return out->changed.n || out->fixed.n;
}

bool
cv_live_names(const struct cv_buf *names, const char *name)
{
	struct cv_str rest = cv_str(names->p, names->n), word;

	while (names->n && cv_str_split(&rest, ' ', &word))
		if (cv_str_eq_z(word, name))
			return true;
	return false;
}
