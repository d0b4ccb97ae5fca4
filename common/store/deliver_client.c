/* deliver_client.c - delivering to the owner of the store over a Unix socket.
 *
 * Whoever calls cv_deliver() writes its frames to the socket at once, as far as the socket takes
 * them; what is left is sent by the client's own thread, which also reads the answers and connects
 * again, at growing intervals, when the owner went away. Messages are sent from where they lie.
 *
 *   waiting (FIFO, being sent) --all bytes out--> sent (by tag) --RESULT--> done
 *        `-- connection lost: TEMPFAIL                `-- connection lost: UNKNOWN
 *
 * One lock guards all; done() is never called under it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/store/deliver_impl.h"
#include "common/store/wire.h"

#define BUCKETS      256u
#define IOV_MAX_     16
#define BACK_OFF_MIN 10
#define BACK_OFF_MAX 1000
#define ANSWER_MS    120000 /* an owner that answers nothing for so long is given up */
#define WAITING_MAX  10000u /* deliveries under way; above it TEMPFAIL at once */
#define SOCKET_BYTES (1 << 20)
#define NOTES_MAX    5000u  /* that wait for the owner; those beyond are forgotten */

struct item {
	struct cv_link link;
	uint64_t tag;
	int64_t since_ms;
	struct cv_delivery *d; /* or */
	struct cv_probe *probe; /* or neither: a note that nobody answers */
	struct cv_buf head;     /* the first frame */
	struct cv_str message;  /* mapped */
	size_t segment, offset; /* of the next byte to send */
};
struct client {
	struct cv_deliverer base;
	char *path;
	int wake; /* eventfd */
	pthread_t thread;
	pthread_mutex_t lock;
	int fd; /* -1: not connected */
	bool stop, broken;
	bool blocked; /* the socket took no more: the thread goes on */
	uint64_t next_tag;
	size_t under_way; /* notes too */
	size_t notes;     /* in `waiting`; they stay there while the owner is away */
	struct cv_link waiting;
	struct cv_link sent[BUCKETS];
	struct cv_buf in; /* the thread's alone */
};

static struct client *
client_of(struct cv_deliverer *base)
{
	return CV_CONTAINER(base, struct client, base);
}

static void
wake_thread(struct client *c)
{
	uint64_t one = 1;
	ssize_t n;
	do
		n = write(c->wake, &one, sizeof one);
	while (n < 0 && errno == EINTR);
}

/* ---- what one item sends: head, then for each piece of the body header and bytes, then END ----
 */

static size_t
pieces(const struct item *it)
{
	return (it->message.n + CV_WIRE_BODY_MAX - 1) / CV_WIRE_BODY_MAX;
}

static size_t
segments(const struct item *it)
{
	return it->d ? 2 + 2 * pieces(it) : 1;
}

static struct cv_str
segment(const struct item *it, size_t number, unsigned char header[CV_WIRE_HEADER_BYTES])
{
	if (!number)
		return cv_buf_view(&it->head);
	if (number + 1 == segments(it)) {
		cv_wire_header(header, CV_WIRE_END, it->tag, 0);
		return cv_str((const char *)header, CV_WIRE_HEADER_BYTES);
	}
	size_t from = (number - 1) / 2 * CV_WIRE_BODY_MAX;
	struct cv_str piece = cv_str_sub(it->message, from, from + CV_WIRE_BODY_MAX);
	if (number % 2 == 0)
		return piece;
	cv_wire_header(header, CV_WIRE_BODY, it->tag, piece.n);
	return cv_str((const char *)header, CV_WIRE_HEADER_BYTES);
}

static void
advance(struct item *it, size_t sent)
{
	unsigned char header[CV_WIRE_HEADER_BYTES];
	while (it->segment < segments(it)) {
		size_t left = segment(it, it->segment, header).n - it->offset;
		if (sent < left) {
			it->offset += sent;
			return;
		}
		sent -= left;
		it->segment++;
		it->offset = 0;
	}
}

/* Sends what the socket takes of IT. CV_OK: all; CV_AGAIN; CV_EOF: the connection is lost. */
static enum cv_status
send_item(struct client *c, struct item *it)
{
	unsigned char headers[IOV_MAX_][CV_WIRE_HEADER_BYTES];
	while (it->segment < segments(it)) {
		struct iovec iov[IOV_MAX_];
		struct msghdr msg = {.msg_iov = iov};
		for (size_t s = it->segment; s < segments(it) && msg.msg_iovlen < IOV_MAX_; s++) {
			struct cv_str bytes = segment(it, s, headers[msg.msg_iovlen]);
			if (s == it->segment)
				bytes = cv_str_sub(bytes, it->offset, bytes.n);
			iov[msg.msg_iovlen++] = (struct iovec){(void *)(uintptr_t)bytes.p, bytes.n};
		}
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? CV_AGAIN : CV_EOF;
		advance(it, (size_t)n);
	}
	return CV_OK;
}

