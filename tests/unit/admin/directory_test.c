/* directory_test.c - what may not be public does not leak through any format; order, escapes, days.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "admin/directory/site.h"
#include "common/text/encode.h"
#include "common/register/snapshot_format.h"
#include "common/store/engine.h"
#include "common/register/trap.h"
#include "admin/certificate.h"

#include <zlib.h>

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
		&model, cv_str_z(text),
		&(struct reg_address){ .type = REG_PRIMARY, .acct = a->acct });
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

/* The members of a zip, unpacked one behind the other: what stands in a spreadsheet is deflated. */
static void
unzip(const struct admin_site_file *f, struct cv_buf *out)
{
	const unsigned char *p = (const unsigned char *)f->bytes;

	for (size_t at = 0; at + 30 < f->n && !memcmp(p + at, "PK\3\4", 4);) {
		size_t n = p[at + 18] | (size_t)p[at + 19] << 8 | (size_t)p[at + 20] << 16;
		size_t size = p[at + 22] | (size_t)p[at + 23] << 8 | (size_t)p[at + 24] << 16;
		size_t start = at + 30 + (p[at + 26] | (size_t)p[at + 27] << 8) +
			       (p[at + 28] | (size_t)p[at + 29] << 8);
		if (p[at + 8] == 8) {
			z_stream z = {.next_in = (Bytef *)(uintptr_t)(p + start),
				.avail_in = (uInt)n,
				.next_out = (Bytef *)cv_buf_room(out, size),
				.avail_out = (uInt)size};
			assert_int_equal(inflateInit2(&z, -15), Z_OK);
			assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
			inflateEnd(&z);
			out->n += size;
		} else {
			cv_buf_add(out, p + start, size);
		}
		at = start + n;
	}
}

/* The first file that has TEXT in it, or NULL. Also where it is packed, or in base64. */
static const char *
where_is(const struct built *b, const char *text)
{
	const char *found = NULL;

	for (size_t i = 0; !found && i < b->site.count; i++) {
		const struct admin_site_file *f = &b->site.files[i];
		struct cv_buf unpacked = CV_BUF_INIT(64u << 20);
		if (cv_str_has_suffix(cv_str_z(f->path), ".xlsx"))
			unzip(f, &unpacked);
		if (memmem(f->bytes, f->n, text, strlen(text)) ||
			(unpacked.n && memmem(unpacked.p, unpacked.n, text, strlen(text))))
			found = f->path;
		cv_buf_done(&unpacked);
	}
	return found;
}

static bool
is_in(const struct built *b, const char *path, const char *text)
{
	const struct admin_site_file *f = file_of(b, path);
	struct cv_buf unpacked = CV_BUF_INIT(64u << 20);

	if (cv_str_has_suffix(cv_str_z(path), ".xlsx"))
		unzip(f, &unpacked);
	else
		cv_buf_add(&unpacked, f->bytes, f->n);
	bool found = memmem(unpacked.p, unpacked.n, text, strlen(text)) != NULL;
	cv_buf_done(&unpacked);
	return found;
}

/* ---- DIR-02, DIR-04 ---- */

/* Every way to be somewhere in the register and not in the directory, and every field that never
 * is; the mark tells which one leaked. */
static const char *const marks[] = {"bikhoa", "Khóakhóa", "nghihuu", "Hưuhưu", "khongliet",
	"Liệtkê", "ungdung", "Ứngdụng", "nhom.stp", "Nhómnhóm", "vogiacu", "Giacư", "cobimat",
	"Mậtmật", "phongkin", "Kínkín", "Kin kin", "quansu", "Cơ quan giấu", "duoigiau", "0911222333",
	"0911 222 333", "MA-SO-777", "CONG-VAN-888", "argon", "rat-bi-mat", "mobile_consent", "staff",
	"Boi-giau", "0900000001", "0900000002", "0900000003"};

