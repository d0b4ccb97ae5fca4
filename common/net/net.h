/* net.h - connections served by one poller and a few workers.
 *
 * The poller only waits (edge-triggered epoll, timers) and hands a ready connection to a worker. A
 * worker flushes and reads without blocking (TLS too), then calls the protocol's run() until it
 * wants something that is not there yet. A connection belongs to one thread at a time, so a
 * protocol needs no locks for its own state; whoever else holds a reference may only call
 * cv_conn_wake().
 *
 * An idle connection costs its structs: input and output buffers are freed while it is parked. A
 * compressed one keeps what the peer may still point back to, at most 32 KB.
 *
 *        accept            bytes, timer, wake              run() answers
 *   ----> PARKED ------------------> QUEUED --> RUNNING --------------------> PARKED (or CLOSED)
 *                                      ^            |  wake while running
 *                                      +------------+
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_NET_H
#define CV_NET_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/list.h"

struct cv_net;
struct cv_conn;
struct cv_tls_server;
struct cv_tls_client;
struct cv_tls_peer;
struct cv_tls_cert;
struct cv_netset;
struct cv_rates;

/* Why run() is called; several bits may be set. */
enum cv_event {
	CV_EV_OPEN = 1,    /* first call: greet (after the TLS handshake on implicit TLS) */
	CV_EV_INPUT = 2,   /* there are bytes in cv_conn_in() that run() has not seen yet */
	CV_EV_DRAINED = 4, /* the output went out after STEP_MORE */
	CV_EV_WAKE = 8,    /* cv_conn_wake() was called at least once since the last run() */
	CV_EV_TIMEOUT = 16,/* the deadline of cv_conn_set_deadline() passed */
	CV_EV_EOF = 32,    /* the peer closed its side; input may still be left */
	CV_EV_SECURE = 64, /* the STARTTLS handshake asked for by cv_conn_starttls() is complete */
	CV_EV_CONNECTED = 128, /* an outgoing connection is up (TLS included, if asked for) */
	CV_EV_FAILED = 256,/* outgoing connect, handshake or socket error: cv_conn_error() says why;
	                    * run() must answer CV_STEP_CLOSE */
	CV_EV_KILLED = 512 /* comes with TIMEOUT: cv_conn_kill() or cv_net_stop(); say goodbye, the
	                    * connection closes whatever run() answers */
};

/* What run() wants next. */
enum cv_step {
	CV_STEP_DONE,    /* did something; call again at once if input is left, else wait for
			  * input */
	CV_STEP_READ,    /* the input is an incomplete command: call when more has come. With in_max
	                  * bytes unconsumed no more can come: that closes the connection */
	CV_STEP_MORE,    /* output is over the high mark: call again (DRAINED) when it has gone out;
	                  * wakes are kept until then, deadlines give way to the stall limit */
	CV_STEP_WAIT,    /* parked: only cv_conn_wake() or the deadline call again; input is not
			  * read */
	CV_STEP_DURABLE = CV_STEP_WAIT, /* the same, said where a ticket's waiter will wake */
	CV_STEP_LISTEN = 100,                /* parked for input AND wake (IMAP IDLE) */
	CV_STEP_CLOSE = 200 /* flush what is in the output (bounded by a short deadline), then
			     * close */
};

/* One protocol. All hooks run on a worker that owns the connection. */
struct cv_proto {
	const char *name;          /* "smtp", for logs */
	size_t user_bytes;         /* zeroed memory for cv_conn_user(), freed after closed() */
	size_t in_max;             /* most input bytes buffered before run() must consume some */
	size_t out_high;           /* output bytes after which run() should answer CV_STEP_MORE */
	unsigned idle_secs;        /* default deadline between two events; 0: none */
	enum cv_step (*run)(struct cv_conn *c, unsigned events);
	void (*closed)(struct cv_conn *c); /* last call, if run() was ever called; may be NULL */
};

/* A TLS handshake or PROXY header must be complete after so long. */
#define CV_NET_HANDSHAKE_SECS 30

/* Unsent output above out_high + this, or a peer that takes nothing for so long, ends a
 * connection. */
#define CV_NET_OUT_MAX (64u << 20)
#define CV_NET_STALL_SECS 120

struct cv_net_options {
	unsigned workers;          /* 0: twice the cores */
	unsigned max_conns;        /* whole process, 0: no limit; above it new peers are refused by
				    * `refusal` */
	unsigned max_conns_per_ip; /* 0: no limit; IPv6 counts by /64 */
	unsigned stall_secs;       /* 0: CV_NET_STALL_SECS */
	unsigned max_conns_per_net; /* the same for a network of net_bits_v4 or net_bits_v6 */
	unsigned conns_per_minute;  /* new ones of such a network; 0: no limit */
	unsigned net_bits_v4, net_bits_v6; /* 0: 24 and 64 */
	const struct cv_netset *unlimited_from; /* peers to whom the limits per address and network
						 * do not apply */
};

/* Raises the limit of open descriptors for max_conns as far as the system lets it. */
CV_MUST_CHECK enum cv_status cv_net_new(const struct cv_net_options *o, struct cv_net **net_out,
                                        struct cv_err *err);
