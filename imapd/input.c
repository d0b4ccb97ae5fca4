/* input.c - frames lines and literals; see input.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/input.h"

#include "imapd/parse.h"

/* A literal that nobody waits for is read and dropped, up to so much; beyond it the peer is cut. */
#define SKIP_MAX   (256u << 20)
#define TAIL_BYTES 64

static void
free_spools(struct imapd_input *in)
{
	for (unsigned i = 0; i < in->spool_count; i++) {
		cv_spool_done(in->spools[i]);
		free(in->spools[i]);
	}
	free(in->spools);
	in->spools = NULL;
	in->spool_count = 0;
}

static void
add_spool(struct imapd_input *in, const char *dir)
{
	in->spools = cv_realloc(in->spools, (in->spool_count + 1) * sizeof(*in->spools));
	struct cv_spool *spool = cv_malloc(sizeof(*spool));
	cv_spool_init(spool, dir);
	in->spools[in->spool_count++] = spool;
}

void
imapd_input_reset(struct imapd_input *in)
{
	cv_buf_done(&in->text);
	free_spools(in);
	*in = (struct imapd_input){0};
}

void
imapd_input_done(struct imapd_input *in)
{
	imapd_input_reset(in);
}

bool
imapd_input_is_empty(const struct imapd_input *in)
{
	return in->phase == IMAPD_IN_LINE && !in->is_refused && (in->has_ended || !in->text.n);
}

/* The tag of the command whose text starts with SOME and goes on with MORE. */
static void
remember_tag(struct imapd_input *in, struct cv_str some, struct cv_str more)
{
	struct cv_str from = some.n ? some : more;
	size_t n = 0;
	while (n < from.n && n < IMAPD_TAG_MAX && imapd_is_tag_char((unsigned char)from.p[n])) {
		in->tag[n] = from.p[n];
		n++;
	}
	if (n == 0 || n >= from.n || from.p[n] != ' ')
		in->tag[0] = '*', n = 1;
	in->tag[n] = '\0';
}

static void
refuse(struct imapd_input *in, enum imapd_refusal why, struct cv_str more)
{
	if (in->is_refused)
		return;
	remember_tag(in, cv_buf_view(&in->text), more);
	in->is_refused = true;
	in->refusal = why;
	cv_buf_done(&in->text);
	free_spools(in);
	in->segment = in->literal_bytes = 0;
}

/* Ends a refused command. */
static enum imapd_input_result
refused(struct imapd_input *in)
{
	in->is_refused = false;
	in->has_ended = true;
	in->phase = IMAPD_IN_LINE;
	return IMAPD_INPUT_REFUSED;
}

/* Whether LINE ends in "{n}" or "{n+}". */
static bool
find_literal(struct cv_str line, uint64_t *n_out, bool *waits_out, size_t *at_out)
{
	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	size_t end = line.n - 1;
	*waits_out = line.p[end - 1] != '+';
	if (!*waits_out)
		end--;
	size_t at = end;
	while (at > 0 && cv_is_digit((unsigned char)line.p[at - 1]))
		at--;
	if (at == 0 || at == end || line.p[at - 1] != '{')
		return false;
	*at_out = at - 1;
	/* A number that no integer holds is a literal all the same, and too large. */
	if (cv_str_u64(cv_str(line.p + at, end - at), UINT64_MAX >> 1, n_out))
		*n_out = UINT64_MAX >> 1;
	return true;
}

/* Passes over "APPEND " or "[UID ]REPLACE number ". */
static bool
skip_append(struct imapd_parse *p)
{
	uint64_t number;

	if (imapd_take_prefix(p, "APPEND "))
		return true;
	imapd_take_prefix(p, "UID ");
	return imapd_take_prefix(p, "REPLACE ") &&
	       (imapd_take(p, '*') || imapd_parse_number(p, UINT32_MAX, &number)) &&
	       imapd_parse_sp(p);
}

/* Whether the literal that follows TEXT is a message: "tag APPEND mailbox ...". */
static bool
is_message_next(struct cv_str text)
{
	struct imapd_parse p = {.text = text};
	struct cv_str tag;
	return imapd_parse_tag(&p, &tag) && imapd_parse_sp(&p) && skip_append(&p) &&
	       imapd_skip_astring(&p) && imapd_parse_sp(&p);
}

static enum imapd_input_result
begin_literal(struct imapd_input *in, const struct imapd_input_limits *limits, uint64_t n,
	bool waits, bool is_message)
{
	struct cv_str none = CV_STR_EMPTY;

	if (is_message && (n > limits->message || in->message_bytes + n > 2 * limits->message))
		refuse(in, IMAPD_REFUSAL_MESSAGE, none);
	else if (is_message && in->spool_count == IMAPD_MESSAGES_MAX)
		refuse(in, IMAPD_REFUSAL_COUNT, none);
	else if (!is_message && (n > limits->literal || in->text.n + n > limits->text))
		refuse(in, IMAPD_REFUSAL_LITERAL, none);

	if (in->is_refused && waits)
		return refused(in); /* the peer will not send it */
	if (in->is_refused && n > SKIP_MAX)
		return IMAPD_INPUT_HOPELESS;

	in->left = n;
	if (in->is_refused) {
		in->phase = IMAPD_IN_SKIP;
	} else if (is_message) {
		in->phase = IMAPD_IN_SPOOL;
		in->message_bytes += n;
		add_spool(in, limits->spool_dir);
	} else {
		in->phase = IMAPD_IN_LITERAL;
		in->literal_bytes += (size_t)n;
	}
	return waits ? IMAPD_INPUT_GO : IMAPD_INPUT_MORE;
}

