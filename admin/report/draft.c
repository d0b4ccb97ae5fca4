/* draft.c - `congvu report draft|index|security|paper`: the figures of all reports together, as
 * offices hand them in (REP-05 to REP-08). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/commands.h"
#include "admin/directory/publish.h"
#include "admin/report/events.h"
#include "admin/report/response.h"
#include "common/base/clock.h"
#include "common/text/date.h"

#define TARGETS     4
#define CUT_OFF_DAY 14 /* of December: REP-06 */

/* What was counted; a part that could not be asked is not known. */
struct figures {
	struct admin_use_facts use;
	struct admin_response answers;
	struct admin_events events;
	bool has_events;
	int64_t kept, due;             /* times at which agency boxes were to be opened */
	int64_t agencies, published, with_box;
	int64_t targets[TARGETS];
};

static bool
read_targets(struct admin_report *r, struct figures *f)
{
	const struct admin_options *o = cv_conf_get(r->call->conf, &admin_section);
	struct cv_str rest = cv_str_z(o->report_targets), word;
	size_t n = 0;

	while (cv_str_split(&rest, ' ', &word)) {
		uint64_t percent;
		if (!word.n)
			continue;
		if (n == TARGETS || cv_str_u64(word, 100, &percent)) {
			n = 0;
			break;
		}
		f->targets[n++] = (int64_t)percent;
	}
	if (n == TARGETS)
		return true;
	admin_error(r->call, EXIT_CONFIG, "report_targets takes four numbers like 100 70 90 90",
		"report_targets nhận bốn số như 100 70 90 90");
	return false;
}

static void
count_agencies(struct admin_report *r, struct figures *f)
{
	const struct admin_options *o = cv_conf_get(r->call->conf, &admin_section);
	json_t *manifest = NULL, *one;
	struct cv_err err;
	size_t i;

	if (admin_folder_manifest(o->directory_dir, &manifest, &err))
		manifest = NULL;
	json_array_foreach(json_object_get(r->agencies_reply, "agencies"), i, one)
	{
		const char *address = json_string_value(json_object_get(one, "address"));
		if (!r->agencies[i].is_chosen)
			continue;
		f->agencies++;
		f->with_box += address && *address;
		f->published += json_object_get(json_object_get(manifest, "agencies"),
					r->agencies[i].code) != NULL;
	}
	json_decref(manifest);
}

static bool
gather(struct admin_report *r, struct figures *f, int *exit_out)
{
	json_t *reply, *box, *item;
	int64_t now = cv_wall_secs();
	struct cv_err err = {0};
	size_t i, k;

	*exit_out = EXIT_CONFIG;
	if (!read_targets(r, f) || !admin_report_use(r, &f->use, exit_out) ||
		!admin_report_kept_times(r, &f->kept, &f->due, exit_out) ||
		!(reply = admin_response_ask(r, exit_out)))
		return false;
	json_array_foreach(json_object_get(reply, "boxes"), i, box)
	{
		json_array_foreach(json_object_get(box, "items"), k, item)
		{
			admin_response_add(r, item, now, &f->answers);
		}
	}
	json_decref(reply);
	f->has_events = admin_report_events(r, &f->events, &err);
	count_agencies(r, f);
	return true;
}

static void
figures_done(struct figures *f)
{
	admin_use_facts_free(&f->use);
	admin_events_free(&f->events);
}

/* ---- the draft (REP-05): always in Vietnamese ---- */

static void
put_target(struct admin_report *r, struct admin_doc_table *t, int64_t number, const char *what,
	int64_t target, int64_t n, int64_t of)
{
	bool met = of > 0 && n * 100 >= target * of;
	const struct admin_value cells[] = {admin_count(number), admin_text_z(what),
		admin_share(target, 100), admin_share(n, of),
		admin_text_z(of <= 0 ? "Chưa có số liệu" : met ? "Đạt" : "Chưa đạt")};

	admin_doc_row(r->doc, t, cells, false);
}

