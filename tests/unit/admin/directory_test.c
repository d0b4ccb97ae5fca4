/* directory_test.c - what may not be public does not leak through any format; order, escapes, days.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "admin/directory/site.h"
#include "common/register/snapshot_format.h"
#include "common/store/engine.h"

#define BASE   ((uint64_t)CV_CLASS_USER << CV_ACCT_CLASS_SHIFT)
#define DOMAIN "lamgiang.example"
#define DAY    "2026-11-22"

/* ---- a register in memory ---- */

static struct reg_model model;
static unsigned next_account;

static struct reg_account *
add(enum cv_reg_kind kind, const char *local, const char *surname, const char *middle,
	const char *given, const char *agency)
{
	struct reg_account *a = reg_account_new();
	char text[300];

	a->acct = BASE + ++next_account;
	a->kind = kind;
	a->listed = true;
	a->rank = 50;
	snprintf(text, sizeof text, "%s@" DOMAIN, local);
	reg_account_set(a, T_ADDRESS, cv_str_z(text));
	reg_model_put_address(
		&model, cv_str_z(text), &(struct reg_address){REG_PRIMARY, a->acct, 0});
	snprintf(text, sizeof text, "%s%s%s%s%s", surname, *surname ? " " : "", middle,
		*middle ? " " : "", given);
	reg_account_set(a, T_NAME, cv_str_z(text));
	reg_account_set(a, T_SURNAME, cv_str_z(surname));
	reg_account_set(a, T_MIDDLE, cv_str_z(middle));
	reg_account_set(a, T_GIVEN, cv_str_z(given));
	reg_account_set(a, T_AGENCY, cv_str_z(agency));
	reg_model_add(&model, a);
	return a;
}

static struct reg_agency *
add_agency(const char *code, const char *name, const char *parent, const char *type)
{
	struct reg_agency *g = reg_agency_new(cv_str_z(code));

	g->rank = 10;
	reg_agency_set(g, AG_NAME, cv_str_z(name));
	reg_agency_set(g, AG_PARENT, cv_str_z(parent));
	reg_agency_set(g, AG_TYPE, cv_str_z(type));
	reg_model_put_agency(&model, g);
	return g;
}

/* What the operator chose; setup() clears it. */
static struct {
	const char *hidden, *key;
	bool english, coded, traps;
} options;

static int
setup(void **state)
{
	(void)state;
	next_account = 0;
	memset(&options, 0, sizeof options);
	reg_model_init(&model, DOMAIN);
	reg_model_put_domain(&model, CV_STR(DOMAIN), CV_STR(""));
	add_agency("stp", "Sở Tư pháp", "", "so");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reg_model_done(&model);
	return 0;
}

struct built {
	struct cv_buf snap, secret;
	struct cv_snapshot *snapshot;
	struct admin_directory d;
	struct admin_site site;
};

static void
build_with(struct built *b, const char *agency, const char *day, const json_t *old)
{
	static const uint8_t dummy[32] = {1};
	struct cv_err err = {0};

	*b = (struct built){
		.snap = CV_BUF_INIT(SNAP_BYTES_MAX), .secret = CV_BUF_INIT(SNAP_BYTES_MAX)};
	snap_build(&model, 7, dummy, &b->snap, &b->secret);
	if (snap_open_bytes(
		    cv_buf_view(&b->snap), cv_buf_view(&b->secret), true, &b->snapshot, &err))
		fail_msg("%s", err.text);
	const struct admin_directory_wish wish = {.province = CV_STR("Tỉnh Lam Giang"),
		.domain = CV_STR(DOMAIN),
		.agency = cv_str_z(agency),
		.hidden = cv_str_z(options.hidden),
		.day = day,
		.url = "https://danhba." DOMAIN "/",
		.english = options.english,
		.coded = options.coded,
		.traps = options.traps};
	if (admin_directory_build(b->snapshot, &wish, &b->d, &err))
		fail_msg("%s", err.text);
	admin_site_date(&b->d, old);
	if (admin_site_build(&b->d, old, cv_str_z(options.key), &b->site, &err))
		fail_msg("%s", err.text);
	assert_false(b->site.is_full);
}

static void
build(struct built *b)
{
	build_with(b, "", DAY, NULL);
}

static void
done(struct built *b)
{
	admin_site_done(&b->site);
	admin_directory_done(&b->d);
	cv_snapshot_unref(b->snapshot);
	cv_buf_done(&b->snap);
	cv_buf_done(&b->secret);
}

