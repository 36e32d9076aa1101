"""Drawings of the demo's kinds of objects, by cairo.

Every `draw_KIND(c, s)` draws into a unit space: the object stands at (0, 0),
is 1 high (y runs from -1, the top, to 0) and ASPECT[kind] wide. `s` is a
style: .rgb, .material, .pattern, .light (-1 from the left, 1 from the right),
.rng for the small varieties, and flags such as .lit, .open, .sleeping.
"""
import math

import cairo

PALETTE = {
    "red": (.85, .11, .12), "orange": (.96, .53, .08), "yellow": (.98, .85, .16),
    "green": (.16, .62, .25), "blue": (.14, .36, .85), "purple": (.50, .20, .68),
    "pink": (.98, .54, .72), "brown": (.48, .29, .14), "black": (.12, .12, .14),
    "white": (.95, .95, .93), "gray": (.54, .55, .58),
}
WOOD, STEEL = (.66, .44, .22), (.66, .69, .73)
SKINS = [(.98, .84, .72), (.93, .74, .56), (.76, .54, .37), (.52, .34, .22)]
HAIRS = [(.17, .11, .08), (.42, .25, .12), (.85, .65, .30), (.62, .24, .10)]
ASPECT = {
    "ball": 1, "box": 1.2, "cone": .8, "bottle": .36, "cup": 1.15, "vase": .62, "tree": .8,
    "house": 1.1, "car": 2.0, "boat": 1.25, "fish": 1.7, "bird": 1.3, "cat": 1.05, "dog": 1.25,
    "girl": .5, "boy": .48, "flower": .62, "mushroom": 1, "umbrella": 1.15, "balloon": .5,
    "kite": .62, "clock": 1, "book": 1.3, "apple": .96, "pear": .74, "banana": 1.5, "hat": 1.7,
    "chair": .62, "table": 1.75, "lamp": .62,
}


def mix(a, b, t):
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def lighter(rgb, t=.4):
    return mix(rgb, (1, 1, 1), t)


def darker(rgb, t=.4):
    return mix(rgb, (0, 0, 0), t)


def luminance(rgb):
    return .3 * rgb[0] + .59 * rgb[1] + .11 * rgb[2]


def contrast(rgb):
    """The second colour of a pattern: white on colours, dark on pale ones."""
    return (.25, .25, .3) if luminance(rgb) > .72 else (.97, .96, .92)


# --- paths -----------------------------------------------------------------

def ellipse(c, x, y, rx, ry):
    c.new_sub_path()
    c.save()
    c.translate(x, y)
    c.scale(rx, ry)
    c.arc(0, 0, 1, 0, 2 * math.pi)
    c.close_path()
    c.restore()


def rounded(c, x, y, w, h, r):
    c.new_sub_path()
    c.arc(x + w - r, y + r, r, -math.pi / 2, 0)
    c.arc(x + w - r, y + h - r, r, 0, math.pi / 2)
    c.arc(x + r, y + h - r, r, math.pi / 2, math.pi)
    c.arc(x + r, y + r, r, math.pi, 1.5 * math.pi)
    c.close_path()


def polygon(c, *points):
    c.move_to(*points[0])
    for point in points[1:]:
        c.line_to(*point)
    c.close_path()


# --- paint -----------------------------------------------------------------

def stroke(c, rgb, width):
    c.set_source_rgb(*rgb)
    c.set_line_width(width)
    c.set_line_cap(cairo.LINE_CAP_ROUND)
    c.set_line_join(cairo.LINE_JOIN_ROUND)
    c.stroke()


def pattern_over(c, s, box, rgb):
    """Stripes, dots or checks over the clipped shape."""
    x0, y0, x1, y1 = box
    size = max(x1 - x0, y1 - y0)
    c.set_source_rgb(*contrast(rgb))
    if s.pattern == "striped":
        step = size / s.count
        c.save()
        c.translate((x0 + x1) / 2, (y0 + y1) / 2)
        c.rotate(s.angle)
        for i in range(-s.count, s.count):
            c.rectangle(-size, i * step, 2 * size, step * .45)
        c.fill()
        c.restore()
        return
    step = size / (s.count * .95)
    for j in range(int(size / step) + 2):
        for i in range(int(size / step) + 2):
            if s.pattern == "dotted":
                ellipse(c, x0 + (i + .5 * (j % 2)) * step, y0 + (j + .35) * step,
                        step * .29, step * .29)
            elif (i + j) % 2 == 0:
                c.rectangle(x0 + i * step, y0 + j * step, step, step)
    c.fill()


