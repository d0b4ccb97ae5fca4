/* proxy_test.c - PROXY headers, whole and byte by byte, at their limits and broken. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/addr.h"
#include "common/net/proxy.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal) (literal), sizeof(literal) - 1
#define V4 "\xc6\x33\x64\x07\x7f\0\0\x01\x12\x34\0\x19"
#define V6                                                                                         \
	"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\0\x19"
#define LONGEST_V1                                                                                 \
	"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535 and words that nobody needs to read, up to it:1"

/* `peer`: NULL refused, "" taken without addresses. `more`: bytes behind the header. */
static const struct {
	const char *name, *in;
	size_t n;
	const char *peer;
	unsigned port;
	size_t more;
} rows[] = {
	{"version 1, IPv4", BYTES("PROXY TCP4 198.51.100.7 127.0.0.1 4660 25\r\nEHLO"), "198.51.100.7", 4660, 4},
	{"version 1, IPv6", BYTES("PROXY TCP6 2001:db8::7 ::1 1 25\r\n"), "2001:db8::7", 1, 0},
	{"version 1, UNKNOWN", BYTES("PROXY UNKNOWN\r\n"), "", 0, 0},
	{"version 1, UNKNOWN with more", BYTES("PROXY UNKNOWN 1 2 3\r\nx"), "", 0, 1},
	{"version 1, as long as may be", BYTES(LONGEST_V1 "\r\n"), "", 0, 0},
	{"version 1, longer", BYTES(LONGEST_V1 "2\r\n"), NULL, 0, 0},
	{"version 1, small letters", BYTES("proxy TCP4 198.51.100.7 127.0.0.1 1 25\r\n"), NULL, 0, 0},
	{"version 1, bad address", BYTES("PROXY TCP4 198.51.100.256 127.0.0.1 1 25\r\n"), NULL, 0, 0},
	{"version 1, family and address differ", BYTES("PROXY TCP4 ::1 ::1 1 25\r\n"), NULL, 0, 0},
	{"version 1, bad port", BYTES("PROXY TCP4 198.51.100.7 127.0.0.1 65536 25\r\n"), NULL, 0, 0},
	{"version 1, port with a nought", BYTES("PROXY TCP4 198.51.100.7 127.0.0.1 01 25\r\n"), NULL, 0, 0},
	{"version 1, a word too many", BYTES("PROXY TCP4 198.51.100.7 127.0.0.1 1 25 6\r\n"), NULL, 0, 0},
	{"version 1, a word too few", BYTES("PROXY TCP4 198.51.100.7 127.0.0.1 1\r\n"), NULL, 0, 0},
	{"version 1, two blanks", BYTES("PROXY TCP4  198.51.100.7 127.0.0.1 1 25\r\n"), NULL, 0, 0},
	{"version 1, a NUL", BYTES("PROXY TCP4 198.51.100.7\0 127.0.0.1 1 25\r\n"), NULL, 0, 0},
	{"version 1, datagrams", BYTES("PROXY UDP4 198.51.100.7 127.0.0.1 1 25\r\n"), NULL, 0, 0},
	{"version 2, IPv4", BYTES(SIG "\x21\x11\0\x0c" V4 "EHLO"), "198.51.100.7", 0x1234, 4},
	{"version 2, IPv6", BYTES(SIG "\x21\x21\0\x24" V6), "2001:db8::7", 0x1234, 0},
	{"version 2, IPv4 with TLVs", BYTES(SIG "\x21\x11\0\x12" V4 "\x04\0\x03" "abc" "x"), "198.51.100.7", 0x1234, 1},
	{"version 2, LOCAL", BYTES(SIG "\x20\0\0\0"), "", 0, 0},
	{"version 2, LOCAL with addresses", BYTES(SIG "\x20\x11\0\x0c" V4), "", 0, 0},
	{"version 2, unspecified family", BYTES(SIG "\x21\0\0\0"), "", 0, 0},
	{"version 2, Unix sockets", BYTES(SIG "\x21\x31\0\x02" "ab"), "", 0, 0},
	{"version 2, datagrams", BYTES(SIG "\x21\x12\0\x0c" V4), "", 0, 0},
	{"version 2, addresses cut off", BYTES(SIG "\x21\x11\0\x0b" "\xc6\x33\x64\x07\x7f\0\0\x01\x12\x34\0"), NULL, 0, 0},
	{"version 2, IPv6 in the room of IPv4", BYTES(SIG "\x21\x21\0\x0c" V4), NULL, 0, 0},
	{"version 2, unknown command", BYTES(SIG "\x22\x11\0\x0c" V4), NULL, 0, 0},
	{"version 3", BYTES(SIG "\x31\x11\0\x0c" V4), NULL, 0, 0},
	{"version 2, too long", BYTES(SIG "\x21\x11\x07\xf1" V4), NULL, 0, 0},
	{"no header", BYTES("EHLO client.example\r\n"), NULL, 0, 0},
	{"TLS", BYTES("\x16\x03\x01\x02\0\x01"), NULL, 0, 0},
};

static void
test_header__is_read_whole_and_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_proxy p;
		struct cv_err err;
		size_t used = 0, cut_used = 0, n = 0;
		char text[64];
		enum cv_status status =
			cv_proxy_parse(cv_str(rows[i].in, rows[i].n), &p, &used, &err);
		enum cv_status cut = CV_AGAIN;
		while (cut == CV_AGAIN && n < rows[i].n)
			cut = cv_proxy_parse(cv_str(rows[i].in, ++n), &p, &cut_used, &err);
		if (status != (rows[i].peer ? CV_OK : CV_INVALID) || cut != status)
			fail_msg("%s: %s, in pieces %s", rows[i].name, cv_status_name(status),
			         cv_status_name(cut));
		if (status)
			continue;
		if (used != rows[i].n - rows[i].more || cut_used != used || n != used)
			fail_msg("%s: %zu bytes, in pieces %zu", rows[i].name, used, cut_used);
		if (p.has_addresses != (rows[i].peer[0] != '\0'))
			fail_msg("%s: addresses", rows[i].name);
		if (p.has_addresses &&
		    (strcmp(cv_sockaddr_text(&p.peer, text, sizeof text), rows[i].peer) ||
		     cv_sockaddr_port(&p.peer) != rows[i].port ||
		     cv_sockaddr_port(&p.local) != 25))
			fail_msg("%s: %s %u", rows[i].name, text, cv_sockaddr_port(&p.peer));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header__is_read_whole_and_byte_by_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
