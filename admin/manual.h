/* manual.h - the manual pages, made from the tables of commands and options. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_MANUAL_H
#define ADMIN_MANUAL_H

#include <stdio.h>

/* congvu(1) and congvu.conf(5) in roff; docs/man holds copies that a test compares. */
void admin_manual_commands(FILE *out);
void admin_manual_conf(FILE *out);
struct admin_command;
/* congvu-account-add(1), and its name. */
void admin_manual_command(const struct admin_command *c, FILE *out);
void admin_manual_page(const struct admin_command *c, char *name, size_t n);

#endif
