/* list_file.h - the list of accounts to be brought over. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_MIGRATE_LIST_FILE_H
#define ADMIN_MIGRATE_LIST_FILE_H

#include "admin/migrate/migrate.h"

struct migrate_accounts {
	struct migrate_account *items;
	size_t n, cap;
};
/* Reads the CSV file PATH: columns user (or path), address, and password. Refused when it holds
 * passwords and others than its owner can read it. Free OUT in any case; passwords are wiped. */
CV_MUST_CHECK enum cv_status migrate_list_read(
	const char *path, struct migrate_accounts *out, struct cv_err *err);
void migrate_list_free(struct migrate_accounts *list);

#endif
