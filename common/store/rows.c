/* rows.c - the form of every row. One decoder a kind; each reads all fields, then looks once
 * whether the reader ran past the end, and checks ranges before anyone uses them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/rows.h"

#define FLAGS_MASK 31u
#define BIG        ((uint64_t)1 << 62) /* no honest counter comes near */

/* ---- keys ---- */

void
cv_key_head(struct cv_buf *out)
{
	cv_buf_c(out, 'H');
}

void
cv_key_box(struct cv_buf *out, char kind, uint32_t box)
{
	cv_buf_c(out, kind);
	cv_buf_be32(out, box);
}

void
cv_key_uid(struct cv_buf *out, char kind, uint32_t box, uint32_t uid)
{
	cv_key_box(out, kind, box);
	cv_buf_be32(out, uid);
}

void
cv_key_modseq(struct cv_buf *out, uint32_t box, uint64_t modseq)
{
	cv_key_box(out, 'X', box);
	cv_buf_be64(out, modseq);
}

void
cv_key_removed(struct cv_buf *out, int64_t secs, uint32_t number)
{
	cv_buf_c(out, 'R');
	cv_buf_be64(out, (uint64_t)secs);
	cv_buf_be32(out, number);
}

void
cv_key_sub(struct cv_buf *out, uint32_t number)
{
	cv_key_uid(out, 'B', UINT32_MAX, number);
}

void
cv_key_acl(struct cv_buf *out, uint32_t box)
{
	cv_key_box(out, 'B', box);
	cv_buf_c(out, 'A');
}

void
cv_key_delivery(struct cv_buf *out, struct cv_str id)
{
	cv_buf_c(out, 'D');
	cv_buf_str(out, id);
}

void
cv_key_note(struct cv_buf *out, uint32_t box, cv_acct_id person, struct cv_str name)
{
	cv_key_box(out, CV_KEY_NOTE, box);
	cv_buf_be64(out, person);
	cv_buf_str(out, name);
}

static struct cv_rd
key_reader(struct cv_str key, char kind, size_t n)
{
	struct cv_rd r = cv_rd(key);
	if (key.n != n || cv_rd_u8(&r) != (uint8_t)kind)
		r.bad = true;
	return r;
}

bool
cv_key_read_box(struct cv_str key, char kind, uint32_t *box_out)
{
	struct cv_rd r = key_reader(key, kind, 5);
	*box_out = cv_rd_be32(&r);
	return !r.bad;
}

bool
cv_key_read_acl(struct cv_str key, uint32_t *box_out)
{
	struct cv_rd r = key_reader(key, 'B', 6);
	*box_out = cv_rd_be32(&r);
	return cv_rd_u8(&r) == 'A' && !r.bad;
}

bool
cv_key_read_uid(struct cv_str key, char kind, uint32_t *box_out, uint32_t *uid_out)
{
	struct cv_rd r = key_reader(key, kind, 9);
	*box_out = cv_rd_be32(&r);
	*uid_out = cv_rd_be32(&r);
	return !r.bad;
}

bool
cv_key_read_modseq(struct cv_str key, uint32_t *box_out, uint64_t *modseq_out)
{
	struct cv_rd r = key_reader(key, 'X', 13);
	*box_out = cv_rd_be32(&r);
	*modseq_out = cv_rd_be64(&r);
	return !r.bad;
}

bool
cv_key_read_note(
	struct cv_str key, uint32_t *box_out, cv_acct_id *person_out, struct cv_str *name_out)
{
	struct cv_rd r = cv_rd(key);
	if (cv_rd_u8(&r) != CV_KEY_NOTE)
		r.bad = true;
	*box_out = cv_rd_be32(&r);
	*person_out = cv_rd_be64(&r);
	*name_out = cv_str_sub(key, 13, key.n);
	return !r.bad && name_out->n;
}

bool
cv_key_read_removed(struct cv_str key, int64_t *secs_out, uint32_t *number_out)
{
	struct cv_rd r = key_reader(key, 'R', 13);
	*secs_out = (int64_t)cv_rd_be64(&r);
	*number_out = cv_rd_be32(&r);
	return !r.bad;
}

/* ---- small helpers ---- */

static uint64_t
zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void
begin(struct cv_buf *out)
{
	cv_buf_c(out, CV_ROW_VERSION);
}

static struct cv_rd
open_row(struct cv_str value)
{
	struct cv_rd r = cv_rd(value);
	if (cv_rd_u8(&r) != CV_ROW_VERSION)
		r.bad = true;
	return r;
}

