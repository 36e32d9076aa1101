"""Backgrounds of the demo's scenes: what stands behind the objects, by cairo.

`paint(c, setting, w, h, rng, light)` fills a w x h canvas and returns the
horizon's y, the far edge of the ground that objects may stand on.
"""
import math

import cairo

from drawing import PALETTE, darker, ellipse, lighter, mix, polygon, rounded, stroke


def vertical(c, w, y0, y1, top, bottom):
    g = cairo.LinearGradient(0, y0, 0, y1)
    g.add_color_stop_rgb(0, *top)
    g.add_color_stop_rgb(1, *bottom)
    c.set_source(g)
    c.rectangle(0, y0, w, y1 - y0 + 1)
    c.fill()


def sky(c, w, y, rng, night):
    if night:
        vertical(c, w, 0, y, (.04, .05, .17), (.17, .18, .38))
        for _ in range(40):
            r = rng.uniform(.4, 1.2)
            c.set_source_rgba(1, 1, .9, rng.uniform(.3, .9))
            ellipse(c, rng.uniform(0, w), rng.uniform(0, y * .9), r, r)
            c.fill()
        x, r = rng.uniform(.1, .9) * w, .07 * y + 8
        ellipse(c, x, y * .2, r, r)
        c.set_source_rgb(.98, .96, .82)
        c.fill()
        return
    top, low = rng.choice([((.30, .58, .92), (.82, .93, .99)), ((.45, .68, .90), (.93, .95, .95)),
                           ((.55, .50, .80), (.99, .80, .62)), ((.62, .70, .78), (.85, .87, .88))])
    vertical(c, w, 0, y, top, low)
    for _ in range(rng.randint(0, 4)):
        x, cy, size = rng.uniform(0, w), rng.uniform(.05, .6) * y, rng.uniform(.05, .11) * w
        c.set_source_rgba(1, 1, 1, rng.uniform(.5, .85))
        for k in (-1.1, -.4, .35, 1.1):
            r = size * rng.uniform(.35, .6)
            ellipse(c, x + k * size * .7, cy - r * .3, r * 1.3, r * .8)
        c.fill()


def blades(c, w, y, h, rgb, rng, count):
    """Short strokes: grass, ripples of sand."""
    c.set_line_cap(cairo.LINE_CAP_ROUND)
    for _ in range(count):
        x, by = rng.uniform(0, w), rng.uniform(y + 2, h)
        size = 2 + 5 * (by - y) / (h - y)
        c.set_source_rgba(*mix(rgb, rng.choice([(0, 0, 0), (1, 1, .6)]), .22), .8)
        c.set_line_width(1.1)
        c.move_to(x, by)
        c.line_to(x + rng.uniform(-2, 2), by - size)
        c.stroke()


def paint_meadow(c, w, h, rng, light, night=False):
    y = h * rng.uniform(.36, .52)
    sky(c, w, y, rng, night)
    dim = .35 if night else 1
    green = tuple(dim * v for v in rng.choice([(.44, .70, .30), (.55, .72, .33), (.36, .62, .33)]))
    for k in range(rng.randint(1, 3)):                    # hills
        x, r = rng.uniform(0, w), rng.uniform(.3, .7) * w
        ellipse(c, x, y + r * .28, r, r * rng.uniform(.35, .5))
        c.set_source_rgb(*mix(green, (.35 * dim, .5 * dim, .6 * dim), .45 - .1 * k))
        c.fill()
    vertical(c, w, y, h, lighter(green, .16), darker(green, .18))
    if rng.random() < .3:                                 # a path
        x = rng.uniform(.2, .8) * w
        polygon(c, (x - 4, y), (x + 4, y), (x + .22 * w, h), (x - .12 * w, h))
        c.set_source_rgba(.82 * dim, .73 * dim, .55 * dim, .8)
        c.fill()
    blades(c, w, y, h, green, rng, 90)
    return y


