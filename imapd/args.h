/* args.h - the typed arguments of a command, as its row's grammar says.
 *
 * A grammar is words separated by blanks, one for each argument: "mailbox set ?select". A word with
 * "?" may be missing. Everything lies in the parser's arena. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_ARGS_H
#define IMAPD_ARGS_H

#include "common/store/notes.h"
#include "imapd/filter.h"
#include "imapd/parse.h"
#include "imapd/search.h"
#include "imapd/set.h"
#include "imapd/sort.h"
#include "imapd/thread.h"

#define IMAPD_SECTIONS_MAX 100 /* BODY[...] in one FETCH */
#define IMAPD_FIELDS_MAX   500 /* names in one HEADER.FIELDS */
#define IMAPD_FLAGS_MAX    100 /* keywords in one flag list */
#define IMAPD_PATTERNS_MAX 100
#define IMAPD_URLS_MAX     100 /* in one CATENATE */
#define IMAPD_URL_MAX      4000
#define IMAPD_GROUPS_MAX   50 /* groups of events of one NOTIFY */
#define IMAPD_DESCRIBED_MAX 2000 /* bytes of the items for new messages */
#define IMAPD_SOURCES_MAX  50 /* mailbox specifiers of one ESEARCH */

enum imapd_item {
	IMAPD_ITEM_UID = 1,
	IMAPD_ITEM_FLAGS = 2,
	IMAPD_ITEM_MODSEQ = 4,
	IMAPD_ITEM_INTERNALDATE = 8,
	IMAPD_ITEM_SIZE = 16,
	IMAPD_ITEM_ENVELOPE = 32,
	IMAPD_ITEM_BODY = 64,
	IMAPD_ITEM_BODYSTRUCTURE = 128,
	IMAPD_ITEM_EMAILID = 256,
	IMAPD_ITEM_THREADID = 512,
	IMAPD_ITEM_SAVEDATE = 1024,
	IMAPD_ITEM_PREVIEW = 2048,
	/* answered from the view alone */
	IMAPD_ITEMS_OF_VIEW = IMAPD_ITEM_UID | IMAPD_ITEM_FLAGS | IMAPD_ITEM_MODSEQ,
	/* from the message's row */
	IMAPD_ITEMS_OF_CORE = IMAPD_ITEM_INTERNALDATE | IMAPD_ITEM_SIZE | IMAPD_ITEM_EMAILID |
	                      IMAPD_ITEM_THREADID | IMAPD_ITEM_SAVEDATE,
	/* from the summary */
	IMAPD_ITEMS_OF_SUMMARY = IMAPD_ITEM_ENVELOPE | IMAPD_ITEM_BODY |
	                         IMAPD_ITEM_BODYSTRUCTURE | IMAPD_ITEM_PREVIEW
};

struct imapd_section {
	struct cv_str path;  /* for cv_mime_section(); HEADER.FIELDS counts as HEADER */
	struct cv_str label; /* as it stands in the answer, with the partial's origin */
	bool is_peek;
	bool is_fields; /* only the fields NAMES */
	bool is_except; /* all fields but NAMES */
	bool is_partial;
	bool is_nil_alone; /* RFC822 and its kin have no "[...]" */
	bool is_binary;    /* BINARY[...]: with the transfer encoding undone */
	bool is_size;      /* BINARY.SIZE[...]: only how large that is */
	struct cv_str *names;
	size_t name_count;
	uint64_t first, length; /* of a partial */
};

struct imapd_fetch_args {
	unsigned items;
	struct imapd_section *sections;
	unsigned section_count;
	struct imapd_partial partial;
	bool has_changed_since;
	uint64_t changed_since;
	bool vanished; /* with CHANGEDSINCE: tell what was expunged since */
};

struct imapd_flag_list {
	uint32_t flags; /* CV_FLAG_* */
	struct cv_str *keywords;
	size_t keyword_count;
};

struct imapd_store_args {
	enum cv_store_op op;
	bool is_silent;
	bool has_unchanged_since;
	uint64_t unchanged_since;
	struct imapd_flag_list flags;
};

/* A part of a message that is put together: a text, or what a URL names. */
struct imapd_cat_part {
	struct cv_spool *text; /* NULL: URL */
	struct cv_str url;     /* as it came */
};

struct imapd_catenate {
	struct imapd_cat_part *parts;
	size_t count; /* 0: a message that came whole */
};

struct imapd_append_args {
	struct cv_append *items;
	size_t count;
	struct imapd_catenate *catenates; /* one for each item; NULL: all came whole */
};

/* GETMETADATA, SETMETADATA, and METADATA that LIST returns */
struct imapd_metadata_args {
	struct cv_note *entries; /* names are valid; values only of SETMETADATA */
	size_t count;
	uint64_t max_size; /* longer values are not told */
	unsigned depth;    /* levels below a name that are told too; UINT_MAX: all */
};

enum imapd_list_option {
	IMAPD_LIST_SUBSCRIBED = 1, /* selection */
	IMAPD_LIST_REMOTE = 2,
	IMAPD_LIST_RECURSIVE = 4,
	IMAPD_LIST_ONLY_SPECIAL = 8,
	IMAPD_LIST_RET_SUBSCRIBED = 16, /* return */
	IMAPD_LIST_RET_CHILDREN = 32,
	IMAPD_LIST_RET_SPECIAL = 64,
	IMAPD_LIST_RET_STATUS = 128,
	IMAPD_LIST_RET_METADATA = 512,
	IMAPD_LIST_RET_MYRIGHTS = 1024,
	IMAPD_LIST_EXTENDED = 256 /* any syntax of RFC 5258 was used */
};

