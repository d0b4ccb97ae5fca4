/* fold_tables.h - what search folding makes of each code point below U+2000, in two levels.
 * Internal to fold.c.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_FOLD_TABLES_H
#define CV_FOLD_TABLES_H

#include <stdint.h>

#define CV_FOLD_TABLE_END 0x2000u
#define CV_FOLD_PAGE 64u

struct cv_fold_entry {
	uint8_t n; /* bytes of UTF-8; 0: dropped */
	uint8_t bytes[9];
};

extern const uint8_t cv_fold_page[CV_FOLD_TABLE_END / CV_FOLD_PAGE];
extern const struct cv_fold_entry cv_fold_entries[][CV_FOLD_PAGE];

#endif
