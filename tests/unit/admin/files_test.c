/* files_test.c - CSV, keys and their records, folders replaced in one step. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/csv.h"
#include "admin/dkim_keys.h"
#include "admin/directory/publish.h"

static char dir[] = "/tmp/cv_files_XXXXXX";

static const char *
below(const char *name)
{
	static char paths[4][400];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", dir, name);
	return path;
}

/* ---- CSV ---- */

static void
test_csv__is_read_as_spreadsheets_write_it(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *name, *text, *want; /* [field], a line a row; ! and a status */
	} rows[] = {
		{ "plain",           "a,b\nc,d\n",              "[a][b]\n[c][d]\n" },
		{ "no last newline", "a,b",                     "[a][b]\n" },
		{ "CRLF",            "a,b\r\nc,\r\n",           "[a][b]\n[c][]\n" },
		{ "BOM, semicolons", "\xef\xbb\xbf" "a;b\nc;d,e", "[a][b]\n[c][d,e]\n" },
		{ "tabs",            "a\tb\nc\td",              "[a][b]\n[c][d]\n" },
		{ "quotes",          "\"a,\"\"b\"\"\",c\n",     "[a,\"b\"][c]\n" },
		{ "newline inside",  "\"a\nb\",c\nd,e\n",       "[a\nb][c]\n[d][e]\n" },
		{ "empty lines",     "a\n\n,,\n \nb\n",         "[a]\n[b]\n" },
		{ "lone CR",         "a\rb,c\n",                "[a\rb][c]\n" },
		{ "empty",           "",                        "" },
		{ "open quote",      "a,\"b\n",                 "!5" },
		{ "behind a quote",  "\"a\"b,c\n",              "!5" },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct admin_csv csv;
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
		struct cv_buf got = CV_BUF_INIT(1000);
		struct cv_err err = {0};
		size_t n;
		enum cv_status status;

		admin_csv_init(&csv, cv_str_z(rows[i].text));
		while ((status = admin_csv_next(&csv, &arena, fields, &n, &err)) == CV_OK) {
			for (size_t k = 0; k < n; k++)
				cv_buf_printf(&got, "[%.*s]", CV_STR_ARGS(fields[k]));
			cv_buf_c(&got, '\n');
		}
		if (status != CV_EOF) {
			cv_buf_reset(&got);
			cv_buf_printf(&got, "!%d", status == CV_INVALID ? 5 : (int)status);
		}
		CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&got), rows[i].want));
		cv_buf_done(&got);
		cv_arena_done(&arena);
	}
	CHECK_END();
}

static void
test_csv__refuses_too_many_columns(void **state)
{
	(void)state;
	char text[200];
	struct admin_csv csv;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_str fields[ADMIN_CSV_COLUMNS_MAX];
	struct cv_err err = {0};
	size_t n;

	memset(text, ',', sizeof text);
	for (size_t columns = 63; columns <= 65; columns++) {
		admin_csv_init(&csv, cv_str(text, columns - 1));
		enum cv_status status = admin_csv_next(&csv, &arena, fields, &n, &err);
		/* All empty: skipped when it is short enough to be a row at all. */
		assert_int_equal(status, columns > ADMIN_CSV_COLUMNS_MAX ? CV_LIMIT : CV_EOF);
	}
	cv_arena_done(&arena);
}

/* ---- DKIM keys ---- */

static void
test_dkim__keys_become_current_only_when_told(void **state)
{
	(void)state;
	char chosen[64], second[64];
	struct cv_err err = {0};
	struct admin_dkim_record *r;
	size_t n;
	const char *keys = below("keys");

	assert_int_equal(
		admin_dkim_make(keys, "a.example", "", 1024, false, ADMIN_OWNER_SELF, chosen, &err),
		CV_OK);
	assert_int_equal(strlen(chosen), 6);
	assert_int_equal(
		admin_dkim_make(keys, "a.example", "", 1024, false, ADMIN_OWNER_SELF, second, &err),
		CV_OK);
	assert_string_not_equal(chosen, second);
	assert_int_equal(admin_dkim_records(keys, "a.example", &r, &n, &err), CV_OK);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		CHECK(r[i].selector, r[i].is_current == !strncmp(r[i].selector, chosen, 6));
	admin_dkim_records_free(r, n);
	assert_int_equal(admin_dkim_make(keys, "a.example", second, 1024, false, ADMIN_OWNER_SELF,
				 chosen, &err),
		CV_EXISTS);
	assert_int_equal(admin_dkim_make(keys, "a.example", second, 1024, true, ADMIN_OWNER_SELF,
				 chosen, &err),
		CV_OK);
	assert_int_equal(admin_dkim_records(keys, "a.example", &r, &n, &err), CV_OK);
	for (size_t i = 0; i < n; i++)
		CHECK(r[i].selector, r[i].is_current == !strncmp(r[i].selector, second, 6));
	admin_dkim_records_free(r, n);
	assert_int_equal(admin_dkim_records(keys, "b.example", &r, &n, &err), CV_NOT_FOUND);
	/* clang-format off */
	static const char *const bad[] = { "-a", "a-", "A", "a.b", "../x", "a-ed", "a b",
		"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefffffffffff" };
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(bad); i++)
		CHECK(bad[i], admin_dkim_make(keys, "a.example", bad[i], 1024, false,
				      ADMIN_OWNER_SELF, chosen, &err) == CV_INVALID);
	CHECK_END();
}

