/* imap.c - IMAP load: logins, any command again and again, APPEND, thousands of idle sessions, and
 * the time from the answer to a delivery to the EXISTS of an idle client. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/load/load.h"

/* Octets of the literal that LINE announces at its end; 0 when it does not. */
static uint64_t
literal_of(const char *line)
{
	size_t n = strlen(line);

	if (n < 3 || line[n - 1] != '}')
		return 0;
	const char *open = strrchr(line, '{');
	return open ? strtoull(open + 1, NULL, 10) : 0;
}

/* One whole response line, over its literals; NULL when the connection ended. */
static char *
read_response(struct load_conn *c)
{
	for (;;) {
		char *line = load_line(c);
		uint64_t literal = line ? literal_of(line) : 0;
		if (!literal)
			return line;
		if (!load_skip(c, literal))
			return NULL;
	}
}

bool
load_imap_answer(struct load_conn *c, const char *tag)
{
	size_t n = strlen(tag);

	for (;;) {
		char *line = read_response(c);
		if (!line)
			return false;
		if (!strncmp(line, tag, n) && line[n] == ' ')
			return !strncmp(line + n + 1, "OK", 2);
	}
}

static long
select_box(struct load_conn *c, const char *mailbox)
{
	long exists = 0;

	if (!load_print(c, "s SELECT %s\r\n", mailbox))
		return -1;
	for (;;) {
		char *line = read_response(c);
		if (!line)
			return -1;
		if (line[0] == '*' && strstr(line, " EXISTS"))
			exists = strtol(line + 2, NULL, 10);
		if (!strncmp(line, "s ", 2))
			return !strncmp(line, "s OK", 4) ? exists : -1;
	}
}

long
load_imap_login(struct load_conn *c, const struct load_options *o, unsigned user, bool select)
{
	char name[256];

	if (!load_connect(c, &o->target))
		return -1;
	load_user(o, user, name);
	bool ok = load_line(c) != NULL;
	if (ok && o->target.tls == LOAD_STARTTLS)
		ok = load_print(c, "t STARTTLS\r\n") && load_imap_answer(c, "t") &&
			load_handshake(c);
	if (ok && o->sasl)
		ok = load_imap_sasl(c, o->sasl, name, o->password);
	else
		ok = ok && load_print(c, "l LOGIN \"%s\" \"%s\"\r\n", name, o->password) &&
			load_imap_answer(c, "l");
	long exists = ok && select ? select_box(c, o->mailbox) : ok ? 0 : -1;
	if (exists < 0)
		load_close(c);
	return exists;
}

struct worker {
	pthread_t thread;
	const struct load_options *o;
	unsigned index;
	uint32_t random;
	long exists;
	uint64_t sent; /* commands */
	struct load_stats stats;
	struct load_conn conn;
};

/* %r: a random message number; %s and %t: each message in turn, twice, with + and then with -, so
 * that every STORE changes something; %n: the number of the operation. */
static size_t
expand(struct worker *w, char letter, uint64_t number, char *out, size_t room)
{
	uint64_t exists = w->exists > 0 ? (uint64_t)w->exists : 1;

	switch (letter) {
	case 'r':
		w->random = w->random * 1664525u + 1013904223u;
		number = 1 + (w->random >> 8) % exists;
		break;
	case 's':
		number = 1 + w->sent / 2 % exists;
		break;
	case 't':
		return (size_t)snprintf(out, room, "%c", w->sent % 2 ? '-' : '+');
	default:
		break;
	}
	return (size_t)snprintf(out, room, "%llu", (unsigned long long)number);
}

static bool
send_command(struct worker *w, uint64_t number)
{
	char text[2048];
	size_t n = (size_t)snprintf(text, sizeof text, "x ");

	for (const char *p = w->o->command; *p && n < sizeof text - 32; p++) {
		if (p[0] == '%' && p[1])
			n += expand(w, *++p, number, text + n, sizeof text - n);
		else
			text[n++] = *p;
	}
	w->sent++;
	memcpy(text + n, "\r\n", 2);
	return load_write(&w->conn, text, n + 2);
}

