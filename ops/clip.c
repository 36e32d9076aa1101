#include "ops/clip.h"

#include "ops/json_out.h"
#include "ops/npz.h"

enum { BEST = 5 };

/* The classes of the best scores, in falling order, equal ones by index; returns how many. */
static uint32_t best_classes(const float *score, uint32_t classes, uint32_t best[BEST])
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < classes; c++) {
        uint32_t at = n < BEST ? n++ : BEST;
        while (at > 0 && score[c] > score[best[at - 1]]) {
            if (at < BEST) {
                best[at] = best[at - 1];
            }
            at--;
        }
        if (at < BEST) {
            best[at] = c;
        }
    }
    return n;
}

static const char *name_of(const struct clip *c, uint32_t class)
{
    return class < c->model->objects.n ? c->model->objects.name[class] : "";
}

static const char *title(const struct clip *c)
{
    return c->model->kind == DETECTOR_FRAMES ? "a frame" : "the clip";
}

void clip_print_table(const struct clip *c, FILE *out)
{
    const struct clip_features *f = c->features;
    fprintf(out, "%s", c->path[0]);
    if (c->frames > 1) {
        fprintf(out, " ... %s  %u frames", c->path[c->frames - 1], c->frames);
    }
    fprintf(out, "  %u x %u  %u numbers for %s\n", c->width, c->height, f->dim, title(c));
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t best[BEST];
        const float *score = f->scores + (size_t)i * f->classes;
        const uint32_t n = best_classes(score, f->classes, best);
        for (uint32_t k = 0; k < n; k++) {
            fprintf(out, "  %6.4f  %4u  %s\n", (double)score[best[k]], best[k],
                    name_of(c, best[k]));
        }
    }
}

static json_t *row_json(const struct clip *c, uint32_t row)
{
    uint32_t best[BEST];
    const float *score = c->features->scores + (size_t)row * c->features->classes;
    const uint32_t n = best_classes(score, c->features->classes, best);
    json_t *list = json_array();
    for (uint32_t k = 0; k < n; k++) {
        if (json_array_append_new(list, json_pack("{s:i, s:s, s:f}", "class_id", (int)best[k],
                                                  "class", name_of(c, best[k]), "score",
                                                  (double)score[best[k]]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *rows_json(const struct clip *c)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < c->features->n; i++) {
        if (json_array_append_new(rows, row_json(c, i))) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

static json_t *frames_json(const struct clip *c)
{
    json_t *frames = json_array();
    for (uint32_t i = 0; i < c->frames; i++) {
        json_array_append_new(frames, json_out_text(view_str(c->path[i])));
    }
    return frames;
}

int clip_print_json(const struct clip *c, FILE *out)
{
    json_t *j = json_pack("{s:o, s:i, s:i, s:s, s:i, s:o}", "frames", frames_json(c), "width",
                          (int)c->width, "height", (int)c->height, "model", c->model->name, "dim",
                          (int)c->features->dim, "classes", rows_json(c));
    return json_out_line(j, c->path[0], out);
}

static int add_rows(struct npz *z, const char *name, const float *x, uint32_t rows,
                    uint32_t columns)
{
    const size_t shape[2] = {rows, columns};
    return x ? npz_add(z, name, NPZ_F32, 2, shape, x) : 0;
}

int clip_write_npz(const struct clip *c, const char *path)
{
    const struct clip_features *f = c->features;
    struct npz z;
    npz_init(&z);
    int rc = add_rows(&z, "features", f->features, f->n, f->dim);
    rc = rc ? rc : add_rows(&z, "scores", f->scores, f->n, f->classes);
    rc = rc ? rc : add_rows(&z, "embedding", f->embedding, f->n, f->embedding_dim);
    rc = rc ? rc : npz_write(&z, path);
    npz_release(&z);
    return rc;
}
