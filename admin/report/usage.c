/* usage.c - `congvu report usage`: who has an address and who uses it (REP-01, REP-02, REP-03). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/report/report.h"

/* ---- facts ---- */

static int
regular_percent(const struct admin_report *r)
{
	const struct admin_options *o = cv_conf_get(r->call->conf, &admin_section);

	return (int)o->regular_use_percent;
}

static void
add_person(struct admin_report *r, struct admin_use_facts *f, const json_t *person)
{
	const char *code = json_string_value(json_object_get(person, "agency"));
	const struct admin_report_agency *g = admin_report_agency_of(r, code ? code : "");
	struct admin_use *use = g ? &f->by_agency[g - r->agencies] : NULL;
	struct admin_use one = {
		.accounts = 1,
		.regular = f->workdays && admin_number(person, "active") >= f->needed,
		.sent = admin_number(person, "sent"),
		.received = admin_number(person, "received"),
		.opened = admin_number(person, "opened"),
	};

	f->homeless += !use;
	for (unsigned i = 0; i < 2; i++) {
		struct admin_use *to = i ? use : &f->total;
		if (!to)
			continue;
		to->accounts += one.accounts;
		to->regular += one.regular;
		to->sent += one.sent;
		to->received += one.received;
		to->opened += one.opened;
	}
}

/* Staff is what the agency told; never fewer than have an address. */
static void
add_staff(struct admin_report *r, struct admin_use_facts *f)
{
	f->total.staff = f->homeless;
	for (size_t i = 0; i < r->agency_count; i++) {
		struct admin_use *use = &f->by_agency[i];
		if (!r->agencies[i].is_chosen)
			continue;
		use->staff = CV_MAX(r->agencies[i].staff, use->accounts);
		f->total.staff += use->staff;
	}
}

bool
admin_report_use(struct admin_report *r, struct admin_use_facts *out, int *exit_out)
{
	json_t *request = admin_request("report.use"), *person;
	int64_t to = CV_MIN(r->period.to, r->today);
	json_t *days = admin_report_workdays(r, r->period.from, to);
	size_t i;

	*out = (struct admin_use_facts){.workdays = (int64_t)json_array_size(days)};
	out->needed = (out->workdays * regular_percent(r) + 99) / 100;
	json_object_set_new(request, "from_day", json_integer(r->period.from));
	json_object_set_new(request, "to_day", json_integer(r->period.to));
	json_object_set_new(request, "workdays", days);
	admin_set(request, "agency", r->agency);
	out->reply = admin_ask(r->call, ADMIN_STORE, request, exit_out);
	if (!out->reply)
		return false;
	out->by_agency = cv_calloc(r->agency_count + 1, sizeof *out->by_agency);
	json_array_foreach(json_object_get(out->reply, "accounts"), i, person)
	{
		add_person(r, out, person);
	}
	add_staff(r, out);
	return true;
}

void
admin_use_facts_free(struct admin_use_facts *f)
{
	json_decref(f->reply);
	free(f->by_agency);
}

/* ---- the document ---- */

static void
put_summary(struct admin_report *r, const struct admin_use_facts *f)
{
	const struct admin_use *t = &f->total;

	admin_doc_text(r->doc,
		admin_report_say(r,
			"Staff; with an official address; regular users: %s; %s (%s); %s (%s)",
			"Cán bộ, công chức, viên chức; có địa chỉ; sử dụng thường xuyên: %s; %s "
			"(%s); %s (%s)"),
		admin_report_number(t->staff), admin_report_number(t->accounts),
		admin_report_share(t->accounts, t->staff), admin_report_number(t->regular),
		admin_report_share(t->regular, t->staff));
}

