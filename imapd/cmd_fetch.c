/* cmd_fetch.c - FETCH: metadata straight from view and stored strings, bodies as range reads.
 *
 * Two ways. Without sections a batch of messages is written from a sheet (sheets.h) when many are
 * wanted, else from inside cv_msg_each(); it stops where the output is full. With sections a small
 * batch of core rows is copied, \Seen is set for those messages that will be read, and then each
 * section streams to the peer, however large, a chunk at a time. Message numbers stay as they are
 * meanwhile (I2): the view may grow, but never loses an entry before the command ends.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "common/text/date.h"
#include "common/text/envelope.h"
#include "common/text/header.h"
#include "imapd/access.h"
#include "imapd/binary.h"
#include "imapd/limit.h"
#include "imapd/names.h"
#include "imapd/resync.h"
#include "imapd/rights.h"

#define BATCH_META   512
#define SHEET_WORTH  16u /* messages; fewer are read one by one */
#define BATCH_BODIES 16
#define BATCH_FIELDS 64 /* of header fields alone: nothing streams, and the batch is soon over */
#define CHUNK_BYTES  (128u << 10)
#define BUDGET_BYTES (1u << 20)

struct fetched {
	uint32_t seq, uid;
	bool is_there; /* its row was read */
	bool is_newly_seen;
	struct cv_msg msg;
	struct cv_summary summary; /* when wanted */
};

struct fetching {
	struct imapd_conn *c;
	const struct imapd_fetch_args *args;
	unsigned items;
	bool wants_summary, sets_seen;
	unsigned batch_max;
	bool uses_sheets; /* a batch then lies within one */
	struct imapd_range *ranges;
	uint32_t ranges_count, range_at, next_seq; /* next_seq 0: at the range's start */
	cv_ticket ticket;                          /* of \Seen, the newest */
	uint64_t seen_modseq;
	/* the batch */
	uint32_t seqs[BATCH_META], uids[BATCH_META];
	unsigned count, at;
	/* with sections */
	struct fetched *batch;
	unsigned section;      /* of batch[at], next to write; section_count: none left */
	bool is_open;          /* "* n FETCH (" of batch[at] is out */
	bool has_items;        /* and something behind it, before the sections */
	uint64_t offset, left; /* of the section that streams */
	bool is_exact;         /* it is a literal8: NUL is NUL */
	struct imapd_decoding *decoding; /* BINARY: the section is decoded first, then streams */
	uint64_t encoded_left;           /* still to decode */
	uint64_t budget;                 /* octets to decode before others have their turn */
	bool has_unknown_encoding;       /* a message was left out for it */
	struct cv_arena arena; /* of the batch */
	struct cv_err err;
};

static void
free_fetching(void *arg)
{
	struct fetching *f = arg;
	imapd_decoding_free(f->decoding);
	cv_arena_done(&f->arena);
	free(f->batch);
	free(f);
}

/* RFC 4314 4: without s the message is read all the same. */
static bool
may_set_seen(struct imapd_conn *c)
{
	return !c->session->is_read_only && (imapd_rights_selected(c) & CV_RIGHT_S);
}

static bool
only_fields(const struct imapd_fetch_args *a)
{
	for (unsigned i = 0; i < a->section_count; i++)
		if (!a->sections[i].is_fields)
			return false;
	return true;
}

static struct fetching *
begin(struct imapd_conn *c)
{
	struct fetching *f = cv_calloc(1, sizeof(*f));
	const struct imapd_fetch_args *a = c->cmd->args.fetch;

	f->c = c;
	f->budget = BUDGET_BYTES;
	f->args = a;
	f->items = a->items | (c->cmd->is_uid && !c->uid_only ? IMAPD_ITEM_UID : 0);
	if (f->items & IMAPD_ITEM_MODSEQ)
		imapd_know_modseq(c);
	f->wants_summary = f->items & IMAPD_ITEMS_OF_SUMMARY;
	for (unsigned i = 0; i < a->section_count; i++) {
		f->wants_summary |= a->sections[i].path.n > 0;
		f->sets_seen |= !a->sections[i].is_peek && may_set_seen(c);
	}
	f->batch_max = only_fields(a) && !f->sets_seen ? BATCH_FIELDS : BATCH_BODIES;
	if (a->section_count)
		f->batch = cv_calloc(f->batch_max, sizeof(*f->batch));
	f->uses_sheets = !a->section_count && (f->items & ~(unsigned)IMAPD_ITEMS_OF_VIEW) &&
			 !(f->items & (IMAPD_ITEM_BODY | IMAPD_ITEM_PREVIEW));
	imapd_set_seqs(&c->cmd->args.set, c->cmd->is_uid, c->session->view, &c->arena, &f->ranges,
		&f->ranges_count);
	if (a->partial.is_given)
		f->ranges_count = imapd_ranges_cut(f->ranges, f->ranges_count, &a->partial);
	f->ranges_count = imapd_limit_ranges(c, f->ranges, f->ranges_count);
	c->cmd->step = f;
	c->cmd->release = free_fetching;
	return f;
}

