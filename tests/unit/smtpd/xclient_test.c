/* xclient_test.c - XCLIENT's attributes: values, xtext, what is refused. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/net/addr.h"
#include "smtpd/xclient.h"

#define LONG63 "aaaaaaaaabbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg."
#define NAME248 LONG63 LONG63 LONG63 LONG63

/* `want`: name|addr|port|proto|helo|login|dest|port, "-" not named, "?" named and unknown; NULL:
 * refused. */
static const struct {
	const char *name, *args, *want;
} rows[] = {
	{"address", "ADDR=192.0.2.7", "-|192.0.2.7|-|-|-|-|-|-"},
	{"every attribute", "NAME=mx.far.example ADDR=192.0.2.7 PORT=4660 PROTO=ESMTP HELO=far.example LOGIN=a@b.example DESTADDR=192.0.2.1 DESTPORT=25",
		"mx.far.example|192.0.2.7|4660|ESMTP|far.example|a@b.example|192.0.2.1|25"},
	{"small letters and blanks", "  name=X.example   addr=192.0.2.7 proto=smtp", "X.example|192.0.2.7|-|SMTP|-|-|-|-"},
	{"IPv6", "ADDR=IPV6:2001:db8::1 DESTADDR=ipv6:::1", "-|2001:db8::1|-|-|-|-|::1|-"},
	{"unknown values", "NAME=[UNAVAILABLE] ADDR=[unavailable] HELO=[TEMPUNAVAIL] LOGIN=[UNAVAILABLE]", "?|?|-|-|?|?|-|-"},
	{"xtext", "HELO=a+2Bb LOGIN=a+40b.example", "-|-|-|-|a+b|a@b.example|-|-"},
	{"literal in HELO", "HELO=[192.0.2.7]", "-|-|-|-|[192.0.2.7]|-|-|-"},
	{"longest name", "NAME=" NAME248, NAME248 "|-|-|-|-|-|-|-"},
	{"longer than 255", "NAME=" NAME248 "12345678", NULL},
	{"nothing", "", NULL},
	{"blanks", "   ", NULL},
	{"unknown attribute", "COLOUR=red", NULL},
	{"no value", "NAME", NULL},
	{"empty value", "NAME=", NULL},
	{"empty address", "ADDR=", NULL},
	{"twice", "PORT=1 PORT=1", NULL},
	{"twice, once unknown", "NAME=[UNAVAILABLE] NAME=a", NULL},
	{"IPv6 without its word", "ADDR=2001:db8::1", NULL},
	{"IPv4 with it", "ADDR=IPV6:192.0.2.7", NULL},
	{"no address", "ADDR=192.0.2", NULL},
	{"NUL in an address", "ADDR=192.0.2.7+00", NULL},
	{"port too large", "PORT=65536", NULL},
	{"port below nothing", "PORT=-1", NULL},
	{"other protocol", "PROTO=LMTP", NULL},
	{"line end in a name", "NAME=a+0D+0Ab", NULL},
	{"line end in HELO", "HELO=a+0D+0Ab", NULL},
	{"bracket in a name", "NAME=a+29", NULL},
	{"blank in a log-in", "LOGIN=a+20b", NULL},
	{"broken xtext", "NAME=a+4", NULL},
	{"small hexadecimal", "NAME=a+2b", NULL},
	{"raw plus", "HELO=a+", NULL},
};

static const char *
shown(const struct smtpd_xclient *x, unsigned attribute, const char *value)
{
	if (!(x->named & attribute))
		return "-";
	return x->known & attribute ? value : "?";
}

static void
describe(const struct smtpd_xclient *x, char out[1000])
{
	char addr[64], dest[64], port[8], dest_port[8];

	snprintf(port, sizeof port, "%u", x->port);
	snprintf(dest_port, sizeof dest_port, "%u", x->dest_port);
	snprintf(out, 1000, "%s|%s|%s|%s|%s|%s|%s|%s", shown(x, XCLIENT_NAME, x->name),
		shown(x, XCLIENT_ADDR, cv_sockaddr_text(&x->addr, addr, sizeof addr)),
		shown(x, XCLIENT_PORT, port),
		shown(x, XCLIENT_PROTO, x->extended ? "ESMTP" : "SMTP"),
		shown(x, XCLIENT_HELO, x->helo), shown(x, XCLIENT_LOGIN, x->login),
		shown(x, XCLIENT_DESTADDR, cv_sockaddr_text(&x->dest, dest, sizeof dest)),
		shown(x, XCLIENT_DESTPORT, dest_port));
}

static void
test_attributes__are_read_or_all_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct smtpd_xclient x;
		char got[1000] = "";
		bool taken = smtpd_xclient_parse(cv_str_z(rows[i].args), &x);
		if (taken)
			describe(&x, got);
		if (taken != (rows[i].want != NULL) || (taken && strcmp(got, rows[i].want) != 0))
			fail_msg("%s: %s", rows[i].name, taken ? got : "refused");
		/* Cut off anywhere it is still read or refused, and reads no further. */
		for (size_t n = 0; n < strlen(rows[i].args); n++) {
			char *cut = cv_str_dup(cv_str(rows[i].args, n));
			(void)smtpd_xclient_parse(cv_str(cut, n), &x);
			free(cut);
		}
	}
}

static void
test_unknown_address__is_nobodys(void **state)
{
	struct smtpd_xclient x;
	(void)state;
	assert_true(smtpd_xclient_parse(CV_STR("ADDR=[UNAVAILABLE]"), &x));
	assert_int_equal(x.addr.ss_family, AF_UNSPEC);
	assert_true(smtpd_xclient_parse(CV_STR("NAME=[TEMPUNAVAIL]"), &x));
	assert_int_equal(x.later, XCLIENT_NAME);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attributes__are_read_or_all_refused),
		cmocka_unit_test(test_unknown_address__is_nobodys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