static void
put_targets(struct admin_report *r, const struct figures *f)
{
	/* clang-format off */
	static const struct admin_doc_column columns[] = {
		{ "number", "STT", 6, ADMIN_COUNT },
		{ "what",   "Tiêu chí", 50, ADMIN_TEXT },
		{ "target", "Chỉ tiêu", 0, ADMIN_SHARE },
		{ "result", "Kết quả", 0, ADMIN_SHARE },
		{ "state",  "Đánh giá", 16, ADMIN_TEXT },
	};
	/* clang-format on */
	const struct admin_use *u = &f->use.total;
	struct admin_doc_table *t = admin_doc_table(
		r->doc, "targets", "Kết quả thực hiện các chỉ tiêu", columns, CV_COUNT(columns));

	put_target(r, t, 1, "Cán bộ, công chức, viên chức được cấp địa chỉ", f->targets[0],
		u->accounts, u->staff);
	put_target(r, t, 2, "Cán bộ, công chức, viên chức sử dụng thường xuyên", f->targets[1],
		u->regular, u->staff);
	put_target(r, t, 3, "Thư của người dân được trả lời đúng hạn", f->targets[2],
		f->answers.in_time, f->answers.due);
	put_target(r, t, 4, "Hộp thư cơ quan được mở đúng giờ", f->targets[3], f->kept, f->due);
}

static void
put_results(struct admin_report *r, const struct figures *f)
{
	const struct admin_use *u = &f->use.total;
	const struct admin_event_sums *e = &f->events.total;

	admin_doc_heading(r->doc, "I. KẾT QUẢ THỰC HIỆN");
	admin_doc_text(r->doc,
		"1. Cấp và sử dụng: %s có %s cán bộ, công chức, viên chức, trong đó %s người đã "
		"được cấp địa chỉ thư điện tử công vụ (%s), %s người sử dụng thường xuyên (%s). "
		"Trong kỳ đã gửi %s thư, nhận %s thư.",
		r->agency ? "Đơn vị" : "Toàn tỉnh", admin_report_number(u->staff),
		admin_report_number(u->accounts), admin_report_share(u->accounts, u->staff),
		admin_report_number(u->regular), admin_report_share(u->regular, u->staff),
		admin_report_number(u->sent), admin_report_number(u->received));
	admin_doc_text(r->doc,
		"2. Tiếp nhận và trả lời thư của người dân, doanh nghiệp: nhận %s thư, đã trả lời %s "
		"thư, đúng hạn %s thư (%s), quá hạn %s thư.",
		admin_report_number(f->answers.arrived), admin_report_number(f->answers.answered),
		admin_report_number(f->answers.in_time),
		admin_report_share(f->answers.in_time, f->answers.due),
		admin_report_number(f->answers.overdue));
	admin_doc_text(r->doc,
		"3. Công khai danh bạ: %s trên %s cơ quan, đơn vị đã công khai trên trang danh bạ của "
		"tỉnh.",
		admin_report_number(f->published), admin_report_number(f->agencies));
	if (f->has_events)
		admin_doc_text(r->doc,
			"4. An toàn thư điện tử: nhận %s thư từ bộ lọc, chặn %s thư rác, thư lừa đảo "
			"(%s); ghi nhận %s lần dùng địa chỉ công vụ đăng ký dịch vụ ngoài, %s thư gửi "
			"về hộp thư miễn phí của cán bộ.",
			admin_report_number(e->in), admin_report_number(e->stopped),
			admin_report_share(e->stopped, e->in), admin_report_number(e->signups),
			admin_report_number(e->free_mail));
}

static int
run_draft(struct admin_call *call)
{
	struct admin_report r;
	struct figures f = {0};
	int exit_code;

	if (admin_report_open(call, &r, &exit_code) && gather(&r, &f, &exit_code)) {
		char title[200];
		r.vietnamese = true;
		admin_period_read(admin_option(call, "period"),
			admin_option(call, "cumulative") != NULL, r.today, true, &r.period);
		snprintf(title, sizeof title, "Tình hình sử dụng thư điện tử công vụ %s",
			r.period.text);
		admin_report_begin(&r, title, title);
		admin_report_head(&r, r.agency ? r.agency : "UBND");
		put_results(&r, &f);
		put_targets(&r, &f);
		admin_doc_heading(r.doc, "II. TỒN TẠI, HẠN CHẾ");
		admin_doc_text(r.doc, "(Đơn vị bổ sung.)");
		admin_doc_heading(r.doc, "III. PHƯƠNG HƯỚNG, KIẾN NGHỊ");
		admin_doc_text(r.doc, "(Đơn vị bổ sung.)");
		admin_doc_annex(r.doc, "PHỤ LỤC\nSố liệu theo cơ quan, đơn vị");
		admin_report_put_use(&r, &f.use);
		exit_code = admin_report_finish(&r);
	}
	figures_done(&f);
	admin_report_close(&r);
	return exit_code;
}

