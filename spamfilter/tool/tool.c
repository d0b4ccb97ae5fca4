/* tool.c - the tools' command line; see tool.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/tool/tool.h"

#include <signal.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "spamfilter/classify/tools.h"
#include "spamfilter/tool/mails.h"

#define ASK_SECS  120
#define WORDS_MAX 4096

static int run_explain(struct spam_tool *t);
static int run_judge(struct spam_tool *t);

struct tool_option {
	const char *name;
	bool takes_value;
};

static const struct tool_row {
	const char *name, *words;
	size_t words_min, words_max;
	int (*run)(struct spam_tool *t);
	struct tool_option options[SPAM_TOOL_OPTIONS_MAX]; /* its own */
	int (*main)(int argc, char **argv); /* in place of all that */
	bool is_alone; /* needs neither the filter that runs nor a configuration */
} tools[] = {
	{"explain", "FILE|-",          1, 1,         run_explain, {{NULL, false}}, NULL, false},
	{"judge",   "DIR|FILE|- ...",  1, WORDS_MAX, run_judge,   {{NULL, false}}, NULL, false},
	{"rules",   "",                0, 0,         spam_tool_rules, {{NULL, false}}, NULL, true},
	{"spf",     "--client IP ...", 0, 0,         NULL,        {{NULL, false}}, spam_tool_spf, false},
	{"dmarc",   "--from DOMAIN ...", 0, 0,       NULL,        {{NULL, false}}, spam_tool_dmarc, false},
	{"learn", "--ham|--spam [--forget] DIR|FILE|- ...", 1, WORDS_MAX, spam_tool_learn,
		{{"ham", false}, {"spam", false}, {"forget", false}}, NULL, false},
	{"evaluate", "--ham DIR --spam DIR", 0, 0, spam_tool_evaluate,
		{{"ham", true}, {"spam", true}, {"folds", true}, {"by-kind", false}, {"csv", true},
			{"svg", true}}, NULL, true},
};

/* ---- the two sides ---- */

static bool
daemon_answers(const struct spam_tool *t)
{
	json_t *request = json_pack("{s:s}", "do", "status"), *reply = NULL;
	struct cv_err err;
	enum cv_status status =
		cv_ctl_ask(t->ctl_path, request, ASK_SECS, NULL, NULL, &reply, &err);

	json_decref(request);
	json_decref(reply);
	return status == CV_OK;
}

/* Where the daemon of this configuration listens. */
static enum cv_status
find_daemon(struct spam_tool *t, struct cv_err *err)
{
	struct cv_conf *conf;

	if (!t->conf_path || t->is_local || t->without_dns)
		return CV_OK;
	enum cv_status status =
		cv_conf_load(t->conf_path, cv_sections, cv_sections_count, &conf, err);
	if (status)
		return status;
	const struct congvu_options *m = cv_conf_get(conf, &congvu_section);
	snprintf(t->ctl_path, sizeof t->ctl_path, "%s/spamfilter.ctl", m->run_dir);
	cv_conf_free(conf);
	if (!daemon_answers(t))
		t->ctl_path[0] = '\0';
	return CV_OK;
}

static enum cv_status
open_own(struct spam_tool *t, struct cv_err *err)
{
	char why_not[256];
	enum cv_status status = spam_server_open_tool(t->conf_path, t->without_dns, t->words,
		t->word_count, &t->server, why_not, err);

	if (status == CV_OK && why_not[0])
		fprintf(stderr, "congvu-spamfilter: %s: %s\n",
			t->vietnamese ? "không dùng thống kê" : "statistics are not used",
			why_not);
	return status;
}

enum cv_status
spam_tool_open(struct spam_tool *t, struct cv_err *err)
{
	enum cv_status status = find_daemon(t, err);

	return status || t->ctl_path[0] ? status : open_own(t, err);
}

static enum cv_status
ask_daemon(struct spam_tool *t, struct cv_str message, json_t **out, struct cv_err *err)
{
	json_t *request = spam_explain_request(message, &t->asked);

	if (!request)
		return cv_fail(err, CV_LIMIT, "too large to be judged by the running filter");
	enum cv_status status =
		cv_ctl_ask(t->ctl_path, request, ASK_SECS, NULL, NULL, out, err);
	json_decref(request);
	if (status) {
		json_decref(*out);
		*out = NULL;
	} else {
		json_object_del(*out, "ok");
	}
	return status;
}

enum cv_status
spam_tool_explain(struct spam_tool *t, struct cv_str message, json_t **out, struct cv_err *err)
{
	*out = NULL;
	return t->ctl_path[0] ? ask_daemon(t, message, out, err)
			      : spam_explain(t->server, message, &t->asked, out, err);
}

/* ---- explain and judge ---- */

