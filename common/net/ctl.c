/* ctl.c - the control socket: a thread that waits, a pool that works, and the asking side.
 *
 * The waiting thread polls the listening socket and the clients between two requests; a client with
 * bytes goes to the pool for one request and comes back. So a silent client holds no thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/net/ctl.h"
#include "common/net/jsonline.h"
#include "common/net/pool.h"
#include "common/net/thread.h"

#define RUNNING_MAX 8
#define CLIENTS_MAX 64
/* The socket may be open to everybody on this machine: what others than root and our own user hold
 * leaves room for these. */
#define GUESTS_MAX 6
#define GUESTS_PER_UID 3
#define GUEST_LINE_MAX (8u << 20)
#define SILENCE_SECS 30 /* in the middle of a line */

struct cv_ctl_server {
	int fd, bell_fd;
	cv_ctl_fn *fn;
	void *ctx;
	struct cv_pool *pool;
	pthread_t thread;
	pthread_mutex_t lock; /* over the next lines */
	struct cv_link waiting, working;
	unsigned clients;
	bool ended;
};

struct client {
	struct cv_link link;
	struct cv_ctl_server *server;
	struct cv_buf in;
	uid_t uid;
	int fd;
	bool peer_gone; /* an answer could not be written; the request runs to its end all the
			 * same */
};

static void
ring(struct cv_ctl_server *s)
{
	uint64_t one = 1;
	ssize_t n = write(s->bell_fd, &one, sizeof(one));
	(void)n; /* a full counter rings as well */
}

static void
client_free(struct client *c)
{
	struct cv_ctl_server *s = c->server;
	pthread_mutex_lock(&s->lock);
	cv_list_remove(&c->link);
	s->clients--;
	pthread_mutex_unlock(&s->lock);
	close(c->fd);
	cv_buf_done(&c->in);
	free(c);
}

/* ---- on the pool ---- */

static void
tell(struct client *c, json_t *object)
{
	struct cv_err err;
	if (c->peer_gone) {
		json_decref(object);
		return;
	}
	if (cv_jsonline_write(c->fd, object, SILENCE_SECS, &err)) {
		c->peer_gone = true;
		cv_log(0, CV_WARN, "ctl.lost", "reason=\"%s\"", err.text);
	}
}

static void
on_progress(struct cv_ctl_call *call, json_t *note)
{
	tell(call->impl, json_pack("{s:o}", "progress", note));
}

void
cv_ctl_describe(json_t *reply)
{
	json_object_set_new(reply, "version", json_string(CV_VERSION));
	json_object_set_new(reply, "pid", json_integer((json_int_t)getpid()));
	json_object_set_new(reply, "time", json_integer((json_int_t)cv_wall_secs()));
}

static json_t *
failure(enum cv_status status, const char *text, json_t *more)
{
	json_t *answer = json_pack("{s:b,s:s,s:s}", "ok", 0, "status", cv_status_name(status),
	                           "error", text);
	if (!answer) /* the text is not UTF-8 */
		answer = json_pack("{s:b,s:s,s:s}", "ok", 0, "status", cv_status_name(status),
		                   "error", "the reason cannot be shown");
	if (more)
		json_object_update_missing(answer, more);
	json_decref(more);
	return answer;
}

static void
answer_request(struct client *c, json_t *request)
{
	struct cv_err err = {.text = ""};
	struct cv_ctl_call call = {.request = request, .peer_uid = c->uid, .ctx = c->server->ctx,
	                           .progress = on_progress, .impl = c};
	json_t *reply = NULL;
	enum cv_status status = c->server->fn(&call, &reply, &err);
	json_decref(request);
	if (status) {
		tell(c, failure(status, err.text, reply));
		return;
	}
	if (!reply)
		reply = json_object();
	json_object_set_new(reply, "ok", json_true());
	tell(c, reply);
}

/* One request. False when the connection is over. */
static bool
serve_one(struct client *c)
{
	struct cv_err err;
	json_t *request;
	enum cv_status status = cv_jsonline_read(c->fd, &c->in, SILENCE_SECS, &request, &err);
	if (!status)
		answer_request(c, request);
	else if (status == CV_INVALID || status == CV_LIMIT)
		tell(c, failure(status, err.text, NULL));
	/* After a line that is too long nobody knows where the next one begins. */
	return !c->peer_gone && (!status || status == CV_INVALID);
}

static void
work(void *arg)
{
	struct client *c = arg;
	struct cv_ctl_server *s = c->server;
	bool open;
	do
		open = serve_one(c);
	while (open && cv_jsonline_has(&c->in));
	if (!open) {
		client_free(c);
		return;
	}
	if (!c->in.n)
		cv_buf_done(&c->in);
	pthread_mutex_lock(&s->lock);
	cv_list_remove(&c->link);
	cv_list_append(&s->waiting, &c->link);
	pthread_mutex_unlock(&s->lock);
	ring(s);
}

