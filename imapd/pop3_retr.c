/* pop3_retr.c - RETR and TOP: a message streams from the store to the peer, a chunk at a time. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/log.h"
#include "imapd/pop3.h"
#include "imapd/pop3_ascii.h"
#include "imapd/pop3_lines.h"

#define CHUNK_RETR (128u << 10)
#define CHUNK_TOP  (16u << 10)
#define HEADER_MAX (256u << 10) /* of one that is made ASCII */

struct reading {
	struct imapd_pop3 *c;
	struct cv_msg msg;
	bool is_found;
	uint64_t offset, chunk;
	struct imapd_pop3_lines lines;
};

static bool
on_message(void *arg, const struct cv_msg *msg)
{
	struct reading *r = arg;

	r->msg = *msg;
	r->is_found = true;
	return true;
}

/* Whether another session expunged UID meanwhile. */
static bool
is_gone(struct imapd_pop3 *c, uint32_t uid)
{
	const struct cv_view *now;
	struct cv_err err = {0};

	if (cv_mbox_view(c->mbox, &now, &err))
		return true;
	bool gone = !cv_view_uid(now, uid);
	cv_view_unref(now);
	return gone;
}

static enum cv_status
add_lines(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct reading *r = arg;
	struct cv_buf *out = imapd_pop3_out(r->c);

	imapd_pop3_lines_add(&r->lines, bytes, out);
	r->offset += bytes.n;
	return out->full ? cv_fail(err, CV_LIMIT, "the output is full") : CV_OK;
}

/* Goes on where the output was full. */
static enum cv_step
stream(struct reading *r)
{
	struct imapd_pop3 *c = r->c;
	struct cv_err err = {0};

	while (r->offset < r->msg.size_bytes && !r->lines.is_complete) {
		if (cv_conn_out_is_high(c->conn))
			return CV_STEP_MORE;
		uint64_t n = CV_MIN(r->msg.size_bytes - r->offset, r->chunk), want = r->offset + n;
		enum cv_status status = cv_msg_read(
			c->mbox, &r->msg.body, r->offset, n, add_lines, r, &err);
		if (!status && r->offset != want)
			status = cv_fail(&err, CV_CORRUPT,
				"a stored message is shorter than its row says");
		r->chunk = CHUNK_RETR; /* more than the header of a TOP is wanted */
		if (status) {
			/* Half a message must not look like a whole one. */
			cv_log(cv_conn_id(c->conn), CV_ERROR, "pop3.read_failed",
				"user=%s uid=%u error=\"%s\"", c->address, r->msg.uid, err.text);
			return CV_STEP_CLOSE;
		}
	}
	imapd_pop3_lines_end(&r->lines, imapd_pop3_out(c));
	return imapd_pop3_written(c);
}

/* ---- without UTF8 (RFC 6856 2.1) ---- */

static enum cv_status
add_to_buf(void *arg, struct cv_str bytes, struct cv_err *err)
{
	cv_buf_str(arg, bytes);
	return ((struct cv_buf *)arg)->full ? cv_fail(err, CV_LIMIT, "the header is too long")
					    : CV_OK;
}

/* Reads into HEAD until the header is in it, or HEADER_MAX. *end_out: where the body starts, 0 when
 * that is not in HEAD. */
static enum cv_status
read_head(struct reading *r, struct cv_buf *head, size_t *end_out, struct cv_err *err)
{
	enum cv_status status = CV_OK;

	*end_out = 0;
	while (!status && !*end_out && head->n < r->msg.size_bytes && head->n < HEADER_MAX) {
		size_t before = head->n;
		uint64_t n = CV_MIN(r->msg.size_bytes - before, r->chunk);
		status = cv_msg_read(
			r->c->mbox, &r->msg.body, before, n, add_to_buf, head, err);
		if (!status && head->n - before != n)
			status = cv_fail(
				err, CV_CORRUPT, "a stored message is shorter than its row says");
		*end_out = imapd_pop3_header_end(cv_buf_view(head));
	}
	if (head->n == r->msg.size_bytes && !*end_out)
		*end_out = head->n; /* a header is all there is */
	return status;
}

/* Writes the first line and the header, and as much of the body as came with it. False: the header
 * is too long to be made ASCII. */
static bool
write_head(struct reading *r, struct cv_str head, size_t end)
{
	struct cv_buf *out = imapd_pop3_out(r->c);
	struct cv_str header = cv_str_sub(head, 0, end ? end : head.n);
	struct cv_buf ascii = CV_BUF_INIT(16u * header.n + 64);
	uint64_t size = r->msg.size_bytes;

	if (!imapd_pop3_is_ascii(header)) {
		if (!end)
			return false;
		imapd_pop3_ascii_header(header, &ascii);
		header = cv_buf_view(&ascii);
		size += header.n - end;
	}
	cv_buf_printf(out, "+OK %llu octets\r\n", (unsigned long long)size);
	imapd_pop3_lines_add(&r->lines, header, out);
	imapd_pop3_lines_add(&r->lines, cv_str_sub(head, end ? end : head.n, head.n), out);
	r->offset = head.n;
	cv_buf_done(&ascii);
	return true;
}

static enum cv_step
begin_ascii(struct reading *r)
{
	struct cv_buf head = CV_BUF_INIT(HEADER_MAX + CHUNK_RETR);
	struct cv_err err = {0};
	size_t end;

	enum cv_status status = read_head(r, &head, &end, &err);
	bool is_written = !status && write_head(r, cv_buf_view(&head), end);
	cv_buf_done(&head);
	if (status)
		return imapd_pop3_refuse(r->c, status, &err);
	if (!is_written)
		return imapd_pop3_done(r->c, IMAPD_POP3_R_NEED_UTF8);
	r->c->step = r;
	return stream(r);
}

/* ---- both ---- */

static enum cv_step
begin(struct imapd_pop3 *c, uint64_t lines, uint64_t chunk)
{
	enum imapd_pop3_reply why;
	struct cv_err err = {0};
	const struct cv_entry *entry = imapd_pop3_message(c, c->args.number[0], &why);

	if (!entry)
		return imapd_pop3_done(c, why);
	struct reading *r = CV_ARENA_NEW(&c->arena, struct reading);
	*r = (struct reading){.c = c, .chunk = chunk, .lines = {.left = lines}};
	enum cv_status status =
		cv_msg_each(c->mbox, &entry->uid, 1, false, on_message, r, &err);
	if (status)
		return imapd_pop3_refuse(c, status, &err);
	if (!r->is_found || is_gone(c, entry->uid))
		return imapd_pop3_done(c, IMAPD_POP3_R_GONE);
	if (lines == IMAPD_POP3_ALL_LINES) {
		c->retrieved++;
		atomic_fetch_add(&c->server->pop3_retrieved, 1);
	}
	if (!c->is_utf8)
		return begin_ascii(r);
	c->step = r;
	cv_buf_printf(imapd_pop3_out(c), "+OK %llu octets\r\n",
		(unsigned long long)r->msg.size_bytes);
	return stream(r);
}

enum cv_step
imapd_pop3_retr(struct imapd_pop3 *c)
{
	return c->step ? stream(c->step) : begin(c, IMAPD_POP3_ALL_LINES, CHUNK_RETR);
}

enum cv_step
imapd_pop3_top(struct imapd_pop3 *c)
{
	return c->step ? stream(c->step) : begin(c, c->args.number[1], CHUNK_TOP);
}
