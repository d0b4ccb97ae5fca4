/* received.c - the Received-SPF field (RFC 7208 9.1): see spf.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/spf/spf.h"

#include "common/text/atext.h"

static bool
is_dot_atom(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool is_inner_dot = s.p[i] == '.' && i && i + 1 < s.n && s.p[i - 1] != '.';
		if (!is_inner_dot && !cv_is_atext((unsigned char)s.p[i]))
			return false;
	}
	return s.n > 0;
}

static void
put_pair(struct cv_buf *out, const char *key, struct cv_str value)
{
	cv_buf_printf(out, "\n\t%s=", key);
	if (is_dot_atom(value)) {
		cv_buf_str(out, value);
		cv_buf_c(out, ';');
		return;
	}
	cv_buf_c(out, '"');
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		if (c == '"' || c == '\\')
			cv_buf_c(out, '\\');
		cv_buf_c(out, c < ' ' || c > '~' ? '?' : c);
	}
	cv_buf_z(out, "\";");
}

/* Words only of ours in here, and a domain that is clean. */
static void
put_comment(const struct spam_spf_answer *a, const char *client, struct cv_buf *out)
{
	static const char *const sentences[] = {
		[SPAM_SPF_NONE] = "%s publishes no SPF record",
		[SPAM_SPF_NEUTRAL] = "%s says neither yes nor no to %s",
		[SPAM_SPF_PASS] = "%s designates %s as permitted sender",
		[SPAM_SPF_FAIL] = "%s does not designate %s as permitted sender",
		[SPAM_SPF_SOFTFAIL] = "%s does not designate %s as permitted sender, in transition",
		[SPAM_SPF_TEMPERROR] = "the record of %s could not be looked up now",
		[SPAM_SPF_PERMERROR] = "the record of %s cannot be interpreted",
	};
	const char *sentence = sentences[a->result], *at = strstr(sentence, "%s");
	const char *second = strstr(at + 2, "%s");

	cv_buf_c(out, '(');
	cv_buf_add(out, sentence, (size_t)(at - sentence));
	for (const char *c = a->domain[0] ? a->domain : "the sender"; *c; c++) {
		if (strchr("()\\", *c))
			cv_buf_c(out, '\\');
		cv_buf_c(out, *c);
	}
	if (second) {
		cv_buf_add(out, at + 2, (size_t)(second - at - 2));
		cv_buf_z(out, client);
		at = second;
	}
	cv_buf_z(out, at + 2);
	cv_buf_c(out, ')');
}

void
spam_spf_received(const struct spam_spf_ask *ask, const struct spam_spf_answer *a,
	const char *client, struct cv_buf *out)
{
	struct cv_buf sender = CV_BUF_INIT(1024);

	cv_buf_printf(out, "%s\n\t", spam_spf_word(a->result));
	put_comment(a, client, out);
	if (ask->receiver.n)
		put_pair(out, "receiver", ask->receiver);
	put_pair(out, "client-ip", cv_str_z(client));
	if (ask->domain.n) {
		cv_buf_str(&sender, ask->local);
		cv_buf_c(&sender, '@');
		cv_buf_str(&sender, ask->domain);
	}
	put_pair(out, "envelope-from", cv_buf_view(&sender));
	put_pair(out, "helo", cv_str_sub(ask->helo, 0, 255));
	put_pair(out, "identity", a->by_helo ? CV_STR("helo") : CV_STR("mailfrom"));
	if (a->mechanism[0])
		put_pair(out, "mechanism", cv_str_z(a->mechanism));
	if (a->why[0])
		put_pair(out, "problem", cv_str_z(a->why));
	if (out->n && out->p[out->n - 1] == ';')
		out->p[--out->n] = '\0';
	cv_buf_done(&sender);
}
