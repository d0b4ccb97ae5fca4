/* extract.h - the text of documents that are attached to mail: PDF, DOCX, XLSX, PPTX, OpenDocument.
 *
 * Reading them is left to a program of its own, congvu-extract: a daemon starts it before it shuts
 * itself in, and asks it over a socket. It makes a process for each document, which can do nothing
 * but read that document and write its text (docs/adr/0062-text-of-attachments.md). Whatever a
 * document does to that process, here it is an outcome.
 *
 * Threads: start and stop from one; everything else from any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_EXTRACT_H
#define CV_EXTRACT_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define CV_EXTRACT_DOCUMENT_MAX (32u << 20)
#define CV_EXTRACT_TEXT_MAX     (1u << 20) /* of one document; the rest is left out */
#define CV_EXTRACT_ABILITY_MAX  128u

enum cv_extract_outcome {
	/* the same whenever it is asked again */
	CV_EXTRACT_TEXT,    /* there is a text, however short */
	CV_EXTRACT_UNKNOWN, /* of no kind that is read here, or its converter is not installed */
	CV_EXTRACT_ENCRYPTED,
	CV_EXTRACT_BROKEN,
	CV_EXTRACT_TOO_LARGE, /* the document, or what it unpacks to */
	/* perhaps another one next time */
	CV_EXTRACT_LIMIT, /* time or memory ran out, or the process died; text so far */
	CV_EXTRACT_AWAY   /* nobody could be asked */
};
static inline bool
cv_extract_is_final(enum cv_extract_outcome outcome)
{
	return outcome < CV_EXTRACT_LIMIT;
}
const char *cv_extract_outcome_name(enum cv_extract_outcome outcome); /* "text", "broken", ... */

struct cv_extract;

/* Starts PROGRAM (NULL: congvu-extract beside the running program) for at most WORKERS documents at
 * a time, with NICENESS. Before threads and sandbox. CV_NOT_FOUND: there is no such program. */
CV_MUST_CHECK enum cv_status cv_extract_start(const char *program, unsigned workers, int niceness,
	struct cv_extract **out, struct cv_err *err);
/* Ends the program and what it works on: from now on nobody is there. From any thread. */
void cv_extract_end_all(struct cv_extract *x);
/* The same, and frees X, of which no job is left. NULL is fine. */
void cv_extract_stop(struct cv_extract *x);
/* What it can read: "1 office", "1 office pdf=22.12.0 qr=0.23.92": another text may mean another
 * outcome. */
const char *cv_extract_ability(const struct cv_extract *x);
bool cv_extract_reads_pdf(const struct cv_extract *x);
/* Whether the text of a picture (PNG, JPEG) is that of the QR codes in it, a line each; else a
 * picture is CV_EXTRACT_UNKNOWN. */
bool cv_extract_reads_qr(const struct cv_extract *x);

/* Whether a part of a message is worth asking for: by type and subtype, lower case, and the name of
 * its file, any of which may be empty. */
bool cv_extract_is_document(struct cv_str type, struct cv_str subtype, struct cv_str filename);

/* ---- one document ---- */
struct cv_extract_job;
/* All must be over in WITHIN_MS. Never fails: faults become the outcome. */
struct cv_extract_job *cv_extract_begin(struct cv_extract *x, unsigned within_ms);
void cv_extract_feed(struct cv_extract_job *job, struct cv_str bytes);
/* Appends the text, UTF-8 as far as the converter is sane, to TEXT. Frees JOB. */
enum cv_extract_outcome cv_extract_end(struct cv_extract_job *job, struct cv_buf *text);
void cv_extract_abandon(struct cv_extract_job *job);
/* begin, feed, end. */
enum cv_extract_outcome cv_extract_text(
	struct cv_extract *x, struct cv_str document, unsigned within_ms, struct cv_buf *text);

#endif
