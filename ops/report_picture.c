/* A picture and the regions on it, drawn as one SVG. */
#include <math.h>
#include <stdio.h>

#include "ops/report_internal.h"

enum {
    REGIONS_DRAWN_MAX = 10,
    REGIONS_DRAWN_MIN = 3, /* however unsure the detector is */
    FIGURE_WIDTH = 520,    /* CSS px that the page has for a picture; */
    FIGURE_HEIGHT = 400,   /* sizes below are in CSS px too */
    CHIP_HEIGHT = 17,
    CHIP_PAD = 5,
    CHIP_TEXT_MAX = 40, /* bytes */
};

#define SAME_PLACE    0.7f /* intersection over union */
#define MOSTLY_INSIDE 0.6f /* intersection over the smaller */

/* Dark enough for white letters (contrast above 4.5) and told apart by most colour-blind eyes when
 * neighbours are compared. */
static const char *const colours[REGIONS_DRAWN_MAX] = {"#c62828", "#1565c0", "#2e7d32", "#a34a00",
                                                       "#6a1b9a", "#00707d", "#ad1457", "#5b6300",
                                                       "#37474f", "#7a4a3a"};

const char *picture_type(struct view bytes)
{
    static const unsigned char jpeg[] = {0xff, 0xd8, 0xff};
    static const unsigned char png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (bytes.n >= sizeof jpeg && memcmp(bytes.p, jpeg, sizeof jpeg) == 0) {
        return "image/jpeg";
    }
    return bytes.n >= sizeof png && memcmp(bytes.p, png, sizeof png) == 0 ? "image/png" : NULL;
}

/* ---- which regions ---- */

static float area_of_box(const float *b)
{
    return fmaxf(0, b[2] - b[0]) * fmaxf(0, b[3] - b[1]);
}

static float shared_area(const float *a, const float *b)
{
    const float both[4] = {fmaxf(a[0], b[0]), fmaxf(a[1], b[1]), fminf(a[2], b[2]),
                           fminf(a[3], b[3])};
    return area_of_box(both);
}

/* Two views of one thing: boxes that nearly coincide, or boxes of the same object of which one
 * lies mostly in the other. */
static bool is_same_thing(const struct visual_record *v, uint32_t i, uint32_t k)
{
    const float *a = v->boxes + 4 * (size_t)i;
    const float *b = v->boxes + 4 * (size_t)k;
    const float both = shared_area(a, b);
    const float either = area_of_box(a) + area_of_box(b) - both;
    const float smaller = fminf(area_of_box(a), area_of_box(b));
    return both > SAME_PLACE * either ||
           (v->object_id[i] == v->object_id[k] && both > MOSTLY_INSIDE * smaller);
}

static bool is_finite(const float *box)
{
    return isfinite(box[0]) && isfinite(box[1]) && isfinite(box[2]) && isfinite(box[3]);
}

/* The region that follows `last` in the order of confidence, equal ones in that of their rows; n
 * when there is none. */
static uint32_t next_best(const struct visual_record *v, float below, uint32_t last)
{
    uint32_t best = v->n;
    for (uint32_t i = 0; i < v->n; i++) {
        const bool follows = v->conf[i] < below || (v->conf[i] == below && i > last);
        if (follows && (best == v->n || v->conf[i] > v->conf[best])) {
            best = i;
        }
    }
    return best;
}

static bool is_seen_already(const struct visual_record *v, uint32_t region, const uint32_t *index,
                            uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (is_same_thing(v, region, index[i])) {
            return true;
        }
    }
    return false;
}

uint32_t picture_choose(const struct visual_record *v, uint32_t *index, uint32_t room)
{
    uint32_t n = 0;
    uint32_t last = 0;
    float below = INFINITY;
    while (n < room) {
        const uint32_t i = next_best(v, below, last);
        if (i == v->n || (v->conf[i] <= REGION_CONFIDENT && n >= REGIONS_DRAWN_MIN)) {
            break;
        }
        last = i;
        below = v->conf[i];
        if (is_finite(v->boxes + 4 * (size_t)i) && !is_seen_already(v, i, index, n)) {
            index[n++] = i;
        }
    }
    return n;
}

/* ---- names ---- */

static int add_name(struct buf *out, const char *name, const char *kind, uint32_t id)
{
    return name ? buf_append(out, name, strlen(name)) : buf_printf(out, "%s %u", kind, id);
}

void region_name(const struct picture *p, uint32_t region, struct buf *out)
{
    const struct visual_record *v = p->visual;
    int rc = 0;
    buf_reset(out);
    if (v->attr_id && v->attr_conf[region] >= ATTRIBUTE_LIKELY) {
        const uint32_t id = v->attr_id[region];
        rc = add_name(out, about_attribute_name(p->about, id), "attribute", id);
        rc = rc ? rc : buf_append(out, " ", 1);
    }
    const uint32_t id = v->object_id[region];
    rc = rc ? rc : add_name(out, about_object_name(p->about, id), "object", id);
    (void)rc; /* a name longer than the buffer is left out: the number on the box remains */
}

/* ---- where the labels go ---- */

