/* commands.c - every command, as a row: where it is allowed, what it takes, how it behaves. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/conn.h"

#define ANY   IMAPD_S_ANY
#define NEW   IMAPD_S_GREETED
#define IN    IMAPD_S_IN
#define SEL   IMAPD_S_SELECTED
#define UID   IMAPD_CMD_UID
#define NUMS  IMAPD_CMD_NUMBERS
#define QUIET IMAPD_CMD_QUIET
#define WRITE IMAPD_CMD_WRITES
#define SLOW  IMAPD_CMD_SLOW
#define ONLY  IMAPD_CMD_ONLY_UID
#define STREAM IMAPD_CMD_STREAMS

/* clang-format off */

const struct imapd_cmd_row imapd_cmds[] = {
	/* name          handler                  in   arguments          flags, rights */
	{"NOOP",         imapd_cmd_noop,          ANY, "",                0, ""},
	{"FETCH",        imapd_cmd_fetch,         SEL, "set fetch",       UID | NUMS | STREAM, ""},
	{"STORE",        imapd_cmd_store,         SEL, "set store",       UID | NUMS | WRITE, ""},
	{"SEARCH",       imapd_cmd_search,        SEL, "search",          UID | NUMS, ""},
	{"SORT",         imapd_cmd_sort,          SEL, "sort",            UID | NUMS, ""},
	{"THREAD",       imapd_cmd_thread,        SEL, "thread",          UID | NUMS, ""},
	{"ESEARCH",      imapd_cmd_esearch,       IN,  "esearch",         0, ""},
	{"ESEARCH",      imapd_cmd_esearch,       IN,  "esearch",         ONLY, ""},
	{"CANCELUPDATE", imapd_cmd_cancelupdate,  SEL, "tags",            0, ""},
	{"SELECT",       imapd_cmd_select,        IN,  "mailbox ?select", QUIET, ""},
	{"EXAMINE",      imapd_cmd_examine,       IN,  "mailbox ?select", QUIET, ""},
	{"IDLE",         imapd_cmd_idle,          IN,  "",                0, ""},
	{"NOTIFY",       imapd_cmd_notify,        IN,  "notify",          0, ""},
	{"STATUS",       imapd_cmd_status,        IN,  "mailbox status",  0, "r"},
	{"APPEND",       imapd_cmd_append,        IN,  "mailbox append",  0, "i"},
	{"REPLACE",      imapd_cmd_replace,       SEL, "set mailbox append", UID | WRITE, "i/te"},
	{"COPY",         imapd_cmd_copy,          SEL, "set mailbox",     UID | SLOW, "i"},
	{"MOVE",         imapd_cmd_move,          SEL, "set mailbox",     UID | WRITE | SLOW, "i/te"},
	{"EXPUNGE",      imapd_cmd_expunge,       SEL, "",                WRITE, "/e"},
	{"EXPUNGE",      imapd_cmd_expunge,       SEL, "set",             ONLY | WRITE, "/e"},
	{"UIDBATCHES",   imapd_cmd_uidbatches,    SEL, "batches",         0, ""},
	{"CHECK",        imapd_cmd_check,         SEL, "",                0, ""},
	{"CLOSE",        imapd_cmd_close,         SEL, "",                QUIET, ""},
	{"UNSELECT",     imapd_cmd_unselect,      SEL, "",                QUIET, ""},
	{"LIST",         imapd_cmd_list,          IN,  "list",            0, ""},
	{"LSUB",         imapd_cmd_lsub,          IN,  "lsub",            0, ""},
	{"SUBSCRIBE",    imapd_cmd_subscribe,     IN,  "mailbox",         0, ""},
	{"UNSUBSCRIBE",  imapd_cmd_unsubscribe,   IN,  "mailbox",         0, ""},
	{"CREATE",       imapd_cmd_create,        IN,  "mailbox ?create", 0, ""},
	{"DELETE",       imapd_cmd_delete,        IN,  "mailbox",         0, "x"},
	{"RENAME",       imapd_cmd_rename,        IN,  "mailbox mailbox", 0, "x"},
	{"GETMETADATA",  imapd_cmd_getmetadata,   IN,  "getmetadata",     0, ""},
	{"SETMETADATA",  imapd_cmd_setmetadata,   IN,  "setmetadata",     0, ""},
	{"SETACL",       imapd_cmd_setacl,        IN,  "mailbox word word", 0, "a"},
	{"DELETEACL",    imapd_cmd_deleteacl,     IN,  "mailbox word",    0, "a"},
	{"GETACL",       imapd_cmd_getacl,        IN,  "mailbox",         0, "a"},
	{"LISTRIGHTS",   imapd_cmd_listrights,    IN,  "mailbox word",    0, "a"},
	{"MYRIGHTS",     imapd_cmd_myrights,      IN,  "mailbox",         0, ""},
	{"NAMESPACE",    imapd_cmd_namespace,     IN,  "",                0, ""},
	{"GETQUOTA",     imapd_cmd_getquota,      IN,  "word",            0, ""},
	{"GETQUOTAROOT", imapd_cmd_getquotaroot,  IN,  "mailbox",         0, ""},
	{"SETQUOTA",     imapd_cmd_setquota,      IN,  "rest",            0, ""},
	{"ENABLE",       imapd_cmd_enable,        IN,  "names",           0, ""},
	{"COMPRESS",     imapd_cmd_compress,      IN,  "atom",            QUIET, ""},
	{"ID",           imapd_cmd_id,            ANY, "id",              0, ""},
	{"CAPABILITY",   imapd_cmd_capability,    ANY, "",                0, ""},
	{"LOGIN",        imapd_cmd_login,         NEW, "word word",       QUIET, ""},
	{"AUTHENTICATE", imapd_cmd_authenticate,  NEW, "atom ?initial",   QUIET, ""},
	{"STARTTLS",     imapd_cmd_starttls,      NEW, "",                QUIET, ""},
	{"UNAUTHENTICATE", imapd_cmd_unauthenticate, IN, "",              QUIET, ""},
	{"LOGOUT",       imapd_cmd_logout,        ANY, "",                QUIET, ""},
};
/* clang-format on */
const size_t imapd_cmds_count = CV_COUNT(imapd_cmds);

const struct imapd_cmd_row *
imapd_cmd_find(struct cv_str name, bool is_uid)
{
	unsigned with_uid = IMAPD_CMD_UID | IMAPD_CMD_ONLY_UID;

	for (size_t i = 0; i < imapd_cmds_count; i++) {
		const struct imapd_cmd_row *row = &imapd_cmds[i];
		if (is_uid ? !(row->flags & with_uid) : (row->flags & IMAPD_CMD_ONLY_UID) != 0)
			continue;
		if (cv_str_ieq_z(name, row->name))
			return row;
	}
	return NULL;
}
