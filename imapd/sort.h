/* sort.h - SORT (RFC 5256, 5957): which keys, and bringing messages into their order. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SORT_H
#define IMAPD_SORT_H

#include "imapd/columns.h"
#include "imapd/parse.h"

#define IMAPD_SORT_KEYS_MAX 16

enum imapd_sort_key {
	IMAPD_SORT_ARRIVAL,
	IMAPD_SORT_CC,
	IMAPD_SORT_DATE,
	IMAPD_SORT_DISPLAYFROM,
	IMAPD_SORT_DISPLAYTO,
	IMAPD_SORT_FROM,
	IMAPD_SORT_RELEVANCY, /* RFC 6203 6: the highest first */
	IMAPD_SORT_SIZE,
	IMAPD_SORT_SUBJECT,
	IMAPD_SORT_TO
};

struct imapd_sort {
	struct {
		enum imapd_sort_key key;
		bool is_reverse;
	} keys[IMAPD_SORT_KEYS_MAX];
	unsigned count;
	bool by_relevancy; /* some key is it: only with FUZZY */
};

/* "(REVERSE DATE SUBJECT)". */
bool imapd_parse_sort(struct imapd_parse *p, struct imapd_sort *out);

/* One message to be sorted. */
struct imapd_sorted {
	uint32_t seq;
	const struct imapd_facts *facts;
	const struct imapd_block *block;
	uint8_t score; /* relevancy */
	uint64_t first; /* imapd_sort_messages() fills it in: orders most by the first key */
};
/* Less than, equal to or greater than 0, as A comes before B or behind it. */
int imapd_sort_compare(const struct imapd_sort *sort, const struct imapd_sorted *a,
	const struct imapd_sorted *b);
/* Equal ones stay in the order of their numbers. */
void imapd_sort_messages(const struct imapd_sort *sort, struct imapd_sorted *items, size_t count);

/* The Date, or where there is none the internal date (RFC 5256 2.2); Unix time. */
static inline int64_t
imapd_facts_sent(const struct imapd_facts *f)
{
	return f->flags & IMAPD_FACT_SENT ? f->sent_secs : f->internal_secs;
}

#endif
