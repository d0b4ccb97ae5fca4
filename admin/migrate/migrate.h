/* migrate.h - bringing boxes over from other systems (MIG-03), and out again: sources, the account
 * being brought over, and its journal.
 *
 * A source lists folders, then the messages of one, each with a key that stays the same from run to
 * run, then gives single messages. What was brought over stands in a journal of the account, so
 * that a run that is repeated copies nothing, and one that was killed goes on where it was.
 * Messages go to the running or stopped store through requests, in batches; nothing of the source
 * is ever changed: folders are opened for reading only.
 * Threads: a source, a journal and an account belong to one thread; the rest says so.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_MIGRATE_H
#define ADMIN_MIGRATE_H

#include <jansson.h>
#include <pthread.h>

#include "admin/admin.h"
#include "admin/files.h"
#include "common/base/buf.h"
#include "common/base/map.h"

#define MIGRATE_NAME_MAX     1000u /* octets of a folder's name */
#define MIGRATE_KEY_MAX      160u
#define MIGRATE_FOLDERS_MAX  5000u    /* of an account */
#define MIGRATE_MESSAGES_MAX 2000000u /* of a folder */
#define MIGRATE_MESSAGE_MAX  (48u << 20)
#define MIGRATE_KEYWORDS_MAX 20u

/* ---- sources ---- */

struct migrate_folder {
	char *name; /* UTF-8, levels parted by '/'; "INBOX" is the inbox */
	char *raw;  /* as the source knows it */
};
struct migrate_message {
	char key[MIGRATE_KEY_MAX];
	uint32_t uid; /* of an IMAP source */
	char *path;   /* of a file source; `at` and `size` where it holds several */
	uint64_t at, size;
	int64_t secs;   /* Unix time: when it came */
	int zone;       /* minutes east of UTC */
	uint32_t flags; /* CV_FLAG_* */
	char *keywords[MIGRATE_KEYWORDS_MAX];
	unsigned keyword_count;
};
struct migrate_list {
	struct migrate_message *items;
	size_t n, cap;
};
struct migrate_source;
struct migrate_source_ops {
	/* Appends to OUT, which the caller frees with migrate_folders_free(). */
	enum cv_status (*folders)(struct migrate_source *s, struct migrate_folder **out,
		size_t *n_out, struct cv_err *err);
	/* Opens FOLDER; *LIST gets what is in it, ascending. */
	enum cv_status (*messages)(struct migrate_source *s, const struct migrate_folder *folder,
		struct migrate_list *list, struct cv_err *err);
	/* The whole message with CRLF lines. CV_NOT_FOUND: it went meanwhile. */
	enum cv_status (*read)(struct migrate_source *s, const struct migrate_message *m,
		struct cv_buf *out, struct cv_err *err);
	void (*close)(struct migrate_source *s);
};
struct migrate_source {
	const struct migrate_source_ops *ops;
};

/* Where an old server is and how it is spoken to. */
struct migrate_server {
	const char *host, *name; /* name: that its certificate must have, NULL: host */
	uint16_t port;
	enum { MIGRATE_TLS, MIGRATE_STARTTLS, MIGRATE_PLAIN } security;
	const char *ca_file; /* NULL: the system's authorities */
	const char *master;  /* logs in as "user*master", NULL: as the user himself */
};
/* Connects and logs in. CV_DENIED: wrong password or certificate, no use to try again. */
CV_MUST_CHECK enum cv_status migrate_imap_open(const struct migrate_server *server,
	const char *user, const char *password, struct migrate_source **out, struct cv_err *err);
/* A Maildir++ folder, a tree of Maildirs, a tree of mbox files, or one mbox file. */
CV_MUST_CHECK enum cv_status migrate_maildir_open(
	const char *path, struct migrate_source **out, struct cv_err *err);
CV_MUST_CHECK enum cv_status migrate_mbox_open(
	const char *path, struct migrate_source **out, struct cv_err *err);

void migrate_folders_free(struct migrate_folder *folders, size_t n);
/* The next item of LIST, zeroed; NULL at MIGRATE_MESSAGES_MAX. */
struct migrate_message *migrate_list_add(struct migrate_list *list);
void migrate_list_done(struct migrate_list *list);
/* BYTES with CRLF line ends, whatever they were. */
void migrate_crlf(struct cv_str bytes, struct cv_buf *out);

/* ---- the journal of an account ---- */

struct migrate_journal {
	struct cv_map done; /* folder + '\n' + key */
	int fd;
	json_t *unsure; /* {folder: [[key, sha256, secs], ...]}: sent, and no answer seen */
};
/* Reads PATH, or makes it (0600). A torn last line is ignored. */
CV_MUST_CHECK enum cv_status migrate_journal_open(
	const char *path, struct admin_owner owner, struct migrate_journal *out,
	struct cv_err *err);
void migrate_journal_close(struct migrate_journal *j);
bool migrate_journal_has(const struct migrate_journal *j, const char *folder, const char *key);
/* A message is about to be sent: durable once migrate_journal_sync() was called. */
void migrate_journal_send(struct migrate_journal *j, const char *folder, const char *key,
	const char *sha256, int64_t secs);
/* It is in the box (or will never be, because it cannot). */
void migrate_journal_done(struct migrate_journal *j, const char *folder, const char *key);
CV_MUST_CHECK enum cv_status migrate_journal_sync(struct migrate_journal *j, struct cv_err *err);

/* ---- a run ---- */

struct migrate_skip {
	char *folder, *key, *why;
};
struct migrate_account {
	char *user, *password, *address; /* old name, its password, new address */
	size_t row;                      /* in the list, from 1 */
	/* what came of it */
	uint64_t folders, found, copied, there, bytes;
	json_t *skipped; /* [{"folder", "key", "why"}], at most 1,000 are kept */
	uint64_t skipped_count;
	char error[CV_ERR_TEXT_MAX]; /* "" when all of it was done */
};
struct migrate_run {
	struct admin_call *call;
	const struct migrate_server *server; /* of an IMAP run */
	enum cv_status (*open)(const struct migrate_run *run, const struct migrate_account *a,
		struct migrate_source **out, struct cv_err *err);
	const char *journal_dir, *label; /* label: names the source in the journal's name */
	struct admin_owner owner;        /* of the journals */
	const char *below;               /* put all folders below this one; NULL: as they are */
	bool dry_run;
	uint64_t bytes_per_sec; /* of all accounts together; 0: no limit */
	unsigned tries;         /* of an account, when its connection breaks */
	struct migrate_account *accounts;
	size_t count;
	/* shared by the threads */
	pthread_mutex_t lock;
	pthread_mutex_t ask_lock; /* one request at a time */
	size_t next;
	uint64_t messages, spent;
	int64_t spent_ms;
};
/* Brings all accounts over, PARALLEL at a time (1 to 32). Each account says what came of it. */
void migrate_run_all(struct migrate_run *run, unsigned parallel);

#endif
