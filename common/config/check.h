/* check.h - faults in option values that their kind and limits cannot show: networks, addresses to
 * listen on, rules for TLS, names, words out of a few. The same for `config check`, start and
 * reload, so that what the one lets pass the others take.
 *
 * Reads no file and asks no DNS. Thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CONFIG_CHECK_H
#define CV_CONFIG_CHECK_H

#include "common/options/sections.h"

struct cv_config_fault {
	const char *section, *option;
	const char *where; /* "file:line" of the option; NULL: its default is at fault */
	const char *text;  /* without the option's name */
};
typedef void cv_config_fault_fn(void *arg, const struct cv_config_fault *fault);
/* Tells FN every fault in SECTIONS (names, NULL at the end; NULL: all). Returns how many. */
size_t cv_config_check(const struct cv_conf *conf, const char *const *sections,
                       cv_config_fault_fn *fn, void *arg);
/* The first of them as an error: "congvu.conf:12: listen_mx: ..." */
CV_MUST_CHECK enum cv_status cv_config_require(const struct cv_conf *conf,
                                               const char *const *sections, struct cv_err *err);

#endif