void
admin_report_put_use(struct admin_report *r, const struct admin_use_facts *f)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "code",    admin_report_say(r, "Code", "Mã"), 12, ADMIN_TEXT },
		{ "name",    admin_report_say(r, "Agency", "Cơ quan, đơn vị"), 44, ADMIN_TEXT },
		{ "staff",   admin_report_say(r, "Staff", "Số cán bộ"), 0, ADMIN_COUNT },
		{ "with_address", admin_report_say(r, "With address", "Có địa chỉ"), 0, ADMIN_COUNT },
		{ "coverage", admin_report_say(r, "Share", "Tỷ lệ"), 0, ADMIN_SHARE },
		{ "regular", admin_report_say(r, "Regular", "Dùng thường xuyên"), 0, ADMIN_COUNT },
		{ "use",     admin_report_say(r, "Share of staff", "Tỷ lệ dùng"), 0, ADMIN_SHARE },
		{ "sent",    admin_report_say(r, "Sent", "Thư gửi"), 0, ADMIN_COUNT },
		{ "received", admin_report_say(r, "Received", "Thư nhận"), 0, ADMIN_COUNT },
	};
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "agencies",
		admin_report_say(r, "By agency", "Theo cơ quan, đơn vị"), columns,
		CV_COUNT(columns));

	for (size_t i = 0; i <= r->agency_count; i++) {
		bool is_total = i == r->agency_count;
		const struct admin_use *u = is_total ? &f->total : &f->by_agency[i];
		if (!is_total && (!r->agencies[i].is_chosen || (!u->staff && !u->accounts)))
			continue;
		const struct admin_value cells[] = {
			admin_text_z(is_total ? "" : r->agencies[i].code),
			admin_text_z(is_total ? admin_report_say(r, "In all", "Tổng cộng")
					      : r->agencies[i].name),
			admin_count(u->staff), admin_count(u->accounts),
			admin_share(u->accounts, u->staff), admin_count(u->regular),
			admin_share(u->regular, u->staff), admin_count(u->sent),
			admin_count(u->received)};
		admin_doc_row(r->doc, t, cells, is_total);
	}
}

/* By cluster, in the order of the first agency of each. */
static void
put_clusters(struct admin_report *r, const struct admin_use_facts *f)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "cluster", admin_report_say(r, "Cluster", "Khối"), 44, ADMIN_TEXT },
		{ "staff",   admin_report_say(r, "Staff", "Số cán bộ"), 0, ADMIN_COUNT },
		{ "with_address", admin_report_say(r, "With address", "Có địa chỉ"), 0, ADMIN_COUNT },
		{ "regular", admin_report_say(r, "Regular", "Dùng thường xuyên"), 0, ADMIN_COUNT },
		{ "coverage", admin_report_say(r, "With an address", "Tỷ lệ có địa chỉ"), 0, ADMIN_SHARE },
		{ "use",     admin_report_say(r, "Regular users", "Tỷ lệ dùng thường xuyên"), 0, ADMIN_SHARE },
	};
	const struct admin_chart chart = { ADMIN_CHART_BARS,
		admin_report_say(r, "Share of staff with an address, and of regular users",
			"Tỷ lệ cán bộ có địa chỉ và sử dụng thường xuyên"), 0, { 4, 5 }, 2 };
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "clusters",
		admin_report_say(r, "By cluster", "Theo khối"), columns, CV_COUNT(columns));

	for (size_t i = 0; i < r->agency_count; i++) {
		const char *name = r->agencies[i].cluster;
		struct admin_use sum = {0};
		bool is_first = true;
		for (size_t k = 0; k < r->agency_count; k++) {
			if (strcmp(r->agencies[k].cluster, name) != 0)
				continue;
			is_first = is_first && k >= i;
			sum.staff += f->by_agency[k].staff;
			sum.accounts += f->by_agency[k].accounts;
			sum.regular += f->by_agency[k].regular;
		}
		if (!is_first || !sum.staff)
			continue;
		const struct admin_value cells[] = {
			admin_text_z(
				*name ? name : admin_report_say(r, "No cluster", "Chưa xếp khối")),
			admin_count(sum.staff), admin_count(sum.accounts), admin_count(sum.regular),
			admin_share(sum.accounts, sum.staff), admin_share(sum.regular, sum.staff)};
		admin_doc_row(r->doc, t, cells, false);
	}
	admin_doc_chart(r->doc, t, &chart);
}

