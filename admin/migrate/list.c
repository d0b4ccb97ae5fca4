/* list.c - what all sources share: folders, lists of messages, line ends. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/migrate/migrate.h"

void
migrate_folders_free(struct migrate_folder *folders, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(folders[i].name);
		free(folders[i].raw);
	}
	free(folders);
}

struct migrate_message *
migrate_list_add(struct migrate_list *list)
{
	if (list->n >= MIGRATE_MESSAGES_MAX)
		return NULL;
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 256;
		list->items = cv_realloc(list->items, list->cap * sizeof *list->items);
	}
	struct migrate_message *m = &list->items[list->n++];
	memset(m, 0, sizeof *m);
	return m;
}

void
migrate_list_done(struct migrate_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		for (unsigned k = 0; k < list->items[i].keyword_count; k++)
			free(list->items[i].keywords[k]);
		free(list->items[i].path);
	}
	free(list->items);
	*list = (struct migrate_list){0};
}

void
migrate_crlf(struct cv_str bytes, struct cv_buf *out)
{
	size_t from = 0;

	for (size_t i = 0; i < bytes.n; i++) {
		bool is_lone_lf = bytes.p[i] == '\n' && (i == 0 || bytes.p[i - 1] != '\r');
		bool is_lone_cr =
			bytes.p[i] == '\r' && (i + 1 == bytes.n || bytes.p[i + 1] != '\n');
		if (!is_lone_lf && !is_lone_cr)
			continue;
		cv_buf_str(out, cv_str_sub(bytes, from, i));
		cv_buf_z(out, "\r\n");
		from = i + 1;
	}
	cv_buf_str(out, cv_str_sub(bytes, from, bytes.n));
}
