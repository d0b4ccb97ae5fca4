/* author.c - whom a message names as its author, however oddly it is written. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/address.h"
#include "spamfilter/mail.h"

/* Lower-case A-labels in the mail's arena; empty when DOMAIN is none. */
static struct cv_str
clean_domain(struct spam_mail *m, struct cv_str domain)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_NAME_MAX + 1);
	struct cv_str out = CV_STR_EMPTY;

	if (cv_domain_to_ascii(domain, &ascii, NULL) == CV_OK)
		out = cv_arena_str(&m->arena, cv_buf_view(&ascii));
	cv_buf_done(&ascii);
	return out;
}

static void
add_domain(struct spam_mail *m, struct cv_str domain, struct spam_author *a)
{
	struct cv_str clean = clean_domain(m, domain);

	if (!clean.n || a->domain_count == SPAM_AUTHORS_MAX)
		return;
	for (size_t i = 0; i < a->domain_count; i++)
		if (cv_str_eq(a->domains[i], clean))
			return;
	a->domains[a->domain_count++] = clean;
}

/* Every host an address reader finds, and whatever follows an "@" anywhere: a display name counts
 * as much as an address to those who read it. */
static void
add_all(struct spam_mail *m, struct cv_str value, struct spam_author *a)
{
	struct cv_addr_list list;

	cv_addr_list_parse(&m->arena, value, &list);
	for (size_t i = 0; i < list.n; i++)
		if (list.items[i].host.n)
			add_domain(m, list.items[i].host, a);
	for (size_t at = cv_str_find(value, '@', 0); at < value.n;
		at = cv_str_find(value, '@', at + 1)) {
		size_t end = at + 1;
		while (end < value.n && (unsigned char)value.p[end] > ' ' &&
			!strchr("<>()[],;:\\\"@", value.p[end]))
			end++;
		add_domain(m, cv_str_sub(value, at + 1, end), a);
	}
}

void
spam_author_read(struct spam_mail *m, struct spam_author *out)
{
	const struct spam_header_field *first = spam_mail_field(m, "From", 0), *f;
	struct cv_from from;

	*out = (struct spam_author){0};
	if (first && !spam_mail_field(m, "From", 1) &&
		cv_from_strict(&m->arena, cv_str_trim(first->value), &from, NULL) == CV_OK) {
		out->is_plain = true;
		out->local = from.items[0].local;
		out->domain = clean_domain(m, from.items[0].domain);
		for (size_t i = 0; i < from.n; i++)
			add_domain(m, from.items[i].domain, out);
		return;
	}
	for (size_t i = 0; (f = spam_mail_field(m, "From", i)); i++)
		add_all(m, f->value, out);
}
