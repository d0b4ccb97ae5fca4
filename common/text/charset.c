/* charset.c - picks a decoder by the charset's name: our tables, VNI, VIQR, UTF-8, or iconv. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <iconv.h>
#include <uninorm.h>

#include "common/text/charset.h"
#include "common/text/charset_tables.h"

#define REPLACEMENT 0xFFFDu

enum kind { K_ASCII, K_UTF8, K_TABLE, K_VNI, K_VIQR, K_ICONV };

struct charset {
	const char *name; /* letters and digits only, lower case */
	enum kind kind;
	const uint16_t *table; /* K_TABLE */
	uint8_t low;           /* K_TABLE: bytes below this that are letters may be written, too */
	const char *iconv;     /* K_ICONV */
};

#define TABLE(t, low_) K_TABLE, cv_charset_##t, low_, NULL
#define ICONV(name_) K_ICONV, NULL, 0, name_

/* Only what is listed reaches iconv: some of its rarer converters have hung or aborted on hostile
 * input. Labels that mean less than senders send get the larger charset, as browsers do. */
static const struct charset charsets[] = {
	{ "", K_ASCII, NULL, 0, NULL },
	{ "utf8", K_UTF8, NULL, 0, NULL },
	{ "usascii", K_ASCII, NULL, 0, NULL },
	{ "ascii", K_ASCII, NULL, 0, NULL },
	{ "ansix341968", K_ASCII, NULL, 0, NULL },
	{ "ansix341986", K_ASCII, NULL, 0, NULL },
	{ "iso646us", K_ASCII, NULL, 0, NULL },
	{ "us", K_ASCII, NULL, 0, NULL },
	{ "cp367", K_ASCII, NULL, 0, NULL },
	{ "unicode11utf8", K_UTF8, NULL, 0, NULL },
	{ "utf8mb4", K_UTF8, NULL, 0, NULL },
	{ "cp65001", K_UTF8, NULL, 0, NULL },
	{ "xunknown", K_ASCII, NULL, 0, NULL },
	{ "unknown8bit", K_ASCII, NULL, 0, NULL },
	{ "default", K_ASCII, NULL, 0, NULL },

	{ "windows1258", TABLE(cp1258, 0) },
	{ "cp1258", TABLE(cp1258, 0) },
	{ "xcp1258", TABLE(cp1258, 0) },
	{ "tcvn", TABLE(tcvn1, 0x18) },
	{ "tcvn5712", TABLE(tcvn1, 0x18) },
	{ "tcvn57121", TABLE(tcvn1, 0x18) },
	{ "tcvn571211993", TABLE(tcvn1, 0x18) },
	{ "vn1", TABLE(tcvn1, 0x18) },
	{ "vscii", TABLE(tcvn1, 0x18) },
	{ "vscii1", TABLE(tcvn1, 0x18) },
	{ "xviettcvn", TABLE(tcvn1, 0x18) },
	{ "xviettcvn5712", TABLE(tcvn1, 0x18) },
	{ "viettcvn", TABLE(tcvn1, 0x18) },
	{ "isoir180", TABLE(tcvn1, 0) },
	{ "tcvn57122", TABLE(tcvn1, 0) },
	{ "vn2", TABLE(tcvn1, 0) },
	{ "vscii2", TABLE(tcvn1, 0) },
	{ "tcvn57123", TABLE(tcvn1, 0) },
	{ "tcvn3", TABLE(tcvn1, 0) },
	{ "tcvn3abc", TABLE(tcvn1, 0) },
	{ "xtcvn3", TABLE(tcvn1, 0) },
	{ "vn3", TABLE(tcvn1, 0) },
	{ "vscii3", TABLE(tcvn1, 0) },
	{ "abc", TABLE(tcvn1, 0) },
	{ "viscii", TABLE(viscii, 0x20) },
	{ "viscii111", TABLE(viscii, 0x20) },
	{ "csviscii", TABLE(viscii, 0x20) },
	{ "xviscii", TABLE(viscii, 0x20) },
	{ "xvietviscii", TABLE(viscii, 0x20) },
	{ "vps", TABLE(vps, 0x20) },
	{ "xvps", TABLE(vps, 0x20) },
	{ "xvietvps", TABLE(vps, 0x20) },
	{ "vietvps", TABLE(vps, 0x20) },
	{ "vni", K_VNI, NULL, 0, NULL },
	{ "vniwin", K_VNI, NULL, 0, NULL },
	{ "vniwindows", K_VNI, NULL, 0, NULL },
	{ "xvni", K_VNI, NULL, 0, NULL },
	{ "xvniwin", K_VNI, NULL, 0, NULL },
	{ "xvietvni", K_VNI, NULL, 0, NULL },
	{ "vietvni", K_VNI, NULL, 0, NULL },
	{ "viqr", K_VIQR, NULL, 0, NULL },
	{ "csviqr", K_VIQR, NULL, 0, NULL },
	{ "xviqr", K_VIQR, NULL, 0, NULL },
	{ "xvietviqr", K_VIQR, NULL, 0, NULL },
	{ "vietnet", K_VIQR, NULL, 0, NULL },

	{ "iso88591", TABLE(cp1252, 0) },
	{ "iso885911987", TABLE(cp1252, 0) },
	{ "latin1", TABLE(cp1252, 0) },
	{ "l1", TABLE(cp1252, 0) },
	{ "cp819", TABLE(cp1252, 0) },
	{ "windows1252", TABLE(cp1252, 0) },
	{ "cp1252", TABLE(cp1252, 0) },
	{ "xansi", TABLE(cp1252, 0) },
	{ "iso88592", ICONV("ISO-8859-2") },
	{ "latin2", ICONV("ISO-8859-2") },
	{ "iso88593", ICONV("ISO-8859-3") },
	{ "iso88594", ICONV("ISO-8859-4") },
	{ "iso88595", ICONV("ISO-8859-5") },
	{ "iso88596", ICONV("ISO-8859-6") },
	{ "iso88597", ICONV("ISO-8859-7") },
	{ "iso88598", ICONV("ISO-8859-8") },
	{ "iso88598i", ICONV("ISO-8859-8") },
	{ "iso88598e", ICONV("ISO-8859-8") },
	{ "iso88599", ICONV("CP1254") },
	{ "latin5", ICONV("CP1254") },
	{ "iso885910", ICONV("ISO-8859-10") },
	{ "iso885911", ICONV("CP874") },
	{ "iso885913", ICONV("ISO-8859-13") },
	{ "iso885914", ICONV("ISO-8859-14") },
	{ "iso885915", ICONV("ISO-8859-15") },
	{ "latin9", ICONV("ISO-8859-15") },
	{ "iso885916", ICONV("ISO-8859-16") },
	{ "windows1250", ICONV("CP1250") },
	{ "cp1250", ICONV("CP1250") },
	{ "windows1251", ICONV("CP1251") },
	{ "cp1251", ICONV("CP1251") },
	{ "windows1253", ICONV("CP1253") },
	{ "cp1253", ICONV("CP1253") },
	{ "windows1254", ICONV("CP1254") },
	{ "cp1254", ICONV("CP1254") },
	{ "windows1255", ICONV("CP1255") },
	{ "cp1255", ICONV("CP1255") },
	{ "windows1256", ICONV("CP1256") },
	{ "cp1256", ICONV("CP1256") },
	{ "windows1257", ICONV("CP1257") },
	{ "cp1257", ICONV("CP1257") },
	{ "windows874", ICONV("CP874") },
	{ "cp874", ICONV("CP874") },
	{ "tis620", ICONV("CP874") },
	{ "koi8r", ICONV("KOI8-R") },
	{ "koi8u", ICONV("KOI8-U") },
	{ "ibm437", ICONV("CP437") },
	{ "cp437", ICONV("CP437") },
	{ "ibm850", ICONV("CP850") },
	{ "cp850", ICONV("CP850") },
	{ "ibm852", ICONV("CP852") },
	{ "cp852", ICONV("CP852") },
	{ "ibm858", ICONV("IBM858") },
	{ "cp858", ICONV("IBM858") },
	{ "ibm866", ICONV("CP866") },
	{ "cp866", ICONV("CP866") },
	{ "macintosh", ICONV("MACINTOSH") },
	{ "xmacroman", ICONV("MACINTOSH") },
	{ "gb2312", ICONV("GB18030") },
	{ "gb231280", ICONV("GB18030") },
	{ "euccn", ICONV("GB18030") },
	{ "xgbk", ICONV("GB18030") },
	{ "gbk", ICONV("GB18030") },
	{ "cp936", ICONV("GB18030") },
	{ "windows936", ICONV("GB18030") },
	{ "gb18030", ICONV("GB18030") },
	{ "big5", ICONV("BIG5-HKSCS") },
	{ "big5hkscs", ICONV("BIG5-HKSCS") },
	{ "cp950", ICONV("CP950") },
	{ "euctw", ICONV("EUC-TW") },
	{ "eucjp", ICONV("EUC-JP") },
	{ "xeucjp", ICONV("EUC-JP") },
	{ "shiftjis", ICONV("CP932") },
	{ "sjis", ICONV("CP932") },
	{ "xsjis", ICONV("CP932") },
	{ "cp932", ICONV("CP932") },
	{ "windows31j", ICONV("CP932") },
	{ "mskanji", ICONV("CP932") },
	{ "iso2022jp", ICONV("ISO-2022-JP-2") },
	{ "iso2022jp1", ICONV("ISO-2022-JP-2") },
	{ "iso2022jp2", ICONV("ISO-2022-JP-2") },
	{ "csiso2022jp", ICONV("ISO-2022-JP-2") },
	{ "iso2022kr", ICONV("ISO-2022-KR") },
	{ "iso2022cn", ICONV("ISO-2022-CN") },
	{ "euckr", ICONV("CP949") },
	{ "ksc56011987", ICONV("CP949") },
	{ "ksc5601", ICONV("CP949") },
	{ "cp949", ICONV("CP949") },
	{ "uhc", ICONV("CP949") },
	{ "windows949", ICONV("CP949") },
	{ "utf7", ICONV("UTF-7") },
	{ "unicode11utf7", ICONV("UTF-7") },
	{ "utf16", ICONV("UTF-16") },
	{ "utf16le", ICONV("UTF-16LE") },
	{ "utf16be", ICONV("UTF-16BE") },
	{ "utf32", ICONV("UTF-32") },
	{ "utf32le", ICONV("UTF-32LE") },
	{ "utf32be", ICONV("UTF-32BE") },
	{ "ucs2", ICONV("UTF-16") },
};

