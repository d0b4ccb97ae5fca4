/* classifier_test.c - learning, forgetting, bounds, the folder after bad deaths. */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/classifier.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

#define WORDS 60u

static char dir[64];

/* A made-up message: half of its tokens are of its class, some of its own, some of everybody. */
static struct spam_tokens
message(struct cv_arena *arena, enum spam_class class_, unsigned number)
{
	struct spam_tokens t = {CV_ARENA_ARRAY(arena, uint64_t, WORDS), WORDS};

	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t what[3] = {i % 3, i, 0};
		if (i % 3 == 0)
			what[2] = (uint64_t)class_ * 1000 + (number / 2 + i) % 4;
		else if (i % 3 == 1)
			what[2] = (uint64_t)class_ * 1000000 + number;
		t.hashes[i] = cv_hash(what, sizeof what, 1);
	}
	return t;
}

static struct spam_classifier *
open_classifier(const char *folder, size_t tokens_max)
{
	struct spam_classifier_options o = {.dir = folder,
		.ham_min = 10,
		.spam_min = 10,
		.account_day_max = 5,
		.tokens_max = tokens_max,
		.remember_max = 5000};
	struct spam_classifier *c = NULL;
	struct cv_err err;

	if (spam_classifier_open(&o, &c, &err))
		fail_msg("%s", err.text);
	return c;
}

static enum spam_learned
teach_as(struct spam_classifier *c, enum spam_class class_, unsigned number, struct spam_lesson l)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_tokens t = message(&arena, class_, number);
	enum spam_learned result;
	struct cv_err err;

	l.tokens = &t;
	assert_int_equal(spam_classifier_learn(c, &l, &result, &err), CV_OK);
	cv_arena_done(&arena);
	return result;
}

static enum spam_learned
teach(struct spam_classifier *c, enum spam_class class_, unsigned number)
{
	return teach_as(c, class_, number, (struct spam_lesson){.class_ = class_});
}

static struct spam_classified
judge(struct spam_classifier *c, const char *agency, enum spam_class class_, unsigned number)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_tokens t = message(&arena, class_, number);
	struct spam_classified out;

	spam_classifier_judge(c, cv_str_z(agency), &t, &out);
	cv_arena_done(&arena);
	return out;
}

static json_int_t
status_of(struct spam_classifier *c, const char *what)
{
	json_t *status = spam_classifier_status(c);
	json_int_t n = json_integer_value(json_object_get(status, what));

	json_decref(status);
	return n;
}

/* SPM-01: a fresh install has no opinion. */
static void
test_judging__is_neutral_until_enough_is_learned(void **state)
{
	struct spam_classifier *c = open_classifier(NULL, 0);

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		teach(c, SPAM_CLASS_SPAM, i);
	for (unsigned i = 0; i < 9; i++)
		teach(c, SPAM_CLASS_HAM, i);
	struct spam_classified o = judge(c, "", SPAM_CLASS_SPAM, 1000);
	assert_int_equal(o.state, SPAM_OPINION_NONE);
	assert_true(o.share > 0.49 && o.share < 0.51);
	teach(c, SPAM_CLASS_HAM, 9);
	o = judge(c, "", SPAM_CLASS_SPAM, 1000);
	assert_int_equal(o.state, SPAM_OPINION_GIVEN);
	assert_true(o.share > 0.9);
	assert_true(judge(c, "", SPAM_CLASS_HAM, 1000).share < 0.1);
	spam_classifier_close(c);
}

