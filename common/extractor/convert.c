/* convert.c - which kind of document it is: by its octets alone, since names and types lie. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/extractor/extractor.h"

#define PDF_SEARCHED 1024u /* readers find the mark behind other octets */

bool
extractor_is_pdf(struct cv_str document)
{
	struct cv_str head = cv_str_sub(document, 0, PDF_SEARCHED);

	return cv_str_search(head, CV_STR("%PDF-")) < head.n;
}

enum cv_extract_outcome
extractor_convert(struct cv_str document, struct extractor_text *t)
{
	/* A compound file: what Office makes of a document with a password, and the old formats. */
	static const char compound[] = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
	static const char encrypted[] = "E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e";

	extractor_begin_time();
	if (extractor_is_pdf(document))
		return extractor_pdf(document, t);
	if (extractor_is_picture(document))
		return extractor_picture(document, t);
	if (cv_str_has_prefix(document, "PK\x03\x04"))
		return extractor_office(document, t);
	if (document.n > 8 && !memcmp(document.p, compound, 8))
		return cv_str_search(document, cv_str(encrypted, sizeof encrypted - 1)) < document.n
			       ? CV_EXTRACT_ENCRYPTED
			       : CV_EXTRACT_UNKNOWN;
	return CV_EXTRACT_UNKNOWN;
}
