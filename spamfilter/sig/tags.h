/* tags.h - lists of tags "name=value; name=value" (RFC 6376, section 3.2). Pure. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SIG_TAGS_H
#define SPAM_SIG_TAGS_H

#include "common/base/arena.h"

#define SIG_TAGS_MAX 40

struct sig_tag {
	struct cv_str name, value; /* without blanks around; folds inside stay */
	size_t from, to;           /* what stands between "=" and ";" or the end, as offsets */
};

struct sig_tags {
	struct sig_tag tag[SIG_TAGS_MAX];
	size_t count;
};

/* Slices point into TEXT. False when TEXT is no such list, names a tag twice or too many. */
bool sig_tags_parse(struct cv_str text, struct sig_tags *out);
/* The tag NAME (exact case), or NULL. */
const struct sig_tag *sig_tag_find(const struct sig_tags *tags, const char *name);
/* Its value, or FALLBACK when there is none. */
struct cv_str sig_tag_value(const struct sig_tags *tags, const char *name, struct cv_str fallback);

/* S without blanks and folds, in ARENA. */
struct cv_str sig_without_blanks(struct cv_arena *arena, struct cv_str s);
/* Base64 without regard to blanks in it, into ARENA; p NULL when it is none or empty. */
struct cv_str sig_base64(struct cv_arena *arena, struct cv_str s);
/* Whether LIST, parts between ":" with blanks around them, has PART (any case). */
bool sig_list_has(struct cv_str list, const char *part);

#endif
