/* format_test.c - which programs may open which folders (OPS-02). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/engine_kit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/store/format.h"

static void
test_words_of_the_file(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum cv_status status;
		uint32_t number, reader;
	} rows[] = {
		{"congvu-store 1 1 0.1.0\n", CV_OK, 1, 1},
		{"congvu-store 12 7 2.0.3~rc1", CV_OK, 12, 7},
		{"congvu-store 999999999 1 x\n", CV_OK, 999999999, 1},
		{"", CV_CORRUPT, 0, 0},
		{"congvu-store", CV_CORRUPT, 0, 0},
		{"congvu-store 1\n", CV_CORRUPT, 0, 0},
		{"congvu-store 1 1\n", CV_CORRUPT, 0, 0},
		{"congvu-store 1 1 \n", CV_CORRUPT, 0, 0},
		{"congvu-store 0 0 1\n", CV_CORRUPT, 0, 0},
		{"congvu-store 1 2 1\n", CV_CORRUPT, 0, 0},
		{"congvu-store -1 1 1\n", CV_CORRUPT, 0, 0},
		{"congvu-store 1 1 a b\n", CV_CORRUPT, 0, 0},
		{"congvu-store 9999999999 1 1\n", CV_CORRUPT, 0, 0},
		{"congvu-store 1 1 01234567890123456789012345678901234\n", CV_CORRUPT, 0, 0},
		{"Congvu-store 1 1 1\n", CV_CORRUPT, 0, 0},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_format f;
		struct cv_err err;
		assert_int_equal(cv_format_parse(cv_str_z(rows[i].text), &f, &err), rows[i].status);
		if (rows[i].status == CV_OK) {
			assert_int_equal(f.number, rows[i].number);
			assert_int_equal(f.reader, rows[i].reader);
		}
	}
}

static void
put_format(const char *dir, const char *text)
{
	char path[300];
	snprintf(path, sizeof path, "%s/format", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
assert_format(const char *dir, uint32_t number, uint32_t reader)
{
	struct cv_format f;
	struct cv_err err;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(cv_format_read(fd, &f, &err), CV_OK);
	close(fd);
	assert_int_equal(f.number, number);
	assert_int_equal(f.reader, reader);
}

/* The next version's data are worked on here and opened there again, with what came between. */
static void
ops_02_there_and_back_between_versions_that_fit(void **state)
{
	struct kit *k = *state;
	kit_open(k);
	assert_format(k->dir, CV_FORMAT, CV_FORMAT_READER);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "this version"), CV_OK);
	kit_close(k);
	put_format(k->dir, "congvu-store 2 1 0.2.0\n"); /* the next version was here */
	kit_open(k);
	assert_int_equal(kit_set(k, KIT_ACCT, "k2", "again this one"), CV_OK);
	kit_close(k);
	assert_format(k->dir, 2, 1); /* never back */
	kit_open(k);
	assert_true(cv_str_eq_z(kit_get(k, KIT_ACCT, "k"), "this version"));
	assert_true(cv_str_eq_z(kit_get(k, KIT_ACCT, "k2"), "again this one"));
}

static void
refused(struct kit *k, const char *word)
{
	struct cv_engine_options o = {.dir = k->dir, .with_blobs = true};
	struct cv_engine *e = NULL;
	struct cv_err err = {0};
	bool crashed;
	assert_int_not_equal(cv_engine_open(&o, &e, &crashed, &err), CV_OK);
	assert_non_null(strstr(err.text, word));
}

/* What this program would harm stays as it is, down to the mark of a clean stop. */
static void
ops_02_a_format_that_does_not_fit_is_refused_untouched(void **state)
{
	struct kit *k = *state;
	char clean[300];
	struct stat st;
	kit_open(k);
	kit_close(k);
	snprintf(clean, sizeof clean, "%s/clean", k->dir);
	put_format(k->dir, "congvu-store 3 3 0.9.1\n");
	refused(k, "install congvu 0.9.1 again");
	assert_int_equal(stat(clean, &st), 0);
	put_format(k->dir, "what is this?\n");
	refused(k, "not what congvu writes");
	assert_int_equal(stat(clean, &st), 0);
}

static uint64_t
links_of(const char *dir, const char *name)
{
	char path[400];
	struct stat st;
	snprintf(path, sizeof path, "%s/bodies/%s", dir, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_nlink;
}

static void
a_backup_says_its_format_and_links_what_is_sealed(void **state)
{
	struct kit *k = *state;
	static char body[40000];
	struct cv_blob_ref ref;
	char copy[300];
	kit_open_with(k, (struct cv_engine_options){KIT_OPTIONS, .volume_bytes = 64u << 10});
	cv_random(body, sizeof body); /* which does not shrink */
	for (int i = 0; i < 6; i++)
		assert_int_equal(kit_body(k, "id", body, sizeof body, sizeof body, &ref), CV_OK);
	cv_ticket ticket; /* what is durable */
	struct cv_put put = kit_put("k", "v");
	assert_int_equal(
		kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, &ticket), CV_OK);
	cv_ticket_block(k->e, ticket);
	snprintf(copy, sizeof copy, "%s.copy", k->dir);
	assert_int_equal(cv_engine_backup(k->e, copy, &k->err), CV_OK);
	assert_format(copy, CV_FORMAT, CV_FORMAT_READER);
	assert_int_equal(links_of(copy, "00000001.vol"), 2);
	char last[16] = "";
	for (int n = 1; n < 9; n++) { /* the one that grows */
		char path[400];
		snprintf(path, sizeof path, "%s/bodies/%08d.vol", copy, n);
		if (access(path, F_OK) == 0)
			snprintf(last, sizeof last, "%08d.vol", n);
	}
	assert_int_equal(links_of(copy, last), 1);
	kit_remove_tree(copy);
}

static int
setup_closed(void **state)
{
	struct kit *k = cv_calloc(1, sizeof *k);
	kit_dir(k);
	*state = k;
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_closed, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_the_file),
		T(ops_02_there_and_back_between_versions_that_fit),
		T(ops_02_a_format_that_does_not_fit_is_refused_untouched),
		T(a_backup_says_its_format_and_links_what_is_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
