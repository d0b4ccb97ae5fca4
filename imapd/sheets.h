/* sheets.h - what FETCH tells of many messages at once, kept ready in memory.
 *
 * A sheet covers the UIDs of one range of a mailbox: dates, sizes, ids, and ENVELOPE and
 * BODYSTRUCTURE as they go to the wire. Facts of a message never change, so a sheet is immutable,
 * counted and shared by all sessions; new mail makes a longer one in its place. Sheets are
 * forgotten, least lately used first, when the cache is full: nothing here is ever the only copy.
 *
 * Threads: the cache from any; a sheet is read-only.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SHEETS_H
#define IMAPD_SHEETS_H

#include "common/store/mailbox.h"

#define IMAPD_SHEET_UIDS 512u

struct imapd_sheet_row {
	uint32_t uid;
	int16_t internal_zone;
	bool is_odd; /* the texts are not stored: they must be worked out from the message */
	uint8_t email_id[16], thread_id[16];
	uint64_t size_bytes;
	int64_t internal_secs, saved_secs;
	uint32_t text_at, envelope_bytes, structure_bytes; /* one after the other in the texts */
};

struct imapd_sheet {
	_Atomic uint32_t refs;
	uint32_t count;
	uint32_t covered; /* every UID of the range below it was looked at */
	uint32_t text_bytes;
	const char *texts;
	struct imapd_sheet_row rows[]; /* count, ascending UIDs */
};

struct imapd_sheets;
struct imapd_sheets *imapd_sheets_new(size_t max_bytes);
void imapd_sheets_free(struct imapd_sheets *cache);
/* Bytes kept now. */
size_t imapd_sheets_bytes(struct imapd_sheets *cache);

static inline uint32_t
imapd_sheet_of(uint32_t uid)
{
	return uid / IMAPD_SHEET_UIDS;
}

/* The sheet that holds every message of VIEW with a UID of NUMBER's range from the sheet's first to
 * LAST (a UID in the range); it is the caller's to give back. What the cache lacks is read from the
 * store when MAY_BUILD; else *out is NULL. A message without a row there has none any more. */
CV_MUST_CHECK enum cv_status imapd_sheets_get(struct imapd_sheets *cache, struct cv_mbox *m,
	const struct cv_view *view, uint32_t number, uint32_t last, bool may_build,
	struct imapd_sheet **out, struct cv_err *err);
void imapd_sheet_unref(struct imapd_sheet *sheet); /* NULL is fine */
/* The first row at or behind index FROM whose UID is at least UID; NULL: none. */
const struct imapd_sheet_row *imapd_sheet_find(
	const struct imapd_sheet *sheet, uint32_t from, uint32_t uid);

static inline struct cv_str
imapd_sheet_envelope(const struct imapd_sheet *s, const struct imapd_sheet_row *r)
{
	return cv_str(s->texts + r->text_at, r->envelope_bytes);
}

static inline struct cv_str
imapd_sheet_structure(const struct imapd_sheet *s, const struct imapd_sheet_row *r)
{
	return cv_str(s->texts + r->text_at + r->envelope_bytes, r->structure_bytes);
}

#endif