/* The next message of the set, or 0. */
static uint32_t
next_seq(struct fetching *f)
{
	while (f->range_at < f->ranges_count) {
		struct imapd_range r = f->ranges[f->range_at];
		uint32_t seq = f->next_seq ? f->next_seq : r.from;
		if (seq <= r.to) {
			f->next_seq = seq + 1;
			return seq;
		}
		f->range_at++;
		f->next_seq = 0;
	}
	return 0;
}

/* Gathers the next MAX messages that are wanted. */
static void
fill_batch(struct fetching *f, unsigned max)
{
	uint32_t seq;

	f->count = f->at = 0;
	while (f->count < max && (seq = next_seq(f))) {
		const struct cv_entry *e = imapd_session_entry(f->c->session, seq);
		if (f->args->has_changed_since && e->modseq <= f->args->changed_since)
			continue;
		if (f->uses_sheets && f->count &&
			imapd_sheet_of(e->uid) != imapd_sheet_of(f->uids[0])) {
			f->next_seq = seq;
			break;
		}
		f->seqs[f->count] = seq;
		f->uids[f->count++] = e->uid;
	}
}

/* ---- items ---- */

static void
write_item(struct cv_buf *out, bool *is_first, const char *word, size_t n)
{
	if (!*is_first)
		cv_buf_c(out, ' ');
	*is_first = false;
	cv_buf_add(out, word, n);
}
#define WRITE_ITEM(out, is_first, word) write_item(out, is_first, word, sizeof(word) - 1)

static void
write_view_items(
	struct fetching *f, uint32_t seq, const struct cv_entry *e, bool newly_seen, bool *is_first)
{
	struct cv_buf *out = imapd_out(f->c);
	unsigned items = f->items;

	if (newly_seen)
		items |= IMAPD_ITEM_FLAGS | (f->c->condstore ? IMAPD_ITEM_MODSEQ : 0);
	imapd_write_fetch(out, f->c->uid_only, seq, e->uid);
	if (items & IMAPD_ITEM_UID) {
		WRITE_ITEM(out, is_first, "UID ");
		cv_buf_u64(out, e->uid);
	}
	if (items & IMAPD_ITEM_FLAGS) {
		WRITE_ITEM(out, is_first, "FLAGS (");
		imapd_write_flags(out, e->flags, e->keywords, imapd_session_keywords(f->c->session),
			imapd_session_is_recent(f->c->session, e->uid));
		cv_buf_c(out, ')');
	}
	if (items & IMAPD_ITEM_MODSEQ) {
		WRITE_ITEM(out, is_first, "MODSEQ (");
		cv_buf_u64(out, e->modseq);
		cv_buf_c(out, ')');
	}
}

static void
write_core_items(struct fetching *f, const struct cv_msg *msg, bool *is_first)
{
	struct cv_buf *out = imapd_out(f->c);
	char id[IMAPD_OBJECTID_MAX];

	if (f->items & IMAPD_ITEM_INTERNALDATE) {
		WRITE_ITEM(out, is_first, "INTERNALDATE \"");
		cv_date_write_imap(out, cv_date_at(msg->internal_secs, msg->internal_zone));
		cv_buf_c(out, '"');
	}
	if (f->items & IMAPD_ITEM_SIZE) {
		WRITE_ITEM(out, is_first, "RFC822.SIZE ");
		cv_buf_u64(out, msg->size_bytes);
	}
	if (f->items & IMAPD_ITEM_EMAILID) {
		WRITE_ITEM(out, is_first, "EMAILID (");
		cv_buf_z(out, imapd_email_id(msg, id));
		cv_buf_c(out, ')');
	}
	if (f->items & IMAPD_ITEM_THREADID) {
		WRITE_ITEM(out, is_first, "THREADID (");
		cv_buf_z(out, imapd_thread_id(msg, id));
		cv_buf_c(out, ')');
	}
	if (f->items & IMAPD_ITEM_SAVEDATE) {
		WRITE_ITEM(out, is_first, "SAVEDATE \"");
		cv_date_write_imap(out, cv_date_at(msg->saved_secs, msg->internal_zone));
		cv_buf_c(out, '"');
	}
}

