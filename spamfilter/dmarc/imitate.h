/* imitate.h - the names of the province's leaders, ready to be found in the names of strangers
 * (POL-06).
 *
 * They come from the register: persons of `leader_rank` or before it. Made once for each state of
 * the register and each rank asked for. Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_DMARC_IMITATE_H
#define SPAM_DMARC_IMITATE_H

#include "common/register/register.h"

#define SPAM_LEADERS_MAX 2000u

struct spam_leaders_cache;

struct spam_leaders_cache *spam_leaders_cache_new(void);
void spam_leaders_cache_free(struct spam_leaders_cache *c);

enum spam_leader_match {
	SPAM_LEADER_NONE,
	SPAM_LEADER_NAME, /* the name alone */
	SPAM_LEADER_TITLE /* and a word of office beside it */
};
/* Whether NAME (UTF-8, as it is shown) is, or has, a leader's name: in any order of its parts,
 * without diacritics, in letters that look alike. */
enum spam_leader_match spam_leader_find(struct spam_leaders_cache *c,
	const struct cv_snapshot *snap, uint32_t rank_max, struct cv_str name);

#endif
