#include <stdio.h>

#include "ops/command.h"

int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("pairmill commit %s\n", PM_COMMIT);
    return EXIT_OK;
}
