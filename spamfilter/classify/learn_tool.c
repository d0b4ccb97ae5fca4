/* learn_tool.c - `congvu spam learn`: messages from files go to the classifier, the running
 * filter's or, when none runs, the folder itself.
 *
 * Tokens are made here, in the tool's sandbox; the filter that runs is sent numbers, some dozens of
 * messages at a time. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/ctl.h"
#include "common/text/encode.h"
#include "spamfilter/classify/classify.h"
#include "spamfilter/classify/tools.h"
#include "spamfilter/tool/mails.h"

#define ASK_SECS 120
#define AT_ONCE  50
#define DRAW_MS  200
#define RESULTS  6

struct lesson_run {
	struct spam_tool *t;
	enum spam_class class_;
	bool is_forget, is_over;
	struct spam_token_how how;
	char hosts[2][256];
	json_t *batch; /* of the running filter */
	uint64_t results[RESULTS];
	int64_t begin_ms, drawn_ms;
	bool has_bar;
};

static const enum spam_learned all_results[RESULTS] = {SPAM_LEARNED, SPAM_CHANGED_SIDES,
	SPAM_LEARNED_BEFORE, SPAM_FORGOTTEN, SPAM_NOT_KNOWN, SPAM_OVER_LIMIT};

static void
clear_bar(struct lesson_run *r)
{
	if (r->has_bar)
		fprintf(stderr, "\r\033[K");
	r->has_bar = false;
}

static void
fail(struct lesson_run *r, const char *name, const char *why)
{
	clear_bar(r);
	spam_tool_fault(r->t, name, why);
}

static void
on_fault(void *arg, const char *name, const char *why)
{
	fail(arg, name, why);
}

static double
rate_of(const struct lesson_run *r)
{
	int64_t ms = cv_mono_ms() - r->begin_ms;

	return 1000.0 * r->t->messages / (double)CV_MAX(ms, 1);
}

static void
draw_bar(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct lesson_run *r = arg;
	int64_t now_ms = cv_mono_ms();

	if (now_ms - r->drawn_ms < DRAW_MS || !total_bytes)
		return;
	r->drawn_ms = now_ms;
	r->has_bar = true;
	fprintf(stderr,
		r->t->vietnamese ? "\r%3u %%  %u thư, %.0f thư/giây "
				 : "\r%3u %%  %u messages, %.0f/s ",
		(unsigned)(done_bytes * 100 / total_bytes), r->t->messages, rate_of(r));
	fflush(stderr);
}

/* ---- the filter that runs ---- */

static enum cv_status
ask(struct lesson_run *r, json_t *request, json_t **reply_out, struct cv_err *err)
{
	*reply_out = NULL;
	enum cv_status status =
		cv_ctl_ask(r->t->ctl_path, request, ASK_SECS, NULL, NULL, reply_out, err);
	json_decref(request);
	if (status) {
		json_decref(*reply_out);
		*reply_out = NULL;
	}
	return status;
}

static enum cv_status
ask_how(struct lesson_run *r, struct cv_err *err)
{
	json_t *reply;
	enum cv_status status = ask(r, json_pack("{s:s}", "do", "classifier.status"), &reply, err);

	if (status)
		return status;
	const char *seed = json_string_value(json_object_get(reply, "seed"));
	r->how.seed = seed ? strtoull(seed, NULL, 16) : 0;
	for (size_t i = 0; i < 2; i++) {
		const char *host =
			json_string_value(json_array_get(json_object_get(reply, "hosts"), i));
		snprintf(r->hosts[i], sizeof r->hosts[i], "%s", host ? host : "");
		r->how.own_hosts[i] = r->hosts[i];
	}
	json_decref(reply);
	return CV_OK;
}

static bool
send_batch(struct lesson_run *r)
{
	struct cv_err err;
	json_t *reply;

	if (!json_array_size(r->batch))
		return true;
	json_t *request = json_pack("{s:s, s:s, s:b, s:o}", "do", "classifier.learn", "class",
		r->class_ == SPAM_CLASS_SPAM ? "spam" : "ham", "forget", r->is_forget, "tokens",
		r->batch);
	r->batch = json_array();
	if (ask(r, request, &reply, &err) != CV_OK) {
		fail(r, "spamfilter.ctl", err.text);
		r->is_over = true;
		return false;
	}
	for (size_t i = 0; i < RESULTS; i++)
		r->results[i] += (uint64_t)json_integer_value(json_object_get(
			json_object_get(reply, "results"), spam_learned_word(all_results[i])));
	json_decref(reply);
	return true;
}

static bool
send_tokens(struct lesson_run *r, const struct spam_tokens *tokens)
{
	struct cv_buf text = CV_BUF_INIT(CV_BASE64_SIZE(SPAM_TOKENS_MAX * sizeof(uint64_t)) + 8);

	cv_base64_encode(
		cv_str((const char *)tokens->hashes, tokens->count * sizeof(uint64_t)), &text);
	json_array_append_new(r->batch, json_stringn(text.p, text.n));
	cv_buf_done(&text);
	return json_array_size(r->batch) < AT_ONCE || send_batch(r);
}

/* ---- the folder itself ---- */

static bool
learn_here(struct lesson_run *r, const char *name, const struct spam_tokens *tokens)
{
	struct spam_lesson lesson = {
		.tokens = tokens, .class_ = r->class_, .is_forget = r->is_forget, .weight = 1};
	enum spam_learned result;
	struct cv_err err;

	if (spam_classifier_learn(r->t->server->classifier, &lesson, &result, &err) != CV_OK) {
		fail(r, name, err.text);
		r->is_over = true;
		return false;
	}
	for (size_t i = 0; i < RESULTS; i++)
		r->results[i] += all_results[i] == result;
	return true;
}