static const struct admin_site_file *
file_of(const struct built *b, const char *path)
{
	for (size_t i = 0; i < b->site.count; i++)
		if (!strcmp(b->site.files[i].path, path))
			return &b->site.files[i];
	fail_msg("no file %s", path);
	return NULL;
}

/* The first file that has TEXT in it, or NULL. */
static const char *
where_is(const struct built *b, const char *text)
{
	for (size_t i = 0; i < b->site.count; i++)
		if (strstr(b->site.files[i].bytes, text))
			return b->site.files[i].path;
	return NULL;
}

/* ---- DIR-02, DIR-04 ---- */

static void
test_publish__lets_nothing_private_out_in_any_format(void **state)
{
	(void)state;
	struct built b;
	struct reg_account *a;

	a = add(CV_KIND_PERSON, "bikhoa.stp", "Lê", "Bị", "Khóakhóa", "stp");
	a->state = CV_STATE_SUSPENDED;
	a = add(CV_KIND_PERSON, "nghihuu.stp", "Lê", "Nghỉ", "Hưuhưu", "stp");
	a->state = CV_STATE_RETIRED;
	a = add(CV_KIND_PERSON, "khongliet.stp", "Lê", "Không", "Liệtkê", "stp");
	a->listed = false;
	add(CV_KIND_APP, "ungdung.stp", "", "", "Ứngdụng", "stp");
	add(CV_KIND_GROUP, "nhom.stp", "", "", "Nhómnhóm", "stp");
	add(CV_KIND_PERSON, "vogiacu", "Lê", "Vô", "Giacư", "");
	a = add(CV_KIND_PERSON, "kindao.stp", "Lê", "Kín", "Đáo", "stp");
	reg_account_set(a, T_PHONE_MOBILE, CV_STR("0911222333"));
	reg_account_set(a, T_STAFF_ID, CV_STR("MA-SO-777"));
	reg_account_set(a, T_LETTER, CV_STR("CONG-VAN-888"));
	a->must_change = true;
	a->secret.version = 5;
	snprintf(a->secret.argon, sizeof a->secret.argon, "$argon2id$rat-bi-mat");
	a = add(CV_KIND_PERSON, "dongy.stp", "Lê", "Đồng", "Ý", "stp");
	reg_account_set(a, T_PHONE_MOBILE, CV_STR("0944555666"));
	a->mobile_consent = true;

	build(&b);
	/* clang-format off */
	static const char *const secrets[] = { "bikhoa", "Khóakhóa", "nghihuu", "Hưuhưu",
	"khongliet",
		"Liệtkê", "ungdung", "Ứngdụng", "nhom.stp", "Nhómnhóm", "vogiacu", "Giacư",
		"0911222333",
		"0911 222 333", "MA-SO-777", "CONG-VAN-888", "argon", "bi-mat", "quota",
		"mobile_consent" };
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(secrets); i++) {
		const char *path = where_is(&b, secrets[i]);
		if (path)
			print_error("%s is in %s\n", secrets[i], path);
		CHECK(secrets[i], !path);
	}
	/* The check sees what is public, so it would have seen the rest. */
	/* clang-format off */
	static const char *const formats[] = { "donvi/stp.html", "donvi/stp.json", "donvi/stp.csv",
		"danhba.json", "danhba.csv" };
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(formats); i++) {
		const char *bytes = file_of(&b, formats[i])->bytes;
		CHECK(formats[i], strstr(bytes, "kindao.stp") != NULL);
		CHECK(formats[i], strstr(bytes, "0944555666") != NULL);
	}
	assert_int_equal(b.d.people, 2);
	assert_int_equal(b.d.homeless, 1);
	CHECK_END();
	done(&b);
}

static void
test_publish__forgets_a_mobile_number_when_consent_is_withdrawn(void **state)
{
	(void)state;
	struct built b;
	struct reg_account *a = add(CV_KIND_PERSON, "dongy.stp", "Lê", "Đồng", "Ý", "stp");

	reg_account_set(a, T_PHONE_MOBILE, CV_STR("0944555666"));
	a->mobile_consent = true;
	build(&b);
	assert_non_null(where_is(&b, "0944555666"));
	assert_non_null(strstr(file_of(&b, "donvi/stp.html")->bytes, ">Di động<"));
	done(&b);
	a->mobile_consent = false;
	build(&b);
	assert_null(where_is(&b, "0944555666"));
	assert_null(strstr(file_of(&b, "donvi/stp.html")->bytes, ">Di động<"));
	done(&b);
}

