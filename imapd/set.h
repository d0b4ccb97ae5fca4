/* set.h - sequence sets, and lists of numbers written as sets.
 *
 * A set is what the peer wrote; resolved against a view it becomes ranges of message sequence
 * numbers, ascending and apart from one another, which is what every command works on. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SET_H
#define IMAPD_SET_H

#include "common/store/mailbox.h"
#include "imapd/parse.h"

#define IMAPD_SET_MAX  20000      /* elements of a set */
#define IMAPD_SET_STAR UINT32_MAX /* "*"; a UID of that value is never given out */

struct imapd_range {
	uint32_t from, to; /* both in it, from <= to */
};

struct imapd_set {
	struct imapd_range *ranges; /* as written, but for from <= to where both are numbers */
	uint32_t count;
	bool is_saved; /* "$": the UIDs that imapd_set_bind() gives (RFC 5182) */
};

/* "PARTIAL 1:100" or "PARTIAL -1:-100" (RFC 9394): places in a result, from its end or start. */
struct imapd_partial {
	bool is_given, from_end;
	uint32_t first, last; /* first <= last */
};
bool imapd_parse_partial(struct imapd_parse *p, struct imapd_partial *out);
/* The part of COUNT things that PARTIAL names: [*from_out, *to_out). */
void imapd_partial_cut(
	const struct imapd_partial *partial, size_t count, size_t *from_out, size_t *to_out);

bool imapd_parse_set(struct imapd_parse *p, struct imapd_set *out);

/* Puts the saved UIDs, ascending, into SET where it is "$". */
void imapd_set_bind(struct imapd_set *set, const uint32_t *saved, uint32_t count,
	struct cv_arena *arena);

/* Sorted and merged ranges with "*" put as MAX. */
void imapd_set_resolve(const struct imapd_set *set, uint32_t max, struct cv_arena *arena,
	struct imapd_range **out, uint32_t *count_out);
bool imapd_ranges_have(const struct imapd_range *ranges, uint32_t count, uint32_t value);

/* Whether SET, of message numbers, names one above EXISTS; "*" of nothing is one (RFC 3501 9,
 * seq-number). */
bool imapd_set_is_beyond(const struct imapd_set *set, uint32_t exists);

/* Sequence numbers in VIEW that SET names, as UIDs or as sequence numbers. What does not exist is
 * left out. */
void imapd_set_seqs(const struct imapd_set *set, bool is_uid, const struct cv_view *view,
	struct cv_arena *arena, struct imapd_range **out, uint32_t *count_out);
/* Leaves of RANGES what PARTIAL names; how many ranges that are. */
uint32_t imapd_ranges_cut(
	struct imapd_range *ranges, uint32_t count, const struct imapd_partial *partial);
uint32_t imapd_ranges_total(const struct imapd_range *ranges, uint32_t count);
/* The UIDs of the messages numbered by RANGES. */
uint32_t *imapd_seqs_uids(const struct imapd_range *ranges, uint32_t count,
	const struct cv_view *view, struct cv_arena *arena, uint32_t *total_out);

/* For qsort() of numbers. */
int imapd_by_number(const void *a, const void *b);

/* Appends VALUES as a set: "1:3,7". Runs are joined only where each value is one more than the one
 * before. */
void imapd_set_write(struct cv_buf *out, const uint32_t *values, size_t count);

#endif
