/* docs.h - facts of the register that few things have: each a JSON object under a letter and two
 * numbers, in memory and (registry_impl.h) in a row of its own. Private to the folder.
 *
 *   B number, 0         a break-glass (registry_breakglass.c)
 *   F account, 0        its second factor (registry_second.c)
 *   H account, 0        its passwords before (registry_password.c)
 *   I number, 0         an incident of security (registry_incident.c)
 *   Y number, 0         an act to be done at a moment (registry_dated.c)
 *   E number, 0         a request for an account (registry_request.c)
 *   X number, item      an access review and what it asks (registry_review.c)
 *   Z account, 0        further facts of an account: {"leave": {...}, "dormant": {...}, ...}
 *
 * One thread at a time, as the model that holds them. A document is never changed in place: put a
 * changed copy, so that a refusal half way leaves the one that was.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_REGISTER_DOCS_H
#define CV_REGISTER_DOCS_H

#include <jansson.h>

#include "common/base/err.h"
#include "common/base/map.h"

struct reg_doc {
	char kind;
	uint64_t a, b;
	json_t *body;
};
struct reg_docs {
	struct cv_map map;
	uint64_t last[26]; /* the highest A ever seen of each letter */
};

void reg_docs_init(struct reg_docs *docs);
void reg_docs_done(struct reg_docs *docs);
/* NULL when there is none; borrowed until it is put again. */
const json_t *reg_doc_get(const struct reg_docs *docs, char kind, uint64_t a, uint64_t b);
/* Takes BODY over; NULL takes the document out. */
void reg_doc_put(struct reg_docs *docs, char kind, uint64_t a, uint64_t b, json_t *body);
/* All of KIND, ascending by A and B: how many. The list is the caller's to free, the documents are
 * not. */
size_t reg_docs_list(const struct reg_docs *docs, char kind, const struct reg_doc ***out);

/* The secret of ACCT's second factor; false when it has none in use (registry_second.c). */
bool reg_second_secret(const struct reg_docs *docs, uint64_t acct, uint8_t out[20]);
/* The text KEY of a body, "" when there is none; the number, 0; whether its "state" is STATE. */
const char *reg_doc_text(const json_t *body, const char *key);
json_int_t reg_doc_number(const json_t *body, const char *key);
bool reg_doc_is(const json_t *body, const char *state);

#endif