static void
test_dkim__private_keys_are_for_their_owner_alone(void **state)
{
	(void)state;
	char chosen[64];
	struct cv_err err = {0};
	struct stat st;

	assert_int_equal(admin_dkim_make(below("keys"), "c.example", "s1", 1024, false,
				 ADMIN_OWNER_SELF, chosen, &err),
		CV_OK);
	/* clang-format off */
	static const char *const files[] = { "keys/dkim/c.example/s1.pem",
		"keys/dkim/c.example/s1-ed.ed25519.pem" };
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(files); i++) {
		CHECK(files[i], stat(below(files[i]), &st) == 0 && (st.st_mode & 0777) == 0600);
	}
	struct cv_str text;
	assert_int_equal(
		admin_file_read(below("keys/dkim/c.example/current"), 100, &text, &err), CV_OK);
	assert_string_equal(text.p, "s1\ns1-ed\n");
	free((char *)text.p);
	CHECK_END();
}

static void
test_dkim__zone_lines_hold_strings_of_255_octets_at_most(void **state)
{
	(void)state;
	struct admin_dkim_record r = {.selector = "s1"};
	char value[800];

	for (size_t length = 1; length <= 700; length += length < 250 || length > 520 ? 83 : 1) {
		struct cv_buf line = CV_BUF_INIT(2000);
		size_t total = 0, longest = 0;
		memset(value, 'x', length);
		value[length] = '\0';
		r.value = value;
		admin_dkim_zone_line(&r, "a.example", &line);
		assert_memory_equal(line.p, "s1._domainkey.a.example. IN TXT ( \"", 35);
		for (char *p = strchr(line.p, '"'); p; p = strchr(strchr(p + 1, '"') + 1, '"')) {
			size_t n = (size_t)(strchr(p + 1, '"') - p - 1);
			total += n;
			longest = n > longest ? n : longest;
		}
		assert_int_equal(total, length);
		assert_true(longest <= 255);
		cv_buf_done(&line);
	}
}

/* ---- publishing into a folder ---- */

static void
add(struct admin_site *s, const char *path, const char *text)
{
	s->files = cv_realloc(s->files, (s->count + 1) * sizeof *s->files);
	struct admin_site_file *f = &s->files[s->count++];
	*f = (struct admin_site_file){.bytes = cv_strdup(text), .n = strlen(text)};
	snprintf(f->path, sizeof f->path, "%s", path);
	admin_sha256(cv_str_z(text), f->sha256);
}

/* SITE of PAIRS of path and text, with a manifest behind them. */
static struct admin_site
site_of(const char *const *pairs)
{
	struct admin_site s = {0};
	json_t *files = json_array();

	for (; *pairs; pairs += 2) {
		add(&s, pairs[0], pairs[1]);
		json_array_append_new(files, json_pack("{s:s, s:s}", "path", pairs[0], "sha256",
						     s.files[s.count - 1].sha256));
	}
	json_t *m = json_pack("{s:s, s:o}", "kind", "congvu-directory", "files", files);
	char *text = json_dumps(m, 0);
	add(&s, ADMIN_SITE_MANIFEST, text);
	free(text);
	json_decref(m);
	return s;
}

static ino_t
inode(const char *name)
{
	struct stat st;

	return stat(below(name), &st) ? 0 : st.st_ino;
}

static void
put(const char *name, const char *text)
{
	struct cv_err err = {0};

	if (admin_file_new(below(name), 0644, cv_str_z(text), ADMIN_OWNER_SELF, &err))
		fail_msg("%s", err.text);
}

