/* mime.h - where the parts of a message are, and what each says it is.
 *
 * An iterative, incremental scanner: bytes go in as they come, in pieces of any size, and a flat
 * array of parts in preorder comes out. It never fails, however hostile the input: what passes a
 * limit becomes an opaque leaf and `limited` is set. Delimiters are found as RFC 2046 says (the
 * line end before a delimiter belongs to it); lines may end in CRLF or LF. Pure; one scanner
 * belongs to one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_MIME_H
#define CV_MIME_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/text/header.h"

#define CV_MIME_DEPTH_MAX    100         /* multiparts and messages inside each other */
#define CV_MIME_PARTS_MAX    10000       /* parts of one message */
#define CV_MIME_HEADER_MAX   CV_HEADER_BYTES_MAX /* a field that passes it is taken for body */
#define CV_MIME_VALUE_MAX    (16u << 10) /* bytes of one field kept for the structure */
#define CV_MIME_ENVELOPES_MAX (16u << 20) /* bytes of all envelopes; inner ones behind it are
					   * empty */
#define CV_MIME_BOUNDARY_MAX 250         /* RFC 2046 says 70; some senders do not know */
#define CV_MIME_PATH_MAX     (CV_MIME_DEPTH_MAX + 1) /* numbers in a section such as 1.2.3: a
						     * message that is no multipart is its part 1 */
#define CV_MIME_NONE         UINT32_MAX  /* no such part */

enum cv_mime_kind {
	CV_MIME_LEAF,      /* nothing below it */
	CV_MIME_TEXT,      /* a leaf of type text: `lines` counts */
	CV_MIME_MULTIPART, /* has at least one child */
	CV_MIME_MESSAGE    /* message/rfc822 or message/global: exactly one child, the inner
			    * message */
};

enum cv_mime_encoding {
	CV_MIME_7BIT,
	CV_MIME_8BIT,
	CV_MIME_BINARY,
	CV_MIME_QP,
	CV_MIME_BASE64,
	CV_MIME_UUENCODE,
	CV_MIME_OTHER /* an encoding nobody knows: do not decode */
};

/* Where a part is: enough for section look-ups, small enough to store (see summary.h). */
struct cv_mime_place {
	uint32_t depth; /* 0 is the message itself; a child is one deeper than its parent */
	enum cv_mime_kind kind;
	enum cv_mime_encoding encoding;
	uint64_t header_offset, header_bytes; /* with the empty line, when there is one */
	uint64_t body_offset, body_bytes;     /* body_offset = header_offset + header_bytes */
	uint64_t lines;                       /* line ends in the body */
	struct cv_str type, subtype;          /* lower case, never empty */
	struct cv_str charset;                /* as sent; empty when not given */
};

/* Texts are in the arena, unfolded; n is 0 (p NULL) when the field is absent. Parameters are as
 * cv_params_parse() reads them, because IMAP hands them out as they came; cv_mime_param() puts
 * RFC 2231 pieces together. */
struct cv_mime_part {
	struct cv_mime_place at;
	uint32_t parent;       /* index, CV_MIME_NONE for the message itself */
	uint32_t first_child;  /* index, CV_MIME_NONE when there is none */
	uint32_t next_sibling; /* index, CV_MIME_NONE when there is none */
	uint32_t child_count;
	bool limited;          /* passed a limit; shown as an opaque leaf */
	bool broken;           /* a multipart without a boundary or without parts, shown as text */
	bool has_type;         /* a Content-Type field was there and could be read */
	struct cv_params params;             /* of Content-Type */
	struct cv_str disposition;           /* "attachment", "inline", ... lower case */
	struct cv_params disposition_params; /* of Content-Disposition */
	struct cv_str encoding_name; /* lower case, as sent; empty means 7bit */
	struct cv_str id, description, md5, location;
	const struct cv_str *languages;
	uint32_t language_count;
	struct cv_str envelope; /* of a whole message (index 0, child of a MESSAGE): ready IMAP
	                         * string; empty when limits left no room: cv_bodystructure_format()
	                         * knows */
};

struct cv_mime_tree {
	struct cv_mime_part *parts; /* parts[0] is the message; preorder */
	uint32_t count;             /* at least 1 */
	bool limited;               /* some limit was passed somewhere */
	bool has_nul;               /* a NUL byte occurs in the message */
	bool has_8bit_header;       /* a byte above 127 occurs in a header block */
	uint64_t size_bytes;
};

struct cv_mime_scan; /* a scan under way */

/* Called with bytes of the body of part INDEX, in order, line ends included (a line end that turns
 * out to belong to a delimiter is not). PART may be read but for lengths and children. */
