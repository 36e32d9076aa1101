#include "ops/regions.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>

#include "common/half.h"
#include "ops/json_out.h"
#include "ops/npz.h"

static const char *name_of(const struct detector_names *names, const uint16_t *id, uint32_t i)
{
    return id ? names->name[id[i]] : "";
}

void regions_print_table(const struct regions *r, FILE *out)
{
    const struct detections *f = r->found;
    fprintf(out, "%s  %u x %u  %u regions\n", r->path, r->width, r->height, f->n);
    fprintf(out,
            "   conf  object                    attribute               x1     y1     x2     y2\n");
    for (uint32_t i = 0; i < f->n; i++) {
        const float *b = f->refined_boxes + 4 * (size_t)i;
        fprintf(out, "  %5.3f  %-20.20s %4.2f %-15.15s %s%6.1f %6.1f %6.1f %6.1f\n",
                (double)f->conf[i], name_of(&r->model->objects, f->object_id, i),
                (double)f->object_conf[i], name_of(&r->model->attributes, f->attr_id, i), "",
                (double)b[0], (double)b[1], (double)b[2], (double)b[3]);
    }
}

static json_t *box_json(const float *b)
{
    return json_pack("[f,f,f,f]", (double)b[0], (double)b[1], (double)b[2], (double)b[3]);
}

static json_t *region_json(const struct regions *r, uint32_t i)
{
    const struct detections *f = r->found;
    json_t *j = json_pack(
        "{s:o, s:o, s:f, s:i, s:s, s:f}", "box", box_json(f->boxes + 4 * (size_t)i), "refined_box",
        box_json(f->refined_boxes + 4 * (size_t)i), "conf", (double)f->conf[i], "object_id",
        (int)f->object_id[i], "object", r->model->objects.name[f->object_id[i]], "object_conf",
        (double)f->object_conf[i]);
    if (!j || !f->attr_id) {
        return j;
    }
    json_t *attribute = json_pack("{s:i, s:s, s:f}", "attribute_id", (int)f->attr_id[i],
                                  "attribute", r->model->attributes.name[f->attr_id[i]],
                                  "attribute_conf", (double)f->attr_conf[i]);
    if (!attribute || json_object_update_new(j, attribute)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static json_t *regions_json(const struct regions *r)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < r->found->n; i++) {
        if (json_array_append_new(list, region_json(r, i))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int regions_print_json(const struct regions *r, FILE *out)
{
    json_t *j = json_pack("{s:o, s:i, s:i, s:s, s:o}", "image", json_out_text(view_str(r->path)),
                          "width", (int)r->width, "height", (int)r->height, "model", r->model->name,
                          "regions", regions_json(r));
    return json_out_line(j, r->path, out);
}

static int print_base64(const void *p, size_t bytes, char end, FILE *out)
{
    const size_t room = sodium_base64_ENCODED_LEN(bytes, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    if (!text) {
        return err_set(E_NOMEM, "no memory for %zu bytes of base64", room);
    }
    fputs(sodium_bin2base64(text, room, p, bytes, sodium_base64_VARIANT_ORIGINAL), out);
    fputc(end, out);
    free(text);
    return 0;
}

/* Ids in 64 bits, as numpy's argmax gives them; models without attributes have zeros. */
static int print_ids(const uint16_t *id, uint32_t n, FILE *out)
{
    int64_t wide[4096] = {0};
    for (uint32_t i = 0; id && i < n; i++) {
        wide[i] = id[i];
    }
    return print_base64(wide, n * sizeof *wide, '\t', out);
}

static int print_confs(const float *conf, uint32_t n, FILE *out)
{
    static const float zeros[4096];
    return print_base64(conf ? conf : zeros, n * sizeof *conf, '\t', out);
}

int regions_print_tsv(const struct regions *r, enum regions_tsv flavour, FILE *out)
{
    const struct detections *f = r->found;
    int rc = 0;
    BUG_ON(f->n > 4096);
    if (flavour == REGIONS_TSV_BUTD) {
        fprintf(out, "%s\t%u\t%u\t", r->id, r->width, r->height);
    } else {
        fprintf(out, "%s\t%u\t%u\t", r->id, r->height, r->width);
        rc = print_ids(f->object_id, f->n, out);
        rc = rc ? rc : print_confs(f->object_conf, f->n, out);
        rc = rc ? rc : print_ids(f->attr_id, f->n, out);
        rc = rc ? rc : print_confs(f->attr_conf, f->n, out);
    }
    fprintf(out, "%u\t", f->n);
    rc = rc ? rc : print_base64(f->boxes, (size_t)f->n * 4 * sizeof *f->boxes, '\t', out);
    return rc ? rc
              : print_base64(f->features, (size_t)f->n * f->dim * sizeof *f->features, '\n', out);
}

/* x1/W, y1/H, x2/W, y2/H, w/W, h/H, where x2/W is x1/W + w/W in single precision, as there. */
static void normalise_box(const struct regions *r, const float *b, float out[6])
{
    const float w = (float)r->width;
    const float h = (float)r->height;
    out[0] = b[0] / w;
    out[1] = b[1] / h;
    out[4] = (b[2] - b[0]) / w;
    out[5] = (b[3] - b[1]) / h;
    out[2] = out[0] + out[4];
    out[3] = out[1] + out[5];
}

static int add_halves(struct npz *z, const char *name, const float *x, size_t rows, size_t columns)
{
    const size_t shape[2] = {rows, columns};
    half *h = malloc((rows * columns + 1) * sizeof *h);
    if (!h) {
        return err_set(E_NOMEM, "no memory for the array %s", name);
    }
    half_from_floats(x, h, rows * columns);
    const int rc = npz_add(z, name, NPZ_F16, 2, shape, h);
    free(h);
    return rc;
}

int regions_write_npz(const struct regions *r, const char *path)
{
    const struct detections *f = r->found;
    float *boxes = malloc((6 * (size_t)f->n + 1) * sizeof *boxes);
    if (!boxes) {
        return err_set(E_NOMEM, "no memory for %u boxes", f->n);
    }
    for (size_t i = 0; i < f->n; i++) {
        normalise_box(r, f->boxes + 4 * i, boxes + 6 * i);
    }
    struct npz z;
    npz_init(&z);
    int rc = add_halves(&z, "norm_bb", boxes, f->n, 6);
    rc = rc ? rc : add_halves(&z, "features", f->features, f->n, f->dim);
    rc = rc ? rc : add_halves(&z, "conf", f->conf, f->n, 1);
    rc = rc ? rc : add_halves(&z, "soft_labels", f->soft_labels, f->n, f->classes);
    rc = rc ? rc : npz_write(&z, path);
    npz_release(&z);
    free(boxes);
    return rc;
}
