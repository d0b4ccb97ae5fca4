/* spam_stats.c - `congvu spam stats`: what the filter did, by agency and month (SPM-09). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/csv.h"
#include "admin/month.h"
#include "common/base/buf.h"

#define TOP_RULES      3
#define CSV_BYTES_MAX  (64u << 20)

static const char *const actions[] = {"pass", "mark", "junk", "greylist", "quarantine", "refuse"};

/* ---- sums ---- */

static void
add_counts(json_t *to, const json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)from, key, value)
		json_object_set_new(
			to, key, json_integer(admin_number(to, key) + json_integer_value(value)));
}

/* The days' rows added up by agency and direction. */
static json_t *
sums_of(const json_t *rows)
{
	json_t *sums = json_array(), *by_key = json_object(), *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		char key[200];
		snprintf(key, sizeof key, "%s %s", admin_str(row, "direction"),
			admin_str(row, "agency"));
		json_t *sum = json_object_get(by_key, key);
		if (!sum) {
			sum = json_pack("{s:s, s:s, s:i, s:{}, s:{}}", "agency",
				admin_str(row, "agency"), "direction", admin_str(row, "direction"),
				"messages", 0, "actions", "rules");
			json_array_append(sums, sum);
			json_object_set_new(by_key, key, sum);
		}
		json_object_set_new(sum, "messages",
			json_integer(
				admin_number(sum, "messages") + admin_number(row, "messages")));
		add_counts(json_object_get(sum, "actions"), json_object_get(row, "actions"));
		add_counts(json_object_get(sum, "rules"), json_object_get(row, "rules"));
	}
	json_decref(by_key);
	return sums;
}

/* "signup 3, spf-fail 2" */
static json_t *
top_rules(const json_t *rules)
{
	json_t *left = json_copy((json_t *)(uintptr_t)rules), *value;
	struct cv_buf text = CV_BUF_INIT(1024);

	for (int n = 0; n < TOP_RULES; n++) {
		const char *key, *best = NULL;
		json_object_foreach (left, key, value)
			if (!best || json_integer_value(value) > admin_number(left, best))
				best = key;
		if (!best)
			break;
		cv_buf_printf(&text, "%s%s %lld", n ? ", " : "", best,
			(long long)admin_number(left, best));
		json_object_del(left, best);
	}
	json_t *out = json_string(text.n ? text.p : "");
	cv_buf_done(&text);
	json_decref(left);
	return out;
}

static void
print_table(struct admin_call *call, json_t *sums)
{
	static const struct admin_column columns[] = {
		{"agency",     "Agency",     "Cơ quan"  },
		{"way",        "Way",        "Chiều"    },
		{"messages",   "Messages",   "Số thư"   },
		{"pass",       "Pass",       "Chuyển"   },
		{"mark",       "Mark",       "Đánh dấu" },
		{"junk",       "Junk",       "Thư rác"  },
		{"greylist",   "Greylist",   "Gửi lại"  },
		{"quarantine", "Quarantine", "Cách ly"  },
		{"refuse",     "Refuse",     "Từ chối"  },
		{"top",        "Rules",      "Quy tắc"  },
	};
	json_t *sum;
	size_t i;

	json_array_foreach (sums, i, sum) {
		bool is_out = !strcmp(admin_str(sum, "direction"), "out");
		for (size_t a = 0; a < CV_COUNT(actions); a++) {
			json_t *n = json_object_get(json_object_get(sum, "actions"), actions[a]);
			json_object_set(sum, actions[a], n);
		}
		json_object_set_new(sum, "top", top_rules(json_object_get(sum, "rules")));
		json_object_set_new(sum, "way",
			json_string(is_out ? admin_say(call, "out", "đi")
					   : admin_say(call, "in", "đến")));
	}
	admin_table(call, sums, columns, CV_COUNT(columns));
}

/* ---- CSV: a line a day, agency and direction ---- */

static void
put_number(struct cv_buf *out, json_int_t n)
{
	char text[32];

	snprintf(text, sizeof text, "%lld", (long long)n);
	admin_csv_put(out, cv_str_z(text), false);
}

static int
print_csv(struct admin_call *call, const json_t *rows)
{
	struct cv_buf out = CV_BUF_INIT(CSV_BYTES_MAX), rules = CV_BUF_INIT(64u << 10);
	const char *key;
	json_t *row, *value;
	size_t i;

	cv_buf_z(&out, "day,agency,direction,messages,pass,mark,junk,greylist,quarantine,refuse,"
		       "rules\r\n");
	json_array_foreach (rows, i, row) {
		admin_csv_put(&out, cv_str_z(admin_str(row, "day")), false);
		admin_csv_put(&out, cv_str_z(admin_str(row, "agency")), false);
		admin_csv_put(&out, cv_str_z(admin_str(row, "direction")), false);
		put_number(&out, admin_number(row, "messages"));
		for (size_t a = 0; a < CV_COUNT(actions); a++)
			put_number(&out, admin_number(json_object_get(row, "actions"), actions[a]));
		cv_buf_reset(&rules);
		json_object_foreach (json_object_get(row, "rules"), key, value)
			cv_buf_printf(&rules, "%s%s=%lld", rules.n ? " " : "", key,
				(long long)json_integer_value(value));
		admin_csv_put(&out, cv_buf_view(&rules), true);
	}
	bool is_cut = out.full;
	if (!is_cut)
		fwrite(out.p, 1, out.n, stdout);
	cv_buf_done(&rules);
	cv_buf_done(&out);
	return is_cut ? admin_error(call, EXIT_FAILED, "too many rows: ask for one agency",
				"quá nhiều dòng: hãy chọn một cơ quan")
		      : EXIT_OK;
}

static int
run_stats(struct admin_call *call)
{
	json_t *request = admin_request("spam.stats"), *reply;
	int exit_code = EXIT_OK;

	admin_set(request, "agency", admin_option(call, "agency"));
	if (!admin_month(call, request, 0)) {
		json_decref(request);
		return EXIT_USAGE;
	}
	if (!(reply = admin_ask(call, ADMIN_SPAMFILTER, request, &exit_code)))
		return exit_code;
	json_t *rows = json_object_get(reply, "rows"), *sums = sums_of(rows);
	if (admin_option(call, "csv")) {
		exit_code = print_csv(call, rows);
	} else {
		json_object_set(reply, "sums", sums);
		if (!admin_json(call, reply))
			print_table(call, sums);
	}
	json_decref(sums);
	json_decref(reply);
	return exit_code;
}

const struct admin_command admin_spam_stats = {
	.noun = "spam",
	.verb = "stats",
	.words = "",
	.help = "what the filter did with mail, by agency and month (SPM-09)",
	.help_vi = "thống kê kết quả lọc thư theo cơ quan và tháng (SPM-09)",
	.options =
		(const struct admin_option[]){
			{"month",  "YYYY-MM", "this month when it is not given", "mặc định là tháng này" },
			{"agency", "CODE",    "one agency alone",                "chỉ một cơ quan"       },
			{"csv",    NULL,      "a line a day and agency",   "mỗi ngày và cơ quan một dòng"},
			{NULL,     NULL,      NULL,                              NULL                    },
		},
	.examples = "  congvu spam stats --month 2026-11\n"
		    "  congvu spam stats --agency stp --csv > stp.csv",
	.run = run_stats,
};
