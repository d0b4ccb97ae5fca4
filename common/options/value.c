/* value.c - option values: sizes, durations, numbers, flags and texts. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/options/value.h"

struct unit {
	char letter;
	uint64_t factor;
};
static const struct unit size_units[] = {
	{ 'K', 1u << 10 }, { 'M', 1u << 20 }, { 'G', 1u << 30 }, { 'T', (uint64_t)1 << 40 },
};
static const struct unit secs_units[] = {
	{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 },
};
static const struct {
	const char *word;
	bool value;
} flag_words[] = {
	{ "yes", true }, { "no", false }, { "on", true }, { "off", false },
	{ "true", true }, { "false", false },
};
static const char *const hints[] = {
	[CV_OPT_size] = "a size such as 25M",
	[CV_OPT_secs] = "a duration such as 5m",
	[CV_OPT_num] = "a number",
	[CV_OPT_flag] = "yes or no",
	[CV_OPT_text] = "a text",
	[CV_OPT_list] = "words separated by blanks",
	[CV_OPT_path] = "a path",
};

const char *
cv_opt_kind_hint(enum cv_opt_kind kind)
{
	return hints[kind];
}

bool
cv_opt_is_text(enum cv_opt_kind kind)
{
	return kind == CV_OPT_text || kind == CV_OPT_list || kind == CV_OPT_path;
}

static enum cv_status
scaled(struct cv_str text, const struct unit *units, size_t count, bool any_case, uint64_t *out)
{
	uint64_t factor = 1;
	for (size_t i = 0; i < count && text.n; i++) {
		char last = text.p[text.n - 1];
		if (last == units[i].letter ||
		    (any_case &&
		     cv_lower((unsigned char)last) == cv_lower((unsigned char)units[i].letter))) {
			factor = units[i].factor;
			text.n--;
			break;
		}
	}
	uint64_t n;
	if (cv_str_u64(text, UINT64_MAX, &n) || n > UINT64_MAX / factor)
		return CV_INVALID;
	*out = n * factor;
	return CV_OK;
}

static enum cv_status
flag(struct cv_str text, uint64_t *out)
{
	for (size_t i = 0; i < CV_COUNT(flag_words); i++) {
		if (cv_str_ieq_z(text, flag_words[i].word)) {
			*out = flag_words[i].value;
			return CV_OK;
		}
	}
	return CV_INVALID;
}

enum cv_status
cv_opt_number(enum cv_opt_kind kind, struct cv_str text, uint64_t *value_out)
{
	switch (kind) {
	case CV_OPT_size:
		return scaled(text, size_units, CV_COUNT(size_units), true, value_out);
	case CV_OPT_secs:
		return scaled(text, secs_units, CV_COUNT(secs_units), false, value_out);
	case CV_OPT_flag:
		return flag(text, value_out);
	default:
		return cv_str_u64(text, UINT64_MAX, value_out) ? CV_INVALID : CV_OK;
	}
}

/* A limit of a row; an empty one is the widest. */
static uint64_t
limit(const struct cv_option *row, const char *text, uint64_t widest)
{
	uint64_t n;
	enum cv_opt_kind kind = cv_opt_is_text(row->kind) ? CV_OPT_num : row->kind;
	if (!text || !*text || cv_opt_number(kind, cv_str_z(text), &n))
		return widest;
	return n;
}

static enum cv_status
check_range(const struct cv_option *row, uint64_t value, uint64_t widest, const char *what,
            struct cv_err *err)
{
	if (value < limit(row, row->min, 0))
		return cv_fail(err, CV_INVALID, "%s: %s below the least allowed, %s", row->name,
		               what, row->min);
	if (value > limit(row, row->max, widest))
		return cv_fail(err, CV_INVALID, "%s: %s above the most allowed, %s", row->name,
		               what, row->max && *row->max ? row->max : "4294967295");
	return CV_OK;
}

static enum cv_status
store_text(const struct cv_option *row, struct cv_str text, void *base, struct cv_arena *arena,
           struct cv_err *err)
{
	enum cv_status status = check_range(row, text.n, UINT64_MAX, "length", err);
	if (status)
		return status;
	const char *copy = cv_arena_z(arena, text);
	memcpy((char *)base + row->offset, &copy, sizeof copy);
	return CV_OK;
}

enum cv_status
cv_opt_store(const struct cv_option *row, struct cv_str text, void *base, struct cv_arena *arena,
             struct cv_err *err)
{
	for (size_t i = 0; i < text.n; i++)
		if (((unsigned char)text.p[i] < 0x20 && text.p[i] != '\t') || text.p[i] == 0x7f)
			return cv_fail(err, CV_INVALID, "%s: a control byte in the value",
			               row->name);
	if (cv_opt_is_text(row->kind))
		return store_text(row, text, base, arena, err);
	uint64_t n;
	if (cv_opt_number(row->kind, text, &n))
		return cv_fail(err, CV_INVALID, "%s: '%.*s' is not %s", row->name,
		               CV_STR_ARGS(text), hints[row->kind]);
	enum cv_status status = check_range(row, n,
	                                    row->kind == CV_OPT_secs ? UINT32_MAX : UINT64_MAX,
	                                    "value", err);
	if (status)
		return status;
	void *field = (char *)base + row->offset;
	if (row->kind == CV_OPT_flag)
		*(bool *)field = n != 0;
	else if (row->kind == CV_OPT_secs)
		*(uint32_t *)field = (uint32_t)n;
	else
		*(uint64_t *)field = n;
	return CV_OK;
}
