#include "model_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int spoils(const struct model_writer *w, char how, const char *name)
{
    return w->spoil && w->spoil[0] == how && strcmp(w->spoil + 1, name) == 0;
}

void model_writer_init(struct model_writer *w, uint64_t seed, const char *spoil)
{
    *w = (struct model_writer){.dice = {.seed = seed}, .spoil = spoil, .header = json_object()};
    w->metadata = json_object();
    json_object_set_new(w->header, "__metadata__", w->metadata);
    buf_init(&w->data, 1u << 30);
}

void model_writer_tensor(struct model_writer *w, const char *name, const int *shape, int dims,
                         float dev)
{
    if (spoils(w, '-', name)) {
        return;
    }
    json_t *sizes = json_array();
    size_t count = 1;
    for (int d = 0; d < dims; d++) {
        const int n = shape[d] + (d == 0 && spoils(w, '#', name));
        json_array_append_new(sizes, json_integer(n));
        count *= (size_t)n;
    }
    const size_t from = w->data.n;
    for (size_t i = 0; i < count; i++) {
        const float v = i == 0 && spoils(w, '?', name) ? NAN : dev * dice_normal(&w->dice);
        BUG_ON(buf_append(&w->data, &v, sizeof v));
    }
    json_object_set_new(w->header, name,
                        json_pack("{s:s, s:o, s:[i,i]}", "dtype", "F32", "shape", sizes,
                                  "data_offsets", (int)from, (int)w->data.n));
}

void model_writer_layer(struct model_writer *w, const char *name, int out, int in, int kernel,
                        int dims, float gain)
{
    char key[96];
    const int shape[4] = {out, in, kernel, kernel};
    snprintf(key, sizeof key, "%s.weight", name);
    model_writer_tensor(w, key, shape, dims, gain / sqrtf((float)(in * kernel * kernel)));
    snprintf(key, sizeof key, "%s.bias", name);
    model_writer_tensor(w, key, shape, 1, 0.1f);
}

void model_writer_metadata(struct model_writer *w, const char *key, json_t *value)
{
    char *text = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, 0);
    if (spoils(w, '=', key)) {
        json_object_set_new(w->metadata, key, json_string("{\"nonsense\": 1}"));
    } else if (!spoils(w, '!', key)) {
        json_object_set_new(w->metadata, key, json_string(text));
    }
    free(text);
    json_decref(value);
}

json_t *model_writer_names(const char *kind, int n)
{
    json_t *names = json_array();
    for (int i = 0; i < n; i++) {
        json_array_append_new(names, json_sprintf("%s %d", kind, i));
    }
    return names;
}

void model_writer_save(struct model_writer *w, const char *path)
{
    char *header = json_dumps(w->header, JSON_COMPACT);
    unsigned char length[8];
    put_le64(length, strlen(header));
    FILE *out = fopen(path, "wb");
    BUG_ON(!out);
    BUG_ON(fwrite(length, 1, 8, out) != 8);
    BUG_ON(fputs(header, out) < 0);
    BUG_ON(fwrite(w->data.p, 1, w->data.n, out) != w->data.n);
    BUG_ON(fclose(out));
    free(header);
    json_decref(w->header);
    buf_release(&w->data);
}