/* ---- indicators ---- */

static struct admin_doc_table *
indicator_table(struct admin_report *r, const char *caption)
{
	/* clang-format off */
	const struct admin_doc_column columns[] = {
		{ "id",    admin_report_say(r, "Id", "Mã"), 18, ADMIN_TEXT },
		{ "what",  admin_report_say(r, "Indicator", "Chỉ số"), 44, ADMIN_TEXT },
		{ "value", admin_report_say(r, "Value", "Giá trị"), 14, ADMIN_COUNT },
		{ "means", admin_report_say(r, "Definition", "Định nghĩa"), 70, ADMIN_TEXT },
	};
	/* clang-format on */

	return admin_doc_table(r->doc, "indicators", caption, columns, CV_COUNT(columns));
}

static void
put_indicator(struct admin_report *r, struct admin_doc_table *t, const char *id, const char *en,
	const char *vi, struct admin_value value, const char *means_en, const char *means_vi)
{
	const struct admin_value cells[] = {admin_text_z(id),
		admin_text_z(admin_report_say(r, en, vi)), value,
		admin_text_z(admin_report_say(r, means_en, means_vi))};

	admin_doc_row(r->doc, t, cells, false);
}

/* REP-07 */
static void
put_index(struct admin_report *r, const struct figures *f)
{
	const struct admin_use *u = &f->use.total;
	struct admin_doc_table *t = indicator_table(
		r, admin_report_say(r, "Indicators of readiness", "Các chỉ số phục vụ xếp hạng"));

	put_indicator(r, t, "staff", "Staff", "Số cán bộ, công chức, viên chức",
		admin_count(u->staff), "as the agencies tell", "theo đơn vị khai báo");
	put_indicator(r, t, "addresses", "With an address", "Số người có địa chỉ",
		admin_count(u->accounts), "accounts of people that are not retired",
		"tài khoản cá nhân chưa thu hồi");
	put_indicator(r, t, "coverage", "Coverage", "Tỷ lệ có địa chỉ",
		admin_share(u->accounts, u->staff), "addresses / staff", "addresses / staff");
	put_indicator(r, t, "regular", "Regular users", "Số người dùng thường xuyên",
		admin_count(u->regular),
		"mail sent or opened on regular_use_percent of the working days",
		"gửi hoặc mở thư từ regular_use_percent số ngày làm việc");
	put_indicator(r, t, "use", "Regular use", "Tỷ lệ dùng thường xuyên",
		admin_share(u->regular, u->staff), "regular / staff", "regular / staff");
	put_indicator(r, t, "sent", "Messages sent", "Số thư gửi", admin_count(u->sent),
		"submissions of staff", "thư cán bộ gửi qua hệ thống");
	put_indicator(r, t, "received", "Messages received", "Số thư nhận",
		admin_count(u->received), "deliveries to boxes of staff",
		"thư vào hộp thư cán bộ");
	put_indicator(r, t, "agency_boxes", "Agencies with a box", "Tỷ lệ cơ quan có hộp thư",
		admin_share(f->with_box, f->agencies), "agencies with an official address / all",
		"số cơ quan có địa chỉ công vụ / tổng số");
	put_indicator(r, t, "published", "Agencies published", "Tỷ lệ cơ quan công khai danh bạ",
		admin_share(f->published, f->agencies), "agencies in the public directory / all",
		"số cơ quan trong danh bạ công khai / tổng số");
	put_indicator(r, t, "opened", "Boxes opened in time", "Tỷ lệ mở hộp thư đúng giờ",
		admin_share(f->kept, f->due), "times kept / times due (box_check_times)",
		"số lần đúng giờ / số lần phải mở (box_check_times)");
	put_indicator(r, t, "answered", "Answers in time", "Tỷ lệ trả lời đúng hạn",
		admin_share(f->answers.in_time, f->answers.due),
		"answered within answer_days / (answered + overdue)",
		"trả lời trong answer_days / (đã trả lời + quá hạn)");
}