static bool
is_note(const struct item *it)
{
	return !it->d && !it->probe;
}

/* The lock is held. */
static void
free_note(struct client *c, struct item *it)
{
	c->under_way--;
	c->notes--;
	cv_buf_done(&it->head);
	free(it);
}

/* The lock is held. */
static void
pump(struct client *c)
{
	while (!cv_list_is_empty(&c->waiting) && c->fd >= 0 && !c->broken) {
		struct item *it = CV_CONTAINER(c->waiting.next, struct item, link);
		enum cv_status status = send_item(c, it);
		c->blocked = status == CV_AGAIN;
		if (status == CV_EOF) {
			c->broken = true;
			shutdown(c->fd, SHUT_RDWR); /* the thread sees it and cleans up */
		}
		if (status)
			return;
		cv_list_remove(&it->link);
		if (!is_note(it))
			cv_list_append(&c->sent[it->tag % BUCKETS], &it->link);
		else
			free_note(c, it);
	}
}

/* ---- ends ---- */

static void
answer_all(struct cv_delivery *d, enum cv_status status)
{
	for (size_t i = 0; i < d->rcpt_count; i++) {
		d->rcpts[i].result = status;
		d->rcpts[i].duplicate = false;
	}
}

/* No lock is held; the results are in place. */
static void
finish(struct item *it)
{
	struct cv_delivery *d = it->d;
	struct cv_probe *probe = it->probe;
	if (d)
		cv_spool_unmap(d->message, it->message);
	cv_buf_done(&it->head);
	free(it);
	if (d)
		d->done(d);
	else
		probe->done(probe);
}

static void
fail_item(struct item *it, enum cv_status status)
{
	if (it->d)
		answer_all(it->d, status);
	else
		it->probe->result = CV_TEMPFAIL;
	finish(it);
}

static struct item *
take_sent(struct client *c, uint64_t tag)
{
	CV_LIST_EACH (l, next, &c->sent[tag % BUCKETS]) {
		struct item *it = CV_CONTAINER(l, struct item, link);
		if (it->tag == tag) {
			cv_list_remove(l);
			c->under_way--;
			return it;
		}
	}
	return NULL;
}

/* ---- calls ---- */

static struct item *
new_item(struct client *c, struct cv_delivery *d, struct cv_probe *probe)
{
	struct item *it = cv_calloc(1, sizeof *it);
	cv_list_init(&it->link);
	it->d = d;
	it->probe = probe;
	it->since_ms = cv_mono_ms();
	it->head = CV_BUF_INIT(CV_WIRE_PAYLOAD_MAX + 64);
	pthread_mutex_lock(&c->lock);
	it->tag = ++c->next_tag;
	pthread_mutex_unlock(&c->lock);
	return it;
}

static bool
submit(struct client *c, struct item *it)
{
	pthread_mutex_lock(&c->lock);
	bool up = c->fd >= 0 && !c->broken && !c->stop && c->under_way < WAITING_MAX;
	if (up) {
		bool first = cv_list_is_empty(&c->waiting);
		cv_list_append(&c->waiting, &it->link);
		c->under_way++;
		if (first)
			pump(c);
		if (c->blocked && first)
			wake_thread(c);
	}
	pthread_mutex_unlock(&c->lock);
	return up;
}

static void
client_deliver(struct cv_deliverer *base, struct cv_delivery *d)
{
	struct client *c = client_of(base);
	struct item *it = new_item(c, d, NULL);
	enum cv_status status = cv_wire_put_deliver(&it->head, it->tag, d);
	if (!status)
		status = cv_spool_map(d->message, &it->message, NULL);
	if (status || !submit(c, it))
		fail_item(it, CV_TEMPFAIL);
}

static void
client_probe(struct cv_deliverer *base, struct cv_probe *probe)
{
	struct client *c = client_of(base);
	struct item *it = new_item(c, NULL, probe);
	cv_wire_put_probe(&it->head, it->tag, probe);
	if (!submit(c, it))
		fail_item(it, CV_TEMPFAIL);
}

/* While the owner is away notes wait for it. */
static void
client_sent(struct cv_deliverer *base, const struct cv_sent_note *note)
{
	struct client *c = client_of(base);
	struct item *it = new_item(c, NULL, NULL);

	cv_wire_put_sent(&it->head, it->tag, note);
	pthread_mutex_lock(&c->lock);
	cv_list_append(&c->waiting, &it->link);
	c->under_way++;
	c->notes++;
	if (c->notes > NOTES_MAX) {
		cv_list_remove(&it->link);
		free_note(c, it);
	} else if (c->fd >= 0 && !c->broken && !c->stop && !c->blocked) {
		pump(c);
		if (c->blocked)
			wake_thread(c);
	}
	pthread_mutex_unlock(&c->lock);
}

