/* classify.c - see classify.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/classify.h"

#include <errno.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/text/encode.h"
#include "spamfilter/judge.h"

#define FOLDER       "classifier"
#define LEAN_UNSURE  0.5 /* nearer to 0 is no opinion */
#define LEAN_SURE    9.0
#define HAM_SHARE    0.5 /* of the cap, for a sure wanted one: spam learns to look wanted */
#define LEARN_TOKENS 100 /* messages in one request */

/* ---- opening ---- */

static void
take_options(const struct spamfilter_options *opt, struct spam_classifier_options *out)
{
	out->size_max = opt->classifier_max;
	out->ham_min = (unsigned)opt->learn_ham_min;
	out->spam_min = (unsigned)opt->learn_spam_min;
	out->account_day_max = (unsigned)opt->learn_account_max;
}

enum cv_status
spam_classify_open(struct spam_server *s, bool create, struct cv_err *err)
{
	struct spam_classifier_options o = {0};
	char dir[1200];
	struct stat st;

	if (s->is_alone || !s->main->stats_dir[0])
		return CV_OK;
	snprintf(dir, sizeof dir, "%s/" FOLDER, s->main->stats_dir);
	if (!create && stat(dir, &st))
		return CV_OK;
	if (create && mkdir(s->main->stats_dir, 0700) && errno != EEXIST)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot make %s", s->main->stats_dir);
	take_options(s->opt, &o);
	o.dir = dir;
	return spam_classifier_open(&o, &s->classifier, err);
}

void
spam_classify_configure(struct spam_server *s, const struct spamfilter_options *opt)
{
	struct spam_classifier_options o = {0};

	take_options(opt, &o);
	if (s->classifier)
		spam_classifier_configure(s->classifier, &o);
}

static const char *
authserv_of(const struct spam_server *s)
{
	return s->opt->authserv_id[0] ? s->opt->authserv_id : s->main->hostname;
}

void
spam_classify_how(const struct spam_server *s, struct spam_token_how *out)
{
	*out = (struct spam_token_how){0};
	out->seed = s->classifier ? spam_classifier_seed(s->classifier) : 0;
	out->own_hosts[0] = s->main->hostname;
	out->own_hosts[1] = authserv_of(s);
}

/* ---- rule bayes ---- */

double
spam_classify_weight(double lean, double cap)
{
	double sure = lean < 0 ? -lean : lean;

	if (sure <= LEAN_UNSURE)
		return 0;
	double part = CV_MIN((sure - LEAN_UNSURE) / (LEAN_SURE - LEAN_UNSURE), 1.0);
	return lean > 0 ? cap * part : -cap * HAM_SHARE * part;
}

/* The agency that all recipients belong to; empty when there is none. */
static struct cv_str
agency_of(const struct spam_mail *m)
{
	struct cv_str agency = CV_STR_EMPTY;

	for (size_t i = 0; i < m->rcpt_count; i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(m->snap, m->rcpts[i], &hit);
		if (hit.found != CV_REG_ACCOUNT || !hit.account.agency.n)
			return CV_STR_EMPTY;
		if (agency.n && !cv_str_eq(agency, hit.account.agency))
			return CV_STR_EMPTY;
		agency = hit.account.agency;
	}
	return agency;
}

static void
tokens_of(struct spam_mail *m, struct spam_tokens *out)
{
	struct spam_token_how how;

	spam_classify_how(m->server, &how);
	how.own_hosts[1] = m->authserv_id;
	how.has_results = true;
	how.spf = m->has_spf ? spam_spf_word(m->spf.result) : NULL;
	how.dmarc = m->has_dmarc ? spam_dmarc_word(m->dmarc.result) : NULL;
	if (m->verifier)
		how.dkim = m->sig_count ? spam_dkim_word(m->sigs[0].result) : "none";
	struct spam_tokenizer *t = spam_tokenizer_new(&m->arena, &how);
	for (size_t i = 0; i < m->field_count; i++)
		spam_tokenizer_field(t, m->fields[i].name, m->fields[i].value);
	spam_tokenizer_body(t, spam_body_view(&m->body));
	spam_tokenizer_end(t, out);
}

void
spam_examine_classifier(struct spam_mail *m)
{
	struct spam_classifier *c = m->server->classifier;
	struct spam_classified *o;
	struct spam_tokens tokens;

	if (!c || m->is_submission)
		return;
	m->opinion = o = CV_ARENA_NEW(&m->arena, struct spam_classified);
	tokens_of(m, &tokens);
	spam_classifier_judge(c, agency_of(m), &tokens, o);
	double weight = spam_classify_weight(o->lean, spam_rules[SPAM_RULE_BAYES].weight);
	if (weight > 0.05 || weight < -0.05)
		spam_found_weight(m, SPAM_RULE_BAYES, weight, "share=%.4f evidence=%u/%u", o->share,
			o->evidence, o->tokens);
}