def grain_over(c, s, box, rgb):
    """Wood: a few wavy darker lines along the longer side."""
    x0, y0, x1, y1 = box
    c.set_source_rgba(*darker(rgb, .45), .55)
    c.set_line_width(.014)
    for i in range(6):
        y = y0 + (y1 - y0) * (i + s.rng.uniform(.2, .8)) / 6
        bend = (y1 - y0) * s.rng.uniform(-.12, .12)
        c.move_to(x0, y)
        c.curve_to(x0 + (x1 - x0) * .3, y + bend, x0 + (x1 - x0) * .7, y - bend, x1, y)
        c.stroke()


def shade_over(c, s, box, rgb, round_shape):
    """Light from the upper left or right: a highlight and a dark far side."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    mid = (x0 + x1) / 2 + s.light * w * .25
    if round_shape:
        g = cairo.RadialGradient(mid, y0 + .28 * h, .02 * h, mid, y0 + .35 * h, max(w, h) * .85)
        g.add_color_stop_rgba(0, 1, 1, 1, .55)
        g.add_color_stop_rgba(.25, 1, 1, 1, .12)
        g.add_color_stop_rgba(.6, 0, 0, 0, .04)
        g.add_color_stop_rgba(1, 0, 0, .05, .5)
    else:
        lit, dark = (x1, x0) if s.light > 0 else (x0, x1)
        g = cairo.LinearGradient(lit, y0, dark, y1)
        g.add_color_stop_rgba(0, 1, 1, 1, .28)
        g.add_color_stop_rgba(.45, 1, 1, 1, 0)
        g.add_color_stop_rgba(1, 0, 0, .05, .34)
    c.set_source(g)
    c.paint()
    if s.material == "metal":
        g = cairo.LinearGradient(x0, 0, x1, 0)
        for t, white in ((0, 0), (.18, .75), (.3, .1), (.62, 0), (.75, .65), (.84, .1), (1, 0)):
            g.add_color_stop_rgba(t, 1, 1, 1, white)
        c.set_source(g)
        c.paint()
    if s.material == "glass":
        c.set_source_rgba(1, 1, 1, .7)
        c.set_line_width(w * .09)
        c.move_to(mid, y0 + .15 * h)
        c.line_to(mid, y0 + .75 * h)
        c.stroke()


def fill(c, s, rgb=None, pattern=False, round_shape=False, plain=False):
    """Paints the current path: colour, material, pattern, light, outline.

    `plain` parts (wheels, hair, leaves) take no material.
    """
    rgb = rgb or s.rgb
    box = c.path_extents()
    path = c.copy_path()
    c.save()
    c.clip()
    c.set_source_rgba(*rgb, .55 if s.material == "glass" and not plain else 1)
    c.paint()
    if s.material == "wooden" and not plain:
        grain_over(c, s, box, rgb)
    if pattern and s.pattern:
        pattern_over(c, s, box, rgb)
    material, s.material = s.material, None if plain else s.material
    shade_over(c, s, box, rgb, round_shape)
    s.material = material
    c.restore()
    c.append_path(path)
    c.set_source_rgba(*darker(rgb, .6), .75)
    c.set_line_width(.018)
    c.set_line_join(cairo.LINE_JOIN_ROUND)
    c.stroke()


def eye(c, x, y, r=.03):
    ellipse(c, x, y, r, r * 1.15)
    c.set_source_rgb(.08, .07, .08)
    c.fill()
    ellipse(c, x + r * .3, y - r * .4, r * .35, r * .35)
    c.set_source_rgb(1, 1, 1)
    c.fill()


# --- kinds -----------------------------------------------------------------

def draw_ball(c, s):
    ellipse(c, 0, -.5, .49, .49)
    fill(c, s, pattern=True, round_shape=True)


def draw_box(c, s):
    polygon(c, (-.59, -.8), (-.36, -.99), (.59, -.99), (.38, -.8))
    fill(c, s, lighter(s.rgb, .35))
    polygon(c, (.38, -.8), (.59, -.99), (.59, -.22), (.38, -.01))
    fill(c, s, darker(s.rgb, .3))
    c.rectangle(-.59, -.8, .97, .79)
    fill(c, s, pattern=True)
    if s.material == "wooden":
        for y in (-.8, -.14):
            c.rectangle(-.59, y, .97, .13)
            fill(c, s, darker(s.rgb, .15))
    elif not s.pattern and s.variant < .4:
        c.rectangle(-.18, -.8, .14, .79)
        fill(c, s, contrast(s.rgb), plain=True)


def draw_cone(c, s):
    rounded(c, -.39, -.12, .78, .11, .04)
    fill(c, s, darker(s.rgb, .15))
    c.move_to(-.3, -.11)
    c.line_to(-.05, -.96)
    c.curve_to(-.03, -1, .03, -1, .05, -.96)
    c.line_to(.3, -.11)
    c.curve_to(.15, -.05, -.15, -.05, -.3, -.11)
    c.close_path()
    fill(c, s, pattern=True)


def draw_bottle(c, s):
    c.move_to(-.06, -.95)
    c.line_to(-.06, -.72)
    c.curve_to(-.08, -.6, -.17, -.6, -.17, -.48)
    c.line_to(-.17, -.05)
    c.curve_to(-.17, -.01, .17, -.01, .17, -.05)
    c.line_to(.17, -.48)
    c.curve_to(.17, -.6, .08, -.6, .06, -.72)
    c.line_to(.06, -.95)
    c.close_path()
    fill(c, s)
    rounded(c, -.075, -.99, .15, .09, .02)
    fill(c, s, (.75, .6, .4), plain=True)
    if s.variant < .6:
        c.rectangle(-.165, -.4, .33, .2)
        fill(c, s, (.96, .93, .84), plain=True)


def draw_cup(c, s):
    ellipse(c, .38 * s.side, -.52, .16, .24)
    stroke(c, darker(s.rgb, .25), .085)
    c.move_to(-.4, -.9)
    c.curve_to(-.38, -.4, -.32, -.02, -.2, -.02)
    c.line_to(.2, -.02)
    c.curve_to(.32, -.02, .38, -.4, .4, -.9)
    c.close_path()
    fill(c, s, pattern=True)
    ellipse(c, 0, -.9, .4, .085)
    fill(c, s, lighter(s.rgb, .2))
    ellipse(c, 0, -.88, .32, .055)
    c.set_source_rgb(.28, .16, .09)
    c.fill()


def draw_vase(c, s):
    c.move_to(-.17, -.96)
    c.curve_to(-.05, -.7, -.3, -.72, -.3, -.42)
    c.curve_to(-.3, -.18, -.15, -.12, -.16, -.02)
    c.line_to(.16, -.02)
    c.curve_to(.15, -.12, .3, -.18, .3, -.42)
    c.curve_to(.3, -.72, .05, -.7, .17, -.96)
    c.close_path()
    fill(c, s, pattern=True)
    ellipse(c, 0, -.96, .17, .035)
    fill(c, s, darker(s.rgb, .5))


def draw_tree(c, s):
    c.move_to(-.07, -.45)
    c.line_to(-.1, -.01)
    c.line_to(.1, -.01)
    c.line_to(.06, -.45)
    c.close_path()
    fill(c, s, (.42, .27, .15), plain=True)
    if s.variant < .4:                                    # a fir
        for k, (y, w) in enumerate(((-.15, .38), (-.4, .31), (-.65, .23))):
            polygon(c, (-w, y), (0, y - .36), (w, y))
            fill(c, s, mix(s.rgb, (0, 0, 0), .25 - .1 * k))
        return
    for x, y, r in ((-.2, -.46, .19), (.2, -.48, .19), (-.12, -.7, .2), (.14, -.72, .19),
                    (0, -.8, .19), (0, -.55, .22)):
        ellipse(c, x, y, r, r)
        fill(c, s, mix(s.rgb, (.9, 1, .3), s.rng.uniform(0, .16)), round_shape=True)


def draw_house(c, s):
    c.rectangle(-.44, -.6, .88, .59)
    fill(c, s)
    c.rectangle(.2, -.98, .12, .3)
    fill(c, s, (.55, .3, .25), plain=True)
    polygon(c, (-.54, -.58), (-.25, -.95), (.25, -.95), (.54, -.58))
    fill(c, s, s.second, plain=True)
    rounded(c, -.1, -.36, .2, .35, .03)
    fill(c, s, s.third, plain=True)
    glow = (1, .9, .45) if s.lit else (.68, .85, .95)
    for x in (-.34, .17):
        c.rectangle(x, -.46, .17, .18)
        fill(c, s, glow, plain=True)
        c.move_to(x + .085, -.46)
        c.line_to(x + .085, -.28)
        c.move_to(x, -.37)
        c.line_to(x + .17, -.37)
        stroke(c, (.97, .97, .95), .018)


def draw_car(c, s):
    f = s.side
    c.move_to(-.97 * f, -.2)
    c.curve_to(-1 * f, -.5, -.9 * f, -.56, -.62 * f, -.58)
    c.curve_to(-.45 * f, -.95, -.35 * f, -.98, 0, -.98)
    c.curve_to(.3 * f, -.98, .42 * f, -.9, .55 * f, -.6)
    c.curve_to(.9 * f, -.56, .98 * f, -.5, .98 * f, -.2)
    c.close_path()
    fill(c, s)
    for x0, x1, x2, x3 in ((-.5, -.37, -.04, -.04), (.04, .04, .26, .43)):
        polygon(c, (x0 * f, -.58), (x1 * f, -.86), (x2 * f, -.88), (x3 * f, -.58))
        fill(c, s, (.67, .83, .92), plain=True)
    ellipse(c, .9 * f, -.42, .055, .07)
    fill(c, s, (1, .95, .6), plain=True)
    for x in (-.55, .55):
        ellipse(c, x, -.2, .2, .2)
        fill(c, s, (.14, .14, .15), plain=True)
        ellipse(c, x, -.2, .09, .09)
        fill(c, s, (.8, .8, .82), plain=True)


def draw_boat(c, s):
    c.move_to(0, -.98)
    c.line_to(0, -.25)
    stroke(c, (.45, .3, .18), .04)
    polygon(c, (.04, -.96), (.5 * s.side + .02, -.36), (.04, -.32))
    fill(c, s, (.97, .96, .92), plain=True)
    polygon(c, (-.04, -.82), (-.38 * s.side, -.36), (-.04, -.32))
    fill(c, s, s.second, plain=True)
    c.move_to(-.61, -.29)
    c.line_to(.61, -.29)
    c.curve_to(.52, -.06, .4, -.02, .3, -.01)
    c.line_to(-.3, -.01)
    c.curve_to(-.4, -.02, -.52, -.06, -.61, -.29)
    c.close_path()
    fill(c, s, pattern=True)


def draw_fish(c, s):
    f = s.side
    polygon(c, (-.42 * f, -.5), (-.83 * f, -.9), (-.74 * f, -.5), (-.83 * f, -.1))
    fill(c, s, darker(s.rgb, .18))
    c.move_to(-.1 * f, -.85)
    c.curve_to(.05 * f, -1.03, .25 * f, -1, .35 * f, -.75)
    c.close_path()
    fill(c, s, darker(s.rgb, .1))
    c.move_to(-.5 * f, -.5)
    c.curve_to(-.2 * f, -1.02, .5 * f, -1.02, .83 * f, -.5)
    c.curve_to(.5 * f, .02, -.2 * f, .02, -.5 * f, -.5)
    c.close_path()
    fill(c, s, pattern=True, round_shape=True)
    ellipse(c, .52 * f, -.6, .1, .1)
    c.set_source_rgb(1, 1, 1)
    c.fill()
    eye(c, .54 * f, -.6, .055)


def draw_bird(c, s):
    f = s.side
    for x in (-.06, .08):
        c.move_to(x, -.22)
        c.line_to(x, -.02)
        c.line_to(x + .07 * f, -.01)
    stroke(c, (.85, .5, .12), .035)
    polygon(c, (-.3 * f, -.5), (-.64 * f, -.68), (-.6 * f, -.4))
    fill(c, s, darker(s.rgb, .2))
    ellipse(c, -.02 * f, -.46, .36, .27)
    fill(c, s, round_shape=True)
    polygon(c, (.5 * f, -.82), (.65 * f, -.74), (.5 * f, -.68))
    fill(c, s, (.98, .66, .1), plain=True)
    ellipse(c, .3 * f, -.75, .23, .23)
    fill(c, s, round_shape=True)
    c.move_to(.1 * f, -.58)
    c.curve_to(-.1 * f, -.3, -.3 * f, -.3, -.42 * f, -.42)
    c.curve_to(-.3 * f, -.62, -.1 * f, -.66, .1 * f, -.58)
    c.close_path()
    fill(c, s, darker(s.rgb, .28))
    eye(c, .37 * f, -.8, .045)


def cat_head(c, s, x, y, r, asleep):
    for k in (-1, 1):
        polygon(c, (x + k * r * .9, y - r * .3), (x + k * r * .85, y - r * 1.45),
                (x + k * r * .15, y - r * .9))
        fill(c, s)
    ellipse(c, x, y, r * 1.08, r)
    fill(c, s, pattern=True, round_shape=True)
    for k in (-1, 1):
        if asleep:
            c.arc(x + k * r * .42, y, r * .17, .2, math.pi - .2)
            stroke(c, (.05, .05, .05) if luminance(s.rgb) > .2 else (.8, .8, .8), .022)
        else:
            ellipse(c, x + k * r * .42, y - r * .08, r * .2, r * .22)
            c.set_source_rgb(.95, .9, .35)
            c.fill()
            eye(c, x + k * r * .42, y - r * .08, r * .12)
    polygon(c, (x - r * .12, y + r * .25), (x + r * .12, y + r * .25), (x, y + r * .4))
    c.set_source_rgb(.95, .5, .55)
    c.fill()


def draw_cat(c, s):
    f = s.side
    if s.sleeping:
        ellipse(c, 0, -.36, .5, .34)
        fill(c, s, pattern=True, round_shape=True)
        c.arc(.1, -.3, .42, .3, 2.2)
        stroke(c, darker(s.rgb, .15), .11)
        cat_head(c, s, -.26 * f, -.42, .24, True)
        return
    c.move_to(-.22 * f, -.1)
    c.curve_to(-.6 * f, -.05, -.55 * f, -.4, -.42 * f, -.5)
    stroke(c, darker(s.rgb, .2), .11)
    ellipse(c, -.02 * f, -.29, .3, .29)
    fill(c, s, pattern=True, round_shape=True)
    for x in (-.1, .14):
        rounded(c, x * f - .07, -.3, .14, .29, .06)
        fill(c, s)
    cat_head(c, s, .06 * f, -.63, .24, False)


def draw_dog(c, s):
    f = s.side
    c.move_to(-.45 * f, -.5)
    c.curve_to(-.6 * f, -.55, -.6 * f, -.7, -.56 * f, -.8)
    stroke(c, darker(s.rgb, .1), .085)
    for x in (-.4, -.24, .1, .24):
        rounded(c, x * f - .065, -.36, .13, .35, .05)
        fill(c, s, darker(s.rgb, .12))
    rounded(c, -.48 if f > 0 else -.34, -.64, .82, .38, .17)
    fill(c, s, pattern=True)
    ellipse(c, .5 * f, -.68, .13, .1)
    fill(c, s, lighter(s.rgb, .25))
    ellipse(c, .3 * f, -.75, .22, .22)
    fill(c, s, pattern=True, round_shape=True)
    ellipse(c, .18 * f, -.7, .085, .19)
    fill(c, s, darker(s.rgb, .4))
    ellipse(c, .6 * f, -.71, .045, .04)
    c.set_source_rgb(.05, .05, .05)
    c.fill()
    eye(c, .37 * f, -.8, .042)
    c.move_to(.2 * f, -.55)
    c.line_to(.34 * f, -.53)
    stroke(c, (.85, .15, .15), .05)


def draw_face(c, s, skin, y, r):
    ellipse(c, 0, y, r, r)
    fill(c, s, skin, round_shape=True, plain=True)
    for k in (-1, 1):
        eye(c, k * r * .4, y - r * .02, r * .13)
    c.arc(0, y + r * .22, r * .36, .3, math.pi - .3)
    stroke(c, (.6, .2, .2), .014)


def draw_girl(c, s):
    rounded(c, -.19, -.96, .38, .42, .16)
    fill(c, s, s.hair, plain=True)
    for x in (-.07, .07):
        rounded(c, x - .035, -.24, .07, .22, .03)
        fill(c, s, s.skin, plain=True)
        ellipse(c, x, -.025, .06, .025)
        fill(c, s, (.3, .15, .15), plain=True)
    for k in (-1, 1):
        c.move_to(k * .08, -.6)
        c.line_to(k * .2, -.42)
        stroke(c, s.skin, .06)
    c.move_to(-.08, -.67)
    c.line_to(.08, -.67)
    c.line_to(.24, -.2)
    c.curve_to(.1, -.15, -.1, -.15, -.24, -.2)
    c.close_path()
    fill(c, s, pattern=True)
    draw_face(c, s, s.skin, -.81, .145)
    c.move_to(-.16, -.8)
    c.curve_to(-.17, -1.03, .17, -1.03, .16, -.8)
    c.curve_to(.1, -.93, -.1, -.9, -.16, -.8)
    fill(c, s, s.hair, plain=True)


def draw_boy(c, s):
    for x in (-.07, .07):
        rounded(c, x - .04, -.2, .08, .18, .03)
        fill(c, s, s.skin, plain=True)
        ellipse(c, x * 1.15, -.025, .07, .025)
        fill(c, s, (.9, .9, .9), plain=True)
    for k in (-1, 1):
        c.move_to(k * .13, -.6)
        c.line_to(k * .2, -.38)
        stroke(c, s.skin, .065)
    rounded(c, -.14, -.38, .28, .2, .03)
    fill(c, s, (.2, .25, .42), plain=True)
    rounded(c, -.155, -.69, .31, .36, .07)
    fill(c, s, pattern=True)
    draw_face(c, s, s.skin, -.825, .145)
    c.move_to(-.155, -.83)
    c.curve_to(-.17, -1.03, .17, -1.03, .155, -.83)
    c.curve_to(.1, -.9, 0, -.88, -.155, -.83)
    fill(c, s, s.hair, plain=True)


def draw_flower(c, s):
    c.move_to(0, -.6)
    c.curve_to(.04, -.4, -.03, -.2, 0, -.01)
    stroke(c, (.2, .5, .15), .05)
    for k in (-1, 1):
        c.move_to(0, -.12)
        c.curve_to(k * .1, -.35, k * .25, -.36, k * .27, -.36)
        c.curve_to(k * .25, -.2, k * .1, -.12, 0, -.12)
        fill(c, s, (.25, .58, .2), plain=True)
    if s.variant < .35:                                   # a tulip
        c.move_to(-.2, -.95)
        c.line_to(-.1, -.8)
        c.line_to(0, -.98)
        c.line_to(.1, -.8)
        c.line_to(.2, -.95)
        c.curve_to(.24, -.6, .12, -.54, 0, -.54)
        c.curve_to(-.12, -.54, -.24, -.6, -.2, -.95)
        c.close_path()
        fill(c, s)
        return
    for k in range(6):
        a = k * math.pi / 3 + s.variant
        ellipse(c, .17 * math.cos(a), -.69 + .17 * math.sin(a), .125, .125)
        fill(c, s, round_shape=True)
    ellipse(c, 0, -.69, .1, .1)
    fill(c, s, (.98, .8, .15) if luminance(s.rgb) < .7 else (.75, .45, .1), plain=True)


def draw_mushroom(c, s):
    c.move_to(-.13, -.5)
    c.curve_to(-.12, -.3, -.2, -.1, -.17, -.03)
    c.curve_to(-.1, .01, .1, .01, .17, -.03)
    c.curve_to(.2, -.1, .12, -.3, .13, -.5)
    c.close_path()
    fill(c, s, (.95, .91, .82), plain=True)
    c.move_to(-.49, -.46)
    c.curve_to(-.48, -1.15, .48, -1.15, .49, -.46)
    c.curve_to(.3, -.36, -.3, -.36, -.49, -.46)
    c.close_path()
    fill(c, s, pattern=True, round_shape=True)


def draw_umbrella(c, s):
    c.move_to(0, -.95)
    c.line_to(0, -.08)
    c.arc_negative(.05 * s.side, -.07, .05, math.pi, 0)
    stroke(c, (.36, .24, .16), .032)
    c.move_to(-.56, -.5)
    c.curve_to(-.5, -1.12, .5, -1.12, .56, -.5)
    for x in (.373, .187, 0, -.187, -.373, -.56):
        c.curve_to(x + .14, -.56, x + .05, -.56, x, -.5)
    c.close_path()
    fill(c, s, pattern=True)
    if not s.pattern:
        for k in (-.19, 0, .19):
            c.move_to(0, -.96)
            c.curve_to(k * .7, -.85, k, -.7, k, -.5)
            stroke(c, darker(s.rgb, .25), .014)


def draw_balloon(c, s):
    c.move_to(0, -.4)
    c.curve_to(.06, -.25, -.06, -.15, 0, -.01)
    stroke(c, (.35, .35, .38), .016)
    polygon(c, (0, -.42), (-.04, -.38), (.04, -.38))
    fill(c, s)
    c.move_to(0, -.41)
    c.curve_to(-.34, -.58, -.3, -.99, 0, -.99)
    c.curve_to(.3, -.99, .34, -.58, 0, -.41)
    c.close_path()
    fill(c, s, pattern=True, round_shape=True)


def draw_kite(c, s):
    c.move_to(0, -.36)
    c.curve_to(.16, -.25, -.16, -.15, .03, -.01)
    stroke(c, (.5, .3, .3), .018)
    for t, x in ((-.26, .05), (-.13, -.05)):
        polygon(c, (x - .06, t - .03), (x + .06, t + .03), (x + .06, t - .03), (x - .06, t + .03))
        fill(c, s, s.second, plain=True)
    polygon(c, (0, -.99), (.3, -.7), (0, -.34), (-.3, -.7))
    fill(c, s, pattern=True)
    c.move_to(0, -.99)
    c.line_to(0, -.34)
    c.move_to(-.3, -.7)
    c.line_to(.3, -.7)
    stroke(c, darker(s.rgb, .5), .02)


def draw_clock(c, s):
    ellipse(c, 0, -.5, .49, .49)
    fill(c, s)
    ellipse(c, 0, -.5, .38, .38)
    fill(c, s, (.98, .97, .93), plain=True)
    for k in range(12):
        a = k * math.pi / 6
        c.move_to(.3 * math.cos(a), -.5 + .3 * math.sin(a))
        c.line_to(.35 * math.cos(a), -.5 + .35 * math.sin(a))
    stroke(c, (.2, .2, .2), .025)
    for length, a in ((.2, s.variant * 6.28), (.29, s.variant * 75)):
        c.move_to(0, -.5)
        c.line_to(length * math.cos(a), -.5 + length * math.sin(a))
    stroke(c, (.1, .1, .12), .04)


def draw_book(c, s):
    if s.open:
        for k in (-1, 1):
            polygon(c, (0, -.62), (k * .63, -.8), (k * .63, -.2), (0, -.02))
            fill(c, s)
            c.move_to(0, -.72)
            c.curve_to(k * .2, -1, k * .4, -.95, k * .57, -.9)
            c.line_to(k * .57, -.27)
            c.curve_to(k * .4, -.32, k * .2, -.35, 0, -.1)
            c.close_path()
            fill(c, s, (.98, .96, .9), plain=True)
            for y in (-.76, -.64, -.52):
                c.move_to(k * .12, y + .02)
                c.line_to(k * .47, y - .06)
            stroke(c, (.55, .55, .55), .022)
        return
    polygon(c, (-.6, -.3), (-.42, -.72), (.63, -.72), (.47, -.3))
    fill(c, s, pattern=True)
    polygon(c, (-.6, -.3), (.47, -.3), (.47, -.06), (-.6, -.06))
    fill(c, s, (.97, .95, .88), plain=True)
    polygon(c, (.47, -.3), (.63, -.72), (.63, -.48), (.47, -.06))
    fill(c, s, (.85, .82, .75), plain=True)
    c.move_to(-.6, -.3)
    c.line_to(.47, -.3)
    c.move_to(.47, -.04)
    c.line_to(-.6, -.04)
    c.curve_to(-.65, -.1, -.65, -.25, -.6, -.3)
    stroke(c, darker(s.rgb, .1), .075)


def draw_apple(c, s):
    c.move_to(0, -.8)
    c.curve_to(-.2, -.98, -.48, -.85, -.48, -.5)
    c.curve_to(-.48, -.1, -.2, .04, 0, -.04)
    c.curve_to(.2, .04, .48, -.1, .48, -.5)
    c.curve_to(.48, -.85, .2, -.98, 0, -.8)
    c.close_path()
    fill(c, s, round_shape=True)
    c.move_to(0, -.78)
    c.line_to(.05, -.97)
    stroke(c, (.35, .22, .1), .05)
    c.move_to(.06, -.88)
    c.curve_to(.15, -1.02, .28, -1, .32, -.95)
    c.curve_to(.25, -.86, .12, -.84, .06, -.88)
    fill(c, s, (.3, .65, .2), plain=True)


def draw_pear(c, s):
    c.move_to(0, -.88)
    c.curve_to(-.2, -.88, -.14, -.6, -.26, -.48)
    c.curve_to(-.48, -.26, -.36, -.01, 0, -.01)
    c.curve_to(.36, -.01, .48, -.26, .26, -.48)
    c.curve_to(.14, -.6, .2, -.88, 0, -.88)
    c.close_path()
    fill(c, s, round_shape=True)
    c.move_to(0, -.86)
    c.curve_to(0, -.92, .03, -.95, .07, -.98)
    stroke(c, (.35, .22, .1), .045)


def draw_banana(c, s):
    f = s.side
    c.move_to(-.7 * f, -.8)
    c.curve_to(-.62 * f, .2, .5 * f, .22, .72 * f, -.6)
    c.line_to(.62 * f, -.66)
    c.curve_to(.4 * f, -.2, -.3 * f, -.25, -.56 * f, -.86)
    c.close_path()
    fill(c, s)
    c.move_to(-.63 * f, -.82)
    c.line_to(-.66 * f, -.95)
    stroke(c, (.4, .3, .12), .09)
    c.move_to(.67 * f, -.63)
    c.line_to(.69 * f, -.67)
    stroke(c, (.25, .2, .1), .08)


def draw_hat(c, s):
    if s.variant < .5:                                    # a top hat
        c.move_to(-.38, -.18)
        c.line_to(-.42, -.96)
        c.line_to(.42, -.96)
        c.line_to(.38, -.18)
    else:                                                 # a sun hat
        c.move_to(-.48, -.2)
        c.curve_to(-.45, -1.2, .45, -1.2, .48, -.2)
    c.close_path()
    fill(c, s, pattern=True)
    ellipse(c, 0, -.17, .84, .16)
    fill(c, s)
    c.rectangle(-.41, -.42, .82, .16)
    fill(c, s, s.second, plain=True)


def draw_chair(c, s):
    f = s.side
    dark = darker(s.rgb, .2)
    for x in (-.26, .26):
        rounded(c, x * .85 - .03, -.45, .06, .4, .02)
        fill(c, s, dark)
    rounded(c, -.26 * f - .04, -.99, .08, .98, .03)
    fill(c, s)
    for y in (-.94, -.78, -.62):
        polygon(c, (-.26 * f, y), (.1 * f, y - .03), (.1 * f, y + .06), (-.26 * f, y + .1))
        fill(c, s)
    rounded(c, .1 * f - .03, -.99, .06, .5, .02)
    fill(c, s, dark)
    rounded(c, .26 * f - .035, -.45, .07, .44, .02)
    fill(c, s)
    polygon(c, (-.3, -.42), (-.17, -.54), (.3, -.54), (.3, -.42))
    fill(c, s, lighter(s.rgb, .15))
    rounded(c, -.3, -.44, .6, .08, .02)
    fill(c, s)


def draw_table(c, s):
    dark = darker(s.rgb, .25)
    for x in (-.6, .52):
        rounded(c, x, -.8, .07, .68, .02)
        fill(c, s, dark)
    for x in (-.8, .71):
        rounded(c, x, -.75, .09, .74, .02)
        fill(c, s)
    polygon(c, (-.86, -.8), (-.66, -.99), (.66, -.99), (.86, -.8))
    fill(c, s, lighter(s.rgb, .2))
    rounded(c, -.87, -.82, 1.74, .11, .03)
    fill(c, s, pattern=True)


def draw_lamp(c, s):
    rounded(c, -.19, -.07, .38, .06, .03)
    fill(c, s, (.4, .33, .28), plain=True)
    rounded(c, -.03, -.6, .06, .55, .02)
    fill(c, s, (.55, .45, .36), plain=True)
    polygon(c, (-.16, -.98), (.16, -.98), (.3, -.52), (-.3, -.52))
    fill(c, s, mix(s.rgb, (1, .93, .6), .3) if s.lit else s.rgb, pattern=True)
    if s.lit:
        ellipse(c, 0, -.52, .22, .06)
        c.set_source_rgb(1, .97, .75)
        c.fill()


def draw(c, kind, s):
    globals()["draw_" + kind](c, s)
