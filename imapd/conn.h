/* conn.h - one IMAP connection: its state, the command under way, and how a handler answers.
 *
 * A connection has one thread at a time (net.h), so nothing here is locked. The life of a command:
 *
 *   input -> row found, state and arguments checked -> handler, as often as it asks ->
 *   its ticket durable -> untagged news, as the row allows -> tagged answer -> memory given back
 *
 * Invariants:
 *  I1  No tagged OK leaves before the ticket of its change is durable.
 *  I2  Message numbers change only in imapd_session_sync(), never during FETCH, STORE or SEARCH by
 *      number.
 *  I3  State changes only in imapd_conn_enter().
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_CONN_H
#define IMAPD_CONN_H

#include "imapd/args.h"
#include "imapd/input.h"
#include "imapd/others.h"
#include "imapd/respond.h"
#include "imapd/server.h"
#include "imapd/session.h"

enum imapd_state {
	IMAPD_S_GREETED = 1,  /* not logged in */
	IMAPD_S_AUTH = 2,     /* logged in */
	IMAPD_S_SELECTED = 4, /* with a mailbox */
	IMAPD_S_LOGOUT = 8,   /* saying goodbye */
	IMAPD_S_IN = IMAPD_S_AUTH | IMAPD_S_SELECTED,
	IMAPD_S_ANY = IMAPD_S_GREETED | IMAPD_S_IN
};

enum imapd_cmd_flags {
	IMAPD_CMD_UID = 1,      /* may have UID before it */
	IMAPD_CMD_ONLY_UID = 2, /* must have */
	IMAPD_CMD_NUMBERS = 4,  /* without UID no EXPUNGE may be sent: numbers are in use */
	IMAPD_CMD_QUIET = 8,    /* sends no news of the mailbox */
	IMAPD_CMD_WRITES = 16,  /* needs a mailbox opened for writing */
	IMAPD_CMD_SLOW = 32,    /* at most half of the workers at once */
	IMAPD_CMD_STREAMS = 64  /* nothing may come between what it writes */
};

struct imapd_conn;
struct imapd_cmd_row {
	const char *name;
	enum cv_step (*run)(struct imapd_conn *c); /* called again until it answers DONE or CLOSE */
	unsigned states;                           /* allowed in */
	const char *grammar; /* words of args.c; "?" before what may be left out */
	unsigned flags;
	const char *rights; /* on the mailbox named first, "/", on the selected one: rights.h */
};

/* The command under way; in the connection's arena. */
struct imapd_cmd {
	struct cv_str tag;
	const struct imapd_cmd_row *row;
	bool is_uid;      /* UID stood before it */
	bool is_answered; /* the reply below is set */
	bool is_waiting;  /* a waiter is out for the ticket */
	bool is_news_told;   /* what comes before its tagged answer, but for contexts */
	bool is_description; /* none of the client's: describe.h */
	struct imapd_cmd *interrupted; /* by a description; or NULL */
	struct imapd_args args;
	void *step;                  /* the handler's own, between calls */
	void (*release)(void *step); /* what the arena does not give back; may be NULL */
	cv_ticket ticket;            /* 0: nothing to wait for */
	struct cv_str untagged;      /* complete lines sent before the news, once durable */
	enum imapd_reply reply;
	struct cv_str code; /* replaces the reply's code: "APPENDUID 1 2" */
	int64_t parked_ms, tell_ms; /* progress.h: first parked; next to be told */
	bool has_timer;             /* the deadline of this wait is tell_ms */
	uint32_t done, goal;        /* messages; goal 0: not known */
	int64_t texts_until_ms;   /* a search waits for texts until then; 0: has not begun to */
	struct cv_str limit_code; /* "MESSAGELIMIT 1000 23221", beside CODE; limit.h */
};

