/* import_test.c - staff lists as they arrive: repaired, refused, imported twice, in odd files. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/register/registry.h"
#include "common/text/charset.h"
#include "common/text/encode.h"
#include "tests/unit/common/scratch.h"

static char dir[64], register_dir[80], mail_dir[80];
static struct cv_store *store;
static struct cv_audit *audit;
static struct cv_registry *registry;

static json_t *
ask(json_t *request)
{
	struct cv_err err = {0};
	json_t *reply = NULL;
	if (cv_registry_do(registry, "root", request, NULL, NULL, &reply, &err))
		fail_msg("%s", err.text);
	json_decref(request);
	return reply;
}

static int
setup(void **state)
{
	(void)state;
	scratch_make("import", dir);
	snprintf(register_dir, sizeof register_dir, "%s/register", dir);
	snprintf(mail_dir, sizeof mail_dir, "%s/mail", dir);
	struct cv_err err = {0};
	struct cv_store_options so = { .engine = { .dir = mail_dir, .with_blobs = true } };
	if (cv_store_open(&so, &store, &err) || cv_audit_open(store, &audit, &err))
		fail_msg("%s", err.text);
	struct cv_registry_options ro = {
		.store = store,
		.audit = audit,
		.dir = register_dir,
		.default_domain = "lamgiang.example",
		.address_template = "initials",
		.quota_default = (uint64_t)2 << 30,
		.quota_agency = (uint64_t)10 << 30,
	};
	if (cv_registry_open(&ro, &registry, &err))
		fail_msg("%s", err.text);
	json_decref(ask(json_pack("{s:s, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "do", "agency.add",
		"agencies", "code", "stp", "name", "Sở Tư pháp", "code", "snv", "name", "Sở Nội vụ",
		"code", "xtl1", "name", "UBND xã Tân Lập", "code", "xtl2", "name", "UBND xã Tân Lập")));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cv_registry_close(registry);
	cv_audit_close(audit);
	cv_store_close(store);
	scratch_remove(dir);
	return 0;
}

static json_t *
import(struct cv_str bytes, const char *charset, bool dry_run)
{
	struct cv_buf coded = CV_BUF_INIT(64u << 20);
	cv_base64_encode(bytes, &coded);
	json_t *request = json_pack("{s:s, s:s, s:s, s:b}", "do", "import", "csv_base64",
		coded.p ? coded.p : "", "charset", charset, "dry_run", dry_run);
	cv_buf_done(&coded);
	return ask(request);
}

static json_int_t
number(json_t *reply, const char *name)
{
	json_t *field = json_object_get(reply, name);
	return json_is_array(field) ? (json_int_t)json_array_size(field)
	                            : json_integer_value(field);
}

/* The address of the account that has STAFF_ID, or "". */
static void
address_of(const char *find, char out[320])
{
	json_t *reply = ask(json_pack("{s:s, s:s}", "do", "account.list", "find", find));
	json_t *first = json_array_get(json_object_get(reply, "accounts"), 0);
	snprintf(out, 320, "%s", first ? json_string_value(json_object_get(first, "address")) : "");
	json_decref(reply);
}

#define HEAD "STT,Họ và tên,Chức vụ,Mã đơn vị,Điện thoại,Thư điện tử\n"

