/* pop3.h - one POP3 connection over the same store as IMAP (RFC 1939, 2449, 2595, 5034, 6856).
 *
 * The maildrop is INBOX as it is at log-in: a view that is held, so numbers never move and mail
 * that comes later is seen by the next session. Marks of DELE are this session's until QUIT, which
 * removes the messages and answers when that is on disk. One POP3 session an account; IMAP
 * sessions go on beside it, and a message that they expunge answers -ERR from then on.
 *
 * A connection has one thread at a time (net.h), so nothing here is locked. Handlers never wait;
 * they are called again until they answer DONE or CLOSE.
 *
 * Invariants:
 *  P1  No +OK to QUIT leaves before the removals are durable, and none is removed without QUIT.
 *  P2  State changes only in imapd_pop3_enter().
 *  P3  A message is never in memory whole.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_POP3_H
#define IMAPD_POP3_H

#include "imapd/login.h"
#include "imapd/pop3_parse.h"

enum imapd_pop3_state {
	IMAPD_POP3_AUTHORIZATION = 1,
	IMAPD_POP3_TRANSACTION = 2,
	IMAPD_POP3_UPDATE = 4, /* QUIT was said */
	IMAPD_POP3_ANY = IMAPD_POP3_AUTHORIZATION | IMAPD_POP3_TRANSACTION
};

/* Of answers (RFC 6856 3): both in ASCII until LANG says which. */
enum imapd_pop3_lang { IMAPD_POP3_BOTH, IMAPD_POP3_EN, IMAPD_POP3_VI };

/* name, code of a refusal or "", English, Vietnamese in ASCII ("" when BOTH needs none),
 * Vietnamese; a name that begins with OK is "+OK". */
#define IMAPD_POP3_REPLIES(R)                                                                      \
	R(OK, "", "done", "", "đã xong")                                                           \
	R(OK_BYE, "", "goodbye", "", "tạm biệt")                                                   \
	R(OK_USER, "", "now the password", "", "tiếp tục với mật khẩu")                            \
	R(OK_READY, "", "maildrop is open", "", "hộp thư đã mở")                                   \
	R(OK_STLS, "", "begin TLS now", "", "bắt đầu TLS")                                         \
	R(OK_MARKED, "", "will be deleted at QUIT", "", "sẽ xóa khi kết thúc phiên")               \
	R(OK_LIST, "", "list follows", "", "danh sách")                                            \
	R(UNKNOWN, "", "unknown command", "", "không có lệnh này")                                 \
	R(BAD_STATE, "", "not in this state", "", "lệnh không dùng được lúc này")                  \
	R(SYNTAX, "", "arguments are not well formed", "", "tham số sai")                          \
	R(LINE_TOO_LONG, "", "line too long", "", "dòng lệnh quá dài")                             \
	R(NO_MESSAGE, "", "there is no message of that number", "", "không có thư số này")         \
	R(DELETED, "", "the message is marked as deleted", "", "thư đã được đánh dấu xóa")         \
	R(GONE, "", "the message is no longer there", "", "thư không còn trong hộp")               \
	R(NO_USER, "", "USER comes first", "", "cần USER trước")                                   \
	R(NEED_TLS, "SYS/PERM", "log-in needs TLS", "can dung TLS de dang nhap",                   \
		"cần dùng TLS để đăng nhập")                                                       \
	R(NO_TLS, "", "TLS is not available", "", "không có TLS")                                  \
	R(CANCELLED, "", "cancelled", "", "đã hủy")                                                \
	R(BAD_BASE64, "", "not base64", "", "không phải base64")                                   \
	R(NO_MECHANISM, "", "this mechanism is not offered", "", "không có cơ chế này")            \
	R(AUTH_FAILED, "AUTH", "wrong name or password", "sai ten hoac mat khau",                  \
		"sai tên hoặc mật khẩu")                                                           \
	R(AUTH_FAILED_OUT, "AUTH",                                                                 \
		"wrong name or password; outside the office use an app password",                  \
		"sai ten hoac mat khau; ngoai co quan can mat khau ung dung",                      \
		"sai tên hoặc mật khẩu; ngoài cơ quan cần mật khẩu ứng dụng")                      \
	R(AUTH_LOCKED, "SYS/TEMP", "too many wrong passwords, wait 15 minutes",                    \
		"nhap sai qua nhieu, doi 15 phut", "nhập sai quá nhiều, đợi 15 phút")              \
	R(AUTH_EXPIRED, "AUTH", "the first password has expired, ask your administrator",          \
		"mat khau ban dau het han", "mật khẩu ban đầu hết hạn, liên hệ quản trị")          \
	R(AUTH_BUSY, "SYS/TEMP", "too many log-ins at once, try again", "",                        \
		"quá nhiều lượt đăng nhập, hãy thử lại")                                           \
	R(AUTH_DOWN, "SYS/TEMP", "log-in service is not answering, try again later",               \
		"may chu xac thuc tam ngung", "máy chủ xác thực tạm ngừng")                        \
	R(IN_USE, "IN-USE", "another POP3 session has this mailbox",                               \
		"phien POP3 khac dang dung hop thu", "phiên POP3 khác đang dùng hộp thư")          \
	R(TOO_MANY_SESSIONS, "SYS/TEMP", "too many sessions of this account", "",                  \
		"tài khoản có quá nhiều phiên")                                                    \
	R(NO_DELETE, "SYS/PERM", "mail is kept: deleting over POP3 is off here (pop3_delete)",     \
		"thu duoc giu lai: khong xoa qua POP3", "thư được giữ lại: không xóa qua POP3")    \
	R(NOT_REMOVED, "SYS/TEMP", "some deleted messages were not removed",                       \
		"mot so thu chua xoa duoc", "một số thư chưa xóa được")                            \
	R(CORRUPT, "SYS/PERM", "a stored message cannot be read; it was reported",                 \
		"khong doc duoc thu", "không đọc được thư; lỗi đã được ghi lại")                   \
	R(TEMPFAIL, "SYS/TEMP", "a fault of the server, try again later", "loi may chu",           \
		"lỗi máy chủ, hãy thử lại sau")                                                    \
	R(NEED_UTF8, "UTF8", "the header is too long to be sent without UTF8", "",                 \
		"phần đầu thư quá dài, cần lệnh UTF8")                                             \
	R(NO_LANGUAGE, "", "there is no such language", "", "không có ngôn ngữ này")

