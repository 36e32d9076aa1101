/* A photo with its regions drawn and named. */
#include <stdio.h>
#include <string.h>

#include "ops/canvas.h"
#include "ops/regions.h"

enum { LABELS_MAX = 100, NAME_ROOM = 64 };

/* A person wants to see each thing once: of two regions of one object that overlap this much, only
 * the surer is drawn. */
static const float same_thing = 0.5f;

struct label {
    uint32_t region;
    struct area place;
    char text[NAME_ROOM];
};

struct drawing {
    struct canvas canvas;
    int scale; /* px a dot of text */
    int count;
    struct label label[LABELS_MAX];
};

static float overlap(const float *a, const float *b)
{
    const float x1 = a[0] > b[0] ? a[0] : b[0];
    const float y1 = a[1] > b[1] ? a[1] : b[1];
    const float x2 = a[2] < b[2] ? a[2] : b[2];
    const float y2 = a[3] < b[3] ? a[3] : b[3];
    const float inter = x2 > x1 && y2 > y1 ? (x2 - x1) * (y2 - y1) : 0;
    const float both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
    return inter / (both - inter + 1e-6f);
}

static bool drawn_already(const struct drawing *d, const struct detections *f, uint32_t i)
{
    for (int k = 0; k < d->count; k++) {
        const uint32_t j = d->label[k].region;
        if (f->object_id[i] == f->object_id[j] &&
            overlap(f->refined_boxes + (size_t)4 * i, f->refined_boxes + (size_t)4 * j) >
                same_thing) {
            return true;
        }
    }
    return false;
}

static struct area area_of(const struct detections *f, uint32_t i)
{
    const float *b = f->refined_boxes + (size_t)4 * i;
    return (struct area){(int)b[0], (int)b[1], (int)b[2], (int)b[3]};
}

/* Well-told-apart hues: steps of the golden ratio around the colour circle. */
static struct colour colour_of(uint16_t object)
{
    const float hue = (float)(object * 0.618034 - (int)(object * 0.618034)) * 6;
    const float part = hue - (float)(int)hue;
    const uint8_t up = (uint8_t)(60 + 190 * part);
    const uint8_t down = (uint8_t)(250 - 190 * part);
    switch ((int)hue) {
    case 0: return (struct colour){250, up, 60};
    case 1: return (struct colour){down, 250, 60};
    case 2: return (struct colour){60, 250, up};
    case 3: return (struct colour){60, down, 250};
    case 4: return (struct colour){up, 60, 250};
    default: return (struct colour){250, 60, down};
    }
}

static struct colour ink_on(struct colour c)
{
    const int light = 299 * c.r + 587 * c.g + 114 * c.b; /* ITU-R BT.601 luma, times 1000 */
    return light > 130000 ? (struct colour){0, 0, 0} : (struct colour){255, 255, 255};
}

static bool taken(const struct drawing *d, struct area a)
{
    for (int k = 0; k < d->count; k++) {
        const struct area b = d->label[k].place;
        if (a.x1 <= b.x2 && b.x1 <= a.x2 && a.y1 <= b.y2 && b.y1 <= a.y2) {
            return true;
        }
    }
    return false;
}

/* Above the box, inside its top, or further down in it: the first place where no label is. */
static struct area place_label(const struct drawing *d, struct area box, const char *text)
{
    const int w = canvas_text_width(text, d->scale) + d->scale;
    const int h = canvas_text_height(d->scale) + d->scale;
    const int right = d->canvas.width - w;
    const int x = box.x1 > right ? (right < 0 ? 0 : right) : box.x1;
    for (int line = -1; line < 8; line++) {
        const int y = box.y1 + line * h;
        const struct area a = {x, y, x + w - 1, y + h - 1};
        if (y >= 0 && a.y2 < d->canvas.height && !taken(d, a)) {
            return a;
        }
    }
    const int y = box.y1 + h > d->canvas.height ? d->canvas.height - h : box.y1;
    return (struct area){x, y, x + w - 1, y + h - 1};
}

static void add_label(struct drawing *d, const struct regions *r, uint32_t i)
{
    const struct detections *f = r->found;
    struct label *l = &d->label[d->count];
    const char *attribute = f->attr_id ? r->model->attributes.name[f->attr_id[i]] : "";
    snprintf(l->text, sizeof l->text, "%.24s%s%.24s .%02d", attribute, *attribute ? " " : "",
             r->model->objects.name[f->object_id[i]], (int)(f->object_conf[i] * 99.99f));
    l->region = i;
    l->place = place_label(d, area_of(f, i), l->text);
    d->count++;
}

static void draw(struct drawing *d, const struct detections *f)
{
    for (int k = d->count - 1; k >= 0; k--) { /* the surest last, on top */
        canvas_outline(&d->canvas, area_of(f, d->label[k].region), d->scale + 1,
                       colour_of(f->object_id[d->label[k].region]));
    }
    for (int k = d->count - 1; k >= 0; k--) {
        const struct label *l = &d->label[k];
        const struct colour c = colour_of(f->object_id[l->region]);
        canvas_fill(&d->canvas, l->place, c);
        canvas_text(&d->canvas, l->place.x1 + d->scale, l->place.y1 + d->scale, d->scale, l->text,
                    ink_on(c));
    }
}

int regions_draw(const struct regions *r, const uint8_t *rgb, const char *path)
{
    struct drawing d = {.count = 0};
    int rc = canvas_init(&d.canvas, rgb, r->width, r->height);
    if (rc) {
        return rc;
    }
    const uint32_t side = r->width < r->height ? r->width : r->height;
    d.scale = 1 + (int)(side / 500);
    for (uint32_t i = 0; i < r->found->n && d.count < LABELS_MAX; i++) {
        if (!drawn_already(&d, r->found, i)) {
            add_label(&d, r, i);
        }
    }
    draw(&d, r->found);
    rc = canvas_write_png(&d.canvas, path);
    canvas_release(&d.canvas);
    return rc;
}
