/* tell.c - see tell.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/reorganise/tell.h"

#include "admin/files.h"
#include "common/base/clock.h"
#include "common/base/map.h"

#define LETTERS_BYTES (64u << 20)

static struct admin_value
value_of(const json_t *object, const char *key)
{
	return admin_text_z(admin_str(object, key));
}

static int64_t
today(void)
{
	return (cv_wall_secs() + 7 * 3600) / 86400;
}

/* "31/12/2028" */
static void
put_day(struct cv_buf *out, json_int_t secs)
{
	/* The end of the last day is the beginning of the next. */
	admin_value_put(out, admin_on_day((secs - 1 + 7 * 3600) / 86400));
}

/* ---- tables ---- */

void
admin_reorganise_problems(
	const struct admin_call *call, struct admin_doc *d, const json_t *problems)
{
	const struct admin_doc_column columns[] = {
		{"line", admin_say(call, "Line", "Dòng"), 6, ADMIN_COUNT},
		{"problem", admin_say(call, "What is missing or wrong", "Còn thiếu hoặc sai"), 60,
			ADMIN_TEXT},
		{"propose", admin_say(call, "Write", "Hãy ghi"), 40, ADMIN_TEXT}};
	size_t i;
	json_t *one;

	if (!json_array_size(problems))
		return;
	struct admin_doc_table *t = admin_doc_table(d, "problems",
		admin_say(call, "To be decided in the plan", "Phải quyết định trong kế hoạch"),
		columns, CV_COUNT(columns));
	json_array_foreach(problems, i, one)
	{
		struct admin_value cells[] = {admin_count(admin_number(one, "line")),
			value_of(one, call->vietnamese ? "problem_vi" : "problem"),
			value_of(one, "propose")};
		admin_doc_row(d, t, cells, false);
	}
}

static void
add_counts(const struct admin_call *call, struct admin_doc *d, const json_t *counts)
{
	const struct {
		const char *key, *en, *vi;
	} rows[] = {
		{"units_closed", "Units closed", "Đơn vị chấm dứt"},
		{"units_new", "Units made", "Đơn vị thành lập"},
		{"units_changed", "Units changed", "Đơn vị thay đổi"},
		{"people", "People concerned", "Người liên quan"},
		{"new_addresses", "with a new address", "có địa chỉ mới"},
		{"collisions", "of them with a number", "trong đó phải thêm số"},
		{"boxes_kept", "Shared boxes kept", "Hộp dùng chung được giữ"},
		{"boxes_closed", "Shared boxes that become aliases", "Hộp dùng chung thành bí danh"},
		{"groups", "of all these groups", "trong đó nhóm"},
		{"delegations", "Delegations between changed addresses",
			"Ủy quyền có địa chỉ thay đổi"},
		{"unlisted", "Entries that leave the directory", "Mục rút khỏi danh bạ"},
		{"shared_names", "Shared folders that change their name in mail programs",
			"Thư mục dùng chung đổi tên trong trình đọc thư"},
		{"problems", "Open decisions", "Việc chưa quyết định"},
	};
	const struct admin_doc_column columns[] = {
		{"what", admin_say(call, "What", "Nội dung"), 56, ADMIN_TEXT},
		{"number", admin_say(call, "Number", "Số lượng"), 10, ADMIN_COUNT}};
	struct admin_doc_table *t = admin_doc_table(
		d, "counts", admin_say(call, "Sums", "Tổng hợp"), columns, CV_COUNT(columns));

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct admin_value cells[] = {
			admin_text_z(admin_say(call, rows[i].en, rows[i].vi)),
			admin_count(admin_number(counts, rows[i].key))};
		admin_doc_row(d, t, cells, false);
	}
}

/* Words of the reply for people. */
static const char *
fate(const struct admin_call *call, const char *word)
{
	static const struct {
		const char *word, *en, *vi;
	} rows[] = {{"closed", "ends", "chấm dứt"}, {"new", "new", "thành lập"},
		{"kept", "stays", "giữ"}, {"alias", "alias of", "thành bí danh của"},
		{"read", "stays readable", "để đọc"}, {"move", "is copied over", "chuyển sang"}};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!strcmp(word, rows[i].word))
			return admin_say(call, rows[i].en, rows[i].vi);
	return word;
}

