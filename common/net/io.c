/* io.c - bytes between the socket (or TLS) and the connection's buffers, without ever waiting.
 *
 * While a connection runs it borrows its worker's buffers; parked, it keeps only bytes that are
 * really there. Sockets are edge-triggered: `readable` stays true until a read said EAGAIN.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <unistd.h>

#include "common/net/private.h"

#define READ_BYTES (32u << 10)
#define SPARE_BYTES (512u << 10) /* larger buffers are not kept by a worker */
#define DROP_BYTES (256u << 10)  /* sent bytes kept in front before the rest moves down */

static void
count(_Atomic uint64_t *counter, size_t n)
{
	/* One writer each; a plain load and store is enough. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
	                      memory_order_relaxed);
}

static enum cv_status
write_some(struct cv_conn *c, const char *p, size_t n, size_t *put_out)
{
	if (c->tls) {
		struct cv_err err;
		bool wants_write = true;
		enum cv_status status = cv_tls_write(c->tls, p, n, put_out, &wants_write, &err);
		c->tls_wants_in = status == CV_AGAIN && !wants_write;
		if (status && status != CV_AGAIN)
			cv_conn_set_error(c, "%s", err.text);
		return status;
	}
	ssize_t put;
	do
		put = send(c->fd, p, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put >= 0) {
		*put_out = (size_t)put;
		return CV_OK;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return CV_AGAIN;
	char text[64];
	cv_conn_set_error(c, "write: %s", strerror_r(errno, text, sizeof(text)));
	return CV_TEMPFAIL;
}

/* What goes to the wire next; the output is not empty. */
static struct cv_str
next_bytes(struct cv_conn *c)
{
	struct cv_zip *zip = c->zip;
	struct cv_str plain = cv_str(c->out.p + c->out_off, c->out.n - c->out_off);

	if (!zip)
		return plain;
	if (zip->out_off == zip->out.n) {
		plain.n = CV_MIN(plain.n, (size_t)CV_PACK_CHUNK_BYTES);
		cv_buf_reset(&zip->out);
		zip->out_off = 0;
		cv_pack_chunk(&c->worker->pack, plain, &zip->out);
		c->out_off += plain.n;
	}
	return cv_str(zip->out.p + zip->out_off, zip->out.n - zip->out_off);
}

enum cv_status
cv_conn_flush(struct cv_conn *c)
{
	while (cv_conn_out_left(c)) {
		size_t put = 0;
		struct cv_str bytes = next_bytes(c);
		enum cv_status status = write_some(c, bytes.p, bytes.n, &put);
		if (status == CV_AGAIN) {
			c->blocked = true;
			if (!c->stall_ms)
				c->stall_ms = cv_mono_ms() + (int64_t)c->net->o.stall_secs * 1000;
			if (c->out_off > DROP_BYTES && c->out_off > c->out.n / 2) {
				cv_buf_drop(&c->out, c->out_off);
				c->out_off = 0;
			}
			return CV_AGAIN;
		}
		if (status)
			return status;
		if (c->zip)
			c->zip->out_off += put;
		else
			c->out_off += put;
		c->stall_ms = 0;
		c->bytes_out += put;
		count(&c->worker->bytes_out, put);
	}
	c->blocked = false;
	c->stall_ms = 0;
	c->out_off = 0;
	cv_buf_reset(&c->out);
	return CV_OK;
}

static enum cv_status
read_some(struct cv_conn *c, char *p, size_t n, size_t *got_out)
{
	if (c->tls) {
		struct cv_err err;
		bool wants_write = false;
		enum cv_status status = cv_tls_read(c->tls, p, n, got_out, &wants_write, &err);
		c->tls_wants_out = status == CV_AGAIN && wants_write;
		if (status && status != CV_AGAIN && status != CV_EOF)
			cv_conn_set_error(c, "%s", err.text);
		return status;
	}
	ssize_t got;
	do
		got = recv(c->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		*got_out = (size_t)got;
		return CV_OK;
	}
	if (got == 0)
		return CV_EOF;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return CV_AGAIN;
	char text[64];
	cv_conn_set_error(c, "read: %s", strerror_r(errno, text, sizeof(text)));
	return CV_TEMPFAIL;
}

/* As they came on the wire. */
static void
count_in(struct cv_conn *c, size_t n)
{
	c->bytes_in += n;
	count(&c->worker->bytes_in, n);
}

/* The same from a compressed connection. Without bytes, and no fault, when what came unpacks to
 * nothing yet. */
static enum cv_status
unpack_some(struct cv_conn *c, char *p, size_t n, size_t *got_out)
{
	struct cv_zip *zip = c->zip;
	struct cv_err err;

	if (zip->in_off == zip->in.n && !zip->unpack.may_have_more) {
		cv_buf_reset(&zip->in);
		zip->in_off = 0;
		size_t got = 0;
		char *room = cv_buf_room(&zip->in, READ_BYTES);
		assert(room);
		enum cv_status status = read_some(c, room, READ_BYTES, &got);
		if (status)
			return status;
		zip->in.n += got;
		count_in(c, got);
	}
	size_t used;
	struct cv_str raw = cv_str(zip->in.p + zip->in_off, zip->in.n - zip->in_off);
	enum cv_status status = cv_unpack_bytes(&zip->unpack, raw, &used, p, n, got_out, &err);
	zip->in_off += used;
	if (status == CV_EOF && *got_out)
		return CV_OK; /* it says so again */
	if (status && status != CV_EOF) {
		cv_conn_set_error(c, "%s", err.text);
		return CV_TEMPFAIL;
	}
	return status;
}

static void
borrow_in(struct cv_conn *c)
{
	struct cv_buf *spare = &c->worker->in_spare;
	if (c->in.p || !spare->p)
		return;
	c->in.p = spare->p;
	c->in.cap = spare->cap;
	spare->p = NULL;
	spare->cap = 0;
}

enum cv_status
cv_conn_fill(struct cv_conn *c)
{
	borrow_in(c);
	size_t left = cv_conn_in_left(c);
	size_t want = CV_MIN(c->proto->in_max - left, (size_t)READ_BYTES);
	if (c->in_off && c->in.n + want > c->in.max) {
		cv_buf_drop(&c->in, c->in_off);
		c->in_off = 0;
	}
	char *room = cv_buf_room(&c->in, want);
	assert(room && want);
	size_t got = 0;
	enum cv_status status = c->zip ? unpack_some(c, room, want, &got)
	                               : read_some(c, room, want, &got);
	if (status == CV_AGAIN)
		c->readable = false;
	if (status)
		return status;
	c->in.n += got;
	if (!c->zip)
		count_in(c, got);
	return CV_OK;
}

/* B's memory goes back to SPARE when it is free, else to the heap. */
static void
give_back(struct cv_buf *b, struct cv_buf *spare)
{
	if (!spare->p && b->p && b->cap <= SPARE_BYTES) {
		spare->p = b->p;
		spare->cap = b->cap;
		b->p = NULL;
		b->n = b->cap = 0;
	}
	cv_buf_done(b);
}

static void
settle(struct cv_buf *b, size_t *off, struct cv_buf *spare)
{
	size_t left = b->n - *off;
	if (!b->p || (left && b->cap < 1024 + 2 * left))
		return;
	struct cv_buf kept = CV_BUF_INIT(b->max);
	if (left)
		cv_buf_add(&kept, b->p + *off, left);
	give_back(b, spare);
	*b = kept;
	*off = 0;
}

static void
drop_if_done(struct cv_buf *b, size_t *off)
{
	if (*off < b->n)
		return;
	cv_buf_done(b);
	cv_buf_init(b, SIZE_MAX);
	*off = 0;
}

void
cv_conn_compress(struct cv_conn *c)
{
	struct cv_zip *zip = c->zip = cv_calloc(1, sizeof(*zip));

	assert(!cv_conn_in_left(c));
	cv_buf_init(&zip->in, SIZE_MAX);
	cv_buf_init(&zip->out, SIZE_MAX);
	cv_buf_add(&zip->out, c->out.p + c->out_off, c->out.n - c->out_off);
	c->out_off = 0;
	cv_buf_reset(&c->out);
}

bool
cv_conn_is_compressed(const struct cv_conn *c)
{
	return c->zip;
}

void
cv_zip_free(struct cv_zip *zip)
{
	if (!zip)
		return;
	cv_unpack_done(&zip->unpack);
	cv_buf_done(&zip->in);
	cv_buf_done(&zip->out);
	free(zip);
}

void
cv_conn_settle(struct cv_conn *c)
{
	if (c->zip) {
		drop_if_done(&c->zip->in, &c->zip->in_off);
		drop_if_done(&c->zip->out, &c->zip->out_off);
		if (!c->zip->in.n)
			cv_unpack_rest(&c->zip->unpack);
	}
	settle(&c->in, &c->in_off, &c->worker->in_spare);
	settle(&c->out, &c->out_off, &c->worker->out_spare);
}
