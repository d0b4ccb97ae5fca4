/* walk.h - all that rules, the classifier and reputation see of a message: its texts in UTF-8,
 * its links, its files, and what is odd about them.
 *
 * One pass over all parts of a message in memory. Nothing fails: what passes a limit is left out
 * and told of (`SPAM_FACT_LIMITS`, `SPAM_FACT_COSTLY`). Time is bounded by the CPU time of the
 * calling thread, memory by the limits below. Results are slices that live as long as the walk.
 * Texts come from the message: they are never to be logged or kept in statistics.
 * Threads: a walk belongs to one thread; spam_walk_prepare() once before threads start.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_WALK_H
#define SPAM_WALK_H

#include "common/base/err.h"
#include "common/text/mime.h"
#include "spamfilter/walk/url.h"

#define SPAM_WALK_TEXT_MAX    (256u << 10) /* visible text of all parts, UTF-8 */
#define SPAM_WALK_HIDDEN_MAX  (64u << 10)  /* hidden text of all parts */
#define SPAM_WALK_SUBJECT_MAX (8u << 10)
#define SPAM_WALK_SOURCE_MAX  (2u << 20) /* decoded octets of one text part that are read */
#define SPAM_WALK_SOURCES_MAX (4u << 20) /* the same of all text parts together */
#define SPAM_WALK_TEXTS_MAX   100        /* text parts */
#define SPAM_WALK_FILES_MAX   500        /* attachments and what lists of archives name */
#define SPAM_WALK_FILE_BYTES  (22u << 20) /* decoded octets of one file that is looked into */
#define SPAM_WALK_FILE_HEAD   (64u << 10) /* of a file that is not looked into */
#define SPAM_WALK_CPU_MS      150

/* One text part, decoded. */
struct spam_text {
	uint32_t part;         /* index in spam_walk_tree() */
	bool is_html;
	bool is_attachment;    /* said to be one, or named */
	bool is_alternative;   /* a later part of the same multipart/alternative shows the same */
	bool is_mislabelled;   /* its octets are not what its charset says */
	struct cv_str charset; /* that it was decoded by, as converters name it */
	struct cv_str visible; /* UTF-8 in NFC; of HTML what a reader sees */
	struct cv_str hidden;  /* of HTML what a reader does not see */
};

/* What a file is by its first octets (and, for containers, by what they hold). */
enum spam_file_kind {
	SPAM_FILE_UNKNOWN,
	SPAM_FILE_EMPTY,
	SPAM_FILE_TEXT,
	SPAM_FILE_HTML,
	SPAM_FILE_IMAGE,
	SPAM_FILE_MEDIA,
	SPAM_FILE_PDF,
	SPAM_FILE_RTF,
	SPAM_FILE_OLE,      /* Word, Excel, PowerPoint 97-2003, MSI, Outlook .msg */
	SPAM_FILE_OOXML,    /* a zip with [Content_Types].xml */
	SPAM_FILE_ODF,      /* a zip with mimetype application/vnd.oasis... */
	SPAM_FILE_ZIP,
	SPAM_FILE_7Z,
	SPAM_FILE_RAR,
	SPAM_FILE_TAR,
	SPAM_FILE_GZIP,     /* and bzip2, xz, zstd, lzma, compress: one stream */
	SPAM_FILE_CAB,
	SPAM_FILE_ARJ,      /* and ace, lha: known, not listed */
	SPAM_FILE_ISO,      /* ISO 9660, UDF, disk images, VHD, VHDX */
	SPAM_FILE_PROGRAM,  /* PE, ELF, Mach-O, Java class, WebAssembly, DEX */
	SPAM_FILE_SCRIPT,   /* "#!", or script by its words */
	SPAM_FILE_SHORTCUT, /* .lnk, .url */
	SPAM_FILE_HELP,     /* .chm */
	SPAM_FILE_ONENOTE,
	SPAM_FILE_SIGNATURE, /* S/MIME, PGP: left alone */
	SPAM_FILE_CALENDAR,
	SPAM_FILE_MESSAGE,
	SPAM_FILE_KINDS
};
/* "zip", "program", ...: stable words for logs and headers. */
const char *spam_file_kind_word(enum spam_file_kind kind);

