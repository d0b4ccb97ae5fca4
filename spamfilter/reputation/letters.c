/* letters.c - see letters.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/reputation/letters.h"

#include "common/text/fold.h"

static struct spam_tally_key
pair_key(struct cv_str ours, struct cv_str theirs)
{
	struct cv_buf a = CV_BUF_INIT(1024), b = CV_BUF_INIT(1024);

	(void)cv_fold_ascii(cv_str_sub(ours, 0, 1024), &a);
	(void)cv_fold_ascii(cv_str_sub(theirs, 0, 1024), &b);
	const struct cv_str parts[] = {cv_buf_view(&a), cv_buf_view(&b)};
	struct spam_tally_key key = spam_tally_key('w', parts, CV_COUNT(parts));
	cv_buf_done(&a);
	cv_buf_done(&b);
	return key;
}

void
spam_letters_wrote(struct spam_tally *t, struct cv_str ours, struct cv_str theirs)
{
	if (ours.n && theirs.n)
		spam_tally_add(t, pair_key(ours, theirs), 0, 1);
}

uint32_t
spam_letters_known(struct spam_tally *t, struct cv_str ours, struct cv_str theirs)
{
	struct spam_tally_entry e;

	if (!ours.n || !theirs.n || !spam_tally_get(t, pair_key(ours, theirs), &e))
		return 0;
	return e.counts[0];
}

/* The last msg-id of *REST, without brackets, which is then cut off with all behind it. */
static bool
last_id(struct cv_str *rest, struct cv_str *id_out)
{
	size_t end = rest->n, begin;

	while (end > 0 && rest->p[end - 1] != '>')
		end--;
	for (begin = end; begin > 0 && rest->p[begin - 1] != '<';)
		begin--;
	if (!begin)
		return false;
	*id_out = cv_str_trim(cv_str_sub(*rest, begin, end - 1));
	*rest = cv_str_sub(*rest, 0, begin - 1);
	return true;
}

static struct spam_tally_key
id_key(struct cv_str ours, struct cv_str id)
{
	struct cv_buf a = CV_BUF_INIT(1024);

	(void)cv_fold_ascii(cv_str_sub(ours, 0, 1024), &a);
	const struct cv_str parts[] = {cv_buf_view(&a), id};
	struct spam_tally_key key = spam_tally_key('m', parts, CV_COUNT(parts));
	cv_buf_done(&a);
	return key;
}

void
spam_letters_sent(struct spam_tally *t, struct cv_str ours, struct cv_str message_id)
{
	struct cv_str id = cv_str_trim(message_id);

	(void)last_id(&message_id, &id);
	if (ours.n && id.n)
		spam_tally_add(t, id_key(ours, id), 0, 1);
}

bool
spam_letters_answers(struct spam_tally *t, struct cv_str ours, struct cv_str field)
{
	struct spam_tally_entry e;
	struct cv_str id;

	for (unsigned i = 0; i < SPAM_REFERENCES_MAX && last_id(&field, &id); i++)
		if (id.n && spam_tally_get(t, id_key(ours, id), &e))
			return true;
	return false;
}
