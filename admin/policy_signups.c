/* policy_signups.c - `congvu policy signups|free-mail`: official addresses used at public services,
 * work sent to free mail, by agency, address and month (POL-01, POL-02, POL-08). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/csv.h"
#include "admin/month.h"
#include "common/base/buf.h"

#define MONTHS        6
#define CSV_BYTES_MAX (64u << 20)

/* Months since year 0 of "2026-11-23". */
static int
month_of(const char *day)
{
	return strlen(day) == 10 ? (int)strtol(day, NULL, 10) * 12 +
					   (int)strtol(day + 5, NULL, 10) - 1
				 : 0;
}

/* ---- sums ---- */

static void
count_in(json_t *sum, const char *set, const char *key, json_int_t count)
{
	json_t *o = json_object_get(sum, set);

	json_object_set_new(o, key, json_integer(admin_number(o, key) + count));
}

/* One row for each value of KEY: what is counted in the last month, and MONTHS numbers for the
 * trend. */
static json_t *
sums_of(const json_t *events, const char *key, int last_month)
{
	json_t *sums = json_array(), *by_key = json_object(), *event;
	size_t i;

	json_array_foreach (events, i, event) {
		int back = last_month - month_of(admin_str(event, "day"));
		const char *name = admin_str(event, key);
		json_t *sum = json_object_get(by_key, name);
		if (back < 0 || back >= MONTHS)
			continue;
		if (!sum) {
			sum = json_pack("{s:s, s:s, s:{}, s:{}, s:{}, s:{}, s:i}", "name", name,
				"agency", admin_str(event, "agency"), "addresses", "domains",
				"classes", "months", "count", 0);
			json_array_append(sums, sum);
			json_object_set_new(by_key, name, sum);
		}
		char month[16];
		snprintf(month, sizeof month, "%d", back);
		count_in(sum, "months", month, admin_number(event, "count"));
		if (back)
			continue;
		json_object_set_new(sum, "count",
			json_integer(admin_number(sum, "count") + admin_number(event, "count")));
		count_in(sum, "addresses", admin_str(event, "address"), 1);
		count_in(sum, "domains", admin_str(event, "domain"), 1);
		count_in(sum, "classes", admin_str(event, "class"), admin_number(event, "count"));
	}
	json_decref(by_key);
	return sums;
}

static int
by_count(const void *a, const void *b)
{
	json_int_t x = admin_number(*(json_t *const *)a, "count"),
		   y = admin_number(*(json_t *const *)b, "count");
	int names = strcmp(admin_str(*(json_t *const *)a, "name"),
		admin_str(*(json_t *const *)b, "name"));

	return x == y ? names : x < y ? 1 : -1;
}

static json_t *
sorted(json_t *sums)
{
	size_t n = json_array_size(sums);
	json_t **list = calloc(n ? n : 1, sizeof(*list)), *out = json_array();

	for (size_t i = 0; list && i < n; i++)
		list[i] = json_array_get(sums, i);
	if (list)
		qsort(list, n, sizeof(*list), by_count);
	for (size_t i = 0; list && i < n; i++)
		json_array_append(out, list[i]);
	free(list);
	json_decref(sums);
	return out;
}

/* ---- text ---- */

/* A bar a month, the oldest first, as high as it is of the highest of all rows. */
static json_t *
chart_of(const json_t *months, json_int_t highest)
{
	static const char *const bars[] = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	struct cv_buf text = CV_BUF_INIT(200);

	for (int back = MONTHS - 1; back >= 0; back--) {
		char key[16];
		snprintf(key, sizeof key, "%d", back);
		json_int_t n = admin_number(months, key);
		cv_buf_z(&text, bars[n && highest ? CV_MAX(n * 8 / highest, 1) : 0]);
	}
	json_t *out = json_string(text.p);
	cv_buf_done(&text);
	return out;
}

static json_int_t
highest_of(const json_t *sums)
{
	json_int_t highest = 0;
	const char *key;
	json_t *sum, *n;
	size_t i;

	json_array_foreach (sums, i, sum)
		json_object_foreach (json_object_get(sum, "months"), key, n)
			highest = CV_MAX(highest, json_integer_value(n));
	return highest;
}

/* "code 3, order 1" */
static json_t *
words_of(const json_t *counts)
{
	struct cv_buf text = CV_BUF_INIT(1000);
	const char *key;
	json_t *n;

	json_object_foreach ((json_t *)(uintptr_t)counts, key, n)
		cv_buf_printf(&text, "%s%s %lld", text.n ? ", " : "", key,
			(long long)json_integer_value(n));
	json_t *out = json_string(text.n ? text.p : "");
	cv_buf_done(&text);
	return out;
}

static json_t *
size_text(const json_t *set)
{
	return json_sprintf("%zu", json_object_size(set));
}