struct imapd_conn {
	struct cv_conn *conn;
	struct imapd *server;
	enum imapd_state state;
	unsigned events; /* of this call of run() */
	bool is_secure, has_eof, is_idling;
	bool condstore;      /* FETCH answers carry MODSEQ; set by imapd_know_modseq() */
	bool qresync;        /* enabled: expunges are told as VANISHED (RFC 7162) */
	bool utf8;           /* enabled: names are UTF-8; by either of the next two */
	bool utf8_accept;    /* UTF8=ACCEPT (RFC 9755) */
	bool rev2;           /* IMAP4rev2 (RFC 9051) */
	bool metadata;       /* wants to hear of changes (RFC 5464 4.1) */
	bool uid_only;       /* UIDONLY (RFC 9586): no message numbers either way */
	bool is_compressing; /* COMPRESS was answered: what follows its answer is compressed */
	bool is_slow;        /* marked so */
	bool is_handshaking; /* STARTTLS was answered; nothing is read before it is done */
	bool is_counted;     /* among the sessions of its account */
	bool is_unwelcome;   /* too many failed log-ins: close after the answer */
	bool may_forward;    /* a front end: ID says for whom it speaks (cmd_id.c) */
	bool is_forwarded;   /* it has; the peer is its client */
	bool front_may_log_in; /* without TLS or with it, between the front end and us */
	unsigned errors; /* BAD answers in a row, once logged in */
	unsigned failures;
	struct imapd_input input;
	struct cv_arena arena; /* gone when the command is */
	struct imapd_cmd *cmd;
	char *idle_tag; /* of IDLE, while it lasts; heap */
	struct cv_acct *acct;               /* one's own */
	struct cv_acct *held[IMAPD_HELD_MAX]; /* others', of the command under way */
	unsigned held_count;
	struct imapd_login login;
	struct imapd_session *session;
	struct imapd_notify *notify; /* NULL: NOTIFY was not used */
	int64_t login_deadline_ms;
	char *address; /* of who is logged in; heap */
	char *box;     /* of somebody else that was opened last; heap, or NULL */
	struct imapd_groups *groups; /* of the log-in: rights.c; heap, or NULL */
};

extern const struct cv_proto imapd_proto_model; /* limits are filled in from the options */

/* The only place where the state changes. */
void imapd_conn_enter(struct imapd_conn *c, enum imapd_state state);
struct cv_buf *imapd_out(struct imapd_conn *c);

/* A complete answer: `return imapd_done(c, IMAPD_R_OK);` */
enum cv_step imapd_done(struct imapd_conn *c, enum imapd_reply reply);
/* The same, sent when TICKET is durable (0: at once). */
enum cv_step imapd_done_durable(struct imapd_conn *c, cv_ticket ticket);
/* The answer that STATUS stands for; faults of our own are logged with ERR's words. */
enum cv_step imapd_refuse(struct imapd_conn *c, enum cv_status status, const struct cv_err *err);
/* Later in this run, but after others had their turn. */
enum cv_step imapd_yield(struct imapd_conn *c);
/* Answers true when slow work may go on; else return CV_STEP_WAIT. */
bool imapd_may_be_slow(struct imapd_conn *c);

/* The peer knows MODSEQ from now on; the first time in a mailbox it is told HIGHESTMODSEQ. */
void imapd_know_modseq(struct imapd_conn *c);

/* How news are told to this client, in a UID command or not; expunges not yet. */
struct imapd_sync_how imapd_news_how(const struct imapd_conn *c, bool is_uid);

/* Begins the answer that tells of a message: "* 3 FETCH (", or "* 4711 UIDFETCH (" (RFC 9586
 * 3.3). */
void imapd_write_fetch(struct cv_buf *out, bool uid_only, uint32_t seq, uint32_t uid);

/* Reads one line that answers a "+". False: none is there yet, return CV_STEP_READ. *is_bad_out: it
 * was too long. */
bool imapd_read_line(struct imapd_conn *c, struct cv_str *line_out, bool *is_bad_out);

bool imapd_may_log_in(struct imapd_conn *c);
void imapd_write_capabilities(struct imapd_conn *c, struct cv_buf *out);
/* Takes the connection off its account's sessions, if it is there. */
void imapd_log_out(struct imapd_conn *c);
/* Makes ACCT the connection's: opens it and counts the session. */
enum cv_step imapd_log_in(struct imapd_conn *c, cv_acct_no acct, const char *address);

/* IDLE (cmd_idle.c), which keeps no command. */
enum cv_step imapd_idle_run(struct imapd_conn *c);

