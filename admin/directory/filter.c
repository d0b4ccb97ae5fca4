/* filter.c - the privacy filter: what of an account the public may see (DIR-02, DIR-04). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/directory/directory.h"
#include "common/base/buf.h"
#include "common/text/charset.h"
#include "common/text/fold.h"

#define TEXT_MAX 4096

/* ---- texts ---- */

/* Controls have no place in a page, and directional marks can make an address look like another. */
static bool
is_forbidden(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

struct cv_str
admin_public_text(struct cv_arena *arena, struct cv_str text)
{
	struct cv_buf nfc = CV_BUF_INIT(TEXT_MAX * 4), out = CV_BUF_INIT(TEXT_MAX * 4);

	(void)cv_utf8_nfc(cv_str_sub(text, 0, TEXT_MAX), &nfc);
	struct cv_str whole = cv_buf_view(&nfc);
	for (size_t pos = 0; pos < whole.n;) {
		uint32_t c = cv_utf8_next(whole, &pos);
		if (is_forbidden(c))
			cv_buf_c(&out, ' ');
		else
			cv_utf8_put(&out, c);
	}
	struct cv_str result = cv_arena_str(arena, cv_str_trim(cv_buf_view(&out)));
	cv_buf_done(&nfc);
	cv_buf_done(&out);
	return result;
}

void
admin_sort_key_add(struct cv_buf *key, struct cv_str text)
{
	(void)cv_vi_sort_key(text, key);
	cv_buf_c(key, '\0'); /* keys hold no zero, so a shorter one comes first */
}

void
admin_fold_words(struct cv_str text, char joint, struct cv_buf *out)
{
	struct cv_buf folded = CV_BUF_INIT(TEXT_MAX * 4);
	bool in_word = false, any = false;

	(void)cv_fold(text, &folded);
	for (size_t i = 0; i < folded.n; i++) {
		unsigned char c = (unsigned char)folded.p[i];
		bool is_letter = c >= 0x80 || cv_is_alpha(c) || cv_is_digit(c);
		if (is_letter && !in_word && any)
			cv_buf_c(out, joint);
		if (is_letter)
			cv_buf_c(out, (char)c);
		any = any || is_letter;
		in_word = is_letter;
	}
	cv_buf_done(&folded);
}

/* ---- the filter ---- */

bool
admin_is_hidden(struct cv_str hidden, struct cv_str agency, struct cv_str department)
{
	struct cv_buf name = CV_BUF_INIT(TEXT_MAX * 4);
	struct cv_str word;
	bool found = false;

	if (!hidden.n || !agency.n)
		return false;
	cv_buf_str(&name, agency);
	cv_buf_c(&name, '/');
	admin_fold_words(department, '-', &name);
	while (!found && cv_str_split(&hidden, ' ', &word))
		found = word.n && (cv_str_ieq(word, agency) ||
				   (department.n && cv_str_ieq(word, cv_buf_view(&name))));
	cv_buf_done(&name);
	return found;
}

static struct cv_str
sort_key(const struct cv_reg_account *a, bool is_role, struct cv_arena *arena)
{
	struct cv_buf key = CV_BUF_INIT(TEXT_MAX * 20);

	cv_buf_c(&key, is_role ? '0' : '1');
	cv_buf_be32(&key, is_role ? 0 : a->rank);
	admin_sort_key_add(&key, a->given.n ? a->given : a->display_name);
	admin_sort_key_add(&key, a->surname);
	admin_sort_key_add(&key, a->middle);
	cv_buf_str(&key, a->address); /* the order never depends on chance */
	struct cv_str result = cv_arena_str(arena, cv_buf_view(&key));
	cv_buf_done(&key);
	return result;
}

bool
admin_entry_take(const struct cv_reg_account *a, struct cv_str hidden, struct cv_arena *arena,
	struct admin_entry *out)
{
	bool is_role = a->kind == CV_KIND_ROLE || a->kind == CV_KIND_AGENCY;

	if (!a->listed || a->state != CV_STATE_ACTIVE || (a->kind != CV_KIND_PERSON && !is_role) ||
		admin_is_hidden(hidden, a->agency, a->department))
		return false;
	*out = (struct admin_entry){
		.name = admin_public_text(arena, a->display_name),
		.title = admin_public_text(arena, a->title),
		.department = admin_public_text(arena, a->department),
		.phone_office = admin_public_text(arena, a->phone_office),
		.address = admin_public_text(arena, a->address),
		.rank = a->rank,
		.is_role = is_role,
		.sort_key = sort_key(a, is_role, arena),
	};
	if (!is_role) {
		out->surname = admin_public_text(arena, a->surname);
		out->middle = admin_public_text(arena, a->middle);
		out->given = admin_public_text(arena, a->given);
	}
	if (!is_role && a->mobile_consent)
		out->phone_mobile = admin_public_text(arena, a->phone_mobile);
	return out->address.n > 0;
}
