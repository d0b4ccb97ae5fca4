/* url.h - addresses on the web as people and tricksters write them, in one canonical form.
 *
 * Pure but for the list of public suffixes and the data files, read once by spam_url_prepare();
 * thread-safe after that.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_URL_H
#define SPAM_URL_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define SPAM_URLS_MAX     500  /* different ones of one message */
#define SPAM_URL_READ_MAX 8192 /* octets of one that are looked at */
#define SPAM_URL_MAX      2048 /* octets of the canonical form; longer is cut */
#define SPAM_HOST_MAX     253

enum spam_url_source {
	SPAM_URL_TEXT,   /* written in a text */
	SPAM_URL_LINK,   /* href */
	SPAM_URL_FORM,   /* action, formaction */
	SPAM_URL_IMAGE,  /* src of a picture, background, CSS url() */
	SPAM_URL_FRAME,  /* iframe, frame, object, embed, script, refresh, base */
	SPAM_URL_FILE,   /* found in a PDF or an office document */
	SPAM_URL_HEADER, /* in the subject */
	SPAM_URL_QR,     /* in a QR code of a picture */
	SPAM_URL_INNER,  /* a parameter or the path of another one: where that sends on to */
};

enum spam_url_flag {
	SPAM_URL_USERINFO  = 1u << 0,  /* user@ before the host */
	SPAM_URL_IP        = 1u << 1,  /* the host is an IP address */
	SPAM_URL_IP_ODD    = 1u << 2,  /* written in hex, octal, as one number or with few parts */
	SPAM_URL_PUNYCODE  = 1u << 3,  /* a label that is not ASCII, xn-- or written out */
	SPAM_URL_MIXED     = 1u << 4,  /* a label with letters of several scripts */
	SPAM_URL_ENCODED   = 1u << 5,  /* %xx in the host, or where no need is: %61 */
	SPAM_URL_DEFANGED  = 1u << 6,  /* hxxp, [.], (dot) */
	SPAM_URL_PORT      = 1u << 7,  /* a port that is not the scheme's own */
	SPAM_URL_SHORTENER = 1u << 8,  /* a host that hides where it leads */
	SPAM_URL_REDIRECT  = 1u << 9,  /* names another URL that it leads to */
	SPAM_URL_NO_SCHEME = 1u << 10, /* www.… or a bare host in a text */
	SPAM_URL_MISMATCH  = 1u << 11, /* the visible text reads as another organisation's host */
	SPAM_URL_HIDDEN    = 1u << 12, /* its link or text is not visible */
	SPAM_URL_BROKEN    = 1u << 13, /* no host that could be reached; kept as it came */
	SPAM_URL_TOKEN     = 1u << 14, /* has a long random-looking word */
	SPAM_URL_CUT       = 1u << 15, /* longer than SPAM_URL_MAX */
	SPAM_URL_PASSWORD  = 1u << 16, /* a form that asks for a password sends there */
};

struct spam_url {
	struct cv_str url;          /* canonical: scheme://host[:port]/path[?query], no fragment */
	struct cv_str host;         /* lower-case A-labels; an IP address in its usual form */
	struct cv_str organisation; /* its organisational domain; an IP address: itself */
	struct cv_str shown_host;   /* what the visible text of the link reads as; may be empty */
	enum spam_url_source source;
	unsigned flags;
	unsigned count;             /* how often it occurs */
	uint32_t part;              /* where it was found first */
};

/* The public-suffix list, and the list of shorteners in FILE (NULL or "": built-in). */
CV_MUST_CHECK enum cv_status spam_url_prepare(const char *file, struct cv_err *err);

/* Reads RAW (UTF-8; blanks and line ends inside are dropped as browsers do). False when it leads to
 * no host: another scheme (mailto:, cid:), a fragment, a relative reference. "//host/" is taken for
 * https, "www.x.example" and "x.example/" for http. Texts go to ARENA. */
bool spam_url_parse(struct cv_arena *arena, struct cv_str raw, struct spam_url *out);
/* The scheme of RAW in small letters, control characters and blanks dropped as browsers do:
 * "javascript", "data", ...; empty when there is none. At most N - 1 octets. */
size_t spam_url_scheme(struct cv_str raw, char *out, size_t n);

/* Finds the next address in TEXT from *POS on and moves *POS behind it: http(s)://, ftp://, hxxp,
 * www., and bare hosts whose last label is a public suffix. *RAW_OUT is a slice of TEXT. False at
 * the end. */
bool spam_url_next(struct cv_str text, size_t *pos, struct cv_str *raw_out);
/* Where URL leads on to by a parameter or its path; false when nowhere. Into ARENA. */
bool spam_url_inner(struct cv_arena *arena, const struct spam_url *url, struct spam_url *out);

/* The organisational domain of HOST (lower-case A-labels): HOST itself when it is a public suffix,
 * an IP address or has one label. A slice of HOST. */
struct cv_str spam_organisation(struct cv_str host);
/* Whether the last label of HOST is one the public suffix list knows. */
bool spam_is_public_tld(struct cv_str host);

#endif