static void
fill_with_secrets(void)
{
	struct reg_account *a;

	a = add(CV_KIND_PERSON, "bikhoa.stp", "Lê", "Bị", "Khóakhóa", "stp");
	a->state = CV_STATE_SUSPENDED;
	a->mobile_consent = true;
	reg_account_set(a, T_PHONE_MOBILE, CV_STR("0900000001"));
	a = add(CV_KIND_PERSON, "nghihuu.stp", "Lê", "Nghỉ", "Hưuhưu", "stp");
	a->state = CV_STATE_RETIRED;
	a->mobile_consent = true;
	reg_account_set(a, T_PHONE_MOBILE, CV_STR("0900000002"));
	a = add(CV_KIND_PERSON, "khongliet.stp", "Lê", "Không", "Liệtkê", "stp");
	a->listed = false;
	a->mobile_consent = true;
	reg_account_set(a, T_PHONE_MOBILE, CV_STR("0900000003"));
	add(CV_KIND_APP, "ungdung.stp", "", "", "Ứngdụng", "stp");
	add(CV_KIND_GROUP, "nhom.stp", "", "", "Nhómnhóm", "stp");
	add(CV_KIND_PERSON, "vogiacu", "Lê", "Vô", "Giacư", "");
	a = add(CV_KIND_PERSON, "cobimat.stp", "Lê", "Cơ", "Mậtmật", "stp");
	reg_account_set(a, T_DEPARTMENT, CV_STR("Phòng Cơ yếu"));
	a = add(CV_KIND_ROLE, "phongkin.stp", "", "", "Kínkín", "stp");
	reg_account_set(a, T_DEPARTMENT, CV_STR("Phòng  Cơ Yếu"));
	add_agency("quansu", "Cơ quan giấu", "", "so");
	add_agency("duoigiau", "Boi-giau", "quansu", "dvsn");
	add(CV_KIND_PERSON, "a.quansu", "Lê", "", "Boi-giau", "quansu");
	add(CV_KIND_PERSON, "a.duoigiau", "Lê", "", "Boi-giau", "duoigiau");
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
}

/* The marks as base64 too, which LDIF writes; and the digests of addresses that are not public. */
static void
check_marks(const struct built *b)
{
	for (size_t i = 0; i < CV_COUNT(marks); i++) {
		const char *path = where_is(b, marks[i]);
		if (path)
			print_error("%s is in %s\n", marks[i], path);
		assert_null(path);
	}
	static const char *const addresses[] = {"bikhoa.stp", "nghihuu.stp", "khongliet.stp",
		"ungdung.stp", "nhom.stp", "vogiacu", "cobimat.stp", "phongkin.stp", "a.quansu",
		"a.duoigiau"};
	for (size_t i = 0; i < CV_COUNT(addresses); i++) {
		char text[200], hex[65];
		snprintf(text, sizeof text, "%s@" DOMAIN, addresses[i]);
		admin_official_digest(cv_str_z(text), hex);
		assert_null(where_is(b, hex));
	}
	/* LDIF: names in base64. */
	static const char *const names[] = {"Lê Bị Khóakhóa", "Lê Nghỉ Hưuhưu", "Lê Không Liệtkê",
		"Lê Cơ Mậtmật", "Kínkín"};
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		struct cv_buf text = CV_BUF_INIT(1000);
		cv_base64_encode(cv_str_z(names[i]), &text);
		cv_buf_c(&text, '\0');
		assert_null(where_is(b, text.p));
		cv_buf_done(&text);
	}
}

static void
dir_02_nothing_private_gets_out_in_any_format(void **state)
{
	(void)state;
	struct built b;

	fill_with_secrets();
	for (int round = 0; round < 2; round++) { /* bare, and with every option */
		options.hidden = "quansu stp/phong-co-yeu";
		options.english = options.coded = options.traps = round == 1;
		build(&b);
		check_marks(&b);
		/* The check sees what is public, so it would have seen the rest. */
		/* clang-format off */
		static const char *const formats[] = { "donvi/stp.html", "donvi/stp.json",
			"donvi/stp.csv", "donvi/stp.vcf", "donvi/stp-outlook.vcf", "danhba.json",
			"danhba.csv", "danhba.vcf", "danhba.ldif", "danhba.xlsx", "nhung/stp.html",
			"nhung/stp.inc" };
		/* clang-format on */
		for (size_t i = 0; i < CV_COUNT(formats); i++) {
			bool is_page = strstr(formats[i], "html") || strstr(formats[i], ".inc");
			CHECK(formats[i],
				is_in(&b, formats[i], "kindao.stp") == !(is_page && options.coded));
			CHECK(formats[i], is_in(&b, formats[i], "0944555666"));
		}
		assert_int_equal(b.d.people, 2);
		assert_int_equal(b.d.homeless, 1);
		done(&b);
	}
	CHECK_END();
}

