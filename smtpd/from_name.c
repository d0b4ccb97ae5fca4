/* from_name.c - see from_name.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/from_name.h"

#include "common/text/charset.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"

#define FIELD_MAX     (2 * CV_ADDR_FIELD_MAX)
#define FROM_NAME_MAX 4096u
#define NAMES_MAX     100u /* of one field; with more it is left alone */

static bool
same_text(struct cv_str a, struct cv_str b)
{
	struct cv_buf x = CV_BUF_INIT(FIELD_MAX * 2), y = CV_BUF_INIT(FIELD_MAX * 2);

	(void)cv_utf8_nfc(a, &x);
	(void)cv_utf8_nfc(b, &y);
	bool same = cv_str_eq(cv_buf_view(&x), cv_buf_view(&y));
	cv_buf_done(&x);
	cv_buf_done(&y);
	return same;
}

/* Appends `name <address>` to OUT, the name being the register's. True: it is another than was
 * there. */
static bool
write_mailbox(const struct cv_mailbox *m, smtpd_from_name_fn *fn, void *arg, struct cv_buf *out)
{
	struct cv_buf given = CV_BUF_INIT(FIELD_MAX * 2), name = CV_BUF_INIT(FROM_NAME_MAX);
	bool changed = false;

	cv_words_decode(m->name, CV_STR_EMPTY, &given);
	if (fn(arg, m->local, m->domain, &name) && name.n && !name.full) {
		changed = !same_text(cv_buf_view(&given), cv_buf_view(&name));
		cv_phrase_encode(cv_buf_view(&name), out);
	} else if (given.n) {
		cv_phrase_encode(cv_buf_view(&given), out);
	}
	cv_buf_printf(out, "%s<", given.n || name.n ? " " : "");
	cv_buf_str(out, m->address);
	cv_buf_c(out, '>');
	cv_buf_done(&given);
	cv_buf_done(&name);
	return changed;
}

/* A comment is a name to some mail programs; in quotes there are none. */
static bool
has_comment(struct cv_str value)
{
	bool quoted = false;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"')
			quoted = !quoted;
		else if (value.p[i] == '\\')
			i++;
		else if (value.p[i] == '(' && !quoted)
			return true;
	}
	return false;
}

/* Lines are folded at blanks, which must not be inside an address. */
static bool
can_be_folded(const struct cv_from *from)
{
	for (size_t i = 0; i < from->n; i++)
		for (size_t k = 0; k < from->items[i].address.n; k++)
			if ((unsigned char)from->items[i].address.p[k] <= ' ')
				return false;
	return from->n <= NAMES_MAX;
}

bool
smtpd_from_name_edit(struct cv_str header, smtpd_from_name_fn *fn, void *arg, size_t *start_out,
                     size_t *end_out, struct cv_buf *out)
{
	struct cv_field field;
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_from from;
	bool edit = false;

	if (cv_header_count(header, "From") != 1 || !cv_header_find(header, "From", 0, &field))
		return false;
	if (cv_from_strict(&arena, field.value, &from, NULL) == CV_OK && can_be_folded(&from)) {
		struct cv_buf value = CV_BUF_INIT(FIELD_MAX * 4);
		edit = has_comment(field.value);
		for (size_t i = 0; i < from.n; i++) {
			if (i)
				cv_buf_z(&value, ", ");
			edit |= write_mailbox(&from.items[i], fn, arg, &value);
		}
		if (edit && !value.full)
			cv_header_fold_tokens(out, "From", cv_buf_view(&value));
		edit = edit && !value.full && !out->full;
		cv_buf_done(&value);
	}
	*start_out = field.start;
	*end_out = field.end;
	cv_arena_done(&arena);
	return edit;
}