json_t *
spam_classify_json(const struct spam_mail *m)
{
	static const char *const states[] = {[SPAM_OPINION_NONE] = "learning",
		[SPAM_OPINION_SILENT] = "silent",
		[SPAM_OPINION_GIVEN] = "given"};
	const struct spam_classified *o = m->opinion;

	return json_pack("{s:s, s:f, s:f, s:i, s:i, s:i, s:I, s:I, s:I, s:I}", "state",
		states[o->state], "share", o->share, "lean", o->lean, "evidence", (int)o->evidence,
		"known", (int)o->known, "tokens", (int)o->tokens, "ham", (json_int_t)o->ham, "spam",
		(json_int_t)o->spam, "ham_min", (json_int_t)m->opt->learn_ham_min, "spam_min",
		(json_int_t)m->opt->learn_spam_min);
}

static long long
number_of(const json_t *answer, const char *what)
{
	return (long long)json_integer_value(json_object_get(answer, what));
}

void
spam_classify_text(const json_t *answer, bool vi, struct cv_buf *out)
{
	const char *state = json_string_value(json_object_get(answer, "state"));

	if (!state)
		return;
	cv_buf_z(out, vi ? "Bộ phân loại: " : "Classifier: ");
	if (!strcmp(state, "learning"))
		cv_buf_printf(out,
			vi ? "chưa có ý kiến, mới học %lld/%lld thư thường và %lld/%lld thư rác\n"
			   : "no opinion yet, learned %lld of %lld wanted and %lld of %lld "
			     "unwanted "
			     "messages\n",
			number_of(answer, "ham"), number_of(answer, "ham_min"),
			number_of(answer, "spam"), number_of(answer, "spam_min"));
	else if (!strcmp(state, "silent"))
		cv_buf_z(out, vi ? "không nhận ra đặc trưng nào\n" : "nothing in it is known\n");
	else
		cv_buf_printf(out,
			vi ? "%.2f %% giống thư rác, theo %lld trong %lld đặc trưng\n"
			   : "%.2f %% like unwanted mail, by %lld of %lld tokens\n",
			100 * json_number_value(json_object_get(answer, "share")),
			number_of(answer, "evidence"), number_of(answer, "tokens"));
}

/* ---- lessons ---- */

enum cv_status
spam_classify_train(struct spam_server *s, enum spam_class class_, struct cv_str address,
	uint64_t teacher, struct cv_str message, enum spam_learned *out, struct cv_err *err)
{
	const struct cv_snapshot *snap = cv_register_get(s->reg);
	struct cv_arena arena = CV_ARENA_INIT;
	struct spam_token_how how;
	struct spam_tokens tokens;
	struct cv_reg_hit hit;
	enum cv_status status;

	cv_snapshot_find_address(snap, address, &hit);
	if (!s->classifier) {
		status = cv_fail(err, CV_NOT_FOUND, "there is no classifier");
	} else if (hit.found != CV_REG_ACCOUNT) {
		status = cv_fail(err, CV_NOT_FOUND, "no account of that address may teach");
	} else {
		bool is_shared =
			hit.account.kind == CV_KIND_ROLE || hit.account.kind == CV_KIND_AGENCY;
		spam_classify_how(s, &how);
		spam_tokens_read(
			&arena, &how, cv_str_sub(message, 0, SPAM_TRAIN_BYTES_MAX), &tokens);
		struct spam_lesson lesson = {.tokens = &tokens,
			.class_ = class_,
			.is_undo = class_ == SPAM_CLASS_HAM,
			.agency = hit.account.agency,
			.weight = is_shared ? (unsigned)s->opt->learn_role_weight : 1,
			.account = teacher ? teacher : hit.account.acct};
		status = spam_classifier_learn(s->classifier, &lesson, out, err);
		if (s->opt->reputation && (*out == SPAM_LEARNED || *out == SPAM_CHANGED_SIDES ||
						  *out == SPAM_FORGOTTEN))
			spam_memory_learn(s, cv_str_sub(message, 0, SPAM_TRAIN_BYTES_MAX),
				lesson.account, class_ == SPAM_CLASS_SPAM);
		cv_log(0, CV_INFO, "classifier.lesson", "acct=%llu class=%s result=%s",
			(unsigned long long)lesson.account,
			class_ == SPAM_CLASS_SPAM ? "spam" : "ham", spam_learned_word(*out));
	}
	cv_arena_done(&arena);
	cv_snapshot_unref(snap);
	return status;
}