static void
test_publish__shows_an_agency_address_only_while_its_box_is_public(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *name, *address;
		enum cv_reg_state box_state;
		bool listed, want;
	} rows[] = {
		{ "open box",        "stp@" DOMAIN,      CV_STATE_ACTIVE,    true,  true  },
		{ "suspended box",   "stp@" DOMAIN,      CV_STATE_SUSPENDED, true,  false },
		{ "unlisted box",    "stp@" DOMAIN,      CV_STATE_ACTIVE,    false, false },
		{ "no such box",     "khong@" DOMAIN,    CV_STATE_ACTIVE,    true,  false },
		{ "another's domain", "stp@khac.example", CV_STATE_ACTIVE,   true,  true  },
	};
	/* clang-format on */
	struct reg_account *box = add(CV_KIND_AGENCY, "stp", "", "", "Sở Tư pháp", "stp");

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct built b;
		struct reg_agency *g = cv_map_get(&model.agencies, CV_STR("stp"));
		reg_agency_set(g, AG_ADDRESS, cv_str_z(rows[i].address));
		box->state = rows[i].box_state;
		box->listed = rows[i].listed;
		build(&b);
		CHECK(rows[i].name, (b.d.units[0].address.n > 0) == rows[i].want);
		CHECK(rows[i].name, (strstr(file_of(&b, "index.html")->bytes, "mailto:") != NULL) ==
					    rows[i].want);
		done(&b);
	}
	CHECK_END();
}

/* ---- hostile texts ---- */

static void
test_publish__makes_no_markup_of_what_the_register_says(void **state)
{
	(void)state;
	struct built b;
	struct reg_agency *g = cv_map_get(&model.agencies, CV_STR("stp"));
	struct reg_account *a =
		add(CV_KIND_PERSON, "x.stp", "<b>Lê", "\"'&", "</td><script>x()</script>", "stp");

	reg_account_set(a, T_TITLE, CV_STR("<img src=x onerror=y>"));
	reg_account_set(a, T_DEPARTMENT, CV_STR("\xe2\x80\xaeđảo\xe2\x80\x8b\x01 chiều\xff"));
	reg_account_set(a, T_PHONE_OFFICE, CV_STR("\"><i>0299"));
	reg_agency_set(g, AG_NAME, CV_STR("</title><script>alert(1)</script>"));
	reg_agency_set(g, AG_WEBSITE, CV_STR("javascript:alert(1)"));
	reg_agency_set(g, AG_LOCATION, CV_STR("<iframe>"));
	build(&b);
	/* clang-format off */
	static const char *const never[] = { "<script>", "<img", "<i>", "<b>", "<iframe",
		"href=\"javascript", "\xe2\x80\xae", "\xe2\x80\x8b", "\x01" };
	/* clang-format on */
	for (size_t i = 0; i < b.site.count; i++) {
		const struct admin_site_file *f = &b.site.files[i];
		bool is_page = cv_str_has_suffix(cv_str_z(f->path), ".html");
		CHECK(f->path, strlen(f->bytes) == f->n);
		CHECK(f->path, !strchr(f->bytes, '\xff'));
		for (size_t k = 0; k < CV_COUNT(never); k++)
			CHECK(f->path,
				!strstr(f->bytes, never[k]) ||
					(!is_page && never[k][0] != '\xe2' && never[k][0] != 1));
	}
	assert_non_null(strstr(file_of(&b, "donvi/stp.html")->bytes, "&lt;script&gt;x()"));
	assert_non_null(strstr(file_of(&b, "donvi/stp.html")->bytes, "&quot;&#39;&amp;"));
	CHECK_END();
	done(&b);
}

static void
test_csv__gives_a_spreadsheet_no_formula(void **state)
{
	(void)state;
	struct built b;
	struct reg_account *a = add(CV_KIND_PERSON, "x.stp", "=HYPERLINK(1)", "", "Lê", "stp");

	reg_account_set(a, T_TITLE, CV_STR("@SUM(1)"));
	reg_account_set(a, T_DEPARTMENT, CV_STR("Phòng \"A\", B"));
	build(&b);
	const char *csv = file_of(&b, "danhba.csv")->bytes;
	assert_memory_equal(csv, "\xef\xbb\xbfSTT,", 7);
	assert_non_null(strstr(csv, "\" =HYPERLINK(1) Lê\",\" @SUM(1)\","));
	assert_non_null(strstr(csv, ",\"Phòng \"\"A\"\", B\","));
	done(&b);
}

