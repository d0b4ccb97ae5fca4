/* mime.c - the scanner: lines in, parts out. Reading a part's fields is in mime_fields.c.
 *
 * Input is taken line by line, but a line is never held as a whole: only one that starts like a
 * delimiter is kept until that is decided, and header blocks are gathered. `pos` is the offset of
 * the first byte not yet taken as content. A header may turn out to have ended earlier than its
 * bytes were taken (a line without a colon, a field over the limit): those bytes are then put back
 * and taken again as what they are. Nothing here calls itself.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/mime.h"

#include "common/text/mime_internal.h"

/* "--", the longest boundary, "--": enough to decide whether a line is a delimiter. */
#define CANDIDATE_MAX (2 + CV_MIME_BOUNDARY_MAX + 2)
/* Header bytes taken in one piece; the limit is checked behind each. */
#define PIECE_MAX (64u << 10)
#define HEADER_ROOM (CV_MIME_HEADER_MAX + PIECE_MAX + CANDIDATE_MAX)

enum state {
	IN_HEADER,
	IN_LEAF, /* the body of a leaf */
	BETWEEN  /* before the first delimiter, behind the last one, or a part past the limit */
};

/* An open multipart or message. */
struct frame {
	uint32_t part;
	uint32_t last_child;
	struct cv_str boundary; /* empty: none, or seen closing */
};

struct cv_mime_scan {
	struct cv_arena *arena;
	struct cv_arena scratch; /* for one header block */
	struct cv_mime_tree *tree;
	uint32_t cap;
	size_t envelopes_left; /* bytes */
	bool only_parts;       /* no envelope of the message itself, no counts */
	uint64_t *body_lf; /* for each part: line ends before its body */
	struct frame frames[CV_MIME_DEPTH_MAX];
	uint32_t depth;       /* frames in use */
	uint32_t boundaries;  /* frames with a boundary */
	enum state state;
	uint32_t current; /* the part whose header or leaf body is being read */
	uint64_t pos;
	uint64_t lf; /* line ends before pos */
	bool at_line_start;
	bool in_delimiter; /* the rest of a delimiter line is being passed over */
	char last_byte;    /* the one before pos */
	uint8_t eol;       /* length of the line end before pos, when at_line_start */
	struct cv_buf held; /* the start of a line that may be a delimiter */
	struct cv_buf header;
	size_t line_at, field_at; /* in header */
	size_t fields;
	struct cv_buf replay; /* bytes put back: those from pos on are still to be taken */
	uint64_t replay_base; /* offset of the first of them */
	cv_mime_body_fn *body;
	void *body_ctx;
	cv_mime_header_fn *header_fn;
	void *header_ctx;
	char pending[2]; /* a line end not yet given to `body` */
	uint8_t pending_n;
};

static struct cv_mime_part *
part_at(struct cv_mime_scan *m, uint32_t index)
{
	return &m->tree->parts[index];
}

/* ---- giving bodies to the watcher ---- */

static void
flush_pending(struct cv_mime_scan *m)
{
	if (m->pending_n && m->body)
		m->body(m->body_ctx, m->current, part_at(m, m->current),
		        cv_str(m->pending, m->pending_n));
	m->pending_n = 0;
}

static void
give_body(struct cv_mime_scan *m, struct cv_str s)
{
	if (!m->body || m->state != IN_LEAF || !s.n)
		return;
	if (m->pending_n == 1 && m->pending[0] == '\r' && s.p[0] == '\n') {
		m->pending[m->pending_n++] = '\n';
		s = cv_str_sub(s, 1, s.n);
		if (!s.n)
			return;
	}
	flush_pending(m);
	size_t keep = 0;
	if (s.p[s.n - 1] == '\n')
		keep = s.n > 1 && s.p[s.n - 2] == '\r' ? 2 : 1;
	else if (s.p[s.n - 1] == '\r')
		keep = 1;
	if (s.n > keep && m->body)
		m->body(m->body_ctx, m->current, part_at(m, m->current),
		        cv_str_sub(s, 0, s.n - keep));
	memcpy(m->pending, s.p + s.n - keep, keep);
	m->pending_n = (uint8_t)keep;
}