static bool
do_login(struct worker *w, uint64_t number)
{
	unsigned user = (unsigned)(number % w->o->users);
	bool ok = load_imap_login(&w->conn, w->o, user, true) >= 0 &&
		load_print(&w->conn, "q LOGOUT\r\n") && load_imap_answer(&w->conn, "q");

	load_close(&w->conn);
	return ok;
}

static bool
do_command(struct worker *w, uint64_t number)
{
	return send_command(w, number) && load_imap_answer(&w->conn, "x");
}

static bool
do_append(struct worker *w, struct load_message *m, uint64_t number)
{
	load_message_number(m, number);
	return load_print(&w->conn, "a APPEND %s {%zu+}\r\n", w->o->mailbox, m->n) &&
		load_write(&w->conn, m->data, m->n) && load_write(&w->conn, "\r\n", 2) &&
		load_imap_answer(&w->conn, "a");
}

/* A session that is needed for the whole run; logins make their own. */
static bool
begin(struct worker *w, bool is_login)
{
	if (is_login || w->conn.fd >= 0)
		return true;
	bool select = strcmp(w->o->mode, "append") != 0;
	w->exists = load_imap_login(&w->conn, w->o, w->index % w->o->users, select);
	return w->exists >= 0;
}

static pthread_barrier_t all_ready;

static void *
run_worker(void *arg)
{
	struct worker *w = arg;
	bool is_login = !strcmp(w->o->mode, "login"), is_append = !strcmp(w->o->mode, "append");
	struct load_message m = {0};
	uint64_t number;

	if (is_append)
		load_message_make(&m, NULL, w->o->size, w->index);
	bool ready = begin(w, is_login);
	pthread_barrier_wait(&all_ready);
	pthread_barrier_wait(&all_ready); /* between the two the clock starts */
	while (ready && load_take(w->o, &number)) {
		double start = load_now();
		bool ok = is_login ? do_login(w, number)
			: is_append ? do_append(w, &m, number) : do_command(w, number);
		if (ok) {
			load_stats_add(&w->stats, load_now() - start);
			continue;
		}
		load_close(&w->conn);
		if (++w->stats.failed > 20)
			break;
		ready = begin(w, is_login);
	}
	w->stats.failed += !ready;
	w->stats.bytes = w->conn.bytes_in;
	if (w->conn.fd >= 0 && load_print(&w->conn, "q LOGOUT\r\n"))
		(void)load_imap_answer(&w->conn, "q");
	load_close(&w->conn);
	load_message_free(&m);
	return NULL;
}

int
load_imap(const struct load_options *o)
{
	struct worker *workers = calloc(o->sessions, sizeof *workers);
	struct load_stats all = {0};

	if (!workers || pthread_barrier_init(&all_ready, NULL, o->sessions + 1))
		return 1;
	for (unsigned i = 0; i < o->sessions; i++) {
		workers[i].o = o;
		workers[i].index = i;
		workers[i].random = 12345 + i;
		workers[i].conn.fd = -1;
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
			abort();
	}
	pthread_barrier_wait(&all_ready);
	double start = load_now();
	load_take(NULL, NULL);
	pthread_barrier_wait(&all_ready);
	for (unsigned i = 0; i < o->sessions; i++) {
		pthread_join(workers[i].thread, NULL);
		load_stats_merge(&all, &workers[i].stats);
	}
	load_stats_print(&all, load_now() - start, stdout);
	int failed = all.failed || !all.n;
	load_stats_free(&all);
	free(workers);
	return failed;
}

/* ---- idle sessions ---- */

/* IDLE in a stored DEFLATE block; what is answered is packed, so that it came is all that is
 * looked at. */
static bool
start_idle_packed(struct load_conn *c)
{
	static const char packed[] = "\0\x08\0\xf7\xffi IDLE\r\n";
	char byte;

	if (!load_print(c, "z COMPRESS DEFLATE\r\n") || !load_imap_answer(c, "z") ||
		!load_write(c, packed, sizeof packed - 1))
		return false;
	return c->ssl ? SSL_read(c->ssl, &byte, 1) == 1 : recv(c->fd, &byte, 1, 0) == 1;
}

