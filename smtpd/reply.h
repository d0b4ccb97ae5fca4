/* reply.h - every reply in one table: code, enhanced code (RFC 3463), text.
 *
 * Handlers name a row, never type a reply. Refusals that staff read carry Vietnamese beside
 * English; SMTP replies are ASCII, so the Vietnamese stands without diacritics unless SMTPUTF8 is
 * in use. A refusal that is policy, not grammar, begins with its rule in brackets, which
 * `congvu policy explain` knows (common/policy/replies.c).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_REPLY_H
#define SMTPD_REPLY_H

#include "common/net/net.h"
#include "common/policy/policy.h"

/* Said by the network layer too, before there is a session. */
#define SMTPD_FULL "Too many connections, try again later / Qua nhieu ket noi, thu lai sau"
#define SMTPD_MANY_CONNS                                                                           \
	"[PEER.connections] Too many connections from your network, try again later"                \
	" / Qua nhieu ket noi tu mang cua ban, thu lai sau"

#define SMTPD_REPLIES(R)                                                                           \
	R(OKAY,          250, "2.0.0", "Ok")                                                       \
	R(SENDER_OK,     250, "2.1.0", "Sender ok")                                                \
	R(PRIORITY_LESS, 250, "2.3.6", "Sender ok; the priority was lowered to what is allowed") \
	R(PRIORITY_NONE, 250, "2.3.6", "Sender ok; 0 is the priority of this message")         \
	R(RCPT_OK,       250, "2.1.5", "Recipient ok")                                             \
	R(RCPT_MOVED,    251, "2.1.5", "Moved; your mail goes to the new address / Da doi dia chi, thu duoc chuyen tiep") \
	R(CHUNK_OK,      250, "2.0.0", "Chunk taken")                                              \
	R(BYE,           221, "2.0.0", "Bye")                                                      \
	R(AUTH_OK,       235, "2.7.0", "Authenticated")                                            \
	R(HELP,          214, "2.0.0", "congvu official mail; see RFC 5321")                       \
	R(VRFY,          252, "2.5.2", "Send some mail, it will be tried")                         \
	R(GO_TLS,        220, "2.0.0", "Ready to start TLS")                                       \
	R(GO_DATA,       354, NULL,    "End data with <CR><LF>.<CR><LF>")                          \
	R(TIMEOUT,       421, "4.4.2", "Silent for too long / Im lang qua lau, dong ket noi")      \
	R(SHUTDOWN,      421, "4.3.2", "Service is stopping, try again soon / Dich vu dang dung")  \
	R(ERRORS,        421, "4.7.0", "[SMT.errors] Too many errors, closing / Qua nhieu loi, dong ket noi")   \
	R(UNKNOWN,       500, "5.5.2", "Command unknown")                                          \
	R(NOT_DONE,      502, "5.5.1", "Command not implemented")                                  \
	R(BARE,          500, "5.5.2", "Lines end in CR LF, nothing else")                         \
	R(LONG,          500, "5.5.2", "Line too long")                                            \
	R(BAD_ARGS,      501, "5.5.4", "Syntax error in arguments")                                \
	R(BAD_PARAM,     555, "5.5.4", "Parameter unknown")                                        \
	R(BAD_VALUE,     501, "5.5.4", "Parameter with a wrong value, or twice")                   \
	R(BAD_TIME,      501, "5.5.4", "[SMT.times] Time or priority is not well formed or does not fit / Thoi gian khong hop le") \
	R(BY_SHORT,      555, "5.5.4", "[SMT.times] The time to deliver is shorter than the minimum / Thoi han phat qua ngan") \
	R(HOLD_FAR,      554, "5.5.4", "[SMT.times] The time of release is too far ahead / Hen gio gui qua xa") \
	R(BAD_PATH,      501, "5.1.3", "Address is not well formed / Dia chi khong dung cu phap")  \
	R(BAD_SENDER,    501, "5.1.7", "Sender address is not well formed / Dia chi gui khong dung cu phap") \
	R(BAD_ORDER,     503, "5.5.1", "Bad sequence of commands")                                 \
	R(NEED_BDAT,     503, "5.5.1", "BINARYMIME goes with BDAT, not with DATA")                 \
	R(NO_WAIT,       554, "5.5.0", "You did not wait for the answer")                          \
	R(NO_XCLIENT,    550, "5.7.0", "[PEER.xclient] You may not say for whom you speak / May nay khong duoc khai thay may khac")                  \
	R(MANY_CONNS,    421, "4.7.0", SMTPD_MANY_CONNS)                                           \
	R(NEED_TLS,      530, "5.7.0", "[AUTH.tls] Issue STARTTLS first / Can STARTTLS truoc")                \
	R(NEED_AUTH,     530, "5.7.0", "[AUTH.login] Log in first / Can dang nhap truoc khi gui")               \
	R(TLS_NOW,       503, "5.5.1", "TLS is active already")                                    \
	R(TLS_NONE,      454, "4.7.0", "TLS is not available now")                                 \
	R(AUTH_NOT_HERE, 502, "5.5.1", "No log-in on this port; use 587 or 465 / Cong nay khong dang nhap, hay dung cong 587 hoac 465") \
	R(AUTH_TWICE,    503, "5.5.1", "You are logged in already")                                \
	R(AUTH_BAD_MECH, 504, "5.5.4", "Mechanism unknown")                                        \
	R(AUTH_BAD64,    501, "5.5.2", "Not valid base64")                                         \
	R(AUTH_CANCEL,   501, "5.7.0", "Authentication cancelled")                                 \
	R(AUTH_FAIL,     535, "5.7.8", "[AUTH.failed] Name or password is wrong / Sai ten hoac mat khau")        \
	R(AUTH_FAIL_OUT, 535, "5.7.8", "[AUTH.outside] Name or password is wrong; outside the office use an app password / Sai ten hoac mat khau; ngoai co quan can mat khau ung dung") \
	R(AUTH_DOWN,     454, "4.7.0", "[AUTH.down] Log-in service is not answering, try again later / May chu xac thuc tam ngung, thu lai sau") \
	R(AUTH_LOCKED,   535, "5.7.8", "[AUTH.locked] Locked after too many failures, try in 15 minutes / Tam khoa, thu lai sau 15 phut") \
	R(AUTH_EXPIRED,  535, "5.7.8", "[AUTH.expired] The first password has expired, ask your administrator / Mat khau lan dau het han, lien he quan tri") \
	R(AUTH_BUSY,     454, "4.7.0", "[AUTH.busy] Too many log-ins at once, try again / Qua tai, thu lai")   \
	R(SIZE,          552, "5.3.4", "[SMT-03.size] Message too large / Thu qua lon")                          \
	R(MANY_RCPTS,    452, "4.5.3", "[SMT-03.recipients] Too many recipients / Qua nhieu nguoi nhan trong mot thu") \
	R(EMPTY_GROUP,   550, "5.2.4", "[RCPT.empty-group] This group has no members / Nhom nay khong co thanh vien")  \
	R(NO_RCPTS,      554, "5.5.1", "No valid recipients")                                      \
	R(NO_RELAY,      550, "5.7.1", "[RCPT.relay] Relaying denied / Khong chuyen tiep thu cho ben ngoai")    \
	R(RCPT_FULL,     452, "4.2.2", "[RCPT.full] Mailbox full / Hop thu nguoi nhan da day, bao nguoi nhan don hop thu") \
	R(BOUNCE_ONLY,   550, "5.7.1", "[RCPT.bounce-only] This address takes reports of failed mail only / Dia chi nay chi nhan bao loi") \
	R(BOUNCE_OLD,    550, "5.1.1", "[RCPT.bounce-expired] No such address, or it has expired / Dia chi khong co hoac het han") \
	R(OLD_LATER,     451, "4.3.0", "[RCPT.old-server-busy] The server that may know this address does not answer, try again later / Chua hoi duoc may chu cu, thu lai sau") \
	R(RCPT_GONE,     550, "5.1.1", "[RCPT.unknown] No such mailbox / Khong co hop thu nay")                   \
	R(NEED_UTF8,     553, "5.6.7", "[SMT.smtputf8] Address needs SMTPUTF8 / Dia chi co dau can SMTPUTF8")                              \
	R(STORE_FULL,    452, "4.3.1", "No space left, try again later / Het dung luong luu tru, thu lai sau") \
	R(TEMPFAIL,      451, "4.3.0", "Not now, try again later / Tam thoi chua nhan duoc, thu lai sau") \
	R(FILTER_DOWN,   451, "4.7.1", "[FILTER.down] A filter is not answering, try again later / Bo loc tam ngung, thu lai sau") \
	R(FILTER_REFUSED, 550, "5.7.1", "[FILTER.refused] Refused by a filter / Bi bo loc tu choi")                 \
	R(FILTER_DEFER,  451, "4.7.1", "[FILTER.deferred] Deferred by a filter / Bo loc yeu cau thu lai sau")        \
	R(BARE_DATA,     550, "5.6.0", "[SMT.line-ends] Message has a bare CR, bare LF or NUL / Thu co ky tu xuong dong sai chuan") \
	R(BAD_BINARY,    554, "5.6.3", "[SMT.binary] Binary content that cannot be encoded anew / Noi dung nhi phan khong chuyen doi duoc") \
	R(LOOP,          554, "5.4.6", "[SMT.loop] Mail loop: too many Received fields / Thu chay vong")      \
	R(BAD_HEADER,    550, "5.6.0", "[SMT.header] Message header is too large or broken / Tieu de thu khong hop le")

enum smtpd_reply {
#define R(name, code, enhanced, text) R_##name,
	SMTPD_REPLIES(R)
#undef R
	R_COUNT
};

/* Each appends a complete reply to the connection's output. */
void smtpd_reply_put(struct cv_buf *out, enum smtpd_reply reply);
void smtpd_reply_text(struct cv_buf *out, unsigned code, const char *enhanced, const char *text);
void smtpd_reply_decision(struct cv_buf *out, const struct cv_decision *d, bool utf8);
unsigned smtpd_reply_code(enum smtpd_reply reply);
/* The row's enhanced code (may be NULL) and text. */
const char *smtpd_reply_enhanced(enum smtpd_reply reply);
const char *smtpd_reply_words(enum smtpd_reply reply);

#endif
