/* office_test.c - what counts as the text of an office document, file by file. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"
#include "tests/unit/common/extractor/stored_zip.h"

#include "common/extractor/extractor.h"

/* clang-format off */
static const struct row {
	const char *name, *xml, *text;
	enum cv_extract_outcome outcome;
} rows[] = {
	{ "runs of a word", "<w:document><w:p><w:r><w:t>gi</w:t></w:r><w:r><w:t>ao</w:t></w:r></w:p><w:p><w:t>ban</w:t></w:p></w:document>", "giao\nban\n", CV_EXTRACT_TEXT },
	{ "any prefix", "<x:document><x:p><x:t>a</x:t></x:p></x:document>", "a\n", CV_EXTRACT_TEXT },
	{ "tabs and breaks", "<document><p><t>a</t><tab/><t>b</t><br/><t>c</t></p></document>", "a b c\n", CV_EXTRACT_TEXT },
	{ "what is no text", "<document><p><instrText>PAGE</instrText><delText>x</delText>y</p></document>", "", CV_EXTRACT_TEXT },
	{ "said twice", "<document><p><Choice><t>a</t></Choice><Fallback><t>a</t></Fallback></p></document>", "a\n", CV_EXTRACT_TEXT },
	{ "taken out, changes tracked", "<document><del><r><t>a</t></r></del><p><t>b</t></p></document>", "b\n", CV_EXTRACT_TEXT },
	{ "blanks and line ends", "<document><p><t> </t></p><p><t>a\nb </t><t> </t></p><p/><p><t>c</t></p></document>", "a b\nc\n", CV_EXTRACT_TEXT },
	{ "entities of XML", "<document><p><t>a &amp; &#7885;</t></p></document>", "a & \xE1\xBB\x8D\n", CV_EXTRACT_TEXT },
	{ "TCVN3 in its font", "<document><r><rFonts ascii=\".VnTime\"/><t>h\xC3\xA4p</t></r><r><t>\xC3\xA4</t></r></document>", "h\xE1\xBB\x8Dp\xC3\xA4\n", CV_EXTRACT_TEXT },
	{ "VNI in its font", "<document><r><rFonts hAnsi=\"VNI-Times\"/><t>ho\xC3\xAFp</t></r></document>", "h\xE1\xBB\x8Dp\n", CV_EXTRACT_TEXT },
	{ "cells", "<worksheet><c t=\"s\"><v>7</v></c><c><v>15</v></c><c t=\"inlineStr\"><is><t>x</t></is></c></worksheet>", "15\nx\n", CV_EXTRACT_TEXT },
	{ "shared strings", "<sst><si><r><t>a</t></r><r><t>b</t></r><rPh><t>z</t></rPh></si><si><t>c</t></si></sst>", "ab\nc\n", CV_EXTRACT_TEXT },
	{ "OpenDocument", "<o:document-content><text:p>a<text:s text:c=\"2\"/>b<text:span>c</text:span></text:p>z<text:h>d<text:tab/>e</text:h></o:document-content>", "a  bc\nd e\n", CV_EXTRACT_TEXT },
	{ "another root", "<styles><t>a</t></styles>", "", CV_EXTRACT_UNKNOWN },
	{ "no XML", "hello", "", CV_EXTRACT_BROKEN },
	{ "cut", "<document><p><t>a</t></p>", "a\n", CV_EXTRACT_BROKEN },
	{ "a document type", "<!DOCTYPE document [<!ENTITY e \"x\">]><document><p><t>&e;</t></p></document>", "", CV_EXTRACT_BROKEN },
	{ "an entity of nobody", "<document><p><t>a</t></p><p><t>&e;</t></p></document>", "a\n", CV_EXTRACT_BROKEN },
};
/* clang-format on */

static void
test_office__takes_what_readers_see(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf zip = CV_BUF_INIT(1u << 20), out = CV_BUF_INIT(1u << 16);
		struct extractor_text t = {.out = &out};
		stored_zip(&zip, "any/name.XML", cv_str_z(rows[i].xml));
		enum cv_extract_outcome outcome = extractor_convert(cv_buf_view(&zip), &t);
		CHECK(rows[i].name, outcome == rows[i].outcome);
		CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&out), rows[i].text));
		cv_buf_done(&zip);
		cv_buf_done(&out);
	}
	CHECK_END();
}

/* Cut anywhere, and with any octet another: an outcome, and no text but its own. */
static void
test_office__takes_damage(void **state)
{
	struct cv_buf zip = CV_BUF_INIT(1u << 20), out = CV_BUF_INIT(1u << 16);

	(void)state;
	stored_zip(&zip, "a.xml", CV_STR("<document><p><t>giao</t></p></document>"));
	for (size_t n = 0; n < zip.n; n++) {
		struct extractor_text t = {.out = &out};
		cv_buf_reset(&out);
		/* behind the end of the directory nothing lies that matters */
		assert_int_not_equal(extractor_convert(cv_str(zip.p, n), &t), CV_EXTRACT_TEXT);
		char kept = zip.p[n];
		for (unsigned bit = 0; bit < 8; bit++) {
			zip.p[n] = (char)(kept ^ 1 << bit);
			t = (struct extractor_text){.out = &out};
			cv_buf_reset(&out);
			(void)extractor_convert(cv_buf_view(&zip), &t);
			assert_true(out.n <= 40);
		}
		zip.p[n] = kept;
	}
	cv_buf_done(&zip);
	cv_buf_done(&out);
}

static void
test_text__stops_at_its_bound_between_letters(void **state)
{
	struct cv_buf out = CV_BUF_INIT(5);
	struct extractor_text t = {.out = &out};

	(void)state;
	extractor_text_line(&t);
	extractor_text_add(&t, CV_STR("ab"));
	extractor_text_space(&t);
	extractor_text_line(&t);
	extractor_text_add(&t, CV_STR("\xE1\xBB\x8Dx"));
	assert_true(t.is_cut && extractor_text_is_enough(&t));
	extractor_text_add(&t, CV_STR("z"));
	assert_true(cv_str_eq_z(cv_buf_view(&out), "ab\n"));
	cv_buf_done(&out);
}

static void
test_convert__knows_what_it_cannot_read(void **state)
{
	static const struct {
		const char *octets;
		size_t n;
		enum cv_extract_outcome outcome;
	} kinds[] = {
		{"",					  0,  CV_EXTRACT_UNKNOWN},
		{"{\\rtf1 hello}",                            14, CV_EXTRACT_UNKNOWN},
		{"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 workbook", 17, CV_EXTRACT_UNKNOWN},
		{"PK\x03\x04",				4,  CV_EXTRACT_BROKEN },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		struct cv_buf out = CV_BUF_INIT(100);
		struct extractor_text t = {.out = &out};
		CHECK(kinds[i].octets, extractor_convert(cv_str(kinds[i].octets, kinds[i].n), &t) ==
					       kinds[i].outcome);
		CHECK(kinds[i].octets, !out.n);
		cv_buf_done(&out);
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_office__takes_what_readers_see),
		cmocka_unit_test(test_office__takes_damage),
		cmocka_unit_test(test_text__stops_at_its_bound_between_letters),
		cmocka_unit_test(test_convert__knows_what_it_cannot_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
