/* qr.h - QR codes (ISO/IEC 18004) by libqrencode, for paper and terminals. Pure; thread-safe. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_QR_H
#define ADMIN_QR_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define ADMIN_QR_TEXT_MAX 2000 /* octets; what is longer no telephone reads from paper */

/* TEXT as an SVG element with its quiet zone, to stand in a page; LABEL (HTML-safe, may not be
 * empty) is what screen readers say. CV_LIMIT when TEXT is too long. */
CV_MUST_CHECK enum cv_status admin_qr_svg(
	struct cv_str text, const char *label, struct cv_buf *out, struct cv_err *err);
/* TEXT in half blocks, two rows of modules a line, light on dark and with its quiet zone. */
CV_MUST_CHECK enum cv_status admin_qr_terminal(
	struct cv_str text, struct cv_buf *out, struct cv_err *err);

#endif
