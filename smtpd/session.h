/* session.h - one SMTP (or LMTP) conversation and the transaction inside it.
 *
 *   S_START --greeting--> S_CONNECTED --EHLO--> S_READY --MAIL--> S_MAIL --RCPT--> S_RCPT
 *                                                  ^                                 |
 *                                                  +---- end of data, RSET ----------+
 *                                                              (through S_DATA, S_BDAT)
 *
 * A handler never waits. One that needs an answer from elsewhere (store, filter, password check)
 * sets `resume` and answers CV_STEP_WAIT; it is called when the connection is woken, and may find
 * that its answer is still to come and wait again. What must outlive a closed connection while an
 * answer is under way lives in the counted transaction.
 *
 * Threads: a session belongs to the worker that runs its connection.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include "common/text/address.h"
#include "smtpd/again.h"
#include "smtpd/boxes.h"
#include "smtpd/defence.h"
#include "smtpd/milter.h"
#include "smtpd/reply.h"
#include "smtpd/sending.h"
#include "smtpd/server.h"
#include "smtpd/dot.h"
#include "smtpd/timing.h"

#define SMTPD_LINE_MAX 4096u       /* a command line; RFC 5321 asks 512, extensions more */
#define SMTPD_AUTH_LINE_MAX 16384u /* an AUTH response line (RFC 4954 4: 12288) */
#define SMTPD_IN_MAX (64u << 10)   /* input buffered: taken of a message at a time, and kept
                                    * in memory behind a command that waits */
#define SMTPD_RCPT_BYTES 256u      /* of memory, on average, that one of max_rcpts may take */
#define SMTPD_NOISE_MAX 100u       /* commands that bring no mail nearer, between two messages */
#define SMTPD_ANSWER_SECS 600u     /* clients have given up then (RFC 5321 4.5.3.2.6) */
#define SMTPD_MESSAGE_SECS 7200u   /* a whole message; 28 MiB come in time at 4 KiB/s */

enum smtpd_state {
	S_START = 1, S_CONNECTED = 2, S_READY = 4, S_MAIL = 8, S_RCPT = 16, S_DATA = 32,
	S_BDAT = 64, S_AUTH = 128,
	S_ANY = 0xff
};

struct smtpd_session;
typedef enum cv_step smtpd_resume_fn(struct smtpd_session *s);

/* One recipient as the client named it. */
struct smtpd_rcpt {
	struct cv_str address;       /* normalised, without brackets */
	struct cv_str orcpt;
	struct cv_str alias;         /* the alias that it was found by, or empty */
	uint32_t notify;
	bool is_inside;              /* who writes to that alias is ours */
	bool is_local;               /* delivered to the store; a group is many accounts */
	bool is_group;               /* or forwarded elsewhere: no box of its own answers for it */
	bool is_moved;               /* retired, and its successor gets the mail */
	bool by_filter;              /* a filter added it: the client does not know */
	bool deleted;                /* a filter took it out: the client is told it was taken */
	size_t box;                  /* its place among the boxes, unless a group */
	size_t first_box, box_count; /* what it added; none when others had named them */
	size_t first_out, first_answer;
};

/* A box answers by itself (answers.h). */
enum smtpd_answer_kind { SMTPD_ANSWER_ABSENCE, SMTPD_ANSWER_RECEIPT };
struct smtpd_answer {
	cv_acct_no acct;
	enum smtpd_answer_kind kind;
};

/* An address outside that a group or a forward brought (expand.h). Texts are the transaction's. */
struct smtpd_out {
	struct cv_str address, sender, orcpt;
	cv_acct_no by;               /* the group or box that brought it */
	struct cv_str by_address, by_name;
	uint32_t notify;
	bool is_forward;
};
#define SMTPD_ANSWERS_MAX 20u        /* boxes that answer one message by machine */

/* One message on its way, from MAIL to the answer. Counted: the session holds one reference and so
 * does every operation under way. */
struct smtpd_tx {
	atomic_uint refs;
	struct smtpd_server *server;
	struct cv_conn *conn;        /* counted; for waking */
	struct cv_arena arena;
	char id[20];                 /* in Received and in every log line */
	struct cv_str sender;        /* normalised, "" is the null sender */
	struct cv_str mail_params;
	bool ret_full, ret_hdrs, smtputf8;
	enum cv_queue_place place;   /* where boxes get it (verdict.h) */
	bool held;                   /* nothing leaves the queue before an operator let it */
	struct cv_str reason;        /* of place and held, by the filter */
	bool require_tls, tls_optional; /* RFC 8689: REQUIRETLS; "TLS-Required: No" */
	bool discarded;              /* a filter said so: answered as taken, kept nowhere */
	struct cv_str envid;
	struct smtpd_timing timing;
	struct smtpd_again_key again;
	bool boxes_wait;             /* the boxes get it from the queue */
	bool is_queued;              /* the mail for outside is, by a first try too (again.h) */
	enum cv_queue_body body_kind;
	uint64_t declared_bytes;
	struct smtpd_rcpt *rcpts;
	size_t rcpt_count, rcpt_room, remote_count;
	struct cv_str rcpt_path, rcpt_params; /* of the RCPT under way, as the client wrote them */
	struct cv_str rcpt_refusal;  /* the answer to it, while filters hear of it */
	size_t rcpt_tries, rcpt_bytes; /* refused ones too: what RCPT may cost is bounded */
	struct smtpd_boxes boxes;    /* every account that gets a copy, each once */
	struct smtpd_out *outs;
	size_t out_count, out_room, out_bys;
	struct smtpd_answer answers[SMTPD_ANSWERS_MAX];
	size_t answer_count;
	struct cv_buf list_fields;   /* of the one group it is for */
	bool is_list_already;        /* it came from a list */
	struct smtpd_rcpt asked;     /* the recipient that it is asked for */
	bool has_split;              /* some recipient lives on the old server (split.h) */
	struct cv_spool message;
	/* for the trace (note.h) */
	struct cv_str trying;        /* the recipient that is being tried */
	bool mail_noted;
	int64_t whole_us, store_us;  /* when the data was whole, when the store was asked */
	/* what the data said */
	struct cv_buf trace, return_path;
	struct cv_buf header;        /* what a submission lacked, to stand in front */
	/* operations under way */
	struct smtpd_sending_tx sending; /* what it has reserved of the account's limits */
	const struct cv_sent_note *sent; /* told when it is accepted; NULL: no submission */
	struct cv_probe probe;
	struct cv_delivery *deliveries;
	size_t delivery_count;
	struct cv_waiter remote_waiter, box_waiter; /* of the queue, for each kind of mail */
	atomic_int pending;          /* operations not yet done */
};

