/* log_test.c - a log line is one line, whatever a peer puts into it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <pthread.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"

static char dir[] = "/tmp/congvu-log.XXXXXX";
static char path[64], old_path[64];

static int
open_dir(CV_UNUSED void **state)
{
	setenv("TZ", "Asia/Ho_Chi_Minh", 1);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/log", dir);
	snprintf(old_path, sizeof old_path, "%s/log.1", dir);
	return 0;
}

static int
remove_dir(CV_UNUSED void **state)
{
	cv_log_init("test", CV_INFO, NULL);
	unlink(path);
	unlink(old_path);
	return rmdir(dir);
}

static int
fresh_log(CV_UNUSED void **state)
{
	unlink(path);
	unlink(old_path);
	cv_log_init("testd", CV_INFO, path);
	return 0;
}

/* The content of FILE; the caller frees it. */
static char *
slurp(const char *file)
{
	struct cv_buf b = CV_BUF_INIT(8u << 20);
	FILE *f = fopen(file, "r");
	assert_non_null(f);
	for (int c; (c = fgetc(f)) != EOF;)
		cv_buf_c(&b, (char)c);
	fclose(f);
	return cv_buf_take(&b);
}

/* What stands behind "testd[pid] " in the only line of the log. */
static char *
slurp_event(void)
{
	char *whole = slurp(path), mark[32];
	snprintf(mark, sizeof mark, "testd[%d] ", (int)getpid());
	char *at = strstr(whole, mark);
	assert_non_null(at);
	char *event = cv_strdup(at + strlen(mark));
	free(whole);
	return event;
}

static void
test_line_has_time_with_zone_level_program_connection_event(CV_UNUSED void **state)
{
	/* 2026-11-22 08:00:00 in Việt Nam, a moment ago; the shift is taken back below. */
	int64_t shift = 1795309200 - (int64_t)time(NULL);
	cv_clock_shift(shift);
	cv_log(0x12, CV_WARN, "msg.accepted", "size=%d rcpts=%u", 1234, 2u);
	cv_clock_shift(-shift);
	char *line = slurp(path), want[128];
	line[17] = line[18] = '0'; /* seconds */
	line[20] = line[21] = line[22] = '0';
	snprintf(want, sizeof want,
		"2026-11-22T08:00:00.000+07:00 W testd[%d] c=000012 msg.accepted size=1234 "
		"rcpts=2\n",
		(int)getpid());
	assert_string_equal(line, want);
	free(line);
}

static void
test_levels_above_the_chosen_one_are_silent(CV_UNUSED void **state)
{
	cv_log(0, CV_DEBUG, "too.much", "x=1");
	assert_false(cv_log_wants(CV_DEBUG));
	char *none = slurp(path);
	assert_string_equal(none, "");
	free(none);
	cv_log_level(CV_DEBUG);
	assert_true(cv_log_wants(CV_DEBUG));
	cv_log(0, CV_DEBUG, "now.heard", "%s", "");
	char *event = slurp_event();
	assert_string_equal(event, "now.heard\n");
	free(event);
}

static void
test_values_cannot_forge_lines(CV_UNUSED void **state)
{
	static const struct {
		const char *name, *value, *want;
	} rows[] = {
		{"plain",              "abc",              "abc"                   },
		{"line break",         "a\r\n2026 forged", "a\\x0d\\x0a2026 forged"},
		{"tab and DEL",        "\t\x7f",           "\\x09\\x7f"            },
		{"escape sequence",    "\x1b[2J",          "\\x1b[2J"              },
		{"Vietnamese",         "Sở Tài chính", "Sở Tài chính"      },
		{"four bytes",         "\xf0\x9f\x93\xa7", "\xf0\x9f\x93\xa7"      },
		{"C1 control",         "\xc2\x9b" "2J",   "\\xc2\\x9b2J"          },
		{"no-break space",     "\xc2\xa0",         "\xc2\xa0"              },
		{"stray byte",         "\x80z\xff",        "\\x80z\\xff"           },
		{"overlong slash",     "\xc0\xaf",         "\\xc0\\xaf"            },
		{"overlong 3 bytes",   "\xe0\x80\xaf",     "\\xe0\\x80\\xaf"       },
		{"surrogate",          "\xed\xa0\x80",     "\\xed\\xa0\\x80"       },
		{"above U+10FFFF",     "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"  },
		{"cut sequence",       "\xe1\xba",         "\\xe1\\xba"            },
		{"cut, then a letter", "\xe1\xba" "a",    "\\xe1\\xba" "a"        },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char want[128];
		fresh_log(NULL);
		cv_log(0, CV_INFO, "e", "v=%s", rows[i].value);
		char *event = slurp_event();
		snprintf(want, sizeof want, "e v=%s\n", rows[i].want);
		CHECK(rows[i].name, !strcmp(event, want));
		free(event);
	}
	CHECK_END();
}

static void
test_long_lines_are_cut_at_4096_bytes_and_say_so(CV_UNUSED void **state)
{
	char big[9000];
	for (size_t n = 3900; n < 4200; n++) {
		fresh_log(NULL);
		memset(big, n % 3 ? 'x' : '\n', n);
		big[n] = '\0';
		cv_log(7, CV_INFO, "e", "%s", big);
		char *line = slurp(path);
		struct cv_str s = cv_str_z(line);
		assert_true(s.n <= 4096);
		assert_int_equal(cv_str_find(s, '\n', 0), s.n - 1);
		size_t crosses = 0;
		for (size_t i = 0; i < s.n; i++)
			crosses += line[i] == 'x';
		bool whole = crosses == n;
		assert_true(whole != cv_str_has_suffix(s, " [cut]\n"));
		free(line);
	}
}

