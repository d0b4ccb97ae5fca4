/* page.h - what the pages of the directory share: their frame, and how numbers, days, addresses and
 * telephones are written. Private to the room.
 *
 * Everything from the register passes through cv_html_escape(); links are made only of addresses,
 * telephone digits and http(s) addresses.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DIRECTORY_PAGE_H
#define ADMIN_DIRECTORY_PAGE_H

#include "admin/directory/site.h"

#define SITE_TITLE    "Danh bạ thư điện tử công vụ"
#define SITE_TITLE_EN "Directory of official mail addresses"

struct page {
	const struct admin_directory *d;
	struct cv_str title;    /* of the agency, or empty on the index */
	const char *root;       /* "" or "../" */
	const char *path;       /* of the page itself */
	const char *csv, *json, *vcard, *xlsx; /* of what it shows; NULL: none */
	const char *script;     /* "tim.js", or NULL */
	const struct admin_unit *unit; /* that it is about, or NULL */
};

void page_head(struct cv_buf *out, const struct page *p);
void page_banner(struct cv_buf *out, const struct page *p);
void page_footer(struct cv_buf *out, const struct page *p);

/* VI, and EN behind it when D wants English. */
void page_label(
	struct cv_buf *out, const struct admin_directory *d, const char *vi, const char *en);
/* A column head of a table; CLASS may be "". */
void page_column(struct cv_buf *out, const struct admin_directory *d, const char *class,
	const char *vi, const char *en);
void page_column_number(struct cv_buf *out, const struct admin_directory *d);
/* Opens <li> of a list of facts; page_fact_end() closes it. */
void page_fact(struct cv_buf *out, const struct admin_directory *d, const char *vi, const char *en);
void page_fact_end(struct cv_buf *out);
/* 12.077, as Vietnamese write it. */
void page_number(struct cv_buf *out, size_t n);
/* "2026-11-22" as <time>22/11/2026</time>. */
void page_day(struct cv_buf *out, const char *day);
void page_mail(struct cv_buf *out, const struct admin_directory *d, struct cv_str address);
void page_phone(struct cv_buf *out, struct cv_str phone);
void page_website(struct cv_buf *out, struct cv_str url);
void page_cell(struct cv_buf *out, const char *class, struct cv_str text);
/* A table of U's people, and one of its role boxes. */
void page_people(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u);
void page_roles(struct cv_buf *out, const struct admin_directory *d, const struct admin_unit *u);

#endif