/* "ISO_8859-1:1987", " 'utf-8' " and "utf-8*vi" (RFC 2231) become "iso885911987", "utf8",
 * "utf8". */
static const struct charset *
find_charset(struct cv_str name)
{
	char key[CV_CHARSET_NAME_MAX + 1];
	size_t n = 0;
	if (name.n > CV_CHARSET_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < name.n && name.p[i] != '*'; i++) {
		unsigned char c = cv_lower((unsigned char)name.p[i]);
		if (cv_is_alpha(c) || cv_is_digit(c))
			key[n++] = (char)c;
		else if (c >= 0x80)
			return NULL;
	}
	key[n] = '\0';
	for (size_t i = 0; i < CV_COUNT(charsets); i++)
		if (strcmp(charsets[i].name, key) == 0)
			return &charsets[i];
	return NULL;
}

bool
cv_charset_known(struct cv_str charset)
{
	return find_charset(charset) != NULL;
}

static void
put_ascii_only(struct cv_str in, struct cv_buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		cv_utf8_put(out,
		            (unsigned char)in.p[i] < 0x80 ? (unsigned char)in.p[i] : REPLACEMENT);
}

static void
put_table(const uint16_t *table, struct cv_str in, struct cv_buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		cv_utf8_put(out, table[(unsigned char)in.p[i]]);
}

