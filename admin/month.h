/* month.h - the option --month of reports. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_MONTH_H
#define ADMIN_MONTH_H

#include "admin/admin.h"

/* Puts the days "from" and "to" of the month that option `month` names ("2026-11"; this month when
 * it is not given) into REQUEST; "from" is BEFORE months earlier. False after saying what is
 * wrong. */
bool admin_month(struct admin_call *call, json_t *request, unsigned before);

#endif