/* cmd_*.c */
enum cv_step imapd_cmd_append(struct imapd_conn *c);
enum cv_step imapd_cmd_authenticate(struct imapd_conn *c);
enum cv_step imapd_cmd_cancelupdate(struct imapd_conn *c);
enum cv_step imapd_cmd_capability(struct imapd_conn *c);
enum cv_step imapd_cmd_check(struct imapd_conn *c);
enum cv_step imapd_cmd_close(struct imapd_conn *c);
enum cv_step imapd_cmd_compress(struct imapd_conn *c);
enum cv_step imapd_cmd_copy(struct imapd_conn *c);
enum cv_step imapd_cmd_create(struct imapd_conn *c);
enum cv_step imapd_cmd_delete(struct imapd_conn *c);
enum cv_step imapd_cmd_deleteacl(struct imapd_conn *c);
enum cv_step imapd_cmd_enable(struct imapd_conn *c);
enum cv_step imapd_cmd_esearch(struct imapd_conn *c);
enum cv_step imapd_cmd_examine(struct imapd_conn *c);
enum cv_step imapd_cmd_expunge(struct imapd_conn *c);
enum cv_step imapd_cmd_fetch(struct imapd_conn *c);
enum cv_step imapd_cmd_getmetadata(struct imapd_conn *c);
enum cv_step imapd_cmd_getacl(struct imapd_conn *c);
enum cv_step imapd_cmd_getquota(struct imapd_conn *c);
enum cv_step imapd_cmd_getquotaroot(struct imapd_conn *c);
enum cv_step imapd_cmd_id(struct imapd_conn *c);
enum cv_step imapd_cmd_idle(struct imapd_conn *c);
enum cv_step imapd_cmd_list(struct imapd_conn *c);
enum cv_step imapd_cmd_listrights(struct imapd_conn *c);
enum cv_step imapd_cmd_login(struct imapd_conn *c);
enum cv_step imapd_cmd_logout(struct imapd_conn *c);
enum cv_step imapd_cmd_lsub(struct imapd_conn *c);
enum cv_step imapd_cmd_move(struct imapd_conn *c);
enum cv_step imapd_cmd_myrights(struct imapd_conn *c);
enum cv_step imapd_cmd_namespace(struct imapd_conn *c);
enum cv_step imapd_cmd_noop(struct imapd_conn *c);
enum cv_step imapd_cmd_notify(struct imapd_conn *c);
enum cv_step imapd_cmd_rename(struct imapd_conn *c);
enum cv_step imapd_cmd_replace(struct imapd_conn *c);
enum cv_step imapd_cmd_search(struct imapd_conn *c);
enum cv_step imapd_cmd_select(struct imapd_conn *c);
enum cv_step imapd_cmd_setmetadata(struct imapd_conn *c);
enum cv_step imapd_cmd_setacl(struct imapd_conn *c);
enum cv_step imapd_cmd_setquota(struct imapd_conn *c);
enum cv_step imapd_cmd_sort(struct imapd_conn *c);
enum cv_step imapd_cmd_starttls(struct imapd_conn *c);
enum cv_step imapd_cmd_status(struct imapd_conn *c);
enum cv_step imapd_cmd_store(struct imapd_conn *c);
enum cv_step imapd_cmd_subscribe(struct imapd_conn *c);
enum cv_step imapd_cmd_thread(struct imapd_conn *c);
enum cv_step imapd_cmd_unauthenticate(struct imapd_conn *c);
enum cv_step imapd_cmd_unselect(struct imapd_conn *c);
enum cv_step imapd_cmd_uidbatches(struct imapd_conn *c);
enum cv_step imapd_cmd_unsubscribe(struct imapd_conn *c);

extern const struct imapd_cmd_row imapd_cmds[];
extern const size_t imapd_cmds_count;
/* The row for NAME, or NULL. */
const struct imapd_cmd_row *imapd_cmd_find(struct cv_str name, bool is_uid);

/* Appends "* LIST (...) "/" name", with what it was called before or by the client, unless
 * OLD_NAME.p is NULL (RFC 9051 7.3.1). */
void imapd_write_list(struct imapd_conn *c, const struct cv_mbox_info *box, struct cv_str old_name,
	struct cv_buf *out);

/* The same, with \Subscribed where it is. */
void imapd_write_list_subscribed(struct imapd_conn *c, const struct cv_mbox_info *box,
	struct cv_str old_name, struct cv_buf *out);
/* Appends "* MYRIGHTS name rights". */
void imapd_write_myrights(struct imapd_conn *c, struct cv_str name, uint32_t rights);
/* "* LIST (ATTRIBUTE) "/" name". */
void imapd_write_list_as(struct imapd_conn *c, const struct cv_mbox_info *box,
	const char *attribute, struct cv_buf *out);

/* Writes the status items of one mailbox: "(MESSAGES 3 UIDNEXT 4)". */
void imapd_write_status(
	struct imapd_conn *c, const struct cv_mbox_info *info, unsigned items);

#endif
