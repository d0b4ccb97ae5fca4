/* tools.h - the classifier's tools: `learn` and `evaluate` (rows of tool/tool.c). */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_CLASSIFY_TOOLS_H
#define SPAM_CLASSIFY_TOOLS_H

#include "spamfilter/tool/tool.h"

/* Own options: --ham, --spam, --forget. The exit code. */
int spam_tool_learn(struct spam_tool *t);
/* Own options: --ham PATH, --spam PATH, --folds N, --by-kind, --csv FILE, --svg FILE. */
int spam_tool_evaluate(struct spam_tool *t);

#endif
