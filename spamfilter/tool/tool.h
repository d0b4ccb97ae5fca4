/* tool.h - congvu-spamfilter as a tool: explain, judge and what else works on files.
 *
 * The daemon that runs is asked when it answers; else the tool judges by itself, with the register
 * and the statistics of the configuration if there is one and nobody holds them, else on defaults.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_TOOL_H
#define SPAM_TOOL_H

#include "spamfilter/tool/explain.h"

/* Exit codes, as those of congvu(1). */
enum spam_tool_exit {
	SPAM_EXIT_OK = 0,
	SPAM_EXIT_FAILED = 1, /* it could not start, or nothing could be read */
	SPAM_EXIT_PARTLY = 2, /* some messages could not be read or judged */
	SPAM_EXIT_USAGE = 64
};

#define SPAM_TOOL_OPTIONS_MAX 8

struct spam_tool {
	const char *name; /* "explain" */
	const char *conf_path; /* NULL: none */
	bool json, vietnamese, is_local;
	bool without_dns; /* local, too */
	struct spam_asked asked;
	const char *values[SPAM_TOOL_OPTIONS_MAX]; /* of the tool's own options, in their order; ""
						      for a switch that was given */
	const char *const *words;
	size_t word_count;
	/* opened by spam_tool_open() */
	struct spam_server *server;
	char ctl_path[1024]; /* "": no daemon answers */
	unsigned messages, faults;
};

/* Whether WORD, the program's first argument, names a tool. */
bool spam_tool_is(const char *word);
/* ARGV[0] is the tool's name. The exit code. */
int spam_tool_main(int argc, char **argv);

/* Finds the daemon, or opens a server of the tool's own. */
CV_MUST_CHECK enum cv_status spam_tool_open(struct spam_tool *t, struct cv_err *err);
/* Judges MESSAGE there. */
CV_MUST_CHECK enum cv_status spam_tool_explain(
	struct spam_tool *t, struct cv_str message, json_t **out, struct cv_err *err);
/* rules.c: every rule with its weight, as lines of a file of weights. */
int spam_tool_rules(struct spam_tool *t);
/* A fault on standard error, counted. */
void spam_tool_fault(struct spam_tool *t, const char *name, const char *why);

/* spf.c: check_host() by hand, with options of its own. */
int spam_tool_spf(int argc, char **argv);
/* dmarc.c: the policy of a domain, or what a report says. */
int spam_tool_dmarc(int argc, char **argv);

#endif
