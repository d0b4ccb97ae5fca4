/* import_check.c - dirty rows: what is repaired with a note, what is refused with a proposal.
 *
 * Nothing is guessed: a repair only drops what carries no meaning (blanks, line breaks, notations
 * of numbers); whatever has two readings is refused, and the person at the desk decides.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/buf.h"
#include "common/register/import.h"
#include "common/text/charset.h"
#include "common/text/fold.h"

static const struct {
	const char *code, *en, *vi;
} faults[IMPORT_FAULTS] = {
	[FIX_BLANK_AT_SIGN] = { "blank-at", "a blank beside @ was removed", "đã bỏ dấu cách cạnh @" },
	[FIX_LINE_BREAK] = { "line-break", "a line break in the address was removed", "đã bỏ dấu xuống dòng trong địa chỉ" },
	[FIX_BLANKS] = { "blanks", "doubled blanks were made one", "đã gộp các dấu cách thừa" },
	[FIX_NFD] = { "nfd", "decomposed letters were composed (NFC)", "đã chuyển chữ tổ hợp về dựng sẵn" },
	[FIX_TONE] = { "tone", "a tone mark was moved to its usual place", "đã đặt lại vị trí dấu thanh" },
	[FIX_PHONE_FLOAT] = { "phone-float", "a phone number written as a decimal was mended", "đã sửa số điện thoại bị ghi thành số thập phân" },
	[FIX_PHONE_COUNTRY] = { "phone-84", "+84 was replaced by 0", "đã đổi +84 thành 0" },
	[FIX_PHONE_ZERO] = { "phone-zero", "the lost first zero of a phone number was put back", "đã thêm số 0 bị mất ở đầu số điện thoại" },
	[FIX_PHONE_DOTS] = { "phone-dots", "dots in a phone number were removed", "đã bỏ dấu chấm trong số điện thoại" },
	[FIX_PHONE_TWO] = { "phone-two", "of two phone numbers the first was kept", "có hai số điện thoại, giữ số đầu" },
	[FIX_PHONE_LENGTH] = { "phone-length", "a phone number of wrong length was left out", "đã bỏ số điện thoại sai độ dài" },
	[FIX_NUMBER] = { "stt", "the row number was rounded", "đã làm tròn số thứ tự" },
	[NO_COMMA] = { "comma", "a comma in the domain of the address", "tên miền của địa chỉ có dấu phẩy" },
	[NO_DOUBLED] = { "doubled", "a doubled sign in the address", "địa chỉ lặp dấu chấm hoặc @" },
	[NO_AT_SIGN] = { "no-at", "the address has no @", "địa chỉ thiếu @" },
	[NO_DOMAIN] = { "no-domain", "the address has no domain", "địa chỉ thiếu tên miền" },
	[NO_GO] = { "go", "the domain ends in .go", "tên miền viết .go" },
	[NO_LOCAL] = { "no-local", "the address has only a domain", "địa chỉ chỉ có tên miền" },
	[NO_TYPO] = { "typo", "a misspelt free mail service as official address", "địa chỉ công vụ lại ghi dịch vụ thư miễn phí, sai chính tả" },
	[NO_FREE_MAIL] = { "free-mail", "a free mail service as official address", "địa chỉ công vụ lại ghi dịch vụ thư miễn phí" },
	[NO_TWO_PEOPLE] = { "two-people", "the address belongs to another person", "địa chỉ đã thuộc người khác" },
	[NO_HONORIFIC] = { "honorific", "a form of address before the name", "có danh xưng trước họ tên" },
	[NO_TITLE_IN_NAME] = { "title-in-name", "a title in the column of names", "chức vụ ghi chung với họ tên" },
	[NO_PHONE_IN_NAME] = { "phone-in-name", "a phone number in the column of names", "số điện thoại ghi ở cột họ tên" },
	[NO_TITLE_IN_UNIT] = { "title-in-unit", "a title in the column of units", "chức vụ ghi ở cột đơn vị" },
	[NO_SPLIT_ROW] = { "split-row", "one person in two rows", "một người bị tách thành hai dòng" },
	[NO_NAME] = { "no-name", "the row has no name", "dòng không có họ tên" },
	[NO_SHORT_NAME] = { "short-name", "the name has one word only", "họ tên chỉ có một chữ" },
	[NO_FOREIGN] = { "foreign", "the address is not of one of our domains", "địa chỉ không thuộc tên miền của tỉnh" },
	[NO_AGENCY] = { "no-agency", "the row names no unit", "dòng không ghi đơn vị" },
	[NO_UNKNOWN_AGENCY] = { "unknown-agency", "no such unit", "không có đơn vị này" },
	[NO_SAME_AGENCY] = { "same-agency", "several units have that name", "có nhiều đơn vị cùng tên" },
	[NO_ACCOUNT] = { "no-account", "no account can be made", "không tạo được tài khoản" },
};

const char *
import_fault_code(enum import_fault f)
{
	return faults[f].code;
}

const char *
import_fault_text(enum import_fault f, bool vietnamese)
{
	return vietnamese ? faults[f].vi : faults[f].en;
}

static void
refuse(struct import_verdict *v, enum import_fault why, struct cv_str proposal)
{
	if (v->is_refused)
		return; /* the first reason is the one to act on */
	v->is_refused = true;
	v->why = why;
	v->proposal = proposal;
}