/* ---- parts and frames ---- */

static void
grow(struct cv_mime_scan *m)
{
	uint32_t cap = m->cap ? CV_MIN(m->cap * 2, (uint32_t)CV_MIME_PARTS_MAX) : 4;
	struct cv_mime_part *parts = CV_ARENA_ARRAY(m->arena, struct cv_mime_part, cap);
	uint64_t *lfs = cv_calloc(cap, sizeof *lfs);
	if (m->cap) {
		memcpy(parts, m->tree->parts, m->cap * sizeof *parts);
		memcpy(lfs, m->body_lf, m->cap * sizeof *lfs);
	}
	free(m->body_lf);
	m->body_lf = lfs;
	m->tree->parts = parts;
	m->cap = cap;
}

/* Starts a part at pos, below the innermost frame; its header comes next. */
static void
begin_part(struct cv_mime_scan *m)
{
	struct cv_mime_tree *t = m->tree;
	if (t->count == m->cap)
		grow(m);
	uint32_t index = t->count++;
	struct cv_mime_part *p = part_at(m, index);
	p->parent = p->first_child = p->next_sibling = CV_MIME_NONE;
	p->at.depth = m->depth;
	p->at.header_offset = m->pos;
	if (m->depth) {
		struct frame *f = &m->frames[m->depth - 1];
		p->parent = f->part;
		part_at(m, f->part)->child_count++;
		if (f->last_child == CV_MIME_NONE)
			part_at(m, f->part)->first_child = index;
		else
			part_at(m, f->last_child)->next_sibling = index;
		f->last_child = index;
	}
	m->current = index;
	m->state = IN_HEADER;
	m->header.n = m->line_at = m->field_at = m->fields = 0;
}

static void
push_frame(struct cv_mime_scan *m, uint32_t part, struct cv_str boundary)
{
	m->frames[m->depth++] = (struct frame){ part, CV_MIME_NONE, boundary };
	m->boundaries += boundary.n > 0;
}

static void
close_part(struct cv_mime_scan *m, uint32_t index, uint64_t end, uint64_t lf)
{
	struct cv_mime_place *at = &part_at(m, index)->at;
	at->body_bytes = end - at->body_offset;
	at->lines = lf - m->body_lf[index];
}

static bool
may_descend(const struct cv_mime_scan *m)
{
	return m->depth < CV_MIME_DEPTH_MAX && m->tree->count < CV_MIME_PARTS_MAX;
}

static void
make_opaque(struct cv_mime_scan *m, struct cv_mime_part *p)
{
	p->limited = m->tree->limited = true;
	p->at.kind = CV_MIME_LEAF;
	p->at.type = CV_STR("application");
	p->at.subtype = CV_STR("octet-stream");
}

