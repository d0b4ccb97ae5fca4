/* quiet.h - whether the daemon has little to do, for a thread whose work can wait.
 *
 * Measured by the CPU time of the process without the asking thread's own: over a fifth of a second
 * or longer, others used less than an eighth of the cores. One thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef IMAPD_QUIET_H
#define IMAPD_QUIET_H

#include <stdbool.h>
#include <stdint.h>

struct imapd_quiet {
	int64_t at_us, others_us; /* at the last sample; 0: none yet */
	bool is_quiet;
};
bool imapd_quiet_now(struct imapd_quiet *q);

#endif
