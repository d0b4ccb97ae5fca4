/* summary.h - what is worked out once, when a message arrives, and stored beside it.
 *
 * FETCH of ENVELOPE, BODY, BODYSTRUCTURE, PREVIEW and header fields in common use, SORT, THREAD and
 * the places of sections are answered from here; the body stays closed. A summary can always be
 * built again from the body. Pure; thread-safe on different summaries.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SUMMARY_H
#define CV_SUMMARY_H

#include "common/text/mime.h"

#define CV_SUMMARY_VERSION      1            /* first byte; goes up with the form or the field
					      * list */
#define CV_SUMMARY_MAX          (64u << 10)  /* bytes of a stored summary */
#define CV_SUMMARY_STRUCTURE_MAX (16u << 20) /* bytes of one that is not stored */
#define CV_SUMMARY_HEADERS_MAX  (16u << 10)  /* bytes of cached raw fields */
#define CV_SUMMARY_KEY_MAX      1000         /* bytes of one sort key */
#define CV_SUMMARY_SUBJECT_MAX  2000
#define CV_SUMMARY_REFS_MAX     (8u << 10)   /* bytes of references; the oldest are dropped */
#define CV_SUMMARY_PREVIEW_CHARS 200         /* RFC 8970 */

/* Bits of `missing`: did not fit into CV_SUMMARY_MAX; read the body instead. */
#define CV_SUMMARY_ENVELOPE      (1u << 0)
#define CV_SUMMARY_BODY          (1u << 1)
#define CV_SUMMARY_BODYSTRUCTURE (1u << 2)
#define CV_SUMMARY_PARTS         (1u << 3)
#define CV_SUMMARY_HEADERS       (1u << 4)

/* Bits of `flags`. */
#define CV_SUMMARY_LIMITED        (1u << 0) /* a limit of mime.h was passed */
#define CV_SUMMARY_IS_REPLY       (1u << 1) /* the subject has Re:, Fwd: or (fwd) (RFC 5256, 2.1) */
#define CV_SUMMARY_HAS_ATTACHMENT (1u << 2) /* a part is an attachment or has a file name */
#define CV_SUMMARY_HAS_SENT       (1u << 3) /* sent_secs holds the Date field */
#define CV_SUMMARY_HAS_NUL        (1u << 4)
#define CV_SUMMARY_8BIT_HEADER    (1u << 5)

struct cv_summary {
	uint32_t missing;
	uint32_t flags;
	uint64_t size_bytes;   /* of the message */
	uint64_t header_bytes; /* of its header, with the empty line */
	uint32_t part_count;
	int64_t sent_secs;     /* Unix time; 0 without CV_SUMMARY_HAS_SENT */
	int32_t sent_zone_mins;
	struct cv_str envelope;      /* "(...)" */
	struct cv_str body;          /* "(...)" for FETCH BODY */
	struct cv_str bodystructure; /* "(...)" */
	struct cv_str places;        /* for cv_summary_places() */
	struct cv_str headers;       /* raw common fields, in the message's order, line ends
				      * included */
	struct cv_str message_id;    /* "<...>", empty when absent or broken */
	struct cv_str in_reply_to;   /* the first "<...>" */
	struct cv_str references;    /* "<...> <...>", oldest first; from In-Reply-To when absent */
	struct cv_str base_subject;  /* RFC 5256 2.1, in UTF-8 */
	struct cv_str sort_subject;  /* cv_vi_sort_key() of it; equal keys are one THREAD subject */
	struct cv_str sort_from;     /* first mailbox (the part before @), A-Z made small: SORT
				      * FROM */
	struct cv_str sort_to;
	struct cv_str sort_cc;
	struct cv_str sort_display_from; /* cv_vi_sort_key() of name or address (RFC 5957) */
	struct cv_str sort_display_to;
	struct cv_str preview;       /* UTF-8, one line, at most CV_SUMMARY_PREVIEW_CHARS; may be
				      * empty */
};

struct cv_summary_scan; /* a summary under way */

/* Bytes of the message as they come. finish() fills *summary_out with slices in ARENA and ends the
 * scan; when TREE_OUT is not NULL it gets the tree, in ARENA too. */
struct cv_summary_scan *cv_summary_begin(struct cv_arena *arena);
void cv_summary_feed(struct cv_summary_scan *s, struct cv_str bytes);
void cv_summary_finish(struct cv_summary_scan *s, struct cv_summary *summary_out,
                       const struct cv_mime_tree **tree_out);
void cv_summary_abandon(struct cv_summary_scan *s);

/* Puts into SUMMARY what is missing in it and named by WANTED (bits of `missing`, cached fields
 * excepted), from the TREE of the same message; in ARENA. A structure beyond
 * CV_SUMMARY_STRUCTURE_MAX is told as one opaque part. */
void cv_summary_complete(struct cv_arena *arena, const struct cv_mime_tree *tree, uint32_t wanted,
                         struct cv_summary *summary);

/* The three above for a message in memory. Never fails. */
void cv_summary_build(struct cv_arena *arena, struct cv_str message,
                      struct cv_summary *summary_out);

/* Appends the stored form, at most CV_SUMMARY_MAX bytes: where it would be more, the bulkiest of
 * headers, bodystructure, body, places, envelope are left out in that order and marked missing. */
void cv_summary_encode(const struct cv_summary *summary, struct cv_buf *out);

/* Fills *summary_out with slices into STORED. CV_OK; CV_CORRUPT when damaged or of a version this
 * build does not know: build it again. */
CV_MUST_CHECK enum cv_status cv_summary_decode(struct cv_str stored,
                                               struct cv_summary *summary_out);

/* For cv_mime_section() and walks. Do not use with CV_SUMMARY_PARTS missing. */
struct cv_mime_places cv_summary_places(const struct cv_summary *summary);

/* The answer to BODY[HEADER.FIELDS (NAMES)]: appends those fields raw, in the message's order, and
 * an empty line. CV_OK; CV_NOT_FOUND when a name is not among the cached ones or the cache is
 * missing: read the header instead (nothing was appended then); CV_LIMIT. */
CV_MUST_CHECK enum cv_status cv_summary_fields(const struct cv_summary *summary,
                                               const struct cv_str *names, size_t count,
                                               struct cv_buf *out);
/* Whether cv_summary_fields() could answer for NAME (any case). */
bool cv_summary_has_field(struct cv_str name);

/* The same answer from a whole HEADER block: the fields named, or with EXCEPT all but those. */
void cv_header_pick(struct cv_str header, const struct cv_str *names, size_t count, bool except,
                    struct cv_buf *out);

/* Base subject of SUBJECT (decoded, UTF-8) by RFC 5256 2.1, appended to OUT; *is_reply_out tells
 * whether something was taken off that says reply or forward. Vietnamese "TL:", "Trả lời:" and
 * "Chuyển tiếp:" count, too. At most CV_SUMMARY_SUBJECT_MAX bytes of it are looked at. */
void cv_base_subject(struct cv_str subject, struct cv_buf *out, bool *is_reply_out);

#endif
