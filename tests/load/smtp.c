/* smtp.c - SMTP and LMTP load: sessions that send messages as fast as they are taken. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/load/load.h"

/* The last line of an answer; 0 when there is none. */
static int
read_reply(struct load_conn *c)
{
	for (;;) {
		char *line = load_line(c);
		if (!line || strlen(line) < 3)
			return 0;
		if (line[3] != '-')
			return (int)strtol(line, NULL, 10);
	}
}

static bool
expect(struct load_conn *c, int code)
{
	return read_reply(c) == code;
}

static bool
log_in(struct load_conn *c, const struct load_options *o)
{
	unsigned char plain[512], text[1024];
	size_t user = strlen(o->auth_user), pass = strlen(o->password);

	if (user + pass + 2 > sizeof plain)
		return false;
	plain[0] = 0;
	memcpy(plain + 1, o->auth_user, user);
	plain[1 + user] = 0;
	memcpy(plain + 2 + user, o->password, pass);
	EVP_EncodeBlock(text, plain, (int)(user + pass + 2));
	return load_print(c, "AUTH PLAIN %s\r\n", text) && expect(c, 235);
}

bool
load_smtp_open(struct load_conn *c, const struct load_options *o, const struct load_target *t)
{
	const char *hello = o->lmtp ? "LHLO load.example\r\n" : "EHLO load.example\r\n";

	if (!load_connect(c, t))
		return false;
	bool ok = expect(c, 220) && load_print(c, "%s", hello) && expect(c, 250);
	if (ok && t->tls == LOAD_STARTTLS)
		ok = load_print(c, "STARTTLS\r\n") && expect(c, 220) && load_handshake(c) &&
			load_print(c, "%s", hello) && expect(c, 250);
	if (ok && o->auth_user)
		ok = log_in(c, o);
	if (!ok)
		load_close(c);
	return ok;
}

/* Envelope in one write, then the message: what every server offers by PIPELINING. */
static bool
send_envelope(struct load_conn *c, const struct load_options *o, unsigned first)
{
	static const size_t room = 512;
	size_t cap = (o->recipients + 2) * room, n = 0;
	char *text = malloc(cap), user[256];

	if (!text)
		abort();
	n += (size_t)snprintf(text + n, cap - n, "MAIL FROM:<%s>\r\n",
		o->auth_user ? o->auth_user : LOAD_SENDER);
	for (unsigned i = 0; i < o->recipients; i++) {
		load_user(o, (first + i) % o->users, user);
		n += (size_t)snprintf(text + n, cap - n, "RCPT TO:<%s>\r\n", user);
	}
	n += (size_t)snprintf(text + n, cap - n, "DATA\r\n");
	bool ok = load_write(c, text, n);
	free(text);
	return ok;
}

bool
load_smtp_send(struct load_conn *c, const struct load_options *o, const struct load_message *m,
	unsigned first)
{
	unsigned answers = o->lmtp ? o->recipients : 1;
	bool ok = send_envelope(c, o, first) && expect(c, 250);

	for (unsigned i = 0; ok && i < o->recipients; i++)
		ok = expect(c, 250);
	ok = ok && expect(c, 354) && load_write(c, m->data, m->n) && load_write(c, ".\r\n", 3);
	for (unsigned i = 0; ok && i < answers; i++)
		ok = expect(c, 250);
	return ok;
}

struct sender {
	pthread_t thread;
	const struct load_options *o;
	unsigned index;
	struct load_stats stats;
	FILE *acked;
};

static void
note_acked(struct sender *s, const struct load_message *m)
{
	if (!s->acked)
		return;
	flockfile(s->acked);
	fprintf(s->acked, "%.12s.load@sender.example\n", m->data + m->id_at);
	funlockfile(s->acked);
}

static void
say_quit(struct load_conn *c)
{
	if (load_print(c, "QUIT\r\n"))
		(void)expect(c, 221);
	load_close(c);
}

static void *
run_sender(void *arg)
{
	struct sender *s = arg;
	const struct load_options *o = s->o;
	struct load_conn *c = calloc(1, sizeof *c);
	struct load_message m;
	unsigned in_session = 0;
	uint64_t number;

	if (!c)
		abort();
	c->fd = -1;
	load_message_make(&m, o->auth_user, o->size, s->index);
	while (load_take(o, &number)) {
		double start = load_now();
		load_message_number(&m, number);
		bool ok = (c->fd >= 0 || load_smtp_open(c, o, &o->target)) &&
			load_smtp_send(c, o, &m, (unsigned)(number * o->recipients % o->users));
		if (!ok) {
			s->stats.failed++;
			load_close(c);
			if (s->stats.failed > 100)
				break;
			continue;
		}
		note_acked(s, &m);
		if (o->per_session && ++in_session % o->per_session == 0)
			say_quit(c);
		load_stats_add(&s->stats, load_now() - start);
	}
	if (c->fd >= 0)
		say_quit(c);
	load_message_free(&m);
	free(c);
	return NULL;
}

int
load_smtp(const struct load_options *o)
{
	struct sender *senders = calloc(o->sessions, sizeof *senders);
	struct load_stats all = {0};
	FILE *acked = o->acked_file ? fopen(o->acked_file, "we") : NULL;

	if (!senders || (o->acked_file && !acked))
		return 1;
	double start = load_now();
	for (unsigned i = 0; i < o->sessions; i++) {
		senders[i] = (struct sender){.o = o, .index = i, .acked = acked};
		if (pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]))
			abort();
	}
	for (unsigned i = 0; i < o->sessions; i++) {
		pthread_join(senders[i].thread, NULL);
		load_stats_merge(&all, &senders[i].stats);
	}
	if (acked)
		fclose(acked);
	load_stats_print(&all, load_now() - start, stdout);
	int failed = all.failed || !all.n;
	load_stats_free(&all);
	free(senders);
	return failed;
}