static void
write_summary_items(struct fetching *f, const struct cv_summary *s, bool *is_first)
{
	struct cv_buf *out = imapd_out(f->c);

	if (f->items & IMAPD_ITEM_ENVELOPE) {
		WRITE_ITEM(out, is_first, "ENVELOPE ");
		cv_buf_str(out, s->envelope);
	}
	if (f->items & IMAPD_ITEM_BODY) {
		WRITE_ITEM(out, is_first, "BODY ");
		cv_buf_str(out, s->body);
	}
	if (f->items & IMAPD_ITEM_BODYSTRUCTURE) {
		WRITE_ITEM(out, is_first, "BODYSTRUCTURE ");
		cv_buf_str(out, s->bodystructure);
	}
	if (f->items & IMAPD_ITEM_PREVIEW) {
		WRITE_ITEM(out, is_first, "PREVIEW ");
		cv_imap_string(out, s->preview);
	}
}

/* ---- summaries that are not stored ---- */

static enum cv_status
feed_summary(void *arg, struct cv_str bytes, struct cv_err *err)
{
	(void)err;
	cv_summary_feed(arg, bytes);
	return CV_OK;
}

/* What this command wants of a summary, in bits of `missing`. */
static uint32_t
wanted_of(const struct fetching *f)
{
	uint32_t wanted = f->args->section_count ? CV_SUMMARY_PARTS : 0;
	if (f->items & IMAPD_ITEM_ENVELOPE)
		wanted |= CV_SUMMARY_ENVELOPE;
	if (f->items & IMAPD_ITEM_BODY)
		wanted |= CV_SUMMARY_BODY;
	if (f->items & IMAPD_ITEM_BODYSTRUCTURE)
		wanted |= CV_SUMMARY_BODYSTRUCTURE;
	return wanted;
}

/* Works the summary out again from the body, into the batch's arena. */
static enum cv_status
rebuild_summary(struct fetching *f, const struct cv_msg *msg, struct cv_summary *out)
{
	const struct cv_mime_tree *tree;
	struct cv_summary_scan *scan = cv_summary_begin(&f->arena);
	enum cv_status status = cv_msg_read(
		f->c->session->mbox, &msg->body, 0, msg->size_bytes, feed_summary, scan, &f->err);

	if (status) {
		cv_summary_abandon(scan);
		return status;
	}
	cv_summary_finish(scan, out, &tree);
	cv_summary_complete(&f->arena, tree, wanted_of(f), out);
	return CV_OK;
}

/* The summary of MSG, stored or worked out. */
static enum cv_status
summary_of(struct fetching *f, const struct cv_msg *msg, struct cv_summary *out)
{
	if (msg->summary.p && !cv_summary_decode(msg->summary, out) &&
		!(out->missing & wanted_of(f)))
		return CV_OK;
	return rebuild_summary(f, msg, out);
}

/* ---- without sections ---- */

struct odd_msg { /* one whose summary must be worked out, which cannot be done inside the walk */
	struct cv_msg msg;
	bool is_set;
};

struct meta_walk {
	struct fetching *f;
	struct odd_msg odd;
};

static void
write_meta(struct fetching *f, unsigned index, const struct cv_msg *msg,
	const struct cv_summary *summary)
{
	const struct cv_entry *e = imapd_session_entry(f->c->session, f->seqs[index]);
	bool is_first = true;

	write_view_items(f, f->seqs[index], e, false, &is_first);
	if (msg)
		write_core_items(f, msg, &is_first);
	if (summary)
		write_summary_items(f, summary, &is_first);
	cv_buf_add(imapd_out(f->c), ")\r\n", 3);
}

