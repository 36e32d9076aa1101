/* Text of others - captions, paths, what a peer said - on its way to a terminal. */
#ifndef OPS_TERMINAL_H
#define OPS_TERMINAL_H

#include <stdio.h>

#include "common/bytes.h"

/* Writes the text with a full stop for each control character (C0, DEL, C1), which would drive the
 * terminal, and for each byte that is no UTF-8, among which a terminal may find one too. */
void terminal_write(FILE *out, struct view text);

#endif