static void
add_units(const struct admin_call *call, struct admin_doc *d, const json_t *units)
{
	const struct admin_doc_column columns[] = {
		{"code", admin_say(call, "Code", "Mã"), 14, ADMIN_TEXT},
		{"name", admin_say(call, "Unit", "Đơn vị"), 40, ADMIN_TEXT},
		{"fate", admin_say(call, "Becomes", "Kết quả"), 12, ADMIN_TEXT},
		{"into", admin_say(call, "Into", "Vào"), 14, ADMIN_TEXT},
		{"parent", admin_say(call, "Under", "Trực thuộc"), 14, ADMIN_TEXT},
		{"people", admin_say(call, "People", "Người"), 8, ADMIN_COUNT},
		{"boxes", admin_say(call, "Boxes", "Hộp chung"), 10, ADMIN_COUNT},
		{"pool", admin_say(call, "Pool, MB", "Hạn mức chung, MB"), 12, ADMIN_COUNT}};
	struct admin_doc_table *t = admin_doc_table(
		d, "units", admin_say(call, "Units", "Đơn vị"), columns, CV_COUNT(columns));
	size_t i;
	json_t *one;

	json_array_foreach(units, i, one)
	{
		json_int_t pool = admin_number(one, "pool");
		struct admin_value cells[] = {value_of(one, "code"), value_of(one, "name"),
			admin_text_z(fate(call, admin_str(one, "fate"))), value_of(one, "into"),
			value_of(one, "parent"), admin_count(admin_number(one, "people")),
			admin_count(admin_number(one, "boxes")),
			pool ? admin_count(pool >> 20) : admin_none()};
		admin_doc_row(d, t, cells, false);
	}
}

static void
add_boxes(const struct admin_call *call, struct admin_doc *d, const json_t *boxes)
{
	const struct admin_doc_column columns[] = {
		{"address", admin_say(call, "Old address", "Địa chỉ cũ"), 36, ADMIN_TEXT},
		{"new", admin_say(call, "New address of the box", "Địa chỉ mới của hộp"), 36,
			ADMIN_TEXT},
		{"fate", admin_say(call, "Becomes", "Kết quả"), 18, ADMIN_TEXT},
		{"into", admin_say(call, "Mail goes to", "Thư đến về"), 36, ADMIN_TEXT},
		{"mail", admin_say(call, "Old mail", "Thư cũ"), 14, ADMIN_TEXT},
		{"holders", admin_say(call, "Holders", "Người giữ"), 10, ADMIN_COUNT}};
	struct admin_doc_table *t = admin_doc_table(d, "boxes",
		admin_say(call, "Agency and role boxes, groups",
			"Hộp thư đơn vị, chức danh và nhóm"),
		columns, CV_COUNT(columns));
	size_t i;
	json_t *one;

	json_array_foreach(boxes, i, one)
	{
		struct admin_value cells[] = {value_of(one, "address"), value_of(one, "new"),
			admin_text_z(fate(call, admin_str(one, "fate"))), value_of(one, "into"),
			admin_text_z(fate(call, admin_str(one, "mail"))),
			admin_count(admin_number(one, "holders"))};
		admin_doc_row(d, t, cells, false);
	}
}