enum imapd_pop3_reply {
#define IMAPD_POP3_REPLY_NAME(name, code, en, ascii, vi) IMAPD_POP3_R_##name,
	IMAPD_POP3_REPLIES(IMAPD_POP3_REPLY_NAME)
#undef IMAPD_POP3_REPLY_NAME
};
/* pop3_respond.c: appends the whole line. */
void imapd_pop3_respond(
	struct cv_buf *out, enum imapd_pop3_reply reply, enum imapd_pop3_lang lang);
bool imapd_pop3_reply_is_ok(enum imapd_pop3_reply reply);

struct imapd_pop3;
struct imapd_pop3_row {
	const char *name;
	enum cv_step (*run)(struct imapd_pop3 *c);
	unsigned states;
	enum imapd_pop3_grammar grammar;
};
extern const struct imapd_pop3_row imapd_pop3_rows[];
extern const size_t imapd_pop3_rows_count;
const struct imapd_pop3_row *imapd_pop3_find(struct cv_str verb);

/* What a session knows of a message beside the view. */
enum { IMAPD_POP3_MARKED = 1, IMAPD_POP3_MISSING = 2 };

struct imapd_pop3 {
	struct cv_conn *conn;
	struct imapd *server;
	enum imapd_pop3_state state;
	enum imapd_pop3_lang lang;
	bool is_secure, has_eof;
	bool is_utf8;        /* UTF8 was said: headers go out as they are */
	bool is_handshaking; /* STLS was answered; nothing is read before it is done */
	bool is_skipping;    /* inside a line that is too long */
	bool is_counted;     /* among the sessions of its account, with the maildrop its own */
	bool is_unwelcome;   /* too many failed log-ins: close after the answer */
	unsigned errors, failures;
	int64_t login_deadline_ms;
	char *user; /* of USER; heap */

