/* milter.c - an MTA before a filter (milter protocol, version 6): one message of a file again and
 * again, each answer looked for a word that says it was judged. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "tests/load/load.h"

#define PACKET_MAX (1u << 20)
#define PIECE      65535 /* of a body */

/* Steps a filter may leave out or leave unanswered (SMFIP_*). */
enum {
	NO_CONNECT = 0x1, NO_HELO = 0x2, NO_MAIL = 0x4, NO_RCPT = 0x8, NO_BODY = 0x10,
	NO_HEADER = 0x20, NO_EOH = 0x40, QUIET_HEADER = 0x80, NO_DATA = 0x200,
	QUIET_CONNECT = 0x1000, QUIET_HELO = 0x2000, QUIET_MAIL = 0x4000, QUIET_RCPT = 0x8000,
	QUIET_DATA = 0x10000, QUIET_EOH = 0x40000, QUIET_BODY = 0x80000, LEADING_BLANK = 0x100000,
	ALL_STEPS = 0x1fffff & ~0x20000
};

struct text {
	char *p;
	size_t n, cap;
};

struct client {
	pthread_t thread;
	const struct load_options *o;
	struct load_stats stats;
	struct load_conn c;
	uint32_t steps;     /* as agreed */
	struct text burst;  /* header, end of header, body, end: ready to send */
	unsigned answers;   /* to the burst before the last */
	char packet[PACKET_MAX];
};

/* ---- packets ---- */

