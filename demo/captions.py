"""Captions of a scene: natural English that agrees with its geometry."""

COUNTS = {2: "two", 3: "three", 4: "four"}
PLURAL = {"box": "boxes", "fish": "fish", "girl": "girls", "boy": "boys"}
WHERE = {
    "room": ["in a room", "in a living room", "on the floor"],
    "meadow": ["in a meadow", "in a green field", "on the grass"],
    "beach": ["on a beach", "at the beach", "on the sand"],
    "underwater": ["under the water", "in the sea"],
    "street": ["on a street", "in the city"],
    "studio": ["", "in a photo studio"],
    "night": ["at night", "under the stars"],
}
SITTERS = ("cat", "dog", "bird")
ANIMALS = ("cat", "dog", "bird", "fish")


def article(phrase):
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def adjectives(t, rng, most):
    """Up to `most` of a thing's attributes, in English order."""
    s = t.style
    colour = t.colour if t.kind not in ("girl", "boy") else None
    if s.material == "glass" and rng.random() < .5:
        colour = None
    size = None if t.kind in ("girl", "boy") and t.size == "large" else t.size
    words = [size, "sleeping" if s.sleeping else None, "lit" if s.lit and t.kind == "lamp" else None,
             "open" if s.open else None, colour, s.pattern if t.kind not in ("girl", "boy") else None,
             s.material]
    words = [w for w in words if w]
    while len(words) > most:
        words.remove(rng.choice(words))
    if s.pattern == "dotted" and t.kind in ("dog", "mushroom", "fish"):
        words = ["spotted" if w == "dotted" else w for w in words]
    return words


def clothes(t, rng):
    """'in a yellow dress', 'in a striped shirt'."""
    garment = rng.choice(["dress"] if t.kind == "girl" else ["shirt", "shirt", "T-shirt"])
    words = [t.colour]
    if t.style.pattern:
        words = rng.choice([[t.style.pattern], [t.colour, t.style.pattern]])
    return "in " + article(" ".join(words + [garment]))


class Writer:
    """Phrases of one caption; a thing named twice becomes 'the ...'.

    `vague` is set when that would leave open which of two is meant.
    """

    def __init__(self, scene, rng):
        self.scene, self.rng, self.named, self.vague = scene, rng, set(), False

    def phrase(self, things, dressed=True):
        rng, first = self.rng, things[0]
        if len(things) > 1:
            same = [w for w in (first.size, first.colour, first.style.pattern, first.style.material)
                    if w and all(w in t.attributes for t in things)]
            noun = PLURAL.get(first.kind, first.kind + "s")
            return " ".join([COUNTS[len(things)]] + same[:2] + [noun])
        alike = [t for t in self.named if t.kind == first.kind and t is not first]
        if first in self.named:
            self.vague |= bool(alike)
            return "the " + first.kind
        self.named.add(first)
        words = adjectives(first, rng, rng.choice([1, 2, 2, 3])) + [first.kind]
        text = " ".join(["another"] + words) if alike else article(" ".join(words))
        if first.kind in ("girl", "boy") and dressed and rng.random() < .75:
            text += " " + clothes(first, rng)
        if first.kind == "house" and rng.random() < .5:
            text += " with " + article(rng.choice(["%s door" % first.door, "%s roof" % first.second]))
        return text

    def clause(self, relation, finite):
        """A relation as a noun phrase, or as a sentence if `finite`."""
        a, word, b = relation
        rng = self.rng
        if word == "with":
            return "%s with %s" % (self.phrase(a), self.phrase(b))
        subject = self.phrase(a, dressed=word != "wearing" or rng.random() < .4)
        be = " are " if len(a) > 1 else " is "
        verbs = {"wearing": "wearing", "holding": "holding", "flying": "flying"}
        if word in verbs:
            return subject + (be if finite else " ") + verbs[word] + " " + self.phrase(b)
        text = word
        sleeping = len(a) == 1 and a[0].style.sleeping
        if word == "on" and rng.random() < .4:
            text = "on top of"
            if a[0].kind in SITTERS and not sleeping:
                text = "sitting on"
        if word in ("on", "under", "next to") and sleeping:
            text = "sleeping " + word
            subject = subject.replace("sleeping ", "")
        if word in ("next to", "in front of", "beside") and rng.random() < .3:
            if a[0].kind in ("girl", "boy"):
                text = "standing " + word
            if a[0].kind == "car":
                text = "parked " + word
        if word == "above" and a[0].kind == "bird":
            text = "flying " + rng.choice(["over", "above"])
        return subject + (be if finite else " ") + text + " " + self.phrase(b)


