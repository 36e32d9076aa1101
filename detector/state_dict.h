/*
 * The state dict in a checkpoint: the dict of names and arrays that holds a network's weights,
 * wherever the training put it.
 */
#ifndef DETECTOR_STATE_DICT_H
#define DETECTOR_STATE_DICT_H

#include "detector/pickle_array.h"

/*
 * Finds the state dict from `root` on and adds its arrays to `w`: the dict itself, or what it has
 * under "model", "state_dict" and the like, even several deep; what stands beside it (an
 * optimizer's state, an epoch) is left alone.  E_MODEL with the keys there are where none holds
 * arrays.
 */
int state_dict_read(struct weights *w, const struct pickle_value *root,
                    const struct storage_finder *storages) MUST_CHECK;

#endif