static void
test_folder__is_replaced_and_keeps_what_did_not_change(void **state)
{
	(void)state;
	static const char *const one[] = {
		"a.html", "A", "donvi/b.html", "B", "donvi/c.html", "C", NULL};
	static const char *const two[] = {"a.html", "A", "donvi/b.html", "B2", NULL};
	struct admin_site first = site_of(one), second = site_of(two);
	struct admin_published out;
	struct cv_err err = {0};

	assert_int_equal(
		admin_folder_publish(below("site"), &first, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(out.changed, 4);
	ino_t a = inode("site/a.html"), b = inode("site/donvi/b.html");
	put("site/.htaccess", "own");
	put("site/donvi/logo.png", "own");
	assert_int_equal(
		admin_folder_publish(below("site"), &second, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(out.changed, 2);
	assert_int_equal(out.removed, 1);
	assert_int_equal(inode("site/a.html"), a);
	assert_int_not_equal(inode("site/donvi/b.html"), b);
	assert_int_equal(inode("site/donvi/c.html"), 0);
	assert_int_not_equal(inode("site/.htaccess"), 0);
	assert_int_not_equal(inode("site/donvi/logo.png"), 0);
	assert_int_equal(
		admin_folder_publish(below("site"), &second, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(out.changed, 0);
	admin_site_done(&first);
	admin_site_done(&second);
}

static void
test_folder__mends_a_page_that_somebody_changed(void **state)
{
	(void)state;
	static const char *const one[] = {"a.html", "A", NULL};
	struct admin_site site = site_of(one);
	struct admin_published out;
	struct cv_err err = {0};
	struct cv_str text;

	assert_int_equal(
		admin_folder_publish(below("mend"), &site, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(unlink(below("mend/a.html")), 0);
	put("mend/a.html", "forged");
	assert_int_equal(
		admin_folder_publish(below("mend"), &site, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(out.changed, 1);
	assert_int_equal(admin_file_read(below("mend/a.html"), 100, &text, &err), CV_OK);
	assert_string_equal(text.p, "A");
	free((char *)text.p);
	/* A restored page is its owner's alone: the web server must be able to read it again. */
	struct stat st;
	assert_int_equal(chmod(below("mend/a.html"), 0640), 0);
	assert_int_equal(
		admin_folder_publish(below("mend"), &site, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(stat(below("mend/a.html"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	admin_site_done(&site);
}

static void
test_folder__of_somebody_else_is_left_alone(void **state)
{
	(void)state;
	static const char *const one[] = {"a.html", "A", NULL};
	struct admin_site site = site_of(one);
	struct admin_published out;
	struct cv_err err = {0};

	assert_int_equal(mkdir(below("home"), 0755), 0);
	put("home/thesis.odt", "years of work");
	assert_int_equal(admin_folder_publish(below("home"), &site, ADMIN_OWNER_SELF, &out, &err),
		CV_EXISTS);
	put("home/manifest.json", "{\"name\": \"another program's\"}");
	assert_int_equal(admin_folder_publish(below("home"), &site, ADMIN_OWNER_SELF, &out, &err),
		CV_EXISTS);
	assert_int_not_equal(inode("home/thesis.odt"), 0);
	assert_int_equal(inode("home/a.html"), 0);
	assert_int_equal(mkdir(below("empty"), 0755), 0);
	assert_int_equal(symlink(below("empty"), below("link")), 0);
	assert_int_equal(
		admin_folder_publish(below("link"), &site, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_not_equal(inode("empty/a.html"), 0);
	admin_site_done(&site);
}

/* DIR-04: who has left is in nothing that a killed run left beside the folder either. */
static void
test_folder__of_a_killed_run_is_swept_away(void **state)
{
	(void)state;
	static const char *const one[] = {"a.html", "A", NULL};
	static const char *const others[] = {"gone.0123abcd.newer", "gone.0123abc.new",
		"other.0123abcd.new", "gone.backup"};
	struct admin_site site = site_of(one);
	struct admin_published out;
	struct cv_err err = {0};

	assert_int_equal(mkdir(below("gone.0123abcd.new"), 0755), 0);
	assert_int_equal(mkdir(below("gone.0123abcd.new/donvi"), 0755), 0);
	put("gone.0123abcd.new/donvi/leaver.vcf", "A leaver");
	assert_int_equal(mkdir(below("gone.deadbeef.new.old"), 0755), 0);
	for (size_t i = 0; i < CV_COUNT(others); i++)
		assert_int_equal(mkdir(below(others[i]), 0755), 0);
	assert_int_equal(
		admin_folder_publish(below("gone"), &site, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(inode("gone.0123abcd.new"), 0);
	assert_int_equal(inode("gone.deadbeef.new.old"), 0);
	for (size_t i = 0; i < CV_COUNT(others); i++)
		assert_int_not_equal(inode(others[i]), 0);
	admin_site_done(&site);
}

/* ---- paths ---- */

static void
test_path__becomes_absolute_and_plain(void **state)
{
	(void)state;
	/* clang-format off */
	static const char *const rows[][2] = { { "/a/b", "/a/b" }, { "/a//b/", "/a/b" }, { "/a/./b",
	"/a/b" },
		{ "/a/../b", "/b" }, { "/../..", "/" }, { "/a/b/../../c", "/c" } };
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char *got = admin_path_absolute(rows[i][0]);
		CHECK(rows[i][0], !strcmp(got, rows[i][1]));
		free(got);
	}
	char here[400], *got = admin_path_absolute("x");
	assert_non_null(getcwd(here, sizeof here - 3));
	memcpy(here + strlen(here), "/x", 3);
	CHECK("relative", !strcmp(got, here));
	free(got);
	CHECK_END();
}

static int
remove_all(void **state)
{
	(void)state;
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void
test_folder__a_planted_link_leads_nobody_to_what_is_behind_it(void **state)
{
	(void)state;
	static const char *const one[] = {"a.html", "A", NULL};
	struct admin_site site = site_of(one);
	struct admin_published out;
	struct cv_err err = {0};

	assert_int_equal(mkdir(below("victim"), 0755), 0);
	put("victim/kept", "x");
	assert_int_equal(symlink(below("victim"), below("planted.0123abcd.new")), 0);
	assert_int_equal(
		admin_folder_publish(below("planted"), &site, ADMIN_OWNER_SELF, &out, &err), CV_OK);
	assert_int_equal(access(below("victim/kept"), F_OK), 0);
	assert_int_not_equal(access(below("planted.0123abcd.new"), F_OK), 0);
	admin_site_done(&site);
}

static void
test_root__works_in_a_folder_of_somebody_as_that_one(void **state)
{
	(void)state;
	struct cv_err err;
	struct stat st;
	bool switched;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(dir, 0711), 0);
	assert_int_equal(mkdir(below("his"), 0755), 0);
	assert_int_equal(chown(below("his"), 65534, 65534), 0);
	assert_int_equal(admin_act_as_owner_of(below("mine"), &switched, &err), CV_OK);
	assert_false(switched);
	/* The folder that is to be made lies in his. */
	assert_int_equal(admin_act_as_owner_of(below("his/new/site"), &switched, &err), CV_OK);
	assert_true(switched);
	assert_int_equal(geteuid(), 65534);
	int made = mkdir(below("his/new"), 0755), other = mkdir(below("not-his"), 0755);
	admin_act_as_self();
	assert_int_equal(geteuid(), 0);
	assert_int_equal(made, 0);
	assert_int_equal(other, -1);
	assert_int_equal(stat(below("his/new"), &st), 0);
	assert_int_equal(st.st_uid, 65534);
}

static int
make(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

int
main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv__is_read_as_spreadsheets_write_it),
		cmocka_unit_test(test_csv__refuses_too_many_columns),
		cmocka_unit_test(test_dkim__keys_become_current_only_when_told),
		cmocka_unit_test(test_dkim__private_keys_are_for_their_owner_alone),
		cmocka_unit_test(test_dkim__zone_lines_hold_strings_of_255_octets_at_most),
		cmocka_unit_test(test_folder__is_replaced_and_keeps_what_did_not_change),
		cmocka_unit_test(test_folder__mends_a_page_that_somebody_changed),
		cmocka_unit_test(test_folder__of_somebody_else_is_left_alone),
		cmocka_unit_test(test_folder__of_a_killed_run_is_swept_away),
		cmocka_unit_test(test_folder__a_planted_link_leads_nobody_to_what_is_behind_it),
		cmocka_unit_test(test_root__works_in_a_folder_of_somebody_as_that_one),
		cmocka_unit_test(test_path__becomes_absolute_and_plain),
	};
	/* clang-format on */
	return cmocka_run_group_tests(tests, make, remove_all);
}
