/* live.h - what a running program does with a configuration that was read again.
 *
 * A program keeps the configuration it started with and every one that came into force later until
 * it ends, so a pointer into one never dangles and nobody has to count; what changes nothing is
 * thrown away at once, so they are as many as there were real changes. Some options cannot change
 * while the program runs (folders, sockets, thread counts): their old value is carried into the new
 * configuration, and they are named to whoever asked, so that "restart" is said and not guessed.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_LIVE_H
#define CV_LIVE_H

#include "common/base/buf.h"
#include "common/options/options.h"

/* How many changed configurations a program keeps before it asks to be restarted. */
#define CV_LIVE_MAX 1000u

/* Names of options, "smtpd.max_rcpts", separated by blanks. */
struct cv_live_diff {
	struct cv_buf changed; /* in force from now on */
	struct cv_buf fixed;   /* wait for a restart; NEXT has the old value */
};
void cv_live_diff_init(struct cv_live_diff *d);
void cv_live_diff_done(struct cv_live_diff *d);

/* Compares the SECTIONS (those the program reads) of NOW and NEXT, and gives NEXT the value that
 * NOW has for each option in FIXED, a list that ends with NULL of "section.option" or
 * "section.prefix*". Texts are borrowed: NOW must outlive NEXT. True when anything changed. */
bool cv_live_compare(const struct cv_conf *now, struct cv_conf *next,
                     const struct cv_section *const *sections, size_t count,
                     const char *const *fixed, struct cv_live_diff *out);
/* Whether the blank-separated NAMES has NAME. */
bool cv_live_names(const struct cv_buf *names, const char *name);

#endif