/* Without the option the same people are there: it is the filter that hides them. */
static void
dir_02_hidden_departments_are_hidden_by_the_option_alone(void **state)
{
	(void)state;
	struct built b;

	fill_with_secrets();
	build(&b);
	assert_non_null(where_is(&b, "cobimat.stp"));
	assert_non_null(where_is(&b, "a.duoigiau"));
	done(&b);
}

static void
dir_02_a_mobile_number_is_gone_when_consent_is_withdrawn(void **state)
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
dir_04_an_agency_address_is_shown_only_while_its_box_is_public(void **state)
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
		if (cv_str_has_suffix(cv_str_z(f->path), ".xlsx"))
			continue;
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
dir_05_people_are_sorted_by_rank_then_given_name(void **state)
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
dir_07_what_did_not_change_keeps_its_bytes_and_its_day(void **state)
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
dir_07_the_manifest_lists_every_other_file_with_its_sum(void **state)
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
dir_07_the_feed_names_changed_units_first_and_those_that_are_gone(void **state)
{
	(void)state;
	struct built first, later;
	struct reg_account *a;

	add_agency("snv", "Sở Nội vụ", "", "so");
	add(CV_KIND_PERSON, "a.snv", "Lê", "", "An", "snv");
	a = add(CV_KIND_PERSON, "a.stp", "Lê", "Văn", "An", "stp");
	build(&first);
	json_t *old = json_loads(file_of(&first, "manifest.json")->bytes, 0, NULL);
	json_object_set_new(json_object_get(old, "agencies"), "cu",
		json_pack("{s:s, s:s}", "updated", "2026-01-01", "sha256", "x"));
	reg_account_set(a, T_TITLE, CV_STR("Chuyên viên"));
	build_with(&later, "", "2026-12-01", old);
	json_t *feed = json_loads(file_of(&later, "thaydoi.json")->bytes, 0, NULL);
	json_t *changes = json_object_get(feed, "changes"), *gone = json_object_get(feed, "gone");
	json_t *top = json_array_get(changes, 0);
	assert_int_equal(json_array_size(changes), 2);
	assert_string_equal(json_string_value(json_object_get(top, "code")), "stp");
	assert_string_equal(json_string_value(json_object_get(top, "updated")), "2026-12-01");
	assert_string_equal(json_string_value(json_object_get(top, "sha256")),
		file_of(&later, "donvi/stp.json")->sha256);
	assert_int_equal(json_array_size(gone), 1);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(gone, 0), "code")), "cu");
	json_decref(feed);
	json_decref(old);
	done(&later);
	/* Still told of two months later, no more after four. */
	/* clang-format off */
	static const struct { const char *day; size_t want; } rows[] = {
		{ "2027-01-30", 1 }, { "2027-04-30", 0 } };
	/* clang-format on */
	old = json_pack("{s:[{s:s, s:s}]}", "gone", "code", "cu", "day", "2026-12-01");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		build_with(&later, "", rows[i].day, old);
		feed = json_loads(file_of(&later, "thaydoi.json")->bytes, 0, NULL);
		CHECK(rows[i].day, json_array_size(json_object_get(feed, "gone")) == rows[i].want);
		json_decref(feed);
		done(&later);
	}
	json_decref(old);
	CHECK_END();
	done(&first);
}

static void
test_manifest__is_signed_by_the_key_and_by_no_other(void **state)
{
	(void)state;
	struct built b;
	struct cv_err err = {0};
	struct cv_buf key = CV_BUF_INIT(65536), other = CV_BUF_INIT(65536);

	assert_int_equal(admin_key_make(ADMIN_KEY_ED25519, 0, &key, &err), CV_OK);
	assert_int_equal(admin_key_make(ADMIN_KEY_ED25519, 0, &other, &err), CV_OK);
	cv_buf_c(&key, '\0');
	options.key = key.p;
	add(CV_KIND_PERSON, "a.stp", "Lê", "Văn", "An", "stp");
	build(&b);
	const struct admin_site_file *m = file_of(&b, "manifest.json");
	const struct admin_site_file *sig = file_of(&b, "manifest.json.sig");
	const struct admin_site_file *pem = file_of(&b, "khoa.pem");
	struct cv_str bytes = cv_str(m->bytes, m->n), signature = cv_str(sig->bytes, sig->n);
	assert_int_equal(
		admin_sign_check(cv_str(pem->bytes, pem->n), bytes, signature, &err), CV_OK);
	assert_int_equal(
		admin_sign_check(cv_buf_view(&other), bytes, signature, &err), CV_DENIED);
	m->bytes[10] ^= 1;
	assert_int_equal(
		admin_sign_check(cv_str(pem->bytes, pem->n), bytes, signature, &err), CV_DENIED);
	assert_int_equal(admin_sign_check(CV_STR("x"), bytes, signature, &err), CV_INVALID);
	done(&b);
	cv_buf_done(&key);
	cv_buf_done(&other);
}