static uint32_t
read_u32(struct cv_rd *r)
{
	uint64_t v = cv_rd_varint(r);
	if (v > UINT32_MAX)
		r->bad = true;
	return (uint32_t)v;
}

static uint64_t
read_counter(struct cv_rd *r)
{
	uint64_t v = cv_rd_varint(r);
	if (v > BIG)
		r->bad = true;
	return v;
}

static enum cv_status
close_row(struct cv_rd *r)
{
	return r->bad || cv_rd_left(r) ? CV_CORRUPT : CV_OK;
}

/* ---- H ---- */

void
cv_row_head_encode(const struct cv_row_head *row, struct cv_buf *out)
{
	begin(out);
	cv_buf_varint(out, (uint64_t)row->state << 1 | row->has_quota);
	cv_buf_varint(out, row->epoch);
	cv_buf_varint(out, row->modseq);
	cv_buf_varint(out, row->next_id);
	cv_buf_varint(out, row->last_uidvalidity);
	cv_buf_varint(out, row->quota_bytes);
	cv_buf_varint(out, zigzag(row->created_secs));
	if (row->notice)
		cv_buf_c(out, (char)row->notice);
}

enum cv_status
cv_row_head_decode(struct cv_str value, struct cv_row_head *out)
{
	struct cv_rd r = open_row(value);
	uint64_t bits = cv_rd_varint(&r);
	if (bits >> 1 > CV_ROW_PURGING)
		r.bad = true;
	*out = (struct cv_row_head){.state = (enum cv_row_state)(bits >> 1), .has_quota = bits & 1};
	out->epoch = read_counter(&r);
	out->modseq = read_counter(&r);
	out->next_id = read_u32(&r);
	out->last_uidvalidity = read_u32(&r);
	out->quota_bytes = read_counter(&r);
	out->created_secs = unzigzag(cv_rd_varint(&r));
	if (!r.bad && cv_rd_left(&r))
		out->notice = cv_rd_u8(&r);
	return close_row(&r);
}

/* ---- N ---- */

void
cv_row_note_encode(struct cv_str name, struct cv_str value, struct cv_buf *out)
{
	begin(out);
	cv_buf_bytes(out, name);
	cv_buf_bytes(out, value);
}

enum cv_status
cv_row_note_decode(struct cv_str row, struct cv_str *name_out, struct cv_str *value_out)
{
	struct cv_rd r = open_row(row);
	*name_out = cv_rd_bytes(&r);
	*value_out = cv_rd_bytes(&r);
	return close_row(&r);
}

/* ---- B ---- */

void
cv_row_box_encode(const struct cv_row_box *row, struct cv_buf *out)
{
	begin(out);
	cv_buf_varint(out, (uint64_t)row->use << 2 | (row->selectable ? 2u : 0u) | row->subscribed);
	cv_buf_bytes(out, row->name);
	cv_buf_varint(out, row->epoch);
	cv_buf_be32(out, row->uidvalidity);
	cv_buf_be32(out, row->uidnext);
	cv_buf_varint(out, row->highest_modseq);
	cv_buf_varint(out, row->vanished_floor);
	cv_buf_varint(out, row->exists);
	cv_buf_varint(out, row->unseen);
	cv_buf_varint(out, row->deleted);
	cv_buf_varint(out, row->recent);
	cv_buf_varint(out, row->recent_from);
	cv_buf_varint(out, row->size_bytes);
}

enum cv_status
cv_row_box_decode(struct cv_str value, struct cv_row_box *out)
{
	struct cv_rd r = open_row(value);
	uint64_t bits = cv_rd_varint(&r);
	if (bits >> 2 > CV_USE_QUARANTINE)
		r.bad = true;
	*out = (struct cv_row_box){
		.use = (enum cv_special_use)(bits >> 2),
		.selectable = bits & 2,
		.subscribed = bits & 1,
	};
	out->name = cv_rd_bytes(&r);
	out->epoch = read_counter(&r);
	out->uidvalidity = cv_rd_be32(&r);
	out->uidnext = cv_rd_be32(&r);
	out->highest_modseq = read_counter(&r);
	out->vanished_floor = read_counter(&r);
	out->exists = read_u32(&r);
	out->unseen = read_u32(&r);
	out->deleted = read_u32(&r);
	out->recent = read_u32(&r);
	out->recent_from = read_u32(&r);
	out->size_bytes = read_counter(&r);
	if (!out->name.n || !out->uidvalidity || !out->uidnext)
		r.bad = true;
	return close_row(&r);
}

/* ---- M ---- */

