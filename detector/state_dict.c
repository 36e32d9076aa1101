#include "detector/state_dict.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "detector/weights_internal.h"

enum { DEPTH_MAX = 4, KEYS_ROOM = 200 };

static bool holds_arrays(const struct pickle_value *dict)
{
    for (size_t i = 1; dict && dict->kind == PICKLE_DICT && i < dict->list.n; i += 2) {
        if (pickle_is_array(dict->list.item[i])) {
            return true;
        }
    }
    return false;
}

/* One step from a checkpoint towards its weights; NULL where there is none. detectron2 says
 * "model", Caffe2 "blobs", Lightning and torchvision's older scripts "state_dict". */
static const struct pickle_value *unwrap(const struct pickle_value *v)
{
    static const char *const wrappers[] = {"model",  "state_dict", "model_state_dict",
                                           "module", "net",        "blobs"};
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        const struct pickle_value *inner = pickle_get(v, wrappers[i]);
        if (inner && inner->kind == PICKLE_DICT) {
            return inner;
        }
    }
    return NULL;
}

static const struct pickle_value *find(const struct pickle_value *root)
{
    const struct pickle_value *found = NULL;
    for (int depth = 0; root && depth < DEPTH_MAX; depth++) {
        found = holds_arrays(root) ? root : found; /* the innermost counts */
        root = unwrap(root);
    }
    return found;
}

/* "epoch, args, optimizer": the first keys of a dict, fit for a message. */
static const char *list_keys(const struct pickle_value *dict, char *room)
{
    size_t n = 0;
    for (size_t i = 0; i < dict->list.n && n < KEYS_ROOM - 40; i += 2) {
        const struct pickle_value *key = dict->list.item[i];
        n += (size_t)snprintf(room + n, KEYS_ROOM - n, "%s", i ? ", " : "");
        for (size_t k = 0; key->kind == PICKLE_TEXT && k < key->bytes.n && k < 30; k++) {
            const unsigned char c = ((const unsigned char *)key->bytes.p)[k];
            room[n++] = isgraph(c) ? (char)c : '?';
        }
    }
    room[n] = '\0';
    return room;
}

static int none(const struct weights *w, const struct pickle_value *root)
{
    char keys[KEYS_ROOM];
    if (root->kind != PICKLE_DICT) {
        return err_set(E_MODEL, "%s holds no dict of tensors; save the network's state_dict()",
                       w->path);
    }
    return err_set(
        E_MODEL, "%s holds no dict of tensors under \"model\" or \"state_dict\"; its keys are: %s",
        w->path, list_keys(root, keys));
}

int state_dict_read(struct weights *w, const struct pickle_value *root,
                    const struct storage_finder *storages)
{
    const struct pickle_value *dict = find(root);
    int rc = dict ? 0 : none(w, root);
    for (size_t i = 0; !rc && i + 1 < dict->list.n; i += 2) {
        const struct pickle_value *key = dict->list.item[i];
        const struct pickle_value *value = dict->list.item[i + 1];
        struct weights_array a;
        if (!pickle_is_array(value)) {
            continue; /* "__author__", an iteration's number */
        }
        if (key->kind != PICKLE_TEXT && key->kind != PICKLE_BYTES) {
            return err_set(E_FORMAT, "%s: a tensor of its state dict has no name", w->path);
        }
        rc = weights_check_name(w, key->bytes);
        rc = rc ? rc : pickle_array_read(w->path, key->bytes, value, storages, &a);
        rc = rc ? rc : weights_add(w, key->bytes, &a);
    }
    return rc;
}
