/* spool_test.c - what is written can be read back at any offset, in memory and in a file. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <dirent.h>
#include <unistd.h>

#include "common/base/kill.h"
#include "common/base/spool.h"

static char dir[] = "/tmp/congvu-spool.XXXXXX";

static int
open_dir(CV_UNUSED void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(CV_UNUSED void **state)
{
	return rmdir(dir); /* fails when a spool left a name behind */
}

static char
byte_at(uint64_t i)
{
	return (char)(i * 31 + (i >> 8));
}

static void
fill(struct cv_spool *s, size_t size, size_t step)
{
	char bytes[70000];
	struct cv_err err;
	for (size_t at = 0; at < size;) {
		size_t n = CV_MIN(CV_MIN(step, sizeof bytes), size - at);
		for (size_t i = 0; i < n; i++)
			bytes[i] = byte_at(at + i);
		assert_int_equal(cv_spool_write(s, cv_str(bytes, n), &err), CV_OK);
		at += n;
	}
	assert_true(s->size_bytes == size);
}

static void
check_content(struct cv_spool *s, size_t size)
{
	static const size_t steps[] = {1000, 4096, 1u << 20};
	struct cv_err err;
	char *bytes = cv_malloc(1u << 20);
	for (size_t i = 0; i < CV_COUNT(steps); i++) {
		uint64_t at = 0;
		for (size_t n = 1; n; at += n) {
			assert_int_equal(cv_spool_read(s, at, bytes, steps[i], &n, &err), CV_OK);
			assert_int_equal(n, CV_MIN(steps[i], size - at));
			for (size_t k = 0; k < n; k++)
				assert_int_equal(bytes[k], byte_at(at + k));
		}
		assert_true(at == size);
	}
	struct cv_str view;
	assert_int_equal(cv_spool_map(s, &view, &err), CV_OK);
	assert_int_equal(view.n, size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(view.p[i], byte_at(i));
	cv_spool_unmap(s, view);
	free(bytes);
}

static void
test_content_comes_back_at_every_size_around_the_limit(CV_UNUSED void **state)
{
	static const size_t sizes[] = {0, 1, 5000, CV_SPOOL_MEMORY_BYTES - 1, CV_SPOOL_MEMORY_BYTES,
		CV_SPOOL_MEMORY_BYTES + 1, 3 * CV_SPOOL_MEMORY_BYTES + 7};
	static const size_t steps[] = {997, 65536};
	struct cv_spool s;
	cv_spool_init(&s, dir);
	for (size_t i = 0; i < CV_COUNT(sizes); i++)
		for (size_t k = 0; k < CV_COUNT(steps); k++) {
			fill(&s, sizes[i], steps[k]);
			assert_int_equal(s.fd >= 0, sizes[i] > CV_SPOOL_MEMORY_BYTES);
			check_content(&s, sizes[i]);
			cv_spool_reset(&s);
			assert_true(s.size_bytes == 0 && s.fd < 0);
		}
	cv_spool_done(&s);
}

static void
test_the_file_has_no_name(CV_UNUSED void **state)
{
	struct cv_spool s;
	cv_spool_init(&s, dir);
	fill(&s, CV_SPOOL_MEMORY_BYTES * 2, 65536);
	assert_true(s.fd >= 0);
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		assert_int_equal(e->d_name[0], '.');
	closedir(d);
	cv_spool_done(&s);
}

static void
test_a_folder_that_is_not_there_fails_and_stays_failed(CV_UNUSED void **state)
{
	struct cv_spool s;
	struct cv_err err = {0};
	struct cv_str view;
	size_t n;
	char byte;
	static char big[CV_SPOOL_MEMORY_BYTES + 1];
	cv_spool_init(&s, "/nonexistent/spool");
	assert_int_equal(cv_spool_write(&s, cv_str(big, sizeof big), &err), CV_TEMPFAIL);
	assert_non_null(strstr(err.text, "/nonexistent/spool"));
	assert_int_equal(cv_spool_write(&s, CV_STR("x"), &err), CV_TEMPFAIL);
	assert_int_equal(cv_spool_read(&s, 0, &byte, 1, &n, &err), CV_TEMPFAIL);
	assert_int_equal(cv_spool_map(&s, &view, &err), CV_TEMPFAIL);
	cv_spool_reset(&s);
	assert_int_equal(cv_spool_write(&s, CV_STR("x"), &err), CV_OK);
	cv_spool_done(&s);
}

#ifdef CV_KILL_POINTS
static void
test_a_full_disk_is_told_apart(CV_UNUSED void **state)
{
	struct cv_spool s;
	struct cv_err err = {0};
	static char big[CV_SPOOL_MEMORY_BYTES];
	setenv("CONGVU_FAIL", "spool.write:ENOSPC:2", 1);
	cv_kill_reload();
	cv_spool_init(&s, dir);
	assert_int_equal(cv_spool_write(&s, cv_str(big, sizeof big), &err), CV_OK);
	assert_int_equal(cv_spool_write(&s, CV_STR("x"), &err), CV_FULL);
	assert_int_equal(cv_spool_write(&s, CV_STR("x"), &err), CV_FULL);
	assert_int_equal(err.code, CV_FULL);
	cv_spool_done(&s);
	unsetenv("CONGVU_FAIL");
	cv_kill_reload();
}
#endif

static void
test_many_spools_together_stay_within_the_memory_for_all(CV_UNUSED void **state)
{
	enum { COUNT = 600 };
	struct cv_spool *spools = cv_calloc(COUNT, sizeof *spools);
	size_t in_files = 0;

	assert_int_equal(cv_spool_memory_total(), 0);
	for (size_t i = 0; i < COUNT; i++) {
		cv_spool_init(&spools[i], dir);
		fill(&spools[i], 200000, 50000);
		in_files += spools[i].fd >= 0;
		assert_true(cv_spool_memory_total() <
		            CV_SPOOL_TOTAL_BYTES + 2 * CV_SPOOL_MEMORY_BYTES);
	}
	assert_true(in_files > 0 && in_files < COUNT);
	check_content(&spools[0], 200000);
	check_content(&spools[COUNT - 1], 200000);
	for (size_t i = 0; i < COUNT; i++) {
		if (i % 2)
			cv_spool_reset(&spools[i]);
		cv_spool_done(&spools[i]);
	}
	assert_int_equal(cv_spool_memory_total(), 0);
	free(spools);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_comes_back_at_every_size_around_the_limit),
		cmocka_unit_test(test_the_file_has_no_name),
		cmocka_unit_test(test_a_folder_that_is_not_there_fails_and_stays_failed),
		cmocka_unit_test(test_many_spools_together_stay_within_the_memory_for_all),
#ifdef CV_KILL_POINTS
		cmocka_unit_test(test_a_full_disk_is_told_apart),
#endif
	};
	return cmocka_run_group_tests(tests, open_dir, remove_dir);
}
