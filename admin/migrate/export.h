/* export.h - writing boxes into files: what migrate_*_open() reads, written the same way. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_MIGRATE_EXPORT_H
#define ADMIN_MIGRATE_EXPORT_H

#include <stdio.h>

#include "admin/migrate/migrate.h"

struct migrate_sink;
struct migrate_sink_ops {
	enum cv_status (*begin)(struct migrate_sink *s, const char *folder, struct cv_err *err);
	bool (*has)(struct migrate_sink *s, const struct migrate_message *m);
	enum cv_status (*put)(struct migrate_sink *s, const struct migrate_message *m,
		struct cv_str body, struct cv_err *err);
	enum cv_status (*end)(struct migrate_sink *s, struct cv_err *err);
};
struct migrate_sink {
	const struct migrate_sink_ops *ops;
	char *dir, *folder;
	FILE *file;
};
/* Files below DIR: a Maildir a folder, or FOLDER.mbox. */
void migrate_sink_open(struct migrate_sink *s, bool is_mbox, const char *dir);
void migrate_sink_close(struct migrate_sink *s);
/* All folders of FROM; counts stand in A. */
CV_MUST_CHECK enum cv_status migrate_export(struct migrate_source *from, struct migrate_sink *to,
	struct migrate_account *a, struct cv_err *err);

#endif
