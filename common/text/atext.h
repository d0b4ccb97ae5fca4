/* atext.h - the characters an atom is made of, for the readers and writers of addresses. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_ATEXT_H
#define CV_ATEXT_H

#include "common/base/str.h"

/* ATEXT of RFC 5322 section 3.2.3: ASCII only. */
static inline bool
cv_is_atext(unsigned char c)
{
	return cv_is_alpha(c) || cv_is_digit(c) ||
	       (c > ' ' && c < 127 && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

#endif