static void
add_people(const struct admin_call *call, struct admin_doc *d, const json_t *people)
{
	const struct admin_doc_column columns[] = {
		{"name", admin_say(call, "Name", "Họ và tên"), 28, ADMIN_TEXT},
		{"address", admin_say(call, "Old address", "Địa chỉ cũ"), 36, ADMIN_TEXT},
		{"new", admin_say(call, "New address", "Địa chỉ mới"), 36, ADMIN_TEXT},
		{"new_agency", admin_say(call, "Unit", "Đơn vị"), 14, ADMIN_TEXT},
		{"title", admin_say(call, "Title", "Chức vụ"), 24, ADMIN_TEXT},
		{"collision", admin_say(call, "Why a number", "Lý do thêm số"), 50, ADMIN_TEXT}};
	struct admin_doc_table *t = admin_doc_table(d, "people",
		admin_say(call, "Old and new address of everybody",
			"Địa chỉ cũ và mới của từng người"),
		columns, CV_COUNT(columns));
	size_t i;
	json_t *one;

	json_array_foreach(people, i, one)
	{
		const json_t *collision = json_object_get(one, "collision");
		struct cv_buf why = CV_BUF_INIT(1000);
		if (collision)
			cv_buf_printf(&why,
				admin_say(call, "%s is %s's", "%s là của %s"),
				admin_str(collision, "wanted"), admin_str(collision, "holder"));
		struct admin_value cells[] = {value_of(one, "name"), value_of(one, "address"),
			value_of(one, "new"), value_of(one, "new_agency"), value_of(one, "title"),
			admin_text(cv_buf_view(&why))};
		admin_doc_row(d, t, cells, false);
		cv_buf_done(&why);
	}
}

static void
add_rest(const struct admin_call *call, struct admin_doc *d, const json_t *reply)
{
	const struct admin_doc_column delegation[] = {
		{"owner_new", admin_say(call, "Box", "Hộp thư"), 36, ADMIN_TEXT},
		{"who_new", admin_say(call, "Delegated to", "Người được ủy quyền"), 36, ADMIN_TEXT},
		{"rights", admin_say(call, "Rights", "Quyền"), 10, ADMIN_TEXT},
		{"owner", admin_say(call, "Box before", "Hộp thư trước đây"), 36, ADMIN_TEXT}};
	const struct admin_doc_column domain[] = {
		{"domain", admin_say(call, "Domain", "Tên miền"), 30, ADMIN_TEXT},
		{"alias_of", admin_say(call, "Alias of", "Bí danh của"), 30, ADMIN_TEXT}};
	const struct admin_doc_column admin[] = {
		{"admin", admin_say(call, "Administrator", "Quản trị viên"), 36, ADMIN_TEXT},
		{"agency", admin_say(call, "Unit before", "Đơn vị trước đây"), 18, ADMIN_TEXT},
		{"new_agency", admin_say(call, "Unit now (none: the role ends)",
			"Đơn vị nay (trống: thôi quản trị)"), 30, ADMIN_TEXT}};
	const struct {
		const char *key, *caption;
		const struct admin_doc_column *columns;
		size_t count;
	} tables[] = {{"admins", admin_say(call, "Administrators", "Quản trị viên"), admin,
			      CV_COUNT(admin)},
		{"delegations",
			      admin_say(call, "Delegations (they stay)", "Ủy quyền (giữ nguyên)"),
			      delegation, CV_COUNT(delegation)},
		{"domains", admin_say(call, "Domains", "Tên miền"), domain, CV_COUNT(domain)}};

	for (size_t k = 0; k < CV_COUNT(tables); k++) {
		const json_t *rows = json_object_get(reply, tables[k].key);
		size_t i;
		json_t *one;
		if (!json_array_size(rows))
			continue;
		struct admin_doc_table *t = admin_doc_table(
			d, tables[k].key, tables[k].caption, tables[k].columns, tables[k].count);
		json_array_foreach(rows, i, one)
		{
			struct admin_value cells[ADMIN_DOC_COLUMNS_MAX];
			for (size_t c = 0; c < tables[k].count; c++)
				cells[c] = value_of(one, tables[k].columns[c].key);
			admin_doc_row(d, t, cells, false);
		}
	}
}

/* ---- letters ---- */

