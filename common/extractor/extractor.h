/* extractor.h - congvu-extract: reads one document at a time and writes its text.
 *
 *   keeper.c   takes documents from the daemon's socket, makes a process for each, ends it in time
 *   worker.c   that process: shuts itself in, reads, converts, answers
 *   convert.c  which kind it is
 *   office.c   DOCX, XLSX, PPTX, ODT, ODS, ODP: members of a ZIP archive (zip.c) in XML (expat)
 *   pdf.c      PDF, by poppler's library, when it is installed
 *   picture.c  PNG and JPEG: the texts of QR codes in them, by libzbar (qr.c), when it is installed
 *
 * Everything below the worker is pure but for the libraries' own data; one thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef EXTRACTOR_H
#define EXTRACTOR_H

#include "common/extract/extract.h"

/* Where a converter writes: bounded; lines without blanks behind them, none of them empty. */
struct extractor_text {
	struct cv_buf *out; /* max is the bound */
	bool is_cut;        /* the bound was reached: nothing more is wanted */
};
void extractor_text_add(struct extractor_text *t, struct cv_str utf8);
void extractor_text_space(struct extractor_text *t);
void extractor_text_line(struct extractor_text *t);
/* The bound was reached, or the time is nearly over. */
bool extractor_text_is_enough(struct extractor_text *t);
/* Whether the time was what made it enough: CPU time since the document was begun. */
bool extractor_is_late(void);
void extractor_begin_time(void);

/* What DOCUMENT is, and its text. */
enum cv_extract_outcome extractor_convert(struct cv_str document, struct extractor_text *t);
enum cv_extract_outcome extractor_office(struct cv_str document, struct extractor_text *t);
enum cv_extract_outcome extractor_pdf(struct cv_str document, struct extractor_text *t);
bool extractor_is_pdf(struct cv_str document);

/* Loads poppler, and makes it read a page of ours, so that it has all it needs; "" when it is not
 * installed, else its version. */
const char *extractor_pdf_open(void);

/* ---- pictures ---- */
#define EXTRACTOR_PICTURE_MAX (4u << 20)  /* octets of one */
#define EXTRACTOR_PIXELS_MAX  16000000u
#define EXTRACTOR_CODE_MAX    4096u       /* octets of one code's text */

struct extractor_gray {
	unsigned char *pixels; /* rows without gaps, 255 is white; free() */
	uint32_t width, height;
};
bool extractor_is_picture(struct cv_str document);
/* CV_EXTRACT_TEXT: the whole picture is there. Else PIXELS may hold what could be read, or be
 * NULL. */
enum cv_extract_outcome extractor_picture_gray(struct cv_str document, struct extractor_gray *g);
/* The texts of its codes, a line each. CV_EXTRACT_TEXT without any: it has none. */
enum cv_extract_outcome extractor_picture(struct cv_str document, struct extractor_text *t);
/* Loads libzbar (NULL), or what is named, and makes it read a picture of ours; "" when it is not
 * installed or does not read, else its version. */
const char *extractor_qr_open(const char *library);
bool extractor_qr_is_open(void);
/* Adds the codes' texts; how many there are. */
unsigned extractor_qr_read(const struct extractor_gray *g, struct extractor_text *t);

/* Serves the daemon on descriptor 0 until it is gone. The exit code. */
int extractor_keep(unsigned workers);
/* What can be read, as cv_extract_ability() tells. */
void extractor_ability(char *text, size_t size);
/* Before the keeper shuts itself in: how much memory it has. */
void extractor_measure(void);
/* In a process of its own: never returns. */
CV_NORETURN void extractor_work(int fd);

#endif