/* The header of the current part ends at pos: reads it and goes on to what comes below. */
static void
end_header(struct cv_mime_scan *m, bool too_large)
{
	uint32_t index = m->current;
	struct cv_mime_part *p = part_at(m, index);
	bool in_digest = p->parent != CV_MIME_NONE &&
	                 part_at(m, p->parent)->at.kind == CV_MIME_MULTIPART &&
	                 cv_str_eq_z(part_at(m, p->parent)->at.subtype, "digest");
	bool is_message = p->parent == CV_MIME_NONE ||
	                  part_at(m, p->parent)->at.kind == CV_MIME_MESSAGE;

	p->at.header_bytes = m->pos - p->at.header_offset;
	p->at.body_offset = m->pos;
	m->body_lf[index] = m->lf;
	struct cv_str boundary = CV_STR_EMPTY;
	struct cv_str block = cv_buf_view(&m->header);
	bool is_left = !index && m->only_parts;
	cv_mime_read_fields(m->arena, &m->scratch, block, in_digest,
	                    is_message && !is_left ? m->envelopes_left : 0, p, &boundary);
	m->envelopes_left -= p->envelope.n;
	m->tree->has_8bit_header |= cv_mime_has_8bit(block);
	cv_arena_reset(&m->scratch);

	m->state = IN_LEAF;
	m->pending_n = 0;
	bool has_children = p->at.kind == CV_MIME_MULTIPART || p->at.kind == CV_MIME_MESSAGE;
	if (too_large || (has_children && !may_descend(m))) {
		make_opaque(m, p);
		has_children = false;
	}
	if (m->header_fn)
		m->header_fn(m->header_ctx, index, p, block);
	if (!has_children)
		return;
	if (p->at.kind == CV_MIME_MULTIPART) {
		push_frame(m, index, boundary);
		m->state = BETWEEN;
	} else {
		push_frame(m, index, CV_STR_EMPTY);
		begin_part(m);
	}
}

/* Closes the leaf that is open and all frames above KEEP. A header that the delimiter cut short, or
 * that nothing follows, keeps its last line end: then its part ends behind that, and so does all
 * that holds the part. */
static void
close_down_to(struct cv_mime_scan *m, uint32_t keep, uint64_t end, uint64_t lf)
{
	if (m->state == IN_LEAF) {
		end = CV_MAX(end, part_at(m, m->current)->at.body_offset);
		lf = CV_MAX(lf, m->body_lf[m->current]);
		close_part(m, m->current, end, lf);
	}
	while (m->depth > keep) {
		struct frame *f = &m->frames[--m->depth];
		m->boundaries -= f->boundary.n > 0;
		end = CV_MAX(end, part_at(m, f->part)->at.body_offset);
		lf = CV_MAX(lf, m->body_lf[f->part]);
		close_part(m, f->part, end, lf);
	}
}

/* ---- delimiters ---- */

/* The frame whose boundary LINE ("--...") starts with, or CV_MIME_NONE. The longest boundary wins,
 * then the innermost, so that a boundary may begin with an outer one. */
static uint32_t
match_delimiter(const struct cv_mime_scan *m, struct cv_str line)
{
	uint32_t best = CV_MIME_NONE;
	size_t best_n = 0;
	if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
		return CV_MIME_NONE;
	for (uint32_t i = m->depth; i-- > 0;) {
		struct cv_str b = m->frames[i].boundary;
		if (b.n > best_n && b.n <= line.n - 2 && memcmp(line.p + 2, b.p, b.n) == 0) {
			best = i;
			best_n = b.n;
		}
	}
	return best;
}

static void
take_delimiter(struct cv_mime_scan *m, uint32_t frame, struct cv_str line)
{
	while (m->state == IN_HEADER)
		end_header(m, false);
	uint64_t end = m->pos - CV_MIN(m->pos, (uint64_t)m->eol);
	close_down_to(m, frame + 1, end, m->lf - (m->lf > 0));
	m->pending_n = 0; /* that line end belongs to the delimiter */

	struct frame *f = &m->frames[frame];
	struct cv_str rest = cv_str_sub(line, 2 + f->boundary.n, line.n);
	m->state = BETWEEN;
	m->in_delimiter = true;
	/* A boundary that was told with blanks at its end, which is forbidden, ends in them. */
	if (cv_str_has_prefix(cv_str_trim(rest), "--")) {
		f->boundary = CV_STR_EMPTY;
		m->boundaries--;
		return;
	}
	if (m->tree->count >= CV_MIME_PARTS_MAX) {
		m->tree->limited = true;
		return;
	}
	m->current = CV_MIME_NONE; /* the part begins behind this line */
}

/* ---- content ---- */

static void
advance(struct cv_mime_scan *m, struct cv_str s)
{
	m->pos += s.n;
	if (s.n)
		m->last_byte = s.p[s.n - 1];
}