/* REP-06 */
static void
put_security(struct admin_report *r, const struct figures *f)
{
	const struct admin_event_sums *e = &f->events.total;
	struct admin_value none = admin_none();
	struct admin_doc_table *t = indicator_table(
		r, admin_report_say(r, "Security of official mail", "Số liệu an toàn thư điện tử"));
	const struct {
		const char *id, *en, *vi;
		int64_t n;
	} rows[] = {
		{"mail_in", "Messages that came in", "Số thư đến", e->in},
		{"stopped", "Stopped by the filter", "Số thư bị chặn", e->stopped},
		{"junk", "of these to Junk", "trong đó: thư rác", e->junk},
		{"quarantined", "of these to quarantine", "trong đó: cách ly", e->quarantined},
		{"refused", "of these refused", "trong đó: từ chối", e->refused},
		{"secrecy", "Mail with secrecy marks", "Thư mang dấu mật", e->secrecy},
		{"signups", "Sign-ups at public services", "Đăng ký dịch vụ ngoài", e->signups},
		{"free_mail", "Work mail to own free mail", "Gửi về thư miễn phí", e->free_mail},
	};

	put_indicator(r, t, "accounts", "Accounts of people", "Số tài khoản cá nhân",
		admin_count(f->use.total.accounts), "on the day of the data",
		"tại ngày lấy số liệu");
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		put_indicator(r, t, rows[i].id, rows[i].en, rows[i].vi,
			f->has_events ? admin_count(rows[i].n) : none,
			"counted by the filter in the period", "bộ lọc ghi nhận trong kỳ");
	admin_doc_note(r->doc, "%s",
		admin_report_say(r, "The year ends on 14 December: what is later counts for the next.",
			"Số liệu năm chốt ngày 14/12; phần sau tính cho năm kế tiếp."));
}

static int
run_figures(struct admin_call *call,
	void (*put)(struct admin_report *r, const struct figures *f), const char *en,
	const char *vi, bool is_cut_off)
{
	struct admin_report r;
	struct figures f = {0};
	int exit_code;

	if (admin_report_open(call, &r, &exit_code)) {
		struct cv_civil last;
		if (is_cut_off) {
			cv_civil_from_days(admin_option(call, "period") ? r.period.to : r.today,
				&last);
			r.period.to = cv_days_from_civil(last.year, 12, CUT_OFF_DAY);
			r.period.from = cv_days_from_civil(last.year - 1, 12, CUT_OFF_DAY + 1);
			snprintf(r.period.text, sizeof r.period.text,
				r.vietnamese ? "năm %d" : "%d", last.year);
		}
		if (gather(&r, &f, &exit_code)) {
			admin_report_begin(&r, en, vi);
			put(&r, &f);
			exit_code = admin_report_finish(&r);
		}
	}
	figures_done(&f);
	admin_report_close(&r);
	return exit_code;
}

static int
run_index(struct admin_call *call)
{
	return run_figures(call, put_index, "Indicators of the readiness index",
		"Chỉ số phục vụ đánh giá mức độ sẵn sàng", false);
}

static int
run_security(struct admin_call *call)
{
	return run_figures(call, put_security, "Yearly data on the security of official mail",
		"Số liệu an toàn thư điện tử công vụ hằng năm", true);
}

/* ---- paper (REP-08) ---- */

static bool
number_of(struct admin_call *call, const char *option, int64_t dflt, int64_t *out)
{
	const char *text = admin_option(call, option);
	uint64_t n = (uint64_t)dflt;

	if (text && cv_str_u64(cv_str_z(text), 1000000, &n)) {
		admin_error(call, EXIT_USAGE, "--percent, --pages and --cost take a number",
			"--percent, --pages và --cost nhận một số");
		return false;
	}
	*out = (int64_t)n;
	return true;
}

