/* s3_list.h - reads what S3-compatible storage answers: lists of objects and errors, XML that
 * another machine wrote. Only the four elements that matter are looked at; anything odd is false.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_S3_LIST_H
#define ADMIN_BACKUP_S3_LIST_H

#include "admin/backup/target.h"

struct backup_s3_page {
	size_t above;    /* octets of each key that are not part of the name */
	bool is_cut;     /* there is another page, behind the token */
	bool is_stopped; /* FN answered false */
};
/* Calls FN for each <Contents> of the page. False: not such a page, or cut without a token. */
CV_MUST_CHECK bool backup_s3_list(struct cv_str xml, struct backup_s3_page *page,
	struct cv_buf *token, backup_list_fn *fn, void *arg);
/* The word of an error, "AccessDenied", or "". */
void backup_s3_error(struct cv_str xml, char *out, size_t room);

#endif
