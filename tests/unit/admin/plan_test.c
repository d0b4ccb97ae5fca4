/* plan_test.c - plans as operators write them become requests; faults name their line. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "admin/reorganise/plan.h"

static json_t *problems;

static json_t *
read_text(const char *text)
{
	problems = json_array();
	return admin_plan_read(cv_str_z(text), problems);
}

static void
same_json(const json_t *got, const char *want)
{
	char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);

	assert_string_equal(text, want);
	free(text);
}

static void
mig_01_a_plan_is_read_in_both_languages(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"# ghi chú\n[kế hoạch]\ntên = Thử\ngiữ địa chỉ cũ = 2 năm\nhộp cũ = để đọc\n"
		"người giữ hộp = tất cả\n\n[sáp nhập]\ntừ = xa1, xa2\ntừ = xa3;\nthành = xa1\n"
		"đứng đầu = chưa có\nlập hộp = Cơ quan, Văn thư, Một cửa\n",
		"\xef\xbb\xbf[KE HOACH]\r\nTen: Thử\r\nGiu dia chi cu: 24 thang\r\nHop cu = de doc\r\n"
		"nguoi  giu hop = TAT CA\r\n; x\r\n\r\n[sap nhap]\r\nTu = xa1;xa2\r\ntu = xa3\r\nthanh=xa1\r\n"
		"nguoi dung dau = chua co\r\nlap hop = don vi, vanthu, mot cua",
		"[plan]\ntitle = Thử\nkeep old addresses = 24 months\nold boxes = read\nholders = all\n\n\n"
		"[merge]\nfrom = xa1, xa2, xa3\ninto = xa1\nhead = none\nnew boxes = agency, vanthu, motcua\n",
	};
	for (size_t i = 0; i < CV_COUNT(texts); i++) {
		json_t *request = read_text(texts[i]);
		json_object_del(json_array_get(json_object_get(request, "acts"), 0), "line");
		same_json(problems, "[]");
		same_json(request, "{\"acts\":[{\"act\":\"merge\",\"from\":[\"xa1\",\"xa2\",\"xa3\"],"
			"\"head\":\"none\",\"into\":\"xa1\",\"new_boxes\":[\"agency\",\"vanthu\",\"motcua\"]}],"
			"\"do\":\"reorganise.apply\",\"holders\":\"all\",\"old_boxes\":\"read\","
			"\"old_months\":24,\"title\":\"Thử\"}");
		json_decref(request);
		json_decref(problems);
	}
}

static void
mig_01_a_line_of_addresses_or_titles_is_an_act(void **state)
{
	(void)state;
	json_t *request = read_text("[địa chỉ]\nnvan.xa2 = an.xa1\n[chức vụ]\n"
		"nvan.xa2 = Phó Chủ tịch\n");

	same_json(problems, "[]");
	same_json(json_object_get(request, "acts"),
		"[{\"act\":\"address\",\"line\":2,\"new\":\"an.xa1\",\"of\":\"nvan.xa2\"},"
		"{\"act\":\"title\",\"line\":4,\"of\":\"nvan.xa2\",\"title\":\"Phó Chủ tịch\"}]");
	json_decref(request);
	json_decref(problems);
}

static void
mig_01_a_fault_names_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *problem;
		int line;
	} rows[] = {
		{"từ = xa1\n", "before the first section", 1},
		{"[gộp]\ntừ = xa1\n", "no section [gộp]", 1},
		{"\n[sáp nhập\n", "no ]", 2},
		{"[sáp nhập]\n\nxa1 xa2\n", "key = value", 3},
		{"[sáp nhập]\nthành =\n", "key = value", 2},
		{"[sáp nhập]\nmàu = xanh\n", "'màu' means nothing in [sáp nhập]", 2},
		{"[sáp nhập]\nthành = a\nthành = b\n", "said twice", 3},
		{"[sáp nhập]\nhộp cũ = xóa\n", "none of", 2},
		{"[plan]\nkeep old addresses = long\n", "no time", 2},
		{"[plan]\ntitle = x\n", "no acts", 1},
		{"\xff\xfe", "no UTF-8", 1},
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		json_t *request = read_text(rows[i].text), *one = json_array_get(problems, 0);
		const char *text = json_string_value(json_object_get(one, "problem"));
		if (!text || !strstr(text, rows[i].problem) ||
			json_integer_value(json_object_get(one, "line")) != rows[i].line)
			fail_msg("%s: %s", rows[i].text, text ? text : "no problem");
		assert_int_equal(json_array_size(problems), 1);
		json_decref(request);
		json_decref(problems);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mig_01_a_plan_is_read_in_both_languages),
		cmocka_unit_test(mig_01_a_line_of_addresses_or_titles_is_an_act),
		cmocka_unit_test(mig_01_a_fault_names_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
