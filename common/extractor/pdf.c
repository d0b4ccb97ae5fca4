/* pdf.c - the text of PDF, by poppler's library.
 *
 * The library is looked for when the program starts, so that it can be installed or left out at
 * will; its few functions that are used have kept their shape since 2008 (the newest, since 2019).
 * They are declared here as the library's manual has them. A page of ours is read before anything
 * else: what the library wants to read from files it has read by then.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dlfcn.h>

#include "common/extractor/extractor.h"

#define PAGES_MAX 20000

struct error { /* GError */
	uint32_t domain;
	int code;
	char *message;
};
enum { POPPLER_ENCRYPTED = 1 };

static struct {
	const char *(*version)(void);
	void *(*bytes_new)(const void *p, size_t n);
	void (*bytes_unref)(void *bytes);
	void *(*document_new)(void *bytes, const char *password, struct error **error);
	int (*pages)(void *document);
	void *(*page)(void *document, int index);
	char *(*text)(void *page);
	void (*unref)(void *object);
	void (*free)(void *memory);
	void (*error_free)(struct error *error);
	void (*log_handler)(void (*fn)(const char *, int, const char *, void *), void *arg);
} lib;

/* A function is no datum to ISO C, but it is to dlsym(). */
#define FIND(member, name) (*(void **)(void *)&lib.member = dlsym(handle, name))

static bool
find_all(void *handle)
{
	FIND(version, "poppler_get_version");
	FIND(bytes_new, "g_bytes_new_static");
	FIND(bytes_unref, "g_bytes_unref");
	FIND(document_new, "poppler_document_new_from_bytes");
	FIND(pages, "poppler_document_get_n_pages");
	FIND(page, "poppler_document_get_page");
	FIND(text, "poppler_page_get_text");
	FIND(unref, "g_object_unref");
	FIND(free, "g_free");
	FIND(error_free, "g_error_free");
	FIND(log_handler, "g_log_set_default_handler");
	return lib.version && lib.bytes_new && lib.bytes_unref && lib.document_new && lib.pages &&
	       lib.page && lib.text && lib.unref && lib.free && lib.error_free && lib.log_handler;
}

static void
say_nothing(const char *domain, int level, const char *message, void *arg)
{
	(void)domain;
	(void)level;
	(void)message;
	(void)arg;
}

/* Where a line ends is a matter of layout: the text goes on behind a blank, or behind a hyphen at
 * once. Vietnamese parts no words, but "15/GM-UBND" is broken so. */
static void
join_lines(char *text)
{
	char *to = text;

	for (const char *at = text; at && *at; at++) {
		if (!strchr("\r\n\f\t", *at))
			*to++ = *at;
		else if (to - text < 2 || to[-1] != '-' || to[-2] == ' ')
			*to++ = ' ';
	}
	if (to)
		*to = '\0';
}

static void
write_pages(void *document, struct extractor_text *t)
{
	int count = CV_MIN(lib.pages(document), PAGES_MAX);

	for (int i = 0; i < count && !extractor_text_is_enough(t); i++) {
		void *page = lib.page(document, i);
		char *text = page ? lib.text(page) : NULL;
		join_lines(text);
		if (text)
			extractor_text_add(t, cv_str_z(text));
		extractor_text_line(t);
		lib.free(text);
		if (page)
			lib.unref(page);
	}
}

static enum cv_extract_outcome
read_document(struct cv_str document, struct extractor_text *t, void **document_out)
{
	struct error *error = NULL;
	enum cv_extract_outcome outcome = CV_EXTRACT_TEXT;

	*document_out = NULL;
	if (!lib.document_new)
		return CV_EXTRACT_UNKNOWN;
	void *bytes = lib.bytes_new(document.p, document.n);
	void *pdf = lib.document_new(bytes, NULL, &error);
	if (pdf)
		write_pages(pdf, t);
	else
		outcome = error && error->code == POPPLER_ENCRYPTED ? CV_EXTRACT_ENCRYPTED
								    : CV_EXTRACT_BROKEN;
	if (error)
		lib.error_free(error);
	lib.bytes_unref(bytes);
	*document_out = pdf;
	return pdf && extractor_is_late() ? CV_EXTRACT_LIMIT : outcome;
}

enum cv_extract_outcome
extractor_pdf(struct cv_str document, struct extractor_text *t)
{
	void *pdf;
	enum cv_extract_outcome outcome = read_document(document, t, &pdf);

	if (pdf)
		lib.unref(pdf);
	return outcome;
}

static const char sample[] =
	"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
	"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<<"
	"/Font<</F 5 0 R>>>>>>endobj\n"
	"4 0 obj<</Length 36>>stream\nBT /F 12 Tf 20 100 Td (congvu) Tj ET\nendstream endobj\n"
	"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
	"trailer<</Root 1 0 R>>\n%%EOF\n";

const char *
extractor_pdf_open(void)
{
	struct cv_buf text = CV_BUF_INIT(100);
	struct extractor_text t = {.out = &text};
	void *kept; /* for ever: the library's common data live as long as a document does */

	void *handle = dlopen("libpoppler-glib.so.8", RTLD_NOW | RTLD_LOCAL);
	if (!handle || !find_all(handle)) {
		memset(&lib, 0, sizeof lib);
		return "";
	}
	lib.log_handler(say_nothing, NULL);
	extractor_begin_time();
	bool works =
		read_document(cv_str(sample, sizeof sample - 1), &t, &kept) == CV_EXTRACT_TEXT &&
		text.n && !strncmp(text.p, "congvu", 6);
	cv_buf_done(&text);
	if (!works)
		memset(&lib, 0, sizeof lib);
	return works ? lib.version() : "";
}
