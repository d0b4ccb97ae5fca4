/* gen_fold.c - writes common/text/fold_tables.c from libunistring's Unicode tables.
 *
 *   cc -o gen_fold tools/text/gen_fold.c -lunistring && ./gen_fold > common/text/fold_tables.c
 *
 * For each code point below U+2000: what cv_fold() makes of it. Raise CV_FOLD_VERSION when the
 * output changes, for indexes hold folded text.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#define LIMIT 0x2000
#define PAGE 64

struct entry {
	uint8_t n, bytes[9];
};

/* Letters that Unicode does not take apart, and signs typed for each other. */
static ucs4_t
plain(ucs4_t cp)
{
	switch (cp) {
	case 0x111: case 0xF0: return 'd'; /* đ, and ð that is often typed for it */
	case 0xF8: return 'o';
	case 0x142: return 'l';
	case 0x131: return 'i';
	case 0x127: return 'h';
	case 0x167: return 't';
	case 0xB4: case 0x2BC: return '\'';
	case 0xA0: case 0x1680: return ' ';
	default: return cp;
	}
}

static bool
is_dropped(ucs4_t cp)
{
	int class = uc_combining_class(cp);
	if (class == UC_CCC_VR || class == UC_CCC_KV)
		return false; /* viramas and kana marks make letters */
	return class != 0 || uc_is_property(cp, UC_PROPERTY_DEFAULT_IGNORABLE_CODE_POINT);
}

static struct entry
fold(ucs4_t cp)
{
	struct entry e = { 0 };
	size_t n, m;
	/* Taken apart before and after the case is folded: some capitals have no small twin. */
	uint32_t *apart = u32_normalize(UNINORM_NFD, &cp, 1, NULL, &n);
	uint32_t *small = u32_casefold(apart, n, NULL, UNINORM_NFD, NULL, &m);
	for (size_t i = 0; i < m; i++) {
		uint8_t utf8[6];
		if (is_dropped(small[i]))
			continue;
		ucs4_t c = plain(small[i]);
		int k = c == 0xE6 ? 2 : c == 0x153 ? 2 : u8_uctomb(utf8, c, sizeof utf8);
		if (c == 0xE6)
			memcpy(utf8, "ae", 2);
		if (c == 0x153)
			memcpy(utf8, "oe", 2);
		if (e.n + k > 9) {
			fprintf(stderr, "U+%04X needs more room\n", cp);
			exit(1);
		}
		memcpy(e.bytes + e.n, utf8, (size_t)k);
		e.n = (uint8_t)(e.n + k);
	}
	free(apart);
	free(small);
	return e;
}

int
main(void)
{
	static struct entry table[LIMIT];
	static int page_of[LIMIT / PAGE], first_of[LIMIT / PAGE];
	int pages = 0;
	for (ucs4_t cp = 0; cp < LIMIT; cp++)
		table[cp] = fold(cp);

	printf("/* fold_tables.c - written by tools/text/gen_fold.c from libunistring; do not edit. */\n"
	       "/* SPDX-License-Identifier: MPL-2.0 */\n#include \"common/text/fold_tables.h\"\n\n");
	for (int p = 0; p < LIMIT / PAGE; p++) {
		int same = 0;
		while (same < pages && memcmp(&table[first_of[same] * PAGE], &table[p * PAGE],
		                              sizeof(struct entry) * PAGE))
			same++;
		page_of[p] = same;
		if (same == pages)
			first_of[pages++] = p;
	}
	printf("const uint8_t cv_fold_page[%d] = {", LIMIT / PAGE);
	for (int p = 0; p < LIMIT / PAGE; p++)
		printf("%s%d,", p % 16 ? " " : "\n\t", page_of[p]);
	printf("\n};\n\nconst struct cv_fold_entry cv_fold_entries[%d][%d] = {\n", pages, PAGE);
	for (int p = 0; p < pages; p++) {
		printf("\t{ /* U+%04X */", (unsigned)first_of[p] * PAGE);
		for (int i = 0; i < PAGE; i++) {
			const struct entry *e = &table[first_of[p] * PAGE + i];
			printf("%s{%d, {", i % 3 ? " " : "\n\t\t", e->n);
			for (int k = 0; k < 9; k++)
				printf("%s%u", k ? ", " : "", e->bytes[k]);
			printf("}},");
		}
		printf("\n\t},\n");
	}
	printf("};\n");
	return 0;
}
