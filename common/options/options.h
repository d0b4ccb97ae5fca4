/* options.h - options are rows: struct, parser, printed list, manual and check come from the row.
 *
 * A program lists its options once:
 *
 *   #define SMTPD_OPTIONS(OPT) \
 *   	OPT(size, max_message, "28M", "1K", "1G", "largest message accepted", "cỡ thư lớn nhất")
 *   CV_OPTIONS_DECLARE(smtpd_options, SMTPD_OPTIONS);    in a header: struct smtpd_options
 *   CV_OPTIONS_DEFINE(smtpd, smtpd_options, SMTPD_OPTIONS) in one .c: const struct cv_section
 *                                                          smtpd_section
 *
 * Kinds: size (uint64_t bytes; K M G), secs (uint32_t; s m h d w), num (uint64_t), flag (bool:
 * yes/no), text (char *, never NULL), list (char *: words separated by blanks), path (char *;
 * relative ones are resolved against `base_dir` of [congvu]). Default, minimum and maximum are
 * texts; for text kinds the limits are length limits.
 *
 * The file: "[section]" lines, "name = value" lines, "#" comments (at the start of a line or behind
 * a blank), "include FILE" (relative to the including file; it starts outside any section). An
 * unknown name or section, a value out of range, an option given twice: an error with file and
 * line, and the old configuration stays. A relative base_dir starts at the folder of the file.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_OPTIONS_H
#define CV_OPTIONS_H

#include <stdio.h>

#include "common/base/arena.h"
#include "common/base/err.h"

typedef uint64_t cv_opt_size;
typedef uint32_t cv_opt_secs;
typedef uint64_t cv_opt_num;
typedef bool cv_opt_flag;
typedef const char *cv_opt_text;
typedef const char *cv_opt_list;
typedef const char *cv_opt_path;

enum cv_opt_kind {
	CV_OPT_size,
	CV_OPT_secs,
	CV_OPT_num,
	CV_OPT_flag,
	CV_OPT_text,
	CV_OPT_list,
	CV_OPT_path
};

struct cv_option {
	const char *name;
	enum cv_opt_kind kind;
	size_t offset;              /* in the section's struct */
	const char *dflt, *min, *max;
	const char *help, *help_vi; /* one sentence each */
};
struct cv_section {
	const char *name;
	size_t struct_bytes;
	const struct cv_option *options;
	size_t count;
};

#define CV_OPT_FIELD(kind, name, dflt, min, max, help, help_vi) cv_opt_##kind name;
#define CV_OPT_ROW(kind_, name_, dflt_, min_, max_, help_, help_vi_)                               \
	{ #name_, CV_OPT_##kind_, offsetof(CV_OPT_STRUCT, name_), dflt_, min_, max_, help_, help_vi_ },
#define CV_OPTIONS_DECLARE(tag, LIST) struct tag { LIST(CV_OPT_FIELD) }
/* Before use: #define CV_OPT_STRUCT struct <tag> */
#define CV_OPTIONS_DEFINE(section, LIST)                                                           \
	static const struct cv_option section##_rows[] = { LIST(CV_OPT_ROW) };                     \
	const struct cv_section section##_section = { #section, sizeof(CV_OPT_STRUCT),             \
		section##_rows, CV_COUNT(section##_rows) }

struct cv_conf;
/* Reads FILE and checks it against SECTIONS (every section any program knows). Sets of values live
 * in the conf. */
CV_MUST_CHECK enum cv_status cv_conf_load(const char *file,
                                          const struct cv_section *const *sections, size_t count,
                                          struct cv_conf **out, struct cv_err *err);
/* From text instead of a file, for tests; NAME stands in messages. */
CV_MUST_CHECK enum cv_status cv_conf_parse(struct cv_str text, const char *name,
                                           const struct cv_section *const *sections, size_t count,
                                           struct cv_conf **out, struct cv_err *err);
/* The filled struct of SECTION; valid until cv_conf_free(). */
const void *cv_conf_get(const struct cv_conf *c, const struct cv_section *section);
void cv_conf_free(struct cv_conf *c);
/* The text of option NAME (text, list or path) in SECTION, or NULL when there is none; *where_out
 * (may be NULL) is "file:line" that set it, NULL for a default. */
const char *cv_conf_text(const struct cv_conf *c, const char *section, const char *name,
                         const char **where_out);
/* WORD (a path out of a list, or "unix:path") with its relative path put below base_dir; other
 * words ("inet:port@host") as they are. The caller frees it. */
char *cv_conf_resolve(const struct cv_conf *c, struct cv_str word);
/* The same for every word of LIST; words stand apart by one blank. The caller frees it. */
char *cv_conf_resolve_list(const struct cv_conf *c, const char *list);
/* Prints the whole table with defaults, as a commented configuration file or as a manual page
 * part. */
void cv_conf_print_default(FILE *out, const struct cv_section *const *sections, size_t count);
void cv_conf_print_manual(FILE *out, const struct cv_section *const *sections, size_t count);

#endif