void
cv_row_msg_encode(const struct cv_row_msg *row, struct cv_buf *out)
{
	begin(out);
	cv_buf_c(out, (char)row->place);
	if (row->place == CV_SUMMARY_OTHER) {
		cv_buf_varint(out, row->summary_box);
		cv_buf_varint(out, row->summary_uid);
	}
	cv_buf_varint(out, row->size_bytes);
	cv_buf_varint(out, zigzag(row->internal_secs));
	cv_buf_varint(out, zigzag(row->internal_zone));
	cv_buf_varint(out, zigzag(row->saved_secs));
	cv_buf_add(out, row->email_id, sizeof row->email_id);
	cv_buf_add(out, row->thread_id, sizeof row->thread_id);
	cv_buf_bytes(out, cv_str((const char *)row->body.bytes, row->body.n));
	cv_buf_bytes(out, row->delivery_id);
}

static void
read_id(struct cv_rd *r, uint8_t id[16])
{
	struct cv_str s = cv_rd_take(r, 16);
	if (s.n == 16)
		memcpy(id, s.p, 16);
}

enum cv_status
cv_row_msg_decode(struct cv_str value, struct cv_row_msg *out)
{
	struct cv_rd r = open_row(value);
	*out = (struct cv_row_msg){0};
	uint8_t place = cv_rd_u8(&r);
	if (place > CV_SUMMARY_SHARED)
		r.bad = true;
	out->place = (enum cv_summary_place)place;
	if (place == CV_SUMMARY_OTHER) {
		out->summary_box = read_u32(&r);
		out->summary_uid = read_u32(&r);
	}
	out->size_bytes = read_counter(&r);
	out->internal_secs = unzigzag(cv_rd_varint(&r));
	int64_t zone = unzigzag(cv_rd_varint(&r));
	if (zone < INT16_MIN || zone > INT16_MAX)
		r.bad = true;
	out->internal_zone = (int16_t)zone;
	out->saved_secs = unzigzag(cv_rd_varint(&r));
	read_id(&r, out->email_id);
	read_id(&r, out->thread_id);
	struct cv_str body = cv_rd_bytes(&r);
	if (!body.n || body.n > CV_BLOB_REF_MAX)
		r.bad = true;
	else {
		memcpy(out->body.bytes, body.p, body.n);
		out->body.n = (uint8_t)body.n;
	}
	out->delivery_id = cv_rd_bytes(&r);
	if (out->delivery_id.n > CV_DELIVERY_KEY_MAX)
		r.bad = true;
	return close_row(&r);
}

/* ---- R, D, C ---- */

void
cv_row_removed_encode(const struct cv_row_removed *row, struct cv_buf *out)
{
	begin(out);
	cv_buf_c(out, (char)row->kind);
	cv_buf_varint(out, row->box);
	cv_buf_bytes(out, row->name);
	cv_buf_bytes(out, row->uids);
	if (row->marks.n)
		cv_buf_bytes(out, row->marks);
}

enum cv_status
cv_row_removed_decode(struct cv_str value, struct cv_row_removed *out)
{
	struct cv_rd r = open_row(value);
	*out = (struct cv_row_removed){0};
	uint8_t kind = cv_rd_u8(&r);
	if (kind > CV_REMOVED_STAGED)
		r.bad = true;
	out->kind = (enum cv_removed_kind)kind;
	out->box = read_u32(&r);
	out->name = cv_rd_bytes(&r);
	out->uids = cv_rd_bytes(&r);
	if (!r.bad && cv_rd_left(&r))
		out->marks = cv_rd_bytes(&r);
	return close_row(&r);
}

void
cv_row_delivery_encode(const struct cv_row_delivery *row, struct cv_buf *out)
{
	begin(out);
	cv_buf_varint(out, zigzag(row->secs));
	cv_buf_varint(out, row->box);
	cv_buf_varint(out, row->uid);
}

enum cv_status
cv_row_delivery_decode(struct cv_str value, struct cv_row_delivery *out)
{
	struct cv_rd r = open_row(value);
	out->secs = unzigzag(cv_rd_varint(&r));
	out->box = read_u32(&r);
	out->uid = read_u32(&r);
	return close_row(&r);
}

void
cv_row_count_encode(uint64_t accounts, struct cv_buf *out)
{
	begin(out);
	cv_buf_varint(out, accounts);
}

enum cv_status
cv_row_count_decode(struct cv_str value, uint64_t *accounts_out)
{
	struct cv_rd r = open_row(value);
	*accounts_out = read_counter(&r);
	return close_row(&r);
}

/* ---- K ---- */

