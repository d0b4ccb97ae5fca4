/* evaluate.c - see evaluate.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/evaluate.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/map.h"

static const double thresholds[SPAM_THRESHOLDS] = {0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999};

void
spam_wilson(uint64_t hits, uint64_t n, double *low, double *high)
{
	const double z = 1.959964;

	*low = 0;
	*high = 1;
	if (!n)
		return;
	double all = (double)n, p = (double)hits / all, z2 = z * z;
	double middle = (p + z2 / (2 * all)) / (1 + z2 / all);
	double half = z * sqrt(p * (1 - p) / all + z2 / (4 * all * all)) / (1 + z2 / all);
	*low = hits ? CV_MAX(middle - half, 0.0) : 0;
	*high = hits == n ? 1 : CV_MIN(middle + half, 1.0);
}

/* ---- folds ---- */

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorts each one's hashes and marks those that came before. */
static void
mark_repeated(struct spam_sample *samples, size_t count)
{
	struct cv_map seen;

	cv_map_init(&seen);
	for (size_t i = 0; i < count; i++) {
		struct spam_tokens *t = &samples[i].tokens;
		qsort(t->hashes, t->count, sizeof t->hashes[0], by_value);
		uint64_t digest[2] = {cv_hash(t->hashes, t->count * sizeof(uint64_t), 1),
			cv_hash(t->hashes, t->count * sizeof(uint64_t), 2)};
		struct cv_str key = cv_str((const char *)digest, sizeof digest);
		samples[i].is_repeated = cv_map_get(&seen, key) != NULL;
		if (!samples[i].is_repeated)
			cv_map_put(&seen, key, &samples[i]);
	}
	cv_map_done(&seen);
}

/* One class after the other, in an order that does not follow their names: folds get as many of
 * each class. Of a group the first one chooses. */
static bool
deal(struct spam_sample *samples, size_t count, unsigned folds)
{
	struct {
		uint64_t order;
		size_t index;
	} *cards = cv_calloc(count + 1, sizeof *cards);
	struct cv_map groups;
	bool is_enough = true;

	cv_map_init(&groups);
	for (unsigned c = 0; c < SPAM_CLASSES; c++) {
		size_t n = 0;
		unsigned next = 0;
		for (size_t i = 0; i < count; i++) {
			uint64_t what[2] = {samples[i].group ? samples[i].group : i, c};
			if (samples[i].class_ != c || samples[i].is_repeated)
				continue;
			cards[n].order = cv_hash(what, sizeof what, 11);
			cards[n++].index = i;
		}
		qsort(cards, n, sizeof cards[0], by_value); /* `order` comes first */
		for (size_t k = 0; k < n; k++) {
			struct spam_sample *s = &samples[cards[k].index];
			uint64_t key[2] = {s->group, c};
			struct cv_str name = cv_str((const char *)key, sizeof key);
			struct spam_sample *first = s->group ? cv_map_get(&groups, name) : NULL;
			s->fold = first ? first->fold : next++ % folds;
			if (s->group && !first)
				cv_map_put(&groups, name, s);
		}
		is_enough &= next >= folds;
	}
	cv_map_done(&groups);
	free(cards);
	return is_enough;
}

/* ---- judging ---- */

static void
run_fold(struct spam_sample *samples, size_t count, unsigned fold, int64_t *learn_us,
	int64_t *judge_us)
{
	static const struct spam_model_limits limits = {SIZE_MAX / 2, SIZE_MAX / 2};
	struct spam_model *m = spam_model_new(&limits);
	int64_t begin = cv_mono_us();

	for (size_t i = 0; i < count; i++) {
		struct spam_model_change c = {
			.class_ = samples[i].class_, .weight = 1, .number = (uint32_t)i + 1};
		if (!samples[i].is_repeated && samples[i].fold != fold)
			spam_model_add(m, &c, &samples[i].tokens);
	}
	*learn_us += cv_mono_us() - begin;
	begin = cv_mono_us();
	for (size_t i = 0; i < count; i++) {
		struct spam_opinion o;
		if (samples[i].is_repeated || samples[i].fold != fold)
			continue;
		spam_model_judge(m, SPAM_MODEL_PROVINCE, &samples[i].tokens, &o);
		samples[i].share = spam_opinion_share(&o);
	}
	*judge_us += cv_mono_us() - begin;
	spam_model_free(m);
}

/* ---- measures ---- */

static int
by_share(const void *a, const void *b)
{
	double x = (*(struct spam_sample *const *)a)->share;
	double y = (*(struct spam_sample *const *)b)->share;

	return x < y ? -1 : x > y;
}

