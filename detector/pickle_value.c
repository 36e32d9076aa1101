/* Looking at the values of a pickle. */
#include "detector/pickle.h"

bool pickle_is_text(const struct pickle_value *v, const char *text)
{
    return v && (v->kind == PICKLE_TEXT || v->kind == PICKLE_BYTES) &&
           view_equal(v->bytes, view_str(text));
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
    for (size_t i = 0; dict && dict->kind == PICKLE_DICT && i + 1 < dict->list.n; i += 2) {
        if (pickle_is_text(dict->list.item[i], key)) {
            return dict->list.item[i + 1];
        }
    }
    return NULL;
}

const struct pickle_value *pickle_item(const struct pickle_value *v, size_t i)
{
    const bool has = v && (v->kind == PICKLE_TUPLE || v->kind == PICKLE_LIST) && i < v->list.n;
    return has ? v->list.item[i] : NULL;
}

bool pickle_size_of(const struct pickle_value *v, uint64_t *out)
{
    if (!v || v->kind != PICKLE_INT || v->integer < 0) {
        return false;
    }
    *out = (uint64_t)v->integer;
    return true;
}

bool pickle_is_object(const struct pickle_value *v, enum pickle_global global)
{
    return v && v->kind == PICKLE_OBJECT && v->global == global;
}