/* Vietnamese letters as letter, shape and tone; the marks in the order that NFC composes. */
enum { CIRCUMFLEX = 0x302, BREVE = 0x306, HORN = 0x31B };
enum { GRAVE = 0x300, HOOK = 0x309, TILDE = 0x303, ACUTE = 0x301, DOT = 0x323 };

struct vni_mark {
	uint8_t byte; /* beside small letters; capitals have it 0x20 lower */
	uint16_t shape, tone;
};

static const struct vni_mark vni_marks[] = {
	{ 0xF9, 0, ACUTE }, { 0xF8, 0, GRAVE }, { 0xFB, 0, HOOK }, { 0xF5, 0, TILDE }, { 0xEF, 0, DOT },
	{ 0xE2, CIRCUMFLEX, 0 }, { 0xE1, CIRCUMFLEX, ACUTE }, { 0xE0, CIRCUMFLEX, GRAVE },
	{ 0xE5, CIRCUMFLEX, HOOK }, { 0xE3, CIRCUMFLEX, TILDE }, { 0xE4, CIRCUMFLEX, DOT },
	{ 0xEA, BREVE, 0 }, { 0xE9, BREVE, ACUTE }, { 0xE8, BREVE, GRAVE }, { 0xFA, BREVE, HOOK },
	{ 0xFC, BREVE, TILDE }, { 0xEB, BREVE, DOT },
};

