/* bearer.c - see bearer.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/bearer.h"

#define SEPARATOR '\1'

/* b64token of RFC 6750 2.1. */
static bool
is_token(struct cv_str s)
{
	size_t n = s.n;
	while (n && s.p[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!cv_is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c && strchr("-._~+/", c)))
			return false;
	}
	return n > 0 && s.n <= BEARER_TOKEN_MAX;
}

static bool
take_bearer(struct cv_str value, struct cv_str *token_out)
{
	if (!cv_str_has_iprefix(value, "Bearer "))
		return false;
	*token_out = cv_str_trim(cv_str_sub(value, 7, value.n));
	return is_token(*token_out);
}

static bool
is_key(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z')))
			return false;
	return s.n > 0;
}

/* "key=value\1" pairs and a last \1; other keys than auth are let be, auth stands once. */
static bool
take_pairs(struct cv_str rest, struct cv_str *token_out)
{
	bool found = false;
	while (rest.n && rest.p[0] != SEPARATOR) {
		size_t end = cv_str_find(rest, SEPARATOR, 0), eq = cv_str_find(rest, '=', 0);
		if (end == rest.n || eq >= end || !is_key(cv_str_sub(rest, 0, eq)))
			return false;
		struct cv_str value = cv_str_sub(rest, eq + 1, end);
		if (cv_str_eq_z(cv_str_sub(rest, 0, eq), "auth")) {
			if (found || !take_bearer(value, token_out))
				return false;
			found = true;
		}
		rest = cv_str_sub(rest, end + 1, rest.n);
	}
	return found && rest.n == 1;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign. */
static bool
decode_name(struct cv_str in, struct cv_buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		struct cv_str code = cv_str_sub(in, i, i + 3);
		if (in.p[i] != '=')
			cv_buf_c(out, in.p[i]);
		else if (cv_str_eq_z(code, "=2C"))
			cv_buf_c(out, ',');
		else if (cv_str_eq_z(code, "=3D"))
			cv_buf_c(out, '=');
		else
			return false;
		i += in.p[i] == '=' ? 2 : 0;
	}
	return !out->full;
}

bool
bearer_parse_oauthbearer(struct cv_str message, struct cv_buf *user, struct cv_str *token_out)
{
	struct cv_str head, rest = message, flag, name;
	if (memchr(message.p ? message.p : "", 0, message.n) ||
	    !cv_str_split(&rest, SEPARATOR, &head) || !rest.p)
		return false;
	/* gs2-header: no channel binding belongs to this mechanism. */
	if (!cv_str_split(&head, ',', &flag) || !cv_str_split(&head, ',', &name) || head.n ||
	    !(cv_str_eq_z(flag, "n") || cv_str_eq_z(flag, "y")))
		return false;
	if (name.n && (!cv_str_has_prefix(name, "a=") ||
	               !decode_name(cv_str_sub(name, 2, name.n), user)))
		return false;
	return take_pairs(rest, token_out);
}

bool
bearer_parse_xoauth2(struct cv_str message, struct cv_buf *user, struct cv_str *token_out)
{
	struct cv_str head, rest = message;
	if (memchr(message.p ? message.p : "", 0, message.n) ||
	    !cv_str_split(&rest, SEPARATOR, &head) || !rest.p ||
	    !cv_str_has_prefix(head, "user="))
		return false;
	cv_buf_str(user, cv_str_sub(head, 5, head.n));
	return user->n && !user->full && take_pairs(rest, token_out);
}
