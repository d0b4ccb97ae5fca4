"""Pictures made for tests: QR codes (by qrencode) as PNG and JPEG of every kind, and hostile ones."""
# SPDX-License-Identifier: MPL-2.0
import io
import struct
import subprocess
import zlib

from PIL import Image, ImageOps


def code(text, scale=6, margin=4):
    """A gray picture of TEXT's code."""
    ascii_ = subprocess.run(["qrencode", "-l", "M", "-m", str(margin), "-t", "ASCII", "-o", "-", text],
                            check=True, capture_output=True, text=True).stdout.rstrip("\n")
    rows = ascii_.split("\n")
    side = max(len(r) for r in rows) // 2
    out = Image.new("L", (side, side), 255)
    for y, row in enumerate(rows):
        for x in range(len(row) // 2):
            if row[2 * x] == "#":
                out.putpixel((x, y), 0)
    return out.resize((side * scale, side * scale), Image.Resampling.NEAREST)


def save(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, interlace=0, more=b""):
    """A PNG by hand; ROWS: unpacked octets, a filter octet before each row."""
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))
            + more + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def wide(image):
    """16 bits a sample, three samples."""
    w, h = image.size
    data = image.tobytes()
    rows = b"".join(b"\0" + b"".join(bytes([v, 77]) * 3 for v in data[y * w:(y + 1) * w]) for y in range(h))
    return png(w, h, 16, 2, rows)


def interlaced(image):
    """Adam7."""
    w, h = image.size
    rows = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)):
        for y in range(y0, h, dy):
            row = bytes(image.getpixel((x, y)) for x in range(x0, w, dx))
            rows += b"\0" + row if row else b""
    return png(w, h, 8, 0, rows, 1)


def clear(image):
    """Black where the code is, and nothing at all elsewhere."""
    out = Image.new("RGBA", image.size, (0, 0, 0, 255))
    out.putalpha(ImageOps.invert(image))
    return out


def animated(image):
    blank = Image.new("L", image.size, 255)
    return save(image, "PNG", save_all=True, append_images=[blank], duration=100)


def good(text):
    """(name, octets) of pictures in which TEXT is to be read."""
    image = code(text)
    photo = Image.effect_noise((1200, 900), 30)
    photo.paste(image.rotate(15, expand=True, fillcolor=255), (420, 300))
    return [
        ("gray.png", save(image, "PNG")),
        ("one-bit.png", save(image.convert("1"), "PNG")),
        ("tiny.png", save(code(text, scale=1).convert("1"), "PNG")),
        ("no-margin.png", save(code(text, scale=3, margin=0), "PNG")),
        ("palette.png", save(image.convert("P"), "PNG")),
        ("16-bit.png", wide(image)),
        ("interlaced.png", interlaced(image)),
        ("clear.png", save(clear(image), "PNG")),
        ("animated.png", animated(image)),
        ("inverted.png", save(ImageOps.invert(image), "PNG")),
        ("gray.jpg", save(image, "JPEG", quality=60)),
        ("colour.jpg", save(image.convert("RGB"), "JPEG", quality=80)),
        ("progressive.jpg", save(image.convert("RGB"), "JPEG", progressive=True)),
        ("cmyk.jpg", save(image.convert("RGB").convert("CMYK"), "JPEG")),
        ("photo.jpg", save(photo.convert("RGB"), "JPEG", quality=70)),
        ("end-cut.png", save(image, "PNG")[:-16]),
        ("bad-sum.png", save(image, "PNG")[:-20] + b"\0\0\0\0" + save(image, "PNG")[-16:]),
    ]


def hostile():
    """(name, octets) of pictures in which nothing is to be read, and that break nobody."""
    image = code("https://cut.example/")
    noise = Image.effect_noise((3900, 4000), 200)
    jpeg = save(Image.new("RGB", (3900, 4000)), "JPEG", progressive=True)
    bomb = bytearray(save(image, "JPEG"))
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at:at + 4] = b"\xff\xdc\xff\xdc"
    # The scans of the finest detail again and again: each is a pass over the whole picture.
    scan = jpeg.rindex(b"\xff\xda")
    return [
        ("dimensions.png", png(0x7fffffff, 0x7fffffff, 16, 6, b"\0" * 1000)),
        ("wide.png", png(1000000, 1000, 8, 6, b"\0" * 1000)),
        ("nothing.png", png(0, 0, 8, 0, b"")),
        ("deflated.png", png(4000, 4000, 8, 0, b"\0" * (4001 * 4000))),
        ("too-much.png", png(40, 40, 8, 0, b"\0" * (64 << 20))),
        ("profile.png", png(40, 40, 8, 0, b"\0" * 1640,
                            more=chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * (200 << 20), 9)))),
        ("head.png", save(image, "PNG")[:60]),
        ("mark.png", b"\x89PNG\r\n\x1a\n"),
        ("garbage.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20),
        ("bomb.jpg", bytes(bomb)),
        ("scans.jpg", jpeg[:scan] + jpeg[scan:-2] * 2500 + jpeg[-2:]),
        ("head.jpg", jpeg[:300]),
        ("garbage.jpg", b"\xff\xd8\xff" + bytes(range(256)) * 20),
        ("noise.png", save(noise.quantize(2).convert("1"), "PNG")),
        ("white.png", save(Image.new("L", (2000, 2000), 255), "PNG")),
    ]
