/* texts_test.c - files of texts, D1 to D5 of texts.h: a real store, the real converter. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"
#include "tests/unit/common/extractor/stored_zip.h"

#include <glob.h>
#include <limits.h>

#include "imapd/texts.h"
#include "imapd/texts_file.h"

#define MESSAGES 3u

struct box {
	struct kit *kit;
	struct cv_extract *extract;
	struct imapd_texts *texts;
	struct cv_mbox *m;
	struct cv_msg msgs[MESSAGES];
	unsigned count;
	char dir[160];
};

static const atomic_bool never;

static bool
keep_msg(void *arg, const struct cv_msg *msg)
{
	struct box *b = arg;

	b->msgs[b->count] = *msg;
	b->msgs[b->count++].summary = CV_STR_EMPTY;
	return true;
}

/* A message with two documents, stored octet by octet ("binary"). */
static void
add_message(struct box *b, const char *word)
{
	struct kit *k = b->kit;
	struct cv_buf xml = CV_BUF_INIT(1000), zip = CV_BUF_INIT(10000);
	struct cv_spool spool;
	struct cv_err err;

	cv_buf_printf(&xml, "<document><p><t>%s</t></p></document>", word);
	stored_zip(&zip, "a.xml", cv_buf_view(&xml));
	cv_spool_init(&spool, "/tmp");
	static const char head[] =
		"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
		"boundary=b\r\n\r\n"
		"--b\r\nContent-Type: application/octet-stream; name=\"a.docx\"\r\n"
		"Content-Transfer-Encoding: binary\r\n\r\n",
			  middle[] = "\r\n--b\r\nContent-Type: application/pdf\r\n\r\nno pdf",
			  end[] = "\r\n--b--\r\n";
	struct cv_str pieces[] = {CV_STR(head), cv_buf_view(&zip), CV_STR(middle), CV_STR(end)};
	for (size_t i = 0; i < CV_COUNT(pieces); i++)
		assert_int_equal(cv_spool_write(&spool, pieces[i], &err), CV_OK);
	struct cv_append item = {.message = &spool};
	OK(cv_mbox_append(b->m, &item, 1, &k->t, &k->err));
	cv_spool_done(&spool);
	cv_buf_done(&xml);
	cv_buf_done(&zip);
	OK(cv_msg_each(b->m, &item.uid, 1, false, keep_msg, b, &k->err));
}

static void
open_texts(struct box *b, uint64_t max)
{
	struct kit *k = b->kit;

	OK(imapd_texts_open(b->dir, k->s, k->s->engine, b->extract, max, &b->texts, &k->err));
}

static int
setup(void **state)
{
	struct box *b = cv_calloc(1, sizeof *b);
	char program[PATH_MAX];

	assert_int_equal(kit_setup((void **)&b->kit), 0);
	struct kit *k = b->kit;
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 40);
	assert_true(n > 0);
	program[n] = '\0';
	*strrchr(program, '/') = '\0';
	memcpy(strrchr(program, '/'), "/bin/congvu-extract", sizeof "/bin/congvu-extract");
	OK(cv_extract_start(program, 2, 0, &b->extract, &k->err));
	snprintf(b->dir, sizeof b->dir, "%s/texts", k->dir);
	b->m = kit_mbox(k, "INBOX");
	open_texts(b, 1u << 20);
	for (unsigned i = 0; i < MESSAGES; i++)
		add_message(b, (const char *const[]){"giao", "ban", "tuan"}[i]);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct box *b = *state;
	void *kit = b->kit;

	imapd_texts_stop(b->texts);
	imapd_texts_close(b->texts);
	cv_extract_stop(b->extract);
	cv_mbox_close(b->m);
	free(b);
	return kit_teardown(&kit);
}

static size_t
files(struct box *b)
{
	char pattern[200];
	glob_t found;

	snprintf(pattern, sizeof pattern, "%s/*/*", b->dir);
	size_t n = glob(pattern, 0, NULL, &found) ? 0 : found.gl_pathc;
	globfree(&found);
	return n;
}

static bool
reads(struct box *b, unsigned i, const char *want)
{
	struct cv_buf texts = CV_BUF_INIT(IMAPD_TEXTS_MAX);
	bool is_final = false;
	bool good = imapd_texts_read(b->texts, &b->msgs[i], &texts, &is_final) && is_final;

	struct cv_rd rd = cv_rd(cv_buf_view(&texts));
	good = good && cv_str_eq_z(cv_rd_bytes(&rd), want) && !cv_rd_left(&rd);
	cv_buf_done(&texts);
	return good;
}