static bool
client_is_up(struct cv_deliverer *base)
{
	struct client *c = client_of(base);
	pthread_mutex_lock(&c->lock);
	bool up = c->fd >= 0 && !c->broken;
	pthread_mutex_unlock(&c->lock);
	return up;
}

/* ---- the thread: connecting ---- */

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int size = SOCKET_BYTES;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr)) {
		close(fd);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return fd;
}

/* Says hello and waits for the owner's, so that a connection in the backlog of a process that is
 * ending does not count as up. */
static bool
greet(struct client *c, int fd)
{
	struct cv_buf hello = CV_BUF_INIT(64);
	cv_wire_put_hello(&hello);
	bool sent = send(fd, hello.p, hello.n, MSG_NOSIGNAL) == (ssize_t)hello.n;
	cv_buf_done(&hello);
	cv_buf_reset(&c->in);
	for (int64_t end = cv_mono_ms() + 5000; sent && cv_mono_ms() < end;) {
		struct pollfd p[2] = {
			{.fd = fd,      .events = POLLIN},
			{.fd = c->wake, .events = POLLIN}
		};
		if (poll(p, 2, 1000) < 0 && errno != EINTR)
			return false;
		if (p[1].revents) {
			pthread_mutex_lock(&c->lock);
			bool stop = c->stop;
			pthread_mutex_unlock(&c->lock);
			if (stop)
				return false;
			uint64_t count;
			(void)!read(c->wake, &count, sizeof count);
		}
		char bytes[CV_WIRE_HEADER_BYTES + 1];
		ssize_t n = recv(fd, bytes, sizeof bytes - c->in.n, 0);
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n > 0)
			cv_buf_add(&c->in, bytes, (size_t)n);
		struct cv_wire_frame f;
		size_t used;
		enum cv_status status = cv_wire_next(cv_buf_view(&c->in), &f, &used);
		if (!status)
			return f.type == CV_WIRE_HELLO && !cv_wire_read_hello(f.payload);
		if (status != CV_AGAIN)
			return false;
	}
	return false;
}

static bool
open_connection(struct client *c)
{
	int fd = connect_to(c->path);
	if (fd < 0)
		return false;
	if (!greet(c, fd)) {
		close(fd);
		return false;
	}
	cv_buf_reset(&c->in);
	pthread_mutex_lock(&c->lock);
	c->fd = fd;
	c->broken = c->blocked = false;
	pump(c); /* notes that waited */
	pthread_mutex_unlock(&c->lock);
	cv_log(0, CV_DEBUG, "deliver.connected", "path=%s", c->path);
	return true;
}

/* Ends the connection and all that is under way. */
static void
close_connection(struct client *c, bool stopping)
{
	struct cv_link waiting, sent, notes;
	cv_list_init(&waiting);
	cv_list_init(&sent);
	pthread_mutex_lock(&c->lock);
	close(c->fd);
	c->fd = -1;
	cv_list_init(&notes);
	for (struct cv_link *l; (l = cv_list_pop(&c->waiting));)
		cv_list_append(is_note(CV_CONTAINER(l, struct item, link)) ? &notes : &waiting, l);
	for (struct cv_link *l; (l = cv_list_pop(&notes));) {
		struct item *it = CV_CONTAINER(l, struct item, link);
		it->segment = it->offset = 0;
		cv_list_append(&c->waiting, l);
	}
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct cv_link *l; (l = cv_list_pop(&c->sent[i]));)
			cv_list_append(&sent, l);
	c->under_way = c->notes;
	pthread_mutex_unlock(&c->lock);
	for (struct cv_link *l; (l = cv_list_pop(&waiting));)
		fail_item(CV_CONTAINER(l, struct item, link), stopping ? CV_UNKNOWN : CV_TEMPFAIL);
	for (struct cv_link *l; (l = cv_list_pop(&sent));)
		fail_item(CV_CONTAINER(l, struct item, link), CV_UNKNOWN);
	cv_log(0, CV_DEBUG, "deliver.disconnected", "path=%s", c->path);
}

/* ---- the thread: answers ---- */

static bool
take_answer(void *arg, const struct cv_wire_frame *f)
{
	struct client *c = arg;

	pthread_mutex_lock(&c->lock);
	struct item *it = take_sent(c, f->tag);
	pthread_mutex_unlock(&c->lock);
	if (!it)
		return false;
	enum cv_status status = CV_INVALID;
	if (f->type == CV_WIRE_RESULT && it->d)
		status = cv_wire_read_result(f->payload, it->d);
	else if (f->type == CV_WIRE_PROBED && it->probe)
		status = cv_wire_read_probed(f->payload, &it->probe->result);
	if (status) {
		fail_item(it, CV_UNKNOWN);
		return false;
	}
	finish(it);
	return true;
}

