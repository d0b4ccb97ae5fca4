"""Documents made for tests: DOCX, XLSX, PPTX, ODT, ODS and PDF with a text in each, real in form.

PDF is written by hand, with a font of two octets a letter and the map to Unicode that word
processors write, so that Vietnamese comes out as it does of theirs; Chromium prints one more where
it is there.
"""
# SPDX-License-Identifier: MPL-2.0
import io
import zipfile
import zlib
from xml.sax.saxutils import escape

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
A = ('xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
     'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"')
O = ('xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
     'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
     'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"')
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def pack(files, stored=()):
    """A ZIP archive of (name, text or octets)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, content in files:
            kind = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            z.writestr(zipfile.ZipInfo(name), content, kind)
    return out.getvalue()


def docx(*paragraphs, header="", font=None):
    # Word cuts a sentence into runs wherever it was touched.
    def run(text):
        props = '<w:rPr><w:rFonts w:ascii="%s" w:hAnsi="%s"/></w:rPr>' % (font, font) if font else ""
        half = len(text) // 2
        return "".join('<w:r>%s<w:t xml:space="preserve">%s</w:t></w:r>' % (props, escape(t))
                       for t in (text[:half], text[half:]))
    body = "".join("<w:p>%s</w:p>" % run(p) for p in paragraphs)
    return pack([
        ("[Content_Types].xml", HEAD + '<Types xmlns="http://schemas.openxmlformats.org/package/'
         '2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>'),
        ("word/document.xml", HEAD + "<w:document %s><w:body>%s<w:p><w:r><w:delText>da xoa bo"
         "</w:delText></w:r></w:p></w:body></w:document>" % (W, body)),
        ("word/header1.xml", HEAD + "<w:hdr %s><w:p>%s</w:p></w:hdr>" % (W, run(header))),
        ("word/styles.xml", HEAD + "<w:styles %s/>" % W)])


def xlsx(*cells, sheet="Bảng lương"):
    strings = "".join("<si><t>%s</t></si>" % escape(c) for c in cells)
    rows = "".join('<row r="%d"><c r="A%d" t="s"><v>%d</v></c><c r="B%d"><v>%d</v></c></row>' % (
        i + 1, i + 1, i, i + 1, 15000000 + i) for i in range(len(cells)))
    return pack([
        ("[Content_Types].xml", HEAD + "<Types/>"),
        ("xl/workbook.xml", HEAD + '<workbook %s><sheets><sheet name="%s" sheetId="1"/></sheets>'
         "</workbook>" % (S, escape(sheet))),
        ("xl/sharedStrings.xml", HEAD + "<sst %s>%s</sst>" % (S, strings)),
        ("xl/worksheets/sheet1.xml", HEAD + "<worksheet %s><sheetData>%s</sheetData></worksheet>"
         % (S, rows))])


def pptx(*lines):
    body = "".join("<a:p><a:r><a:t>%s</a:t></a:r></a:p>" % escape(x) for x in lines)
    return pack([("[Content_Types].xml", HEAD + "<Types/>"),
                 ("ppt/slides/slide1.xml", HEAD + "<p:sld %s>%s</p:sld>" % (A, body))])


def odf(kind, body, footer=""):
    return pack([
        ("mimetype", "application/vnd.oasis.opendocument." + kind),
        ("META-INF/manifest.xml", HEAD + "<manifest/>"),
        ("content.xml", HEAD + "<office:document-content %s><office:body>%s</office:body>"
         "</office:document-content>" % (O, body)),
        ("styles.xml", HEAD + "<office:document-styles %s><text:p>%s</text:p>"
         "</office:document-styles>" % (O, escape(footer)))], stored=("mimetype",))


def odt(*paragraphs, footer=""):
    def spans(text):
        half = len(text) // 2
        return "<text:span>%s</text:span>%s" % (
            escape(text[:half]).replace("  ", ' <text:s text:c="1"/>'), escape(text[half:]))
    return odf("text", "<office:text>%s</office:text>" % "".join(
        "<text:p>%s</text:p>" % spans(p) for p in paragraphs), footer)


def ods(*cells):
    rows = "".join("<table:table-row><table:table-cell><text:p>%s</text:p></table:table-cell>"
                   "</table:table-row>" % escape(c) for c in cells)
    return odf("spreadsheet", '<table:table table:name="Tờ một">%s</table:table>' % rows)


def pdf(*pages, compress=True):
    """Each page is a text; its lines are drawn one below the other."""
    letters = sorted(set("".join(pages)) - {"\n"})
    code = {c: i + 1 for i, c in enumerate(letters)}
    to_unicode = ("/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
                  "/CMapName /X def /CMapType 2 def 1 begincodespacerange <0000> <FFFF> "
                  "endcodespacerange\n")
    for at in range(0, len(letters), 100):
        some = letters[at:at + 100]
        to_unicode += "%d beginbfchar\n" % len(some)
        for c in some:
            to_unicode += "<%04X> <%s>\n" % (code[c], c.encode("utf-16-be").hex().upper())
        to_unicode += "endbfchar\n"
    to_unicode += "endcmap end end\n"
    objects = []

    def add(content, stream=None):
        if stream is not None:
            filters = ""
            if compress:
                stream, filters = zlib.compress(stream), "/Filter/FlateDecode"
            content = b"<<%s%s/Length %d>>stream\n%s\nendstream" % (
                content.encode(), filters.encode(), len(stream), stream)
        objects.append(content if isinstance(content, bytes) else content.encode())
        return len(objects)

    add("<</Type/Catalog/Pages 2 0 R>>")
    add("")
    add("<</Type/Font/Subtype/Type0/BaseFont/Times/Encoding/Identity-H/DescendantFonts[4 0 R]"
        "/ToUnicode 5 0 R>>")
    add("<</Type/Font/Subtype/CIDFontType2/BaseFont/Times/CIDSystemInfo<</Registry(Adobe)"
        "/Ordering(Identity)/Supplement 0>>/DW 500/FontDescriptor 6 0 R>>")
    add("", to_unicode.encode())
    add("<</Type/FontDescriptor/FontName/Times/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0"
        "/Ascent 900/Descent -200/CapHeight 700/StemV 80>>")
    kids = []
    for page in pages:
        draw = "BT /F 12 Tf 50 780 Td 14 TL\n"
        for line in page.split("\n"):
            draw += "<%s> Tj T*\n" % "".join("%04X" % code[c] for c in line)
        stream = add("", (draw + "ET\n").encode())
        kids.append(add("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R/Resources"
                        "<</Font<</F 3 0 R>>>>>>" % stream))
    objects[1] = ("<</Type/Pages/Count %d/Kids[%s]>>" % (
        len(kids), " ".join("%d 0 R" % k for k in kids))).encode()
    out, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, start)


TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}
MAKERS = {"pdf": pdf, "docx": docx, "xlsx": xlsx, "pptx": pptx, "odt": odt, "ods": ods}


def hostile():
    """(name, octets) of documents that mean harm, or are nothing."""
    def word(xml):
        return pack([("[Content_Types].xml", "<Types/>"), ("word/document.xml", xml)])

    def draw(stream, extra=b"", kids=b"[3 0 R]"):
        objects = [b"<</Type/Catalog/Pages 2 0 R>>",
                   b"<</Type/Pages/Kids" + kids + b"/Count 1>>",
                   b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99999999 99999999]/Contents 4 0 R"
                   b"/Resources<</XObject<</X 4 0 R>>/Font<</F 5 0 R>>>>>>",
                   b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length %d%s/Resources<</XObject"
                   b"<</X 4 0 R>>>>>>stream\n%s\nendstream" % (len(stream), extra, stream),
                   b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
        out = b"%PDF-1.7\n" + b"".join(b"%d 0 obj%s endobj\n" % (n, o)
                                       for n, o in enumerate(objects, 1))
        return out + b"trailer<</Root 1 0 R/Size 6>>\n%%EOF\n"

    laughs = "".join('<!ENTITY l%d "%s">' % (i, "&l%d;" % (i - 1) * 10 if i else "haha")
                     for i in range(12))
    packer = zlib.compressobj(9)
    zeros = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(120)) + packer.flush()
    good, paper = docx("nguyen ven cau mot", "cau hai"), pdf("trang mot nguyen ven")
    return [
        ("bomb.docx", word("<w:document %s>%s</w:document>" % (W, "\n" * (120 << 20)))),
        ("long.docx", word("<w:document %s><w:p><w:t>%s</w:t></w:p></w:document>" %
                           (W, "dai qua " * (3 << 17)))),
        ("laughs.docx", word('<!DOCTYPE x [%s]><w:document %s><w:p><w:t>&l11;</w:t></w:p>'
                             "</w:document>" % (laughs, W))),
        ("outside.docx", word('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><w:document %s>'
                              "<w:p><w:t>&a;</w:t></w:p></w:document>" % W)),
        ("deep.odt", odf("text", "<text:p>" * 90000 + "</text:p>" * 90000)),
        ("cut.docx", good[:len(good) // 2]),
        ("swapped.docx", good[:80] + good[200:] + good[80:200]),
        ("empty.docx", b""),
        ("random.xlsx", b"PK\x03\x04" + bytes(range(256)) * 40),
        ("secret.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 +
         "EncryptedPackage".encode("utf-16-le") + b"\0" * 600),
        ("cut.pdf", paper[:len(paper) // 2]),
        ("random.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 40),
        ("itself.pdf", draw(b"q /X Do Q " * 50)),
        ("tree.pdf", draw(b"", kids=b"[2 0 R 2 0 R 3 0 R]")),
        ("twice.pdf", draw(zlib.compress(zeros, 9), b"/Filter[/FlateDecode/FlateDecode]")),
    ]
