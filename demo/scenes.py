"""Renders scenes with captions and ground truth: the demo detector's world.

    python3 demo/scenes.py --count 100 --seed 7 --out DIR

writes DIR/images/*.jpg, DIR/captions.json (COCO's captions format) and
DIR/objects.json (COCO's instances format and an "attributes" list each).
Scene i of a seed is the same whatever the count is.

A box is the extent of an object's *visible* pixels; an object of which less
than VISIBLE shows is taken out of the scene.
"""
import argparse
import io
import json
import math
import os
import random
import sys

import cairo
import numpy as np
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import backdrop
import captions
from drawing import ASPECT, HAIRS, PALETTE, SKINS, STEEL, WOOD, draw, ellipse
from vocabulary import ATTRIBUTES, COLOURS, OBJECTS

VISIBLE = .35
SIZES = [(320, 240)] * 4 + [(400, 300)] * 2 + [(360, 270)] * 2 + [(240, 320)] * 3 + \
        [(300, 400), (300, 300), (384, 256), (256, 384), (416, 260), (480, 360)]

# Height as a fraction of the image's short side, at the front of the scene.
HEIGHT = {
    "ball": .24, "box": .27, "cone": .30, "bottle": .36, "cup": .22, "vase": .34, "tree": .66,
    "house": .58, "car": .29, "boat": .34, "fish": .20, "bird": .22, "cat": .30, "dog": .31,
    "girl": .56, "boy": .56, "flower": .33, "mushroom": .25, "umbrella": .48, "balloon": .46,
    "kite": .38, "clock": .24, "book": .19, "apple": .19, "pear": .22, "banana": .17, "hat": .19,
    "chair": .46, "table": .36, "lamp": .42,
}
ANY = COLOURS
FUR = ["black", "white", "gray", "brown", "orange"]
# A detector says "red girl" for a girl in red; these words must not read as if they meant people.
CLOTHES = [c for c in ANY if c not in ("black", "white", "brown", "yellow")]
COLOUR_OF = {
    "girl": CLOTHES, "boy": CLOTHES,
    "tree": ["green"] * 4 + ["orange", "yellow", "red"], "cat": FUR,
    "dog": ["black", "white", "gray", "brown", "brown"],
    "bird": ["red", "blue", "yellow", "black", "white", "green"],
    "flower": ["red", "pink", "yellow", "white", "purple", "blue", "orange"],
    "mushroom": ["red", "red", "brown", "white", "purple"],
    "apple": ["red", "red", "green", "yellow"],
    "pear": ["green", "yellow"], "banana": ["yellow"] * 4 + ["green"],
    "bottle": ["green", "blue", "brown", "white", "red"], "fish": [c for c in ANY if c != "brown"],
}
MATERIAL_OF = {                     # material -> probability
    "box": {"wooden": .4, "metal": .12}, "bottle": {"glass": .55}, "cup": {"metal": .15},
    "vase": {"glass": .25}, "ball": {"metal": .1}, "chair": {"wooden": .5, "metal": .15},
    "table": {"wooden": .6, "metal": .12}, "clock": {"wooden": .25, "metal": .25},
    "boat": {"wooden": .4}, "house": {"wooden": .25}, "lamp": {"metal": .1},
    "mushroom": {}, "cone": {},
}
PATTERN_OF = {                      # pattern -> probability
    "ball": (.22, .15, .1), "box": (.12, .12, .08), "cone": (.35, 0, 0), "cup": (.25, .2, .05),
    "vase": (.25, .15, .08), "boat": (.2, 0, 0), "fish": (.35, .2, 0), "cat": (.25, 0, 0),
    "dog": (0, .3, 0), "girl": (.15, .25, .1), "boy": (.3, .05, .15), "mushroom": (0, .65, 0),
    "umbrella": (.3, .2, .05), "balloon": (.15, .2, 0), "kite": (.25, 0, .25),
    "hat": (.15, .15, .05), "table": (0, 0, 0), "lamp": (.15, .1, 0),
}
SMALL = ["apple", "pear", "banana", "cup", "book", "bottle", "vase", "clock", "hat", "ball",
         "mushroom", "lamp", "box"]
