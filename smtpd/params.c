/* params.c - see params.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/params.h"

static bool
is_keyword_byte(unsigned char c)
{
	return cv_is_alpha(c) || cv_is_digit(c) || c == '-';
}

static bool
is_keyword(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_keyword_byte((unsigned char)s.p[i]))
			return false;
	return s.n > 0 && s.p[0] != '-';
}

static bool
is_value(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == '=' || c == 127)
			return false;
	}
	return s.n > 0;
}

bool
smtpd_param_next(struct cv_str *rest, struct cv_str *name_out, struct cv_str *value_out,
	bool *has_value_out, bool *bad_out)
{
	*bad_out = false;
	while (rest->n && rest->p[0] == ' ')
		*rest = cv_str_sub(*rest, 1, rest->n);
	if (!rest->n)
		return false;

	size_t end = cv_str_find(*rest, ' ', 0);
	struct cv_str word = cv_str_sub(*rest, 0, end);
	*rest = cv_str_sub(*rest, end, rest->n);

	size_t equals = cv_str_find(word, '=', 0);
	*name_out = cv_str_sub(word, 0, equals);
	*has_value_out = equals < word.n;
	*value_out = *has_value_out ? cv_str_sub(word, equals + 1, word.n) : CV_STR_EMPTY;
	if (!is_keyword(*name_out) || (*has_value_out && !is_value(*value_out))) {
		*bad_out = true;
		return false;
	}
	return true;
}