struct imapd_list_args {
	unsigned options;
	unsigned status_items;
	struct imapd_metadata_args *metadata;
	struct cv_str reference;
	struct cv_str *patterns; /* UTF-8, with % and * */
	size_t pattern_count;
};

enum imapd_status_item {
	IMAPD_STATUS_MESSAGES = 1,
	IMAPD_STATUS_RECENT = 2,
	IMAPD_STATUS_UIDNEXT = 4,
	IMAPD_STATUS_UIDVALIDITY = 8,
	IMAPD_STATUS_UNSEEN = 16,
	IMAPD_STATUS_HIGHESTMODSEQ = 32,
	IMAPD_STATUS_SIZE = 64,
	IMAPD_STATUS_DELETED = 128,
	IMAPD_STATUS_MAILBOXID = 256,
	IMAPD_STATUS_APPENDLIMIT = 512,
	IMAPD_STATUS_DELETED_STORAGE = 1024
};

/* What a front end says by ID; p NULL: it does not. */
struct imapd_id {
	struct cv_str ip, port, connected_ip, connected_port, session;
};

/* UIDBATCHES (RFC 10022 3.1) */
struct imapd_batches {
	uint32_t size;
	bool has_range;
	uint32_t first, last; /* batches; as they came, in any order */
};

/* ESEARCH: the search itself is in imapd_args. */
struct imapd_esearch_args {
	struct imapd_filter *sources;
	size_t count;           /* 0: the selected mailbox */
	bool is_selected_alone; /* nothing but the selected mailbox is searched */
};

/* RFC 5465 5 */
enum imapd_event {
	IMAPD_EVENT_NEW = 1,
	IMAPD_EVENT_EXPUNGE = 2,
	IMAPD_EVENT_FLAGS = 4,
	IMAPD_EVENTS_OF_MESSAGES = 7,
	IMAPD_EVENT_NAME = 8,
	IMAPD_EVENT_SUBSCRIPTION = 16,
	IMAPD_EVENT_METADATA = 32,
	IMAPD_EVENT_SERVER_METADATA = 64 /* of no mailbox: any group may ask for it */
};

struct imapd_notify_group {
	struct imapd_filter filter;
	unsigned events;         /* enum imapd_event */
	struct cv_str described; /* items to be fetched of new messages: "(UID FLAGS)"; or empty */
};

struct imapd_notify_args {
	bool is_set, with_status;
	bool has_unsupported; /* an event that this server does not know */
	struct imapd_notify_group *groups;
	size_t count;
};

struct imapd_args {
	struct cv_str mailbox[2]; /* UTF-8 in NFC */
	struct cv_str given[2];   /* as they came */
	unsigned mailbox_count;
	bool is_bad_name; /* a name was not well formed: the answer is NO, not BAD */
	struct cv_str word[4];
	unsigned word_count;
	struct cv_str *names; /* of ENABLE */
	size_t name_count;
	bool has_initial;        /* AUTHENTICATE: word[1] is the initial response */
	bool condstore;          /* SELECT ... (CONDSTORE) */
	struct imapd_qresync {   /* SELECT ... (QRESYNC (...)) */
		bool is_given, has_known;
		uint32_t uidvalidity;
		uint64_t modseq;
		struct imapd_set known;
	} qresync;
	enum cv_special_use use; /* CREATE ... (USE (...)) */
	unsigned status_items;
	struct imapd_set set;
	struct imapd_fetch_args *fetch;
	struct imapd_store_args *store;
	struct imapd_append_args *append;
	struct imapd_list_args *list;
	struct imapd_metadata_args *metadata;
	struct imapd_search *search;
	struct imapd_esearch_args *esearch;
	struct imapd_notify_args *notify;
	struct imapd_sort *sort;
	enum imapd_thread_how thread;
	struct imapd_batches batches;
	struct imapd_id id;
};

/* Reads the arguments behind the command's name up to the end of the command. False: p->fault says
 * why. */
bool imapd_parse_args(struct imapd_parse *p, const char *grammar, struct imapd_args *out);

/* Shared by the readers of single arguments. */
bool imapd_parse_flags(struct imapd_parse *p, struct imapd_flag_list *out); /* "(\Seen word)" */
bool imapd_parse_fetch(struct imapd_parse *p, struct imapd_args *args);
bool imapd_parse_notify(struct imapd_parse *p, struct imapd_args *args);
/* "(UID BODY.PEEK[])": items of FETCH; the second keeps them as they are written. */
bool imapd_parse_fetch_items(struct imapd_parse *p, struct imapd_fetch_args *out);
bool imapd_parse_described(struct imapd_parse *p, struct cv_str *out);
bool imapd_parse_esearch(struct imapd_parse *p, struct imapd_args *args);
bool imapd_parse_list(struct imapd_parse *p, struct imapd_args *args, bool is_lsub);
bool imapd_parse_getmetadata(struct imapd_parse *p, struct imapd_args *args);
bool imapd_parse_setmetadata(struct imapd_parse *p, struct imapd_args *args);
bool imapd_parse_list_metadata(struct imapd_parse *p, struct imapd_metadata_args **out);
bool imapd_parse_status_items(struct imapd_parse *p, unsigned *out);
/* A name or pattern as it came, in the words that the client speaks, to UTF-8. */
bool imapd_take_name(struct imapd_parse *p, struct cv_str wire, struct cv_str *out);
/* An argument that names a mailbox, turned into UTF-8; sets is_bad_name when it cannot be. */
bool imapd_parse_mailbox(struct imapd_parse *p, struct imapd_args *args);

#endif
