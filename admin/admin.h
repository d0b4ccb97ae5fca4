/* admin.h - what every command of `congvu` shares: its table, its options, how it asks and answers.
 *
 * A command is one row: noun, verb, synopsis, sentence, examples, function. It gets its arguments
 * already split into options and words, asks the daemons over their control sockets (or works on
 * the stopped store), and answers for people in Vietnamese or English or as JSON for machines.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <jansson.h>
#include <stdio.h>

#include "common/options/sections.h"

/* Exit codes, in docs/man/congvu.1 too. */
enum admin_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* the request was understood and refused or failed */
	EXIT_PARTLY = 2, /* some rows were refused: see the list */
	EXIT_USAGE = 64, /* the command line is wrong */
	EXIT_DOWN = 69,  /* a daemon that is needed does not answer */
	EXIT_CONFIG = 78 /* the configuration is wrong */
};

/* The same with what they mean: --help, the manual. */
struct admin_exit_row {
	int code;
	const char *en, *vi;
};
extern const struct admin_exit_row admin_exits[];
extern const size_t admin_exits_count;

struct admin_option {
	const char *name;     /* "agency" for --agency; NULL ends the list */
	const char *argument; /* "CODE", or NULL for a switch */
	const char *help, *help_vi;
};
#define ADMIN_OPTIONS_MAX 24
#define ADMIN_WORDS_MAX   16

struct admin_call;
struct admin_command {
	const char *noun, *verb; /* verb NULL: the noun alone is the command */
	const char *words;       /* "NAME", "[FILE]": for the usage line */
	unsigned words_min, words_max;
	const char *help, *help_vi;
	const struct admin_option *options; /* may be NULL */
	const char *examples;               /* lines */
	int (*run)(struct admin_call *call);
};

struct admin_call {
	const struct admin_command *command;
	const char *conf_option; /* --conf as given, or NULL */
	bool json, vietnamese;
	bool yes;                /* --yes: see admin_confirm() */
	bool only_running;       /* a stopped store is not opened */
	const char *as;          /* --as ADDRESS: the person who logs in for each request */
	bool password_stdin;     /* --as-password-stdin: his password is the first line there */
	char *password;          /* of --as, once asked for; wiped at the end */
	char *code;              /* of a second factor, once asked for */
	char *ticket;            /* for which the code of a second factor was given; NULL: none */
	const char *words[ADMIN_WORDS_MAX];
	unsigned word_count;
	const char *values[ADMIN_OPTIONS_MAX]; /* by index into command->options; "" for a switch
						  given */
	/* opened on demand by admin_conf() */
	struct cv_conf *conf;
	char conf_path[1024];
	/* the stopped store, when admin_ask() had to open it */
	struct admin_local *local;
	char error_vi[400]; /* of the last refusal, when the daemon gave one */
};

/* All commands, in the order of the overview. */
extern const struct admin_command *const admin_commands[];
extern const size_t admin_commands_count;

/* The value of option NAME, or NULL when it was not given. */
const char *admin_option(const struct admin_call *call, const char *name);
/* Loads the configuration once; prints the fault and returns false when it is wrong. */
bool admin_conf(struct admin_call *call);
const struct congvu_options *admin_main_options(struct admin_call *call);

/* ---- asking ---- */
enum admin_service { ADMIN_STORE, ADMIN_SMTPD, ADMIN_SPAMFILTER };
/* Sends REQUEST (taken over). The store's requests are done on the stopped store when no imapd
 * runs. Progress notes are drawn as a bar when a terminal looks on. NULL after printing the error;
 * *exit_out then says how to exit. */
json_t *admin_ask(
	struct admin_call *call, enum admin_service service, json_t *request, int *exit_out);
/* The same without printing: *ERR and call->error_vi say what went wrong. The configuration must be
 * loaded. "status" and "reload" are never asked of a stopped store. */
json_t *admin_try(
	struct admin_call *call, enum admin_service service, json_t *request, struct cv_err *err);
