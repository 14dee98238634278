"""Hostile archives, documents that are archives (DOCX, ODT, EPUB, XLSX), PDF and pictures."""

from __future__ import annotations

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from lior_bench.attack.cases import case


def packed(members: dict[str, bytes]) -> bytes:
    """A zip archive of these members."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@case("zeros.zip", sample=True)
def zeros() -> bytes:
    """A member that grows a thousandfold."""
    return packed({"zeros.txt": b"0" * (60 << 20)})
