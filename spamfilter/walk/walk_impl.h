/* walk_impl.h - a walk while it is made. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_WALK_IMPL_H
#define SPAM_WALK_IMPL_H

#include "common/base/map.h"
#include "spamfilter/walk/lists.h"
#include "spamfilter/walk/walk.h"

#define SPAM_ARCHIVE_LEVELS      3            /* archives inside each other that are listed */
#define SPAM_ARCHIVE_ENTRIES     2000         /* entries of one that are read */
#define SPAM_ARCHIVE_BYTES       (12u << 20)  /* unpacked of all archives of a message */
#define SPAM_ARCHIVE_MEMBER_MAX  (4u << 20)   /* of one member that is looked into */
#define SPAM_FILE_NAME_MAX       400          /* octets of a name that are kept */
#define SPAM_FILE_TEXT_URLS      (256u << 10) /* octets of a document searched for URLs */

struct spam_walk {
	struct cv_arena arena;
	struct cv_str header, body;
	struct spam_walk_options options;
	const struct spam_lists *types;
	int64_t began_us, limit_us;
	uint64_t cpu_us;
	bool is_over; /* the time is up: nothing more is looked at */
	uint64_t facts;
	struct cv_mime_scan *scan;
	const struct cv_mime_tree *tree;
	struct spam_text texts[SPAM_WALK_TEXTS_MAX];
	size_t text_count;
	struct cv_buf visible, hidden, subject, folded, folded_subject;
	struct spam_url urls[SPAM_URLS_MAX];
	size_t url_count, url_tries;
	struct cv_map url_index;
	struct spam_file files[SPAM_WALK_FILES_MAX];
	size_t file_count;
	size_t source_bytes;   /* decoded octets of text parts so far */
	size_t unpacked_bytes; /* out of archives so far */
	uint64_t hidden_letters, visible_letters;
	unsigned zero_width, mixed_words, pictures;
	struct cv_buf legacy; /* octets of a header field that need their charset found */
};

/* walk.c: whether there is time left; sets is_over. Cheap enough for each 16 KB or so. */
bool spam_walk_has_time(struct spam_walk *w);
/* urls.c: adds an address. SHOWN: visible text of a link. */
void spam_walk_add_url(struct spam_walk *w, uint32_t part, enum spam_url_source source,
	struct cv_str raw, struct cv_str shown, unsigned flags);
/* Adds what addresses TEXT (UTF-8) has. */
void spam_walk_add_urls_of(struct spam_walk *w, uint32_t part, enum spam_url_source source,
	struct cv_str text);

/* text.c: one text part, decoded from its transfer encoding. Answers the SPAM_FACT() bits of its
 * HTML; those of an attachment are no facts of the message. */
uint64_t spam_walk_read_text(struct spam_walk *w, uint32_t part, const struct cv_mime_part *p,
	struct cv_str octets, bool is_attachment);
/* Appends TEXT folded as spam_walk_folded() tells; *MIXED counts words of two scripts. */
void spam_walk_fold(struct cv_str text, struct cv_buf *out, unsigned *mixed);

/* file.c: a new file with its name looked at; NULL when there are too many. RAW_NAME in UTF-8. */
struct spam_file *spam_walk_add_file(struct spam_walk *w, uint32_t part, uint32_t container,
	uint32_t level, struct cv_str raw_name, struct cv_str type);
/* What a file is by its first octets. */
enum spam_file_kind spam_file_sniff(struct cv_str head);
/* Whether a file of KIND is looked into beyond its head. */
bool spam_file_has_inside(enum spam_file_kind kind);
/* Looks at BYTES of file number FILE, all or the first of it: what it is, what is inside. */
void spam_walk_look(struct spam_walk *w, uint32_t file, struct cv_str bytes);

/* archive.c: lists an archive and looks at its members. */
void spam_walk_list(struct spam_walk *w, uint32_t file, struct cv_str bytes);
/* ole.c: a compound file: macros, objects, encryption. */
void spam_walk_ole(struct spam_walk *w, uint32_t file, struct cv_str bytes);
/* document.c: RTF and PDF; members of office documents in zips. */
void spam_walk_rtf(struct spam_walk *w, uint32_t file, struct cv_str bytes);
void spam_walk_pdf(struct spam_walk *w, uint32_t file, struct cv_str bytes);
void spam_walk_office_member(
	struct spam_walk *w, uint32_t file, struct cv_str name, struct cv_str bytes);

/* examine.c: what is odd about the links found so far, as rules. */
struct spam_mail;
void spam_report_urls(struct spam_mail *m);

#endif
