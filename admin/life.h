/* life.h - what commands about people's lives print alike. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_LIFE_H
#define ADMIN_LIFE_H

#include "admin/admin.h"

/* The answer of account.transfer and its like: what changed, was left, when it is done. */
void admin_print_move(const struct admin_call *call, const json_t *reply);

#endif
