"""Draws the example pictures of `assets/examples`: our own, so that anyone may use them for anything.

    python scripts/draw_examples.py

Simple scenes of things that CIFAR-10's classes name, drawn at four times their size and scaled down.
"""

import math
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, SCALE = 480, 360, 4
Colour = tuple[int, int, int]


def _blend(a: Colour, b: Colour, t: float) -> Colour:
    return tuple(round(x + (y - x) * t) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


class Scene:
    """A canvas in units of the final picture, drawn larger and scaled down (antialiasing)."""

    def __init__(self, top: Colour, bottom: Colour) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE))
        self.draw = ImageDraw.Draw(self.image)
        self.gradient(0, HEIGHT, top, bottom)

    def gradient(self, y0: float, y1: float, top: Colour, bottom: Colour) -> None:
        """Fill a horizontal band with a vertical gradient."""
        first, last = round(y0 * SCALE), round(y1 * SCALE)
        for y in range(first, last):
            self.draw.line([(0, y), (WIDTH * SCALE, y)], fill=_blend(top, bottom, (y - first) / (last - first)))

    def polygon(self, points: list[tuple[float, float]], fill: Colour) -> None:
        """A filled polygon."""
        self.draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """A filled ellipse round (x, y)."""
        self.draw.ellipse([(x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE], fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour, radius: float = 0) -> None:
        """A filled rectangle with round corners."""
        corners = [x0 * SCALE, y0 * SCALE, x1 * SCALE, y1 * SCALE]
        self.draw.rounded_rectangle(corners, radius * SCALE, fill=fill)

    def line(self, points: list[tuple[float, float]], fill: Colour, width: float) -> None:
        """A thick line."""
        self.draw.line([(x * SCALE, y * SCALE) for x, y in points], fill, round(width * SCALE), joint="curve")

    def done(self) -> Image.Image:
        """The finished picture."""
        soft = self.image.filter(ImageFilter.GaussianBlur(SCALE * 0.6))
        return soft.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def ship() -> Image.Image:
    """A cargo ship at sea."""
    s = Scene((150, 190, 228), (226, 236, 240))
    s.gradient(225, HEIGHT, (52, 98, 140), (16, 44, 84))
    s.polygon([(60, 205), (430, 205), (395, 275), (100, 275)], (44, 48, 58))
    s.polygon([(88, 258), (404, 258), (395, 275), (100, 275)], (150, 44, 40))
    s.box(80, 130, 160, 205, (238, 238, 232), 4)
    s.box(100, 95, 145, 132, (226, 226, 220), 4)
    for x in range(90, 155, 16):
        s.box(x, 145, x + 9, 155, (60, 84, 110), 2)
        s.box(x, 170, x + 9, 180, (60, 84, 110), 2)
    s.box(112, 62, 134, 98, (196, 60, 46), 3)
    for i, colour in enumerate([(196, 88, 52), (72, 112, 150), (170, 150, 70), (96, 130, 96), (176, 70, 60)]):
        s.box(175 + 44 * i, 165, 215 + 44 * i, 205, colour, 2)
        if i % 2 == 0:
            s.box(175 + 44 * i, 126, 215 + 44 * i, 164, _blend(colour, (255, 255, 255), 0.2), 2)
    for k in range(16):
        x, y = 30 * k, 285 + 18 * math.sin(k * 1.7) + 20 * (k % 3)
        s.line([(x, y), (x + 26, y - 3), (x + 52, y)], (120, 160, 192), 1.6)
    s.polygon([(60, 275), (110, 268), (420, 268), (450, 279), (70, 281)], (206, 222, 232))
    return s.done()


def airplane() -> Image.Image:
    """An airliner in the sky."""
    s = Scene((70, 130, 205), (186, 216, 240))
    for x, y, r in [(70, 300, 40), (120, 310, 52), (180, 318, 44), (360, 60, 26), (400, 66, 34), (330, 320, 40)]:
        s.ellipse(x, y, r * 1.6, r * 0.62, (238, 244, 250))
    s.polygon([(215, 160), (255, 160), (180, 60), (158, 60)], (196, 204, 214))
    s.polygon([(60, 185), (95, 175), (70, 105), (44, 105)], (40, 84, 150))
    s.polygon(
        [(50, 190), (80, 170), (350, 148), (410, 160), (428, 176), (405, 192), (340, 200), (110, 212)], (242, 244, 247)
    )
    s.polygon([(80, 203), (420, 178), (405, 192), (340, 200), (110, 212)], (200, 208, 218))
    s.polygon([(190, 190), (275, 184), (190, 300), (160, 300)], (176, 186, 198))
    s.polygon([(66, 192), (110, 190), (60, 228), (42, 228)], (176, 186, 198))
    s.box(196, 222, 236, 240, (120, 130, 144), 8)
    for x in range(130, 370, 17):
        s.ellipse(x, 182 - (x - 130) * 0.05, 3.6, 4.2, (70, 92, 122))
    s.polygon([(385, 160), (404, 161), (412, 170), (390, 170)], (52, 70, 96))
    return s.done()


def truck() -> Image.Image:
    """A lorry on a road."""
    s = Scene((168, 202, 230), (224, 232, 232))
    s.polygon([(0, 210), (120, 165), (250, 205), (360, 170), (480, 212), (480, 260), (0, 260)], (112, 146, 96))
    s.gradient(250, HEIGHT, (104, 106, 110), (70, 72, 76))
    for x in range(-10, 480, 90):
        s.box(x, 322, x + 48, 328, (226, 222, 200))
    s.box(50, 95, 300, 255, (226, 228, 230), 5)
    s.box(50, 95, 300, 118, (190, 60, 50), 5)
    s.box(50, 240, 420, 268, (52, 54, 60), 3)
    s.polygon([(308, 255), (308, 125), (372, 125), (412, 190), (424, 196), (424, 255)], (196, 50, 42))
    s.polygon([(330, 140), (366, 140), (396, 188), (330, 188)], (70, 100, 130))
    s.box(410, 218, 426, 232, (250, 232, 150), 3)
    for x in (105, 165, 372):
        s.ellipse(x, 268, 31, 31, (30, 30, 34))
        s.ellipse(x, 268, 15, 15, (170, 172, 178))
    return s.done()


def frog() -> Image.Image:
    """A frog on a leaf."""
    s = Scene((62, 96, 58), (30, 60, 44))
    s.ellipse(240, 300, 220, 60, (70, 122, 60))
    s.line([(30, 306), (450, 296)], (110, 160, 86), 4)
    for side in (-1, 1):
        s.ellipse(240 + 108 * side, 240, 64, 46, (98, 148, 44))
        s.ellipse(240 + 132 * side, 284, 62, 15, (112, 164, 52))
    s.ellipse(240, 215, 116, 84, (124, 178, 56))
    s.ellipse(240, 246, 82, 50, (206, 214, 140))
    s.ellipse(240, 150, 96, 62, (134, 190, 62))
    for side in (-1, 1):
        s.ellipse(240 + 60 * side, 104, 32, 32, (134, 190, 62))
        s.ellipse(240 + 62 * side, 102, 22, 22, (232, 190, 60))
        s.ellipse(240 + 62 * side, 103, 11, 14, (22, 22, 20))
        s.ellipse(235 + 62 * side, 97, 4, 4, (250, 250, 246))
        s.line([(240 + 62 * side, 236), (240 + 84 * side, 290)], (112, 164, 52), 22)
        s.ellipse(240 + 92 * side, 296, 30, 10, (124, 178, 56))
    s.line([(170, 172), (205, 186), (240, 190), (275, 186), (310, 172)], (66, 100, 30), 4)
    for x, y in [(170, 200), (310, 205), (200, 176), (286, 180), (240, 140), (208, 128), (272, 130)]:
        s.ellipse(x, y, 9, 7, (92, 142, 40))
    return s.done()


EXAMPLES: dict[str, Callable[[], Image.Image]] = {"airplane": airplane, "ship": ship, "truck": truck, "frog": frog}


def main() -> None:
    """Write every example next to the models."""
    folder = Path(__file__).resolve().parent.parent / "assets" / "examples"
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in EXAMPLES.items():
        draw().save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
