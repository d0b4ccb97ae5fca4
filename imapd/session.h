/* session.h - a selected mailbox: what the client has been told, and the news since.
 *
 * `view` is the mailbox as the client knows it: message numbers in commands and answers are places
 * in it. Only imapd_session_sync() moves it on. While it may not (an EXPUNGE is due that the
 * command forbids), `fresh` holds the flags as they are now, and `ghosts` the
 * last ones of messages that are gone but not told so. Belongs to its connection's thread;
 * `has_news` and the wake-up come from the changing thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include <stdatomic.h>

#include "common/net/net.h"
#include "common/register/register.h"
#include "common/store/mailbox.h"
#include "imapd/set.h"

#define IMAPD_SILENT_MAX 8

/* A change by this session that its client can work out: no FETCH answer need tell of it. */
struct imapd_silent {
	uint64_t modseq;
	bool is_told; /* the new flags were told as they are; else OP by .SILENT made them */
	enum cv_store_op op;
	uint32_t flags, keep_flags; /* keep: as in struct cv_flag_change */
	bool keep_keywords;
	uint64_t keywords;
};

/* Whose the selected mailbox is; who reads it, the connection's login says. */
struct imapd_owner {
	cv_acct_no acct;
	bool is_other;  /* not the account that is logged in */
	char *address;  /* primary */
	char *mailbox;  /* its name in that account when it was selected */
	char *told;     /* the name that the client knows it by */
};

struct imapd_session {
	struct cv_mbox *mbox;
	struct imapd_owner owner;
	struct cv_viewer viewer; /* whose \Seen and \Recent the client is told */
	const struct cv_view *view;
	const struct cv_view *fresh; /* newer than view, or NULL */
	struct cv_entry *ghosts;     /* in view, no longer in fresh; heap */
	uint32_t ghost_count;
	struct cv_conn *conn;
	struct cv_watch watch;
	atomic_bool has_news;  /* the mailbox changed since `view` was taken */
	atomic_bool is_idling; /* wake the connection at once */
	bool is_read_only;
	bool has_rights; /* the three below are known: imapd_rights_selected() */
	unsigned rights_version;
	uint64_t rights_generation;
	uint32_t rights;
	uint32_t flags_told; /* CV_FLAG_* in the last PERMANENTFLAGS */
	bool hides_recent;      /* IMAP4rev2 knows no \Recent */
	uint32_t recent_told;   /* the number in the last RECENT */
	uint32_t keywords_told; /* keywords in the last FLAGS */
	uint32_t recent_count;
	struct imapd_range *recent; /* UIDs that are \Recent here, ascending; heap */
	struct imapd_silent silent[IMAPD_SILENT_MAX];
	unsigned silent_count;
	uint32_t undescribed; /* messages from this UID on were told by EXISTS, and no more; 0 */
	struct imapd_contexts *contexts; /* kept up to date for the client (context.h); or NULL */
	uint32_t *saved; /* UIDs that SEARCH saved for "$" (RFC 5182), ascending; heap */
	uint32_t saved_count;
	struct imapd_told_batches { /* by the last UIDBATCHES; size 0: none */
		uint32_t size, first, last, uidnext, exists;
	} batches;
};

/* Takes MBOX over, whatever happens. VIEWER is copied. */
CV_MUST_CHECK enum cv_status imapd_session_open(struct cv_conn *conn, struct cv_mbox *mbox,
	const struct cv_viewer *viewer, bool read_only, uint32_t recent_before,
	struct imapd_session **out, struct cv_err *err);
void imapd_session_close(struct imapd_session *s);
/* Says whose the mailbox is; copies the texts. */
void imapd_session_set_owner(struct imapd_session *s, cv_acct_no acct, bool is_other,
	struct cv_str address, struct cv_str mailbox, struct cv_str told);

/* Message SEQ of the client's numbering, with its newest flags. */
const struct cv_entry *imapd_session_entry(const struct imapd_session *s, uint32_t seq);
/* The words for the keyword bits of such entries. */
const struct cv_keywords *imapd_session_keywords(const struct imapd_session *s);
/* Whether the mailbox has UID now; the client may not know yet that it has not. */
bool imapd_session_is_there(const struct imapd_session *s, uint32_t uid);
bool imapd_session_is_recent(const struct imapd_session *s, uint32_t uid);
uint32_t imapd_session_recent(const struct imapd_session *s); /* how many of view are */
/* The first unseen message's number, or 0. */
uint32_t imapd_session_first_unseen(const struct imapd_session *s);

/* Takes UIDS, heap memory that may be NULL, over as what "$" stands for. */
void imapd_session_save(struct imapd_session *s, uint32_t *uids, uint32_t count);

/* The flags that the change MODSEQ made are told by the command itself. */
void imapd_session_silence(struct imapd_session *s, uint64_t modseq);
/* STORE ... .SILENT made the change MODSEQ: the client knows what OP makes of the flags that it
 * knew, and is told where another session's change came between. Call it before the next sync. */
void imapd_session_silence_store(struct imapd_session *s, uint64_t modseq, enum cv_store_op op,
	const struct cv_flag_change *change);

struct imapd_sync_how {
	bool may_expunge; /* else news wait as long as there are expunges among them */
	bool with_uid;    /* the command was a UID command */
	bool with_modseq;
	bool vanished;    /* expunges are told as VANISHED (RFC 7162 3.2.10) */
	bool uid_only;    /* no message numbers (RFC 9586) */
	bool no_flags;    /* changed flags are not told (RFC 5465) */
	bool silent_modseq_untold; /* not even the MODSEQ of silent changes: the caller tells it */
};
/* Appends the news as untagged answers and moves `view` on. CV_NOT_FOUND when the mailbox is gone.
 */
CV_MUST_CHECK enum cv_status imapd_session_sync(struct imapd_session *s, struct imapd_sync_how how,
	struct cv_arena *arena, struct cv_buf *out, struct cv_err *err);

/* "* FLAGS (...)" and "* OK [PERMANENTFLAGS (...)]". */
void imapd_session_write_flags(struct imapd_session *s, struct cv_buf *out);

#endif