static void
fix(struct import_verdict *v, enum import_fault what)
{
	v->fixed |= 1u << what;
}

/* ---- texts ---- */

static bool
has_doubled_blank(struct cv_str s)
{
	s = cv_str_trim(s);
	for (size_t i = 1; i < s.n; i++)
		if ((s.p[i] == ' ' || s.p[i] == '\t') && s.p[i - 1] == ' ')
			return true;
	return false;
}

static struct cv_str
clean(struct cv_arena *arena, struct cv_str raw, struct import_verdict *v)
{
	struct cv_str out = CV_STR("");
	(void)!reg_clean(arena, cv_utf8_cut(raw, REG_TEXT_MAX), &out);
	if (has_doubled_blank(raw))
		fix(v, FIX_BLANKS);
	struct cv_buf nfc = CV_BUF_INIT(REG_TEXT_MAX * 4);
	(void)cv_utf8_nfc(cv_utf8_cut(raw, REG_TEXT_MAX), &nfc);
	if (!cv_str_eq(cv_buf_view(&nfc), cv_utf8_cut(raw, REG_TEXT_MAX)))
		fix(v, FIX_NFD);
	cv_buf_done(&nfc);
	return out;
}

static struct cv_str
folded(struct cv_arena *arena, struct cv_str s)
{
	struct cv_buf out = CV_BUF_INIT(REG_TEXT_MAX * 4);
	(void)cv_fold(s, &out);
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return copy.p ? copy : CV_STR("");
}

/* oà -> òa, uý -> úy at the end of a word; not after q (quý). */
static struct cv_str
usual_tones(struct cv_arena *arena, struct cv_str name, struct import_verdict *v)
{
	static const struct {
		const char *old, *usual;
	} pairs[] = {
		{ "oà", "òa" }, { "oá", "óa" }, { "oả", "ỏa" }, { "oã", "õa" }, { "oạ", "ọa" },
		{ "oè", "òe" }, { "oé", "óe" }, { "oẻ", "ỏe" }, { "oẽ", "õe" }, { "oẹ", "ọe" },
		{ "uỳ", "ùy" }, { "uý", "úy" }, { "uỷ", "ủy" }, { "uỹ", "ũy" }, { "uỵ", "ụy" },
	};
	struct cv_buf out = CV_BUF_INIT(REG_TEXT_MAX * 4);
	struct cv_str rest = name, word;
	while (cv_str_split(&rest, ' ', &word)) {
		if (out.n)
			cv_buf_c(&out, ' ');
		size_t hit = CV_COUNT(pairs);
		for (size_t i = 0; i < CV_COUNT(pairs); i++)
			if (cv_str_has_suffix(word, pairs[i].old))
				hit = i;
		size_t stem = hit < CV_COUNT(pairs) ? word.n - strlen(pairs[hit].old) : word.n;
		if (hit < CV_COUNT(pairs) && stem &&
		    cv_lower((unsigned char)word.p[stem - 1]) != 'q') {
			fix(v, FIX_TONE);
			cv_buf_str(&out, cv_str_sub(word, 0, stem));
			cv_buf_z(&out, pairs[hit].usual);
		} else {
			cv_buf_str(&out, word);
		}
	}
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return copy.p ? copy : CV_STR("");
}