static void
dir_06_addresses_are_coded_and_each_file_has_a_trap_that_names_it(void **state)
{
	(void)state;
	struct built b;
	char path[CV_TRAP_PATH_SIZE];
	static const char *const files[] = {"index.html", "danhba.csv", "danhba.json",
		"donvi/stp.html", "donvi/stp.csv", "donvi/stp.json"};

	add(CV_KIND_PERSON, "a.stp", "Lê", "Văn", "An", "stp");
	options.coded = options.traps = true;
	build(&b);
	const char *page = file_of(&b, "donvi/stp.html")->bytes;
	assert_null(strstr(page, "a.stp@"));
	assert_non_null(strstr(page, "&#97;")); /* the letter a */
	for (size_t i = 0; i < CV_COUNT(files); i++) {
		struct cv_buf trap = CV_BUF_INIT(400);
		admin_trap_address(&b.d, files[i], &trap);
		cv_buf_c(&trap, '\0');
		const char *found = where_is(&b, trap.p);
		CHECK(files[i], found && !strcmp(found, files[i]));
		struct cv_str local = cv_str_sub(
			cv_str_z(trap.p), 0, cv_str_find(cv_str_z(trap.p), '@', 0));
		CHECK(files[i], cv_trap_find(b.snapshot, local, CV_STR(DOMAIN), path));
		CHECK(files[i], !strcmp(path, files[i]));
		CHECK(files[i], !cv_trap_find(b.snapshot, local, CV_STR("khac.example"), path));
		cv_buf_done(&trap);
	}
	assert_non_null(strstr(page, "<p hidden><a href=\"mailto:tiepnhan-"));
	assert_false(cv_trap_find(b.snapshot, CV_STR("tiepnhan-0000000000"), CV_STR(DOMAIN), path));
	assert_false(cv_trap_find(b.snapshot, CV_STR("tiepnhan"), CV_STR(DOMAIN), path));
	CHECK_END();
	done(&b);
}

static void
dir_08_only_yes_or_no_and_the_agency_are_told(void **state)
{
	(void)state;
	struct built b;
	char hex[65];

	add(CV_KIND_PERSON, "nthoa.stp", "Nguyễn", "Thị", "Hòa", "stp");
	build(&b);
	assert_false(is_in(&b, "chinhthuc.json", "nthoa"));
	assert_false(is_in(&b, "chinhthuc.json", "Hòa"));
	admin_official_digest(CV_STR("NTHoa.stp@" DOMAIN), hex);
	assert_true(is_in(&b, "chinhthuc.json", hex));
	admin_official_digest(CV_STR("nthoa2.stp@" DOMAIN), hex);
	assert_false(is_in(&b, "chinhthuc.json", hex));
	done(&b);
}

static void
test_vcard__folds_lines_between_letters_and_escapes(void **state)
{
	(void)state;
	struct built b;
	struct reg_account *a = add(CV_KIND_PERSON, "a.stp", "Nguyễn", "Thị", "Hòa", "stp");

	reg_account_set(a, T_TITLE, CV_STR("Trưởng phòng; phụ trách Phòng Kế hoạch, Tài chính \\ và "
					   "Đầu tư của Sở Tư pháp tỉnh Lam Giang"));
	build(&b);
	const char *card = file_of(&b, "donvi/stp.vcf")->bytes;
	assert_non_null(strstr(card, "\r\nN:Nguyễn;Hòa;Thị;;\r\n"));
	assert_non_null(strstr(card, "TITLE:Trưởng phòng\\; phụ trách"));
	for (const char *line = card, *end; *line; line = end + 2) {
		end = strstr(line, "\r\n");
		assert_non_null(end);
		assert_true(end - line <= 75);
		assert_true(((unsigned char)line[*line == ' '] & 0xc0) != 0x80);
	}
	assert_non_null(strstr(file_of(&b, "donvi/stp-outlook.vcf")->bytes, "VERSION:3.0"));
	done(&b);
}

