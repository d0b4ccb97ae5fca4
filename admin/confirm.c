/* confirm.c - asking before what cannot be taken back, or concerns many. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "admin/admin.h"
#include "common/base/str.h"

/* The word that lets the act go on, whatever the language of the question. */
static bool
is_agreed(const char *answer, const char *name)
{
	if (name)
		return !strcmp(answer, name);
	return !strcasecmp(answer, "yes") || !strcmp(answer, "có") || !strcasecmp(answer, "co");
}

static int
refuse(const struct admin_call *call, const char *what_en, const char *what_vi)
{
	char en[600], vi[600];

	snprintf(en, sizeof en, "%s: say --yes to do it", what_en);
	snprintf(vi, sizeof vi, "%s: thêm --yes để thực hiện", what_vi);
	return admin_error(call, EXIT_USAGE, en, vi);
}

int
admin_confirm(const struct admin_call *call, const char *en, const char *vi, const char *name)
{
	char answer[400] = "";

	if (call->yes)
		return EXIT_OK;
	if (call->json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return refuse(call, en, vi);
	fprintf(stderr, "%s\n", admin_say(call, en, vi));
	fprintf(stderr, admin_say(call, "Type \"%s\" to go on: ", "Gõ \"%s\" để tiếp tục: "),
		name ? name : admin_say(call, "yes", "có"));
	fflush(stderr);
	if (!fgets(answer, sizeof answer, stdin))
		answer[0] = '\0';
	answer[strcspn(answer, "\r\n")] = '\0';
	if (is_agreed(answer, name))
		return EXIT_OK;
	return admin_error(call, EXIT_USAGE, "not done", "không thực hiện");
}