/* ---- names ---- */

static const char *const honorifics[] = {
	"ong", "ba", "chi", "dong chi", "d/c", "dc", "ths", "th.s", "ths.", "ts", "ts.", "pgs", "pgs.",
	"gs", "gs.", "bs", "bs.", "ks", "ks.", "luat su", "bac si", "thac si", "tien si",
};
/* Surnames so common that "Ông Nguyễn ..." is an honorific and "Ông Mai Xuân" a surname. */
static const char *const common_surnames[] = {
	"nguyen", "tran", "le", "pham", "phan", "huynh", "vo", "hoang", "dang", "bui", "truong", "vu",
	"do", "ho", "ngo", "dinh", "duong", "ly", "doan",
};
static const char *const title_words[] = {
	"chu tich", "pho chu tich", "giam doc", "pho giam doc", "truong phong", "pho truong phong",
	"chanh van phong", "pho chanh", "chanh thanh tra", "chuyen vien", "ke toan", "van thu", "can su",
	"nhan vien", "bi thu", "pho bi thu", "truong ban", "pho truong ban", "hieu truong",
};

/* S (folded) begins with WORDS and a blank or its end. */
static bool
begins(struct cv_str s, const char *words)
{
	size_t n = strlen(words);
	return cv_str_has_prefix(s, words) && (s.n == n || s.p[n] == ' ');
}

static bool
begins_with_title(struct cv_str s)
{
	for (size_t i = 0; i < CV_COUNT(title_words); i++)
		if (begins(s, title_words[i]))
			return true;
	return false;
}

static size_t
words_in(struct cv_str s)
{
	size_t n = s.n > 0;
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == ' ';
	return n;
}

/* The text behind its first COUNT words. */
static struct cv_str
behind_words(struct cv_str s, size_t count)
{
	struct cv_str word;
	while (count-- && cv_str_split(&s, ' ', &word))
		;
	return s.p ? s : CV_STR("");
}

static void
check_honorific(struct cv_str name, struct cv_str plain, struct import_verdict *v)
{
	for (size_t i = 0; i < CV_COUNT(honorifics); i++) {
		if (!begins(plain, honorifics[i]))
			continue;
		struct cv_str rest = behind_words(name, words_in(cv_str_z(honorifics[i])));
		struct cv_str rest_plain = behind_words(plain, words_in(cv_str_z(honorifics[i])));
		bool is_surname_too = !strcmp(honorifics[i], "ong") || !strcmp(honorifics[i], "ba");
		bool surname_follows = false;
		for (size_t j = 0; j < CV_COUNT(common_surnames); j++)
			surname_follows = surname_follows || begins(rest_plain, common_surnames[j]);
		if (words_in(rest) >= 2 && (!is_surname_too || surname_follows))
			refuse(v, NO_HONORIFIC, rest);
		return;
	}
}

static size_t
count_digits(struct cv_str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += cv_is_digit((unsigned char)s.p[i]);
	return n;
}

static struct cv_str
without_digits(struct cv_arena *arena, struct cv_str s)
{
	struct cv_buf out = CV_BUF_INIT(REG_TEXT_MAX * 2);
	for (size_t i = 0; i < s.n; i++)
		if (!cv_is_digit((unsigned char)s.p[i]) && !strchr("-.+()/", s.p[i]))
			cv_buf_c(&out, s.p[i]);
	struct cv_str cleaned = CV_STR("");
	(void)!reg_clean(arena, cv_buf_view(&out), &cleaned);
	cv_buf_done(&out);
	return cleaned;
}