def geometric(scene, rng):
    """Relations that the boxes themselves show: left, right, above."""
    found = []
    tied = {t for a, _, b in scene.relations for t in a + b}
    things = scene.things
    for _ in range(12):
        if len(things) < 2:
            break
        a, b = rng.sample(things, 2)
        if a.kind == b.kind and (a.colour == b.colour):
            continue
        gap = b.box[0] - a.box[2]
        level = abs(a.box[3] - b.box[3]) < .15 * scene.short
        if a in tied and b in tied and gap < 0:
            continue
        if level and 0 <= gap < .1 * scene.short:
            found.append(([a], "next to", [b]))
        elif level and gap > .1 * scene.short:
            found.append(([a], "to the left of", [b]))
        elif level and a.box[0] - b.box[2] > .1 * scene.short:
            found.append(([a], "to the right of", [b]))
        elif a.box[3] < b.box[1] and a.kind in ("bird", "kite", "balloon", "clock") and \
                abs(a.x - b.x) < .6 * (b.box[2] - b.box[0]):
            found.append(([a], "above", [b]))
    return found[:3]


def place(scene, rng):
    words = rng.choice(WHERE[scene.setting])
    return " " + words if words else ""


def sentence(scene, rng, relations):
    """One caption from the relations at hand, or None if it came out ambiguous."""
    writer = Writer(scene, rng)
    text = compose(writer, scene, rng, relations)
    return None if writer.vague else text


def compose(writer, scene, rng, relations):
    """Chooses a form: a group, a list, one relation or two."""
    real = [r for r in relations if r[1] != "group"]
    groups = [r for r in relations if r[1] == "group"]
    style = rng.random()
    if groups and (not real or style < .3):
        return writer.phrase(groups[0][0]) + place(scene, rng)
    if not real:
        named = rng.sample(scene.things, min(len(scene.things), rng.choice([1, 2, 3])))
        parts = [writer.phrase([t]) for t in named]
        text = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
        return text + place(scene, rng)
    first = rng.choice(real)
    if style < .25:
        return writer.clause(first, True) + (place(scene, rng) if rng.random() < .4 else "")
    if style < .45 and first[1] != "with":
        be = "there are " if len(first[0]) > 1 else "there is "
        return be + writer.clause(first, False)
    others = [r for r in real if r is not first and not set(r[0]) & set(first[0] + first[2])]
    if style < .8 and others:
        second = rng.choice(others)
        return writer.clause(first, False) + " and " + writer.clause(second, False)
    return writer.clause(first, False) + (place(scene, rng) if rng.random() < .5 else "")


def write(scene):
    """Two to four different captions."""
    rng = scene.rng
    if not scene.things:
        return ["An empty scene%s." % place(scene, rng), "Nothing to see%s." % place(scene, rng)]
    relations = scene.relations + geometric(scene, rng)
    wanted, lines = rng.choice([2, 3, 4]), []
    for _ in range(30):
        line = sentence(scene, rng, relations)
        if line and line not in lines:
            lines.append(line)
        if len(lines) == wanted:
            break
    finished = []
    for line in lines:
        tidy = rng.random() < .75
        finished.append(line[0].upper() + line[1:] + "." if tidy else line)
    return finished
