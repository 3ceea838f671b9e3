"""Corpus to shards: protocols, decoding, conversion, augmentation, features, shard format."""