static void
dir_10_changes_of_the_book_add_modify_and_delete(void **state)
{
	(void)state;
	struct built b;
	struct cv_err err = {0};
	struct cv_buf old = CV_BUF_INIT(1u << 20), changes = CV_BUF_INIT(1u << 20);
	struct reg_account *leaver = add(CV_KIND_PERSON, "a.stp", "Lê", "Văn", "An", "stp");
	struct reg_account *moved = add(CV_KIND_PERSON, "b.stp", "Lê", "Văn", "Ba", "stp");

	reg_account_set(moved, T_PHONE_OFFICE, CV_STR("02993340394"));
	add(CV_KIND_PERSON, "c.stp", "Lê", "Văn", "Ca", "stp");
	build(&b);
	admin_ldif(&b.d, &old);
	assert_non_null(memmem(old.p, old.n, "cn: ba le van\n", 14));
	done(&b);
	leaver->state = CV_STATE_RETIRED;
	reg_account_set(moved, T_TITLE, CV_STR("Giam doc"));
	reg_account_set(moved, T_PHONE_OFFICE, CV_STR(""));
	add(CV_KIND_PERSON, "d.stp", "Lê", "Văn", "Du", "stp");
	build(&b);
	const struct admin_site_file *new = file_of(&b, "danhba.ldif");
	assert_int_equal(admin_ldif_changes(cv_buf_view(&old), cv_str(new->bytes, new->n), &changes,
				 &err),
		CV_OK);
	cv_buf_c(&changes, '\0');
	/* clang-format off */
	static const char *const wanted[] = {
		"dn: mail=a.stp@" DOMAIN ",ou=stp,dc=lamgiang,dc=example\nchangetype: delete\n",
		"dn: mail=b.stp@" DOMAIN ",ou=stp,dc=lamgiang,dc=example\nchangetype: modify\n",
		"replace: title\ntitle: Giam doc\n-\n", "replace: telephoneNumber\n-\n",
		"dn: mail=d.stp@" DOMAIN ",ou=stp,dc=lamgiang,dc=example\nchangetype: add\n" };
	/* clang-format on */
	for (size_t i = 0; i < CV_COUNT(wanted); i++)
		CHECK(wanted[i], strstr(changes.p, wanted[i]));
	CHECK("what is as it was", !strstr(changes.p, "c.stp"));
	cv_buf_reset(&changes);
	assert_int_equal(admin_ldif_changes(CV_STR("dn: x\n"), cv_str(new->bytes, new->n), &changes,
				 &err),
		CV_INVALID);
	CHECK_END();
	cv_buf_done(&old);
	cv_buf_done(&changes);
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
		T(dir_02_nothing_private_gets_out_in_any_format),
		T(dir_02_a_mobile_number_is_gone_when_consent_is_withdrawn),
		T(dir_04_an_agency_address_is_shown_only_while_its_box_is_public),
		T(test_publish__makes_no_markup_of_what_the_register_says),
		T(test_csv__gives_a_spreadsheet_no_formula),
		T(dir_05_people_are_sorted_by_rank_then_given_name),
		T(test_publish__puts_units_in_groups_and_role_boxes_first),
		T(test_publish__of_one_agency_holds_it_and_what_is_below),
		T(dir_07_what_did_not_change_keeps_its_bytes_and_its_day),
		T(dir_07_the_manifest_lists_every_other_file_with_its_sum),
		T(dir_02_hidden_departments_are_hidden_by_the_option_alone),
		T(dir_07_the_feed_names_changed_units_first_and_those_that_are_gone),
		T(test_manifest__is_signed_by_the_key_and_by_no_other),
		T(dir_06_addresses_are_coded_and_each_file_has_a_trap_that_names_it),
		T(dir_08_only_yes_or_no_and_the_agency_are_told),
		T(test_vcard__folds_lines_between_letters_and_escapes),
		T(dir_10_changes_of_the_book_add_modify_and_delete),
		T(test_path__is_sound_only_inside_the_folder),
	};
	/* clang-format on */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
