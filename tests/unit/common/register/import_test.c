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

static void
test_ACC_01__twelve_faults_are_repaired_with_a_note(void **state)
{
	(void)state;
	static const struct {
		const char *row, *code, *field, *want;
	} rows[] = {
		{ "1,Nguyễn Văn Một,,stp,,nvmot.stp @lamgiang.example", "blank-at", "address",
			"nvmot.stp@lamgiang.example" },
		{ "2,Nguyễn Văn Hai,,stp,,\"nvhai.stp@\nlamgiang.example\"", "line-break", "address",
			"nvhai.stp@lamgiang.example" },
		{ "3,Nguyễn  Văn Ba,,stp,,", "blanks", "name", "Nguyễn Văn Ba" },
		{ "4,Nguye\xcc\x82\xcc\x83n Va\xcc\x86n Bo\xcc\x82\xcc\x81n,,stp,,", "nfd", "name", "Nguyễn Văn Bốn" },
		{ "5,Nguyễn Văn Hoà,,stp,,", "tone", "name", "Nguyễn Văn Hòa" },
		{ "6,Nguyễn Văn Sáu,,stp,912345678.0,", "phone-float", "phone_mobile", "0912345678" },
		{ "7,Nguyễn Văn Bảy,,stp,+84 912 345 678,", "phone-84", "phone_mobile", "0912345678" },
		{ "8,Nguyễn Văn Tám,,stp,912345678,", "phone-zero", "phone_mobile", "0912345678" },
		{ "9,Nguyễn Văn Chín,,stp,0912.345.678,", "phone-dots", "phone_mobile", "0912345678" },
		{ "10,Nguyễn Văn Mười,,stp,0912345678 / 0987654321,", "phone-two", "phone_mobile", "0912345678" },
		{ "11,Nguyễn Văn Xuân,,stp,01234567890,", "phone-length", "phone_mobile", "" },
		{ "150.00000000000003,Nguyễn Văn Hạ,,stp,,", "stt", "name", "Nguyễn Văn Hạ" },
	};
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	cv_buf_z(&text, HEAD);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		cv_buf_printf(&text, "%s\n", rows[i].row);
	json_t *reply = import(cv_buf_view(&text), "", false);
	json_t *repaired = json_object_get(reply, "repaired");
	json_t *list = ask(json_pack("{s:s}", "do", "account.list"));
	unsigned failed = 0;
	assert_int_equal(number(reply, "added"), 12);
	assert_int_equal(json_array_size(repaired), 12);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		json_t *note = json_array_get(repaired, i);
		json_t *a = json_array_get(json_object_get(list, "accounts"), i);
		const char *code = json_string_value(json_object_get(note, "code"));
		const char *got = json_string_value(json_object_get(a, rows[i].field));
		if (strcmp(code, rows[i].code) || strcmp(got, rows[i].want)) {
			print_error("row %zu: %s, %s\n", i, code, got);
			failed++;
		}
		assert_true(strlen(json_string_value(json_object_get(note, "reason_vi"))) > 0);
	}
	assert_int_equal(json_integer_value(json_object_get(json_array_get(repaired, 0), "row")),
	                 2);
	json_decref(reply);
	json_decref(list);
	cv_buf_done(&text);
	assert_int_equal(failed, 0);
}

