/* tell.h - what a reorganisation changes, for people: one document, and the letters to send. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_REORGANISE_TELL_H
#define ADMIN_REORGANISE_TELL_H

#include "admin/admin.h"
#include "admin/office/office.h"

/* REPLY of reorganise.apply as a document; admin_doc_free() frees it. Without WITH_PEOPLE only
 * sums, units and what is open. */
struct admin_doc *admin_reorganise_doc(
	const struct admin_call *call, const char *title, const json_t *reply, bool with_people);
/* Problems of a plan that could not be read, or that REPLY names. */
void admin_reorganise_problems(
	const struct admin_call *call, struct admin_doc *d, const json_t *problems);
/* Writes into FOLDER: for each unit that has people with new addresses a letter with its list, and
 * one letter to the webmasters of portals. False after printing the error. */
bool admin_reorganise_letters(const struct admin_call *call, const char *folder, const char *title,
	const json_t *reply, size_t *count_out);

#endif