enum spam_file_flag {
	SPAM_FILE_DANGEROUS   = 1u << 0,  /* its type runs when opened (conf/policy) */
	SPAM_FILE_DOUBLE      = 1u << 1,  /* hoso.pdf.exe, "hoso.pdf      .exe" */
	SPAM_FILE_REVERSED    = 1u << 2,  /* right-to-left marks change how its name reads */
	SPAM_FILE_TRAILING    = 1u << 3,  /* ends in blanks or dots, which Windows drops */
	SPAM_FILE_MISNAMED    = 1u << 4,  /* what it is contradicts its name or its type */
	SPAM_FILE_ENCRYPTED   = 1u << 5,  /* cannot be looked into without a password */
	SPAM_FILE_MACRO       = 1u << 6,  /* VBA or Excel 4 macros */
	SPAM_FILE_AUTORUN     = 1u << 7,  /* macros that run when the file is opened */
	SPAM_FILE_EMBEDDED    = 1u << 8,  /* an object or a program inside a document */
	SPAM_FILE_SCRIPTED    = 1u << 9,  /* PDF or SVG with JavaScript, HTML with scripts */
	SPAM_FILE_ACTION      = 1u << 10, /* PDF that opens or launches something by itself */
	SPAM_FILE_FORM        = 1u << 11, /* HTML that asks for a password */
	SPAM_FILE_REMOTE      = 1u << 12, /* a document that loads its template from elsewhere */
	SPAM_FILE_BOMB        = 1u << 13, /* too many entries, too deep, or grows out of bounds */
	SPAM_FILE_BROKEN      = 1u << 14, /* an archive or document cut or damaged */
	SPAM_FILE_CONTRADICTS = 1u << 15, /* two lists of one archive name different files */
	SPAM_FILE_NOT_LISTED  = 1u << 16, /* an archive whose form is not read here */
};

#define SPAM_FILE_NO_CONTAINER UINT32_MAX

struct spam_file {
	uint32_t part;             /* index of the part that holds it */
	uint32_t container;        /* index of the file it is in, or SPAM_FILE_NO_CONTAINER */
	uint32_t level;            /* 0: a part; 1: in an archive; 2: in an archive in that */
	enum spam_file_kind kind;
	unsigned flags;            /* SPAM_FILE_* */
	struct cv_str name;        /* UTF-8 NFC as shown; empty when it has none */
	struct cv_str extension;   /* the last one, small letters, without dot; may be empty */
	struct cv_str type;        /* "application/pdf" as declared; empty inside archives */
	uint64_t size_bytes;       /* decoded; in archives as their list says */
	bool is_inline;            /* Content-Disposition: inline, or a picture of the HTML */
};

/* What is odd about the message as a whole; bits of spam_walk_facts(). */
#define SPAM_FACTS(F)                                                                              \
	F(HIDDEN_TEXT)      /* 40 letters or more that a reader does not see */                    \
	F(ZERO_WIDTH)       /* zero-width or soft-hyphen characters inside words */                \
	F(HOMOGLYPHS)       /* letters of another script inside Latin words */                     \
	F(MISLABELLED)      /* a text whose octets are not in its charset */                       \
	F(HTML_FORM)        /* a form that sends somewhere */                                      \
	F(HTML_PASSWORD)    /* an input for a password */                                          \
	F(HTML_SCRIPT)      /* script, event attributes or javascript: links */                    \
	F(HTML_DATA_URL)    /* a link or frame with data: */                                       \
	F(HTML_REFRESH)     /* meta refresh to another address */                                  \
	F(HTML_BASE)        /* base href: links go elsewhere than they read */                     \
	F(HTML_FRAME)       /* iframe, frame, object, embed */                                     \
	F(REMOTE_IMAGE)     /* pictures from the network */                                        \
	F(TRACKER)          /* such a picture of one pixel or hidden */                            \
	F(IMAGE_ONLY)       /* pictures and hardly any text */                                     \
	F(LINK_MISMATCH)    /* a link reads as one host and goes to another organisation's */      \
	F(URLS_CUT)         /* more than SPAM_URLS_MAX */                                          \
	F(CALENDAR)                                                                                \
	F(SIGNED)           /* S/MIME or PGP signature */                                          \
	F(ENCRYPTED)        /* S/MIME or PGP encrypted: nothing to see */                          \
	F(LIMITS)           /* something was left out because a limit of size was passed */        \
	F(COSTLY)           /* the walk ended because its time was up */                           \
	F(CUT)              /* the message itself was not kept whole */

