/* trace_test.c - records of messages: what is found, what is not, what is thrown away. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/audit/trace.h"

static char dir[64];

static int
make_dir(CV_UNUSED void **state)
{
	snprintf(dir, sizeof dir, "/tmp/congvu-trace.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

/* The number of files; with REMOVE they go, and the folder. */
static unsigned
files(bool remove)
{
	DIR *d = opendir(dir);
	unsigned count = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		count++;
		if (remove)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	if (remove)
		rmdir(dir);
	return count;
}

static int
remove_dir(CV_UNUSED void **state)
{
	files(true);
	return 0;
}

struct found {
	struct cv_buf text;
	unsigned lines;
};

static bool
take(void *arg, struct cv_str line)
{
	struct found *f = arg;

	cv_buf_str(&f->text, line);
	cv_buf_c(&f->text, '\n');
	f->lines++;
	return true;
}

static unsigned
search(const char *term, int64_t since_ms, size_t max, bool *more)
{
	struct cv_trace_query q = {
		.term = cv_str_z(term), .since_ms = since_ms, .messages_max = max};
	struct found f = {.text = CV_BUF_INIT(1u << 20)};
	struct cv_err err = {0};

	assert_int_equal(cv_trace_search(dir, &q, take, &f, more, &err), CV_OK);
	cv_buf_done(&f.text);
	return f.lines;
}

static void
test_trace__whole_values_find_all_records_of_a_message(CV_UNUSED void **state)
{
	static const struct {
		const char *term;
		unsigned lines;
	} rows[] = {
		{"m1", 3}, {"A.B@X.example", 3}, {"a.b@x.example", 3}, {"Id-1@x.example", 3},
		{"id-1@x.example", 0}, {"x.example", 0}, {"to", 0}, {"m", 0}, {"m3", 1},
		{"quo\"te\\", 1}, {"nobody", 0},
	};
	struct cv_trace *t;
	struct cv_err err = {0};
	bool more;

	assert_int_equal(cv_trace_open(dir, 30, 1u << 30, &t, &err), CV_OK);
	CV_TRACE(t, CV_STR("m1"), "mail", {"from", CV_STR("A.b@x.example"), true},
		{"helo", CV_STR(""), false});
	CV_TRACE(t, CV_STR("m2"), "mail", {"from", CV_STR("quo\"te\\"), true});
	CV_TRACE(t, CV_STR("m1"), "data", {"mid", CV_STR("Id-1@x.example"), false});
	CV_TRACE(t, CV_STR("m1"), "report", {"child", CV_STR("m4"), false});
	CV_TRACE(t, CV_STR("m3"), "mail", {"helo", CV_STR("\xff\n\x01"), false});
	cv_trace_close(t);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		unsigned lines = search(rows[i].term, 0, 10, &more);
		if (lines != rows[i].lines)
			fail_msg("%s: %u lines", rows[i].term, lines);
		assert_false(more);
	}
	assert_int_equal(search("m1", INT64_MAX / 2, 10, &more), 0);
}

static void
test_trace__a_report_leads_to_its_own_message(CV_UNUSED void **state)
{
	struct cv_trace *t;
	struct cv_err err = {0};
	bool more;

	assert_int_equal(cv_trace_open(dir, 30, 1u << 30, &t, &err), CV_OK);
	CV_TRACE(t, CV_STR("m1"), "report", {"child", CV_STR("r1"), false});
	CV_TRACE(t, CV_STR("r1"), "out", {"to", CV_STR("a@x.example"), true});
	for (int i = 0; i < 5; i++)
		CV_TRACE(t, i % 2 ? CV_STR("p1") : CV_STR("p2"), "out",
			{"to", CV_STR("b@x.example"), true});
	cv_trace_flush(t);
	assert_int_equal(search("m1", 0, 10, &more), 2);
	assert_int_equal(search("b@x.example", 0, 1, &more), 3);
	assert_true(more);
	cv_trace_close(t);
}

static void
test_trace__a_value_too_long_is_cut_between_characters(CV_UNUSED void **state)
{
	char value[1000];
	struct cv_trace_query q = {.term = CV_STR("m1"), .messages_max = 1};
	struct found f = {.text = CV_BUF_INIT(1u << 20)};
	struct cv_trace *t;
	struct cv_err err = {0};
	bool more;

	value[0] = 'x';
	for (size_t i = 1; i + 1 < sizeof value; i += 2)
		memcpy(value + i, "\xc6\xb0", 2);
	assert_int_equal(cv_trace_open(dir, 30, 1u << 30, &t, &err), CV_OK);
	CV_TRACE(t, CV_STR("m1"), "end", {"reply", cv_str(value, 999), false});
	cv_trace_close(t);
	assert_int_equal(cv_trace_search(dir, &q, take, &f, &more, &err), CV_OK);
	assert_int_equal(f.lines, 1);
	cv_buf_c(&f.text, '\0');
	assert_non_null(strstr(f.text.p, "\xc6\xb0\"}\n"));
	cv_buf_done(&f.text);
}

static void
test_trace__nothing_is_kept_when_told_so(CV_UNUSED void **state)
{
	struct cv_trace *t;
	struct cv_err err = {0};
	bool more;

	assert_int_equal(cv_trace_open(dir, 0, 1u << 30, &t, &err), CV_OK);
	CV_TRACE(t, CV_STR("m1"), "end", {"reply", CV_STR("250"), false});
	cv_trace_close(t);
	assert_int_equal(search("m1", 0, 10, &more), 0);
	assert_int_equal(files(false), 0);
	cv_trace_put(NULL, CV_STR("m1"), "end", NULL, 0);
}

static void
test_trace__the_oldest_segments_go_when_there_is_too_much(CV_UNUSED void **state)
{
	struct cv_trace *t;
	struct cv_err err = {0};

	for (int i = 0; i < 4; i++) {
		char path[128];
		snprintf(path, sizeof path, "%s/%013d.trace", dir, 1000 + i);
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fprintf(f, "%1000d\n", i);
		fclose(f);
	}
	assert_int_equal(cv_trace_open(dir, 30, 2500, &t, &err), CV_OK);
	cv_trace_flush(t);
	assert_int_equal(files(false), 2);
	cv_trace_close(t);
}

int
main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(test_trace__whole_values_find_all_records_of_a_message),
		IN_DIR(test_trace__a_report_leads_to_its_own_message),
		IN_DIR(test_trace__a_value_too_long_is_cut_between_characters),
		IN_DIR(test_trace__nothing_is_kept_when_told_so),
		IN_DIR(test_trace__the_oldest_segments_go_when_there_is_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