static bool
start_idle(struct load_conn *c)
{
	if (!load_print(c, "i IDLE\r\n"))
		return false;
	for (char *line; (line = load_line(c));)
		if (line[0] == '+')
			return true;
	return false;
}

/* A held session keeps its descriptor and TLS state; the buffer is shared, for nothing is read. */
struct held {
	int fd;
	SSL *ssl;
};

int
load_hold(const struct load_options *o)
{
	struct held *held = calloc(o->sessions, sizeof *held);
	struct load_conn *c = calloc(1, sizeof *c);
	struct load_stats stats = {0};

	if (!held || !c)
		return 1;
	double begin_secs = load_now();
	for (unsigned i = 0; i < o->sessions; i++) {
		double start = load_now();
		if (load_imap_login(c, o, i % o->users, true) < 0 ||
			!(o->compress ? start_idle_packed(c) : start_idle(c))) {
			stats.failed++;
			break;
		}
		held[i] = (struct held){c->fd, c->ssl};
		load_stats_add(&stats, load_now() - start);
	}
	load_stats_print(&stats, load_now() - begin_secs, stdout);
	/* Whoever started this measures now, and closes our input. */
	while (getchar() != EOF)
		;
	for (size_t i = 0; i < stats.n; i++) {
		c->fd = held[i].fd;
		c->ssl = held[i].ssl;
		load_close(c);
	}
	int failed = stats.failed != 0;
	load_stats_free(&stats);
	free(held);
	free(c);
	return failed;
}

/* ---- from the answer to a delivery to the idle client ---- */

struct idler {
	struct load_conn conn;
	atomic_uint_fast64_t told; /* EXISTS lines so far */
	_Atomic double told_at;
};

static void *
watch(void *arg)
{
	struct idler *idler = arg;

	for (char *line; (line = load_line(&idler->conn));) {
		if (!strstr(line, " EXISTS"))
			continue;
		atomic_store(&idler->told_at, load_now());
		atomic_fetch_add(&idler->told, 1);
	}
	return NULL;
}

static bool
wait_told(struct idler *idler, uint64_t more_than)
{
	const struct timespec little = {.tv_nsec = 20000};
	double until = load_now() + 5;

	while (atomic_load(&idler->told) <= more_than && load_now() < until)
		nanosleep(&little, NULL);
	return atomic_load(&idler->told) > more_than;
}

int
load_latency(const struct load_options *o)
{
	struct idler *idler = calloc(1, sizeof *idler);
	struct load_conn *sender = calloc(1, sizeof *sender);
	struct load_stats stats = {0};
	struct load_message m;
	pthread_t thread;

	if (!idler || !sender || load_imap_login(&idler->conn, o, 0, true) < 0 ||
		!start_idle(&idler->conn) || !load_smtp_open(sender, o, &o->deliver) ||
		pthread_create(&thread, NULL, watch, idler))
		return 1;
	load_message_make(&m, NULL, o->size, 1);
	double begin_secs = load_now();
	for (uint64_t i = 0; i < o->count; i++) {
		uint64_t before = atomic_load(&idler->told);
		load_message_number(&m, i);
		if (!load_smtp_send(sender, o, &m, 0)) {
			stats.failed++;
			break;
		}
		double answered = load_now();
		if (!wait_told(idler, before)) {
			stats.failed++;
			continue;
		}
		/* The client may hear of it before the sender does. */
		double late = atomic_load(&idler->told_at) - answered;
		load_stats_add(&stats, late > 0 ? late : 0);
	}
	load_stats_print(&stats, load_now() - begin_secs, stdout);
	int failed = stats.failed || !stats.n;
	load_message_free(&m);
	load_stats_free(&stats);
	fflush(stdout);
	_exit(failed); /* the watching thread waits for a line that does not come */
}
