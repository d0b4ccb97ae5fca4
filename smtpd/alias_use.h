/* alias_use.h - how much mail still arrives for old addresses (MIG-02).
 *
 * Counts by alias and local day, from inside or outside; nothing of who wrote what. They gather in
 * memory and one thread hands them every few seconds to imapd, which keeps them ("alias.note" on
 * its control socket). While imapd is away they wait here, up to a number; the last seconds may be
 * lost in a crash, and counted twice when imapd dies while it answers. Any thread; never waits.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_ALIAS_USE_H
#define SMTPD_ALIAS_USE_H

#include "common/base/err.h"
#include "common/register/register.h"

struct smtpd_alias_use;

/* RUN_DIR: where imapd.ctl is. Starts the thread: not before the sandbox is entered. */
CV_MUST_CHECK enum cv_status smtpd_alias_use_start(const char *run_dir,
                                                   struct smtpd_alias_use **out,
                                                   struct cv_err *err);
/* Hands over what is left and ends the thread. NULL is fine. */
void smtpd_alias_use_stop(struct smtpd_alias_use *u);
/* A message for ALIAS (an address key) was accepted. U may be NULL. */
void smtpd_alias_use_count(struct smtpd_alias_use *u, struct cv_str alias, bool is_inside);
/* The alias that HIT was found by, as an address key; empty when by no alias. */
struct cv_str smtpd_alias_of(const struct cv_reg_hit *hit, struct cv_arena *arena);

#endif
