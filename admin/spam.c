/* spam.c - `congvu spam explain|judge|...`: congvu-spamfilter as a tool, so that exactly the code
 * that filters mail answers.
 *
 * The program beside this one is run in place of this process with the same words and options. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "admin/commands.h"
#include "common/base/str.h"

#define ARGUMENTS_MAX (2 * ADMIN_OPTIONS_MAX + 2 * ADMIN_WORDS_MAX + 8)

/* The path of congvu-spamfilter, in the folder of this program. */
static bool
find_program(char *path, size_t n)
{
	char self[1000];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

	if (length <= 0)
		return false;
	self[length] = '\0';
	char *slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = '\0';
	snprintf(path, n, "%s/congvu-spamfilter", self);
	return true;
}

static void
add_option(const char **argv, size_t *n, char *flag, size_t flag_n, const char *name,
	const char *value)
{
	snprintf(flag, flag_n, "--%s", name);
	argv[(*n)++] = flag;
	if (value && value[0])
		argv[(*n)++] = value;
}

static int
run_tool(struct admin_call *call)
{
	const char *argv[ARGUMENTS_MAX];
	char flags[ADMIN_OPTIONS_MAX][64], path[1100], fault[1300];
	size_t n = 0;

	argv[n++] = "congvu-spamfilter";
	argv[n++] = call->command->verb;
	if (call->conf_option) {
		argv[n++] = "--conf";
		argv[n++] = call->conf_option;
	}
	if (call->json)
		argv[n++] = "--json";
	argv[n++] = "--lang";
	argv[n++] = call->vietnamese ? "vi" : "en";
	for (unsigned o = 0; call->command->options && call->command->options[o].name; o++)
		if (call->values[o])
			add_option(argv, &n, flags[o], sizeof flags[o],
				call->command->options[o].name,
				call->command->options[o].argument ? call->values[o] : NULL);
	argv[n++] = "--";
	for (unsigned i = 0; i < call->word_count; i++)
		argv[n++] = call->words[i];
	argv[n] = NULL;
	signal(SIGPIPE, SIG_DFL);
	if (find_program(path, sizeof path))
		execv(path, (char **)(uintptr_t)argv);
	snprintf(fault, sizeof fault, "cannot run %s: %s", path, strerror(errno));
	return admin_error(call, EXIT_FAILED, fault, fault);
}

static const struct admin_option envelope_options[] = {
	{"client",     "ADDRESS", "the host that brought the mail; else read from Received",
         "máy đã chuyển thư tới; nếu không có thì suy từ Received"                                                  },
	{"helo",       "NAME",    "what that host called itself",                            "tên máy đó tự xưng"           },
	{"from",       "ADDRESS", "envelope sender; else read from Return-Path",
         "người gửi trên phong bì; nếu không có thì suy từ Return-Path"                                              },
	{"to",         "ADDRESS", "envelope recipient",                                      "người nhận trên phong bì"     },
	{"submission", NULL,      "as mail that staff submit",                               "như thư cán bộ gửi"           },
	{"local",      NULL,      "do not ask the running filter",                           "không hỏi bộ lọc đang chạy"},
	{"no-dns",     NULL,      "ask no DNS: what it would say counts for nothing",
		"không hỏi DNS: kết quả DNS không được tính"},
	{NULL,         NULL,      NULL,						      NULL				  }
};

const struct admin_command admin_spam_explain = {
	.noun = "spam",
	.verb = "explain",
	.words = "FILE|-",
	.words_min = 1,
	.words_max = 1,
	.help = "why the filter would do what with a message",
	.help_vi = "giải thích bộ lọc sẽ xử lý một bức thư thế nào",
	.options = envelope_options,
	.examples =
		"  congvu spam explain message.eml\n"
		"  congvu --json spam explain --client 192.0.2.1 --from a@shop.example - < m.eml",
	.run = run_tool,
};

const struct admin_command admin_spam_judge = {
	.noun = "spam",
	.verb = "judge",
	.words = "DIR|FILE|- ...",
	.words_min = 1,
	.words_max = ADMIN_WORDS_MAX,
	.help = "judge messages of files, mboxes, Maildirs: one line each, verdict, score and file",
	.help_vi = "đánh giá nhiều thư: mỗi thư một dòng gồm kết luận, điểm và tên tệp",
	.options = envelope_options,
	.examples = "  congvu spam judge ~/Maildir\n"
		    "  congvu spam judge --local archive.mbox",
	.run = run_tool,
};

const struct admin_command admin_spam_rules = {
	.noun = "spam",
	.verb = "rules",
	.words = "",
	.help = "all rules with the weights in force, as lines for weights_file",
	.help_vi = "mọi quy tắc kèm trọng số hiện hành, theo dạng của weights_file",
	.examples = "  congvu spam rules\n"
		    "  congvu spam rules | grep '^bulk' >> weights.txt",
	.run = run_tool,
};

static const struct admin_option learn_options[] = {
	{"ham",    NULL, "as wanted mail",                   "là thư thường"                    },
	{"spam",   NULL, "as unwanted mail",                 "là thư rác"                         },
	{"forget", NULL, "take back what was learned of it", "quên những gì đã học từ đó"},
	{"local",  NULL, "do not ask the running filter",    "không hỏi bộ lọc đang chạy"  },
	{NULL,     NULL, NULL,			       NULL				    }
};

const struct admin_command admin_spam_learn = {
	.noun = "spam",
	.verb = "learn",
	.words = "DIR|FILE|- ...",
	.words_min = 1,
	.words_max = ADMIN_WORDS_MAX,
	.help = "teach the filter with sorted mail: files, mboxes, Maildirs, standard input",
	.help_vi = "dạy bộ lọc bằng thư đã phân loại: tệp, mbox, Maildir hoặc đầu vào chuẩn",
	.options = learn_options,
	.examples = "  congvu spam learn --spam ~/Maildir/.Junk\n"
		    "  congvu spam learn --ham inbox.mbox\n"
		    "  congvu spam learn --spam --forget - < message.eml",
	.run = run_tool,
};

static const struct admin_option evaluate_options[] = {
	{"ham",     "DIR",  "wanted mail",					  "thư thường"                  },
        {"spam",    "DIR",  "unwanted mail",                                        "thư rác"                       },
	{"folds",   "N",    "parts of the cross-validation; 10",                    "số phần kiểm tra chéo; 10"},
	{"by-kind", NULL,   "keep files with the same word before '-' in one part",
         "giữ các tệp cùng từ đầu (trước dấu -) trong một phần"                                   },
	{"csv",     "FILE", "write the curve as CSV",                               "ghi đường cong ra CSV"       },
	{"svg",     "FILE", "draw the curve",                                       "vẽ đường cong"             },
        {NULL,      NULL,   NULL,                                                   NULL                              }
};

const struct admin_command admin_spam_evaluate = {
	.noun = "spam",
	.verb = "evaluate",
	.words = "",
	.words_min = 0,
	.words_max = 0,
	.help = "error rates of the classifier on sorted mail, by cross-validation",
	.help_vi = "tỷ lệ sai của bộ phân loại trên thư đã phân loại, bằng kiểm tra chéo",
	.options = evaluate_options,
	.examples = "  congvu spam evaluate --ham sorted/ham --spam sorted/spam --svg curve.svg",
	.run = run_tool,
};