static void
test_learning__counts_a_message_once(void **state)
{
	struct spam_classifier *c = open_classifier(NULL, 0);

	(void)state;
	assert_int_equal(teach(c, SPAM_CLASS_SPAM, 1), SPAM_LEARNED);
	assert_int_equal(teach(c, SPAM_CLASS_SPAM, 1), SPAM_LEARNED_BEFORE);
	assert_int_equal(status_of(c, "spam"), 1);
	assert_int_equal(status_of(c, "tokens"), WORDS);
	assert_int_equal(
		teach_as(c, SPAM_CLASS_SPAM, 1, (struct spam_lesson){.class_ = SPAM_CLASS_HAM}),
		SPAM_CHANGED_SIDES);
	assert_int_equal(status_of(c, "spam"), 0);
	assert_int_equal(status_of(c, "ham"), 1);
	assert_int_equal(status_of(c, "tokens"), WORDS);
	assert_int_equal(teach_as(c, SPAM_CLASS_SPAM, 1, (struct spam_lesson){.is_forget = true}),
		SPAM_FORGOTTEN);
	assert_int_equal(status_of(c, "tokens"), 0);
	assert_int_equal(teach_as(c, SPAM_CLASS_SPAM, 1, (struct spam_lesson){.is_forget = true}),
		SPAM_NOT_KNOWN);
	spam_classifier_close(c);
}

/* SPM-05: to Junk and back leaves everything as it was, to the last count. */
static void
test_forgetting__restores_every_opinion_exactly(void **state)
{
	struct spam_classifier *c = open_classifier(NULL, 0);
	struct spam_lesson junk = {
		.class_ = SPAM_CLASS_SPAM, .account = 7, .agency = CV_STR("stp"), .weight = 3};
	struct spam_lesson back = {
		.class_ = SPAM_CLASS_HAM, .is_undo = true, .account = 7, .agency = CV_STR("stp")};
	struct spam_classified before[20];

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		teach(c, i % 2, i);
	json_int_t tokens = status_of(c, "tokens");
	for (unsigned i = 0; i < 20; i++)
		before[i] = judge(c, "stp", i % 2, 100 + i);
	assert_int_equal(teach_as(c, SPAM_CLASS_HAM, 500, junk), SPAM_LEARNED);
	assert_int_equal(status_of(c, "spam"), 23);
	assert_true(judge(c, "stp", SPAM_CLASS_HAM, 500).share >
		    judge(c, "stp", SPAM_CLASS_HAM, 501).share);
	assert_int_equal(teach_as(c, SPAM_CLASS_HAM, 500, back), SPAM_FORGOTTEN);
	assert_int_equal(status_of(c, "tokens"), tokens);
	assert_int_equal(status_of(c, "spam"), 20);
	for (unsigned i = 0; i < 20; i++) {
		struct spam_classified now = judge(c, "stp", i % 2, 100 + i);
		assert_memory_equal(&now, &before[i], sizeof now);
	}
	/* Somebody else's Junk that is taken out is a lesson of its own. */
	assert_int_equal(teach_as(c, SPAM_CLASS_HAM, 500, junk), SPAM_LEARNED);
	back.account = 8;
	assert_int_equal(teach_as(c, SPAM_CLASS_HAM, 500, back), SPAM_CHANGED_SIDES);
	spam_classifier_close(c);
}

static void
test_accounts__teach_so_much_a_day(void **state)
{
	struct spam_classifier *c = open_classifier(NULL, 0);
	struct spam_lesson l = {.class_ = SPAM_CLASS_SPAM, .account = 7};
	struct spam_lesson undo = {.class_ = SPAM_CLASS_HAM, .account = 7, .is_undo = true};

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(teach_as(c, SPAM_CLASS_SPAM, i, l), SPAM_LEARNED);
	assert_int_equal(teach_as(c, SPAM_CLASS_SPAM, 5, l), SPAM_OVER_LIMIT);
	assert_int_equal(status_of(c, "spam"), 5);
	/* Taking one's own back is always free. */
	assert_int_equal(teach_as(c, SPAM_CLASS_SPAM, 0, undo), SPAM_FORGOTTEN);
	l.account = 8;
	l.weight = 1000;
	assert_int_equal(teach_as(c, SPAM_CLASS_SPAM, 5, l), SPAM_LEARNED);
	assert_int_equal(status_of(c, "spam"), 4 + SPAM_WEIGHT_MAX);
	spam_classifier_close(c);
}