/* A whole line, its end taken off, is the text from the segment on. */
static enum imapd_input_result
end_line(struct imapd_input *in, const struct imapd_input_limits *limits, bool literals)
{
	struct cv_str segment = cv_str_sub(cv_buf_view(&in->text), in->segment, in->text.n);
	uint64_t n;
	bool waits;
	size_t at;

	if (!literals || !find_literal(segment, &n, &waits, &at)) {
		if (in->is_refused)
			return refused(in);
		in->command = cv_buf_view(&in->text);
		in->has_ended = true;
		return IMAPD_INPUT_COMMAND;
	}
	if (in->is_refused) {
		cv_buf_reset(&in->text);
		return begin_literal(in, limits, n, waits, false);
	}
	bool is_message = limits->message && is_message_next(cv_str(in->text.p, in->segment + at));
	cv_buf_z(&in->text, "\r\n");
	return begin_literal(in, limits, n, waits, is_message);
}

/* Of a refused line only the end matters: it may announce a literal. */
static void
keep_tail(struct imapd_input *in, struct cv_str part)
{
	if (part.n > TAIL_BYTES)
		part = cv_str(part.p + part.n - TAIL_BYTES, TAIL_BYTES);
	cv_buf_str(&in->text, part);
	if (in->text.n > TAIL_BYTES)
		cv_buf_drop(&in->text, in->text.n - TAIL_BYTES);
}

/* Takes a line, or the part of it that is there. */
static enum imapd_input_result
take_line(struct imapd_input *in, const struct imapd_input_limits *limits, struct cv_str bytes,
	size_t *used, bool literals)
{
	size_t at = cv_str_find(bytes, '\n', 0);
	bool is_end = at < bytes.n;
	struct cv_str part = cv_str(bytes.p, at);
	uint64_t n;
	bool waits;
	size_t marker;

	*used += at + is_end;
	if (is_end && part.n && part.p[part.n - 1] == '\r')
		part.n--;
	if (!in->is_refused && in->text.n - in->literal_bytes + part.n > limits->line)
		refuse(in, IMAPD_REFUSAL_LINE, part);
	if (in->is_refused) {
		keep_tail(in, part);
	} else if (is_end && !in->text.n &&
		   (!literals || !find_literal(part, &n, &waits, &marker))) {
		in->command = part; /* the usual case: no copy */
		in->has_ended = true;
		return IMAPD_INPUT_COMMAND;
	} else {
		cv_buf_str(&in->text, part);
	}
	if (!is_end)
		return IMAPD_INPUT_MORE;
	if (!part.n && in->text.n > in->segment && in->text.p[in->text.n - 1] == '\r')
		in->text.n--; /* CR and LF came apart */
	return end_line(in, limits, literals);
}

/* Takes bytes of a literal. */
static void
take_literal(struct imapd_input *in, struct cv_str bytes, size_t *used)
{
	struct cv_str part = cv_str(bytes.p, (size_t)CV_MIN((uint64_t)bytes.n, in->left));

	if (in->phase == IMAPD_IN_LITERAL)
		cv_buf_str(&in->text, part);
	else if (in->phase == IMAPD_IN_SPOOL) {
		/* A failed write stays in the spool and becomes the answer to APPEND. */
		struct cv_spool *spool = in->spools[in->spool_count - 1];
		if (!spool->failed && cv_spool_write(spool, part, NULL))
			assert(spool->failed);
	}
	in->left -= part.n;
	*used += part.n;
	if (in->left == 0) {
		in->phase = IMAPD_IN_LINE;
		in->segment = in->text.n;
	}
}

static enum imapd_input_result
feed(struct imapd_input *in, const struct imapd_input_limits *limits, struct cv_str bytes,
	size_t *used_out, bool literals)
{
	*used_out = 0;
	if (in->has_ended) {
		cv_buf_done(&in->text);
		in->text = CV_BUF_INIT(0);
		in->segment = in->literal_bytes = 0;
		in->has_ended = false;
	}
	in->text.max = limits->text + limits->line + 64;
	for (;;) {
		if (in->phase != IMAPD_IN_LINE && in->left == 0) {
			in->phase = IMAPD_IN_LINE;
			in->segment = in->text.n;
		}
		if (*used_out == bytes.n)
			return IMAPD_INPUT_MORE;
		struct cv_str rest = cv_str_sub(bytes, *used_out, bytes.n);
		if (in->phase != IMAPD_IN_LINE) {
			take_literal(in, rest, used_out);
			continue;
		}
		enum imapd_input_result r = take_line(in, limits, rest, used_out, literals);
		if (r != IMAPD_INPUT_MORE)
			return r;
	}
}

enum imapd_input_result
imapd_input_feed(struct imapd_input *in, const struct imapd_input_limits *limits,
	struct cv_str bytes, size_t *used_out)
{
	return feed(in, limits, bytes, used_out, true);
}

enum imapd_input_result
imapd_input_feed_line(struct imapd_input *in, const struct imapd_input_limits *limits,
	struct cv_str bytes, size_t *used_out)
{
	return feed(in, limits, bytes, used_out, false);
}