/* ---- DIR-05 ---- */

static void
test_publish__sorts_by_rank_then_given_name_as_vietnamese_do(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *surname, *middle, *given;
		uint32_t rank;
	} rows[] = { /* in the order wanted */
		{ "Vũ",     "Văn",  "Ý",     20 },
		{ "Trần",   "Thị",  "An",    50 },
		{ "Lê",     "Văn",  "Ân",    50 },
		{ "Lê",     "Văn",  "Dung",  50 },
		{ "Bùi",    "Văn",  "Đạt",   50 },
		{ "Nguyễn", "Thị",  "Hoa",   50 },
		{ "Lê",     "Thị",  "Hòa",   50 },
		{ "Lê",     "Xuân", "Hòa",   50 },
		{ "Nguyễn", "Thị",  "Hòa",   50 },
		{ "Lê",     "Thị",  "Hóa",   50 },
		{ "An",     "",     "Bình",  70 },
	};
	/* clang-format on */
	struct built b;

	for (size_t i = CV_COUNT(rows); i-- > 0;) { /* put in backwards */
		char local[40];
		snprintf(local, sizeof local, "n%zu.stp", i);
		add(CV_KIND_PERSON, local, rows[i].surname, rows[i].middle, rows[i].given, "stp")
			->rank = rows[i].rank;
	}
	build(&b);
	assert_int_equal(b.d.units[0].count, CV_COUNT(rows));
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char want[100];
		snprintf(want, sizeof want, "n%zu.stp@" DOMAIN, i);
		CHECK(want, cv_str_eq_z(b.d.units[0].entries[i].address, want));
	}
	CHECK_END();
	done(&b);
}

static void
test_publish__puts_units_in_groups_and_role_boxes_first(void **state)
{
	(void)state;
	struct built b;

	add_agency("xa2", "UBND xã Ân Thi", "", "xa");
	add_agency("xa1", "UBND xã An Thi", "", "xa");
	add_agency("la", "Hội gì đó", "", "hoi");
	add_agency("sn", "Trung tâm", "stp", "dvsn");
	add(CV_KIND_PERSON, "a.stp", "Lê", "", "An", "stp")->rank = 1;
	add(CV_KIND_ROLE, "vanthu.stp", "", "", "Văn thư", "stp");
	build(&b);
	static const char *const order[] = {"stp", "sn", "xa1", "xa2", "la"};
	assert_int_equal(b.d.count, CV_COUNT(order));
	for (size_t i = 0; i < CV_COUNT(order); i++)
		CHECK(order[i], cv_str_eq_z(b.d.units[i].code, order[i]));
	assert_true(b.d.units[0].entries[0].is_role);
	assert_int_equal(b.d.people, 1);
	assert_int_equal(b.d.roles, 1);
	CHECK_END();
	done(&b);
}

static void
test_publish__of_one_agency_holds_it_and_what_is_below(void **state)
{
	(void)state;
	struct built b;
	struct cv_err err = {0};
	struct admin_directory none = {0};

	add_agency("sn", "Trung tâm", "stp", "dvsn");
	add_agency("snv", "Sở Nội vụ", "", "so");
	add(CV_KIND_PERSON, "a.snv", "Lê", "", "Ngoài", "snv");
	add(CV_KIND_PERSON, "b.sn", "Lê", "", "Trong", "sn");
	build_with(&b, "stp", DAY, NULL);
	assert_int_equal(b.d.count, 2);
	assert_null(where_is(&b, "Ngoài"));
	assert_non_null(where_is(&b, "Trong"));
	assert_int_equal(b.d.homeless, 0);
	assert_int_equal(
		admin_directory_build(b.snapshot,
			&(struct admin_directory_wish){.province = CV_STR("T"),
				.agency = CV_STR("khong"),
				.day = DAY,
				.url = ""},
			&none, &err),
		CV_NOT_FOUND);
	admin_directory_done(&none);
	done(&b);
}

/* ---- DIR-07 ---- */