struct run {
	struct spam_tool *t;
	bool only_first;
	bool has_bar;
	int64_t drawn_ms;
};

static void
clear_bar(struct run *r)
{
	if (r->has_bar)
		fprintf(stderr, "\r\033[K");
	r->has_bar = false;
}

static void
draw_bar(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct run *r = arg;
	int64_t now_ms = cv_mono_ms();

	if (now_ms - r->drawn_ms < 200 || !total_bytes)
		return;
	r->drawn_ms = now_ms;
	r->has_bar = true;
	fprintf(stderr, "\r%3u %%  %u %s ", (unsigned)(done_bytes * 100 / total_bytes),
		r->t->messages, r->t->vietnamese ? "thư" : "messages");
	fflush(stderr);
}

void
spam_tool_fault(struct spam_tool *t, const char *name, const char *why)
{
	t->faults++;
	fprintf(stderr, "congvu-spamfilter: %s: %s\n", name, why);
}

static void
on_fault(void *arg, const char *name, const char *why)
{
	struct run *r = arg;

	clear_bar(r);
	spam_tool_fault(r->t, name, why);
}

static void
print_json(json_t *answer, const char *name, size_t flags)
{
	json_t *file = json_string(name);

	json_object_set_new(answer, "file", file ? file : json_string("?"));
	json_dumpf(answer, stdout, flags | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	putchar('\n');
}

static bool
explain_one(void *arg, const char *name, struct cv_str message)
{
	struct run *r = arg;
	struct cv_buf text = CV_BUF_INIT(1u << 20);
	struct cv_err err = {0};
	json_t *answer;

	if (spam_tool_explain(r->t, message, &answer, &err) != CV_OK) {
		on_fault(r, name, err.text);
		return false;
	}
	r->t->messages++;
	if (r->t->json) {
		print_json(answer, name, JSON_INDENT(2));
	} else {
		spam_explain_text(answer, name, r->t->vietnamese, &text);
		fwrite(text.p, 1, text.n, stdout);
	}
	cv_buf_done(&text);
	json_decref(answer);
	return false; /* of an mbox the first */
}

static bool
judge_one(void *arg, const char *name, struct cv_str message)
{
	struct run *r = arg;
	struct cv_err err = {0};
	json_t *answer;

	enum cv_status status = spam_tool_explain(r->t, message, &answer, &err);
	if (status != CV_OK) {
		on_fault(r, name, err.text);
		return status != CV_TEMPFAIL; /* the daemon is gone */
	}
	r->t->messages++;
	clear_bar(r);
	if (r->t->json)
		print_json(answer, name, JSON_COMPACT);
	else
		printf("%s %.1f %s\n", json_string_value(json_object_get(answer, "verdict")),
			json_number_value(json_object_get(answer, "score")), name);
	json_decref(answer);
	return true;
}

static int
run_over(struct spam_tool *t, bool (*fn)(void *, const char *, struct cv_str))
{
	struct run r = {.t = t};
	struct spam_mails mails = {.fn = fn, .fault = on_fault, .arg = &r};

	if (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
		mails.progress = draw_bar;
	(void)spam_mails_each(&mails, t->words, t->word_count);
	clear_bar(&r);
	if (!t->messages && !t->faults)
		spam_tool_fault(t, t->words[0],
			t->vietnamese ? "không có thư nào" : "there is no message");
	if (fflush(stdout))
		t->faults++;
	return !t->faults ? SPAM_EXIT_OK : t->messages ? SPAM_EXIT_PARTLY : SPAM_EXIT_FAILED;
}

static int
run_explain(struct spam_tool *t)
{
	return run_over(t, explain_one);
}

static int
run_judge(struct spam_tool *t)
{
	return run_over(t, judge_one);
}

/* ---- the command line ---- */

static const struct tool_row *
row_of(const char *name)
{
	for (size_t i = 0; i < CV_COUNT(tools); i++)
		if (!strcmp(tools[i].name, name))
			return &tools[i];
	return NULL;
}

bool
spam_tool_is(const char *word)
{
	return row_of(word) != NULL;
}

static void
usage(FILE *to)
{
	for (size_t i = 0; i < CV_COUNT(tools); i++)
		fprintf(to, "%s congvu-spamfilter %s %s\n", i ? "      " : "Usage:",
			tools[i].name, tools[i].words);
	fprintf(to, "\n"
		    "  --conf FILE          configuration (else $CONGVU_CONF, "
		    "/etc/congvu/congvu.conf if it is there)\n"
		    "  --local              do not ask the running filter\n"
		    "  --no-dns             ask no DNS: what it would say counts for nothing\n"
		    "  --client ADDRESS     the host that brought the mail\n"
		    "  --helo NAME          what it called itself\n"
		    "  --from ADDRESS       envelope sender, <> for none\n"
		    "  --to ADDRESS         envelope recipient; may be repeated\n"
		    "  --submission         the mail of a user of ours\n"
		    "  --json               for programs\n"
		    "  --lang vi|en         language; else that of the locale\n");
}

static int
usage_fault(const char *what)
{
	fprintf(stderr, "congvu-spamfilter: %s\n", what);
	usage(stderr);
	return SPAM_EXIT_USAGE;
}

static bool
locale_is_vietnamese(void)
{
	static const char *const names[] = {"CONGVU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"};

	for (size_t i = 0; i < CV_COUNT(names); i++) {
		const char *value = getenv(names[i]);
		if (value && value[0])
			return cv_str_has_iprefix(cv_str_z(value), "vi");
	}
	return false;
}

/* A switch of all tools. */
static bool
take_switch(struct spam_tool *t, const char *name)
{
	const struct {
		const char *name;
		bool *to;
	} rows[] = {
		{"--json",       &t->json               },
		{"--local",      &t->is_local           },
		{"--no-dns",     &t->without_dns        },
		{"--submission", &t->asked.is_submission},
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!strcmp(name, rows[i].name))
			return *rows[i].to = true;
	return false;
}

/* An option of all tools that has a value. */
static bool
take_value(struct spam_tool *t, const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **to;
	} rows[] = {
		{"--conf",   &t->conf_path   },
		{"-c",       &t->conf_path   },
		{"--client", &t->asked.client},
		{"--helo",   &t->asked.helo  },
		{"--from",   &t->asked.from  },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (strcmp(name, rows[i].name) != 0)
			continue;
		*rows[i].to = value;
		return true;
	}
	if (!strcmp(name, "--lang"))
		t->vietnamese = !strcmp(value, "vi");
	else if (!strcmp(name, "--to") && t->asked.to_count < SPAM_EXPLAIN_RCPTS_MAX)
		t->asked.to[t->asked.to_count++] = value;
	else
		return false;
	return true;
}

/* An option of this tool alone: how many arguments it took, 0 when it is none. */
static int
take_own(struct spam_tool *t, const struct tool_row *row, const char *name, const char *value)
{
	for (size_t i = 0; i < SPAM_TOOL_OPTIONS_MAX && row->options[i].name; i++) {
		const struct tool_option *o = &row->options[i];
		if (strncmp(name, "--", 2) != 0 || strcmp(name + 2, o->name) != 0)
			continue;
		if (o->takes_value && !value)
			return 0;
		t->values[i] = o->takes_value ? value : "";
		return o->takes_value ? 2 : 1;
	}
	return 0;
}

/* NULL, or what is wrong. */
static const char *
parse(struct spam_tool *t, const struct tool_row *row, int argc, char **argv, const char **words)
{
	bool options_ended = false;

	for (int i = 1; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		int own;
		if (options_ended || argv[i][0] != '-' || !argv[i][1]) {
			if (t->word_count == row->words_max)
				return "one word too many";
			words[t->word_count++] = argv[i];
		} else if (!strcmp(argv[i], "--")) {
			options_ended = true;
		} else if ((own = take_own(t, row, argv[i], next))) {
			i += own - 1;
		} else if (!take_switch(t, argv[i])) {
			if (!next || !take_value(t, argv[i], next))
				return argv[i];
			i++;
		}
	}
	return t->word_count < row->words_min ? "what to look at is missing" : NULL;
}

/* As the daemon finds it, but a machine without one is no fault. */
static void
find_conf(struct spam_tool *t)
{
	if (!t->conf_path && access(cv_conf_path(NULL), R_OK) == 0)
		t->conf_path = cv_conf_path(NULL);
	if (t->conf_path && !t->conf_path[0])
		t->conf_path = NULL;
}

int
spam_tool_main(int argc, char **argv)
{
	const struct tool_row *row = row_of(argv[0]);
	if (row->main)
		return row->main(argc, argv);
	struct spam_tool t = {.name = row->name, .vietnamese = locale_is_vietnamese()};
	struct cv_err err = {0};
	const char **words = cv_calloc(WORDS_MAX, sizeof *words);
	int code = SPAM_EXIT_FAILED;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			usage(stdout);
			free(words);
			return SPAM_EXIT_OK;
		}
	}
	t.words = words;
	const char *fault = parse(&t, row, argc, argv, words);
	if (fault) {
		free(words);
		return usage_fault(fault);
	}
	find_conf(&t);
	signal(SIGPIPE, SIG_DFL);
	if (!row->is_alone && spam_tool_open(&t, &err) != CV_OK)
		fprintf(stderr, "congvu-spamfilter: %s\n", err.text);
	else
		code = row->run(&t);
	spam_server_close(t.server);
	free(words);
	return code;
}