/* "Trần Văn Bình - Phó Giám đốc", "Chủ tịch Lê Hoa", "Lê Hoa (Văn thư)". */
static void
check_title(struct cv_arena *arena, struct cv_str name, struct cv_str plain,
            struct import_verdict *v)
{
	if (begins_with_title(plain)) {
		for (size_t i = 0; i < CV_COUNT(title_words); i++)
			if (begins(plain, title_words[i])) {
				refuse(v, NO_TITLE_IN_NAME,
				       behind_words(name, words_in(cv_str_z(title_words[i]))));
				return;
			}
	}
	for (size_t i = 1; i < name.n; i++) {
		if (!strchr("-,(/:;", name.p[i]))
			continue;
		struct cv_str rest = cv_str_trim(folded(arena, cv_str_sub(name, i + 1, name.n)));
		if (begins_with_title(rest) || (rest.n && rest.p[rest.n - 1] == ')')) {
			refuse(v, NO_TITLE_IN_NAME, cv_str_trim(cv_str_sub(name, 0, i)));
			return;
		}
	}
}

static void
check_name(struct cv_arena *arena, struct import_verdict *v)
{
	struct cv_str plain = folded(arena, v->name);
	if (!v->name.n)
		refuse(v, NO_NAME, CV_STR(""));
	else if (count_digits(v->name) >= 6)
		refuse(v, NO_PHONE_IN_NAME, without_digits(arena, v->name));
	check_honorific(v->name, plain, v);
	check_title(arena, v->name, plain, v);
	if (!v->is_refused && words_in(v->name) < 2)
		refuse(v, NO_SHORT_NAME, CV_STR(""));
}

/* ---- phones ---- */

static struct cv_str
first_number(struct cv_str s, struct import_verdict *v)
{
	for (size_t i = 0; i < s.n; i++) {
		bool parts = s.p[i] == '/' || s.p[i] == ';' || s.p[i] == ',' || s.p[i] == '\n';
		bool dash = s.p[i] == '-' && i && s.p[i - 1] == ' ';
		if ((parts || dash) && count_digits(cv_str_sub(s, 0, i)) >= 9 &&
		    count_digits(cv_str_sub(s, i, s.n)) >= 9) {
			fix(v, FIX_PHONE_TWO);
			return cv_str_sub(s, 0, i);
		}
	}
	return s;
}

/* Digits of a Vietnamese number, or empty. */
static struct cv_str
phone(struct cv_arena *arena, struct cv_str raw, struct import_verdict *v)
{
	struct cv_str s = first_number(cv_str_trim(raw), v);
	size_t dot = cv_str_find(s, '.', 0);
	/* 912345678.0: what a spreadsheet makes of a number */
	if (dot + 2 == s.n && s.p[s.n - 1] == '0' && count_digits(s) == s.n - 1) {
		fix(v, FIX_PHONE_FLOAT);
		s = cv_str_sub(s, 0, dot);
	} else if (dot < s.n) {
		fix(v, FIX_PHONE_DOTS);
	}
	char digits[32];
	size_t n = 0;
	bool is_abroad = cv_str_has_prefix(s, "+") && !cv_str_has_prefix(s, "+84");
	for (size_t i = 0; i < s.n && n + 2 < sizeof digits; i++)
		if (cv_is_digit((unsigned char)s.p[i]))
			digits[n++] = s.p[i];
	if (!n)
		return CV_STR("");
	char *from = digits;
	if (cv_str_has_prefix(s, "+84") || (n >= 11 && !strncmp(digits, "84", 2))) {
		fix(v, FIX_PHONE_COUNTRY);
		from++;
		*from = '0';
		n--;
		/* +84 (0)912... has the zero already */
		if (n > 1 && from[1] == '0') {
			from++;
			n--;
		}
	} else if (n == 9 && *from != '0') {
		if (!(v->fixed & (1u << FIX_PHONE_FLOAT)))
			fix(v, FIX_PHONE_ZERO);
		memmove(digits + 1, digits, n++);
		*digits = '0';
	}
	bool is_landline = n >= 10 && from[0] == '0' && from[1] == '2';
	if (is_abroad || from[0] != '0' || !(n == 10 || (is_landline && n == 11))) {
		fix(v, FIX_PHONE_LENGTH);
		return CV_STR("");
	}
	return cv_arena_str(arena, cv_str(from, n));
}

