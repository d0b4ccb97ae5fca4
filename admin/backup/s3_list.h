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
/* Appends to PAGE the answer to a list from TOKEN on (empty: from the beginning). */
typedef enum cv_status backup_s3_fetch_fn(
	void *arg, struct cv_str token, struct cv_buf *page, struct cv_err *err);
/* All pages, BACKUP_S3_PAGES of at most BACKUP_S3_PAGE_BYTES. CV_LIMIT when there are more
 * or longer ones, CV_CORRUPT for what is no page and for a token that leads back to itself. */
#define BACKUP_S3_PAGES      20000u
#define BACKUP_S3_PAGE_BYTES (8u << 20)
CV_MUST_CHECK enum cv_status backup_s3_walk(size_t above, backup_s3_fetch_fn *fetch,
	void *fetch_arg, backup_list_fn *fn, void *arg, struct cv_err *err);
/* The word of an error, "AccessDenied", or "". */
void backup_s3_error(struct cv_str xml, char *out, size_t room);

#endif