static bool
learn_one(void *arg, const char *name, struct cv_str message)
{
	struct lesson_run *r = arg;
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_tokens tokens;

	spam_tokens_read(&arena, &r->how, message, &tokens);
	bool is_on = r->t->ctl_path[0] ? send_tokens(r, &tokens) : learn_here(r, name, &tokens);
	cv_arena_done(&arena);
	r->t->messages++;
	return is_on;
}

/* ---- the summary ---- */

static json_t *
state_of(struct lesson_run *r)
{
	struct cv_err err;
	json_t *state = NULL;

	if (r->t->ctl_path[0])
		(void)!ask(r, json_pack("{s:s}", "do", "classifier.status"), &state, &err);
	else if (r->t->server->classifier)
		state = spam_classifier_status(r->t->server->classifier);
	return state ? state : json_object();
}

static void
print_text(struct lesson_run *r, const json_t *state, double secs)
{
	static const char *const words[RESULTS][2] = {
		{"learned",                      "đã học"               },
		{"learned, from the other side", "đổi loại"            },
		{"known already",                "đã biết từ trước"},
		{"forgotten",                    "đã quên"               },
		{"not known",                    "chưa từng học"       },
		{"over the limit",               "vượt giới hạn"     },
	};
	bool vi = r->t->vietnamese;

	printf(vi ? "%u thư trong %.1f giây (%.0f thư/giây)\n" : "%u messages in %.1f s (%.0f/s)\n",
		r->t->messages, secs, r->t->messages / CV_MAX(secs, 0.001));
	for (size_t i = 0; i < RESULTS; i++)
		if (r->results[i])
			printf("  %llu %s\n", (unsigned long long)r->results[i], words[i][vi]);
	long long ham = json_integer_value(json_object_get(state, "ham"));
	long long spam = json_integer_value(json_object_get(state, "spam"));
	printf(vi ? "Tổng cộng: %lld thư thường, %lld thư rác\n"
		  : "In all: %lld wanted, %lld unwanted\n",
		ham, spam);
	if (!json_is_true(json_object_get(state, "ready")))
		printf(vi ? "Bộ phân loại chưa có ý kiến trước khi học đủ %lld thư thường và %lld "
			    "thư rác.\n"
			  : "The classifier has no opinion before %lld wanted and %lld unwanted "
			    "ones.\n",
			(long long)json_integer_value(json_object_get(state, "ham_min")),
			(long long)json_integer_value(json_object_get(state, "spam_min")));
}

static void
print_summary(struct lesson_run *r)
{
	double secs = (double)(cv_mono_ms() - r->begin_ms) / 1000;
	json_t *state = state_of(r);

	if (!r->t->json) {
		print_text(r, state, secs);
		json_decref(state);
		return;
	}
	json_t *results = json_object();
	for (size_t i = 0; i < RESULTS; i++)
		json_object_set_new(results, spam_learned_word(all_results[i]),
			json_integer((json_int_t)r->results[i]));
	json_object_del(state, "seed");
	json_object_del(state, "ok");
	json_t *answer = json_pack("{s:I, s:I, s:f, s:f, s:o, s:o}", "messages",
		(json_int_t)r->t->messages, "faults", (json_int_t)r->t->faults, "seconds", secs,
		"rate", r->t->messages / CV_MAX(secs, 0.001), "results", results, "classifier",
		state);
	json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(answer);
}

static enum cv_status
begin(struct lesson_run *r, struct cv_err *err)
{
	struct spam_server *s = r->t->server;
	enum cv_status status = CV_OK;

	r->begin_ms = cv_mono_ms();
	if (r->t->ctl_path[0])
		return ask_how(r, err);
	if (!r->t->conf_path)
		return cv_fail(err, CV_INVALID, "learning needs a configuration: --conf FILE");
	if (!s->classifier)
		status = spam_classify_open(s, true, err);
	if (status == CV_OK && !s->classifier)
		status = cv_fail(err, CV_NOT_FOUND, "the configuration has no stats_dir");
	if (status == CV_OK)
		spam_classify_how(s, &r->how);
	return status;
}

int
spam_tool_learn(struct spam_tool *t)
{
	bool is_ham = t->values[0] != NULL, is_spam = t->values[1] != NULL;
	struct lesson_run r = {.t = t,
		.class_ = is_spam ? SPAM_CLASS_SPAM : SPAM_CLASS_HAM,
		.is_forget = t->values[2] != NULL};
	struct spam_mails mails = {.fn = learn_one, .fault = on_fault, .arg = &r};
	struct cv_err err;

	if (is_ham == is_spam && !(r.is_forget && !is_ham)) {
		fputs("congvu-spamfilter: one of --ham and --spam, please\n", stderr);
		return SPAM_EXIT_USAGE;
	}
	if (begin(&r, &err) != CV_OK) {
		spam_tool_fault(t, t->words[0], err.text);
		return SPAM_EXIT_FAILED;
	}
	if (isatty(STDERR_FILENO))
		mails.progress = draw_bar;
	r.batch = json_array();
	(void)spam_mails_each(&mails, t->words, t->word_count);
	if (!r.is_over && t->ctl_path[0])
		(void)send_batch(&r);
	else if (!r.is_over && spam_classifier_flush(t->server->classifier, &err) != CV_OK)
		fail(&r, "classifier", err.text);
	json_decref(r.batch);
	clear_bar(&r);
	print_summary(&r);
	if (!t->messages && !t->faults)
		spam_tool_fault(
			t, t->words[0], t->vietnamese ? "không có thư nào" : "there is no message");
	return !t->faults ? SPAM_EXIT_OK : t->messages ? SPAM_EXIT_PARTLY : SPAM_EXIT_FAILED;
}
