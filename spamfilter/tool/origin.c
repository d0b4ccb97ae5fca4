/* origin.c - see origin.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/tool/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/text/header.h"

#define RECEIVED_MAX 50

bool
spam_origin_address(struct cv_str text, struct sockaddr_storage *out)
{
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
	char z[64];

	if (cv_str_has_iprefix(text, "IPv6:"))
		text = cv_str_sub(text, 5, text.n);
	if (!text.n || text.n >= sizeof z || memchr(text.p, '\0', text.n))
		return false;
	snprintf(z, sizeof z, "%.*s", CV_STR_ARGS(text));
	*out = (struct sockaddr_storage){0};
	if (inet_pton(AF_INET, z, &four->sin_addr) == 1)
		four->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, z, &six->sin6_addr) == 1)
		six->sin6_family = AF_INET6;
	return out->ss_family != AF_UNSPEC;
}

static struct cv_str
next_word(struct cv_str text, size_t *at)
{
	static const char ends[] = " \t\r\n()";
	size_t start;

	while (*at < text.n && strchr(" \t\r\n", text.p[*at]))
		++*at;
	start = *at;
	while (*at < text.n && !strchr(ends, text.p[*at]))
		++*at;
	return cv_str_sub(text, start, *at);
}

static void
keep(char out[256], struct cv_str word)
{
	snprintf(out, 256, "%.*s", (int)CV_MIN(word.n, 255), word.p ? word.p : "");
}

/* "from HELO (NAME [ADDRESS]) by ..."; Sendmail, Postfix, Exim ("(helo=x)" is left alone),
 * Exchange "(ADDRESS)". */
static bool
read_received(struct cv_str value, struct spam_origin *o)
{
	size_t at = 0, by = cv_str_isearch(value, CV_STR(" by "));
	struct cv_str from = cv_str_sub(value, 0, by);

	if (!cv_str_ieq_z(next_word(from, &at), "from"))
		return false;
	struct cv_str helo = next_word(from, &at);
	size_t open = cv_str_find(from, '[', at), close = cv_str_find(from, ']', open);
	struct cv_str address = cv_str_sub(from, open + 1, close);
	size_t paren = cv_str_find(from, '(', at);
	if (open >= from.n) {
		size_t inside = paren + 1;
		address = paren < from.n ? next_word(from, &inside) : helo;
	}
	if (!spam_origin_address(address, &o->client))
		return false;
	keep(o->helo, helo);
	size_t inside = paren + 1;
	struct cv_str name = paren < from.n ? next_word(from, &inside) : CV_STR_EMPTY;
	bool is_name = name.n && name.p[0] != '[' && !cv_str_ieq_z(name, "unknown") &&
		       cv_str_find(name, '=', 0) >= name.n;
	keep(o->name, is_name ? name : CV_STR_EMPTY);
	return true;
}

void
spam_origin_read(struct cv_str message, const struct cv_netset *inside, struct spam_origin *out)
{
	struct cv_field f;

	*out = (struct spam_origin){0};
	if (cv_header_find(message, "Return-Path", 0, &f)) {
		size_t open = cv_str_find(f.value, '<', 0), close = cv_str_find(f.value, '>', open);
		out->has_sender = close < f.value.n;
		out->sender = cv_str_sub(f.value, open + 1, close);
	}
	for (size_t i = 0; i < RECEIVED_MAX && cv_header_find(message, "Received", i, &f); i++) {
		if (!read_received(f.value, out) || cv_netset_has(inside, &out->client))
			continue;
		out->has_client = true;
		return;
	}
	out->client = (struct sockaddr_storage){0};
	out->helo[0] = out->name[0] = '\0';
}
