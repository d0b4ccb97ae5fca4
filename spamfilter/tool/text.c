/* text.c - an explanation for people, in Vietnamese or English; see explain.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/tool/explain.h"

#include "spamfilter/classify/classify.h"

struct words {
	const char *verdict, *score, *rules, *no_rule, *vouching, *client, *sender, *recipients,
		*assumed, *refusal, *softened, *none, *policy, *submission, *unknown, *null_sender;
};
static const struct words english = {
	.verdict = "Verdict",
	.score = "score",
	.rules = "Rules",
	.no_rule = "no rule applies",
	.vouching = "Vouching",
	.client = "Client",
	.sender = "Sender",
	.recipients = "Recipients",
	.assumed = "read from the header",
	.refusal = "Refusal",
	.softened = "Refused by its score, were it not for an agency or role box (SPM-02).",
	.none = "none",
	.policy = "Policy",
	.submission = "Submitted by staff.",
	.unknown = "not known, so SPF is left out",
	.null_sender = "<> (none, or not known)",
};
static const struct words vietnamese_words = {
	.verdict = "Kết luận",
	.score = "điểm",
	.rules = "Quy tắc",
	.no_rule = "không có quy tắc nào khớp",
	.vouching = "Xác thực",
	.client = "Máy gửi",
	.sender = "Người gửi",
	.recipients = "Người nhận",
	.assumed = "suy từ phần đầu thư",
	.refusal = "Lý do từ chối",
	.softened = "Điểm đủ để từ chối nhưng thư gửi tới cơ quan hoặc hộp chức vụ (SPM-02).",
	.none = "không có",
	.policy = "Chính sách",
	.submission = "Thư do cán bộ gửi đi.",
	.unknown = "không rõ nên không kiểm tra SPF",
	.null_sender = "<> (không có hoặc không rõ)",
};

static const struct {
	const char *word, *en, *vi;
} meanings[] = {
	{"pass",       "delivered",                         "thư được chuyển bình thường"        },
	{"mark",       "delivered with a mark",             "thư được chuyển kèm dấu"            },
	{"junk",       "delivered to the Junk folder",      "thư vào thư mục thư rác"            },
	{"greylist",   "the sender is asked to come again", "yêu cầu bên gửi gửi lại sau"        },
	{"quarantine", "kept in quarantine",                "thư bị cách ly, chủ hộp được báo"   },
	{"refuse",     "refused",                           "thư bị từ chối, bên gửi được báo"   },
};

/* What others wrote may not steer a terminal. */
static void
put(struct cv_buf *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool is_c1 = *p == 0xc2 && p[1] < 0xa0;
		cv_buf_c(out, *p < ' ' || *p == 127 || is_c1 ? '?' : (char)*p);
	}
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void
put_line(struct cv_buf *out, const char *title, const char *text)
{
	cv_buf_printf(out, "%s: ", title);
	put(out, text);
	cv_buf_c(out, '\n');
}

static void
put_verdict(const json_t *answer, const struct words *w, bool vi, struct cv_buf *out)
{
	const char *word = text_of(answer, "verdict");

	cv_buf_printf(out, "%s: %s", w->verdict, word);
	for (size_t i = 0; i < CV_COUNT(meanings); i++)
		if (!strcmp(word, meanings[i].word))
			cv_buf_printf(out, " (%s)", vi ? meanings[i].vi : meanings[i].en);
	cv_buf_printf(out, ", %s %.1f\n", w->score,
		json_number_value(json_object_get(answer, "score")));
	if (json_is_true(json_object_get(answer, "softened")))
		cv_buf_printf(out, "%s\n", w->softened);
	const json_t *refusal = json_object_get(answer, "refusal");
	if (refusal) {
		cv_buf_printf(out, "%s: %lld [%s] ", w->refusal,
			(long long)json_integer_value(json_object_get(refusal, "code")),
			text_of(refusal, "rule"));
		put(out, text_of(refusal, vi ? "vi" : "en"));
		cv_buf_c(out, '\n');
	}
}