static void
test_texts__are_kept_by_body(void **state)
{
	struct box *b = *state;
	struct imapd_texts_figures f;

	assert_false(reads(b, 0, "giao\n"));
	for (unsigned i = 0; i < MESSAGES; i++)
		assert_true(imapd_texts_make(b->texts, &b->msgs[i], &never));
	assert_true(reads(b, 0, "giao\n") && reads(b, 1, "ban\n") && reads(b, 2, "tuan\n"));
	assert_int_equal(files(b), MESSAGES);
	imapd_texts_figures(b->texts, &f);
	assert_int_equal(f.documents, 2 * MESSAGES);
	assert_int_equal(f.without, MESSAGES); /* what said it were a PDF */
	assert_int_equal(f.files_made, MESSAGES);
	/* Another message by that name: nothing is believed. */
	struct cv_msg other = b->msgs[0];
	other.body = b->msgs[1].body;
	struct cv_buf texts = CV_BUF_INIT(IMAPD_TEXTS_MAX);
	bool is_final;
	assert_false(imapd_texts_read(b->texts, &other, &texts, &is_final));
	assert_int_equal(texts.n, 0);
	cv_buf_done(&texts);
}

static void
test_texts__go_with_their_bodies(void **state)
{
	struct box *b = *state;
	struct kit *k = b->kit;

	for (unsigned i = 0; i < MESSAGES; i++)
		assert_true(imapd_texts_make(b->texts, &b->msgs[i], &never));
	imapd_texts_sweep(b->texts, UINT64_MAX);
	assert_int_equal(files(b), MESSAGES);
	cv_mbox_close(b->m);
	cv_acct_close(k->a);
	OK(cv_acct_purge(k->s, KIT_USER(1), &k->t, &k->err));
	imapd_texts_sweep(b->texts, UINT64_MAX);
	assert_int_equal(files(b), 0);
	OK(cv_acct_open(k->s, KIT_USER(1), true, &k->a, &k->t, &k->err));
	b->m = kit_mbox(k, "INBOX");
}

static void
test_texts__go_when_there_are_too_many_or_all_must(void **state)
{
	struct box *b = *state;

	for (unsigned i = 0; i < MESSAGES; i++)
		assert_true(imapd_texts_make(b->texts, &b->msgs[i], &never));
	imapd_texts_sweep(b->texts, 250); /* each has some hundred octets */
	assert_true(files(b) < MESSAGES);
	imapd_texts_forget(b->texts);
	assert_int_equal(files(b), 0);
	imapd_texts_close(b->texts);
	open_texts(b, 10);
	assert_false(
		imapd_texts_make(b->texts, &b->msgs[0], &never)); /* no room: nothing is kept */
	assert_int_equal(files(b), 0);
}

static void
test_texts__without_a_converter_nothing_is_kept(void **state)
{
	struct box *b = *state;
	const atomic_bool stop = true;

	assert_false(imapd_texts_make(b->texts, &b->msgs[0], &stop));
	cv_extract_end_all(b->extract);
	assert_false(imapd_texts_make(b->texts, &b->msgs[0], &never));
	assert_int_equal(files(b), 0);
}

static void
test_file__is_refused_when_any_octet_differs(void **state)
{
	struct imapd_texts_head head = {.kind = 7, .is_final = true, .body = {.n = 20}}, out;
	struct cv_buf texts = CV_BUF_INIT(1000), file = CV_BUF_INIT(1000), got = CV_BUF_INIT(1000);

	(void)state;
	cv_buf_bytes(&texts, CV_STR("hop giao ban hop giao ban hop giao ban"));
	imapd_texts_encode(&head, cv_buf_view(&texts), &file);
	assert_true(imapd_texts_decode(cv_buf_view(&file), &out, &got));
	assert_true(cv_str_eq(cv_buf_view(&texts), cv_buf_view(&got)) && out.kind == 7);
	for (size_t i = 0; i < file.n; i++) {
		cv_buf_reset(&got);
		assert_false(imapd_texts_decode(cv_str(file.p, i), &out, &got));
		file.p[i] ^= 0x10;
		cv_buf_reset(&got);
		if (imapd_texts_decode(
			    cv_buf_view(&file), &out, &got)) /* kind, ids: whoever reads looks */
			assert_true(cv_str_eq(cv_buf_view(&texts), cv_buf_view(&got)));
		file.p[i] ^= 0x10;
	}
	cv_buf_done(&texts);
	cv_buf_done(&file);
	cv_buf_done(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_texts__are_kept_by_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_texts__go_with_their_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_texts__go_when_there_are_too_many_or_all_must, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_texts__without_a_converter_nothing_is_kept, setup, teardown),
		cmocka_unit_test(test_file__is_refused_when_any_octet_differs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
