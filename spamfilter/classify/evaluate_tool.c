/* evaluate_tool.c - `congvu spam evaluate`: error rates of the classifier on sorted mail.
 *
 * Nothing of what an installation has learned is used or changed. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "spamfilter/classify/evaluate.h"
#include "spamfilter/classify/tools.h"
#include "spamfilter/tool/mails.h"

#define FOLDS      10
#define TOKENS_MAX (1u << 28) /* of all messages: two gigabytes */

struct reading {
	struct spam_tool *t;
	enum spam_class class_;
	bool by_kind;
	struct cv_arena arena;
	struct spam_sample *samples;
	size_t count, room, tokens;
	int64_t token_us, drawn_ms;
	bool has_bar;
};

static void
on_fault(void *arg, const char *name, const char *why)
{
	struct reading *r = arg;

	if (r->has_bar)
		fprintf(stderr, "\r\033[K");
	r->has_bar = false;
	spam_tool_fault(r->t, name, why);
}

static void
draw_bar(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct reading *r = arg;
	int64_t now_ms = cv_mono_ms();

	if (now_ms - r->drawn_ms < 200 || !total_bytes)
		return;
	r->drawn_ms = now_ms;
	r->has_bar = true;
	fprintf(stderr, "\r%3u %%  %zu %s ", (unsigned)(done_bytes * 100 / total_bytes), r->count,
		r->t->vietnamese ? "thư" : "messages");
	fflush(stderr);
}

/* "spam_tour" of "corpus/spam/spam_tour-00012.eml"; 0 without a "-". */
static uint64_t
group_of(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;
	size_t n = strcspn(base, "-");

	return base[n] ? cv_hash(base, n, 5) | 1 : 0;
}

static bool
take(void *arg, const char *name, struct cv_str message)
{
	struct reading *r = arg;
	struct spam_token_how how = {0};

	if (r->count == SPAM_EVALUATE_MAX || r->tokens > TOKENS_MAX) {
		on_fault(r, name, "too many messages: the rest is left out");
		return false;
	}
	if (r->count == r->room) {
		r->room = r->room ? 2 * r->room : 1024;
		r->samples = cv_realloc(r->samples, r->room * sizeof *r->samples);
	}
	struct spam_sample *s = &r->samples[r->count++];
	*s = (struct spam_sample){.class_ = r->class_, .group = r->by_kind ? group_of(name) : 0};
	int64_t begin = cv_mono_us();
	spam_tokens_read(&r->arena, &how, message, &s->tokens);
	r->token_us += cv_mono_us() - begin;
	r->tokens += s->tokens.count;
	r->t->messages++;
	return true;
}

static bool
write_file(struct spam_tool *t, const char *path,
	void (*fn)(const struct spam_evaluation *, bool, struct cv_buf *),
	const struct spam_evaluation *e)
{
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	FILE *f = fopen(path, "w");

	fn(e, t->vietnamese, &text);
	bool done = f && fwrite(text.p, 1, text.n, f) == text.n;
	if (f && fclose(f))
		done = false;
	if (!done)
		spam_tool_fault(t, path, strerror(errno));
	cv_buf_done(&text);
	return done;
}

static void
write_csv(const struct spam_evaluation *e, bool vietnamese, struct cv_buf *out)
{
	(void)vietnamese;
	spam_evaluation_csv(e, out);
}

static void
print(struct spam_tool *t, const struct spam_evaluation *e, const struct reading *r)
{
	double token_us = (double)r->token_us / (double)r->count;
	struct cv_buf text = CV_BUF_INIT(64u << 10);

	if (t->json) {
		json_t *answer = spam_evaluation_json(e);
		json_object_set_new(answer, "tokens_us", json_real(token_us));
		json_object_set_new(
			answer, "tokens", json_integer((json_int_t)(r->tokens / r->count)));
		json_dumpf(answer, stdout,
			JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
		putchar('\n');
		json_decref(answer);
	} else {
		spam_evaluation_text(e, t->vietnamese, &text);
		cv_buf_printf(&text,
			t->vietnamese ? "Tách thư %.0f us, %zu đặc trưng một thư\n"
				      : "Reading takes %.0f us and yields %zu tokens a message\n",
			token_us, r->tokens / r->count);
		fwrite(text.p, 1, text.n, stdout);
	}
	cv_buf_done(&text);
}

static bool
read_all(struct spam_tool *t, struct reading *r)
{
	struct spam_mails mails = {.fn = take, .fault = on_fault, .arg = r};

	if (isatty(STDERR_FILENO))
		mails.progress = draw_bar;
	for (unsigned c = 0; c < SPAM_CLASSES; c++) {
		r->class_ = c;
		if (!spam_mails_each(&mails, &t->values[c], 1))
			break;
	}
	if (r->has_bar)
		fprintf(stderr, "\r\033[K");
	return r->count > 0;
}

int
spam_tool_evaluate(struct spam_tool *t)
{
	struct reading r = {.t = t, .by_kind = t->values[3] != NULL};
	struct spam_evaluation e;
	struct cv_err err;
	uint64_t folds = FOLDS;

	if (!t->values[0] || !t->values[1] ||
		(t->values[2] && cv_str_u64(cv_str_z(t->values[2]), SPAM_FOLDS_MAX, &folds))) {
		fputs("congvu-spamfilter: evaluate --ham DIR --spam DIR [--folds 2..100]\n",
			stderr);
		return SPAM_EXIT_USAGE;
	}
	if (!read_all(t, &r)) {
		spam_tool_fault(t, t->values[0], "there is no message");
	} else if (spam_evaluate(r.samples, r.count, (unsigned)folds, &e, &err) != CV_OK) {
		spam_tool_fault(t, t->values[0], err.text);
	} else {
		print(t, &e, &r);
		if (t->values[4])
			write_file(t, t->values[4], write_csv, &e);
		if (t->values[5])
			write_file(t, t->values[5], spam_evaluation_svg, &e);
	}
	free(r.samples);
	cv_arena_done(&r.arena);
	return t->faults ? SPAM_EXIT_FAILED : SPAM_EXIT_OK;
}
