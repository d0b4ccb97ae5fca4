/* respond.h - every tagged answer that is not made of a mailbox's content, in one table. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_RESPOND_H
#define IMAPD_RESPOND_H

#include "common/base/buf.h"
#include "common/base/err.h"

/* name, word, code, text; an empty text is "<command> completed" */
#define IMAPD_REPLIES(R)                                                                           \
	R(OK, "OK", "", "")                                                                        \
	R(READ_ONLY, "OK", "READ-ONLY", "")                                                        \
	R(READ_WRITE, "OK", "READ-WRITE", "")                                                      \
	R(MODIFIED, "OK", "", "Conditional STORE failed for some")                                 \
	R(STARTTLS, "OK", "", "Begin TLS negotiation now")                                         \
	R(SYNTAX, "BAD", "", "Arguments are not well formed")                                      \
	R(UNKNOWN, "BAD", "", "Unknown command")                                                   \
	R(NO_TAG, "BAD", "", "A tag and a command were expected")                                  \
	R(BAD_STATE, "BAD", "", "Not in this state")                                               \
	R(NO_MESSAGE, "BAD", "", "There is no message of that number")                             \
	R(UID_REQUIRED, "BAD", "UIDREQUIRED", "UIDONLY is enabled: no message numbers")            \
	R(BATCH_RANGE, "BAD", "CLIENTBUG", "Batches are named from the first to the last")         \
	R(BATCH_TOO_SMALL, "NO", "TOOFEW", "A batch has at least 500 messages")                    \
	R(BATCHES_TOO_MANY, "NO", "TOOMANY", "More than 100000 messages at once")                  \
	R(BATCHES_AGAIN, "NO", "LIMIT", "These batches were told, and they have hardly changed")   \
	R(MESSAGE_LIMIT, "NO", "MESSAGELIMIT", "More messages than one command may work on")       \
	R(LINE_TOO_LONG, "BAD", "LIMIT", "Command line too long")                                  \
	R(LITERAL_TOO_LARGE, "BAD", "LIMIT", "Literal too large")                                  \
	R(MESSAGE_TOO_LARGE, "NO", "TOOBIG", "Message is larger than this server takes")           \
	R(TOO_MANY_MESSAGES, "NO", "LIMIT", "Too many messages for one command")                   \
	R(ENABLE_FIRST, "BAD", "CLIENTBUG", "ENABLE QRESYNC comes first")                          \
	R(CANCELLED, "BAD", "", "Cancelled")                                                       \
	R(BAD_BASE64, "BAD", "", "Not base64")                                                     \
	R(NO_MECHANISM, "NO", "CANNOT", "This mechanism is not offered")                           \
	R(NEED_TLS, "NO", "PRIVACYREQUIRED", "Log-in needs TLS / Can dung TLS de dang nhap")       \
	R(NO_TLS, "NO", "CANNOT", "TLS is not available")                                          \
	R(NO_COMPRESSION, "NO", "CANNOT", "Only DEFLATE is offered")                               \
	R(COMPRESSED, "NO", "COMPRESSIONACTIVE", "Compression is active already")                  \
	R(AUTH_FAILED, "NO", "AUTHENTICATIONFAILED",                                               \
		"Wrong name or password / Sai ten hoac mat khau")                                  \
	R(AUTH_FAILED_OUT, "NO", "AUTHENTICATIONFAILED",                                           \
		"Wrong name or password; outside the office use an app password / Sai ten hoac "   \
		"mat khau; ngoai co quan can mat khau ung dung")                                   \
	R(AUTH_DOWN, "NO", "UNAVAILABLE",                                                          \
		"Log-in service is not answering, try again later / May chu xac thuc tam ngung")   \
	R(AUTH_LOCKED, "NO", "UNAVAILABLE",                                                        \
		"Too many wrong passwords, wait 15 minutes / Nhap sai qua nhieu, doi 15 phut")     \
	R(AUTH_EXPIRED, "NO", "EXPIRED",                                                           \
		"The first password has expired, ask your administrator / Mat khau ban dau het "   \
		"han")                                                                             \
	R(AUTH_BUSY, "NO", "UNAVAILABLE", "Too many log-ins at once, try again")                   \
	R(TOO_MANY_PEERS, "NO", "LIMIT", "Too many connections from that address")                 \
	R(TOO_MANY_SESSIONS, "NO", "LIMIT", "Too many sessions of this account")                   \
	R(READ_ONLY_BOX, "NO", "READ-ONLY", "The mailbox was opened for reading only")             \
	R(BAD_NAME, "NO", "CANNOT", "Not a mailbox name in modified UTF-7 or UTF-8")                        \
	R(BAD_CHARSET, "NO", "BADCHARSET (US-ASCII UTF-8)", "Unknown charset")                     \
	R(NOTHING_TO_REPLACE, "NO", "NONEXISTENT", "The message is not there any more")               \
	R(BAD_URL, "NO", "BADURL", "Not a message of this account, or a part that it has not")         \
	R(UNKNOWN_CTE, "NO", "UNKNOWN-CTE", "A part has a transfer encoding that nobody knows")       \
	R(NO_PERMISSION, "NO", "NOPERM", "Not allowed")                                            \
	R(BAD_RIGHTS, "BAD", "", "Rights are of lrswipkxtea in small letters, after + or - or nothing")  \
	R(BAD_IDENTIFIER, "BAD", "", "An identifier is an address, group:ADDRESS or anyone")       \
	R(NO_IDENTIFIER, "NO", "CANNOT",                                                           \
		"No such person or group in the register / Khong co nguoi hay nhom nay trong so "  \
		"dang ky")                                                                         \
	R(OWNER_RIGHTS, "NO", "CANNOT",                                                            \
		"The owner always has all rights / Chu hop thu luon co moi quyen")                 \
	R(NOT_FOUND, "NO", "NONEXISTENT", "There is no such mailbox / Khong co thu muc nay")       \
	R(TRY_CREATE, "NO", "TRYCREATE", "There is no such mailbox / Khong co thu muc nay")        \
	R(EXISTS, "NO", "ALREADYEXISTS", "The mailbox exists already / Thu muc da co")             \
	R(USE_TAKEN, "NO", "USEATTR", "Another mailbox has this special use")                      \
	R(USE_UNKNOWN, "NO", "USEATTR", "Not one special use that this server has")                \
	R(METADATA_SIZE, "NO", "METADATA MAXSIZE 16384", "A value is too long")                    \
	R(METADATA_TOO_MANY, "NO", "METADATA TOOMANY", "Too many entries")                         \
	R(DENIED, "NO", "CANNOT", "That cannot be done with this mailbox")                         \
	R(HAS_CHILDREN, "NO", "HASCHILDREN", "The name only stands for those below it")             \
	R(INVALID, "NO", "CANNOT", "Not a valid name or value")                                    \
	R(LIMIT, "NO", "LIMIT", "A limit was reached")                                             \
	R(BAD_EVENT, "NO",                                                                        \
		"BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "   \
		"MailboxMetadataChange ServerMetadataChange)",                                     \
		"An event that this server does not tell")                                         \
	R(TAG_REUSE, "BAD", "", "This tag names a search that is kept up to date")                \
	R(NO_CONTEXT, "NO", "", "No search with this tag is kept up to date")                      \
	R(NOTIFY_TOO_MUCH, "NO", "NOTIFICATIONOVERFLOW",                                          \
		"More accounts of others than one session may watch")                              \
	R(TOO_MANY_BOXES, "NO", "LIMIT",                                                          \
		"More mailboxes than one search may take / Qua nhieu thu muc trong mot lan tim")   \
	R(OVERQUOTA, "NO", "OVERQUOTA", "The mailbox is full / Hop thu da day")                    \
	R(FULL, "NO", "UNAVAILABLE", "The server's disk is full, nothing was changed")             \
	R(TEMPFAIL, "NO", "UNAVAILABLE", "A fault of the server, try again later")                 \
	R(CORRUPT, "NO", "CORRUPTION", "A stored message cannot be read; it was reported")

enum imapd_reply {
#define IMAPD_REPLY_NAME(name, word, code, text) IMAPD_R_##name,
	IMAPD_REPLIES(IMAPD_REPLY_NAME)
#undef IMAPD_REPLY_NAME
};

/* Appends "TAG WORD [CODE] text" CRLF. An empty CODE leaves the reply's own; COMMAND names what was
 * completed. TEXT, when not NULL, stands in place of the reply's. */
void imapd_respond(struct cv_buf *out, struct cv_str tag, enum imapd_reply reply,
	struct cv_str code, const char *command, const char *text);
bool imapd_reply_is_ok(enum imapd_reply reply);
bool imapd_reply_is_bad(enum imapd_reply reply);
/* The answer for a status of the store. */
enum imapd_reply imapd_reply_of(enum cv_status status);

#endif
