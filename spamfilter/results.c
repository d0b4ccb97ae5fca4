/* results.c - see results.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/results.h"

#include "spamfilter/auth.h"
#include "spamfilter/authres.h"

static void
write_spf(const struct spam_mail *m, struct cv_buf *out)
{
	if (m->auth.has_helo_spf) {
		spam_authres_result(out, "spf", spam_spf_word(m->auth.helo_spf.result), "");
		spam_authres_property(out, "smtp.helo", cv_str_z(m->auth.helo_spf.domain));
	}
	if (!m->has_spf)
		return;
	spam_authres_result(out, "spf", spam_spf_word(m->spf.result), m->spf.why);
	if (m->spf.by_helo)
		spam_authres_property(out, "smtp.helo", cv_str_z(m->spf.domain));
	else
		spam_authres_property(out, "smtp.mailfrom", m->sender);
}

static void
write_dkim(const struct spam_mail *m, struct cv_buf *out)
{
	if (!m->verifier)
		return;
	if (!m->sig_count)
		spam_authres_result(out, "dkim", "none", "");
	for (size_t i = 0; i < m->sig_count; i++) {
		const struct spam_dkim_signature *sig = &m->sigs[i];
		spam_authres_result(out, "dkim", spam_dkim_word(sig->result), sig->why);
		spam_authres_property(out, "header.d", cv_str_z(sig->domain));
		spam_authres_property(out, "header.s", cv_str_z(sig->selector));
		spam_authres_property(out, "header.a", cv_str_z(sig->alg));
		spam_authres_property(out, "header.b", cv_str_z(sig->b));
	}
}

/* RFC 8617 10.2. */
static void
write_arc(const struct spam_mail *m, struct cv_buf *out)
{
	const struct spam_arc_answer *arc = &m->auth.arc;
	char note[300] = "";

	if (!m->auth.has_arc)
		return;
	if (arc->result == SPAM_ARC_PASS)
		snprintf(note, sizeof note, "i=%u by %s", arc->count,
			arc->hops[arc->count - 1].sealer);
	else
		snprintf(note, sizeof note, "%s", arc->why);
	spam_authres_result(out, "arc", spam_arc_word(arc->result), note);
	if (arc->result != SPAM_ARC_NONE)
		spam_authres_property(out, "smtp.remote-ip", cv_str_z(m->client_text));
}

static void
write_iprev(const struct spam_mail *m, struct cv_buf *out)
{
	if (!m->auth.has_iprev)
		return;
	spam_authres_result(out, "iprev", spam_iprev_word(m->auth.iprev), "");
	spam_authres_property(out, "policy.iprev", cv_str_z(m->client_text));
}

/* RFC 7281. */
static void
write_smime(const struct spam_mail *m, struct cv_buf *out)
{
	const struct spam_smime_answer *s = &m->auth.smime;

	if (!m->auth.has_smime || s->result == SPAM_SMIME_NONE)
		return;
	spam_authres_result(out, "smime", spam_smime_word(s->result), s->why);
	spam_authres_property(out, "body.smime-part", cv_str_z(s->part));
	spam_authres_property(out, "body.smime-identifier", cv_str_z(s->signer));
	spam_authres_property(out, "body.smime-serial", cv_str_z(s->serial));
	spam_authres_property(out, "body.smime-issuer", cv_str_z(s->issuer));
}

void
spam_results_write(const struct spam_mail *m, struct cv_buf *out)
{
	write_spf(m, out);
	write_dkim(m, out);
	write_arc(m, out);
	write_iprev(m, out);
	write_smime(m, out);
}

bool
spam_results_received_spf(const struct spam_mail *m, struct cv_buf *out)
{
	struct spam_spf_ask ask;

	if (!m->has_spf)
		return false;
	spam_auth_spf_ask(m, &ask);
	spam_spf_received(&ask, &m->spf, m->client_text, out);
	return true;
}
