/* weights.c - see weights.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/weights.h"

#include <errno.h>

#include "common/base/base.h"

#define CODE_MAX 64
#define UNSET    2e9

struct agency {
	char code[CODE_MAX];
	double thresholds[SPAM_ACTIONS];
};

struct spam_weights {
	double weights[SPAM_RULES];
	struct agency *agencies;
	size_t agency_count;
};

/* ---- reading ---- */

static struct cv_str
next_word(struct cv_str *rest)
{
	size_t n = 0;

	*rest = cv_str_trim(*rest);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	struct cv_str word = cv_str_sub(*rest, 0, n);
	*rest = cv_str_trim(cv_str_sub(*rest, n, rest->n));
	return word;
}

static struct agency *
find_agency(const struct spam_weights *w, struct cv_str code)
{
	for (size_t i = 0; i < w->agency_count; i++)
		if (cv_str_eq_z(code, w->agencies[i].code))
			return &w->agencies[i];
	return NULL;
}

static struct agency *
add_agency(struct spam_weights *w, struct cv_str code)
{
	struct agency *a = find_agency(w, code);

	if (a || w->agency_count == SPAM_WEIGHTS_AGENCIES_MAX)
		return a;
	w->agencies = cv_realloc(w->agencies, (w->agency_count + 1) * sizeof *w->agencies);
	a = &w->agencies[w->agency_count++];
	snprintf(a->code, sizeof a->code, "%.*s", CV_STR_ARGS(code));
	for (size_t i = 0; i < SPAM_ACTIONS; i++)
		a->thresholds[i] = UNSET;
	return a;
}

static enum spam_action
action_named(struct cv_str word)
{
	enum spam_action a = SPAM_MARK; /* what passes needs no score */

	while (a < SPAM_ACTIONS && !cv_str_eq_z(word, spam_action_word(a)))
		a++;
	return a;
}

/* "CODE ACTION SCORE". */
static enum cv_status
parse_agency(struct spam_weights *w, struct cv_str rest, struct cv_err *err)
{
	struct cv_str code = next_word(&rest), word = next_word(&rest);
	enum spam_action action = action_named(word);
	double score = SPAM_SCORE_OFF;

	if (!code.n || code.n >= CODE_MAX)
		return cv_fail(err, CV_INVALID, "no agency's code");
	if (action == SPAM_ACTIONS)
		return cv_fail(err, CV_INVALID,
			"'%.*s' is no action: mark, junk, greylist, quarantine, refuse",
			(int)CV_MIN(word.n, 40), word.p);
	if (!cv_str_eq_z(rest, "off") && !spam_score_parse(rest, &score))
		return cv_fail(err, CV_INVALID, "a score like 4.5, or off, is missing");
	struct agency *a = add_agency(w, code);
	if (!a)
		return cv_fail(err, CV_LIMIT, "more than %d agencies", SPAM_WEIGHTS_AGENCIES_MAX);
	a->thresholds[action] = score;
	return CV_OK;
}

static enum cv_status
parse_line(struct spam_weights *w, struct cv_str line, struct cv_err *err)
{
	struct cv_str rest = cv_str_sub(line, 0, cv_str_find(line, '#', 0));
	struct cv_str name = next_word(&rest);
	double weight;

	if (!name.n)
		return CV_OK;
	if (cv_str_eq_z(name, "agency"))
		return parse_agency(w, rest, err);
	enum spam_rule rule = spam_rule_named(name);
	if (rule == SPAM_RULES)
		return cv_fail(err, CV_INVALID, "no rule '%.*s'", (int)CV_MIN(name.n, 40), name.p);
	if (!spam_score_parse(rest, &weight))
		return cv_fail(err, CV_INVALID, "a weight like 4.5 is missing");
	w->weights[rule] = weight;
	return CV_OK;
}

enum cv_status
spam_weights_parse(
	struct cv_str text, const char *name, struct spam_weights **out, struct cv_err *err)
{
	struct spam_weights *w = cv_calloc(1, sizeof *w);
	enum cv_status status = CV_OK;
	struct cv_str line;

	for (enum spam_rule r = 0; r < SPAM_RULES; r++)
		w->weights[r] = spam_rules[r].weight;
	for (unsigned number = 1; status == CV_OK && text.n; number++) {
		struct cv_err why = {0};
		size_t end = cv_str_find(text, '\n', 0);
		line = cv_str_sub(text, 0, end);
		text = cv_str_sub(text, end + 1, text.n);
		status = parse_line(w, line, &why);
		if (status)
			(void)cv_fail(err, status, "%s:%u: %s", name, number, why.text);
	}
	if (status) {
		spam_weights_free(w);
		return status;
	}
	*out = w;
	return CV_OK;
}

enum cv_status
spam_weights_load(const char *file, struct spam_weights **out, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(SPAM_WEIGHTS_BYTES_MAX);
	char piece[16384];
	size_t n;

	if (!file || !file[0])
		return spam_weights_parse(CV_STR_EMPTY, "", out, err);
	FILE *f = fopen(file, "re");
	if (!f)
		return cv_fail_errno(err, CV_NOT_FOUND, errno, "cannot read %s", file);
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		cv_buf_add(&text, piece, n);
	enum cv_status status = CV_OK;
	if (ferror(f))
		status = cv_fail(err, CV_TEMPFAIL, "cannot read %s", file);
	else if (text.full)
		status = cv_fail(err, CV_LIMIT, "%s is larger than a megabyte", file);
	fclose(f);
	if (status == CV_OK)
		status = spam_weights_parse(cv_buf_view(&text), file, out, err);
	cv_buf_done(&text);
	return status;
}

void
spam_weights_free(struct spam_weights *w)
{
	if (!w)
		return;
	free(w->agencies);
	free(w);
}

/* ---- asking ---- */

double
spam_weights_of(const struct spam_weights *w, enum spam_rule rule)
{
	return w->weights[rule];
}

double
spam_weights_scaled(const struct spam_weights *w, enum spam_rule rule, double weight)
{
	double row = spam_rules[rule].weight;

	return row < 0 || row > 0 ? weight * (w->weights[rule] / row) : weight;
}

double
spam_weights_threshold(const struct spam_weights *w, struct cv_str agency, enum spam_action action,
	double default_score)
{
	const struct agency *a = agency.n ? find_agency(w, agency) : NULL;

	return a && a->thresholds[action] < UNSET ? a->thresholds[action] : default_score;
}