struct area {
    float x;
    float y;
    float w;
    float h;
};

struct chip {
    struct area at;
    bool placed;
    char text[CHIP_TEXT_MAX + 24];
};

/* The widths of a sans-serif's semibold letters at 12 px, roughly; SVG's textLength makes them
 * exact. */
static float text_width(const char *text)
{
    float width = 0;
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        width += (c & 0xc0) == 0x80         ? 0 /* inside a character */
                 : strchr("fijlrt.,' |", c) ? 4.3f
                 : strchr("mwMW", c)        ? 11
                 : c >= 0xc0                ? 10
                 : (c >= 'A' && c <= 'Z')   ? 8.8f
                                            : 7.5f;
    }
    return width;
}

static bool overlap(const struct area *a, const struct area *b)
{
    return a->x < b->x + b->w && b->x < a->x + a->w && a->y < b->y + b->h && b->y < a->y + a->h;
}

static bool is_free(const struct area *at, const struct area *picture, const struct chip *chips,
                    uint32_t n)
{
    if (at->x < 0 || at->y < 0 || at->x + at->w > picture->w || at->y + at->h > picture->h) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (chips[i].placed && overlap(at, &chips[i].at)) {
            return false;
        }
    }
    return true;
}

/* Above the box, inside at its top, below it, inside at its bottom; from the left edge to the
 * right; then down along the left edge.  Where all is taken the label is left out: the number in
 * the box's corner and the table remain. */
static void place_chip(struct chip *chip, const struct area *box, const struct area *picture,
                       const struct chip *others, uint32_t n)
{
    const float h = CHIP_HEIGHT;
    const float ys[] = {box->y - h, box->y, box->y + box->h, box->y + box->h - h};
    const float right = box->x + box->w - chip->at.w;
    for (int i = 0; i < 4 * 5 && !chip->placed; i++) {
        chip->at.x = box->x + (right - box->x) * (float)(i % 5) / 4;
        chip->at.x = fmaxf(0, fminf(chip->at.x, picture->w - chip->at.w));
        chip->at.y = ys[i / 5];
        chip->placed = is_free(&chip->at, picture, others, n);
    }
    chip->at.x = fmaxf(0, fminf(box->x, picture->w - chip->at.w));
    for (float y = box->y + h; y + h <= box->y + box->h && !chip->placed; y += h) {
        chip->at.y = y;
        chip->placed = is_free(&chip->at, picture, others, n);
    }
}

/* ---- drawing ---- */

/* Image px a CSS px when the figure has all its room. */
static double scale_of(const struct visual_record *v)
{
    const double w = (double)v->width / FIGURE_WIDTH;
    const double h = (double)v->height / FIGURE_HEIGHT;
    const double s = w > h ? w : h;
    return s > 0 ? s : 1;
}

static void put_box(struct html *h, const struct area *a, const char *more)
{
    html_printf(h, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", (double)a->x,
                (double)a->y, (double)a->w, (double)a->h);
    html_put(h, more);
    html_put(h, "/>");
}

/* A region's box in CSS px, inside the picture. */
static struct area area_of(const struct visual_record *v, uint32_t region, double scale)
{
    const float *b = v->boxes + 4 * (size_t)region;
    const float x1 = fmaxf(0, fminf(b[0], (float)v->width));
    const float y1 = fmaxf(0, fminf(b[1], (float)v->height));
    const float x2 = fmaxf(x1, fminf(b[2], (float)v->width));
    const float y2 = fmaxf(y1, fminf(b[3], (float)v->height));
    const float s = (float)scale;
    return (struct area){x1 / s, y1 / s, (x2 - x1) / s, (y2 - y1) / s};
}

static void put_image(struct html *h, const struct picture *p, const struct area *all)
{
    if (p->missing) {
        put_box(h, all, " class=\"ground\"");
        return;
    }
    if (p->embedded) {
        html_printf(h, "<use href=\"#m%llu\"/>", (unsigned long long)p->number);
        return;
    }
    /* All figures of a medium have the same scale, so that one <image> serves them all. */
    html_printf(h, "<image id=\"m%llu\" width=\"%.1f\" height=\"%.1f\" href=\"",
                (unsigned long long)p->number, (double)all->w, (double)all->h);
    html_data_uri(h, p->type, p->bytes);
    html_put(h, "\"/>");
}

static struct area begin_picture(struct html *h, const struct picture *p, double scale)
{
    const struct visual_record *v = p->visual;
    const struct area all = {0, 0, (float)((double)v->width / scale),
                             (float)((double)v->height / scale)};
    html_printf(h,
                "<figure class=\"photo\" style=\"max-width:%.0fpx\">"
                "<svg viewBox=\"0 0 %.1f %.1f\" role=\"img\" aria-label=\"",
                ceil((double)all.w), (double)all.w, (double)all.h);
    html_text_cut(h, view_str(p->alt), 600);
    html_put(h, "\">");
    put_image(h, p, &all);
    return all;
}

static void end_picture(struct html *h, const struct picture *p)
{
    html_put(h, "</svg>");
    if (p->missing) {
        html_put(h, "<figcaption>");
        html_str(h, p->missing);
        html_put(h, "</figcaption>");
    }
    html_put(h, "</figure>\n");
}

