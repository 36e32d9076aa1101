/* pairmill version: the commit, and the number of every format and protocol that it speaks. */
#include <stdio.h>

#include "broker/broker.h"
#include "ops/command.h"
#include "sceneparse/model_format.h"
#include "shards/catalog.h"
#include "shards/codec.h"
#include "shards/feed_message.h"
#include "shards/pairmill.h"
#include "shards/value.h"

int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("pairmill commit %s\n", PM_COMMIT);
    printf("formats: record %d, stored value %d, shard %d, manifest %d, catalog %d, queue %d, "
           "scene-graph model %d\n",
           CODEC_FORMAT, VALUE_FORMAT, SHARD_FORMAT, MANIFEST_FORMAT, CATALOG_VERSION, QUEUE_FORMAT,
           MODEL_VERSION);
    printf("protocols: broker %d, feed %d; trainers' library %d\n", PROTOCOL_VERSION, FEED_PROTOCOL,
           PAIRMILL_ABI);
    return EXIT_OK;
}