/* Bytes that are letters by themselves. */
static const struct {
	uint8_t byte;
	uint16_t cp;
} vni_letters[] = {
	{ 0xF4, 0x1A1 }, { 0xF6, 0x1B0 }, { 0xF1, 0x111 }, { 0xED, 0xED }, { 0xEC, 0xEC },
	{ 0xE6, 0x1EC9 }, { 0xF3, 0x129 }, { 0xF2, 0x1ECB }, { 0xEE, 0x1EF5 },
	{ 0xD4, 0x1A0 }, { 0xD6, 0x1AF }, { 0xD1, 0x110 }, { 0xCD, 0xCD }, { 0xCC, 0xCC },
	{ 0xC6, 0x1EC8 }, { 0xD3, 0x128 }, { 0xD2, 0x1ECA }, { 0xCE, 0x1EF4 },
};

static const struct vni_mark *
vni_mark(unsigned char byte)
{
	for (size_t i = 0; i < CV_COUNT(vni_marks); i++)
		if (vni_marks[i].byte == byte || vni_marks[i].byte - 0x20 == byte)
			return &vni_marks[i];
	return NULL;
}

static uint32_t
vni_letter(unsigned char byte)
{
	for (size_t i = 0; i < CV_COUNT(vni_letters); i++)
		if (vni_letters[i].byte == byte)
			return vni_letters[i].cp;
	return 0;
}

/* Whether letter CP may take SHAPE (0: a tone alone). */
static bool
takes(uint32_t cp, uint32_t shape)
{
	const char *letters = shape == CIRCUMFLEX ? "aeoAEO" : shape == BREVE ? "aA" :
	                      shape == HORN ? "ouOU" : "aeiouyAEIOUY";
	if (cp == 0x1A1 || cp == 0x1B0 || cp == 0x1A0 || cp == 0x1AF)
		return shape == 0;
	return cp && cp < 0x80 && strchr(letters, (int)cp);
}

static void
put_vni(struct cv_str in, struct cv_buf *out)
{
	uint32_t base = 0; /* the letter just written, when a mark may follow it */
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		const struct vni_mark *mark = c >= 0x80 ? vni_mark(c) : NULL;
		if (mark && takes(base, mark->shape)) {
			if (mark->shape)
				cv_utf8_put(out, mark->shape);
			if (mark->tone)
				cv_utf8_put(out, mark->tone);
			base = 0;
			continue;
		}
		base = c < 0x80 ? c : vni_letter(c);
		cv_utf8_put(out, base ? base : c ? cv_charset_cp1252[c] : 0);
	}
}

static uint32_t
viqr_tone(char c)
{
	switch (c) {
	case '`': return GRAVE;
	case '?': return HOOK;
	case '~': return TILDE;
	case '\'': return ACUTE;
	case '.': return DOT;
	default: return 0;
	}
}

static uint32_t
viqr_shape(char c)
{
	return c == '^' ? CIRCUMFLEX : c == '(' ? BREVE : c == '+' || c == '*' ? HORN : 0;
}

