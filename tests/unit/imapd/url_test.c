/* url_test.c - URLs of CATENATE name messages of this account, and nothing else is one. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "imapd/url.h"

static void
test_url__tells_ours_from_others(void **state)
{
	static const struct {
		const char *url, *mailbox; /* NULL: the selected one */
		bool ok;
		uint32_t uidvalidity, uid;
		const char *path;
		uint64_t first, length; /* 0: no partial */
	} rows[] = {
		{"/INBOX/;UID=3", "INBOX", true, 0, 3, "", 0, 0},
		{"/inbox;uidvalidity=9/;uid=3", "INBOX", true, 9, 3, "", 0, 0},
		{"/a/b/;UID=3/;SECTION=1.2.MIME", "a/b", true, 0, 3, "1.2.MIME", 0, 0},
		{"/H%e1%bb%8dp%20x/;UID=3", "H\xe1\xbb\x8dp x", true, 0, 3, "", 0, 0},
		{"/Ho%cc%a3p/;UID=3", "H\xe1\xbb\x8dp", true, 0, 3, "", 0, 0},
		{";UID=3/;SECTION=HEADER/;PARTIAL=5.10", NULL, true, 0, 3, "HEADER", 5, 10},
		{";UID=3/;PARTIAL=0", NULL, true, 0, 3, "", 0, UINT64_MAX},
		{";UID=3/;SECTION=HEADER.FIELDS%20(a)", NULL, true, 0, 3, "HEADER", 0, 0},
		{"", NULL, false, 0, 0, "", 0, 0},
		{"/", NULL, false, 0, 0, "", 0, 0},
		{"/INBOX", NULL, false, 0, 0, "", 0, 0},
		{"//host/INBOX/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"imap://host/INBOX/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"/INBOX/;UID=0", NULL, false, 0, 0, "", 0, 0},
		{"/INBOX/;UID=4294967296", NULL, false, 0, 0, "", 0, 0},
		{"/INBOX/;UID=3x", NULL, false, 0, 0, "", 0, 0},
		{"/INBOX;UIDVALIDITY=0/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"/INBOX;UIDVALIDITY=1x/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"/INB%4/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"/INB%4g/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"/a%00/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{"/a%ff/;UID=3", NULL, false, 0, 0, "", 0, 0},
		{";UID=3/;SECTION=", NULL, false, 0, 0, "", 0, 0},
		{";UID=3/;SECTION=nonsense", NULL, false, 0, 0, "", 0, 0},
		{";UID=3/;SECTION=1]<0.5> FLAGS", NULL, false, 0, 0, "", 0, 0},
		{";UID=3/;SECTION=1]<0.5>", NULL, false, 0, 0, "", 0, 0},
		{";UID=3/;PARTIAL=5.0", NULL, false, 0, 0, "", 0, 0},
		{";UID=3/;PARTIAL=5.", NULL, false, 0, 0, "", 0, 0},
		{";UID=3/;PARTIAL=5.6x", NULL, false, 0, 0, "", 0, 0},
		{";UID=3;URLAUTH=anonymous", NULL, false, 0, 0, "", 0, 0},
	};
	(void)state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct imapd_url url;
		bool ok = imapd_parse_url(cv_str_z(rows[i].url), &arena, &url);
		if (ok != rows[i].ok)
			fail_msg("row %zu: %s", i, rows[i].url);
		if (ok) {
			assert_int_equal(url.uid, rows[i].uid);
			assert_int_equal(url.uidvalidity, rows[i].uidvalidity);
			assert_true(rows[i].mailbox ? cv_str_eq_z(url.mailbox, rows[i].mailbox)
						    : !url.mailbox.p);
			assert_true(cv_str_eq_z(url.section.path, rows[i].path));
			assert_int_equal(url.section.is_partial, rows[i].length != 0);
			assert_int_equal(url.section.first, rows[i].first);
			assert_int_equal(url.section.length, rows[i].length);
		}
		/* Cut anywhere it is another URL or none, and no byte behind it is read. */
		for (size_t n = 0; n < strlen(rows[i].url); n++) {
			char *cut = cv_strndup(rows[i].url, n);
			(void)imapd_parse_url(cv_str(cut, n), &arena, &url);
			free(cut);
		}
		cv_arena_done(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url__tells_ours_from_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
