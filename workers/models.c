#include "workers/models.h"

#include <jansson.h>
#include <stdlib.h>

#include "shards/about.h"

static json_t *names_json(const struct detector_names *names)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < names->n; i++) {
        json_array_append_new(list, json_string(names->name[i]));
    }
    return list;
}

/* What a reader of the shards must know about how they were made (shards/about.h). */
static int describe(struct models *m)
{
    const struct detector_info *d = detector_info(m->detector);
    json_t *about = json_object();
    json_object_set_new(about, "detector", json_string(d->name));
    json_object_set_new(about, "architecture", json_string(d->architecture));
    json_object_set_new(about, "feature_dim", json_integer(d->dim));
    json_object_set_new(about, "object_names", names_json(&d->objects));
    json_object_set_new(about, "attribute_names", names_json(&d->attributes));
    json_object_set_new(about, "tokenizer", json_string(wordpiece_name(m->wordpiece)));
    json_object_set_new(about, "wordpiece", about_wordpiece_json(wordpiece_ids(m->wordpiece)));
    json_object_set_new(about, "wordpiece", about_wordpiece_json(wordpiece_ids(m->wordpiece)));
    json_object_set_new(about, "parser", json_string(sg_model_provenance(m->parser)));
    m->about = json_dumps(about, JSON_COMPACT);
    json_decref(about);
    return m->about ? 0 : err_set(E_NOMEM, "no memory to describe the models");
}

static int open_detector(const struct worker_options *options, struct models *m)
{
    const int rc = detector_open(options->model, NULL, &m->detector);
    if (rc) {
        return rc;
    }
    const struct detector_info *d = detector_info(m->detector);
    if (d->kind != DETECTOR_REGIONS) {
        return err_set(E_MODEL, "%s: %s finds no regions, which a corpus of images is made of",
                       options->model, d->architecture);
    }
    return 0;
}

int models_open(const struct worker_options *options, struct models *m)
{
    *m = (struct models){0};
    int rc = open_detector(options, m);
    rc = rc ? rc : sg_model_open(options->parser_model, &m->parser);
    /* UNITER splits the text as Python's str.split() does before it looks for pieces. */
    rc = rc ? rc
            : wordpiece_open(options->vocabulary, WORDPIECE_AUTO, WORDPIECE_SPLIT_PYTHON,
                             &m->wordpiece);
    rc = rc ? rc : describe(m);
    if (rc) {
        models_close(m);
    }
    return rc;
}

void models_close(struct models *m)
{
    if (m->detector) {
        detector_close(m->detector);
    }
    sg_model_close(m->parser);
    wordpiece_free(m->wordpiece);
    free(m->about);
    *m = (struct models){0};
}