static void
put_rules(const json_t *answer, const struct words *w, bool vi, struct cv_buf *out)
{
	const json_t *rules = json_object_get(answer, "rules"), *row;
	size_t i;

	cv_buf_printf(out, "%s:%s%s\n", w->rules, json_array_size(rules) ? "" : " ",
		json_array_size(rules) ? "" : w->no_rule);
	json_array_foreach (rules, i, row) {
		cv_buf_printf(out, "  %+5.1f  %-20s %s",
			json_number_value(json_object_get(row, "weight")), text_of(row, "name"),
			text_of(row, vi ? "vi" : "en"));
		if (text_of(row, "detail")[0]) {
			cv_buf_z(out, " [");
			put(out, text_of(row, "detail"));
			cv_buf_c(out, ']');
		}
		cv_buf_c(out, '\n');
	}
}

static void
put_vouching(const json_t *answer, const struct words *w, struct cv_buf *out)
{
	const json_t *a = json_object_get(answer, "authentication"), *row;
	const json_t *dkim = json_object_get(a, "dkim");
	size_t i;

	cv_buf_printf(out, "%s: spf=%s", w->vouching,
		text_of(a, "spf")[0] ? text_of(a, "spf") : "-");
	json_array_foreach (dkim, i, row) {
		cv_buf_printf(out, " dkim=%s (", text_of(row, "result"));
		put(out, text_of(row, "domain"));
		cv_buf_c(out, ')');
	}
	cv_buf_printf(
		out, " dmarc=%s\n", text_of(a, "dmarc")[0] ? text_of(a, "dmarc") : "-");
}

static bool
is_assumed(const json_t *envelope, const char *what)
{
	const json_t *word;
	size_t i;

	json_array_foreach (json_object_get(envelope, "assumed"), i, word)
		if (!strcmp(json_string_value(word), what))
			return true;
	return false;
}

static void
put_envelope(const json_t *answer, const struct words *w, struct cv_buf *out)
{
	const json_t *e = json_object_get(answer, "envelope"), *to;
	struct cv_buf line = CV_BUF_INIT(16u << 10);
	size_t i;

	if (json_is_true(json_object_get(e, "submission")))
		cv_buf_printf(out, "%s\n", w->submission);
	const char *client = text_of(e, "client"), *from = text_of(e, "from");
	cv_buf_printf(&line, "%s%s%s%s%s%s", client[0] ? client : w->unknown,
		text_of(e, "helo")[0] ? " HELO " : "", text_of(e, "helo"),
		is_assumed(e, "client") ? " (" : "", is_assumed(e, "client") ? w->assumed : "",
		is_assumed(e, "client") ? ")" : "");
	put_line(out, w->client, line.p);
	cv_buf_reset(&line);
	cv_buf_printf(&line, "%s%s%s%s", from[0] ? from : w->null_sender,
		is_assumed(e, "from") ? " (" : "", is_assumed(e, "from") ? w->assumed : "",
		is_assumed(e, "from") ? ")" : "");
	put_line(out, w->sender, line.p);
	cv_buf_reset(&line);
	json_array_foreach (json_object_get(e, "to"), i, to)
		cv_buf_printf(&line, "%s%s", i ? ", " : "", json_string_value(to));
	if (line.n)
		put_line(out, w->recipients, line.p);
	cv_buf_done(&line);
}

void
spam_explain_text(const json_t *answer, const char *name, bool vietnamese, struct cv_buf *out)
{
	const struct words *w = vietnamese ? &vietnamese_words : &english;
	const json_t *policy = json_object_get(answer, "policy"), *word;
	size_t i;

	put(out, name);
	cv_buf_c(out, '\n');
	put_verdict(answer, w, vietnamese, out);
	put_rules(answer, w, vietnamese, out);
	json_array_foreach (policy, i, word)
		put_line(out, w->policy, json_string_value(word));
	put_vouching(answer, w, out);
	spam_classify_text(json_object_get(answer, "classifier"), vietnamese, out);
	put_envelope(answer, w, out);
}
