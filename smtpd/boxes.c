/* boxes.c - see boxes.h. Linear probing; only the newest entries are ever taken out, so a deletion
 * cannot break the probe chain of an older one. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/boxes.h"

#define FEW 16u

/* The slot that holds ACCT, or the free one where it belongs. */
static uint32_t *
slot_of(const struct smtpd_boxes *b, cv_acct_id acct)
{
	size_t at = (size_t)cv_hash(&acct, sizeof acct, 1) & (b->slot_count - 1);

	while (b->slots[at] && b->ids[b->slots[at] - 1] != acct)
		at = (at + 1) & (b->slot_count - 1);
	return &b->slots[at];
}

static void
rehash(struct smtpd_boxes *b)
{
	b->slot_count = b->slot_count ? b->slot_count * 4 : FEW * 8;
	free(b->slots);
	b->slots = cv_calloc(b->slot_count, sizeof *b->slots);
	for (size_t i = 0; i < b->n; i++)
		*slot_of(b, b->ids[i]) = (uint32_t)(i + 1);
}

size_t
smtpd_boxes_add(struct smtpd_boxes *b, cv_acct_id acct)
{
	if (!b->slots) {
		for (size_t i = 0; i < b->n; i++)
			if (b->ids[i] == acct)
				return i;
	}
	if (b->n >= FEW && 2 * (b->n + 1) > b->slot_count)
		rehash(b);
	if (b->slots) {
		uint32_t *slot = slot_of(b, acct);
		if (*slot)
			return *slot - 1;
		*slot = (uint32_t)(b->n + 1);
	}
	if (b->n == b->room) {
		b->room = b->room ? b->room * 2 : 4;
		b->ids = cv_realloc(b->ids, b->room * sizeof *b->ids);
	}
	b->ids[b->n] = acct;
	return b->n++;
}

size_t
smtpd_boxes_find(const struct smtpd_boxes *b, cv_acct_id acct)
{
	if (b->slots) {
		const uint32_t *slot = slot_of(b, acct);
		return *slot ? *slot - 1 : SIZE_MAX;
	}
	for (size_t i = 0; i < b->n; i++)
		if (b->ids[i] == acct)
			return i;
	return SIZE_MAX;
}

void
smtpd_boxes_cut(struct smtpd_boxes *b, size_t n)
{
	while (b->n > n) {
		if (b->slots)
			*slot_of(b, b->ids[b->n - 1]) = 0;
		b->n--;
	}
}

void
smtpd_boxes_done(struct smtpd_boxes *b)
{
	free(b->ids);
	free(b->slots);
	*b = (struct smtpd_boxes){0};
}
