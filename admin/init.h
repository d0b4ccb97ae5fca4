/* init.h - what `congvu init` needs to know, by options or by five questions. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_INIT_H
#define ADMIN_INIT_H

#include "admin/admin.h"

/* In the order they are asked. */
enum admin_init_item {
	INIT_DOMAIN,
	INIT_PROVINCE,
	INIT_HOSTNAME,
	INIT_INSIDE,
	INIT_USER,
	INIT_ITEMS
};
struct admin_init_answers {
	char *text[INIT_ITEMS]; /* NULL: not answered; the caller frees them */
};

/* May WORD stand for ITEM? CV_INVALID, CV_LIMIT, or for the user CV_NOT_FOUND, with a sentence. */
CV_MUST_CHECK enum cv_status admin_init_check(
	enum admin_init_item item, const char *word, struct cv_err *err);
/* Asks on the terminal for what was not given as an option, each until the answer can be used; an
 * empty line takes what is proposed. False at the end of input. */
bool admin_init_ask(struct admin_call *call, struct admin_init_answers *out);
/* Name of ITEM's option. */
const char *admin_init_option(enum admin_init_item item);

#endif
