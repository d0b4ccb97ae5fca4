/* judge.c - see judge.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/judge.h"

#include "common/base/log.h"
#include "common/text/encoded_word.h"

#define AGENCIES_MAX 200  /* counted for one message */
#define SUBJECT_MAX  4096 /* octets of the raw field that are decoded */

/* In this order. */
static const struct {
	void (*fn)(struct spam_mail *m);
	enum {
		IN_BUDGET = 0,
		ALWAYS = 1,       /* even when looking at the message has cost too much */
		LARGE_HEADER = 2, /* even when its header was too large to be kept */
		ROOM = 4,         /* only with room for it (room.h): what takes much memory */
		CONTENT = 8       /* only where option examine_content says so */
	} runs;
} examiners[] = {
	{spam_examine_limits,           ALWAYS | LARGE_HEADER  },
	{spam_examine_authentication,   ALWAYS                 },
	{spam_examine_author,           ALWAYS                 },
	{spam_examine_dmarc,            ALWAYS                 },
	{spam_examine_forged,           ALWAYS                 },
	{spam_examine_imitation,        ALWAYS                 },
	{spam_examine_walk,             ALWAYS | ROOM | CONTENT},
	{spam_examine_qr,               CONTENT                },
	{spam_examine_secrecy,          ALWAYS | CONTENT       },
	{spam_examine_document_secrecy, ALWAYS | CONTENT       },
	{spam_examine_virus,            ALWAYS                 },
	{spam_examine_phishing,         CONTENT                },
	{spam_examine_signup,           CONTENT                },
	{spam_examine_advertising,      CONTENT                },
	{spam_examine_burst,            ALWAYS                 },
	{spam_examine_lists,            IN_BUDGET              },
	{spam_examine_copies,           ROOM | CONTENT         },
	{spam_examine_letters,          ALWAYS                 },
	{spam_examine_reputation,       ALWAYS                 },
	{spam_examine_classifier,       ROOM | CONTENT         },
};

/* Once the action is known, in this order. */
static const struct {
	void (*fn)(struct spam_mail *m);
	bool at_mail; /* also for what was refused at MAIL: no recipient, no header, no body */
} after[] = {
	{spam_after_counters,   true },
	{spam_after_log,        true },
	{spam_after_agencies,   true },
	{spam_after_signup,     false},
	{spam_after_report,     false},
	{spam_after_dmarc,      false},
	{spam_after_free_mail,  false},
	{spam_after_burst,      false},
	{spam_after_copies,     false},
	{spam_after_letters,    false},
	{spam_after_greylist,   false},
	{spam_after_reputation, false},
};

/* ---- limits ---- */

const struct cv_decision spam_busy = {.verdict = CV_DEFER,
	.rule = "LIMIT.busy",
	.smtp_code = 451,
	.enhanced = "4.3.2",
	.en = "The filter has too much to do: send the message again in some minutes.",
	.vi = "Bộ lọc thư đang quá tải: hãy gửi lại sau vài phút."};

void
spam_examine_limits(struct spam_mail *m)
{
	static const struct cv_decision too_large = {.verdict = CV_REFUSE,
		.rule = "LIMIT.header",
		.smtp_code = 552,
		.enhanced = "5.3.4",
		.en = "The header of the message is larger than one megabyte.",
		.vi = "Phần đầu thư lớn hơn một megabyte."};

	if (!m->header_too_large)
		return;
	spam_found(m, SPAM_RULE_HEADER_TOO_LARGE, "%s", "");
	spam_want(m, SPAM_REFUSE, &too_large);
}

/* ---- the action ---- */

/* SPM-02: citizens write to agencies and their role boxes; nothing they send there is lost by a
 * guess. A group may hold such a box. */
static bool
is_public_box(const struct spam_mail *m, struct cv_str address, const struct cv_reg_hit *hit)
{
	struct cv_str rest = cv_str_z(m->opt->public_boxes), word;
	size_t at = cv_str_find(address, '@', 0);

	if (hit->found == CV_REG_GROUP ||
		(hit->found == CV_REG_ACCOUNT &&
			(hit->account.kind == CV_KIND_AGENCY || hit->account.kind == CV_KIND_ROLE)))
		return true;
	while (cv_str_split(&rest, ' ', &word))
		if (word.n && cv_str_ieq(word, word.p[0] == '@' ? cv_str_sub(address, at, address.n)
								: address))
			return true;
	return false;
}