/* The thirty faults that lists of staff arrive with: a test each, in one register. */
struct fault {
	const char *test, *rows, *code;
	const char *field, *want; /* of the account, or NULL and the proposal */
};
static const struct fault faults[] = {
	{ "acc_01_repairs_a_blank_beside_the_at_sign", "1,Nguyễn Văn Một,,stp,,nvmot.stp @lamgiang.example", "blank-at", "address", "nvmot.stp@lamgiang.example" },
	{ "acc_01_repairs_a_line_break_in_the_address", "2,Nguyễn Văn Hai,,stp,,\"nvhai.stp@\nlamgiang.example\"", "line-break", "address", "nvhai.stp@lamgiang.example" },
	{ "acc_01_repairs_doubled_blanks", "3,Nguyễn  Văn Ba,,stp,,", "blanks", "name", "Nguyễn Văn Ba" },
	{ "acc_01_repairs_decomposed_letters", "4,Nguye\xcc\x82\xcc\x83n Va\xcc\x86n Bo\xcc\x82\xcc\x81n,,stp,,", "nfd", "name", "Nguyễn Văn Bốn" },
	{ "acc_01_repairs_the_place_of_a_tone_mark", "5,Nguyễn Văn Hoà,,stp,,", "tone", "name", "Nguyễn Văn Hòa" },
	{ "acc_01_repairs_a_phone_written_as_a_decimal", "6,Nguyễn Văn Sáu,,stp,912345678.0,", "phone-float", "phone_mobile", "0912345678" },
	{ "acc_01_repairs_plus_84", "7,Nguyễn Văn Bảy,,stp,+84 912 345 678,", "phone-84", "phone_mobile", "0912345678" },
	{ "acc_01_repairs_a_lost_zero", "8,Nguyễn Văn Tám,,stp,912345678,", "phone-zero", "phone_mobile", "0912345678" },
	{ "acc_01_repairs_dots_in_a_phone", "9,Nguyễn Văn Chín,,stp,0912.345.678,", "phone-dots", "phone_mobile", "0912345678" },
	{ "acc_01_repairs_two_phones_by_the_first", "10,Nguyễn Văn Mười,,stp,0912345678 / 0987654321,", "phone-two", "phone_mobile", "0912345678" },
	{ "acc_01_leaves_a_phone_of_11_digits_empty", "11,Nguyễn Văn Xuân,,stp,01234567890,", "phone-length", "phone_mobile", "" },
	{ "acc_01_repairs_a_row_number_with_a_fraction", "150.00000000000003,Nguyễn Thu Cúc,,stp,,", "stt", "name", "Nguyễn Thu Cúc" },

	{ "acc_01_rejects_a_comma_in_the_domain", "0,Lê Văn Không,,stp,,\"lvkhong@lamgiang,example\"", "comma", NULL, "lvkhong@lamgiang.example" },
	{ "acc_01_rejects_doubled_signs", "2,Lê Văn Hai,,stp,,lvhai..stp@@lamgiang.example", "doubled", NULL, "lvhai.stp@lamgiang.example" },
	{ "acc_01_rejects_an_address_without_at_sign", "3,Lê Văn Ba,,stp,,lvba.stplamgiang.example", "no-at", NULL, "lvba.stp@lamgiang.example" },
	{ "acc_01_rejects_an_address_without_domain", "4,Lê Văn Tư,,stp,,lvtu.stp@", "no-domain", NULL, "lvtu.stp@lamgiang.example" },
	{ "acc_01_rejects_a_domain_of_go", "5,Lê Văn Năm,,stp,,lvnam@lamgiang.go.vn", "go", NULL, "lvnam@lamgiang.gov.vn" },
	{ "acc_01_rejects_a_domain_alone", "6,Lê Văn Sáu,,stp,,@gov.vn", "no-local", NULL, "lvsau.stp@lamgiang.example" },
	{ "acc_01_rejects_a_misspelt_gmail", "7,Lê Văn Bảy,,stp,,levanbay@gmial.com", "typo", NULL, "lvbay.stp@lamgiang.example" },
	{ "acc_01_rejects_free_mail_as_official", "8,Lê Văn Tám,,stp,,levantam@gmail.com", "free-mail", NULL, "lvtam.stp@lamgiang.example" },
	{ "acc_01_rejects_one_address_for_two_people", "9,Lê Văn Chín,,stp,,chung.stp@lamgiang.example\n10,Lê Văn Mười,,stp,,chung.stp@lamgiang.example", "two-people", NULL, "" },
	{ "acc_01_rejects_an_honorific_before_the_name", "11,Ông Lê Văn Minh,,stp,,", "honorific", NULL, "Lê Văn Minh" },
	{ "acc_01_rejects_a_title_glued_to_the_name", "12,Lê Văn Quý - Phó Giám đốc,,stp,,", "title-in-name", NULL, "Lê Văn Quý" },
	{ "acc_01_rejects_a_phone_in_the_name_column", "13,Lê Văn Bình 0912345678,,stp,,", "phone-in-name", NULL, "Lê Văn Bình" },
	{ "acc_01_rejects_a_title_in_the_unit_column", "14,Lê Văn Đạt,,Trưởng phòng,,", "title-in-unit", NULL, "" },
	{ "acc_01_rejects_a_row_split_in_two", "15,Lê Văn,,,,\n,Kiên,Chuyên viên,stp,,", "split-row", NULL, "Lê Văn Kiên" },
};

