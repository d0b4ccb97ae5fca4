/* qr.c - links that hide in pictures as QR codes: found by congvu-extract, added to the walk.
 *
 * The texts of codes are of the message: never to be logged.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/extract/extract.h"
#include "spamfilter/judge.h"
#include "spamfilter/walk/walk_impl.h"

#define PICTURES_MAX   10u
#define PICTURE_MIN    100u       /* octets: no PNG with a code is smaller */
#define PICTURE_MAX    (4u << 20) /* what the program takes */
#define TEXT_MAX       (64u << 10)
#define LITTLE_TEXT    200 /* letters that a reader sees */
#define WEIGHT         1.0 /* as the rule's row has it */
#define WEIGHT_NO_TEXT 0.8
#define WEIGHT_ASKS    1.0

static bool
is_candidate(const struct spam_file *f)
{
	return f->kind == SPAM_FILE_IMAGE && !f->level && f->size_bytes >= PICTURE_MIN &&
	       f->size_bytes <= PICTURE_MAX;
}

/* Adds the links of file number FILE; false: it is of no use to ask for more. */
static bool
read_picture(struct spam_mail *m, size_t file, int64_t end_ms)
{
	struct cv_buf octets = CV_BUF_INIT(PICTURE_MAX + 1024), text = CV_BUF_INIT(TEXT_MAX);
	enum cv_extract_outcome outcome = CV_EXTRACT_TOO_LARGE;
	int64_t left_ms = end_ms - cv_mono_ms();
	struct spam_walk *w = m->walk;

	if (left_ms <= 0)
		return false;
	if (spam_walk_file_bytes(w, file, &octets) == CV_OK)
		outcome = cv_extract_text(
			m->server->extract, cv_buf_view(&octets), (unsigned)left_ms, &text);
	spam_walk_add_urls_of(w, w->files[file].part, SPAM_URL_QR, cv_buf_view(&text));
	cv_log(m->id, CV_DEBUG, "msg.picture", "id=%s outcome=%s bytes=%zu text=%zu", m->queue_id,
		cv_extract_outcome_name(outcome), octets.n, text.n);
	cv_buf_done(&octets);
	cv_buf_done(&text);
	if (outcome == CV_EXTRACT_AWAY)
		atomic_fetch_add(&m->server->documents_away, 1);
	return outcome != CV_EXTRACT_AWAY;
}

/* Whether the mail tells its reader to scan or to log in; in the walk's folded letters. */
static bool
asks_to_log_in(const struct spam_walk *w)
{
	static const char *const words[] = {"quet ma", "ma qr", "dang nhap", "mat khau", "xac thuc",
		"xac minh", "qr code", "scan the", "log in", "login", "sign in", "password",
		"verify", "authenticat", "2fa", "mfa"};
	const struct cv_str texts[] = {spam_walk_folded_subject(w), spam_walk_folded(w)};

	for (size_t i = 0; i < CV_COUNT(texts); i++)
		for (size_t k = 0; k < CV_COUNT(words); k++)
			if (cv_str_search(texts[i], cv_str_z(words[k])) < texts[i].n)
				return true;
	return false;
}

/* A link that the message has nowhere else counts: one that is written out, too, hides nothing. */
static void
report_links(struct spam_mail *m)
{
	const struct spam_walk *w = m->walk;
	bool is_bare = w->visible_letters < LITTLE_TEXT, asks = asks_to_log_in(w);

	for (size_t i = 0; i < w->url_count; i++) {
		if (w->urls[i].source != SPAM_URL_QR ||
			spam_is_ours(m->server, m->snap, w->urls[i].host) ||
			spam_is_ours(m->server, m->snap, w->urls[i].organisation))
			continue;
		spam_found_weight(m, SPAM_RULE_QR_LINK,
			WEIGHT + (is_bare ? WEIGHT_NO_TEXT : 0) + (asks ? WEIGHT_ASKS : 0),
			"%.*s%s%s", CV_STR_ARGS(w->urls[i].host), is_bare ? " hardly any text" : "",
			asks ? " asks to scan or log in" : "");
		return;
	}
}

void
spam_examine_qr(struct spam_mail *m)
{
	unsigned asked = 0;

	if (!m->opt->qr_codes || !m->walk || !m->server->extract ||
		!cv_extract_reads_qr(m->server->extract))
		return;
	int64_t within_ms =
		CV_MIN((int64_t)spam_mail_wait_ms(m), (int64_t)(m->opt->documents_secs * 1000));
	int64_t end_ms = cv_mono_ms() + within_ms;
	for (size_t i = 0; i < m->walk->file_count && asked < PICTURES_MAX; i++) {
		if (!is_candidate(&m->walk->files[i]))
			continue;
		if (!asked++ && m->progress)
			m->progress(m->progress_arg);
		if (!read_picture(m, i, end_ms))
			break;
	}
	if (!asked)
		return;
	spam_report_urls(m);
	report_links(m);
}