static bool
on_meta(void *arg, const struct cv_msg *msg)
{
	struct meta_walk *walk = arg;
	struct fetching *f = walk->f;
	struct cv_summary summary;

	while (f->at < f->count && f->uids[f->at] < msg->uid)
		f->at++; /* its row is gone */
	if (f->at == f->count || f->uids[f->at] != msg->uid)
		return true;
	if (!f->wants_summary) {
		write_meta(f, f->at++, msg, NULL);
	} else if (msg->summary.p && !cv_summary_decode(msg->summary, &summary) &&
		   !(summary.missing & wanted_of(f))) {
		write_meta(f, f->at++, msg, &summary);
	} else {
		walk->odd = (struct odd_msg){*msg, true};
		walk->odd.msg.summary = CV_STR_EMPTY;
		return false;
	}
	return !cv_conn_out_is_high(f->c->conn);
}

/* Writes the batch's messages before END from their rows, or as far as the output goes. */
static enum cv_status
write_from_rows(struct fetching *f, unsigned end)
{
	struct meta_walk walk = {.f = f};
	unsigned before = f->at;
	enum cv_status status = cv_msg_each(f->c->session->mbox, f->uids + f->at, end - f->at,
		f->wants_summary, on_meta, &walk, &f->err);
	if (status)
		return status;
	if (walk.odd.is_set) {
		struct cv_summary summary;
		status = rebuild_summary(f, &walk.odd.msg, &summary);
		if (!status)
			write_meta(f, f->at++, &walk.odd.msg, &summary);
		cv_arena_reset(&f->arena);
		return status;
	}
	/* All were walked over, unless the output stopped us; then something was written. */
	if (!cv_conn_out_is_high(f->c->conn) || f->at == before)
		f->at = end;
	return CV_OK;
}

/* A sheet is made when a good part of its messages is wanted. */
static bool
is_worth_a_sheet(const struct fetching *f)
{
	const struct cv_view *view = f->c->session->view;
	uint64_t first = (uint64_t)imapd_sheet_of(f->uids[0]) * IMAPD_SHEET_UIDS;
	uint64_t end = CV_MIN(first + IMAPD_SHEET_UIDS, (uint64_t)UINT32_MAX);
	uint32_t there =
		cv_view_seq_at(view, (uint32_t)end) - cv_view_seq_at(view, (uint32_t)first);

	return f->wants_summary && f->count >= SHEET_WORTH && f->count >= there / 4;
}

static void
write_sheet_row(struct fetching *f, const struct imapd_sheet *sheet,
	const struct imapd_sheet_row *row)
{
	struct cv_summary summary;
	struct cv_msg msg;

	if (f->items & IMAPD_ITEMS_OF_CORE) {
		msg = (struct cv_msg){
			.uid = row->uid,
			.size_bytes = row->size_bytes,
			.internal_secs = row->internal_secs,
			.saved_secs = row->saved_secs,
			.internal_zone = row->internal_zone,
		};
		memcpy(msg.email_id, row->email_id, sizeof msg.email_id);
		memcpy(msg.thread_id, row->thread_id, sizeof msg.thread_id);
	}
	if (f->wants_summary) {
		summary.envelope = imapd_sheet_envelope(sheet, row);
		summary.bodystructure = imapd_sheet_structure(sheet, row);
	}
	write_meta(f, f->at++, f->items & IMAPD_ITEMS_OF_CORE ? &msg : NULL,
		f->wants_summary ? &summary : NULL);
}

static enum cv_status
write_from_sheet(struct fetching *f, const struct imapd_sheet *sheet)
{
	const struct imapd_sheet_row *row;
	uint32_t from = 0;
	enum cv_status status = CV_OK;

	while (!status && f->at < f->count && !cv_conn_out_is_high(f->c->conn)) {
		row = imapd_sheet_find(sheet, from, f->uids[f->at]);
		if (!row)
			f->at = f->count;
		else if (row->uid != f->uids[f->at])
			f->at++; /* its row is gone */
		else if (row->is_odd && f->wants_summary)
			status = write_from_rows(f, f->at + 1);
		else
			write_sheet_row(f, sheet, row);
		from = row ? (uint32_t)(row - sheet->rows) : from;
	}
	return status;
}

