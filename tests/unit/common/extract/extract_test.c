/* extract_test.c - the real congvu-extract, and programs that are none. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"
#include "tests/unit/common/extractor/stored_zip.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/extract/extract.h"

#define WITHIN_MS 120000u

static char program[PATH_MAX];

static int
find_program(void **state)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 40);

	(void)state;
	assert_true(n > 0);
	program[n] = '\0';
	*strrchr(program, '/') = '\0';
	memcpy(strrchr(program, '/'), "/bin/congvu-extract", sizeof "/bin/congvu-extract");
	return 0;
}

static struct cv_extract *
start(unsigned workers)
{
	struct cv_extract *x = NULL;
	struct cv_err err = {0};

	if (cv_extract_start(program, workers, 5, &x, &err))
		print_error("%s: %s\n", program, err.text);
	assert_non_null(x);
	return x;
}

static void
make_document(struct cv_buf *out, const char *word)
{
	struct cv_buf xml = CV_BUF_INIT(1000);

	cv_buf_printf(&xml, "<document><p><t>%s</t></p></document>", word);
	stored_zip(out, "word/document.xml", cv_buf_view(&xml));
	cv_buf_done(&xml);
}

static enum cv_extract_outcome
read_word(struct cv_extract *x, const char *word, struct cv_buf *text)
{
	struct cv_buf document = CV_BUF_INIT(10000);

	make_document(&document, word);
	enum cv_extract_outcome outcome =
		cv_extract_text(x, cv_buf_view(&document), WITHIN_MS, text);
	cv_buf_done(&document);
	return outcome;
}

static void
test_extract__reads_a_document(void **state)
{
	struct cv_extract *x = start(2);
	struct cv_buf text = CV_BUF_INIT(CV_EXTRACT_TEXT_MAX);

	(void)state;
	assert_true(!strncmp(cv_extract_ability(x), "1 office", 8));
	assert_int_equal(read_word(x, "giao ban", &text), CV_EXTRACT_TEXT);
	assert_true(cv_str_eq_z(cv_buf_view(&text), "giao ban\n"));
	cv_buf_reset(&text);
	assert_int_equal(cv_extract_text(x, CV_STR("hello"), WITHIN_MS, &text), CV_EXTRACT_UNKNOWN);
	assert_int_equal(cv_extract_text(x, CV_STR(""), WITHIN_MS, &text), CV_EXTRACT_UNKNOWN);
	assert_int_equal(text.n, 0);
	cv_buf_done(&text);
	cv_extract_stop(x);
}

static void *
read_many(void *x)
{
	struct cv_buf text = CV_BUF_INIT(CV_EXTRACT_TEXT_MAX);
	char word[40];
	uintptr_t good = 0;

	for (int i = 0; i < 10; i++) {
		cv_buf_reset(&text);
		snprintf(word, sizeof word, "%d%p", i, (void *)&text);
		good += read_word(x, word, &text) == CV_EXTRACT_TEXT &&
			text.n == strlen(word) + 1 && !memcmp(text.p, word, strlen(word));
	}
	cv_buf_done(&text);
	return (void *)good;
}

/* More ask than there are workers. */
static void
test_extract__answers_each_of_many_his_own(void **state)
{
	struct cv_extract *x = start(2);
	pthread_t threads[6];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_many, x), 0);
	for (size_t i = 0; i < CV_COUNT(threads); i++) {
		void *good;
		assert_int_equal(pthread_join(threads[i], &good), 0);
		assert_int_equal((uintptr_t)good, 10);
	}
	cv_extract_stop(x);
}

static void
test_extract__has_bounds(void **state)
{
	struct cv_extract *x = start(1);
	struct cv_extract_job *job = cv_extract_begin(x, WITHIN_MS);
	struct cv_buf text = CV_BUF_INIT(CV_EXTRACT_TEXT_MAX);
	static char piece[1u << 20];

	(void)state;
	for (size_t n = 0; n <= CV_EXTRACT_DOCUMENT_MAX; n += sizeof piece)
		cv_extract_feed(job, cv_str(piece, sizeof piece));
	assert_int_equal(cv_extract_end(job, &text), CV_EXTRACT_TOO_LARGE);
	/* Who does not come to an end within his time gets nothing, and holds nobody up. */
	struct cv_extract_job *slow = cv_extract_begin(x, 200);
	cv_extract_feed(slow, CV_STR("PK\x03\x04"));
	struct timespec longer = {0, 300 * 1000 * 1000};
	nanosleep(&longer, NULL);
	assert_int_equal(cv_extract_end(slow, &text), CV_EXTRACT_LIMIT);
	cv_extract_abandon(cv_extract_begin(x, WITHIN_MS));
	assert_int_equal(read_word(x, "x", &text), CV_EXTRACT_TEXT);
	cv_buf_done(&text);
	cv_extract_stop(x);
}

