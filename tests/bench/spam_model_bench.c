/* bench: spamfilter */
/* spam_model_bench.c - which way of weighing tokens tells Vietnamese official mail and spam apart
 * best: spam_model DIR, which holds what tests/spam_corpus.py --kinds wrote.
 *
 * Three ways (Robinson-Fisher, naive Bayes, logistic regression by FTRL) on three sets of tokens
 * (single words, with pairs, with pairs over a gap), three times: ten folds; whole templates left
 * out of what is learned; some fifty messages learned only, the mean of ten draws.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "spamfilter/classify/model.h"

#define MAILS_MAX 20000u
#define WEIGHTS   (1u << 20)
#define FOLDS     10u

struct mail {
	struct spam_tokens tokens;
	enum spam_class class_;
	unsigned kind, fold;
	bool is_few; /* one of some fifty of its fold */
	double score;
};

static struct mail mails[MAILS_MAX];
static size_t mail_count;
static char kinds[200][40];
static unsigned kind_count;

/* ---- the three ways ---- */

struct way {
	const char *name;
	void (*begin)(void);
	void (*learn)(const struct mail *mail);
	double (*judge)(const struct mail *mail);
};

static struct spam_model *model;

static void
counts_begin(void)
{
	static const struct spam_model_limits limits = {1u << 30, 1u << 30};

	spam_model_free(model);
	model = spam_model_new(&limits);
}

static void
counts_learn(const struct mail *mail)
{
	struct spam_model_change c = {.class_ = mail->class_, .weight = 1, .number = 1};

	spam_model_add(model, &c, &mail->tokens);
}

static double
spam_share(uint64_t token, double strength, double *n_out)
{
	struct spam_model_entry e;
	double ham_all = (double)CV_MAX(spam_model_total(model, 0, SPAM_CLASS_HAM), 1u);
	double spam_all = (double)CV_MAX(spam_model_total(model, 0, SPAM_CLASS_SPAM), 1u);

	*n_out = 0;
	if (!spam_model_get(model, token, &e))
		return 0.5;
	double ham = e.counts[SPAM_CLASS_HAM] / ham_all,
	       spam = e.counts[SPAM_CLASS_SPAM] / spam_all;
	*n_out = e.counts[0] + e.counts[1];
	return (strength * 0.5 + *n_out * spam / (ham + spam)) / (strength + *n_out);
}

static double
chi2q(double x2, size_t pairs)
{
	double m = x2 / 2, term = exp(-m), sum = term;

	if (m > 700) { /* normal approximation far out */
		double z = (x2 - 2.0 * (double)pairs) / sqrt(4.0 * (double)pairs);
		return 0.5 * erfc(z / sqrt(2));
	}
	for (size_t i = 1; i < pairs; i++) {
		term *= m / (double)i;
		sum += term;
	}
	return sum > 1 ? 1 : sum;
}

static double
fisher_judge(const struct mail *mail)
{
	double h = 0, s = 0, n;
	size_t used = 0;

	for (size_t i = 0; i < mail->tokens.count; i++) {
		double f = spam_share(mail->tokens.hashes[i], 0.2, &n);
		if (fabs(f - 0.5) < 0.1)
			continue;
		h += log(1 - f);
		s += log(f);
		used++;
	}
	if (!used)
		return 0.5;
	/* One scale that does not saturate at both ends, for ranking. */
	double p = (1 + chi2q(-2 * s, used) - chi2q(-2 * h, used)) / 2;
	return p + 1e-9 * (s - h) / (double)used;
}

static double
bayes_judge(const struct mail *mail)
{
	double sum = 0, n;
	size_t used = 0;

	for (size_t i = 0; i < mail->tokens.count; i++) {
		double f = spam_share(mail->tokens.hashes[i], 1.0, &n);
		if (fabs(f - 0.5) < 0.1)
			continue;
		sum += log(f / (1 - f));
		used++;
	}
	return used ? 1 / (1 + exp(-sum / sqrt((double)used))) : 0.5;
}

