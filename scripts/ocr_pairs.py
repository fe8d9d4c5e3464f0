"""Makes pairs of text as it is and as an OCR engine reads it: pages in old fonts, damaged, and read back by tesseract.

    python scripts/ocr_pairs.py validation.txt.xz pairs.jsonl --pages 40 [--seed 0]

Each row has `ocr` and `text`, one page each. Paragraphs of the text are set in
a narrow column in one of several old fonts, blurred, bled through from the
other side, worn, torn, and rotated a little, each by a random amount. Then
`tesseract` (the Debian package `tesseract-ocr`) reads the page, so the errors
are real ones.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = (
    "opentype/didot/GFSDidot.otf",
    "opentype/linux-libertine/LinLibertine_R.otf",
    "truetype/fonts-oldstandard/OldStandard-Regular.ttf",
    "opentype/ebgaramond/EBGaramond12-Regular.otf",
    "truetype/baskerville/GFSBaskerville.otf",
    "opentype/sortsmill/GoudyBookletter1911.otf",
    "truetype/gnutypewriter/GNUTypewriter.ttf",
)
_ROOT = Path("/usr/share/fonts")
_WORDS = (90, 160)  # of a page


def lines_of(text: str, width: int, hyphenated: bool, rng: random.Random) -> list[str]:
    """The text in lines of about `width` characters, words divided at some line ends."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            room = width - len(line) - 2
            if hyphenated and room >= 3 and len(word) > room + 3 and word.isalpha() and rng.random() < 0.7:
                lines.append(f"{line} {word[:room]}-")
                line = word[room:]
                continue
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def page(lines: list[str], font: Path, rng: random.Random) -> Image.Image:
    """The lines as a damaged page, in grey."""
    noise = np.random.default_rng(rng.randrange(1 << 30))
    size = rng.choice((13, 14, 15, 16))
    face = ImageFont.truetype(str(font), size)
    width = int(max(face.getlength(line) for line in lines)) + 120
    height = int(len(lines) * size * 1.3) + 120
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((60 + rng.gauss(0, 1), 60 + number * size * 1.3), line, font=face, fill=rng.randrange(0, 50))
    damage = rng.betavariate(1.6, 3)
    ink = np.asarray(image, float)
    behind = np.asarray(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(2)), float)
    ink -= (255 - np.roll(behind, size // 2, axis=0)) * rng.uniform(0, 0.25) * damage
    # Worn ink: patches where the print is faint.
    small = noise.random((height // 14 + 2, width // 14 + 2)) * 255
    patches = Image.fromarray(small.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    faint = np.asarray(patches, float) / 255
    ink += (255 - ink) * np.clip(faint - 0.95 + 0.35 * damage, 0, 0.6)
    image = Image.fromarray(np.clip(ink, 0, 255).astype(np.uint8))
    how = rng.choice(("blurred", "grainy", "microfilm"))
    blur = {"blurred": rng.uniform(0.7, 1.2), "grainy": 0.6, "microfilm": 0.8}[how]
    grain = {"blurred": 6.0, "grainy": rng.uniform(12, 25), "microfilm": 12.0}[how]
    image = image.filter(ImageFilter.GaussianBlur(blur))
    grey = np.asarray(image, float) + noise.normal(0, grain, (height, width))
    if how == "microfilm":  # black or white
        grey = np.where(grey > rng.uniform(178, 220), 255.0, 0.0)
    for _ in range(rng.randrange(0, 3)):  # tears and stains
        x, y = rng.randrange(width), rng.randrange(height)
        w, h = rng.randrange(4, 50), rng.randrange(3, 14)
        grey[y : y + h, x : x + w] = rng.choice((255, 60))
    image = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    image = image.resize((2 * width, 2 * height), Image.Resampling.BICUBIC)
    return image.rotate(rng.gauss(0, 0.5), expand=True, fillcolor=235, resample=Image.Resampling.BICUBIC)


def read_back(image: Image.Image) -> str:
    """What tesseract reads on the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        image.save(path, dpi=(200, 200))
        command = ["tesseract", str(path), "stdout", "-l", "eng", "--psm", "6"]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env={"OMP_THREAD_LIMIT": "1", "PATH": "/usr/bin"}
        ).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, help="clean text, compressed with xz; documents apart by an empty line")
    parser.add_argument("out", type=Path)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with lzma.open(options.text, "rt", encoding="utf-8") as source:
        documents = [text for text in source.read().split("\n\n") if len(text.split()) > 2 * _WORDS[1]]
    fonts = [_ROOT / name for name in FONTS if (_ROOT / name).exists()]
    with open(options.out, "w", encoding="utf-8") as out:
        for _ in range(options.pages):
            words = rng.choice(documents).split()
            first = rng.randrange(len(words) - _WORDS[1])
            text = " ".join(words[first : first + rng.randrange(*_WORDS)])
            lines = lines_of(text, rng.randrange(38, 60), rng.random() < 0.5, rng)
            ocr = read_back(page(lines, rng.choice(fonts), rng))
            out.write(json.dumps({"ocr": ocr, "text": text}, ensure_ascii=False) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