#define STAFF_VI \
	"Kính gửi các đồng chí,\n\n" \
	"Thực hiện %s, địa chỉ thư điện tử công vụ của các đồng chí thay đổi theo danh sách kèm " \
	"theo. Địa chỉ cũ vẫn nhận thư và đăng nhập được; dự kiến giữ đến hết ngày %s. Mật khẩu, " \
	"hộp thư và toàn bộ thư cũ không thay đổi, không phải cài đặt lại trình đọc thư.\n\n" \
	"Đề nghị: (1) dùng địa chỉ mới khi gửi thư; (2) báo địa chỉ mới cho nơi thường gửi thư " \
	"đến; (3) thư mục dùng chung mang tên địa chỉ mới, mở lại nếu trình đọc thư báo không tìm " \
	"thấy. Thư này không yêu cầu bấm liên kết hoặc cung cấp mật khẩu.\n"
#define STAFF_EN \
	"Dear colleagues,\n\n" \
	"By %s your official addresses change as listed below. Mail to the old address still " \
	"arrives and it still logs you in, until %s as planned. Password, mailbox and old mail " \
	"stay as they are; nothing needs to be set up again.\n\n" \
	"Please (1) write from the new address, (2) tell those who write to you, (3) reopen shared " \
	"folders if your mail program misses them: they are called after the new address. This " \
	"letter asks for no password and holds no link.\n"
#define PORTAL_VI \
	"Kính gửi quản trị các cổng, trang thông tin điện tử,\n\n" \
	"Thực hiện %s, đề nghị thay địa chỉ thư điện tử của các đơn vị dưới đây trên cổng, trang " \
	"thông tin, biểu mẫu và danh bạ. Địa chỉ cũ vẫn nhận thư, dự kiến đến hết ngày %s; danh bạ " \
	"công khai đã cập nhật địa chỉ mới.\n"
#define PORTAL_EN \
	"To the webmasters of portals,\n\n" \
	"By %s please replace the addresses of the units below on portals, forms and lists. The old " \
	"ones still take mail, until %s as planned; the public directory has the new ones.\n"

enum letter { LETTER_STAFF, LETTER_PORTAL };

static void
put_letter(const struct admin_call *call, enum letter letter, const char *title,
	const json_t *reply, struct cv_buf *out)
{
	struct cv_buf day = CV_BUF_INIT(40);
	const char *what =
		*title ? title : admin_say(call, "the reorganisation", "việc sắp xếp đơn vị");

	put_day(&day, admin_number(reply, "old_until"));
	if (letter == LETTER_STAFF)
		cv_buf_printf(out, admin_say(call, STAFF_EN, STAFF_VI), what, day.p);
	else
		cv_buf_printf(out, admin_say(call, PORTAL_EN, PORTAL_VI), what, day.p);
	cv_buf_done(&day);
}

static void
add_letters(const struct admin_call *call, struct admin_doc *d, const char *title,
	const json_t *reply)
{
	struct cv_buf letter = CV_BUF_INIT(8000);

	if (!admin_number(json_object_get(reply, "counts"), "new_addresses"))
		return;
	admin_doc_heading(d, admin_say(call, "Letter to staff", "Thư gửi cán bộ"));
	put_letter(call, LETTER_STAFF, title, reply, &letter);
	admin_doc_text(d, "%s", letter.p);
	letter.n = 0;
	admin_doc_heading(d, admin_say(call, "Letter to the webmasters of portals",
		"Thư gửi quản trị cổng thông tin"));
	put_letter(call, LETTER_PORTAL, title, reply, &letter);
	admin_doc_text(d, "%s", letter.p);
	cv_buf_done(&letter);
}

struct admin_doc *
admin_reorganise_doc(const struct admin_call *call, const char *title, const json_t *reply,
	bool with_people)
{
	bool is_dry = json_is_true(json_object_get(reply, "dry_run"));
	struct cv_buf day = CV_BUF_INIT(40);
	struct admin_doc *d = admin_doc_new(call->vietnamese, today(),
		*title ? title : admin_say(call, "Reorganisation", "Sắp xếp đơn vị"),
		is_dry ? admin_say(call, "Trial run: nothing was changed",
				 "Chạy thử: chưa thay đổi gì")
		       : admin_say(call, "Carried out", "Đã thực hiện"));

	put_day(&day, admin_number(reply, "old_until"));
	admin_reorganise_problems(call, d, json_object_get(reply, "problems"));
	add_counts(call, d, json_object_get(reply, "counts"));
	add_units(call, d, json_object_get(reply, "units"));
	add_boxes(call, d, json_object_get(reply, "boxes"));
	add_rest(call, d, reply);
	if (with_people)
		add_people(call, d, json_object_get(reply, "people"));
	admin_doc_note(d, admin_say(call,
		"Old addresses take mail and log in; their end is proposed after %s, never automatic.",
		"Địa chỉ cũ vẫn nhận thư và đăng nhập; sau ngày %s hệ thống đề xuất chấm dứt, không "
		"tự động xóa."), day.p);
	if (with_people)
		add_letters(call, d, title, reply);
	cv_buf_done(&day);
	return d;
}