static float ftrl_z[WEIGHTS], ftrl_n[WEIGHTS];

static void
ftrl_begin(void)
{
	memset(ftrl_z, 0, sizeof ftrl_z);
	memset(ftrl_n, 0, sizeof ftrl_n);
}

static float
ftrl_weight(size_t i)
{
	const float alpha = 0.5f, beta = 1, l1 = 0.02f, l2 = 0.1f;

	if (fabsf(ftrl_z[i]) <= l1)
		return 0;
	return -(ftrl_z[i] - (ftrl_z[i] < 0 ? -l1 : l1)) / ((beta + sqrtf(ftrl_n[i])) / alpha + l2);
}

static double
ftrl_judge(const struct mail *mail)
{
	double sum = 0, x = 1 / sqrt((double)mail->tokens.count + 1);

	for (size_t i = 0; i < mail->tokens.count; i++)
		sum += ftrl_weight(mail->tokens.hashes[i] & (WEIGHTS - 1)) * x;
	return 1 / (1 + exp(-sum));
}

static void
ftrl_learn(const struct mail *mail)
{
	float x = 1 / sqrtf((float)mail->tokens.count + 1);
	float g = ((float)ftrl_judge(mail) - (mail->class_ == SPAM_CLASS_SPAM)) * x;

	for (size_t k = 0; k < mail->tokens.count; k++) {
		size_t i = mail->tokens.hashes[k] & (WEIGHTS - 1);
		float w = ftrl_weight(i);
		ftrl_z[i] += g - (sqrtf(ftrl_n[i] + g * g) - sqrtf(ftrl_n[i])) / 0.5f * w;
		ftrl_n[i] += g * g;
	}
}

static const struct way ways[] = {
	{"Robinson-Fisher", counts_begin, counts_learn, fisher_judge},
	{"naive Bayes",     counts_begin, counts_learn, bayes_judge },
	{"logistic, FTRL",  ftrl_begin,   ftrl_learn,   ftrl_judge  },
};

/* ---- mails ---- */

static unsigned
kind_of(const char *name)
{
	char kind[40];

	snprintf(kind, sizeof kind, "%.*s", (int)strcspn(name, "-"), name);
	for (unsigned i = 0; i < kind_count; i++)
		if (!strcmp(kinds[i], kind))
			return i;
	memcpy(kinds[kind_count], kind, sizeof kind);
	return kind_count++;
}

static void
read_folder(const char *dir, const char *sub, enum spam_class class_, struct cv_arena *arena,
	const struct spam_token_how *how)
{
	static char text[4u << 20];
	char path[1000];

	snprintf(path, sizeof path, "%s/%s", dir, sub);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d)) && mail_count < MAILS_MAX;) {
		snprintf(path, sizeof path, "%s/%s/%s", dir, sub, e->d_name);
		FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
		if (!f)
			continue;
		size_t n = fread(text, 1, sizeof text, f);
		fclose(f);
		struct mail *m = &mails[mail_count++];
		m->class_ = class_;
		m->kind = kind_of(e->d_name);
		m->fold = (unsigned)(cv_hash(e->d_name, strlen(e->d_name), 3) % FOLDS);
		m->is_few = cv_hash(e->d_name, strlen(e->d_name), 4) % 6 == 0;
		spam_tokens_read(arena, how, cv_str(text, n), &m->tokens);
	}
	if (d)
		closedir(d);
}

static int
by_score(const void *a, const void *b)
{
	double x = ((const struct mail *)a)->score, y = ((const struct mail *)b)->score;

	return x < y ? -1 : x > y;
}

struct measures {
	double auc, lost, missed,
		missed_safe; /* safe: where one wanted mail of a thousand is lost */
};

