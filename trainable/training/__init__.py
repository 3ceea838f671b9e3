"""The training of one configuration, from its shards to its last report; or of one model a fold."""