/* A column that says "phone" only: landlines are the office's. */
static void
place_phones(struct cv_arena *arena, const struct import_row *row, struct import_verdict *v)
{
	struct cv_str office = cv_str_trim(row->raw[IM_PHONE_OFFICE]);
	v->phone_office = office.n ? phone(arena, office, v) : CV_STR("");
	v->phone_mobile = cv_str_trim(row->raw[IM_PHONE_MOBILE]).n
		? phone(arena, row->raw[IM_PHONE_MOBILE], v) : CV_STR("");
	struct cv_str any = cv_str_trim(row->raw[IM_PHONE]).n ? phone(arena, row->raw[IM_PHONE], v)
		: CV_STR("");
	if (any.n && any.p[1] == '2' && !v->phone_office.n)
		v->phone_office = any;
	else if (any.n && !v->phone_mobile.n)
		v->phone_mobile = any;
}

/* ---- addresses ---- */

static struct cv_str
clean_email(struct cv_arena *arena, struct cv_str raw, struct import_verdict *v)
{
	struct cv_str s = cv_str_trim(raw);
	struct cv_buf out = CV_BUF_INIT(REG_TEXT_MAX);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' || s.p[i] == '\r') {
			fix(v, FIX_LINE_BREAK);
			continue;
		}
		bool beside = (i + 1 < s.n && s.p[i + 1] == '@') || (i && s.p[i - 1] == '@') ||
			(out.n && out.p[out.n - 1] == '@');
		if (s.p[i] == ' ' && beside) {
			fix(v, FIX_BLANK_AT_SIGN);
			continue;
		}
		cv_buf_c(&out, s.p[i]);
	}
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return copy.p ? copy : CV_STR("");
}

static const char *const free_mail[] = {
	"gmail.com", "yahoo.com", "yahoo.com.vn", "ymail.com", "hotmail.com", "outlook.com",
	"outlook.com.vn", "live.com", "icloud.com", "vnn.vn", "hcm.vnn.vn", "hn.vnn.vn", "fpt.vn",
};
static const char *const free_mail_typos[] = {
	"gmailcom", "gmai.com", "gmial.com", "gamil.com", "gmail.con", "gmail.co", "gmal.com", "gmail.cm",
	"yaho.com", "yahoo.con", "yahoocom", "hotmial.com", "hotmai.com", "outlok.com",
};

static bool
is_one_of(struct cv_str s, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (cv_str_ieq_z(s, list[i]))
			return true;
	return false;
}

/* S with every OLD (one byte) as NEW, runs of it made one when SQUEEZE. */
static struct cv_str
replaced(struct cv_arena *arena, struct cv_str s, char old, char new_, bool squeeze)
{
	struct cv_buf out = CV_BUF_INIT(REG_TEXT_MAX * 2);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i] == old ? new_ : s.p[i];
		if (!(squeeze && out.n && c == new_ && out.p[out.n - 1] == new_))
			cv_buf_c(&out, c);
	}
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return copy;
}

void
import_check_email(struct cv_arena *arena, const char *default_domain, struct cv_str official,
                   struct import_verdict *v)
{
	struct cv_str s = v->email;
	if (!s.n)
		return;
	size_t at = cv_str_find(s, '@', 0);
	struct cv_str local = cv_str_sub(s, 0, at), domain = cv_str_sub(s, at + 1, s.n);
	bool has_gap = cv_str_search(s, CV_STR("..")) < s.n ||
	               cv_str_find(domain, '@', 0) < domain.n;
	if (at == s.n) {
		bool glued = s.n > strlen(default_domain) && cv_str_has_isuffix(s, default_domain);
		struct cv_str head = cv_str_sub(s, 0, glued ? s.n - strlen(default_domain) : 0);
		struct cv_str parted =
			cv_arena_printf(arena, "%.*s@%s", CV_STR_ARGS(head), default_domain);
		refuse(v, NO_AT_SIGN, glued ? parted : official);
	} else if (has_gap) {
		refuse(v, NO_DOUBLED,
		       replaced(arena, replaced(arena, s, '.', '.', true), '@', '@', true));
	} else if (!local.n) {
		refuse(v, NO_LOCAL, official);
	} else if (!domain.n) {
		refuse(v, NO_DOMAIN,
		       cv_arena_printf(arena, "%.*s@%s", CV_STR_ARGS(local), default_domain));
	} else if (cv_str_find(domain, ',', 0) < domain.n) {
		refuse(v, NO_COMMA, replaced(arena, s, ',', '.', false));
	} else if (cv_str_has_isuffix(domain, ".go") ||
	           cv_str_isearch(domain, CV_STR(".go.")) < domain.n) {
		size_t go = cv_str_isearch(domain, CV_STR(".go"));
		refuse(v, NO_GO,
		       cv_arena_printf(arena, "%.*s@%.*s.gov%.*s", CV_STR_ARGS(local),
		                       CV_STR_ARGS(cv_str_sub(domain, 0, go)),
		                       CV_STR_ARGS(cv_str_sub(domain, go + 3, domain.n))));
	} else if (is_one_of(domain, free_mail_typos, CV_COUNT(free_mail_typos))) {
		refuse(v, NO_TYPO, official);
	} else if (is_one_of(domain, free_mail, CV_COUNT(free_mail))) {
		refuse(v, NO_FREE_MAIL, official);
	}
}