/* REP-02: for the head of an agency, counts alone. */
static void
put_people(struct admin_report *r, const struct admin_use_facts *f)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "name",    admin_report_say(r, "Name", "Họ và tên"), 28, ADMIN_TEXT },
		{ "address", admin_report_say(r, "Address", "Thư điện tử"), 32, ADMIN_TEXT },
		{ "agency",  admin_report_say(r, "Agency", "Đơn vị"), 12, ADMIN_TEXT },
		{ "days",    admin_report_say(r, "Days of use", "Số ngày dùng"), 0, ADMIN_COUNT },
		{ "share",   admin_report_say(r, "Share of working days", "Tỷ lệ ngày làm việc"), 0, ADMIN_SHARE },
		{ "sent",    admin_report_say(r, "Sent", "Thư gửi"), 0, ADMIN_COUNT },
		{ "received", admin_report_say(r, "Received", "Thư nhận"), 0, ADMIN_COUNT },
		{ "opened",  admin_report_say(r, "Checks", "Số lần mở hộp thư"), 0, ADMIN_COUNT },
		{ "regular", admin_report_say(r, "Regular", "Thường xuyên"), 0, ADMIN_TEXT },
	};
	/* clang-format on */
	struct admin_doc_table *t = admin_doc_table(r->doc, "people",
		admin_report_say(r, "By person", "Theo cá nhân"), columns, CV_COUNT(columns));
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(f->reply, "accounts"), i, one)
	{
		int64_t active = admin_number(one, "active");
		bool regular = f->workdays && active >= f->needed;
		const struct admin_value cells[] = {
			admin_text_z(json_string_value(json_object_get(one, "name"))),
			admin_text_z(json_string_value(json_object_get(one, "address"))),
			admin_text_z(json_string_value(json_object_get(one, "agency"))),
			admin_count(active), admin_share(active, f->workdays),
			admin_count(admin_number(one, "sent")),
			admin_count(admin_number(one, "received")),
			admin_count(admin_number(one, "opened")),
			admin_text_z(regular ? admin_report_say(r, "yes", "Đạt")
					     : admin_report_say(r, "no", "Chưa đạt"))};
		admin_doc_row(r->doc, t, cells, false);
	}
}

static void
put_notes(struct admin_report *r, const struct admin_use_facts *f)
{
	admin_doc_note(r->doc,
		admin_report_say(r,
			"Regular user: sent or opened mail on at least %d%% of the working days "
			"of the period (%s of %s). Shares are of all staff. With an address: on "
			"the day of the data.",
			"Sử dụng thường xuyên: gửi hoặc mở thư ít nhất %d%% số ngày làm việc "
			"trong kỳ (%s trên %s ngày). Các tỷ lệ tính trên tổng số cán bộ. Số "
			"người có địa chỉ tính đến ngày lấy số liệu."),
		regular_percent(r), admin_report_number(f->needed),
		admin_report_number(f->workdays));
	if (f->homeless)
		admin_doc_note(r->doc,
			admin_report_say(r, "%s people belong to no agency.",
				"%s người chưa thuộc đơn vị nào."),
			admin_report_number(f->homeless));
}

static int
run_usage(struct admin_call *call)
{
	struct admin_report r;
	struct admin_use_facts f = {0};
	int exit_code;

	if (admin_report_open(call, &r, &exit_code) && admin_report_use(&r, &f, &exit_code)) {
		admin_report_begin(&r, "Coverage and use of official mail",
			"Tình hình cấp và sử dụng thư điện tử công vụ");
		put_summary(&r, &f);
		put_clusters(&r, &f);
		admin_report_put_use(&r, &f);
		if (admin_option(call, "people"))
			put_people(&r, &f);
		put_notes(&r, &f);
		exit_code = admin_report_finish(&r);
	}
	admin_use_facts_free(&f);
	admin_report_close(&r);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	ADMIN_REPORT_OPTIONS,
	{ "people", NULL, "each person too: counts only", "cả từng cá nhân: chỉ số lượng" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_report_usage = {
	.noun = "report",
	.verb = "usage",
	.words = "",
	.help = "staff, with an address, regular users, by agency and period",
	.help_vi = "tình hình cấp và sử dụng thư công vụ theo đơn vị, theo kỳ",
	.options = options,
	.examples = "  congvu report usage\n"
		    "  congvu report usage --period 2026-Q3 --format html --output su-dung.html\n"
		    "  congvu report usage --agency stp --people --format xlsx --output stp.xlsx",
	.run = run_usage,
};
