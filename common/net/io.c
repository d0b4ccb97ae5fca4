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
#define SPARE_BYTES (256u << 10) /* larger buffers are not kept by a worker */
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

enum cv_status
cv_conn_flush(struct cv_conn *c)
{
	while (cv_conn_out_left(c)) {
		size_t put = 0, left = cv_conn_out_left(c);
		enum cv_status status = write_some(c, c->out.p + c->out_off, left, &put);
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
	enum cv_status status = read_some(c, room, want, &got);
	if (status == CV_AGAIN)
		c->readable = false;
	if (status)
		return status;
	c->in.n += got;
	c->bytes_in += got;
	count(&c->worker->bytes_in, got);
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

void
cv_conn_settle(struct cv_conn *c)
{
	settle(&c->in, &c->in_off, &c->worker->in_spare);
	settle(&c->out, &c->out_off, &c->worker->out_spare);
}