struct smtpd_session {
	struct cv_conn *conn;
	struct smtpd_server *server;
	enum smtpd_kind kind;
	enum smtpd_state state;
	smtpd_resume_fn *resume;     /* NULL: not waiting */
	struct smtpd_tx *tx;         /* NULL outside a transaction */
	bool secure, extended;
	unsigned errors, noise;      /* since the last message that was taken */
	unsigned messages;
	/* `helo` and the log-in last as long as the session; STARTTLS forgets them */
	char helo[256];
	bool authed, auth_wait_initial;
	cv_acct_no acct;
	char login[320];
	struct cv_sasl *sasl;
	char sasl_name[24];
	struct smtpd_milter *milter;
	struct smtpd_guard guard;
	/* DATA and BDAT */
	struct smtpd_dot dot;
	int64_t data_until_ms;       /* a message must have come whole by then */
	uint64_t data_bytes;         /* of this message, kept or not */
	uint64_t bdat_left;
	bool bdat_last, bdat_refused;
	enum smtpd_state bdat_back;  /* where a chunk out of order goes back to */
	enum smtpd_reply data_fault; /* the message is read to its end and then refused with this */
};

/* The protocol of every listener. */
extern const struct cv_proto smtpd_proto;

void smtpd_session_enter(struct smtpd_session *s, enum smtpd_state state);
/* The peer is known (smtpd_defence_open): tells the filters and greets, when the time has come. */
enum cv_step smtpd_session_begin(struct smtpd_session *s);
/* Drops the transaction, at the filters too; what is under way ends by itself. State goes back to
 * S_READY. */
void smtpd_session_reset(struct smtpd_session *s);
struct smtpd_tx *smtpd_tx_new(struct smtpd_session *s);
void smtpd_tx_ref(struct smtpd_tx *tx);
void smtpd_tx_unref(struct smtpd_tx *tx);
/* "x1k9…": unique in time and among daemons. */
void smtpd_id_new(char *out, size_t n);

/* command.c: one complete line, without its CRLF. */
enum cv_step smtpd_command(struct smtpd_session *s, struct cv_str line);

/* The filters' chain; NULL when there are none, or none that need see more of this message. */
struct smtpd_milter *smtpd_session_milter(struct smtpd_session *s);
/* What the filters' step came to. REFUSED: their reply is out. */
enum smtpd_filtered { SMTPD_FILTER_WAIT, SMTPD_FILTER_PASS, SMTPD_FILTER_REFUSED };
enum smtpd_filtered smtpd_session_filtered(struct smtpd_session *s);
/* Writes a reply; a permanent refusal counts as an error of the client. */
void smtpd_session_refuse(struct smtpd_session *s, enum smtpd_reply reply);

/* ---- handlers, one family a file ---- */
enum cv_step smtpd_cmd_helo(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_ehlo(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_lhlo(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_starttls(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_xclient(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_auth(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_auth_line(struct smtpd_session *s, struct cv_str line);
enum cv_step smtpd_cmd_mail(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_rcpt(struct smtpd_session *s, struct cv_str args);
/* A filter, which is trusted, adds the recipient PATH ("<a@b>", ESMTP parameters apart): routed as
 * RCPT does, with relaying allowed. CV_INVALID, CV_NOT_FOUND (no such local address). */
enum cv_status smtpd_rcpt_add(struct smtpd_session *s, struct cv_str path, struct cv_str params);
/* Takes every recipient ADDRESS (normalised) out again, with the boxes only it brought in. False:
 * there is none. */
bool smtpd_rcpt_delete(struct smtpd_session *s, struct cv_str address);
/* Expands those who are left once more, in their order: sender or recipients have changed. */
void smtpd_rcpt_again(struct smtpd_session *s);
enum cv_step smtpd_cmd_data(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_bdat(struct smtpd_session *s, struct cv_str args);
/* Takes message bytes from the input. */
enum cv_step smtpd_data_input(struct smtpd_session *s);
enum cv_step smtpd_bdat_input(struct smtpd_session *s);
/* intake.c: the whole message is in tx->message. */
enum cv_step smtpd_intake(struct smtpd_session *s);
/* For others who queue parts of it: the message's row with room for so many recipients, and the end
 * of an operation that was counted in tx->pending and holds a reference. */
void smtpd_intake_queue_msg(struct smtpd_session *s, struct cv_queue_msg *msg, size_t room);
void smtpd_intake_done(struct smtpd_tx *tx);
enum cv_step smtpd_cmd_rset(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_noop(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_vrfy(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_help(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_not_done(struct smtpd_session *s, struct cv_str args);
enum cv_step smtpd_cmd_quit(struct smtpd_session *s, struct cv_str args);

#endif
