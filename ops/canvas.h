/*
 * A picture to draw on: 8-bit RGB, lines, filled boxes and small text, written as PNG.
 * Everything is clipped to the picture.
 */
#ifndef OPS_CANVAS_H
#define OPS_CANVAS_H

#include <stdint.h>

#include "common/err.h"

struct canvas {
    uint8_t *rgb; /* [height][width][3] */
    int width;
    int height;
};

struct colour {
    uint8_t r;
    uint8_t g;
    uint8_t b;
};

/* Corners in px, x2 and y2 included. */
struct area {
    int x1;
    int y1;
    int x2;
    int y2;
};

/* A copy of an image; E_NOMEM. */
int canvas_init(struct canvas *c, const uint8_t *rgb, uint32_t width, uint32_t height) MUST_CHECK;
void canvas_release(struct canvas *c);

void canvas_fill(struct canvas *c, struct area a, struct colour colour);

/* An outline `thick` px wide, growing inwards. */
void canvas_outline(struct canvas *c, struct area a, int thick, struct colour colour);

/* Text with its top left corner at (x, y), each dot `scale` px wide.  Letters (upper case is drawn
 * as lower), digits and a little punctuation; anything else is a box. */
void canvas_text(struct canvas *c, int x, int y, int scale, const char *text, struct colour colour);
int canvas_text_width(const char *text, int scale);
int canvas_text_height(int scale);

int canvas_write_png(const struct canvas *c, const char *path) MUST_CHECK;

#endif