/* RFC 1456: marks behind the letter, a backslash takes their meaning away, DD is Đ. */
static void
put_viqr(struct cv_str in, struct cv_buf *out)
{
	uint32_t base = 0; /* may take a shape */
	bool tonable = false;
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];
		uint32_t mark;
		if (c == '\\' && i + 1 < in.n && (unsigned char)in.p[i + 1] < 0x80) {
			cv_buf_c(out, in.p[++i]);
			base = 0;
			tonable = false;
		} else if ((c == 'd' || c == 'D') && i + 1 < in.n && (in.p[i + 1] | 0x20) == 'd') {
			cv_utf8_put(out, c == 'd' ? 0x111 : 0x110);
			i++;
			base = 0;
			tonable = false;
		} else if (base && (mark = viqr_shape(c)) && takes(base, mark)) {
			cv_utf8_put(out, mark);
			base = 0;
		} else if (tonable && (mark = viqr_tone(c))) {
			cv_utf8_put(out, mark);
			base = 0;
			tonable = false;
		} else {
			unsigned char u = (unsigned char)c;
			cv_utf8_put(out, u < 0x80 ? u : REPLACEMENT);
			base = u;
			tonable = takes(u, 0);
		}
	}
}

/* Writes what CD holds back. */
static void
flush_iconv(iconv_t cd, struct cv_buf *out)
{
	char *room = cv_buf_room(out, 64);
	if (!room)
		return;
	size_t left = 64;
	(void)iconv(cd, NULL, NULL, &room, &left);
	out->n += 64 - left;
}

static void
put_iconv(iconv_t cd, struct cv_str in, struct cv_buf *out)
{
	char *p = (char *)(uintptr_t)in.p;
	size_t left = in.n;
	while (left && !out->full) {
		size_t chunk = CV_MIN(left * 2 + 64, (size_t)65536);
		char *room = cv_buf_room(out, chunk);
		if (!room)
			break;
		size_t room_left = chunk, left_before = left;
		size_t result = iconv(cd, &p, &left, &room, &room_left);
		out->n += chunk - room_left;
		if (result != (size_t)-1)
			continue;
		if (errno == E2BIG && (room_left < chunk || left < left_before))
			continue;
		/* EILSEQ, EINVAL, or no progress: one byte is lost, the next is tried. */
		cv_utf8_put(out, REPLACEMENT);
		p++;
		left--;
	}
	/* Some converters hold a letter back to see whether a mark follows. */
	flush_iconv(cd, out);
}

static void
decode(const struct charset *cs, struct cv_str in, struct cv_buf *out)
{
	switch (cs->kind) {
	case K_UTF8:
		cv_buf_str(out, in);
		break;
	case K_ASCII:
		if (cv_utf8_is_valid(in))
			cv_buf_str(out, in);
		else
			put_ascii_only(in, out);
		break;
	case K_TABLE:
		put_table(cs->table, in, out);
		break;
	case K_VNI:
		put_vni(in, out);
		break;
	case K_VIQR:
		put_viqr(in, out);
		break;
	case K_ICONV: {
		iconv_t cd = iconv_open("UTF-8", cs->iconv);
		if (cd == (iconv_t)-1) {
			/* A C library without this converter. */
			put_ascii_only(in, out);
			break;
		}
		put_iconv(cd, in, out);
		iconv_close(cd);
		break;
	}
	}
}

static bool
is_stateless_ascii(const struct charset *cs, struct cv_str in)
{
	if (cs->kind != K_UTF8 && cs->kind != K_ASCII)
		return false;
	for (size_t i = 0; i < in.n; i++)
		if ((unsigned char)in.p[i] >= 0x80)
			return false;
	return true;
}

/* Appends IN, decoded; composed to NFC when COMPOSE says so. */
static enum cv_status
convert(struct cv_str charset, struct cv_str in, bool compose, struct cv_buf *out)
{
	static const struct charset unknown = { "", K_ASCII, NULL, 0, NULL };
	if (out->full)
		return CV_LIMIT;
	const struct charset *cs = find_charset(charset);
	const struct charset *use = cs ? cs : &unknown;
	size_t start = out->n;

	if (is_stateless_ascii(use, in)) {
		cv_buf_str(out, in);
	} else if (!compose) {
		decode(use, in, out);
	} else {
		struct cv_buf raw = CV_BUF_INIT(in.n * CV_CHARSET_GROWTH + 256);
		decode(use, in, &raw);
		if (raw.full)
			out->full = true;
		else
			(void)cv_utf8_nfc(cv_buf_view(&raw), out); /* a full OUT is seen below */
		cv_buf_done(&raw);
	}
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	return cs ? CV_OK : CV_NOT_FOUND;
}