/* ---- the waiting thread ---- */

static bool
is_guest(uid_t uid)
{
	return uid != 0 && uid != geteuid();
}

static unsigned
count_guests(struct cv_link *list, uid_t uid, unsigned *his)
{
	unsigned n = 0;
	CV_LIST_EACH(it, next, list)
	{
		const struct client *c = CV_CONTAINER(it, struct client, link);
		n += is_guest(c->uid);
		*his += c->uid == uid;
	}
	return n;
}

/* Under the lock. */
static bool
has_room(struct cv_ctl_server *s, uid_t uid)
{
	unsigned his = 0;
	unsigned guests = count_guests(&s->waiting, uid, &his) +
		count_guests(&s->working, uid, &his);
	return s->clients < CLIENTS_MAX &&
		(!is_guest(uid) || (guests < GUESTS_MAX && his < GUESTS_PER_UID));
}

static void
welcome(struct cv_ctl_server *s)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			usleep(100000);
		return;
	}
	bool is_known = !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	pthread_mutex_lock(&s->lock);
	bool is_welcome = is_known && has_room(s, who.uid);
	pthread_mutex_unlock(&s->lock);
	if (!is_welcome) {
		close(fd);
		return;
	}
	struct client *c = cv_calloc(1, sizeof(*c));
	*c = (struct client){
		.server = s, .uid = who.uid, .fd = fd,
		.in = CV_BUF_INIT(is_guest(who.uid) ? GUEST_LINE_MAX : CV_CTL_LINE_MAX)
	};
	cv_list_init(&c->link);
	pthread_mutex_lock(&s->lock);
	cv_list_append(&s->waiting, &c->link);
	s->clients++;
	pthread_mutex_unlock(&s->lock);
}

static void
hand_over(struct client *c)
{
	struct cv_ctl_server *s = c->server;
	pthread_mutex_lock(&s->lock);
	cv_list_remove(&c->link);
	cv_list_append(&s->working, &c->link);
	pthread_mutex_unlock(&s->lock);
	/* The pool's queue holds as many as there can be clients. */
	if (cv_pool_run(s->pool, work, c))
		client_free(c);
}