/* Writes from the batch until it ends or the output is full. */
static enum cv_status
write_batch_meta(struct fetching *f)
{
	struct imapd_sheet *sheet = NULL;
	enum cv_status status = CV_OK;

	if (!(f->items & ~(unsigned)IMAPD_ITEMS_OF_VIEW)) {
		for (; f->at < f->count; f->at++)
			write_meta(f, f->at, NULL, NULL);
		return CV_OK;
	}
	if (f->uses_sheets && f->count)
		status = imapd_sheets_get(f->c->server->sheets, f->c->session->mbox,
			f->c->session->view, imapd_sheet_of(f->uids[0]), f->uids[f->count - 1],
			is_worth_a_sheet(f), &sheet, &f->err);
	if (!status)
		status = sheet ? write_from_sheet(f, sheet) : write_from_rows(f, f->count);
	imapd_sheet_unref(sheet);
	return status;
}

static enum cv_step
fetch_meta(struct fetching *f)
{
	for (;;) {
		if (f->at == f->count)
			fill_batch(f, BATCH_META);
		if (!f->count)
			return imapd_done(f->c, IMAPD_R_OK);
		enum cv_status status = write_batch_meta(f);
		if (status)
			return imapd_refuse(f->c, status, &f->err);
		if (cv_conn_out_is_high(f->c->conn))
			return CV_STEP_MORE;
	}
}

/* ---- with sections ---- */

static bool
on_core(void *arg, const struct cv_msg *msg)
{
	struct fetching *f = arg;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->uids[i] != msg->uid)
			continue;
		f->batch[i].msg = *msg;
		f->batch[i].msg.summary =
			msg->summary.p ? cv_arena_str(&f->arena, msg->summary) : CV_STR_EMPTY;
		f->batch[i].is_there = true;
	}
	return true;
}

/* Whether the transfer encoding of all that is asked for can be undone (RFC 3516 4.3). */
static bool
can_decode(const struct fetching *f, const struct fetched *m)
{
	struct cv_mime_section found;

	for (unsigned i = 0; i < f->args->section_count; i++) {
		const struct imapd_section *s = &f->args->sections[i];
		if (s->is_binary && s->path.n &&
			!cv_mime_section(cv_summary_places(&m->summary), s->path, &found) &&
			!imapd_can_decode(&found.place))
			return false;
	}
	return true;
}

/* Sets \Seen for the batch and tells other news, so that the flags told are the flags kept. */
static enum cv_status
set_seen(struct fetching *f)
{
	struct imapd_session *session = f->c->session;
	struct cv_flag_change seen = {.flags = CV_FLAG_SEEN};
	struct imapd_sync_how how = imapd_news_how(f->c, f->c->cmd->is_uid);
	uint32_t uids[BATCH_BODIES], failed[BATCH_BODIES];
	size_t n = 0, failed_count = 0;
	cv_ticket ticket = 0;

	for (unsigned i = 0; i < f->count; i++) {
		struct fetched *m = &f->batch[i];
		m->is_newly_seen = m->is_there &&
				   !(imapd_session_entry(session, m->seq)->flags & CV_FLAG_SEEN);
		if (m->is_newly_seen)
			uids[n++] = m->uid;
	}
	if (!n)
		return CV_OK;
	how.silent_modseq_untold = true;
	f->seen_modseq = 0;
	enum cv_status status =
		cv_mbox_store_as(session->mbox, &session->viewer, uids, n, CV_STORE_ADD, &seen,
			UINT64_MAX, failed, &failed_count, &f->seen_modseq, &ticket, &f->err);
	if (status)
		return status;
	f->ticket = CV_MAX(f->ticket, ticket);
	imapd_session_silence(session, f->seen_modseq);
	return imapd_session_sync(session, how, &f->arena, imapd_out(f->c), &f->err);
}

