/* envelope.c - see envelope.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/envelope.h"

#include "smtpd/filters.h"
#include "smtpd/note.h"

enum cv_step
smtpd_envelope_refuse(struct smtpd_session *s, enum smtpd_reply reply)
{
	size_t before = cv_conn_out(s->conn)->n;

	atomic_fetch_add(&s->server->counters.refused, 1);
	smtpd_note_refused(s, smtpd_reply_code(reply), smtpd_reply_enhanced(reply),
		smtpd_reply_words(reply));
	smtpd_session_refuse(s, reply);
	return smtpd_filters_refused(s, before);
}

enum cv_step
smtpd_envelope_refuse_decision(struct smtpd_session *s, const struct cv_decision *d)
{
	size_t before = cv_conn_out(s->conn)->n;

	/* Staff may have a list with people who left; outside it is how addresses are guessed. */
	if (d->smtp_code >= 500 && !s->authed)
		s->errors++;
	atomic_fetch_add(&s->server->counters.refused, 1);
	smtpd_note_refused(s, d->smtp_code, d->enhanced, d->rule);
	smtpd_reply_decision(cv_conn_out(s->conn), d, s->tx && s->tx->smtputf8);
	return smtpd_filters_refused(s, before);
}

/* "FROM:" or "TO:" and what stands behind it, blanks before the path allowed as many devices send.
 */
bool
smtpd_envelope_word(struct cv_str *args, const char *word)
{
	if (!cv_str_has_iprefix(*args, word))
		return false;
	*args = cv_str_sub(*args, strlen(word), args->n);
	return true;
}

bool
smtpd_envelope_has_8bit(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return true;
	return false;
}

/* A sender is kept as local@domain with the domain in A-labels, unless SMTPUTF8 keeps both. */
enum cv_status
smtpd_envelope_keep(struct smtpd_tx *tx, const struct cv_path *path, struct cv_str *out)
{
	struct cv_buf text = CV_BUF_INIT(CV_PATH_MAX * 2);
	enum cv_status status = cv_path_normalise(path, &text, NULL);

	if (status == CV_OK)
		*out = cv_arena_str(&tx->arena, cv_buf_view(&text));
	cv_buf_done(&text);
	return status;
}

/* The two halves of a normalised address: the last @ divides. */
void
smtpd_envelope_split(struct cv_str address, struct cv_str *local, struct cv_str *domain)
{
	size_t at = address.n;

	while (at && address.p[at - 1] != '@')
		at--;
	*local = cv_str_sub(address, 0, at ? at - 1 : address.n);
	*domain = at ? cv_str_sub(address, at, address.n) : CV_STR_EMPTY;
}