static int
run_paper(struct admin_call *call)
{
	struct admin_report r;
	struct admin_use_facts f = {0};
	int64_t percent, pages, cost;
	int exit_code = EXIT_USAGE;

	if (!number_of(call, "percent", 20, &percent) || !number_of(call, "pages", 2, &pages) ||
		!number_of(call, "cost", 300, &cost))
		return EXIT_USAGE;
	if (admin_report_open(call, &r, &exit_code) && admin_report_use(&r, &f, &exit_code)) {
		int64_t letters = admin_ratio(f.total.sent, 100, percent);
		const char *guess = admin_report_say(&r, "estimate", "ước tính");
		admin_report_begin(&r, "Paper saved (estimate)", "Tiết kiệm giấy (ước tính)");
		struct admin_doc_table *t = indicator_table(&r, guess);
		put_indicator(&r, t, "sent", "Messages sent", "Số thư gửi",
			admin_count(f.total.sent), "counted", "đếm được");
		put_indicator(&r, t, "letters", "Instead of letters", "Thay văn bản giấy",
			admin_count(letters), "estimate: sent x percent / 100",
			"ước tính: sent x percent / 100");
		put_indicator(&r, t, "pages", "Pages", "Số trang", admin_count(letters * pages),
			"estimate: letters x pages", "ước tính: letters x pages");
		put_indicator(&r, t, "saved", "Saved (VND)", "Tiết kiệm (đồng)",
			admin_count(letters * pages * cost), "estimate: pages x cost",
			"ước tính: pages x cost");
		admin_doc_note(r.doc,
			admin_report_say(&r,
				"Estimate. Inputs: percent = %lld, pages = %lld, cost = %lld VND a "
				"page.",
				"Ước tính. Số liệu đầu vào: percent = %lld, pages = %lld, cost = %lld "
				"đồng một trang."),
			(long long)percent, (long long)pages, (long long)cost);
		exit_code = admin_report_finish(&r);
	}
	admin_use_facts_free(&f);
	admin_report_close(&r);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = { ADMIN_REPORT_OPTIONS, { 0 } };
static const struct admin_option paper_options[] = {
	ADMIN_REPORT_OPTIONS,
	{ "percent", "N", "of messages that stand for a letter on paper; 20", "phần trăm thư thay văn bản giấy; 20" },
	{ "pages", "N", "of such a letter; 2", "số trang mỗi văn bản; 2" },
	{ "cost", "VND", "of a page; 300", "chi phí một trang; 300" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_report_draft = {
	.noun = "report",
	.verb = "draft",
	.words = "",
	.help = "a draft of the office's report, with an annex; in Vietnamese",
	.help_vi = "dự thảo báo cáo kèm phụ lục, theo thể thức văn bản hành chính",
	.options = options,
	.examples = "  congvu report draft --period 2026-6m --format odt --output bao-cao.odt\n"
		    "  congvu report draft --period 2026-6m --format xlsx --output phu-luc.xlsx",
	.run = run_draft,
};
const struct admin_command admin_report_index = {
	.noun = "report",
	.verb = "index",
	.words = "",
	.help = "indicators for readiness indices, with their definitions",
	.help_vi = "các chỉ số phục vụ xếp hạng, kèm định nghĩa",
	.options = options,
	.examples = "  congvu report index --period 2026 --format csv --output chi-so-2026.csv",
	.run = run_index,
};
const struct admin_command admin_report_security = {
	.noun = "report",
	.verb = "security",
	.words = "",
	.help = "yearly data on security, cut off on 14 December",
	.help_vi = "số liệu an toàn hằng năm, chốt ngày 14/12",
	.options = options,
	.examples = "  congvu report security --period 2026 --format xlsx --output an-toan-2026.xlsx",
	.run = run_security,
};
const struct admin_command admin_report_paper = {
	.noun = "report",
	.verb = "paper",
	.words = "",
	.help = "an estimate of the paper that was saved, with its inputs",
	.help_vi = "ước tính tiết kiệm giấy, có số liệu đầu vào",
	.options = paper_options,
	.examples = "  congvu report paper --period 2026 --percent 20 --pages 2 --cost 300",
	.run = run_paper,
};