void
cv_row_keywords_encode(const struct cv_str *names, size_t count, struct cv_buf *out)
{
	begin(out);
	cv_buf_varint(out, count);
	for (size_t i = 0; i < count; i++)
		cv_buf_bytes(out, names[i]);
}

enum cv_status
cv_row_keywords_decode(struct cv_str value, struct cv_str names[CV_KEYWORDS_MAX], size_t *count_out)
{
	struct cv_rd r = open_row(value);
	uint64_t count = cv_rd_varint(&r);
	*count_out = 0;
	if (count > CV_KEYWORDS_MAX)
		return CV_CORRUPT;
	for (size_t i = 0; i < count; i++) {
		names[i] = cv_rd_bytes(&r);
		if (!names[i].n || names[i].n > CV_KEYWORD_BYTES_MAX)
			r.bad = true;
	}
	*count_out = (size_t)count;
	return close_row(&r);
}

/* ---- F: four columns, each a list of runs ----
 * uids:     gap before the run, its length - 1
 * flags:    (length - 1) << 5 | flags
 * modseqs:  zigzag(change from the value before) << 1 | longer than one; then length - 2
 * keywords: mask, length - 1 */

static size_t
run_of(const struct cv_entry *e, size_t count,
	bool (*same)(const struct cv_entry *a, const struct cv_entry *b))
{
	size_t n = 1;
	while (n < count && same(&e[n - 1], &e[n]))
		n++;
	return n;
}

static bool
next_uid(const struct cv_entry *a, const struct cv_entry *b)
{
	return b->uid == a->uid + 1;
}

static bool
same_flags(const struct cv_entry *a, const struct cv_entry *b)
{
	return a->flags == b->flags;
}

static bool
same_keywords(const struct cv_entry *a, const struct cv_entry *b)
{
	return a->keywords == b->keywords;
}

static void
encode_modseqs(const struct cv_entry *e, size_t count, struct cv_buf *out)
{
	uint64_t before = 0;
	for (size_t i = 0; i < count;) {
		int64_t step = (int64_t)(e[i].modseq - before);
		size_t n = 1;
		while (i + n < count && (int64_t)(e[i + n].modseq - e[i + n - 1].modseq) == step)
			n++;
		cv_buf_varint(out, zigzag(step) << 1 | (n > 1));
		if (n > 1)
			cv_buf_varint(out, n - 2);
		before = e[i + n - 1].modseq;
		i += n;
	}
}

void
cv_row_page_encode(
	const struct cv_entry *entries, size_t count, uint32_t number, struct cv_buf *out)
{
	begin(out);
	cv_buf_varint(out, count);
	uint32_t place = number * CV_PAGE_UIDS;
	for (size_t i = 0; i < count;) {
		size_t n = run_of(entries + i, count - i, next_uid);
		cv_buf_varint(out, entries[i].uid - place);
		cv_buf_varint(out, n - 1);
		place = entries[i].uid + (uint32_t)n;
		i += n;
	}
	for (size_t i = 0, n; i < count; i += n) {
		n = run_of(entries + i, count - i, same_flags);
		cv_buf_varint(out, (n - 1) << 5 | (entries[i].flags & FLAGS_MASK));
	}
	for (size_t i = 0, n; i < count; i += n) {
		n = run_of(entries + i, count - i, same_keywords);
		cv_buf_varint(out, entries[i].keywords);
		cv_buf_varint(out, n - 1);
	}
	encode_modseqs(entries, count, out);
}

/* The length of a run: stored one less; never past the LEFT entries that lack a value. */
static uint32_t
read_run(struct cv_rd *r, uint64_t less_one, uint32_t left)
{
	if (r->bad || less_one >= left) {
		r->bad = true;
		return left;
	}
	return (uint32_t)less_one + 1;
}

static void
decode_uids(struct cv_rd *r, uint32_t number, struct cv_entry *e, uint32_t count)
{
	uint64_t place = (uint64_t)number * CV_PAGE_UIDS, end = place + CV_PAGE_UIDS;
	for (uint32_t i = 0; i < count;) {
		uint64_t gap = cv_rd_varint(r);
		uint32_t n = read_run(r, cv_rd_varint(r), count - i);
		if (r->bad || gap >= CV_PAGE_UIDS || place + gap + n > end) {
			r->bad = true;
			return;
		}
		place += gap;
		for (; n; n--)
			e[i++].uid = (uint32_t)place++;
	}
}

