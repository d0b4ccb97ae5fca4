/* charset_tables.h - what each byte of the Vietnamese 8-bit charsets means. Internal to charset.c.
 *
 * 0xFFFD marks bytes without a meaning. Combining marks stand for themselves; NFC comes later.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_CHARSET_TABLES_H
#define CV_CHARSET_TABLES_H

#include <stdint.h>

extern const uint16_t cv_charset_cp1258[256];
extern const uint16_t cv_charset_tcvn1[256];  /* TCVN 5712:1993 VN1; above 0x9F also VN2 and VN3 */
extern const uint16_t cv_charset_viscii[256]; /* RFC 1456 */
extern const uint16_t cv_charset_vps[256];    /* Vietnamese Professionals Society, Windows fonts */
extern const uint16_t cv_charset_cp1252[256];

#endif