static void
test_ACC_01__fourteen_faults_are_refused_with_a_proposal(void **state)
{
	(void)state;
	static const struct {
		const char *row, *code, *proposal;
	} rows[] = {
		{ "1,Lê Văn Một,,stp,,lvmot@lamgiang,example", "x", "" }, /* quoted below */
		{ "2,Lê Văn Hai,,stp,,lvhai..stp@@lamgiang.example", "doubled", "lvhai.stp@lamgiang.example" },
		{ "3,Lê Văn Ba,,stp,,lvba.stplamgiang.example", "no-at", "lvba.stp@lamgiang.example" },
		{ "4,Lê Văn Tư,,stp,,lvtu.stp@", "no-domain", "lvtu.stp@lamgiang.example" },
		{ "5,Lê Văn Năm,,stp,,lvnam@lamgiang.go.vn", "go", "lvnam@lamgiang.gov.vn" },
		{ "6,Lê Văn Sáu,,stp,,@gov.vn", "no-local", "lvsau.stp@lamgiang.example" },
		{ "7,Lê Văn Bảy,,stp,,levanbay@gmial.com", "typo", "lvbay.stp@lamgiang.example" },
		{ "8,Lê Văn Tám,,stp,,levantam@gmail.com", "free-mail", "lvtam.stp@lamgiang.example" },
		{ "9,Lê Văn Chín,,stp,,chung.stp@lamgiang.example", NULL, NULL },
		{ "10,Lê Văn Mười,,stp,,chung.stp@lamgiang.example", "two-people", "" },
		{ "11,Ông Lê Văn Minh,,stp,,", "honorific", "Lê Văn Minh" },
		{ "12,Lê Văn Quý - Phó Giám đốc,,stp,,", "title-in-name", "Lê Văn Quý" },
		{ "13,Lê Văn Bình 0912345678,,stp,,", "phone-in-name", "Lê Văn Bình" },
		{ "14,Lê Văn Đạt,,Trưởng phòng,,", "title-in-unit", "" },
		{ "15,Lê Văn,,,,", "split-row", "Lê Văn Kiên" },
		{ ",Kiên,Chuyên viên,stp,,", NULL, NULL },
		{ "16,Ông Mai Xuân,Chuyên viên,stp,,", NULL, NULL },
	};
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	cv_buf_z(&text, HEAD "0,Lê Văn Không,,stp,,\"lvkhong@lamgiang,example\"\n");
	for (size_t i = 1; i < CV_COUNT(rows); i++)
		cv_buf_printf(&text, "%s\n", rows[i].row);
	json_t *reply = import(cv_buf_view(&text), "", false);
	json_t *rejected = json_object_get(reply, "rejected");
	json_t *first = json_array_get(rejected, 0);
	assert_string_equal(json_string_value(json_object_get(first, "code")), "comma");
	assert_string_equal(json_string_value(json_object_get(first, "proposal")),
		"lvkhong@lamgiang.example");
	unsigned failed = 0;
	size_t at = 1;
	for (size_t i = 1; i < CV_COUNT(rows); i++) {
		if (!rows[i].code)
			continue;
		json_t *note = json_array_get(rejected, at++);
		const char *code = json_string_value(json_object_get(note, "code"));
		const char *proposal = json_string_value(json_object_get(note, "proposal"));
		if (!note || strcmp(code, rows[i].code) || strcmp(proposal, rows[i].proposal)) {
			print_error("row %zu %s: %s, %s\n", i, rows[i].row, code ? code : "",
			            proposal ? proposal : "");
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	assert_int_equal(json_array_size(rejected), 14);
	assert_int_equal(number(reply, "added"), 2);
	json_decref(reply);
	char address[320];
	address_of("Ông Mai Xuân", address);
	assert_string_equal(address, "omxuan.stp@lamgiang.example");
	cv_buf_done(&text);
}

static void
test_ACC_01__a_second_run_changes_nothing_and_a_dry_run_neither(void **state)
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
test_ACC_01__odd_files_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		json_int_t added;
	} files[] = {
		{ "BOM, semicolons, CRLF", "\xef\xbb\xbf" "TT;Họ tên;Chức danh;Đơn vị;Ghi chú\r\n"
			"1;Bùi Văn Sơn;Kế toán;Sở Tư pháp;x\r\n", 1 },
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
test_ACC_01__tcvn3_is_refused_unless_declared(void **state)
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
test_ACC_01__a_province_of_12077_people(void **state)
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
		TEST(test_ACC_01__twelve_faults_are_repaired_with_a_note),
		TEST(test_ACC_01__fourteen_faults_are_refused_with_a_proposal),
		TEST(test_ACC_01__a_second_run_changes_nothing_and_a_dry_run_neither),
		TEST(test_ACC_01__odd_files_are_read),
		TEST(test_ACC_01__tcvn3_is_refused_unless_declared),
		TEST(test_import__refuses_what_is_no_list),
		TEST(test_ACC_01__a_province_of_12077_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