static void
test_rotation_moves_to_the_new_file(CV_UNUSED void **state)
{
	cv_log(0, CV_INFO, "before", "n=%d", 1);
	assert_int_equal(rename(path, old_path), 0);
	cv_log(0, CV_INFO, "between", "n=%d", 2);
	cv_log_reopen();
	cv_log(0, CV_INFO, "after", "n=%d", 3);
	char *old = slurp(old_path), *new = slurp(path);
	assert_non_null(strstr(old, "before n=1\n"));
	assert_non_null(strstr(old, "between n=2\n"));
	assert_null(strstr(old, "after"));
	assert_non_null(strstr(new, "after n=3\n"));
	free(old);
	free(new);
}

static void *
write_lines(void *arg)
{
	for (int i = 0; i < 500; i++)
		cv_log((uint64_t)(uintptr_t)arg, CV_INFO, "thread.line", "i=%d end", i);
	return NULL;
}

static void
test_lines_of_threads_never_mix_even_while_rotating(CV_UNUSED void **state)
{
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_lines, (void *)(i + 1)), 0);
	for (int i = 0; i < 50; i++)
		cv_log_reopen();
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	char *whole = slurp(path);
	struct cv_str rest = cv_str_z(whole), line;
	size_t n = 0;
	while (cv_str_split(&rest, '\n', &line) && line.n) {
		assert_true(cv_str_has_prefix(line, "2") && cv_str_has_suffix(line, " end"));
		n++;
	}
	assert_int_equal(n, 2000);
	free(whole);
}

static void
test_log__json_keys_come_from_the_format_alone(CV_UNUSED void **state)
{
	static const struct {
		const char *value, *want;
	} rows[] = {
		{"a", "\"to\":\"a\",\"n\":-7,\"why\":\"a\"}"},
		{"a x=1 y=\"2\"", "\"to\":\"a x=1 y=\\\"2\\\"\",\"n\":-7,\"why\":\"a x=1 y=\\\"2\\\"\"}"},
		{"a\\b\nc", "\"to\":\"a\\\\b\\u000ac\",\"n\":-7,\"why\":\"a\\\\b\\u000ac\"}"},
		{"th\xc6\xb0", "\"to\":\"th\xc6\xb0\",\"n\":-7,\"why\":\"th\xc6\xb0\"}"},
		{"\xff\xc2\x85", "\"to\":\"\\u00ff\\u00c2\\u0085\",\"n\":-7,\"why\":\"\\u00ff\\u00c2\\u0085\"}"},
	};

	cv_log_json(true);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		fresh_log(NULL);
		cv_log(0x1f, CV_WARN, "x.y", "to=%s n=%d why=\"%s\"", rows[i].value, -7,
			rows[i].value);
		char *text = slurp(path), *event = strstr(text, "\"event\"");
		assert_int_equal(strncmp(text, "{\"time\":\"20", 11), 0);
		assert_non_null(strstr(text, "\"severity\":\"warning\",\"daemon\":\"testd\","));
		assert_non_null(strstr(text, ",\"conn\":\"00001f\","));
		assert_non_null(event);
		assert_int_equal(strncmp(event, "\"event\":\"x.y\",", 14), 0);
		event[strlen(event) - 1] = '\0'; /* the newline */
		assert_string_equal(event + 14, rows[i].want);
		free(text);
	}
	cv_log_json(false);
}

static void
test_log__a_json_line_too_long_is_cut_and_says_so(CV_UNUSED void **state)
{
	char value[6000];

	memset(value, '"', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	cv_log_json(true);
	for (size_t n = 1900; n < 2100; n++) {
		fresh_log(NULL);
		cv_log(0, CV_INFO, "x.y", "a=%.*s b=%d", (int)n, value, 1);
		char *text = slurp(path);
		size_t len = strlen(text);
		bool cut = strstr(text, "\"cut\":true}\n") != NULL;
		assert_true(cut || strstr(text, ",\"b\":1}\n"));
		assert_true(len <= 4096 && text[len - 1] == '\n');
		/* Every quote inside the value stands behind its backslash. */
		const char *p = strstr(text, "\"a\":\"") + 5;
		while (p[0] == '\\' && p[1] == '"')
			p += 2;
		assert_true(p[0] == '"' && (p[1] == ',' || p[1] == '}'));
		free(text);
	}
	cv_log_json(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			test_line_has_time_with_zone_level_program_connection_event, fresh_log),
		cmocka_unit_test_setup(test_levels_above_the_chosen_one_are_silent, fresh_log),
		cmocka_unit_test_setup(test_values_cannot_forge_lines, fresh_log),
		cmocka_unit_test_setup(test_long_lines_are_cut_at_4096_bytes_and_say_so, fresh_log),
		cmocka_unit_test_setup(test_log__json_keys_come_from_the_format_alone, fresh_log),
		cmocka_unit_test_setup(
			test_log__a_json_line_too_long_is_cut_and_says_so, fresh_log),
		cmocka_unit_test_setup(test_rotation_moves_to_the_new_file, fresh_log),
		cmocka_unit_test_setup(
			test_lines_of_threads_never_mix_even_while_rotating, fresh_log),
	};
	return cmocka_run_group_tests(tests, open_dir, remove_dir);
}