static void
check_fault(void **state)
{
	const struct fault *f = *state;
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	cv_buf_printf(&text, HEAD "%s\n", f->rows);
	bool is_pair = !strcmp(f->code, "two-people");
	/* A dry run says the same. */
	json_t *tried = import(cv_buf_view(&text), "", true);
	json_t *reply = import(cv_buf_view(&text), "", false);
	json_t *notes = json_object_get(reply, f->field ? "repaired" : "rejected");
	json_t *note = json_array_get(notes, 0);
	assert_int_equal(json_array_size(notes), 1);
	assert_int_equal(number(reply, "added"), f->field || is_pair ? 1 : 0);
	assert_true(json_equal(notes, json_object_get(tried, f->field ? "repaired" : "rejected")));
	assert_string_equal(json_string_value(json_object_get(note, "code")), f->code);
	assert_true(json_string_length(json_object_get(note, "reason_vi")) > 0);
	assert_int_equal(json_integer_value(json_object_get(note, "row")), is_pair ? 3 : 2);
	/* Every original cell is there, for the file of rows. */
	json_t *lines = json_object_get(note, "lines");
	assert_int_equal(json_array_size(lines), !strcmp(f->code, "split-row") ? 2 : 1);
	assert_int_equal(json_array_size(json_array_get(lines, 0)), 6);
	if (!f->field) {
		assert_string_equal(json_string_value(json_object_get(note, "proposal")), f->want);
	} else {
		json_t *list = ask(json_pack("{s:s, s:O}", "do", "account.list", "find",
			json_object_get(note, "name")));
		json_t *a = json_array_get(json_object_get(list, "accounts"), 0);
		assert_string_equal(json_string_value(json_object_get(a, f->field)), f->want);
		json_decref(list);
	}
	json_decref(tried);
	json_decref(reply);
	cv_buf_done(&text);
}

static int
run_faults(void)
{
	struct CMUnitTest tests[CV_COUNT(faults)];
	for (size_t i = 0; i < CV_COUNT(faults); i++)
		tests[i] = (struct CMUnitTest){ .name = faults[i].test, .test_func = check_fault,
			.initial_state = (void *)(uintptr_t)&faults[i] };
	return cmocka_run_group_tests_name("faults", tests, setup, teardown);
}

/* ông is a surname too. */
static void
acc_01_takes_a_surname_that_looks_like_an_honorific(void **state)
{
	(void)state;
	json_t *reply = import(CV_STR(HEAD "16,Ông Mai Xuân,Chuyên viên,stp,,\n"), "", false);
	assert_int_equal(number(reply, "added"), 1);
	json_decref(reply);
	char address[320];
	address_of("Ông Mai Xuân", address);
	assert_string_equal(address, "omxuan.stp@lamgiang.example");
}