/* False when the connection is lost or talks nonsense. */
static bool
read_answers(struct client *c)
{
	char *room = cv_buf_room(&c->in, 64u << 10);
	if (!room)
		return false;
	ssize_t n = recv(c->fd, room, 64u << 10, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	c->in.n += (size_t)n;
	return cv_wire_each(&c->in, take_answer, c);
}

/* An owner that is stuck: its oldest answer is far overdue. */
static bool
is_overdue(struct client *c)
{
	bool overdue = false;
	int64_t limit = cv_mono_ms() - ANSWER_MS;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < BUCKETS && !overdue; i++)
		if (!cv_list_is_empty(&c->sent[i]))
			overdue =
				CV_CONTAINER(c->sent[i].next, struct item, link)->since_ms < limit;
	pthread_mutex_unlock(&c->lock);
	return overdue;
}

static void
talk(struct client *c)
{
	for (;;) {
		pthread_mutex_lock(&c->lock);
		bool stop = c->stop || c->broken, want_write = c->blocked;
		pthread_mutex_unlock(&c->lock);
		struct pollfd p[2] = {
			{.fd = c->fd,   .events = (short)(want_write ? POLLIN | POLLOUT : POLLIN)},
			{.fd = c->wake, .events = POLLIN                                         }
		};
		if (stop || (poll(p, 2, 1000) < 0 && errno != EINTR))
			return;
		uint64_t count;
		if (p[1].revents)
			(void)!read(c->wake, &count, sizeof count);
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR) && !read_answers(c))
			return;
		if (p[0].revents & POLLOUT) {
			pthread_mutex_lock(&c->lock);
			pump(c);
			if (cv_list_is_empty(&c->waiting))
				c->blocked = false;
			pthread_mutex_unlock(&c->lock);
		}
		if (is_overdue(c))
			return;
	}
}

static void *
run(void *arg)
{
	struct client *c = arg;
	int wait_ms = BACK_OFF_MIN;
	for (;;) {
		pthread_mutex_lock(&c->lock);
		bool stop = c->stop;
		pthread_mutex_unlock(&c->lock);
		if (stop)
			return NULL;
		if (open_connection(c)) {
			wait_ms = BACK_OFF_MIN;
			talk(c);
			pthread_mutex_lock(&c->lock);
			stop = c->stop;
			pthread_mutex_unlock(&c->lock);
			close_connection(c, stop);
			continue;
		}
		struct pollfd p = {.fd = c->wake, .events = POLLIN};
		uint64_t count;
		if (poll(&p, 1, wait_ms) > 0)
			(void)!read(c->wake, &count, sizeof count);
		wait_ms = CV_MIN(wait_ms * 2, BACK_OFF_MAX);
	}
}

/* ---- making and freeing ---- */

static void
client_free(struct cv_deliverer *base)
{
	struct client *c = client_of(base);
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_mutex_unlock(&c->lock);
	wake_thread(c);
	pthread_join(c->thread, NULL);
	for (struct cv_link *l; (l = cv_list_pop(&c->waiting));)
		free_note(c, CV_CONTAINER(l, struct item, link));
	close(c->wake);
	pthread_mutex_destroy(&c->lock);
	cv_buf_done(&c->in);
	free(c->path);
	free(c);
}

enum cv_status
cv_deliverer_client(const char *path, struct cv_deliverer **out, struct cv_err *err)
{
	static const struct cv_deliverer_ops ops = {
		client_deliver, client_probe, client_is_up, client_sent, client_free};
	*out = NULL;
	if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path)
		return cv_fail(err, CV_INVALID, "the socket path %s is too long", path);
	struct client *c = cv_calloc(1, sizeof *c);
	c->base.ops = &ops;
	c->path = cv_strdup(path);
	c->fd = -1;
	c->in = CV_BUF_INIT(CV_WIRE_PAYLOAD_MAX + (128u << 10));
	pthread_mutex_init(&c->lock, NULL);
	cv_list_init(&c->waiting);
	for (size_t i = 0; i < BUCKETS; i++)
		cv_list_init(&c->sent[i]);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int failed = c->wake < 0 ? errno : pthread_create(&c->thread, NULL, run, c);
	if (failed) {
		if (c->wake >= 0)
			close(c->wake);
		free(c->path);
		free(c);
		return cv_fail_errno(err, CV_TEMPFAIL, failed, "cannot start the delivery client");
	}
	*out = &c->base;
	return CV_OK;
}
