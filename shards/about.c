#include "shards/about.h"

static int parse_wordpiece(const json_t *o, struct wordpiece_ids *out)
{
    json_error_t error;
    int size, pad, unk, cls, sep, mask, first, end;
    if (json_unpack_ex((json_t *)o, &error, 0, "{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "size",
                       &size, "pad", &pad, "unk", &unk, "cls", &cls, "sep", &sep, "mask", &mask,
                       "random_first", &first, "random_end", &end)) {
        return err_set(E_FORMAT, "a shard's vocabulary is not complete: %s", error.text);
    }
    const int ids[] = {pad, unk, cls, sep, mask, first, end - 1};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (ids[i] < 0 || ids[i] >= size || end <= first) {
            return err_set(E_FORMAT, "a shard's vocabulary has special ids outside its %d entries",
                           size);
        }
    }
    *out = (struct wordpiece_ids){(uint32_t)size, (uint32_t)pad,  (uint32_t)unk,   (uint32_t)cls,
                                  (uint32_t)sep,  (uint32_t)mask, (uint32_t)first, (uint32_t)end};
    return 0;
}

int about_parse(struct view text, struct about *out)
{
    json_error_t error;
    *out = (struct about){.json = json_loadb(text.p, text.n, 0, &error)};
    if (!json_is_object(out->json)) {
        const char *why = out->json ? "it is no object" : error.text;
        const int rc = err_set(E_FORMAT, "what a shard says about itself is no JSON: %s", why);
        about_release(out);
        return rc;
    }
    out->detector = json_string_value(json_object_get(out->json, "detector"));
    out->tokenizer = json_string_value(json_object_get(out->json, "tokenizer"));
    const json_t *wordpiece = json_object_get(out->json, "wordpiece");
    out->has_wordpiece = wordpiece != NULL;
    const int rc = wordpiece ? parse_wordpiece(wordpiece, &out->wordpiece) : 0;
    if (rc) {
        about_release(out);
    }
    return rc;
}

void about_release(struct about *a)
{
    json_decref(a->json);
    *a = (struct about){0};
}

struct about about_share(const struct about *a)
{
    json_incref(a->json);
    return *a;
}

static const char *name_at(const struct about *a, const char *list, uint32_t id)
{
    return json_string_value(json_array_get(json_object_get(a->json, list), id));
}

const char *about_object_name(const struct about *a, uint32_t id)
{
    return name_at(a, "object_names", id);
}

const char *about_attribute_name(const struct about *a, uint32_t id)
{
    return name_at(a, "attribute_names", id);
}

json_t *about_wordpiece_json(const struct wordpiece_ids *ids)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "size", (int)ids->size, "pad",
                     (int)ids->pad, "unk", (int)ids->unk, "cls", (int)ids->cls, "sep",
                     (int)ids->sep, "mask", (int)ids->mask, "random_first", (int)ids->random_first,
                     "random_end", (int)ids->random_end);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool about_same_vocabulary(const struct about *a, const struct about *b)
{
    return memcmp(&a->wordpiece, &b->wordpiece, sizeof a->wordpiece) == 0 &&
           same_text(a->tokenizer, b->tokenizer);
}

static bool same_member(const struct about *a, const struct about *b, const char *key)
{
    const json_t *x = json_object_get(a->json, key);
    const json_t *y = json_object_get(b->json, key);
    return x == y || json_equal(x, y);
}

bool about_same_detector(const struct about *a, const struct about *b)
{
    return same_text(a->detector, b->detector) && same_member(a, b, "object_names") &&
           same_member(a, b, "attribute_names");
}