static enum cv_status
load_batch(struct fetching *f)
{
	cv_arena_reset(&f->arena);
	fill_batch(f, f->batch_max);
	if (!f->count)
		return CV_OK;
	for (unsigned i = 0; i < f->count; i++)
		f->batch[i] = (struct fetched){.seq = f->seqs[i], .uid = f->uids[i]};
	enum cv_status status = cv_msg_each(
		f->c->session->mbox, f->uids, f->count, f->wants_summary, on_core, f, &f->err);
	for (unsigned i = 0; !status && f->wants_summary && i < f->count; i++)
		if (f->batch[i].is_there)
			status = summary_of(f, &f->batch[i].msg, &f->batch[i].summary);
	for (unsigned i = 0; !status && i < f->count; i++) {
		if (f->batch[i].is_there && !can_decode(f, &f->batch[i])) {
			f->has_unknown_encoding = true;
			f->batch[i].is_there = false;
		}
	}
	for (unsigned i = 0; !status && i < f->count; i++)
		if (f->batch[i].is_there)
			imapd_note_fetch(f->c, f->args, &f->batch[i].msg);
	if (!status && f->sets_seen)
		status = set_seen(f);
	return status;
}

/* No literal may hold NUL (RFC 3501 9, CHAR8), but some mail does: it is shown as 0x80, so that
 * sizes and offsets stay true. */
static void
hide_nuls(struct cv_buf *buf, size_t from)
{
	for (char *at; from < buf->n && (at = memchr(buf->p + from, 0, buf->n - from));) {
		*at = (char)0x80;
		from = (size_t)(at - buf->p) + 1;
	}
}

static enum cv_status
add_to_buf(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct cv_buf *buf = arg;
	cv_buf_str(buf, bytes);
	return buf->full ? cv_fail(err, CV_LIMIT, "the output is full") : CV_OK;
}

/* [offset, offset + length) of the message that SECTION names. False: there is no such part. */
static bool
find_section(const struct fetched *m, const struct imapd_section *s, uint64_t *offset_out,
	uint64_t *length_out, enum cv_mime_encoding *encoding_out)
{
	struct cv_mime_section found;

	*offset_out = 0;
	*length_out = m->msg.size_bytes;
	*encoding_out = CV_MIME_8BIT;
	if (!s->path.n)
		return true;
	if (cv_mime_section(cv_summary_places(&m->summary), s->path, &found))
		return false;
	*offset_out = found.offset;
	*length_out = found.bytes;
	/* What holds parts is never encoded itself. */
	if (found.place.kind == CV_MIME_LEAF || found.place.kind == CV_MIME_TEXT)
		*encoding_out = found.place.encoding;
	return true;
}

static void
cut_partial(const struct imapd_section *s, uint64_t *offset, uint64_t *length)
{
	if (!s->is_partial)
		return;
	uint64_t skip = CV_MIN(s->first, *length);
	*offset += skip;
	*length = CV_MIN(*length - skip, s->length);
}

static void
write_literal_head(struct cv_buf *out, uint64_t n, bool is_exact)
{
	cv_buf_add(out, is_exact ? " ~{" : " {", is_exact ? 3 : 2);
	cv_buf_u64(out, n);
	cv_buf_add(out, "}\r\n", 3);
}

/* HEADER.FIELDS: from the stored fields when they hold all that is asked, else from the header. */
static enum cv_status
write_fields(struct fetching *f, const struct fetched *m, const struct imapd_section *s,
	uint64_t offset, uint64_t length)
{
	struct cv_buf header = CV_BUF_INIT(CV_HEADER_BYTES_MAX),
		      fields = CV_BUF_INIT(2 * CV_HEADER_BYTES_MAX);
	enum cv_status status = CV_OK;

	bool is_top = cv_str_ieq_z(s->path, "HEADER");
	if (!is_top || s->is_except ||
		cv_summary_fields(&m->summary, s->names, s->name_count, &fields)) {
		cv_buf_reset(&fields);
		length = CV_MIN(length, CV_HEADER_BYTES_MAX);
		status = cv_msg_read(f->c->session->mbox, &m->msg.body, offset, length, add_to_buf,
			&header, &f->err);
		if (!status)
			cv_header_pick(cv_buf_view(&header), s->names, s->name_count, s->is_except,
				&fields);
	}
	if (!status) {
		uint64_t from = 0, n = fields.n;
		hide_nuls(&fields, 0);
		cut_partial(s, &from, &n);
		write_literal_head(imapd_out(f->c), n, false);
		cv_buf_add(imapd_out(f->c), fields.p + from, (size_t)n);
	}
	cv_buf_done(&header);
	cv_buf_done(&fields);
	return status;
}