static void
test_extract__tells_when_nobody_is_there(void **state)
{
	struct cv_extract *x = start(1);
	struct cv_buf text = CV_BUF_INIT(CV_EXTRACT_TEXT_MAX);

	(void)state;
	cv_extract_end_all(x);
	assert_int_equal(read_word(x, "x", &text), CV_EXTRACT_AWAY);
	assert_int_equal(read_word(NULL, "x", &text), CV_EXTRACT_AWAY);
	cv_extract_stop(x);
	cv_buf_done(&text);
}

static void
test_start__refuses_what_is_no_converter(void **state)
{
	struct cv_extract *x = NULL;
	struct cv_err err = {0};

	(void)state;
	assert_int_equal(
		cv_extract_start("/nonexistent/congvu-extract", 1, 0, &x, &err), CV_NOT_FOUND);
	assert_int_equal(cv_extract_start("/bin/true", 1, 0, &x, &err), CV_TEMPFAIL);
	assert_null(x);
}

/* A converter that a document took over may say what it likes. */
static void
test_extract__bears_lies(void **state)
{
	static const struct {
		const char *name;
		enum cv_extract_outcome outcome;
	} lies[] = {
		{"silent",    CV_EXTRACT_AWAY },
		{"no-start",  CV_EXTRACT_AWAY },
		{"dies",      CV_EXTRACT_LIMIT},
		{"outcome",   CV_EXTRACT_LIMIT},
		{"too-long",  CV_EXTRACT_LIMIT},
		{"too-short", CV_EXTRACT_LIMIT},
		{"endless",   CV_EXTRACT_TEXT },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(lies); i++) {
		struct cv_extract *x = NULL;
		struct cv_err err = {0};
		struct cv_buf text = CV_BUF_INIT(CV_EXTRACT_TEXT_MAX);
		setenv("LIE", lies[i].name, 1);
		CHECK(lies[i].name,
			!cv_extract_start("tests/unit/common/extract/liar.py", 1, 0, &x, &err));
		if (!x)
			continue;
		int64_t began = cv_mono_ms();
		CHECK(lies[i].name,
			cv_extract_text(x, CV_STR("PK"), 3000, &text) == lies[i].outcome);
		CHECK(lies[i].name, cv_mono_ms() - began < 30000);
		CHECK(lies[i].name, text.n <= 4);
		cv_buf_done(&text);
		cv_extract_stop(x);
	}
	CHECK_END();
}

static void
test_is_document__goes_by_type_or_name(void **state)
{
	static const struct {
		const char *type, *subtype, *name;
		bool is;
	} parts[] = {
		{"application", "pdf", "", true},
		{"application", "vnd.openxmlformats-officedocument.wordprocessingml.document", "", true},
		{"application", "vnd.oasis.opendocument.text", "x.bin", true},
		{"application", "octet-stream", "A.DOCX", true},
		{"application", "octet-stream", "a.docx.x", false},
		{"application", "msword", "a.doc", false},
		{"image", "png", "a.png", false},
		{"text", "plain", "a.pdf", false},
		{"application", "octet-stream", "", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(parts); i++)
		CHECK(parts[i].subtype,
			cv_extract_is_document(cv_str_z(parts[i].type), cv_str_z(parts[i].subtype),
				cv_str_z(parts[i].name)) == parts[i].is);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extract__reads_a_document),
		cmocka_unit_test(test_extract__answers_each_of_many_his_own),
		cmocka_unit_test(test_extract__has_bounds),
		cmocka_unit_test(test_extract__tells_when_nobody_is_there),
		cmocka_unit_test(test_start__refuses_what_is_no_converter),
		cmocka_unit_test(test_extract__bears_lies),
		cmocka_unit_test(test_is_document__goes_by_type_or_name),
	};
	signal(SIGCHLD, SIG_IGN);
	return cmocka_run_group_tests(tests, find_program, NULL);
}