static void
add(struct text *t, const void *p, size_t n)
{
	if (t->n + n > t->cap) {
		t->cap = (t->n + n) * 2;
		t->p = realloc(t->p, t->cap);
		if (!t->p)
			abort();
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void
add_packet(struct text *t, char command, const void *data, size_t n)
{
	uint32_t size = htonl((uint32_t)n + 1);

	add(t, &size, sizeof size);
	add(t, &command, 1);
	add(t, data, n);
}

/* The command of the next packet; its data lies in c->packet, NUL-terminated. 0: the end. */
static char
read_packet(struct client *c, size_t *n_out)
{
	uint32_t size;

	if (!load_read(&c->c, &size, sizeof size))
		return 0;
	size = ntohl(size);
	if (size < 1 || size >= sizeof c->packet || !load_read(&c->c, c->packet, size))
		return 0;
	c->packet[size] = 0;
	*n_out = size - 1;
	return c->packet[0];
}

/* Sends a step and takes its answer; true when the filter goes on. */
static bool
step(struct client *c, char command, const char *data, size_t n, uint32_t left_out, uint32_t quiet)
{
	struct text t = {0};
	size_t size;

	if (c->steps & left_out)
		return true;
	add_packet(&t, command, data, n);
	bool ok = load_write(&c->c, t.p, t.n) &&
		((c->steps & quiet) || read_packet(c, &size) == 'c');
	free(t.p);
	return ok;
}

/* ---- the message ---- */

static const char *
line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl ? nl : end;
}

/* A field with its continuation lines; values keep LF between them, as MTAs give them. */
static const char *
add_field(struct client *c, const char *p, const char *end)
{
	struct text t = {0};
	const char *stop = line_end(p, end), *colon = memchr(p, ':', (size_t)(stop - p));

	while (stop < end && stop + 1 < end && (stop[1] == ' ' || stop[1] == '\t'))
		stop = line_end(stop + 1, end);
	if (colon) {
		const char *value = colon + 1;
		if (!(c->steps & LEADING_BLANK) && value < stop && *value == ' ')
			value++;
		add(&t, p, (size_t)(colon - p));
		add(&t, "", 1);
		for (; value < stop; value++)
			if (*value != '\r')
				add(&t, value, 1);
		add(&t, "", 1);
		add_packet(&c->burst, 'L', t.p, t.n);
		c->answers += !(c->steps & QUIET_HEADER);
		free(t.p);
	}
	return stop < end ? stop + 1 : end;
}

static void
make_burst(struct client *c, const struct load_message *m)
{
	const char *p = m->data, *end = m->data + m->n;

	while (p < end && *p != '\r' && *p != '\n')
		p = add_field(c, p, end);
	if (!(c->steps & NO_EOH)) {
		add_packet(&c->burst, 'N', "", 0);
		c->answers += !(c->steps & QUIET_EOH);
	}
	for (p = p < end ? line_end(p, end) + 1 : end; p < end && !(c->steps & NO_BODY);) {
		size_t n = (size_t)(end - p) < PIECE ? (size_t)(end - p) : PIECE;
		add_packet(&c->burst, 'B', p, n);
		c->answers += !(c->steps & QUIET_BODY);
		p += n;
	}
	add_packet(&c->burst, 'E', "", 0);
}

/* ---- sessions ---- */

static bool
open_session(struct client *c, const struct load_message *m)
{
	static const uint32_t offer[3] = {6, 0x1ff, ALL_STEPS};
	uint32_t words[3];
	struct text t = {0};
	uint16_t port = htons(25);
	size_t n;

	if (!load_connect(&c->c, &c->o->target))
		return false;
	for (int i = 0; i < 3; i++)
		words[i] = htonl(offer[i]);
	add_packet(&t, 'O', words, sizeof words);
	bool ok = load_write(&c->c, t.p, t.n) && read_packet(c, &n) == 'O' && n >= sizeof words;
	free(t.p);
	if (!ok)
		return false;
	memcpy(words, c->packet + 1, sizeof words);
	c->steps = ntohl(words[2]);
	if (!c->burst.n)
		make_burst(c, m);
	t = (struct text){0};
	add(&t, "mta.sender.example", 19);
	add(&t, "4", 1);
	add(&t, &port, 2);
	add(&t, "192.0.2.1", 10);
	ok = step(c, 'C', t.p, t.n, NO_CONNECT, QUIET_CONNECT) &&
		step(c, 'H', "mta.sender.example", 19, NO_HELO, QUIET_HELO);
	free(t.p);
	return ok;
}

static bool
send_message(struct client *c, uint64_t number)
{
	char macro[64], rcpt[300], user[256];
	unsigned left = c->answers;
	bool judged = !c->o->command;
	struct text t = {0};
	size_t n;

	int size = snprintf(macro, sizeof macro, "Mi%cL%llu", 0, (unsigned long long)number);
	add_packet(&t, 'D', macro, (size_t)size + 1);
	bool ok = load_write(&c->c, t.p, t.n);
	free(t.p);
	load_user(c->o, (unsigned)(number % c->o->users), user);
	size = snprintf(rcpt, sizeof rcpt, "<%s>", user);
	if (!ok ||
		!step(c, 'M', "<" LOAD_SENDER ">", sizeof LOAD_SENDER + 2, NO_MAIL, QUIET_MAIL) ||
		!step(c, 'R', rcpt, (size_t)size + 1, NO_RCPT, QUIET_RCPT) ||
		!step(c, 'T', "", 0, NO_DATA, QUIET_DATA) ||
		!load_write(&c->c, c->burst.p, c->burst.n))
		return false;
	for (;;) {
		char command = read_packet(c, &n);
		if (command == 'c' && left) {
			left--;
		} else if (command == 'c' || command == 'a') {
			return judged;
		} else if (command == 'h' || command == 'i') {
			judged = judged || memmem(c->packet, n + 1, c->o->command,
						   strlen(c->o->command));
		} else if (!command || !strchr("p+-mbq", command)) {
			return false;
		}
	}
}

static void *
run_client(void *arg)
{
	struct client *c = arg;
	struct load_message m = {0};
	uint64_t number;
	unsigned in_session = 0;

	if (!load_message_read(&m, c->o->file))
		return NULL;
	c->c.fd = -1;
	while (load_take(c->o, &number)) {
		double start = load_now();
		if (!((c->c.fd >= 0 || open_session(c, &m)) && send_message(c, number))) {
			load_close(&c->c);
			if (++c->stats.failed > 100)
				break;
			continue;
		}
		if (c->o->per_session && ++in_session % c->o->per_session == 0)
			load_close(&c->c);
		load_stats_add(&c->stats, load_now() - start);
	}
	load_close(&c->c);
	load_message_free(&m);
	free(c->burst.p);
	return NULL;
}

int
load_milter(const struct load_options *o)
{
	struct client *clients = calloc(o->sessions, sizeof *clients);
	struct load_stats all = {0};

	if (!clients)
		return 1;
	double start = load_now();
	for (unsigned i = 0; i < o->sessions; i++) {
		clients[i].o = o;
		if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]))
			abort();
	}
	for (unsigned i = 0; i < o->sessions; i++) {
		pthread_join(clients[i].thread, NULL);
		load_stats_merge(&all, &clients[i].stats);
	}
	load_stats_print(&all, load_now() - start, stdout);
	int failed = all.failed || !all.n;
	load_stats_free(&all);
	free(clients);
	return failed;
}
