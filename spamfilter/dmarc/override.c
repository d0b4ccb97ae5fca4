/* override.c - see override.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/override.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/arena.h"
#include "common/net/addr.h"
#include "common/text/date.h"
#include "common/text/domain.h"

#define LINE_MAX_BYTES 1000
#define DAY_SECS       86400
#define LOCAL_ZONE     (7 * 3600) /* days are days in Việt Nam */

enum kind { KIND_FROM, KIND_CLIENT, KIND_FORWARDER, KIND_LIST, KIND_ALIKE, KINDS };

static const struct {
	const char *word;
	enum spam_override override;
} kinds[KINDS] = {
	{"from",      SPAM_OVERRIDE_LOCAL_POLICY     },
	{"client",    SPAM_OVERRIDE_TRUSTED_FORWARDER},
	{"forwarder", SPAM_OVERRIDE_TRUSTED_FORWARDER},
	{"list",      SPAM_OVERRIDE_MAILING_LIST     },
	{"alike",     SPAM_OVERRIDE_NONE             },
};

struct row {
	enum kind kind;
	struct cv_str what;        /* a domain or List-Id in lower-case A-labels */
	struct cv_netset *network; /* of a client */
	int64_t until_secs;
	struct cv_str reason;
};

struct spam_overrides {
	struct cv_arena arena;
	struct row *rows;
	size_t count;
};

const char *
spam_override_word(enum spam_override o)
{
	static const char *const words[SPAM_OVERRIDES] = {"none", "local_policy",
		"trusted_forwarder", "mailing_list", "policy_test_mode", "other"};

	return words[o];
}

/* ---- the file ---- */

/* "2027-06-30", to the end of that day. */
static bool
parse_day(struct cv_str s, int64_t *secs_out)
{
	uint64_t year, month, day;

	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' ||
		cv_str_u64(cv_str_sub(s, 0, 4), 9999, &year) != CV_OK ||
		cv_str_u64(cv_str_sub(s, 5, 7), 12, &month) != CV_OK ||
		cv_str_u64(cv_str_sub(s, 8, 10), 31, &day) != CV_OK ||
		!cv_civil_is_valid((int)year, (int)month, (int)day))
		return false;
	*secs_out =
		(cv_days_from_civil((int)year, (int)month, (int)day) + 1) * DAY_SECS - LOCAL_ZONE;
	return true;
}

static struct cv_str
next_word(struct cv_str *rest)
{
	*rest = cv_str_trim(*rest);
	size_t end = 0;
	while (end < rest->n && rest->p[end] != ' ' && rest->p[end] != '\t')
		end++;
	struct cv_str word = cv_str_sub(*rest, 0, end);
	*rest = cv_str_trim(cv_str_sub(*rest, end, rest->n));
	return word;
}

static enum cv_status
parse_what(struct spam_overrides *o, struct cv_str what, struct row *row, struct cv_err *err)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);

	if (row->kind == KIND_CLIENT)
		return cv_netset_parse(what, &row->network, err);
	enum cv_status status = cv_domain_to_ascii(what, &ascii, err);
	row->what = cv_arena_str(&o->arena, cv_buf_view(&ascii));
	cv_buf_done(&ascii);
	return status;
}

static enum cv_status
parse_row(struct spam_overrides *o, struct cv_str line, struct row *row, struct cv_err *err)
{
	struct cv_str rest = line, kind = next_word(&rest), what = next_word(&rest);
	struct cv_str until = next_word(&rest);

	*row = (struct row){.kind = KINDS};
	for (unsigned i = 0; i < KINDS; i++)
		if (cv_str_eq_z(kind, kinds[i].word))
			row->kind = (enum kind)i;
	if (row->kind == KINDS)
		return cv_fail(err, CV_INVALID,
			"'%.*s' is not from, client, forwarder, list or alike", CV_STR_ARGS(kind));
	if (!rest.n)
		return cv_fail(err, CV_INVALID, "a line is 'kind what until-date reason'");
	if (!parse_day(until, &row->until_secs))
		return cv_fail(
			err, CV_INVALID, "'%.*s' is no date like 2027-06-30", CV_STR_ARGS(until));
	row->reason = cv_arena_str(&o->arena, rest);
	return parse_what(o, what, row, err);
}

