/* load.h - cvload: puts the same SMTP, IMAP or milter load on any server and measures the answers.
 *
 * One thread a session, blocking sockets: the program is to cost little, so that two programs on
 * one machine measure the server. Nothing here knows congvu; the peers are measured by the same
 * code.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef LOAD_H
#define LOAD_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LOAD_SENDER "hoa@sender.example" /* of mail from outside */

enum load_tls { LOAD_PLAIN, LOAD_STARTTLS, LOAD_TLS };

struct load_target {
	const char *host, *port; /* PORT NULL: HOST is the path of a Unix socket */
	enum load_tls tls;
};

/* ---- conn.c: a buffered connection, plain or TLS ---- */
struct load_conn {
	int fd;
	SSL *ssl;
	size_t at, n;
	uint64_t bytes_in;
	char in[256u << 10]; /* holds the longest line: a SEARCH answer of 30,000 messages */
};
/* Connects, and handshakes when the target has TLS from the first octet. False: errno or TLS said
 * no. */
bool load_connect(struct load_conn *c, const struct load_target *t);
bool load_handshake(struct load_conn *c);
void load_close(struct load_conn *c);
bool load_write(struct load_conn *c, const char *data, size_t n);
bool load_print(struct load_conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The next line without its line end, NUL-terminated, in C until the next call; NULL when the
 * connection ended or the line is longer than the buffer. */
char *load_line(struct load_conn *c);
/* Exactly N octets. */
bool load_read(struct load_conn *c, void *out, size_t n);
/* Passes over N octets (an IMAP literal). */
bool load_skip(struct load_conn *c, uint64_t n);

/* ---- stats.c: the clock and what was measured ---- */
struct load_stats {
	uint32_t *micros;
	size_t n, cap;
	uint64_t failed, bytes;
};
double load_now(void);
void load_stats_add(struct load_stats *s, double secs);
void load_stats_merge(struct load_stats *into, struct load_stats *from); /* empties FROM */
/* " ops=... failed=... secs=... rate=... p50_ms=... p99_ms=... max_ms=..." */
void load_stats_print(struct load_stats *s, double secs, FILE *out);
void load_stats_free(struct load_stats *s);

/* ---- message.c: messages that are the same in every run ---- */
struct load_message {
	char *data;
	size_t n;
	size_t id_at; /* where the twelve digits of the Message-ID stand */
};
/* SIZE octets about, CRLF line ends, no line begins with a dot. Over 4 KB: text and a base64 part.
 * FROM may be NULL: LOAD_SENDER. */
void load_message_make(struct load_message *m, const char *from, size_t size, unsigned seed);
/* A message from a file, as it stands there. False, and says so, when it cannot be read. */
bool load_message_read(struct load_message *m, const char *path);
void load_message_number(struct load_message *m, uint64_t number);
void load_message_free(struct load_message *m);

/* ---- smtp.c, imap.c, milter.c ---- */
struct load_options {
	struct load_target target, deliver;
	unsigned sessions, recipients, users, per_session;
	uint64_t count;         /* operations in all; 0: for so many seconds */
	double seconds;
	size_t size;
	const char *pattern;    /* user or recipient, with one %u-like number: u%05u@bench.test */
	const char *auth_user, *password;
	const char *mode, *command, *mailbox;
	const char *file;       /* milter: the message */
	const char *acked_file; /* Message-IDs that were answered 250 */
	const char *sasl;       /* "plain" or "scram"; NULL: LOGIN */
	double rate;            /* operations begun a second; 0: as many as there can be */
	bool lmtp, compress;
};
/* USER numbers the pattern; OUT has 256 octets. */
void load_user(const struct load_options *o, unsigned number, char *out);
/* Takes the next operation; false when all are taken or the time is over. */
bool load_take(const struct load_options *o, uint64_t *number_out);
int load_smtp(const struct load_options *o);
int load_imap(const struct load_options *o);
int load_hold(const struct load_options *o);
int load_latency(const struct load_options *o);
int load_milter(const struct load_options *o);
/* Logs USER in and selects the mailbox of the options when SELECT; the number of messages, -1 on
 * failure. */
long load_imap_login(struct load_conn *c, const struct load_options *o, unsigned user, bool select);
/* Logs in by AUTHENTICATE. */
bool load_imap_sasl(
	struct load_conn *c, const char *mechanism, const char *user, const char *password);
/* Reads to the tagged answer of TAG; true when it is OK. */
bool load_imap_answer(struct load_conn *c, const char *tag);
/* Opens an SMTP or LMTP session up to the answer to EHLO/LHLO (and AUTH when the options have
 * it). */
bool load_smtp_open(struct load_conn *c, const struct load_options *o, const struct load_target *t);
/* One message to RECIPIENTS boxes from FIRST on; true when every answer was good. */
bool load_smtp_send(struct load_conn *c, const struct load_options *o, const struct load_message *m,
                    unsigned first);

#endif
