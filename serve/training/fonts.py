"""Which font families are trained on, and which are kept out for validation and evaluation.

Only families named here are used: whatever else happens to be installed is ignored, so that no
evaluation font can slip into the training data.
"""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass

from training.charset import CHARSET

TRAINING_FAMILIES = (
    "Liberation Sans", "Liberation Sans Narrow", "Liberation Serif", "Liberation Mono",
    "DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "FreeSans", "FreeSerif", "FreeMono",
    "Nimbus Sans", "Nimbus Sans Narrow", "Nimbus Roman", "Nimbus Mono PS", "C059", "P052",
    "URW Bookman", "URW Gothic", "TeX Gyre Heros", "TeX Gyre Termes", "TeX Gyre Schola",
    "TeX Gyre Pagella", "TeX Gyre Cursor", "TeX Gyre Bonum", "TeX Gyre Adventor", "Roboto",
    "Roboto Condensed", "Lato", "Noto Sans", "Noto Serif", "Noto Mono", "Cantarell",
    "Caladea", "Fira Code", "Hack", "Inconsolata", "Linux Libertine O", "Linux Biolinum O",
    "EB Garamond", "Comfortaa", "Quicksand", "Inter", "Inter Display", "JetBrains Mono",
    "Courier Prime Sans", "Courier Prime Code", "Go", "Go Mono", "Go Medium",
    "Dosis", "Manrope", "Agave", "Anonymous Pro", "B612", "B612 Mono", "Averia Sans GWF",
    "Gentium Plus", "Charis SIL", "Andika", "Yrsa", "Rasa", "Old Standard TT",
    "Oxygen Mono", "Play", "STIX", "CMU Serif", "CMU Sans Serif", "CMU Concrete",
    "CMU Bright", "CMU Typewriter Text", "Latin Modern Roman", "Latin Modern Sans",
    "Latin Modern Mono", "Latin Modern Mono Prop", "Sora", "Monoid", "OCR B",
    "M PLUS 2", "M PLUS 1 Code", "Gillius ADF", "Gillius ADF No2", "Universalis ADF Std",
    "Accanthis ADF Std", "Aerial", "Aerial Mono", "Tymes", "Veranda", "Fantasque Sans Mono",
    "Comic Neue", "Hermit", "Open Sans", "Open Sans Condensed",
)  # fmt: skip

VALIDATION_FAMILIES = (
    "Gentium Book Plus", "Oxygen-Sans", "Roboto Slab", "Courier Prime", "M PLUS 1",
)  # fmt: skip

HELD_OUT_FAMILIES = (
    "PT Sans", "PT Serif", "PT Mono", "Karla", "Vollkorn", "Cabin", "Quattrocento", "Clear Sans",
    "mononoki", "Tuffy",
)  # fmt: skip

DEBIAN_PACKAGES = (
    "fonts-adf-accanthis", "fonts-adf-gillius", "fonts-adf-universalis", "fonts-agave",
    "fonts-anonymous-pro", "fonts-arkpandora", "fonts-averia-sans-gwf", "fonts-b612",
    "fonts-cabin", "fonts-cantarell", "fonts-clear-sans", "fonts-cmu", "fonts-comfortaa",
    "fonts-comic-neue", "fonts-courier-prime", "fonts-crosextra-caladea", "fonts-dejavu-core",
    "fonts-dejavu-extra", "fonts-dosis", "fonts-ebgaramond", "fonts-fantasque-sans",
    "fonts-firacode", "fonts-freefont-ttf", "fonts-go", "fonts-hack-ttf", "fonts-hermit",
    "fonts-inconsolata", "fonts-inter", "fonts-jetbrains-mono", "fonts-karla", "fonts-lato",
    "fonts-liberation", "fonts-linuxlibertine", "fonts-lmodern", "fonts-manrope",
    "fonts-monoid", "fonts-mononoki", "fonts-mplus", "fonts-noto-core",
    "fonts-noto-mono", "fonts-ocr-b", "fonts-oldstandard", "fonts-open-sans", "fonts-oxygen",
    "fonts-paratype", "fonts-play", "fonts-quattrocento", "fonts-quicksand",
    "fonts-roboto-slab", "fonts-roboto-unhinted", "fonts-sil-andika", "fonts-sil-charis",
    "fonts-sil-gentiumplus", "fonts-sora", "fonts-stix", "fonts-texgyre", "fonts-tuffy",
    "fonts-urw-base35", "fonts-vollkorn", "fonts-yrsa-rasa",
)  # fmt: skip

_UNREADABLE_STYLES = ("Caps", "Thin", "Hairline", "ExtraLight", "Outline", "Unslanted", "Upright")


@dataclass(frozen=True)
class Face:
    """One face of a family: a font file, its index in it, and which wanted characters it lacks."""

    family: str
    style: str
    path: str
    index: int
    missing: frozenset[str]

    def can_draw(self, text: str) -> bool:
        """Whether every character of `text` has a glyph."""
        return self.missing.isdisjoint(text)


def _parse_charset(ranges: str) -> set[int]:
    codes: set[int] = set()
    for item in ranges.split():
        first, _, last = item.partition("-")
        codes.update(range(int(first, 16), int(last or first, 16) + 1))
    return codes


def installed_faces(
    families: tuple[str, ...],
    characters: str = CHARSET,
    packages: tuple[str, ...] = DEBIAN_PACKAGES,
) -> dict[str, list[Face]]:
    """The installed faces of `families` that cover printable ASCII, by family.

    Raises:
        RuntimeError: a family is not installed; the message names the packages to install.
    """
    template = "%{family[0]}\t%{style[0]}\t%{file}\t%{index}\t%{charset}\n"
    listing = subprocess.run(
        ["fc-list", "--format", template], check=True, capture_output=True, text=True
    ).stdout
    found: dict[str, list[Face]] = {family: [] for family in families}
    for line in sorted(listing.splitlines()):
        family, style, path, index, ranges = line.split("\t")
        usable = path.endswith((".ttf", ".otf", ".ttc", ".t1")) and int(index) < 0x10000
        if family not in found or not usable or any(word in style for word in _UNREADABLE_STYLES):
            continue
        codes = _parse_charset(ranges)
        missing = frozenset(c for c in CHARSET + characters if ord(c) not in codes)
        if not any(ord(character) < 127 for character in missing):
            found[family].append(Face(family, style, path, int(index), missing))
    absent = [family for family, faces in found.items() if not faces]
    if absent:
        raise RuntimeError(
            f"fonts not installed: {', '.join(absent)}; apt-get install {' '.join(packages)}"
        )
    return found


class FontPicker:
    """Draws faces so that each family is equally likely, however many weights it has."""

    def __init__(
        self,
        families: tuple[str, ...],
        characters: str = CHARSET,
        packages: tuple[str, ...] = DEBIAN_PACKAGES,
    ) -> None:
        self._faces = installed_faces(families, characters, packages)
        self._families = list(self._faces)

    def pick(self, rng: random.Random, text: str) -> Face:
        """A random face that can draw all of `text` (within `CHARSET` and `characters`)."""
        while True:
            face = rng.choice(self._faces[rng.choice(self._families)])
            if face.can_draw(text):
                return face