/* Closes the stopped store; until then root acts as the daemons' user. */
void admin_local_close(struct admin_local *local);
/* {"do": WHAT} */
json_t *admin_request(const char *what);
/* Sets KEY when VALUE is not NULL. */
void admin_set(json_t *request, const char *key, const char *value);

/* Options that mean the same wherever they stand: a row of a command's options. */
#define ADMIN_DRY_RUN                                                                              \
	{ "dry-run", NULL, "only say what would change", "chỉ cho biết sẽ thay đổi gì" }
/* Sets "dry_run" when --dry-run was given, and tells whether. The register's requests all take it:
 * the answer has the same fields and "dry_run": true, and nothing was changed. */
bool admin_set_dry_run(const struct admin_call *call, json_t *request);
/* Before what cannot be taken back or concerns many: EN and VI say what will happen. EXIT_OK to go
 * on: --yes was given, or somebody at the terminal typed NAME (NULL: "yes"). Else it has said what
 * to add, and the command ends with the answer. Never asks for a dry run: check that first. */
int admin_confirm(
	const struct admin_call *call, const char *en, const char *vi, const char *name);

/* ---- answering ---- */
/* Says how to take back the act that REPLY tells of; nothing when it was none. */
void admin_say_undo(const struct admin_call *call, const json_t *reply);
/* The text in the caller's language: a catalogue's (texts.c), else the one of the pair. Both are
 * literals beside each other, so that tools/texts.py finds them. */
const char *admin_say(const struct admin_call *call, const char *en, const char *vi);
/* LOCALE is "vi", "vi_VN.UTF-8", "C", ... */
void admin_set_language(struct admin_call *call, const char *locale);
/* Both texts have the same conversions in the same order. */
bool admin_same_conversions(const char *a, const char *b);
/* May OUT be coloured: a terminal, and nobody said NO_COLOR or TERM=dumb. */
bool admin_has_colours(FILE *out);
/* With --json prints REPLY and returns true: the command is done. */
bool admin_json(const struct admin_call *call, const json_t *reply);
/* One error line on stderr: "congvu: ..." ("congvu: lỗi: ..."), or {"ok":false,...} with --json.
 * Where VI is EN the Vietnamese is looked up by the English sentence, errors.h. */
int admin_error(const struct admin_call *call, int exit_code, const char *en, const char *vi);
/* A table of ROWS (objects) with the named COLUMNS; widths by terminal columns, not bytes. */
struct admin_column {
	const char *key, *title, *title_vi;
};
void admin_table(const struct admin_call *call, const json_t *rows,
	const struct admin_column *columns, size_t count);
/* TEXT with control characters as question marks: what a peer chose may not steer the terminal. */
void admin_put(FILE *out, const char *text);
/* The text KEY of an object; "" when there is none. Lives as long as the object. */
const char *admin_str(const json_t *o, const char *key);
/* The number KEY of REPLY; 0 when there is none. */
json_int_t admin_number(const json_t *reply, const char *key);
/* Sets KEY of a table's ROW to N as text. */
void admin_set_number(json_t *row, const char *key, json_int_t n);
/* The day of SECS in Vietnam, "31/12/2026", as a JSON text; "" for 0 and before. */
json_t *admin_day(int64_t secs);
/* The moment in the configured time zone, "2026-11-22 08:00:05"; "-" for 0 and before. */
json_t *admin_moment(int64_t secs);
/* Columns a terminal needs for UTF-8 text. */
size_t admin_width(const char *text);
/* The password of --as, asked for once: from the descriptor that CONGVU_PASSWORD_FD names, with
 * --as-password-stdin from standard input, else hidden from the terminal. NULL when there is none
 * (said). The caller does not free it. */
const char *admin_as_password(struct admin_call *call);
/* The code of a second factor, or a recovery code: the next line of standard input with
 * --as-password-stdin, else asked at the terminal. NULL when there is none. Asked for once. */
const char *admin_as_code(struct admin_call *call);
void admin_forget_password(struct admin_call *call);
/* A password from standard input: hidden and asked twice on a terminal, else the first line. Wipe
 * and free it. NULL on end of input or when both differ (said). */
char *admin_read_password(const struct admin_call *call);

#endif