/* ---- letters as files ---- */

static void
put_line(struct cv_buf *out, const json_t *one)
{
	cv_buf_printf(out, "- %s: %s -> %s\n", admin_str(one, "name"), admin_str(one, "address"),
		json_object_get(one, "into") ? admin_str(one, "into") : admin_str(one, "new"));
}

static bool
write_letter(const struct admin_call *call, const char *folder, const char *name,
	const struct cv_buf *text)
{
	char path[1400];
	struct cv_err err = {0};

	snprintf(path, sizeof path, "%s/%s.txt", folder, name);
	if (!admin_file_replace(path, 0640, cv_buf_view(text), ADMIN_OWNER_SELF, &err))
		return true;
	admin_error(call, EXIT_FAILED, err.text, err.text);
	return false;
}

/* The letters of all units, by code; a unit is there when somebody of it has a new address. */
static void
gather(const struct admin_call *call, const char *title, const json_t *reply, struct cv_map *units)
{
	size_t i;
	json_t *one;

	json_array_foreach(json_object_get(reply, "people"), i, one)
	{
		const char *code = admin_str(one, "new_agency");
		if (!json_is_true(json_object_get(one, "changed")))
			continue;
		struct cv_buf *text = cv_map_get(units, cv_str_z(code));
		if (!text) {
			text = cv_malloc(sizeof *text);
			cv_buf_init(text, LETTERS_BYTES);
			cv_buf_printf(text, "%s\n\n", admin_str(one, "new_agency_name"));
			put_letter(call, LETTER_STAFF, title, reply, text);
			cv_buf_c(text, '\n');
			cv_map_put(units, cv_str_z(code), text);
		}
		put_line(text, one);
	}
}

static bool
write_portal(const struct admin_call *call, const char *folder, const char *title,
	const json_t *reply)
{
	struct cv_buf text = CV_BUF_INIT(LETTERS_BYTES);
	size_t i;
	json_t *one;

	put_letter(call, LETTER_PORTAL, title, reply, &text);
	cv_buf_c(&text, '\n');
	json_array_foreach(json_object_get(reply, "boxes"), i, one)
		if (json_is_true(json_object_get(one, "changed")))
			put_line(&text, one);
	bool ok = write_letter(call, folder, "webmaster", &text);
	cv_buf_done(&text);
	return ok;
}

bool
admin_reorganise_letters(const struct admin_call *call, const char *folder, const char *title,
	const json_t *reply, size_t *count_out)
{
	struct cv_map units;
	struct cv_str code;
	struct cv_err err = {0};
	void *value;

	*count_out = 0;
	if (admin_folder_make(folder, 0750, ADMIN_OWNER_SELF, &err)) {
		admin_error(call, EXIT_FAILED, err.text, err.text);
		return false;
	}
	cv_map_init(&units);
	gather(call, title, reply, &units);
	bool ok = write_portal(call, folder, title, reply);
	*count_out = ok;
	for (size_t pos = 0; cv_map_each(&units, &pos, &code, &value);) {
		struct cv_buf *text = value;
		char name[64];
		snprintf(name, sizeof name, "%.*s", (int)CV_MIN(code.n, (size_t)40), code.p);
		ok = ok && write_letter(call, folder, *name ? name : "khac", text);
		*count_out += ok;
		cv_buf_done(text);
		free(text);
	}
	cv_map_done(&units);
	return ok;
}