def paint_night(c, w, h, rng, light):
    return paint_meadow(c, w, h, rng, light, True)


def paint_beach(c, w, h, rng, light):
    y = h * rng.uniform(.28, .4)
    sky(c, w, y, rng, False)
    shore = y + h * rng.uniform(.1, .2)
    vertical(c, w, y, shore, (.16, .45, .70), (.42, .76, .82))
    for _ in range(12):
        x, wy = rng.uniform(0, w), rng.uniform(y + 2, shore - 3)
        c.move_to(x, wy)
        c.curve_to(x + 5, wy - 2, x + 9, wy + 2, x + 15, wy)
    c.set_source_rgba(1, 1, 1, .5)
    c.set_line_width(1)
    c.stroke()
    sand = rng.choice([(.93, .84, .62), (.90, .78, .56), (.95, .88, .72)])
    c.move_to(-9, h + 9)
    c.line_to(-9, shore)
    c.curve_to(w * .3, shore - 6, w * .6, shore + 9, w + 9, shore)
    c.line_to(w + 9, h + 9)
    c.close_path()
    g = cairo.LinearGradient(0, shore, 0, h)
    g.add_color_stop_rgb(0, *lighter(sand, .2))
    g.add_color_stop_rgb(1, *darker(sand, .15))
    c.set_source(g)
    c.fill_preserve()
    stroke(c, (.98, .98, .96), 3)
    blades(c, w, shore + 4, h, sand, rng, 50)
    return shore


def paint_underwater(c, w, h, rng, light):
    y = h * rng.uniform(.62, .74)
    vertical(c, w, 0, h, (.35, .75, .88), (.05, .28, .50))
    for _ in range(4):                                    # shafts of light
        x = rng.uniform(-.1, 1) * w
        polygon(c, (x, 0), (x + 18, 0), (x + 60 * light + 40, h), (x + 60 * light - 15, h))
        c.set_source_rgba(1, 1, 1, .07)
        c.fill()
    c.move_to(0, h)
    c.line_to(0, y + 6)
    c.curve_to(w * .3, y - 10, w * .6, y + 14, w, y)
    c.line_to(w, h)
    c.close_path()
    c.set_source_rgb(.66, .68, .55)
    c.fill()
    for _ in range(rng.randint(3, 7)):                    # weeds and bubbles
        x, size = rng.uniform(0, w), rng.uniform(.12, .3) * h
        c.move_to(x, h * .98)
        c.curve_to(x - 12, h - size * .4, x + 12, h - size * .7, x, h - size)
        stroke(c, (.10, .45, .30), 4)
        ellipse(c, rng.uniform(0, w), rng.uniform(0, y), 2.5, 2.5)
        stroke(c, (.8, .95, 1), .8)
    return y


def paint_street(c, w, h, rng, light):
    y = h * rng.uniform(.42, .52)
    sky(c, w, y, rng, False)
    x = -rng.uniform(0, 30)
    while x < w:                                          # a row of far buildings
        bw, bh = rng.uniform(.12, .24) * w, rng.uniform(.35, .85) * y
        wall = rng.choice([(.72, .60, .53), (.66, .66, .70), (.78, .72, .62), (.58, .55, .58)])
        c.rectangle(x, y - bh, bw, bh)
        c.set_source_rgb(*mix(wall, (.75, .8, .88), .35))
        c.fill()
        c.set_source_rgba(.35, .42, .52, .6)
        for j in range(int(bh / 18)):
            for i in range(int(bw / 14)):
                c.rectangle(x + 5 + i * 14, y - bh + 6 + j * 18, 6, 9)
        c.fill()
        x += bw + rng.choice([0, 0, 6])
    kerb = y + (h - y) * rng.uniform(.2, .4)
    vertical(c, w, y, kerb, (.74, .73, .71), (.68, .67, .66))
    vertical(c, w, kerb, h, (.42, .43, .45), (.33, .34, .36))
    c.set_source_rgb(.85, .84, .82)
    c.rectangle(0, kerb, w, 3)
    c.fill()
    c.set_source_rgba(.95, .93, .8, .9)
    for k in range(7):
        c.rectangle(k * w / 6 - 10, kerb + (h - kerb) * .5, w / 12, 4)
    c.fill()
    return y + 4


