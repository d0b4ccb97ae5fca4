/* picture.c - PNG (libpng) and JPEG (libjpeg) as gray pixels, and the codes in them (qr.c).
 *
 * What a picture says of its size is believed only within bounds, before anything is reserved.
 * Readers of mail show as much of a damaged picture as there is, so that much is looked at too.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <png.h>

#include "common/extractor/extractor.h"

#define SMALL_SIDE 512u /* pixels; smaller ones are made larger, with a margin */
#define MARGIN     16u

static bool
is_png(struct cv_str document)
{
	return document.n > 8 && !memcmp(document.p, "\x89PNG\r\n\x1A\n", 8);
}

bool
extractor_is_picture(struct cv_str document)
{
	return is_png(document) || (document.n > 3 && !memcmp(document.p, "\xFF\xD8\xFF", 3));
}

/* White, as a page is. */
static bool
reserve(struct extractor_gray *g, uint64_t width, uint64_t height)
{
	if (!width || !height || width > EXTRACTOR_PIXELS_MAX / height)
		return false;
	g->width = (uint32_t)width;
	g->height = (uint32_t)height;
	g->pixels = cv_calloc(width * height, 1);
	memset(g->pixels, 255, width * height);
	return true;
}

/* ---- PNG ---- */

/* Palettes, 16 bits, interlacing and gamma are the library's; what shines through is white. */
static enum cv_extract_outcome
read_png(struct cv_str document, struct extractor_gray *g)
{
	const png_color white = {255, 255, 255};
	png_image image = {.version = PNG_IMAGE_VERSION};
	enum cv_extract_outcome outcome = CV_EXTRACT_BROKEN;

	if (!png_image_begin_read_from_memory(&image, document.p, document.n))
		return CV_EXTRACT_BROKEN;
	image.format = PNG_FORMAT_GRAY;
	if (!reserve(g, image.width, image.height))
		outcome = CV_EXTRACT_TOO_LARGE;
	else if (png_image_finish_read(&image, &white, g->pixels, 0, NULL))
		outcome = CV_EXTRACT_TEXT;
	png_image_free(&image);
	return outcome;
}

/* ---- JPEG ---- */

struct jpeg {
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr faults;
	struct jpeg_progress_mgr progress;
	jmp_buf end;
	enum cv_extract_outcome outcome;
	struct extractor_gray *g;
	unsigned char *inks; /* one row of four */
};

CV_NORETURN static void
end_jpeg(j_common_ptr c)
{
	struct jpeg *j = c->client_data;

	longjmp(j->end, 1);
}

static void
say_nothing(j_common_ptr c, int level)
{
	(void)c;
	(void)level;
}

/* A progressive one of few octets may ask for thousands of passes. */
static void
watch_time(j_common_ptr c)
{
	struct jpeg *j = c->client_data;

	if (!extractor_is_late())
		return;
	j->outcome = CV_EXTRACT_LIMIT;
	end_jpeg(c);
}

/* Four inks as gray; Adobe's are stored the other way round. */
static void
mix(const unsigned char *inks, bool is_adobe, unsigned char *gray, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++, inks += 4) {
		unsigned light = (unsigned)inks[0] + inks[1] + inks[2], black = inks[3];
		if (!is_adobe) {
			light = 3 * 255 - light;
			black = 255 - black;
		}
		gray[i] = (unsigned char)(light * black / (3 * 255));
	}
}

static void
read_rows(struct jpeg *j)
{
	while (j->c.output_scanline < j->c.output_height) {
		unsigned char *gray = j->g->pixels + (size_t)j->c.output_scanline * j->g->width;
		JSAMPROW row = j->inks ? j->inks : gray;
		watch_time((j_common_ptr)&j->c);
		if (jpeg_read_scanlines(&j->c, &row, 1) == 1 && j->inks)
			mix(j->inks, j->c.saw_Adobe_marker, gray, j->g->width);
	}
}

/* Everything that may end early: what it made is J's. */
static void
decode(struct jpeg *j, struct cv_str document)
{
	jpeg_mem_src(&j->c, (const unsigned char *)document.p, document.n);
	(void)jpeg_read_header(&j->c, TRUE);
	bool has_inks = j->c.jpeg_color_space == JCS_CMYK || j->c.jpeg_color_space == JCS_YCCK;
	j->c.out_color_space = has_inks ? JCS_CMYK : JCS_GRAYSCALE;
	if (!reserve(j->g, j->c.image_width, j->c.image_height)) {
		j->outcome = CV_EXTRACT_TOO_LARGE;
		return;
	}
	if (has_inks)
		j->inks = cv_calloc(j->g->width, 4);
	(void)jpeg_start_decompress(&j->c);
	read_rows(j);
	j->outcome = CV_EXTRACT_TEXT;
}

static enum cv_extract_outcome
read_jpeg(struct cv_str document, struct extractor_gray *g)
{
	struct jpeg *j = cv_calloc(1, sizeof *j);

	j->g = g;
	j->outcome = CV_EXTRACT_BROKEN;
	j->c.err = jpeg_std_error(&j->faults);
	j->faults.error_exit = end_jpeg;
	j->faults.emit_message = say_nothing;
	j->progress.progress_monitor = watch_time;
	j->c.client_data = j;
	if (!setjmp(j->end)) {
		jpeg_create_decompress(&j->c);
		j->c.progress = &j->progress;
		decode(j, document);
	}
	enum cv_extract_outcome outcome = j->outcome;
	jpeg_destroy_decompress(&j->c);
	free(j->inks);
	free(j);
	return outcome;
}

enum cv_extract_outcome
extractor_picture_gray(struct cv_str document, struct extractor_gray *g)
{
	*g = (struct extractor_gray){0};
	if (!extractor_is_picture(document))
		return CV_EXTRACT_UNKNOWN;
	if (document.n > EXTRACTOR_PICTURE_MAX)
		return CV_EXTRACT_TOO_LARGE;
	return is_png(document) ? read_png(document, g) : read_jpeg(document, g);
}

/* ---- the codes ---- */

/* A page of HTML may show a code of one pixel a module as large as it likes, and without the margin
 * by which readers find it. */
static void
enlarge(struct extractor_gray *g)
{
	struct extractor_gray large = {0};
	uint32_t times = CV_MAX(1u, 2 * SMALL_SIDE / CV_MAX(g->width, g->height));

	if (CV_MAX(g->width, g->height) > SMALL_SIDE)
		return;
	times = CV_MIN(times, 4u);
	if (!reserve(&large, g->width * times + 2 * MARGIN, g->height * times + 2 * MARGIN))
		return;
	for (uint32_t y = 0; y < g->height * times; y++)
		for (uint32_t x = 0; x < g->width * times; x++)
			large.pixels[(size_t)(y + MARGIN) * large.width + x + MARGIN] =
				g->pixels[(size_t)(y / times) * g->width + x / times];
	free(g->pixels);
	*g = large;
}

enum cv_extract_outcome
extractor_picture(struct cv_str document, struct extractor_text *t)
{
	struct extractor_gray g;

	if (!extractor_qr_is_open())
		return CV_EXTRACT_UNKNOWN;
	enum cv_extract_outcome outcome = extractor_picture_gray(document, &g);
	if (g.pixels && outcome != CV_EXTRACT_LIMIT) {
		enlarge(&g);
		if (extractor_qr_read(&g, t))
			outcome = CV_EXTRACT_TEXT;
	}
	free(g.pixels);
	return extractor_is_late() ? CV_EXTRACT_LIMIT : outcome;
}