SETTINGS = {
    "room": ["table", "chair", "lamp", "cat", "dog", "girl", "boy", "ball", "box", "book", "vase",
             "clock", "clock", "clock", "balloon", "hat", "flower", "umbrella", "bottle", "cup"],
    "meadow": ["tree", "tree", "tree", "house", "house", "house", "girl", "boy", "dog", "cat",
               "flower", "mushroom", "ball", "kite", "kite", "balloon", "bird", "umbrella", "box",
               "hat", "apple", "pear", "banana", "cone"],
    "beach": ["umbrella", "ball", "girl", "boy", "boat", "boat", "boat", "bird", "bird", "kite",
              "hat", "dog", "book", "bottle", "chair", "banana", "cup", "fish"],
    "underwater": ["fish"] * 4 + ["boat", "boat", "box", "bottle", "vase", "cup", "hat", "ball",
                                  "clock", "cone"],
    "street": ["car", "car", "car", "car", "house", "house", "tree", "tree", "girl", "boy", "dog",
               "cat", "cone", "cone", "cone", "umbrella", "ball", "balloon", "box", "bird", "chair",
               "lamp"],
    "studio": ["ball", "box", "cone", "cone", "bottle", "cup", "vase", "apple", "pear", "pear",
               "banana", "mushroom", "hat", "book", "clock", "clock", "umbrella", "lamp", "flower",
               "kite", "fish", "bird", "boat", "car", "car", "house", "tree"],
    "night": ["tree", "tree", "house", "house", "lamp", "lamp", "girl", "boy", "cat", "dog",
              "balloon", "car", "car", "cone", "mushroom", "box", "umbrella", "flower", "bird"],
}
FLYING = {"bird", "kite", "balloon", "fish"}
PERSON = ("girl", "boy")
SEATED = ["cat", "book", "hat", "ball", "bird", "box", "apple"]


class Style:
    """What a drawing needs to know; see drawing.py."""


class Thing:
    """One object: kind, style, colour word, attributes, base point and height in pixels."""

    def __init__(self, kind, rng, light, night, colour=None, plain=False):
        self.kind = kind
        s = self.style = Style()
        s.light, s.rng = light, random.Random(rng.random())
        s.variant, s.side = rng.random(), rng.choice([-1, 1])
        s.count, s.angle = rng.randint(4, 7), rng.choice([0, math.pi / 2, .6, -.6])
        s.skin, s.hair = rng.choice(SKINS), rng.choice(HAIRS)
        self.colour = colour or rng.choice(COLOUR_OF.get(kind, ANY))
        s.material = None if plain else pick(rng, MATERIAL_OF.get(kind, {}))
        patterns = dict(zip(("striped", "dotted", "checkered"), PATTERN_OF.get(kind, ())))
        s.pattern = None if s.material or plain else pick(rng, patterns)
        s.rgb = tuple(min(1, max(0, v + rng.uniform(-.06, .06))) for v in PALETTE[self.colour])
        if s.material in ("wooden", "metal"):
            s.rgb = WOOD if s.material == "wooden" else STEEL
            s.rgb = tuple(v * rng.uniform(.9, 1.1) for v in s.rgb)
            self.colour = None
        self.second = rng.choice([c for c in ("red", "brown", "gray", "green", "blue", "orange")
                                  if c != self.colour])
        self.door = rng.choice(["red", "green", "blue", "brown", "yellow", "white"])
        s.second, s.third = PALETTE[self.second], PALETTE[self.door]
        s.lit = kind in ("lamp", "house") and rng.random() < (.85 if night else .25)
        s.sleeping = kind == "cat" and rng.random() < .35
        s.open = kind == "book" and rng.random() < .5
        self.size = rng.choices(["small", None, "large"], [.2, .6, .2])[0]
        self.factor = {"small": rng.uniform(.64, .74), None: rng.uniform(.92, 1.08),
                       "large": rng.uniform(1.32, 1.48)}[self.size]
        if kind in ("house", "tree") and self.size == "large":
            self.factor *= .9
        if s.sleeping:
            self.factor *= .75
        self.x = self.y = self.h = 0.0

    @property
    def attributes(self):
        """The true attributes, in the vocabulary's order."""
        s = self.style
        own = {self.colour, s.material, s.pattern, self.size}
        own |= {name for name in ("lit", "sleeping", "open") if getattr(s, name)}
        return [name for name in ATTRIBUTES if name in own]

    @property
    def w(self):
        return self.h * ASPECT[self.kind] * (1.25 if self.style.sleeping else 1)

    def place(self, x, y, h):
        self.x, self.y, self.h = x, y, h
        return self

    def extent(self):
        return (self.x - self.w / 2, self.y - self.h, self.x + self.w / 2, self.y)