static void
acc_01_a_second_run_changes_nothing_and_a_dry_run_neither(void **state)
{
	(void)state;
	static const char text[] = HEAD
		"1,Nguyễn Văn An,Giám đốc,stp,,\n2,Nguyễn Văn An,Chuyên viên,stp,,\n3,Nguyễn Văn An,,stp,,\n"
		"4,Trần Thị Bình,,snv,,hopthu.rieng@lamgiang.example\n5,Ngô Toàn,,xtl1,,\n"
		"6,Lê Tân,,UBND xã Tân Lập,,\n7,Lê Tân,,Sở Không Có,,\n8,Lê Tân,,Sở nội vụ,,\n";
	struct {
		bool dry;
		json_int_t added, updated, unchanged, rejected;
	} runs[] = {
		{ true, 6, 0, 0, 2 }, { false, 6, 0, 0, 2 }, { false, 0, 0, 6, 2 }, { true, 0, 0, 6, 2 },
	};
	for (size_t i = 0; i < CV_COUNT(runs); i++) {
		json_t *reply = import(cv_str_z(text), "", runs[i].dry);
		if (number(reply, "added") != runs[i].added ||
		    number(reply, "unchanged") != runs[i].unchanged ||
		    number(reply, "rejected") != runs[i].rejected ||
		    number(reply, "updated") != runs[i].updated)
			fail_msg("run %zu: %s", i, json_dumps(reply, JSON_INDENT(1)));
		if (i == 0) {
			json_t *ambiguous = json_array_get(json_object_get(reply, "rejected"), 0);
			const char *codes =
				json_string_value(json_object_get(ambiguous, "proposal"));
			assert_non_null(strstr(codes, "xtl1"));
			assert_non_null(strstr(codes, "xtl2"));
		}
		json_decref(reply);
	}
	static const char later[] = HEAD "1,Nguyễn Văn An,Phó Giám đốc,stp,0912345678,\n";
	json_t *reply = import(cv_str_z(later), "", false);
	assert_int_equal(number(reply, "updated"), 1);
	json_decref(reply);
	char address[320];
	address_of("nvan3.stp", address);
	assert_string_equal(address, "nvan3.stp@lamgiang.example");
	address_of("Trần Thị Bình", address);
	assert_string_equal(address, "hopthu.rieng@lamgiang.example");
}

static void
acc_01_reads_a_byte_order_mark(void **state)
{
	(void)state;
	static const char text[] = "\xef\xbb\xbf"
				   "TT,Họ tên,Đơn vị\r\n1,Bùi Văn Sơn,Sở Tư pháp\r\n";
	json_t *reply = import(cv_str_z(text), "", false);
	assert_int_equal(number(reply, "added"), 1);
	json_decref(reply);
}

static void
acc_01_reads_semicolons(void **state)
{
	(void)state;
	json_t *reply = import(CV_STR("TT;Họ tên;Chức danh;Đơn vị;Ghi chú\r\n"
		"1;Bùi Văn Sơn;Kế toán;Sở Tư pháp;x, y\r\n"), "", false);
	assert_int_equal(number(reply, "added"), 1);
	json_decref(reply);
}

static void
acc_01_reads_a_header_on_row_4_in_two_rows_with_group_rows_and_tabs(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		json_int_t added;
	} files[] = {
		{ "header on row 4 in two rows, groups",
			"ỦY BAN NHÂN DÂN TỈNH LAM GIANG,,,,,\nDANH SÁCH CÁN BỘ,,,,,\n,,,,,\n"
			"STT,Họ và tên,Chức vụ,Điện thoại,,Thư điện tử\n,,,Cơ quan,Di động,\n"
			"I,Sở Tư pháp,,,,\n1,Cao Thị Mai,Giám đốc,0299 3822100,0912345678,\n"
			"II,Sở Nội vụ,,,,\n1,Hồ Quốc Việt,Văn thư,,,\n2,Hồ Quốc Nam,,,,\n", 3 },
		{ "tabs, name in parts", "Họ đệm\tTên\tĐơn vị\nĐào Bá\tLộc\tsnv\n", 1 },
	};
	for (size_t i = 0; i < CV_COUNT(files); i++) {
		json_t *reply = import(cv_str_z(files[i].text), "", false);
		if (number(reply, "added") != files[i].added)
			fail_msg("%s: %s", files[i].name, json_dumps(reply, JSON_INDENT(1)));
		json_decref(reply);
	}
	char address[320];
	address_of("Hồ Quốc Việt", address);
	assert_string_equal(address, "hqviet.snv@lamgiang.example");
	json_t *reply = ask(json_pack("{s:s, s:s}", "do", "account.show", "address", "ctmai.stp"));
	json_t *a = json_object_get(reply, "account");
	assert_string_equal(json_string_value(json_object_get(a, "phone_office")), "02993822100");
	assert_string_equal(json_string_value(json_object_get(a, "phone_mobile")), "0912345678");
	json_decref(reply);
}