/* Begins a BINARY section. Its length stands before it, so it is decoded as a whole first, into
 * memory or a file, and only as far as a partial needs it. */
static enum cv_status
open_binary(struct fetching *f, const struct imapd_section *s, uint64_t offset, uint64_t length,
	enum cv_mime_encoding encoding)
{
	uint64_t limit = s->is_partial ? s->first + s->length : UINT64_MAX;

	f->decoding = imapd_decoding_new(encoding, s->is_size ? 0 : limit,
		cv_store_spool_dir(f->c->server->store));
	f->offset = offset;
	f->encoded_left = length;
	return CV_OK;
}

static enum cv_status
feed_decoding(void *arg, struct cv_str bytes, struct cv_err *err)
{
	return imapd_decoding_feed(arg, bytes, err);
}

/* A chunk further. At the end the literal's head is written, and what is decoded streams. */
static enum cv_status
decode_some(struct fetching *f, const struct fetched *m)
{
	const struct imapd_section *s = &f->args->sections[f->section - 1];
	struct cv_buf *out = imapd_out(f->c);
	uint64_t n = CV_MIN(f->encoded_left, CHUNK_BYTES);
	enum cv_status status = CV_OK;

	if (n)
		status = cv_msg_read(f->c->session->mbox, &m->msg.body, f->offset, n, feed_decoding,
			f->decoding, &f->err);
	f->offset += n;
	f->encoded_left -= n;
	f->budget -= CV_MIN(n, f->budget);
	if (imapd_decoding_has_enough(f->decoding))
		f->encoded_left = 0;
	if (status || f->encoded_left)
		return status;
	uint64_t size = 0;
	status = imapd_decoding_finish(f->decoding, &size, &f->err);
	if (status)
		return status;
	if (s->is_size) {
		cv_buf_c(out, ' ');
		cv_buf_u64(out, size);
		imapd_decoding_free(f->decoding);
		f->decoding = NULL;
		return CV_OK;
	}
	f->offset = 0;
	cut_partial(s, &f->offset, &size);
	write_literal_head(out, size, true);
	f->left = size;
	if (!size) {
		imapd_decoding_free(f->decoding);
		f->decoding = NULL;
	}
	return CV_OK;
}

static enum cv_status
stream_decoded(struct fetching *f)
{
	size_t n = (size_t)CV_MIN(f->left, CHUNK_BYTES);
	enum cv_status status =
		imapd_decoding_read(f->decoding, f->offset, n, imapd_out(f->c), &f->err);

	f->offset += n;
	f->left -= n;
	if (!f->left) {
		imapd_decoding_free(f->decoding);
		f->decoding = NULL;
	}
	return status;
}

/* Writes the head of the next section; what streams is left in offset and left. */
static enum cv_status
open_section(struct fetching *f, const struct fetched *m)
{
	const struct imapd_section *s = &f->args->sections[f->section];
	struct cv_buf *out = imapd_out(f->c);
	uint64_t offset, length;
	enum cv_mime_encoding encoding;

	if (f->section || f->has_items)
		cv_buf_c(out, ' ');
	cv_buf_str(out, s->label);
	if (!find_section(m, s, &offset, &length, &encoding)) {
		cv_buf_z(out, s->is_size ? " 0" : " NIL");
		return CV_OK;
	}
	if (s->is_fields)
		return write_fields(f, m, s, offset, length);
	if (s->is_binary && (encoding == CV_MIME_QP || encoding == CV_MIME_BASE64))
		return open_binary(f, s, offset, length, encoding);
	if (s->is_size) {
		cv_buf_c(out, ' ');
		cv_buf_u64(out, length);
		return CV_OK;
	}
	cut_partial(s, &offset, &length);
	write_literal_head(out, length, s->is_binary);
	f->is_exact = s->is_binary;
	f->offset = offset;
	f->left = length;
	return CV_OK;
}

