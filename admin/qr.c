/* qr.c - see qr.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/qr.h"

#include <errno.h>
#include <qrencode.h>

#define QUIET 4 /* light modules around (ISO/IEC 18004 6.3.8) */

static enum cv_status
encode(struct cv_str text, QRcode **out, struct cv_err *err)
{
	if (!text.n || text.n > ADMIN_QR_TEXT_MAX)
		return cv_fail(err, CV_LIMIT, "a QR code holds 1 to %d octets, not %zu",
			ADMIN_QR_TEXT_MAX, text.n);
	/* M: a fold or a stain over a seventh of it does no harm. */
	*out = QRcode_encodeData((int)text.n, (const unsigned char *)text.p, 0, QR_ECLEVEL_M);
	return *out ? CV_OK
		    : cv_fail_errno(err, CV_LIMIT, errno, "the text does not fit a QR code");
}

static bool
is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       code->data[y * code->width + x] & 1;
}

/* Each run of dark modules in a row is one stroke. */
enum cv_status
admin_qr_svg(struct cv_str text, const char *label, struct cv_buf *out, struct cv_err *err)
{
	QRcode *code;
	enum cv_status status = encode(text, &code, err);

	if (status != CV_OK)
		return status;
	int side = code->width + 2 * QUIET;
	cv_buf_printf(out,
		"<svg class=\"qr\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"role=\"img\" "
		"aria-label=\"%s\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/>"
		"<path d=\"",
		side, side, label, side, side);
	for (int y = 0; y < code->width; y++)
		for (int x = 0, run; x < code->width; x += run) {
			for (run = 0; is_dark(code, x + run, y); run++)
				;
			if (run)
				cv_buf_printf(
					out, "M%d %dh%dv1h-%dz", x + QUIET, y + QUIET, run, run);
			else
				run = 1;
		}
	cv_buf_z(out, "\"/></svg>\n");
	QRcode_free(code);
	return CV_OK;
}

enum cv_status
admin_qr_terminal(struct cv_str text, struct cv_buf *out, struct cv_err *err)
{
	static const char *const halves[] = {"█", "▄", "▀", " "}; /* what is light is drawn */
	QRcode *code;
	enum cv_status status = encode(text, &code, err);

	if (status != CV_OK)
		return status;
	for (int y = -QUIET; y < code->width + QUIET; y += 2) {
		for (int x = -QUIET; x < code->width + QUIET; x++)
			cv_buf_z(
				out, halves[is_dark(code, x, y) * 1 + is_dark(code, x, y + 1) * 2]);
		cv_buf_c(out, '\n');
	}
	QRcode_free(code);
	return CV_OK;
}