static void
print_table(struct admin_call *call, json_t *sums, const char *title, const char *title_vi)
{
	const struct admin_column columns[] = {
		{"name",      title,       title_vi    },
		{"count",     "Mails",     "Số thư"    },
		{"people",    "Addresses", "Địa chỉ"   },
		{"services",  "Services",  "Dịch vụ"   },
		{"kinds",     "Classes",   "Loại"      },
		{"trend",     "6 months",  "6 tháng"   },
	};
	json_int_t highest = highest_of(sums);
	json_t *sum;
	size_t i;

	json_array_foreach (sums, i, sum) {
		json_object_set_new(sum, "people", size_text(json_object_get(sum, "addresses")));
		json_object_set_new(sum, "services", size_text(json_object_get(sum, "domains")));
		json_object_set_new(sum, "kinds", words_of(json_object_get(sum, "classes")));
		json_object_set_new(
			sum, "trend", chart_of(json_object_get(sum, "months"), highest));
		if (!admin_str(sum, "name")[0])
			json_object_set_new(sum, "name", json_string("-"));
	}
	admin_table(call, sums, columns, CV_COUNT(columns));
}

static int
print_csv(struct admin_call *call, const json_t *events, int last_month)
{
	static const char *const keys[] = {"day", "agency", "address", "domain", "class"};
	struct cv_buf out = CV_BUF_INIT(CSV_BYTES_MAX);
	json_t *event;
	size_t i;

	cv_buf_z(&out, "day,agency,address,domain,class,count\r\n");
	json_array_foreach (events, i, event) {
		char count[32];
		if (month_of(admin_str(event, "day")) != last_month)
			continue;
		for (size_t k = 0; k < CV_COUNT(keys); k++)
			admin_csv_put(&out, cv_str_z(admin_str(event, keys[k])), false);
		snprintf(count, sizeof count, "%lld", (long long)admin_number(event, "count"));
		admin_csv_put(&out, cv_str_z(count), true);
	}
	bool is_cut = out.full;
	if (!is_cut)
		fwrite(out.p, 1, out.n, stdout);
	cv_buf_done(&out);
	return is_cut ? admin_error(call, EXIT_FAILED, "too many rows: ask for one agency",
				"quá nhiều dòng: hãy chọn một cơ quan")
		      : EXIT_OK;
}

static int
run_list(struct admin_call *call, bool own_free_mail)
{
	json_t *request = admin_request("signup.list"), *reply;
	const char *agency = admin_option(call, "agency");
	int exit_code = EXIT_OK;

	admin_set(request, "agency", agency);
	json_object_set_new(request, "own_free_mail", json_boolean(own_free_mail));
	if (!admin_month(call, request, MONTHS - 1)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	int last_month = month_of(admin_str(request, "to"));
	if (!(reply = admin_ask(call, ADMIN_SPAMFILTER, request, &exit_code)))
		return exit_code;
	const json_t *events = json_object_get(reply, "events");
	if (admin_option(call, "csv")) {
		exit_code = print_csv(call, events, last_month);
	} else {
		json_t *agencies = sorted(sums_of(events, "agency", last_month)),
		       *addresses = sorted(sums_of(events, "address", last_month));
		json_object_set_new(reply, "agencies", agencies);
		json_object_set_new(reply, "addresses", addresses);
		if (!admin_json(call, reply) && agency)
			print_table(call, addresses, "Address", "Địa chỉ");
		else if (!call->json)
			print_table(call, agencies, "Agency", "Cơ quan");
	}
	json_decref(reply);
	return exit_code;
}

static int
run_signups(struct admin_call *call)
{
	return run_list(call, false);
}

static int
run_free_mail(struct admin_call *call)
{
	return run_list(call, true);
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "month", "YYYY-MM", "this month when it is not given", "mặc định là tháng này" },
	{ "agency", "CODE", "the addresses of one agency", "các địa chỉ của một cơ quan" },
	{ "csv", NULL, "a line a day, address and service", "mỗi ngày, địa chỉ và dịch vụ một dòng" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_policy_signups = {
	.noun = "policy",
	.verb = "signups",
	.words = "",
	.help = "official addresses used to register at public services, by agency and month",
	.help_vi = "địa chỉ công vụ dùng để đăng ký dịch vụ, theo cơ quan và tháng",
	.options = options,
	.examples = "  congvu policy signups --month 2026-11\n"
		    "  congvu policy signups --agency stp\n"
		    "  congvu policy signups --csv > dang-ky-2026-11.csv",
	.run = run_signups,
};
const struct admin_command admin_policy_free_mail = {
	.noun = "policy",
	.verb = "free-mail",
	.words = "",
	.help = "how often staff wrote to their own free mail addresses, by agency and month (POL-01)",
	.help_vi = "số lần cán bộ gửi thư tới hộp thư miễn phí của chính mình (POL-01)",
	.options = options,
	.examples = "  congvu policy free-mail\n  congvu policy free-mail --agency stp --csv",
	.run = run_free_mail,
};
