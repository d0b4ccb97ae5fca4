/* bench: spamfilter */
/* spam_store_bench.c - the classifier filled to its bound: spam_store DIR [MESSAGES]. What it takes
 * in memory and on disk, how long learning, judging and opening take. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "spamfilter/classify/classifier.h"

#define TOKENS 400u

static uint64_t
bytes_of(const char *path)
{
	uint64_t sum = 0;
	struct stat st;
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));) {
		char name[1000];
		snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		if (e->d_name[0] == '.' || stat(name, &st))
			continue;
		sum += S_ISDIR(st.st_mode) ? bytes_of(name) : (uint64_t)st.st_blocks * 512;
	}
	if (d)
		closedir(d);
	return sum;
}

/* Half of a message's tokens are of its own, so that there are always new ones. */
static void
fill(struct spam_tokens *t, unsigned n)
{
	for (uint64_t i = 0; i < TOKENS; i++) {
		uint64_t what[3] = {i, i % 2 ? n : (n * 31 + i * 17) % 997, i % 2 ? 0 : n % 2};
		t->hashes[i] = cv_hash(what, sizeof what, 1);
	}
}

static struct spam_classifier *
open_it(const char *dir)
{
	struct spam_classifier_options o = {.dir = dir, .ham_min = 1, .spam_min = 1};
	struct spam_classifier *c = NULL;
	struct cv_err err;

	if (spam_classifier_open(&o, &c, &err)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return c;
}

static void
print_state(struct spam_classifier *c, const char *dir, unsigned n, int64_t us)
{
	json_t *s = spam_classifier_status(c);
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("%u messages: %lld tokens of %lld, table %lld MB, process %ld MB, disk %llu MB, %.0f us "
	       "a message\n",
		n, (long long)json_integer_value(json_object_get(s, "tokens")),
		(long long)json_integer_value(json_object_get(s, "tokens_max")),
		(long long)json_integer_value(json_object_get(s, "memory_bytes")) >> 20,
		u.ru_maxrss >> 10, (unsigned long long)(bytes_of(dir) >> 20), (double)us / n);
	fflush(stdout);
	json_decref(s);
}

int
main(int argc, char **argv)
{
	unsigned messages = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 20000;
	uint64_t hashes[TOKENS];
	struct spam_tokens t = {hashes, TOKENS};
	struct spam_classified o;
	struct cv_err err;

	if (argc < 2)
		return 64;
	struct spam_classifier *c = open_it(argv[1]);
	int64_t begin = cv_mono_us();
	for (unsigned n = 1; n <= messages; n++) {
		struct spam_lesson l = {.tokens = &t, .class_ = n % 2, .weight = 1};
		enum spam_learned result;
		fill(&t, n);
		if (spam_classifier_learn(c, &l, &result, &err))
			fprintf(stderr, "%s\n", err.text);
		if (n % (messages / 8) == 0)
			print_state(c, argv[1], n, cv_mono_us() - begin);
	}
	begin = cv_mono_us();
	for (unsigned n = 1; n <= 10000; n++) {
		fill(&t, n * 7);
		spam_classifier_judge(c, CV_STR_EMPTY, &t, &o);
	}
	printf("judging %u tokens: %.0f us\n", TOKENS, (double)(cv_mono_us() - begin) / 10000);
	spam_classifier_close(c);
	begin = cv_mono_us();
	c = open_it(argv[1]);
	printf("opening: %lld ms\n", (long long)(cv_mono_us() - begin) / 1000);
	spam_classifier_close(c);
	return 0;
}