enum spam_fact {
#define SPAM_FACT_BIT(name) SPAM_FACT_BIT_##name,
	SPAM_FACTS(SPAM_FACT_BIT)
#undef SPAM_FACT_BIT
	SPAM_FACT_COUNT
};
#define SPAM_FACT(name) (UINT64_C(1) << SPAM_FACT_BIT_##name)

struct spam_walk_options {
	unsigned cpu_ms;   /* 0: SPAM_WALK_CPU_MS */
	bool is_cut;       /* MESSAGE is only the head of what came */
};

struct spam_walk;

/* Reads the data that walks use: public suffixes, and the files of URL shorteners and of types of
 * attachments (NULL or "": the built-in copies of those in conf/policy). Before the first walk and
 * before the sandbox; again when the files changed: walks under way keep what they had. */
CV_MUST_CHECK enum cv_status spam_walk_prepare(
	const char *types_file, const char *shorteners_file, struct cv_err *err);

/* Walks the message of HEADER (and its empty line) and BODY, or of HEADER alone when that
 * is all of it; both must stay where they are until spam_walk_free(). OPTIONS may be NULL. */
struct spam_walk *spam_walk_message(
	struct cv_str header, struct cv_str body, const struct spam_walk_options *options);
void spam_walk_free(struct spam_walk *w); /* NULL is fine */

/* The Subject, decoded; several: all of them, a line each. */
struct cv_str spam_walk_subject(const struct spam_walk *w);
/* All that a reader sees, part after part, a line feed between them. */
struct cv_str spam_walk_visible(const struct spam_walk *w);
/* What HTML hides. */
struct cv_str spam_walk_hidden(const struct spam_walk *w);
/* Subject and visible text for matching: small letters without diacritics, zero-width characters
 * gone, look-alike letters of other scripts as the Latin ones (SPM-03), runs of blanks as one. */
struct cv_str spam_walk_folded_subject(const struct spam_walk *w);
struct cv_str spam_walk_folded(const struct spam_walk *w);

size_t spam_walk_texts(const struct spam_walk *w, const struct spam_text **out);
size_t spam_walk_urls(const struct spam_walk *w, const struct spam_url **out);
size_t spam_walk_files(const struct spam_walk *w, const struct spam_file **out);
uint64_t spam_walk_facts(const struct spam_walk *w); /* SPAM_FACT() bits */
const char *spam_fact_word(enum spam_fact fact);     /* "hidden-text", ... */
const struct cv_mime_tree *spam_walk_tree(const struct spam_walk *w);
/* CPU time it took, in microseconds. */
uint64_t spam_walk_cpu_us(const struct spam_walk *w);

/* Appends the decoded octets of file number FILE, which must be of level 0, to OUT. CV_LIMIT when
 * they do not fit (what fits is there), CV_NOT_FOUND inside archives. */
CV_MUST_CHECK enum cv_status spam_walk_file_bytes(
	const struct spam_walk *w, size_t file, struct cv_buf *out);

/* examine.c: whether an option attachment_... may say WORD ("score", "refuse", ...). */
bool spam_attachment_word(const char *word);

#endif
