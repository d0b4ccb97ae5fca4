/* commands.h - the rows of `congvu backup`. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_BACKUP_COMMANDS_H
#define ADMIN_BACKUP_COMMANDS_H

#include "admin/admin.h"

extern const struct admin_command admin_backup_run, admin_backup_list, admin_backup_show,
	admin_backup_status, admin_backup_verify, admin_backup_restore, admin_backup_drill,
	admin_backup_prune, admin_backup_key;

#endif