static enum cv_status
read_lines(struct spam_overrides *o, FILE *f, const char *path, struct cv_err *err)
{
	char line[LINE_MAX_BYTES];
	struct cv_err why = {0};

	for (unsigned number = 1; fgets(line, sizeof line, f); number++) {
		struct cv_str text = cv_str_trim(cv_str_z(line));
		if (!text.n || text.p[0] == '#')
			continue;
		if (o->count == SPAM_OVERRIDES_MAX)
			return cv_fail(
				err, CV_LIMIT, "%s: more than %d lines", path, SPAM_OVERRIDES_MAX);
		o->rows = cv_realloc(o->rows, (o->count + 1) * sizeof *o->rows);
		enum cv_status status = parse_row(o, text, &o->rows[o->count++], &why);
		if (status != CV_OK)
			return cv_fail(err, status, "%s:%u: %s", path, number, why.text);
	}
	return ferror(f) ? cv_fail(err, CV_TEMPFAIL, "cannot read %s", path) : CV_OK;
}

enum cv_status
spam_overrides_load(const char *path, struct spam_overrides **out, struct cv_err *err)
{
	struct spam_overrides *o = cv_calloc(1, sizeof *o);
	enum cv_status status = CV_OK;

	if (path[0]) {
		FILE *f = fopen(path, "re");
		status = f ? read_lines(o, f, path, err)
			   : cv_fail_errno(err, CV_NOT_FOUND, errno, "cannot read %s", path);
		if (f)
			fclose(f);
	}
	if (status != CV_OK) {
		spam_overrides_free(o);
		return status;
	}
	*out = o;
	return CV_OK;
}

void
spam_overrides_free(struct spam_overrides *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->count; i++)
		cv_netset_free(o->rows[i].network);
	free(o->rows);
	cv_arena_done(&o->arena);
	free(o);
}

/* ---- asking ---- */

static bool
is_vouched(const struct spam_override_ask *ask, struct cv_str domain)
{
	for (size_t i = 0; i < ask->vouched_count; i++)
		if (cv_domain_is_below(ask->vouched[i], domain))
			return true;
	return false;
}

/* A List-Id is only a word in the header: somebody must stand for it, the host it is on or one
 * above. */
static bool
is_list(const struct spam_override_ask *ask, struct cv_str list_id)
{
	if (!ask->list_id.n || !cv_str_ieq(ask->list_id, list_id))
		return false;
	for (size_t i = 0; i < ask->vouched_count; i++)
		if (cv_str_find(ask->vouched[i], '.', 0) < ask->vouched[i].n &&
			cv_domain_is_below(list_id, ask->vouched[i]))
			return true;
	return false;
}

static bool
fits(const struct row *row, const struct spam_override_ask *ask)
{
	switch (row->kind) {
	case KIND_FROM:
		return cv_domain_is_below(ask->from, row->what);
	case KIND_CLIENT:
		return ask->client && cv_netset_has(row->network, ask->client);
	case KIND_FORWARDER:
		return is_vouched(ask, row->what);
	case KIND_LIST:
		return is_list(ask, row->what);
	default:
		return false;
	}
}

enum spam_override
spam_overrides_find(const struct spam_overrides *o, const struct spam_override_ask *ask,
	struct cv_str *reason_out)
{
	for (size_t i = 0; o && i < o->count; i++) {
		if (ask->now_secs >= o->rows[i].until_secs || !fits(&o->rows[i], ask))
			continue;
		*reason_out = o->rows[i].reason;
		return kinds[o->rows[i].kind].override;
	}
	*reason_out = CV_STR_EMPTY;
	return SPAM_OVERRIDE_NONE;
}

bool
spam_overrides_alike(const struct spam_overrides *o, struct cv_str domain, int64_t now_secs)
{
	for (size_t i = 0; o && i < o->count; i++)
		if (o->rows[i].kind == KIND_ALIKE && now_secs < o->rows[i].until_secs &&
			cv_domain_is_below(domain, o->rows[i].what))
			return true;
	return false;
}
