/* qr.c - the codes in a gray picture, by libzbar.
 *
 * Like poppler (pdf.c) the library is looked for when the program starts, and reads a picture of
 * ours then: it opens converters of charsets for each picture, and has found them by that time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dlfcn.h>

#include "common/extractor/extractor.h"
#include "common/extractor/zbar.h"
#include "common/text/charset.h"

#define CODES_MAX 50 /* of one picture */

static struct zbar lib;
static bool has_lib;

/* A function is no datum to ISO C, but it is to dlsym(). */
#define FIND(member, name) ((*(void **)(void *)&lib.member = dlsym(handle, "zbar_" name)) != NULL)

static bool
find_all(void *handle)
{
	return FIND(version, "version") && FIND(scanner_create, "image_scanner_create") &&
	       FIND(scanner_destroy, "image_scanner_destroy") &&
	       FIND(set_config, "image_scanner_set_config") && FIND(scan, "scan_image") &&
	       FIND(image_create, "image_create") && FIND(image_destroy, "image_destroy") &&
	       FIND(set_format, "image_set_format") && FIND(set_size, "image_set_size") &&
	       FIND(set_data, "image_set_data") && FIND(first_symbol, "image_first_symbol") &&
	       FIND(next_symbol, "symbol_next") && FIND(type, "symbol_get_type") &&
	       FIND(data, "symbol_get_data") && FIND(data_length, "symbol_get_data_length");
}

/* A code holds octets of any kind: here they are one line of UTF-8. */
static void
add_line(struct extractor_text *t, struct cv_str octets)
{
	struct cv_buf line = CV_BUF_INIT(4 * EXTRACTOR_CODE_MAX);

	octets = cv_str_sub(octets, 0, EXTRACTOR_CODE_MAX);
	for (size_t at = 0; at < octets.n;) {
		uint32_t c = cv_utf8_next(octets, &at);
		cv_utf8_put(&line, c < ' ' || c == 0x7F ? ' ' : c);
	}
	extractor_text_add(t, cv_buf_view(&line));
	extractor_text_line(t);
	cv_buf_done(&line);
}

static void *
make_scanner(void)
{
	void *scanner = lib.scanner_create();

	if (!scanner)
		return NULL;
	(void)lib.set_config(scanner, ZBAR_ALL, ZBAR_ENABLE, 0);
	(void)lib.set_config(scanner, ZBAR_QRCODE, ZBAR_ENABLE, 1);
	/* Octets as they are: what they mean is not guessed. */
	(void)lib.set_config(scanner, ZBAR_QRCODE, ZBAR_BINARY, 1);
	/* White on black is read by telephones, too. */
	(void)lib.set_config(scanner, ZBAR_ALL, ZBAR_TEST_INVERTED, 1);
	return scanner;
}

static unsigned
read_symbols(const void *image, struct extractor_text *t)
{
	unsigned codes = 0;

	for (const void *s = lib.first_symbol(image); s && codes < CODES_MAX;
		s = lib.next_symbol(s)) {
		const char *data = lib.type(s) == ZBAR_QRCODE ? lib.data(s) : NULL;
		if (!data)
			continue;
		codes++;
		add_line(t, cv_str(data, lib.data_length(s)));
	}
	return codes;
}

unsigned
extractor_qr_read(const struct extractor_gray *g, struct extractor_text *t)
{
	unsigned codes = 0;
	void *scanner = has_lib ? make_scanner() : NULL;
	void *image = scanner ? lib.image_create() : NULL;

	if (image) {
		lib.set_format(image, ZBAR_Y800);
		lib.set_size(image, g->width, g->height);
		lib.set_data(image, g->pixels, (unsigned long)g->width * g->height, NULL);
		if (lib.scan(scanner, image) > 0)
			codes = read_symbols(image, t);
		lib.image_destroy(image);
	}
	if (scanner)
		lib.scanner_destroy(scanner);
	return codes;
}

bool
extractor_qr_is_open(void)
{
	return has_lib;
}

/* ---- the start ---- */

/* "congvu", a row of 21 modules each, the leftmost as the highest of 21 bits. */
static const uint32_t sample[21] = {0x1FC97F, 0x105241, 0x17485D, 0x17525D, 0x17475D, 0x105D41,
	0x1FD57F, 0x000700, 0x1F79AA, 0x110D29, 0x07769A, 0x03103F, 0x164A90, 0x001BE9, 0x1FD162,
	0x104FCD, 0x175502, 0x17551C, 0x175288, 0x10503C, 0x1FDA8A};

static bool
reads_sample(void)
{
	enum { MODULE = 4, MARGIN = 4, SIDE = MODULE * (21 + 2 * MARGIN) };
	unsigned char pixels[SIDE * SIDE];
	const struct extractor_gray g = {pixels, SIDE, SIDE};
	struct cv_buf text = CV_BUF_INIT(100);
	struct extractor_text t = {.out = &text};

	for (int i = 0; i < SIDE * SIDE; i++) {
		int x = i % SIDE / MODULE - MARGIN, y = i / SIDE / MODULE - MARGIN;
		bool is_dark = x >= 0 && x < 21 && y >= 0 && y < 21 && sample[y] >> (20 - x) & 1;
		pixels[i] = is_dark ? 0 : 255;
	}
	extractor_begin_time();
	(void)extractor_qr_read(&g, &t);
	bool is_right = cv_str_eq_z(cv_buf_view(&text), "congvu\n");
	cv_buf_done(&text);
	return is_right;
}

static int
compare(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* glibc's qsort() asks the system for its memory at the first large array, and never again: a
 * worker may not ask. */
static void
sort_something(void)
{
	unsigned char large[4096] = {1};

	qsort(large, sizeof large, 1, compare);
}

const char *
extractor_qr_open(const char *library)
{
	static char version[40];
	unsigned major = 0, minor = 0, patch = 0;
	void *handle = dlopen(library ? library : "libzbar.so.0", RTLD_NOW | RTLD_LOCAL);

	has_lib = handle && find_all(handle);
	sort_something();
	has_lib = has_lib && reads_sample();
	if (!has_lib)
		return "";
	(void)lib.version(&major, &minor, &patch);
	snprintf(version, sizeof version, "%u.%u.%u", major, minor, patch);
	return version;
}