def pick(rng, chances):
    """A key of {key: probability}, or None with what is left of 1."""
    roll = rng.random()
    for key, chance in chances.items():
        roll -= chance
        if roll < 0:
            return key
    return None


class Scene:
    """The layout: things in drawing order, and relations (subjects, word, objects)."""

    def __init__(self, seed, index):
        rng = self.rng = random.Random("pairmill scene %d %d" % (seed, index))
        self.width, self.height = rng.choice(SIZES)
        self.setting = rng.choice(list(SETTINGS))
        self.light = rng.choice([-1, 1])
        self.night = self.setting == "night"
        self.short = min(self.width, self.height)
        self.canvas = cairo.ImageSurface(cairo.FORMAT_ARGB32, self.width, self.height)
        self.horizon = backdrop.paint(cairo.Context(self.canvas), self.setting,
                                      self.width, self.height, rng, self.light)
        self.clusters = []                                # [(depth, [things])]
        self.relations = []
        self.strings = []                                 # thin lines from hands to kites
        self.populate()

    # --- layout ---

    def thing(self, kind, **options):
        return Thing(kind, self.rng, self.light, self.night, **options)

    def tall(self, thing, depth):
        """A thing's height in pixels at a depth of 0 (far) to 1 (near)."""
        return max(HEIGHT[thing.kind] * thing.factor * self.short * (.7 + .32 * depth), 24)

    def add(self, things, y, allowed):
        """Keeps a cluster unless it leaves the picture or hides another one too much."""
        boxes = [t.extent() for t in things]
        x0, y0 = min(b[0] for b in boxes), min(b[1] for b in boxes)
        x1, y1 = max(b[2] for b in boxes), max(b[3] for b in boxes)
        slack = .05 * self.short
        if x0 < -slack or x1 > self.width + slack:
            return False
        if y0 < -slack / 2 or y1 > self.height + slack / 2:
            return False
        for _, others in self.clusters:
            for o in others:
                for t in things:
                    if overlap(t.extent(), o.extent()) > allowed:
                        return False
        self.clusters.append((y, things))
        return True

    def fit(self, things, strings):
        """Moves a cluster that sticks out at the sides or the top into the picture."""
        boxes = [t.extent() for t in things]
        x0, y0 = min(b[0] for b in boxes), min(b[1] for b in boxes)
        x1 = max(b[2] for b in boxes)
        dx = max(0, -x0) - max(0, x1 - self.width)
        dy = max(0, -y0)
        for t in things:
            t.x, t.y = t.x + dx, t.y + dy
        for i, (t, start, end) in enumerate(strings):
            strings[i] = (t, (start[0] + dx, start[1] + dy), (end[0] + dx, end[1] + dy))

    def spot(self):
        """A random x, base y and depth on the ground."""
        depth = self.rng.random() ** .8
        low = self.horizon + .10 * (self.height - self.horizon)
        high = self.height * .975
        return self.rng.uniform(.06, .94) * self.width, low + depth * (high - low), depth

    def populate(self):
        makers = [self.make_single] * 4 + [self.make_pair] * 3 + [self.make_group]
        if self.setting in ("room", "meadow", "beach", "street", "night"):
            makers += [self.make_person] * 2
        if self.setting in ("room", "studio", "meadow"):
            makers += [self.make_table] * 2
        if self.setting in ("room", "beach", "street", "studio"):
            makers += [self.make_chair]
        makers += [self.make_stack]
        wanted = self.rng.choice([2, 3, 4, 4, 5])
        kept = 0
        for _ in range(40):
            if kept >= wanted:
                break
            maker = self.rng.choice(makers)
            before, self.new_strings = len(self.relations), []
            things, y = maker(*self.spot())
            self.fit(things, self.new_strings)
            if self.add(things, y, self.rng.choice([0, .1, .25, .4])):
                kept += 1
                self.strings += self.new_strings
            else:
                del self.relations[before:]

    def make_single(self, x, y, depth):
        t = self.thing(self.rng.choice(SETTINGS[self.setting]))
        self.put(t, x, y, depth)
        return [t], t.y

    def put(self, t, x, y, depth):
        """Stands a thing on the ground, or in the air or water if it flies."""
        h = self.tall(t, depth)
        airy = t.kind in FLYING and (self.setting == "underwater" or t.kind in ("kite", "balloon")
                                     or (t.kind == "bird" and self.rng.random() < .4))
        if airy and self.setting not in ("studio", "room"):
            y = self.rng.uniform(h + 3, max(h + 4, self.horizon))
        if t.kind == "clock" and self.setting == "room":
            y = self.rng.uniform(h + 4, max(h + 5, self.horizon * .8))
        if t.kind == "boat" and self.setting == "beach":
            y = self.horizon - self.rng.uniform(.01, .07) * self.short
        t.place(x, y, h)

    def make_pair(self, x, y, depth):
        """One thing beside, in front of or behind another."""
        kinds = [k for k in SETTINGS[self.setting] if k not in ("kite", "balloon", "clock")]
        a, b = self.thing(self.rng.choice(kinds)), self.thing(self.rng.choice(kinds))
        a.place(x, y, self.tall(a, depth))
        b.place(0, y + self.rng.uniform(-2, 2), self.tall(b, depth))
        side = self.rng.choice([-1, 1])
        if a.kind != b.kind and self.rng.random() < .4 and b.h < a.h * .85:
            b.place(x + side * (a.w * .5), y + .1 * self.short, b.h)
            self.relations.append(([b], "in front of", [a]))
            self.relations.append(([a], "behind", [b]))
            return [a, b], b.y
        b.x = x + side * (a.w + b.w) * self.rng.uniform(.51, .6)
        self.relations.append(([a], self.rng.choice(["next to", "beside"]), [b]))
        return [a, b], y

    def make_group(self, x, y, depth):
        """Two to four of a kind and a colour."""
        alone = PERSON + ("house", "table", "kite", "clock")
        kind = self.rng.choice([k for k in SETTINGS[self.setting] if k not in alone])
        count = self.rng.choice([2, 2, 3, 4])
        first = self.thing(kind, plain=True)
        first.size = None
        things = [first] + [self.thing(kind, plain=True, colour=first.colour)
                            for _ in range(count - 1)]
        for i, t in enumerate(things):
            t.size, t.factor = None, self.rng.uniform(.82, .95)
            t.style.sleeping = t.style.open = False
            t.style.lit = first.style.lit
            h = self.tall(t, depth)
            t.place(x, y + self.rng.uniform(-.03, .03) * self.short, h)
            x += t.w * self.rng.uniform(.85, 1.2)
        self.relations.append((things, "group", []))
        return things, y

    def make_table(self, x, y, depth):
        """A table with one to three small things on it and perhaps one under it."""
        table = self.thing("table")
        table.factor = max(table.factor, .95) * 1.1
        table.place(x, y, self.tall(table, depth))
        things = [table]
        count = self.rng.choice([1, 2, 2, 3])
        kinds = self.rng.sample(SMALL, count)
        if count == 2 and self.rng.random() < .4:
            kinds[1] = kinds[0]
        top = []
        for i, kind in enumerate(kinds):
            t = self.thing(kind)
            at = x + table.w * .8 * ((i + .5) / count - .5)
            t.place(at, y - table.h * .88, self.tall(t, depth) * .82)
            top.append(t)
        self.relate_each(top, "on", table)
        things += top
        if self.rng.random() < .45:
            t = self.thing(self.rng.choice(["cat", "ball", "dog", "box", "mushroom", "hat"]))
            t.place(x, y - 2, min(self.tall(t, depth), table.h * .72))
            things.insert(0, t)
            self.relations.append(([t], "under", [table]))
        if self.setting == "room" and self.rng.random() < .4:
            t = self.thing("chair")
            side = self.rng.choice([-1, 1])
            t.place(x, y, self.tall(t, depth))
            t.x = x + side * (table.w + t.w) * .53
            things.append(t)
            self.relations.append(([t], "next to", [table]))
        return things, y

    def relate_each(self, things, word, base):
        if len(things) == 2 and things[0].kind == things[1].kind:
            self.relations.append((things, word, [base]))
            return
        for t in things:
            self.relations.append(([t], word, [base]))
        for a, b in zip(things, things[1:]):
            self.relations.append(([a], "next to", [b]))

    def make_chair(self, x, y, depth):
        chair = self.thing("chair")
        chair.factor = max(chair.factor, .95)
        chair.place(x, y, self.tall(chair, depth))
        t = self.thing(self.rng.choice(SEATED))
        t.place(x, y - chair.h * .46, min(self.tall(t, depth), chair.h * .55))
        self.relations.append(([t], "on", [chair]))
        return [chair, t], y

    def make_stack(self, x, y, depth):
        """Something on a box, flowers in a vase, or an apple on a book."""
        rng = self.rng
        if rng.random() < .3:
            vase = self.thing("vase")
            vase.place(x, y, self.tall(vase, depth) * 1.05)
            flowers = [self.thing("flower") for _ in range(rng.choice([1, 1, 2]))]
            for i, t in enumerate(flowers):
                shift = (i - (len(flowers) - 1) / 2) * vase.w * .85
                t.place(x + shift, y - vase.h * .7, self.tall(t, depth) * .95)
                self.relations.append(([t], "in", [vase]))
            return flowers + [vase], y
        base = self.thing(rng.choice(["box", "box", "book"]))
        base.style.open = False
        base.factor = max(base.factor, 1)
        base.place(x, y, self.tall(base, depth) * 1.1)
        t = self.thing(rng.choice(["cat", "bird", "apple", "hat", "ball", "cup", "pear", "mushroom",
                                   "lamp", "vase"]))
        t.place(x - base.w * .04, y - base.h * (.88 if base.kind == "box" else .5),
                self.tall(t, depth) * .85)
        self.relations.append(([t], "on", [base]))
        return [base, t], y

    def make_person(self, x, y, depth):
        """A child, mostly with an umbrella, a hat, a balloon, a kite or a pet."""
        rng = self.rng
        p = self.thing(rng.choice(PERSON))
        p.factor = max(p.factor, .85)
        h = self.tall(p, depth)
        p.place(x, y, h)
        side = rng.choice([-1, 1])
        hand = (x + side * .2 * h, y - .4 * h)
        what = rng.choice(["umbrella", "hat", "hat", "balloon", "kite", "dog", "cat", "ball", None])
        if what is None:
            return [p], y
        t = self.thing(what)
        if what == "umbrella":
            t.place(hand[0] - side * .05 * h, y - .34 * h, .95 * h)
            self.relations.append(([p], rng.choice(["under", "holding"]), [t]))
            return [t, p], y
        if what == "hat":
            t.style.variant = rng.random()
            t.place(x, y - .86 * h, max(.27 * h, 22))
            self.relations.append(([p], "wearing", [t]))
            return [p, t], y
        if what == "balloon":
            t.place(hand[0], hand[1], .75 * h)
            self.relations.append(([p], "holding", [t]))
            return [t, p], y
        if what == "kite":
            kh = self.tall(t, .5)
            t.place(min(max(x + side * rng.uniform(.3, .7) * self.short, kh * .35),
                        self.width - kh * .35), rng.uniform(kh + 2, max(kh + 3, y - h)), kh)
            self.new_strings.append((t, (t.x, t.y - .5 * kh), hand))
            self.relations.append(([p], "flying", [t]))
            return [t, p], y
        t.place(0, y + 2, self.tall(t, depth))
        t.x = x + side * (p.w + t.w) * .55
        self.relations.append(([p], rng.choice(["with", "next to"]), [t]))
        return [p, t], y

    # --- picture ---

    def layer(self, t):
        """One thing alone on a transparent canvas."""
        surface = cairo.ImageSurface(cairo.FORMAT_ARGB32, self.width, self.height)
        c = cairo.Context(surface)
        c.translate(t.x, t.y)
        wide = 1.25 if t.style.sleeping else 1
        c.scale(t.h * wide, t.h)
        draw(c, t.kind, t.style)
        surface.flush()
        return surface

    def alpha(self, surface):
        data = np.frombuffer(surface.get_data(), np.uint8)
        return data.reshape(self.height, surface.get_stride() // 4, 4)[:, :self.width, 3]

    def drawing_order(self):
        return [t for _, cluster in sorted(self.clusters, key=lambda item: item[0])
                for t in cluster]

    def settle(self):
        """Renders layers, takes out what hardly shows, and sets each thing's box."""
        things = self.drawing_order()
        layers = {t: self.layer(t) for t in things}
        covered = np.zeros((self.height, self.width), bool)
        self.things = []
        for t in reversed(things):                        # from the front to the back
            alpha = self.alpha(layers[t])
            shape, solid = alpha > 70, alpha > 150
            shown = shape & ~covered
            whole = max(int(shape.sum()), 1)
            ys, xs = np.nonzero(shown)
            if len(xs) < VISIBLE * whole or len(xs) < 60 or xs.max() - xs.min() < 9 or \
                    ys.max() - ys.min() < 9:
                continue
            t.box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
            t.area = len(xs)
            covered |= solid
            self.things.insert(0, t)
        kept = set(self.things)
        self.relations = [(a, word, b) for a, word, b in self.relations
                          if all(t in kept for t in a + b)]
        return layers

    def shadow(self, c, t):
        grounded = t.y > self.horizon and t.kind not in ("kite", "balloon")
        if not grounded or self.setting == "underwater" and t.kind == "fish":
            return
        c.save()
        c.translate(t.x - self.light * t.h * .1, t.y - .01 * t.h)
        c.scale(t.w * .52, max(2.5, t.w * .085))
        g = cairo.RadialGradient(0, 0, .1, 0, 0, 1)
        g.add_color_stop_rgba(0, 0, 0, .05, .42)
        g.add_color_stop_rgba(1, 0, 0, .05, 0)
        c.set_source(g)
        ellipse(c, 0, 0, 1, 1)
        c.fill()
        c.restore()

    def glow(self, c, t):
        """The light around a lit lamp."""
        y = t.y - .6 * t.h
        g = cairo.RadialGradient(t.x, y, 2, t.x, y, t.h * 1.1)
        g.add_color_stop_rgba(0, 1, .9, .55, .5 if self.night else .3)
        g.add_color_stop_rgba(1, 1, .9, .5, 0)
        c.set_source(g)
        c.paint()

    def render(self):
        """-> uint8 RGB [H][W][3]; sets .things with .box."""
        layers = self.settle()
        c = cairo.Context(self.canvas)
        for t, start, end in self.strings:
            if t in self.things:
                c.move_to(*start)
                c.line_to(*end)
                c.set_source_rgba(.3, .3, .3, .8)
                c.set_line_width(1)
                c.stroke()
        for t in self.things:
            self.shadow(c, t)
            if t.style.lit and t.kind == "lamp":
                self.glow(c, t)
            c.set_source_surface(layers[t], 0, 0)
            c.paint()
        self.canvas.flush()
        data = np.frombuffer(self.canvas.get_data(), np.uint8)
        data = data.reshape(self.height, self.canvas.get_stride() // 4, 4)[:, :self.width, 2::-1]
        return self.expose(data.astype(np.float32))

    def expose(self, rgb):
        """Warm, cold or dim light, a vignette and the sensor's noise."""
        tint = self.rng.choice([(1, 1, 1), (1, 1, 1), (1.05, 1, .88), (.91, .98, 1.07),
                                (.8, .8, .82), (1.1, 1.08, 1.05)])
        noise = np.random.RandomState(self.rng.randrange(2 ** 31))
        y, x = np.mgrid[-1:1:self.height * 1j, -1:1:self.width * 1j]
        fade = 1 - self.rng.uniform(0, .16) * (x * x + y * y) / 2
        rgb = rgb * np.array(tint, np.float32) * fade[:, :, None].astype(np.float32)
        grain = noise.standard_normal((self.height, self.width, 1)).astype(np.float32)
        rgb = rgb + grain * np.float32(self.rng.uniform(1, 5))
        return np.clip(rgb + .5, 0, 255).astype(np.uint8)


def overlap(a, b):
    """Intersection over the smaller box's area."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def render_scene(seed, index=0):
    """Scene `index` of a seed with its picture, before JPEG, as .image (Pillow)."""
    scene = Scene(seed, index)
    scene.image = Image.fromarray(scene.render())
    return scene


def make(seed, index):
    """Scene `index` of a seed: (JPEG bytes, Scene with .things, caption strings)."""
    scene = render_scene(seed, index)
    out = io.BytesIO()
    scene.image.save(out, "JPEG", quality=92)
    return out.getvalue(), scene, captions.write(scene)


def write(folder, seed, count):
    """Renders scenes 0..count-1 into a folder."""
    os.makedirs(os.path.join(folder, "images"), exist_ok=True)
    images, texts, boxes = [], [], []
    for index in range(count):
        jpeg, scene, lines = make(seed, index)
        name = "scene_%06d.jpg" % index
        with open(os.path.join(folder, "images", name), "wb") as out:
            out.write(jpeg)
        images.append({"id": index + 1, "file_name": name,
                       "width": scene.width, "height": scene.height})
        for line in lines:
            texts.append({"id": len(texts) + 1, "image_id": index + 1, "caption": line})
        for t in scene.things:
            x0, y0, x1, y1 = t.box
            boxes.append({"id": len(boxes) + 1, "image_id": index + 1,
                          "category_id": OBJECTS.index(t.kind) + 1,
                          "bbox": [x0, y0, x1 - x0, y1 - y0], "area": t.area, "iscrowd": 0,
                          "attributes": t.attributes})
    info = {"description": "pairmill demo scenes, seed %d" % seed, "version": "1.0", "year": 2026,
            "contributor": "pairmill", "url": "", "date_created": "2026/01/01"}
    licenses = [{"id": 1, "name": "Apache License 2.0",
                 "url": "https://www.apache.org/licenses/LICENSE-2.0"}]
    for image in images:
        image["license"] = 1
    head = {"info": info, "licenses": licenses, "images": images}
    categories = [{"id": i + 1, "name": name, "supercategory": "thing"}
                  for i, name in enumerate(OBJECTS)]
    with open(os.path.join(folder, "captions.json"), "w") as out:
        json.dump(dict(head, annotations=texts), out)
    with open(os.path.join(folder, "objects.json"), "w") as out:
        json.dump(dict(head, annotations=boxes, categories=categories,
                       attributes=ATTRIBUTES), out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    write(args.out, args.seed, args.count)


if __name__ == "__main__":
    main()
