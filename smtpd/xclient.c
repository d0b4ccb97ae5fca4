/* xclient.c - see xclient.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/xclient.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/base/buf.h"
#include "common/text/encode.h"

#define VALUE_MAX 255 /* octets after decoding */

/* Bytes that can stand in a host's name, and nothing that could end a field or a log line. */
static bool
take_name(struct cv_str value, char *out, size_t room)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	if (!value.n || value.n >= room)
		return false;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return true;
}

/* What EHLO may say, and what a log-in may be. */
static bool
take_word(struct cv_str value, char *out, size_t room)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (c <= ' ' || c >= 127 || strchr("()<>,;\\\"", c))
			return false;
	}
	if (!value.n || value.n >= room)
		return false;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return true;
}

static bool
take_addr(struct cv_str value, struct sockaddr_storage *out)
{
	char text[INET6_ADDRSTRLEN];
	bool v6 = cv_str_has_iprefix(value, "IPV6:");

	if (v6)
		value = cv_str_sub(value, 5, value.n);
	if (!value.n || value.n >= sizeof text || memchr(value.p, '\0', value.n))
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	memset(out, 0, sizeof *out);
	out->ss_family = v6 ? AF_INET6 : AF_INET;
	void *ip = v6 ? (void *)&((struct sockaddr_in6 *)out)->sin6_addr
		      : (void *)&((struct sockaddr_in *)out)->sin_addr;
	return inet_pton(out->ss_family, text, ip) == 1;
}

static bool
take_port(struct cv_str value, uint16_t *out)
{
	uint64_t port;

	if (value.n > 5 || cv_str_u64(value, 65535, &port))
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool
take_proto(struct cv_str value, bool *extended_out)
{
	*extended_out = cv_str_ieq_z(value, "ESMTP");
	return *extended_out || cv_str_ieq_z(value, "SMTP");
}

static const struct {
	const char *name;
	enum smtpd_xclient_attribute attribute;
} attributes[] = {
	{"NAME",     XCLIENT_NAME    },
	{"ADDR",     XCLIENT_ADDR    },
	{"PORT",     XCLIENT_PORT    },
	{"PROTO",    XCLIENT_PROTO   },
	{"HELO",     XCLIENT_HELO    },
	{"LOGIN",    XCLIENT_LOGIN   },
	{"DESTADDR", XCLIENT_DESTADDR},
	{"DESTPORT", XCLIENT_DESTPORT},
};

static bool
take_value(
	struct smtpd_xclient *x, enum smtpd_xclient_attribute attribute, struct cv_str value)
{
	switch (attribute) {
	case XCLIENT_NAME:
		return take_name(value, x->name, sizeof x->name);
	case XCLIENT_ADDR:
		return take_addr(value, &x->addr);
	case XCLIENT_PORT:
		return take_port(value, &x->port);
	case XCLIENT_PROTO:
		return take_proto(value, &x->extended);
	case XCLIENT_HELO:
		return take_word(value, x->helo, sizeof x->helo);
	case XCLIENT_LOGIN:
		return take_word(value, x->login, sizeof x->login);
	case XCLIENT_DESTADDR:
		return take_addr(value, &x->dest);
	case XCLIENT_DESTPORT:
		return take_port(value, &x->dest_port);
	}
	return false;
}

static bool
take_attribute(struct smtpd_xclient *x, struct cv_str name, struct cv_str xtext)
{
	struct cv_buf raw = CV_BUF_INIT(VALUE_MAX);
	unsigned attribute = 0;

	for (size_t i = 0; i < CV_COUNT(attributes); i++)
		if (cv_str_ieq_z(name, attributes[i].name))
			attribute = attributes[i].attribute;
	if (!attribute || x->named & attribute)
		return false;
	x->named |= attribute;
	if (cv_str_ieq_z(xtext, "[UNAVAILABLE]"))
		return true;
	if (cv_str_ieq_z(xtext, "[TEMPUNAVAIL]")) {
		x->later |= attribute;
		return true;
	}
	bool good = cv_xtext_decode(xtext, &raw) == CV_OK && !raw.full &&
		    take_value(x, (enum smtpd_xclient_attribute)attribute, cv_buf_view(&raw));
	cv_buf_done(&raw);
	if (good)
		x->known |= attribute;
	return good;
}

bool
smtpd_xclient_parse(struct cv_str args, struct smtpd_xclient *out)
{
	struct cv_str word;

	memset(out, 0, sizeof *out);
	while (cv_str_split(&args, ' ', &word)) {
		size_t equals = cv_str_find(word, '=', 0);
		if (!word.n)
			continue;
		if (equals >= word.n || !take_attribute(out, cv_str_sub(word, 0, equals),
						cv_str_sub(word, equals + 1, word.n)))
			return false;
	}
	return out->named != 0;
}