static unsigned
gather(struct cv_ctl_server *s, struct pollfd *p, struct client **clients)
{
	unsigned n = 0;
	pthread_mutex_lock(&s->lock);
	CV_LIST_EACH(it, next, &s->waiting)
	{
		clients[n] = CV_CONTAINER(it, struct client, link);
		p[n] = (struct pollfd){.fd = clients[n]->fd, .events = POLLIN};
		n++;
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

static bool
has_ended(struct cv_ctl_server *s)
{
	pthread_mutex_lock(&s->lock);
	bool ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	return ended;
}

static void *
ctl_main(void *arg)
{
	struct cv_ctl_server *s = arg;
	struct pollfd p[CLIENTS_MAX + 2];
	struct client *clients[CLIENTS_MAX];
	uint64_t count;

	while (!has_ended(s)) {
		unsigned n = gather(s, p + 2, clients);
		p[0] = (struct pollfd){.fd = s->bell_fd, .events = POLLIN};
		p[1] = (struct pollfd){.fd = s->fd, .events = POLLIN};
		if (poll(p, n + 2, -1) < 0)
			continue;
		if (p[0].revents && read(s->bell_fd, &count, sizeof(count)) < 0)
			continue;
		for (unsigned i = 0; i < n; i++)
			if (p[i + 2].revents)
				hand_over(clients[i]);
		if (p[1].revents)
			welcome(s);
	}
	return NULL;
}

static enum cv_status
start(struct cv_ctl_server *s, struct cv_err *err)
{
	enum cv_status status = cv_pool_new("ctl-work", RUNNING_MAX, CLIENTS_MAX, &s->pool, err);
	if (status)
		return status;
	status = cv_thread_start(&s->thread, "ctl", ctl_main, s, err);
	if (status)
		cv_pool_free(s->pool);
	return status;
}

enum cv_status
cv_ctl_serve(int fd, cv_ctl_fn *fn, void *ctx, struct cv_ctl_server **out, struct cv_err *err)
{
	struct cv_ctl_server *s = cv_calloc(1, sizeof(*s));
	*s = (struct cv_ctl_server){.fd = fd, .fn = fn, .ctx = ctx};
	s->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	cv_list_init(&s->waiting);
	cv_list_init(&s->working);
	enum cv_status status = s->bell_fd < 0
	                                ? cv_fail_errno(err, CV_TEMPFAIL, errno, "eventfd")
	                                : start(s, err);
	if (!status) {
		*out = s;
		return CV_OK;
	}
	if (s->bell_fd >= 0)
		close(s->bell_fd);
	close(fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return status;
}

void
cv_ctl_server_free(struct cv_ctl_server *s)
{
	struct cv_link *link;
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	pthread_mutex_unlock(&s->lock);
	ring(s);
	pthread_join(s->thread, NULL);
	/* Nobody waits for the rest of a half-sent line; answers still go out. */
	pthread_mutex_lock(&s->lock);
	CV_LIST_EACH(it, next, &s->working)
	shutdown(CV_CONTAINER(it, struct client, link)->fd, SHUT_RD);
	pthread_mutex_unlock(&s->lock);
	cv_pool_free(s->pool);
	while ((link = cv_list_pop(&s->waiting)))
		client_free(CV_CONTAINER(link, struct client, link));
	close(s->fd);
	close(s->bell_fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- answers that daemons share ---- */

/* "a b" -> ["a", "b"] */
static json_t *
words(const struct cv_buf *list)
{
	json_t *array = json_array();
	struct cv_str rest = cv_str(list->p, list->n), word;

	while (list->n && cv_str_split(&rest, ' ', &word))
		json_array_append_new(array, json_stringn(word.p, word.n));
	return array;
}

json_t *
cv_ctl_reloaded(const struct cv_buf *changed, const struct cv_buf *restart)
{
	return json_pack("{s:o, s:o}", "changed", words(changed), "restart", words(restart));
}

json_t *
cv_ctl_not_reloaded(const struct cv_err *err)
{
	char vi[CV_ERR_TEXT_MAX + 100];

	snprintf(vi, sizeof(vi), "cấu hình mới có lỗi, vẫn dùng cấu hình cũ: %s", err->text);
	return json_pack("{s:s}", "error_vi", vi);
}

/* ---- the asking side ---- */

static enum cv_status
dial(const char *path, int *fd_out, struct cv_err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(un.sun_path))
		return cv_fail(err, CV_LIMIT, "socket path too long: %s", path);
	memcpy(un.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cv_fail_errno(err, CV_TEMPFAIL, errno, "socket");
	if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		enum cv_status code = errno == EACCES ? CV_DENIED : CV_TEMPFAIL;
		enum cv_status status = cv_fail_errno(err, code, errno, "cannot reach %s", path);
		close(fd);
		return status;
	}
	*fd_out = fd;
	return CV_OK;
}

static enum cv_status
status_of(json_t *answer, struct cv_err *err)
{
	const char *name = json_string_value(json_object_get(answer, "status"));
	const char *text = json_string_value(json_object_get(answer, "error"));
	enum cv_status status = CV_TEMPFAIL;
	for (int s = CV_NOT_FOUND; name && s <= CV_CORRUPT; s++)
		if (!strcmp(cv_status_name((enum cv_status)s), name))
			status = (enum cv_status)s;
	return cv_fail(err, status, "%s", text ? text : "refused without a reason");
}

static enum cv_status
read_answers(int fd, struct cv_buf *in, unsigned timeout_secs,
             void (*progress)(void *arg, json_t *note), void *arg, json_t **reply_out,
             struct cv_err *err)
{
	for (;;) {
		json_t *line, *note;
		enum cv_status status = cv_jsonline_read(fd, in, timeout_secs, &line, err);
		if (status == CV_EOF || status == CV_INVALID)
			return cv_fail(err, CV_TEMPFAIL,
			               "no answer: the daemon ended the conversation");
		if (status)
			return status;
		note = json_object_get(line, "progress");
		if (!note) {
			*reply_out = line;
			return json_is_true(json_object_get(line, "ok")) ? CV_OK
			                                                 : status_of(line, err);
		}
		if (progress)
			progress(arg, json_incref(note));
		json_decref(line);
	}
}

enum cv_status
cv_ctl_ask(const char *path, json_t *request, unsigned timeout_secs,
           void (*progress)(void *arg, json_t *note), void *arg, json_t **reply_out,
           struct cv_err *err)
{
	struct cv_buf in = CV_BUF_INIT(CV_CTL_LINE_MAX);
	int fd = -1;
	*reply_out = NULL;
	enum cv_status status = dial(path, &fd, err);
	if (status)
		return status;
	status = cv_jsonline_write(fd, json_incref(request), timeout_secs, err);
	if (!status)
		status = read_answers(fd, &in, timeout_secs, progress, arg, reply_out, err);
	cv_buf_done(&in);
	close(fd);
	return status;
}