/* Notes the line end at LF, the last byte of SEEN. */
static void
note_line_end(struct cv_mime_scan *m, struct cv_str seen)
{
	char before = seen.n > 1 ? seen.p[seen.n - 2] : m->last_byte;
	m->eol = before == '\r' ? 2 : 1;
	m->at_line_start = true;
	m->lf++;
}

/* Where the first line behind the one that IN begins in starts with a hyphen, or IN's end. */
static const char *
next_hyphen_line(const struct cv_mime_scan *m, struct cv_str in)
{
	const char *p = in.p, *end = in.p + in.n;
	if (!m->boundaries)
		return end;
	while (++p < end && (p = memchr(p, '-', (size_t)(end - p))))
		if (p[-1] == '\n')
			return p;
	return end;
}

/* Takes body bytes up to a line that might be a delimiter; returns how many. */
static size_t
take_body(struct cv_mime_scan *m, struct cv_str in)
{
	const char *p = in.p, *end = in.p + in.n;
	m->at_line_start = false;
	if (m->only_parts) {
		p = next_hyphen_line(m, in);
		if (p[-1] == '\n')
			note_line_end(m, cv_str(in.p, (size_t)(p - in.p)));
	}
	while (p < end && !m->at_line_start) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		if (!lf) {
			p = end;
			m->at_line_start = false;
			break;
		}
		p = lf + 1;
		if (p == end || (*p == '-' && m->boundaries)) {
			note_line_end(m, cv_str(in.p, (size_t)(p - in.p)));
			break;
		}
		m->lf++;
	}
	struct cv_str taken = cv_str(in.p, (size_t)(p - in.p));
	give_body(m, taken);
	advance(m, taken);
	return taken.n;
}

/* Puts the bytes of the header from AT on back into the input and ends the header there. */
static void
end_header_at(struct cv_mime_scan *m, size_t at, bool too_large)
{
	struct cv_str tail = cv_str_sub(cv_buf_view(&m->header), at, m->header.n);
	for (size_t i = 0; (i = cv_str_find(tail, '\n', i)) < tail.n; i++)
		m->lf--;
	m->pos -= tail.n;
	if (!m->replay.n) {
		cv_buf_str(&m->replay, tail);
		m->replay_base = m->pos;
	}
	m->header.n = at;
	m->last_byte = at ? m->header.p[at - 1] : '\n';
	if (at)
		m->eol = at > 1 && m->header.p[at - 2] == '\r' ? 2 : 1;
	m->at_line_start = true;
	end_header(m, too_large);
}

/* The header passed the limit: it ends before the field that did it. */
static void
end_header_too_large(struct cv_mime_scan *m)
{
	char first = m->header.p[m->line_at];
	bool goes_on = (first == ' ' || first == '\t') && m->fields;
	end_header_at(m, goes_on ? m->field_at : m->line_at, true);
}

/* A line of the header is complete, or the message ends in it. */
static void
judge_header_line(struct cv_mime_scan *m)
{
	struct cv_str line = cv_str_sub(cv_buf_view(&m->header), m->line_at, m->header.n);
	bool blank = line.p[0] == ' ' || line.p[0] == '\t';
	bool mbox = m->line_at == 0 && cv_str_has_prefix(line, "From ");
	if (cv_str_eq_z(line, "\n") || cv_str_eq_z(line, "\r\n")) {
		end_header(m, false);
		return;
	}
	if (m->header.n > CV_MIME_HEADER_MAX) {
		end_header_too_large(m);
		return;
	}
	if (!mbox && (blank ? m->fields == 0 : cv_str_find(line, ':', 0) == line.n)) {
		end_header_at(m, m->line_at, false);
		return;
	}
	if (!mbox && !blank) {
		m->field_at = m->line_at;
		if (++m->fields > CV_HEADER_FIELDS_MAX) {
			end_header_at(m, m->field_at, true);
			return;
		}
	}
	m->line_at = m->header.n;
}

