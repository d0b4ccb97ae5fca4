/* letter.c - see letter.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/letter.h"

#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"

/* ---- writing ---- */

static void
write_part(const char *type, struct cv_str text, struct cv_buf *out)
{
	struct cv_base64_writer w = {0};

	cv_buf_printf(out,
		"Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		type);
	cv_base64_write(&w, text, out);
	cv_base64_write_end(&w, out);
}

/* No line of base64 begins with "-", so the boundary cannot occur in a part. */
static void
write_body(const struct imapd_letter *l, uint64_t number, struct cv_buf *out)
{
	if (!l->html.n) {
		write_part("text/plain", l->text, out);
		return;
	}
	cv_buf_printf(out,
		"Content-Type: multipart/alternative; boundary=\"-=%016llx\"\r\n\r\n---=%016llx\r\n",
		(unsigned long long)number, (unsigned long long)number);
	write_part("text/plain", l->text, out);
	cv_buf_printf(out, "\r\n---=%016llx\r\n", (unsigned long long)number);
	write_part("text/html", l->html, out);
	cv_buf_printf(out, "\r\n---=%016llx--\r\n", (unsigned long long)number);
}

void
imapd_letter_write(
	const struct imapd_config *config, const struct imapd_letter *l, struct cv_buf *out)
{
	struct cv_buf value = CV_BUF_INIT(2000);
	const char *hostname = config->common->hostname;
	uint64_t number = cv_random_u64();

	cv_buf_z(out, "Date: ");
	cv_date_write_mail(out, cv_date_at(cv_wall_secs(), CV_ZONE_VIETNAM));
	cv_buf_z(out, "\r\n");
	cv_phrase_encode(CV_STR("Hệ thống thư công vụ"), &value);
	cv_buf_printf(&value, " <MAILER-DAEMON@%s>", hostname);
	cv_header_fold_tokens(out, "From", cv_buf_view(&value));
	cv_buf_reset(&value);
	cv_buf_printf(&value, "<%.*s>", CV_STR_ARGS(l->to));
	cv_header_fold_tokens(out, "To", cv_buf_view(&value));
	cv_buf_done(&value);
	cv_header_fold(out, "Subject", l->subject);
	cv_buf_printf(out,
		"Message-ID: <%016llx.%s@%s>\r\nAuto-Submitted: auto-generated\r\n"
		"MIME-Version: 1.0\r\n",
		(unsigned long long)number, l->kind, hostname);
	write_body(l, number, out);
}

/* ---- putting ---- */

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
};

static void
delivered(struct cv_delivery *d)
{
	struct waiting *w = d->arg;

	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	pthread_cond_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
}

enum cv_status
imapd_put(struct imapd *d, cv_acct_id acct, struct cv_str folder, struct cv_str id,
	struct cv_str prefix, struct cv_spool *message, bool *is_new_out, struct cv_err *err)
{
	struct cv_deliver_rcpt rcpt = {
		.acct = acct, .folder = folder, .result = CV_TEMPFAIL};
	struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
	struct cv_delivery delivery = {.id = id,
		.prefix = prefix,
		.message = message,
		.rcpts = &rcpt,
		.rcpt_count = 1,
		.done = delivered,
		.arg = &w};

	cv_deliver(d->deliverer, &delivery);
	pthread_mutex_lock(&w.lock);
	while (!w.is_done)
		pthread_cond_wait(&w.done, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.done);
	pthread_mutex_destroy(&w.lock);
	if (is_new_out)
		*is_new_out = !rcpt.duplicate;
	return rcpt.result ? cv_fail(err, rcpt.result, "the message was not taken: %s",
				     cv_status_name(rcpt.result))
			   : CV_OK;
}

enum cv_status
imapd_letter_put(struct imapd *d, const struct imapd_letter *l, cv_acct_id acct, struct cv_str id,
	bool *is_new_out, struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(8u << 20);
	struct cv_spool spool;

	imapd_letter_write(imapd_config(d), l, &text);
	if (text.full) {
		cv_buf_done(&text);
		return cv_fail(err, CV_LIMIT, "the letter is too long");
	}
	cv_spool_init(&spool, cv_store_spool_dir(d->store));
	enum cv_status status = cv_spool_write(&spool, cv_buf_view(&text), err);
	if (!status)
		status = imapd_put(d, acct, CV_STR_EMPTY, id,
			CV_STR("Return-Path: <>\r\n"), &spool, is_new_out, err);
	cv_spool_done(&spool);
	cv_buf_done(&text);
	return status;
}