enum cv_status
cv_charset_to_utf8(struct cv_str charset, struct cv_str in, struct cv_buf *out)
{
	return convert(charset, in, true, out);
}

enum cv_status
cv_charset_decode(struct cv_str charset, struct cv_str in, struct cv_buf *out)
{
	return convert(charset, in, false, out);
}

/* The byte that means CP in TABLE, or -1. */
static int
table_byte(const struct charset *cs, uint32_t cp)
{
	if (cp == REPLACEMENT)
		return -1;
	if (cp < 0x80 && cs->table[cp] == cp)
		return (int)cp;
	for (int b = 0x80; b < 0x100; b++)
		if (cs->table[b] == cp)
			return b;
	for (int b = 0; b < cs->low; b++)
		if (cs->table[b] == cp)
			return b;
	return -1;
}

/* Splits CP into what NFC would compose of it; MARK 0 when it cannot. */
static uint32_t
split_mark(uint32_t cp, uint32_t *mark)
{
	ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
	int n = uc_canonical_decomposition(cp, parts);
	*mark = n == 2 ? parts[1] : 0;
	return n == 2 ? parts[0] : cp;
}

static bool
write_table(const struct charset *cs, uint32_t cp, struct cv_buf *out)
{
	int b = table_byte(cs, cp);
	if (b >= 0) {
		cv_buf_c(out, (char)b);
		return true;
	}
	uint32_t mark, base = split_mark(cp, &mark);
	/* ặ is ạ and a breve, ệ is ẹ and a circumflex: shape first for tables that have ă and ê. */
	uint32_t shape, inner = split_mark(base, &shape);
	if ((mark == BREVE || mark == CIRCUMFLEX) && shape == DOT) {
		ucs4_t shaped = uc_composition(inner, mark);
		base = shaped ? shaped : base;
		mark = DOT;
	}
	int mark_byte = mark ? table_byte(cs, mark) : -1;
	int base_byte = mark ? table_byte(cs, base) : -1;
	if (mark_byte < 0 || base_byte < 0)
		return false;
	cv_buf_c(out, (char)base_byte);
	cv_buf_c(out, (char)mark_byte);
	return true;
}

/* A Vietnamese letter as base, shape (or 0) and tone (or 0). */
static uint32_t
take_apart(uint32_t cp, uint32_t *shape, uint32_t *tone)
{
	*shape = *tone = 0;
	for (int i = 0; i < 2; i++) {
		uint32_t mark, base = split_mark(cp, &mark);
		if (mark == CIRCUMFLEX || mark == BREVE || mark == HORN)
			*shape = mark;
		else if (mark == GRAVE || mark == HOOK || mark == TILDE || mark == ACUTE ||
		         mark == DOT)
			*tone = mark;
		else
			break;
		cp = base;
	}
	return cp;
}

static bool
write_vni(uint32_t cp, struct cv_buf *out)
{
	for (size_t i = 0; i < CV_COUNT(vni_letters); i++) {
		if (vni_letters[i].cp == cp) {
			cv_buf_c(out, (char)vni_letters[i].byte);
			return true;
		}
	}
	if (cp < 0x80) {
		cv_buf_c(out, (char)cp);
		return true;
	}
	uint32_t shape, tone, base = take_apart(cp, &shape, &tone);
	if (shape == HORN) {
		base = base == 'o' ? 0x1A1 : base == 'O' ? 0x1A0 : base == 'u' ? 0x1B0 : 0x1AF;
		shape = 0;
	}
	bool capital = base < 0x80 ? base < 'a' : base == 0x1A0 || base == 0x1AF;
	for (size_t i = 0; (shape || tone) && i < CV_COUNT(vni_marks); i++) {
		if (vni_marks[i].shape != shape || vni_marks[i].tone != tone || !takes(base, shape))
			continue;
		(void)write_vni(base, out);
		cv_buf_c(out, (char)(vni_marks[i].byte - (capital ? 0x20 : 0)));
		return true;
	}
	return false;
}