static void label_region(struct chip *chip, const struct picture *p, uint32_t region)
{
    struct buf name;
    buf_init(&name, 4096);
    region_name(p, region, &name);
    const struct view text = buf_view(&name);
    size_t n = text.n < CHIP_TEXT_MAX ? text.n : CHIP_TEXT_MAX;
    while (n > 0 && n < text.n && (((const unsigned char *)text.p)[n] & 0xc0) == 0x80) {
        n--;
    }
    snprintf(chip->text, sizeof chip->text, "%.*s %.2f", (int)n, (const char *)text.p,
             (double)p->visual->conf[region]);
    chip->at.w = text_width(chip->text) + 2 * CHIP_PAD;
    chip->at.h = CHIP_HEIGHT;
    buf_release(&name);
}

static void put_chip(struct html *h, const struct chip *chip, const char *colour)
{
    char fill[32];
    snprintf(fill, sizeof fill, " rx=\"3\" fill=\"%s\"", colour);
    put_box(h, &chip->at, fill);
    html_printf(h, "<text x=\"%.1f\" y=\"%.1f\" textLength=\"%.1f\">",
                (double)chip->at.x + CHIP_PAD, (double)chip->at.y + 12.5,
                (double)chip->at.w - 2 * CHIP_PAD);
    html_str(h, chip->text);
    html_put(h, "</text>");
}

static void put_outline(struct html *h, const struct area *box, const char *colour)
{
    char stroke[32];
    snprintf(stroke, sizeof stroke, " stroke=\"%s\"", colour);
    put_box(h, box, " class=\"halo\"");
    put_box(h, box, stroke);
}

void report_named_picture(struct html *h, const struct picture *p)
{
    uint32_t index[REGIONS_DRAWN_MAX];
    struct chip chips[REGIONS_DRAWN_MAX] = {0};
    const uint32_t n = picture_choose(p->visual, index, REGIONS_DRAWN_MAX);
    const double scale = scale_of(p->visual);
    const struct area all = begin_picture(h, p, scale);
    html_put(h, "<g class=\"regions\">");
    for (uint32_t i = n; i-- > 0;) { /* the most confident on top */
        const struct area box = area_of(p->visual, index[i], scale);
        put_outline(h, &box, colours[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct area box = area_of(p->visual, index[i], scale);
        label_region(&chips[i], p, index[i]);
        place_chip(&chips[i], &box, &all, chips, i);
        if (chips[i].placed) {
            put_chip(h, &chips[i], colours[i]);
        }
    }
    html_put(h, "</g>");
    end_picture(h, p);
}

void report_masked_picture(struct html *h, const struct picture *p, const struct plan *plan)
{
    const double scale = scale_of(p->visual);
    begin_picture(h, p, scale);
    html_put(h, "<g class=\"inputs\">");
    for (int hidden = 0; hidden < 2; hidden++) {
        for (uint32_t i = 0; i < plan->regions && i < p->visual->n; i++) {
            if ((plan->region_op[i] == MASK_HIDE) != hidden ||
                !is_finite(p->visual->boxes + 4 * (size_t)i)) {
                continue;
            }
            const struct area box = area_of(p->visual, i, scale);
            put_box(h, &box, hidden ? " class=\"zeroed\"" : "");
        }
    }
    html_put(h, "</g>");
    end_picture(h, p);
}

/* ---- in words ---- */

static void put_row(struct html *h, const struct picture *p, uint32_t region, const char *colour)
{
    const struct visual_record *v = p->visual;
    const float *b = v->boxes + 4 * (size_t)region;
    struct buf name;
    buf_init(&name, 4096);
    region_name(p, region, &name);
    html_printf(h, "<tr><th scope=\"row\"><span class=\"swatch\" style=\"background:%s\"></span>",
                colour);
    html_text_cut(h, buf_view(&name), 200);
    html_printf(h, "</th><td>%.2f</td><td>%.0f, %.0f</td><td>%.0f × %.0f</td></tr>",
                (double)v->conf[region], (double)b[0], (double)b[1], (double)(b[2] - b[0]),
                (double)(b[3] - b[1]));
    buf_release(&name);
}

void report_region_table(struct html *h, const struct picture *p)
{
    uint32_t index[REGIONS_DRAWN_MAX];
    const uint32_t n = picture_choose(p->visual, index, REGIONS_DRAWN_MAX);
    html_printf(h, "<details><summary>%u of %u regions drawn; each stored with %u features", n,
                p->visual->n, p->visual->dim);
    if (p->visual->classes) {
        html_printf(h, " and %u class probabilities", p->visual->classes);
    }
    html_put(h, "</summary><table><thead><tr><th scope=\"col\">region</th>"
                "<th scope=\"col\">confidence</th><th scope=\"col\">left, top</th>"
                "<th scope=\"col\">size in px</th></tr></thead><tbody>");
    for (uint32_t i = 0; i < n; i++) {
        put_row(h, p, index[i], colours[i]);
    }
    html_put(h, "</tbody></table></details>\n");
}