static void
take_measures(struct measures *out)
{
	static struct mail sorted[MAILS_MAX];
	double ham = 0, spam = 0, below = 0, caught = 0, lost = 0, bad_ham = 0, bad_spam = 0;

	memcpy(sorted, mails, sizeof sorted[0] * mail_count);
	qsort(sorted, mail_count, sizeof sorted[0], by_score);
	for (size_t i = 0; i < mail_count; i++) {
		if (sorted[i].class_ == SPAM_CLASS_SPAM)
			spam++, below += ham, bad_spam += sorted[i].score < 0.5;
		else
			ham++, bad_ham += sorted[i].score >= 0.5;
	}
	for (size_t i = mail_count; i > 0 && lost <= ham / 1000; i--) {
		if (sorted[i - 1].class_ == SPAM_CLASS_HAM)
			lost++;
		else
			caught++;
	}
	out->auc += below / (ham * spam);
	out->lost += 100 * bad_ham / ham;
	out->missed += 100 * bad_spam / spam;
	out->missed_safe += 100 - 100 * caught / spam;
}

static bool
is_learned(const struct mail *m, const char *how, unsigned round)
{
	if (how[0] == 't') /* ten folds */
		return m->fold != round;
	if (how[0] == 'w') /* whole templates */
		return m->kind % FOLDS != round;
	return m->fold == round && m->is_few;
}

static void
measure(const char *tokens, const struct way *way, const char *how)
{
	struct measures sum = {0};
	unsigned times = how[0] == 'f' ? FOLDS : 1;
	clock_t begin = clock();

	for (unsigned round = 0; round < FOLDS; round++) {
		way->begin();
		/* In an order that mixes the classes: FTRL needs that. */
		for (size_t k = 0; k < mail_count; k++) {
			struct mail *m = &mails[k * 7919 % mail_count];
			if (is_learned(m, how, round))
				way->learn(m);
		}
		for (size_t i = 0; i < mail_count; i++)
			if (!is_learned(&mails[i], how, round))
				mails[i].score = way->judge(&mails[i]);
		if (times > 1)
			take_measures(&sum);
	}
	if (times == 1)
		take_measures(&sum);
	printf("%-12s %-16s %-16s AUC %.5f  at 0.5: lost %5.2f %% missed %5.2f %%  at 0.1 %% lost: "
	       "missed %5.2f %%  %.0f us a mail\n",
		tokens, way->name, how, sum.auc / times, sum.lost / times, sum.missed / times,
		sum.missed_safe / times,
		1e6 * (double)(clock() - begin) / CLOCKS_PER_SEC / (double)mail_count);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool without_pairs, with_gaps;
	} sets[] = {
		{"words",       true,  false},
		{"pairs",       false, false},
		{"pairs, gaps", false, true },
	};
	static const char *const splits[] = {"ten folds", "whole templates", "few"};

	for (size_t s = 0; argc > 1 && s < CV_COUNT(sets); s++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct spam_token_how how = {
			.without_pairs = sets[s].without_pairs, .with_gaps = sets[s].with_gaps};
		clock_t begin = clock();
		size_t tokens = 0;
		mail_count = kind_count = 0;
		read_folder(argv[1], "ham", SPAM_CLASS_HAM, &arena, &how);
		read_folder(argv[1], "spam", SPAM_CLASS_SPAM, &arena, &how);
		read_folder(argv[1], "phishing", SPAM_CLASS_SPAM, &arena, &how);
		for (size_t i = 0; i < mail_count; i++)
			tokens += mails[i].tokens.count;
		printf("%s: %zu mails, %zu tokens each, %.0f us a mail\n", sets[s].name, mail_count,
			tokens / CV_MAX(mail_count, 1u),
			1e6 * (double)(clock() - begin) / CLOCKS_PER_SEC / (double)mail_count);
		for (size_t i = 0; i < CV_COUNT(splits); i++)
			for (size_t w = 0; w < CV_COUNT(ways); w++)
				measure(sets[s].name, &ways[w], splits[i]);
		cv_arena_done(&arena);
	}
	spam_model_free(model);
	return argc > 1 ? 0 : 64;
}