/* Starts poller and workers and returns. */
CV_MUST_CHECK enum cv_status cv_net_start(struct cv_net *net, struct cv_err *err);
/* Stops accepting; lets running commands end (connections in WAIT or MORE), at most GRACE_MS; tells
 * the others TIMEOUT | KILLED; closes all; joins the threads. */
void cv_net_stop(struct cv_net *net, unsigned grace_ms);
void cv_net_free(struct cv_net *net);

/* What several listeners may have open together. The caller keeps it as long as the net. */
struct cv_share {
	_Atomic unsigned max;            /* 0: no limit of its own */
	_Atomic unsigned open;           /* the net's */
};

/* A listening socket and what is spoken on it. */
struct cv_listen {
	const struct cv_proto *proto;
	void *ctx;                       /* cv_conn_ctx() of every connection accepted here */
	struct cv_tls_server *tls;       /* for STARTTLS; with implicit_tls from the first octet */
	bool implicit_tls;
	const struct cv_netset *proxy_from; /* a peer in it must send a PROXY v1/v2 header first,
	                                  * and is then whom the header names; from any other a
	                                  * header is a line like all. NULL: nobody sends one */
	struct cv_share *share;          /* or NULL */
	const char *refusal;             /* complete line sent to a peer when there is no room, then
					  * closed; with implicit_tls it is closed without a word */
	const char *refusal_peer;        /* the same for a peer over a limit of its own; NULL:
	                                  * `refusal` */
	const char *label;               /* "mx", "submission": for logs */
};

/* Takes over FD (bound and listening). *L is copied; what it points to must outlive the net. */
CV_MUST_CHECK enum cv_status cv_net_listen(struct cv_net *net, int fd, const struct cv_listen *l,
                                           struct cv_err *err);
/* Stops listening on FD; connections that came through it go on. Soon after, not at once, the
 * address is free. Any thread, once the net has started. */
void cv_net_unlisten(struct cv_net *net, int fd);
/* New limits for those who connect from now on: O's, but for workers and stall_secs. */
void cv_net_limits(struct cv_net *net, const struct cv_net_options *o);
/* Stops listening everywhere and wakes every incoming connection, so that its protocol may say
 * goodbye when it is idle. A listening socket that another process holds too goes on queueing
 * peers for whoever takes it next. */
void cv_net_drain(struct cv_net *net);
/* Connections that peers opened and that are still here. */
unsigned cv_net_incoming(struct cv_net *net);
/* Opens an outgoing connection without waiting: run() is called with CONNECTED or FAILED (for TLS
 * from the first octet call cv_conn_starttls_client() there). CONN_OUT may be NULL; else *conn_out
 * is set before run() can be called and holds a reference that the caller gives back
 * (cv_conn_unref). Fails with CV_TEMPFAIL when the address refuses at once: run() is not called
 * then. */
CV_MUST_CHECK enum cv_status cv_net_connect(struct cv_net *net, const struct sockaddr *addr,
                                            socklen_t addr_len, const struct cv_proto *proto,
                                            void *ctx, unsigned connect_secs,
                                            struct cv_conn **conn_out, struct cv_err *err);

/* ---- inside run() ---- */
void *cv_conn_user(struct cv_conn *c);
void *cv_conn_ctx(struct cv_conn *c);
struct cv_net *cv_conn_net(struct cv_conn *c);
uint64_t cv_conn_id(const struct cv_conn *c);   /* unique in the process, for logs */
/* Octets of the protocol, inside TLS, since it was opened; for its own thread and closed(). */
void cv_conn_bytes(const struct cv_conn *c, uint64_t *in_out, uint64_t *out_out);
const char *cv_conn_label(const struct cv_conn *c); /* the listener's, or the proto's name */
/* Unconsumed input. Valid until the next consume or return. */
struct cv_str cv_conn_in(struct cv_conn *c);
/* Whether there is input, of which run() may not have been told yet (on TLS: what is decrypted). */
bool cv_conn_input_waits(struct cv_conn *c);
void cv_conn_consume(struct cv_conn *c, size_t n);
/* True when in_max bytes are waiting and none could be consumed: the command is too long. */
bool cv_conn_in_is_full(struct cv_conn *c);
/* Output; appended freely, sent after run() returns (all of one batch in one write). */
struct cv_buf *cv_conn_out(struct cv_conn *c);
/* True when the output passed out_high: answer CV_STEP_MORE soon. */
bool cv_conn_out_is_high(struct cv_conn *c);
/* The next event must come within SECS from now, else run() gets TIMEOUT; 0: no deadline. Holds for
 * the wait after this run(); without a call the proto's idle_secs counts from this run(). Only a
 * wake that finds CV_STEP_LISTEN and leaves it keeps the deadline that was running. */
void cv_conn_set_deadline(struct cv_conn *c, unsigned secs);
/* The same at a moment of cv_mono_ms(); 0: no deadline. */
void cv_conn_set_deadline_at(struct cv_conn *c, int64_t when_ms);
/* Begins the server handshake once the output is flushed; plaintext input read so far is thrown
 * away. Return CV_STEP_READ afterwards; run() continues with SECURE, or the connection closes. */
