"""placeholder"""
from pathlib import Path
import numpy as np
from PIL import Image, ImageOps
def upright_rgb(path: Path, *, long_side: int):
    with Image.open(path) as im:
        im = ImageOps.exif_transpose(im).convert("RGB")
        im.thumbnail((long_side, long_side))
        return np.asarray(im)
