/* search.h - SEARCH: what was asked, as a program over one message, and how a message is judged.
 *
 * Keys are a flat array of nodes; a node's subtree ends at `end`, so walking needs no recursion
 * deeper than the query's own nesting, which is limited. Text is folded (common/text/fold.h), so
 * "hop giao ban" finds "Hop giao ban" in any case, accent and encoding. Where diacritics are to
 * count (search_exact) folding only rules out; what it leaves is compared again with them. Judging
 * goes from cheap to dear: flags, then stored facts, then header, then body.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include "common/text/summary.h"
#include "imapd/columns.h"
#include "imapd/fuzzy.h"
#include "imapd/parse.h"
#include "imapd/set.h"

#define IMAPD_SEARCH_NODES_MAX  2000
#define IMAPD_SEARCH_DEPTH_MAX  30
#define IMAPD_SEARCH_NEEDLE_MAX 4000 /* bytes of one folded text */

enum imapd_key {
	IMAPD_KEY_AND, /* of children; ALL is an AND of none */
	IMAPD_KEY_OR,  /* two children */
	IMAPD_KEY_NOT, /* one child */
	IMAPD_KEY_SEQS,
	IMAPD_KEY_UIDS,
	IMAPD_KEY_FLAG,
	IMAPD_KEY_KEYWORD,
	IMAPD_KEY_RECENT,
	IMAPD_KEY_MODSEQ,
	IMAPD_KEY_LARGER,
	IMAPD_KEY_SMALLER,
	IMAPD_KEY_BEFORE,
	IMAPD_KEY_ON,
	IMAPD_KEY_SINCE, /* by INTERNALDATE's day */
	IMAPD_KEY_OLDER,
	IMAPD_KEY_YOUNGER, /* WITHIN, by seconds */
	IMAPD_KEY_SENTBEFORE,
	IMAPD_KEY_SENTON,
	IMAPD_KEY_SENTSINCE, /* by Date's day */
	IMAPD_KEY_SAVEDBEFORE,
	IMAPD_KEY_SAVEDON,
	IMAPD_KEY_SAVEDSINCE, /* by the day it came into this mailbox (RFC 8514) */
	IMAPD_KEY_EMAILID,
	IMAPD_KEY_THREADID,  /* RFC 8474 */
	IMAPD_KEY_HEADER,    /* field `name` holds `needle`; an empty needle: the field is there */
	IMAPD_KEY_BODY,
	IMAPD_KEY_TEXT
};

/* What must be at hand to judge a key; bits, from cheap to dear. */
enum imapd_need {
	IMAPD_NEED_CORE = 1,    /* dates, size */
	IMAPD_NEED_SUMMARY = 2, /* common header fields, sent date */
	IMAPD_NEED_HEADER = 4,  /* the raw header */
	IMAPD_NEED_BODY = 8     /* what the body holds of the texts asked for */
};

struct imapd_search_node {
	enum imapd_key key;
	uint32_t end;               /* index behind the subtree */
	unsigned needs;             /* at least, of this node alone */
	uint32_t text;              /* BODY, TEXT: which of the search's texts */
	enum imapd_column column;   /* HEADER: where its field is kept; IMAPD_COLS: nowhere */
	struct imapd_set set;       /* SEQS, UIDS as written */
	struct imapd_range *ranges; /* resolved to message numbers by imapd_search_bind() */
	uint32_t range_count;
	uint32_t flag;
	struct cv_str name;   /* of a header field or keyword; EMAILID, THREADID: the id */
	struct cv_str needle; /* folded */
	struct cv_str exact;  /* the same with its diacritics; p NULL: they do not count */
	bool is_fuzzy;        /* inside FUZZY (RFC 6203) */
	const struct imapd_fuzzy *fuzzy; /* HEADER, BODY, TEXT inside FUZZY: the needle's words */
	uint64_t number;
	int64_t days; /* since 1970 */
};

enum imapd_search_return {
	IMAPD_RETURN_MIN = 1,
	IMAPD_RETURN_MAX = 2,
	IMAPD_RETURN_COUNT = 4,
	IMAPD_RETURN_ALL = 8,
	IMAPD_RETURN_SAVE = 16,
	IMAPD_RETURN_PARTIAL = 32,
	IMAPD_RETURN_RELEVANCY = 64,
	IMAPD_RETURN_CONTEXT = 128, /* RFC 5267 */
	IMAPD_RETURN_UPDATE = 256,
	/* without a word in the answer, or beside others */
	IMAPD_RETURNS_NOTHING = IMAPD_RETURN_RELEVANCY | IMAPD_RETURN_CONTEXT | IMAPD_RETURN_UPDATE
};