static void
measure_at(struct spam_sample *const *sorted, size_t n, struct spam_evaluation *e)
{
	for (size_t t = 0; t < SPAM_THRESHOLDS; t++) {
		struct spam_rates *r = &e->at[t];
		*r = (struct spam_rates){.threshold = thresholds[t]};
		for (size_t i = 0; i < n; i++) {
			bool is_called = sorted[i]->share >= r->threshold;
			bool is_spam = sorted[i]->class_ == SPAM_CLASS_SPAM;
			r->lost += is_called && !is_spam;
			r->missed += !is_called && is_spam;
		}
		r->lost_rate = (double)r->lost / (double)e->count[SPAM_CLASS_HAM];
		r->missed_rate = (double)r->missed / (double)e->count[SPAM_CLASS_SPAM];
		spam_wilson(r->lost, e->count[SPAM_CLASS_HAM], &r->lost_low, &r->lost_high);
		spam_wilson(r->missed, e->count[SPAM_CLASS_SPAM], &r->missed_low, &r->missed_high);
	}
}

/* The share of pairs that are in the right order; half of those that are even. */
static void
measure_auc(struct spam_sample *const *sorted, size_t n, struct spam_evaluation *e)
{
	double ham = (double)e->count[SPAM_CLASS_HAM], spam = (double)e->count[SPAM_CLASS_SPAM];
	double right = 0, ham_below = 0;

	for (size_t i = 0; i < n;) {
		double even[SPAM_CLASSES] = {0, 0};
		size_t k = i;
		for (; k < n && !(sorted[k]->share > sorted[i]->share); k++)
			even[sorted[k]->class_]++;
		right += even[SPAM_CLASS_SPAM] * (ham_below + even[SPAM_CLASS_HAM] / 2);
		ham_below += even[SPAM_CLASS_HAM];
		i = k;
	}
	double a = right / (ham * spam), q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
	double variance =
		(a * (1 - a) + (spam - 1) * (q1 - a * a) + (ham - 1) * (q2 - a * a)) / (ham * spam);
	double half = 1.959964 * sqrt(CV_MAX(variance, 0.0));
	e->auc = a;
	e->auc_low = CV_MAX(a - half, 0.0);
	e->auc_high = CV_MIN(a + half, 1.0);
}

/* From the strictest threshold to the laxest: what is lost, what is caught. */
static void
measure_curve(struct spam_sample *const *sorted, size_t n, struct spam_evaluation *e)
{
	double ham = (double)e->count[SPAM_CLASS_HAM], spam = (double)e->count[SPAM_CLASS_SPAM];
	double lost = 0, caught = 0;
	size_t step = n / SPAM_CURVE_POINTS + 1;

	e->missed_safe = 1;
	e->safe_threshold = 1;
	for (size_t i = n; i > 0;) {
		double share = sorted[i - 1]->share;
		for (; i > 0 && !(sorted[i - 1]->share < share); i--) {
			lost += sorted[i - 1]->class_ == SPAM_CLASS_HAM;
			caught += sorted[i - 1]->class_ == SPAM_CLASS_SPAM;
		}
		if (lost / ham <= 0.001) {
			e->missed_safe = 1 - caught / spam;
			e->safe_threshold = share;
		}
		if (e->curve_count < SPAM_CURVE_POINTS && (n - i >= e->curve_count * step || !i)) {
			e->curve[e->curve_count].threshold = share;
			e->curve[e->curve_count].lost = lost / ham;
			e->curve[e->curve_count++].caught = caught / spam;
		}
	}
}

enum cv_status
spam_evaluate(struct spam_sample *samples, size_t count, unsigned folds,
	struct spam_evaluation *out, struct cv_err *err)
{
	struct spam_sample **sorted = cv_calloc(count + 1, sizeof *sorted);
	int64_t learn_us = 0, judge_us = 0;
	size_t n = 0;

	*out = (struct spam_evaluation){.folds = folds};
	mark_repeated(samples, count);
	bool is_enough = folds >= 2 && folds <= SPAM_FOLDS_MAX && deal(samples, count, folds);
	if (!is_enough) {
		free(sorted);
		return cv_fail(err, CV_INVALID,
			"%u folds need as many different messages (or groups) of each class",
			folds);
	}
	for (unsigned fold = 0; fold < folds; fold++)
		run_fold(samples, count, fold, &learn_us, &judge_us);
	for (size_t i = 0; i < count; i++) {
		out->repeated += samples[i].is_repeated;
		if (samples[i].is_repeated)
			continue;
		out->count[samples[i].class_]++;
		sorted[n++] = &samples[i];
	}
	qsort(sorted, n, sizeof *sorted, by_share);
	measure_at(sorted, n, out);
	measure_auc(sorted, n, out);
	measure_curve(sorted, n, out);
	out->learn_us = (double)learn_us / (double)n / (folds - 1);
	out->judge_us = (double)judge_us / (double)n;
	free(sorted);
	return CV_OK;
}