	/* the command under way; row NULL: none */
	const struct imapd_pop3_row *row;
	struct imapd_pop3_args args;
	void *step;                  /* the handler's own, between calls */
	void (*release)(void *step); /* what the arena does not give back; may be NULL */
	struct cv_arena arena;       /* gone when the command is */
	cv_ticket ticket;            /* 0: nothing to wait for */
	bool is_answered, is_waiting;
	bool is_answer_written; /* by the handler: nothing to add */
	enum imapd_pop3_reply reply;

	/* once logged in */
	struct imapd_login login;
	char *address; /* heap */
	struct cv_acct *acct;
	struct cv_mbox *mbox;
	const struct cv_view *view;
	uint64_t *sizes;    /* of every message; heap */
	uint32_t sized;     /* how many of them are known */
	uint8_t *marks;     /* heap */
	bool may_delete;
	uint32_t retrieved, removed;
};

extern const struct cv_proto imapd_pop3_proto_model; /* limits are filled in from the options */

/* The only place where the state changes. */
void imapd_pop3_enter(struct imapd_pop3 *c, enum imapd_pop3_state state);
struct cv_buf *imapd_pop3_out(struct imapd_pop3 *c);
/* A complete answer: `return imapd_pop3_done(c, IMAPD_POP3_R_OK);` */
enum cv_step imapd_pop3_done(struct imapd_pop3 *c, enum imapd_pop3_reply reply);
/* The handler wrote all of it. */
enum cv_step imapd_pop3_written(struct imapd_pop3 *c);
/* The answer for a fault of our own, logged with ERR's words. */
enum cv_step imapd_pop3_refuse(
	struct imapd_pop3 *c, enum cv_status status, const struct cv_err *err);
/* Later in this run, but after others had their turn. */
enum cv_step imapd_pop3_yield(struct imapd_pop3 *c);
/* The next line of a SASL exchange. False: *step_out says what to answer now. */
bool imapd_pop3_read_line(struct imapd_pop3 *c, struct cv_str *line_out, enum cv_step *step_out);
/* Whether the ticket of the command is on disk; else the connection will be woken. */
bool imapd_pop3_is_durable(struct imapd_pop3 *c);

/* pop3_maildrop.c */
/* Opens INBOX of the account, whose handle is there. */
CV_MUST_CHECK enum cv_status imapd_pop3_open_maildrop(struct imapd_pop3 *c, struct cv_err *err);
/* Gives maildrop and account back, and lets the next session in. */
void imapd_pop3_close_maildrop(struct imapd_pop3 *c);
/* Message NUMBER as the client counts; NULL with *why_out when it cannot be had. */
const struct cv_entry *imapd_pop3_message(
	struct imapd_pop3 *c, uint32_t number, enum imapd_pop3_reply *why_out);

/* handlers */
enum cv_step imapd_pop3_auth(struct imapd_pop3 *c);
enum cv_step imapd_pop3_capa(struct imapd_pop3 *c);
enum cv_step imapd_pop3_dele(struct imapd_pop3 *c);
enum cv_step imapd_pop3_lang(struct imapd_pop3 *c);
enum cv_step imapd_pop3_list(struct imapd_pop3 *c);
enum cv_step imapd_pop3_noop(struct imapd_pop3 *c);
enum cv_step imapd_pop3_pass(struct imapd_pop3 *c);
enum cv_step imapd_pop3_quit(struct imapd_pop3 *c);
enum cv_step imapd_pop3_retr(struct imapd_pop3 *c);
enum cv_step imapd_pop3_rset(struct imapd_pop3 *c);
enum cv_step imapd_pop3_stat(struct imapd_pop3 *c);
enum cv_step imapd_pop3_stls(struct imapd_pop3 *c);
enum cv_step imapd_pop3_top(struct imapd_pop3 *c);
enum cv_step imapd_pop3_uidl(struct imapd_pop3 *c);
enum cv_step imapd_pop3_utf8(struct imapd_pop3 *c);
enum cv_step imapd_pop3_user(struct imapd_pop3 *c);

#endif