static void
test_publish__gives_the_same_bytes_and_keeps_the_day_of_what_did_not_change(void **state)
{
	(void)state;
	struct built first, again, later;

	add_agency("snv", "Sở Nội vụ", "", "so");
	add(CV_KIND_PERSON, "a.snv", "Lê", "", "Ngoài", "snv");
	struct reg_account *a = add(CV_KIND_PERSON, "a.stp", "Lê", "Văn", "An", "stp");
	build(&first);
	build(&again);
	assert_int_equal(first.site.count, again.site.count);
	for (size_t i = 0; i < first.site.count; i++) {
		CHECK(first.site.files[i].path,
			!strcmp(first.site.files[i].sha256, again.site.files[i].sha256));
	}
	done(&again);
	reg_account_set(a, T_TITLE, CV_STR("Chuyên viên"));
	json_t *old = json_loads(file_of(&first, "manifest.json")->bytes, 0, NULL);
	assert_non_null(old);
	build_with(&later, "", "2026-12-01", old);
	json_decref(old);
	/* clang-format off */
	static const struct {
		const char *path;
		bool same;
	} rows[] = { { "donvi/snv.html", true }, { "donvi/snv.json", true }, { "donvi/snv.csv",
	true },
		{ "style.css", true }, { "donvi/stp.html", false }, { "donvi/stp.csv", false },
		{ "index.html", false }, { "manifest.json", false } };
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].path, !strcmp(file_of(&first, rows[i].path)->sha256,
					    file_of(&later, rows[i].path)->sha256) == rows[i].same);
	assert_non_null(strstr(file_of(&later, "donvi/snv.html")->bytes, "22/11/2026"));
	assert_non_null(strstr(file_of(&later, "donvi/stp.html")->bytes, "01/12/2026"));
	assert_non_null(strstr(file_of(&later, "index.html")->bytes, "01/12/2026"));
	CHECK_END();
	done(&first);
	done(&later);
}

static void
test_manifest__lists_every_other_file_with_its_sum(void **state)
{
	(void)state;
	struct built b;
	size_t i;
	json_t *f;

	add(CV_KIND_PERSON, "a.stp", "Lê", "Văn", "An", "stp");
	build(&b);
	assert_string_equal(b.site.files[b.site.count - 1].path, "manifest.json");
	json_t *m = json_loads(file_of(&b, "manifest.json")->bytes, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(m);
	assert_int_equal(json_integer_value(json_object_get(m, "schema")), 1);
	assert_int_equal(json_array_size(json_object_get(m, "files")), b.site.count - 1);
	json_array_foreach(json_object_get(m, "files"), i, f)
	{
		const char *path = json_string_value(json_object_get(f, "path"));
		const struct admin_site_file *file = file_of(&b, path);
		CHECK(path, admin_site_path_is_sound(path));
		CHECK(path, !strcmp(json_string_value(json_object_get(f, "sha256")), file->sha256));
		CHECK(path, json_integer_value(json_object_get(f, "size")) == (json_int_t)file->n);
	}
	json_decref(m);
	CHECK_END();
	done(&b);
}

static void
test_path__is_sound_only_inside_the_folder(void **state)
{
	(void)state;
	/* clang-format off */
	static const struct {
		const char *path;
		bool want;
	} rows[] = {
		{ "index.html", true }, { "donvi/stp.json", true }, { "a-b_c", true },
		{ "", false }, { "/etc/passwd", false }, { "../x", false }, { "a/../b", false },
		{ "a//b", false }, { "a/", false }, { ".htaccess", false }, { "a/.b", false },
		{ "A.html", false }, { "a b", false }, { "a%2e", false }, { "a?b", false },
		{ "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhh", false },
	};
	/* clang-format on */

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].path, admin_site_path_is_sound(rows[i].path) == rows[i].want);
	CHECK_END();
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		T(test_publish__lets_nothing_private_out_in_any_format),
		T(test_publish__forgets_a_mobile_number_when_consent_is_withdrawn),
		T(test_publish__shows_an_agency_address_only_while_its_box_is_public),
		T(test_publish__makes_no_markup_of_what_the_register_says),
		T(test_csv__gives_a_spreadsheet_no_formula),
		T(test_publish__sorts_by_rank_then_given_name_as_vietnamese_do),
		T(test_publish__puts_units_in_groups_and_role_boxes_first),
		T(test_publish__of_one_agency_holds_it_and_what_is_below),
		T(test_publish__gives_the_same_bytes_and_keeps_the_day_of_what_did_not_change),
		T(test_manifest__lists_every_other_file_with_its_sum),
		T(test_path__is_sound_only_inside_the_folder),
	};
	/* clang-format on */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