static enum cv_status
stream_section(struct fetching *f, const struct fetched *m)
{
	uint64_t n = CV_MIN(f->left, CHUNK_BYTES);
	size_t before = imapd_out(f->c)->n;
	enum cv_status status = cv_msg_read(f->c->session->mbox, &m->msg.body, f->offset, n,
		add_to_buf, imapd_out(f->c), &f->err);

	if (!status && imapd_out(f->c)->n - before != n)
		return cv_fail(
			&f->err, CV_CORRUPT, "a stored message is shorter than its row says");
	if (!f->is_exact)
		hide_nuls(imapd_out(f->c), before);
	f->offset += n;
	f->left -= n;
	return status;
}

/* Writes on in the batch's message. *done_out: it is complete. */
static enum cv_status
write_message(struct fetching *f, bool *done_out)
{
	struct fetched *m = &f->batch[f->at];
	enum cv_status status = CV_OK;

	*done_out = false;
	if (!f->is_open) {
		bool is_first = true;
		write_view_items(f, m->seq, imapd_session_entry(f->c->session, m->seq),
			m->is_newly_seen, &is_first);
		write_core_items(f, &m->msg, &is_first);
		write_summary_items(f, &m->summary, &is_first);
		f->is_open = true;
		f->has_items = !is_first;
		f->section = 0;
	}
	while (!status && !cv_conn_out_is_high(f->c->conn) && f->budget) {
		if (f->left && f->decoding) {
			status = stream_decoded(f);
		} else if (f->decoding) {
			status = decode_some(f, m);
		} else if (f->left) {
			status = stream_section(f, m);
		} else if (f->section < f->args->section_count) {
			status = open_section(f, m);
			f->section++;
		} else {
			cv_buf_add(imapd_out(f->c), ")\r\n", 3);
			f->is_open = false;
			*done_out = true;
			return CV_OK;
		}
	}
	return status;
}

static enum cv_step
fetch_sections(struct fetching *f)
{
	for (;;) {
		if (f->at == f->count) {
			enum cv_status status = load_batch(f);
			if (status)
				return imapd_refuse(f->c, status, &f->err);
			if (!f->count) {
				f->c->cmd->ticket = f->ticket;
				if (f->has_unknown_encoding)
					return imapd_done(f->c, IMAPD_R_UNKNOWN_CTE);
				return imapd_done(f->c, IMAPD_R_OK);
			}
		}
		bool is_done = !f->batch[f->at].is_there;
		enum cv_status status = is_done ? CV_OK : write_message(f, &is_done);
		if (status) {
			/* The peer counts bytes that will not come: there is no way back. */
			cv_log(cv_conn_id(f->c->conn), CV_ERROR, "imap.fetch_failed",
				"user=%s uid=%u error=\"%s\"", f->c->address, f->uids[f->at],
				f->err.text);
			return CV_STEP_CLOSE;
		}
		if (is_done)
			f->at++;
		if (cv_conn_out_is_high(f->c->conn))
			return CV_STEP_MORE;
		if (!f->budget) {
			f->budget = BUDGET_BYTES;
			return imapd_yield(f->c);
		}
	}
}

/* UID FETCH ... (CHANGEDSINCE n VANISHED): what is gone comes first (RFC 7162 3.2.6). */
static enum cv_status
write_vanished(struct imapd_conn *c, struct cv_err *err)
{
	const struct imapd_args *a = &c->cmd->args;
	struct imapd_session *s = c->session;
	struct imapd_range *known;
	uint32_t count;

	imapd_set_resolve(&a->set, s->view->uidnext - 1, &c->arena, &known, &count);
	return imapd_write_vanished(
		s, a->fetch->changed_since, known, count, &c->arena, imapd_out(c), err);
}

enum cv_step
imapd_cmd_fetch(struct imapd_conn *c)
{
	struct cv_err err = {0};

	if (!c->cmd->step && c->cmd->args.fetch->vanished) {
		if (!c->cmd->is_uid)
			return imapd_done(c, IMAPD_R_SYNTAX);
		if (!c->qresync)
			return imapd_done(c, IMAPD_R_ENABLE_FIRST);
		enum cv_status status = write_vanished(c, &err);
		if (status)
			return imapd_refuse(c, status, &err);
	}
	if (!c->cmd->step && imapd_limit_refuses_partial(c, &c->cmd->args.fetch->partial))
		return CV_STEP_DONE;
	struct fetching *f = c->cmd->step ? c->cmd->step : begin(c);
	return c->cmd->args.fetch->section_count ? fetch_sections(f) : fetch_meta(f);
}