static double
option_score(const char *value)
{
	double score;

	return spam_score_parse(cv_str_z(value), &score) ? score : SPAM_SCORE_OFF;
}

/* One answer serves all recipients, so of their thresholds the highest counts, and one public box
 * is enough to keep the mail from being refused. */
struct limits {
	double thresholds[SPAM_ACTIONS];
	bool has_public_box;
};

static void
find_limits(const struct spam_mail *m, struct limits *out)
{
	const double defaults[SPAM_ACTIONS] = {
		[SPAM_MARK] = option_score(m->opt->score_mark),
		[SPAM_JUNK] = option_score(m->opt->score_junk),
		[SPAM_GREYLIST] = option_score(m->opt->score_greylist),
		[SPAM_QUARANTINE] = option_score(m->opt->score_quarantine),
		[SPAM_REFUSE] = option_score(m->opt->score_refuse),
	};

	*out = (struct limits){0};
	memcpy(out->thresholds, defaults, sizeof defaults);
	for (size_t i = 0; i < m->rcpt_count; i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(m->snap, m->rcpts[i], &hit);
		bool is_ours = hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP;
		struct cv_str agency = is_ours ? hit.account.agency : CV_STR_EMPTY;
		out->has_public_box |= is_public_box(m, m->rcpts[i], &hit);
		for (enum spam_action a = SPAM_MARK; a < SPAM_ACTIONS; a++) {
			double t =
				spam_weights_threshold(m->policy->weights, agency, a, defaults[a]);
			out->thresholds[a] = i ? CV_MAX(out->thresholds[a], t) : t;
		}
	}
}

static enum spam_action
action_of_score(const struct limits *limits, double score)
{
	/* Sums of decimals fall a little short of what people add up. */
	for (enum spam_action a = SPAM_REFUSE; a > SPAM_PASS; a--)
		if (score + 1e-6 >= limits->thresholds[a])
			return a;
	return SPAM_PASS;
}

void
spam_decide(struct spam_mail *m)
{
	struct spam_verdict *v = &m->verdict;
	enum spam_action by_score = SPAM_PASS;
	struct limits limits;

	v->score = 0;
	for (size_t i = 0; i < v->count; i++)
		v->score += v->found[i].weight;
	/* What staff submit is refused by rules, never by a sum. */
	if (!m->is_submission) {
		find_limits(m, &limits);
		by_score = action_of_score(&limits, v->score);
		if (by_score == SPAM_REFUSE && limits.has_public_box) {
			by_score = SPAM_QUARANTINE;
			v->softened = v->wanted < SPAM_REFUSE;
		}
	}
	/* Put off once is enough: what is left of its score is a reason to set it apart. */
	if (by_score == SPAM_GREYLIST && v->wanted < SPAM_GREYLIST && spam_greylist_is_over(m)) {
		spam_found(m, SPAM_RULE_CAME_AGAIN, "%s", "");
		by_score = SPAM_JUNK;
	}
	v->by_score = by_score > v->wanted;
	v->action = CV_MAX(by_score, v->wanted);
}

/* ---- the whole ---- */

static void
decode_subject(struct spam_mail *m)
{
	struct cv_buf subject = CV_BUF_INIT(8u << 10);
	const struct spam_header_field *f = spam_mail_field(m, "Subject", 0);

	if (f)
		cv_words_decode(cv_str_sub(f->value, 0, SUBJECT_MAX), CV_STR_EMPTY, &subject);
	m->subject = cv_arena_str(&m->arena, cv_buf_view(&subject));
	cv_buf_done(&subject);
}

/* Too many messages are being looked into: this one is asked to come again, or passes without. */
static void
find_no_room(struct spam_mail *m)
{
	spam_found(m, SPAM_RULE_NO_ROOM, "%s", m->opt->overload_action);
	if (strcmp(m->opt->overload_action, "accept") != 0)
		spam_want(m, SPAM_REFUSE, &spam_busy);
}

