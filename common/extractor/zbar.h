/* zbar.h - the few functions of libzbar (LGPL 2.1) that are used, as its ABI libzbar.so.0 has them.
 *
 * The library is looked for at run time, so its own headers are not needed to build. Functions and
 * numbers are those of 0.23; handles are opaque, and an enum of the library is an int. What was
 * added late (ZBAR_BINARY in 0.23.1, ZBAR_TEST_INVERTED in 0.23) older ones refuse by a number.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef EXTRACTOR_ZBAR_H
#define EXTRACTOR_ZBAR_H

enum { ZBAR_ALL = 0, ZBAR_QRCODE = 64 };                              /* zbar_symbol_type_t */
enum { ZBAR_ENABLE = 0, ZBAR_BINARY = 4, ZBAR_TEST_INVERTED = 0x81 }; /* zbar_config_t */
#define ZBAR_Y800 0x30303859ul /* one octet a pixel, "Y800" */

struct zbar {
	int (*version)(unsigned *major, unsigned *minor, unsigned *patch);
	void *(*scanner_create)(void);
	void (*scanner_destroy)(void *scanner);
	int (*set_config)(void *scanner, int symbology, int config, int value);
	int (*scan)(void *scanner, void *image); /* how many, negative: none was looked for */
	void *(*image_create)(void);
	void (*image_destroy)(void *image);
	void (*set_format)(void *image, unsigned long fourcc);
	void (*set_size)(void *image, unsigned width, unsigned height);
	/* FREE NULL: the data stay the caller's. */
	void (*set_data)(void *image, const void *data, unsigned long n, void (*free)(void *image));
	const void *(*first_symbol)(const void *image); /* NULL: none */
	const void *(*next_symbol)(const void *symbol);
	int (*type)(const void *symbol);
	const char *(*data)(const void *symbol);
	unsigned (*data_length)(const void *symbol);
};

#endif