static char
viqr_char(uint32_t mark)
{
	for (const char *c = "`?~'.^(+"; *c; c++)
		if ((viqr_tone(*c) | viqr_shape(*c)) == mark)
			return *c;
	return '?';
}

/* PREV is the last byte written by the caller's text, for what must be escaped behind it. */
static bool
write_viqr(uint32_t cp, uint32_t prev, struct cv_buf *out)
{
	if (cp < 0x80) {
		bool is_mark = viqr_tone((char)cp) || viqr_shape((char)cp);
		bool after_vowel = prev >= 0x80 || takes(prev, 0);
		if (cp == '\\' || (is_mark && after_vowel) ||
		    ((cp | 0x20) == 'd' && (prev | 0x20) == 'd'))
			cv_buf_c(out, '\\');
		cv_buf_c(out, (char)cp);
		return true;
	}
	if (cp == 0x110 || cp == 0x111) {
		cv_buf_z(out, cp == 0x110 ? "DD" : "dd");
		return true;
	}
	uint32_t shape, tone, base = take_apart(cp, &shape, &tone);
	if ((!shape && !tone) || base >= 0x80 || !takes(base, shape))
		return false;
	cv_buf_c(out, (char)base);
	if (shape)
		cv_buf_c(out, viqr_char(shape));
	if (tone)
		cv_buf_c(out, viqr_char(tone));
	return true;
}

static void
encode_iconv(const char *name, struct cv_str utf8, struct cv_buf *out)
{
	iconv_t cd = iconv_open(name, "UTF-8");
	if (cd == (iconv_t)-1)
		return;
	char *p = (char *)(uintptr_t)utf8.p;
	size_t left = utf8.n;
	while (left && !out->full) {
		size_t chunk = CV_MIN(left * 2 + 64, (size_t)65536);
		char *room = cv_buf_room(out, chunk);
		if (!room)
			break;
		size_t room_left = chunk, left_before = left;
		size_t result = iconv(cd, &p, &left, &room, &room_left);
		out->n += chunk - room_left;
		if (result != (size_t)-1 ||
		    (errno == E2BIG && (room_left < chunk || left < left_before)))
			continue;
		size_t pos = 0;
		(void)cv_utf8_next(cv_str(p, left), &pos);
		p += pos;
		left -= pos;
		char mark = '?', *m = &mark;
		size_t one = 1;
		room = cv_buf_room(out, 64);
		room_left = 64;
		if (room) {
			(void)iconv(cd, &m, &one, &room, &room_left);
			out->n += 64 - room_left;
		}
	}
	flush_iconv(cd, out);
	iconv_close(cd);
}

/* False: the charset has no such character. */
static bool
write_one(const struct charset *cs, uint32_t cp, uint32_t prev, struct cv_buf *out)
{
	if (cs->kind == K_TABLE)
		return write_table(cs, cp, out);
	if (cs->kind == K_VNI)
		return write_vni(cp, out);
	if (cs->kind == K_VIQR)
		return write_viqr(cp, prev, out);
	if (cp < 0x80)
		cv_buf_c(out, (char)cp);
	return cp < 0x80;
}

enum cv_status
cv_charset_from_utf8(struct cv_str charset, struct cv_str utf8, struct cv_buf *out)
{
	const struct charset *cs = find_charset(charset);
	if (!cs)
		return CV_NOT_FOUND;
	if (!cv_utf8_is_valid(utf8))
		return CV_INVALID;
	size_t start = out->n;
	uint32_t prev = 0;
	if (cs->kind == K_ICONV)
		encode_iconv(cs->iconv, utf8, out);
	else if (cs->kind == K_UTF8)
		cv_buf_str(out, utf8);
	else
		for (size_t i = 0; i < utf8.n;) {
			uint32_t cp = cv_utf8_next(utf8, &i);
			if (!write_one(cs, cp, prev, out))
				cv_buf_c(out, '?');
			prev = cp;
		}
	if (out->full) {
		out->n = start;
		return CV_LIMIT;
	}
	return CV_OK;
}