static void
examine(struct spam_mail *m)
{
	struct spam_room *room = &m->server->room;
	bool has_room = false;

	for (size_t i = 0; i < CV_COUNT(examiners); i++) {
		unsigned runs = examiners[i].runs;
		if (runs & CONTENT && !m->opt->examine_content)
			continue;
		bool is_costly = spam_mail_is_costly(m);
		bool is_due =
			m->header_too_large ? runs & LARGE_HEADER : runs & ALWAYS || !is_costly;
		if (is_due && runs & ROOM && !has_room && !spam_has(m, SPAM_RULE_NO_ROOM)) {
			has_room = spam_room_take(
				room, (unsigned)m->opt->examined_max, m->deadline_ms);
			if (!has_room)
				find_no_room(m);
		}
		if (!(runs & ROOM) && has_room) {
			spam_room_give(room);
			has_room = false;
		}
		if (is_due && (has_room || !(runs & ROOM)))
			examiners[i].fn(m);
	}
	if (has_room)
		spam_room_give(room);
	(void)spam_mail_is_costly(m);
}

void
spam_judge(struct spam_mail *m)
{
	m->snap = cv_register_get(m->server->reg);
	spam_mail_eoh(m);
	spam_mail_budget(m);
	if (m->content)
		cv_content_end(m->content);
	spam_author_read(m, &m->author);
	decode_subject(m);
	examine(m);
	spam_decide(m);
}

void
spam_judged(struct spam_mail *m)
{
	for (size_t i = 0; i < CV_COUNT(after); i++)
		after[i].fn(m);
}

bool
spam_judge_sender(struct spam_mail *m)
{
	spam_examine_spf(m);
	if (m->verdict.wanted < SPAM_REFUSE || !m->verdict.has_refusal)
		return false;
	m->snap = cv_register_get(m->server->reg);
	spam_decide(m);
	for (size_t i = 0; i < CV_COUNT(after); i++)
		if (after[i].at_mail)
			after[i].fn(m);
	return true;
}

void
spam_after_counters(struct spam_mail *m)
{
	struct spam_server *s = m->server;

	atomic_fetch_add(&s->messages, 1);
	atomic_fetch_add(&s->verdicts[m->verdict.action], 1);
	if (m->verdict.action > SPAM_PASS && m->verdict.action < SPAM_REFUSE &&
		m->verdict.action != SPAM_GREYLIST)
		atomic_fetch_add(&s->marked, 1); /* edit.c counts refusals, those at MAIL too */
}

void
spam_after_log(struct spam_mail *m)
{
	const struct spam_verdict *v = &m->verdict;
	struct cv_buf rules = CV_BUF_INIT(4096), dkim = CV_BUF_INIT(256);

	spam_verdict_rules(v, false, &rules);
	for (size_t i = 0; i < m->sig_count; i++)
		cv_buf_printf(&dkim, "%s%s", i ? "," : "", spam_dkim_word(m->sigs[i].result));
	cv_log(m->id, CV_INFO, "msg.judged",
		"id=%s client=%s from=<%.*s> submission=%d spf=%s dkim=%s dmarc=%s verdict=%s "
		"score=%.1f rules=%s",
		m->queue_id, m->client_text, CV_STR_ARGS(m->sender), m->is_submission,
		m->has_spf ? spam_spf_word(m->spf.result) : "-", dkim.n ? dkim.p : "-",
		m->has_dmarc ? spam_dmarc_word(m->dmarc.result) : "-", spam_action_word(v->action),
		v->score, rules.p);
	cv_buf_done(&rules);
	cv_buf_done(&dkim);
}

/* The agencies of the recipients, each once; of what staff submit the sender's. */
void
spam_after_agencies(struct spam_mail *m)
{
	struct cv_str seen[AGENCIES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < (m->is_submission ? 1 : m->rcpt_count); i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(m->snap, m->is_submission ? m->sender : m->rcpts[i], &hit);
		bool is_ours = hit.found == CV_REG_ACCOUNT || hit.found == CV_REG_GROUP;
		struct cv_str agency = is_ours ? hit.account.agency : CV_STR_EMPTY;
		size_t k = 0;
		while (k < count && !cv_str_eq(seen[k], agency))
			k++;
		if (k == count && count < CV_COUNT(seen))
			seen[count++] = agency;
	}
	if (!count)
		seen[count++] = CV_STR_EMPTY;
	for (size_t i = 0; i < count; i++)
		spam_agencies_note(m->server->agencies, seen[i], m->is_submission, &m->verdict);
}
