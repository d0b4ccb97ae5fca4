/* evaluate_test.c - error rates: right on samples whose answer is known. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/classify.h"
#include "spamfilter/classify/evaluate.h"
#include "tests/unit/check.h"

#define TOKENS 12u

static bool
is_near(double a, double b, double by)
{
	return a - b < by && b - a < by;
}

static void
test_wilson__gives_the_known_bounds(void **state)
{
	static const struct {
		const char *name;
		uint64_t hits, n;
		double low, high;
	} rows[] = {
		{"none of ten", 0,  10,   0.0,     0.27753},
		{"half",        50, 100,  0.40383, 0.59617},
		{"one of 2000", 1,  2000, 0.00009, 0.00283},
		{"all",         20, 20,   0.83887, 1.0    },
		{"of nothing",  0,  0,    0.0,     1.0    },
	};
	double low, high;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		spam_wilson(rows[i].hits, rows[i].n, &low, &high);
		CHECK(rows[i].name, is_near(low, rows[i].low, 0.0001));
		CHECK(rows[i].name, is_near(high, rows[i].high, 0.0001));
	}
	CHECK_END();
}

/* COUNT samples of a class: tokens of the class but for LIARS, which look like the other one. */
static size_t
make(struct cv_arena *arena, struct spam_sample *out, enum spam_class class_, size_t count,
	size_t liars)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t looks = i < liars ? !class_ : class_;
		out[i] = (struct spam_sample){.class_ = class_};
		out[i].tokens.hashes = CV_ARENA_ARRAY(arena, uint64_t, TOKENS);
		out[i].tokens.count = TOKENS;
		for (size_t k = 0; k < TOKENS; k++) {
			uint64_t what[3] = {k < 8 ? looks : 2 + class_, k, k < 8 ? 0 : i};
			out[i].tokens.hashes[k] = cv_hash(what, sizeof what, 1);
		}
	}
	return count;
}

static void
test_evaluation__counts_each_message_once(void **state)
{
	static struct spam_sample samples[1000];
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_evaluation e;
	struct cv_err err;
	size_t n = make(&arena, samples, SPAM_CLASS_HAM, 200, 2);

	(void)state;
	n += make(&arena, samples + n, SPAM_CLASS_SPAM, 100, 10);
	samples[n] = samples[5]; /* the same again */
	n++;
	assert_int_equal(spam_evaluate(samples, n, 10, &e, &err), CV_OK);
	assert_int_equal(e.count[SPAM_CLASS_HAM], 200);
	assert_int_equal(e.count[SPAM_CLASS_SPAM], 100);
	assert_int_equal(e.repeated, 1);
	assert_int_equal(e.at[0].lost, 2);
	assert_int_equal(e.at[0].missed, 10);
	assert_true(is_near(e.at[0].lost_rate, 0.01, 1e-9));
	/* Of 200 times 100 pairs: liars against liars 20 are wrong, against others even or wrong.
	 */
	assert_true(e.auc > 0.90 && e.auc < 0.96 && e.auc_low < e.auc && e.auc < e.auc_high);
	for (size_t i = 0; i + 1 < n; i++)
		CHECK("fold", samples[i].fold < 10);
	cv_arena_done(&arena);
	CHECK_END();
}

static void
test_folds__keep_groups_together_and_classes_even(void **state)
{
	static struct spam_sample samples[400];
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_evaluation e;
	struct cv_err err;
	size_t n = make(&arena, samples, SPAM_CLASS_HAM, 200, 0);

	(void)state;
	n += make(&arena, samples + n, SPAM_CLASS_SPAM, 100, 0);
	assert_int_equal(spam_evaluate(samples, n, 10, &e, &err), CV_OK);
	unsigned in_first[2] = {0, 0};
	for (size_t i = 0; i < n; i++)
		in_first[samples[i].class_] += samples[i].fold == 0;
	assert_int_equal(in_first[SPAM_CLASS_HAM], 20);
	assert_int_equal(in_first[SPAM_CLASS_SPAM], 10);
	for (size_t i = 0; i < n; i++)
		samples[i].group = 1 + i / 10;
	assert_int_equal(spam_evaluate(samples, n, 10, &e, &err), CV_OK);
	for (size_t i = 0; i < n; i++)
		CHECK("one fold a group", samples[i].fold == samples[i / 10 * 10].fold);
	assert_int_equal(spam_evaluate(samples, n, 11, &e, &err), CV_INVALID);
	assert_int_equal(spam_evaluate(samples, n, 1, &e, &err), CV_INVALID);
	cv_arena_done(&arena);
	CHECK_END();
}

/* The score of rule bayes: nothing near the middle, its cap where it is sure, less for wanted. */
static void
test_weight__grows_with_the_lean_up_to_its_cap(void **state)
{
	static const struct {
		const char *name;
		double lean, weight;
	} rows[] = {
		{"no idea",     0,    0   },
		{"unsure",      0.4,  0   },
		{"unsure ham",  -0.4, 0   },
		{"half way",    4.75, 2.5 },
		{"sure",        9,    5   },
		{"very sure",   40,   5   },
		{"sure wanted", -40,  -2.5},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].name,
			is_near(spam_classify_weight(rows[i].lean, 5), rows[i].weight, 0.001));
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wilson__gives_the_known_bounds),
		cmocka_unit_test(test_evaluation__counts_each_message_once),
		cmocka_unit_test(test_folds__keep_groups_together_and_classes_even),
		cmocka_unit_test(test_weight__grows_with_the_lean_up_to_its_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
