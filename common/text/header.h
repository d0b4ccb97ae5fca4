/* header.h - the header block of a message: walking, finding, unfolding, parameters, writing.
 *
 * The scanner goes over the bytes once and never copies; fields are slices. Line endings are CRLF
 * or a lone LF; a lone CR is an ordinary byte. Pure functions, no I/O, thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_HEADER_H
#define CV_HEADER_H

#include "common/base/arena.h"
#include "common/base/buf.h"

#define CV_HEADER_BYTES_MAX (1u << 20)
#define CV_HEADER_FIELDS_MAX 10000
#define CV_PARAMS_MAX 256             /* parameters of one field, continuations counted singly */
#define CV_PARAM_BYTES_MAX (64u << 10) /* octets of a field whose parameters are read */
#define CV_MSGID_ASIDE_MAX 200
#define CV_FOLD_COLUMNS 78            /* where lines are folded (RFC 5322 2.1.1) */
#define CV_LINE_OCTETS_MAX 998

struct cv_field {
	struct cv_str name;  /* without blanks before the colon */
	struct cv_str value; /* all behind the colon, folding kept, without the last line ending */
	size_t start, end;   /* offsets in the scanned text; END is behind the last line ending */
	bool is_odd;         /* the name is empty or has bytes that RFC 5322 does not allow, or a
	                      * blank before the colon */
};

enum cv_header_end {
	CV_HEADER_MORE = 0,    /* not at the end yet */
	CV_HEADER_BLANK_LINE,  /* the empty line; body_at is behind it */
	CV_HEADER_NO_BODY,     /* the text ended without an empty line */
	CV_HEADER_BAD_LINE,    /* a line without a colon: body_at is its start */
	CV_HEADER_TOO_LARGE,   /* over CV_HEADER_BYTES_MAX or _FIELDS_MAX: body_at is where it
			        * stopped */
};

struct cv_header_scan {
	struct cv_str text;
	size_t pos;
	size_t fields;
	size_t body_at;         /* valid once `end` is set */
	enum cv_header_end end;
	bool had_mbox_line;     /* a first line "From ..." was skipped */
	bool had_lone_lf;       /* some line of the header ended in LF without CR */
};

/* TEXT starts with a header: a message, or a part's header. */
void cv_header_scan_init(struct cv_header_scan *scan, struct cv_str text);
/* The next field; false at the end, whose kind is in scan->end. */
CV_MUST_CHECK bool cv_header_next(struct cv_header_scan *scan, struct cv_field *out);

/* The field NAME (any case) number NTH, from 0; false when there is none. */
bool cv_header_find(struct cv_str text, const char *name, size_t nth, struct cv_field *out);
size_t cv_header_count(struct cv_str text, const char *name);
/* Where the body starts: text.n when there is none. */
size_t cv_header_body_at(struct cv_str text);

/* Appends VALUE without line endings and without blanks at both ends; the blank that a folded
 * line starts with stays. NUL and lone CR bytes become blanks. */
void cv_header_unfold(struct cv_str value, struct cv_buf *out);

/* Takes the next <id> off *REST (raw value of Message-ID, In-Reply-To, References): the slice
 * between the brackets. Comments and quoted phrases of up to CV_MSGID_ASIDE_MAX octets and ids with
 * blanks inside are passed over; false when none is left. */
bool cv_msgid_next(struct cv_str *rest, struct cv_str *id_out);

/* A value with parameters: Content-Type, Content-Disposition, Authentication-Results' kin. */
struct cv_param {
	struct cv_str name;     /* as written; after cv_params_join() without "*", "*0", ... */
	struct cv_str value;    /* unquoted */
	struct cv_str charset;  /* after join: of RFC 2231, empty if none was given */
	struct cv_str language; /* likewise */
	bool is_extended;       /* after join: percent-decoded, so CHARSET applies */
};

struct cv_params {
	struct cv_str value; /* up to the first ";", comments and blanks dropped: "text/plain" */
	struct cv_param *items;
	size_t n;
	bool is_broken;      /* something was skipped, guessed at, or over a limit */
};

/* Reads VALUE (raw) forgivingly; never fails. Parameters stay as they came, for BODYSTRUCTURE. */
void cv_params_parse(struct cv_arena *arena, struct cv_str value, struct cv_params *out);
/* RFC 2231: puts continuations together and undoes percent encoding; what was plain stays plain.
 * Of several parameters of one name the extended one wins, then the first. */
void cv_params_join(struct cv_arena *arena, const struct cv_params *in, struct cv_params *out);
/* The parameter NAME (any case), or NULL. */
const struct cv_param *cv_params_find(const struct cv_params *params, const char *name);
/* Splits "type/subtype"; false, with both empty, when it is not of that form. */
bool cv_params_media(const struct cv_params *params, struct cv_str *type_out,
                     struct cv_str *subtype_out);
/* Appends the value of a joined parameter as UTF-8: by its charset, or, as many programs wrongly
 * write file names, by decoding RFC 2047 words. */
void cv_param_text(const struct cv_param *param, struct cv_buf *out);

/* Writing. CR, LF and NUL in values become blanks, so no value can start a field of its own. */

/* Appends "NAME: VALUE" CRLF: UTF-8 free text (Subject, Comments), words that need it encoded by
 * RFC 2047, folded at CV_FOLD_COLUMNS. */
void cv_header_fold(struct cv_buf *out, const char *name, struct cv_str value);
/* The same for structured fields whose value is already in its final spelling: only folds, at
 * blanks. */
void cv_header_fold_tokens(struct cv_buf *out, const char *name, struct cv_str value);
/* Appends "; NAME=VALUE" for a Content-* field: a token, a quoted string, or RFC 2231 in UTF-8
 * with continuations. */
void cv_param_write(struct cv_buf *out, const char *name, struct cv_str value);

#endif