void cv_conn_starttls(struct cv_conn *c);
/* The same as a client; HOST for SNI and checks (CLIENT decides what is checked). */
void cv_conn_starttls_client(struct cv_conn *c, struct cv_tls_client *client, const char *host);
/* The same for PEER, which stays the caller's and must last until run() was told SECURE or FAILED,
 * or closed() is called. */
void cv_conn_starttls_peer(struct cv_conn *c, struct cv_tls_client *client,
                           const struct cv_tls_peer *peer);
/* From now on both directions are raw DEFLATE (deflate.h). What is in the output already leaves as
 * it is; the input must be empty, so that the next octet that comes is the first compressed one.
 * Each flush of the output ends on a whole octet: the peer can unpack all of it. */
void cv_conn_compress(struct cv_conn *c);
bool cv_conn_is_compressed(const struct cv_conn *c);
const char *cv_conn_error(const struct cv_conn *c);
/* Says whether the work ahead is slow (SEARCH, big FETCH): at most half of the workers run marked
 * connections at once. True: go on. False (only for SLOW true): answer CV_STEP_WAIT; run() is
 * called with WAKE when there is room, and asking again then answers true. Unmark when the work is
 * done. */
bool cv_conn_mark_slow(struct cv_conn *c, bool slow);

/* The peer, after PROXY protocol. */
const struct sockaddr_storage *cv_conn_peer(const struct cv_conn *c);
const struct sockaddr_storage *cv_conn_local(const struct cv_conn *c);
const char *cv_conn_peer_text(const struct cv_conn *c); /* "192.0.2.1" or "2001:db8::1" */
unsigned cv_conn_peer_port(const struct cv_conn *c);
/* Replaces the peer (XCLIENT from a trusted network) or our own address. */
void cv_conn_set_peer(struct cv_conn *c, const struct sockaddr_storage *peer);
void cv_conn_set_local(struct cv_conn *c, const struct sockaddr_storage *local);
/* Counts the peer of now instead of the one counted before; false when it has too many connections:
 * refuse it. */
CV_MUST_CHECK bool cv_conn_recount(struct cv_conn *c);
/* How much of the room for connections is taken, of the whole net or of C's share if that is
 * fuller, in percent. 0 without limits. */
unsigned cv_conn_load_percent(const struct cv_conn *c);

struct cv_tls_info {
	bool secure;
	const char *version;        /* "TLSv1.3" */
	const char *cipher;
	unsigned bits;
	const char *sni;            /* or NULL */
	bool peer_verified;         /* a certificate was shown and its chain verified */
	bool by_dane;               /* by a TLSA record */
	const char *verify_error;   /* why it did not, in OpenSSL's words; "" */
	char peer_subject[256];
};
void cv_conn_tls_info(struct cv_conn *c, struct cv_tls_info *info_out);
/* The client's certificate; false unless one was asked for, its chain is verified and its time has
 * not run out. */
bool cv_conn_client_cert(struct cv_conn *c, struct cv_tls_cert *out);
/* Channel binding bytes: "tls-exporter" (RFC 9266) or "tls-server-end-point" (RFC 5929).
 * CV_NOT_FOUND when there is none. */
CV_MUST_CHECK enum cv_status cv_conn_channel_binding(struct cv_conn *c, const char *type,
                                                     struct cv_buf *out);

/* ---- from anywhere ---- */
/* A counted reference that keeps the memory (not the socket) alive. */
void cv_conn_ref(struct cv_conn *c);
void cv_conn_unref(struct cv_conn *c);
/* Makes run() be called with WAKE soon, on whichever worker; cheap; lost on a closed connection.
 * Every completion (durable ticket, milter, resolver, password check) ends in this call. */
void cv_conn_wake(struct cv_conn *c);
/* Makes run() be called with TIMEOUT and KILLED and the connection closed after it, e.g. an account
 * was suspended. Safe from any thread. */
void cv_conn_kill(struct cv_conn *c);

struct cv_net_stats {
	uint64_t accepted, refused, open, tls_handshakes, tls_failures, bytes_in, bytes_out;
	uint64_t workers, workers_busy, work_waiting;
};
void cv_net_stats(struct cv_net *net, struct cv_net_stats *out);

/* Descriptors that are not connections (resolver, signal pipe): FN runs on the poller thread when
 * FD is readable and must be quick. Never removed before cv_net_free(). */
CV_MUST_CHECK enum cv_status cv_net_watch(struct cv_net *net, int fd, void (*fn)(void *arg),
                                          void *arg, struct cv_err *err);
/* Calls FN(arg) exactly once on a worker after DELAY_MS, or early when the net stops. Not
 * cancellable; FN must check for itself. False, and no call, when the net is already stopping. */
bool cv_net_after(struct cv_net *net, unsigned delay_ms, void (*fn)(void *arg), void *arg);
/* Runs FN(arg) on a worker now. False, and no call, when the net has stopped. */
bool cv_net_run(struct cv_net *net, void (*fn)(void *arg), void *arg);

#endif