static void
decode_modseqs(struct cv_rd *r, struct cv_entry *e, uint32_t count)
{
	uint64_t modseq = 0;
	for (uint32_t i = 0; i < count;) {
		uint64_t v = cv_rd_varint(r);
		uint32_t n = v & 1 ? read_run(r, cv_rd_varint(r) + 1, count - i) : 1;
		if (r->bad)
			return;
		for (; n; n--) {
			modseq += (uint64_t)unzigzag(v >> 1);
			if (modseq > BIG)
				r->bad = true;
			e[i++].modseq = modseq;
		}
	}
}

enum cv_status
cv_row_page_decode(struct cv_str value, uint32_t number, struct cv_entry entries[CV_PAGE_UIDS],
	uint32_t *count_out)
{
	struct cv_rd r = open_row(value);
	uint64_t count64 = cv_rd_varint(&r);
	*count_out = 0;
	if (r.bad || !count64 || count64 > CV_PAGE_UIDS || number > UINT32_MAX / CV_PAGE_UIDS)
		return CV_CORRUPT;
	uint32_t count = (uint32_t)count64;
	decode_uids(&r, number, entries, count);
	for (uint32_t i = 0; i < count && !r.bad;) {
		uint64_t v = cv_rd_varint(&r);
		for (uint32_t n = read_run(&r, v >> 5, count - i); n; n--)
			entries[i++].flags = (uint32_t)(v & FLAGS_MASK);
	}
	for (uint32_t i = 0; i < count && !r.bad;) {
		uint64_t mask = cv_rd_varint(&r);
		for (uint32_t n = read_run(&r, cv_rd_varint(&r), count - i); n; n--)
			entries[i++].keywords = mask;
	}
	decode_modseqs(&r, entries, count);
	if (!r.bad && !entries[0].uid)
		return CV_CORRUPT;
	*count_out = count;
	return close_row(&r);
}

/* ---- lists of UIDs: gap before the run, its length - 1 ---- */

void
cv_uids_encode(const uint32_t *uids, size_t count, struct cv_buf *out)
{
	uint32_t place = 0;
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && uids[i + n] == uids[i + n - 1] + 1;)
			n++;
		cv_buf_varint(out, uids[i] - place);
		cv_buf_varint(out, n - 1);
		place = uids[i] + (uint32_t)n;
	}
}

struct cv_uids_rd
cv_uids_read(struct cv_str value)
{
	return (struct cv_uids_rd){.rd = cv_rd(value)};
}

bool
cv_uids_next(struct cv_uids_rd *r, uint32_t *uid_out)
{
	if (!r->left_in_run) {
		if (r->rd.bad || !cv_rd_left(&r->rd))
			return false;
		uint64_t gap = cv_rd_varint(&r->rd), more = cv_rd_varint(&r->rd);
		if (gap > UINT32_MAX || more >= UINT32_MAX || r->next + gap + more > UINT32_MAX)
			r->rd.bad = true;
		if (r->rd.bad)
			return false;
		r->next += gap;
		r->left_in_run = (uint32_t)more + 1;
	}
	r->left_in_run--;
	*uid_out = (uint32_t)r->next++;
	return true;
}

/* ---- marks: (length - 1) << 6 | has keywords << 5 | flags, then the keywords ---- */

void
cv_marks_encode(const struct cv_entry *entries, size_t count, struct cv_buf *out)
{
	for (size_t i = 0, n; i < count; i += n) {
		const struct cv_entry *e = &entries[i];
		for (n = 1; i + n < count && same_flags(e, e + n) && same_keywords(e, e + n);)
			n++;
		cv_buf_varint(
			out, (n - 1) << 6 | (e->keywords ? 1u << 5 : 0) | (e->flags & FLAGS_MASK));
		if (e->keywords)
			cv_buf_varint(out, e->keywords);
	}
}

struct cv_marks_rd
cv_marks_read(struct cv_str value)
{
	return (struct cv_marks_rd){.rd = cv_rd(value)};
}

bool
cv_marks_next(struct cv_marks_rd *r, uint32_t *flags_out, uint64_t *keywords_out)
{
	if (!r->left_in_run) {
		if (r->rd.bad || !cv_rd_left(&r->rd))
			return false;
		uint64_t v = cv_rd_varint(&r->rd);
		r->flags = (uint32_t)(v & FLAGS_MASK);
		r->keywords = v & 1u << 5 ? cv_rd_varint(&r->rd) : 0;
		if (v >> 6 >= UINT32_MAX)
			r->rd.bad = true;
		if (r->rd.bad)
			return false;
		r->left_in_run = (uint32_t)(v >> 6) + 1;
	}
	r->left_in_run--;
	*flags_out = r->flags;
	*keywords_out = r->keywords;
	return true;
}