static void
test_agencies__weigh_what_they_saw_themselves(void **state)
{
	struct spam_classifier *c = open_classifier(NULL, 0);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		teach(c, i % 2, i);
	/* One agency wants what the province calls spam: it writes of tenders all day. */
	for (unsigned i = 0; i < 60; i++) {
		struct spam_lesson l = {.agency = CV_STR("sct"),
			.class_ = i % 2 ? SPAM_CLASS_HAM : SPAM_CLASS_SPAM};
		teach_as(c, i % 2 ? SPAM_CLASS_SPAM : SPAM_CLASS_HAM, 2000 + i, l);
	}
	double own = judge(c, "sct", SPAM_CLASS_SPAM, 5000).share;
	double all = judge(c, "", SPAM_CLASS_SPAM, 5000).share;
	double other = judge(c, "stp", SPAM_CLASS_SPAM, 5000).share;
	assert_true(own < 0.5);
	assert_true(all > 0.5);
	assert_true(other == all);
	spam_classifier_close(c);
}

/* ---- the folder ---- */

static void
empty_dir(void)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

static uint64_t
bytes_of(const char *path)
{
	uint64_t sum = 0;
	struct stat st;
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		char name[600];
		snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		if (e->d_name[0] == '.' || stat(name, &st))
			continue;
		sum += S_ISDIR(st.st_mode) ? bytes_of(name) : (uint64_t)st.st_size;
	}
	if (d)
		closedir(d);
	return sum;
}

static void
test_folder__keeps_all_that_was_learned(void **state)
{
	struct spam_classifier *c;
	struct spam_classified before[20];
	struct cv_err err;

	(void)state;
	empty_dir();
	c = open_classifier(dir, 0);
	for (unsigned i = 0; i < 100; i++)
		teach_as(c, i % 2, i,
			(struct spam_lesson){.class_ = i % 2, .agency = CV_STR("stp")});
	teach_as(c, SPAM_CLASS_HAM, 0, (struct spam_lesson){.is_forget = true});
	for (unsigned i = 0; i < 20; i++)
		before[i] = judge(c, "stp", i % 2, 100 + i);
	uint64_t seed = spam_classifier_seed(c);
	json_t *status = spam_classifier_status(c);
	/* Two owners there are not. */
	struct spam_classifier_options o = {.dir = dir};
	struct spam_classifier *second = NULL;
	assert_int_equal(spam_classifier_open(&o, &second, &err), CV_TEMPFAIL);
	spam_classifier_close(c);

	c = open_classifier(dir, 0);
	assert_true(spam_classifier_seed(c) == seed);
	for (unsigned i = 0; i < 20; i++) {
		struct spam_classified now = judge(c, "stp", i % 2, 100 + i);
		assert_memory_equal(&now, &before[i], sizeof now);
	}
	json_t *again = spam_classifier_status(c);
	json_object_del(status, "memory_bytes");
	json_object_del(again, "memory_bytes");
	assert_true(json_equal(status, again));
	json_decref(status);
	json_decref(again);
	/* What was learned before the stop is known, and can be forgotten. */
	assert_int_equal(teach(c, SPAM_CLASS_SPAM, 1), SPAM_LEARNED_BEFORE);
	assert_int_equal(teach(c, SPAM_CLASS_HAM, 0), SPAM_LEARNED);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(teach_as(c, i % 2, i, (struct spam_lesson){.is_forget = true}),
			SPAM_FORGOTTEN);
	assert_int_equal(status_of(c, "tokens"), 0);
	spam_classifier_close(c);
	c = open_classifier(dir, 0);
	assert_int_equal(status_of(c, "tokens"), 0);
	assert_int_equal(status_of(c, "remembered"), 0);
	spam_classifier_close(c);
}