static size_t
take_header(struct cv_mime_scan *m, struct cv_str in)
{
	struct cv_str piece = cv_str_sub(in, 0, PIECE_MAX);
	size_t lf = cv_str_find(piece, '\n', 0);
	piece.n = lf < piece.n ? lf + 1 : piece.n;
	cv_buf_str(&m->header, piece);
	if (piece.p[piece.n - 1] == '\n')
		note_line_end(m, piece);
	else
		m->at_line_start = false;
	advance(m, piece);
	if (m->at_line_start)
		judge_header_line(m);
	else if (m->header.n > CV_MIME_HEADER_MAX + 2) /* more than an empty line could be */
		end_header_too_large(m);
	return piece.n;
}

static size_t
take_content(struct cv_mime_scan *m, struct cv_str in)
{
	return m->state == IN_HEADER ? take_header(m, in) : take_body(m, in);
}

/* Passes over the rest of a delimiter line; a new part begins behind it. */
static size_t
take_delimiter_rest(struct cv_mime_scan *m, struct cv_str in)
{
	size_t lf = cv_str_find(in, '\n', 0);
	struct cv_str piece = cv_str_sub(in, 0, lf < in.n ? lf + 1 : in.n);
	m->at_line_start = false;
	if (lf < in.n) {
		note_line_end(m, piece);
		m->in_delimiter = false;
	}
	advance(m, piece);
	if (!m->in_delimiter && m->current == CV_MIME_NONE)
		begin_part(m);
	return piece.n;
}

/* Decides about the candidate LINE (its end, or CANDIDATE_MAX bytes of it, or all there is). */
static void
decide(struct cv_mime_scan *m, struct cv_str line)
{
	uint32_t frame = match_delimiter(m, line);
	if (frame != CV_MIME_NONE)
		take_delimiter(m, frame, line);
	for (size_t n = 0; n < line.n;) {
		struct cv_str rest = cv_str_sub(line, n, line.n);
		n += m->in_delimiter ? take_delimiter_rest(m, rest) : take_content(m, rest);
	}
}

static void
decide_held(struct cv_mime_scan *m)
{
	char line[CANDIDATE_MAX];
	size_t n = m->held.n;
	memcpy(line, m->held.p, n);
	m->held.n = 0;
	decide(m, cv_str(line, n));
}

/* A line that starts like a delimiter is held until it ends or is long enough to tell. */
static size_t
take_candidate(struct cv_mime_scan *m, struct cv_str in)
{
	size_t want = CANDIDATE_MAX - m->held.n;
	size_t lf = cv_str_find(cv_str_sub(in, 0, want), '\n', 0);
	size_t n = CV_MIN(lf < in.n ? lf + 1 : in.n, want);
	struct cv_str piece = cv_str_sub(in, 0, n);
	bool enough = piece.p[n - 1] == '\n' || n == want;
	if (!m->held.n && enough) {
		decide(m, piece);
		return n;
	}
	cv_buf_str(&m->held, piece);
	enough = enough || (m->held.n > 1 && m->held.p[1] != '-');
	if (enough)
		decide_held(m);
	return n;
}

/* Takes at least one byte of IN; returns how many. */
static size_t
step(struct cv_mime_scan *m, struct cv_str in)
{
	if (m->in_delimiter)
		return take_delimiter_rest(m, in);
	if (m->held.n || (m->at_line_start && m->boundaries && in.p[0] == '-'))
		return take_candidate(m, in);
	return take_content(m, in);
}

/* Takes what was put back; taking it may put some of it back again, which lowers pos. */
static void
drain_replay(struct cv_mime_scan *m)
{
	while (m->replay.n) {
		size_t at = (size_t)(m->pos + m->held.n - m->replay_base);
		if (at == m->replay.n)
			m->replay.n = 0;
		else
			(void)step(m, cv_str_sub(cv_buf_view(&m->replay), at, m->replay.n));
	}
}

/* ---- the calls ---- */

