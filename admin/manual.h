/* manual.h - the manual pages, made from the tables of commands and options. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_MANUAL_H
#define ADMIN_MANUAL_H

#include <stdio.h>

/* congvu(1) and congvu.conf(5) in roff; docs/man holds copies that a test compares. */
void admin_manual_commands(FILE *out);
void admin_manual_conf(FILE *out);

#endif
