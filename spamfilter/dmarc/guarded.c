/* guarded.c - see guarded.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/guarded.h"

#include "common/text/domain.h"

static bool
next_former(struct cv_str *rest, struct cv_str *out)
{
	while (cv_str_split(rest, ' ', out))
		if (out->n)
			return true;
	return false;
}

/* As people write them into options: any case, U-labels. */
static bool
is_below(struct cv_str domain, struct cv_str ours)
{
	for (; domain.n; domain = cv_domain_parent(domain))
		if (cv_domain_eq(domain, ours))
			return true;
	return false;
}

size_t
spam_guarded(const struct spam_mail *m, struct cv_str out[SPAM_GUARDED_MAX])
{
	struct cv_str rest = cv_str_z(m->opt->former_domains), one, target;
	size_t n = 0;

	for (size_t i = 0;
		n < SPAM_GUARDED_MAX && cv_snapshot_nth_domain(m->snap, i, &one, &target); i++)
		out[n++] = one;
	if (!n && !m->server->is_alone && m->main->default_domain[0])
		out[n++] = cv_str_z(m->main->default_domain);
	while (n < SPAM_GUARDED_MAX && next_former(&rest, &one))
		out[n++] = one;
	return n;
}

bool
spam_is_former(const struct spam_mail *m, struct cv_str domain)
{
	struct cv_str rest = cv_str_z(m->opt->former_domains), one;

	while (next_former(&rest, &one))
		if (is_below(domain, one))
			return true;
	return false;
}

bool
spam_is_guarded(const struct spam_mail *m, struct cv_str domain)
{
	struct cv_str ours[SPAM_GUARDED_MAX];
	size_t n = spam_guarded(m, ours);

	for (size_t i = 0; i < n; i++)
		if (is_below(domain, ours[i]))
			return true;
	return false;
}