struct cv_mime_scan *
cv_mime_begin(struct cv_arena *arena)
{
	struct cv_mime_scan *m = cv_calloc(1, sizeof *m);
	m->arena = arena;
	m->scratch = CV_ARENA_INIT;
	m->tree = CV_ARENA_NEW(arena, struct cv_mime_tree);
	m->at_line_start = true;
	m->envelopes_left = CV_MIME_ENVELOPES_MAX;
	cv_buf_init(&m->held, CANDIDATE_MAX);
	cv_buf_init(&m->header, HEADER_ROOM);
	cv_buf_init(&m->replay, HEADER_ROOM);
	begin_part(m);
	return m;
}

void
cv_mime_watch(struct cv_mime_scan *m, cv_mime_body_fn *body, void *ctx)
{
	m->body = body;
	m->body_ctx = ctx;
}

void
cv_mime_watch_headers(struct cv_mime_scan *m, cv_mime_header_fn *header, void *ctx)
{
	m->header_fn = header;
	m->header_ctx = ctx;
}

void
cv_mime_feed(struct cv_mime_scan *m, struct cv_str in)
{
	struct cv_mime_tree *t = m->tree;
	t->size_bytes += in.n;
	if (!t->has_nul && !m->only_parts && in.n && memchr(in.p, '\0', in.n))
		t->has_nul = true;
	while (in.n) {
		size_t n = step(m, in);
		in.p += n;
		in.n -= n;
		drain_replay(m);
	}
}

void
cv_mime_only_parts(struct cv_mime_scan *m)
{
	m->only_parts = true;
}

bool
cv_mime_skip(struct cv_mime_scan *m, uint64_t n)
{
	if (m->state != IN_LEAF || m->in_delimiter || m->held.n || m->replay.n)
		return false;
	m->tree->size_bytes += n;
	m->pos += n;
	m->pending_n = 0;
	m->at_line_start = false;
	m->last_byte = 0;
	return true;
}

void
cv_mime_abandon(struct cv_mime_scan *m)
{
	cv_buf_done(&m->held);
	cv_buf_done(&m->header);
	cv_buf_done(&m->replay);
	cv_arena_done(&m->scratch);
	free(m->body_lf);
	free(m);
}

/* A multipart in which no delimiter ever came is shown as the text it is. */
static void
settle_empty_multiparts(struct cv_mime_tree *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		struct cv_mime_part *p = &t->parts[i];
		if (p->at.kind != CV_MIME_MULTIPART || p->child_count)
			continue;
		p->broken = true;
		p->at.kind = CV_MIME_TEXT;
		p->at.type = CV_STR("text");
		p->at.subtype = CV_STR("plain");
	}
}

/* Decides about what is held, ends open headers; false when there is nothing left to settle. */
static bool
settle_end(struct cv_mime_scan *m)
{
	if (m->held.n) {
		decide_held(m);
	} else if (m->in_delimiter && m->current == CV_MIME_NONE) {
		m->in_delimiter = false; /* a delimiter at the very end opens an empty part */
		begin_part(m);
	} else if (m->state == IN_HEADER) {
		if (m->header.n > m->line_at)
			judge_header_line(m);
		else
			end_header(m, false);
	} else {
		return false;
	}
	drain_replay(m);
	return true;
}

const struct cv_mime_tree *
cv_mime_finish(struct cv_mime_scan *m)
{
	while (settle_end(m))
		;
	if (m->state == IN_LEAF)
		flush_pending(m);
	close_down_to(m, 0, m->pos, m->lf);
	settle_empty_multiparts(m->tree);
	const struct cv_mime_tree *tree = m->tree;
	cv_mime_abandon(m);
	return tree;
}

const struct cv_mime_tree *
cv_mime_scan(struct cv_arena *arena, struct cv_str message)
{
	struct cv_mime_scan *m = cv_mime_begin(arena);
	cv_mime_feed(m, message);
	return cv_mime_finish(m);
}