static void
test_bounds__hold_in_memory_and_on_disk(void **state)
{
	struct spam_classifier *c;
	uint64_t early = 0;
	struct cv_err err;

	(void)state;
	empty_dir();
	c = open_classifier(dir, 2000);
	for (unsigned i = 0; i < 1600; i++) {
		teach(c, i % 2, i);
		assert_true(status_of(c, "tokens") <= 2000);
		if (i == 400) {
			assert_int_equal(spam_classifier_flush(c, &err), CV_OK);
			early = bytes_of(dir);
		}
	}
	assert_int_equal(spam_classifier_flush(c, &err), CV_OK);
	assert_true(status_of(c, "memory_bytes") < 2 << 20);
	/* The log has its own bound; rows do not grow with what is learned. */
	assert_true(bytes_of(dir) < early + (24u << 20));
	/* What says most has stayed: words of the classes, not those of single messages. */
	assert_true(judge(c, "", SPAM_CLASS_SPAM, 9000).share > 0.9);
	assert_true(judge(c, "", SPAM_CLASS_HAM, 9000).share < 0.1);
	spam_classifier_close(c);
	c = open_classifier(dir, 500);
	assert_true(status_of(c, "tokens") <= 500);
	assert_true(judge(c, "", SPAM_CLASS_SPAM, 9000).share > 0.9);
	spam_classifier_close(c);
}

/* A lesson is there whole or not at all: totals, tokens and what is remembered agree. */
static void
test_folder__is_sane_after_kill_9(void **state)
{
	unsigned total = 0;

	(void)state;
	empty_dir();
	spam_classifier_close(open_classifier(dir, 0));
	for (unsigned round = 0; round < 4; round++) {
		pid_t pid = fork();
		if (!pid) {
			struct spam_classifier *c = open_classifier(dir, 0);
			struct cv_err err;
			for (unsigned i = 0;; i++) {
				teach(c, i % 2, round * 100000 + i);
				if (i % 37 == 0 && spam_classifier_flush(c, &err))
					_exit(1);
			}
		}
		usleep(400000 + 150000 * round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		struct spam_classifier *c = open_classifier(dir, 0);
		json_int_t ham = status_of(c, "ham"), spam = status_of(c, "spam");
		assert_int_equal(status_of(c, "remembered"), CV_MIN(ham + spam, 5000));
		assert_true(ham - spam <= 8 && spam - ham <= 8);
		assert_true((unsigned)(ham + spam) >= total);
		total = (unsigned)(ham + spam);
		if (total > 100) {
			assert_true(judge(c, "", SPAM_CLASS_SPAM, 999999).share > 0.9);
			assert_true(judge(c, "", SPAM_CLASS_HAM, 999999).share < 0.1);
		}
		spam_classifier_close(c);
	}
	assert_true(total > 100);
}

/* ---- threads ---- */

struct race {
	struct spam_classifier *c;
	atomic_bool stop;
	atomic_uint judged, wrong;
};

static void *
judge_on(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		struct spam_classified o = judge(r->c, "stp", SPAM_CLASS_SPAM, 9000);
		atomic_fetch_add(&r->judged, 1);
		atomic_fetch_add(&r->wrong, !(o.share > 0.5));
	}
	return NULL;
}

static void
test_judging__goes_on_while_others_learn(void **state)
{
	struct race r = {.c = open_classifier(NULL, 3000)};
	pthread_t threads[3];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		teach(r.c, i % 2, i);
	for (unsigned i = 0; i < CV_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, judge_on, &r), 0);
	for (unsigned i = 100; i < 900; i++)
		teach_as(r.c, i % 2, i,
			(struct spam_lesson){.class_ = i % 2, .agency = CV_STR("stp")});
	while (atomic_load(&r.judged) < 100)
		usleep(1000);
	atomic_store(&r.stop, true);
	for (unsigned i = 0; i < CV_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&r.wrong), 0);
	spam_classifier_close(r.c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judging__is_neutral_until_enough_is_learned),
		cmocka_unit_test(test_learning__counts_a_message_once),
		cmocka_unit_test(test_forgetting__restores_every_opinion_exactly),
		cmocka_unit_test(test_accounts__teach_so_much_a_day),
		cmocka_unit_test(test_agencies__weigh_what_they_saw_themselves),
		cmocka_unit_test(test_folder__keeps_all_that_was_learned),
		cmocka_unit_test(test_bounds__hold_in_memory_and_on_disk),
		cmocka_unit_test(test_folder__is_sane_after_kill_9),
		cmocka_unit_test(test_judging__goes_on_while_others_learn),
	};

	snprintf(dir, sizeof dir, "/tmp/congvu-test-classifier-%d", (int)getpid());
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	empty_dir();
	return failed;
}
