/* answers_text.c - what answers by machine look like (answers.h). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/date.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"
#include "smtpd/answers.h"

#define REFERENCES_MAX 1500u
#define SUBJECT_MAX    500u

static void
write_references(const struct smtpd_answers_text *t, struct cv_buf *out)
{
	struct cv_buf all = CV_BUF_INIT(REFERENCES_MAX);
	struct cv_str rest = t->message_id, id, own = CV_STR_EMPTY;

	if (cv_msgid_next(&rest, &own) && own.n < 300)
		cv_buf_printf(out, "In-Reply-To: <%.*s>\r\n", CV_STR_ARGS(own));
	for (rest = t->references; cv_msgid_next(&rest, &id);)
		if (id.n < 300 && all.n + id.n < REFERENCES_MAX - 310)
			cv_buf_printf(&all, "%s<%.*s>", all.n ? " " : "", CV_STR_ARGS(id));
	if (own.n && own.n < 300)
		cv_buf_printf(&all, "%s<%.*s>", all.n ? " " : "", CV_STR_ARGS(own));
	if (all.n)
		cv_header_fold_tokens(out, "References", cv_buf_view(&all));
	cv_buf_done(&all);
}

static void
write_absence(const struct smtpd_answers_text *t, struct cv_buf *out)
{
	struct cv_str parts[] = { t->vi, t->en };
	bool any = false;

	for (size_t i = 0; i < CV_COUNT(parts); i++) {
		struct cv_str rest = cv_str_trim(parts[i]), line;
		if (rest.n && any)
			cv_buf_z(out, "\r\n-- English --\r\n\r\n");
		any |= rest.n > 0;
		while (rest.n && cv_str_split(&rest, '\n', &line)) {
			if (line.n && line.p[line.n - 1] == '\r')
				line.n--;
			cv_buf_str(out, line);
			cv_buf_z(out, "\r\n");
		}
	}
}

static void
write_receipt(const struct smtpd_answers_text *t, struct cv_str subject, struct cv_buf *out)
{
	cv_buf_printf(out, "%.*s đã nhận được thư của Ông/Bà.\r\n\r\nTiêu đề: %.*s\r\nLúc: ",
		CV_STR_ARGS(t->from_name), CV_STR_ARGS(subject));
	cv_date_write_vn_time(out, cv_date_at(t->now_secs, CV_ZONE_VIETNAM));
	cv_buf_printf(out, " (giờ Việt Nam)\r\nMã nhận: %.*s\r\n\r\n"
		"Thông báo này do máy gửi, nhiều nhất một lần mỗi ngày cho một người gửi. Thông báo chỉ\r\n"
		"xác nhận thư đã đến hộp thư, không thay cho việc tiếp nhận hồ sơ, văn bản.\r\n\r\n"
		"-- English --\r\n\r\nYour mail has reached the mailbox of this office (reference "
		"%.*s).\r\nThis notice is sent by a machine, at most once a day.\r\n",
		CV_STR_ARGS(t->delivery_id), CV_STR_ARGS(t->delivery_id));
}

/* Without what could look like lines of ours. */
static void
decode_subject(struct cv_str raw, struct cv_buf *out)
{
	cv_words_decode(cv_str_sub(raw, 0, SUBJECT_MAX), CV_STR("utf-8"), out);
	for (size_t i = 0; i < out->n; i++)
		if ((unsigned char)out->p[i] < ' ')
			out->p[i] = ' ';
}

static void
write_body(const struct smtpd_answers_text *t, struct cv_str subject, struct cv_buf *out)
{
	struct cv_base64_writer w = { .n = 0 };
	struct cv_buf text = CV_BUF_INIT(16u << 10);

	if (t->is_receipt)
		write_receipt(t, subject, &text);
	else
		write_absence(t, &text);
	cv_base64_write(&w, cv_buf_view(&text), out);
	cv_base64_write_end(&w, out);
	cv_buf_done(&text);
}

void
smtpd_answers_compose(const struct smtpd_answers_text *t, struct cv_buf *out)
{
	struct cv_buf value = CV_BUF_INIT(4000), subject = CV_BUF_INIT(4000);
	struct cv_buf title = CV_BUF_INIT(4000);

	decode_subject(t->subject, &subject);
	cv_phrase_encode(t->from_name, &value);
	cv_buf_printf(&value, " <%.*s>", CV_STR_ARGS(t->from));
	cv_header_fold_tokens(out, "From", cv_buf_view(&value));
	cv_buf_printf(out, "To: <%.*s>\r\n", CV_STR_ARGS(t->to));
	cv_buf_z(&title, t->is_receipt ? "Đã nhận được thư: "
		: t->vi.n ? "Trả lời tự động: " : "Auto: ");
	cv_buf_str(&title, cv_buf_view(&subject));
	cv_header_fold(out, "Subject", cv_buf_view(&title));
	cv_buf_z(out, "Date: ");
	cv_date_write_mail(out, cv_date_at(t->now_secs, CV_ZONE_VIETNAM));
	cv_buf_printf(out, "\r\nMessage-ID: <%s.answer@%s>\r\n", t->id, t->hostname);
	write_references(t, out);
	cv_buf_z(out, "Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n");
	write_body(t, cv_buf_view(&subject), out);
	cv_buf_done(&value);
	cv_buf_done(&subject);
	cv_buf_done(&title);
}