/* ---- the control socket ---- */

static enum cv_status
class_named(const json_t *request, enum spam_class *out, struct cv_err *err)
{
	const char *word = json_string_value(json_object_get(request, "class"));

	if (word && !strcmp(word, "ham"))
		*out = SPAM_CLASS_HAM;
	else if (word && !strcmp(word, "spam"))
		*out = SPAM_CLASS_SPAM;
	else
		return cv_fail(err, CV_INVALID, "class must be ham or spam");
	return CV_OK;
}

static enum cv_status
no_classifier(struct cv_err *err)
{
	return cv_fail(err, CV_NOT_FOUND, "there is no classifier");
}

enum cv_status
spam_classify_answer_status(
	struct spam_server *s, CV_UNUSED json_t *request, json_t **reply_out, struct cv_err *err)
{
	char seed[20];

	if (!s->classifier)
		return no_classifier(err);
	json_t *reply = spam_classifier_status(s->classifier);

	snprintf(seed, sizeof seed, "%016llx",
		(unsigned long long)spam_classifier_seed(s->classifier));
	json_object_set_new(reply, "seed", json_string(seed));
	json_object_set_new(reply, "hosts", json_pack("[s, s]", s->main->hostname, authserv_of(s)));
	*reply_out = reply;
	return reply ? CV_OK : CV_TEMPFAIL;
}

static enum cv_status
learn_tokens(struct spam_server *s, const json_t *blob, struct spam_lesson *lesson, json_t *results,
	struct cv_err *err)
{
	struct cv_buf bytes = CV_BUF_INIT(SPAM_TOKENS_MAX * sizeof(uint64_t));
	struct spam_tokens tokens;
	enum spam_learned learned;
	enum cv_status status =
		cv_base64_decode(cv_str(json_string_value(blob), json_string_length(blob)), &bytes);

	if (status || !bytes.n || bytes.n % sizeof(uint64_t)) {
		cv_buf_done(&bytes);
		return cv_fail(err, CV_INVALID, "tokens must be base64 of numbers of 8 octets");
	}
	tokens.count = bytes.n / sizeof(uint64_t);
	tokens.hashes = cv_calloc(tokens.count, sizeof(uint64_t));
	memcpy(tokens.hashes, bytes.p, bytes.n);
	cv_buf_done(&bytes);
	lesson->tokens = &tokens;
	status = spam_classifier_learn(s->classifier, lesson, &learned, err);
	free(tokens.hashes);
	if (status)
		return status;
	const char *word = spam_learned_word(learned);
	json_int_t before = json_integer_value(json_object_get(results, word));
	json_object_set_new(results, word, json_integer(before + 1));
	return CV_OK;
}

enum cv_status
spam_classify_answer_learn(
	struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err)
{
	struct spam_lesson lesson = {
		.is_forget = json_is_true(json_object_get(request, "forget")), .weight = 1};
	json_t *rows = json_object_get(request, "tokens"), *row, *results = json_object();
	enum cv_status status =
		s->classifier ? class_named(request, &lesson.class_, err) : no_classifier(err);
	size_t i;

	if (status == CV_OK && json_array_size(rows) > LEARN_TOKENS)
		status = cv_fail(err, CV_LIMIT, "at most %d messages at once", LEARN_TOKENS);
	json_array_foreach(rows, i, row) if (status == CV_OK) status =
		learn_tokens(s, row, &lesson, results, err);
	*reply_out = json_pack("{s:o}", "results", results);
	return status;
}

enum cv_status
spam_classify_answer_train(
	struct spam_server *s, json_t *request, json_t **reply_out, struct cv_err *err)
{
	json_t *text = json_object_get(request, "message");
	json_t *address = json_object_get(request, "address");
	struct cv_buf message = CV_BUF_INIT(SPAM_TRAIN_BYTES_MAX);
	enum spam_class class_;
	enum spam_learned learned = SPAM_NOT_KNOWN;
	enum cv_status status = class_named(request, &class_, err);

	if (status == CV_OK &&
		cv_base64_decode(
			cv_str(json_string_value(text), json_string_length(text)), &message))
		status = cv_fail(err, CV_INVALID, "the message is no base64, or too large");
	if (status == CV_OK)
		status = spam_classify_train(s, class_,
			cv_str(json_string_value(address), json_string_length(address)),
			(uint64_t)json_integer_value(json_object_get(request, "teacher")),
			cv_buf_view(&message), &learned, err);
	cv_buf_done(&message);
	if (status == CV_OK)
		*reply_out = json_pack("{s:s}", "result", spam_learned_word(learned));
	return status;
}