typedef void cv_mime_body_fn(void *ctx, uint32_t index, const struct cv_mime_part *part,
                             struct cv_str bytes);

/* Starts a scan whose result lives in ARENA. cv_mime_finish() or cv_mime_abandon() must follow. */
struct cv_mime_scan *cv_mime_begin(struct cv_arena *arena);
/* Has BODY called with the bytes of leaves, from now on. BODY may stop that by calling this again
 * with NULL. */
void cv_mime_watch(struct cv_mime_scan *m, cv_mime_body_fn *body, void *ctx);
/* Called once for each part, in preorder, when its header BLOCK was read; bodies come later. */
typedef void cv_mime_header_fn(void *ctx, uint32_t index, const struct cv_mime_part *part,
                               struct cv_str block);
void cv_mime_watch_headers(struct cv_mime_scan *m, cv_mime_header_fn *header, void *ctx);
/* Only what parts hold is wanted: the message's own envelope (part 0) stays empty, lines and NULs
 * are not counted. */
void cv_mime_only_parts(struct cv_mime_scan *m);
void cv_mime_feed(struct cv_mime_scan *m, struct cv_str bytes);
/* Passes over the next N bytes of the leaf that is open, of which they must not be the last line:
 * nobody is given them, and lines and NULs are not counted. False, and nothing done, where the scan
 * does not stand inside a leaf. */
bool cv_mime_skip(struct cv_mime_scan *m, uint64_t n);
/* The end of the message. The tree is valid until the arena is reset; M is gone. */
const struct cv_mime_tree *cv_mime_finish(struct cv_mime_scan *m);
void cv_mime_abandon(struct cv_mime_scan *m);

/* begin, feed, finish of a message in memory. */
const struct cv_mime_tree *cv_mime_scan(struct cv_arena *arena, struct cv_str message);

/* The value of parameter NAME in UTF-8: RFC 2231 pieces put together and decoded, else the plain
 * value with encoded words decoded (senders do that, though RFC 2047 forbids it). Empty when
 * absent. In ARENA. */
struct cv_str cv_mime_param(struct cv_arena *arena, const struct cv_params *params,
                            const char *name);
/* The file name of a part by its disposition or its type, in UTF-8; empty when it has none. */
struct cv_str cv_mime_filename(struct cv_arena *arena, const struct cv_mime_part *part);

enum cv_mime_encoding cv_mime_encoding_of(struct cv_str name);

/* A walk over places, in preorder, of a tree or of a stored table (cv_summary_places()). */
struct cv_mime_places {
	const struct cv_mime_part *parts;
	struct cv_rd table;
	uint32_t left;
	uint64_t next_offset;
};

struct cv_mime_places cv_mime_tree_places(const struct cv_mime_tree *tree);
/* False at the end, and when a stored table is damaged (then table.bad is set). */
bool cv_mime_places_next(struct cv_mime_places *places, struct cv_mime_place *place_out);
/* The stored form: all places of TREE appended to OUT, compact. */
void cv_mime_places_encode(const struct cv_mime_tree *tree, struct cv_buf *out);
struct cv_mime_places cv_mime_places_decode(struct cv_str stored);

enum cv_mime_what {
	CV_MIME_WHOLE,  /* "", or "1.2": the body of a part; of the message: header and body */
	CV_MIME_HEADER, /* HEADER: the header of the (inner) message */
	CV_MIME_BODY,   /* TEXT: the body of the (inner) message */
	CV_MIME_MIME    /* MIME: the header of the part itself */
};

struct cv_mime_section {
	uint32_t index;              /* of the part in preorder */
	enum cv_mime_what what;
	struct cv_mime_place place;  /* of that part */
	uint64_t offset, bytes;      /* in the message */
};

/* Finds section PATH ("", "HEADER", "TEXT", "1", "1.2.MIME", "2.HEADER", "2.TEXT"; any case) by the
 * rules of RFC 3501 6.4.5: part 1 of a message that is no multipart is its body, numbers below a
 * message/rfc822 part count the parts of the inner message, HEADER and TEXT below a part need a
 * message/rfc822 part. CV_OK; CV_NOT_FOUND when the message has no such section (IMAP answers an
 * empty string or NIL); CV_INVALID when PATH breaks the grammar. "HEADER.FIELDS" is the caller's:
 * ask for HEADER. */
CV_MUST_CHECK enum cv_status cv_mime_section(struct cv_mime_places places, struct cv_str path,
                                             struct cv_mime_section *section_out);

#endif