static void
acc_01_refuses_tcvn3_unless_declared(void **state)
{
	(void)state;
	struct cv_buf bytes = CV_BUF_INIT(4096), coded = CV_BUF_INIT(8192);
	assert_int_equal(cv_charset_from_utf8(CV_STR("TCVN3"),
		CV_STR("STT,Họ và tên,Chức vụ,Đơn vị\n1,Vũ Thị Hường,Kế toán,stp\n"), &bytes), CV_OK);
	cv_base64_encode(cv_buf_view(&bytes), &coded);
	json_t *request = json_pack("{s:s, s:s}", "do", "import", "csv_base64", coded.p),
	       *reply = NULL;
	struct cv_err err = {0};
	assert_int_equal(cv_registry_do(registry, "root", request, NULL, NULL, &reply, &err),
	                 CV_INVALID);
	assert_non_null(strstr(err.text, "TCVN3"));
	json_decref(request);
	reply = import(cv_buf_view(&bytes), "TCVN3", false);
	assert_int_equal(number(reply, "added"), 1);
	json_decref(reply);
	char address[320];
	address_of("Vũ Thị Hường", address);
	assert_string_equal(address, "vthuong.stp@lamgiang.example");
	cv_buf_done(&bytes);
	cv_buf_done(&coded);
}

static void
test_import__refuses_what_is_no_list(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "a,b\n1,2\n", "Họ và tên\n\"open\n" };
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		json_t *request = json_pack("{s:s, s:s}", "do", "import", "csv", texts[i]),
		       *reply = NULL;
		struct cv_err err = {0};
		assert_int_equal(cv_registry_do(registry, "root", request, NULL, NULL, &reply,
		                                &err),
		                 CV_INVALID);
		json_decref(request);
	}
}

static unsigned notes;
static void
on_note(void *arg, json_t *note)
{
	(void)arg;
	notes++;
	json_decref(note);
}

/* A whole province in one request: the figure is printed; the limit is loose for sanitizers. */
static void
acc_01_a_province_of_12077_people(void **state)
{
	(void)state;
	static const char *const surnames[] = { "Nguyễn", "Trần", "Lê", "Phạm", "Rơ Mah", "Đặng" };
	static const char *const middles[] = { "Văn", "Thị", "Minh", "Hữu", "Ngọc" };
	static const char *const givens[] = {
		"Anh", "Hòa", "Tuấn", "Trang", "Duyên", "Sơn", "Linh"
	};
	struct cv_buf text = CV_BUF_INIT(32u << 20);
	cv_buf_z(&text, HEAD);
	for (unsigned i = 0; i < 12077; i++)
		cv_buf_printf(&text, "%u,%s %s %s,Chuyên viên,%s,0912%06u,\n", i + 1,
		              surnames[i % 6], middles[i / 6 % 5], givens[i / 30 % 7],
		              i % 3 ? "stp" : "snv", i);
	json_t *request = json_pack("{s:s, s:s%}", "do", "import", "csv", text.p, text.n),
	       *reply = NULL;
	struct cv_err err = {0};
	notes = 0;
	int64_t start = cv_mono_ms();
	if (cv_registry_do(registry, "root", request, on_note, NULL, &reply, &err))
		fail_msg("%s", err.text);
	int64_t first = cv_mono_ms() - start;
	assert_int_equal(number(reply, "added"), 12077);
	assert_true(notes > 20);
	json_decref(reply);
	start = cv_mono_ms();
	if (cv_registry_do(registry, "root", request, on_note, NULL, &reply, &err))
		fail_msg("%s", err.text);
	print_message("12077 rows: %lld ms, again: %lld ms\n", (long long)first,
		(long long)(cv_mono_ms() - start));
	assert_int_equal(number(reply, "unchanged"), 12077);
	json_decref(reply);
	json_decref(request);
	cv_buf_done(&text);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(acc_01_takes_a_surname_that_looks_like_an_honorific),
		TEST(acc_01_a_second_run_changes_nothing_and_a_dry_run_neither),
		TEST(acc_01_reads_a_byte_order_mark),
		TEST(acc_01_reads_semicolons),
		TEST(acc_01_reads_a_header_on_row_4_in_two_rows_with_group_rows_and_tabs),
		TEST(acc_01_refuses_tcvn3_unless_declared),
		TEST(test_import__refuses_what_is_no_list),
		TEST(acc_01_a_province_of_12077_people),
	};
	return run_faults() + cmocka_run_group_tests(tests, NULL, NULL);
}