/* ---- rows ---- */

static bool
blank(struct cv_str s)
{
	return cv_str_trim(s).n == 0;
}

/* A number and a name and nothing else, followed by a row without number that has the rest. */
bool
import_is_continuation(const struct import_rows *all, const struct import_row *row,
                       const struct import_row *next)
{
	if (!all->has[IM_NUMBER] || !(all->has[IM_TITLE] || all->has[IM_AGENCY]) || !next)
		return false;
	if (next->number != row->number + 1 || blank(row->raw[IM_NUMBER]) ||
	    blank(row->raw[IM_NAME]))
		return false;
	for (size_t i = IM_TITLE; i < IM_COUNT; i++)
		if (!blank(row->raw[i]))
			return false;
	return blank(next->raw[IM_NUMBER]) &&
	       (!blank(next->raw[IM_TITLE]) || !blank(next->raw[IM_AGENCY]) ||
	        !blank(next->raw[IM_EMAIL]));
}

static struct cv_str
whole_name(struct cv_arena *arena, const struct import_row *row)
{
	if (!blank(row->raw[IM_NAME]))
		return row->raw[IM_NAME];
	struct cv_buf out = CV_BUF_INIT(REG_TEXT_MAX * 2);
	static const enum import_field parts[] = { IM_SURNAME, IM_SURNAME_MIDDLE, IM_MIDDLE,
		                                   IM_GIVEN };
	for (size_t i = 0; i < CV_COUNT(parts); i++) {
		struct cv_str part = cv_str_trim(cv_utf8_cut(row->raw[parts[i]], 400));
		if (part.n && out.n)
			cv_buf_c(&out, ' ');
		cv_buf_str(&out, part);
	}
	struct cv_str copy = cv_arena_str(arena, cv_buf_view(&out));
	cv_buf_done(&out);
	return copy.p ? copy : CV_STR("");
}

void
import_check(struct cv_arena *arena, const struct import_rows *all, const struct import_row *row,
             const struct import_row *next, struct import_verdict *v)
{
	*v = (struct import_verdict){ .proposal = CV_STR("") };
	v->name = usual_tones(arena, clean(arena, whole_name(arena, row), v), v);
	v->title = clean(arena, row->raw[IM_TITLE], v);
	v->department = clean(arena, row->raw[IM_DEPARTMENT], v);
	v->agency_text = clean(arena, row->raw[IM_AGENCY], v);
	v->staff_id = clean(arena, row->raw[IM_STAFF_ID], v);
	v->email = clean_email(arena, row->raw[IM_EMAIL], v);
	place_phones(arena, row, v);
	struct cv_str number = cv_str_trim(row->raw[IM_NUMBER]);
	if (cv_str_find(number, '.', 0) + 2 < number.n)
		fix(v, FIX_NUMBER);
	if (import_is_continuation(all, row, next)) {
		struct cv_str rest = clean(arena, whole_name(arena, next), v);
		refuse(v, NO_SPLIT_ROW, cv_arena_printf(arena, "%.*s%s%.*s", CV_STR_ARGS(v->name),
			rest.n ? " " : "", CV_STR_ARGS(rest)));
	}
	check_name(arena, v);
	if (begins_with_title(folded(arena, v->agency_text)))
		refuse(v, NO_TITLE_IN_UNIT, v->title.n ? v->title : CV_STR(""));
}
