"""What the demo detector can name; ids are line positions, 0-based, no background."""

OBJECTS = [
    "ball", "box", "cone", "bottle", "cup", "vase", "tree", "house", "car", "boat",
    "fish", "bird", "cat", "dog", "girl", "boy", "flower", "mushroom", "umbrella", "balloon",
    "kite", "clock", "book", "apple", "pear", "banana", "hat", "chair", "table", "lamp",
]

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown",
           "black", "white", "gray"]
MATERIALS = ["wooden", "metal", "glass"]
PATTERNS = ["striped", "dotted", "checkered"]
STATES = ["small", "large", "lit", "sleeping", "open"]

ATTRIBUTES = COLOURS + MATERIALS + PATTERNS + STATES
