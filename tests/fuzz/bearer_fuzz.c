/* fuzz: register */
/* bearer_fuzz.c - OAUTHBEARER and XOAUTH2 messages: what is taken has a token of the grammar and a
 * name without line ends, and both lie inside the message. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/bearer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct cv_str message, const struct cv_buf *user, struct cv_str token)
{
	assert(token.n && token.n <= BEARER_TOKEN_MAX);
	assert(token.p >= message.p && token.p + token.n <= message.p + message.n);
	assert(!memchr(token.p, 0, token.n) && !memchr(token.p, 1, token.n));
	assert(!memchr(token.p, ' ', token.n));
	assert(!user->n || (!memchr(user->p, 0, user->n) && !memchr(user->p, 1, user->n)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str message = cv_str((const char *)data, size), token;
	struct cv_buf user = CV_BUF_INIT(320);
	if (bearer_parse_oauthbearer(message, &user, &token))
		check(message, &user, token);
	cv_buf_reset(&user);
	if (bearer_parse_xoauth2(message, &user, &token))
		check(message, &user, token);
	cv_buf_done(&user);
	return 0;
}
