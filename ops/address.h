/*
 * Where the processes of a corpus on this machine meet: ipc sockets in a directory of the user's
 * own (mode 0700), named by the corpus, because a socket's path may not be longer than 107 bytes.
 */
#ifndef OPS_ADDRESS_H
#define OPS_ADDRESS_H

#include "common/err.h"

enum { ADDRESS_MAX = 108 };

/* "ipc:///run/user/0/pairmill-<16 hex digits>/broker" for `what` = "broker"; makes the
 * sockets' directory, never the corpus.  E_NO_FILE when there is no such corpus. */
int address_of_corpus(const char *corpus, const char *what, char out[ADDRESS_MAX]) MUST_CHECK;

#endif