struct imapd_search {
	bool is_extended; /* RETURN (...) was given: answer ESEARCH */
	unsigned returns;
	struct imapd_partial partial;
	struct cv_str described; /* UPDATE (...): items for new messages (RFC 5465 7); or empty */
	struct cv_str program;   /* the keys as they were written, with their charset */
	bool is_utf8;            /* and how they were read */
	bool is_bad_charset;
	bool has_modseq;                 /* some key is MODSEQ: the answer tells the highest */
	bool has_fuzzy;                  /* some key is FUZZY: messages have a relevancy */
	unsigned needs;                  /* of all nodes together */
	struct imapd_search_node *nodes; /* nodes[0] is an AND of all */
	uint32_t count;
	struct cv_str *texts; /* folded needles of BODY and TEXT */
	struct cv_str *exacts; /* the same with their diacritics; p NULL: as the node's */
	bool is_exact;         /* one of them is */
	const struct imapd_fuzzy **fuzzies; /* their words, or NULL where the text is exact */
	uint32_t text_count;
};

/* Everything behind "SEARCH ". */
bool imapd_parse_search(struct imapd_parse *p, struct imapd_search **out);
/* "RETURN (...) ", if it is there (RFC 4731, 5267). */
bool imapd_parse_returns(struct imapd_parse *p, struct imapd_search *search);
/* "UTF-8 keys": the end of SORT and THREAD (RFC 5256). SEARCH may hold returns already. */
bool imapd_parse_charset_search(struct imapd_parse *p, struct imapd_search *search);

/* Resolves message sets for VIEW; SAVED are the UIDs that "$" stands for. */
void imapd_search_bind(struct imapd_search *search, const struct cv_view *view,
	const uint32_t *saved, uint32_t saved_count, struct cv_arena *arena);

/* Puts UIDs in place of message numbers and of "$", as they are in VIEW, so that the search means
 * the same messages later. */
void imapd_search_settle(struct imapd_search *search, const struct cv_view *view,
	const uint32_t *saved, uint32_t saved_count, struct cv_arena *arena);

/* One message before the judge. `has` says which of the rest is filled in. */
struct imapd_candidate {
	uint32_t seq;
	const struct cv_entry *entry;
	const struct cv_keywords *keywords;
	bool is_recent;
	int64_t now_secs;
	unsigned has;                     /* IMAPD_NEED_* */
	const struct imapd_facts *facts;  /* from the columns, or NULL: good for CORE, dates and
					   * some header fields */
	const struct imapd_block *block;
	const struct cv_msg *msg;         /* CORE */
	const struct cv_summary *summary; /* SUMMARY */
	struct cv_str header;             /* HEADER */
	const bool *in_header, *in_body;  /* BODY: for each text, whether it was found there */
	const bool *absent;               /* for each text: it is nowhere in the message; or NULL */
	/* BODY: for each text inside FUZZY its score there; NULL: no text is */
	const uint8_t *header_scores, *body_scores;
	struct imapd_relevancy *relevancy; /* filled in by a judge that says YES; or NULL */
};

/* How well the keys inside FUZZY were met: their mean. */
struct imapd_relevancy {
	unsigned sum, count;
};
/* 1..100 (RFC 6203 4); what has no fuzzy key that was looked at is met fully. */
static inline uint8_t
imapd_relevancy_score(const struct imapd_relevancy *r)
{
	return (uint8_t)(r->count ? r->sum / r->count : 100);
}
enum imapd_verdict { IMAPD_NO, IMAPD_YES, IMAPD_MAYBE }; /* MAYBE: fill in more and ask again */

enum imapd_verdict imapd_search_judge(
	const struct imapd_search *search, const struct imapd_candidate *candidate);

/* Looks for the texts of a search in a message that is fed in order. Window by window: transfer
 * encoding and charset undone, folded, compared; memory does not grow with the message. */
struct imapd_finder;
struct imapd_finder *imapd_finder_new(const struct imapd_search *search);
/* Looks for nothing, and gives SIGNER (signature.h) all that a search would be compared with. */
struct imapd_signer;
struct imapd_finder *imapd_finder_new_signing(struct imapd_signer *signer);
void imapd_finder_free(struct imapd_finder *f);
/* A new message begins. */
void imapd_finder_reset(struct imapd_finder *f);
void imapd_finder_feed(struct imapd_finder *f, struct cv_str bytes);
/* Passes over N bytes inside the body at offset BODY_AT of the message, when they would not be
 * searched; else false, and they must be fed. */
bool imapd_finder_skip(struct imapd_finder *f, uint64_t body_at, uint64_t n);
/* Whether documents were fed, whose texts are kept apart (texts.h). */
bool imapd_finder_has_documents(const struct imapd_finder *f);
/* Before the end: TEXTS of the message's documents, cv_buf_bytes() of each, belong to its body. */
void imapd_finder_texts(struct imapd_finder *f, struct cv_str texts);
void imapd_finder_finish(struct imapd_finder *f);
struct cv_str imapd_finder_header(const struct imapd_finder *f); /* raw */
const bool *imapd_finder_in_header(const struct imapd_finder *f);
const bool *imapd_finder_in_body(const struct imapd_finder *f);
/* For each text inside FUZZY, 0..100; NULL when there is none. */
const uint8_t *imapd_finder_header_scores(const struct imapd_finder *f);
const uint8_t *imapd_finder_body_scores(const struct imapd_finder *f);

#endif