def paint_room(c, w, h, rng, light):
    y = h * rng.uniform(.5, .62)
    wall = rng.choice([(.93, .87, .76), (.75, .84, .86), (.85, .78, .82), (.80, .86, .74),
                       (.94, .92, .90), (.86, .70, .60), (.58, .66, .72)])
    vertical(c, w, 0, y, lighter(wall, .15), wall)
    if rng.random() < .35:                                # wallpaper
        c.set_source_rgba(1, 1, 1, .18)
        for k in range(0, w, 22):
            c.rectangle(k, 0, 9, y)
        c.fill()
    if rng.random() < .55:                                # a window
        x, s = rng.uniform(.08, .7) * w, .22 * min(w, h)
        c.rectangle(x, .1 * h, s, s * 1.1)
        c.set_source_rgb(.70, .86, .96)
        c.fill_preserve()
        stroke(c, (.98, .97, .94), 5)
        c.move_to(x + s / 2, .1 * h)
        c.line_to(x + s / 2, .1 * h + s * 1.1)
        c.move_to(x, .1 * h + s * .55)
        c.line_to(x + s, .1 * h + s * .55)
        stroke(c, (.98, .97, .94), 3)
    if rng.random() < .4:                                 # a picture
        x, s = rng.uniform(.1, .8) * w, .14 * min(w, h)
        c.rectangle(x, .15 * h, s * 1.3, s)
        c.set_source_rgb(*rng.choice(list(PALETTE.values())))
        c.fill_preserve()
        stroke(c, (.45, .3, .15), 3)
    floor = rng.choice([(.64, .45, .28), (.75, .58, .38), (.55, .52, .50), (.48, .33, .22)])
    vertical(c, w, y, h, darker(floor, .12), lighter(floor, .12))
    for k in range(-8, 16):
        c.move_to(w / 2 + (k - 3.5) * w * .09, y)
        c.line_to(w / 2 + (k - 3.5) * w * .22, h)
    c.set_source_rgba(*darker(floor, .5), .4)
    c.set_line_width(1)
    c.stroke()
    c.rectangle(0, y - 5, w, 6)
    c.set_source_rgb(*lighter(wall, .5))
    c.fill()
    if rng.random() < .5:                                 # a rug
        ellipse(c, rng.uniform(.3, .7) * w, y + (h - y) * .6, .33 * w, (h - y) * .27)
        c.set_source_rgba(*mix(rng.choice(list(PALETTE.values())), (.8, .75, .7), .45), .9)
        c.fill_preserve()
        stroke(c, (.92, .88, .8), 2)
    return y


def paint_studio(c, w, h, rng, light):
    y = h * rng.uniform(.32, .5)
    base = rng.choice([(.86, .86, .87), (.93, .90, .85), (.72, .78, .85), (.80, .86, .80),
                       (.90, .80, .78), (.45, .47, .52), (.78, .74, .86)])
    vertical(c, w, 0, y, darker(base, .12), lighter(base, .1))
    vertical(c, w, y, h, lighter(base, .25), base)
    g = cairo.RadialGradient(w * (.5 + .3 * light), h * .3, 5, w * .5, h * .5, w * .8)
    g.add_color_stop_rgba(0, 1, 1, 1, .35)
    g.add_color_stop_rgba(1, 0, 0, 0, .14)
    c.set_source(g)
    c.paint()
    return y


def paint(c, setting, w, h, rng, light):
    return globals()["paint_" + setting](c, w, h, rng, light)
